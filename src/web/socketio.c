/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socketio: sessions of Engine.IO and what their rigs tell; the addresses are in api_socketio.c. */

#include "web/socketio_priv.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/loop.h"
#include "fleet/climates.h"
#include "media/jpeg_scan.h"
#include "model/json.h"
#include "web/web.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ORDER_US INT64_C(20000000)
#define MAX_QUEUED ((size_t)262144)

/* ---- rigs ---- */

static struct sio_rig *find_rig(const struct socketio *s, const char *id)
{
	for (size_t i = 0; i < s->n_rigs; i++) {
		if (text_equal(s->rigs[i]->id, id))
			return s->rigs[i];
	}
	return NULL;
}

static struct sio_rig *rig_of(struct socketio *s, const char *user)
{
	struct sio_rig *r;
	char slug[48], id[64];

	text_slug(slug, sizeof(slug), user);
	(void)snprintf(id, sizeof(id), SOCKETIO_ID "%s", slug);
	r = find_rig(s, id);
	if (r || s->n_rigs == SOCKETIO_MAX_RIGS)
		return r;
	r = MEM_NEW(struct sio_rig);
	TEXT_SET(r->id, id);
	TEXT_SET(r->name, user);
	s->rigs[s->n_rigs++] = r;
	return r;
}

static struct sio_session *session_of(const struct socketio *s, const struct sio_rig *r)
{
	struct sio_session *e = s->sessions;

	while (e && (e->rig != r || !e->is_connected))
		e = e->next;
	return e;
}

static void end_order(struct sio_rig *r, int rc, const char *text)
{
	void (*done)(void *arg, int rc, const char *text) = r->done;

	r->done = NULL;
	if (done)
		done(r->done_arg, rc, text);
}

/* ---- sending ---- */

static void answer_poll(struct sio_session *e)
{
	struct http_reply reply = { .status = 200, .type = "text/plain; charset=UTF-8" };
	struct call *c = e->poll;

	e->poll = NULL;
	call_bytes(c, &reply, http_bytes_take(&e->out));
}

static void send_packet(struct sio_session *e, const char *text, size_t size)
{
	struct http_bytes *b;

	if (e->channel) {
		/* It speaks and does not listen. */
		if (http_channel_queued(e->channel) > MAX_QUEUED)
			return;
		b = http_bytes_new(text, size);
		http_channel_send_text(e->channel, "", 0, b);
		http_bytes_unref(b);
		return;
	}
	if (e->out.size + size > MAX_QUEUED)
		return; /* it asks no more: its end is near */
	if (e->out.size > 0)
		buf_add_char(&e->out, SOCKETIO_SEPARATOR);
	buf_add(&e->out, text, size);
	if (e->poll)
		answer_poll(e);
}

static void send_event(struct sio_session *e, const char *name, const json_t *argument)
{
	auto_buf struct buf b;

	buf_init(&b, 0);
	socketio_write_event(&b, name, argument);
	send_packet(e, buf_peek(&b), b.size);
}

json_t *socketio_delays(const struct socketio *s)
{
	return json_pack("{s:I, s:I, s:I}", "image_delay", (json_int_t)s->image_s, "temphum_delay",
	                 (json_int_t)s->climate_s, "status_delay", (json_int_t)s->status_s);
}

static void send_delays(struct sio_session *e)
{
	json_t *j = socketio_delays(e->socketio);

	send_event(e, "timelapse_conf", j);
	json_decref(j);
}

/* ---- sessions ---- */

struct sio_session *socketio_session_find(const struct socketio *s, const char *sid)
{
	struct sio_session *e = s->sessions;

	while (e && !text_equal(e->sid, sid))
		e = e->next;
	return e;
}

bool socketio_knows(const struct socketio *s, const char *query)
{
	char sid[32];

	return s && http_query_get(query, "sid", sid, sizeof(sid)) == 1 &&
	       socketio_session_find(s, sid);
}

struct sio_session *socketio_session_new(struct socketio *s, const struct who *who)
{
	struct sio_session *e;
	json_t *open;
	char *text;

