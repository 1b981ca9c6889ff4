/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/cmd.h"
#include "app/config.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "capture/plan.h"
#include "core/fs.h"
#include "web/route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOOD "name: B2\naddress: 10.0.0.5\nserial: 03900A400001111\naccess_code: \"12345678\"\n"

static struct config config;
static struct conf_errors errors;
static char dir[128];

static bool load(const char *yaml)
{
	char path[160];

	TEXT_SET(dir, test_tmp_dir());
	snprintf(path, sizeof(path), "%s/bedside.yaml", dir);
	assert_int_equal(fs_write_atomic(path, yaml, strlen(yaml), 0600, NULL), 0);
	return config_load(path, dir, &config, &errors);
}

TEST(a_printer_is_read_with_all_defaults)
{
	CHECK(load("printers:\n"
	           "  - name: A1 (left) # by the window\n"
	           "    address: 192.168.1.50\n"
	           "    serial: 03900A400001111\n"
	           "    access_code: \"12345678\"\n"
	           "    tls: insecure\n"
	           "    ports: {mqtt: 18883}\n"
	           "    session: {every_n_layers: 2}\n"
	           "film: {fps: 30, size: 1280x720, duration: 20s}\n"));
	CHECK_INT(config.n_printers, 1);

	const struct printer_entry *e = &config.printers[0];

	CHECK_STR(e->printer.id, "a1-left");
	CHECK(secret_equals(&e->printer.access_code, "12345678"));
	CHECK(e->printer.trust.mode == TRUST_INSECURE && e->printer.ports.mqtt == 18883);
	CHECK(e->printer.offline_after_ms == 60000 && e->printer.has_camera);
	CHECK(e->plan.every_n_layers == 2 && e->plan.starts_itself);
	CHECK(e->plan.film.fps == 30 && e->plan.film.width == 1280 &&
	      e->plan.film.duration_s == 20);
	CHECK_INT(config.web.port, 8484);
	config_fini(&config);
}

TEST(faults_of_every_kind_are_all_named)
{
	CHECK(!load("web: {port: 70000, tls: files, base_path: x}\n"
	            "printers:\n"
	            "  - name: A1\n"
	            "    address: a\n"
	            "    serial: 0390\n"
	            "    access_code_file: /nowhere/code\n"
	            "  - name: a1\n"
	            "    adress: b\n"
	            "    serial: 03900A400001111\n"
	            "    tls: yes\n"
	            "cameras:\n"
	            "  - {name: c, driver: fake, printer: nobody, size: 5x5}\n"
	            "film: {fps: 0}\n"));
	static const char *const expected[] = {
		"bedside.yaml:1: web.port: '70000' must be a port",
		"bedside.yaml:13: film.fps: '0' must be a number from 1 to 60",
		"bedside.yaml:5: printers[0].serial: '0390' must be the serial number",
		"printers[0].access_code_file: opening /nowhere/code",
		"bedside.yaml:8: printers[1].adress: no such key; did you mean 'address'?",
		"bedside.yaml:10: printers[1].tls: 'yes' must be ca, insecure",
		"printers[1].address: is missing",
		"printers[1].name: 'a1' is the name of another printer already",
		"printers[1].access_code: is missing",
		"cameras[0].size: '5x5' must be WIDTHxHEIGHT",
		"bedside.yaml:1: web.base_path: 'x' must begin with /",
		"bedside.yaml:1: web.tls: files needs web.certificate and web.key",
		"bedside.yaml:12: cameras[0].printer: there is no printer 'nobody'",
	};

	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		bool is_there = false;

		for (unsigned k = 0; k < errors.n && k < CONF_MAX_ERRORS; k++)
			is_there = is_there || strstr(errors.texts[k], expected[i]);
		if (!is_there)
			print_message("# not said: %s\n", expected[i]);
		CHECK(is_there);
	}
	config_fini(&config);
}

