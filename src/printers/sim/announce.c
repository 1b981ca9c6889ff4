/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/announce.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#define SSDP_PORT 2021
#define NOTIFY_MS 5000
#define MAX_PROBE 1024
#define MAX_PROBES 8

struct sim_announce {
	struct sim_identity id;
	uv_udp_t uv;
	struct timer timer;
	struct loop *loop;
};

void sim_notify_write(struct buf *out, const struct sim_identity *id, bool is_answer)
{
	if (is_answer)
		buf_add_str(out, "HTTP/1.1 200 OK\r\n");
	else
		buf_add_str(out, "NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1990\r\n");
	buf_printf(out,
	           "Server: UPnP/1.0\r\n"
	           "Location: %s\r\n"
	           "%s: urn:bambulab-com:device:3dprinter:1\r\n",
	           id->address, is_answer ? "ST" : "NT");
	if (!is_answer)
		buf_add_str(out, "NTS: ssdp:alive\r\n");
	buf_printf(out,
	           "USN: %s\r\n"
	           "Cache-Control: max-age=1800\r\n"
	           "DevModel.bambu.com: %s\r\n"
	           "DevName.bambu.com: %s\r\n"
	           "DevSignal.bambu.com: -44\r\n"
	           "DevConnect.bambu.com: lan\r\n"
	           "DevBind.bambu.com: free\r\n"
	           "Devseclink.bambu.com: secure\r\n"
	           "DevInf.bambu.com: wlan0\r\n"
	           "DevVersion.bambu.com: %s\r\n"
	           "DevCap.bambu.com: 1\r\n\r\n",
	           id->serial, id->model, id->name, id->firmware);
}

static void announce_send(struct sim_announce *a, const struct sockaddr *to, bool is_answer)
{
	auto_buf struct buf text = { 0 };

	sim_notify_write(&text, &a->id, is_answer);

	uv_buf_t b = uv_buf_init(text.data, (unsigned)text.size);

	/* Lost datagrams are part of the protocol. */
	(void)uv_udp_try_send(&a->uv, &b, 1, to);
}

static void announce_notify(void *arg)
{
	struct sim_announce *a = arg;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(SSDP_PORT) };

	/* Loopback has a broadcast address too; a unicast would reach one listener only. */
	to.sin_addr.s_addr = text_starts(a->id.address, "127.") ? inet_addr("127.255.255.255")
	                                                        : INADDR_BROADCAST;
	announce_send(a, (struct sockaddr *)&to, false);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
	(void)handle;
	(void)wanted;
	*ret = uv_buf_init(mem_new(2049), 2048);
}

static void on_datagram(uv_udp_t *uv, ssize_t n, const uv_buf_t *b, const struct sockaddr *from,
                        unsigned flags)
{
	struct sim_announce *a = uv->data;

	(void)flags;
	if (n > 0 && from && strncmp(b->base, "M-SEARCH", 8) == 0 &&
	    (strstr(b->base, "bambulab-com:device:3dprinter") || strstr(b->base, "ssdp:all")))
		announce_send(a, from, true);
	free(b->base);
}

static void announce_free(uv_handle_t *handle)
{
	free(handle->data);
}

/* Others on this machine (a second simulator, a slicer, ourselves) listen on the port as well. */
static int bind_shared(uv_udp_t *uv, struct err *err)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(SSDP_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		return err_sys(err, "a UDP socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return err_sys(err, "UDP port %d", SSDP_PORT);

	struct ip_mreq group = { .imr_multiaddr.s_addr = inet_addr("239.255.255.250") };

	(void)setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group));
	return uv_udp_open(uv, fd);
}

int sim_announce_start(struct loop *l, const struct sim_identity *id, struct sim_announce **ret,
                       struct err *err)
{
	struct sim_announce *a = MEM_NEW(struct sim_announce);

	a->id = *id;
	a->loop = l;
	a->uv.data = a;
	timer_init(&a->timer, l, announce_notify, a);
	uv_udp_init(loop_uv(l), &a->uv);

	int rc = bind_shared(&a->uv, err);

	if (rc < 0) {
		uv_close((uv_handle_t *)&a->uv, announce_free);
		return rc;
	}
	uv_udp_recv_start(&a->uv, on_alloc, on_datagram);
	timer_start_every(&a->timer, NOTIFY_MS);
	announce_notify(a);
	*ret = a;
	return 0;
}

