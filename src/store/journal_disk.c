/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/journal_disk.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/log.h"
#include "media/frame.h"
#include "store/journal_files.h"
#include "store/journal_line.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MANIFEST (256U << 20)
#define MAX_CHECKED 64 /* newest pictures that are read again after a crash */

/* ---- opening ---- */

struct line {
	struct journal_entry entry;
	size_t at;
};

struct recovery {
	struct journal_files files;
	struct line newest[MAX_CHECKED]; /* a ring */
	size_t n;
};

static void note_entry(void *arg, const struct journal_entry *e, size_t at)
{
	struct recovery *r = arg;

	journal_files_add(&r->files, e->file);
	r->newest[r->n++ % MAX_CHECKED] = (struct line){ *e, at };
}

/* Where the manifest must end so that its newest lines speak of whole pictures. By the order of
 * writing that is its end, unless a disk says "synced" and lies. */
static size_t trusted_size(const struct journal_disk *d, const struct recovery *r, size_t good_size)
{
	size_t first = r->n > MAX_CHECKED ? r->n - MAX_CHECKED : 0;

	for (size_t i = r->n; i > first; i--) {
		const struct line *l = &r->newest[(i - 1) % MAX_CHECKED];
		auto_free uint8_t *bytes = NULL;

		int rc = journal_read_picture(d->dir, &l->entry, &bytes, NULL);

		/* What cannot be read just now may be whole: only what certainly is not goes. */
		if (rc != -ENOENT && rc != -EBADMSG)
			break;
		good_size = l->at;
	}
	return good_size;
}

/* Where lines are damaged, `arg` is the last number that one of them may have spoken of: such a
 * picture was flushed, and stays. */
static void remove_stranger(void *arg, const char *path)
{
	const uint32_t *kept = arg;
	const char *name = strrchr(path, '/') + 1;
	char digits[12];
	uint64_t number;

	text_copy_n(digits, sizeof(digits), name, strspn(name, "0123456789"));
	if (!text_ends(name, ".new") && text_to_u64(digits, 10, &number) && number <= *kept) {
		log_warn(NULL, "%s is kept; its line in the manifest is damaged", path);
		return;
	}
	log_debug(NULL, "removing %s: no line speaks of it", path);
	(void)unlink(path);
}

static int cut(struct journal_disk *d, struct err *err)
{
	if (ftruncate(d->manifest_fd, d->good_size) < 0 || fdatasync(d->manifest_fd) < 0)
		return err_sys(err, "cutting the manifest of %s", d->dir);
	d->must_cut = false;
	return 0;
}

static int recover(struct journal_disk *d, const struct buf *manifest, struct err *err)
{
	struct recovery *r = MEM_NEW(struct recovery);
	struct journal_scan scan;
	int rc = 0;

	journal_scan_manifest(buf_peek(manifest), manifest->size, &scan, note_entry, r);
	if (scan.is_deleted)
		rc = err_set(err, -ESTALE, "the pictures of this session were deleted");

	size_t size = trusted_size(d, r, scan.good_size);

	if (size < scan.good_size) {
		journal_files_fini(&r->files);
		r->n = 0;
		journal_scan_manifest(buf_peek(manifest), size, &scan, note_entry, r);
	}
	d->good_size = (int64_t)size;
	d->n_frames = scan.n_frames;
	d->last_number = scan.last_number;
	d->bytes = scan.bytes;

	uint32_t kept = scan.n_damaged > 0 ? scan.last_number : 0;

	if (rc == 0 && size < manifest->size)
		rc = cut(d, err);
	if (rc == 0)
		journal_files_strangers(&r->files, d->dir, remove_stranger, &kept);
	if (scan.n_damaged > 0)
		log_warn(NULL, "%u lines of %s/" JOURNAL_MANIFEST " are damaged and left out",
		         scan.n_damaged, d->dir);
	journal_files_fini(&r->files);
	free(r);
	return rc;
}

