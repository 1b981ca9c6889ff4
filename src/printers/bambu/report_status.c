/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report_priv.h"

#include "base/text.h"
#include "printers/bambu/quirks.h"
#include "printers/bambu/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANCEL_MEMORY_US 30000000 /* the code for "cancelled" may come and go around FAILED */

static enum printer_activity activity_of(const char *gcode_state)
{
	static const struct {
		const char *word;
		enum printer_activity activity;
	} words[] = {
		{ "RUNNING", PRINTER_PRINTING },  { "PREPARE", PRINTER_PREPARING },
		{ "SLICING", PRINTER_PREPARING }, { "PAUSE", PRINTER_PAUSED },
		{ "FINISH", PRINTER_FINISHED },   { "FAILED", PRINTER_FAILED },
		{ "IDLE", PRINTER_IDLE },         { "INIT", PRINTER_IDLE },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (text_equal_nocase(gcode_state, words[i].word))
			return words[i].activity;
	}
	return PRINTER_UNKNOWN;
}

static bool is_near(int64_t a_us, int64_t b_us)
{
	return a_us && b_us && llabs(a_us - b_us) < CANCEL_MEMORY_US;
}

/* FAILED together with the cancel code, in whichever order they come, is "cancelled" (and stays
 * so while the printer says FAILED). */
static enum printer_activity judge_end(struct bambu_report *r, const struct printer_state *s,
                                       enum printer_activity a, int64_t now_us)
{
	bool was_job = printer_activity_is_job(s->activity);

	if (bambu_is_cancel((uint32_t)tree_int(report_get(r, "print_error"), 0)))
		r->cancel_us = now_us;
	if (a == PRINTER_IDLE && was_job && is_near(r->cancel_us, now_us))
		return PRINTER_CANCELLED;
	if (a == PRINTER_IDLE && s->activity == PRINTER_CANCELLED)
		return PRINTER_CANCELLED;
	if (a != PRINTER_FAILED) {
		r->failed_us = 0;
		return a;
	}
	if (r->failed_us == 0)
		r->failed_us = was_job || r->cancel_us == now_us ? now_us : 1;
	if (s->activity == PRINTER_CANCELLED || is_near(r->cancel_us, r->failed_us))
		return PRINTER_CANCELLED;
	return PRINTER_FAILED;
}

void report_apply_activity(struct bambu_report *r, struct printer_state *s, int64_t now_us)
{
	const struct tree_node *state = report_get(r, "gcode_state");
	uint32_t error = (uint32_t)tree_int(report_get(r, "print_error"), 0);

	if (!state)
		return;

	enum printer_activity a = activity_of(tree_text(state));

	/* "" is said by some between jobs. */
	if (a == PRINTER_UNKNOWN && !*tree_text(state))
		a = PRINTER_IDLE;
	s->activity = judge_end(r, s, a, now_us);

	bool is_job = printer_activity_is_job(s->activity);
	int stage = (int)tree_int(report_get(r, "stg_cur"), -1);

	s->stage = !is_job || stage == 255 ? -1 : stage;
	/* In mid-print an A1 tells of a change by its AMS alone. Stages: changing, unloading, loading. */
	s->is_changing_filament = is_job && (stage == 4 || stage == 22 || stage == 24 ||
	                                     tree_int(report_get(r, "ams_status"), 0) >> 8 == 1);

	char text[sizeof(s->stage_text)];

	bambu_stage_text(s->stage, text, sizeof(text));
	PUT(s->stage_text, text);
	s->pause = s->activity == PRINTER_PAUSED ? bambu_pause_reason(error, s->stage)
	                                         : PRINTER_PAUSE_NONE;
}

static void apply_plate(const struct bambu_report *r, struct printer_job *j, const char *file)
{
	const char *inside = strstr(file, "Metadata/plate_");
	int plate = report_known(report_get(r, "plate_idx"), 0);
	char text[sizeof(j->plate)] = "";

	if (inside)
		TEXT_SET(text, inside);
	else if (plate > 0 && plate < 1000)
		(void)snprintf(text, sizeof(text), "Metadata/plate_%d.gcode", plate);
	PUT(j->plate, text);
}

void report_apply_job(struct bambu_report *r, struct printer_state *s)
{
	struct printer_job *j = &s->job;
	const struct tree_node *three = report_get(r, "3D");
	const char *file = tree_text(report_get(r, "gcode_file"));

	PUT(j->name, tree_text(report_get(r, "subtask_name")));
	PUT(j->file, file);
	PUT(j->task_id, tree_text(report_get(r, "task_id")));
	apply_plate(r, j, file);
	j->layer = report_known(report_get(r, "layer_num"),
	                        report_known(tree_get(r->print, three, "layer_num"), -1));
	j->layers = report_known(report_get(r, "total_layer_num"),
	                         report_known(tree_get(r->print, three, "total_layer_num"), -1));
	if (j->layers == 0)
		j->layers = -1;
	j->percent = report_known(report_get(r, "mc_percent"), -1);
	j->remaining_min = report_known(report_get(r, "mc_remaining_time"), -1);
	j->prepare_percent = report_known(report_get(r, "gcode_file_prepare_percent"), -1);

	int64_t started_s = tree_int(report_get(r, "gcode_start_time"), 0);

	j->started_wall_ms = started_s > 0 && started_s < 1LL << 40 ? started_s * 1000 : 0;
}