	if (s->n_sessions >= SOCKETIO_MAX_SESSIONS)
		return NULL;
	e = MEM_NEW(struct sio_session);
	e->socketio = s;
	e->who = *who;
	crypto_random_text(e->sid, sizeof(e->sid) - 1);
	e->heard_us = loop_now_us(s->web->env.loop);
	buf_init(&e->out, 0);
	e->next = s->sessions;
	if (e->next)
		e->next->prev = e;
	s->sessions = e;
	s->n_sessions++;
	open = json_pack("{s:s, s:[s], s:i, s:i, s:i}", "sid", e->sid, "upgrades", "websocket",
	                 "pingInterval", SOCKETIO_PING_MS, "pingTimeout", SOCKETIO_SILENT_MS,
	                 "maxPayload", SOCKETIO_PAYLOAD);
	text = json_dumps(open, JSON_COMPACT);
	buf_printf(&e->out, "0%s", text);
	free(text);
	json_decref(open);
	return e;
}

/* What waits for a WebSocket that is there now. */
void socketio_session_flush(struct sio_session *e)
{
	const char *at = buf_peek(&e->out);
	size_t size = e->out.size;

	while (size > 0) {
		size_t n = socketio_first(at, size);

		send_packet(e, at, n);
		at += n;
		size -= n;
		if (size > 0) {
			at++;
			size--;
		}
	}
	buf_clear(&e->out);
}

void socketio_session_free(struct sio_session *e)
{
	struct socketio *s = e->socketio;
	struct http_channel *channel = e->channel, *probe = e->probe;

	if (e->prev)
		e->prev->next = e->next;
	else
		s->sessions = e->next;
	if (e->next)
		e->next->prev = e->prev;
	s->n_sessions--;
	if (e->poll) {
		if (e->out.size == 0)
			buf_add_str(&e->out, "1");
		answer_poll(e);
	}
	e->channel = e->probe = NULL;
	http_channel_end(channel);
	http_channel_end(probe);
	if (e->rig && !session_of(s, e->rig)) {
		e->rig->since_wall_ms = loop_wall_ms(s->web->env.loop);
		log_info(&s->web->log, "rig '%s' (Socket.IO) is away", e->rig->name);
	}
	buf_fini(&e->out);
	free(e);
}

/* ---- what a rig tells ---- */

static void hear_status(struct sio_rig *r, const json_t *argument)
{
	if (!json_is_object(argument))
		return;
	json_decref(r->status);
	r->status = json_incref((json_t *)(uintptr_t)argument);
}

static void hear_climate(struct socketio *s, const char *location, const json_t *temp,
                         const json_t *humidity)
{
	struct climate_reading reading = {
		.at_wall_ms = loop_wall_ms(s->web->env.loop),
		.temp_c = json_is_number(temp) ? json_number_value(temp) : (double)NAN,
		.humidity_percent =
			json_is_number(humidity) ? json_number_value(humidity) : (double)NAN,
	};
	struct err err = { 0 };

	TEXT_SET(reading.location, location);
	text_clean(reading.location);
	TEXT_SET(reading.source, "Socket.IO");
	if (s->web->env.climates && climates_add(s->web->env.climates, &reading, &err) < 0)
		log_debug(&s->web->log, "%s: %s", reading.location, err.text);
}

static void hear_esp32(struct socketio *s, const json_t *argument)
{
	const char *location = json_string_value(json_object_get(argument, "location"));

	if (location && *location)
		hear_climate(s, location, json_object_get(argument, "temperature_c"),
		             json_object_get(argument, "humidity_pct"));
}

/* The later client hands a file over on one machine and sends no picture: nothing to show then. */
static void hear_image(struct socketio *s, struct sio_rig *r, const json_t *argument)
{
	const char *text = json_string_value(json_object_get(argument, "image"));
	size_t max = text ? strlen(text) : 0, size;
	struct jpeg_info info;
	uint8_t *bytes;

	if (max == 0)
		return;
	bytes = mem_new(max);
	if (crypto_unbase64(bytes, max, &size, text) && jpeg_scan(bytes, size, &info, NULL) == 0) {
		http_bytes_unref(r->picture);
		r->picture = http_bytes_new(bytes, size);
		r->picture_wall_ms = loop_wall_ms(s->web->env.loop);
	}
	free(bytes);
}

