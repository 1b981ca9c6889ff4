/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/scan.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "gcode/base64.h"
#include "gcode/number.h"

static void set_text(char *dst, size_t size, struct gcode_text t)
{
	(void)text_copy_n(dst, size, t.size > 0 ? t.at : "", t.size);
	text_clean(dst);
}

void gcode_index_object_add(struct gcode_index *ix, const char *label)
{
	if (!label[0] || ix->n_objects == GCODE_OBJECTS_MAX)
		return;
	/* From the end: what is printed now was mostly named just before. */
	for (size_t i = ix->n_objects; i-- > 0;)
		if (strcmp(ix->objects[i], label) == 0)
			return;
	if (!ix->objects)
		ix->objects = mem_new_array(GCODE_OBJECTS_MAX, sizeof(*ix->objects));
	ix->objects[ix->n_objects++] = mem_str(label);
}

static void object_add(struct gcode_scan *s, struct gcode_text name)
{
	char label[128];

	set_text(label, sizeof(label), gcode_text_trim(name));
	gcode_index_object_add(s->ix, label);
}

void scan_m486(struct gcode_scan *s, const char *p, const char *end)
{
	const char *a = memchr(p, 'A', (size_t)(end - p));

	if (a)
		object_add(s, (struct gcode_text){ a + 1, (size_t)(end - a) - 1 });
}

void scan_exclude_object(struct gcode_scan *s, const char *p, const char *end)
{
	static const char word[] = "EXCLUDE_OBJECT_DEFINE";
	struct gcode_text line = { p, (size_t)(end - p) };
	const char *name = memmem(line.at, line.size, "NAME=", 5);

	if (!gcode_text_starts(line, word) || !name)
		return;
	name += 5;

	size_t n = 0;

	while (name + n < end && (unsigned char)name[n] > ' ')
		n++;
	object_add(s, (struct gcode_text){ name, n });
}

static void anchor_add(struct gcode_scan *s, double job_s, bool is_left)
{
	if (!(job_s >= 0 && job_s < 1e9) || s->n_anchors == SCAN_ANCHORS_MAX)
		return;
	if (s->n_anchors == s->cap_anchors) {
		s->cap_anchors = s->cap_anchors * 2 + 64;
		s->anchors = mem_grow(s->anchors, s->cap_anchors, sizeof(*s->anchors));
	}
	s->anchors[s->n_anchors++] = (struct scan_anchor){ s->moves_s, job_s, is_left };
}

/* Minutes left are rounded down, so that the number changes when so many and one are left. */
static void minutes_left(struct gcode_scan *s, double minutes)
{
	if (!(minutes >= 0 && minutes < 1e6))
		return;

	int m = (int)minutes;

	if (s->last_minutes < 0 || m == s->last_minutes - 1)
		anchor_add(s, s->last_minutes < 0 ? m * 60.0 : (m + 1) * 60.0, true);
	else if (m < s->last_minutes)
		anchor_add(s, (m + 0.5) * 60, true);
	s->last_minutes = m;
}

/* One word of M73. */
static void progress_word(struct gcode_scan *s, char letter, double v)
{
	struct gcode_index *ix = s->ix;

	if (letter == 'R')
		minutes_left(s, v);
	if (letter == 'P' && v >= 0 && v <= 100 && ix->percent_layer[(int)v] == UINT32_MAX)
		ix->percent_layer[(int)v] = (uint32_t)ix->n_layers;
	if (letter == 'L' && v >= 0 && v <= GCODE_LAYERS_MAX) {
		ix->markers_seen |= 1U << GCODE_MARKER_PROGRESS;
		if (s->layer)
			s->layer->reported = (int32_t)v;
	}
}

void scan_progress(struct gcode_scan *s, const char *p, const char *end)
{
	while (p < end && *p != ';') {
		char letter = (char)(*p++ & ~0x20);
		double v;

		if (letter < 'A' || letter > 'Z')
			continue;
		p = gcode_number(p, &v);
		progress_word(s, letter, v);
	}
}

static void note_slicer(struct gcode_scan *s, const struct gcode_note *n)
{
	struct gcode_index *ix = s->ix;

	/* The first who signs: later ones are post-processors and thumbnails' makers. */
	if (ix->slicer_name[0])
		return;
	ix->slicer = n->slicer;
	if (n->slicer != GCODE_SLICER_UNKNOWN)
		(void)TEXT_SET(ix->slicer_name, gcode_slicer_name(n->slicer));
	else
		set_text(ix->slicer_name, sizeof(ix->slicer_name), n->text);
	set_text(ix->slicer_version, sizeof(ix->slicer_version), n->more);
}

