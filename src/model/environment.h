/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/environment: what stands beside the printer and is no camera: a button, lights, and the
 * climate of places. Plain data.
 *
 * Degrees Celsius and per cent of relative humidity, NAN for what a sensor does not measure.
 * Thread: any.
 */

#pragma once

#include "base/base.h"
#include "model/camera.h"

#include <jansson.h>

struct err;

#define CLIMATE_LOCATION_SIZE 64 /* UTF-8, as people write it: "Enclosure" */
#define CLIMATE_SOURCE_SIZE 64

/* Outside these a sensor lies: the widest ranges among those sold for rooms and enclosures. */
#define CLIMATE_MIN_C (-40.0)
#define CLIMATE_MAX_C 125.0

struct climate_reading {
	char location[CLIMATE_LOCATION_SIZE];
	char source[CLIMATE_SOURCE_SIZE]; /* "dht11", "key Balcony", "simulated" */
	int64_t at_wall_ms;
	double temp_c, humidity_percent;
};

/* A value that a sensor can have measured; one of the two must be there. Both exactly zero is what a
 * dead line reads as (its checksum is right), and is refused. */
int climate_check(const struct climate_reading *r, struct err *err) MUST_CHECK;

/* What a series of clicks asks for. */
enum button_order {
	BUTTON_NONE,         /* a count that means nothing */
	BUTTON_FRAME,        /* one picture */
	BUTTON_START_STOP,   /* start; when one runs: stop and make the film */
	BUTTON_PAUSE_RESUME, /* of the session */
	BUTTON_DISCARD,      /* stop without a film */
};

enum light {
	LIGHT_RED,
	LIGHT_GREEN,
	LIGHT_YELLOW,
	N_LIGHTS
};

/* What the lights tell. */
enum rig_show {
	RIG_IDLE,       /* red: preview */
	RIG_RECORDING,  /* green */
	RIG_PAUSED,     /* yellow */
	RIG_FINALISING, /* all off */
	RIG_NO_PRINTER, /* trouble: yellow blinks slowly */
	RIG_NO_CAMERA,  /* trouble: red blinks fast */
	RIG_DISK_LOW,   /* trouble: red and yellow in turn */
};

enum rig_part_state {
	RIG_ABSENT, /* not configured */
	RIG_FAILED, /* see its text */
	RIG_WORKS,
	RIG_SIMULATED,
};

struct rig_part {
	enum rig_part_state state;
	char text[240]; /* why it failed and what to do; "gpiochip0 line 22 (GPIO22)" */
};

/* The button and the lights as they are now. */
struct rig_status {
	char printer[MODEL_ID_SIZE]; /* that they belong to; "" none yet */
	struct rig_part button, lights;
	bool is_pressed;
	uint32_t n_presses; /* since the start */
	unsigned last_clicks;
	enum button_order last_order;
	int64_t last_wall_ms; /* 0: never pressed */
	char last_text[240];  /* what came of it */
	enum rig_show show;
};

const char *button_order_name(enum button_order o); /* "none", "frame", "start_stop" … */
const char *light_name(enum light l);               /* "red" … */
const char *rig_show_name(enum rig_show s);         /* "idle", "no_camera" … */
const char *rig_part_state_name(enum rig_part_state s);

/* {location, source, at, temperature_c, humidity_pct} */
json_t *json_climate(const struct climate_reading *r);
/* {printer, button:{state,text,is_pressed,presses,last:{clicks,order,at,text}|null},
 * lights:{state,text,show}} */
json_t *json_rig(const struct rig_status *s);
