/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "model/environment.h"

#include <math.h>

static struct climate_reading reading(double temp_c, double humidity_percent)
{
	return (struct climate_reading){ .location = "Enclosure",
		                         .source = "dht11",
		                         .at_wall_ms = 1000,
		                         .temp_c = temp_c,
		                         .humidity_percent = humidity_percent };
}

static bool stands(double temp_c, double humidity_percent)
{
	struct climate_reading r = reading(temp_c, humidity_percent);

	return climate_check(&r, NULL) == 0;
}

TEST(a_reading_that_cannot_be_is_refused)
{
	CHECK(stands(21.5, 55.3));
	CHECK(stands(-12.0, 0.0));
	CHECK(stands(0.0, 30.0));
	CHECK(stands(0.0, (double)NAN)); /* a thermometer alone may stand in ice water */
	CHECK(stands((double)NAN, 40.0));
	CHECK(!stands(0.0, 0.0)); /* a dead line, with a right checksum */
	CHECK(!stands((double)NAN, (double)NAN));
	CHECK(!stands(-41.0, 50.0));
	CHECK(!stands(126.0, 50.0));
	CHECK(!stands(20.0, 100.1));
	CHECK(!stands(20.0, -0.1));
	CHECK(!stands((double)INFINITY, 50.0));
}

TEST(a_reading_needs_a_location_of_one_line)
{
	struct climate_reading r = reading(20, 50);
	struct err err = { 0 };

	TEXT_SET(r.location, "");
	CHECK(climate_check(&r, &err) < 0);
	TEXT_SET(r.location, "two\nlines");
	CHECK(climate_check(&r, &err) < 0);
	TEXT_SET(r.location, "Küche");
	CHECK(climate_check(&r, &err) == 0);
}

TEST(a_reading_without_humidity_says_null)
{
	struct climate_reading r = reading(20.5, (double)NAN);
	json_t *j = json_climate(&r);

	CHECK(json_is_null(json_object_get(j, "humidity_pct")));
	CHECK_STR(json_string_value(json_object_get(j, "location")), "Enclosure");
	json_decref(j);
}

TEST(a_rig_never_pressed_has_no_last_series)
{
	struct rig_status s = { .button = { .state = RIG_FAILED, .text = "no chip" },
		                .show = RIG_NO_CAMERA };
	json_t *j = json_rig(&s);

	CHECK(j);
	CHECK(json_is_null(json_object_get(json_object_get(j, "button"), "last")));
	CHECK_STR(json_string_value(json_object_get(json_object_get(j, "lights"), "show")),
	          "no_camera");
	s.last_wall_ms = 5;
	s.last_clicks = 3;
	s.last_order = BUTTON_START_STOP;
	json_decref(j);
	j = json_rig(&s);

	json_t *last = json_object_get(json_object_get(j, "button"), "last");

	CHECK_STR(json_string_value(json_object_get(last, "order")), "start_stop");
	json_decref(j);
}
