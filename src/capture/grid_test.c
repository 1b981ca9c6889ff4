/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "capture/grid.h"
#include "capture/plan.h"
#include "core/conf.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define UNKNOWN ((double)NAN)

static struct capture_plan plan_of(const char *json)
{
	struct capture_plan p;
	struct err err = { 0 };
	json_t *j = json_loads(json, 0, NULL);

	capture_plan_init(&p);
	if (capture_plan_from_json(&p, j, &err) < 0)
		fail_msg("%s", err.text);
	json_decref(j);
	return p;
}

static struct grid_site site_of(double layer, double top)
{
	return (struct grid_site){ .layer_z_mm = layer,
		                   .top_mm = top,
		                   .limits = { { 0, 0, 0 }, { 250, 210, 220 } },
		                   .head_mm = { 125, 105, layer } };
}

static struct grid made_of(const struct capture_plan *p, const struct grid_site *s, int *ret_rc,
                           struct err *err)
{
	struct grid_pace pace;
	struct grid g;

	grid_pace_init(&pace);
	*ret_rc = grid_make(p, s, &pace, &g, err);
	return g;
}

TEST(grid_has_exactly_n_points_also_for_even_n)
{
	for (unsigned n = 1; n <= 9; n++) {
		struct capture_plan p =
			plan_of("{\"mode\":\"grid\",\"spacing_x\":10,\"spacing_y\":7,"
		                "\"spacing_z\":2,\"centre_x\":120,\"centre_y\":100}");
		struct grid_site s = site_of(1, 1);
		double sum[2] = { 0 }, low = 1e9, high = -1e9;
		int rc;

		p.n[0] = n;
		p.n[1] = 10 - n;
		p.n[2] = n;

		struct grid g = made_of(&p, &s, &rc, NULL);

		CHECK_INT(rc, 0);
		CHECK_INT(g.n, n * (10 - n) * n);
		CHECK_INT(g.n_safe, g.n);
		for (unsigned i = 0; i < g.n; i++) {
			sum[0] += g.points[i].mm[0];
			sum[1] += g.points[i].mm[1];
			low = fmin(low, g.points[i].mm[2]);
			high = fmax(high, g.points[i].mm[2]);
			for (unsigned k = 0; k < i; k++)
				CHECK(memcmp(g.points[i].place, g.points[k].place, 3) != 0);
		}
		CHECK(fabs(sum[0] / g.n - 120) < 1e-6 && fabs(sum[1] / g.n - 100) < 1e-6);
		CHECK(fabs(low - 6) < 1e-9 && fabs(high - (6 + (n - 1) * 2)) < 1e-9);
		grid_fini(&g);
	}
}

TEST(grid_keeps_clear_of_everything_printed_so_far_not_of_the_layer_alone)
{
	struct capture_plan p = plan_of("{\"mode\":\"grid\"}");
	struct grid_site s = site_of(0.6, 12); /* another object stands 12 mm high */
	struct err err = { 0 };
	int rc;
	struct grid g = made_of(&p, &s, &rc, &err);

	CHECK_INT(rc, -EINVAL); /* levels 5.6, 10.6, 15.6; the clearance begins at 17 */
	CHECK(strstr(err.text, "below 17.00") != NULL);
	CHECK_INT(g.n, 27);
	CHECK_INT(g.n_safe, 0);
	grid_fini(&g);

	p.too_low = CAPTURE_RAISE;
	g = made_of(&p, &s, &rc, &err);
	CHECK_INT(rc, 0);
	CHECK_INT(g.n_safe, 27);
	CHECK(fabs(g.raised_mm - 11.4) < 1e-9);
	grid_fini(&g);

	p.too_low = CAPTURE_REJECT;
	s.top_mm = 9; /* from 14 on: only the top level */
	g = made_of(&p, &s, &rc, &err);
	CHECK_INT(rc, 0);
	CHECK_INT(g.n_safe, 9);
	for (unsigned i = 0; i < g.n; i++)
		CHECK(g.points[i].fault == (i < 9 ? GRID_SAFE : GRID_LOW));
	grid_fini(&g);
}

