/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/ftps_server.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "wire/stream.h"
#include "wire/tcp_stream.h"
#include "wire/tls_stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_SESSIONS 16
#define MAX_LINE 1024
#define CHUNK 65536
#define TURN_MS 20 /* of a throttled transfer */
#define IDLE_MS 300000
#define LOGIN_MS 60000
#define MAX_WRONG_CODES 3

enum transfer {
	TRANSFER_NONE,
	TRANSFER_LIST,
	TRANSFER_SEND, /* RETR */
	TRANSFER_TAKE, /* STOR */
};

struct session {
	struct ftps_server *server;
	struct stream *control;
	struct buf line;
	char user[64], local[64]; /* the address that the client came to */
	char from[64];            /* the client's own */
	unsigned n_wrong_codes;
	uint64_t n_moved_before; /* as the idle timer saw it last */
	bool is_logged_in, is_private, is_leaving, is_gone;
	char cwd[512]; /* begins with '/' and has no end slash but as root */
	struct timer idle;

	struct tcp_listener *listener; /* of EPSV or PASV */
	struct stream *data;
	bool is_data_ready; /* opened: bytes may flow */
	bool is_data_wrapped;
	enum transfer transfer;
	int fd;
	struct buf listing;
	uint64_t n_moved, rest_at;
	struct timer turn; /* throttling; the delay before 226 */
	bool is_ending;    /* data is through, the reply is due */
	int reply;         /* its code */
};

struct ftps_server {
	struct ftps_config c;
	char address[64], root[1024];
	struct tcp_listener *listener;
	struct session *sessions[MAX_SESSIONS];
	struct timer sweep;
	bool is_off;
};

