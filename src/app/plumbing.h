/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plumbing: builds the rooms bottom-up, joins them, and takes them down top-down.
 *
 * Thread: main, before and after the loop; the rest on the loop.
 */

#pragma once

#include "base/base.h"

struct config;
struct err;

struct plumbing_options {
	const struct config *config; /* must outlive the run */
	bool is_demo;                /* localhost needs no password */
	/* Called on the loop when everything is up: `address` is the page's, `fingerprint` its
	 * certificate's, "" without TLS. Optional. */
	void (*ready)(void *arg, const char *address, const char *fingerprint);
	void *arg;
};

#define PLUMBING_AGAIN 1

/* Runs the daemon until SIGTERM or SIGINT (or a fault of its own). 0, or negative with the
 * sentence in err; nothing is left running either way. PLUMBING_AGAIN: it wishes to be
 * started again, as a whole. */
int plumbing_run(const struct plumbing_options *o, struct err *err) MUST_CHECK;
