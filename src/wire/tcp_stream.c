/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/tcp_stream.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define LINGER_MS 3000
#define NEXT_ADDRESS_MS 2000 /* a silent address keeps the next one waiting so long */
#define READ_SIZE 65536

enum tcp_state {
	TCP_CONNECTING,
	TCP_OPEN,
	TCP_ENDING, /* our FIN is on its way or out */
	TCP_OVER    /* `closed` was called or is about to be */
};

struct tcp {
	struct stream s; /* first: see stream.h */
	struct loop *loop;
	uv_tcp_t *uv;       /* the socket that is open; NULL before, and once it is closing */
	unsigned n_sockets; /* whose memory speaks of us: attempts, `uv`, those closing */
	enum tcp_state state;
	char host[256];
	uint16_t port;
	struct lookup *lookup;                       /* NULL: none under way */
	struct sockaddr_storage *addresses;          /* while connecting */
	struct attempt *attempts[TCP_MAX_ADDRESSES]; /* NULL: not begun, or failed */
	size_t n_addresses, at;                      /* `at`: the next one to try */
	int failed;         /* how an attempt ended, the one worth telling */
	struct timer limit; /* of connecting, of lingering */
	struct timer next;  /* until the next address is tried beside the others */
	struct timer soon;  /* callbacks that may not be called from inside a stream_… call */
	int64_t timeout_ms;
	size_t n_queued;
	unsigned busy; /* callbacks running: the memory stays until they return */
	bool is_reading, is_paused, is_peer_done, is_freed;
	bool owes_opened, owes_drained, owes_closed;
	struct err why;
};

/* A socket on its way to one address. */
struct attempt {
	uv_tcp_t uv; /* first: its memory goes with the socket's, or becomes the connection's */
	uv_connect_t req;
	struct tcp *owner;
	size_t slot;
};

struct lookup {
	uv_getaddrinfo_t req;
	struct tcp *owner; /* NULL: nobody waits any more */
};

struct write {
	uv_write_t req;
	struct tcp *owner;
	size_t size;
	char bytes[];
};

static void tcp_read(struct tcp *t);
static void tcp_try_next(struct tcp *t);

static struct tcp *tcp_of(struct stream *s)
{
	return CONTAINER_OF(s, struct tcp, s);
}

static void tcp_release(struct tcp *t)
{
	if (!t->is_freed || t->n_sockets > 0 || t->busy > 0)
		return;
	free(t->addresses);
	free(t);
}

static void tcp_on_handle_closed(uv_handle_t *handle)
{
	struct tcp *t = handle->data;

	free(handle);
	t->n_sockets--;
	tcp_release(t);
}

static void tcp_shut(struct tcp *t)
{
	timer_stop(&t->next);
	for (size_t i = 0; i < TCP_MAX_ADDRESSES; i++) {
		if (t->attempts[i])
			uv_close((uv_handle_t *)&t->attempts[i]->uv, tcp_on_handle_closed);
		t->attempts[i] = NULL;
	}
	if (t->uv)
		uv_close((uv_handle_t *)STEAL_PTR(t->uv), tcp_on_handle_closed);
}

/* It is over; the owner is told in the next turn. */
static void tcp_fail(struct tcp *t, int code, const char *what)
{
	if (t->state == TCP_OVER)
		return;
	t->state = TCP_OVER;
	timer_stop(&t->limit);
	if (code)
		err_set(&t->why, code, "%s", what);
	t->owes_closed = true;
	tcp_shut(t);
	timer_start(&t->soon, 0);
}

static void tcp_fail_uv(struct tcp *t, int rc, const char *doing)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "%s %s: %s", doing, t->s.peer, uv_strerror(rc));
	tcp_fail(t, rc, text);
}

