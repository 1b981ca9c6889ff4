/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The driver against a small printer on loopback: real TLS, real time, fractions of a second. */

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/loop.h"
#include "media/draw.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "wire/bambu_camera_codec.h"
#include "wire/tcp_stream.h"
#include "wire/tls_make.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL "01S00A000000001"
#define CODE "12345678"
#define YEAR_MS ((int64_t)365 * 86400000)

enum fault {
	FAULT_NONE,
	FAULT_WRONG_CODE, /* closes without a byte */
	FAULT_SILENT,     /* takes the login, sends nothing */
	FAULT_HALF,       /* half a picture, then closes */
	FAULT_GARBAGE,    /* a size that cannot be */
	FAULT_TUNNEL,     /* P2S: a file tunnel lives on this port */
	FAULT_NO_PICTURE, /* right size and ends, but no JPEG */
};

/* A printer with one client. */
struct maker {
	struct loop *loop;
	struct tcp_listener *listener;
	struct tls_server *tls;
	struct stream *client;
	struct timer sends, breaks;
	uint8_t login[200];
	size_t n_login;
	unsigned n_clients, n_sent;
	enum fault fault;
	unsigned heals_after; /* clients; 0: never */
	size_t piece;         /* pictures are written in pieces of so many bytes */
	struct frame *jpeg;
};

static void drop_client(struct maker *m)
{
	timer_stop(&m->sends);
	timer_stop(&m->breaks);
	stream_free(m->client);
	m->client = NULL;
}

static void write_picture(struct maker *m, size_t cut)
{
	uint8_t head[BAMBU_CAMERA_HEAD_SIZE];
	size_t size = cut ? cut : m->jpeg->size;

	bambu_camera_head_write(head, (uint32_t)m->jpeg->size);
	stream_write(m->client, head, 7);
	stream_write(m->client, head + 7, sizeof(head) - 7);
	for (size_t at = 0; at < size; at += m->piece)
		stream_write(m->client, m->jpeg->data + at, MIN(m->piece, size - at));
	m->n_sent++;
}

static void on_send(void *arg)
{
	struct maker *m = arg;

	if (stream_queued(m->client) == 0)
		write_picture(m, 0);
}

static void on_break(void *arg)
{
	stream_end(((struct maker *)arg)->client);
}

static void answer_fault(struct maker *m)
{
	uint8_t bytes[BAMBU_CAMERA_HEAD_SIZE + 1000] = { 0 };

	switch (m->fault) {
	case FAULT_NONE:
		write_picture(m, 0);
		timer_start_every(&m->sends, 20);
		return;
	case FAULT_SILENT:
		return;
	case FAULT_HALF:
		write_picture(m, m->jpeg->size / 2);
		break;
	case FAULT_GARBAGE:
		memset(bytes, 0xee, sizeof(bytes));
		stream_write(m->client, bytes, sizeof(bytes));
		return;
	case FAULT_TUNNEL:
		memcpy(bytes, "\x3f\x01\x03\x00", 4);
		stream_write(m->client, bytes, 24);
		break;
	case FAULT_NO_PICTURE:
		bambu_camera_head_write(bytes, 1000);
		memcpy(bytes + 16, "\xff\xd8", 2);
		memcpy(bytes + sizeof(bytes) - 2, "\xff\xd9", 2);
		stream_write(m->client, bytes, sizeof(bytes));
		return;
	case FAULT_WRONG_CODE:
		break;
	}
	timer_start(&m->breaks, 1);
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct maker *m = arg;
	char user[BAMBU_CAMERA_NAME_SIZE], code[BAMBU_CAMERA_NAME_SIZE];

	CHECK(m->n_login + size <= sizeof(m->login));
	memcpy(m->login + m->n_login, bytes, size);
	m->n_login += size;
	if (m->n_login < BAMBU_CAMERA_LOGIN_SIZE)
		return;
	CHECK_INT(m->n_login, BAMBU_CAMERA_LOGIN_SIZE);
	CHECK(bambu_camera_login_read(m->login, user, code));
	CHECK_STR(user, "bblp");
	if (strcmp(code, CODE) != 0)
		m->fault = FAULT_WRONG_CODE;
	answer_fault(m);
}

static void on_closed(void *arg, const struct err *err)
{
	(void)err;
	drop_client(arg);
}

static void on_accepted(void *arg, struct stream *s)
{
	struct maker *m = arg;
	struct stream_events events = { .received = on_received, .closed = on_closed, .arg = m };

	if (m->client)
		drop_client(m);
	if (++m->n_clients > m->heals_after && m->heals_after > 0)
		m->fault = FAULT_NONE;
	m->n_login = 0;
	m->client = tls_server_accept(m->tls, m->loop, s);
	stream_listen(m->client, &events);
}

