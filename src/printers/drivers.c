/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/text.h"
#include "printers/driver.h"

static const struct printer_driver *const drivers[] = {
	&printer_driver_bambu,
	&printer_driver_octoprint,
	&printer_driver_moonraker,
	&printer_driver_prusalink,
};

const struct printer_driver *printer_driver_at(size_t i)
{
	return i < ARRAY_LEN(drivers) ? drivers[i] : NULL;
}

const struct printer_driver *printer_driver_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		if (text_equal(drivers[i]->name, name))
			return drivers[i];
	}
	return NULL;
}
