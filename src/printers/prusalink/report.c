/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/prusalink/report.h"

#include "base/text.h"
#include "printers/reply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PRINTING_MS 1000
#define PAUSED_MS 2000
#define IDLE_MS 5000
#define SLOWEST_MS 10000

void prusa_memory_init(struct prusa_memory *m)
{
	*m = (struct prusa_memory){ .job = -1, .described = -1, .ended = -1 };
}

/* ---- the machine ---- */

/* "PrusaLink I3MK3S" of a Raspberry Pi; else the name in the network, as "prusa-mk4". */
static void set_model(struct printer_state *s, const char *text)
{
	if (strncasecmp(text, "PrusaLink ", 10) == 0)
		text += 10;
	else if (strncasecmp(text, "prusa", 5) == 0)
		text += 5;
	else
		return;
	text += strspn(text, "-_ ");
	if (strncasecmp(text, "link", 4) == 0) /* of a Raspberry Pi: nothing of the printer */
		return;
	if (strncasecmp(text, "I3MK", 4) == 0)
		text += 2;
	if (!*text)
		return;
	reply_put(s->model, sizeof(s->model), text);
	for (char *c = s->model; *c; c++) {
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - ('a' - 'A'));
	}
}

void prusa_report_version(const json_t *j, struct printer_state *s)
{
	const char *firmware = reply_text(j, "firmware");

	/* Its "server" is the version of a library. */
	reply_put(s->firmware, sizeof(s->firmware), firmware);
	memset(s->model, 0, sizeof(s->model));
	TEXT_SET(s->model, "Prusa");
	set_model(s, reply_text(j, "hostname"));
	set_model(s, reply_text(j, "original"));
}

void prusa_report_info(struct prusa_memory *m, const json_t *j, struct printer_state *s)
{
	double nozzle = reply_number(j, "nozzle_diameter");

	m->nozzle_mm = nozzle > 0.05 && nozzle < 5 ? nozzle : 0;
	if (text_equal(s->model, "Prusa"))
		set_model(s, reply_text(j, "hostname"));
}

/* ---- state ---- */

/* Before API v1 there is no word for "finished", and later somebody may be quick to confirm it. */
static bool is_near_end(const struct printer_job *j)
{
	return j->percent >= 99 || (j->percent >= 95 && j->remaining_min == 0);
}

static void set_activity(struct prusa_memory *m, const char *state, bool has_job,
                         struct printer_state *s)
{
	bool was_job = printer_activity_is_job(s->activity);
	const char *stage = "";

	m->is_printing = text_equal(state, "PRINTING");
	memset(m->trouble, 0, sizeof(m->trouble));
	if (m->is_printing) {
		s->activity = PRINTER_PRINTING;
	} else if (text_equal(state, "PAUSED")) {
		s->activity = PRINTER_PAUSED;
	} else if (text_equal(state, "FINISHED")) {
		s->activity = PRINTER_FINISHED;
	} else if (text_equal(state, "STOPPED")) {
		s->activity = PRINTER_CANCELLED;
	} else if (text_equal(state, "BUSY")) {
		stage = "busy";
		/* It homes or heats for a job, or ends one: the next word tells. */
		if (!was_job && !(has_job && m->job == m->ended))
			s->activity = has_job ? PRINTER_PREPARING : PRINTER_IDLE;
	} else if (text_equal(state, "ATTENTION")) {
		stage = "needs attention";
		s->activity = has_job || was_job ? PRINTER_PAUSED : PRINTER_IDLE;
		TEXT_SET(m->trouble, "The printer waits for somebody: its screen says what for.");
	} else if (text_equal(state, "ERROR")) {
		stage = "error";
		s->activity = has_job || was_job || s->activity == PRINTER_FAILED ? PRINTER_FAILED
		                                                                  : PRINTER_IDLE;
		TEXT_SET(m->trouble, "The printer is in error: its screen says why.");
	} else {
		s->activity = was_job && is_near_end(&s->job) ? PRINTER_FINISHED : PRINTER_IDLE;
		stage = text_equal(state, "READY") ? "ready to print" : "";
	}
	if (s->activity == PRINTER_FINISHED || s->activity == PRINTER_CANCELLED ||
	    s->activity == PRINTER_FAILED)
		m->ended = m->job;
	reply_put(s->stage_text, sizeof(s->stage_text), stage);
}

/* Of a Raspberry Pi: what is wrong with the printer, in words. */
static void hear_trouble(struct prusa_memory *m, const json_t *printer)
{
	const json_t *status = json_object_get(printer, "status_printer");
	const char *message = reply_text(status, "message");

	if (json_is_false(json_object_get(status, "ok")) && *message)
		reply_put(m->trouble, sizeof(m->trouble), message);
}

static void set_trouble(const struct prusa_memory *m, struct printer_state *s)
{
	bool is_error = m->trouble[0] != '\0';

	s->print_error = is_error;
	reply_put(s->print_error_code, sizeof(s->print_error_code),
	          !is_error                            ? ""
	          : text_equal(s->stage_text, "error") ? "error"
	                                               : "attention");
	reply_put(s->print_error_text, sizeof(s->print_error_text), m->trouble);
}

