/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/environment.h"

#include "base/err.h"
#include "model/json.h"
#include "model/names.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const order_names[] = { "none", "frame", "start_stop", "pause_resume",
	                                   "discard" };
static const char *const light_names[] = { "red", "green", "yellow" };
static const char *const show_names[] = { "idle",       "recording", "paused",  "finalising",
	                                  "no_printer", "no_camera", "disk_low" };
static const char *const part_names[] = { "absent", "failed", "works", "simulated" };

const char *button_order_name(enum button_order o)
{
	return name_of(order_names, ARRAY_LEN(order_names), o);
}

const char *light_name(enum light l)
{
	return name_of(light_names, ARRAY_LEN(light_names), l);
}

const char *rig_show_name(enum rig_show s)
{
	return name_of(show_names, ARRAY_LEN(show_names), s);
}

const char *rig_part_state_name(enum rig_part_state s)
{
	return name_of(part_names, ARRAY_LEN(part_names), s);
}

static bool is_zero(double v)
{
	return fabs(v) < 1e-9;
}

int climate_check(const struct climate_reading *r, struct err *err)
{
	bool has_temp = !isnan(r->temp_c), has_humidity = !isnan(r->humidity_percent);

	if (!r->location[0])
		return err_set(err, -EINVAL, "a reading needs its location");
	for (const char *c = r->location; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return err_set(err, -EINVAL, "a location is one line of text");
	if (!has_temp && !has_humidity)
		return err_set(err, -EINVAL, "a reading needs a temperature or a humidity");
	if (has_temp && !(r->temp_c >= CLIMATE_MIN_C && r->temp_c <= CLIMATE_MAX_C))
		return err_set(err, -ERANGE, "%.1f °C cannot be: sensors measure %.0f to %.0f",
		               r->temp_c, CLIMATE_MIN_C, CLIMATE_MAX_C);
	if (has_humidity && !(r->humidity_percent >= 0 && r->humidity_percent <= 100))
		return err_set(err, -ERANGE, "%.1f %% humidity cannot be", r->humidity_percent);
	if (has_temp && has_humidity && is_zero(r->temp_c) && is_zero(r->humidity_percent))
		return err_set(err, -ERANGE,
		               "0.0 °C at 0.0 %% is what a broken line reads as, no measurement");
	return 0;
}

json_t *json_climate(const struct climate_reading *r)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "location", json_text(r->location), "source",
	                 json_text(r->source), "at", json_time(r->at_wall_ms), "temperature_c",
	                 json_or_null(r->temp_c), "humidity_pct",
	                 json_or_null(r->humidity_percent));
}

json_t *json_rig(const struct rig_status *s)
{
	json_t *last =
		s->last_wall_ms == 0
			? json_null()
			: json_pack("{s:i, s:s, s:o, s:o}", "clicks", (int)s->last_clicks, "order",
	                            button_order_name(s->last_order), "at",
	                            json_time(s->last_wall_ms), "text", json_text(s->last_text));

	return json_pack("{s:o, s:{s:s, s:o, s:b, s:I, s:o}, s:{s:s, s:o, s:s}}", "printer",
	                 json_text(s->printer), "button", "state",
	                 rig_part_state_name(s->button.state), "text", json_text(s->button.text),
	                 "is_pressed", (int)s->is_pressed, "presses", (json_int_t)s->n_presses,
	                 "last", last, "lights", "state", rig_part_state_name(s->lights.state),
	                 "text", json_text(s->lights.text), "show", rig_show_name(s->show));
}
