/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_rig: the keys `button`, `lights` and `climate`: what stands beside the printer. */

#include "app/config_priv.h"

#include "base/err.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static const char *const pulls[] = { "as-is", "up", "down", "off", NULL }; /* enum gpio_bias */
static const char *const modes[] = { "clicks", "single", NULL };

/* As written; turned into struct panel_config when it is whole. */
struct button_settings {
	char line[40], chip[64], printer[MODEL_NAME_SIZE];
	int pull, mode;
	bool is_active_low, is_simulated;
	int64_t debounce_ms, window_ms;
	unsigned frame, start_stop, pause_resume, discard;
};

static const struct opt button_opts[] = {
	{ "line", OPT_TEXT, OPT_AT(struct button_settings, line), "22", .flags = OPT_RESTART,
	  .help = "GPIO line, by number (on a Raspberry Pi the BCM number) or name." },
	{ "chip", OPT_TEXT, OPT_AT(struct button_settings, chip), .flags = OPT_RESTART,
	  .help = "GPIO chip, as gpiochip0 or by its label; searched when absent." },
	{ "printer", OPT_TEXT, OPT_AT(struct button_settings, printer), .flags = OPT_RESTART,
	  .help = "Whose sessions button and lights are for; the first printer when absent." },
	{ "active_low", OPT_BOOL, OPT_AT(struct button_settings, is_active_low), "yes",
	  .flags = OPT_RESTART, .help = "Pressed connects the line to ground." },
	{ "pull", OPT_CHOICE, OPT_AT(struct button_settings, pull), "up", .choices = pulls,
	  .flags = OPT_RESTART, .help = "Resistor of the chip." },
	{ "debounce", OPT_SPAN, OPT_AT(struct button_settings, debounce_ms), "10ms", 0, 1000,
	  .flags = OPT_RESTART, .help = "Edges so soon after one that counted are bouncing." },
	{ "window", OPT_SPAN, OPT_AT(struct button_settings, window_ms), "300ms", 50, 5000,
	  .flags = OPT_RESTART, .help = "Clicks no further apart belong together." },
	{ "mode", OPT_CHOICE, OPT_AT(struct button_settings, mode), "clicks", .choices = modes,
	  .flags = OPT_RESTART, .help = "Count clicks, or take every single press as a picture." },
	{ "frame", OPT_UNSIGNED, OPT_AT(struct button_settings, frame), "1", 0, BUTTON_MAX_CLICKS,
	  .flags = OPT_RESTART, .help = "So many clicks take a picture; 0: none do." },
	{ "start_stop", OPT_UNSIGNED, OPT_AT(struct button_settings, start_stop), "3", 0,
	  BUTTON_MAX_CLICKS, .flags = OPT_RESTART,
	  .help = "So many start a session, or end it and make its film." },
	{ "pause_resume", OPT_UNSIGNED, OPT_AT(struct button_settings, pause_resume), "4", 0,
	  BUTTON_MAX_CLICKS, .flags = OPT_RESTART, .help = "So many pause it, or let it go on." },
	{ "discard", OPT_UNSIGNED, OPT_AT(struct button_settings, discard), "5", 0,
	  BUTTON_MAX_CLICKS, .flags = OPT_RESTART, .help = "So many end it without a film." },
	{ "simulated", OPT_BOOL, OPT_AT(struct button_settings, is_simulated), "no",
	  .flags = OPT_RESTART,
	  .help = "No chip: pressed on the page, by 'bedside panel' and through a pipe." },
};

struct light_settings {
	char lines[N_LIGHTS][40], chip[64];
	bool is_active_low, is_simulated;
};

