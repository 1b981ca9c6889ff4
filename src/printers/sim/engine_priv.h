/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The inside of sim/engine, shared by its files: state, script, command, fault, engine. */

#pragma once

#include "printers/sim/engine.h"

#define SIM_ERROR_CANCELLED 0x0300400CU
#define SIM_CANCEL_SHOWS_S 3 /* so that one report in two seconds tells it */
#define SIM_ERROR_BUSY 0x05004004U
#define SIM_ERROR_NO_FILE 0x05004002U
#define SIM_ERROR_STORAGE 0x0500C010U
#define SIM_ERROR_UNSIGNED 84033543U
#define SIM_HMS_UNSIGNED "0500050000010007"
#define SIM_MAX_STEPS 60000
#define SIM_SNOW_NOTHING 0xffff /* of nozzle 0; of nozzle 1 it is 0xfeff */
#define SIM_MAX_WAITING 32

enum sim_step_kind {
	SIM_STEP_PATCH,   /* merge `patch` into the report */
	SIM_STEP_LAYER,   /* layer `n` begins */
	SIM_STEP_END,     /* the last layer is complete */
	SIM_STEP_FINISH,  /* gcode_state FINISH */
	SIM_STEP_RUNNING, /* the preparation is over: the job's layers are known */
	SIM_STEP_STROKES, /* the head is driven against its switch; n: first stroke */
	SIM_STEP_NOZZLE,  /* n: nozzle, and the tray that feeds it << 1 */
};

struct sim_step {
	double at_s; /* of the job's own clock */
	enum sim_step_kind kind;
	unsigned n;
	json_t *patch;
};

enum sim_phase {
	SIM_IDLE,
	SIM_LOADING, /* the file is being read */
	SIM_RUNNING, /* from PREPARE to FINISH: the script runs */
	SIM_PAUSED,
	SIM_OVER, /* FINISH or FAILED */
};

struct sim_waiting { /* a fault that begins later */
	char text[96];
	unsigned layer; /* 0: at at_us */
	int64_t at_us;
};

struct sim_fault_state {
	bool is_on;
	int64_t until_us; /* 0: until cleared */
	char arg[64];
};

struct sim_engine {
	struct sim_setup s;
	json_t *print; /* the state */
	json_t *told;  /* as the last reports left it with the listeners */
	int64_t now_us;
	double clock_s; /* the printer's own seconds since its start */
	double next_report_s;
	unsigned sequence;
	uint64_t random;

	enum sim_phase phase;
	struct sim_job *job;
	json_t *request; /* project_file as it came, for the mapping */
	struct sim_step *steps;
	size_t n_steps, at_step;
	double job_s; /* the script's clock: stands still while paused */
	double first_layer_s, last_layer_s;
	double over_at_s; /* clock_s when it became SIM_OVER */
	unsigned layer;   /* truly, whatever is reported */
	double layer_shown_at_s;
	unsigned layer_to_show; /* late layers */
	double error_clears_at_s;
	double nozzle_c[2], bed_c;
	unsigned nozzle;      /* the one that prints */
	double idle_target_c; /* of the other one */
	bool wants_full;

	struct sim_fault_state faults[SIM_FAULT_N];
	struct sim_waiting waiting[SIM_MAX_WAITING];
	size_t n_waiting;
	unsigned n_reports;
	json_t *held_back; /* REORDERED: goes after the next one */
};

/* state.c */
json_t *sim_state_new(const struct sim_setup *s);
json_t *sim_state_versions(const struct sim_setup *s);
/* Objects merge, everything else replaces; `patch` stays the caller's. */
void sim_state_merge(json_t *state, const json_t *patch);
/* What of `now` differs from `told`, objects in depth; NULL if nothing. A new reference. */
json_t *sim_state_diff(const json_t *told, const json_t *now);

/* script.c */
void sim_script_make(struct sim_engine *e);
void sim_script_clear(struct sim_engine *e);

/* engine.c */
/* Merges and takes `patch`. */
void sim_set(struct sim_engine *e, json_t *patch);
double sim_number(const struct sim_engine *e, const char *key);
const char *sim_text(const struct sim_engine *e, const char *key);
void sim_publish(struct sim_engine *e, json_t *report);     /* takes it */
int sim_start_job(struct sim_engine *e, struct sim_job *j); /* takes it */
void sim_pause(struct sim_engine *e, int stage, unsigned error);
void sim_resume(struct sim_engine *e);
void sim_fail(struct sim_engine *e, unsigned error, double clears_after_s);
void sim_hms_add(struct sim_engine *e, const char *hex16);

/* command.c */
enum sim_push sim_command(struct sim_engine *e, json_t *request);

/* fault.c */
void sim_faults_tick(struct sim_engine *e);
