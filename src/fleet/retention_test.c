/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/retention.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "base/when.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "model/event.h"
#include "store/journal.h"
#include "store/repo.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_MS 1795257605000
#define DAY_MS 86400000LL

static struct session done_session(void)
{
	struct session s = { .state = SESSION_DONE,
		             .n_frames = 10,
		             .n_cameras = 1,
		             .cameras = { "cam" },
		             .bytes = 10000,
		             .wants_film = true };

	id_new(s.id, WALL_MS);
	TEXT_SET(s.printer, "a1");
	return s;
}

static struct film film_for(const struct session *s, enum film_state state, uint32_t n_frames)
{
	struct film f = { .state = state, .n_frames = n_frames, .made_wall_ms = WALL_MS };

	id_new(f.id, WALL_MS);
	TEXT_SET(f.session, s->id);
	TEXT_SET(f.camera, "cam");
	film_plan_init(&f.plan);
	return f;
}

static enum retention_verdict judge(const struct session *s, const struct film *films, size_t n,
                                    int64_t age_ms)
{
	struct retention_facts f = { .session = s,
		                     .films = films,
		                     .n_films = n,
		                     .n_pictures = { 10 },
		                     .now_ms = WALL_MS + age_ms,
		                     .keep_frames_ms = DAY_MS };

	return retention_judge(&f);
}

TEST(a_film_of_the_wanted_length_counts_only_if_it_was_made_of_the_whole_session)
{
	struct session s = done_session();
	struct film f = film_for(&s, FILM_VERIFIED, 60);
	struct retention_facts facts = { .session = &s, .films = &f, .n_films = 1 };
	char when[WHEN_TEXT_SIZE];

	facts.n_pictures[0] = 1000;
	s.started_wall_ms = WALL_MS;
	s.ended_wall_ms = WALL_MS + DAY_MS;
	s.film.duration_s = f.plan.duration_s = 1;
	s.film.hold_s = f.plan.hold_s = 0;
	/* Asked for in mid print. */
	id_new(f.id, WALL_MS + DAY_MS / 2);
	TEXT_SET(f.file, "films/2026-11-22_00-00-00_lid.mp4");
	CHECK(!retention_is_filmed(&facts, NULL));
	id_new(f.id, WALL_MS + DAY_MS + 1000);
	CHECK(retention_is_filmed(&facts, NULL));
	/* Its own. */
	id_new(f.id, WALL_MS + 10);
	(void)snprintf(f.file, sizeof(f.file), "films/%s_lid.mp4", when_file_name(when, WALL_MS));
	CHECK(retention_is_filmed(&facts, NULL));
	f.n_frames = 30;
	CHECK(!retention_is_filmed(&facts, NULL));
}

TEST(pictures_are_filmed_when_each_camera_that_has_some_has_its_film)
{
	struct session s = done_session();
	struct film films[2] = { film_for(&s, FILM_VERIFIED, 10), film_for(&s, FILM_VERIFIED, 4) };
	struct retention_facts f = {
		.session = &s, .films = films, .n_films = 1, .n_pictures = { 10, 4 }
	};

	s.n_cameras = 2;
	TEXT_SET(s.cameras[1], "top");
	CHECK(!retention_is_filmed(&f, NULL));
	TEXT_SET(films[1].camera, "top");
	f.n_films = 2;
	CHECK(retention_is_filmed(&f, NULL));
	films[1].state = FILM_READY;
	CHECK(!retention_is_filmed(&f, NULL));
	f.n_pictures[1] = 0; /* that one was dead all the time */
	CHECK(retention_is_filmed(&f, NULL));
	f.n_pictures[0] = 0;
	CHECK(!retention_is_filmed(&f, NULL));
}

TEST(frames_may_go_only_by_age_and_with_a_verified_film_of_the_right_count)
{
	struct session s = done_session();
	struct film f = film_for(&s, FILM_VERIFIED, 10);

	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_MAY_GO_NOW);
	CHECK_INT(judge(&s, &f, 1, DAY_MS - 1), RETENTION_YOUNG);
	CHECK_INT(judge(&s, NULL, 0, 100 * DAY_MS), RETENTION_NO_FILM);
	f.n_frames = 9;
	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_NO_FILM);
	f.n_skipped = 1;
	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_MAY_GO_NOW);
	f.state = FILM_FAILED;
	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_NO_FILM);
	f.state = FILM_READY;
	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_IN_USE);
	TEXT_SET(f.camera, "other");
	f.state = FILM_VERIFIED;
	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_NO_FILM);
}

