/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report_priv.h"

#include "base/text.h"
#include "printers/bambu/quirks.h"
#include "printers/bambu/tables.h"

#include <stdio.h>
#include <string.h>

#define ALL_CODES "https://wiki.bambulab.com/en/hms/home"

/* What is known of a code that the table does not have: its form says how bad and where. */
static void describe_hms(uint32_t attr, uint32_t code, char *dst, size_t size)
{
	static const char *const severities[] = { "Something", "A fatal fault", "A serious fault",
		                                  "A fault", "A notice" };
	unsigned severity = code >> 16, unit = attr >> 16 & 0xff;
	char number[16] = "";

	/* Only the AMS kinds count their units; 0xFE and 0xFF are the external spools. */
	if (bambu_module_is_ams(attr >> 24) && unit < 0x80)
		(void)snprintf(number, sizeof(number), " %u", unit + 1);
	(void)snprintf(dst, size,
	               "%s of the %s%s that Bedside has no words for: HMS_%04X_%04X_%04X_%04X. The "
	               "printer's screen says more.",
	               severities[severity < ARRAY_LEN(severities) ? severity : 0],
	               bambu_module_name(attr >> 24), number, attr >> 16, attr & 0xffff, code >> 16,
	               code & 0xffff);
}

static void describe_error(uint32_t error, char *dst, size_t size)
{
	unsigned kind = error >> 12 & 0xf;
	const char *what = kind < 0x8   ? "stopped the job"
	                   : kind < 0xc ? "waits for you"
	                                : "has a question or a remark";

	(void)snprintf(dst, size,
	               "The printer %s: code %04X-%04X of the %s, for which Bedside has no words. "
	               "Its screen says more; all codes are listed at " ALL_CODES,
	               what, error >> 16, error & 0xffff, bambu_module_name(error >> 24));
}

/* False if the code is internal and not to be shown. */
static bool apply_hms_entry(const struct bambu_report *r, struct printer_hms *h, uint32_t attr,
                            uint32_t code)
{
	char shown[sizeof(h->code)], key[17];
	char text[sizeof(h->text)], wiki[sizeof(h->wiki)];

	(void)snprintf(shown, sizeof(shown), "%04X_%04X_%04X_%04X", attr >> 16, attr & 0xffff,
	               code >> 16, code & 0xffff);
	if (text_equal(shown, h->code))
		return true; /* its text is there already */
	(void)snprintf(key, sizeof(key), "%08X%08X", attr, code);
	switch (bambu_hms_text(key, r->model, text, sizeof(text), wiki, sizeof(wiki))) {
	case BAMBU_HMS_SILENT:
		return false;
	case BAMBU_HMS_UNKNOWN:
		describe_hms(attr, code, text, sizeof(text));
		TEXT_SET(wiki, ALL_CODES);
		break;
	case BAMBU_HMS_TEXT:
		break;
	}
	memset(h, 0, sizeof(*h));
	PUT(h->code, shown);
	PUT(h->module, bambu_module_name(attr >> 24));
	PUT(h->text, text);
	PUT(h->wiki, wiki);
	h->severity = (int)(code >> 16);
	return true;
}

static void apply_print_error(struct bambu_report *r, struct printer_state *s)
{
	uint32_t error = (uint32_t)tree_int(report_get(r, "print_error"), 0);
	char code[sizeof(s->print_error_code)] = "", key[16];
	char text[sizeof(s->print_error_text)] = "", wiki[160];

	if ((error & 0xffff) < 0x4000) /* status noise */
		error = 0;
	if (error == s->print_error)
		return;
	s->print_error = error;
	if (error) {
		(void)snprintf(code, sizeof(code), "%04X-%04X", error >> 16, error & 0xffff);
		(void)snprintf(key, sizeof(key), "%08X", error);
		/* Even one without words: the job may stand still because of it. */
		if (bambu_hms_text(key, r->model, text, sizeof(text), wiki, sizeof(wiki)) !=
		    BAMBU_HMS_TEXT)
			describe_error(error, text, sizeof(text));
	}
	PUT(s->print_error_code, code);
	PUT(s->print_error_text, text);
}

/* Words that were found for another model are looked up again. */
static void forget_words(struct bambu_report *r, struct printer_state *s)
{
	if (r->worded_for == r->model)
		return;
	r->worded_for = r->model;
	memset(s->hms, 0, sizeof(s->hms));
	s->print_error = 0;
}

void report_apply_trouble(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *list = report_get(r, "hms");
	unsigned n = 0;

	forget_words(r, s);
	apply_print_error(r, s);
	for (size_t i = 0; i < tree_count(list) && n < PRINTER_MAX_HMS; i++) {
		const struct tree_node *e = tree_at(list, i);
		int64_t attr = tree_int(tree_get(r->print, e, "attr"), 0);
		int64_t code = tree_int(tree_get(r->print, e, "code"), 0);

		if (attr != 0 && apply_hms_entry(r, &s->hms[n], (uint32_t)attr, (uint32_t)code))
			n++;
	}
	memset(&s->hms[n], 0, (PRINTER_MAX_HMS - n) * sizeof(s->hms[0]));
	s->n_hms = n;
}
