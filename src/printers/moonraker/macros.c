/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/moonraker/macros.h"

#include "base/text.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define MIN_CYCLE_S 0.5
#define MAX_CYCLE_S 86400.0

const char *const moon_methods[MOON_N_METHODS] = {
	"timelapse_newframe", "timelapse_render", "timelapse_saveFrames",
	"bedside_frame",      "bedside_cycle",    "bedside_render",
};

const char moon_macro_enable[] =
	"SET_GCODE_VARIABLE MACRO=TIMELAPSE_TAKE_FRAME VARIABLE=enable VALUE=True";
const char moon_macro_frame_over[] =
	"SET_GCODE_VARIABLE MACRO=TIMELAPSE_TAKE_FRAME VARIABLE=takingframe VALUE=False";
const char moon_macro_film_over[] =
	"SET_GCODE_VARIABLE MACRO=TIMELAPSE_RENDER VARIABLE=render VALUE=False";

/* Templates give true, "True" or a number, as they are written. */
static bool is_true(const json_t *v)
{
	const char *text = json_string_value(v);

	if (text)
		return strcasecmp(text, "true") == 0 || text_equal(text, "1");
	return json_is_true(v) || (json_is_number(v) && json_number_value(v) != 0);
}

static bool read_cycle(const json_t *v, double *ret)
{
	const char *text = json_string_value(v);

	if (text && !text_to_double(text, ret))
		return false;
	if (!text)
		*ret = json_is_number(v) ? json_number_value(v) : (double)NAN;
	if (!isfinite(*ret) || *ret < 0)
		return false;
	if (*ret > 0)
		*ret = fmin(fmax(*ret, MIN_CYCLE_S), MAX_CYCLE_S);
	return true;
}

bool moon_macro_read(const char *method, const json_t *params, struct event_macro *ret)
{
	const json_t *park = json_object_get(params, "macropark");

	if (text_equal(method, "timelapse_newframe")) {
		ret->kind = MACRO_FRAME;
		ret->is_cyclic = is_true(json_object_get(params, "hyperlapse"));
		ret->waits = is_true(json_is_object(park) ? json_object_get(park, "enable") : park);
	} else if (text_equal(method, "timelapse_render")) {
		ret->kind = MACRO_RENDER;
		ret->waits = is_true(json_object_get(params, "byrendermacro"));
	} else if (text_equal(method, "bedside_frame")) {
		ret->kind = MACRO_FRAME;
		ret->waits = is_true(json_object_get(params, "waits"));
	} else if (text_equal(method, "bedside_cycle")) {
		ret->kind = MACRO_CYCLE;
		return read_cycle(json_object_get(params, "every"), &ret->every_s);
	} else if (text_equal(method, "bedside_render")) {
		ret->kind = MACRO_RENDER;
		ret->waits = is_true(json_object_get(params, "waits"));
	} else {
		return false;
	}
	return true;
}

const char *const moon_macro_variables[2] = { "takingframe", "render" };

const char *moon_macro_listed(const json_t *objects, bool is_film)
{
	const char *wanted =
		is_film ? "gcode_macro TIMELAPSE_RENDER" : "gcode_macro TIMELAPSE_TAKE_FRAME";
	const json_t *v;
	size_t i;

	json_array_foreach(objects, i, v)
	{
		const char *name = json_string_value(v);

		if (name && strcasecmp(name, wanted) == 0)
			return name;
	}
	return NULL;
}

bool moon_macro_waits(const json_t *object, bool is_film)
{
	return is_true(json_object_get(object, moon_macro_variables[is_film]));
}
