/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/names.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static struct bambu_names *names_of(const char *file, const char *name)
{
	struct bambu_names *n = MEM_NEW(struct bambu_names);
	struct printer_job j = { 0 };

	TEXT_SET(j.file, file);
	TEXT_SET(j.name, name);
	bambu_names_of(n, &j);
	return n;
}

TEST(the_named_file_is_looked_for_first_and_in_the_root_first)
{
	struct bambu_names *n = names_of("Cube.gcode.3mf", "Cube");

	CHECK_STR(n->paths[0], "Cube.gcode.3mf");
	CHECK_STR(n->paths[1], "Cube.3mf");
	CHECK_STR(n->paths[2], "cache/Cube.gcode.3mf");
	CHECK_INT(n->n, 6);
	free(n);
}

TEST(a_plate_inside_an_unpacked_job_is_no_file_to_fetch)
{
	struct bambu_names *n = names_of("/data/Metadata/plate_1.gcode", "Number 10");

	CHECK_STR(n->paths[0], "Number 10.gcode.3mf");
	CHECK_INT(n->n, 6);
	free(n);
	n = names_of("/sdcard/cache/x.3mf", "");
	CHECK_STR(n->paths[0], "cache/x.3mf");
	free(n);
}

TEST(names_that_leave_the_storage_are_left_out)
{
	struct bambu_names *n = names_of("../../etc/passwd.3mf", "a/../b");

	CHECK_INT(n->n, 0);
	free(n);
	n = names_of("x\r\nDELE y.3mf", "");
	CHECK_INT(n->n, 0);
	free(n);
}
