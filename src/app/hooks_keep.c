/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hooks_keep: printers and cameras that are added, changed, removed and pinned on the page.
 *
 * One change at a time, in the order in which they were asked for, each in three steps: judged on
 * the loop, written by the keeper's thread, put to work on the loop. So whatever a change was judged
 * by still holds when it is put to work, and a slow disk keeps nobody waiting but who asked.
 */

#include "app/hooks_priv.h"

#include "app/config.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/work.h"
#include "printers/printer.h"
#include "web/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct change {
	struct hooks *hooks; /* NULL: nobody waits any more */
	int (*judge)(struct change *ch);
	int (*write)(struct change *ch); /* on the keeper: touches nothing but the change */
	int (*apply)(struct change *ch);
	struct web_keeper keeper;
	const struct config *config; /* read-only; outlives the keeper */
	char id[MODEL_ID_SIZE];      /* "": a new camera */
	struct printer_config printer;
	uint8_t sha256[32];
	json_t *settings; /* the change's own copy */
	struct camera_config camera;
	char (*taken)[MODEL_ID_SIZE]; /* ids that a new camera cannot have */
	size_t n_taken;
	struct field_says says;
	int rc;
	struct err err;
	struct change *prev, *next; /* hooks.changes */
};

static void change_free(struct change *ch)
{
	printer_config_fini(&ch->printer);
	camera_config_fini(&ch->camera);
	json_decref(ch->settings);
	free(ch->taken);
	free(ch);
}

static void take_out(struct hooks *h, struct change *ch)
{
	DL_DELETE(h->changes, ch);
}

static void tell(const struct change *ch)
{
	ch->keeper.done(ch->keeper.arg, ch->id, &ch->says, ch->rc < 0 ? &ch->err : NULL);
}

static void write_it(void *arg)
{
	struct change *ch = arg;

	ch->rc = ch->write(ch);
}

static void written(void *arg);

/* The first one, until one has something to write. */
static void next_change(struct hooks *h)
{
	struct change *ch;

	h->is_changing = true;
	while ((ch = h->changes)) {
		ch->rc = ch->judge(ch);
		if (ch->rc == 0) {
			work_submit(h->env.keeper, write_it, written, ch);
			return;
		}
		take_out(h, ch);
		tell(ch);
		change_free(ch);
	}
	h->is_changing = false;
}

static void written(void *arg)
{
	struct change *ch = arg;
	struct hooks *h = ch->hooks;

	if (h) {
		if (ch->rc == 0)
			ch->rc = ch->apply(ch);
		take_out(h, ch);
		tell(ch);
		next_change(h);
	}
	change_free(ch);
}

static struct change *change_new(struct hooks *h, const char *id, struct web_keeper k)
{
	struct change *ch = MEM_NEW(struct change);

	ch->hooks = h;
	ch->config = h->env.config;
	ch->keeper = k;
	TEXT_SET(ch->id, id);
	return ch;
}

static void change_start(struct change *ch)
{
	struct hooks *h = ch->hooks;

	DL_APPEND(h->changes, ch);
	if (!h->is_changing)
		next_change(h);
}

void hooks_end_changes(struct hooks *h, const struct err *err)
{
	struct change *ch;
	bool is_written = true; /* the first one is on the keeper, and freed when it comes back */

	while ((ch = h->changes)) {
		take_out(h, ch);
		ch->hooks = NULL;
		ch->keeper.done(ch->keeper.arg, ch->id, &(struct field_says){ "" }, err);
		if (!is_written)
			change_free(ch);
		is_written = false;
	}
}

/* ---- a printer is added ---- */

