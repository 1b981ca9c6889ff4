/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The promise: whatever PrusaLink says, the state holds clean texts and possible numbers, and what is
 * fetched for it is a path of the same server. */

#include "printers/prusalink/command.h"
#include "printers/prusalink/report.h"

#include <assert.h>
#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void play(struct prusa_memory *m, const json_t *j, struct printer_state *s)
{
	const json_t *printer = json_object_get(j, "printer"), *job = json_object_get(j, "job");
	json_t *status = prusa_old_status(printer, job), *old = prusa_old_job(job);

	prusa_report_version(j, s);
	prusa_report_info(m, j, s);
	(void)prusa_report_status(m, j, s, 1, 1790000000000);
	prusa_report_job(m, j, s);
	(void)prusa_report_status(m, status, s, 2, 1790000000000);
	prusa_report_job(m, old, s);
	json_decref(status);
	json_decref(old);
}

/* Answers, one per line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prusa_memory m;
	static struct printer_state s; /* large */
	char path[320];

	printer_state_init(&s);
	prusa_memory_init(&m);
	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, '\n', size - at);
		size_t n = end ? (size_t)(end - data) - at : size - at;
		json_t *j = json_loadb((const char *)data + at, n, 0, NULL);

		play(&m, j, &s);
		json_decref(j);
		at += n + 1;
	}
	assert(s.n_nozzles <= PRINTER_MAX_NOZZLES);
	assert(s.job.percent >= -1 && s.job.percent <= 100);
	assert(s.job.file_size >= -1 && !isinf(s.job.z_mm) && !isinf(s.position.x_mm));
	assert(strnlen(s.job.name, sizeof(s.job.name)) < sizeof(s.job.name));
	assert(!m.download[0] || (m.download[0] == '/' && m.download[1] != '/'));
	if (prusa_file_path(s.job.file, m.storage, path, sizeof(path)))
		assert(!strstr(path, ".."));
	return 0;
}
