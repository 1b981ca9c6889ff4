/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rig and hub on simulated time, over a stream in memory that is cut, delayed and silenced. */

#include "fleet/rig.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/loop.h"
#include "fleet/hub.h"
#include "fleet/rig_message.h"
#include "model/event.h"
#include "store/repo.h"
#include "store/repo_rig.h"
#include "store/store.h"
#include "wire/http_parse.h"
#include "wire/stream.h"
#include "wire/ws_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WALL_MS 1795257605000
#define NEVER SIZE_MAX

struct world;

/* One connection of the hub's side: as much of a WebSocket server as is needed. */
struct door {
	struct world *world;
	struct stream *stream; /* NULL: over */
	struct buf in, message;
	struct hub_link *link;
	bool is_open;
	size_t got, given; /* bytes from and to the rig */
	size_t cut_got, cut_given;
	struct door *next;
};

struct world {
	struct loop *loop;
	struct bus *rig_bus, *hub_bus;
	struct store *rig_store, *hub_store;
	char rig_dir[200], hub_dir[200];
	struct rig *rig;
	struct hub *hub;
	struct door *doors;
	struct rig_config config;
	char id[ID_SIZE], key[HUB_KEY_SIZE];
	int rc;
	int64_t latency_ms;
	size_t cut_got, cut_given; /* of the next connection */
	bool is_down;
	unsigned n_connects, n_orders, n_answers, n_watches, n_seen, n_notices, n_glances;
	int answer_rc;
	bool is_mute; /* the house does not answer orders */
	bool drops_acks;
	bool is_dumb; /* the hub opens the door and says nothing */
	int state;
	char last_order[ID_SIZE];
	struct bus_listener listener;
};

/* ---- the door ---- */

static void door_end(struct door *d)
{
	struct hub_link *l = d->link;

	d->link = NULL;
	hub_link_closed(l);
	stream_free(d->stream);
	d->stream = NULL;
}

static void door_write(struct door *d, const void *bytes, size_t size)
{
	size_t room = d->cut_given - MIN(d->given, d->cut_given);

	if (!d->stream)
		return;
	stream_write(d->stream, bytes, MIN(size, room));
	d->given += size;
}

static void wire_text(void *arg, const char *text, size_t size)
{
	struct door *d = arg;
	uint8_t head[WS_HEAD_MAX];

	if (d->world->drops_acks && strstr(text, "\"ack\""))
		return;
	door_write(d, head, ws_write_head(head, WS_TEXT, size));
	door_write(d, text, size);
}

static void wire_end(void *arg)
{
	struct door *d = arg;

	d->link = NULL;
	if (d->stream)
		stream_end(d->stream);
}

static void door_open(struct door *d)
{
	const struct hub_wire wire = { .text = wire_text, .end = wire_end, .arg = d };
	char *key = strstr(d->in.data, "Sec-WebSocket-Key: "), *end;
	char *bearer = strstr(d->in.data, "Authorization: Bearer "), shown[64];
	const struct rig_record *rig;
	char accept[WS_ACCEPT_SIZE], answer[256];

	CHECK(key && bearer);
	CHECK(text_starts(d->in.data, "GET /below/" RIG_PATH " HTTP/1.1\r\n"));
	(void)text_copy_n(shown, sizeof(shown), bearer + 22, strcspn(bearer + 22, "\r"));
	key += 19;
	end = strchr(key, '\r');
	*end = '\0';
	ws_accept_key(accept, key);
	rig = hub_find_key(d->world->hub, shown);
	(void)snprintf(answer, sizeof(answer),
	               rig ? "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	                     "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
	                   : "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n%.0s",
	               accept);
	buf_clear(&d->in);
	d->is_open = true;
	door_write(d, answer, strlen(answer));
	if (rig && !d->world->is_dumb)
		d->link = hub_link_open(d->world->hub, rig, "192.0.2.7", &wire);
}

