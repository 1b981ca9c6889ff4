/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config_priv.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct opt session_opts[] = {
	{ "auto_start", OPT_BOOL, OPT_AT(struct session_plan, starts_itself), "yes",
	  .help = "Begin a session with each print." },
	{ "auto_stop", OPT_BOOL, OPT_AT(struct session_plan, ends_itself), "yes",
	  .help = "End the session with the print." },
	{ "every_n_layers", OPT_UNSIGNED, OPT_AT(struct session_plan, every_n_layers), "1", 0, 1000,
	  .help = "A picture each so many layers; 0: none by layer." },
	{ "every", OPT_SPAN, OPT_AT(struct session_plan, every_ms), "0", 0, 86400000,
	  .help = "A picture each so much time as well; 0: none by time." },
	{ "settle", OPT_SPAN, OPT_AT(struct session_plan, settle_ms), "0", 0, 60000,
	  .help = "Wait so long after a layer has begun." },
	{ "shot_timeout", OPT_SPAN, OPT_AT(struct session_plan, shot_timeout_ms), "8s", 500, 120000,
	  .help = "Wait at most so long for a picture." },
	{ "shot_retries", OPT_UNSIGNED, OPT_AT(struct session_plan, shot_retries), "2", 0, 20,
	  .help = "Try so many times more before a layer counts as missed." },
	{ "film", OPT_BOOL, OPT_AT(struct session_plan, makes_film), "yes",
	  .help = "Make a film of each session." },
	{ "min_frames", OPT_UNSIGNED, OPT_AT(struct session_plan, min_frames), "5", 1, 10000,
	  .help = "Make no film of fewer pictures." },
	{ "cameras", OPT_NESTED, 0, 0, .help = "List of cameras; the printer's when absent." },
};

int config_read_film_size(void *field, const char *text, struct err *err)
{
	struct film_plan *p = field;
	int64_t w = 0, h = 0;
	char first[16];
	const char *x = strchr(text, 'x');

	if (strcmp(text, "source") == 0) {
		p->width = p->height = 0;
		return 0;
	}
	if (!x || !text_copy_n(first, sizeof(first), text, (size_t)(x - text)) ||
	    !text_to_i64(first, &w) || !text_to_i64(x + 1, &h) || w < 16 || h < 16 || w > 8192 ||
	    h > 8192)
		return err_set(err, -EINVAL,
		               "'%.40s' must be WIDTHxHEIGHT, as in 1280x720, or source", text);
	p->width = (unsigned)w;
	p->height = (unsigned)h;
	return 0;
}

static const struct opt film_opts[] = {
	{ "fps", OPT_REAL, OPT_AT(struct film_plan, fps), "25", 1, 60,
	  .help = "Pictures a second." },
	{ "duration", OPT_SECONDS, OPT_AT(struct film_plan, duration_s), "0", 0, 3600e3,
	  .help = "Wanted length; pictures are then picked evenly. 0: as long as fps makes it." },
	{ "hold", OPT_SECONDS, OPT_AT(struct film_plan, hold_s), "2s", 0, 60e3,
	  .help = "Hold the last picture so long." },
	{ "crf", OPT_INT, OPT_AT(struct film_plan, crf), "23", 0, 51,
	  .help = "Quality: lower is better and larger." },
	{ "size", OPT_OWN, 0, 0, "source", .read = config_read_film_size,
	  .form = "WIDTHxHEIGHT or source", .help = "Size of the film." },
	{ "preset", OPT_TEXT, OPT_AT(struct film_plan, preset), "veryfast",
	  .help = "x264's preset." },
};

const struct config_table config_session_table = { session_opts, ARRAY_LEN(session_opts) };
const struct config_table config_film_table = { film_opts, ARRAY_LEN(film_opts) };

/* A list of texts, or one text. */
unsigned config_read_texts(struct config_loading *l, const struct conf_node *n, const char *path,
                           char *dst, size_t each, unsigned max)
{
	unsigned count = 0;

	if (!n)
		return 0;
	for (const struct conf_node *e = n->kind == CONF_LIST ? n->first : n; e;
	     e = n->kind == CONF_LIST ? e->next : NULL) {
		if (e->kind != CONF_SCALAR || count == max)
			conf_error(l->errors, e->line, "%s: must be a list of at most %u texts",
			           path, max);
		else if (!text_copy(dst + count++ * each, each, e->text))
			conf_error(l->errors, e->line, "%s: this text is too long", path);
		if (l->errors->n > 0 && count == max)
			break;
	}
	return count;
}

void config_read_plan(struct config_loading *l, const struct conf_node *map, const char *path,
                      struct session_plan *plan)
{
	const struct conf_node *session = conf_get(map, "session");
	char where[160], path_cameras[176];

	snprintf(where, sizeof(where), "%.120s%ssession", path, path[0] ? "." : "");
	snprintf(path_cameras, sizeof(path_cameras), "%s.cameras", where);
	opt_read(session_opts, ARRAY_LEN(session_opts), session, where, plan, l->errors);
	if (session && session->kind == CONF_MAP && conf_get(session, "cameras"))
		plan->n_cameras = config_read_texts(l, conf_get(session, "cameras"), path_cameras,
		                                    plan->cameras[0], sizeof(plan->cameras[0]),
		                                    SESSION_MAX_CAMERAS);
	for (unsigned i = 0; i < plan->n_cameras; i++) {
		char id[MODEL_ID_SIZE];

		text_slug(id, sizeof(id), plan->cameras[i]);
		TEXT_SET(plan->cameras[i], id);
	}
	snprintf(where, sizeof(where), "%.120s%sfilm", path, path[0] ? "." : "");
	opt_read(film_opts, ARRAY_LEN(film_opts), conf_get(map, "film"), where, &plan->film,
	         l->errors);

	struct err err = { 0 };

	if (l->errors->n == 0 && film_plan_check(&plan->film, &err) < 0)
		conf_error(l->errors, map ? map->line : 0, "%s: %s", where, err.text);
}
