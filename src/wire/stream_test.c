/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/stream.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"
#include "core/loop.h"
#include "wire/tcp_stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct end {
	struct stream *s;
	struct loop *loop;
	struct buf got;
	unsigned n_opened, n_drained, n_closed;
	int code;
	char text[480];
	bool frees_on_bytes, stops_on_close;
};

static void on_opened(void *arg)
{
	((struct end *)arg)->n_opened++;
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct end *e = arg;

	buf_add(&e->got, bytes, size);
	if (e->frees_on_bytes) {
		stream_free(e->s);
		e->s = NULL;
	}
}

static void on_drained(void *arg)
{
	((struct end *)arg)->n_drained++;
}

static void on_closed(void *arg, const struct err *err)
{
	struct end *e = arg;

	e->n_closed++;
	e->code = err->code;
	memcpy(e->text, err->text, sizeof(e->text));
	if (e->stops_on_close)
		loop_stop(e->loop);
}

static void attach(struct end *e, struct loop *l, struct stream *s)
{
	e->s = s;
	e->loop = l;
	stream_listen(s,
	              &(struct stream_events){ on_opened, on_received, on_drained, on_closed, e });
}

static void detach(struct end *e)
{
	stream_free(e->s);
	buf_fini(&e->got);
}

TEST(a_pair_carries_bytes_after_its_latency)
{
	struct loop *l = loop_new_simulated(0);
	struct end a = { 0 }, b = { 0 };
	struct stream *x, *y;

	stream_pair(l, 20, &x, &y);
	attach(&a, l, x);
	attach(&b, l, y);
	loop_advance(l, 1);
	CHECK_INT(a.n_opened + b.n_opened, 2);
	stream_write(a.s, "hello", 5);
	CHECK_INT(stream_queued(a.s), 5);
	loop_advance(l, 10);
	CHECK_INT(b.got.size, 0);
	loop_advance(l, 10);
	CHECK_STR(buf_peek(&b.got), "hello");
	CHECK_INT(a.n_drained, 1);
	CHECK_INT(stream_queued(a.s), 0);
	detach(&a);
	loop_advance(l, 30);
	CHECK_INT(b.n_closed, 1);
	CHECK_INT(b.code, 0);
	detach(&b);
	loop_free(l);
}

TEST(a_pair_delivers_before_it_closes_and_closes_once)
{
	struct loop *l = loop_new_simulated(0);
	struct end a = { 0 }, b = { 0 };
	struct stream *x, *y;

	stream_pair(l, 5, &x, &y);
	attach(&a, l, x);
	attach(&b, l, y);
	loop_advance(l, 1);
	stream_write(a.s, "bye", 3);
	stream_end(a.s);
	stream_end(a.s);
	stream_end(b.s);
	loop_advance(l, 100);
	CHECK_STR(buf_peek(&b.got), "bye");
	CHECK_INT(a.n_closed, 1);
	CHECK_INT(b.n_closed, 1);
	detach(&a);
	detach(&b);
	loop_free(l);
}

TEST(a_paused_reader_gets_nothing_and_loses_nothing)
{
	struct loop *l = loop_new_simulated(0);
	struct end a = { 0 }, b = { 0 };
	struct stream *x, *y;

	stream_pair(l, 0, &x, &y);
	attach(&a, l, x);
	attach(&b, l, y);
	loop_advance(l, 1);
	stream_pause_reading(b.s, true);
	stream_write(a.s, "one", 3);
	stream_write(a.s, "two", 3);
	loop_advance(l, 100);
	CHECK_INT(b.got.size, 0);
	CHECK_INT(stream_queued(a.s), 6);
	stream_pause_reading(b.s, false);
	loop_advance(l, 1);
	CHECK_STR(buf_peek(&b.got), "onetwo");
	detach(&a);
	detach(&b);
	loop_free(l);
}

TEST(a_stream_may_be_freed_inside_its_own_callback)
{
	struct loop *l = loop_new_simulated(0);
	struct end a = { 0 }, b = { .frees_on_bytes = true };
	struct stream *x, *y;

	stream_pair(l, 0, &x, &y);
	attach(&a, l, x);
	attach(&b, l, y);
	loop_advance(l, 1);
	stream_write(a.s, "one", 3);
	stream_write(a.s, "two", 3);
	loop_advance(l, 10);
	CHECK_STR(buf_peek(&b.got), "one");
	CHECK_INT(b.n_closed, 0);
	CHECK_INT(a.n_closed, 1);
	detach(&a);
	detach(&b);
	loop_free(l);
}

