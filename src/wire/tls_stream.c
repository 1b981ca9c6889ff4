/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/tls_stream.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/tcp_stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDSHAKE_TIMEOUT_MS 10000

struct tls {
	struct stream s; /* first: see stream.h */
	struct loop *loop;
	struct stream *lower;
	SSL *ssl;
	struct tls_judge judge; /* the client's */
	int64_t timeout_ms;
	struct timer limit, soon;
	const uint8_t *in; /* what the lower stream brought, borrowed for its call */
	size_t in_size;
	struct buf held; /* not taken yet: reading is paused */
	unsigned busy;   /* callbacks running: the memory stays until they return */
	bool is_client, is_handshaken, is_lower_done, is_paused, is_peer_done;
	bool is_ended, is_over, is_freed;
	bool owes_opened, owes_drained, owes_closed;
	struct err why;
	struct tls_leaf leaf;
	bool has_leaf;
};

/* What the connections of one loop share: a context of their own would be most of what each of
 * them takes. Whom to trust is each connection's own affair (tls.judge). */
struct tls_shared {
	SSL_CTX *client[2]; /* up to TLS 1.2, up to 1.3 */
	BIO_METHOD *method;
};

static struct tls_shared *tls_shared(struct loop *l);

static const struct stream_ops tls_ops;

static struct tls *tls_of(struct stream *s)
{
	return CONTAINER_OF(s, struct tls, s);
}

/* NULL if `s` is no TLS stream. */
static const struct tls *tls_peek(const struct stream *s)
{
	return s->ops == &tls_ops ? (const struct tls *)(const void *)s : NULL;
}

/* The BIO between OpenSSL and the lower stream: holds nothing itself. */

static int bio_write(BIO *b, const char *bytes, int size)
{
	struct tls *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (!t->lower)
		return -1;
	stream_write(t->lower, bytes, (size_t)size);
	return size;
}

static int bio_read(BIO *b, char *dst, int size)
{
	struct tls *t = BIO_get_data(b);
	size_t n = MIN(t->in_size, (size_t)size);

	BIO_clear_retry_flags(b);
	if (n == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(dst, t->in, n);
	t->in += n;
	t->in_size -= n;
	return (int)n;
}

static long bio_ctrl(BIO *b, int what, long n, void *arg)
{
	(void)b;
	(void)n;
	(void)arg;
	return what == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

static BIO *bio_new(struct tls *t)
{
	BIO *b = BIO_new(tls_shared(t->loop)->method);

	BIO_set_data(b, t);
	return b;
}

/* The oldest error of OpenSSL in words; the queue is empty afterwards. */
static const char *ssl_words(char *dst, size_t size)
{
	unsigned long e = ERR_get_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	/* What OpenSSL calls a wrong version number is mostly no TLS at all. */
	if (ERR_GET_REASON(e) == SSL_R_WRONG_VERSION_NUMBER)
		reason = "it does not speak TLS; is the address right (http or https, port)?";
	text_copy(dst, size, reason ? reason : "no reason given");
	ERR_clear_error();
	return dst;
}

/* OpenSSL asks; the judge answers. */
static int on_verify(X509_STORE_CTX *x, void *arg)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);

	(void)arg;
	t->has_leaf = X509_STORE_CTX_get0_cert(x) != NULL;
	return tls_judge_verify(&t->judge, x, t->s.peer, loop_wall_ms(t->loop), &t->leaf);
}

/* Life. */

static void tls_release(struct tls *t)
{
	SSL_free(t->ssl);
	tls_judge_fini(&t->judge);
	buf_fini(&t->held);
	free(t);
}

static void tls_enter(struct tls *t)
{
	t->busy++;
}

/* False: the owner has freed it meanwhile, `t` is gone. */
static bool tls_leave(struct tls *t)
{
	if (--t->busy > 0 || !t->is_freed)
		return true;
	tls_release(t);
	return false;
}

static void tls_over(struct tls *t, int code, const char *what)
{
	if (t->is_over)
		return;
	t->is_over = true;
	timer_stop(&t->limit);
	if (code)
		err_set(&t->why, code, "%s", what);
	t->owes_closed = true;
	timer_start(&t->soon, 0);
}

static void tls_fail(struct tls *t, int code)
{
	char words[200], text[400];

	if (t->leaf.reason[0]) {
		tls_over(t, -EACCES, t->leaf.reason);
		ERR_clear_error();
		return;
	}
	(void)snprintf(text, sizeof(text), "TLS with %s failed: %s", t->s.peer,
	               ssl_words(words, sizeof(words)));
	tls_over(t, code, text);
}

