/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/compat.h"

#include "base/secret.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/video.h"
#include "core/crypto.h"
#include "model/json.h"
#include "web/handlers.h"
#include "web/live.h"
#include "web/picture.h"
#include "web/proxy.h"
#include "web/route.h"
#include "web/still.h"
#include "web/tokens.h"
#include "web/web.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define OLD_US 1000000 /* what asks here makes films of its own: a newer picture is waited for */
#define TIMEOUT_MS 8000

/* Other programs' pages show the pictures and read their headers. */
#define SHARED                                           \
	"X-Content-Type-Options: nosniff\r\n"            \
	"Referrer-Policy: no-referrer\r\n"               \
	"Cross-Origin-Resource-Policy: cross-origin\r\n" \
	"Vary: Origin\r\n"
#define READABLE                                                      \
	"Access-Control-Allow-Origin: *\r\n"                          \
	"Access-Control-Expose-Headers: X-Timestamp, X-Captured-At, " \
	"X-Age-Ms, X-Time-Source, Content-Length\r\n"

static const char shown_headers[] = SHARED;
static const char readable_headers[] = SHARED READABLE;
static const char preflight_headers[] =
	SHARED READABLE "Access-Control-Allow-Methods: GET, HEAD\r\n"
			"Access-Control-Allow-Headers: Authorization, Cache-Control, Pragma\r\n"
			"Access-Control-Max-Age: 600\r\n";

/* ---- the path ---- */

/* "/webcam2/x": "/x" and 1; NULL if it is none. */
static const char *strip_webcam(const char *path, size_t *ret_index)
{
	const char *p = path + strlen("/webcam");

	*ret_index = 0;
	if (!text_starts(path, "/webcam"))
		return NULL;
	if (*p >= '2' && *p <= '9')
		*ret_index = (size_t)(*p++ - '1');
	if (*p == '\0')
		return "/";
	return *p == '/' ? p : NULL;
}

/* "/cam/ID/x": "/x" and ID; NULL if it is none, or too long. */
static const char *strip_part(const char *path, const char *prefix, char *dst, size_t size)
{
	const char *p = path + strlen(prefix);
	size_t n;

	if (!text_starts(path, prefix))
		return NULL;
	n = strcspn(p, "/");
	if (n == 0 || n >= size)
		return NULL;
	text_copy_n(dst, size, p, n);
	return p[n] ? p + n : "/";
}

void compat_find_path(struct call *c)
{
	const char *rest = strip_part(c->path, "/c/", c->shown_token, sizeof(c->shown_token));
	char action[16];
	size_t index;

	if (rest) {
		c->path = rest;
		c->is_camera_path = true;
	}
	rest = strip_part(c->path, "/cam/", c->wanted_camera, sizeof(c->wanted_camera));
	if (rest) {
		c->path = rest;
		c->is_camera_path = true;
	} else if ((rest = strip_webcam(c->path, &index)) != NULL) {
		struct cameras *all = c->web->env.cameras;
		struct camera *cam = all && index > 0 ? cameras_at(all, index) : NULL;

		c->path = rest;
		c->is_camera_path = true;
		if (index > 0)
			TEXT_SET(c->wanted_camera, cam ? camera_config(cam)->id : "-");
	}
	if (strcmp(c->path, "/") == 0 &&
	    (c->is_camera_path || http_query_get(c->head->query, "action", action, sizeof(action))))
		c->path = "/webcam/";
}

/* ---- who ---- */

/* The password of "Basic <base64 of user:password>". */
static bool basic_password(const char *header, char *dst, size_t size)
{
	char plain[200];
	size_t n;
	const char *colon;
	bool is_good;

	if (!header || strncasecmp(header, "Basic ", 6) != 0 ||
	    !crypto_unbase64(plain, sizeof(plain) - 1, &n, header + 6))
		return false;
	plain[n] = '\0';
	colon = strchr(plain, ':');
	is_good = colon && text_copy(dst, size, colon + 1);
	secret_wipe(plain, sizeof(plain));
	return is_good;
}

