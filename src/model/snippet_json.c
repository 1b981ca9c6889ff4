/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/json.h"

#include "gcode/snippet.h"

json_t *json_snippets(const struct snippets *s)
{
	json_t *list = json_array(), *notes = json_array();

	for (unsigned i = 0; i < s->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "id",
		                                      s->list[i].id, "title", s->list[i].title,
		                                      "field", s->list[i].field, "place",
		                                      snippet_place_name(s->list[i].place), "text",
		                                      s->list[i].text));
	for (unsigned i = 0; i < s->n_notes; i++)
		json_array_append_new(notes, json_string(s->notes[i]));
	return json_pack("{s:o, s:o}", "snippets", list, "notes", notes);
}