static void tls_handshake(struct tls *t)
{
	ERR_clear_error();

	int rc = SSL_do_handshake(t->ssl);

	if (rc != 1) {
		int e = SSL_get_error(t->ssl, rc);

		if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			tls_fail(t, -EPROTO);
		return;
	}
	if (t->is_client && SSL_session_reused(t->ssl)) {
		struct tls_evidence e = { .peer = t->s.peer,
			                  .wall_ms = loop_wall_ms(t->loop),
			                  .leaf = SSL_get0_peer_certificate(t->ssl),
			                  .is_resumed = true };

		t->has_leaf = e.leaf;
		if (!e.leaf || !tls_judge_decide(&t->judge, &e, &t->leaf)) {
			tls_fail(t, -EACCES);
			return;
		}
	}
	timer_stop(&t->limit);
	t->is_handshaken = true;
	t->owes_opened = true;
}

static void tls_tell_opened(struct tls *t)
{
	t->owes_opened = false;
	if (t->s.events.opened)
		t->s.events.opened(t->s.events.arg);
}

static void tls_peer_done(struct tls *t)
{
	t->is_peer_done = true;
	if (!t->lower || stream_queued(t->lower) == 0)
		tls_over(t, 0, NULL);
	else
		stream_end(t->lower);
}

/* Keeps what was not taken, because of a pause, for later. */
static void tls_hold(struct tls *t)
{
	if (t->in_size > 0)
		buf_add(&t->held, t->in, t->in_size);
	t->in = NULL;
	t->in_size = 0;
}

static void tls_read_all(struct tls *t)
{
	uint8_t chunk[8192];

	while (!t->is_freed && !t->is_over && !t->is_paused) {
		ERR_clear_error();

		int n = SSL_read(t->ssl, chunk, sizeof(chunk));

		if (n > 0) {
			if (t->s.events.received)
				t->s.events.received(t->s.events.arg, chunk, (size_t)n);
			continue;
		}

		int e = SSL_get_error(t->ssl, n);

		if (e == SSL_ERROR_ZERO_RETURN)
			tls_peer_done(t);
		else if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
			tls_fail(t, -EPROTO);
		return;
	}
}

/* Callers hold tls_enter(). */
static void tls_pump(struct tls *t)
{
	if (t->is_over || t->is_freed)
		return;
	if (!t->is_handshaken)
		tls_handshake(t);
	if (t->owes_opened && !t->is_over)
		tls_tell_opened(t);
	if (t->is_handshaken && !t->is_freed && !t->is_over)
		tls_read_all(t);
	if (!t->is_freed)
		tls_hold(t);
}

static void tls_on_soon(void *arg)
{
	struct tls *t = arg;

	tls_enter(t);
	if (t->owes_drained) {
		t->owes_drained = false;
		if (t->s.events.drained && !t->is_over)
			t->s.events.drained(t->s.events.arg);
	}
	/* Before the handshake is done there is only what a pause has held back. */
	if (!t->is_freed && !t->is_paused && !t->is_over &&
	    (t->is_handshaken || t->held.size > 0)) {
		struct buf held = t->held;

		t->held = (struct buf){ 0 };
		t->in = (const uint8_t *)held.data;
		t->in_size = held.size;
		tls_pump(t);
		t->in_size = 0;
		buf_fini(&held);
	}
	if (!t->is_freed && t->is_lower_done && !t->is_paused)
		tls_over(t, 0, NULL);
	if (!t->is_freed && t->owes_closed) {
		t->owes_closed = false;
		if (t->s.events.closed)
			t->s.events.closed(t->s.events.arg, &t->why);
	}
	tls_leave(t);
}

static void tls_on_limit(void *arg)
{
	struct tls *t = arg;
	char text[300];

	(void)snprintf(text, sizeof(text), "%s does not answer the TLS handshake; is that a %s?",
	               t->s.peer, t->is_client ? "printer" : "TLS client");
	tls_over(t, -ETIMEDOUT, text);
}

static void tls_on_lower_opened(void *arg)
{
	struct tls *t = arg;

	timer_start(&t->limit, t->timeout_ms);
	tls_enter(t);
	if (t->is_client)
		tls_pump(t);
	tls_leave(t);
}

static void tls_on_lower_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct tls *t = arg;

	t->in = bytes;
	t->in_size = size;
	tls_enter(t);
	/* Order: what was held is older. */
	if (t->is_paused || t->held.size > 0)
		tls_hold(t);
	else
		tls_pump(t);
	if (!t->is_freed)
		t->in_size = 0;
	tls_leave(t);
}