void sim_announce_stop(struct sim_announce *a)
{
	if (!a)
		return;
	timer_stop(&a->timer);
	uv_close((uv_handle_t *)&a->uv, announce_free);
}

/* The probe: A5 A5, total length LE, JSON, A7 A7. */

static int detect_reply(const struct sim_identity *id, const json_t *login, struct buf *out)
{
	const char *command = json_string_value(json_object_get(login, "command"));
	const char *sequence = json_string_value(json_object_get(login, "sequence_id"));

	if (!text_equal(command, "detect"))
		return -EPROTO;

	json_t *j = json_pack("{s:{s:s s:s s:s s:s s:s s:s s:s s:s s:i}}", "login", "command",
	                      "detect", "sequence_id", sequence ? sequence : "0", "id", id->serial,
	                      "model", id->model, "name", id->name, "version", id->firmware, "bind",
	                      "free", "connect", "lan", "dev_cap", 1);
	char *text = json_dumps(j, JSON_COMPACT);
	size_t total = strlen(text) + 6;

	buf_add(out, "\xa5\xa5", 2);
	buf_add_char(out, (char)(total & 255));
	buf_add_char(out, (char)(total >> 8));
	buf_add_str(out, text);
	buf_add(out, "\xa7\xa7", 2);
	free(text);
	json_decref(j);
	return 1;
}

int sim_detect_answer(const struct sim_identity *id, const void *bytes, size_t size,
                      struct buf *out)
{
	const uint8_t *b = bytes;

	if (size < 4)
		return 0;

	size_t total = (size_t)b[2] | (size_t)b[3] << 8;

	if (b[0] != 0xa5 || b[1] != 0xa5 || total < 8 || total > MAX_PROBE)
		return -EPROTO;
	if (size < total)
		return 0;
	if (b[total - 2] != 0xa7 || b[total - 1] != 0xa7)
		return -EPROTO;

	json_t *j = json_loadb((const char *)b + 4, total - 6, 0, NULL);
	int rc = detect_reply(id, json_object_get(j, "login"), out);

	json_decref(j);
	return rc;
}

struct probe {
	struct sim_detect *detect; /* NULL: free */
	struct stream *stream;
	struct buf in;
	struct timer over; /* ends it outside of its own callbacks, or after 10 s of silence */
};

struct sim_detect {
	struct sim_identity id;
	struct loop *loop;
	struct probe probes[MAX_PROBES];
};

static void probe_over(void *arg)
{
	struct probe *p = arg;

	if (!p->detect)
		return;
	timer_stop(&p->over);
	stream_free(p->stream);
	buf_fini(&p->in);
	p->detect = NULL;
}

static void on_probe_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct probe *p = arg;
	auto_buf struct buf out = { 0 };

	buf_add(&p->in, bytes, size);

	int rc = sim_detect_answer(&p->detect->id, p->in.data, p->in.size, &out);

	if (rc == 1) {
		stream_write(p->stream, out.data, out.size);
		stream_end(p->stream);
	} else if (rc < 0 || p->in.overflown) {
		timer_start(&p->over, 0);
	}
}

static void on_probe_closed(void *arg, const struct err *err)
{
	struct probe *p = arg;

	(void)err;
	timer_start(&p->over, 0);
}

struct sim_detect *sim_detect_new(struct loop *l, const struct sim_identity *id)
{
	struct sim_detect *d = MEM_NEW(struct sim_detect);

	d->loop = l;
	d->id = *id;
	return d;
}

void sim_detect_free(struct sim_detect *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < MAX_PROBES; i++)
		probe_over(&d->probes[i]);
	free(d);
}

void sim_detect_accept(struct sim_detect *d, struct stream *s)
{
	size_t i = 0;

	while (i < MAX_PROBES && d->probes[i].detect)
		i++;
	if (i == MAX_PROBES) {
		stream_free(s);
		return;
	}

	struct probe *p = &d->probes[i];

	p->detect = d;
	p->stream = s;
	buf_init(&p->in, MAX_PROBE);
	timer_init(&p->over, d->loop, probe_over, p);
	timer_start(&p->over, 10000);
	stream_listen(s, &(struct stream_events){ .received = on_probe_received,
	                                          .closed = on_probe_closed,
	                                          .arg = p });
}
