/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every refusal, on both ways to a printer: TLS as MQTT and the camera use it, and FTPS. */

#include "wire/tls_judge.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "wire/fetch.h"
#include "wire/ftps_server.h"
#include "wire/tcp_stream.h"
#include "wire/tls_make.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SERIAL "01S00A000000001"
#define DAY_MS INT64_C(86400000)

/* A printer with one certificate on two ports. */
struct scene {
	struct loop *loop;
	char *ca, *ca_key;
	char dir[300], pem[320], key[320], dest[320];
	struct tls_server *tls;
	struct tcp_listener *listener;
	struct ftps_server *ftps;
	struct ftps_rules rules;
	struct stream *theirs, *ours;
	struct fetcher *fetcher;
	struct timer limit;
	struct tls_leaf leaf;
	size_t n_heard; /* bytes that the printer was sent inside TLS */
	unsigned n_logins, n_opened;
	int code;
	char text[480];
};

static void too_long(void *arg)
{
	loop_stop(((struct scene *)arg)->loop);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void their_bytes(void *arg, const uint8_t *bytes, size_t size)
{
	(void)bytes;
	((struct scene *)arg)->n_heard += size;
}

static void their_end(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

static void on_accepted(void *arg, struct stream *stream)
{
	struct scene *s = arg;
	struct stream_events e = { nothing, their_bytes, NULL, their_end, s };

	stream_free(s->theirs);
	s->theirs = tls_server_accept(s->tls, s->loop, stream);
	stream_listen(s->theirs, &e);
}

static bool on_login(void *arg, const char *user, const char *password)
{
	(void)user;
	(void)password;
	((struct scene *)arg)->n_logins++;
	return true;
}

static void begin(struct scene *s)
{
	struct err err = { 0 };
	int64_t now_ms;
	struct tls_make m = { .cn = "Test Device CA", .is_ca = true };

	memset(s, 0, sizeof(*s));
	s->loop = loop_new();
	now_ms = loop_wall_ms(s->loop);
	m.not_before_ms = now_ms - 1000 * DAY_MS;
	m.not_after_ms = now_ms + 1000 * DAY_MS;
	CHECK_INT(tls_make_certificate(&m, &s->ca, &s->ca_key, &err), 0);
	TEXT_SET(s->dir, test_tmp_dir());
	(void)snprintf(s->pem, sizeof(s->pem), "%s/leaf.pem", s->dir);
	(void)snprintf(s->key, sizeof(s->key), "%s/key.pem", s->dir);
	(void)snprintf(s->dest, sizeof(s->dest), "%s/got", s->dir);
	s->fetcher = fetcher_new(s->loop);
	timer_init(&s->limit, s->loop, too_long, s);
}

static void end(struct scene *s)
{
	timer_stop(&s->limit);
	fetcher_free(s->fetcher);
	loop_free(s->loop);
	free(s->ca);
	free(s->ca_key);
}

/* The printer, with the certificate that `m` describes. */
static void serve(struct scene *s, struct tls_make *m, bool is_self_signed)
{
	struct err err = { 0 };
	auto_free char *pem = NULL, *key = NULL;
	struct tls_server_config config = { .certificate_file = s->pem, .key_file = s->key };

	if (!is_self_signed) {
		m->issuer_pem = s->ca;
		m->issuer_key_pem = s->ca_key;
	}
	CHECK_INT(tls_make_certificate(m, &pem, &key, &err), 0);
	CHECK_INT(fs_write_atomic(s->pem, pem, strlen(pem), 0600, &err), 0);
	CHECK_INT(fs_write_atomic(s->key, key, strlen(key), 0600, &err), 0);
	CHECK_INT(tls_server_new(&config, &s->tls, &err), 0);
	CHECK_INT(tcp_listener_open(s->loop, "127.0.0.1", 0, &(struct tcp_accept){ on_accepted, s },
	                            &s->listener, &err),
	          0);
	CHECK_INT(ftps_server_open(&(struct ftps_config){ .loop = s->loop,
	                                                  .tls = s->tls,
	                                                  .address = "127.0.0.1",
	                                                  .root = s->dir,
	                                                  .rules = &s->rules,
	                                                  .login = on_login,
	                                                  .arg = s },
	                           &s->ftps, &err),
	          0);
}

static void stop_serving(struct scene *s)
{
	stream_free(s->theirs);
	s->theirs = NULL;
	tcp_listener_close(s->listener);
	ftps_server_close(s->ftps);
	tls_server_free(s->tls);
}

static void our_opened(void *arg)
{
	struct scene *s = arg;

	s->n_opened++;
	stream_write(s->ours, "12345678", 8);
	stream_end(s->ours);
}

static void our_bytes(void *arg, const uint8_t *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
}

static void our_end(void *arg, const struct err *err)
{
	struct scene *s = arg;

	s->code = err->code;
	TEXT_SET(s->text, err->text);
	loop_stop(s->loop);
}

static void by_tls(struct scene *s, const struct tls_client *c)
{
	struct stream_events e = { our_opened, our_bytes, NULL, our_end, s };

	s->code = 1;
	s->n_opened = 0;
	s->n_heard = 0;
	timer_start(&s->limit, 30000);
	s->ours = tls_stream_connect(s->loop, "127.0.0.1", tcp_listener_port(s->listener), c);
	stream_listen(s->ours, &e);
	loop_run(s->loop);
	(void)tls_stream_peer_leaf(s->ours, &s->leaf);
	stream_free(s->ours);
}

static void on_done(void *arg, const struct fetch_result *r)
{
	struct scene *s = arg;

	s->code = r->code;
	TEXT_SET(s->text, r->err.text);
	loop_stop(s->loop);
}

static void by_ftps(struct scene *s, const struct tls_client *c)
{
	struct err err = { 0 };
	char url[100];
	const char *urls[] = { url };
	struct fetch_events e = { NULL, on_done, s };
	struct fetch_request r = { .urls = urls,
		                   .n_urls = 1,
		                   .user = "bblp",
		                   .password = "12345678",
		                   .dest_path = s->dest,
		                   .tls = c };

	s->code = 1;
	s->n_logins = 0;
	timer_start(&s->limit, 30000);
	(void)snprintf(url, sizeof(url), "ftps://127.0.0.1:%u/leaf.pem", ftps_server_port(s->ftps));
	CHECK(fetch_start(s->fetcher, &r, &e, &err));
	loop_run(s->loop);
}

/* The sentence without the port and the moment, which differ. */
static void only_words(char *text)
{
	char *at = strstr(text, "127.0.0.1:"), *moment = strstr(text, "clock says ");

	if (moment)
		*moment = '\0';

	CHECK(at);
	at += strlen("127.0.0.1:");

	size_t n = strspn(at, "0123456789");

	memmove(at, at + n, strlen(at + n) + 1);
}

struct refusal {
	const char *name, *words;
	struct tls_make make; /* times in days from now */
	struct tls_client client;
	bool is_self_signed;
};

static void check_refused(struct scene *s, const struct refusal *r)
{
	struct tls_make m = r->make;
	struct tls_client c = r->client;
	char text[480];
	int64_t now_ms = loop_wall_ms(s->loop);

	m.not_before_ms = now_ms + r->make.not_before_ms * DAY_MS;
	m.not_after_ms = now_ms + r->make.not_after_ms * DAY_MS;
	c.ca_pem = s->ca;
	serve(s, &m, r->is_self_signed);
	by_tls(s, &c);
	TEXT_SET(text, s->text);
	if (s->code != -EACCES || !strstr(text, r->words))
		print_error("%s: %d %s\n", r->name, s->code, text);
	CHECK_INT(s->code, -EACCES);
	CHECK_INT(s->n_opened, 0);
	CHECK_INT(s->n_heard, 0);
	CHECK(strstr(text, r->words));
	CHECK(!s->leaf.is_trusted);
	CHECK_STR(s->leaf.reason, text);

	by_ftps(s, &c);
	CHECK_INT(s->code, -EPERM);
	CHECK_INT(s->n_logins, 0);
	only_words(text);
	only_words(s->text);
	CHECK_STR(s->text, text);
	stop_serving(s);
}

TEST(each_refusal_is_the_same_by_tls_and_by_ftps_and_sends_nothing)
{
	static const struct refusal refusals[] = {
		{ .name = "ran out",
		  .words = "ran out on",
		  .make = { .cn = SERIAL, .not_before_ms = -20, .not_after_ms = -1 },
		  .client = { .expected_cn = SERIAL } },
		{ .name = "not yet valid",
		  .words = "set the clock",
		  .make = { .cn = SERIAL, .not_before_ms = 2, .not_after_ms = 20 },
		  .client = { .expected_cn = SERIAL } },
		{ .name = "another serial",
		  .words = "not to serial '01S00A000000001'",
		  .make = { .cn = "01S00A000000002", .not_before_ms = -2, .not_after_ms = 20 },
		  .client = { .expected_cn = SERIAL } },
		{ .name = "the serial and another",
		  .words = "two owners",
		  .make = { .cn = SERIAL,
		            .second_cn = "evil",
		            .not_before_ms = -2,
		            .not_after_ms = 20 },
		  .client = { .expected_cn = SERIAL } },
		{ .name = "nobody",
		  .words = "names nobody",
		  .make = { .organization = SERIAL, .not_before_ms = -2, .not_after_ms = 20 },
		  .client = { .expected_cn = SERIAL } },
		{ .name = "a client's",
		  .words = "not made for a server",
		  .make = { .cn = SERIAL,
		            .usage = "clientAuth",
		            .not_before_ms = -2,
		            .not_after_ms = 20 },
		  .client = { .expected_cn = SERIAL } },
		{ .name = "another CA's",
		  .words = "does not chain",
		  .make = { .cn = SERIAL, .not_before_ms = -2, .not_after_ms = 20 },
		  .client = { .expected_cn = SERIAL },
		  .is_self_signed = true },
		{ .name = "another pin",
		  .words = "not the one that was pinned",
		  .make = { .cn = SERIAL, .not_before_ms = -2, .not_after_ms = 20 },
		  .client = { .trust = TLS_TRUST_PIN } },
		{ .name = "no file of CAs",
		  .words = "'/nowhere/ca.pem' cannot be read",
		  .make = { .cn = SERIAL, .not_before_ms = -2, .not_after_ms = 20 },
		  .client = { .expected_cn = SERIAL, .ca_file = "/nowhere/ca.pem" } },
	};
	struct scene *s = MEM_NEW(struct scene);

	begin(s);
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		check_refused(s, &refusals[i]);
	end(s);
	free(s);
}

static void check_trusted(struct scene *s, const struct tls_client *c)
{
	by_tls(s, c);
	CHECK_INT(s->code, 0);
	CHECK_INT(s->n_opened, 1);
	CHECK(s->leaf.is_trusted);
	by_ftps(s, c);
	CHECK_STR(s->text, "");
	CHECK_INT(s->code, 0);
	CHECK_INT(s->n_logins, 1);
}

TEST(the_right_certificate_is_trusted_by_ca_by_pin_and_insecurely)
{
	struct scene *s = MEM_NEW(struct scene);
	struct tls_make m = { .cn = SERIAL, .is_version_1 = true };
	struct tls_client c = { .expected_cn = SERIAL };

	begin(s);
	m.not_before_ms = loop_wall_ms(s->loop) - DAY_MS;
	m.not_after_ms = m.not_before_ms + 20 * DAY_MS;
	serve(s, &m, false);
	c.ca_pem = s->ca;
	check_trusted(s, &c);
	c = (struct tls_client){ .trust = TLS_TRUST_PIN };
	memcpy(c.pin, s->leaf.sha256, sizeof(c.pin));
	check_trusted(s, &c);
	c = (struct tls_client){ .trust = TLS_TRUST_INSECURE };
	check_trusted(s, &c);
	stop_serving(s);
	end(s);
	free(s);
}
