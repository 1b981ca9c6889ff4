/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/cmd.h"

#include "base/text.h"

bool cmd_option(const struct cmd_option *options, size_t n, int argc, char **argv, int *i)
{
	for (size_t k = 0; k < n && *i + 1 < argc; k++) {
		if (!text_equal(argv[*i], options[k].name))
			continue;
		*options[k].dst = argv[++*i];
		return true;
	}
	return false;
}