/* One at a time, in this order; a callback may free the stream. */
static void tcp_tell(struct tcp *t)
{
	const struct stream_events *e = &t->s.events;

	if (t->owes_opened) {
		t->owes_opened = false;
		timer_start(&t->soon, 0); /* for what else is owed; stopped by stream_free() */
		if (e->opened && t->state != TCP_OVER)
			e->opened(e->arg);
		if (!t->is_freed && t->state == TCP_OPEN)
			tcp_read(t);
		return;
	}
	if (t->owes_drained && t->n_queued == 0) {
		t->owes_drained = false;
		timer_start(&t->soon, 0);
		if (e->drained && t->state == TCP_OPEN)
			e->drained(e->arg);
		return;
	}
	if (t->owes_closed) {
		t->owes_closed = false;
		if (e->closed)
			e->closed(e->arg, &t->why);
	}
}

static void tcp_on_soon(void *arg)
{
	struct tcp *t = arg;

	t->busy++;
	tcp_tell(t);
	t->busy--;
	tcp_release(t);
}

static void tcp_maybe_finish(struct tcp *t)
{
	if (t->is_peer_done && t->n_queued == 0 && t->state != TCP_CONNECTING)
		tcp_fail(t, 0, NULL);
}

static void tcp_on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
	(void)handle;
	(void)wanted;
	/* Freed in tcp_on_bytes: an idle connection holds no read buffer. */
	*ret = uv_buf_init(mem_grow(NULL, 1, READ_SIZE), READ_SIZE);
}

static void tcp_on_bytes(uv_stream_t *uv, ssize_t n, const uv_buf_t *b)
{
	struct tcp *t = uv->data;
	char *bytes = b->base;

	if (n > 0 && !t->is_freed && t->state != TCP_OVER) {
		if (t->s.events.received)
			t->s.events.received(t->s.events.arg, (const uint8_t *)bytes, (size_t)n);
	} else if (n == UV_EOF && !t->is_freed) {
		t->is_peer_done = true;
		uv_read_stop(uv);
		t->is_reading = false;
		if (t->state == TCP_OPEN && t->n_queued > 0)
			timer_start(&t->limit, LINGER_MS);
		tcp_maybe_finish(t);
	} else if (n < 0 && !t->is_freed) {
		/* After our own end a reset is as good as a close. */
		if (t->state == TCP_ENDING)
			tcp_fail(t, 0, NULL);
		else
			tcp_fail_uv(t, (int)n, "reading from");
	}
	free(bytes);
}

static void tcp_read(struct tcp *t)
{
	bool wants = (t->state == TCP_OPEN || t->state == TCP_ENDING) && !t->is_paused &&
	             !t->is_peer_done && !t->owes_opened;

	if (wants == t->is_reading || !t->uv)
		return;
	t->is_reading = wants;
	if (wants)
		uv_read_start((uv_stream_t *)t->uv, tcp_on_alloc, tcp_on_bytes);
	else
		uv_read_stop((uv_stream_t *)t->uv);
}

static void tcp_on_limit(void *arg)
{
	struct tcp *t = arg;
	char text[360];

	if (t->state != TCP_CONNECTING) {
		tcp_fail(t, 0, NULL);
		return;
	}
	(void)snprintf(text, sizeof(text),
	               "connecting to %s: no answer within %d s; is it switched on and is the "
	               "address right?",
	               t->s.peer, (int)(t->timeout_ms / 1000));
	tcp_fail(t, -ETIMEDOUT, text);
}

static void tcp_opened(struct tcp *t)
{
	t->state = TCP_OPEN;
	free(STEAL_PTR(t->addresses));
	timer_stop(&t->limit);
	timer_stop(&t->next);
	uv_tcp_nodelay(t->uv, 1);
	uv_tcp_keepalive(t->uv, 1, 30);
	t->owes_opened = true;
	timer_start(&t->soon, 0);
}

static uv_tcp_t *tcp_make_handle(struct tcp *t, size_t size)
{
	uv_tcp_t *uv = mem_new(size);

	uv_tcp_init(loop_uv(t->loop), uv);
	uv->data = t;
	t->n_sockets++;
	return uv;
}

/* "No way there" of one family says less than what an address of the other answered. */
static bool is_no_route(int rc)
{
	return rc == UV_ENETUNREACH || rc == UV_EAFNOSUPPORT || rc == UV_EADDRNOTAVAIL;
}

