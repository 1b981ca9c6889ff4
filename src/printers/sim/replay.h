/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/replay: a recording of a real printer's messages, played by a simulated one.
 *
 * A .jsonl file has one message per line, {"t": seconds, "report": {…}}; a .json file one report,
 * {"print":{…}} or {"pushall":{"print":{…}}}, which becomes the state.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct sim_engine;
struct sim_replay;

int sim_replay_start(struct loop *l, struct sim_engine *e, const char *path, double speed,
                     struct sim_replay **ret, struct err *err) MUST_CHECK;
void sim_replay_stop(struct sim_replay *r);
bool sim_replay_is_over(const struct sim_replay *r);