/* ---- job ---- */

static void forget_job(struct printer_job *j)
{
	memset(j, 0, sizeof(*j));
	j->layer = j->layers = j->percent = j->remaining_min = j->prepare_percent = -1;
	j->file_pos = j->file_size = -1;
	j->z_mm = j->estimate_s = j->filament_mm = (double)NAN;
}

/* While there is none the last one stays: it is what has just ended. */
static void apply_progress(struct prusa_memory *m, const json_t *job, struct printer_state *s,
                           int64_t wall_ms)
{
	double percent = reply_number(job, "progress"),
	       left_s = reply_number(job, "time_remaining");
	double spent_s = reply_number(job, "time_printing");
	int64_t id = reply_whole(job, "id");

	id = MAX(id, (int64_t)0);
	if (!json_is_object(job)) {
		m->job = -1;
		if (m->described == 0) /* the next one has no number either */
			m->described = -1;
		return;
	}
	if (id != m->job) {
		if (m->described != id)
			forget_job(&s->job);
		m->job = id;
	}
	if (id > 0)
		(void)snprintf(s->job.task_id, sizeof(s->job.task_id), "%lld", (long long)id);
	s->job.percent = percent >= 0 && percent <= 100 ? (int)percent : -1;
	s->job.remaining_min = left_s >= 0 && left_s < 1e8 ? (int)lround(left_s / 60) : -1;
	if (s->job.started_wall_ms == 0 && spent_s > 0 && spent_s < 1e8)
		s->job.started_wall_ms = wall_ms - (int64_t)(spent_s * 1000);
}

/* "/usb" and "RING~1.GCO", or the whole path and its last part. */
static void set_file(const json_t *file, struct printer_job *j)
{
	const char *path = reply_text(file, "path"), *name = reply_text(file, "name");
	const char *last = strrchr(path, '/');
	const char *shown = reply_text(file, "display_name");
	char whole[sizeof(j->file) + 64];

	if (!*path || !*name || (last && text_equal(last + 1, name)))
		(void)snprintf(whole, sizeof(whole), "%s", *path ? path : name);
	else
		(void)snprintf(whole, sizeof(whole), "%s/%s", path, name);
	reply_put(j->file, sizeof(j->file), whole);
	reply_put(j->name, sizeof(j->name), *shown ? shown : *name ? name : path);
	j->file_size = reply_whole(file, "size");
}

void prusa_report_job(struct prusa_memory *m, const json_t *j, struct printer_state *s)
{
	const json_t *file = json_object_get(j, "file"), *refs = json_object_get(file, "refs");
	const char *download = reply_text(refs, "download");
	int64_t id = reply_whole(j, "id");

	if (!json_is_object(file) || (!*reply_text(file, "name") && !*reply_text(file, "path")))
		return;
	set_file(file, &s->job);
	m->described = MAX(id, (int64_t)0);
	memset(m->download, 0, sizeof(m->download));
	/* Not to another server, and nothing cut. */
	if (download[0] == '/' && download[1] != '/' && !strpbrk(download, "\r\n?#") &&
	    !strstr(download, "/../") && strlen(download) < sizeof(m->download))
		TEXT_SET(m->download, download);
	/* A Raspberry Pi feeds its own files to the printer; what lies on a card or a stick the
	 * printer reads itself. */
	s->job.is_streamed = text_equal(m->storage, "local") && *download;
}

/* ---- what it measures ---- */

static void apply_heat(const struct prusa_memory *m, const json_t *p, struct printer_state *s)
{
	double speed = reply_number(p, "speed"), fan = reply_number(p, "fan_print");

	s->n_nozzles = 1;
	TEXT_SET(s->nozzles[0].name, "nozzle");
	s->nozzles[0].heat.now_c = reply_number(p, "temp_nozzle");
	s->nozzles[0].heat.target_c = reply_number(p, "target_nozzle");
	if (m->nozzle_mm > 0)
		s->nozzles[0].diameter_mm = m->nozzle_mm;
	s->bed.now_c = reply_number(p, "temp_bed");
	s->bed.target_c = reply_number(p, "target_bed");
	s->speed_percent = speed >= 0 && speed < 1000 ? (int)speed : -1;
	/* Turns a minute: only a fan that stands still has a percentage. */
	s->fan_part = fan == 0 ? 0 : -1;
}

static double axis(const json_t *p, const char *key)
{
	double v = reply_number(p, key);

	return fabs(v) < 1e5 ? v : (double)NAN;
}

static void apply_position(struct prusa_memory *m, const json_t *p, struct printer_state *s,
                           int64_t now_us)
{
	double z = axis(p, "axis_z");

	m->has_fine_z |= isfinite(z) && fabs(z * 10 - round(z * 10)) > 0.01;
	s->position.x_mm = axis(p, "axis_x");
	s->position.y_mm = axis(p, "axis_y");
	s->position.z_mm = z;
	if (isfinite(z))
		s->position.at_us = now_us;
	s->job.z_mm = m->is_printing ? z : (double)NAN;
	s->job.z_error_mm = m->has_fine_z ? 0 : 0.05;
}

