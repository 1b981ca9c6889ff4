/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/moonraker/report.h"

#include "base/text.h"
#include "printers/reply.h"
#include "wire/url.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_OBJECTS 64
#define MAX_FIELDS 32
#define MAX_VALUE 2048 /* bytes of JSON */
#define MAX_LISTED 2000

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (; *text; text++) {
		size_t i = 0;

		while (i < n && (text[i] | 0x20) == word[i])
			i++;
		if (i == n)
			return true;
	}
	return false;
}

void moon_memory_fini(struct moon_memory *m)
{
	json_decref(m->status);
	m->status = NULL;
}

/* ---- which objects ---- */

struct wanted {
	const char *name; /* ends with ' ': all that begin so */
	const char *word; /* and have this in their name; NULL any */
	const char *fields[5];
};

static const struct wanted wanted[] = {
	{ "webhooks", NULL, { "state", "state_message" } },
	{ "print_stats", NULL, { "filename", "state", "message", "info", "print_duration" } },
	{ "virtual_sdcard", NULL, { "progress", "is_active", "file_position", "file_size" } },
	{ "display_status", NULL, { "message" } },
	{ "toolhead", NULL, { "homed_axes", "axis_minimum", "axis_maximum", "extruder" } },
	{ "gcode_move", NULL, { "gcode_position", "speed_factor" } },
	{ "motion_report", NULL, { "live_position" } },
	{ "extruder", NULL, { "temperature", "target" } },
	{ "extruder1", NULL, { "temperature", "target" } },
	{ "heater_bed", NULL, { "temperature", "target" } },
	{ "heater_generic ", "chamber", { "temperature", "target" } },
	{ "temperature_fan ", "chamber", { "temperature", "target", "speed" } },
	{ "temperature_sensor ", "chamber", { "temperature" } },
	{ "fan", NULL, { "speed" } },
	{ "fan_generic ", "aux", { "speed" } },
	{ "fan_generic ", "chamber", { "speed" } },
	{ "fan_generic ", "exhaust", { "speed" } },
	{ "heater_fan ", NULL, { "speed" } },
	{ "filament_switch_sensor ", NULL, { "enabled", "filament_detected" } },
	{ "filament_motion_sensor ", NULL, { "enabled", "filament_detected" } },
};

static bool is_wanted(const struct wanted *w, const char *name)
{
	size_t n = strlen(w->name);

	if (w->name[n - 1] != ' ')
		return strcmp(name, w->name) == 0;
	return text_starts(name, w->name) && strlen(name) < MOON_NAME_SIZE &&
	       (!w->word || has_word(name + n, w->word));
}

/* What a G-code command can name: the rest of "fan_generic aux". */
static void note_name(char dst[MOON_NAME_SIZE], const char *object)
{
	const char *name = strchr(object, ' ');

	if (!dst[0] && name && !strpbrk(name + 1, " =\"';#\r\n"))
		text_copy(dst, MOON_NAME_SIZE, name + 1);
}

static void note_object(struct moon_memory *m, const char *name)
{
	m->has_part_fan |= strcmp(name, "fan") == 0;
	if (text_starts(name, "heater_generic "))
		note_name(m->chamber, name);
	else if (text_starts(name, "fan_generic ") && has_word(name, "aux"))
		note_name(m->fan_aux, name);
	else if (text_starts(name, "fan_generic "))
		note_name(m->fan_chamber, name);
}

json_t *moon_report_want(struct moon_memory *m, const json_t *objects)
{
	json_t *ret = json_object();

	json_decref(m->status);
	m->status = json_object();
	m->has_part_fan = false;
	memset(m->chamber, 0, sizeof(m->chamber));
	memset(m->fan_aux, 0, sizeof(m->fan_aux));
	memset(m->fan_chamber, 0, sizeof(m->fan_chamber));
	for (size_t i = 0; i < MIN(json_array_size(objects), (size_t)MAX_LISTED); i++) {
		const char *name = json_string_value(json_array_get(objects, i));

		for (size_t k = 0; name && k < ARRAY_LEN(wanted); k++) {
			const struct wanted *w = &wanted[k];

			if (!is_wanted(w, name) || json_object_size(ret) >= MAX_OBJECTS)
				continue;

			json_t *fields = json_array();

			for (size_t f = 0; f < ARRAY_LEN(w->fields) && w->fields[f]; f++)
				json_array_append_new(fields, json_string(w->fields[f]));
			json_object_set_new(ret, name, fields);
			json_object_set_new(m->status, name, json_object());
			note_object(m, name);
			break;
		}
	}
	return ret;
}