static bool door_frame(struct door *d)
{
	struct ws_frame f;
	int n = ws_parse_head((const uint8_t *)d->in.data, d->in.size, &f);
	uint8_t *payload;

	CHECK(n >= 0);
	if (n == 0 || d->in.size < (size_t)n + f.size)
		return false;
	payload = (uint8_t *)d->in.data + n;
	ws_unmask(payload, (size_t)f.size, f.mask);
	buf_clear(&d->message);
	buf_add(&d->message, payload, (size_t)f.size);
	buf_consume(&d->in, (size_t)n + (size_t)f.size);
	if (f.opcode == WS_TEXT && d->link)
		hub_link_text(d->link, buf_peek(&d->message), d->message.size);
	else if (f.opcode == WS_BINARY && d->link)
		hub_link_picture(d->link, (const uint8_t *)d->message.data, d->message.size);
	else if (f.opcode == WS_PING)
		door_write(d, "\x8a\x00", 2);
	return d->stream != NULL;
}

static void door_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct door *d = arg;
	size_t room = d->cut_got - MIN(d->got, d->cut_got);

	buf_add(&d->in, bytes, MIN(size, room));
	d->got += size;
	if (!d->is_open && d->in.data && strstr(d->in.data, "\r\n\r\n"))
		door_open(d);
	while (d->is_open && d->stream && door_frame(d))
		continue;
	if (d->stream && (d->got >= d->cut_got || d->given >= d->cut_given))
		door_end(d);
}

static void door_closed(void *arg, const struct err *err)
{
	(void)err;
	door_end(arg);
}

static struct stream *connect_to(void *arg)
{
	struct world *w = arg;
	struct door *d = MEM_NEW(struct door);
	struct stream *a, *b;
	const struct stream_events e = { .received = door_received,
		                         .closed = door_closed,
		                         .arg = d };

	stream_pair(w->loop, w->latency_ms, &a, &b);
	w->n_connects++;
	*d = (struct door){
		.world = w, .next = w->doors, .cut_got = w->cut_got, .cut_given = w->cut_given
	};
	buf_init(&d->in, 0);
	buf_init(&d->message, 0);
	w->doors = d;
	if (w->is_down) {
		stream_free(b);
		return a;
	}
	d->stream = b;
	stream_listen(b, &e);
	return a;
}

/* ---- the rig's house ---- */

static json_t *house_state(void *arg)
{
	struct world *w = arg;

	return json_pack("{s:[{s:s, s:i}]}", "printers", "id", "a1", "n", w->state);
}

static void house_order(void *arg, const char *id, const char *what, const char *subject,
                        const json_t *body)
{
	struct world *w = arg;

	CHECK_STR(what, "session");
	CHECK_STR(subject, "a1");
	CHECK(json_object_get(body, "order"));
	w->n_orders++;
	TEXT_SET(w->last_order, id);
	if (!w->is_mute)
		rig_ordered(w->rig, id, true, "recording");
}

static void house_glance(void *arg)
{
	struct world *w = arg;

	w->n_glances++;
}

static void house_watch(void *arg, const char *camera, bool is_on)
{
	struct world *w = arg;

	if (*camera)
		w->n_watches += is_on ? 1 : 100;
}

static void house_seen(void *arg, const char *camera)
{
	struct world *w = arg;

	CHECK_STR(camera, "front");
	w->n_seen++;
}

/* ---- the world ---- */

static void start_rig(struct world *w)
{
	const struct rig_env env = {
		.loop = w->loop,
		.bus = w->rig_bus,
		.store = w->rig_store,
		.data_dir = w->rig_dir,
		.house = { .state = house_state,
		           .order = house_order,
		           .glance = house_glance,
		           .watch = house_watch,
		           .seen = house_seen,
		           .arg = w },
		.connect = connect_to,
		.connect_arg = w,
	};

	w->rig = rig_new(&env);
}

static void start_hub(struct world *w)
{
	const struct hub_env env = {
		.loop = w->loop, .bus = w->hub_bus, .store = w->hub_store, .name = "the hub"
	};

	CHECK_INT(hub_new(&env, &w->hub, NULL), 0);
}

static void is_paired(void *arg, int rc, const struct err *err, const struct rig_record *rig,
                      const char *key)
{
	struct world *w = arg;

	(void)err;
	w->rc = rc;
	if (rc < 0)
		return;
	TEXT_SET(w->id, rig->id);
	TEXT_SET(w->key, key);
}

static void pair(struct world *w, const char *name)
{
	char code[HUB_CODE_SIZE];

	CHECK_INT(hub_code_make(w->hub, "Ada", code, NULL), 0);
	hub_pair(w->hub, code, name, is_paired, w);
	loop_advance(w->loop, 1);
}

