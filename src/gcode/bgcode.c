/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/bgcode.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "gcode/crc32.h"
#include "gcode/feeder.h"
#include "gcode/inflate.h"
#include "gcode/scan.h"

#define BLOCK_MAX ((size_t)64 << 20)
#define TOTAL_MAX ((uint64_t)4 << 30)
#define FILE_HEAD 10 /* magic, version, checksum type */
#define BLOCKS_MAX 1000000
#define RATIO_MAX 1040 /* deflate's: a match of 258 bytes takes two bits at least */

enum block_type {
	BLOCK_FILE_META,
	BLOCK_GCODE,
	BLOCK_SLICER_META,
	BLOCK_PRINTER_META,
	BLOCK_PRINT_META,
	BLOCK_THUMBNAIL,
};

enum {
	PACK_NONE,
	PACK_DEFLATE,
	PACK_HEATSHRINK_11_4,
	PACK_HEATSHRINK_12_4,
};

enum {
	ENCODE_NONE,
	ENCODE_MEATPACK,
	ENCODE_MEATPACK_COMMENTS,
};

struct block {
	unsigned type, packing, encoding;
	unsigned picture, width, height; /* of thumbnails */
	size_t size;                     /* unpacked */
	const uint8_t *data;
	size_t data_size;
};

struct room {
	uint8_t *at;
	size_t cap;
};

struct reader {
	const uint8_t *at, *end;
	bool has_crc;
	struct gcode_scan *scan;
	struct gcode_feeder *feeder;
	uint64_t total;
	struct gcode_inflater *inflater; /* NULL before the first packed block */
	/* The feeder reads of the last ones while the next is filled. */
	struct room unpacked[GCODE_INFLATE_LAG + 1]; /* BLOCK_MAX at most */
	struct room decoded[GCODE_INFLATE_LAG + 1];
	unsigned turn; /* which of them is free */
};

static unsigned read16(const uint8_t *p)
{
	return p[0] | (unsigned)p[1] << 8;
}

static uint32_t read32(const uint8_t *p)
{
	return read16(p) | (uint32_t)read16(p + 2) << 16;
}

bool gcode_is_binary(const void *bytes, size_t size)
{
	return size >= FILE_HEAD && memcmp(bytes, "GCDE", 4) == 0;
}

/* A bit reader, highest bit first, as heatshrink writes. */
struct bits {
	const uint8_t *at, *end;
	uint64_t held;
	unsigned n;
};

static inline void bits_refill(struct bits *b)
{
	if (b->end - b->at >= 8) {
		uint64_t v;

		memcpy(&v, b->at, sizeof(v));
		v = be64toh(v);
		b->held |= v >> b->n;
		b->at += (63 - b->n) >> 3;
		b->n |= 56;
		return;
	}
	for (; b->n <= 56 && b->at < b->end; b->n += 8)
		b->held |= (uint64_t)*b->at++ << (56 - b->n);
}

static inline unsigned bits_take(struct bits *b, unsigned n)
{
	unsigned v = (unsigned)(b->held >> (64 - n));

	b->held <<= n;
	b->n -= n;
	return v;
}

long gcode_heatshrink_decode(uint8_t *dst, size_t max, const uint8_t *src, size_t size,
                             unsigned window, unsigned lookahead)
{
	struct bits b = { .at = src, .end = src + size };
	size_t n = 0;

	while (n < max) {
		if (b.n < 32)
			bits_refill(&b);
		if (b.n < 9)
			break;
		if (b.held >> 63) {
			dst[n++] = (uint8_t)(bits_take(&b, 9) & 0xff);
			continue;
		}
		if (b.n < 1 + window + lookahead)
			break;
		(void)bits_take(&b, 1);

		size_t distance = bits_take(&b, window) + 1;
		size_t length = bits_take(&b, lookahead) + 1;

		length = MIN(length, max - n);
		if (distance > n)
			return -1;
		if (distance >= 16 && max - n >= 16) {
			/* Runs are 16 bytes at most with a lookahead of 4. */
			for (size_t i = 0; i < length; i += 16)
				memcpy(dst + n + i, dst + n + i - distance,
				       MIN((size_t)16, max - n - i));
		} else {
			for (size_t i = 0; i < length; i++)
				dst[n + i] = dst[n + i - distance];
		}
		n += length;
	}
	return (long)n;
}

