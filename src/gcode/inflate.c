/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/inflate.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gcode/number.h"

#define WINDOW 32768
#define PIECE ((size_t)128 << 10) /* with three more it stays in a core's second cache */
#define PIECES 4
#define OUT_SLACK GCODE_INFLATE_SLACK /* words are copied past a match's end */
#define IN_SAFE 24                    /* bytes that one turn of the loop may look at */

#define LITLEN_BITS 11
#define DIST_BITS 8
#define PRE_BITS 7
/* The largest tables that complete codes can need: zlib's "enough 288 11 15" and "32 8 15". */
#define LITLEN_SIZE 2342
#define DIST_SIZE 402
#define CODE_MAX 15

/*
 * One entry of a decoding table:
 *   bits 0–5    how many bits to take in all: the codes and the extra bits
 *   bits 6–7    how many literals it stands for, 0–3: short codes are decoded together
 *   bits 8–31   those literals, the first one lowest; without any:
 *   bits 8–11   how many of the bits are the code's; of a subtable: its size in bits
 *   bits 12–26  base of a length (9 bits) or of a distance (15), or where the subtable begins (12)
 *   bits 29–31  what else it is
 * A special entry that is neither a subtable nor the end is no code at all.
 */
#define E_LITERALS 0xc0u
#define E_LITERAL 0x40u
#define E_SPECIAL 0x80000000u
#define E_SUBTABLE 0x40000000u
#define E_END 0x20000000u

/* What is read ahead of the input; a copy on the stack stays in registers. */
struct bits {
	const uint8_t *in, *end;
	uint64_t held;
	unsigned n;
	unsigned n_beyond; /* zero bytes read past the end */
};

struct gcode_inflater {
	struct bits bits;

	uint8_t *out; /* next byte goes here */
	uint8_t *full;
	uint8_t *flushed;
	const uint8_t *oldest; /* of the bytes that a match may reach */
	uint64_t n_out, max;
	gcode_sink_fn *sink; /* NULL: into memory, which ends at `full` */
	void *arg;

	uint32_t litlen[LITLEN_SIZE];
	uint32_t dist[DIST_SIZE];
	uint32_t single[LITLEN_SIZE]; /* of which `litlen` is made */
	uint8_t *buffer;              /* WINDOW, PIECES of PIECE, slack */
};

static ALWAYS_INLINE uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

/* At least 56 bits are there afterwards. */
static ALWAYS_INLINE void refill_fast(struct bits *b)
{
	b->held |= load64(b->in) << b->n;
	b->in += (63 - b->n) >> 3;
	b->n |= 56;
}

/* The same near the input's end, which zeros follow. */
static inline void refill(struct bits *b)
{
	if (b->end - b->in >= 8) {
		refill_fast(b);
		return;
	}
	while (b->n < 56) {
		if (b->in < b->end)
			b->held |= (uint64_t)*b->in++ << b->n;
		else
			b->n_beyond++;
		b->n += 8;
	}
}

static ALWAYS_INLINE unsigned take(struct bits *b, unsigned n)
{
	unsigned v = (unsigned)(b->held & ((1ULL << n) - 1));

	b->held >>= n;
	b->n -= n;
	return v;
}

/* More was taken than the input had? */
static inline bool is_overdrawn(const struct bits *b)
{
	return b->n_beyond * 8 > b->n;
}

/* Hands the piece over and goes on behind it; after the last one at the beginning again, where
 * the window is copied to. */
static int flush(struct gcode_inflater *f)
{
	size_t n = (size_t)(f->out - f->flushed);

	if (n == 0)
		return 0;
	f->n_out += n;
	if (f->n_out > f->max || !f->sink)
		return -EFBIG;

	int rc = f->sink(f->arg, f->flushed, n);

	if (rc < 0)
		return rc;
	if (f->full == f->buffer + WINDOW + PIECES * PIECE) {
		size_t keep = MIN((size_t)(f->out - f->oldest), (size_t)WINDOW);

		memcpy(f->buffer + WINDOW - keep, f->out - keep, keep);
		f->out = f->full = f->buffer + WINDOW;
		f->oldest = f->out - keep;
	}
	f->flushed = f->out;
	f->full += PIECE;
	return 0;
}

