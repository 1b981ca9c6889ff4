/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd: the verbs of the command line: `bedside VERB …`.
 *
 * Each gets argv from its own verb on (argv[0] is the verb) and returns the exit status: 0 done,
 * 1 failed (the reason is on standard error), 2 wrong usage.
 */

#pragma once

int cmd_backup(int argc, char **argv);
int cmd_camera(int argc, char **argv);
int cmd_check_config(int argc, char **argv);
int cmd_discover(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_gcode(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_user(int argc, char **argv);
