/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/job.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "gcode/index.h"
#include "gcode/threemf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_FILE ((size_t)1 << 30)
#define OUTLINE_POINTS 240
#define BUILT_IN_LAYERS 50
#define BUILT_IN_LAYER_S 24.0
#define SHORTEST_LAYER_S 0.5
#define LAST_LAYER_S 30.0 /* when the file does not tell how long it takes */

static void name_set(struct sim_job *j, const char *path)
{
	const char *slash = strrchr(path, '/');

	TEXT_SET(j->file, slash ? slash + 1 : path);
	TEXT_SET(j->name, j->file);
	static const char *const suffixes[] = { ".gcode.3mf", ".3mf", ".gcode" };

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		if (!text_ends(j->name, suffixes[i]))
			continue;
		j->name[strlen(j->name) - strlen(suffixes[i])] = '\0';
		return;
	}
}

struct sim_job *sim_job_built_in(const char *name)
{
	struct sim_job *j = MEM_NEW(struct sim_job);

	j->refs = 1;
	name_set(j, name);
	j->plate = 1;
	j->color = 0xf7d959ff;
	j->n_layers = BUILT_IN_LAYERS;
	j->layers = mem_new_array(BUILT_IN_LAYERS + 1, sizeof(*j->layers));
	for (size_t i = 0; i <= BUILT_IN_LAYERS; i++) {
		j->layers[i].at_s = (double)i * BUILT_IN_LAYER_S;
		j->layers[i].z_mm = 0.2F * (float)(i + 1);
	}
	return j;
}

/* The tool that takes the most of a layer's filament. */
static int layer_tool(const struct gcode_index *ix, const struct gcode_layer *l, int before)
{
	float most = 0;

	for (unsigned i = 0; i < l->n_uses; i++) {
		const struct gcode_use *u = &ix->uses[l->first_use + i];

		if (u->mm > most) {
			most = u->mm;
			before = u->tool;
		}
	}
	return before;
}

static uint32_t color_of(const char *text)
{
	uint64_t rgb;

	return text[0] == '#' && text_to_u64(text + 1, 16, &rgb) && rgb <= 0xffffff
	               ? (uint32_t)rgb << 8 | 0xff
	               : 0x8f8f8fff;
}

/* Slicers count in whole minutes: of several short layers the times stand still and then leap. A printer's
 * do not. */
static void spread_times(struct sim_job *j)
{
	for (size_t i = 0, k; i < j->n_layers; i = k + 1) {
		struct sim_layer *l = j->layers;

		for (k = i; k < j->n_layers && l[k + 1].at_s - l[k].at_s < SHORTEST_LAYER_S; k++)
			;
		if (k == i || k == j->n_layers)
			continue;

		double each_s = (l[k + 1].at_s - l[i].at_s) / (double)(k + 1 - i);

		for (size_t m = i + 1; m <= k; m++)
			l[m].at_s = l[i].at_s + each_s * (double)(m - i);
	}
}

/* The layer whose text a line is in: 0 before the first, n_layers + 1 behind the last. */
size_t sim_job_layer_at(const struct sim_job *j, uint64_t byte, size_t from)
{
	const struct gcode_layer *last = &j->index->layers[j->n_layers - 1];

	while (from < j->n_layers && j->index->layers[from].byte <= byte)
		from++;
	return from == j->n_layers && byte >= last->byte + last->size ? from + 1 : from;
}

/* What stands in two layers is no group, though few moves may stand between. */
static void part_strokes(struct sim_job *j)
{
	size_t layer = 0;

	for (size_t i = 0; i < j->strokes.n; i++) {
		struct sim_stroke *k = &j->strokes.list[i];
		size_t here = sim_job_layer_at(j, k->byte, MIN(layer, j->n_layers));

		if (here != layer && k->is_pressed)
			k->after_s = 2 * SIM_STROKE_GAP_S;
		layer = here;
	}
}

