/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rig_private: what rig.c (the connection) and rig_outbox.c (news) share. Thread: loop. */

#pragma once

#include "core/bus.h"
#include "core/log.h"
#include "core/loop.h"
#include "fleet/rig.h"
#include "fleet/rig_message.h"
#include "store/repo_outbox.h"
#include "wire/ws_client.h"

#define RIG_BATCH_NEWS 500
#define RIG_BATCH_BYTES 65536
#define RIG_WINDOW ((size_t)1 << 20) /* bytes of news under way that are not acknowledged */
#define RIG_MAX_BATCHES 64

struct rig_batch {
	int64_t last; /* number of its last news */
	size_t bytes;
};

struct rig {
	struct rig_env env;
	struct rig_config config;
	struct rig_delays delays; /* in force */
	struct log log;
	struct bus_listener listener;

	enum rig_link link;
	char text[RIG_LINK_TEXT_SIZE];
	const char *logged; /* the form of what the log was told, since the hub was last there */
	char hub[RIG_NAME_SIZE];
	int64_t since_wall_ms;
	struct ws_client *ws;
	unsigned generation; /* of the connection: answers for an older one are dropped */
	unsigned n_failures; /* in a row */
	bool is_greeted, is_woken;
	int64_t floor_ms; /* our monotonic clock less the hub's, the smallest seen */
	char run[ID_SIZE];
	struct timer retry, greeting, state, image, wake;
	char *told_state; /* the newest that was sent */

	struct outbox_state outbox;
	int64_t sent;  /* number of the newest news that was sent */
	int64_t acked; /* that the hub has */
	struct rig_batch batches[RIG_MAX_BATCHES];
	unsigned n_batches, first_batch;
	size_t under_way; /* bytes */
	bool is_reading, is_acking, is_again;

	unsigned refs; /* ours, and one for each request to the store */
	bool is_dead;
};

void rig_send(struct rig *r, const struct rig_message *m);
/* It is over; tried again later. `is_final`: a person must act first. */
void rig_lose(struct rig *r, bool is_final, const char *fmt, ...) PRINTF_LIKE(3, 4);
void rig_unref(struct rig *r);

/* ---- rig_outbox.c ---- */

/* Reads the outbox' state, then says hello. */
void rig_greet(struct rig *r);
/* While the hub is away: how much waits. */
void rig_count(struct rig *r);
void rig_welcomed(struct rig *r, int64_t have);
void rig_acked(struct rig *r, int64_t number);
/* Sends what may be sent. */
void rig_pump(struct rig *r);
void rig_forget_batches(struct rig *r);
/* The machine becomes a rig, or is none any more. */
void rig_enlist(struct rig *r, bool is_rig);
void rig_set_climate_delay(struct rig *r, int64_t delay_ms);
struct event_frame;
void rig_frame(struct rig *r, const struct event_frame *e);
/* An order of the hub: carried out unless it was before. */
void rig_take_order(struct rig *r, const struct rig_message *m);
