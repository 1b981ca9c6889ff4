/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/notices.h"

#include "base/err.h"
#include "base/mem.h"
#include "core/bus.h"
#include "core/log.h"
#include "core/loop.h"
#include "model/event.h"
#include "store/repo.h"
#include "store/store.h"

#include <stdlib.h>

#define PRUNE_MS 3600000

struct notices {
	struct store *store;
	struct bus_listener listener;
	struct timer prune;
};

static int run_save(struct db *db, void *arg, struct err *err)
{
	return repo_notice_save(db, arg, err);
}

static void save_done(void *arg, int rc UNUSED, const struct err *err)
{
	/* Not told as a notice: it could not be kept either. */
	if (err)
		log_warn(NULL, "a notice was not kept: %s", err->text);
	free(arg);
}

static void heard(void *arg, const struct bus_event *e)
{
	struct notices *n = arg;

	if (e->type == EVENT_NOTICE)
		store_submit(n->store, run_save, save_done,
		             mem_dup(event_as_notice(e), sizeof(struct event_notice)));
}

static int run_prune(struct db *db, void *arg UNUSED, struct err *err)
{
	return repo_notice_prune(db, NOTICES_KEPT, err);
}

static void prune(void *arg)
{
	struct notices *n = arg;

	store_submit(n->store, run_prune, NULL, NULL);
}

struct notices *notices_new(struct loop *l, struct bus *b, struct store *s)
{
	struct notices *n = MEM_NEW(struct notices);

	n->store = s;
	bus_listen(b, &n->listener, heard, n);
	timer_init(&n->prune, l, prune, n);
	timer_start_every(&n->prune, PRUNE_MS);
	return n;
}

void notices_free(struct notices *n)
{
	if (!n)
		return;
	bus_unlisten(&n->listener);
	timer_stop(&n->prune);
	free(n);
}
