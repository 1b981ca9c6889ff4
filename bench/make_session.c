/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * make_session: writes a session's folder from JPEG files, for measurements and end-to-end tests.
 *
 *	make_session DIR CAMERA FIRST COUNT INTERVAL_MS FILE…
 *
 * Adds the frames FIRST to FIRST + COUNT - 1 to the manifest, taking the files in turn and waiting
 * in between. Pictures are linked where that is possible, so that 5000 of them cost nothing.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "store/journal.h"
#include "store/journal_line.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_PICTURE (32U << 20)

struct source {
	const char *path;
	struct buf bytes;
	uint32_t crc;
};

static int fail(const struct err *err)
{
	(void)fprintf(stderr, "make_session: %s\n", err->text);
	return 1;
}

static int add_picture(const char *dir, const struct journal_entry *e, const struct source *s,
                       struct err *err)
{
	char path[2048];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, e->file);
	if (link(s->path, path) == 0)
		return 0;
	return fs_write_atomic(path, s->bytes.data, s->bytes.size, 0600, err);
}

static int add_frame(const char *dir, const char *camera, uint32_t n, const struct source *s,
                     struct err *err)
{
	struct journal_entry e = { .number = n,
		                   .layer = (int)n,
		                   .z_mm = 0.2 * n,
		                   .trigger = TRIGGER_LAYER,
		                   .at_wall_ms = 1795257605000 + 1000LL * n,
		                   .at_us = 1000000LL * n,
		                   .size = s->bytes.size,
		                   .crc32c = s->crc };
	char path[2048];
	struct buf line;

	TEXT_SET(e.camera, camera);
	TEXT_SET(e.boot, "made");
	(void)snprintf(e.file, sizeof(e.file), "%s/%06u.jpg", e.camera, n);

	int rc = add_picture(dir, &e, s, err);

	if (rc < 0)
		return rc;
	buf_init(&line, 0);
	journal_format_entry(&line, &e);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, JOURNAL_MANIFEST);

	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, line.data, line.size) != (ssize_t)line.size)
		rc = err_sys(err, "writing %s", path);
	if (fd >= 0)
		(void)close(fd);
	buf_fini(&line);
	return rc;
}

static void wait_ms(uint64_t ms)
{
	const struct timespec ts = { .tv_sec = (time_t)(ms / 1000),
		                     .tv_nsec = (long)(ms % 1000) * 1000000 };

	if (ms > 0)
		(void)nanosleep(&ts, NULL);
}

static int run(char **argv, struct source *sources, size_t n_sources, struct err *err)
{
	uint64_t first, count, interval_ms;
	char folder[2048];
	int rc = 0;

	if (!text_to_u64(argv[3], 10, &first) || !text_to_u64(argv[4], 10, &count) ||
	    !text_to_u64(argv[5], 10, &interval_ms))
		return err_set(err, -1, "FIRST, COUNT and INTERVAL_MS are numbers");
	(void)snprintf(folder, sizeof(folder), "%s/%s", argv[1], argv[2]);
	rc = fs_make_dirs(folder, err);
	for (size_t i = 0; i < n_sources && rc == 0; i++) {
		sources[i].path = argv[6 + i];
		rc = fs_read(sources[i].path, MAX_PICTURE, &sources[i].bytes, err);
		if (rc == 0)
			sources[i].crc =
				crypto_crc32c(0, sources[i].bytes.data, sources[i].bytes.size);
	}
	for (uint64_t n = first; n < first + count && rc == 0; n++) {
		rc = add_frame(argv[1], argv[2], (uint32_t)n, &sources[n % n_sources], err);
		wait_ms(interval_ms);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = { 0 };

	if (argc < 7) {
		(void)fputs("usage: make_session DIR CAMERA FIRST COUNT INTERVAL_MS FILE...\n",
		            stderr);
		return 2;
	}
	crypto_init();

	size_t n = (size_t)argc - 6;
	struct source *sources = mem_new_array(n, sizeof(*sources));
	int rc = run(argv, sources, n, &err);

	for (size_t i = 0; i < n; i++)
		buf_fini(&sources[i].bytes);
	free(sources);
	return rc < 0 ? fail(&err) : 0;
}
