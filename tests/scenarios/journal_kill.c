/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_kill: a writer that is killed at random moments, again and again.
 *
 *	journal_kill [ROUNDS] [DIR]
 *
 * Each round a child opens the journal of the round before (or a new one), adds pictures of two
 * cameras as fast as they can be written and says in shared memory which number it was told to be
 * on disk. It dies by SIGKILL after 0 to 250 ms. Then every picture that was said to be on disk must
 * be there and whole, and nothing may be there that is not what its line says.
 */

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "store/journal.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_PER_SESSION 8
#define IN_FLIGHT 12
#define FLUSH_MS 3

struct shared {
	atomic_uint flushed; /* highest number that `stored` told */
	atomic_uint refused;
};

struct writer {
	struct loop *loop;
	struct journal *journal;
	struct shared *shared;
	unsigned n_in_flight, n_added;
	struct timer again;
};

static void fill(struct writer *w);

static void stored(void *arg, const struct journal_entry *e, const struct err *err)
{
	struct writer *w = arg;

	w->n_in_flight--;
	if (err)
		atomic_fetch_add(&w->shared->refused, 1);
	else
		atomic_store(&w->shared->flushed, e->number);
	fill(w);
}

static void add_one(struct writer *w)
{
	struct journal_entry e = { .layer = (int)w->n_added, .trigger = TRIGGER_LAYER };
	uint32_t size, seed;
	uint8_t *bytes;
	struct frame *f;

	crypto_random(&size, sizeof(size));
	crypto_random(&seed, sizeof(seed));
	/* Mostly small, some as large as a picture of 1080p. */
	f = frame_new(FRAME_JPEG, 1 + size % (size % 7 ? 3000 : 200000), &bytes);
	memset(bytes, (int)(seed & 0xff), f->size);
	TEXT_SET(e.camera, w->n_added % 2 ? "one" : "two");
	w->n_added++;
	w->n_in_flight++;
	journal_add(w->journal, f, &e, stored, w);
	frame_unref(f);
	if (w->n_added % 17 == 0)
		journal_note(w->journal, "gap", "for the sake of lines without pictures", 0);
}

static void fill(struct writer *w)
{
	while (w->n_in_flight < IN_FLIGHT)
		add_one(w);
}

static void go(void *arg)
{
	fill(arg);
}

static _Noreturn void write_until_killed(const char *dir, const struct session *s,
                                         struct shared *shared)
{
	struct writer w = { .loop = loop_new(), .shared = shared };
	struct journal_env env = { w.loop, work_pool_new(w.loop, "journal", 1), FLUSH_MS };
	struct err err;

	if (journal_open(&env, dir, s, &w.journal, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(3);
	}
	timer_init(&w.again, w.loop, go, &w);
	timer_start(&w.again, 0);
	loop_run(w.loop);
	_exit(4);
}

/* Numbers without gaps, and at least as many as were said to be on disk. */
static bool is_sound(const char *session_dir, uint32_t flushed, bool is_final)
{
	struct journal_check c;
	struct journal_reader *r;
	struct journal_entry e;
	uint32_t last = 0;
	struct err err;
	int kind;

	if (journal_check(session_dir, &c, &err) < 0 ||
	    journal_reader_open(session_dir, &r, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return false;
	}
	while ((kind = journal_reader_next(r, &e, NULL)) > 0)
		if (kind == 1 && e.number != ++last)
			fprintf(stderr, "number %u where %u was due\n", e.number, last);
	journal_reader_close(r);
	if (kind < 0 || c.n_missing || c.n_wrong || c.n_whole != last || last < flushed ||
	    (is_final && (c.n_strangers || c.has_torn_tail))) {
		fprintf(stderr,
		        "%s: %u said to be on disk; %u whole, %u missing, %u wrong, %u strangers\n",
		        session_dir, flushed, c.n_whole, c.n_missing, c.n_wrong, c.n_strangers);
		return false;
	}
	return true;
}

static bool run_round(const char *dir, const struct session *s, struct shared *shared)
{
	auto_free char *session_dir = mem_printf("%s/%s", dir, s->id);
	uint32_t chance;
	struct timespec wait;
	int status;
	pid_t child = fork();

	if (child < 0)
		return false;
	if (child == 0)
		write_until_killed(dir, s, shared);
	crypto_random(&chance, sizeof(chance));
	wait = (struct timespec){ .tv_nsec = chance % 250000000 };
	nanosleep(&wait, NULL);
	kill(child, SIGKILL);
	if (waitpid(child, &status, 0) < 0 || !WIFSIGNALED(status)) {
		fprintf(stderr, "the writer ended by itself\n");
		return false;
	}
	/* It may not even have made the folder. */
	if (access(session_dir, F_OK) < 0 || atomic_load(&shared->flushed) == 0)
		return true;
	return is_sound(session_dir, atomic_load(&shared->flushed), false);
}

/* Opens what the last kill left, closes it, and looks once more. */
static bool run_final(const char *dir, const struct session *s, uint32_t flushed)
{
	auto_free char *session_dir = mem_printf("%s/%s", dir, s->id);
	struct loop *l = loop_new_simulated(0);
	struct journal_env env = { l, work_pool_new(l, "journal", 1), FLUSH_MS };
	struct journal *j;
	bool is_good = journal_open(&env, dir, s, &j, NULL) == 0;

	if (is_good)
		journal_close(j, NULL, NULL);
	loop_advance(l, 0);
	work_pool_free(env.queue);
	loop_free(l);
	return is_good && is_sound(session_dir, flushed, true);
}

static bool run(uint64_t n_rounds, const char *dir, struct shared *shared)
{
	uint64_t n_pictures = 0;

	for (uint64_t i = 0; i < n_rounds;) {
		struct session s = { .keep_one_in = 1 };

		id_new(s.id, (int64_t)time(NULL) * 1000);
		atomic_store(&shared->flushed, 0);
		for (int k = 0; k < ROUNDS_PER_SESSION && i < n_rounds; k++, i++)
			if (!run_round(dir, &s, shared))
				return false;
		if (!run_final(dir, &s, atomic_load(&shared->flushed)))
			return false;
		n_pictures += atomic_load(&shared->flushed);

		auto_free char *session_dir = mem_printf("%s/%s", dir, s.id);

		if (fs_remove(session_dir, NULL) < 0)
			return false;
	}
	printf("killed %llu times: %llu pictures said to be on disk, 0 lost, 0 wrong\n",
	       (unsigned long long)n_rounds, (unsigned long long)n_pictures);
	return n_pictures > 0;
}

int main(int argc, char **argv)
{
	uint64_t n_rounds = 50;
	char dir[] = "/tmp/bedside-kill-XXXXXX";
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *where = argc > 2 ? argv[2] : mkdtemp(dir);
	bool is_good;

	crypto_init();
	if (shared == MAP_FAILED || !where || (argc > 1 && !text_to_u64(argv[1], 10, &n_rounds)))
		return 2;
	is_good = run(n_rounds, where, shared);
	if (argc <= 2 && is_good && fs_remove(where, NULL) < 0)
		return 1;
	return is_good ? 0 : 1;
}
