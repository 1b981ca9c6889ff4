/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_server.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/loop.h"
#include "core/work.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <uv.h>

#define MAX_IOV 16
#define FILE_CHUNK 131072u
/* A client on the same machine takes a film as fast as we read it: leave the loop to others. */
#define CHUNKS_A_TURN 4
#define NOT_SENT_BYTES 131072
#define LINGER_MS 2000
#define SWEEP_MS 1000
#define READ_CHUNK 16384u
#define BODY_TIMEOUT_MS INT64_C(120000)

enum phase {
	PHASE_HANDSHAKE,
	PHASE_HEAD,      /* between requests, or reading a head */
	PHASE_BODY,      /* reading a body */
	PHASE_ASKED,     /* the application has it */
	PHASE_ANSWERING, /* sending */
	PHASE_STREAM,
	PHASE_WEBSOCKET,
	PHASE_LINGER, /* all is sent; waiting for the client to have read it */
};

struct segment {
	struct http_bytes *bytes;
	size_t at;
};

struct http_channel {
	struct http_channel_events ev; /* all NULL once ended by its owner */
};

struct conn {
	struct http_server *server; /* NULL once closing */
	struct conn *prev, *next;   /* server.conns */
	uv_poll_t poll;
	int fd, events;
	SSL *ssl;
	enum phase phase;
	char address[INET6_ADDRSTRLEN];
	bool is_working, is_closing, closes_after, tls_wants_read;
	int64_t deadline_us, body_deadline_us;

	struct buf in;
	size_t looked; /* bytes of `in` without the end of a head */
	struct http_request *request;

	struct segment *out; /* ring would save the memmove of a few entries; not worth it */
	size_t n_out, cap_out, queued;
	int file_fd;
	uint64_t file_at, file_left;
	struct file_job *job;

	struct http_channel channel;
	struct buf message; /* of WebSocket fragments */
};

struct http_request {
	struct conn *conn; /* NULL once the client is gone */
	struct http_answer *fake;
	char *head_bytes;
	struct http_head head;
	struct buf body;
	char address[INET6_ADDRSTRLEN];
	bool is_tls;
};

struct http_server {
	struct loop *loop;
	struct http_server_config config;
	char *cert_file, *key_file, *headers;
	SSL_CTX *ctx;
	uv_poll_t *listener; /* on the heap: it outlives us until it is closed */
	int fd;
	uint16_t port;
	struct conn *conns;
	unsigned n_conns;
	struct timer sweep;
	bool is_accepting;
};

/* Work for a thread: opening a file, or reading a piece of one. */
struct file_job {
	struct conn *conn; /* reading; NULL if it went away */
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

static void conn_close(struct conn *c);
static void conn_flush(struct conn *c, bool is_from_poll);
static void conn_work(struct conn *c);
static void conn_update_poll(struct conn *c);

/* ---- shared bytes ---- */

struct http_bytes *http_bytes_wrap(const void *bytes, size_t size, void (*release)(void *owner),
                                   void *owner)
{
	struct http_bytes *b = MEM_NEW(struct http_bytes);

	*b = (struct http_bytes){ bytes, size, 1, release, owner };
	return b;
}

struct http_bytes *http_bytes_new(const void *bytes, size_t size)
{
	void *copy = mem_dup(bytes, size);

	return http_bytes_wrap(copy, size, free, copy);
}

struct http_bytes *http_bytes_take(struct buf *b)
{
	size_t size = b->size;
	char *bytes = buf_steal(b);

	return http_bytes_wrap(bytes, size, free, bytes);
}

struct http_bytes *http_bytes_ref(struct http_bytes *b)
{
	b->refs++;
	return b;
}

void http_bytes_unref(struct http_bytes *b)
{
	if (!b || --b->refs > 0)
		return;
	if (b->release)
		b->release(b->owner);
	free(b);
}

/* ---- the way out ---- */

static void set_deadline(struct conn *c, int64_t ms)
{
	c->deadline_us = loop_now_us(c->server->loop) + ms * 1000;
}

static void push(struct conn *c, struct http_bytes *b)
{
	if (b->size == 0) {
		http_bytes_unref(b);
		return;
	}
	if (c->n_out == 0)
		set_deadline(c, c->server->config.stall_timeout_ms);
	if (c->n_out == c->cap_out) {
		c->cap_out = c->cap_out ? c->cap_out * 2 : 4;
		c->out = mem_grow(c->out, c->cap_out, sizeof(*c->out));
	}
	c->out[c->n_out++] = (struct segment){ b, 0 };
	c->queued += b->size;
}

static void sent(struct conn *c, size_t n)
{
	size_t done = 0;

	c->queued -= n;
	while (done < c->n_out && n >= c->out[done].bytes->size - c->out[done].at) {
		n -= c->out[done].bytes->size - c->out[done].at;
		http_bytes_unref(c->out[done].bytes);
		done++;
	}
	if (done < c->n_out)
		c->out[done].at += n;
	memmove(c->out, c->out + done, (c->n_out - done) * sizeof(*c->out));
	c->n_out -= done;
	set_deadline(c, c->server->config.stall_timeout_ms);
}

static ssize_t tls_result(struct conn *c, int rc)
{
	int why = SSL_get_error(c->ssl, rc);

	ERR_clear_error();
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		c->tls_wants_read = why == SSL_ERROR_WANT_READ;
		errno = EAGAIN;
		return -1;
	}
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = ECONNRESET;
	return -1;
}

