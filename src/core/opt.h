/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * opt: a struct's settings as a const table: name, type, range, default, unit, help.
 *
 * From one table come the reader with its error messages, the example file, the manual page and,
 * as JSON elsewhere, the form of the page; so they cannot drift apart.
 *
 * Thread: any; tables are const.
 */

#pragma once

#include "base/base.h"

struct buf;
struct conf_errors;
struct conf_node;
struct err;

enum opt_type {
	OPT_BOOL,     /* bool: yes/no, true/false, on/off */
	OPT_INT,      /* int */
	OPT_UNSIGNED, /* unsigned */
	OPT_PORT,     /* uint16_t */
	OPT_REAL,     /* double */
	OPT_TEXT,     /* char[size] */
	OPT_SECRET,   /* struct secret */
	OPT_SPAN,     /* int64_t milliseconds, as "30s" */
	OPT_SECONDS,  /* double seconds, as "30s" */
	OPT_BYTES,    /* uint64_t, as "2 GB" */
	OPT_CHOICE,   /* int: place in `choices` */
	OPT_OWN,      /* `read` does it */
	OPT_NESTED,   /* a map or list that the caller reads itself: allowed, not read */
};

enum opt_flag {
	OPT_REQUIRED = 1 << 0,
	OPT_RESTART = 1 << 1
};

struct opt {
	const char *name;
	enum opt_type type;
	size_t offset;
	size_t size;                /* of OPT_TEXT's array */
	const char *fallback;       /* as written in YAML; NULL: the struct keeps what it had */
	double min, max;            /* numbers, spans (ms) and sizes; both 0: no limit */
	const char *const *choices; /* NULL at the end */
	unsigned flags;
	const char *help; /* one sentence, for example file, manual and page */
	/* OPT_OWN: from the scalar's text. */
	int (*read)(void *field, const char *text, struct err *err);
	const char *form; /* OPT_OWN: what is right, "WIDTHxHEIGHT" */
};

#define OPT_AT(type_, member_) offsetof(type_, member_), sizeof(((type_ *)0)->member_)

/* Sets the defaults of `table` (n entries) in `dst`. */
void opt_defaults(const struct opt *table, size_t n, void *dst);

/*
 * Reads the map `node` (NULL: nothing written) into `dst`, which must hold the defaults. Every fault is
 * added to `errors` with `path` ("printers[0]", "" at the root) in front: unknown keys with the
 * nearest known one, wrong types and ranges with what would be right, missing required ones.
 */
void opt_read(const struct opt *table, size_t n, const struct conf_node *node, const char *path,
              void *dst, struct conf_errors *errors);

/* "text", "yes or no", "a number from 1 to 60", "one of ca, insecure" … into `dst`. */
void opt_describe(const struct opt *o, char *dst, size_t size);

/* The table as YAML with its help as comments, each line after `indent` blanks; all commented out
 * but required ones. */
void opt_example(const struct opt *table, size_t n, unsigned indent, struct buf *out);

/* The table as an mdoc list. */
void opt_manual(const struct opt *table, size_t n, struct buf *out);
