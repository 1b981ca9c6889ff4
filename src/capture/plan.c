/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/plan.h"

#include "base/err.h"
#include "base/text.h"
#include "core/conf.h"
#include "model/json.h"
#include "model/names.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int read_auto(void *field, const char *text, struct err *err)
{
	double *v = field;

	if (strcmp(text, "auto") == 0) {
		*v = (double)NAN;
		return 0;
	}
	if (!text_to_double(text, v) || fabs(*v) > 10000)
		return err_set(err, -EINVAL, "not a number of millimetres");
	return 0;
}

static const char *const mode_words[] = { "snap", "parked", "grid", NULL };
static const char *const low_words[] = { "reject", "raise", NULL };
static const char *const e_words[] = { "auto", "relative", "absolute", NULL };

#define AT(member) OPT_AT(struct capture_plan, member)
#define AUTO_FORM .read = read_auto, .form = "a number of millimetres, or auto"

/* clang-format off */
const struct opt capture_plan_opts[CAPTURE_PLAN_N_OPTS] = {
	{ "enabled", OPT_BOOL, AT(is_on), .fallback = "no", .help = "capture layers of this printer" },
	{ "every_n_layers", OPT_UNSIGNED, AT(every_n_layers), .fallback = "3", .max = 10000, .help = "every so many layers; 0: not by layer" },
	{ "z_heights", OPT_TEXT, AT(z_heights), .fallback = "", .help = "at the layers nearest to these heights in mm: 0.6, 12.4" },
	{ "every", OPT_SECONDS, AT(every_s), .fallback = "0s", .max = 86400e3, .help = "so often; 0: not by time" },
	{ "by_order", OPT_BOOL, AT(by_order), .fallback = "yes", .help = "when the page, the API or a console asks" },
	{ "by_button", OPT_BOOL, AT(by_button), .fallback = "no", .help = "at a single click of the button beside the printer; leave it off where the head presses it in each layer" },
	{ "marker", OPT_TEXT, AT(marker), .fallback = "", .help = "at the layers in which a line of the sliced file begins so, M240 or ;TIMELAPSE; empty: none" },
	{ "first_layer", OPT_BOOL, AT(first_layer), .fallback = "no", .help = "the first layer too" },
	{ "last_layer", OPT_BOOL, AT(last_layer), .fallback = "no", .help = "the last layer too" },
	{ "mode", OPT_CHOICE, AT(mode), .fallback = "snap", .choices = mode_words, .help = "snap: nothing moves; parked: the head is parked, by us at the park point or by the sliced file; grid: pause, move, shoot, resume" },
	{ "points_x", OPT_UNSIGNED, AT(n[0]), .fallback = "3", .min = 1, .max = CAPTURE_MAX_SIDE, .help = "points of the grid along X" },
	{ "points_y", OPT_UNSIGNED, AT(n[1]), .fallback = "3", .min = 1, .max = CAPTURE_MAX_SIDE, .help = "along Y" },
	{ "points_z", OPT_UNSIGNED, AT(n[2]), .fallback = "3", .min = 1, .max = CAPTURE_MAX_SIDE, .help = "levels" },
	{ "spacing_x", OPT_REAL, AT(spacing_mm[0]), .fallback = "20", .min = 0.1, .max = 500, .help = "mm between them" },
	{ "spacing_y", OPT_REAL, AT(spacing_mm[1]), .fallback = "20", .min = 0.1, .max = 500, .help = "mm between them" },
	{ "spacing_z", OPT_REAL, AT(spacing_mm[2]), .fallback = "5", .min = 0.1, .max = 500, .help = "mm between the levels" },
	{ "centre_x", OPT_OWN, AT(centre_mm[0]), .fallback = "auto", AUTO_FORM, .help = "of the grid; auto: the middle of the bed" },
	{ "centre_y", OPT_OWN, AT(centre_mm[1]), .fallback = "auto", AUTO_FORM, .help = "of the grid; auto: the middle of the bed" },
	{ "centre_z", OPT_REAL, AT(centre_mm[2]), .fallback = "0", .min = -500, .max = 500, .help = "mm added to base_offset" },
	{ "base_offset", OPT_REAL, AT(base_offset_mm), .fallback = "5", .max = 500, .help = "mm of the lowest level above the layer" },
	{ "clearance", OPT_REAL, AT(clearance_mm), .fallback = "5", .min = 0.5, .max = 500, .help = "mm that the nozzle stays above everything printed so far" },
	{ "too_low", OPT_CHOICE, AT(too_low), .fallback = "reject", .choices = low_words, .help = "points below the clearance: reject leaves them out, raise lifts the whole grid" },
	{ "bed_min_x", OPT_OWN, AT(bed_min_mm[0]), .fallback = "auto", AUTO_FORM, .help = "of the bed; auto: as the printer says" },
	{ "bed_min_y", OPT_OWN, AT(bed_min_mm[1]), .fallback = "auto", AUTO_FORM, .help = "of the bed; auto: as the printer says" },
	{ "bed_max_x", OPT_OWN, AT(bed_max_mm[0]), .fallback = "auto", AUTO_FORM, .help = "of the bed; auto: as the printer says" },
	{ "bed_max_y", OPT_OWN, AT(bed_max_mm[1]), .fallback = "auto", AUTO_FORM, .help = "of the bed; auto: as the printer says" },
	{ "max_z", OPT_OWN, AT(max_z_mm), .fallback = "auto", AUTO_FORM, .help = "no point is higher; auto: as the printer says" },
	{ "margin", OPT_REAL, AT(margin_mm), .fallback = "10", .max = 500, .help = "mm that points keep from the bed's edges" },
	{ "park_x", OPT_OWN, AT(park_mm[0]), .fallback = "auto", AUTO_FORM, .help = "mode parked: where the head goes; auto: the sliced file has parked it" },
	{ "park_y", OPT_OWN, AT(park_mm[1]), .fallback = "auto", AUTO_FORM, .help = "mode parked: where the head goes; auto: the sliced file has parked it" },
	{ "speed", OPT_REAL, AT(speed_mm_min), .fallback = "3000", .min = 100, .max = 60000, .help = "mm/min in X and Y" },
	{ "z_speed", OPT_REAL, AT(z_speed_mm_min), .fallback = "600", .min = 30, .max = 12000, .help = "mm/min in Z" },
	{ "settle", OPT_SECONDS, AT(settle_s), .fallback = "1500ms", .max = 30e3, .help = "wait no longer than this for a still picture" },
	{ "retract", OPT_REAL, AT(retract_mm), .fallback = "0.7", .max = 20, .help = "mm of filament pulled back before the moves; 0: none" },
	{ "prime", OPT_REAL, AT(prime_mm), .fallback = "0.7", .max = 25, .help = "mm of filament pushed afterwards" },
	{ "retract_speed", OPT_REAL, AT(retract_mm_min), .fallback = "1800", .min = 60, .max = 12000, .help = "mm/min of both" },
	{ "return_to_origin", OPT_BOOL, AT(returns), .fallback = "yes", .help = "go back to where the print was paused, before it is resumed; no is refused with mode parked and grid" },
	{ "pause_timeout", OPT_SECONDS, AT(pause_timeout_s), .fallback = "10s", .min = 1e3, .max = 300e3, .help = "the pause, and the resume, must be confirmed within" },
	{ "move_timeout", OPT_SECONDS, AT(move_timeout_s), .fallback = "30s", .min = 1e3, .max = 300e3, .help = "the printer must say within this that a move has ended" },
	{ "shot_timeout", OPT_SECONDS, AT(shot_timeout_s), .fallback = "5s", .min = 200, .max = 60e3, .help = "then a picture counts as missing" },
	{ "emergency_resume_attempts", OPT_UNSIGNED, AT(resume_attempts), .fallback = "3", .min = 1, .max = 10, .help = "so many resumes are tried, then there is an alarm" },
	{ "extrusion", OPT_CHOICE, AT(extrusion), .fallback = "auto", .choices = e_words, .help = "how the sliced file counts filament: M83 is relative, M82 absolute; auto: it is looked at" },
	{ "dry_run", OPT_BOOL, AT(is_dry_run), .fallback = "no", .help = "plan and log every move, send nothing" },
	{ "bambu_moves", OPT_BOOL, AT(allows_bambu), .fallback = "no", .help = "experimental: move the head of a Bambu printer too, which can not say when a move has ended" },
	{ "cameras", OPT_TEXT, AT(cameras), .fallback = "", .help = "front, top, 4 at most; empty: all that see the printer, the first 4 of them" },
	{ "thumbnails", OPT_BOOL, AT(makes_thumbnails), .fallback = "yes", .help = "a picture of 160x120 beside each" },
	{ "quality", OPT_UNSIGNED, AT(quality), .fallback = "0", .max = 100, .help = "JPEG quality; 0: as the camera sends it, unchanged" },
	{ "metadata", OPT_BOOL, AT(keeps_metadata), .fallback = "yes", .help = "a JSON file for each layer" },
	{ "folder", OPT_TEXT, AT(folder), .fallback = "captures", .help = "name of the folder in the data folder" },
	{ "calibration_file", OPT_TEXT, AT(calibration), .fallback = "", .help = "noted in the metadata" },
};
/* clang-format on */

