/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "store/migrate.h"
#include "store/repo_capture.h"
#include "store/repo_outbox.h"
#include "store/repo_user.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_MS 1795257605000

static struct db *fresh(void)
{
	auto_free char *path = mem_printf("%s/x.db", test_tmp_dir());
	struct db *db;

	CHECK_INT(db_open(path, DB_READ_WRITE, &db, NULL), 0);
	CHECK_INT(migrate_run(db, test_tmp_dir(), NULL), 0);
	return db;
}

static struct job a_job(int i, const char *printer)
{
	struct job j = { .started_wall_ms = WALL_MS + i,
		         .layer = i,
		         .layers = -1,
		         .estimate_s = (double)NAN,
		         .filament_g = 12.5 };

	id_new(j.id, WALL_MS + i);
	TEXT_SET(j.printer, printer);
	TEXT_SET(j.name, "vase \"'; DROP TABLE jobs; --");
	return j;
}

TEST(jobs_come_back_as_they_were_saved)
{
	struct db *db = fresh();
	struct job a = a_job(1, "a1"), b, *running;
	size_t n;

	CHECK_INT(repo_job_save(db, &a, NULL), 0);
	CHECK_INT(repo_job_get(db, a.id, &b, NULL), 0);
	CHECK_STR(b.name, a.name);
	CHECK(isnan(b.estimate_s) && b.filament_g == 12.5 && b.layers == -1);
	CHECK_INT(b.outcome, JOB_RUNNING);
	CHECK_INT(repo_job_running(db, &running, &n, NULL), 0);
	CHECK_INT(n, 1);
	free(running);
	a.outcome = JOB_CANCELLED;
	a.ended_wall_ms = WALL_MS + 5;
	CHECK_INT(repo_job_save(db, &a, NULL), 0);
	CHECK_INT(repo_job_get(db, a.id, &b, NULL), 0);
	CHECK(b.outcome == JOB_CANCELLED && b.ended_wall_ms == WALL_MS + 5);
	CHECK_INT(repo_job_running(db, &running, &n, NULL), 0);
	CHECK(n == 0 && !running);
	CHECK_INT(repo_job_get(db, "nobody", &b, NULL), -ENOENT);
	db_close(db);
}

TEST(captures_that_a_kill_left_running_have_failed_and_keep_their_pictures)
{
	struct db *db = fresh();
	struct capture c = { .layer = 3, .z_mm = (double)NAN }, other = { .layer = 4 }, got;
	struct capture_picture p = { .index = 2, .at_wall_ms = WALL_MS }, *pics;
	struct news_list news;
	size_t n;

	CHECK_INT(repo_outbox_begin(db, WALL_MS, NULL), 0);

	id_new(c.id, WALL_MS);
	id_new(other.id, WALL_MS + 1);
	TEXT_SET(c.printer, "a1");
	TEXT_SET(other.printer, "p1s");
	TEXT_SET(c.session, "01JS");
	TEXT_SET(p.capture, c.id);
	capture_telemetry_init(&p.telemetry);
	p.telemetry.bed_c = 60.5;
	p.telemetry.head_mm[2] = 7.25;
	CHECK_INT(repo_capture_save(db, &c, NULL), 0);
	CHECK_INT(repo_capture_save(db, &other, NULL), 0);
	CHECK_INT(repo_capture_picture_save(db, &p, NULL), 0);
	CHECK_INT(repo_capture_end_running(db, "a1", "killed", NULL), 0);
	CHECK_INT(repo_capture_get(db, c.id, &got, NULL), 0);
	CHECK(got.state == CAPTURE_FAILED && isnan(got.z_mm));
	CHECK_STR(got.text, "killed");
	CHECK_STR(got.session, "01JS");
	/* A hub is told as well. */
	CHECK_INT(repo_outbox_list(db, 1, 10, 65536, &news, NULL), 0);
	CHECK_INT(news.n, 2);
	CHECK_STR(news.list[1].ref, c.id);
	CHECK(strstr(news.list[1].body, "\"failed\""));
	news_free(news.list, news.n);
	CHECK_INT(repo_capture_get(db, other.id, &got, NULL), 0);
	CHECK_INT(got.state, CAPTURE_RUNNING);
	CHECK_INT(repo_capture_pictures(db, c.id, &pics, &n, NULL), 0);
	CHECK_INT(n, 1);
	CHECK(pics[0].telemetry.bed_c == 60.5 && pics[0].telemetry.head_mm[2] == 7.25 &&
	      isnan(pics[0].telemetry.nozzle_c));
	free(pics);
	db_close(db);
}

