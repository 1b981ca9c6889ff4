/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * uvc_camera: a USB camera without hardware, for the lab's guest.
 *
 * Speaks USB/IP to the kernel's vhci-hcd over a pair of sockets, so that the kernel's own uvcvideo
 * drives it: a UVC 1.0 device (Universal Serial Bus Device Class Definition for Video Devices, June
 * 2005) with MJPEG over a bulk endpoint, and the controls exposure, focus, white balance, gain and
 * power line. While an automatic is on, what it decides drifts from picture to picture, as in life.
 *
 *	uvc_camera --port N --serial TEXT --fps N --state FILE PICTURE.jpg...
 *
 * Each picture is one size. FILE always holds the controls as the device has them, one "name value"
 * a line. Orders on standard input, one a line: "unplug", "plug", "garbage N", "short N", "error N"
 * (the next N pictures are so), "stall MS", "end". USB/IP: the kernel's Documentation/usb/
 * usbip_protocol.rst; integers are big-endian there and little-endian in USB.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_PICTURES 4
#define MAX_URBS 64
#define PAYLOAD 16384U
#define CONTROL_MAX 4096U
#define PICTURE_MAX (1U << 20)
#define SPEED_HIGH 3

/* USB/IP commands. */
enum {
	CMD_SUBMIT = 1,
	CMD_UNLINK = 2,
	RET_SUBMIT = 3,
	RET_UNLINK = 4,
};

/* USB chapter 9 and UVC 1.0 tables. */
enum {
	REQ_GET_STATUS = 0,
	REQ_GET_DESCRIPTOR = 6,
	REQ_GET_CONFIGURATION = 8,
	REQ_GET_INTERFACE = 10,
	SET_CUR = 0x01,
	GET_CUR = 0x81,
	GET_MIN = 0x82,
	GET_MAX = 0x83,
	GET_RES = 0x84,
	GET_LEN = 0x85,
	GET_INFO = 0x86,
	GET_DEF = 0x87,
	ENTITY_CAMERA = 1,
	ENTITY_OUTPUT = 2,
	ENTITY_PROCESSING = 3,
	AE_MANUAL = 1,
	AE_APERTURE_PRIORITY = 8,
};

struct control {
	const char *name;
	uint8_t entity, selector, size;
	int32_t min, max, res, fallback, value;
	const char *automatic; /* decides about this one while it is not `off` */
	int32_t off;
};

static const struct control factory[] = {
	{ "auto_exposure", ENTITY_CAMERA, 0x02, 1, 0, 0, AE_MANUAL | AE_APERTURE_PRIORITY,
	  AE_APERTURE_PRIORITY, AE_APERTURE_PRIORITY, NULL, 0 },
	{ "exposure", ENTITY_CAMERA, 0x04, 4, 3, 2047, 1, 250, 157, "auto_exposure", AE_MANUAL },
	{ "focus", ENTITY_CAMERA, 0x06, 2, 0, 250, 5, 0, 35, "focus_auto", 0 },
	{ "focus_auto", ENTITY_CAMERA, 0x08, 1, 0, 1, 1, 1, 1, NULL, 0 },
	{ "brightness", ENTITY_PROCESSING, 0x02, 2, -64, 64, 1, 0, 0, NULL, 0 },
	{ "gain", ENTITY_PROCESSING, 0x04, 2, 0, 100, 1, 0, 31, NULL, 0 },
	{ "power_line", ENTITY_PROCESSING, 0x05, 1, 0, 2, 1, 1, 1, NULL, 0 },
	{ "white_balance", ENTITY_PROCESSING, 0x0a, 2, 2800, 6500, 10, 4600, 4210,
	  "white_balance_auto", 0 },
	{ "white_balance_auto", ENTITY_PROCESSING, 0x0b, 1, 0, 1, 1, 1, 1, NULL, 0 },
};

#define N_CONTROLS (sizeof(factory) / sizeof(factory[0]))

struct picture {
	uint8_t *bytes;
	size_t size;
	unsigned width, height;
};

struct urb {
	uint32_t seq, length;
};

