/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report_priv.h"

#include "base/text.h"
#include "printers/bambu/quirks.h"
#include "printers/bambu/tables.h"

#include <math.h>

static void apply_nozzle_kind(const struct bambu_report *r, struct printer_nozzle *n, int id)
{
	const struct tree_node *info = report_by_id(
		r, tree_path(r->print, report_get(r, "device"), "nozzle", "info", NULL), id);
	const char *code = tree_text(tree_get(r->print, info, "type"));
	double diameter = tree_double(tree_get(r->print, info, "diameter"), NAN);
	char type[sizeof(n->type)];

	if (id == 0 && !*code)
		code = tree_text(report_get(r, "nozzle_type"));
	if (id == 0 && isnan(diameter))
		diameter = tree_double(report_get(r, "nozzle_diameter"), NAN);
	/* 0.4 comes as 0.4000000059604645 from some */
	n->diameter_mm = diameter > 0 && diameter < 10 ? round(diameter * 100) / 100 : (double)NAN;
	bambu_nozzle_type(code, type, sizeof(type));
	PUT(n->type, type);
}

static const char *nozzle_name(const struct bambu_report *r, const struct printer_state *s, int id)
{
	if (s->n_nozzles < 2)
		return "nozzle";
	if (text_equal(bambu_report_model(r)->code, "N6"))
		return id == 0 ? "auxiliary" : "main";
	return id == 0 ? "right" : "left";
}

static void apply_nozzles(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *extruder =
		tree_path(r->print, report_get(r, "device"), "extruder", NULL);
	const struct tree_node *list = tree_get(r->print, extruder, "info");
	int64_t state = tree_int(tree_get(r->print, extruder, "state"), -1);
	int n = bambu_report_model(r)->nozzles;

	if (state > 0 && (state & 15) > 0)
		n = (int)(state & 15);
	s->n_nozzles = (unsigned)MIN(n, PRINTER_MAX_NOZZLES);
	s->active_nozzle = state > 0 ? (int)(state >> 4 & 15) : 0;
	if (s->active_nozzle >= (int)s->n_nozzles)
		s->active_nozzle = 0;
	for (int i = 0; i < (int)s->n_nozzles; i++) {
		struct printer_nozzle *z = &s->nozzles[i];
		const struct tree_node *e = report_by_id(r, list, i);

		z->heat = bambu_packed_heat(tree_int(tree_get(r->print, e, "temp"), -1));
		if (s->n_nozzles == 1 || (i == s->active_nozzle && isnan(z->heat.now_c))) {
			z->heat.now_c = tree_double(report_get(r, "nozzle_temper"), z->heat.now_c);
			z->heat.target_c = tree_double(report_get(r, "nozzle_target_temper"),
			                               z->heat.target_c);
		}
		z->tray = bambu_tray_of_snow(tree_int(tree_get(r->print, e, "snow"), -1));
		PUT(z->name, nozzle_name(r, s, i));
		apply_nozzle_kind(r, z, i);
	}
}

void report_apply_heat(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *device = report_get(r, "device");
	const struct tree_node *ctc = tree_path(r->print, device, "ctc", "info", "temp", NULL);
	const struct bambu_model *m = bambu_report_model(r);

	apply_nozzles(r, s);
	s->bed = bambu_packed_heat(
		tree_int(tree_path(r->print, device, "bed", "info", "temp", NULL), -1));
	s->bed.now_c = tree_double(report_get(r, "bed_temper"), s->bed.now_c);
	s->bed.target_c = tree_double(report_get(r, "bed_target_temper"), s->bed.target_c);

	s->chamber = (struct printer_heat){ NAN, NAN };
	if (!m->has_chamber_sensor && (r->model || !ctc))
		return; /* P1 and A1 report a constant 5 */
	s->chamber = bambu_packed_heat(tree_int(ctc, -1));
	if (isnan(s->chamber.now_c))
		s->chamber.now_c =
			tree_double(tree_path(r->print, report_get(r, "info"), "temp", NULL),
		                    tree_double(report_get(r, "chamber_temper"), NAN));
	if (isnan(s->chamber.target_c))
		s->chamber.target_c = tree_double(report_get(r, "ctt"), NAN);
	if (m->chamber_max_c == 0)
		s->chamber.target_c = NAN;
}

/* Percent of an air-duct part; the 15 steps of the old field where there is none. */
static int fan_of(const struct bambu_report *r, int part, const char *old)
{
	const struct tree_node *p = report_by_id(
		r, tree_path(r->print, report_get(r, "device"), "airduct", "parts", NULL), part);
	int64_t state = tree_int(tree_get(r->print, p, "state"), -1);

	if (state >= 0)
		return (int)MIN(state & 0xff, 100);
	return bambu_fan_percent(tree_int(report_get(r, old), -1));
}

void report_apply_fans(struct bambu_report *r, struct printer_state *s)
{
	const struct bambu_model *m = bambu_report_model(r);

	s->fan_part = fan_of(r, 16, "cooling_fan_speed");
	s->fan_aux = m->has_aux_fan ? fan_of(r, 32, "big_fan1_speed") : -1;
	s->fan_chamber = m->has_chamber_fan ? fan_of(r, 48, "big_fan2_speed") : -1;
	s->fan_heatbreak = bambu_fan_percent(tree_int(report_get(r, "heatbreak_fan_speed"), -1));
}