TEST(a_short_film_counts_only_if_the_session_wanted_it)
{
	struct session s = done_session();
	struct film f = film_for(&s, FILM_VERIFIED, 3);

	f.plan.duration_s = 0.1;
	f.plan.hold_s = 0;
	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_NO_FILM);
	s.film = f.plan;
	f.n_frames = 6; /* all that 0.1 s can show */
	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_MAY_GO_NOW);
	f.n_frames = 3;
	CHECK_INT(judge(&s, &f, 1, DAY_MS), RETENTION_NO_FILM);
}

TEST(a_clock_that_is_set_makes_nothing_old)
{
	struct session s = done_session();
	struct film f = film_for(&s, FILM_VERIFIED, 10);
	struct retention_facts facts = { .session = &s,
		                         .films = &f,
		                         .n_films = 1,
		                         .n_pictures = { 10 },
		                         .keep_frames_ms = DAY_MS };
	struct retention_clock c = { 0 };
	int64_t us = 5000000, set_ms = WALL_MS + 300 * DAY_MS;

	CHECK_INT(retention_clock_look(&c, WALL_MS, us), 0);
	us += 3600000000;
	CHECK_INT(retention_clock_look(&c, WALL_MS + 3600000 + 900, us), 0);
	us += 60000000;
	facts.now_ms = set_ms;
	facts.clock_set_ms = retention_clock_look(&c, set_ms, us);
	CHECK_INT(facts.clock_set_ms, set_ms);
	CHECK_INT(retention_judge(&facts), RETENTION_YOUNG);
	us += DAY_MS * 1000;
	facts.now_ms = set_ms + DAY_MS;
	facts.clock_set_ms = retention_clock_look(&c, facts.now_ms, us);
	CHECK_INT(retention_judge(&facts), RETENTION_MAY_GO_NOW);
}

TEST(frames_in_use_never_go)
{
	struct session s = done_session();
	struct film f[2] = { film_for(&s, FILM_VERIFIED, 10), film_for(&s, FILM_GROWING, 3) };

	CHECK_INT(judge(&s, f, 2, 100 * DAY_MS), RETENTION_IN_USE);
	for (enum session_state st = SESSION_IDLE; st < SESSION_DONE; st++) {
		s.state = st;
		CHECK_INT(judge(&s, f, 1, 100 * DAY_MS), RETENTION_IN_USE);
	}
	s.state = SESSION_DONE;
	s.frames_deleted_wall_ms = 1;
	CHECK_INT(judge(&s, f, 1, 100 * DAY_MS), RETENTION_GONE);
}

TEST(each_camera_needs_its_own_film)
{
	struct session s = done_session();
	struct film f = film_for(&s, FILM_VERIFIED, 10);
	struct retention_facts facts = { .session = &s,
		                         .films = &f,
		                         .n_films = 1,
		                         .n_pictures = { 10, 10 },
		                         .now_ms = WALL_MS + DAY_MS,
		                         .keep_frames_ms = DAY_MS };

	s.n_cameras = 2;
	TEXT_SET(s.cameras[1], "side");
	CHECK_INT(retention_judge(&facts), RETENTION_NO_FILM);
	facts.n_pictures[1] = 0;
	CHECK_INT(retention_judge(&facts), RETENTION_MAY_GO_NOW);
}

struct bench {
	struct loop *loop;
	struct bus *bus;
	struct bus_listener listener;
	struct work_pool *disk;
	struct store *store;
	char *dir;
	unsigned n_notices, n_sessions;
};

static void hear(void *arg, const struct bus_event *e)
{
	struct bench *b = arg;

	b->n_notices += e->type == EVENT_NOTICE;
	b->n_sessions += e->type == EVENT_SESSION;
}

static void open_bench(struct bench *b)
{
	*b = (struct bench){ .loop = loop_new_simulated(WALL_MS), .dir = mem_str(test_tmp_dir()) };
	b->bus = bus_new(b->loop);
	bus_listen(b->bus, &b->listener, hear, b);
	b->disk = work_pool_new(b->loop, "journal", 1);
	CHECK_INT(store_open(b->loop, b->dir, &b->store, NULL), 0);
}

static void close_bench(struct bench *b)
{
	bus_unlisten(&b->listener);
	bus_free(b->bus);
	work_pool_free(b->disk);
	store_close(b->store);
	loop_free(b->loop);
	free(b->dir);
}

static int save_session(struct db *db, void *arg, struct err *err)
{
	return repo_session_save(db, arg, err);
}