static int open_manifest(struct journal_disk *d, struct err *err)
{
	auto_buf struct buf manifest = { 0 };
	int rc;

	d->manifest_fd = openat(d->dir_fd, JOURNAL_MANIFEST, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (d->manifest_fd < 0)
		return err_sys(err, "opening the manifest in %s", d->dir);
	rc = fs_read_at(d->dir_fd, JOURNAL_MANIFEST, MAX_MANIFEST, &manifest, err);
	if (rc == 0)
		rc = recover(d, &manifest, err);
	if (rc == 0)
		rc = fs_sync_dir(d->dir, err);
	return rc;
}

void journal_disk_init(struct journal_disk *d, const char *sessions_dir, const struct session *s)
{
	*d = (struct journal_disk){ .dir_fd = -1, .manifest_fd = -1 };
	assert(id_is_valid(s->id));
	if (!TEXT_SET(d->sessions_dir, sessions_dir) ||
	    snprintf(d->dir, sizeof(d->dir), "%s/%s", sessions_dir, s->id) >= (int)sizeof(d->dir))
		d->dir[0] = '\0';
}

int journal_disk_open(struct journal_disk *d, struct err *err)
{
	int rc;

	if (d->manifest_fd >= 0)
		return 0;
	if (d->dir[0] == '\0')
		return err_set(err, -ENAMETOOLONG, "the data folder's path is too long");
	rc = fs_make_dirs(d->dir, err);
	if (rc == 0)
		rc = fs_sync_dir(d->sessions_dir, err);
	if (rc < 0)
		return rc;
	d->dir_fd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dir_fd < 0)
		return err_sys(err, "opening the folder %s", d->dir);
	rc = open_manifest(d, err);
	if (rc < 0)
		journal_disk_close(d);
	return rc;
}

void journal_disk_close(struct journal_disk *d)
{
	cleanup_fd(&d->manifest_fd);
	cleanup_fd(&d->dir_fd);
	d->manifest_fd = d->dir_fd = -1;
}

/* ---- writing ---- */

static int refuse(struct journal_item *it, int code)
{
	if (code == -ENOSPC || code == -EDQUOT || code == -EFBIG)
		return it->rc = err_set(&it->err, code,
		                        "the disk is full: a picture was not kept. Recording goes "
		                        "on as soon as there is space");
	errno = -code;
	return it->rc = err_sys(&it->err, "a picture was not kept: writing it failed");
}

static void refuse_from(struct journal_item *items, size_t from, size_t n, int code)
{
	for (size_t i = from; i < n; i++)
		if (items[i].rc == 0)
			refuse(&items[i], code);
}

