/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/mapping.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
	struct printer_state *state;
	struct gcode_plate *plate;
	struct printer_command command;
	struct err err;
};

static void begin(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->state = MEM_NEW(struct printer_state);
	printer_state_init(b->state);
	b->state->n_nozzles = 1;
	b->plate = MEM_NEW(struct gcode_plate);
	b->plate->number = 1;
	b->command.kind = PRINTER_START_FILE;
	b->command.uses_ams = true;
}

static void end(struct bench *b)
{
	free(b->state);
	free(b->plate);
}

/* "PLA 00AE42FF GFA00"; "" is an empty slot */
static void load(struct bench *b, int unit, const char *const *trays, unsigned n)
{
	struct printer_ams *a = &b->state->ams[b->state->n_ams++];

	a->id = unit;
	a->n_trays = n;
	for (unsigned i = 0; i < n; i++) {
		struct printer_tray *t = &a->trays[i];
		const char *color = strchr(trays[i], ' ');

		t->is_present = trays[i][0] != '\0';
		if (!color)
			continue;
		text_copy_n(t->type, sizeof(t->type), trays[i], (size_t)(color - trays[i]));
		text_copy_n(t->color, sizeof(t->color), color + 1, 8);
		TEXT_SET(t->filament_id, strlen(color) > 9 ? color + 10 : "");
	}
}

static void need(struct bench *b, unsigned id, const char *type, const char *colour,
                 const char *index)
{
	struct gcode_plate_filament *f = &b->plate->filaments[b->plate->n_filaments++];

	f->id = id;
	TEXT_SET(f->type, type);
	TEXT_SET(f->colour, colour);
	TEXT_SET(f->tray_info_idx, index);
}

static int choose(struct bench *b)
{
	return bambu_mapping_choose(b->state, b->plate, &b->command, &b->err);
}

static const char *const usual[] = { "PLA F7D959FF GFL99", "PLA 00AE42FF GFL99", "",
	                             "PETG 1A1A1AFF GFG99" };

TEST(each_filament_gets_the_tray_of_its_material_and_colour)
{
	struct bench b;

	begin(&b);
	load(&b, 0, usual, 4);
	load(&b, 128, (const char *const[]){ "PA-CF 000000FF" }, 1);
	need(&b, 2, "PLA", "#00ae42", "GFL99");
	need(&b, 3, "PLA", "#F7D959", "");
	need(&b, 5, "PA-CF", "#000000", "");
	CHECK_INT(choose(&b), 0);
	CHECK_INT(b.command.n_mapping, 5);
	CHECK_INT(b.command.mapping[0], -1);
	CHECK_INT(b.command.mapping[1], 1);
	CHECK_INT(b.command.mapping[2], 0);
	CHECK_INT(b.command.mapping[3], -1);
	CHECK_INT(b.command.mapping[4], 128);
	end(&b);
}

TEST(the_only_tray_of_a_material_serves_whatever_its_colour)
{
	struct bench b;

	begin(&b);
	load(&b, 0, usual, 4);
	need(&b, 1, "PETG", "#FFFFFF", "");
	CHECK_INT(choose(&b), 0);
	CHECK_INT(b.command.mapping[0], 3);
	/* But not for two filaments of the job. */
	need(&b, 2, "PETG", "#1A1A1A", "");
	CHECK(choose(&b) < 0);
	CHECK(strstr(b.err.text, "filament 1 of the job"));
	end(&b);
}

TEST(missing_and_unclear_materials_are_refused_in_words)
{
	struct bench b;

	begin(&b);
	load(&b, 0, usual, 4);
	need(&b, 1, "ABS", "#000000", "");
	CHECK(choose(&b) < 0);
	CHECK(strstr(b.err.text, "no tray holds ABS for filament 1"));
	CHECK(strstr(b.err.text, "3: PETG #1A1A1A"));
	b.plate->n_filaments = 0;
	need(&b, 1, "PLA", "#FF0000", "");
	CHECK(choose(&b) < 0);
	CHECK(strstr(b.err.text, "no tray holds PLA in #FF0000"));
	b.plate->n_filaments = 0;
	need(&b, 1, "", "#FF0000", "");
	CHECK(choose(&b) < 0);
	b.plate->n_filaments = 0;
	CHECK(choose(&b) < 0);
	end(&b);
}

