/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/ls_line.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ls_line l;

	if (ls_line_parse((const char *)data, size, &l)) {
		assert(l.name[0] && !strchr(l.name, '/'));
		assert(strlen(l.date) < sizeof(l.date));
	}
	return 0;
}
