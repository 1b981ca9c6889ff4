/* SPDX-License-Identifier: GPL-3.0-or-later */
/* names: an enum's words as a table, both ways. Thread: any. */

#pragma once

#include "base/base.h"

/* The word of value `v`; "" for a value outside the table. */
static inline const char *name_of(const char *const *names, size_t n, unsigned v)
{
	return v < n ? names[v] : "";
}

/* The place of `name` in the table, -1 if it is not there. */
int name_find(const char *const *names, size_t n, const char *name);