static struct {
	unsigned port, fps;
	const char *serial, *state_file;
	int socket; /* -1: unplugged */
	struct picture pictures[MAX_PICTURES];
	unsigned n_pictures;
	struct control controls[N_CONTROLS];
	unsigned n_set, n_frames;
	uint8_t probe[26], config[512];
	unsigned config_size, chosen; /* frame index, from 1 */
	struct urb urbs[MAX_URBS];
	unsigned n_urbs;
	size_t at; /* of the picture that is on its way */
	uint8_t frame_id;
	bool is_due;
	unsigned n_garbage, n_short, n_error;
	int64_t stall_until_us;
} cam = { .socket = -1, .fps = 10, .serial = "0001", .chosen = 1 };

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- state ---- */

static void write_state(void)
{
	char tmp[512];
	FILE *f;

	if (!cam.state_file)
		return;
	snprintf(tmp, sizeof(tmp), "%s.new", cam.state_file);
	f = fopen(tmp, "w");
	if (!f)
		die(tmp);
	for (size_t i = 0; i < N_CONTROLS; i++)
		fprintf(f, "%s %d\n", cam.controls[i].name, cam.controls[i].value);
	fprintf(f, "n_set %u\nn_frames %u\nis_plugged %d\n", cam.n_set, cam.n_frames,
	        cam.socket >= 0);
	fclose(f);
	if (rename(tmp, cam.state_file) < 0)
		die(cam.state_file);
}

static struct control *find_control(const char *name)
{
	for (size_t i = 0; i < N_CONTROLS; i++)
		if (strcmp(cam.controls[i].name, name) == 0)
			return &cam.controls[i];
	return NULL;
}

static bool is_automatic(const struct control *c)
{
	const struct control *a = c->automatic ? find_control(c->automatic) : NULL;

	return a && a->value != c->off;
}

static void drift(void)
{
	for (size_t i = 0; i < N_CONTROLS; i++) {
		struct control *c = &cam.controls[i];

		if (is_automatic(c))
			c->value = factory[i].value + (int32_t)(cam.n_frames % 20) * c->res;
	}
}

/* ---- descriptors ---- */

struct writer {
	uint8_t *at;
	size_t n;
};

static void put(struct writer *w, uint32_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		w->at[w->n++] = (uint8_t)(value >> (8 * i));
}

static void put_bytes(struct writer *w, const char *hex_pairs)
{
	unsigned v;

	for (const char *p = hex_pairs; *p; p += p[2] ? 3 : 2) {
		char two[3] = { p[0], p[1], 0 };

		v = (unsigned)strtoul(two, NULL, 16);
		put(w, v, 1);
	}
}

static uint32_t interval(void)
{
	return 10000000 / cam.fps;
}

static void put_control_interface(struct writer *w)
{
	put_bytes(w, "08 0b 00 02 0e 03 00 00"); /* association: two interfaces, video */
	put_bytes(w, "09 04 00 00 00 0e 01 00 00");
	put_bytes(w, "0d 24 01 00 01"); /* header, UVC 1.0 */
	put(w, 13 + 18 + 11 + 9, 2);
	put(w, 48000000, 4);
	put_bytes(w, "01 01");
	put_bytes(w, "12 24 02 01 01 02 00 00 00 00 00 00 00 00 03");
	put(w, 1U << 1 | 1U << 3 | 1U << 5 | 1U << 17,
	    3); /* AE mode, exposure, focus, auto focus */
	put_bytes(w, "0b 24 05 03 01 00 00 02");
	/* brightness, white balance temperature, gain, power line, automatic white balance */
	put(w, 1U << 0 | 1U << 6 | 1U << 9 | 1U << 10 | 1U << 12, 2);
	put_bytes(w, "00");
	put_bytes(w, "09 24 03 02 01 01 00 03 00"); /* output: from the processing unit */
}

static void put_streaming_interface(struct writer *w)
{
	put_bytes(w, "09 04 01 00 01 0e 02 00 00");
	put_bytes(w, "0e 24 01 01");
	put(w, 14 + 11 + 30 * cam.n_pictures + 6, 2);
	put_bytes(w, "81 00 02 00 00 00 01 00");
	put_bytes(w, "0b 24 06 01"); /* format MJPEG */
	put(w, cam.n_pictures, 1);
	put_bytes(w, "01 01 00 00 00 00");
	for (unsigned i = 0; i < cam.n_pictures; i++) {
		const struct picture *p = &cam.pictures[i];

		put_bytes(w, "1e 24 07");
		put(w, i + 1, 1);
		put(w, 0, 1);
		put(w, p->width, 2);
		put(w, p->height, 2);
		put(w, 10000000, 4);
		put(w, 200000000, 4);
		put(w, PICTURE_MAX, 4);
		put(w, interval(), 4);
		put(w, 1, 1);
		put(w, interval(), 4);
	}
	put_bytes(w, "06 24 0d 01 01 04"); /* colours: BT.709, as sRGB */
	put_bytes(w, "07 05 81 02 00 02 00");
}

