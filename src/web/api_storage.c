/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/handlers.h"
#include "web/records.h"
#include "web/storage.h"
#include "web/web.h"

#include "base/err.h"
#include "base/text.h"
#include "core/fs.h"
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
