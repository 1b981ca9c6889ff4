/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/doctor.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/bambu_camera_codec.h"
#include "wire/mqtt_codec.h"
#include "wire/stream.h"

#include <stdlib.h>
#include <string.h>

#define SERIAL "03900A000000001"

/* One end of the printer: every connection is answered by its port's manners. */
struct end {
	struct scene *scene;
	struct stream *stream;
	struct mqtt_reader reader;
	bool is_camera, is_files, is_data, is_live;
};

struct scene {
	struct loop *loop;
	struct end ends[12];
	unsigned n_ends;
	bool refuses_files_code, has_no_list, is_x1, has_live_view, breaks_data;
	bool refuses_code, is_mute, is_away, has_no_picture;
	struct doctor *doctor;
	struct doctor_report report;
	unsigned n_done, n_steps;
};

static bool on_packet(void *arg, const struct mqtt_packet *p)
{
	struct end *e = arg;
	struct buf b;
	uint8_t granted = 0;
	const char *version =
		e->scene->is_x1 ? "{\"info\":{\"command\":\"get_version\",\"module\":[{\"name\":"
				  "\"ota\",\"project_name\":\"BL-P001\"}]}}"
				: "{\"info\":{\"command\":\"get_version\",\"module\":[{\"name\":"
				  "\"ota\",\"project_name\":\"N2S\"}]}}";

	buf_init(&b, 0);
	if (p->type == MQTT_CONNECT)
		mqtt_write_connack(&b, false,
		                   e->scene->refuses_code ? MQTT_NOT_ALLOWED : MQTT_ACCEPTED);
	else if (p->type == MQTT_SUBSCRIBE)
		mqtt_write_suback(&b, p->id, &granted, 1);
	else if (p->type == MQTT_PUBLISH && !e->scene->is_mute)
		mqtt_write_publish(&b, "device/" SERIAL "/report", version, strlen(version), 0, 0);
	if (b.size > 0)
		stream_write(e->stream, b.data, b.size);
	buf_fini(&b);
	return true;
}

static void send_picture(struct end *e)
{
	uint8_t bytes[BAMBU_CAMERA_HEAD_SIZE + 2000] = { 0 };

	bambu_camera_head_write(bytes, 2000);
	memcpy(bytes + BAMBU_CAMERA_HEAD_SIZE, "\xff\xd8\xff", 3);
	memcpy(bytes + sizeof(bytes) - 2, "\xff\xd9", 2);
	stream_write(e->stream, bytes, sizeof(bytes));
}

static void send_line(struct end *e, const char *line)
{
	stream_write(e->stream, line, strlen(line));
}

/* One command a parcel, its CR LF in the next: the way doctor_files writes them. */
static void serve_files(struct end *e, const char *bytes, size_t size)
{
	bool is_list = size == 4 && memcmp(bytes, "LIST", 4) == 0;

	if (size == 9 && memcmp(bytes, "USER bblp", 9) == 0)
		send_line(e, "331 Please specify the password.\r\n");
	else if (size == 13 && memcmp(bytes, "PASS 12345678", 13) == 0)
		send_line(e, e->scene->refuses_files_code ? "530 Login incorrect.\r\n"
		                                          : "230-Welcome\r\n230 In.\r\n");
	else if (size == 6 && memcmp(bytes, "PBSZ 0", 6) == 0)
		send_line(e, "200 ok\r\n");
	else if (size == 6 && memcmp(bytes, "PROT P", 6) == 0)
		send_line(e, "200 ok\r\n");
	else if (size == 4 && memcmp(bytes, "EPSV", 4) == 0)
		send_line(e, "229 Entering Extended Passive Mode (|||50001|)\r\n");
	else if (is_list)
		send_line(e, e->scene->breaks_data   ? "150 Here.\r\n522 SSL connection failed\r\n"
		             : e->scene->has_no_list ? "550 Failed to open directory.\r\n"
		                                     : "150 Here.\r\n226 Done.\r\n");
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct end *e = arg;

	if (e->is_files) {
		serve_files(e, (const char *)bytes, size);
		return;
	}
	if (e->is_live)
		send_line(e, "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n");
	if (e->is_data || e->is_live)
		return;
	if (!e->is_camera)
		(void)!mqtt_reader_feed(&e->reader, bytes, size, on_packet, e, NULL);
	else if (!e->scene->has_no_picture)
		send_picture(e);
}

static void on_opened(void *arg)
{
	struct end *e = arg;

	if (e->is_files)
		send_line(e, "220 (vsFTPd 3.0.5)\r\n");
}

static void on_closed(void *arg, const struct err *err)
{
	struct end *e = arg;

	(void)err;
	stream_free(e->stream);
	e->stream = NULL;
}

static struct stream *connect_pair(void *arg, uint16_t port, bool has_tls)
{
	struct scene *s = arg;
	struct end *e = &s->ends[s->n_ends++];
	struct stream *ours;
	struct stream_events events = { on_opened, on_received, NULL, on_closed, e };

