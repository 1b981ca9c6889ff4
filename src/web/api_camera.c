/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api_camera: cameras that are added, changed and removed; the settings of their devices. */

#include "web/handlers.h"
#include "web/live.h"
#include "web/push.h"
#include "web/tokens.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "model/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CONTROLS 64

/* ---- added, changed, removed ---- */

static void saved(void *arg, const char *id, const struct field_says *says, const struct err *err)
{
	struct call *c = arg;
	const struct camera *cam = err ? NULL : cameras_find(c->web->env.cameras, id);
	bool is_new = c->params[0][0] == '\0';

	if (err && says && says->field[0]) {
		call_refuse_field(c, says->field, "%s", err->text);
	} else if (err) {
		call_refuse_err(c, err->code, err);
	} else if (!cam) {
		call_refuse(c, 503, "The camera is stored and will be there after a restart.");
	} else {
		web_audit(c, "settings", id, is_new ? "added the camera" : "changed the camera");
		push_look(c->web->push);
		call_json(c, is_new ? 201 : 200,
		          json_camera(camera_config(cam), camera_status(cam)));
	}
}

static void save(struct call *c, const char *id)
{
	const struct web_hooks *h = &c->web->env.hooks;

	if (h->save_camera)
		h->save_camera(h->arg, id, c->body, (struct web_keeper){ saved, c });
	else
		call_refuse(c, 503, "Cameras cannot be kept here: write them into bedside.yaml.");
}

void api_camera_add(struct call *c)
{
	save(c, NULL);
}

static void trial_is_over(void *arg, const struct camera_test_result *r)
{
	call_json(arg, 200, json_camera_test(r));
}

void api_camera_try(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;
	struct field_says says = { 0 };
	struct err err = { 0 };

	if (!h->try_camera) {
		call_refuse(c, 503, "Cameras cannot be tried here: run 'bedside camera test'.");
		return;
	}

	int rc =
		h->try_camera(h->arg, c->body, (struct web_trial){ trial_is_over, c }, &says, &err);

	if (rc < 0 && says.field[0])
		call_refuse_field(c, says.field, "%s", err.text);
	else if (rc < 0)
		call_refuse_err(c, rc, &err);
}

void api_camera_change(struct call *c)
{
	if (call_camera(c))
		save(c, c->params[0]);
}

static void token_has_gone(void *arg, int rc, const struct err *err, const struct camera_token *t,
                           const char *secret)
{
	(void)arg;
	(void)t;
	(void)secret;
	if (rc < 0)
		log_warn(NULL, "a token of a removed camera: %s", err->text);
}

/* Another camera of the same name is not for those who saw this one. */
static void revoke_tokens(struct web *w, const char *camera)
{
	size_t n;
	const struct camera_token *all = tokens_all(w->tokens, &n);
	char(*ids)[ID_SIZE] = mem_new_array(n + 1, sizeof(*ids));
	size_t n_theirs = 0;

	for (size_t i = 0; i < n; i++) {
		if (strcmp(all[i].camera, camera) != 0)
			continue;
		TEXT_SET(ids[n_theirs], all[i].id);
		n_theirs++;
	}
	for (size_t i = 0; i < n_theirs; i++)
		tokens_remove(w->tokens, ids[i], token_has_gone, NULL);
	free(ids);
}

static void camera_removed(void *arg, const char *id, const struct field_says *says UNUSED,
                           const struct err *err)
{
	struct call *c = arg;

	if (err) {
		call_refuse_err(c, err->code, err);
		return;
	}
	revoke_tokens(c->web, id);
	web_audit(c, "settings", id, "removed the camera");
	push_look(c->web->push);
	call_done(c);
}

void api_camera_remove(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;

	if (!call_camera(c))
		return;
	if (!h->remove_camera) {
		call_refuse(c, 503, "Cameras cannot be removed here: edit bedside.yaml.");
		return;
	}
	h->remove_camera(h->arg, c->params[0], (struct web_keeper){ camera_removed, c });
}

/* ---- what is configured ---- */

static json_t *json_args(const struct camera_config *k, unsigned from)
{
	json_t *a = json_array();

	for (unsigned i = from; i < k->n_args; i++)
		json_array_append_new(a, json_text(k->args[i]));
	return a;
}

static json_t *json_wanted_controls(const struct camera_config *k)
{
	json_t *a = json_array();
	char pair[128];

	for (unsigned i = 0; i < k->n_controls; i++) {
		snprintf(pair, sizeof(pair), "%s=%s", k->controls[i].name, k->controls[i].value);
		json_array_append_new(a, json_text(pair));
	}
	return a;
}

static const char *flip_name(const struct camera_config *k)
{
	return k->is_flipped_h && k->is_flipped_v ? "both"
	       : k->is_flipped_h                  ? "horizontal"
	       : k->is_flipped_v                  ? "vertical"
	                                          : "none";
}

static json_t *json_tls(const struct camera_config *k)
{
	char text[80] = "sha256:";

	if (k->trust.mode != TRUST_PIN)
		return json_string(k->trust.mode == TRUST_CA ? "ca" : "insecure");
	text_hex(text + strlen(text), k->trust.pin, sizeof(k->trust.pin));
	return json_string(text);
}

static json_t *json_printers(const struct camera_config *k)
{
	json_t *a = json_array();

	for (unsigned i = 0; k->printer[0] && i <= k->n_also; i++)
		json_array_append_new(a, json_text(i == 0 ? k->printer : k->also[i - 1]));
	return a;
}

