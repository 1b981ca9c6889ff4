/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/hub.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/crypto.h"
#include "fleet/hub_private.h"
#include "model/json.h"
#include "store/repo_rig.h"
#include "store/store.h"
#include "wire/http_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PREFIX "rk"
#define PRUNE_MS 3600000
#define NEWS_KEPT 200000 /* of each rig: layers, frames and readings */

int64_t hub_now_us(const struct hub *h)
{
	return loop_now_us(h->env.loop);
}

void hub_unref(struct hub *h)
{
	if (--h->refs == 0)
		free(h);
}

/* ---- who ---- */

struct hub_rig *hub_rig_find(const struct hub *h, const char *id)
{
	for (size_t i = 0; id && i < h->n_rigs; i++) {
		if (strcmp(h->rigs[i].record.id, id) == 0)
			return &h->rigs[i];
	}
	return NULL;
}

const struct rig_record *hub_find(const struct hub *h, const char *id)
{
	const struct hub_rig *r = hub_rig_find(h, id);

	return r ? &r->record : NULL;
}

const struct rig_record *hub_at(const struct hub *h, size_t i)
{
	return i < h->n_rigs ? &h->rigs[i].record : NULL;
}

static void hash_of(char hash[USER_HASH_SIZE], const char *text)
{
	uint8_t digest[CRYPTO_SHA256_SIZE];

	crypto_sha256(digest, text, strlen(text));
	text_hex(hash, digest, sizeof(digest));
}

const struct rig_record *hub_find_key(const struct hub *h, const char *key)
{
	char hash[USER_HASH_SIZE];

	if (!key || strlen(key) != HUB_KEY_SIZE - 1 || !text_starts(key, KEY_PREFIX))
		return NULL;
	hash_of(hash, key);
	for (size_t i = 0; i < h->n_rigs; i++) {
		if (crypto_equal(h->rigs[i].record.key_hash, hash, USER_HASH_SIZE))
			return &h->rigs[i].record;
	}
	return NULL;
}

bool hub_is_online(const struct hub *h, const char *id)
{
	const struct hub_rig *r = hub_rig_find(h, id);

	return r && r->link;
}

/* ---- keeping ---- */

static void put_rig(struct hub *h, const struct rig_record *record)
{
	size_t at = 0;

	h->rigs = mem_grow(h->rigs, h->n_rigs + 1, sizeof(*h->rigs));
	while (at < h->n_rigs && strcasecmp(h->rigs[at].record.name, record->name) < 0)
		at++;
	memmove(&h->rigs[at + 1], &h->rigs[at], (h->n_rigs - at) * sizeof(*h->rigs));
	h->rigs[at] = (struct hub_rig){ .record = *record };
	h->n_rigs++;
}

static void clear_rig(struct hub_rig *r)
{
	json_decref(r->state);
	for (unsigned i = 0; i < r->n_shown; i++)
		http_bytes_unref(r->shown[i].jpeg);
	*r = (struct hub_rig){ 0 };
}

static void drop_rig(struct hub *h, const char *id)
{
	struct hub_rig *r = hub_rig_find(h, id);
	size_t at;

	if (!r)
		return;
	at = (size_t)(r - h->rigs);
	clear_rig(r);
	h->n_rigs--;
	memmove(&h->rigs[at], &h->rigs[at + 1], (h->n_rigs - at) * sizeof(*h->rigs));
}

/* ---- writing ---- */

enum what {
	ADD,
	SAVE,
	REMOVE,
};

struct rig_job {
	struct hub *hub;
	enum what what;
	struct rig_record record;
	char key[HUB_KEY_SIZE];
	hub_done *done;
	void *arg;
	int rc;
	struct err err;
};

static int run(struct db *db, void *arg, struct err *err)
{
	struct rig_job *j = arg;

	switch (j->what) {
	case ADD:
		return repo_rig_add(db, &j->record, err);
	case SAVE:
		return repo_rig_change(db, j->record.id, j->record.name, &j->record.delays, err);
	case REMOVE:
		return repo_rig_remove(db, j->record.id, err);
	}
	return 0;
}

