/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/capture.h"

#include "model/json.h"
#include "model/names.h"

#include <math.h>

static const char *const modes[] = { "snap", "parked", "grid" };
static const char *const triggers[] = { "layer",  "z",     "time", "order",
	                                "marker", "first", "last", "button" };
static const char *const states[] = { "running", "completed", "failed", "missed" };

#define FIELD(member) #member, offsetof(struct capture_telemetry, member)
const struct capture_telemetry_field capture_telemetry_fields[CAPTURE_TELEMETRY_N] = {
	{ FIELD(nozzle_c) },
	{ FIELD(nozzle_target_c) },
	{ FIELD(bed_c) },
	{ FIELD(bed_target_c) },
	{ FIELD(chamber_c) },
	{ FIELD(speed_percent) },
	{ FIELD(fan_part_percent) },
	{ FIELD(fan_aux_percent) },
	{ FIELD(fan_chamber_percent) },
	{ "head_x", offsetof(struct capture_telemetry, head_mm[0]) },
	{ "head_y", offsetof(struct capture_telemetry, head_mm[1]) },
	{ "head_z", offsetof(struct capture_telemetry, head_mm[2]) },
	{ FIELD(layer_s) },
	{ FIELD(job_s) },
	{ FIELD(file_percent) },
};
#undef FIELD

double capture_telemetry_value(const struct capture_telemetry *t, size_t field)
{
	return *(const double *)(const void *)((const char *)t +
	                                       capture_telemetry_fields[field].offset);
}

static double *slot_of(struct capture_telemetry *t, size_t field)
{
	return (double *)(void *)((char *)t + capture_telemetry_fields[field].offset);
}

void capture_telemetry_init(struct capture_telemetry *t)
{
	for (size_t i = 0; i < CAPTURE_TELEMETRY_N; i++)
		*slot_of(t, i) = (double)NAN;
}

json_t *json_capture_telemetry(const struct capture_telemetry *t)
{
	json_t *j = json_object();

	for (size_t i = 0; i < CAPTURE_TELEMETRY_N; i++) {
		double v = capture_telemetry_value(t, i);

		/* A thousandth is more than any of them is measured to. */
		if (isfinite(v))
			json_object_set_new(j, capture_telemetry_fields[i].name,
			                    json_real(round(v * 1000) / 1000));
	}
	return j;
}

void json_to_capture_telemetry(struct capture_telemetry *t, const json_t *j)
{
	for (size_t i = 0; i < CAPTURE_TELEMETRY_N; i++) {
		const json_t *v = json_object_get(j, capture_telemetry_fields[i].name);

		*slot_of(t, i) = json_is_number(v) ? json_number_value(v) : (double)NAN;
	}
}

const char *capture_mode_name(int mode)
{
	return name_of(modes, ARRAY_LEN(modes), (unsigned)mode);
}

const char *capture_trigger_name(enum capture_trigger t)
{
	return name_of(triggers, ARRAY_LEN(triggers), t);
}

bool capture_trigger_from_name(const char *name, enum capture_trigger *ret)
{
	int i = name_find(triggers, ARRAY_LEN(triggers), name);

	if (i >= 0)
		*ret = (enum capture_trigger)i;
	return i >= 0;
}

const char *capture_state_name(enum capture_state s)
{
	return name_of(states, ARRAY_LEN(states), s);
}

bool capture_state_from_name(const char *name, enum capture_state *ret)
{
	int i = name_find(states, ARRAY_LEN(states), name);

	if (i >= 0)
		*ret = (enum capture_state)i;
	return i >= 0;
}

json_t *json_capture(const struct capture *c)
{
	json_t *j = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:o, s:o, s:i, s:i, s:i}", "id",
		json_text(c->id), "printer", json_text(c->printer), "job", json_text(c->job),
		"job_name", json_text(c->job_name), "layer", json_int_or_null(c->layer), "z_mm",
		json_or_null(c->z_mm), "trigger", capture_trigger_name(c->trigger), "mode",
		capture_mode_name(c->mode), "state", capture_state_name(c->state), "started_at",
		json_time(c->started_wall_ms), "ended_at", json_time(c->ended_wall_ms), "n_points",
		(int)c->n_points, "n_done", (int)c->n_done, "n_pictures", (int)c->n_pictures);

	json_object_set_new(j, "paused_s", json_real(c->paused_s));
	json_object_set_new(j, "printer_wait_s", json_real(c->printer_wait_s));
	json_object_set_new(j, "is_dry_run", json_boolean(c->is_dry_run));
	json_object_set_new(j, "is_finished", json_boolean(c->state != CAPTURE_RUNNING));
	json_object_set_new(j, "folder", json_text(c->folder));
	json_object_set_new(j, "metadata", json_text(c->metadata));
	json_object_set_new(j, "text", json_text(c->text));
	return j;
}

json_t *json_capture_picture(const struct capture_picture *p)
{
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:[i,i,i], s:I, s:s, s:i, s:i, s:o, "
	                 "s:b, s:o}",
	                 "index", (int)p->index, "camera", json_text(p->camera), "file",
	                 json_text(p->file), "thumbnail", json_text(p->thumbnail), "x_mm",
	                 json_or_null(p->x_mm), "y_mm", json_or_null(p->y_mm), "z_mm",
	                 json_or_null(p->z_mm), "grid", p->grid[0], p->grid[1], p->grid[2], "bytes",
	                 (json_int_t)p->bytes, "sha256", p->sha256, "width", (int)p->width,
	                 "height", (int)p->height, "at", json_time(p->at_wall_ms), "is_still",
	                 (int)p->is_still, "telemetry", json_capture_telemetry(&p->telemetry));
}
