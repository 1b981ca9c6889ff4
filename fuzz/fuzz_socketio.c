/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "wire/socketio_codec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* A polling body, packet by packet. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const char *at = (const char *)bytes;

	for (unsigned i = 0; size > 0 && i < SOCKETIO_MAX_PACKETS; i++) {
		size_t n = socketio_first(at, size);
		struct socketio_packet p;
		struct err err;

		if (n > size)
			abort();
		if (socketio_read(at, n, &p, &err) == 0 && p.engine == ENGINE_MESSAGE &&
		    p.word == SOCKETIO_EVENT &&
		    strcmp(p.event, json_string_value(json_array_get(p.data, 0))) != 0)
			abort();
		socketio_packet_fini(&p);
		at += n;
		size -= n;
		if (size > 0) {
			at++;
			size--;
		}
	}
	return 0;
}