static bool shows_token(const struct call *c, char *dst, size_t size)
{
	const char *header = http_header(c->head, "Authorization");

	if (c->shown_token[0])
		return text_copy(dst, size, c->shown_token);
	if (call_query(c, "token", dst, size))
		return true;
	if (header && strncasecmp(header, "Bearer ct", 9) == 0)
		return text_copy(dst, size, header + 7);
	return basic_password(header, dst, size);
}

/* A private address, or a name that only the house knows. */
static bool is_house_name(const char *host)
{
	static const char *const networks[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		                                "127.0.0.0/8", "169.254.0.0/16" };
	static const char *const ends[] = { ".local", ".lan", ".home", ".home.arpa", ".internal" };

	for (size_t i = 0; i < ARRAY_LEN(networks); i++) {
		if (proxy_address_in(host, networks[i]))
			return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		if (text_ends(host, ends[i]))
			return true;
	}
	return host[0] && !strchr(host, '.') && host[0] != '[';
}

/* A page from elsewhere can let its own name lead to us, and then reads what the listed machine
 * sees. Addresses and names of the house cannot be used so. */
static bool is_asked_by_house_name(const struct call *c)
{
	const char *asked = http_header(c->head, "Host");
	char host[256];

	if (!asked || asked[0] == '[')
		return true;
	return text_copy_n(host, sizeof(host), asked, strcspn(asked, ":")) &&
	       (is_house_name(host) || proxy_address_in(host, "0.0.0.0/0"));
}

/* Somebody else may speak through a proxy that is not ours to believe. */
static bool is_listed(const struct call *c)
{
	const struct web_env *env = &c->web->env;
	const char *peer = http_request_address(c->request);
	bool is_direct = strcmp(peer, c->address) == 0;

	if (is_direct && proxy_is_marked(c->head) &&
	    (c->head->minor > 0 || proxy_is_loopback(peer)))
		return false;
	for (size_t i = 0; i < env->n_camera_clients; i++) {
		if (proxy_address_in(c->address, env->camera_clients[i]))
			return is_asked_by_house_name(c);
	}
	return false;
}

/* Pages from elsewhere, opened on a listed machine, shall not read what it sees. */
static bool is_house_origin(const char *origin)
{
	const char *at = strstr(origin, "://");
	char host[256];

	return at && text_copy_n(host, sizeof(host), at + 3, strcspn(at + 3, ":/")) &&
	       is_house_name(host);
}

static struct camera *find_camera(const struct call *c, const char *wanted)
{
	struct cameras *all = c->web->env.cameras;
	struct camera *cam = all && *wanted ? cameras_find(all, wanted) : NULL;

	for (size_t i = 0; !cam && all && *wanted; i++) {
		struct camera *other = cameras_at(all, i);

		if (!other)
			break;
		if (text_equal_nocase(camera_config(other)->name, wanted))
			cam = other;
	}
	return cam;
}

/* Which camera is meant; "" if none is there at all. */
static void choose_camera(struct call *c)
{
	char wanted[MODEL_NAME_SIZE] = "";
	struct cameras *all = c->web->env.cameras;
	struct camera *first = all ? cameras_at(all, 0) : NULL, *cam;

	if (c->params[0][0])
		return; /* the route's own */
	TEXT_SET(wanted, c->wanted_camera);
	if (!wanted[0] && !call_query(c, "src", wanted, sizeof(wanted)))
		(void)call_query(c, "camera", wanted, sizeof(wanted));
	if (!wanted[0])
		TEXT_SET(wanted, c->who.camera[0] ? c->who.camera
		                 : first          ? camera_config(first)->id
		                                  : "");
	cam = find_camera(c, wanted);
	TEXT_SET(c->params[0], cam ? camera_config(cam)->id : wanted);
}

