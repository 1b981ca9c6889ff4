/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/proc.h"
#include "core/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
	struct loop *loop;
	struct proc *proc;
	char out[4][64];
	char err[64];
	int n_out, status, signal, n_ended;
};

static void on_out(void *arg, char *line)
{
	struct child *c = arg;

	TEXT_SET(c->out[c->n_out % 4], line);
	c->n_out++;
}

static void on_err(void *arg, char *line)
{
	struct child *c = arg;

	TEXT_SET(c->err, line);
}

static void on_ended(void *arg, int status, int signal)
{
	struct child *c = arg;

	c->status = status;
	c->signal = signal;
	c->n_ended++;
	proc_free(c->proc);
	c->proc = NULL;
	loop_stop(c->loop);
}

static int start(struct child *c, const char *const *argv, struct err *err)
{
	const struct proc_config config = {
		.argv = argv, .out = on_out, .err = on_err, .ended = on_ended, .arg = c
	};

	return proc_start(c->loop, &config, &c->proc, err);
}

TEST(proc_hands_over_lines_and_the_status)
{
	static const char *const argv[] = {
		"sh", "-c", "read a; echo \"got $a\"; echo; echo oh >&2; printf end; exit 3", NULL
	};
	struct child c = { .loop = loop_new() };

	CHECK_INT(start(&c, argv, NULL), 0);
	proc_write(c.proc, "hello\n", 6);
	loop_run(c.loop);
	CHECK_INT(c.n_out, 3);
	CHECK_STR(c.out[0], "got hello");
	CHECK_STR(c.out[1], "");
	CHECK_STR(c.out[2], "end");
	CHECK_STR(c.err, "oh");
	CHECK_INT(c.status, 3);
	CHECK_INT(c.signal, 0);
	CHECK_INT(c.n_ended, 1);
	loop_free(c.loop);
}

TEST(proc_child_inherits_the_descriptors_that_it_is_given)
{
	static const char *const argv[] = { "sh", "-c", "read x <&3; echo \"$x\" >&4", NULL };
	struct child c = { .loop = loop_new() };
	int in[2], out[2];
	char heard[8] = "";
	struct err err;

	CHECK_INT(pipe(in), 0);
	CHECK_INT(pipe(out), 0);

	const int fds[] = { in[0], out[1] };
	const struct proc_config config = {
		.argv = argv, .ended = on_ended, .arg = &c, .fds = fds, .n_fds = 2
	};

	CHECK_INT(proc_start(c.loop, &config, &c.proc, &err), 0);
	CHECK_INT(write(in[1], "lent\n", 5), 5);
	loop_run(c.loop);
	CHECK_INT(c.status, 0);
	CHECK_INT(read(out[0], heard, 5), 5);
	CHECK_STR(heard, "lent\n");
	for (int i = 0; i < 2; i++) {
		(void)close(in[i]);
		(void)close(out[i]);
	}
	loop_free(c.loop);
}

TEST(proc_end_of_input_ends_a_reader)
{
	static const char *const argv[] = { "cat", NULL };
	struct child c = { .loop = loop_new() };

	CHECK_INT(start(&c, argv, NULL), 0);
	proc_write(c.proc, "a\nb\n", 4);
	proc_close_input(c.proc);
	loop_run(c.loop);
	CHECK_INT(c.n_out, 2);
	CHECK_STR(c.out[1], "b");
	CHECK_INT(c.status, 0);
	loop_free(c.loop);
}

TEST(proc_kill_comes_after_the_grace)
{
	static const char *const argv[] = { "sh", "-c",
		                            "trap '' TERM; echo up; while :; do :; done", NULL };
	struct child c = { .loop = loop_new() };

	CHECK_INT(start(&c, argv, NULL), 0);
	proc_kill(c.proc, 20);
	loop_run(c.loop);
	CHECK(c.signal == SIGKILL || c.signal == SIGTERM);
	CHECK_INT(c.n_ended, 1);
	loop_free(c.loop);
}

static void kill_at_line(void *arg, char *line)
{
	struct child *c = arg;

	CHECK_STR(line, "x");
	if (c->n_out++ == 0)
		proc_kill(c->proc, 1000);
}

static void on_hang(void *arg UNUSED)
{
	fail_msg("it never ended");
}

TEST(proc_that_was_killed_is_over_though_its_children_hold_the_pipe)
{
	static const char *const argv[] = {
		"sh", "-c", "while sleep 0.1 && echo x; do :; done & exec sleep 1000", NULL
	};
	struct child c = { .loop = loop_new() };
	const struct proc_config config = {
		.argv = argv, .out = kill_at_line, .ended = on_ended, .arg = &c
	};
	struct timer limit;

	timer_init(&limit, c.loop, on_hang, &c);
	timer_start(&limit, 60000);
	CHECK_INT(proc_start(c.loop, &config, &c.proc, NULL), 0);
	loop_run(c.loop);
	timer_stop(&limit);
	CHECK_INT(c.n_ended, 1);
	loop_free(c.loop);
}

