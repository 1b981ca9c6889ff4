/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/rig_message.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/json.h"
#include "model/names.h"
#include "store/repo_outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_HEAD 1024
#define MAX_NUMBER INT64_C(1000000000000000) /* of anything: 2^53 is larger */

static const char *const words[] = {
	[RIG_HELLO] = "hello", [RIG_STATE] = "state",     [RIG_NEWS] = "news",
	[RIG_PONG] = "pong",   [RIG_WELCOME] = "welcome", [RIG_ACK] = "ack",
	[RIG_PING] = "ping",   [RIG_ORDER] = "order",     [RIG_DELAYS] = "delays",
	[RIG_WATCH] = "watch", [RIG_SEEN] = "seen",       [RIG_BYE] = "bye",
};

/* ---- members ---- */

struct reading {
	const json_t *from;
	struct err *err;
	int rc;
};

static void fail(struct reading *r, const char *key)
{
	if (r->rc == 0)
		r->rc = err_set(r->err, -EPROTO, "its message has no good member '%s'", key);
}

static void read_text(struct reading *r, const char *key, char *dst, size_t size)
{
	const char *t = json_string_value(json_object_get(r->from, key));

	if (!t || !text_copy(dst, size, t))
		fail(r, key);
}

static int64_t read_number(struct reading *r, const char *key, int64_t max)
{
	const json_t *v = json_object_get(r->from, key);
	int64_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > max) {
		fail(r, key);
		return 0;
	}
	return n;
}

static bool read_bool(struct reading *r, const char *key)
{
	const json_t *v = json_object_get(r->from, key);

	if (!json_is_boolean(v))
		fail(r, key);
	return json_is_true(v);
}

static void read_id(struct reading *r, const char *key, char dst[ID_SIZE])
{
	read_text(r, key, dst, ID_SIZE);
	if (r->rc == 0 && !id_is_valid(dst))
		fail(r, key);
}

static void read_delays(struct reading *r, struct rig_delays *ret)
{
	const struct reading outer = *r;

	r->from = json_object_get(outer.from, "delays");
	ret->status_ms = read_number(r, "status_ms", RIG_MAX_DELAY_MS);
	ret->climate_ms = read_number(r, "climate_ms", RIG_MAX_DELAY_MS);
	ret->image_ms = read_number(r, "image_ms", RIG_MAX_DELAY_MS);
	r->from = outer.from;
}

static const json_t *read_body(struct reading *r, const char *key)
{
	const json_t *v = json_object_get(r->from, key);

	if (!json_is_object(v))
		fail(r, key);
	return v;
}

static void read_one_news(struct reading *r, struct news *n)
{
	json_t *body;

	n->number = read_number(r, "n", MAX_NUMBER);
	n->at_wall_ms = read_number(r, "at", MAX_NUMBER);
	read_text(r, "kind", n->kind, sizeof(n->kind));
	if (n->kind[strspn(n->kind, "abcdefghijklmnopqrstuvwxyz_")] != '\0')
		fail(r, "kind");
	read_text(r, "ref", n->ref, sizeof(n->ref));
	body = json_object_get(r->from, "body");
	if (!json_is_object(body))
		fail(r, "body");
	else
		n->body = json_dumps(body, JSON_COMPACT | JSON_SHORT_REALS);
	if (!n->body || strlen(n->body) > REPO_NEWS_MAX_BODY)
		fail(r, "body");
}

static void read_news(struct reading *r, struct rig_message *m)
{
	const json_t *whole = r->from, *list = json_object_get(whole, "list");
	size_t n = json_array_size(list);
	int64_t last = 0;

	read_id(r, "stream", m->stream);
	if (!json_is_array(list) || n > RIG_MAX_NEWS)
		fail(r, "list");
	if (r->rc < 0)
		return;
	m->news = mem_new_array(n + 1, sizeof(*m->news));
	for (size_t i = 0; i < n && r->rc == 0; i++) {
		r->from = json_array_get(list, i);
		read_one_news(r, &m->news[m->n_news++]);
		if (m->news[i].number <= last)
			fail(r, "n");
		last = m->news[i].number;
	}
	r->from = whole;
}