static void hear_action(struct sio_rig *r, const json_t *argument)
{
	const char *action = json_string_value(json_object_get(argument, "action"));
	const json_t *result = json_object_get(argument, "result");

	if (r->done && text_equal(action, r->action) && json_is_boolean(result))
		end_order(r, json_is_true(result) ? 0 : -EPERM,
		          json_is_true(result) ? "" : "the rig says that it failed");
}

static void hear_event(struct sio_session *e, const struct socketio_packet *p)
{
	struct socketio *s = e->socketio;
	struct sio_rig *r = e->rig;

	if (!r)
		return;
	r->seen_wall_ms = loop_wall_ms(s->web->env.loop);
	if (strcmp(p->event, "status") == 0)
		hear_status(r, p->argument);
	else if (strcmp(p->event, "temphum") == 0)
		hear_climate(s, r->name, json_object_get(p->argument, "temperature"),
		             json_object_get(p->argument, "humidity"));
	else if (strcmp(p->event, "esp32_temphum") == 0)
		hear_esp32(s, p->argument);
	else if (strcmp(p->event, "image") == 0)
		hear_image(s, r, p->argument);
	else if (strcmp(p->event, "printerAction") == 0)
		hear_action(r, p->argument);
}

static void hear_connect(struct sio_session *e)
{
	static const char full[] = "44{\"message\":\"there are too many rigs\"}";
	char answer[64];

	e->rig = rig_of(e->socketio, e->who.user.name);
	if (!e->rig) {
		send_packet(e, full, sizeof(full) - 1);
		return;
	}
	e->is_connected = true;
	e->rig->seen_wall_ms = e->rig->since_wall_ms = loop_wall_ms(e->socketio->web->env.loop);
	(void)snprintf(answer, sizeof(answer), "40{\"sid\":\"%s\"}", e->sid);
	send_packet(e, answer, strlen(answer));
	send_delays(e);
	log_info(&e->socketio->web->log, "rig '%s' reports by Socket.IO", e->rig->name);
}

static bool hear_message(struct sio_session *e, const struct socketio_packet *p)
{
	char answer[32];

	switch (p->word) {
	case SOCKETIO_CONNECT:
		if (!e->is_connected)
			hear_connect(e);
		return true;
	case SOCKETIO_EVENT:
		if (!e->is_connected)
			return true;
		hear_event(e, p);
		if (p->id >= 0) {
			(void)snprintf(answer, sizeof(answer), "43%lld[]", (long long)p->id);
			send_packet(e, answer, strlen(answer));
		}
		return true;
	case SOCKETIO_DISCONNECT:
		return false;
	case SOCKETIO_ACK:
	case SOCKETIO_CONNECT_ERROR:
		break;
	}
	return true;
}

bool socketio_hear(struct sio_session *e, const char *text, size_t size)
{
	struct socketio_packet p;
	struct err err;
	bool goes_on = true;

	e->heard_us = loop_now_us(e->socketio->web->env.loop);
	/* Binary and other namespaces are none of the rigs': left out, not punished. */
	if (socketio_read(text, size, &p, &err) < 0)
		goes_on = err.code == -ENOTSUP;
	else if (p.engine == ENGINE_MESSAGE)
		goes_on = hear_message(e, &p);
	else if (p.engine == ENGINE_CLOSE)
		goes_on = false;
	else if (p.engine == ENGINE_PING)
		send_packet(e, "3", 1);
	socketio_packet_fini(&p);
	return goes_on;
}

/* ---- time ---- */

