/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/moonraker: a Moonraker with a Klipper behind it, as far as clients of ours look at it: its
 * JSON-RPC over the WebSocket, a few routes over HTTP, and one G-code file that it prints.
 *
 * Layers last as long as the file says, divided by the speed. Thread: loop (a real one).
 */

#pragma once

#include "printers/sim/web.h"

struct err;
struct loop;
struct moon_sim;

enum moon_sim_fault {
	MOON_SIM_DROP,     /* closes every socket and takes none for two seconds */
	MOON_SIM_SHUTDOWN, /* Klipper shuts down, and is ready again when the firmware is restarted */
	MOON_SIM_LATE,     /* says nothing for three seconds, while it goes on printing */
	MOON_SIM_FAULT_N
};

/* `is_special`: it counts layers (print_stats.info), as of a slicer that is set up so. */
int moon_sim_start(struct loop *l, const struct sim_web_config *c, struct moon_sim **ret,
                   struct err *err) MUST_CHECK;
void moon_sim_stop(struct moon_sim *m); /* NULL is allowed */
uint16_t moon_sim_port(const struct moon_sim *m);
