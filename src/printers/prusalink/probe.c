/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the doctor asks a PrusaLink, and what the answers mean. */

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "printers/prusalink/link.h"
#include "printers/prusalink/report.h"
#include "printers/reply.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static enum printer_probe_end judge_version(const struct rest *r, const struct rest_answer *a,
                                            char text[240], char advice[320])
{
	const char *name = reply_text(a->json, "text"), *firmware = reply_text(a->json, "firmware");
	struct err err = { 0 };

	if (rest_is_fine(r, a, "PrusaLink", &err) && reply_is(name, "PrusaLink", &err)) {
		(void)snprintf(text, 240, "It is %.60s%s%.40s, and the login is right.", name,
		               *firmware ? ", firmware " : "", firmware);
		return PRINTER_PROBE_FINE;
	}
	(void)snprintf(text, 240, "%.230s", err.text);
	if (a->status == 401 || a->status == 403)
		(void)snprintf(advice, 320, "%s", printer_driver_prusalink.key_advice);
	else
		reply_advise(err.code,
		             "Write the address that the printer's screen shows under Settings, "
		             "Network, as in http://192.168.1.20; PrusaLink must be switched on "
		             "there.",
		             advice);
	return PRINTER_PROBE_STOP;
}

static enum printer_probe_end judge_info(const struct rest *r, const struct rest_answer *a,
                                         char text[240], char advice[320])
{
	double nozzle = reply_number(a->json, "nozzle_diameter");

	(void)r;
	if (a->status == 404) {
		(void)snprintf(text, 240, "Its firmware is older than PrusaLink's API v1.");
		(void)snprintf(advice, 320,
		               "It works, but its prints cannot be told apart by number: update "
		               "the firmware when you can.");
		return PRINTER_PROBE_FAILED;
	}
	if (a->status != 200 || !a->json)
		return PRINTER_PROBE_SILENT;
	(void)snprintf(text, 240, "Serial %.40s, nozzle %.2f mm%s.", reply_text(a->json, "serial"),
	               isfinite(nozzle) ? nozzle : 0.0,
	               reply_flag(a->json, "mmu") ? ", with an MMU" : "");
	return PRINTER_PROBE_FINE;
}

static enum printer_probe_end judge_status(const struct rest *r, const struct rest_answer *a,
                                           char text[240], char advice[320])
{
	auto_free struct printer_state *s = MEM_NEW(struct printer_state); /* large */
	struct prusa_memory m;
	struct err err = { 0 };

	prusa_memory_init(&m);
	printer_state_init(s);
	if (!rest_is_fine(r, a, "PrusaLink", &err)) {
		(void)snprintf(text, 240, "%.230s", err.text);
		reply_advise(err.code, "Update its firmware, or restart it.", advice);
		return PRINTER_PROBE_FAILED;
	}
	if (!prusa_report_status(&m, a->json, s, 0, 0)) {
		(void)snprintf(text, 240, "It says nothing of the printer.");
		(void)snprintf(advice, 320, "Restart it, and ask again.");
		return PRINTER_PROBE_FAILED;
	}
	(void)snprintf(text, 240, "The printer is %s, nozzle %.0f °C, %s.",
	               printer_activity_name(s->activity),
	               isfinite(s->nozzles[0].heat.now_c) ? s->nozzles[0].heat.now_c : 0.0,
	               s->has_storage ? "its storage is in" : "no storage is in");
	if (!m.trouble[0])
		return PRINTER_PROBE_FINE;
	(void)snprintf(text, 240, "%.190s", m.trouble);
	(void)snprintf(advice, 320, "Look at the printer's screen.");
	return PRINTER_PROBE_FAILED;
}

static enum printer_probe_end judge_camera(const struct rest *r, const struct rest_answer *a,
                                           char text[240], char advice[320])
{
	size_t n = json_array_size(json_object_get(a->json, "camera_list"));

	(void)r;
	(void)advice;
	if (a->status == 200 && n > 0)
		(void)snprintf(text, 240,
		               "PrusaLink has %zu camera%s; its pictures are some seconds old.", n,
		               n > 1 ? "s" : "");
	else
		(void)snprintf(text, 240,
		               "PrusaLink has no camera; another one can be added here.");
	return PRINTER_PROBE_FINE;
}

const struct printer_probe prusa_probes[PRUSA_N_PROBES] = {
	{ "login", "/api/version", NULL, judge_version },
	{ "printer", "/api/v1/info", NULL, judge_info },
	{ "report", "/api/v1/status", NULL, judge_status },
	{ "camera", "/api/v1/cameras", NULL, judge_camera },
};
