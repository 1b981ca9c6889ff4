/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "edge/gpio.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gpiod.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONSUMER "bedside"
#define MAX_CHIPS 32
#define READ_MAX 16
/* A stamp further from now than this is of another clock (kernels before 5.7): now is nearer. */
#define STRANGE_US 60000000

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t stamp_us(int64_t stamp_ns)
{
	int64_t now = now_us(), us = stamp_ns / 1000;

	return us > now || us < now - STRANGE_US ? now : us;
}

/* ---- what the two libraries call differently ---- */

struct chip {
	struct gpiod_chip *handle;
	char name[40], label[64];
	size_t n_lines;
};

struct wanted {
	const char *line; /* as configured, for words */
	unsigned offset;
	bool is_input, is_active_low, is_on;
	enum gpio_bias bias;
};

/* A line that is ours. */
struct held {
	struct chip chip;
	unsigned offset;
	bool is_biased;
	char text[120];
#ifdef BEDSIDE_GPIOD_2
	struct gpiod_line_request *request;
	struct gpiod_edge_event_buffer *events;
#else
	struct gpiod_line *line;
#endif
};

struct gpio_input {
	struct held h;
};

struct gpio_output {
	struct held h;
};

static void chip_close(struct chip *c)
{
	if (c->handle)
		gpiod_chip_close(c->handle);
	c->handle = NULL;
}

#ifdef BEDSIDE_GPIOD_2

static int chip_open(const char *path, struct chip *ret)
{
	struct gpiod_chip_info *info;
	struct chip c = { .handle = gpiod_chip_open(path) };

	if (!c.handle)
		return -errno;
	info = gpiod_chip_get_info(c.handle);
	if (!info) {
		int rc = -errno;

		chip_close(&c);
		return rc;
	}
	TEXT_SET(c.name, gpiod_chip_info_get_name(info));
	TEXT_SET(c.label, gpiod_chip_info_get_label(info));
	c.n_lines = gpiod_chip_info_get_num_lines(info);
	gpiod_chip_info_free(info);
	*ret = c;
	return 0;
}

static int line_named(const struct chip *c, const char *name)
{
	return gpiod_chip_get_line_offset_from_name(c->handle, name);
}

static void line_words(const struct chip *c, unsigned offset, char name[64], char consumer[64])
{
	struct gpiod_line_info *info = gpiod_chip_get_line_info(c->handle, offset);

	name[0] = consumer[0] = '\0';
	if (!info)
		return;
	text_copy(name, 64, gpiod_line_info_get_name(info));
	text_copy(consumer, 64, gpiod_line_info_get_consumer(info));
	gpiod_line_info_free(info);
}

static enum gpiod_line_bias bias_of(enum gpio_bias b)
{
	switch (b) {
	case GPIO_BIAS_UP:
		return GPIOD_LINE_BIAS_PULL_UP;
	case GPIO_BIAS_DOWN:
		return GPIOD_LINE_BIAS_PULL_DOWN;
	case GPIO_BIAS_OFF:
		return GPIOD_LINE_BIAS_DISABLED;
	case GPIO_BIAS_AS_IS:
		break;
	}
	return GPIOD_LINE_BIAS_AS_IS;
}

static int configure(struct gpiod_line_settings *s, const struct wanted *w)
{
	int rc = gpiod_line_settings_set_direction(s, w->is_input ? GPIOD_LINE_DIRECTION_INPUT
	                                                          : GPIOD_LINE_DIRECTION_OUTPUT);

	gpiod_line_settings_set_active_low(s, w->is_active_low);
	if (w->is_input) {
		rc |= gpiod_line_settings_set_edge_detection(s, GPIOD_LINE_EDGE_BOTH);
		rc |= gpiod_line_settings_set_bias(s, bias_of(w->bias));
		rc |= gpiod_line_settings_set_event_clock(s, GPIOD_LINE_CLOCK_MONOTONIC);
	} else {
		rc |= gpiod_line_settings_set_output_value(s, w->is_on ? GPIOD_LINE_VALUE_ACTIVE
		                                                       : GPIOD_LINE_VALUE_INACTIVE);
	}
	return rc;
}

