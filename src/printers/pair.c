/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/pair.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/log.h"
#include "core/loop.h"
#include "printers/driver.h"
#include "wire/rest.h"
#include "wire/tls_judge.h"
#include "wire/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 1000
#define MAX_MISSED 5 /* polls without an answer, one after the other */

struct pair {
	struct loop *loop;
	struct rest *rest;
	struct pair_events events;
	char *url, *user;
	char token[80];
	struct timer poll, limit;
	unsigned n_missed;
	bool is_done;
	unsigned busy;
	bool is_dead;
};

static void release(struct pair *p)
{
	secret_wipe(p->token, sizeof(p->token));
	free(p->url);
	free(p->user);
	free(p);
}

static void finish(struct pair *p, const char *key, const struct err *err)
{
	if (p->is_done)
		return;
	p->is_done = true;
	timer_stop(&p->poll);
	timer_stop(&p->limit);
	p->busy++;
	p->events.done(p->events.arg, key, err);
	if (--p->busy == 0 && p->is_dead)
		release(p);
}

static void fail(struct pair *p, int code, const char *text)
{
	struct err err = { 0 };

	(void)err_set(&err, code, "%s", text);
	finish(p, NULL, &err);
}

static void ask(struct pair *p, const char *target, const char *body, rest_fn *done)
{
	const struct rest_question q = { .target = target, .body = body };

	(void)rest_ask(p->rest, &q, done, p);
}

/* ---- the answer of the person ---- */

static void on_polled(void *arg, const struct rest_answer *a)
{
	struct pair *p = arg;
	const char *key = json_string_value(json_object_get(a->json, "api_key"));

	if (a->status == 200 && key && *key) {
		log_hide(key);
		finish(p, key, NULL);
	} else if (a->status == 404) {
		fail(p, -EACCES,
		     "the request was denied in OctoPrint, or it has forgotten it; ask again");
	} else if (a->status == 202) {
		p->n_missed = 0;
		timer_start(&p->poll, POLL_MS);
	} else if (++p->n_missed < MAX_MISSED) {
		timer_start(&p->poll, POLL_MS);
	} else {
		fail(p, -EIO, "OctoPrint does not answer any more; ask again when it does");
	}
}

static void on_poll(void *arg)
{
	struct pair *p = arg;
	char target[160];

	(void)snprintf(target, sizeof(target), "/plugin/appkeys/request/%s", p->token);
	ask(p, target, NULL, on_polled);
}

static void on_limit(void *arg)
{
	fail(arg, -ETIMEDOUT, "nobody has allowed it in OctoPrint within five minutes; ask again");
}

/* ---- asking ---- */

static bool take_token(struct pair *p, const char *token)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	return token && *token && strspn(token, allowed) == strlen(token) &&
	       TEXT_SET(p->token, token);
}

/* The page that OctoPrint names, if it is one of its own. */
static void tell_where(struct pair *p, const char *dialog)
{
	char where[600];
	struct url own = { 0 }, theirs = { 0 };
	bool is_own = dialog && url_parse(p->url, &own, NULL) == 0 &&
	              url_parse(dialog, &theirs, NULL) == 0 && strcmp(own.host, theirs.host) == 0;

	url_fini(&own);
	url_fini(&theirs);
	TEXT_SET(where, is_own ? dialog : p->url);
	text_clean(where);
	p->busy++;
	p->events.asked(p->events.arg, where);
	p->busy--;
}

static void on_requested(void *arg, const struct rest_answer *a)
{
	struct pair *p = arg;
	const char *dialog = json_string_value(json_object_get(a->json, "auth_dialog"));
	struct err err = { 0 };

	if (!rest_is_fine(p->rest, a, "OctoPrint", &err)) {
		finish(p, NULL, &err);
		return;
	}
	if (!take_token(p, json_string_value(json_object_get(a->json, "app_token")))) {
		fail(p, -EPROTO, "it answers the request in a way that OctoPrint does not");
		return;
	}
	timer_start(&p->poll, POLL_MS);
	timer_start(&p->limit, PAIR_LIMIT_MS);
	tell_where(p, dialog);
	if (p->is_dead)
		release(p);
}

static void on_probed(void *arg, const struct rest_answer *a)
{
	struct pair *p = arg;
	struct err err = { 0 };

	if (a->status == 404) {
		fail(p, -ENOENT,
		     "this is no OctoPrint, or its plugin Application Keys is switched off: then "
		     "make a key in OctoPrint's settings, and enter it");
		return;
	}
	if (!rest_is_fine(p->rest, a, "OctoPrint", &err)) {
		finish(p, NULL, &err);
		return;
	}

	json_t *j = json_pack("{s:s}", "app", "Bedside");

	if (p->user)
		json_object_set_new(j, "user", json_string(p->user));

	auto_free char *body = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	ask(p, "/plugin/appkeys/request", body ? body : "{}", on_requested);
}

struct pair *pair_start(struct loop *l, const struct printer_config *c, const char *user,
                        const struct rest_player *player, const struct pair_events *events)
{
	struct pair *p = MEM_NEW(struct pair);
	struct rest_config config;

	p->loop = l;
	p->events = *events;
	p->url = mem_str(c->url);
	p->user = user && *user ? mem_str(user) : NULL;
	timer_init(&p->poll, l, on_poll, p);
	timer_init(&p->limit, l, on_limit, p);
	printer_rest_config(c, &config);
	config.user = config.password = NULL;
	config.player = player;
	p->rest = rest_new(l, &config);
	ask(p, "/plugin/appkeys/probe", NULL, on_probed);
	return p;
}

void pair_free(struct pair *p)
{
	if (!p || p->is_dead)
		return;
	timer_stop(&p->poll);
	timer_stop(&p->limit);
	rest_free(p->rest);
	p->rest = NULL;
	p->is_dead = p->is_done = true;
	if (p->busy == 0)
		release(p);
}

bool pair_refused_certificate(const struct pair *p, uint8_t ret_sha256[32], char ret_subject[128])
{
	struct tls_leaf leaf;

	if (!rest_leaf(p->rest, &leaf) || leaf.is_trusted)
		return false;
	memcpy(ret_sha256, leaf.sha256, 32);
	text_copy(ret_subject, 128, leaf.subject_cn);
	return true;
}
