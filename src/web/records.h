/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * records: answers made of stored records: read on the store's thread, sent from the loop.
 *
 * Thread: loop.
 */

#pragma once

#include "web/call.h"

struct db;
struct err;
struct repo_page;

/* Runs `make` on the store's thread; what it puts into *ret is the answer. */
typedef int records_make(struct db *db, const struct call *c, json_t **ret, struct err *err);
void records_answer(struct call *c, records_make *make);

/* ?printer=&before=&limit= of the call; `printer` and `before` are its memory. */
struct records_page {
	char printer[64], before[64];
	unsigned limit;
};
void records_read_page(const struct call *c, struct records_page *ret);
