/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/mp4.h"

#include "base/buf.h"

#include <math.h>
#include <string.h>

static void put_u8(struct buf *b, unsigned v)
{
	buf_add_char(b, (char)v);
}

static void put_u16(struct buf *b, unsigned v)
{
	put_u8(b, v >> 8);
	put_u8(b, v);
}

static void put_u32(struct buf *b, uint32_t v)
{
	put_u16(b, v >> 16);
	put_u16(b, v);
}

static void put_u64(struct buf *b, uint64_t v)
{
	put_u32(b, (uint32_t)(v >> 32));
	put_u32(b, (uint32_t)v);
}

static void put_zeros(struct buf *b, unsigned n)
{
	while (n-- > 0)
		put_u8(b, 0);
}

/* Returns where the box begins, for box_end(). */
static size_t box(struct buf *b, const char name[static 4])
{
	size_t at = b->size;

	put_u32(b, 0);
	buf_add(b, name, 4);
	return at;
}

static size_t full_box(struct buf *b, const char name[static 4], uint32_t version_and_flags)
{
	size_t at = box(b, name);

	put_u32(b, version_and_flags);
	return at;
}

static void patch_u32(struct buf *b, size_t at, uint32_t v)
{
	if (b->overflown)
		return;
	for (int i = 0; i < 4; i++)
		b->data[at + (size_t)i] = (char)(v >> (24 - 8 * i));
}

static void box_end(struct buf *b, size_t at)
{
	patch_u32(b, at, (uint32_t)(b->size - at));
}

static void put_matrix(struct buf *b)
{
	static const uint32_t unity[9] = { 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000 };

	for (size_t i = 0; i < ARRAY_LEN(unity); i++)
		put_u32(b, unity[i]);
}

struct times {
	uint32_t scale;
	uint64_t duration; /* with the hold */
	uint32_t last;     /* ticks of the last sample */
	uint32_t delay;    /* frames between decoding and showing */
};

static struct times times_of(const struct mp4_film *f)
{
	struct times t = { .scale = (uint32_t)lround(f->fps * MP4_TICKS) };
	double hold = f->hold_s > 0 ? f->hold_s * t.scale : 0;

	t.last = MP4_TICKS + (uint32_t)MIN(hold, 1e9);
	t.duration = f->n_samples ? (uint64_t)(f->n_samples - 1) * MP4_TICKS + t.last : 0;
	for (uint32_t i = 0; i < f->n_samples; i++)
		if (f->samples[i].ahead < 0)
			t.delay = MAX(t.delay, (uint32_t)-f->samples[i].ahead);
	return t;
}

static void write_mvhd(struct buf *b, const struct times *t)
{
	size_t at = full_box(b, "mvhd", 1U << 24);

	put_u64(b, 0);
	put_u64(b, 0);
	put_u32(b, t->scale);
	put_u64(b, t->duration);
	put_u32(b, 0x10000); /* rate */
	put_u16(b, 0x100);   /* volume */
	put_zeros(b, 10);
	put_matrix(b);
	put_zeros(b, 24);
	put_u32(b, 2); /* next track */
	box_end(b, at);
}

static void write_tkhd(struct buf *b, const struct mp4_film *f, const struct times *t)
{
	size_t at = full_box(b, "tkhd", 1U << 24 | 3); /* enabled, in the film */

	put_u64(b, 0);
	put_u64(b, 0);
	put_u32(b, 1); /* track */
	put_u32(b, 0);
	put_u64(b, t->duration);
	put_zeros(b, 16);
	put_matrix(b);
	put_u32(b, (uint32_t)f->width << 16);
	put_u32(b, (uint32_t)f->height << 16);
	box_end(b, at);
}

/* Showing begins `delay` frames after decoding: the edit list takes them off again. */
static void write_edts(struct buf *b, const struct times *t)
{
	size_t edts = box(b, "edts");
	size_t at = full_box(b, "elst", 1U << 24);

	put_u32(b, 1);
	put_u64(b, t->duration);
	put_u64(b, (uint64_t)t->delay * MP4_TICKS);
	put_u32(b, 0x10000); /* at its own speed */
	box_end(b, at);
	box_end(b, edts);
}

static void write_mdhd_hdlr(struct buf *b, const struct times *t)
{
	size_t at = full_box(b, "mdhd", 1U << 24);

	put_u64(b, 0);
	put_u64(b, 0);
	put_u32(b, t->scale);
	put_u64(b, t->duration);
	put_u16(b, 0x55c4); /* "und" */
	put_u16(b, 0);
	box_end(b, at);

	at = full_box(b, "hdlr", 0);
	put_u32(b, 0);
	buf_add(b, "vide", 4);
	put_zeros(b, 12);
	buf_add(b, "VideoHandler", 13);
	box_end(b, at);
}

