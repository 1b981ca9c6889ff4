/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/server.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/loop.h"
#include "web/assets.h"
#include "web/auth.h"
#include "web/card.h"
#include "web/compat.h"
#include "web/live.h"
#include "web/picture.h"
#include "web/proxy.h"
#include "web/push.h"
#include "web/route.h"
#include "web/socketio.h"
#include "web/still.h"
#include "web/tls_cert.h"
#include "web/tokens.h"
#include "web/transfer.h"
#include "web/video.h"
#include "web/wall.h"
#include "web/web.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_LIMIT 65536
#define BODY_LIMIT_STRANGER 8192

/* Added to every answer. The page needs nothing from elsewhere; pictures may be drawn from memory;
 * nobody else may frame it, and nothing may guess types. */
static const char security_headers[] =
	"Content-Security-Policy: default-src 'self'; img-src 'self' blob: data:; "
	"media-src 'self' blob:; connect-src 'self'; "
	"object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"X-Frame-Options: SAMEORIGIN\r\n"
	"Referrer-Policy: no-referrer\r\n"
	"Cross-Origin-Resource-Policy: same-origin\r\n";

static const char closed_page[] =
	"<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
	"<meta name=\"viewport\" content=\"width=device-width\"><title>Bedside</title>"
	"<h1>Not set up yet</h1><p>Nobody has chosen the administrator's password. Use the set-up "
	"link that Bedside printed when it started (good for 15 minutes; a restart prints a new "
	"one), or run <code>bedside user add</code> on its machine.</p></html>";

void web_audit(const struct call *c, const char *action, const char *subject, const char *fmt, ...)
{
	struct audit_entry e = { 0 };
	va_list ap;

	if (!c->web->auth) /* shutting down */
		return;
	TEXT_SET(e.user, c->who.user.name);
	TEXT_SET(e.address, c->address);
	TEXT_SET(e.action, action);
	TEXT_SET(e.subject, subject);
	va_start(ap, fmt);
	vsnprintf(e.text, sizeof(e.text), fmt, ap);
	va_end(ap);
	auth_audit(c->web->auth, &e);
}

/* ---- where it comes from ---- */

static bool is_proxy(const struct web *w, const char *address)
{
	for (size_t i = 0; i < w->env.n_proxies; i++) {
		if (proxy_address_in(address, w->env.proxies[i]))
			return true;
	}
	return false;
}

static const char *forwarded_prefix(const struct http_head *h)
{
	static const char *const names[] = { "X-Forwarded-Prefix", "X-Script-Name",
		                             "X-Ingress-Path" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *v = http_header(h, names[i]);

		if (v && *v)
			return v;
	}
	return NULL;
}

/* Somebody at this very machine, as far as can be told: a proxy here that leaves no mark looks the
 * same. So this opens nothing by itself: the first password takes the set-up link in any case, and
 * only the demo, which has nothing to lose, lets people in by it. */
static bool is_local(const struct call *c, const char *peer)
{
	const struct web *w = c->web;
	uint16_t port = w->server ? web_port(w) : w->env.port;

	return proxy_is_loopback(peer) && !is_proxy(w, peer) && !proxy_is_marked(c->head) &&
	       proxy_host_is_local(http_header(c->head, "Host"), port,
	                           http_request_is_tls(c->request) ? 443 : 80);
}

static void find_origin(struct call *c)
{
	const struct web *w = c->web;
	const char *peer = http_request_address(c->request);
	const char *prefix = NULL;

	TEXT_SET(c->address, peer);
	c->is_secure = http_request_is_tls(c->request);
	if (is_proxy(w, peer)) {
		const char *list = http_header(c->head, "X-Forwarded-For");
		const char *scheme = http_header(c->head, "X-Forwarded-Proto");

		if (list)
			(void)proxy_forwarded_for(c->address, sizeof(c->address), list,
			                          w->env.proxies, w->env.n_proxies);
		if (text_equal_nocase(scheme, "https"))
			c->is_secure = true;
		prefix = forwarded_prefix(c->head);
	}
	c->is_local = is_local(c, peer);
	if (!prefix || !proxy_base_path(c->base_path, sizeof(c->base_path), prefix))
		TEXT_SET(c->base_path, w->env.base_path);

	/* The proxy may have taken the prefix off, or not. */
	size_t n = strlen(c->base_path);

	c->path = c->head->path;
	if (n > 1 && strncmp(c->path, c->base_path, n) == 0)
		c->path += n - 1;
}