/* A number that is not the next one, nor of a raft, nor that of a new object's first layer. */
static bool is_out_of_turn(struct gcode_scan *s, const struct gcode_note *n)
{
	bool has_before = s->has_number;
	int before = s->number;

	if (n->marker != GCODE_MARKER_CURA && n->marker != GCODE_MARKER_S3D &&
	    n->marker != GCODE_MARKER_KIRI)
		return false;
	s->first_number = has_before ? s->first_number : MAX(n->number, 0);
	s->has_number = true;
	s->number = n->number;
	if (!has_before || before < 0 || n->number < 0 || n->number == before + 1 ||
	    (n->number <= s->first_number && before > n->number))
		return false;
	s->ix->n_odd_marks += n->number <= before;
	s->number = MAX(before, n->number);
	return true;
}

static void note_layer(struct gcode_scan *s, const struct gcode_note *n, const char *at)
{
	struct gcode_index *ix = s->ix;

	ix->markers_seen |= 1U << n->marker;
	if (ix->marker == GCODE_MARKER_NONE) {
		scan_layers_restart(s);
		ix->marker = n->marker;
	}
	/* A second kind of mark comes from somebody's own start code. */
	if (ix->marker != n->marker)
		return;
	/* One mark per object and height: the layer goes on. */
	if (n->marker == GCODE_MARKER_KISS && s->layer && s->has_mark_z &&
	    fabs(s->layer_z - n->value) < 1e-4)
		return;
	s->has_odd_mark = is_out_of_turn(s, n);
	if (s->has_odd_mark) {
		s->odd_byte = s->offset + (uint64_t)(at - s->piece);
		s->odd_z = n->value;
		s->odd_height = n->height;
		return;
	}
	scan_layer_begin(s, at, n->value, n->height);
	if (s->layer)
		s->layer->is_raft = n->marker == GCODE_MARKER_CURA && n->number < 0;
}

/* Z and height follow the mark of their layer. */
static void note_z(struct gcode_scan *s, double z)
{
	if (!s->layer || s->ix->marker == GCODE_MARKER_NONE || s->has_mark_z)
		return;
	if (s->n_extruding != s->layer_extruding || !(fabs(z) < 1e5))
		return;
	s->layer_z = z;
	s->has_mark_z = true;
}

static void note_height(struct gcode_scan *s, double height)
{
	if (s->layer && s->layer->height_mm == 0 && height > 0 && height < 100)
		s->layer->height_mm = (float)height;
}

/* "12.3, 0.0, 4.5": one for each tool. */
static void note_filament(struct gcode_scan *s, const struct gcode_note *n)
{
	struct gcode_text rest = n->text;
	double v;

	for (unsigned i = 0; i < GCODE_TOOLS_MAX && rest.size > 0; i++) {
		const char *comma = memchr(rest.at, ',', rest.size);
		size_t size = comma ? (size_t)(comma - rest.at) : rest.size;
		struct gcode_tool *tool = &s->ix->tools[i];

		if (gcode_text_number((struct gcode_text){ rest.at, size }, &v, NULL) && v >= 0) {
			if (n->kind == GCODE_NOTE_FILAMENT_MM)
				tool->mm_named = v * n->value;
			else
				tool->g_named = v;
			if (v > 0 && i >= s->ix->n_tools)
				s->ix->n_tools = i + 1;
		}
		if (!comma)
			break;
		rest = (struct gcode_text){ comma + 1, rest.size - size - 1 };
	}
}

/* Bambu Studio lists only the filaments in use and names their numbers on a line of its own: moves
 * the figures to their tools, the last one first. */
static void note_used(struct gcode_scan *s, struct gcode_text list)
{
	unsigned to[GCODE_TOOLS_MAX];
	unsigned n = 0;
	double v;

	while (n < GCODE_TOOLS_MAX && gcode_text_number(list, &v, &list)) {
		if (v < n + 1 || v > GCODE_TOOLS_MAX || (n > 0 && v <= to[n - 1] + 1))
			return;
		to[n++] = (unsigned)v - 1;
	}
	for (unsigned i = n; i-- > 0;) {
		struct gcode_tool *from = &s->ix->tools[i];
		struct gcode_tool *tool = &s->ix->tools[to[i]];

		if (tool == from)
			continue;
		tool->mm_named = from->mm_named;
		tool->g_named = from->g_named;
		from->mm_named = from->g_named = NAN;
		s->ix->n_tools = MAX(s->ix->n_tools, to[i] + 1);
	}
}

