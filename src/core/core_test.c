/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct note {
	struct loop *loop;
	struct timer timer;
	int n;
	int64_t at_us;
};

static void count(void *arg)
{
	struct note *note = arg;

	note->n++;
	note->at_us = loop_now_us(note->loop);
}

TEST(simulated_loop_runs_hours_in_order)
{
	struct loop *l = loop_new_simulated(1795257605000);
	struct note a = { .loop = l }, b = { .loop = l };
	int64_t start_us = loop_now_us(l);

	timer_init(&a.timer, l, count, &a);
	timer_init(&b.timer, l, count, &b);
	timer_start_every(&a.timer, 1000);
	timer_start(&b.timer, 6 * 3600 * 1000);
	loop_advance(l, 6 * 3600 * 1000 - 1);
	CHECK_INT(b.n, 0);
	loop_advance(l, 1);
	CHECK_INT(a.n, 6 * 3600);
	CHECK_INT(b.n, 1);
	CHECK_INT(b.at_us - start_us, 6LL * 3600 * 1000000);
	CHECK_INT(loop_wall_ms(l), 1795257605000 + 6LL * 3600 * 1000);
	timer_stop(&a.timer);
	loop_free(l);
}

static void stop(void *arg)
{
	loop_stop(arg);
}

TEST(real_loop_runs_timers_and_posts)
{
	struct loop *l = loop_new();
	struct note a = { .loop = l }, b = { .loop = l };
	struct timer end;

	timer_init(&a.timer, l, count, &a);
	timer_init(&end, l, stop, l);
	timer_start_every(&a.timer, 1);
	timer_start(&end, 30);
	loop_post(l, count, &b);
	loop_run(l);
	CHECK(a.n >= 2);
	CHECK_INT(b.n, 1);
	timer_stop(&a.timer);
	loop_free(l);
}

struct sum {
	struct loop *loop;
	int to, total;
	int *n_done;
};

static void add_up(void *arg)
{
	struct sum *s = arg;

	for (int i = 1; i <= s->to; i++)
		s->total += i;
}

static void sum_done(void *arg)
{
	struct sum *s = arg;

	CHECK_INT(s->total, s->to * (s->to + 1) / 2);
	if (++*s->n_done == 100)
		loop_stop(s->loop);
	free(s);
}

TEST(work_comes_back_to_the_loop)
{
	struct loop *l = loop_new();
	struct work_pool *pool = work_pool_new(l, "test", 3);
	int n_done = 0;

	for (int i = 0; i < 100; i++) {
		struct sum *s = MEM_NEW(struct sum);

		*s = (struct sum){ .loop = l, .to = i, .n_done = &n_done };
		work_submit(pool, add_up, sum_done, s);
	}
	loop_run(l);
	CHECK_INT(n_done, 100);
	for (int i = 0; i < 50; i++) {
		struct sum *s = MEM_NEW(struct sum);

		*s = (struct sum){ .loop = l, .to = i, .n_done = &n_done };
		work_submit(pool, add_up, sum_done, s);
	}
	work_pool_free(pool);
	CHECK_INT(n_done, 150);
	loop_free(l);
}

struct heard {
	struct bus *bus;
	struct bus_listener listener;
	struct bus_listener *other;
	int n;
	uint32_t last;
};

static void free_event(struct bus_event *e)
{
	free(e);
}

static void publish(struct bus *b, uint32_t type)
{
	struct bus_event *e = MEM_NEW(struct bus_event);

	*e = (struct bus_event){ .type = type, .refs = 1, .free = free_event };
	bus_publish(b, e);
}

static void hear(void *arg, const struct bus_event *e)
{
	struct heard *h = arg;

	h->n++;
	h->last = e->type;
	if (e->type == 1)
		publish(h->bus, 2);
	if (h->other)
		bus_unlisten(h->other);
}

TEST(bus_delivers_later_and_lets_listeners_leave)
{
	struct loop *l = loop_new_simulated(0);
	struct bus *b = bus_new(l);
	struct heard first = { .bus = b }, second = { .bus = b };

	first.other = &second.listener;
	bus_listen(b, &first.listener, hear, &first);
	bus_listen(b, &second.listener, hear, &second);
	publish(b, 1);
	CHECK_INT(first.n, 0);
	loop_advance(l, 0);
	CHECK_INT(first.n, 2);
	CHECK_INT(first.last, 2);
	CHECK_INT(second.n, 0);
	bus_free(b);
	loop_free(l);
}

TEST(secrets_do_not_reach_a_line_whole_or_in_part)
{
	char line[200] = "the codes 1234 and 12345678 and 123456789";

	log_hide("1234");
	log_hide("12345678");
	log_hide("abc"); /* too short to hide anything by it */
	log_redact(line, sizeof(line));
	CHECK_STR(line, "the codes (hidden) and (hidden) and (hidden)9");
}