static const struct opt light_opts[] = {
	{ "red", OPT_TEXT, OPT_AT(struct light_settings, lines[LIGHT_RED]), "17",
	  .flags = OPT_RESTART,
	  .help = "GPIO line of the red light: idle, and each picture. no: there is none." },
	{ "green", OPT_TEXT, OPT_AT(struct light_settings, lines[LIGHT_GREEN]), "27",
	  .flags = OPT_RESTART, .help = "Of the green one: recording." },
	{ "yellow", OPT_TEXT, OPT_AT(struct light_settings, lines[LIGHT_YELLOW]), "23",
	  .flags = OPT_RESTART, .help = "Of the yellow one: paused." },
	{ "chip", OPT_TEXT, OPT_AT(struct light_settings, chip), .flags = OPT_RESTART,
	  .help = "GPIO chip; searched when absent." },
	{ "active_low", OPT_BOOL, OPT_AT(struct light_settings, is_active_low), "no",
	  .flags = OPT_RESTART, .help = "A light is lit by connecting the line to ground." },
	{ "simulated", OPT_BOOL, OPT_AT(struct light_settings, is_simulated), "no",
	  .flags = OPT_RESTART, .help = "No chip: seen on the page." },
};

static const struct opt climate_opts[] = {
	{ "keep", OPT_SPAN, OPT_AT(struct climates_config, keep_ms), "7d", 0, 3.2e12,
	  .flags = OPT_RESTART, .help = "Readings are kept so long; 0: for ever." },
	{ "stale_after", OPT_SPAN, OPT_AT(struct climates_config, stale_ms), "10m", 10000, 86400000,
	  .flags = OPT_RESTART, .help = "An older reading no longer counts as now." },
	{ "sensors", OPT_NESTED, 0, 0, .help = "A list of sensors of this machine." },
	{ "limits", OPT_NESTED, 0, 0,
	  .help = "A list of places, measured here or elsewhere, whose crossing of a limit is "
	          "told." },
};

static const struct opt limit_opts[] = {
	{ "location", OPT_TEXT, OPT_AT(struct climate_limits, location),
	  .flags = OPT_REQUIRED | OPT_RESTART, .help = "The place, as its sensor calls it." },
	{ "below_c", OPT_REAL, OPT_AT(struct climate_limits, below_c), NULL, CLIMATE_MIN_C,
	  CLIMATE_MAX_C, .flags = OPT_RESTART,
	  .help = "A notice when it is colder, degrees Celsius; none when absent." },
	{ "above_c", OPT_REAL, OPT_AT(struct climate_limits, above_c), NULL, CLIMATE_MIN_C,
	  CLIMATE_MAX_C, .flags = OPT_RESTART, .help = "When it is warmer." },
	{ "below_pct", OPT_REAL, OPT_AT(struct climate_limits, below_percent), NULL, 0, 100,
	  .flags = OPT_RESTART, .help = "When it is drier, per cent of relative humidity." },
	{ "above_pct", OPT_REAL, OPT_AT(struct climate_limits, above_percent), NULL, 0, 100,
	  .flags = OPT_RESTART, .help = "When it is damper." },
	{ "hysteresis_c", OPT_REAL, OPT_AT(struct climate_limits, hysteresis_c), "1", 0, 50,
	  .flags = OPT_RESTART,
	  .help = "So far inside the limit it must be again before that is told." },
	{ "hysteresis_pct", OPT_REAL, OPT_AT(struct climate_limits, hysteresis_percent), "3", 0, 50,
	  .flags = OPT_RESTART, .help = "The same for humidity." },
};

static const struct opt sensor_opts[] = {
	{ "location", OPT_TEXT, OPT_AT(struct climate_config, location),
	  .flags = OPT_REQUIRED | OPT_RESTART, .help = "Where it is, as people call it." },
	{ "device", OPT_TEXT, OPT_AT(struct climate_config, device), .flags = OPT_RESTART,
	  .help = "The kernel's name of it (dht11 for a DHT22 as well, bme280, iio:device1); the "
	          "first there is when absent." },
	{ "every", OPT_SPAN, OPT_AT(struct climate_config, every_ms), "15s", 5000, 86400000,
	  .flags = OPT_RESTART, .help = "Time from one reading to the next." },
	{ "root", OPT_TEXT, OPT_AT(struct climate_config, root), .flags = OPT_RESTART,
	  .help = "Folder of the kernel's sensors; /sys/bus/iio/devices when absent." },
	{ "simulated", OPT_BOOL, OPT_AT(struct climate_config, is_simulated), "no",
	  .flags = OPT_RESTART, .help = "No sensor: values that walk." },
};

