/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backup: what its files share. backup_walk.c finds, backup_list.c makes the list, backup.c copies into a
 * folder, backup_stream.c into an archive, restore.c puts back. Thread: any. */

#pragma once

#include "base/base.h"

#include <jansson.h>

struct err;

#define BACKUP_LIST "backup.json"
#define BACKUP_HUB "hub.yaml" /* of a rig: its hub, and the key for it */
#define BACKUP_MAX_LIST (256U << 20)
#define BACKUP_PATH_SIZE 1536

struct backup_walk {
	const char *data_dir;
	bool has_frames, has_films;
	/* `name` below the data folder; at most `max` bytes of it belong to the backup. */
	int (*found)(void *arg, const char *path, const char *name, uint64_t max, struct err *err);
	void *arg;
};

/* All but database and configuration. */
int backup_walk(const struct backup_walk *w, struct err *err) MUST_CHECK;

/* Layer captures lie in NAME/2026-11-21/, NAME being the plan's. */
bool backup_is_capture_folder(const char *name);
bool backup_is_day(const char *name);
/* "NAME/2026-11-21/file" */
bool backup_is_capture(const char *path);

/* Adds a file to the list. False: its name is no text. */
bool backup_list_add(json_t *list, const char *name, uint64_t size, uint32_t crc32c);
/* The text of backup.json, to be freed. */
char *backup_list_text(json_t *list, bool has_frames, bool has_films);
