/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/fs.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LOCK_PAUSE_MS 20
#define LOCK_TRIES 150

int fs_write_all(int fd, const void *bytes, size_t size)
{
	const char *p = bytes;

	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static void folder_of(char *dst, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		text_copy(dst, size, ".");
	else
		text_copy_n(dst, size, path, slash == path ? 1 : (size_t)(slash - path));
}

static int write_tmp(const char *tmp, const void *bytes, size_t size, unsigned mode,
                     struct err *err)
{
	/* One that a crash left may have another mode, and keep it. */
	if (unlink(tmp) < 0 && errno != ENOENT)
		return err_sys(err, "removing the old %s", tmp);

	auto_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

	if (fd < 0)
		return err_sys(err, "creating %s", tmp);

	int rc = fs_write_all(fd, bytes, size);

	if (rc == 0 && fdatasync(fd) < 0)
		rc = -errno;
	if (rc < 0) {
		errno = -rc;
		return err_sys(err, "writing %s", tmp);
	}
	return 0;
}

int fs_write_atomic(const char *path, const void *bytes, size_t size, unsigned mode,
                    struct err *err)
{
	char tmp[4096], dir[4096];

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", path);

	int rc = write_tmp(tmp, bytes, size, mode, err);

	if (rc == 0 && rename(tmp, path) < 0)
		rc = err_sys(err, "renaming %s to %s", tmp, path);
	if (rc < 0) {
		(void)unlink(tmp);
		return rc;
	}
	folder_of(dir, sizeof(dir), path);
	return fs_sync_dir(dir, err);
}

int fs_sync_dir(const char *dir, struct err *err)
{
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "opening the folder %s", dir);
	if (fsync(fd) < 0)
		return err_sys(err, "syncing the folder %s", dir);
	return 0;
}

int fs_read_at(int dir_fd, const char *name, size_t max, struct buf *ret, struct err *err)
{
	buf_init(ret, max);

	auto_fd int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "opening %s", name);
	for (;;) {
		char chunk[8192];
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int rc = err_sys(err, "reading %s", name);

			buf_fini(ret);
			return rc;
		}
		if (n == 0)
			return 0;
		char *at = buf_reserve(ret, (size_t)n);

		if (!at) {
			buf_fini(ret);
			return err_set(err, -EFBIG, "%s is larger than %zu bytes", name, max);
		}
		memcpy(at, chunk, (size_t)n);
		buf_grew(ret, (size_t)n);
	}
}

int fs_read(const char *path, size_t max, struct buf *ret, struct err *err)
{
	return fs_read_at(AT_FDCWD, path, max, ret, err);
}

int fs_make_dirs(const char *path, struct err *err)
{
	char part[4096];

	if (!TEXT_SET(part, path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", path);
	for (char *p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return err_sys(err, "making the folder %s", part);
		*p = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "making the folder %s", part);

	struct stat st;

	if (stat(part, &st) < 0)
		return err_sys(err, "looking at %s", part);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "%s is not a folder", part);
	return 0;
}

static int remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED,
                        struct FTW *ftw UNUSED)
{
	return remove(path);
}

int fs_remove(const char *path, struct err *err)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's nftw() is safe without FTW_CHDIR */
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
		return err_sys(err, "removing %s", path);
	return 0;
}

bool fs_join_confined(char *dst, size_t size, const char *root, const char *name)
{
	if (name[0] == '/' || name[0] == '\0')
		return false;
	for (const char *p = name; p; p = strchr(p, '/')) {
		if (*p == '/')
			p++;
		if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
			return false;
	}
	return snprintf(dst, size, "%s/%s", root, name) < (int)size;
}

int fs_space(const char *path, uint64_t *ret_free, uint64_t *ret_total, struct err *err)
{
	struct statvfs st;

	if (statvfs(path, &st) < 0)
		return err_sys(err, "asking for the free space of %s", path);
	*ret_free = (uint64_t)st.f_bavail * st.f_frsize;
	*ret_total = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}

/* Tries once; then who[] says who holds it. */
static bool try_lock(int fd, char *who, size_t size)
{
	ssize_t n;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	n = pread(fd, who, size - 1, 0);
	who[n > 0 ? n : 0] = '\0';
	who[strcspn(who, "\n")] = '\0';
	return false;
}

static bool is_dead(const char *who)
{
	uint64_t pid;

	return text_to_u64(who, 10, &pid) && pid > 0 && pid <= INT32_MAX &&
	       kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

int fs_lock(const char *path, int *ret_fd, struct err *err)
{
	auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	char who[32] = "";
	bool is_locked;

	if (fd < 0)
		return err_sys(err, "opening the lock file %s", path);
	is_locked = try_lock(fd, who, sizeof(who));
	/* Killed while it started a program, its heir holds the descriptor until that runs. */
	for (int i = 0; !is_locked && is_dead(who) && i < LOCK_TRIES; i++) {
		(void)nanosleep(&pause, NULL);
		is_locked = try_lock(fd, who, sizeof(who));
	}
	if (!is_locked)
		return err_set(err, -EBUSY, "process %s holds %s", who[0] ? who : "(unknown)",
		               path);
	snprintf(who, sizeof(who), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, who, strlen(who), 0) < 0)
		return err_sys(err, "writing %s", path);
	*ret_fd = STEAL_FD(fd);
	return 0;
}
