/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "edge/button.h"
#include "edge/iio.h"
#include "edge/sim.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each series of a button has its picture first and its judgement once. */
static void check(const struct button_step *s, unsigned n, bool *is_open)
{
	assert(n <= BUTTON_MAX_STEPS);
	for (unsigned i = 0; i < n; i++) {
		assert(s[i].news != BUTTON_QUIET);
		assert(*is_open == (s[i].news == BUTTON_ORDERS));
		*is_open = s[i].news == BUTTON_SHOOT;
	}
}

static void press(const uint8_t *data, size_t size)
{
	struct button_rules rules;
	struct button b;
	int64_t now_us = 1000000;
	bool is_open = false;

	button_rules_init(&rules);
	rules.is_single = size > 0 && data[0] & 1;
	button_init(&b, &rules, size > 0 && data[0] & 2);
	for (size_t i = 1; i + 1 < size; i += 2) {
		struct button_step s[BUTTON_MAX_STEPS];
		unsigned n;

		/* 0 to 510 ms, or a little back: stamps of two interrupts may cross. */
		now_us += data[i + 1] == 255 ? -300 : (int64_t)data[i + 1] * data[i + 1] * 8;
		if (data[i] & 4)
			button_set_changing(&b, data[i] & 1, now_us);
		else if (data[i] & 2)
			check(s, (n = button_tick(&b, now_us, s)), &is_open);
		else
			check(s, (n = button_edge(&b, data[i] & 1, now_us, s)), &is_open);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool is_high;
	int64_t us;
	double v;

	press(data, size);
	if (sim_line_parse((const char *)data, size, &is_high, &us))
		assert(us >= 0);
	(void)iio_number((const char *)data, size, &v);
	return 0;
}
