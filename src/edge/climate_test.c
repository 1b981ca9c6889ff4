/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/work.h"
#include "edge/climate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *root, const char *device, const char *file, const char *text)
{
	char path[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, device);
	(void)mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", root, device, file);
	if (!text) {
		(void)unlink(path);
		return;
	}
	f = fopen(path, "w");
	CHECK(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

static void dht(const char *root, const char *temp, const char *humidity)
{
	put(root, "iio:device0", "name", "dht11\n");
	put(root, "iio:device0", "in_temp_input", temp);
	put(root, "iio:device0", "in_humidityrelative_input", humidity);
}

TEST(a_dht22_is_read_as_the_kernel_writes_it)
{
	const char *root = test_tmp_dir();
	struct climate_reading r;
	struct iio_device d;

	dht(root, "23100\n", "55300\n");
	CHECK_INT(iio_find(root, "", &d, NULL), 0);
	CHECK_STR(d.name, "dht11");
	CHECK_INT(iio_read(&d, "Enclosure", &r, NULL), 0);
	CHECK(fabs(r.temp_c - 23.1) < 1e-9 && fabs(r.humidity_percent - 55.3) < 1e-9);
	CHECK_STR(r.location, "Enclosure");
	dht(root, "-12500\n", "100000\n");
	CHECK_INT(iio_read(&d, "Enclosure", &r, NULL), 0);
	CHECK(fabs(r.temp_c + 12.5) < 1e-9);
}

TEST(a_sensor_that_lies_is_refused)
{
	const char *root = test_tmp_dir();
	struct climate_reading r;
	struct iio_device d;
	struct err err = { 0 };

	dht(root, "0\n", "0\n");
	CHECK_INT(iio_find(root, "", &d, NULL), 0);
	CHECK_INT(iio_read(&d, "x", &r, &err), -ERANGE);
	CHECK(strstr(err.text, "sensor dht11"));
	dht(root, "199900\n", "50000\n");
	CHECK_INT(iio_read(&d, "x", &r, NULL), -ERANGE);
	dht(root, "20000\n", "120000\n");
	CHECK_INT(iio_read(&d, "x", &r, NULL), -ERANGE);
	dht(root, "\n", "50000\n");
	CHECK_INT(iio_read(&d, "x", &r, NULL), -EBADMSG);
	dht(root, "2e9999\n", "50000\n");
	CHECK_INT(iio_read(&d, "x", &r, NULL), -EBADMSG);
}

TEST(raw_values_are_scaled_and_the_fuller_sensor_is_taken)
{
	const char *root = test_tmp_dir();
	struct climate_reading r;
	struct iio_device d;
	struct err err = { 0 };

	put(root, "iio:device0", "name", "cpu-thermometer\n");
	put(root, "iio:device0", "in_temp_input", "40000\n");
	put(root, "iio:device1", "name", "hdc1080\n");
	put(root, "iio:device1", "in_temp_raw", "26000\n");
	put(root, "iio:device1", "in_temp_offset", "-15887.515151\n");
	put(root, "iio:device1", "in_temp_scale", "2.517700195\n");
	put(root, "iio:device1", "in_humidityrelative_raw", "30000\n");
	put(root, "iio:device1", "in_humidityrelative_scale", "1.525878906\n");
	put(root, "iio:device2", "name", "accel\n");
	CHECK_INT(iio_find(root, "", &d, NULL), 0);
	CHECK_STR(d.name, "hdc1080");
	CHECK_INT(iio_read(&d, "x", &r, NULL), 0);
	CHECK(fabs(r.temp_c - 25.46) < 0.01 && fabs(r.humidity_percent - 45.78) < 0.01);
	CHECK_INT(iio_find(root, "iio:device0", &d, NULL), 0);
	CHECK_INT(iio_read(&d, "x", &r, NULL), 0);
	CHECK(isnan(r.humidity_percent));
	CHECK_INT(iio_find(root, "dht11", &d, &err), -ENODEV);
	CHECK(strstr(err.text, "hdc1080"));
}

TEST(no_sensor_says_what_to_do)
{
	struct iio_device d;
	struct err err = { 0 };

	CHECK_INT(iio_find(test_tmp_dir(), "", &d, &err), -ENODEV);
	CHECK(strstr(err.text, "dtoverlay=dht11"));
	CHECK_INT(iio_find("/nowhere/at/all", "", &d, &err), -ENODEV);
}

/* ---- the sensor over time ---- */

struct seen {
	unsigned n_readings, n_failures;
	struct climate_reading last;
	char text[480];
};

static void on_reading(void *arg, const struct climate_reading *r)
{
	struct seen *s = arg;

	s->n_readings++;
	s->last = *r;
}

static void on_failed(void *arg, const struct climate_config *c, const char *text)
{
	struct seen *s = arg;

	(void)c;
	s->n_failures++;
	TEXT_SET(s->text, text);
}

struct rig {
	struct loop *loop;
	struct work_pool *pool;
	struct climate_sensor *sensor;
	struct seen seen;
	char root[200];
};

static void begin(struct rig *r, bool is_simulated)
{
	struct climate_config c = { .location = "Enclosure",
		                    .every_ms = 60000,
		                    .is_simulated = is_simulated };

	memset(r, 0, sizeof(*r));
	TEXT_SET(r->root, test_tmp_dir());
	TEXT_SET(c.root, r->root);
	r->loop = loop_new_simulated(1700000000000);
	r->pool = work_pool_new(r->loop, "t", 1);
	r->sensor = climate_new(r->loop, r->pool, &c,
	                        &(struct climate_events){ on_reading, on_failed, &r->seen });
}

static void end(struct rig *r)
{
	climate_free(r->sensor);
	work_pool_free(r->pool);
	loop_free(r->loop);
}

TEST(three_tries_and_then_the_next_period)
{
	struct rig r;

	begin(&r, false);
	loop_advance(r.loop, 2000);
	CHECK_INT(r.seen.n_failures, 0);
	loop_advance(r.loop, 2300); /* 0, 2.1, 4.2 s */
	CHECK_INT(r.seen.n_failures, 1);
	CHECK(strstr(r.seen.text, "dtoverlay"));
	loop_advance(r.loop, 180000);
	CHECK_INT(r.seen.n_failures, 1);   /* the same words are told once */
	dht(r.root, "21000\n", "40000\n"); /* plugged in */
	loop_advance(r.loop, 60000);
	CHECK_INT(r.seen.n_readings, 1);
	CHECK_STR(climate_trouble(r.sensor), "");
	CHECK(r.seen.last.at_wall_ms > 1700000180000);
	end(&r);
}

TEST(a_second_try_may_do)
{
	struct rig r;

	begin(&r, false);
	dht(r.root, "0\n", "0\n");
	loop_advance(r.loop, 1000);
	dht(r.root, "20000\n", "40000\n");
	loop_advance(r.loop, 1500);
	CHECK_INT(r.seen.n_readings, 1);
	CHECK_INT(r.seen.n_failures, 0);
	/* Periods do not drift by the tries. */
	loop_advance(r.loop, 60000 - 2500 + 100);
	CHECK_INT(r.seen.n_readings, 2);
	end(&r);
}

TEST(a_simulated_sensor_walks_within_its_limits)
{
	struct rig r;

	begin(&r, true);
	loop_advance(r.loop, 60000 * 2000);
	CHECK(r.seen.n_readings > 1990);
	CHECK(r.seen.last.temp_c >= -10 && r.seen.last.temp_c <= 40);
	CHECK(r.seen.last.humidity_percent >= 0 && r.seen.last.humidity_percent <= 100);
	CHECK_INT(r.seen.n_failures, 0);
	end(&r);
}
