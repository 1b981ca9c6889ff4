/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull_private.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_INDEX ((size_t)256 << 20)
#define MIN_OLD 1000 /* so many lines that are told again by later ones are worth a new file */

struct pull_index {
	struct pull_entry *entries; /* uthash */
	int fd;                     /* at its end */
	char path[PULL_PATH_SIZE + 16];
};

static void entry_free(struct pull_entry *e)
{
	free(e->path);
	free(e->local);
	free(e);
}

/* NOLINTNEXTLINE(readability-function-size): the table macros' branches count */
static void put_in_memory(struct pull_index *ix, const struct pull_entry *e)
{
	struct pull_entry *old = pull_index_find(ix, e->path), *new = MEM_NEW(struct pull_entry);

	*new = *e;
	new->path = mem_str(e->path);
	new->local = mem_str(e->local ? e->local : "");
	if (old) {
		HASH_DEL(ix->entries, old);
		entry_free(old);
	}
	HASH_ADD_KEYPTR(hh, ix->entries, new->path, strlen(new->path), new);
}

static char *entry_line(const struct pull_entry *e)
{
	json_t *o = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:b, s:b}", "path", e->path, "size",
	                      (json_int_t)e->size, "modified_s", (json_int_t)e->modified_s, "date",
	                      e->date, "sha256", e->sha256, "local", e->local ? e->local : "",
	                      "is_compared", e->is_compared, "is_deleted", e->is_deleted);
	char *line = json_dumps(o, JSON_COMPACT);

	json_decref(o);
	return line;
}

/* Lines that are none are left out: the last one may have been cut off. */
static void read_line(struct pull_index *ix, const char *line, size_t size)
{
	json_t *o = json_loadb(line, size, 0, NULL);
	struct pull_entry e = { .modified_s = -1 };
	const char *path = json_string_value(json_object_get(o, "path"));
	const char *local = json_string_value(json_object_get(o, "local"));
	json_int_t bytes = json_integer_value(json_object_get(o, "size"));

	if (path && path[0] && local && bytes >= 0 &&
	    (!local[0] || pull_path_judge(local) == PULL_PATH_FINE)) {
		e.path = mem_str(path);
		e.local = mem_str(local);
		e.size = (uint64_t)bytes;
		e.modified_s = json_integer_value(json_object_get(o, "modified_s"));
		TEXT_SET(e.date, json_string_value(json_object_get(o, "date")));
		TEXT_SET(e.sha256, json_string_value(json_object_get(o, "sha256")));
		e.is_compared = json_is_true(json_object_get(o, "is_compared"));
		e.is_deleted = json_is_true(json_object_get(o, "is_deleted"));
		put_in_memory(ix, &e);
		free(e.path);
		free(e.local);
	}
	json_decref(o);
}

static size_t read_lines(struct pull_index *ix, const struct buf *b)
{
	const char *p = b->data, *end = p ? p + b->size : p;
	size_t n = 0;

	while (p && p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl)
			break;
		read_line(ix, p, (size_t)(nl - p));
		n++;
		p = nl + 1;
	}
	return n;
}

static int write_anew(struct pull_index *ix, struct err *err)
{
	struct pull_entry *e, *next;
	struct buf b;
	int rc;

	buf_init(&b, 0);
	HASH_ITER(hh, ix->entries, e, next)
	{
		char *line = entry_line(e);

		buf_printf(&b, "%s\n", line ? line : "");
		free(line);
	}
	rc = fs_write_atomic(ix->path, buf_peek(&b), b.size, 0600, err);
	buf_fini(&b);
	return rc;
}

int pull_index_open(const char *state_dir, struct pull_index **ret, struct err *err)
{
	struct pull_index *ix = MEM_NEW(struct pull_index);
	auto_buf struct buf b = { 0 };
	size_t n = 0;
	int rc;

	ix->fd = -1;
	(void)snprintf(ix->path, sizeof(ix->path), "%s/index", state_dir);
	rc = fs_read(ix->path, MAX_INDEX, &b, err);
	if (rc == -ENOENT)
		rc = 0;
	else if (rc == 0)
		n = read_lines(ix, &b);
	/* Also when its last line is cut off: the next one would be glued to it. */
	if (rc == 0 && b.size > 0 &&
	    (b.data[b.size - 1] != '\n' || n > 2 * HASH_COUNT(ix->entries) + MIN_OLD))
		rc = write_anew(ix, err);
	if (rc == 0) {
		ix->fd = open(ix->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		              0600);
		if (ix->fd < 0)
			rc = err_sys(err, "opening %s", ix->path);
	}
	if (rc < 0) {
		pull_index_close(ix);
		return rc;
	}
	*ret = ix;
	return 0;
}

/* NOLINTNEXTLINE(readability-function-size): the table macros' branches count */
void pull_index_close(struct pull_index *ix)
{
	struct pull_entry *e, *next;

	if (!ix)
		return;
	/* The table goes, the chain through its entries stays. */
	e = ix->entries;
	HASH_CLEAR(hh, ix->entries);
	for (; e; e = next) {
		next = e->hh.next;
		entry_free(e);
	}
	if (ix->fd >= 0)
		(void)close(ix->fd);
	free(ix);
}

/* NOLINTNEXTLINE(readability-function-size): the table macros' branches count */
struct pull_entry *pull_index_find(const struct pull_index *ix, const char *path)
{
	struct pull_entry *e = NULL;

	HASH_FIND_STR(ix->entries, path, e);
	return e;
}

int pull_index_put(struct pull_index *ix, const struct pull_entry *e, struct err *err)
{
	char *line = entry_line(e);
	auto_buf struct buf b = { 0 };
	off_t at;
	int rc = 0;

	if (!line)
		return err_set(err, -EINVAL, "%s cannot be written into the index", e->path);
	buf_printf(&b, "%s\n", line);
	free(line);
	at = lseek(ix->fd, 0, SEEK_END);
	errno = ENOSPC; /* of a line that went in half */
	if (write(ix->fd, b.data, b.size) != (ssize_t)b.size || fdatasync(ix->fd) < 0)
		rc = err_sys(err, "writing %s", ix->path);
	if (rc == 0)
		put_in_memory(ix, e);
	else if (at >= 0) /* half a line would spoil the next one, too */
		(void)!ftruncate(ix->fd, at);
	return rc;
}
