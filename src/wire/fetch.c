/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/fetch.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "wire/tls_stream.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define MAX_RUNNING 4
#define CONNECT_TIMEOUT_MS 10000L
#define RESPONSE_TIMEOUT_S 60L /* an H2D needs half a minute and more */
#define DEFAULT_STALL_MS 60000
#define TOTAL_TIMEOUT_S 7200L /* 2 GB at 300 kB/s */
#define DEFAULT_MAX_SIZE ((uint64_t)2 << 30)
#define STACK_SIZE (512u << 10)

struct fetch {
	struct fetcher *owner; /* NULL once that is gone */
	struct loop *loop;
	struct fetch *prev, *next; /* fetcher.list */
	pthread_t thread;
	struct fetch_events events; /* loop only */
	bool is_abandoned;          /* loop only: nobody waits */
	bool is_joined;             /* loop only */

	/* set before start, then read-only */
	char **urls;
	size_t n_urls;
	char *user, *dest, *part;
	struct secret password, header;
	bool has_tls, is_data_clear;
	struct tls_judge judge;
	uint64_t max_size;
	int64_t stall_ms, wall_ms;

	atomic_bool is_cancelled;
	pthread_mutex_t lock; /* a leaf */
	int socket;           /* protected by lock: the newest one, -1 none */
	atomic_uint_least64_t got, total;
	atomic_bool is_told; /* a post about progress is on its way */

	/* the thread's, until its last post */
	int fd;
	uint64_t written;
	bool is_refused;      /* by our own judgement of the certificate */
	struct tls_leaf leaf; /* the last that was judged */
	char peer[80];        /* of the URL that is tried: "192.168.1.50:990" */
	char why[CURL_ERROR_SIZE];
	struct fetch_result result;
};

struct fetcher {
	struct loop *loop;
	struct fetch *list;
	unsigned n_running;
};

/* ---- trust ---- */

static int on_verify(X509_STORE_CTX *x, void *arg)
{
	struct fetch *t = arg;
	int is_trusted = tls_judge_verify(&t->judge, x, t->peer, t->wall_ms, &t->leaf);

	t->is_refused |= !is_trusted;
	return is_trusted;
}

static CURLcode on_ssl_ctx(CURL *easy, void *ctx, void *arg)
{
	(void)easy;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, arg);
	return CURLE_OK;
}

/* ---- the thread ---- */

static void tell_progress(void *arg);

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
	struct fetch *t = arg;
	size_t done = 0;

	(void)one;
	if (t->written + n > t->max_size) {
		t->result.code = -EFBIG;
		return 0;
	}
	while (done < n) {
		ssize_t w = write(t->fd, bytes + done, n - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			t->result.code = err_sys(&t->result.err, "writing %s", t->part);
			return 0;
		}
		done += (size_t)w;
	}
	t->written += n;
	return n;
}

static int on_transfer(void *arg, curl_off_t total, curl_off_t got, curl_off_t up_total,
                       curl_off_t up)
{
	struct fetch *t = arg;

	(void)up_total;
	(void)up;
	if (atomic_load(&t->is_cancelled))
		return 1;
	if (got > 0 && (uint64_t)got != atomic_load(&t->got) &&
	    !atomic_exchange(&t->is_told, true)) {
		atomic_store(&t->got, (uint64_t)got);
		atomic_store(&t->total, (uint64_t)total);
		loop_post(t->loop, tell_progress, t);
	}
	return 0;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct fetch *t = arg;
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

	(void)purpose;
	pthread_mutex_lock(&t->lock);
	t->socket = fd;
	pthread_mutex_unlock(&t->lock);
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_close_socket(void *arg, curl_socket_t fd)
{
	struct fetch *t = arg;

	pthread_mutex_lock(&t->lock);
	if (t->socket == fd)
		t->socket = -1;

	int rc = close(fd);

	pthread_mutex_unlock(&t->lock);
	return rc;
}

static void set_trust(struct fetch *t, CURL *e)
{
	if (!t->has_tls)
		return;
	/* libcurl looks at the result of the verification, which on_verify() writes. */
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, t);
	/* bambu.md 5.1: with 1.3 the ticket for the data connection comes too late */
	if (text_starts(t->urls[0], "ftps:"))
		curl_easy_setopt(e, CURLOPT_SSLVERSION,
		                 (long)CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2);
}

