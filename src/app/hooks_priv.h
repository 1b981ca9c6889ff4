/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hooks_priv: what hooks.c (questions), hooks_keep.c (changes) and hooks_camera.c
 * (searches) share. Thread: loop. */

#pragma once

#include "app/hooks.h"

#include "web/server.h"

#include <jansson.h>

struct doctor;
struct scout;

/* One question on behalf of a page; the list is the hooks'. */
struct errand {
	struct hooks *hooks;
	struct scout *scout;
	struct doctor *doctor;
	void (*done)(void *done_arg, json_t *answer, const struct err *err);
	void *done_arg;
	struct errand *prev, *next;
};

struct change;
struct pairings;

struct hooks {
	struct hooks_env env;
	struct errand *errands;
	struct pairings *pairings;
	struct camera_search *searches; /* under way on the pool */
	struct change *changes;         /* the first is being written */
	bool is_changing;
	struct cameras *trials; /* not kept, and in no list; NULL until there is one */
	struct camera_trial *trying;
	unsigned n_trials;
};

bool hooks_know_serial(struct printers *ps, const char *serial);
bool hooks_know_url(struct printers *ps, const char *url);
void hooks_fill_keep(struct web_hooks *ret);
/* Those who wait are told; what is being written is written to its end. */
void hooks_end_changes(struct hooks *h, const struct err *err);
void hooks_fill_cameras(struct hooks *h, struct web_hooks *ret);
/* Those who wait for a search are told; the searches end alone. */
void hooks_end_searches(struct hooks *h, const struct err *err);
/* The same of trials. */
void hooks_end_trials(struct hooks *h);
/* web_hooks.try_camera */
int hooks_try_camera(void *arg, const json_t *settings, struct web_trial trial,
                     struct field_says *says, struct err *err);
