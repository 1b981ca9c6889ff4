/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/journal.h"
#include "store/journal_line.h"

#include "base/buf.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written the same way again, and its file stays in the session's folder. */
static void each(void *arg, const struct journal_entry *e, size_t at)
{
	const char *manifest = arg;
	struct journal_entry again;
	struct buf b;
	size_t line_size;

	(void)manifest[at];
	if (e->file[0] == '/' || strstr(e->file, ".."))
		abort();
	buf_init(&b, 0);
	journal_format_entry(&b, e);
	if (journal_next_line(b.data, b.size, &line_size) != b.size ||
	    journal_parse_line(b.data, line_size, &again, NULL) != 1 || again.number != e->number ||
	    again.crc32c != e->crc32c || strcmp(again.file, e->file) != 0)
		abort();
	buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_scan scan;
	struct journal_entry e;
	struct err err;
	char *copy = malloc(size + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	copy[size] = 'x';
	journal_scan_manifest(copy, size, &scan, each, copy);
	if (scan.good_size > size)
		abort();
	(void)journal_parse_line(copy, size, &e, &err);
	free(copy);
	return 0;
}