static bool refuse_token(struct call *c, int rc, int64_t wait_s)
{
	if (rc == -EAGAIN) {
		call_too_many(c, wait_s, "Too many wrong camera tokens came from this address.");
		return false;
	}
	web_audit(c, "camera token", "", "a wrong token was refused");
	call_refuse(c, 401, "This camera token is not known, has ended or was revoked.");
	return false;
}

static bool pass_token(struct call *c, const char *text)
{
	int64_t wait_s = 0;
	int rc = tokens_check(c->web->tokens, text, c->address, &c->who, &wait_s);

	if (rc < 0)
		return refuse_token(c, rc, wait_s);
	c->other_headers = readable_headers;
	choose_camera(c);
	if (strcmp(c->params[0], c->who.camera) == 0)
		return true;
	call_refuse(c, 403, "This token is for another camera.");
	return false;
}

static void ask_for_token(struct call *c)
{
	if (text_starts(c->path, "/api/v1/")) {
		call_refuse(c, 401, "Please sign in.");
		return;
	}
	c->asks_for_password = true; /* programs send name and password only when asked */
	call_refuse(c, 401, "This camera wants a camera token: as the password, or as ?token=.");
}

bool compat_pass(struct call *c)
{
	const char *origin = http_header(c->head, "Origin");
	char token[64];

	bool has_token = shows_token(c, token, sizeof(token));

	/* Somebody who is signed in and tries an address that was made for a program sees what
	 * the program will. */
	if (has_token && token_looks_right(token))
		return pass_token(c, token);
	if (c->who.role >= c->route->role) {
		choose_camera(c);
		return true;
	}
	if (has_token)
		return pass_token(c, token);
	if (!is_listed(c)) {
		ask_for_token(c);
		return false;
	}
	c->who.is_listed = true;
	c->other_headers = origin && is_house_origin(origin) ? readable_headers : shown_headers;
	choose_camera(c);
	return true;
}

void compat_preflight(struct call *c)
{
	struct http_reply reply = { .status = 204, .cache = "max-age=600" };

	c->other_headers = preflight_headers;
	call_bytes(c, &reply, NULL);
}

/* ---- pictures ---- */

void compat_snapshot(struct call *c)
{
	struct camera *cam = call_camera(c);
	char fresh[8] = "";
	int64_t timeout_ms;

	if (!cam)
		return;
	timeout_ms = call_query_int(c, "timeout", TIMEOUT_MS);
	(void)call_query(c, "fresh", fresh, sizeof(fresh));
	still_send(c, cam, strcmp(fresh, "1") == 0 || strcmp(fresh, "true") == 0 ? 0 : OLD_US,
	           timeout_ms < 100 || timeout_ms > 30000 ? TIMEOUT_MS : timeout_ms);
}

static bool is_set(const struct call *c, const char *name)
{
	char value[8];

	return call_query(c, name, value, sizeof(value)) &&
	       (strcmp(value, "1") == 0 || text_equal_nocase(value, "true"));
}

void compat_stream(struct call *c)
{
	struct camera *cam = call_camera(c);
	struct live_options o = { 0 };
	int64_t fps, width;

	if (!cam)
		return;
	fps = call_query_int(c, "fps", 0);
	width = call_query_int(c, "width", 0);
	o.fps = fps >= 1 && fps <= 60 ? fps : 0;
	o.width = width >= PICTURE_MIN_WIDTH && width <= PICTURE_MAX_WIDTH ? (unsigned)width : 0;
	o.extra_headers = is_set(c, "extra_headers");
	o.advance_headers = is_set(c, "advance_headers");
	o.dual_final_frames = is_set(c, "dual_final_frames");
	o.zero_data = is_set(c, "zero_data");
	(void)call_query(c, "key", o.key, sizeof(o.key));
	live_open(c, cam, &o);
}

