/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v4l2: cameras of the kernel's Video4Linux, most of them on USB. The loop's half: the device
 * itself is touched by the camera's own thread only (v4l2_camera.h).
 */

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "cameras/thread.h"
#include "cameras/v4l2_camera.h"
#include "core/loop.h"
#include "model/camera.h"

#include <errno.h>
#include <stdlib.h>

/* A daemon that was killed in mid-session finds the session again within this time, and then the
 * lock stays. */
#define SETTLE_MS 60000

struct v4l2 {
	struct camera_thread *thread;
	struct v4l2_camera *camera;
	struct timer settle;
};

static void on_settle(void *arg)
{
	struct v4l2 *v = arg;

	camera_thread_order(v->thread, v4l2_camera_settle, NULL);
}

static void v4l2_added(void *priv, struct camera_source *src)
{
	struct v4l2 *v = priv;
	const struct camera_config *config = camera_source_config(src);
	const struct cameras_env *env = camera_source_env(src);
	char *lock_file =
		env->data_dir ? mem_printf("%s/cameras/%s.lock", env->data_dir, config->id) : NULL;

	v->camera = v4l2_camera_new(env->v4l2 ? env->v4l2 : &v4l2_sys_real, config->id,
	                            config->source, lock_file);
	free(lock_file);
	v->thread = camera_thread_new(env->loop, "camera", &v4l2_camera_device, v->camera,
	                              v4l2_camera_free);
	timer_init(&v->settle, env->loop, on_settle, v);
	timer_start(&v->settle, SETTLE_MS);
}

static void v4l2_removed(void *priv)
{
	struct v4l2 *v = priv;

	timer_stop(&v->settle);
	camera_thread_free(v->thread);
	v->thread = NULL;
}

static void v4l2_open(void *priv, struct camera_source *src)
{
	struct v4l2 *v = priv;

	camera_thread_open(v->thread, src);
}

static void v4l2_close(void *priv)
{
	struct v4l2 *v = priv;

	camera_thread_close(v->thread);
}

/* ---- controls ---- */

static int v4l2_controls(void *priv, struct camera_control *ret, size_t max, struct err *err)
{
	struct v4l2 *v = priv;
	struct v4l2_controls *cs = MEM_NEW(struct v4l2_controls);
	int n = -EAGAIN;

	if (v4l2_camera_peek(v->camera, cs)) {
		n = (int)cs->n;
		for (size_t i = 0; i < MIN(cs->n, max); i++)
			ret[i] = cs->list[i];
	} else {
		(void)err_set(err, n,
		              "the camera's controls are not known yet: it was not open since "
		              "the start; ask again in a moment");
	}
	/* Automatics move them; the next who asks gets them as they are now. */
	if (v4l2_camera_may_read(v->camera))
		camera_thread_order(v->thread, v4l2_camera_read, NULL);
	free(cs);
	return n;
}

static int v4l2_control_set(void *priv, const char *name, int64_t value, struct err *err)
{
	struct v4l2 *v = priv;
	struct v4l2_controls *cs = MEM_NEW(struct v4l2_controls);
	struct v4l2_camera_set *set;
	int rc = 0, i;

	/* What is surely wrong is said at once, the rest by the log. */
	if (v4l2_camera_peek(v->camera, cs)) {
		i = v4l2_controls_find(cs, name);
		rc = i < 0 ? err_set(err, -ENOENT, "this camera has no control '%s'", name)
		           : v4l2_control_check(&cs->list[i], value, err);
	}
	free(cs);
	if (rc < 0)
		return rc;
	set = MEM_NEW(struct v4l2_camera_set);
	TEXT_SET(set->name, name);
	set->value = value;
	camera_thread_order(v->thread, v4l2_camera_set, set);
	return 0;
}

static void v4l2_lock(void *priv)
{
	struct v4l2 *v = priv;

	camera_thread_order(v->thread, v4l2_camera_lock, NULL);
}

static void v4l2_unlock(void *priv)
{
	struct v4l2 *v = priv;

	camera_thread_order(v->thread, v4l2_camera_unlock, NULL);
}

const struct camera_driver camera_driver_v4l2 = {
	.name = "v4l2",
	.title = "USB camera or another video device of this machine",
	.priv_size = sizeof(struct v4l2),
	.open = v4l2_open,
	.close = v4l2_close,
	.added = v4l2_added,
	.removed = v4l2_removed,
	.silence = "Unplug the camera and plug it in again; a long cable or a hub without power of "
		   "its own is a usual reason",
	.controls = v4l2_controls,
	.control_set = v4l2_control_set,
	.lock = v4l2_lock,
	.unlock = v4l2_unlock,
};