static void say(struct session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void say(struct session *s, const char *fmt, ...)
{
	char line[700];
	va_list ap;

	va_start(ap, fmt);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang-tidy 14 with several files */
	(void)vsnprintf(line, sizeof(line) - 2, fmt, ap);
	va_end(ap);
	text_copy(line + strlen(line), 3, "\r\n");
	if (!s->is_gone)
		stream_write(s->control, line, strlen(line));
}

static void data_forget(struct session *s)
{
	stream_free(s->data);
	s->data = NULL;
	s->is_data_ready = s->is_data_wrapped = false;
	tcp_listener_close(s->listener);
	s->listener = NULL;
	timer_stop(&s->turn);
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
	buf_clear(&s->listing);
	s->transfer = TRANSFER_NONE;
	s->is_ending = false;
	s->n_moved = 0;
}

static void sessions_sweep(void *arg)
{
	struct ftps_server *f = arg;

	for (size_t i = 0; i < MAX_SESSIONS; i++) {
		struct session *s = f->sessions[i];

		if (!s || !s->is_gone)
			continue;
		data_forget(s);
		timer_stop(&s->idle);
		stream_free(s->control);
		buf_fini(&s->line);
		buf_fini(&s->listing);
		free(s);
		f->sessions[i] = NULL;
	}
}

static void session_drop(struct session *s)
{
	s->is_gone = true;
	timer_start(&s->server->sweep, 0);
}

/* What was said is still sent; nothing more is heard. */
static void leave(struct session *s)
{
	s->is_leaving = true;
	stream_end(s->control);
}

/* Paths. */

/* The absolute form of what a client names, without "." and ".."; false if too long. */
static bool path_resolve(const struct session *s, const char *name, char *dst, size_t size)
{
	char whole[1600];
	size_t n = 1;

	if (size < 2 || snprintf(whole, sizeof(whole), "%s/%s", name[0] == '/' ? "" : s->cwd,
	                         name) >= (int)sizeof(whole))
		return false;
	text_copy(dst, size, "/");
	for (char *at = whole; *at;) {
		size_t part = strcspn(at, "/");

		if (part == 2 && at[0] == '.' && at[1] == '.') {
			while (n > 1 && dst[n - 1] != '/')
				n--;
			n -= n > 1;
			dst[n] = '\0';
		} else if (part > 0 && !(part == 1 && at[0] == '.')) {
			if (n + 1 + part >= size)
				return false;
			if (n > 1)
				dst[n++] = '/';
			memcpy(dst + n, at, part);
			n += part;
			dst[n] = '\0';
		}
		at += part + (at[part] == '/');
	}
	return true;
}

/* Where it lies on our disk. */
static bool path_real(const struct session *s, const char *name, char *dst, size_t size)
{
	char path[600];

	if (!path_resolve(s, name, path, sizeof(path)))
		return false;
	if (path[1] == '\0')
		return text_copy(dst, size, s->server->root);
	return fs_join_confined(dst, size, s->server->root, path + 1);
}

/* Transfers. */

static const struct ftps_rules *rules_of(const struct session *s)
{
	return s->server->c.rules;
}

static void transfer_reply(struct session *s)
{
	int code = s->reply;

	data_forget(s);
	if (code == 226)
		say(s, "226 Transfer complete.");
	else if (code == 426)
		say(s, "426 Failure reading network stream.");
	else if (code == 522)
		say(s, "522 SSL connection failed: session reuse required");
	else if (code == 451)
		say(s, "451 Failure reading or writing local file.");
	else if (code == 552)
		say(s, "552 The file is larger than there is room for.");
	else
		say(s, "425 Failed to establish connection.");
}

static void transfer_end(struct session *s, int code)
{
	if (s->is_ending)
		return;
	s->is_ending = true;
	s->reply = code == 226 && rules_of(s)->aborts_with_426 ? 426 : code;
	/* Never from inside a callback of the data stream: transfer_reply() frees it. */
	timer_start(&s->turn, code == 226 ? rules_of(s)->delay_226_ms : 0);
}

static size_t allowance(const struct session *s)
{
	unsigned rate = rules_of(s)->bytes_per_s;

	return rate ? MAX((size_t)rate * TURN_MS / 1000, (size_t)1) : CHUNK;
}

static void send_more(struct session *s)
{
	char chunk[8192];
	size_t budget = allowance(s);

	if (stream_queued(s->data) > (size_t)4 * CHUNK)
		return;
	while (budget > 0) {
		ssize_t n = read(s->fd, chunk, MIN(budget, sizeof(chunk)));

		if (n < 0) {
			transfer_end(s, 451);
			return;
		}
		if (n == 0) {
			stream_end(s->data);
			return;
		}
		stream_write(s->data, chunk, (size_t)n);
		s->n_moved += (size_t)n;
		budget -= (size_t)n;
	}
	if (rules_of(s)->bytes_per_s)
		timer_start(&s->turn, TURN_MS);
}

static void on_turn(void *arg)
{
	struct session *s = arg;

	if (s->is_ending)
		transfer_reply(s);
	else if (s->transfer == TRANSFER_SEND && s->is_data_ready)
		send_more(s);
	else if (s->transfer == TRANSFER_TAKE && s->data)
		stream_pause_reading(s->data, false);
}

/* The command is known and the connection stands. */
static void transfer_begin(struct session *s)
{
	if (s->is_private && rules_of(s)->demands_reuse && !tls_stream_was_resumed(s->data)) {
		transfer_end(s, 522);
		return;
	}
	if (s->transfer == TRANSFER_LIST) {
		stream_write(s->data, buf_peek(&s->listing), s->listing.size);
		stream_end(s->data);
	} else if (s->transfer == TRANSFER_SEND) {
		send_more(s);
	}
}

static void on_data_opened(void *arg)
{
	struct session *s = arg;

	s->is_data_ready = true;
	if (s->transfer != TRANSFER_NONE && (s->is_data_wrapped || !s->is_private))
		transfer_begin(s);
}

static void on_data_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct session *s = arg;

	size_t all = size;

	if (s->transfer != TRANSFER_TAKE || s->is_ending)
		return;
	if (rules_of(s)->max_file && s->n_moved + size > rules_of(s)->max_file) {
		transfer_end(s, 552);
		return;
	}
	while (size > 0) {
		ssize_t n = write(s->fd, bytes, size);

		if (n <= 0) {
			transfer_end(s, 451);
			return;
		}
		bytes += n;
		size -= (size_t)n;
		s->n_moved += (size_t)n;
	}
	if (rules_of(s)->bytes_per_s) {
		stream_pause_reading(s->data, true);
		timer_start(&s->turn, (int64_t)(all * 1000 / rules_of(s)->bytes_per_s));
	}
}

