/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cmd: the verbs of the command line: `bedside VERB …`.
 *
 * Each gets argv from its own verb on (argv[0] is the verb) and returns the exit status: 0 done,
 * 1 failed (the reason is on standard error), 2 wrong usage.
 */

#pragma once

#include "base/base.h"

struct camera_config;
struct config;
struct doctor_report;
struct err;
struct secret;

int cmd_backup(int argc, char **argv);
int cmd_camera(int argc, char **argv);
int cmd_camera_calibrate(int argc, char **argv);
int cmd_camera_controls(int argc, char **argv);
int cmd_camera_list(int argc, char **argv);
int cmd_capture(int argc, char **argv);
int cmd_check_config(int argc, char **argv);
int cmd_discover(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_gcode(int argc, char **argv);
int cmd_klipper_macros(int argc, char **argv);
int cmd_pair(int argc, char **argv);
int cmd_panel(int argc, char **argv);
int cmd_print(int argc, char **argv);
int cmd_pull(int argc, char **argv);
int cmd_render(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_setup(int argc, char **argv);
int cmd_rig(int argc, char **argv);
int cmd_rigs(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_user(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_session(int argc, char **argv);
int cmd_snippets(int argc, char **argv);
int cmd_status(int argc, char **argv);

/* What serve and demo share. */
struct serve_options {
	const char *config, *data; /* NULL: not given */
	int port;                  /* -1: not given */
};
/* 0, or 2 for wrong usage. */
int serve_options(int argc, char **argv, struct serve_options *ret);
/* Begins the program again with the same arguments. Returns only if that failed. */
void serve_again(int argc, char **argv);
/* plumbing_options.ready: prints the address. */
void serve_ready(void *arg, const char *address, const char *fingerprint);

struct cmd_option {
	const char *name; /* "--name" */
	const char **dst; /* its value, which stays argv's */
};
/* True: argv[*i] is one of `options`, and *i stands at its value now. */
bool cmd_option(const struct cmd_option *options, size_t n, int argc, char **argv, int *i);

/* The first line of a file, of standard input for "-": what stands among the arguments can be read
 * by everybody on the machine. */
int secret_from_file(const char *path, struct secret *ret, struct err *err) MUST_CHECK;
/* A line of standard input; on a terminal without showing what is typed. */
bool secret_ask(const char *prompt, char *dst, size_t size);

/* A camera of the configuration, or a printer's own; false, and the names there are are said. */
bool cmd_camera_find(const struct config *config, const char *name, struct camera_config *ret);

/* A latency was measured: a daemon that runs is told, a camera of the page keeps it if `writes`, else the
 * line to write is said. The exit status. */
int calibrate_keep(const struct config *config, const struct camera_config *camera, int64_t ms,
                   bool writes);

/* `bedside doctor` for a camera of this machine; false: it is of another kind. */
bool camera_doctor(const struct camera_config *c, struct doctor_report *r);

/* `bedside simulate job`. */
int simulate_job(int argc, char **argv);
int simulate_web(int argc, char **argv);

/* A camera that is named by its URL, device or folder instead of a name of the configuration: sets
 * driver, source and login. An http address gets http-still; it answers otherwise if it is a
 * stream. */
struct camera_config;
int camera_from_source(const char *text, struct camera_config *c, struct err *err) MUST_CHECK;
