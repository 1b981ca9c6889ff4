/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor_web: the doctor's steps to a printer that has a URL: name, TCP, TLS and certificate, then
 * what its driver asks (printer_driver.probes).
 *
 * Thread: loop. Real loops only.
 */

#pragma once

#include "base/base.h"

struct doctor_web;
struct loop;
struct printer_config;
struct tls_leaf;

struct doctor_web_events {
	void (*step)(void *arg, const char *name, bool is_ok, const char *text, const char *advice);
	void (*leaf)(void *arg, const struct tls_leaf *leaf);
	void (*done)(void *arg); /* once */
	void *arg;
};

/* `c` stays the caller's, for as long. Callbacks come in later turns. */
struct doctor_web *doctor_web_start(struct loop *l, const struct printer_config *c,
                                    const struct doctor_web_events *events);
/* No callback after it; allowed inside `done`. NULL is allowed. */
void doctor_web_free(struct doctor_web *d);
