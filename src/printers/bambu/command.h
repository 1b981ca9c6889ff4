/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/command: commands as the JSON that Bambu's firmware takes, what is refused here already,
 * and how to see in the reports that a command has worked.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/buf.h"
#include "model/printer.h"

struct bambu_model;
struct err;

/* What the firmware says when a command is not signed; the answer then is this sentence. */
#define BAMBU_NEEDS_DEVELOPER_MODE                                                          \
	"The printer's firmware takes commands only in Developer mode. Switch on LAN-only " \
	"mode and Developer mode on its screen; watching works without."

struct bambu_context {
	const struct bambu_model *model;
	const struct printer_state *state;
	uint64_t fun; /* capability bits, 0 if the firmware sends none */
	bool pauses_by_m400;
	const char *subtask_id; /* of the running job, for CLEAR_ERROR */
	uint32_t seq;           /* sequence_id */
	bool uses_other_url;    /* START_FILE: the form of address that is not the model's usual */
};

/* Adds one message (CLEAR_ERROR: two, each ended by a NUL) to `b`. -EINVAL and a sentence when the
 * command is out of this machine's limits; REFRESH is none of these. */
int bambu_command_write(struct buf *b, const struct printer_command *c,
                        const struct bambu_context *x, struct err *err) MUST_CHECK;

/* Needs no signature even where the firmware demands them. */
bool bambu_command_is_free(const struct printer_command *c);

/* 1 the state shows the command's effect, 0 it does not, -1 the state cannot tell. */
int bambu_command_effect(const struct printer_command *c, const struct printer_state *s);
