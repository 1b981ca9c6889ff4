/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link: the connection to one OctoPrint: REST for questions and commands, its push socket for what
 * changes. What the files of this driver share.
 *
 * Thread: loop.
 */

#pragma once

#include "core/loop.h"
#include "printers/driver.h"
#include "printers/octoprint/report.h"
#include "wire/rest.h"

struct download;
struct ws_client;

#define OCTO_MAX_ASKED 16

struct octo;

/* A command that has no answer yet. */
struct octo_asked {
	struct octo *octo;
	bool is_used, is_posted; /* is_posted: OctoPrint has taken it */
	uint32_t ticket;
	enum printer_command_kind kind;
	int64_t until_us; /* nobody waits for its effect any more */
	/* SCRIPT: where it ends, NAN unknown; what had been heard when it was sent. */
	double end_mm[3];
	unsigned n_positions, n_sent_m114;
};

struct octo {
	struct printer *printer;
	struct rest *rest; /* NULL while closed */
	struct ws_client *ws;
	struct download *download;
	struct octo_memory memory;
	struct webcam webcam;
	json_t *last; /* the newest `current`, for octo_raw() */
	char key_header[SECRET_MAX + 16];
	char user[96], session[128]; /* of the push socket's login */
	bool is_old;                 /* asks nothing of users: before 1.4 */
	bool has_polled;             /* the state was heard at least once */
	bool is_trouble_told;
	unsigned n_missed; /* polls without an answer, one after the other */
	json_t *job;       /* of a poll, until the printer's answer has come too */
	struct timer poll;
	int64_t heard_us, checked_us;
	int64_t script_us; /* when nobody waited for the last one any more */
	struct octo_asked asked[OCTO_MAX_ASKED];
};

/* ---- link ---- */

void octo_fail(struct octo *o, enum printer_failure why, const struct err *err);
/* What an answer that is not fine means for the connection; false if it is fine. */
bool octo_fail_by(struct octo *o, const struct rest_answer *a);

/* ---- command ---- */

void octo_send(struct octo *o, const struct printer_command *c, uint32_t ticket);
/* What the newest report tells of commands that wait for their effect. */
void octo_judge(struct octo *o);
