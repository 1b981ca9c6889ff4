/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/prusalink/command.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "wire/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool prusa_file_path(const char *file, const char *usual, char *dst, size_t size)
{
	static const char *const storages[] = { "usb/", "local/", "sdcard/" };
	bool has_storage = false;
	int n;

	file += strspn(file, "/");
	if (!*file || strstr(file, "..") || strpbrk(file, "\r\n"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(storages); i++)
		has_storage |= text_starts(file, storages[i]);
	n = has_storage ? snprintf(dst, size, "%s", file)
	                : snprintf(dst, size, "%s/%s", *usual ? usual : "usb", file);
	return n > 0 && (size_t)n < size;
}

static int write_start(const struct printer_command *c, const struct prusa_memory *m,
                       char target[1024], struct err *err)
{
	char file[320];

	if (!prusa_file_path(c->file, m->storage, file, sizeof(file)))
		return err_set(err, -EINVAL, "'%.60s' is no file of PrusaLink's", c->file);

	auto_free char *path = fetch_escape_path(file);
	int n = snprintf(target, 1024, "/api/v1/files/%s", path);

	return n < 1024 ? 0 : err_set(err, -EINVAL, "the name of the file is too long");
}

int prusa_command_write(const struct printer_command *c, const struct prusa_memory *m,
                        const char **ret_method, char target[1024], struct err *err)
{
	const char *what = "";

	switch (c->kind) {
	case PRINTER_START_FILE:
		*ret_method = "POST";
		return write_start(c, m, target, err);
	case PRINTER_PAUSE_PRINT:
		*ret_method = "PUT";
		what = "/pause";
		break;
	case PRINTER_RESUME_PRINT:
		*ret_method = "PUT";
		what = "/resume";
		break;
	case PRINTER_STOP_PRINT:
		*ret_method = "DELETE";
		break;
	default:
		return err_set(err, -EINVAL,
		               "PrusaLink can only pause, resume, stop and start prints: use the "
		               "printer's own screen");
	}
	if (m->job < 0)
		return err_set(err, -EINVAL, "the printer has no job");
	(void)snprintf(target, 1024, "/api/v1/job/%lld%s", (long long)m->job, what);
	return 0;
}
