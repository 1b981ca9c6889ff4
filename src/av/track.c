/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/track.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "model/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_INDEX (64U << 20)
#define MAX_LINE (1U << 20)
#define MAX_SAMPLES 10000000
#define MAX_AVCC 4096
#define MAX_HEAD_LINE ((size_t)4 * MAX_AVCC)
#define MAX_LOCKS 5
#define MDAT_HEAD 16 /* with a length of 64 bits */
#define PAGE 4096

void track_table_fini(struct track_table *t)
{
	buf_fini(&t->avcc);
	free(t->pieces);
	free(t->samples);
	*t = (struct track_table){ 0 };
}

static void table_add_sample(struct track_table *t, uint32_t size, int32_t ahead)
{
	if (t->n_samples == t->cap_samples) {
		t->cap_samples = t->cap_samples ? 2 * t->cap_samples : 256;
		t->samples = mem_grow(t->samples, t->cap_samples, sizeof(*t->samples));
	}
	t->samples[t->n_samples++] = (struct mp4_sample){ size, ahead };
}

static void table_add_piece(struct track_table *t, const struct track_piece *p)
{
	if (t->n_pieces == t->cap_pieces) {
		t->cap_pieces = t->cap_pieces ? 2 * t->cap_pieces : 64;
		t->pieces = mem_grow(t->pieces, t->cap_pieces, sizeof(*t->pieces));
	}
	t->pieces[t->n_pieces++] = *p;
}

static bool number_of(const json_t *o, const char *key, uint64_t max, uint64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max)
		return false;
	*ret = (uint64_t)json_integer_value(v);
	return true;
}

static bool parse_head(struct track_table *t, const json_t *o)
{
	uint64_t width, height;
	const char *settings = json_string_value(json_object_get(o, "settings"));
	const char *hex = json_string_value(json_object_get(o, "avcc"));

	if (!settings || !hex || !number_of(o, "width", 16384, &width) ||
	    !number_of(o, "height", 16384, &height) ||
	    !number_of(o, "data_at", 1U << 30, &t->data_at))
		return false;

	size_t size = strlen(hex) / 2;

	if (size < 7 || size > MAX_AVCC || t->data_at < PAGE)
		return false;
	t->width = (unsigned)width;
	t->height = (unsigned)height;
	buf_init(&t->avcc, MAX_AVCC);
	if (!text_unhex(buf_reserve(&t->avcc, size), size, hex))
		return false;
	buf_grew(&t->avcc, size);
	return TEXT_SET(t->settings, settings);
}

/* Samples are pairs in one flat list: size, ahead, size, ahead … */
static bool parse_samples(struct track_table *t, const struct track_piece *p, const json_t *list)
{
	uint64_t sum = 0;
	uint32_t before = t->n_samples;

	if (json_array_size(list) != 2 * (size_t)p->n_samples || p->n_samples == 0 ||
	    before + p->n_samples > MAX_SAMPLES)
		return false;
	for (size_t i = 0; i < p->n_samples; i++) {
		json_int_t size = json_integer_value(json_array_get(list, 2 * i));
		json_int_t ahead = json_integer_value(json_array_get(list, 2 * i + 1));

		if (size <= 0 || size > UINT32_MAX || ahead < -64 || ahead > 64) {
			t->n_samples = before;
			return false;
		}
		table_add_sample(t, (uint32_t)size, (int32_t)ahead);
		sum += (uint64_t)size;
	}
	if (sum != p->size)
		t->n_samples = before;
	return sum == p->size;
}

static bool parse_piece(struct track_table *t, const json_t *o)
{
	uint64_t first, last, n, crc, seen, skipped;
	struct track_piece p = { 0 };
	uint64_t end = t->n_pieces
	                       ? t->pieces[t->n_pieces - 1].offset + t->pieces[t->n_pieces - 1].size
	                       : t->data_at;

	if (!number_of(o, "first", UINT32_MAX, &first) ||
	    !number_of(o, "last", UINT32_MAX, &last) || !number_of(o, "n", MAX_SAMPLES, &n) ||
	    !number_of(o, "offset", INT64_MAX, &p.offset) ||
	    !number_of(o, "size", INT64_MAX, &p.size) ||
	    !number_of(o, "crc32c", UINT32_MAX, &crc) || !number_of(o, "seen", UINT32_MAX, &seen) ||
	    !number_of(o, "skipped", UINT32_MAX, &skipped))
		return false;
	p.first = (uint32_t)first;
	p.last = (uint32_t)last;
	p.n_samples = (uint32_t)n;
	p.crc32c = (uint32_t)crc;
	p.n_seen = (uint32_t)seen;
	p.n_skipped = (uint32_t)skipped;
	if (p.offset != end || p.last < p.first ||
	    (t->n_pieces && p.first <= t->pieces[t->n_pieces - 1].last))
		return false;
	if (!parse_samples(t, &p, json_object_get(o, "samples")))
		return false;
	table_add_piece(t, &p);
	return true;
}

