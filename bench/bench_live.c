/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_live: one camera to many viewers: CPU milliseconds for each 1000 pictures delivered, beside a
 * bare send() loop, which is the least it can cost; how old pictures are when they have arrived; and
 * what viewers cost who never read.
 *
 * The viewers are a process of their own. Pictures are 84 and 400 kB, 15 a second (1080p of moderate
 * and of high quality); each bears the time at which the camera gave it. Both sides run in turn, five
 * times, and the medians count.
 */

#include "base/err.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "store/store.h"
#include "web/fakes.h"
#include "web/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PICTURE 400000u
#define PER_SECOND 15
#define SECONDS 4
#define MAX_VIEWERS 200
#define RUNS 5
/* At the end of each picture; nothing else in it looks like that. */
#define STAMP "TAKEN="
#define STAMP_SIZE 26u /* with 20 digits */
#define MAX_AGES 65536

/* ---- viewers: a process that reads, or does not ---- */

struct tally {
	uint64_t n_pictures;
	double p50_ms, p99_ms;
};

struct viewers {
	pid_t pid;
	int from; /* a tally, when asked for */
	int to;
};

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void stamp(uint8_t *picture, size_t size)
{
	char text[STAMP_SIZE + 1];

	snprintf(text, sizeof(text), STAMP "%020lld", (long long)now_us());
	memcpy(picture + size - STAMP_SIZE, text, STAMP_SIZE);
}

