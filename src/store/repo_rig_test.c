/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo_rig.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "store/migrate.h"
#include "store/repo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_MS 1795257605000

static struct db *fresh(const char *name)
{
	auto_free char *path = mem_printf("%s/%s.db", test_tmp_dir(), name);
	struct db *db;

	CHECK_INT(db_open(path, DB_READ_WRITE, &db, NULL), 0);
	CHECK_INT(migrate_run(db, test_tmp_dir(), NULL), 0);
	return db;
}

static struct film a_film(enum film_state state)
{
	struct film f = { .state = state, .made_wall_ms = WALL_MS };

	TEXT_SET(f.id, "01JDA0000000000000000FM001");
	film_plan_init(&f.plan);
	return f;
}

static size_t n_waiting(struct db *db)
{
	struct outbox_state s;

	return repo_outbox_state(db, &s, NULL) < 0 ? 0 : (size_t)s.n_waits;
}

static void put(struct db *db, const char *kind, const char *ref)
{
	CHECK_INT(repo_outbox_put(db, kind, ref, WALL_MS, json_pack("{s:s}", "ref", ref), NULL), 0);
}

TEST(a_machine_that_is_no_rig_keeps_no_news)
{
	struct db *db = fresh("none");
	struct film f = a_film(FILM_READY);
	struct outbox_state s;

	CHECK_INT(repo_film_save(db, &f, NULL), 0);
	put(db, "layer", "j/1");
	CHECK_INT(repo_outbox_state(db, &s, NULL), -ENOENT);
	CHECK_INT(n_waiting(db), 0);
	db_close(db);
}

TEST(what_was_there_before_goes_to_the_hub_once)
{
	struct db *db = fresh("before");
	struct film f = a_film(FILM_READY);

	CHECK_INT(repo_film_save(db, &f, NULL), 0);
	CHECK_INT(repo_outbox_begin(db, WALL_MS, NULL), 0);
	CHECK_INT(n_waiting(db), 1);
	CHECK_INT(repo_outbox_begin(db, WALL_MS, NULL), 0);
	CHECK_INT(n_waiting(db), 1);
	CHECK_INT(repo_outbox_end(db, NULL), 0);
	CHECK_INT(n_waiting(db), 0);
	db_close(db);
}

TEST(records_and_their_news_are_one_and_the_newest_news_counts)
{
	struct db *db = fresh("news");
	struct film f = a_film(FILM_GROWING);
	struct news_list l;

	CHECK_INT(repo_outbox_begin(db, WALL_MS, NULL), 0);
	CHECK_INT(repo_film_save(db, &f, NULL), 0);
	put(db, "layer", "j/1");
	f.state = FILM_VERIFIED;
	CHECK_INT(repo_film_save(db, &f, NULL), 0);
	CHECK_INT(repo_outbox_list(db, 0, 10, 1 << 20, &l, NULL), 0);
	CHECK_INT(l.n, 2);
	CHECK_INT(l.list[0].number, 2);
	CHECK_STR(l.list[0].ref, "j/1");
	CHECK_INT(l.list[1].number, 3);
	CHECK_STR(l.list[1].kind, "film");
	CHECK(strstr(l.list[1].body, "verified"));
	news_free(l.list, l.n);

	/* Rolled back together. */
	CHECK_INT(db_begin(db, NULL), 0);
	put(db, "layer", "j/2");
	db_rollback(db);
	CHECK_INT(n_waiting(db), 2);

	/* Numbers are never given twice, though the outbox was empty between. */
	CHECK_INT(repo_outbox_ack(db, 3, NULL), 0);
	CHECK_INT(n_waiting(db), 0);
	put(db, "layer", "j/2");
	CHECK_INT(repo_outbox_list(db, 0, 10, 1 << 20, &l, NULL), 0);
	CHECK_INT(l.n, 1);
	CHECK_INT(l.list[0].number, 4);
	news_free(l.list, l.n);
	db_close(db);
}

TEST(an_order_is_taken_once)
{
	struct db *db = fresh("orders");

	CHECK_INT(repo_order_take(db, "o1", WALL_MS, NULL), 0);
	CHECK_INT(repo_order_take(db, "o1", WALL_MS, NULL), -EEXIST);
	CHECK_INT(repo_order_take(db, "o2", WALL_MS, NULL), 0);
	db_close(db);
}

static struct rig_record a_rig(const char *id, const char *name)
{
	struct rig_record r = { .paired_wall_ms = WALL_MS };

	TEXT_SET(r.id, id);
	TEXT_SET(r.name, name);
	return r;
}

