/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/flavour.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static struct gcode_text skip(struct gcode_text t, size_t n)
{
	return (struct gcode_text){ t.at + n, t.size - n };
}

struct gcode_text gcode_text_trim(struct gcode_text t)
{
	while (t.size > 0 && (unsigned char)t.at[0] <= ' ')
		t = skip(t, 1);
	while (t.size > 0 && (unsigned char)t.at[t.size - 1] <= ' ')
		t.size--;
	return t;
}

bool gcode_text_is(struct gcode_text t, const char *s)
{
	return t.size == strlen(s) && memcmp(t.at, s, t.size) == 0;
}

bool gcode_text_starts(struct gcode_text t, const char *s)
{
	size_t n = strlen(s);

	return t.size >= n && memcmp(t.at, s, n) == 0;
}

static bool has(struct gcode_text t, const char *s, struct gcode_text *ret_after)
{
	const char *hit = memmem(t.at, t.size, s, strlen(s));

	if (!hit)
		return false;
	if (ret_after)
		*ret_after = skip(t, (size_t)(hit - t.at) + strlen(s));
	return true;
}

bool gcode_text_number(struct gcode_text t, double *ret, struct gcode_text *ret_rest)
{
	while (t.size > 0 && !isdigit((unsigned char)t.at[0]) &&
	       !(t.size > 1 && (t.at[0] == '-' || t.at[0] == '.') &&
	         isdigit((unsigned char)t.at[1])))
		t = skip(t, 1);
	if (t.size == 0)
		return false;

	bool is_negative = t.at[0] == '-';
	double value = 0;
	double place = 0;
	unsigned digits = 0;

	if (is_negative)
		t = skip(t, 1);
	for (; t.size > 0 && digits < 300; t = skip(t, 1)) {
		if (t.at[0] == '.' && place == 0) {
			place = 1;
			continue;
		}
		if (!isdigit((unsigned char)t.at[0]))
			break;
		digits++;
		value = value * 10 + (t.at[0] - '0');
		place *= 10;
	}
	if (place > 1)
		value /= place;
	*ret = is_negative ? -value : value;
	if (ret_rest)
		*ret_rest = t;
	return true;
}

/* Seconds of a unit by its first letter; 0 if it is none but seconds themselves. */
static double unit_seconds(struct gcode_text unit)
{
	switch (unit.size > 0 ? unit.at[0] | 0x20 : 's') {
	case 'd':
		return 86400;
	case 'h':
		return 3600;
	case 'm':
		return 60;
	default:
		return 0;
	}
}

bool gcode_text_duration(struct gcode_text t, double *ret_s)
{
	double sum = 0;
	double value;
	bool is_found = false;

	while (gcode_text_number(t, &value, &t)) {
		double unit = unit_seconds(gcode_text_trim(t));

		is_found = true;
		sum += value * (unit > 0 ? unit : 1);
		if (unit == 0)
			break;
	}
	if (!is_found || !(sum >= 0 && sum < 1e9))
		return false;
	*ret_s = sum;
	return true;
}

/* One form of comment. Prefixes are compared in this order, so that longer ones stand first. */
struct rule {
	const char *prefix;
	size_t size;
	bool (*read)(struct gcode_text rest, struct gcode_note *note); /* NULL: the kind is all */
	enum gcode_note_kind kind;
	int arg; /* enum gcode_marker, or enum gcode_slicer */
};

static bool read_exact(struct gcode_text rest, struct gcode_note *note)
{
	(void)note;
	return rest.size == 0;
}

static bool read_value(struct gcode_text rest, struct gcode_note *note)
{
	return gcode_text_number(rest, &note->value, NULL);
}

static bool read_time(struct gcode_text rest, struct gcode_note *note)
{
	return gcode_text_duration(rest, &note->value);
}

/* "11m 15s; total estimated time: 18m 15s": the total is what the printer counts down. */
static bool read_two_times(struct gcode_text rest, struct gcode_note *note)
{
	(void)has(rest, "total estimated time:", &rest);
	return read_time(rest, note);
}

static bool read_layer_number(struct gcode_text rest, struct gcode_note *note)
{
	double n;

	if (rest.size == 0 || !(isdigit((unsigned char)rest.at[0]) || rest.at[0] == '-') ||
	    !gcode_text_number(rest, &n, NULL) || fabs(n) > GCODE_LAYERS_MAX)
		return false;
	note->number = (int)n;
	return true;
}

