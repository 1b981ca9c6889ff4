/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log: what happened, for the person who runs the program, on standard error.
 *
 * A level means an action: error = a person must act, warn = we coped, info = state changed,
 * debug = for us. Who decides about a failure logs it, once. A line that repeats is counted, not
 * printed again, until another one comes or a minute has passed. Registered secrets are replaced
 * in every line.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* Whose line it is; embedded in its owner. */
struct log {
	char prefix[64]; /* "printer a1-left" */
};

void log_init(struct log *l, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Lines above `level` are not written. Default: info. */
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* `text` never appears in a line again: it is shown as "(hidden)". Shorter than 4: ignored. */
void log_hide(const char *text);

/* Replaces registered secrets in `line` of `size` bytes, in place; for text that goes elsewhere. */
void log_redact(char *line, size_t size);

/* `l` may be NULL. */
void log_write(enum log_level level, const struct log *l, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(l, ...) log_write(LOG_LEVEL_ERROR, (l), __VA_ARGS__)
#define log_warn(l, ...) log_write(LOG_LEVEL_WARN, (l), __VA_ARGS__)
#define log_info(l, ...) log_write(LOG_LEVEL_INFO, (l), __VA_ARGS__)
#define log_debug(l, ...)                                             \
	do {                                                          \
		if (log_wants(LOG_LEVEL_DEBUG))                       \
			log_write(LOG_LEVEL_DEBUG, (l), __VA_ARGS__); \
	} while (0)
