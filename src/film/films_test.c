/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "film/films.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "film/making.h"
#include "film/worker.h"
#include "model/event.h"
#include "model/json.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALL_MS 1795257605000

/* The films' room on a real loop, with a shell script for a worker. */
struct bench {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	struct films *films;
	struct work_pool *pool;
	struct film made[SESSION_MAX_CAMERAS]; /* as answered last */
	int n_made;
	struct err err;
	bool is_answered;
	struct bus_listener listener;
	struct timer limit;
	struct session session;
	char *dir, *worker;
	struct film film; /* as heard last */
	enum film_state waits_for;
	unsigned n_heard, n_ready, n_verified, n_notices;
	bool is_freed, timed_out;
	char verified[4][ID_SIZE]; /* in their order */
};

static void heard(void *arg, const struct bus_event *e)
{
	struct bench *b = arg;

	b->n_notices += e->type == EVENT_NOTICE;
	if (e->type != EVENT_FILM)
		return;
	b->film = event_as_film(e)->film;
	b->n_heard++;
	b->n_ready += b->film.state == FILM_READY;
	if (b->film.state == FILM_VERIFIED && b->n_verified < ARRAY_LEN(b->verified))
		TEXT_SET(b->verified[b->n_verified], b->film.id);
	b->n_verified += b->film.state == FILM_VERIFIED;
	if (b->film.state == b->waits_for)
		loop_stop(b->loop);
}

static void on_limit(void *arg)
{
	struct bench *b = arg;

	b->timed_out = true;
	loop_stop(b->loop);
}

static void wait_for(struct bench *b, enum film_state state)
{
	b->waits_for = state;
	timer_start(&b->limit, 20000);
	loop_run(b->loop);
	timer_stop(&b->limit);
	if (b->timed_out)
		fail_msg("still %s: %s", film_state_name(b->film.state), b->film.text);
}

static void write_worker(struct bench *b, const char *body)
{
	char *text =
		mem_printf("#!/bin/sh\n"
	                   "verb=$1; shift; film=$1\n"
	                   "while [ $# -gt 0 ]; do case $1 in --out) film=$2;; esac; shift; done\n"
	                   "cd %s\n%s\n",
	                   b->dir, body);
	struct err err = { 0 };

	if (fs_write_atomic(b->worker, text, strlen(text), 0700, &err) < 0)
		fail_msg("%s", err.text);
	free(text);
}

/* A worker as it should be. */
#define SAY_DONE                                                                             \
	"  echo x > \"$film\"\n"                                                             \
	"  echo '{\"type\":\"done\",\"frames\":7,\"skipped\":1,\"width\":64,\"height\":48,'" \
	"'\"fps\":25.0,\"duration_s\":2.28,\"bytes\":2,\"is_off\":false}'\n"
#define ENCODE_WHEN_TOLD                                                \
	"if [ $verb = encode ]; then\n"                                 \
	"  while read word; do [ \"$word\" = finish ] && break; done\n" \
	"  [ \"$word\" = finish ] || { echo '{\"type\":\"stopped\",\"frames\":3}'; exit 0; }\n"
#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define VERIFY_WELL \
	"else echo '{\"type\":\"verified\",\"frames\":7,\"sha256\":\"" DIGEST "\"}'; fi\n"

static void make_films(struct bench *b)
{
	const struct films_env env = { .loop = b->loop,
		                       .bus = b->bus,
		                       .store = b->store,
		                       .pool = b->pool,
		                       .data_dir = b->dir,
		                       .worker_path = b->worker };

	b->is_freed = false;
	b->films = films_new(&env);
}

static void start(struct bench *b, const char *body)
{
	crypto_init();
	*b = (struct bench){ .loop = loop_new(), .dir = mem_str(test_tmp_dir()) };
	b->bus = bus_new(b->loop);
	b->pool = work_pool_new(b->loop, "pool", 1);
	b->worker = mem_printf("%s/worker", b->dir);
	write_worker(b, body);
	timer_init(&b->limit, b->loop, on_limit, b);
	bus_listen(b->bus, &b->listener, heard, b);
	id_new(b->session.id, WALL_MS);
	TEXT_SET(b->session.printer, "a1");
	TEXT_SET(b->session.job_name, "Benchy.gcode.3mf");
	b->session.started_wall_ms = WALL_MS;
	b->session.layers = 7;
	b->session.wants_film = true;
	b->session.n_cameras = 1;
	TEXT_SET(b->session.cameras[0], "cam");
	film_plan_init(&b->session.film);
	make_films(b);
}