/* "1, Z = 0.3000" */
static bool read_layer_s3d(struct gcode_text rest, struct gcode_note *note)
{
	return read_layer_number(rest, note) && has(rest, ", Z = ", &rest) &&
	       read_value(rest, note);
}

/* "0.278 z_thickness=0.278" */
static bool read_layer_kiss(struct gcode_text rest, struct gcode_note *note)
{
	if (!read_value(rest, note))
		return false;
	if (has(rest, "z_thickness=", &rest))
		(void)gcode_text_number(rest, &note->height, NULL);
	return true;
}

/* "0 (0.250 @ 0.255) ---" */
static bool read_layer_kiri(struct gcode_text rest, struct gcode_note *note)
{
	if (!read_layer_number(rest, note) || !has(rest, "(", &rest) ||
	    !gcode_text_number(rest, &note->height, &rest) || !has(rest, "@", &rest))
		return false;
	return read_value(rest, note);
}

static bool read_name(struct gcode_text rest, struct gcode_note *note)
{
	note->text = gcode_text_trim(rest);
	return note->text.size > 0;
}

/* "NONMESH" stands between Cura's objects. */
static bool read_mesh(struct gcode_text rest, struct gcode_note *note)
{
	return read_name(rest, note) && !gcode_text_is(note->text, "NONMESH");
}

/* "cube_1.stl id:0 copy 0" */
static bool read_object(struct gcode_text rest, struct gcode_note *note)
{
	if (gcode_text_starts(rest, ","))
		return false;
	return read_name(rest, note);
}

static bool is_any(struct gcode_text t, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (gcode_text_starts(t, names[i]))
			return true;
	return false;
}

static bool read_feature(struct gcode_text rest, struct gcode_note *note)
{
	static const char *const outer[] = {
		"Outer wall",                               /* Bambu, Orca */
		"Overhang wall",      "External perimeter", /* PrusaSlicer */
		"Overhang perimeter", "WALL-OUTER",         /* Cura, ideaMaker */
		"outer perimeter",    "Perimeter Path",     /* Simplify3D, KISSlicer */
	};

	rest = gcode_text_trim(rest);
	note->feature = is_any(rest, outer, ARRAY_LEN(outer)) ? GCODE_FEATURE_OUTER_WALL
	                                                      : GCODE_FEATURE_OTHER;
	return rest.size > 0;
}

static bool read_list_mm(struct gcode_text rest, struct gcode_note *note)
{
	note->value = 1;
	return read_name(rest, note);
}

static bool read_list_m(struct gcode_text rest, struct gcode_note *note)
{
	note->value = 1000;
	return read_name(rest, note);
}

/* "0.27387m, 0m" of Cura, "270.5mm (0.7cm3)" of Slic3r. */
static bool read_list_unit(struct gcode_text rest, struct gcode_note *note)
{
	const char *bracket = memchr(rest.at, '(', rest.size);

	note->value = has(rest, "mm", NULL) ? 1 : 1000;
	if (bracket)
		rest.size = (size_t)(bracket - rest.at);
	return read_name(rest, note);
}

/* "1 =   298.83 mm", "#1  =   305.09 mm"; also "#1 Used: 422.7" */
static bool read_extruder(struct gcode_text rest, struct gcode_note *note)
{
	double tool;

	if (!gcode_text_number(rest, &tool, &rest) || tool < 1 || tool > GCODE_TOOLS_MAX ||
	    !gcode_text_number(rest, &note->value, NULL))
		return false;
	note->number = (int)tool - 1;
	return true;
}

/* "2.3.1 on 2026-04-03 at 14:28:37": the version ends at the blank. */
static bool read_slicer(struct gcode_text rest, struct gcode_note *note)
{
	size_t n = 0;

	rest = gcode_text_trim(rest);
	while (n < rest.size && (unsigned char)rest.at[n] > ' ' && rest.at[n] != ',')
		n++;
	note->more = (struct gcode_text){ rest.at, n };
	return true;
}

/* "Sep  8 2021 17:53:41>" */
static bool read_slicer_icesl(struct gcode_text rest, struct gcode_note *note)
{
	const char *end = memchr(rest.at, '>', rest.size);

	note->more = (struct gcode_text){ rest.at, end ? (size_t)(end - rest.at) : rest.size };
	return true;
}

