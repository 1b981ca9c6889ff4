/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/mqtt_codec.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

/* What is left of a packet while it is read; `is_bad` once something did not fit. */
struct cursor {
	const uint8_t *at;
	size_t left;
	bool is_bad;
};

static uint8_t take_u8(struct cursor *c)
{
	if (c->left < 1) {
		c->is_bad = true;
		return 0;
	}
	c->left--;
	return *c->at++;
}

static uint16_t take_u16(struct cursor *c)
{
	unsigned high = take_u8(c);

	return (uint16_t)(high << 8 | take_u8(c));
}

static struct mqtt_bytes take_n(struct cursor *c, size_t n)
{
	struct mqtt_bytes b = { 0 };

	if (c->is_bad || c->left < n) {
		c->is_bad = true;
		return b;
	}
	b.data = (const char *)c->at;
	b.size = n;
	c->at += n;
	c->left -= n;
	return b;
}

static struct mqtt_bytes take_text(struct cursor *c)
{
	size_t n = take_u16(c);

	return take_n(c, n);
}

static void parse_connect(struct cursor *c, struct mqtt_connect *k)
{
	struct mqtt_bytes name = take_text(c);

	k->level = take_u8(c);

	uint8_t flags = take_u8(c);

	k->keep_alive_s = take_u16(c);
	if (!mqtt_bytes_equal(name, "MQTT") && !mqtt_bytes_equal(name, "MQIsdp"))
		c->is_bad = true;
	/* Bit 0 is reserved; a password needs a user (3.1.2). */
	if ((flags & 0x01) || ((flags & 0x40) && !(flags & 0x80)))
		c->is_bad = true;
	k->is_clean = flags & 0x02;
	k->client_id = take_text(c);
	if (flags & 0x04) {
		k->will_topic = take_text(c);
		k->will_payload = take_text(c);
	}
	if (flags & 0x80)
		k->user = take_text(c);
	if (flags & 0x40)
		k->password = take_text(c);
}

static void parse_publish(struct cursor *c, uint8_t flags, struct mqtt_packet *p)
{
	p->publish.is_dup = flags & 8;
	p->publish.qos = flags >> 1 & 3;
	p->publish.is_retained = flags & 1;
	p->publish.topic = take_text(c);
	if (p->publish.qos > 2 || !mqtt_topic_is_valid(p->publish.topic))
		c->is_bad = true;
	if (p->publish.qos > 0) {
		p->id = take_u16(c);
		c->is_bad |= p->id == 0;
	}
	p->publish.payload = take_n(c, c->left);
}

static void parse_filters(struct cursor *c, struct mqtt_packet *p)
{
	p->id = take_u16(c);
	if (p->id == 0 || c->left == 0)
		c->is_bad = true;
	while (!c->is_bad && c->left > 0) {
		if (p->subscribe.n == MQTT_MAX_FILTERS) {
			c->is_bad = true;
			return;
		}

		struct mqtt_filter *f = &p->subscribe.filters[p->subscribe.n++];

		f->filter = take_text(c);
		f->qos = p->type == MQTT_SUBSCRIBE ? take_u8(c) : 0;
		if (f->qos > 2 || !mqtt_filter_is_valid(f->filter))
			c->is_bad = true;
	}
}

static void parse_suback(struct cursor *c, struct mqtt_packet *p)
{
	p->id = take_u16(c);
	c->is_bad |= c->left == 0 || c->left > MQTT_MAX_FILTERS;
	while (!c->is_bad && c->left > 0)
		p->suback.codes[p->suback.n++] = take_u8(c);
}

static void parse_body(struct cursor *c, uint8_t flags, struct mqtt_packet *p)
{
	switch (p->type) {
	case MQTT_CONNECT:
		parse_connect(c, &p->connect);
		break;
	case MQTT_CONNACK:
		p->connack.is_session_present = take_u8(c) & 1;
		p->connack.code = take_u8(c);
		break;
	case MQTT_PUBLISH:
		parse_publish(c, flags, p);
		break;
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		parse_filters(c, p);
		break;
	case MQTT_SUBACK:
		parse_suback(c, p);
		break;
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBREL:
	case MQTT_PUBCOMP:
	case MQTT_UNSUBACK:
		p->id = take_u16(c);
		break;
	case MQTT_PINGREQ:
	case MQTT_PINGRESP:
	case MQTT_DISCONNECT:
		break;
	}
}

/* The flags that 2.2.2 prescribes; PUBLISH has its own. */
static bool flags_fit(unsigned type, uint8_t flags)
{
	if (type == MQTT_PUBLISH)
		return true;
	if (type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE)
		return flags == 2;
	return flags == 0;
}

