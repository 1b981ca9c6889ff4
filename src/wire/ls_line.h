/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ls_line: one line of a folder's listing as SFTP servers write it: "ls -l" of the C locale (what
 * OpenSSH's sftp-server sends as a file's long name).
 *
 * The protocol says nothing of its form, so the size with the date behind it is what is looked for,
 * wherever it stands: names of users and groups may hold blanks. Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

enum ls_kind {
	LS_FILE,
	LS_FOLDER,
	LS_OTHER, /* a link, a device … */
};

struct ls_line {
	enum ls_kind kind;
	uint64_t size;
	char date[16];  /* as written: "Nov 21 17:08", "Mar  4  2025" */
	char name[256]; /* any bytes but '/' and NUL: not checked */
};

/* `line` without its newline, `size` bytes. False: no such line, or its name does not fit. */
bool ls_line_parse(const char *line, size_t size, struct ls_line *ret);
