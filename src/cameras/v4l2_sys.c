/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/v4l2_sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int real_open(void *arg UNUSED, const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

static void real_close(void *arg UNUSED, int fd)
{
	(void)close(fd);
}

static int real_ioctl(void *arg UNUSED, int fd, unsigned long request, void *data)
{
	int rc;

	do
		rc = ioctl(fd, request, data);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : rc;
}

static void *real_map(void *arg UNUSED, int fd, size_t length, int64_t offset)
{
	/* Shared and writable, as some drivers refuse anything else; nobody writes. */
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	return at == MAP_FAILED ? NULL : at;
}

static void real_unmap(void *arg UNUSED, void *at, size_t length)
{
	(void)munmap(at, length);
}

/* Within about a second, of USB cameras. */
#define SETTLE_US 2000000

const struct v4l2_sys v4l2_sys_real = {
	.open = real_open,
	.close = real_close,
	.ioctl = real_ioctl,
	.map = real_map,
	.unmap = real_unmap,
	.sys = "/sys",
	.dev = "/dev",
	.proc = "/proc",
	.settle_us = SETTLE_US,
};