/* 1 and the length of header and body; 0: more bytes are needed. */
static int parse_length(const uint8_t *b, size_t size, size_t *ret_head, size_t *ret_body)
{
	size_t body = 0;

	for (size_t i = 1; i < 5; i++) {
		if (i >= size)
			return 0;
		body |= (size_t)(b[i] & 0x7f) << (7 * (i - 1));
		if (!(b[i] & 0x80)) {
			*ret_head = i + 1;
			*ret_body = body;
			return 1;
		}
	}
	return -EPROTO;
}

int mqtt_parse(const void *bytes, size_t size, size_t max_packet, struct mqtt_packet *ret,
               size_t *ret_used, struct err *err)
{
	const uint8_t *b = bytes;
	size_t head, body;

	if (size == 0)
		return 0;

	unsigned type = b[0] >> 4;
	uint8_t flags = b[0] & 15;

	if (type < MQTT_CONNECT || type > MQTT_DISCONNECT || !flags_fit(type, flags))
		return err_set(err, -EPROTO, "not MQTT: a packet begins with 0x%02x", b[0]);

	int rc = parse_length(b, size, &head, &body);

	if (rc < 0)
		return err_set(err, rc, "not MQTT: a length of more than four bytes");
	if (rc == 0)
		return 0;
	if (head + body > max_packet)
		return err_set(err, -EMSGSIZE, "an MQTT packet of %zu bytes; %zu are allowed",
		               head + body, max_packet);
	if (size < head + body)
		return 0;

	struct cursor c = { .at = b + head, .left = body };
	struct mqtt_packet p = { .type = (enum mqtt_type)type };

	parse_body(&c, flags, &p);
	if (c.is_bad || c.left > 0)
		return err_set(err, -EPROTO, "malformed MQTT packet of type %u, %zu bytes", type,
		               head + body);
	*ret = p;
	*ret_used = head + body;
	return 1;
}

void mqtt_reader_init(struct mqtt_reader *r, size_t max_packet)
{
	r->max_packet = max_packet ? max_packet : MQTT_MAX_PACKET;
	buf_init(&r->rest, 0);
}

void mqtt_reader_fini(struct mqtt_reader *r)
{
	buf_fini(&r->rest);
}

int mqtt_reader_feed(struct mqtt_reader *r, const void *bytes, size_t size,
                     bool (*on_packet)(void *arg, const struct mqtt_packet *p), void *arg,
                     struct err *err)
{
	/* Taken out of the reader, which the callback may free. */
	struct buf mine = r->rest;
	bool is_joined = mine.size > 0;
	int rc;

	buf_init(&r->rest, 0);
	if (is_joined)
		buf_add(&mine, bytes, size);

	const char *at = is_joined ? mine.data : bytes;
	size_t left = is_joined ? mine.size : size;

	for (;;) {
		struct mqtt_packet p;
		size_t used = 0;

		rc = mqtt_parse(at, left, r->max_packet, &p, &used, err);
		if (rc <= 0)
			break;
		if (!on_packet(arg, &p)) {
			buf_fini(&mine);
			return 0;
		}
		at += used;
		left -= used;
	}
	if (rc == 0 && left > 0) {
		if (is_joined) {
			buf_consume(&mine, mine.size - left);
			r->rest = mine;
			return 0;
		}
		buf_add(&r->rest, at, left);
	}
	buf_fini(&mine);
	return rc;
}

static void put_u16(struct buf *b, unsigned v)
{
	buf_add_char(b, (char)(v >> 8));
	buf_add_char(b, (char)v);
}

static void put_text(struct buf *b, const char *text, size_t size)
{
	if (size > UINT16_MAX) {
		b->overflown = true;
		return;
	}
	put_u16(b, (unsigned)size);
	buf_add(b, text, size);
}

static void put_head(struct buf *b, enum mqtt_type type, unsigned flags, size_t body)
{
	if (body > 268435455) {
		b->overflown = true;
		return;
	}
	buf_add_char(b, (char)((unsigned)type << 4 | flags));
	do {
		unsigned byte = body & 0x7f;

		body >>= 7;
		buf_add_char(b, (char)(byte | (body ? 0x80 : 0)));
	} while (body);
}

void mqtt_write_connect(struct buf *b, const struct mqtt_login *l)
{
	size_t body = 10 + 2 + strlen(l->client_id);
	unsigned flags = 0x02;

	if (l->user) {
		body += 2 + strlen(l->user);
		flags |= 0x80;
		if (l->password) {
			body += 2 + strlen(l->password);
			flags |= 0x40;
		}
	}
	put_head(b, MQTT_CONNECT, 0, body);
	put_text(b, "MQTT", 4);
	buf_add_char(b, 4);
	buf_add_char(b, (char)flags);
	put_u16(b, l->keep_alive_s);
	put_text(b, l->client_id, strlen(l->client_id));
	if (flags & 0x80)
		put_text(b, l->user, strlen(l->user));
	if (flags & 0x40)
		put_text(b, l->password, strlen(l->password));
}

