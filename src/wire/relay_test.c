/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "core/loop.h"
#include "wire/relay.h"
#include "wire/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MUCH ((size_t)4 << 20)

/* A camera behind memory, the relay, and a child played by a thread that has the other end. */
struct scene {
	struct loop *loop;
	struct stream *camera, *ours;
	struct relay *relay;
	int fd;
	struct timer limit;
	struct buf heard; /* by the camera */
	size_t n_child_heard;
	int code;
	bool has_ended, is_too_late;
	pthread_t child;
	void (*act)(struct scene *s);
};

static void on_limit(void *arg)
{
	struct scene *s = arg;

	s->is_too_late = true;
	loop_stop(s->loop);
}

static void camera_hears(void *arg, const uint8_t *bytes, size_t size)
{
	struct scene *s = arg;

	buf_add(&s->heard, bytes, size);
	if (s->heard.size == 5)
		stream_write(s->camera, "world", 5);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void camera_ends(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

static void on_ended(void *arg, const struct err *err)
{
	struct scene *s = arg;

	s->has_ended = true;
	s->code = err->code;
}

static void *child_main(void *arg)
{
	struct scene *s = arg;

	s->act(s);
	(void)close(s->fd);
	loop_stop(s->loop);
	return NULL;
}

static void play(struct scene *s, void (*act)(struct scene *s), void (*begin)(struct scene *s))
{
	struct stream *inner;
	struct err err;

	*s = (struct scene){ .loop = loop_new(), .act = act };
	timer_init(&s->limit, s->loop, on_limit, s);
	timer_start(&s->limit, 30000);
	stream_pair(s->loop, 0, &s->camera, &s->ours);
	stream_listen(s->camera,
	              &(struct stream_events){ nothing, camera_hears, NULL, camera_ends, s });
	CHECK_INT(relay_pair(s->loop, "child", &inner, &s->fd, &err), 0);
	CHECK(fcntl(s->fd, F_GETFD) & FD_CLOEXEC);
	s->relay = relay_new(s->ours, inner, on_ended, s);
	if (begin)
		begin(s);
	pthread_create(&s->child, NULL, child_main, s);
	loop_run(s->loop);
	pthread_join(s->child, NULL);
	CHECK(!s->is_too_late);
	timer_stop(&s->limit);
	relay_free(s->relay);
	stream_free(s->camera);
	buf_fini(&s->heard);
	loop_free(s->loop);
}

static void talk(struct scene *s)
{
	char answer[8] = "";
	ssize_t n = 0;

	if (send(s->fd, "hello", 5, MSG_NOSIGNAL) == 5)
		n = recv(s->fd, answer, 5, MSG_WAITALL);
	s->n_child_heard = n == 5 && memcmp(answer, "world", 5) == 0 ? 5 : 0;
}

TEST(relay_carries_both_ways)
{
	struct scene s;

	play(&s, talk, NULL);
	CHECK_INT(s.n_child_heard, 5);
}

static void send_much(struct scene *s)
{
	uint8_t *bytes = mem_new(MUCH);

	stream_write(s->camera, bytes, MUCH);
	free(bytes);
	stream_end(s->camera);
}

static void read_all(struct scene *s)
{
	static uint8_t bytes[65536];
	ssize_t n;

	while ((n = recv(s->fd, bytes, sizeof(bytes), 0)) > 0)
		s->n_child_heard += (size_t)n;
}

TEST(relay_ends_the_child_behind_what_was_sent)
{
	struct scene s;

	play(&s, read_all, send_much);
	CHECK_INT(s.n_child_heard, MUCH);
	CHECK(s.has_ended);
	CHECK_INT(s.code, 0);
}
