/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The promise: whatever Moonraker says, the state holds clean texts and possible numbers, and what
 * is kept of it stays small. */

#include "printers/moonraker/report.h"

#include <assert.h>
#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play(struct moon_memory *m, const json_t *j, struct printer_state *s)
{
	struct webcam w;

	json_decref(moon_report_want(m, json_object_get(j, "objects")));
	moon_report_status(m, json_object_get(j, "status"), s, 1);
	moon_report_history(m, j);
	moon_report_metadata(m, j, s);
	moon_read_webcam(json_object_get(j, "webcams"), &w);
	if (json_string_value(json_object_get(j, "state")))
		(void)moon_report_klippy(m, json_string_value(json_object_get(j, "state")),
		                         json_string_value(json_object_get(j, "state")), s);
}

/* Messages, one per line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct moon_memory m = { 0 };
	static struct printer_state s; /* large */
	char text[200];

	printer_state_init(&s);
	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		size_t n = end ? (size_t)(end - data) - at : size - at;
		json_t *j = json_loadb((const char *)data + at, n, 0, NULL);

		play(&m, j, &s);
		if (json_is_string(j))
			moon_read_error(json_string_value(j), text, sizeof(text));
		json_decref(j);
		at += n + 1;
	}
	assert(s.n_nozzles <= PRINTER_MAX_NOZZLES);
	assert(s.job.percent >= -1 && s.job.percent <= 100);
	assert(s.job.file_pos >= -1 && s.job.file_size >= -1 && !isinf(s.job.z_mm));
	assert(strnlen(s.job.name, sizeof(s.job.name)) < sizeof(s.job.name));
	assert(json_object_size(m.status) <= 64);
	moon_memory_fini(&m);
	return 0;
}
