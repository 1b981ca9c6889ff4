/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/driver.h"

#include <assert.h>
#include <string.h>

static const struct camera_driver *const drivers[] = {
	&camera_driver_v4l2,       &camera_driver_rpicam, &camera_driver_http_still,
	&camera_driver_http_mjpeg, &camera_driver_rtsp,   &camera_driver_exec,
	&camera_driver_folder,     &camera_driver_bambu,  &camera_driver_bambu_rtsp,
	&camera_driver_fake,       &camera_driver_remote,
};

const struct camera_driver *camera_driver_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		assert(drivers[i]->open && drivers[i]->close);
		if (strcmp(drivers[i]->name, name) == 0)
			return drivers[i];
	}
	return NULL;
}

const struct camera_driver *camera_driver_at(size_t i)
{
	return i < ARRAY_LEN(drivers) ? drivers[i] : NULL;
}
