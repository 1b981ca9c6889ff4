/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/err.h"
#include "fleet/rig_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What was read can be written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct rig_message m, again;
	struct rig_picture p;
	struct buf b = { 0 };
	struct err err;

	if (rig_message_read((const char *)bytes, size, &m, &err) == 0) {
		rig_message_write(&m, &b);
		if (rig_message_read(buf_peek(&b), b.size, &again, &err) < 0 ||
		    again.word != m.word || again.n_news != m.n_news)
			abort();
		rig_message_fini(&again);
	}
	rig_message_fini(&m);
	buf_fini(&b);
	if (rig_picture_read(bytes, size, &p, &err) == 0 && p.jpeg + p.size != bytes + size)
		abort();
	return 0;
}