static void tls_on_lower_drained(void *arg)
{
	struct tls *t = arg;

	if (!t->is_handshaken || t->is_over)
		return;
	t->owes_drained = true;
	timer_start(&t->soon, 0);
}

static void tls_on_lower_closed(void *arg, const struct err *err)
{
	struct tls *t = arg;
	char text[300];

	if (err->code) {
		tls_over(t, err->code, err->text);
		return;
	}
	if (!t->is_handshaken && !t->is_ended) {
		(void)snprintf(text, sizeof(text),
		               "%s closed the connection during the TLS handshake%s", t->s.peer,
		               t->is_client ? "; is it a printer?" : "");
		tls_over(t, -ECONNRESET, text);
		return;
	}
	t->is_lower_done = true;
	if (!t->is_paused && !t->owes_drained && t->held.size == 0)
		tls_over(t, 0, NULL);
}

static void tls_op_write(struct stream *s, const void *bytes, size_t size)
{
	struct tls *t = tls_of(s);

	if (!t->is_handshaken || t->is_over || t->is_ended || !t->lower)
		return;
	t->lower->max_queued = s->max_queued;
	ERR_clear_error();

	size_t n = 0;

	if (SSL_write_ex(t->ssl, bytes, size, &n) != 1)
		tls_fail(t, -EPROTO);
}

static size_t tls_op_queued(const struct stream *s)
{
	const struct tls *t = (const struct tls *)(const void *)s;

	return t->lower ? stream_queued(t->lower) : 0;
}

static void tls_op_pause(struct stream *s, bool is_paused)
{
	struct tls *t = tls_of(s);

	if (t->is_paused == is_paused)
		return;
	t->is_paused = is_paused;
	if (t->lower)
		stream_pause_reading(t->lower, is_paused);
	if (!is_paused)
		timer_start(&t->soon, 0);
}

static void tls_op_end(struct stream *s)
{
	struct tls *t = tls_of(s);

	if (t->is_ended || t->is_over)
		return;
	t->is_ended = true;
	if (t->is_handshaken)
		SSL_shutdown(t->ssl);
	ERR_clear_error();
	stream_end(t->lower);
}

static void tls_op_free(struct stream *s)
{
	struct tls *t = tls_of(s);

	timer_stop(&t->limit);
	timer_stop(&t->soon);
	stream_free(t->lower);
	t->lower = NULL;
	t->is_freed = true;
	if (t->busy == 0)
		tls_release(t);
}

static const struct stream_ops tls_ops = {
	.write = tls_op_write,
	.queued = tls_op_queued,
	.pause = tls_op_pause,
	.end = tls_op_end,
	.free = tls_op_free,
};

static struct tls *tls_new(struct loop *l, struct stream *lower, SSL_CTX *ctx)
{
	struct tls *t = MEM_NEW(struct tls);

	t->s.ops = &tls_ops;
	TEXT_SET(t->s.peer, stream_peer(lower));
	t->loop = l;
	t->lower = lower;
	timer_init(&t->limit, l, tls_on_limit, t);
	timer_init(&t->soon, l, tls_on_soon, t);
	t->ssl = SSL_new(ctx);
	SSL_set_app_data(t->ssl, t);

	BIO *b = bio_new(t);

	SSL_set_bio(t->ssl, b, b);
	stream_listen(lower, &(struct stream_events){
				     .opened = tls_on_lower_opened,
				     .received = tls_on_lower_received,
				     .drained = tls_on_lower_drained,
				     .closed = tls_on_lower_closed,
				     .arg = t,
			     });
	return t;
}

static void ctx_set_up(SSL_CTX *ctx, int max_version)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_max_proto_version(ctx, max_version == 12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
	                                 SSL_OP_NO_COMPRESSION);
}

static SSL_CTX *client_ctx(int max_version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	ctx_set_up(ctx, max_version);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
	return ctx;
}

static void *shared_make(void)
{
	struct tls_shared *s = MEM_NEW(struct tls_shared);

	s->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_TYPE_START, "stream");
	BIO_meth_set_write(s->method, bio_write);
	BIO_meth_set_read(s->method, bio_read);
	BIO_meth_set_ctrl(s->method, bio_ctrl);
	BIO_meth_set_create(s->method, bio_create);
	return s;
}

static void shared_drop(void *thing)
{
	struct tls_shared *s = thing;

	SSL_CTX_free(s->client[0]);
	SSL_CTX_free(s->client[1]);
	BIO_meth_free(s->method);
	free(s);
}

static struct tls_shared *tls_shared(struct loop *l)
{
	static const char key;

	return loop_keep(l, &key, shared_make, shared_drop);
}

