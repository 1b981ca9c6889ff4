/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/h264.h"

#include "base/buf.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

/* nal_unit_type of H.264, table 7-1. */
enum {
	AVC_IDR = 5,
	AVC_SPS = 7,
	AVC_PPS = 8,
	AVC_DELIMITER = 9,
	AVC_FILLER = 12,
};

/* nal_unit_type of H.265, table 7-1. */
enum {
	HEVC_IRAP_FIRST = 16,
	HEVC_IRAP_LAST = 23,
	HEVC_VPS = 32,
	HEVC_SPS = 33,
	HEVC_PPS = 34,
	HEVC_DELIMITER = 35,
	HEVC_FILLER = 38,
};

/* ---- NAL units ---- */

/* Where the next 00 00 01 begins; `size` if nowhere. */
static size_t find_start(const uint8_t *b, size_t size, size_t from)
{
	for (size_t i = from; i + 3 <= size;) {
		const uint8_t *one = memchr(b + i + 2, 1, size - i - 2);

		if (!one)
			return size;
		i = (size_t)(one - b) - 2;
		if (b[i] == 0 && b[i + 1] == 0)
			return i;
		i++;
	}
	return size;
}

bool nal_next(const uint8_t **bytes, size_t *size, bool is_h265, struct nal *ret)
{
	for (;;) {
		size_t start = find_start(*bytes, *size, 0);

		if (start >= *size)
			return false;
		start += 3;

		size_t next = find_start(*bytes, *size, start), end = next;

		/* Zeros before a start code belong to it. */
		while (end > start && (*bytes)[end - 1] == 0)
			end--;
		ret->bytes = *bytes + start;
		ret->size = end - start;
		*bytes += next;
		*size -= next;
		if (ret->size < (is_h265 ? 2U : 1U))
			continue;
		ret->type = is_h265 ? ret->bytes[0] >> 1 & 0x3f : ret->bytes[0] & 0x1f;
		return true;
	}
}

bool nal_is_sample(const struct nal *n, bool is_h265)
{
	if (is_h265)
		return n->type != HEVC_DELIMITER && n->type != HEVC_FILLER;
	return n->type != AVC_DELIMITER && n->type != AVC_FILLER;
}

bool video_is_key(const uint8_t *bytes, size_t size, bool is_h265)
{
	struct nal n;

	while (nal_next(&bytes, &size, is_h265, &n)) {
		if (is_h265 && n.type < HEVC_VPS)
			return n.type >= HEVC_IRAP_FIRST && n.type <= HEVC_IRAP_LAST;
		if (!is_h265 && n.type >= 1 && n.type <= AVC_IDR)
			return n.type == AVC_IDR;
	}
	return false;
}

/* ---- bits ---- */

struct bits {
	uint8_t bytes[H264_MAX_SET]; /* without emulation prevention */
	size_t n_bits, at;
	bool is_short; /* more was read than there is */
};

static void bits_init(struct bits *b, const uint8_t *nal, size_t size)
{
	size_t n = 0, zeros = 0;

	for (size_t i = 0; i < size && n < sizeof(b->bytes); i++) {
		if (zeros >= 2 && nal[i] == 3) {
			zeros = 0;
			continue;
		}
		zeros = nal[i] ? 0 : zeros + 1;
		b->bytes[n++] = nal[i];
	}
	b->n_bits = n * 8;
	b->at = 0;
	b->is_short = false;
}

static unsigned bits_get(struct bits *b, unsigned n)
{
	unsigned v = 0;

	for (; n > 0; n--, b->at++) {
		if (b->at >= b->n_bits) {
			b->is_short = true;
			return 0;
		}
		v = v << 1 | (b->bytes[b->at / 8] >> (7 - b->at % 8) & 1U);
	}
	return v;
}

static void bits_skip(struct bits *b, size_t n)
{
	b->at += n;
	b->is_short |= b->at > b->n_bits;
}

/* ue(v), 9.1 of H.264 */
static unsigned bits_ue(struct bits *b)
{
	unsigned zeros = 0;

	while (!b->is_short && bits_get(b, 1) == 0)
		zeros++;
	if (b->is_short || zeros > 31) {
		b->is_short = true;
		return 0;
	}
	return (unsigned)((1ULL << zeros) - 1 + bits_get(b, zeros));
}