static void make_descriptors(void)
{
	struct writer w = { cam.config, 0 };
	struct writer p = { cam.probe, 0 };

	put_bytes(&w, "09 02 00 00 02 01 00 80 fa");
	put_control_interface(&w);
	put_streaming_interface(&w);
	cam.config_size = (unsigned)w.n;
	cam.config[2] = (uint8_t)w.n;
	cam.config[3] = (uint8_t)(w.n >> 8);

	put_bytes(&p, "01 00 01 01");
	put(&p, interval(), 4);
	put_bytes(&p, "00 00 00 00 00 00 00 00 00 00");
	put(&p, PICTURE_MAX, 4);
	put(&p, PAYLOAD, 4);
}

static unsigned put_string(uint8_t *dst, const char *text)
{
	struct writer w = { dst, 0 };

	put(&w, (uint32_t)(2 + 2 * strlen(text)), 1);
	put(&w, 3, 1);
	for (const char *c = text; *c; c++)
		put(&w, (uint8_t)*c, 2);
	return (unsigned)w.n;
}

/* ---- the wire ---- */

static bool send_all(const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	while (size > 0) {
		ssize_t n = write(cam.socket, p, size);

		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool receive_all(void *bytes, size_t size)
{
	uint8_t *p = bytes;

	while (size > 0) {
		ssize_t n = read(cam.socket, p, size);

		if (n <= 0)
			return false;
		p += n;
		size -= (size_t)n;
	}
	return true;
}

static bool answer(uint32_t command, uint32_t seq, int status, const void *bytes, uint32_t size,
                   uint32_t actual)
{
	uint32_t head[12] = { htonl(command),          htonl(seq),   0, 0, 0,
		              htonl((uint32_t)status), htonl(actual) };

	return send_all(head, sizeof(head)) && (size == 0 || send_all(bytes, size));
}

/* ---- control requests ---- */

struct setup {
	uint8_t type, request;
	uint16_t value, index, length;
};

struct reply {
	uint8_t bytes[600];
	unsigned size;
	bool stalls; /* the device does not know the request */
};

static void get_descriptor(const struct setup *s, struct reply *r)
{
	struct writer w = { r->bytes, 0 };
	unsigned number = s->value & 255;

	switch (s->value >> 8) {
	case 1:
		put_bytes(&w, "12 01 00 02 ef 02 01 40 09 12 01 00 00 01 01 02 03 01");
		r->size = (unsigned)w.n;
		return;
	case 2:
		memcpy(r->bytes, cam.config, cam.config_size);
		r->size = cam.config_size;
		return;
	case 3:
		if (number == 0)
			put_bytes(&w, "04 03 09 04");
		r->size = number == 0   ? (unsigned)w.n
		          : number == 1 ? put_string(r->bytes, "Bedside lab")
		          : number == 2 ? put_string(r->bytes, "Lab camera")
		                        : put_string(r->bytes, cam.serial);
		return;
	case 6:
		put_bytes(&w, "0a 06 00 02 ef 02 01 40 01 00");
		r->size = (unsigned)w.n;
		return;
	default:
		r->stalls = true;
	}
}

static void standard_request(const struct setup *s, struct reply *r)
{
	if (s->type == 0x80 && s->request == REQ_GET_DESCRIPTOR)
		get_descriptor(s, r);
	else if (s->type & 0x80 && s->request == REQ_GET_STATUS)
		r->size = 2;
	else if (s->type == 0x80 && s->request == REQ_GET_CONFIGURATION)
		r->bytes[r->size++] = 1;
	else if (s->type == 0x81 && s->request == REQ_GET_INTERFACE)
		r->size = 1;
}

static void get_control(const struct control *c, uint8_t request, struct reply *r)
{
	struct writer w = { r->bytes, 0 };
	int32_t v = c->value;

	if (request == GET_INFO) {
		/* Can be got and set; changes by itself where an automatic has it. */
		put(&w, 3 | (c->automatic ? 8 : 0), 1);
	} else if (request == GET_LEN) {
		put(&w, c->size, 2);
	} else {
		v = request == GET_MIN   ? c->min
		    : request == GET_MAX ? c->max
		    : request == GET_RES ? c->res
		    : request == GET_DEF ? c->fallback
		                         : v;
		put(&w, (uint32_t)v, c->size);
	}
	r->size = (unsigned)w.n;
}

static void set_control(struct control *c, const uint8_t *out)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < c->size; i++)
		v |= (uint32_t)out[i] << (8 * i);
	c->value = c->size == 1   ? (int32_t)(uint8_t)v
	           : c->size == 2 ? (int32_t)(int16_t)v
	                          : (int32_t)v;
	cam.n_set++;
	write_state();
}