static void on_data_drained(void *arg)
{
	struct session *s = arg;

	if (s->transfer == TRANSFER_SEND && s->is_data_ready && !s->is_ending &&
	    !timer_is_running(&s->turn))
		send_more(s);
}

static void on_data_closed(void *arg, const struct err *err)
{
	struct session *s = arg;

	if (s->transfer == TRANSFER_NONE)
		data_forget(s); /* gone before it was used: the next command wants another */
	else if (err->code == 0)
		transfer_end(s, 226);
	else
		transfer_end(s, s->is_data_ready ? 426 : 425);
}

static void data_attach(struct session *s)
{
	stream_listen(s->data, &(struct stream_events){ .opened = on_data_opened,
	                                                .received = on_data_received,
	                                                .drained = on_data_drained,
	                                                .closed = on_data_closed,
	                                                .arg = s });
}

/* The handshake comes after the 150, not at connect. */
static void data_go(struct session *s)
{
	if (!s->data || s->transfer == TRANSFER_NONE || s->is_data_wrapped)
		return;
	if (!s->is_private) {
		stream_pause_reading(s->data, false);
		if (s->is_data_ready)
			transfer_begin(s);
		return;
	}
	if (rules_of(s)->only_clear_data) {
		transfer_end(s, 425);
		return;
	}
	s->is_data_ready = false;
	s->is_data_wrapped = true;
	s->data = tls_server_accept(s->server->c.tls, s->server->c.loop, s->data);
	data_attach(s);
}

/* "192.168.1.50" of "192.168.1.50:990". */
static void host_of(const struct stream *stream, char *dst, size_t size)
{
	text_copy(dst, size, stream_peer(stream));

	char *colon = strrchr(dst, ':');

	if (colon)
		*colon = '\0';
}

static void on_data_accepted(void *arg, struct stream *stream)
{
	struct session *s = arg;

	char from[sizeof(s->from)];

	/* Only from where the control connection comes, or anybody could take the file. */
	host_of(stream, from, sizeof(from));
	if (s->data || s->is_gone || strcmp(from, s->from) != 0) {
		stream_free(stream);
		return;
	}
	s->data = stream;
	stream_pause_reading(stream, true);
	data_attach(s);
	data_go(s);
}

/* Asked before a file is touched: a STOR that goes nowhere must not empty it. */
static bool has_data_way(struct session *s)
{
	if (s->listener)
		return true;
	say(s, "425 Use PORT or PASV first.");
	return false;
}

static void transfer_start(struct session *s, enum transfer t)
{
	s->transfer = t;
	say(s, t == TRANSFER_LIST   ? "150 Here comes the directory listing."
	       : t == TRANSFER_SEND ? "150 Opening BINARY mode data connection."
	                            : "150 Ok to send data.");
	data_go(s);
}

/* Commands. */

static void do_passive(struct session *s, bool is_extended)
{
	char address[64];
	struct err err;

	data_forget(s);
	if (!is_extended && strchr(s->local, ':')) {
		say(s, "425 PASV is for IPv4; use EPSV.");
		return;
	}
	if (tcp_listener_open(s->server->c.loop, s->local, 0,
	                      &(struct tcp_accept){ on_data_accepted, s }, &s->listener,
	                      &err) < 0) {
		say(s, "425 %s", err.text);
		return;
	}

	unsigned port = tcp_listener_port(s->listener);

	if (is_extended) {
		say(s, "229 Entering Extended Passive Mode (|||%u|)", port);
		return;
	}
	TEXT_SET(address, s->local);
	for (char *at = address; *at; at++)
		*at = (char)(*at == '.' ? ',' : *at);
	say(s, "227 Entering Passive Mode (%s,%u,%u).", address, port >> 8, port & 255);
}

