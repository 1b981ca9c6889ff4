/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/web: what the simulated printers with a web server share: a file that is printed in its own
 * time, divided by the speed; faults at their time; answers of JSON.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "printers/sim/job.h"

#include <jansson.h>

struct http_head;
struct http_request;

#define SIM_WEB_MAX_FAULTS 8

/* How one is told to be; the texts stay the caller's, for as long as it lives. */
struct sim_web_config {
	const char *address;         /* NULL: 127.0.0.1 */
	uint16_t port;               /* 0: any free one */
	const char *key;             /* NULL: none is asked for */
	const char *user, *password; /* who may log in as well; NULL: nobody */
	const char *file;            /* G-code */
	double speed;
	bool begins; /* prints at once */
	/* What the kind says: moonraker counts layers, prusalink is of before API v1, octoprint denies
	 * applications their key. */
	bool is_special;
	bool has_macros; /* moonraker: its file parks for TIMELAPSE_TAKE_FRAME at each layer, and waits
			    for TIMELAPSE_RENDER at the end */
	double fault_s[SIM_WEB_MAX_FAULTS]; /* seconds after the print begins; 0: not */
};

struct sim_print {
	struct sim_job *job;
	double speed;
	double done_s; /* of the job, in its own time */
	bool runs;
	int64_t at_us, begun_us; /* begun_us 0: never */
	bool has_failed[SIM_WEB_MAX_FAULTS];
};

void sim_print_begin(struct sim_print *p, int64_t now_us);
/* Moves on to `now_us`; true if the job has just come to its end. */
bool sim_print_go_on(struct sim_print *p, int64_t now_us);
/* Layers that have begun. */
size_t sim_print_layer(const struct sim_print *p);
double sim_print_end_s(const struct sim_print *p);
/* Of the file, that is printed now; 0 before the first layer. */
uint64_t sim_print_byte(const struct sim_print *p);
/* A fault that is due now, once each; -1 none. */
int sim_print_fault(struct sim_print *p, const double fault_s[SIM_WEB_MAX_FAULTS], int64_t now_us);

/* Absolute moves (G0, G1), one line each, from and to `head_mm`: how many seconds they take; negative: out of
 * the box. */
double sim_move(double head_mm[3], const char *script);

/* Steals `j`. */
void sim_reply(struct http_request *r, int status, json_t *j);
/* NULL if it is not there. */
const char *sim_header(const struct http_head *h, const char *name);
