/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_capture: the key `capture`: how layers are captured, for all printers or for one. */

#include "app/config_priv.h"

#include "base/err.h"
#include "capture/plan.h"

#include <stdio.h>

const struct config_table config_capture_table = { capture_plan_opts, CAPTURE_PLAN_N_OPTS };

void config_read_capture(struct config_loading *l, const struct conf_node *map, const char *path,
                         struct capture_plan *plan)
{
	const struct conf_node *n = conf_get(map, "capture");
	struct err err = { 0 };
	char where[160];

	if (!n)
		return;
	(void)snprintf(where, sizeof(where), "%.120s%scapture", path, path[0] ? "." : "");
	opt_read(capture_plan_opts, CAPTURE_PLAN_N_OPTS, n, where, plan, l->errors);
	if (l->errors->n == 0 && capture_plan_check(plan, &err) < 0)
		conf_error(l->errors, n->line, "%s.%s", where, err.text);
}
