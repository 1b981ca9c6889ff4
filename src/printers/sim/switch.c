/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/switch.h"

#include "base/mem.h"
#include "core/log.h"
#include "core/loop.h"
#include "printers/sim/job.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_WAITING 8

struct sim_switch {
	struct loop *loop;
	char *path;
	struct timer timer;
	struct sim_job *job; /* of what is being played; NULL: nothing */
	size_t next;
	size_t waiting[MAX_WAITING]; /* first strokes of groups */
	size_t n_waiting;
	bool has_complained;
};

static void pull(struct sim_switch *s, bool is_pressed)
{
	const char *line = is_pressed ? "pull-down\n" : "pull-up\n";
	int fd = open(s->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line);

	if (!ok && !s->has_complained)
		log_warn(NULL, "simulated printer: its switch cannot pull %s", s->path);
	s->has_complained = !ok;
	if (fd >= 0)
		(void)close(fd);
}

static void stop(struct sim_switch *s)
{
	timer_stop(&s->timer);
	sim_job_unref(s->job);
	s->job = NULL;
	s->n_waiting = 0;
}

/* The next stroke of the group, or the next group. */
static bool go_on(struct sim_switch *s, int64_t *ret_ms)
{
	const struct sim_strokes *k = &s->job->strokes;

	*ret_ms = 0;
	if (s->next < k->n && k->list[s->next].after_s <= SIM_STROKE_GAP_S) {
		*ret_ms = (int64_t)(k->list[s->next].after_s * 1000);
		return true;
	}
	if (s->n_waiting == 0)
		return false;
	s->next = s->waiting[0];
	s->n_waiting--;
	memmove(s->waiting, s->waiting + 1, s->n_waiting * sizeof(s->waiting[0]));
	*ret_ms = (int64_t)(SIM_STROKE_GAP_S * 1000);
	return true;
}

static void play(void *arg)
{
	struct sim_switch *s = arg;
	int64_t ms;

	pull(s, s->job->strokes.list[s->next++].is_pressed);
	if (go_on(s, &ms))
		timer_start(&s->timer, ms);
	else
		stop(s);
}

struct sim_switch *sim_switch_new(struct loop *l, const char *path)
{
	struct sim_switch *s = MEM_NEW(struct sim_switch);

	s->loop = l;
	s->path = mem_str(path);
	timer_init(&s->timer, l, play, s);
	return s;
}

void sim_switch_free(struct sim_switch *s)
{
	if (!s)
		return;
	stop(s);
	free(s->path);
	free(s);
}

void sim_switch_play(struct sim_switch *s, struct sim_job *j, size_t first)
{
	if (s->job && s->job != j)
		stop(s);
	if (s->job) {
		if (s->n_waiting < MAX_WAITING)
			s->waiting[s->n_waiting++] = first;
		return;
	}
	s->job = sim_job_ref(j);
	s->next = first;
	timer_start(&s->timer, 0);
}
