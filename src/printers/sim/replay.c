/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/replay.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "printers/sim/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RECORDING ((size_t)256 << 20)

struct sim_replay {
	struct sim_engine *engine;
	struct timer timer;
	struct buf text;
	size_t at;
	double speed, t_s;
	json_t *next; /* NULL: over */
};

/* The next line that is a message; blank and broken ones are passed over. */
static void advance(struct sim_replay *r)
{
	json_decref(r->next);
	r->next = NULL;
	while (!r->next && r->at < r->text.size) {
		const char *line = r->text.data + r->at;
		const char *end = memchr(line, '\n', r->text.size - r->at);
		size_t n = end ? (size_t)(end - line) : r->text.size - r->at;

		r->at += n + 1;
		r->next = json_loadb(line, n, 0, NULL);
		if (!json_is_object(json_object_get(r->next, "report"))) {
			json_decref(r->next);
			r->next = NULL;
		}
	}
}

static void play(void *arg)
{
	struct sim_replay *r = arg;

	if (!r->next)
		return;
	r->t_s = json_number_value(json_object_get(r->next, "t"));
	sim_engine_replay(r->engine, json_object_get(r->next, "report"));
	advance(r);
	if (!r->next)
		return;

	double wait_s = json_number_value(json_object_get(r->next, "t")) - r->t_s;

	timer_start(&r->timer, (int64_t)(MAX(wait_s, 0.0) * 1000 / r->speed));
}

static int load_state(struct sim_replay *r, const char *path, struct err *err)
{
	json_t *j = json_loadb(buf_peek(&r->text), r->text.size, 0, NULL);
	json_t *pushall = json_object_get(j, "pushall");
	json_t *report = pushall ? pushall : j;
	int rc = 0;

	if (json_is_object(json_object_get(report, "print")))
		sim_engine_set_report(r->engine, report);
	else
		rc = err_set(err, -EINVAL, "%s holds no report ({\"print\":{…}})", path);
	json_decref(j);
	return rc;
}

int sim_replay_start(struct loop *l, struct sim_engine *e, const char *path, double speed,
                     struct sim_replay **ret, struct err *err)
{
	struct sim_replay *r = MEM_NEW(struct sim_replay);
	int rc = fs_read(path, MAX_RECORDING, &r->text, err);

	r->engine = e;
	r->speed = speed > 0 ? speed : 1;
	timer_init(&r->timer, l, play, r);
	if (rc == 0 && text_ends(path, ".jsonl")) {
		advance(r);
		if (!r->next)
			rc = err_set(err, -EINVAL, "%s holds no message", path);
	} else if (rc == 0) {
		rc = load_state(r, path, err);
	}
	if (rc < 0) {
		sim_replay_stop(r);
		return rc;
	}
	if (r->next)
		timer_start(&r->timer, 0);
	*ret = r;
	return 0;
}

void sim_replay_stop(struct sim_replay *r)
{
	if (!r)
		return;
	timer_stop(&r->timer);
	json_decref(r->next);
	buf_fini(&r->text);
	free(r);
}

bool sim_replay_is_over(const struct sim_replay *r)
{
	return !r->next;
}
