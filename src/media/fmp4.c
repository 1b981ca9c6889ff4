/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/fmp4.h"

#include "base/buf.h"
#include "media/h264.h"

#include <assert.h>
#include <string.h>

static void put(struct buf *out, uint64_t v, unsigned n)
{
	uint8_t b[8];

	for (unsigned i = 0; i < n; i++)
		b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	buf_add(out, b, n);
}

static void zeros(struct buf *out, size_t n)
{
	static const uint8_t none[64];

	buf_add(out, none, n);
}

/* Returns where the box begins, for box_end(). */
static size_t box_begin(struct buf *out, const char type[5])
{
	size_t at = out->size;

	put(out, 0, 4);
	buf_add(out, type, 4);
	return at;
}

static size_t full_begin(struct buf *out, const char type[5], unsigned version, uint32_t flags)
{
	size_t at = box_begin(out, type);

	put(out, version, 1);
	put(out, flags, 3);
	return at;
}

static void patch32(struct buf *out, size_t at, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		out->data[at + i] = (char)(uint8_t)(v >> (24 - 8 * i));
}

static void box_end(struct buf *out, size_t at)
{
	patch32(out, at, (uint32_t)(out->size - at));
}

/* ---- init segment ---- */

static void put_ftyp(struct buf *out)
{
	size_t at = box_begin(out, "ftyp");

	buf_add(out, "iso6", 4);
	put(out, 1, 4);
	buf_add(out,
	        "iso6isom"
	        "mp41",
	        12);
	box_end(out, at);
}

static void put_mvhd(struct buf *out)
{
	size_t at = full_begin(out, "mvhd", 0, 0);

	zeros(out, 8);
	put(out, FMP4_TIMESCALE, 4);
	put(out, 0, 4);
	put(out, 0x10000, 4);
	put(out, 0x100, 2);
	zeros(out, 10);
	put(out, 0x10000, 4);
	zeros(out, 12);
	put(out, 0x10000, 4);
	zeros(out, 12);
	put(out, 0x40000000, 4);
	zeros(out, 24);
	put(out, 2, 4);
	box_end(out, at);
}

/* a b u, c d v, x y w of 8.3.2: (x, y) of the picture becomes (ax + cy + tx, bx + dy + ty). */
static void put_matrix(struct buf *out, const struct video_params *p, const struct fmp4_turn *t)
{
	static const int8_t turns[4][4] = {
		{ 1, 0, 0, 1 }, { 0, 1, -1, 0 }, { -1, 0, 0, -1 }, { 0, -1, 1, 0 }
	};
	const int8_t *m = turns[t->degrees / 90 % 4];
	int h = t->is_flipped_h ? -1 : 1, v = t->is_flipped_v ? -1 : 1;
	int a = m[0] * h, b = m[1] * h, c = m[2] * v, d = m[3] * v;
	int width = (int)p->width, height = (int)p->height;
	/* What lies left of or above the corner is brought back. */
	int x = (a < 0 ? width : 0) + (c < 0 ? height : 0);
	int y = (b < 0 ? width : 0) + (d < 0 ? height : 0);

	put(out, (uint32_t)(a * 0x10000), 4);
	put(out, (uint32_t)(b * 0x10000), 4);
	put(out, 0, 4);
	put(out, (uint32_t)(c * 0x10000), 4);
	put(out, (uint32_t)(d * 0x10000), 4);
	put(out, 0, 4);
	put(out, (uint32_t)(x * 0x10000), 4);
	put(out, (uint32_t)(y * 0x10000), 4);
	put(out, 0x40000000, 4);
}

static void put_tkhd(struct buf *out, const struct video_params *p, const struct fmp4_turn *t)
{
	size_t at = full_begin(out, "tkhd", 0, 3);

	zeros(out, 8);
	put(out, 1, 4);
	zeros(out, 4 + 4 + 8 + 8);
	put_matrix(out, p, t);
	put(out, (uint64_t)p->width << 16, 4);
	put(out, (uint64_t)p->height << 16, 4);
	box_end(out, at);
}

static void put_mdhd(struct buf *out)
{
	size_t at = full_begin(out, "mdhd", 0, 0);

	zeros(out, 8);
	put(out, FMP4_TIMESCALE, 4);
	put(out, 0, 4);
	put(out, 0x55c4, 2); /* und */
	put(out, 0, 2);
	box_end(out, at);
	at = full_begin(out, "hdlr", 0, 0);
	zeros(out, 4);
	buf_add(out, "vide", 4);
	zeros(out, 12);
	buf_add(out, "Bedside", 8);
	box_end(out, at);
}

static void put_sample_entry(struct buf *out, const struct video_params *p)
{
	size_t entry = box_begin(out, p->is_h265 ? "hvc1" : "avc1");

	zeros(out, 6);
	put(out, 1, 2);
	zeros(out, 16);
	put(out, p->width, 2);
	put(out, p->height, 2);
	put(out, 0x480000, 4);
	put(out, 0x480000, 4);
	zeros(out, 4);
	put(out, 1, 2);
	zeros(out, 32);
	put(out, 0x18, 2);
	put(out, 0xffff, 2);

	size_t record = box_begin(out, p->is_h265 ? "hvcC" : "avcC");

	video_params_record(p, out);
	box_end(out, record);
	box_end(out, entry);
}

