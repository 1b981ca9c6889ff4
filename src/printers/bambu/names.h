/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/names: where on a printer's storage the file of its running job may lie.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "model/printer.h"

#define BAMBU_MAX_NAMES 24

struct bambu_names {
	char paths[BAMBU_MAX_NAMES][288]; /* without the leading slash, likeliest first */
	size_t n;
};

/* bambu.md 5.3: the named file, then the job's name with the usual endings, in the root, in cache
 * and in model. Names that could leave the storage are left out. */
void bambu_names_of(struct bambu_names *ret, const struct printer_job *j);