TEST(proc_names_the_program_that_is_not_there)
{
	static const char *const argv[] = { "/nowhere/at-all", NULL };
	struct child c = { .loop = loop_new() };
	struct err err = { 0 };

	CHECK_INT(start(&c, argv, &err), -ENOENT);
	CHECK(strstr(err.text, "/nowhere/at-all"));
	CHECK(!c.proc);
	loop_free(c.loop);
}

TEST(proc_freed_while_running_leaves_no_child)
{
	static const char *const argv[] = { "sleep", "1000", NULL };
	struct child c = { .loop = loop_new() };

	CHECK_INT(start(&c, argv, NULL), 0);
	pid_t pid = proc_pid(c.proc);

	CHECK(pid > 0);
	proc_free(c.proc);
	loop_free(c.loop);
	CHECK_INT(c.n_ended, 0);
	CHECK(kill(pid, 0) < 0 && errno == ESRCH);
}

/* What a sandboxed child could still do, as bits. */
static int try_things(const char *read, const char *write, const char *other)
{
	const char *const reads[] = { read, NULL }, *const writes[] = { write, NULL };
	const struct sandbox_rules r = { .read = reads, .write = writes };
	char path[512];
	int got = sandbox_enter(&r, NULL);

	if (got < 0)
		return 64;
	int could = 0;

	(void)snprintf(path, sizeof(path), "%s/made", write);
	FILE *f = fopen(path, "w");

	could |= f ? 1 : 0;
	if (f)
		(void)fclose(f);
	(void)snprintf(path, sizeof(path), "%s/seen", other);
	f = fopen(path, "r");
	could |= f && (got & SANDBOX_FILES) ? 2 : 0;
	if (f)
		(void)fclose(f);
	could |= socket(AF_INET, SOCK_STREAM, 0) >= 0 && (got & SANDBOX_CALLS) ? 4 : 0;
	if (got & SANDBOX_CALLS)
		could |= execl("/bin/true", "true", NULL) < 0 ? 8 : 0;
	else
		could |= 8;
	return could;
}

TEST(sandbox_leaves_its_folders_and_takes_the_rest)
{
	char read[256], write[256], other[256], path[300];

	TEXT_SET(read, test_tmp_dir());
	TEXT_SET(write, test_tmp_dir());
	TEXT_SET(other, test_tmp_dir());
	(void)snprintf(path, sizeof(path), "%s/seen", other);
	FILE *f = fopen(path, "w");

	CHECK(f != NULL);
	(void)fclose(f);

	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(try_things(read, write, other));
	int status = 0;

	CHECK_INT(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	CHECK_INT(WEXITSTATUS(status), 1 | 8);
}

TEST(sandbox_notify_reaches_the_socket)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char got[64] = "";

	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%.80s/notify", test_tmp_dir());
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	CHECK_INT(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	CHECK_INT(setenv("NOTIFY_SOCKET", a.sun_path, 1), 0);
	CHECK(sandbox_notify("READY=1"));
	CHECK_INT(recv(fd, got, sizeof(got) - 1, 0), 7);
	CHECK_STR(got, "READY=1");
	(void)close(fd);
	CHECK(!sandbox_notify("READY=1"));
	(void)unsetenv("NOTIFY_SOCKET");
	CHECK(sandbox_notify("READY=1"));
}

TEST(sandbox_watchdog_is_half_of_what_systemd_waits)
{
	CHECK_INT(setenv("WATCHDOG_USEC", "30000000", 1), 0);
	(void)unsetenv("WATCHDOG_PID");
	CHECK_INT(sandbox_watchdog_ms(), 15000);
	CHECK_INT(setenv("WATCHDOG_PID", "1", 1), 0);
	CHECK_INT(sandbox_watchdog_ms(), 0);
	(void)unsetenv("WATCHDOG_USEC");
	CHECK_INT(sandbox_watchdog_ms(), 0);
}

struct raw {
	struct loop *loop;
	struct proc *proc;
	size_t n;
	bool is_right;
};

static void on_raw(void *arg, const uint8_t *bytes, size_t size)
{
	struct raw *r = arg;

	for (size_t i = 0; i < size; i++)
		r->is_right = r->is_right && bytes[i] == ((r->n + i) % 2 ? 10 : 0);
	r->n += size;
}

static void on_raw_ended(void *arg, int status, int signal)
{
	struct raw *r = arg;

	r->is_right = r->is_right && status == 0 && signal == 0;
	proc_free(r->proc);
	loop_stop(r->loop);
}

TEST(a_childs_output_that_is_no_text_comes_byte_for_byte)
{
	struct raw r = { .loop = loop_new(), .is_right = true };
	const char *argv[] = {
		"sh", "-c", "i=0; while [ $i -lt 20000 ]; do printf '\\000\\n'; i=$((i+1)); done",
		NULL
	};
	struct proc_config c = {
		.argv = argv, .out_bytes = on_raw, .ended = on_raw_ended, .arg = &r
	};

	CHECK_INT(proc_start(r.loop, &c, &r.proc, NULL), 0);
	loop_run(r.loop);
	CHECK(r.is_right);
	CHECK_INT((int)r.n, 40000);
	loop_free(r.loop);
}
