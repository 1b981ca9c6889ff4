/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hooks: what the page may ask of the program as a whole: printers added, pinned, searched, tested;
 * cameras added, changed, removed, searched.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct camera_config;
struct cameras;
struct config;
struct err;
struct hooks;
struct loop;
struct plumbing;
struct printer_config;
struct printers;
struct web_hooks;
struct work_pool;

struct hooks_env {
	struct plumbing *plumbing;
	struct loop *loop;
	const struct config *config;
	struct printers *printers;
	struct cameras *cameras;
	struct work_pool *pool;
	struct work_pool *keeper; /* one thread: writes printers.d and cameras.d */
	const char *av_program;   /* bedside-av, for cameras that are tried */
};

struct hooks *hooks_new(const struct hooks_env *env);
/* Questions still open are answered with an error. NULL is allowed. */
void hooks_free(struct hooks *h);
void hooks_fill(struct hooks *h, struct web_hooks *ret);

struct web_keeper;
/* As the page adds one. */
void hooks_add_printer(struct hooks *h, const struct printer_config *c, struct web_keeper k);

/* plumbing.c's side: starts a printer with its camera and sessions, and ends one. */
int plumbing_add_printer(struct plumbing *p, const struct printer_config *c,
                         struct err *err) MUST_CHECK;
void plumbing_remove_printer(struct plumbing *p, const char *id);
/* A camera of the page, and what its printers' sessions know of it. */
int plumbing_add_camera(struct plumbing *p, const struct camera_config *c,
                        struct err *err) MUST_CHECK;
void plumbing_remove_camera(struct plumbing *p, const char *id);
void plumbing_restart(struct plumbing *p);
/* Its certificate is judged anew: the camera must judge likewise. */
void plumbing_trust_changed(struct plumbing *p, const char *id);
