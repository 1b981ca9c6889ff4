/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/captor.h"

#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* Bambu firmware takes G-code lines of a paused print, but never says when a move has ended: it is waited
 * for as long as the way takes, and a little. Experimental, and off unless the plan allows it. */
#define BAMBU_WAIT_MS 4000

struct line_sent;

struct captor {
	struct loop *loop;
	struct printers *printers;
	struct line_sent *lines;
};

static void copy_limits(const struct printer_state *s, struct run_machine *m)
{
	for (unsigned i = 0; i < 3; i++) {
		m->limits.min[i] = s->limits.min_mm[i];
		m->limits.max[i] = s->limits.max_mm[i];
	}
}

static double percent_of(int v)
{
	return v >= 0 ? v : (double)NAN;
}

static void copy_telemetry(const struct printer_state *s, struct capture_telemetry *t)
{
	int active = s->active_nozzle;
	const struct printer_nozzle *n =
		active >= 0 && active < (int)s->n_nozzles ? &s->nozzles[active] : NULL;

	capture_telemetry_init(t);
	if (n) {
		t->nozzle_c = n->heat.now_c;
		t->nozzle_target_c = n->heat.target_c;
	}
	t->bed_c = s->bed.now_c;
	t->bed_target_c = s->bed.target_c;
	t->chamber_c = s->chamber.now_c;
	t->speed_percent = percent_of(s->speed_percent);
	t->fan_part_percent = percent_of(s->fan_part);
	t->fan_aux_percent = percent_of(s->fan_aux);
	t->fan_chamber_percent = percent_of(s->fan_chamber);
	t->head_mm[0] = s->position.x_mm;
	t->head_mm[1] = s->position.y_mm;
	t->head_mm[2] = s->position.z_mm;
	t->file_percent = percent_of(s->job.percent);
}

static bool look(void *arg, const char *printer, struct run_machine *ret)
{
	struct captor *cp = arg;
	struct printer *p = printers_find(cp->printers, printer);
	const struct printer_state *s = p ? printer_state(p) : NULL;

	if (!p)
		return false;

	const char *driver = printer_config(p)->driver;

	*ret = (struct run_machine){
		.is_online = s->link == PRINTER_LINK_ONLINE && !s->is_stale,
		.activity = s->activity,
		.pause = s->pause,
		.file_pos = s->job.file_pos,
		.mm = { s->position.x_mm, s->position.y_mm, s->position.z_mm },
		.can_script = (s->capabilities & PRINTER_CAN_SCRIPT) != 0,
		.is_klipper = strcmp(driver, "moonraker") == 0,
		.restores_itself = strcmp(driver, "bambu") == 0,
	};
	copy_limits(s, ret);
	copy_telemetry(s, &ret->telemetry);
	TEXT_SET(ret->file, s->job.file);
	return true;
}

/* A G-code line sent to a Bambu printer, and the wait behind it. */
struct line_sent {
	struct captor *owner;
	struct timer timer;
	void (*done)(void *arg, enum printer_answer a, const char *reason);
	void *arg;
	bool is_waiting;
	struct line_sent *prev, *next; /* captor.lines */
};

static void line_free(struct line_sent *l)
{
	timer_stop(&l->timer);
	DL_DELETE(l->owner->lines, l);
	free(l);
}

static void line_over(void *arg)
{
	struct line_sent *l = arg;

	l->done(l->arg, PRINTER_ACKNOWLEDGED, "");
	line_free(l);
}

static void line_answered(void *arg, enum printer_answer a, const char *reason)
{
	struct line_sent *l = arg;

	if (a == PRINTER_ACKNOWLEDGED) {
		l->is_waiting = true;
		timer_start(&l->timer, BAMBU_WAIT_MS);
		return;
	}
	l->done(l->arg, a, reason);
	line_free(l);
}

static void send_line(struct captor *cp, struct printer *p, const char *script,
                      void (*done)(void *done_arg, enum printer_answer a, const char *reason),
                      void *done_arg)
{
	struct printer_command c = { .kind = PRINTER_GCODE };
	struct line_sent *l = MEM_NEW(struct line_sent);

	*l = (struct line_sent){ .owner = cp, .done = done, .arg = done_arg };
	timer_init(&l->timer, cp->loop, line_over, l);
	DL_APPEND(cp->lines, l);
	TEXT_SET(c.gcode, script);
	printer_send(p, &c, line_answered, l);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are those of captures_env */
static void send(void *arg, const char *printer, enum run_order order, const char *script,
                 int64_t timeout_ms,
                 void (*done)(void *done_arg, enum printer_answer a, const char *reason),
                 void *done_arg)
{
	struct captor *cp = arg;
	struct printer *p = printers_find(cp->printers, printer);
	struct printer_command c = { .kind = PRINTER_SCRIPT, .timeout_ms = timeout_ms };

	/* Whoever is gone was forgotten by the captures before. */
	if (!p)
		return;
	if (order == RUN_SCRIPT && !(printer_state(p)->capabilities & PRINTER_CAN_SCRIPT)) {
		send_line(cp, p, script, done, done_arg);
		return;
	}
	if (order == RUN_PAUSE)
		c.kind = PRINTER_PAUSE_PRINT;
	else if (order == RUN_RESUME)
		c.kind = PRINTER_RESUME_PRINT;
	else
		TEXT_SET(c.script, script);
	printer_send(p, &c, done, done_arg);
}

struct captor *captor_new(struct loop *l, struct printers *printers)
{
	struct captor *c = MEM_NEW(struct captor);

	c->loop = l;
	c->printers = printers;
	return c;
}

void captor_free(struct captor *c)
{
	if (!c)
		return;
	/* Those that the printer has not answered yet are answered when the printers go. */
	for (struct line_sent *l = c->lines, *next; l; l = next) {
		next = l->next;
		if (l->is_waiting)
			line_over(l);
	}
	free(c);
}

void captor_fill(struct captor *c, struct captures_env *env)
{
	env->look = look;
	env->send = send;
	env->arg = c;
}
