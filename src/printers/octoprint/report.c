/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/octoprint/report.h"

#include "base/text.h"
#include "printers/reply.h"
#include "wire/url.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINES 2000 /* of one message that are looked at */

/* ---- state ---- */

static bool was_job(const struct printer_state *s)
{
	return printer_activity_is_job(s->activity);
}

/* What an operational printer without a job says of the one it had. */
static enum printer_activity judge_end(const struct octo_memory *m, const struct printer_state *s)
{
	if (m->how != PRINTER_UNKNOWN)
		return m->how;
	/* The first word since we are connected: it may have ended while we were away. */
	if (!m->has_state)
		return s->job.percent == 100 ? PRINTER_FINISHED : PRINTER_IDLE;
	if (was_job(s))
		return s->job.percent == 100 ? PRINTER_FINISHED : PRINTER_FAILED;
	return s->activity == PRINTER_UNKNOWN ? PRINTER_IDLE : s->activity;
}

static void set_stage(struct printer_state *s, const json_t *flags)
{
	static const struct {
		const char *flag, *text;
	} stages[] = { { "cancelling", "cancelling" },
		       { "pausing", "pausing" },
		       { "resuming", "resuming" },
		       { "finishing", "finishing" } };

	memset(s->stage_text, 0, sizeof(s->stage_text));
	for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
		if (reply_flag(flags, stages[i].flag))
			TEXT_SET(s->stage_text, stages[i].text);
	}
}

static void apply_state(struct octo_memory *m, const json_t *state, struct printer_state *s)
{
	const json_t *flags = json_object_get(state, "flags");

	if (!json_is_object(flags))
		return;

	bool is_closed = reply_flag(flags, "closedOrError") || reply_flag(flags, "error");
	bool is_paused = reply_flag(flags, "paused");
	bool is_busy = reply_flag(flags, "printing") || reply_flag(flags, "cancelling") ||
	               reply_flag(flags, "finishing") || reply_flag(flags, "pausing");

	m->is_connected = !is_closed;
	memset(m->trouble, 0, sizeof(m->trouble));
	set_stage(s, flags);
	if (is_closed) {
		const char *why = reply_text(state, "error");

		/* What OctoPrint feeds ends with its connection. */
		if (was_job(s))
			s->activity = m->how != PRINTER_UNKNOWN ? m->how : PRINTER_FAILED;
		else if (s->activity == PRINTER_UNKNOWN)
			s->activity = PRINTER_IDLE;
		(void)snprintf(m->trouble, sizeof(m->trouble), "%.150s",
		               *why ? why : reply_text(state, "text"));
		text_clean(m->trouble);
		TEXT_SET(s->stage_text, "not connected to OctoPrint");
	} else if (is_paused || reply_flag(flags, "resuming")) {
		s->activity = PRINTER_PAUSED;
		m->how = PRINTER_UNKNOWN;
	} else if (is_busy) {
		s->activity = PRINTER_PRINTING;
		s->pause = PRINTER_PAUSE_NONE;
		if (!reply_flag(flags, "cancelling") && !reply_flag(flags, "finishing"))
			m->how = PRINTER_UNKNOWN;
	} else {
		s->activity = judge_end(m, s);
	}
	if (s->activity != PRINTER_PAUSED)
		s->pause = PRINTER_PAUSE_NONE;
	m->has_state = true;
}

/* ---- job and progress ---- */

static double known(double v)
{
	return v > 0 && v < 1e8 ? v : (double)NAN;
}

/* What OctoPrint's own analysis of the file found: {"estimatedPrintTime", "filament": {"tool0":
 * {"length", "volume"}, …}}; the same as gcodeAnalysis of /api/files. null until it is done, and for
 * files on the printer's card. */
static void apply_analysis(const json_t *job, struct printer_job *j)
{
	double sum_mm = 0;
	const char *key;
	json_t *tool;

	json_object_foreach(json_object_get(job, "filament"), key, tool)
	{
		double mm = known(reply_number(tool, "length"));

		if (isfinite(mm))
			sum_mm += mm;
	}
	j->estimate_s = known(reply_number(job, "estimatedPrintTime"));
	j->filament_mm = known(sum_mm);
}