static void freed(void *arg)
{
	struct bench *b = arg;

	b->is_freed = true;
	loop_stop(b->loop);
}

static void free_films(struct bench *b)
{
	films_free(b->films, freed, b);
	b->films = NULL;
	timer_start(&b->limit, 20000);
	loop_run(b->loop);
	timer_stop(&b->limit);
	CHECK(b->is_freed);
}

static void finish(struct bench *b)
{
	if (b->films)
		free_films(b);
	bus_unlisten(&b->listener);
	store_close(b->store);
	work_pool_free(b->pool);
	bus_free(b->bus);
	loop_free(b->loop);
	free(b->dir);
	free(b->worker);
}

static void say_session(struct bench *b, enum session_state state)
{
	struct event_session *e = event_new_session();

	b->session.state = state;
	e->session = b->session;
	bus_publish(b->bus, &e->head);
}

static void say_frame(struct bench *b, uint32_t number)
{
	struct event_frame *e = event_new_frame();

	TEXT_SET(e->session, b->session.id);
	TEXT_SET(e->camera, "cam");
	e->number = number;
	bus_publish(b->bus, &e->head);
}

TEST(films_name_says_when_and_what)
{
	char name[200];

	CHECK_INT(setenv("TZ", "UTC", 1), 0);
	films_name(name, sizeof(name), WALL_MS, "Benchy Boat.gcode.3mf", NULL);
	CHECK_STR(name, "films/2026-11-21_10-40-05_benchy-boat");
	films_name(name, sizeof(name), WALL_MS, "", "cam 2");
	CHECK_STR(name, "films/2026-11-21_10-40-05_unnamed_cam-2");
	films_name(name, sizeof(name), WALL_MS, "../../etc/passwd", NULL);
	CHECK(!strstr(name, ".."));
}

TEST(worker_parse_believes_only_what_fits)
{
	struct worker_said s;

	CHECK(worker_parse(&s, "{\"type\":\"progress\",\"frames\":3,\"percent\":null}"));
	CHECK_INT(s.n_frames, 3);
	CHECK_INT(s.percent, -1);
	CHECK(worker_parse(&s, "{\"type\":\"failed\",\"reason\":\"disk\",\"text\":\"a\\nb\"}"));
	CHECK(s.reason == WORKER_DISK);
	CHECK_STR(s.text, "a b");
	CHECK(worker_parse(&s, "{\"type\":\"failed\",\"reason\":\"rm -rf\"}"));
	CHECK(s.reason == WORKER_OTHER);
	CHECK(worker_parse(&s, "{\"type\":\"done\",\"frames\":-5,\"percent\":900,\"fps\":-1e300}"));
	CHECK_INT(s.n_frames, 0);
	CHECK_INT(s.percent, 100);
	CHECK(s.fps == 0);
	CHECK(worker_parse(&s, "{\"type\":\"verified\",\"sha256\":\"../../x\"}"));
	CHECK_STR(s.sha256, "");
	CHECK(!worker_parse(&s, ""));
	CHECK(!worker_parse(&s, "[1"));
	CHECK(!worker_parse(&s, "{\"type\":7}"));
	CHECK(!worker_parse(&s, "{\"type\":\"reboot\"}"));
}

TEST(films_grow_finish_and_are_verified)
{
	struct bench b;

	start(&b, ENCODE_WHEN_TOLD SAY_DONE VERIFY_WELL);
	say_session(&b, SESSION_RECORDING);
	say_frame(&b, 1);
	wait_for(&b, FILM_GROWING);
	CHECK(films_is_making(b.films, b.session.id));
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_READY);
	CHECK(!films_is_making(b.films, b.session.id));
	CHECK(text_ends(b.film.file, "_benchy.mp4"));
	CHECK_INT(b.film.n_frames, 7);
	CHECK_INT(b.film.n_skipped, 1);
	CHECK_INT(b.film.width, 64);
	CHECK_STR(b.film.text, "1 broken picture was left out.");
	CHECK_STR(b.film.sha256, "");
	CHECK(!film_is_finished(&b.film));
	wait_for(&b, FILM_VERIFIED);
	CHECK_STR(b.film.sha256, DIGEST);
	CHECK(film_is_finished(&b.film));
	CHECK_INT(b.n_ready, 1);
	finish(&b);
}