/* ---- putting together ---- */

static void lay(json_t *into, json_t *changes)
{
	const char *key;
	json_t *v;

	json_object_foreach(changes, key, v)
	{
		if (strlen(key) >= MOON_NAME_SIZE ||
		    json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) > MAX_VALUE)
			continue;
		if (!json_object_get(into, key) && json_object_size(into) >= MAX_FIELDS)
			continue;
		json_object_set(into, key, v);
	}
}

/* ---- reading ---- */

static void read_heat(const json_t *o, struct printer_heat *h)
{
	if (!o)
		return;
	h->now_c = reply_number(o, "temperature");
	h->target_c = reply_number(o, "target");
}

static void read_nozzles(const json_t *status, struct printer_state *s)
{
	static const char *const names[PRINTER_MAX_NOZZLES] = { "extruder", "extruder1" };
	const json_t *toolhead = json_object_get(status, "toolhead");

	s->n_nozzles = 0;
	for (unsigned i = 0; i < PRINTER_MAX_NOZZLES; i++) {
		const json_t *o = json_object_get(status, names[i]);

		if (!o)
			break;
		s->n_nozzles = i + 1;
		read_heat(o, &s->nozzles[i].heat);
		if (text_equal(reply_text(toolhead, "extruder"), names[i]))
			s->active_nozzle = (int)i;
	}
	for (unsigned i = 0; i < s->n_nozzles && i < PRINTER_MAX_NOZZLES; i++)
		TEXT_SET(s->nozzles[i].name, s->n_nozzles == 1 ? "nozzle" : names[i]);
}

static int percent_of(const json_t *o, const char *key)
{
	double v = reply_number(o, key);

	return v >= 0 && v <= 1.0001 ? (int)lround(v * 100) : -1;
}

/* Those that are named by the user. */
static void read_named(json_t *status, struct printer_state *s, bool *ret_runout)
{
	const char *name;
	json_t *o;

	*ret_runout = false;
	s->fan_heatbreak = s->fan_aux = s->fan_chamber = -1;
	json_object_foreach(status, name, o)
	{
		if (text_starts(name, "heater_generic ") ||
		    (text_starts(name, "temperature_") &&
		     !json_object_get(status, "heater_generic chamber"))) {
			read_heat(o, &s->chamber);
		} else if (text_starts(name, "heater_fan ")) {
			s->fan_heatbreak = MAX(s->fan_heatbreak, percent_of(o, "speed"));
		} else if (text_starts(name, "fan_generic ") && has_word(name, "aux")) {
			s->fan_aux = percent_of(o, "speed");
		} else if (text_starts(name, "fan_generic ")) {
			s->fan_chamber = percent_of(o, "speed");
		} else if (text_starts(name, "filament_") &&
		           !json_is_false(json_object_get(o, "enabled")) &&
		           json_is_false(json_object_get(o, "filament_detected"))) {
			*ret_runout = true;
		}
	}
}

static bool read_point(const json_t *list, double ret[3])
{
	for (size_t i = 0; i < 3; i++) {
		ret[i] = reply_number_at(json_array_get(list, i));
		if (!(fabs(ret[i]) < 1e5))
			return false;
	}
	return true;
}

