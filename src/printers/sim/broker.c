/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/broker.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/log.h"
#include "core/loop.h"
#include "wire/mqtt_codec.h"
#include "wire/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CLIENTS 32
#define MAX_FILTERS 8
#define MAX_WAITING ((size_t)1 << 20) /* a client that reads slower than this is dropped */

struct client {
	struct sim_broker *broker;
	struct stream *stream;
	struct mqtt_reader reader;
	char filters[MAX_FILTERS][96];
	unsigned n_filters;
	bool is_logged_in, is_stopped; /* by pushing.stop */
	bool is_gone;                  /* to be swept, not touched */
	uint16_t last_id;              /* of the last PUBLISH with QoS 1 */
};

struct sim_broker {
	struct loop *loop;
	struct sim_engine *engine;
	char report[64], request[64];
	struct client *clients[MAX_CLIENTS];
	struct timer sweep; /* frees clients outside of their own callbacks */
};

static void sweep(void *arg)
{
	struct sim_broker *b = arg;

	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = b->clients[i];

		if (!c || !c->is_gone)
			continue;
		stream_free(c->stream);
		mqtt_reader_fini(&c->reader);
		free(c);
		b->clients[i] = NULL;
	}
}

static void client_drop(struct client *c)
{
	c->is_gone = true;
	timer_start(&c->broker->sweep, 0);
}

static void client_send(struct client *c, struct buf *packet)
{
	if (!c->is_gone)
		stream_write(c->stream, packet->data, packet->size);
	buf_fini(packet);
}

static bool bytes_equal_secret(struct mqtt_bytes given, const char *right)
{
	size_t n = strlen(right);

	return given.data && given.size == n && crypto_equal(given.data, right, n);
}

static bool on_connect(struct client *c, const struct mqtt_connect *k)
{
	struct buf out = { 0 };
	bool ok = mqtt_bytes_equal(k->user, "bblp") &&
	          bytes_equal_secret(k->password, sim_engine_code(c->broker->engine));

	if (c->is_logged_in)
		return false;
	if (k->level != 4 && k->level != 3)
		mqtt_write_connack(&out, false, MQTT_BAD_VERSION);
	else
		mqtt_write_connack(&out, false, ok ? MQTT_ACCEPTED : MQTT_NOT_ALLOWED);
	client_send(c, &out);
	c->is_logged_in = ok;
	if (!ok)
		stream_end(c->stream);
	return ok;
}

static bool meets_report(const struct client *c, struct mqtt_bytes filter)
{
	return mqtt_topic_matches(filter, mqtt_bytes(c->broker->report));
}

static void on_subscribe(struct client *c, const struct mqtt_packet *p)
{
	struct buf out = { 0 };
	uint8_t codes[MQTT_MAX_FILTERS];

	for (unsigned i = 0; i < p->subscribe.n; i++) {
		struct mqtt_bytes f = p->subscribe.filters[i].filter;

		codes[i] = MQTT_SUBACK_REFUSED;
		if (!meets_report(c, f) || c->n_filters == MAX_FILTERS ||
		    f.size >= sizeof(c->filters[0]))
			continue;
		text_copy_n(c->filters[c->n_filters++], sizeof(c->filters[0]), f.data, f.size);
		codes[i] = p->subscribe.filters[i].qos > 0;
	}
	mqtt_write_suback(&out, p->id, codes, p->subscribe.n);
	client_send(c, &out);
}

static void on_unsubscribe(struct client *c, const struct mqtt_packet *p)
{
	struct buf out = { 0 };

	for (unsigned i = 0; i < p->subscribe.n; i++)
		for (unsigned k = 0; k < c->n_filters; k++)
			if (mqtt_bytes_equal(p->subscribe.filters[i].filter, c->filters[k]))
				memcpy(c->filters[k], c->filters[--c->n_filters],
				       sizeof(c->filters[0]));
	mqtt_write_ack(&out, MQTT_UNSUBACK, p->id);
	client_send(c, &out);
}

static void on_publish(struct client *c, const struct mqtt_packet *p)
{
	struct buf out = { 0 };
	bool is_repeat = p->publish.is_dup && p->id && p->id == c->last_id;

	if (p->publish.qos == 1)
		mqtt_write_ack(&out, MQTT_PUBACK, p->id);
	else if (p->publish.qos == 2)
		mqtt_write_ack(&out, MQTT_PUBREC, p->id);
	client_send(c, &out);
	c->last_id = p->id;
	if (is_repeat || !mqtt_bytes_equal(p->publish.topic, c->broker->request))
		return;

	switch (sim_engine_request(c->broker->engine, p->publish.payload.data,
	                           p->publish.payload.size)) {
	case SIM_PUSH_STOP:
		c->is_stopped = true;
		break;
	case SIM_PUSH_START:
		c->is_stopped = false;
		break;
	case SIM_PUSH_SAME:
		break;
	}
}