static int make_camera_dir(struct journal_disk *d, const char *camera)
{
	for (unsigned i = 0; i < d->n_cameras; i++)
		if (strcmp(d->cameras[i], camera) == 0)
			return 0;
	if (mkdirat(d->dir_fd, camera, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (fsync(d->dir_fd) < 0)
		return -errno;
	if (d->n_cameras < ARRAY_LEN(d->cameras)) {
		TEXT_SET(d->cameras[d->n_cameras], camera);
		d->n_cameras++;
	}
	return 0;
}

static int write_all(int fd, const void *bytes, size_t size, off_t at)
{
	const char *p = bytes;

	while (size > 0) {
		ssize_t n = pwrite(fd, p, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Under a temporary name; the kernel starts to write, nobody waits yet. */
static int write_picture(struct journal_disk *d, struct journal_item *it, uint32_t number)
{
	const struct frame *f = it->frame;
	int rc = make_camera_dir(d, it->entry.camera);

	if (rc < 0)
		return rc;
	snprintf(it->tmp, sizeof(it->tmp), "%s/%06u.jpg.new", it->entry.camera, number);
	it->fd = openat(d->dir_fd, it->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	                0600);
	if (it->fd < 0)
		return -errno;
	rc = write_all(it->fd, f->data, f->size, 0);
	if (rc == 0)
		(void)sync_file_range(it->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	it->entry.size = f->size;
	it->entry.crc32c = crypto_crc32c(0, f->data, f->size);
	return rc;
}

/* After the first failure the rest is not tried: a full disk would keep small ones by chance. */
static void write_pictures(struct journal_disk *d, struct journal_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!items[i].frame)
			continue;

		int rc = write_picture(d, &items[i], d->last_number + 1 + (uint32_t)i);

		if (rc < 0) {
			refuse_from(items, i, n, rc);
			return;
		}
	}
}

static void sync_pictures(struct journal_disk *d, struct journal_item *items, size_t n)
{
	uint32_t number = d->last_number;

	for (size_t i = 0; i < n; i++) {
		struct journal_item *it = &items[i];
		int rc = it->rc;

		if (it->fd < 0)
			continue;
		if (rc == 0 && fdatasync(it->fd) < 0)
			rc = -errno;
		cleanup_fd(&it->fd);
		it->fd = -1;
		if (rc == 0) {
			it->entry.number = number + 1;
			snprintf(it->entry.file, sizeof(it->entry.file), "%s/%06u.jpg",
			         it->entry.camera, it->entry.number);
			if (renameat(d->dir_fd, it->tmp, d->dir_fd, it->entry.file) < 0)
				rc = -errno;
		}
		if (rc == 0) {
			number++;
			continue;
		}
		(void)unlinkat(d->dir_fd, it->tmp, 0);
		if (it->rc == 0)
			refuse(it, rc);
	}
}

static int sync_folders(struct journal_disk *d, const struct journal_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool is_synced = false;

		if (!items[i].frame || items[i].rc < 0)
			continue;
		for (size_t k = 0; k < i; k++)
			is_synced |= items[k].frame && items[k].rc == 0 &&
			             strcmp(items[k].entry.camera, items[i].entry.camera) == 0;
		if (is_synced)
			continue;

		auto_fd int fd = openat(d->dir_fd, items[i].entry.camera,
		                        O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0 || fsync(fd) < 0)
			return -errno;
	}
	return 0;
}

static int append_lines(struct journal_disk *d, const struct journal_item *items, size_t n)
{
	auto_buf struct buf lines = { 0 };
	int rc;

	for (size_t i = 0; i < n; i++) {
		if (items[i].rc < 0)
			continue;
		if (items[i].frame)
			journal_format_entry(&lines, &items[i].entry);
		else
			journal_format_event(&lines, items[i].kind, items[i].text,
			                     items[i].entry.at_wall_ms);
	}
	if (lines.size == 0)
		return 0;
	d->must_cut = true;
	rc = write_all(d->manifest_fd, lines.data, lines.size, d->good_size);
	if (rc == 0 && fdatasync(d->manifest_fd) < 0)
		rc = -errno;
	if (rc < 0)
		return rc;
	d->must_cut = false;
	d->good_size += (int64_t)lines.size;
	return 0;
}

static void count_stored(struct journal_disk *d, const struct journal_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!items[i].frame || items[i].rc < 0)
			continue;
		d->n_frames++;
		d->last_number = items[i].entry.number;
		d->bytes += items[i].entry.size;
	}
}

/* Somebody has removed the folder, or a camera's: it is made again with the next flush. */
static void begin_again_if_gone(struct journal_disk *d, const struct journal_item *items, size_t n)
{
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		if (items[i].rc != -ENOENT)
			continue;
		d->n_cameras = 0;
		if (fstat(d->dir_fd, &st) == 0 && st.st_nlink == 0)
			journal_disk_close(d);
		return;
	}
}

void journal_disk_flush(struct journal_disk *d, struct journal_item *items, size_t n)
{
	int rc;

	assert(n <= JOURNAL_MAX_BATCH);
	for (size_t i = 0; i < n; i++)
		items[i].fd = -1;
	rc = journal_disk_open(d, NULL);
	if (rc == 0 && d->must_cut)
		rc = cut(d, NULL);
	if (rc < 0) {
		refuse_from(items, 0, n, rc);
		return;
	}
	write_pictures(d, items, n);
	sync_pictures(d, items, n);
	begin_again_if_gone(d, items, n);
	if (d->manifest_fd < 0) {
		refuse_from(items, 0, n, -ENOENT);
		return;
	}
	rc = sync_folders(d, items, n);
	if (rc == 0)
		rc = append_lines(d, items, n);
	if (rc == 0) {
		count_stored(d, items, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (items[i].frame && items[i].rc == 0)
			(void)unlinkat(d->dir_fd, items[i].entry.file, 0);
	refuse_from(items, 0, n, rc);
	if (d->must_cut)
		(void)cut(d, NULL);
}