TEST(a_printer_may_have_a_url_and_a_key)
{
	CHECK(load("ca_file: /etc/ca.pem\n"
	           "printers:\n"
	           "  - name: Octo\n"
	           "    driver: octoprint\n"
	           "    url: http://OctoPi.local:5000/octoprint/\n"
	           "    api_key: \"0123456789ABCDEF\"\n"));

	const struct printer_config *p = &config.printers[0].printer;

	CHECK_STR(p->url, "http://OctoPi.local:5000/octoprint");
	CHECK_STR(p->address, "OctoPi.local");
	CHECK(secret_equals(&p->access_code, "0123456789ABCDEF"));
	CHECK_STR(p->trust.ca_file, ""); /* of https judges the system, not the makers' CAs */
	config_fini(&config);
}

TEST(faults_of_printers_with_a_url_are_named)
{
	static const char *const expected[] = {
		":4: printers[0].serial: printers of the driver octoprint have url",
		"printers[0].url: is missing",
		"printers[0].api_key: is missing. Run 'bedside pair'",
		":8: printers[1].url: the address must begin with http:// or https://",
		":9: printers[1].api_key_file: api_key is set too",
		":11: printers[2].url: printers of the driver bambu have address, serial",
		"printers[3].driver: 'octoprin' must be one of bambu, octoprint, moonraker",
		"printers[4].url: write the login into user and password",
		"printers[4]: octoprint is logged in to with api_key alone",
		"printers[6].url: http://a is the address of 'F' already",
	};

	CHECK(!load("printers:\n"
	            "  - name: A\n"
	            "    driver: octoprint\n"
	            "    serial: 03900A400001111\n"
	            "  - name: B\n"
	            "    driver: octoprint\n"
	            "    api_key: abc\n"
	            "    url: ftp://a/\n"
	            "    api_key_file: /nowhere\n"
	            "  - name: C\n"
	            "    url: http://c\n"
	            "  - {name: D, driver: octoprin, url: \"http://d\"}\n"
	            "  - {name: E, driver: octoprint, url: \"http://u:p@e\", user: u}\n"
	            "  - {name: F, driver: octoprint, url: \"http://a\", api_key: k1}\n"
	            "  - {name: G, driver: octoprint, url: \"http://a/\", api_key: k2}\n"));
	for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
		bool is_there = false;

		for (unsigned k = 0; k < errors.n && k < CONF_MAX_ERRORS; k++)
			is_there = is_there || strstr(errors.texts[k], expected[i]);
		if (!is_there)
			print_message("# not said: %s\n", expected[i]);
		CHECK(is_there);
	}
	config_fini(&config);
}

TEST(a_printer_with_a_url_is_written_as_it_was)
{
	struct printer_config p = { .driver = "octoprint", .name = "Octo" };
	struct err err = { 0 };

	TEXT_SET(dir, test_tmp_dir());
	TEXT_SET(p.url, "http://octopi.local:5000");
	secret_set(&p.access_code, "KEY\"1");
	CHECK_INT(config_add_printer(dir, &p, &err), 0);
	CHECK(config_load(NULL, dir, &config, &errors));
	CHECK_INT(config.n_printers, 1);
	CHECK_STR(config.printers[0].printer.url, p.url);
	CHECK(secret_equals(&config.printers[0].printer.access_code, "KEY\"1"));
	config_fini(&config);
	printer_config_fini(&p);
}

TEST(an_access_code_can_come_from_a_file_or_the_environment)
{
	CHECK(!load("printers:\n  - {name: A1, address: a, serial: 03900A400001111}\n"));
	config_fini(&config);
	setenv("BEDSIDE_ACCESS_CODE_A1", "87654321", 1); /* NOLINT(concurrency-mt-unsafe) */
	CHECK(load("printers:\n  - {name: A1, address: a, serial: 03900A400001111}\n"));
	CHECK(secret_equals(&config.printers[0].printer.access_code, "87654321"));
	unsetenv("BEDSIDE_ACCESS_CODE_A1"); /* NOLINT(concurrency-mt-unsafe) */
	config_fini(&config);
}

