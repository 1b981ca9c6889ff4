/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/control.h"

#include "app/adopt.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "capture/captures.h"
#include "capture/plan.h"
#include "capture/sessions.h"
#include "core/log.h"
#include "fleet/climates.h"
#include "fleet/hub.h"
#include "fleet/panel.h"
#include "fleet/rig.h"
#include "model/json.h"
#include "printers/printer.h"
#include "wire/local.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_LIMIT_MS 10000

struct control {
	struct control_env env;
	struct local_server *server;
};

static json_t *failure(const char *text)
{
	return json_pack("{s:o}", "error", json_text(text));
}

static json_t *status(struct control *c)
{
	json_t *list = json_array();
	struct printer *p;

	for (size_t i = 0; (p = printers_at(c->env.printers, i)); i++) {
		json_t *o = json_printer(printer_config(p), printer_state(p));

		json_object_set_new(
			o, "session",
			json_session(sessions_of(c->env.sessions, printer_config(p)->id)));
		json_array_append_new(list, o);
	}
	return json_pack("{s:o}", "printers", list);
}

#define MAX_LATENCY_MS 10000

/* {verb:"latency", camera, latency_ms}: as measured just now; lasts until the daemon ends. */
static json_t *set_latency(struct control *c, const json_t *question)
{
	const char *id = json_string_value(json_object_get(question, "camera"));
	json_int_t ms = json_integer_value(json_object_get(question, "latency_ms"));
	struct camera *cam = id ? cameras_find(c->env.cameras, id) : NULL;

	if (!cam)
		return failure("the daemon has no such camera");
	if (ms < 0 || ms > MAX_LATENCY_MS)
		return failure("a latency is from 0 to 10 s");
	camera_set_latency(cam, (int64_t)ms * 1000);
	return json_pack("{s:s, s:I}", "camera", id, "latency_ms", ms);
}

static json_t *order_session(struct control *c, const json_t *question)
{
	static const struct {
		const char *name;
		enum session_order order;
	} orders[] = {
		{ "start", SESSION_ORDER_START },     { "pause", SESSION_ORDER_PAUSE },
		{ "resume", SESSION_ORDER_RESUME },   { "stop", SESSION_ORDER_STOP },
		{ "discard", SESSION_ORDER_DISCARD }, { "shoot", SESSION_ORDER_SHOOT },
	};
	const char *name = json_string_value(json_object_get(question, "printer"));
	const char *order = json_string_value(json_object_get(question, "order"));
	char id[MODEL_ID_SIZE], text[240];
	struct err err = { 0 };

	text_slug(id, sizeof(id), name ? name : "");
	if (!name || !printers_find(c->env.printers, id)) {
		snprintf(text, sizeof(text), "there is no printer '%s'", name ? name : "");
		return failure(text);
	}
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		if (!text_equal(order, orders[i].name))
			continue;
		if (sessions_order(c->env.sessions, id, orders[i].order, &err) < 0)
			return failure(err.text);
		return json_pack("{s:o}", "session",
		                 json_session(sessions_of(c->env.sessions, id)));
	}
	return failure("the order must be start, pause, resume, stop, discard or shoot");
}

/* {verb:"capture", what:"plan"|"run"|"cancel"|"status", printer} */
static json_t *capture(struct control *c, const json_t *question)
{
	const char *name = json_string_value(json_object_get(question, "printer"));
	const char *what = json_string_value(json_object_get(question, "what"));
	struct captures *cs = c->env.captures;
	char id[MODEL_ID_SIZE], text[240];
	struct err err = { 0 };
	int rc = 0;

	text_slug(id, sizeof(id), name ? name : "");
	if (!name || !cs || !captures_plan(cs, id)) {
		snprintf(text, sizeof(text), "there is no printer '%s'", name ? name : "");
		return failure(text);
	}
	if (text_equal(what, "plan"))
		return json_pack("{s:o, s:o}", "plan", capture_plan_json(captures_plan(cs, id)),
		                 "preview", captures_preview(cs, id, NULL, -1));
	if (text_equal(what, "run"))
		rc = captures_order(cs, id, CAPTURE_BY_ORDER, &err);
	else if (text_equal(what, "cancel"))
		rc = captures_cancel(cs, id, &err);
	if (rc < 0)
		return failure(err.text);
	return json_pack("{s:o}", "capture", captures_status(cs, id));
}

/* ---- a file is started ---- */

static void reply(struct local_call *call, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT | JSON_SHORT_REALS);

	local_answer(call, text);
	free(text);
	json_decref(answer);
}

static void started(void *arg, enum printer_answer a, const char *reason)
{
	reply(arg, json_pack("{s:s, s:o}", "answer", printer_answer_name(a), "reason",
	                     json_text(reason ? reason : "")));
}

/* {verb:"print", printer, file, plate, trays:"auto"|"none"|"0,-1"}; the sentence if it cannot be. */
static const char *start_file(const struct control *c, const json_t *question,
                              struct local_call *call)
{
	const char *name = json_string_value(json_object_get(question, "printer"));
	const char *file = json_string_value(json_object_get(question, "file"));
	const char *trays = json_string_value(json_object_get(question, "trays"));
	struct printer_command cmd = { .kind = PRINTER_START_FILE, .levels_bed = true };
	char id[MODEL_ID_SIZE];
	struct printer *p;

