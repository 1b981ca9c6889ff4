/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "gcode/crc32.h"
#include "gcode/threemf.h"

#define RATIO_MAX 200 /* G-code packs to a tenth, a cube's to a fortieth */
#define SMALL_ENTRY ((uint64_t)1 << 20)
#define PACKED_MAX ((uint64_t)1 << 30)
#define STORED_PIECE ((size_t)128 << 10)
#define END_SIZE 22 /* of the directory's end record without its comment */
#define COMMENT_MAX 65535

struct gcode_zip {
	zip_t *zip;
	zip_error_t error;
};

/* The number of entries from the archive's last record: known before libzip makes room for them.
 * -1 if there is no such record. */
static int count_entries(const uint8_t *bytes, size_t size)
{
	static const uint8_t signature[4] = { 'P', 'K', 5, 6 };
	size_t lowest = size > END_SIZE + COMMENT_MAX ? size - END_SIZE - COMMENT_MAX : 0;

	if (size < END_SIZE)
		return -1;
	for (size_t i = size - END_SIZE + 1; i-- > lowest;)
		if (memcmp(bytes + i, signature, sizeof(signature)) == 0)
			return bytes[i + 10] | bytes[i + 11] << 8;
	return -1;
}

static int zip_error(struct err *err, zip_error_t *e, const char *what)
{
	int rc = err_set(err, -EINVAL, "%s: %s", what, zip_error_strerror(e));

	zip_error_fini(e);
	return rc;
}

int gcode_zip_open(const void *bytes, size_t size, struct gcode_zip **ret, struct err *err)
{
	int n = count_entries(bytes, size);
	zip_error_t e;

	if (n < 0)
		return err_set(err, -EINVAL,
		               "this is no 3MF file, or its end is missing: copy it again");
	if (n > GCODE_ZIP_ENTRIES_MAX)
		return err_set(err, -EINVAL, "this archive has %d entries, at most %d are read", n,
		               GCODE_ZIP_ENTRIES_MAX);
	zip_error_init(&e);

	zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &e);

	if (!source)
		return zip_error(err, &e, "reading the archive");

	zip_t *zip = zip_open_from_source(source, ZIP_RDONLY, &e);

	if (!zip) {
		zip_source_free(source);
		return zip_error(err, &e, "this 3MF file is damaged");
	}
	zip_error_fini(&e);
	if (zip_get_num_entries(zip, 0) > GCODE_ZIP_ENTRIES_MAX) {
		zip_discard(zip);
		return err_set(err, -EINVAL, "this archive has more than %d entries",
		               GCODE_ZIP_ENTRIES_MAX);
	}

	struct gcode_zip *z = MEM_NEW(struct gcode_zip);

	z->zip = zip;
	*ret = z;
	return 0;
}

void gcode_zip_close(struct gcode_zip *z)
{
	if (!z)
		return;
	zip_discard(z->zip);
	free(z);
}

unsigned gcode_zip_count(const struct gcode_zip *z)
{
	return (unsigned)zip_get_num_entries(z->zip, 0);
}

const char *gcode_zip_name(const struct gcode_zip *z, unsigned i)
{
	const char *name = zip_get_name(z->zip, i, ZIP_FL_ENC_GUESS);

	return name ? name : "";
}

int gcode_zip_find(const struct gcode_zip *z, const char *name)
{
	return (int)zip_name_locate(z->zip, name, ZIP_FL_ENC_GUESS);
}

uint64_t gcode_zip_size(const struct gcode_zip *z, unsigned i)
{
	zip_stat_t st;

	return zip_stat_index(z->zip, i, 0, &st) == 0 && (st.valid & ZIP_STAT_SIZE) ? st.size : 0;
}

/* What the directory says of an entry, held against the limits. */
static int entry_check(struct gcode_zip *z, unsigned i, uint64_t max, zip_stat_t *st,
                       struct err *err)
{
	const uint64_t wanted =
		ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_METHOD;
	const char *name = gcode_zip_name(z, i);

	if (zip_stat_index(z->zip, i, 0, st) < 0 || (st->valid & wanted) != wanted)
		return err_set(err, -EINVAL, "the archive does not say what '%s' is", name);
	if ((st->valid & ZIP_STAT_ENCRYPTION_METHOD) && st->encryption_method != ZIP_EM_NONE)
		return err_set(err, -EINVAL, "'%s' is encrypted", name);
	if (st->size > max)
		return err_set(err, -EFBIG, "'%s' unpacks to %llu bytes, at most %llu are read",
		               name, (unsigned long long)st->size, (unsigned long long)max);
	if (st->size > SMALL_ENTRY && st->size / RATIO_MAX > st->comp_size)
		return err_set(err, -EFBIG,
		               "'%s' unpacks to more than %d times its size: that is no print job",
		               name, RATIO_MAX);
	return 0;
}

static int entry_bytes(struct gcode_zip *z, unsigned i, zip_flags_t flags, size_t size,
                       struct buf *ret, struct err *err)
{
	zip_file_t *f = zip_fopen_index(z->zip, i, flags);

	if (!f)
		return err_set(err, -EBADMSG, "reading '%s': %s", gcode_zip_name(z, i),
		               zip_strerror(z->zip));

	char *at = buf_reserve(ret, size);
	zip_int64_t n = 0;
	size_t have = 0;