TEST(films_outlive_workers_that_die)
{
	struct bench b;

	start(&b,
	      "if [ $verb = encode ]; then\n"
	      "  echo x >> tries; [ $(wc -l < tries) -lt 3 ] && kill -9 $$\n"
	      "  while read word; do [ \"$word\" = finish ] && break; done\n" SAY_DONE VERIFY_WELL);
	say_session(&b, SESSION_RECORDING);
	say_frame(&b, 1);
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_VERIFIED);
	CHECK_INT(b.film.n_frames, 7);
	finish(&b);
}

TEST(films_of_nothing_fail_with_a_sentence)
{
	struct bench b;

	start(&b,
	      "echo '{\"type\":\"failed\",\"reason\":\"empty\",\"text\":\"No picture.\"}'; exit 1");
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_FAILED);
	CHECK_STR(b.film.text, "No picture.");
	CHECK(!films_is_making(b.films, b.session.id));
	finish(&b);
	CHECK_INT(b.n_notices, 1);
}

TEST(films_that_do_not_verify_are_made_again_once)
{
	struct bench b;

	start(&b, "if [ $verb = encode ]; then echo x >> made\n" SAY_DONE
	          "else echo '{\"type\":\"failed\",\"reason\":\"other\",\"text\":\"short\"}'; fi");
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_FAILED);
	CHECK(strstr(b.film.text, "damaged: short"));
	CHECK_INT(b.n_ready, 2);
	finish(&b);
}

TEST(films_found_made_already_are_looked_at)
{
	struct bench b;

	start(&b,
	      "case $verb in\n"
	      "encode) echo '{\"type\":\"failed\",\"reason\":\"exists\",\"text\":\"there\"}';;\n"
	      "probe) echo '{\"type\":\"film\",\"frames\":7,\"width\":64,\"height\":48}';;\n"
	      "verify) echo '{\"type\":\"verified\",\"frames\":7}';; esac");
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_VERIFIED);
	CHECK_INT(b.film.n_frames, 7);
	finish(&b);
}

TEST(films_whose_name_is_taken_meanwhile_get_another)
{
	struct bench b;
	size_t n;

	start(&b, "case $verb in\n"
	          "encode) case $film in *-2.mp4) " SAY_DONE ";;\n"
	          "*) echo mine > $film; echo "
	          "'{\"type\":\"failed\",\"reason\":\"taken\",\"text\":\"there\"}';; esac;;\n"
	          "verify) echo '{\"type\":\"verified\",\"frames\":7}';; esac");
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_VERIFIED);
	n = strlen(b.film.file);
	CHECK_STR(b.film.file + n - 6, "-2.mp4");
	CHECK(strstr(b.film.poster, "-2.jpg"));
	finish(&b);
}

TEST(films_with_a_wrong_guess_are_made_again_while_the_first_plays)
{
	struct bench b;

	start(&b, "if [ $verb = encode ]; then echo x >> made\n"
	          "  off=true; [ $(wc -l < made) -gt 1 ] && off=false\n"
	          "  echo x > \"$film\"\n"
	          "  echo '{\"type\":\"done\",\"frames\":7,\"is_off\":'$off'}'\n" VERIFY_WELL);
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_READY);
	CHECK(!films_is_making(b.films, b.session.id));
	wait_for(&b, FILM_VERIFIED);
	CHECK_INT(b.n_ready, 2);
	finish(&b);
}

TEST(films_found_made_with_a_wrong_guess_are_made_again_too)
{
	struct bench b;

	start(&b,
	      "case $verb in\n"
	      "encode) if [ -e seen ]; then echo '{\"type\":\"done\",\"frames\":7}'\n"
	      "  else echo '{\"type\":\"failed\",\"reason\":\"exists\",\"text\":\"there\"}'; fi;;\n"
	      "probe) touch seen; echo '{\"type\":\"film\",\"frames\":3,\"is_off\":true}';;\n"
	      "verify) echo '{\"type\":\"verified\",\"frames\":7}';; esac");
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_VERIFIED);
	CHECK_INT(b.film.n_frames, 7);
	CHECK_INT(b.n_ready, 2);
	finish(&b);
}

