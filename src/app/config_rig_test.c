/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config.h"

#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"

#include <stdio.h>
#include <string.h>

static struct config config;
static struct conf_errors errors;

static bool load(const char *yaml)
{
	char path[160], dir[128];

	TEXT_SET(dir, test_tmp_dir());
	snprintf(path, sizeof(path), "%s/bedside.yaml", dir);
	CHECK_INT(fs_write_atomic(path, yaml, strlen(yaml), 0600, NULL), 0);
	return config_load(path, dir, &config, &errors);
}

static bool says(const char *yaml, const char *text)
{
	bool found = false;

	if (load(yaml))
		print_error("not refused: %s\n", yaml);
	for (unsigned i = 0; i < errors.n && i < CONF_MAX_ERRORS; i++)
		found |= strstr(errors.texts[i], text) != NULL;
	if (!found)
		print_error("%s\n", errors.texts[0]);
	config_fini(&config);
	return found;
}

TEST(without_its_keys_there_is_no_rig)
{
	CHECK(load("log: info\nbutton:\n"));
	CHECK(!config.panel.has_button && !config.panel.has_lights);
	CHECK_INT(config.climates.n_sensors, 0);
	CHECK(config.climates.keep_ms == 7 * INT64_C(86400000));
	config_fini(&config);
}

TEST(an_empty_map_is_the_usual_wiring)
{
	CHECK(load("button: {}\nlights: {}\nclimate: {sensors: [{location: Enclosure}]}\n"));
	CHECK(config.panel.has_button && config.panel.has_lights);
	CHECK_STR(config.panel.button.line, "22");
	CHECK(config.panel.button.is_active_low && config.panel.button.bias == GPIO_BIAS_UP);
	CHECK(config.panel.rules.debounce_us == 10000 && config.panel.rules.window_us == 300000);
	CHECK_INT(config.panel.rules.orders[1], BUTTON_FRAME);
	CHECK_INT(config.panel.rules.orders[2], BUTTON_NONE);
	CHECK_INT(config.panel.rules.orders[3], BUTTON_START_STOP);
	CHECK_INT(config.panel.rules.orders[4], BUTTON_PAUSE_RESUME);
	CHECK_INT(config.panel.rules.orders[5], BUTTON_DISCARD);
	CHECK_STR(config.panel.lights[LIGHT_RED].line, "17");
	CHECK_STR(config.panel.lights[LIGHT_GREEN].line, "27");
	CHECK_STR(config.panel.lights[LIGHT_YELLOW].line, "23");
	CHECK_INT(config.climates.n_sensors, 1);
	CHECK_STR(config.climates.sensors[0].location, "Enclosure");
	CHECK(config.climates.sensors[0].every_ms == 15000);
	config_fini(&config);
}

TEST(every_number_of_the_rig_can_be_changed)
{
	CHECK(load(
		"button: {line: GPIO5, chip: gpiochip4, printer: A1, active_low: no, pull: down,\n"
		"  debounce: 25ms, window: 500ms, mode: single, frame: 2, start_stop: 0,\n"
		"  pause_resume: 7, discard: 9, simulated: yes}\n"
		"lights: {red: no, green: LED_G, chip: board, active_low: yes}\n"
		"climate:\n"
		"  keep: 30d\n"
		"  stale_after: 1m\n"
		"  sensors:\n"
		"    - {location: Shelf, device: bme280, every: 1m, root: /tmp/iio}\n"
		"    - {location: Play, simulated: yes}\n"
		"  limits:\n"
		"    - {location: Shelf, below_c: -5, above_c: 40.5, above_pct: 60, hysteresis_c: "
		"2}\n"));
	CHECK_INT(config.climates.n_limits, 1);
	CHECK(config.climates.limits[0].above_c > 40.4 && config.climates.limits[0].below_c < 0);
	CHECK(isnan(config.climates.limits[0].below_percent));
	CHECK(config.climates.limits[0].hysteresis_c > 1.9 &&
	      config.climates.limits[0].hysteresis_percent > 2.9);
	CHECK_STR(config.panel.button.chip, "gpiochip4");
	CHECK(config.panel.rules.is_single && config.panel.is_button_simulated);
	CHECK_INT(config.panel.rules.orders[2], BUTTON_FRAME);
	CHECK_INT(config.panel.rules.orders[3], BUTTON_NONE);
	CHECK_INT(config.panel.rules.orders[7], BUTTON_PAUSE_RESUME);
	CHECK_STR(config.panel.lights[LIGHT_RED].line, "");
	CHECK_STR(config.panel.lights[LIGHT_GREEN].chip, "board");
	CHECK(config.panel.lights[LIGHT_GREEN].is_active_low);
	CHECK(config.climates.stale_ms == 60000 && config.climates.n_sensors == 2);
	CHECK(config.climates.sensors[1].is_simulated);
	config_fini(&config);
}

TEST(what_is_wrong_with_the_rig_is_told_with_its_line)
{
	CHECK(says("log: info\nbutton:\n  lin: 22\n", "bedside.yaml:3: button"));
	CHECK(says("button: {frame: 3}\n", "button.start_stop: 3 clicks mean frame already"));
	CHECK(says("button: {discard: 12}\n", "button.discard"));
	CHECK(says("button: {pull: sideways}\n", "button.pull"));
	CHECK(says("button: {debounce: 400ms, window: 300ms}\n",
	           "button.debounce: must be shorter"));
	CHECK(says("lights:\n  red: 27\n", "lights.green: line 27"));
	CHECK(says("button: {}\nlights:\n  yellow: 22\n",
	           "lights.yellow: line 22 is the button's"));
	CHECK(says("climate: {sensors: Shelf}\n", "climate.sensors: must be a list"));
	CHECK(says("climate: {sensors: [{device: x}]}\n", "climate.sensors[0].location"));
	CHECK(says("climate: {sensors: [{location: A}, {location: A}]}\n",
	           "'A' has a sensor already"));
	CHECK(says("climate: {limits: [{location: A}]}\n", "limits[0]: no limit is set"));
	CHECK(says("climate: {limits: [{above_c: 3}]}\n", "limits[0].location"));
	CHECK(says("climate: {limits: [{location: A, above_c: hot}]}\n", "limits[0].above_c"));
	CHECK(says("climate: {limits: [{location: A, above_c: 20, below_c: 19}]}\n",
	           "above_c must be at least twice"));
	CHECK(says("climate: {limits: [{location: A, above_c: 2}, {location: A, above_c: 3}]}\n",
	           "'A' has limits already"));
}
