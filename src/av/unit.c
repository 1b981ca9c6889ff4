/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/unit.h"

#include "media/av_message.h"
#include "media/h264.h"

void unit_init(struct unit *u, bool is_h265)
{
	*u = (struct unit){ .time = UNIT_NO_TIME, .is_h265 = is_h265 };
	buf_init(&u->bytes, AV_MAX_PACKET);
	buf_init(&u->tail, AV_MAX_PACKET);
}

void unit_fini(struct unit *u)
{
	buf_fini(&u->bytes);
	buf_fini(&u->tail);
}

static void take_tail(struct unit *u)
{
	buf_add(&u->bytes, u->tail.data, u->tail.size);
	u->is_too_long |= u->bytes.overflown || u->tail.overflown;
	buf_clear(&u->tail);
	u->tail.overflown = false;
}

void unit_clear(struct unit *u)
{
	buf_clear(&u->bytes);
	u->bytes.overflown = false;
	u->time = UNIT_NO_TIME;
	u->has_picture = u->is_too_long = false;
	take_tail(u);
}

static bool begins_nal(const uint8_t *piece, size_t size)
{
	return size > 4 && piece[0] == 0 && piece[1] == 0 &&
	       (piece[2] == 1 || (piece[2] == 0 && piece[3] == 1));
}

/* The first slice in a piece. */
static bool find_slice(const struct unit *u, const uint8_t *piece, size_t size, struct nal *ret)
{
	while (nal_next(&piece, &size, u->is_h265, ret))
		if (u->is_h265 ? ret->type < 32 : ret->type >= 1 && ret->type <= 5)
			return true;
	return false;
}

/* first_mb_in_slice 0, first_slice_segment_in_pic_flag */
static bool begins_picture(const struct nal *slice, bool is_h265)
{
	size_t head = is_h265 ? 2 : 1;

	return slice->size > head && (slice->bytes[head] & 0x80);
}

bool unit_ends_before(struct unit *u, const uint8_t *piece, size_t size, int64_t time)
{
	struct nal n;

	if (!u->has_picture || !begins_nal(piece, size))
		return false;
	if (time != UNIT_NO_TIME && u->time != UNIT_NO_TIME && time != u->time) {
		take_tail(u);
		return true;
	}
	return find_slice(u, piece, size, &n) && begins_picture(&n, u->is_h265);
}

void unit_add(struct unit *u, const uint8_t *piece, size_t size, int64_t time, int64_t arrived_us)
{
	struct nal n;

	if (time != UNIT_NO_TIME)
		u->time = time;
	u->arrived_us = arrived_us;
	if (begins_nal(piece, size)) {
		bool has_slice = find_slice(u, piece, size, &n);

		if (u->has_picture && !has_slice) {
			buf_add(&u->tail, piece, size);
			return;
		}
		u->has_picture |= has_slice;
	}
	take_tail(u);
	buf_add(&u->bytes, piece, size);
	u->is_too_long |= u->bytes.overflown;
}
