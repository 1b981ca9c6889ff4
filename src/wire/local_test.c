/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/work.h"
#include "wire/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct asking {
	struct loop *loop;
	char path[128];
	const char *line;
	struct buf answer;
	struct err err;
	int rc;
	struct local_call *call; /* not answered yet */
};

static void echo(void *arg, struct local_call *c, const char *line)
{
	auto_buf struct buf b;

	(void)arg;
	buf_init(&b, 0);
	buf_printf(&b, "you said %s", line);
	local_answer(c, buf_peek(&b));
}

static void ask(void *arg)
{
	struct asking *a = arg;

	a->rc = local_ask(a->path, a->line, 5000, &a->answer, &a->err);
}

static void asked(void *arg)
{
	loop_stop(((struct asking *)arg)->loop);
}

static int dial(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(TEXT_SET(to.sun_path, path));
	CHECK_INT(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void ask_later(void *arg, struct local_call *c, const char *line)
{
	struct asking *a = arg;

	CHECK_STR(line, "status");
	a->call = c;
	loop_stop(a->loop);
}

TEST(a_daemon_that_stops_waits_for_no_silent_caller)
{
	struct loop *l = loop_new();
	struct local_server *s = NULL;
	struct asking a = { .loop = l };

	snprintf(a.path, sizeof(a.path), "%s/control", test_tmp_dir());
	CHECK_INT(local_server_new(l, a.path, ask_later, &a, &s, &a.err), 0);

	int silent = dial(a.path), asking = dial(a.path);

	CHECK_INT(send(asking, "status\n", 7, 0), 7);
	loop_run(l);
	local_server_free(s);
	/* The one that was asked is answered into nowhere or not; nothing of it is left. */
	local_answer(a.call, "gone");
	loop_free(l);
	(void)close(silent);
	(void)close(asking);
}

TEST(the_command_line_asks_the_daemon)
{
	struct loop *l = loop_new();
	struct work_pool *pool = work_pool_new(l, "test", 1);
	struct local_server *s = NULL;
	struct asking a = { .loop = l, .line = "status" };

	snprintf(a.path, sizeof(a.path), "%s/control", test_tmp_dir());
	assert_int_equal(local_server_new(l, a.path, echo, NULL, &s, &a.err), 0);
	work_submit(pool, ask, asked, &a);
	loop_run(l);
	CHECK_INT(a.rc, 0);
	CHECK_STR(buf_peek(&a.answer), "you said status");
	buf_fini(&a.answer);

	/* A question that never ends is cut off, the server lives. */
	char *endless = mem_new(LOCAL_MAX_LINE + 2);

	memset(endless, 'x', LOCAL_MAX_LINE + 1);
	a.line = endless;
	work_submit(pool, ask, asked, &a);
	loop_run(l);
	CHECK(a.rc < 0);
	buf_fini(&a.answer);
	free(endless);

	a.line = "again";
	work_submit(pool, ask, asked, &a);
	loop_run(l);
	CHECK_STR(buf_peek(&a.answer), "you said again");
	buf_fini(&a.answer);
	local_server_free(s);
	work_pool_free(pool);
	loop_free(l);

	CHECK_INT(local_ask(a.path, "x", 100, &a.answer, &a.err), -ENOENT);
	buf_fini(&a.answer);
}
