/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every route that can be answered without a printer, held against the OpenAPI document; the
 * WebSocket and the live pictures over real sockets. */

#include "base/test.h"
#include "web/server.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "fleet/climates.h"
#include "media/frame.h"
#include "model/event.h"
#include "store/backup.h"
#include "store/backup_stream.h"
#include "store/journal.h"
#include "store/journal_line.h"
#include "store/repo.h"
#include "store/store.h"
#include "web/auth.h"
#include "web/fakes.h"
#include "web/push.h"
#include "web/route.h"
#include "wire/http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOW_MS 1795257605000 /* 2026-11-21 */
#define FILM_SIZE 200000u

struct rig {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	struct work_pool *pool;
	struct web *web;
	struct climates *climates;
	char dir[300];
	char film[ID_SIZE], session[ID_SIZE], job[ID_SIZE];
	json_t *document;
	/* over real sockets */
	void (*talk)(struct rig *r);
	pthread_t client;
	uint16_t port;
	struct timer camera;
	unsigned n_frames;
	size_t frame_size, packet_size;
	struct buf heard;
	char cookie[100], csrf[64], secret[140];
};

/* ---- things to find ---- */

static int save_records(struct db *db, void *arg, struct err *err)
{
	struct rig *r = arg;
	struct film film = { .state = FILM_VERIFIED, .made_wall_ms = NOW_MS, .fps = 25 };
	struct session session = { .state = SESSION_DONE, .started_wall_ms = NOW_MS };
	struct job job = { .started_wall_ms = NOW_MS, .layers = 2 };
	struct layer layer = { .number = 1, .layers = 2, .z_mm = 0.2, .at_wall_ms = NOW_MS };
	struct event_notice notice = { .wall_ms = NOW_MS, .level = NOTICE_WARNING };
	int rc;

	TEXT_SET(film.id, r->film);
	TEXT_SET(film.session, r->session);
	TEXT_SET(film.printer, "a1");
	TEXT_SET(film.job_name, "cube \"5\"");
	TEXT_SET(film.file, "films/cube.mp4");
	TEXT_SET(film.poster, "films/cube.jpg");
	film_plan_init(&film.plan);
	TEXT_SET(session.id, r->session);
	TEXT_SET(session.printer, "a1");
	film_plan_init(&session.film);
	TEXT_SET(job.id, r->job);
	TEXT_SET(job.printer, "a1");
	TEXT_SET(layer.job, r->job);
	TEXT_SET(layer.printer, "a1");
	(void)id_new(notice.id, NOW_MS);
	TEXT_SET(notice.text, "the disk is nearly full");
	rc = repo_job_save(db, &job, err);
	if (rc >= 0)
		rc = repo_layer_save(db, &layer, err);
	if (rc >= 0)
		rc = repo_session_save(db, &session, err);
	if (rc >= 0)
		rc = repo_film_save(db, &film, err);
	return rc < 0 ? rc : repo_notice_save(db, &notice, err);
}

static void write_files(struct rig *r)
{
	auto_free uint8_t *bytes = mem_new(FILM_SIZE);
	char path[400];

	for (size_t i = 0; i < FILM_SIZE; i++)
		bytes[i] = (uint8_t)(i % 251);
	snprintf(path, sizeof(path), "%s/films", r->dir);
	CHECK_INT(fs_make_dirs(path, NULL), 0);
	snprintf(path, sizeof(path), "%s/films/cube.mp4", r->dir);
	CHECK_INT(fs_write_atomic(path, bytes, FILM_SIZE, 0600, NULL), 0);
	snprintf(path, sizeof(path), "%s/films/cube.jpg", r->dir);
	CHECK_INT(fs_write_atomic(path, "jpeg", 4, 0600, NULL), 0);
}

static void start_with(struct rig *r, struct loop *l, struct web_env *env)
{
	struct err err = { 0 };

	memset(r, 0, sizeof(*r));
	crypto_init();
	TEXT_SET(r->dir, test_tmp_dir());
	(void)id_new(r->film, NOW_MS);
	(void)id_new(r->session, NOW_MS);
	(void)id_new(r->job, NOW_MS);
	r->loop = l;
	r->bus = bus_new(l);
	r->pool = work_pool_new(l, "test", 2);
	fakes_init(l);
	CHECK_INT(store_open(l, r->dir, &r->store, &err), 0);
	write_files(r);
	if (store_call(r->store, save_records, r, &err) < 0) {
		print_error("%s\n", err.text);
		CHECK(false);
	}
	env->loop = l;
	env->bus = r->bus;
	env->store = r->store;
	env->pool = r->pool;
	env->data_dir = r->dir;
	env->listen = "127.0.0.1";
	env->port = loop_is_simulated(l) ? 8484 : 0;
	env->floor_bytes = 500000000;
	env->printers = (struct printers *)(void *)r;
	env->cameras = (struct cameras *)(void *)r;
	env->sessions = (struct sessions *)(void *)r;
	env->films = (struct films *)(void *)r;
	r->climates = climates_new(
		&(struct climates_env){ l, r->bus, r->store, r->pool },
		&(struct climates_config){ .keep_ms = 1000000000, .stale_ms = 600000 });
	env->climates = r->climates;
	if (web_new(env, &r->web, &err) < 0) {
		print_error("%s\n", err.text);
		CHECK(false);
	}
	r->document = openapi_document("/");
	CHECK(r->document);
}

static void stop(struct rig *r)
{
	json_decref(r->document);
	web_free(r->web);
	climates_free(r->climates);
	if (loop_is_simulated(r->loop))
		loop_advance(r->loop, 1000);
	work_pool_free(r->pool);
	store_close(r->store);
	bus_free(r->bus);
	loop_free(r->loop);
	fakes_fini();
	buf_fini(&r->heard);
}

/* ---- JSON Schema, as much of it as the document uses ---- */

static bool fits(const json_t *doc, const json_t *schema, const json_t *v, const char *where);

static const json_t *resolve(const json_t *doc, const char *ref)
{
	const json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");

	CHECK(text_starts(ref, "#/components/schemas/"));

	const json_t *s = json_object_get(schemas, ref + strlen("#/components/schemas/"));

	CHECK(s);
	return s;
}