/* Any "generated by NAME VERSION on DATE": a slicer that we do not know by name. */
static bool read_slicer_other(struct gcode_text rest, struct gcode_note *note)
{
	size_t n = 0;

	rest = gcode_text_trim(rest);
	while (n < rest.size && (unsigned char)rest.at[n] > ' ')
		n++;
	note->text = (struct gcode_text){ rest.at, n };
	return n > 0 && read_slicer(skip(rest, n), note);
}

#define PREFIX(text) text, sizeof(text) - 1

static const struct rule rules[] = {
	{ PREFIX("CHANGE_LAYER"), read_exact, GCODE_NOTE_LAYER, GCODE_MARKER_BAMBU },
	{ PREFIX("LAYER_CHANGE"), read_exact, GCODE_NOTE_LAYER, GCODE_MARKER_PRUSA },
	{ PREFIX("LAYER:"), read_layer_number, GCODE_NOTE_LAYER, GCODE_MARKER_CURA },
	{ PREFIX("layer "), read_layer_s3d, GCODE_NOTE_LAYER, GCODE_MARKER_S3D },
	{ PREFIX("BEGIN_LAYER_OBJECT z="), read_layer_kiss, GCODE_NOTE_LAYER, GCODE_MARKER_KISS },
	{ PREFIX("<layer>"), read_exact, GCODE_NOTE_LAYER, GCODE_MARKER_ICESL },
	{ PREFIX("--- layer "), read_layer_kiri, GCODE_NOTE_LAYER, GCODE_MARKER_KIRI },
	{ PREFIX("Z_HEIGHT:"), read_value, GCODE_NOTE_Z, 0 },
	{ PREFIX("Z:"), read_value, GCODE_NOTE_Z, 0 },
	{ PREFIX("LAYER_HEIGHT:"), read_value, GCODE_NOTE_HEIGHT, 0 },
	{ PREFIX("HEIGHT:"), read_value, GCODE_NOTE_HEIGHT, 0 },
	{ PREFIX("FEATURE:"), read_feature, GCODE_NOTE_FEATURE, 0 },
	{ PREFIX("TYPE:"), read_feature, GCODE_NOTE_FEATURE, 0 },
	{ PREFIX("feature "), read_feature, GCODE_NOTE_FEATURE, 0 },
	{ PREFIX("'"), read_feature, GCODE_NOTE_FEATURE, 0 },
	{ PREFIX("TIME_ELAPSED:"), read_value, GCODE_NOTE_ELAPSED, 0 },
	{ PREFIX("PRINTING_TIME:"), read_value, GCODE_NOTE_ELAPSED, 0 },
	{ PREFIX("REMAINING_TIME:"), read_value, GCODE_NOTE_LEFT, 0 },
	{ PREFIX("TIME:"), read_value, GCODE_NOTE_TIME, 0 },
	{ PREFIX("Print Time:"), read_time, GCODE_NOTE_TIME, 0 },
	{ PREFIX("estimated printing time (normal mode) ="), read_time, GCODE_NOTE_TIME, 0 },
	{ PREFIX("estimated printing time ="), read_time, GCODE_NOTE_TIME, 0 },
	{ PREFIX("model printing time:"), read_two_times, GCODE_NOTE_TIME, 0 },
	{ PREFIX("Build Time:"), read_time, GCODE_NOTE_TIME, 0 },
	{ PREFIX("Estimated Build Time:"), read_time, GCODE_NOTE_TIME, 0 },
	{ PREFIX("Calculated-during-export Build Time:"), read_time, GCODE_NOTE_TIME, 0 },
	{ PREFIX("estimated_print_time_s"), read_value, GCODE_NOTE_TIME, 0 },
	{ PREFIX("--- print time:"), read_time, GCODE_NOTE_TIME, 0 },
	{ PREFIX("LAYER_COUNT:"), read_value, GCODE_NOTE_LAYER_COUNT, 0 },
	{ PREFIX("total layer number:"), read_value, GCODE_NOTE_LAYER_COUNT, 0 },
	{ PREFIX("total layers count ="), read_value, GCODE_NOTE_LAYER_COUNT, 0 },
	{ PREFIX("layer_count :"), read_value, GCODE_NOTE_LAYER_COUNT, 0 },
	{ PREFIX("total filament length [mm] :"), read_list_mm, GCODE_NOTE_FILAMENT_MM, 0 },
	{ PREFIX("total filament weight [g] :"), read_list_mm, GCODE_NOTE_FILAMENT_G, 0 },
	{ PREFIX("filament used [mm] ="), read_list_mm, GCODE_NOTE_FILAMENT_MM, 0 },
	{ PREFIX("filament used [g] ="), read_list_mm, GCODE_NOTE_FILAMENT_G, 0 },
	{ PREFIX("filament_length_m ="), read_list_m, GCODE_NOTE_FILAMENT_MM, 0 },
	{ PREFIX("filament_mass_g ="), read_list_mm, GCODE_NOTE_FILAMENT_G, 0 },
	{ PREFIX("filament used ="), read_list_unit, GCODE_NOTE_FILAMENT_MM, 0 },
	{ PREFIX("Filament used:"), read_list_unit, GCODE_NOTE_FILAMENT_MM, 0 },
	{ PREFIX("Material Length:"), read_list_unit, GCODE_NOTE_FILAMENT_MM, 0 },
	{ PREFIX("--- filament used:"), read_list_unit, GCODE_NOTE_FILAMENT_MM, 0 },
	{ PREFIX("Material Weight:"), read_list_mm, GCODE_NOTE_FILAMENT_G, 0 },
	{ PREFIX("Material#"), read_extruder, GCODE_NOTE_EXTRUDER_MM, 0 },
	{ PREFIX("Ext "), read_extruder, GCODE_NOTE_EXTRUDER_MM, 0 },
	{ PREFIX("filament:"), read_name, GCODE_NOTE_FILAMENT_USED, 0 },
	{ PREFIX("max_z_height:"), read_value, GCODE_NOTE_MAX_Z, 0 },
	{ PREFIX("max_layer_z ="), read_value, GCODE_NOTE_MAX_Z, 0 },
	{ PREFIX("printing object "), read_object, GCODE_NOTE_OBJECT, 0 },
	{ PREFIX("start printing object, unique label id:"), read_name, GCODE_NOTE_OBJECT, 0 },
	{ PREFIX("OBJECT_ID:"), read_name, GCODE_NOTE_OBJECT, 0 },
	{ PREFIX("MESH:"), read_mesh, GCODE_NOTE_OBJECT, 0 },
	{ PREFIX("PRINTING:"), read_mesh, GCODE_NOTE_OBJECT, 0 },
	{ PREFIX("thumbnail begin "), read_name, GCODE_NOTE_THUMBNAIL, GCODE_PICTURE_PNG },
	{ PREFIX("thumbnail_PNG begin "), read_name, GCODE_NOTE_THUMBNAIL, GCODE_PICTURE_PNG },
	{ PREFIX("thumbnail_JPG begin "), read_name, GCODE_NOTE_THUMBNAIL, GCODE_PICTURE_JPEG },
	{ PREFIX("thumbnail_QOI begin "), read_name, GCODE_NOTE_THUMBNAIL, GCODE_PICTURE_QOI },
	{ PREFIX("thumbnail end"), read_exact, GCODE_NOTE_THUMBNAIL_END, 0 },
	{ PREFIX("thumbnail_PNG end"), read_exact, GCODE_NOTE_THUMBNAIL_END, 0 },
	{ PREFIX("thumbnail_JPG end"), read_exact, GCODE_NOTE_THUMBNAIL_END, 0 },
	{ PREFIX("thumbnail_QOI end"), read_exact, GCODE_NOTE_THUMBNAIL_END, 0 },
	{ PREFIX("BambuStudio "), read_slicer, GCODE_NOTE_SLICER, GCODE_SLICER_BAMBU },
	{ PREFIX("generated by OrcaSlicer "), read_slicer, GCODE_NOTE_SLICER, GCODE_SLICER_ORCA },
	{ PREFIX("generated by PrusaSlicer "), read_slicer, GCODE_NOTE_SLICER, GCODE_SLICER_PRUSA },
	{ PREFIX("generated by SuperSlicer "), read_slicer, GCODE_NOTE_SLICER, GCODE_SLICER_SUPER },
	{ PREFIX("generated by Slic3r "), read_slicer, GCODE_NOTE_SLICER, GCODE_SLICER_SLIC3R },
	{ PREFIX("Generated with Cura_SteamEngine "), read_slicer, GCODE_NOTE_SLICER,
	  GCODE_SLICER_CURA },
	{ PREFIX("G-Code generated by Simplify3D(R) Version "), read_slicer, GCODE_NOTE_SLICER,
	  GCODE_SLICER_SIMPLIFY3D },
	{ PREFIX("Sliced by ideaMaker "), read_slicer, GCODE_NOTE_SLICER, GCODE_SLICER_IDEAMAKER },
	{ PREFIX("KISSlicer"), NULL, GCODE_NOTE_SLICER, GCODE_SLICER_KISS },
	{ PREFIX("version "), read_slicer, GCODE_NOTE_VERSION, 0 },
	{ PREFIX("<IceSL "), read_slicer_icesl, GCODE_NOTE_SLICER, GCODE_SLICER_ICESL },
	{ PREFIX("Generated by Kiri:Moto "), read_slicer, GCODE_NOTE_SLICER, GCODE_SLICER_KIRI },
	{ PREFIX("generated by "), read_slicer_other, GCODE_NOTE_SLICER, GCODE_SLICER_UNKNOWN },
	{ PREFIX("Generated by "), read_slicer_other, GCODE_NOTE_SLICER, GCODE_SLICER_UNKNOWN },
	{ PREFIX("Postprocessed by [ArcWelder]"), NULL, GCODE_NOTE_ARCWELDER, 0 },
};

