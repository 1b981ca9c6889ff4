/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model: defaults, names and limits of the nouns. */

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/camera.h"
#include "model/film.h"
#include "model/job.h"
#include "model/names.h"
#include "model/printer.h"
#include "model/session.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int name_find(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

bool trust_from_text(struct trust *t, const char *text)
{
	struct trust made = { .mode = TRUST_PIN };

	TEXT_SET(made.ca_file, t->ca_file);
	if (strcmp(text, "ca") == 0) {
		made.mode = TRUST_CA;
	} else if (strcmp(text, "insecure") == 0) {
		made.mode = TRUST_INSECURE;
	} else {
		if (text_starts(text, "sha256:"))
			text += strlen("sha256:");
		if (!text_unhex(made.pin, sizeof(made.pin), text))
			return false;
	}
	*t = made;
	return true;
}

static const char *const camera_states[] = { "closed", "connecting", "live", "stale", "no_signal" };

const char *camera_state_name(enum camera_state s)
{
	return name_of(camera_states, ARRAY_LEN(camera_states), s);
}

const char *camera_origin_name(int origin)
{
	static const char *const names[] = { "file", "printer", "page" };

	return name_of(names, ARRAY_LEN(names), origin);
}

void camera_config_fini(struct camera_config *c)
{
	secret_fini(&c->secret);
	for (unsigned i = 0; i < c->n_args; i++) {
		free(c->args[i]);
		c->args[i] = NULL;
	}
	c->n_args = 0;
}

void camera_config_copy(struct camera_config *dst, const struct camera_config *src)
{
	*dst = *src;
	dst->secret = (struct secret){ 0 };
	secret_set(&dst->secret, secret_peek(&src->secret));
	for (unsigned i = 0; i < src->n_args; i++)
		dst->args[i] = mem_str(src->args[i]);
}

bool camera_config_add_arg(struct camera_config *c, const char *arg)
{
	if (c->n_args == CAMERA_MAX_ARGS)
		return false;
	c->args[c->n_args++] = mem_str(arg);
	return true;
}

bool camera_config_sees(const struct camera_config *c, const char *printer)
{
	if (strcmp(c->printer, printer) == 0)
		return true;
	for (unsigned i = 0; i < c->n_also; i++)
		if (strcmp(c->also[i], printer) == 0)
			return true;
	return false;
}

void printer_config_fini(struct printer_config *c)
{
	secret_fini(&c->access_code);
}

void printer_config_copy(struct printer_config *dst, const struct printer_config *src)
{
	*dst = *src;
	dst->access_code = (struct secret){ 0 };
	secret_set(&dst->access_code, secret_peek(&src->access_code));
}

static const struct printer_heat no_heat = { (double)NAN, (double)NAN };

void printer_state_init(struct printer_state *s)
{
	*s = (struct printer_state){ 0 };
	s->stage = -1;
	s->job = (struct printer_job){
		.layer = -1,
		.layers = -1,
		.percent = -1,
		.remaining_min = -1,
		.prepare_percent = -1,
		.file_pos = -1,
		.file_size = -1,
		.z_mm = (double)NAN,
		.estimate_s = (double)NAN,
		.filament_mm = (double)NAN,
	};
	for (size_t i = 0; i < PRINTER_MAX_NOZZLES; i++)
		s->nozzles[i] = (struct printer_nozzle){ .heat = no_heat,
			                                 .diameter_mm = (double)NAN,
			                                 .tray = -1 };
	s->bed = s->chamber = no_heat;
	s->fan_part = s->fan_aux = s->fan_chamber = s->fan_heatbreak = -1;
	s->speed_level = s->speed_percent = -1;
	s->tray_now = -1;
	for (size_t i = 0; i < ARRAY_LEN(s->limits.min_mm); i++)
		s->limits.min_mm[i] = s->limits.max_mm[i] = (double)NAN;
	s->position = (struct printer_position){ (double)NAN, (double)NAN, (double)NAN, false, 0 };
}

static const char *const links[] = {
	"off", "connecting", "online", "silent", "offline", "refused"
};
static const char *const activities[] = { "unknown", "idle",     "preparing", "printing",
	                                  "paused",  "finished", "failed",    "cancelled" };
static const char *const pauses[] = { "", "user", "file", "runout", "filament", "error" };
static const char *const commands[] = { "pause",      "resume",       "stop",  "home",
	                                "speed",      "light",        "fan",   "nozzle_temp",
	                                "bed_temp",   "chamber_temp", "gcode", "clear_error",
	                                "start_file", "refresh",      "script" };
static const char *const answers[] = { "acknowledged", "refused", "timed_out", "not_sent" };

const char *printer_link_name(enum printer_link l)
{
	return name_of(links, ARRAY_LEN(links), l);
}

static const char *const capability_names[] = { "pause",      "heat",   "fans",      "light",
	                                        "speed",      "home",   "gcode",     "script",
	                                        "start",      "upload", "fetch_job", "position",
	                                        "clear_error" };

const char *printer_capability_name(enum printer_capability bit)
{
	for (size_t i = 0; i < ARRAY_LEN(capability_names); i++) {
		if (bit == (enum printer_capability)(1U << i))
			return capability_names[i];
	}
	return "";
}

