/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the doctor asks a Moonraker, and what the answers mean. */

#include "base/err.h"
#include "base/text.h"
#include "printers/moonraker/link.h"
#include "printers/moonraker/report.h"
#include "printers/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static enum printer_probe_end judge_server(const struct rest *r, const struct rest_answer *a,
                                           char text[240], char advice[320])
{
	const json_t *result = json_object_get(a->json, "result");
	struct err err = { 0 };

	if (moon_is_moonraker(r, a, &err)) {
		(void)snprintf(text, 240, "It is Moonraker %.40s, and it lets us in.",
		               reply_text(result, "moonraker_version"));
		return PRINTER_PROBE_FINE;
	}
	(void)snprintf(text, 240, "%.230s", err.text);
	if (a->status == 401 || a->status == 403)
		(void)snprintf(advice, 320, "%s", printer_driver_moonraker.key_advice);
	else
		reply_advise(err.code,
		             "Write the address of Moonraker, as in http://mainsailos.local:7125.",
		             advice);
	return PRINTER_PROBE_STOP;
}

static enum printer_probe_end judge_klipper(const struct rest *r, const struct rest_answer *a,
                                            char text[240], char advice[320])
{
	const json_t *result = json_object_get(a->json, "result");
	const char *condition = reply_text(result, "state");

	(void)r;
	if (text_equal(condition, "ready")) {
		(void)snprintf(text, 240, "Klipper %.40s is ready.",
		               reply_text(result, "software_version"));
		return PRINTER_PROBE_FINE;
	}
	(void)snprintf(text, 240, "Klipper is not ready (%.20s): %.160s",
	               *condition ? condition : "not connected",
	               reply_text(result, "state_message"));
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
