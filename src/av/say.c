/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/say.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "core/log.h"

#include <errno.h>
#include <string.h>

void say(json_t *o)
{
	auto_free char *line = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	if (!line)
		return;
	log_redact(line, strlen(line) + 1);
	(void)printf("%s\n", line);
	(void)fflush(stdout);
}

static const char *reason_of(int code)
{
	switch (-code) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EIO:
		return "disk";
	case ENODATA:
		return "empty";
	case ERANGE:
		return "few";
	case EEXIST:
		return "exists";
	case ENOTUNIQ:
		return "taken";
	case EINVAL:
		return "settings";
	default:
		return "other";
	}
}

int say_failed(const struct err *err)
{
	say(json_pack("{s:s,s:s,s:o}", "type", "failed", "reason", reason_of(err->code), "text",
	              json_text(err->text)));
	return 1;
}
