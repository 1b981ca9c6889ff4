/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camera: the run of bedside-av that reads one RTSP camera for the daemon.
 *
 * The daemon lends a connection (LENT_FD; TLS and trust are its business) and says on TALK_FD what
 * to open: {"url","user","password","quality","stall_ms"}. Video is passed on packet by packet as
 * it comes, and decoded only while the daemon asks for pictures. Without network and files of its
 * own; secrets come by that socket only and are hidden from the log.
 */

#pragma once

#include "base/base.h"

/* Returns the exit status. `is_open`: no sandbox, for finding faults. */
int camera_run(bool is_open);
