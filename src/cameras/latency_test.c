/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/latency.h"

#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000
#define N_TOGGLES 8
#define MAX_SAMPLES 4000

/* A camera and a light, all exactly known. */
struct stage {
	int64_t latency_us, interval_us, ack_us;
	int64_t jitter_us; /* of each arrival, later only */
	int64_t ramp_us;   /* the exposure follows so slowly */
	int64_t hold_us;
	double dark, bright, noise;
	unsigned drops_each; /* each so-manieth picture is lost; 0 none */
	bool is_reversed;
};

struct outcome {
	struct latency_toggle toggles[N_TOGGLES];
	struct latency_sample samples[MAX_SAMPLES];
	struct latency_crossing each[N_TOGGLES];
	struct latency_result r;
};

static const struct stage usual = { .latency_us = 180 * MS,
	                            .interval_us = 100 * MS,
	                            .hold_us = 3000 * MS,
	                            .dark = 20,
	                            .bright = 120 };

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525U + 1013904223U;
	return *seed >> 8;
}

/* How bright the world is at `us`. */
static double light_at(const struct stage *s, const struct outcome *o, int64_t us)
{
	double share = 0;

	for (size_t i = 0; i < N_TOGGLES; i++) {
		int64_t since = us - o->toggles[i].sent_us - s->ack_us / 2;
		double done = since < 0 ? 0
		              : s->ramp_us > 0 && since < s->ramp_us
		                      ? (double)since / (double)s->ramp_us
		                      : 1;
		double goal = o->toggles[i].is_on ? 1 : 0;

		share += (goal - share) * done;
	}
	return s->is_reversed ? s->bright + (s->dark - s->bright) * share
	                      : s->dark + (s->bright - s->dark) * share;
}

static void play(const struct stage *s, struct outcome *o)
{
	uint32_t seed = 7;
	size_t n = 0, k = 0;
	int64_t end_us;

	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < N_TOGGLES; i++) {
		/* at another moment of the interval each time */
		int64_t at =
			(int64_t)(i + 1) * s->hold_us + (int64_t)(i * 5 % 8) * s->interval_us / 8;

		o->toggles[i] = (struct latency_toggle){ at, at + s->ack_us, i % 2 == 0 };
	}
	end_us = (N_TOGGLES + 1) * s->hold_us;
	for (int64_t us = 13 * MS; us < end_us && n < MAX_SAMPLES; us += s->interval_us) {
		double noise = (double)(next_random(&seed) % 2001) / 1000 - 1;
		int64_t late = s->jitter_us > 0 ? next_random(&seed) % s->jitter_us : 0;

		if (s->drops_each && ++k % s->drops_each == 0)
			continue;
		o->samples[n++] = (struct latency_sample){ us + s->latency_us + late,
			                                   light_at(s, o, us) + noise * s->noise };
	}
	latency_find(o->toggles, N_TOGGLES, o->samples, n, o->each, &o->r);
}

static int64_t off_by(const struct outcome *o, const struct stage *s)
{
	return llabs(o->r.latency_us - s->latency_us);
}

static struct outcome o; /* large */

TEST(latency_is_found_to_a_quarter_of_an_interval)
{
	for (int64_t latency = 0; latency <= 1500; latency += 125) {
		struct stage s = usual;

		s.latency_us = latency * MS;
		play(&s, &o);
		CHECK(o.r.is_ok);
		CHECK_INT(o.r.n, N_TOGGLES);
		CHECK(off_by(&o, &s) <= 25 * MS);
		CHECK_INT(o.r.uncertainty_us, 50 * MS);
		for (size_t i = 0; i < N_TOGGLES; i++)
			CHECK(o.each[i].least_us <= s.latency_us &&
			      s.latency_us <= o.each[i].most_us);
	}
}