static void read_motion(const json_t *status, struct printer_state *s, int64_t now_us)
{
	const json_t *toolhead = json_object_get(status, "toolhead");
	const json_t *move = json_object_get(status, "gcode_move");
	const char *homed = reply_text(toolhead, "homed_axes");
	double p[3], low[3], high[3], factor = reply_number(move, "speed_factor");

	s->position.is_homed = strchr(homed, 'x') && strchr(homed, 'y') && strchr(homed, 'z');
	if (read_point(json_object_get(json_object_get(status, "motion_report"), "live_position"),
	               p)) {
		s->position.x_mm = p[0];
		s->position.y_mm = p[1];
		s->position.z_mm = p[2];
		s->position.at_us = now_us;
	}
	if (read_point(json_object_get(toolhead, "axis_minimum"), low) &&
	    read_point(json_object_get(toolhead, "axis_maximum"), high)) {
		memcpy(s->limits.min_mm, low, sizeof(low));
		memcpy(s->limits.max_mm, high, sizeof(high));
	}
	/* Where the G-code has sent it: the motion is a moment behind. */
	if (read_point(json_object_get(move, "gcode_position"), p)) {
		s->job.z_mm = p[2];
		s->job.z_is_queued = true;
	}
	s->speed_percent = factor >= 0 && factor < 100 ? (int)lround(factor * 100) : -1;
}

/* What a printer without a job says of the one it had: the file was unloaded. */
static enum printer_activity judge_end(const struct moon_memory *m, const struct printer_state *s)
{
	if (!printer_activity_is_job(s->activity))
		return s->activity == PRINTER_UNKNOWN ? PRINTER_IDLE : s->activity;
	if (m->how != PRINTER_UNKNOWN)
		return m->how;
	if (s->job.percent == 100)
		return PRINTER_FINISHED;
	/* Klipper forgets it when it is restarted; else somebody has cancelled it. */
	return m->has_state ? PRINTER_CANCELLED : PRINTER_FAILED;
}

static void read_activity(struct moon_memory *m, const json_t *stats, bool is_out,
                          struct printer_state *s)
{
	const char *word = reply_text(stats, "state");

	/* Heating and homing, and whatever else the start code does before it extrudes. */
	if (text_equal(word, "printing"))
		s->activity = reply_number(stats, "print_duration") == 0 && s->job.layer < 1
		                      ? PRINTER_PREPARING
		                      : PRINTER_PRINTING;
	else if (text_equal(word, "paused"))
		s->activity = PRINTER_PAUSED;
	else if (text_equal(word, "complete"))
		s->activity = PRINTER_FINISHED;
	else if (text_equal(word, "cancelled"))
		s->activity = PRINTER_CANCELLED;
	else if (text_equal(word, "error"))
		s->activity = PRINTER_FAILED;
	else if (text_equal(word, "standby"))
		s->activity = judge_end(m, s);
	else
		return;
	s->pause =
		s->activity == PRINTER_PAUSED && is_out ? PRINTER_PAUSE_RUNOUT : PRINTER_PAUSE_NONE;
	if (printer_activity_is_job(s->activity))
		m->how = PRINTER_UNKNOWN;
	m->has_state = true;
}

static void read_job(struct moon_memory *m, const json_t *status, struct printer_state *s)
{
	const json_t *stats = json_object_get(status, "print_stats");
	const json_t *card = json_object_get(status, "virtual_sdcard");
	const json_t *info = json_object_get(stats, "info");
	const char *file = reply_text(stats, "filename");
	int64_t layer = reply_whole(info, "current_layer"),
		layers = reply_whole(info, "total_layer");
	double done = reply_number(card, "progress");

	if (!*file)
		return; /* the last one stays: it is what has just ended */
	if (!text_equal(s->job.file, file)) {
		const char *name = strrchr(file, '/');

		m->estimate_s = 0;
		reply_put(s->job.name, sizeof(s->job.name), name ? name + 1 : file);
	}
	reply_put(s->job.file, sizeof(s->job.file), file);
	s->job.is_streamed = true;
	s->job.layer = layer >= 0 && layer < INT32_MAX && layers != 0 ? (int)layer : -1;
	s->job.layers = layers > 0 && layers < INT32_MAX ? (int)layers : -1;
	/* Klipper puts it back to 0 when the file is done. */
	if (text_equal(reply_text(stats, "state"), "complete")) {
		s->job.percent = 100;
		s->job.remaining_min = 0;
		return;
	}
	s->job.percent = done >= 0 && done <= 1 ? (int)(done * 100) : -1;
	s->job.file_pos = reply_whole(card, "file_position");
	s->job.file_size = reply_whole(card, "file_size");

	double left_s = m->estimate_s - reply_number(stats, "print_duration");

	s->job.remaining_min = m->estimate_s > 0 && left_s >= 0 ? (int)lround(left_s / 60) : -1;
}

