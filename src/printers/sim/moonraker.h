/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/moonraker: a Moonraker with a Klipper behind it, as far as clients of ours look at it: its
 * JSON-RPC over the WebSocket, a few routes over HTTP, and one G-code file that it prints.
 *
 * Layers last as long as the file says, divided by the speed. Thread: loop (a real one).
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct moon_sim;

enum moon_sim_fault {
	MOON_SIM_DROP,     /* closes every socket and takes none for two seconds */
	MOON_SIM_SHUTDOWN, /* Klipper shuts down, and is ready again when the firmware is restarted */
	MOON_SIM_LATE,     /* says nothing for three seconds, while it goes on printing */
	MOON_SIM_FAULT_N
};

struct moon_sim_config {
	const char *address;         /* NULL: 127.0.0.1 */
	uint16_t port;               /* 0: any free one */
	const char *key;             /* NULL: everybody is trusted */
	const char *user, *password; /* who may log in as well; NULL: nobody */
	const char *file;            /* G-code */
	double speed;
	bool begins;                      /* prints at once */
	bool counts_layers;               /* print_stats.info, as of a slicer that is set up so */
	double fault_s[MOON_SIM_FAULT_N]; /* seconds after the print begins; 0: not */
};

/* The texts stay the caller's, for as long as it lives. */
int moon_sim_start(struct loop *l, const struct moon_sim_config *c, struct moon_sim **ret,
                   struct err *err) MUST_CHECK;
void moon_sim_stop(struct moon_sim *m); /* NULL is allowed */
uint16_t moon_sim_port(const struct moon_sim *m);
