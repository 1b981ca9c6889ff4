/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jpeg_program: a program that writes JPEGs to its output, one or one after the other.
 *
 * Run without a shell; what it says on its error output is kept for the sentence about its end.
 * It is asked to end and killed after two seconds, so one may still be ending while its camera is
 * closed, or opened again: `gone` says when the device is free.
 *
 * Thread: loop (a real one).
 */

#pragma once

#include "base/base.h"
#include "wire/jpeg_cut.h"

struct err;
struct loop;
struct proc;

#define JPEG_PROGRAM_MAX_PICTURE ((size_t)32 << 20)

struct jpeg_program_events {
	/* `bytes` is the callee's to free(). */
	void (*picture)(void *arg, uint8_t *bytes, size_t size);
	/* A picture broke off. */
	void (*broken)(void *arg, const char *text);
	/* It has ended, why->code 0: in order, or because it was told to. It may be started again
	 * inside. */
	void (*gone)(void *arg, const struct err *why);
	void *arg;
};

/* Embedded in its owner, zeroed before first use. */
struct jpeg_program {
	struct proc *proc;
	struct jpeg_program_events events;
	struct jpeg_stream stream;
	char name[64];
	char line[200]; /* newest of its error output; one that speaks of an error stays */
	unsigned n_pictures;
	bool is_told; /* to end */
	bool is_error_line;
};

int jpeg_program_start(struct jpeg_program *p, struct loop *l, const char *const *argv,
                       const struct jpeg_program_events *events, struct err *err) MUST_CHECK;
bool jpeg_program_is_running(const struct jpeg_program *p);
/* No picture after it; `gone` still comes. */
void jpeg_program_stop(struct jpeg_program *p);
/* At once, and nothing comes any more. */
void jpeg_program_kill(struct jpeg_program *p);
