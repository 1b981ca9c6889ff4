/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/tls_stream.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "wire/tcp_stream.h"
#include "wire/tls_make.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NOW_MS ((int64_t)1790000000000)
#define YEAR_MS ((int64_t)365 * 86400000)
#define SERIAL "01S00A000000001"

/* A chain of the shape of the printers': root, intermediate, leaf of version 1. */
struct chain {
	char *root, *root_key, *middle, *middle_key, *leaf, *leaf_key;
	char certificate[300], key[300];
	uint8_t sha256[32];
};

static void chain_fresh(struct chain *c, const char *cn)
{
	struct err err = { 0 };
	struct tls_make m = { .cn = "Test Root",
		              .organization = "Test Co., Ltd",
		              .country = "CN",
		              .is_ca = true,
		              .not_before_ms = NOW_MS - YEAR_MS,
		              .not_after_ms = NOW_MS + 10 * YEAR_MS };

	CHECK_INT(tls_make_certificate(&m, &c->root, &c->root_key, &err), 0);
	m.cn = "Test Device CA";
	m.issuer_pem = c->root;
	m.issuer_key_pem = c->root_key;
	CHECK_INT(tls_make_certificate(&m, &c->middle, &c->middle_key, &err), 0);
	m = (struct tls_make){ .cn = cn,
		               .is_version_1 = true,
		               .not_before_ms = NOW_MS - YEAR_MS,
		               .not_after_ms = NOW_MS + 5 * YEAR_MS,
		               .issuer_pem = c->middle,
		               .issuer_key_pem = c->middle_key };
	CHECK_INT(tls_make_certificate(&m, &c->leaf, &c->leaf_key, &err), 0);
	CHECK(tls_pem_sha256(c->leaf, c->sha256));

	const char *dir = test_tmp_dir();
	auto_free char *both = mem_printf("%s%s", c->leaf, c->middle);

	(void)snprintf(c->certificate, sizeof(c->certificate), "%s/leaf.pem", dir);
	(void)snprintf(c->key, sizeof(c->key), "%s/key.pem", dir);
	CHECK_INT(fs_write_atomic(c->certificate, both, strlen(both), 0600, &err), 0);
	CHECK_INT(fs_write_atomic(c->key, c->leaf_key, strlen(c->leaf_key), 0600, &err), 0);
}

/* Finding keys takes long: two chains serve all tests of this file. */
static const struct chain *chain_get(unsigned which)
{
	static struct chain chains[2];

	if (!chains[which].leaf)
		chain_fresh(&chains[which], SERIAL);
	return &chains[which];
}

struct end {
	struct stream *s;
	struct loop *loop; /* stopped when it closes; NULL: not */
	struct buf got;
	unsigned n_opened, n_closed, n_drained;
	int code;
	char text[480];
	const char *says; /* when opened */
	bool is_echo, is_resumed;
};

static void on_opened(void *arg)
{
	struct end *e = arg;

	e->n_opened++;
	e->is_resumed = tls_stream_was_resumed(e->s);
	if (e->says)
		stream_write(e->s, e->says, strlen(e->says));
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct end *e = arg;

	buf_add(&e->got, bytes, size);
	if (e->is_echo)
		stream_write(e->s, bytes, size);
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
	if (e->loop)
		loop_stop(e->loop);
}

static void attach(struct end *e, struct stream *s)
{
	e->s = s;
	stream_listen(s,
	              &(struct stream_events){ on_opened, on_received, on_drained, on_closed, e });
}

/* A TLS client and a TLS server at the two ends of a pipe in memory, on simulated time. */
struct pair {
	struct loop *loop;
	struct tls_server *server;
	struct stream *raw; /* when the server's end shall stay bare */
	struct end c, d;
};

static void pair_start(struct pair *p, const struct chain *k, const struct tls_client *c,
                       const struct tls_server_config *more)
{
	struct stream *a, *b;
	struct err err = { 0 };
	struct tls_server_config config = more ? *more : (struct tls_server_config){ 0 };

	config.certificate_file = k->certificate;
	config.key_file = k->key;
	if (!p->loop)
		p->loop = loop_new_simulated(NOW_MS);
	if (!p->server)
		CHECK_INT(tls_server_new(&config, &p->server, &err), 0);
	stream_pair(p->loop, 3, &a, &b);
	attach(&p->d, tls_server_accept(p->server, p->loop, b));
	attach(&p->c, tls_stream_over(p->loop, a, c));
	loop_advance(p->loop, 200);
}

