/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/house.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "capture/captures.h"
#include "capture/sessions.h"
#include "core/loop.h"
#include "fleet/climates.h"
#include "media/frame.h"
#include "model/command.h"
#include "model/json.h"
#include "printers/printer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CAMERAS 16
#define FRESH_US INT64_C(2000000)
#define GLANCE_MS 15000
#define LIVE_AHEAD 2 /* pictures on their way that the hub has not seen */

/* One camera that the hub looks at; the place is the camera's as long as it is used. */
struct view {
	struct house *house;
	char camera[MODEL_ID_SIZE];
	struct camera_shot shot; /* a preview under way */
	bool is_shooting;
	struct camera_watcher watcher; /* live */
	unsigned credits;
};

/* A printer's command under way. */
struct errand {
	struct house *house; /* NULL: ended */
	char id[ID_SIZE];
	struct errand *prev, *next;
};

struct house {
	struct house_env env;
	struct rig *rig;
	struct view views[MAX_CAMERAS];
	struct errand *errands;
};

/* ---- the state ---- */

static json_t *state(void *arg)
{
	struct house *h = arg;
	json_t *printers = json_array(), *cameras = json_array(), *sessions = json_array();
	json_t *climate = json_array();
	const struct climate_place *place;
	struct printer *p;
	struct camera *c;

	for (size_t i = 0; (p = printers_at(h->env.printers, i)); i++) {
		const struct session *s = sessions_of(h->env.sessions, printer_config(p)->id);

		json_array_append_new(printers, json_printer(printer_config(p), printer_state(p)));
		if (s && s->state != SESSION_IDLE)
			json_array_append_new(sessions, json_session(s));
	}
	for (size_t i = 0; (c = cameras_at(h->env.cameras, i)); i++) {
		if (!text_equal(camera_config(c)->driver, "rig"))
			json_array_append_new(cameras,
			                      json_camera(camera_config(c), camera_status(c)));
	}
	for (size_t i = 0; h->env.climates && (place = climates_at(h->env.climates, i)); i++)
		json_array_append_new(climate, json_climate(&place->newest));
	return json_pack("{s:o, s:o, s:o, s:o}", "printers", printers, "cameras", cameras,
	                 "sessions", sessions, "climate", climate);
}

/* ---- orders ---- */

static void answered(void *arg, enum printer_answer a, const char *reason)
{
	struct errand *e = arg;
	struct house *h = e->house;
	char text[300];

	if (h) {
		(void)snprintf(text, sizeof(text), "%s%s%s", printer_answer_name(a),
		               reason && *reason ? ": " : "", reason ? reason : "");
		rig_ordered(h->rig, e->id, a == PRINTER_ACKNOWLEDGED, text);
		if (e->prev)
			e->prev->next = e->next;
		else
			h->errands = e->next;
		if (e->next)
			e->next->prev = e->prev;
	}
	free(e);
}

static int command(struct house *h, const char *id, const char *subject, const json_t *body,
                   struct err *err)
{
	struct printer *p = printers_find(h->env.printers, subject);
	struct printer_command cmd;
	const char *field;
	struct errand *e;
	int rc = printer_command_from_json(body, &cmd, &field, err);

	if (rc < 0)
		return rc;
	if (!p)
		return err_set(err, -ENOENT, "the rig has no printer '%s'", subject);
	e = MEM_NEW(struct errand);
	*e = (struct errand){ .house = h, .next = h->errands };
	TEXT_SET(e->id, id);
	if (e->next)
		e->next->prev = e;
	h->errands = e;
	printer_send(p, &cmd, answered, e);
	return 1;
}

static int order_session(struct house *h, const char *subject, const json_t *body, struct err *err)
{
	static const char *const names[] = {
		[SESSION_ORDER_START] = "start",     [SESSION_ORDER_PAUSE] = "pause",
		[SESSION_ORDER_RESUME] = "resume",   [SESSION_ORDER_STOP] = "stop",
		[SESSION_ORDER_DISCARD] = "discard", [SESSION_ORDER_SHOOT] = "shoot",
	};
	const char *name = json_string_value(json_object_get(body, "order"));

	if (!printers_find(h->env.printers, subject))
		return err_set(err, -ENOENT, "the rig has no printer '%s'", subject);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (text_equal(name, names[i]))
			return sessions_order(h->env.sessions, subject, (enum session_order)i, err);
	}
	return err_set(err, -EINVAL, "this order is none of a session");
}

static int order_capture(struct house *h, const char *subject, const json_t *body, struct err *err)
{
	const char *name = json_string_value(json_object_get(body, "order"));

	if (text_equal(name, "run"))
		return captures_order(h->env.captures, subject, CAPTURE_BY_ORDER, err);
	if (text_equal(name, "cancel"))
		return captures_cancel(h->env.captures, subject, err);
	return err_set(err, -EINVAL, "this order is none of a layer capture");
}