static void beat(void *arg)
{
	struct socketio *s = arg;
	int64_t now_us = loop_now_us(s->web->env.loop);

	for (struct sio_session *e = s->sessions, *next; e; e = next) {
		next = e->next;
		if (now_us - e->heard_us >
		            (SOCKETIO_PING_MS + SOCKETIO_SILENT_MS) * INT64_C(1000) ||
		    !web_is_still(s->web, &e->who)) {
			socketio_session_free(e);
		} else if (now_us - e->pinged_us >= SOCKETIO_PING_MS * INT64_C(1000)) {
			e->pinged_us = now_us;
			send_packet(e, "2", 1);
		}
	}
	for (size_t i = 0; i < s->n_rigs; i++) {
		if (s->rigs[i]->done && s->rigs[i]->until_us <= now_us)
			end_order(s->rigs[i], -ETIMEDOUT, "The rig has not answered in time.");
	}
}

/* ---- showing ---- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *t = json_string_value(json_object_get(o, key));

	return t ? t : "";
}

/* As far as the original tells: its words for the printer's state are Bambu's. */
static json_t *printer_json(const struct sio_rig *r)
{
	static const struct {
		const char *word, *activity;
	} words[] = { { "RUNNING", "printing" }, { "PAUSE", "paused" },  { "PREPARE", "preparing" },
		      { "FINISH", "finished" },  { "FAILED", "failed" }, { "IDLE", "idle" } };
	const char *state = text_of(r->status, "gcode_status"), *activity = "unknown";

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (text_equal(words[i].word, state))
			activity = words[i].activity;
	}
	return json_pack("{s:s, s:s, s:s, s:{s:o, s:O?, s:O?, s:O?, s:O?}, s:{s:O?}, s:O?}", "id",
	                 "printer", "name", "Printer", "activity", activity, "job", "name",
	                 json_text(text_of(r->status, "file_name")), "percent",
	                 json_object_get(r->status, "percentage"), "remaining_min",
	                 json_object_get(r->status, "remaining_time"), "layer",
	                 json_object_get(r->status, "current_layer"), "layers",
	                 json_object_get(r->status, "total_layers"), "bed", "now_c",
	                 json_object_get(r->status, "bed_temperature"), "status", r->status);
}

static json_t *sessions_json(const struct sio_rig *r)
{
	const char *word = text_of(r->status, "status");
	bool is_on = json_is_true(json_object_get(r->status, "timelapse_status"));
	json_t *list = json_array();

	if (is_on || text_equal(word, "active") || text_equal(word, "paused"))
		json_array_append_new(list,
		                      json_pack("{s:s, s:s, s:i}", "printer", "printer", "state",
		                                text_equal(word, "paused") ? "paused" : "recording",
		                                "n_frames", 0));
	return list;
}

static json_t *rig_json_of(const struct socketio *s, const struct sio_rig *r)
{
	const struct sio_session *e = session_of(s, r);
	json_t *j = json_pack("{s:s, s:o, s:s, s:s, s:b, s:s, s:o, s:n, s:s, s:o, s:i, s:n, s:n}",
	                      "id", r->id, "name", json_text(r->name), "version", "Socket.IO",
	                      "address", "", "is_online", (int)(e != NULL), "text", "", "since_at",
	                      json_time(r->since_wall_ms), "paired_at", "made_by", "", "seen_at",
	                      json_time(r->seen_wall_ms), "n_news", 0, "clock_offset_ms", "rtt_ms");
	json_t *pictures = json_array();

	if (r->picture)
		json_array_append_new(pictures, json_pack("{s:s, s:o}", "camera", "camera", "at",
		                                          json_time(r->picture_wall_ms)));
	json_object_set_new(j, "status_delay_s", json_integer(s->status_s));
	json_object_set_new(j, "climate_delay_s", json_integer(s->climate_s));
	json_object_set_new(j, "image_delay_s", json_integer(s->image_s));
	json_object_set_new(j, "pictures", pictures);
	json_object_set_new(j, "printers", json_pack("[o]", printer_json(r)));
	json_object_set_new(j, "cameras", json_array());
	json_object_set_new(j, "sessions", sessions_json(r));
	json_object_set_new(j, "climate", json_array());
	return j;
}

void socketio_list(const struct socketio *s, json_t *rigs)
{
	for (size_t i = 0; s && i < s->n_rigs; i++)
		json_array_append_new(rigs, rig_json_of(s, s->rigs[i]));
}