TEST(films_tell_their_workers_how_many_frames_to_expect)
{
	struct bench b;

	start(&b, "if [ $verb = encode ]; then\n"
	          "  while read word; do echo $word >> words; [ \"$word\" = finish ] && break; "
	          "done\n" SAY_DONE VERIFY_WELL);
	b.session.film.duration_s = 10;
	b.session.n_expected = 3000;
	say_session(&b, SESSION_RECORDING);
	say_frame(&b, 1);
	wait_for(&b, FILM_GROWING);
	say_session(&b, SESSION_RECORDING); /* the same: not told again */
	b.session.n_expected = 1502;
	say_session(&b, SESSION_RECORDING);
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_VERIFIED);

	char *path = mem_printf("%s/words", b.dir);
	struct buf words;

	CHECK_INT(fs_read(path, 1 << 16, &words, NULL), 0);
	CHECK(strstr(buf_peek(&words), "expect 1502\n"));
	CHECK(!strstr(buf_peek(&words), "expect 3000"));
	buf_fini(&words);
	free(path);
	finish(&b);
}

static int save_session(struct db *db, void *arg, struct err *err)
{
	return repo_session_save(db, arg, err);
}

TEST(films_of_a_session_that_ended_meanwhile_are_finished)
{
	struct bench b;
	struct err err = { 0 };

	start(&b, ENCODE_WHEN_TOLD SAY_DONE VERIFY_WELL);
	free_films(&b);
	CHECK_INT(store_open(b.loop, b.dir, &b.store, &err), 0);
	b.session.state = SESSION_RECORDING;
	CHECK_INT(store_call(b.store, save_session, &b.session, &err), 0);
	make_films(&b);
	say_session(&b, SESSION_RECORDING);
	say_frame(&b, 1);
	wait_for(&b, FILM_GROWING);

	char id[ID_SIZE];

	TEXT_SET(id, b.film.id);
	free_films(&b);
	b.session.state = SESSION_FINALISING;
	CHECK_INT(store_call(b.store, save_session, &b.session, &err), 0);
	make_films(&b);
	wait_for(&b, FILM_VERIFIED);
	CHECK_STR(b.film.id, id);
	finish(&b);
}

TEST(films_of_a_session_discarded_just_before_the_end_are_not_made_at_the_next_start)
{
	struct bench b;
	struct err err = { 0 };

	start(&b, ENCODE_WHEN_TOLD SAY_DONE VERIFY_WELL);
	free_films(&b);
	CHECK_INT(store_open(b.loop, b.dir, &b.store, &err), 0);
	b.session.state = SESSION_RECORDING;
	CHECK_INT(store_call(b.store, save_session, &b.session, &err), 0);
	make_films(&b);
	say_session(&b, SESSION_RECORDING);
	say_frame(&b, 1);
	wait_for(&b, FILM_GROWING);
	free_films(&b);
	b.session.state = SESSION_DONE;
	b.session.wants_film = false;
	CHECK_INT(store_call(b.store, save_session, &b.session, &err), 0);
	make_films(&b);
	wait_for(&b, FILM_FAILED);
	CHECK(strstr(b.film.text, "No film was made"));
	finish(&b);
}

static void write_session(struct bench *b)
{
	char path[1024];
	struct err err = { 0 };

	(void)snprintf(path, sizeof(path), "%s/sessions/%s", b->dir, b->session.id);
	CHECK_INT(fs_make_dirs(path, &err), 0);
	(void)snprintf(path, sizeof(path), "%s/sessions/%s/session.json", b->dir, b->session.id);

	json_t *o = json_session(&b->session);
	char *text = json_dumps(o, 0);

	CHECK_INT(fs_write_atomic(path, text, strlen(text), 0600, &err), 0);
	free(text);
	json_decref(o);
}

static void answered(void *arg, const struct film *films, int n, const struct err *err)
{
	struct bench *b = arg;

	b->is_answered = true;
	b->n_made = n;
	b->err = err ? *err : (struct err){ 0 };
	for (int i = 0; i < n; i++)
		b->made[i] = films[i];
	loop_stop(b->loop);
}

static int render(struct bench *b, const char *session, const char *camera)
{
	b->is_answered = false;
	films_render(b->films, session, camera, &b->session.film,
	             (struct films_asker){ answered, b });
	timer_start(&b->limit, 20000);
	while (!b->is_answered && !b->timed_out)
		loop_run(b->loop);
	timer_stop(&b->limit);
	CHECK(b->is_answered);
	return b->n_made;
}