TEST(grid_without_knowing_the_height_of_the_print_moves_nowhere)
{
	struct capture_plan p = plan_of("{\"mode\":\"grid\"}");
	struct grid_site s = site_of(0.6, UNKNOWN);
	struct err err = { 0 };
	int rc;
	struct grid g = made_of(&p, &s, &rc, &err);

	CHECK_INT(rc, -EINVAL);
	CHECK_INT(g.n_safe, 0);
	CHECK(strstr(err.text, "sliced file") != NULL);
	grid_fini(&g);
	s = site_of(0.6, 0.6);
	s.limits.max[0] = UNKNOWN;
	g = made_of(&p, &s, &rc, &err);
	CHECK_INT(rc, -EINVAL);
	CHECK(strstr(err.text, "bed_max_x") != NULL);
	CHECK_INT(g.n_safe, 0);
	grid_fini(&g);
	s = site_of(0.6, 0.6);
	s.limits.max[2] = UNKNOWN;
	g = made_of(&p, &s, &rc, &err);
	CHECK_INT(rc, -EINVAL);
	CHECK(strstr(err.text, "max_z") != NULL);
	grid_fini(&g);
}

TEST(grid_lists_what_is_off_the_bed_with_the_reason)
{
	struct capture_plan p =
		plan_of("{\"mode\":\"grid\",\"points_x\":9,\"points_y\":1,\"points_z\":1,"
	                "\"spacing_x\":30,\"bed_max_x\":200}");
	struct grid_site s = site_of(0.6, 0.6);
	char text[200];
	int rc;
	struct grid g = made_of(&p, &s, &rc, NULL);

	CHECK_INT(rc, 0);
	CHECK_INT(g.n_safe, 7); /* the middle is 100: 10 to 190 */
	grid_fault_text(&g, &g.points[7], text, sizeof(text));
	CHECK(strstr(text, g.points[7].fault == GRID_LEFT ? "left of 10.0" : "right of 190.0"));
	grid_fini(&g);
	p = plan_of("{\"mode\":\"grid\",\"max_z\":6}");
	g = made_of(&p, &s, &rc, NULL);
	CHECK_INT(g.n_safe, 9);
	CHECK_INT(g.points[26].fault, GRID_HIGH);
	grid_fini(&g);
}

TEST(grid_goes_the_short_way)
{
	struct capture_plan p = plan_of("{\"mode\":\"grid\",\"spacing_x\":10,\"spacing_y\":10,"
	                                "\"spacing_z\":10,\"base_offset\":10}");
	struct grid_site s = site_of(1, 1);
	int rc;
	struct grid g = made_of(&p, &s, &rc, NULL);
	double step = 10 / 3000.0 * 60, rise = 10 / 600.0 * 60;

	/* 24 steps across, up three levels and down again, and the way from the middle and back. */
	CHECK(g.way_s <= 24 * step + 6 * rise + 4 * 1.5 * step);
	CHECK(fabs(g.way_s - grid_way_s(&p, s.head_mm, g.points, g.n_safe)) < 1e-9);
	grid_fini(&g);

	p.n[0] = p.n[1] = p.n[2] = 9;
	p.spacing_mm[2] = 2;
	g = made_of(&p, &s, &rc, NULL);
	CHECK_INT(g.n_safe, 729);
	/* No worse than row by row: 728 steps of which 8 rise. */
	CHECK(g.way_s < 720 * step + 8 * 2 / 600.0 * 60 + 2 * (12 * step + 28 / 600.0 * 60));
	grid_fini(&g);
}

TEST(grid_warns_about_plans_that_contradict_themselves)
{
	struct capture_plan p =
		plan_of("{\"mode\":\"grid\",\"centre_x\":245,\"prime\":0.2,\"every\":30,"
	                "\"base_offset\":1,\"settle\":0}");
	struct grid_site s = site_of(2, 2);
	struct grid_pace pace;
	auto_buf struct buf out = { 0 };

	grid_pace_init(&pace);
	pace.pause_s = 20;
	pace.resume_s = 20;
	grid_warnings(&p, &s, &pace, &out);
	CHECK(strstr(buf_peek(&out), "centre x 245.0 is outside") != NULL);
	CHECK(strstr(buf_peek(&out), "less than retract") != NULL);
	CHECK(strstr(buf_peek(&out), "due every 30 s") != NULL);
	CHECK(strstr(buf_peek(&out), "always be left out") != NULL);
	CHECK(strstr(buf_peek(&out), "blurred") != NULL);
	buf_clear(&out);
	p = plan_of("{\"mode\":\"grid\",\"centre_x\":900}");
	grid_warnings(&p, &s, &pace, &out);
	CHECK(strstr(buf_peek(&out), "could not run: no point of the grid is safe") != NULL);
	buf_clear(&out);
	p = plan_of("{\"mode\":\"grid\"}");
	grid_pace_init(&pace);
	grid_warnings(&p, &s, &pace, &out);
	CHECK_STR(buf_peek(&out), "");
}