static void unit_request(const struct setup *s, const uint8_t *out, struct reply *r)
{
	for (size_t i = 0; i < N_CONTROLS; i++) {
		struct control *c = &cam.controls[i];

		if (c->entity != s->index >> 8 || c->selector != s->value >> 8)
			continue;
		if (s->request != SET_CUR)
			get_control(c, s->request, r);
		else if (is_automatic(c))
			r->stalls = true;
		else
			set_control(c, out);
		return;
	}
	r->stalls = true;
}

/* Probe and commit, UVC 1.0 section 4.3.1.1: which frame index (byte 3) is wanted. */
static void streaming_request(const struct setup *s, const uint8_t *out, struct reply *r)
{
	if (s->request == SET_CUR) {
		cam.chosen = out[3] >= 1 && out[3] <= cam.n_pictures ? out[3] : 1;
		cam.probe[3] = (uint8_t)cam.chosen;
		cam.at = 0;
		return;
	}
	if (s->request == GET_LEN) {
		r->bytes[0] = sizeof(cam.probe);
		r->size = 2;
	} else if (s->request == GET_INFO) {
		r->bytes[0] = 3;
		r->size = 1;
	} else {
		memcpy(r->bytes, cam.probe, sizeof(cam.probe));
		r->size = sizeof(cam.probe);
	}
}

static bool control_urb(uint32_t seq, const uint8_t *raw, const uint8_t *out)
{
	struct setup s = { raw[0], raw[1], (uint16_t)(raw[2] | raw[3] << 8),
		           (uint16_t)(raw[4] | raw[5] << 8), (uint16_t)(raw[6] | raw[7] << 8) };
	struct reply r = { .size = 0 };
	unsigned selector = s.value >> 8;

	if ((s.type & 0x60) == 0)
		standard_request(&s, &r);
	else if ((s.index & 255) == 1 && (selector == 1 || selector == 2))
		streaming_request(&s, out, &r);
	else if ((s.index & 255) == 0 && s.index >> 8)
		unit_request(&s, out, &r);
	else
		r.stalls = true;
	if (r.stalls)
		return answer(RET_SUBMIT, seq, -EPIPE, NULL, 0, 0);
	if (!(s.type & 0x80))
		return answer(RET_SUBMIT, seq, 0, NULL, 0, s.length);
	if (r.size > s.length)
		r.size = s.length;
	return answer(RET_SUBMIT, seq, 0, r.bytes, r.size, r.size);
}

static bool submit(uint32_t seq, const uint32_t *head)
{
	bool is_in = ntohl(head[3]) == 1;
	uint32_t endpoint = ntohl(head[4]), length = ntohl(head[6]);
	static uint8_t out[CONTROL_MAX];

	if (!is_in && length > 0 && (length > sizeof(out) || !receive_all(out, length)))
		return false;
	if (endpoint == 0)
		return control_urb(seq, (const uint8_t *)&head[10], out);
	if (!is_in || cam.n_urbs == MAX_URBS)
		return answer(RET_SUBMIT, seq, -EPIPE, NULL, 0, 0);
	cam.urbs[cam.n_urbs++] = (struct urb){ seq, length };
	return true;
}