TEST(films_render_another_and_cancel_it)
{
	struct bench b;
	struct err err = { 0 };
	char id[ID_SIZE], other[ID_SIZE];

	start(&b, "if [ $verb = encode ]; then [ -e slow ] && sleep 100\n" SAY_DONE VERIFY_WELL);
	CHECK_INT(render(&b, "../..", NULL), -ENOENT);
	CHECK_INT(render(&b, b.session.id, ""), -ENOENT);
	CHECK(strstr(b.err.text, "no session"));
	b.session.state = SESSION_DONE;
	write_session(&b);
	b.session.film.crf = 99;
	CHECK_INT(render(&b, b.session.id, ""), -EINVAL);
	b.session.film.crf = 30;
	CHECK_INT(render(&b, b.session.id, NULL), 1);
	TEXT_SET(id, b.made[0].id);
	CHECK_INT(render(&b, b.session.id, "cam"), 1);
	TEXT_SET(other, b.made[0].id);
	while (b.n_verified < 2)
		wait_for(&b, FILM_VERIFIED);
	CHECK_STR(b.verified[0], id);
	CHECK_STR(b.verified[1], other);

	char *slow = mem_printf("%s/slow", b.dir);

	CHECK_INT(fs_write_atomic(slow, "", 0, 0600, &err), 0);
	free(slow);
	CHECK_INT(render(&b, b.session.id, NULL), 1);
	TEXT_SET(id, b.made[0].id);
	wait_for(&b, FILM_GROWING);
	CHECK_INT(films_cancel(b.films, "nobody", &err), -ENOENT);
	CHECK_INT(films_cancel(b.films, id, &err), 0);
	wait_for(&b, FILM_FAILED);
	CHECK_STR(b.film.text, "Cancelled.");
	finish(&b);
}

TEST(films_render_one_of_each_camera_or_of_the_one_that_is_named)
{
	struct bench b;

	start(&b, "if [ $verb = encode ]; then\n" SAY_DONE VERIFY_WELL);
	b.session.n_cameras = 2;
	TEXT_SET(b.session.cameras[1], "top");
	b.session.state = SESSION_DONE;
	write_session(&b);
	CHECK_INT(render(&b, b.session.id, "side"), -ENOENT);
	CHECK(strstr(b.err.text, "'side'"));
	CHECK_INT(render(&b, b.session.id, "top"), 1);
	CHECK_STR(b.made[0].camera, "top");
	CHECK(text_ends(b.made[0].file, "_top.mp4"));
	CHECK_INT(render(&b, b.session.id, NULL), 2);
	CHECK_STR(b.made[0].camera, "cam");
	CHECK_STR(b.made[1].camera, "top");
	CHECK(strcmp(b.made[0].file, b.made[1].file) != 0);
	while (b.n_verified < 3)
		wait_for(&b, FILM_VERIFIED);
	CHECK_STR(b.film.id, b.made[1].id);
	finish(&b);
}

static void wait_at_gate(void *arg)
{
	while (sem_wait(arg) < 0) {
	}
}

TEST(films_asked_for_when_the_program_ends_are_refused)
{
	struct bench b;
	sem_t gate;

	CHECK_INT(sem_init(&gate, 0, 0), 0);
	start(&b, "if [ $verb = encode ]; then\n" SAY_DONE VERIFY_WELL);
	b.session.state = SESSION_DONE;
	write_session(&b);
	work_submit(b.pool, wait_at_gate, NULL, &gate);
	films_render(b.films, b.session.id, NULL, &b.session.film,
	             (struct films_asker){ answered, &b });
	CHECK(!b.is_answered);
	free_films(&b);
	CHECK(b.is_answered);
	CHECK_INT(b.n_made, -ESHUTDOWN);
	CHECK(strstr(b.err.text, "ending"));
	(void)sem_post(&gate);
	finish(&b);
	CHECK_INT(b.n_heard, 0);
	(void)sem_destroy(&gate);
}

