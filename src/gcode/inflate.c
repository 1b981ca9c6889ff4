/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/inflate.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define WINDOW 32768
#define PIECE ((size_t)256 << 10)
#define MATCH_MAX 258
#define OUT_SLACK 64 /* words are copied past a match's end */

#define LITLEN_BITS 11
#define DIST_BITS 8
#define PRE_BITS 7
/* The largest tables that complete codes can need: zlib's "enough 288 11 15" and "32 8 15". */
#define LITLEN_SIZE 2342
#define DIST_SIZE 402
#define CODE_MAX 15

/*
 * One entry of a decoding table:
 *   bits 0–7    how many bits to take in all: the code and its extra bits
 *   bits 8–15   of these, the code's; of a subtable: its size in bits
 *   bits 16–    literal, base of a length (9 bits) or of a distance (15), or where the subtable
 *               begins (12)
 * A special entry that is neither a subtable nor the end is no code at all.
 */
#define E_LITERAL 0x80000000u
#define E_SPECIAL 0x40000000u
#define E_SUBTABLE 0x20000000u
#define E_END 0x10000000u
#define E_DIST_SPECIAL 0x80000000u
#define E_DIST_SUBTABLE 0x40000000u

struct inflater {
	const uint8_t *in, *in_end;
	uint64_t bits;
	unsigned n_bits;
	unsigned n_beyond; /* zero bytes read past the end */

	uint8_t *out; /* next byte goes here */
	uint8_t *flushed;
	const uint8_t *oldest; /* of the bytes that a match may reach */
	uint64_t n_out, max;
	gcode_sink_fn *sink;
	void *arg;

	uint32_t litlen[LITLEN_SIZE];
	uint32_t dist[DIST_SIZE];
	uint8_t buffer[WINDOW + PIECE + MATCH_MAX + OUT_SLACK];
};

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* At least 56 bits are there afterwards; zeros follow the input's end. */
static inline void refill(struct inflater *f)
{
	if (f->in_end - f->in >= 8) {
		f->bits |= load64(f->in) << f->n_bits;
		f->in += (63 - f->n_bits) >> 3;
		f->n_bits |= 56;
		return;
	}
	while (f->n_bits < 56) {
		if (f->in < f->in_end)
			f->bits |= (uint64_t)*f->in++ << f->n_bits;
		else
			f->n_beyond++;
		f->n_bits += 8;
	}
}

static inline unsigned take(struct inflater *f, unsigned n)
{
	unsigned v = (unsigned)(f->bits & ((1ULL << n) - 1));

	f->bits >>= n;
	f->n_bits -= n;
	return v;
}

/* More was taken than the input had? */
static bool is_overdrawn(const struct inflater *f)
{
	return f->n_beyond * 8 > f->n_bits;
}

static int flush(struct inflater *f)
{
	size_t n = (size_t)(f->out - f->flushed);

	if (n == 0)
		return 0;
	f->n_out += n;
	if (f->n_out > f->max)
		return -EFBIG;

	int rc = f->sink(f->arg, f->flushed, n);

	if (rc < 0)
		return rc;

	size_t keep = (size_t)(f->out - f->oldest);

	keep = keep < WINDOW ? keep : WINDOW;
	memmove(f->buffer + WINDOW - keep, f->out - keep, keep);
	f->out = f->flushed = f->buffer + WINDOW;
	f->oldest = f->buffer + WINDOW - keep;
	return 0;
}

/* How symbols look in the table. */
struct code_kind {
	unsigned table_bits;
	uint32_t special, subtable; /* the flags of this alphabet */
	uint32_t (*entry)(unsigned symbol);
};

/* Everything of an entry but the code's length; its extra bits in 0–7. */
static uint32_t litlen_entry(unsigned symbol)
{
	static const uint16_t base[29] = { 3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
		                           15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
		                           67, 83, 99, 115, 131, 163, 195, 227, 258 };
	static const uint8_t extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
		                           2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };

	if (symbol < 256)
		return E_LITERAL | symbol << 16;
	if (symbol == 256)
		return E_SPECIAL | E_END;
	if (symbol > 285)
		return E_SPECIAL;
	return (uint32_t)base[symbol - 257] << 16 | extra[symbol - 257];
}

static uint32_t dist_entry(unsigned symbol)
{
	if (symbol > 29)
		return E_DIST_SPECIAL;

	unsigned extra = symbol < 2 ? 0 : symbol / 2 - 1;
	unsigned base = symbol < 2 ? symbol + 1 : ((2 + (symbol & 1)) << extra) + 1;

	return (uint32_t)base << 16 | extra;
}

