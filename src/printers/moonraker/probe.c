/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the doctor asks a Moonraker, and what the answers mean. */

#include "base/err.h"
#include "base/text.h"
#include "printers/moonraker/link.h"
#include "printers/moonraker/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t ? t : "";
}

static enum printer_probe_end judge_server(const struct rest *r, const struct rest_answer *a,
                                           char text[240], char advice[320])
{
	const json_t *result = json_object_get(a->json, "result");
	struct err err = { 0 };

	if (moon_is_moonraker(r, a, &err)) {
		(void)snprintf(text, 240, "It is Moonraker %.40s, and it lets us in.",
		               text_of(result, "moonraker_version"));
		return PRINTER_PROBE_FINE;
	}
	(void)snprintf(text, 240, "%.230s", err.text);
	if (a->status == 401 || a->status == 403)
		(void)snprintf(advice, 320, "%s", printer_driver_moonraker.key_advice);
	else if (err.code == -EAGAIN || err.code == -ETIMEDOUT)
		(void)snprintf(advice, 320, "Wait a minute if it has just been started.");
	else if (err.code == -EXDEV)
		(void)snprintf(advice, 320, "Write the address that your browser shows then.");
	else
		(void)snprintf(
			advice, 320,
			"Write the address of Moonraker, as in http://mainsailos.local:7125.");
	return PRINTER_PROBE_STOP;
}

static enum printer_probe_end judge_klipper(const struct rest *r, const struct rest_answer *a,
                                            char text[240], char advice[320])
{
	const json_t *result = json_object_get(a->json, "result");
	const char *condition = text_of(result, "state");

	(void)r;
	if (text_equal(condition, "ready")) {
		(void)snprintf(text, 240, "Klipper %.40s is ready.",
		               text_of(result, "software_version"));
		return PRINTER_PROBE_FINE;
	}
	(void)snprintf(text, 240, "Klipper is not ready (%.20s): %.160s",
	               *condition ? condition : "not connected", text_of(result, "state_message"));
	(void)snprintf(advice, 320,
	               "Is the printer's board switched on and its cable in? Then restart the "
	               "firmware on Mainsail's or Fluidd's page, which also shows klippy.log.");
	return PRINTER_PROBE_FAILED;
}

static enum printer_probe_end judge_webcams(const struct rest *r, const struct rest_answer *a,
                                            char text[240], char advice[320])
{
	const json_t *result = json_object_get(a->json, "result");
	struct webcam w;

	(void)r;
	(void)advice;
	if (a->status != 200 || !result)
		return PRINTER_PROBE_SILENT;
	moon_read_webcam(json_object_get(result, "webcams"), &w);
	if (!w.is_on)
		(void)snprintf(text, 240,
		               "Moonraker has no webcam set up; another camera can be added here.");
	else
		(void)snprintf(text, 240, "Moonraker's webcam: %.190s",
		               w.stream[0] ? w.stream : w.snapshot);
	return PRINTER_PROBE_FINE;
}

const struct printer_probe moon_probes[MOON_N_PROBES] = {
	{ "login", "/server/info", NULL, judge_server },
	{ "printer", "/printer/info", NULL, judge_klipper },
	{ "camera", "/server/webcams/list", NULL, judge_webcams },
};
