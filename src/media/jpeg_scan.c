/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/jpeg_scan.h"

#include "base/err.h"

#include <errno.h>
#include <string.h>

/* Markers, T.81 table B.1. */
enum {
	MARKER_SOF0 = 0xc0,
	MARKER_SOF1 = 0xc1,
	MARKER_SOF2 = 0xc2,
	MARKER_DHT = 0xc4,
	MARKER_SOF15 = 0xcf,
	MARKER_RST0 = 0xd0,
	MARKER_RST7 = 0xd7,
	MARKER_SOI = 0xd8,
	MARKER_EOI = 0xd9,
	MARKER_SOS = 0xda,
	MARKER_JPG = 0xc8,
	MARKER_DAC = 0xcc,
	MARKER_APP1 = 0xe1,
};

/* A progressive picture needs some ten scans; thousands are an attack on decoders. */
#define MAX_SCANS 100
#define MAX_SEGMENTS 4096

#define EXIF_TIFF 6u
#define TIFF_MAGIC 42u
#define TIFF_ENTRY 12u
#define TIFF_ORIENTATION 0x0112u
#define TIFF_SHORT 3u

struct walk {
	const uint8_t *bytes;
	size_t size, at;
	struct jpeg_info info;
	bool has_frame;
};

static int bad(struct err *err, const char *why)
{
	return err_set(err, -EBADMSG, "%s", why);
}

static unsigned be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static unsigned tiff16(const uint8_t *p, bool is_big)
{
	return is_big ? be16(p) : (unsigned)p[1] << 8 | p[0];
}

static uint32_t tiff32(const uint8_t *p, bool is_big)
{
	return is_big ? (uint32_t)be16(p) << 16 | be16(p + 2)
	              : (uint32_t)tiff16(p + 2, false) << 16 | tiff16(p, false);
}

/* The next marker; fill bytes (0xff) before it are allowed, B.1.1.2. 0 at the end. */
static unsigned next_marker(struct walk *w)
{
	if (w->at >= w->size || w->bytes[w->at] != 0xff)
		return 0;
	while (w->at < w->size && w->bytes[w->at] == 0xff)
		w->at++;
	return w->at < w->size ? w->bytes[w->at++] : 0;
}

/* Moves behind entropy-coded data: to the marker that is neither a stuffed zero nor a restart. */
static bool skip_entropy(struct walk *w)
{
	size_t from = w->at;

	while (w->at < w->size) {
		const uint8_t *ff = memchr(w->bytes + w->at, 0xff, w->size - w->at);

		if (!ff)
			return false;
		w->at = (size_t)(ff - w->bytes);
		if (w->at + 1 >= w->size)
			return false;

		uint8_t next = ff[1];

		if (next == 0xff)
			w->at++;
		else if (next == 0 || (next >= MARKER_RST0 && next <= MARKER_RST7))
			w->at += 2;
		else
			return w->at > from;
	}
	return false;
}

static int read_frame_header(struct walk *w, unsigned marker, const uint8_t *p, size_t n,
                             struct err *err)
{
	if (marker > MARKER_SOF2)
		return bad(err, "the picture is a kind of JPEG that browsers do not show "
		                "(lossless or arithmetic)");
	if (w->has_frame)
		return bad(err, "the picture has two frame headers");
	if (n < 6 || p[0] != 8)
		return bad(err, "the picture's frame header is damaged");
	w->info.height = be16(p + 1);
	w->info.width = be16(p + 3);
	w->info.components = p[5];
	w->info.kind = (enum jpeg_kind)(marker - MARKER_SOF0);
	if (w->info.width == 0 || w->info.height == 0 || w->info.width > JPEG_MAX_SIDE ||
	    w->info.height > JPEG_MAX_SIDE)
		return err_set(err, -EBADMSG, "the picture says that it is %u×%u pixels large",
		               w->info.width, w->info.height);
	if ((p[5] != 1 && p[5] != 3 && p[5] != 4) || n != 6 + 3 * (size_t)p[5])
		return bad(err, "the picture's frame header is damaged");
	w->has_frame = true;
	return 0;
}

