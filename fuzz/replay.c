/* SPDX-License-Identifier: GPL-3.0-or-later */
/* replay: runs a fuzz target over files and folders, so that every old finding stays a test. */

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type != FTW_F)
		return 0;

	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(st->st_size > 0 ? (size_t)st->st_size : 1);

	if (!f || !data)
		return 1;

	/* Of its true size, so that the address sanitizer sees an overrun by one. */
	size_t n = fread(data, 1, (size_t)st->st_size, f);

	LLVMFuzzerTestOneInput(data, n);
	free(data);
	(void)fclose(f);
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (nftw(argv[i], replay_file, 16, FTW_PHYS) != 0) {
			fprintf(stderr, "cannot replay %s\n", argv[i]);
			return EXIT_FAILURE;
		}
	}
	return EXIT_SUCCESS;
}