static void apply_job(const json_t *job, struct printer_state *s)
{
	const json_t *file = json_object_get(job, "file");
	const char *path = reply_text(file, "path"), *name = reply_text(file, "display");
	const char *origin = reply_text(file, "origin");

	if (!json_is_object(file))
		return;
	if (!*name)
		name = reply_text(file, "name");
	/* While nothing is chosen the last one stays: it is what has just ended. */
	if (!*path && !*name)
		return;
	reply_put(s->job.file, sizeof(s->job.file), *path ? path : name);
	reply_put(s->job.name, sizeof(s->job.name), name);
	s->job.file_size = reply_whole(file, "size");
	/* "sdcard" of 1.x, "printer" of 2.0: it reads the file by itself. */
	s->job.is_streamed = text_equal(origin, "local");
	apply_analysis(job, &s->job);
}

static void apply_progress(const json_t *progress, struct printer_state *s)
{
	double completion = reply_number(progress, "completion");
	double left_s = reply_number(progress, "printTimeLeft");

	if (!json_is_object(progress))
		return;
	/* It says nothing of it at first. */
	if (!isfinite(left_s))
		left_s = s->job.estimate_s - reply_number(progress, "printTime");
	s->job.percent = completion >= 0 && completion <= 100 ? (int)completion : -1;
	s->job.remaining_min = left_s >= 0 && left_s < 1e8 ? (int)lround(left_s / 60) : -1;
	s->job.file_pos = reply_whole(progress, "filepos");
}

static void apply_z(const json_t *message, struct printer_state *s)
{
	const json_t *z = json_object_get(message, "currentZ");

	if (!z || fabs(reply_number(message, "currentZ")) > 1e5)
		return;
	s->job.z_mm = reply_number(message, "currentZ");
	s->job.z_is_queued = true;
}

/* ---- temperatures ---- */

static void set_heat(struct printer_heat *h, const json_t *o)
{
	if (!json_is_object(o))
		return;
	h->now_c = reply_number(o, "actual");
	h->target_c = reply_number(o, "target");
}

/* {"tool0": {"actual", "target"}, "bed": …, "chamber": …} */
static void apply_heat(const struct octo_memory *m, const json_t *o, struct printer_state *s)
{
	static const char *const tools[PRINTER_MAX_NOZZLES] = { "tool0", "tool1" };

	for (unsigned i = 0; i < PRINTER_MAX_NOZZLES; i++) {
		const json_t *tool = json_object_get(o, tools[i]);

		if (!json_is_object(tool))
			continue;
		s->n_nozzles = MAX(s->n_nozzles, i + 1);
		set_heat(&s->nozzles[i].heat, tool);
		if (m->profile_nozzle_mm > 0)
			s->nozzles[i].diameter_mm = m->profile_nozzle_mm;
	}
	for (unsigned i = 0; i < s->n_nozzles; i++)
		TEXT_SET(s->nozzles[i].name, s->n_nozzles == 1 ? "nozzle" : tools[i]);
	set_heat(&s->bed, json_object_get(o, "bed"));
	set_heat(&s->chamber, json_object_get(o, "chamber"));
}

static void apply_temps(const struct octo_memory *m, const json_t *temps, struct printer_state *s)
{
	size_t n = json_array_size(temps);

	if (n > 0)
		apply_heat(m, json_array_get(temps, n - 1), s);
}

/* ---- where the head is ---- */

static bool number_behind(const char *line, char axis, double *ret)
{
	for (const char *c = line; *c; c++) {
		char *end;

		if (c[0] != axis || c[1] != ':' || (c > line && c[-1] != ' ' && c[-1] != ':'))
			continue;

		double v = strtod(c + 2, &end);

		if (end == c + 2 || !isfinite(v) || fabs(v) > 1e5)
			return false;
		*ret = v;
		return true;
	}
	return false;
}

