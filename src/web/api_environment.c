/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api_environment: the climate of places, and the button and lights beside a printer. */

#include "web/handlers.h"
#include "web/records.h"
#include "web/web.h"

#include "base/err.h"
#include "base/text.h"
#include "base/when.h"
#include "fleet/climates.h"
#include "fleet/panel.h"
#include "model/json.h"
#include "store/repo_climate.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
#define MAX_SPAN_MS (31 * DAY_MS)
#define MAX_POINTS 3000 /* of a chart */

static json_t *json_place(const struct climates *cs, const struct climate_place *p)
{
	json_t *o = json_climate(&p->newest);
	char crossed[80];

	climates_crossed(cs, p, crossed, sizeof(crossed));

	json_object_set_new(o, "is_stale", json_boolean(climates_is_stale(cs, p)));
	json_object_set_new(o, "is_here", json_boolean(p->is_here));
	json_object_set_new(o, "text", json_text(p->trouble));
	json_object_set_new(o, "crossed", json_text(crossed));
	return o;
}

void api_environment(struct call *c)
{
	const struct climates *cs = c->web->env.climates;
	const struct climate_place *p;
	json_t *places = json_array();

	for (size_t i = 0; cs && (p = climates_at(cs, i)); i++)
		json_array_append_new(places, json_place(cs, p));
	call_json(c, 200, json_pack("{s:o}", "places", places));
}

/* ---- readings from elsewhere ---- */

/* 0 or -errno with the sentence. */
static int take_reading(struct call *c, struct err *err)
{
	struct climate_reading r = { .temp_c = call_number(c, "temperature_c", (double)NAN),
		                     .humidity_percent =
		                             call_number(c, "humidity_pct", (double)NAN) };
	const char *trouble = call_text(c, "error", "");

	TEXT_SET(r.location, call_text(c, "location", ""));
	(void)snprintf(r.source, sizeof(r.source), "%s %.40s", c->who.is_key ? "key of" : "user",
	               c->who.user.name);
	(void)when_from_iso(call_text(c, "at", ""), &r.at_wall_ms);
	if (trouble[0])
		return climates_fail(c->web->env.climates, r.location, trouble, err);
	return climates_add(c->web->env.climates, &r, err);
}

void api_environment_add(struct call *c)
{
	struct err err = { 0 };
	int rc;

	if (!c->web->env.climates) {
		call_refuse(c, 503, "Readings are not taken just now.");
		return;
	}
	rc = take_reading(c, &err);
	if (rc == -ERANGE || rc == -EINVAL)
		call_refuse(c, 422, "%s.", err.text);
	else if (rc < 0)
		call_refuse(c, 409, "%s.", err.text);
	else
		call_json(c, 200,
		          json_pack("{s:b, s:{s:o, s:o, s:o}}", "ok", 1, "received", "location",
		                    json_text(call_text(c, "location", "")), "temp",
		                    json_or_null(call_number(c, "temperature_c", (double)NAN)),
		                    "hum",
		                    json_or_null(call_number(c, "humidity_pct", (double)NAN))));
}

void api_environment_remove(struct call *c)
{
	char location[CLIMATE_LOCATION_SIZE] = "";

	(void)call_query(c, "location", location, sizeof(location));
	if (!c->web->env.climates || !climates_find(c->web->env.climates, location)) {
		call_refuse(c, 404, "There is no such place.");
		return;
	}
	climates_forget(c->web->env.climates, location);
	web_audit(c, "delete", "", "the climate of %s", location);
	call_done(c);
}

/* ---- history ---- */

struct span {
	char location[CLIMATE_LOCATION_SIZE];
	int64_t from_ms, to_ms, step_ms;
};

static bool read_span(const struct call *c, struct span *s)
{
	char text[40];
	int64_t step_s = call_query_int(c, "step_s", 0);

	(void)call_query(c, "location", s->location, sizeof(s->location));
	if (!call_query(c, "from", text, sizeof(text)) || !when_from_iso(text, &s->from_ms))
		return false;
	s->to_ms = s->from_ms + DAY_MS;
	if (call_query(c, "to", text, sizeof(text)) && !when_from_iso(text, &s->to_ms))
		return false;
	s->step_ms = step_s * 1000;
	if (s->step_ms == 0)
		s->step_ms = (s->to_ms - s->from_ms) / MAX_POINTS;
	return s->to_ms > s->from_ms && s->to_ms - s->from_ms <= MAX_SPAN_MS;
}

static int history(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct climate_reading *list = NULL;
	struct span s = { 0 };
	size_t n = 0;
	int rc;

	if (!read_span(c, &s))
		return err_set(err, -EINVAL,
		               "The span must have a beginning and an end, at most "
		               "31 days apart.");
	rc = repo_climate_list(
		db, &(struct repo_climate_span){ s.location, s.from_ms, s.to_ms, s.step_ms }, &list,
		&n, err);
	if (rc < 0)
		return rc;

	json_t *readings = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(readings,
		                      json_pack("{s:o, s:o, s:o}", "at",
		                                json_time(list[i].at_wall_ms), "temperature_c",
		                                json_or_null(list[i].temp_c), "humidity_pct",
		                                json_or_null(list[i].humidity_percent)));
	free(list);
	*ret = json_pack("{s:o, s:o, s:o, s:I, s:o}", "location", json_text(s.location), "from",
	                 json_time(s.from_ms), "to", json_time(s.to_ms), "step_s",
	                 (json_int_t)(s.step_ms / 1000), "readings", readings);
	return 0;
}

void api_environment_history(struct call *c)
{
	records_answer(c, history);
}

/* ---- button and lights ---- */

static json_t *json_panel(const struct web *w)
{
	return json_pack("{s:o}", "panel",
	                 w->env.panel ? json_rig(panel_status(w->env.panel)) : json_null());
}

void api_panel(struct call *c)
{
	call_json(c, 200, json_panel(c->web));
}

void api_panel_press(struct call *c)
{
	bool is_down = call_bool(c, "down", true);
	struct err err = { 0 };

	if (panel_press(c->web->env.panel, is_down, &err) < 0) {
		call_refuse(c, 409, "%s.", err.text);
		return;
	}
	if (is_down)
		web_audit(c, "button", panel_status(c->web->env.panel)->printer, "pressed");
	call_json(c, 200, json_panel(c->web));
}

void api_panel_click(struct call *c)
{
	unsigned n = (unsigned)call_int(c, "clicks", 1);
	struct err err = { 0 };

	if (panel_click(c->web->env.panel, n, &err) < 0) {
		call_refuse(c, 409, "%s.", err.text);
		return;
	}
	web_audit(c, "button", panel_status(c->web->env.panel)->printer, "%u click%s", n,
	          n == 1 ? "" : "s");
	call_json(c, 202, json_panel(c->web));
}