TEST(lists_are_newest_first_by_printer_and_go_on_before_an_id)
{
	struct db *db = fresh();
	struct job *list;
	char third[ID_SIZE] = "";
	size_t n;

	for (int i = 1; i <= 6; i++) {
		struct job j = a_job(i, i % 2 ? "a1" : "p1s");

		CHECK_INT(repo_job_save(db, &j, NULL), 0);
		if (i == 3)
			TEXT_SET(third, j.id);
	}
	CHECK_INT(repo_job_list(db, &(struct repo_page){ .limit = 4 }, &list, &n, NULL), 0);
	CHECK(n == 4 && list[0].layer == 6 && list[3].layer == 3);
	free(list);
	CHECK_INT(repo_job_list(db, &(struct repo_page){ .printer = "a1", .before = third }, &list,
	                        &n, NULL),
	          0);
	CHECK(n == 1 && list[0].layer == 1);
	free(list);
	db_close(db);
}

TEST(layers_are_kept_once_and_need_their_job)
{
	struct db *db = fresh();
	struct job j = a_job(1, "a1");
	struct layer l = { .number = 2, .layers = 57, .z_mm = (double)NAN, .confidence = 0.5 };
	struct layer *list;
	size_t n;

	TEXT_SET(l.job, j.id);
	CHECK_INT(repo_layer_save(db, &l, NULL), -ENOENT);
	CHECK_INT(repo_job_save(db, &j, NULL), 0);
	CHECK_INT(repo_layer_save(db, &l, NULL), 0);
	l.z_mm = 0.4;
	CHECK_INT(repo_layer_save(db, &l, NULL), 0);
	l.number = 1;
	CHECK_INT(repo_layer_save(db, &l, NULL), 0);
	CHECK_INT(repo_layer_list(db, j.id, 0, &list, &n, NULL), 0);
	CHECK(n == 2 && list[0].number == 1 && list[1].number == 2 && list[1].z_mm == 0.4);
	free(list);
	CHECK_INT(repo_layer_list(db, j.id, 2, &list, &n, NULL), 0);
	CHECK_INT(n, 1);
	free(list);
	db_close(db);
}

static struct session a_session(int i, enum session_state state)
{
	struct session s = { .state = state,
		             .started_wall_ms = WALL_MS + i,
		             .n_frames = 10,
		             .layer = i,
		             .layers = -1,
		             .bytes = 5000000000,
		             .keep_one_in = 2,
		             .is_thinned = true,
		             .wants_film = true,
		             .min_frames = 3,
		             .n_cameras = 2,
		             .cameras = { "a1", "usb-2" } };

	id_new(s.id, WALL_MS + i);
	TEXT_SET(s.printer, "a1");
	TEXT_SET(s.job_name, "lid");
	film_plan_init(&s.film);
	s.film.hold_s = 1.25;
	return s;
}

TEST(sessions_keep_plan_and_cameras_and_are_found_by_what_is_left_to_do)
{
	struct db *db = fresh();
	struct session done = a_session(1, SESSION_DONE), open = a_session(2, SESSION_RECORDING);
	struct session b, *list;
	uint64_t frames, films;
	size_t n;

	CHECK_INT(repo_session_save(db, &done, NULL), 0);
	CHECK_INT(repo_session_save(db, &open, NULL), 0);
	CHECK_INT(repo_session_get(db, open.id, &b, NULL), 0);
	CHECK(b.state == SESSION_RECORDING && b.bytes == 5000000000 && b.is_thinned);
	CHECK(b.n_cameras == 2 && strcmp(b.cameras[1], "usb-2") == 0);
	CHECK(b.film.hold_s == 1.25 && b.film.crf == done.film.crf && b.wants_film);
	CHECK_STR(b.film.preset, done.film.preset);
	CHECK_INT(repo_session_unfinished(db, &list, &n, NULL), 0);
	CHECK(n == 1 && strcmp(list[0].id, open.id) == 0);
	free(list);
	CHECK_INT(repo_session_with_frames(db, 10, &list, &n, NULL), 0);
	CHECK_INT(n, 0);

	struct film f = { .state = FILM_VERIFIED };

	id_new(f.id, WALL_MS);
	TEXT_SET(f.session, done.id);
	film_plan_init(&f.plan);
	CHECK_INT(repo_film_save(db, &f, NULL), 0);
	CHECK_INT(repo_session_with_frames(db, 10, &list, &n, NULL), 0);
	CHECK(n == 1 && strcmp(list[0].id, done.id) == 0);
	free(list);
	CHECK_INT(repo_sum_bytes(db, &frames, &films, NULL), 0);
	CHECK(frames == 10000000000 && films == 0);
	done.frames_deleted_wall_ms = WALL_MS;
	CHECK_INT(repo_session_save(db, &done, NULL), 0);
	CHECK_INT(repo_session_with_frames(db, 10, &list, &n, NULL), 0);
	CHECK_INT(n, 0);
	CHECK_INT(repo_session_delete(db, done.id, NULL), 0);
	CHECK_INT(repo_session_delete(db, done.id, NULL), -ENOENT);
	db_close(db);
}

