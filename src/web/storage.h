/* SPDX-License-Identifier: GPL-3.0-or-later */
/* storage: room on the disk, in numbers and in a sentence. Thread: as said. */

#pragma once

#include <jansson.h>

struct db;
struct err;
struct web;

/* On the store's thread. A new reference in *ret. */
int storage_read(struct db *db, const struct web *w, json_t **ret, struct err *err);