static void set_options(struct fetch *t, CURL *e)
{
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https,ftps");
	curl_easy_setopt(e, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_transfer);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, t);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, t);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
	curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, RESPONSE_TIMEOUT_S);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)((t->stall_ms + 999) / 1000));
	curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->max_size);
	/* A byte a second is no stall; nothing takes a place of the four for ever, though. */
	curl_easy_setopt(e, CURLOPT_TIMEOUT, TOTAL_TIMEOUT_S);
	/* Who cancels does not wait for a name that is still looked up. */
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_FTP_USE_EPSV, 1L);
	curl_easy_setopt(e, CURLOPT_FTP_SKIP_PASV_IP, 1L);
	curl_easy_setopt(e, CURLOPT_FTP_FILEMETHOD, (long)CURLFTPMETHOD_NOCWD);
	curl_easy_setopt(e, CURLOPT_USE_SSL,
	                 (long)(t->is_data_clear ? CURLUSESSL_CONTROL : CURLUSESSL_ALL));
	curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)(CURLAUTH_BASIC | CURLAUTH_DIGEST));
	if (t->user)
		curl_easy_setopt(e, CURLOPT_USERNAME, t->user);
	if (secret_is_set(&t->password))
		curl_easy_setopt(e, CURLOPT_PASSWORD, secret_peek(&t->password));
	set_trust(t, e);
}

static bool is_not_there(CURLcode rc, long response)
{
	return rc == CURLE_REMOTE_FILE_NOT_FOUND || rc == CURLE_REMOTE_ACCESS_DENIED ||
	       (rc == CURLE_FTP_COULDNT_RETR_FILE && response == 550) ||
	       (rc == CURLE_HTTP_RETURNED_ERROR && (response == 404 || response == 410));
}

static int code_of(const struct fetch *t, CURLcode rc, long response)
{
	if (is_not_there(rc, response))
		return -ENOENT;
	if (t->is_refused || rc == CURLE_PEER_FAILED_VERIFICATION)
		return -EPERM;
	if (rc == CURLE_HTTP_RETURNED_ERROR && (response == 401 || response == 403))
		return -EACCES;
	switch (rc) {
	case CURLE_LOGIN_DENIED:
		return -EACCES;
	case CURLE_FILESIZE_EXCEEDED:
		return -EFBIG;
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_FTP_ACCEPT_TIMEOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	case CURLE_FTP_WEIRD_PASV_REPLY:
	case CURLE_FTP_WEIRD_227_FORMAT:
		/* A data connection that broke in its handshake makes libcurl ask again, by PASV,
		 * and take the 150 of the file for the answer. */
		return response >= 100 && response < 200 ? -EPROTO : -EIO;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_USE_SSL_FAILED:
		/* Once an FTP answer has come, the control connection's TLS stands. */
		return response > 0 ? -EPROTO : -EIO;
	default:
		return response == 425 || response == 522 ? -EPROTO : -EIO;
	}
}

static const char *words_of(int code)
{
	switch (code) {
	case -ENOENT:
		return "the file is not there";
	case -EACCES:
		return "the access code, key or login is refused";
	case -EPERM:
		return "the certificate is not trusted; nothing was sent";
	case -EFBIG:
		return "the file is larger than allowed";
	case -ETIMEDOUT:
		return "nothing came any more";
	case -EHOSTUNREACH:
		return "it cannot be reached";
	case -EPROTO:
		return "the encryption of the data connection failed";
	default:
		return "the download failed";
	}
}

/* Some firmware ends a transfer with 426, or without an answer, when all of it has come: what SIZE
 * told decides (bambu.md 5.1). */
static bool is_whole(const struct fetch *t, CURL *e)
{
	curl_off_t size = -1;

	return t->result.code == 0 && !t->is_refused &&
	       curl_easy_getinfo(e, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size) == CURLE_OK &&
	       size > 0 && t->written == (uint64_t)size;
}

