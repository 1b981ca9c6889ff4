/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backup: the archive of everything, streamed while it is made. One at a time. */

#include "web/handlers.h"
#include "web/transfer.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/work.h"
#include "store/backup.h"
#include "store/backup_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_SIZE (1U << 18)

struct download {
	struct web *web;
	struct call *call; /* until it is answered */
	struct http_channel *channel;
	struct backup_stream *stream;
	struct backup_options options;
	bool is_reading, is_closed;
	char *piece;
	ssize_t got;
	int rc;
	struct err err;
};

static void end(struct download *d)
{
	struct web *w = d->web;

	backup_stream_close(d->stream);
	free(d->piece);
	free(d);
	w->download = NULL;
	w->n_calls--;
	web_let_go(w);
}

static void read_piece(void *arg)
{
	struct download *d = arg;

	d->piece = mem_new(PIECE_SIZE);
	d->got = backup_stream_read(d->stream, d->piece, PIECE_SIZE, &d->err);
}

static void have_piece(void *arg);

static void next_piece(struct download *d)
{
	d->is_reading = true;
	work_submit(d->web->env.pool, read_piece, have_piece, d);
}

static void have_piece(void *arg)
{
	struct download *d = arg;

	d->is_reading = false;
	if (d->got < 0)
		log_warn(&d->web->log, "backup: %s", d->err.text);
	if (d->got <= 0 || d->is_closed) {
		if (!d->is_closed && d->got < 0)
			http_channel_abort(d->channel);
		else if (!d->is_closed)
			http_channel_end(d->channel);
		end(d);
		return;
	}

	struct http_bytes *b = http_bytes_wrap(d->piece, (size_t)d->got, free, d->piece);

	d->piece = NULL;
	http_channel_send(d->channel, &b, 1);
	http_bytes_unref(b);
	/* What the socket takes at once is not announced. */
	if (!d->is_closed && http_channel_queued(d->channel) == 0)
		next_piece(d);
}

static void writable(void *arg)
{
	struct download *d = arg;

	if (!d->is_reading && !d->is_closed)
		next_piece(d);
}

static void closed(void *arg)
{
	struct download *d = arg;

	d->is_closed = true;
	if (!d->is_reading)
		end(d);
}

static void begin(void *arg)
{
	struct download *d = arg;

	d->rc = backup_stream_open(d->web->env.data_dir, &d->options, &d->stream, &d->err);
}

static void begun(void *arg)
{
	struct download *d = arg;
	char name[100], at[WHEN_TEXT_SIZE];
	struct http_reply reply = { .status = 200, .type = "application/x-tar", .n_headers = 1 };
	const struct http_channel_events ev = { .writable = writable, .closed = closed, .arg = d };

	if (d->rc < 0) {
		call_refuse_err(d->call, d->rc, &d->err);
		end(d);
		return;
	}
	web_audit(d->call, "backup", "", "downloaded a backup%s%s",
	          d->options.has_films ? ", with films" : "",
	          d->options.has_frames ? ", with pictures" : "");
	snprintf(name, sizeof(name), "attachment; filename=\"bedside-%s.tar\"",
	         when_file_name(at, loop_wall_ms(d->web->env.loop)));
	reply.headers[0] = (struct http_header){ "Content-Disposition", name };
	d->channel = http_reply_stream(call_steal_request(d->call), &reply, &ev);
	if (d->channel)
		next_piece(d);
	else
		end(d);
}

static bool is_asked(const struct call *c, const char *name, bool fallback)
{
	char v[8];

	if (!call_query(c, name, v, sizeof(v)))
		return fallback;
	return strcmp(v, "1") == 0 || strcmp(v, "true") == 0;
}

void api_backup(struct call *c)
{
	struct web *w = c->web;

	if (w->download) {
		call_refuse(c, 409, "A backup is being made already: wait for it.");
		return;
	}

	struct download *d = MEM_NEW(struct download);

	d->web = w;
	d->call = c;
	d->options = (struct backup_options){ .config_path = w->env.config_path,
		                              .has_films = is_asked(c, "films", true),
		                              .has_frames = is_asked(c, "frames", false) };
	w->download = d;
	w->n_calls++;
	work_submit(w->env.pool, begin, begun, d);
}
