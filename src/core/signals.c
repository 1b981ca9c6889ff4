/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/signals.h"

#include "base/mem.h"
#include "core/loop.h"

#include <signal.h>
#include <stdlib.h>
#include <uv.h>

static const int numbers[] = { SIGTERM, SIGINT };

struct signals {
	uv_signal_t handles[ARRAY_LEN(numbers)];
	unsigned n_open;
	void (*fn)(void *arg, int number);
	void *arg;
};

static void on_signal(uv_signal_t *handle, int number)
{
	struct signals *s = handle->data;

	s->fn(s->arg, number);
}

struct signals *signals_new(struct loop *l, void (*fn)(void *arg, int number), void *arg)
{
	struct signals *s = MEM_NEW(struct signals);

	s->fn = fn;
	s->arg = arg;
	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uv_signal_init(loop_uv(l), &s->handles[i]);
		s->handles[i].data = s;
		uv_signal_start(&s->handles[i], on_signal, numbers[i]);
		s->n_open++;
	}
	return s;
}

static void on_closed(uv_handle_t *handle)
{
	struct signals *s = handle->data;

	if (--s->n_open == 0)
		free(s);
}

void signals_free(struct signals *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		uv_close((uv_handle_t *)&s->handles[i], on_closed);
}