/* Whom the sentences about the certificate speak of. */
static void set_peer(struct fetch *t, const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL;

	if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		(void)snprintf(t->peer, sizeof(t->peer), "%s:%s", host, port);
	else
		TEXT_SET(t->peer, "the server");
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
}

/* One URL. Returns a code as in fetch_result. */
static int try_url(struct fetch *t, CURL *e, size_t i)
{
	long response = 0;

	t->result.url = i;
	t->result.code = 0;
	t->written = 0;
	t->why[0] = '\0';
	if (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0)
		return err_sys(&t->result.err, "writing %s", t->part);
	set_peer(t, t->urls[i]);
	curl_easy_setopt(e, CURLOPT_URL, t->urls[i]);

	CURLcode rc = curl_easy_perform(e);

	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &response);
	/* Nobody is followed elsewhere: what came is not the file. */
	if (rc == CURLE_OK && text_starts(t->urls[i], "http") && response >= 300)
		return err_set(&t->result.err, -EIO, "%s sends us elsewhere (HTTP %ld)", t->peer,
		               response);
	if (rc == CURLE_OK)
		return 0;
	if (t->result.err.code) /* the disk's fault */
		return t->result.err.code;
	if (is_whole(t, e))
		return 0;

	int code = t->result.code ? t->result.code : code_of(t, rc, response);

	if (code == -EPERM && t->leaf.reason[0])
		(void)err_set(&t->result.err, code, "%s", t->leaf.reason);
	else if (code != -ENOENT || i + 1 == t->n_urls)
		(void)err_set(&t->result.err, code, "%s (%s)", words_of(code),
		              t->why[0] ? t->why : curl_easy_strerror(rc));
	return code;
}

static int fetch_all(struct fetch *t)
{
	CURL *e = curl_easy_init();
	struct curl_slist *headers = NULL;
	int code = -EIO;

	if (!e)
		return err_set(&t->result.err, -ENOMEM, "libcurl does not start");
	set_options(t, e);
	if (secret_is_set(&t->header))
		headers = curl_slist_append(NULL, secret_peek(&t->header));
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	for (size_t i = 0; i < t->n_urls && !atomic_load(&t->is_cancelled); i++) {
		code = try_url(t, e, i);
		if (code != -ENOENT)
			break;
	}
	curl_easy_cleanup(e);
	curl_slist_free_all(headers);
	return code;
}

static void finish(void *arg);

