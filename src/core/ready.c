/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/ready.h"

#include "base/err.h"
#include "base/mem.h"
#include "core/loop.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

struct ready {
	uv_poll_t poll;
	void (*fn)(void *arg);
	void *arg;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct ready *r = poll->data;

	(void)status;
	(void)events;
	r->fn(r->arg);
}

static void on_closed(uv_handle_t *h)
{
	free(h->data);
}

int ready_start(struct loop *l, int fd, void (*fn)(void *arg), void *arg, struct ready **ret,
                struct err *err)
{
	struct ready *r = MEM_NEW(struct ready);
	int rc;

	assert(loop_uv(l));
	r->fn = fn;
	r->arg = arg;
	r->poll.data = r;
	rc = uv_poll_init(loop_uv(l), &r->poll, fd);
	if (rc < 0) {
		free(r);
		return err_set(err, rc, "waiting for a device: %s", uv_strerror(rc));
	}
	uv_poll_start(&r->poll, UV_READABLE | UV_DISCONNECT, on_poll);
	*ret = r;
	return 0;
}

void ready_stop(struct ready *r)
{
	if (!r)
		return;
	uv_poll_stop(&r->poll);
	uv_close((uv_handle_t *)&r->poll, on_closed);
}
