/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * limit: how often something was tried under a name: five times a minute and twenty times an hour
 * (USER-6), then wait.
 *
 * Bounded: LIMIT_MAX_KEYS names; beyond, the one longest untouched is forgotten.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

#define LIMIT_PER_MINUTE 5
#define LIMIT_PER_HOUR 20
#define LIMIT_MAX_KEYS 4096

struct limit_entry {
	char key[64];
	int64_t tries_us[LIMIT_PER_HOUR]; /* newest first */
	unsigned n;
};

struct limit {
	struct limit_entry *entries;
	size_t n;
};

void limit_fini(struct limit *l);

/* 0: go ahead; else the seconds to wait. */
int64_t limit_wait_s(const struct limit *l, const char *key, int64_t now_us);
void limit_count(struct limit *l, const char *key, int64_t now_us);
/* The try counted at `at_us` was a good one. */
void limit_forgive(struct limit *l, const char *key, int64_t at_us);

/*
 * A leaky bucket for each name: LIMIT_CAP_TRIES at once, then one each LIMIT_CAP_EVERY_S. It slows down
 * guessing at one account from many addresses.
 */
#define LIMIT_CAP_TRIES 100
#define LIMIT_CAP_EVERY_S 36

struct limit_cap_entry {
	char key[64];
	int64_t empty_us; /* when all is forgotten */
};

struct limit_cap {
	struct limit_cap_entry *entries;
	size_t n;
};

void limit_cap_fini(struct limit_cap *l);
int64_t limit_cap_wait_s(const struct limit_cap *l, const char *key, int64_t now_us);
void limit_cap_count(struct limit_cap *l, const char *key, int64_t now_us);
void limit_cap_forgive(struct limit_cap *l, const char *key);

/* The name of an address: itself, or the /64 network of an IPv6 one, of which one household or one
 * attacker has a whole. `dst` of 64 bytes. */
void limit_address_key(char dst[64], const char *address);
