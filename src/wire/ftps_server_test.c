/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/ftps_server.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "wire/fetch.h"
#include "wire/tcp_stream.h"
#include "wire/tls_make.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE "12345678"
#define DAY_MS INT64_C(86400000)

/* A client that says one line at a time. */
struct client {
	struct scene *scene;
	struct stream *control, *data;
	struct buf heard, got;
	size_t seen; /* of `heard` */
	bool is_open, is_closed, is_data_open, is_data_closed;
	void *session;
};

struct scene {
	struct loop *loop;
	char dir[300], root[320], pem[320], key[320], dest[320];
	struct tls_server *tls;
	struct ftps_server *server;
	struct ftps_rules rules;
	struct fetcher *fetcher;
	struct fetch_result result;
	struct timer limit;
	bool is_late, is_fetched;
	unsigned n_logins;
};

static bool on_login(void *arg, const char *user, const char *password)
{
	((struct scene *)arg)->n_logins++;
	return text_equal(user, "bblp") && text_equal(password, CODE);
}

static void too_long(void *arg)
{
	struct scene *s = arg;

	s->is_late = true;
	loop_stop(s->loop);
}

static void write_file(struct scene *s, const char *name, const char *text)
{
	struct err err = { 0 };
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/%s", s->root, name);
	CHECK_INT(fs_write_atomic(path, text, strlen(text), 0600, &err), 0);
}

static const char *read_file(struct scene *s, const char *path)
{
	static char text[200];
	char whole[700];
	FILE *f;

	(void)snprintf(whole, sizeof(whole), "%s%s%s", path[0] == '/' ? "" : s->root,
	               path[0] == '/' ? "" : "/", path);
	f = fopen(whole, "re");
	memset(text, 0, sizeof(text));
	if (f) {
		(void)!fread(text, 1, sizeof(text) - 1, f);
		(void)fclose(f);
	}
	return f ? text : NULL;
}

static void make_certificate(struct scene *s)
{
	struct err err = { 0 };
	auto_free char *pem = NULL, *key = NULL;
	struct tls_make m = { .cn = "localhost" };

	m.not_before_ms = loop_wall_ms(s->loop) - DAY_MS;
	m.not_after_ms = m.not_before_ms + 20 * DAY_MS;
	CHECK_INT(tls_make_certificate(&m, &pem, &key, &err), 0);
	CHECK_INT(fs_write_atomic(s->pem, pem, strlen(pem), 0600, &err), 0);
	CHECK_INT(fs_write_atomic(s->key, key, strlen(key), 0600, &err), 0);
}

static struct scene *begin(void)
{
	struct scene *s = MEM_NEW(struct scene);
	struct err err = { 0 };
	struct tls_server_config config = { .certificate_file = s->pem, .key_file = s->key };
	struct ftps_config c = { .address = "127.0.0.1",
		                 .root = s->root,
		                 .rules = &s->rules,
		                 .login = on_login,
		                 .arg = s };

	s->loop = c.loop = loop_new();
	TEXT_SET(s->dir, test_tmp_dir());
	(void)snprintf(s->root, sizeof(s->root), "%s/root", s->dir);
	(void)snprintf(s->pem, sizeof(s->pem), "%s/leaf.pem", s->dir);
	(void)snprintf(s->key, sizeof(s->key), "%s/key.pem", s->dir);
	(void)snprintf(s->dest, sizeof(s->dest), "%s/got", s->dir);
	CHECK_INT(mkdir(s->root, 0700), 0);
	make_certificate(s);
	CHECK_INT(tls_server_new(&config, &s->tls, &err), 0);
	c.tls = s->tls;
	CHECK_INT(ftps_server_open(&c, &s->server, &err), 0);
	s->fetcher = fetcher_new(s->loop);
	timer_init(&s->limit, s->loop, too_long, s);
	write_file(s, "a.txt", "0123456789");
	return s;
}

static void end(struct scene *s)
{
	timer_stop(&s->limit);
	fetcher_free(s->fetcher);
	ftps_server_close(s->server);
	tls_server_free(s->tls);
	loop_free(s->loop);
	free(s);
}

