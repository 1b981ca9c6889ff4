/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/setup.h"

#include "app/config.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct config config;
static struct conf_errors errors;

static const char *put(const char *text)
{
	static char path[200];

	(void)snprintf(path, sizeof(path), "%s/bedside.yaml", test_tmp_dir());
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
	return path;
}

static bool is_accepted(const struct setup_answers *a)
{
	struct buf b;
	bool is_good;

	buf_init(&b, 0);
	setup_write(a, false, &b);
	is_good = config_load(put(buf_peek(&b)), test_tmp_dir(), &config, &errors);
	if (!is_good)
		print_message("%s\n%s\n", errors.texts[0], buf_peek(&b));
	buf_fini(&b);
	return is_good;
}

TEST(what_it_writes_is_what_the_daemon_reads)
{
	struct setup_answers a = { .place = "Cellar \"left\"",
		                   .has_printer = true,
		                   .camera_driver = "v4l2",
		                   .camera_name = "USB camera",
		                   .camera_source = "usb:046d:0825",
		                   .has_button = true,
		                   .has_lights = true,
		                   .has_sensor = true };

	TEXT_SET(a.printer.name, "A1: by the \"window\"");
	TEXT_SET(a.printer.driver, "bambu");
	TEXT_SET(a.printer.address, "192.168.1.50");
	TEXT_SET(a.printer.serial, "03900A400001111");
	secret_set(&a.printer.access_code, "12#45: 8");
	CHECK(is_accepted(&a));
	CHECK_INT(config.n_printers, 1);
	CHECK_STR(config.printers[0].printer.name, "A1: by the \"window\"");
	CHECK(secret_equals(&config.printers[0].printer.access_code, "12#45: 8"));
	CHECK_INT(config.n_cameras, 1);
	CHECK_STR(config.cameras[0].source, "usb:046d:0825");
	CHECK(config.panel.has_button && config.panel.has_lights);
	CHECK_INT(config.climates.n_sensors, 1);
	CHECK_STR(config.climates.sensors[0].location, "Cellar \"left\"");
	config_fini(&config);
	secret_fini(&a.printer.access_code);
}

TEST(a_printer_with_a_page_or_none_at_all_will_do)
{
	struct setup_answers a = { .place = "Shed" };

	CHECK(is_accepted(&a));
	CHECK_INT(config.n_printers, 0);
	config_fini(&config);
	a.has_printer = true;
	TEXT_SET(a.printer.name, "Voron");
	TEXT_SET(a.printer.driver, "moonraker");
	TEXT_SET(a.printer.url, "http://voron.local:7125");
	TEXT_SET(a.camera_driver, "rpicam");
	TEXT_SET(a.camera_name, "Pi camera");
	CHECK(is_accepted(&a));
	CHECK_STR(config.printers[0].printer.driver, "moonraker");
	CHECK_STR(config.cameras[0].driver, "rpicam");
	config_fini(&config);
}

TEST(secrets_are_not_shown)
{
	struct setup_answers a = { .has_printer = true };
	struct buf b;

	TEXT_SET(a.printer.name, "A1");
	secret_set(&a.printer.access_code, "87654321");
	buf_init(&b, 0);
	setup_write(&a, true, &b);
	CHECK(strstr(buf_peek(&b), "********") && !strstr(buf_peek(&b), "87654321"));
	buf_fini(&b);
	CHECK(secret_equals(&a.printer.access_code, "87654321"));
	secret_fini(&a.printer.access_code);
}

TEST(only_a_file_that_says_nothing_is_replaced)
{
	struct err err = { 0 };
	char data[64] = "";

	CHECK_INT(setup_may_replace("/nowhere/bedside.yaml", data, sizeof(data), &err), 0);
	CHECK_INT(setup_may_replace(put("# nothing\n\n"), data, sizeof(data), &err), 0);
	CHECK_INT(setup_may_replace(put("# ours\ndata: /srv/films\n"), data, sizeof(data), &err),
	          0);
	CHECK_STR(data, "/srv/films");
	CHECK_INT(setup_may_replace(put("data: /x\nprinters:\n  - name: A\n"), data, sizeof(data),
	                            &err),
	          -EEXIST);
	CHECK(strstr(err.text, "(printers)"));
	CHECK_INT(setup_may_replace(put("a: [\n"), data, sizeof(data), &err), -EBADMSG);
}

TEST(what_is_wired_is_said_in_words)
{
	struct setup_answers a = { 0 };
	struct err err = { 0 };

	CHECK_INT(setup_read_wired("Sensor, button", &a, &err), 0);
	CHECK(a.has_button && a.has_sensor && !a.has_lights);
	CHECK_INT(setup_read_wired(" all ", &a, &err), 0);
	CHECK(a.has_button && a.has_sensor && a.has_lights);
	CHECK_INT(setup_read_wired("none", &a, &err), 0);
	CHECK(!a.has_button && !a.has_sensor && !a.has_lights);
	CHECK_INT(setup_read_wired("button, siren", &a, &err), -EINVAL);
	CHECK(strstr(err.text, "'siren'"));
}