/* After an attempt has failed: the next address at once. */
static void tcp_attempt_failed(struct tcp *t, int rc)
{
	bool is_any_left = t->at < t->n_addresses;

	if (t->failed == 0 || is_no_route(t->failed))
		t->failed = rc;
	for (size_t i = 0; i < TCP_MAX_ADDRESSES; i++)
		is_any_left |= t->attempts[i] != NULL;
	if (!is_any_left)
		tcp_fail_uv(t, t->failed, "connecting to");
	else if (t->at < t->n_addresses)
		timer_start(&t->next, 0);
}

static void tcp_on_connected(uv_connect_t *req, int rc)
{
	struct attempt *a = CONTAINER_OF(req, struct attempt, req);
	struct tcp *t = a->owner;

	/* Closed meanwhile: its memory goes in tcp_on_handle_closed(). */
	if (t->is_freed || t->state != TCP_CONNECTING || t->attempts[a->slot] != a)
		return;
	t->attempts[a->slot] = NULL;
	if (rc < 0) {
		uv_close((uv_handle_t *)&a->uv, tcp_on_handle_closed);
		tcp_attempt_failed(t, rc);
		return;
	}
	tcp_shut(t); /* the others */
	t->uv = &a->uv;
	tcp_opened(t);
}

/* As "happy eyeballs" (RFC 8305) do: the addresses one after the other, each beside those that have
 * not answered yet. */
static void tcp_try_next(struct tcp *t)
{
	size_t i = t->at++;
	struct attempt *a = (struct attempt *)(void *)tcp_make_handle(t, sizeof(*a));

	a->owner = t;
	a->slot = i;
	t->attempts[i] = a;
	if (t->at < t->n_addresses)
		timer_start(&t->next,
		            MIN(NEXT_ADDRESS_MS, t->timeout_ms / (2 * (int64_t)t->n_addresses)));

	int rc = uv_tcp_connect(&a->req, &a->uv, (struct sockaddr *)&t->addresses[i],
	                        tcp_on_connected);

	if (rc < 0) {
		t->attempts[i] = NULL;
		uv_close((uv_handle_t *)&a->uv, tcp_on_handle_closed);
		tcp_attempt_failed(t, rc);
	}
}

static void tcp_on_next(void *arg)
{
	struct tcp *t = arg;

	if (t->state == TCP_CONNECTING && t->at < t->n_addresses)
		tcp_try_next(t);
}

static void tcp_set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)(void *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)(void *)a)->sin6_port = htons(port);
}

static bool tcp_add_address(struct tcp *t, const struct addrinfo *a)
{
	if (t->n_addresses == TCP_MAX_ADDRESSES)
		return false;
	memcpy(&t->addresses[t->n_addresses], a->ai_addr, a->ai_addrlen);
	tcp_set_port(&t->addresses[t->n_addresses++], t->port);
	return true;
}

/* The next of its family, from `a` on; NULL: none. */
static const struct addrinfo *of_family(const struct addrinfo *a, int family)
{
	while (a && a->ai_family != family)
		a = a->ai_next;
	return a;
}

/* Both families by turns, beginning with the one that the resolver prefers: a name with many
 * addresses of one family would never be tried by the other. */
static void tcp_take_addresses(struct tcp *t, const struct addrinfo *found)
{
	int first = found && found->ai_family == AF_INET ? AF_INET : AF_INET6;
	int second = first == AF_INET ? AF_INET6 : AF_INET;
	const struct addrinfo *a = of_family(found, first), *b = of_family(found, second);

	while (a || b) {
		if ((a && !tcp_add_address(t, a)) || (b && !tcp_add_address(t, b)))
			return;
		a = a ? of_family(a->ai_next, first) : NULL;
		b = b ? of_family(b->ai_next, second) : NULL;
	}
}

