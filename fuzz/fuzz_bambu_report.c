/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of a printer, one a line, into one merged state. */

#include "base/mem.h"
#include "printers/bambu/report.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bambu_report *r = bambu_report_new("03900A000000000", "auto");
	struct printer_state *s = MEM_NEW(struct printer_state);
	const char *p = (const char *)data, *end = p + size;
	int64_t now_us = 1;

	printer_state_init(s);
	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((nl ? nl : end) - p);
		struct bambu_message m;
		char *line = mem_dup(p, n ? n : 1); /* so that an overrun by one is seen */

		bambu_report_read(r, line, n, &m);
		bambu_report_apply(r, s, now_us += 1000000);
		free(line);
		p += n + 1;
	}
	json_decref(bambu_report_json(r));
	bambu_report_free(r);
	free(s);
	return 0;
}