bool capture_plan_moves(const struct capture_plan *p)
{
	return p->mode == CAPTURE_GRID || (p->mode == CAPTURE_PARKED && !isnan(p->park_mm[0]));
}

void capture_plan_init(struct capture_plan *p)
{
	*p = (struct capture_plan){ 0 };
	opt_defaults(capture_plan_opts, ARRAY_LEN(capture_plan_opts), p);
}

/* ---- JSON ---- */

static json_t *value_json(const struct opt *o, const void *field)
{
	switch (o->type) {
	case OPT_BOOL:
		return json_boolean(*(const bool *)field);
	case OPT_UNSIGNED:
		return json_integer(*(const unsigned *)field);
	case OPT_REAL:
	case OPT_SECONDS:
	case OPT_OWN:
		return json_or_null(*(const double *)field);
	case OPT_CHOICE:
		return json_text(o->choices[*(const int *)field]);
	case OPT_TEXT:
		return json_text(field);
	case OPT_INT:
	case OPT_PORT:
	case OPT_SECRET:
	case OPT_SPAN:
	case OPT_BYTES:
	case OPT_NESTED:
		break;
	}
	return json_null();
}

json_t *capture_plan_json(const struct capture_plan *p)
{
	json_t *j = json_object();

	for (size_t i = 0; i < ARRAY_LEN(capture_plan_opts); i++) {
		const struct opt *o = &capture_plan_opts[i];

		json_object_set_new(j, o->name, value_json(o, (const char *)p + o->offset));
	}
	return j;
}

