/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * viewers: so many viewers of a Motion JPEG stream in one lean process, and what they saw.
 *
 *	viewers [-p PID] HOST PORT PATH VIEWERS SECONDS
 *
 * After a second of warming up, for SECONDS: pictures delivered, the processor time that process PID
 * spent for 1000 of them, and their age, if the camera stamps them ("TAKEN=" and 20 digits of
 * microseconds since 1970 near the beginning, as mjpeg_source does). The age is told twice: when the
 * kernel had the last byte (SO_TIMESTAMPNS), which is what camera and server added, and when this
 * process had read it, which is that and its own waiting for a processor. Parts need a Content-Length.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_VIEWERS 500
#define MAX_AGES (1u << 20)
#define HEAD_SIZE 1024
#define STAMP "TAKEN="
#define STAMP_WITHIN 64u /* bytes of the picture's beginning */
#define PIECE 262144

struct viewer {
	int fd;
	char head[HEAD_SIZE]; /* of the part, or the beginning of its picture */
	size_t n_head;
	size_t left; /* of the picture; 0: in a head */
	int64_t taken_us;
	uint64_t n_pictures;
};

struct ages {
	float kernel_ms[MAX_AGES], read_ms[MAX_AGES];
	size_t n;
};

static struct viewer viewers[MAX_VIEWERS];
static struct ages ages;
static bool is_measuring;

/* A number of the command line, or -1. */
static int number(const char *text)
{
	char *end;
	long v = strtol(text, &end, 10);

	return *text && !*end && v >= 0 && v < 1 << 30 ? (int)v : -1;
}

static int64_t wall_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int dial(const char *host, const char *port, const char *path)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	char ask[600];
	int n = snprintf(ask, sizeof(ask), "GET %s HTTP/1.1\r\nHost: %s:%s\r\n\r\n", path, host,
	                 port);

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || fd < 0 ||
	    connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    send(fd, ask, (size_t)n, MSG_NOSIGNAL) != n) {
		perror("viewers");
		exit(1);
	}
	return fd;
}

static void picture_came(struct viewer *v, int64_t kernel_us)
{
	if (!is_measuring)
		return;
	v->n_pictures++;
	if (v->taken_us == 0 || ages.n == MAX_AGES)
		return;
	ages.kernel_ms[ages.n] = (float)(kernel_us - v->taken_us) / 1000;
	ages.read_ms[ages.n++] = (float)(wall_us() - v->taken_us) / 1000;
}

static void read_stamp(struct viewer *v)
{
	const char *at = memmem(v->head, v->n_head, STAMP, sizeof(STAMP) - 1);

	v->taken_us = at ? strtoll(at + sizeof(STAMP) - 1, NULL, 10) : 0;
}

/* A byte more of a head: is it whole? */
static void add_to_head(struct viewer *v, char c)
{
	const char *at;

	if (v->n_head == HEAD_SIZE - 1)
		v->n_head = 0; /* an answer's head that is longer: nothing in it is wanted */
	v->head[v->n_head++] = c;
	v->head[v->n_head] = '\0';
	if (c != '\n' || v->n_head < 4 || strcmp(v->head + v->n_head - 4, "\r\n\r\n") != 0)
		return;
	at = strcasestr(v->head, "content-length:");
	v->left = at ? strtoul(at + strlen("content-length:"), NULL, 10) : 0;
	v->n_head = 0;
	v->taken_us = -1; /* not looked for yet */
}

static void look(struct viewer *v, const char *piece, size_t size, int64_t kernel_us)
{
	while (size > 0) {
		size_t n = size < v->left ? size : v->left;

		if (n == 0) {
			add_to_head(v, *piece++);
			size--;
			continue;
		}
		if (v->taken_us == -1) {
			size_t more = STAMP_WITHIN - v->n_head;

			more = more < n ? more : n;
			memcpy(v->head + v->n_head, piece, more);
			v->n_head += more;
			if (v->n_head == STAMP_WITHIN)
				read_stamp(v);
		}
		v->left -= n;
		piece += n;
		size -= n;
		if (v->left == 0) {
			v->n_head = 0;
			picture_came(v, kernel_us);
		}
	}
}