static void read_trouble(const json_t *status, struct printer_state *s)
{
	const json_t *stats = json_object_get(status, "print_stats");
	const char *word = reply_text(stats, "state");
	const char *why = reply_text(stats, "message");
	bool is_error = text_equal(word, "error");

	memset(s->print_error_code, 0, sizeof(s->print_error_code));
	memset(s->print_error_text, 0, sizeof(s->print_error_text));
	s->print_error = is_error;
	if (is_error) {
		TEXT_SET(s->print_error_code, "print-error");
		(void)snprintf(s->print_error_text, sizeof(s->print_error_text),
		               "Klipper has ended the print: %.180s", *why ? why : "an error");
		text_clean(s->print_error_text);
	}
	reply_put(s->stage_text, sizeof(s->stage_text),
	          printer_activity_is_job(s->activity)
	                  ? reply_text(json_object_get(status, "display_status"), "message")
	                  : "");
}

void moon_report_status(struct moon_memory *m, const json_t *status, struct printer_state *s,
                        int64_t now_us)
{
	const char *name;
	json_t *o;
	bool is_out;

	json_object_foreach(m->status, name, o) lay(o, json_object_get(status, name));
	read_nozzles(m->status, s);
	read_heat(json_object_get(m->status, "heater_bed"), &s->bed);
	s->fan_part = percent_of(json_object_get(m->status, "fan"), "speed");
	read_named(m->status, s, &is_out);
	read_motion(m->status, s, now_us);
	read_job(m, m->status, s);
	read_activity(m, json_object_get(m->status, "print_stats"), is_out, s);
	if (text_equal(m->klippy, "ready"))
		read_trouble(m->status, s);
}

/* ---- Klipper itself ---- */

static void describe(const char *condition, const char *why, char *dst, size_t size)
{
	if (text_equal(condition, "shutdown"))
		(void)snprintf(dst, size,
		               "Klipper has shut down: %.130s. Remove the cause, then restart the "
		               "firmware (Clear error).",
		               *why ? why : "it gives no reason");
	else if (text_equal(condition, "error"))
		(void)snprintf(dst, size,
		               "Klipper does not start: %.130s. Correct its configuration or the "
		               "board's cable, then restart it.",
		               *why ? why : "it gives no reason");
	else
		(void)snprintf(dst, size,
		               "Moonraker has no connection to Klipper. Does the service klipper "
		               "run on that computer?");
}

bool moon_report_klippy(struct moon_memory *m, const char *condition, const char *message,
                        struct printer_state *s)
{
	bool is_up = text_equal(condition, "ready");
	bool is_starting = text_equal(condition, "startup");
	bool is_news = !text_equal(m->klippy, condition);
	char why[200];

	reply_put(m->klippy, sizeof(m->klippy), condition);
	reply_put(why, sizeof(why), message);
	for (size_t n = strlen(why); n > 0 && strchr(" .\n", why[n - 1]); n--)
		why[n - 1] = '\0';
	if (is_up) {
		s->print_error = 0;
		memset(s->print_error_code, 0, sizeof(s->print_error_code));
		memset(s->print_error_text, 0, sizeof(s->print_error_text));
		memset(s->stage_text, 0, sizeof(s->stage_text));
		return is_news;
	}
	s->position.is_homed = false;
	s->position.x_mm = s->position.y_mm = s->position.z_mm = (double)NAN;
	reply_put(s->stage_text, sizeof(s->stage_text),
	          is_starting ? "Klipper is starting" : "Klipper is not running");
	s->print_error = !is_starting;
	memset(s->print_error_code, 0, sizeof(s->print_error_code));
	memset(s->print_error_text, 0, sizeof(s->print_error_text));
	if (!is_starting) {
		/* The word is longer than a code may be. */
		TEXT_SET(s->print_error_code,
		         text_equal(condition, "disconnected") ? "no klipper" : m->klippy);
		describe(condition, why, s->print_error_text, sizeof(s->print_error_text));
		text_clean(s->print_error_text);
	}
	/* What it printed ends with it. */
	if (printer_activity_is_job(s->activity))
		s->activity = PRINTER_FAILED;
	else if (s->activity == PRINTER_IDLE)
		s->activity = PRINTER_UNKNOWN; /* it could not begin anything */
	s->pause = PRINTER_PAUSE_NONE;
	return is_news;
}