static int open_part(struct fetch *t)
{
	return open(t->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* The folder may be missing: then it is made. */
static void make_folder(const struct fetch *t)
{
	const char *slash = strrchr(t->part, '/');
	auto_free char *dir = slash ? mem_printf("%.*s", (int)(slash - t->part), t->part) : NULL;

	if (dir)
		(void)!fs_make_dirs(dir, NULL);
}

static void *run(void *arg)
{
	struct fetch *t = arg;
	int code;

	t->fd = open_part(t);
	if (t->fd < 0 && errno == ENOENT) {
		make_folder(t);
		t->fd = open_part(t);
	}
	if (t->fd < 0) {
		code = err_sys(&t->result.err, "writing %s", t->part);
	} else {
		code = fetch_all(t);
		(void)close(t->fd);
		if (code == 0 && !atomic_load(&t->is_cancelled) && rename(t->part, t->dest) < 0)
			code = err_sys(&t->result.err, "writing %s", t->dest);
		if (code != 0 || atomic_load(&t->is_cancelled))
			(void)unlink(t->part);
	}
	t->result.code = code;
	t->result.size = t->written;
	ERR_clear_error();
	loop_post(t->loop, finish, t);
	return NULL;
}

/* ---- the loop's side ---- */

static void tell_progress(void *arg)
{
	struct fetch *t = arg;

	/* Posts keep their order: finish() comes after the last of these. */
	atomic_store(&t->is_told, false);
	if (!t->is_abandoned && t->events.progress)
		t->events.progress(t->events.arg, atomic_load(&t->got), atomic_load(&t->total));
}

static void release(struct fetch *t)
{
	for (size_t i = 0; i < t->n_urls; i++)
		free(t->urls[i]);
	free(t->urls);
	free(t->user);
	free(t->dest);
	free(t->part);
	tls_judge_fini(&t->judge);
	secret_fini(&t->password);
	secret_fini(&t->header);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* NOLINTNEXTLINE(readability-function-size): the list macros' branches count */
static void finish(void *arg)
{
	struct fetch *t = arg;

	if (!t->is_joined)
		pthread_join(t->thread, NULL);
	if (t->owner) {
		DL_DELETE(t->owner->list, t);
		t->owner->n_running--;
	}
	if (!t->is_abandoned)
		t->events.done(t->events.arg, &t->result);
	release(t);
}

struct fetcher *fetcher_new(struct loop *l)
{
	struct fetcher *f = MEM_NEW(struct fetcher);

	f->loop = l;
	return f;
}

static int start_thread(struct fetch *t)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);

	int rc = pthread_create(&t->thread, &attr, run, t);

	pthread_attr_destroy(&attr);
	return rc;
}

struct fetch *fetch_start(struct fetcher *f, const struct fetch_request *r,
                          const struct fetch_events *events, struct err *err)
{
	if (f->n_running >= MAX_RUNNING) {
		(void)err_set(err, -EBUSY, "too many downloads at once");
		return NULL;
	}

	struct fetch *t = MEM_NEW(struct fetch);

	t->owner = f;
	t->loop = f->loop;
	pthread_mutex_init(&t->lock, NULL);
	t->events = *events;
	t->urls = mem_new_array(r->n_urls, sizeof(*t->urls));
	t->n_urls = r->n_urls;
	for (size_t i = 0; i < r->n_urls; i++)
		t->urls[i] = mem_str(r->urls[i]);
	t->user = mem_str(r->user);
	secret_set(&t->header, r->header);
	secret_set(&t->password, r->password);
	t->dest = mem_str(r->dest_path);
	t->part = mem_printf("%s.part", r->dest_path);
	t->max_size = r->max_size ? r->max_size : DEFAULT_MAX_SIZE;
	t->stall_ms = r->stall_ms ? r->stall_ms : DEFAULT_STALL_MS;
	t->is_data_clear = r->is_data_clear;
	t->wall_ms = loop_wall_ms(f->loop);
	t->fd = -1;
	t->socket = -1;
	t->has_tls = r->tls;
	if (r->tls)
		tls_judge_init(&t->judge, r->tls);

	int rc = start_thread(t);

	if (rc != 0) {
		(void)err_set(err, -rc, "no thread for the download");
		release(t);
		return NULL;
	}
	DL_APPEND(f->list, t);
	f->n_running++;
	return t;
}

void fetch_cancel(struct fetch *t)
{
	t->is_abandoned = true;
	atomic_store(&t->is_cancelled, true);

	/* wakes the thread from a wait */
	pthread_mutex_lock(&t->lock);
	if (t->socket >= 0)
		(void)shutdown(t->socket, SHUT_RDWR);
	pthread_mutex_unlock(&t->lock);
}

/* NOLINTNEXTLINE(readability-function-size): the list macros' branches count */
void fetcher_free(struct fetcher *f)
{
	struct fetch *t, *next;

	if (!f)
		return;
	DL_FOREACH_SAFE(f->list, t, next)
	fetch_cancel(t);
	while (f->list) {
		t = f->list;
		DL_DELETE(f->list, t);
		pthread_join(t->thread, NULL);
		t->is_joined = true;
		t->owner = NULL; /* its last post, which frees it, is queued */
	}
	free(f);
}

char *fetch_escape_path(const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-_.~/";
	struct buf b;

	buf_init(&b, 0);
	for (const char *p = path; *p; p++) {
		if (strchr(plain, *p))
			buf_add_char(&b, *p);
		else
			buf_printf(&b, "%%%02X", (unsigned char)*p);
	}
	return buf_steal(&b);
}