static bool is_type(const char *type, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return strcmp(type, "object") == 0;
	case JSON_ARRAY:
		return strcmp(type, "array") == 0;
	case JSON_STRING:
		return strcmp(type, "string") == 0;
	case JSON_INTEGER:
		return strcmp(type, "integer") == 0 || strcmp(type, "number") == 0;
	case JSON_REAL:
		return strcmp(type, "number") == 0;
	case JSON_TRUE:
	case JSON_FALSE:
		return strcmp(type, "boolean") == 0;
	case JSON_NULL:
		return strcmp(type, "null") == 0;
	}
	return false;
}

static bool fits_type(const json_t *type, const json_t *v)
{
	size_t i;
	json_t *one;

	if (!type)
		return true;
	if (json_is_string(type))
		return is_type(json_string_value(type), v);
	json_array_foreach((json_t *)(uintptr_t)type, i, one)
	{
		if (is_type(json_string_value(one), v))
			return true;
	}
	return false;
}

static bool fits_object(const json_t *doc, const json_t *schema, const json_t *v, const char *where)
{
	json_t *properties = json_object_get(schema, "properties"), *one;
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, one)
	{
		if (!json_object_get(v, json_string_value(one))) {
			print_error("%s: '%s' is missing\n", where, json_string_value(one));
			return false;
		}
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		const json_t *s = json_object_get(properties, key);

		if (s && !fits(doc, s, one, key))
			return false;
	}
	return true;
}

static bool fits(const json_t *doc, const json_t *schema, const json_t *v, const char *where)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	size_t i;
	json_t *one;

	if (ref)
		return fits(doc, resolve(doc, ref), v, where);
	if (!fits_type(json_object_get(schema, "type"), v)) {
		print_error("%s has the wrong type\n", where);
		return false;
	}
	if (json_is_object(v))
		return fits_object(doc, schema, v, where);
	json_array_foreach((json_t *)(uintptr_t)v, i, one)
	{
		const json_t *items = json_object_get(schema, "items");

		if (items && !fits(doc, items, one, where))
			return false;
	}
	return true;
}

/* The answer is one that the document promises for this route. */
static bool is_promised(const struct rig *r, const struct route *route, const struct http_answer *a)
{
	char method[8], status[8];

	TEXT_SET(method, http_method_name(route->method));
	for (char *p = method; *p; p++)
		*p = (char)(*p | 0x20);
	snprintf(status, sizeof(status), "%d", a->status);

	const json_t *op = json_object_get(
		json_object_get(json_object_get(r->document, "paths"), route->path), method);
	const json_t *answers = json_object_get(op, "responses");
	const json_t *answer = json_object_get(answers, status);

	CHECK(op);
	if (!answer)
		answer = json_object_get(answers, "default");

	const json_t *content = json_object_get(answer, "content");
	const json_t *schema =
		json_object_get(json_object_get(content, "application/json"), "schema");

	if (!content || a->is_channel)
		return a->size == 0;
	if (!schema)
		return a->size > 0;

	json_t *v = json_loadb(a->body ? a->body : "", a->size, 0, NULL);
	bool is_good = v && fits(r->document, schema, v, route->path);

	json_decref(v);
	return is_good;
}

static void fill_path(char *dst, size_t size, const struct rig *r, const struct route *route)
{
	size_t n = (size_t)snprintf(dst, size, "%s ", http_method_name(route->method));
	const char *id = strstr(route->path, "/films/")      ? r->film
	                 : strstr(route->path, "/sessions/") ? r->session
	                                                     : "a1";

	for (const char *p = route->path; *p && n + ID_SIZE < size;) {
		if (*p == '{') {
			n += (size_t)snprintf(dst + n, size - n, "%s", p[1] == 'n' ? "1" : id);
			p = strchr(p, '}') + 1;
		} else {
			dst[n++] = *p++;
		}
	}
	dst[n] = '\0';
}

static const char *good_body(const struct route *route)
{
	static const struct {
		const char *path, *body;
	} bodies[] = {
		{ "/api/v1/users", "{\"name\":\"new one\",\"password\":\"12345678\",\"role\":"
		                   "\"viewer\",\"expires_at\":\"2027-01-01T00:00:00Z\"}" },
		{ "/api/v1/keys", "{\"name\":\"wall\",\"scopes\":[\"read\",\"operate\"]}" },
		{ "/api/v1/printers", "{\"name\":\"n\",\"address\":\"h\",\"serial\":"
		                      "\"03900A400001111\",\"access_code\":\"1\"}" },
		{ "/api/v1/cameras", "{\"name\":\"Left\",\"driver\":\"http-still\",\"source\":"
		                     "\"http://10.0.0.9/\",\"printers\":[\"a1\",\"b2\"],"
		                     "\"password\":\"hidden\",\"fps\":null}" },
		{ "/api/v1/cameras/{id}", "{\"rotation\":90}" },
		{ "/api/v1/cameras/{id}/controls",
		  "{\"name\":\"power_line_frequency\",\"value\":1}" },
		{ "/api/v1/printers/{id}/commands", "{\"command\":\"fan\",\"percent\":50}" },
		{ "/api/v1/printers/{id}/session", "{\"order\":\"start\"}" },
		{ "/api/v1/printers/{id}/certificate",
		  "{\"sha256\":"
		  "\"abababababababababababababababababababababababababababababababab\"}" },
		{ "/api/v1/environment", "{\"location\":\"Shelf\",\"temperature_c\":21.5,"
		                         "\"humidity_pct\":40}" },
		{ "/api/esp32_temphum", "{\"location\":\"Shelf\",\"temperature_c\":22}" },
		{ "/api/v1/panel/clicks", "{\"clicks\":3}" },
		{ "/api/v1/panel/press", "{\"down\":true}" },
		{ "/api/v1/restore", "{\"size_bytes\":1024}" },
		{ "/api/v1/restore/apply", "{\"id\":\"x\"}" },
		{ "/api/v1/sessions/{id}/render", "{\"fps\":30,\"duration_s\":null}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		if (strcmp(bodies[i].path, route->path) == 0 && route->body)
			return bodies[i].body;
	}
	return "";
}

static int ask(struct rig *r, const char *line, const char *body, struct http_answer *a)
{
	auto_buf struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
	           "%s HTTP/1.1\r\nHost: localhost:8484\r\nCookie: %s\r\nX-Bedside-Csrf: %s\r\n"
	           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	           line, r->cookie, r->csrf, strlen(body), body);

	struct http_request *q = http_request_fake(buf_peek(&b), b.size, "127.0.0.1", a);

	CHECK(q);
	web_asked(r->web, q);
	for (int i = 0; i < 20 && !a->is_answered; i++)
		loop_advance(r->loop, 1);
	CHECK(a->is_answered);
	return a->status;
}

