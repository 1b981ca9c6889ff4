/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;

	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	err->code = code;

	return code;
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int code = -errno;

	if (!err)
		return code;

	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	return err_set(err, code, "%.320s: %s", text, strerrordesc_np(-code));
}

int err_wrap(struct err *err, int code, const char *fmt, ...)
{
	if (!err)
		return code;

	char below[sizeof(err->text)];
	char text[sizeof(err->text)];
	va_list ap;

	memcpy(below, err->text, sizeof(below));
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	return err_set(err, code, "%.120s: %.350s", text, below);
}