/* ---- the client ---- */

static void wait_for(struct client *c)
{
	timer_start(&c->scene->limit, 60000);
	loop_run(c->scene->loop);
	CHECK(!c->scene->is_late);
}

static void on_opened(void *arg)
{
	((struct client *)arg)->is_open = true;
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct client *c = arg;

	buf_add(&c->heard, bytes, size);
	loop_stop(c->scene->loop);
}

static void on_closed(void *arg, const struct err *err)
{
	struct client *c = arg;

	(void)err;
	c->is_closed = true;
	loop_stop(c->scene->loop);
}

/* The next line of the server; "" when it has closed. Good until the one after. */
static const char *hear(struct client *c)
{
	static char line[800];

	for (;;) {
		const char *at = buf_peek(&c->heard) + c->seen, *nl = strchr(at, '\n');

		if (nl) {
			(void)snprintf(line, sizeof(line), "%.*s", (int)(nl - at), at);
			c->seen += (size_t)(nl + 1 - at);
			return line;
		}
		if (c->is_closed)
			return "";
		wait_for(c);
	}
}

static const char *say(struct client *c, const char *command)
{
	auto_free char *line = mem_printf("%s\r\n", command);

	stream_write(c->control, line, strlen(line));
	return hear(c);
}

#define CHECK_SAYS(client_, command_, code_) \
	CHECK_INT(strncmp(say(client_, command_), code_, strlen(code_)), 0)

static void client_connect(struct client *c, struct scene *s)
{
	struct tls_client tls = { .trust = TLS_TRUST_INSECURE, .max_version = 12 };
	struct stream_events e = { on_opened, on_received, NULL, on_closed, c };

	memset(c, 0, sizeof(*c));
	c->scene = s;
	buf_init(&c->heard, 0);
	buf_init(&c->got, 0);
	c->control = tls_stream_connect(s->loop, "127.0.0.1", ftps_server_port(s->server), &tls);
	stream_listen(c->control, &e);
	CHECK_INT(strncmp(hear(c), "220", 3), 0);
	c->session = tls_stream_session(c->control);
}

static void client_login(struct client *c, struct scene *s)
{
	client_connect(c, s);
	CHECK_SAYS(c, "USER bblp", "331");
	CHECK_SAYS(c, "PASS " CODE, "230");
	CHECK_SAYS(c, "PBSZ 0", "200");
	CHECK_SAYS(c, "PROT P", "200");
}

static void client_fini(struct client *c)
{
	stream_free(c->control);
	stream_free(c->data);
	tls_session_free(c->session);
	buf_fini(&c->heard);
	buf_fini(&c->got);
}

static void on_data_opened(void *arg)
{
	struct client *c = arg;

	c->is_data_open = true;
	loop_stop(c->scene->loop);
}

static void on_data_received(void *arg, const uint8_t *bytes, size_t size)
{
	buf_add(&((struct client *)arg)->got, bytes, size);
}

static void on_data_closed(void *arg, const struct err *err)
{
	struct client *c = arg;

	(void)err;
	c->is_data_closed = true;
	loop_stop(c->scene->loop);
}

static uint16_t passive_port(struct client *c, bool is_extended)
{
	const char *line = say(c, is_extended ? "EPSV" : "PASV");
	const char *at = strchr(line, '(');
	unsigned n[6] = { 0 };
	char *rest = NULL;

	CHECK_INT(strncmp(line, is_extended ? "229" : "227", 3), 0);
	CHECK(at);
	if (is_extended)
		return (uint16_t)strtoul(at + 4, &rest, 10);
	at++;
	for (int i = 0; i < 6; i++, at = rest + 1)
		n[i] = (unsigned)strtoul(at, &rest, 10);
	CHECK_INT(n[0], 127);
	return (uint16_t)(n[4] << 8 | n[5]);
}

