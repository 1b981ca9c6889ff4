/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/log.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 1024
#define LONG_SIZE 2048
#define MAX_HIDDEN 2048
#define HIDDEN_MIN 4
#define REPEAT_S 60

static atomic_int max_level = LOG_LEVEL_INFO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* a leaf */
static char *hidden[MAX_HIDDEN];                         /* protected by lock */
static size_t n_hidden;                                  /* protected by lock */
static char last_line[LINE_SIZE];                        /* protected by lock */
static enum log_level last_level;                        /* protected by lock */
static unsigned n_repeats;                               /* protected by lock */
static time_t last_written;                              /* protected by lock */

void log_init(struct log *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->prefix, sizeof(l->prefix), fmt, ap);
	va_end(ap);
}

void log_set_level(enum log_level level)
{
	atomic_store(&max_level, (int)level);
}

bool log_wants(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_hide(const char *text)
{
	if (!text || strlen(text) < HIDDEN_MIN)
		return;
	pthread_mutex_lock(&lock);
	bool known = false;

	/* The longest first: one that begins as another must not lose its beginning to it. */
	size_t at = 0;

	for (size_t i = 0; i < n_hidden; i++) {
		known = known || strcmp(hidden[i], text) == 0;
		at += strlen(hidden[i]) >= strlen(text);
	}
	if (!known && n_hidden < MAX_HIDDEN) {
		memmove(&hidden[at + 1], &hidden[at], (n_hidden - at) * sizeof(hidden[0]));
		hidden[at] = mem_str(text);
		n_hidden++;
	}
	pthread_mutex_unlock(&lock);
}

static void redact_locked(char *line, size_t size)
{
	static const char mask[] = "(hidden)";

	for (size_t i = 0; i < n_hidden; i++) {
		size_t n = strlen(hidden[i]);

		for (char *at = strstr(line, hidden[i]); at; at = strstr(at, hidden[i])) {
			char rest[LONG_SIZE];

			text_copy(rest, sizeof(rest), at + n);
			text_copy(at, size - (size_t)(at - line), mask);
			at += strlen(at);
			text_copy(at, size - (size_t)(at - line), rest);
		}
	}
}

void log_redact(char *line, size_t size)
{
	pthread_mutex_lock(&lock);
	redact_locked(line, size);
	pthread_mutex_unlock(&lock);
}

static void print_locked(enum log_level level, const char *line, time_t now)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };
	static const int priorities[] = { 3, 4, 6, 7 }; /* sd-daemon(3) */
	char when[WHEN_TEXT_SIZE];

	if (getenv("JOURNAL_STREAM")) { /* NOLINT(concurrency-mt-unsafe): never set by us */
		fprintf(stderr, "<%d>%s\n", priorities[level], line);
		return;
	}
	fprintf(stderr, "%.19s %-5s %s\n", when_iso(when, (int64_t)now * 1000), names[level], line);
}

static void flush_repeats_locked(time_t now)
{
	char line[64];

	if (n_repeats == 0)
		return;
	snprintf(line, sizeof(line), "(the last line %u times more)", n_repeats);
	print_locked(last_level, line, now);
	n_repeats = 0;
}

void log_write(enum log_level level, const struct log *l, const char *fmt, ...)
{
	/* Longer than what is written: a secret that the end of the line cuts would not be found. */
	char text[LONG_SIZE], line[LONG_SIZE];
	va_list ap;

	if (!log_wants(level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (l && l->prefix[0])
		snprintf(line, sizeof(line), "%s: %.1900s", l->prefix, text);
	else
		text_copy(line, sizeof(line), text);
	text_clean(line);

	time_t now = time(NULL);

	pthread_mutex_lock(&lock);
	redact_locked(line, sizeof(line));
	text_copy(text, LINE_SIZE, line);
	text_copy(line, sizeof(line), text);
	if (strcmp(line, last_line) == 0 && now - last_written < REPEAT_S) {
		n_repeats++;
	} else {
		flush_repeats_locked(now);
		print_locked(level, line, now);
		text_copy(last_line, sizeof(last_line), line);
		last_level = level;
		last_written = now;
	}
	pthread_mutex_unlock(&lock);
}