static void put_rpicam(json_t *o, const struct camera_config *k)
{
	static const char *const focus[] = { "continuous", "shot", "manual" };
	const struct camera_window *w = &k->focus_window;
	char text[80] = "";

	if (w->width > 0)
		snprintf(text, sizeof(text), "%g, %g, %g, %g", w->x, w->y, w->width, w->height);
	json_object_set_new(
		o, "focus",
		json_string(
			focus[k->focus >= 0 && k->focus < (int)ARRAY_LEN(focus) ? k->focus : 0]));
	json_object_set_new(o, "lens_position", json_real(k->lens_position));
	json_object_set_new(o, "focus_window", json_string(text));
	json_object_set_new(o, "exposure_bias", json_real(k->exposure_bias));
	json_object_set_new(o, "full_still", json_boolean(k->is_full_still));
}

/* The password alone is not told, only whether there is one. */
static json_t *json_settings(const struct camera_config *k)
{
	char size[32] = "";
	bool is_exec = strcmp(k->driver, "exec") == 0;
	json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b}", "id", k->id, "origin",
	                      camera_origin_name(k->origin), "driver", k->driver, "name",
	                      json_text(k->name), "printers", json_printers(k), "source",
	                      json_text(k->source), "user", json_text(k->user), "has_password",
	                      (int)secret_is_set(&k->secret));

	if (k->width > 0)
		snprintf(size, sizeof(size), "%ux%u", k->width, k->height);
	json_object_set_new(o, "tls", json_tls(k));
	json_object_set_new(o, "command", is_exec ? json_args(k, 0) : json_array());
	json_object_set_new(o, "arguments", is_exec ? json_array() : json_args(k, 1));
	json_object_set_new(o, "poll_ms", json_integer(k->poll_ms));
	json_object_set_new(o, "fps", k->fps > 0 ? json_real(k->fps) : json_null());
	json_object_set_new(o, "size", json_string(size));
	json_object_set_new(o, "format", json_string(k->format[0] ? k->format : "auto"));
	json_object_set_new(o, "quality", json_integer(k->quality ? k->quality : 95));
	json_object_set_new(o, "rotation", json_integer(k->rotation));
	json_object_set_new(o, "flip", json_string(flip_name(k)));
	json_object_set_new(o, "controls", json_wanted_controls(k));
	put_rpicam(o, k);
	json_object_set_new(o, "always_open", json_boolean(k->is_always_open));
	json_object_set_new(o, "latency_ms", json_integer(k->latency_us / 1000));
	json_object_set_new(o, "stale_after_ms", json_integer(k->stale_after_ms));
	json_object_set_new(o, "ring_ms", json_integer(k->ring_ms));
	return o;
}

void api_camera_settings(struct call *c)
{
	const struct camera *cam = call_camera(c);

	if (cam)
		call_json(c, 200, json_settings(camera_config(cam)));
}

/* ---- what is plugged in ---- */

static void devices_are_found(void *arg, json_t *devices, const struct err *err)
{
	struct call *c = arg;

	if (devices)
		call_json(c, 200, json_pack("{s:o}", "devices", devices));
	else
		call_refuse_err(c, err->code, err);
}

void api_devices(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;

	if (h->find_devices)
		h->find_devices(h->arg, devices_are_found, c);
	else
		call_refuse(c, 503,
		            "Looking for cameras is not possible here: run 'bedside camera list'.");
}

/* ---- the device's own settings ---- */

static json_t *json_choices(const struct camera_control *k)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < k->n_choices; i++)
		json_array_append_new(a, json_pack("{s:I, s:o}", "value",
		                                   (json_int_t)k->choices[i].value, "title",
		                                   json_text(k->choices[i].title)));
	return a;
}

static json_t *json_control(const struct camera_control *k)
{
	static const char *const kinds[] = { "number", "switch", "menu" };

	return json_pack("{s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:o}", "name",
	                 json_text(k->name), "title", json_text(k->title), "kind", kinds[k->kind],
	                 "min", (json_int_t)k->min, "max", (json_int_t)k->max, "step",
	                 (json_int_t)k->step, "fallback", (json_int_t)k->fallback, "value",
	                 (json_int_t)k->value, "is_read_only", (int)k->is_read_only, "is_inactive",
	                 (int)k->is_inactive, "choices", json_choices(k));
}

void api_camera_controls(struct call *c)
{
	struct camera *cam = call_camera(c);
	struct camera_control *list;
	struct err err = { 0 };
	json_t *a;
	int n;

	if (!cam)
		return;
	list = mem_new_array(MAX_CONTROLS, sizeof(*list));
	n = camera_controls(cam, list, MAX_CONTROLS, &err);
	a = json_array();
	for (int i = 0; i < MIN(n, MAX_CONTROLS); i++)
		json_array_append_new(a, json_control(&list[i]));
	free(list);
	/* A camera without any is none that failed. */
	if (n >= 0 || n == -ENOTSUP) {
		call_json(c, 200, json_pack("{s:o}", "controls", a));
		return;
	}
	json_decref(a);
	call_refuse(c, n == -EAGAIN ? 503 : 409, "%s", err.text);
}

void api_camera_control(struct call *c)
{
	struct camera *cam = call_camera(c);
	const char *name = call_text(c, "name", "");
	int64_t value = call_int(c, "value", 0);
	struct err err = { 0 };

	if (!cam)
		return;
	if (camera_control_set(cam, name, value, &err) < 0) {
		call_refuse_field(c, "value", "%s", err.text);
		return;
	}
	web_audit(c, "settings", c->params[0], "%s: %lld", name, (long long)value);
	call_done(c);
}