TEST(films_come_back_as_they_were_saved)
{
	struct db *db = fresh();
	struct film a = { .state = FILM_READY,
		          .duration_s = 4.5,
		          .fps = 25,
		          .n_frames = 58,
		          .n_skipped = 1,
		          .bytes = 900000,
		          .progress_percent = -1 };
	struct film b, *list;
	size_t n;

	id_new(a.id, WALL_MS);
	TEXT_SET(a.session, "01JDA0000000000000000SE001");
	film_plan_init(&a.plan);
	CHECK_INT(repo_film_save(db, &a, NULL), 0);
	CHECK_INT(repo_film_get(db, a.id, &b, NULL), 0);
	CHECK(b.state == FILM_READY && b.n_frames == 58 && b.n_skipped == 1 && b.fps == 25);
	CHECK(b.progress_percent == -1 && b.plan.fps == a.plan.fps);
	CHECK_INT(repo_film_of_session(db, a.session, &list, &n, NULL), 0);
	CHECK_INT(n, 1);
	free(list);
	CHECK_INT(repo_film_unfinished(db, &list, &n, NULL), 0);
	CHECK_INT(n, 1);
	free(list);
	a.state = FILM_VERIFIED;
	CHECK_INT(repo_film_save(db, &a, NULL), 0);
	CHECK_INT(repo_film_unfinished(db, &list, &n, NULL), 0);
	CHECK_INT(n, 0);
	CHECK_INT(repo_film_list(db, &(struct repo_page){ 0 }, &list, &n, NULL), 0);
	CHECK_INT(n, 1);
	free(list);
	CHECK_INT(repo_film_delete(db, a.id, NULL), 0);
	CHECK_INT(repo_film_get(db, a.id, &b, NULL), -ENOENT);
	db_close(db);
}

TEST(notices_are_pruned_to_the_newest)
{
	struct db *db = fresh();
	struct event_notice *list;
	size_t n;

	for (int i = 0; i < 10; i++) {
		struct event_notice note = { .wall_ms = WALL_MS + i, .level = NOTICE_WARNING };

		id_new(note.id, note.wall_ms);
		snprintf(note.text, sizeof(note.text), "notice %d", i);
		CHECK_INT(repo_notice_save(db, &note, NULL), 0);
	}
	CHECK_INT(repo_notice_prune(db, 3, NULL), 0);
	CHECK_INT(repo_notice_list(db, &(struct repo_page){ 0 }, &list, &n, NULL), 0);
	CHECK_INT(n, 3);
	CHECK_STR(list[0].text, "notice 9");
	CHECK_INT(list[0].level, NOTICE_WARNING);
	free(list);
	db_close(db);
}

static void add_login(struct db *db, const char *hash, int64_t from_ms, int64_t to_ms)
{
	struct login l = { .user_id = "u", .created_wall_ms = from_ms, .expires_wall_ms = to_ms };

	TEXT_SET(l.token_hash, hash);
	CHECK_INT(repo_login_add(db, &l, NULL), 0);
}

static int64_t count_logins(struct db *db)
{
	auto_rows struct db_rows r = { 0 };

	CHECK(db_query(db, "SELECT count(*) FROM logins", NULL, &r, NULL) >= 0);
	CHECK_INT(db_next(&r, NULL), 1);
	return db_get_int(&r, 0);
}

TEST(logins_that_ended_go_and_the_others_are_bounded)
{
	struct db *db = fresh();
	struct user u = { .id = "u", .name = "u" };
	struct login *list;
	size_t n;

	CHECK_INT(repo_user_add(db, &u, NULL), 0);
	add_login(db, "short", WALL_MS, WALL_MS + 10);
	add_login(db, "first", WALL_MS + 5, WALL_MS + 1000);
	add_login(db, "second", WALL_MS + 20, WALL_MS + 1000);
	CHECK_INT(repo_login_list(db, WALL_MS, &list, &n, NULL), 0);
	CHECK_INT(n, 2); /* "short" had ended when "second" began */
	free(list);
	CHECK_INT(
		db_run(db,
	               "INSERT INTO logins (token_hash, user_id, csrf, created_ms, expires_ms,"
	               " address, agent, is_remembered) WITH RECURSIVE c (i) AS (SELECT 1 UNION"
	               " ALL SELECT i + 1 FROM c WHERE i < 6000) SELECT 'x' || i, 'u', '', $1 + i,"
	               " $1 + 9000, '', '', 0 FROM c",
	               DB_ARGS(db_int(WALL_MS + 100)), NULL),
		0);
	add_login(db, "newest", WALL_MS + 7000, WALL_MS + 9000);

	CHECK_INT(count_logins(db), REPO_MAX_LOGINS);
	db_close(db);
}

TEST(settings_are_set_and_set_again)
{
	struct db *db = fresh();
	char value[16] = "";

	CHECK_INT(repo_setting_get(db, "k", value, sizeof(value), NULL), -ENOENT);
	CHECK_INT(repo_setting_set(db, "k", "1", NULL), 0);
	CHECK_INT(repo_setting_set(db, "k", "2", NULL), 0);
	CHECK_INT(repo_setting_get(db, "k", value, sizeof(value), NULL), 0);
	CHECK_STR(value, "2");
	db_close(db);
}
