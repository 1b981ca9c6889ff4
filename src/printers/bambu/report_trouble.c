/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report_priv.h"

#include "base/text.h"
#include "printers/bambu/quirks.h"
#include "printers/bambu/tables.h"

#include <stdio.h>
#include <string.h>

static void apply_hms_entry(struct printer_hms *h, uint32_t attr, uint32_t code)
{
	char shown[sizeof(h->code)], key[17];
	char text[sizeof(h->text)], wiki[sizeof(h->wiki)];

	(void)snprintf(shown, sizeof(shown), "%04X_%04X_%04X_%04X", attr >> 16, attr & 0xffff,
	               code >> 16, code & 0xffff);
	if (text_equal(shown, h->code))
		return; /* its text is there already */
	memset(h, 0, sizeof(*h));
	(void)snprintf(key, sizeof(key), "%08X%08X", attr, code);
	(void)bambu_hms_text(key, text, sizeof(text), wiki, sizeof(wiki));
	PUT(h->code, shown);
	PUT(h->module, bambu_module_name(attr >> 24));
	PUT(h->text, text);
	PUT(h->wiki, wiki);
	h->severity = (int)(code >> 16);
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
		(void)bambu_hms_text(key, text, sizeof(text), wiki, sizeof(wiki));
	}
	PUT(s->print_error_code, code);
	PUT(s->print_error_text, text);
}

void report_apply_trouble(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *list = report_get(r, "hms");
	unsigned n = 0;

	apply_print_error(r, s);
	for (size_t i = 0; i < tree_count(list) && n < PRINTER_MAX_HMS; i++) {
		const struct tree_node *e = tree_at(list, i);
		int64_t attr = tree_int(tree_get(r->print, e, "attr"), 0);
		int64_t code = tree_int(tree_get(r->print, e, "code"), 0);

		if (attr != 0)
			apply_hms_entry(&s->hms[n++], (uint32_t)attr, (uint32_t)code);
	}
	if (n < s->n_hms)
		memset(&s->hms[n], 0, (s->n_hms - n) * sizeof(s->hms[0]));
	s->n_hms = n;
}
