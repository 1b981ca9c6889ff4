/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Struct names, ids and values: the kernel's uapi, linux/videodev2.h and v4l2-controls.h. */

#include "cameras/v4l2_controls.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <string.h>

#define MAX_WALK 1024

/* Kernel 5.16 renamed some; what is written into a configuration must outlive an upgrade. */
static const struct {
	uint32_t id;
	const char *name, *also;
} names[] = {
	{ V4L2_CID_EXPOSURE_AUTO, "auto_exposure", "exposure_auto" },
	{ V4L2_CID_EXPOSURE_ABSOLUTE, "exposure_time_absolute", "exposure_absolute" },
	{ V4L2_CID_EXPOSURE_AUTO_PRIORITY, "exposure_dynamic_framerate", "exposure_auto_priority" },
	{ V4L2_CID_FOCUS_AUTO, "focus_automatic_continuous", "focus_auto" },
	{ V4L2_CID_FOCUS_ABSOLUTE, "focus_absolute", "focus" },
	{ V4L2_CID_AUTO_WHITE_BALANCE, "white_balance_automatic",
	  "white_balance_temperature_auto" },
	{ V4L2_CID_WHITE_BALANCE_TEMPERATURE, "white_balance_temperature", "white_balance" },
	{ V4L2_CID_POWER_LINE_FREQUENCY, "power_line_frequency", NULL },
	{ V4L2_CID_AUTOGAIN, "gain_automatic", "autogain" },
};

/* ---- listing ---- */

static char letter_of_name(char c)
{
	return isalnum((unsigned char)c) ? (char)tolower((unsigned char)c) : '_';
}

/* As v4l2-ctl does: "Exposure Time, Absolute" is exposure_time_absolute. */
static void name_by_title(const char *title, char *dst, size_t size)
{
	size_t n = 0;

	for (const char *p = title; *p && n + 1 < size; p++) {
		char c = letter_of_name(*p);

		if (c != '_' || (n > 0 && dst[n - 1] != '_'))
			dst[n++] = c;
	}
	n -= n > 0 && dst[n - 1] == '_';
	dst[n] = '\0';
}

static void name_control(uint32_t id, const char *title, char *dst, size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].id == id) {
			text_copy(dst, size, names[i].name);
			return;
		}
	name_by_title(title, dst, size);
}

static void read_menu(const struct v4l2_sys *sys, int fd, const struct v4l2_query_ext_ctrl *q,
                      struct camera_control *c)
{
	int64_t last = MIN(q->maximum, (int64_t)255);

	for (int64_t i = MAX(q->minimum, (int64_t)0);
	     i <= last && c->n_choices < CAMERA_MAX_CHOICES; i++) {
		struct v4l2_querymenu m = { .id = q->id, .index = (uint32_t)i };

		if (sys->ioctl(sys->arg, fd, VIDIOC_QUERYMENU, &m) < 0)
			continue;
		c->choices[c->n_choices].value = i;
		if (q->type == V4L2_CTRL_TYPE_INTEGER_MENU)
			snprintf(c->choices[c->n_choices].title, sizeof(c->choices[0].title),
			         "%lld", (long long)m.value);
		else
			text_copy_n(c->choices[c->n_choices].title, sizeof(c->choices[0].title),
			            (const char *)m.name,
			            strnlen((const char *)m.name, sizeof(m.name)));
		text_clean(c->choices[c->n_choices].title);
		c->n_choices++;
	}
}

static int get(const struct v4l2_sys *sys, int fd, uint32_t id, int64_t *ret)
{
	struct v4l2_control c = { .id = id };
	int rc = sys->ioctl(sys->arg, fd, VIDIOC_G_CTRL, &c);

	if (rc == 0)
		*ret = c.value;
	return rc;
}

static int set(const struct v4l2_sys *sys, int fd, uint32_t id, int64_t value)
{
	struct v4l2_control c = { .id = id, .value = (int32_t)value };

	return sys->ioctl(sys->arg, fd, VIDIOC_S_CTRL, &c);
}