static void tcp_on_resolved(uv_getaddrinfo_t *req, int rc, struct addrinfo *found)
{
	struct lookup *k = CONTAINER_OF(req, struct lookup, req);
	struct tcp *t = k->owner;

	free(k);
	if (!t) {
		uv_freeaddrinfo(found);
		return;
	}
	t->lookup = NULL;
	if (t->state != TCP_CONNECTING) {
		uv_freeaddrinfo(found);
		return;
	}
	if (rc < 0) {
		char text[400];

		(void)snprintf(text, sizeof(text),
		               "there is no host '%.200s' (%s); is the name spelled right?",
		               t->host, uv_strerror(rc));
		tcp_fail(t, -ENOENT, text);
		return;
	}
	tcp_take_addresses(t, found);
	uv_freeaddrinfo(found);
	if (t->n_addresses > 0)
		tcp_try_next(t);
	else
		tcp_fail_uv(t, UV_EAI_NONAME, "connecting to");
}

static bool read_address(const char *text, uint16_t port, struct sockaddr_storage *ret)
{
	return uv_ip4_addr(text, port, (struct sockaddr_in *)(void *)ret) == 0 ||
	       uv_ip6_addr(text, port, (struct sockaddr_in6 *)(void *)ret) == 0;
}

static void tcp_resolve(struct tcp *t)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };

	if (read_address(t->host, t->port, &t->addresses[0])) {
		t->n_addresses = 1;
		tcp_try_next(t);
		return;
	}
	t->lookup = MEM_NEW(struct lookup);
	t->lookup->owner = t;

	int rc = uv_getaddrinfo(loop_uv(t->loop), &t->lookup->req, tcp_on_resolved, t->host, NULL,
	                        &hints);

	if (rc < 0) {
		free(t->lookup);
		t->lookup = NULL;
		tcp_fail_uv(t, rc, "resolving");
	}
}

static void tcp_overflow(struct tcp *t)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "%s takes nothing: %zu bytes wait for it", t->s.peer,
	               t->n_queued);
	tcp_fail(t, -ENOBUFS, text);
}

static void tcp_on_written(uv_write_t *req, int rc)
{
	struct write *w = CONTAINER_OF(req, struct write, req);
	struct tcp *t = w->owner;

	t->n_queued -= w->size;
	free(w);
	if (t->is_freed || t->state == TCP_OVER)
		return;
	if (rc < 0) {
		tcp_fail_uv(t, rc, "writing to");
		return;
	}
	if (t->n_queued == 0) {
		t->owes_drained = true;
		timer_start(&t->soon, 0);
	}
	tcp_maybe_finish(t);
}

static void tcp_op_write(struct stream *s, const void *bytes, size_t size)
{
	struct tcp *t = tcp_of(s);
	const char *rest = bytes;

	if (t->state != TCP_OPEN)
		return;
	if (t->n_queued == 0) {
		uv_buf_t b =
			uv_buf_init((char *)(uintptr_t)bytes, (unsigned)MIN(size, (size_t)1 << 30));
		int n = uv_try_write((uv_stream_t *)t->uv, &b, 1);

		if (n > 0) {
			rest += n;
			size -= (size_t)n;
		}
		if (size == 0) {
			t->owes_drained = true;
			timer_start(&t->soon, 0);
			return;
		}
	}
	if (t->n_queued + size > (s->max_queued ? s->max_queued : STREAM_MAX_QUEUED)) {
		tcp_overflow(t);
		return;
	}

	struct write *w = mem_grow(NULL, 1, sizeof(*w) + size);

	w->owner = t;
	w->size = size;
	memcpy(w->bytes, rest, size);
	t->n_queued += size;

	uv_buf_t b = uv_buf_init(w->bytes, (unsigned)size);
	int rc = uv_write(&w->req, (uv_stream_t *)t->uv, &b, 1, tcp_on_written);

	if (rc < 0) {
		t->n_queued -= size;
		free(w);
		tcp_fail_uv(t, rc, "writing to");
	}
}

static size_t tcp_op_queued(const struct stream *s)
{
	return ((const struct tcp *)(const void *)s)->n_queued;
}