static bool cancel(uint32_t seq, uint32_t victim)
{
	int status = 0;

	for (unsigned i = 0; i < cam.n_urbs; i++) {
		if (cam.urbs[i].seq != victim)
			continue;
		cam.n_urbs--;
		memmove(cam.urbs + i, cam.urbs + i + 1, (cam.n_urbs - i) * sizeof(cam.urbs[0]));
		status = -ECONNRESET;
		break;
	}
	/* Without anybody who asks, the stream is over; it begins with a new picture. */
	if (cam.n_urbs == 0)
		cam.at = 0;
	return answer(RET_UNLINK, seq, status, NULL, 0, 0);
}

static bool serve_one(void)
{
	uint32_t head[12];

	if (!receive_all(head, sizeof(head)))
		return false;
	switch (ntohl(head[0])) {
	case CMD_SUBMIT:
		return submit(ntohl(head[1]), head);
	case CMD_UNLINK:
		return cancel(ntohl(head[1]), ntohl(head[5]));
	default:
		return false;
	}
}

/* ---- pictures ---- */

static void picture_sent(bool is_bad)
{
	cam.at = 0;
	cam.frame_id ^= 1;
	cam.is_due = false;
	cam.n_frames++;
	if (is_bad && cam.n_error > 0)
		cam.n_error--;
	else if (is_bad && cam.n_garbage > 0)
		cam.n_garbage--;
	else if (is_bad && cam.n_short > 0)
		cam.n_short--;
	drift();
	write_state();
}

/* As much of the due picture as there is room for. Payload header: UVC 1.0 section 2.4.3.3. */
static bool pump(void)
{
	static uint8_t payload[PAYLOAD];
	const struct picture *p = &cam.pictures[cam.chosen - 1];

	while (cam.n_urbs > 0 && (cam.is_due || cam.at > 0)) {
		bool is_bad = cam.n_error > 0 || cam.n_garbage > 0 || cam.n_short > 0;
		size_t size = cam.n_error == 0 && cam.n_garbage == 0 && cam.n_short > 0
		                      ? p->size / 2
		                      : p->size;
		size_t room = (cam.urbs[0].length < PAYLOAD ? cam.urbs[0].length : PAYLOAD) - 2;
		size_t n = size - cam.at < room ? size - cam.at : room;
		bool is_last = cam.at + n == size;

		payload[0] = 2;
		payload[1] = (uint8_t)(0x80 | cam.frame_id | (is_last ? 2 : 0) |
		                       (cam.n_error > 0 ? 0x40 : 0));
		memcpy(payload + 2, p->bytes + cam.at, n);
		if (cam.n_error == 0 && cam.n_garbage > 0)
			memset(payload + 2, 'x', n);
		if (!answer(RET_SUBMIT, cam.urbs[0].seq, 0, payload, (uint32_t)n + 2,
		            (uint32_t)n + 2))
			return false;
		memmove(cam.urbs, cam.urbs + 1, --cam.n_urbs * sizeof(cam.urbs[0]));
		cam.at += n;
		if (is_last)
			picture_sent(is_bad);
	}
	return true;
}

/* ---- plugging ---- */

static void plug(void)
{
	int pair[2], attach;
	char line[64];
	int n;

	if (cam.socket >= 0)
		return;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		die("socketpair");
	n = snprintf(line, sizeof(line), "%u %d %u %d", cam.port, pair[1], 0x10002 + cam.port,
	             SPEED_HIGH);
	attach = open("/sys/devices/platform/vhci_hcd.0/attach", O_WRONLY | O_CLOEXEC);
	if (attach < 0 || write(attach, line, (size_t)n) != n)
		die("attaching to vhci_hcd");
	close(attach);
	close(pair[1]);
	cam.socket = pair[0];
	/* As after power-on. */
	memcpy(cam.controls, factory, sizeof(factory));
	cam.n_urbs = 0;
	cam.at = 0;
	write_state();
}

static void unplug(void)
{
	if (cam.socket < 0)
		return;
	close(cam.socket);
	cam.socket = -1;
	write_state();
}

/* ---- orders ---- */

