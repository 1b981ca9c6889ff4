/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * feed: the run of bedside-av that makes live H.264 of JPEGs, for the simulated printers' cameras.
 *
 * Reads AV_FEED on TALK_FD, answers each with an AV_PACKET whose arrived_us is the picture's; a key
 * frame where asked for and where the size changes. Main profile, no B frames, parameter sets in
 * front of each key frame.
 */

#pragma once

#include "base/base.h"

/* Returns the exit status. `is_open`: no sandbox. */
int feed_run(bool is_open);
