/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/rtp.h"

#include "base/buf.h"
#include "media/h264.h"

#define FU_A 28

struct packet {
	uint32_t time;
	bool is_last; /* of the access unit */
	const uint8_t *head;
	size_t head_size;
	const uint8_t *payload;
	size_t size;
};

static void put(struct buf *out, struct rtp_stream *s, const struct packet *p)
{
	size_t size = 12 + p->head_size + p->size;
	const uint8_t head[] = {
		'$',
		s->channel,
		(uint8_t)(size >> 8),
		(uint8_t)size,
		0x80,
		(uint8_t)(s->payload_type | (p->is_last ? 0x80 : 0)),
		(uint8_t)(s->number >> 8),
		(uint8_t)s->number,
		(uint8_t)(p->time >> 24),
		(uint8_t)(p->time >> 16),
		(uint8_t)(p->time >> 8),
		(uint8_t)p->time,
		(uint8_t)(s->ssrc >> 24),
		(uint8_t)(s->ssrc >> 16),
		(uint8_t)(s->ssrc >> 8),
		(uint8_t)s->ssrc,
	};

	s->number++;
	buf_add(out, head, sizeof(head));
	buf_add(out, p->head, p->head_size);
	buf_add(out, p->payload, p->size);
}

/* In pieces: each carries the type, the first and the last say so. */
static void put_pieces(struct buf *out, struct rtp_stream *s, const struct nal *n, uint32_t time,
                       bool is_last)
{
	const uint8_t *at = n->bytes + 1;
	size_t left = n->size - 1;

	for (bool is_first = true; left > 0; is_first = false) {
		size_t size = MIN(left, (size_t)RTP_MAX_PAYLOAD - 2);
		const uint8_t head[2] = { (uint8_t)((n->bytes[0] & 0xe0) | FU_A),
			                  (uint8_t)((n->bytes[0] & 0x1f) | (is_first ? 0x80 : 0) |
			                            (size == left ? 0x40 : 0)) };

		put(out, s,
		    &(struct packet){ time, is_last && size == left, head, sizeof(head), at,
		                      size });
		at += size;
		left -= size;
	}
}

void rtp_write_h264(struct buf *out, struct rtp_stream *s, const uint8_t *unit, size_t size,
                    uint32_t time)
{
	struct nal n, next;
	bool has_next = nal_next(&unit, &size, false, &n);

	while (has_next) {
		has_next = nal_next(&unit, &size, false, &next);
		if (n.size <= RTP_MAX_PAYLOAD)
			put(out, s, &(struct packet){ time, !has_next, NULL, 0, n.bytes, n.size });
		else
			put_pieces(out, s, &n, time, !has_next);
		n = next;
	}
}
