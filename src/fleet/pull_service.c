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

#define FIRST_ROUND_MS 15000

/* What a round found out about one source. */
struct outcome {
	struct log log;
	struct pull_result result;
	struct err err;
	int rc;
	bool was_bad; /* loop only: told of */
};

struct pull_service {
	struct pull_service_env env;
	char *into;
	struct work_pool *pool;
	struct timer timer;
	struct outcome *outcomes; /* the worker's while a round runs */
	atomic_bool is_cancelled;
	bool is_running; /* loop only */
};

/* On the worker. */
static void said(void *arg, enum pull_word w, const char *path, uint64_t bytes, const char *text)
{
	const struct outcome *o = arg;
	char size[32];

	switch (w) {
	case PULL_FETCHED:
		log_info(&o->log, "'%s' is home (%s)", path, text_size(size, sizeof(size), bytes));
		break;
	case PULL_KEPT_BOTH:
		log_warn(&o->log, "another '%s' is here already: the new one is called '%s'", path,
		         text);
		break;
	case PULL_REFUSED:
	case PULL_FAILED:
		log_warn(&o->log, "'%s': %s", path, text);
		break;
	case PULL_DELETED:
	case PULL_BUSY:
	case PULL_RETRIES:
	case PULL_WOULD_FETCH:
	case PULL_WOULD_DELETE:
		log_debug(&o->log, "%s '%s' %s", pull_word_name(w), path, text);
		break;
	}
}

static void run_round(void *arg)
{
	struct pull_service *ps = arg;

	for (size_t i = 0; i < ps->env.n_sources && !atomic_load(&ps->is_cancelled); i++) {
		struct outcome *o = &ps->outcomes[i];
		const struct pull_how how = { .into = ps->into,
			                      .floor_bytes = ps->env.floor_bytes,
			                      .is_cancelled = &ps->is_cancelled,
			                      .ears = { .said = said, .arg = o } };

		o->err = (struct err){ 0 };
		o->rc = pull_run(&how, &ps->env.sources[i], &o->result, &o->err);
	}
}

static void judge(struct pull_service *ps, size_t i)
{
	const struct pull_source *s = &ps->env.sources[i];
	struct outcome *o = &ps->outcomes[i];
	int64_t now_ms = loop_wall_ms(ps->env.loop);
	/* Somebody fetches by hand: that is no trouble. */
	bool is_bad = o->rc < 0 && o->rc != -EBUSY;

	if (is_bad && !o->was_bad) {
		log_warn(&o->log, "%s", o->err.text);
		event_notice(ps->env.bus, now_ms, NOTICE_WARNING, "pull", s->id,
		             "Films do not come home from %s: %s.", s->name, o->err.text);
	} else if (!is_bad && o->was_bad) {
		log_info(&o->log, "works again");
		event_notice(ps->env.bus, now_ms, NOTICE_INFO, "pull", s->id,
		             "Films come home from %s again.", s->name);
	}
	o->was_bad = is_bad;
}

static void round_done(void *arg)
{
	struct pull_service *ps = arg;

	ps->is_running = false;
	if (atomic_load(&ps->is_cancelled))
		return;
	for (size_t i = 0; i < ps->env.n_sources; i++)
		judge(ps, i);
	timer_start(&ps->timer, ps->env.poll_ms);
}

static void begin_round(void *arg)
{
	struct pull_service *ps = arg;

	ps->is_running = true;
	work_submit(ps->pool, run_round, round_done, ps);
}

struct pull_service *pull_service_new(const struct pull_service_env *env)
{
	struct pull_service *ps = MEM_NEW(struct pull_service);

	ps->env = *env;
	ps->into = mem_str(env->into);
	ps->outcomes = mem_new_array(env->n_sources + 1, sizeof(*ps->outcomes));
	for (size_t i = 0; i < env->n_sources; i++)
		log_init(&ps->outcomes[i].log, "pull %s", env->sources[i].id);
	ps->pool = work_pool_new(env->loop, "pull", 1);
	timer_init(&ps->timer, env->loop, begin_round, ps);
	if (env->n_sources > 0 && env->poll_ms > 0)
		timer_start(&ps->timer, MIN(env->poll_ms, (int64_t)FIRST_ROUND_MS));
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
	free(ps->outcomes);
	free(ps->into);
	free(ps);
}
