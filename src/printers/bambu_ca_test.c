/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu_ca.h"

#include "base/test.h"
#include "wire/tls_make.h"

#include <string.h>

TEST(every_built_in_ca_certificate_is_whole)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
	unsigned n = 0;

	for (const char *at = bambu_ca_pem(); (at = strstr(at, begin)) != NULL; at++, n++) {
		uint8_t sha256[32];

		CHECK(tls_pem_sha256(at, sha256));
	}
	CHECK_INT(n, 8);
}
