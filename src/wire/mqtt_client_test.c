/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/mqtt_client.h"

#include "base/err.h"
#include "base/test.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/proc.h"
#include "wire/stream.h"
#include "wire/tcp_stream.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A broker by hand at the other end of a memory pair. */
struct scene {
	struct loop *loop;
	struct stream *theirs;
	struct mqtt_client *client;
	struct mqtt_reader reader;
	struct mqtt_packet last;
	char text[64]; /* of the last topic, password or payload */
	unsigned n_packets, n_pings, n_ready, n_messages, n_closed;
	enum mqtt_end end;
	char why[200];
	bool frees_on_message;
};

static bool broker_packet(void *arg, const struct mqtt_packet *p)
{
	struct scene *s = arg;

	s->last = *p;
	s->n_packets++;
	s->n_pings += p->type == MQTT_PINGREQ;
	if (p->type == MQTT_CONNECT)
		CHECK(mqtt_bytes_equal(p->connect.password, "12345678"));
	if (p->type == MQTT_SUBSCRIBE)
		CHECK(mqtt_bytes_equal(p->subscribe.filters[0].filter, "device/1/report"));
	return true;
}

static void broker_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct scene *s = arg;

	CHECK_INT(mqtt_reader_feed(&s->reader, bytes, size, broker_packet, s, NULL), 0);
}

static void broker_opened(void *arg)
{
	(void)arg;
}