TEST(a_writer_whom_nobody_reads_is_stopped)
{
	struct loop *l = loop_new_simulated(0);
	struct end a = { 0 }, b = { 0 };
	struct stream *x, *y;
	char block[1000] = { 0 };

	stream_pair(l, 0, &x, &y);
	attach(&a, l, x);
	attach(&b, l, y);
	loop_advance(l, 1);
	a.s->max_queued = 2500;
	stream_pause_reading(b.s, true);
	for (int i = 0; i < 4; i++)
		stream_write(a.s, block, sizeof(block));
	loop_advance(l, 10);
	CHECK_INT(a.n_closed, 1);
	CHECK_INT(a.code, -ENOBUFS);
	detach(&a);
	detach(&b);
	loop_free(l);
}

/* The other side of a test over real sockets: says everything back, then closes. */
struct echo {
	struct end end;
	struct tcp_listener *listener;
	bool ends_at_once;
};

static void echo_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct echo *e = arg;

	stream_write(e->end.s, bytes, size);
	e->end.got.size += size;
}

static void echo_closed(void *arg, const struct err *err)
{
	struct echo *e = arg;

	(void)err;
	stream_free(e->end.s);
	e->end.s = NULL;
}

static void echo_accepted(void *arg, struct stream *s)
{
	struct echo *e = arg;

	e->end.s = s;
	stream_listen(s, &(struct stream_events){
				 .received = echo_received, .closed = echo_closed, .arg = e });
	if (e->ends_at_once)
		stream_end(s);
}

static void echo_start(struct echo *e, struct loop *l)
{
	struct err err;

	CHECK_INT(tcp_listener_open(l, "127.0.0.1", 0, &(struct tcp_accept){ echo_accepted, e },
	                            &e->listener, &err),
	          0);
}

static void client_write_much(void *arg)
{
	struct end *e = arg;
	static char block[300000];

	e->n_opened++;
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7);
	stream_write(e->s, block, sizeof(block));
	for (int i = 0; i < 100; i++)
		stream_write(e->s, "x", 1);
	stream_end(e->s);
}

TEST(tcp_sends_all_before_it_ends_and_takes_the_answer)
{
	struct loop *l = loop_new();
	struct echo echo = { 0 };
	struct end c = { .loop = l, .stops_on_close = true };

	echo_start(&echo, l);
	c.s = tcp_stream_connect(l, "localhost", tcp_listener_port(echo.listener), 0);
	stream_listen(c.s, &(struct stream_events){ client_write_much, on_received, on_drained,
	                                            on_closed, &c });
	loop_run(l);
	CHECK_INT(c.code, 0);
	CHECK_INT(c.got.size, 300100);
	detach(&c);
	stream_free(echo.end.s);
	tcp_listener_close(echo.listener);
	loop_free(l);
}

TEST(tcp_says_when_nobody_listens)
{
	struct loop *l = loop_new();
	struct echo echo = { 0 };
	struct end c = { .stops_on_close = true };

	echo_start(&echo, l);

	uint16_t port = tcp_listener_port(echo.listener);

	tcp_listener_close(echo.listener);
	/* The port is free again once the closing has gone through the loop. */
	loop_post(l, (void (*)(void *))(void *)loop_stop, l);
	loop_run(l);
	attach(&c, l, tcp_stream_connect(l, "127.0.0.1", port, 0));
	loop_run(l);
	CHECK_INT(c.n_opened, 0);
	CHECK_INT(c.code, -ECONNREFUSED);
	CHECK(strstr(c.text, "refused") != NULL);
	detach(&c);
	loop_free(l);
}

TEST(tcp_says_when_a_name_does_not_exist)
{
	struct loop *l = loop_new();
	struct end c = { .stops_on_close = true };

	attach(&c, l, tcp_stream_connect(l, "no-such-printer.invalid", 1, 0));
	loop_run(l);
	CHECK_INT(c.n_closed, 1);
	CHECK(c.code != 0);
	CHECK(strstr(c.text, "no-such-printer.invalid") != NULL);
	detach(&c);
	loop_free(l);
}

TEST(tcp_may_be_freed_while_a_name_is_looked_up)
{
	struct loop *l = loop_new();

	stream_free(tcp_stream_connect(l, "localhost", 1, 0));
	loop_free(l);
}

