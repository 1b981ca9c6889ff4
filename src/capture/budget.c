/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/budget.h"

/* Of a print that has told nothing yet: neither its layers nor its pace. */
#define USUAL_LAYER_S 40
#define MAX_LEFT_S 1e7

static double left_s(const struct budget_course *c)
{
	if (c->left_s >= 0 && c->left_s < MAX_LEFT_S)
		return c->left_s;
	return -1;
}

static double layers_left(const struct budget_course *c)
{
	double s = left_s(c);

	if (c->layers > 0)
		return c->layers > c->layer ? c->layers - MAX(c->layer, 0) : 0;
	if (s >= 0 && c->n_layers_seen > 1 && c->seen_s > 0)
		return s * c->n_layers_seen / c->seen_s;
	if (c->percent > 0 && c->percent <= 100 && c->layer > 0)
		return (double)c->layer * (100 - c->percent) / c->percent;
	return s >= 0 ? s / USUAL_LAYER_S : 0;
}

uint64_t budget_to_come(const struct budget_course *c)
{
	double n = 0, s = left_s(c);

	if (c->every_n_layers > 0)
		n = layers_left(c) / c->every_n_layers;
	if (c->every_ms > 0 && s >= 0)
		n += s * 1000 / (double)c->every_ms;
	return n < 1e9 ? (uint64_t)n : (uint64_t)1e9;
}

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static uint64_t mean_size(const struct budget_facts *f)
{
	return f->n_taken > 0 ? f->taken_bytes / f->n_taken : 0;
}

/* The least thinning with which the pictures to come fit in. */
static unsigned needed_thinning(uint64_t to_come_bytes, uint64_t left_bytes)
{
	unsigned k = 1;

	while (k < BUDGET_MAX_THINNING && to_come_bytes / k > left_bytes)
		k *= 2;
	return k;
}

struct budget_verdict budget_judge(const struct budget_facts *f, unsigned keep_one_in,
                                   bool is_stopped)
{
	struct budget_verdict v = { .left_bytes = above(f->free_bytes, f->floor_bytes) };
	uint64_t to_come_bytes = f->n_to_come * (mean_size(f) + f->film_bytes_each);
	uint64_t room;

	if (f->budget_bytes > 0)
		v.left_bytes = MIN(v.left_bytes, above(f->budget_bytes, f->used_bytes));
	v.must_stop = v.left_bytes <= (is_stopped ? BUDGET_SPARE_BYTES : 0);
	room = above(v.left_bytes, f->film_bytes);
	v.keep_one_in = needed_thinning(to_come_bytes, room);
	/* What a picture takes is not known yet, or how many there will be; or none is taken at all,
	 * and each layer then counts as missed. */
	if (f->n_taken == 0 || f->n_to_come == 0 || v.must_stop)
		v.keep_one_in = keep_one_in;
	/* Down by less than a quarter of the space would be up again with the next picture. */
	if (v.keep_one_in < keep_one_in && needed_thinning(to_come_bytes, room / 2) >= keep_one_in)
		v.keep_one_in = keep_one_in;
	if (f->n_to_come > 0 && f->n_taken > 0)
		v.forecast_bytes = f->taken_bytes + f->film_written_bytes + f->film_bytes +
		                   to_come_bytes / v.keep_one_in;
	return v;
}
