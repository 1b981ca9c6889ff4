/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of sysfs: the kernel's Documentation/ABI/stable/sysfs-bus-usb, testing/sysfs-class-… */

#include "cameras/v4l2_find.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/videodev2.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ATTRIBUTE 4096
#define PATH_SIZE 512

/* ---- sysfs ---- */

/* The first line of DIR/NAME, "" if there is none. */
static void read_attribute(const char *dir, const char *name, char *dst, size_t size)
{
	char path[PATH_SIZE];
	auto_buf struct buf b = { 0 };

	dst[0] = '\0';
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    fs_read(path, MAX_ATTRIBUTE, &b, NULL) < 0)
		return;
	text_copy_n(dst, size, buf_peek(&b), strcspn(buf_peek(&b), "\n"));
	text_clean(dst);
}

static void cut_last(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = '\0';
}

static const char *last_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool has_file(const char *dir, const char *name)
{
	char path[PATH_SIZE];

	return snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* "1-1.2:1.0" below …/0000:00:14.0/usb1/… is "0000:00:14.0/1.2:1.0": numbers of buses are handed
 * out in the order of start, ports and controllers stay. A controller counts its ports twice, once
 * for each kind of plug. */
static void name_port(const char *device, const char *usb_device, char *dst, size_t size)
{
	char bus[PATH_SIZE], speed[16];
	const char *ports = strchr(last_of(device), '-');
	int64_t mbit = 0;

	TEXT_SET(bus, usb_device);
	while (strchr(last_of(bus), '-'))
		cut_last(bus);
	read_attribute(bus, "speed", speed, sizeof(speed));
	(void)text_to_i64(speed, &mbit);
	cut_last(bus); /* usb1 itself */
	if (ports)
		snprintf(dst, size, "port:%.80s%s/%.80s", last_of(bus), mbit >= 5000 ? "/usb3" : "",
		         ports + 1);
	else
		snprintf(dst, size, "port:%.160s", last_of(device));
}

static void look_at_bus(const char *device, struct v4l2_found *f)
{
	char usb[PATH_SIZE], vendor[8], product[8];

	TEXT_SET(usb, device);
	for (unsigned i = 0; i < 3 && usb[0] && !has_file(usb, "idVendor"); i++)
		cut_last(usb);
	if (!has_file(usb, "idVendor")) {
		snprintf(f->by_port, sizeof(f->by_port), "port:%.160s", last_of(device));
		return;
	}
	read_attribute(usb, "idVendor", vendor, sizeof(vendor));
	read_attribute(usb, "idProduct", product, sizeof(product));
	read_attribute(usb, "serial", f->serial, sizeof(f->serial));
	snprintf(f->usb_id, sizeof(f->usb_id), "%.4s:%.4s", vendor, product);
	name_port(device, usb, f->by_port, sizeof(f->by_port));
}

/* 1 it gives pictures, 0 it does not, negative: it cannot be asked. */
static int can_capture(const struct v4l2_sys *sys, const char *node)
{
	struct v4l2_capability cap = { 0 };
	int fd = sys->open(sys->arg, node);
	int rc;

	if (fd < 0)
		return fd;
	rc = sys->ioctl(sys->arg, fd, VIDIOC_QUERYCAP, &cap);
	sys->close(sys->arg, fd);
	if (rc < 0)
		return rc;

	uint32_t caps =
		cap.capabilities & V4L2_CAP_DEVICE_CAPS ? cap.device_caps : cap.capabilities;

	return caps & V4L2_CAP_VIDEO_CAPTURE && caps & V4L2_CAP_STREAMING;
}

/* What sysfs knows, without touching the device. */
static bool look_at(const struct v4l2_sys *sys, const char *name, struct v4l2_found *f)
{
	char class_dir[PATH_SIZE], link[PATH_SIZE], index[16];
	auto_free char *device = NULL;
	int64_t number = 0;

	*f = (struct v4l2_found){ 0 };
	snprintf(f->node, sizeof(f->node), "%.40s/%.20s", sys->dev, name);
	if (snprintf(class_dir, sizeof(class_dir), "%s/class/video4linux/%s", sys->sys, name) >=
	            (int)sizeof(class_dir) ||
	    snprintf(link, sizeof(link), "%s/device", class_dir) >= (int)sizeof(link))
		return false;
	read_attribute(class_dir, "name", f->title, sizeof(f->title));
	read_attribute(class_dir, "index", index, sizeof(index));
	if (text_to_i64(index, &number) && number >= 0)
		f->index = (unsigned)number;
	device = realpath(link, NULL);
	if (device)
		look_at_bus(device, f);
	return true;
}

static bool gives_pictures(const struct v4l2_sys *sys, const struct v4l2_found *f)
{
	int rc = can_capture(sys, f->node);

	return rc > 0 || ((rc == -EACCES || rc == -EBUSY) && f->index == 0);
}

static int by_number(const void *a, const void *b)
{
	const char *x = ((const struct v4l2_found *)a)->node;
	const char *y = ((const struct v4l2_found *)b)->node;
	size_t m = strlen(x), n = strlen(y);

	return m != n ? (m < n ? -1 : 1) : strcmp(x, y);
}

static bool is_same_device(const struct v4l2_found *a, const struct v4l2_found *b)
{
	return strcmp(a->usb_id, b->usb_id) == 0 && strcmp(a->serial, b->serial) == 0;
}

/* By its number if there is only one of them, else by where it hangs. */
static void name_stable(struct v4l2_found *list, size_t n, struct v4l2_found *f)
{
	bool is_alone = true;

	for (size_t i = 0; i < n; i++)
		/* Further nodes of the same device do not count. */
		is_alone &= &list[i] == f || !is_same_device(&list[i], f) ||
		            strcmp(list[i].by_port, f->by_port) == 0;
	if (f->usb_id[0] == '\0' || !is_alone)
		TEXT_SET(f->stable, f->by_port[0] ? f->by_port : f->node);
	else
		snprintf(f->stable, sizeof(f->stable), "usb:%s%s%s", f->usb_id,
		         f->serial[0] ? ":" : "", f->serial);
}

static bool is_hex4(const char *s)
{
	for (unsigned i = 0; i < 4; i++)
		if (!isxdigit((unsigned char)s[i]))
			return false;
	return true;
}

static bool is_usb(const char *s)
{
	return text_starts(s, "usb:") && is_hex4(s + 4) && s[8] == ':' && is_hex4(s + 9) &&
	       (s[13] == '\0' || (s[13] == ':' && s[14] != '\0'));
}

bool v4l2_source_is_valid(const char *source)
{
	return source[0] == '/' || is_usb(source) ||
	       (text_starts(source, "port:") && source[5] != '\0');
}

static bool is_meant(const char *source, const struct v4l2_found *f)
{
	char id[10];

	if (!is_usb(source))
		return strcmp(source, f->by_port) == 0;
	text_copy_n(id, sizeof(id), source + 4, 9);
	return text_equal_nocase(id, f->usb_id) &&
	       (source[13] == '\0' || strcmp(source + 14, f->serial) == 0);
}

/* Those that `source` means, NULL: all; others are not even asked for what they can. */
static size_t find_meant(const struct v4l2_sys *sys, const char *source, struct v4l2_found *ret,
                         size_t max)
{
	char dir[PATH_SIZE];
	size_t n = 0;
	DIR *d;

	snprintf(dir, sizeof(dir), "%s/class/video4linux", sys->sys);
	d = opendir(dir);
	if (!d)
		return 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
	for (const struct dirent *e; n < max && (e = readdir(d));)
		if (text_starts(e->d_name, "video") && look_at(sys, e->d_name, &ret[n]) &&
		    (!source || is_meant(source, &ret[n])) && gives_pictures(sys, &ret[n]))
			n++;
	(void)closedir(d);
	qsort(ret, n, sizeof(*ret), by_number);
	return n;
}

size_t v4l2_find_all(const struct v4l2_sys *sys, struct v4l2_found *ret, size_t max)
{
	size_t n = find_meant(sys, NULL, ret, max);

	for (size_t i = 0; i < n; i++)
		name_stable(ret, n, &ret[i]);
	return n;
}

/* ---- sources ---- */

static int find_path(const char *source, char *ret, size_t size, struct err *err)
{
	auto_free char *real = realpath(source, NULL);

	if (!real)
		return err_set(err, errno == EACCES ? -EACCES : -ENOENT,
		               "there is no camera at %s: it is not plugged in, or has another "
		               "name now (`bedside camera list` shows which there are)",
		               source);
	text_copy(ret, size, real);
	return 0;
}

int v4l2_find(const struct v4l2_sys *sys, const char *source, char *ret_node, size_t size,
              struct err *err)
{
	size_t n;

	if (!v4l2_source_is_valid(source))
		return err_set(
			err, -EINVAL,
			"'%.100s' names no camera: write /dev/video0, or what `bedside camera "
			"list` shows, as in usb:046d:0825:A1B2C3",
			source);
	if (source[0] == '/')
		return find_path(source, ret_node, size, err);

	auto_free struct v4l2_found *all = mem_new_array(V4L2_FIND_MAX, sizeof(*all));

	n = find_meant(sys, source, all, V4L2_FIND_MAX);
	if (n == 0)
		return err_set(err, -ENOENT, "the camera %.150s is not plugged in", source);
	text_copy(ret_node, size, all[0].node);
	return 0;
}

/* ---- who has it ---- */

static unsigned count_open(const char *fd_dir, const char *node)
{
	DIR *d = opendir(fd_dir);
	unsigned n_found = 0;

	if (!d)
		return 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
	for (const struct dirent *e; (e = readdir(d));) {
		char to[PATH_SIZE];
		ssize_t n = readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1);

		if (n > 0) {
			to[n] = '\0';
			n_found += strcmp(to, node) == 0;
		}
	}
	(void)closedir(d);
	return n_found;
}