static void note_extruder(struct gcode_scan *s, const struct gcode_note *n)
{
	s->ix->tools[n->number].mm_named = n->value;
	if (n->value > 0 && (unsigned)n->number >= s->ix->n_tools)
		s->ix->n_tools = (unsigned)n->number + 1;
}

/* A list of settings, one for each tool: "PLA;PETG", "1.75,1.75". */
static void setting_per_tool(struct gcode_scan *s, struct gcode_text list, char separator,
                             size_t offset, size_t size)
{
	for (unsigned i = 0; i < GCODE_TOOLS_MAX && list.size > 0; i++) {
		const char *cut = memchr(list.at, separator, list.size);
		size_t n = cut ? (size_t)(cut - list.at) : list.size;
		struct gcode_text one = gcode_text_trim((struct gcode_text){ list.at, n });
		char *field = (char *)&s->ix->tools[i] + offset;
		double v;

		if (one.size > 1 && one.at[0] == '"' && one.at[one.size - 1] == '"')
			one = (struct gcode_text){ one.at + 1, one.size - 2 };
		if (size > 0)
			set_text(field, size, one);
		else if (gcode_text_number(one, &v, NULL) && v > 0 && v < 100)
			memcpy(field, &v, sizeof(v));
		if (!cut)
			break;
		list = (struct gcode_text){ cut + 1, list.size - n - 1 };
	}
}

static void setting_number(double *field, struct gcode_text value)
{
	double v;

	if (*field == 0 && gcode_text_number(value, &v, NULL) && v > 0 && v < 100)
		*field = v;
}

static void note_setting(struct gcode_scan *s, struct gcode_text key, struct gcode_text value)
{
	struct gcode_index *ix = s->ix;
#define TOOL(member) offsetof(struct gcode_tool, member), sizeof(ix->tools[0].member)
#define TOOL_NUMBER(member) offsetof(struct gcode_tool, member), (size_t)0

	if (gcode_text_is(key, "printer_model"))
		set_text(ix->printer_model, sizeof(ix->printer_model), value);
	else if (gcode_text_is(key, "curr_bed_type") || gcode_text_is(key, "bed_type"))
		set_text(ix->bed_type, sizeof(ix->bed_type), value);
	else if (gcode_text_is(key, "filament_type"))
		setting_per_tool(s, value, ';', TOOL(type));
	else if (gcode_text_is(key, "filament_colour"))
		setting_per_tool(s, value, ';', TOOL(colour));
	else if (gcode_text_is(key, "filament_diameter"))
		setting_per_tool(s, value, ',', TOOL_NUMBER(diameter_mm));
	else if (gcode_text_is(key, "filament_density"))
		setting_per_tool(s, value, ',', TOOL_NUMBER(density));
	else if (gcode_text_is(key, "layer_height") || gcode_text_is(key, "layerHeight"))
		setting_number(&ix->layer_height_mm, value);
	else if (gcode_text_is(key, "first_layer_height") ||
	         gcode_text_is(key, "initial_layer_print_height"))
		setting_number(&ix->first_layer_height_mm, value);
	else if (gcode_text_is(key, "spiral_mode") || gcode_text_is(key, "spiral_vase"))
		ix->is_spiral = gcode_text_is(value, "1");
#undef TOOL
#undef TOOL_NUMBER
}

/* "96x96 2132" */
static void thumbnail_begin(struct gcode_scan *s, const struct gcode_note *n)
{
	struct gcode_text rest = n->text;
	double w;
	double h;

	if (!gcode_text_number(rest, &w, &rest) || !gcode_text_number(rest, &h, &rest) ||
	    !(w > 0 && w <= 8192 && h > 0 && h <= 8192))
		return;
	buf_clear(&s->thumbnail);
	s->thumbnail.overflown = false;
	s->thumb = (struct gcode_thumbnail){ .format = (enum gcode_picture)n->number,
		                             .width = (unsigned)w,
		                             .height = (unsigned)h };
	s->in_thumbnail = true;
	s->ix->n_thumbnails++;
}

