/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "gcode/bgcode.h"
#include "gcode/threemf.h"

#define SNIFF 4096
#define PIECE ((size_t)4 << 20) /* fed at a time, so that pages can go again */

enum gcode_kind gcode_kind_of(const void *bytes, size_t size)
{
	if (gcode_is_binary(bytes, size))
		return GCODE_KIND_BINARY;
	if (size >= 4 && (memcmp(bytes, "PK\3\4", 4) == 0 || memcmp(bytes, "PK\5\6", 4) == 0))
		return GCODE_KIND_3MF;
	return GCODE_KIND_TEXT;
}

const char *gcode_kind_name(enum gcode_kind kind)
{
	switch (kind) {
	case GCODE_KIND_TEXT:
		return "gcode";
	case GCODE_KIND_3MF:
		return "3mf";
	case GCODE_KIND_BINARY:
		return "bgcode";
	}
	return "unknown";
}

static int index_threemf(const void *bytes, size_t size, unsigned plate,
                         const struct gcode_options *options, struct gcode_index **ret,
                         struct err *err)
{
	struct gcode_threemf *t;
	int rc = gcode_threemf_open(bytes, size, &t, err);

	if (rc < 0)
		return rc;
	rc = gcode_threemf_index(t, plate, options, ret, err);
	gcode_threemf_close(t);
	return rc;
}

int gcode_bytes_index(const void *bytes, size_t size, unsigned plate,
                      const struct gcode_options *options, struct gcode_index **ret,
                      struct err *err)
{
	switch (gcode_kind_of(bytes, size)) {
	case GCODE_KIND_3MF:
		return index_threemf(bytes, size, plate, options, ret, err);
	case GCODE_KIND_BINARY:
		return gcode_bgcode_index(bytes, size, options, ret, err);
	case GCODE_KIND_TEXT:
		break;
	}

	if (memchr(bytes, '\0', MIN(size, (size_t)SNIFF)))
		return err_set(
			err, -EINVAL,
			"this is no G-code but something binary: slice the part again, or copy "
			"the file again");

	struct gcode_scan *s = gcode_scan_new(options);

	for (size_t at = 0; at < size; at += PIECE)
		gcode_scan_feed(s, (const char *)bytes + at, MIN(PIECE, size - at));
	return gcode_scan_end(s, ret, err);
}

unsigned gcode_plate_number(const char *plate)
{
	const char *digits = strstr(plate, "plate_");
	char text[12];
	uint64_t n;

	if (!digits)
		return 0;
	digits += strlen("plate_");
	text_copy_n(text, sizeof(text), digits, strspn(digits, "0123456789"));
	return text_to_u64(text, 10, &n) && n < 1000 ? (unsigned)n : 0;
}

/* The whole file, to be read where it is looked at; munmap() it. */
static int map_file(const char *path, void **ret, size_t *ret_size, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe: no wait */
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "opening %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is no file", path);
	if (st.st_size == 0)
		return err_set(err, -EINVAL, "%s is empty", path);
	*ret_size = (size_t)st.st_size;
	*ret = mmap(NULL, *ret_size, PROT_READ, MAP_PRIVATE, fd, 0);
	return *ret == MAP_FAILED ? err_sys(err, "reading %s", path) : 0;
}

int gcode_file_index(const char *path, unsigned plate, const struct gcode_options *options,
                     struct gcode_index **ret, struct err *err)
{
	void *bytes = NULL;
	size_t size = 0;
	int rc = map_file(path, &bytes, &size, err);

	if (rc < 0 || !bytes)
		return rc;
	(void)madvise(bytes, size, MADV_SEQUENTIAL);
	rc = gcode_bytes_index(bytes, size, plate, options, ret, err);
	(void)munmap(bytes, size);
	return rc < 0 ? err_wrap(err, rc, "%s", path) : 0;
}

int gcode_file_plate(const char *path, unsigned plate, struct gcode_plate *ret, struct err *err)
{
	const struct gcode_plate *found = NULL;
	struct gcode_threemf *t = NULL;
	void *bytes = NULL;
	size_t size = 0;
	int rc = map_file(path, &bytes, &size, err);

	if (rc < 0 || !bytes)
		return rc;
	(void)madvise(bytes, size, MADV_RANDOM);
	rc = gcode_threemf_open(bytes, size, &t, err);
	if (rc == 0)
		found = gcode_threemf_plate(t, plate);
	if (found && found->has_gcode) {
		*ret = *found;
		ret->objects = NULL;
		ret->n_objects = 0;
	} else if (rc == 0) {
		rc = err_set(err, -ENOENT, "the file has no sliced plate %u", plate);
	}
	if (t)
		gcode_threemf_close(t);
	(void)munmap(bytes, size);
	return rc;
}