static ssize_t send_some(struct conn *c)
{
	if (c->ssl) {
		struct segment *s = &c->out[0];
		size_t left = s->bytes->size - s->at;
		int rc = SSL_write(c->ssl, s->bytes->data + s->at, (int)MIN(left, FILE_CHUNK));

		return rc > 0 ? rc : tls_result(c, rc);
	}

	struct iovec iov[MAX_IOV];
	size_t n = 0;

	for (; n < c->n_out && n < MAX_IOV; n++) {
		const struct segment *s = &c->out[n];

		/* sendmsg() only reads; its interface cannot say so. */
		iov[n].iov_base = (void *)(uintptr_t)(s->bytes->data + s->at);
		iov[n].iov_len = s->bytes->size - s->at;
	}

	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

	return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- files ---- */

static void read_piece(void *arg)
{
	struct file_job *j = arg;
	ssize_t n = pread(j->fd, j->bytes, j->size, (off_t)j->at);

	j->rc = n < 0 ? -errno : (int)n;
}

static void free_job(struct file_job *j)
{
	for (size_t i = 0; i < j->n_strings; i++)
		free(j->strings[i]);
	free(j->path);
	free(j->missing);
	free(j->bytes);
	free(j);
}

static void take_piece(struct conn *c, uint8_t *bytes, size_t n)
{
	c->file_at += n;
	c->file_left -= n;
	push(c, http_bytes_wrap(bytes, n, free, bytes));
}

static void piece_is_read(void *arg)
{
	struct file_job *j = arg;
	struct conn *c = j->conn;

	(void)close(j->fd);
	if (!c) {
		free_job(j);
		return;
	}
	c->job = NULL;
	if (j->rc <= 0) { /* the file has become shorter than we promised */
		free_job(j);
		conn_close(c);
		return;
	}
	take_piece(c, STEAL_PTR(j->bytes), (size_t)j->rc);
	free_job(j);
	conn_flush(c, true);
}

/* Puts the next piece into the queue, or asks a worker for it. */
static void read_more(struct conn *c)
{
	size_t size = (size_t)MIN(c->file_left, (uint64_t)FILE_CHUNK);
	uint8_t *bytes = mem_new(size);
	struct iovec iov = { bytes, size };
	ssize_t n = preadv2(c->file_fd, &iov, 1, (off_t)c->file_at, RWF_NOWAIT);

	if (n > 0) {
		take_piece(c, bytes, (size_t)n);
		return;
	}

	struct file_job *j = MEM_NEW(struct file_job);

	j->conn = c;
	j->fd = fcntl(c->file_fd, F_DUPFD_CLOEXEC, 0);
	j->at = c->file_at;
	j->bytes = bytes;
	j->size = size;
	c->job = j;
	work_submit(c->server->config.pool, read_piece, piece_is_read, j);
}

/* ---- connections ---- */

static void free_request(struct http_request *r)
{
	if (r->conn)
		r->conn->request = NULL;
	free(r->head_bytes);
	buf_fini(&r->body);
	free(r);
}

static void on_closed(uv_handle_t *h)
{
	struct conn *c = CONTAINER_OF((uv_poll_t *)(void *)h, struct conn, poll);

	if (c->channel.ev.closed)
		c->channel.ev.closed(c->channel.ev.arg);
	buf_fini(&c->in);
	buf_fini(&c->message);
	free(c->out);
	free(c);
}

static void unlink_conn(struct conn *c)
{
	struct http_server *s = c->server;

	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	s->n_conns--;
	if (s->n_conns == 0 && s->is_accepting)
		timer_stop(&s->sweep);
	c->server = NULL;
}

static void conn_close(struct conn *c)
{
	if (c->is_closing)
		return;
	c->is_closing = true;
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	if (c->ssl) {
		/* Says goodbye if the socket takes it; nobody waits for an answer. */
		if (c->phase != PHASE_HANDSHAKE)
			(void)SSL_shutdown(c->ssl);
		ERR_clear_error();
		SSL_free(c->ssl);
	}
	(void)close(c->fd);
	if (c->request) {
		struct http_request *r = c->request;
		bool is_asked = c->phase == PHASE_ASKED;

		r->conn = NULL;
		c->request = NULL;
		if (!is_asked)
			free_request(r);
	}
	for (size_t i = 0; i < c->n_out; i++)
		http_bytes_unref(c->out[i].bytes);
	c->n_out = c->queued = 0;
	if (c->file_fd >= 0)
		(void)close(c->file_fd);
	if (c->job)
		c->job->conn = NULL;
	unlink_conn(c);
}

/* The answer is with the kernel: next request, or the end. */
static void conn_answered(struct conn *c)
{
	struct http_server *s = c->server;

	if (c->file_fd >= 0)
		(void)close(STEAL_FD(c->file_fd));
	if (c->closes_after) {
		c->phase = PHASE_LINGER;
		buf_clear(&c->in);
		set_deadline(c, LINGER_MS);
		if (!c->ssl)
			(void)shutdown(c->fd, SHUT_WR);
		return;
	}
	c->phase = PHASE_HEAD;
	c->looked = 0;
	set_deadline(c, c->in.size > 0 ? s->config.head_timeout_ms : s->config.idle_timeout_ms);
}

static void after_flush(struct conn *c, bool is_from_poll)
{
	if (c->phase == PHASE_ANSWERING) {
		conn_answered(c);
		if (c->phase == PHASE_HEAD && !c->is_working) {
			conn_work(c);
			return;
		}
	} else if ((c->phase == PHASE_STREAM || c->phase == PHASE_WEBSOCKET)) {
		if (c->closes_after) {
			conn_close(c);
			return;
		}
		if (is_from_poll && c->channel.ev.writable)
			c->channel.ev.writable(c->channel.ev.arg);
	}
	if (!c->is_closing)
		conn_update_poll(c);
}

enum pumped {
	PUMPED_ALL,
	PUMPED_SOME,         /* the socket, or the disk, wants time */
	PUMPED_NOTHING_MORE, /* the connection is gone */
};

static enum pumped pump(struct conn *c)
{
	unsigned n_chunks = 0;

	for (;;) {
		if (c->n_out == 0 && c->file_left == 0)
			return PUMPED_ALL;
		if (c->n_out == 0) {
			if (c->job || n_chunks++ == CHUNKS_A_TURN)
				return PUMPED_SOME;
			read_more(c);
			continue;
		}

		ssize_t n = send_some(c);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return PUMPED_SOME;
		if (n <= 0) {
			conn_close(c);
			return PUMPED_NOTHING_MORE;
		}
		sent(c, (size_t)n);
	}
}

static void conn_flush(struct conn *c, bool is_from_poll)
{
	enum pumped p = pump(c);

	if (p == PUMPED_ALL)
		after_flush(c, is_from_poll);
	else if (p == PUMPED_SOME)
		conn_update_poll(c);
}

static void on_poll(uv_poll_t *h, int status, int events);

static void conn_update_poll(struct conn *c)
{
	int events = 0;

	if (c->is_closing)
		return;
	if (c->phase != PHASE_ASKED && c->phase != PHASE_ANSWERING)
		events |= UV_READABLE;
	if ((c->n_out > 0 || c->file_left > 0) && !c->job)
		events |= c->tls_wants_read ? UV_READABLE : UV_WRITABLE;
	if (c->phase == PHASE_HANDSHAKE && !c->tls_wants_read)
		events = UV_WRITABLE;
	if (events == c->events)
		return;
	c->events = events;
	if (events)
		uv_poll_start(&c->poll, events, on_poll);
	else
		uv_poll_stop(&c->poll);
}

/* ---- answers ---- */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return "Status";
}

