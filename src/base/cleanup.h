/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cleanup: locals that release themselves when they go out of scope.
 *
 *	auto_free char *line = text_dup(raw);
 *	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
 *
 * Initialise at once. To hand the value to somebody else, return STEAL_PTR(line) or
 * STEAL_FD(fd): the local is left empty and nothing is released.
 */

#pragma once

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free(void *slot)
{
	free(*(void **)slot);
}

static inline void cleanup_fd(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define auto_free __attribute__((cleanup(cleanup_free)))
#define auto_fd __attribute__((cleanup(cleanup_fd)))

#define STEAL_FD(fd) steal_fd(&(fd))
#define STEAL_PTR(ptr)                          \
	({                                      \
		__typeof__(ptr) taken_ = (ptr); \
		(ptr) = NULL;                   \
		taken_;                         \
	})