/* False: the connection is over. */
static bool on_packet(void *arg, const struct mqtt_packet *p)
{
	struct client *c = arg;
	struct buf out = { 0 };

	if (c->is_gone)
		return false;
	if (p->type == MQTT_CONNECT)
		return on_connect(c, &p->connect);
	if (!c->is_logged_in) {
		client_drop(c);
		return false;
	}
	if (p->type == MQTT_SUBSCRIBE) {
		on_subscribe(c, p);
	} else if (p->type == MQTT_UNSUBSCRIBE) {
		on_unsubscribe(c, p);
	} else if (p->type == MQTT_PUBLISH) {
		on_publish(c, p);
	} else if (p->type == MQTT_PINGREQ) {
		mqtt_write_bare(&out, MQTT_PINGRESP);
		client_send(c, &out);
	} else if (p->type == MQTT_PUBREL) {
		mqtt_write_ack(&out, MQTT_PUBCOMP, p->id);
		client_send(c, &out);
	} else if (p->type == MQTT_DISCONNECT) {
		client_drop(c);
		return false;
	}
	return !c->is_gone;
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct client *c = arg;
	struct err err;

	if (!c->is_gone && mqtt_reader_feed(&c->reader, bytes, size, on_packet, c, &err) < 0) {
		log_debug(NULL, "simulated printer: %s: %s", stream_peer(c->stream), err.text);
		client_drop(c);
	}
}

static void on_closed(void *arg, const struct err *err)
{
	(void)err;
	client_drop(arg);
}

struct sim_broker *sim_broker_new(struct loop *l, struct sim_engine *e, const char *serial)
{
	struct sim_broker *b = MEM_NEW(struct sim_broker);

	b->loop = l;
	b->engine = e;
	(void)snprintf(b->report, sizeof(b->report), "device/%.32s/report", serial);
	(void)snprintf(b->request, sizeof(b->request), "device/%.32s/request", serial);
	timer_init(&b->sweep, l, sweep, b);
	return b;
}

void sim_broker_free(struct sim_broker *b)
{
	if (!b)
		return;
	sim_broker_drop(b);
	sweep(b);
	timer_stop(&b->sweep);
	free(b);
}

void sim_broker_accept(struct sim_broker *b, struct stream *s)
{
	size_t i = 0;

	while (i < MAX_CLIENTS && b->clients[i])
		i++;
	if (i == MAX_CLIENTS) {
		stream_free(s);
		return;
	}

	struct client *c = MEM_NEW(struct client);

	c->broker = b;
	c->stream = s;
	mqtt_reader_init(&c->reader, 0);
	b->clients[i] = c;
	stream_listen(s, &(struct stream_events){
				 .received = on_received, .closed = on_closed, .arg = c });
}

static bool client_wants(const struct client *c)
{
	return c && !c->is_gone && c->is_logged_in && !c->is_stopped && c->n_filters > 0;
}

void sim_broker_publish(struct sim_broker *b, json_t *report)
{
	struct buf packet = { 0 };

	for (size_t i = 0; i < MAX_CLIENTS; i++) {
		struct client *c = b->clients[i];

		if (!client_wants(c))
			continue;
		/* Written once for all. */
		if (packet.size == 0) {
			char *text = json_dumps(report, JSON_INDENT(4));

			mqtt_write_publish(&packet, b->report, text, strlen(text), 0, 0);
			free(text);
		}
		if (stream_queued(c->stream) > MAX_WAITING)
			client_drop(c);
		else
			stream_write(c->stream, packet.data, packet.size);
	}
	buf_fini(&packet);
}

void sim_broker_drop(struct sim_broker *b)
{
	for (size_t i = 0; i < MAX_CLIENTS; i++)
		if (b->clients[i])
			client_drop(b->clients[i]);
}

unsigned sim_broker_clients(const struct sim_broker *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < MAX_CLIENTS; i++)
		n += b->clients[i] && b->clients[i]->is_logged_in && !b->clients[i]->is_gone;
	return n;
}