/* How symbols look in the table. */
struct code_kind {
	unsigned table_bits;
	uint32_t (*entry)(unsigned symbol);
};

/* Everything of an entry but the code's length; its extra bits in 0–5. */
static uint32_t litlen_entry(unsigned symbol)
{
	static const uint16_t base[29] = { 3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
		                           15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
		                           67, 83, 99, 115, 131, 163, 195, 227, 258 };
	static const uint8_t extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
		                           2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };

	if (symbol < 256)
		return E_LITERAL | symbol << 8;
	if (symbol == 256)
		return E_SPECIAL | E_END;
	if (symbol > 285)
		return E_SPECIAL;
	return (uint32_t)base[symbol - 257] << 12 | extra[symbol - 257];
}

static uint32_t dist_entry(unsigned symbol)
{
	if (symbol > 29)
		return E_SPECIAL;

	unsigned extra = symbol < 2 ? 0 : symbol / 2 - 1;
	unsigned base = symbol < 2 ? symbol + 1 : ((2 + (symbol & 1)) << extra) + 1;

	return (uint32_t)base << 12 | extra;
}

static uint32_t pre_entry(unsigned symbol)
{
	return E_LITERAL | symbol << 8;
}

static const struct code_kind litlen_kind = { LITLEN_BITS, litlen_entry };
static const struct code_kind dist_kind = { DIST_BITS, dist_entry };
static const struct code_kind pre_kind = { PRE_BITS, pre_entry };

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

