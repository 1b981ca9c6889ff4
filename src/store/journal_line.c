/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/journal_line.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "core/crypto.h"
#include "model/json.h"
#include "store/journal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEAL_SIZE 9 /* a blank and eight hex digits */

static const char *const trigger_names[] = {
	[TRIGGER_LAYER] = "layer", [TRIGGER_TIME] = "time", [TRIGGER_MANUAL] = "manual",
	[TRIGGER_FIRST] = "first", [TRIGGER_LAST] = "last", [TRIGGER_BUTTON] = "button",
	[TRIGGER_MACRO] = "macro",
};

const char *journal_trigger_name(enum journal_trigger t)
{
	return trigger_names[t];
}

static bool trigger_from_name(const char *name, enum journal_trigger *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(trigger_names); i++)
		if (strcmp(trigger_names[i], name) == 0) {
			*ret = (enum journal_trigger)i;
			return true;
		}
	return false;
}

static void add_sealed(struct buf *b, json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12));

	buf_printf(b, "%s %08x\n", text, crypto_crc32c(0, text, strlen(text)));
	free(text);
	json_decref(o);
}

void journal_format_entry(struct buf *b, const struct journal_entry *e)
{
	json_t *o = json_object();
	char crc[9];

	snprintf(crc, sizeof(crc), "%08x", e->crc32c);
	json_object_set_new(o, "n", json_integer(e->number));
	json_object_set_new(o, "camera", json_text(e->camera));
	json_object_set_new(o, "job", json_text(e->job));
	json_object_set_new(o, "layer", json_int_or_null(e->layer));
	json_object_set_new(o, "z_mm", json_or_null(e->z_mm));
	json_object_set_new(o, "trigger", json_string(trigger_names[e->trigger]));
	json_object_set_new(o, "at_ms", json_integer(e->at_wall_ms));
	json_object_set_new(o, "at_us", json_integer(e->at_us));
	json_object_set_new(o, "boot", json_text(e->boot));
	json_object_set_new(o, "file", json_text(e->file));
	json_object_set_new(o, "size", json_integer((json_int_t)e->size));
	json_object_set_new(o, "crc32c", json_string(crc));
	add_sealed(b, o);
}

void journal_format_event(struct buf *b, const char *kind, const char *text, int64_t wall_ms)
{
	json_t *o = json_object();
	char cut[256];

	TEXT_SET(cut, text ? text : "");
	json_object_set_new(o, "event", json_text(kind));
	json_object_set_new(o, "text", json_text(cut));
	json_object_set_new(o, "at_ms", json_integer(wall_ms));
	add_sealed(b, o);
}

bool journal_is_picture_name(const char *name)
{
	size_t n = strspn(name, "0123456789");

	return n >= 6 && n <= 10 &&
	       (strcmp(name + n, ".jpg") == 0 || strcmp(name + n, ".jpg.new") == 0);
}

/* "camera/000001.jpg" of that camera: nothing that leads out of the session's folder. */
static bool is_file_of(const char *file, const char *camera)
{
	size_t n = strlen(camera);

	return n > 0 && strspn(camera, "abcdefghijklmnopqrstuvwxyz0123456789-_") == n &&
	       strncmp(file, camera, n) == 0 && file[n] == '/' &&
	       journal_is_picture_name(file + n + 1) && text_ends(file, ".jpg");
}

static bool get_text(const json_t *o, const char *key, char *dst, size_t size)
{
	const json_t *v = json_object_get(o, key);

	return json_is_string(v) && text_copy(dst, size, json_string_value(v));
}

static bool get_int(const json_t *o, const char *key, int64_t min, int64_t max, int64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return false;
	*ret = json_integer_value(v);
	return true;
}

