/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth.h"
#include "web/handlers.h"
#include "web/route.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "model/json.h"
#include "store/store.h"

#include <unistd.h>

void api_healthz(struct call *c)
{
	call_json(c, 200, json_pack("{s:s}", "status", "ok"));
}

static int look(struct db *db, void *arg, struct err *err)
{
	struct call *c = arg;

	(void)db;
	(void)err;
	/* On the store's thread: a dead disk must not stop the loop. */
	if (access(c->web->env.data_dir, W_OK) < 0)
		c->data = mem_new(1);
	return 0;
}

static void have_looked(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	json_t *reasons = json_array();

	if (rc < 0)
		json_array_append_new(reasons, json_text(err->text));
	if (c->data)
		json_array_append_new(reasons, json_string("the data folder cannot be written"));
	if (c->web->not_ready[0])
		json_array_append_new(reasons, json_text(c->web->not_ready));

	bool is_ready = json_array_size(reasons) == 0;

	call_json(c, is_ready ? 200 : 503,
	          json_pack("{s:s, s:o}", "status", is_ready ? "ok" : "not ready", "reasons",
	                    reasons));
}

void api_readyz(struct call *c)
{
	store_submit(c->web->env.store, look, have_looked, c);
}

void api_start(struct call *c)
{
	bool is_demo = c->web->env.is_demo;

	call_json(c, 200,
	          json_pack("{s:b, s:b, s:b, s:b, s:s}", "needs_setup",
	                    (int)(auth_needs_setup(c->web->auth) && c->who.role == ROLE_OPEN),
	                    "has_link", (int)web_has_link(c), "is_demo", (int)is_demo,
	                    "is_signed_in", (int)(c->who.role > ROLE_OPEN), "version",
	                    BEDSIDE_VERSION));
}

void api_openapi(struct call *c)
{
	call_json(c, 200, openapi_document(c->base_path));
}