/* `origin` is "http://host:8484"; is what follows the scheme our host? */
bool web_is_same_origin(const struct call *c)
{
	const char *origin = http_header(c->head, "Origin");
	const char *host = http_header(c->head, "Host");
	const char *forwarded = http_header(c->head, "X-Forwarded-Host");

	if (!origin)
		return true;

	const char *at = strstr(origin, "://");

	if (!at)
		return false;
	if (host && text_equal_nocase(at + 3, host))
		return true;
	return forwarded && is_proxy(c->web, http_request_address(c->request)) &&
	       text_equal_nocase(at + 3, forwarded);
}

/* ---- who ---- */

static void find_who(struct call *c)
{
	const char *bearer = http_header(c->head, "Authorization");
	char token[128];

	if (bearer && strncasecmp(bearer, "Bearer ", 7) == 0) {
		/* Whoever shows a key means it: a bad one is nobody, whatever the cookie. */
		(void)auth_who_by_key(c->web->auth, bearer + 7, &c->who);
		return;
	}
	if (http_cookie_get(http_header(c->head, "Cookie"), AUTH_COOKIE, token, sizeof(token)) &&
	    auth_who_by_token(c->web->auth, token, &c->who))
		return;
	if (c->web->env.is_demo && c->is_local) {
		c->who = (struct who){ .role = ROLE_ADMIN, .is_demo = true };
		c->who.user.role = ROLE_ADMIN;
		TEXT_SET(c->who.user.id, "demo");
		TEXT_SET(c->who.user.name, "demo");
		TEXT_SET(c->who.csrf, c->web->demo_csrf);
	}
}

bool web_has_link(const struct call *c)
{
	char token[128];

	return http_cookie_get(http_header(c->head, "Cookie"), AUTH_SETUP_COOKIE, token,
	                       sizeof(token)) &&
	       auth_is_setup_token(c->web->auth, token);
}

static bool has_setup_token(struct call *c)
{
	char token[128];

	if (call_query(c, "token", token, sizeof(token)) &&
	    auth_is_setup_token(c->web->auth, token)) {
		snprintf(c->set_cookie, sizeof(c->set_cookie),
		         AUTH_SETUP_COOKIE
		         "=%s; Path=%s; HttpOnly; SameSite=Strict%s; Max-Age=%lld",
		         token, c->base_path, c->is_secure ? "; Secure" : "",
		         (long long)(WEB_SETUP_MS / 1000));
		return true;
	}
	return web_has_link(c);
}

/* ---- gates: each answers and returns false when the call ends here ---- */

static bool pass_setup(struct call *c)
{
	if (!auth_needs_setup(c->web->auth) || (c->route->flags & ROUTE_FREE))
		return true;
	if (has_setup_token(c) || c->is_local)
		return true;
	/* The set-up call may bring its token in the body; it looks for itself. */
	if ((c->route->flags & ROUTE_SETUP) && c->head->method == HTTP_POST)
		return true;
	if (c->route->flags & ROUTE_PAGE) {
		struct http_reply reply = { .status = 403, .type = "text/html; charset=utf-8" };

		call_bytes(c, &reply,
		           http_bytes_wrap(closed_page, sizeof(closed_page) - 1, NULL, NULL));
	} else {
		call_refuse(c, 403, "Bedside is not set up yet: use the set-up link it printed.");
	}
	return false;
}

static bool pass_role(struct call *c)
{
	static const char *const who_can[] = {
		[ROLE_OPEN] = "everybody",
		[ROLE_VIEWER] = "people who are signed in",
		[ROLE_OPERATOR] = "operators and administrators",
		[ROLE_ADMIN] = "administrators",
	};

	if (c->route->flags & ROUTE_CAMERA)
		return compat_pass(c);
	if (c->who.role >= c->route->role ||
	    ((c->route->flags & ROUTE_COLLECT) && c->who.may_collect) ||
	    ((c->route->flags & ROUTE_MEASURE) && c->who.may_measure))
		return true;
	if (c->who.role == ROLE_OPEN)
		call_refuse(c, 401, "Please sign in.");
	else
		call_refuse(c, 403, "Only %s may do this%s.", who_can[c->route->role],
		            c->who.is_key ? ", and this API key is for less" : "");
	return false;
}