static void end_job(void *arg)
{
	struct rig_job *j = arg;
	struct hub *h = j->hub;

	j->done(j->arg, j->rc, &j->err, &j->record, j->rc == 0 ? j->key : "");
	secret_wipe(j, sizeof(*j));
	free(j);
	hub_unref(h);
}

static void bye_all(struct hub *h, const char *id, const char *text)
{
	for (struct hub_link *l = h->links, *next; l; l = next) {
		next = l->next;
		if (text_equal(l->rig, id))
			hub_link_bye(l, true, text);
	}
}

/* What was changed, of `j`; which then is as the rig. */
static void take_change(struct hub_rig *r, struct rig_record *j)
{
	struct rig_delays *d = &r->record.delays;
	struct rig_message m = { .word = RIG_DELAYS };

	if (j->name[0])
		TEXT_SET(r->record.name, j->name);
	d->status_ms = j->delays.status_ms < 0 ? d->status_ms : j->delays.status_ms;
	d->climate_ms = j->delays.climate_ms < 0 ? d->climate_ms : j->delays.climate_ms;
	d->image_ms = j->delays.image_ms < 0 ? d->image_ms : j->delays.image_ms;
	*j = r->record;
	m.delays = *d;
	if (r->link)
		hub_link_send(r->link, &m);
}

static void ran(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;
	struct hub *h = j->hub;
	struct hub_rig *r = hub_rig_find(h, j->record.id);

	j->rc = rc;
	if (rc < 0) {
		j->err = *err;
	} else if (j->what == SAVE && !r) {
		j->rc = err_set(&j->err, -ENOENT, "There is no rig of this id any more.");
	} else if (h->is_dead) {
		/* What is written is written. */
	} else if (j->what == ADD) {
		put_rig(h, &j->record);
	} else if (j->what == SAVE) {
		take_change(r, &j->record);
	} else if (j->what == REMOVE) {
		hub_orders_end(h, j->record.id, -ENOENT, "the rig was removed");
		bye_all(h, j->record.id, "this rig's key was revoked: pair again if that is wrong");
		drop_rig(h, j->record.id);
	}
	end_job(j);
}

static struct rig_job *rig_job_new(struct hub *h, enum what what, hub_done *done, void *arg)
{
	struct rig_job *j = MEM_NEW(struct rig_job);

	h->refs++;
	*j = (struct rig_job){ .hub = h, .what = what, .done = done, .arg = arg };
	return j;
}

static void fail(struct rig_job *j, int rc, const char *text)
{
	j->rc = err_set(&j->err, rc, "%s", text);
	loop_post(j->hub->env.loop, end_job, j);
}

/* ---- pairing ---- */

int hub_code_make(struct hub *h, const char *made_by, char ret[HUB_CODE_SIZE], struct err *err)
{
	/* Without those that look alike. */
	static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
	struct hub_code *free_one = NULL;
	uint8_t chance[8];

	for (size_t i = 0; i < HUB_CODES_MAX && !free_one; i++) {
		if (h->codes[i].until_us <= hub_now_us(h))
			free_one = &h->codes[i];
	}
	if (!free_one)
		return err_set(err, -EAGAIN,
		               "%d pairing codes are open already; use one, or wait until they end",
		               HUB_CODES_MAX);
	crypto_random(chance, sizeof(chance));
	for (size_t i = 0, n = 0; i < sizeof(chance); i++) {
		if (i == 4)
			ret[n++] = '-';
		ret[n++] = letters[chance[i] % 32];
		ret[n] = '\0';
	}
	TEXT_SET(free_one->code, ret);
	TEXT_SET(free_one->made_by, made_by);
	free_one->until_us = hub_now_us(h) + HUB_CODE_MS * INT64_C(1000);
	return 0;
}

/* As people type it: in small letters, without the dash. False: too long. */
static bool read_code(char code[HUB_CODE_SIZE], const char *typed)
{
	size_t n = 0;

	for (const char *c = typed; *c; c++) {
		if (*c == '-' || *c == ' ')
			continue;
		if (n == 4)
			code[n++] = '-';
		if (n + 1 >= HUB_CODE_SIZE)
			return false;
		code[n++] = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
		code[n] = '\0';
	}
	return n == HUB_CODE_SIZE - 1;
}

