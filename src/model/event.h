/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/event: everything that travels on the bus.
 *
 * Each event is a struct whose first member is `struct bus_event head`; make one with
 * event_new_TYPE(), fill it, bus_publish(bus, &e->head). Listeners switch on head.type and cast
 * with the event_as_TYPE() helpers. Events hold values and ids, never pointers into rooms.
 *
 * Thread: loop.
 */

#pragma once

#include "core/bus.h"
#include "core/crypto.h"
#include "model/camera.h"
#include "model/capture.h"
#include "model/environment.h"
#include "model/film.h"
#include "model/job.h"
#include "model/layer.h"
#include "model/printer.h"
#include "model/session.h"

enum event_type {
	EVENT_PRINTER = 1, /* state changed */
	EVENT_JOB,
	EVENT_LAYER,
	EVENT_CAMERA,
	EVENT_SESSION,
	EVENT_FRAME, /* a frame is in the journal, on disk */
	EVENT_FILM,
	EVENT_NOTICE,
	EVENT_COMMAND,
	EVENT_CAPTURE,
	EVENT_CLIMATE, /* a reading, of a sensor here or sent by another */
	EVENT_BUTTON,  /* a series of clicks is over */
	EVENT_RIG,     /* the button or the lights tell something else */
	EVENT_MACRO,   /* a printer's macro wants something of us, or got it */
};

struct event_printer {
	struct bus_event head;
	char printer[MODEL_ID_SIZE];
	unsigned changed;             /* enum printer_change, or'ed */
	struct printer_state *before; /* owned by the event; NULL for the first */
	struct printer_state *after;  /* owned by the event */
};

enum job_phase {
	JOB_STARTED,
	JOB_FOUND_AGAIN,
	JOB_PAUSED,
	JOB_RESUMED,
	JOB_TABLE,
	JOB_ENDED
};

struct event_job {
	struct bus_event head;
	enum job_phase phase;
	struct job job;
};

struct event_layer {
	struct bus_event head;
	struct layer layer;
};

struct event_camera {
	struct bus_event head;
	char camera[MODEL_ID_SIZE];
	struct camera_status status;
};

struct event_session {
	struct bus_event head;
	struct session session;
};

struct event_frame {
	struct bus_event head;
	char session[ID_SIZE];
	char printer[MODEL_ID_SIZE];
	char camera[MODEL_ID_SIZE];
	uint32_t number; /* in the journal, from 1 */
	int layer;
};

struct event_film {
	struct bus_event head;
	struct film film;
};

/* A sentence for the user: what happened, what Bedside did, what to do. Kept and shown. */
enum notice_level {
	NOTICE_INFO,
	NOTICE_WARNING,
	NOTICE_ALARM
};

struct event_notice {
	struct bus_event head;
	char id[ID_SIZE];
	int64_t wall_ms;
	enum notice_level level;
	char topic[32]; /* "capture", "disk", "camera", "printer", "film", "session", "command" */
	char subject[MODEL_ID_SIZE]; /* printer, camera or session it is about; "" */
	char text[480];
};

struct event_command {
	struct bus_event head;
	char printer[MODEL_ID_SIZE];
	enum printer_command_kind kind;
	enum printer_answer answer;
	char reason[240];
	char user[64];
};

/* A capture began, got further, ended (see its state) or was missed. */
struct event_capture {
	struct bus_event head;
	bool is_news; /* began or ended; false: a picture was kept */
	struct capture capture;
};

struct event_climate {
	struct bus_event head;
	struct climate_reading reading;
};

struct event_button {
	struct bus_event head;
	char printer[MODEL_ID_SIZE];
	unsigned clicks;
	enum button_order order;
	int64_t at_us; /* of the first edge, by the kernel; monotonic */
	int64_t at_wall_ms;
	char text[240]; /* what came of it */
};

struct event_rig {
	struct bus_event head;
	struct rig_status status;
};

enum macro_kind {
	MACRO_FRAME,  /* a picture now */
	MACRO_CYCLE,  /* pictures every so often; 0: no more */
	MACRO_RENDER, /* the film */
};

/* What a macro in the printed file or in the printer's configuration asks for (Klipper's
 * TIMELAPSE_TAKE_FRAME and its like, through the printer's driver); and, `is_over`, that the pictures of
 * a MACRO_FRAME are taken, or will not come. */
struct event_macro {
	struct bus_event head;
	char printer[MODEL_ID_SIZE];
	enum macro_kind kind;
	bool is_over;
	bool waits;     /* the print stands still until it is told that it is over */
	bool is_cyclic; /* MACRO_FRAME: of a cycle that the printer itself counts */
	double every_s; /* MACRO_CYCLE */
};

struct event_printer *event_new_printer(void);
struct event_job *event_new_job(void);
struct event_layer *event_new_layer(void);
struct event_camera *event_new_camera(void);
struct event_session *event_new_session(void);
struct event_frame *event_new_frame(void);
struct event_film *event_new_film(void);
struct event_notice *event_new_notice(int64_t wall_ms);
struct event_command *event_new_command(void);
struct event_capture *event_new_capture(void);
struct event_climate *event_new_climate(void);
struct event_button *event_new_button(void);
struct event_rig *event_new_rig(void);
struct event_macro *event_new_macro(void);

const struct event_printer *event_as_printer(const struct bus_event *e);
const struct event_job *event_as_job(const struct bus_event *e);
const struct event_layer *event_as_layer(const struct bus_event *e);
const struct event_camera *event_as_camera(const struct bus_event *e);
const struct event_session *event_as_session(const struct bus_event *e);
const struct event_frame *event_as_frame(const struct bus_event *e);
const struct event_film *event_as_film(const struct bus_event *e);
const struct event_notice *event_as_notice(const struct bus_event *e);
const struct event_command *event_as_command(const struct bus_event *e);
const struct event_capture *event_as_capture(const struct bus_event *e);
const struct event_climate *event_as_climate(const struct bus_event *e);
const struct event_button *event_as_button(const struct bus_event *e);
const struct event_rig *event_as_rig(const struct bus_event *e);
const struct event_macro *event_as_macro(const struct bus_event *e);

/* Publishes a notice in one line. */
void event_notice(struct bus *b, int64_t wall_ms, enum notice_level level, const char *topic,
                  const char *subject, const char *fmt, ...) PRINTF_LIKE(6, 7);
