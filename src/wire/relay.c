/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/relay.h"

#include "base/err.h"
#include "base/mem.h"
#include "wire/stream.h"
#include "wire/tcp_stream.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* More than this waiting, and the side that brings it is not read. */
#define MAX_WAITING ((size_t)256 << 10)

struct side {
	struct relay *relay;
	struct stream *stream;
	struct side *other;
	bool is_outer;
};

struct relay {
	struct side outer, inner;
	void (*ended)(void *arg, const struct err *err);
	void *arg;
	bool has_ended;
	uint64_t n_received;
};

int relay_pair(struct loop *l, const char *name, struct stream **ret_stream, int *ret_fd,
               struct err *err)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_sys(err, "making a pair of sockets");
	*ret_stream = tcp_stream_adopt(l, fds[0], name);
	*ret_fd = fds[1];
	return 0;
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct side *s = arg;

	if (s->is_outer)
		s->relay->n_received += size;
	stream_write(s->other->stream, bytes, size);
	if (stream_queued(s->other->stream) > MAX_WAITING)
		stream_pause_reading(s->stream, true);
}

static void on_drained(void *arg)
{
	struct side *s = arg;

	stream_pause_reading(s->other->stream, false);
}

static void on_closed(void *arg, const struct err *err)
{
	struct side *s = arg;
	struct relay *r = s->relay;
	static const struct err none;

	stream_end(s->other->stream);
	if (r->has_ended)
		return;
	r->has_ended = true;
	r->ended(r->arg, s->is_outer ? err : &none);
}

static void side_init(struct side *s, struct relay *r, struct stream *stream, struct side *other)
{
	*s = (struct side){ .relay = r, .stream = stream, .other = other };
	s->is_outer = s == &r->outer;
	stream_listen(stream, &(struct stream_events){ .received = on_received,
	                                               .drained = on_drained,
	                                               .closed = on_closed,
	                                               .arg = s });
}

struct relay *relay_new(struct stream *outer, struct stream *inner,
                        void (*ended)(void *arg, const struct err *err), void *arg)
{
	struct relay *r = MEM_NEW(struct relay);

	r->ended = ended;
	r->arg = arg;
	side_init(&r->outer, r, outer, &r->inner);
	side_init(&r->inner, r, inner, &r->outer);
	return r;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	stream_free(r->outer.stream);
	stream_free(r->inner.stream);
	free(r);
}

uint64_t relay_n_received(const struct relay *r)
{
	return r->n_received;
}
