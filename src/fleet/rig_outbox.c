/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rig_outbox: news from the records' outbox to the hub, and what is done with them on the way. */

#include "fleet/rig_private.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/event.h"
#include "model/json.h"
#include "store/journal.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One request to the store; it outlives the connection, and may outlive the rig. */
struct rig_job {
	struct rig *rig;
	unsigned generation;
	int64_t wall_ms;
	int64_t number;
	bool is_on;
	struct outbox_state state;
	struct news *news;
	size_t n_news;
	/* a frame, an order, news of any kind */
	struct event_frame frame;
	char dir[1200];
	struct rig_message order;
	char kind[REPO_NEWS_KIND_SIZE], ref[REPO_NEWS_REF_SIZE];
	json_t *body;
};

static struct rig_job *rig_job_new(struct rig *r)
{
	struct rig_job *j = MEM_NEW(struct rig_job);

	r->refs++;
	j->rig = r;
	j->generation = r->generation;
	j->wall_ms = loop_wall_ms(r->env.loop);
	return j;
}

static void rig_job_free(struct rig_job *j)
{
	struct rig *r = j->rig;

	news_free(j->news, j->n_news);
	rig_message_fini(&j->order);
	json_decref(j->body);
	free(j);
	rig_unref(r);
}

/* The connection that asked is still the one there is. */
static bool is_current(const struct rig_job *j)
{
	return !j->rig->is_dead && j->rig->ws && j->generation == j->rig->generation;
}

static void complain(const struct rig *r, int rc, const struct err *err)
{
	if (rc < 0 && rc != -ENOENT && !r->is_dead)
		log_warn(&r->log, "the outbox: %s", err->text);
}

/* ---- becoming a rig ---- */

static int run_enlist(struct db *db, void *arg, struct err *err)
{
	const struct rig_job *j = arg;

	return j->is_on ? repo_outbox_begin(db, j->wall_ms, err) : repo_outbox_end(db, err);
}

static void enlisted(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;

	complain(j->rig, rc, err);
	rig_job_free(j);
}

/* Frames of a session up to `upto` (0: all there are) that were never put into the outbox: what a kill
 * took between the journal and here. Their lines are on disk. */
static int put_frames(struct db *db, const char *dir, const char *session, const char *printer,
                      int64_t upto, struct err *err)
{
	char key[64], ref[REPO_NEWS_REF_SIZE];
	struct journal_reader *reader = NULL;
	struct journal_entry e;
	int64_t mark;
	int rc;

	(void)snprintf(key, sizeof(key), "frame %s", session);
	rc = repo_outbox_mark(db, key, &mark, err);
	if (rc < 0 || journal_reader_open(dir, &reader, NULL) < 0)
		return rc;
	for (int kind; rc == 0 && (kind = journal_reader_next(reader, &e, NULL)) != 0;) {
		if (kind != 1 || e.number <= mark || (upto > 0 && e.number > upto))
			continue;
		(void)snprintf(ref, sizeof(ref), "%s/%u", session, e.number);
		mark = e.number;
		rc = repo_outbox_put(db, "frame", ref, e.at_wall_ms,
		                     json_pack("{s:s, s:s, s:s, s:I, s:o}", "session", session,
		                               "printer", printer, "camera", e.camera, "number",
		                               (json_int_t)e.number, "layer",
		                               json_int_or_null(e.layer)),
		                     err);
	}
	journal_reader_close(reader);
	return rc == 0 ? repo_outbox_set_mark(db, key, mark, err) : rc;
}

static int run_unfinished(struct db *db, void *arg, struct err *err)
{
	const struct rig_job *j = arg;
	struct session *list = NULL;
	size_t n = 0;
	int rc = repo_outbox_state(db, &(struct outbox_state){ 0 }, err);

	if (rc == 0)
		rc = repo_session_unfinished(db, &list, &n, err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		auto_free char *dir = mem_printf("%s/%s", j->dir, list[i].id);

		rc = put_frames(db, dir, list[i].id, list[i].printer, 0, err);
	}
	free(list);
	return rc;
}

void rig_enlist(struct rig *r, bool is_rig)
{
	struct rig_job *j = rig_job_new(r);

	j->is_on = is_rig;
	store_submit(r->env.store, run_enlist, enlisted, j);
	if (!is_rig)
		return;
	j = rig_job_new(r);
	(void)snprintf(j->dir, sizeof(j->dir), "%s/sessions", r->env.data_dir);
	store_submit(r->env.store, run_unfinished, enlisted, j);
}

static int run_climate_delay(struct db *db, void *arg, struct err *err)
{
	const struct rig_job *j = arg;

	return repo_outbox_set_mark(db, REPO_CLIMATE_DELAY, j->number, err);
}

void rig_set_climate_delay(struct rig *r, int64_t delay_ms)
{
	struct rig_job *j = rig_job_new(r);

	j->number = delay_ms;
	store_submit(r->env.store, run_climate_delay, enlisted, j);
}