TEST(latency_survives_jitter_noise_and_lost_pictures)
{
	struct stage s = usual;

	s.jitter_us = 60 * MS;
	s.noise = 4;
	s.drops_each = 7;
	play(&s, &o);
	CHECK(o.r.is_ok);
	CHECK(off_by(&o, &s) <= 100 * MS);
	CHECK(strstr(o.r.text, "give or take"));
}

TEST(latency_of_one_picture_a_second_is_told_with_its_uncertainty)
{
	struct stage s = usual;

	s.latency_us = 700 * MS;
	s.interval_us = 1000 * MS;
	s.hold_us = 6500 * MS;
	play(&s, &o);
	CHECK(o.r.is_ok);
	CHECK(off_by(&o, &s) <= 500 * MS);
	CHECK_INT(o.r.uncertainty_us, 500 * MS);
}

TEST(latency_waits_for_half_of_a_slow_exposure)
{
	struct stage s = usual;

	s.ramp_us = 400 * MS;
	play(&s, &o);
	CHECK(o.r.is_ok);
	CHECK(o.r.latency_us >= s.latency_us + 100 * MS);
	CHECK(o.r.latency_us <= s.latency_us + 300 * MS);
}

TEST(latency_counts_the_acknowledgement_as_uncertainty)
{
	struct stage s = usual;

	s.ack_us = 200 * MS;
	play(&s, &o);
	CHECK(o.r.is_ok);
	CHECK_INT(o.r.uncertainty_us, 150 * MS);
	CHECK(off_by(&o, &s) <= 50 * MS);
}

TEST(latency_is_refused_in_words)
{
	struct stage s = usual;

	s.bright = s.dark + 1;
	play(&s, &o);
	CHECK(!o.r.is_ok);
	CHECK(strstr(o.r.text, "hardly changes"));

	s = usual;
	s.noise = 40;
	play(&s, &o);
	CHECK(!o.r.is_ok);
	CHECK(strstr(o.r.text, "by itself"));

	s = usual;
	s.is_reversed = true;
	play(&s, &o);
	CHECK(!o.r.is_ok);
	CHECK(strstr(o.r.text, "becomes dark"));

	s = usual;
	s.interval_us = 2000 * MS;
	play(&s, &o);
	CHECK(!o.r.is_ok);
	CHECK(strstr(o.r.text, "too few"));

	s = usual;
	s.interval_us = 3000 * MS;
	s.hold_us = 20000 * MS;
	play(&s, &o);
	CHECK(!o.r.is_ok);
	CHECK(strstr(o.r.text, "too slow"));

	s = usual;
	/* What changes before the light does is not the light. */
	s.interval_us = 30 * MS;
	s.latency_us = -400 * MS;
	play(&s, &o);
	CHECK(!o.r.is_ok);
	CHECK_INT(o.r.n, 0);
}

TEST(latency_that_differs_each_time_is_refused)
{
	struct stage s = usual;
	static struct latency_sample samples[MAX_SAMPLES];
	size_t n = 0;

	s.interval_us = 30 * MS;
	play(&s, &o);
	/* The light is switched up to 700 ms earlier than is told. */
	for (size_t i = 0; i < N_TOGGLES; i++) {
		o.toggles[i].sent_us -= (int64_t)i * 100 * MS;
		o.toggles[i].acked_us = o.toggles[i].sent_us;
	}
	while (n < MAX_SAMPLES && o.samples[n].at_us > 0) {
		samples[n] = o.samples[n];
		n++;
	}
	latency_find(o.toggles, N_TOGGLES, samples, n, o.each, &o.r);
	CHECK(!o.r.is_ok);
	CHECK(strstr(o.r.text, "differ by"));
}

TEST(latency_without_pictures_is_none)
{
	latency_find(NULL, 0, NULL, 0, o.each, &o.r);
	CHECK(!o.r.is_ok);
	o.toggles[0] = (struct latency_toggle){ .sent_us = 1 };
	latency_find(o.toggles, 1, NULL, 0, o.each, &o.r);
	CHECK(!o.r.is_ok);
	CHECK_INT(o.each[0].verdict, LATENCY_FEW);
}