static void take_login(struct rig *r, const char *head, const char *body)
{
	const char *at = strstr(head, AUTH_COOKIE "=");
	json_t *j = json_loads(body, 0, NULL);

	CHECK(at && j);
	text_copy_n(r->cookie, sizeof(r->cookie), at, strcspn(at, ";"));
	text_copy(r->csrf, sizeof(r->csrf), json_string_value(json_object_get(j, "csrf")));
	json_decref(j);
}

static void find_nothing(void *arg UNUSED, const char *id, struct web_keeper k)
{
	k.done(k.arg, id, NULL, NULL);
}

static void pin_nothing(void *arg UNUSED, const char *id, const uint8_t sha256[32],
                        struct web_keeper k)
{
	CHECK_INT(sha256[0], 0xab);
	k.done(k.arg, id, NULL, NULL);
}

static void add_a1(void *arg UNUSED, const struct printer_config *config, struct web_keeper k)
{
	CHECK_STR(secret_peek(&config->access_code), "1");
	k.done(k.arg, "a1", NULL, NULL);
}

static void keep_camera(void *arg UNUSED, const char *id, const json_t *settings,
                        struct web_keeper k)
{
	if (json_integer_value(json_object_get(settings, "rotation")) == 45) {
		struct err err = { 0 };

		(void)err_set(&err, -EINVAL, "rotation: '45' must be 0, 90, 180 or 270");
		k.done(k.arg, "", &(struct field_says){ "rotation" }, &err);
		return;
	}
	if (!id) {
		CHECK_INT(json_array_size(json_object_get(settings, "printers")), 2);
		CHECK_STR(json_string_value(json_object_get(settings, "password")), "hidden");
	}
	k.done(k.arg, "a1", NULL, NULL);
}

static void find_device(void *arg, void (*done)(void *done_arg, json_t *d, const struct err *),
                        void *done_arg)
{
	(void)arg;
	done(done_arg,
	     json_pack("[{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:i, s:i, s:f}]}]", "source",
	               "usb:046d:0825", "title", "C270", "node", "/dev/video0", "by_port", "",
	               "serial", "", "camera", "", "text", "", "sizes", "format", "mjpeg", "width",
	               1280, "height", 720, "fps", 30.0),
	     NULL);
}

static void find_steps(void *arg, const char *id,
                       void (*done)(void *done_arg, json_t *steps, const struct err *),
                       void *done_arg)
{
	(void)arg;
	(void)id;
	done(done_arg,
	     json_pack("[{s:s, s:b, s:i, s:s, s:s}]", "name", "DNS", "is_ok", 1, "took_ms", 3,
	               "text", "fine", "advice", ""),
	     NULL);
}

static void find_printers(void *arg, void (*done)(void *done_arg, json_t *p, const struct err *),
                          void *done_arg)
{
	(void)arg;
	done(done_arg, json_array(), NULL);
}

static void set_hooks(struct web_env *env)
{
	env->hooks.add_printer = add_a1;
	env->hooks.remove_printer = find_nothing;
	env->hooks.pin_printer = pin_nothing;
	env->hooks.doctor = find_steps;
	env->hooks.discover = find_printers;
	env->hooks.save_camera = keep_camera;
	env->hooks.remove_camera = find_nothing;
	env->hooks.find_devices = find_device;
}

static void set_up(struct rig *r)
{
	struct http_answer a;

	char body[200];

	snprintf(body, sizeof(body),
	         "{\"token\":\"%s\",\"name\":\"root\",\"password\":\"12345678\"}",
	         strstr(web_setup_link(r->web), "?token=") + 7);
	CHECK_INT(ask(r, "POST /api/v1/setup", body, &a), 200);
	take_login(r, a.head, a.body);
	http_answer_fini(&a);
}

/* True: the answer was the good one; any other must at least be a promised one. */
static bool walk(struct rig *r, const struct route *route)
{
	char line[200];
	struct http_answer a;

	if ((route->flags & ROUTE_PAGE) || strstr(route->path, "/logout"))
		return false;
	fill_path(line, sizeof(line), r, route);
	(void)ask(r, line, good_body(route), &a);
	if (!is_promised(r, route, &a) || a.status == 500) {
		print_error("%s: %d %s\n", line, a.status, a.body ? a.body : "");
		CHECK(false);
	}

	bool is_good = a.status == route->status;

	if (!is_good)
		print_message("# %s: %d\n", line, a.status);
	http_answer_fini(&a);
	return is_good;
}

TEST(api_answers_every_route_as_its_document_says)
{
	struct rig r;
	struct web_env env = { 0 };
	const struct route *route;
	unsigned n_good = 0;

	set_hooks(&env);
	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	for (size_t i = 0; (route = route_at(i)); i++) {
		if (route->method != HTTP_DELETE)
			n_good += walk(&r, route);
	}
	for (size_t i = 0; (route = route_at(i)); i++) {
		if (route->method == HTTP_DELETE)
			n_good += walk(&r, route);
	}
	/* Those that cannot be good here: set-up and login (no body), live (no WebSocket), the
	 * still (no picture), users, keys and pictures of ids that are not there, a session whose
	 * folder nobody can count. */
	CHECK_INT(n_good, 64);
	stop(&r);
}

/* ---- the climate of places ---- */

static json_t *asked_json(struct rig *r, const char *line, const char *body, int status)
{
	struct http_answer a;
	json_t *j;

	CHECK_INT(ask(r, line, body, &a), status);
	j = json_loads(a.body ? a.body : "", 0, NULL);
	http_answer_fini(&a);
	return j;
}

static void add_reading(struct rig *r, const char *values, int status)
{
	char body[200];

	snprintf(body, sizeof(body), "{\"location\":\"Balcony\",%s}", values);
	json_decref(asked_json(r, "POST /api/v1/environment", body, status));
}

