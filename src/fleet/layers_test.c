/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/layers.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/test.h"
#include "base/text.h"
#include "gcode/file.h"
#include "gcode/make.h"

#define SECOND INT64_C(1000000)

struct heard {
	struct layer all[2000];
	int n;
};

static void hear(void *arg, const struct layer *l)
{
	struct heard *h = arg;

	CHECK(h->n < 2000);
	CHECK(h->n == 0 || l->number == h->all[h->n - 1].number + 1);
	CHECK(l->confidence > 0 && l->confidence <= 1);
	CHECK(l->reason[0] != '\0');
	h->all[h->n++] = *l;
}

static void report(struct layers *l, int second, int layer, int total, int percent)
{
	layers_report(l, second * SECOND, second * 1000,
	              &(struct layers_report){ .is_printing = true,
	                                       .layer = layer,
	                                       .layers = total,
	                                       .percent = percent,
	                                       .remaining_min = -1,
	                                       .stage = 0 });
}

static struct layers *fresh(struct heard *h, enum layers_start start)
{
	*h = (struct heard){ 0 };
	return layers_new("job", "a1", start, hear, h);
}

TEST(layers_say_each_number_once)
{
	static const int reported[] = { 0, 1, 1, 2, 2, 2, 3, 4, 4, 5 };
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	for (int i = 0; i < 10; i++)
		report(l, 10 * i, reported[i], 5, -1);
	layers_end(l, 1000 * SECOND, 0, LAYERS_FINISHED);
	CHECK_INT(h.n, 5);
	for (int i = 0; i < 5; i++) {
		CHECK_INT(h.all[i].number, i + 1);
		CHECK(h.all[i].confidence == 1);
		CHECK(!h.all[i].is_catching_up);
		CHECK_STR(h.all[i].reason, "reported by the printer");
		CHECK_STR(h.all[i].job, "job");
	}
	layers_free(l);
}

TEST(layers_fill_a_jump_in_between)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	for (int i = 1; i <= 5; i++)
		report(l, 10 * i, i, 20, -1);
	report(l, 80, 8, 20, -1);
	CHECK_INT(h.n, 8);
	CHECK(h.all[5].is_catching_up && h.all[6].is_catching_up && !h.all[7].is_catching_up);
	CHECK(h.all[5].confidence < 1 && h.all[7].confidence == 1);
	CHECK_INT(h.all[5].at_us, 60 * SECOND);
	CHECK_INT(h.all[6].at_us, 70 * SECOND);
	CHECK_INT(h.all[7].at_us, 80 * SECOND);
	CHECK(strstr(h.all[5].reason, "between layers 5 and 8") != NULL);
	layers_free(l);
}

TEST(layers_ignore_old_reports)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	for (int i = 1; i <= 9; i++)
		report(l, 10 * i, i, 20, 5 * i);
	report(l, 91, 7, 20, 35);
	report(l, 92, 8, 20, 40);
	report(l, 93, 1, 20, 45);
	report(l, 94, 2, 20, 45);
	report(l, 95, 9, 20, 45);
	CHECK_INT(h.n, 9);
	report(l, 100, 10, 20, 50);
	CHECK_INT(h.n, 10);
	layers_free(l);
}

TEST(layers_believe_no_number_that_no_print_has)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	report(l, 0, 5, -1, -1);
	report(l, 10, INT32_MAX, INT32_MAX, -1);
	CHECK_INT(h.n, 0);
	report(l, 20, 0, 10, -1);
	report(l, 30, 1, 10, -1);
	report(l, 40, 2000000000, -1, -1);
	CHECK_INT(h.n, 1);
	CHECK_INT(layers_total(l), 10);
	layers_free(l);
}

TEST(layers_in_between_have_wall_times_though_the_clock_was_set)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);
	struct layers_report r = {
		.is_printing = true, .layer = 4, .layers = 9, .percent = -1, .remaining_min = -1
	};

	report(l, 0, 0, 9, -1);
	report(l, 10, 1, 9, -1);
	/* The clock was a year late. */
	layers_report(l, 40 * SECOND, 31536000000 + 40000, &r);
	CHECK_INT(h.n, 4);
	CHECK(h.all[1].at_us == 20 * SECOND);
	CHECK(h.all[1].at_wall_ms == 31536000000 + 20000);
	CHECK(h.all[3].at_wall_ms == 31536000000 + 40000);
	layers_free(l);
}