/* What the bytes are, whatever the comment says. */
enum gcode_picture gcode_picture_sniff(const uint8_t *b, size_t size)
{
	if (size >= 8 && memcmp(b, "\x89PNG\r\n\x1a\n", 8) == 0)
		return GCODE_PICTURE_PNG;
	if (size >= 3 && memcmp(b, "\xff\xd8\xff", 3) == 0)
		return GCODE_PICTURE_JPEG;
	if (size >= 14 && memcmp(b, "qoif", 4) == 0)
		return GCODE_PICTURE_QOI;
	return GCODE_PICTURE_NONE;
}

static unsigned big_endian(const uint8_t *b)
{
	return (unsigned)b[0] << 24 | (unsigned)b[1] << 16 | (unsigned)b[2] << 8 | b[3];
}

void gcode_thumbnail_measure(struct gcode_thumbnail *t)
{
	t->format = gcode_picture_sniff(t->bytes, t->size);
	if (t->format == GCODE_PICTURE_PNG && t->size >= 24) {
		t->width = big_endian(t->bytes + 16);
		t->height = big_endian(t->bytes + 20);
	} else if (t->format == GCODE_PICTURE_QOI) {
		t->width = big_endian(t->bytes + 4);
		t->height = big_endian(t->bytes + 8);
	}
}

static bool thumbnail_is_better(const struct gcode_thumbnail *a, const struct gcode_thumbnail *b)
{
	bool a_shows = a->format == GCODE_PICTURE_PNG || a->format == GCODE_PICTURE_JPEG;
	bool b_shows = b->format == GCODE_PICTURE_PNG || b->format == GCODE_PICTURE_JPEG;

	if (a_shows != b_shows)
		return a_shows;
	return (uint64_t)a->width * a->height > (uint64_t)b->width * b->height;
}

void gcode_thumbnail_offer(struct gcode_thumbnail *best, struct gcode_thumbnail *t)
{
	t->format = gcode_picture_sniff(t->bytes, t->size);
	if (t->format != GCODE_PICTURE_NONE && thumbnail_is_better(t, best)) {
		free(best->bytes);
		*best = *t;
	} else {
		free(t->bytes);
	}
	*t = (struct gcode_thumbnail){ 0 };
}

static void thumbnail_end(struct gcode_scan *s)
{
	bool is_whole = s->in_thumbnail && s->thumbnail.size > 0 && !s->thumbnail.overflown;

	s->in_thumbnail = false;
	if (!is_whole)
		return;
	s->thumb.bytes = mem_new(s->thumbnail.size / 4 * 3 + 3);
	s->thumb.size = gcode_base64_decode(s->thumb.bytes, s->thumbnail.data, s->thumbnail.size);
	gcode_thumbnail_offer(&s->ix->thumbnail, &s->thumb);
	buf_clear(&s->thumbnail);
}

/* True if the comment is a line of base64, and taken. Anything else ends the picture. */
static bool thumbnail_line(struct gcode_scan *s, const char *p, const char *end)
{
	struct gcode_text t = gcode_text_trim((struct gcode_text){ p, (size_t)(end - p) });

	for (size_t i = 0; i < t.size; i++) {
		if (isalnum((unsigned char)t.at[i]) || strchr("+/=", t.at[i]))
			continue;
		s->in_thumbnail = gcode_text_starts(t, "thumbnail");
		return false;
	}
	buf_add(&s->thumbnail, t.at, t.size);
	return true;
}

/* Of several totals the longest is the one that counts heating and homing too. */
static void note_time(struct gcode_scan *s, double seconds)
{
	if (!(seconds > 0 && seconds < 1e9))
		return;
	if (isnan(s->ix->time_named_s) || seconds > s->ix->time_named_s)
		s->ix->time_named_s = seconds;
}

static void note_number(struct gcode_scan *s, const struct gcode_note *n)
{
	if (n->kind == GCODE_NOTE_LAYER_COUNT && n->value >= 0 && n->value <= UINT32_MAX)
		s->ix->n_layers_named = (unsigned)n->value;
	if (n->kind == GCODE_NOTE_MAX_Z && n->value >= 0 && n->value < 1e5)
		s->ix->z_max_named = n->value;
}

