/* SPDX-License-Identifier: GPL-3.0-or-later */
/* panel_private: what panel.c (the button) and panel_lights.c share. Thread: loop. */

#pragma once

#include "base/cleanup.h"
#include "base/err.h"
#include "core/bus.h"
#include "core/loop.h"
#include "core/ready.h"
#include "edge/led.h"
#include "fleet/panel.h"
#include "model/event.h"

struct press;
struct sim_input;
struct disk_look;

#define PANEL_MAX_CAMERAS 16

struct panel {
	struct panel_env env;
	struct panel_config config;
	struct rig_status status;
	struct bus_listener listener;
	bool has_printer; /* it can be heard, or nothing is known of it yet */

	bool is_own_pause; /* if the session is paused by order, clicks have done it */
	struct button button;
	struct gpio_input *input; /* one of the two, or none while it fails */
	struct sim_input *sim;
	struct ready *ready;
	struct timer due, retry, clicks, held;
	unsigned click_edges; /* still to come */
	struct press *press;  /* of the series under way */
	struct err press_err; /* why there is none */

	struct led led;
	struct gpio_output *outputs[N_LIGHTS];
	unsigned lit;
	struct timer blink, disk_timer;
	bool is_disk_low;
	struct disk_look *disk_look; /* on a worker */
	unsigned n_blind;            /* cameras that are wanted and give nothing */
	char blind[PANEL_MAX_CAMERAS][MODEL_ID_SIZE];
};

void panel_publish(struct panel *p);
void panel_lights_failed(struct panel *p, const char *text);

/* panel_lights.c */
void panel_lights_init(struct panel *p);
void panel_lights_open(struct panel *p);
void panel_lights_fini(struct panel *p);
void panel_look(struct panel *p);  /* something that the lights tell may have changed */
void panel_blink(struct panel *p); /* a picture is kept */
void panel_heard_camera(struct panel *p, const struct event_camera *e);