/* Opens the data connection, TLS with the control's session unless told otherwise. */
static void data_connect(struct client *c, bool is_extended, bool is_clear, bool resumes)
{
	struct tls_client tls = { .trust = TLS_TRUST_INSECURE,
		                  .max_version = 12,
		                  .session = resumes ? c->session : NULL };
	struct stream_events e = { on_data_opened, on_data_received, NULL, on_data_closed, c };
	uint16_t port = passive_port(c, is_extended);

	stream_free(c->data);
	buf_clear(&c->got);
	c->is_data_open = c->is_data_closed = false;
	c->data = is_clear ? tcp_stream_connect(c->scene->loop, "127.0.0.1", port, 0)
	                   : tls_stream_connect(c->scene->loop, "127.0.0.1", port, &tls);
	stream_listen(c->data, &e);
}

/* What RETR or LIST brings; NULL unless it ends with `code`. */
static const char *retrieve(struct client *c, const char *command, const char *code)
{
	data_connect(c, true, false, true);
	if (strncmp(say(c, command), "150", 3) != 0)
		return NULL;
	while (!c->is_data_closed)
		wait_for(c);
	return strncmp(hear(c), code, 3) == 0 ? buf_peek(&c->got) : NULL;
}

static void store(struct client *c, const char *command, const char *text, const char *code)
{
	data_connect(c, true, false, true);
	CHECK_SAYS(c, command, "150");
	while (!c->is_data_open && !c->is_data_closed)
		wait_for(c);
	stream_write(c->data, text, strlen(text));
	stream_end(c->data);
	CHECK_INT(strncmp(hear(c), code, 3), 0);
}

/* ---- the tests ---- */

TEST(ftps_login_needs_the_code_and_three_wrong_ones_end_the_connection)
{
	struct scene *s = begin();
	struct client c;

	client_connect(&c, s);
	CHECK_SAYS(&c, "LIST", "530");
	CHECK_SAYS(&c, "EPSV", "530");
	CHECK_SAYS(&c, "RETR a.txt", "530");
	CHECK_SAYS(&c, "PASS " CODE, "503");
	CHECK_INT(s->n_logins, 0);
	for (int i = 0; i < 3; i++) {
		CHECK_SAYS(&c, "USER bblp", "331");
		CHECK_SAYS(&c, "PASS wrong", "530");
	}
	CHECK_STR(hear(&c), "");
	CHECK(c.is_closed);
	CHECK_INT(s->n_logins, 3);
	client_fini(&c);

	client_login(&c, s);
	CHECK_SAYS(&c, "USER other", "530");
	CHECK_SAYS(&c, "PWD", "257 \"/\"");
	CHECK_SAYS(&c, "QUIT", "221");
	client_fini(&c);
	end(s);
}

TEST(ftps_paths_do_not_leave_the_root)
{
	struct scene *s = begin();
	struct client c;
	char link[400];
	static const char *const tries[] = { "RETR ../leaf.pem", "RETR /../leaf.pem",
		                             "RETR a/../../leaf.pem", "RETR ./.././leaf.pem",
		                             "RETR link" };

	(void)snprintf(link, sizeof(link), "%s/link", s->root);
	CHECK_INT(symlink(s->pem, link), 0);
	client_login(&c, s);
	for (size_t i = 0; i < ARRAY_LEN(tries); i++) {
		(void)passive_port(&c, true);
		CHECK_SAYS(&c, tries[i], "550");
	}
	(void)passive_port(&c, true);
	CHECK_SAYS(&c, "STOR ../new.txt", "150"); /* it lands inside */
	CHECK_SAYS(&c, "ABOR", "426");
	CHECK_INT(strncmp(hear(&c), "226", 3), 0);
	(void)snprintf(link, sizeof(link), "%s/new.txt", s->dir);
	CHECK(access(link, F_OK) != 0);
	CHECK_SAYS(&c, "CWD ..", "250");
	CHECK_SAYS(&c, "PWD", "257 \"/\"");
	CHECK_SAYS(&c, "DELE ../leaf.pem", "550");
	CHECK_SAYS(&c, "RMD /", "550");
	CHECK(access(s->pem, F_OK) == 0);
	client_fini(&c);
	end(s);
}