static int dial(uint16_t port, bool reads)
{
	char ask[120];
	int n = snprintf(ask, sizeof(ask),
	                 "GET /api/v1/cameras/a1/stream HTTP/1.1\r\nHost: localhost:%u\r\n\r\n",
	                 port);
	struct sockaddr_in a = { .sin_family = AF_INET,
		                 .sin_port = htons(port),
		                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 16384;

	/* What the other side's kernel holds is not what is measured. */
	if (!reads)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		_exit(1);
	(void)!send(fd, ask, (size_t)n, MSG_NOSIGNAL);
	return fd;
}

struct reader {
	uint8_t tail[STAMP_SIZE]; /* of the piece before: a stamp may be cut in two */
	size_t tail_size;
};

static float ages_ms[MAX_AGES];
static size_t n_ages;

static void look(struct reader *r, uint8_t *piece, size_t size, uint64_t *n_pictures)
{
	uint8_t *from = piece - r->tail_size, *end = piece + size, *at;

	memcpy(from, r->tail, r->tail_size);
	while ((at = memmem(from, (size_t)(end - from), STAMP, sizeof(STAMP) - 1)) != NULL) {
		char digits[21];
		int64_t us;

		if (at + STAMP_SIZE > end)
			break;
		memcpy(digits, at + sizeof(STAMP) - 1, 20);
		digits[20] = '\0';
		++*n_pictures;
		/* Leading zeros are digits, too. */
		if (text_to_i64(digits + strspn(digits, "0"), &us) && n_ages < MAX_AGES)
			ages_ms[n_ages++] = (float)((double)(now_us() - us) / 1000);
		from = at + STAMP_SIZE;
	}
	r->tail_size = MIN((size_t)(end - from), sizeof(r->tail) - 1);
	memcpy(r->tail, end - r->tail_size, r->tail_size);
}

static int by_age(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void tell_tally(int fd, uint64_t n_pictures)
{
	struct tally t = { .n_pictures = n_pictures };

	qsort(ages_ms, n_ages, sizeof(ages_ms[0]), by_age);
	if (n_ages > 0) {
		t.p50_ms = ages_ms[n_ages / 2];
		t.p99_ms = ages_ms[n_ages * 99 / 100];
	}
	n_ages = 0;
	(void)!write(fd, &t, sizeof(t));
}

/* Those who do not read come one after the other, so that each stops at another picture. */
static void be_viewers(uint16_t port, int n, bool reads, const int pipes[2])
{
	static struct pollfd p[MAX_VIEWERS + 1];
	static struct reader readers[MAX_VIEWERS];
	static uint8_t bytes[STAMP_SIZE + 262144];
	uint64_t n_pictures = 0;

	for (int i = 0; i < n; i++) {
		const struct timespec pause = { .tv_nsec = reads ? 0 : 20000000 };

		p[i] = (struct pollfd){ .fd = dial(port, reads), .events = reads ? POLLIN : 0 };
		(void)nanosleep(&pause, NULL);
	}
	p[n] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	for (;;) {
		(void)poll(p, (nfds_t)n + 1, -1);
		for (int i = 0; i < n; i++) {
			ssize_t got = p[i].revents & POLLIN
			                      ? recv(p[i].fd, bytes + STAMP_SIZE,
			                             sizeof(bytes) - STAMP_SIZE, MSG_DONTWAIT)
			                      : 0;

			if (got > 0)
				look(&readers[i], bytes + STAMP_SIZE, (size_t)got, &n_pictures);
		}
		if (p[n].revents) {
			char what;

			if (read(pipes[0], &what, 1) != 1)
				_exit(0);
			tell_tally(pipes[1], n_pictures);
		}
	}
}

static struct viewers viewers_start(uint16_t port, int n, bool reads)
{
	int to[2], from[2];
	struct viewers v;

	if (pipe(to) < 0 || pipe(from) < 0)
		_exit(1);
	(void)fflush(stdout); /* or the child would print it again */
	v.pid = fork();
	if (v.pid == 0) {
		(void)close(to[1]);
		be_viewers(port, n, reads, (const int[]){ to[0], from[1] });
	}
	(void)close(to[0]);
	v.to = to[1];
	v.from = from[0];
	(void)close(from[1]);
	return v;
}

static struct tally viewers_ask(struct viewers *v)
{
	struct tally t = { 0 };

	(void)!write(v->to, "?", 1);
	(void)!read(v->from, &t, sizeof(t));
	return t;
}

static void viewers_stop(struct viewers *v)
{
	(void)close(v->to);
	(void)close(v->from);
	(void)waitpid(v->pid, NULL, 0);
}

/* ---- what is measured ---- */

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

/* The number behind `name` in a file of /proc, -1 if there is none. */
static int64_t proc_number(const char *path, const char *line_start, const char *name)
{
	FILE *f = fopen(path, "re");
	char line[300];
	int64_t v = -1;

	while (f && fgets(line, sizeof(line), f)) {
		char *at = text_starts(line, line_start) ? strstr(line, name) : NULL;

		if (!at)
			continue;
		at += strlen(name);
		at += strspn(at, " \t");
		at[strcspn(at, " \n")] = '\0';
		(void)text_to_i64(at, &v);
		break;
	}
	if (f)
		(void)fclose(f);
	return v;
}

static int64_t rss_kb(void)
{
	return proc_number("/proc/self/status", "VmRSS:", "VmRSS:");
}

/* What all TCP sockets of this machine hold. */
static int64_t tcp_kb(void)
{
	return proc_number("/proc/net/sockstat", "TCP:", "mem") * (sysconf(_SC_PAGESIZE) / 1024);
}

struct result {
	double cpu_ms, p50_ms, p99_ms; /* cpu: for each 1000 pictures */
};

struct bench {
	struct loop *loop;
	struct web *web;
	struct timer camera, turn;
	struct viewers viewers;
	size_t picture;
	int step;
	double cpu;
	struct tally before;
	struct result result;
	uint64_t seq;
};

static struct result result_of(double cpu, struct tally before, struct tally after)
{
	double n = (double)(after.n_pictures - before.n_pictures);

	return (struct result){ n > 0 ? cpu / n * 1000 : 0, after.p50_ms, after.p99_ms };
}

static void next_picture(void *arg)
{
	struct bench *b = arg;
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_JPEG, b->picture, &bytes);

	memset(bytes, 'x', b->picture);
	stamp(bytes, b->picture);
	f->seq = ++b->seq;
	f->captured_us = loop_now_us(b->loop);
	f->captured_wall_ms = loop_wall_ms(b->loop);
	fakes_camera_frame(f);
}

/* After a second of warming up begins the measurement. */
static void next_step(void *arg)
{
	struct bench *b = arg;

	if (b->step++ == 0) {
		b->before = viewers_ask(&b->viewers);
		b->cpu = cpu_ms();
		timer_start(&b->turn, INT64_C(1000) * SECONDS);
		return;
	}
	b->result = result_of(cpu_ms() - b->cpu, b->before, viewers_ask(&b->viewers));
	loop_stop(b->loop);
}

static struct result ours(struct bench *b, int n)
{
	b->step = 0;
	b->viewers = viewers_start(web_port(b->web), n, true);
	timer_start(&b->turn, 1000);
	loop_run(b->loop);
	viewers_stop(&b->viewers);
	return b->result;
}

static int listen_anywhere(uint16_t *ret_port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 256) < 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &size) < 0)
		_exit(1);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* The same pictures by send(), nothing else: no requests, no limits, no skipping. */
static struct result bare(size_t picture, int n)
{
	static uint8_t part[MAX_PICTURE + 100];
	uint16_t port;
	int listener = listen_anywhere(&port), fds[MAX_VIEWERS];
	struct viewers v = viewers_start(port, n, true);
	struct tally before = { 0 };
	struct result r;
	double start = 0;

