/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * plan: the settings of layer capture as one table, for the configuration, the API and the form.
 *
 * YAML and JSON have the same names. In JSON spans are seconds, and null stands for "auto".
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"
#include "core/opt.h"
#include "model/capture.h"

#include <jansson.h>

struct err;

#define CAPTURE_PLAN_N_OPTS 50
extern const struct opt capture_plan_opts[CAPTURE_PLAN_N_OPTS];

void capture_plan_init(struct capture_plan *p); /* the defaults */

json_t *capture_plan_json(const struct capture_plan *p);
/* Members that are absent stay as they are in `p`; unknown ones, wrong types and ranges are refused
 * by name (-EINVAL), and `p` is untouched then. */
int capture_plan_from_json(struct capture_plan *p, const json_t *j, struct err *err) MUST_CHECK;

/* The print is paused for it, and the head goes somewhere. */
bool capture_plan_moves(const struct capture_plan *p);

/* What no single setting shows: -EINVAL and the sentence. */
int capture_plan_check(const struct capture_plan *p, struct err *err) MUST_CHECK;

/* The heights of `z_heights`, rising; -EINVAL for what is no number. */
int capture_plan_heights(const struct capture_plan *p, double dst[CAPTURE_MAX_HEIGHTS],
                         unsigned *ret_n, struct err *err) MUST_CHECK;

/* The names of a list such as "front, top", one after the other: false after the last. */
bool capture_list_next(const char **at, char *dst, size_t size);
unsigned capture_list_count(const char *list);
