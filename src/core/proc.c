/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/proc.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

/* Bytes that wait for a child that does not read: more is dropped. */
#define MAX_UNSENT ((size_t)1024 * 1024)

/* A child that was killed has this long for its last words; then its grandchildren, which may hold
 * the pipes open, are not waited for. */
#define LAST_WORDS_MS 1000

#define LARGE_READ ((size_t)64 * 1024)

struct pipe {
	struct proc *proc;
	uv_pipe_t uv;
	bool is_open; /* not closed yet */
	struct buf line;
	void (*heard)(void *arg, char *line);
};

struct proc {
	uv_process_t uv;
	struct proc_config config;
	struct pipe in, out, err;
	struct timer grace;
	unsigned n_handles; /* libuv still knows */
	bool is_running;    /* the child */
	bool is_orphan;     /* its owner has let go */
	bool is_killed;     /* by order */
	bool has_told;      /* `ended` was called */
	int status, signal;
	char bytes[8192];
	char *large; /* LARGE_READ bytes for `out_bytes` */
};

struct sending {
	uv_write_t uv;
	char bytes[];
};

/* The last handle is gone: tell the owner, or nobody is there and the memory goes. */
static void settle(struct proc *p)
{
	if (p->n_handles > 0)
		return;
	if (p->is_orphan) {
		buf_fini(&p->out.line);
		buf_fini(&p->err.line);
		free(p->large);
		free(p);
		return;
	}
	if (!p->has_told) {
		p->has_told = true;
		if (p->config.ended)
			p->config.ended(p->config.arg, p->status, p->signal);
	}
}

static void on_pipe_closed(uv_handle_t *h)
{
	struct pipe *pi = h->data;

	pi->proc->n_handles--;
	settle(pi->proc);
}

static void on_process_closed(uv_handle_t *h)
{
	struct proc *p = h->data;

	p->n_handles--;
	settle(p);
}

static void pipe_close(struct pipe *pi)
{
	if (!pi->is_open)
		return;
	pi->is_open = false;
	uv_close((uv_handle_t *)&pi->uv, on_pipe_closed);
}

static void pipe_say(struct pipe *pi, char *line)
{
	if (!pi->proc->is_orphan && pi->heard)
		pi->heard(pi->proc->config.arg, line);
}

static void pipe_take(struct pipe *pi, const char *bytes, size_t size)
{
	while (size > 0) {
		const char *nl = memchr(bytes, '\n', size);
		size_t n = nl ? (size_t)(nl - bytes) : size;

		n = MIN(n, PROC_MAX_LINE - pi->line.size);
		buf_add(&pi->line, bytes, n);
		bool is_whole = nl && bytes + n == nl;

		if (is_whole || pi->line.size == PROC_MAX_LINE) {
			if (!pi->line.data)
				buf_add_str(&pi->line, "");
			pipe_say(pi, pi->line.data);
			buf_clear(&pi->line);
		}
		n += is_whole;
		bytes += n;
		size -= n;
	}
}

static void on_alloc(uv_handle_t *h, size_t wanted UNUSED, uv_buf_t *ret)
{
	struct pipe *pi = h->data;

	if (pi == &pi->proc->out && pi->proc->large)
		*ret = uv_buf_init(pi->proc->large, LARGE_READ);
	else
		*ret = uv_buf_init(pi->proc->bytes, sizeof(pi->proc->bytes));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct pipe *pi = s->data;
	struct proc *p = pi->proc;

	if (n > 0 && pi == &p->out && p->large) {
		if (!p->is_orphan)
			p->config.out_bytes(p->config.arg, (const uint8_t *)b->base, (size_t)n);
	} else if (n > 0) {
		pipe_take(pi, b->base, (size_t)n);
	}
	if (n >= 0)
		return;
	if (pi->line.size > 0)
		pipe_say(pi, pi->line.data);
	buf_clear(&pi->line);
	pipe_close(pi);
}

static void on_process_ended(uv_process_t *uv, int64_t status, int signal)
{
	struct proc *p = uv->data;

	p->is_running = false;
	p->status = (int)status;
	p->signal = signal;
	timer_stop(&p->grace);
	pipe_close(&p->in);
	uv_close((uv_handle_t *)uv, on_process_closed);
	/* A grandchild may hold the other end open: an orphan waits for nobody. */
	if (p->is_orphan) {
		pipe_close(&p->out);
		pipe_close(&p->err);
	} else if (p->is_killed) {
		timer_start(&p->grace, LAST_WORDS_MS);
	}
}

static void on_grace(void *arg)
{
	struct proc *p = arg;

	if (p->is_running) {
		uv_process_kill(&p->uv, SIGKILL);
		return;
	}
	pipe_close(&p->out);
	pipe_close(&p->err);
}

static void pipe_init(struct proc *p, struct pipe *pi, uv_loop_t *uv,
                      void (*heard)(void *arg, char *line))
{
	pi->proc = p;
	pi->heard = heard;
	buf_init(&pi->line, PROC_MAX_LINE + 1);
	uv_pipe_init(uv, &pi->uv, 0);
	pi->uv.data = pi;
	pi->is_open = true;
	p->n_handles++;
}