TEST(readings_are_taken_checked_and_drawn)
{
	struct rig r;
	struct web_env env = { 0 };
	json_t *j;
	const json_t *place;

	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	add_reading(&r, "\"temperature_c\":-3.5,\"humidity_pct\":null", 200);
	add_reading(&r, "\"temperature_c\":0,\"humidity_pct\":0", 422);
	add_reading(&r, "\"temperature_c\":200", 422);
	add_reading(&r, "\"temperature_c\":20,\"at\":\"2199-01-01T00:00:00Z\"", 422);
	loop_advance(r.loop, 60000);
	add_reading(&r, "\"temperature_c\":-4.5,\"humidity_pct\":80", 200);
	add_reading(&r, "\"error\":\"no answer\"", 200);
	j = asked_json(&r, "GET /api/v1/environment", "", 200);
	place = json_array_get(json_object_get(j, "places"), 0);
	CHECK_STR(json_string_value(json_object_get(place, "location")), "Balcony");
	CHECK(json_number_value(json_object_get(place, "temperature_c")) == -4.5);
	CHECK_STR(json_string_value(json_object_get(place, "text")), "no answer");
	CHECK(json_is_false(json_object_get(place, "is_stale")));
	json_decref(j);
	j = asked_json(&r,
	               "GET /api/v1/environment/history?location=Balcony&from=2026-01-01T00:00:00Z",
	               "", 200);
	CHECK_INT(json_array_size(json_object_get(j, "readings")), 0);
	json_decref(j);
	json_decref(asked_json(&r,
	                       "GET /api/v1/environment/history?location=Balcony"
	                       "&from=2026-01-01T00:00:00Z&to=2026-12-01T00:00:00Z",
	                       "", 422));
	json_decref(asked_json(&r, "DELETE /api/v1/environment?location=Balcony", "", 204));
	json_decref(asked_json(&r, "DELETE /api/v1/environment?location=Balcony", "", 404));
	stop(&r);
}

TEST(without_a_button_a_click_is_refused_in_words)
{
	struct rig r;
	struct web_env env = { 0 };
	json_t *j;

	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	j = asked_json(&r, "GET /api/v1/panel", "", 200);
	CHECK(json_is_null(json_object_get(j, "panel")));
	json_decref(j);
	j = asked_json(&r, "POST /api/v1/panel/clicks", "{}", 409);
	CHECK(strstr(json_string_value(json_object_get(json_object_get(j, "error"), "text")),
	             "no button is configured"));
	json_decref(j);
	stop(&r);
}

/* ---- restoring ---- */

static void never_restarted(void *arg)
{
	(void)arg;
	CHECK(false);
}

/* Without waiting for the answer. */
static void begin(struct rig *r, const char *line, const void *body, size_t size,
                  struct http_answer *a)
{
	auto_buf struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
	           "%s HTTP/1.1\r\nHost: localhost:8484\r\nCookie: %s\r\nX-Bedside-Csrf: %s\r\n"
	           "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
	           line, r->cookie, r->csrf, size);
	buf_add(&b, body, size);
	web_asked(r->web, http_request_fake(buf_peek(&b), b.size, "127.0.0.1", a));
}

static void upload_backup(struct rig *r, char ret_id[ID_SIZE])
{
	const struct backup_options o = { 0 };
	auto_free char *bytes = mem_new(1 << 20);
	struct backup_stream *s;
	struct http_answer a;
	struct err err = { 0 };
	char target[100];
	size_t size = 0;
	ssize_t n;

	CHECK_INT(backup_stream_open(r->dir, &o, &s, &err), 0);
	while ((n = backup_stream_read(s, bytes + size, (1 << 20) - size, &err)) > 0)
		size += (size_t)n;
	backup_stream_close(s);
	snprintf(target, sizeof(target), "{\"size_bytes\":%zu}", size);
	CHECK_INT(ask(r, "POST /api/v1/restore", target, &a), 201);
	text_copy_n(ret_id, ID_SIZE, strstr(a.body, "\"id\":\"") + 6, ID_SIZE - 1);
	http_answer_fini(&a);
	snprintf(target, sizeof(target), "POST /api/v1/restore/pieces?id=%s&at=0", ret_id);
	begin(r, target, bytes, size, &a);
	for (int i = 0; i < 20 && !a.is_answered; i++)
		loop_advance(r->loop, 1);
	CHECK_INT(a.status, 200);
	http_answer_fini(&a);
}

TEST(api_ends_well_while_a_backup_is_checked)
{
	struct rig r;
	struct web_env env = { .floor_bytes = 0 };
	struct http_answer a;
	char id[ID_SIZE], body[64];

	set_hooks(&env);
	env.hooks.restart = never_restarted;
	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	upload_backup(&r, id);
	snprintf(body, sizeof(body), "{\"id\":\"%s\"}", id);
	begin(&r, "POST /api/v1/restore/apply", body, strlen(body), &a);
	CHECK(!a.is_answered);
	stop(&r); /* frees the web before the check is done */
	CHECK_INT(a.status, 200);
	http_answer_fini(&a);
}

static int refuse_restored(const char *config_path, const char *folder, struct err *err)
{
	CHECK(!config_path || !config_path[0]);
	CHECK(text_ends(folder, "/restoring"));
	return err_set(err, -EBADMSG, "a printer of the future");
}

TEST(api_refuses_a_backup_that_the_next_start_could_not_read)
{
	struct rig r;
	struct web_env env = { 0 };
	struct http_answer a;
	char id[ID_SIZE], body[64];

	set_hooks(&env);
	env.hooks.restart = never_restarted;
	env.hooks.check_restored = refuse_restored;
	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	upload_backup(&r, id);
	snprintf(body, sizeof(body), "{\"id\":\"%s\"}", id);
	begin(&r, "POST /api/v1/restore/apply", body, strlen(body), &a);
	for (int i = 0; i < 20 && !a.is_answered; i++)
		loop_advance(r.loop, 1);
	CHECK_INT(a.status, 422);
	CHECK(strstr(a.body, "a printer of the future"));
	http_answer_fini(&a);
	stop(&r);
}

TEST(api_makes_few_archives_of_captures_at_a_time)
{
	struct rig r;
	struct web_env env = { 0 };
	enum {
		N = 5
	};
	struct http_answer *a = mem_new_array(N, sizeof(*a));

	set_hooks(&env);
	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	for (size_t i = 0; i < N; i++)
		begin(&r, "GET /api/v1/capture-archive", "", 0, &a[i]);
	CHECK(a[4].is_answered && !a[3].is_answered);
	CHECK_INT(a[4].status, 409);
	loop_advance(r.loop, 100);
	CHECK_INT(a[0].status, 404);
	http_answer_fini(&a[4]);
	begin(&r, "GET /api/v1/capture-archive", "", 0, &a[4]);
	CHECK(!a[4].is_answered);
	loop_advance(r.loop, 100);
	CHECK_INT(a[3].status, 404);
	CHECK_INT(a[4].status, 404);
	for (size_t i = 0; i < N; i++)
		http_answer_fini(&a[i]);
	free(a);
	stop(&r);
}

