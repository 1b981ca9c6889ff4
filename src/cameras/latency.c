/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/latency.h"

#include "base/cleanup.h"
#include "base/mem.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define N_LEVEL 5      /* pictures that tell how bright it is before and after */
#define MIN_CHANGE 3.0 /* of 255: JPEG alone moves the mean by less than one */
#define MIN_OVER_NOISE 3.0
#define MIN_FOUND 3
#define MAX_GAP 3 /* intervals */
#define MAX_INTERVAL_US 2500000
#define MIN_SPREAD_US 100000

struct series {
	const struct latency_sample *at;
	size_t n;
	int64_t interval_us;
};

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorts. */
static int64_t median(int64_t *v, size_t n)
{
	if (n == 0)
		return 0;
	qsort(v, n, sizeof(*v), compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static int64_t find_interval(const struct latency_sample *s, size_t n)
{
	if (n < 2)
		return 0;

	auto_free int64_t *gaps = mem_new_array(n, sizeof(*gaps));

	for (size_t i = 1; i < n; i++)
		gaps[i - 1] = s[i].at_us - s[i - 1].at_us;
	return median(gaps, n - 1);
}

/* The first sample after `us`. */
static size_t first_after(const struct series *s, int64_t us)
{
	size_t i = 0;

	while (i < s->n && s->at[i].at_us <= us)
		i++;
	return i;
}

/* The mean of what lies in [from, to), and how far it varies. */
static double level(const struct series *s, size_t from, size_t to, double *ret_range)
{
	double sum = 0, least = INFINITY, most = -INFINITY;

	for (size_t i = from; i < to; i++) {
		sum += s->at[i].luma;
		least = fmin(least, s->at[i].luma);
		most = fmax(most, s->at[i].luma);
	}
	*ret_range = most - least;
	return sum / (double)(to - from);
}

static bool is_past(const struct latency_crossing *c, double luma)
{
	double half = (c->before + c->after) / 2;

	return c->after > c->before ? luma >= half : luma <= half;
}

/* `from` to before `to` are the pictures after the switching; there is one before `from`. */
static void cross(const struct series *s, size_t from, size_t to, const struct latency_toggle *t,
                  struct latency_crossing *c)
{
	size_t i = from;

	/* One flash is not the light. */
	while (i + 1 < to && !(is_past(c, s->at[i].luma) && is_past(c, s->at[i + 1].luma)))
		i++;
	c->least_us = s->at[i - 1].at_us - t->acked_us;
	c->most_us = s->at[i].at_us - t->sent_us;
	if (i + 1 >= to)
		c->verdict = LATENCY_NOISY;
	else if (s->at[i].at_us - s->at[i - 1].at_us > MAX_GAP * s->interval_us)
		c->verdict = LATENCY_GAP;
	else
		c->verdict = LATENCY_FOUND;
}

/* The pictures of the switching lie between those before and after it. */
static void judge(const struct series *s, const struct latency_toggle *t, int64_t since_us,
                  int64_t until_us, struct latency_crossing *c)
{
	size_t begin = first_after(s, since_us), from = first_after(s, t->sent_us);
	size_t to = first_after(s, until_us);
	double noise_before, noise_after;

	*c = (struct latency_crossing){ .verdict = LATENCY_FEW };
	if (from < begin + 2 || to < from + 3)
		return;
	if (from > begin + N_LEVEL)
		begin = from - N_LEVEL;
	c->before = level(s, begin, from, &noise_before);
	c->after = level(s, to - MIN(to - from, (size_t)N_LEVEL), to, &noise_after);
	/* Few pictures: the change itself may lie among the last. */
	if (to - from <= N_LEVEL)
		c->after = level(s, to - 2, to, &noise_after);
	c->noise = fmax(noise_before, noise_after);

	double change = fabs(c->after - c->before);

	if (change < MIN_CHANGE)
		c->verdict = LATENCY_WEAK;
	else if (change < MIN_OVER_NOISE * c->noise)
		c->verdict = LATENCY_NOISY;
	else if ((c->after > c->before) != t->is_on)
		c->verdict = LATENCY_BACKWARDS;
	else
		cross(s, from, to, t, c);
}

static void refuse(struct latency_result *r, enum latency_verdict v)
{
	static const char *const texts[LATENCY_N_VERDICTS] = {
		[LATENCY_FEW] = "there are too few pictures between two switchings: see with "
				"`bedside camera test` why the camera is so slow",
		[LATENCY_WEAK] = "the picture hardly changes with the light: darken the room, let "
				 "the camera see more of it, or switch automatic exposure off",
		[LATENCY_NOISY] =
			"the picture changes as much by itself as by the light: darken the "
			"room, let nothing move, or switch automatic exposure off",
		[LATENCY_BACKWARDS] =
			"the picture becomes dark when the light goes on: either it is "
			"another printer's light, or the pictures come later than the "
			"next switching",
		[LATENCY_GAP] =
			"pictures were lost each time that the light changed: try again when "
			"the network or this machine has less to do",
	};

	(void)snprintf(r->text, sizeof(r->text), "%s (%u of %u switchings were seen)",
	               texts[v] ? texts[v] : texts[LATENCY_FEW], r->n, r->n_toggles);
}

static enum latency_verdict usual_fault(const struct latency_crossing *each, size_t n)
{
	unsigned counts[LATENCY_N_VERDICTS] = { 0 };
	enum latency_verdict worst = LATENCY_FEW;

	for (size_t i = 0; i < n; i++)
		counts[each[i].verdict]++;
	for (int v = LATENCY_FOUND + 1; v < LATENCY_N_VERDICTS; v++)
		if (counts[v] > counts[worst])
			worst = (enum latency_verdict)v;
	return worst;
}

static int64_t half_width(const struct latency_crossing *c)
{
	return (c->most_us - c->least_us) / 2;
}

static void conclude(const struct latency_crossing *each, size_t n, struct latency_result *r)
{
	int64_t mid[LATENCY_MAX_TOGGLES], half[LATENCY_MAX_TOGGLES];
	int64_t found_us, allowed_us;

	for (size_t i = 0; i < n; i++) {
		if (each[i].verdict != LATENCY_FOUND)
			continue;
		mid[r->n] = (each[i].least_us + each[i].most_us) / 2;
		half[r->n++] = half_width(&each[i]);
	}
	if (r->n < MIN_FOUND || r->n < (n + 1) / 2) {
		refuse(r, usual_fault(each, n));
		return;
	}
	found_us = median(mid, r->n);
	r->uncertainty_us = median(half, r->n);
	r->spread_us = mid[r->n - 1 - r->n / 4] - mid[r->n / 4];
	r->latency_us = MAX(found_us, (int64_t)0);
	/* Single figures lie anywhere within their own width. */
	allowed_us = MAX(3 * r->uncertainty_us, (int64_t)MIN_SPREAD_US);
	if (r->interval_us > MAX_INTERVAL_US)
		(void)snprintf(r->text, sizeof(r->text),
		               "a picture comes only every %.1f s, which is too slow to tell",
		               (double)r->interval_us / 1e6);
	else if (r->spread_us > allowed_us)
		(void)snprintf(r->text, sizeof(r->text),
		               "the figures differ by %lld ms (%lld ms would be fine): try again "
		               "when the network or this machine has less to do",
		               (long long)(r->spread_us / 1000), (long long)(allowed_us / 1000));
	else
		r->is_ok = true;
	if (r->is_ok)
		(void)snprintf(r->text, sizeof(r->text),
		               "%lld ms, give or take %lld ms (median of %u of %u switchings; half "
		               "of them within %lld ms; a picture every %lld ms)",
		               (long long)(r->latency_us / 1000),
		               (long long)((r->uncertainty_us + 999) / 1000), r->n, r->n_toggles,
		               (long long)(r->spread_us / 1000),
		               (long long)(r->interval_us / 1000));
}

void latency_find(const struct latency_toggle *toggles, size_t n_toggles,
                  const struct latency_sample *samples, size_t n_samples,
                  struct latency_crossing *each, struct latency_result *ret)
{
	struct series s = { .at = samples, .n = n_samples };

	assert(n_toggles <= LATENCY_MAX_TOGGLES);
	s.interval_us = find_interval(samples, n_samples);
	*ret = (struct latency_result){ .n_toggles = (unsigned)n_toggles,
		                        .interval_us = s.interval_us };
	for (size_t i = 0; i < n_toggles; i++)
		judge(&s, &toggles[i], i > 0 ? toggles[i - 1].sent_us : INT64_MIN,
		      i + 1 < n_toggles ? toggles[i + 1].sent_us : INT64_MAX, &each[i]);
	conclude(each, n_toggles, ret);
}

const char *latency_verdict_text(enum latency_verdict v)
{
	switch (v) {
	case LATENCY_FOUND:
		return "found";
	case LATENCY_FEW:
		return "too few pictures";
	case LATENCY_WEAK:
		return "the picture hardly changes";
	case LATENCY_NOISY:
		return "the picture changes by itself, too";
	case LATENCY_BACKWARDS:
		return "the picture changes the other way";
	case LATENCY_GAP:
		return "pictures were lost just then";
	case LATENCY_N_VERDICTS:
		break;
	}
	return "";
}
