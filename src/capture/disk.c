/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/private.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/budget.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/work.h"
#include "store/repo.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* One look at the disk: what is used (store's thread), what is free (journals' queue), a verdict. */
struct look {
	struct sessions *owner;
	uint64_t frames_bytes, films_bytes, free_bytes, total_bytes;
	int rc;
	struct err err;
};

static bool counts(const struct recording *r)
{
	return r->machine == SESSION_RECORDING || r->machine == SESSION_PAUSED;
}

unsigned disk_thinning(const struct sessions *ss, const struct recording *newcomer)
{
	const struct recording *r;

	DL_FOREACH(ss->recordings, r)
	if (r != newcomer && counts(r))
		return ss->keep_one_in;
	return 1;
}

/* Pictures of this print that are still to come, were none left out. */
static uint64_t to_come(const struct recording *r)
{
	uint64_t n = 0;

	if (r->s.layers > r->trigger.last_layer && r->plan.every_n_layers > 0)
		n = (uint64_t)(r->s.layers - r->trigger.last_layer) / r->plan.every_n_layers;
	if (r->plan.every_ms > 0) {
		const struct station *st = station_of(r->owner, r->s.printer);
		int64_t now_ms = loop_wall_ms(r->owner->env.loop);
		double left_ms =
			st ? st->job.estimate_s * 1000 - (double)(now_ms - st->job.started_wall_ms)
			   : 0;

		if (left_ms > 0 && left_ms < 1e10)
			n += (uint64_t)(left_ms / (double)r->plan.every_ms);
	}
	return n * r->n_shooters;
}

static struct budget_facts gather(struct sessions *ss, const struct look *k)
{
	struct budget_facts f = { .free_bytes = k->free_bytes,
		                  .floor_bytes = ss->env.floor_bytes,
		                  .used_bytes = k->frames_bytes + k->films_bytes,
		                  .budget_bytes = ss->env.budget_bytes };
	const struct recording *r;

	DL_FOREACH(ss->recordings, r)
	{
		f.n_taken += r->s.n_frames;
		f.taken_bytes += r->s.bytes;
		if (counts(r))
			f.n_to_come += to_come(r);
		if (!ss->env.store)
			f.used_bytes += r->s.bytes;
	}
	return f;
}

static void tell(struct sessions *ss, enum notice_level level, const struct recording *r,
                 const char *text)
{
	event_notice(ss->env.bus, loop_wall_ms(ss->env.loop), level, "disk", r->s.printer, "%s: %s",
	             r->s.job_name, text);
}

static void apply_thinning(struct sessions *ss, struct recording *r, const struct budget_verdict *v)
{
	char text[300], left[24];

	text_size(left, sizeof(left), v->left_bytes);
	if (v->keep_one_in > r->s.keep_one_in)
		snprintf(text, sizeof(text),
		         "the disk will not hold all the pictures of this print (%s may still be "
		         "used): from now on one in %u is taken. Free some space to have them all.",
		         left, v->keep_one_in);
	else
		snprintf(text, sizeof(text),
		         "there is more space again: one picture in %u is taken.", v->keep_one_in);
	tell(ss, v->keep_one_in > r->s.keep_one_in ? NOTICE_WARNING : NOTICE_INFO, r, text);
	r->s.keep_one_in = r->trigger.keep_one_in = v->keep_one_in;
	r->s.is_thinned |= v->keep_one_in > 1;
	if (r->journal && !r->is_ending)
		journal_note(r->journal, "thinned", text, loop_wall_ms(ss->env.loop));
	recording_touch(r);
}

static void apply_stop(struct sessions *ss, const struct budget_verdict *v)
{
	char text[300], floor[24];
	const struct recording *r;

	if (v->must_stop == ss->is_disk_stopped)
		return;
	ss->is_disk_stopped = v->must_stop;
	text_size(floor, sizeof(floor), ss->env.floor_bytes);
	if (v->must_stop)
		snprintf(
			text, sizeof(text),
			"no more pictures are taken: the disk is full down to the %s that are left "
			"alone, or the budget is used up. What was taken is kept, recording goes "
			"on when there is space.",
			floor);
	else
		text_copy(text, sizeof(text), "there is space again, pictures are taken.");
	DL_FOREACH(ss->recordings, r)
	if (counts(r))
		tell(ss, v->must_stop ? NOTICE_ALARM : NOTICE_INFO, r, text);
}

static void judge(struct sessions *ss, const struct look *k)
{
	struct budget_facts f = gather(ss, k);
	struct budget_verdict v = budget_judge(&f, ss->keep_one_in, ss->is_disk_stopped);
	struct recording *r;

	ss->keep_one_in = v.keep_one_in;
	DL_FOREACH(ss->recordings, r)
	{
		uint64_t mean = f.n_taken > 0 ? f.taken_bytes / f.n_taken : 0;

		if (!counts(r))
			continue;
		r->s.forecast_bytes = r->s.layers > 0 && mean > 0
		                              ? r->s.bytes + to_come(r) * mean / v.keep_one_in
		                              : 0;
		if (v.keep_one_in != r->s.keep_one_in)
			apply_thinning(ss, r, &v);
	}
	apply_stop(ss, &v);
}

static void looked(void *arg)
{
	struct look *k = arg;
	struct sessions *ss = k->owner;

	ss->is_checking_disk = false;
	if (k->rc < 0)
		log_warn(NULL, "%s", k->err.text);
	else if (!ss->is_closing)
		judge(ss, k);
	free(k);
	if (ss->must_check_again && !ss->is_closing)
		disk_check(ss);
	sessions_job_done(ss);
}

static void run_look(void *arg)
{
	struct look *k = arg;

	k->rc = fs_space(k->owner->data_dir, &k->free_bytes, &k->total_bytes, &k->err);
}

static int run_sum(struct db *db, void *arg, struct err *err)
{
	struct look *k = arg;

	return repo_sum_bytes(db, &k->frames_bytes, &k->films_bytes, err);
}

static void summed(void *arg, int rc UNUSED, const struct err *err)
{
	struct look *k = arg;

	if (err)
		log_warn(NULL, "what frames and films take is not known: %s", err->text);
	work_submit(k->owner->env.disk, run_look, looked, k);
}

void disk_check(struct sessions *ss)
{
	struct look *k;

	ss->must_check_again = ss->is_checking_disk;
	if (ss->is_checking_disk)
		return;
	k = MEM_NEW(struct look);
	k->owner = ss;
	ss->is_checking_disk = true;
	ss->n_jobs++;
	if (ss->env.store)
		store_submit(ss->env.store, run_sum, summed, k);
	else
		work_submit(ss->env.disk, run_look, looked, k);
}

void disk_tick(void *arg)
{
	struct sessions *ss = arg;
	const struct recording *r;

	DL_FOREACH(ss->recordings, r)
	if (counts(r)) {
		disk_check(ss);
		return;
	}
}