/* "snapshot", "stream"; also with mjpg-streamer's number of an input behind: "stream_1". */
void compat_action(struct call *c)
{
	struct cameras *all = c->web->env.cameras;
	char action[32] = "", *number;

	(void)call_query(c, "action", action, sizeof(action));
	number = strchr(action, '_');
	if (number && !c->who.camera[0] && number[1] >= '0' && number[1] <= '9' && !number[2]) {
		struct camera *cam = all ? cameras_at(all, (size_t)(number[1] - '0')) : NULL;

		TEXT_SET(c->params[0], cam ? camera_config(cam)->id : "-");
	}
	if (number)
		*number = '\0';
	if (strcmp(action, "snapshot") == 0)
		compat_snapshot(c);
	else if (strcmp(action, "stream") == 0)
		compat_stream(c);
	else
		call_refuse(c, 404, "Ask for ?action=snapshot or ?action=stream.");
}

/* HLS has addresses in its list that go on from its own: those of the API. */
void compat_hls(struct call *c)
{
	struct http_reply reply = { .status = 302, .n_headers = 1 };
	char to[400], token[64] = "", part[80] = "";

	if (!call_camera(c))
		return;
	if (c->who.camera_token[0] && shows_token(c, token, sizeof(token)))
		snprintf(part, sizeof(part), "c/%s/", token);
	snprintf(to, sizeof(to), "%s%sapi/v1/cameras/%s/hls/index.m3u8", c->base_path, part,
	         c->params[0]);
	reply.headers[0] = (struct http_header){ "Location", to };
	call_bytes(c, &reply, NULL);
}

/* ---- what other servers say of themselves ---- */

static json_t *clients_of(const struct call *c, const struct camera *cam, size_t *ret_n)
{
	json_t *clients = json_object();
	struct live_viewer_info v;
	size_t n = 0;

	for (; n < 1000 && live_viewer_at(c->web->live, cam, n, &v); n++)
		json_object_set_new(
			clients, v.id,
			json_pack("{s:i, s:b, s:b, s:b, s:b, s:o}", "fps", (int)v.per_second,
		                  "extra_headers", (int)v.options->extra_headers, "advance_headers",
		                  (int)v.options->advance_headers, "dual_final_frames",
		                  (int)v.options->dual_final_frames, "zero_data",
		                  (int)v.options->zero_data, "key", json_text(v.options->key)));
	*ret_n = n;
	return clients;
}

/* ustreamer's */
void compat_state(struct call *c)
{
	struct camera *cam = call_camera(c);
	const struct camera_status *s;
	json_t *clients, *source, *stream;
	size_t n;

	if (!cam)
		return;
	s = camera_status(cam);
	clients = clients_of(c, cam, &n);
	source = json_pack("{s:{s:i, s:i}, s:b, s:i, s:i}", "resolution", "width", (int)s->width,
	                   "height", (int)s->height, "online", (int)(s->state == CAMERA_LIVE),
	                   "desired_fps", (int)(camera_config(cam)->fps + 0.5), "captured_fps",
	                   (int)(s->per_second + 0.5));
	stream = json_pack("{s:i, s:I, s:o}", "queued_fps", (int)(s->per_second + 0.5), "clients",
	                   (json_int_t)n, "clients_stat", clients);
	call_json(c, 200,
	          json_pack("{s:b, s:{s:s, s:{s:s, s:i}, s:o, s:o}}", "ok", 1, "result",
	                    "instance_id", camera_config(cam)->id, "encoder", "type", "NOOP",
	                    "quality", (int)camera_config(cam)->quality, "source", source, "stream",
	                    stream));
}

/* The asker's own address of something beside what it asked for. */
static json_t *uri_of(const struct call *c, const char *what)
{
	const char *host = http_header(c->head, "Host");
	size_t n = strlen(c->head->path), rest = strlen(c->path);

	return json_sprintf("%s://%s%.*s/%s", c->is_secure ? "https" : "http",
	                    host ? host : "localhost", (int)(n > rest ? n - rest : 0),
	                    c->head->path, what);
}

static json_t *endpoint(const struct call *c, const char *what, bool is_on)
{
	json_t *e = json_pack("{s:b}", "enabled", (int)is_on);

	if (is_on)
		json_object_set_new(e, "uri", uri_of(c, what));
	return e;
}

