/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/handlers.h"
#include "web/records.h"
#include "web/storage.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/fs.h"
#include "core/loop.h"
#include "store/repo.h"
#include "store/store.h"

#include <stdio.h>

static void sentence(char *dst, size_t size, const struct web_env *env, uint64_t free_bytes,
                     uint64_t used_bytes)
{
	char room[32], used[32], limit[32];

	text_size(room, sizeof(room), free_bytes);
	text_size(used, sizeof(used), used_bytes);
	if (env->floor_bytes && free_bytes < env->floor_bytes)
		snprintf(dst, size,
		         "The disk is nearly full: %s free, and %s are kept free. Delete films or "
		         "pictures, or make room elsewhere.",
		         room, text_size(limit, sizeof(limit), env->floor_bytes));
	else if (env->budget_bytes && used_bytes > env->budget_bytes)
		snprintf(dst, size,
		         "Pictures and films take %s, more than the %s they may: delete some.",
		         used, text_size(limit, sizeof(limit), env->budget_bytes));
	else
		snprintf(dst, size, "%s free; pictures and films take %s.", room, used);
}

static json_t *bytes_or_null(uint64_t v)
{
	return v ? json_integer((json_int_t)v) : json_null();
}

int storage_read(struct db *db, const struct web *w, json_t **ret, struct err *err)
{
	uint64_t frames = 0, films = 0, room = 0, total = 0;
	char text[300];
	int rc = repo_sum_bytes(db, &frames, &films, err);

	if (rc >= 0)
		rc = fs_space(w->env.data_dir, &room, &total, err);
	if (rc < 0)
		return rc;
	sentence(text, sizeof(text), &w->env, room, frames + films);
	*ret = json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:s}", "free_bytes", (json_int_t)room,
	                 "total_bytes", (json_int_t)total, "frames_bytes", (json_int_t)frames,
	                 "films_bytes", (json_int_t)films, "floor_bytes",
	                 bytes_or_null(w->env.floor_bytes), "budget_bytes",
	                 bytes_or_null(w->env.budget_bytes), "text", text);
	return 0;
}

static int storage(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	return storage_read(db, c->web, ret, err);
}

void api_storage(struct call *c)
{
	records_answer(c, storage);
}

/* ---- backup ---- */

static void backup_is_made(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	char name[100], at[WHEN_TEXT_SIZE];
	struct http_reply reply = { .status = 200,
		                    .type = "application/vnd.sqlite3",
		                    .n_headers = 1,
		                    .removes_file = true };

	c->web->is_backing_up = false;
	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	web_audit(c, "backup", "", "downloaded a copy of the database");
	snprintf(name, sizeof(name), "attachment; filename=\"bedside-%s.db\"",
	         when_file_name(at, loop_wall_ms(c->web->env.loop)));
	reply.headers[0] = (struct http_header){ "Content-Disposition", name };
	call_file(c, &reply, c->data);
}

void api_backup(struct call *c)
{
	if (c->web->is_backing_up) {
		call_refuse(c, 409, "A backup is being made already: wait for it.");
		return;
	}
	c->web->is_backing_up = true;

	char *path = mem_printf("%s/download-backup.db", c->web->env.data_dir);

	c->data = path;
	/* What a crash left of an earlier one. */
	(void)!fs_remove(path, NULL);
	store_backup(c->web->env.store, path, backup_is_made, c);
}