/* When the kernel had the last of these bytes. */
static int64_t stamp_of(struct msghdr *m)
{
	struct timespec t;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof(t));
		return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
	}
	return wall_us();
}

static void read_some(struct viewer *v)
{
	static char piece[PIECE];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec)) + 64];
	struct iovec iov = { piece, sizeof(piece) };
	struct msghdr m = { .msg_iov = &iov,
		            .msg_iovlen = 1,
		            .msg_control = control,
		            .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(v->fd, &m, MSG_DONTWAIT);

	if (n == 0) {
		fprintf(stderr, "viewers: the stream ended: %.300s\n", v->head);
		exit(1);
	}
	if (n > 0)
		look(v, piece, (size_t)n, stamp_of(&m));
}

/* The second number of schedstat: nanoseconds spent ready to run without a processor. */
static double waited_ms(int pid)
{
	char path[64], line[100] = "", *at;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	at = fgets(line, sizeof(line), f) ? strchr(line, ' ') : NULL;
	(void)fclose(f);
	return at ? (double)strtoull(at, NULL, 10) / 1e6 : 0;
}

/* Processor time of all its threads, those that have ended among them. */
static double used_ms(int pid)
{
	struct timespec t;
	clockid_t clock;

	if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		return 0;
	return (double)t.tv_sec * 1000 + (double)t.tv_nsec / 1e6;
}

static void watch_until(struct pollfd *p, int n, int64_t end_us)
{
	int64_t left_us;

	while ((left_us = end_us - wall_us()) > 0) {
		if (poll(p, (nfds_t)n, (int)(left_us / 1000) + 1) <= 0)
			continue;
		for (int i = 0; i < n; i++) {
			if (p[i].revents)
				read_some(&viewers[i]);
		}
	}
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void tell_ages(const char *name, float *ms, size_t n)
{
	if (n == 0)
		return;
	qsort(ms, n, sizeof(*ms), by_size);
	printf("%s p50 %.2f p99 %.2f max %.2f\n", name, (double)ms[n / 2], (double)ms[n * 99 / 100],
	       (double)ms[n - 1]);
}

/* One "name value" a line, for scripts. */
static void tell(int n, int seconds, double used, double waited)
{
	uint64_t sum = 0, least = UINT64_MAX;

	for (int i = 0; i < n; i++) {
		sum += viewers[i].n_pictures;
		least = viewers[i].n_pictures < least ? viewers[i].n_pictures : least;
	}
	printf("pictures %llu\nper_second_of_the_slowest %.2f\n", (unsigned long long)sum,
	       (double)least / seconds);
	if (used > 0)
		printf("cpu_ms %.1f\ncpu_ms_per_1000 %.3f\nwaited_for_cpu_ms %.1f\n", used,
		       sum ? used * 1000 / (double)sum : 0, waited);
	tell_ages("age_at_kernel_ms", ages.kernel_ms, ages.n);
	tell_ages("age_when_read_ms", ages.read_ms, ages.n);
}

int main(int argc, char **argv)
{
	static struct pollfd p[MAX_VIEWERS];
	int pid = 0, n, seconds, option;
	double before, waited;

	while ((option = getopt(argc, argv, "p:")) == 'p')
		pid = number(optarg);
	if (option != -1 || argc - optind != 5) {
		fputs("usage: viewers [-p PID] HOST PORT PATH VIEWERS SECONDS\n", stderr);
		return 2;
	}
	argv += optind;
	n = number(argv[3]);
	seconds = number(argv[4]);
	if (n < 1 || n > MAX_VIEWERS || seconds < 1)
		return 2;
	for (int i = 0; i < n; i++) {
		viewers[i].fd = dial(argv[0], argv[1], argv[2]);
		p[i] = (struct pollfd){ .fd = viewers[i].fd, .events = POLLIN };
	}
	watch_until(p, n, wall_us() + 1500000);
	is_measuring = true;
	before = used_ms(pid);
	waited = waited_ms(pid);
	watch_until(p, n, wall_us() + (int64_t)seconds * 1000000);
	tell(n, seconds, used_ms(pid) - before, waited_ms(pid) - waited);
	return 0;
}