static void read_rigs(struct reading *r, struct rig_message *m)
{
	switch (m->word) {
	case RIG_HELLO:
		m->protocol = read_number(r, "v", 1000);
		read_text(r, "version", m->version, sizeof(m->version));
		read_id(r, "stream", m->stream);
		read_id(r, "run", m->run);
		m->number = read_number(r, "next", MAX_NUMBER);
		m->now_ms = read_number(r, "now", MAX_NUMBER);
		break;
	case RIG_STATE:
		m->body = read_body(r, "state");
		break;
	case RIG_NEWS:
		read_news(r, m);
		break;
	case RIG_PONG:
		m->hub_ms = read_number(r, "m", MAX_NUMBER);
		m->now_ms = read_number(r, "now", MAX_NUMBER);
		break;
	default:
		break;
	}
}

static void read_order(struct reading *r, struct rig_message *m)
{
	read_id(r, "id", m->id);
	read_text(r, "what", m->what, sizeof(m->what));
	read_text(r, "subject", m->subject, sizeof(m->subject));
	m->limit_ms = read_number(r, "limit_ms", RIG_MAX_DELAY_MS);
	m->hub_ms = read_number(r, "m", MAX_NUMBER);
	m->body = read_body(r, "body");
}

static void read_hubs(struct reading *r, struct rig_message *m)
{
	switch (m->word) {
	case RIG_WELCOME:
		m->protocol = read_number(r, "v", 1000);
		m->number = read_number(r, "have", MAX_NUMBER);
		m->hub_ms = read_number(r, "m", MAX_NUMBER);
		read_text(r, "name", m->text, sizeof(m->text));
		read_delays(r, &m->delays);
		break;
	case RIG_ACK:
		m->number = read_number(r, "n", MAX_NUMBER);
		break;
	case RIG_PING:
		m->hub_ms = read_number(r, "m", MAX_NUMBER);
		break;
	case RIG_ORDER:
		read_order(r, m);
		break;
	case RIG_DELAYS:
		read_delays(r, &m->delays);
		break;
	case RIG_WATCH:
		m->is_on = read_bool(r, "on");
		read_text(r, "camera", m->subject, sizeof(m->subject));
		break;
	case RIG_SEEN:
		read_text(r, "camera", m->subject, sizeof(m->subject));
		break;
	case RIG_BYE:
		m->is_on = read_bool(r, "for_good");
		read_text(r, "text", m->text, sizeof(m->text));
		break;
	default:
		break;
	}
}

int rig_message_read(const char *text, size_t size, struct rig_message *ret, struct err *err)
{
	struct reading r = { .err = err };
	json_error_t why;
	int word;

	*ret = (struct rig_message){ 0 };
	if (size > RIG_MAX_TEXT)
		return err_set(err, -EPROTO, "its message is too large");
	ret->json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(ret->json))
		return err_set(err, -EPROTO, "its message is no JSON object");
	r.from = ret->json;
	word = name_find(words, ARRAY_LEN(words), json_string_value(json_object_get(r.from, "t")));
	if (word < 0)
		return err_set(err, -EPROTO, "its message has a type that is not known here");
	ret->word = (enum rig_word)word;
	if (ret->word <= RIG_PONG)
		read_rigs(&r, ret);
	else
		read_hubs(&r, ret);
	return r.rc;
}

void rig_message_fini(struct rig_message *m)
{
	json_decref(m->json);
	news_free(m->news, m->n_news);
	*m = (struct rig_message){ 0 };
}

/* ---- writing ---- */

static json_t *delays_json(const struct rig_delays *d)
{
	return json_pack("{s:I, s:I, s:I}", "status_ms", (json_int_t)d->status_ms, "climate_ms",
	                 (json_int_t)d->climate_ms, "image_ms", (json_int_t)d->image_ms);
}

static json_t *rigs_json(const struct rig_message *m)
{
	switch (m->word) {
	case RIG_HELLO:
		return json_pack("{s:I, s:o, s:s, s:s, s:I, s:I}", "v", (json_int_t)m->protocol,
		                 "version", json_text(m->version), "stream", m->stream, "run",
		                 m->run, "next", (json_int_t)m->number, "now",
		                 (json_int_t)m->now_ms);
	case RIG_STATE:
		return json_pack("{s:O}", "state", m->body);
	case RIG_PONG:
		return json_pack("{s:I, s:I}", "m", (json_int_t)m->hub_ms, "now",
		                 (json_int_t)m->now_ms);
	default:
		return json_object();
	}
}