/* ---- putting ---- */

static int run_frame(struct db *db, void *arg, struct err *err)
{
	const struct rig_job *j = arg;
	const struct event_frame *e = &j->frame;
	char key[64], ref[REPO_NEWS_REF_SIZE];
	int64_t mark = 0;
	int rc = repo_outbox_state(db, &(struct outbox_state){ 0 }, err);

	(void)snprintf(key, sizeof(key), "frame %s", e->session);
	(void)snprintf(ref, sizeof(ref), "%s/%u", e->session, e->number);
	if (rc == 0)
		rc = repo_outbox_mark(db, key, &mark, err);
	if (rc < 0 || e->number <= mark)
		return rc;
	if (e->number != mark + 1)
		return put_frames(db, j->dir, e->session, e->printer, e->number, err);
	rc = repo_outbox_put(db, "frame", ref, j->wall_ms,
	                     json_pack("{s:s, s:s, s:s, s:I, s:o}", "session", e->session,
	                               "printer", e->printer, "camera", e->camera, "number",
	                               (json_int_t)e->number, "layer", json_int_or_null(e->layer)),
	                     err);
	return rc == 0 ? repo_outbox_set_mark(db, key, e->number, err) : rc;
}

static void put_done(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;

	complain(j->rig, rc, err);
	if (rc == 0 && !j->rig->is_dead)
		rig_pump(j->rig);
	rig_job_free(j);
}

void rig_frame(struct rig *r, const struct event_frame *e)
{
	struct rig_job *j = rig_job_new(r);

	j->frame = *e;
	(void)snprintf(j->dir, sizeof(j->dir), "%s/sessions/%s", r->env.data_dir, e->session);
	store_submit(r->env.store, run_frame, put_done, j);
}

static int run_tell(struct db *db, void *arg, struct err *err)
{
	struct rig_job *j = arg;

	return repo_outbox_put(db, j->kind, j->ref, j->wall_ms, STEAL_PTR(j->body), err);
}

void rig_tell(struct rig *r, const char *kind, const char *ref, json_t *body)
{
	struct rig_job *j;

	if (r->link == RIG_LINK_OFF) {
		json_decref(body);
		return;
	}
	j = rig_job_new(r);
	TEXT_SET(j->kind, kind);
	TEXT_SET(j->ref, ref);
	j->body = body;
	store_submit(r->env.store, run_tell, put_done, j);
}

/* ---- orders ---- */

void rig_ordered(struct rig *r, const char *id, bool is_ok, const char *text)
{
	if (!r || r->is_dead)
		return;
	rig_tell(r, "order", id,
	         json_pack("{s:s, s:b, s:o}", "id", id, "is_ok", (int)is_ok, "text",
	                   json_text(text ? text : "")));
}

static int run_take(struct db *db, void *arg, struct err *err)
{
	const struct rig_job *j = arg;

	return repo_order_take(db, j->order.id, j->wall_ms, err);
}

static void taken(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;
	struct rig *r = j->rig;

	/* Taken before: its answer went, or will go, with the news. */
	if (rc != -EEXIST)
		complain(r, rc, err);
	if (rc == 0 && !r->is_dead)
		r->env.house.order(r->env.house.arg, j->order.id, j->order.what, j->order.subject,
		                   j->order.body);
	rig_job_free(j);
}

void rig_take_order(struct rig *r, const struct rig_message *m)
{
	struct rig_job *j = rig_job_new(r);

	j->order = *m;
	json_incref(j->order.json);
	store_submit(r->env.store, run_take, taken, j);
}

/* ---- greeting ---- */

static int run_state(struct db *db, void *arg, struct err *err)
{
	struct rig_job *j = arg;

	return repo_outbox_state(db, &j->state, err);
}

static void have_state(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;
	struct rig *r = j->rig;
	struct rig_message m = { .word = RIG_HELLO, .protocol = RIG_PROTOCOL };

	complain(r, rc, err);
	if (rc == 0 && is_current(j)) {
		r->outbox = j->state;
		TEXT_SET(m.version, BEDSIDE_VERSION);
		TEXT_SET(m.stream, r->outbox.stream);
		TEXT_SET(m.run, r->run);
		m.number = r->outbox.next;
		m.now_ms = loop_wall_ms(r->env.loop);
		rig_send(r, &m);
	} else if (is_current(j)) {
		rig_lose(r, false, "the outbox cannot be read: %s", err->text);
	}
	rig_job_free(j);
}

void rig_greet(struct rig *r)
{
	store_submit(r->env.store, run_state, have_state, rig_job_new(r));
}

static void counted(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;

	complain(j->rig, rc, err);
	if (rc == 0 && !j->rig->is_dead && !j->rig->is_greeted)
		j->rig->outbox = j->state;
	rig_job_free(j);
}

void rig_count(struct rig *r)
{
	store_submit(r->env.store, run_state, counted, rig_job_new(r));
}