TEST(ftps_sends_files_and_the_rest_of_files)
{
	struct scene *s = begin();
	struct client c;

	client_login(&c, s);
	CHECK_SAYS(&c, "SIZE a.txt", "213 10");
	CHECK_STR(retrieve(&c, "RETR a.txt", "226"), "0123456789");
	CHECK_SAYS(&c, "REST 4", "350");
	CHECK_STR(retrieve(&c, "RETR a.txt", "226"), "456789");
	CHECK_STR(retrieve(&c, "RETR a.txt", "226"), "0123456789"); /* once only */
	CHECK_SAYS(&c, "REST 400", "350");
	CHECK_STR(retrieve(&c, "RETR /a.txt", "226"), "");
	CHECK_SAYS(&c, "REST 18446744073709551615", "501");
	CHECK_SAYS(&c, "REST x", "501");
	CHECK_SAYS(&c, "RETR a.txt", "425"); /* no way for the data */
	CHECK(!retrieve(&c, "RETR none.txt", "226"));
	s->rules.is_small = true;
	CHECK_SAYS(&c, "REST 4", "502");
	s->rules.aborts_with_426 = true;
	CHECK_STR(retrieve(&c, "RETR a.txt", "426"), "0123456789");
	client_fini(&c);
	end(s);
}

TEST(ftps_takes_files_within_limits)
{
	struct scene *s = begin();
	struct client c;

	client_login(&c, s);
	store(&c, "STOR b.txt", "hello", "226");
	CHECK_STR(read_file(s, "b.txt"), "hello");
	CHECK_SAYS(&c, "REST 2", "350");
	store(&c, "STOR b.txt", "y!", "226");
	CHECK_STR(read_file(s, "b.txt"), "hey!o");
	CHECK_SAYS(&c, "STOR b.txt", "425"); /* and the file is as it was */
	CHECK_STR(read_file(s, "b.txt"), "hey!o");
	s->rules.max_file = 4;
	store(&c, "STOR c.txt", "four", "226");
	store(&c, "STOR c.txt", "five!", "552");
	s->rules.max_file = 0;
	(void)passive_port(&c, true);
	CHECK_SAYS(&c, "STOR none/d.txt", "553");
	s->rules.has_no_storage = true;
	(void)passive_port(&c, true);
	CHECK_SAYS(&c, "STOR d.txt", "553");
	client_fini(&c);
	end(s);
}

TEST(ftps_lists_by_epsv_and_pasv_and_in_clear)
{
	struct scene *s = begin();
	struct client c;
	const char *list;

	client_login(&c, s);
	CHECK_SAYS(&c, "MKD cache", "257");
	list = retrieve(&c, "LIST", "226");
	CHECK(list && strstr(list, "-rw-r--r--    1 1000     1000           10 "));
	CHECK(strstr(list, " a.txt\r\n") && strstr(list, "drwxr-xr-x"));
	CHECK_STR(retrieve(&c, "NLST a.txt", "226"), "a.txt\r\n");
	CHECK(!retrieve(&c, "LIST none", "226"));
	CHECK_STR(retrieve(&c, "LIST /cache", "226"), "");

	data_connect(&c, false, false, true);
	CHECK_SAYS(&c, "NLST a.txt", "150");
	CHECK_INT(strncmp(hear(&c), "226", 3), 0);

	CHECK_SAYS(&c, "PROT S", "536");
	CHECK_SAYS(&c, "PROT C", "200");
	data_connect(&c, true, true, false);
	CHECK_SAYS(&c, "RETR a.txt", "150");
	while (!c.is_data_closed)
		wait_for(&c);
	CHECK_INT(strncmp(hear(&c), "226", 3), 0);
	CHECK_STR(buf_peek(&c.got), "0123456789");
	client_fini(&c);
	end(s);
}

TEST(ftps_may_demand_the_sessions_reuse)
{
	struct scene *s = begin();
	struct client c;

	client_login(&c, s);
	s->rules.demands_reuse = true;
	CHECK_STR(retrieve(&c, "RETR a.txt", "226"), "0123456789");
	data_connect(&c, true, false, false);
	CHECK_SAYS(&c, "RETR a.txt", "150");
	CHECK_INT(strncmp(hear(&c), "522", 3), 0);
	client_fini(&c);
	end(s);
}

