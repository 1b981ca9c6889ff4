/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mqtt_client: one MQTT 3.1.1 connection to a broker over any stream: log in, subscribe to one
 * filter, listen, publish, ping.
 *
 * Nothing blocks and nothing is tried again: when the connection ends, `closed` says why, once,
 * and the owner makes a new client. QoS 1 publishes may be in flight side by side; a PUBACK that
 * is late or missing fails nothing (printers forget them while they are busy).
 *
 * Thread: loop.
 */

#pragma once

#include "wire/mqtt_codec.h"

struct err;
struct loop;
struct mqtt_client;
struct stream;

enum mqtt_end {
	MQTT_END_UNREACHABLE,  /* no connection, or it was lost before the login */
	MQTT_END_BAD_LOGIN,    /* user name or password refused (CONNACK 4, 5) */
	MQTT_END_REFUSED,      /* any other refusal of the login */
	MQTT_END_NO_SUBSCRIBE, /* the broker refused the topic */
	MQTT_END_SILENT,       /* no answer to login, subscription or ping in time */
	MQTT_END_BROKEN,       /* it does not speak MQTT, or a packet above the limit */
	MQTT_END_LOST,         /* closed by the other side or the network */
};

/* Callbacks are never called from inside mqtt_client_…(). The client may be freed in any. */
struct mqtt_client_events {
	/* Logged in and subscribed. */
	void (*ready)(void *arg);
	void (*message)(void *arg, struct mqtt_bytes topic, struct mqtt_bytes payload);
	/* Once; nothing comes after it. */
	void (*closed)(void *arg, enum mqtt_end end, const struct err *err);
	void *arg;
};

struct mqtt_client_config {
	const char *client_id, *user, *password; /* copied */
	const char *filter;                      /* to subscribe to, QoS 0; NULL: none */
	uint16_t keep_alive_s;                   /* 0: 30 */
	int64_t connect_timeout_ms;              /* until the stream is open; 0: 10 s */
	int64_t login_timeout_ms;                /* CONNACK, then SUBACK; 0: 10 s each */
	size_t max_packet;                       /* 0: 1 MB */
};

/* Takes the stream, open or yet to be. */
struct mqtt_client *mqtt_client_new(struct loop *l, struct stream *s,
                                    const struct mqtt_client_config *c,
                                    const struct mqtt_client_events *events);
/* Says DISCONNECT if it can, and forgets. NULL is allowed. */
void mqtt_client_free(struct mqtt_client *c);

/* Returns false, and does nothing, before `ready` or when the packet is above the limit. */
bool mqtt_client_publish(struct mqtt_client *c, const char *topic, const void *payload, size_t size,
                         uint8_t qos);

bool mqtt_client_is_ready(const struct mqtt_client *c);
/* QoS 1 publishes not acknowledged. */
unsigned mqtt_client_in_flight(const struct mqtt_client *c);
/* For its certificate; good until the client is freed, inside `closed` too. */
const struct stream *mqtt_client_stream(const struct mqtt_client *c);
