/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "film/worker.h"

#include "film/films.h"

#include "base/text.h"
#include "core/crypto.h"
#include "core/proc.h"
#include "model/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const words[] = {
	"started", "progress", "done", "stopped", "verified", "failed"
};
static const char *const reasons[] = { "",      "empty", "few",      "exists",
	                               "taken", "disk",  "settings", "other" };

static int find(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; name && i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

static uint64_t whole(const json_t *o, const char *key, uint64_t max)
{
	json_int_t v = json_integer_value(json_object_get(o, key));

	return v < 0 ? 0 : MIN((uint64_t)v, max);
}

static double real(const json_t *o, const char *key)
{
	double v = json_number_value(json_object_get(o, key));

	return isfinite(v) && v >= 0 ? v : 0;
}

static void read_digest(char dst[CRYPTO_HEX_SIZE], const char *text)
{
	uint8_t bytes[CRYPTO_SHA256_SIZE];

	if (text && text_unhex(bytes, sizeof(bytes), text))
		text_hex(dst, bytes, sizeof(bytes));
}

bool worker_parse(struct worker_said *ret, const char *line)
{
	json_t *o = json_loads(line, 0, NULL);
	const char *type = json_string_value(json_object_get(o, "type"));
	bool is_probe = type && strcmp(type, "film") == 0;
	int word = is_probe ? WORKER_DONE : find(words, ARRAY_LEN(words), type);

	if (word < 0) {
		json_decref(o);
		return false;
	}
	*ret = (struct worker_said){ .word = (enum worker_word)word, .percent = -1 };
	ret->n_frames = (uint32_t)whole(o, "frames", UINT32_MAX);
	ret->n_skipped = (uint32_t)whole(o, "skipped", UINT32_MAX);
	ret->width = (unsigned)whole(o, "width", 65535);
	ret->height = (unsigned)whole(o, "height", 65535);
	ret->bytes = whole(o, "bytes", INT64_MAX);
	ret->fps = real(o, "fps");
	ret->duration_s = real(o, "duration_s");
	ret->is_off = json_is_true(json_object_get(o, "is_off"));
	if (json_is_integer(json_object_get(o, "percent")))
		ret->percent = (int)whole(o, "percent", 100);

	int reason =
		find(reasons, ARRAY_LEN(reasons), json_string_value(json_object_get(o, "reason")));

	if (ret->word == WORKER_FAILED)
		ret->reason = reason > 0 ? (enum worker_reason)reason : WORKER_OTHER;
	read_digest(ret->sha256, json_string_value(json_object_get(o, "sha256")));
	TEXT_SET(ret->text, json_string_value(json_object_get(o, "text")));
	text_clean(ret->text);
	json_decref(o);
	return true;
}

static void on_out(void *arg, char *line)
{
	const struct worker_ears *e = arg;
	struct worker_said s;

	if (worker_parse(&s, line))
		e->said(e->arg, &s);
}

static void on_err(void *arg, char *line)
{
	const struct worker_ears *e = arg;

	text_clean(line);
	e->logged(e->arg, line);
}

static void on_ended(void *arg, int status, int signal)
{
	const struct worker_ears *e = arg;

	e->ended(e->arg, status, signal);
}

#define MAX_ARGS 48

struct args {
	const char *v[MAX_ARGS];
	size_t n;
	char numbers[MAX_ARGS][32];
};

static void add(struct args *a, const char *word)
{
	if (a->n < MAX_ARGS - 1)
		a->v[a->n++] = word;
}

static void add_pair(struct args *a, const char *option, const char *value)
{
	add(a, option);
	add(a, value);
}

static void add_number(struct args *a, const char *option, double value)
{
	char *text = a->numbers[a->n % MAX_ARGS];

	(void)snprintf(text, sizeof(a->numbers[0]), "%.10g", value);
	add_pair(a, option, text);
}

static void add_encode(struct args *a, const struct worker_job *j)
{
	const struct film_plan *p = j->plan;

	add(a, "encode");
	add_pair(a, "--session", j->session_dir);
	add_pair(a, "--camera", j->camera);
	add_pair(a, "--name", j->track);
	add_pair(a, "--out", j->film_path);
	if (j->poster_path)
		add_pair(a, "--poster", j->poster_path);
	add_number(a, "--fps", p->fps);
	add_number(a, "--duration", p->duration_s);
	add_number(a, "--hold", p->hold_s);
	add_number(a, "--crf", p->crf);
	add_number(a, "--width", p->width);
	add_number(a, "--height", p->height);
	add_pair(a, "--preset", p->preset);
	add_number(a, "--expect", j->n_expected);
	add_number(a, "--min-frames", j->min_frames);
	add_number(a, "--threads", j->threads ? j->threads : 1);
	if (j->kind == WORKER_FOLLOW)
		add(a, "--follow");
	if (j->replaces)
		add(a, "--replace");
}

int worker_start(struct loop *l, const struct worker_job *job, const struct worker_ears *ears,
                 struct proc **ret, struct err *err)
{
	/* Nothing of ours is its business: neither secrets nor systemd's socket. */
	static const char *const env[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
		                           NULL };
	struct args a = { 0 };

	add(&a, job->program);
	switch (job->kind) {
	case WORKER_FOLLOW:
	case WORKER_ENCODE:
		add_encode(&a, job);
		break;
	case WORKER_VERIFY:
		add_pair(&a, "verify", job->film_path);
		add_number(&a, "--frames", job->n_frames);
		break;
	case WORKER_PROBE:
		add_pair(&a, "probe", job->film_path);
		add_pair(&a, "--session", job->session_dir);
		add_pair(&a, "--camera", job->camera);
		add_number(&a, "--duration", job->plan->duration_s);
		add_number(&a, "--hold", job->plan->hold_s);
		break;
	}
	add(&a, "--die-with-parent");

	const struct proc_config c = {
		.argv = a.v,
		.env = env,
		.out = on_out,
		.err = on_err,
		.ended = on_ended,
		.arg = (void *)(uintptr_t)ears,
	};

	return proc_start(l, &c, ret, err);
}

void worker_nudge(struct proc *p)
{
	proc_write(p, "more\n", 5);
}

void worker_finish(struct proc *p)
{
	proc_write(p, "finish\n", 7);
}

void worker_expect(struct proc *p, uint32_t n_frames)
{
	char line[32];
	int n = snprintf(line, sizeof(line), "expect %u\n", n_frames);

	proc_write(p, line, (size_t)n);
}

void films_find_worker(char *dst, size_t size)
{
	static const char *const places[] = { "bedside-av", "../av/bedside-av",
		                              "../libexec/bedside/bedside-av" };
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	const char *given = getenv("BEDSIDE_AV");
	char self[1024], path[1200];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (given && given[0]) {
		text_copy(dst, size, given);
		return;
	}
	self[n > 0 ? n : 0] = 0;

	char *slash = strrchr(self, '/');

	for (size_t i = 0; slash && i < ARRAY_LEN(places); i++) {
		slash[1] = 0;
		(void)snprintf(path, sizeof(path), "%s%s", self, places[i]);
		if (access(path, X_OK) == 0 && text_copy(dst, size, path))
			return;
	}
	text_copy(dst, size, "bedside-av");
}
