/* SPDX-License-Identifier: GPL-3.0-or-later */
/* web: what the files of this room share. Thread: loop. */

#pragma once

#include "base/secret.h"
#include "core/log.h"
#include "core/loop.h"
#include "web/call.h"
#include "web/rigs.h"
#include "web/server.h"

struct auth;
struct camera;
struct cards;
struct download;
struct http_server;
struct live;
struct pictures;
struct push;
struct socketio;
struct stills;
struct tokens;
struct upload;
struct video;
struct wall;

struct web {
	struct web_env env; /* strings are our own */
	char *strings[7 + WEB_MAX_PROXIES + WEB_MAX_CAMERA_CLIENTS];
	size_t n_strings;
	struct log log;
	struct http_server *server; /* NULL on a simulated loop */
	struct auth *auth;
	struct pictures *pictures;
	struct cards *cards;
	struct live *live;
	struct video *video;
	struct stills *stills;
	struct push *push;
	struct tokens *tokens;
	struct wall *wall;
	struct rig_door rig_door;
	struct socketio *socketio; /* NULL: off */
	char cert_file[1100], key_file[1100];
	char fingerprint[65];
	char link[300];
	char not_ready[240];
	unsigned n_calls; /* under way */
	unsigned n_archives;
	bool is_ending;
	struct download *download; /* the backup being given out */
	struct upload *upload;     /* the one being put back */
	struct timer restart;
	char demo_csrf[USER_CSRF_SIZE];
};

void call_free(struct call *c);
const char *call_error_code(int status);

/* Frees what is left of a web whose last call is answered. */
void web_let_go(struct web *w);

/* Who did what to what, for the audit log. `text` never holds a secret. */
void web_audit(const struct call *c, const char *action, const char *subject, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* The asker's browser came by the set-up link, and it is still good. */
bool web_has_link(const struct call *c);

/* They may still look: for those who have been here for long. */
bool web_is_still(struct web *w, const struct who *who);

/* The camera that the route's {id} names; NULL: refused already. */
struct camera *call_camera(struct call *c);

/* The page's address as the asker sees it, with a '/' at its end. */
bool web_is_same_origin(const struct call *c);
