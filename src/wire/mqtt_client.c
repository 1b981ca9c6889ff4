/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/mqtt_client.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_KEEP_ALIVE_S 30
#define KEEP_BUFFER 4096 /* a larger receive buffer is given back after its packet */

enum state {
	CONNECTING,
	LOGGING_IN,
	SUBSCRIBING,
	READY,
	ENDED,
};

struct mqtt_client {
	struct loop *loop;
	struct stream *stream;
	struct mqtt_client_events events;
	enum state state;
	char *client_id, *user, *filter;
	struct secret password;
	uint16_t keep_alive_s;
	int64_t login_timeout_ms;
	size_t max_packet;
	struct mqtt_reader reader;
	struct timer timer; /* the answer that is waited for; later the ping */
	bool is_ping_out;   /* and its answer has not come */
	uint16_t next_id;
	unsigned in_flight;
	unsigned busy; /* callbacks running: the memory stays until they return */
	bool is_dead;
};

static void release(struct mqtt_client *c)
{
	mqtt_reader_fini(&c->reader);
	secret_fini(&c->password);
	free(c->client_id);
	free(c->user);
	free(c->filter);
	free(c);
}

static void leave(struct mqtt_client *c)
{
	if (--c->busy == 0 && c->is_dead)
		release(c);
}

static void end(struct mqtt_client *c, enum mqtt_end why, const struct err *err)
{
	if (c->state == ENDED || c->is_dead)
		return;
	c->state = ENDED;
	timer_stop(&c->timer);
	c->busy++;
	c->events.closed(c->events.arg, why, err);
	leave(c);
}

static void write_buf(struct mqtt_client *c, struct buf *b)
{
	if (!b->overflown && b->size > 0)
		stream_write(c->stream, b->data, b->size);
	buf_fini(b);
}

static void on_timer(void *arg)
{
	struct mqtt_client *c = arg;
	struct err err = { 0 };

	if (c->state == READY && !c->is_ping_out) {
		struct buf b;

		buf_init(&b, 0);
		mqtt_write_bare(&b, MQTT_PINGREQ);
		write_buf(c, &b);
		c->is_ping_out = true;
		timer_start(&c->timer, (int64_t)c->keep_alive_s * 500);
		return;
	}

	static const char *const what[] = {
		[CONNECTING] = "it does not answer",
		[LOGGING_IN] = "it does not answer the login",
		[SUBSCRIBING] = "it does not answer the subscription",
		[READY] = "it no longer answers",
		[ENDED] = "",
	};

	err_set(&err, -ETIMEDOUT, "%s: %s", stream_peer(c->stream), what[c->state]);
	end(c, c->state == CONNECTING ? MQTT_END_UNREACHABLE : MQTT_END_SILENT, &err);
}

static void on_opened(void *arg)
{
	struct mqtt_client *c = arg;
	struct mqtt_login login = {
		.client_id = c->client_id,
		.user = c->user,
		.password = secret_is_set(&c->password) ? secret_peek(&c->password) : NULL,
		.keep_alive_s = c->keep_alive_s,
	};
	struct buf b;

	if (c->state != CONNECTING)
		return;
	c->state = LOGGING_IN;
	timer_start(&c->timer, c->login_timeout_ms);
	buf_init(&b, 0);
	mqtt_write_connect(&b, &login);
	stream_write(c->stream, b.data, b.size);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
}

static void become_ready(struct mqtt_client *c)
{
	c->state = READY;
	timer_start(&c->timer, (int64_t)c->keep_alive_s * 500);
	c->events.ready(c->events.arg);
}

static void on_connack(struct mqtt_client *c, const struct mqtt_packet *p)
{
	uint8_t code = p->connack.code;
	struct err err = { 0 };

	if (code != MQTT_ACCEPTED) {
		bool is_login = code == MQTT_BAD_LOGIN || code == MQTT_NOT_ALLOWED;

		err_set(&err, is_login ? -EACCES : -ECONNREFUSED, "%s refuses the login: %s",
		        stream_peer(c->stream), mqtt_connack_text(code));
		end(c, is_login ? MQTT_END_BAD_LOGIN : MQTT_END_REFUSED, &err);
		return;
	}
	if (!c->filter) {
		become_ready(c);
		return;
	}

	struct buf b;

	c->state = SUBSCRIBING;
	timer_start(&c->timer, c->login_timeout_ms);
	buf_init(&b, 0);
	mqtt_write_subscribe(&b, c->next_id++, c->filter, 0);
	write_buf(c, &b);
}

static void on_suback(struct mqtt_client *c, const struct mqtt_packet *p)
{
	struct err err = { 0 };

	if (p->suback.n < 1 || p->suback.codes[0] == MQTT_SUBACK_REFUSED) {
		err_set(&err, -EACCES, "%s refuses the topic '%s'", stream_peer(c->stream),
		        c->filter);
		end(c, MQTT_END_NO_SUBSCRIBE, &err);
		return;
	}
	become_ready(c);
}

