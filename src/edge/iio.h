/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * iio: thermometers and hygrometers of the kernel's IIO subsystem (DHT22 by dtoverlay=dht11, BME280,
 * SHT4x, HDC100x …), read through sysfs.
 *
 * A device is a folder iio:deviceN with a file `name` and, for each quantity, either in_X_input (milli-degrees
 * Celsius, milli-per cent) or in_X_raw with in_X_offset and in_X_scale: (raw + offset) · scale
 * (Documentation/ABI/testing/sysfs-bus-iio). Each value is read by one read(): the driver measures at that
 * moment, and the DHT's would give an old value to a second one.
 *
 * Thread: any; reading waits for the sensor (a DHT22: 30 ms, a busy bus: seconds).
 */

#pragma once

#include "base/base.h"
#include "model/environment.h"

#define IIO_ROOT "/sys/bus/iio/devices"

struct iio_device {
	char path[300];
	char name[CLIMATE_SOURCE_SIZE]; /* "dht11" also for a DHT22 */
	bool has_temp, has_humidity;
};

/* `wanted`: a name ("dht11"), a folder ("iio:device0") or "": the first that measures both, else the
 * first that measures one. `root` NULL: IIO_ROOT. -ENODEV says what is there and what to do. */
int iio_find(const char *root, const char *wanted, struct iio_device *ret,
             struct err *err) MUST_CHECK;

/* One try. Values that cannot be are refused (climate_check). The location is the caller's. */
int iio_read(const struct iio_device *d, const char *location, struct climate_reading *ret,
             struct err *err) MUST_CHECK;

/* "23100\n", "-12.5": a sysfs number. Pure. */
bool iio_number(const char *bytes, size_t size, double *ret);
