/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control: what `bedside status`, `session`, `capture`, `print`, `pair` and `discover` ask of the running daemon, over the socket
 * <data>/control. A question is a JSON object with "verb"; the answer has "error" (a sentence) or
 * what was asked for.
 *
 * Thread: loop; control_ask() is for the tools.
 */

#pragma once

#include "base/base.h"

#include <jansson.h>

struct cameras;
struct control;
struct err;
struct hooks;
struct hub;
struct loop;
struct printers;
struct rig;
struct captures;
struct sessions;
struct panel;
struct climates;

struct control_env {
	struct loop *loop;
	struct printers *printers;
	struct cameras *cameras;
	struct sessions *sessions;
	struct captures *captures;
	struct panel *panel;       /* NULL: neither button nor lights */
	struct climates *climates; /* NULL: none */
	struct rig *rig;
	struct hub *hub;
	struct hooks *hooks; /* printers that tools have found */
	/* The data folder names another hub, or none. `done` once, later. */
	void (*reload_hub)(void *arg, void (*done)(void *done_arg, const struct err *err),
	                   void *done_arg);
	void *arg;
	const char *data_dir;
};

int control_new(const struct control_env *env, struct control **ret, struct err *err) MUST_CHECK;
void control_free(struct control *c); /* NULL is allowed */

/* Asks the daemon of `data_dir` and waits. Takes the question. NULL with the sentence in err; else
 * a new reference to the answer, which has no "error". */
json_t *control_ask(const char *data_dir, json_t *question, struct err *err);
/* The same of what takes its time. */
json_t *control_ask_for(const char *data_dir, json_t *question, int limit_ms, struct err *err);