static json_t *hubs_json(const struct rig_message *m)
{
	switch (m->word) {
	case RIG_WELCOME:
		return json_pack("{s:I, s:I, s:I, s:o, s:o}", "v", (json_int_t)m->protocol, "have",
		                 (json_int_t)m->number, "m", (json_int_t)m->hub_ms, "name",
		                 json_text(m->text), "delays", delays_json(&m->delays));
	case RIG_ACK:
		return json_pack("{s:I}", "n", (json_int_t)m->number);
	case RIG_PING:
		return json_pack("{s:I}", "m", (json_int_t)m->hub_ms);
	case RIG_ORDER:
		return json_pack("{s:s, s:o, s:o, s:I, s:I, s:O}", "id", m->id, "what",
		                 json_text(m->what), "subject", json_text(m->subject), "limit_ms",
		                 (json_int_t)m->limit_ms, "m", (json_int_t)m->hub_ms, "body",
		                 m->body);
	case RIG_DELAYS:
		return json_pack("{s:o}", "delays", delays_json(&m->delays));
	case RIG_WATCH:
		return json_pack("{s:o, s:b}", "camera", json_text(m->subject), "on",
		                 (int)m->is_on);
	case RIG_SEEN:
		return json_pack("{s:o}", "camera", json_text(m->subject));
	case RIG_BYE:
		return json_pack("{s:b, s:o}", "for_good", (int)m->is_on, "text",
		                 json_text(m->text));
	default:
		return json_object();
	}
}

/* Bodies are JSON already: they are put in as they lie in the outbox. */
static void write_news(const struct rig_message *m, struct buf *out)
{
	buf_printf(out, "{\"t\":\"news\",\"stream\":\"%s\",\"list\":[", m->stream);
	for (size_t i = 0; i < m->n_news; i++) {
		const struct news *n = &m->news[i];
		json_t *ref = json_text(n->ref);
		char *quoted = json_dumps(ref, JSON_ENCODE_ANY);

		buf_printf(out, "%s{\"n\":%lld,\"at\":%lld,\"kind\":\"%s\",\"ref\":%s,\"body\":",
		           i ? "," : "", (long long)n->number, (long long)MAX(n->at_wall_ms, 0),
		           n->kind, quoted);
		buf_add_str(out, n->body);
		buf_add_char(out, '}');
		free(quoted);
		json_decref(ref);
	}
	buf_add_str(out, "]}");
}

void rig_message_write(const struct rig_message *m, struct buf *out)
{
	json_t *j;
	char *text;

	if (m->word == RIG_NEWS) {
		write_news(m, out);
		return;
	}
	j = m->word <= RIG_PONG ? rigs_json(m) : hubs_json(m);
	json_object_set_new(j, "t", json_string(words[m->word]));
	text = json_dumps(j, JSON_COMPACT | JSON_SHORT_REALS);
	json_decref(j);
	if (text)
		buf_add_str(out, text);
	free(text);
}

/* ---- pictures ---- */

int rig_picture_read(const uint8_t *bytes, size_t size, struct rig_picture *ret, struct err *err)
{
	struct reading r = { .err = err };
	size_t n_head = size >= 2 ? (size_t)bytes[0] << 8 | bytes[1] : 0;
	json_t *head;

	*ret = (struct rig_picture){ 0 };
	if (n_head == 0 || n_head > MAX_HEAD || n_head + 2 >= size || size > RIG_MAX_PICTURE)
		return err_set(err, -EPROTO, "its picture has no good head");
	head = json_loadb((const char *)bytes + 2, n_head, JSON_REJECT_DUPLICATES, NULL);
	r.from = head;
	read_text(&r, "camera", ret->camera, sizeof(ret->camera));
	ret->at_wall_ms = read_number(&r, "at", MAX_NUMBER);
	ret->is_live = read_bool(&r, "live");
	ret->jpeg = bytes + 2 + n_head;
	ret->size = size - 2 - n_head;
	json_decref(head);
	return r.rc;
}

void rig_picture_write_head(const struct rig_picture *p, struct buf *out)
{
	json_t *j = json_pack("{s:o, s:I, s:b}", "camera", json_text(p->camera), "at",
	                      (json_int_t)MAX(p->at_wall_ms, 0), "live", (int)p->is_live);
	char *text = json_dumps(j, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0;

	buf_add_char(out, (char)(n >> 8));
	buf_add_char(out, (char)n);
	buf_add(out, text, n);
	free(text);
	json_decref(j);
}