TEST(crc32c_has_the_published_check_value)
{
	/* RFC 3720 B.4: 32 bytes of zeros, and the usual "123456789". */
	static const uint8_t zeros[32];

	CHECK_INT(crypto_crc32c(0, "123456789", 9), 0xe3069283);
	CHECK_INT(crypto_crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	CHECK_INT(crypto_crc32c(crypto_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

TEST(ids_sort_by_time_and_are_checked)
{
	char a[ID_SIZE], b[ID_SIZE];

	crypto_init();
	CHECK(strcmp(id_new(a, 1000), id_new(b, 1001)) < 0);
	CHECK(id_is_valid(a) && !id_is_valid("../../etc/passwd") && !id_is_valid(""));
}

TEST(passwords_verify)
{
	char hash[CRYPTO_PASSWORD_SIZE];

	crypto_init();
	crypto_password_hash(hash, "correct horse");
	CHECK(crypto_password_verify(hash, "correct horse"));
	CHECK(!crypto_password_verify(hash, "correct horsf"));
}

TEST(fs_confines_names)
{
	char path[64];

	CHECK(fs_join_confined(path, sizeof(path), "/data", "a/b.mp4"));
	CHECK_STR(path, "/data/a/b.mp4");
	CHECK(!fs_join_confined(path, sizeof(path), "/data", "../x"));
	CHECK(!fs_join_confined(path, sizeof(path), "/data", "a/.."));
	CHECK(!fs_join_confined(path, sizeof(path), "/data", "/etc/passwd"));
	CHECK(fs_join_confined(path, sizeof(path), "/data", "a..b"));
}

TEST(fs_writes_whole_files_and_reads_with_a_limit)
{
	char dir[128], path[160];
	struct buf b;
	struct err err = { 0 };

	snprintf(dir, sizeof(dir), "%s/x/y", test_tmp_dir());
	snprintf(path, sizeof(path), "%s/file", dir);
	CHECK_INT(fs_make_dirs(dir, &err), 0);
	CHECK_INT(fs_write_atomic(path, "hello", 5, 0600, &err), 0);
	CHECK_INT(fs_read(path, 5, &b, &err), 0);
	CHECK_STR(buf_peek(&b), "hello");
	buf_fini(&b);
	CHECK_INT(fs_read(path, 4, &b, &err), -EFBIG);

	/* What a crash left open to all does not stay so. */
	struct stat st;
	char left[170];

	snprintf(left, sizeof(left), "%s.new", path);

	int fd = open(left, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

	CHECK(fd >= 0);
	CHECK_INT(fchmod(fd, 0666), 0);
	(void)close(fd);
	CHECK_INT(fs_write_atomic(path, "again", 5, 0600, &err), 0);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(fs_remove(dir, &err), 0);
	CHECK_INT(fs_read(path, 5, &b, &err), -ENOENT);
}

/* Killed between fork and exec: its child has the descriptor for a moment longer. */
TEST(fs_lock_waits_for_the_heir_of_a_dead_holder)
{
	char path[128], byte;
	int fd = -1, ends[2];
	struct err err = { 0 };
	pid_t holder;

	snprintf(path, sizeof(path), "%s/lock", test_tmp_dir());
	CHECK_INT(pipe(ends), 0);
	holder = fork();
	if (holder == 0) {
		if (fs_lock(path, &fd, NULL) < 0)
			_exit(1);
		if (fork() == 0) {
			const struct timespec a_moment = { .tv_nsec = 200000000 };

			(void)!write(ends[1], "!", 1);
			(void)nanosleep(&a_moment, NULL);
		}
		_exit(0);
	}
	CHECK_INT(read(ends[0], &byte, 1), 1);
	CHECK_INT(waitpid(holder, NULL, 0), holder);
	CHECK_INT(fs_lock(path, &fd, &err), 0);
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

TEST(fs_lock_names_the_holder)
{
	char path[128];
	int fd = -1, other = -1;
	struct err err = { 0 };

	snprintf(path, sizeof(path), "%s/lock", test_tmp_dir());
	CHECK_INT(fs_lock(path, &fd, &err), 0);
	CHECK_INT(fs_lock(path, &other, &err), -EBUSY);
	CHECK(strstr(err.text, "holds"));
	close(fd);
}

TEST(crypto_digests_in_pieces_and_files)
{
	struct crypto_digest *d = crypto_digest_new();
	char hex[CRYPTO_HEX_SIZE], path[300];
	struct err err = { 0 };
	uint64_t size = 0;

	crypto_digest_hex(d, hex);
	CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	crypto_digest_add(d, "a", 1);
	crypto_digest_add(d, "bc", 2);
	crypto_digest_hex(d, hex);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	crypto_digest_free(d);
	snprintf(path, sizeof(path), "%s/abc", test_tmp_dir());
	CHECK(crypto_sha256_file(path, hex, NULL, &err) == -ENOENT);
	CHECK_INT(fs_write_atomic(path, "abc", 3, 0600, NULL), 0);
	hex[0] = 0;
	CHECK_INT(crypto_sha256_file(path, hex, &size, &err), 0);
	CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	CHECK_INT(size, 3);
}
