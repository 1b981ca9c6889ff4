/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/cmd.h"
#include "app/config.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct config config;
static struct conf_errors errors;
static char dir[128];

/* One camera on one line, beside two printers. */
static bool load(const char *camera)
{
	char path[160], yaml[1400];

	TEXT_SET(dir, test_tmp_dir());
	snprintf(path, sizeof(path), "%s/bedside.yaml", dir);
	snprintf(yaml, sizeof(yaml),
	         "printers:\n"
	         "  - {name: A1, address: a, serial: 03900A400001111, access_code: \"1\"}\n"
	         "  - {name: P1, address: b, serial: 01S00A400001111, access_code: \"1\"}\n"
	         "cameras:\n"
	         "  - {name: side, %s}\n",
	         camera);
	CHECK_INT(fs_write_atomic(path, yaml, strlen(yaml), 0600, NULL), 0);
	return config_load(path, dir, &config, &errors);
}

static const struct camera_config *load_fine(const char *camera)
{
	bool is_fine = load(camera);

	if (!is_fine)
		print_message("# %s\n", errors.texts[0]);
	CHECK(is_fine && config.n_cameras == 1);
	return &config.cameras[0];
}

TEST(each_kind_of_camera_is_read_with_its_settings)
{
	const struct camera_config *c;

	c = load_fine("driver: http-still, source: 'http://me:p%40ss@cam:81/s?x=1', poll: 500ms, "
	              "tls: insecure, printer: a1, rotation: 270, flip: both, latency: 80ms");
	CHECK_STR(c->source, "http://cam:81/s?x=1");
	CHECK_STR(c->user, "me");
	CHECK(secret_equals(&c->secret, "p@ss") && c->poll_ms == 500);
	CHECK(c->trust.mode == TRUST_INSECURE && c->rotation == 270 && c->latency_us == 80000);
	CHECK(c->is_flipped_h && c->is_flipped_v && camera_config_sees(c, "a1"));
	CHECK(!camera_config_sees(c, "p1") && c->stale_after_ms == 10000 && c->quality == 95);
	config_fini(&config);

	c = load_fine("driver: http-mjpeg, source: 'https://cam/', user: u, password: \"1234\", "
	              "printers: [P1, A1, P1], ca_file: ca.pem");
	CHECK(camera_config_sees(c, "a1") && camera_config_sees(c, "p1") && c->n_also == 1);
	CHECK_STR(c->printer, "p1");
	CHECK(text_ends(c->trust.ca_file, "/ca.pem") && c->trust.ca_file[0] == '/');
	config_fini(&config);

	c = load_fine("driver: rpicam, size: 1280x720, fps: 15, quality: 80, focus: manual, "
	              "lens_position: 4.5, focus_window: '0.1,0.2, 0.3 ,0.4', full_still: yes, "
	              "program: ./my-vid, arguments: [--denoise=off, --hdr=off], flip: horizontal");
	CHECK(c->n_args == 3 && text_ends(c->args[0], "/./my-vid"));
	CHECK_STR(c->args[2], "--hdr=off");
	CHECK(c->focus == CAMERA_FOCUS_MANUAL && c->lens_position == 4.5 && c->is_full_still);
	CHECK(c->focus_window.x == 0.1 && c->focus_window.height == 0.4);
	CHECK(c->exposure_bias == -0.5 && c->width == 1280 && c->is_flipped_h && !c->is_flipped_v);
	config_fini(&config);

	c = load_fine("driver: rpicam, arguments: --awb=indoor");
	CHECK(c->n_args == 2 && c->args[0][0] == '\0' && !c->printer[0] && !c->n_also);
	CHECK(c->focus_window.x == 0.4 && c->focus_window.width == 0.2);
	config_fini(&config);

	c = load_fine("driver: exec, command: [gphoto2, --stdout, -q], poll: 1m");
	CHECK(c->n_args == 3 && c->poll_ms == 60000 && c->stale_after_ms == 180000);
	CHECK_STR(c->args[0], "gphoto2");
	config_fini(&config);

	c = load_fine("driver: folder, source: in/pictures, always_open: yes");
	CHECK(text_ends(c->source, "/in/pictures") && c->source[0] == '/' && c->is_always_open);
	config_fini(&config);

	c = load_fine("driver: fake");
	CHECK(c->fps == 2 && c->width == 1280 && c->height == 720);
	config_fini(&config);
}