static int line_request(struct held *h, const struct wanted *w)
{
	struct gpiod_line_settings *settings = gpiod_line_settings_new();
	struct gpiod_line_config *lines = gpiod_line_config_new();
	struct gpiod_request_config *request = gpiod_request_config_new();
	unsigned offset = w->offset;
	int rc = -ENOMEM;

	if (settings && lines && request && configure(settings, w) == 0 &&
	    gpiod_line_config_add_line_settings(lines, &offset, 1, settings) == 0) {
		gpiod_request_config_set_consumer(request, CONSUMER);
		/* A burst of bounces must not push out the next press. */
		gpiod_request_config_set_event_buffer_size(request, w->is_input ? 256 : 0);
		h->request = gpiod_chip_request_lines(h->chip.handle, request, lines);
		rc = h->request ? 0 : -errno;
	}
	if (request)
		gpiod_request_config_free(request);
	if (lines)
		gpiod_line_config_free(lines);
	if (settings)
		gpiod_line_settings_free(settings);
	if (rc == 0 && w->is_input)
		h->events = gpiod_edge_event_buffer_new(READ_MAX);
	return rc;
}

static void line_release(struct held *h)
{
	if (h->events)
		gpiod_edge_event_buffer_free(h->events);
	if (h->request)
		gpiod_line_request_release(h->request);
}

static int line_fd(const struct held *h)
{
	return gpiod_line_request_get_fd(h->request);
}

static int line_get(struct held *h)
{
	return gpiod_line_request_get_value(h->request, h->offset);
}

static int line_set(struct held *h, bool is_on)
{
	return gpiod_line_request_set_value(
		h->request, h->offset, is_on ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
}

static int line_read(struct held *h, struct gpio_edge *ret, size_t max)
{
	int n = gpiod_line_request_read_edge_events(h->request, h->events,
	                                            MIN(max, (size_t)READ_MAX));

	for (int i = 0; i < n; i++) {
		struct gpiod_edge_event *e =
			gpiod_edge_event_buffer_get_event(h->events, (unsigned long)i);

		ret[i].at_us = stamp_us((int64_t)gpiod_edge_event_get_timestamp_ns(e));
		ret[i].is_active =
			gpiod_edge_event_get_event_type(e) == GPIOD_EDGE_EVENT_RISING_EDGE;
	}
	return n;
}

#else /* libgpiod 1 */

static int chip_open(const char *path, struct chip *ret)
{
	struct chip c = { .handle = gpiod_chip_open(path) };

	if (!c.handle)
		return -errno;
	TEXT_SET(c.name, gpiod_chip_name(c.handle));
	TEXT_SET(c.label, gpiod_chip_label(c.handle));
	c.n_lines = gpiod_chip_num_lines(c.handle);
	*ret = c;
	return 0;
}

static int line_named(const struct chip *c, const char *name)
{
	struct gpiod_line *line = gpiod_chip_find_line(c->handle, name);

	return line ? (int)gpiod_line_offset(line) : -1;
}

static void line_words(const struct chip *c, unsigned offset, char name[64], char consumer[64])
{
	struct gpiod_line *line = gpiod_chip_get_line(c->handle, offset);

	text_copy(name, 64, line ? gpiod_line_name(line) : "");
	text_copy(consumer, 64, line ? gpiod_line_consumer(line) : "");
}

static int bias_of(enum gpio_bias b)
{
	switch (b) {
	case GPIO_BIAS_UP:
		return GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP;
	case GPIO_BIAS_DOWN:
		return GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN;
	case GPIO_BIAS_OFF:
		return GPIOD_LINE_REQUEST_FLAG_BIAS_DISABLE;
	case GPIO_BIAS_AS_IS:
		break;
	}
	return 0;
}

static int line_request(struct held *h, const struct wanted *w)
{
	const struct gpiod_line_request_config c = {
		.consumer = CONSUMER,
		.request_type = w->is_input ? GPIOD_LINE_REQUEST_EVENT_BOTH_EDGES
		                            : GPIOD_LINE_REQUEST_DIRECTION_OUTPUT,
		.flags = (w->is_active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0) |
		         (w->is_input ? bias_of(w->bias) : 0),
	};

	h->line = gpiod_chip_get_line(h->chip.handle, w->offset);
	if (!h->line || gpiod_line_request(h->line, &c, w->is_on) < 0) {
		h->line = NULL;
		return -errno;
	}
	return 0;
}

static void line_release(struct held *h)
{
	if (h->line)
		gpiod_line_release(h->line);
}

static int line_fd(const struct held *h)
{
	return gpiod_line_event_get_fd(h->line);
}

static int line_get(struct held *h)
{
	return gpiod_line_get_value(h->line);
}

static int line_set(struct held *h, bool is_on)
{
	return gpiod_line_set_value(h->line, is_on);
}

static int line_read(struct held *h, struct gpio_edge *ret, size_t max)
{
	struct gpiod_line_event events[READ_MAX];
	int n = gpiod_line_event_read_multiple(h->line, events,
	                                       (unsigned)MIN(max, (size_t)READ_MAX));

	for (int i = 0; i < n; i++) {
		ret[i].at_us =
			stamp_us((int64_t)events[i].ts.tv_sec * 1000000000 + events[i].ts.tv_nsec);
		ret[i].is_active = events[i].event_type == GPIOD_LINE_EVENT_RISING_EDGE;
	}
	return n;
}

#endif

/* ---- finding the chip ---- */

struct chips {
	size_t n;
	struct chip at[MAX_CHIPS];
	char dir[200];
	int failed; /* of one that is there and could not be opened */
	char failed_path[260];
};

static void chips_close(struct chips *cs)
{
	for (size_t i = 0; i < cs->n; i++)
		chip_close(&cs->at[i]);
}

static void chips_add(struct chips *cs, const char *file)
{
	char path[260];
	struct stat st;
	int rc;

	snprintf(path, sizeof(path), "%.190s/%.60s", cs->dir, file);
	/* A Raspberry Pi 5 has second names for its chips. */
	if (cs->n == MAX_CHIPS || (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)))
		return;
	rc = chip_open(path, &cs->at[cs->n]);
	if (rc == 0) {
		cs->n++;
	} else if (rc == -EACCES || rc == -EPERM) {
		cs->failed = rc;
		TEXT_SET(cs->failed_path, path);
	}
}