static void list_line(const struct session *s, struct buf *out, const char *name,
                      const struct stat *st, bool is_bare)
{
	char when[32];
	struct tm tm;
	time_t now = (time_t)(loop_wall_ms(s->server->c.loop) / 1000);
	time_t at = st->st_mtime + (time_t)(rules_of(s)->clock_offset_ms / 1000);

	if (is_bare) {
		buf_printf(out, "%s\r\n", name);
		return;
	}
	gmtime_r(&at, &tm);
	/* Year or time of day, as ls does. */
	(void)strftime(when, sizeof(when),
	               now - at > (time_t)180 * 86400 || at > now + 86400 ? "%b %d  %Y"
	                                                                  : "%b %d %H:%M",
	               &tm);
	buf_printf(out, "%s    1 1000     1000     %8lld %s %s\r\n",
	           S_ISDIR(st->st_mode) ? "drwxr-xr-x" : "-rw-r--r--", (long long)st->st_size, when,
	           name);
}

static void list_folder(struct session *s, const char *path, bool is_bare)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): this DIR is ours alone */
	while (dir && (d = readdir(dir)) != NULL) {
		struct stat st;

		if (d->d_name[0] == '.' || strpbrk(d->d_name, "\r\n") ||
		    fstatat(dirfd(dir), d->d_name, &st, 0) < 0)
			continue;
		list_line(s, &s->listing, d->d_name, &st, is_bare);
	}
	if (dir)
		(void)closedir(dir);
}

static void do_list(struct session *s, const char *arg, bool is_bare)
{
	char path[1700];
	struct stat st;

	/* Options as of ls are skipped: "-a". */
	while (arg[0] == '-')
		arg += strcspn(arg, " ") + (arg[strcspn(arg, " ")] == ' ');
	buf_clear(&s->listing);
	if (!has_data_way(s))
		return;
	if (!rules_of(s)->has_no_storage) {
		if (!path_real(s, arg, path, sizeof(path)) || stat(path, &st) < 0) {
			say(s, "550 Failed to open directory.");
			return;
		}
		if (S_ISDIR(st.st_mode))
			list_folder(s, path, is_bare);
		else
			list_line(s, &s->listing, strrchr(path, '/') + 1, &st, is_bare);
	}
	if (s->listing.overflown) {
		buf_clear(&s->listing);
		say(s, "550 Too many files to list.");
		return;
	}
	transfer_start(s, TRANSFER_LIST);
}

static void do_retr(struct session *s, const char *arg)
{
	char path[1700];
	struct stat st;
	int fd = -1;

	if (!has_data_way(s))
		return;
	if (!rules_of(s)->has_no_storage && path_real(s, arg, path, sizeof(path)))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			(void)close(fd);
		say(s, "550 Failed to open file.");
		return;
	}
	(void)lseek(fd, (off_t)s->rest_at, SEEK_SET); /* behind the end: nothing is left to send */
	s->fd = fd;
	transfer_start(s, TRANSFER_SEND);
}

static void do_stor(struct session *s, const char *arg)
{
	char path[1700];
	int fd = -1, truncates = s->rest_at > 0 ? 0 : O_TRUNC;

	if (!has_data_way(s))
		return;
	if (!rules_of(s)->has_no_storage && path_real(s, arg, path, sizeof(path)))
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | truncates, 0600);
	if (fd < 0) {
		say(s, "553 Could not create file.");
		return;
	}
	(void)lseek(fd, (off_t)s->rest_at, SEEK_SET);
	s->n_moved = s->rest_at;
	s->fd = fd;
	transfer_start(s, TRANSFER_TAKE);
}

