/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wrong_clock: preloaded, makes a program's wall clock wrong by BEDSIDE_WRONG_S seconds. For tests. */

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long wrong_s(void)
{
	const char *text = getenv("BEDSIDE_WRONG_S"); /* NOLINT(concurrency-mt-unsafe) */

	return text ? strtol(text, NULL, 10) : 0;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ts->tv_sec += wrong_s();
	return rc;
}

__attribute__((visibility("default"))) time_t time(time_t *ret)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	if (ret)
		*ret = ts.tv_sec;
	return ts.tv_sec;
}
