/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/jpeg_program.h"

#include "base/err.h"
#include "base/text.h"
#include "core/proc.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_MS 2000

static void on_bytes(void *arg, const uint8_t *bytes, size_t size)
{
	struct jpeg_program *p = arg;
	uint8_t *picture;
	size_t picture_size;
	int rc;

	while (!p->is_told &&
	       (rc = jpeg_stream_feed(&p->stream, &bytes, &size, &picture, &picture_size)) != 0) {
		if (rc == 1) {
			p->n_pictures++;
			p->events.picture(p->events.arg, picture, picture_size);
		} else if (rc == -EFBIG) {
			p->events.broken(p->events.arg, "a picture is larger than 32 MB");
			jpeg_stream_fini(&p->stream);
		} else {
			p->events.broken(p->events.arg,
			                 "a picture broke off where the next one began");
		}
	}
}

static void on_line(void *arg, char *line)
{
	struct jpeg_program *p = arg;
	bool is_error = strcasestr(line, "error") || strcasestr(line, "fail") ||
	                strcasestr(line, "no cameras") || strcasestr(line, "not found");

	text_clean(line);
	line += strspn(line, " ");
	if (*line == '\0' || (p->is_error_line && !is_error))
		return;
	p->is_error_line = is_error;
	TEXT_SET(p->line, line);
}

static void say_end(const struct jpeg_program *p, int status, int signal, struct err *err)
{
	const char *colon = p->line[0] ? ": " : "";

	if (signal != 0)
		(void)err_set(err, -EIO, "%s was ended by signal %d%s%s", p->name, signal, colon,
		              p->line);
	else if (status != 0)
		(void)err_set(err, -EIO, "%s ended with status %d%s%s", p->name, status, colon,
		              p->line);
	else if (p->n_pictures == 0)
		(void)err_set(err, -EIO, "%s ended without a picture%s%s", p->name, colon, p->line);
}

static void on_ended(void *arg, int status, int signal)
{
	struct jpeg_program *p = arg;
	struct err err = { 0 };

	if (!p->is_told)
		say_end(p, status, signal, &err);
	if (!p->is_told && p->stream.is_in_picture && p->stream.size > 2)
		p->events.broken(p->events.arg, "the last picture is cut off");
	proc_free(p->proc);
	p->proc = NULL;
	jpeg_stream_fini(&p->stream);
	p->events.gone(p->events.arg, &err);
}

int jpeg_program_start(struct jpeg_program *p, struct loop *l, const char *const *argv,
                       const struct jpeg_program_events *events, struct err *err)
{
	struct proc_config c = {
		.argv = argv, .out_bytes = on_bytes, .err = on_line, .ended = on_ended, .arg = p
	};
	const char *slash = strrchr(argv[0], '/');

	assert(!p->proc);
	*p = (struct jpeg_program){ .events = *events,
		                    .stream = { .max_size = JPEG_PROGRAM_MAX_PICTURE } };
	TEXT_SET(p->name, slash ? slash + 1 : argv[0]);
	return proc_start(l, &c, &p->proc, err);
}

bool jpeg_program_is_running(const struct jpeg_program *p)
{
	return p->proc != NULL;
}

void jpeg_program_stop(struct jpeg_program *p)
{
	if (!p->proc || p->is_told)
		return;
	p->is_told = true;
	proc_close_input(p->proc);
	proc_kill(p->proc, GRACE_MS);
}

void jpeg_program_kill(struct jpeg_program *p)
{
	proc_free(p->proc);
	p->proc = NULL;
	jpeg_stream_fini(&p->stream);
}
