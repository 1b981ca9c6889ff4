/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * printers/driver: what the driver of a maker's printers must be able to do, and what it may call.
 * Drivers see this and lower floors only.
 *
 * A driver is one const table. The framework allocates its private data (zeroed), opens and closes
 * the connection, does the retries with back-off, watches silence, publishes changes and gives
 * each command its one answer.
 *
 * Thread: loop.
 */

#pragma once

#include "printers/printer.h"
#include "wire/ws_client.h"

#define PRINTER_LOGIN_HEADER_MAX (SECRET_MAX + 1024)

struct rest;
struct rest_config;
struct rest_player;
struct stream;

/* How a printer is logged in to, and so which keys its configuration has. */
enum printer_login {
	PRINTER_LOGIN_CODE, /* address, serial, access_code */
	PRINTER_LOGIN_KEY,  /* url, api_key */
	PRINTER_LOGIN_ANY,  /* url, and api_key or user and password */
	PRINTER_LOGIN_OPEN, /* url, and what PRINTER_LOGIN_ANY has, or nothing */
};

/* One question of the doctor's, and what its answer means. */
enum printer_probe_end {
	PRINTER_PROBE_FINE,
	PRINTER_PROBE_FAILED,
	PRINTER_PROBE_STOP,   /* failed, and what follows would as well */
	PRINTER_PROBE_SILENT, /* nothing to say */
};

struct rest_answer;
struct printer_probe {
	const char *step;          /* "login": doctor_step.name */
	const char *target, *body; /* behind the URL; body NULL: GET */
	enum printer_probe_end (*judge)(const struct rest *r, const struct rest_answer *a,
	                                char text[240], char advice[320]);
};

struct printer_driver {
	const char *name;  /* the word in the configuration: "bambu" */
	const char *title; /* for people */
	size_t priv_size;
	enum printer_login login;
	/* For people: "access code"; sentences that say where it is found, and what may be wrong
	 * when the printer refuses us otherwise. */
	const char *key_word, *key_advice, *refused_advice;
	const char *key_header; /* of an API key: "X-Api-Key" */
	/* Optional, where `user` is logged in by a question of its own, POSTed to this: its body
	 * (free() it, a secret), and out of the answer the header of all that follows; false: it has
	 * none. The driver's open() uses the same. */
	const char *login_target;
	char *(*login_body)(const struct printer_config *c);
	bool (*login_header)(const json_t *answer, char *dst, size_t size);
	/* Optional, of printers with a URL: what the doctor asks, one after the other. */
	const struct printer_probe *probes;
	size_t n_probes;

	/* Required. Once, before the first open(). */
	void (*init)(void *priv, struct printer *p);
	/* Required. Releases what init() made; the connection is closed already. */
	void (*fini)(void *priv);

	/* Required. Begins to connect. The end, now or later, is told by printer_driver_failed();
	 * the framework then calls close() and opens again when it is time. */
	void (*open)(void *priv);
	/* Required. Ends the connection; nothing comes after it. Idempotent. */
	void (*close)(void *priv);
	/* Optional. Nothing was heard for 30 s: wake it up. */
	void (*nudge)(void *priv);

	/* Required. Sends a command; its answer is told by printer_driver_answer(), from inside
	 * this call too. When nothing is told for 10 s (or as long as printer_driver_wait() says),
	 * the answer is "timed out". */
	void (*send)(void *priv, const struct printer_command *c, uint32_t ticket);

	json_t *(*raw)(const void *priv); /* optional */
	int (*fetch_job)(void *priv, const char *dest_path, const struct printer_fetch *f,
	                 struct err *err); /* optional */
	void (*fetch_cancel)(void *priv);  /* optional */
	bool (*own_camera)(const void *priv, struct camera_config *ret, const char **ret_why);
	/* Optional, of those that publish EVENT_MACRO: see printer_macro_over(). */
	void (*macro_over)(void *priv, bool is_film);
};

enum printer_failure {
	PRINTER_FAILURE_UNREACHABLE, /* no connection came about */
	PRINTER_FAILURE_LOST,        /* it was there */
	PRINTER_FAILURE_CODE,        /* the access code is refused */
	PRINTER_FAILURE_CERTIFICATE, /* the certificate is not trusted */
	PRINTER_FAILURE_REFUSED,     /* another refusal that a person must look at */
};

/* What a driver calls. */

/* The state, to be written to before printer_driver_heard() or _changed(). */
struct printer_state *printer_driver_state(struct printer *p);
const struct printers_env *printer_driver_env(const struct printer *p);
/* A report came and is in the state. */
void printer_driver_heard(struct printer *p);
/* The state was changed by something else. */
void printer_driver_changed(struct printer *p);
void printer_driver_failed(struct printer *p, enum printer_failure why, const struct err *err);
void printer_driver_refused_leaf(struct printer *p, const uint8_t sha256[32], const char *subject);
/* A ticket that is not waited for any more is ignored. */
void printer_driver_answer(struct printer *p, uint32_t ticket, enum printer_answer a,
                           const char *reason);
/* This one takes longer: `ms` from now. */
void printer_driver_wait(struct printer *p, uint32_t ticket, int64_t ms);
/* Something a person must act on. */
void printer_driver_notice(struct printer *p, const char *text);

/* A stream to the printer, TLS with its trust; `port` as configured. */
struct stream *printer_driver_connect(struct printer *p, uint16_t port);

/* Tests give streams of their own: memory pairs, and answer HTTP themselves. Before the first
 * printer is added. */
struct printers_connector {
	struct stream *(*connect)(void *arg, const struct printer_config *c, uint16_t port);
	void *arg;
	const struct rest_player *player; /* NULL: none */
};
void printers_set_connector(struct printers *ps, const struct printers_connector *c);
const struct printers_connector *printer_driver_connector(const struct printer *p);

/* Of printers with a URL: a stream to its host, TLS if it says https. */
struct stream *printer_driver_connect_url(struct printer *p);
/* And what asks it (wire/rest): trust, the login of `user`, if any, and these headers with each
 * question. The driver's to rest_free(). */
struct rest *printer_driver_rest(struct printer *p, const char *const *headers, size_t n_headers);
/* What an answer of `what` ("OctoPrint") that is not fine means: the connection has failed, and that
 * is told. `was_there`: it had been online. False if it is fine. */
bool printer_driver_fail_by(struct printer *p, const struct rest *r, const struct rest_answer *a,
                            const char *what, bool was_there);

/* A WebSocket to `path` behind the URL. The driver's to ws_client_free(). */
struct ws_client *printer_driver_ws(struct printer *p, const char *path, const char *const *headers,
                                    size_t n_headers, const struct ws_client_events *events);
/* It was closed: tells that the connection has failed. */
void printer_driver_fail_ws(struct printer *p, const struct ws_client *ws, enum ws_end end,
                            const struct err *why);
/* For tools that have no running printer: as printer_driver_rest(); texts are borrowed from `c`. */
void printer_rest_config(const struct printer_config *c, struct rest_config *ret);
struct stream *printer_connect_url(struct loop *l, const struct printer_config *c);

extern const struct printer_driver printer_driver_bambu;
extern const struct printer_driver printer_driver_octoprint;
extern const struct printer_driver printer_driver_moonraker;
extern const struct printer_driver printer_driver_prusalink;

/* NULL if no such driver was built in. */
const struct printer_driver *printer_driver_find(const char *name);
/* The built-in drivers, one after the other; NULL after the last. */
const struct printer_driver *printer_driver_at(size_t i);