/* How many bits the subtable needs that begins with a code of `n` bits; `left` is without it. */
static unsigned subtable_bits(const uint16_t left[CODE_MAX + 1], unsigned n, unsigned table_bits)
{
	unsigned bits = n - table_bits;
	int space = (1 << bits) - 1;

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

/* An entry with the bits of its code added. */
static uint32_t entry_of(uint32_t entry, unsigned n)
{
	entry += n;
	return entry & (E_LITERALS | E_SPECIAL) ? entry : entry | n << 8;
}

/* Places one code of `n` bits, `code` being reversed already. */
static bool table_put(struct table *t, uint32_t code, unsigned n, uint32_t entry)
{
	unsigned bits = t->kind->table_bits;

	t->left[n]--;
	if (n <= bits) {
		entry = entry_of(entry, n);
		for (uint32_t i = code; i < 1u << bits; i += 1u << n)
			t->at[i] = entry;
		return true;
	}

	uint32_t *root = &t->at[code & ((1u << bits) - 1)];

	if (*root == E_SPECIAL) {
		unsigned sub = subtable_bits(t->left, n, bits);

		if (t->used + (1u << sub) > t->size)
			return false;
		*root = E_SPECIAL | E_SUBTABLE | (uint32_t)t->used << 12 | sub << 8 | bits;
		for (uint32_t i = 0; i < 1u << sub; i++)
			t->at[t->used + i] = E_SPECIAL;
		t->used += 1u << sub;
	}

	uint32_t *sub_at = &t->at[*root >> 12 & 0xfff];
	unsigned sub = *root >> 8 & 0xf;
	unsigned rest = n - bits;

	if (rest > sub)
		return false;
	entry = entry_of(entry, rest);
	for (uint32_t i = code >> bits; i < 1u << sub; i += 1u << rest)
		sub_at[i] = entry;
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
		at[i] = E_SPECIAL;
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

/* Joins short literals: an entry's free bits may hold the next code, and the one after it. */
static void literals_join(uint32_t *joined, const uint32_t *single)
{
	for (uint32_t i = 0; i < 1u << LITLEN_BITS; i++) {
		uint32_t e = single[i];
		unsigned used = e & 63;

		for (unsigned k = 1; k < 3 && (e & E_LITERALS); k++) {
			uint32_t next = single[i >> used];
			unsigned n = next & 63;

			if (!(next & E_LITERALS) || used + n > LITLEN_BITS)
				break;
			e += E_LITERAL + n + (next >> 8 << (8 + 8 * k));
			used += n;
		}
		joined[i] = e;
	}
	memcpy(joined + (1u << LITLEN_BITS), single + (1u << LITLEN_BITS),
	       (LITLEN_SIZE - (1u << LITLEN_BITS)) * sizeof(*joined));
}

static bool litlen_build(struct gcode_inflater *f, const uint8_t *lengths, unsigned n)
{
	if (!table_build(f->single, LITLEN_SIZE, &litlen_kind, lengths, n))
		return false;
	literals_join(f->litlen, f->single);
	return true;
}

static bool dist_build(struct gcode_inflater *f, const uint8_t *lengths, unsigned n)
{
	return table_build(f->dist, DIST_SIZE, &dist_kind, lengths, n);
}

/* The code lengths of both alphabets, themselves coded. */
static bool lengths_read(struct gcode_inflater *f, uint8_t *lengths, unsigned n)
{
	struct bits *b = &f->bits;
	unsigned i = 0;

	while (i < n) {
		refill(b);

		uint32_t e = f->single[b->held & ((1u << PRE_BITS) - 1)];
		unsigned symbol = e >> 8 & 0xff;
		unsigned repeat = 1;
		uint8_t value = (uint8_t)symbol;

		if (!(e & E_LITERALS) || is_overdrawn(b))
			return false;
		(void)take(b, e & 63);
		if (symbol == 16) {
			if (i == 0)
				return false;
			value = lengths[i - 1];
			repeat = 3 + take(b, 2);
		} else if (symbol >= 17) {
			value = 0;
			repeat = symbol == 17 ? 3 + take(b, 3) : 11 + take(b, 7);
		}
		if (i + repeat > n)
			return false;
		memset(lengths + i, value, repeat);
		i += repeat;
	}
	return true;
}

static bool tables_dynamic(struct gcode_inflater *f)
{
	static const uint8_t order[19] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
		                           11, 4,  12, 3, 13, 2, 14, 1, 15 };
	struct bits *b = &f->bits;
	uint8_t pre[19] = { 0 };
	uint8_t lengths[288 + 32] = { 0 };

	refill(b);

	unsigned n_litlen = take(b, 5) + 257;
	unsigned n_dist = take(b, 5) + 1;
	unsigned n_pre = take(b, 4) + 4;

	if (n_litlen > 286 || n_dist > 30)
		return false;
	for (unsigned i = 0; i < n_pre; i++) {
		refill(b);
		pre[order[i]] = (uint8_t)take(b, 3);
	}
	/* The pre-code borrows the table of the lengths. */
	return table_build(f->single, LITLEN_SIZE, &pre_kind, pre, 19) &&
	       lengths_read(f, lengths, n_litlen + n_dist) && lengths[256] > 0 &&
	       dist_build(f, lengths + n_litlen, n_dist) && litlen_build(f, lengths, n_litlen);
}

static bool tables_fixed(struct gcode_inflater *f)
{
	uint8_t lengths[288];

	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	if (!litlen_build(f, lengths, 288))
		return false;
	memset(lengths, 5, 32);
	return dist_build(f, lengths, 32);
}

static ALWAYS_INLINE uint8_t *copy_match(uint8_t *out, size_t distance, size_t length)
{
	const uint8_t *from = out - distance;
	uint8_t *end = out + length;

	if (distance >= 16) {
		do {
			memcpy(out, from, 16);
			from += 16;
			out += 16;
		} while (out < end);
	} else if (distance >= 8) {
		do {
			memcpy(out, from, 8);
			from += 8;
			out += 8;
		} while (out < end);
	} else if (distance == 1) {
		memset(out, *from, length);
	} else {
		while (out < end)
			*out++ = *from++;
	}
	return end;
}

/* The entry behind a subtable's, whose root's bits are taken. */
static ALWAYS_INLINE uint32_t subtable_entry(const uint32_t *table, uint32_t e, struct bits *b)
{
	unsigned sub = e >> 8 & 0xf;

	(void)take(b, e & 63);
	return table[(e >> 12 & 0xfff) + (b->held & ((1u << sub) - 1))];
}

/* Base and extra bits of a length or a distance. */
static ALWAYS_INLINE size_t entry_value(uint32_t e, struct bits *b)
{
	return (e >> 12) + (take(b, e & 63) >> (e >> 8 & 0xf));
}

/* The distance that follows a length, 0 if there is none. */
static ALWAYS_INLINE size_t read_distance(const struct gcode_inflater *f, struct bits *b)
{
	uint32_t e = f->dist[b->held & ((1u << DIST_BITS) - 1)];

	if (e & E_SUBTABLE)
		e = subtable_entry(f->dist, e, b);
	return e & E_SPECIAL ? 0 : entry_value(e, b);
}

static ALWAYS_INLINE uint8_t *put_literals(uint8_t *out, uint32_t e, struct bits *b)
{
	uint32_t literals = htole32(e >> 8);

	memcpy(out, &literals, sizeof(literals));
	(void)take(b, e & 63);
	return out + (e >> 6 & 3);
}

enum {
	STEP_ON,
	STEP_END,
	STEP_BAD
};

/* What an entry that is no literal stands for. */
static ALWAYS_INLINE int step_other(const struct gcode_inflater *f, uint32_t e, struct bits *b,
                                    uint8_t **out, bool is_fast)
{
	if (e & E_SUBTABLE) {
		e = subtable_entry(f->litlen, e, b);
		if (e & E_LITERALS) {
			*out = put_literals(*out, e, b);
			return STEP_ON;
		}
	}
	if (e & E_SPECIAL) {
		(void)take(b, e & 63);
		return e & E_END ? STEP_END : STEP_BAD;
	}

	size_t length = entry_value(e, b) & 0x1ff;

	if (is_fast)
		refill_fast(b);
	else
		refill(b);

	size_t distance = read_distance(f, b);

	if (distance == 0 || distance > (size_t)(*out - f->oldest))
		return STEP_BAD;
	*out = copy_match(*out, distance, length);
	return STEP_ON;
}

/* Symbols of one block until it ends, the piece is full or the input nearly over (STEP_ON). */
/* NOLINTNEXTLINE(readability-function-size): nested ifs keep the fastest path free of jumps */
static ALWAYS_INLINE int block_fast_here(struct gcode_inflater *f)
{
	const uint8_t *full = f->full;
	struct bits b = f->bits;
	uint8_t *out = f->out;
	int step = STEP_ON;

	while (out < full && b.end - b.in >= IN_SAFE && step == STEP_ON) {
		refill_fast(&b);

		uint32_t e = f->litlen[b.held & ((1u << LITLEN_BITS) - 1)];

		/* Three such entries take 33 bits at most and leave enough for a length. */
		if (e & E_LITERALS) {
			out = put_literals(out, e, &b);
			e = f->litlen[b.held & ((1u << LITLEN_BITS) - 1)];
			if (e & E_LITERALS) {
				out = put_literals(out, e, &b);
				e = f->litlen[b.held & ((1u << LITLEN_BITS) - 1)];
				if (e & E_LITERALS) {
					out = put_literals(out, e, &b);
					continue;
				}
			}
		}
		step = step_other(f, e, &b, &out, true);
	}
	f->bits = b;
	f->out = out;
	return step;
}

#if defined(__x86_64__)
/* The same with shifts that leave the flags alone. */
static __attribute__((target("avx2,bmi,bmi2"))) int block_fast_bmi(struct gcode_inflater *f)
{
	return block_fast_here(f);
}
#endif

static int block_fast(struct gcode_inflater *f)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2"))
		return block_fast_bmi(f);
#endif
	return block_fast_here(f);
}