static int read_scan(struct walk *w, const uint8_t *p, size_t n, struct err *err)
{
	if (!w->has_frame)
		return bad(err, "the picture's data come before its size");
	if (n < 1 || p[0] < 1 || p[0] > 4 || n != 4 + 2 * (size_t)p[0])
		return bad(err, "the picture's scan header is damaged");
	if (++w->info.n_scans > MAX_SCANS)
		return bad(err, "the picture has too many scans");
	if (!skip_entropy(w))
		return bad(err, "the picture is cut off");
	return 0;
}

/* The orientation of EXIF (CIPA DC-008): "Exif", a TIFF header, tag 0x0112 of its first directory. What
 * is damaged says nothing. */
static unsigned exif_orientation(const uint8_t *p, size_t n)
{
	bool is_big;

	if (n < EXIF_TIFF + 8 || memcmp(p, "Exif\0\0", EXIF_TIFF) != 0)
		return 0;
	p += EXIF_TIFF;
	n -= EXIF_TIFF;
	is_big = p[0] == 'M';
	if (p[0] != p[1] || (!is_big && p[0] != 'I') || tiff16(p + 2, is_big) != TIFF_MAGIC)
		return 0;

	size_t at = tiff32(p + 4, is_big);

	if (at > n || n - at < 2)
		return 0;

	unsigned n_entries = tiff16(p + at, is_big);

	for (at += 2; n_entries > 0 && n - at >= TIFF_ENTRY; n_entries--, at += TIFF_ENTRY) {
		unsigned value = tiff16(p + at + 8, is_big);

		if (tiff16(p + at, is_big) == TIFF_ORIENTATION)
			return tiff16(p + at + 2, is_big) == TIFF_SHORT && value <= 8 ? value : 0;
	}
	return 0;
}

static bool is_frame_header(unsigned marker)
{
	return marker >= MARKER_SOF0 && marker <= MARKER_SOF15 && marker != MARKER_DHT &&
	       marker != MARKER_JPG && marker != MARKER_DAC;
}

static int read_segment(struct walk *w, unsigned marker, struct err *err)
{
	if (w->size - w->at < 2)
		return bad(err, "the picture is cut off");

	size_t n = be16(w->bytes + w->at);

	if (n < 2)
		return bad(err, "the picture has a segment of no length");
	if (n > w->size - w->at)
		return bad(err, "the picture is cut off");

	const uint8_t *p = w->bytes + w->at + 2;

	w->at += n;
	if (is_frame_header(marker))
		return read_frame_header(w, marker, p, n - 2, err);
	if (marker == MARKER_SOS)
		return read_scan(w, p, n - 2, err);
	if (marker == MARKER_DHT)
		w->info.has_huffman = true;
	if (marker == MARKER_APP1 && w->info.orientation == 0)
		w->info.orientation = exif_orientation(p, n - 2);
	return 0;
}

static int check_start(const uint8_t *bytes, size_t size, struct err *err)
{
	if (size == 0)
		return bad(err, "the picture is empty");
	if (size < 4)
		return bad(err, "the picture is cut off");
	if (bytes[0] == 0xff && bytes[1] == MARKER_SOI)
		return 0;
	if (bytes[0] == '<')
		return bad(err, "a web page came instead of a picture");
	if (bytes[0] == '{')
		return bad(err, "a text (JSON) came instead of a picture");
	return bad(err, "what came is no JPEG picture");
}

int jpeg_scan(const uint8_t *bytes, size_t size, struct jpeg_info *ret, struct err *err)
{
	struct walk w = { .bytes = bytes, .size = size, .at = 2 };
	int rc = check_start(bytes, size, err);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < MAX_SEGMENTS; i++) {
		if (w.at >= w.size)
			return bad(err, "the picture is cut off");

		unsigned marker = next_marker(&w);

		if (marker == 0)
			return bad(err, w.at >= w.size ? "the picture is cut off"
			                               : "the picture is damaged");
		if (marker == MARKER_EOI) {
			if (w.info.n_scans == 0)
				return bad(err, "the picture holds no image data");
			if (w.at != w.size)
				return bad(err, "there are bytes behind the end of the picture");
			*ret = w.info;
			return 0;
		}
		if (marker == MARKER_SOI || (marker >= MARKER_RST0 && marker <= MARKER_RST7))
			return bad(err, "the picture is damaged");
		rc = read_segment(&w, marker, err);
		if (rc < 0)
			return rc;
	}
	return bad(err, "the picture has too many segments");
}
