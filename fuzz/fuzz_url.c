/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/mem.h"
#include "wire/url.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text = mem_new(size + 1);
	char shown[600], again_shown[600];
	struct url u = { 0 }, again = { 0 };
	struct err err;

	if (size > 0)
		memcpy(text, bytes, size);
	url_hide_login(text, shown, sizeof(shown));
	/* What is written reads the same. */
	if (url_parse(text, &u, &err) == 0 && url_write(&u, shown, sizeof(shown)) &&
	    (url_parse(shown, &again, &err) < 0 ||
	     !url_write(&again, again_shown, sizeof(again_shown)) ||
	     strcmp(shown, again_shown) != 0))
		abort();
	url_fini(&u);
	url_fini(&again);
	free(text);
	return 0;
}
