/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check_told SESSIONS_DIR: after a power cut, is every picture there that was told to be on the disk?
 *
 * Standard input: one a line, "SESSION NUMBER CRC32C". Each must stand in its session's manifest with
 * that checksum, and its file must be whole.
 */

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PICTURES 100000

struct told {
	char session[64];
	uint64_t number, crc;
	bool is_found;
};

static size_t read_told(struct told *ret, size_t max)
{
	char line[256];
	size_t n = 0;

	while (n < max && fgets(line, sizeof(line), stdin)) {
		struct told *t = &ret[n];
		char *number = strchr(line, ' ');
		char *crc = number ? strchr(number + 1, ' ') : NULL;

		if (!crc)
			continue;
		*number++ = *crc++ = '\0';
		crc[strcspn(crc, "\r\n")] = '\0';
		if (TEXT_SET(t->session, line) && text_to_u64(number, 10, &t->number) &&
		    text_to_u64(crc, 16, &t->crc))
			n++;
	}
	return n;
}

static void look(const char *dir, const char *session, struct told *told, size_t n)
{
	struct journal_reader *r = NULL;
	struct journal_entry e;
	struct err err = { 0 };
	uint8_t *bytes;
	int rc;

	if (journal_reader_open(dir, &r, &err) < 0) {
		printf("%s: %s\n", session, err.text);
		return;
	}
	while ((rc = journal_reader_next(r, &e, &err)) != 0) {
		if (rc < 0)
			printf("%s: %s\n", session, err.text);
		for (size_t i = 0; rc == 1 && i < n; i++) {
			if (strcmp(told[i].session, session) != 0 || told[i].number != e.number)
				continue;
			bytes = NULL;
			if (e.crc32c != told[i].crc)
				printf("%s: picture %u has another checksum\n", session, e.number);
			else if (journal_read_picture(dir, &e, &bytes, &err) < 0)
				printf("%s: picture %u: %s\n", session, e.number, err.text);
			else
				told[i].is_found = true;
			free(bytes);
		}
	}
	journal_reader_close(r);
}

int main(int argc, char **argv)
{
	struct told *told = mem_new_array(MAX_PICTURES, sizeof(*told));
	size_t n = argc == 2 ? read_told(told, MAX_PICTURES) : 0, n_lost = 0;

	for (size_t i = 0; i < n; i++) {
		char dir[1200];

		if (i > 0 && strcmp(told[i].session, told[i - 1].session) == 0)
			continue;
		snprintf(dir, sizeof(dir), "%s/%s", argv[1], told[i].session);
		look(dir, told[i].session, told, n);
	}
	for (size_t i = 0; i < n; i++)
		if (!told[i].is_found && n_lost++ < 10)
			printf("LOST: picture %llu of session %s\n",
			       (unsigned long long)told[i].number, told[i].session);
	printf("%zu told, %zu lost\n", n, n_lost);
	free(told);
	return n_lost > 0;
}
