/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pull: films and captures come home from rigs (another Bedside, by HTTPS) and from any host (SFTP).
 *
 * What is whole over there is fetched into a folder of its source, below the path it has there; a
 * file is in its place only when every byte of it is on the disk and its SHA-256 has been compared.
 * Only then, and only where it was asked for, the original is deleted.
 *
 * Below the source's folder stands `.bedside-pull`: the lock, the index of what was fetched (one JSON
 * object per line) and, for each file under way, NAME.part with NAME.state: whose bytes they are and
 * how many of them are on the disk, with their CRC32C. What another run finds there is checked, then
 * gone on with.
 *
 * Thread: pull_run() waits for network and disk: any thread but the loop. pull_service: loop.
 */

#pragma once

#include "base/base.h"
#include "base/secret.h"
#include "model/printer.h"
#include "model/trust.h"

#include <stdatomic.h>

struct bus;
struct err;
struct loop;
struct remote;

#define PULL_MAX_SOURCES 50
#define PULL_MAX_FOLDERS 16
#define PULL_MAX_TYPES 24
#define PULL_PATH_SIZE 1024
#define PULL_STATE_FOLDER ".bedside-pull"

struct pull_source {
	char name[96], id[MODEL_ID_SIZE];
	char url[512]; /* https://rig:8484, sftp://host:22: no login, no '/' at its end */
	bool is_sftp;

	struct secret api_key; /* of a rig: an API key of the scope "collect", or "read" */
	struct trust trust;    /* of a rig's certificate */
	bool wants_films, wants_captures;

	char user[96];
	struct secret password, passphrase; /* of the user; of the key file */
	char key_file[PULL_PATH_SIZE], known_hosts[PULL_PATH_SIZE], host_key[80];
	bool uses_agent;
	unsigned n_folders, n_types;
	char folders[PULL_MAX_FOLDERS][256]; /* absolute, or below the user's home */
	char types[PULL_MAX_TYPES][16];      /* "mp4"; none: all */
	bool verifies; /* SFTP: read twice and compared, also where nothing is deleted */
	int64_t settle_ms;

	bool deletes;
};

void pull_source_fini(struct pull_source *s);

enum pull_word {
	PULL_FETCHED,
	PULL_DELETED,   /* over there */
	PULL_KEPT_BOTH, /* another file of this name was here: the new one is called as `text` */
	PULL_BUSY,      /* still being written */
	PULL_REFUSED,   /* a name that is not taken */
	PULL_FAILED,
	PULL_RETRIES,     /* the connection was cut; it goes on */
	PULL_WOULD_FETCH, /* dry run */
	PULL_WOULD_DELETE,
};

const char *pull_word_name(enum pull_word w); /* "fetched" … */

/* On the thread of pull_run(). `path` is relative, and clean. */
struct pull_ears {
	void (*said)(void *arg, enum pull_word w, const char *path, uint64_t bytes,
	             const char *text);
	void (*progress)(void *arg, const char *path, uint64_t got, uint64_t size); /* or NULL */
	void *arg;
};

struct pull_how {
	const char *into;     /* folders of the sources stand in it */
	uint64_t floor_bytes; /* stay free */
	bool is_dry_run;
	bool again;                      /* fetch also what was fetched once and is here no more */
	const atomic_bool *is_cancelled; /* NULL: never */
	struct pull_ears ears;
};

struct pull_result {
	unsigned n_found, n_known; /* over there; of them fetched earlier */
	unsigned n_fetched, n_deleted, n_kept_both, n_busy, n_refused, n_failed;
	uint64_t bytes; /* fetched */
};

/*
 * One source, once. 0; -EBUSY another one is at it; -ENOSPC what did not fit stayed there; -EPERM the
 * host is not who it should be; -EACCES login refused; -ECANCELED; else why it could not be gone on
 * with. Files that failed by themselves are counted in n_failed, the first reason is in `err`, and the
 * result is -EIO.
 */
int pull_run(const struct pull_how *how, const struct pull_source *s, struct pull_result *ret,
             struct err *err) MUST_CHECK;

/* ---- as a service of the daemon ---- */

struct pull_service;

struct pull_service_env {
	struct loop *loop;
	struct bus *bus;
	const char *into;
	uint64_t floor_bytes;
	int64_t poll_ms;
	const struct pull_source *sources; /* stay the caller's, and good */
	size_t n_sources;
	/* For tests; NULL: pull_run. */
	int (*run)(const struct pull_how *how, const struct pull_source *s, struct pull_result *ret,
	           struct err *err);
};

/* One source as the service has it. */
struct pull_status {
	const struct pull_source *source;
	bool is_running, is_due; /* due: it waits for its turn */
	int64_t ended_wall_ms;   /* of the newest run; 0 none yet */
	int64_t good_wall_ms;    /* of the newest that was good */
	int64_t next_wall_ms;    /* 0: not planned */
	int rc;         /* of the newest run; one that found another bedside pull at it is none */
	char text[480]; /* why it failed; "" it did not */
	const char *advice;        /* a sentence: what to do; "" */
	struct pull_result newest; /* run */
	unsigned n_fetched;        /* since the start, those of the run under way too */
	uint64_t bytes;            /* since the start */
	unsigned n_waiting;        /* over there after the newest run, not here */
};

/* A round shortly after the start and each poll_ms, one source after the other; EVENT_NOTICE when a
 * source begins to fail, once, and when it works again. */
struct pull_service *pull_service_new(const struct pull_service_env *env);
size_t pull_service_n(const struct pull_service *ps); /* NULL: 0 */
void pull_service_at(const struct pull_service *ps, size_t i, struct pull_status *ret);
/* Fetches from the source `id` ("" from all) now, or next. -ENOENT there is none. */
int pull_service_now(struct pull_service *ps, const char *id, struct err *err) MUST_CHECK;
/* What is under way ends, to be gone on with. NULL is allowed. */
void pull_service_stop(struct pull_service *ps);
/* Waits for that, a second or two. NULL is allowed. */
void pull_service_free(struct pull_service *ps);
