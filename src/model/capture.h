/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/capture: photographing a layer from many places: how (a plan), and what came of it (one
 * capture of one layer, and its pictures). Plain data.
 *
 * Millimetres in the printer's coordinates, mm/min for speeds as in G-code, NAN for "as the printer
 * says". Thread: any.
 */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/camera.h"

#define CAPTURE_MAX_SIDE 9 /* points along an axis */
#define CAPTURE_MAX_POINTS (CAPTURE_MAX_SIDE * CAPTURE_MAX_SIDE * CAPTURE_MAX_SIDE)
#define CAPTURE_MAX_HEIGHTS 64
#define CAPTURE_MAX_CAMERAS 4

enum capture_mode {
	CAPTURE_SNAP,   /* a picture at the trigger, nothing moves */
	CAPTURE_PARKED, /* with a park point we park the head, else the sliced file has */
	CAPTURE_GRID,   /* pause, move, shoot, resume */
};

enum capture_too_low {
	CAPTURE_REJECT, /* points below the clearance are left out */
	CAPTURE_RAISE,  /* the whole grid goes up by what is missing */
};

enum capture_extrusion {
	CAPTURE_E_AUTO, /* as the sliced file says */
	CAPTURE_E_RELATIVE,
	CAPTURE_E_ABSOLUTE,
};

/* How layers of a printer are to be captured: settings; the table is in capture/plan. */
struct capture_plan {
	bool is_on;

	/* triggers */
	unsigned every_n_layers; /* 0: none */
	char z_heights[400];     /* "0.6, 12.4"; "" none */
	double every_s;          /* 0: none */
	bool by_order;           /* page, API */
	bool by_button;          /* a single click beside the printer */
	char marker[64];         /* lines of the sliced file that begin so; "" none */
	bool first_layer, last_layer;

	int mode; /* enum capture_mode */
	unsigned n[3];
	double spacing_mm[3];
	double centre_mm[3];   /* x, y: NAN the middle of the bed; z: added to the base offset */
	double base_offset_mm; /* of the lowest level above the layer */
	double clearance_mm;   /* above everything printed so far */
	int too_low;           /* enum capture_too_low */
	double bed_min_mm[2], bed_max_mm[2], max_z_mm; /* NAN: the printer's */
	double margin_mm;
	double park_mm[2]; /* NAN: none */

	double speed_mm_min, z_speed_mm_min;
	double settle_s; /* longest wait for a still picture */
	double retract_mm, prime_mm, retract_mm_min;
	bool returns;
	double pause_timeout_s, move_timeout_s, shot_timeout_s;
	unsigned resume_attempts;
	int extrusion; /* enum capture_extrusion */
	bool is_dry_run;
	bool allows_bambu; /* moves by gcode_line, experimental */

	char cameras[256]; /* "front, top"; "" all that see the printer */
	bool makes_thumbnails;
	unsigned quality; /* 0: as the camera sends it */
	bool keeps_metadata;
	char folder[64]; /* below the data folder */
	char calibration[256];
};

enum capture_trigger {
	CAPTURE_BY_LAYER,
	CAPTURE_BY_Z,
	CAPTURE_BY_TIME,
	CAPTURE_BY_ORDER,
	CAPTURE_BY_MARKER,
	CAPTURE_BY_FIRST,
	CAPTURE_BY_LAST,
	CAPTURE_BY_BUTTON,
};

enum capture_state {
	CAPTURE_RUNNING,
	CAPTURE_COMPLETED, /* some pictures may be missing: n_pictures tells */
	CAPTURE_FAILED,
	CAPTURE_MISSED, /* never began */
};

/* One layer photographed once. */
struct capture {
	char id[ID_SIZE];
	char printer[MODEL_ID_SIZE];
	char job[ID_SIZE];
	char session[ID_SIZE]; /* that photographed this print then; "" none */
	char job_name[192], job_file[256];
	int64_t job_started_wall_ms;
	int layer; /* -1 unknown */
	double z_mm;
	enum capture_trigger trigger;
	int mode;
	enum capture_state state;
	int64_t started_wall_ms, ended_wall_ms;
	unsigned n_points, n_done; /* of the plan that are safe, and visited */
	unsigned n_pictures;
	double paused_s;       /* from the trigger to the confirmed resume; 0 nothing was paused */
	double printer_wait_s; /* the part of it that the printer took */
	bool is_dry_run;
	char folder[128];   /* below the data folder: "captures/2026-11-21" */
	char metadata[128]; /* name in the folder, "" none */
	char text[240];     /* why it failed, what is missing; "" */
};

/* What the printer said at the moment of a picture; NAN unknown. capture_telemetry_fields names them. */
struct capture_telemetry {
	double nozzle_c, nozzle_target_c, bed_c, bed_target_c, chamber_c;
	double speed_percent;
	double fan_part_percent, fan_aux_percent, fan_chamber_percent;
	double head_mm[3];   /* where the printer says that its head is */
	double layer_s;      /* since its layer began */
	double job_s;        /* since the print began */
	double file_percent; /* of the print */
};

#define CAPTURE_TELEMETRY_N 15
struct capture_telemetry_field {
	const char *name; /* "nozzle_c" */
	size_t offset;    /* of a double */
};
extern const struct capture_telemetry_field capture_telemetry_fields[CAPTURE_TELEMETRY_N];
void capture_telemetry_init(struct capture_telemetry *t); /* all unknown */
double capture_telemetry_value(const struct capture_telemetry *t, size_t field);

/* One picture of it. Names are relative to the capture's folder. */
struct capture_picture {
	char capture[ID_SIZE];
	unsigned index; /* of the point, in the order of the visits, from 0 */
	char camera[MODEL_ID_SIZE];
	char file[128], thumbnail[128];
	double x_mm, y_mm, z_mm;
	int grid[3]; /* place in the grid, from 0; -1 no grid */
	uint64_t bytes;
	char sha256[65];
	unsigned width, height;
	int64_t at_wall_ms;
	bool is_still; /* false: the picture still moved when the wait was over */
	struct capture_telemetry telemetry;
};

const char *capture_mode_name(int mode);                  /* "snap" … */
const char *capture_trigger_name(enum capture_trigger t); /* "layer" … */
bool capture_trigger_from_name(const char *name, enum capture_trigger *ret);
const char *capture_state_name(enum capture_state s); /* "running" … */
bool capture_state_from_name(const char *name, enum capture_state *ret);
