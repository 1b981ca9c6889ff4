/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * web: the page and the API: who may, what is asked, what is answered.
 *
 * One table (web/route.h) says for each route method, path, role, handler, fields and answer; the
 * same table is the OpenAPI document and the list that tests walk. What the web cannot do itself
 * (write configuration, look for printers) comes as hooks from the app.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/camera.h"

#include <jansson.h>

struct bus;
struct camera_test_result;
struct cameras;
struct captures;
struct err;
struct films;
struct climates;
struct panel;
struct hub;
struct loop;
struct printer_config;
struct printers;
struct pull_service;
struct rig;
struct sessions;
struct store;
struct web;
struct work_pool;

#define WEB_MAX_PROXIES 16
#define WEB_MAX_CAMERA_CLIENTS 16

enum web_tls_mode {
	WEB_PLAIN,
	WEB_SELF_SIGNED, /* <data_dir>/web-cert.pem and web-key.pem, made at first start */
	WEB_OWN_CERTIFICATE,
};

/* Which field of the body is meant; "" none. */
struct field_says {
	char field[48];
};

/* Who hears how a change of what is configured went: once, on the loop. */
struct web_keeper {
	/* err NULL: it is kept and at work under `id`. -EEXIST: known already; -EPERM: it stands in
	 * the user's own file; -EINVAL: `says` has the field that is at fault. */
	void (*done)(void *arg, const char *id, const struct field_says *says,
	             const struct err *err);
	void *arg;
};

/* Who waits for a camera that is tried. */
struct web_trial {
	void (*done)(void *arg, const struct camera_test_result *r);
	void *arg;
};

/* What the app does for the page. Each may be NULL: the route answers 503 then. */
struct web_hooks {
	/* Writes the configuration and starts the printer. Its id comes from its name. */
	void (*add_printer)(void *arg, const struct printer_config *config, struct web_keeper k);
	void (*remove_printer)(void *arg, const char *id, struct web_keeper k);
	/* Asks an OctoPrint (url and trust of `config`) for a key. `done` once, on the loop, with the
	 * pairing (app/pairings.h; a reference for the callee) once a person can allow it, or NULL. */
	void (*pair)(void *arg, const struct printer_config *config, const char *user,
	             void (*done)(void *done_arg, json_t *pairing, const struct err *),
	             void *done_arg);
	json_t *(*pairing)(void *arg, const char *id); /* NULL: there is none */
	void (*unpair)(void *arg, const char *id);
	/* Its key into config->access_code; false: it has none for this URL. */
	bool (*take_key)(void *arg, const char *id, struct printer_config *config);
	/* Stores the confirmed certificate and reconnects. */
	void (*pin_printer)(void *arg, const char *id, const uint8_t sha256[32],
	                    struct web_keeper k);
	/* `done` once, on the loop, with the "printers" array (a reference for the callee) or NULL. */
	void (*discover)(void *arg,
	                 void (*done)(void *done_arg, json_t *printers, const struct err *),
	                 void *done_arg);
	/* `done` once, on the loop, with the "steps" array (a reference for the callee) or NULL. */
	void (*doctor)(void *arg, const char *id,
	               void (*done)(void *done_arg, json_t *steps, const struct err *),
	               void *done_arg);
	/* Keeps a camera and starts it anew. `id` NULL: a new one. `settings`: checked fields of the
	 * body. */
	void (*save_camera)(void *arg, const char *id, const json_t *settings, struct web_keeper k);
	void (*remove_camera)(void *arg, const char *id, struct web_keeper k);
	/* Opens a camera of these settings, without keeping it, and takes five pictures. 0: `done` comes
	 * once, on the loop, never from inside; -EINVAL with the sentence and the field's name. */
	int (*try_camera)(void *arg, const json_t *settings, struct web_trial t,
	                  struct field_says *says, struct err *err);
	/* `done` once, on the loop, with the "devices" array (a reference for the callee) or NULL. */
	void (*find_devices)(void *arg,
	                     void (*done)(void *done_arg, json_t *devices, const struct err *),
	                     void *done_arg);
	/* Whether the next start, with web_env's `config_path`, can read a backup's printers.d and
	 * cameras.d, unpacked in `folder` (store/restore.h). On a worker, which may be the last to run:
	 * without `arg`. */
	int (*check_restored)(const char *config_path, const char *folder, struct err *err);
	/* Ends the program and begins it again; a backup that waits is put back then. */
	void (*restart)(void *arg);
	void *arg;
};

struct web_env {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	struct printers *printers;
	struct cameras *cameras;
	struct sessions *sessions;
	struct captures *captures; /* NULL: no layer capture */
	struct films *films;
	struct panel *panel;       /* NULL: neither button nor lights */
	struct climates *climates; /* NULL: no places */
	struct pull_service *pull; /* NULL: nothing is fetched */
	struct hub *hub;           /* NULL: rigs cannot report here */
	struct rig *rig;           /* this one as a rig; NULL: it can be none */
	struct work_pool *pool;
	const char *data_dir;
	const char *config_path; /* for backups; NULL or "" none */

	const char *listen; /* numeric address; NULL or "": all */
	uint16_t port;      /* 0: any free one */
	enum web_tls_mode tls;
	const char *certificate, *key; /* PEM files, for WEB_OWN_CERTIFICATE */
	const char *base_path;         /* "/" or "/bedside/"; NULL: "/" */
	size_t n_proxies;
	const char *proxies[WEB_MAX_PROXIES]; /* addresses or networks ("10.0.0.0/8") */
	size_t n_camera_clients;
	const char *camera_clients[WEB_MAX_CAMERA_CLIENTS]; /* may see cameras without a token */
	bool has_socketio;                  /* rigs of the original program may report */
	bool is_demo;                       /* this machine is administrator without a password */
	uint64_t floor_bytes, budget_bytes; /* for /storage; 0 unknown */
	struct web_hooks hooks;
};

/* `env` is copied, its strings too. Reads accounts and listens. On a simulated loop nothing
 * listens; web_asked() is the door then. */
int web_new(const struct web_env *env, struct web **ret, struct err *err) MUST_CHECK;
/* Viewers are let go. The rooms in `env` must still live; the loop must run once more or be freed. */
void web_free(struct web *w);

uint16_t web_port(const struct web *w);

/* The address to open in a browser, "http://localhost:8484/"; while no password is set, with the
 * one-time token (15 minutes, WEB_SETUP_MS). Borrowed until the next call. */
const char *web_setup_link(struct web *w);
#define WEB_SETUP_MS INT64_C(900000)

/* SHA-256 of the page's certificate in hex; "" without TLS. */
const char *web_fingerprint(const struct web *w);

/* Ready means: the store answers and the data folder can be written; the app may add reasons. */
void web_set_not_ready(struct web *w, const char *reason); /* NULL: ready */

/* One request, as the HTTP server hands it over. For tests. */
struct http_request;
void web_asked(struct web *w, struct http_request *r);