static void write_dinf(struct buf *b)
{
	size_t at = full_box(b, "vmhd", 1);

	put_zeros(b, 8);
	box_end(b, at);

	size_t dinf = box(b, "dinf"), dref = full_box(b, "dref", 0);

	put_u32(b, 1);
	at = full_box(b, "url ", 1); /* in this file */
	box_end(b, at);
	box_end(b, dref);
	box_end(b, dinf);
}

static void write_stsd(struct buf *b, const struct mp4_film *f)
{
	size_t stsd = full_box(b, "stsd", 0);

	put_u32(b, 1);

	size_t avc1 = box(b, "avc1");

	put_zeros(b, 6);
	put_u16(b, 1); /* data reference */
	put_zeros(b, 16);
	put_u16(b, f->width);
	put_u16(b, f->height);
	put_u32(b, 0x480000); /* 72 dpi */
	put_u32(b, 0x480000);
	put_u32(b, 0);
	put_u16(b, 1); /* frame per sample */
	put_zeros(b, 32);
	put_u16(b, 24);     /* depth */
	put_u16(b, 0xffff); /* no colour table */

	size_t at = box(b, "avcC");

	buf_add(b, f->avcc, f->avcc_size);
	box_end(b, at);

	/* ITU-T H.273: 1 is BT.709 for primaries, transfer and matrix; limited range. */
	at = box(b, "colr");
	buf_add(b, "nclx", 4);
	put_u16(b, 1);
	put_u16(b, 1);
	put_u16(b, 1);
	put_u8(b, 0);
	box_end(b, at);

	at = box(b, "pasp");
	put_u32(b, 1);
	put_u32(b, 1);
	box_end(b, at);
	box_end(b, avc1);
	box_end(b, stsd);
}

static void write_stts(struct buf *b, const struct mp4_film *f, const struct times *t)
{
	size_t at = full_box(b, "stts", 0);
	bool is_even = t->last == MP4_TICKS || f->n_samples < 2;

	put_u32(b, f->n_samples == 0 ? 0 : is_even ? 1 : 2);
	if (f->n_samples > 0 && is_even) {
		put_u32(b, f->n_samples);
		put_u32(b, f->n_samples == 1 ? t->last : MP4_TICKS);
	} else if (f->n_samples > 0) {
		put_u32(b, f->n_samples - 1);
		put_u32(b, MP4_TICKS);
		put_u32(b, 1);
		put_u32(b, t->last);
	}
	box_end(b, at);
}

static void write_ctts(struct buf *b, const struct mp4_film *f, const struct times *t)
{
	if (t->delay == 0)
		return;

	size_t at = full_box(b, "ctts", 0), count_at = b->size;
	uint32_t n = 0;

	put_u32(b, 0);
	for (uint32_t i = 0; i < f->n_samples;) {
		uint32_t run = 1;

		while (i + run < f->n_samples && f->samples[i + run].ahead == f->samples[i].ahead)
			run++;
		put_u32(b, run);
		put_u32(b, ((uint32_t)f->samples[i].ahead + t->delay) * MP4_TICKS);
		n++;
		i += run;
	}
	patch_u32(b, count_at, n);
	box_end(b, at);
}

static void write_stss_stsc(struct buf *b, const struct mp4_film *f)
{
	size_t at = full_box(b, "stss", 0);
	uint32_t sample = 1;

	put_u32(b, f->n_runs);
	for (uint32_t i = 0; i < f->n_runs; i++) {
		put_u32(b, sample);
		sample += f->runs[i].n_samples;
	}
	box_end(b, at);

	at = full_box(b, "stsc", 0);

	size_t count_at = b->size;
	uint32_t n = 0;

	put_u32(b, 0);
	for (uint32_t i = 0; i < f->n_runs; i++) {
		if (i > 0 && f->runs[i].n_samples == f->runs[i - 1].n_samples)
			continue;
		put_u32(b, i + 1);
		put_u32(b, f->runs[i].n_samples);
		put_u32(b, 1);
		n++;
	}
	patch_u32(b, count_at, n);
	box_end(b, at);
}

static void write_stsz_stco(struct buf *b, const struct mp4_film *f)
{
	size_t at = full_box(b, "stsz", 0);

	put_u32(b, 0);
	put_u32(b, f->n_samples);
	for (uint32_t i = 0; i < f->n_samples; i++)
		put_u32(b, f->samples[i].size);
	box_end(b, at);

	bool is_wide = f->n_runs > 0 && f->runs[f->n_runs - 1].offset > UINT32_MAX;

	at = full_box(b, is_wide ? "co64" : "stco", 0);
	put_u32(b, f->n_runs);
	for (uint32_t i = 0; i < f->n_runs; i++) {
		if (is_wide)
			put_u64(b, f->runs[i].offset);
		else
			put_u32(b, (uint32_t)f->runs[i].offset);
	}
	box_end(b, at);
}

