/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report_priv.h"

#include "base/text.h"
#include "printers/bambu/quirks.h"
#include "printers/bambu/tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_zeros(const char *s)
{
	return s[strspn(s, "0")] == '\0';
}

static void apply_tray(const struct bambu_report *r, struct printer_tray *t,
                       const struct tree_node *n)
{
	const struct tree *p = r->print;
	const char *uuid = tree_text(tree_get(p, n, "tray_uuid"));
	const char *tag = tree_text(tree_get(p, n, "tag_uid"));
	const char *color = tree_text(tree_get(p, n, "tray_color"));
	const char *brand = tree_text(tree_get(p, n, "tray_sub_brands"));

	PUT(t->filament_id, tree_text(tree_get(p, n, "tray_info_idx")));
	PUT(t->type, tree_text(tree_get(p, n, "tray_type")));
	PUT(t->brand, *brand ? brand : bambu_filament_name(t->filament_id));
	PUT(t->color, is_zeros(color) ? "" : color);
	PUT(t->uuid, is_zeros(uuid) ? "" : uuid);
	PUT(t->tag, is_zeros(tag) ? "" : tag);
	t->is_present = t->type[0] != '\0';

	/* What is left is measured for spools with the vendor's tag only. */
	t->remain_percent = t->uuid[0] ? report_known(tree_get(p, n, "remain"), -1) : -1;
	if (t->remain_percent > 100)
		t->remain_percent = -1;

	double weight = tree_double(tree_get(p, n, "tray_weight"), 0);

	t->full_g = weight > 0 ? weight : (double)NAN;
	t->nozzle_min_c = report_known(tree_get(p, n, "nozzle_temp_min"), 0);
	t->nozzle_max_c = report_known(tree_get(p, n, "nozzle_temp_max"), 0);
	t->nozzle_min_c = t->nozzle_min_c ? t->nozzle_min_c : -1;
	t->nozzle_max_c = t->nozzle_max_c ? t->nozzle_max_c : -1;
	t->k = tree_double(tree_get(p, n, "k"), NAN);
}

static bool is_lite(const struct bambu_report *r, int id)
{
	const char *code = bambu_report_model(r)->code;

	return id == 16 || text_equal(code, "N1") || text_equal(code, "N2S");
}

static const char *ams_kind(const struct bambu_report *r, int id, const struct tree_node *unit)
{
	static const char *const kinds[] = { "",          "AMS",    "AMS Lite",
		                             "AMS 2 Pro", "AMS HT", "AMS Lite" };
	uint64_t info;
	char module[16];

	if (tree_hex(tree_get(r->print, unit, "info"), &info) && (info & 15) > 0 &&
	    (info & 15) < ARRAY_LEN(kinds))
		return kinds[info & 15];
	if (id >= 128)
		return "AMS HT";
	(void)snprintf(module, sizeof(module), "n3f/%d", id);
	if (report_module_find(r, module))
		return "AMS 2 Pro";
	return is_lite(r, id) ? "AMS Lite" : "AMS";
}

static void apply_unit(const struct bambu_report *r, struct printer_ams *a, int id,
                       const struct tree_node *unit)
{
	const struct tree *p = r->print;
	const struct tree_node *trays = tree_get(p, unit, "tray");
	const struct tree_node *exist = tree_path(p, report_get(r, "ams"), "tray_exist_bits", NULL);
	uint64_t bits = 0;
	bool has_bits = tree_hex(exist, &bits);

	a->id = id;
	PUT(a->kind, ams_kind(r, id, unit));

	bool measures = !text_equal(a->kind, "AMS Lite"); /* it reports constants */

	a->humidity_level = measures ? report_known(tree_get(p, unit, "humidity"), 0) : -1;
	if (a->humidity_level < 1 || a->humidity_level > 5)
		a->humidity_level = -1;
	a->humidity_percent = measures ? report_known(tree_get(p, unit, "humidity_raw"), -1) : -1;
	a->temp_c = measures ? tree_double(tree_get(p, unit, "temp"), NAN) : (double)NAN;
	a->dry_minutes_left = report_known(tree_get(p, unit, "dry_time"), 0);
	a->n_trays = text_equal(a->kind, "AMS HT") ? 1 : 4;
	for (unsigned slot = 0; slot < PRINTER_MAX_TRAYS; slot++) {
		struct printer_tray *t = &a->trays[slot];
		int bit = bambu_tray_bit(id, (int)slot);

		apply_tray(r, t, report_by_id(r, trays, (int)slot));
		if (has_bits && bit >= 0)
			t->is_present = bits >> bit & 1;
		if (slot >= a->n_trays)
			t->is_present = false;
	}
}

static void apply_units(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *ams = report_get(r, "ams");
	const struct tree_node *list = tree_get(r->print, ams, "ams");
	uint64_t bits = 0;
	bool has_bits = tree_hex(tree_get(r->print, ams, "ams_exist_bits"), &bits);
	unsigned n = 0;

	for (size_t i = 0; i < tree_count(list) && n < PRINTER_MAX_AMS; i++) {
		int id = report_known(tree_get(r->print, tree_at(list, i), "id"), -1);
		int bit = bambu_ams_bit(id);

		if (id < 0 || (has_bits && bit >= 0 && !(bits >> bit & 1)))
			continue;
		apply_unit(r, &s->ams[n++], id, tree_at(list, i));
	}
	if (n < s->n_ams)
		memset(&s->ams[n], 0, (s->n_ams - n) * sizeof(s->ams[0]));
	s->n_ams = n;
}

static void apply_external(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *slots = report_get(r, "vir_slot");
	unsigned n = (unsigned)MIN(tree_count(slots), (size_t)PRINTER_MAX_NOZZLES);

	if (n == 0 && report_get(r, "vt_tray")) {
		apply_tray(r, &s->external[0], report_get(r, "vt_tray"));
		n = 1;
	} else if (n == 1) {
		apply_tray(r, &s->external[0], tree_at(slots, 0));
	} else {
		for (unsigned i = 0; i < n; i++)
			apply_tray(r, &s->external[i], report_by_id(r, slots, 255 - (int)i));
	}
	s->n_external = n;
}

void report_apply_ams(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *snow =
		tree_path(r->print, report_get(r, "device"), "extruder", "info", NULL);
	const struct tree_node *now = tree_path(r->print, report_get(r, "ams"), "tray_now", NULL);

	apply_units(r, s);
	apply_external(r, s);
	/* On newer machines `tray_now` is the slot alone: the extruder says it all. */
	snow = tree_get(r->print, report_by_id(r, snow, s->active_nozzle), "snow");
	s->tray_now = snow ? bambu_tray_of_snow(tree_int(snow, -1))
	                   : bambu_tray_of_now(tree_int(now, -1));
	if (s->n_nozzles == 1)
		s->nozzles[0].tray = s->tray_now;
}