/* Simplify3D 4 names its features without a word before them. */
static bool read_bare_feature(struct gcode_text t, struct gcode_note *note)
{
	static const char *const names[] = {
		"outer perimeter", "inner perimeter", "solid layer", "infill", "support",
		"skirt",           "bridge",          "gap fill",    "raft",   "dense support",
	};

	if (!is_any(t, names, ARRAY_LEN(names)))
		return false;
	note->kind = GCODE_NOTE_FEATURE;
	return read_feature(t, note);
}

/* "key = value" of the configuration blocks, "key,value" of Simplify3D's. */
static bool read_setting(struct gcode_text t, struct gcode_note *note)
{
	size_t n = 0;

	while (n < t.size && (isalnum((unsigned char)t.at[n]) || t.at[n] == '_'))
		n++;

	struct gcode_text rest = gcode_text_trim(skip(t, n));

	if (n == 0 || rest.size == 0 || (rest.at[0] != '=' && rest.at[0] != ','))
		return false;
	note->kind = GCODE_NOTE_SETTING;
	note->text = (struct gcode_text){ t.at, n };
	note->more = gcode_text_trim(skip(rest, 1));
	return true;
}

#define NO_RULE 0xff
_Static_assert(ARRAY_LEN(rules) < sizeof((struct gcode_flavour){ 0 }.next), "room for the rules");