static int judge_new_printer(struct change *ch)
{
	const struct hooks *h = ch->hooks;
	struct printer_config *c = &ch->printer;
	int rc;

	text_slug(c->id, sizeof(c->id), c->name);
	TEXT_SET(ch->id, c->id);
	if (printers_find(h->env.printers, c->id))
		return err_set(&ch->err, -EEXIST, "There is a printer called '%s' already.",
		               c->name);
	/* Two of one serial would keep the next start from reading its configuration. */
	if (hooks_know_serial(h->env.printers, c->serial))
		return err_set(&ch->err, -EEXIST,
		               "The printer with the serial number %s is here already.", c->serial);
	rc = c->url[0] ? config_check_url(c, &ch->err) : 0;
	if (rc < 0)
		return rc;
	if (hooks_know_url(h->env.printers, c->url))
		return err_set(&ch->err, -EEXIST, "The printer at %s is here already.", c->url);
	if (!c->url[0])
		TEXT_SET(c->trust.ca_file, h->env.config->ca_file);
	return 0;
}

static int write_new_printer(struct change *ch)
{
	return config_add_printer(ch->config->data_dir, &ch->printer, &ch->err);
}

static int apply_new_printer(struct change *ch)
{
	return plumbing_add_printer(ch->hooks->env.plumbing, &ch->printer, &ch->err);
}

void hooks_add_printer(struct hooks *h, const struct printer_config *config, struct web_keeper k)
{
	struct change *ch = change_new(h, "", k);

	printer_config_copy(&ch->printer, config);
	ch->judge = judge_new_printer;
	ch->write = write_new_printer;
	ch->apply = apply_new_printer;
	change_start(ch);
}

static void add_printer(void *arg, const struct printer_config *config, struct web_keeper k)
{
	hooks_add_printer(arg, config, k);
}

/* ---- a printer is removed ---- */

static int judge_printer(struct change *ch)
{
	if (printers_find(ch->hooks->env.printers, ch->id))
		return 0;
	return err_set(&ch->err, -ENOENT, "There is no printer '%s'.", ch->id);
}

static int write_no_printer(struct change *ch)
{
	return config_remove_printer(ch->config, ch->id, &ch->err);
}

static int apply_no_printer(struct change *ch)
{
	plumbing_remove_printer(ch->hooks->env.plumbing, ch->id);
	return 0;
}

static void remove_printer(void *arg, const char *id, struct web_keeper k)
{
	struct change *ch = change_new(arg, id, k);

	ch->judge = judge_printer;
	ch->write = write_no_printer;
	ch->apply = apply_no_printer;
	change_start(ch);
}

/* ---- its certificate is pinned ---- */

static int judge_pin(struct change *ch)
{
	int rc = judge_printer(ch);

	for (size_t i = 0; rc == 0 && i < ch->config->n_printers; i++) {
		const struct printer_entry *e = &ch->config->printers[i];

		if (e->is_pinned_by_hand && text_equal(e->printer.id, ch->id))
			rc = err_set(&ch->err, -EPERM,
			             "%s names another fingerprint for it: change tls: there and "
			             "restart.",
			             ch->config->path);
	}
	return rc;
}

static int write_pin(struct change *ch)
{
	return config_pin_printer(ch->config->data_dir, ch->id, ch->sha256, &ch->err);
}

static int apply_pin(struct change *ch)
{
	struct printer *p = printers_find(ch->hooks->env.printers, ch->id);
	struct trust trust = { .mode = TRUST_PIN };

	memcpy(trust.pin, ch->sha256, sizeof(trust.pin));
	TEXT_SET(trust.ca_file, printer_config(p)->trust.ca_file);
	printer_set_trust(p, &trust);
	plumbing_trust_changed(ch->hooks->env.plumbing, ch->id);
	return 0;
}

static void pin_printer(void *arg, const char *id, const uint8_t sha256[32], struct web_keeper k)
{
	struct change *ch = change_new(arg, id, k);

	memcpy(ch->sha256, sha256, sizeof(ch->sha256));
	ch->judge = judge_pin;
	ch->write = write_pin;
	ch->apply = apply_pin;
	change_start(ch);
}

/* ---- a camera is added or changed ---- */