static void heard(void *arg, const struct bus_event *e)
{
	struct world *w = arg;

	if (e->type == EVENT_NOTICE)
		w->n_notices++;
}

static void begin(struct world *w)
{
	*w = (struct world){ .cut_got = NEVER, .cut_given = NEVER, .latency_ms = 10 };
	w->loop = loop_new_simulated(WALL_MS);
	w->rig_bus = bus_new(w->loop);
	w->hub_bus = bus_new(w->loop);
	(void)snprintf(w->rig_dir, sizeof(w->rig_dir), "%s/rig", test_tmp_dir());
	(void)snprintf(w->hub_dir, sizeof(w->hub_dir), "%s/hub", test_tmp_dir());
	CHECK_INT(mkdir(w->rig_dir, 0700), 0);
	CHECK_INT(mkdir(w->hub_dir, 0700), 0);
	CHECK_INT(store_open(w->loop, w->rig_dir, &w->rig_store, NULL), 0);
	CHECK_INT(store_open(w->loop, w->hub_dir, &w->hub_store, NULL), 0);
	bus_listen(w->hub_bus, &w->listener, heard, w);
	start_hub(w);
	start_rig(w);
	pair(w, "Shed");
	CHECK_INT(w->rc, 0);
	TEXT_SET(w->config.url, "https://hub.example/below");
	secret_set(&w->config.key, w->key);
	w->config.delays = (struct rig_delays){ 10000, 10000, 10000 };
}

static void end(struct world *w)
{
	rig_free(w->rig);
	hub_free(w->hub);
	loop_advance(w->loop, 100000);
	for (struct door *d = w->doors, *next; d; d = next) {
		next = d->next;
		door_end(d);
		buf_fini(&d->in);
		buf_fini(&d->message);
		free(d);
	}
	loop_advance(w->loop, 1000);
	store_close(w->rig_store);
	store_close(w->hub_store);
	bus_unlisten(&w->listener);
	bus_free(w->rig_bus);
	bus_free(w->hub_bus);
	rig_config_fini(&w->config);
	loop_free(w->loop);
}

static enum rig_link link_of(const struct world *w)
{
	struct rig_report s;

	rig_report(w->rig, &s);
	return s.link;
}

static void tell(struct world *w, int from, int to)
{
	for (int i = from; i <= to; i++) {
		char ref[40];

		(void)snprintf(ref, sizeof(ref), "j/%d", i);
		rig_tell(w->rig, "layer", ref, json_pack("{s:i}", "number", i));
	}
}

struct counts {
	const char *rig;
	int64_t n_news, n_rows, waiting;
};

static int read_counts(struct db *db, void *arg, struct err *err)
{
	struct counts *c = arg;
	struct rig_record *list = NULL;
	struct rig_news *news = NULL;
	size_t n = 0, n_news = 0;
	int rc = repo_rig_list(db, &list, &n, err);

	if (rc == 0)
		rc = repo_rig_news(db, &(struct rig_news_page){ c->rig, "layer", 0, 10000 }, &news,
		                   &n_news, err);
	for (size_t i = 0; i < n; i++) {
		if (text_equal(list[i].id, c->rig))
			c->n_news = list[i].n_news;
	}
	c->n_rows = (int64_t)n_news;
	free(list);
	rig_news_free(news, n_news);
	return rc;
}

static int read_waiting(struct db *db, void *arg, struct err *err)
{
	struct outbox_state s;
	int rc = repo_outbox_state(db, &s, err);

	if (rc == 0)
		((struct counts *)arg)->waiting = s.n_waits;
	return rc;
}

/* All are there, each committed once, and the rig has forgotten them. */
static void check_kept(struct world *w, int64_t n)
{
	struct counts c = { .rig = w->id };

	CHECK_INT(store_call(w->hub_store, read_counts, &c, NULL), 0);
	CHECK_INT(store_call(w->rig_store, read_waiting, &c, NULL), 0);
	CHECK_INT(c.n_rows, n);
	CHECK_INT(c.n_news, n);
	CHECK_INT(c.waiting, 0);
}

/* ---- tests ---- */

