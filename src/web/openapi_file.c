/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes docs/openapi.json: `ninja openapi`. */

#include "web/route.h"

int main(int argc, char **argv)
{
	json_t *j = openapi_document("/");
	int rc = argc == 2 ? json_dump_file(j, argv[1], OPENAPI_DUMP) : -1;

	json_decref(j);
	return rc < 0 ? 1 : 0;
}