static void take_id(struct change *ch, const char *id)
{
	ch->taken = mem_grow(ch->taken, ch->n_taken + 1, sizeof(*ch->taken));
	TEXT_SET(ch->taken[ch->n_taken], id);
	ch->n_taken++;
}

static bool is_taken(void *arg, const char *id)
{
	const struct change *ch = arg;

	for (size_t i = 0; i < ch->n_taken; i++)
		if (strcmp(ch->taken[i], id) == 0)
			return true;
	return false;
}

static int judge_new_camera(struct change *ch)
{
	const struct hooks *h = ch->hooks;
	const struct camera *c;
	const struct printer *p;
	size_t n = 0;

	for (size_t i = 0; (c = cameras_at(h->env.cameras, i)); i++) {
		n += camera_config(c)->origin != CAMERA_OF_PRINTER;
		take_id(ch, camera_config(c)->id);
	}
	/* A printer's own camera has the id of its printer and may come later. */
	for (size_t i = 0; (p = printers_at(h->env.printers, i)); i++)
		take_id(ch, printer_config(p)->id);
	if (n >= CONFIG_MAX_CAMERAS)
		return err_set(&ch->err, -ENOSPC, "there are %d cameras already",
		               CONFIG_MAX_CAMERAS);
	return 0;
}

static int judge_known_camera(struct change *ch)
{
	if (cameras_find(ch->hooks->env.cameras, ch->id))
		return 0;
	return err_set(&ch->err, -ENOENT, "There is no camera '%s'.", ch->id);
}

static int write_new_camera(struct change *ch)
{
	const struct config_taken taken = { is_taken, ch };

	return config_add_camera(ch->config, ch->settings, &taken, &ch->camera, ch->says.field,
	                         &ch->err);
}

static int write_known_camera(struct change *ch)
{
	return config_change_camera(ch->config, ch->id, ch->settings, &ch->camera, ch->says.field,
	                            &ch->err);
}

static int apply_camera(struct change *ch)
{
	struct plumbing *p = ch->hooks->env.plumbing;

	if (ch->id[0])
		plumbing_remove_camera(p, ch->id);
	TEXT_SET(ch->id, ch->camera.id);
	return plumbing_add_camera(p, &ch->camera, &ch->err);
}

static void save_camera(void *arg, const char *id, const json_t *settings, struct web_keeper k)
{
	struct change *ch = change_new(arg, id ? id : "", k);

	ch->settings = json_deep_copy(settings);
	ch->judge = id ? judge_known_camera : judge_new_camera;
	ch->write = id ? write_known_camera : write_new_camera;
	ch->apply = apply_camera;
	change_start(ch);
}

/* ---- a camera is removed ---- */

static int judge_no_camera(struct change *ch)
{
	const struct camera *c = cameras_find(ch->hooks->env.cameras, ch->id);

	if (c && camera_config(c)->origin == CAMERA_OF_PRINTER)
		return err_set(&ch->err, -EPERM,
		               "it belongs to its printer: remove the printer, or switch its "
		               "camera off with camera: no in bedside.yaml");
	return judge_known_camera(ch);
}

static int write_no_camera(struct change *ch)
{
	return config_remove_camera(ch->config, ch->id, &ch->err);
}

static int apply_no_camera(struct change *ch)
{
	plumbing_remove_camera(ch->hooks->env.plumbing, ch->id);
	return 0;
}

static void remove_camera(void *arg, const char *id, struct web_keeper k)
{
	struct change *ch = change_new(arg, id, k);

	ch->judge = judge_no_camera;
	ch->write = write_no_camera;
	ch->apply = apply_no_camera;
	change_start(ch);
}

void hooks_fill_keep(struct web_hooks *ret)
{
	ret->add_printer = add_printer;
	ret->remove_printer = remove_printer;
	ret->pin_printer = pin_printer;
	ret->save_camera = save_camera;
	ret->remove_camera = remove_camera;
}
