/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/tables.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

const struct bambu_model *bambu_model_by_code(const char *code)
{
	/* What X1 firmware of the first year called itself. */
	if (text_equal(code, "3DPrinter-X1-Carbon"))
		code = "BL-P001";
	if (text_equal(code, "3DPrinter-X1"))
		code = "BL-P002";

	/* "N7-V2" is a later series of the same model. */
	size_t n = strlen(code);

	if (text_ends(code, "-V2"))
		n -= 3;
	for (const struct bambu_model *m = bambu_models; m->code; m++) {
		if (strlen(m->code) == n && memcmp(m->code, code, n) == 0)
			return m;
	}
	return NULL;
}

/* Letters and digits only, lower case: "Bambu Lab X1-Carbon" and "x1 carbon" meet. */
/* NOLINTNEXTLINE(readability-function-size): the list macros' branches count */
static void squeeze(char *dst, size_t size, const char *src)
{
	size_t n = 0;

	for (; *src && n + 1 < size; src++) {
		if (isalnum((unsigned char)*src))
			dst[n++] = (char)tolower((unsigned char)*src);
	}
	dst[n] = '\0';
}

const struct bambu_model *bambu_model_by_name(const char *name)
{
	char wanted[48], have[48];

	squeeze(wanted, sizeof(wanted), name);
	if (text_starts(wanted, "bambulab"))
		memmove(wanted, wanted + 8, strlen(wanted + 8) + 1);
	if (text_equal(wanted, "x1c"))
		TEXT_SET(wanted, "x1carbon");
	for (const struct bambu_model *m = bambu_models; m->code; m++) {
		squeeze(have, sizeof(have), m->name);
		if (text_equal(wanted, have))
			return m;
	}
	return bambu_model_by_code(name);
}

const struct bambu_model *bambu_model_by_serial(const char *serial)
{
	for (const struct bambu_model *m = bambu_models; m->code; m++) {
		if (text_starts(serial, m->serial_prefix))
			return m;
	}
	return NULL;
}

void bambu_stage_text(int stage, char *dst, size_t size)
{
	if (stage == -1 || stage == 255)
		text_copy(dst, size, "");
	else if (stage >= 0 && (size_t)stage < bambu_n_stages)
		text_copy(dst, size, bambu_stages[stage].text);
	else
		(void)snprintf(dst, size, "stage %d", stage);
}

enum printer_pause bambu_stage_pause(int stage)
{
	if (stage >= 0 && (size_t)stage < bambu_n_stages)
		return bambu_stages[stage].pause;
	return PRINTER_PAUSE_NONE;
}

const char *bambu_filament_name(const char *id)
{
	size_t low = 0, high = bambu_n_filaments;

	while (low < high) {
		size_t mid = (low + high) / 2;
		int cmp = strcmp(id, bambu_filaments[mid].id);

		if (cmp == 0)
			return bambu_filaments[mid].name;
		if (cmp < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return "";
}

static const struct bambu_hms_block *find_block(const char *code)
{
	size_t low = 0, high = bambu_n_hms_blocks;

	while (low < high) { /* the last block that does not begin after `code` */
		size_t mid = (low + high) / 2;

		if (strcmp(bambu_hms_blocks[mid].first, code) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 ? &bambu_hms_blocks[low - 1] : NULL;
}

/* "x1" or "x1/0300_0100_0001_0001" into a whole address. */
static void make_wiki(const char *page, const char *code, char *dst, size_t size)
{
	const char *slash = strchr(page, '/');

	if (!*page) {
		text_copy(dst, size, "");
	} else if (*page == '/') {
		(void)snprintf(dst, size, "https://wiki.bambulab.com%s", page);
	} else if (slash) {
		(void)snprintf(dst, size,
		               "https://wiki.bambulab.com/en/%.*s/troubleshooting/hmscode%s",
		               (int)(slash - page), page, slash);
	} else if (strlen(code) == 16) {
		(void)snprintf(dst, size,
		               "https://wiki.bambulab.com/en/%s/troubleshooting/hmscode/"
		               "%.4s_%.4s_%.4s_%.4s",
		               page, code, code + 4, code + 8, code + 12);
	} else {
		(void)snprintf(dst, size,
		               "https://wiki.bambulab.com/en/%s/troubleshooting/hmscode/%.4s_%.4s",
		               page, code, code + 4);
	}
}

/* One line of the table, its fields ended in place. */
struct hms_line {
	char *code, *text, *page, *models; /* models "" in the line for most */
};

static char *cut(char **rest, char end)
{
	char *field = *rest, *at = strchr(field, end);

	if (at) {
		*at = '\0';
		*rest = at + 1;
	} else {
		*rest = field + strlen(field);
	}
	return field;
}

static bool next_line(char **rest, struct hms_line *l)
{
	if (!**rest)
		return false;

	char *line = cut(rest, '\n');

	l->code = cut(&line, '\t');
	l->text = cut(&line, '\t');
	l->page = cut(&line, '\t');
	l->models = line;
	return true;
}

/* `list` is "h2d,h2s". */
static bool names(const char *list, const char *name)
{
	size_t n = strlen(name);

	while (n > 0 && *list) {
		size_t part = strcspn(list, ",");

		if (part == n && memcmp(list, name, n) == 0)
			return true;
		list += part + (list[part] == ',');
	}
	return false;
}

enum bambu_hms_known bambu_hms_text(const char *code, const struct bambu_model *model, char *text,
                                    size_t text_size, char *wiki, size_t wiki_size)
{
	const struct bambu_hms_block *b = find_block(code);
	enum bambu_hms_known known = BAMBU_HMS_UNKNOWN;
	struct hms_line l;
	char name[48];

	text_copy(text, text_size, "");
	text_copy(wiki, wiki_size, "");
	if (!b)
		return known;

	auto_free char *lines = mem_new(b->unpacked + 1);
	uLongf unpacked = b->unpacked;

	if (uncompress((Bytef *)lines, &unpacked, bambu_hms_packed + b->at, b->size) != Z_OK)
		return known;
	squeeze(name, sizeof(name), model ? model->name : "");
	/* The line for most models comes first; one of `model` betters it. */
	for (char *rest = lines; next_line(&rest, &l);) {
		if (!text_equal(l.code, code) || (*l.models && !names(l.models, name)))
			continue;
		if (known == BAMBU_HMS_UNKNOWN)
			known = BAMBU_HMS_SILENT;
		if (*l.text)
			text_copy(text, text_size, l.text);
		make_wiki(l.page, code, wiki, wiki_size);
	}
	return *text ? BAMBU_HMS_TEXT : known;
}
