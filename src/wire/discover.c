/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/discover.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/stream.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define GROUP "239.255.255.250"
#define MAX_PORTS 4
#define DATAGRAM_SIZE 2048
#define DETECT_TIMEOUT_MS 5000

struct listener {
	uv_udp_t udp;
	uint16_t port;
	struct discover *owner;
	bool is_open;
};

struct discover {
	struct discover_events events;
	struct listener listeners[MAX_PORTS];
	unsigned n_closing;
	bool is_stopped;
	char datagram[DATAGRAM_SIZE];
};

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct listener *li = h->data;

	(void)wanted;
	*ret = uv_buf_init(li->owner->datagram, sizeof(li->owner->datagram));
}

static void on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *b, const struct sockaddr *from,
                        unsigned flags)
{
	struct listener *li = udp->data;
	struct discover_found f;
	char sender[64];

	if (n <= 0 || !from || (flags & UV_UDP_PARTIAL) || li->owner->is_stopped)
		return;
	if (discover_parse(b->base, (size_t)n, &f) < 0)
		return;
	if (from->sa_family != AF_INET ||
	    uv_ip4_name((const struct sockaddr_in *)(const void *)from, sender, sizeof(sender)) < 0)
		return;
	/* Anyone can send these: believe only who speaks of itself. */
	if (text_equal(sender, f.address))
		li->owner->events.found(li->owner->events.arg, &f);
}

/* On every interface, so that printers on a second network are heard too. */
static void join_group(int fd)
{
	struct ifaddrs *list = NULL;

	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		struct ip_mreq m = { 0 };

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    !(i->ifa_flags & IFF_MULTICAST))
			continue;
		m.imr_interface = ((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr;
		(void)inet_pton(AF_INET, GROUP, &m.imr_multiaddr);
		(void)setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m));
	}
	freeifaddrs(list);
}