struct rig {
	struct loop *loop;
	struct bus *bus;
	struct cameras *cameras;
	struct camera *camera;
	struct maker maker;
	struct camera_watcher watcher;
	struct timer limit;
	unsigned n_wanted, n_got;
	const char *wanted_text;
	bool is_late;
	char *ca;
	uint8_t pin[32];
};

/* Keys take long to make: one pair serves all tests. */
struct pair {
	char *ca, *leaf, *key;
};

static void make_pair(struct pair *p, int64_t now)
{
	struct tls_make m = { .cn = "Test CA",
		              .is_ca = true,
		              .not_before_ms = now - YEAR_MS,
		              .not_after_ms = now + YEAR_MS };
	auto_free char *ca_key = NULL;

	CHECK_INT(tls_make_certificate(&m, &p->ca, &ca_key, NULL), 0);
	m = (struct tls_make){ .cn = SERIAL,
		               .is_version_1 = true,
		               .not_before_ms = now - YEAR_MS,
		               .not_after_ms = now + YEAR_MS,
		               .issuer_pem = p->ca,
		               .issuer_key_pem = ca_key };
	CHECK_INT(tls_make_certificate(&m, &p->leaf, &p->key, NULL), 0);
}

static void make_certificates(struct rig *r)
{
	static struct pair pair;
	char leaf_path[300], key_path[300];
	const char *dir = test_tmp_dir();

	if (!pair.leaf)
		make_pair(&pair, loop_wall_ms(r->loop));
	r->ca = mem_str(pair.ca);
	CHECK(tls_pem_sha256(pair.leaf, r->pin));
	(void)snprintf(leaf_path, sizeof(leaf_path), "%s/leaf.pem", dir);
	(void)snprintf(key_path, sizeof(key_path), "%s/key.pem", dir);
	CHECK_INT(fs_write_atomic(leaf_path, pair.leaf, strlen(pair.leaf), 0600, NULL), 0);
	CHECK_INT(fs_write_atomic(key_path, pair.key, strlen(pair.key), 0600, NULL), 0);

	struct tls_server_config config = { .certificate_file = leaf_path, .key_file = key_path };

	CHECK_INT(tls_server_new(&config, &r->maker.tls, NULL), 0);
}

static void start_maker(struct rig *r)
{
	struct maker *m = &r->maker;
	struct draw_canvas *c = draw_canvas_new(320, 240);

	m->loop = r->loop;
	m->piece = 1000;
	timer_init(&m->sends, r->loop, on_send, m);
	timer_init(&m->breaks, r->loop, on_break, m);
	draw_gradient(c, 0x204060ff, 0xffe0c0ff);
	CHECK_INT(jpeg_encode_rgbx((const uint8_t *)c->pixels, 320, 240, 90, &m->jpeg, NULL), 0);
	draw_canvas_free(c);
	CHECK(m->jpeg->size > BAMBU_CAMERA_MIN_PICTURE);
	CHECK_INT(tcp_listener_open(r->loop, "127.0.0.1", 0, &(struct tcp_accept){ on_accepted, m },
	                            &m->listener, NULL),
	          0);
}

static void on_limit(void *arg)
{
	struct rig *r = arg;

	r->is_late = true;
	loop_stop(r->loop);
}

static void on_woken(void *arg)
{
	struct rig *r = arg;
	struct frame *f = camera_watch_take(&r->watcher);

	if (f) {
		CHECK_INT(f->size, r->maker.jpeg->size);
		CHECK_INT(memcmp(f->data, r->maker.jpeg->data, f->size), 0);
		r->n_got++;
	}
	frame_unref(f);
	if (r->n_wanted > 0 && r->n_got >= r->n_wanted)
		loop_stop(r->loop);
	if (r->wanted_text && strstr(camera_status(r->camera)->text, r->wanted_text))
		loop_stop(r->loop);
}

static void setup(struct rig *r)
{
	(void)signal(SIGPIPE, SIG_IGN); /* as the program does */
	*r = (struct rig){ .loop = loop_new() };
	r->bus = bus_new(r->loop);
	make_certificates(r);
	start_maker(r);

	struct cameras_env env = {
		.loop = r->loop, .bus = r->bus, .ca_pem = r->ca, .retry_ms = 20
	};

	r->cameras = cameras_new(&env);
	timer_init(&r->limit, r->loop, on_limit, r);
}

