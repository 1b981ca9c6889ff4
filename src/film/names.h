/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * names: which files of films there are, so that a new film gets a name of its own without asking
 * the disk. What is removed later keeps its name taken until the next start; a file that comes by
 * another way is met by the worker, which overwrites none.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct film_names;

/* Makes <data>/films and reads what is there: waits for the disk, so only at the start. */
struct film_names *film_names_new(const char *data_dir);
void film_names_free(struct film_names *ns);

/* "films/x.mp4". May say so of a name that is free, once in 2^64 times. */
bool film_names_has(const struct film_names *ns, const char *file);
void film_names_add(struct film_names *ns, const char *file);