/* The same to the input's very end, one symbol at a time. */
static int block_slow(struct gcode_inflater *f)
{
	struct bits *b = &f->bits;
	int step = STEP_ON;

	while (f->out < f->full && step == STEP_ON) {
		refill(b);
		if (is_overdrawn(b))
			return STEP_BAD;

		uint32_t e = f->single[b->held & ((1u << LITLEN_BITS) - 1)];

		if (e & E_LITERALS)
			f->out = put_literals(f->out, e, b);
		else
			step = step_other(f, e, b, &f->out, false);
	}
	return step;
}

static int block_coded(struct gcode_inflater *f)
{
	for (;;) {
		int step = block_fast(f);

		if (step == STEP_ON)
			step = block_slow(f);
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
static bool byte_align(struct bits *b)
{
	(void)take(b, b->n & 7);

	unsigned n = b->n / 8;

	if (n < b->n_beyond)
		return false;
	b->in -= n - b->n_beyond;
	b->n_beyond = b->n = 0;
	b->held = 0;
	return true;
}

static int block_stored(struct gcode_inflater *f)
{
	struct bits *b = &f->bits;

	if (!byte_align(b) || b->end - b->in < 4)
		return -EBADMSG;

	size_t n = b->in[0] | (size_t)b->in[1] << 8;
	size_t not_n = b->in[2] | (size_t)b->in[3] << 8;

	b->in += 4;
	if ((n ^ not_n) != 0xffff || (size_t)(b->end - b->in) < n)
		return -EBADMSG;
	for (;;) {
		size_t part = f->out < f->full ? MIN(n, (size_t)(f->full - f->out)) : 0;

		memcpy(f->out, b->in, part);
		f->out += part;
		b->in += part;
		n -= part;
		if (n == 0)
			return 0;

		int rc = flush(f);

		if (rc < 0)
			return rc;
	}
}

static int block(struct gcode_inflater *f, bool *ret_is_last)
{
	struct bits *b = &f->bits;

	refill(b);
	*ret_is_last = take(b, 1);
	switch (take(b, 2)) {
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

static int run(struct gcode_inflater *f, const void *src, size_t size)
{
	bool is_last = false;
	int rc = 0;

	f->bits = (struct bits){ .in = src, .end = (const uint8_t *)src + size };
	f->n_out = 0;
	while (rc == 0 && !is_last)
		rc = block(f, &is_last);
	return rc == 0 && is_overdrawn(&f->bits) ? -EBADMSG : rc;
}

struct gcode_inflater *gcode_inflater_new(void)
{
	return MEM_NEW(struct gcode_inflater);
}

void gcode_inflater_free(struct gcode_inflater *f)
{
	if (!f)
		return;
	free(f->buffer);
	free(f);
}

int gcode_inflater_fill(struct gcode_inflater *f, const void *src, size_t size, void *dst,
                        size_t dst_size)
{
	f->out = f->flushed = dst;
	f->oldest = f->out;
	f->full = f->out + dst_size;
	f->max = dst_size;
	f->sink = NULL;

	/* A full destination is left only by the end of the last block, which makes no byte. */
	f->full++;

	int rc = run(f, src, size);

	if (rc == 0 && (size_t)(f->out - f->flushed) != dst_size)
		rc = -EBADMSG;
	return rc;
}

int64_t gcode_inflate(const void *src, size_t size, uint64_t max, gcode_sink_fn *sink, void *arg)
{
	struct gcode_inflater *f = gcode_inflater_new();

	f->buffer = mem_new(WINDOW + PIECES * PIECE + OUT_SLACK);
	f->out = f->flushed = f->buffer + WINDOW;
	f->oldest = f->out;
	f->full = f->out + PIECE;
	f->max = max;
	f->sink = sink;
	f->arg = arg;

	int rc = run(f, src, size);

	if (rc == 0)
		rc = flush(f);

	int end_rc = sink(arg, f->out, 0);

	rc = rc < 0 ? rc : end_rc;

	int64_t n = rc < 0 ? rc : (int64_t)f->n_out;

	gcode_inflater_free(f);
	return n;
}
