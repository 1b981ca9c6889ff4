/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is sent to the printer: short scripts, each of which says its modes itself. */

#include "capture/run_private.h"

#include <math.h>
#include <string.h>

/* G90 makes the extruder absolute in Marlin too, so M83 comes after it. */
static void begin(struct buf *out)
{
	buf_add_str(out, "G90\nM83\n");
}

static bool moves_filament(const struct run *r)
{
	return r->plan.retract_mm > 0 && (r->is_klipper || r->file.has_modes);
}

static void z_line(const struct run *r, double z, struct buf *out)
{
	buf_printf(out, "G1 Z%.3f F%.0f\n", z, r->plan.z_speed_mm_min);
}

void run_gcode_lift(const struct run *r, struct buf *out)
{
	if (r->is_klipper)
		buf_add_str(out, "SAVE_GCODE_STATE NAME=BEDSIDE\n");
	begin(out);
	if (moves_filament(r))
		buf_printf(out, "G1 E-%.3f F%.0f\n", r->plan.retract_mm, r->plan.retract_mm_min);
	z_line(r, r->travel_mm, out);
}

/* Up, across, down. */
static void legs(struct run *r, const double to[3], struct buf *out)
{
	double high = fmax(fmax(r->at_mm[2], to[2]), r->travel_mm);

	if (isnan(r->at_mm[2]) || high > r->at_mm[2] + 1e-6)
		z_line(r, high, out);
	if (!isnan(to[0]))
		buf_printf(out, "G1 X%.3f Y%.3f F%.0f\n", to[0], to[1], r->plan.speed_mm_min);
	if (to[2] < high - 1e-6)
		z_line(r, to[2], out);
	memcpy(r->at_mm, to, sizeof(r->at_mm));
}

void run_gcode_move(struct run *r, const double to[3], struct buf *out)
{
	begin(out);
	legs(r, to, out);
}

void run_gcode_return(struct run *r, struct buf *out)
{
	begin(out);
	if (!isnan(r->home_mm[0]))
		legs(r, r->home_mm, out);
	/* With absolute counting the printer thinks in sums: what is more than was pulled back would
	 * be missing from the next line, so exactly that comes back. */
	if (r->is_retracted)
		buf_printf(out, "G1 E%.3f F%.0f\n",
		           r->is_klipper || r->file.is_e_relative ? r->plan.prime_mm
		                                                  : r->plan.retract_mm,
		           r->plan.retract_mm_min);
	if (r->is_klipper) {
		buf_add_str(out, "RESTORE_GCODE_STATE NAME=BEDSIDE MOVE=0\n");
		return;
	}
	if (!isnan(r->file.feed_mm_min))
		buf_printf(out, "G1 F%.0f\n", r->file.feed_mm_min);
	if (!r->file.has_modes)
		return;
	if (r->file.is_relative)
		buf_add_str(out, "G91\n");
	buf_add_str(out, r->file.is_e_relative ? "M83\n" : "M82\n");
}
