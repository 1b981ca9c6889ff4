/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_line: the manifest's lines, written and judged. Pure.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

struct buf;
struct journal_entry;

#define JOURNAL_MAX_LINE 2048
#define JOURNAL_MANIFEST "manifest"

#define JOURNAL_END "end"         /* the session is over */
#define JOURNAL_DELETED "deleted" /* its pictures were deleted by policy */

/* Each adds one line with its newline. */
void journal_format_entry(struct buf *b, const struct journal_entry *e);
void journal_format_event(struct buf *b, const char *kind, const char *text, int64_t wall_ms);

/* The line at the beginning of `p`: its size without the newline in ret_size, and what it takes
 * with it as the result; 0 if no newline is there yet. */
size_t journal_next_line(const char *p, size_t size, size_t *ret_size);

/* What a whole manifest says. */
struct journal_scan {
	size_t good_size; /* up to the end of the last line that is whole */
	uint32_t n_frames, n_damaged, last_number;
	uint64_t bytes; /* of all pictures */
	bool has_ended, is_deleted;
};

/* `each` (may be NULL) hears of every entry and where its line begins. */
void journal_scan_manifest(const char *p, size_t size, struct journal_scan *ret,
                           void (*each)(void *arg, const struct journal_entry *e, size_t at),
                           void *arg);

/* "000012.jpg" or "000012.jpg.new" as the journal names pictures. */
bool journal_is_picture_name(const char *name);
