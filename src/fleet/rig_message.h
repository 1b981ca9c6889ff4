/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rig_message: what a rig and its hub say to each other, as docs/rig-protocol.md has it.
 *
 * Text messages are JSON objects with a type in "t"; pictures are binary: two bytes (big-endian)
 * with the size of a JSON head, the head, the JPEG. Pure. Thread: any.
 */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/camera.h"
#include "model/rig.h"

#include <jansson.h>

struct buf;
struct err;
struct news;

#define RIG_PROTOCOL 1
#define RIG_PATH "api/v1/rig/link"
#define RIG_MAX_TEXT ((size_t)2 << 20)
#define RIG_MAX_PICTURE ((size_t)8 << 20)
#define RIG_MAX_NEWS 1000 /* in one message */
#define RIG_TEXT_SIZE 240

enum rig_word {
	/* the rig's */
	RIG_HELLO,
	RIG_STATE,
	RIG_NEWS,
	RIG_PONG,
	/* the hub's */
	RIG_WELCOME,
	RIG_ACK,
	RIG_PING,
	RIG_ORDER,
	RIG_DELAYS,
	RIG_WATCH,
	RIG_SEEN,
	RIG_BYE,
};

/* Which members are set says the word; all others are zero. */
struct rig_message {
	enum rig_word word;
	json_t *json;         /* the whole; ours */
	int64_t protocol;     /* hello, welcome */
	char version[24];     /* hello */
	char stream[ID_SIZE]; /* hello, news */
	char run[ID_SIZE];    /* hello: this run of the rig's program */
	int64_t number;       /* hello: the next news; welcome, ack: the newest that is kept */
	int64_t now_ms;       /* hello, pong: the rig's wall time */
	int64_t hub_ms;       /* welcome, ping, pong, order: the hub's monotonic time */
	char id[ID_SIZE];     /* order */
	char what[24];        /* order: "session", "printer", "capture" */
	char subject[MODEL_ID_SIZE]; /* order: the printer; watch, seen: the camera */
	int64_t limit_ms;            /* order: too late after */
	bool is_on;                  /* watch; bye: for good */
	struct rig_delays delays;    /* welcome, delays; 0: as configured */
	char text[RIG_TEXT_SIZE];    /* welcome: the hub's name; bye: why */
	const json_t *body;          /* order; state: the object; borrowed from `json` */
	struct news *news;           /* news: n of them; ours */
	size_t n_news;
};

/* -EPROTO with what is wrong. rig_message_fini() it in either case. */
int rig_message_read(const char *text, size_t size, struct rig_message *ret,
                     struct err *err) MUST_CHECK;
void rig_message_fini(struct rig_message *m);

/* `m` as it is sent; of RIG_STATE and RIG_ORDER the body, of RIG_NEWS the news. */
void rig_message_write(const struct rig_message *m, struct buf *out);

struct rig_picture {
	char camera[MODEL_ID_SIZE];
	int64_t at_wall_ms;  /* by the rig's clock */
	bool is_live;        /* asked for; else a preview */
	const uint8_t *jpeg; /* borrowed */
	size_t size;
};

int rig_picture_read(const uint8_t *bytes, size_t size, struct rig_picture *ret,
                     struct err *err) MUST_CHECK;
/* Size and head; the JPEG itself is the caller's to add. */
void rig_picture_write_head(const struct rig_picture *p, struct buf *out);
