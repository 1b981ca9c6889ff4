/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * restore: a backup comes in pieces, each unpacked as it arrives; when all of it is checked, it waits for
 * the restart that puts it in its place (store/restore.h).
 */

#include "web/handlers.h"
#include "web/transfer.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/work.h"
#include "store/backup.h"
#include "store/restore.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESTART_MS 1000 /* for the answer to get through */

struct upload {
	struct web *web;
	struct restore *restore; /* NULL: failed */
	char id[ID_SIZE];
	uint64_t size, received;
	/* Of the step under way. */
	struct call *call;
	bool is_busy;
	const char *piece;
	size_t piece_size;
	int rc;
	struct backup_result result;
	struct err err;
};

void upload_free(struct upload *u)
{
	if (!u)
		return;
	restore_free(u->restore);
	free(u);
}

static void step(struct upload *u, struct call *c, void (*run)(void *arg), void (*done)(void *arg))
{
	u->call = c;
	u->is_busy = true;
	work_submit(u->web->env.pool, run, done, u);
}

/* True: the step failed and is answered. */
static bool has_failed(struct upload *u)
{
	struct call *c = u->call;

	u->call = NULL;
	u->is_busy = false;
	if (u->rc >= 0)
		return false;
	web_audit(c, "restore", "", "refused: %s", u->err.text);
	if (u->rc == -EBADMSG)
		call_refuse(c, 422, "%s", u->err.text);
	else
		call_refuse_err(c, u->rc, &u->err);
	return true;
}

/* The one that is meant; else answered. */
static struct upload *find(struct call *c, const char *id)
{
	struct upload *u = c->web->upload;

	if (!u || strcmp(u->id, id) != 0) {
		call_refuse(c, 404, "This upload is over: begin again.");
		return NULL;
	}
	if (u->is_busy) {
		call_refuse(c, 409, "The piece before is not done yet.");
		return NULL;
	}
	return u;
}

/* ---- beginning ---- */

static int check(void *arg, const char *folder, struct err *err)
{
	const struct web *w = arg;

	return w->env.hooks.check_restored
	               ? w->env.hooks.check_restored(w->env.config_path, folder, err)
	               : 0;
}

static void begin(void *arg)
{
	struct upload *u = arg;
	uint64_t room = 0, total = 0;

	restore_free(u->restore);
	u->restore = NULL;
	u->rc = fs_space(u->web->env.data_dir, &room, &total, &u->err);
	if (u->rc == 0 && u->size + u->web->env.floor_bytes > room)
		u->rc = err_set(&u->err, -ENOSPC, "There is not enough room on the disk for it.");
	if (u->rc == 0)
		u->rc = restore_begin(u->web->env.data_dir, &u->restore, &u->err);
	if (u->rc == 0)
		restore_set_check(u->restore, &(struct restore_check){ check, u->web });
}

static void begun(void *arg)
{
	struct upload *u = arg;
	struct call *c = u->call;

	if (!has_failed(u))
		call_json(c, 201,
		          json_pack("{s:s, s:i}", "id", u->id, "piece_bytes", TRANSFER_PIECE));
}

void api_restore_begin(struct call *c)
{
	struct web *w = c->web;

	if (!w->env.hooks.restart) {
		call_refuse(c, 503, "Restoring is not possible here.");
		return;
	}
	if (w->upload && w->upload->is_busy) {
		call_refuse(c, 409, "Another backup is being put back: wait for it.");
		return;
	}
	if (!w->upload) {
		w->upload = MEM_NEW(struct upload);
		w->upload->web = w;
	}
	(void)id_new(w->upload->id, loop_wall_ms(w->env.loop));
	w->upload->size = (uint64_t)call_int(c, "size_bytes", 0);
	w->upload->received = 0;
	step(w->upload, c, begin, begun);
}

/* ---- pieces ---- */

/* On a worker: what failed takes its folder with it. */
static void drop_failed(struct upload *u)
{
	if (u->rc >= 0)
		return;
	restore_free(u->restore);
	u->restore = NULL;
}

static void feed(void *arg)
{
	struct upload *u = arg;

	u->rc = u->restore ? restore_feed(u->restore, u->piece, u->piece_size, &u->err)
	                   : err_set(&u->err, -EBADMSG, "it failed before: begin again");
	drop_failed(u);
}

static void fed(void *arg)
{
	struct upload *u = arg;
	struct call *c = u->call;

	if (has_failed(u))
		return;
	u->received += u->piece_size;
	call_json(c, 200, json_pack("{s:I}", "received_bytes", (json_int_t)u->received));
}

void api_restore_piece(struct call *c)
{
	char id[64] = "";
	struct upload *u;

	(void)call_query(c, "id", id, sizeof(id));
	u = find(c, id);
	if (!u)
		return;
	if ((uint64_t)call_query_int(c, "at", 0) != u->received) {
		call_refuse(c, 409, "The pieces must come one after the other: byte %llu is next.",
		            (unsigned long long)u->received);
		return;
	}
	u->piece = http_request_body(c->request, &u->piece_size);
	if (u->piece_size > u->size - u->received) {
		call_refuse_field(c, "at", "More comes than was announced.");
		return;
	}
	step(u, c, feed, fed);
}

/* ---- the end ---- */

static void finish(void *arg)
{
	struct upload *u = arg;

	u->rc = u->restore ? restore_finish(u->restore, &u->result, &u->err)
	                   : err_set(&u->err, -EBADMSG, "it failed before: begin again");
	drop_failed(u);
}

static void finished(void *arg)
{
	struct upload *u = arg;
	struct call *c = u->call;
	struct web *w = u->web;

	if (has_failed(u))
		return;
	web_audit(c, "restore", "", "put a backup of %llu files back and restarted",
	          (unsigned long long)u->result.n_files);
	log_info(&w->log, "a backup waits; restarting to put it back");
	if (!w->is_ending)
		timer_start(&w->restart, RESTART_MS);
	/* The last call of a web that is ending takes it along. */
	call_json(c, 200,
	          json_pack("{s:I, s:I}", "files", (json_int_t)u->result.n_files, "bytes",
	                    (json_int_t)u->result.bytes));
}

void api_restore_apply(struct call *c)
{
	struct upload *u = find(c, call_text(c, "id", ""));

	if (u)
		step(u, c, finish, finished);
}