TEST(a_printer_added_on_the_page_is_there_next_time_and_can_go)
{
	struct printer_config p = { .driver = "bambu", .address = "10.0.0.5" };
	uint8_t pin[32] = { 1, 2, 3 };
	struct err err = { 0 };

	CHECK(load(""));
	config_fini(&config);
	TEXT_SET(p.name, "My \"X1\"");
	TEXT_SET(p.serial, "00M00A400001111");
	secret_set(&p.access_code, "pa\"ss");
	CHECK_INT(config_add_printer(dir, &p, &err), 0);
	CHECK_INT(config_add_printer(dir, &p, &err), -EEXIST);
	CHECK(config_load(NULL, dir, &config, &errors));
	CHECK_INT(config.n_printers, 1);
	CHECK_STR(config.printers[0].printer.name, "My \"X1\"");
	CHECK(secret_equals(&config.printers[0].printer.access_code, "pa\"ss"));
	CHECK(config.printers[0].printer.trust.mode == TRUST_CA && config.printers[0].is_added);
	config_fini(&config);

	CHECK_INT(config_pin_printer(dir, p.id, pin, &err), 0);
	CHECK(config_load(NULL, dir, &config, &errors));
	CHECK(config.printers[0].printer.trust.mode == TRUST_PIN &&
	      config.printers[0].printer.trust.pin[2] == 3);
	CHECK_INT(config_remove_printer(&config, "nobody", &err), -EPERM);
	CHECK_INT(config_remove_printer(&config, p.id, &err), 0);
	config_fini(&config);
	CHECK(config_load(NULL, dir, &config, &errors));
	CHECK_INT(config.n_printers, 0);
	config_fini(&config);
	printer_config_fini(&p);
}

static int try_to_add(const char *name, const char *serial)
{
	struct printer_config p = { .driver = "bambu", .address = "10.0.0.5" };
	struct err err = { 0 };

	TEXT_SET(p.name, name);
	TEXT_SET(p.serial, serial);
	secret_set(&p.access_code, "12345678");

	int rc = config_add_printer(dir, &p, &err);

	CHECK(rc == 0 || err.text[0]);
	printer_config_fini(&p);
	return rc;
}

TEST(a_printer_that_the_next_start_would_refuse_is_not_written)
{
	CHECK(load(""));
	config_fini(&config);
	CHECK_INT(try_to_add("One", ""), -EINVAL);
	CHECK_INT(try_to_add("Two", "03900a400001111"), -EINVAL);
	CHECK_INT(try_to_add("Bell \a", "03900A400001111"), -EINVAL);
	CHECK_INT(try_to_add("Two\nlines", "03900A400001111"), -EINVAL);
	CHECK_INT(try_to_add("Good", "03900A400001111"), 0);
	CHECK(config_load(NULL, dir, &config, &errors));
	CHECK_INT(config.n_printers, 1);
	config_fini(&config);
}

TEST(a_backup_is_refused_if_the_next_start_could_not_read_its_printers)
{
	char folder[160], path[200], own[160];
	struct err err = { 0 };

	TEXT_SET(dir, test_tmp_dir());
	snprintf(own, sizeof(own), "%s/bedside.yaml", dir);
	snprintf(folder, sizeof(folder), "%s/restoring/printers.d", dir);
	snprintf(path, sizeof(path), "%s/b2.yaml", folder);
	assert_int_equal(fs_make_dirs(folder, NULL), 0);
	snprintf(folder, sizeof(folder), "%s/restoring", dir);
	CHECK_INT(config_check_restored("", folder, &err), 0);
	assert_int_equal(fs_write_atomic(path, GOOD, strlen(GOOD), 0600, NULL), 0);
	CHECK_INT(config_check_restored("", folder, &err), 0);
	/* A key of a newer one. */
	assert_int_equal(fs_write_atomic(path, GOOD "warp: 9\n", strlen(GOOD) + 8, 0600, NULL), 0);
	CHECK_INT(config_check_restored("", folder, &err), -EBADMSG);
	CHECK(strstr(err.text, "warp") && strstr(err.text, "b2.yaml"));
	/* Known here already. */
	assert_int_equal(fs_write_atomic(path, GOOD, strlen(GOOD), 0600, NULL), 0);
	CHECK(load("printers:\n  - {name: B2, address: 10.0.0.5, serial: 03900A400001111, "
	           "access_code: \"12345678\"}\n"));
	config_fini(&config);
	CHECK_INT(config_check_restored(own, folder, &err), -EBADMSG);
}

