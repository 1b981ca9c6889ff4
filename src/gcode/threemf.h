/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * threemf: a sliced job as Bambu Studio and OrcaSlicer pack it (*.gcode.3mf).
 *
 * A ZIP whose entries Metadata/plate_N.gcode hold one job each, beside pictures and what the
 * slicer reckons. Sizes come from the central directory (local headers of the vendor's files have
 * none). A project that was never sliced has no .gcode entry and is refused in these words. Names
 * in the archive are compared with names we expect and never used as paths.
 *
 * Against bombs: at most GCODE_ZIP_ENTRIES_MAX entries, no entry more than 200 times its packed
 * size (and 1 MB), G-code up to 4 GiB, everything else up to 32 MiB; counted while inflating, not
 * believed.
 *
 * Ownership: the caller keeps the bytes alive and unchanged until gcode_threemf_close().
 * Thread: any; one archive belongs to one thread. Inflating takes time: not on the loop.
 */

#pragma once

#include "base/base.h"
#include "gcode/index.h"
#include "gcode/inflate.h"

struct buf;

#define GCODE_ZIP_ENTRIES_MAX 4096
#define GCODE_PLATES_MAX 64

struct gcode_plate_filament {
	unsigned id;            /* 1-based among the project's filaments: the tool plus one */
	char tray_info_idx[16]; /* "GFA00" */
	char type[16];          /* "PLA" */
	char colour[12];        /* "#00AE42" */
	double used_m, used_g;  /* NAN if not said */
};

struct gcode_plate_object {
	unsigned identify_id; /* what skip_objects names */
	char name[128];
	bool is_skipped;
};

struct gcode_plate {
	unsigned number; /* 1-based, as in the names of its entries */
	bool has_gcode;
	uint64_t gcode_size;
	char name[128];            /* given by the user; mostly "" */
	char printer_model_id[16]; /* "N2S"; "" from OrcaSlicer */
	char bed_type[48];         /* "textured_plate" */
	double prediction_s;       /* the whole job; NAN if not said, as the next two */
	double weight_g;
	double first_layer_s;
	int timelapse_type; /* 0 traditional, 1 smooth, -1 not said */
	bool has_labels;    /* objects can be skipped */
	bool is_by_object;
	struct gcode_plate_filament filaments[GCODE_TOOLS_MAX];
	size_t n_filaments;
	struct gcode_plate_object *objects;
	size_t n_objects;
};

struct gcode_threemf {
	char client_version[48]; /* of the slicer, "02.04.00.70"; "" if not said */
	struct gcode_plate *plates;
	size_t n_plates;
	struct gcode_zip *zip;
};

/* Reads the directory and the small entries. -EINVAL: no 3MF, damaged or a bomb; -ENODATA: a
 * project without G-code. */
int gcode_threemf_open(const void *bytes, size_t size, struct gcode_threemf **ret,
                       struct err *err) MUST_CHECK;
void gcode_threemf_close(struct gcode_threemf *t);

/* The plate of that number, or for 0 the first one that has G-code; NULL if there is none. */
const struct gcode_plate *gcode_threemf_plate(const struct gcode_threemf *t, unsigned number);

/* The G-code of a plate, in pieces, in order; its CRC is checked at the end (-EBADMSG). */
int gcode_threemf_read(struct gcode_threemf *t, unsigned number, gcode_sink_fn *sink, void *arg,
                       struct err *err) MUST_CHECK;

/* The index of a plate's G-code, completed by what the archive says (filament, time). */
int gcode_threemf_index(struct gcode_threemf *t, unsigned number,
                        const struct gcode_options *options, struct gcode_index **ret,
                        struct err *err) MUST_CHECK;

/* The plate's picture, a PNG file, into `ret` (initialised here; buf_fini it). -ENOENT if it has
 * none. */
int gcode_threemf_thumbnail(struct gcode_threemf *t, unsigned number, struct buf *ret,
                            struct err *err) MUST_CHECK;

/* Compares the G-code with the MD5 that stands beside it: 0, -EBADMSG if they differ, -ENOENT if
 * there is none. */
int gcode_threemf_check_md5(struct gcode_threemf *t, unsigned number, struct err *err) MUST_CHECK;
