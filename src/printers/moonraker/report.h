/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * report: what Klipper's objects say by way of Moonraker, put into the printer's state.
 *
 * The objects are asked for once and then come as changes; both are laid into one `status`, of
 * which only small values of the objects we asked for are kept. https://moonraker.readthedocs.io
 * (printer_objects, "printer.objects.subscribe") and https://www.klipper3d.org/Status_Reference.html.
 *
 * The memory is the caller's to moon_memory_fini(). Pure: JSON in, struct out. Thread: any.
 */

#pragma once

#include "model/printer.h"
#include "printers/webcam.h"

#include <jansson.h>

#define MOON_NAME_SIZE 64 /* of an object, "fan_generic aux" */

/* What must be remembered from one message to the next; zeroed at first. */
struct moon_memory {
	json_t *status;    /* object by name */
	char klippy[16];   /* "ready", "startup", "shutdown", "error", "disconnected"; "" unknown */
	bool has_state;    /* Klipper's was heard since the connection began */
	double estimate_s; /* of the file, by its slicer; 0 unknown */
	enum printer_activity how; /* the last job ended by Moonraker's history, UNKNOWN not told */
	/* Klipper's names of what is commanded; "" there is none. */
	char chamber[MOON_NAME_SIZE], fan_aux[MOON_NAME_SIZE], fan_chamber[MOON_NAME_SIZE];
	bool has_part_fan;
};
void moon_memory_fini(struct moon_memory *m);

/* Which of the objects that there are are wanted, with their fields: what is subscribed to. A new
 * reference, an empty object if `objects` is no list. Forgets those of before. */
json_t *moon_report_want(struct moon_memory *m, const json_t *objects);
/* Lays a full status, or changes, into the one there is, and reads it. */
void moon_report_status(struct moon_memory *m, const json_t *status, struct printer_state *s,
                        int64_t now_us);
/* Klipper's own condition, and what it says about it. True if it is news. */
bool moon_report_klippy(struct moon_memory *m, const char *condition, const char *message,
                        struct printer_state *s);
/* notify_history_changed */
void moon_report_history(struct moon_memory *m, const json_t *change);
/* server.files.metadata of the job's file. */
void moon_report_metadata(struct moon_memory *m, const json_t *metadata, struct printer_state *s);
/* The first webcam that is on, of server.webcams.list. */
void moon_read_webcam(const json_t *list, struct webcam *ret);
/* "http://host:7125" is Moonraker; its page, which webcams are seen from, is "http://host". */
void moon_page_url(const char *url, char *dst, size_t size);
/* What Klipper says is wrong: of "{'error': 'WebRequestError', 'message': 'Must home axis first'}"
 * the message; cleaned. */
void moon_read_error(const char *text, char *dst, size_t size);
