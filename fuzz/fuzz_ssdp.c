/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/discover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct discover_found f;

	(void)discover_parse(data, size, &f);
	return 0;
}
