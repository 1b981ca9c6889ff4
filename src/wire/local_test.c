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

struct asking {
	struct loop *loop;
	char path[128];
	const char *line;
	struct buf answer;
	struct err err;
	int rc;
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
