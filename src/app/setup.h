/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * setup: the configuration that the answers of `bedside setup` make, and whether a file may be
 * replaced by it.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"
#include "model/camera.h"
#include "model/printer.h"

struct buf;
struct err;

struct setup_answers {
	char place[MODEL_NAME_SIZE]; /* where the printer stands, as people call it */
	char data_dir[1024];         /* "" as usual */
	bool has_printer;
	struct printer_config printer; /* its secret is the caller's to wipe */
	char camera_driver[24];        /* "" none */
	char camera_name[MODEL_NAME_SIZE];
	char camera_source[256]; /* "" of a driver that needs none */
	bool has_button, has_lights, has_sensor;
};

/* bedside.yaml; with stars instead of the printer's secret when it is only to be shown. */
void setup_write(const struct setup_answers *a, bool hides_secrets, struct buf *out);

/*
 * Whether the file at `path` is absent, or says nothing but where the data are, as the package
 * lays it down; that folder is put into `data_dir` (left alone when it names none). -EEXIST with
 * the sentence when it says more, -EBADMSG when it cannot be read as YAML.
 */
int setup_may_replace(const char *path, char *data_dir, size_t size, struct err *err) MUST_CHECK;

/* "button lights", "all", "none", in any order, with spaces or commas; -EINVAL for other words. */
int setup_read_wired(const char *text, struct setup_answers *ret, struct err *err) MUST_CHECK;
