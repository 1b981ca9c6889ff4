/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/prusalink: a Prusa printer's PrusaLink as its firmware has it (API v1, or the fields before
 * it), with one G-code file on its stick that it prints.
 *
 * As the real one: digest without qop, whose nonces are good for five seconds, or the password as
 * key; axes rounded to tenths, X and Y only at rest; now and then the nozzle hops. Layers last as
 * long as the file says, divided by the speed. Thread: loop (a real one).
 */

#pragma once

#include "printers/sim/web.h"

struct err;
struct loop;
struct prusa_sim;

enum prusa_sim_fault {
	PRUSA_SIM_DROP,      /* cuts each connection for two seconds */
	PRUSA_SIM_STALL,     /* answers nothing for twelve seconds */
	PRUSA_SIM_REFUSE,    /* knows no login for three seconds */
	PRUSA_SIM_HTML,      /* answers with a page for three seconds */
	PRUSA_SIM_HUGE,      /* one answer of 100 MB */
	PRUSA_SIM_ATTENTION, /* waits for somebody for three seconds */
	PRUSA_SIM_STOP,      /* is stopped on its screen */
	PRUSA_SIM_FAULT_N
};

/* `is_special`: of firmware before API v1. Without a key and a user there is no login. */
int prusa_sim_start(struct loop *l, const struct sim_web_config *c, struct prusa_sim **ret,
                    struct err *err) MUST_CHECK;
void prusa_sim_stop(struct prusa_sim *m); /* NULL is allowed */
uint16_t prusa_sim_port(const struct prusa_sim *m);