uint64_t mp4_head_guess(uint64_t n_samples)
{
	/* A sample takes 4 (stsz) and at most 8 (ctts), a run 4 (stss), 12 (stsc) and 8 (co64). */
	return 2048 + n_samples * 13;
}

void mp4_write_head(struct buf *b, const struct mp4_film *f)
{
	const struct times t = times_of(f);
	size_t at = box(b, "ftyp");

	buf_add(b, "isom", 4);
	put_u32(b, 0x200);
	buf_add(b, "isomiso2avc1mp41", 16);
	box_end(b, at);

	size_t moov = box(b, "moov");

	write_mvhd(b, &t);

	size_t trak = box(b, "trak");

	write_tkhd(b, f, &t);
	write_edts(b, &t);

	size_t mdia = box(b, "mdia");

	write_mdhd_hdlr(b, &t);

	size_t minf = box(b, "minf");

	write_dinf(b);

	size_t stbl = box(b, "stbl");

	write_stsd(b, f);
	write_stts(b, f, &t);
	write_ctts(b, f, &t);
	write_stss_stsc(b, f);
	write_stsz_stco(b, f);
	box_end(b, stbl);
	box_end(b, minf);
	box_end(b, mdia);
	box_end(b, trak);
	box_end(b, moov);
}

/* The next unit after a start code within [p, end): its begin, and its size in *ret_size. */
static const uint8_t *next_unit(const uint8_t *p, const uint8_t *end, size_t *ret_size)
{
	static const uint8_t code[3] = { 0, 0, 1 };
	const uint8_t *unit = memmem(p, (size_t)(end - p), code, sizeof(code));

	if (!unit)
		return NULL;
	unit += sizeof(code);

	const uint8_t *stop = memmem(unit, (size_t)(end - unit), code, sizeof(code));

	if (!stop)
		stop = end;
	/* Zeros before the next start code belong to it; a unit never ends with one. */
	while (stop > unit && stop[-1] == 0)
		stop--;
	*ret_size = (size_t)(stop - unit);
	return unit;
}

#define UNIT_SEQUENCE 7
#define UNIT_PICTURE 8

static const uint8_t *find_unit(const uint8_t *p, const uint8_t *end, unsigned type,
                                size_t *ret_size)
{
	size_t size;

	for (const uint8_t *u = p; (u = next_unit(u, end, &size)); u += size)
		if (size > 3 && (u[0] & 0x1f) == type) {
			*ret_size = size;
			return u;
		}
	return NULL;
}

bool mp4_avcc(struct buf *ret, const uint8_t *bytes, size_t size)
{
	const uint8_t *end = bytes + size;
	size_t sps_size = 0, pps_size = 0;

	if (size > 7 && bytes[0] == 1) {
		buf_add(ret, bytes, size);
		return true;
	}

	const uint8_t *sps = find_unit(bytes, end, UNIT_SEQUENCE, &sps_size);
	const uint8_t *pps = find_unit(bytes, end, UNIT_PICTURE, &pps_size);

	if (!sps || !pps || sps_size > UINT16_MAX || pps_size > UINT16_MAX)
		return false;
	put_u8(ret, 1);
	buf_add(ret, sps + 1, 3); /* profile, compatibility, level */
	put_u8(ret, 0xff);        /* lengths of 4 bytes */
	put_u8(ret, 0xe1);        /* one sequence set */
	put_u16(ret, (unsigned)sps_size);
	buf_add(ret, sps, sps_size);
	put_u8(ret, 1);
	put_u16(ret, (unsigned)pps_size);
	buf_add(ret, pps, pps_size);
	if (sps[1] >= 100) { /* High: 4:2:0, 8 bits, 8 bits, no extensions */
		put_u8(ret, 0xfd);
		put_u8(ret, 0xf8);
		put_u8(ret, 0xf8);
		put_u8(ret, 0);
	}
	return !ret->overflown;
}

void mp4_add_sample(struct buf *b, const uint8_t *bytes, size_t size)
{
	const uint8_t *end = bytes + size, *p = bytes;
	size_t unit_size;

	while ((p = next_unit(p, end, &unit_size))) {
		put_u32(b, (uint32_t)unit_size);
		buf_add(b, p, unit_size);
		p += unit_size;
	}
}