const struct config_table config_button_table = { button_opts, ARRAY_LEN(button_opts) };
const struct config_table config_lights_table = { light_opts, ARRAY_LEN(light_opts) };
const struct config_table config_climate_table = { climate_opts, ARRAY_LEN(climate_opts) };
const struct config_table config_limit_table = { limit_opts, ARRAY_LEN(limit_opts) };
const struct config_table config_sensor_table = { sensor_opts, ARRAY_LEN(sensor_opts) };

/* ---- button ---- */

static void set_order(struct config_loading *l, const struct conf_node *map, unsigned clicks,
                      enum button_order o)
{
	enum button_order *orders = l->config->panel.rules.orders;

	if (clicks == 0)
		return;
	if (orders[clicks] != BUTTON_NONE)
		conf_error(l->errors, config_line_of(map, button_order_name(o)),
		           "button.%s: %u clicks mean %s already", button_order_name(o), clicks,
		           button_order_name(orders[clicks]));
	orders[clicks] = o;
}

static void read_button(struct config_loading *l, const struct conf_node *map)
{
	struct panel_config *p = &l->config->panel;
	struct button_settings s = { 0 };

	opt_defaults(button_opts, ARRAY_LEN(button_opts), &s);
	opt_read(button_opts, ARRAY_LEN(button_opts), map, "button", &s, l->errors);
	p->has_button = true;
	p->is_button_simulated = s.is_simulated;
	TEXT_SET(p->printer, s.printer);
	TEXT_SET(p->button.chip, s.chip);
	TEXT_SET(p->button.line, s.line);
	p->button.is_active_low = s.is_active_low;
	p->button.bias = (enum gpio_bias)s.pull;
	p->rules = (struct button_rules){ .debounce_us = s.debounce_ms * 1000,
		                          .window_us = s.window_ms * 1000,
		                          .is_single = s.mode == 1 };
	set_order(l, map, s.frame, BUTTON_FRAME);
	set_order(l, map, s.start_stop, BUTTON_START_STOP);
	set_order(l, map, s.pause_resume, BUTTON_PAUSE_RESUME);
	set_order(l, map, s.discard, BUTTON_DISCARD);
	if (s.debounce_ms >= s.window_ms)
		conf_error(l->errors, config_line_of(map, "debounce"),
		           "button.debounce: must be shorter than button.window");
}

/* ---- lights ---- */

static void check_same_line(struct config_loading *l, const struct conf_node *map, unsigned i)
{
	const struct panel_config *p = &l->config->panel;
	const struct gpio_line *a = &p->lights[i];

	for (unsigned k = 0; k <= i; k++) {
		const struct gpio_line *b = k < i ? &p->lights[k] : &p->button;
		bool is_there = k < i ? b->line[0] : p->has_button && !p->is_button_simulated;

		if (is_there && strcmp(a->line, b->line) == 0 && strcmp(a->chip, b->chip) == 0)
			conf_error(l->errors, config_line_of(map, light_name((enum light)i)),
			           "lights.%s: line %s is the %s already",
			           light_name((enum light)i), a->line,
			           k < i ? "line of another light" : "button's");
	}
}

static void read_lights(struct config_loading *l, const struct conf_node *map)
{
	struct panel_config *p = &l->config->panel;
	struct light_settings s = { 0 };

	opt_defaults(light_opts, ARRAY_LEN(light_opts), &s);
	opt_read(light_opts, ARRAY_LEN(light_opts), map, "lights", &s, l->errors);
	p->has_lights = true;
	p->are_lights_simulated = s.is_simulated;
	for (unsigned i = 0; i < N_LIGHTS; i++) {
		struct gpio_line *line = &p->lights[i];

		if (text_equal(s.lines[i], "no"))
			continue;
		TEXT_SET(line->line, s.lines[i]);
		TEXT_SET(line->chip, s.chip);
		line->is_active_low = s.is_active_low;
		if (!s.is_simulated)
			check_same_line(l, map, i);
	}
}

