/* SPDX-License-Identifier: GPL-3.0-or-later */
/* control: the device's settings, as far as its driver has any. */

#include "base/err.h"
#include "cameras/private.h"

#include <errno.h>

static int has_none(const struct camera *c, struct err *err)
{
	return err_set(err, -ENOTSUP, "a camera of the kind '%s' has no controls", c->driver->name);
}

int camera_controls(struct camera *c, struct camera_control *ret, size_t max, struct err *err)
{
	return c->driver->controls ? c->driver->controls(c->priv, ret, max, err) : has_none(c, err);
}

int camera_control_set(struct camera *c, const char *name, int64_t value, struct err *err)
{
	if (!c->driver->control_set)
		return has_none(c, err);
	return c->driver->control_set(c->priv, name, value, err);
}

void camera_lock(struct camera *c)
{
	if (c->n_locks++ == 0 && c->driver->lock)
		c->driver->lock(c->priv);
}

void camera_unlock(struct camera *c)
{
	/* A camera that was removed and added anew has lost its locks. */
	if (c->n_locks > 0 && --c->n_locks == 0 && c->driver->unlock)
		c->driver->unlock(c->priv);
}
