/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "model/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROUND_MS 15000

struct own {
	struct log log;
	struct pull_status status;
	int told_rc; /* 0: nothing bad is told of it */
};

/* The run under way: the worker's, but for what is atomic. */
struct run {
	size_t at;
	const struct log *log;
	struct pull_result result;
	struct err err;
	int rc;
	atomic_uint n_fetched;
};

struct pull_service {
	struct pull_service_env env;
	char *into;
	struct work_pool *pool;
	struct timer timer;
	struct own *own; /* one for each source */
	struct run run;
	atomic_bool is_cancelled;
	bool is_running;
	int64_t next_wall_ms;
};

/* On the worker. */
static void said(void *arg, enum pull_word w, const char *path, uint64_t bytes, const char *text)
{
	struct run *o = arg;
	char size[32];

	switch (w) {
	case PULL_FETCHED:
		atomic_fetch_add(&o->n_fetched, 1);
		log_info(o->log, "'%s' is home (%s)", path, text_size(size, sizeof(size), bytes));
		break;
	case PULL_KEPT_BOTH:
		log_warn(o->log, "another '%s' is here already: the new one is called '%s'", path,
		         text);
		break;
	case PULL_REFUSED:
	case PULL_FAILED:
		log_warn(o->log, "'%s': %s", path, text);
		break;
	case PULL_DELETED:
	case PULL_BUSY:
	case PULL_RETRIES:
	case PULL_WOULD_FETCH:
	case PULL_WOULD_DELETE:
		log_debug(o->log, "%s '%s' %s", pull_word_name(w), path, text);
		break;
	}
}

static void run_one(void *arg)
{
	struct pull_service *ps = arg;
	struct run *r = &ps->run;
	const struct pull_how how = { .into = ps->into,
		                      .floor_bytes = ps->env.floor_bytes,
		                      .is_cancelled = &ps->is_cancelled,
		                      .ears = { .said = said, .arg = r } };

	r->rc = ps->env.run(&how, &ps->env.sources[r->at], &r->result, &r->err);
}

/* ---- what came of it ---- */

static const char *advice_on(const struct pull_source *s, int rc)
{
	switch (rc) {
	case -ENOSPC:
		return "Make room on the disk: what did not fit stayed there, and comes by "
		       "itself.";
	case -EPERM:
		return s->is_sftp ? "If the host was set up anew, write its new fingerprint as "
		                    "host_key; if not, somebody else answers there."
		                  : "If the rig was set up anew, write its new fingerprint as tls; "
		                    "if not, somebody else answers there.";
	case -EACCES:
		return s->is_sftp ? "Check user and key of this source, and whether the host "
		                    "knows the key."
		                  : "Make a key of the scope collect there, and write it as "
		                    "api_key.";
	case -EHOSTUNREACH:
		return "Check that it is switched on and in the network; it is tried again by "
		       "itself.";
	case -EIO:
		return "It is tried again by itself; the log names each file.";
	default:
		return "";
	}
}

/* Trouble of another kind that needs a hand is news, although there is trouble already. */
static bool is_news(int told_rc, int rc)
{
	if (told_rc == 0)
		return true;
	return rc != told_rc && (rc == -EPERM || rc == -EACCES || rc == -ENOSPC);
}

static void tell(struct pull_service *ps, struct own *o)
{
	const struct pull_status *st = &o->status;
	const struct pull_source *s = st->source;

	if (st->rc < 0 && is_news(o->told_rc, st->rc)) {
		o->told_rc = st->rc;
		log_warn(&o->log, "%s", st->text);
		event_notice(ps->env.bus, st->ended_wall_ms, NOTICE_WARNING, "pull", s->id,
		             "Films do not come home from %s: %.250s.%s%s", s->name, st->text,
		             st->advice[0] ? " " : "", st->advice);
	} else if (st->rc == 0 && o->told_rc < 0) {
		o->told_rc = 0;
		log_info(&o->log, "works again");
		event_notice(ps->env.bus, st->ended_wall_ms, NOTICE_INFO, "pull", s->id,
		             "Films come home from %s again.", s->name);
	}
}

static void judge(struct pull_service *ps)
{
	const struct run *r = &ps->run;
	const struct pull_result *n = &r->result;
	struct own *o = &ps->own[r->at];
	struct pull_status *st = &o->status;
	unsigned n_here = n->n_known + n->n_fetched;

	/* Somebody fetches by hand: that is no trouble, and tells nothing. */
	if (r->rc == -EBUSY)
		return;
	st->ended_wall_ms = loop_wall_ms(ps->env.loop);
	st->rc = r->rc;
	st->newest = *n;
	st->n_fetched += n->n_fetched;
	st->bytes += n->bytes;
	/* A host that could not be asked: as it was. */
	if (r->rc == 0 || n->n_found > 0)
		st->n_waiting = n->n_found > n_here ? n->n_found - n_here : 0;
	TEXT_SET(st->text, r->rc < 0 ? r->err.text : "");
	st->advice = advice_on(st->source, r->rc);
	if (r->rc == 0)
		st->good_wall_ms = st->ended_wall_ms;
	tell(ps, o);
}

