/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * av_message: what the daemon and a bedside-av that serves a camera say to each other.
 *
 * Over one stream socket, both ways: a head of AV_HEAD_SIZE bytes, little-endian, then a payload.
 *
 *   0 "BAV1" · 4 type u16 · 6 flags u16 · 8 payload u32 · 12 number u32 · 16 arrived i64 ·
 *   24 pts i64 · 32 dts i64 (microseconds)
 *
 * The worker reads foreign video, so the daemon believes nothing it says: the parser is pure and
 * has limits, and every payload is looked at again by who takes it.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

struct err;

#define AV_HEAD_SIZE 40
#define AV_MAX_PACKET ((size_t)16 << 20)
#define AV_MAX_PICTURE ((size_t)32 << 20)
#define AV_MAX_TEXT ((size_t)4096)

enum av_type {
	/* to the worker */
	AV_OPEN = 1, /* text: JSON, what to open */
	AV_DEMAND,   /* number: decoded pictures wanted per 1000 s, 0 none */
	AV_STILL,    /* one picture that arrived at `arrived_us` or later */
	AV_FEED,     /* a JPEG to be encoded; a key frame if AV_FLAG_KEY */
	/* from the worker */
	AV_PACKET = 16, /* an access unit, Annex B */
	AV_PICTURE,     /* a JPEG */
	AV_SAYS,        /* text: how far it is */
	AV_FAILED,      /* text: why it ends; number: enum av_failure */
};

enum av_flag {
	AV_FLAG_KEY = 1,
	AV_FLAG_H265 = 2,
	AV_FLAG_ALL = 3,
};

enum av_failure {
	AV_FAILURE_OTHER,
	AV_FAILURE_LOGIN,   /* user or password refused */
	AV_FAILURE_MISSING, /* no such stream there */
	AV_FAILURE_FORMAT,  /* nothing in it that we can pass on */
	AV_FAILURE_STALL,
	AV_FAILURE_ENDED,
};

struct av_message {
	enum av_type type;
	unsigned flags;
	uint32_t number;
	int64_t arrived_us, pts_us, dts_us;
	uint8_t *payload; /* with a NUL behind it that `size` does not count */
	size_t size;
};

void av_message_head(uint8_t dst[AV_HEAD_SIZE], const struct av_message *m);

struct av_parser {
	uint8_t head[AV_HEAD_SIZE];
	size_t n_head;
	struct av_message m;
	size_t n_payload;
};
void av_parser_fini(struct av_parser *p);

/* Takes bytes off the front of `*bytes`. 1: a message, whose payload is the caller's to free();
 * 0: more bytes are needed; negative: not ours, no way on. */
int av_parse(struct av_parser *p, const uint8_t **bytes, size_t *size, struct av_message *ret,
             struct err *err) MUST_CHECK;