static bool kind_of(uint32_t type, enum camera_control_kind *ret)
{
	switch (type) {
	case V4L2_CTRL_TYPE_INTEGER:
		*ret = CAMERA_CONTROL_NUMBER;
		return true;
	case V4L2_CTRL_TYPE_BOOLEAN:
		*ret = CAMERA_CONTROL_SWITCH;
		return true;
	case V4L2_CTRL_TYPE_MENU:
	case V4L2_CTRL_TYPE_INTEGER_MENU:
		*ret = CAMERA_CONTROL_MENU;
		return true;
	default:
		return false;
	}
}

/* False: not one for people. */
static bool read_one(const struct v4l2_sys *sys, int fd, const struct v4l2_query_ext_ctrl *q,
                     struct camera_control *c)
{
	*c = (struct camera_control){ 0 };
	if (q->flags & (V4L2_CTRL_FLAG_DISABLED | V4L2_CTRL_FLAG_WRITE_ONLY) ||
	    !kind_of(q->type, &c->kind))
		return false;
	text_copy_n(c->title, sizeof(c->title), q->name, strnlen(q->name, sizeof(q->name)));
	text_clean(c->title);
	name_control(q->id, c->title, c->name, sizeof(c->name));
	c->min = q->minimum;
	c->max = q->maximum;
	c->step = q->step > 0 ? (int64_t)MIN(q->step, (uint64_t)INT32_MAX) : 1;
	c->fallback = q->default_value;
	c->is_read_only = q->flags & V4L2_CTRL_FLAG_READ_ONLY;
	c->is_inactive = q->flags & (V4L2_CTRL_FLAG_INACTIVE | V4L2_CTRL_FLAG_GRABBED);
	if (c->kind == CAMERA_CONTROL_MENU)
		read_menu(sys, fd, q, c);
	/* What cannot be read now can be set all the same. */
	if (get(sys, fd, q->id, &c->value) < 0)
		c->value = c->fallback;
	return true;
}

int v4l2_controls_read(const struct v4l2_sys *sys, int fd, struct v4l2_controls *ret)
{
	const uint32_t next = V4L2_CTRL_FLAG_NEXT_CTRL;
	struct v4l2_query_ext_ctrl q = { .id = next };

	ret->n = 0;
	for (unsigned i = 0; i < MAX_WALK && ret->n < V4L2_MAX_CONTROLS; i++) {
		uint32_t last = q.id & ~next;
		int rc = sys->ioctl(sys->arg, fd, VIDIOC_QUERY_EXT_CTRL, &q);

		if (rc == -ENODEV)
			return rc;
		/* The end; or a device that never gets there. */
		if (rc < 0 || q.id <= last)
			break;
		if (read_one(sys, fd, &q, &ret->list[ret->n]))
			ret->ids[ret->n++] = q.id;
		q = (struct v4l2_query_ext_ctrl){ .id = q.id | next };
	}
	return 0;
}

static int find_id(const struct v4l2_controls *cs, uint32_t id)
{
	for (size_t i = 0; i < cs->n; i++)
		if (cs->ids[i] == id)
			return (int)i;
	return -1;
}

int v4l2_controls_find(const struct v4l2_controls *cs, const char *name)
{
	for (size_t i = 0; i < cs->n; i++)
		if (strcmp(cs->list[i].name, name) == 0)
			return (int)i;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (names[i].also && strcmp(names[i].also, name) == 0)
			return find_id(cs, names[i].id);
	return -1;
}

/* ---- setting ---- */

static void list_choices(const struct camera_control *c, char *dst, size_t size)
{
	size_t n = 0;

	dst[0] = '\0';
	for (unsigned i = 0; i < c->n_choices && n < size; i++)
		n += (size_t)snprintf(dst + n, size - n, "%s%lld (%s)", i ? ", " : "",
		                      (long long)c->choices[i].value, c->choices[i].title);
}

