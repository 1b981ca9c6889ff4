/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/fakes.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/video.h"
#include "capture/captures.h"
#include "capture/sessions.h"
#include "core/loop.h"
#include "film/films.h"
#include "media/frame.h"
#include "printers/printer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct printer {
	struct printer_config config;
	struct printer_state state;
	atomic_bool is_gone; /* tests take it away from another thread */
};

struct camera {
	struct camera_config config;
	struct camera_status status;
	struct camera_watcher *watchers;
	struct video_params params;
	unsigned generation;
	struct frame *key; /* the newest key frame */
	struct camera_video_watcher *video_watcher;
	struct frame *newest;
	int64_t control_value;
	atomic_bool is_gone;
};

/* The one thing that may be global: a test program has one of each. */
static struct {
	struct loop *loop;
	struct printer printer;
	struct camera camera;
	struct session session;
} fakes;

void fakes_init(struct loop *l)
{
	memset(&fakes, 0, sizeof(fakes));
	fakes.loop = l;
	TEXT_SET(fakes.printer.config.id, "a1");
	TEXT_SET(fakes.printer.config.name, "A1 left");
	TEXT_SET(fakes.printer.config.driver, "bambu");
	secret_set(&fakes.printer.config.access_code, "12345678");
	printer_state_init(&fakes.printer.state);
	fakes.printer.state.link = PRINTER_LINK_ONLINE;
	TEXT_SET(fakes.camera.config.id, "a1");
	TEXT_SET(fakes.camera.config.name, "A1's camera");
	TEXT_SET(fakes.camera.config.driver, "fake");
	TEXT_SET(fakes.camera.config.printer, "a1");
	fakes.camera.status.state = CAMERA_LIVE;
}

void fakes_fini(void)
{
	frame_unref(fakes.camera.newest);
	fakes.camera.newest = NULL;
	frame_unref(fakes.camera.key);
	fakes.camera.key = NULL;
	printer_config_fini(&fakes.printer.config);
	camera_config_fini(&fakes.camera.config);
}

struct printer_state *fakes_printer_state(void)
{
	return &fakes.printer.state;
}

struct camera_status *fakes_camera_status(void)
{
	return &fakes.camera.status;
}

void fakes_remove_printer(void)
{
	fakes.printer.is_gone = true;
}

void fakes_remove_camera(void)
{
	fakes.camera.is_gone = true;
}

struct camera_config *fakes_camera_config(void)
{
	return &fakes.camera.config;
}

/* ---- printers ---- */

struct printer *printers_find(struct printers *ps, const char *id)
{
	(void)ps;
	return !fakes.printer.is_gone && strcmp(id, "a1") == 0 ? &fakes.printer : NULL;
}

struct printer *printers_at(struct printers *ps, size_t i)
{
	(void)ps;
	return i == 0 && !fakes.printer.is_gone ? &fakes.printer : NULL;
}

const struct printer_config *printer_config(const struct printer *p)
{
	return &p->config;
}

const struct printer_state *printer_state(const struct printer *p)
{
	return &p->state;
}

json_t *printer_raw(const struct printer *p)
{
	(void)p;
	return json_pack("{s:{s:i}}", "print", "layer_num", 3);
}

struct sent {
	void (*done)(void *arg, enum printer_answer a, const char *reason);
	void *arg;
};

static void answer(void *arg)
{
	struct sent *s = arg;

	s->done(s->arg, PRINTER_REFUSED, "the firmware wants Developer mode");
	free(s);
}

void printer_send(struct printer *p, const struct printer_command *c,
                  void (*done)(void *arg, enum printer_answer a, const char *reason), void *arg)
{
	struct sent *s = MEM_NEW(struct sent);

	(void)p;
	(void)c;
	*s = (struct sent){ done, arg };
	loop_post(fakes.loop, answer, s);
}

bool printer_refused_certificate(const struct printer *p, uint8_t ret_sha256[32],
                                 char ret_subject[128])
{
	(void)p;
	memset(ret_sha256, 0xab, 32);
	text_copy(ret_subject, 128, "CN=00M00A000000000");
	return true;
}

/* ---- cameras ---- */

