/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/reply.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *reply_text(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t ? t : "";
}

double reply_number_at(const json_t *v)
{
	double d = json_number_value(v);

	return json_is_number(v) && isfinite(d) && fabs(d) < 9e15 ? d : (double)NAN;
}

double reply_number(const json_t *o, const char *key)
{
	return reply_number_at(json_object_get(o, key));
}

int64_t reply_whole(const json_t *o, const char *key)
{
	double v = reply_number(o, key);

	return v >= 0 ? (int64_t)v : -1;
}

bool reply_flag(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

void reply_put(char *dst, size_t size, const char *text)
{
	memset(dst, 0, size);
	text_copy(dst, size, text);
	text_clean(dst);
}

bool reply_is(const char *text, const char *what, struct err *err)
{
	/* Who answers as if it were OctoPrint comes before it. */
	static const struct {
		const char *name, *driver;
	} known[] = { { "Moonraker", "moonraker" },
		      { "PrusaLink", "prusalink" },
		      { "OctoPrint", "octoprint" } };

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!strstr(text, known[i].name))
			continue;
		if (text_equal(known[i].name, what))
			return true;
		(void)err_set(err, -EPROTO, "it is no %s but '%.60s'; use driver: %s", what, text,
		              known[i].driver);
		return false;
	}
	(void)err_set(err, -EPROTO, "it is no %s%s%.60s", what, *text ? " but " : "", text);
	return false;
}

void reply_advise(int code, const char *address, char advice[320])
{
	if (code == -EAGAIN || code == -ETIMEDOUT)
		(void)snprintf(advice, 320, "Wait a minute if it has just been started.");
	else if (code == -EXDEV)
		(void)snprintf(advice, 320, "Write the address that your browser shows then.");
	else
		(void)snprintf(advice, 320, "%s", address);
}

int reply_effect(const struct printer_state *s, enum printer_command_kind kind)
{
	switch (kind) {
	case PRINTER_PAUSE_PRINT:
		return s->activity == PRINTER_PAUSED;
	case PRINTER_RESUME_PRINT:
		return s->activity == PRINTER_PRINTING || s->activity == PRINTER_PREPARING;
	case PRINTER_STOP_PRINT:
		return !printer_activity_is_job(s->activity);
	case PRINTER_START_FILE:
		return printer_activity_is_job(s->activity);
	default:
		return -1;
	}
}

bool reply_camera(const struct printer *p, const struct webcam *w, const char *page,
                  struct camera_config *ret, const char **ret_why)
{
	const struct printer_config *c = printer_config(p);

	*ret_why = "";
	memset(ret, 0, sizeof(*ret));
	if (!c->has_camera) {
		*ret_why = "The printer's own camera is switched off in the configuration.";
		return false;
	}
	if (!webcam_camera(w, page, ret, ret_why))
		return false;
	(void)snprintf(ret->id, sizeof(ret->id), "%.40s-camera", c->id);
	(void)snprintf(ret->name, sizeof(ret->name), "%.80s camera", c->name);
	TEXT_SET(ret->printer, c->id);
	ret->trust = c->trust;
	return true;
}
