/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/discover.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOTIFY(address)                               \
	"NOTIFY * HTTP/1.1\r\n"                       \
	"HOST: 239.255.255.250:1990\r\n"              \
	"Location: " address "\r\n"                   \
	"NT: urn:bambulab-com:device:3dprinter:1\r\n" \
	"USN: 03900A400001111\r\n"                    \
	"devmodel.bambu.com: N2S\r\n"                 \
	"DevName.bambu.com: Left \xff one\r\n"        \
	"DevConnect.bambu.com: lan\r\n"               \
	"DevVersion.bambu.com: 01.04.00.00\r\n"       \
	"\r\n"

static int parse(const char *text, struct discover_found *f)
{
	return discover_parse(text, strlen(text), f);
}

TEST(announcements_are_read)
{
	struct discover_found f;

	CHECK_INT(parse(NOTIFY("192.168.1.50"), &f), 0);
	CHECK_STR(f.serial, "03900A400001111");
	CHECK_STR(f.model, "N2S");
	CHECK_STR(f.name, "Left ? one");
	CHECK_STR(f.address, "192.168.1.50");
	CHECK_STR(f.connect, "lan");
	CHECK_STR(f.bind, "");
	CHECK_STR(f.firmware, "01.04.00.00");
}

TEST(what_is_no_announcement_of_a_printer_is_refused)
{
	static const char *const bad[] = {
		"",
		"M-SEARCH * HTTP/1.1\r\nST: urn:bambulab-com:device:3dprinter:1\r\n\r\n",
		"NOTIFY * HTTP/1.1\r\nNT: upnp:rootdevice\r\nUSN: 03900A400001111\r\n"
		"Location: 192.168.1.50\r\n",
		NOTIFY("http://evil.example/"),
		"NOTIFY * HTTP/1.1\r\nNT: urn:bambulab-com:device:3dprinter:1\r\nUSN: ../../etc\r\n"
		"Location: 1.2.3.4\r\n",
		"NOTIFY * HTTP/1.1\r\nNT: urn:bambulab-com:device:3dprinter:1\r\n",
	};
	struct discover_found f;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(parse(bad[i], &f), -EBADMSG);
}

TEST(recorded_forms_of_announcements_are_read)
{
	static const char *const files[] = { "notify_a1mini", "notify_h2d", "notify_p2s_cloud",
		                             "response_x1c_old" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char name[80], text[1000];
		struct discover_found f;

		(void)snprintf(name, sizeof(name), "data/bambu/ssdp/%s.txt", files[i]);

		const char *path = test_shared(name);
		FILE *file = path ? fopen(path, "re") : NULL;

		if (!file)
			SKIP("no recorded announcements here");

		size_t n = fread(text, 1, sizeof(text), file);

		(void)fclose(file);
		CHECK_INT(discover_parse(text, n, &f), 0);
		CHECK(strlen(f.serial) == 15 && strlen(f.model) > 1);
	}
}

struct scene {
	struct loop *loop;
	struct discover_found found;
	unsigned n_found, n_done;
	struct err err;
	struct timer limit;
};

static void on_found(void *arg, const struct discover_found *f)
{
	struct scene *s = arg;

	s->n_found++;
	s->found = *f;
}

static void on_limit(void *arg)
{
	loop_stop(((struct scene *)arg)->loop);
}

static void send_datagram(uint16_t port, const char *text)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	CHECK(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)&to, sizeof(to)) > 0);
	(void)close(fd);
}

TEST(only_who_speaks_of_itself_is_believed)
{
	struct scene s = { 0 };
	struct discover_events e = { on_found, &s };
	struct discover *d;
	uint16_t ports[] = { (uint16_t)(30000 + getpid() % 20000), 0 };

	s.loop = loop_new();
	CHECK_INT(discover_start(s.loop, ports, &e, &d, NULL), 0);
	send_datagram(ports[0], NOTIFY("192.168.1.50"));
	send_datagram(ports[0], NOTIFY("127.0.0.1"));
	timer_init(&s.limit, s.loop, on_limit, &s);
	timer_start(&s.limit, 100);
	loop_run(s.loop);
	CHECK_INT(s.n_found, 1);
	CHECK_STR(s.found.address, "127.0.0.1");
	discover_search(d);
	discover_stop(d);
	loop_free(s.loop);
}

static const char reply[] =
	"\xa5\xa5\x50\x00{\"login\":{\"id\":\"03000A400001111\",\"model\":\"N1\","
	"\"name\":\"x\",\"connect\":\"lan\"}}     \xa7\xa7";

TEST(the_answer_to_detect_is_read_and_hostile_ones_refused)
{
	struct discover_found f;
	char bytes[sizeof(reply)];
	size_t size = sizeof(reply) - 1;
	struct buf b;

	memcpy(bytes, reply, sizeof(reply));
	bytes[2] = (char)size;
	CHECK_INT(detect_parse(bytes, size, &f), 0);
	CHECK_STR(f.serial, "03000A400001111");
	CHECK_STR(f.model, "N1");
	for (size_t n = 0; n < size; n++)
		CHECK_INT(detect_parse(bytes, n, &f), -EAGAIN);
	bytes[size - 1] = 0;
	CHECK_INT(detect_parse(bytes, size, &f), -EBADMSG);
	CHECK_INT(detect_parse("\xa5\xa5\xff\xff{}", 6, &f), -EBADMSG);
	CHECK_INT(detect_parse("HTTP/1.1", 8, &f), -EBADMSG);
	buf_init(&b, 0);
	detect_write_request(&b);
	CHECK_INT(b.size, 58);
	buf_fini(&b);
}

static void on_detected(void *arg, const struct discover_found *f, const struct err *err)
{
	struct scene *s = arg;

	s->n_done++;
	if (f)
		s->found = *f;
	else
		s->err = *err;
}

static void nothing(void *arg)
{
	(void)arg;
}

static void answer(void *arg, const uint8_t *bytes, size_t size)
{
	char out[sizeof(reply)];

	CHECK(size == 58 && bytes[0] == 0xa5);
	memcpy(out, reply, sizeof(reply));
	out[2] = (char)(sizeof(reply) - 1);
	stream_write(*(struct stream **)arg, out, sizeof(reply) - 1);
}

static void no_answer(void *arg, const uint8_t *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
}

static void closed(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

TEST(detect_asks_once_and_gives_up_after_five_seconds)
{
	for (int mute = 0; mute < 2; mute++) {
		struct scene s = { .loop = loop_new_simulated(0) };
		struct stream *ours, *theirs;

		stream_pair(s.loop, 1, &ours, &theirs);

		struct stream_events e = { nothing, mute ? no_answer : answer, NULL, closed,
			                   &theirs };

		stream_listen(theirs, &e);

		struct detect *d = detect_start(s.loop, ours, on_detected, &s);

		loop_advance(s.loop, 4000);
		CHECK_INT(s.n_done, mute ? 0 : 1);
		loop_advance(s.loop, 2000);
		CHECK_INT(s.n_done, 1);
		if (mute)
			CHECK_INT(s.err.code, -ETIMEDOUT);
		else
			CHECK_STR(s.found.serial, "03000A400001111");
		detect_free(d);
		stream_free(theirs);
		loop_advance(s.loop, 10);
		loop_free(s.loop);
	}
}