TEST(api_names_the_field_of_a_camera_that_is_wrong_and_tells_no_password)
{
	struct rig r;
	struct web_env env = { 0 };
	struct http_answer a;

	set_hooks(&env);
	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	CHECK_INT(ask(&r, "PATCH /api/v1/cameras/a1", "{\"rotation\":45}", &a), 422);
	CHECK(strstr(a.body, "\"field\":\"rotation\"") && strstr(a.body, "must be 0, 90"));
	http_answer_fini(&a);
	CHECK_INT(ask(&r, "PATCH /api/v1/cameras/nobody", "{\"rotation\":90}", &a), 404);
	http_answer_fini(&a);
	CHECK_INT(
		ask(&r, "POST /api/v1/cameras/a1/controls", "{\"name\":\"gain\",\"value\":1}", &a),
		422);
	http_answer_fini(&a);
	CHECK_INT(ask(&r, "POST /api/v1/cameras/a1/controls",
	              "{\"name\":\"power_line_frequency\",\"value\":2}", &a),
	          204);
	http_answer_fini(&a);
	CHECK_INT(ask(&r, "GET /api/v1/cameras/a1/controls", "", &a), 200);
	CHECK(strstr(a.body, "\"value\":2"));
	http_answer_fini(&a);

	struct camera_config *k = fakes_camera_config();

	secret_set(&k->secret, "very-secret");
	TEXT_SET(k->user, "eve");
	k->rotation = 90;
	k->latency_us = 120000;
	CHECK_INT(ask(&r, "GET /api/v1/cameras/a1/settings", "", &a), 200);
	CHECK(!strstr(a.body, "very-secret") && strstr(a.body, "\"has_password\":true"));
	CHECK(strstr(a.body, "\"rotation\":90") && strstr(a.body, "\"latency_ms\":120"));
	http_answer_fini(&a);
	CHECK_INT(ask(&r, "GET /api/v1/cameras", "", &a), 200);
	CHECK(!strstr(a.body, "very-secret") && !strstr(a.body, "eve"));
	http_answer_fini(&a);
	stop(&r);
}

TEST(api_document_is_whole)
{
	json_t *doc = openapi_document("/bedside/");
	const struct route *route;
	const char *name;
	json_t *v;

	CHECK_STR(json_string_value(json_object_get(doc, "openapi")), "3.1.0");
	for (size_t i = 0; (route = route_at(i)); i++) {
		/* Every answer that is a shape exists. */
		if (route->answer && !strchr(route->answer, '/'))
			CHECK(shape_find(route->answer));
	}

	json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");

	json_object_foreach(schemas, name, v)
	{
		char *text = json_dumps(v, 0);

		/* Every reference leads somewhere. */
		for (const char *p = strstr(text, "schemas/"); p; p = strstr(p + 1, "schemas/")) {
			char ref[60];

			text_copy_n(ref, sizeof(ref), p + 8, strcspn(p + 8, "\""));
			CHECK(json_object_get(schemas, ref));
		}
		free(text);
	}
	json_decref(doc);
}

TEST(api_deletes_pictures_only_with_a_film_or_by_force)
{
	struct rig r;
	struct web_env env = { 0 };
	struct http_answer a;
	char line[200];

	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	snprintf(line, sizeof(line), "DELETE /api/v1/films/%s?sha256=%064d", r.film, 7);
	CHECK_INT(ask(&r, line, "", &a), 409);
	http_answer_fini(&a);
	snprintf(line, sizeof(line), "DELETE /api/v1/films/%s", r.film);
	CHECK_INT(ask(&r, line, "", &a), 204);
	http_answer_fini(&a);

	char path[400];

	snprintf(path, sizeof(path), "%s/films/cube.mp4", r.dir);
	CHECK(access(path, F_OK) < 0);
	snprintf(line, sizeof(line), "DELETE /api/v1/sessions/%s", r.session);
	CHECK_INT(ask(&r, line, "", &a), 409);
	CHECK(strstr(a.body, "force"));
	http_answer_fini(&a);
	snprintf(line, sizeof(line), "DELETE /api/v1/sessions/%s?force=1", r.session);
	CHECK_INT(ask(&r, line, "", &a), 204);
	http_answer_fini(&a);
	CHECK_INT(ask(&r, line, "", &a), 404);
	http_answer_fini(&a);
	stop(&r);
}

static int save_two_cameras(struct db *db, void *arg, struct err *err)
{
	const struct rig *r = arg;
	struct session s = { .state = SESSION_DONE, .n_cameras = 2 };

	TEXT_SET(s.id, r->session);
	TEXT_SET(s.cameras[0], "one");
	TEXT_SET(s.cameras[1], "two");
	film_plan_init(&s.film);
	return repo_session_save(db, &s, err);
}

/* One of each camera, of the one picture that each has. */
static int save_film_of(struct db *db, const struct rig *r, const char *camera,
                        enum film_state state, struct err *err)
{
	struct film f = { .state = state, .n_frames = 1 };

	id_new(f.id, NOW_MS);
	TEXT_SET(f.session, r->session);
	TEXT_SET(f.camera, camera);
	film_plan_init(&f.plan);
	return repo_film_save(db, &f, err);
}

static int save_first_film(struct db *db, void *arg, struct err *err)
{
	return save_film_of(db, arg, "one", FILM_VERIFIED, err);
}

static int save_second_film(struct db *db, void *arg, struct err *err)
{
	return save_film_of(db, arg, "two", FILM_VERIFIED, err);
}

static int save_growing_film(struct db *db, void *arg, struct err *err)
{
	return save_film_of(db, arg, "two", FILM_GROWING, err);
}

static void write_two_cameras(const struct rig *r)
{
	auto_free char *dir = mem_printf("%s/sessions/%s", r->dir, r->session);
	auto_free char *path = mem_printf("%s/manifest", dir);
	auto_buf struct buf lines = { 0 };

	for (uint32_t i = 1; i <= 2; i++) {
		struct journal_entry e = { .number = i, .layer = 1, .trigger = TRIGGER_LAYER };

		TEXT_SET(e.camera, i == 1 ? "one" : "two");
		(void)snprintf(e.file, sizeof(e.file), "%s/%06u.jpg", e.camera, i);
		journal_format_entry(&lines, &e);
	}
	CHECK_INT(fs_make_dirs(dir, NULL), 0);
	CHECK_INT(fs_write_atomic(path, lines.data, lines.size, 0600, NULL), 0);
}

