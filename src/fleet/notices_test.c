/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/notices.h"

#include "base/test.h"
#include "core/bus.h"
#include "core/loop.h"
#include "model/event.h"
#include "store/repo.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#define WALL_MS 1795257605000

struct list {
	struct event_notice *notices;
	size_t n;
};

static int ask(struct db *db, void *arg, struct err *err)
{
	struct list *l = arg;

	return repo_notice_list(db, &(struct repo_page){ 0 }, &l->notices, &l->n, err);
}

static int count(struct db *db, void *arg, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, "SELECT count(*) FROM notices", NULL, &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc > 0)
		*(int64_t *)arg = db_get_int(&r, 0);
	return rc < 0 ? rc : 0;
}

TEST(what_was_told_is_kept_up_to_a_limit)
{
	struct loop *l = loop_new_simulated(WALL_MS);
	struct bus *b = bus_new(l);
	struct store *s;
	struct notices *n;
	struct list list = { 0 };
	int64_t kept = 0;

	CHECK_INT(store_open(l, test_tmp_dir(), &s, NULL), 0);
	n = notices_new(l, b, s);
	event_notice(b, WALL_MS, NOTICE_ALARM, "disk", "a1", "the disk is full");
	loop_advance(l, 1);
	CHECK_INT(store_call(s, ask, &list, NULL), 0);
	CHECK(list.n == 1 && list.notices[0].level == NOTICE_ALARM);
	CHECK_STR(list.notices[0].text, "the disk is full");
	free(list.notices);
	for (int i = 0; i < NOTICES_KEPT + 5; i++) {
		event_notice(b, WALL_MS + i, NOTICE_INFO, "disk", "", "number %d", i);
		if (i % 500 == 0)
			loop_advance(l, 1);
	}
	loop_advance(l, 3600000);
	CHECK_INT(store_call(s, count, &kept, NULL), 0);
	CHECK_INT(kept, NOTICES_KEPT);
	notices_free(n);
	store_close(s);
	bus_free(b);
	loop_free(l);
}