static struct hub_code *find_code(struct hub *h, const char *typed)
{
	char code[HUB_CODE_SIZE] = "";

	if (!read_code(code, typed))
		return NULL;
	for (size_t i = 0; i < HUB_CODES_MAX; i++) {
		if (h->codes[i].until_us > hub_now_us(h) &&
		    crypto_equal(h->codes[i].code, code, sizeof(code)))
			return &h->codes[i];
	}
	return NULL;
}

static bool has_name(const struct hub *h, const char *name, const char *but_id)
{
	for (size_t i = 0; i < h->n_rigs; i++) {
		if (text_equal_nocase(h->rigs[i].record.name, name) &&
		    !text_equal(h->rigs[i].record.id, but_id))
			return true;
	}
	return false;
}

void hub_pair(struct hub *h, const char *code, const char *name, hub_done *done, void *arg)
{
	struct rig_job *j = rig_job_new(h, ADD, done, arg);
	struct hub_code *c = find_code(h, code);

	TEXT_SET(j->record.name, name);
	text_clean(j->record.name);
	if (!c) {
		fail(j, -EACCES,
		     "this pairing code is wrong, used or over; an administrator makes a new one "
		     "on "
		     "the hub's page under Rigs");
		return;
	}
	if (has_name(h, j->record.name, "")) {
		/* The code stays good: only the name is to be another. */
		fail(j, -EEXIST,
		     "the hub has a rig of this name already; choose another with --name, or "
		     "remove "
		     "that one there if it is this machine's old pairing");
		return;
	}
	if (h->n_rigs >= REPO_MAX_RIGS) {
		fail(j, -EPERM, "the hub has as many rigs as it can take");
		return;
	}
	TEXT_SET(j->record.made_by, c->made_by);
	*c = (struct hub_code){ 0 };
	j->record.paired_wall_ms = loop_wall_ms(h->env.loop);
	(void)id_new(j->record.id, j->record.paired_wall_ms);
	TEXT_SET(j->key, KEY_PREFIX);
	crypto_random_text(j->key + sizeof(KEY_PREFIX) - 1, HUB_KEY_SIZE - sizeof(KEY_PREFIX));
	hash_of(j->record.key_hash, j->key);
	store_submit(h->env.store, run, ran, j);
}

void hub_change(struct hub *h, const char *id, const char *name, const struct rig_delays *delays,
                hub_done *done, void *arg)
{
	struct rig_job *j = rig_job_new(h, SAVE, done, arg);

	if (!hub_rig_find(h, id)) {
		fail(j, -ENOENT, "There is no rig of this id.");
		return;
	}
	TEXT_SET(j->record.id, id);
	TEXT_SET(j->record.name, name);
	j->record.delays = *delays;
	if (has_name(h, j->record.name, id)) {
		fail(j, -EEXIST, "There is a rig of this name already.");
		return;
	}
	store_submit(h->env.store, run, ran, j);
}

void hub_revoke(struct hub *h, const char *id, hub_done *done, void *arg)
{
	struct rig_job *j = rig_job_new(h, REMOVE, done, arg);
	const struct hub_rig *r = hub_rig_find(h, id);

	if (!r) {
		fail(j, -ENOENT, "There is no rig of this id.");
		return;
	}
	j->record = r->record;
	store_submit(h->env.store, run, ran, j);
}

/* ---- showing ---- */

static json_t *shown_json(const struct hub_rig *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n_shown; i++)
		json_array_append_new(list, json_pack("{s:s, s:o}", "camera", r->shown[i].camera,
		                                      "at", json_time(r->shown[i].at_wall_ms)));
	return list;
}

static json_t *list_of(const struct hub_rig *r, const char *key)
{
	json_t *v = json_object_get(r->state, key);

	return json_is_array(v) ? json_incref(v) : json_array();
}

static json_t *delay(int64_t ms)
{
	return ms > 0 ? json_real((double)ms / 1000) : json_null();
}