/* ---- whose turn it is ---- */

static void go_on(struct pull_service *ps);

static void is_run(void *arg)
{
	struct pull_service *ps = arg;

	ps->is_running = false;
	if (atomic_load(&ps->is_cancelled))
		return;
	judge(ps);
	go_on(ps);
}

static void go_on(struct pull_service *ps)
{
	if (ps->is_running)
		return;
	/* Behind the last one: a slow source, due again already, keeps no other from its turn. */
	for (size_t k = 1; k <= ps->env.n_sources; k++) {
		size_t i = (ps->run.at + k) % ps->env.n_sources;
		struct pull_status *st = &ps->own[i].status;

		if (!st->is_due)
			continue;
		st->is_due = false;
		ps->is_running = true;
		ps->run.at = i;
		ps->run.log = &ps->own[i].log;
		ps->run.result = (struct pull_result){ 0 };
		ps->run.err = (struct err){ 0 };
		atomic_store(&ps->run.n_fetched, 0);
		work_submit(ps->pool, run_one, is_run, ps);
		return;
	}
}

/* One that is under way is not due again. */
static void make_due(struct pull_service *ps, size_t i)
{
	if (!ps->is_running || ps->run.at != i)
		ps->own[i].status.is_due = true;
}

static void plan(struct pull_service *ps, int64_t in_ms)
{
	timer_start(&ps->timer, in_ms);
	ps->next_wall_ms = loop_wall_ms(ps->env.loop) + in_ms;
}

static void begin_round(void *arg)
{
	struct pull_service *ps = arg;

	for (size_t i = 0; i < ps->env.n_sources; i++)
		make_due(ps, i);
	plan(ps, ps->env.poll_ms);
	go_on(ps);
}

int pull_service_now(struct pull_service *ps, const char *id, struct err *err)
{
	bool is_found = false;

	for (size_t i = 0; i < pull_service_n(ps); i++) {
		if (id[0] && strcmp(ps->env.sources[i].id, id) != 0)
			continue;
		is_found = true;
		make_due(ps, i);
	}
	if (!is_found)
		return err_set(err, -ENOENT,
		               id[0] ? "there is no such source in bedside.yaml"
		                     : "there is no source: write some under pull: in "
		                       "bedside.yaml");
	go_on(ps);
	return 0;
}

size_t pull_service_n(const struct pull_service *ps)
{
	return ps ? ps->env.n_sources : 0;
}

void pull_service_at(const struct pull_service *ps, size_t i, struct pull_status *ret)
{
	*ret = ps->own[i].status;
	ret->is_running = ps->is_running && ps->run.at == i;
	ret->next_wall_ms = ps->next_wall_ms;
	if (ret->is_running)
		ret->n_fetched += atomic_load(&ps->run.n_fetched);
}

/* ---- life ---- */

struct pull_service *pull_service_new(const struct pull_service_env *env)
{
	struct pull_service *ps = MEM_NEW(struct pull_service);

	ps->env = *env;
	ps->into = mem_str(env->into);
	if (!ps->env.run)
		ps->env.run = pull_run;
	ps->own = mem_new_array(env->n_sources + 1, sizeof(*ps->own));
	for (size_t i = 0; i < env->n_sources; i++) {
		log_init(&ps->own[i].log, "pull %s", env->sources[i].id);
		ps->own[i].status.source = &env->sources[i];
		ps->own[i].status.advice = "";
	}
	ps->run.at = env->n_sources - 1; /* the first is next */
	ps->pool = work_pool_new(env->loop, "pull", 1);
	timer_init(&ps->timer, env->loop, begin_round, ps);
	if (env->n_sources > 0 && env->poll_ms > 0)
		plan(ps, MIN(env->poll_ms, (int64_t)FIRST_ROUND_MS));
	return ps;
}

void pull_service_stop(struct pull_service *ps)
{
	if (!ps)
		return;
	timer_stop(&ps->timer);
	atomic_store(&ps->is_cancelled, true);
}

void pull_service_free(struct pull_service *ps)
{
	if (!ps)
		return;
	pull_service_stop(ps);
	work_pool_free(ps->pool);
	free(ps->own);
	free(ps->into);
	free(ps);
}