	CHECK(s->n_ends <= ARRAY_LEN(s->ends));
	CHECK(has_tls || port == 8883);
	e->scene = s;
	e->is_camera = port == 6000;
	e->is_files = port == 990;
	e->is_data = port == 50001;
	e->is_live = port == 322;
	mqtt_reader_init(&e->reader, 0);
	stream_pair(s->loop, 1, &ours, &e->stream);
	if (s->is_away || (port == 322 && !s->has_live_view))
		stream_end(e->stream);
	stream_listen(e->stream, &events);
	return ours;
}

static void on_step(void *arg, const struct doctor_step *step)
{
	struct scene *s = arg;

	s->n_steps++;
	CHECK(step->name && *step->text);
	CHECK(step->is_ok == (*step->advice == '\0'));
}

static void on_done(void *arg, const struct doctor_report *r)
{
	struct scene *s = arg;

	s->n_done++;
	s->report = *r;
	doctor_free(s->doctor);
}

static void examine(struct scene *s)
{
	struct doctor_env env = { .connect = connect_pair, .connect_arg = s };
	struct doctor_events events = { on_step, on_done, s };
	struct printer_config c = { .has_camera = true };

	TEXT_SET(c.address, "192.0.2.1");
	TEXT_SET(c.serial, s->is_x1 ? "00M00A000000001" : SERIAL);
	secret_set(&c.access_code, "12345678");
	s->loop = env.loop = loop_new_simulated(1790000000000);
	s->doctor = doctor_start(&env, &c, &events);
	printer_config_fini(&c);
	loop_advance(s->loop, 100000);
	CHECK_INT(s->n_done, 1);
	CHECK_INT(s->n_steps, s->report.n);
	for (unsigned i = 0; i < s->n_ends; i++) {
		stream_free(s->ends[i].stream);
		mqtt_reader_fini(&s->ends[i].reader);
	}
	loop_advance(s->loop, 10);
	loop_free(s->loop);
}

static const struct doctor_step *last_bad(const struct scene *s)
{
	for (unsigned i = 0; i < s->report.n; i++) {
		if (!s->report.steps[i].is_ok)
			return &s->report.steps[i];
	}
	return NULL;
}

TEST(doctor_finds_a_healthy_printer_healthy)
{
	struct scene *s = MEM_NEW(struct scene);

	examine(s);
	CHECK(s->report.is_ok);
	CHECK_INT(s->report.n, 9);
	CHECK_STR(s->report.steps[7].name, "camera");
	CHECK(strstr(s->report.steps[5].text, "A1"));
	free(s);
}

TEST(doctor_tells_a_wrong_code_from_silence_and_absence)
{
	struct scene *s = MEM_NEW(struct scene);

	s->refuses_code = true;
	examine(s);
	CHECK(!s->report.is_ok);
	CHECK_STR(last_bad(s)->name, "login");
	CHECK(strstr(last_bad(s)->advice, "code"));
	memset(s, 0, sizeof(*s));
	s->is_mute = true;
	examine(s);
	CHECK_STR(last_bad(s)->name, "report");
	CHECK(strstr(last_bad(s)->advice, "serial"));
	memset(s, 0, sizeof(*s));
	s->is_away = true;
	examine(s);
	CHECK(!s->report.is_ok);
	free(s);
}

TEST(doctor_says_when_the_camera_gives_no_picture)
{
	struct scene *s = MEM_NEW(struct scene);

	s->has_no_picture = true;
	examine(s);
	CHECK_STR(last_bad(s)->name, "camera");
	CHECK_INT(s->report.n, 9);
	free(s);
}

TEST(doctor_walks_to_the_files)
{
	struct scene *s = MEM_NEW(struct scene);

	examine(s);
	CHECK_STR(s->report.steps[6].name, "files");
	CHECK(s->report.steps[6].is_ok);
	memset(s, 0, sizeof(*s));
	s->refuses_files_code = true;
	examine(s);
	CHECK_STR(last_bad(s)->name, "files");
	CHECK(strstr(last_bad(s)->text, "530 Login incorrect"));
	CHECK(strstr(last_bad(s)->advice, "code"));
	CHECK_INT(s->report.n, 9);
	memset(s, 0, sizeof(*s));
	s->has_no_list = true;
	examine(s);
	CHECK_STR(last_bad(s)->name, "files");
	CHECK(strstr(last_bad(s)->advice, "storage"));
	memset(s, 0, sizeof(*s));
	s->breaks_data = true;
	examine(s);
	CHECK(s->report.is_ok);
	CHECK(strstr(s->report.steps[6].text, "in clear"));
	free(s);
}

TEST(doctor_sees_whether_a_live_view_answers)
{
	struct scene *s = MEM_NEW(struct scene);

	s->is_x1 = true;
	s->has_live_view = true;
	examine(s);
	CHECK(s->report.is_ok);
	CHECK(strstr(s->report.steps[7].text, "live view"));
	memset(s, 0, sizeof(*s));
	s->is_x1 = true;
	examine(s);
	CHECK_STR(last_bad(s)->name, "camera");
	CHECK(strstr(last_bad(s)->advice, "liveview"));
	free(s);
}
