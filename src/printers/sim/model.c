/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/model.h"

#include "base/text.h"

#include <string.h>
#include <strings.h>

/* As recorded on an A1 (bambu.md 2.8). */
static const struct sim_stage stages_a1[] = {
	{ 2, 4 }, { 13, 35 }, { 4, 94 }, { 8, 103 }, { 3, 39 }, { 14, 64 }, { 1, 76 }, { 0, 0 },
};

static const struct sim_stage stages_p1[] = {
	{ 2, 60 }, { 13, 20 }, { 4, 94 }, { 14, 40 }, { 1, 60 }, { 3, 30 }, { 0, 0 },
};

static const struct sim_stage stages_x1[] = {
	{ 2, 60 }, { 13, 20 }, { 11, 10 }, { 4, 94 }, { 14, 40 },
	{ 1, 60 }, { 8, 40 },  { 10, 30 }, { 0, 0 },
};

#define A1_LIKE                                                                                    \
	.reports = SIM_REPORTS_DELTA, .ams = SIM_AMS_LITE, .n_nozzles = 1, .moves_bed_in_y = true, \
	.has_jpeg_camera = true, .is_fine = true, .no_stage = 255, .stages = stages_a1
#define P1_LIKE                                                                                  \
	.reports = SIM_REPORTS_DELTA, .ams = SIM_AMS_4, .n_nozzles = 1, .has_jpeg_camera = true, \
	.is_fine = true, .no_stage = 255, .stages = stages_p1
#define X1_LIKE                                                                             \
	.reports = SIM_REPORTS_FULL, .ams = SIM_AMS_4, .n_nozzles = 1, .has_chamber = true, \
	.is_new = true, .no_stage = -1, .stages = stages_x1
#define H2_LIKE                                                                                 \
	.reports = SIM_REPORTS_BOTH, .ams = SIM_AMS_2_PRO, .has_chamber = true, .is_new = true, \
	.no_stage = -1, .stages = stages_x1

static const struct sim_model models[] = {
	{ "N2S", "A1", "Bambu Lab A1", "039", A1_LIKE, .bed_x_mm = 256, .bed_y_mm = 256,
	  .firmware = "01.04.00.00" },
	{ "N1", "A1 mini", "Bambu Lab A1 mini", "030", A1_LIKE, .bed_x_mm = 180, .bed_y_mm = 180,
	  .firmware = "01.04.00.00" },
	{ "N9", "A2L", "Bambu Lab A2L", "26A", A1_LIKE, .bed_x_mm = 330, .bed_y_mm = 320,
	  .firmware = "01.01.00.00" },
	{ "C12", "P1S", "Bambu Lab P1S", "01P", P1_LIKE, .bed_x_mm = 256, .bed_y_mm = 256,
	  .firmware = "01.07.00.00" },
	{ "C11", "P1P", "Bambu Lab P1P", "01S", P1_LIKE, .bed_x_mm = 256, .bed_y_mm = 256,
	  .firmware = "01.07.00.00" },
	{ "BL-P001", "X1 Carbon", "Bambu Lab X1-Carbon", "00M", X1_LIKE, .bed_x_mm = 256,
	  .bed_y_mm = 256, .firmware = "01.08.02.00" },
	{ "BL-P002", "X1", "Bambu Lab X1", "00W", X1_LIKE, .bed_x_mm = 256, .bed_y_mm = 256,
	  .firmware = "01.08.02.00" },
	{ "C13", "X1E", "Bambu Lab X1E", "03W", X1_LIKE, .bed_x_mm = 256, .bed_y_mm = 256,
	  .firmware = "01.01.02.00" },
	{ "N7", "P2S", "Bambu Lab P2S", "22E", H2_LIKE, .n_nozzles = 1, .bed_x_mm = 256,
	  .bed_y_mm = 256, .firmware = "01.01.00.00" },
	{ "N6", "X2D", "Bambu Lab X2D", "20P", H2_LIKE, .n_nozzles = 2, .bed_x_mm = 256,
	  .bed_y_mm = 256, .firmware = "01.01.00.00" },
	{ "O1D", "H2D", "Bambu Lab H2D", "094", H2_LIKE, .n_nozzles = 2, .bed_x_mm = 350,
	  .bed_y_mm = 320, .firmware = "01.01.02.00" },
	{ "O1E", "H2D Pro", "Bambu Lab H2D Pro", "239", H2_LIKE, .n_nozzles = 2, .bed_x_mm = 350,
	  .bed_y_mm = 320, .firmware = "01.01.00.00" },
	{ "O1S", "H2S", "Bambu Lab H2S", "093", H2_LIKE, .n_nozzles = 1, .bed_x_mm = 340,
	  .bed_y_mm = 320, .firmware = "01.01.00.00" },
	{ "O1C", "H2C", "Bambu Lab H2C", "31B", H2_LIKE, .n_nozzles = 2, .bed_x_mm = 330,
	  .bed_y_mm = 320, .firmware = "01.01.00.00" },
};

/* "A1mini" is "A1 mini", "x1c" is "X1 Carbon". */
static bool name_is(const char *given, const char *name)
{
	if (strcasecmp(given, "x1c") == 0)
		given = "x1carbon";
	for (;; given++, name++) {
		while (*given == ' ' || *given == '-')
			given++;
		while (*name == ' ')
			name++;
		if (!*given || !*name)
			return *given == *name;
		if (strncasecmp(given, name, 1) != 0)
			return false;
	}
}

const struct sim_model *sim_model_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(models); i++)
		if (text_equal_nocase(name, models[i].code) || name_is(name, models[i].name))
			return &models[i];
	for (size_t i = 0; strlen(name) == 15 && i < ARRAY_LEN(models); i++)
		if (text_starts(name, models[i].prefix))
			return &models[i];
	return NULL;
}

const struct sim_model *sim_model_at(size_t i)
{
	return i < ARRAY_LEN(models) ? &models[i] : NULL;
}
