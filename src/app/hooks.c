/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/hooks_priv.h"

#include "app/config.h"
#include "app/pairings.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "model/json.h"
#include "printers/doctor.h"
#include "printers/printer.h"
#include "printers/scout.h"
#include "web/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hooks *hooks_new(const struct hooks_env *env)
{
	struct hooks *h = MEM_NEW(struct hooks);

	h->env = *env;
	h->pairings = pairings_new(env->loop);
	return h;
}

static void errand_free(struct errand *e)
{
	if (e->prev)
		e->prev->next = e->next;
	else
		e->hooks->errands = e->next;
	if (e->next)
		e->next->prev = e->prev;
	scout_free(e->scout);
	doctor_free(e->doctor);
	free(e);
}

static struct errand *
errand_new(struct hooks *h, void (*done)(void *done_arg, json_t *answer, const struct err *err),
           void *done_arg)
{
	struct errand *e = MEM_NEW(struct errand);

	*e = (struct errand){ .hooks = h, .done = done, .done_arg = done_arg, .next = h->errands };
	if (h->errands)
		h->errands->prev = e;
	h->errands = e;
	return e;
}

static void finish(struct errand *e, json_t *answer, const struct err *err)
{
	void (*done)(void *done_arg, json_t *answer, const struct err *err) = e->done;
	void *done_arg = e->done_arg;

	errand_free(e);
	done(done_arg, answer, err);
}

void hooks_free(struct hooks *h)
{
	struct err err = { 0 };

	if (!h)
		return;
	err_set(&err, -ESHUTDOWN, "Bedside is ending; ask again when it is back.");
	hooks_end_changes(h, &err);
	hooks_end_searches(h, &err);
	hooks_end_trials(h);
	while (h->errands) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): finish() takes each out of the list */
		finish(h->errands, NULL, &err);
	}
	pairings_free(h->pairings, &err);
	free(h);
}

bool hooks_know_serial(struct printers *ps, const char *serial)
{
	struct printer *p;

	for (size_t i = 0; (p = printers_at(ps, i)); i++) {
		if (serial[0] && strcmp(printer_config(p)->serial, serial) == 0)
			return true;
	}
	return false;
}

bool hooks_know_url(struct printers *ps, const char *url)
{
	struct printer *p;

	for (size_t i = 0; (p = printers_at(ps, i)); i++) {
		if (url[0] && strcmp(printer_config(p)->url, url) == 0)
			return true;
	}
	return false;
}

/* ---- keys that OctoPrints give ---- */

static void begin_pairing(void *arg, const struct printer_config *config, const char *user,
                          void (*done)(void *done_arg, json_t *pairing, const struct err *),
                          void *done_arg)
{
	struct hooks *h = arg;
	struct printer_config c = { .trust = config->trust };
	struct err err = { 0 };

	TEXT_SET(c.url, config->url);
	if (config_check_url(&c, &err) == 0 && hooks_know_url(h->env.printers, c.url))
		(void)err_set(&err, -EEXIST, "The printer at %s is here already.", c.url);
	if (err.code)
		done(done_arg, NULL, &err);
	else
		pairings_start(h->pairings, &c, user, done, done_arg);
}

static json_t *pairing(void *arg, const char *id)
{
	return pairings_json(((struct hooks *)arg)->pairings, id);
}

static void unpair(void *arg, const char *id)
{
	pairings_drop(((struct hooks *)arg)->pairings, id);
}

static bool take_key(void *arg, const char *id, struct printer_config *config)
{
	struct hooks *h = arg;

	return config_check_url(config, NULL) == 0 &&
	       pairings_take(h->pairings, id, config->url, &config->access_code);
}

/* ---- looking for printers ---- */

static json_t *json_scouted(struct printers *ps, const struct scout_printer *s)
{
	char hex[65];
	json_t *o = json_object();

	json_object_set_new(o, "serial", json_text(s->found.serial));
	json_object_set_new(o, "name", json_text(s->found.name));
	json_object_set_new(o, "model", json_text(s->model));
	json_object_set_new(o, "address", json_text(s->found.address));
	json_object_set_new(o, "firmware", json_text(s->found.firmware));
	json_object_set_new(o, "connect", json_text(s->found.connect));
	json_object_set_new(o, "is_known", json_boolean(hooks_know_serial(ps, s->found.serial)));
	text_hex(hex, s->sha256, sizeof(s->sha256));
	json_object_set_new(
		o, "certificate",
		s->has_leaf ? json_pack("{s:s, s:b}", "sha256", hex, "chains", (int)s->chains)
			    : json_null());
	return o;
}

static void scouted(void *arg, const struct scout_printer *found, size_t n, const struct err *err)
{
	struct errand *e = arg;
	json_t *list = NULL;

	if (!err || n > 0) {
		list = json_array();
		for (size_t i = 0; i < n; i++)
			json_array_append_new(list,
			                      json_scouted(e->hooks->env.printers, &found[i]));
	}
	finish(e, list, err);
}

static void discover(void *arg, void (*done)(void *done_arg, json_t *printers, const struct err *),
                     void *done_arg)
{
	struct hooks *h = arg;
	struct errand *e = errand_new(h, done, done_arg);
	const struct scout_options o = {
		.ca_file = h->env.config->ca_file[0] ? h->env.config->ca_file : NULL,
	};

	e->scout = scout_start(h->env.loop, &o, scouted, e);
}

/* ---- the doctor ---- */

static void examined(void *arg, const struct doctor_report *report)
{
	struct errand *e = arg;
	json_t *steps = json_array();

	for (unsigned i = 0; i < report->n; i++) {
		const struct doctor_step *s = &report->steps[i];

		json_array_append_new(
			steps, json_pack("{s:s, s:b, s:I, s:o, s:o}", "name", s->name, "is_ok",
		                         (int)s->is_ok, "took_ms", (json_int_t)s->took_ms, "text",
		                         json_text(s->text), "advice", json_text(s->advice)));
	}
	finish(e, steps, NULL);
}

static void examine(void *arg, const char *id,
                    void (*done)(void *done_arg, json_t *steps, const struct err *), void *done_arg)
{
	struct hooks *h = arg;
	struct printer *p = printers_find(h->env.printers, id);
	struct camera *cam = cameras_find(h->env.cameras, id);
	struct err err = { 0 };

	if (!p) {
		err_set(&err, -ENOENT, "There is no printer '%s'.", id);
		done(done_arg, NULL, &err);
		return;
	}

	struct errand *e = errand_new(h, done, done_arg);
	const struct doctor_env env = {
		.loop = h->env.loop,
		.data_dir = h->env.config->data_dir,
		.pool = h->env.pool,
		.ca_file = h->env.config->ca_file[0] ? h->env.config->ca_file : NULL,
		.is_camera_in_use = cam && camera_status(cam)->state == CAMERA_LIVE,
	};

	e->doctor = doctor_start(&env, printer_config(p),
	                         &(struct doctor_events){ .done = examined, .arg = e });
}

static void restart(void *arg)
{
	struct hooks *h = arg;

	plumbing_restart(h->env.plumbing);
}

void hooks_fill(struct hooks *h, struct web_hooks *ret)
{
	*ret = (struct web_hooks){
		.pair = begin_pairing,
		.pairing = pairing,
		.unpair = unpair,
		.take_key = take_key,
		.discover = discover,
		.doctor = examine,
		.check_restored = config_check_restored,
		.restart = restart,
		.arg = h,
	};
	hooks_fill_keep(ret);
	hooks_fill_cameras(h, ret);
}