TEST(ftps_data_connections_that_end_too_early_do_no_harm)
{
	struct scene *s = begin();
	struct client c;

	client_login(&c, s);
	data_connect(&c, true, true, false);
	while (!c.is_data_open)
		wait_for(&c);
	stream_free(STEAL_PTR(c.data));
	CHECK_SAYS(&c, "NOOP", "200");
	CHECK_SAYS(&c, "RETR a.txt", "150");
	CHECK_INT(strncmp(hear(&c), "425", 3), 0);
	CHECK_STR(retrieve(&c, "RETR a.txt", "226"), "0123456789");
	client_fini(&c);
	end(s);
}

TEST(ftps_silent_clients_are_sent_away_with_a_word)
{
	struct scene *s = begin();
	struct client c;

	s->rules.idle_ms = 100;
	client_connect(&c, s);
	CHECK_INT(strncmp(hear(&c), "421", 3), 0);
	CHECK_STR(hear(&c), "");
	client_fini(&c);
	end(s);
}

TEST(ftps_a_long_transfer_is_not_idleness)
{
	struct scene *s = begin();
	struct client c;
	char text[2001];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	write_file(s, "long", text);
	client_login(&c, s);
	s->rules.bytes_per_s = 4000;
	s->rules.idle_ms = 100;
	CHECK_STR(retrieve(&c, "RETR long", "226"), text);
	client_fini(&c);
	end(s);
}

TEST(ftps_two_clients_have_folders_and_transfers_of_their_own)
{
	struct scene *s = begin();
	struct client a, b;

	client_login(&a, s);
	client_login(&b, s);
	CHECK_SAYS(&a, "MKD cache", "257");
	CHECK_SAYS(&a, "CWD cache", "250");
	CHECK_SAYS(&b, "PWD", "257 \"/\"");
	store(&a, "STOR x", "a's", "226");
	store(&b, "STOR x", "b's", "226");
	CHECK_STR(read_file(s, "cache/x"), "a's");
	CHECK_STR(read_file(s, "x"), "b's");
	/* One that waits for its data does not keep the other. */
	(void)passive_port(&a, true);
	CHECK_SAYS(&a, "RETR x", "150");
	CHECK_SAYS(&a, "LIST", "450");
	CHECK_STR(retrieve(&b, "RETR x", "226"), "b's");
	client_fini(&a);
	CHECK_SAYS(&b, "NOOP", "200");
	client_fini(&b);
	end(s);
}

TEST(ftps_lines_without_an_end_close_the_connection)
{
	struct scene *s = begin();
	struct client c;
	char line[1200];

	client_connect(&c, s);
	memset(line, 'A', sizeof(line));
	stream_write(c.control, line, sizeof(line));
	CHECK_STR(hear(&c), "");
	client_fini(&c);
	end(s);
}

/* ---- downloads ---- */

static void on_done(void *arg, const struct fetch_result *r)
{
	struct scene *s = arg;

	s->result = *r;
	s->is_fetched = true;
	loop_stop(s->loop);
}

static int fetch(struct scene *s, uint16_t port, const char *user, bool is_data_clear)
{
	struct err err = { 0 };
	struct tls_client tls = { .trust = TLS_TRUST_INSECURE };
	char url[100];
	const char *urls[] = { url };
	struct fetch_events e = { NULL, on_done, s };
	struct fetch_request r = { .urls = urls,
		                   .n_urls = 1,
		                   .user = user,
		                   .password = CODE,
		                   .dest_path = s->dest,
		                   .tls = &tls,
		                   .is_data_clear = is_data_clear };

	s->is_fetched = false;
	(void)snprintf(url, sizeof(url), "ftps://127.0.0.1:%u/a.txt", port);
	timer_start(&s->limit, 60000);
	CHECK(fetch_start(s->fetcher, &r, &e, &err));
	while (!s->is_fetched && !s->is_late)
		loop_run(s->loop);
	CHECK(s->is_fetched);
	return s->result.code;
}