TEST(a_rig_reports_and_its_news_are_kept_once)
{
	struct world w;
	json_t *j;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	tell(&w, 1, 20);
	loop_advance(w.loop, 3000);
	CHECK_INT(link_of(&w), RIG_LINK_ONLINE);
	CHECK(hub_is_online(w.hub, w.id));
	check_kept(&w, 20);
	j = hub_rig_json(w.hub, w.id, true);
	CHECK_INT(json_array_size(json_object_get(j, "printers")), 1);
	CHECK_STR(json_string_value(json_object_get(j, "name")), "Shed");
	CHECK_INT(json_integer_value(json_object_get(j, "rtt_ms")), 20);
	json_decref(j);
	end(&w);
}

static void press(struct world *w, enum button_order order)
{
	struct event_button *e = event_new_button();

	e->order = order;
	bus_publish(w->rig_bus, &e->head);
	loop_advance(w->loop, 1);
}

static void capture(struct world *w, bool is_news)
{
	struct event_capture *e = event_new_capture();

	e->is_news = is_news;
	bus_publish(w->rig_bus, &e->head);
	loop_advance(w->loop, 1);
}

TEST(what_was_photographed_is_shown_at_once)
{
	struct world w;
	unsigned n;

	begin(&w);
	press(&w, BUTTON_FRAME); /* there is no hub yet */
	CHECK_INT(w.n_glances, 0);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	n = w.n_glances;
	press(&w, BUTTON_FRAME); /* no frame comes of it while the session is paused */
	CHECK_INT(w.n_glances, n + 1);
	press(&w, BUTTON_PAUSE_RESUME);
	capture(&w, true);
	CHECK_INT(w.n_glances, n + 1);
	capture(&w, false);
	CHECK_INT(w.n_glances, n + 2);
	end(&w);
}