int v4l2_control_check(const struct camera_control *c, int64_t value, struct err *err)
{
	char choices[300];

	if (c->is_read_only)
		return err_set(err, -EPERM, "%s can only be read", c->name);
	if (c->kind == CAMERA_CONTROL_MENU) {
		for (unsigned i = 0; i < c->n_choices; i++)
			if (c->choices[i].value == value)
				return 0;
		list_choices(c, choices, sizeof(choices));
		return err_set(err, -ERANGE, "%s must be one of %s", c->name, choices);
	}
	if (value < c->min || value > c->max)
		return err_set(err, -ERANGE, "%s must be from %lld to %lld", c->name,
		               (long long)c->min, (long long)c->max);
	return 0;
}

int v4l2_control_parse(const struct camera_control *c, const char *text, int64_t *ret,
                       struct err *err)
{
	char choices[300];

	if (text_to_i64(text, ret))
		return 0;
	if (c->kind == CAMERA_CONTROL_SWITCH &&
	    (text_equal_nocase(text, "on") || text_equal_nocase(text, "yes") ||
	     text_equal_nocase(text, "true"))) {
		*ret = 1;
		return 0;
	}
	if (c->kind == CAMERA_CONTROL_SWITCH &&
	    (text_equal_nocase(text, "off") || text_equal_nocase(text, "no") ||
	     text_equal_nocase(text, "false"))) {
		*ret = 0;
		return 0;
	}
	for (unsigned i = 0; i < c->n_choices; i++)
		if (text_equal_nocase(c->choices[i].title, text)) {
			*ret = c->choices[i].value;
			return 0;
		}
	list_choices(c, choices, sizeof(choices));
	return err_set(err, -EINVAL, "%s: '%.40s' must be %s%s", c->name, text,
	               c->kind == CAMERA_CONTROL_SWITCH ? "on or off"
	               : c->kind == CAMERA_CONTROL_MENU ? "one of "
	                                                : "a number",
	               choices);
}

int v4l2_control_write(const struct v4l2_sys *sys, int fd, const struct v4l2_controls *cs, int i,
                       int64_t value, struct err *err)
{
	const struct camera_control *c = &cs->list[i];
	int rc = v4l2_control_check(c, value, err);

	if (rc < 0)
		return rc;
	rc = set(sys, fd, cs->ids[i], value);
	if (rc == -EACCES || (rc == -EIO && c->is_inactive))
		return err_set(err, rc,
		               "%s is in the hands of an automatic, which must be off first",
		               c->name);
	if (rc < 0)
		return err_set(err, rc, "the camera refuses %s = %lld", c->name, (long long)value);
	return 0;
}

/* ---- locking ---- */

/* Automatics, how they are off, and what they decide. */
static const struct {
	uint32_t automatic;
	int64_t off;
	uint32_t decided[3];
} automatics[] = {
	{ V4L2_CID_EXPOSURE_AUTO,
	  V4L2_EXPOSURE_MANUAL,
	  { V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CID_GAIN, V4L2_CID_IRIS_ABSOLUTE } },
	{ V4L2_CID_AUTOGAIN, 0, { V4L2_CID_GAIN } },
	{ V4L2_CID_AUTO_WHITE_BALANCE,
	  0,
	  { V4L2_CID_WHITE_BALANCE_TEMPERATURE, V4L2_CID_RED_BALANCE, V4L2_CID_BLUE_BALANCE } },
	{ V4L2_CID_FOCUS_AUTO, 0, { V4L2_CID_FOCUS_ABSOLUTE } },
	{ V4L2_CID_AUTOBRIGHTNESS, 0, { V4L2_CID_BRIGHTNESS } },
	{ V4L2_CID_HUE_AUTO, 0, { V4L2_CID_HUE } },
};

