/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/private.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/budget.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/work.h"
#include "model/pick.h"
#include "store/repo.h"
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* A frame of a film takes so much less than its picture, until its own film tells. */
#define FILM_SHARE 3
#define FILM_KNOWN_FRAMES 50

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

/* What the printer says, else what the slicer said. */
static double left_s(const struct recording *r, const struct station *st)
{
	int64_t now_ms = loop_wall_ms(r->owner->env.loop);

	if (!st)
		return (double)NAN;
	if (st->remaining_min > 0)
		return st->remaining_min * 60.0;
	return st->job.estimate_s - (double)(now_ms - st->job.started_wall_ms) / 1000;
}

/* Pictures of this print that one camera is still to take, were none left out. */
static uint64_t to_come(const struct recording *r)
{
	const struct station *st = station_of(r->owner, r->s.printer);
	const struct budget_course c = {
		.layers = r->s.layers,
		.layer = r->trigger.last_layer,
		.percent = st ? st->percent : -1,
		.left_s = left_s(r, st),
		.n_layers_seen = r->trigger.last_layer - r->first_layer,
		.seen_s = (double)(loop_now_us(r->owner->env.loop) - r->begun_us) / 1e6,
		.every_n_layers = r->plan.every_n_layers,
		.every_ms = r->plan.every_ms,
	};

	return budget_to_come(&c);
}

uint32_t disk_expected(const struct recording *r)
{
	uint64_t n = to_come(r), n_taken = r->s.n_frames;
	unsigned n_live = 0;

	if (r->is_ending)
		n = 0;
	else if (n == 0 && r->s.layers <= 0)
		return 0;
	for (unsigned i = 0; i < r->n_shooters; i++)
		n_live += r->shooters[i].n_stored > 0;
	n_taken /= MAX(n_live, 1U);
	/* The one at the end has no layer of its own. */
	n = n / MAX(r->s.keep_one_in, 1U) + n_taken + !r->is_ending;
	return (uint32_t)MIN(n, (uint64_t)UINT32_MAX);
}

/* ---- what the films of a session take ---- */

struct films_forecast {
	uint64_t written_bytes, each_bytes, more_bytes;
};

/* `n_to_come`: pictures of one camera, `mean_bytes` each. */
static struct films_forecast forecast_films(const struct recording *r, uint64_t n_to_come,
                                            uint64_t mean_bytes)
{
	struct films_forecast f = { 0 };
	uint64_t n_in = 0, n_most = film_pick_most(&r->s.film), each = mean_bytes / FILM_SHARE;
	uint64_t n = MAX(r->n_shooters, 1U), n_taken = r->s.n_frames / n, n_all;

	if (!r->s.wants_film)
		return f;
	for (unsigned i = 0; i < r->n_shooters; i++) {
		f.written_bytes += r->shooters[i].film_bytes;
		n_in += r->shooters[i].film_frames;
	}
	if (n_in >= FILM_KNOWN_FRAMES)
		each = f.written_bytes / n_in;
	n_all = n_taken + n_to_come;
	n_in /= n;
	/* A film of a wanted length takes some of them, and is made again if the guess was wrong. */
	n_taken = MIN(n_taken, n_most);
	f.more_bytes = (n_taken > n_in ? n_taken - n_in : 0) * each * n;
	if (n_all > n_most)
		f.more_bytes += n_most * each * n;
	f.each_bytes = n_all > n_most ? each * n_most / n_all : each;
	return f;
}

static uint64_t mean_bytes(const struct budget_facts *f)
{
	return f->n_taken > 0 ? f->taken_bytes / f->n_taken : 0;
}

static void add_to_come(struct budget_facts *f, const struct recording *r)
{
	uint64_t n = to_come(r);
	struct films_forecast films = forecast_films(r, n, mean_bytes(f));

	n *= r->n_shooters;
	/* The records know of a film what it was when it was last kept. */
	f->used_bytes += films.written_bytes;
	f->film_written_bytes += films.written_bytes;
	f->film_bytes += films.more_bytes;
	if (f->n_to_come + n > 0)
		f->film_bytes_each = (f->film_bytes_each * f->n_to_come + films.each_bytes * n) /
		                     (f->n_to_come + n);
	f->n_to_come += n;
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
		if (!ss->env.store)
			f.used_bytes += r->s.bytes;
	}
	DL_FOREACH(ss->recordings, r)
	if (counts(r))
		add_to_come(&f, r);
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

static uint64_t forecast_of(const struct recording *r, uint64_t mean, unsigned keep_one_in)
{
	uint64_t n = to_come(r);
	struct films_forecast films = forecast_films(r, n, mean);

	if ((n == 0 && r->s.layers <= 0) || mean == 0)
		return 0;
	return r->s.bytes + films.written_bytes + films.more_bytes +
	       n * r->n_shooters * (mean + films.each_bytes) / keep_one_in;
}

static void judge(struct sessions *ss, const struct look *k)
{
	struct budget_facts f = gather(ss, k);
	struct budget_verdict v = budget_judge(&f, ss->keep_one_in, ss->is_disk_stopped);
	struct recording *r;

	ss->keep_one_in = v.keep_one_in;
	DL_FOREACH(ss->recordings, r)
	{
		if (!counts(r))
			continue;
		uint64_t forecast_bytes = forecast_of(r, mean_bytes(&f), v.keep_one_in);

		if (forecast_bytes != r->s.forecast_bytes)
			recording_touch(r);
		r->s.forecast_bytes = forecast_bytes;
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
