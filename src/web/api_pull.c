/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api_pull: from where films and captures come home, and how that goes. */

#include "web/handlers.h"
#include "web/web.h"

#include "base/err.h"
#include "base/text.h"
#include "fleet/pull.h"
#include "model/json.h"

static const char *state_of(const struct pull_status *s)
{
	if (s->is_running)
		return "fetching";
	if (s->is_due)
		return "due";
	if (s->ended_wall_ms == 0)
		return "not_yet";
	return s->rc < 0 ? "failed" : "good";
}

static json_t *json_source(const struct pull_status *s)
{
	const struct pull_source *p = s->source;
	json_t *o =
		json_pack("{s:o, s:o, s:o, s:b, s:s, s:o, s:s}", "id", json_text(p->id), "name",
	                  json_text(p->name), "url", json_text(p->url), "deletes", (int)p->deletes,
	                  "state", state_of(s), "text", json_text(s->text), "advice", s->advice);
	json_t *more = json_pack("{s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:i, s:I}", "ended_at",
	                         json_time(s->ended_wall_ms), "good_at", json_time(s->good_wall_ms),
	                         "next_at", json_time(s->next_wall_ms), "n_found",
	                         (int)s->newest.n_found, "n_waiting", (int)s->n_waiting, "n_busy",
	                         (int)s->newest.n_busy, "n_newest", (int)s->newest.n_fetched,
	                         "n_refused", (int)s->newest.n_refused, "n_fetched",
	                         (int)s->n_fetched, "fetched_bytes", (json_int_t)s->bytes);

	json_object_update(o, more);
	json_decref(more);
	return o;
}

static json_t *json_pull(const struct web *w)
{
	json_t *list = json_array();

	for (size_t i = 0; i < pull_service_n(w->env.pull); i++) {
		struct pull_status s;

		pull_service_at(w->env.pull, i, &s);
		json_array_append_new(list, json_source(&s));
	}
	return json_pack("{s:o}", "sources", list);
}

void api_pull(struct call *c)
{
	call_json(c, 200, json_pull(c->web));
}

void api_pull_now(struct call *c)
{
	const char *id = call_text(c, "source", "");
	struct err err = { 0 };

	if (pull_service_now(c->web->env.pull, id, &err) < 0) {
		call_refuse(c, 409, "%s.", err.text);
		return;
	}
	web_audit(c, "pull", id, "now");
	call_json(c, 202, json_pull(c->web));
}