static void note_take(struct gcode_scan *s, const struct gcode_note *n, const char *at)
{
	switch (n->kind) {
	case GCODE_NOTE_NONE:
		break;
	case GCODE_NOTE_SLICER:
		note_slicer(s, n);
		break;
	case GCODE_NOTE_VERSION:
		if (s->ix->slicer == GCODE_SLICER_KISS && !s->ix->slicer_version[0])
			set_text(s->ix->slicer_version, sizeof(s->ix->slicer_version), n->more);
		break;
	case GCODE_NOTE_ARCWELDER:
		s->ix->is_arc_welded = true;
		break;
	case GCODE_NOTE_LAYER:
		note_layer(s, n, at);
		break;
	case GCODE_NOTE_Z:
		note_z(s, n->value);
		break;
	case GCODE_NOTE_HEIGHT:
		note_height(s, n->value);
		break;
	case GCODE_NOTE_FEATURE:
		s->feature = n->feature;
		break;
	case GCODE_NOTE_ELAPSED:
		anchor_add(s, n->value, false);
		break;
	case GCODE_NOTE_LEFT:
		anchor_add(s, n->value, true);
		break;
	case GCODE_NOTE_TIME:
		note_time(s, n->value);
		break;
	case GCODE_NOTE_LAYER_COUNT:
	case GCODE_NOTE_MAX_Z:
		note_number(s, n);
		break;
	case GCODE_NOTE_FILAMENT_MM:
	case GCODE_NOTE_FILAMENT_G:
		note_filament(s, n);
		break;
	case GCODE_NOTE_FILAMENT_USED:
		note_used(s, n->text);
		break;
	case GCODE_NOTE_EXTRUDER_MM:
		note_extruder(s, n);
		break;
	case GCODE_NOTE_OBJECT:
		object_add(s, n->text);
		break;
	case GCODE_NOTE_THUMBNAIL:
		thumbnail_begin(s, n);
		break;
	case GCODE_NOTE_THUMBNAIL_END:
		thumbnail_end(s);
		break;
	case GCODE_NOTE_SETTING:
		note_setting(s, n->text, n->more);
		break;
	}
}

void scan_comment(struct gcode_scan *s, const char *p, const char *end, const char *at)
{
	struct gcode_note note;

	if (s->in_thumbnail && thumbnail_line(s, p, end))
		return;
	gcode_flavour_read(&s->flavour, (struct gcode_text){ p, (size_t)(end - p) }, s->ix->slicer,
	                   &note);
	note_take(s, &note, at);
}

/* Makes the anchors rise: both times only ever go forward. */
static size_t anchors_sort_out(struct gcode_scan *s, double total)
{
	size_t n = 0;
	double last = 0;

	for (size_t i = 0; i < s->n_anchors; i++) {
		struct scan_anchor a = s->anchors[i];
		double job_s = a.is_left ? total - a.job_s : a.job_s;

		if (!(job_s >= last) || job_s > total)
			continue;
		/* Waiting takes no moves: of several at one place the last one counts. */
		if (n > 0 && s->anchors[n - 1].moves_s >= a.moves_s)
			n--;
		s->anchors[n++] = (struct scan_anchor){ a.moves_s, job_s, false };
		last = job_s;
	}
	return n;
}

static double total_time(const struct gcode_scan *s)
{
	double last = 0;

	if (!isnan(s->ix->time_named_s))
		return s->ix->time_named_s;
	for (size_t i = 0; i < s->n_anchors; i++) {
		const struct scan_anchor *a = &s->anchors[i];

		if (a->is_left && i == 0)
			return a->job_s;
		last = a->is_left ? last : MAX(last, a->job_s);
	}
	return last > 0 ? last : s->moves_s;
}

static enum gcode_time_source time_source(const struct gcode_scan *s, size_t n)
{
	if (n > 1)
		return s->last_minutes >= 0 ? GCODE_TIME_PROGRESS : GCODE_TIME_COMMENTS;
	return isnan(s->ix->time_named_s) ? GCODE_TIME_MOVES : GCODE_TIME_SCALED;
}

void scan_times(struct gcode_scan *s)
{
	struct gcode_index *ix = s->ix;
	double total = total_time(s);
	size_t n = anchors_sort_out(s, total);
	struct scan_anchor from = { 0 };
	size_t next = 0;

	ix->time_s = total;
	ix->time_source = time_source(s, n);
	for (size_t i = 0; i < ix->n_layers; i++) {
		double at = ix->layers[i].time_s;

		while (next < n && s->anchors[next].moves_s <= at)
			from = s->anchors[next++];

		struct scan_anchor to = { .moves_s = s->moves_s, .job_s = total };

		if (next < n)
			to = s->anchors[next];

		double span = to.moves_s - from.moves_s;
		double part = span > 0 ? (at - from.moves_s) / span : 0;

		ix->layers[i].time_s = from.job_s + part * (to.job_s - from.job_s);
	}
}
