/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim: a simulated Bambu printer on real sockets: MQTT, FTPS, camera, detect probe, announcements.
 *
 * Puts engine, broker, camera and FTPS server together, makes the certificates (a CA, an
 * intermediate, a leaf of X.509 version 1 whose CN is the serial: the shape of the real ones) and
 * keeps them in `cert_dir`, so that clients that pin go on knowing it.
 *
 * Thread: loop. Making certificates takes half a second, once.
 */

#pragma once

#include "base/base.h"
#include "printers/sim/engine.h"

struct err;
struct loop;
struct sim;

struct sim_ports { /* 0: any free one */
	uint16_t mqtt, ftps, camera, detect, detect_tls, rtsp;
};

struct sim_config {
	const char *model;   /* "A1"; NULL: of the serial, else A1 */
	const char *serial;  /* NULL: made up */
	const char *name;    /* NULL: the default name */
	const char *code;    /* access code; NULL: "12345678" */
	const char *address; /* to listen on, IPv4; NULL: 127.0.0.1 */
	struct sim_ports ports;
	const char *storage;    /* folder served by FTPS; made if missing */
	const char *cert_dir;   /* made if missing; shared by simulators of one CA */
	double speed;           /* 0: 1 */
	double camera_delay_ms; /* pictures come so long after what they show, 10000 at most */
	double camera_fps;      /* 0: 1 a second, faster with `speed`, 5 at most */
	unsigned camera_width, camera_height; /* 0: 1280×720 */
	const char *av_program; /* bedside-av, for RTSPS cameras; NULL: they are off */
	bool is_strict_camera;  /* one client only */
	bool needs_signing;     /* refuses unsigned commands */
	bool has_no_ams;
	bool announces;     /* SSDP: NOTIFY to the broadcast address, answers to M-SEARCH */
	bool repeats;       /* `print` again, a while after it has ended */
	const char *print;  /* path of a .gcode.3mf to print at once; NULL none */
	unsigned plate;     /* 0: the first */
	const char *button; /* what its switch pulls (sim/switch.h); NULL: it has none */
	const char *replay; /* path of a recording (.jsonl) or a report (.json); NULL none */
};

int sim_start(struct loop *l, const struct sim_config *c, struct sim **ret,
              struct err *err) MUST_CHECK;
/* NULL is allowed. */
void sim_stop(struct sim *s);

const struct sim_ports *sim_ports(const struct sim *s);
const char *sim_serial(const struct sim *s);
const char *sim_name(const struct sim *s);
const struct sim_model *sim_model(const struct sim *s);
const char *sim_ca_file(const struct sim *s); /* PEM for clients */
struct sim_engine *sim_engine(struct sim *s);

/* Starts a file of our disk: copied to its storage, then printed, as from its screen. */
int sim_print(struct sim *s, const char *path, unsigned plate, struct err *err) MUST_CHECK;

/* One line of control: a fault (sim/engine.h), "print FILE [PLATE]", "state". The answer is one
 * line, without its end. */
void sim_control(struct sim *s, const char *line, char *answer, size_t size);