static void pair_fini(struct pair *p)
{
	stream_free(p->c.s);
	stream_free(p->d.s);
	buf_fini(&p->c.got);
	buf_fini(&p->d.got);
	tls_server_free(p->server);
	loop_free(p->loop);
}

TEST(a_chain_of_the_printers_shape_is_trusted_and_talks)
{
	const struct chain *k = chain_get(0);
	struct pair p = { .c.says = "hello", .d.is_echo = true };

	pair_start(&p, k, &(struct tls_client){ .ca_pem = k->root, .expected_cn = SERIAL }, NULL);
	CHECK_INT(p.c.n_opened, 1);
	CHECK_INT(p.d.n_opened, 1);
	CHECK_STR(buf_peek(&p.c.got), "hello");
	CHECK(p.d.n_drained > 0);
	stream_end(p.c.s);
	loop_advance(p.loop, 100);
	CHECK_INT(p.c.n_closed, 1);
	CHECK_INT(p.d.n_closed, 1);
	CHECK_INT(p.c.code, 0);
	CHECK_INT(p.d.code, 0);
	pair_fini(&p);
}

TEST(a_leaf_alone_is_trusted_when_its_intermediate_is_known)
{
	const struct chain *k = chain_get(0);
	struct pair p = { 0 }, q = { 0 };
	const struct tls_server_config bare = { .sends_only_leaf = true, .max_version = 12 };

	pair_start(&p, k, &(struct tls_client){ .ca_pem = k->middle, .expected_cn = SERIAL },
	           &bare);
	CHECK_INT(p.c.n_opened, 1);
	CHECK_STR(tls_stream_version(p.c.s), "TLSv1.2");
	pair_start(&q, k, &(struct tls_client){ .ca_pem = k->root, .expected_cn = SERIAL }, &bare);
	CHECK_INT(q.c.n_opened, 0);
	CHECK_INT(q.c.code, -EACCES);
	pair_fini(&p);
	pair_fini(&q);
}

/* Refused: nothing reached the server, the reason names what is to be done. */
static void check_refused(const struct chain *k, const struct tls_client *c, int64_t at_ms,
                          const char *word)
{
	struct pair p = { .c.says = "the access code", .loop = loop_new_simulated(at_ms) };
	struct tls_leaf leaf;

	pair_start(&p, k, c, NULL);
	CHECK_INT(p.c.n_opened, 0);
	CHECK_INT(p.c.n_closed, 1);
	CHECK_INT(p.c.code, -EACCES);
	CHECK_INT(p.d.got.size, 0);
	CHECK(strstr(p.c.text, word) != NULL);
	CHECK(tls_stream_peer_leaf(p.c.s, &leaf));
	CHECK(!leaf.is_trusted);
	CHECK(memcmp(leaf.sha256, k->sha256, 32) == 0);
	CHECK_STR(leaf.subject_cn, SERIAL);
	CHECK_STR(leaf.reason, p.c.text);
	pair_fini(&p);
}

TEST(who_is_not_trusted_gets_nothing_and_the_reason_is_said)
{
	const struct chain *k = chain_get(0), *other = chain_get(1);

	/* the chain of another CA */
	check_refused(other, &(struct tls_client){ .ca_pem = k->root, .expected_cn = SERIAL },
	              NOW_MS, "does not chain");
	check_refused(k, &(struct tls_client){ .expected_cn = SERIAL }, NOW_MS, "does not chain");
	/* another serial, the right one in small letters, a prefix */
	check_refused(k,
	              &(struct tls_client){ .ca_pem = k->root, .expected_cn = "01S00A000000002" },
	              NOW_MS, "not to serial '01S00A000000002'");
	check_refused(k,
	              &(struct tls_client){ .ca_pem = k->root, .expected_cn = "01s00a000000001" },
	              NOW_MS, "capital letters");
	check_refused(k, &(struct tls_client){ .ca_pem = k->root, .expected_cn = "01S00A00000000" },
	              NOW_MS, "another printer");
	/* the clock of this computer, before and after */
	check_refused(k, &(struct tls_client){ .ca_pem = k->root, .expected_cn = SERIAL },
	              NOW_MS - 30 * YEAR_MS, "set the clock");
	check_refused(k, &(struct tls_client){ .ca_pem = k->root, .expected_cn = SERIAL },
	              NOW_MS + 6 * YEAR_MS, "ran out");
	/* a pin that is another's */
	check_refused(k, &(struct tls_client){ .trust = TLS_TRUST_PIN }, NOW_MS, "pinned");
}

