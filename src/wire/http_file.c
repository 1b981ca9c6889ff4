/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_conn.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "core/work.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_CHUNK 131072u

/* Work for a thread: opening a file, or reading a piece of one. */
struct http_file_job {
	struct http_conn *conn; /* reading; NULL if it went away */
	struct http_request *request;
	char *path, *missing;
	int fd, rc;
	struct stat st;
	uint64_t at;
	uint8_t *bytes;
	size_t size;
	struct http_reply reply;
	char *strings[4 + 2 * HTTP_REPLY_MAX_HEADERS];
	size_t n_strings;
};

static void read_piece(void *arg)
{
	struct http_file_job *j = arg;
	ssize_t n = pread(j->fd, j->bytes, j->size, (off_t)j->at);

	j->rc = n < 0 ? -errno : (int)n;
}

static void free_job(struct http_file_job *j)
{
	for (size_t i = 0; i < j->n_strings; i++)
		free(j->strings[i]);
	free(j->path);
	free(j->missing);
	free(j->bytes);
	free(j);
}

static void take_piece(struct http_conn *c, uint8_t *bytes, size_t n)
{
	c->file_at += n;
	c->file_left -= n;
	http_conn_push(c, http_bytes_wrap(bytes, n, free, bytes));
}

static void piece_is_read(void *arg)
{
	struct http_file_job *j = arg;
	struct http_conn *c = j->conn;

	(void)close(j->fd);
	if (!c) {
		free_job(j);
		return;
	}
	c->job = NULL;
	if (j->rc <= 0) { /* the file has become shorter than we promised */
		free_job(j);
		http_conn_close(c);
		return;
	}
	take_piece(c, STEAL_PTR(j->bytes), (size_t)j->rc);
	free_job(j);
	http_conn_flush(c, true);
}

void http_file_read_more(struct http_conn *c)
{
	size_t size = (size_t)MIN(c->file_left, (uint64_t)FILE_CHUNK);
	uint8_t *bytes = mem_new(size);
	struct iovec iov = { bytes, size };
	ssize_t n = preadv2(c->file_fd, &iov, 1, (off_t)c->file_at, RWF_NOWAIT);

	if (n > 0) {
		take_piece(c, bytes, (size_t)n);
		return;
	}

	struct http_file_job *j = MEM_NEW(struct http_file_job);

	j->conn = c;
	j->fd = fcntl(c->file_fd, F_DUPFD_CLOEXEC, 0);
	j->at = c->file_at;
	j->bytes = bytes;
	j->size = size;
	c->job = j;
	work_submit(c->server->config.pool, read_piece, piece_is_read, j);
}

static const char *keep(struct http_file_job *j, const char *s)
{
	if (!s)
		return NULL;
	assert(j->n_strings < ARRAY_LEN(j->strings));
	return j->strings[j->n_strings++] = mem_str(s);
}

static void open_file(void *arg)
{
	struct http_file_job *j = arg;

	j->fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	j->rc = j->fd < 0 ? -errno : fstat(j->fd, &j->st) < 0 ? -errno : 0;
	if (j->rc == 0 && !S_ISREG(j->st.st_mode))
		j->rc = -EINVAL;
	if (j->reply.removes_file)
		(void)unlink(j->path);
}

/* Which part is wanted. Sets status and Content-Range; false: nothing of it can be sent. */
static bool choose_range(const struct http_head *h, struct http_reply *reply, uint64_t size,
                         char content_range[80], uint64_t *ret_from, uint64_t *ret_n)
{
	const char *if_range = http_header(h, "If-Range");
	const char *range = http_header(h, "Range");
	uint64_t from = 0, to = 0;
	int rc = 0;

	*ret_from = 0;
	*ret_n = size;
	if (if_range && strcmp(if_range, reply->etag) != 0)
		range = NULL;
	/* For GET alone (RFC 9110 §14.2). */
	if (range && h->method == HTTP_GET)
		rc = http_parse_range(range, size, &from, &to);
	if (rc == 0)
		return true;
	if (rc < 0) {
		reply->status = 416;
		snprintf(content_range, 80, "bytes */%llu", (unsigned long long)size);
		*ret_n = 0;
	} else {
		reply->status = 206;
		snprintf(content_range, 80, "bytes %llu-%llu/%llu", (unsigned long long)from,
		         (unsigned long long)to, (unsigned long long)size);
		*ret_from = from;
		*ret_n = to - from + 1;
	}
	reply->headers[reply->n_headers++] = (struct http_header){ "Content-Range", content_range };
	return rc > 0;
}

