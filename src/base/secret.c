/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/secret.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void secret_wipe(void *bytes, size_t size)
{
	explicit_bzero(bytes, size);
}

void secret_fini(struct secret *s)
{
	if (s->hidden)
		secret_wipe(s->hidden, strlen(s->hidden));
	free(s->hidden);
	s->hidden = NULL;
}

void secret_set(struct secret *s, const char *text)
{
	char *copy = text && *text ? mem_str(text) : NULL;

	secret_fini(s);
	s->hidden = copy;
}

bool secret_is_set(const struct secret *s)
{
	return s->hidden != NULL;
}

const char *secret_peek(const struct secret *s)
{
	return s->hidden ? s->hidden : "";
}

bool secret_equals(const struct secret *s, const char *text)
{
	if (!s->hidden)
		return false;

	size_t n = strlen(s->hidden), m = strlen(text);
	unsigned differs = n != m;

	for (size_t i = 0; i < m; i++)
		differs |= (unsigned)(s->hidden[n ? i % n : 0] ^ text[i]);
	return differs == 0;
}