static void do_size(struct session *s, const char *arg, bool is_time)
{
	char path[1700], when[32];
	struct stat st;
	struct tm tm;

	if (rules_of(s)->has_no_storage || !path_real(s, arg, path, sizeof(path)) ||
	    stat(path, &st) < 0 || !S_ISREG(st.st_mode)) {
		say(s, "550 Could not get file size.");
		return;
	}
	if (!is_time) {
		say(s, "213 %lld", (long long)st.st_size);
		return;
	}
	gmtime_r(&st.st_mtime, &tm);
	(void)strftime(when, sizeof(when), "%Y%m%d%H%M%S", &tm);
	say(s, "213 %s", when);
}

static void do_cwd(struct session *s, const char *arg)
{
	char path[1700], absolute[sizeof(s->cwd)];
	struct stat st;

	if (!path_resolve(s, arg, absolute, sizeof(absolute)) ||
	    !path_real(s, arg, path, sizeof(path)) || stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		say(s, "550 Failed to change directory.");
		return;
	}
	TEXT_SET(s->cwd, absolute);
	say(s, "250 Directory successfully changed.");
}

static void do_change(struct session *s, const char *arg, const char *verb)
{
	char path[1700];
	int rc = -1;

	if (!rules_of(s)->has_no_storage && path_real(s, arg, path, sizeof(path)) &&
	    !text_equal(path, s->server->root))
		rc = text_equal(verb, "DELE")  ? unlink(path)
		     : text_equal(verb, "MKD") ? mkdir(path, 0700)
		                               : rmdir(path);
	if (rc < 0)
		say(s, "550 %s operation failed.", verb);
	else if (text_equal(verb, "MKD"))
		say(s, "257 \"%s\" created", arg);
	else
		say(s, "250 %s operation successful.", verb);
}

static int64_t idle_ms(const struct session *s)
{
	int64_t ms = rules_of(s)->idle_ms ? rules_of(s)->idle_ms : IDLE_MS;

	return s->is_logged_in ? ms : MIN(ms, (int64_t)LOGIN_MS);
}

static void do_user(struct session *s, const char *arg)
{
	if (s->is_logged_in) {
		say(s, "530 Can't change to another user.");
		return;
	}
	TEXT_SET(s->user, arg);
	say(s, "331 Please specify the password.");
}

static void do_pass(struct session *s, const char *arg)
{
	if (!s->user[0]) {
		say(s, "503 Login with USER first.");
		return;
	}
	if (s->is_logged_in) {
		say(s, "230 Already logged in.");
		return;
	}
	if (!s->server->c.login(s->server->c.arg, s->user, arg)) {
		s->user[0] = '\0';
		say(s, "530 Login incorrect.");
		/* As vsftpd does: whoever guesses has to come back. */
		if (++s->n_wrong_codes == MAX_WRONG_CODES)
			leave(s);
		return;
	}
	s->is_logged_in = true;
	timer_start(&s->idle, idle_ms(s));
	say(s, "230 Login successful.");
}

static void do_rest(struct session *s, const char *arg)
{
	uint64_t at;

	if (rules_of(s)->is_small) {
		say(s, "502 Command not implemented.");
		return;
	}
	if (!text_to_u64(arg, 10, &at) || at > INT64_MAX) {
		say(s, "501 Bad restart position.");
		return;
	}
	s->rest_at = at;
	say(s, "350 Restart position accepted (%llu).", (unsigned long long)at);
}

static void do_feat(struct session *s)
{
	if (rules_of(s)->is_small)
		say(s, "502 Command not implemented.");
	else
		say(s,
		    "211-Features:\r\n EPSV\r\n PASV\r\n PBSZ\r\n PROT\r\n REST STREAM\r\n SIZE\r\n"
		    " UTF8\r\n211 End");
}

