/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/budget.h"

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
	uint64_t to_come_bytes = f->n_to_come * mean_size(f);

	if (f->budget_bytes > 0)
		v.left_bytes = MIN(v.left_bytes, above(f->budget_bytes, f->used_bytes));
	v.must_stop = v.left_bytes <= (is_stopped ? BUDGET_SPARE_BYTES : 0);
	v.keep_one_in = needed_thinning(to_come_bytes, v.left_bytes);
	/* What a picture takes is not known yet, or how many there will be; or none is taken at all,
	 * and each layer then counts as missed. */
	if (f->n_taken == 0 || f->n_to_come == 0 || v.must_stop)
		v.keep_one_in = keep_one_in;
	/* Down by less than a quarter of the space would be up again with the next picture. */
	if (v.keep_one_in < keep_one_in &&
	    needed_thinning(to_come_bytes, v.left_bytes / 2) >= keep_one_in)
		v.keep_one_in = keep_one_in;
	if (f->n_to_come > 0 && f->n_taken > 0)
		v.forecast_bytes = f->taken_bytes + to_come_bytes / v.keep_one_in;
	return v;
}
