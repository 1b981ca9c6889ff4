/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * encode: a session's journal into a film, following it while it grows.
 *
 * Says on standard output, one JSON object per line, what happens:
 *	{"type":"started","frames":N}                       frames taken up from an earlier run
 *	{"type":"progress","frames":…,"skipped":…,"seen":…,"percent":…}
 *	{"type":"done","frames":…,"skipped":…,"seen":…,"width":…,"height":…,"fps":…,"duration_s":…,
 *	 "bytes":…,"pieces":…,"is_off":…}                     the film is at its place
 *	{"type":"stopped","frames":…}                       told to end; goes on another time
 *	{"type":"failed","reason":"empty|few|exists|disk|settings|other","text":"…"}
 * and, when it follows, obeys lines on standard input: "finish" = the session is over; "expect N" =
 * so many frames the session is now thought to have; any other line = look at the manifest again;
 * the end of the input = close the piece and stop.
 *
 * Thread: the process's one.
 */

#pragma once

#include "model/film.h"

struct err;

struct encode_order {
	const char *session_dir;
	const char *camera;
	const char *out;    /* the film */
	const char *poster; /* NULL: none */
	const char *name;   /* of the track below <session>/film */
	struct film_plan plan;
	uint32_t n_expected; /* frames of the whole session, 0 unknown */
	uint32_t min_frames; /* fewer: no film */
	unsigned group, threads;
	bool follows;
	bool replaces; /* a film of that name */
};

/* Pictures that the journal has of the order's camera. */
int encode_count_pictures(const struct encode_order *o, uint32_t *ret, struct err *err) MUST_CHECK;

/* Returns the exit status: 0 done or stopped, 1 failed (said). */
int encode_run(const struct encode_order *o);
