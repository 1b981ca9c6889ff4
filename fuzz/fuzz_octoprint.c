/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The promise: whatever the push socket says, the state holds clean texts and possible numbers. */

#include "base/text.h"
#include "printers/octoprint/report.h"

#include <assert.h>
#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Messages, one per line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct octo_memory m = { 0 };
	static struct printer_state s; /* large */
	struct webcam w;

	printer_state_init(&s);
	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		size_t n = end ? (size_t)(end - data) - at : size - at;
		json_t *j = json_loadb((const char *)data + at, n, 0, NULL);

		(void)octo_report_push(&m, j, &s, 1);
		octo_report_polled(&m, j, j, &s);
		octo_report_profile(&m, j, &s);
		octo_read_webcam(j, &w);
		json_decref(j);
		at += n + 1;
	}
	assert(s.n_nozzles <= PRINTER_MAX_NOZZLES);
	assert(s.job.percent >= -1 && s.job.percent <= 100);
	assert(s.job.file_pos >= -1 && s.job.file_size >= -1 && !isinf(s.job.z_mm));
	assert(strnlen(s.job.name, sizeof(s.job.name)) < sizeof(s.job.name));
	return 0;
}
