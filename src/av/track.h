/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * track: the growing film on disk: whole pieces, and an index that says which.
 *
 *	<dir>/<name>.track   room for the head, then the pieces' samples, one after the other: laid
 *	                     out as the finished MP4, so that finishing writes a head and renames
 *	<dir>/<name>.index   one line per piece: JSON, a blank, CRC32C of the JSON as 8 hex digits
 *
 * A piece begins with a key frame and refers to nothing before it. Its samples are on disk before
 * its line is written, so kill -9 or a power cut at any byte costs the open piece only: opening
 * cuts both files back to the last whole piece. The index' first line holds the settings; with
 * other settings a track begins anew.
 *
 * Thread: any one.
 */

#pragma once

#include "av/mp4.h"
#include "base/buf.h"

struct err;

struct track_piece {
	uint32_t first, last; /* numbers of journal entries, both included in the piece */
	uint32_t n_samples;
	uint64_t offset, size; /* in the track */
	uint32_t crc32c;
	uint32_t n_seen;    /* entries of this camera up to `last` */
	uint32_t n_skipped; /* broken ones among them */
};

/* What the index says; pure data. */
struct track_table {
	char settings[256];
	unsigned width, height;
	uint64_t data_at; /* where samples begin */
	struct buf avcc;
	struct track_piece *pieces;
	uint32_t n_pieces, cap_pieces;
	struct mp4_sample *samples;
	uint32_t n_samples, cap_samples;
};

void track_table_fini(struct track_table *t);
/* Pure: reads the lines of an index, up to the first that is torn or wrong. Returns the bytes that
 * were good (0: not even the first line). `t` is zeroed by the caller. */
size_t track_parse(struct track_table *t, const char *bytes, size_t size);

struct track {
	char track_path[3072], index_path[3072], dir[2048];
	int fd, index_fd;
	struct track_table table;
	uint64_t end; /* of the last whole piece */

	/* the open piece */
	struct track_piece open;
	uint32_t n_open; /* samples after table.n_samples */
};

/* The settings that `<dir>/<name>` was begun with, as far as it was. */
bool track_read_settings(const char *dir, const char *name, char *dst, size_t size);

/* Opens `<dir>/<name>` (the folder is made) and takes up what is whole there, or begins anew. Two
 * cannot have it at once: -EBUSY. */
int track_open(struct track *t, const char *dir, const char *name, const char *settings,
               struct err *err) MUST_CHECK;
void track_close(struct track *t);

/* Forgets all pieces. */
int track_reset(struct track *t, struct err *err) MUST_CHECK;

bool track_has_head(const struct track *t);
/* Writes the first line. `reserve`: bytes for the film's head; more is needed rarely and costs a
 * copy at the end. */
int track_begin(struct track *t, unsigned width, unsigned height, const struct buf *avcc,
                uint64_t reserve, struct err *err) MUST_CHECK;

/* Adds to the open piece; `bytes` with lengths (mp4_add_sample()). */
int track_add(struct track *t, const void *bytes, size_t size, int32_t ahead,
              struct err *err) MUST_CHECK;
/* Makes the open piece last: its numbers, then its line. Nothing open: nothing happens. */
int track_close_piece(struct track *t, const struct track_piece *numbers,
                      struct err *err) MUST_CHECK;
/* Drops what was added since the last whole piece. */
void track_drop_piece(struct track *t);

/* There is one, not made into a film yet. */
bool track_is_there(const char *dir, const char *name);

/* Turns the whole pieces into the film `out` (atomically; an existing one is replaced only if
 * `replaces`, else -ENOTUNIQ) and removes the track. */
int track_finish(struct track *t, double fps, double hold_s, const char *out, bool replaces,
                 struct err *err) MUST_CHECK;