static struct camera_config make_config(const struct rig *r)
{
	struct camera_config c = { .id = "p1s",
		                   .driver = "bambu",
		                   .address = "127.0.0.1",
		                   .serial = SERIAL,
		                   .stale_after_ms = 800 };

	c.port = tcp_listener_port(r->maker.listener);
	secret_set(&c.secret, CODE);
	return c;
}

/* Watches until `n` pictures or `text` have come. */
static void run(struct rig *r, struct camera_config *config, unsigned n, const char *text)
{
	CHECK_INT(cameras_add(r->cameras, config, &r->camera, NULL), 0);
	camera_config_fini(config);
	r->n_wanted = n;
	r->wanted_text = text;
	timer_start(&r->limit, 60000);
	camera_watch(r->camera, &r->watcher, on_woken, r);
	loop_run(r->loop);
	timer_stop(&r->limit);
	if (r->is_late)
		print_message("status: %s\n", camera_status(r->camera)->text);
	CHECK(!r->is_late);
}

static void teardown(struct rig *r)
{
	camera_unwatch(&r->watcher);
	cameras_free(r->cameras);
	drop_client(&r->maker);
	tcp_listener_close(r->maker.listener);
	tls_server_free(r->maker.tls);
	frame_unref(r->maker.jpeg);
	bus_free(r->bus);
	free(r->ca);
	loop_free(r->loop);
}

TEST(bambu_camera_shows_pictures_however_they_are_torn)
{
	static const size_t pieces[] = { 7, 100, 4096, 1000000 };

	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct rig r;

		setup(&r);
		r.maker.piece = pieces[i];

		struct camera_config config = make_config(&r);

		config.stale_after_ms = 10000; /* a slow machine is no stale camera */
		run(&r, &config, 5, NULL);
		CHECK_INT(r.maker.n_clients, 1);
		CHECK_INT(camera_status(r.camera)->width, 320);
		CHECK_INT(camera_status(r.camera)->state, CAMERA_LIVE);
		teardown(&r);
	}
}

TEST(bambu_camera_says_that_the_code_is_wrong)
{
	struct rig r;

	setup(&r);

	struct camera_config config = make_config(&r);

	secret_set(&config.secret, "87654321");
	run(&r, &config, 0, "access code is wrong");
	CHECK_INT(r.n_got, 0);
	CHECK(!strstr(camera_status(r.camera)->text, "87654321"));
	teardown(&r);
}

TEST(bambu_camera_sends_nothing_to_a_stranger)
{
	struct rig r;

	setup(&r);

	struct camera_config config = make_config(&r);

	TEXT_SET(config.serial, "01S00A000000002");
	run(&r, &config, 0, "01S00A00000000");
	CHECK_INT(r.maker.n_login, 0);
	CHECK_INT(camera_status(r.camera)->state, CAMERA_NO_SIGNAL);
	teardown(&r);
}

TEST(bambu_camera_knows_a_pinned_certificate)
{
	struct rig r;

	setup(&r);

	struct camera_config config = make_config(&r);

	config.trust.mode = TRUST_PIN;
	memcpy(config.trust.pin, r.pin, sizeof(r.pin));
	config.serial[0] = '\0';
	run(&r, &config, 2, NULL);
	teardown(&r);

	setup(&r);
	config = make_config(&r);
	config.trust.mode = TRUST_PIN;
	memset(config.trust.pin, 7, sizeof(config.trust.pin));
	run(&r, &config, 0, "certificate");
	CHECK_INT(r.maker.n_login, 0);
	teardown(&r);
}

/* Each fault lasts for the first connection; the camera must come back by itself. */
static void recover_from(enum fault fault)
{
	struct rig r;

	setup(&r);
	r.maker.fault = fault;
	r.maker.heals_after = 1;

	struct camera_config config = make_config(&r);

	run(&r, &config, 2, NULL);
	CHECK_INT(r.maker.n_clients, 2);
	CHECK(camera_status(r.camera)->n_reconnects >= 1);
	teardown(&r);
}

TEST(bambu_camera_comes_back_after_half_a_picture)
{
	recover_from(FAULT_HALF);
}

TEST(bambu_camera_comes_back_after_an_impossible_size)
{
	recover_from(FAULT_GARBAGE);
}

TEST(bambu_camera_comes_back_after_silence)
{
	recover_from(FAULT_SILENT);
}

TEST(bambu_camera_comes_back_after_rubbish_in_a_picture)
{
	recover_from(FAULT_NO_PICTURE);
}

