/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/local.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include <utlist.h>
#include <uv.h>

struct local_server {
	uv_pipe_t pipe;
	struct loop *loop;
	char path[108];
	unsigned n_calls;
	struct local_call *calls;
	bool is_stopped, is_freed;
	void (*asked)(void *arg, struct local_call *c, const char *line);
	void *arg;
};

struct local_call {
	uv_pipe_t pipe;
	uv_write_t write;
	struct local_server *server;
	struct local_call *prev, *next; /* server.calls */
	struct timer limit;
	struct buf line;
	char *answer;
	bool is_asked, is_answered, is_closing, is_closed;
};

/* The server's memory stays until its pipe and all calls are closed. */
static void unref_server(struct local_server *s)
{
	if (s->n_calls == 0 && s->is_freed)
		free(s);
}

static void free_call(struct local_call *c)
{
	struct local_server *s = c->server;

	DL_DELETE(s->calls, c);
	buf_fini(&c->line);
	free(c->answer);
	free(c);
	s->n_calls--;
	unref_server(s);
}

/* A call that was asked lives until it is answered too. */
static void call_closed(uv_handle_t *h)
{
	struct local_call *c = h->data;

	c->is_closed = true;
	if (!c->is_asked || c->is_answered)
		free_call(c);
}

static void close_call(struct local_call *c)
{
	timer_stop(&c->limit);
	if (c->is_closing)
		return;
	c->is_closing = true;
	uv_close((uv_handle_t *)&c->pipe, call_closed);
}

static void call_written(uv_write_t *w, int status UNUSED)
{
	close_call(w->data);
}

void local_answer(struct local_call *c, const char *text)
{
	c->is_answered = true;
	if (c->is_closed) {
		free_call(c);
		return;
	}
	if (c->is_closing)
		return;
	c->answer = mem_printf("%s\n", text);

	uv_buf_t b = uv_buf_init(c->answer, (unsigned)strlen(c->answer));

	if (c->server->is_stopped) { /* nobody waits for it any more */
		(void)uv_try_write((uv_stream_t *)&c->pipe, &b, 1);
		close_call(c);
		return;
	}
	c->write.data = c;
	timer_start(&c->limit, LOCAL_LIMIT_MS);
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &b, 1, call_written) < 0)
		close_call(c);
}

static void call_limit(void *arg)
{
	close_call(arg);
}

static void call_alloc(uv_handle_t *h, size_t wanted UNUSED, uv_buf_t *b)
{
	struct local_call *c = h->data;
	char *at = buf_reserve(&c->line, 4096);

	*b = uv_buf_init(at, at ? 4096 : 0);
}

static void call_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b UNUSED)
{
	struct local_call *c = s->data;

	if (n == 0 && !c->line.overflown)
		return;
	if (n < 0 || c->is_asked) {
		/* Hung up, or more than was asked for. An open question is answered into nowhere. */
		close_call(c);
		return;
	}
	buf_grew(&c->line, (size_t)n);

	char *end = strchr(c->line.data, '\n');

	if (!end)
		return;
	*end = '\0';
	c->is_asked = true;
	timer_stop(&c->limit);
	c->server->asked(c->server->arg, c, c->line.data);
}

static bool is_allowed(const uv_pipe_t *pipe)
{
	struct ucred who;
	socklen_t size = sizeof(who);
	uv_os_fd_t fd = -1;

	return uv_fileno((const uv_handle_t *)pipe, &fd) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	       (who.uid == 0 || who.uid == geteuid());
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct local_server *s = listener->data;

	if (status < 0)
		return;

	struct local_call *c = MEM_NEW(struct local_call);

	c->server = s;
	s->n_calls++;
	DL_APPEND(s->calls, c);
	buf_init(&c->line, LOCAL_MAX_LINE);
	timer_init(&c->limit, s->loop, call_limit, c);
	uv_pipe_init(loop_uv(s->loop), &c->pipe, 0);
	c->pipe.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) < 0 || s->n_calls > LOCAL_MAX_CALLS ||
	    !is_allowed(&c->pipe)) {
		close_call(c);
		return;
	}
	timer_start(&c->limit, LOCAL_LIMIT_MS);
	uv_read_start((uv_stream_t *)&c->pipe, call_alloc, call_read);
}

static void server_closed(uv_handle_t *h)
{
	struct local_server *s = h->data;

	s->is_freed = true;
	unref_server(s);
}

int local_server_new(struct loop *l, const char *path,
                     void (*asked)(void *arg, struct local_call *c, const char *line), void *arg,
                     struct local_server **ret, struct err *err)
{
	struct local_server *s = MEM_NEW(struct local_server);

	s->loop = l;
	s->asked = asked;
	s->arg = arg;
	uv_pipe_init(loop_uv(l), &s->pipe, 0);
	s->pipe.data = s;
	if (!TEXT_SET(s->path, path)) {
		uv_close((uv_handle_t *)&s->pipe, server_closed);
		return err_set(err, -ENAMETOOLONG,
		               "the path %.60s… is too long for a socket (107 bytes)", path);
	}
	/* Ours alone from the first moment: the data folder is 0700, the lock says nobody lives. */
	(void)unlink(path);

	int rc = uv_pipe_bind(&s->pipe, path);

	if (rc == 0 && chmod(path, 0600) < 0)
		rc = -errno;
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&s->pipe, 8, on_connection);
	if (rc < 0) {
		uv_close((uv_handle_t *)&s->pipe, server_closed);
		return err_set(err, rc, "listening on %s: %s", path, uv_strerror(rc));
	}
	*ret = s;
	return 0;
}

void local_server_free(struct local_server *s)
{
	if (!s)
		return;

	struct local_call *c;

	s->is_stopped = true;
	/* Who asked is still answered; who only holds the line is not waited for. */
	DL_FOREACH(s->calls, c)
	{
		if (!c->is_asked || c->is_answered)
			close_call(c);
	}
	(void)unlink(s->path);
	uv_close((uv_handle_t *)&s->pipe, server_closed);
}

static int read_line(int fd, int timeout_ms, struct buf *ret, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		char *at = buf_reserve(ret, 4096);

		if (!at)
			return err_set(err, -EMSGSIZE, "the daemon's answer is too long");

		int n_ready = poll(&p, 1, timeout_ms);

		if (n_ready < 0 && errno == EINTR)
			continue;
		if (n_ready <= 0)
			return err_set(err, -ETIMEDOUT, "the daemon does not answer");

		ssize_t n = read(fd, at, 4096);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, -EPIPE, "the daemon hung up");
		buf_grew(ret, (size_t)n);
		if (ret->data[ret->size - 1] == '\n') {
			ret->data[--ret->size] = '\0';
			return 0;
		}
	}
}

int local_ask(const char *path, const char *line, int timeout_ms, struct buf *ret, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	auto_free char *text = mem_printf("%s\n", line);

	buf_init(ret, (size_t)LOCAL_MAX_LINE * 16);
	if (!TEXT_SET(to.sun_path, path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long for a socket",
		               path);

	auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, "making a socket");

	/* A daemon that is stopped takes neither the call nor the question. */
	struct timeval limit = { .tv_sec = timeout_ms / 1000,
		                 .tv_usec = timeout_ms % 1000 * 1000L };

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0)
		return err_sys(err, "no daemon answers at %s", path);
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		return err_sys(err, "asking the daemon");
	return read_line(fd, timeout_ms, ret, err);
}