TEST(every_fault_of_a_camera_is_named_and_no_password_with_it)
{
	static const char *const faults[][2] = {
		{ "driver: webcam", "cameras[0].driver: 'webcam' must be one of v4l2, rpicam, " },
		{ "driver: bambu", "cameras[0].driver: 'bambu' must be one of" },
		{ "printer: a1", "cameras[0].driver: is missing" },
		{ "driver: fake, printer: x", "cameras[0].printer: there is no printer 'x'" },
		{ "driver: fake, printers: [a1, y]",
		  "cameras[0].printers: there is no printer 'y'" },
		{ "driver: fake, printers: [a1], printer: a1", "keep one of them" },
		{ "driver: fake, printers: [a,b,c,d,e,f,g,h,i]", "a list of at most 8 texts" },
		{ "driver: fake, poll: 1s",
		  "cameras[0].poll: a camera of the kind 'fake' has no such setting; it is for "
		  "http-still exec" },
		{ "driver: fake, source: x", "a camera of the kind 'fake' has no such setting" },
		{ "driver: folder, source: x, quality: 5", "it is for v4l2 rpicam rtsp" },
		{ "driver: http-still", "cameras[0].source: is missing; it is the URL" },
		{ "driver: folder", "cameras[0].source: is missing; it is the path" },
		{ "driver: exec", "cameras[0].command: is missing" },
		{ "driver: exec, command: ['']", "cameras[0].command: is missing" },
		{ "driver: exec, command: [a, [b]]", "cameras[0].command: must be a list" },
		{ "driver: http-still, source: 'cam/x'", "must begin with http://" },
		{ "driver: http-still, source: 'rtsp://u:hidden@cam/x'",
		  "must begin with http:// or https://" },
		{ "driver: rtsp, source: 'http://u:hidden@cam/x'",
		  "must begin with rtsp:// or rtsps://" },
		{ "driver: http-still, source: 'http://u:hidden@cam:0/x'",
		  "the port in the address" },
		{ "driver: http-still, source: 'http://u:hidden@cam/x', user: v",
		  "has a user, and user is set too" },
		{ "driver: http-still, source: 'http://c/', stale_after: 2s, poll: 1s",
		  "cameras[0].stale_after: must be at least three times as long as poll" },
		{ "driver: http-still, source: 'http://c/', poll: 1ms",
		  "cameras[0].poll: '1ms' must" },
		{ "driver: http-still, source: 'http://c/', tls: maybe",
		  "cameras[0].tls: 'maybe'" },
		{ "driver: http-still, source: 'http://c/', password: hidden, password_file: x",
		  "password is set too" },
		{ "driver: http-still, source: 'http://c/', password_file: /nowhere/x",
		  "cameras[0].password_file: opening /nowhere/x" },
		{ "driver: http-still, source: 'http://c/', password_file: [x]",
		  "must be the path of a file" },
		{ "driver: http-still, source: 'http://c/', ca_file: [x]",
		  "cameras[0].ca_file: must be the path" },
		{ "driver: fake, rotation: 45",
		  "cameras[0].rotation: '45' must be 0, 90, 180 or 270" },
		{ "driver: fake, flip: left", "'left' must be none, horizontal, vertical or both" },
		{ "driver: rpicam, focus: near", "must be one of continuous, shot, manual" },
		{ "driver: rpicam, focus_window: '0.5,0.5,0.6,0.1'", "must be left, top, width" },
		{ "driver: rpicam, focus_window: '0.5,0.5,0.1'", "must be left, top, width" },
		{ "driver: rpicam, focus_window: 'a,b,c,d'", "must be left, top, width" },
		{ "driver: rpicam, quality: 0", "a whole number from 1 to 100" },
		{ "driver: rpicam, exposure_bias: 9", "a number from -8 to 8" },
		{ "driver: rpicam, program: [a, b]", "must be one program" },
		{ "driver: rpicam, source: /dev/video0", "must be the number of the camera" },
		{ "driver: fake, size: big", "cameras[0].size: 'big' must be WIDTHxHEIGHT" },
		{ "driver: fake, fps: 1000", "a number from 0.1 to 240" },
		{ "driver: fake, latency: 1h", "cameras[0].latency" },
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		bool is_there = false, is_told = false;

		CHECK(!load(faults[i][0]));
		for (unsigned k = 0; k < errors.n && k < CONF_MAX_ERRORS; k++) {
			is_there |= strstr(errors.texts[k], faults[i][1]) != NULL;
			is_told |= strstr(errors.texts[k], "hidden") != NULL;
		}
		if (!is_there)
			print_message("# %s: %s\n", faults[i][0], errors.texts[0]);
		CHECK(is_there && !is_told);
		config_fini(&config);
	}
}

TEST(a_cameras_password_can_come_from_a_file_or_the_environment)
{
	const struct camera_config *c;
	char path[160], yaml[300];

	snprintf(path, sizeof(path), "%s/password", test_tmp_dir());
	snprintf(yaml, sizeof(yaml), "driver: http-still, source: 'http://c/', password_file: %s",
	         path);
	CHECK_INT(fs_write_atomic(path, "of the file\n", 12, 0600, NULL), 0);
	c = load_fine(yaml);
	CHECK(secret_equals(&c->secret, "of the file"));
	config_fini(&config);
	setenv("BEDSIDE_CAMERA_PASSWORD_SIDE", "of-the-environment",
	       1); /* NOLINT(concurrency-mt-unsafe) */
	c = load_fine("driver: http-still, source: 'http://u@c/'");
	CHECK(secret_equals(&c->secret, "of-the-environment"));
	unsetenv("BEDSIDE_CAMERA_PASSWORD_SIDE"); /* NOLINT(concurrency-mt-unsafe) */
	config_fini(&config);
}

TEST(a_camera_can_be_named_by_its_address_device_or_folder)
{
	struct camera_config c = { 0 };
	struct err err = { 0 };

	CHECK_INT(camera_from_source("http://u:hidden@cam/x", &c, &err), 0);
	CHECK_STR(c.driver, "http-still");
	CHECK_STR(c.source, "http://cam/x");
	CHECK(secret_equals(&c.secret, "hidden") && strcmp(c.user, "u") == 0);
	CHECK_INT(camera_from_source("rtsps://cam:322/x", &c, &err), 0);
	CHECK_STR(c.driver, "rtsp");
	CHECK_INT(camera_from_source("/dev/null", &c, &err), 0);
	CHECK_STR(c.driver, "v4l2");
	CHECK_INT(camera_from_source("/tmp", &c, &err), 0);
	CHECK_STR(c.driver, "folder");
	CHECK(camera_from_source("/nowhere/x", &c, &err) < 0);
	CHECK(camera_from_source("ftp://u:hidden@cam/", &c, &err) < 0);
	CHECK(strstr(err.text, "http, https, rtsp") && !strstr(err.text, "hidden"));
	camera_config_fini(&c);
}
