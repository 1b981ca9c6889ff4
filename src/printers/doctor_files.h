/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor_files: the doctor's walk to a printer's files (bambu.md 5): FTPS on port 990 by TCP, TLS,
 * certificate and login to a listing. What fails is told in words, with what to do.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct doctor_files;
struct loop;
struct secret;
struct stream;

struct doctor_files_config {
	struct loop *loop;
	uint16_t port;
	const struct secret *code; /* the owner's, stays */
	/* A new stream to the printer; over TLS with the certificate judged, and with `session` of
	 * an earlier one unless NULL. */
	struct stream *(*connect)(void *arg, uint16_t port, bool has_tls, void *session);
	/* Once, in a later turn; doctor_files_free() is allowed inside. `advice` "" when well. */
	void (*done)(void *arg, const char *text, const char *advice);
	void *arg;
};

struct doctor_files *doctor_files_start(const struct doctor_files_config *c);
/* No callback after it. NULL is allowed. */
void doctor_files_free(struct doctor_files *f);
