/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * index: what a sliced job says about itself, from one pass over its G-code.
 *
 * Where each layer begins in the file, at which height, after how many seconds, how far it reaches
 * and what it takes of each filament; and what the slicer wrote about the whole job. Text arrives
 * in pieces of any size (a mapped file in one, an archive as it inflates), so that no job is ever
 * held in memory as a whole.
 *
 * Layers are what the slicer's own marks say (see gcode/flavour.h). Without marks a layer begins
 * at the first extruding XY move more than 0.005 mm above the last one: hops extrude nothing. In a
 * print by objects Z falls and layers go on counting; a fall of more than 0.5 mm is a new object.
 *
 * The bytes are foreign: nothing here trusts them, all that grows has a limit, and a job that goes
 * over one is cut and marked (is_cut).
 *
 * Ownership: gcode_scan_end() hands the index to its caller, who frees it with gcode_index_free().
 * Thread: any; one scan belongs to one thread, a finished index is read-only.
 * Units: millimetres, seconds, grams, bytes.
 */

#pragma once

#include "base/base.h"

struct err;
struct gcode_outline;

#define GCODE_TOOLS_MAX 32       /* filaments of one job; an AMS chain has 16 */
#define GCODE_LAYERS_MAX 1000000 /* 10 m of 0.01 mm layers */
#define GCODE_OBJECTS_MAX 256

enum gcode_slicer {
	GCODE_SLICER_UNKNOWN,
	GCODE_SLICER_BAMBU,
	GCODE_SLICER_ORCA,
	GCODE_SLICER_PRUSA,
	GCODE_SLICER_SUPER,
	GCODE_SLICER_SLIC3R,
	GCODE_SLICER_CURA,
	GCODE_SLICER_SIMPLIFY3D,
	GCODE_SLICER_IDEAMAKER,
	GCODE_SLICER_KISS,
	GCODE_SLICER_ICESL,
	GCODE_SLICER_KIRI,
};

/* How the beginning of a layer is marked. */
enum gcode_marker {
	GCODE_MARKER_NONE,     /* by the rising Z of extruding moves */
	GCODE_MARKER_BAMBU,    /* ; CHANGE_LAYER */
	GCODE_MARKER_PRUSA,    /* ;LAYER_CHANGE */
	GCODE_MARKER_CURA,     /* ;LAYER:0, also ideaMaker's */
	GCODE_MARKER_S3D,      /* ; layer 1, Z = 0.300 */
	GCODE_MARKER_KISS,     /* ; BEGIN_LAYER_OBJECT z=0.278 */
	GCODE_MARKER_ICESL,    /* ; <layer> */
	GCODE_MARKER_KIRI,     /* ;; --- layer 0 (0.250 @ 0.255) --- */
	GCODE_MARKER_PROGRESS, /* M73 L2: noted, never used alone */
};

enum gcode_time_source {
	GCODE_TIME_MOVES,    /* way by feed rate alone: too short, accelerations are unknown */
	GCODE_TIME_SCALED,   /* the same, stretched to the total that the slicer names */
	GCODE_TIME_PROGRESS, /* M73 R, minutes left, with the moves in between */
	GCODE_TIME_COMMENTS, /* the slicer's seconds per layer */
};

enum gcode_picture {
	GCODE_PICTURE_NONE,
	GCODE_PICTURE_PNG,
	GCODE_PICTURE_JPEG,
	GCODE_PICTURE_QOI,
};

/* Empty while min_x > max_x. */
struct gcode_box {
	float min_x, min_y, max_x, max_y;
};

/* Filament of one tool within one layer. */
struct gcode_use {
	float mm;
	uint8_t tool;
};

struct gcode_layer {
	uint64_t byte;      /* where it begins in the G-code text */
	uint64_t size;      /* to the next layer; of the last one: to its last extruding move */
	double time_s;      /* begins so long after the job's start, see gcode_time_source */
	uint32_t number;    /* 1, 2, 3 … in the order of the file, raft included */
	int32_t reported;   /* what the file makes the printer report (M73 L); else -1 */
	float z_mm;         /* NAN if neither a mark nor a move tells */
	float top_mm;       /* highest extruding move up to its end, by the moves alone; NAN none */
	float height_mm;    /* of the layer; 0 if not named */
	float filament_mm;  /* all tools */
	uint32_t first_use; /* into gcode_index.uses */
	uint16_t n_uses;
	uint16_t object; /* counts up where a print by objects falls back to its first layer */
	struct gcode_box box;
	bool is_raft;
	bool is_relative, is_e_relative; /* the modes at its end (G91, M83) */
};

struct gcode_tool {
	double mm_moves;    /* sum over the moves, start code included */
	double mm_named;    /* the slicer's figure; NAN if it names none */
	double g_named;     /* NAN if not named */
	double diameter_mm; /* 1.75 if not named */
	double density;     /* g/cm³; 0 if not named */
	char type[16];      /* "PLA"; "" if not named */
	char colour[12];    /* "#00AE42"; "" if not named */
};