static bool in_range(const struct opt *o, double v)
{
	double scale = o->type == OPT_SECONDS ? 1000 : 1;

	return isfinite(v) &&
	       (o->min == 0 && o->max == 0 ? v >= 0 : v * scale >= o->min && v * scale <= o->max);
}

static bool set_choice(const struct opt *o, int *field, const char *word)
{
	for (int i = 0; word && o->choices[i]; i++) {
		if (strcmp(o->choices[i], word) == 0) {
			*field = i;
			return true;
		}
	}
	return false;
}

static bool set_value(const struct opt *o, void *field, const json_t *v)
{
	double number = json_number_value(v);

	switch (o->type) {
	case OPT_BOOL:
		*(bool *)field = json_is_true(v);
		return json_is_boolean(v);
	case OPT_UNSIGNED:
		if (!json_is_integer(v) || !in_range(o, number))
			return false;
		*(unsigned *)field = (unsigned)json_integer_value(v);
		return true;
	case OPT_REAL:
	case OPT_SECONDS:
		if (!json_is_number(v) || !in_range(o, number))
			return false;
		*(double *)field = number;
		return true;
	case OPT_OWN:
		if (!json_is_null(v) && !(json_is_number(v) && fabs(number) <= 10000))
			return false;
		*(double *)field = json_is_null(v) ? (double)NAN : number;
		return true;
	case OPT_CHOICE:
		return set_choice(o, field, json_string_value(v));
	case OPT_TEXT:
		return json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v) &&
		       text_copy(field, o->size, json_string_value(v));
	case OPT_INT:
	case OPT_PORT:
	case OPT_SECRET:
	case OPT_SPAN:
	case OPT_BYTES:
	case OPT_NESTED:
		break;
	}
	return false;
}

static const struct opt *find_opt(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(capture_plan_opts); i++)
		if (strcmp(capture_plan_opts[i].name, name) == 0)
			return &capture_plan_opts[i];
	return NULL;
}

int capture_plan_from_json(struct capture_plan *p, const json_t *j, struct err *err)
{
	struct capture_plan made = *p;
	const char *name;
	json_t *v;
	int rc;

	if (!json_is_object(j))
		return err_set(err, -EINVAL, "a plan is an object of settings");
	/* jansson's walk takes no const object; nothing is changed. */
	json_object_foreach((json_t *)(uintptr_t)j, name, v)
	{
		const struct opt *o = find_opt(name);
		char what[200];

		if (!o)
			return err_set(err, -EINVAL, "%.60s: there is no such setting", name);
		if (set_value(o, (char *)&made + o->offset, v))
			continue;
		opt_describe(o, what, sizeof(what));
		return err_set(err, -EINVAL, "%s: must be %s", name, what);
	}
	rc = capture_plan_check(&made, err);
	if (rc < 0)
		return rc;
	*p = made;
	return 0;
}

