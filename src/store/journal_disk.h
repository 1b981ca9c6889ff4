/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_disk: the half of a journal that waits for the disk.
 *
 * Thread: the journals' queue; opening may run anywhere before the first flush.
 */

#pragma once

#include "base/base.h"
#include "base/err.h"
#include "store/journal.h"

#define JOURNAL_MAX_BATCH 64

/* One thing to be written: a picture with its line, or an event's line alone. */
struct journal_item {
	struct frame *frame; /* NULL: an event */
	struct journal_entry entry;
	char kind[32], text[256]; /* of an event; its time is entry.at_wall_ms */

	int rc; /* 0 once it is on disk */
	struct err err;

	/* private to a flush */
	int fd;
	char tmp[96];

	/* the loop's */
	void (*stored)(void *arg, const struct journal_entry *e, const struct err *err);
	void *arg;
};

struct journal_disk {
	char dir[1024], sessions_dir[1024];
	int dir_fd, manifest_fd; /* -1 until it is open */
	int64_t good_size;       /* of the manifest: what stands behind is ours to overwrite */
	bool must_cut;           /* a write failed: cut back to good_size before anything else */
	uint32_t last_number, n_frames;
	uint64_t bytes;
	unsigned n_cameras; /* folders known to be there */
	char cameras[SESSION_MAX_CAMERAS * 2][MODEL_ID_SIZE];
};

/* Touches no disk. */
void journal_disk_init(struct journal_disk *d, const char *sessions_dir, const struct session *s);
/* Makes the folder or repairs what a crash left; 0 if it is open already. A flush tries it again. */
int journal_disk_open(struct journal_disk *d, struct err *err) MUST_CHECK;
void journal_disk_close(struct journal_disk *d);

/* Writes up to JOURNAL_MAX_BATCH items in order; each gets its own rc. */
void journal_disk_flush(struct journal_disk *d, struct journal_item *items, size_t n);
