/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/report: from the bytes of a Bambu printer's message to the printer's state.
 *
 * One bambu_report per printer keeps the merged report (printers/merge.h) and knows which part of
 * the state a message touched, so that a delta of five values costs five values.
 *
 * Pure: no I/O, no clock (times are given). Thread: any; one value belongs to one thread.
 */

#pragma once

#include "base/base.h"
#include "model/printer.h"

#include <jansson.h>

struct bambu_model;
struct bambu_report;

enum bambu_message_kind {
	BAMBU_MESSAGE_BROKEN, /* no JSON, or none of the printer's forms */
	BAMBU_MESSAGE_OTHER,  /* nothing of interest */
	BAMBU_MESSAGE_FULL,   /* the whole state, merged */
	BAMBU_MESSAGE_DELTA,  /* changed values, merged */
	BAMBU_MESSAGE_VERSION,
	BAMBU_MESSAGE_REPLY, /* to a command: never merged */
	BAMBU_MESSAGE_ECHO,  /* a command repeated without a result: some firmware refuses so */
};

struct bambu_message {
	enum bambu_message_kind kind;
	char category[12]; /* "print", "system" … */
	char command[40];
	char sequence_id[24];
	bool is_success;   /* REPLY */
	char reason[160];  /* REPLY; "" if none */
	uint32_t err_code; /* REPLY; 0 if none */
};

/* `serial` tells the model until the printer has; `model` is the configured one, "auto" or "". */
struct bambu_report *bambu_report_new(const char *serial, const char *model);
void bambu_report_free(struct bambu_report *r);

/* A new connection: the next full state replaces what is known instead of merging into it. */
void bambu_report_restart(struct bambu_report *r);

/* Reads one message. Never fails: what cannot be read is BROKEN and changes nothing. */
void bambu_report_read(struct bambu_report *r, const char *bytes, size_t size,
                       struct bambu_message *ret);

/* Writes what messages have touched since the last call into `s`. */
void bambu_report_apply(struct bambu_report *r, struct printer_state *s, int64_t now_us);

/* A full state has come at least once. */
bool bambu_report_has_full(const struct bambu_report *r);
/* Never NULL: a plain single-nozzle machine until more is known. */
const struct bambu_model *bambu_report_model(const struct bambu_report *r);
bool bambu_report_knows_model(const struct bambu_report *r);

/* Bits of `fun` (0 when the firmware sends none). */
uint64_t bambu_report_fun(const struct bambu_report *r);
/* Numbers and texts of the merged report, for what is not in the state: `otherwise` and "" when
 * absent. */
int64_t bambu_report_int(const struct bambu_report *r, const char *key, int64_t otherwise);
const char *bambu_report_text(const struct bambu_report *r, const char *key);

/* The merged report {"print":…, "info":…}, secrets hidden; a new reference. */
json_t *bambu_report_json(const struct bambu_report *r);
