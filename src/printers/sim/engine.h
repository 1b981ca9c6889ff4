/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/engine: a Bambu printer without its sockets: reports out, requests in.
 *
 * Keeps the printer's whole report, runs a print by the time line of bambu.md 2.8, answers
 * commands with real effect and plays faults. Time is given to it, so that it runs as well over
 * memory pairs on simulated time as over real sockets. Whoever carries it (sim/sim.h, a
 * scenario) calls sim_engine_tick() often and passes what is published on.
 *
 * Thread: one; it never waits.
 */

#pragma once

#include "base/base.h"
#include "printers/sim/job.h"
#include "printers/sim/model.h"

#include <jansson.h>

struct err;
struct scene_view;
struct sim_engine;

/* What can go wrong on request. */
enum sim_fault {
	SIM_FAULT_DROP,            /* every connection breaks, at once; none is taken for ARG s */
	SIM_FAULT_MQTT_SILENT,     /* connected, but nothing is sent, for ARG s */
	SIM_FAULT_CAMERA_SILENT,   /* no frames, for ARG s */
	SIM_FAULT_CAMERA_CLOCK,    /* the times in its video stand still */
	SIM_FAULT_LIVEVIEW_OFF,    /* "LAN-only liveview" is switched off: no RTSPS */
	SIM_FAULT_CAMERA_HALF,     /* the next frame breaks off in the middle */
	SIM_FAULT_WRONG_CODE,      /* the access code is another one now (ARG) */
	SIM_FAULT_STALL,           /* the print stands still, for ARG s */
	SIM_FAULT_PARTIAL_AMS,     /* one delta whose ams.ams is not whole */
	SIM_FAULT_LATE_LAYERS,     /* layer_num follows ARG s late (default 4) */
	SIM_FAULT_DOUBLED,         /* each report is sent twice */
	SIM_FAULT_REORDERED,       /* each second report overtakes the one before */
	SIM_FAULT_LOST,            /* each third delta never comes */
	SIM_FAULT_HMS,             /* an HMS entry: ARG 16 hex digits */
	SIM_FAULT_RUNOUT,          /* the filament runs out: paused */
	SIM_FAULT_PAUSE,           /* paused on the printer's screen */
	SIM_FAULT_RESUME,          /* resumed there */
	SIM_FAULT_CANCEL,          /* stopped there */
	SIM_FAULT_FAIL,            /* FAILED with print_error ARG (8 hex digits) */
	SIM_FAULT_POWER_CUT,       /* off for ARG s (default 10), then up again, PAUSEd */
	SIM_FAULT_REFUSE_UNSIGNED, /* commands under `print` are refused as new firmware does */
	SIM_FAULT_FTP_SLOW,        /* ARG bytes a second (default 50000) */
	SIM_FAULT_FTP_426,         /* transfers end with 426 */
	SIM_FAULT_SD_MISSING,      /* no storage */
	SIM_FAULT_FILE_URL, /* files are found by one form of address only: ARG "ftp" or "file" */
	SIM_FAULT_CLOCK_WRONG, /* the printer's clock is ARG s late (default a year) */
	SIM_FAULT_N
};

const char *sim_fault_name(enum sim_fault f); /* "mqtt-silent" */

struct sim_setup {
	const struct sim_model *model;
	char serial[32], name[64];
	char code[32];      /* access code */
	char address[64];   /* numeric IPv4, for net.info */
	double speed;       /* 1: real time */
	bool needs_signing; /* refuses unsigned commands from the start */
	bool has_ams;
	bool shows_rtsp; /* its RTSPS camera is on */
	int64_t now_us, wall_ms;
	uint64_t seed; /* of the jitter */

	/* All are called from inside sim_engine_… calls. */
	void *arg;
	/* A report for device/<serial>/report; borrowed. */
	void (*publish)(void *arg, json_t *report);
	/* project_file wants this file of the storage ("cache/x.gcode.3mf"); answer, now or later,
	 * with sim_engine_loaded(). */
	void (*load)(void *arg, const char *path, unsigned plate);
	/* The head presses its switch: the group of strokes that begins with `first`. Optional. */
	void (*strokes)(void *arg, struct sim_job *j, size_t first);
	/* Faults of the carrier: DROP, CAMERA_HALF, POWER_CUT. */
	void (*faulted)(void *arg, enum sim_fault f, double seconds);
};

struct sim_engine *sim_engine_new(const struct sim_setup *s);
void sim_engine_free(struct sim_engine *e);

/* Moves on to `now_us` (monotonic): the print, the reports, the faults that end. */
void sim_engine_tick(struct sim_engine *e, int64_t now_us);

/* A request as it came (a NUL at the end is tolerated); answers are published. */
enum sim_push {
	SIM_PUSH_SAME,
	SIM_PUSH_STOP, /* this client wants no reports */
	SIM_PUSH_START
};
enum sim_push sim_engine_request(struct sim_engine *e, const char *bytes, size_t size);

/* The answer to `load`. NULL: there is no such file; takes the reference. */
void sim_engine_loaded(struct sim_engine *e, struct sim_job *j);

/* As if started on the printer's screen; takes the reference. -EBUSY while one runs. */
int sim_engine_print(struct sim_engine *e, struct sim_job *j, struct err *err) MUST_CHECK;
bool sim_engine_is_busy(const struct sim_engine *e);
/* FINISH, FAILED or IDLE after a job, for so many seconds of the printer's time; -1: it runs. */
double sim_engine_rests_s(const struct sim_engine *e);

/* "NAME[:ARG][@WHEN]", WHEN being "l12" (layer 12 begins) or "30s" from now; "clear[:NAME]" ends
 * one or all. */
int sim_engine_fault(struct sim_engine *e, const char *text, struct err *err) MUST_CHECK;
bool sim_engine_has_fault(const struct sim_engine *e, enum sim_fault f);
const char *sim_engine_fault_arg(const struct sim_engine *e, enum sim_fault f);

/* The code that is right at the moment. */
const char *sim_engine_code(const struct sim_engine *e);

/* What its camera would see; the outline stays the job's, referenced by *ret_job (unref it; NULL:
 * no job). */
void sim_engine_view(const struct sim_engine *e, struct scene_view *v, struct sim_job **ret_job);

/* {"print":{…}} whole; a new reference. For replays and tests. */
json_t *sim_engine_full(struct sim_engine *e);
/* Replaces the state by a recorded one ({"print":{…}}). */
void sim_engine_set_report(struct sim_engine *e, const json_t *report);
/* Publishes `report` as it is, if nothing is silent: replays. */
void sim_engine_replay(struct sim_engine *e, json_t *report);