static bool get_crc(const json_t *o, uint32_t *ret)
{
	char text[9];
	uint64_t v;

	if (!get_text(o, "crc32c", text, sizeof(text)) || !text_to_u64(text, 16, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool read_entry(const json_t *o, struct journal_entry *e)
{
	const json_t *z = json_object_get(o, "z_mm"), *layer = json_object_get(o, "layer");
	char trigger[16];
	int64_t number, size, layer_number = -1;

	if (!get_int(o, "n", 1, UINT32_MAX, &number) || !get_int(o, "size", 0, INT64_MAX, &size) ||
	    !get_int(o, "at_ms", INT64_MIN, INT64_MAX, &e->at_wall_ms) ||
	    !get_int(o, "at_us", INT64_MIN, INT64_MAX, &e->at_us))
		return false;
	if (!json_is_null(layer) && !get_int(o, "layer", 0, INT32_MAX, &layer_number))
		return false;
	if (!get_text(o, "camera", e->camera, sizeof(e->camera)) ||
	    !get_text(o, "job", e->job, sizeof(e->job)) ||
	    !get_text(o, "boot", e->boot, sizeof(e->boot)) ||
	    !get_text(o, "file", e->file, sizeof(e->file)) || !get_crc(o, &e->crc32c))
		return false;
	if (!get_text(o, "trigger", trigger, sizeof(trigger)) ||
	    !trigger_from_name(trigger, &e->trigger))
		return false;
	e->number = (uint32_t)number;
	e->size = (uint64_t)size;
	e->layer = (int)layer_number;
	e->z_mm = json_is_number(z) ? json_number_value(z) : (double)NAN;
	return is_file_of(e->file, e->camera);
}

static bool read_event(const json_t *o, struct journal_entry *e)
{
	e->layer = -1;
	e->z_mm = (double)NAN;
	return get_text(o, "event", e->file, sizeof(e->file)) &&
	       get_int(o, "at_ms", INT64_MIN, INT64_MAX, &e->at_wall_ms);
}

static bool has_seal(const char *line, size_t size)
{
	char text[SEAL_SIZE];
	uint64_t seal;

	if (size <= SEAL_SIZE || line[size - SEAL_SIZE] != ' ')
		return false;
	text_copy_n(text, sizeof(text), line + size - SEAL_SIZE + 1, SEAL_SIZE - 1);
	return text_to_u64(text, 16, &seal) && strlen(text) == SEAL_SIZE - 1 &&
	       seal == crypto_crc32c(0, line, size - SEAL_SIZE);
}

int journal_parse_line(const char *line, size_t size, struct journal_entry *ret, struct err *err)
{
	struct journal_entry e = { 0 };
	json_t *o;
	int kind = -EBADMSG;

	if (size > JOURNAL_MAX_LINE || !has_seal(line, size))
		return err_set(err, -EBADMSG, "a line of the manifest does not match its checksum");
	o = json_loadb(line, size - SEAL_SIZE, JSON_REJECT_DUPLICATES, NULL);
	if (json_object_get(o, "event"))
		kind = read_event(o, &e) ? 2 : -EBADMSG;
	else if (json_is_object(o))
		kind = read_entry(o, &e) ? 1 : -EBADMSG;
	json_decref(o);
	if (kind < 0)
		return err_set(err, kind, "a line of the manifest is not one of ours");
	*ret = e;
	return kind;
}

size_t journal_next_line(const char *p, size_t size, size_t *ret_size)
{
	const char *end = size > 0 ? memchr(p, '\n', size) : NULL;

	if (!end)
		return 0;
	*ret_size = (size_t)(end - p);
	return *ret_size + 1;
}

void journal_scan_manifest(const char *p, size_t size, struct journal_scan *ret,
                           void (*each)(void *arg, const struct journal_entry *e, size_t at),
                           void *arg)
{
	size_t at = 0, taken, line_size = 0, n_bad = 0;

	*ret = (struct journal_scan){ 0 };
	while ((taken = journal_next_line(p + at, size - at, &line_size)) > 0) {
		struct journal_entry e = { 0 };
		int kind = journal_parse_line(p + at, line_size, &e, NULL);

		if (kind == 1) {
			ret->n_frames++;
			ret->bytes += e.size;
			ret->last_number = MAX(ret->last_number, e.number);
			if (each)
				each(arg, &e, at);
		} else if (kind == 2) {
			ret->has_ended |= strcmp(e.file, JOURNAL_END) == 0;
			ret->is_deleted |= strcmp(e.file, JOURNAL_DELETED) == 0;
		} else {
			n_bad++;
		}
		at += taken;
		if (kind > 0) {
			ret->good_size = at;
			ret->n_damaged += (uint32_t)n_bad;
			n_bad = 0;
		}
	}
}
