/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/mqtt_codec.h"

#include "base/err.h"
#include "base/test.h"

#include <errno.h>
#include <string.h>

static struct mqtt_packet parse_one(const struct buf *b)
{
	struct mqtt_packet p;
	size_t used = 0;

	CHECK_INT(mqtt_parse(b->data, b->size, MQTT_MAX_PACKET, &p, &used, NULL), 1);
	CHECK_INT(used, b->size);
	return p;
}

TEST(a_login_is_read_as_it_was_written)
{
	auto_buf struct buf b = { 0 };

	mqtt_write_connect(&b, &(struct mqtt_login){ .client_id = "bedside-1",
	                                             .user = "bblp",
	                                             .password = "12345678",
	                                             .keep_alive_s = 30 });

	struct mqtt_packet p = parse_one(&b);

	CHECK_INT(p.type, MQTT_CONNECT);
	CHECK_INT(p.connect.level, 4);
	CHECK_INT(p.connect.keep_alive_s, 30);
	CHECK(p.connect.is_clean);
	CHECK(mqtt_bytes_equal(p.connect.client_id, "bedside-1"));
	CHECK(mqtt_bytes_equal(p.connect.user, "bblp"));
	CHECK(mqtt_bytes_equal(p.connect.password, "12345678"));
	CHECK(!p.connect.will_topic.data);
}

TEST(a_publish_is_read_as_it_was_written)
{
	auto_buf struct buf b = { 0 };

	mqtt_write_publish(&b, "device/X/request", "{}", 3, 1, 513);

	struct mqtt_packet p = parse_one(&b);

	CHECK_INT(p.type, MQTT_PUBLISH);
	CHECK_INT(p.id, 513);
	CHECK_INT(p.publish.qos, 1);
	CHECK(mqtt_bytes_equal(p.publish.topic, "device/X/request"));
	CHECK_INT(p.publish.payload.size, 3);
}

TEST(answers_of_a_broker_are_read_as_they_were_written)
{
	auto_buf struct buf b = { 0 };
	struct mqtt_packet p;
	const uint8_t codes[] = { 0, 1, MQTT_SUBACK_REFUSED };

	mqtt_write_connack(&b, false, MQTT_NOT_ALLOWED);
	p = parse_one(&b);
	CHECK_INT(p.connack.code, 5);
	buf_clear(&b);
	mqtt_write_suback(&b, 9, codes, 3);
	p = parse_one(&b);
	CHECK_INT(p.id, 9);
	CHECK_INT(p.suback.n, 3);
	CHECK_INT(p.suback.codes[2], 0x80);
	buf_clear(&b);
	mqtt_write_ack(&b, MQTT_PUBREL, 7);
	p = parse_one(&b);
	CHECK_INT(p.type, MQTT_PUBREL);
	buf_clear(&b);
	mqtt_write_bare(&b, MQTT_PINGRESP);
	p = parse_one(&b);
	CHECK_INT(p.type, MQTT_PINGRESP);
	buf_clear(&b);
	mqtt_write_subscribe(&b, 3, "device/+/report", 1);
	p = parse_one(&b);
	CHECK_INT(p.subscribe.n, 1);
	CHECK_INT(p.subscribe.filters[0].qos, 1);
}

struct counted {
	unsigned n;
	size_t bytes;
};

static bool on_packet(void *arg, const struct mqtt_packet *p)
{
	struct counted *c = arg;

	c->n++;
	if (p->type == MQTT_PUBLISH)
		c->bytes += p->publish.payload.size;
	return true;
}

TEST(packets_come_out_whole_however_the_bytes_are_cut)
{
	auto_buf struct buf b = { 0 };
	static char payload[40000];

	mqtt_write_bare(&b, MQTT_PINGREQ);
	mqtt_write_publish(&b, "a/b", payload, sizeof(payload), 0, 0);
	mqtt_write_publish(&b, "a/b", payload, 100, 1, 1);
	mqtt_write_bare(&b, MQTT_DISCONNECT);
	for (size_t step = 1; step < b.size; step = step * 3 + 1) {
		struct mqtt_reader r;
		struct counted c = { 0 };

		mqtt_reader_init(&r, 0);
		for (size_t i = 0; i < b.size; i += step)
			CHECK_INT(mqtt_reader_feed(&r, b.data + i, MIN(step, b.size - i), on_packet,
			                           &c, NULL),
			          0);
		CHECK_INT(c.n, 4);
		CHECK_INT(c.bytes, sizeof(payload) + 100);
		mqtt_reader_fini(&r);
	}
}