TEST(a_code_pairs_one_rig_once_and_names_are_their_own)
{
	struct world w;
	char code[HUB_CODE_SIZE], typed[16];

	begin(&w);
	CHECK_INT(hub_code_make(w.hub, "Ada", code, NULL), 0);
	hub_pair(w.hub, code, "shed", is_paired, &w);
	loop_advance(w.loop, 1);
	CHECK_INT(w.rc, -EEXIST);
	/* The code is still good for another name; as a person types it. */
	(void)snprintf(typed, sizeof(typed), "%.4s%s", code, code + 5);
	for (char *c = typed; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	hub_pair(w.hub, typed, "loft", is_paired, &w);
	loop_advance(w.loop, 1);
	CHECK_INT(w.rc, 0);
	hub_pair(w.hub, code, "cellar", is_paired, &w);
	loop_advance(w.loop, 1);
	CHECK_INT(w.rc, -EACCES);
	CHECK_INT(hub_code_make(w.hub, "Ada", code, NULL), 0);
	loop_advance(w.loop, HUB_CODE_MS + 1);
	hub_pair(w.hub, code, "cellar", is_paired, &w);
	loop_advance(w.loop, 1);
	CHECK_INT(w.rc, -EACCES);
	for (int i = 0; i < HUB_CODES_MAX; i++)
		CHECK_INT(hub_code_make(w.hub, "Ada", code, NULL), 0);
	CHECK_INT(hub_code_make(w.hub, "Ada", code, NULL), -EAGAIN);
	CHECK(!hub_find_key(w.hub, "") && !hub_find_key(w.hub, "rk"));
	CHECK(hub_find_key(w.hub, w.key));
	end(&w);
}

static void cut_everywhere(bool is_given, size_t from, size_t to, size_t step)
{
	struct world w;
	int n = 0;

	begin(&w);
	for (size_t at = from; at < to; at += step) {
		w.cut_got = is_given ? NEVER : at;
		w.cut_given = is_given ? at : NEVER;
		rig_set_hub(w.rig, &w.config);
		tell(&w, n + 1, n + 3);
		n += 3;
		loop_advance(w.loop, 400);
		w.cut_got = w.cut_given = NEVER;
		rig_set_hub(w.rig, &w.config);
		loop_advance(w.loop, 400);
		check_kept(&w, n);
	}
	end(&w);
}

TEST(a_link_cut_at_any_byte_loses_and_doubles_nothing)
{
	/* The greeting takes about 250 bytes each way; then hello, news and acknowledgements. */
	cut_everywhere(false, 1, 300, 29);
	cut_everywhere(false, 300, 1000, 1);
	cut_everywhere(true, 1, 130, 13);
	cut_everywhere(true, 130, 420, 1);
}

TEST(a_lost_acknowledgement_doubles_nothing)
{
	struct world w;

	begin(&w);
	w.drops_acks = true;
	rig_set_hub(w.rig, &w.config);
	tell(&w, 1, 10);
	loop_advance(w.loop, 1000);
	w.drops_acks = false;
	rig_set_hub(w.rig, &w.config);
	tell(&w, 11, 12);
	loop_advance(w.loop, 3000);
	check_kept(&w, 12);
	end(&w);
}

static int run_script(struct db *db, void *arg, struct err *err)
{
	return db_script(db, arg, err);
}

TEST(news_that_the_hub_could_not_keep_are_told_again_before_those_behind_them)
{
	static char refuse[] = "CREATE TRIGGER full BEFORE INSERT ON rig_news WHEN NEW.ref = 'j/3'"
			       " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END;";
	static char allow[] = "DROP TRIGGER full;";
	struct world w;

	begin(&w);
	CHECK_INT(store_call(w.hub_store, run_script, refuse, NULL), 0);
	rig_set_hub(w.rig, &w.config);
	tell(&w, 1, 1500); /* several messages, all under way at once */
	loop_advance(w.loop, 900);
	CHECK(w.n_connects > 0 && !hub_is_online(w.hub, w.id));
	CHECK_INT(store_call(w.hub_store, run_script, allow, NULL), 0);
	loop_advance(w.loop, 10000);
	check_kept(&w, 1500);
	end(&w);
}

TEST(a_hub_that_is_away_for_an_hour_gets_it_all_in_order)
{
	struct world w;
	struct rig_report s;

	begin(&w);
	w.is_down = true;
	w.latency_ms = 300;
	rig_set_hub(w.rig, &w.config);
	for (int i = 0; i < 60; i++) {
		tell(&w, i * 30 + 1, i * 30 + 30);
		loop_advance(w.loop, 60000);
	}
	rig_report(w.rig, &s);
	CHECK(s.link == RIG_LINK_WAITING || s.link == RIG_LINK_CONNECTING);
	CHECK(s.text[0]);
	/* It tries on, but not all the time. */
	CHECK(w.n_connects > 50 && w.n_connects < 120);
	w.is_down = false;
	loop_advance(w.loop, 120000);
	CHECK_INT(link_of(&w), RIG_LINK_ONLINE);
	check_kept(&w, 1800);
	end(&w);
}

TEST(a_rig_that_is_paired_anew_just_after_an_event_is_woken_by_the_next)
{
	struct world w;
	struct rig_report s;

	begin(&w);
	w.is_down = true;
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 20000);
	press(&w, BUTTON_FRAME);
	rig_set_hub(w.rig, &w.config);
	tell(&w, 1, 3);
	press(&w, BUTTON_FRAME);
	loop_advance(w.loop, 20000);
	rig_report(w.rig, &s);
	CHECK_INT(s.n_waiting, 3);
	end(&w);
}

TEST(a_hub_or_a_rig_that_is_killed_goes_on_where_it_was)
{
	struct world w;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	for (int i = 0; i < 12; i++) {
		tell(&w, i * 10 + 1, i * 10 + 10);
		loop_advance(w.loop, 3 * i);
		if (i % 2) {
			/* Dead at once, without a word; the records are on disk. */
			rig_free(w.rig);
			start_rig(&w);
			rig_set_hub(w.rig, &w.config);
		} else {
			for (struct door *d = w.doors; d; d = d->next)
				door_end(d);
			hub_free(w.hub);
			start_hub(&w);
		}
		loop_advance(w.loop, 7);
	}
	loop_advance(w.loop, 120000);
	check_kept(&w, 120);
	end(&w);
}

static void changed(void *arg, int rc, const struct err *err, const struct rig_record *rig,
                    const char *key)
{
	struct world *w = arg;

	(void)err;
	(void)rig;
	(void)key;
	w->rc = rc;
}

