/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * download: the file of the running job from a printer that has a URL, tried a few times.
 *
 * Thread: loop. Real loops only.
 */

#pragma once

#include "printers/printer.h"

struct download;

struct download *download_new(struct printer *p);
void download_free(struct download *d); /* NULL is allowed */

/* `target` behind the printer's URL, escaped: "/downloads/files/local/a%20b.gcode"; `header` goes
 * with it ("X-Api-Key: …"), NULL: the configured user and password. Else as printer_fetch_job(). */
int download_start(struct download *d, const char *target, const char *header,
                   const char *dest_path, const struct printer_fetch *f,
                   struct err *err) MUST_CHECK;
void download_cancel(struct download *d);