/* ---- what settings mean together ---- */

bool capture_list_next(const char **at, char *dst, size_t size)
{
	const char *p = *at + strspn(*at, ", \t");
	size_t n = strcspn(p, ", \t");

	text_copy_n(dst, size, p, n);
	*at = p + n;
	return n > 0;
}

unsigned capture_list_count(const char *list)
{
	char name[MODEL_ID_SIZE];
	unsigned n = 0;

	while (capture_list_next(&list, name, sizeof(name)))
		n++;
	return n;
}

int capture_plan_heights(const struct capture_plan *p, double dst[CAPTURE_MAX_HEIGHTS],
                         unsigned *ret_n, struct err *err)
{
	const char *at = p->z_heights;
	char word[40];
	unsigned n = 0;

	while (capture_list_next(&at, word, sizeof(word))) {
		double z, held;

		if (!text_to_double(word, &z) || z <= 0 || z > 10000)
			return err_set(err, -EINVAL, "z_heights: '%s' is no height in mm", word);
		if (n == CAPTURE_MAX_HEIGHTS)
			return err_set(err, -EINVAL, "z_heights: more than %d",
			               CAPTURE_MAX_HEIGHTS);
		dst[n++] = z;
		for (unsigned i = n - 1; i > 0 && dst[i - 1] > dst[i]; i--) {
			held = dst[i];
			dst[i] = dst[i - 1];
			dst[i - 1] = held;
		}
	}
	*ret_n = n;
	return 0;
}

static bool is_folder_fine(const char *s)
{
	/* What lies in "restoring" is removed by the next start; the others are other rooms'. */
	static const char *const taken[] = { "restoring", "sessions", "films", "jobs" };

	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		if (strcmp(s, taken[i]) == 0)
			return false;
	}
	return s[0] && !text_starts(s, "replaced-") &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
	               strlen(s);
}

int capture_plan_check(const struct capture_plan *p, struct err *err)
{
	static const char *const axes[] = { "x", "y" };
	double heights[CAPTURE_MAX_HEIGHTS];
	unsigned n = 0;
	int rc = capture_plan_heights(p, heights, &n, err);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < 2; i++) {
		double size = p->bed_max_mm[i] - p->bed_min_mm[i];

		if (!isnan(size) && size <= 2 * p->margin_mm)
			return err_set(err, -EINVAL,
			               "bed_max_%s: the bed from %.4g to %.4g mm leaves nothing "
			               "between margins of %.4g mm",
			               axes[i], p->bed_min_mm[i], p->bed_max_mm[i], p->margin_mm);
	}
	if (isnan(p->park_mm[0]) != isnan(p->park_mm[1]))
		return err_set(err, -EINVAL, "park_%s: a park point needs both park_x and park_y",
		               isnan(p->park_mm[0]) ? "x" : "y");
	if (!is_folder_fine(p->folder))
		return err_set(err, -EINVAL,
		               "folder: one name of letters, digits, '-' and '_', no path, and "
		               "none of Bedside's own folders");
	if (p->is_on && p->every_n_layers == 0 && n == 0 && !(p->every_s > 0) && !p->by_order &&
	    !p->by_button && !p->marker[0] && !p->first_layer && !p->last_layer)
		return err_set(err, -EINVAL,
		               "enabled: no trigger is left on: give every_n_layers, z_heights, "
		               "every, by_order, by_button, marker, first_layer or last_layer");
	if (p->every_s > 0 && p->every_s < 5 && p->mode != CAPTURE_SNAP)
		return err_set(err, -EINVAL, "every: the head can not be moved every %.3g s",
		               p->every_s);
	if (capture_list_count(p->cameras) > CAPTURE_MAX_CAMERAS)
		return err_set(err, -EINVAL,
		               "cameras: %u are named, but no more than %d photograph a point",
		               capture_list_count(p->cameras), CAPTURE_MAX_CAMERAS);
	if (p->mode != CAPTURE_SNAP && !p->returns)
		return err_set(err, -EINVAL,
		               "return_to_origin: a print that is resumed from elsewhere is "
		               "spoiled; with the head moved it must be on");
	return 0;
}