/* MeatPack: two characters of four bits in a byte; 15 stands for "in full, behind". */
struct meatpack {
	bool is_packing, has_no_blanks;
};

#define MEATPACK_SIGNAL 0xff
#define MEATPACK_FULL 15

static void meatpack_command(struct meatpack *m, uint8_t command)
{
	switch (command) {
	case 251:
		m->is_packing = true;
		break;
	case 250:
		m->is_packing = false;
		break;
	case 249:
		*m = (struct meatpack){ 0 };
		break;
	case 247:
		m->has_no_blanks = true;
		break;
	case 246:
		m->has_no_blanks = false;
		break;
	default:
		break;
	}
}

/* What one packed byte stands for. */
struct meatpack_pair {
	char chars[2];
	uint8_t n;       /* of these */
	bool has_signal; /* one of them stands behind, in full */
};

static void meatpack_table(struct meatpack_pair table[256], bool has_no_blanks)
{
	char chars[] = "0123456789. \nGX";

	chars[11] = has_no_blanks ? 'E' : ' ';
	for (unsigned c = 0; c < 256; c++) {
		unsigned first = c & 15;
		unsigned second = c >> 4;

		/* What follows a line's end in the same byte is filling. */
		table[c] = (struct meatpack_pair){
			.chars = { chars[first], chars[second] },
			.n = first == 12 ? 1 : 2,
			.has_signal =
				first == MEATPACK_FULL || (second == MEATPACK_FULL && first != 12),
		};
	}
}

size_t gcode_meatpack_decode(char *dst, const uint8_t *src, size_t size)
{
	struct meatpack_pair table[256];
	struct meatpack m = { 0 };
	size_t n = 0;

	meatpack_table(table, false);
	for (size_t i = 0; i < size; i++) {
		uint8_t c = src[i];

		if (c == MEATPACK_SIGNAL && i + 2 < size && src[i + 1] == MEATPACK_SIGNAL) {
			meatpack_command(&m, src[i + 2]);
			meatpack_table(table, m.has_no_blanks);
			i += 2;
			continue;
		}
		if (!m.is_packing) {
			dst[n++] = (char)c;
			continue;
		}

		const struct meatpack_pair *pair = &table[c];

		memcpy(dst + n, pair->chars, sizeof(pair->chars));
		n += pair->n;
		if (!pair->has_signal)
			continue;
		n -= 2;
		for (unsigned k = 0; k < 2; k++) {
			bool is_full = (k == 0 ? c & 15 : c >> 4) == MEATPACK_FULL;

			if (is_full && ++i == size)
				return n;
			dst[n++] = (char)(is_full ? src[i] : pair->chars[k]);
			if (k == 0 && (c & 15) == 12)
				break;
		}
	}
	return n;
}