json_t *hub_rig_json(const struct hub *h, const char *id, bool is_whole)
{
	const struct hub_rig *r = hub_rig_find(h, id);
	struct hub_clock clock;
	json_t *j;

	if (!r)
		return NULL;
	clock = hub_clock_best(r);
	j = json_pack("{s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:I}", "id", r->record.id,
	              "name", json_text(r->record.name), "version", json_text(r->record.version),
	              "address", json_text(r->address), "is_online", (int)(r->link != NULL), "text",
	              json_text(r->text), "since_at", json_time(r->since_wall_ms), "paired_at",
	              json_time(r->record.paired_wall_ms), "made_by", json_text(r->record.made_by),
	              "seen_at", json_time(r->record.last_seen_wall_ms), "n_news",
	              (json_int_t)r->record.n_news);
	json_object_set_new(j, "clock_offset_ms",
	                    r->n_clocks ? json_integer(clock.offset_ms) : json_null());
	json_object_set_new(j, "rtt_ms", r->n_clocks ? json_integer(clock.rtt_ms) : json_null());
	json_object_set_new(j, "status_delay_s", delay(r->record.delays.status_ms));
	json_object_set_new(j, "climate_delay_s", delay(r->record.delays.climate_ms));
	json_object_set_new(j, "image_delay_s", delay(r->record.delays.image_ms));
	json_object_set_new(j, "pictures", shown_json(r));
	if (!is_whole)
		return j;
	json_object_set_new(j, "printers", list_of(r, "printers"));
	json_object_set_new(j, "cameras", list_of(r, "cameras"));
	json_object_set_new(j, "sessions", list_of(r, "sessions"));
	json_object_set_new(j, "climate", list_of(r, "climate"));
	return j;
}

struct http_bytes *hub_preview(const struct hub *h, const char *id, const char *camera,
                               int64_t *ret_at_wall_ms)
{
	const struct hub_rig *r = hub_rig_find(h, id);

	for (unsigned i = 0; r && i < r->n_shown; i++) {
		if (strcmp(r->shown[i].camera, camera) != 0)
			continue;
		*ret_at_wall_ms = r->shown[i].at_wall_ms;
		return http_bytes_ref(r->shown[i].jpeg);
	}
	return NULL;
}

/* ---- life ---- */

static void beat(void *arg)
{
	hub_link_beat(arg);
}

static int run_prune(struct db *db, void *arg UNUSED, struct err *err)
{
	return repo_rig_prune(db, NEWS_KEPT, err);
}

static void prune(void *arg)
{
	struct hub *h = arg;

	if (h->n_rigs > 0)
		store_submit(h->env.store, run_prune, NULL, NULL);
}

struct first_load {
	struct rig_record *list;
	size_t n;
};

static int load(struct db *db, void *arg, struct err *err)
{
	struct first_load *f = arg;

	return repo_rig_list(db, &f->list, &f->n, err);
}

int hub_new(const struct hub_env *env, struct hub **ret, struct err *err)
{
	struct first_load f = { 0 };
	int rc = store_call(env->store, load, &f, err);
	struct hub *h;

	if (rc < 0)
		return err_wrap(err, rc, "reading the rigs");
	h = MEM_NEW(struct hub);
	h->env = *env;
	h->refs = 1;
	TEXT_SET(h->name, env->name);
	h->env.name = h->name;
	log_init(&h->log, "hub");
	for (size_t i = 0; i < f.n; i++)
		put_rig(h, &f.list[i]);
	free(f.list);
	timer_init(&h->beat, env->loop, beat, h);
	timer_init(&h->order_timer, env->loop, hub_orders_look, h);
	timer_init(&h->prune, env->loop, prune, h);
	timer_start_every(&h->beat, HUB_PING_MS / 2);
	timer_start_every(&h->prune, PRUNE_MS);
	*ret = h;
	return 0;
}

void hub_free(struct hub *h)
{
	if (!h)
		return;
	timer_stop(&h->beat);
	timer_stop(&h->order_timer);
	timer_stop(&h->prune);
	hub_orders_end(h, NULL, -ESHUTDOWN, "Bedside is ending; ask again when it is back.");
	while (h->links) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): takes it out of the list */
		hub_link_bye(h->links, false, "it is ending");
	}
	for (size_t i = 0; i < h->n_rigs; i++)
		clear_rig(&h->rigs[i]);
	free(h->rigs);
	h->rigs = NULL;
	h->n_rigs = 0;
	h->is_dead = true;
	hub_unref(h);
}
