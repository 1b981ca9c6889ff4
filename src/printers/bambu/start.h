/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/start: the start of a file that lies on the printer's storage, from the wish to the first
 * sign that it prints.
 *
 * When the trays are to be chosen, the file is fetched first and its filaments are read on a
 * worker (minutes on an A1). project_file is then sent with the form of address that the model
 * usually wants, once more with the other form when the printer does not find the file (which is remembered); the answer
 * is told when the job has begun, or why it has not (bambu.md 3.3).
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct bambu;
struct bambu_message;
struct bambu_start;
struct printer_command;
struct printer_state;

struct bambu_start *bambu_start_new(struct bambu *b);
void bambu_start_free(struct bambu_start *s);

/* Answers the ticket when it is known how it went. */
void bambu_start_begin(struct bambu_start *s, const struct printer_command *c, uint32_t ticket);
/* True if it was the answer to our message. */
bool bambu_start_reply(struct bambu_start *s, const struct bambu_message *m);
/* Around the application of a report to the state: a printer prepares for some seconds before it says
 * that it does not find the file. That is no job, so nobody hears of it until it is one. */
void bambu_start_bare(const struct bambu_start *s, struct printer_state *state);
void bambu_start_shape(struct bambu_start *s, struct printer_state *state);
/* After each report. */
void bambu_start_judge(struct bambu_start *s);
/* The connection is gone; the framework has answered. */
void bambu_start_cancel(struct bambu_start *s);
