/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/user: who may do what: accounts, their logins, API keys, and the audit's entries.
 *
 * Plain data; hashes, never passwords or tokens. Thread: any.
 */

#pragma once

#include "base/base.h"
#include "core/crypto.h"

#define USER_NAME_SIZE 64
#define USER_MIN_PASSWORD 8
#define USER_MAX_PASSWORD 256
#define USER_HASH_SIZE 65 /* SHA-256 in hex */
#define USER_CSRF_SIZE 33

enum user_role {
	ROLE_OPEN, /* nobody in particular */
	ROLE_VIEWER,
	ROLE_OPERATOR,
	ROLE_ADMIN,
};

struct user {
	char id[ID_SIZE];
	char name[USER_NAME_SIZE];
	char password_hash[CRYPTO_PASSWORD_SIZE];
	enum user_role role;
	bool is_root; /* the first administrator: cannot be changed by others, removed or expire */
	int64_t created_wall_ms;
	int64_t expires_wall_ms;   /* 0: never */
	int64_t last_seen_wall_ms; /* 0: never */
};

struct login {
	char token_hash[USER_HASH_SIZE];
	char user_id[ID_SIZE];
	char csrf[USER_CSRF_SIZE];
	int64_t created_wall_ms, expires_wall_ms;
	char address[46], agent[160];
	bool is_remembered;
};

/* What a key may do; its user's role is the upper limit. */
enum key_scope {
	KEY_READ = 1 << 0,    /* as a viewer */
	KEY_OPERATE = 1 << 1, /* as an operator */
	KEY_ADMIN = 1 << 2,
	/* As a viewer, and may delete finished films and captures: for who fetches them. */
	KEY_COLLECT = 1 << 3,
	KEY_MEASURE = 1 << 4, /* sends readings of a sensor, and nothing else */
};

struct api_key {
	char id[ID_SIZE];
	char user_id[ID_SIZE];
	char name[USER_NAME_SIZE];
	char secret_hash[USER_HASH_SIZE];
	unsigned scopes; /* enum key_scope, or'ed */
	int64_t created_wall_ms;
	int64_t expires_wall_ms;   /* 0: never */
	int64_t last_used_wall_ms; /* 0: never */
};

/* A key for another program that shows one camera's pictures, and nothing else. */
struct camera_token {
	char id[ID_SIZE];
	char camera[48]; /* its id */
	char name[USER_NAME_SIZE];
	char secret_hash[USER_HASH_SIZE];
	char made_by[USER_NAME_SIZE];
	int64_t created_wall_ms;
	int64_t expires_wall_ms;   /* 0: never */
	int64_t last_used_wall_ms; /* 0: never */
};

struct audit_entry {
	int64_t id;
	int64_t at_wall_ms;
	char user[USER_NAME_SIZE]; /* "" nobody was signed in */
	char address[46];
	char action[32]; /* "login", "command", "settings" … */
	char subject[64];
	char text[240];
};

const char *user_role_name(enum user_role r); /* "open", "viewer" … */
bool user_role_from_name(const char *name, enum user_role *ret);

/* The scopes as "read,operate". */
#define KEY_SCOPES_SIZE 64
void key_scopes_text(char dst[KEY_SCOPES_SIZE], unsigned scopes);
/* False if a word of the list is no scope, or there is none. */
bool key_scopes_from_text(const char *text, unsigned *ret);

struct err;
/* A name that can be shown and typed: 1 to 63 bytes, no control characters, no blank at its ends. */
int user_name_check(const char *name, struct err *err) MUST_CHECK;
int user_password_check(const char *password, struct err *err) MUST_CHECK;