static void tcp_op_pause(struct stream *s, bool is_paused)
{
	struct tcp *t = tcp_of(s);

	t->is_paused = is_paused;
	tcp_read(t);
}

static void tcp_on_shut(uv_shutdown_t *req, int rc)
{
	(void)rc;
	free(req);
}

static void tcp_op_end(struct stream *s)
{
	struct tcp *t = tcp_of(s);

	if (t->state == TCP_CONNECTING) {
		tcp_fail(t, 0, NULL);
		return;
	}
	if (t->state != TCP_OPEN)
		return;
	t->state = TCP_ENDING;
	t->is_paused = false;

	uv_shutdown_t *req = MEM_NEW(uv_shutdown_t);

	if (uv_shutdown(req, (uv_stream_t *)t->uv, tcp_on_shut) < 0)
		free(req);
	tcp_read(t);
	timer_start(&t->limit, LINGER_MS);
	tcp_maybe_finish(t);
}

static void tcp_op_free(struct stream *s)
{
	struct tcp *t = tcp_of(s);

	t->is_freed = true;
	timer_stop(&t->limit);
	timer_stop(&t->soon);
	timer_stop(&t->next);
	if (t->lookup) {
		t->lookup->owner = NULL;
		(void)uv_cancel((uv_req_t *)&t->lookup->req);
		t->lookup = NULL;
	}
	tcp_shut(t);
	tcp_release(t);
}

static const struct stream_ops tcp_ops = {
	.write = tcp_op_write,
	.queued = tcp_op_queued,
	.pause = tcp_op_pause,
	.end = tcp_op_end,
	.free = tcp_op_free,
};

static struct tcp *tcp_new(struct loop *l)
{
	struct tcp *t = MEM_NEW(struct tcp);

	assert(!loop_is_simulated(l));
	t->s.ops = &tcp_ops;
	t->loop = l;
	timer_init(&t->limit, l, tcp_on_limit, t);
	timer_init(&t->next, l, tcp_on_next, t);
	timer_init(&t->soon, l, tcp_on_soon, t);
	return t;
}

static struct tcp *tcp_new_to(struct loop *l, const char *host, uint16_t port, int64_t timeout_ms)
{
	struct tcp *t = tcp_new(l);

	TEXT_SET(t->host, host);
	t->port = port;
	(void)snprintf(t->s.peer, sizeof(t->s.peer), strchr(host, ':') ? "[%.64s]:%u" : "%.64s:%u",
	               host, port);
	t->addresses = mem_new_array(TCP_MAX_ADDRESSES, sizeof(*t->addresses));
	t->timeout_ms = timeout_ms > 0 ? timeout_ms : TCP_CONNECT_TIMEOUT_MS;
	timer_start(&t->limit, t->timeout_ms);
	return t;
}

struct stream *tcp_stream_connect(struct loop *l, const char *host, uint16_t port,
                                  int64_t timeout_ms)
{
	struct tcp *t = tcp_new_to(l, host, port, timeout_ms);

	tcp_resolve(t);
	return &t->s;
}

struct stream *tcp_stream_connect_any(struct loop *l, const char *const *addresses, size_t n,
                                      uint16_t port, int64_t timeout_ms)
{
	struct tcp *t = tcp_new_to(l, n > 0 ? addresses[0] : "", port, timeout_ms);

	for (size_t i = 0; i < n && t->n_addresses < TCP_MAX_ADDRESSES; i++)
		t->n_addresses += read_address(addresses[i], port, &t->addresses[t->n_addresses]);
	if (t->n_addresses > 0)
		tcp_try_next(t);
	else
		tcp_fail_uv(t, UV_EINVAL, "connecting to");
	return &t->s;
}

struct stream *tcp_stream_adopt(struct loop *l, int fd, const char *peer)
{
	struct tcp *t = tcp_new(l);

	TEXT_SET(t->s.peer, peer);
	t->uv = tcp_make_handle(t, sizeof(*t->uv));

	int rc = uv_tcp_open(t->uv, fd);

	if (rc < 0) {
		(void)close(fd);
		tcp_fail_uv(t, rc, "taking over the connection to");
	} else {
		tcp_opened(t);
	}
	return &t->s;
}

