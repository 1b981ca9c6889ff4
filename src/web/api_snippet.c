/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Macros for slicers. */

#include "web/handlers.h"
#include "web/web.h"

#include "base/err.h"
#include "base/text.h"
#include "gcode/snippet.h"
#include "model/json.h"

#include <math.h>
#include <string.h>

static double number(const struct call *c, const char *name, double fallback)
{
	char text[40];
	double v = fallback;

	if (call_query(c, name, text, sizeof(text)))
		(void)text_to_double(text, &v); /* checked by the route */
	return v;
}

static void read_order(const struct call *c, struct snippet_order *o)
{
	char text[64];

	*o = (struct snippet_order){ 0 };
	if (call_query(c, "slicer", text, sizeof(text)))
		(void)snippet_slicer_from_name(text, &o->slicer);
	if (call_query(c, "mode", text, sizeof(text)))
		(void)snippet_mode_from_name(text, &o->mode);
	snippet_order_init(o);
	if (call_query(c, "model", text, sizeof(text)))
		TEXT_SET(o->model, text);
	if (call_query(c, "marker", text, sizeof(text)))
		TEXT_SET(o->marker, text);
	o->park_mm[0] = number(c, "park_x", NAN);
	o->park_mm[1] = number(c, "park_y", NAN);
	o->press_mm = number(c, "press", NAN);
	o->bed_mm[0] = number(c, "bed_x", 0);
	o->bed_mm[1] = number(c, "bed_y", 0);
	o->lift_mm = number(c, "lift", o->lift_mm);
	o->dwell_ms = (unsigned)call_query_int(c, "dwell_ms", o->dwell_ms);
	o->hold_ms = (unsigned)call_query_int(c, "hold_ms", o->hold_ms);
	if (call_query(c, "clicks_rule", text, sizeof(text)))
		o->clicks_rule = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
}

static json_t *real_or_null(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *answer_of(const struct snippets *s)
{
	json_t *answer = json_snippets(s), *models = json_array();

	for (size_t i = 0; snippet_model_at(i); i++)
		json_array_append_new(models, json_string(snippet_model_at(i)));
	json_object_update_new(answer,
	                       json_pack("{s:o, s:o, s:o, s:o, s:[f,f], s:[f,f]}", "models", models,
	                                 "park_x", real_or_null(s->park_mm[0]), "park_y",
	                                 real_or_null(s->park_mm[1]), "press",
	                                 real_or_null(s->press_mm), "min_mm", s->min_mm[0],
	                                 s->min_mm[1], "max_mm", s->max_mm[0], s->max_mm[1]));
	return answer;
}

void api_snippets(struct call *c)
{
	struct snippet_order o;
	struct snippets s;
	struct err err = { 0 };
	int rc;

	read_order(c, &o);
	rc = snippets_make(&o, &s, &err);
	if (rc < 0) {
		call_refuse_err(c, rc, &err);
		return;
	}
	call_json(c, 200, answer_of(&s));
	snippets_fini(&s);
}
