/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session: the states of a session as a table. Pure.
 *
 * idle → armed → recording ⇄ paused → finalising → idle. A pause, whatever its reason, never ends a
 * session; only the end of the print (if sessions of this printer end by themselves), STOP and
 * DISCARD do.
 *
 * Thread: any.
 */

#pragma once

#include "model/session.h"

enum session_input {
	SESSION_PRINT_BEGINS,       /* a job runs, and sessions start by themselves */
	SESSION_PRINT_BEGINS_ALONE, /* a job runs, and they do not */
	SESSION_PRINT_PAUSES,
	SESSION_PRINT_RESUMES,
	SESSION_PRINT_ENDS,       /* however; and sessions end by themselves */
	SESSION_PRINT_ENDS_ALONE, /* and they do not */
	SESSION_START_IDLE,       /* ordered while no job runs */
	SESSION_START_PRINTING,   /* ordered while one does */
	SESSION_ORDERED_PAUSE,
	SESSION_ORDERED_RESUME,
	SESSION_ORDERED_STOP,
	SESSION_ORDERED_DISCARD,
	SESSION_ORDERED_SHOT,
	SESSION_FILM_DONE,
	SESSION_N_INPUTS
};

enum session_action {
	SESSION_DO_NOTHING,
	SESSION_DO_REFUSE, /* an order that does not fit: session_refusal() says why */
	SESSION_DO_ARM,
	SESSION_DO_BEGIN,   /* open the journal, first picture */
	SESSION_DO_ANOTHER, /* the finalising one goes on by itself; a new one takes the input */
	SESSION_DO_SUSPEND,
	SESSION_DO_CONTINUE,
	SESSION_DO_FINISH,  /* last picture, close the journal, film */
	SESSION_DO_DISCARD, /* the same without a film */
	SESSION_DO_SHOOT,
	SESSION_DO_DISARM, /* forget an armed one */
	SESSION_DO_CLOSE,  /* done */
};

struct session_step {
	enum session_action action;
	enum session_state next;
};

/* Total: every pair has its step. SESSION_DONE counts as idle. */
struct session_step session_next(enum session_state s, enum session_input in);

/* Why an order is refused, as a sentence. */
const char *session_refusal(enum session_state s, enum session_input in);