static int bits_se(struct bits *b)
{
	unsigned v = bits_ue(b);

	return v & 1 ? (int)(v / 2 + 1) : -(int)(v / 2);
}

/* ---- sequence parameter sets ---- */

static void skip_scaling_list(struct bits *b, unsigned n)
{
	int last = 8, next = 8;

	for (unsigned i = 0; i < n && !b->is_short; i++) {
		/* Unsigned: what a stream says may be as large as the type. */
		if (next != 0)
			next = (int)(((unsigned)last + (unsigned)bits_se(b)) % 256);
		last = next == 0 ? last : next;
	}
}

/* What profiles with more than 4:2:0 of 8 bits have in front. Returns chroma_format_idc. */
static unsigned skip_high(struct bits *b)
{
	unsigned chroma = bits_ue(b);

	if (chroma == 3)
		bits_skip(b, 1);
	(void)bits_ue(b);
	(void)bits_ue(b);
	bits_skip(b, 1);
	if (bits_get(b, 1)) {
		for (unsigned i = 0; i < (chroma == 3 ? 12U : 8U); i++)
			if (bits_get(b, 1))
				skip_scaling_list(b, i < 6 ? 16 : 64);
	}
	return chroma;
}

static void skip_picture_order(struct bits *b)
{
	unsigned type = bits_ue(b);

	if (type == 0) {
		(void)bits_ue(b);
	} else if (type == 1) {
		bits_skip(b, 1);
		(void)bits_se(b);
		(void)bits_se(b);
		for (unsigned n = bits_ue(b); n > 0 && !b->is_short; n--)
			(void)bits_se(b);
	}
}

static bool is_high(unsigned profile)
{
	static const uint8_t high[] = {
		100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135
	};

	return memchr(high, (int)profile, sizeof(high)) != NULL;
}

static bool is_sane(unsigned side)
{
	return side > 0 && side <= H264_MAX_SIDE;
}

bool h264_sps_size(const uint8_t *sps, size_t size, unsigned *ret_width, unsigned *ret_height)
{
	struct bits b;
	unsigned chroma = 1;

	if (size < 4)
		return false;
	bits_init(&b, sps + 1, size - 1);

	unsigned profile = bits_get(&b, 8);

	bits_skip(&b, 16);
	(void)bits_ue(&b);
	if (is_high(profile))
		chroma = skip_high(&b);
	(void)bits_ue(&b);
	skip_picture_order(&b);
	(void)bits_ue(&b);
	bits_skip(&b, 1);

	unsigned mbs_x = bits_ue(&b) + 1, units_y = bits_ue(&b) + 1;
	unsigned fields = bits_get(&b, 1) ? 1 : 2;

	if (fields == 2)
		bits_skip(&b, 1);
	bits_skip(&b, 1);
	if (mbs_x > H264_MAX_SIDE / 16 || units_y > H264_MAX_SIDE / 16)
		return false;

	unsigned width = mbs_x * 16, height = units_y * 16 * fields;
	unsigned unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
	unsigned unit_y = (chroma == 1 ? 2 : 1) * fields;

	if (bits_get(&b, 1)) {
		uint64_t left = bits_ue(&b), right = bits_ue(&b);
		uint64_t top = bits_ue(&b), bottom = bits_ue(&b);

		if ((left + right) * unit_x >= width || (top + bottom) * unit_y >= height)
			return false;
		width -= (unsigned)(left + right) * unit_x;
		height -= (unsigned)(top + bottom) * unit_y;
	}
	if (b.is_short || !is_sane(width) || !is_sane(height))
		return false;
	*ret_width = width;
	*ret_height = height;
	return true;
}

/* profile_tier_level() behind its general part, 7.3.3 of H.265. */
static void skip_sub_layers(struct bits *b, unsigned n)
{
	unsigned flags[8] = { 0 };

	for (unsigned i = 0; i < n; i++)
		flags[i] = bits_get(b, 2);
	if (n > 0)
		bits_skip(b, (size_t)2 * (8 - n));
	for (unsigned i = 0; i < n; i++)
		bits_skip(b, (flags[i] & 2 ? 88U : 0U) + (flags[i] & 1 ? 8U : 0U));
}