TEST(a_revoked_key_is_refused_in_words_and_the_rig_works_on)
{
	struct world w;
	struct rig_report s;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	hub_revoke(w.hub, w.id, changed, &w);
	loop_advance(w.loop, 1000);
	CHECK_INT(w.rc, 0);
	rig_report(w.rig, &s);
	CHECK_INT(s.link, RIG_LINK_REFUSED);
	CHECK(strstr(s.text, "revoked"));
	tell(&w, 1, 3);
	loop_advance(w.loop, 400000);
	rig_report(w.rig, &s);
	CHECK_INT(s.link, RIG_LINK_REFUSED);
	CHECK(strstr(s.text, "does not know this rig's key"));
	/* Paired again, it tells what happened meanwhile. */
	pair(&w, "Shed");
	CHECK_INT(w.rc, 0);
	secret_set(&w.config.key, w.key);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 3000);
	check_kept(&w, 3);
	end(&w);
}

TEST(a_change_behind_a_removal_finds_no_rig)
{
	struct world w;

	begin(&w);
	hub_revoke(w.hub, w.id, is_paired, &w);
	hub_change(w.hub, w.id, "Loft", &(struct rig_delays){ 0 }, is_paired, &w);
	loop_advance(w.loop, 1);
	CHECK_INT(w.rc, -ENOENT);
	end(&w);
}

TEST(two_rigs_with_one_key_are_told_apart)
{
	struct world w;
	struct rig *first;
	struct rig_report s;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	first = w.rig;
	start_rig(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 15000);
	rig_report(w.rig, &s);
	CHECK_INT(s.link, RIG_LINK_REFUSED);
	CHECK(strstr(s.text, "another rig uses this key"));
	CHECK_INT(w.n_notices, 1);
	rig_report(first, &s);
	CHECK_INT(s.link, RIG_LINK_ONLINE);
	rig_free(first);
	end(&w);
}

TEST(a_rig_that_lost_its_power_is_known_again_by_its_silence)
{
	struct world w;
	struct door *dead;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	/* The old connection stays open at the hub: nobody closes it. */
	dead = w.doors;
	dead->cut_got = dead->got;
	stream_listen(dead->stream, &(struct stream_events){ .arg = dead });
	rig_free(w.rig);
	start_rig(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 15000);
	CHECK_INT(link_of(&w), RIG_LINK_ONLINE);
	tell(&w, 1, 3);
	loop_advance(w.loop, 3000);
	check_kept(&w, 3);
	end(&w);
}

static void wire_count(void *arg, const char *text, size_t size)
{
	unsigned *n = arg;

	(void)size;
	n[0] += strstr(text, "\"welcome\"") != NULL;
}

static void wire_over(void *arg)
{
	((unsigned *)arg)[1]++;
}

TEST(who_greets_again_and_again_is_sent_away)
{
	static const char hello[] =
		"{\"t\":\"hello\",\"v\":1,\"version\":\"1\",\"stream\":\"01JDA0000000000000000ST00%"
		"d\","
		"\"run\":\"01JDA0000000000000000ST001\",\"next\":1,\"now\":1795257605000}";
	unsigned n[2] = { 0 }; /* welcomes, ends */
	const struct hub_wire wire = { .text = wire_count, .end = wire_over, .arg = n };
	struct hub_link *l;
	struct world w;

	begin(&w);
	l = hub_link_open(w.hub, hub_find_key(w.hub, w.key), "192.0.2.7", &wire);
	for (int i = 1; i <= 3; i++) {
		char text[200];

		CHECK_INT(n[1], 0);
		(void)snprintf(text, sizeof(text), hello, i);
		hub_link_text(l, text, strlen(text));
		loop_advance(w.loop, 10);
	}
	CHECK_INT(n[0], 2);
	CHECK_INT(n[1], 1);
	CHECK(!hub_is_online(w.hub, w.id));
	end(&w);
}

static void answered(void *arg, int rc, const char *text)
{
	struct world *w = arg;

	(void)text;
	w->n_answers++;
	w->answer_rc = rc;
}

static void order(struct world *w)
{
	json_t *body = json_pack("{s:s}", "order", "start");

	hub_order(w->hub, w->id, &(struct hub_ask){ "session", "a1", body }, answered, w);
	json_decref(body);
}

TEST(an_order_is_carried_out_once_and_answered)
{
	struct world w;

	begin(&w);
	order(&w);
	loop_advance(w.loop, 10);
	CHECK_INT(w.n_answers, 1);
	CHECK_INT(w.answer_rc, -ENOTCONN);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	order(&w);
	loop_advance(w.loop, 1000);
	CHECK_INT(w.n_orders, 1);
	CHECK_INT(w.n_answers, 2);
	CHECK_INT(w.answer_rc, 0);
	end(&w);
}

