/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/printer: one vocabulary for every maker's printer: configuration, state, commands.
 *
 * Unknown numbers are NAN (double) or -1 (int); unknown texts are "". Temperatures are degrees
 * Celsius, fans percent, times as named. Plain data, no pointers but secrets.
 *
 * Thread: any; one value belongs to one thread.
 */

#pragma once

#include "base/base.h"
#include "base/secret.h"
#include "model/camera.h"
#include "model/trust.h"

#define PRINTER_MAX_NOZZLES 2
#define PRINTER_MAX_AMS 12
#define PRINTER_MAX_TRAYS 4
#define PRINTER_MAX_HMS 16
#define PRINTER_MAX_LIGHTS 4
#define PRINTER_MAX_FILAMENTS 32 /* of one job */

struct printer_ports {
	uint16_t mqtt, ftps, camera, rtsp, detect, detect_tls; /* 0: the maker's usual one */
};

struct printer_config {
	char id[MODEL_ID_SIZE]; /* slug of the name */
	char name[MODEL_NAME_SIZE];
	char driver[24];   /* "bambu", "octoprint" … */
	char address[256]; /* host name or address; of a URL its host */
	char url[512];     /* printers with a web server: "http://host:5000", no login; "" others */
	char user[96];     /* of that server, with a password; "" none */
	char serial[32];
	char model[24];            /* "auto" or a code or name of data/models: "A1", "N2S" */
	struct secret access_code; /* Bambu's code; else the API key, or the password of `user` */
	struct trust trust;
	struct printer_ports ports;
	int64_t offline_after_ms;  /* PRIN-12; default 60 s */
	bool pauses_by_m400;       /* PRIN-11: pause by M400 U1 instead of print.pause */
	bool has_camera;           /* use the printer's own camera (default true) */
	int64_t camera_latency_ms; /* of that camera, glass to memory */
};

void printer_config_fini(struct printer_config *c);
void printer_config_copy(struct printer_config *dst, const struct printer_config *src);

/* How the connection is. */
enum printer_link {
	PRINTER_LINK_OFF,        /* disabled or not started */
	PRINTER_LINK_CONNECTING, /* also waiting for the next attempt */
	PRINTER_LINK_ONLINE,
	PRINTER_LINK_SILENT,  /* connected, but nothing heard for a while */
	PRINTER_LINK_OFFLINE, /* nothing heard for offline_after_ms: values are stale */
	PRINTER_LINK_REFUSED, /* wrong code, certificate not trusted: a person must act */
};

/* What the printer does. */
enum printer_activity {
	PRINTER_UNKNOWN,
	PRINTER_IDLE,
	PRINTER_PREPARING,
	PRINTER_PRINTING,
	PRINTER_PAUSED,
	PRINTER_FINISHED,
	PRINTER_FAILED,
	PRINTER_CANCELLED, /* FAILED with the maker's code for "stopped by the user" */
};

/* Why it is paused, as far as it is known. */
enum printer_pause {
	PRINTER_PAUSE_NONE,
	PRINTER_PAUSE_USER,
	PRINTER_PAUSE_FILE,     /* by the G-code */
	PRINTER_PAUSE_RUNOUT,   /* filament ran out */
	PRINTER_PAUSE_FILAMENT, /* filament change */
	PRINTER_PAUSE_ERROR,
};

struct printer_heat {
	double now_c, target_c; /* NAN unknown */
};

struct printer_nozzle {
	struct printer_heat heat;
	double diameter_mm; /* NAN unknown */
	char type[24];      /* "hardened steel" */
	int tray;      /* global tray number feeding it, as in printer_state.tray_now; -1 none */
	char name[12]; /* "nozzle", "right", "left" */
};

struct printer_tray {
	bool is_present;                /* a spool is in the slot */
	char filament_id[12];           /* maker's code: "GFA00" */
	char type[16];                  /* "PLA" */
	char brand[48];                 /* "PLA Basic", or the profile's name */
	char color[10];                 /* "RRGGBBAA", "" unknown */
	int remain_percent;             /* -1 unknown */
	double full_g;                  /* weight of a full spool, NAN unknown */
	char uuid[36];                  /* tray_uuid; "" when all zero */
	char tag[20];                   /* tag_uid; "" when all zero */
	int nozzle_min_c, nozzle_max_c; /* -1 unknown */
	double k;                       /* flow calibration, NAN unknown */
};

struct printer_ams {
	int id;               /* 0-3, 16, 128-135 */
	char kind[16];        /* "AMS", "AMS Lite", "AMS 2 Pro", "AMS HT" */
	int humidity_level;   /* 1 wettest … 5 driest, -1 unknown */
	int humidity_percent; /* -1 unknown */
	double temp_c;        /* NAN unknown */
	int dry_minutes_left; /* 0: not drying */
	unsigned n_trays;
	struct printer_tray trays[PRINTER_MAX_TRAYS];
};

