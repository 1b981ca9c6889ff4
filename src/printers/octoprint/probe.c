/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the doctor asks an OctoPrint, and what the answers mean. */

#include "printers/octoprint/probe.h"

#include "base/err.h"
#include "base/text.h"
#include "printers/octoprint/report.h"
#include "printers/reply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static enum printer_probe_end judge_version(const struct rest *r, const struct rest_answer *a,
                                            char text[240], char advice[320])
{
	const char *name = reply_text(a->json, "text");
	struct err err = { 0 };

	if (rest_is_fine(r, a, "OctoPrint", &err) && text_starts(name, "OctoPrint")) {
		(void)snprintf(text, 240, "It is %.60s, and the API key is right.", name);
		return PRINTER_PROBE_FINE;
	}
	(void)snprintf(text, 240, "%.230s",
	               err.code ? err.text : "It answers, but it is no OctoPrint.");
	if (a->status == 401 || a->status == 403)
		(void)snprintf(advice, 320,
		               "Run 'bedside pair' with its address, or make a key in OctoPrint's "
		               "settings under Application Keys and write it into api_key.");
	else
		reply_advise(err.code,
		             "Write the address of OctoPrint's own page, as your browser shows it; "
		             "with its port and path, if it has them.",
		             advice);
	return PRINTER_PROBE_STOP;
}

static enum printer_probe_end judge_user(const struct rest *r, const struct rest_answer *a,
                                         char text[240], char advice[320])
{
	static const char *const wanted[] = { "STATUS", "PRINT", "CONTROL", "FILES_DOWNLOAD" };
	const json_t *list = json_object_get(a->json, "permissions"), *v;
	unsigned n_missing = 0;
	size_t k;

	(void)r;
	if (!json_is_array(list))
		return PRINTER_PROBE_SILENT; /* before 1.4 */
	(void)snprintf(text, 240, "The key is of the user '%.40s'", reply_text(a->json, "name"));
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		bool has = false;

		json_array_foreach(list, k, v)
		{
			const char *t = json_string_value(v);

			has |= text_equal(t, wanted[i]) || text_equal(t, "ADMIN");
		}
		if (!has) {
			size_t n = strlen(text);

			(void)snprintf(text + n, 240 - n, "%s %s",
			               n_missing++ ? "," : ", who has not the right", wanted[i]);
		}
	}
	if (n_missing == 0)
		return PRINTER_PROBE_FINE;
	(void)snprintf(advice, 320,
	               "Give the user these rights in OctoPrint's settings under Access Control: "
	               "without STATUS nothing is seen, without PRINT and CONTROL it cannot be "
	               "commanded, without FILES_DOWNLOAD layers are counted less exactly.");
	return PRINTER_PROBE_FAILED;
}

static enum printer_probe_end judge_printer(const struct rest *r, const struct rest_answer *a,
                                            char text[240], char advice[320])
{
	const json_t *state = json_object_get(a->json, "state");
	struct err err = { 0 };

	if (a->status == 409 ||
	    json_is_true(json_object_get(json_object_get(state, "flags"), "closedOrError"))) {
		(void)snprintf(text, 240, "OctoPrint has no connection to its printer.");
		(void)snprintf(advice, 320,
		               "Is the printer switched on and its cable in? Then press Connect in "
		               "OctoPrint.");
		return PRINTER_PROBE_FAILED;
	}
	if (!rest_is_fine(r, a, "OctoPrint", &err)) {
		(void)snprintf(text, 240, "%.230s", err.text);
		return PRINTER_PROBE_FAILED;
	}
	(void)snprintf(text, 240, "OctoPrint says of its printer: %.100s.",
	               reply_text(state, "text"));
	return PRINTER_PROBE_FINE;
}

static enum printer_probe_end judge_webcam(const struct rest *r, const struct rest_answer *a,
                                           char text[240], char advice[320])
{
	struct webcam w;

	(void)r;
	(void)advice;
	if (a->status != 200 || !a->json)
		return PRINTER_PROBE_SILENT;
	octo_read_webcam(a->json, &w);
	if (!w.is_on || (!w.stream[0] && !w.snapshot[0]))
		(void)snprintf(text, 240,
		               "OctoPrint has no webcam set up; another camera can be added here.");
	else
		(void)snprintf(text, 240, "OctoPrint's webcam: %.190s",
		               w.stream[0] ? w.stream : w.snapshot);
	return PRINTER_PROBE_FINE;
}

const struct printer_probe octo_probes[OCTO_N_PROBES] = {
	{ "login", "/api/version", NULL, judge_version },
	{ "rights", "/api/currentuser", NULL, judge_user },
	{ "printer", "/api/printer?exclude=temperature,sd", NULL, judge_printer },
	{ "camera", "/api/settings", NULL, judge_webcam },
};