static uint32_t pre_entry(unsigned symbol)
{
	return E_LITERAL | symbol << 16;
}

static const struct code_kind litlen_kind = { LITLEN_BITS, E_SPECIAL, E_SUBTABLE, litlen_entry };
static const struct code_kind dist_kind = { DIST_BITS, E_DIST_SPECIAL, E_DIST_SUBTABLE,
	                                    dist_entry };
static const struct code_kind pre_kind = { PRE_BITS, E_SPECIAL, E_SUBTABLE, pre_entry };

static uint32_t reverse(uint32_t code, unsigned n)
{
	uint32_t r = 0;

	for (; n > 0; n--, code >>= 1)
		r = r << 1 | (code & 1);
	return r;
}

/* Complete, or one code of one bit as zlib allows. Fills `next` with each length's first code. */
static bool code_is_sound(const uint16_t count[CODE_MAX + 1], uint32_t next[CODE_MAX + 1])
{
	uint32_t code = 0;
	int left = 1;
	unsigned longest = 0;

	for (unsigned n = 1; n <= CODE_MAX; n++) {
		left = left * 2 - count[n];
		if (left < 0)
			return false;
		code = (code + (n > 1 ? count[n - 1] : 0)) << 1;
		next[n] = code;
		if (count[n] > 0)
			longest = n;
	}
	return left == 0 || longest <= 1;
}

/* How many bits the subtable needs that begins with a code of `n` bits. */
static unsigned subtable_bits(const uint16_t left[CODE_MAX + 1], unsigned n, unsigned table_bits)
{
	unsigned bits = n - table_bits;
	int space = 1 << bits;

	for (unsigned k = n; k < CODE_MAX; k++) {
		space -= left[k];
		if (space <= 0)
			break;
		bits++;
		space <<= 1;
	}
	return bits;
}

struct table {
	uint32_t *at;
	size_t size, used;
	const struct code_kind *kind;
	uint16_t left[CODE_MAX + 1]; /* codes of each length still to be placed */
};

/* Places one code of `n` bits, `code` being reversed already. */
static bool table_put(struct table *t, uint32_t code, unsigned n, uint32_t entry)
{
	unsigned bits = t->kind->table_bits;
	uint32_t extra = entry & 0xff;

	entry &= ~0xffu;
	if (n <= bits) {
		for (uint32_t i = code; i < 1u << bits; i += 1u << n)
			t->at[i] = entry | n << 8 | (n + extra);
		t->left[n]--;
		return true;
	}

	uint32_t *root = &t->at[code & ((1u << bits) - 1)];

	if (*root == t->kind->special) {
		unsigned sub = subtable_bits(t->left, n, bits);

		if (t->used + (1u << sub) > t->size)
			return false;
		*root = t->kind->special | t->kind->subtable | (uint32_t)t->used << 16 | sub << 8 |
		        bits;
		for (uint32_t i = 0; i < 1u << sub; i++)
			t->at[t->used + i] = t->kind->special;
		t->used += 1u << sub;
	}

	uint32_t *sub_at = &t->at[*root >> 16 & 0xfff];
	unsigned sub = *root >> 8 & 0xff;
	unsigned rest = n - bits;

	if (rest > sub)
		return false;
	for (uint32_t i = code >> bits; i < 1u << sub; i += 1u << rest)
		sub_at[i] = entry | rest << 8 | (rest + extra);
	t->left[n]--;
	return true;
}

/* Builds the table for codes of these lengths, in the order of the codes. */
static bool table_build(uint32_t *at, size_t size, const struct code_kind *kind,
                        const uint8_t *lengths, unsigned n_symbols)
{
	struct table t = { .at = at, .size = size, .used = 1u << kind->table_bits, .kind = kind };
	uint32_t next[CODE_MAX + 1];
	uint16_t first[CODE_MAX + 2] = { 0 };
	uint16_t sorted[288];

	for (unsigned i = 0; i < n_symbols; i++)
		t.left[lengths[i]]++;
	t.left[0] = 0;
	if (!code_is_sound(t.left, next))
		return false;
	for (size_t i = 0; i < t.used; i++)
		at[i] = kind->special;
	for (unsigned n = 1; n <= CODE_MAX; n++)
		first[n + 1] = (uint16_t)(first[n] + t.left[n]);

	unsigned total = first[CODE_MAX + 1];

	for (unsigned i = 0; i < n_symbols; i++)
		if (lengths[i] > 0)
			sorted[first[lengths[i]]++] = (uint16_t)i;
	for (unsigned i = 0; i < total; i++) {
		unsigned n = lengths[sorted[i]];

		if (!table_put(&t, reverse(next[n]++, n), n, kind->entry(sorted[i])))
			return false;
	}
	return true;
}