TEST(a_packet_above_the_limit_is_refused_before_it_is_stored)
{
	struct mqtt_reader r;
	struct counted c = { 0 };
	struct err err;
	const uint8_t head[] = { 0x30, 0xff, 0xff, 0xff, 0x7f }; /* 268 MB */

	mqtt_reader_init(&r, 0);
	CHECK_INT(mqtt_reader_feed(&r, head, sizeof(head), on_packet, &c, &err), -EMSGSIZE);
	CHECK_INT(r.rest.size, 0);
	mqtt_reader_fini(&r);
}

TEST(what_is_not_mqtt_is_refused)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{ "GET / HTTP/1.1\r\n", 16 },
		{ "\x00\x00", 2 },                      /* type 0 */
		{ "\xf0\x00", 2 },                      /* type 15 */
		{ "\x30\xff\xff\xff\xff\x7f", 6 },      /* a length of five bytes */
		{ "\x36\x05\x00\x01z\x00\x01", 7 },     /* QoS 3 */
		{ "\x30\x03\x00\x00z", 5 },             /* no topic */
		{ "\x30\x03\x00\x05z", 5 },             /* the topic runs over the end */
		{ "\x30\x04\x00\x02+a", 6 },            /* wildcard in a topic */
		{ "\x80\x06\x00\x01\x00\x01#\x00", 8 }, /* SUBSCRIBE without flag 2 */
		{ "\x82\x02\x00\x01", 4 },              /* without a filter */
		{ "\xc0\x01z", 3 },                     /* PINGREQ with a body */
		{ "\x40\x01\x00", 3 },                  /* half an id */
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct mqtt_packet p;
		size_t used = 0;

		CHECK_INT(mqtt_parse(bad[i].bytes, bad[i].size, MQTT_MAX_PACKET, &p, &used, NULL),
		          -EPROTO);
	}
}

TEST(topic_filters_match_as_the_standard_says)
{
	static const struct {
		const char *filter, *topic;
		bool matches;
	} cases[] = {
		{ "device/S/report", "device/S/report", true },
		{ "device/S/report", "device/s/report", false },
		{ "device/+/report", "device/S/report", true },
		{ "device/+/report", "device/S/request", false },
		{ "device/+", "device/S/report", false },
		{ "device/#", "device/S/report", true },
		{ "device/#", "device", true },
		{ "#", "device/S/report", true },
		{ "#", "$SYS/x", false },
		{ "+/x", "$SYS/x", false },
		{ "+/+/+", "a/b/c", true },
		{ "+/+", "a/b/c", false },
		{ "/+", "/x", true },
		{ "+", "/x", false },
		{ "a/b", "a/bc", false },
		{ "a/b/", "a/b", false },
		{ "a/+/#", "a/b", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		CHECK_INT(
			mqtt_topic_matches(mqtt_bytes(cases[i].filter), mqtt_bytes(cases[i].topic)),
			cases[i].matches);
	CHECK(!mqtt_filter_is_valid(mqtt_bytes("a+/b")));
	CHECK(!mqtt_filter_is_valid(mqtt_bytes("a/#/b")));
	CHECK(mqtt_filter_is_valid(mqtt_bytes("a/+/#")));
}

TEST(a_text_that_mqtt_cannot_carry_marks_the_buffer)
{
	auto_buf struct buf b = { 0 };
	static char topic[70000];

	memset(topic, 'a', sizeof(topic) - 1);
	mqtt_write_publish(&b, topic, "x", 1, 0, 0);
	CHECK(b.overflown);
}