struct printer_hms {
	char code[24]; /* "0300_0100_0001_0007" */
	int severity;  /* 1 fatal, 2 serious, 3 common, 4 info */
	char module[24];
	char text[256]; /* "" when the table does not know it */
	char wiki[160]; /* URL, "" if none */
};

struct printer_light {
	char name[20]; /* "chamber" */
	bool is_on;
};

/* Where the head is, as far as the printer says. */
struct printer_position {
	double x_mm, y_mm, z_mm; /* NAN unknown */
	bool is_homed;           /* all axes */
	int64_t at_us;           /* when that was so; 0 never */
};

/* Where the head may go: the printer's own word. NAN unknown. */
struct printer_limits {
	double min_mm[3], max_mm[3];
};

/* What can be asked of it: bits. */
enum printer_capability {
	PRINTER_CAN_PAUSE = 1 << 0, /* and resume, and stop */
	PRINTER_CAN_HEAT = 1 << 1,
	PRINTER_CAN_FANS = 1 << 2,
	PRINTER_CAN_LIGHT = 1 << 3,
	PRINTER_CAN_SPEED = 1 << 4,
	PRINTER_CAN_HOME = 1 << 5,
	PRINTER_CAN_GCODE = 1 << 6,
	PRINTER_CAN_SCRIPT = 1 << 7, /* PRINTER_SCRIPT: it says when the motion is finished */
	PRINTER_CAN_START = 1 << 8,  /* files of its storage */
	PRINTER_CAN_UPLOAD = 1 << 9,
	PRINTER_CAN_FETCH_JOB = 1 << 10, /* gives the file of the running job */
	PRINTER_CAN_POSITION = 1 << 11,  /* says where the head is, by itself */
	PRINTER_CAN_CLEAR_ERROR = 1 << 12,
};

/* The job the printer speaks of. */
struct printer_job {
	char name[192];          /* for people: subtask_name */
	char file[256];          /* as the printer names it */
	char task_id[40];        /* "" or "0" for LAN jobs */
	char plate[64];          /* "Metadata/plate_1.gcode" or "" */
	int layer;               /* 1…; 0 before the first; -1 unknown */
	int layers;              /* -1 unknown */
	int percent;             /* -1 unknown */
	int remaining_min;       /* -1 unknown */
	int prepare_percent;     /* download/unpack, -1 unknown */
	int64_t file_pos;        /* bytes of the G-code executed or read, -1 unknown */
	int64_t file_size;       /* -1 unknown */
	double z_mm;             /* height of the layer or of the nozzle as reported, NAN unknown */
	double z_error_mm;       /* z_mm is rounded: it may be off by so much; 0 exact */
	double estimate_s;       /* of the whole print, by its host's own analysis; NAN unknown */
	double filament_mm;      /* likewise, all tools; NAN unknown */
	bool z_is_queued;        /* z_mm was sent to the printer, and is not reached yet */
	int64_t started_wall_ms; /* the printer's word, 0 unknown */
	bool is_streamed;        /* the host feeds the G-code; false: the printer reads its own */
};

enum printer_change { /* bits of what an event says has changed */
	PRINTER_CHANGED_LINK = 1 << 0,
	PRINTER_CHANGED_ACTIVITY = 1 << 1,
	PRINTER_CHANGED_JOB = 1 << 2, /* identity: name, file, task */
	PRINTER_CHANGED_PROGRESS = 1 << 3,
	PRINTER_CHANGED_HEAT = 1 << 4,
	PRINTER_CHANGED_FANS = 1 << 5,
	PRINTER_CHANGED_AMS = 1 << 6,
	PRINTER_CHANGED_TROUBLE = 1 << 7, /* HMS, print error */
	PRINTER_CHANGED_MACHINE = 1 << 8, /* everything else */
	PRINTER_CHANGED_POSITION = 1 << 9,
};

struct printer_state {
	enum printer_link link;
	char link_text[400]; /* what is wrong with the connection and what to do; "" if fine */
	int64_t heard_us, heard_wall_ms; /* last report, 0 never */
	bool is_stale;                   /* values are older than offline_after */
	int64_t since_wall_ms;           /* of `activity` */

	char model[24];     /* "A1" */
	char model_code[8]; /* "N2S" */
	char firmware[24];
	bool has_update;
	bool needs_developer_mode; /* known to refuse unsigned commands */
	bool has_door, is_door_open;
	bool has_storage;
	char wifi[12];         /* "-45dBm" */
	unsigned capabilities; /* enum printer_capability */
	struct printer_limits limits;

	enum printer_activity activity;
	enum printer_pause pause;
	int stage;                 /* the maker's number; -1 none */
	char stage_text[64];       /* "homing toolhead" */
	bool is_changing_filament; /* just now, by itself */
	struct printer_job job;

