/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The MQTT parser: whole, and byte by byte through the reader. */

#include "base/err.h"
#include "wire/mqtt_codec.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	unsigned n;
	size_t sum; /* reads every byte of every field, for the sanitizers */
};

static void look(struct seen *s, struct mqtt_bytes b)
{
	for (size_t i = 0; i < b.size; i++)
		s->sum += (unsigned char)b.data[i];
}

static bool on_packet(void *arg, const struct mqtt_packet *p)
{
	struct seen *s = arg;

	s->n++;
	if (p->type == MQTT_PUBLISH) {
		look(s, p->publish.topic);
		look(s, p->publish.payload);
	} else if (p->type == MQTT_CONNECT) {
		look(s, p->connect.client_id);
		look(s, p->connect.password);
	} else if (p->type == MQTT_SUBSCRIBE || p->type == MQTT_UNSUBSCRIBE) {
		for (unsigned i = 0; i < p->subscribe.n; i++) {
			look(s, p->subscribe.filters[i].filter);
			s->sum += mqtt_topic_matches(p->subscribe.filters[i].filter,
			                             mqtt_bytes("device/01S00A000000001/report"));
		}
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mqtt_reader whole, bytewise;
	struct seen a = { 0 }, b = { 0 };
	struct err err;

	mqtt_reader_init(&whole, 65536);
	mqtt_reader_init(&bytewise, 65536);

	int rc_a = mqtt_reader_feed(&whole, data, size, on_packet, &a, &err), rc_b = 0;

	for (size_t i = 0; i < size && rc_b == 0; i++)
		rc_b = mqtt_reader_feed(&bytewise, data + i, 1, on_packet, &b, &err);
	assert(rc_a == rc_b && a.n == b.n && a.sum == b.sum);
	mqtt_reader_fini(&whole);
	mqtt_reader_fini(&bytewise);
	return 0;
}