static int delete_session(struct rig *r)
{
	struct http_answer a;
	char line[200];
	int status;

	snprintf(line, sizeof(line), "DELETE /api/v1/sessions/%s", r->session);
	status = ask(r, line, "", &a);
	http_answer_fini(&a);
	return status;
}

TEST(api_deletes_pictures_only_with_a_film_of_each_camera)
{
	struct rig r;
	struct web_env env = { 0 };

	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	write_two_cameras(&r);
	CHECK_INT(store_call(r.store, save_two_cameras, &r, NULL), 0);
	CHECK_INT(store_call(r.store, save_first_film, &r, NULL), 0);
	CHECK_INT(delete_session(&r), 409);
	CHECK_INT(store_call(r.store, save_second_film, &r, NULL), 0);
	CHECK_INT(store_call(r.store, save_growing_film, &r, NULL), 0);
	CHECK_INT(delete_session(&r), 409);
	stop(&r);

	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	write_two_cameras(&r);
	CHECK_INT(store_call(r.store, save_two_cameras, &r, NULL), 0);
	CHECK_INT(store_call(r.store, save_first_film, &r, NULL), 0);
	CHECK_INT(store_call(r.store, save_second_film, &r, NULL), 0);
	CHECK_INT(delete_session(&r), 204);
	stop(&r);
}

/* ---- over real sockets ---- */

static void *client_main(void *arg)
{
	struct rig *r = arg;

	r->talk(r);
	loop_stop(r->loop);
	return NULL;
}

/* ---- video ---- */

/* 64x48, as x264 writes it: parameter sets, then a slice of `size` bytes. */
static struct frame *make_packet(bool is_key, size_t size)
{
	static const char sets[] = "000000016764000aacd9447b0110000003001000"
				   "00030320f12259600000000168ebe3cb22c0";
	size_t n_sets = is_key ? strlen(sets) / 2 : 0;
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_H264, n_sets + size, &bytes);

	if (is_key)
		CHECK(text_unhex(bytes, n_sets, sets));
	memset(bytes + n_sets, 'v', size);
	memcpy(bytes + n_sets, is_key ? "\0\0\1\x65" : "\0\0\1\x41", 4);
	f->is_key = is_key;
	return f;
}

/* Each fifth is a key frame; 1.5 s of media time between two of them. */
static void next_packet(struct rig *r)
{
	struct frame *f = make_packet(r->n_frames % 5 == 0, r->packet_size);

	f->dts_us = f->pts_us = 1000000 + (int64_t)r->n_frames * 300000;
	fakes_camera_packet(f);
}

static void next_frame(void *arg)
{
	struct rig *r = arg;
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_JPEG, r->frame_size, &bytes);

	memset(bytes, 'x', r->frame_size);
	for (size_t i = 0; i < 4; i++)
		bytes[i] = (uint8_t) "JPEG"[i];
	f->seq = ++r->n_frames;
	f->captured_us = loop_now_us(r->loop);
	f->captured_wall_ms = loop_wall_ms(r->loop);
	fakes_camera_frame(f);
	if (fakes_camera_status()->has_video)
		next_packet(r);
	/* Something for the WebSocket too. */
	fakes_printer_state()->job.layer = (int)r->n_frames;

	struct event_printer *e = event_new_printer();

	TEXT_SET(e->printer, "a1");
	bus_publish(r->bus, &e->head);
	/* What no page is told of. */
	bus_publish(r->bus, &event_new_macro()->head);
	bus_publish(r->bus, &event_new_button()->head);
}

static void run(struct rig *r, struct web_env *env, void (*talk)(struct rig *r))
{
	struct err err = { 0 };

	env->is_demo = true;
	start_with(r, loop_new(), env);
	r->talk = talk;
	r->frame_size = 50000;
	r->packet_size = 1000;
	r->port = web_port(r->web);
	timer_init(&r->camera, r->loop, next_frame, r);
	timer_start_every(&r->camera, 20);
	(void)err;
	pthread_create(&r->client, NULL, client_main, r);
	loop_run(r->loop);
	pthread_join(r->client, NULL);
	timer_stop(&r->camera);
	stop(r);
}

static int dial(const struct rig *r)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(r->port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

/* `text` is a head without its Host line, which goes behind the first. */
static int say(const struct rig *r, const char *text)
{
	int fd = dial(r);
	const char *rest = strstr(text, "\r\n") + 2;
	auto_buf struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "%.*sHost: localhost:%u\r\n%s", (int)(rest - text), text, r->port, rest);
	CHECK(send(fd, buf_peek(&b), b.size, MSG_NOSIGNAL) == (ssize_t)b.size);
	return fd;
}

/* Reads until `what` was heard. */
static bool hear(struct rig *r, int fd, const char *what)
{
	char piece[8192];
	ssize_t n;

	while (!memmem(buf_peek(&r->heard), r->heard.size, what, strlen(what))) {
		n = recv(fd, piece, sizeof(piece), 0);
		if (n <= 0)
			return false;
		buf_add(&r->heard, piece, (size_t)n);
	}
	return true;
}

static void talk_stream(struct rig *r)
{
	int fd = say(r, "GET /api/v1/cameras/a1/stream HTTP/1.1\r\n\r\n");

	CHECK(hear(r, fd, "multipart/x-mixed-replace; boundary=bedside\r\n"));
	for (int i = 0; i < 5; i++) {
		CHECK(hear(r, fd, "Content-Length: 50000\r\nX-Timestamp: "));
		CHECK(hear(r, fd, "JPEGxxx"));
		CHECK(hear(r, fd, "xxx\r\n--bedside\r\n"));

		const char *end =
			memmem(buf_peek(&r->heard), r->heard.size, "xxx\r\n--bedside\r\n", 16);

		buf_consume(&r->heard, (size_t)(end - buf_peek(&r->heard)) + 16);
	}
	(void)close(fd);
	fd = say(r, "GET /api/v1/cameras/a1/snapshot HTTP/1.1\r\n\r\n");
	buf_clear(&r->heard);
	CHECK(hear(r, fd, "X-Age-Ms: "));
	CHECK(hear(r, fd, "JPEGxxx"));
	(void)close(fd);
}