TEST(films_of_a_session_that_the_disk_does_not_give_are_refused)
{
	struct bench b;

	start(&b, "if [ $verb = encode ]; then\n" SAY_DONE VERIFY_WELL);
	write_session(&b);

	char *path = mem_printf("%s/sessions/%s/session.json", b.dir, b.session.id);

	CHECK_INT(fs_write_atomic(path, "{", 1, 0600, NULL), 0);
	CHECK_INT(render(&b, b.session.id, NULL), -EBADMSG);
	CHECK(strstr(b.err.text, "session.json is damaged"));
	CHECK_INT(fs_remove(path, NULL), 0);
	CHECK_INT(fs_make_dirs(path, NULL), 0);
	CHECK(render(&b, b.session.id, NULL) < 0);
	CHECK(strstr(b.err.text, "session.json"));
	free(path);
	finish(&b);
}

TEST(films_that_are_to_be_deleted_are_left_alone)
{
	struct bench b;
	struct err err = { 0 };

	start(&b, ENCODE_WHEN_TOLD SAY_DONE "else sleep 100; fi\n");
	say_session(&b, SESSION_RECORDING);
	say_frame(&b, 1);
	wait_for(&b, FILM_GROWING);
	CHECK_INT(films_forget(b.films, b.film.id, &err), -EBUSY);
	say_session(&b, SESSION_FINALISING);
	wait_for(&b, FILM_READY);
	CHECK_INT(films_forget(b.films, b.film.id, &err), 0);
	CHECK_INT(films_forget(b.films, b.film.id, &err), 0);
	CHECK_INT(films_forget(b.films, "nobody", &err), 0);
	wait_for(&b, FILM_FAILED);
	CHECK_INT(b.n_notices, 0);
	finish(&b);
}

static int save_film(struct db *db, void *arg, struct err *err)
{
	return repo_film_save(db, arg, err);
}

TEST(films_asked_for_of_a_discarded_session_are_made_after_a_restart_too)
{
	struct bench b;
	struct err err = { 0 };
	struct film f = { .state = FILM_GROWING, .file = "films/2027-01-01_00-00-00_later.mp4" };

	start(&b, "if [ $verb = encode ]; then\n" SAY_DONE VERIFY_WELL);
	free_films(&b);
	CHECK_INT(store_open(b.loop, b.dir, &b.store, &err), 0);
	b.session.state = SESSION_DONE;
	b.session.wants_film = false;
	CHECK_INT(store_call(b.store, save_session, &b.session, &err), 0);
	id_new(f.id, WALL_MS + 100000);
	TEXT_SET(f.session, b.session.id);
	TEXT_SET(f.camera, "cam");
	film_plan_init(&f.plan);
	CHECK_INT(store_call(b.store, save_film, &f, &err), 0);
	make_films(&b);
	wait_for(&b, FILM_VERIFIED);
	CHECK_STR(b.film.id, f.id);
	finish(&b);
}

TEST(films_found_unchecked_are_checked_two_at_a_time)
{
	struct bench b;
	struct err err = { 0 };
	char *path;
	struct buf counts;

	start(&b, "[ $verb = verify ] || exit 1\n"
	          "mkdir run.$$; ls -d run.* | wc -l >> counts; sleep 0.3; rmdir run.$$\n"
	          "echo '{\"type\":\"verified\",\"frames\":7}'");
	free_films(&b);
	CHECK_INT(store_open(b.loop, b.dir, &b.store, &err), 0);
	b.session.state = SESSION_DONE;
	CHECK_INT(store_call(b.store, save_session, &b.session, &err), 0);
	for (int i = 0; i < 5; i++) {
		struct film f = { .state = FILM_READY, .n_frames = 7 };

		id_new(f.id, WALL_MS + i);
		TEXT_SET(f.session, b.session.id);
		TEXT_SET(f.camera, "cam");
		(void)snprintf(f.file, sizeof(f.file), "films/%d.mp4", i);
		film_plan_init(&f.plan);
		CHECK_INT(store_call(b.store, save_film, &f, &err), 0);
	}
	make_films(&b);
	/* Two may be told of in one turn of the loop. */
	while (b.n_verified < 5)
		wait_for(&b, FILM_VERIFIED);
	path = mem_printf("%s/counts", b.dir);
	CHECK_INT(fs_read(path, 1 << 16, &counts, NULL), 0);
	CHECK(!strpbrk(buf_peek(&counts), "345"));
	buf_fini(&counts);
	free(path);
	finish(&b);
}

static void ignore_change(void *arg, struct making *m, bool is_milestone)
{
	(void)arg;
	(void)m;
	(void)is_milestone;
}

