/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/loop.h"
#include "model/event.h"
#include "model/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

TEST(unknown_values_are_null_in_json)
{
	static struct printer_config c;
	static struct printer_state s;

	printer_state_init(&s);
	TEXT_SET(c.id, "a1");
	secret_set(&c.access_code, "12345678");

	json_t *j = json_printer(&c, &s);
	char *text = json_dumps(j, 0);

	CHECK(json_is_null(json_object_get(json_object_get(j, "bed"), "now_c")));
	CHECK(json_is_null(json_object_get(json_object_get(j, "job"), "layer")));
	CHECK(json_is_null(json_object_get(j, "error")));
	CHECK(!strstr(text, "12345678"));
	free(text);
	json_decref(j);
	printer_config_fini(&c);
}

TEST(session_survives_json)
{
	struct session a = { .state = SESSION_RECORDING,
		             .started_wall_ms = 1795257605123,
		             .n_frames = 12,
		             .layer = 7,
		             .layers = -1,
		             .bytes = 5000000000,
		             .keep_one_in = 2,
		             .is_thinned = true,
		             .wants_film = true,
		             .n_cameras = 2,
		             .cameras = { "a1", "usb-2" },
		             .film = { .fps = 30, .hold_s = 1.5, .crf = 20, .preset = "fast" } };
	struct session b;

	id_new(a.id, a.started_wall_ms);
	TEXT_SET(a.printer, "a1");
	TEXT_SET(a.job_name, "va\xffse");

	json_t *j = json_session(&a);

	CHECK(json_to_session(&b, j));
	CHECK_STR(b.job_name, "va?se");
	CHECK_STR(b.id, a.id);
	CHECK(b.state == SESSION_RECORDING && b.layers == -1 && b.layer == 7);
	CHECK(b.n_cameras == 2 && b.wants_film && memcmp(b.cameras, a.cameras, 96) == 0);
	CHECK(b.film.hold_s == 1.5 && b.film.fps == 30 && b.frames_deleted_wall_ms == 0);
	CHECK(b.bytes == 5000000000 && b.started_wall_ms == a.started_wall_ms && b.is_thinned);
	json_object_set_new(j, "n_frames", json_string("twelve"));
	CHECK(!json_to_session(&b, j));
	json_decref(j);
}

TEST(film_survives_json)
{
	struct film a = { .state = FILM_VERIFIED, .duration_s = 12.5, .fps = 25, .n_frames = 260 };
	struct film b;

	id_new(a.id, 1);
	film_plan_init(&a.plan);
	a.plan.crf = 20;

	json_t *j = json_film(&a);

	CHECK(json_to_film(&b, j));
	CHECK(b.state == FILM_VERIFIED && b.n_frames == 260 && b.plan.crf == 20);
	json_decref(j);
}

TEST(film_plan_names_what_is_wrong)
{
	struct film_plan p;
	struct err err = { 0 };

	film_plan_init(&p);
	CHECK_INT(film_plan_check(&p, &err), 0);
	p.fps = 61;
	CHECK(film_plan_check(&p, &err) < 0 && strstr(err.text, "1 to 60"));
	p.fps = NAN;
	CHECK(film_plan_check(&p, &err) < 0);
	film_plan_init(&p);
	p.width = 1280;
	CHECK(film_plan_check(&p, &err) < 0);
}

TEST(trust_is_read_from_its_three_forms)
{
	struct trust t = { 0 };

	CHECK(trust_from_text(&t, "insecure") && t.mode == TRUST_INSECURE);
	CHECK(trust_from_text(&t, "ca") && t.mode == TRUST_CA);
	CHECK(trust_from_text(
		&t, "sha256:00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"));
	CHECK(t.mode == TRUST_PIN && t.pin[1] == 0x11);
	CHECK(!trust_from_text(&t, "sha256:0011") && !trust_from_text(&t, "yes"));
}

TEST(every_command_has_a_name_and_back)
{
	for (int k = PRINTER_PAUSE_PRINT; k <= PRINTER_REFRESH; k++) {
		enum printer_command_kind back;

		CHECK(printer_command_from_name(printer_command_name((enum printer_command_kind)k),
		                                &back));
		CHECK_INT(back, k);
	}
}

static void hear(void *arg, const struct bus_event *e)
{
	CHECK_STR(event_as_notice(e)->text, "7 of 9");
	++*(int *)arg;
}

TEST(notices_travel_on_the_bus)
{
	struct loop *l = loop_new_simulated(1795257605000);
	struct bus *b = bus_new(l);
	struct bus_listener li = { 0 };
	int n = 0;

	bus_listen(b, &li, hear, &n);
	event_notice(b, loop_wall_ms(l), NOTICE_WARNING, "disk", "", "%d of %d", 7, 9);
	loop_advance(l, 0);
	CHECK_INT(n, 1);
	bus_free(b);
	loop_free(l);
}

TEST(trays_of_a_start_are_numbers_with_commas)
{
	static const char *const bad[] = { ",", "1,", "1,,2", "x", "136", "-2", "1;2", "1 2" };
	struct printer_command c = { 0 };
	char many[200] = "0";

	CHECK(printer_command_read_trays(&c, "3,-1,128"));
	CHECK_INT(c.n_mapping, 3);
	CHECK_INT(c.mapping[0], 3);
	CHECK_INT(c.mapping[1], -1);
	CHECK_INT(c.mapping[2], 128);
	CHECK(printer_command_read_trays(&c, ""));
	CHECK_INT(c.n_mapping, 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!printer_command_read_trays(&c, bad[i]));
	for (size_t i = 1; i <= PRINTER_MAX_FILAMENTS; i++)
		memcpy(many + 2 * i - 1, ",0", 3);
	CHECK(!printer_command_read_trays(&c, many));
}