/* The code lengths of both alphabets, themselves coded. */
static bool lengths_read(struct inflater *f, uint8_t *lengths, unsigned n)
{
	unsigned i = 0;

	while (i < n) {
		refill(f);

		uint32_t e = f->litlen[f->bits & ((1u << PRE_BITS) - 1)];
		unsigned symbol = e >> 16 & 0xff;
		unsigned repeat = 1;
		uint8_t value = (uint8_t)symbol;

		if (!(e & E_LITERAL) || is_overdrawn(f))
			return false;
		(void)take(f, e & 0xff);
		if (symbol == 16) {
			if (i == 0)
				return false;
			value = lengths[i - 1];
			repeat = 3 + take(f, 2);
		} else if (symbol >= 17) {
			value = 0;
			repeat = symbol == 17 ? 3 + take(f, 3) : 11 + take(f, 7);
		}
		if (i + repeat > n)
			return false;
		memset(lengths + i, value, repeat);
		i += repeat;
	}
	return true;
}

static bool tables_dynamic(struct inflater *f)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
		                           11, 4,  12, 3, 13, 2, 14, 1, 15 };
	uint8_t pre[19] = { 0 };
	uint8_t lengths[288 + 32] = { 0 };

	refill(f);

	unsigned n_litlen = take(f, 5) + 257;
	unsigned n_dist = take(f, 5) + 1;
	unsigned n_pre = take(f, 4) + 4;

	if (n_litlen > 286 || n_dist > 30)
		return false;
	for (unsigned i = 0; i < n_pre; i++) {
		refill(f);
		pre[order[i]] = (uint8_t)take(f, 3);
	}
	/* The pre-code borrows the table of the lengths. */
	return table_build(f->litlen, LITLEN_SIZE, &pre_kind, pre, 19) &&
	       lengths_read(f, lengths, n_litlen + n_dist) && lengths[256] > 0 &&
	       table_build(f->dist, DIST_SIZE, &dist_kind, lengths + n_litlen, n_dist) &&
	       table_build(f->litlen, LITLEN_SIZE, &litlen_kind, lengths, n_litlen);
}

static bool tables_fixed(struct inflater *f)
{
	uint8_t lengths[288];

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	if (!table_build(f->litlen, LITLEN_SIZE, &litlen_kind, lengths, 288))
		return false;
	memset(lengths, 5, 32);
	return table_build(f->dist, DIST_SIZE, &dist_kind, lengths, 32);
}

static inline uint8_t *copy_match(uint8_t *out, size_t distance, size_t length)
{
	const uint8_t *from = out - distance;
	uint8_t *end = out + length;

	if (distance >= 8) {
		do {
			memcpy(out, from, 8);
			memcpy(out + 8, from + 8, distance >= 16 ? 8 : 0);
			from += distance >= 16 ? 16 : 8;
			out += distance >= 16 ? 16 : 8;
		} while (out < end);
	} else if (distance == 1) {
		memset(out, *from, length);
	} else {
		while (out < end)
			*out++ = *from++;
	}
	return end;
}

/* The distance that follows a length, 0 if there is none. */
static inline size_t read_distance(struct inflater *f)
{
	uint32_t e = f->dist[f->bits & ((1u << DIST_BITS) - 1)];

	if (e & E_DIST_SPECIAL) {
		unsigned sub = e >> 8 & 0xff;

		if (!(e & E_DIST_SUBTABLE))
			return 0;
		(void)take(f, DIST_BITS);
		e = f->dist[(e >> 16 & 0xfff) + (f->bits & ((1u << sub) - 1))];
		if (e & E_DIST_SPECIAL)
			return 0;
	}

	unsigned code = e >> 8 & 0xff;
	unsigned all = e & 0xff;

	return (e >> 16) + (take(f, all) >> code);
}

enum {
	STEP_ON,
	STEP_END,
	STEP_BAD
};

