/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * layers_runs: generated prints against fleet/layers.
 *
 * usage: layers_runs [RUNS [FIRST_SEED]]      default: 10000 1
 *
 * Each run is a print of 1 to 400 layers by a printer that tells its state as an A1 does (single
 * fields when they change) or as an X1 does (everything each time), over a line that delays,
 * doubles, drops and reorders messages and breaks now and then; after a break comes a full state.
 * Some runs join a print under way, see leftovers of the job before, pause, fail, or get their
 * table late. What must come out: every layer from the first that could be known of to the last
 * that could be, each exactly once, rising. Every miss is printed with its seed, and the same seed
 * gives the same run. Exit status 1 if more than one layer in ten thousand was missed.
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "fleet/layers.h"
#include "gcode/index.h"

#define LAYERS_MAX 400
#define MESSAGES_MAX 20000
#define MISS_RATE 1e-4

/* splitmix64 */
static uint64_t chance(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static int between(uint64_t *state, int low, int high)
{
	return low + (int)(chance(state) % (uint64_t)(high - low + 1));
}

static bool is_in(uint64_t *state, int percent)
{
	return between(state, 0, 99) < percent;
}

/* A field not in the message is -2. */
#define ABSENT (-2)

struct message {
	double sent_s, arrives_s;
	int order;
	int printing, layer, layers, percent, remaining, stage;
};

struct run {
	uint64_t seed, random;
	int n_layers;
	bool is_full; /* X1: everything each time */
	bool is_joined, fails, has_leftover;
	int delay_percent, double_percent, drop_percent;
	double break_at, break_until; /* nothing arrives in between */
	double table_at;              /* negative: never */
	double begins[LAYERS_MAX + 2];
	struct message *messages;
	int n_messages;

	/* the receiver */
	struct layers_report state;
	int said[LAYERS_MAX + 2];
	int last_said;
	bool is_unordered;
	int first_known, last_known; /* of the layers in messages that arrived while printing */
};

static void hear(void *arg, const struct layer *l)
{
	struct run *r = arg;

	if (l->number < 1 || l->number > LAYERS_MAX || l->number <= r->last_said)
		r->is_unordered = true;
	else
		r->said[l->number]++;
	r->last_said = l->number;
}

static struct message *send(struct run *r, double at)
{
	struct message *m = &r->messages[r->n_messages];

	if (r->n_messages == MESSAGES_MAX - 1)
		abort();
	*m = (struct message){ .sent_s = at,
		               .arrives_s = at + 0.05,
		               .order = r->n_messages++,
		               .printing = ABSENT,
		               .layer = ABSENT,
		               .layers = ABSENT,
		               .percent = ABSENT,
		               .remaining = ABSENT,
		               .stage = ABSENT };
	return m;
}

static int percent_at(const struct run *r, double at)
{
	return (int)(at / r->begins[r->n_layers + 1] * 100);
}

static int layer_at(const struct run *r, double at)
{
	int n = 0;

	while (n < r->n_layers && r->begins[n + 1] <= at)
		n++;
	return n;
}

static void fill_state(const struct run *r, struct message *m, double at)
{
	m->printing = 1;
	m->layer = layer_at(r, at);
	m->layers = r->n_layers;
	m->percent = percent_at(r, at);
	m->remaining = (int)((r->begins[r->n_layers + 1] - at) / 60);
	m->stage = m->layer == 0 ? 2 : 0;
}

/* What the printer says, in the order in which it says it. */
static void make_messages(struct run *r, double from, double to)
{
	int percent = -1;
	int layer = -1;

	for (double at = from; at < to; at += 2) {
		struct message *m;
		int now_percent = percent_at(r, at);

		/* Several layers may begin within two seconds: the number skips them. */
		if (r->is_full) {
			fill_state(r, send(r, at), at);
			continue;
		}
		if (layer_at(r, at) != layer) {
			layer = layer_at(r, at);
			m = send(r, at);
			m->layer = layer;
			if (layer == 1)
				m->stage = 0;
		}
		if (now_percent != percent) {
			percent = now_percent;
			send(r, at + 0.3)->percent = percent;
		}
	}
}

/* The line: what arrives when. */
static void spoil(struct run *r, double from)
{
	int n = r->n_messages;

	for (int i = 0; i < n; i++) {
		struct message *m = &r->messages[i];
		bool is_broken = m->sent_s >= r->break_at && m->sent_s < r->break_until;

		if (is_in(&r->random, r->delay_percent))
			m->arrives_s += between(&r->random, 1, 80) / 10.0;
		if (is_in(&r->random, r->double_percent) && r->n_messages < MESSAGES_MAX - 1) {
			struct message *twin = &r->messages[r->n_messages++];

			*twin = *m;
			twin->order = m->order;
			twin->arrives_s += between(&r->random, 0, 60) / 10.0;
		}
		if (is_broken || is_in(&r->random, r->drop_percent))
			m->arrives_s = -1;
	}
	if (r->break_until < r->begins[r->n_layers + 1] && r->break_until > from)
		fill_state(r, send(r, r->break_until), r->break_until);
}

static int compare(const void *a, const void *b)
{
	const struct message *x = a;
	const struct message *y = b;

	if (x->arrives_s != y->arrives_s)
		return x->arrives_s < y->arrives_s ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void set(int *field, int value)
{
	if (value != ABSENT)
		*field = value;
}

static void receive(struct run *r, struct layers *l, const struct message *m)
{
	struct layers_report *s = &r->state;
	int printing = s->is_printing;

	set(&printing, m->printing);
	s->is_printing = printing;
	set(&s->layer, m->layer);
	set(&s->layers, m->layers);
	set(&s->percent, m->percent);
	set(&s->remaining_min, m->remaining);
	set(&s->stage, m->stage);
	if (s->is_printing && m->layer > 0 && s->stage == 0) {
		if (r->first_known == 0)
			r->first_known = m->layer;
		r->last_known = m->layer > r->last_known ? m->layer : r->last_known;
	}
	layers_report(l, (int64_t)(m->arrives_s * 1e6), (int64_t)(m->arrives_s * 1e3), s);
}

/* An index whose layers begin when ours do. */
static struct gcode_index *make_table(const struct run *r)
{
	struct gcode_index *ix = MEM_NEW(struct gcode_index);

	ix->n_layers = (size_t)r->n_layers;
	ix->layers = mem_new_array(ix->n_layers, sizeof(*ix->layers));
	ix->time_s = r->begins[r->n_layers + 1];
	for (int i = 0; i < r->n_layers; i++)
		ix->layers[i] = (struct gcode_layer){ .number = (uint32_t)i + 1,
			                              .reported = i + 1,
			                              .z_mm = 0.2f * (float)(i + 1),
			                              .time_s = r->begins[i + 1] };
	for (int p = 0; p <= 100; p++)
		ix->percent_layer[p] = (uint32_t)layer_at(r, p * ix->time_s / 100);
	return ix;
}

static void plan(struct run *r)
{
	uint64_t *c = &r->random;
	int pace = between(c, 0, 3); /* seconds per layer */
	double at = between(c, 30, 500);

	r->n_layers = between(c, 1, LAYERS_MAX);
	for (int i = 1; i <= r->n_layers + 1; i++) {
		r->begins[i] = at;
		at += pace == 0 ? between(c, 5, 30) / 10.0 : between(c, 3, 20 * pace);
	}
	r->is_full = is_in(c, 30);
	r->is_joined = is_in(c, 20);
	r->fails = is_in(c, 15);
	r->has_leftover = !r->is_joined && is_in(c, 40);
	r->delay_percent = is_in(c, 70) ? between(c, 0, 30) : 0;
	r->double_percent = is_in(c, 70) ? between(c, 0, 30) : 0;
	r->drop_percent = is_in(c, 70) ? between(c, 0, 30) : 0;
	r->break_at = -1;
	r->break_until = -1;
	if (is_in(c, 40)) {
		r->break_at = between(c, 0, (int)at);
		r->break_until = r->break_at + between(c, 5, 900);
	}
	r->table_at = is_in(c, 60) ? between(c, 0, (int)at) : -1;
}

/* The state before the job's first message. */
static void before(struct run *r, double from)
{
	struct message *m;

	r->state = (struct layers_report){
		.layer = -1, .layers = -1, .percent = -1, .remaining_min = -1, .stage = -1
	};
	if (r->has_leftover) {
		int old = between(&r->random, 1, LAYERS_MAX);
		bool was_whole = is_in(&r->random, 60);

		r->state = (struct layers_report){ .is_printing = false,
			                           .layer = was_whole ? old : (old + 1) / 2,
			                           .layers = old,
			                           .percent = was_whole ? 100 : 50,
			                           .remaining_min = 0,
			                           .stage = -1 };
	}
	m = send(r, from);
	if (r->is_joined) {
		fill_state(r, m, from);
		return;
	}
	m->printing = 1;
	m->layers = r->n_layers;
	m->stage = 255;
	m = send(r, from + 1);
	m->stage = 2;
	m->percent = 0;
	m->layer = 0;
}

/* Compares what was said with what had to be. Returns the misses, prints them. */
static int judge(struct run *r, double to, int *ret_wanted)
{
	int first = r->is_joined ? r->first_known : 1;
	int last = r->fails ? r->last_known : r->n_layers;
	int misses = 0;
	/* A layer that had begun may be inferred before its report; of a failed print that report may
	 * never come. */
	int begun = r->fails ? layer_at(r, to) : r->n_layers;

	*ret_wanted = 0;
	if (first == 0)
		return 0; /* joined, and nothing arrived before the end */
	for (int i = 1; i <= LAYERS_MAX; i++) {
		int wanted = i >= first && i <= last;

		*ret_wanted += wanted;
		if (r->said[i] == wanted || (i > last && i <= begun && r->said[i] == 1))
			continue;
		misses++;
		printf("seed %llu: layer %d of %d %s\n", (unsigned long long)r->seed, i,
		       r->n_layers, r->said[i] < wanted ? "was missed" : "was said and should not");
	}
	if (r->is_unordered) {
		misses++;
		printf("seed %llu: a number was said twice or out of order\n",
		       (unsigned long long)r->seed);
	}
	return misses;
}

static int run(uint64_t seed, struct message *messages, int *ret_wanted)
{
	struct run r = { .seed = seed, .random = seed, .messages = messages };

	plan(&r);

	double end = r.begins[r.n_layers + 1];
	double from = r.is_joined ? between(&r.random, (int)r.begins[1], (int)end) : 0;
	double to = r.fails ? between(&r.random, (int)from, (int)end) : end;
	struct layers *l = layers_new("job", "printer",
	                              r.is_joined ? LAYERS_JOINED : LAYERS_FROM_START, hear, &r);
	struct gcode_index *table = r.table_at >= 0 ? make_table(&r) : NULL;

	before(&r, from);

	int first = r.n_messages;

	make_messages(&r, from + 2, to);
	spoil(&r, from);
	/* The first full state of a connection is asked for until it comes. */
	for (int i = 0; i < first; i++)
		messages[i].arrives_s = messages[i].sent_s;
	qsort(messages, (size_t)r.n_messages, sizeof(*messages), compare);
	for (int i = 0; i < r.n_messages; i++) {
		if (messages[i].arrives_s < 0 || messages[i].arrives_s > to + 10)
			continue;
		if (table && messages[i].arrives_s >= r.table_at) {
			layers_set_table(l, table);
			gcode_index_free(table);
			table = NULL;
		}
		receive(&r, l, &messages[i]);
	}
	layers_end(l, (int64_t)(to * 1e6) + 10000000, (int64_t)(to * 1e3),
	           r.fails ? LAYERS_FAILED : LAYERS_FINISHED);
	layers_free(l);
	gcode_index_free(table);
	return judge(&r, to, ret_wanted);
}

int main(int argc, char **argv)
{
	int64_t runs = 10000;
	int64_t seed = 1;
	struct message *messages = mem_new_array(MESSAGES_MAX, sizeof(*messages));
	long misses = 0;
	long layers = 0;

	if ((argc > 1 && !text_to_i64(argv[1], &runs)) ||
	    (argc > 2 && !text_to_i64(argv[2], &seed))) {
		fputs("usage: layers_runs [RUNS [FIRST_SEED]]\n", stderr);
		return 2;
	}
	for (int64_t i = 0; i < runs; i++) {
		int wanted;

		misses += run((uint64_t)(seed + i), messages, &wanted);
		layers += wanted;
	}
	free(messages);
	printf("%lld runs, %ld layers, %ld misses: %.4f %% exactly once\n", (long long)runs, layers,
	       misses, layers > 0 ? 100.0 * (double)(layers - misses) / (double)layers : 0);
	return layers == 0 || (double)misses > (double)layers * MISS_RATE;
}