static bool is_reading(enum http_method m)
{
	return m == HTTP_GET || m == HTTP_HEAD;
}

static bool pass_csrf(struct call *c)
{
	const char *shown = http_header(c->head, "X-Bedside-Csrf");

	if (is_reading(c->head->method))
		return true;
	if (!web_is_same_origin(c)) {
		call_refuse(c, 403, "This request comes from another site's page and is refused.");
		return false;
	}
	if (c->who.is_key || c->route->role == ROLE_OPEN)
		return true;
	if (!shown || strlen(shown) != strlen(c->who.csrf) ||
	    !crypto_equal(shown, c->who.csrf, strlen(shown))) {
		call_refuse(c, 403,
		            "The header X-Bedside-Csrf is missing or wrong: load the page "
		            "again.");
		return false;
	}
	return true;
}

static bool pass_body(struct call *c)
{
	struct field_fault fault;
	size_t size;
	const char *bytes = http_request_body(c->request, &size);
	json_error_t why = { 0 };

	if (!route_check_query(c->route, c->head->query, &fault)) {
		call_refuse_field(c, fault.field, "%s", fault.text);
		return false;
	}
	if (!c->route->body)
		return true;
	/* A form of another site cannot send this type without asking first. */
	if (!http_list_has(http_header(c->head, "Content-Type"), "application/json") && size > 0) {
		call_refuse(c, 400, "The body must be JSON, with Content-Type: application/json.");
		return false;
	}
	c->body = size > 0 ? json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &why) : json_object();
	if (!c->body) {
		call_refuse(c, 400, "The body is no JSON that can be read (line %d: %s).", why.line,
		            why.text);
		return false;
	}
	if (!route_check_body(c->route, c->body, &fault)) {
		call_refuse_field(c, fault.field, "%s", fault.text);
		return false;
	}
	return true;
}

static void redirect_to_base(struct call *c)
{
	struct http_reply reply = { .status = 302, .n_headers = 1 };

	reply.headers[0] = (struct http_header){ "Location", c->base_path };
	call_bytes(c, &reply, NULL);
}

/* NULL: there is none for this method, or only a question whether a camera may be looked at. */
static const struct route *find_route(struct call *c, bool *ret_wrong_method, bool *ret_preflight)
{
	const struct route *r = route_find(c->head->method, c->path, c->params, ret_wrong_method);

	if (c->head->method == HTTP_OPTIONS) {
		bool is_wrong;

		r = route_find(HTTP_GET, c->path, c->params, &is_wrong);
		*ret_preflight = r && (r->flags & ROUTE_CAMERA);
		return NULL;
	}
	if (!r || !c->is_camera_path || (r->flags & ROUTE_CAMERA))
		return r;
	*ret_wrong_method = false;
	return NULL;
}

void web_asked(struct web *w, struct http_request *r)
{
	struct call *c = MEM_NEW(struct call);
	bool is_wrong_method = false, is_preflight = false;

	w->n_calls++;
	c->web = w;
	c->request = r;
	c->head = http_request_head(r);
	find_origin(c);
	compat_find_path(c);
	c->route = find_route(c, &is_wrong_method, &is_preflight);
	if (!c->route) {
		static const struct route nothing = { .flags = ROUTE_FREE };

		c->route = &nothing;
		if (is_preflight)
			compat_preflight(c);
		else if (is_wrong_method)
			call_refuse(c, 405, "This address does not understand %s.",
			            http_method_name(c->head->method));
		else
			call_refuse(c, 404, "There is nothing at this address.");
		return;
	}

	size_t n = strlen(c->base_path);

	if (n > 1 && strlen(c->head->path) == n - 1 &&
	    strncmp(c->head->path, c->base_path, n - 1) == 0) {
		redirect_to_base(c);
		return;
	}
	if (!pass_setup(c))
		return;
	find_who(c);
	if (pass_role(c) && pass_csrf(c) && pass_body(c))
		c->route->handle(c);
}