TEST(live_sends_pictures_one_after_the_other)
{
	struct rig r;
	struct web_env env = { 0 };

	run(&r, &env, talk_stream);
}

static void give_video(void *arg)
{
	(void)arg;
	fakes_camera_status()->has_video = true;
}

/* From here on the camera gives video, and the loop knows. */
static void want_video(struct rig *r)
{
	int fd = say(r, "GET /api/v1/cameras/a1/video.mp4 HTTP/1.1\r\n\r\n");

	CHECK(hear(r, fd, "gives pictures, not video"));
	(void)close(fd);
	loop_post(r->loop, give_video, r);
	buf_clear(&r->heard);
	fd = say(r, "GET /api/v1/cameras HTTP/1.1\r\n\r\n");
	CHECK(hear(r, fd, "has_video"));
	(void)close(fd);
	buf_clear(&r->heard);
}

static void talk_video(struct rig *r)
{
	int fd;

	want_video(r);
	for (int i = 0; i < 2; i++) {
		fd = say(r, "GET /api/v1/cameras/a1/video.mp4 HTTP/1.1\r\n\r\n");
		CHECK(hear(r, fd, "Content-Type: video/mp4\r\n"));
		CHECK(hear(r, fd, "ftypiso6"));
		CHECK(hear(r, fd, "avcC"));
		CHECK(hear(r, fd, "mdat"));
		CHECK(hear(r, fd, "vvvv"));

		/* A key frame first: a length, then the parameter sets in front of it. */
		const char *mdat = memmem(buf_peek(&r->heard), r->heard.size, "mdat", 4);

		CHECK((mdat[8] & 0x1f) == 7);
		buf_clear(&r->heard);
		for (int k = 0; k < 20; k++) {
			CHECK(hear(r, fd, "moof"));
			buf_clear(&r->heard);
		}
		(void)close(fd);
	}
}

TEST(video_is_sent_as_fragments_beginning_with_a_key_frame)
{
	struct rig r;
	struct web_env env = { 0 };

	run(&r, &env, talk_video);
}

static void make_large(void *arg)
{
	((struct rig *)arg)->packet_size = 400000;
}

