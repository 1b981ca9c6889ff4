/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/files: the file of the running job, by FTPS from the printer's storage.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct bambu;
struct bambu_files;
struct err;
struct printer_fetch;

struct bambu_files *bambu_files_new(struct bambu *b);
void bambu_files_free(struct bambu_files *f);

/* As printer_fetch_job(). */
int bambu_files_fetch_job(struct bambu_files *f, const char *dest_path,
                          const struct printer_fetch *fetch, struct err *err) MUST_CHECK;
/* Any file of the storage, likewise. */
int bambu_files_fetch(struct bambu_files *f, const char *path, const char *dest_path,
                      const struct printer_fetch *fetch, struct err *err) MUST_CHECK;
void bambu_files_cancel(struct bambu_files *f);
