/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/json.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "model/event.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

json_t *json_or_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

json_t *json_int_or_null(int64_t v)
{
	return v != -1 ? json_integer(v) : json_null();
}

json_t *json_time(int64_t wall_ms)
{
	char text[WHEN_TEXT_SIZE];

	return wall_ms ? json_string(when_iso(text, wall_ms)) : json_null();
}

json_t *json_text(const char *s)
{
	json_t *j = json_string(s);

	if (j)
		return j;

	char *clean = mem_str(s);

	text_clean(clean);
	j = json_string(clean);
	free(clean);
	return j;
}

/* Setters that take a new reference; jansson's own name for that is easily misread. */
static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static void put_text(json_t *o, const char *key, const char *s)
{
	put(o, key, json_text(s));
}

static void put_int(json_t *o, const char *key, int64_t v)
{
	put(o, key, json_integer(v));
}

static void put_bool(json_t *o, const char *key, bool v)
{
	put(o, key, json_boolean(v));
}

/* Two digits after the point are enough for a person and half the bytes on the wire. */
static json_t *rounded(double v)
{
	return isfinite(v) ? json_real(round(v * 100) / 100) : json_null();
}

static json_t *heat(const struct printer_heat *h)
{
	return json_pack("{s:o, s:o}", "now_c", rounded(h->now_c), "target_c",
	                 rounded(h->target_c));
}

static json_t *tray(const struct printer_tray *t)
{
	json_t *o = json_object();

	put_bool(o, "present", t->is_present);
	put_text(o, "filament_id", t->filament_id);
	put_text(o, "type", t->type);
	put_text(o, "brand", t->brand);
	put_text(o, "color", t->color);
	put(o, "remain_percent", json_int_or_null(t->remain_percent));
	put(o, "full_g", json_or_null(t->full_g));
	put(o, "nozzle_min_c", json_int_or_null(t->nozzle_min_c));
	put(o, "nozzle_max_c", json_int_or_null(t->nozzle_max_c));
	return o;
}

static json_t *trays(const struct printer_tray *list, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, tray(&list[i]));
	return a;
}