static int commit(struct db *db, int64_t first, size_t n, bool *is_fresh)
{
	struct news list[8] = { 0 };
	struct repo_rig_batch b = { .rig = "r1",
		                    .stream = "s1",
		                    .news = list,
		                    .n = n,
		                    .heard_wall_ms = WALL_MS,
		                    .is_fresh = is_fresh };
	char body[] = "{}";

	for (size_t i = 0; i < n; i++) {
		list[i].number = first + (int64_t)i;
		TEXT_SET(list[i].kind, "layer");
		(void)snprintf(list[i].ref, sizeof(list[i].ref), "j/%d", (int)list[i].number);
		list[i].body = body;
	}
	return repo_rig_commit(db, &b, NULL);
}

/* What a person changes was read before the rig came. */
TEST(a_rig_that_is_renamed_was_seen_no_earlier_and_is_of_no_other_version)
{
	struct db *db = fresh("renamed");
	struct rig_record r = a_rig("r1", "Shed"), *list;
	size_t n = 0;

	CHECK_INT(repo_rig_add(db, &r, NULL), 0);
	CHECK_INT(repo_rig_seen(db, "r1", "9.9", WALL_MS + 1, NULL), 0);
	TEXT_SET(r.name, "Loft");
	r.delays.image_ms = 4000;
	CHECK_INT(repo_rig_change(db, "r1", r.name, &r.delays, NULL), 0);
	CHECK_INT(repo_rig_list(db, &list, &n, NULL), 0);
	CHECK_INT(n, 1);
	CHECK_STR(list[0].name, "Loft");
	CHECK_INT(list[0].delays.image_ms, 4000);
	CHECK_STR(list[0].version, "9.9");
	CHECK_INT(list[0].last_seen_wall_ms, WALL_MS + 1);
	free(list);
	db_close(db);
}

TEST(news_that_come_twice_are_kept_once)
{
	struct db *db = fresh("hub");
	struct rig_record a = a_rig("r1", "Shed"), b = a_rig("r2", "shed"), *list;
	struct rig_news *news;
	bool is_fresh[8];
	int64_t have;
	size_t n;

	CHECK_INT(repo_rig_add(db, &a, NULL), 0);
	CHECK_INT(repo_rig_add(db, &b, NULL), -EEXIST);
	CHECK_INT(commit(db, 1, 3, is_fresh), 0);
	CHECK(is_fresh[0] && is_fresh[2]);
	CHECK_INT(commit(db, 2, 4, is_fresh), 0);
	CHECK(!is_fresh[0] && !is_fresh[1] && is_fresh[2] && is_fresh[3]);
	CHECK_INT(repo_rig_have(db, "r1", "s1", &have, NULL), 0);
	CHECK_INT(have, 5);
	CHECK_INT(repo_rig_have(db, "r1", "another", &have, NULL), 0);
	CHECK_INT(have, 0);
	CHECK_INT(repo_rig_news(db, &(struct rig_news_page){ "r1", "", 0, 10 }, &news, &n, NULL),
	          0);
	CHECK_INT(n, 5);
	CHECK_STR(news[0].news.ref, "j/5");
	rig_news_free(news, n);
	CHECK_INT(
		repo_rig_news(db, &(struct rig_news_page){ "r1", "layer", 3, 10 }, &news, &n, NULL),
		0);
	CHECK_INT(n, 2);
	rig_news_free(news, n);
	CHECK_INT(repo_rig_list(db, &list, &n, NULL), 0);
	CHECK_INT(n, 1);
	CHECK_INT(list[0].n_news, 5);
	free(list);

	CHECK_INT(repo_rig_prune(db, 2, NULL), 0);
	CHECK_INT(repo_rig_news(db, &(struct rig_news_page){ "r1", "", 0, 10 }, &news, &n, NULL),
	          0);
	CHECK_INT(n, 2);
	rig_news_free(news, n);

	/* What came before these was not kept: neither are they. */
	{
		const struct news late = { .number = 9, .kind = "layer", .ref = "j/9" };
		const struct repo_rig_batch gap = { .rig = "r1",
			                            .stream = "s1",
			                            .after = 8,
			                            .news = &late,
			                            .n = 1,
			                            .is_fresh = is_fresh };

		CHECK_INT(repo_rig_commit(db, &gap, NULL), -EAGAIN);
	}

	/* Revoked: all of it goes, and what is still under way is refused. */
	CHECK_INT(repo_rig_remove(db, "r1", NULL), 0);
	CHECK_INT(repo_rig_remove(db, "r1", NULL), -ENOENT);
	CHECK_INT(commit(db, 6, 1, is_fresh), -ESTALE);
	CHECK_INT(repo_rig_news(db, &(struct rig_news_page){ "r1", "", 0, 10 }, &news, &n, NULL),
	          0);
	CHECK_INT(n, 0);
	rig_news_free(news, n);
	db_close(db);
}
