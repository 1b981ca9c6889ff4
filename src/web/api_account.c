/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth.h"
#include "web/handlers.h"
#include "web/json_user.h"
#include "web/web.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set_cookie(struct call *c, const struct login *l, const char *token)
{
	char age[40] = "";

	/* Without an age the browser forgets it when it ends. */
	if (l->is_remembered)
		snprintf(age, sizeof(age), "; Max-Age=%lld", (long long)(AUTH_REMEMBER_MS / 1000));
	snprintf(c->set_cookie, sizeof(c->set_cookie),
	         AUTH_COOKIE "=%s; Path=%s; HttpOnly; SameSite=Strict%s%s", token, c->base_path,
	         c->is_secure ? "; Secure" : "", age);
}

static void clear_cookie(struct call *c)
{
	snprintf(c->set_cookie, sizeof(c->set_cookie),
	         AUTH_COOKIE "=; Path=%s; HttpOnly; SameSite=Strict; Max-Age=0", c->base_path);
}

static void refuse(struct call *c, const struct auth_result *r)
{
	if (r->rc == -EAGAIN)
		call_too_many(c, r->wait_s, r->err->text);
	else if (r->rc == -EACCES)
		call_refuse(c, 401, "%s", r->err->text);
	else
		call_refuse_err(c, r->rc, r->err);
}

static void signed_in(void *arg, const struct auth_result *r)
{
	struct call *c = arg;

	if (r->rc < 0) {
		TEXT_SET(c->who.user.name, call_text(c, "name", ""));
		web_audit(c, "login", "", "refused: %s", r->err->text);
		refuse(c, r);
		return;
	}
	c->who.user = *r->user;
	web_audit(c, "login", "", "signed in%s",
	          r->login->is_remembered ? ", to be remembered" : "");
	set_cookie(c, r->login, r->token);
	call_json(c, 200,
	          json_pack("{s:o, s:s}", "user", json_user(r->user), "csrf", r->login->csrf));
}

static struct auth_try try_of(const struct call *c)
{
	const char *agent = http_header(c->head, "User-Agent");

	return (struct auth_try){
		.name = call_text(c, "name", ""),
		.password = call_text(c, "password", ""),
		.address = c->address,
		.agent = agent ? agent : "",
		.is_remembered = call_bool(c, "remember", false),
	};
}

void api_login(struct call *c)
{
	struct auth_try t = try_of(c);

	auth_login(c->web->auth, &t, signed_in, c);
}

/* This machine is not enough: a proxy on it may stand for the whole world and not tell. */
static bool may_set_up(const struct call *c)
{
	return auth_is_setup_token(c->web->auth, call_text(c, "token", "")) || web_has_link(c);
}

void api_setup(struct call *c)
{
	struct auth_try t = try_of(c);
	struct err err = { 0 };

	if (!auth_needs_setup(c->web->auth)) {
		call_refuse(c, 410, "The administrator is set already: sign in.");
		return;
	}
	if (!may_set_up(c)) {
		call_refuse(c, 403,
		            "This takes the set-up link that Bedside printed when it started, no "
		            "older than 15 minutes: restart it for a new one, or run 'bedside "
		            "user add' on its machine.");
		return;
	}
	if (user_name_check(t.name, &err) < 0) {
		call_refuse_field(c, "name", "%s", err.text);
		return;
	}
	auth_setup(c->web->auth, &t, signed_in, c);
}

static void signed_out(void *arg, const struct auth_result *r)
{
	struct call *c = arg;

	if (r->rc < 0) {
		refuse(c, r);
		return;
	}
	web_audit(c, "logout", "", "signed out");
	clear_cookie(c);
	call_done(c);
}

void api_logout(struct call *c)
{
	char everywhere[8] = "";

	if (c->who.is_demo || c->who.is_key) {
		call_done(c);
		return;
	}
	(void)call_query(c, "everywhere", everywhere, sizeof(everywhere));
	auth_logout(c->web->auth, c->who.token_hash,
	            strcmp(everywhere, "1") == 0 || strcmp(everywhere, "true") == 0 ? c->who.user.id
	                                                                            : NULL,
	            signed_out, c);
}

void api_me(struct call *c)
{
	call_json(c, 200,
	          json_pack("{s:o, s:s, s:b, s:s}", "user", json_user(&c->who.user), "csrf",
	                    c->who.csrf, "is_demo", (int)c->web->env.is_demo, "version",
	                    BEDSIDE_VERSION));
}

static void password_changed(void *arg, const struct auth_result *r)
{
	struct call *c = arg;

	web_audit(c, "password", c->who.user.name, "%s",
	          r->rc < 0 ? r->err->text : "changed their own password");
	if (r->rc == -EACCES)
		call_refuse_field(c, "old", "The old password is wrong.");
	else if (r->rc < 0)
		refuse(c, r);
	else
		call_done(c);
}

void api_me_password(struct call *c)
{
	if (c->who.is_key) {
		call_refuse(c, 403, "A password is changed by a person who is signed in.");
		return;
	}
	auth_change_password(c->web->auth, &c->who, call_text(c, "old", ""),
	                     call_text(c, "new", ""), password_changed, c);
}