static int save_film(struct db *db, void *arg, struct err *err)
{
	return repo_film_save(db, arg, err);
}

static int load_session(struct db *db, void *arg, struct err *err)
{
	struct session *s = arg;
	char id[ID_SIZE];

	TEXT_SET(id, s->id);
	return repo_session_get(db, id, s, err);
}

/* A session on disk and in the records, with ten pictures. */
static struct session store_session(struct bench *b, enum film_state film)
{
	struct journal_env env = { b->loop, b->disk, JOURNAL_FLUSH_MS };
	auto_free char *dir = mem_printf("%s/sessions", b->dir);
	struct session s = done_session();
	struct film f = film_for(&s, film, 10);
	struct journal *j;

	CHECK_INT(journal_open(&env, dir, &s, &j, NULL), 0);
	for (int i = 0; i < 10; i++) {
		struct journal_entry e = { .camera = "cam", .layer = i };
		uint8_t *bytes;
		struct frame *frame = frame_new(FRAME_JPEG, 1000, &bytes);

		memset(bytes, i, 1000);
		journal_add(j, frame, &e, NULL, NULL);
		frame_unref(frame);
	}
	journal_close(j, NULL, NULL);
	loop_advance(b->loop, 0);
	CHECK_INT(store_call(b->store, save_session, &s, NULL), 0);
	CHECK_INT(store_call(b->store, save_film, &f, NULL), 0);
	return s;
}

static struct journal_check check(struct bench *b, const struct session *s)
{
	auto_free char *dir = mem_printf("%s/sessions/%s", b->dir, s->id);
	struct journal_check c = { 0 };

	CHECK_INT(journal_check(dir, &c, NULL), 0);
	return c;
}

static struct retention *start(struct bench *b, int64_t keep_frames_ms, uint64_t budget_bytes)
{
	struct retention_env env = { .loop = b->loop,
		                     .bus = b->bus,
		                     .store = b->store,
		                     .disk = b->disk,
		                     .data_dir = b->dir,
		                     .keep_frames_ms = keep_frames_ms,
		                     .budget_bytes = budget_bytes };

	return retention_new(&env);
}

TEST(retention_deletes_old_frames_of_verified_films_and_says_so)
{
	struct bench b;
	struct session good, unverified;
	struct retention *r;

	open_bench(&b);
	good = store_session(&b, FILM_VERIFIED);
	unverified = store_session(&b, FILM_FAILED);
	r = start(&b, DAY_MS, 0);
	loop_advance(b.loop, DAY_MS - 1000);
	CHECK_INT(check(&b, &good).n_whole, 10);
	CHECK_INT(b.n_notices, 0);
	loop_advance(b.loop, 2 * 3600000);
	CHECK_INT(check(&b, &good).n_deleted, 10);
	CHECK_INT(check(&b, &good).n_strangers, 0);
	CHECK_INT(check(&b, &unverified).n_whole, 10);
	CHECK_INT(b.n_notices, 1);
	CHECK_INT(b.n_sessions, 1);
	CHECK_INT(store_call(b.store, load_session, &good, NULL), 0);
	CHECK(good.frames_deleted_wall_ms > WALL_MS);
	retention_free(r);
	close_bench(&b);
}

TEST(retention_for_ever_deletes_only_for_the_budget_and_oldest_first)
{
	struct bench b;
	struct session first, second;
	struct retention *r;

	open_bench(&b);
	first = store_session(&b, FILM_VERIFIED);
	loop_advance(b.loop, 5);
	second = store_session(&b, FILM_VERIFIED);
	if (strcmp(first.id, second.id) > 0) {
		struct session swap = first;

		first = second;
		second = swap;
	}
	r = start(&b, 0, 15000);
	loop_advance(b.loop, 100 * DAY_MS);
	CHECK_INT(check(&b, &first).n_deleted, 10);
	CHECK_INT(check(&b, &second).n_whole, 10);
	retention_free(r);
	close_bench(&b);
}

TEST(retention_makes_room_as_soon_as_recording_has_stopped)
{
	struct bench b;
	struct session s;
	struct retention *r;

	open_bench(&b);
	s = store_session(&b, FILM_VERIFIED);
	/* All of it is used, none is over: recording stops there, and goes on only with some
	 * space to spare. */
	r = start(&b, 0, 10000);
	event_notice(b.bus, WALL_MS, NOTICE_ALARM, "disk", "a1", "no more pictures are taken");
	loop_advance(b.loop, 1000);
	CHECK_INT(check(&b, &s).n_deleted, 10);
	retention_free(r);
	close_bench(&b);
}