const char *printer_activity_name(enum printer_activity a)
{
	return name_of(activities, ARRAY_LEN(activities), a);
}

const char *printer_pause_name(enum printer_pause p)
{
	return name_of(pauses, ARRAY_LEN(pauses), p);
}

bool printer_activity_is_job(enum printer_activity a)
{
	return a == PRINTER_PREPARING || a == PRINTER_PRINTING || a == PRINTER_PAUSED;
}

const char *printer_command_name(enum printer_command_kind k)
{
	return name_of(commands, ARRAY_LEN(commands), k);
}

bool printer_command_from_name(const char *name, enum printer_command_kind *ret)
{
	int i = name_find(commands, ARRAY_LEN(commands), name);

	if (i < 0)
		return false;
	*ret = (enum printer_command_kind)i;
	return true;
}

bool printer_command_read_trays(struct printer_command *c, const char *list)
{
	c->n_mapping = 0;
	while (*list) {
		size_t n = strcspn(list, ",");
		char number[8];
		int64_t tray;

		if (c->n_mapping == PRINTER_MAX_FILAMENTS ||
		    !text_copy_n(number, sizeof(number), list, n) || !text_to_i64(number, &tray) ||
		    tray < -1 || tray > 135)
			return false;
		c->mapping[c->n_mapping++] = (int)tray;
		list += n;
		if (*list == ',' && !*++list)
			return false;
	}
	return true;
}

const char *printer_answer_name(enum printer_answer a)
{
	return name_of(answers, ARRAY_LEN(answers), a);
}

static const char *const outcomes[] = { "running", "finished", "failed", "cancelled", "lost" };

const char *job_outcome_name(enum job_outcome o)
{
	return name_of(outcomes, ARRAY_LEN(outcomes), o);
}

bool job_outcome_from_name(const char *name, enum job_outcome *ret)
{
	int i = name_find(outcomes, ARRAY_LEN(outcomes), name);

	if (i < 0)
		return false;
	*ret = (enum job_outcome)i;
	return true;
}

static const char *const session_states[] = { "idle",   "armed",      "recording",
	                                      "paused", "finalising", "done" };

const char *session_state_name(enum session_state s)
{
	return name_of(session_states, ARRAY_LEN(session_states), s);
}

bool session_state_from_name(const char *name, enum session_state *ret)
{
	int i = name_find(session_states, ARRAY_LEN(session_states), name);

	if (i < 0)
		return false;
	*ret = (enum session_state)i;
	return true;
}

void session_plan_init(struct session_plan *p)
{
	*p = (struct session_plan){
		.starts_itself = true,
		.ends_itself = true,
		.every_n_layers = 1,
		.settle_ms = 0,
		.shot_timeout_ms = 8000,
		.shot_retries = 2,
		.makes_film = true,
		.min_frames = 5,
	};
	film_plan_init(&p->film);
}

static const char *const film_states[] = { "growing", "finishing", "ready", "verified", "failed" };

bool film_is_finished(const struct film *f)
{
	return f->state == FILM_VERIFIED && f->file[0];
}

const char *film_state_name(enum film_state s)
{
	return name_of(film_states, ARRAY_LEN(film_states), s);
}

bool film_state_from_name(const char *name, enum film_state *ret)
{
	int i = name_find(film_states, ARRAY_LEN(film_states), name);

	if (i < 0)
		return false;
	*ret = (enum film_state)i;
	return true;
}

void film_plan_init(struct film_plan *p)
{
	*p = (struct film_plan){ .fps = 25, .hold_s = 2, .crf = 23 };
	TEXT_SET(p->preset, "veryfast");
}

static const char *const presets[] = { "ultrafast", "superfast", "veryfast", "faster",  "fast",
	                               "medium",    "slow",      "slower",   "veryslow" };

static bool is_size(unsigned pixels)
{
	return pixels == 0 || (pixels >= 16 && pixels <= 8192);
}

int film_plan_check(const struct film_plan *p, struct err *err)
{
	if (!(p->fps >= 1 && p->fps <= 60))
		return err_set(err, -EINVAL, "fps is %g; it must be 1 to 60", p->fps);
	if (!(p->duration_s >= 0 && p->duration_s <= 3600))
		return err_set(err, -EINVAL,
		               "duration is %g s; it must be 1 to 3600, or 0 for no wanted length",
		               p->duration_s);
	if (!(p->hold_s >= 0 && p->hold_s <= 60))
		return err_set(err, -EINVAL, "hold is %g s; it must be 0 to 60", p->hold_s);
	if (p->crf < 0 || p->crf > 51)
		return err_set(err, -EINVAL, "crf is %d; it must be 0 (best) to 51", p->crf);
	if (!is_size(p->width) || !is_size(p->height) || (p->width == 0) != (p->height == 0))
		return err_set(err, -EINVAL,
		               "the size is %ux%u; both sides must be 16 to 8192 pixels, or both 0",
		               p->width, p->height);
	if (name_find(presets, ARRAY_LEN(presets), p->preset) < 0)
		return err_set(err, -EINVAL, "'%s' is no preset; veryfast is the usual one",
		               p->preset);
	return 0;
}
