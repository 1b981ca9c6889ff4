/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/backup_stream.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "store/backup.h"
#include "store/backup_private.h"
#include "store/store.h"
#include "store/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct item {
	char *name;
	uint64_t max;
};

struct backup_stream {
	char *data_dir, *config_path;
	bool has_frames, has_films, is_listed;
	struct item *items;
	size_t n, next;
	int db_fd;        /* of a file without a name */
	int fd;           /* of the file being read, -1 between files */
	const char *name; /* its */
	uint64_t size, left;
	uint32_t crc32c;
	bool is_short;
	struct buf ready; /* headers, padding, the list */
	size_t n_ready;   /* of it given out */
	json_t *list;
	uint64_t n_given;
};

static int found(void *arg, const char *path, const char *name, uint64_t max, struct err *err)
{
	struct backup_stream *s = arg;

	(void)path;
	(void)err;
	s->items = mem_grow(s->items, s->n + 1, sizeof(*s->items));
	s->items[s->n++] = (struct item){ mem_str(name), max };
	return 0;
}

/* A copy whose name is gone as soon as it is open: a crash leaves nothing for long. */
static int copy_db(struct backup_stream *s, struct err *err)
{
	auto_free char *path = mem_printf("%s/download-backup.part", s->data_dir);
	int rc = fs_remove(path, err);

	if (rc == 0)
		rc = store_copy(s->data_dir, path, err);
	if (rc == 0) {
		s->db_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (s->db_fd < 0)
			rc = err_sys(err, "opening %s", path);
	}
	(void)unlink(path);
	return rc;
}

int backup_stream_open(const char *data_dir, const struct backup_options *o,
                       struct backup_stream **ret, struct err *err)
{
	struct backup_stream *s = MEM_NEW(struct backup_stream);

	*s = (struct backup_stream){
		.db_fd = -1, .fd = -1, .has_frames = o->has_frames, .has_films = o->has_films
	};
	s->data_dir = mem_str(data_dir);
	s->config_path = mem_str(o->config_path ? o->config_path : "");
	s->list = json_array();
	buf_init(&s->ready, 0);

	const struct backup_walk walk = { data_dir, o->has_frames, o->has_films, found, s };
	int rc = copy_db(s, err);

	(void)found(s, "", STORE_FILE, UINT64_MAX, err);
	if (s->config_path[0])
		(void)found(s, "", "bedside.yaml", UINT64_MAX, err);
	if (rc == 0)
		rc = backup_walk(&walk, err);
	if (rc < 0) {
		backup_stream_close(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void backup_stream_close(struct backup_stream *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->items[i].name);
	free(s->items);
	if (s->db_fd >= 0)
		(void)close(s->db_fd);
	if (s->fd >= 0)
		(void)close(s->fd);
	buf_fini(&s->ready);
	json_decref(s->list);
	free(s->data_dir);
	free(s->config_path);
	free(s);
}

uint64_t backup_stream_bytes(const struct backup_stream *s)
{
	return s->n_given;
}

static void add_zeros(struct backup_stream *s, size_t n)
{
	static const char zeros[TAR_END_SIZE];

	buf_add(&s->ready, zeros, n);
}

static int open_item(struct backup_stream *s, const struct item *it)
{
	char path[BACKUP_PATH_SIZE];

	if (strcmp(it->name, STORE_FILE) == 0) {
		int fd = s->db_fd;

		s->db_fd = -1;
		return fd;
	}
	if (strcmp(it->name, "bedside.yaml") == 0)
		return open(s->config_path, O_RDONLY | O_CLOEXEC);
	if (snprintf(path, sizeof(path), "%s/%s", s->data_dir, it->name) >= (int)sizeof(path))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* The next file that can still be read: others were deleted meanwhile. */
static int begin_file(struct backup_stream *s, struct err *err)
{
	const struct item *it = &s->items[s->next++];
	uint8_t block[TAR_BLOCK];
	struct stat st;

	auto_fd int fd = open_item(s, it);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "opening %s", it->name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	s->name = it->name;
	s->size = s->left = MIN(it->max, (uint64_t)st.st_size);
	s->crc32c = 0;
	s->is_short = false;
	if (!tar_header(block, it->name, s->size, st.st_mtime))
		return err_set(err, -ENAMETOOLONG, "the name of %s is too long for an archive",
		               it->name);
	buf_add(&s->ready, block, sizeof(block));
	s->fd = STEAL_FD(fd);
	return 0;
}

static int end_file(struct backup_stream *s, struct err *err)
{
	(void)close(s->fd);
	s->fd = -1;
	add_zeros(s, tar_padding(s->size));
	if (!s->is_short && !backup_list_add(s->list, s->name, s->size, s->crc32c))
		return err_set(err, -EINVAL, "%s has a name that is no text", s->name);
	return 0;
}

static int end_archive(struct backup_stream *s, struct err *err)
{
	auto_free char *text = backup_list_text(s->list, s->has_frames, s->has_films);
	uint8_t block[TAR_BLOCK];
	size_t n = strlen(text);

	s->is_listed = true;
	if (n > BACKUP_MAX_LIST)
		return err_set(err, -EFBIG, "there are too many files for one archive");
	if (!tar_header(block, BACKUP_LIST, n, (int64_t)time(NULL)))
		return -EINVAL;
	buf_add(&s->ready, block, sizeof(block));
	buf_add(&s->ready, text, n);
	add_zeros(s, tar_padding(n));
	add_zeros(s, TAR_END_SIZE);
	return 0;
}

/* Of the file being read. */
static ssize_t read_file(struct backup_stream *s, char *dst, size_t size, struct err *err)
{
	size_t want = (size_t)MIN(s->left, (uint64_t)size);
	ssize_t n = s->is_short ? 0 : read(s->fd, dst, want);

	if (n < 0)
		return errno == EINTR ? 0 : err_sys(err, "reading %s", s->name);
	if (n == 0) {
		s->is_short = true;
		memset(dst, 0, want);
		n = (ssize_t)want;
	}
	s->crc32c = crypto_crc32c(s->crc32c, dst, (size_t)n);
	s->left -= (uint64_t)n;
	return n;
}

static size_t take_ready(struct backup_stream *s, char *dst, size_t size)
{
	size_t n = MIN(s->ready.size - s->n_ready, size);

	memcpy(dst, buf_peek(&s->ready) + s->n_ready, n);
	s->n_ready += n;
	if (s->n_ready == s->ready.size) {
		buf_clear(&s->ready);
		s->n_ready = 0;
	}
	return n;
}

ssize_t backup_stream_read(struct backup_stream *s, void *dst, size_t size, struct err *err)
{
	size_t got = 0;
	ssize_t rc = 0;

	while (got < size && rc >= 0) {
		if (s->ready.size > 0) {
			got += take_ready(s, (char *)dst + got, size - got);
		} else if (s->fd >= 0 && s->left > 0) {
			rc = read_file(s, (char *)dst + got, size - got, err);
			got += rc > 0 ? (size_t)rc : 0;
		} else if (s->fd >= 0) {
			rc = end_file(s, err);
		} else if (s->next < s->n) {
			rc = begin_file(s, err);
		} else if (!s->is_listed) {
			rc = end_archive(s, err);
		} else {
			break;
		}
	}
	s->n_given += got;
	return rc < 0 ? rc : (ssize_t)got;
}
