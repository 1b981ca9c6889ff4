/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_live: one camera to many viewers: CPU milliseconds for each 1000 pictures delivered, beside a
 * bare send() loop, which is the least it can cost; and the memory that viewers cost who never read.
 *
 * The viewers are a process of their own. Pictures are 84 kB, 15 a second (1080p of moderate quality).
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

#define PICTURE 84000u
#define PER_SECOND 15
#define SECONDS 6
#define MAX_VIEWERS 200

static uint8_t picture[PICTURE + 200];

/* ---- viewers: a process that reads, or does not ---- */

struct viewers {
	pid_t pid;
	int from; /* bytes read in all, when told to end */
	int to;
};

static int dial(uint16_t port)
{
	static const char ask[] =
		"GET /api/v1/cameras/a1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct sockaddr_in a = { .sin_family = AF_INET,
		                 .sin_port = htons(port),
		                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		_exit(1);
	(void)!send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL);
	return fd;
}

static void be_viewers(uint16_t port, int n, bool reads, int told, int tell)
{
	static struct pollfd p[MAX_VIEWERS + 1];
	static char sink[262144];
	uint64_t total = 0;

	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = dial(port), .events = reads ? POLLIN : 0 };
	p[n] = (struct pollfd){ .fd = told, .events = POLLIN };
	for (;;) {
		(void)poll(p, (nfds_t)n + 1, -1);
		for (int i = 0; i < n; i++) {
			ssize_t got = p[i].revents & POLLIN
			                      ? recv(p[i].fd, sink, sizeof(sink), MSG_DONTWAIT)
			                      : 0;

			total += got > 0 ? (uint64_t)got : 0;
		}
		if (p[n].revents) {
			char what;

			if (read(told, &what, 1) != 1)
				_exit(0);
			(void)!write(tell, &total, sizeof(total));
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
		be_viewers(port, n, reads, to[0], from[1]);
	}
	(void)close(to[0]);
	v.to = to[1];
	v.from = from[0];
	(void)close(from[1]);
	return v;
}

static uint64_t viewers_read(struct viewers *v)
{
	uint64_t total = 0;

	(void)!write(v->to, "?", 1);
	(void)!read(v->from, &total, sizeof(total));
	return total;
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

static long rss_kb(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	char line[100] = "";
	int64_t pages = 0;
	char *second;

	if (f && fgets(line, sizeof(line), f) && (second = strchr(line, ' '))) {
		second[1 + strcspn(second + 1, " ")] = '\0';
		(void)text_to_i64(second + 1, &pages);
	}
	if (f)
		(void)fclose(f);
	return (long)pages * (sysconf(_SC_PAGESIZE) / 1024);
}

struct bench {
	struct loop *loop;
	struct web *web;
	struct timer camera, turn;
	struct viewers viewers;
	int n, step;
	double cpu;
	uint64_t bytes;
	double result;
	uint64_t seq;
};

static void stay(struct frame *f)
{
	free(f);
}

static void next_picture(void *arg)
{
	struct bench *b = arg;
	struct frame *f = calloc(1, sizeof(*f));

	if (!f)
		_exit(1);
	frame_init(f, stay);
	f->data = picture;
	f->size = PICTURE;
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
		b->bytes = viewers_read(&b->viewers);
		b->cpu = cpu_ms();
		timer_start(&b->turn, INT64_C(1000) * SECONDS);
		return;
	}

	double used = cpu_ms() - b->cpu;
	double pictures = (double)(viewers_read(&b->viewers) - b->bytes) / PICTURE;

	b->result = pictures > 0 ? used / pictures * 1000 : 0;
	loop_stop(b->loop);
}

static double ours(struct bench *b, int n)
{
	b->step = 0;
	b->n = n;
	b->viewers = viewers_start(web_port(b->web), n, true);
	timer_start(&b->turn, 1000);
	loop_run(b->loop);
	viewers_stop(&b->viewers);
	return b->result;
}

/* The same pictures by poll() and send(), nothing else: no parts, no limits, no skipping. */
static double bare(int n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[MAX_VIEWERS];
	double start = 0, pictures = 0;

	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 256) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &size) < 0)
		_exit(1);

	struct viewers v = viewers_start(ntohs(a.sin_port), n, true);

	for (int i = 0; i < n; i++)
		fds[i] = accept(listener, NULL, NULL);
	for (int turn = 0; turn < PER_SECOND * (SECONDS + 1); turn++) {
		struct timespec pause = { .tv_nsec = 1000000000 / PER_SECOND };

		(void)nanosleep(&pause, NULL);
		if (turn == PER_SECOND) {
			start = cpu_ms();
			pictures = 0;
		}
		for (int i = 0; i < n; i++) {
			ssize_t sent = send(fds[i], picture, PICTURE + 100, MSG_NOSIGNAL);

			pictures += sent > 0 ? (double)sent / (PICTURE + 100) : 0;
		}
	}

	double used = cpu_ms() - start;

	for (int i = 0; i < n; i++)
		(void)close(fds[i]);
	(void)close(listener);
	viewers_stop(&v);
	return used / pictures * 1000;
}

static void stop_loop(void *arg)
{
	loop_stop(arg);
}

static void stalled(struct bench *b)
{
	struct timer end;
	long before = rss_kb();
	struct viewers v = viewers_start(web_port(b->web), MAX_VIEWERS, false);

	timer_init(&end, b->loop, stop_loop, b->loop);
	timer_start(&end, 10000);
	loop_run(b->loop);
	printf("%d viewers who never read, 10 s: %ld kB more in our memory, %.1f kB each\n",
	       MAX_VIEWERS, rss_kb() - before, (double)(rss_kb() - before) / MAX_VIEWERS);
	viewers_stop(&v);
}

int main(int argc, char **argv)
{
	static const int counts[] = { 10, 50, 100 };
	static char dir[] = "/tmp/bedside-bench-XXXXXX";
	struct bench b = { 0 };
	struct err err = { 0 };
	struct web_env env = { .is_demo = true, .listen = "127.0.0.1", .data_dir = dir };

	crypto_init();
	signal(SIGPIPE, SIG_IGN);
	memset(picture, 'x', sizeof(picture));
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
	printf("pictures of %u kB, %d a second; CPU ms for each 1000 delivered\n", PICTURE / 1000,
	       PER_SECOND);
	printf("%8s %10s %10s\n", "viewers", "bedside", "bare send");
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		double we = ours(&b, counts[i]);

		printf("%8d %10.1f %10.1f\n", counts[i], we, bare(counts[i]));
		(void)fflush(stdout);
	}
	stalled(&b);
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
