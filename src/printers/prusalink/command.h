/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command: commands as PrusaLink's API v1 has them: a job is paused, resumed, stopped; a file of its
 * storage is printed. There are no others.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "printers/prusalink/report.h"

struct err;

/* What is asked, without a body. -EINVAL with the reason if PrusaLink has no such command, or there
 * is no job. */
int prusa_command_write(const struct printer_command *c, const struct prusa_memory *m,
                        const char **ret_method, char target[1024], struct err *err) MUST_CHECK;

/* "usb/A.GCO" of "/usb/A.GCO", and of "A.GCO" on the storage `usual`; false: it is no file. */
bool prusa_file_path(const char *file, const char *usual, char *dst, size_t size);