TEST(layers_join_a_print_under_way)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_JOINED);

	report(l, 1, 40, 100, 37);
	report(l, 9, 41, 100, 38);
	CHECK_INT(h.n, 2);
	CHECK_INT(h.all[0].number, 40);
	CHECK(h.all[0].confidence < 1 && h.all[1].confidence == 1);
	CHECK(strstr(h.all[0].reason, "joined at layer 40") != NULL);
	CHECK_INT(layers_joined(l), 40);
	layers_free(l);
}

TEST(layers_wait_out_what_is_left_of_the_job_before)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	report(l, 1, 57, 57, 100);
	report(l, 2, 57, 30, 100);
	report(l, 3, 57, 30, 0);
	CHECK_INT(h.n, 0);
	report(l, 4, 0, 30, 0);
	report(l, 60, 1, 30, 1);
	CHECK_INT(h.n, 1);
	CHECK_INT(layers_total(l), 30);
	layers_free(l);

	/* Without ever seeing the zero. */
	l = fresh(&h, LAYERS_FROM_START);
	report(l, 1, 57, 57, 100);
	report(l, 60, 1, 30, 1);
	report(l, 70, 2, 30, 1);
	CHECK_INT(h.n, 2);
	layers_free(l);

	l = fresh(&h, LAYERS_JOINED);
	report(l, 1, 57, 57, 100);
	report(l, 60, 1, 30, 1);
	CHECK_INT(h.n, 1);
	layers_free(l);
}

TEST(layers_of_the_preparation_do_not_count)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_JOINED);
	struct layers_report r = { .is_printing = true,
		                   .layer = 30,
		                   .layers = 57,
		                   .percent = 60,
		                   .remaining_min = -1,
		                   .stage = 2 };

	layers_report(l, 0, 0, &r);
	r.is_printing = false;
	r.stage = 0;
	layers_report(l, 1, 0, &r);
	CHECK_INT(h.n, 0);
	layers_free(l);
}

TEST(layers_finish_says_the_last_one_whose_report_never_came)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	for (int i = 1; i <= 28; i++)
		report(l, 10 * i, i, 30, -1);
	layers_end(l, 300 * SECOND, 0, LAYERS_FINISHED);
	CHECK_INT(h.n, 30);
	CHECK(h.all[28].is_catching_up && !h.all[29].is_catching_up);
	CHECK(h.all[29].confidence < 1);
	layers_end(l, 301 * SECOND, 0, LAYERS_FINISHED);
	report(l, 302, 30, 30, 100);
	CHECK_INT(h.n, 30);
	layers_free(l);

	l = fresh(&h, LAYERS_FROM_START);
	for (int i = 1; i <= 28; i++)
		report(l, 10 * i, i, 30, -1);
	layers_end(l, 300 * SECOND, 0, LAYERS_FAILED);
	CHECK_INT(h.n, 28);
	layers_free(l);
}

TEST(layers_say_nothing_in_a_pause_and_catch_up_after_it)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	report(l, 1, 1, 9, -1);
	layers_pause(l);
	report(l, 2, 2, 9, -1);
	CHECK_INT(h.n, 1);
	layers_resume(l);
	report(l, 3, 2, 9, -1);
	CHECK_INT(h.n, 2);
	CHECK(strstr(h.all[1].reason, "after a pause") != NULL);
	layers_free(l);
}

TEST(layers_go_on_when_the_printer_counts_each_object_from_one)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	for (int i = 1; i <= 10; i++)
		report(l, 10 * i, i, 10, 5 * i);
	for (int i = 1; i <= 10; i++)
		report(l, 100 + 10 * i, i, 10, 50 + 4 * i);
	CHECK_INT(h.n, 20);
	layers_free(l);
}

TEST(layers_go_on_after_a_restart_of_ours)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_JOINED);

	layers_said_before(l, 12);
	report(l, 1, 12, 50, 20);
	CHECK_INT(h.n, 0);
	report(l, 2, 14, 50, 21);
	CHECK_INT(h.n, 2);
	CHECK_INT(h.all[0].number, 13);
	layers_free(l);
}

TEST(layers_are_not_stopped_by_a_total_of_the_job_before)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	for (int i = 1; i <= 25; i++)
		report(l, 10 * i, i, 20, -1);
	CHECK_INT(h.n, 25);
	layers_free(l);
}

static struct gcode_index *made_table(unsigned n)
{
	struct gcode_make m = { .shape = GCODE_SHAPE_VASE, .n_layers = n };
	struct gcode_index *ix;
	struct buf text;