/* IMF-fixdate (RFC 9110 §5.6.7), whatever the locale. */
static void http_date(char dst[40], time_t t)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(dst, 40, "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday % 7], tm.tm_mday,
	         months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static void write_reply_headers(struct buf *b, const struct http_reply *reply)
{
	if (reply->type)
		buf_printf(b, "Content-Type: %s\r\n", reply->type);
	buf_printf(b, "Cache-Control: %s\r\n", reply->cache ? reply->cache : "no-store");
	if (reply->etag)
		buf_printf(b, "ETag: %s\r\n", reply->etag);
	for (size_t i = 0; i < reply->n_headers; i++) {
		/* A header made of foreign text could otherwise become two. */
		assert(!strpbrk(reply->headers[i].value, "\r\n"));
		buf_printf(b, "%s: %s\r\n", reply->headers[i].name, reply->headers[i].value);
	}
}

/* `length` -1: no Content-Length, the connection's end is the body's. */
static struct http_bytes *make_head(struct conn *c, const struct http_reply *reply, int64_t length)
{
	auto_buf struct buf b;
	char date[40];

	buf_init(&b, 0);
	buf_printf(&b, "HTTP/1.1 %d %s\r\n", reply->status, reason(reply->status));
	http_date(date, (time_t)(loop_wall_ms(c->server->loop) / 1000));
	buf_printf(&b, "Date: %s\r\n", date);
	write_reply_headers(&b, reply);
	if (length >= 0 && reply->status != 204 && reply->status != 304)
		buf_printf(&b, "Content-Length: %lld\r\n", (long long)length);
	if (c->closes_after)
		buf_add_str(&b, "Connection: close\r\n");
	else if (c->request && c->request->head.minor == 0)
		buf_add_str(&b, "Connection: keep-alive\r\n");
	if (c->server->headers)
		buf_add_str(&b, c->server->headers);
	buf_add_str(&b, "\r\n");
	return http_bytes_take(&b);
}

static void fake_reply(struct http_request *r, const struct http_reply *reply,
                       const struct http_bytes *body)
{
	struct http_answer *a = r->fake;
	auto_buf struct buf b;

	buf_init(&b, 0);
	write_reply_headers(&b, reply);
	assert(!a->is_answered);
	a->is_answered = true;
	a->status = reply->status;
	TEXT_SET(a->head, buf_peek(&b));
	if (body && r->head.method != HTTP_HEAD) {
		a->body = mem_new(body->size + 1);
		memcpy(a->body, body->data, body->size);
		a->size = body->size;
	}
}

void http_reply_bytes(struct http_request *r, const struct http_reply *reply,
                      struct http_bytes *body)
{
	struct conn *c = r->conn;
	struct http_reply actual = *reply;
	const char *known = http_header(&r->head, "If-None-Match");

	if (reply->etag && reply->status == 200 && known && http_etag_matches(known, reply->etag))
		actual.status = 304;
	if (r->fake)
		fake_reply(r, &actual, body);
	if (!c) {
		http_bytes_unref(body);
		free_request(r);
		return;
	}
	c->closes_after |= !r->head.keeps_alive;
	push(c, make_head(c, &actual, body ? (int64_t)body->size : 0));
	if (body && actual.status != 304 && r->head.method != HTTP_HEAD)
		push(c, body);
	else
		http_bytes_unref(body);
	c->phase = PHASE_ANSWERING;
	free_request(r);
	conn_flush(c, false);
}

static const char *keep(struct file_job *j, const char *s)
{
	if (!s)
		return NULL;
	assert(j->n_strings < ARRAY_LEN(j->strings));
	return j->strings[j->n_strings++] = mem_str(s);
}

static void open_file(void *arg)
{
	struct file_job *j = arg;

	j->fd = open(j->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
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
	if (range && (h->method == HTTP_GET || h->method == HTTP_HEAD))
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

	fake_reply(r, reply, body);
	http_bytes_unref(body);
}

static void send_file(struct file_job *j)
{
	struct http_request *r = j->request;
	struct conn *c = r->conn;
	struct http_reply *reply = &j->reply;
	uint64_t size = (uint64_t)j->st.st_size, from = 0, n = size;
	char etag[80], content_range[80];
	const char *known = http_header(&r->head, "If-None-Match");

	snprintf(etag, sizeof(etag), "\"%llx-%llx-%llx\"", (unsigned long long)j->st.st_ino,
	         (unsigned long long)size,
	         (unsigned long long)j->st.st_mtim.tv_sec * 1000000000ull +
	                 (unsigned long long)j->st.st_mtim.tv_nsec);
	reply->etag = etag;
	reply->headers[reply->n_headers++] = (struct http_header){ "Accept-Ranges", "bytes" };
	if (known && http_etag_matches(known, etag)) {
		reply->status = 304;
		n = 0;
	} else {
		(void)choose_range(&r->head, reply, size, content_range, &from, &n);
	}
	if (r->fake)
		fake_file(r, reply, j->fd, from, n);
	if (!c) {
		free_request(r);
		return;
	}
	c->closes_after |= !r->head.keeps_alive;
	push(c, make_head(c, reply, (int64_t)n));
	if (n > 0 && r->head.method != HTTP_HEAD) {
		c->file_fd = STEAL_FD(j->fd);
		c->file_at = from;
		c->file_left = n;
	}
	c->phase = PHASE_ANSWERING;
	free_request(r);
	conn_flush(c, false);
}

static void file_is_open(void *arg)
{
	struct file_job *j = arg;

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
	struct file_job *j = MEM_NEW(struct file_job);

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

/* ---- channels ---- */

static struct conn *channel_conn(const struct http_channel *ch)
{
	return CONTAINER_OF((struct http_channel *)(uintptr_t)ch, struct conn, channel);
}

/* Who is told NULL frees what `ev` speaks of: nothing of it may be called later. */
static struct http_channel *open_channel(struct conn *c)
{
	conn_flush(c, false);
	if (!c->is_closing)
		return &c->channel;
	c->channel.ev = (struct http_channel_events){ 0 };
	return NULL;
}

struct http_channel *http_reply_stream(struct http_request *r, const struct http_reply *reply,
                                       const struct http_channel_events *ev)
{
	struct conn *c = r->conn;

	if (!c || r->head.method == HTTP_HEAD) {
		if (r->fake)
			r->fake->is_channel = true;
		http_reply_bytes(r, reply, NULL);
		return NULL;
	}
	c->closes_after = true; /* for the head's sake: the body ends with the connection */
	push(c, make_head(c, reply, -1));
	c->closes_after = false;
	c->channel.ev = *ev;
	c->phase = PHASE_STREAM;
	buf_clear(&c->in);
	free_request(r);

	/* What the kernel has and the network has not: bounded, or a slow viewer would see the past. */
	int low = NOT_SENT_BYTES;

	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
	return open_channel(c);
}

/* RFC 6455 §4.2.2 */
static void accept_key(char dst[32], const char *key)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[24 + sizeof(guid)];
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	snprintf(text, sizeof(text), "%s%s", key, guid);
	EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL);

	auto_free char *b64 = crypto_base64(digest, n);

	text_copy(dst, 32, b64);
}

struct http_channel *http_reply_websocket(struct http_request *r,
                                          const struct http_channel_events *ev)
{
	struct conn *c = r->conn;
	auto_buf struct buf b;
	char accept[32];

	buf_init(&b, 0);

	if (!c) {
		struct http_reply switched = { .status = 101 };

		if (r->fake) {
			r->fake->is_channel = true;
			fake_reply(r, &switched, NULL);
		}
		free_request(r);
		return NULL;
	}
	accept_key(accept, http_header(&r->head, "Sec-WebSocket-Key"));
	buf_printf(&b,
	           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	           "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	           accept);
	push(c, http_bytes_take(&b));
	c->channel.ev = *ev;
	c->phase = PHASE_WEBSOCKET;
	buf_init(&c->message, HTTP_WS_MAX_MESSAGE + 1);
	free_request(r);
	return open_channel(c);
}

void http_channel_send(struct http_channel *ch, struct http_bytes *const *parts, size_t n)
{
	struct conn *c = channel_conn(ch);

	if (c->is_closing)
		return;

	bool was_idle = c->n_out == 0;

	for (size_t i = 0; i < n; i++)
		push(c, http_bytes_ref(parts[i]));
	if (was_idle)
		conn_flush(c, false);
}

static void ws_send(struct conn *c, enum ws_opcode opcode, struct http_bytes *payload)
{
	uint8_t head[WS_HEAD_MAX];
	size_t n = ws_write_head(head, opcode, payload->size);
	struct http_bytes *parts[] = { http_bytes_new(head, n), payload };

	http_channel_send(&c->channel, parts, 2);
	http_bytes_unref(parts[0]);
	http_bytes_unref(payload);
}

void http_channel_send_text(struct http_channel *ch, const char *prefix, size_t prefix_size,
                            struct http_bytes *rest)
{
	uint8_t head[WS_HEAD_MAX + 64];

	assert(prefix_size <= 64);

	size_t n = ws_write_head(head, WS_TEXT, prefix_size + rest->size);

	memcpy(head + n, prefix, prefix_size);

	struct http_bytes *parts[] = { http_bytes_new(head, n + prefix_size), rest };

	http_channel_send(ch, parts, 2);
	http_bytes_unref(parts[0]);
}

size_t http_channel_queued(const struct http_channel *ch)
{
	return channel_conn(ch)->queued;
}

void http_channel_end(struct http_channel *ch)
{
	if (!ch)
		return;

	struct conn *c = channel_conn(ch);

	c->channel.ev = (struct http_channel_events){ 0 };
	if (c->is_closing)
		return;
	if (c->phase == PHASE_WEBSOCKET)
		ws_send(c, WS_CLOSE, http_bytes_new("\x03\xe9", 2)); /* 1001: going away */
	if (c->is_closing)
		return;
	c->closes_after = true;
	if (c->n_out == 0)
		conn_close(c);
}

/* ---- the way in ---- */

/* An answer made here: the request is not understood, and what follows is not to be trusted. */
static void refuse(struct conn *c, int status)
{
	struct http_server *s = c->server;
	struct http_reply reply = { .status = status, .type = "application/json" };
	char text[512] = "";

	if (s->config.error_body)
		s->config.error_body(text, status);
	c->closes_after = true;
	push(c, make_head(c, &reply, (int64_t)strlen(text)));
	push(c, http_bytes_new(text, strlen(text)));
	if (c->request) {
		c->request->conn = NULL;
		free_request(STEAL_PTR(c->request));
	}
	c->phase = PHASE_ANSWERING;
	conn_flush(c, false);
}

static void ask(struct conn *c)
{
	struct http_server *s = c->server;

	c->phase = PHASE_ASKED;
	s->config.asked(s->config.arg, c->request);
}

static struct http_request *new_request(const char *bytes, size_t size, int *ret_status)
{
	struct http_request *r = MEM_NEW(struct http_request);

	r->head_bytes = mem_new(size + 1);
	memcpy(r->head_bytes, bytes, size);
	buf_init(&r->body, 0);
	*ret_status = http_parse_head(r->head_bytes, size, &r->head);
	return r;
}

/* True: something happened, look again. */
static bool work_head(struct conn *c)
{
	struct http_server *s = c->server;

	/* Empty lines before a request are to be forgiven (RFC 9112 §2.2). */
	while (c->in.size >= 2 && memcmp(c->in.data, "\r\n", 2) == 0)
		buf_consume(&c->in, 2);

	size_t n = c->in.size ? http_head_end(c->in.data, c->in.size, c->looked) : 0;

	if (n == 0 || n > HTTP_MAX_HEAD) {
		c->looked = c->in.size;
		if (c->in.size >= HTTP_MAX_HEAD)
			refuse(c, 431);
		return false;
	}

	int status;
	struct http_request *r = new_request(c->in.data, n, &status);

	buf_consume(&c->in, n);
	c->looked = 0;
	r->conn = c;
	r->is_tls = c->ssl;
	TEXT_SET(r->address, c->address);
	c->request = r;
	if (status) {
		refuse(c, status);
		return true;
	}
	if (r->head.content_length > s->config.body_limit(s->config.arg, r)) {
		refuse(c, 413);
		return true;
	}
	if (r->head.wants_continue && r->head.content_length > 0 && c->in.size == 0) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

		push(c, http_bytes_wrap(go_on, sizeof(go_on) - 1, NULL, NULL));
	}
	c->phase = PHASE_BODY;
	set_deadline(c, s->config.head_timeout_ms);
	c->body_deadline_us = loop_now_us(s->loop) + BODY_TIMEOUT_MS * 1000;
	if (c->n_out > 0)
		conn_flush(c, false);
	return true;
}

static bool work_body(struct conn *c)
{
	struct http_request *r = c->request;
	size_t left = (size_t)r->head.content_length - r->body.size;
	size_t n = MIN(left, c->in.size);

	if (n > 0) {
		buf_add(&r->body, c->in.data, n);
		buf_consume(&c->in, n);
	}
	if (n < left)
		return false;
	ask(c);
	return true;
}

static bool ws_message(struct conn *c, const struct ws_frame *f, uint8_t *payload)
{
	size_t size = (size_t)f->size;

	switch (f->opcode) {
	case WS_CLOSE:
		/* Echoed (RFC 6455 §5.5.1), then over. */
		ws_send(c, WS_CLOSE, http_bytes_new(payload, size));
		return false;
	case WS_PING:
		/* Answering pings that are never read would fill our memory. */
		if (c->n_out < 16)
			ws_send(c, WS_PONG, http_bytes_new(payload, size));
		return true;
	case WS_PONG:
		return true;
	case WS_BINARY:
		return false;
	case WS_TEXT:
	case WS_CONTINUATION:
		break;
	}
	buf_add(&c->message, payload, size);
	if (c->message.size > HTTP_WS_MAX_MESSAGE || c->message.overflown)
		return false;
	if (f->is_final) {
		if (c->channel.ev.message)
			c->channel.ev.message(c->channel.ev.arg, buf_peek(&c->message),
			                      c->message.size);
		if (!c->is_closing)
			buf_clear(&c->message);
	}
	return true;
}

static bool work_websocket(struct conn *c)
{
	struct ws_frame f;
	uint8_t *bytes = (uint8_t *)c->in.data;
	int n = ws_parse_head(bytes, c->in.size, &f);

	if (n == 0)
		return false;
	if (n < 0 || f.size > HTTP_WS_MAX_MESSAGE) {
		conn_close(c);
		return false;
	}
	if (c->in.size < (size_t)n + f.size)
		return false;
	ws_unmask(bytes + n, (size_t)f.size, f.mask);
	if (!ws_message(c, &f, bytes + n)) {
		conn_close(c);
		return false;
	}
	if (c->is_closing)
		return false;
	buf_consume(&c->in, (size_t)n + (size_t)f.size);
	return true;
}

static void conn_work(struct conn *c)
{
	bool is_on = true;

	if (c->is_working || c->is_closing)
		return;
	c->is_working = true;
	while (is_on && !c->is_closing) {
		switch (c->phase) {
		case PHASE_HEAD:
			is_on = work_head(c);
			break;
		case PHASE_BODY:
			is_on = work_body(c);
			break;
		case PHASE_WEBSOCKET:
			is_on = work_websocket(c);
			break;
		case PHASE_STREAM:
		case PHASE_LINGER:
			buf_clear(&c->in);
			is_on = false;
			break;
		case PHASE_HANDSHAKE:
		case PHASE_ASKED:
		case PHASE_ANSWERING:
			is_on = false;
			break;
		}
	}
	c->is_working = false;
	conn_update_poll(c);
}

/* Bytes of input that the phase may keep waiting. */
static size_t in_limit(const struct conn *c)
{
	if (c->phase == PHASE_WEBSOCKET)
		return HTTP_WS_MAX_MESSAGE + WS_HEAD_MAX;
	return HTTP_MAX_HEAD;
}

/* One read. False: nothing more for now, or the connection is gone. */
static bool read_once(struct conn *c)
{
	size_t limit = in_limit(c);

	if (c->in.size >= limit)
		return false;

	size_t room = MIN(limit - c->in.size, READ_CHUNK);
	char *dst = buf_reserve(&c->in, room);
	ssize_t n;

	if (c->ssl) {
		int rc = SSL_read(c->ssl, dst, (int)room);

		n = rc > 0 ? rc : tls_result(c, rc);
		c->tls_wants_read = false;
	} else {
		n = recv(c->fd, dst, room, MSG_DONTWAIT);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		conn_close(c);
		return false;
	}
	if (c->phase == PHASE_HEAD && c->in.size == 0)
		set_deadline(c, c->server->config.head_timeout_ms);
	if (c->phase == PHASE_BODY)
		set_deadline(c, c->server->config.head_timeout_ms);
	buf_grew(&c->in, (size_t)n);
	return true;
}

static bool reads_now(const struct conn *c)
{
	return !c->is_closing && c->phase != PHASE_ASKED && c->phase != PHASE_ANSWERING &&
	       c->phase != PHASE_HANDSHAKE;
}

static void conn_readable(struct conn *c)
{
	/* A few reads, so that one fast sender does not keep the others waiting. What TLS has
	 * already taken from the socket must go on, or nobody would wake us for it. */
	for (unsigned i = 0; reads_now(c) && (i < 4 || (c->ssl && SSL_pending(c->ssl) > 0)); i++) {
		if (!read_once(c))
			break;
		conn_work(c);
	}
	if (!c->is_closing)
		conn_update_poll(c);
}

static void shake_hands(struct conn *c)
{
	int rc = SSL_accept(c->ssl);

	if (rc == 1) {
		c->phase = PHASE_HEAD;
		c->tls_wants_read = false;
		set_deadline(c, c->server->config.head_timeout_ms);
		conn_readable(c);
		return;
	}
	if (tls_result(c, rc) < 0 && errno == EAGAIN)
		conn_update_poll(c);
	else
		conn_close(c);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct conn *c = CONTAINER_OF(h, struct conn, poll);

	if (status < 0) {
		conn_close(c);
		return;
	}
	if (c->phase == PHASE_HANDSHAKE) {
		shake_hands(c);
		return;
	}
	if (c->n_out > 0 || c->file_left > 0) {
		c->tls_wants_read = false;
		if ((events & UV_WRITABLE) || c->ssl)
			conn_flush(c, true);
	}
	if (!c->is_closing && (events & UV_READABLE))
		conn_readable(c);
}

/* ---- listening ---- */

static void peer_text(char dst[INET6_ADDRSTRLEN], const struct sockaddr_storage *ss)
{
	const void *addr = &((const struct sockaddr_in *)(const void *)ss)->sin_addr;

	if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)ss;

		addr = &in6->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			(void)inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, dst,
			                INET6_ADDRSTRLEN);
			return;
		}
	}
	if (!inet_ntop(ss->ss_family, addr, dst, INET6_ADDRSTRLEN))
		text_copy(dst, INET6_ADDRSTRLEN, "unknown");
}