TEST(printers_without_a_plan_of_their_own_get_that_of_the_file)
{
	CHECK(load("session: {every_n_layers: 3}\nfilm: {fps: 12}\n"));
	CHECK(config.plan.every_n_layers == 3 && config.plan.film.fps == 12);
	config_fini(&config);
}

TEST(a_newer_fingerprint_wins_unless_the_users_file_names_one)
{
	struct printer_config p = { .driver = "bambu", .address = "10.0.0.5", .name = "Mine" };
	uint8_t pin[32] = { 9 };
	struct err err = { 0 };

	CHECK(load("printers:\n"
	           "  - {name: Hand, address: h, serial: 03900A400002222, access_code: \"1\",\n"
	           "     tls: \"sha256:" /* 64 digits */
	           "abababababababababababababababababababababababababababababababab\"}\n"));
	config_fini(&config);
	TEXT_SET(p.serial, "03900A400001111");
	secret_set(&p.access_code, "1");
	p.trust = (struct trust){ .mode = TRUST_PIN, .pin = { 1 } };
	CHECK_INT(config_add_printer(dir, &p, &err), 0);
	CHECK_INT(config_pin_printer(dir, "mine", pin, &err), 0);
	CHECK_INT(config_pin_printer(dir, "hand", pin, &err), 0);

	char path[160];

	snprintf(path, sizeof(path), "%s/bedside.yaml", dir);
	CHECK(config_load(path, dir, &config, &errors));
	CHECK_INT(config.n_printers, 2);
	CHECK(config.printers[0].is_pinned_by_hand && !config.printers[1].is_pinned_by_hand);
	CHECK_INT(config.printers[0].printer.trust.pin[0], 0xab);
	CHECK_INT(config.printers[1].printer.trust.pin[0], 9);
	config_fini(&config);
	printer_config_fini(&p);
}

static bool is_b2(void *arg, const char *id)
{
	(void)arg;
	return strcmp(id, "b2") == 0;
}

static int add_camera(const char *settings, char field[CONFIG_FIELD_SIZE], struct err *err)
{
	json_t *j = json_loads(settings, 0, NULL);
	struct camera_config k;

	CHECK(j);

	int rc = config_add_camera(&config, j, &(struct config_taken){ is_b2, NULL }, &k, field,
	                           err);

	camera_config_fini(&k);
	json_decref(j);
	return rc;
}

static int change_camera(const char *id, const char *settings)
{
	json_t *j = json_loads(settings, 0, NULL);
	struct camera_config k;
	char field[CONFIG_FIELD_SIZE];
	struct err err = { 0 };
	int rc = config_change_camera(&config, id, j, &k, field, &err);

	CHECK(rc == 0 || err.text[0]);
	camera_config_fini(&k);
	json_decref(j);
	return rc;
}

