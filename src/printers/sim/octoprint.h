/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/octoprint: an OctoPrint 1.11 with a virtual printer, as far as its REST interface's and push
 * socket's usual clients look at it, with one G-code file that it prints; applications get the key
 * two seconds after they asked (AppKeys).
 *
 * The log shows what is commanded, not the lines of the file; the height is the layer's, without
 * z-hops; moves are absolute, and none but scripts' are made. A filter of the log that is long or has a
 * "+", a "{" or a backslash lets nothing through. No SD card, no uploads, no plugins but AppKeys, one
 * tool. Layers last as long as the file says, divided by the speed. Thread: loop (a real one).
 */

#pragma once

#include "printers/sim/web.h"

struct err;
struct loop;
struct octo_sim;

enum octo_sim_fault {
	OCTO_SIM_DROP,    /* closes every socket and answers nothing but 502 for two seconds */
	OCTO_SIM_LATE,    /* pushes nothing for three seconds, while it goes on printing */
	OCTO_SIM_OFFLINE, /* its printer is lost, until it is told to connect */
	OCTO_SIM_REAUTH,  /* sockets must log in again, with another session */
	OCTO_SIM_FAULT_N
};

/* `is_special`: who asks for a key is denied it. Without a key everybody is let in. */
int octo_sim_start(struct loop *l, const struct sim_web_config *c, struct octo_sim **ret,
                   struct err *err) MUST_CHECK;
void octo_sim_stop(struct octo_sim *m); /* NULL is allowed */
uint16_t octo_sim_port(const struct octo_sim *m);