	while (have < size && (n = zip_fread(f, at + have, size - have)) > 0)
		have += (size_t)n;

	char one;
	/* The CRC is checked only when the end is reached. */
	zip_int64_t more = n < 0 ? n : zip_fread(f, &one, 1);

	(void)zip_fclose(f);
	if (have < size || more != 0)
		return err_set(err, -EBADMSG, "'%s' is damaged", gcode_zip_name(z, i));
	buf_grew(ret, size);
	return 0;
}

int gcode_zip_read(struct gcode_zip *z, unsigned i, size_t max, struct buf *ret, struct err *err)
{
	zip_stat_t st;
	int rc = entry_check(z, i, max, &st, err);

	buf_init(ret, 0);
	if (rc < 0)
		return rc;
	rc = entry_bytes(z, i, 0, st.size, ret, err);
	if (rc < 0)
		buf_fini(ret);
	return rc;
}

/* Passes pieces on while their CRC grows. */
struct checked {
	gcode_sink_fn *sink;
	void *arg;
	uint32_t crc;
};

static int checked_sink(void *arg, const void *bytes, size_t size)
{
	struct checked *c = arg;

	c->crc = gcode_crc32(c->crc, bytes, size);
	return c->sink(c->arg, bytes, size);
}

static int64_t stored_stream(struct checked *c, const struct buf *b)
{
	int rc = 0;

	for (size_t at = 0; at < b->size && rc == 0; at += STORED_PIECE)
		rc = checked_sink(c, b->data + at, MIN(STORED_PIECE, b->size - at));

	int end_rc = checked_sink(c, "", 0);

	rc = rc < 0 ? rc : end_rc;
	return rc < 0 ? rc : (int64_t)b->size;
}

static int stream_result(struct gcode_zip *z, unsigned i, int64_t n, const zip_stat_t *st,
                         const struct checked *c, struct err *err)
{
	const char *name = gcode_zip_name(z, i);

	if (n == -EFBIG || (n >= 0 && (uint64_t)n != st->size))
		return err_set(err, -EBADMSG, "'%s' is not as long as the archive says", name);
	if (n == -EBADMSG || (n >= 0 && c->crc != st->crc))
		return err_set(err, -EBADMSG, "'%s' is damaged: load the file again", name);
	return n < 0 ? err_set(err, (int)n, "reading '%s' was given up", name) : 0;
}

int gcode_zip_stream(struct gcode_zip *z, unsigned i, uint64_t max, gcode_sink_fn *sink, void *arg,
                     struct err *err)
{
	struct checked c = { .sink = sink, .arg = arg };
	auto_buf struct buf packed = { 0 };
	zip_stat_t st;
	int64_t n;
	int rc = entry_check(z, i, max, &st, err);

	if (rc < 0)
		return rc;
	if (st.comp_size > PACKED_MAX ||
	    (st.comp_method != ZIP_CM_DEFLATE && st.comp_method != ZIP_CM_STORE))
		return err_set(err, -EINVAL, "'%s' is packed in a way that is not read here",
		               gcode_zip_name(z, i));
	rc = entry_bytes(z, i, ZIP_FL_COMPRESSED, st.comp_size, &packed, err);
	if (rc < 0)
		return rc;
	if (st.comp_method == ZIP_CM_DEFLATE) {
		n = gcode_inflate(packed.data, packed.size, st.size, checked_sink, &c);
	} else {
		n = stored_stream(&c, &packed);
	}
	return stream_result(z, i, n, &st, &c, err);
}

static int make_add(zip_t *zip, const struct gcode_zip_file *f)
{
	zip_source_t *s = zip_source_buffer(zip, f->bytes, f->size, 0);

	if (!s)
		return -1;

	zip_int64_t i = zip_file_add(zip, f->name, s, ZIP_FL_ENC_UTF_8);

	if (i < 0) {
		zip_source_free(s);
		return -1;
	}
	/* 1980: the same files give the same archive. */
	(void)zip_file_set_dostime(zip, (zip_uint64_t)i, 0, 33, 0);
	return zip_set_file_compression(zip, (zip_uint64_t)i,
	                                f->is_stored ? ZIP_CM_STORE : ZIP_CM_DEFLATE, 6);
}

int gcode_zip_make(const struct gcode_zip_file *files, size_t n, struct buf *ret, struct err *err)
{
	zip_error_t e;
	zip_stat_t st;

	buf_init(ret, 0);
	zip_error_init(&e);

	zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &e);
	zip_t *zip = source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &e) : NULL;

	if (!zip) {
		zip_source_free(source);
		return zip_error(err, &e, "making an archive");
	}
	zip_error_fini(&e);
	zip_source_keep(source);

	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = make_add(zip, &files[i]);
	if (rc < 0 || zip_close(zip) < 0) {
		rc = err_set(err, -EIO, "making an archive: %s", zip_strerror(zip));
		zip_discard(zip);
	} else if (zip_source_stat(source, &st) < 0 || zip_source_open(source) < 0) {
		rc = err_set(err, -EIO, "making an archive");
	} else {
		char *at = buf_reserve(ret, st.size);

		if (zip_source_read(source, at, st.size) == (zip_int64_t)st.size)
			buf_grew(ret, st.size);
		else
			rc = err_set(err, -EIO, "making an archive");
		(void)zip_source_close(source);
	}
	zip_source_free(source);
	return rc;
}
