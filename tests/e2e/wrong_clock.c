/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wrong_clock: preloaded, makes a program's wall clock wrong by the seconds that stand in the file
 * BEDSIDE_WRONG, eight bytes, which may change at any time. For tests. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shared;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("BEDSIDE_WRONG"); /* NOLINT(concurrency-mt-unsafe) */
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*shared), PROT_READ, MAP_SHARED, fd, 0);

	if (at != MAP_FAILED)
		shared = at;
	if (fd >= 0)
		(void)close(fd);
}

static time_t wrong_s(void)
{
	return shared ? (time_t)*shared : 0;
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
