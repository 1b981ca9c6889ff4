/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_client.h"

#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/tls_judge.h"
#include "wire/tls_stream.h"
#include "wire/url.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#define CONNECT_MS 10000
#define MAX_REDIRECTS 5
#define MAX_HEADER 8192
#define BUFFER_SIZE (128L << 10)
#define STATUS_UNAUTHORIZED 401

struct http_client {
	struct loop *loop;
	struct http_client_config config; /* callbacks; its texts are dead */
	char *url, *user, *ca_file;
	struct secret password;
	char peer[300], host[256];
	bool is_https, has_leaf;

	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;
	struct timer timer; /* curl's */
	struct tls_judge judge;
	struct tls_leaf leaf;
	char why[CURL_ERROR_SIZE];

	bool is_active;  /* an answer is on its way */
	bool is_ended;   /* `received` has had enough */
	bool is_stopped; /* to be taken down as soon as curl is not on the stack */
	bool is_dead;    /* the same, and freed */
	bool was_challenged;
	unsigned busy; /* curl is on the stack, or `done` */
};

/* A socket of curl's that libuv watches. Heap: closed by libuv when it likes. */
struct watch {
	uv_poll_t poll;
	struct http_client *client; /* NULL: going */
	curl_socket_t fd;
};

static void settle(struct http_client *c);

/* ---- curl and libuv ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	struct http_client *c = w->client;
	int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
	            (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
	int running;

	if (!c)
		return;
	c->busy++;
	curl_multi_socket_action(c->multi, w->fd, status < 0 ? CURL_CSELECT_ERR : flags, &running);
	c->busy--;
	settle(c);
}

static void on_watch_closed(uv_handle_t *h)
{
	free(h->data);
}

static void unwatch(struct watch *w)
{
	w->client = NULL;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static struct watch *watch_new(struct http_client *c, curl_socket_t fd)
{
	struct watch *w = MEM_NEW(struct watch);

	w->client = c;
	w->fd = fd;
	w->poll.data = w;
	if (uv_poll_init_socket(loop_uv(c->loop), &w->poll, fd) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_client *c = arg;
	struct watch *w = socket_arg;
	int events =
		(what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w)
			unwatch(w);
		curl_multi_assign(c->multi, fd, NULL);
		return 0;
	}
	if (!w)
		w = watch_new(c, fd);
	if (!w)
		return -1;
	curl_multi_assign(c->multi, fd, w);
	return uv_poll_start(&w->poll, events, on_poll) < 0 ? -1 : 0;
}

static void on_timer(void *arg)
{
	struct http_client *c = arg;
	int running;

	c->busy++;
	curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	c->busy--;
	settle(c);
}

static int on_timeout(CURLM *multi, long ms, void *arg)
{
	struct http_client *c = arg;

	(void)multi;
	if (ms < 0)
		timer_stop(&c->timer);
	else
		timer_start(&c->timer, ms);
	return 0;
}

/* ---- what comes ---- */

static bool is_muted(const struct http_client *c)
{
	return c->is_stopped || c->is_dead || c->is_ended;
}

static size_t on_header(char *bytes, size_t one, size_t n, void *arg)
{
	struct http_client *c = arg;
	char line[MAX_HEADER];
	int64_t status;

	(void)one;
	if (is_muted(c) || !text_copy_n(line, sizeof(line), bytes, n))
		return n;
	line[strcspn(line, "\r\n")] = '\0';
	text_clean(line);
	if (strncmp(line, "HTTP/", 5) == 0) {
		const char *code = strchr(line, ' ');
		char digits[4];

		text_copy_n(digits, sizeof(digits), code ? code + 1 : "", code ? 3 : 0);
		status = 0;
		(void)text_to_i64(digits, &status);
		c->was_challenged |= status == STATUS_UNAUTHORIZED;
		if (c->config.began)
			c->config.began(c->config.arg, (int)status);
		return n;
	}

	char *colon = strchr(line, ':');

	if (!colon || !c->config.header)
		return n;
	*colon++ = '\0';
	colon += strspn(colon, " \t");
	for (size_t end = strlen(colon); end > 0 && colon[end - 1] == ' '; end--)
		colon[end - 1] = '\0';
	c->config.header(c->config.arg, line, colon);
	return n;
}

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
	struct http_client *c = arg;

	(void)one;
	if (is_muted(c))
		return 0;
	if (!c->config.received(c->config.arg, (const uint8_t *)bytes, n))
		c->is_ended = true;
	return is_muted(c) ? 0 : n;
}

/* ---- trust ---- */

static int on_verify(X509_STORE_CTX *x, void *arg)
{
	struct http_client *c = arg;

	c->has_leaf = true;
	return tls_judge_verify(&c->judge, x, c->peer, loop_wall_ms(c->loop), &c->leaf);
}

static CURLcode on_ssl_ctx(CURL *easy, void *ctx, void *arg)
{
	(void)easy;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, arg);
	return CURLE_OK;
}