TEST(tcp_tells_an_orderly_close)
{
	struct loop *l = loop_new();
	struct echo echo = { .ends_at_once = true };
	struct end c = { .stops_on_close = true };

	echo_start(&echo, l);
	attach(&c, l, tcp_stream_connect(l, "127.0.0.1", tcp_listener_port(echo.listener), 0));
	loop_run(l);
	CHECK_INT(c.n_opened, 1);
	CHECK_INT(c.n_closed, 1);
	CHECK_INT(c.code, 0);
	detach(&c);
	stream_free(echo.end.s);
	tcp_listener_close(echo.listener);
	loop_free(l);
}

/* Takes no connection: its queue is full, so that the kernel drops what asks. */
struct deaf {
	int fd, fillers[4];
};

static bool deaf_start(struct deaf *d, const char *address, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	(void)inet_pton(AF_INET, address, &to.sin_addr);
	d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(d->fd, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(d->fd, 0) < 0) {
		(void)close(d->fd);
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(d->fillers); i++) {
		d->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(d->fillers[i], (struct sockaddr *)&to, sizeof(to));
	}
	return true;
}

static void deaf_stop(struct deaf *d)
{
	for (size_t i = 0; i < ARRAY_LEN(d->fillers); i++)
		(void)close(d->fillers[i]);
	(void)close(d->fd);
}

static void hello_opened(void *arg)
{
	struct end *e = arg;

	e->n_opened++;
	stream_write(e->s, "hello", 5);
	stream_end(e->s);
}

static void say_hello(struct end *c, struct stream *s)
{
	c->s = s;
	stream_listen(
		s, &(struct stream_events){ hello_opened, on_received, on_drained, on_closed, c });
	loop_run(c->loop);
}

TEST(tcp_goes_on_to_the_next_address_when_one_fails_at_once)
{
	/* The first is refused by our own kernel: nobody connects to a group. */
	static const char *const addresses[] = { "224.0.0.1", "127.0.0.1" };
	struct loop *l = loop_new();
	struct echo echo = { 0 };
	struct end c = { .loop = l, .stops_on_close = true };

	echo_start(&echo, l);
	say_hello(&c, tcp_stream_connect_any(l, addresses, 2, tcp_listener_port(echo.listener), 0));
	CHECK_INT(c.n_opened, 1);
	CHECK_INT(c.code, 0);
	CHECK_STR(buf_peek(&c.got), "hello");
	detach(&c);
	stream_free(echo.end.s);
	tcp_listener_close(echo.listener);
	loop_free(l);
}

TEST(tcp_does_not_wait_for_a_silent_address_alone)
{
	static const char *const addresses[] = { "127.0.0.2", "224.0.0.1", "127.0.0.1" };
	struct loop *l = loop_new();
	struct echo echo = { 0 };
	struct end c = { .loop = l, .stops_on_close = true };
	struct deaf deaf;

	echo_start(&echo, l);
	if (!deaf_start(&deaf, addresses[0], tcp_listener_port(echo.listener)))
		SKIP("the port is taken on 127.0.0.2");
	say_hello(&c,
	          tcp_stream_connect_any(l, addresses, 3, tcp_listener_port(echo.listener), 60000));
	CHECK_INT(c.n_opened, 1);
	CHECK_STR(buf_peek(&c.got), "hello");
	detach(&c);
	deaf_stop(&deaf);
	stream_free(echo.end.s);
	tcp_listener_close(echo.listener);
	loop_free(l);
}

TEST(tcp_tells_what_an_address_answered_and_not_that_another_has_no_route)
{
	static const char *const addresses[] = { "224.0.0.1", "127.0.0.1", "224.0.0.2" };
	struct loop *l = loop_new();
	struct echo echo = { 0 };
	struct end c = { .loop = l, .stops_on_close = true };

	echo_start(&echo, l);

	uint16_t port = tcp_listener_port(echo.listener);

	tcp_listener_close(echo.listener);
	loop_post(l, (void (*)(void *))(void *)loop_stop, l);
	loop_run(l);
	say_hello(&c, tcp_stream_connect_any(l, addresses, 3, port, 0));
	CHECK_INT(c.n_opened, 0);
	CHECK_INT(c.n_closed, 1);
	CHECK_INT(c.code, -ECONNREFUSED);
	detach(&c);
	loop_free(l);
}

TEST(tcp_may_be_freed_while_addresses_are_tried)
{
	static const char *const addresses[] = { "224.0.0.1", "127.0.0.1" };
	struct loop *l = loop_new();

	stream_free(tcp_stream_connect_any(l, addresses, 2, 1, 0));
	loop_free(l);
}
