/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/guests.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/log.h"
#include "core/loop.h"
#include "fleet/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS 2000
#define STALE_MS 20000
#define MAX_GUESTS 64

struct guest {
	char id[MODEL_ID_SIZE]; /* here */
	char rig[ID_SIZE], camera[MODEL_ID_SIZE];
};

/* Somebody looks. */
struct opened {
	struct hub_watcher watcher;
	void (*picture)(void *to, const uint8_t *jpeg, size_t size, int64_t at_wall_ms);
	void *to;
};

struct guests {
	struct camera_remote remote;
	struct hub *hub;
	struct cameras *cameras;
	struct timer timer;
	size_t n;
	struct guest list[MAX_GUESTS];
};

static void on_picture(void *arg, const uint8_t *jpeg, size_t size, int64_t at_wall_ms)
{
	struct opened *o = arg;

	o->picture(o->to, jpeg, size, at_wall_ms);
}

/* source: "RIG/CAMERA" */
static void *open_remote(void *arg, const struct camera_config *c,
                         void (*picture)(void *to, const uint8_t *jpeg, size_t size,
                                         int64_t at_wall_ms),
                         void *to)
{
	struct guests *g = arg;
	const char *slash = strchr(c->source, '/');
	struct opened *o;

	if (!g->hub || !slash)
		return NULL;
	o = MEM_NEW(struct opened);
	*o = (struct opened){ .picture = picture, .to = to };
	(void)text_copy_n(o->watcher.rig, sizeof(o->watcher.rig), c->source,
	                  (size_t)(slash - c->source));
	TEXT_SET(o->watcher.camera, slash + 1);
	o->watcher.picture = on_picture;
	o->watcher.arg = o;
	hub_watch(g->hub, &o->watcher);
	return o;
}

static void close_remote(void *arg, void *opened)
{
	struct opened *o = opened;

	(void)arg;
	hub_unwatch(&o->watcher);
	free(o);
}

static struct guest *find(struct guests *g, const char *rig, const char *camera)
{
	for (size_t i = 0; i < g->n; i++) {
		if (text_equal(g->list[i].rig, rig) && text_equal(g->list[i].camera, camera))
			return &g->list[i];
	}
	return NULL;
}

static void add(struct guests *g, const struct rig_record *rig, const char *camera,
                const char *name)
{
	struct camera_config c = { .origin = CAMERA_OF_PRINTER, .stale_after_ms = STALE_MS };
	char text[RIG_NAME_SIZE + MODEL_ID_SIZE + 8];
	struct err err = { 0 };

	if (g->n == MAX_GUESTS)
		return;
	(void)snprintf(text, sizeof(text), "%.20s %s", rig->name, camera);
	text_slug(c.id, sizeof(c.id), text);
	/* Another one of ours may be called so. */
	for (int i = 2; cameras_find(g->cameras, c.id) && i < 10; i++) {
		(void)snprintf(text, sizeof(text), "%.20s %.20s %d", rig->name, camera, i);
		text_slug(c.id, sizeof(c.id), text);
	}
	(void)snprintf(c.name, sizeof(c.name), "%.40s: %.50s", rig->name, name);
	(void)snprintf(c.source, sizeof(c.source), "%s/%s", rig->id, camera);
	TEXT_SET(c.driver, "rig");
	if (cameras_add(g->cameras, &c, NULL, &err) < 0) {
		log_debug(NULL, "camera %s of rig %s: %s", camera, rig->name, err.text);
		return;
	}
	TEXT_SET(g->list[g->n].id, c.id);
	TEXT_SET(g->list[g->n].rig, rig->id);
	TEXT_SET(g->list[g->n].camera, camera);
	g->n++;
}

static void remove_at(struct guests *g, size_t i)
{
	cameras_remove(g->cameras, g->list[i].id);
	g->list[i] = g->list[--g->n];
}

static bool has_camera(const json_t *cameras, const char *id)
{
	size_t i;
	json_t *c;

	json_array_foreach(cameras, i, c)
	{
		if (text_equal(json_string_value(json_object_get(c, "id")), id))
			return true;
	}
	return false;
}

static void look_at(struct guests *g, const struct rig_record *rig)
{
	json_t *j = hub_rig_json(g->hub, rig->id, true), *c;
	const json_t *cameras = json_object_get(j, "cameras");
	size_t i;

	json_array_foreach(cameras, i, c)
	{
		const char *id = json_string_value(json_object_get(c, "id"));
		const char *name = json_string_value(json_object_get(c, "name"));

		if (id && *id && strlen(id) < MODEL_ID_SIZE && !find(g, rig->id, id))
			add(g, rig, id, name ? name : id);
	}
	for (i = g->n; hub_is_online(g->hub, rig->id) && json_array_size(cameras) > 0 && i-- > 0;) {
		if (text_equal(g->list[i].rig, rig->id) && !has_camera(cameras, g->list[i].camera))
			remove_at(g, i);
	}
	json_decref(j);
}

static void look(void *arg)
{
	struct guests *g = arg;
	const struct rig_record *rig;

	for (size_t i = 0; (rig = hub_at(g->hub, i)); i++)
		look_at(g, rig);
	for (size_t i = g->n; i-- > 0;) {
		if (!hub_find(g->hub, g->list[i].rig))
			remove_at(g, i);
	}
}

struct guests *guests_new(struct loop *l)
{
	struct guests *g = MEM_NEW(struct guests);

	g->remote = (struct camera_remote){ .open = open_remote, .close = close_remote, .arg = g };
	timer_init(&g->timer, l, look, g);
	return g;
}

const struct camera_remote *guests_remote(const struct guests *g)
{
	return &g->remote;
}

void guests_start(struct guests *g, struct hub *hub, struct cameras *cameras)
{
	g->hub = hub;
	g->cameras = cameras;
	timer_start_every(&g->timer, LOOK_MS);
}

void guests_stop(struct guests *g)
{
	if (!g || !g->hub)
		return;
	timer_stop(&g->timer);
	while (g->n > 0)
		remove_at(g, g->n - 1);
	g->hub = NULL;
}

void guests_free(struct guests *g)
{
	free(g);
}