static void judge_here(struct http_client *c)
{
	curl_easy_setopt(c->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(c->easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	curl_easy_setopt(c->easy, CURLOPT_SSL_CTX_DATA, c);
}

static void set_trust(struct http_client *c)
{
	CURL *e = c->easy;

	switch (c->config.trust) {
	case HTTP_TRUST_WEB:
		/* Where redirections are followed the host's name may change: curl looks at it. */
		if (c->config.is_one_origin)
			judge_here(c);
		if (c->ca_file)
			curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file);
		break;
	case HTTP_TRUST_PIN:
		judge_here(c);
		break;
	case HTTP_TRUST_INSECURE:
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
		break;
	}
}

/* ---- words ---- */

static int code_of(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_COULDNT_CONNECT:
		return -ECONNREFUSED;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_PEER_FAILED_VERIFICATION:
		return -EPERM;
	case CURLE_TOO_MANY_REDIRECTS:
		return -ELOOP;
	default:
		return -EIO;
	}
}

static void say(const struct http_client *c, CURLcode rc, struct err *err)
{
	int code = code_of(rc);
	const char *why = c->why[0] ? c->why : curl_easy_strerror(rc);

	switch (rc) {
	case CURLE_COULDNT_RESOLVE_HOST:
		(void)err_set(err, code, "the name of %s is not known in this network", c->peer);
		break;
	case CURLE_OPERATION_TIMEDOUT:
		(void)err_set(err, code, "%s does not answer, or too slowly", c->peer);
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
		(void)err_set(err, code,
		              "the certificate of %s is not trusted (%s). If it is its own, "
		              "give its fingerprint: tls: \"sha256:…\"",
		              c->peer, c->leaf.reason[0] ? c->leaf.reason : why);
		break;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
		(void)err_set(err, code, "%s closed the connection in the middle", c->peer);
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		(void)err_set(err, code,
		              "something answers at %s, but not in HTTP: is the port right?",
		              c->peer);
		break;
	case CURLE_SSL_CONNECT_ERROR:
		(void)err_set(err, code,
		              "TLS with %s failed; is the address right (http or https, port)? "
		              "(%s)",
		              c->peer, why);
		break;
	case CURLE_TOO_MANY_REDIRECTS:
		(void)err_set(err, code, "%s leads from one address to the next, without end",
		              c->peer);
		break;
	default:
		(void)err_set(err, code, "%s: %s", c->peer, why);
		break;
	}
}

int http_client_judge(const struct http_client *c, int status, struct err *err)
{
	if (status == STATUS_UNAUTHORIZED && !c->user)
		return err_set(err, -EACCES, "%s wants a user and a password", c->peer);
	if (status == STATUS_UNAUTHORIZED || status == 403)
		return err_set(err, -EACCES, "%s refuses the user or the password", c->peer);
	if (status == 404 || status == 410)
		return err_set(err, -ENOENT,
		               "%s has nothing at this address (%d): look at its manual for the "
		               "path of its pictures",
		               c->peer, status);
	if (status == 503 || status == 429)
		return err_set(err, -EBUSY, "%s is too busy at the moment (%d)", c->peer, status);
	return err_set(err, -EIO, "%s answers with status %d instead of a picture", c->peer,
	               status);
}

/* ---- answers ---- */

/* curl asks without login first unless it knows the one kind: half the requests of a poll. */
static void remember_login(struct http_client *c)
{
	long kinds = 0;

	if (!c->user || !c->was_challenged)
		return;
	curl_easy_getinfo(c->easy, CURLINFO_HTTPAUTH_AVAIL, &kinds);
	if (kinds & (long)CURLAUTH_DIGEST)
		curl_easy_setopt(c->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_DIGEST);
	else if (kinds & (long)CURLAUTH_BASIC)
		curl_easy_setopt(c->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
}

static void take_down(struct http_client *c)
{
	if (c->is_active)
		curl_multi_remove_handle(c->multi, c->easy);
	c->is_active = false;
	curl_slist_free_all(c->headers);
	c->headers = NULL;
}

static void release(struct http_client *c)
{
	take_down(c);
	curl_easy_cleanup(c->easy);
	curl_multi_cleanup(c->multi);
	timer_stop(&c->timer);
	tls_judge_fini(&c->judge);
	secret_fini(&c->password);
	free(c->url);
	free(c->user);
	free(c->ca_file);
	free(c);
}

static void finish(struct http_client *c, CURLcode rc)
{
	struct http_client_result r = { .is_ended = c->is_ended, .is_verified = true };
	long status = 0;
	char *leads = NULL;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (c->config.is_one_origin)
		curl_easy_getinfo(c->easy, CURLINFO_REDIRECT_URL, &leads);
	r.redirect = leads ? leads : "";
	r.status = (int)status;
	r.is_verified = rc != CURLE_PEER_FAILED_VERIFICATION;
	if (rc != CURLE_OK && !c->is_ended)
		say(c, rc, &r.err);
	remember_login(c);
	take_down(c);
	c->busy++;
	c->config.done(c->config.arg, &r);
	c->busy--;
}

/* curl is not on the stack any more: what was put off is done now. */
static void settle(struct http_client *c)
{
	CURLMsg *m;
	int n;

	if (c->busy > 0)
		return;
	if (c->is_dead) {
		release(c);
		return;
	}
	if (c->is_stopped) {
		c->is_stopped = false;
		take_down(c);
	}
	while ((m = curl_multi_info_read(c->multi, &n))) {
		if (m->msg != CURLMSG_DONE || !c->is_active)
			continue;
		finish(c, m->data.result);
		if (c->is_dead) {
			release(c);
			return;
		}
		if (c->is_stopped) {
			c->is_stopped = false;
			take_down(c);
		}
	}
}

static void set_options(struct http_client *c)
{
	CURL *e = c->easy;
	const char *protocols = c->is_https ? "https" : "http,https";

	curl_easy_setopt(e, CURLOPT_URL, c->url);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	/* or a name server that does not answer would hold the loop when the camera is closed */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, protocols);
	curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, c->config.is_one_origin ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "Bedside");
	curl_easy_setopt(e, CURLOPT_BUFFERSIZE, BUFFER_SIZE);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->why);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	if (c->user) {
		curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST));
		curl_easy_setopt(e, CURLOPT_USERNAME, c->user);
		curl_easy_setopt(e, CURLOPT_PASSWORD, secret_peek(&c->password));
	}
	set_trust(c);
}