static void ignore_idle(void *arg, struct making *m)
{
	(void)arg;
	(void)m;
}

/* A worker that ends again and again; its successors wait for a time that never comes. */
static struct film end_workers(enum making_phase phase, enum film_state state,
                               const struct worker_said *said)
{
	const struct making_hooks hooks = { ignore_change, ignore_idle, NULL, NULL, NULL };
	struct films_env env = { .loop = loop_new_simulated(WALL_MS), .data_dir = "/nowhere" };
	struct film f = { .state = state };
	struct making *m = making_new(&env, &hooks, &f);

	m->phase = phase;
	m->follows = m->wants_finish = true;
	for (int i = 0; i < 20 && m->phase != MAKING_OVER; i++) {
		m->has_last = false;
		if (said)
			m->ears.said(m, said);
		m->ears.ended(m, said ? 1 : 0, said ? 0 : 9);
	}
	f = m->film;
	making_free(m);
	loop_free(env.loop);
	return f;
}

TEST(films_wait_for_a_full_disk_however_long_it_takes)
{
	const struct worker_said full = { .word = WORKER_FAILED,
		                          .reason = WORKER_DISK,
		                          .text = "writing the film: no space" };
	struct film f = end_workers(MAKING_ENCODING, FILM_FINISHING, &full);

	CHECK_INT(f.state, FILM_FINISHING);
	CHECK(strstr(f.text, "waits for the disk"));
	f = end_workers(MAKING_ENCODING, FILM_FINISHING, NULL);
	CHECK_INT(f.state, FILM_FAILED);
}

TEST(films_that_play_stay_ready_when_nobody_can_check_them)
{
	struct film f = end_workers(MAKING_VERIFYING, FILM_READY, NULL);

	CHECK_INT(f.state, FILM_READY);
	CHECK(strstr(f.text, "could not be checked"));
	f = end_workers(MAKING_REMAKING, FILM_READY, NULL);
	CHECK_INT(f.state, FILM_READY);
}

static void count_milestones(void *arg, struct making *m, bool is_milestone)
{
	unsigned *n = arg;

	(void)m;
	*n += is_milestone;
}

/* Each attempt fails at its start: there is no such program. */
TEST(films_that_could_not_be_checked_are_checked_again_later_and_later)
{
	unsigned n_milestones = 0;
	const struct making_hooks hooks = { count_milestones, ignore_idle, &n_milestones, NULL,
		                            NULL };
	struct films_env env = { .loop = loop_new_simulated(WALL_MS),
		                 .data_dir = "/nowhere",
		                 .worker_path = "/nowhere/bedside-av" };
	struct film f = { .state = FILM_READY, .n_skipped = 2 };
	struct making *m = making_new(&env, &hooks, &f);
	const struct worker_said well = { .word = WORKER_VERIFIED };
	int64_t pause_ms = 0;

	m->phase = MAKING_VERIFYING;
	m->follows = m->wants_finish = true;
	for (int i = 0; i < 30; i++) {
		m->has_last = false;
		m->ears.ended(m, 0, 9);
		CHECK_INT(m->phase, MAKING_VERIFYING);
		CHECK(timer_is_running(&m->retry));
		int64_t now_ms = (m->retry.due_us - loop_now_us(env.loop)) / 1000;

		CHECK(now_ms >= pause_ms && now_ms <= 3600000);
		pause_ms = now_ms;
	}
	CHECK_INT(pause_ms, 3600000);
	CHECK_INT(n_milestones, 1); /* said once */
	m->ears.said(m, &well);
	m->ears.ended(m, 0, 0);
	CHECK_INT(m->film.state, FILM_VERIFIED);
	CHECK_STR(m->film.text, "2 broken pictures were left out.");
	making_free(m);
	loop_free(env.loop);
}

TEST(films_of_a_discarded_session_are_given_up)
{
	struct bench b;

	start(&b, ENCODE_WHEN_TOLD SAY_DONE VERIFY_WELL);
	say_session(&b, SESSION_RECORDING);
	say_frame(&b, 1);
	wait_for(&b, FILM_GROWING);
	b.session.wants_film = false;
	say_session(&b, SESSION_DONE);
	wait_for(&b, FILM_FAILED);
	CHECK(strstr(b.film.text, "No film was made"));
	finish(&b);
	CHECK_INT(b.n_notices, 0);
}
