/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/announce: how a simulated printer is found: SSDP datagrams and the detect probe (bambu.md 6).
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct buf;
struct err;
struct loop;
struct sim_announce;
struct stream;

struct sim_identity {
	char serial[32], name[64], model[16], firmware[24], address[64];
};

/* NOTIFY every 5 s to the broadcast address (of loopback, when it listens there); answers to
 * M-SEARCH. UDP 2021 is shared with whoever else listens. */
int sim_announce_start(struct loop *l, const struct sim_identity *id, struct sim_announce **ret,
                       struct err *err) MUST_CHECK;
void sim_announce_stop(struct sim_announce *a);

/* Answers detect probes: one exchange each. */
struct sim_detect;
struct sim_detect *sim_detect_new(struct loop *l, const struct sim_identity *id);
void sim_detect_free(struct sim_detect *d);
/* Takes the stream. */
void sim_detect_accept(struct sim_detect *d, struct stream *s);

/* The texts, for tests. */
void sim_notify_write(struct buf *out, const struct sim_identity *id, bool is_answer);
/* 1: *out is the answer; 0: more is needed; -EPROTO. Pure. */
int sim_detect_answer(const struct sim_identity *id, const void *bytes, size_t size,
                      struct buf *out);
