/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How printers with a URL are reached: streams and questions, with the configured trust. */

#include "printers/driver.h"

#include "base/err.h"
#include "base/text.h"
#include "printers/tls.h"
#include "wire/rest.h"
#include "wire/tcp_stream.h"
#include "wire/tls_stream.h"
#include "wire/url.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void printer_rest_config(const struct printer_config *c, struct rest_config *ret)
{
	*ret = (struct rest_config){
		.url = c->url,
		.user = c->user,
		.password = c->user[0] ? secret_peek(&c->access_code) : "",
		.ca_file = c->trust.ca_file,
		.trust = c->trust.mode == TRUST_CA    ? HTTP_TRUST_WEB
		         : c->trust.mode == TRUST_PIN ? HTTP_TRUST_PIN
		                                      : HTTP_TRUST_INSECURE,
	};
	memcpy(ret->pin, c->trust.pin, sizeof(ret->pin));
}

struct rest *printer_driver_rest(struct printer *p, const char *const *headers, size_t n_headers)
{
	struct rest_config config;

	printer_rest_config(printer_config(p), &config);
	config.headers = headers;
	config.n_headers = n_headers;
	config.player = printer_driver_connector(p)->player;
	return rest_new(printer_driver_env(p)->loop, &config);
}

struct stream *printer_connect_url(struct loop *l, const struct printer_config *c)
{
	struct url u = { 0 };
	bool is_https;
	uint16_t port;
	char host[sizeof(u.host)];

	/* A URL that is none has been refused when it was configured: the name says so. */
	(void)!url_parse(c->url, &u, NULL);
	is_https = strcmp(u.scheme, "https") == 0;
	port = u.port ? u.port : is_https ? 443 : 80;
	TEXT_SET(host, u.host);
	url_fini(&u);
	if (!is_https)
		return tcp_stream_connect(l, host, port, 0);

	struct tls_client tls;

	printer_tls_web(c, host, &tls);
	return tls_stream_connect(l, host, port, &tls);
}

struct stream *printer_driver_connect_url(struct printer *p)
{
	const struct printers_connector *connector = printer_driver_connector(p);
	const struct printer_config *c = printer_config(p);

	if (connector->connect)
		return connector->connect(connector->arg, c, 0);
	return printer_connect_url(printer_driver_env(p)->loop, c);
}

/* ---- the end of a connection ---- */

static void fail_certificate(struct printer *p, const struct tls_leaf *leaf)
{
	struct err err = { 0 };

	printer_driver_refused_leaf(p, leaf->sha256, leaf->subject_cn);
	(void)err_set(&err, -EACCES, "%s", leaf->reason);
	printer_driver_failed(p, PRINTER_FAILURE_CERTIFICATE, &err);
}

bool printer_driver_fail_by(struct printer *p, const struct rest *r, const struct rest_answer *a,
                            const char *what, bool was_there)
{
	enum printer_failure why = PRINTER_FAILURE_REFUSED;
	struct tls_leaf leaf;
	struct err err = { 0 };

	if (rest_is_fine(r, a, what, &err))
		return false;
	if (a->is_untrusted && rest_leaf(r, &leaf)) {
		fail_certificate(p, &leaf);
		return true;
	}
	if (a->status == 401 || a->status == 403)
		why = PRINTER_FAILURE_CODE;
	else if (a->err.code == -EFBIG)
		why = PRINTER_FAILURE_REFUSED;
	else if (a->err.code || err.code == -EAGAIN || a->status >= 500)
		why = was_there ? PRINTER_FAILURE_LOST : PRINTER_FAILURE_UNREACHABLE;
	printer_driver_failed(p, why, &err);
	return true;
}

/* ---- WebSockets ---- */

struct ws_client *printer_driver_ws(struct printer *p, const char *path, const char *const *headers,
                                    size_t n_headers, const struct ws_client_events *events)
{
	struct url u = { 0 };
	char host[300], target[1200];
	bool is_v6;

	/* Refused when it was configured, if it is none. */
	(void)!url_parse(printer_config(p)->url, &u, NULL);
	is_v6 = strchr(u.host, ':') != NULL;
	(void)snprintf(host, sizeof(host), "%s%s%s", is_v6 ? "[" : "", u.host, is_v6 ? "]" : "");
	if (u.port)
		(void)snprintf(host + strlen(host), sizeof(host) - strlen(host), ":%u", u.port);
	(void)snprintf(target, sizeof(target), "%s%s", strcmp(u.path, "/") == 0 ? "" : u.path,
	               path);
	url_fini(&u);

	const struct ws_client_config config = {
		.host = host, .target = target, .headers = headers, .n_headers = n_headers
	};

	return ws_client_new(printer_driver_env(p)->loop, printer_driver_connect_url(p), &config,
	                     events);
}

void printer_driver_fail_ws(struct printer *p, const struct ws_client *ws, enum ws_end end,
                            const struct err *why)
{
	struct tls_leaf leaf;
	struct err err = { 0 };

	if (end == WS_END_UNREACHABLE && tls_stream_peer_leaf(ws_client_stream(ws), &leaf) &&
	    !leaf.is_trusted) {
		fail_certificate(p, &leaf);
	} else if (end == WS_END_REFUSED || end == WS_END_NOT_HTTP) {
		(void)err_set(&err, -EPROTO,
		              "its push socket does not open: %.200s. Does a proxy in front of it "
		              "pass WebSockets on?",
		              why->text);
		printer_driver_failed(p, PRINTER_FAILURE_REFUSED, &err);
	} else {
		printer_driver_failed(p, PRINTER_FAILURE_LOST, why);
	}
}