void moon_report_history(struct moon_memory *m, const json_t *change)
{
	const char *how = reply_text(json_object_get(change, "job"), "status");

	if (!text_equal(reply_text(change, "action"), "finished"))
		return;
	m->how = text_equal(how, "completed")   ? PRINTER_FINISHED
	         : text_equal(how, "cancelled") ? PRINTER_CANCELLED
	                                        : PRINTER_FAILED;
}

void moon_report_metadata(struct moon_memory *m, const json_t *metadata, struct printer_state *s)
{
	double estimate_s = reply_number(metadata, "estimated_time");
	double nozzle_mm = reply_number(metadata, "nozzle_diameter");

	m->estimate_s = estimate_s > 0 && estimate_s < 1e8 ? estimate_s : 0;
	if (s->n_nozzles > 0 && nozzle_mm > 0 && nozzle_mm < 10)
		s->nozzles[0].diameter_mm = nozzle_mm;
}

/* ---- the webcam ---- */

void moon_read_webcam(const json_t *list, struct webcam *ret)
{
	*ret = (struct webcam){ 0 };
	for (size_t i = 0; i < MIN(json_array_size(list), (size_t)100); i++) {
		const json_t *w = json_array_get(list, i);
		int64_t rotation = reply_whole(w, "rotation");
		bool is_jpegs = text_starts(reply_text(w, "service"), "mjpeg") ||
		                text_equal(reply_text(w, "service"), "uv4l-mjpeg") ||
		                !*reply_text(w, "service");

		if (json_is_false(json_object_get(w, "enabled")) ||
		    (!*reply_text(w, "stream_url") && !*reply_text(w, "snapshot_url")))
			continue;
		*ret = (struct webcam){
			.is_flipped_h = json_is_true(json_object_get(w, "flip_horizontal")),
			.is_flipped_v = json_is_true(json_object_get(w, "flip_vertical")),
			.rotation = rotation > 0 && rotation < 360 && rotation % 90 == 0
			                    ? (int)rotation
			                    : 0,
			.is_on = true
		};
		if (is_jpegs || !*reply_text(w, "snapshot_url"))
			TEXT_SET(ret->stream, reply_text(w, "stream_url"));
		TEXT_SET(ret->snapshot, reply_text(w, "snapshot_url"));
		return;
	}
}

void moon_page_url(const char *url, char *dst, size_t size)
{
	struct url u = { 0 };

	text_copy(dst, size, url);
	if (url_parse(url, &u, NULL) == 0 && (u.port == 7125 || u.port == 7130)) {
		u.port = 0;
		(void)url_write(&u, dst, size);
	}
	url_fini(&u);
}

void moon_read_error(const char *text, char *dst, size_t size)
{
	static const char *const keys[] = { "'message': ", "\"message\": ", "\"message\":" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *at = strstr(text, keys[i]);

		if (!at)
			continue;
		at += strlen(keys[i]);

		char quote = *at;
		const char *end = quote == '\'' || quote == '"' ? strrchr(at + 1, quote) : NULL;

		if (!end)
			continue;
		text_copy_n(dst, size, at + 1, (size_t)(end - at - 1));
		text_clean(dst);
		return;
	}
	text_copy(dst, size, text);
	text_clean(dst);
}