static void order(void *arg, const char *id, const char *what, const char *subject,
                  const json_t *body)
{
	struct house *h = arg;
	struct err err = { 0 };
	int rc;

	if (text_equal(what, "printer"))
		rc = command(h, id, subject, body, &err);
	else if (text_equal(what, "session"))
		rc = order_session(h, subject, body, &err);
	else if (text_equal(what, "capture"))
		rc = order_capture(h, subject, body, &err);
	else
		rc = err_set(&err, -EINVAL, "this rig does not know such orders: update it");
	if (rc <= 0)
		rig_ordered(h->rig, id, rc == 0, err.text);
}

/* ---- pictures ---- */

static bool show(struct house *h, const char *camera, const struct frame *f, bool is_live)
{
	int64_t age_ms = (loop_now_us(h->env.loop) - f->captured_us) / 1000;

	return f->format == FRAME_JPEG &&
	       rig_picture(h->rig, camera, f->data, f->size,
	                   loop_wall_ms(h->env.loop) - MAX(age_ms, INT64_C(0)), is_live);
}

static struct view *view_of(struct house *h, const char *camera, bool may_make)
{
	struct view *unused = NULL;

	for (size_t i = 0; i < MAX_CAMERAS; i++) {
		struct view *v = &h->views[i];

		if (text_equal(v->camera, camera))
			return v;
		if (!unused && (!v->camera[0] || !cameras_find(h->env.cameras, v->camera)))
			unused = v;
	}
	if (!may_make || !unused)
		return NULL;
	camera_shot_cancel(&unused->shot);
	camera_unwatch(&unused->watcher);
	*unused = (struct view){ .house = h };
	TEXT_SET(unused->camera, camera);
	return unused;
}

static void glanced(void *arg, struct frame *f, const struct err *err)
{
	struct view *v = arg;

	(void)err;
	v->is_shooting = false;
	if (f)
		(void)show(v->house, v->camera, f, false);
	frame_unref(f);
}

static void glance_at(struct house *h, struct camera *c)
{
	struct view *v = view_of(h, camera_config(c)->id, true);
	auto_frame struct frame *newest = camera_newest(c);

	/* Live pictures are previews, too. */
	if (!v || v->is_shooting || v->watcher.camera)
		return;
	if (newest && loop_now_us(h->env.loop) - newest->captured_us < FRESH_US) {
		(void)show(h, v->camera, newest, false);
		return;
	}
	v->is_shooting = true;
	v->shot = (struct camera_shot){ 0 };
	camera_shoot(c, &v->shot, loop_now_us(h->env.loop), GLANCE_MS, glanced, v);
}

static void glance(void *arg)
{
	struct house *h = arg;
	struct camera *c;

	for (size_t i = 0; (c = cameras_at(h->env.cameras, i)); i++) {
		if (!text_equal(camera_config(c)->driver, "rig"))
			glance_at(h, c);
	}
}

static void show_live(struct view *v)
{
	struct frame *f = v->credits > 0 ? camera_watch_take(&v->watcher) : NULL;

	if (f && show(v->house, v->camera, f, true))
		v->credits--;
	frame_unref(f);
}

static void woken(void *arg)
{
	struct view *v = arg;

	if (v->watcher.camera)
		show_live(v);
}

static void watch(void *arg, const char *camera, bool is_on)
{
	struct house *h = arg;
	struct camera *c = cameras_find(h->env.cameras, camera);
	struct view *v = *camera ? view_of(h, camera, is_on && c) : NULL;

	for (size_t i = 0; !*camera && !is_on && i < MAX_CAMERAS; i++)
		camera_unwatch(&h->views[i].watcher);
	if (!v)
		return;
	camera_unwatch(&v->watcher);
	if (!is_on || !c)
		return;
	v->credits = LIVE_AHEAD;
	v->watcher = (struct camera_watcher){ 0 };
	camera_watch(c, &v->watcher, woken, v);
}

static void seen(void *arg, const char *camera)
{
	struct view *v = view_of(arg, camera, false);

	if (!v || !v->watcher.camera)
		return;
	v->credits = MIN(v->credits + 1, (unsigned)LIVE_AHEAD);
	show_live(v);
}

/* ---- life ---- */

struct house *house_new(const struct house_env *env)
{
	struct house *h = MEM_NEW(struct house);

	h->env = *env;
	return h;
}

void house_fill(struct house *h, struct rig_house *ret)
{
	*ret = (struct rig_house){ .state = state,
		                   .order = order,
		                   .glance = glance,
		                   .watch = watch,
		                   .seen = seen,
		                   .arg = h };
}

void house_set_rig(struct house *h, struct rig *r)
{
	h->rig = r;
}

void house_free(struct house *h)
{
	if (!h)
		return;
	for (size_t i = 0; i < MAX_CAMERAS; i++) {
		camera_shot_cancel(&h->views[i].shot);
		camera_unwatch(&h->views[i].watcher);
	}
	for (struct errand *e = h->errands; e; e = e->next)
		e->house = NULL;
	free(h);
}