static void broker_closed(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

static void on_ready(void *arg)
{
	((struct scene *)arg)->n_ready++;
}

static void on_message(void *arg, struct mqtt_bytes topic, struct mqtt_bytes payload)
{
	struct scene *s = arg;

	s->n_messages++;
	CHECK(topic.size > 0);
	memcpy(s->text, payload.data, MIN(payload.size, sizeof(s->text) - 1));
	if (s->frees_on_message) {
		mqtt_client_free(s->client);
		s->client = NULL;
	}
}

static void on_closed(void *arg, enum mqtt_end end, const struct err *err)
{
	struct scene *s = arg;

	s->n_closed++;
	s->end = end;
	memcpy(s->why, err->text, sizeof(s->why) - 1);
}

static const struct mqtt_client_config config = {
	.client_id = "c",
	.user = "bblp",
	.password = "12345678",
	.filter = "device/1/report",
};

static struct mqtt_client_events events_of(struct scene *s)
{
	return (struct mqtt_client_events){ on_ready, on_message, on_closed, s };
}

static void begin(struct scene *s)
{
	struct stream *ours;
	struct stream_events e = { broker_opened, broker_received, NULL, broker_closed, s };
	struct mqtt_client_events ce = events_of(s);

	memset(s, 0, sizeof(*s));
	s->loop = loop_new_simulated(0);
	stream_pair(s->loop, 1, &ours, &s->theirs);
	stream_listen(s->theirs, &e);
	mqtt_reader_init(&s->reader, 0);
	s->client = mqtt_client_new(s->loop, ours, &config, &ce);
	loop_advance(s->loop, 10);
}

static void finish(struct scene *s)
{
	mqtt_client_free(s->client);
	stream_free(s->theirs);
	mqtt_reader_fini(&s->reader);
	loop_advance(s->loop, 10);
	loop_free(s->loop);
}

static void broker_write(struct scene *s, struct buf *b)
{
	stream_write(s->theirs, b->data, b->size);
	buf_fini(b);
	loop_advance(s->loop, 10);
}

static void broker_connack(struct scene *s, enum mqtt_connack code)
{
	struct buf b;

	buf_init(&b, 0);
	mqtt_write_connack(&b, false, code);
	broker_write(s, &b);
}

static void broker_suback(struct scene *s, uint8_t code)
{
	struct buf b;

	buf_init(&b, 0);
	mqtt_write_suback(&b, s->last.id, &code, 1);
	broker_write(s, &b);
}

static void log_in(struct scene *s)
{
	begin(s);
	CHECK_INT(s->last.type, MQTT_CONNECT);
	broker_connack(s, MQTT_ACCEPTED);
	CHECK_INT(s->last.type, MQTT_SUBSCRIBE);
	CHECK_INT(s->n_ready, 0);
	broker_suback(s, 0);
	CHECK_INT(s->n_ready, 1);
}

TEST(client_logs_in_subscribes_and_listens)
{
	struct scene s;
	struct buf b;

	log_in(&s);
	buf_init(&b, 0);
	mqtt_write_publish(&b, "device/1/report", "hello", 5, 1, 77);
	broker_write(&s, &b);
	CHECK_INT(s.n_messages, 1);
	CHECK_STR(s.text, "hello");
	CHECK_INT(s.last.type, MQTT_PUBACK);
	CHECK_INT(s.last.id, 77);
	finish(&s);
}

TEST(client_tells_a_wrong_code_from_other_refusals)
{
	struct scene s;

	begin(&s);
	broker_connack(&s, MQTT_NOT_ALLOWED);
	CHECK_INT(s.n_closed, 1);
	CHECK_INT(s.end, MQTT_END_BAD_LOGIN);
	finish(&s);
	begin(&s);
	broker_connack(&s, MQTT_UNAVAILABLE);
	CHECK_INT(s.end, MQTT_END_REFUSED);
	finish(&s);
	begin(&s);
	broker_connack(&s, MQTT_ACCEPTED);
	broker_suback(&s, MQTT_SUBACK_REFUSED);
	CHECK_INT(s.end, MQTT_END_NO_SUBSCRIBE);
	CHECK_INT(s.n_closed, 1);
	finish(&s);
}

TEST(client_does_not_wait_for_ever_for_the_login)
{
	struct scene s;

	begin(&s);
	loop_advance(s.loop, 9900);
	CHECK_INT(s.n_closed, 0);
	loop_advance(s.loop, 200);
	CHECK_INT(s.n_closed, 1);
	CHECK_INT(s.end, MQTT_END_SILENT);
	finish(&s);
}

TEST(client_pings_and_misses_the_answer)
{
	struct scene s;
	struct buf b;

	log_in(&s);
	loop_advance(s.loop, 15000);
	CHECK_INT(s.n_pings, 1);
	buf_init(&b, 0);
	mqtt_write_bare(&b, MQTT_PINGRESP);
	broker_write(&s, &b);
	loop_advance(s.loop, 15000);
	CHECK_INT(s.n_pings, 2);
	CHECK_INT(s.n_closed, 0);
	loop_advance(s.loop, 16000);
	CHECK_INT(s.n_closed, 1);
	CHECK_INT(s.end, MQTT_END_SILENT);
	finish(&s);
}

TEST(client_has_several_publishes_in_flight)
{
	struct scene s;
	struct buf b;

	begin(&s);
	CHECK(!mqtt_client_publish(s.client, "t", "x", 1, 1));
	finish(&s);
	log_in(&s);
	for (int i = 0; i < 5; i++)
		CHECK(mqtt_client_publish(s.client, "device/1/request", "x", 1, 1));
	loop_advance(s.loop, 10);
	CHECK_INT(mqtt_client_in_flight(s.client), 5);
	CHECK_INT(s.n_packets, 7);
	buf_init(&b, 0);
	mqtt_write_ack(&b, MQTT_PUBACK, s.last.id);
	mqtt_write_ack(&b, MQTT_PUBACK, 999);
	broker_write(&s, &b);
	CHECK_INT(mqtt_client_in_flight(s.client), 3);
	finish(&s);
}

TEST(client_ends_on_what_is_no_mqtt_and_on_loss)
{
	struct scene s;

	log_in(&s);
	stream_write(s.theirs, "\xf0\x00", 2);
	loop_advance(s.loop, 10);
	CHECK_INT(s.end, MQTT_END_BROKEN);
	CHECK_INT(s.n_closed, 1);
	finish(&s);
	log_in(&s);
	stream_end(s.theirs);
	loop_advance(s.loop, 5000);
	CHECK_INT(s.n_closed, 1);
	CHECK_INT(s.end, MQTT_END_LOST);
	finish(&s);
}

TEST(client_refuses_a_packet_above_a_megabyte)
{
	struct scene s;

	log_in(&s);
	stream_write(s.theirs, "\x30\x80\x80\x80\x02", 5); /* 4 MB are announced */
	loop_advance(s.loop, 10);
	CHECK_INT(s.end, MQTT_END_BROKEN);
	finish(&s);
}

TEST(client_may_be_freed_inside_its_callbacks)
{
	struct scene s;
	struct buf b;

	log_in(&s);
	s.frees_on_message = true;
	buf_init(&b, 0);
	mqtt_write_publish(&b, "device/1/report", "1", 1, 0, 0);
	mqtt_write_publish(&b, "device/1/report", "2", 1, 0, 0);
	broker_write(&s, &b);
	CHECK_INT(s.n_messages, 1);
	CHECK_INT(s.n_closed, 0);
	finish(&s);
}

/* ---- against the broker that everybody uses ---- */

struct foreign {
	struct loop *loop;
	struct proc *broker;
	struct mqtt_client *client;
	struct timer limit;
	uint16_t port;
	unsigned n_messages;
	bool is_ready, has_ended;
};

static const char *find_mosquitto(void)
{
	static const char *const places[] = { "/usr/sbin/mosquitto", "/usr/bin/mosquitto",
		                              "/usr/local/sbin/mosquitto" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		if (access(places[i], X_OK) == 0)
			return places[i];
	}
	return getenv("MOSQUITTO"); /* a broker somewhere else */
}

static void foreign_ready(void *arg)
{
	struct foreign *f = arg;

	f->is_ready = true;
	for (int i = 0; i < 3; i++)
		CHECK(mqtt_client_publish(f->client, "device/1/report", "hello", 5, 1));
}

static void foreign_message(void *arg, struct mqtt_bytes topic, struct mqtt_bytes payload)
{
	struct foreign *f = arg;

	CHECK(mqtt_bytes_equal(topic, "device/1/report"));
	CHECK(mqtt_bytes_equal(payload, "hello"));
	if (++f->n_messages == 3)
		loop_stop(f->loop);
}

static void foreign_closed(void *arg, enum mqtt_end end, const struct err *err)
{
	struct foreign *f = arg;

	(void)end;
	(void)err;
	f->has_ended = true;
	loop_stop(f->loop);
}

static void foreign_line(void *arg, char *line)
{
	struct foreign *f = arg;
	struct mqtt_client_events e = { foreign_ready, foreign_message, foreign_closed, f };

	if (f->client || !strstr(line, " running"))
		return;
	f->client = mqtt_client_new(f->loop, tcp_stream_connect(f->loop, "127.0.0.1", f->port, 0),
	                            &config, &e);
}

static void foreign_over(void *arg)
{
	loop_stop(((struct foreign *)arg)->loop);
}

static void foreign_ended(void *arg, int status, int signal)
{
	struct foreign *f = arg;

	(void)status;
	(void)signal;
	f->has_ended = true;
	loop_stop(f->loop);
}

/* One that nobody listens on, from below the range out of which the kernel serves itself. */
static uint16_t free_port(unsigned attempt)
{
	for (unsigned i = 0; i < 1000; i++) {
		unsigned port = 10000 + ((unsigned)getpid() * 7 + attempt * 1009 + i * 13) % 20000;
		struct sockaddr_in a = { .sin_family = AF_INET,
			                 .sin_port = htons((uint16_t)port),
			                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool is_free = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

		(void)close(fd);
		if (is_free)
			return (uint16_t)port;
	}
	return 0;
}

/* Started and talked to; false if the broker ended first: another took its port meanwhile. */
static bool talk_to_mosquitto(struct foreign *f, const char *program)
{
	char conf[300], text[200];

	(void)snprintf(conf, sizeof(conf), "%s/mosquitto.conf", test_tmp_dir());
	(void)snprintf(text, sizeof(text),
	               "listener %u 127.0.0.1\nallow_anonymous true\nuser root\n", f->port);
	CHECK_INT(fs_write_atomic(conf, text, strlen(text), 0600, NULL), 0);

	const char *argv[] = { program, "-v", "-c", conf, NULL };
	struct proc_config c = { .argv = argv,
		                 .err = foreign_line,
		                 .out = foreign_line,
		                 .ended = foreign_ended,
		                 .arg = f };

	f->loop = loop_new();
	CHECK_INT(proc_start(f->loop, &c, &f->broker, NULL), 0);
	timer_init(&f->limit, f->loop, foreign_over, f);
	timer_start(&f->limit, 60000);
	loop_run(f->loop);
	timer_stop(&f->limit);
	mqtt_client_free(f->client);
	proc_free(f->broker);
	loop_free(f->loop);
	return !f->has_ended;
}

TEST(client_works_with_mosquitto)
{
	const char *program = find_mosquitto();
	struct foreign f = { 0 };
	bool is_done = false;

	if (!program)
		SKIP("the Debian package mosquitto is not installed");
	for (unsigned i = 0; i < 5 && !is_done; i++) {
		f = (struct foreign){ .port = free_port(i) };
		CHECK(f.port != 0);
		is_done = talk_to_mosquitto(&f, program);
	}
	CHECK(is_done);
	CHECK(f.is_ready);
	CHECK_INT(f.n_messages, 3);
}
