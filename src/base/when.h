/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * when: points in time and spans of time, as text.
 *
 * Wall time is int64_t milliseconds since 1970 UTC (`_ms`), monotonic time int64_t microseconds
 * (`_us`). Thread: any.
 */

#pragma once

#include "base/base.h"

#define WHEN_TEXT_SIZE 32

/* "2026-11-21T10:40:05.123Z". Returns `dst` (WHEN_TEXT_SIZE bytes). */
const char *when_iso(char *dst, int64_t wall_ms);

/* The reverse, of that exact form with or without the fraction; false if it is not one. */
bool when_from_iso(const char *s, int64_t *ret_wall_ms);

/* "2026-11-21_10-40-05" in local time, for file names. Returns `dst`. */
const char *when_file_name(char *dst, int64_t wall_ms);

/* "500ms", "30s", "5m", "2h", "7d", a bare number being seconds, into milliseconds. */
bool when_to_span_ms(const char *s, int64_t *ret_ms);

/* "1 h 12 min", "3 min 20 s", "4 s", for people. Returns `dst` (WHEN_TEXT_SIZE bytes). */
const char *when_span(char *dst, int64_t span_ms);