static bool is_loopback(const char *address)
{
	return text_starts(address, "127.") || strcmp(address, "::1") == 0;
}

static bool has_room_for(const struct http_server *s, const char *address)
{
	unsigned n = 0;

	if (s->n_conns >= s->config.max_connections)
		return false;
	if (is_loopback(address) ||
	    (s->config.is_exempt && s->config.is_exempt(s->config.arg, address)))
		return true;
	for (const struct conn *c = s->conns; c; c = c->next)
		n += strcmp(c->address, address) == 0;
	return n < s->config.max_per_address;
}

static void add_conn(struct http_server *s, int fd, const char *address)
{
	struct conn *c = MEM_NEW(struct conn);
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->server = s;
	c->fd = fd;
	c->file_fd = -1;
	c->phase = s->ctx ? PHASE_HANDSHAKE : PHASE_HEAD;
	text_copy(c->address, sizeof(c->address), address);
	buf_init(&c->in, 0);
	buf_init(&c->message, 0);
	uv_poll_init(loop_uv(s->loop), &c->poll, fd);
	if (s->ctx) {
		c->ssl = SSL_new(s->ctx);
		SSL_set_fd(c->ssl, fd);
		SSL_set_accept_state(c->ssl);
		c->tls_wants_read = true;
	}
	c->next = s->conns;
	if (c->next)
		c->next->prev = c;
	s->conns = c;
	if (s->n_conns++ == 0)
		timer_start_every(&s->sweep, SWEEP_MS);
	set_deadline(c, s->config.head_timeout_ms);
	conn_update_poll(c);
}

