/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * power_disk: a disk whose cache is lost with the power.
 *
 * An NBD server (NetworkBlockDevice protocol, doc/proto.md, fixed newstyle) for one machine at a
 * time. What is written stays in memory until a flush; when the connection ends, the power was cut:
 * of what was not flushed a random part reaches the image, in 4 kB blocks, the rest is gone, as a
 * disk is free to write its cache in any order. FUA is not offered, so that it is asked for by
 * flushes.
 *
 *	power_disk --socket PATH --image FILE [--seed N] [--flush-ms N] [--liar]
 *
 * A flush takes its time, as with real disks; one that the power's end interrupts has not been.
 * A liar confirms flushes and keeps nothing of them: with it the lab shows that it would see a loss.
 * One line a cut on standard output. Ends with standard input.
 */

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BLOCK 4096U
#define MAX_REQUEST (32U << 20)
#define MAX_OPTION 4096U

enum {
	OPT_EXPORT_NAME = 1,
	OPT_ABORT = 2,
	OPT_INFO = 6,
	OPT_GO = 7,
	REP_ACK = 1,
	REP_INFO = 3,
	CMD_READ = 0,
	CMD_WRITE = 1,
	CMD_DISC = 2,
	CMD_FLUSH = 3,
	FLAGS_HANDSHAKE = 3,       /* fixed newstyle, no zeroes */
	FLAGS_EXPORT = 1 | 1 << 2, /* flags are there; flush is known */
};

#define REP_ERR_UNSUP 0x80000001U
#define MAGIC_NBD 0x4e42444d41474943ULL
#define MAGIC_OPTION 0x49484156454f5054ULL
#define MAGIC_REPLY 0x0003e889045565a9ULL
#define MAGIC_REQUEST 0x25609513U
#define MAGIC_ANSWER 0x67446698U

/* A write that was not flushed; in the order of writing. */
struct pending {
	uint64_t offset;
	uint32_t size;
	uint8_t *bytes;
	struct pending *next;
};

static struct {
	int image, client;
	uint64_t size;
	struct pending *first, **last;
	unsigned n_pending;
	uint64_t n_flushes;
	bool is_liar;
	int flush_ms;
	uint64_t dice;
} disk;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* xorshift64*: a seed gives the same cuts again. */
static uint64_t roll(void)
{
	disk.dice ^= disk.dice >> 12;
	disk.dice ^= disk.dice << 25;
	disk.dice ^= disk.dice >> 27;
	return disk.dice * 0x2545f4914f6cdd1dULL;
}

/* ---- the wire ---- */

