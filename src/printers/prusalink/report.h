/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report: what PrusaLink says (API v1), put into the printer's state.
 *
 * Two kinds of it: in the firmware of MINI, MK3.5 and newer ("Buddy": axes to a tenth of a
 * millimetre, its files on a USB stick, no camera), and on a Raspberry Pi beside an MK3. Neither
 * counts layers, and fans turn so many times a minute, which are no percent. X and Y are told only
 * while nothing moves. https://github.com/prusa3d/Prusa-Link-Web/blob/master/spec/openapi.yaml.
 *
 * Firmware before API v1 has the fields of OctoPrint's instead: prusa_report_old() makes a status of
 * them.
 *
 * Pure: JSON in, struct out. Thread: any.
 */

#pragma once

#include "model/printer.h"

#include <jansson.h>

/* What must be remembered from one answer to the next; zeroed at first. */
struct prusa_memory {
	bool has_fine_z; /* it has told hundredths once */
	bool has_camera;
	bool is_printing; /* PRINTING, not just "busy" of a job: it moves as the file says */
	int64_t job;      /* that it speaks of, -1 none; 0: one without a number */
	int64_t described, ended; /* whose file is known; the last one that is over */
	char download[400]; /* path of that file behind the URL, not escaped; "" it is not given */
	char storage[24];   /* where files are that are named without one: "usb" */
	double nozzle_mm;   /* 0 unknown */
	char trouble[200];  /* what a person must do, in PrusaLink's words or ours; "" nothing */
};

void prusa_memory_init(struct prusa_memory *m);

/* GET /api/version, /api/v1/info. */
void prusa_report_version(const json_t *j, struct printer_state *s);
void prusa_report_info(struct prusa_memory *m, const json_t *j, struct printer_state *s);

/* GET /api/v1/status. False if it is none. */
bool prusa_report_status(struct prusa_memory *m, const json_t *j, struct printer_state *s,
                         int64_t now_us, int64_t wall_ms);
/* GET /api/v1/job, NULL: 204. */
void prusa_report_job(struct prusa_memory *m, const json_t *j, struct printer_state *s);

/* GET /api/printer and /api/job as a status, and what prusa_report_job() takes; new references. */
json_t *prusa_old_status(const json_t *printer, const json_t *job);
json_t *prusa_old_job(const json_t *job);

/* How long to wait before it is asked again, when its last answer took `took_ms`. */
int64_t prusa_poll_ms(const struct printer_state *s, int64_t took_ms);