static void set_accepting(struct http_server *s, bool is_on);

static void on_listener(uv_poll_t *h, int status, int events)
{
	struct http_server *s = h->data;
	static const char busy[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
				   "Retry-After: 5\r\nContent-Length: 0\r\n\r\n";

	(void)status;
	(void)events;
	for (unsigned i = 0; i < 64; i++) {
		struct sockaddr_storage ss = { 0 };
		socklen_t size = sizeof(ss);
		int fd =
			accept4(s->fd, (struct sockaddr *)&ss, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		char address[INET6_ADDRSTRLEN];

		if (fd < 0) {
			/* Out of descriptors: the queue stays readable, so look away for a while. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
			    errno == ENOBUFS)
				set_accepting(s, false);
			return;
		}
		peer_text(address, &ss);
		if (!has_room_for(s, address)) {
			if (!s->ctx)
				(void)!send(fd, busy, sizeof(busy) - 1,
				            MSG_NOSIGNAL | MSG_DONTWAIT);
			(void)close(fd);
			continue;
		}
		add_conn(s, fd, address);
	}
}

static void set_accepting(struct http_server *s, bool is_on)
{
	s->is_accepting = is_on;
	if (is_on) {
		uv_poll_start(s->listener, UV_READABLE, on_listener);
	} else {
		uv_poll_stop(s->listener);
		timer_start_every(&s->sweep, SWEEP_MS);
	}
}

static bool is_overdue(const struct conn *c, int64_t now_us)
{
	switch (c->phase) {
	case PHASE_ASKED:
		return false;
	case PHASE_STREAM:
	case PHASE_WEBSOCKET:
		return c->n_out > 0 && now_us >= c->deadline_us;
	case PHASE_ANSWERING:
		return !c->job && now_us >= c->deadline_us;
	case PHASE_BODY:
		return now_us >= MIN(c->deadline_us, c->body_deadline_us);
	case PHASE_HANDSHAKE:
	case PHASE_HEAD:
	case PHASE_LINGER:
		break;
	}
	return now_us >= c->deadline_us;
}

static void sweep(void *arg)
{
	struct http_server *s = arg;
	int64_t now_us = loop_now_us(s->loop);

	for (struct conn *c = s->conns, *next; c; c = next) {
		next = c->next;
		if (is_overdue(c, now_us))
			conn_close(c);
	}
	if (!s->is_accepting)
		set_accepting(s, true);
	if (s->n_conns == 0)
		timer_stop(&s->sweep);
}

static int make_tls(struct http_server *s, struct err *err)
{
	s->ctx = SSL_CTX_new(TLS_server_method());
	if (!s->ctx)
		return err_set(err, -ENOMEM, "starting TLS failed");
	SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(s->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
	                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(s->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                                 SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_use_certificate_chain_file(s->ctx, s->cert_file) != 1) {
		ERR_clear_error();
		return err_set(err, -EINVAL,
		               "'%s' is not a certificate in PEM form that can be read",
		               s->cert_file);
	}
	if (SSL_CTX_use_PrivateKey_file(s->ctx, s->key_file, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(s->ctx) != 1) {
		ERR_clear_error();
		return err_set(err, -EINVAL,
		               "'%s' is not the private key (PEM, without a password) of the "
		               "certificate '%s'",
		               s->key_file, s->cert_file);
	}
	return 0;
}

static int bind_to(struct http_server *s, const struct addrinfo *ai, const char *address,
                   struct err *err)
{
	int one = 1, zero = 0;
	auto_fd int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(err, "opening a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		if (errno == EADDRINUSE)
			return err_set(err, -EADDRINUSE,
			               "port %u is taken by another program: stop that one, or "
			               "choose another port",
			               s->config.port);
		return err_sys(err, "listening on %s, port %u", address, s->config.port);
	}
	if (listen(fd, 256) < 0)
		return err_sys(err, "listening on %s, port %u", address, s->config.port);

	/* The port stands at the same place for both families. */
	struct sockaddr_in6 bound = { 0 };
	socklen_t size = sizeof(bound);

	if (getsockname(fd, (struct sockaddr *)&bound, &size) < 0)
		return err_sys(err, "asking for the port");
	s->port = ntohs(bound.sin6_port);
	s->fd = STEAL_FD(fd);
	return 0;
}

static int start_listening(struct http_server *s, const char *address, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		                  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
	struct addrinfo *found = NULL;
	bool is_any = !address || !*address;
	char port[8];

	snprintf(port, sizeof(port), "%u", s->config.port);
	if (getaddrinfo(is_any ? "::" : address, port, &hints, &found) != 0)
		return err_set(err, -EINVAL,
		               "'%s' is not an address to listen on: give a number such as "
		               "127.0.0.1, or nothing for all",
		               address);

	int rc = bind_to(s, found, is_any ? "all addresses" : address, err);

	freeaddrinfo(found);
	if (rc == 0 || !is_any || rc == -EADDRINUSE)
		return rc;
	/* A machine without IPv6. */
	return start_listening(s, "0.0.0.0", err);
}

static void free_handle(uv_handle_t *h)
{
	free(h);
}

static void set_defaults(struct http_server_config *c)
{
	if (c->max_connections == 0)
		c->max_connections = 512;
	if (c->max_per_address == 0)
		c->max_per_address = 64;
	if (c->head_timeout_ms == 0)
		c->head_timeout_ms = 10000;
	if (c->idle_timeout_ms == 0)
		c->idle_timeout_ms = 60000;
	if (c->stall_timeout_ms == 0)
		c->stall_timeout_ms = 60000;
}

int http_server_new(struct loop *l, const struct http_server_config *config,
                    struct http_server **ret, struct err *err)
{
	struct http_server *s = MEM_NEW(struct http_server);
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	(void)sigaction(SIGPIPE, &ignore, NULL);
	s->loop = l;
	s->config = *config;
	set_defaults(&s->config);
	s->fd = -1;
	s->cert_file = mem_str(config->cert_file);
	s->key_file = mem_str(config->key_file);
	s->headers = mem_str(config->headers);
	timer_init(&s->sweep, l, sweep, s);

	int rc = s->cert_file ? make_tls(s, err) : 0;

	if (rc == 0)
		rc = start_listening(s, config->address, err);
	if (rc < 0) {
		http_server_free(s);
		return rc;
	}
	s->listener = MEM_NEW(uv_poll_t);
	s->listener->data = s;
	uv_poll_init(loop_uv(l), s->listener, s->fd);
	set_accepting(s, true);
	*ret = s;
	return 0;
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	while (s->conns) {
		struct conn *c = s->conns;
		void (*closed)(void *arg) = c->channel.ev.closed;

		c->channel.ev.closed = NULL;
		conn_close(c);
		if (closed)
			closed(c->channel.ev.arg);
	}
	timer_stop(&s->sweep);
	if (s->listener) {
		uv_poll_stop(s->listener);
		uv_close((uv_handle_t *)s->listener, free_handle);
	}
	if (s->fd >= 0)
		(void)close(s->fd);
	SSL_CTX_free(s->ctx);
	free(s->cert_file);
	free(s->key_file);
	free(s->headers);
	free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
	return s->port;
}

unsigned http_server_n_connections(const struct http_server *s)
{
	return s->n_conns;
}

/* ---- requests ---- */

const struct http_head *http_request_head(const struct http_request *r)
{
	return &r->head;
}

const char *http_request_body(const struct http_request *r, size_t *ret_size)
{
	*ret_size = r->body.size;
	return buf_peek(&r->body);
}

const char *http_request_address(const struct http_request *r)
{
	return r->address;
}

bool http_request_is_tls(const struct http_request *r)
{
	return r->is_tls;
}

struct http_request *http_request_fake(const char *raw, size_t size, const char *address,
                                       struct http_answer *ret)
{
	size_t n = http_head_end(raw, size, 0);
	int status = 400;

	*ret = (struct http_answer){ 0 };
	if (n == 0)
		return NULL;

	struct http_request *r = new_request(raw, n, &status);

	if (status) {
		free_request(r);
		ret->status = status;
		return NULL;
	}
	buf_add(&r->body, raw + n, size - n);
	TEXT_SET(r->address, address);
	r->fake = ret;
	return r;
}

void http_answer_fini(struct http_answer *a)
{
	free(a->body);
	*a = (struct http_answer){ 0 };
}