static bool get(void *dst, size_t size)
{
	for (uint8_t *p = dst; size > 0;) {
		ssize_t n = read(disk.client, p, size);

		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool put(const void *src, size_t size)
{
	for (const uint8_t *p = src; size > 0;) {
		ssize_t n = send(disk.client, p, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool reply_option(uint32_t option, uint32_t type, const void *bytes, uint32_t size)
{
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, type, size;
	} r = { htobe64(MAGIC_REPLY), htobe32(option), htobe32(type), htobe32(size) };

	return put(&r, sizeof(r)) && (size == 0 || put(bytes, size));
}

static bool describe(uint32_t option)
{
	struct __attribute__((packed)) {
		uint16_t type; /* 0: the export */
		uint64_t size;
		uint16_t flags;
	} info = { 0, htobe64(disk.size), htobe16(FLAGS_EXPORT) };

	return reply_option(option, REP_INFO, &info, sizeof(info)) &&
	       reply_option(option, REP_ACK, NULL, 0);
}

static bool describe_old(void)
{
	struct __attribute__((packed)) {
		uint64_t size;
		uint16_t flags;
	} e = { htobe64(disk.size), htobe16(FLAGS_EXPORT) };

	return put(&e, sizeof(e));
}

/* Until the client wants to begin. */
static bool shake_hands(void)
{
	struct __attribute__((packed)) {
		uint64_t magic, option;
		uint16_t flags;
	} hello = { htobe64(MAGIC_NBD), htobe64(MAGIC_OPTION), htobe16(FLAGS_HANDSHAKE) };
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, size;
	} o;
	uint8_t rest[MAX_OPTION];
	uint32_t flags;

	if (!put(&hello, sizeof(hello)) || !get(&flags, sizeof(flags)))
		return false;
	while (get(&o, sizeof(o)) && be64toh(o.magic) == MAGIC_OPTION) {
		uint32_t option = be32toh(o.option), size = be32toh(o.size);

		if (size > sizeof(rest) || !get(rest, size))
			return false;
		if (option == OPT_EXPORT_NAME)
			return describe_old();
		if (option == OPT_GO)
			return describe(option);
		if (option == OPT_ABORT)
			return false;
		if (option == OPT_INFO ? !describe(option)
		                       : !reply_option(option, REP_ERR_UNSUP, NULL, 0))
			return false;
	}
	return false;
}

/* ---- the disk ---- */

static void write_image(const uint8_t *bytes, size_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t n = pwrite(disk.image, bytes, size, (off_t)offset);

		if (n <= 0)
			die("writing the image");
		bytes += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
}

static bool read_disk(uint8_t *dst, uint32_t size, uint64_t offset)
{
	if (pread(disk.image, dst, size, (off_t)offset) != (ssize_t)size)
		return false;
	for (const struct pending *p = disk.first; p; p = p->next) {
		uint64_t from = p->offset > offset ? p->offset : offset;
		uint64_t end = p->offset + p->size, mine = offset + size;
		uint64_t to = end < mine ? end : mine;

		if (from < to)
			memcpy(dst + (from - offset), p->bytes + (from - p->offset), to - from);
	}
	return true;
}

static void forget_pending(void)
{
	for (struct pending *p = disk.first, *next; p; p = next) {
		next = p->next;
		free(p->bytes);
		free(p);
	}
	disk.first = NULL;
	disk.last = &disk.first;
	disk.n_pending = 0;
}

/* False: the power went meanwhile. Requests may wait, the end of them does not. */
static bool flush(void)
{
	struct pollfd p = { .fd = disk.client, .events = POLLRDHUP };

	if (poll(&p, 1, disk.flush_ms) > 0)
		return false;
	disk.n_flushes++;
	if (disk.is_liar)
		return true;
	for (const struct pending *w = disk.first; w; w = w->next)
		write_image(w->bytes, w->size, w->offset);
	forget_pending();
	return true;
}

/* Sometimes all is gone, sometimes nothing, mostly any part. */
static void cut(void)
{
	unsigned chance = disk.is_liar ? 0 : (unsigned)(roll() % 5) * 25;
	unsigned n_blocks = 0, n_kept = 0, n = disk.n_pending;

	for (const struct pending *p = disk.first; p; p = p->next)
		for (uint32_t at = 0; at < p->size; at += BLOCK) {
			uint32_t size = p->size - at < BLOCK ? p->size - at : BLOCK;

			n_blocks++;
			if (roll() % 100 >= chance)
				continue;
			n_kept++;
			write_image(p->bytes + at, size, p->offset + at);
		}
	forget_pending();
	printf("cut: %u writes of %u blocks were not flushed, %u blocks reached the disk; "
	       "%llu flushes before\n",
	       n, n_blocks, n_kept, (unsigned long long)disk.n_flushes);
	fflush(stdout);
	disk.n_flushes = 0;
}

/* ---- requests ---- */

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t size;
} __attribute__((packed));

static bool answer(const struct request *r, int error, const void *bytes, uint32_t size)
{
	struct __attribute__((packed)) {
		uint32_t magic, error;
		uint64_t handle;
	} a = { htobe32(MAGIC_ANSWER), htobe32((uint32_t)error), r->handle };

	return put(&a, sizeof(a)) && (size == 0 || put(bytes, size));
}

static bool do_read(const struct request *r, uint32_t size, uint64_t offset)
{
	uint8_t *bytes = malloc(size ? size : 1);
	bool ok;

	if (!bytes)
		die("malloc");
	ok = read_disk(bytes, size, offset) ? answer(r, 0, bytes, size) : answer(r, EIO, NULL, 0);
	free(bytes);
	return ok;
}

static bool do_write(const struct request *r, uint32_t size, uint64_t offset)
{
	struct pending *p = malloc(sizeof(*p));

	if (!p)
		die("malloc");
	*p = (struct pending){ .offset = offset, .size = size, .bytes = malloc(size ? size : 1) };
	if (!p->bytes)
		die("malloc");
	/* Half a write is none: the rest of it was still in the machine. */
	if (!get(p->bytes, size)) {
		free(p->bytes);
		free(p);
		return false;
	}
	*disk.last = p;
	disk.last = &p->next;
	disk.n_pending++;
	return answer(r, 0, NULL, 0);
}

static bool serve_one(void)
{
	struct request r;
	uint32_t size;
	uint64_t offset;

	if (!get(&r, sizeof(r)) || be32toh(r.magic) != MAGIC_REQUEST)
		return false;
	size = be32toh(r.size);
	offset = be64toh(r.offset);
	if (size > MAX_REQUEST || offset > disk.size || size > disk.size - offset)
		return false;
	switch (be16toh(r.type)) {
	case CMD_READ:
		return do_read(&r, size, offset);
	case CMD_WRITE:
		return do_write(&r, size, offset);
	case CMD_FLUSH:
		return flush() && answer(&r, 0, NULL, 0);
	case CMD_DISC:
		return false;
	default:
		return answer(&r, EINVAL, NULL, 0);
	}
}

/* ---- life ---- */

static int listen_at(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		die(path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4) < 0)
		die(path);
	return fd;
}

static void run(int listener)
{
	for (;;) {
		struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
			               { .fd = listener, .events = POLLIN } };

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[0].revents)
			return;
		if (!(p[1].revents & POLLIN))
			continue;
		disk.client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (disk.client < 0)
			die("accept");
		if (shake_hands()) {
			while (serve_one())
				;
			cut();
		}
		close(disk.client);
	}
}

int main(int argc, char **argv)
{
	const char *socket_path = NULL, *image = NULL;
	struct stat st;

	disk.dice = 1;
	disk.last = &disk.first;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
			socket_path = argv[++i];
		else if (strcmp(argv[i], "--image") == 0 && i + 1 < argc)
			image = argv[++i];
		else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
			disk.dice = strtoull(argv[++i], NULL, 10) * 2 + 1;
		else if (strcmp(argv[i], "--flush-ms") == 0 && i + 1 < argc)
			disk.flush_ms = (int)strtol(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--liar") == 0)
			disk.is_liar = true;
		else
			socket_path = image = NULL, i = argc;
	}
	if (!socket_path || !image) {
		fputs("usage: power_disk --socket PATH --image FILE [--seed N] [--flush-ms N] "
		      "[--liar]\n",
		      stderr);
		return 2;
	}
	disk.image = open(image, O_RDWR | O_CLOEXEC);
	if (disk.image < 0 || fstat(disk.image, &st) < 0)
		die(image);
	disk.size = (uint64_t)st.st_size;
	run(listen_at(socket_path));
	return 0;
}
