/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pull_private: what the files of pull share: pull.c (a run), pull_list.c (what is there), pull_file.c
 * (one file), pull_part.c (what came of it), pull_index.c (what was fetched), pull_path.c (names).
 *
 * Thread: the run's.
 */

#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "core/crypto.h"
#include "fleet/pull.h"

/* Its usual one falls through cases, which clang tells of. */
#define HASH_FUNCTION(key, size, value) HASH_FNV(key, size, value)
#include <uthash.h>

/* ---- names (pure) ---- */

enum pull_path_verdict {
	PULL_PATH_FINE,
	PULL_PATH_UNFINISHED, /* hidden, or somebody's half file: left alone without a word */
	PULL_PATH_HOSTILE,
};

/* A path relative to the source's folder, as another machine gave it. */
enum pull_path_verdict pull_path_judge(const char *path);
/* Has one of the endings, in either letter case; no types: any. */
bool pull_path_has_type(const struct pull_source *s, const char *path);
/* "films/a.mp4" as its n-th of the name, n >= 2: "films/a (2).mp4". False if it does not fit. */
bool pull_path_number(char *dst, size_t size, const char *path, unsigned n);

/* ---- the index ---- */

struct pull_entry {
	char *path;
	uint64_t size;
	int64_t modified_s; /* SFTP; -1 */
	char date[16];      /* SFTP: as the listing had it */
	char sha256[CRYPTO_HEX_SIZE];
	char *local;       /* where it is, relative */
	bool is_compared;  /* with the original, byte by byte or by the digest that came along */
	bool is_deleted;   /* over there, by us */
	UT_hash_handle hh; /* pull_index.entries, by path */
};

struct pull_index;

int pull_index_open(const char *state_dir, struct pull_index **ret, struct err *err) MUST_CHECK;
void pull_index_close(struct pull_index *ix);
struct pull_entry *pull_index_find(const struct pull_index *ix, const char *path);
/* Remembers it, on the disk when it returns. Copies. */
int pull_index_put(struct pull_index *ix, const struct pull_entry *e, struct err *err);

/* ---- what is there ---- */

struct pull_file {
	char *path;  /* relative, judged fine */
	char *where; /* for remote_read() */
	uint64_t size;
	int64_t modified_s; /* -1 not known (yet) */
	char date[16];
	char sha256[CRYPTO_HEX_SIZE]; /* as the source says; "" it does not */
	bool is_left_out;             /* still being written, or known, or failed */
};

/* What is deleted as one: a file, or a capture with all its pictures. */
struct pull_item {
	struct pull_file *files;
	size_t n;
	char *remover;   /* for remote_remove() */
	char *unit;      /* a capture: its name in the index; NULL */
	bool is_done;    /* a capture: all of it was fetched before */
	bool is_partial; /* a capture: some of it is not taken, so it is not deleted, either */
};

struct pull {
	const struct pull_how *how;
	const struct pull_source *source;
	struct remote *remote;
	char root[PULL_PATH_SIZE], state[PULL_PATH_SIZE]; /* its folder, and the state's in it */
	struct pull_index *index;
	struct pull_item *items;
	size_t n_items, cap_items;
	struct pull_result *result;
	struct err first; /* what failed first */
};

/* Appends an empty item. Good until the next call. */
struct pull_item *pull_add_item(struct pull *p);
/* Appends a copy of `f`. */
void pull_add_file(struct pull_item *it, const struct pull_file *f);

int pull_list_sftp(struct pull *p, struct err *err) MUST_CHECK;
int pull_list_rig(struct pull *p, struct err *err) MUST_CHECK;

void pull_say(struct pull *p, enum pull_word w, const char *path, uint64_t bytes, const char *text);
/* Counts and says a file that failed. */
void pull_failed(struct pull *p, const char *path, const struct err *err);
bool pull_is_cancelled(const struct pull *p);
/* False: cancelled meanwhile. */
bool pull_wait(const struct pull *p, int64_t ms);

/* ---- the bytes of one file under way ---- */

struct pull_part {
	char path[PULL_PATH_SIZE + 80], state[PULL_PATH_SIZE + 80];
	int fd;
	uint64_t written, synced;
	uint32_t crc; /* of what is written */
	const struct pull_file *file;
	struct err err; /* of the disk */
};

/* Opens what there is of `f`, checked; anew where it is not of this very file. */
int pull_part_open(const struct pull *p, const struct pull_file *f, struct pull_part *ret,
                   struct err *err) MUST_CHECK;
/* -ENOSPC, -EFBIG (more than there should be) … with the reason in part->err. */
int pull_part_add(struct pull_part *part, const void *bytes, size_t size) MUST_CHECK;
/* On the disk, and noted. */
int pull_part_sync(struct pull_part *part, struct err *err) MUST_CHECK;
/* The digest of what the disk gives back. */
int pull_part_digest(struct pull_part *part, char dst[CRYPTO_HEX_SIZE], struct err *err) MUST_CHECK;
void pull_part_close(struct pull_part *part);
/* Closed, and gone from the disk. */
void pull_part_drop(struct pull_part *part);

/* ---- one file ---- */

/* SFTP: its time and whether it still has its size; -EAGAIN with what has changed. */
int pull_file_look(struct pull *p, struct pull_file *f, struct err *err) MUST_CHECK;
/* Fetches it to its place and into the index, if it is not there. */
int pull_file_fetch(struct pull *p, struct pull_file *f, struct err *err) MUST_CHECK;
/* What the index has of it is here, unchanged, and was compared with the original. */
int pull_file_is_safe(struct pull *p, const struct pull_file *f, struct err *err) MUST_CHECK;
/* It was fetched before, and is the same over there. */
bool pull_file_is_known(const struct pull *p, const struct pull_file *f);
/* The errors after which other files would fail likewise. */
bool pull_is_fatal(int rc);