/* An object of a USB stick, or a list of those that a Raspberry Pi knows, the printer's card last. */
static void apply_storage(struct prusa_memory *m, const json_t *storage, struct printer_state *s)
{
	const json_t *first = json_is_array(storage) ? json_array_get(storage, 0) : storage;
	const char *path = reply_text(first, "path");
	size_t n;

	if (!json_is_object(first))
		return;
	path += strspn(path, "/");
	n = strcspn(path, "/");
	if (n > 0 && n < sizeof(m->storage))
		text_copy_n(m->storage, sizeof(m->storage), path, n);
	s->has_storage = n > 0;
}

bool prusa_report_status(struct prusa_memory *m, const json_t *j, struct printer_state *s,
                         int64_t now_us, int64_t wall_ms)
{
	const json_t *printer = json_object_get(j, "printer"), *job = json_object_get(j, "job");
	const char *state = reply_text(printer, "state");

	if (!*state)
		return false;
	apply_storage(m, json_object_get(j, "storage"), s);
	apply_progress(m, job, s, wall_ms);
	set_activity(m, state, json_is_object(job), s);
	if (s->activity == PRINTER_FINISHED)
		s->job.percent = 100;
	hear_trouble(m, printer);
	set_trouble(m, s);
	apply_heat(m, printer, s);
	apply_position(m, printer, s, now_us);
	m->has_camera = json_is_object(json_object_get(j, "camera"));
	s->camera_is_on = m->has_camera;
	return true;
}

/* ---- firmware before API v1 ---- */

static void take_number(json_t *to, const char *as, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_number(v))
		json_object_set_new(to, as, json_deep_copy(v));
}

/* The older says no "link_state" while it does nothing. */
static const char *old_state(const json_t *flags)
{
	const char *state = reply_text(flags, "link_state");

	if (*state)
		return state;
	if (reply_flag(flags, "paused"))
		return "PAUSED";
	if (reply_flag(flags, "error"))
		return "ERROR";
	return reply_flag(flags, "printing")                                  ? "PRINTING"
	       : reply_flag(flags, "cancelling") || reply_flag(flags, "busy") ? "BUSY"
	                                                                      : "IDLE";
}

json_t *prusa_old_status(const json_t *printer, const json_t *job)
{
	const json_t *flags = json_object_get(json_object_get(printer, "state"), "flags");
	const json_t *heat = json_object_get(printer, "temperature");
	const json_t *told = json_object_get(printer, "telemetry");
	const json_t *progress = json_object_get(job, "progress");
	double done = reply_number(progress, "completion");
	json_t *p = json_object(), *j = json_object();

	if (!json_is_object(flags)) {
		json_decref(j);
		return p;
	}
	json_object_set_new(p, "state", json_string(old_state(flags)));
	take_number(p, "temp_nozzle", json_object_get(heat, "tool0"), "actual");
	take_number(p, "target_nozzle", json_object_get(heat, "tool0"), "target");
	take_number(p, "temp_bed", json_object_get(heat, "bed"), "actual");
	take_number(p, "target_bed", json_object_get(heat, "bed"), "target");
	take_number(p, "axis_x", told, "axis_x");
	take_number(p, "axis_y", told, "axis_y");
	take_number(p, "axis_z", told, json_object_get(told, "axis_z") ? "axis_z" : "z-height");
	take_number(p, "speed", told, "print-speed");
	json_object_set_new(j, "printer", p);
	if (done >= 0 && done <= 1) {
		json_t *o = json_pack("{s:f}", "progress", done * 100);

		take_number(o, "time_remaining", progress, "printTimeLeft");
		take_number(o, "time_printing", progress, "printTime");
		json_object_set_new(j, "job", o);
	}
	return j;
}

json_t *prusa_old_job(const json_t *job)
{
	const json_t *file = json_object_get(json_object_get(job, "job"), "file");
	const char *path = reply_text(file, "path"), *shown = reply_text(file, "display");

	/* "name" is the one for people; what "path" names the printer gives. */
	return json_pack("{s:{s:o, s:o, s:{s:o}}}", "file", "path", json_string(path),
	                 "display_name", json_string(*shown ? shown : reply_text(file, "name")),
	                 "refs", "download", json_string(text_starts(path, "/usb/") ? path : ""));
}

/* ---- gently ---- */

int64_t prusa_poll_ms(const struct printer_state *s, int64_t took_ms)
{
	int64_t ms = IDLE_MS;

	if (s->activity == PRINTER_PRINTING || s->activity == PRINTER_PREPARING)
		ms = PRINTING_MS;
	else if (s->activity == PRINTER_PAUSED)
		ms = PAUSED_MS;
	/* One that is slow has other things to do: it prints. */
	ms = MAX(ms, 2 * took_ms);
	return MIN(ms, (int64_t)SLOWEST_MS);
}