TEST(a_camera_added_on_the_page_is_there_next_time_changes_and_goes)
{
	char field[CONFIG_FIELD_SIZE];
	struct err err = { 0 };
	const struct camera_config *k;

	CHECK(load(""));
	CHECK_INT(add_camera("{\"name\":\"Left \\\"eye\\\": é\",\"driver\":\"http-still\","
	                     "\"source\":\"http://10.0.0.9/a?c=d:e\",\"user\":\"eve\","
	                     "\"password\":\"pa\\\"s: #s\",\"printers\":[\"a1\",\"gone\"],"
	                     "\"rotation\":90,\"flip\":\"both\",\"poll_ms\":1500,"
	                     "\"latency_ms\":120,\"always_open\":true,\"tls\":\"\"}",
	                     field, &err),
	          0);
	config_fini(&config);
	CHECK(config_load(NULL, dir, &config, &errors));
	CHECK_INT(config.n_cameras, 1);
	k = &config.cameras[0];
	CHECK_STR(k->name, "Left \"eye\": é");
	CHECK_STR(k->source, "http://10.0.0.9/a?c=d:e");
	CHECK(secret_equals(&k->secret, "pa\"s: #s") && k->origin == CAMERA_OF_PAGE);
	CHECK(k->rotation == 90 && k->is_flipped_h && k->is_flipped_v && k->is_always_open);
	CHECK(k->poll_ms == 1500 && k->latency_us == 120000);
	/* A printer that has gone does not keep the program from starting. */
	CHECK(camera_config_sees(k, "a1") && camera_config_sees(k, "gone"));

	char id[MODEL_ID_SIZE];

	/* A new name keeps the id; what is not named stays; null takes away. */
	TEXT_SET(id, k->id);
	CHECK_INT(change_camera(id, "{\"name\":\"Right\",\"poll_ms\":null,\"printers\":[]}"), 0);
	CHECK_INT(change_camera("nobody", "{\"name\":\"Right\"}"), -EPERM);
	CHECK_INT(change_camera(id, "{\"rotation\":45}"), -EINVAL);
	/* The password goes to no other host, port or scheme. */
	CHECK_INT(change_camera(id, "{\"source\":\"http://10.0.0.66/a\"}"), -EINVAL);
	CHECK_INT(change_camera(id, "{\"source\":\"http://10.0.0.9:81/a\"}"), -EINVAL);
	CHECK_INT(change_camera(id, "{\"source\":\"https://10.0.0.9/a\"}"), -EINVAL);
	CHECK_INT(change_camera(id, "{\"source\":\"http://10.0.0.9/b\"}"), 0);
	CHECK_INT(change_camera(id, "{\"source\":\"http://10.0.0.66/\",\"password\":\"new\"}"), 0);
	CHECK_INT(change_camera(id,
	                        "{\"source\":\"http://10.0.0.9/a\",\"password\":\"pa\\\"s: #s\"}"),
	          0);
	config_fini(&config);
	CHECK(config_load(NULL, dir, &config, &errors));
	k = &config.cameras[0];
	CHECK_STR(k->id, id);
	CHECK_STR(k->name, "Right");
	CHECK(secret_equals(&k->secret, "pa\"s: #s") && k->poll_ms == 1000 && !k->printer[0]);
	CHECK_INT(config_remove_camera(&config, "nobody", &err), -EPERM);
	CHECK_INT(config_remove_camera(&config, id, &err), 0);
	config_fini(&config);
	CHECK(config_load(NULL, dir, &config, &errors));
	CHECK_INT(config.n_cameras, 0);
	config_fini(&config);
}

TEST(a_camera_that_the_next_start_would_refuse_is_not_written)
{
	static const struct {
		const char *settings, *field, *text;
		int rc;
	} bad[] = {
		{ "{\"name\":\"A\",\"driver\":\"http-still\"}", "source", "is missing", -EINVAL },
		{ "{\"name\":\"A\",\"driver\":\"http-still\",\"source\":\"ftp://x\"}", "source",
		  "must begin with http://", -EINVAL },
		{ "{\"name\":\"A\",\"driver\":\"rtsp\",\"source\":\"http://x\"}", "source",
		  "must begin with rtsp://", -EINVAL },
		{ "{\"name\":\"A\",\"driver\":\"fake\",\"source\":\"x\"}", "source",
		  "has no such setting", -EINVAL },
		{ "{\"name\":\"A\",\"driver\":\"fake\",\"size\":\"big\"}", "size",
		  "must be WIDTHxHEIGHT", -EINVAL },
		{ "{\"name\":\"A\",\"driver\":\"v4l2\",\"source\":\"camera\"}", "source",
		  "names no camera", -EINVAL },
		{ "{\"name\":\"B2\",\"driver\":\"fake\"}", "name", "already", -EEXIST },
		{ "{\"name\":\"A\",\"driver\":\"exec\",\"command\":[\"/bin/sh\"]}", "driver",
		  "programs: yes", -EPERM },
		{ "{\"name\":\"A\",\"driver\":\"rpicam\",\"arguments\":[\"-o\",\"x\"]}", "driver",
		  "programs: yes", -EPERM },
	};
	char path[160], field[CONFIG_FIELD_SIZE];

	CHECK(load(""));
	snprintf(path, sizeof(path), "%s/cameras.d/a.yaml", dir);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { 0 };

		CHECK_INT(add_camera(bad[i].settings, field, &err), bad[i].rc);
		CHECK_STR(field, bad[i].field);
		if (!strstr(err.text, bad[i].text))
			print_message("# said: %s\n", err.text);
		CHECK(strstr(err.text, bad[i].text));
		CHECK(access(path, F_OK) != 0);
	}
	config_fini(&config);
}

