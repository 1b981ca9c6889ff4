/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/v4l2_find.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Trees like the kernel's below a folder of the test. */
struct tree {
	char *root, *sys_dir, *dev, *proc;
	struct v4l2_sys sys;
	int open_rc; /* of every node; 0: opens */
};

/* The number in the node's name is the descriptor; odd ones are of metadata. */
static int fake_open(void *arg, const char *path)
{
	const struct tree *t = arg;

	return t->open_rc < 0 ? t->open_rc : path[strlen(path) - 1] - '0';
}

static void fake_close(void *arg UNUSED, int fd UNUSED)
{
}

static int fake_ioctl(void *arg UNUSED, int fd, unsigned long request, void *data)
{
	struct v4l2_capability *cap = data;

	CHECK_INT(request, VIDIOC_QUERYCAP);
	cap->capabilities = V4L2_CAP_DEVICE_CAPS | V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
	cap->device_caps =
		(fd % 2 ? V4L2_CAP_META_CAPTURE : V4L2_CAP_VIDEO_CAPTURE) | V4L2_CAP_STREAMING;
	return 0;
}

static void put(const struct tree *t, const char *dir, const char *name, const char *text)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/%s", t->sys_dir, dir);
	CHECK_INT(fs_make_dirs(path, NULL), 0);
	snprintf(path, sizeof(path), "%s/%s/%s", t->sys_dir, dir, name);
	CHECK_INT(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static void plug(const struct tree *t, const char *usb, const char *serial, unsigned number)
{
	char dir[200], device[300], node[64], link[500], to[400], text[16];

	snprintf(dir, sizeof(dir), "devices/pci0000:00/0000:00:14.0/usb1/%s", usb);
	put(t, dir, "idVendor", "046d\n");
	put(t, dir, "idProduct", "0825\n");
	if (serial)
		put(t, dir, "serial", serial);
	snprintf(device, sizeof(device), "%s/%s:1.0", dir,
	         strrchr(usb, '/') ? strrchr(usb, '/') + 1 : usb);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(node, sizeof(node), "class/video4linux/video%u", number + i);
		put(t, node, "name", "HD Webcam C270\n");
		snprintf(text, sizeof(text), "%u\n", i);
		put(t, node, "index", text);
		put(t, device, "interface", "x\n");
		snprintf(link, sizeof(link), "%s/%s/device", t->sys_dir, node);
		snprintf(to, sizeof(to), "../../../%s", device);
		CHECK_INT(symlink(to, link), 0);
	}
}

static void setup(struct tree *t)
{
	*t = (struct tree){ .root = mem_str(test_tmp_dir()) };
	t->sys_dir = mem_printf("%s/sys", t->root);
	t->dev = mem_printf("/dev");
	t->proc = mem_printf("%s/proc", t->root);
	t->sys = (struct v4l2_sys){ .open = fake_open,
		                    .close = fake_close,
		                    .ioctl = fake_ioctl,
		                    .arg = t,
		                    .sys = t->sys_dir,
		                    .dev = t->dev,
		                    .proc = t->proc };
}

static void teardown(struct tree *t)
{
	free(t->root);
	free(t->sys_dir);
	free(t->dev);
	free(t->proc);
}

TEST(v4l2_finds_cameras_by_what_lasts)
{
	struct tree t;
	struct v4l2_found *f = mem_new_array(V4L2_FIND_MAX, sizeof(*f));
	char node[64];
	struct err err = { 0 };

	setup(&t);
	CHECK_INT(v4l2_find_all(&t.sys, f, V4L2_FIND_MAX), 0);
	plug(&t, "1-1/1-1.2", "A1B2C3\n", 0);
	plug(&t, "1-3", NULL, 2);
	CHECK_INT(v4l2_find_all(&t.sys, f, V4L2_FIND_MAX), 2);
	CHECK_STR(f[0].node, "/dev/video0");
	CHECK_STR(f[0].title, "HD Webcam C270");
	CHECK_STR(f[0].stable, "usb:046d:0825:A1B2C3");
	CHECK_STR(f[0].by_port, "port:0000:00:14.0/1.2:1.0");
	CHECK_STR(f[1].node, "/dev/video2");
	CHECK_STR(f[1].stable, "usb:046d:0825");
	CHECK_INT(v4l2_find(&t.sys, "usb:046D:0825:A1B2C3", node, sizeof(node), &err), 0);
	CHECK_STR(node, "/dev/video0");
	CHECK_INT(v4l2_find(&t.sys, "port:0000:00:14.0/3:1.0", node, sizeof(node), &err), 0);
	CHECK_STR(node, "/dev/video2");
	CHECK_INT(v4l2_find(&t.sys, "usb:046d:0825:ZZZ", node, sizeof(node), &err), -ENOENT);
	CHECK_STR(err.text, "the camera usb:046d:0825:ZZZ is not plugged in");
	CHECK_INT(v4l2_find(&t.sys, "video0", node, sizeof(node), &err), -EINVAL);
	free(f);
	teardown(&t);
}

