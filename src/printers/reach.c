/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How printers with a URL are reached: streams and questions, with the configured trust. */

#include "printers/driver.h"

#include "base/text.h"
#include "printers/tls.h"
#include "wire/rest.h"
#include "wire/tcp_stream.h"
#include "wire/url.h"

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