TEST(cameras_of_the_page_run_programs_only_if_the_file_allows_it)
{
	static const char text[] = "name: A\ndriver: exec\ncommand: [/bin/true]\n";
	static const char yaml[] = "web: {programs: yes}\n";
	char path[160];

	/* As a backup that was put back may bring it. */
	CHECK(load(""));
	snprintf(path, sizeof(path), "%s/cameras.d", dir);
	CHECK_INT(fs_make_dirs(path, NULL), 0);
	snprintf(path, sizeof(path), "%s/cameras.d/a.yaml", dir);
	CHECK_INT(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
	config_fini(&config);
	CHECK(config_load(NULL, dir, &config, &errors));
	CHECK_INT(config.n_cameras, 0);
	config_fini(&config);

	snprintf(path, sizeof(path), "%s/bedside.yaml", dir);
	CHECK_INT(fs_write_atomic(path, yaml, strlen(yaml), 0600, NULL), 0);
	CHECK(config_load(path, dir, &config, &errors));
	CHECK_INT(config.n_cameras, 1);
	config_fini(&config);
}

TEST(a_secret_is_the_first_line_of_its_file)
{
	struct secret code = { 0 };
	struct err err = { 0 };
	char path[160];

	snprintf(path, sizeof(path), "%s/code", test_tmp_dir());
	CHECK_INT(secret_from_file(path, &code, &err), -ENOENT);
	CHECK_INT(fs_write_atomic(path, "12345678\r\nmore", 14, 0600, NULL), 0);
	CHECK_INT(secret_from_file(path, &code, &err), 0);
	CHECK(secret_equals(&code, "12345678"));
	CHECK_INT(fs_write_atomic(path, "\n12345678", 9, 0600, NULL), 0);
	secret_fini(&code);
	CHECK_INT(secret_from_file(path, &code, &err), -EINVAL);
	CHECK(strstr(err.text, "is empty"));
}

TEST(the_example_file_is_a_valid_configuration)
{
	struct buf b;

	buf_init(&b, 0);
	config_example(&b);

	bool ok = load(buf_peek(&b));

	for (unsigned i = 0; i < errors.n; i++)
		print_message("# %s\n", errors.texts[i]);
	CHECK(ok);
	CHECK_INT(config.n_printers, 0);
	config_fini(&config);
	buf_fini(&b);
}

TEST(config_api_takes_the_capture_plan_as_it_is_given)
{
	char params[2][64];
	bool is_wrong;
	const struct route *r =
		route_find(HTTP_PATCH, "/api/v1/printers/a1/capture", params, &is_wrong);
	struct field_fault fault = { 0 };
	struct capture_plan plan;
	json_t *j;
	unsigned n = 0;

	CHECK(r != NULL);
	capture_plan_init(&plan);
	j = capture_plan_json(&plan);
	if (!route_check_body(r, j, &fault))
		fail_msg("%s: %s", fault.field, fault.text);
	for (const struct field *f = r->body; f->name; f++)
		n++;
	CHECK_INT(n, CAPTURE_PLAN_N_OPTS);
	json_decref(j);
}

TEST(config_reads_the_capture_plan_of_all_and_of_one_printer)
{
	struct capture_plan p;

	/* The defaults are a plan that can be kept. */
	capture_plan_init(&p);
	CHECK(capture_plan_check(&p, NULL) == 0);
	CHECK(!p.is_on && p.every_n_layers == 3 && p.mode == CAPTURE_SNAP && p.clearance_mm == 5);
}
