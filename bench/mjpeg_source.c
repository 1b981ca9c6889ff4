/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mjpeg_source: an HTTP camera whose pictures bear the moment at which they were sent.
 *
 *	mjpeg_source FPS FILE.jpg...
 *
 * Prints its port. Serves one reader at a time, in the form of mjpg-streamer; each picture gets a
 * comment "TAKEN=" and 20 digits: microseconds since 1970, just before its first byte is written.
 */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_PICTURE (4u << 20)
#define MAX_PICTURES 64
/* SOI and a comment; the rest of the file follows. */
#define OPENING "\xff\xd8\xff\xfe"
#define COMMENT_SIZE 28 /* its length field, "TAKEN=" and the digits */

static uint8_t *pictures[MAX_PICTURES];
static size_t sizes[MAX_PICTURES], n_pictures;

static bool load(const char *path)
{
	FILE *f = fopen(path, "re");
	uint8_t *b = malloc(MAX_PICTURE);

	if (!f || !b || n_pictures == MAX_PICTURES) {
		perror(path);
		return false;
	}
	pictures[n_pictures] = b;
	sizes[n_pictures++] = fread(b, 1, MAX_PICTURE, f);
	(void)fclose(f);
	return true;
}

static bool say(int fd, const void *bytes, size_t size)
{
	for (const char *p = bytes; size > 0;) {
		ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool say_picture(int fd, const uint8_t *jpeg, size_t size)
{
	static uint8_t part[MAX_PICTURE + 400];
	char stamp[40];
	int head = snprintf((char *)part, 300,
	                    "--cut\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n\r\n",
	                    size + 2 + COMMENT_SIZE);
	uint8_t *to = part + head;
	struct timespec t;

	memcpy(to, OPENING "\x00\x1c", 6);
	to += 6 + COMMENT_SIZE - 2;
	memcpy(to, jpeg + 2, size - 2);
	to += size - 2;
	memcpy(to, "\r\n", 2);
	(void)clock_gettime(CLOCK_REALTIME, &t);
	(void)snprintf(stamp, sizeof(stamp), "TAKEN=%020lld",
	               (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
	memcpy(part + head + 6, stamp, COMMENT_SIZE - 2);
	return say(fd, part, (size_t)(to + 2 - part));
}

static void serve(int fd, long fps)
{
	static const char head[] = "HTTP/1.0 200 OK\r\nContent-Type: "
				   "multipart/x-mixed-replace;boundary=cut\r\n\r\n";
	char asked[2000];
	struct timespec next;

	if (recv(fd, asked, sizeof(asked), 0) <= 0 || !say(fd, head, sizeof(head) - 1))
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &next);
	for (size_t i = 0; say_picture(fd, pictures[i], sizes[i]); i = (i + 1) % n_pictures) {
		next.tv_nsec += 1000000000 / fps;
		if (next.tv_nsec >= 1000000000) {
			next.tv_sec++;
			next.tv_nsec -= 1000000000;
		}
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	long fps = argc > 1 ? strtol(argv[1], NULL, 10) : 0;

	(void)signal(SIGPIPE, SIG_IGN);
	for (int i = 2; i < argc; i++) {
		if (!load(argv[i]))
			return 1;
	}
	if (fps < 1 || n_pictures == 0) {
		fputs("usage: mjpeg_source FPS FILE.jpg...\n", stderr);
		return 2;
	}
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(listener, 8) < 0 ||
	    getsockname(listener, (struct sockaddr *)&a, &size) < 0) {
		perror("mjpeg_source");
		return 1;
	}
	printf("%u\n", ntohs(a.sin_port));
	(void)fflush(stdout);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		serve(fd, fps);
		(void)close(fd);
	}
	return 0;
}