/* The length that an entry stands for, and the distance after it: copies. */
static inline int step_match(struct inflater *f, uint32_t e, uint8_t **out)
{
	unsigned code = e >> 8 & 0xff;
	size_t length = (e >> 16 & 0x1ff) + (take(f, e & 0xff) >> code);

	refill(f);

	size_t distance = read_distance(f);

	if (distance == 0 || distance > (size_t)(*out - f->oldest))
		return STEP_BAD;
	*out = copy_match(*out, distance, length);
	return STEP_ON;
}

/* Symbols of one block until it ends or the piece is full (STEP_ON). */
static int block_step(struct inflater *f)
{
	const uint8_t *full = f->buffer + WINDOW + PIECE;
	uint8_t *out = f->out;
	int step = STEP_ON;

	while (out < full && step == STEP_ON) {
		refill(f);
		if (f->n_beyond > 0 && is_overdrawn(f))
			return STEP_BAD;

		uint32_t e = f->litlen[f->bits & ((1u << LITLEN_BITS) - 1)];

		/* Three literals take 33 bits at most and leave enough for a length. */
		for (unsigned k = 0; (e & E_LITERAL) && k < 3; k++) {
			(void)take(f, e & 0xff);
			*out++ = (uint8_t)(e >> 16);
			e = f->litlen[f->bits & ((1u << LITLEN_BITS) - 1)];
		}
		if (e & E_LITERAL)
			continue;
		if (e & E_SUBTABLE && e & E_SPECIAL) {
			unsigned sub = e >> 8 & 0xff;

			(void)take(f, LITLEN_BITS);
			e = f->litlen[(e >> 16 & 0xfff) + (f->bits & ((1u << sub) - 1))];
		}
		if (e & E_LITERAL) {
			(void)take(f, e & 0xff);
			*out++ = (uint8_t)(e >> 16);
		} else if (e & E_SPECIAL) {
			(void)take(f, e & 0xff);
			step = e & E_END ? STEP_END : STEP_BAD;
		} else {
			step = step_match(f, e, &out);
		}
	}
	f->out = out;
	return step;
}

static int block_coded(struct inflater *f)
{
	for (;;) {
		int step = block_step(f);

		if (step == STEP_BAD)
			return -EBADMSG;
		if (step == STEP_END)
			return 0;

		int rc = flush(f);

		if (rc < 0)
			return rc;
	}
}

/* Gives back what was read ahead, so that `in` is at the next whole byte. */
static bool byte_align(struct inflater *f)
{
	(void)take(f, f->n_bits & 7);

	unsigned n = f->n_bits / 8;

	if (n < f->n_beyond)
		return false;
	f->in -= n - f->n_beyond;
	f->n_beyond = f->n_bits = 0;
	f->bits = 0;
	return true;
}

static int block_stored(struct inflater *f)
{
	if (!byte_align(f) || f->in_end - f->in < 4)
		return -EBADMSG;

	size_t n = f->in[0] | (size_t)f->in[1] << 8;
	size_t not_n = f->in[2] | (size_t)f->in[3] << 8;

	f->in += 4;
	if ((n ^ not_n) != 0xffff || (size_t)(f->in_end - f->in) < n)
		return -EBADMSG;
	while (n > 0) {
		size_t room = (size_t)(f->buffer + WINDOW + PIECE - f->out);
		size_t part = n < room ? n : room;

		memcpy(f->out, f->in, part);
		f->out += part;
		f->in += part;
		n -= part;
		if (f->out < f->buffer + WINDOW + PIECE)
			continue;

		int rc = flush(f);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int block(struct inflater *f, bool *ret_is_last)
{
	refill(f);
	*ret_is_last = take(f, 1);
	switch (take(f, 2)) {
	case 0:
		return block_stored(f);
	case 1:
		return tables_fixed(f) ? block_coded(f) : -EBADMSG;
	case 2:
		return tables_dynamic(f) ? block_coded(f) : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

int64_t gcode_inflate(const void *src, size_t size, uint64_t max, gcode_sink_fn *sink, void *arg)
{
	struct inflater *f = mem_new(sizeof(*f));
	bool is_last = false;
	int rc = 0;

	f->in = src;
	f->in_end = f->in + size;
	f->out = f->flushed = f->buffer + WINDOW;
	f->oldest = f->out;
	f->max = max;
	f->sink = sink;
	f->arg = arg;
	while (rc == 0 && !is_last)
		rc = block(f, &is_last);
	if (rc == 0 && is_overdrawn(f))
		rc = -EBADMSG;
	if (rc == 0)
		rc = flush(f);

	int64_t n = rc < 0 ? rc : (int64_t)f->n_out;

	free(f);
	return n;
}