static void on_publish(struct mqtt_client *c, const struct mqtt_packet *p)
{
	if (p->publish.qos > 0) {
		struct buf b;

		buf_init(&b, 0);
		mqtt_write_ack(&b, p->publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, p->id);
		write_buf(c, &b);
	}
	c->events.message(c->events.arg, p->publish.topic, p->publish.payload);
}

/* Packets that fit no state are passed over: brokers of printers are not tidy. */
static bool on_packet(void *arg, const struct mqtt_packet *p)
{
	struct mqtt_client *c = arg;

	if (p->type == MQTT_CONNACK && c->state == LOGGING_IN) {
		on_connack(c, p);
	} else if (p->type == MQTT_SUBACK && c->state == SUBSCRIBING) {
		on_suback(c, p);
	} else if (p->type == MQTT_PUBLISH && (c->state == READY || c->state == SUBSCRIBING)) {
		on_publish(c, p);
	} else if (p->type == MQTT_PUBACK) {
		c->in_flight -= c->in_flight > 0;
	} else if (p->type == MQTT_PUBREL) {
		struct buf b;

		buf_init(&b, 0);
		mqtt_write_ack(&b, MQTT_PUBCOMP, p->id);
		write_buf(c, &b);
	}
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): freed later, when its callers are gone */
	return c->state != ENDED && !c->is_dead;
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct mqtt_client *c = arg;
	struct err err = { 0 };

	if (c->state == ENDED)
		return;
	c->busy++;
	/* Whatever comes shows that the other side lives. */
	c->is_ping_out = false;

	int rc = mqtt_reader_feed(&c->reader, bytes, size, on_packet, c, &err);

	if (rc < 0 && !c->is_dead) {
		err_wrap(&err, rc, "%s", stream_peer(c->stream));
		end(c, MQTT_END_BROKEN, &err);
	}
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): freed later, when its callers are gone */
	if (c->reader.rest.size == 0 && c->reader.rest.cap > KEEP_BUFFER) {
		mqtt_reader_fini(&c->reader);
		mqtt_reader_init(&c->reader, c->max_packet);
	}
	leave(c);
}

static void on_closed(void *arg, const struct err *err)
{
	struct mqtt_client *c = arg;
	struct err said = *err;

	if (said.code == 0)
		err_set(&said, -ECONNRESET, "%s closed the connection%s", stream_peer(c->stream),
		        c->state == LOGGING_IN ? " at the login" : "");
	end(c, c->state == READY ? MQTT_END_LOST : MQTT_END_UNREACHABLE, &said);
}

struct mqtt_client *mqtt_client_new(struct loop *l, struct stream *s,
                                    const struct mqtt_client_config *config,
                                    const struct mqtt_client_events *events)
{
	struct mqtt_client *c = MEM_NEW(struct mqtt_client);
	struct stream_events e = {
		.opened = on_opened,
		.received = on_received,
		.closed = on_closed,
		.arg = c,
	};

	c->loop = l;
	c->stream = s;
	c->events = *events;
	c->client_id = mem_str(config->client_id);
	c->user = mem_str(config->user);
	c->filter = mem_str(config->filter);
	secret_set(&c->password, config->password);
	c->keep_alive_s = config->keep_alive_s ? config->keep_alive_s : DEFAULT_KEEP_ALIVE_S;
	c->login_timeout_ms =
		config->login_timeout_ms ? config->login_timeout_ms : DEFAULT_TIMEOUT_MS;
	c->max_packet = config->max_packet ? config->max_packet : MQTT_MAX_PACKET;
	c->next_id = 1;
	mqtt_reader_init(&c->reader, c->max_packet);
	timer_init(&c->timer, l, on_timer, c);
	timer_start(&c->timer,
	            config->connect_timeout_ms ? config->connect_timeout_ms : DEFAULT_TIMEOUT_MS);
	stream_listen(s, &e);
	return c;
}

void mqtt_client_free(struct mqtt_client *c)
{
	if (!c || c->is_dead)
		return;
	timer_stop(&c->timer);
	if (c->state == READY || c->state == SUBSCRIBING) {
		struct buf b;

		buf_init(&b, 0);
		mqtt_write_bare(&b, MQTT_DISCONNECT);
		write_buf(c, &b);
	}
	c->state = ENDED;
	stream_free(c->stream);
	c->stream = NULL;
	c->is_dead = true;
	if (c->busy == 0)
		release(c);
}

bool mqtt_client_publish(struct mqtt_client *c, const char *topic, const void *payload, size_t size,
                         uint8_t qos)
{
	struct buf b;

	if (c->state != READY)
		return false;
	buf_init(&b, c->max_packet);
	mqtt_write_publish(&b, topic, payload, size, qos, c->next_id);

	bool fits = !b.overflown;

	if (fits && qos > 0) {
		c->next_id = c->next_id == UINT16_MAX ? 1 : (uint16_t)(c->next_id + 1);
		c->in_flight++;
	}
	write_buf(c, &b);
	return fits;
}

bool mqtt_client_is_ready(const struct mqtt_client *c)
{
	return c->state == READY;
}

unsigned mqtt_client_in_flight(const struct mqtt_client *c)
{
	return c->in_flight;
}

const struct stream *mqtt_client_stream(const struct mqtt_client *c)
{
	return c->stream;
}