static void fake_file(struct http_request *r, const struct http_reply *reply, int fd, uint64_t from,
                      uint64_t n)
{
	uint8_t *bytes = mem_new((size_t)n + 1);
	ssize_t got = pread(fd, bytes, (size_t)n, (off_t)from);
	struct http_bytes *body = http_bytes_wrap(bytes, got > 0 ? (size_t)got : 0, free, bytes);

	http_request_fake_reply(r, reply, body);
	http_bytes_unref(body);
}

static void send_file(struct http_file_job *j)
{
	struct http_request *r = j->request;
	struct http_conn *c = r->conn;
	struct http_reply *reply = &j->reply;
	uint64_t size = (uint64_t)j->st.st_size, from = 0, n = size;
	char etag[80], content_range[80];
	const char *known = http_header(&r->head, "If-None-Match");
	const char *wanted = http_header(&r->head, "If-Match");

	snprintf(etag, sizeof(etag), "\"%llx-%llx-%llx\"", (unsigned long long)j->st.st_ino,
	         (unsigned long long)size,
	         (unsigned long long)j->st.st_mtim.tv_sec * 1000000000ull +
	                 (unsigned long long)j->st.st_mtim.tv_nsec);
	reply->etag = etag;
	reply->headers[reply->n_headers++] = (struct http_header){ "Accept-Ranges", "bytes" };
	if (wanted && !http_etag_matches(wanted, etag)) {
		reply->status = 412;
		n = 0;
	} else if (known && http_etag_matches(known, etag)) {
		reply->status = 304;
		n = 0;
	} else {
		(void)choose_range(&r->head, reply, size, content_range, &from, &n);
	}
	if (r->fake)
		fake_file(r, reply, j->fd, from, n);
	if (!c) {
		http_request_free(r);
		return;
	}
	c->closes_after |= !r->head.keeps_alive;
	http_conn_push(c, http_reply_head(c, reply, (int64_t)n));
	if (n > 0 && r->head.method != HTTP_HEAD) {
		c->file_fd = STEAL_FD(j->fd);
		c->file_at = from;
		c->file_left = n;
	}
	c->phase = HTTP_PHASE_ANSWERING;
	http_request_free(r);
	http_conn_flush(c, false);
}

static void file_is_open(void *arg)
{
	struct http_file_job *j = arg;

	if (j->rc < 0) {
		struct http_reply missing = { .status = 404, .type = "application/json" };

		http_reply_bytes(j->request, &missing,
		                 http_bytes_new(j->missing, strlen(j->missing)));
	} else {
		send_file(j);
	}
	if (j->fd >= 0)
		(void)close(j->fd);
	free_job(j);
}

void http_reply_file(struct http_request *r, const struct http_reply *reply, const char *path,
                     const char *missing_json)
{
	struct http_file_job *j = MEM_NEW(struct http_file_job);

	assert(reply->n_headers + 2 <= HTTP_REPLY_MAX_HEADERS);
	j->request = r;
	j->path = mem_str(path);
	j->missing = mem_str(missing_json);
	j->reply = *reply;
	j->reply.type = keep(j, reply->type);
	j->reply.cache = keep(j, reply->cache);
	for (size_t i = 0; i < reply->n_headers; i++) {
		j->reply.headers[i].name = keep(j, reply->headers[i].name);
		j->reply.headers[i].value = keep(j, reply->headers[i].value);
	}
	if (r->conn) {
		work_submit(r->conn->server->config.pool, open_file, file_is_open, j);
		return;
	}
	open_file(j);
	file_is_open(j);
}

void http_file_forget(struct http_conn *c)
{
	if (c->job)
		c->job->conn = NULL;
}