/* Reads the next block's head and parameters, checks its CRC. */
static int block_read(struct reader *r, struct block *b, struct err *err)
{
	const uint8_t *start = r->at;
	size_t left = (size_t)(r->end - r->at);

	if (left < 8)
		return err_set(err, -EBADMSG, "this binary G-code ends within a block");
	*b = (struct block){ .type = read16(start),
		             .packing = read16(start + 2),
		             .size = read32(start + 4) };

	size_t head = b->packing == PACK_NONE ? 8 : 12;
	size_t parameters = b->type == BLOCK_THUMBNAIL ? 6 : 2;
	size_t tail = r->has_crc ? 4 : 0;

	if (left < head + parameters + tail)
		return err_set(err, -EBADMSG, "this binary G-code ends within a block");
	b->data_size = b->packing == PACK_NONE ? b->size : read32(start + 8);
	if (b->size > BLOCK_MAX || b->data_size > BLOCK_MAX)
		return err_set(err, -EFBIG, "a block of this binary G-code is larger than 64 MiB");
	if (b->data_size > left - head - parameters - tail)
		return err_set(err, -EBADMSG,
		               "this binary G-code ends within a block: load it again");
	b->data = start + head + parameters;
	b->encoding = read16(start + head);
	if (b->type == BLOCK_THUMBNAIL) {
		b->picture = b->encoding;
		b->width = read16(start + head + 2);
		b->height = read16(start + head + 4);
	}
	if (r->has_crc && gcode_crc32(0, start, head + parameters + b->data_size) !=
	                          read32(b->data + b->data_size))
		return err_set(err, -EBADMSG,
		               "a block of this binary G-code is damaged: load it "
		               "again");
	r->at = b->data + b->data_size + tail;
	return 0;
}

/* Room for `size` bytes; what was there is lost. */
static uint8_t *room_get(struct room *room, size_t size)
{
	if (size > room->cap) {
		free(room->at);
		room->at = mem_new(size);
		room->cap = size;
	}
	return room->at;
}

/* A zlib stream: two bytes of head, deflate, four of Adler-32, which the block's CRC makes
 * needless. */
static bool unpack_deflate(struct reader *r, const struct block *b, uint8_t *to)
{
	if (b->data_size < 6 || (b->data[0] & 15) != 8 || (b->data[1] & 0x20) ||
	    (b->data[0] << 8 | b->data[1]) % 31 != 0)
		return false;
	if (!r->inflater)
		r->inflater = gcode_inflater_new();
	return gcode_inflater_fill(r->inflater, b->data + 2, b->data_size - 6, to, b->size) == 0;
}

/* Unpacks into the free room, or points at the block itself where it is not packed. */
static int block_unpack(struct reader *r, const struct block *b, const uint8_t **ret,
                        struct err *err)
{
	bool is_good = false;

	if (b->packing == PACK_NONE) {
		*ret = b->data;
		return 0;
	}
	if (b->packing > PACK_HEATSHRINK_12_4)
		return err_set(err, -EINVAL,
		               "this binary G-code is packed by method %u, unknown "
		               "here",
		               b->packing);
	/* Nothing packs so well: room is made only for what can be there. */
	if (b->size / RATIO_MAX > b->data_size)
		return err_set(err, -EBADMSG,
		               "a block of this binary G-code is damaged: load it again");

	uint8_t *to = room_get(&r->unpacked[r->turn], b->size + GCODE_INFLATE_SLACK);

	*ret = to;
	if (b->packing == PACK_DEFLATE)
		is_good = unpack_deflate(r, b, to);
	else
		is_good = gcode_heatshrink_decode(to, b->size, b->data, b->data_size,
		                                  b->packing == PACK_HEATSHRINK_11_4 ? 11 : 12,
		                                  4) == (long)b->size;
	return is_good ? 0
	               : err_set(err, -EBADMSG,
	                         "a block of this binary G-code is damaged: load it again");
}

/* Each "key=value" becomes the comment that the text form would have. */
static void take_metadata(struct reader *r, const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t n = stop ? (size_t)(stop - text) : (size_t)(end - text);
		const char *equals = memchr(text, '=', n);
		char line[1024];
		int k = 0;

		if (n > 9 && memcmp(text, "Producer=", 9) == 0)
			k = snprintf(line, sizeof(line), " generated by %.*s",
			             (int)MIN(n - 9, (size_t)200), text + 9);
		else if (equals && n < sizeof(line) - 8)
			k = snprintf(line, sizeof(line), " %.*s = %.*s", (int)(equals - text), text,
			             (int)(text + n - equals - 1), equals + 1);
		if (k > 0 && (size_t)k < sizeof(line))
			scan_comment(r->scan, line, line + k, line);
		text += n + 1;
	}
}