static int by_name(const void *a, const void *b)
{
	const char *x = ((const struct chip *)a)->name, *y = ((const struct chip *)b)->name;
	size_t n = strlen(x), m = strlen(y);

	return n != m ? (n < m ? -1 : 1) : strcmp(x, y);
}

static void chips_open(struct chips *cs, const char *dir)
{
	DIR *d = opendir(dir);

	memset(cs, 0, sizeof(*cs));
	TEXT_SET(cs->dir, dir);
	if (!d)
		return;
	/* Each DIR is one thread's: NOLINTNEXTLINE(concurrency-mt-unsafe) */
	for (struct dirent *e; (e = readdir(d));)
		if (text_starts(e->d_name, "gpiochip"))
			chips_add(cs, e->d_name);
	closedir(d);
	if (cs->n > 1)
		qsort(cs->at, cs->n, sizeof(cs->at[0]), by_name);
}

static int no_permission(const char *path, struct err *err)
{
	struct stat st;
	struct group g, *found = NULL;
	char bytes[1024];

	if (stat(path, &st) == 0)
		(void)getgrgid_r(st.st_gid, &g, bytes, sizeof(bytes), &found);
	if (found && st.st_gid != 0 && (st.st_mode & S_IWGRP))
		return err_set(err, -EACCES,
		               "no permission for %s: it belongs to the group '%s'. Add the user "
		               "that Bedside runs as to it (sudo usermod -aG %s USER) and start "
		               "Bedside anew",
		               path, g.gr_name, g.gr_name);
	return err_set(err, -EACCES,
	               "no permission for %s: it belongs to root alone. Give it to a group "
	               "'gpio' by a udev rule (SUBSYSTEM==\"gpio\", GROUP=\"gpio\", "
	               "MODE=\"0660\") and add the user that Bedside runs as to that group",
	               path);
}