TEST(an_order_whose_answer_is_lost_is_not_carried_out_twice)
{
	struct world w;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	w.is_mute = true;
	order(&w);
	loop_advance(w.loop, 100);
	CHECK_INT(w.n_orders, 1);
	door_end(w.doors);
	loop_advance(w.loop, 5000);
	CHECK_INT(link_of(&w), RIG_LINK_ONLINE);
	CHECK_INT(w.n_orders, 1);
	rig_ordered(w.rig, w.last_order, false, "no camera");
	loop_advance(w.loop, 1000);
	CHECK_INT(w.n_answers, 1);
	CHECK_INT(w.answer_rc, -EPERM);

	order(&w);
	loop_advance(w.loop, HUB_ORDER_MS + 5000);
	CHECK_INT(w.n_answers, 2);
	CHECK_INT(w.answer_rc, -ETIMEDOUT);
	end(&w);
}

static void stall(struct door *d, bool is_stalled)
{
	d->cut_given = is_stalled ? d->given : NEVER;
}

TEST(an_order_that_was_minutes_under_way_is_left_alone)
{
	struct world w;
	const struct rig_message late = { .word = RIG_ORDER,
		                          .id = "01JDA0000000000000000RD001",
		                          .what = "session",
		                          .subject = "a1",
		                          .limit_ms = 20000 };
	struct rig_message m = late;
	auto_buf struct buf out;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	stall(w.doors, true);
	m.hub_ms = loop_now_us(w.loop) / 1000;
	m.body = json_pack("{s:s}", "order", "start");
	buf_init(&out, 0);
	rig_message_write(&m, &out);
	json_decref((json_t *)(uintptr_t)m.body);
	loop_advance(w.loop, 35000);
	stall(w.doors, false);
	wire_text(w.doors, buf_peek(&out), out.size);
	loop_advance(w.loop, 1000);
	CHECK_INT(w.n_orders, 0);
	end(&w);
}

TEST(delays_of_the_hub_take_effect_at_once)
{
	struct world w;
	const struct rig_delays d = { .status_ms = 2000, .image_ms = 5000 };
	struct rig_report s;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	hub_change(w.hub, w.id, NULL, &d, changed, &w);
	loop_advance(w.loop, 100);
	rig_report(w.rig, &s);
	CHECK_INT(s.delays.status_ms, 2000);
	CHECK_INT(s.delays.climate_ms, 10000);
	CHECK_INT(s.delays.image_ms, 5000);
	/* And are there again after a restart of both. */
	hub_free(w.hub);
	start_hub(&w);
	loop_advance(w.loop, 30000);
	rig_report(w.rig, &s);
	CHECK_INT(s.link, RIG_LINK_ONLINE);
	CHECK_INT(s.delays.status_ms, 2000);
	end(&w);
}

TEST(two_changes_at_once_both_count)
{
	const struct rig_delays image = { HUB_STAYS, HUB_STAYS, 5000 };
	const struct rig_delays status = { 2000, HUB_STAYS, HUB_STAYS };
	const struct rig_delays none = { HUB_STAYS, HUB_STAYS, HUB_STAYS };
	const struct rig_record *r;
	struct world w;

	begin(&w);
	hub_change(w.hub, w.id, NULL, &image, changed, &w);
	hub_change(w.hub, w.id, NULL, &status, changed, &w);
	hub_change(w.hub, w.id, "Loft", &none, changed, &w);
	loop_advance(w.loop, 100);
	for (int i = 0; i < 2; i++) {
		r = hub_find(w.hub, w.id);
		CHECK_STR(r->name, "Loft");
		CHECK_INT(r->delays.status_ms, 2000);
		CHECK_INT(r->delays.climate_ms, 0);
		CHECK_INT(r->delays.image_ms, 5000);
		/* And from the disk. */
		hub_free(w.hub);
		start_hub(&w);
	}
	end(&w);
}