static void take_thumbnail(struct reader *r, const struct block *b, const uint8_t *bytes)
{
	struct gcode_thumbnail t = { .width = b->width, .height = b->height };

	if (b->size == 0)
		return;
	t.bytes = mem_dup(bytes, b->size);
	t.size = b->size;
	r->scan->ix->n_thumbnails++;
	gcode_thumbnail_offer(&r->scan->ix->thumbnail, &t);
}

static int take_gcode(struct reader *r, const struct block *b, const uint8_t *bytes,
                      struct err *err)
{
	const char *text = (const char *)bytes;
	size_t n = b->size;

	if (b->encoding == ENCODE_MEATPACK || b->encoding == ENCODE_MEATPACK_COMMENTS) {
		char *to = (char *)room_get(&r->decoded[r->turn], 2 * b->size);

		n = gcode_meatpack_decode(to, bytes, b->size);
		text = to;
	} else if (b->encoding != ENCODE_NONE) {
		return err_set(err, -EINVAL,
		               "this binary G-code is encoded by method %u, unknown "
		               "here",
		               b->encoding);
	}
	r->turn = (r->turn + 1) % ARRAY_LEN(r->unpacked);
	r->total += n;
	if (r->total > TOTAL_MAX)
		return err_set(err, -EFBIG, "this binary G-code unpacks to more than 4 GiB");
	return gcode_feeder_sink(r->feeder, text, n);
}

static int block_take(struct reader *r, const struct block *b, struct err *err)
{
	const uint8_t *bytes = NULL;
	int rc;

	if (b->size == 0)
		return 0;
	rc = block_unpack(r, b, &bytes, err);
	if (rc < 0)
		return rc;
	assert(bytes);
	/* Everything but text goes into the scan itself. */
	if (b->type != BLOCK_GCODE)
		gcode_feeder_drain(r->feeder);
	switch ((enum block_type)b->type) {
	case BLOCK_FILE_META:
	case BLOCK_SLICER_META:
	case BLOCK_PRINTER_META:
	case BLOCK_PRINT_META:
		take_metadata(r, (const char *)bytes, b->size);
		return 0;
	case BLOCK_THUMBNAIL:
		take_thumbnail(r, b, bytes);
		return 0;
	case BLOCK_GCODE:
		return take_gcode(r, b, bytes, err);
	}
	return 0; /* a kind that came later: the format lets readers pass it over */
}

int gcode_bgcode_index(const void *bytes, size_t size, const struct gcode_options *options,
                       struct gcode_index **ret, struct err *err)
{
	struct reader r = { .at = bytes, .end = (const uint8_t *)bytes + size };
	unsigned n = 0;
	int rc = 0;

	if (!gcode_is_binary(bytes, size))
		return err_set(err, -EINVAL, "this is no binary G-code");
	if (read32(r.at + 4) != 1 || read16(r.at + 8) > 1)
		return err_set(err, -EINVAL, "this binary G-code is of version %u, unknown here",
		               read32(r.at + 4));
	r.has_crc = read16(r.at + 8) == 1;
	r.at += FILE_HEAD;
	r.scan = gcode_scan_new(options);
	r.feeder = gcode_feeder_start(r.scan, (uint64_t)size * 4);
	while (rc == 0 && r.at < r.end && n++ < BLOCKS_MAX) {
		struct block b = { 0 };

		rc = block_read(&r, &b, err);
		if (rc < 0)
			break;
		assert(b.data);
		rc = block_take(&r, &b, err);
	}
	gcode_feeder_stop(r.feeder);
	gcode_inflater_free(r.inflater);
	for (unsigned i = 0; i < ARRAY_LEN(r.unpacked); i++) {
		free(r.unpacked[i].at);
		free(r.decoded[i].at);
	}
	if (rc == 0)
		return gcode_scan_end(r.scan, ret, err);
	gcode_scan_free(r.scan);
	return rc;
}