static uint32_t be32(const char *at)
{
	const uint8_t *b = (const uint8_t *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The next fragment's number, and whether it begins with a key frame; the rest stays. */
static uint32_t next_fragment(struct rig *r, int fd, bool *ret_is_key)
{
	const char *trun;
	uint32_t number;

	CHECK(hear(r, fd, "moof"));
	/* The mdat before it is of the last one. */
	buf_consume(&r->heard,
	            (size_t)((const char *)memmem(buf_peek(&r->heard), r->heard.size, "moof", 4) -
	                     buf_peek(&r->heard)));
	CHECK(hear(r, fd, "mdat"));
	trun = memmem(buf_peek(&r->heard), r->heard.size, "trun", 4);
	number = be32(buf_peek(&r->heard) + 4 + 4 + 4 + 4);
	*ret_is_key = be32(trun + 4 + 4 + 4 + 4 + 8) == 0x02000000;
	buf_consume(&r->heard, (size_t)(trun - buf_peek(&r->heard)));
	return number;
}

/* Reads nothing while others see fifty fragments of 400 kB: what is kept for it stays bounded, so
 * some are missing afterwards, and behind the gap comes a key frame. */
static void talk_slow(struct rig *r)
{
	struct buf own = { 0 };
	bool is_key;
	int slow, quick;

	want_video(r);
	loop_post(r->loop, make_large, r);
	slow = say(r, "GET /api/v1/cameras/a1/video.mp4 HTTP/1.1\r\n\r\n");
	CHECK(hear(r, slow, "moof"));
	own = r->heard;
	r->heard = (struct buf){ 0 };
	quick = say(r, "GET /api/v1/cameras/a1/video.mp4 HTTP/1.1\r\n\r\n");
	for (int i = 0; i < 50; i++)
		(void)next_fragment(r, quick, &is_key);
	(void)close(quick);
	buf_fini(&r->heard);
	r->heard = own;

	uint32_t last = next_fragment(r, slow, &is_key), number = last;

	for (int i = 0; i < 200 && number <= last + 1; i++) {
		last = number;
		number = next_fragment(r, slow, &is_key);
	}
	CHECK(number > last + 1);
	CHECK(is_key);
	(void)close(slow);
}

TEST(video_viewer_that_is_too_slow_goes_on_at_a_key_frame)
{
	struct rig r;
	struct web_env env = { 0 };

	run(&r, &env, talk_slow);
}

static void talk_hls(struct rig *r)
{
	int fd;

	want_video(r);
	/* The first answer waits for the first segment. */
	fd = say(r, "GET /api/v1/cameras/a1/hls/index.m3u8 HTTP/1.1\r\n\r\n");
	CHECK(hear(r, fd, "#EXT-X-MAP:URI=\"init-1.mp4\"\n#EXTINF:1.500,\nseg-0.m4s\n"));
	(void)close(fd);
	buf_clear(&r->heard);
	fd = say(r, "GET /api/v1/cameras/a1/hls/init-1.mp4 HTTP/1.1\r\n\r\n");
	CHECK(hear(r, fd, "avcC"));
	(void)close(fd);
	buf_clear(&r->heard);
	fd = say(r, "GET /api/v1/cameras/a1/hls/seg-0.m4s HTTP/1.1\r\n\r\n");
	CHECK(hear(r, fd, "mdat"));
	(void)close(fd);
	/* Twelve segments later there are never more than six, and what is over is gone. */
	fd = say(r, "GET /api/v1/cameras/a1/video.mp4 HTTP/1.1\r\n\r\n");
	for (int i = 0; i < 60; i++) {
		buf_clear(&r->heard);
		CHECK(hear(r, fd, "moof"));
	}
	(void)close(fd);
	buf_clear(&r->heard);
	fd = say(r, "GET /api/v1/cameras/a1/hls/index.m3u8 HTTP/1.1\r\n\r\n");
	CHECK(hear(r, fd, "#EXT-X-DISCONTINUITY-SEQUENCE:0\n"));
	CHECK(hear(r, fd, ".m4s\n"));
	CHECK(!strstr(buf_peek(&r->heard), "seg-0.m4s"));
	(void)close(fd);
	buf_clear(&r->heard);
	fd = say(r, "GET /api/v1/cameras/a1/hls/seg-0.m4s HTTP/1.1\r\n\r\n");
	CHECK(hear(r, fd, "This piece of the video is over"));
	(void)close(fd);
}

TEST(hls_lists_a_few_segments_and_forgets_the_others)
{
	struct rig r;
	struct web_env env = { 0 };

	run(&r, &env, talk_hls);
}

static void lose_camera(void *arg)
{
	struct rig *r = arg;

	fakes_camera_status()->state = CAMERA_NO_SIGNAL;
	timer_stop(&r->camera);
}

static void talk_no_signal(struct rig *r)
{
	int fd = say(r, "GET /api/v1/cameras/a1/stream HTTP/1.1\r\n\r\n");

	CHECK(hear(r, fd, "JPEGxxx"));
	loop_post(r->loop, lose_camera, r);
	buf_clear(&r->heard);
	/* A real JPEG, not what the camera sent. */
	CHECK(hear(r, fd, "\xff\xd8\xff"));
	(void)close(fd);
}

TEST(live_says_so_in_a_picture_while_the_source_stalls)
{
	struct rig r;
	struct web_env env = { 0 };

	run(&r, &env, talk_no_signal);
}

static void talk_websocket(struct rig *r)
{
	/* Masked with zeros: {"type":"resync"} */
	static const uint8_t resync[] = "\x81\x91\0\0\0\0{\"type\":\"resync\"}";
	int fd = say(r, "GET /api/v1/live HTTP/1.1\r\nConnection: Upgrade\r\n"
	                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");

	CHECK(hear(r, fd, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
	CHECK(hear(r, fd, "{\"seq\":1,\"type\":\"snapshot\",\"now\":"));
	CHECK(hear(r, fd, "the disk is nearly full"));
	CHECK(hear(r, fd, "{\"seq\":2,"));
	CHECK(hear(r, fd, "\"type\":\"printer\""));
	/* Only what has changed. */
	CHECK(hear(r, fd, "\"printer\":{\"job\":{"));
	CHECK(hear(r, fd, "{\"seq\":5,"));
	CHECK(send(fd, resync, sizeof(resync) - 1, 0) > 0);
	buf_clear(&r->heard);
	CHECK(hear(r, fd, "\"type\":\"snapshot\""));
	/* Not by strstr(): heads of messages have zeros in them. */
	CHECK(hear(r, fd, "A1's camera"));
	fakes_remove_camera();
	CHECK(hear(r, fd, "\"type\":\"camera_gone\",\"id\":\"a1\""));
	(void)close(fd);
}

TEST(push_sends_a_snapshot_then_changes_in_order)
{
	struct rig r;
	struct web_env env = { 0 };

	run(&r, &env, talk_websocket);
}

static void talk_stalled(struct rig *r)
{
	enum {
		N = 200
	};
	int fds[N];
	char piece[4096];

	/* They ask and never read. */
	for (int i = 0; i < N; i++)
		fds[i] = say(r, "GET /api/v1/cameras/a1/stream HTTP/1.1\r\n\r\n");

	/* One that reads is served all the same. */
	int fd = say(r, "GET /api/v1/cameras/a1/stream HTTP/1.1\r\n\r\n");

	for (int i = 0; i < 40; i++) {
		CHECK(hear(r, fd, "xxx\r\n--bedside\r\n"));
		buf_clear(&r->heard);
	}
	(void)close(fd);
	for (int i = 0; i < N; i++) {
		CHECK(recv(fds[i], piece, sizeof(piece), 0) > 0);
		(void)close(fds[i]);
	}
}

TEST(live_serves_one_who_reads_beside_200_who_do_not)
{
	struct rig r;
	struct web_env env = { 0 };

	run(&r, &env, talk_stalled);
}

static void talk_tls(struct rig *r)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	int fd = dial(r);
	char path[200], answer[2000] = "";
	unsigned char digest[32];
	char hex[65];
	size_t got = 0;
	int n;

	SSL_set_fd(ssl, fd);
	CHECK_INT(SSL_connect(ssl), 1);

	X509 *cert = SSL_get1_peer_certificate(ssl);

	X509_digest(cert, EVP_sha256(), digest, NULL);
	X509_free(cert);
	text_hex(hex, digest, sizeof(digest));
	CHECK_STR(hex, web_fingerprint(r->web));
	snprintf(path, sizeof(path),
	         "GET /api/v1/films/%s/video HTTP/1.1\r\nHost: localhost:%u\r\n"
	         "Range: bytes=100000-100999\r\nConnection: close\r\n\r\n",
	         r->film, r->port);
	CHECK(SSL_write(ssl, path, (int)strlen(path)) > 0);
	while ((n = SSL_read(ssl, answer + got, (int)(sizeof(answer) - got))) > 0)
		got += (size_t)n;

	const char *body = strstr(answer, "\r\n\r\n") + 4;

	CHECK(text_starts(answer, "HTTP/1.1 206 "));
	CHECK(strstr(answer, "Content-Range: bytes 100000-100999/200000\r\n"));
	CHECK_INT(got - (size_t)(body - answer), 1000);
	CHECK_INT((uint8_t)body[0], 100000 % 251);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	(void)close(fd);
}

TEST(web_speaks_tls_with_a_certificate_of_its_own)
{
	struct rig r;
	struct web_env env = { .tls = WEB_SELF_SIGNED };

	run(&r, &env, talk_tls);
}

TEST(the_document_in_docs_is_that_of_the_table)
{
	json_t *doc = openapi_document("/");
	auto_free char *text = json_dumps(doc, OPENAPI_DUMP);
	struct buf b;

	CHECK_INT(fs_read(test_source("docs/openapi.json"), 1000000, &b, NULL), 0);
	if (strcmp(buf_peek(&b), text) != 0)
		print_error("docs/openapi.json is old: ninja -C build openapi\n");
	CHECK(strcmp(buf_peek(&b), text) == 0);
	buf_fini(&b);
	json_decref(doc);
}

TEST(api_writes_numbers_as_people_do)
{
	struct rig r;
	struct web_env env = { 0 };
	struct http_answer a;

	start_with(&r, loop_new_simulated(NOW_MS), &env);
	set_up(&r);
	fakes_printer_state()->n_nozzles = 1;
	fakes_printer_state()->nozzles[0].diameter_mm = 0.4;
	CHECK_INT(ask(&r, "GET /api/v1/printers/a1", "", &a), 200);
	CHECK(strstr(a.body, "\"diameter_mm\":0.4,"));
	http_answer_fini(&a);
	stop(&r);
}