/* Something that speaks WebSocket, and no more. */
TEST(a_hub_that_does_not_greet_is_left_and_tried_again)
{
	struct world w;
	struct rig_report s;

	begin(&w);
	w.is_dumb = true;
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 59000);
	CHECK_INT(link_of(&w), RIG_LINK_CONNECTING);
	tell(&w, 1, 3);
	loop_advance(w.loop, 2000);
	rig_report(w.rig, &s);
	CHECK(strstr(s.text, "does not greet"));
	w.is_dumb = false;
	loop_advance(w.loop, 120000);
	CHECK_INT(link_of(&w), RIG_LINK_ONLINE);
	check_kept(&w, 3);
	end(&w);
}

TEST(a_wrong_clock_is_measured)
{
	struct world w;
	json_t *j;

	begin(&w);
	w.latency_ms = 250;
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 30000);
	j = hub_rig_json(w.hub, w.id, false);
	CHECK_INT(json_integer_value(json_object_get(j, "rtt_ms")), 500);
	CHECK_INT(json_integer_value(json_object_get(j, "clock_offset_ms")), 0);
	json_decref(j);
	end(&w);
}

TEST(a_notice_of_a_rig_is_one_of_the_hubs_once)
{
	struct world w;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	rig_tell(w.rig, "notice", "01JDA0000000000000000NT009",
	         json_pack("{s:s, s:s, s:s}", "text", "No picture for 10 s.", "level", "alarm",
	                   "topic", "camera"));
	loop_advance(w.loop, 3000);
	CHECK_INT(w.n_notices, 1);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 3000);
	CHECK_INT(w.n_notices, 1);
	end(&w);
}

static void no_picture(void *arg, const uint8_t *jpeg, size_t size, int64_t at_wall_ms)
{
	(void)jpeg;
	(void)at_wall_ms;
	*(size_t *)arg += size;
}

TEST(live_pictures_come_only_while_somebody_looks)
{
	struct world w;
	/* The smallest whole picture: 1x1, grey. */
	static const uint8_t tiny[] = { 0xff, 0xd8, 0xff, 0xc0, 0, 11,   8,    0,   1, 0,
		                        1,    1,    1,    0x11, 0, 0xff, 0xda, 0,   8, 1,
		                        1,    0,    0,    63,   0, 0,    0xff, 0xd9 };
	size_t got = 0;
	int64_t at;
	struct hub_watcher watcher = { .picture = no_picture, .arg = &got };

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	loop_advance(w.loop, 1000);
	CHECK(!hub_preview(w.hub, w.id, "front", &at));
	TEXT_SET(watcher.rig, w.id);
	TEXT_SET(watcher.camera, "front");
	hub_watch(w.hub, &watcher);
	loop_advance(w.loop, 100);
	CHECK_INT(w.n_watches, 1);
	/* What was never a picture leaves no place for one. */
	CHECK(rig_picture(w.rig, "front", (const uint8_t *)"<html>", 6, WALL_MS, true));
	loop_advance(w.loop, 100);
	CHECK(!hub_preview(w.hub, w.id, "front", &at));
	CHECK(rig_picture(w.rig, "front", tiny, sizeof(tiny), WALL_MS, true));
	CHECK(rig_picture(w.rig, "front", (const uint8_t *)"<html>", 6, WALL_MS, true));
	loop_advance(w.loop, 100);
	CHECK_INT(got, sizeof(tiny));
	CHECK_INT(w.n_seen, 1);
	hub_unwatch(&watcher);
	loop_advance(w.loop, 100);
	CHECK_INT(w.n_watches, 101);
	end(&w);
}

static int forget_last(struct db *db, void *arg, struct err *err)
{
	(void)arg;
	return db_run(db, "UPDATE outbox_state SET next = 3, acked = 0", NULL, err);
}

TEST(a_rig_put_back_from_a_backup_starts_another_stream)
{
	struct world w;

	begin(&w);
	rig_set_hub(w.rig, &w.config);
	tell(&w, 1, 9);
	loop_advance(w.loop, 3000);
	check_kept(&w, 9);
	rig_free(w.rig);
	/* As it was before most of that. */
	CHECK_INT(store_call(w.rig_store, forget_last, NULL, NULL), 0);
	start_rig(&w);
	rig_set_hub(w.rig, &w.config);
	tell(&w, 10, 12);
	loop_advance(w.loop, 60000);
	CHECK_INT(link_of(&w), RIG_LINK_ONLINE);
	check_kept(&w, 12);
	end(&w);
}
