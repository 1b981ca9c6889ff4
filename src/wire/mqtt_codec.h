/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mqtt_codec: MQTT 3.1.1 packets (OASIS standard of 29 October 2014) as bytes, both directions.
 *
 * Pure: no I/O, no clock. The parser takes foreign bytes: a packet above the reader's limit, a
 * wrong flag, a length that does not fit is an error that ends the connection; nothing is
 * allocated but the unfinished packet. Payloads are not looked at.
 *
 * Thread: any; one reader belongs to one connection.
 */

#pragma once

#include "base/base.h"
#include "base/buf.h"

struct err;

#define MQTT_MAX_PACKET ((size_t)1 << 20)
#define MQTT_MAX_FILTERS 16 /* in one SUBSCRIBE or UNSUBSCRIBE */

enum mqtt_type {
	MQTT_CONNECT = 1,
	MQTT_CONNACK,
	MQTT_PUBLISH,
	MQTT_PUBACK,
	MQTT_PUBREC,
	MQTT_PUBREL,
	MQTT_PUBCOMP,
	MQTT_SUBSCRIBE,
	MQTT_SUBACK,
	MQTT_UNSUBSCRIBE,
	MQTT_UNSUBACK,
	MQTT_PINGREQ,
	MQTT_PINGRESP,
	MQTT_DISCONNECT,
};

enum mqtt_connack { /* 3.2.2.3 */
	MQTT_ACCEPTED = 0,
	MQTT_BAD_VERSION = 1,
	MQTT_BAD_ID = 2,
	MQTT_UNAVAILABLE = 3,
	MQTT_BAD_LOGIN = 4,
	MQTT_NOT_ALLOWED = 5,
};

#define MQTT_SUBACK_REFUSED 0x80

/* Bytes inside the parsed packet, not terminated; data NULL: the field is absent. */
struct mqtt_bytes {
	const char *data;
	size_t size;
};

struct mqtt_connect {
	uint8_t level; /* 4 = 3.1.1, 3 = 3.1 */
	bool is_clean;
	uint16_t keep_alive_s;
	struct mqtt_bytes client_id, will_topic, will_payload, user, password;
};

struct mqtt_filter {
	struct mqtt_bytes filter;
	uint8_t qos;
};

struct mqtt_packet {
	enum mqtt_type type;
	uint16_t id; /* 0 where the packet has none */
	union {
		struct mqtt_connect connect;
		struct {
			bool is_session_present;
			uint8_t code; /* enum mqtt_connack */
		} connack;
		struct {
			struct mqtt_bytes topic, payload;
			uint8_t qos;
			bool is_dup, is_retained;
		} publish;
		struct { /* SUBSCRIBE, UNSUBSCRIBE */
			unsigned n;
			struct mqtt_filter filters[MQTT_MAX_FILTERS];
		} subscribe;
		struct { /* SUBACK */
			unsigned n;
			uint8_t codes[MQTT_MAX_FILTERS]; /* granted QoS or MQTT_SUBACK_REFUSED */
		} suback;
	};
};

/* One packet from the front of `bytes`: 1 and *ret_used; 0 more is needed; -EMSGSIZE above
 * `max_packet`; -EPROTO malformed. `ret` points into `bytes`. */
int mqtt_parse(const void *bytes, size_t size, size_t max_packet, struct mqtt_packet *ret,
               size_t *ret_used, struct err *err) MUST_CHECK;

/* Bytes as they come from a stream, packets as they become whole. */
struct mqtt_reader {
	struct buf rest; /* the packet that is not whole yet */
	size_t max_packet;
};

/* `max_packet` 0: MQTT_MAX_PACKET. */
void mqtt_reader_init(struct mqtt_reader *r, size_t max_packet);
void mqtt_reader_fini(struct mqtt_reader *r);

/* Calls `on_packet` for each whole packet, which is borrowed for the call. The callback returns
 * false to stop (it may have freed the reader); then the rest is forgotten and 0 returned.
 * Otherwise 0, or what mqtt_parse() refused. */
int mqtt_reader_feed(struct mqtt_reader *r, const void *bytes, size_t size,
                     bool (*on_packet)(void *arg, const struct mqtt_packet *p), void *arg,
                     struct err *err) MUST_CHECK;

/* Writers append one packet. A text above 65535 bytes or a packet above 256 MB marks the buffer
 * overflown. */
struct mqtt_login {
	const char *client_id;
	const char *user;     /* NULL: none */
	const char *password; /* NULL: none */
	uint16_t keep_alive_s;
};
void mqtt_write_connect(struct buf *b, const struct mqtt_login *l);
void mqtt_write_connack(struct buf *b, bool is_session_present, enum mqtt_connack code);
/* `id` is ignored with qos 0. */
void mqtt_write_publish(struct buf *b, const char *topic, const void *payload, size_t size,
                        uint8_t qos, uint16_t id);
/* PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBACK. */
void mqtt_write_ack(struct buf *b, enum mqtt_type type, uint16_t id);
void mqtt_write_subscribe(struct buf *b, uint16_t id, const char *filter, uint8_t qos);
void mqtt_write_suback(struct buf *b, uint16_t id, const uint8_t *codes, unsigned n);
void mqtt_write_unsubscribe(struct buf *b, uint16_t id, const char *filter);
/* PINGREQ, PINGRESP, DISCONNECT. */
void mqtt_write_bare(struct buf *b, enum mqtt_type type);

bool mqtt_filter_is_valid(struct mqtt_bytes filter);
bool mqtt_topic_is_valid(struct mqtt_bytes topic);
/* 4.7: + one level, # the rest; neither meets a topic that begins with '$'. */
bool mqtt_topic_matches(struct mqtt_bytes filter, struct mqtt_bytes topic);
struct mqtt_bytes mqtt_bytes(const char *text);
bool mqtt_bytes_equal(struct mqtt_bytes a, const char *text);

/* "wrong user name or access code" … for CONNACK codes. */
const char *mqtt_connack_text(uint8_t code);