TEST(a_pin_trusts_one_certificate_whatever_its_chain_and_the_clock)
{
	const struct chain *k = chain_get(0);
	struct pair p = { .loop = loop_new_simulated(NOW_MS + 20 * YEAR_MS) };
	struct tls_client c = { .trust = TLS_TRUST_PIN };
	struct tls_leaf leaf;

	memcpy(c.pin, k->sha256, 32);
	pair_start(&p, k, &c, NULL);
	CHECK_INT(p.c.n_opened, 1);
	CHECK(tls_stream_peer_leaf(p.c.s, &leaf) && leaf.is_trusted);
	pair_fini(&p);
}

TEST(insecure_takes_anything_and_still_shows_the_leaf)
{
	const struct chain *k = chain_get(0);
	struct pair p = { 0 };
	struct tls_leaf leaf;

	pair_start(&p, k, &(struct tls_client){ .trust = TLS_TRUST_INSECURE }, NULL);
	CHECK_INT(p.c.n_opened, 1);
	CHECK(tls_stream_peer_leaf(p.c.s, &leaf));
	CHECK_STR(leaf.subject_cn, SERIAL);
	CHECK(leaf.not_after_ms > NOW_MS);
	pair_fini(&p);
}

TEST(a_session_is_resumed_only_by_the_printer_it_belongs_to)
{
	const struct chain *k = chain_get(0);
	struct pair p = { 0 };
	struct tls_client c = { .expected_cn = SERIAL, .max_version = 12 };

	c.ca_pem = k->root;
	pair_start(&p, k, &c, NULL);
	CHECK_INT(p.c.n_opened, 1);
	CHECK(!p.c.is_resumed);
	c.session = tls_stream_session(p.c.s);
	CHECK(c.session != NULL);

	struct end c1 = p.c, d1 = p.d;

	p.c = p.d = (struct end){ 0 };
	pair_start(&p, k, &c, NULL);
	CHECK(p.c.is_resumed);
	CHECK(p.d.is_resumed);
	stream_free(p.c.s);
	stream_free(p.d.s);
	p.c = p.d = (struct end){ .says = "secret" };
	c.expected_cn = "01S00A000000009";
	pair_start(&p, k, &c, NULL);
	CHECK_INT(p.c.n_opened, 0);
	CHECK_INT(p.d.got.size, 0);
	tls_session_free(c.session);
	stream_free(c1.s);
	stream_free(d1.s);
	pair_fini(&p);
}

TEST(a_peer_that_is_no_tls_server_is_named)
{
	struct loop *l = loop_new_simulated(NOW_MS);
	struct stream *a, *b;
	struct end c = { 0 }, raw = { .says = "220 (vsFTPd 3.0.5)\r\n" };

	stream_pair(l, 1, &a, &b);
	attach(&raw, b);
	attach(&c, tls_stream_over(l, a, &(struct tls_client){ .trust = TLS_TRUST_INSECURE }));
	loop_advance(l, 100);
	CHECK_INT(c.n_closed, 1);
	CHECK_INT(c.code, -EPROTO);
	CHECK(strstr(c.text, "TLS with") != NULL);
	stream_free(c.s);
	stream_free(raw.s);
	buf_fini(&raw.got);
	loop_free(l);
}

TEST(a_peer_that_says_nothing_or_vanishes_in_the_handshake_is_given_up)
{
	struct loop *l = loop_new_simulated(NOW_MS);
	struct stream *a, *b;
	struct end c = { 0 }, raw = { 0 };

	stream_pair(l, 1, &a, &b);
	attach(&raw, b);
	attach(&c, tls_stream_over(l, a, &(struct tls_client){ .trust = TLS_TRUST_INSECURE }));
	loop_advance(l, 9000);
	CHECK_INT(c.n_closed, 0);
	CHECK(raw.got.size > 100); /* the ClientHello */
	loop_advance(l, 2000);
	CHECK_INT(c.code, -ETIMEDOUT);
	stream_free(c.s);
	stream_free(raw.s);
	buf_fini(&raw.got);

	c = raw = (struct end){ 0 };
	stream_pair(l, 1, &a, &b);
	attach(&raw, b);
	attach(&c, tls_stream_over(l, a, &(struct tls_client){ .trust = TLS_TRUST_INSECURE }));
	loop_advance(l, 10);
	stream_free(raw.s);
	loop_advance(l, 10);
	CHECK_INT(c.code, -ECONNRESET);
	CHECK(strstr(c.text, "during the TLS handshake") != NULL);
	stream_free(c.s);
	buf_fini(&raw.got);
	loop_free(l);
}