struct camera *cameras_find(struct cameras *cs, const char *id)
{
	(void)cs;
	return !fakes.camera.is_gone && strcmp(id, "a1") == 0 ? &fakes.camera : NULL;
}

struct camera *cameras_at(struct cameras *cs, size_t i)
{
	(void)cs;
	return i == 0 && !fakes.camera.is_gone ? &fakes.camera : NULL;
}

const struct camera_config *camera_config(const struct camera *c)
{
	return &c->config;
}

const struct camera_status *camera_status(const struct camera *c)
{
	return &c->status;
}

void camera_watch(struct camera *c, struct camera_watcher *w, void (*woken)(void *arg), void *arg)
{
	w->camera = c;
	w->woken = woken;
	w->arg = arg;
	w->prev = NULL;
	w->next = c->watchers;
	if (w->next)
		w->next->prev = w;
	c->watchers = w;
	c->status.n_watchers++;
}

void camera_unwatch(struct camera_watcher *w)
{
	if (!w->camera)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		w->camera->watchers = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->camera->status.n_watchers--;
	frame_unref(w->newest);
	w->newest = NULL;
	w->camera = NULL;
}

unsigned fakes_n_watchers(void)
{
	return fakes.camera.status.n_watchers;
}

struct frame *camera_watch_take(struct camera_watcher *w)
{
	struct frame *f = w->newest;

	w->newest = NULL;
	return f;
}

struct frame *camera_newest(struct camera *c)
{
	return c->newest ? frame_ref(c->newest) : NULL;
}

void fakes_camera_frame(struct frame *f)
{
	frame_unref(fakes.camera.newest);
	fakes.camera.newest = f;
	for (struct camera_watcher *w = fakes.camera.watchers, *next; w; w = next) {
		next = w->next;
		frame_unref(w->newest);
		w->newest = frame_ref(f);
		w->woken(w->arg);
	}
}

static void no_shot(void *arg)
{
	struct camera_shot *s = arg;
	struct err err = { 0 };

	(void)err_set(&err, -ETIMEDOUT, "no picture came in time");
	s->done(s->arg, NULL, &err);
}

void camera_shoot(struct camera *c, struct camera_shot *s, int64_t not_before_us,
                  int64_t timeout_ms,
                  void (*done)(void *arg, struct frame *f, const struct err *err), void *arg)
{
	(void)not_before_us;
	(void)timeout_ms;
	s->camera = c;
	s->done = done;
	s->arg = arg;
	loop_post(fakes.loop, no_shot, s);
}

void camera_shot_cancel(struct camera_shot *s)
{
	(void)s;
}

bool camera_gives_video(const struct camera *c)
{
	return c->status.has_video;
}

const struct video_params *camera_video_params(const struct camera *c)
{
	return c->params.is_complete ? &c->params : NULL;
}

unsigned camera_video_generation(const struct camera *c)
{
	return c->generation;
}

size_t camera_video_get(struct camera *c, struct frame **ret, size_t max)
{
	if (!c->key || max == 0)
		return 0;
	ret[0] = frame_ref(c->key);
	return 1;
}

void camera_video_watch(struct camera *c, struct camera_video_watcher *w)
{
	w->camera = c;
	c->video_watcher = w;
}

void camera_video_count(struct camera_video_watcher *w, unsigned n)
{
	w->n_viewers = n;
}

void camera_video_unwatch(struct camera_video_watcher *w)
{
	if (w->camera)
		w->camera->video_watcher = NULL;
	w->camera = NULL;
}

void fakes_camera_packet(struct frame *f)
{
	struct camera *c = &fakes.camera;

	if (f->is_key) {
		c->generation += video_params_take(&c->params, f->data, f->size);
		frame_unref(c->key);
		c->key = frame_ref(f);
	}
	if (c->video_watcher)
		c->video_watcher->packet(c->video_watcher->arg, f);
	frame_unref(f);
}

bool fakes_video_is_watched(void)
{
	return fakes.camera.video_watcher != NULL;
}