TEST(two_spools_of_one_make_are_as_good_as_one_and_of_two_makes_are_not)
{
	static const char *const same[] = { "PLA 00AE42FF GFA00", "PLA 00AE42FF GFA00", "", "" };
	static const char *const makes[] = { "PLA 00AE42FF GFA01", "PLA 00AE42FF GFA00", "", "" };
	struct bench b;

	begin(&b);
	load(&b, 1, same, 4);
	need(&b, 1, "PLA", "#00AE42", "GFL99");
	CHECK_INT(choose(&b), 0);
	CHECK_INT(b.command.mapping[0], 4);
	end(&b);
	begin(&b);
	load(&b, 0, makes, 4);
	need(&b, 1, "PLA", "#00AE42", "GFL99");
	CHECK(choose(&b) < 0);
	CHECK(strstr(b.err.text, "several makes"));
	TEXT_SET(b.plate->filaments[0].tray_info_idx, "GFA00");
	CHECK_INT(choose(&b), 0);
	CHECK_INT(b.command.mapping[0], 1);
	end(&b);
}

TEST(without_an_ams_the_external_spool_is_taken_if_it_can_do)
{
	struct bench b;

	begin(&b);
	b.state->n_external = 1;
	need(&b, 1, "PLA", "#00AE42", "");
	CHECK_INT(choose(&b), 0);
	CHECK(!b.command.uses_ams);
	TEXT_SET(b.state->external[0].type, "PETG");
	CHECK(choose(&b) < 0);
	CHECK(strstr(b.err.text, "external spool is set to PETG"));
	need(&b, 2, "PLA", "#FFFFFF", "");
	CHECK(choose(&b) < 0);
	CHECK(strstr(b.err.text, "no AMS"));
	end(&b);
}

TEST(two_nozzles_and_the_lite_of_an_a2l_are_left_to_people)
{
	struct bench b;

	begin(&b);
	load(&b, 16, usual, 4);
	need(&b, 1, "PLA", "#00AE42", "");
	CHECK(choose(&b) < 0);
	b.state->ams[0].id = 0;
	b.state->n_nozzles = 2;
	CHECK(choose(&b) < 0);
	CHECK(strstr(b.err.text, "two nozzles"));
	end(&b);
}

TEST(trays_that_were_named_must_be_there_and_full)
{
	struct bench b;
	int unit, slot;

	begin(&b);
	load(&b, 0, usual, 4);
	b.command.n_mapping = 2;
	b.command.mapping[0] = -1;
	b.command.mapping[1] = 3;
	CHECK_INT(bambu_mapping_check(b.state, &b.command, &b.err), 0);
	b.command.mapping[1] = 2;
	CHECK(bambu_mapping_check(b.state, &b.command, &b.err) < 0);
	CHECK(strstr(b.err.text, "tray 2 is empty"));
	b.command.mapping[1] = 7;
	CHECK(bambu_mapping_check(b.state, &b.command, &b.err) < 0);
	CHECK(strstr(b.err.text, "no tray 7"));
	b.command.mapping[1] = -1;
	CHECK(bambu_mapping_check(b.state, &b.command, &b.err) < 0);
	bambu_mapping_place(6, &unit, &slot);
	CHECK(unit == 1 && slot == 2);
	bambu_mapping_place(130, &unit, &slot);
	CHECK(unit == 130 && slot == 0);
	bambu_mapping_place(-1, &unit, &slot);
	CHECK(unit == 255 && slot == 255);
	end(&b);
}