static int open_socket(uint16_t port, struct err *err)
{
	auto_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int yes = 1;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (fd < 0)
		return err_sys(err, "a socket for UDP port %u", port);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes));
	(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &yes, sizeof(yes));
	if (bind(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return err_sys(err, "listening on UDP port %u", port);
	join_group(fd);
	return STEAL_FD(fd);
}

static void on_closed(uv_handle_t *h)
{
	struct listener *li = h->data;
	struct discover *d = li->owner;

	li->is_open = false;
	if (--d->n_closing == 0)
		free(d);
}

static int listener_open(struct loop *l, struct discover *d, struct listener *li, uint16_t port,
                         struct err *err)
{
	int fd = open_socket(port, err);

	if (fd < 0)
		return fd;
	li->port = port;
	li->owner = d;
	uv_udp_init(loop_uv(l), &li->udp);
	li->udp.data = li;
	li->is_open = true;
	if (uv_udp_open(&li->udp, fd) < 0) {
		(void)close(fd);
		return err_set(err, -EIO, "listening on UDP port %u failed", port);
	}
	(void)uv_udp_recv_start(&li->udp, on_alloc, on_datagram);
	return 0;
}

int discover_start(struct loop *l, const uint16_t *ports, const struct discover_events *events,
                   struct discover **ret, struct err *err)
{
	static const uint16_t usual[] = { 2021, 1990, 0 };
	struct discover *d = MEM_NEW(struct discover);
	unsigned n = 0;
	bool is_any_open = false;
	int rc = 0;

	assert(!loop_is_simulated(l));
	d->events = *events;
	if (!ports)
		ports = usual;
	for (size_t i = 0; i < MAX_PORTS && ports[i]; i++) {
		int one = listener_open(l, d, &d->listeners[i], ports[i], err);

		if (one == 0)
			n++;
		else
			rc = one;
	}
	if (n == 0) {
		/* A handle that was made and could not be used is still to be closed. */
		for (size_t i = 0; i < MAX_PORTS; i++)
			is_any_open |= d->listeners[i].is_open;
		if (is_any_open)
			discover_stop(d);
		else
			free(d);
		return rc < 0 ? rc : err_set(err, -EINVAL, "no port to listen on");
	}
	*ret = d;
	return 0;
}

static void send_to(struct listener *li, const char *address, const struct buf *b)
{
	struct sockaddr_in to;
	uv_buf_t part = uv_buf_init(b->data, (unsigned)b->size);

	if (uv_ip4_addr(address, li->port, &to) == 0)
		(void)uv_udp_try_send(&li->udp, &part, 1, (const struct sockaddr *)&to);
}

void discover_search(struct discover *d)
{
	struct buf b;

	buf_init(&b, 0);
	discover_write_search(&b);
	for (size_t i = 0; i < MAX_PORTS; i++) {
		if (!d->listeners[i].is_open)
			continue;
		send_to(&d->listeners[i], GROUP, &b);
		send_to(&d->listeners[i], "255.255.255.255", &b);
	}
	buf_fini(&b);
}

void discover_stop(struct discover *d)
{
	if (!d)
		return;
	d->is_stopped = true;
	for (size_t i = 0; i < MAX_PORTS; i++)
		d->n_closing += d->listeners[i].is_open;
	for (size_t i = 0; i < MAX_PORTS; i++) {
		if (d->listeners[i].is_open)
			uv_close((uv_handle_t *)&d->listeners[i].udp, on_closed);
	}
}

/* ---- the question over TCP ---- */

struct detect {
	struct stream *stream;
	struct timer limit;
	struct buf got;
	bool is_done;
	void (*done)(void *arg, const struct discover_found *f, const struct err *err);
	void *arg;
};

static void detect_end(struct detect *d, const struct discover_found *f, const struct err *err)
{
	if (d->is_done)
		return;
	d->is_done = true;
	timer_stop(&d->limit);
	d->done(d->arg, f, err); /* may free it: last */
}

static void detect_opened(void *arg)
{
	struct detect *d = arg;
	struct buf b;

	buf_init(&b, 0);
	detect_write_request(&b);
	stream_write(d->stream, b.data, b.size);
	buf_fini(&b);
}

static void detect_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct detect *d = arg;
	struct discover_found f;
	struct err err = { 0 };

	buf_add(&d->got, bytes, size);

	int rc = d->got.overflown ? -EBADMSG : detect_parse(d->got.data, d->got.size, &f);

	if (rc == -EAGAIN)
		return;
	if (rc < 0)
		(void)err_set(&err, rc, "%s is no Bambu printer: its answer makes no sense",
		              stream_peer(d->stream));
	detect_end(d, rc < 0 ? NULL : &f, rc < 0 ? &err : NULL);
}

static void detect_closed(void *arg, const struct err *why)
{
	struct detect *d = arg;
	struct err err = *why;

	if (err.code == 0)
		(void)err_set(&err, -ECONNRESET, "%s closed the connection without an answer",
		              stream_peer(d->stream));
	detect_end(d, NULL, &err);
}

static void detect_too_long(void *arg)
{
	struct detect *d = arg;
	struct err err = { 0 };

	(void)err_set(&err, -ETIMEDOUT, "%s does not answer", stream_peer(d->stream));
	detect_end(d, NULL, &err);
}

struct detect *detect_start(struct loop *l, struct stream *s,
                            void (*done)(void *arg, const struct discover_found *f,
                                         const struct err *err),
                            void *arg)
{
	struct detect *d = MEM_NEW(struct detect);
	struct stream_events e = { detect_opened, detect_received, NULL, detect_closed, d };

	d->stream = s;
	d->done = done;
	d->arg = arg;
	buf_init(&d->got, 8192);
	timer_init(&d->limit, l, detect_too_long, d);
	timer_start(&d->limit, DETECT_TIMEOUT_MS);
	stream_listen(s, &e);
	return d;
}

void detect_free(struct detect *d)
{
	if (!d)
		return;
	timer_stop(&d->limit);
	stream_free(d->stream);
	buf_fini(&d->got);
	free(d);
}
