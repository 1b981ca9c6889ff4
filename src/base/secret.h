/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * secret: a password, access code or key that no format string can print by accident.
 *
 * Being a struct it does not fit `%s`; secret_peek() is the one way to its text, so that every
 * use can be found. Cleared before its memory goes back. Thread: any.
 */

#pragma once

#include "base/base.h"

#define SECRET_MAX 512

struct secret {
	char *hidden;
};

/* Takes a copy of `text`; NULL or "" makes it empty. An earlier value is cleared. */
void secret_set(struct secret *s, const char *text);
void secret_fini(struct secret *s);
bool secret_is_set(const struct secret *s);

/* Borrowed, "" while empty. For the protocol that needs it, never for a log or an answer. */
const char *secret_peek(const struct secret *s);

/* Constant-time comparison with a text. An empty secret equals nothing. */
bool secret_equals(const struct secret *s, const char *text);

/* Clears `size` bytes in a way that the compiler may not drop. */
void secret_wipe(void *bytes, size_t size);