static int run_new_stream(struct db *db, void *arg, struct err *err)
{
	const struct rig_job *j = arg;

	return repo_outbox_new_stream(db, j->wall_ms, err);
}

static void have_new_stream(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;

	complain(j->rig, rc, err);
	if (is_current(j))
		rig_greet(j->rig);
	rig_job_free(j);
}

void rig_welcomed(struct rig *r, int64_t have)
{
	if (have >= r->outbox.next) {
		/* A backup was put back: numbers would be given twice. */
		log_info(&r->log, "the hub has news that this rig does not know: another stream");
		r->is_greeted = false;
		store_submit(r->env.store, run_new_stream, have_new_stream, rig_job_new(r));
		return;
	}
	rig_forget_batches(r);
	r->sent = have;
	r->acked = have;
	rig_acked(r, have);
}

/* ---- sending ---- */

void rig_forget_batches(struct rig *r)
{
	r->n_batches = 0;
	r->first_batch = 0;
	r->under_way = 0;
	r->is_again = false;
}

/* False: the connection is about to end. */
static bool send_batch(struct rig *r, struct rig_job *j)
{
	struct rig_message m = { .word = RIG_NEWS, .news = j->news, .n_news = j->n_news };
	struct rig_batch *b = &r->batches[(r->first_batch + r->n_batches) % RIG_MAX_BATCHES];
	auto_buf struct buf out;

	buf_init(&out, 0);
	TEXT_SET(m.stream, r->outbox.stream);
	rig_message_write(&m, &out);
	if (!ws_client_send(r->ws, buf_peek(&out), out.size))
		return false;
	r->n_batches++;
	r->sent = j->news[j->n_news - 1].number;
	*b = (struct rig_batch){ .last = r->sent, .bytes = out.size };
	r->under_way += out.size;
	return true;
}

static int run_list(struct db *db, void *arg, struct err *err)
{
	struct rig_job *j = arg;
	struct news_list l = { 0 };
	int rc = repo_outbox_list(db, j->number, RIG_BATCH_NEWS, RIG_BATCH_BYTES, &l, err);

	j->news = l.list;
	j->n_news = l.n;
	return rc == 0 ? repo_outbox_state(db, &j->state, err) : rc;
}

static void listed(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;
	struct rig *r = j->rig;
	bool is_more = false;

	if (!r->is_dead)
		r->is_reading = false;
	complain(r, rc, err);
	/* What was read for another connection, or is sent already, is read anew. */
	if (rc == 0 && is_current(j) && r->is_greeted && j->number == r->sent + 1 &&
	    text_equal(j->state.stream, r->outbox.stream)) {
		r->outbox = j->state;
		is_more = j->n_news > 0 && send_batch(r, j);
	} else if (rc == 0 && !r->is_dead) {
		is_more = true;
	}
	if (!r->is_dead && (is_more || r->is_again))
		rig_pump(r);
	rig_job_free(j);
}

void rig_pump(struct rig *r)
{
	struct rig_job *j;

	if (r->is_reading) {
		r->is_again = true;
		return;
	}
	if (!r->ws || !r->is_greeted || r->under_way >= RIG_WINDOW ||
	    r->n_batches == RIG_MAX_BATCHES)
		return;
	r->is_reading = true;
	r->is_again = false;
	j = rig_job_new(r);
	j->number = r->sent + 1;
	store_submit(r->env.store, run_list, listed, j);
}

/* ---- what the hub has ---- */

static int run_ack(struct db *db, void *arg, struct err *err)
{
	const struct rig_job *j = arg;

	return repo_outbox_ack(db, j->number, err);
}

static void forget_acked(struct rig *r);

static void ack_done(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;
	struct rig *r = j->rig;

	complain(r, rc, err);
	if (!r->is_dead) {
		r->is_acking = false;
		if (rc == 0)
			r->outbox.acked = MAX(r->outbox.acked, j->number);
		if (rc == 0 && r->acked > j->number)
			forget_acked(r);
	}
	rig_job_free(j);
}

/* One at a time; what is acknowledged meanwhile goes with the next. */
static void forget_acked(struct rig *r)
{
	struct rig_job *j;

	if (r->is_acking)
		return;
	r->is_acking = true;
	j = rig_job_new(r);
	j->number = r->acked;
	store_submit(r->env.store, run_ack, ack_done, j);
}

void rig_acked(struct rig *r, int64_t number)
{
	if (number > r->sent) {
		rig_lose(r, false, "the hub acknowledges news that were not sent");
		return;
	}
	while (r->n_batches > 0 && r->batches[r->first_batch].last <= number) {
		r->under_way -= r->batches[r->first_batch].bytes;
		r->first_batch = (r->first_batch + 1) % RIG_MAX_BATCHES;
		r->n_batches--;
	}
	r->acked = MAX(r->acked, number);
	if (r->acked > r->outbox.acked)
		forget_acked(r);
	rig_pump(r);
}