int camera_controls(struct camera *c, struct camera_control *ret, size_t max, struct err *err)
{
	(void)err;
	(void)max;
	ret[0] = (struct camera_control){ .kind = CAMERA_CONTROL_MENU,
		                          .min = 0,
		                          .max = 2,
		                          .step = 1,
		                          .value = c->control_value,
		                          .n_choices = 1,
		                          .choices = { { 1, "50 Hz" } } };
	TEXT_SET(ret[0].name, "power_line_frequency");
	TEXT_SET(ret[0].title, "Power line frequency");
	return 1;
}

int camera_control_set(struct camera *c, const char *name, int64_t value, struct err *err)
{
	if (strcmp(name, "power_line_frequency") != 0)
		return err_set(err, -ENOENT, "this camera has no control '%s'", name);
	c->control_value = value;
	return 0;
}

void camera_test(struct camera *c, unsigned n, int64_t timeout_ms,
                 void (*done)(void *arg, const struct camera_test_result *r), void *arg)
{
	struct camera_test_result r = { .is_ok = true, .n_frames = n, .text = "all is well" };

	(void)c;
	(void)timeout_ms;
	done(arg, &r);
}

/* ---- sessions and films ---- */

const struct session *sessions_of(const struct sessions *ss, const char *printer)
{
	(void)ss;
	TEXT_SET(fakes.session.printer, printer);
	return &fakes.session;
}

const struct session_plan *sessions_plan(const struct sessions *ss UNUSED,
                                         const char *printer UNUSED)
{
	return NULL;
}

struct press *sessions_press(struct sessions *ss UNUSED, const char *printer UNUSED,
                             int64_t at_us UNUSED, struct err *err)
{
	err_set(err, -ENODEV, "no camera is assigned to this printer");
	return NULL;
}

int sessions_press_keep(struct press *p UNUSED, struct err *err)
{
	return err_set(err, -EPERM, "nothing is being recorded");
}

void sessions_press_drop(struct press *p UNUSED)
{
}

bool sessions_is_paused_by_order(const struct sessions *ss UNUSED, const char *printer UNUSED)
{
	return false;
}

int sessions_order(struct sessions *ss, const char *printer, enum session_order order,
                   struct err *err)
{
	(void)ss;
	(void)printer;
	if (order == SESSION_ORDER_RESUME)
		return err_set(err, -EPERM, "nothing is paused");
	fakes.session.state = order == SESSION_ORDER_START ? SESSION_ARMED : SESSION_IDLE;
	return 0;
}

void films_render(struct films *fs UNUSED, const char *session_id, const char *camera,
                  const struct film_plan *plan, struct films_asker asker)
{
	struct film f = { .state = FILM_GROWING, .progress_percent = -1, .plan = *plan };
	struct err err = { 0 };
	int n = 1;

	if (!id_is_valid(session_id))
		n = err_set(&err, -ENOENT, "there is no session of this id");
	else if (camera && strcmp(camera, "a1") != 0)
		n = err_set(&err, -ENOENT, "there is no such camera");
	(void)id_new(f.id, loop_wall_ms(fakes.loop));
	TEXT_SET(f.session, session_id);
	asker.done(asker.arg, &f, n, n < 0 ? &err : NULL);
}

int films_forget(struct films *fs, const char *film_id, struct err *err)
{
	(void)fs;
	(void)film_id;
	(void)err;
	return 0;
}

/* ---- capture/captures: nobody captures here ---- */

const struct capture_plan *captures_plan(const struct captures *cs UNUSED,
                                         const char *printer UNUSED)
{
	return NULL;
}

int captures_set_plan(struct captures *cs UNUSED, const char *printer UNUSED,
                      const struct capture_plan *plan UNUSED, struct err *err)
{
	return err_set(err, -ENOENT, "there is no printer");
}

json_t *captures_preview(const struct captures *cs UNUSED, const char *printer UNUSED,
                         const struct capture_plan *plan UNUSED, int layer UNUSED)
{
	return NULL;
}

int captures_order(struct captures *cs UNUSED, const char *printer UNUSED,
                   enum capture_trigger by UNUSED, struct err *err)
{
	return err_set(err, -ENOENT, "there is no printer");
}

int captures_cancel(struct captures *cs UNUSED, const char *printer UNUSED, struct err *err)
{
	return err_set(err, -ENOENT, "there is no printer");
}

json_t *captures_status(const struct captures *cs UNUSED, const char *printer UNUSED)
{
	return NULL;
}
