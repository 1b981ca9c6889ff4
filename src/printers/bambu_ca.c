/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu_ca.h"

extern const char bambu_ca_text[];

const char *bambu_ca_pem(void)
{
	return bambu_ca_text;
}