static void address_text(const struct sockaddr *a, char *dst, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "";

	if (a->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a;

		uv_ip4_name(in, host, sizeof(host));
		(void)snprintf(dst, size, "%s:%u", host, ntohs(in->sin_port));
	} else if (a->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)a;

		uv_ip6_name(in, host, sizeof(host));
		(void)snprintf(dst, size, "[%s]:%u", host, ntohs(in->sin6_port));
	} else {
		text_copy(dst, size, "?");
	}
}

bool tcp_stream_local_address(const struct stream *s, char *dst, size_t size)
{
	const struct tcp *t = (const struct tcp *)(const void *)s;
	struct sockaddr_storage a = { 0 };
	int n = sizeof(a);

	if (s->ops != &tcp_ops || !t->uv)
		return false;
	if (uv_tcp_getsockname(t->uv, (struct sockaddr *)&a, &n) < 0)
		return false;
	if (a.ss_family == AF_INET)
		return uv_ip4_name((struct sockaddr_in *)(void *)&a, dst, size) == 0;
	return uv_ip6_name((struct sockaddr_in6 *)(void *)&a, dst, size) == 0;
}

/* The listener. */

struct tcp_listener {
	uv_tcp_t uv;
	struct loop *loop;
	struct tcp_accept to;
	uint16_t port;
};

static void listener_on_connection(uv_stream_t *uv, int rc)
{
	struct tcp_listener *k = uv->data;

	if (rc < 0)
		return;

	struct tcp *t = tcp_new(k->loop);
	struct sockaddr_storage a = { 0 };
	int n = sizeof(a);

	t->uv = tcp_make_handle(t, sizeof(*t->uv));
	if (uv_accept(uv, (uv_stream_t *)t->uv) < 0) {
		tcp_op_free(&t->s);
		return;
	}
	if (uv_tcp_getpeername(t->uv, (struct sockaddr *)&a, &n) == 0)
		address_text((struct sockaddr *)&a, t->s.peer, sizeof(t->s.peer));
	tcp_opened(t);
	k->to.accepted(k->to.arg, &t->s);
}

static void listener_on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int tcp_listener_open(struct loop *l, const char *address, uint16_t port,
                      const struct tcp_accept *to, struct tcp_listener **ret, struct err *err)
{
	struct sockaddr_storage a = { 0 };
	int n = sizeof(a);

	if (uv_ip4_addr(address, port, (struct sockaddr_in *)(void *)&a) != 0 &&
	    uv_ip6_addr(address, port, (struct sockaddr_in6 *)(void *)&a) != 0)
		return err_set(err, -EINVAL, "'%s' is not an IP address to listen on", address);

	struct tcp_listener *k = MEM_NEW(struct tcp_listener);

	k->loop = l;
	k->to = *to;
	k->uv.data = k;
	uv_tcp_init(loop_uv(l), &k->uv);

	int rc = uv_tcp_bind(&k->uv, (struct sockaddr *)&a, 0);

	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&k->uv, 64, listener_on_connection);
	if (rc == 0)
		rc = uv_tcp_getsockname(&k->uv, (struct sockaddr *)&a, &n);
	if (rc < 0) {
		uv_close((uv_handle_t *)&k->uv, listener_on_closed);
		return err_set(err, rc, "listening on %s port %u: %s%s", address, port,
		               uv_strerror(rc),
		               rc == UV_EADDRINUSE ? "; is another program using it?"
		               : rc == UV_EACCES   ? "; ports below 1024 need a privilege"
		                                   : "");
	}
	k->port = ntohs(a.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&a)->sin_port
	                                       : ((struct sockaddr_in6 *)(void *)&a)->sin6_port);
	*ret = k;
	return 0;
}

uint16_t tcp_listener_port(const struct tcp_listener *t)
{
	return t->port;
}

void tcp_listener_close(struct tcp_listener *t)
{
	if (t)
		uv_close((uv_handle_t *)&t->uv, listener_on_closed);
}
