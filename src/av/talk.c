/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/talk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void send_all(struct iovec *v, int n)
{
	while (n > 0) {
		struct msghdr h = { .msg_iov = v, .msg_iovlen = (size_t)n };
		ssize_t sent = sendmsg(TALK_FD, &h, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			_exit(0);
		for (; n > 0 && (size_t)sent >= v->iov_len; v++, n--)
			sent -= (ssize_t)v->iov_len;
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + sent;
			v->iov_len -= (size_t)sent;
		}
	}
}

void talk_send(const struct av_message *m, const void *payload)
{
	uint8_t head[AV_HEAD_SIZE];
	struct iovec v[2] = { { head, sizeof(head) }, { (void *)(uintptr_t)payload, m->size } };

	av_message_head(head, m);
	send_all(v, m->size > 0 ? 2 : 1);
}

void talk_says(const char *text)
{
	talk_send(&(struct av_message){ .type = AV_SAYS, .size = strlen(text) }, text);
}

bool talk_receive(struct av_parser *p, struct av_message *ret)
{
	static const size_t step = 8192;
	uint8_t bytes[8192];

	for (;;) {
		/* Not more than this message: what follows stays for the next call. */
		size_t wanted = p->m.payload ? p->m.size - p->n_payload : AV_HEAD_SIZE - p->n_head;
		ssize_t n = wanted > 0 ? recv(TALK_FD, bytes, MIN(wanted, step), 0) : 0;
		const uint8_t *at = bytes;
		size_t size = n > 0 ? (size_t)n : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (n == 0 && wanted > 0))
			return false;

		int rc = av_parse(p, &at, &size, ret, NULL);

		if (rc != 0)
			return rc > 0;
	}
}