/* " gpiochip0 (pinctrl-bcm2835, 54 lines), …" */
static void list_chips(const struct chips *cs, char *dst, size_t size)
{
	dst[0] = '\0';
	for (size_t i = 0; i < cs->n; i++) {
		size_t at = strlen(dst);

		snprintf(dst + at, size - at, "%s%s (%s, %zu lines)", i ? ", " : "", cs->at[i].name,
		         cs->at[i].label, cs->at[i].n_lines);
	}
}

static bool is_chip(const struct chip *c, const char *wanted)
{
	if (text_starts(wanted, "/dev/"))
		wanted += 5;
	return strcmp(c->name, wanted) == 0 || strcmp(c->label, wanted) == 0;
}

/* By a line's name: -1 if no chip has it. */
static int chip_with(const struct chips *cs, const char *wanted_chip, const char *name,
                     unsigned *ret_offset)
{
	for (size_t i = 0; i < cs->n; i++) {
		int offset;

		if (wanted_chip[0] && !is_chip(&cs->at[i], wanted_chip))
			continue;
		offset = line_named(&cs->at[i], name);
		if (offset >= 0) {
			*ret_offset = (unsigned)offset;
			return (int)i;
		}
	}
	return -1;
}

static int the_chip(const struct chips *cs, const char *wanted, unsigned number)
{
	for (size_t i = 0; i < cs->n; i++) {
		bool is_it = wanted[0] ? is_chip(&cs->at[i], wanted)
		                       : text_starts(cs->at[i].label, "pinctrl-") &&
		                                 cs->at[i].n_lines > number;

		if (is_it)
			return (int)i;
	}
	return !wanted[0] && cs->n == 1 ? 0 : -1;
}

static int by_number(const struct chips *cs, const struct gpio_line *l, unsigned number,
                     unsigned *ret_offset, struct err *err)
{
	char name[16], list[300];
	int at;

	snprintf(name, sizeof(name), "GPIO%u", number);
	at = l->chip[0] ? -1 : chip_with(cs, "", name, ret_offset);
	if (at >= 0)
		return at;
	at = the_chip(cs, l->chip, number);
	list_chips(cs, list, sizeof(list));
	if (at < 0 && l->chip[0])
		return err_set(err, -ENODEV, "there is no GPIO chip '%s', only %s", l->chip, list);
	if (at < 0)
		return err_set(err, -ENODEV,
		               "there are several GPIO chips, say which one has line %u "
		               "(chip: …): %s",
		               number, list);
	if (number >= cs->at[at].n_lines)
		return err_set(err, -ENOENT, "%s has no line %u, it has %zu, numbered from 0",
		               cs->at[at].name, number, cs->at[at].n_lines);
	*ret_offset = number;
	return at;
}

/* The place of the chip in `cs`. */
static int find(const struct chips *cs, const struct gpio_line *l, unsigned *ret_offset,
                struct err *err)
{
	uint64_t number;
	char list[300];
	int at;

	if (cs->n == 0 && cs->failed)
		return no_permission(cs->failed_path, err);
	if (cs->n == 0)
		return err_set(err, -ENODEV,
		               "this machine has no GPIO chip (%s/gpiochip*): on a Raspberry Pi "
		               "check the kernel; elsewhere write 'simulated: yes' to try it "
		               "without one",
		               cs->dir);
	if (text_to_u64(l->line, 10, &number) && number < 100000)
		return by_number(cs, l, (unsigned)number, ret_offset, err);
	at = chip_with(cs, l->chip, l->line, ret_offset);
	if (at >= 0)
		return at;
	list_chips(cs, list, sizeof(list));
	return err_set(err, -ENOENT,
	               "no GPIO line is called '%s' (gpioinfo lists the names); the chips are %s",
	               l->line, list);
}

/* ---- taking a line ---- */

static int refused(struct held *h, const struct wanted *w, int rc, struct err *err)
{
	char name[64], consumer[64];

	if (rc == -EBUSY) {
		line_words(&h->chip, w->offset, name, consumer);
		return err_set(err, rc,
		               "line %s of %s is taken by '%s': end that program, or the overlay "
		               "that claims it, or wire another line",
		               w->line, h->chip.name, consumer[0] ? consumer : "the kernel");
	}
	return err_set(err, rc, "line %s of %s is refused: %s", w->line, h->chip.name,
	               strerrordesc_np(-rc) ? strerrordesc_np(-rc) : "error");
}

