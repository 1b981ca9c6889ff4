/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/doctor_files.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/stream.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000
#define MAX_LINE 1024
#define MAX_LISTING ((size_t)1 << 20)

enum ftp_step {
	FTP_HELLO,
	FTP_USER,
	FTP_PASS,
	FTP_PBSZ,
	FTP_PROT,
	FTP_EPSV,
	FTP_LIST,
};

struct doctor_files {
	struct doctor_files_config c;
	struct stream *control, *data;
	struct timer limit, soon;
	enum ftp_step step;
	struct buf line;
	size_t n_listed;
	bool is_open, is_data_open, is_told;
	void *session;
	char text[240];
	const char *advice;
};

static const char away[] =
	"Port 990 of the printer must be reachable from this machine: look for a firewall "
	"between them, and restart the printer. Without its files Bedside counts layers but does "
	"not know their heights.";
static const char distrusted[] =
	"Nothing was sent to it. If you are sure that this is your printer, pin its certificate; "
	"otherwise check address and serial.";
static const char other_code[] =
	"Enter the code that the printer's screen shows under its network settings.";
static const char sick[] =
	"Restart the printer; see whether its storage (SD card or USB stick) is in and readable.";

static void tell(struct doctor_files *f, const char *text, const char *advice)
{
	if (f->is_told)
		return;
	f->is_told = true;
	TEXT_SET(f->text, text);
	f->advice = advice;
	timer_stop(&f->limit);
	/* Never from inside a stream's callback: the owner frees us. */
	timer_start(&f->soon, 0);
}

static void on_soon(void *arg)
{
	struct doctor_files *f = arg;

	f->c.done(f->c.arg, f->text, f->advice);
}

static void on_limit(void *arg)
{
	tell(arg, "The file server stopped answering.", sick);
}

static void say(struct doctor_files *f, enum ftp_step step, const char *line)
{
	f->step = step;
	stream_write(f->control, line, strlen(line));
	stream_write(f->control, "\r\n", 2);
	timer_start(&f->limit, WAIT_MS);
}

static void refused(struct doctor_files *f, const char *what, const char *line, const char *advice)
{
	char text[240];

	(void)snprintf(text, sizeof(text), "%s: the printer says '%.120s'.", what, line);
	tell(f, text, advice);
}

/* bambu.md 5.1: some A1 firmware; downloads notice it and go in clear. */
static void only_clear(struct doctor_files *f)
{
	tell(f,
	     "The code is taken, but this firmware does not encrypt the data of files; Bedside "
	     "fetches them in clear.",
	     "");
}

static void data_opened(void *arg)
{
	((struct doctor_files *)arg)->is_data_open = true;
}

static void data_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct doctor_files *f = arg;

	(void)bytes;
	f->n_listed += size;
	if (f->n_listed > MAX_LISTING)
		tell(f, "The listing of files has no end.", sick);
}

static void data_closed(void *arg, const struct err *err)
{
	struct doctor_files *f = arg;

	if (err->code && !f->is_data_open && err->code != -EACCES)
		only_clear(f);
	else if (err->code)
		tell(f, err->text, err->code == -EACCES ? distrusted : sick);
}

static void open_data(struct doctor_files *f, const char *line)
{
	struct stream_events e = { data_opened, data_received, NULL, data_closed, f };
	const char *at = strstr(line, "(|||");
	unsigned long port = at ? strtoul(at + 4, NULL, 10) : 0;

	if (port == 0 || port > 65535) {
		refused(f, "No way for the data of files", line, sick);
		return;
	}
	f->session = tls_stream_session(f->control);
	f->data = f->c.connect(f->c.arg, (uint16_t)port, true, f->session);
	stream_listen(f->data, &e);
	say(f, FTP_LIST, "LIST");
}

static void log_in(struct doctor_files *f)
{
	auto_free char *line = mem_printf("PASS %s", secret_peek(f->c.code));

	say(f, FTP_PASS, line);
	secret_wipe(line, strlen(line));
}

/* The last line of an answer. */
static void answered(struct doctor_files *f, int code, const char *line)
{
	switch (f->step) {
	case FTP_HELLO:
		if (code == 220)
			say(f, FTP_USER, "USER bblp");
		else
			refused(f, "No file server answers", line, away);
		break;
	case FTP_USER:
		if (code == 331)
			log_in(f);
		else
			refused(f, "The file server does not take the login", line, sick);
		break;
	case FTP_PASS:
		if (code == 230)
			say(f, FTP_PBSZ, "PBSZ 0");
		else
			refused(f, "The file server refuses the access code", line, other_code);
		break;
	case FTP_PBSZ:
		say(f, FTP_PROT, "PROT P");
		break;
	case FTP_PROT:
		say(f, FTP_EPSV, "EPSV");
		break;
	case FTP_EPSV:
		open_data(f, line);
		break;
	case FTP_LIST:
		if (code == 226)
			tell(f, "The access code is right, and the files can be listed.", "");
		else if (code == 522 || (code == 425 && !f->is_data_open))
			only_clear(f);
		else if (code >= 200)
			refused(f, "The printer's files cannot be listed", line, sick);
		break;
	}
}

static void take_line(struct doctor_files *f, char *line)
{
	char *rest;
	long code = strtol(line, &rest, 10);

	line[strcspn(line, "\r")] = '\0';
	text_clean(line); /* it may stand in a sentence of ours */
	/* RFC 959: of several lines only the last has a blank behind its number. */
	if (rest == line + 3 && *rest != '-' && code >= 100 && code < 600)
		answered(f, (int)code, line);
}

static void control_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct doctor_files *f = arg;

	for (size_t i = 0; i < size && !f->is_told; i++) {
		if (bytes[i] != '\n') {
			buf_add_char(&f->line, (char)bytes[i]);
			continue;
		}

		auto_free char *line = mem_str(buf_peek(&f->line));

		buf_clear(&f->line);
		take_line(f, line);
	}
	if (f->line.overflown)
		tell(f, "What answers on port 990 is no file server.", away);
}

static void control_opened(void *arg)
{
	struct doctor_files *f = arg;

	f->is_open = true;
	timer_start(&f->limit, WAIT_MS);
}

static void control_closed(void *arg, const struct err *err)
{
	struct doctor_files *f = arg;

	if (!err->code)
		tell(f, "The file server hung up in the middle of the talk.", sick);
	else
		tell(f, err->text, f->is_open ? sick : err->code == -EACCES ? distrusted : away);
}

struct doctor_files *doctor_files_start(const struct doctor_files_config *c)
{
	struct doctor_files *f = MEM_NEW(struct doctor_files);
	struct stream_events e = { control_opened, control_received, NULL, control_closed, f };

	f->c = *c;
	buf_init(&f->line, MAX_LINE);
	timer_init(&f->limit, c->loop, on_limit, f);
	timer_init(&f->soon, c->loop, on_soon, f);
	f->control = c->connect(c->arg, c->port, true, NULL);
	stream_listen(f->control, &e);
	return f;
}

void doctor_files_free(struct doctor_files *f)
{
	if (!f)
		return;
	timer_stop(&f->limit);
	timer_stop(&f->soon);
	stream_free(f->data);
	stream_free(f->control);
	tls_session_free(f->session);
	buf_fini(&f->line);
	free(f);
}