/* camera-streamer's */
void compat_status(struct call *c)
{
	struct camera *cam = call_camera(c);
	const struct camera_status *s;
	json_t *output, *endpoints;
	bool is_video;

	if (!cam)
		return;
	s = camera_status(cam);
	is_video = camera_gives_video(cam);
	output = json_pack("{s:s, s:i, s:i, s:s}", "name", camera_config(cam)->id, "width",
	                   (int)s->width, "height", (int)s->height, "format", "JPEG");
	endpoints = json_pack("{s:o, s:o, s:o, s:o, s:{s:b}, s:{s:b}}", "snapshot",
	                      endpoint(c, "snapshot", true), "stream", endpoint(c, "stream", true),
	                      "video", endpoint(c, "video.mp4", is_video), "hls",
	                      endpoint(c, "video.m3u8", is_video), "webrtc", "enabled", 0, "rtsp",
	                      "enabled", 0);
	call_json(c, 200,
	          json_pack("{s:o, s:s, s:{s:O, s:o}, s:[], s:[], s:o}", "name",
	                    json_text(camera_config(cam)->name), "version", BEDSIDE_VERSION,
	                    "outputs", "snapshot", output, "stream", output, "devices", "links",
	                    "endpoints", endpoints));
}

/* mjpg-streamer's list of settings and sizes */
void compat_input(struct call *c)
{
	struct camera *cam = call_camera(c);

	if (!cam)
		return;
	call_json(c, 200,
	          json_pack("{s:[], s:[{s:i, s:s, s:s, s:s, s:s, s:{s:o}, s:s}]}", "controls",
	                    "formats", "id", 0, "name", "Motion-JPEG", "compressed", "true",
	                    "emulated", "false", "current", "true", "resolutions", "0",
	                    json_sprintf("%ux%u", camera_status(cam)->width,
	                                 camera_status(cam)->height),
	                    "currentResolution", "0"));
}

static bool is_visible(const struct call *c, const struct camera *cam)
{
	return !c->who.camera[0] || strcmp(c->who.camera, camera_config(cam)->id) == 0;
}

/* mjpg-streamer's list of inputs and outputs */
void compat_program(struct call *c)
{
	json_t *inputs = json_array();
	struct camera *cam;

	for (size_t i = 0; c->web->env.cameras && (cam = cameras_at(c->web->env.cameras, i)); i++) {
		if (is_visible(c, cam))
			json_array_append_new(inputs,
			                      json_pack("{s:o, s:o, s:s, s:s}", "id",
			                                json_sprintf("%zu", i), "name",
			                                json_text(camera_config(cam)->id), "plugin",
			                                camera_config(cam)->driver, "args", ""));
	}
	call_json(c, 200,
	          json_pack("{s:o, s:[{s:s, s:s, s:s, s:s}]}", "inputs", inputs, "outputs", "id",
	                    "0", "name", "bedside", "plugin", "HTTP", "args", ""));
}

/* go2rtc's */
void compat_streams(struct call *c)
{
	json_t *streams = json_object();
	struct camera *cam;
	size_t n;

	for (size_t i = 0; c->web->env.cameras && (cam = cameras_at(c->web->env.cameras, i)); i++) {
		json_t *clients, *consumers;
		const char *id;
		json_t *v;

		if (!is_visible(c, cam))
			continue;
		consumers = json_array();
		clients = clients_of(c, cam, &n);
		json_object_foreach(clients, id, v) json_array_append_new(
			consumers, json_pack("{s:s, s:s}", "id", id, "format_name", "mjpeg"));
		json_decref(clients);
		json_object_set_new(streams, camera_config(cam)->id,
		                    json_pack("{s:[{s:s, s:s}], s:o}", "producers", "format_name",
		                              camera_config(cam)->driver, "state",
		                              camera_state_name(camera_status(cam)->state),
		                              "consumers", consumers));
	}
	call_json(c, 200, streams);
}
