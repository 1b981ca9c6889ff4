/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/conf.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf_errors errors;

	errors.n = 0;

	struct conf_node *n = conf_parse("fuzz.yaml", (const char *)data, size, &errors);

	assert((n != NULL) == (errors.n == 0)); /* the promise of the header */
	conf_free(n);
	return 0;
}
