/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * printer: the framework around one maker's link: life, back-off, staleness, commands, events.
 *
 * A driver (printers/driver.h) knows one protocol. The framework keeps the one printer_state,
 * compares it after each report and publishes EVENT_PRINTER with what changed (at most once per
 * turn of the loop), watches silence (PRIN-12) and gives every command exactly one answer.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/printer.h"

#include <jansson.h>

struct bus;
struct err;
struct loop;
struct printer;
struct printers;
struct work_pool;

struct printers_env {
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool;
	const char *data_dir; /* for fetched files: <data_dir>/cache */
	const char *ca_file;  /* PEM of the makers' CAs to use instead of the built-in ones; NULL */
};

struct printers *printers_new(const struct printers_env *env);
void printers_free(struct printers *ps);

/* Adds and starts; the configuration is copied. It runs and recovers whether the printer is there
 * or not. */
int printers_add(struct printers *ps, const struct printer_config *config, struct printer **ret,
                 struct err *err) MUST_CHECK;
void printers_remove(struct printers *ps, const char *id);
struct printer *printers_find(struct printers *ps, const char *id);
struct printer *printers_at(struct printers *ps, size_t i); /* NULL after the last */

const struct printer_config *printer_config(const struct printer *p);
const struct printer_state *printer_state(const struct printer *p);

/* The merged report as the printer sent it (PRIN-16), without secrets; a new reference. */
json_t *printer_raw(const struct printer *p);

/* Sends a command. `done` is called exactly once, never from inside this call. */
void printer_send(struct printer *p, const struct printer_command *c,
                  void (*done)(void *arg, enum printer_answer a, const char *reason), void *arg);

/*
 * Fetches the file of the running job (its 3MF or G-code) into `dest_path` (a temporary name,
 * renamed when whole). A1 and P1 are slow: minutes. `progress` may be NULL. `done` once: path NULL
 * and err on failure. One fetch per printer at a time; printer_fetch_cancel() ends it silently.
 */
struct printer_fetch {
	void (*progress)(void *arg, uint64_t got_bytes, uint64_t total_bytes);
	void (*done)(void *arg, const char *path, const struct err *err);
	void *arg;
};
int printer_fetch_job(struct printer *p, const char *dest_path, const struct printer_fetch *f,
                      struct err *err) MUST_CHECK;
void printer_fetch_cancel(struct printer *p);

/* What the printer's macro asked for (EVENT_MACRO) is done, or will not be: a print that stands still
 * for it goes on. `is_film`: it was the film, else pictures. */
void printer_macro_over(struct printer *p, bool is_film);

/* The leaf certificate that was refused: its SHA-256, for the page to show and to pin after a
 * confirmation. False if none was. */
bool printer_refused_certificate(const struct printer *p, uint8_t ret_sha256[32],
                                 char ret_subject[128]);
/* Changes the trust of a running printer and reconnects. */
void printer_set_trust(struct printer *p, const struct trust *t);

/* The camera configuration that the printer's own camera needs; false if it has none we can read
 * (then *ret_why says why in words). */
bool printer_own_camera(const struct printer *p, struct camera_config *ret, const char **ret_why);