bool web_is_still(struct web *w, const struct who *who)
{
	if (who->is_listed)
		return true;
	if (who->camera_token[0])
		return tokens_is_still(w->tokens, who->camera_token);
	return auth_is_still(w->auth, who);
}

static void asked(void *arg, struct http_request *r)
{
	web_asked(arg, r);
}

static size_t body_limit(void *arg, const struct http_request *r)
{
	const struct http_head *h = http_request_head(r);

	if (text_ends(h->path, "/socket.io/") &&
	    socketio_knows(((struct web *)arg)->socketio, h->query))
		return TRANSFER_PIECE;
	/* What it takes to sign in, for those who show nothing. */
	if (!http_header(h, "Cookie") && !http_header(h, "Authorization") &&
	    !((struct web *)arg)->env.is_demo)
		return BODY_LIMIT_STRANGER;

	struct call c = { .web = arg, .request = (struct http_request *)(uintptr_t)r, .head = h };
	bool is_wrong_method;

	find_origin(&c);
	c.route = route_find(h->method, c.path, c.params, &is_wrong_method);
	if (c.route && (c.route->flags & ROUTE_BYTES)) {
		find_who(&c);
		if (c.who.role >= c.route->role)
			return TRANSFER_PIECE;
	}
	return BODY_LIMIT;
}

static bool is_exempt(void *arg, const char *address)
{
	return is_proxy(arg, address);
}

static void error_body(char dst[512], int status)
{
	snprintf(dst, 512,
	         "{\"error\":{\"code\":\"%s\",\"text\":\"The request could not be read (%d).\"}}",
	         call_error_code(status), status);
}

/* ---- life ---- */

static const char *keep(struct web *w, const char *s)
{
	if (!s)
		return NULL;
	return w->strings[w->n_strings++] = mem_str(s);
}

static int copy_env(struct web *w, const struct web_env *env, struct err *err)
{
	char base[128];

	w->env = *env;
	if (!proxy_base_path(base, sizeof(base), env->base_path ? env->base_path : "/"))
		return err_set(err, -EINVAL,
		               "the base path '%s' is no path: write it like /bedside/",
		               env->base_path);
	w->env.data_dir = keep(w, env->data_dir);
	w->env.config_path = keep(w, env->config_path);
	w->env.listen = keep(w, env->listen);
	w->env.certificate = keep(w, env->certificate);
	w->env.key = keep(w, env->key);
	w->env.base_path = keep(w, base);
	for (size_t i = 0; i < env->n_proxies; i++) {
		if (!proxy_network_is_valid(env->proxies[i]))
			return err_set(err, -EINVAL,
			               "the trusted proxy '%s' is no address: write it like "
			               "192.168.1.2 or 10.0.0.0/8",
			               env->proxies[i]);
		w->env.proxies[i] = keep(w, env->proxies[i]);
	}
	for (size_t i = 0; i < env->n_camera_clients; i++) {
		if (!proxy_network_is_valid(env->camera_clients[i]))
			return err_set(err, -EINVAL,
			               "the camera client '%s' is no address: write it like "
			               "192.168.1.2 or 192.168.1.0/24",
			               env->camera_clients[i]);
		w->env.camera_clients[i] = keep(w, env->camera_clients[i]);
	}
	return 0;
}

static int choose_certificate(struct web *w, struct err *err)
{
	if (w->env.tls == WEB_PLAIN)
		return 0;
	if (w->env.tls == WEB_OWN_CERTIFICATE) {
		TEXT_SET(w->cert_file, w->env.certificate);
		TEXT_SET(w->key_file, w->env.key);
	} else {
		snprintf(w->cert_file, sizeof(w->cert_file), "%s/web-cert.pem", w->env.data_dir);
		snprintf(w->key_file, sizeof(w->key_file), "%s/web-key.pem", w->env.data_dir);

		int rc = tls_cert_make(w->cert_file, w->key_file, loop_wall_ms(w->env.loop), err);

		if (rc < 0)
			return rc;
	}
	return tls_cert_fingerprint(w->cert_file, w->fingerprint, err);
}