	gcode_make_text(&m, &text);
	CHECK(gcode_index_text(text.data, text.size, NULL, &ix, NULL) == 0);
	buf_fini(&text);
	return ix;
}

TEST(layers_take_heights_and_progress_from_the_table)
{
	static struct heard h;
	struct gcode_index *ix = made_table(200);
	struct layers *l = fresh(&h, LAYERS_FROM_START);
	int percent = 0;

	report(l, 1, 1, 200, -1);
	CHECK(isnan(h.all[0].z_mm));
	layers_set_table(l, ix);
	CHECK(layers_has_table(l));
	report(l, 2, 2, 200, -1);
	CHECK(fabs(h.all[1].z_mm - 0.4) < 1e-3);
	for (percent = 1; percent < 100; percent++)
		if (ix->percent_layer[percent] != UINT32_MAX && ix->percent_layer[percent] > 2)
			break;
	CHECK_INT(ix->percent_layer[percent] <= 5, 1);
	report(l, 3, 2, 200, percent);
	CHECK_INT(h.n, (int)ix->percent_layer[percent]);
	CHECK(strstr(h.all[h.n - 1].reason, "inferred") != NULL);
	report(l, 4, h.n, 200, percent);
	CHECK_INT(h.n, (int)ix->percent_layer[percent]);
	layers_free(l);
	gcode_index_free(ix);
}

TEST(layers_leave_a_table_of_another_job_aside)
{
	static struct heard h;
	struct gcode_index *ix = made_table(20);
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	layers_set_table(l, ix);
	report(l, 1, 1, 35, 1);
	CHECK(!layers_has_table(l));
	CHECK(isnan(h.all[0].z_mm));
	CHECK_INT(layers_total(l), 35);
	layers_free(l);
	gcode_index_free(ix);
}

TEST(layers_trust_less_what_the_progress_contradicts)
{
	static struct heard h;
	struct gcode_index *ix = made_table(50);
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	layers_set_table(l, ix);
	report(l, 1, 1, 50, 80);
	CHECK(h.all[0].confidence < 1);
	CHECK(strstr(h.all[0].reason, "progress says otherwise") != NULL);
	layers_free(l);
	gcode_index_free(ix);
}

static void take(json_t *print, const char *key, int *field)
{
	const json_t *v = json_object_get(print, key);

	if (json_is_integer(v))
		*field = (int)json_integer_value(v);
}

/* What a real A1 said during a print of 57 layers, as it came. */
TEST(layers_of_the_recorded_print_come_once_each)
{
	const char *path = test_shared("data/bambu/recordings/a1_print1_start_to_end.jsonl");
	FILE *f = path ? fopen(path, "r") : NULL;
	static struct heard h;
	static char line[1 << 20];

	if (!f)
		SKIP("the developers' recordings are not here");

	struct layers *l = fresh(&h, LAYERS_FROM_START);
	struct layers_report r = {
		.layer = -1, .layers = -1, .percent = -1, .remaining_min = -1, .stage = -1
	};

	while (fgets(line, sizeof(line), f)) {
		json_t *root = json_loads(line, 0, NULL);
		json_t *print = json_object_get(json_object_get(root, "report"), "print");
		const char *state = json_string_value(json_object_get(print, "gcode_state"));
		int64_t us = (int64_t)(json_number_value(json_object_get(root, "t")) * 1e6);

		if (state)
			r.is_printing = strcmp(state, "RUNNING") == 0;
		take(print, "layer_num", &r.layer);
		take(print, "total_layer_num", &r.layers);
		take(print, "mc_percent", &r.percent);
		take(print, "mc_remaining_time", &r.remaining_min);
		take(print, "stg_cur", &r.stage);
		layers_report(l, us, us / 1000, &r);
		json_decref(root);
	}
	(void)fclose(f);
	layers_end(l, 2330 * SECOND, 0, LAYERS_FINISHED);
	CHECK_INT(h.n, 57);
	CHECK_INT(h.all[0].number, 1);
	CHECK_INT(h.all[56].number, 57);
	CHECK(h.all[0].at_us == 428 * SECOND);
	layers_free(l);
}

/* ---- printers that count nothing ---- */

/* Four layers of 0.2 mm, at the bytes 100, 200, 300, 400 of a file of 500. */
static void set_small_table(struct layers *l)
{
	struct gcode_layer rows[4];
	struct gcode_index ix = { .layers = rows, .n_layers = 4, .n_bytes = 500, .time_s = 400 };

	for (unsigned i = 0; i < 4; i++)
		rows[i] = (struct gcode_layer){ .byte = 100 * (i + 1),
			                        .number = i + 1,
			                        .reported = -1,
			                        .z_mm = 0.2f * (float)(i + 1),
			                        .time_s = 100.0 * i };
	memset(ix.percent_layer, 0xff, sizeof(ix.percent_layer));
	layers_set_table(l, &ix);
}