TEST(bambu_camera_explains_a_file_tunnel_and_silence)
{
	struct rig r;

	setup(&r);
	r.maker.fault = FAULT_TUNNEL;

	struct camera_config config = make_config(&r);

	run(&r, &config, 0, "no JPEG camera");
	teardown(&r);
	setup(&r);
	r.maker.fault = FAULT_SILENT;
	config = make_config(&r);
	run(&r, &config, 0, "switched off");
	teardown(&r);
}

TEST(bambu_camera_explains_what_is_missing_in_its_settings)
{
	struct rig r;

	setup(&r);

	struct camera_config config = make_config(&r);

	secret_set(&config.secret, NULL);
	run(&r, &config, 0, "access code");
	CHECK_INT(r.maker.n_clients, 0);
	teardown(&r);
	setup(&r);
	config = make_config(&r);
	config.serial[0] = '\0';
	run(&r, &config, 0, "serial number");
	CHECK_INT(r.maker.n_clients, 0);
	teardown(&r);
}

TEST(bambu_camera_says_that_nobody_answers)
{
	struct rig r;

	setup(&r);

	struct camera_config config = make_config(&r);

	tcp_listener_close(r.maker.listener);
	r.maker.listener = NULL;
	run(&r, &config, 0, "127.0.0.1");
	CHECK_INT(camera_status(r.camera)->state, CAMERA_NO_SIGNAL);
	teardown(&r);
}

/* Simulated time, a link in memory: a printer that is silent while it prepares. */
struct quiet {
	struct loop *loop;
	struct stream *printer; /* its end */
	struct frame *jpeg;
	unsigned n_connected;
	int64_t speaks_us;
	struct timer sends;
};

static void speak(void *arg)
{
	struct quiet *q = arg;
	uint8_t head[BAMBU_CAMERA_HEAD_SIZE];

	if (!q->printer || loop_now_us(q->loop) < q->speaks_us)
		return;
	bambu_camera_head_write(head, (uint32_t)q->jpeg->size);
	stream_write(q->printer, head, sizeof(head));
	stream_write(q->printer, q->jpeg->data, q->jpeg->size);
}

static void quiet_closed(void *arg, const struct err *err)
{
	struct quiet *q = arg;

	(void)err;
	stream_free(q->printer);
	q->printer = NULL;
}

static struct stream *quiet_connect(void *arg, const struct camera_config *c)
{
	struct quiet *q = arg;
	struct stream_events events = { .closed = quiet_closed, .arg = q };
	struct stream *client;

	CHECK_STR(c->id, "p1s");
	q->n_connected++;
	stream_free(q->printer);
	stream_pair(q->loop, 5, &client, &q->printer);
	stream_listen(q->printer, &events);
	return client;
}

TEST(bambu_camera_waits_for_a_printer_that_prepares)
{
	struct quiet q = { .loop = loop_new_simulated(1795257605000) };
	struct bus *bus = bus_new(q.loop);
	struct cameras_env env = {
		.loop = q.loop, .bus = bus, .connect = quiet_connect, .connect_arg = &q
	};
	struct cameras *cameras = cameras_new(&env);
	struct camera_config config = {
		.id = "p1s", .driver = "bambu", .address = "printer", .trust.mode = TRUST_INSECURE
	};
	struct draw_canvas *canvas = draw_canvas_new(320, 240);
	struct camera *c;

	CHECK_INT(jpeg_encode_rgbx((const uint8_t *)canvas->pixels, 320, 240, 90, &q.jpeg, NULL),
	          0);
	draw_canvas_free(canvas);
	secret_set(&config.secret, CODE);
	CHECK_INT(cameras_add(cameras, &config, &c, NULL), 0);
	camera_config_fini(&config);
	q.speaks_us = loop_now_us(q.loop) + 60000000;
	timer_init(&q.sends, q.loop, speak, &q);
	timer_start_every(&q.sends, 1000);
	camera_hold(c);
	loop_advance(q.loop, 59000);
	CHECK_INT(camera_status(c)->state, CAMERA_NO_SIGNAL);
	CHECK(strstr(camera_status(c)->text, "preparing"));
	/* Ten seconds of patience each, with pauses of 1, 2, 5 s between them. */
	CHECK_INT(q.n_connected, 5);
	loop_advance(q.loop, 30000);
	CHECK_INT(camera_status(c)->state, CAMERA_LIVE);
	CHECK_STR(camera_status(c)->text, "");
	CHECK_INT(camera_status(c)->n_refused, 0);
	timer_stop(&q.sends);
	cameras_free(cameras);
	stream_free(q.printer);
	frame_unref(q.jpeg);
	bus_free(bus);
	loop_free(q.loop);
}
