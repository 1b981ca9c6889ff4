/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * panel: the button and the lights beside one printer, and what they do with its sessions.
 *
 * The first press of a series takes a picture of its moment (the kernel's stamp) before anything else
 * is known; the series' count then keeps or drops it, starts, pauses or ends the session. Presses that
 * the slicer's wipes make while filament is changed are not heard; while clicks have paused the session a
 * series that would start or stop is such a wipe, too, whatever the printer says. The lights follow the session and
 * tell of trouble.
 *
 * A chip that is missing, taken or lost is told once, in words, and tried again every half minute;
 * everything else goes on. Without hardware the button is a named pipe, <data>/button, and
 * panel_click().
 *
 * Publishes EVENT_BUTTON and EVENT_RIG. Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "edge/button.h"
#include "edge/gpio.h"
#include "model/environment.h"

struct bus;
struct captures;
struct err;
struct loop;
struct panel;
struct sessions;
struct work_pool;

#define PANEL_RETRY_MS 30000
#define PANEL_HELD_MS 10000 /* a simulated button stays down no longer */
#define PANEL_PIPE "button" /* in the data folder */

struct panel_config {
	bool has_button, has_lights;
	bool is_button_simulated, are_lights_simulated;
	char printer[MODEL_NAME_SIZE]; /* name or id; "" the first there is */
	struct gpio_line button;
	struct button_rules rules;
	struct gpio_line lights[N_LIGHTS]; /* one whose line is "" is not there */
};

struct panel_env {
	struct loop *loop;
	struct bus *bus;
	struct sessions *sessions;
	struct work_pool *pool; /* looks at the disk */
	const char *data_dir;
	uint64_t floor_bytes;      /* as sessions_env; the lights warn a fifth above it */
	struct captures *captures; /* NULL: the button captures no layer */
};

struct panel *panel_new(const struct panel_env *env, const struct panel_config *c);
/* Before the sessions go. The lights go out. */
void panel_free(struct panel *p);

/* A printer was added: it is ours if it is the one that is configured, or we have none yet. */
void panel_printer_added(struct panel *p, const char *id);
void panel_printer_removed(struct panel *p, const char *id);

const struct rig_status *panel_status(const struct panel *p);
/* Lit lights as bits (1 << LIGHT_RED …), for tests and the page. */
unsigned panel_lit(const struct panel *p);

/* Presses without hardware: `n` clicks, 0.1 s each, as if by hand. -EBUSY while others are under way,
 * -ENODEV without a configured button. */
int panel_click(struct panel *p, unsigned n, struct err *err) MUST_CHECK;
/* A simulated button goes down, or up; after PANEL_HELD_MS by itself. -EPERM for a real one, -EBUSY if
 * it is so already. */
int panel_press(struct panel *p, bool is_down, struct err *err) MUST_CHECK;
/* One edge, as the chip tells it; for tests. */
void panel_edge(struct panel *p, bool is_down, int64_t at_us);
