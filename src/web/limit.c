/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/limit.h"

#include "base/mem.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_US INT64_C(60000000)
#define HOUR_US (60 * MINUTE_US)

void limit_fini(struct limit *l)
{
	free(l->entries);
	*l = (struct limit){ 0 };
}

static struct limit_entry *find(const struct limit *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->entries[i].key, key) == 0)
			return &l->entries[i];
	}
	return NULL;
}

int64_t limit_wait_s(const struct limit *l, const char *key, int64_t now_us)
{
	const struct limit_entry *e = find(l, key);
	int64_t until_us = 0;

	if (!e)
		return 0;
	if (e->n >= LIMIT_PER_MINUTE)
		until_us = e->tries_us[LIMIT_PER_MINUTE - 1] + MINUTE_US;
	if (e->n >= LIMIT_PER_HOUR)
		until_us = MAX(until_us, e->tries_us[LIMIT_PER_HOUR - 1] + HOUR_US);
	return until_us > now_us ? (until_us - now_us + 999999) / 1000000 : 0;
}

static struct limit_entry *add(struct limit *l, const char *key)
{
	struct limit_entry *e;

	if (l->n < LIMIT_MAX_KEYS) {
		l->entries = mem_grow(l->entries, l->n + 1, sizeof(*l->entries));
		e = &l->entries[l->n++];
	} else {
		e = &l->entries[0];
		for (size_t i = 1; i < l->n; i++) {
			if (l->entries[i].tries_us[0] < e->tries_us[0])
				e = &l->entries[i];
		}
	}
	*e = (struct limit_entry){ 0 };
	TEXT_SET(e->key, key);
	return e;
}

void limit_count(struct limit *l, const char *key, int64_t now_us)
{
	struct limit_entry *e = find(l, key);

	if (!e)
		e = add(l, key);
	memmove(e->tries_us + 1, e->tries_us, (LIMIT_PER_HOUR - 1) * sizeof(e->tries_us[0]));
	e->tries_us[0] = now_us;
	if (e->n < LIMIT_PER_HOUR)
		e->n++;
}

void limit_forgive(struct limit *l, const char *key, int64_t at_us)
{
	struct limit_entry *e = find(l, key);

	for (unsigned i = 0; e && i < e->n; i++) {
		if (e->tries_us[i] != at_us)
			continue;
		memmove(e->tries_us + i, e->tries_us + i + 1,
		        (e->n - i - 1) * sizeof(e->tries_us[0]));
		e->n--;
		return;
	}
}

/* ---- the slow cap ---- */

#define CAP_EVERY_US (INT64_C(1000000) * LIMIT_CAP_EVERY_S)

void limit_cap_fini(struct limit_cap *l)
{
	free(l->entries);
	*l = (struct limit_cap){ 0 };
}

static struct limit_cap_entry *find_cap(const struct limit_cap *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->entries[i].key, key) == 0)
			return &l->entries[i];
	}
	return NULL;
}

int64_t limit_cap_wait_s(const struct limit_cap *l, const char *key, int64_t now_us)
{
	const struct limit_cap_entry *e = find_cap(l, key);
	int64_t until_us = e ? e->empty_us - (LIMIT_CAP_TRIES - 1) * CAP_EVERY_US : 0;

	return until_us > now_us ? (until_us - now_us + 999999) / 1000000 : 0;
}

static struct limit_cap_entry *add_cap(struct limit_cap *l, const char *key)
{
	struct limit_cap_entry *e;

	if (l->n < LIMIT_MAX_KEYS) {
		l->entries = mem_grow(l->entries, l->n + 1, sizeof(*l->entries));
		e = &l->entries[l->n++];
	} else {
		e = &l->entries[0];
		for (size_t i = 1; i < l->n; i++) {
			if (l->entries[i].empty_us < e->empty_us)
				e = &l->entries[i];
		}
	}
	*e = (struct limit_cap_entry){ 0 };
	TEXT_SET(e->key, key);
	return e;
}

void limit_cap_count(struct limit_cap *l, const char *key, int64_t now_us)
{
	struct limit_cap_entry *e = find_cap(l, key);

	if (!e)
		e = add_cap(l, key);
	e->empty_us = MAX(e->empty_us, now_us) + CAP_EVERY_US;
}

void limit_cap_forgive(struct limit_cap *l, const char *key)
{
	struct limit_cap_entry *e = find_cap(l, key);

	if (e)
		e->empty_us -= CAP_EVERY_US;
}

void limit_address_key(char dst[64], const char *address)
{
	struct in6_addr in6;

	if (inet_pton(AF_INET6, address, &in6) != 1) {
		text_copy(dst, 64, address);
		return;
	}
	/* As some proxies write it: all of IPv4 would be one network. */
	if (IN6_IS_ADDR_V4MAPPED(&in6)) {
		(void)inet_ntop(AF_INET, in6.s6_addr + 12, dst, 64);
		return;
	}
	memset(in6.s6_addr + 8, 0, 8);
	(void)inet_ntop(AF_INET6, &in6, dst, 60);
	text_copy(dst + strlen(dst), 4, "/64");
}
