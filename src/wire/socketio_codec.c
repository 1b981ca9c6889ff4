/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/socketio_codec.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ID_DIGITS 15

static int read_data(const char *text, size_t size, struct socketio_packet *p, struct err *err)
{
	if (size == 0)
		return 0;
	p->data = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	return p->data ? 0 : err_set(err, -EPROTO, "the packet's JSON cannot be read");
}

static int read_event(struct socketio_packet *p, struct err *err)
{
	const char *name = json_string_value(json_array_get(p->data, 0));

	if (!json_is_array(p->data) || !name)
		return err_set(err, -EPROTO, "the event has no name");
	p->event = name;
	p->argument = json_array_get(p->data, 1);
	return 0;
}

static int read_message(const char *text, size_t size, struct socketio_packet *p, struct err *err)
{
	size_t n = 1;

	if (size == 0 || text[0] < '0' || text[0] > '6')
		return err_set(err, -EPROTO, "the message has no type");
	if (text[0] > '4')
		return err_set(err, -ENOTSUP, "binary events are not understood");
	p->word = (enum socketio_word)(text[0] - '0');
	if (size > n && text[n] == '/')
		return err_set(err, -ENOTSUP, "there is the default namespace only");
	for (unsigned digits = 0; n < size && isdigit((unsigned char)text[n]); n++) {
		if (++digits > MAX_ID_DIGITS)
			return err_set(err, -EPROTO, "the packet's id is too long");
		p->id = MAX(p->id, INT64_C(0)) * 10 + (text[n] - '0');
	}

	int rc = read_data(text + n, size - n, p, err);

	if (rc == 0 && p->word == SOCKETIO_EVENT)
		rc = read_event(p, err);
	return rc;
}

int socketio_read(const char *text, size_t size, struct socketio_packet *ret, struct err *err)
{
	*ret = (struct socketio_packet){ .id = -1, .event = "" };
	if (size == 0 || size > SOCKETIO_MAX_PACKET)
		return err_set(err, -EPROTO, "the packet is empty or too large");
	if (text[0] == 'b')
		return err_set(err, -ENOTSUP, "binary packets are not understood");
	if (text[0] < '0' || text[0] > '6')
		return err_set(err, -EPROTO, "the packet has no type");
	ret->engine = (enum engine_word)(text[0] - '0');
	if (ret->engine == ENGINE_MESSAGE)
		return read_message(text + 1, size - 1, ret, err);
	ret->is_probe = size == 6 && memcmp(text + 1, "probe", 5) == 0;
	return 0;
}

void socketio_packet_fini(struct socketio_packet *p)
{
	json_decref(p->data);
	*p = (struct socketio_packet){ .id = -1, .event = "" };
}

size_t socketio_first(const char *body, size_t size)
{
	const char *end = size ? memchr(body, SOCKETIO_SEPARATOR, size) : NULL;

	return end ? (size_t)(end - body) : size;
}

void socketio_write_event(struct buf *out, const char *name, const json_t *argument)
{
	json_t *list = json_array();
	char *text;

	json_array_append_new(list, json_string(name));
	if (argument)
		json_array_append(list, (json_t *)(uintptr_t)argument);
	text = json_dumps(list, JSON_COMPACT | JSON_REAL_PRECISION(12));
	json_decref(list);
	buf_add_str(out, "42");
	if (text)
		buf_add_str(out, text);
	free(text);
}