static void plan_one(struct v4l2_lock *l, uint32_t id, int64_t before, int64_t locked)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->entries[i].id == id)
			return;
	if (l->n == V4L2_LOCK_MAX)
		return;
	l->entries[l->n].id = id;
	l->entries[l->n].before = before;
	l->entries[l->n++].locked = locked;
}

void v4l2_lock_plan(const struct v4l2_controls *cs, struct v4l2_lock *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < ARRAY_LEN(automatics); i++) {
		int at = find_id(cs, automatics[i].automatic);
		const struct camera_control *c = at < 0 ? NULL : &cs->list[at];

		if (!c || c->value == automatics[i].off ||
		    v4l2_control_check(c, automatics[i].off, NULL) < 0)
			continue;
		plan_one(ret, cs->ids[at], c->value, automatics[i].off);
		for (size_t k = 0; k < ARRAY_LEN(automatics[i].decided); k++) {
			int d = find_id(cs, automatics[i].decided[k]);

			if (automatics[i].decided[k] && d >= 0 && !cs->list[d].is_read_only)
				plan_one(ret, cs->ids[d], cs->list[d].value, cs->list[d].value);
		}
	}
}

unsigned v4l2_lock_apply(const struct v4l2_sys *sys, int fd, const struct v4l2_lock *lock)
{
	unsigned n_refused = 0;

	for (unsigned i = 0; i < lock->n; i++)
		n_refused += set(sys, fd, lock->entries[i].id, lock->entries[i].locked) < 0;
	return n_refused;
}

unsigned v4l2_lock_restore(const struct v4l2_sys *sys, int fd, const struct v4l2_lock *lock)
{
	unsigned n_refused = 0;

	/* What stayed as it was is the automatic's again. */
	for (unsigned i = lock->n; i-- > 0;)
		if (lock->entries[i].before != lock->entries[i].locked)
			n_refused += set(sys, fd, lock->entries[i].id, lock->entries[i].before) < 0;
	return n_refused;
}

#define LOCK_HEAD "bedside camera lock 1"

void v4l2_lock_write(const struct v4l2_lock *lock, struct buf *out)
{
	buf_add_str(out, LOCK_HEAD "\n");
	for (unsigned i = 0; i < lock->n; i++)
		buf_printf(out, "0x%08x %lld %lld\n", lock->entries[i].id,
		           (long long)lock->entries[i].before, (long long)lock->entries[i].locked);
	buf_add_str(out, "end\n");
}

/* "0x009a0901 3 1" */
static bool read_entry(char *line, struct v4l2_lock *l)
{
	char *before = strchr(line, ' ');
	char *locked = before ? strchr(before + 1, ' ') : NULL;
	uint64_t id;
	int64_t b, k;

	if (!locked || l->n == V4L2_LOCK_MAX || !text_starts(line, "0x"))
		return false;
	*before++ = '\0';
	*locked++ = '\0';
	if (!text_to_u64(line + 2, 16, &id) || id > UINT32_MAX || !text_to_i64(before, &b) ||
	    !text_to_i64(locked, &k) || b < INT32_MIN || b > INT32_MAX || k < INT32_MIN ||
	    k > INT32_MAX)
		return false;
	l->entries[l->n].id = (uint32_t)id;
	l->entries[l->n].before = b;
	l->entries[l->n++].locked = k;
	return true;
}

bool v4l2_lock_read(const char *text, size_t size, struct v4l2_lock *ret)
{
	struct v4l2_lock l = { 0 };
	bool has_head = false;

	for (size_t at = 0; at < size;) {
		const char *end = memchr(text + at, '\n', size - at);
		char line[80];

		if (!end || !text_copy_n(line, sizeof(line), text + at, (size_t)(end - text) - at))
			return false;
		at = (size_t)(end - text) + 1;
		if (!has_head) {
			if (strcmp(line, LOCK_HEAD) != 0)
				return false;
			has_head = true;
		} else if (strcmp(line, "end") == 0) {
			*ret = l;
			return at == size;
		} else if (!read_entry(line, &l)) {
			return false;
		}
	}
	return false;
}