	text_slug(id, sizeof(id), name ? name : "");
	p = printers_find(c->env.printers, id);
	if (!p)
		return "there is no such printer; 'bedside status' lists them";
	if (!file || !TEXT_SET(cmd.file, file))
		return "the name of the file is too long";
	cmd.plate = (int)json_integer_value(json_object_get(question, "plate"));
	cmd.records_timelapse = json_is_true(json_object_get(question, "timelapse"));
	cmd.uses_ams = !text_equal(trays, "none");
	if (trays && cmd.uses_ams && !text_equal(trays, "auto") &&
	    !printer_command_read_trays(&cmd, trays))
		return "trays are auto, none, or numbers with commas, as in 0,3,-1 (-1: not used)";
	log_info(NULL, "printer %s: asked to print %s", id, cmd.file);
	printer_send(p, &cmd, started, call);
	return NULL;
}

/* {verb:"panel", clicks?, press?: false lets go} */
static json_t *panel(struct control *c, const json_t *question)
{
	json_int_t clicks = json_integer_value(json_object_get(question, "clicks"));
	const json_t *press = json_object_get(question, "press");
	json_t *places = json_array();
	const struct climate_place *p;
	struct err err = { 0 };

	if ((clicks > 0 &&
	     panel_click(c->env.panel, (unsigned)MIN(clicks, (json_int_t)99), &err) < 0) ||
	    (press && panel_press(c->env.panel, json_is_true(press), &err) < 0)) {
		json_decref(places);
		return failure(err.text);
	}
	for (size_t i = 0; c->env.climates && (p = climates_at(c->env.climates, i)); i++) {
		json_t *o = json_climate(&p->newest);

		json_object_set_new(o, "is_stale",
		                    json_boolean(climates_is_stale(c->env.climates, p)));
		json_object_set_new(o, "text", json_text(p->trouble));
		json_array_append_new(places, o);
	}
	return json_pack("{s:o, s:o}", "panel",
	                 c->env.panel ? json_rig(panel_status(c->env.panel)) : json_null(),
	                 "climate", places);
}

static void is_reloaded(void *arg, const struct err *err)
{
	reply(arg, err ? failure(err->text) : json_object());
}

/* {verb:"rig", what:"status"|"reload"|"rigs"}; NULL: answered later. */
static json_t *rig(struct control *c, const json_t *question, struct local_call *call)
{
	const char *what = json_string_value(json_object_get(question, "what"));
	const struct rig_record *r;
	json_t *list;

	if (text_equal(what, "reload")) {
		c->env.reload_hub(c->env.arg, is_reloaded, call);
		return NULL;
	}
	if (text_equal(what, "rigs")) {
		list = json_array();
		for (size_t i = 0; (r = hub_at(c->env.hub, i)); i++)
			json_array_append_new(list, hub_rig_json(c->env.hub, r->id, true));
		return json_pack("{s:o}", "rigs", list);
	}
	return json_pack("{s:o}", "rig", rig_json(c->env.rig));
}

static void asked(void *arg, struct local_call *call, const char *line)
{
	struct control *c = arg;
	json_t *question = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	const char *verb = json_string_value(json_object_get(question, "verb"));
	const char *why = NULL;
	json_t *answer = NULL;

	if (text_equal(verb, "print"))
		why = start_file(c, question, call);
	else if (text_equal(verb, "status"))
		answer = status(c);
	else if (text_equal(verb, "latency"))
		answer = set_latency(c, question);
	else if (text_equal(verb, "session"))
		answer = order_session(c, question);
	else if (text_equal(verb, "capture"))
		answer = capture(c, question);
	else if (text_equal(verb, "panel"))
		answer = panel(c, question);
	else if (text_equal(verb, "add_printer") && c->env.hooks)
		adopt_asked(c->env.hooks, question, call);
	else if (text_equal(verb, "rig"))
		answer = rig(c, question, call);
	else
		why = "this daemon does not know that question; is it of another version?";
	if (why)
		answer = failure(why);
	if (answer)
		reply(call, answer);
	json_decref(question);
}

static void socket_path(char *dst, size_t size, const char *data_dir)
{
	snprintf(dst, size, "%s/control", data_dir);
}

int control_new(const struct control_env *env, struct control **ret, struct err *err)
{
	struct control *c = MEM_NEW(struct control);
	char path[1100];

	c->env = *env;
	socket_path(path, sizeof(path), env->data_dir);

	int rc = local_server_new(env->loop, path, asked, c, &c->server, err);

	if (rc < 0) {
		free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	local_server_free(c->server);
	free(c);
}

json_t *control_ask(const char *data_dir, json_t *question, struct err *err)
{
	return control_ask_for(data_dir, question, ASK_LIMIT_MS, err);
}

json_t *control_ask_for(const char *data_dir, json_t *question, int limit_ms, struct err *err)
{
	char path[1100];
	char *line = json_dumps(question, JSON_COMPACT | JSON_SHORT_REALS);
	auto_buf struct buf b = { 0 };

	socket_path(path, sizeof(path), data_dir);

	int rc = local_ask(path, line, limit_ms, &b, err);

	free(line);
	json_decref(question);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		err_set(err, rc,
		        "no Bedside runs on the data folder %s; start it, or name another with "
		        "--data",
		        data_dir);
	if (rc < 0)
		return NULL;

	json_t *answer = json_loads(buf_peek(&b), 0, NULL);
	const char *text = json_string_value(json_object_get(answer, "error"));

	if (answer && !text)
		return answer;
	err_set(err, -EREMOTEIO, "%s", text ? text : "the daemon's answer is not understood");
	json_decref(answer);
	return NULL;
}