	unsigned n_nozzles;
	int active_nozzle; /* index */
	struct printer_nozzle nozzles[PRINTER_MAX_NOZZLES];
	struct printer_heat bed, chamber; /* chamber NAN where there is no sensor */
	int fan_part, fan_aux, fan_chamber, fan_heatbreak; /* percent, -1 unknown */
	int speed_level;   /* 1 silent, 2 standard, 3 sport, 4 ludicrous; -1 unknown */
	int speed_percent; /* -1 unknown */
	unsigned n_lights;
	struct printer_light lights[PRINTER_MAX_LIGHTS];

	unsigned n_ams;
	struct printer_ams ams[PRINTER_MAX_AMS];
	unsigned n_external;
	struct printer_tray external[PRINTER_MAX_NOZZLES];
	int tray_now; /* 4·unit + slot; 128-135 AMS HT; 254/255-coded externals as -2 (main), -3
			 (second); -1 nothing */

	uint32_t print_error;      /* 0 none */
	char print_error_code[12]; /* "0300-400C" */
	char print_error_text[256];
	unsigned n_hms;
	struct printer_hms hms[PRINTER_MAX_HMS];

	bool camera_is_on;      /* the printer says that its camera works */
	char camera_text[160];  /* why there is no picture and which switch to flip; "" if fine */
	bool records_timelapse; /* the printer's own */
	struct printer_position position;
};

/* All unknown: NAN, -1, "". */
void printer_state_init(struct printer_state *s);

const char *printer_link_name(enum printer_link l);         /* "online" … */
const char *printer_activity_name(enum printer_activity a); /* "printing" … */
const char *printer_pause_name(enum printer_pause p);       /* "", "user" … */
/* Of one bit: "pause", "heat" …; "" for none that there is. */
const char *printer_capability_name(enum printer_capability bit);

/* A job exists: preparing, printing, paused. */
bool printer_activity_is_job(enum printer_activity a);

enum printer_command_kind {
	PRINTER_PAUSE_PRINT,
	PRINTER_RESUME_PRINT,
	PRINTER_STOP_PRINT,
	PRINTER_HOME,
	PRINTER_SPEED,       /* level 1-4 */
	PRINTER_LIGHT,       /* on */
	PRINTER_FAN,         /* fan, percent */
	PRINTER_NOZZLE_TEMP, /* celsius, nozzle */
	PRINTER_BED_TEMP,
	PRINTER_CHAMBER_TEMP,
	PRINTER_GCODE, /* gcode */
	PRINTER_CLEAR_ERROR,
	PRINTER_START_FILE, /* file on its storage, plate */
	PRINTER_REFRESH,    /* full state, as far as the rules allow */
	/* script, timeout_ms: lines of G-code, acknowledged only when the printer says that their
	 * motion is finished; the position is in the state then. PRINTER_CAN_SCRIPT. */
	PRINTER_SCRIPT,
};

#define PRINTER_SCRIPT_MAX 2048

enum printer_fan {
	PRINTER_FAN_PART,
	PRINTER_FAN_AUX,
	PRINTER_FAN_CHAMBER
};

struct printer_command {
	enum printer_command_kind kind;
	int level;      /* SPEED */
	bool is_on;     /* LIGHT */
	char light[20]; /* LIGHT: "" = chamber */
	enum printer_fan fan;
	int percent; /* FAN */
	int nozzle;  /* NOZZLE_TEMP: index */
	double celsius;
	char gcode[512];                 /* GCODE, lines by \n */
	char script[PRINTER_SCRIPT_MAX]; /* SCRIPT, lines by \n */
	int64_t timeout_ms;              /* SCRIPT; 0: 10 s */
	char file[256];                  /* START_FILE */
	int plate;                       /* START_FILE, from 1 */
	bool uses_ams, records_timelapse, levels_bed;
	/* START_FILE: the tray of each filament of the job, numbered as tray_now, -1 for one that is
	 * not used. None and uses_ams: chosen by material and colour. */
	unsigned n_mapping;
	int mapping[PRINTER_MAX_FILAMENTS];
};

const char *printer_command_name(enum printer_command_kind k); /* "pause" … for API and audit */
bool printer_command_from_name(const char *name, enum printer_command_kind *ret);
/* "3,-1,128" into the trays of a START_FILE, "" into none; false if it is something else. */
bool printer_command_read_trays(struct printer_command *c, const char *list);

enum printer_answer {
	PRINTER_ACKNOWLEDGED,
	PRINTER_REFUSED,
	PRINTER_TIMED_OUT,
	PRINTER_NOT_SENT, /* offline, unknown, out of limits */
};
const char *printer_answer_name(enum printer_answer a); /* "acknowledged" … */
