/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_journal DIR: what it costs to keep pictures of 100 kB so that a power cut loses none, one
 * or sixteen to a flush; beside it bare files without any promise, and files with one syncfs().
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

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PICTURE_SIZE 100000
#define N_PICTURES 192

static double now_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void print_row(const char *what, unsigned n_flushes, double wall_ms, double cpu_ms)
{
	printf("| %s | %.2f | %.2f |\n", what, wall_ms / n_flushes, cpu_ms / N_PICTURES);
}

static void fill(uint8_t *bytes)
{
	crypto_random(bytes, PICTURE_SIZE);
}

static int run_journal(const char *dir, unsigned per_flush)
{
	struct loop *l = loop_new_simulated(0);
	struct journal_env env = { l, work_pool_new(l, "journal", 1), 1000 };
	struct session s = { .keep_one_in = 1 };
	struct journal *j;
	struct err err;
	char what[64];
	double wall_ms, cpu_ms;

	id_new(s.id, (int64_t)time(NULL) * 1000);
	if (journal_open(&env, dir, &s, &j, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	wall_ms = now_ms(CLOCK_MONOTONIC);
	cpu_ms = now_ms(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < N_PICTURES; i += per_flush) {
		for (unsigned k = 0; k < per_flush; k++) {
			struct journal_entry e = { .camera = "cam", .layer = 1 };
			uint8_t *bytes;
			struct frame *f = frame_new(FRAME_JPEG, PICTURE_SIZE, &bytes);

			fill(bytes);
			journal_add(j, f, &e, NULL, NULL);
			frame_unref(f);
		}
		loop_advance(l, 1000);
	}
	snprintf(what, sizeof(what), "the journal, %u to a flush", per_flush);
	print_row(what, N_PICTURES / per_flush, now_ms(CLOCK_MONOTONIC) - wall_ms,
	          now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_ms);
	journal_close(j, NULL, NULL);
	loop_advance(l, 0);
	work_pool_free(env.queue);
	loop_free(l);
	return 0;
}

static int run_bare(const char *dir, unsigned per_flush, bool syncs)
{
	auto_free uint8_t *bytes = mem_new(PICTURE_SIZE);
	auto_fd int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	double wall_ms = now_ms(CLOCK_MONOTONIC), cpu_ms = now_ms(CLOCK_PROCESS_CPUTIME_ID);
	char what[64];

	for (unsigned i = 0; i < N_PICTURES; i++) {
		char name[48];

		snprintf(name, sizeof(name), "%s-%u-%06u.jpg", syncs ? "s" : "b", per_flush, i);

		auto_fd int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		fill(bytes);
		if (fd < 0 || write(fd, bytes, PICTURE_SIZE) != PICTURE_SIZE)
			return 1;
		if (syncs && i % per_flush == per_flush - 1 && syncfs(dir_fd) < 0)
			return 1;
	}
	snprintf(what, sizeof(what), syncs ? "files and syncfs, %u to a flush" : "bare files, %u",
	         per_flush);
	print_row(what, N_PICTURES / per_flush, now_ms(CLOCK_MONOTONIC) - wall_ms,
	          now_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_ms);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: bench_journal DIR\n", stderr);
		return 2;
	}
	crypto_init();
	puts("| 100 kB pictures | ms per flush | CPU ms per picture |\n|---|---|---|");
	return run_journal(argv[1], 1) || run_journal(argv[1], 16) || run_bare(argv[1], 1, true) ||
	       run_bare(argv[1], 16, true) || run_bare(argv[1], 1, false);
}