bool v4l2_find_holder(const struct v4l2_sys *sys, const char *node, char *dst, size_t size)
{
	DIR *d = opendir(sys->proc);
	bool is_found = false;
	int64_t pid;

	if (!d)
		return false;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
	for (const struct dirent *e; !is_found && (e = readdir(d));) {
		char dir[PATH_SIZE], fds[PATH_SIZE + 8], name[64];

		if (!text_to_i64(e->d_name, &pid))
			continue;
		snprintf(dir, sizeof(dir), "%s/%s", sys->proc, e->d_name);
		snprintf(fds, sizeof(fds), "%s/fd", dir);
		/* We have it open ourselves, to find out. */
		if (count_open(fds, node) <= (pid == getpid()))
			continue;
		read_attribute(dir, "comm", name, sizeof(name));
		if (pid == getpid())
			text_copy(dst, size, "another camera of this configuration");
		else
			snprintf(dst, size, "%s (process %d)", name[0] ? name : "a program",
			         (int)pid);
		is_found = true;
	}
	(void)closedir(d);
	return is_found;
}

static int explain_access(int rc, const char *node, struct err *err)
{
	char group[64] = "video", user[64] = "the user it runs as", space[2048];
	struct group g, *found_group = NULL;
	struct passwd p, *found_user = NULL;
	struct stat st;

	if (stat(node, &st) == 0 &&
	    getgrgid_r(st.st_gid, &g, space, sizeof(space), &found_group) == 0 && found_group)
		TEXT_SET(group, g.gr_name);
	if (getpwuid_r(geteuid(), &p, space, sizeof(space), &found_user) == 0 && found_user)
		TEXT_SET(user, p.pw_name);
	return err_set(
		err, rc,
		"no permission for %s, which belongs to the group %s: usermod -aG %s %s, then "
		"start Bedside again",
		node, group, group, user);
}

int v4l2_explain(const struct v4l2_sys *sys, int rc, const char *node, struct err *err)
{
	char who[96];

	if (rc == -EACCES || rc == -EPERM)
		return explain_access(rc, node, err);
	if (rc == -EBUSY && v4l2_find_holder(sys, node, who, sizeof(who)))
		return err_set(err, rc, "busy: %s holds %s; end it, or let it use another camera",
		               who, node);
	if (rc == -EBUSY)
		return err_set(err, rc,
		               "busy: another program holds %s (which one cannot be seen from "
		               "here: `fuser %s` as root tells)",
		               node, node);
	if (rc == -ENOENT || rc == -ENODEV || rc == -ENXIO)
		return err_set(err, -ENODEV, "the camera is not plugged in (%s)", node);
	errno = -rc;
	return err_sys(err, "opening %s", node);
}