void mqtt_write_connack(struct buf *b, bool is_session_present, enum mqtt_connack code)
{
	put_head(b, MQTT_CONNACK, 0, 2);
	buf_add_char(b, is_session_present && code == MQTT_ACCEPTED ? 1 : 0);
	buf_add_char(b, (char)code);
}

void mqtt_write_publish(struct buf *b, const char *topic, const void *payload, size_t size,
                        uint8_t qos, uint16_t id)
{
	size_t n = strlen(topic);

	put_head(b, MQTT_PUBLISH, (unsigned)qos << 1, 2 + n + (qos ? 2 : 0) + size);
	put_text(b, topic, n);
	if (qos)
		put_u16(b, id);
	buf_add(b, payload, size);
}

void mqtt_write_ack(struct buf *b, enum mqtt_type type, uint16_t id)
{
	put_head(b, type, type == MQTT_PUBREL ? 2 : 0, 2);
	put_u16(b, id);
}

void mqtt_write_subscribe(struct buf *b, uint16_t id, const char *filter, uint8_t qos)
{
	size_t n = strlen(filter);

	put_head(b, MQTT_SUBSCRIBE, 2, 2 + 2 + n + 1);
	put_u16(b, id);
	put_text(b, filter, n);
	buf_add_char(b, (char)qos);
}

void mqtt_write_suback(struct buf *b, uint16_t id, const uint8_t *codes, unsigned n)
{
	put_head(b, MQTT_SUBACK, 0, 2 + (size_t)n);
	put_u16(b, id);
	buf_add(b, codes, n);
}

void mqtt_write_unsubscribe(struct buf *b, uint16_t id, const char *filter)
{
	size_t n = strlen(filter);

	put_head(b, MQTT_UNSUBSCRIBE, 2, 2 + 2 + n);
	put_u16(b, id);
	put_text(b, filter, n);
}

void mqtt_write_bare(struct buf *b, enum mqtt_type type)
{
	put_head(b, type, 0, 0);
}

struct mqtt_bytes mqtt_bytes(const char *text)
{
	return (struct mqtt_bytes){ .data = text, .size = strlen(text) };
}

bool mqtt_bytes_equal(struct mqtt_bytes a, const char *text)
{
	size_t n = strlen(text);

	return a.data && a.size == n && memcmp(a.data, text, n) == 0;
}

bool mqtt_topic_is_valid(struct mqtt_bytes t)
{
	if (!t.data || t.size == 0)
		return false;
	for (size_t i = 0; i < t.size; i++)
		if (t.data[i] == '\0' || t.data[i] == '+' || t.data[i] == '#')
			return false;
	return true;
}

bool mqtt_filter_is_valid(struct mqtt_bytes f)
{
	if (!f.data || f.size == 0)
		return false;
	for (size_t i = 0; i < f.size; i++) {
		bool starts = i == 0 || f.data[i - 1] == '/';
		bool ends = i + 1 == f.size || f.data[i + 1] == '/';

		if (f.data[i] == '\0' || (f.data[i] == '+' && !(starts && ends)) ||
		    (f.data[i] == '#' && !(starts && i + 1 == f.size)))
			return false;
	}
	return true;
}

/* The length of the level that begins at `at`. */
static size_t level_size(struct mqtt_bytes b, size_t at)
{
	size_t n = 0;

	while (at + n < b.size && b.data[at + n] != '/')
		n++;
	return n;
}

bool mqtt_topic_matches(struct mqtt_bytes f, struct mqtt_bytes t)
{
	size_t i = 0, j = 0;

	if (f.size == 0 || t.size == 0)
		return false;
	if (t.data[0] == '$' && (f.data[0] == '+' || f.data[0] == '#'))
		return false;
	for (;;) {
		size_t n = level_size(f, i), m = level_size(t, j);

		if (n == 1 && f.data[i] == '#')
			return true;
		if (!(n == 1 && f.data[i] == '+') &&
		    (n != m || memcmp(f.data + i, t.data + j, n) != 0))
			return false;
		i += n;
		j += m;
		if (i == f.size || j == t.size)
			break;
		i++;
		j++;
	}
	/* "a/#" meets "a" too. */
	return j == t.size && (i == f.size || (f.size - i == 2 && f.data[i + 1] == '#'));
}

const char *mqtt_connack_text(uint8_t code)
{
	switch (code) {
	case MQTT_ACCEPTED:
		return "accepted";
	case MQTT_BAD_VERSION:
		return "the printer does not speak MQTT 3.1.1";
	case MQTT_BAD_ID:
		return "the printer refused our client id";
	case MQTT_UNAVAILABLE:
		return "the printer serves nobody just now";
	case MQTT_BAD_LOGIN:
	case MQTT_NOT_ALLOWED:
		return "wrong access code";
	default:
		return "refused without a known reason";
	}
}
