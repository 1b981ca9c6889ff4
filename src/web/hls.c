/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hls: the segments of a feed and their list (RFC 8216), all in memory. */

#include "base/mem.h"
#include "base/text.h"
#include "web/call.h"
#include "web/video_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

void hls_init(struct hls *h)
{
	*h = (struct hls){ 0 };
	buf_init(&h->making, HLS_MAX_BYTES);
}

static void drop_first(struct hls *h)
{
	http_bytes_unref(h->segments[0].bytes);
	h->n_discontinuities += h->segments[0].is_broken;
	h->n_segments--;
	memmove(h->segments, h->segments + 1, h->n_segments * sizeof(h->segments[0]));
}

static struct call *stop_waiting(struct hls *h, struct hls_call *w)
{
	struct call *c = w->call;

	DL_DELETE(h->waiting, w);
	free(w);
	return c;
}

void hls_fini(struct hls *h, const char *why)
{
	while (h->waiting)
		call_refuse(stop_waiting(h, h->waiting), 503, "%s", why);
	while (h->n_segments > 0)
		drop_first(h);
	buf_fini(&h->making);
}

/* ---- making ---- */

void hls_break(struct hls *h)
{
	buf_clear(&h->making);
	h->making.overflown = false;
	h->is_broken = h->n_segments > 0;
}

static void close_segment(struct hls *h)
{
	struct hls_segment *s;

	if (h->n_segments == HLS_MAX_SEGMENTS)
		drop_first(h);
	s = &h->segments[h->n_segments++];
	*s = (struct hls_segment){ .number = h->next_number++,
		                   .generation = h->made_generation,
		                   .duration_us = h->made_to_us - h->made_from_us,
		                   .is_broken = h->is_broken,
		                   .bytes = http_bytes_take(&h->making) };
	buf_init(&h->making, HLS_MAX_BYTES);
	h->is_broken = false;
}

static void answer_waiting(struct feed *f);

void hls_put(struct feed *f, const struct fragment *g)
{
	struct hls *h = &f->hls;

	if (h->asked_us == 0)
		return;
	if (g->is_key && h->making.size > 0 && g->from_us - h->made_from_us >= HLS_MIN_US) {
		h->made_to_us = g->from_us;
		close_segment(h);
		answer_waiting(f);
	}
	if (h->making.size == 0 && !g->is_key)
		return;
	if (h->making.size == 0) {
		h->made_from_us = g->from_us;
		h->made_generation = f->generation;
	}
	buf_add(&h->making, g->bytes->data, g->bytes->size);
	h->made_to_us = g->to_us;
	if (h->making.overflown)
		hls_break(h);
}

/* ---- answering ---- */

static void write_index(const struct hls *h, struct buf *out)
{
	int64_t longest_us = HLS_MIN_US;
	unsigned generation = 0;

	for (unsigned i = 0; i < h->n_segments; i++)
		longest_us = MAX(longest_us, h->segments[i].duration_us);
	buf_printf(out,
	           "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n"
	           "#EXT-X-MEDIA-SEQUENCE:%u\n#EXT-X-DISCONTINUITY-SEQUENCE:%u\n"
	           "#EXT-X-INDEPENDENT-SEGMENTS\n",
	           (int)((longest_us + 999999) / 1000000), h->segments[0].number,
	           h->n_discontinuities);
	for (unsigned i = 0; i < h->n_segments; i++) {
		const struct hls_segment *s = &h->segments[i];

		if (s->is_broken)
			buf_add_str(out, "#EXT-X-DISCONTINUITY\n");
		if (s->generation != generation)
			buf_printf(out, "#EXT-X-MAP:URI=\"init-%u.mp4\"\n", s->generation);
		generation = s->generation;
		buf_printf(out, "#EXTINF:%.3f,\nseg-%u.m4s\n", (double)s->duration_us / 1e6,
		           s->number);
	}
}

static void send_index(const struct hls *h, struct call *c)
{
	struct http_reply reply = { .status = 200, .type = "application/vnd.apple.mpegurl" };
	struct buf out = { 0 };

	write_index(h, &out);
	call_bytes(c, &reply, http_bytes_take(&out));
}

static void answer_waiting(struct feed *f)
{
	while (f->hls.waiting)
		send_index(&f->hls, stop_waiting(&f->hls, f->hls.waiting));
}

void hls_answer_index(struct feed *f, struct call *c, int64_t now_us)
{
	struct hls *h = &f->hls;
	struct hls_call *w;

	if (h->asked_us == 0) {
		h->asked_us = now_us;
		/* The first segment begins with what there is. */
		for (size_t i = 0; i < f->n_kept; i++)
			hls_put(f, &f->kept[i]);
	}
	h->asked_us = now_us;
	if (h->n_segments > 0) {
		send_index(h, c);
		return;
	}
	w = MEM_NEW(struct hls_call);
	w->call = c;
	w->until_us = now_us + HLS_WAIT_US;
	DL_APPEND(h->waiting, w);
}

/* Others may still look at the feed in another way. */
static void fall_asleep(struct hls *h)
{
	while (h->n_segments > 0)
		drop_first(h);
	hls_break(h);
	h->asked_us = 0;
}

void hls_check(struct feed *f, int64_t now_us)
{
	struct hls_call *w, *next;

	DL_FOREACH_SAFE(f->hls.waiting, w, next)
	{
		if (now_us > w->until_us)
			call_refuse(stop_waiting(&f->hls, w), 503,
			            "No video came from the camera in time.");
	}
	if (f->hls.asked_us > 0 && !f->hls.waiting && now_us - f->hls.asked_us >= HLS_IDLE_US)
		fall_asleep(&f->hls);
}

/* "seg-12.m4s" → 12 */
static bool number_of(const char *name, const char *before, const char *behind, uint64_t *ret)
{
	char digits[24];
	size_t n = strlen(name);

	if (!text_starts(name, before) || !text_ends(name, behind) ||
	    n <= strlen(before) + strlen(behind))
		return false;
	return text_copy_n(digits, sizeof(digits), name + strlen(before),
	                   n - strlen(before) - strlen(behind)) &&
	       text_to_u64(digits, 10, ret);
}

void hls_answer_file(struct feed *f, struct call *c, const char *name)
{
	struct http_reply reply = { .status = 200,
		                    .type = "video/mp4",
		                    .cache = "private, max-age=60" };
	struct http_bytes *bytes = NULL;
	uint64_t n = 0;

	if (number_of(name, "init-", ".mp4", &n) && n == f->generation)
		bytes = feed_init(f, true);
	else if (number_of(name, "seg-", ".m4s", &n))
		for (unsigned i = 0; i < f->hls.n_segments; i++)
			if (f->hls.segments[i].number == n)
				bytes = http_bytes_ref(f->hls.segments[i].bytes);
	if (bytes)
		call_bytes(c, &reply, bytes);
	else
		call_refuse(c, 404, "This piece of the video is over.");
}