TEST(a_download_goes_in_clear_where_the_data_cannot_be_encrypted)
{
	struct scene *s = begin();

	CHECK_INT(fetch(s, ftps_server_port(s->server), "bblp", false), 0);
	CHECK_INT(unlink(s->dest), 0);
	s->rules.only_clear_data = true;
	CHECK_INT(fetch(s, ftps_server_port(s->server), "bblp", false), -EPROTO);
	CHECK(strstr(s->result.err.text, "data connection"));
	CHECK_INT(fetch(s, ftps_server_port(s->server), "bblp", true), 0);
	CHECK_STR(read_file(s, s->dest), "0123456789");
	end(s);
}

/* vsftpd behind a door that lets no TLS into its data port: what a firmware whose PROT P fails
 * looks like from outside. */

struct door {
	struct scene *scene;
	struct tcp_listener *listener;
	uint16_t port; /* of vsftpd */
	bool refuses_tls;
};

struct passage {
	struct stream *in, *out;
	struct buf early; /* of the client, before vsftpd answers */
	bool is_judged, is_out_open, refuses_tls;
};

/* Freed with the test's end only: few, and the loop runs no more then. */
static struct passage *passages[256];
static size_t n_passages;

static void passage_out_opened(void *arg)
{
	struct passage *p = arg;

	p->is_out_open = true;
	stream_write(p->out, p->early.data, p->early.size);
	buf_clear(&p->early);
}

static void passage_in_bytes(void *arg, const uint8_t *bytes, size_t size)
{
	struct passage *p = arg;

	if (!p->is_judged && p->refuses_tls && bytes[0] == 0x16) { /* a ClientHello */
		stream_end(p->in);
		stream_end(p->out);
		return;
	}
	p->is_judged = true;
	if (p->is_out_open)
		stream_write(p->out, bytes, size);
	else
		buf_add(&p->early, bytes, size);
}

static void passage_out_bytes(void *arg, const uint8_t *bytes, size_t size)
{
	stream_write(((struct passage *)arg)->in, bytes, size);
}

static void passage_in_opened(void *arg)
{
	(void)arg;
}

static void passage_in_closed(void *arg, const struct err *err)
{
	(void)err;
	stream_end(((struct passage *)arg)->out);
}

static void passage_out_closed(void *arg, const struct err *err)
{
	(void)err;
	stream_end(((struct passage *)arg)->in);
}

static void door_accepted(void *arg, struct stream *stream)
{
	struct door *d = arg;

	if (n_passages == ARRAY_LEN(passages)) {
		stream_free(stream);
		return;
	}

	struct passage *p = MEM_NEW(struct passage);
	struct stream_events in = { passage_in_opened, passage_in_bytes, NULL, passage_in_closed,
		                    p };
	struct stream_events out = { passage_out_opened, passage_out_bytes, NULL,
		                     passage_out_closed, p };

	passages[n_passages++] = p;
	p->refuses_tls = d->refuses_tls;
	p->in = stream;
	buf_init(&p->early, 0);
	stream_listen(stream, &in);
	p->out = tcp_stream_connect(d->scene->loop, "127.0.0.2", d->port, 0);
	stream_listen(p->out, &out);
}

static void door_open(struct door *d, struct scene *s, uint16_t port)
{
	struct err err = { 0 };

	d->scene = s;
	d->port = port;
	CHECK_INT(tcp_listener_open(s->loop, "127.0.0.1", port,
	                            &(struct tcp_accept){ door_accepted, d }, &d->listener, &err),
	          0);
}

/* Two ports that are free on both addresses, as far as one can know. */
static uint16_t free_port(struct scene *s)
{
	struct err err = { 0 };
	struct tcp_listener *l = NULL;
	struct tcp_accept none = { 0 };
	uint16_t port;

	CHECK_INT(tcp_listener_open(s->loop, "127.0.0.2", 0, &none, &l, &err), 0);
	port = tcp_listener_port(l);
	tcp_listener_close(l);
	return port;
}