bool h265_sps_read(const uint8_t *sps, size_t size, struct video_params *ret)
{
	struct bits b;
	uint8_t ptl[12];

	if (size < 16)
		return false;
	bits_init(&b, sps + 2, size - 2);
	bits_skip(&b, 4);

	unsigned n_sub = bits_get(&b, 3);

	bits_skip(&b, 1);
	for (size_t i = 0; i < sizeof(ptl); i++)
		ptl[i] = (uint8_t)bits_get(&b, 8);
	skip_sub_layers(&b, n_sub);
	(void)bits_ue(&b);

	unsigned chroma = bits_ue(&b);

	if (chroma == 3)
		bits_skip(&b, 1);

	uint64_t width = bits_ue(&b), height = bits_ue(&b);

	if (bits_get(&b, 1)) {
		uint64_t left = bits_ue(&b), right = bits_ue(&b);
		uint64_t top = bits_ue(&b), bottom = bits_ue(&b);
		unsigned unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
		unsigned unit_y = chroma == 1 ? 2 : 1;

		if ((left + right) * unit_x >= width || (top + bottom) * unit_y >= height)
			return false;
		width -= (left + right) * unit_x;
		height -= (top + bottom) * unit_y;
	}

	unsigned luma = bits_ue(&b), chroma_bits = bits_ue(&b);

	if (b.is_short || chroma > 3 || luma > 8 || chroma_bits > 8 || width > H264_MAX_SIDE ||
	    height > H264_MAX_SIDE || width == 0 || height == 0)
		return false;
	memcpy(ret->ptl, ptl, sizeof(ptl));
	ret->chroma = chroma;
	ret->luma_bits = luma + 8;
	ret->chroma_bits = chroma_bits + 8;
	ret->width = (unsigned)width;
	ret->height = (unsigned)height;
	return true;
}

/* ---- parameter sets ---- */

static bool set_put(struct param_set *s, const struct nal *n)
{
	if (s->size == n->size && memcmp(s->bytes, n->bytes, n->size) == 0)
		return false;
	s->size = (uint16_t)n->size;
	memcpy(s->bytes, n->bytes, n->size);
	return true;
}

static bool take_sps(struct video_params *p, const struct nal *n)
{
	if (p->sps.size == n->size && memcmp(p->sps.bytes, n->bytes, n->size) == 0)
		return false;
	if (p->is_h265 ? !h265_sps_read(n->bytes, n->size, p)
	               : !h264_sps_size(n->bytes, n->size, &p->width, &p->height))
		return false;
	/* Picture parameter sets are of the sequence before. */
	p->n_pps = 0;
	return set_put(&p->sps, n);
}

/* pic_parameter_set_id of a PPS. */
static unsigned pps_id(const uint8_t *bytes, size_t size, bool is_h265)
{
	struct bits b;
	size_t head = is_h265 ? 2 : 1;

	bits_init(&b, bytes + head, size > head ? size - head : 0);
	return bits_ue(&b);
}

static bool take_pps(struct video_params *p, const struct nal *n)
{
	unsigned id = pps_id(n->bytes, n->size, p->is_h265);

	for (unsigned i = 0; i < p->n_pps; i++)
		if (pps_id(p->pps[i].bytes, p->pps[i].size, p->is_h265) == id)
			return set_put(&p->pps[i], n);
	if (p->n_pps == H264_MAX_PPS)
		return false;
	p->pps[p->n_pps].size = 0;
	return set_put(&p->pps[p->n_pps++], n);
}

bool video_params_take(struct video_params *p, const uint8_t *bytes, size_t size)
{
	bool is_h265 = p->is_h265, is_changed = false;
	struct nal n;

	while (nal_next(&bytes, &size, is_h265, &n)) {
		/* The sets stand in front of the picture. */
		if (is_h265 ? n.type < HEVC_VPS : n.type >= 1 && n.type <= AVC_IDR)
			break;
		if (n.size > H264_MAX_SET || n.size < 4)
			continue;
		if (n.type == (is_h265 ? (unsigned)HEVC_SPS : (unsigned)AVC_SPS))
			is_changed |= take_sps(p, &n);
		else if (n.type == (is_h265 ? (unsigned)HEVC_PPS : (unsigned)AVC_PPS))
			is_changed |= take_pps(p, &n);
		else if (is_h265 && n.type == HEVC_VPS)
			is_changed |= set_put(&p->vps, &n);
	}
	p->is_complete = p->sps.size > 0 && p->n_pps > 0 && (!is_h265 || p->vps.size > 0);
	return is_changed;
}

