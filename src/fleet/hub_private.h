/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hub_private: what hub.c (rigs, keys), hub_link.c (connections) and hub_order.c share. Thread: loop. */

#pragma once

#include "core/log.h"
#include "core/loop.h"
#include "fleet/hub.h"
#include "fleet/rig_message.h"

#define HUB_MAX_CAMERAS 16 /* of one rig whose pictures are kept */
#define HUB_MAX_ORDERS 64  /* of all rigs, without an answer */
#define HUB_N_CLOCKS 8U
#define HUB_MAX_PENDING ((size_t)4 << 20) /* bytes of news of one rig, not committed yet */

struct hub_code {
	char code[HUB_CODE_SIZE];
	char made_by[USER_NAME_SIZE];
	int64_t until_us;
};

struct hub_shown {
	char camera[MODEL_ID_SIZE];
	struct http_bytes *jpeg;
	int64_t at_wall_ms;
};

struct hub_clock {
	int64_t rtt_ms, offset_ms;
};

struct hub_rig {
	struct rig_record record;
	struct hub_link *link;  /* the one that was greeted; NULL: away */
	struct hub_link *rival; /* another with the same key, that waits for a decision */
	json_t *state;          /* newest; NULL: none yet */
	char address[46];
	char text[RIG_TEXT_SIZE]; /* what is wrong */
	int64_t since_wall_ms;
	struct hub_clock clocks[HUB_N_CLOCKS];
	unsigned n_clocks;
	unsigned n_shown;
	struct hub_shown shown[HUB_MAX_CAMERAS];
};

struct hub_link {
	struct hub *hub;
	struct hub_link *prev, *next; /* hub.links */
	struct hub_wire wire;
	char rig[ID_SIZE], address[46];
	char stream[ID_SIZE], run[ID_SIZE];
	char version[24];
	int64_t heard_us, rival_us;
	unsigned serial; /* of the links: names it for the store's answers */
	unsigned n_hellos;
	bool is_greeted;
	size_t pending; /* bytes of news */
	int64_t queued; /* number of the newest news that went to the store, or that it had */
};

struct hub_order {
	struct hub_order *next;
	char id[ID_SIZE], rig[ID_SIZE], what[24], subject[MODEL_ID_SIZE];
	json_t *body;
	int64_t until_us;
	hub_answered *done;
	void *arg;
};

struct hub {
	struct hub_env env;
	char name[RIG_NAME_SIZE];
	struct log log;
	struct hub_rig *rigs; /* by name */
	size_t n_rigs;
	struct hub_code codes[HUB_CODES_MAX];
	struct hub_link *links;
	unsigned n_links; /* that there ever were */
	struct hub_order *orders;
	unsigned n_orders;
	struct hub_watcher *watchers;
	struct timer beat, order_timer, prune;
	unsigned refs; /* ours, and one for each request to the store */
	bool is_dead;
};

struct hub_rig *hub_rig_find(const struct hub *h, const char *id);
void hub_unref(struct hub *h);
int64_t hub_now_us(const struct hub *h);

/* ---- hub_link.c ---- */
void hub_link_send(struct hub_link *l, const struct rig_message *m);
/* Says why and ends it. */
void hub_link_bye(struct hub_link *l, bool is_for_good, const char *text);
void hub_link_beat(struct hub *h);
struct hub_clock hub_clock_best(const struct hub_rig *r);

/* ---- hub_order.c ---- */
void hub_orders_again(struct hub *h, const struct hub_rig *r);
void hub_order_told(struct hub *h, const char *id, const char *body);
void hub_orders_end(struct hub *h, const char *rig, int rc, const char *text);
void hub_orders_look(void *arg);
void hub_watches_again(struct hub *h, const struct hub_rig *r);
void hub_picture_came(struct hub *h, struct hub_rig *r, const struct rig_picture *p);
