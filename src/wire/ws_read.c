/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/ws_read.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "core/crypto.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define KEEP_BUFFER 65536 /* a larger one is given back after its message */

void ws_accept_key(char dst[WS_ACCEPT_SIZE], const char *key)
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char text[WS_KEY_SIZE + sizeof(guid)];
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	(void)snprintf(text, sizeof(text), "%s%s", key, guid);
	EVP_Digest(text, strlen(text), digest, &n, EVP_sha1(), NULL);

	auto_free char *b64 = crypto_base64(digest, n);

	text_copy(dst, WS_ACCEPT_SIZE, b64);
}

void ws_reader_init(struct ws_reader *r, const char *key, size_t max_message)
{
	*r = (struct ws_reader){ .max_message = max_message };
	buf_init(&r->in, 0);
	buf_init(&r->message, 0);
	ws_accept_key(r->accept, key);
}

void ws_reader_fini(struct ws_reader *r)
{
	buf_fini(&r->in);
	buf_fini(&r->message);
}

/* ---- the handshake ---- */

/* The value of a header line `name: value`, NULL if it is another. */
static const char *value_of(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	return line + n + 1 + strspn(line + n + 1, " \t");
}

struct answer {
	bool is_upgraded, is_accepted;
};

static void read_line(struct ws_reader *r, char *line, struct answer *a)
{
	const char *v;

	text_clean(line);
	for (size_t n = strlen(line); n > 0 && line[n - 1] == ' '; n--)
		line[n - 1] = '\0';
	if ((v = value_of(line, "Upgrade")))
		a->is_upgraded = text_equal_nocase(v, "websocket");
	else if ((v = value_of(line, "Sec-WebSocket-Accept")))
		a->is_accepted = text_equal(v, r->accept);
	else if ((v = value_of(line, "Location")))
		TEXT_SET(r->redirect, v);
	else if ((v = value_of(line, "Server")))
		TEXT_SET(r->server, v);
}

/* A whole head in `head`, which is changed. */
static int read_answer(struct ws_reader *r, char *head, struct err *err)
{
	struct answer a = { 0 };
	char *line = strchr(head, '\n');
	int64_t status = 0;
	char digits[4] = "";

	if (strncmp(head, "HTTP/1.", 7) == 0 && strlen(head) > 12)
		text_copy_n(digits, sizeof(digits), head + 9, 3);
	if (!text_to_i64(digits, &status) || status < 100)
		return err_set(err, -EPROTO, "something answers, but not in HTTP");
	r->status = (int)status;
	while (line) {
		char *next = strchr(++line, '\n');

		if (next)
			*next = '\0';
		read_line(r, line, &a);
		line = next;
	}
	if (r->status != 101)
		return err_set(err, -EPROTO, "it answers with status %d instead of a WebSocket",
		               r->status);
	if (!a.is_upgraded || !a.is_accepted)
		return err_set(err, -EPROTO, "its answer to the WebSocket's handshake is wrong");
	r->is_open = true;
	return 0;
}

/* 1: done, 0: more is needed. */
static int try_handshake(struct ws_reader *r, struct err *err)
{
	size_t end = http_head_end(r->in.data, r->in.size, 0);

	if (end == 0 && r->in.size >= HTTP_MAX_HEAD)
		return err_set(err, -EPROTO, "something answers, but not in HTTP");
	if (end == 0)
		return 0;
	r->in.data[end - 1] = '\0';
	if (memchr(r->in.data, '\0', end - 1))
		return err_set(err, -EPROTO, "something answers, but not in HTTP");

	int rc = read_answer(r, r->in.data, err);

	buf_consume(&r->in, end);
	return rc < 0 ? rc : 1;
}

/* ---- frames ---- */

/* What there is of one frame is whole: 1 told and to go on, 0 the listener has had enough. */
static int take_frame(struct ws_reader *r, const struct ws_frame *f, const char *payload,
                      ws_took_fn *took, void *arg, struct err *err)
{
	char control[126];

	if (f->opcode >= WS_CLOSE) {
		memcpy(control, payload, f->size);
		control[f->size] = '\0';
		return took(arg, f->opcode, control, f->size);
	}
	if ((f->opcode == WS_CONTINUATION) != (r->opcode != WS_CONTINUATION))
		return err_set(err, -EPROTO, "the pieces of its messages do not fit together");
	if (f->opcode != WS_CONTINUATION)
		r->opcode = f->opcode;
	buf_add(&r->message, payload, f->size);
	if (!f->is_final)
		return 1;

	enum ws_opcode opcode = r->opcode;
	struct buf whole = r->message;

	buf_init(&r->message, 0);
	r->opcode = WS_CONTINUATION;

	bool goes_on = took(arg, opcode, buf_peek(&whole), whole.size);

	/* The reader may be gone, its buffer is ours. */
	if (goes_on && whole.cap <= KEEP_BUFFER) {
		r->message = whole;
		buf_clear(&r->message);
	} else {
		buf_fini(&whole);
	}
	return goes_on;
}

static int read_frames(struct ws_reader *r, ws_took_fn *took, void *arg, struct err *err)
{
	struct buf in = r->in; /* the reader may go while it is told of a frame */
	size_t at = 0;
	int rc = 1;

	buf_init(&r->in, 0);
	while (rc == 1) {
		struct ws_frame f;
		int n = ws_parse_server_head((const uint8_t *)in.data + at, in.size - at, &f);

		if (n == 0)
			break;
		if (n < 0)
			rc = err_set(err, -EPROTO, "it sends what no WebSocket server sends");
		else if (f.size > r->max_message || r->message.size + f.size > r->max_message)
			rc = err_set(err, -EFBIG, "it sends a message of more than %zu MB",
			             r->max_message >> 20);
		else if (in.size - at - (size_t)n < f.size)
			break;
		else
			rc = take_frame(r, &f, in.data + at + n, took, arg, err);
		if (rc >= 0)
			at += (size_t)n + (size_t)f.size;
	}
	if (rc != 1) {
		buf_fini(&in);
		return rc;
	}
	buf_consume(&in, at);
	r->in = in;
	if (r->in.size == 0 && r->in.cap > KEEP_BUFFER)
		buf_fini(&r->in);
	return 1;
}

int ws_reader_feed(struct ws_reader *r, const void *bytes, size_t size, ws_took_fn *took, void *arg,
                   struct err *err)
{
	buf_add(&r->in, bytes, size);
	if (!r->is_open) {
		int rc = try_handshake(r, err);

		if (rc <= 0)
			return rc;
		if (!took(arg, WS_CONTINUATION, "", 0))
			return 0;
	}
	return MIN(read_frames(r, took, arg, err), 0);
}