TEST(plan_comes_back_from_its_json)
{
	struct capture_plan p =
		plan_of("{\"enabled\":true,\"mode\":\"parked\",\"park_x\":5,\"park_y\":7.5,"
	                "\"z_heights\":\"3.2, 1 2\",\"every\":90,\"cameras\":\"a,b\"}");
	json_t *j = capture_plan_json(&p);
	struct capture_plan q;
	double z[CAPTURE_MAX_HEIGHTS];
	unsigned n;

	capture_plan_init(&q);
	CHECK(capture_plan_from_json(&q, j, NULL) == 0);
	json_t *again = capture_plan_json(&q);

	CHECK(json_equal(j, again));
	CHECK(capture_plan_heights(&q, z, &n, NULL) == 0);
	CHECK(n == 3 && z[0] == 1 && z[1] == 2 && z[2] == 3.2);
	CHECK(isnan(q.centre_mm[0]) && q.park_mm[1] == 7.5);
	json_decref(j);
	json_decref(again);
}

TEST(plan_refuses_by_name_what_cannot_be)
{
	static const char *const bad[][2] = {
		{ "{\"points_x\":10}", "points_x" },
		{ "{\"points_x\":0}", "points_x" },
		{ "{\"points_x\":2.5}", "points_x" },
		{ "{\"speed\":1e9}", "speed" },
		{ "{\"speed\":\"fast\"}", "speed" },
		{ "{\"mode\":\"orbit\"}", "mode" },
		{ "{\"clearance\":0}", "clearance" },
		{ "{\"folder\":\"../up\"}", "folder" },
		{ "{\"folder\":\"/etc\"}", "folder" },
		{ "{\"folder\":\"restoring\"}", "none of Bedside's own" },
		{ "{\"z_heights\":\"1, two\"}", "z_heights" },
		{ "{\"park_x\":3}", "park_y" },
		{ "{\"wings\":1}", "wings" },
		{ "{\"bed_min_x\":0,\"bed_max_x\":15}", "bed_max_x" },
		{ "{\"mode\":\"grid\",\"return_to_origin\":false}", "return_to_origin" },
		{ "{\"enabled\":true,\"every_n_layers\":0,\"by_order\":false}", "enabled" },
		{ "[]", "object" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct capture_plan p;
		struct err err = { 0 };
		json_t *j = json_loads(bad[i][0], 0, NULL);

		capture_plan_init(&p);
		if (capture_plan_from_json(&p, j, &err) != -EINVAL || !strstr(err.text, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], err.text);
		CHECK(!p.is_on);
		json_decref(j);
	}
}

TEST(plan_is_read_from_yaml_with_the_same_names)
{
	static const char yaml[] = "enabled: yes\nmode: grid\ncentre_x: auto\ncentre_y: 90\n"
				   "settle: 2s\nmarker: M240\npoints_z: 4\n";
	struct conf_errors errors = { 0 };
	struct conf_node *n = conf_parse("x.yaml", yaml, sizeof(yaml) - 1, &errors);
	struct capture_plan p;

	capture_plan_init(&p);
	opt_read(capture_plan_opts, CAPTURE_PLAN_N_OPTS, n, "capture", &p, &errors);
	CHECK_INT(errors.n, 0);
	CHECK(p.is_on && p.mode == CAPTURE_GRID && isnan(p.centre_mm[0]) && p.centre_mm[1] == 90);
	CHECK(p.settle_s == 2 && p.n[2] == 4);
	CHECK_STR(p.marker, "M240");
	conf_free(n);
}
