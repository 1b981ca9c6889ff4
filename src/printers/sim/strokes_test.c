/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/strokes.h"

#include "base/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct sim_strokes read_in_pieces(const char *text, size_t piece)
{
	struct sim_stroke_scan s;
	size_t size = strlen(text);

	sim_strokes_begin(&s);
	for (size_t at = 0; at < size; at += piece)
		sim_strokes_add(&s, text + at, MIN(piece, size - at));
	return sim_strokes_end(&s);
}

static const char three[] = "G90\nG1 X100 F18000\nG1 X-38.2 F18000\n"
			    "G1 X-48.2 F3000 ; press\nG1 X-38.2 F18000\n"
			    "G1 X-48.2 F3000\nG1 X-38.2 F18000\n"
			    "G1 X-48.2 F3000\nG1 X-38.2 F18000\nG1 X108 Y-0.5\n";

TEST(strokes_have_the_pace_of_their_moves)
{
	for (size_t piece = 1; piece < 200; piece += 7) {
		struct sim_strokes k = read_in_pieces(three, piece);

		CHECK_INT(k.n, 6);
		CHECK(k.list[0].is_pressed && k.list[0].after_s > SIM_STROKE_GAP_S);
		CHECK(!k.list[1].is_pressed);
		/* There and back: 9.8 mm at 50 mm/s and 10 at 300, between presses 0.233 s. */
		CHECK(fabs(k.list[1].after_s + k.list[2].after_s - 0.2333) < 0.001);
		CHECK(k.list[4].is_pressed && k.list[4].after_s < SIM_STROKE_GAP_S);
		free(k.list);
	}
}

TEST(dwells_count_and_part_the_groups)
{
	struct sim_strokes k = read_in_pieces("G1 X-48 F42000\nM400 P1000\nG1 X-40\n"
	                                      "M400 S3\nG1 X-48.2 F3000\nG4 P500\nG1 X0\n",
	                                      9);

	CHECK_INT(k.n, 4);
	CHECK(fabs(k.list[1].after_s - 1.0) < 0.01);
	CHECK(k.list[2].after_s > 3 && k.list[2].after_s > SIM_STROKE_GAP_S);
	CHECK(fabs(k.list[3].after_s - 0.5) < 0.01);
	free(k.list);
}

TEST(what_does_not_reach_the_switch_is_no_stroke)
{
	struct sim_strokes k =
		read_in_pieces("G1 X-47 F18000\n; G1 X-48.2\nM117 G1 X-48.2\nG10 X-50\n"
	                       "G1 Y-60\nG1 E-48.2 ;X-48.2\nG91\nG1 X-0.5\nG1 Xnan\n",
	                       1000);

	CHECK_INT(k.n, 0);
	k = read_in_pieces("G91\nG1 X-40 F6000\nG1 X-8.5\n", 1000);
	CHECK_INT(k.n, 1);
	free(k.list);
}