static void put_table(struct buf *out, const char type[5], size_t n)
{
	size_t at = full_begin(out, type, 0, 0);

	zeros(out, n);
	box_end(out, at);
}

static void put_minf(struct buf *out, const struct video_params *p)
{
	size_t minf = box_begin(out, "minf"), at = full_begin(out, "vmhd", 0, 1), dref;

	zeros(out, 8);
	box_end(out, at);
	at = box_begin(out, "dinf");
	dref = full_begin(out, "dref", 0, 0);
	put(out, 1, 4);
	box_end(out, full_begin(out, "url ", 0, 1));
	box_end(out, dref);
	box_end(out, at);

	size_t stbl = box_begin(out, "stbl");

	at = full_begin(out, "stsd", 0, 0);
	put(out, 1, 4);
	put_sample_entry(out, p);
	box_end(out, at);
	put_table(out, "stts", 4);
	put_table(out, "stsc", 4);
	put_table(out, "stsz", 8);
	put_table(out, "stco", 4);
	box_end(out, stbl);
	box_end(out, minf);
}

static void put_mvex(struct buf *out)
{
	size_t mvex = box_begin(out, "mvex"), trex = full_begin(out, "trex", 0, 0);

	put(out, 1, 4);
	put(out, 1, 4);
	zeros(out, 12);
	box_end(out, trex);
	box_end(out, mvex);
}

void fmp4_init(struct buf *out, const struct video_params *p, const struct fmp4_turn *turn)
{
	static const struct fmp4_turn none;

	assert(p->is_complete);
	put_ftyp(out);

	size_t moov = box_begin(out, "moov");

	put_mvhd(out);

	size_t trak = box_begin(out, "trak");

	put_tkhd(out, p, turn ? turn : &none);

	size_t mdia = box_begin(out, "mdia");

	put_mdhd(out);
	put_minf(out, p);
	box_end(out, mdia);
	box_end(out, trak);
	put_mvex(out);
	box_end(out, moov);
}

/* ---- fragments ---- */

#define SAMPLE_KEY 0x02000000   /* depends on no other */
#define SAMPLE_DELTA 0x01010000 /* depends on others, no sync sample */

static int64_t ticks(int64_t us)
{
	return us * (FMP4_TIMESCALE / 1000) / 1000;
}

/* Lengths instead of start codes. */
static size_t put_sample(struct buf *out, bool is_h265, const struct fmp4_sample *s)
{
	const uint8_t *bytes = s->bytes;
	size_t left = s->size, before = out->size;
	struct nal n;

	while (nal_next(&bytes, &left, is_h265, &n)) {
		if (!nal_is_sample(&n, is_h265))
			continue;
		put(out, n.size, 4);
		buf_add(out, n.bytes, n.size);
	}
	return out->size - before;
}

void fmp4_fragment(struct buf *out, uint32_t number, bool is_h265, const struct fmp4_sample *s,
                   size_t n)
{
	assert(n > 0 && n <= FMP4_MAX_SAMPLES);

	size_t moof = box_begin(out, "moof"), at = full_begin(out, "mfhd", 0, 0);

	put(out, number, 4);
	box_end(out, at);

	size_t traf = box_begin(out, "traf");

	at = full_begin(out, "tfhd", 0, 0x020000); /* data offsets from the moof's beginning */
	put(out, 1, 4);
	box_end(out, at);
	at = full_begin(out, "tfdt", 1, 0);
	put(out, (uint64_t)ticks(s[0].dts_us), 8);
	box_end(out, at);

	/* data offset; duration, size, flags and composition offset of each sample */
	size_t trun = full_begin(out, "trun", 1, 0x000f01);

	put(out, n, 4);

	size_t offset_at = out->size;

	put(out, 0, 4);

	size_t samples_at = out->size;

	for (size_t i = 0; i < n; i++) {
		int64_t end_us = i + 1 < n ? s[i + 1].dts_us : s[i].dts_us + s[i].duration_us;

		put(out, (uint32_t)(ticks(end_us) - ticks(s[i].dts_us)), 4);
		put(out, 0, 4);
		put(out, s[i].is_key ? SAMPLE_KEY : SAMPLE_DELTA, 4);
		put(out, (uint32_t)(int32_t)(ticks(s[i].pts_us) - ticks(s[i].dts_us)), 4);
	}
	box_end(out, trun);
	box_end(out, traf);
	box_end(out, moof);

	size_t mdat = box_begin(out, "mdat");

	patch32(out, offset_at, (uint32_t)(out->size - moof));
	for (size_t i = 0; i < n; i++)
		patch32(out, samples_at + 16 * i + 4, (uint32_t)put_sample(out, is_h265, &s[i]));
	box_end(out, mdat);
}
