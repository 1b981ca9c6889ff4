/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_conn.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#define SWEEP_MS 1000

static void peer_text(char dst[INET6_ADDRSTRLEN], const struct sockaddr_storage *ss)
{
	const void *addr = &((const struct sockaddr_in *)(const void *)ss)->sin_addr;

	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)ss;

		addr = &in6->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			(void)inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, dst,
			                INET6_ADDRSTRLEN);
			return;
		}
	}
	if (!inet_ntop(ss->ss_family, addr, dst, INET6_ADDRSTRLEN))
		text_copy(dst, INET6_ADDRSTRLEN, "unknown");
}

static bool is_loopback(const char *address)
{
	return text_starts(address, "127.") || strcmp(address, "::1") == 0;
}

static bool has_room_for(const struct http_server *s, const char *address)
{
	unsigned n = 0;

	if (s->n_conns >= s->config.max_connections)
		return false;
	if (is_loopback(address) ||
	    (s->config.is_exempt && s->config.is_exempt(s->config.arg, address)))
		return true;
	for (const struct http_conn *c = s->conns; c; c = c->next)
		n += strcmp(c->address, address) == 0;
	return n < s->config.max_per_address;
}

static void set_accepting(struct http_server *s, bool is_on);

static void on_listener(uv_poll_t *h, int status, int events)
{
	struct http_server *s = h->data;
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
				   "Retry-After: 5\r\nContent-Length: 0\r\n\r\n";

	(void)status;
	(void)events;
	for (unsigned i = 0; i < 64; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t size = sizeof(ss);
		int fd =
			accept4(s->fd, (struct sockaddr *)&ss, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		char address[INET6_ADDRSTRLEN];

		if (fd < 0) {
			/* Out of descriptors: the queue stays readable, so look away for a while. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				set_accepting(s, false);
			return;
		}
		peer_text(address, &ss);
		if (!has_room_for(s, address)) {
			if (!s->ctx)
				(void)!send(fd, busy, sizeof(busy) - 1,
				            MSG_NOSIGNAL | MSG_DONTWAIT);
			(void)close(fd);
			continue;
		}
		http_conn_add(s, fd, address);
	}
}

static void set_accepting(struct http_server *s, bool is_on)
{
	s->is_accepting = is_on;
	if (is_on) {
		uv_poll_start(s->listener, UV_READABLE, on_listener);
	} else {
		uv_poll_stop(s->listener);
		timer_start_every(&s->sweep, SWEEP_MS);
	}
}

static bool is_overdue(const struct http_conn *c, int64_t now_us)
{
	switch (c->phase) {
	case HTTP_PHASE_ASKED:
		return false;
	case HTTP_PHASE_STREAM:
	case HTTP_PHASE_WEBSOCKET:
		return c->n_out > 0 && now_us >= c->deadline_us;
	case HTTP_PHASE_ANSWERING:
		return !c->job && now_us >= c->deadline_us;
	case HTTP_PHASE_BODY:
		return now_us >= MIN(c->deadline_us, c->body_deadline_us);
	case HTTP_PHASE_HANDSHAKE:
	case HTTP_PHASE_HEAD:
	case HTTP_PHASE_LINGER:
		break;
	}
	return now_us >= c->deadline_us;
}

static void sweep(void *arg)
{
	struct http_server *s = arg;
	int64_t now_us = loop_now_us(s->loop);

	for (struct http_conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (!is_overdue(c, now_us))
			continue;
		if (c->phase == HTTP_PHASE_BODY || (c->phase == HTTP_PHASE_HEAD && c->in.size > 0))
			http_request_refuse(c, 408);
		else
			http_conn_close(c);
	}
	if (!s->is_accepting)
		set_accepting(s, true);
	if (s->n_conns == 0)
		timer_stop(&s->sweep);
}

static int make_tls(struct http_server *s, struct err *err)
{
	s->ctx = SSL_CTX_new(TLS_server_method());
	if (!s->ctx)
		return err_set(err, -ENOMEM, "starting TLS failed");
	SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(s->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
	                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(s->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                                 SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_use_certificate_chain_file(s->ctx, s->cert_file) != 1) {
		ERR_clear_error();
		return err_set(err, -EINVAL,
		               "'%s' is not a certificate in PEM form that can be read",
		               s->cert_file);
	}
	if (SSL_CTX_use_PrivateKey_file(s->ctx, s->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(s->ctx) != 1) {
		ERR_clear_error();
		return err_set(err, -EINVAL,
		               "'%s' is not the private key (PEM, without a password) of the "
		               "certificate '%s'",
		               s->key_file, s->cert_file);
	}
	return 0;
}

static int bind_to(struct http_server *s, const struct addrinfo *ai, const char *address,
                   struct err *err)
{
	int one = 1, zero = 0;
	auto_fd int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, "opening a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		if (errno == EADDRINUSE)
			return err_set(err, -EADDRINUSE,
			               "port %u is taken by another program: stop that one, or "
			               "choose another port",
			               s->config.port);
		return err_sys(err, "listening on %s, port %u", address, s->config.port);
	}
	if (listen(fd, 256) < 0)
		return err_sys(err, "listening on %s, port %u", address, s->config.port);

	/* The port stands at the same place for both families. */
	struct sockaddr_in6 bound = { 0 };
	socklen_t size = sizeof(bound);

	if (getsockname(fd, (struct sockaddr *)&bound, &size) < 0)
		return err_sys(err, "asking for the port");
	s->port = ntohs(bound.sin6_port);
	s->fd = STEAL_FD(fd);
	return 0;
}

static int start_listening(struct http_server *s, const char *address, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		                  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *found = NULL;
	bool is_any = !address || !*address;
	char port[8];

	snprintf(port, sizeof(port), "%u", s->config.port);
	if (getaddrinfo(is_any ? "::" : address, port, &hints, &found) != 0)
		return err_set(err, -EINVAL,
		               "'%s' is not an address to listen on: give a number such as "
		               "127.0.0.1, or nothing for all",
		               address);

	int rc = bind_to(s, found, is_any ? "all addresses" : address, err);

	freeaddrinfo(found);
	if (rc == 0 || !is_any || rc == -EADDRINUSE)
		return rc;
	/* A machine without IPv6. */
	return start_listening(s, "0.0.0.0", err);
}

static void free_handle(uv_handle_t *h)
{
	free(h);
}

static void set_defaults(struct http_server_config *c)
{
	if (c->max_connections == 0)
		c->max_connections = 512;
	if (c->max_per_address == 0)
		c->max_per_address = 64;
	if (c->head_timeout_ms == 0)
		c->head_timeout_ms = 10000;
	if (c->idle_timeout_ms == 0)
		c->idle_timeout_ms = 60000;
	if (c->stall_timeout_ms == 0)
		c->stall_timeout_ms = 60000;
}

int http_server_new(struct loop *l, const struct http_server_config *config,
                    struct http_server **ret, struct err *err)
{
	struct http_server *s = MEM_NEW(struct http_server);
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignore, NULL);
	s->loop = l;
	s->config = *config;
	set_defaults(&s->config);
	s->fd = -1;
	s->cert_file = mem_str(config->cert_file);
	s->key_file = mem_str(config->key_file);
	s->headers = mem_str(config->headers);
	timer_init(&s->sweep, l, sweep, s);

	int rc = s->cert_file ? make_tls(s, err) : 0;

	if (rc == 0)
		rc = start_listening(s, config->address, err);
	if (rc < 0) {
		http_server_free(s);
		return rc;
	}
	s->listener = MEM_NEW(uv_poll_t);
	s->listener->data = s;
	uv_poll_init(loop_uv(l), s->listener, s->fd);
	set_accepting(s, true);
	*ret = s;
	return 0;
}

/* Closed in this turn of the loop: whom they would tell is about to go, too. */
static void forget_closing(struct http_server *s, struct http_conn *c)
{
	void (*closed)(void *arg) = c->channel.ev.closed;

	DL_DELETE(s->closing, c);
	c->closing_of = NULL;
	c->channel.ev.closed = NULL;
	if (closed)
		closed(c->channel.ev.arg);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	while (s->conns) {
		struct http_conn *c = s->conns;
		void (*closed)(void *arg) = c->channel.ev.closed;

		c->channel.ev.closed = NULL;
		http_conn_close(c);
		if (closed)
			closed(c->channel.ev.arg);
	}
	while (s->closing)
		forget_closing(s, s->closing);
	timer_stop(&s->sweep);
	if (s->listener) {
		uv_poll_stop(s->listener);
		uv_close((uv_handle_t *)s->listener, free_handle);
	}
	if (s->fd >= 0)
		(void)close(s->fd);
	SSL_CTX_free(s->ctx);
	free(s->cert_file);
	free(s->key_file);
	free(s->headers);
	free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

unsigned http_server_n_connections(const struct http_server *s)
{
	return s->n_conns;
}