/* ---- what MP4 wants ---- */

static void put8(struct buf *out, unsigned v)
{
	buf_add_char(out, (char)(v & 0xff));
}

static void put_set(struct buf *out, const struct param_set *s)
{
	put8(out, s->size >> 8);
	put8(out, s->size);
	buf_add(out, s->bytes, s->size);
}

/* ISO/IEC 14496-15, 5.3.3.1.2 */
static void record_avc(const struct video_params *p, struct buf *out)
{
	put8(out, 1);
	buf_add(out, p->sps.bytes + 1, 3);
	put8(out, 0xff); /* lengths of 4 bytes */
	put8(out, 0xe1);
	put_set(out, &p->sps);
	put8(out, p->n_pps);
	for (unsigned i = 0; i < p->n_pps; i++)
		put_set(out, &p->pps[i]);
}

static void put_array(struct buf *out, unsigned type, const struct param_set *sets, unsigned n)
{
	put8(out, 0x80 | type);
	put8(out, 0);
	put8(out, n);
	for (unsigned i = 0; i < n; i++)
		put_set(out, &sets[i]);
}

/* ISO/IEC 14496-15, 8.3.3.1.2 */
static void record_hevc(const struct video_params *p, struct buf *out)
{
	put8(out, 1);
	buf_add(out, p->ptl, sizeof(p->ptl));
	put8(out, 0xf0);
	put8(out, 0);
	put8(out, 0xfc);
	put8(out, 0xfc | p->chroma);
	put8(out, 0xf8 | (p->luma_bits - 8));
	put8(out, 0xf8 | (p->chroma_bits - 8));
	put8(out, 0);
	put8(out, 0);
	put8(out, 1 << 3 | 1 << 2 | 3); /* one layer, nested, lengths of 4 bytes */
	put8(out, 3);
	put_array(out, HEVC_VPS, &p->vps, 1);
	put_array(out, HEVC_SPS, &p->sps, 1);
	put_array(out, HEVC_PPS, p->pps, p->n_pps);
}

void video_params_record(const struct video_params *p, struct buf *out)
{
	if (p->is_h265)
		record_hevc(p, out);
	else
		record_avc(p, out);
}

/* ISO/IEC 14496-15, annex E.3 */
static void codec_hevc(const struct video_params *p, char dst[VIDEO_CODEC_SIZE])
{
	static const char *const spaces[] = { "", "A", "B", "C" };
	uint32_t compat = 0;
	size_t n = 6;
	int at;

	for (unsigned i = 0; i < 32; i++)
		compat |= (uint32_t)(p->ptl[1 + i / 8] >> (7 - i % 8) & 1) << i;
	at = snprintf(dst, VIDEO_CODEC_SIZE, "hvc1.%s%u.%X.%c%u", spaces[p->ptl[0] >> 6],
	              p->ptl[0] & 0x1fU, (unsigned)compat, p->ptl[0] & 0x20 ? 'H' : 'L',
	              p->ptl[11]);
	while (n > 0 && p->ptl[5 + n - 1] == 0)
		n--;
	for (size_t i = 0; i < n && at < VIDEO_CODEC_SIZE; i++)
		at += snprintf(dst + at, VIDEO_CODEC_SIZE - (size_t)at, ".%X", p->ptl[5 + i]);
}

const char *video_params_codec(const struct video_params *p, char dst[VIDEO_CODEC_SIZE])
{
	if (p->is_h265)
		codec_hevc(p, dst);
	else
		(void)snprintf(dst, VIDEO_CODEC_SIZE, "avc1.%02X%02X%02X", p->sps.bytes[1],
		               p->sps.bytes[2], p->sps.bytes[3]);
	return dst;
}