static void fill(struct sim_job *j, struct gcode_index *ix)
{
	double base_s = ix->layers[0].time_s, last_s = 0;
	int tool = 0;

	j->index = ix;
	j->n_layers = ix->n_layers;
	j->layers = mem_new_array(j->n_layers + 1, sizeof(*j->layers));
	for (size_t i = 0; i < j->n_layers; i++) {
		const struct gcode_layer *l = &ix->layers[i];

		tool = layer_tool(ix, l, tool);
		last_s = MAX(last_s, l->time_s - base_s);
		j->layers[i] = (struct sim_layer){ last_s, l->z_mm, tool };
	}
	j->layers[j->n_layers] = j->layers[j->n_layers - 1];
	j->layers[j->n_layers].at_s =
		ix->time_s - base_s > last_s ? ix->time_s - base_s : last_s + LAST_LAYER_S;
	spread_times(j);
	part_strokes(j);
	j->color = color_of(ix->tools[j->layers[0].tool].colour);
}

static int add_strokes(void *arg, const void *bytes, size_t size)
{
	sim_strokes_add(arg, bytes, size);
	return 0;
}

static int load_text(const struct buf *bytes, const struct gcode_options *o, struct sim_job *j,
                     struct gcode_index **ret, struct err *err)
{
	struct sim_stroke_scan scan;

	sim_strokes_begin(&scan);
	sim_strokes_add(&scan, buf_peek(bytes), bytes->size);
	j->strokes = sim_strokes_end(&scan);
	return gcode_index_text(buf_peek(bytes), bytes->size, o, ret, err);
}

static int load_3mf(const struct buf *bytes, unsigned plate, const struct gcode_options *o,
                    struct sim_job *j, struct gcode_index **ret, struct err *err)
{
	struct gcode_threemf *t;
	int rc = gcode_threemf_open(bytes->data, bytes->size, &t, err);

	if (rc < 0)
		return rc;

	const struct gcode_plate *p = gcode_threemf_plate(t, plate);

	if (!p || !p->has_gcode)
		rc = err_set(err, -ENOENT, "%s has no plate %u with G-code", j->file, plate);
	else
		rc = gcode_threemf_index(t, p->number, o, ret, err);
	if (rc == 0) {
		struct sim_stroke_scan scan;

		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): never null here */
		j->plate = p->number;
		sim_strokes_begin(&scan);
		rc = gcode_threemf_read(t, p->number, add_strokes, &scan, err);
		j->strokes = sim_strokes_end(&scan);
	}
	gcode_threemf_close(t);
	return rc;
}

int sim_job_load(const char *path, unsigned plate, struct sim_job **ret, struct err *err)
{
	const struct gcode_options o = { .outline_points = OUTLINE_POINTS };
	struct gcode_index *ix = NULL;
	auto_buf struct buf bytes;
	int rc = fs_read(path, MAX_FILE, &bytes, err);

	if (rc < 0)
		return rc;

	struct sim_job *j = MEM_NEW(struct sim_job);

	j->refs = 1;
	j->plate = 1;
	name_set(j, path);
	if (text_ends(path, ".3mf"))
		rc = load_3mf(&bytes, plate, &o, j, &ix, err);
	else
		rc = load_text(&bytes, &o, j, &ix, err);
	if (rc == 0 && ix && ix->n_layers == 0) {
		gcode_index_free(ix);
		rc = err_set(err, -EINVAL, "%s has no layers", path);
	}
	if (rc < 0 || !ix) {
		gcode_index_free(ix);
		sim_job_unref(j);
		return rc;
	}
	fill(j, ix);
	*ret = j;
	return 0;
}

struct sim_job *sim_job_ref(struct sim_job *j)
{
	j->refs++;
	return j;
}

void sim_job_unref(struct sim_job *j)
{
	if (!j || --j->refs > 0)
		return;
	gcode_index_free(j->index);
	free(j->strokes.list);
	free(j->layers);
	free(j);
}