bool octo_parse_position(const char *line, double ret[3])
{
	const char *end = strstr(line, "Count");
	char part[160];

	if (text_starts(line, "Recv: "))
		line += strlen("Recv: ");
	if (text_starts(line, "ok "))
		line += strlen("ok ");
	if (!text_starts(line, "X:"))
		return false;
	/* Behind it are motor steps, with the same letters. */
	text_copy_n(part, sizeof(part), line,
	            end && end > line ? (size_t)(end - line) : strlen(line));
	return number_behind(part, 'X', &ret[0]) && number_behind(part, 'Y', &ret[1]) &&
	       number_behind(part, 'Z', &ret[2]);
}

static void set_position(struct octo_memory *m, const double p[3], struct printer_state *s,
                         int64_t now_us)
{
	s->position.x_mm = p[0];
	s->position.y_mm = p[1];
	s->position.z_mm = p[2];
	s->position.at_us = now_us;
	m->n_positions++;
}

static void apply_lines(struct octo_memory *m, const json_t *lines, struct printer_state *s,
                        int64_t now_us)
{
	double p[3];

	for (size_t i = 0; i < MIN(json_array_size(lines), (size_t)MAX_LINES); i++) {
		const char *line = json_string_value(json_array_get(lines, i));

		if (!line)
			continue;
		if (text_starts(line, "Send: ")) {
			m->has_sent_m400 |= strstr(line, "M400") != NULL;
			if (!m->has_sent_m400 || !strstr(line, "M114"))
				continue;
			m->has_sent_m400 = false;
			m->n_sent_m114++;
			m->n_positions_at_m114 = m->n_positions;
		} else if (octo_parse_position(line, p)) {
			m->is_of_script = true;
			set_position(m, p, s, now_us);
		}
	}
}

/* ---- events ---- */

static void on_position(struct octo_memory *m, const json_t *payload, struct printer_state *s,
                        int64_t now_us)
{
	double p[3] = { reply_number(payload, "x"), reply_number(payload, "y"),
		        reply_number(payload, "z") };

	if (isnan(p[0]) || isnan(p[1]) || isnan(p[2]))
		return;
	/* OctoPrint asks by itself when it pauses and cancels, and says so. */
	m->is_of_script = !*reply_text(payload, "reason");
	set_position(m, p, s, now_us);
}

static void apply_event(struct octo_memory *m, const json_t *e, struct printer_state *s,
                        int64_t now_us)
{
	const char *type = reply_text(e, "type");
	const json_t *payload = json_object_get(e, "payload");

	if (text_equal(type, "ZChange")) {
		double z = reply_number(payload, "new");

		if (isfinite(z) && fabs(z) < 1e5) {
			s->job.z_mm = z;
			s->job.z_is_queued = true;
		}
	} else if (text_equal(type, "PositionUpdate")) {
		on_position(m, payload, s, now_us);
	} else if (text_equal(type, "PrintStarted")) {
		m->how = PRINTER_UNKNOWN;
	} else if (text_equal(type, "PrintDone")) {
		m->how = PRINTER_FINISHED;
		s->job.percent = 100;
	} else if (text_equal(type, "PrintCancelled")) {
		m->how = PRINTER_CANCELLED;
	} else if (text_equal(type, "PrintFailed")) {
		m->how = text_equal(reply_text(payload, "reason"), "cancelled") ? PRINTER_CANCELLED
		                                                                : PRINTER_FAILED;
	} else if (text_equal(type, "PrintPaused")) {
		/* With a name if a person did it, without one if the file did. */
		s->pause = *reply_text(payload, "user") ? PRINTER_PAUSE_USER : PRINTER_PAUSE_NONE;
	} else if (text_equal(type, "FilamentChange")) {
		s->pause = PRINTER_PAUSE_FILAMENT;
	}
}

static enum octo_kind apply_current(struct octo_memory *m, const json_t *c, struct printer_state *s)
{
	const json_t *progress = json_object_get(c, "progress");
	const json_t *job = json_object_get(c, "job");
	bool was_running = was_job(s);

	apply_job(job, s);
	/* A job that has ended takes its progress with it: what it had reached stays. */
	if (!was_running || json_is_number(json_object_get(progress, "completion")))
		apply_progress(progress, s);
	apply_state(m, json_object_get(c, "state"), s);
	apply_z(c, s);
	apply_temps(m, json_object_get(c, "temps"), s);
	return OCTO_CURRENT;
}