json_t *socketio_rig(const struct socketio *s, const char *id)
{
	const struct sio_rig *r = s ? find_rig(s, id) : NULL;

	return r ? rig_json_of(s, r) : NULL;
}

struct http_bytes *socketio_picture(const struct socketio *s, const char *id,
                                    int64_t *ret_at_wall_ms)
{
	const struct sio_rig *r = s ? find_rig(s, id) : NULL;

	if (!r || !r->picture)
		return NULL;
	*ret_at_wall_ms = r->picture_wall_ms;
	return http_bytes_ref(r->picture);
}

/* ---- orders ---- */

/* The original's word for it; NULL: it has none. */
static const char *action_of(const json_t *body)
{
	static const struct {
		const char *what, *word, *action;
	} actions[] = {
		{ "session", "start", "timelapse_start" },
		{ "session", "stop", "timelapse_stop" },
		{ "printer", "pause", "pause" },
		{ "printer", "resume", "resume" },
		{ "printer", "stop", "stop" },
		{ "printer", "home", "home" },
		{ "printer", "gcode", "run_gcode" },
	};
	const char *what = text_of(body, "what");
	const char *word = text_of(body, strcmp(what, "printer") == 0 ? "command" : "order");

	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (text_equal(what, actions[i].what) && text_equal(word, actions[i].word))
			return actions[i].action;
	}
	return NULL;
}

void socketio_order(struct socketio *s, const char *id, const json_t *body,
                    void (*done)(void *arg, int rc, const char *text), void *arg)
{
	struct sio_rig *r = find_rig(s, id);
	struct sio_session *e = r ? session_of(s, r) : NULL;
	const char *action = action_of(body);
	json_t *j;

	if (!e || !action || r->done) {
		done(arg, !e ? -ENOTCONN : -EPERM,
		     !e        ? "The rig is away: it takes orders only while it is connected."
		     : !action ? "Rigs of the original program do not know this order."
		               : "An order is under way.");
		return;
	}
	r->done = done;
	r->done_arg = arg;
	r->until_us = loop_now_us(s->web->env.loop) + ORDER_US;
	TEXT_SET(r->action, action);
	j = json_pack("{s:s}", "action", action);
	if (text_equal(action, "run_gcode"))
		json_object_set_new(j, "gcode", json_string(text_of(body, "gcode")));
	send_event(e, "printerAction", j);
	json_decref(j);
}

static void set_delay(const json_t *body, const char *name, int64_t *ret)
{
	double v = json_number_value(json_object_get(body, name));

	if (v >= 1)
		*ret = (int64_t)(v + 0.5);
}

void socketio_set_delays(struct socketio *s, const json_t *body)
{
	set_delay(body, "image_delay_s", &s->image_s);
	set_delay(body, "climate_delay_s", &s->climate_s);
	set_delay(body, "status_delay_s", &s->status_s);
	for (struct sio_session *e = s->sessions; e; e = e->next) {
		if (e->is_connected)
			send_delays(e);
	}
}

/* ---- life ---- */

struct socketio *socketio_new(struct web *w)
{
	struct socketio *s = MEM_NEW(struct socketio);

	s->web = w;
	s->image_s = s->climate_s = s->status_s = 10;
	timer_init(&s->beat, w->env.loop, beat, s);
	timer_start_every(&s->beat, 1000);
	return s;
}

void socketio_free(struct socketio *s)
{
	if (!s)
		return;
	timer_stop(&s->beat);
	for (size_t i = 0; i < s->n_rigs; i++)
		end_order(s->rigs[i], -ESHUTDOWN, "Bedside is ending; ask again when it is back.");
	for (struct sio_session *e = s->sessions, *next; e; e = next) {
		next = e->next;
		send_event(e, "server_shutdown", NULL);
		socketio_session_free(e);
	}
	for (size_t i = 0; i < s->n_rigs; i++) {
		json_decref(s->rigs[i]->status);
		http_bytes_unref(s->rigs[i]->picture);
		free(s->rigs[i]);
	}
	free(s);
}