	memset(part, 'x', sizeof(part));
	for (int i = 0; i < n; i++)
		fds[i] = accept(listener, NULL, NULL);
	for (int turn = 0; turn < PER_SECOND * (SECONDS + 1); turn++) {
		struct timespec pause = { .tv_nsec = 1000000000 / PER_SECOND };

		(void)nanosleep(&pause, NULL);
		if (turn == PER_SECOND) {
			before = viewers_ask(&v);
			start = cpu_ms();
		}
		stamp(part, picture);
		for (int i = 0; i < n; i++)
			(void)!send(fds[i], part, picture + 100, MSG_NOSIGNAL);
	}
	r = result_of(cpu_ms() - start, before, viewers_ask(&v));
	for (int i = 0; i < n; i++)
		(void)close(fds[i]);
	(void)close(listener);
	viewers_stop(&v);
	return r;
}

static int by_number(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, RUNS, sizeof(*v), by_number);
	return v[RUNS / 2];
}

static void compare(struct bench *b, size_t picture, int n)
{
	double we[RUNS], they[RUNS], p50[RUNS], p99[RUNS], ratio[RUNS], bare50[RUNS], bare99[RUNS];

	b->picture = picture;
	for (int i = 0; i < RUNS; i++) {
		struct result r = ours(b, n), limit = bare(picture, n);

		we[i] = r.cpu_ms;
		p50[i] = r.p50_ms;
		p99[i] = r.p99_ms;
		they[i] = limit.cpu_ms;
		bare50[i] = limit.p50_ms;
		bare99[i] = limit.p99_ms;
		ratio[i] = r.cpu_ms / limit.cpu_ms;
	}
	printf("%5zu kB %8d %8.1f %8.1f %6.2f %8.2f %8.2f %8.2f %8.2f\n", picture / 1000, n,
	       median(we), median(they), median(ratio), median(p50), median(bare50), median(p99),
	       median(bare99));
	(void)fflush(stdout);
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void stalled(struct bench *b, size_t picture)
{
	struct timer end;
	int64_t rss, tcp;
	struct viewers v;

	b->picture = picture;
	timer_init(&end, b->loop, stop_loop, b->loop);
	/* What the last viewers left behind has gone, and a picture of this size is there. */
	timer_start(&end, 2000);
	loop_run(b->loop);
	rss = rss_kb();
	tcp = tcp_kb();
	v = viewers_start(web_port(b->web), MAX_VIEWERS, false);
	timer_start(&end, 12000);
	loop_run(b->loop);
	printf("%d viewers who never read, pictures of %zu kB: each %.1f kB of our memory (limit "
	       "64), %.0f kB in the kernel (limit %zu)\n",
	       MAX_VIEWERS, picture / 1000, (double)(rss_kb() - rss) / MAX_VIEWERS,
	       (double)(tcp_kb() - tcp) / MAX_VIEWERS, picture / 1000 + 64);
	(void)fflush(stdout);
	viewers_stop(&v);
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = { 84000, MAX_PICTURE };
	static const int counts[] = { 50, 100 };
	static char dir[] = "/tmp/bedside-bench-XXXXXX";
	struct bench b = { 0 };
	struct err err = { 0 };
	struct web_env env = { .is_demo = true, .listen = "127.0.0.1", .data_dir = dir };

	crypto_init();
	signal(SIGPIPE, SIG_IGN);
	b.picture = sizes[0];
	if (!mkdtemp(dir))
		return 1;
	b.loop = loop_new();
	env.loop = b.loop;
	env.bus = bus_new(b.loop);
	env.pool = work_pool_new(b.loop, "bench", 2);
	/* Never looked into: the fakes know their own. */
	env.cameras = (struct cameras *)(void *)&b;
	fakes_init(b.loop);
	if (store_open(b.loop, dir, &env.store, &err) < 0 || web_new(&env, &b.web, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	timer_init(&b.camera, b.loop, next_picture, &b);
	timer_init(&b.turn, b.loop, next_step, &b);
	timer_start_every(&b.camera, 1000 / PER_SECOND);
	if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
		/* For another load generator. */
		printf("%u\n", web_port(b.web));
		(void)fflush(stdout);
		loop_run(b.loop);
	}
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++)
		stalled(&b, sizes[k]);
	printf("%d pictures a second; CPU ms for each 1000 delivered, medians of %d runs; age in "
	       "ms\n",
	       PER_SECOND, RUNS);
	printf("%8s %8s %17s %6s %17s %17s\n", "", "", "CPU", "", "age p50", "age p99");
	printf("%8s %8s %8s %8s %6s %8s %8s %8s %8s\n", "picture", "viewers", "bedside", "send",
	       "ratio", "bedside", "send", "bedside", "send");
	for (size_t k = 0; k < ARRAY_LEN(sizes); k++) {
		for (size_t i = 0; i < ARRAY_LEN(counts); i++)
			compare(&b, sizes[k], counts[i]);
	}
	timer_stop(&b.camera);
	timer_stop(&b.turn);
	web_free(b.web);
	work_pool_free(env.pool);
	store_close(env.store);
	bus_free(env.bus);
	loop_free(b.loop);
	fakes_fini();
	(void)!fs_remove(dir, NULL);
	return 0;
}