TEST(v4l2_tells_twins_apart_by_where_they_hang)
{
	struct tree t;
	struct v4l2_found *f = mem_new_array(V4L2_FIND_MAX, sizeof(*f));

	setup(&t);
	plug(&t, "1-1", "0000\n", 0);
	plug(&t, "1-2", "0000\n", 2);
	CHECK_INT(v4l2_find_all(&t.sys, f, V4L2_FIND_MAX), 2);
	CHECK_STR(f[0].stable, "port:0000:00:14.0/1:1.0");
	CHECK_STR(f[1].stable, "port:0000:00:14.0/2:1.0");
	free(f);
	teardown(&t);
}

TEST(v4l2_does_not_take_a_blue_port_for_a_black_one_of_the_same_number)
{
	struct tree t;
	struct v4l2_found *f = mem_new_array(V4L2_FIND_MAX, sizeof(*f));

	setup(&t);
	plug(&t, "1-1", "A1\n", 0);
	put(&t, "devices/pci0000:00/0000:00:14.0/usb1", "speed", "5000\n");
	CHECK_INT(v4l2_find_all(&t.sys, f, V4L2_FIND_MAX), 1);
	CHECK_STR(f[0].by_port, "port:0000:00:14.0/usb3/1:1.0");
	free(f);
	teardown(&t);
}

TEST(v4l2_lists_cameras_it_may_not_open)
{
	struct tree t;
	struct v4l2_found *f = mem_new_array(V4L2_FIND_MAX, sizeof(*f));

	setup(&t);
	t.open_rc = -EACCES;
	plug(&t, "1-1", "A1\n", 0);
	CHECK_INT(v4l2_find_all(&t.sys, f, V4L2_FIND_MAX), 1);
	CHECK_STR(f[0].node, "/dev/video0");
	free(f);
	teardown(&t);
}

TEST(v4l2_judges_sources_by_their_form)
{
	static const char *const good[] = { "/dev/video0", "/dev/v4l/by-id/usb-x-video-index0",
		                            "usb:046d:0825", "usb:046d:0825:A B", "port:1" };
	static const char *const bad[] = { "",          "video0",         "usb:",  "usb:46d:825",
		                           "usb:046d:", "usb:046d:0825:", "port:", "http://x/" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(v4l2_source_is_valid(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!v4l2_source_is_valid(bad[i]));
}

TEST(v4l2_knows_when_two_cameras_of_a_configuration_are_one)
{
	struct tree t;
	struct err err = { 0 };
	char dir[600], link[700];

	setup(&t);
	snprintf(dir, sizeof(dir), "%s/%d/fd", t.proc, (int)getpid());
	CHECK_INT(fs_make_dirs(dir, NULL), 0);
	snprintf(link, sizeof(link), "%s/3", dir);
	CHECK_INT(symlink("/dev/video5", link), 0);
	CHECK_INT(v4l2_explain(&t.sys, -EBUSY, "/dev/video5", &err), -EBUSY);
	CHECK(text_starts(err.text, "busy: another program holds"));
	snprintf(link, sizeof(link), "%s/4", dir);
	CHECK_INT(symlink("/dev/video5", link), 0);
	CHECK_INT(v4l2_explain(&t.sys, -EBUSY, "/dev/video5", &err), -EBUSY);
	CHECK(text_starts(err.text, "busy: another camera of this configuration holds"));
	teardown(&t);
}

TEST(v4l2_says_who_holds_a_camera_and_which_group_may)
{
	struct tree t;
	struct err err = { 0 };
	char dir[600], link[700];

	setup(&t);
	snprintf(dir, sizeof(dir), "%s/812/fd", t.proc);
	CHECK_INT(fs_make_dirs(dir, NULL), 0);
	snprintf(link, sizeof(link), "%s/3", dir);
	CHECK_INT(symlink("/dev/video0", link), 0);
	snprintf(link, sizeof(link), "%s/812/comm", t.proc);
	CHECK_INT(fs_write_atomic(link, "motion\n", 7, 0600, NULL), 0);
	CHECK_INT(v4l2_explain(&t.sys, -EBUSY, "/dev/video0", &err), -EBUSY);
	CHECK_STR(err.text, "busy: motion (process 812) holds /dev/video0; end it, or let it use "
	                    "another camera");
	CHECK_INT(v4l2_explain(&t.sys, -EBUSY, "/dev/video9", &err), -EBUSY);
	CHECK(text_starts(err.text, "busy: another program holds /dev/video9"));
	CHECK_INT(v4l2_explain(&t.sys, -EACCES, "/dev/null", &err), -EACCES);
	CHECK(text_starts(err.text, "no permission for /dev/null, which belongs to the group "));
	CHECK(strstr(err.text, "usermod -aG "));
	CHECK_INT(v4l2_explain(&t.sys, -ENXIO, "/dev/video0", &err), -ENODEV);
	teardown(&t);
}