TEST(a_close_without_close_notify_is_a_close)
{
	const struct chain *k = chain_get(0);
	struct pair p = { .c.says = "x" };

	pair_start(&p, k, &(struct tls_client){ .ca_pem = k->root }, NULL);
	stream_free(p.d.s); /* goes without a word */
	p.d.s = NULL;
	loop_advance(p.loop, 100);
	CHECK_INT(p.c.n_closed, 1);
	CHECK_INT(p.c.code, 0);
	pair_fini(&p);
}

TEST(a_pause_holds_bytes_back_and_loses_none)
{
	const struct chain *k = chain_get(0);
	struct pair p = { 0 };
	static char block[50000];

	memset(block, 'b', sizeof(block));
	pair_start(&p, k, &(struct tls_client){ .ca_pem = k->root }, NULL);
	stream_pause_reading(p.c.s, true);
	stream_write(p.d.s, block, sizeof(block));
	stream_end(p.d.s);
	loop_advance(p.loop, 1000);
	CHECK_INT(p.c.got.size, 0);
	CHECK_INT(p.c.n_closed, 0);
	stream_pause_reading(p.c.s, false);
	loop_advance(p.loop, 1000);
	CHECK_INT(p.c.got.size, sizeof(block));
	CHECK_INT(p.c.n_closed, 1);
	pair_fini(&p);
}

/* Over real sockets. */

struct host {
	struct loop *loop;
	struct tls_server *server;
	struct tcp_listener *listener;
	struct end d;
};

static void on_accepted(void *arg, struct stream *s)
{
	struct host *h = arg;

	stream_free(h->d.s);
	attach(&h->d, tls_server_accept(h->server, h->loop, s));
}

static void talk_much(void *arg)
{
	struct end *e = arg;
	static char block[3000000];

	e->n_opened++;
	memset(block, 'q', sizeof(block));
	for (int i = 0; i < 500; i++)
		stream_write(e->s, "1", 1);
	stream_write(e->s, block, sizeof(block));
	stream_end(e->s);
}

TEST(much_and_little_go_through_real_sockets)
{
	const struct chain *k = chain_get(0);
	struct host h = { .loop = loop_new() };
	struct end c = { .loop = h.loop };
	struct err err = { 0 };

	CHECK_INT(tls_server_new(&(struct tls_server_config){ .certificate_file = k->certificate,
	                                                      .key_file = k->key },
	                         &h.server, &err),
	          0);
	CHECK_INT(tcp_listener_open(h.loop, "127.0.0.1", 0, &(struct tcp_accept){ on_accepted, &h },
	                            &h.listener, &err),
	          0);
	c.s = tls_stream_connect(h.loop, "127.0.0.1", tcp_listener_port(h.listener),
	                         &(struct tls_client){ .trust = TLS_TRUST_PIN,
	                                               .pin = { 0 },
	                                               .expected_cn = SERIAL });
	stream_free(c.s); /* given up at once: nothing is called */
	struct tls_client config = { .trust = TLS_TRUST_PIN, .sni = SERIAL };

	memcpy(config.pin, k->sha256, 32);
	c.s = tls_stream_connect(h.loop, "127.0.0.1", tcp_listener_port(h.listener), &config);
	stream_listen(c.s,
	              &(struct stream_events){ talk_much, on_received, on_drained, on_closed, &c });
	loop_run(h.loop);
	CHECK_INT(c.n_opened, 1);
	CHECK_INT(c.code, 0);
	CHECK_INT(h.d.got.size, 3000500);
	stream_free(c.s);
	stream_free(h.d.s);
	buf_fini(&h.d.got);
	tcp_listener_close(h.listener);
	tls_server_free(h.server);
	loop_free(h.loop);
}

TEST(a_key_that_does_not_fit_its_certificate_is_refused)
{
	const struct chain *k = chain_get(0), *other = chain_get(1);
	struct err err = { 0 };

	CHECK_INT(tls_certificate_check(k->certificate, k->key, &err), 0);
	CHECK(tls_certificate_check(k->certificate, other->key, &err) < 0);
	CHECK(tls_certificate_check("/nonexistent", k->key, &err) < 0);
	CHECK(strstr(err.text, "/nonexistent") != NULL);
}
