/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/tls.h"

#include "printers/bambu_ca.h"

#include <string.h>

static void without_ca(const struct printer_config *c, struct tls_client *ret)
{
	ret->trust = c->trust.mode == TRUST_PIN ? TLS_TRUST_PIN : TLS_TRUST_INSECURE;
	if (c->trust.mode == TRUST_PIN)
		memcpy(ret->pin, c->trust.pin, sizeof(ret->pin));
}

void printer_tls_client(const struct printer_config *c, const char *ca_file, struct tls_client *ret)
{
	*ret = (struct tls_client){ .sni = c->serial[0] ? c->serial : NULL };
	switch (c->trust.mode) {
	case TRUST_CA:
		ret->trust = TLS_TRUST_CA;
		ret->expected_cn = c->serial;
		ret->ca_file = c->trust.ca_file[0] ? c->trust.ca_file : ca_file;
		ret->ca_pem = ret->ca_file ? NULL : bambu_ca_pem();
		break;
	case TRUST_PIN:
	case TRUST_INSECURE:
		without_ca(c, ret);
		break;
	}
}

void printer_tls_web(const struct printer_config *c, const char *host, struct tls_client *ret)
{
	*ret = (struct tls_client){ .sni = host };
	switch (c->trust.mode) {
	case TRUST_CA:
		ret->trust = TLS_TRUST_WEB;
		ret->expected_host = host;
		ret->ca_file = c->trust.ca_file[0] ? c->trust.ca_file : NULL;
		break;
	case TRUST_PIN:
	case TRUST_INSECURE:
		without_ca(c, ret);
		break;
	}
}
