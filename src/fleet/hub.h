/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hub: other Bedsides, the rigs, report here: who they are, how they are, what they told.
 *
 * A rig is paired by a code that an administrator makes: once, within HUB_CODE_MS. It gets a key that
 * opens the rigs' door and nothing else; only its SHA-256 is kept. News are committed before they are
 * acknowledged, each once. Whether anybody may try codes or keys again the web decides.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/rig.h"

#include <jansson.h>

struct bus;
struct climate_reading;
struct err;
struct http_bytes;
struct hub;
struct hub_link;
struct loop;
struct store;

#define HUB_CODE_SIZE 10 /* "ABCD-EFGH" */
#define HUB_CODE_MS 600000
#define HUB_CODES_MAX 8
#define HUB_KEY_SIZE 46 /* "rk" and 43 characters, 256 bits */
#define HUB_STAYS INT64_C(-1)
#define HUB_ORDER_MS 20000
#define HUB_PING_MS 10000

struct hub_env {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	/* A reading of a rig's sensor, committed: for those who keep the newest. Optional. */
	void (*climate)(void *arg, const struct climate_reading *r);
	void *arg;
	const char *name; /* for rigs: "bedside on shelf" */
};

int hub_new(const struct hub_env *env, struct hub **ret, struct err *err) MUST_CHECK;
/* Rigs are let go, orders are answered. NULL is allowed. */
void hub_free(struct hub *h);

/* ---- pairing ---- */

/* A new code, good for HUB_CODE_MS. -EAGAIN: too many are open. */
int hub_code_make(struct hub *h, const char *made_by, char ret[HUB_CODE_SIZE],
                  struct err *err) MUST_CHECK;

/* `done` once, later; `key` only on success. -EACCES: the code is wrong or over; -EEXIST: the name. */
typedef void hub_done(void *arg, int rc, const struct err *err, const struct rig_record *rig,
                      const char *key);
void hub_pair(struct hub *h, const char *code, const char *name, hub_done *done, void *arg);
/* `name` NULL, a delay of HUB_STAYS: as it is, whatever else is being changed. */
void hub_change(struct hub *h, const char *id, const char *name, const struct rig_delays *delays,
                hub_done *done, void *arg);
void hub_revoke(struct hub *h, const char *id, hub_done *done, void *arg);

/* ---- rigs ---- */

const struct rig_record *hub_at(const struct hub *h, size_t i); /* by name; NULL after the last */
const struct rig_record *hub_find(const struct hub *h, const char *id);
/* Whose key it is; NULL: nobody's. */
const struct rig_record *hub_find_key(const struct hub *h, const char *key);
bool hub_is_online(const struct hub *h, const char *id);
/* {id, name, version, address, is_online, state, text, paired_at, made_by, seen_at, age_s,
 * clock_offset_ms, rtt_ms, n_news, status_delay_s, …} and, whole, {printers, cameras, sessions}. */
json_t *hub_rig_json(const struct hub *h, const char *id, bool is_whole);

/* The newest picture of a rig's camera, a new reference; NULL: none came. */
struct http_bytes *hub_preview(const struct hub *h, const char *id, const char *camera,
                               int64_t *ret_at_wall_ms);

/* ---- orders ---- */

/* `done` once, later: 0 and what the rig says, or -ENOTCONN, -ETIMEDOUT, -EPERM and why not. */
typedef void hub_answered(void *arg, int rc, const char *text);
struct hub_ask {
	const char *what;    /* "session", "printer", "capture" */
	const char *subject; /* the printer */
	const json_t *body;
};
void hub_order(struct hub *h, const char *id, const struct hub_ask *ask, hub_answered *done,
               void *arg);

/* ---- live pictures ---- */

/* Somebody looks at a rig's camera; embedded in its owner, zeroed before first use. */
struct hub_watcher {
	struct hub *hub;
	char rig[ID_SIZE], camera[48];
	/* A picture came; `size` bytes, borrowed for the call. */
	void (*picture)(void *arg, const uint8_t *jpeg, size_t size, int64_t at_wall_ms);
	void *arg;
	struct hub_watcher *prev, *next;
};

void hub_watch(struct hub *h, struct hub_watcher *w);
void hub_unwatch(struct hub_watcher *w);

/* ---- a rig's connection, as the web brings it ---- */

struct hub_wire {
	void (*text)(void *arg, const char *text, size_t size);
	/* Ends the connection when all is sent; the link is gone, nothing more is called. */
	void (*end)(void *arg);
	void *arg;
};

struct hub_link *hub_link_open(struct hub *h, const struct rig_record *rig, const char *address,
                               const struct hub_wire *wire);
void hub_link_text(struct hub_link *l, const char *text, size_t size);
void hub_link_picture(struct hub_link *l, const uint8_t *bytes, size_t size);
/* The other side is gone: `l` too. */
void hub_link_closed(struct hub_link *l);
