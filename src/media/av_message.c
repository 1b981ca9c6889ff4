/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/av_message.h"

#include "base/err.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[4] = { 'B', 'A', 'V', '1' };

static void put(uint8_t *dst, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		dst[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *src, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = n; i > 0; i--)
		v = v << 8 | src[i - 1];
	return v;
}

void av_message_head(uint8_t dst[AV_HEAD_SIZE], const struct av_message *m)
{
	memcpy(dst, magic, sizeof(magic));
	put(dst + 4, m->type, 2);
	put(dst + 6, m->flags, 2);
	put(dst + 8, m->size, 4);
	put(dst + 12, m->number, 4);
	put(dst + 16, (uint64_t)m->arrived_us, 8);
	put(dst + 24, (uint64_t)m->pts_us, 8);
	put(dst + 32, (uint64_t)m->dts_us, 8);
}

static size_t limit_of(enum av_type type)
{
	switch (type) {
	case AV_OPEN:
	case AV_SAYS:
	case AV_FAILED:
		return AV_MAX_TEXT;
	case AV_PACKET:
		return AV_MAX_PACKET;
	case AV_FEED:
	case AV_PICTURE:
		return AV_MAX_PICTURE;
	case AV_DEMAND:
	case AV_STILL:
		return 0;
	}
	return 0;
}

static bool is_known(unsigned type)
{
	return (type >= AV_OPEN && type <= AV_FEED) || (type >= AV_PACKET && type <= AV_FAILED);
}

/* Times are of CLOCK_MONOTONIC: a century is enough. */
static bool is_time(int64_t us)
{
	return us >= 0 && us < 3155760000LL * 1000000;
}

static int take_head(struct av_parser *p, struct err *err)
{
	unsigned type = (unsigned)get(p->head + 4, 2);

	p->m = (struct av_message){ .type = (enum av_type)type,
		                    .flags = (unsigned)get(p->head + 6, 2),
		                    .size = (size_t)get(p->head + 8, 4),
		                    .number = (uint32_t)get(p->head + 12, 4),
		                    .arrived_us = (int64_t)get(p->head + 16, 8),
		                    .pts_us = (int64_t)get(p->head + 24, 8),
		                    .dts_us = (int64_t)get(p->head + 32, 8) };
	if (memcmp(p->head, magic, sizeof(magic)) != 0 || !is_known(type) ||
	    p->m.flags > AV_FLAG_ALL)
		return err_set(err, -EBADMSG, "bedside-av speaks another language");
	if (p->m.size > limit_of(p->m.type))
		return err_set(err, -EMSGSIZE, "a message of %zu bytes", p->m.size);
	if (!is_time(p->m.arrived_us) || !is_time(p->m.pts_us) || !is_time(p->m.dts_us))
		return err_set(err, -EBADMSG, "a picture of another age");
	p->m.payload = mem_grow(NULL, p->m.size + 1, 1);
	p->m.payload[p->m.size] = 0;
	p->n_payload = 0;
	return 0;
}

static size_t take(uint8_t *dst, size_t wanted, const uint8_t **bytes, size_t *size)
{
	size_t n = MIN(wanted, *size);

	if (n > 0)
		memcpy(dst, *bytes, n);
	*bytes += n;
	*size -= n;
	return n;
}

int av_parse(struct av_parser *p, const uint8_t **bytes, size_t *size, struct av_message *ret,
             struct err *err)
{
	if (!p->m.payload) {
		p->n_head += take(p->head + p->n_head, AV_HEAD_SIZE - p->n_head, bytes, size);
		if (p->n_head < AV_HEAD_SIZE)
			return 0;

		int rc = take_head(p, err);

		if (rc < 0)
			return rc;
		assert(p->m.payload);
	}
	p->n_payload += take(p->m.payload + p->n_payload, p->m.size - p->n_payload, bytes, size);
	if (p->n_payload < p->m.size)
		return 0;
	*ret = p->m;
	*p = (struct av_parser){ 0 };
	return 1;
}

void av_parser_fini(struct av_parser *p)
{
	free(p->m.payload);
	*p = (struct av_parser){ 0 };
}
