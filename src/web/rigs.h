/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rigs: the door for rigs: pairing by code, and their one connection by key (fleet/hub.h).
 *
 * Thread: loop.
 */

#pragma once

#include "web/limit.h"

struct rig_door {
	struct limit codes, keys; /* wrong ones, by address */
	struct limit_cap all;     /* wrong codes of everybody */
};

void rig_door_fini(struct rig_door *d);