static bool obey(const char *line)
{
	unsigned n = 0;
	const char *blank = strchr(line, ' ');

	if (blank)
		n = (unsigned)strtoul(blank + 1, NULL, 10);
	if (strcmp(line, "unplug") == 0)
		unplug();
	else if (strcmp(line, "plug") == 0)
		plug();
	else if (strncmp(line, "garbage ", 8) == 0)
		cam.n_garbage = n;
	else if (strncmp(line, "short ", 6) == 0)
		cam.n_short = n;
	else if (strncmp(line, "error ", 6) == 0)
		cam.n_error = n;
	else if (strncmp(line, "stall ", 6) == 0)
		cam.stall_until_us = now_us() + (int64_t)n * 1000;
	else if (strcmp(line, "end") == 0)
		return false;
	else
		fprintf(stderr, "uvc_camera: what is '%s'?\n", line);
	return true;
}

/* False at the end of the orders or by order. */
static bool hear_orders(void)
{
	static char text[256];
	static size_t n;
	ssize_t got = read(STDIN_FILENO, text + n, sizeof(text) - 1 - n);
	char *end;

	if (got <= 0)
		return got < 0 && errno == EINTR;
	n += (size_t)got;
	text[n] = '\0';
	while ((end = strchr(text, '\n'))) {
		*end = '\0';
		if (!obey(text))
			return false;
		n -= (size_t)(end + 1 - text);
		memmove(text, end + 1, n + 1);
	}
	return n + 1 < sizeof(text);
}

static void run(void)
{
	int64_t next_us = now_us();

	for (;;) {
		int64_t wait_us = next_us - now_us();
		struct pollfd p[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
			               { .fd = cam.socket, .events = POLLIN } };

		if (poll(p, cam.socket >= 0 ? 2 : 1, wait_us > 0 ? (int)(wait_us / 1000) + 1 : 0) <
		            0 &&
		    errno != EINTR)
			die("poll");
		if (now_us() >= next_us) {
			next_us += 1000000 / cam.fps;
			next_us = next_us < now_us() ? now_us() : next_us;
			cam.is_due = now_us() >= cam.stall_until_us;
		}
		if (cam.socket >= 0 && p[1].revents && !serve_one())
			unplug();
		if (cam.socket >= 0 && !pump())
			unplug();
		if (p[0].revents && !hear_orders())
			return;
	}
}

/* ---- start ---- */

/* The size stands in the frame header, ITU-T T.81 B.2.2. */
static bool read_size(struct picture *p)
{
	size_t at = 2;

	while (at + 9 < p->size && p->bytes[at] == 0xff) {
		uint8_t marker = p->bytes[at + 1];

		if (marker >= 0xc0 && marker <= 0xc2) {
			p->height = (unsigned)(p->bytes[at + 5] << 8 | p->bytes[at + 6]);
			p->width = (unsigned)(p->bytes[at + 7] << 8 | p->bytes[at + 8]);
			return true;
		}
		at += 2 + (size_t)(p->bytes[at + 2] << 8 | p->bytes[at + 3]);
	}
	return false;
}

static void load_picture(const char *path)
{
	struct picture *p = &cam.pictures[cam.n_pictures++];
	FILE *f = fopen(path, "rb");

	if (!f)
		die(path);
	p->bytes = malloc(PICTURE_MAX);
	if (!p->bytes)
		die("malloc");
	p->size = fread(p->bytes, 1, PICTURE_MAX, f);
	fclose(f);
	if (!read_size(p)) {
		fprintf(stderr, "uvc_camera: %s is no JPEG\n", path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--port") == 0 && i + 1 < argc)
			cam.port = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--fps") == 0 && i + 1 < argc)
			cam.fps = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--serial") == 0 && i + 1 < argc)
			cam.serial = argv[++i];
		else if (strcmp(argv[i], "--state") == 0 && i + 1 < argc)
			cam.state_file = argv[++i];
		else if (argv[i][0] != '-' && cam.n_pictures < MAX_PICTURES)
			load_picture(argv[i]);
		else
			cam.n_pictures = MAX_PICTURES + 1;
	}
	if (cam.n_pictures == 0 || cam.n_pictures > MAX_PICTURES || cam.fps == 0) {
		fputs("usage: uvc_camera --port N --serial TEXT --fps N --state FILE "
		      "PICTURE.jpg...\n",
		      stderr);
		return 2;
	}
	make_descriptors();
	plug();
	run();
	unplug();
	return 0;
}
