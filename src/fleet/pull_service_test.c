/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/loop.h"
#include "model/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS INT64_C(60000)
#define N_SOURCES 3

struct bench {
	struct loop *loop;
	struct bus *bus;
	struct bus_listener listener;
	struct pull_source *sources; /* N_SOURCES */
	struct pull_service *service;
	unsigned n_notices;
	char notice[480];
};

/* What the next runs of the first source come to, and how many there were. */
struct script {
	int rc;
	struct pull_result result;
	unsigned n_runs;
	struct pull_service *asked; /* in each run, for all; or NULL */
	char order[8];              /* first letters of the sources that had their turn */
};

static struct script script; /* pull_how has no room for it */

static int play(const struct pull_how *how, const struct pull_source *s, struct pull_result *ret,
                struct err *err)
{
	size_t n = strlen(script.order);

	if (n + 1 < sizeof(script.order))
		script.order[n] = s->id[0];
	else
		script.asked = NULL;
	if (script.asked)
		CHECK_INT(pull_service_now(script.asked, "", NULL), 0);
	if (strcmp(s->id, "attic") != 0)
		return 0;
	script.n_runs++;
	*ret = script.result;
	for (unsigned i = 0; i < ret->n_fetched; i++)
		how->ears.said(how->ears.arg, PULL_FETCHED, "films/a.mp4", 1000, "");
	return script.rc < 0 ? err_set(err, script.rc, "the reason") : 0;
}

static void hear(void *arg, const struct bus_event *e)
{
	struct bench *b = arg;

	if (e->type != EVENT_NOTICE)
		return;
	b->n_notices++;
	TEXT_SET(b->notice, event_as_notice(e)->text);
}

static void open_bench(struct bench *b, int64_t poll_ms)
{
	static const char *const ids[N_SOURCES] = { "attic", "other", "third" };

	*b = (struct bench){ .loop = loop_new_simulated(1795257605000) };
	script = (struct script){ 0 };
	b->sources = mem_new_array(N_SOURCES, sizeof(*b->sources));
	b->bus = bus_new(b->loop);
	bus_listen(b->bus, &b->listener, hear, b);
	for (unsigned i = 0; i < N_SOURCES; i++) {
		TEXT_SET(b->sources[i].id, ids[i]);
		TEXT_SET(b->sources[i].name, i ? "Other" : "Attic");
		b->sources[i].is_sftp = true;
	}
	b->service = pull_service_new(&(struct pull_service_env){ .loop = b->loop,
	                                                          .bus = b->bus,
	                                                          .into = test_tmp_dir(),
	                                                          .poll_ms = poll_ms,
	                                                          .sources = b->sources,
	                                                          .n_sources = N_SOURCES,
	                                                          .run = play });
}

static void close_bench(struct bench *b)
{
	pull_service_free(b->service);
	loop_advance(b->loop, 0);
	bus_unlisten(&b->listener);
	free(b->sources);
	bus_free(b->bus);
	loop_free(b->loop);
}

static struct pull_status status_of(const struct bench *b)
{
	struct pull_status st;

	pull_service_at(b->service, 0, &st);
	return st;
}

static void round_comes_to(struct bench *b, int rc)
{
	script.rc = rc;
	loop_advance(b->loop, POLL_MS);
}

TEST(pull_tells_of_trouble_once_and_when_it_is_over)
{
	struct bench b;

	open_bench(&b, POLL_MS);
	round_comes_to(&b, -EHOSTUNREACH);
	CHECK_INT(b.n_notices, 1);
	CHECK(strstr(b.notice, "from Attic: the reason. Check that it is switched on"));
	round_comes_to(&b, -EHOSTUNREACH);
	round_comes_to(&b, -EIO);
	CHECK_INT(b.n_notices, 1);
	round_comes_to(&b, -EPERM); /* it is there again, but is it who it was? */
	CHECK_INT(b.n_notices, 2);
	CHECK(strstr(b.notice, "host_key"));
	round_comes_to(&b, -EPERM);
	round_comes_to(&b, -EBUSY); /* by hand: tells nothing */
	CHECK_INT(b.n_notices, 2);
	CHECK_INT(status_of(&b).rc, -EPERM);
	round_comes_to(&b, 0);
	CHECK_INT(b.n_notices, 3);
	CHECK_STR(b.notice, "Films come home from Attic again.");
	CHECK_STR(status_of(&b).text, "");
	round_comes_to(&b, -ENOSPC);
	CHECK_INT(b.n_notices, 4);
	CHECK(strstr(b.notice, "Make room on the disk"));
	close_bench(&b);
}