/* Before the login; true if it was one of these. */
static bool command_open(struct session *s, const char *verb, const char *arg)
{
	if (text_equal(verb, "USER")) {
		do_user(s, arg);
	} else if (text_equal(verb, "PASS")) {
		do_pass(s, arg);
	} else if (text_equal(verb, "PBSZ")) {
		say(s, "200 PBSZ set to 0.");
	} else if (text_equal(verb, "QUIT")) {
		say(s, "221 Goodbye.");
		leave(s);
	} else if (text_equal(verb, "FEAT")) {
		do_feat(s);
	} else if (text_equal(verb, "NOOP")) {
		say(s, "200 NOOP ok.");
	} else if (text_equal(verb, "OPTS")) {
		say(s, "200 Always in UTF8 mode.");
	} else {
		return false;
	}
	return true;
}

static void do_prot(struct session *s, const char *arg)
{
	if (!text_equal_nocase(arg, "P") && !text_equal_nocase(arg, "C")) {
		say(s, "536 PROT %.8s is not supported.", arg);
		return;
	}
	s->is_private = text_equal_nocase(arg, "P");
	say(s, s->is_private ? "200 PROT now Private." : "200 PROT now Clear.");
}

static void do_abor(struct session *s)
{
	if (s->transfer == TRANSFER_NONE) {
		say(s, "225 No transfer to ABOR.");
		return;
	}
	data_forget(s);
	say(s, "426 Failure writing network stream.");
	say(s, "226 ABOR successful.");
}

static bool command_plain(struct session *s, const char *verb, const char *arg)
{
	if (text_equal(verb, "PROT")) {
		do_prot(s, arg);
	} else if (text_equal(verb, "TYPE")) {
		say(s, "200 Switching to Binary mode.");
	} else if (text_equal(verb, "SYST")) {
		say(s, "215 UNIX Type: L8");
	} else if (text_equal(verb, "PWD")) {
		say(s, "257 \"%s\" is the current directory", s->cwd);
	} else if (text_equal(verb, "CWD")) {
		do_cwd(s, arg);
	} else if (text_equal(verb, "CDUP")) {
		do_cwd(s, "..");
	} else if (text_equal(verb, "SIZE") || text_equal(verb, "MDTM")) {
		do_size(s, arg, verb[0] == 'M');
	} else if (text_equal(verb, "DELE") || text_equal(verb, "MKD") || text_equal(verb, "RMD")) {
		do_change(s, arg, verb);
	} else if (text_equal(verb, "REST")) {
		do_rest(s, arg);
	} else {
		return false;
	}
	return true;
}

static void command_data(struct session *s, const char *verb, const char *arg)
{
	if (text_equal(verb, "EPSV") || text_equal(verb, "PASV"))
		do_passive(s, verb[0] == 'E');
	else if (text_equal(verb, "LIST") || text_equal(verb, "NLST"))
		do_list(s, arg, verb[0] == 'N');
	else if (text_equal(verb, "RETR"))
		do_retr(s, arg);
	else if (text_equal(verb, "STOR"))
		do_stor(s, arg);
	else
		say(s, "502 Command not implemented.");
	/* REST speaks of the next transfer only; EPSV may stand between. */
	if (!text_equal(verb, "EPSV") && !text_equal(verb, "PASV"))
		s->rest_at = 0;
}

