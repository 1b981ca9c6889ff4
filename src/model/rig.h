/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/rig: a Bedside that reports to another one, its hub; as the hub knows it. Plain data.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/user.h"

#define RIG_NAME_SIZE 48
#define RIG_MIN_DELAY_MS 1000
#define RIG_MAX_DELAY_MS INT64_C(86400000)

/* How often a rig tells what may be skipped. */
struct rig_delays {
	int64_t status_ms;  /* state of printers and cameras */
	int64_t climate_ms; /* readings of the sensor */
	int64_t image_ms;   /* previews */
};

struct rig_record {
	char id[ID_SIZE];
	char name[RIG_NAME_SIZE];
	char key_hash[USER_HASH_SIZE];
	char made_by[USER_NAME_SIZE];
	char version[24];
	int64_t paired_wall_ms;
	int64_t last_seen_wall_ms; /* 0: never */
	struct rig_delays delays;  /* 0: as the rig is configured */
	int64_t n_news;            /* committed in all */
};
