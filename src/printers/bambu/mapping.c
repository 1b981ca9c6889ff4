/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/mapping.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LITE_OF_A2L 16 /* how project_file numbers its trays is not known */

static int tray_number(const struct printer_ams *a, unsigned slot)
{
	if (a->id >= 128)
		return a->id;
	return 4 * a->id + (int)slot;
}

void bambu_mapping_place(int tray, int *ret_unit, int *ret_slot)
{
	*ret_unit = tray < 0 ? 255 : tray >= 128 ? tray : tray / 4;
	*ret_slot = tray < 0 ? 255 : tray >= 128 ? 0 : tray % 4;
}

static const struct printer_tray *find_tray(const struct printer_state *s, int number)
{
	for (unsigned i = 0; i < s->n_ams; i++) {
		for (unsigned k = 0; k < s->ams[i].n_trays; k++) {
			if (tray_number(&s->ams[i], k) == number)
				return &s->ams[i].trays[k];
		}
	}
	return NULL;
}

/* "#00AE42" of the slicer and "00AE42FF" of a tray; what is not known is no match. */
static bool same_color(const char *job, const char *tray)
{
	if (*job == '#')
		job++;
	return strlen(job) >= 6 && strlen(tray) >= 6 && strncasecmp(job, tray, 6) == 0;
}

static bool same_material(const struct gcode_plate_filament *f, const struct printer_tray *t)
{
	return t->is_present && *t->type && text_equal_nocase(f->type, t->type);
}

/* What the trays hold, for a sentence. */
static void list_trays(const struct printer_state *s, char *dst, size_t size)
{
	size_t n = 0;

	text_copy(dst, size, "nothing");
	for (unsigned i = 0; i < s->n_ams; i++) {
		for (unsigned k = 0; k < s->ams[i].n_trays && n < size; k++) {
			const struct printer_tray *t = &s->ams[i].trays[k];

			if (t->is_present)
				n += (size_t)snprintf(dst + n, size - n, "%s%d: %s%s%.6s",
				                      n ? ", " : "", tray_number(&s->ams[i], k),
				                      *t->type ? t->type : "unknown",
				                      *t->color ? " #" : "", t->color);
		}
	}
}

struct candidates {
	int first_exact, first; /* tray numbers, -1 none */
	unsigned n_exact, n;
	bool exact_differ; /* the exact ones are not all of the same make */
};

/* Two spools of the same make and colour print the same: either will do. */
static void look(const struct printer_state *s, const struct gcode_plate_filament *f,
                 struct candidates *ret)
{
	const struct printer_tray *exact = NULL;

	*ret = (struct candidates){ .first_exact = -1, .first = -1 };
	for (unsigned i = 0; i < s->n_ams; i++) {
		for (unsigned k = 0; k < s->ams[i].n_trays; k++) {
			const struct printer_tray *t = &s->ams[i].trays[k];

			if (!same_material(f, t))
				continue;
			if (ret->n++ == 0)
				ret->first = tray_number(&s->ams[i], k);
			if (!same_color(f->colour, t->color))
				continue;
			/* The slicer's own code for the filament decides between makes. */
			bool is_named =
				*f->tray_info_idx && text_equal(f->tray_info_idx, t->filament_id);
			bool was_named = exact && text_equal(f->tray_info_idx, exact->filament_id);

			ret->n_exact++;
			if (!exact || (is_named && !was_named)) {
				ret->exact_differ = false;
				ret->first_exact = tray_number(&s->ams[i], k);
				exact = t;
			} else if (is_named == was_named &&
			           !text_equal(t->filament_id, exact->filament_id)) {
				ret->exact_differ = true;
			}
		}
	}
}

static bool is_only_one(const struct gcode_plate *plate, const struct gcode_plate_filament *f)
{
	for (size_t i = 0; i < plate->n_filaments; i++) {
		if (&plate->filaments[i] != f &&
		    text_equal_nocase(plate->filaments[i].type, f->type))
			return false;
	}
	return true;
}

#define NAME_TRAYS "or name the trays yourself (ams_mapping)"