static int start_server(struct web *w, struct err *err)
{
	int rc = choose_certificate(w, err);

	if (rc < 0)
		return err_wrap(err, rc, "the page's certificate");

	struct http_server_config config = {
		.address = w->env.listen,
		.port = w->env.port,
		.cert_file = w->env.tls == WEB_PLAIN ? NULL : w->cert_file,
		.key_file = w->env.tls == WEB_PLAIN ? NULL : w->key_file,
		.headers = security_headers,
		.pool = w->env.pool,
		.body_limit = body_limit,
		.asked = asked,
		.is_exempt = is_exempt,
		.error_body = error_body,
		.arg = w,
	};

	return http_server_new(w->env.loop, &config, &w->server, err);
}

static void restart(void *arg)
{
	struct web *w = arg;

	w->env.hooks.restart(w->env.hooks.arg);
}

int web_new(const struct web_env *env, struct web **ret, struct err *err)
{
	struct web *w = MEM_NEW(struct web);

	log_init(&w->log, "web");
	timer_init(&w->restart, env->loop, restart, w);
	crypto_random_text(w->demo_csrf, USER_CSRF_SIZE - 1);

	int rc = copy_env(w, env, err);

	if (rc == 0)
		rc = auth_new(env->loop, env->store, &w->auth, err);
	if (rc == 0)
		rc = tokens_new(env->loop, env->store, &w->tokens, err);
	if (rc == 0) {
		w->pictures = pictures_new(env->loop, env->pool);
		w->cards = cards_new(env->loop, env->pool);
		w->live = live_new(w);
		w->video = video_new(w);
		w->stills = stills_new(w);
		w->push = push_new(w);
		w->wall = wall_new(w);
		w->socketio = env->has_socketio ? socketio_new(w) : NULL;
		if (!loop_is_simulated(env->loop))
			rc = start_server(w, err);
	}
	if (rc < 0) {
		web_free(w);
		return rc;
	}
	*ret = w;
	return 0;
}

void web_let_go(struct web *w)
{
	if (!w->is_ending || w->n_calls > 0)
		return;
	upload_free(w->upload);
	for (size_t i = 0; i < w->n_strings; i++)
		free(w->strings[i]);
	free(w);
}

void web_free(struct web *w)
{
	if (!w)
		return;
	timer_stop(&w->restart);
	socketio_free(STEAL_PTR(w->socketio));
	http_server_free(STEAL_PTR(w->server));
	push_free(STEAL_PTR(w->push));
	wall_free(STEAL_PTR(w->wall));
	live_free(STEAL_PTR(w->live));
	video_free(STEAL_PTR(w->video));
	stills_free(STEAL_PTR(w->stills));
	cards_free(STEAL_PTR(w->cards));
	pictures_free(STEAL_PTR(w->pictures));
	auth_free(STEAL_PTR(w->auth));
	tokens_free(STEAL_PTR(w->tokens));
	rig_door_fini(&w->rig_door);
	w->is_ending = true;
	web_let_go(w);
}

uint16_t web_port(const struct web *w)
{
	return w->server ? http_server_port(w->server) : 0;
}

const char *web_setup_link(struct web *w)
{
	const char *listen = w->env.listen && *w->env.listen ? w->env.listen : "localhost";
	const char *token = w->env.is_demo ? "" : auth_setup_token(w->auth);

	if (strcmp(listen, "0.0.0.0") == 0 || strcmp(listen, "::") == 0)
		listen = "localhost";
	snprintf(w->link, sizeof(w->link), "%s://%s%s%s:%u%s%s%s",
	         w->env.tls == WEB_PLAIN ? "http" : "https", strchr(listen, ':') ? "[" : "", listen,
	         strchr(listen, ':') ? "]" : "", web_port(w), w->env.base_path,
	         *token ? "?token=" : "", token);
	return w->link;
}

const char *web_fingerprint(const struct web *w)
{
	return w->fingerprint;
}

void web_set_not_ready(struct web *w, const char *reason)
{
	TEXT_SET(w->not_ready, reason);
}