static struct layers_report uncounted(void)
{
	return (struct layers_report){ .is_printing = true,
		                       .layer = -1,
		                       .layers = -1,
		                       .percent = -1,
		                       .remaining_min = -1,
		                       .stage = -1 };
}

static void report_place(struct layers *l, int ms, int64_t pos, int64_t size)
{
	struct layers_report r = uncounted();

	r.has_file_pos = true;
	r.file_pos = pos;
	r.file_size = size;
	r.percent = 50; /* of bytes: proves nothing */
	layers_report(l, ms * INT64_C(1000), ms, &r);
}

/* As a printer of 2 s between its words: three of them. */
static void report_height(struct layers *l, int *second, double z_mm)
{
	struct layers_report r = uncounted();

	r.has_z = true;
	r.z_mm = z_mm;
	for (int i = 0; i < 3; i++) {
		*second += 2;
		layers_report(l, *second * SECOND, *second * 1000, &r);
	}
}

TEST(layers_follow_the_place_in_the_file)
{
	static const int64_t places[] = { 0, 90, 100, 101, 150, 201, 199, 300, 320, 499 };
	static const int said[] = { 0, 0, 0, 1, 1, 2, 2, 2, 3, 4 };
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	set_small_table(l);
	for (int i = 0; i < 10; i++) {
		report_place(l, 1000 * i, places[i], 500);
		CHECK_INT(h.n, said[i]);
	}
	CHECK(h.all[3].confidence > 0.9 && !h.all[3].is_catching_up);
	CHECK_INT(layers_total(l), 4);
	layers_free(l);
}

TEST(layers_do_not_measure_another_file_by_its_bytes)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);

	set_small_table(l);
	for (int i = 0; i < 10; i++)
		report_place(l, 1000 * i, 50 * i, 501);
	CHECK_INT(h.n, 0);
	layers_free(l);
}

TEST(layers_join_at_the_place_in_the_file)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_JOINED);

	set_small_table(l);
	report_place(l, 0, 350, 500);
	CHECK_INT(layers_joined(l), 3);
	CHECK(strstr(h.all[0].reason, "joined at layer 3") != NULL);
	layers_free(l);
}

TEST(layers_are_counted_by_height_alone)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);
	int second = 0;

	report_height(l, &second, 15); /* heating up */
	CHECK_INT(h.n, 0);
	report_height(l, &second, 0.3); /* the purge line */
	report_height(l, &second, 0.2);
	report_height(l, &second, 0.4);
	CHECK_INT(h.n, 2);
	report_height(l, &second, 10); /* parked */
	report_height(l, &second, 0.4);
	CHECK_INT(h.n, 2);
	report_height(l, &second, 0.6);
	CHECK_INT(h.n, 3);
	CHECK(h.all[2].confidence <= 0.5);
	layers_free(l);
}

TEST(layers_are_no_hops_and_no_moves_of_ours)
{
	static struct heard h;
	struct layers *l = fresh(&h, LAYERS_FROM_START);
	struct layers_report r = uncounted();

	set_small_table(l);
	r.has_z = r.is_ahead = true;
	/* Every other word is of a hop that ends at the height of the next layer. */
	for (int ms = 0; ms < 10000; ms += 250) {
		r.z_mm = ms / 250 % 2 ? 0.4 : 0.2;
		layers_report(l, ms * INT64_C(1000), ms, &r);
	}
	CHECK_INT(h.n, 1);
	CHECK(h.all[0].confidence < 0.8);
	r.is_own_move = true;
	r.z_mm = 0.6;
	for (int ms = 10000; ms < 20000; ms += 250)
		layers_report(l, ms * INT64_C(1000), ms, &r);
	r.is_own_move = false;
	r.z_mm = 0.2;
	for (int ms = 20000; ms < 30000; ms += 250)
		layers_report(l, ms * INT64_C(1000), ms, &r);
	CHECK_INT(h.n, 1);
	r.z_mm = 0.4;
	for (int ms = 30000; ms < 32000; ms += 250)
		layers_report(l, ms * INT64_C(1000), ms, &r);
	CHECK_INT(h.n, 2);
	layers_free(l);
}
