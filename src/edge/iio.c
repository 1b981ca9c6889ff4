/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "edge/iio.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEMP "in_temp"
#define HUMIDITY "in_humidityrelative"
#define MILLI 1000.0

bool iio_number(const char *bytes, size_t size, double *ret)
{
	char text[40];

	while (size > 0 && (bytes[size - 1] == '\n' || bytes[size - 1] == ' '))
		size--;
	return size > 0 && size < sizeof(text) && text_copy_n(text, sizeof(text), bytes, size) &&
	       strlen(text) == size && text_to_double(text, ret);
}

static ssize_t read_once(const struct iio_device *d, const char *channel, const char *suffix,
                         char *dst, size_t size)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s%s", d->path, channel, suffix);

	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, dst, size);

	return n < 0 ? -errno : n;
}

static int read_number(const struct iio_device *d, const char *channel, const char *suffix,
                       double *ret)
{
	char bytes[64];
	ssize_t n = read_once(d, channel, suffix, bytes, sizeof(bytes));

	if (n < 0)
		return (int)n;
	return iio_number(bytes, (size_t)n, ret) ? 0 : -EBADMSG;
}

static bool has_channel(const char *path, const char *channel)
{
	char file[400];

	snprintf(file, sizeof(file), "%s/%s_input", path, channel);
	if (access(file, F_OK) == 0)
		return true;
	snprintf(file, sizeof(file), "%s/%s_raw", path, channel);
	return access(file, F_OK) == 0;
}

static void look_at(const char *root, const char *folder, struct iio_device *ret)
{
	struct iio_device d = { 0 };
	ssize_t n;

	snprintf(d.path, sizeof(d.path), "%.230s/%.60s", root, folder);
	n = read_once(&d, "", "name", d.name, sizeof(d.name) - 1);
	d.name[MAX(n, 0)] = '\0';
	d.name[strcspn(d.name, "\n")] = '\0';
	text_clean(d.name);
	d.has_temp = has_channel(d.path, TEMP);
	d.has_humidity = has_channel(d.path, HUMIDITY);
	*ret = d;
}

/* Which of two suits better; folders come in any order. */
static bool is_better(const struct iio_device *a, const struct iio_device *b)
{
	int na = a->has_temp + a->has_humidity, nb = b->has_temp + b->has_humidity;

	return na != nb ? na > nb : strcmp(a->path, b->path) < 0;
}

static int none(const char *root, const char *wanted, const char *seen, struct err *err)
{
	if (wanted[0])
		return err_set(err, -ENODEV,
		               "there is no sensor '%s' that measures temperature or humidity; "
		               "there is: %s",
		               wanted, seen[0] ? seen : "none");
	return err_set(err, -ENODEV,
	               "the kernel knows no thermometer or hygrometer (%s): for a DHT22 on a "
	               "Raspberry Pi write 'dtoverlay=dht11,gpiopin=24' into config.txt and "
	               "restart; elsewhere write 'simulated: yes' to try it without one",
	               root);
}

int iio_find(const char *root, const char *wanted, struct iio_device *ret, struct err *err)
{
	struct iio_device best = { 0 }, d;
	char seen[200] = "";
	DIR *dir = opendir(root ? root : IIO_ROOT);

	if (!root)
		root = IIO_ROOT;
	if (!dir)
		return none(root, wanted, seen, err);
	/* Each DIR is one thread's: NOLINTNEXTLINE(concurrency-mt-unsafe) */
	for (struct dirent *e; (e = readdir(dir));) {
		size_t at = strlen(seen);

		if (!text_starts(e->d_name, "iio:device"))
			continue;
		look_at(root, e->d_name, &d);
		if (!d.has_temp && !d.has_humidity)
			continue;
		snprintf(seen + at, sizeof(seen) - at, "%s%.60s", at ? ", " : "", d.name);
		if (wanted[0] && strcmp(wanted, d.name) != 0 && strcmp(wanted, e->d_name) != 0)
			continue;
		if (!best.path[0] || is_better(&d, &best))
			best = d;
	}
	closedir(dir);
	if (!best.path[0])
		return none(root, wanted, seen, err);
	*ret = best;
	return 0;
}

static int read_channel(const struct iio_device *d, const char *channel, double *ret)
{
	double raw, offset = 0, scale = 1;
	int rc = read_number(d, channel, "_input", ret);

	if (rc == 0)
		*ret /= MILLI;
	if (rc != -ENOENT)
		return rc;
	rc = read_number(d, channel, "_raw", &raw);
	if (rc < 0)
		return rc;
	(void)read_number(d, channel, "_offset", &offset);
	(void)read_number(d, channel, "_scale", &scale);
	*ret = (raw + offset) * scale / MILLI;
	return 0;
}

static const char *why(int rc)
{
	switch (rc) {
	case -ETIMEDOUT:
		return "it does not answer: check its wires and its supply";
	case -EIO:
		return "its answer is garbled: a long or loose wire, or a missing pull-up resistor";
	case -ENOENT:
	case -ENODEV:
		return "it has gone";
	case -EACCES:
		return "no permission to read it";
	default:
		return "it gives no number";
	}
}

int iio_read(const struct iio_device *d, const char *location, struct climate_reading *ret,
             struct err *err)
{
	struct climate_reading r = { .temp_c = (double)NAN, .humidity_percent = (double)NAN };
	int rc = 0;

	TEXT_SET(r.location, location);
	TEXT_SET(r.source, d->name);
	if (d->has_temp)
		rc = read_channel(d, TEMP, &r.temp_c);
	if (rc == 0 && d->has_humidity)
		rc = read_channel(d, HUMIDITY, &r.humidity_percent);
	if (rc < 0)
		return err_set(err, rc, "sensor %s: %s", d->name, why(rc));
	rc = climate_check(&r, err);
	if (rc < 0)
		return err_wrap(err, rc, "sensor %s", d->name);
	*ret = r;
	return 0;
}
