/* SPDX-License-Identifier: GPL-3.0-or-later */
/* archive: captures as one file, streamed while it is made. */

#include "web/handlers.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "capture/export.h"
#include "core/work.h"
#include "store/repo_capture.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_SIZE (1U << 18)
#define MAX_ARCHIVES 4 /* each holds a list of all its pictures, and reads the disk */

struct archive {
	struct web *web;
	struct call *call; /* until it is answered */
	struct http_channel *channel;
	struct export_stream *stream;
	enum export_kind kind;
	char printer[64], job[64], capture[64];
	int layer;
	struct export_item *items;
	size_t n;
	bool is_reading, is_closed;
	char *piece;
	ssize_t got;
	struct err err;
};

static void end(struct archive *a)
{
	struct web *w = a->web;

	export_close(a->stream);
	for (size_t i = 0; i < a->n; i++)
		free(a->items[i].pictures);
	free(a->items);
	free(a->piece);
	free(a);
	w->n_archives--;
	w->n_calls--;
	web_let_go(w);
}

static void read_piece(void *arg)
{
	struct archive *a = arg;

	a->piece = mem_new(PIECE_SIZE);
	a->got = export_read(a->stream, a->piece, PIECE_SIZE, &a->err);
}

static void have_piece(void *arg);

static void next_piece(struct archive *a)
{
	a->is_reading = true;
	work_submit(a->web->env.pool, read_piece, have_piece, a);
}

static void have_piece(void *arg)
{
	struct archive *a = arg;
	struct http_bytes *b;

	a->is_reading = false;
	if (a->got < 0)
		log_warn(&a->web->log, "capture archive: %s", a->err.text);
	if (a->got <= 0 || a->is_closed) {
		if (!a->is_closed && a->got < 0)
			http_channel_abort(a->channel);
		else if (!a->is_closed)
			http_channel_end(a->channel);
		end(a);
		return;
	}
	b = http_bytes_wrap(a->piece, (size_t)a->got, free, a->piece);
	a->piece = NULL;
	http_channel_send(a->channel, &b, 1);
	http_bytes_unref(b);
	/* What the socket takes at once is not announced. */
	if (!a->is_closed && http_channel_queued(a->channel) == 0)
		next_piece(a);
}

static void writable(void *arg)
{
	struct archive *a = arg;

	if (!a->is_reading && !a->is_closed)
		next_piece(a);
}

static void closed(void *arg)
{
	struct archive *a = arg;

	a->is_closed = true;
	if (!a->is_reading)
		end(a);
}

static int collect(struct db *db, void *arg, struct err *err)
{
	struct archive *a = arg;
	char before[ID_SIZE] = "";
	struct repo_capture_filter f = {
		.printer = a->printer, .job = a->job, .before = before, .layer = a->layer
	};
	int rc = 0;

	for (size_t got = 1; rc >= 0 && got > 0;) {
		struct capture *list = NULL;

		rc = repo_capture_list(db, &f, &list, &got, err);
		a->items = mem_grow(a->items, a->n + got + 1, sizeof(*a->items));
		for (size_t i = 0; rc >= 0 && i < got; i++) {
			struct export_item *it = &a->items[a->n];

			TEXT_SET(before, list[i].id);
			if (a->capture[0] && strcmp(a->capture, list[i].id) != 0)
				continue;
			*it = (struct export_item){ .capture = list[i] };
			a->n++;
			rc = repo_capture_pictures(db, list[i].id, &it->pictures, &it->n, err);
		}
		free(list);
	}
	return rc < 0 ? rc : 0;
}

static void collected(void *arg, int rc, const struct err *err)
{
	struct archive *a = arg;
	char name[100], at[WHEN_TEXT_SIZE];
	bool is_zip = a->kind == EXPORT_ZIP;
	struct http_reply reply = { .status = 200,
		                    .type = is_zip ? "application/zip" : "application/x-tar",
		                    .n_headers = 1 };
	const struct http_channel_events ev = { .writable = writable, .closed = closed, .arg = a };

	if (rc < 0) {
		call_refuse_err(a->call, rc, err);
		end(a);
		return;
	}
	if (a->n == 0) {
		call_refuse(a->call, 404, "Nothing was captured of what you ask for.");
		end(a);
		return;
	}
	a->stream = export_open(a->kind, a->web->env.data_dir, a->items, a->n);
	a->items = NULL;
	a->n = 0;
	(void)snprintf(name, sizeof(name), "attachment; filename=\"captures-%s.%s\"",
	               when_file_name(at, loop_wall_ms(a->web->env.loop)), is_zip ? "zip" : "tar");
	reply.headers[0] = (struct http_header){ "Content-Disposition", name };
	a->channel = http_reply_stream(call_steal_request(a->call), &reply, &ev);
	if (a->channel)
		next_piece(a);
	else
		end(a);
}

void api_capture_archive(struct call *c)
{
	struct archive *a;
	char format[16] = "";

	if (c->web->n_archives >= MAX_ARCHIVES) {
		call_refuse(c, 409, "Other archives are being made: wait for one of them.");
		return;
	}
	a = MEM_NEW(struct archive);
	c->web->n_archives++;
	a->web = c->web;
	a->call = c;
	a->layer = (int)call_query_int(c, "layer", -1);
	(void)call_query(c, "format", format, sizeof(format));
	(void)call_query(c, "printer", a->printer, sizeof(a->printer));
	(void)call_query(c, "job", a->job, sizeof(a->job));
	(void)call_query(c, "capture", a->capture, sizeof(a->capture));
	a->kind = strcmp(format, "dataset") == 0 ? EXPORT_DATASET : EXPORT_ZIP;
	c->web->n_calls++;
	store_submit(c->web->env.store, collect, collected, a);
}