void gcode_flavour_init(struct gcode_flavour *f)
{
	memset(f, NO_RULE, sizeof(*f));
	for (size_t i = ARRAY_LEN(rules); i-- > 0;) {
		uint8_t *first = &f->first[rules[i].prefix[0] & 127];

		f->next[i] = *first;
		*first = (uint8_t)i;
	}
}

/* Applies one rule to a comment that begins with its prefix. */
static bool rule_read(const struct rule *r, struct gcode_text t, struct gcode_note *ret)
{
	ret->kind = r->kind;
	ret->marker = r->kind == GCODE_NOTE_LAYER ? (enum gcode_marker)r->arg : 0;
	ret->slicer = r->kind == GCODE_NOTE_SLICER ? (enum gcode_slicer)r->arg : 0;
	ret->height = 0;
	if (r->kind == GCODE_NOTE_THUMBNAIL)
		ret->number = r->arg;
	if (!r->read || r->read(gcode_text_trim(skip(t, r->size)), ret))
		return true;
	*ret = (struct gcode_note){ .number = -1, .value = NAN };
	return false;
}

/* The first letters agree already, the second ones mostly do not. */
static inline bool has_prefix(struct gcode_text t, const struct rule *r)
{
	return t.size >= r->size && (r->size == 1 || t.at[1] == r->prefix[1]) &&
	       memcmp(t.at, r->prefix, r->size) == 0;
}

void gcode_flavour_read(const struct gcode_flavour *f, struct gcode_text t,
                        enum gcode_slicer slicer, struct gcode_note *ret)
{
	*ret = (struct gcode_note){ .number = -1, .value = NAN };
	while (t.size > 0 && t.at[0] == ';')
		t = skip(t, 1);
	t = gcode_text_trim(t);
	if (t.size == 0 || (t.at[0] & 128))
		return;
	for (uint8_t i = f->first[(uint8_t)t.at[0]]; i != NO_RULE; i = f->next[i])
		if (has_prefix(t, &rules[i]) && rule_read(&rules[i], t, ret))
			return;
	if (slicer == GCODE_SLICER_SIMPLIFY3D && read_bare_feature(t, ret))
		return;
	(void)read_setting(t, ret);
}