/* ---- climate ---- */

static void read_sensor(struct config_loading *l, const struct conf_node *n, unsigned i)
{
	struct climates_config *c = &l->config->climates;
	struct climate_config s = { 0 };
	struct climate_reading r = { .temp_c = 20, .humidity_percent = 50 };
	struct err err = { 0 };
	char path[40];

	snprintf(path, sizeof(path), "climate.sensors[%u]", i);
	if (i == CLIMATES_MAX_SENSORS)
		conf_error(l->errors, n->line, "%s: there are %d at most", path,
		           CLIMATES_MAX_SENSORS);
	if (i >= CLIMATES_MAX_SENSORS)
		return;
	opt_defaults(sensor_opts, ARRAY_LEN(sensor_opts), &s);
	opt_read(sensor_opts, ARRAY_LEN(sensor_opts), n, path, &s, l->errors);
	TEXT_SET(r.location, s.location);
	if (s.location[0] && climate_check(&r, &err) < 0)
		conf_error(l->errors, n->line, "%s.location: %s", path, err.text);
	for (unsigned k = 0; k < c->n_sensors; k++)
		if (strcmp(c->sensors[k].location, s.location) == 0)
			conf_error(l->errors, n->line, "%s.location: '%s' has a sensor already",
			           path, s.location);
	c->sensors[c->n_sensors++] = s;
}

static void read_limit(struct config_loading *l, const struct conf_node *n, unsigned i)
{
	struct climates_config *c = &l->config->climates;
	struct climate_limits s;
	struct err err = { 0 };
	char path[40];

	snprintf(path, sizeof(path), "climate.limits[%u]", i);
	if (i == CLIMATES_MAX_LIMITS)
		conf_error(l->errors, n->line, "%s: there are %d at most", path,
		           CLIMATES_MAX_LIMITS);
	if (i >= CLIMATES_MAX_LIMITS)
		return;
	climate_limits_init(&s);
	opt_read(limit_opts, ARRAY_LEN(limit_opts), n, path, &s, l->errors);
	if (climate_limits_check(&s, &err) < 0)
		conf_error(l->errors, n->line, "%s: %s", path, err.text);
	for (unsigned k = 0; k < c->n_limits; k++)
		if (strcmp(c->limits[k].location, s.location) == 0)
			conf_error(l->errors, n->line, "%s.location: '%s' has limits already", path,
			           s.location);
	c->limits[c->n_limits++] = s;
}

static void read_list(struct config_loading *l, const struct conf_node *map, const char *key,
                      void (*read)(struct config_loading *l, const struct conf_node *n, unsigned i))
{
	const struct conf_node *list = map->kind == CONF_MAP ? conf_get(map, key) : NULL;
	unsigned i = 0;

	if (list && list->kind != CONF_LIST) {
		conf_error(l->errors, list->line,
		           "climate.%s: must be a list; begin each entry with '- location:'", key);
		return;
	}
	for (const struct conf_node *n = list ? list->first : NULL; n; n = n->next)
		read(l, n, i++);
}

static void read_climate(struct config_loading *l, const struct conf_node *map)
{
	opt_read(climate_opts, ARRAY_LEN(climate_opts), map, "climate", &l->config->climates,
	         l->errors);
	read_list(l, map, "sensors", read_sensor);
	read_list(l, map, "limits", read_limit);
}

void config_read_rig(struct config_loading *l, const struct conf_node *root)
{
	const struct conf_node *button = conf_get(root, "button");
	const struct conf_node *lights = conf_get(root, "lights");
	const struct conf_node *climate = conf_get(root, "climate");

	if (button)
		read_button(l, button);
	if (lights)
		read_lights(l, lights);
	if (climate)
		read_climate(l, climate);
}