enum octo_kind octo_report_push(struct octo_memory *m, const json_t *j, struct printer_state *s,
                                int64_t now_us)
{
	const json_t *o;

	if ((o = json_object_get(j, "current"))) {
		apply_lines(m, json_object_get(o, "logs"), s, now_us);
		return apply_current(m, o, s);
	}
	if ((o = json_object_get(j, "history"))) /* whose log is of before */
		return apply_current(m, o, s);
	if ((o = json_object_get(j, "event"))) {
		apply_event(m, o, s, now_us);
		return OCTO_EVENT;
	}
	if ((o = json_object_get(j, "connected"))) {
		const char *version = reply_text(o, "display_version");

		reply_put(s->firmware, sizeof(s->firmware),
		          *version ? version : reply_text(o, "version"));
		return OCTO_CONNECTED;
	}
	if ((o = json_object_get(j, "reauthRequired"))) {
		TEXT_SET(m->reauth, reply_text(o, "reason"));
		return OCTO_REAUTH;
	}
	return OCTO_OTHER;
}

void octo_report_polled(struct octo_memory *m, const json_t *job, const json_t *printer,
                        struct printer_state *s)
{
	json_t *c = json_object();

	json_object_set(c, "job", json_object_get(job, "job"));
	json_object_set(c, "progress", json_object_get(job, "progress"));
	if (printer)
		json_object_set(c, "state", json_object_get(printer, "state"));
	else
		json_object_set_new(
			c, "state",
			json_pack("{s:s, s:s, s:{s:b}}", "text", reply_text(job, "state"), "error",
		                  reply_text(job, "error"), "flags", "closedOrError", 1));
	(void)apply_current(m, c, s);
	apply_heat(m, json_object_get(printer, "temperature"), s);
	json_decref(c);
}

/* ---- the machine ---- */

static void set_limits(const json_t *volume, struct printer_limits *l)
{
	static const char *const sizes[] = { "width", "depth", "height" };
	static const char *const lows[] = { "x_min", "y_min", "z_min" };
	static const char *const highs[] = { "x_max", "y_max", "z_max" };
	const json_t *box = json_object_get(volume, "custom_box");
	bool is_centred = text_equal(reply_text(volume, "origin"), "center");

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		double size = reply_number(volume, sizes[i]);
		double from = is_centred && i < 2 ? -size / 2 : 0;

		if (!(size > 0 && size < 1e5))
			continue;
		l->min_mm[i] = from;
		l->max_mm[i] = from + size;
		if (isfinite(reply_number(box, lows[i])) && isfinite(reply_number(box, highs[i]))) {
			l->min_mm[i] = reply_number(box, lows[i]);
			l->max_mm[i] = reply_number(box, highs[i]);
		}
	}
}

void octo_report_profile(struct octo_memory *m, const json_t *j, struct printer_state *s)
{
	const json_t *profile = NULL, *p;
	const char *key;

	json_object_foreach(json_object_get(j, "profiles"), key, p)
	{
		if (!profile || reply_flag(p, "current"))
			profile = p;
	}
	if (!profile)
		return;
	reply_put(s->model, sizeof(s->model), reply_text(profile, "model"));
	set_limits(json_object_get(profile, "volume"), &s->limits);
	m->profile_nozzle_mm = reply_number(json_object_get(profile, "extruder"), "nozzleDiameter");
}

/* ---- the webcam ---- */

void octo_read_webcam(const json_t *settings, struct webcam *ret)
{
	const json_t *w = json_object_get(settings, "webcam");
	const char *stream = json_string_value(json_object_get(w, "streamUrl"));
	const char *snapshot = json_string_value(json_object_get(w, "snapshotUrl"));

	*ret = (struct webcam){ .is_flipped_h = reply_flag(w, "flipH"),
		                .is_flipped_v = reply_flag(w, "flipV"),
		                /* It turns it left. */
		                .rotation = reply_flag(w, "rotate90") ? 270 : 0,
		                .is_on = !json_is_false(json_object_get(w, "webcamEnabled")) };
	TEXT_SET(ret->stream, stream ? stream : "");
	TEXT_SET(ret->snapshot, snapshot ? snapshot : "");
}
