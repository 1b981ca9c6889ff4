/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/trigger.h"

#include "model/layer.h"

enum trigger_verdict trigger_layer(struct trigger *t, const struct layer *l)
{
	int64_t step = (int64_t)t->every_n_layers * MAX(t->keep_one_in, 1U);

	if (step == 0 || l->number <= t->last_layer)
		return TRIGGER_NOT_DUE;
	if (t->last_layer > 0 && l->number - t->last_layer < step)
		return TRIGGER_NOT_DUE;
	/* Its place is left to the next one that can be photographed. */
	if (l->is_catching_up && step > 1)
		return TRIGGER_TOO_LATE;
	t->last_layer = l->number;
	return l->is_catching_up ? TRIGGER_TOO_LATE : TRIGGER_DUE;
}

int64_t trigger_period_ms(const struct trigger *t, int64_t every_ms)
{
	return every_ms * MAX(t->keep_one_in, 1U);
}
