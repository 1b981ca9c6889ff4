/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/backup_private.h"

#include "base/when.h"
#include "store/migrate.h"

#include <stdio.h>
#include <time.h>

bool backup_list_add(json_t *list, const char *name, uint64_t size, uint32_t crc32c)
{
	char crc[9];
	json_t *o = json_object();

	snprintf(crc, sizeof(crc), "%08x", crc32c);
	json_object_set_new(o, "path", json_string(name));
	json_object_set_new(o, "size", json_integer((json_int_t)size));
	json_object_set_new(o, "crc32c", json_string(crc));
	if (json_object_size(o) < 3) {
		json_decref(o);
		return false;
	}
	return json_array_append_new(list, o) == 0;
}

char *backup_list_text(json_t *list, bool has_frames, bool has_films)
{
	char at[WHEN_TEXT_SIZE], *text;
	json_t *o = json_object();

	json_object_set_new(o, "bedside", json_string(BEDSIDE_VERSION));
	json_object_set_new(o, "schema", json_integer(migrate_newest()));
	json_object_set_new(o, "made_at", json_string(when_iso(at, (int64_t)time(NULL) * 1000)));
	json_object_set_new(o, "has_frames", json_boolean(has_frames));
	json_object_set_new(o, "has_films", json_boolean(has_films));
	json_object_set(o, "files", list);
	text = json_dumps(o, JSON_INDENT(1));
	json_decref(o);
	return text;
}