static bool parse_line(struct track_table *t, const char *line, size_t size, bool is_first)
{
	uint64_t crc;

	if (size < 10 || size > MAX_LINE || line[size - 9] != ' ')
		return false;

	char hex[9];

	memcpy(hex, line + size - 8, 8);
	hex[8] = 0;
	if (!text_to_u64(hex, 16, &crc) || crypto_crc32c(0, line, size - 9) != crc)
		return false;

	json_t *o = json_loadb(line, size - 9, JSON_REJECT_DUPLICATES, NULL);
	bool is_good = json_is_object(o) && (is_first ? parse_head(t, o) : parse_piece(t, o));

	json_decref(o);
	return is_good;
}

size_t track_parse(struct track_table *t, const char *bytes, size_t size)
{
	size_t good = 0;

	while (good < size) {
		const char *nl = memchr(bytes + good, '\n', size - good);

		if (!nl || !parse_line(t, bytes + good, (size_t)(nl - bytes) - good, good == 0))
			break;
		good = (size_t)(nl - bytes) + 1;
	}
	if (good == 0)
		track_table_fini(t);
	return good;
}

static int write_at(int fd, const void *bytes, size_t size, uint64_t at)
{
	const char *p = bytes;

	while (size > 0) {
		ssize_t n = pwrite(fd, p, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

static int open_file(const char *path, int *ret, struct err *err)
{
	*ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return *ret < 0 ? err_sys(err, "opening %s", path) : 0;
}

/* Opens a file that nobody else has; it stays so until it is closed, however we end. */
static int open_locked(const char *path, int *ret, struct err *err)
{
	for (int i = 0; i < MAX_LOCKS; i++) {
		struct stat mine, there;
		int rc = open_file(path, ret, err);

		if (rc < 0)
			return rc;
		if (flock(*ret, LOCK_EX | LOCK_NB) < 0) {
			rc = errno == EWOULDBLOCK
			             ? err_set(err, -EBUSY,
			                       "this film is being made already, by another "
			                       "bedside-av: wait for it, or give another name")
			             : err_sys(err, "locking %s", path);
			cleanup_fd(ret);
			*ret = -1;
			return rc;
		}
		/* Whoever had it may have finished and removed it since we opened it. */
		if (fstat(*ret, &mine) == 0 && stat(path, &there) == 0 &&
		    mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
			return 0;
		cleanup_fd(ret);
		*ret = -1;
	}
	return err_set(err, -EBUSY, "%s changes all the time: another bedside-av is at it", path);
}

static int cut(const struct track *t, int fd, uint64_t size, struct err *err)
{
	if (ftruncate(fd, (off_t)size) < 0)
		return err_sys(err, "shortening the unfinished film in %s", t->dir);
	return 0;
}

static bool piece_is_whole(const struct track *t, const struct track_piece *p)
{
	uint8_t bytes[4096];
	uint32_t crc = 0;

	for (uint64_t done = 0; done < p->size;) {
		size_t want = (size_t)MIN(p->size - done, (uint64_t)sizeof(bytes));
		ssize_t n = pread(t->fd, bytes, want, (off_t)(p->offset + done));

		if (n <= 0)
			return false;
		crc = crypto_crc32c(crc, bytes, (size_t)n);
		done += (uint64_t)n;
	}
	return crc == p->crc32c;
}

int track_reset(struct track *t, struct err *err)
{
	track_table_fini(&t->table);
	t->end = 0;
	t->n_open = 0;
	t->open = (struct track_piece){ 0 };

	int rc = cut(t, t->index_fd, 0, err);

	return rc < 0 ? rc : cut(t, t->fd, 0, err);
}

/* Reads the index, drops last pieces that are not what it says, cuts both files. */
static int take_up(struct track *t, const char *settings, struct err *err)
{
	auto_buf struct buf index;
	int rc = fs_read(t->index_path, MAX_INDEX, &index, err);

	if (rc < 0)
		return rc;

	size_t good = track_parse(&t->table, buf_peek(&index), index.size);

	if (good == 0 || strcmp(t->table.settings, settings) != 0)
		return track_reset(t, err);
	while (t->table.n_pieces > 0) {
		const struct track_piece *p = &t->table.pieces[t->table.n_pieces - 1];

		if (piece_is_whole(t, p))
			break;
		t->table.n_samples -= p->n_samples;
		t->table.n_pieces--;
		good--;
		while (good > 0 && buf_peek(&index)[good - 1] != '\n')
			good--;
	}
	t->end = t->table.data_at;
	if (t->table.n_pieces > 0)
		t->end = t->table.pieces[t->table.n_pieces - 1].offset +
		         t->table.pieces[t->table.n_pieces - 1].size;
	rc = cut(t, t->index_fd, good, err);
	return rc < 0 ? rc : cut(t, t->fd, t->end, err);
}

bool track_read_settings(const char *dir, const char *name, char *dst, size_t size)
{
	char path[3072];
	auto_free char *line = mem_new(MAX_HEAD_LINE);
	struct track_table head = { 0 };
	bool is_read = false;

	if (snprintf(path, sizeof(path), "%s/%s.index", dir, name) >= (int)sizeof(path))
		return false;

	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : pread(fd, line, MAX_HEAD_LINE, 0);
	const char *nl = n > 0 ? memchr(line, '\n', (size_t)n) : NULL;

	if (nl && parse_line(&head, line, (size_t)(nl - line), true))
		is_read = text_copy(dst, size, head.settings);
	track_table_fini(&head);
	return is_read;
}

int track_open(struct track *t, const char *dir, const char *name, const char *settings,
               struct err *err)
{
	*t = (struct track){ .fd = -1, .index_fd = -1 };
	TEXT_SET(t->dir, dir);

	int rc = fs_make_dirs(dir, err);

	if (rc < 0)
		return rc;
	if (snprintf(t->track_path, sizeof(t->track_path), "%s/%s.track", dir, name) >=
	            (int)sizeof(t->track_path) ||
	    snprintf(t->index_path, sizeof(t->index_path), "%s/%s.index", dir, name) >=
	            (int)sizeof(t->index_path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", dir);
	/* The index first: who holds it may touch the track. */
	rc = open_locked(t->index_path, &t->index_fd, err);
	if (rc == 0)
		rc = open_file(t->track_path, &t->fd, err);
	if (rc == 0)
		rc = take_up(t, settings, err);
	if (rc < 0)
		track_close(t);
	else
		TEXT_SET(t->table.settings, settings);
	return rc;
}

void track_close(struct track *t)
{
	if (t->fd >= 0)
		(void)close(t->fd);
	if (t->index_fd >= 0)
		(void)close(t->index_fd);
	t->fd = t->index_fd = -1;
	track_table_fini(&t->table);
}

bool track_has_head(const struct track *t)
{
	return t->table.data_at > 0;
}

/* `json` is the function's. */
static int add_line(struct track *t, json_t *json, struct err *err)
{
	auto_free char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);

	size_t size = strlen(text);
	auto_free char *line = mem_printf("%s %08x\n", text, crypto_crc32c(0, text, size));
	off_t end = lseek(t->index_fd, 0, SEEK_END);
	int rc = end < 0 ? -errno : write_at(t->index_fd, line, size + 10, (uint64_t)end);

	if (rc == 0 && fdatasync(t->index_fd) < 0)
		rc = -errno;
	if (rc < 0 && end >= 0)
		(void)!ftruncate(t->index_fd, end);
	if (rc == 0)
		return 0;
	errno = -rc;
	return err_sys(err, "writing %s", t->index_path);
}

int track_begin(struct track *t, unsigned width, unsigned height, const struct buf *avcc,
                uint64_t reserve, struct err *err)
{
	struct track_table *b = &t->table;
	auto_free char *hex = mem_new(2 * avcc->size + 1);

	text_hex(hex, avcc->data, avcc->size);
	b->width = width;
	b->height = height;
	b->data_at = (reserve + MDAT_HEAD + PAGE - 1) / PAGE * PAGE;
	t->end = b->data_at;
	buf_fini(&b->avcc);
	buf_init(&b->avcc, MAX_AVCC);
	buf_add(&b->avcc, avcc->data, avcc->size);

	int rc = add_line(t,
	                  json_pack("{s:i,s:s,s:i,s:i,s:I,s:s}", "v", 1, "settings", b->settings,
	                            "width", (int)width, "height", (int)height, "data_at",
	                            (json_int_t)b->data_at, "avcc", hex),
	                  err);

	if (rc == 0)
		rc = fs_sync_dir(t->dir, err);
	if (rc < 0)
		b->data_at = 0;
	return rc;
}

int track_add(struct track *t, const void *bytes, size_t size, int32_t ahead, struct err *err)
{
	struct track_piece *p = &t->open;

	if (t->n_open == 0)
		*p = (struct track_piece){ .offset = t->end };

	int rc = write_at(t->fd, bytes, size, p->offset + p->size);

	if (rc < 0) {
		errno = -rc;
		return err_sys(err, "writing %s", t->track_path);
	}
	p->crc32c = crypto_crc32c(p->crc32c, bytes, size);
	p->size += size;
	table_add_sample(&t->table, (uint32_t)size, ahead);
	t->n_open++;
	return 0;
}

int track_close_piece(struct track *t, const struct track_piece *numbers, struct err *err)
{
	struct track_piece *p = &t->open;
	const struct mp4_sample *samples = t->table.samples + (t->table.n_samples - t->n_open);

	if (t->n_open == 0)
		return 0;
	if (fdatasync(t->fd) < 0)
		return err_sys(err, "writing %s", t->track_path);

	json_t *list = json_array();

	for (uint32_t i = 0; i < t->n_open; i++) {
		json_array_append_new(list, json_integer(samples[i].size));
		json_array_append_new(list, json_integer(samples[i].ahead));
	}
	p->first = numbers->first;
	p->last = numbers->last;
	p->n_seen = numbers->n_seen;
	p->n_skipped = numbers->n_skipped;
	p->n_samples = t->n_open;

	json_t *o = json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "first", (json_int_t)p->first, "last",
		(json_int_t)p->last, "n", (json_int_t)p->n_samples, "offset", (json_int_t)p->offset,
		"size", (json_int_t)p->size, "crc32c", (json_int_t)p->crc32c, "seen",
		(json_int_t)p->n_seen, "skipped", (json_int_t)p->n_skipped, "samples", list);
	int rc = add_line(t, o, err);

	if (rc < 0)
		return rc;
	table_add_piece(&t->table, p);
	t->end = p->offset + p->size;
	t->n_open = 0;
	return 0;
}

void track_drop_piece(struct track *t)
{
	t->table.n_samples -= t->n_open;
	t->n_open = 0;
	(void)!ftruncate(t->fd, (off_t)t->end);
}

static void make_head(struct buf *b, const struct track *t, double fps, double hold_s,
                      uint64_t shift)
{
	const struct track_table *a = &t->table;
	struct mp4_run *runs = mem_new_array(a->n_pieces + 1U, sizeof(*runs));

	for (uint32_t i = 0; i < a->n_pieces; i++)
		runs[i] = (struct mp4_run){ a->pieces[i].offset + shift, a->pieces[i].n_samples };

	const struct mp4_film f = {
		.width = a->width,
		.height = a->height,
		.fps = fps,
		.hold_s = hold_s,
		.avcc = (const uint8_t *)buf_peek(&a->avcc),
		.avcc_size = a->avcc.size,
		.samples = a->samples,
		.n_samples = a->n_samples,
		.runs = runs,
		.n_runs = a->n_pieces,
	};

	mp4_write_head(b, &f);
	free(runs);
}

static void add_be(struct buf *b, uint64_t v, int n_bytes)
{
	while (n_bytes-- > 0)
		buf_add_char(b, (char)(v >> (8 * n_bytes)));
}

/* Fills up to `data_at` with a box that says nothing, then begins the samples' box. */
static void fill_head(struct buf *b, uint64_t data_at, uint64_t data_size)
{
	uint64_t room = data_at - MDAT_HEAD - b->size;

	if (room > 0) {
		add_be(b, room, 4);
		buf_add_str(b, "free");
		while (b->size < data_at - MDAT_HEAD)
			buf_add_char(b, 0);
	}
	add_be(b, 1, 4);
	buf_add_str(b, "mdat");
	add_be(b, data_size + MDAT_HEAD, 8);
}

static bool head_fits(const struct buf *b, uint64_t data_at)
{
	uint64_t taken = b->size + MDAT_HEAD;

	return taken == data_at || taken + 8 <= data_at;
}

static int copy_range(int from, uint64_t from_at, int to, uint64_t to_at, uint64_t size)
{
	off_t in = (off_t)from_at, out = (off_t)to_at;
	uint8_t bytes[4096];

	while (size > 0) {
		ssize_t n = copy_file_range(from, &in, to, &out, (size_t)MIN(size, 1U << 30), 0);

		if (n <= 0) {
			n = pread(from, bytes, (size_t)MIN(size, (uint64_t)sizeof(bytes)), in);
			if (n <= 0)
				return n < 0 ? -errno : -EIO;

			int rc = write_at(to, bytes, (size_t)n, (uint64_t)out);

			if (rc < 0)
				return rc;
			in += n;
			out += n;
		}
		size -= (uint64_t)n;
	}
	return 0;
}

/* Head and samples into an empty file. */
static int write_copy(const struct track *t, double fps, double hold_s, int fd)
{
	uint64_t size = t->end - t->table.data_at;
	auto_buf struct buf head;

	buf_init(&head, 0);
	make_head(&head, t, fps, hold_s, 0);

	uint64_t data_at = (head.size + 8 + MDAT_HEAD + PAGE - 1) / PAGE * PAGE;

	buf_clear(&head);
	make_head(&head, t, fps, hold_s, data_at - t->table.data_at);
	fill_head(&head, data_at, size);

	int rc = write_at(fd, head.data, head.size, 0);

	if (rc == 0)
		rc = copy_range(t->fd, t->table.data_at, fd, data_at, size);
	return rc == 0 && fdatasync(fd) < 0 ? -errno : rc;
}

static int rename_film(const char *from, const char *to, bool replaces, struct err *err)
{
	unsigned how = replaces ? 0 : RENAME_NOREPLACE;

	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, how) == 0)
		return 0;
	/* Some file systems know no RENAME_NOREPLACE; link() refuses an existing name as well. */
	if (errno == EINVAL && !replaces && link(from, to) == 0)
		return unlink(from) < 0 ? err_sys(err, "removing %s", from) : 0;
	if (errno == EEXIST)
		return err_set(err, -ENOTUNIQ, "%s is another film's name", to);
	return err_sys(err, "renaming the film to %s", to);
}

static void folder_of(char *dst, size_t size, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash)
		text_copy_n(dst, size, path, slash == path ? 1 : (size_t)(slash - path));
	else
		text_copy(dst, size, ".");
}

/* The film as a copy: when the head has outgrown its room, or the film is to lie on another file
 * system. Its file is ours alone until it has its name. */
static int finish_copy(const struct track *t, double fps, double hold_s, const char *out,
                       bool replaces, struct err *err)
{
	auto_fd int fd = -1;
	char tmp[3200];

	if (snprintf(tmp, sizeof(tmp), "%s.new", out) >= (int)sizeof(tmp))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", out);

	int rc = open_locked(tmp, &fd, err);

	if (rc < 0)
		return rc;
	rc = ftruncate(fd, 0) < 0 ? -errno : write_copy(t, fps, hold_s, fd);
	if (rc < 0) {
		errno = -rc;
		rc = err_sys(err, "writing %s", tmp);
	} else {
		rc = rename_film(tmp, out, replaces, err);
	}
	(void)unlink(rc == 0 ? t->track_path : tmp);
	return rc;
}

static int finish_in_place(struct track *t, const struct buf *head, const char *out, bool replaces,
                           struct err *err)
{
	int rc = write_at(t->fd, head->data, head->size, 0);

	if (rc == 0 && fdatasync(t->fd) < 0)
		rc = -errno;
	if (rc < 0) {
		errno = -rc;
		return err_sys(err, "writing %s", t->track_path);
	}
	return rename_film(t->track_path, out, replaces, err);
}

bool track_is_there(const char *dir, const char *name)
{
	char path[3072];

	return snprintf(path, sizeof(path), "%s/%s.track", dir, name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

int track_finish(struct track *t, double fps, double hold_s, const char *out, bool replaces,
                 struct err *err)
{
	auto_buf struct buf head;
	char dir[2048];
	int rc = -EXDEV;

	buf_init(&head, 0);
	make_head(&head, t, fps, hold_s, 0);
	if (head_fits(&head, t->table.data_at)) {
		fill_head(&head, t->table.data_at, t->end - t->table.data_at);
		rc = finish_in_place(t, &head, out, replaces, err);
	}
	if (rc == -EXDEV)
		rc = finish_copy(t, fps, hold_s, out, replaces, err);
	if (rc < 0)
		return rc;
	folder_of(dir, sizeof(dir), out);
	rc = fs_sync_dir(dir, err);
	if (rc < 0)
		return rc;
	(void)unlink(t->index_path);
	return fs_sync_dir(t->dir, err);
}