static void command(struct session *s, char *line)
{
	char *arg = strchr(line, ' ');

	if (arg)
		*arg++ = '\0';
	else
		arg = line + strlen(line);
	for (char *c = line; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
	if (command_open(s, line, arg))
		return;
	if (!s->is_logged_in)
		say(s, "530 Please login with USER and PASS.");
	else if (text_equal(line, "ABOR"))
		do_abor(s);
	else if (s->transfer != TRANSFER_NONE)
		say(s, "450 A transfer is under way.");
	else if (!command_plain(s, line, arg))
		command_data(s, line, arg);
}

static void on_control_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct session *s = arg;

	timer_start(&s->idle, idle_ms(s));
	for (size_t i = 0; i < size && !s->is_gone && !s->is_leaving; i++) {
		if (bytes[i] != '\n') {
			buf_add_char(&s->line, (char)bytes[i]);
			continue;
		}

		auto_free char *line = mem_str(buf_peek(&s->line));

		secret_wipe(s->line.data, s->line.size); /* it may be the access code */
		buf_clear(&s->line);
		line[strcspn(line, "\r")] = '\0';
		command(s, line);
		secret_wipe(line, strlen(line));
	}
	if (s->line.overflown || s->line.size > MAX_LINE)
		session_drop(s);
}

static void on_control_opened(void *arg)
{
	struct session *s = arg;

	say(s, rules_of(s)->is_small ? "220 Welcome" : "220 (vsFTPd 3.0.5)");
}

static void on_control_closed(void *arg, const struct err *err)
{
	(void)err;
	session_drop(arg);
}

static void on_idle(void *arg)
{
	struct session *s = arg;

	/* The control connection is silent for as long as a file takes; the data are not. */
	if (s->transfer != TRANSFER_NONE && s->n_moved != s->n_moved_before) {
		s->n_moved_before = s->n_moved;
		timer_start(&s->idle, idle_ms(s));
		return;
	}
	say(s, "421 Timeout.");
	data_forget(s);
	leave(s);
}

static void on_accepted(void *arg, struct stream *stream)
{
	struct ftps_server *f = arg;
	size_t i = 0;

	while (i < MAX_SESSIONS && f->sessions[i])
		i++;
	if (i == MAX_SESSIONS || f->is_off) {
		stream_free(stream);
		return;
	}

	struct session *s = MEM_NEW(struct session);

	s->server = f;
	s->fd = -1;
	TEXT_SET(s->cwd, "/");
	if (!tcp_stream_local_address(stream, s->local, sizeof(s->local)))
		TEXT_SET(s->local, f->address);
	buf_init(&s->line, MAX_LINE + 1);
	buf_init(&s->listing, 4 << 20);
	timer_init(&s->idle, f->c.loop, on_idle, s);
	timer_init(&s->turn, f->c.loop, on_turn, s);
	host_of(stream, s->from, sizeof(s->from));
	timer_start(&s->idle, idle_ms(s));
	s->control = tls_server_accept(f->c.tls, f->c.loop, stream);
	f->sessions[i] = s;
	stream_listen(s->control, &(struct stream_events){ .opened = on_control_opened,
	                                                   .received = on_control_received,
	                                                   .closed = on_control_closed,
	                                                   .arg = s });
}

int ftps_server_open(const struct ftps_config *c, struct ftps_server **ret, struct err *err)
{
	struct ftps_server *f = MEM_NEW(struct ftps_server);

	f->c = *c;
	TEXT_SET(f->address, c->address);
	TEXT_SET(f->root, c->root);
	timer_init(&f->sweep, c->loop, sessions_sweep, f);

	int rc = tcp_listener_open(c->loop, c->address, c->port,
	                           &(struct tcp_accept){ on_accepted, f }, &f->listener, err);

	if (rc < 0) {
		free(f);
		return rc;
	}
	*ret = f;
	return 0;
}

uint16_t ftps_server_port(const struct ftps_server *s)
{
	return tcp_listener_port(s->listener);
}

void ftps_server_drop(struct ftps_server *s)
{
	for (size_t i = 0; i < MAX_SESSIONS; i++)
		if (s->sessions[i])
			session_drop(s->sessions[i]);
}

void ftps_server_set_off(struct ftps_server *s, bool is_off)
{
	s->is_off = is_off;
}

void ftps_server_close(struct ftps_server *s)
{
	if (!s)
		return;
	ftps_server_drop(s);
	sessions_sweep(s);
	timer_stop(&s->sweep);
	tcp_listener_close(s->listener);
	free(s);
}
