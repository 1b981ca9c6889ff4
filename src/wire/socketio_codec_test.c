/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/socketio_codec.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"

#include <errno.h>
#include <string.h>

static int read_text(const char *text, struct socketio_packet *p)
{
	struct err err;

	return socketio_read(text, strlen(text), p, &err);
}

TEST(packets_of_socketio_are_read)
{
	struct socketio_packet p;
	auto_buf struct buf b = { 0 };

	CHECK_INT(read_text("40{\"role\":\"client\"}", &p), 0);
	CHECK(p.engine == ENGINE_MESSAGE && p.word == SOCKETIO_CONNECT);
	CHECK_STR(json_string_value(json_object_get(p.data, "role")), "client");
	socketio_packet_fini(&p);
	CHECK_INT(read_text("4217[\"status\",{\"status\":\"active\"}]", &p), 0);
	CHECK_STR(p.event, "status");
	CHECK_INT(p.id, 17);
	CHECK(json_is_object(p.argument));
	buf_init(&b, 0);
	socketio_write_event(&b, p.event, p.argument);
	CHECK_STR(buf_peek(&b), "42[\"status\",{\"status\":\"active\"}]");
	socketio_packet_fini(&p);
	CHECK_INT(read_text("42[\"image\"]", &p), 0);
	CHECK(!p.argument && p.id == -1);
	socketio_packet_fini(&p);
	CHECK_INT(read_text("2probe", &p), 0);
	CHECK(p.engine == ENGINE_PING && p.is_probe);
	CHECK_INT((int)socketio_first("3\x1e"
	                              "41",
	                              4),
	          1);
	CHECK_INT((int)socketio_first("3", 1), 1);
}

TEST(what_is_no_packet_of_socketio_is_refused)
{
	struct socketio_packet p;
	static const struct {
		const char *text;
		int rc;
	} bad[] = {
		{ "", -EPROTO },
		{ "7", -EPROTO },
		{ "4", -EPROTO },
		{ "49", -EPROTO },
		{ "42", -EPROTO },
		{ "42[]", -EPROTO },
		{ "42{\"a\":1}", -EPROTO },
		{ "42[\"a\"", -EPROTO },
		{ "40/x,", -ENOTSUP },
		{ "451-[\"x\"]", -ENOTSUP },
		{ "bAAAA", -ENOTSUP },
		{ "4212345678901234567[\"x\"]", -EPROTO },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(read_text(bad[i].text, &p), bad[i].rc);
		socketio_packet_fini(&p);
	}
}
