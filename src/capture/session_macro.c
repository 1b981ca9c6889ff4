/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions whose pictures are taken when the print's macros say so. */

#include "base/err.h"
#include "capture/private.h"

#include <errno.h>

static struct recording *recording_for_macro(struct sessions *ss, const char *printer,
                                             struct err *err)
{
	const struct station *st = station_of(ss, printer);
	struct recording *r = st ? st->current : NULL;

	/* The macro may have paused the print to park the head. */
	if (r && r->journal && !r->is_ending && !r->is_paused_by_order &&
	    (r->machine == SESSION_RECORDING || r->machine == SESSION_PAUSED))
		return r;
	(void)err_set(err, -EPERM, "no session records this print");
	return NULL;
}

int sessions_macro_frame(struct sessions *ss, const char *printer, bool is_cyclic, struct err *err)
{
	struct recording *r = recording_for_macro(ss, printer, err);
	const struct station *st = station_of(ss, printer);
	struct due d = { .trigger = is_cyclic ? TRIGGER_TIME : TRIGGER_MACRO,
		         .not_before_us = loop_now_us(ss->env.loop) };

	if (!r || !st)
		return -EPERM;
	if (!r->is_by_macro) {
		r->is_by_macro = true;
		recording_set_cycle(r);
	}
	if (ss->is_disk_stopped) {
		recording_missed(r, st->layer_now, "the disk is full");
		return err_set(err, -ENOSPC, "the disk is full");
	}
	d.layer = st->layer_now;
	d.z_mm = st->z_now_mm;
	r->is_macro_waiting = true;
	shots_add(r, &d);
	/* Not from inside the call. */
	if (!shots_are_pending(r)) {
		r->is_macro_waiting = false;
		return err_set(err, -ENODEV, "there is no camera");
	}
	return 0;
}

int sessions_macro_cycle(struct sessions *ss, const char *printer, double every_s, struct err *err)
{
	struct recording *r = recording_for_macro(ss, printer, err);

	if (!r)
		return -EPERM;
	r->is_by_macro = every_s > 0;
	r->cycle_s = MAX(every_s, 0.0);
	recording_set_cycle(r);
	return 0;
}