static pid_t vsftpd_start(struct scene *s, uint16_t port, uint16_t data_port)
{
	struct err err = { 0 };
	char conf[400];
	char *argv[] = { (char[]){ "vsftpd" }, conf, NULL };
	char *env[] = { NULL };
	pid_t pid = -1;
	auto_free char *text =
		mem_printf("listen=YES\nlisten_address=127.0.0.2\nlisten_port=%u\nbackground=NO\n"
	                   "run_as_launching_user=YES\nanonymous_enable=YES\nanon_root=%s\n"
	                   "secure_chroot_dir=%s\nno_anon_password=NO\nseccomp_sandbox=NO\n"
	                   "ssl_enable=YES\nimplicit_ssl=YES\nallow_anon_ssl=YES\n"
	                   "force_local_data_ssl=NO\nforce_local_logins_ssl=NO\nssl_tlsv1=YES\n"
	                   "require_ssl_reuse=YES\nanon_world_readable_only=NO\nrsa_cert_file=%"
	                   "s\nrsa_private_key_file=%s\n"
	                   "pasv_min_port=%u\npasv_max_port=%u\nxferlog_enable=NO\n",
	                   port, s->root, s->root, s->pem, s->key, data_port, data_port);

	(void)snprintf(conf, sizeof(conf), "%s/vsftpd.conf", s->dir);
	CHECK_INT(fs_write_atomic(conf, text, strlen(text), 0600, &err), 0);
	/* Should the test fail, nobody waits for what it holds open. */
	posix_spawn_file_actions_t quiet;

	posix_spawn_file_actions_init(&quiet);
	for (int fd = 0; fd < 3; fd++)
		posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_RDWR, 0);
	if (posix_spawn(&pid, "/usr/sbin/vsftpd", &quiet, NULL, argv, env) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&quiet);
	return pid;
}

static void vsftpd_stop(pid_t pid)
{
	int status;

	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, &status, 0);
}

static void pause_over(void *arg)
{
	loop_stop(((struct scene *)arg)->loop);
}

/* vsftpd needs a moment to listen, and another to let go of its only data port. */
static int fetch_patiently(struct scene *s, uint16_t port, bool is_data_clear)
{
	struct timer pause;
	int rc = fetch(s, port, "anonymous", is_data_clear);

	timer_init(&pause, s->loop, pause_over, s);
	for (int i = 0; i < 80 && (rc == -EHOSTUNREACH || rc == -EIO); i++) {
		timer_start(&pause, 100);
		while (timer_is_running(&pause))
			loop_run(s->loop);
		rc = fetch(s, port, "anonymous", is_data_clear);
	}
	return rc;
}

TEST(a_download_from_vsftpd_whose_data_cannot_be_encrypted_goes_in_clear)
{
	if (access("/usr/sbin/vsftpd", X_OK) != 0)
		SKIP("vsftpd is not installed");

	struct scene *s = begin();
	struct door control = { 0 }, data = { .refuses_tls = true };
	uint16_t port = free_port(s), data_port = free_port(s);
	pid_t pid = vsftpd_start(s, port, data_port);

	CHECK(pid > 0);
	door_open(&control, s, port);
	door_open(&data, s, data_port);

	int rc = fetch_patiently(s, port, false);
	int in_clear = fetch_patiently(s, port, true);

	/* And the same server where the data can be encrypted, which it demands to be resumed. */
	data.refuses_tls = false;
	int in_private = fetch_patiently(s, port, false);

	vsftpd_stop(pid);
	CHECK_INT(rc, -EPROTO);
	CHECK_INT(in_clear, 0);
	CHECK_INT(in_private, 0);
	CHECK_STR(read_file(s, s->dest), "0123456789");
	tcp_listener_close(control.listener);
	tcp_listener_close(data.listener);
	for (size_t i = 0; i < n_passages; i++) {
		stream_free(passages[i]->in);
		stream_free(passages[i]->out);
		buf_fini(&passages[i]->early);
		free(passages[i]);
	}
	n_passages = 0;
	end(s);
}