struct stream *tls_stream_over(struct loop *l, struct stream *lower, const struct tls_client *c)
{
	SSL_CTX **ctx = &tls_shared(l)->client[c->max_version != 12];
	auto_free char *sni = mem_str(c->sni); /* OpenSSL's macro wants it writable, and copies */

	if (!*ctx)
		*ctx = client_ctx(c->max_version);

	struct tls *t = tls_new(l, lower, *ctx);

	t->is_client = true;
	tls_judge_init(&t->judge, c);
	t->timeout_ms = c->timeout_ms > 0 ? c->timeout_ms : HANDSHAKE_TIMEOUT_MS;
	SSL_set_connect_state(t->ssl);
	if (sni)
		SSL_set_tlsext_host_name(t->ssl, sni);
	if (c->session)
		SSL_set_session(t->ssl, c->session);
	return &t->s;
}

struct stream *tls_stream_connect(struct loop *l, const char *host, uint16_t port,
                                  const struct tls_client *c)
{
	return tls_stream_over(l, tcp_stream_connect(l, host, port, c->timeout_ms), c);
}

bool tls_stream_peer_leaf(const struct stream *s, struct tls_leaf *ret)
{
	const struct tls *t = tls_peek(s);

	if (!t || !t->has_leaf)
		return false;
	*ret = t->leaf;
	return true;
}

bool tls_stream_was_resumed(const struct stream *s)
{
	const struct tls *t = tls_peek(s);

	return t && t->is_handshaken && SSL_session_reused(t->ssl) == 1;
}

void *tls_stream_session(const struct stream *s)
{
	const struct tls *t = tls_peek(s);

	return t && t->is_handshaken ? SSL_get1_session(t->ssl) : NULL;
}

void tls_session_free(void *session)
{
	SSL_SESSION_free(session);
}

const char *tls_stream_version(const struct stream *s)
{
	const struct tls *t = tls_peek(s);

	return t && t->is_handshaken ? SSL_get_version(t->ssl) : "";
}

/* The server's side. */

struct tls_server {
	SSL_CTX *ctx;
};

static int server_load(SSL_CTX *ctx, const struct tls_server_config *c, struct err *err)
{
	char words[200];
	int ok = c->sends_only_leaf
	                 ? SSL_CTX_use_certificate_file(ctx, c->certificate_file, SSL_FILETYPE_PEM)
	                 : SSL_CTX_use_certificate_chain_file(ctx, c->certificate_file);

	if (ok != 1)
		return err_set(err, -EINVAL, "reading the certificate %s: %s", c->certificate_file,
		               ssl_words(words, sizeof(words)));
	if (SSL_CTX_use_PrivateKey_file(ctx, c->key_file, SSL_FILETYPE_PEM) != 1)
		return err_set(err, -EINVAL,
		               "reading the key %s: %s (it must be PEM without a "
		               "password and belong to %s)",
		               c->key_file, ssl_words(words, sizeof(words)), c->certificate_file);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return err_set(err, -EINVAL, "the key %s does not belong to the certificate %s",
		               c->key_file, c->certificate_file);
	return 0;
}

int tls_server_new(const struct tls_server_config *c, struct tls_server **ret, struct err *err)
{
	static const unsigned char context[] = "bedside";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	ctx_set_up(ctx, c->max_version);
	SSL_CTX_set_session_id_context(ctx, context, sizeof(context) - 1);
	if (c->sends_only_leaf)
		SSL_CTX_set_mode(ctx, SSL_MODE_NO_AUTO_CHAIN);
	if (c->max_record > 0)
		SSL_CTX_set_max_send_fragment(ctx, (long)c->max_record);

	int rc = server_load(ctx, c, err);

	if (rc < 0) {
		SSL_CTX_free(ctx);
		return rc;
	}

	struct tls_server *t = MEM_NEW(struct tls_server);

	t->ctx = ctx;
	*ret = t;
	return 0;
}

void tls_server_free(struct tls_server *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

struct stream *tls_server_accept(struct tls_server *server, struct loop *l, struct stream *lower)
{
	struct tls *t = tls_new(l, lower, server->ctx);

	t->timeout_ms = HANDSHAKE_TIMEOUT_MS;
	SSL_set_accept_state(t->ssl);
	timer_start(&t->limit, t->timeout_ms);
	stream_pause_reading(lower, false);
	return &t->s;
}

int tls_certificate_check(const char *certificate_file, const char *key_file, struct err *err)
{
	struct tls_server *t = NULL;
	int rc = tls_server_new(&(struct tls_server_config){ .certificate_file = certificate_file,
	                                                     .key_file = key_file },
	                        &t, err);

	tls_server_free(t);
	return rc;
}
