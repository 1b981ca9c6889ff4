/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report: what OctoPrint says (1.x and 2.0), put into the printer's state.
 *
 * Messages of the push socket are objects of one member, its name the kind: connected, history,
 * current (state, job, progress, currentZ, temps, logs, messages), event, reauthRequired; the rest
 * is passed over. https://docs.octoprint.org/en/main/api/push.html and datamodel.html.
 *
 * OctoPrint has no word for "finished" or "cancelled": while no job runs it is operational. How
 * the last one ended is taken from its events, or from what was known of it.
 *
 * Pure: JSON in, struct out. Thread: any.
 */

#pragma once

#include "model/printer.h"
#include "printers/webcam.h"

#include <jansson.h>

enum octo_kind {
	OCTO_OTHER,
	OCTO_CONNECTED,
	OCTO_CURRENT, /* history too */
	OCTO_EVENT,
	OCTO_REAUTH,
};

/* What must be remembered from one message to the next; zeroed at first. */
struct octo_memory {
	bool has_state;            /* one was heard since the connection began */
	enum printer_activity how; /* the last job ended: PRINTER_UNKNOWN as long as not told */
	double profile_nozzle_mm;  /* 0 unknown */
	unsigned n_positions;      /* events and lines that told one */
	/* Lines of the log, if it is shown to us; it comes late and in lumps. Only an M114 behind an
	 * M400 counts, as our scripts end: anybody may ask where the head is while it moves. */
	bool has_sent_m400; /* and no M114 since */
	unsigned n_sent_m114;
	unsigned n_positions_at_m114; /* when the newest of them was seen */
	unsigned n_promised_m114; /* of them, when all our scripts have been seen to their end */
	bool is_connected;        /* OctoPrint has its printer */
	bool is_of_script;        /* the last position was not asked by OctoPrint itself */
	char reauth[24];          /* reason of the last OCTO_REAUTH */
	char trouble[200];        /* what OctoPrint says of its printer's connection */
};

/* One message; `j` is the whole object. */
enum octo_kind octo_report_push(struct octo_memory *m, const json_t *j, struct printer_state *s,
                                int64_t now_us);
/* GET /api/job and /api/printer: the same members as `current` in other places. `printer` NULL:
 * 409, the printer is not connected. */
void octo_report_polled(struct octo_memory *m, const json_t *job, const json_t *printer,
                        struct printer_state *s);
/* GET /api/printerprofiles: what the printer that is in use is like. */
void octo_report_profile(struct octo_memory *m, const json_t *j, struct printer_state *s);

/* The webcam of GET /api/settings. */
void octo_read_webcam(const json_t *settings, struct webcam *ret);

/* A line with the answer to M114: "X:10.00 Y:20.00 Z:0.30 E:0.00 Count X:800 …", also behind
 * "Recv: " and "ok ". False if it is none. */
bool octo_parse_position(const char *line, double ret[3]);