TEST(pull_knows_what_came_what_waits_and_when_it_goes_on)
{
	struct bench b;
	struct pull_status st;
	int64_t begun;

	open_bench(&b, POLL_MS);
	begun = loop_wall_ms(b.loop);
	st = status_of(&b);
	CHECK_INT(st.ended_wall_ms, 0);
	CHECK(st.next_wall_ms == begun + 15000);
	script.result = (struct pull_result){ .n_found = 7,
		                              .n_known = 2,
		                              .n_fetched = 3,
		                              .n_busy = 1,
		                              .n_failed = 1,
		                              .bytes = 3000 };
	script.rc = -EIO;
	loop_advance(b.loop, 15000);
	st = status_of(&b);
	CHECK(st.ended_wall_ms == begun + 15000);
	CHECK(st.next_wall_ms == begun + 15000 + POLL_MS);
	CHECK_INT(st.n_waiting, 2);
	CHECK_INT(st.n_fetched, 3);
	CHECK_INT(st.good_wall_ms, 0);
	script.result = (struct pull_result){ 0 };
	round_comes_to(&b, -EHOSTUNREACH);
	CHECK_INT(status_of(&b).n_waiting, 2); /* as far as is known */
	script.result =
		(struct pull_result){ .n_found = 7, .n_known = 5, .n_fetched = 2, .bytes = 2000 };
	round_comes_to(&b, 0);
	st = status_of(&b);
	CHECK_INT(st.n_waiting, 0);
	CHECK_INT(st.n_fetched, 5);
	CHECK_INT(st.bytes, 5000);
	CHECK(st.good_wall_ms == st.ended_wall_ms);
	close_bench(&b);
}

TEST(pull_lets_no_slow_source_keep_another_from_its_turn)
{
	struct bench b;

	/* Each is due again before the next is through. */
	open_bench(&b, 0);
	script.asked = b.service;
	CHECK_INT(pull_service_now(b.service, "attic", NULL), 0);
	loop_advance(b.loop, 1);
	CHECK_STR(script.order, "aotaota");
	close_bench(&b);
}

TEST(pull_fetches_when_it_is_asked)
{
	struct bench b;
	struct pull_status other;
	struct err err = { 0 };

	open_bench(&b, 0);
	CHECK_INT(status_of(&b).next_wall_ms, 0);
	loop_advance(b.loop, 10 * POLL_MS);
	CHECK_INT(script.n_runs, 0);
	CHECK_INT(pull_service_now(b.service, "cellar", &err), -ENOENT);
	CHECK_INT(pull_service_now(b.service, "attic", &err), 0);
	CHECK_INT(pull_service_now(b.service, "attic", &err), 0); /* it is at it */
	loop_advance(b.loop, 1);
	CHECK_INT(script.n_runs, 1);
	pull_service_at(b.service, 1, &other);
	CHECK_INT(other.ended_wall_ms, 0);
	CHECK_INT(pull_service_now(b.service, "", &err), 0);
	loop_advance(b.loop, 1);
	CHECK_INT(script.n_runs, 2);
	pull_service_at(b.service, 1, &other);
	CHECK(other.ended_wall_ms > 0);
	CHECK_INT(pull_service_n(NULL), 0);
	CHECK_INT(pull_service_now(NULL, "", &err), -ENOENT);
	close_bench(&b);
}
