/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/watch.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

#define GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

struct watch {
	uv_poll_t poll;
	struct watch_events events;
	int fd;
	bool is_closed, is_gone;
};

static void tell(struct watch *w, const struct inotify_event *e)
{
	if (e->mask & GONE) {
		if (!w->is_gone)
			w->events.gone(w->events.arg);
		w->is_gone = true;
	} else if (e->mask & IN_Q_OVERFLOW) {
		w->events.changed(w->events.arg, NULL, true);
	} else if (e->len > 0 && !(e->mask & IN_ISDIR)) {
		w->events.changed(w->events.arg, e->name,
		                  (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0);
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;
	_Alignas(struct inotify_event) char bytes[4096];
	ssize_t n = read(w->fd, bytes, sizeof(bytes));

	(void)status;
	(void)events;
	for (ssize_t at = 0; !w->is_closed && at + (ssize_t)sizeof(struct inotify_event) <= n;) {
		const struct inotify_event *e = (const void *)(bytes + at);

		at += (ssize_t)(sizeof(*e) + e->len);
		tell(w, e);
	}
}

static void on_closed(uv_handle_t *h)
{
	struct watch *w = h->data;

	(void)close(w->fd);
	free(w);
}

int watch_open(struct loop *l, const char *path, const struct watch_events *events,
               struct watch **ret, struct err *err)
{
	auto_fd int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	assert(events->changed && events->gone && loop_uv(l));
	if (fd < 0)
		return err_sys(err, "watching %s", path);
	if (inotify_add_watch(fd, path,
	                      IN_CLOSE_WRITE | IN_MOVED_TO | IN_MODIFY | IN_DELETE_SELF |
	                              IN_MOVE_SELF | IN_ONLYDIR) < 0)
		return err_sys(err, "watching the folder %s", path);

	struct watch *w = MEM_NEW(struct watch);

	w->events = *events;
	w->fd = fd;
	w->poll.data = w;

	int rc = uv_poll_init(loop_uv(l), &w->poll, fd);

	if (rc < 0) {
		free(w);
		return err_set(err, rc, "watching the folder %s: %s", path, uv_strerror(rc));
	}
	(void)STEAL_FD(fd);
	uv_poll_start(&w->poll, UV_READABLE, on_poll);
	*ret = w;
	return 0;
}

void watch_close(struct watch *w)
{
	if (!w)
		return;
	w->is_closed = true;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_closed);
}
