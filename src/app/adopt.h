/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * adopt: a printer that a tool has found, or got a key for. The daemon that runs on the data folder
 * takes it up at once, asked over its control socket; where none runs it is written for the next
 * start.
 *
 * Thread: adopt_asked() loop; adopt_printer() is for the tools, and waits.
 */

#pragma once

#include "base/base.h"

#include <jansson.h>

struct err;
struct hooks;
struct local_call;
struct printer_config;

/* 1: the daemon has taken it up; 0: written; below 0 with the sentence. Fills in its id. */
int adopt_printer(const char *data_dir, struct printer_config *c, struct err *err) MUST_CHECK;

/* The daemon's side: {verb:"add_printer", name, driver, address, serial, url, user, secret, trust}.
 * Answers the call, now or later. */
void adopt_asked(struct hooks *h, const json_t *question, struct local_call *call);