static int hold(const struct gpio_line *l, struct wanted *w, struct held *h, struct err *err)
{
	struct chips *cs = MEM_NEW(struct chips);
	char name[64], consumer[64];
	int at, rc;

	chips_open(cs, l->dev_dir ? l->dev_dir : "/dev");
	at = find(cs, l, &w->offset, err);
	if (at >= 0) {
		h->chip = cs->at[at];
		cs->at[at].handle = NULL;
	}
	chips_close(cs);
	free(cs);
	if (at < 0)
		return at;
	w->line = l->line;
	h->offset = w->offset;
	h->is_biased = true;
	rc = line_request(h, w);
	if ((rc == -ENOTSUP || rc == -EINVAL) && w->is_input && w->bias != GPIO_BIAS_AS_IS) {
		/* A chip without resistors of its own: there must be one on the wire. */
		w->bias = GPIO_BIAS_AS_IS;
		h->is_biased = false;
		rc = line_request(h, w);
	}
	if (rc < 0) {
		rc = refused(h, w, rc, err);
		chip_close(&h->chip);
		return rc;
	}
	line_words(&h->chip, h->offset, name, consumer);
	snprintf(h->text, sizeof(h->text), "%s line %u%s%s%s", h->chip.name, h->offset,
	         name[0] ? " (" : "", name, name[0] ? ")" : "");
	return 0;
}

static void let_go(struct held *h)
{
	line_release(h);
	chip_close(&h->chip);
}

int gpio_input_open(const struct gpio_line *line, struct gpio_input **ret, struct err *err)
{
	struct wanted w = { .is_input = true,
		            .is_active_low = line->is_active_low,
		            .bias = line->bias };
	struct gpio_input *in = MEM_NEW(struct gpio_input);
	int rc = hold(line, &w, &in->h, err);

	if (rc == 0) {
		int fd = line_fd(&in->h), flags = fcntl(fd, F_GETFL);

		if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
			rc = err_sys(err, "%s", in->h.text);
			let_go(&in->h);
		}
	}
	if (rc < 0) {
		free(in);
		return rc;
	}
	*ret = in;
	return 0;
}

void gpio_input_close(struct gpio_input *in)
{
	if (!in)
		return;
	let_go(&in->h);
	free(in);
}

int gpio_input_fd(const struct gpio_input *in)
{
	return line_fd(&in->h);
}

int gpio_input_read(struct gpio_input *in, struct gpio_edge *ret, size_t max)
{
	struct pollfd p = { .fd = line_fd(&in->h), .events = POLLIN };
	int n;

	if (max == 0 || poll(&p, 1, 0) < 1)
		return 0;
	n = line_read(&in->h, ret, max);
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int gpio_input_is_active(struct gpio_input *in)
{
	int v = line_get(&in->h);

	return v < 0 ? -errno : v;
}

bool gpio_input_is_biased(const struct gpio_input *in)
{
	return in->h.is_biased;
}

const char *gpio_input_text(const struct gpio_input *in)
{
	return in->h.text;
}

int gpio_output_open(const struct gpio_line *line, bool is_on, struct gpio_output **ret,
                     struct err *err)
{
	struct wanted w = { .is_active_low = line->is_active_low, .is_on = is_on };
	struct gpio_output *out = MEM_NEW(struct gpio_output);
	int rc = hold(line, &w, &out->h, err);

	if (rc < 0) {
		free(out);
		return rc;
	}
	*ret = out;
	return 0;
}

void gpio_output_close(struct gpio_output *out)
{
	if (!out)
		return;
	(void)line_set(&out->h, false);
	let_go(&out->h);
	free(out);
}

int gpio_output_set(struct gpio_output *out, bool is_on)
{
	return line_set(&out->h, is_on) < 0 ? -errno : 0;
}

const char *gpio_output_text(const struct gpio_output *out)
{
	return out->h.text;
}
