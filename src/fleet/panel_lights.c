/* SPDX-License-Identifier: GPL-3.0-or-later */
/* panel_lights: the lights follow the session, and tell of trouble. */

#include "fleet/panel_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "capture/sessions.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK_MS 30000

static void light(struct panel *p)
{
	int64_t now_us = loop_now_us(p->env.loop), due_us = led_due_us(&p->led, now_us);
	unsigned lit = led_lit(&p->led, now_us);

	for (unsigned i = 0; i < N_LIGHTS; i++) {
		bool is_on = lit & (1U << i);

		if (!p->outputs[i] || is_on == !!(p->lit & (1U << i)))
			continue;
		if (gpio_output_set(p->outputs[i], is_on) < 0) {
			panel_lights_fini(p);
			panel_lights_init(p);
			panel_lights_failed(p, "their GPIO chip is gone");
			return;
		}
	}
	p->lit = lit;
	if (due_us == INT64_MAX)
		timer_stop(&p->blink);
	else
		timer_start(&p->blink, MAX((due_us - now_us + 999) / 1000, (int64_t)1));
}

static void on_blink(void *arg)
{
	light(arg);
}

unsigned panel_lit(const struct panel *p)
{
	return led_lit(&p->led, loop_now_us(p->env.loop));
}

void panel_blink(struct panel *p)
{
	led_blink(&p->led, loop_now_us(p->env.loop));
	light(p);
}

/* ---- what is to be told ---- */

static enum rig_show base_of(const struct panel *p)
{
	const struct session *s = sessions_of(p->env.sessions, p->status.printer);

	switch (s->state) {
	case SESSION_RECORDING:
		return RIG_RECORDING;
	case SESSION_PAUSED:
		return RIG_PAUSED;
	case SESSION_FINALISING:
		return RIG_FINALISING;
	case SESSION_IDLE:
	case SESSION_ARMED:
	case SESSION_DONE:
		break;
	}
	return RIG_IDLE;
}

static bool is_blind(const struct panel *p, const char *camera)
{
	for (unsigned i = 0; i < p->n_blind; i++)
		if (strcmp(p->blind[i], camera) == 0)
			return true;
	return false;
}

static enum rig_show trouble_of(const struct panel *p)
{
	const struct session_plan *plan =
		p->status.printer[0] ? sessions_plan(p->env.sessions, p->status.printer) : NULL;

	if (p->is_disk_low)
		return RIG_DISK_LOW;
	if (plan && plan->n_cameras == 0)
		return RIG_NO_CAMERA;
	for (unsigned i = 0; plan && i < plan->n_cameras; i++)
		if (is_blind(p, plan->cameras[i]))
			return RIG_NO_CAMERA;
	return p->has_printer ? RIG_IDLE : RIG_NO_PRINTER;
}

void panel_look(struct panel *p)
{
	enum rig_show before = p->status.show;

	led_show(&p->led, base_of(p), trouble_of(p), loop_now_us(p->env.loop));
	p->status.show = led_shown(&p->led);
	light(p);
	if (p->status.show != before)
		panel_publish(p);
}

void panel_heard_camera(struct panel *p, const struct event_camera *e)
{
	bool is_now = e->status.state == CAMERA_NO_SIGNAL || e->status.state == CAMERA_STALE;

	if (is_now == is_blind(p, e->camera))
		return;
	if (is_now && p->n_blind < PANEL_MAX_CAMERAS) {
		TEXT_SET(p->blind[p->n_blind], e->camera);
		p->n_blind++;
	}
	for (unsigned i = 0; !is_now && i < p->n_blind; i++) {
		if (strcmp(p->blind[i], e->camera) != 0)
			continue;
		p->n_blind--;
		memmove(p->blind[i], p->blind[p->n_blind], sizeof(p->blind[i]));
		break;
	}
	panel_look(p);
}

/* ---- the disk ---- */

struct disk_look {
	struct panel *owner; /* NULL: it has gone */
	char *dir;
	uint64_t floor_bytes;
	bool is_low;
};

static void run_look(void *arg)
{
	struct disk_look *d = arg;
	uint64_t room = 0, total = 0;

	d->is_low = fs_space(d->dir, &room, &total, NULL) == 0 &&
	            room < d->floor_bytes + d->floor_bytes / 5;
}

static void look_done(void *arg)
{
	struct disk_look *d = arg;
	struct panel *p = d->owner;

	if (p) {
		p->disk_look = NULL;
		p->is_disk_low = d->is_low;
		panel_look(p);
	}
	free(d->dir);
	free(d);
}

static void look_at_disk(void *arg)
{
	struct panel *p = arg;
	struct disk_look *d;

	if (p->disk_look)
		return;
	d = p->disk_look = MEM_NEW(struct disk_look);
	d->owner = p;
	d->dir = mem_str(p->env.data_dir);
	d->floor_bytes = p->env.floor_bytes;
	work_submit(p->env.pool, run_look, look_done, d);
}

/* ---- life ---- */

void panel_lights_init(struct panel *p)
{
	if (!p->blink.fn) {
		led_init(&p->led);
		timer_init(&p->blink, p->env.loop, on_blink, p);
		timer_init(&p->disk_timer, p->env.loop, look_at_disk, p);
	}
	p->lit = 0;
	timer_start_every(&p->disk_timer, DISK_MS);
}

static int open_lines(struct panel *p, struct err *err)
{
	struct rig_part *part = &p->status.lights;

	part->text[0] = '\0';
	for (unsigned i = 0; i < N_LIGHTS; i++) {
		const struct gpio_line *l = &p->config.lights[i];
		size_t at = strlen(part->text);
		int rc;

		if (!l->line[0])
			continue;
		rc = p->outputs[i] ? 0 : gpio_output_open(l, false, &p->outputs[i], err);
		if (rc < 0)
			return err_wrap(err, rc, "the %s one", light_name((enum light)i));
		snprintf(part->text + at, sizeof(part->text) - at, "%s%s: %s", at ? ", " : "",
		         light_name((enum light)i), gpio_output_text(p->outputs[i]));
	}
	return 0;
}

void panel_lights_open(struct panel *p)
{
	struct rig_part *part = &p->status.lights;
	struct err err = { 0 };

	if (p->config.are_lights_simulated || !loop_uv(p->env.loop)) {
		part->state = RIG_SIMULATED;
		TEXT_SET(part->text, "simulated: they are seen on the page");
	} else {
		char before[sizeof(part->text)];

		TEXT_SET(before, part->text);
		if (open_lines(p, &err) < 0) {
			TEXT_SET(part->text, before);
			panel_lights_failed(p, err.text);
		} else {
			part->state = RIG_WORKS;
			log_info(NULL, "lights: %s", part->text);
		}
	}
	/* From dark on. */
	for (unsigned i = 0; i < N_LIGHTS; i++)
		if (p->outputs[i])
			(void)gpio_output_set(p->outputs[i], false);
	p->lit = 0;
	look_at_disk(p);
	panel_look(p);
	panel_publish(p);
}

void panel_lights_fini(struct panel *p)
{
	timer_stop(&p->blink);
	timer_stop(&p->disk_timer);
	for (unsigned i = 0; i < N_LIGHTS; i++) {
		gpio_output_close(p->outputs[i]);
		p->outputs[i] = NULL;
	}
	if (p->disk_look)
		p->disk_look->owner = NULL;
	p->disk_look = NULL;
}