struct gcode_thumbnail {
	enum gcode_picture format;
	unsigned width, height;
	uint8_t *bytes; /* the picture file itself, decoded from base64 */
	size_t size;
};

struct gcode_index {
	enum gcode_slicer slicer;
	char slicer_name[48];    /* "OrcaSlicer"; "" if unknown */
	char slicer_version[48]; /* "2.3.1" */
	enum gcode_marker marker;
	unsigned markers_seen; /* bit (1 << enum gcode_marker) */
	bool is_arc_welded, is_spiral, is_by_object, is_cut;

	struct gcode_layer *layers;
	size_t n_layers;
	size_t n_raft_layers;
	struct gcode_use *uses;
	size_t n_uses;

	double time_s; /* of the whole job, heating and homing included where the slicer knows */
	enum gcode_time_source time_source;
	double time_named_s; /* the slicer's figure; NAN if it names none */
	/* The layer in which the text makes the printer report so many percent (M73 P); 0 before the
	 * first layer, UINT32_MAX where that number is never reported. */
	uint32_t percent_layer[101];
	double z_min, z_max;                           /* of the layers; NAN without any */
	double z_max_named;                            /* NAN if not named */
	double layer_height_mm, first_layer_height_mm; /* settings; 0 if not named */
	unsigned n_layers_named; /* what the file says, true or not; 0 if not named */
	unsigned n_odd_marks;    /* with a number that was there before */
	unsigned n_odd_heights;  /* marks that name a height where nothing was printed */
	struct gcode_box box;    /* of all layers */

	struct gcode_tool tools[GCODE_TOOLS_MAX];
	unsigned n_tools;  /* highest tool used or named, plus one */
	double filament_g; /* all tools: named, else from the moves; NAN if the density is unknown */

	struct gcode_thumbnail
		thumbnail; /* the best one: PNG and JPEG before QOI, then the largest */
	unsigned n_thumbnails;
	char **objects; /* labels of the parts on the bed */
	size_t n_objects;
	char printer_model[64], bed_type[48]; /* "" if not named */

	unsigned plate, n_plates; /* of a 3MF; else 0 */

	uint64_t n_bytes, n_lines, n_moves, n_extruding;
	struct gcode_outline *outline; /* NULL unless asked for; see gcode/outline.h */

	uint64_t *marks; /* bytes where a line begins with gcode_options.mark, rising */
	size_t n_marks;
};

#define GCODE_MARKS_MAX 100000

struct gcode_options {
	unsigned outline_points; /* per layer; 0: no outlines */
	const char *mark; /* lines that begin so are noted; borrowed by the scan; NULL, "": none */
};

struct gcode_scan;

/* `options` may be NULL. */
struct gcode_scan *gcode_scan_new(const struct gcode_options *options);
void gcode_scan_free(struct gcode_scan *s);

/* The next piece of text. Any size; lines may be torn anywhere. */
void gcode_scan_feed(struct gcode_scan *s, const void *text, size_t size);

/* Frees the scan and returns the index. -EINVAL if what was fed is no G-code. */
int gcode_scan_end(struct gcode_scan *s, struct gcode_index **ret, struct err *err) MUST_CHECK;

/* All of it in one call. */
int gcode_index_text(const void *text, size_t size, const struct gcode_options *options,
                     struct gcode_index **ret, struct err *err) MUST_CHECK;

void gcode_index_free(struct gcode_index *ix);

/* The layer of that number; NULL if there is none. */
const struct gcode_layer *gcode_index_layer(const struct gcode_index *ix, uint32_t number);

/* The layer that is printed at that byte of the text, at that second of the job: 0 before the
 * first, the last one after the last. */
uint32_t gcode_index_layer_at_byte(const struct gcode_index *ix, uint64_t byte);
uint32_t gcode_index_layer_at_time(const struct gcode_index *ix, double time_s);

/* The layer nearest to that height, the first of equals; 0 if none is within the tolerance. */
uint32_t gcode_index_layer_at_z(const struct gcode_index *ix, double z_mm, double tolerance_mm);

/* The highest that anything is when layer `number` is done, by the moves, whatever the marks say; of
 * all layers for a number behind the last. NAN before the first, or without a move. */
double gcode_index_top(const struct gcode_index *ix, uint32_t number);
/* What was printed on from above when layer `number` is done; empty before the first. */
struct gcode_box gcode_index_footprint(const struct gcode_index *ix, uint32_t number);

/* What the file says of its layers and is not so, in a sentence for a person; "" nothing, false. */
bool gcode_index_lie(const struct gcode_index *ix, char *dst, size_t size);

/* NAN for a number that does not exist. */
double gcode_index_z(const struct gcode_index *ix, uint32_t number);
double gcode_index_time(const struct gcode_index *ix, uint32_t number);

/* Names for people and for JSON: "BambuStudio", "CHANGE_LAYER", "M73", "png". */
const char *gcode_slicer_name(enum gcode_slicer slicer);
const char *gcode_marker_name(enum gcode_marker marker);
const char *gcode_time_source_name(enum gcode_time_source source);
const char *gcode_picture_name(enum gcode_picture format);