static json_t *ams(const struct printer_state *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_ams; i++) {
		const struct printer_ams *u = &s->ams[i];
		json_t *o = json_object();

		put_int(o, "id", u->id);
		put_text(o, "kind", u->kind);
		put(o, "humidity_level", json_int_or_null(u->humidity_level));
		put(o, "humidity_percent", json_int_or_null(u->humidity_percent));
		put(o, "temp_c", rounded(u->temp_c));
		put_int(o, "dry_minutes_left", u->dry_minutes_left);
		put(o, "trays", trays(u->trays, u->n_trays));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *nozzles(const struct printer_state *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_nozzles; i++) {
		const struct printer_nozzle *n = &s->nozzles[i];
		json_t *o = heat(&n->heat);

		put_text(o, "name", n->name);
		put(o, "diameter_mm", json_or_null(n->diameter_mm));
		put_text(o, "type", n->type);
		put(o, "tray", json_int_or_null(n->tray));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *lights(const struct printer_state *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_lights; i++)
		json_array_append_new(a, json_pack("{s:s, s:b}", "name", s->lights[i].name, "on",
		                                   (int)s->lights[i].is_on));
	return a;
}

static json_t *hms(const struct printer_state *s)
{
	json_t *a = json_array();

	for (size_t i = 0; i < s->n_hms; i++) {
		const struct printer_hms *h = &s->hms[i];
		json_t *o = json_object();

		put_text(o, "code", h->code);
		put_int(o, "severity", h->severity);
		put_text(o, "module", h->module);
		put_text(o, "text", h->text);
		put_text(o, "wiki", h->wiki);
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *printer_job(const struct printer_job *job)
{
	json_t *o = json_object();

	put_text(o, "name", job->name);
	put_text(o, "file", job->file);
	put(o, "layer", json_int_or_null(job->layer));
	put(o, "layers", json_int_or_null(job->layers));
	put(o, "percent", json_int_or_null(job->percent));
	put(o, "remaining_min", json_int_or_null(job->remaining_min));
	put(o, "prepare_percent", json_int_or_null(job->prepare_percent));
	put(o, "file_pos", json_int_or_null(job->file_pos));
	put(o, "file_size", json_int_or_null(job->file_size));
	put(o, "z_mm", rounded(job->z_mm));
	put(o, "estimate_s", rounded(job->estimate_s));
	put(o, "filament_mm", rounded(job->filament_mm));
	put_bool(o, "is_streamed", job->is_streamed);
	return o;
}

static void put_machine(json_t *o, const struct printer_state *s)
{
	put_text(o, "firmware", s->firmware);
	put_bool(o, "has_update", s->has_update);
	put_bool(o, "needs_developer_mode", s->needs_developer_mode);
	put(o, "door",
	    s->has_door ? json_pack("{s:b}", "open", (int)s->is_door_open) : json_null());
	put_bool(o, "has_storage", s->has_storage);
	put_text(o, "wifi", s->wifi);
	put(o, "camera",
	    json_pack("{s:b, s:o}", "on", (int)s->camera_is_on, "text", json_text(s->camera_text)));
	put_bool(o, "records_timelapse", s->records_timelapse);
}

static json_t *capabilities(unsigned bits)
{
	json_t *a = json_array();

	for (unsigned i = 0; printer_capability_name(1U << i)[0]; i++) {
		if (bits & 1U << i)
			json_array_append_new(a, json_string(printer_capability_name(1U << i)));
	}
	return a;
}

static json_t *limits(const struct printer_limits *l)
{
	static const char *const axes[] = { "x", "y", "z" };
	json_t *o = json_object();

	for (size_t i = 0; i < ARRAY_LEN(axes); i++)
		put(o, axes[i], json_pack("[o, o]", rounded(l->min_mm[i]), rounded(l->max_mm[i])));
	return o;
}

static void put_motion(json_t *o, const struct printer_state *s)
{
	const struct printer_position *p = &s->position;

	put(o, "capabilities", capabilities(s->capabilities));
	put(o, "limits", limits(&s->limits));
	put(o, "position",
	    json_pack("{s:o, s:o, s:o, s:b}", "x_mm", rounded(p->x_mm), "y_mm", rounded(p->y_mm),
	              "z_mm", rounded(p->z_mm), "is_homed", (int)p->is_homed));
}

static void put_heat_and_fans(json_t *o, const struct printer_state *s)
{
	put(o, "nozzles", nozzles(s));
	put_int(o, "active_nozzle", s->active_nozzle);
	put(o, "bed", heat(&s->bed));
	put(o, "chamber", heat(&s->chamber));
	put(o, "fans",
	    json_pack("{s:o, s:o, s:o, s:o}", "part", json_int_or_null(s->fan_part), "aux",
	              json_int_or_null(s->fan_aux), "chamber", json_int_or_null(s->fan_chamber),
	              "heatbreak", json_int_or_null(s->fan_heatbreak)));
	put(o, "speed",
	    json_pack("{s:o, s:o}", "level", json_int_or_null(s->speed_level), "percent",
	              json_int_or_null(s->speed_percent)));
	put(o, "lights", lights(s));
}

json_t *json_printer(const struct printer_config *c, const struct printer_state *s)
{
	json_t *o = json_object();

	put_text(o, "id", c->id);
	put_text(o, "name", c->name);
	put_text(o, "driver", c->driver);
	put_text(o, "address", c->address);
	put_text(o, "url", c->url);
	put_text(o, "serial", c->serial);
	put_text(o, "model", s->model[0] ? s->model : c->model);
	put(o, "link",
	    json_pack("{s:s, s:o}", "state", printer_link_name(s->link), "text",
	              json_text(s->link_text)));
	put_bool(o, "stale", s->is_stale);
	put(o, "heard_at", json_time(s->heard_wall_ms));
	put_text(o, "activity", printer_activity_name(s->activity));
	put_text(o, "pause", printer_pause_name(s->pause));
	put(o, "since_at", json_time(s->since_wall_ms));
	put(o, "stage",
	    json_pack("{s:i, s:o}", "number", s->stage, "text", json_text(s->stage_text)));
	put(o, "job", printer_job(&s->job));
	put_heat_and_fans(o, s);
	put(o, "ams", ams(s));
	put(o, "external", trays(s->external, s->n_external));
	put_int(o, "tray_now", s->tray_now);
	put(o, "error",
	    s->print_error ? json_pack("{s:s, s:o}", "code", s->print_error_code, "text",
	                               json_text(s->print_error_text))
	                   : json_null());
	put(o, "hms", hms(s));
	put_machine(o, s);
	put_motion(o, s);
	return o;
}

static json_t *seen_printers(const struct camera_config *c)
{
	json_t *a = json_array();

	for (unsigned i = 0; c->printer[0] && i <= c->n_also; i++)
		json_array_append_new(a, json_text(i == 0 ? c->printer : c->also[i - 1]));
	return a;
}

json_t *json_camera(const struct camera_config *c, const struct camera_status *s)
{
	json_t *o = json_object();

	put_text(o, "id", c->id);
	put_text(o, "name", c->name);
	put_text(o, "driver", c->driver);
	put_text(o, "printer", c->printer);
	put(o, "printers", seen_printers(c));
	put_text(o, "origin", camera_origin_name(c->origin));
	put_text(o, "state", camera_state_name(s->state));
	put_text(o, "text", s->text);
	put(o, "newest_at", json_time(s->newest_wall_ms));
	put_int(o, "width", s->width);
	put_int(o, "height", s->height);
	put(o, "per_second", rounded(s->per_second));
	put_int(o, "n_frames", (int64_t)s->n_frames);
	put_int(o, "n_refused", (int64_t)s->n_refused);
	put_int(o, "n_reconnects", (int64_t)s->n_reconnects);
	put_int(o, "watchers", s->n_watchers);
	put_bool(o, "has_video", s->has_video);
	put_text(o, "codec", s->codec);
	put_int(o, "rotation", c->rotation);
	put_bool(o, "is_flipped_h", c->is_flipped_h);
	put_bool(o, "is_flipped_v", c->is_flipped_v);
	return o;
}

static json_t *session_cameras(const struct session *s)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < MIN(s->n_cameras, (unsigned)SESSION_MAX_CAMERAS); i++)
		json_array_append_new(a, json_text(s->cameras[i]));
	return a;
}

json_t *json_session(const struct session *s)
{
	json_t *o = json_object();

	put_text(o, "id", s->id);
	put_text(o, "printer", s->printer);
	put_text(o, "job", s->job);
	put_text(o, "job_name", s->job_name);
	put_text(o, "job_file", s->job_file);
	put_text(o, "task_id", s->task_id);
	put_text(o, "state", session_state_name(s->state));
	put_text(o, "state_text", s->state_text);
	put(o, "started_at", json_time(s->started_wall_ms));
	put(o, "ended_at", json_time(s->ended_wall_ms));
	put_int(o, "n_frames", s->n_frames);
	put_int(o, "n_missed", s->n_missed);
	put(o, "layer", json_int_or_null(s->layer));
	put(o, "layers", json_int_or_null(s->layers));
	put_int(o, "bytes", (int64_t)s->bytes);
	put_int(o, "forecast_bytes", (int64_t)s->forecast_bytes);
	put_bool(o, "is_thinned", s->is_thinned);
	put_int(o, "keep_one_in", s->keep_one_in);
	put_text(o, "outcome", s->outcome);
	put_bool(o, "wants_film", s->wants_film);
	put_int(o, "min_frames", s->min_frames);
	put(o, "cameras", session_cameras(s));
	put(o, "film_plan", json_film_plan(&s->film));
	put(o, "frames_deleted_at", json_time(s->frames_deleted_wall_ms));
	return o;
}

json_t *json_film_plan(const struct film_plan *p)
{
	json_t *o = json_object();

	put(o, "fps", json_real(p->fps));
	put(o, "duration_s", json_real(p->duration_s));
	put(o, "hold_s", json_real(p->hold_s));
	put_int(o, "crf", p->crf);
	put_int(o, "width", p->width);
	put_int(o, "height", p->height);
	put_text(o, "preset", p->preset);
	return o;
}

json_t *json_film(const struct film *f)
{
	json_t *o = json_object();

	put_text(o, "id", f->id);
	put_text(o, "session", f->session);
	put_text(o, "printer", f->printer);
	put_text(o, "camera", f->camera);
	put_text(o, "job_name", f->job_name);
	put_text(o, "file", f->file);
	put_text(o, "poster", f->poster);
	put_text(o, "state", film_state_name(f->state));
	put_text(o, "text", f->text);
	put(o, "made_at", json_time(f->made_wall_ms));
	put(o, "duration_s", json_or_null(f->duration_s));
	put(o, "fps", json_or_null(f->fps));
	put_int(o, "width", f->width);
	put_int(o, "height", f->height);
	put_int(o, "n_frames", f->n_frames);
	put_int(o, "n_skipped", f->n_skipped);
	put_int(o, "bytes", (int64_t)f->bytes);
	put_text(o, "sha256", f->sha256);
	put_bool(o, "is_finished", film_is_finished(f));
	put(o, "progress_percent", json_int_or_null(f->progress_percent));
	put(o, "plan", json_film_plan(&f->plan));
	return o;
}

json_t *json_job(const struct job *j)
{
	json_t *o = json_object();

	put_text(o, "id", j->id);
	put_text(o, "printer", j->printer);
	put_text(o, "name", j->name);
	put_text(o, "file", j->file);
	put(o, "started_at", json_time(j->started_wall_ms));
	put(o, "ended_at", json_time(j->ended_wall_ms));
	put_text(o, "outcome", job_outcome_name(j->outcome));
	put_text(o, "reason", j->reason);
	put(o, "layer", json_int_or_null(j->layer));
	put(o, "layers", json_int_or_null(j->layers));
	put(o, "estimate_s", json_or_null(j->estimate_s));
	put(o, "filament_g", json_or_null(j->filament_g));
	return o;
}

json_t *json_layer(const struct layer *l)
{
	json_t *o = json_object();

	put_text(o, "job", l->job);
	put_text(o, "printer", l->printer);
	put_int(o, "number", l->number);
	put(o, "layers", json_int_or_null(l->layers));
	put(o, "z_mm", rounded(l->z_mm));
	put(o, "at", json_time(l->at_wall_ms));
	put(o, "confidence", rounded(l->confidence));
	put_text(o, "reason", l->reason);
	put_bool(o, "is_catching_up", l->is_catching_up);
	return o;
}

json_t *json_notice(const struct event_notice *n)
{
	static const char *const levels[] = { "info", "warning", "alarm" };
	json_t *o = json_object();

	put_text(o, "id", n->id);
	put(o, "at", json_time(n->wall_ms));
	put_text(o, "level", levels[n->level]);
	put_text(o, "topic", n->topic);
	put_text(o, "subject", n->subject);
	put_text(o, "text", n->text);
	return o;
}

/* ---- reading back ---- */

/* Each getter leaves its target alone when the member is absent, and marks what has the wrong
 * type; absent members of older files are no error. */
struct reading {
	const json_t *from;
	bool is_wrong;
};

static const json_t *member(struct reading *r, const char *key)
{
	const json_t *v = json_object_get(r->from, key);

	return json_is_null(v) ? NULL : v;
}

static void get_text(struct reading *r, const char *key, char *dst, size_t size)
{
	const json_t *v = member(r, key);

	if (v && !json_is_string(v))
		r->is_wrong = true;
	else if (v)
		text_copy(dst, size, json_string_value(v));
}

static int64_t get_int(struct reading *r, const char *key, int64_t absent)
{
	const json_t *v = member(r, key);

	if (v && !json_is_integer(v))
		r->is_wrong = true;
	return json_is_integer(v) ? json_integer_value(v) : absent;
}

static unsigned get_unsigned(struct reading *r, const char *key)
{
	int64_t v = get_int(r, key, 0);

	if (v < 0 || v > UINT32_MAX)
		r->is_wrong = true;
	return v < 0 ? 0 : (unsigned)MIN(v, (int64_t)UINT32_MAX);
}

static bool get_bool(struct reading *r, const char *key, bool absent)
{
	const json_t *v = member(r, key);

	if (v && !json_is_boolean(v))
		r->is_wrong = true;
	return json_is_boolean(v) ? json_is_true(v) : absent;
}

static double get_real(struct reading *r, const char *key, double absent)
{
	const json_t *v = member(r, key);

	if (v && !json_is_number(v))
		r->is_wrong = true;
	return json_is_number(v) ? json_number_value(v) : absent;
}

static int64_t get_time(struct reading *r, const char *key)
{
	const json_t *v = member(r, key);
	int64_t ms = 0;

	if (v && !(json_is_string(v) && when_from_iso(json_string_value(v), &ms)))
		r->is_wrong = true;
	return ms;
}

#define GET_TEXT(r, key, array) get_text((r), (key), (array), sizeof(array))

bool json_to_film_plan(struct film_plan *p, const json_t *j)
{
	struct reading r = { .from = j, .is_wrong = !json_is_object(j) };

	film_plan_init(p);
	p->fps = get_real(&r, "fps", p->fps);
	p->duration_s = get_real(&r, "duration_s", p->duration_s);
	p->hold_s = get_real(&r, "hold_s", p->hold_s);
	p->crf = (int)get_int(&r, "crf", p->crf);
	p->width = get_unsigned(&r, "width");
	p->height = get_unsigned(&r, "height");
	GET_TEXT(&r, "preset", p->preset);
	return !r.is_wrong;
}

static void read_session_cameras(struct session *s, const json_t *a)
{
	for (size_t i = 0; i < MIN(json_array_size(a), (size_t)SESSION_MAX_CAMERAS); i++) {
		TEXT_SET(s->cameras[i], json_string_value(json_array_get(a, i)));
		s->n_cameras++;
	}
}

/* What belongs to its film may be missing: files written by hand or by a test. */
bool json_to_session(struct session *s, const json_t *j)
{
	struct reading r = { .from = j, .is_wrong = !json_is_object(j) };
	char state[16] = "";

	*s = (struct session){ .keep_one_in = 1 };
	GET_TEXT(&r, "id", s->id);
	GET_TEXT(&r, "printer", s->printer);
	GET_TEXT(&r, "job", s->job);
	GET_TEXT(&r, "job_name", s->job_name);
	GET_TEXT(&r, "job_file", s->job_file);
	GET_TEXT(&r, "task_id", s->task_id);
	GET_TEXT(&r, "state", state);
	GET_TEXT(&r, "state_text", s->state_text);
	s->started_wall_ms = get_time(&r, "started_at");
	s->ended_wall_ms = get_time(&r, "ended_at");
	s->n_frames = get_unsigned(&r, "n_frames");
	s->n_missed = get_unsigned(&r, "n_missed");
	s->layer = (int)get_int(&r, "layer", -1);
	s->layers = (int)get_int(&r, "layers", -1);
	s->bytes = (uint64_t)get_int(&r, "bytes", 0);
	s->forecast_bytes = (uint64_t)get_int(&r, "forecast_bytes", 0);
	s->is_thinned = get_bool(&r, "is_thinned", false);
	s->keep_one_in = get_unsigned(&r, "keep_one_in");
	GET_TEXT(&r, "outcome", s->outcome);
	s->wants_film = get_bool(&r, "wants_film", true);
	s->min_frames = get_unsigned(&r, "min_frames");
	read_session_cameras(s, json_object_get(j, "cameras"));
	if (!json_to_film_plan(&s->film, json_object_get(j, "film_plan")))
		film_plan_init(&s->film);
	s->frames_deleted_wall_ms = get_time(&r, "frames_deleted_at");
	return !r.is_wrong && id_is_valid(s->id) && session_state_from_name(state, &s->state);
}

bool json_to_film(struct film *f, const json_t *j)
{
	struct reading r = { .from = j, .is_wrong = !json_is_object(j) };
	char state[16] = "";

	*f = (struct film){ .progress_percent = -1 };
	GET_TEXT(&r, "id", f->id);
	GET_TEXT(&r, "session", f->session);
	GET_TEXT(&r, "printer", f->printer);
	GET_TEXT(&r, "camera", f->camera);
	GET_TEXT(&r, "job_name", f->job_name);
	GET_TEXT(&r, "file", f->file);
	GET_TEXT(&r, "poster", f->poster);
	GET_TEXT(&r, "state", state);
	GET_TEXT(&r, "text", f->text);
	f->made_wall_ms = get_time(&r, "made_at");
	f->duration_s = get_real(&r, "duration_s", (double)NAN);
	f->fps = get_real(&r, "fps", (double)NAN);
	f->width = get_unsigned(&r, "width");
	f->height = get_unsigned(&r, "height");
	f->n_frames = get_unsigned(&r, "n_frames");
	f->n_skipped = get_unsigned(&r, "n_skipped");
	f->bytes = (uint64_t)get_int(&r, "bytes", 0);
	f->progress_percent = (int)get_int(&r, "progress_percent", -1);
	return !r.is_wrong && id_is_valid(f->id) && film_state_from_name(state, &f->state) &&
	       json_to_film_plan(&f->plan, member(&r, "plan"));
}