static char *copy_text(const char *text)
{
	return text && text[0] ? mem_str(text) : NULL;
}

static void set_peer(struct http_client *c)
{
	struct url u = { 0 };

	url_hide_login(c->url, c->peer, sizeof(c->peer));
	if (url_parse(c->url, &u, NULL) == 0) {
		c->is_https = strcmp(u.scheme, "https") == 0;
		TEXT_SET(c->host, u.host);
		TEXT_SET(c->peer, u.host);
		if (u.port)
			(void)snprintf(c->peer, sizeof(c->peer), "%s:%u", u.host, u.port);
	}
	url_fini(&u);
}

struct http_client *http_client_new(struct loop *l, const struct http_client_config *config)
{
	struct http_client *c = MEM_NEW(struct http_client);
	struct tls_client tls = { .trust = TLS_TRUST_PIN };

	assert(config->done && config->received && loop_uv(l));
	c->loop = l;
	c->config = *config;
	c->url = mem_str(config->url);
	c->user = copy_text(config->user);
	c->ca_file = copy_text(config->ca_file);
	secret_set(&c->password, config->password);
	set_peer(c);
	memcpy(tls.pin, config->pin, sizeof(tls.pin));
	if (config->trust == HTTP_TRUST_WEB)
		tls = (struct tls_client){ .trust = TLS_TRUST_WEB,
			                   .ca_file = c->ca_file,
			                   .expected_host = c->host };
	tls_judge_init(&c->judge, &tls);
	timer_init(&c->timer, l, on_timer, c);
	c->multi = curl_multi_init();
	c->easy = curl_easy_init();
	assert(c->multi && c->easy); /* out of memory */
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, 2L);
	set_options(c);
	return c;
}

void http_client_free(struct http_client *c)
{
	if (!c)
		return;
	c->is_dead = true;
	if (c->busy == 0)
		release(c);
}

static void set_question(struct http_client *c, const struct http_client_question *q)
{
	CURL *e = c->easy;

	curl_easy_setopt(e, CURLOPT_URL, q->url ? q->url : c->url);
	curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, NULL);
	if (q->body || (q->method && strcmp(q->method, "POST") == 0)) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
		                 (curl_off_t)(q->body ? q->size : 0));
		curl_easy_setopt(e, CURLOPT_COPYPOSTFIELDS, q->body ? q->body : "");
	}
	if (q->method && strcmp(q->method, q->body ? "POST" : "GET") != 0)
		curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, q->method);
	for (size_t i = 0; i < q->n_headers; i++)
		c->headers = curl_slist_append(c->headers, q->headers[i]);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)q->limit_ms);
}

void http_client_ask(struct http_client *c, const struct http_client_question *q)
{
	assert(!c->is_active && q->n_headers <= HTTP_CLIENT_MAX_HEADERS);
	if (c->is_stopped || c->is_dead)
		return;
	set_question(c, q);
	c->why[0] = c->leaf.reason[0] = '\0';
	c->is_ended = c->was_challenged = false;
	c->is_active = true;
	curl_multi_add_handle(c->multi, c->easy);
}

void http_client_get(struct http_client *c, const char *const *headers, size_t n, int64_t limit_ms)
{
	const struct http_client_question q = { .headers = headers,
		                                .n_headers = n,
		                                .limit_ms = limit_ms };

	http_client_ask(c, &q);
}

void http_client_stop(struct http_client *c)
{
	if (c->is_active && c->busy > 0)
		c->is_stopped = true;
	else
		take_down(c);
}

bool http_client_is_busy(const struct http_client *c)
{
	return c->is_active && !c->is_stopped;
}

bool http_client_leaf(const struct http_client *c, struct tls_leaf *ret)
{
	if (c->has_leaf)
		*ret = c->leaf;
	return c->has_leaf;
}

const char *http_client_peer(const struct http_client *c)
{
	return c->peer;
}
