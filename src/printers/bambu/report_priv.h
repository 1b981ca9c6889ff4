/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inside of bambu/report, shared by its files: report.c (messages, the merged report),
 * report_status.c (activity, job), report_heat.c (temperatures, fans), report_ams.c,
 * report_trouble.c (HMS, print errors), report_machine.c (everything else).
 */

#pragma once

#include "printers/bambu/report.h"
#include "printers/merge.h"

struct bambu_report {
	struct tree *print, *info;
	const struct bambu_model *model; /* NULL unknown */
	bool is_model_fixed;             /* by the configuration */
	bool has_full, wants_fresh;
	unsigned touched;
	int64_t cancel_us;                    /* when the cancel code was last seen, 0 never */
	int64_t failed_us;                    /* when FAILED began */
	const struct bambu_model *worded_for; /* whose words the state's troubles have */
};

/* A key of the merged report; NULL if absent. */
const struct tree_node *report_get(const struct bambu_report *r, const char *key);
/* The element of `list` whose "id" it is: trays, units, nozzles, extruders; NULL if none. */
const struct tree_node *report_by_id(const struct bambu_report *r, const struct tree_node *list,
                                     int id);
/* A number that is not negative, or `otherwise`. */
int report_known(const struct tree_node *n, int otherwise);

/* The first module of get_version whose name begins so; NULL if none. */
const struct tree_node *report_module_find(const struct bambu_report *r, const char *prefix);
const struct tree_node *report_module_get(const struct bambu_report *r, const struct tree_node *n,
                                          const char *key);

/* Copies and clears the rest, so that equal states are equal byte by byte. */
void report_put(char *dst, size_t size, const char *src);
#define PUT(array, src) report_put((array), sizeof(array), (src))

void report_apply_activity(struct bambu_report *r, struct printer_state *s, int64_t now_us);
void report_apply_job(struct bambu_report *r, struct printer_state *s);
void report_apply_heat(struct bambu_report *r, struct printer_state *s);
void report_apply_fans(struct bambu_report *r, struct printer_state *s);
void report_apply_ams(struct bambu_report *r, struct printer_state *s);
void report_apply_trouble(struct bambu_report *r, struct printer_state *s);
void report_apply_machine(struct bambu_report *r, struct printer_state *s);
