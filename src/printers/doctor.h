/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor: tries each hop to a printer one after the other and says in words what to do: name,
 * TCP, TLS, certificate, login, first report, files, the camera's first picture (or that its live
 * view answers), clock, disk.
 *
 * It has connections of its own and does not disturb a running printer link; it never asks for the
 * full state. To an untrusted printer nothing is sent.
 *
 * Thread: loop.
 */

#pragma once

#include "model/printer.h"

struct doctor;
struct loop;
struct stream;
struct work_pool;

#define DOCTOR_MAX_STEPS 12

struct doctor_step {
	const char *name; /* "name", "tcp", "tls", "certificate", "login", "report", "files",
	                     "camera", "clock", "disk", of OctoPrint "rights", "printer" */
	bool is_ok;
	int64_t took_ms;
	char text[240];   /* what was found */
	char advice[320]; /* what to do; "" when all is well */
};

struct doctor_report {
	unsigned n;
	struct doctor_step steps[DOCTOR_MAX_STEPS];
	bool is_ok; /* every step */
	/* The certificate that was shown, trusted or not. */
	bool has_leaf, is_leaf_trusted;
	uint8_t leaf[32];
	char leaf_subject[128];
};

struct doctor_env {
	struct loop *loop;
	const char *data_dir;   /* for the disk; NULL leaves that step out */
	struct work_pool *pool; /* where the disk is asked; NULL: at once, which may wait */
	const char *ca_file;    /* as printers_env.ca_file */
	bool is_camera_in_use;  /* Bedside reads it already and says itself how it is */
	/* Optional, for tests: streams instead of TCP and TLS. `has_tls` false: the plain step. */
	struct stream *(*connect)(void *arg, uint16_t port, bool has_tls);
	void *connect_arg;
};

struct doctor_events {
	void (*step)(void *arg, const struct doctor_step *s); /* each, as it ends; optional */
	void (*done)(void *arg, const struct doctor_report *report); /* once */
	void *arg;
};

/* Everything is copied; callbacks come in later turns. A minute at most. */
struct doctor *doctor_start(const struct doctor_env *env, const struct printer_config *c,
                            const struct doctor_events *events);
/* No callback after it; needed after `done` too, and allowed inside it. NULL is allowed. */
void doctor_free(struct doctor *d);