static void stdio_set(uv_stdio_container_t *io, struct pipe *pi, unsigned direction)
{
	io->flags = UV_CREATE_PIPE | direction;
	io->data.stream = (uv_stream_t *)&pi->uv;
}

static int spawn(struct proc *p, uv_loop_t *uv)
{
	const struct proc_config *c = &p->config;
	uv_stdio_container_t io[3 + PROC_MAX_FDS] = { 0 };
	/* libuv takes them without const and does not write to them. */
	uv_process_options_t o = {
		.file = c->argv[0],
		.args = (char **)(uintptr_t)c->argv,
		.env = (char **)(uintptr_t)c->env,
		.exit_cb = on_process_ended,
		.stdio_count = 3 + (int)c->n_fds,
		.stdio = io,
	};

	pipe_init(p, &p->in, uv, NULL);
	stdio_set(&io[0], &p->in, UV_READABLE_PIPE);
	io[1].flags = UV_IGNORE;
	if (c->out || c->out_bytes) {
		pipe_init(p, &p->out, uv, c->out);
		stdio_set(&io[1], &p->out, UV_WRITABLE_PIPE);
	}
	io[2].flags = UV_INHERIT_FD;
	io[2].data.fd = 2;
	if (c->err) {
		pipe_init(p, &p->err, uv, c->err);
		stdio_set(&io[2], &p->err, UV_WRITABLE_PIPE);
	}
	for (unsigned i = 0; i < c->n_fds; i++) {
		io[3 + i].flags = UV_INHERIT_FD;
		io[3 + i].data.fd = c->fds[i];
	}
	p->uv.data = p;
	p->n_handles++;
	return uv_spawn(uv, &p->uv, &o);
}

int proc_start(struct loop *l, const struct proc_config *c, struct proc **ret, struct err *err)
{
	assert(loop_is_mine(l) && !loop_is_simulated(l) && c->n_fds <= PROC_MAX_FDS);
	(void)signal(SIGPIPE, SIG_IGN);

	struct proc *p = MEM_NEW(struct proc);

	p->config = *c;
	timer_init(&p->grace, l, on_grace, p);

	int rc = spawn(p, loop_uv(l));

	if (rc < 0) {
		p->is_orphan = true;
		pipe_close(&p->in);
		pipe_close(&p->out);
		pipe_close(&p->err);
		uv_close((uv_handle_t *)&p->uv, on_process_closed);
		return err_set(err, rc, "starting %s: %s", c->argv[0], uv_strerror(rc));
	}
	p->config.argv = p->config.env = NULL;
	p->config.fds = NULL;
	p->is_running = true;
	if (c->out_bytes)
		p->large = mem_new(LARGE_READ);
	if (c->out || c->out_bytes)
		uv_read_start((uv_stream_t *)&p->out.uv, on_alloc, on_read);
	if (c->err)
		uv_read_start((uv_stream_t *)&p->err.uv, on_alloc, on_read);
	*ret = p;
	return 0;
}

void proc_free(struct proc *p)
{
	if (!p)
		return;
	assert(!p->is_orphan);
	timer_stop(&p->grace);
	p->is_orphan = true;
	if (p->is_running) {
		uv_process_kill(&p->uv, SIGKILL);
		pipe_close(&p->in);
		return;
	}
	pipe_close(&p->in);
	pipe_close(&p->out);
	pipe_close(&p->err);
	/* Inside `ended` settle() is on the stack, but does not touch it afterwards. */
	settle(p);
}

static void on_sent(uv_write_t *uv, int rc UNUSED)
{
	free(CONTAINER_OF(uv, struct sending, uv));
}

void proc_write(struct proc *p, const void *bytes, size_t size)
{
	if (!p->in.is_open ||
	    uv_stream_get_write_queue_size((uv_stream_t *)&p->in.uv) + size > MAX_UNSENT)
		return;

	struct sending *s = mem_new(sizeof(*s) + size);
	uv_buf_t b = uv_buf_init(s->bytes, (unsigned)size);

	memcpy(s->bytes, bytes, size);
	if (uv_write(&s->uv, (uv_stream_t *)&p->in.uv, &b, 1, on_sent) < 0)
		free(s);
}

void proc_close_input(struct proc *p)
{
	pipe_close(&p->in);
}

void proc_kill(struct proc *p, int64_t grace_ms)
{
	p->is_killed = true;
	if (!p->is_running) {
		if (!p->has_told && !timer_is_running(&p->grace))
			timer_start(&p->grace, LAST_WORDS_MS);
		return;
	}
	uv_process_kill(&p->uv, grace_ms > 0 ? SIGTERM : SIGKILL);
	if (grace_ms > 0)
		timer_start(&p->grace, grace_ms);
}

bool proc_is_running(const struct proc *p)
{
	return p->is_running;
}

int proc_pid(const struct proc *p)
{
	return p->is_running ? uv_process_get_pid(&p->uv) : 0;
}
