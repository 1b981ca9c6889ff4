/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/json_user.h"

#include "model/json.h"

json_t *json_user(const struct user *u)
{
	return json_pack("{s:s, s:o, s:s, s:b, s:o, s:o, s:o}", "id", u->id, "name",
	                 json_text(u->name), "role", user_role_name(u->role), "is_root",
	                 (int)u->is_root, "created_at", json_time(u->created_wall_ms), "expires_at",
	                 json_time(u->expires_wall_ms), "last_seen_at",
	                 json_time(u->last_seen_wall_ms));
}

json_t *json_key(const struct api_key *k)
{
	json_t *scopes = json_array();

	if (k->scopes & KEY_READ)
		json_array_append_new(scopes, json_string("read"));
	if (k->scopes & KEY_OPERATE)
		json_array_append_new(scopes, json_string("operate"));
	if (k->scopes & KEY_ADMIN)
		json_array_append_new(scopes, json_string("admin"));
	if (k->scopes & KEY_COLLECT)
		json_array_append_new(scopes, json_string("collect"));
	if (k->scopes & KEY_MEASURE)
		json_array_append_new(scopes, json_string("measure"));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "id", k->id, "name", json_text(k->name),
	                 "scopes", scopes, "created_at", json_time(k->created_wall_ms),
	                 "last_used_at", json_time(k->last_used_wall_ms), "expires_at",
	                 json_time(k->expires_wall_ms));
}

json_t *json_audit_entry(const struct audit_entry *e)
{
	return json_pack("{s:I, s:o, s:o, s:s, s:s, s:o, s:o}", "id", (json_int_t)e->id, "at",
	                 json_time(e->at_wall_ms), "user", json_text(e->user), "address",
	                 e->address, "action", e->action, "subject", json_text(e->subject), "text",
	                 json_text(e->text));
}
