/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/handlers.h"
#include "web/tokens.h"
#include "web/web.h"

#include "base/err.h"
#include "base/text.h"
#include "base/when.h"
#include "cameras/camera.h"
#include "model/json.h"

static json_t *json_token(const struct camera_token *t)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "id", t->id, "camera",
	                 json_text(t->camera), "name", json_text(t->name), "made_by",
	                 json_text(t->made_by), "created_at", json_time(t->created_wall_ms),
	                 "expires_at", json_time(t->expires_wall_ms), "last_used_at",
	                 json_time(t->last_used_wall_ms));
}

void api_tokens(struct call *c)
{
	json_t *list = json_array();
	size_t n;
	const struct camera_token *all = tokens_all(c->web->tokens, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_token(&all[i]));
	call_json(c, 200, json_pack("{s:o}", "tokens", list));
}

static void is_added(void *arg, int rc, const struct err *err, const struct camera_token *t,
                     const char *secret)
{
	struct call *c = arg;

	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	web_audit(c, "camera token", t->name, "made for camera %s", t->camera);
	call_json(c, 201,
	          json_pack("{s:o, s:s, s:o}", "token", json_token(t), "secret", secret, "path",
	                    json_sprintf("%sc/%s/", c->base_path, secret)));
}

void api_token_add(struct call *c)
{
	struct camera_token t = { 0 };
	const char *until = call_text(c, "expires_at", NULL);
	int64_t minutes = call_int(c, "expires_in_min", 0), now_ms = loop_wall_ms(c->web->env.loop);

	TEXT_SET(t.camera, call_text(c, "camera", ""));
	TEXT_SET(t.name, call_text(c, "name", ""));
	TEXT_SET(t.made_by, c->who.user.name);
	if (!c->web->env.cameras || !cameras_find(c->web->env.cameras, t.camera)) {
		call_refuse_field(c, "camera", "There is no camera of this id.");
		return;
	}
	if (until)
		(void)when_from_iso(until, &t.expires_wall_ms);
	if (minutes > 0)
		t.expires_wall_ms = now_ms + minutes * 60000;
	if (t.expires_wall_ms != 0 && t.expires_wall_ms <= now_ms) {
		call_refuse_field(c, "expires_at", "This time is over already.");
		return;
	}
	tokens_add(c->web->tokens, &t, is_added, c);
}

static void is_removed(void *arg, int rc, const struct err *err, const struct camera_token *t,
                       const char *secret)
{
	struct call *c = arg;

	(void)secret;
	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	web_audit(c, "camera token", t->name, "revoked");
	call_done(c);
}

void api_token_remove(struct call *c)
{
	tokens_remove(c->web->tokens, c->params[0], is_removed, c);
}