static int choose_one(const struct printer_state *s, const struct gcode_plate *plate,
                      const struct gcode_plate_filament *f, int *ret, struct err *err)
{
	struct candidates c;
	char have[200];

	if (!*f->type)
		return err_set(err, -EINVAL,
		               "the file does not say which material its filament %u is: "
		               "name the trays yourself (ams_mapping)",
		               f->id);
	look(s, f, &c);
	list_trays(s, have, sizeof(have));
	if (c.n == 0)
		return err_set(
			err, -EINVAL,
			"no tray holds %s for filament %u of the job (%s): load it, " NAME_TRAYS,
			f->type, f->id, have);
	if (c.n_exact > 0 && c.exact_differ)
		return err_set(err, -EINVAL,
		               "several makes of %s %s are loaded for filament %u of the job (%s): "
		               "unload one, " NAME_TRAYS,
		               f->type, f->colour, f->id, have);
	if (c.n_exact == 0 && (c.n > 1 || !is_only_one(plate, f)))
		return err_set(err, -EINVAL,
		               "no tray holds %s in %s for filament %u of the job, and which other "
		               "colour to take is not clear (%s): load it, " NAME_TRAYS,
		               f->type, *f->colour ? f->colour : "its colour", f->id, have);
	*ret = c.n_exact > 0 ? c.first_exact : c.first;
	return 0;
}

static int choose_external(const struct printer_state *s, const struct gcode_plate *plate,
                           struct printer_command *c, struct err *err)
{
	const struct printer_tray *spool = s->n_external > 0 ? &s->external[0] : NULL;

	c->uses_ams = false;
	c->n_mapping = 0;
	if (plate->n_filaments > 1)
		return err_set(err, -EINVAL,
		               "the job needs %zu filaments, and this printer has no AMS: slice it "
		               "for one filament",
		               plate->n_filaments);
	if (plate->n_filaments == 1 && spool && *spool->type && *plate->filaments[0].type &&
	    !text_equal_nocase(spool->type, plate->filaments[0].type))
		return err_set(err, -EINVAL,
		               "the job needs %s, and the external spool is set to %s: change the "
		               "spool, or its setting on the printer's screen",
		               plate->filaments[0].type, spool->type);
	return 0;
}

int bambu_mapping_choose(const struct printer_state *s, const struct gcode_plate *plate,
                         struct printer_command *c, struct err *err)
{
	unsigned highest = 0;

	if (s->n_ams == 0)
		return choose_external(s, plate, c, err);
	if (s->n_nozzles > 1)
		return err_set(err, -EINVAL,
		               "on a printer with two nozzles Bedside does not choose the trays: "
		               "name them (ams_mapping)");
	if (s->ams[0].id == LITE_OF_A2L)
		return err_set(err, -EINVAL,
		               "with this AMS Bedside does not choose the trays: name them "
		               "(ams_mapping)");
	for (size_t i = 0; i < plate->n_filaments; i++)
		highest = MAX(highest, plate->filaments[i].id);
	if (highest == 0 || highest > PRINTER_MAX_FILAMENTS)
		return err_set(err, -EINVAL,
		               "the file does not say which filaments its plate %u needs: name the "
		               "trays yourself (ams_mapping)",
		               plate->number);
	c->n_mapping = highest;
	for (unsigned i = 0; i < highest; i++)
		c->mapping[i] = -1;
	for (size_t i = 0; i < plate->n_filaments; i++) {
		const struct gcode_plate_filament *f = &plate->filaments[i];
		int rc = f->id == 0 ? 0 : choose_one(s, plate, f, &c->mapping[f->id - 1], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int bambu_mapping_check(const struct printer_state *s, const struct printer_command *c,
                        struct err *err)
{
	char have[200];
	bool feeds = false;

	list_trays(s, have, sizeof(have));
	for (unsigned i = 0; i < c->n_mapping; i++) {
		const struct printer_tray *t = find_tray(s, c->mapping[i]);

		if (c->mapping[i] == -1)
			continue;
		feeds = true;
		if (!t)
			return err_set(err, -EINVAL, "this printer has no tray %d (it has %s)",
			               c->mapping[i], have);
		if (!t->is_present)
			return err_set(err, -EINVAL, "tray %d is empty (the others: %s)",
			               c->mapping[i], have);
	}
	return feeds ? 0
	             : err_set(err, -EINVAL, "ams_mapping names no tray; the printer has %s", have);
}
