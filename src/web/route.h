/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * route: THE table: every route with its role, fields and answer; dispatch, role check,
 * validation, OpenAPI and tests all read it.
 *
 * Thread: any; it is const.
 */

#pragma once

#include "base/base.h"
#include "model/user.h"
#include "wire/http_parse.h"

#include <jansson.h>

struct call;

enum field_type {
	FIELD_TEXT,   /* min and max are bytes */
	FIELD_INT,    /* min to max */
	FIELD_NUMBER, /* min to max */
	FIELD_BOOL,
	FIELD_TEXTS, /* a list of texts, of `choices` if there are any */
	FIELD_TIME,  /* ISO 8601 */
};

#define FIELD_TEXTS_MAX 1000 /* bytes of each */

enum field_flag {
	FIELD_REQUIRED = 1 << 0,
	FIELD_NULLABLE = 1 << 1, /* null is allowed and means something */
	FIELD_SECRET = 1 << 2,   /* never shown in an error or log */
};

struct field {
	const char *name; /* NULL ends the list */
	enum field_type type;
	unsigned flags;
	double min, max;
	const char *choices; /* "a|b|c"; NULL any */
	const char *help;
};

enum route_flag {
	ROUTE_PAGE = 1 << 0,    /* no API: not in the document */
	ROUTE_SETUP = 1 << 1,   /* served before a password is set, to those who may set it */
	ROUTE_BYTES = 1 << 3,   /* the body is bytes of any kind, up to TRANSFER_PIECE */
	ROUTE_FREE = 1 << 2,    /* served to everybody even then */
	ROUTE_COLLECT = 1 << 5, /* open to keys of the scope "collect", too */
	ROUTE_MEASURE = 1 << 6, /* open to keys of the scope "measure", too */
	ROUTE_CAMERA = 1 << 4,  /* shows a camera: to its tokens and listed addresses, too */
};

struct route {
	enum http_method method;
	enum user_role role;
	const char *path; /* "/api/v1/films/{id}/video" */
	void (*handle)(struct call *c);
	const char *summary;
	const struct field *query, *body; /* NULL: none */
	int status;                       /* of the good answer */
	unsigned flags;                   /* enum route_flag */
	/* Its content: a shape's name, "image/jpeg" and the like, or NULL for none. */
	const char *answer;
};

const struct route *route_at(size_t i); /* NULL after the last */

/* The route of a path; its {parameters} into `params`. NULL: none. HEAD finds GET. When only the
 * method is wrong, *ret_wrong_method. */
const struct route *route_find(enum http_method m, const char *path, char params[][64],
                               bool *ret_wrong_method);

/* Checks a body or query value; false with the field and a sentence. */
struct field_fault {
	char field[48];
	char text[240];
};
bool route_check_body(const struct route *r, const json_t *body, struct field_fault *fault);
bool route_check_query(const struct route *r, const char *query, struct field_fault *fault);

/* What answers look like: "id:string name:string? films:[film] user:user": `?` may be null, `!` may be
 * absent. */
struct shape {
	const char *name;
	const char *members;
};
const struct shape *shape_at(size_t i);
const struct shape *shape_find(const char *name);

/* The OpenAPI 3.1 document, a new reference. */
json_t *openapi_document(const char *base_path);
/* How docs/openapi.json, the document of "/", is written. */
#define OPENAPI_DUMP (JSON_INDENT(1) | JSON_REAL_PRECISION(12))
