/* SPDX-License-Identifier: GPL-3.0-or-later */
/* routes: THE table. See web/route.h. */

#include "web/handlers.h"
#include "web/route.h"

#include "base/text.h"
#include "model/trust.h"

#define REQUIRED FIELD_REQUIRED
#define NULLABLE FIELD_NULLABLE
#define SECRET FIELD_SECRET
#define END                  \
	{                    \
		.name = NULL \
	}

/* A name of a thing: ids are 26 characters, slugs at most 47. */
#define ID(name_, help_)                                                                  \
	{                                                                                 \
		.name = (name_), .type = FIELD_TEXT, .min = 1, .max = 63, .help = (help_) \
	}

static const struct field page_query[] = {
	ID("printer", "only of this printer"),
	ID("before", "only older than this id: the last one of the page before"),
	{ "limit", FIELD_INT, 0, 1, 500, NULL, "how many at most; 100 if absent" },
	END
};

static const struct field limit_query[] = {
	{ "limit", FIELD_INT, 0, 1, 500, NULL, "how many at most; 100 if absent" }, END
};

static const struct field audit_query[] = {
	{ "before", FIELD_INT, 0, 1, 9e15, NULL, "only older than this number" },
	{ "limit", FIELD_INT, 0, 1, 500, NULL, "how many at most; 100 if absent" },
	{ "user", FIELD_TEXT, 0, 0, 63, NULL, "only of this user" },
	{ "action", FIELD_TEXT, 0, 0, 31, NULL, "only this kind" },
	END
};

static const struct field setup_body[] = {
	{ "token", FIELD_TEXT, NULLABLE | SECRET, 0, 64, NULL, "of the set-up link" },
	{ "name", FIELD_TEXT, REQUIRED, 1, 63, NULL, "of the administrator" },
	{ "password", FIELD_TEXT, REQUIRED | SECRET, 8, 256, NULL, "8 characters or more" },
	END
};

static const struct field login_body[] = {
	{ "name", FIELD_TEXT, REQUIRED, 1, 63, NULL, "" },
	{ "password", FIELD_TEXT, REQUIRED | SECRET, 1, 256, NULL, "" },
	{ "remember", FIELD_BOOL, 0, 0, 0, NULL, "stay signed in for seven days" },
	END
};

static const struct field logout_query[] = {
	{ "everywhere", FIELD_BOOL, 0, 0, 0, NULL, "end all sessions of this user" }, END
};

static const struct field password_body[] = {
	{ "old", FIELD_TEXT, REQUIRED | SECRET, 1, 256, NULL, "" },
	{ "new", FIELD_TEXT, REQUIRED | SECRET, 8, 256, NULL, "8 characters or more" },
	END
};

static const struct field user_body[] = {
	{ "name", FIELD_TEXT, REQUIRED, 1, 63, NULL, "" },
	{ "password", FIELD_TEXT, REQUIRED | SECRET, 8, 256, NULL, "8 characters or more" },
	{ "role", FIELD_TEXT, REQUIRED, 0, 0, "viewer|operator|admin", "" },
	{ "expires_in_min", FIELD_INT, NULLABLE, 1, 5256000, NULL, "minutes from now" },
	{ "expires_at", FIELD_TIME, NULLABLE, 0, 0, NULL, "when the account ends" },
	END
};

static const struct field user_change_body[] = {
	{ "role", FIELD_TEXT, 0, 0, 0, "viewer|operator|admin", "" },
	{ "password", FIELD_TEXT, SECRET, 8, 256, NULL, "8 characters or more" },
	{ "expires_in_min", FIELD_INT, NULLABLE, 1, 5256000, NULL, "minutes from now" },
	{ "expires_at", FIELD_TIME, NULLABLE, 0, 0, NULL, "when the account ends; null: never" },
	END
};

static const struct field key_body[] = {
	{ "name", FIELD_TEXT, REQUIRED, 1, 63, NULL, "what it is for" },
	{ "scopes", FIELD_TEXTS, REQUIRED, 1, 5, "read|operate|admin|collect|measure",
	  "what it may do; collect: read, and delete finished films and captures; "
	  "measure: send readings of a sensor, nothing else" },
	{ "expires_at", FIELD_TIME, NULLABLE, 0, 0, NULL, "when it ends; absent: never" },
	END
};

static const struct field reading_body[] = {
	{ "location", FIELD_TEXT, REQUIRED, 1, 63, NULL, "where it was measured" },
	{ "temperature_c", FIELD_NUMBER, NULLABLE, -1000, 1000, NULL, "degrees Celsius" },
	{ "humidity_pct", FIELD_NUMBER, NULLABLE, -1000, 1000, NULL, "relative humidity" },
	{ "error", FIELD_TEXT, 0, 0, 200, NULL, "why nothing could be measured, instead" },
	{ "at", FIELD_TIME, 0, 0, 0, NULL, "when; now if absent" },
	END
};

static const struct field place_query[] = {
	{ "location", FIELD_TEXT, REQUIRED, 1, 63, NULL, "the place" }, END
};

static const struct field climate_query[] = {
	{ "location", FIELD_TEXT, REQUIRED, 1, 63, NULL, "the place" },
	{ "from", FIELD_TIME, REQUIRED, 0, 0, NULL, "the beginning" },
	{ "to", FIELD_TIME, 0, 0, 0, NULL, "the end, at most 31 days later; a day if absent" },
	{ "step_s", FIELD_INT, 0, 1, 86400, NULL,
	  "means of so many seconds; as a chart needs if absent" },
	END
};

static const struct field click_body[] = {
	{ "clicks", FIELD_INT, 0, 1, 9, NULL, "how many; 1 if absent" }, END
};

static const struct field pull_body[] = {
	{ "source", FIELD_TEXT, 0, 0, 47, NULL, "id of one; all if absent" }, END
};

static const struct field press_body[] = {
	{ "down", FIELD_BOOL, REQUIRED, 0, 0, NULL, "true: pressed; false: let go" }, END
};

static const struct field printer_body[] = {
	{ "name", FIELD_TEXT, REQUIRED, 1, 95, NULL, "as you call it" },
	{ "driver", FIELD_TEXT, 0, 0, 0, "bambu|octoprint|moonraker|prusalink", "bambu if absent" },
	{ "address", FIELD_TEXT, 0, 1, 255, NULL, "bambu: host name or address" },
	{ "serial", FIELD_TEXT, 0, 6, 20, NULL, "bambu: serial number, as on its screen" },
	{ "access_code", FIELD_TEXT, SECRET, 1, 64, NULL, "bambu: as on its screen" },
	{ "url", FIELD_TEXT, 0, 8, 511, NULL, "all but bambu: as in http://octopi.local" },
	{ "api_key", FIELD_TEXT, SECRET, 1, 256, NULL, "all but bambu" },
	{ "pairing", FIELD_TEXT, 0, 1, 63, NULL,
	  "octoprint: whose key is taken, instead of api_key" },
	{ "user", FIELD_TEXT, 0, 1, 95, NULL, "with password, instead of api_key" },
	{ "password", FIELD_TEXT, SECRET, 1, 256, NULL, "" },
	{ "trust", FIELD_TEXT, 0, 1, 80, NULL, TRUST_FORM },
	END
};

static const struct field pair_body[] = {
	{ "url", FIELD_TEXT, REQUIRED, 8, 511, NULL, "as in http://octopi.local" },
	{ "user", FIELD_TEXT, 0, 1, 95, NULL,
	  "of OctoPrint, whose key it shall be; whoever allows it if absent" },
	{ "trust", FIELD_TEXT, 0, 1, 80, NULL, TRUST_FORM },
	END
};

/* clang-format off */
#define COMMANDS "pause|resume|stop|home|speed|light|fan|nozzle_temp|bed_temp|chamber_temp|gcode|" "clear_error|refresh|start_file|script"

#define COMMAND_FIELDS \
	{ "level", FIELD_INT, 0, 1, 4, NULL, "speed: silent, standard, sport, ludicrous" }, \
	{ "on", FIELD_BOOL, 0, 0, 0, NULL, "light" }, \
	{ "light", FIELD_TEXT, 0, 0, 19, NULL, "light: which; the chamber's if absent" }, \
	{ "fan", FIELD_TEXT, 0, 0, 0, "part|aux|chamber", "fan" }, \
	{ "percent", FIELD_INT, 0, 0, 100, NULL, "fan" }, \
	{ "celsius", FIELD_NUMBER, 0, 0, 400, NULL, "temperatures" }, \
	{ "nozzle", FIELD_INT, 0, 0, 1, NULL, "nozzle_temp: which" }, \
	{ "gcode", FIELD_TEXT, 0, 1, 2047, NULL, "gcode (up to 511 characters), script: lines" }, \
	{ "timeout_s", FIELD_INT, 0, 1, 600, NULL, "script: how long the motion may take" }, \
	{ "file", FIELD_TEXT, 0, 1, 255, NULL, "start_file: on its storage" }, \
	{ "plate", FIELD_INT, 0, 1, 99, NULL, "start_file: from 1" }, \
	{ "uses_ams", FIELD_BOOL, 0, 0, 0, NULL, "start_file" }, \
	{ "ams_mapping", FIELD_TEXT, 0, 0, 200, NULL, "start_file: tray of each filament, as in 3,-1,128; chosen by material and colour if " "absent" }, \
	{ "levels_bed", FIELD_BOOL, 0, 0, 0, NULL, "start_file" }, \
	{ "records_timelapse", FIELD_BOOL, 0, 0, 0, NULL, "start_file: the printer's own" },
/* clang-format on */

static const struct field command_body[] = {
	{ "command", FIELD_TEXT, REQUIRED, 0, 0, COMMANDS, "" }, COMMAND_FIELDS END
};

static const struct field rig_order_body[] = {
	{ "what", FIELD_TEXT, REQUIRED, 0, 0, "session|printer|capture", "what it is an order of" },
	{ "printer", FIELD_TEXT, REQUIRED, 1, 47, NULL, "id of the rig's printer" },
	{ "order", FIELD_TEXT, 0, 0, 0, "start|pause|resume|stop|discard|shoot|run|cancel",
	  "of a session or a layer capture" },
	{ "command", FIELD_TEXT, 0, 0, 0, COMMANDS, "of a printer, with what it needs:" },
	COMMAND_FIELDS END
};

static const struct field rig_change_body[] = {
	{ "name", FIELD_TEXT, 0, 1, 47, NULL, "" },
	{ "status_delay_s", FIELD_NUMBER, NULLABLE, 1, 86400, NULL,
	  "how often it tells its state; null: as it is configured" },
	{ "climate_delay_s", FIELD_NUMBER, NULLABLE, 1, 86400, NULL,
	  "temperature and humidity; null: as it is configured" },
	{ "image_delay_s", FIELD_NUMBER, NULLABLE, 1, 86400, NULL,
	  "previews; null: as it is configured" },
	END
};

static const struct field rig_pair_body[] = {
	{ "code", FIELD_TEXT, REQUIRED | SECRET, 1, 20, NULL, "the pairing code" },
	{ "name", FIELD_TEXT, REQUIRED, 1, 47, NULL, "of the rig" },
	END
};

static const struct field socketio_query[] = {
	{ "EIO", FIELD_TEXT, 0, 0, 7, NULL, "4" },
	{ "transport", FIELD_TEXT, 0, 0, 15, NULL, "polling or websocket" },
	{ "sid", FIELD_TEXT, 0, 0, 31, NULL, "of the session" },
	END
};

static const struct field rig_news_query[] = {
	{ "kind", FIELD_TEXT, 0, 1, 23, NULL, "only these: film, session, notice, layer …" },
	{ "before", FIELD_INT, 0, 1, 9e15, NULL, "only older than this place" },
	{ "limit", FIELD_INT, 0, 1, 500, NULL, "how many at most; 100 if absent" },
	END
};

/* As capture/plan has them; a test says when they differ. */
/* clang-format off */
#define CAPTURE_FIELDS \
	{ "enabled", FIELD_BOOL, 0, 0, 0, NULL, "capture layers of this printer" }, \
	{ "every_n_layers", FIELD_INT, 0, 0, 10000, NULL, "every so many layers; 0: not by layer" }, \
	{ "z_heights", FIELD_TEXT, 0, 0, 399, NULL, "at the layers nearest to these heights in mm: 0.6, 12.4" }, \
	{ "every", FIELD_NUMBER, 0, 0, 86400, NULL, "so often; 0: not by time, seconds" }, \
	{ "by_order", FIELD_BOOL, 0, 0, 0, NULL, "when the page, the API or a console asks" }, \
	{ "by_button", FIELD_BOOL, 0, 0, 0, NULL, "at a single click of the button beside the printer; leave it off where the head presses it in each layer" }, \
	{ "marker", FIELD_TEXT, 0, 0, 63, NULL, "at the layers in which a line of the sliced file begins so, M240 or ;TIMELAPSE; empty: none" }, \
	{ "first_layer", FIELD_BOOL, 0, 0, 0, NULL, "the first layer too" }, \
	{ "last_layer", FIELD_BOOL, 0, 0, 0, NULL, "the last layer too" }, \
	{ "mode", FIELD_TEXT, 0, 0, 0, "snap|parked|grid", "snap: nothing moves; parked: the head is parked, by us at the park point or by the sliced file; grid: pause, move, shoot, resume" }, \
	{ "points_x", FIELD_INT, 0, 1, 9, NULL, "points of the grid along X" }, \
	{ "points_y", FIELD_INT, 0, 1, 9, NULL, "along Y" }, \
	{ "points_z", FIELD_INT, 0, 1, 9, NULL, "levels" }, \
	{ "spacing_x", FIELD_NUMBER, 0, 0.1, 500, NULL, "mm between them" }, \
	{ "spacing_y", FIELD_NUMBER, 0, 0.1, 500, NULL, "mm between them" }, \
	{ "spacing_z", FIELD_NUMBER, 0, 0.1, 500, NULL, "mm between the levels" }, \
	{ "centre_x", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "of the grid; null: the middle of the bed" }, \
	{ "centre_y", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "of the grid; null: the middle of the bed" }, \
	{ "centre_z", FIELD_NUMBER, 0, -500, 500, NULL, "mm added to base_offset" }, \
	{ "base_offset", FIELD_NUMBER, 0, 0, 500, NULL, "mm of the lowest level above the layer" }, \
	{ "clearance", FIELD_NUMBER, 0, 0.5, 500, NULL, "mm that the nozzle stays above everything printed so far" }, \
	{ "too_low", FIELD_TEXT, 0, 0, 0, "reject|raise", "points below the clearance: reject leaves them out, raise lifts the whole grid" }, \
	{ "bed_min_x", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "of the bed; null: as the printer says" }, \
	{ "bed_min_y", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "of the bed; null: as the printer says" }, \
	{ "bed_max_x", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "of the bed; null: as the printer says" }, \
	{ "bed_max_y", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "of the bed; null: as the printer says" }, \
	{ "max_z", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "no point is higher; null: as the printer says" }, \
	{ "margin", FIELD_NUMBER, 0, 0, 500, NULL, "mm that points keep from the bed's edges" }, \
	{ "park_x", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "mode parked: where the head goes; null: the sliced file has parked it" }, \
	{ "park_y", FIELD_NUMBER, NULLABLE, -10000, 10000, NULL, "mode parked: where the head goes; null: the sliced file has parked it" }, \
	{ "speed", FIELD_NUMBER, 0, 100, 60000, NULL, "mm/min in X and Y" }, \
	{ "z_speed", FIELD_NUMBER, 0, 30, 12000, NULL, "mm/min in Z" }, \
	{ "settle", FIELD_NUMBER, 0, 0, 30, NULL, "wait no longer than this for a still picture, seconds" }, \
	{ "retract", FIELD_NUMBER, 0, 0, 20, NULL, "mm of filament pulled back before the moves; 0: none" }, \
	{ "prime", FIELD_NUMBER, 0, 0, 25, NULL, "mm of filament pushed afterwards" }, \
	{ "retract_speed", FIELD_NUMBER, 0, 60, 12000, NULL, "mm/min of both" }, \
	{ "return_to_origin", FIELD_BOOL, 0, 0, 0, NULL, "go back to where the print was paused, before it is resumed; no is refused with mode parked and grid" }, \
	{ "pause_timeout", FIELD_NUMBER, 0, 1, 300, NULL, "the pause, and the resume, must be confirmed within, seconds" }, \
	{ "move_timeout", FIELD_NUMBER, 0, 1, 300, NULL, "the printer must say within this that a move has ended, seconds" }, \
	{ "shot_timeout", FIELD_NUMBER, 0, 0.2, 60, NULL, "then a picture counts as missing, seconds" }, \
	{ "emergency_resume_attempts", FIELD_INT, 0, 1, 10, NULL, "so many resumes are tried, then there is an alarm" }, \
	{ "extrusion", FIELD_TEXT, 0, 0, 0, "auto|relative|absolute", "how the sliced file counts filament: M83 is relative, M82 absolute; auto: it is looked at" }, \
	{ "dry_run", FIELD_BOOL, 0, 0, 0, NULL, "plan and log every move, send nothing" }, \
	{ "bambu_moves", FIELD_BOOL, 0, 0, 0, NULL, "experimental: move the head of a Bambu printer too, which can not say when a move has ended" }, \
	{ "cameras", FIELD_TEXT, 0, 0, 255, NULL, "front, top, 4 at most; empty: all that see the printer, the first 4 of them" }, \
	{ "thumbnails", FIELD_BOOL, 0, 0, 0, NULL, "a picture of 160x120 beside each" }, \
	{ "quality", FIELD_INT, 0, 0, 100, NULL, "JPEG quality; 0: as the camera sends it, unchanged" }, \
	{ "metadata", FIELD_BOOL, 0, 0, 0, NULL, "a JSON file for each layer" }, \
	{ "folder", FIELD_TEXT, 0, 0, 63, NULL, "name of the folder in the data folder" }, \
	{ "calibration_file", FIELD_TEXT, 0, 0, 255, NULL, "noted in the metadata" },
/* clang-format on */

static const struct field capture_plan_body[] = { CAPTURE_FIELDS END };

static const struct field capture_preview_body[] = {
	{ "layer", FIELD_INT, 0, 1, 1000000, NULL, "for which; the one being printed if absent" },
	CAPTURE_FIELDS END
};

static const struct field capture_order_body[] = {
	{ "order", FIELD_TEXT, REQUIRED, 0, 0, "run|cancel", "" }, END
};

static const struct field captures_query[] = {
	ID("printer", "only of this printer"),
	ID("job", "only of this print"),
	{ "layer", FIELD_INT, 0, 0, 1000000, NULL, "only of this layer" },
	ID("before", "only older than this id: the last one of the page before"),
	{ "limit", FIELD_INT, 0, 1, 500, NULL, "how many at most; 100 if absent" },
	END
};

static const struct field captures_remove_query[] = { ID("job", "of this print"),
	                                              { "layer", FIELD_INT, 0, 0, 1000000, NULL,
	                                                "only of this layer" },
	                                              END };

static const struct field capture_archive_query[] = {
	{ "format", FIELD_TEXT, 0, 0, 0, "zip|dataset",
	  "zip: as they lie on the disk; dataset: a WebDataset with its index; zip if absent" },
	ID("printer", "only of this printer"),
	ID("job", "only of this print"),
	ID("capture", "only this one"),
	{ "layer", FIELD_INT, 0, 0, 1000000, NULL, "only of this layer" },
	END
};

static const struct field capture_picture_query[] = {
	{ "thumbnail", FIELD_BOOL, 0, 0, 0, NULL, "the small one" }, END
};

static const struct field order_body[] = {
	{ "order", FIELD_TEXT, REQUIRED, 0, 0, "start|pause|resume|stop|discard|shoot", "" }, END
};

static const struct field pin_body[] = {
	{ "sha256", FIELD_TEXT, REQUIRED, 64, 64, NULL, "the fingerprint that was shown" }, END
};

static const struct field no_body[] = { END };

#define CAMERA_KINDS "v4l2|rpicam|http-still|http-mjpeg|rtsp|exec|folder|fake"

/* clang-format off */
#define CAMERA_FIELDS \
	{ "printers", FIELD_TEXTS, NULLABLE, 0, 8, NULL, "whose picture it is: ids of printers" }, \
	{ "source", FIELD_TEXT, NULLABLE, 0, 511, NULL, "the device, the URL or the folder" }, \
	{ "user", FIELD_TEXT, NULLABLE, 0, 95, NULL, "of a network camera" }, \
	{ "password", FIELD_TEXT, NULLABLE | SECRET, 0, 256, NULL, "of a network camera; null takes it away" }, \
	{ "tls", FIELD_TEXT, NULLABLE, 0, 80, NULL, TRUST_FORM }, \
	{ "command", FIELD_TEXTS, NULLABLE, 0, 32, NULL, "exec: the program and its arguments" }, \
	{ "arguments", FIELD_TEXTS, NULLABLE, 0, 31, NULL, "rpicam: further arguments" }, \
	{ "poll_ms", FIELD_INT, NULLABLE, 40, 3600e3, NULL, "http-still, exec: between two pictures" }, \
	{ "fps", FIELD_NUMBER, NULLABLE, 0.1, 240, NULL, "pictures a second" }, \
	{ "size", FIELD_TEXT, NULLABLE, 0, 15, NULL, "as in 1280x720" }, \
	{ "format", FIELD_TEXT, NULLABLE, 0, 0, "auto|mjpeg|yuyv|uyvy|nv12|i420|h264", "v4l2: what it sends" }, \
	{ "quality", FIELD_INT, NULLABLE, 1, 100, NULL, "of JPEGs that are made here or for us" }, \
	{ "rotation", FIELD_INT, NULLABLE, 0, 270, NULL, "degrees clockwise: 0, 90, 180 or 270" }, \
	{ "flip", FIELD_TEXT, NULLABLE, 0, 0, "none|horizontal|vertical|both", "before it is turned" }, \
	{ "controls", FIELD_TEXTS, NULLABLE, 0, 32, NULL, "v4l2: name=value, set whenever it is opened" }, \
	{ "focus", FIELD_TEXT, NULLABLE, 0, 0, "continuous|shot|manual", "rpicam" }, \
	{ "lens_position", FIELD_NUMBER, NULLABLE, 0, 32, NULL, "rpicam, focus manual: dioptres" }, \
	{ "focus_window", FIELD_TEXT, NULLABLE, 0, 79, NULL, "rpicam: left, top, width, height as parts of the picture" }, \
	{ "exposure_bias", FIELD_NUMBER, NULLABLE, -8, 8, NULL, "rpicam: EV" }, \
	{ "full_still", FIELD_BOOL, NULLABLE, 0, 0, NULL, "rpicam: pictures of a session in full resolution" }, \
	{ "always_open", FIELD_BOOL, NULLABLE, 0, 0, NULL, "stays open when nobody looks" }, \
	{ "latency_ms", FIELD_INT, NULLABLE, 0, 10000, NULL, "from the lens to memory" }, \
	{ "stale_after_ms", FIELD_INT, NULLABLE, 1000, 10800e3, NULL, "without a picture for so long it is opened again" }, \
	{ "ring_ms", FIELD_INT, NULLABLE, 0, 60000, NULL, "how much of the past is kept for triggers" }, \
	END

static const struct field camera_body[] = {
	{ "name", FIELD_TEXT, REQUIRED, 1, 95, NULL, "as you call it" },
	{ "driver", FIELD_TEXT, REQUIRED, 0, 0, CAMERA_KINDS, "the kind of camera" },
	CAMERA_FIELDS
};

static const struct field camera_change_body[] = {
	{ "name", FIELD_TEXT, 0, 1, 95, NULL, "its id stays" },
	{ "driver", FIELD_TEXT, 0, 0, 0, CAMERA_KINDS, "the kind of camera" },
	CAMERA_FIELDS
};
/* clang-format on */

static const struct field control_body[] = {
	{ "name", FIELD_TEXT, REQUIRED, 1, 47, NULL, "of the control" },
	{ "value", FIELD_INT, REQUIRED, -9e15, 9e15, NULL, "1 and 0 for a switch" },
	END
};

static const struct field snapshot_query[] = {
	{ "fresh", FIELD_BOOL, 0, 0, 0, NULL, "wait for a picture taken after the request" },
	{ "timeout", FIELD_INT, 0, 100, 30000, NULL, "milliseconds to wait; 5000 if absent" },
	END
};

static const struct field frames_query[] = {
	{ "from", FIELD_INT, 0, 1, 4e9, NULL, "first number wanted" },
	{ "limit", FIELD_INT, 0, 1, 2000, NULL, "how many at most; 500 if absent" },
	END
};

static const struct field render_body[] = {
	{ "fps", FIELD_NUMBER, NULLABLE, 1, 60, NULL, "fixed rate" },
	{ "duration_s", FIELD_NUMBER, NULLABLE, 0, 3600, NULL, "wanted length instead; 0: by fps" },
	{ "hold_s", FIELD_NUMBER, NULLABLE, 0, 60, NULL, "of the last picture" },
	{ "crf", FIELD_INT, NULLABLE, 0, 51, NULL, "x264's quality; 23 is usual" },
	{ "width", FIELD_INT, NULLABLE, 0, 7680, NULL, "0: as the pictures" },
	{ "height", FIELD_INT, NULLABLE, 0, 4320, NULL, "0: as the pictures" },
	{ "camera", FIELD_TEXT, NULLABLE, 0, 47, NULL,
	  "one of the session's; all of them if absent" },
	END
};

static const struct field force_query[] = { { "force", FIELD_BOOL, 0, 0, 0, NULL,
	                                      "although there is no verified film of each camera" },
	                                    END };

static const struct field video_query[] = {
	{ "download", FIELD_BOOL, 0, 0, 0, NULL, "with a file name to save it under" }, END
};

static const struct field film_remove_query[] = {
	{ "sha256", FIELD_TEXT, 0, 64, 64, NULL, "only if this is its digest" }, END
};

static const struct field video_live_query[] = {
	{ "turn", FIELD_BOOL, 0, 0, 0, NULL,
	  "false: without the turn that is configured; the player does it" },
	END
};

static const struct field token_body[] = {
	{ "camera", FIELD_TEXT, REQUIRED, 1, 47, NULL, "the one it opens" },
	{ "name", FIELD_TEXT, REQUIRED, 1, 63, NULL, "what it is for" },
	{ "expires_in_min", FIELD_INT, NULLABLE, 1, 5256000, NULL, "minutes from now" },
	{ "expires_at", FIELD_TIME, NULLABLE, 0, 0, NULL, "when it ends; absent: never" },
	END
};

/* Lenient: what other programs add (cacheBust, _) is nothing to us. */
static const struct field compat_query[] = {
	{ "token", FIELD_TEXT, SECRET, 0, 63, NULL, "camera token" },
	{ "src", FIELD_TEXT, 0, 0, 95, NULL, "which camera; the first, or the token's, if absent" },
	END
};

static const struct field stream_query[] = {
	{ "fps", FIELD_INT, 0, 1, 60, NULL, "pictures a second at most" },
	{ "width", FIELD_INT, 0, 64, 3840, NULL, "pixels at most: smaller copies of the pictures" },
	END
};

static const struct field backup_query[] = {
	{ "films", FIELD_BOOL, 0, 0, 0, NULL, "with the films; they are if absent" },
	{ "frames", FIELD_BOOL, 0, 0, 0, NULL, "with every picture; they are not if absent" },
	END
};

static const struct field restore_body[] = {
	{ "size_bytes", FIELD_INT, REQUIRED, 1, 9e15, NULL, "of the archive" }, END
};

static const struct field piece_query[] = {
	{ "id", FIELD_TEXT, REQUIRED, 1, 63, NULL, "of the upload" },
	{ "at", FIELD_INT, REQUIRED, 0, 9e15, NULL, "bytes sent before" },
	END
};

static const struct field apply_body[] = {
	{ "id", FIELD_TEXT, REQUIRED, 1, 63, NULL, "of the upload" }, END
};

static const struct field snippets_query[] = {
	{ "model", FIELD_TEXT, 0, 1, 31, NULL,
	  "of the printer: A1, P1S …, or other with bed_x and bed_y" },
	{ "slicer", FIELD_TEXT, 0, 0, 0, "bambu|orca|prusa|cura", "bambu if absent" },
	{ "mode", FIELD_TEXT, 0, 0, 0, "click|park|mark",
	  "click: the head presses a switch; park: it waits; mark: nothing moves; click if "
	  "absent" },
	{ "park_x", FIELD_NUMBER, 0, -1000, 2000, NULL, "where the head goes, mm" },
	{ "park_y", FIELD_NUMBER, 0, -1000, 2000, NULL, "where the head goes, mm" },
	{ "press", FIELD_NUMBER, 0, -1000, 2000, NULL, "where the switch is pressed, mm" },
	{ "dwell_ms", FIELD_INT, 0, 0, 20000, NULL, "before the picture" },
	{ "hold_ms", FIELD_INT, 0, 0, 20000, NULL, "after it" },
	{ "lift", FIELD_NUMBER, 0, 0.2, 3, NULL, "above everything printed, mm" },
	{ "marker", FIELD_TEXT, 0, 0, 31, NULL, "begins a line in each layer; empty: none" },
	{ "clicks_rule", FIELD_BOOL, 0, 0, 0, NULL, "clicks start, pause and end the session" },
	{ "bed_x", FIELD_NUMBER, 0, 0, 2000, NULL, "other: size of the bed, mm" },
	{ "bed_y", FIELD_NUMBER, 0, 0, 2000, NULL, "other: size of the bed, mm" },
	END
};

#define GET HTTP_GET
#define POST HTTP_POST
#define PATCH HTTP_PATCH
#define DELETE HTTP_DELETE
#define V1 "/api/v1"

/* clang-format off */
static const struct route routes[] = {
	{ GET, ROLE_OPEN, "/healthz", api_healthz, "The program runs", NULL, NULL, 200, ROUTE_FREE, "health" },
	{ GET, ROLE_OPEN, "/readyz", api_readyz, "The program can do its work", NULL, NULL, 200, ROUTE_FREE, "health" },

	{ GET, ROLE_OPEN, V1 "/start", api_start, "What the page asks first", NULL, NULL, 200, 0, "start" },
	{ POST, ROLE_OPEN, V1 "/setup", api_setup, "Choose the administrator's password, once", NULL, setup_body, 200, ROUTE_SETUP, "signed_in" },
	{ POST, ROLE_OPEN, V1 "/login", api_login, "Sign in", NULL, login_body, 200, 0, "signed_in" },
	{ POST, ROLE_VIEWER, V1 "/logout", api_logout, "Sign out", logout_query, NULL, 204, 0, NULL },
	{ GET, ROLE_VIEWER, V1 "/me", api_me, "Who I am", NULL, NULL, 200, 0, "me" },
	{ POST, ROLE_VIEWER, V1 "/me/password", api_me_password, "Change my password", NULL, password_body, 204, 0, NULL },

	{ GET, ROLE_ADMIN, V1 "/users", api_users, "All accounts", NULL, NULL, 200, 0, "users" },
	{ POST, ROLE_ADMIN, V1 "/users", api_user_add, "Make an account", NULL, user_body, 201, 0, "user" },
	{ PATCH, ROLE_ADMIN, V1 "/users/{id}", api_user_change, "Change an account", NULL, user_change_body, 200, 0, "user" },
	{ DELETE, ROLE_ADMIN, V1 "/users/{id}", api_user_remove, "Remove an account", NULL, NULL, 204, 0, NULL },
	{ GET, ROLE_ADMIN, V1 "/keys", api_keys, "All API keys", NULL, NULL, 200, 0, "keys" },
	{ POST, ROLE_ADMIN, V1 "/keys", api_key_add, "Make an API key; its secret is shown this once", NULL, key_body, 201, 0, "new_key" },
	{ DELETE, ROLE_ADMIN, V1 "/keys/{id}", api_key_remove, "Revoke an API key", NULL, NULL, 204, 0, NULL },
	{ GET, ROLE_ADMIN, V1 "/audit", api_audit, "Who did what, newest first", audit_query, NULL, 200, 0, "audit" },

	{ GET, ROLE_VIEWER, V1 "/printers", api_printers, "All printers", NULL, NULL, 200, 0, "printers" },
	{ POST, ROLE_ADMIN, V1 "/printers", api_printer_add, "Add a printer", NULL, printer_body, 201, 0, "printer" },
	{ GET, ROLE_VIEWER, V1 "/printers/{id}", api_printer, "One printer", NULL, NULL, 200, 0, "printer" },
	{ DELETE, ROLE_ADMIN, V1 "/printers/{id}", api_printer_remove, "Remove a printer that was added here", NULL, NULL, 204, 0, NULL },
	{ GET, ROLE_ADMIN, V1 "/printers/{id}/raw", api_printer_raw, "The merged report as the printer sent it", NULL, NULL, 200, 0, "any" },
	{ POST, ROLE_OPERATOR, V1 "/printers/{id}/commands", api_printer_command, "Command the printer", NULL, command_body, 200, 0, "answer" },
	{ POST, ROLE_OPERATOR, V1 "/printers/{id}/session", api_printer_session, "Order the session of this printer", NULL, order_body, 200, 0, "session" },
	{ GET, ROLE_VIEWER, V1 "/printers/{id}/layers", api_printer_layers, "Layers of the newest job", NULL, NULL, 200, 0, "layers" },
	{ POST, ROLE_ADMIN, V1 "/printers/{id}/doctor", api_printer_doctor, "Test each hop to the printer", NULL, no_body, 200, 0, "steps" },
	{ GET, ROLE_ADMIN, V1 "/printers/{id}/certificate", api_printer_certificate, "The certificate that was refused", NULL, NULL, 200, 0, "certificate" },
	{ POST, ROLE_ADMIN, V1 "/printers/{id}/certificate", api_printer_pin, "Trust exactly this certificate", NULL, pin_body, 204, 0, NULL },
	{ POST, ROLE_ADMIN, V1 "/pairings", api_pair, "Ask an OctoPrint for a key, which a person allows there", NULL, pair_body, 201, 0, "pairing" },
	{ GET, ROLE_ADMIN, V1 "/pairings/{id}", api_pairing, "How that went", NULL, NULL, 200, 0, "pairing" },
	{ DELETE, ROLE_ADMIN, V1 "/pairings/{id}", api_unpair, "Take the request back", NULL, NULL, 204, 0, NULL },
	{ POST, ROLE_ADMIN, V1 "/discover", api_discover, "Listen for printers that announce themselves", NULL, no_body, 200, 0, "found" },

	{ GET, ROLE_VIEWER, V1 "/cameras", api_cameras, "All cameras", NULL, NULL, 200, 0, "cameras" },
	{ POST, ROLE_ADMIN, V1 "/cameras", api_camera_add, "Add a camera", NULL, camera_body, 201, 0, "camera" },
	{ POST, ROLE_ADMIN, V1 "/camera-test", api_camera_try, "Take a few pictures with a camera that is not added, and tell how it went", NULL, camera_body, 200, 0, "camera_test" },
	{ PATCH, ROLE_ADMIN, V1 "/cameras/{id}", api_camera_change, "Change a camera that was added here; what is not named stays, null takes it away", NULL, camera_change_body, 200, 0, "camera" },
	{ DELETE, ROLE_ADMIN, V1 "/cameras/{id}", api_camera_remove, "Remove a camera that was added here", NULL, NULL, 204, 0, NULL },
	{ GET, ROLE_ADMIN, V1 "/cameras/{id}/settings", api_camera_settings, "How a camera is configured, without its password", NULL, NULL, 200, 0, "camera_settings" },
	{ GET, ROLE_OPERATOR, V1 "/cameras/{id}/controls", api_camera_controls, "The settings of the device: exposure, focus and the like", NULL, NULL, 200, 0, "controls" },
	{ POST, ROLE_OPERATOR, V1 "/cameras/{id}/controls", api_camera_control, "Set one of them", NULL, control_body, 204, 0, NULL },
	{ GET, ROLE_ADMIN, V1 "/devices", api_devices, "USB cameras of this machine", NULL, NULL, 200, 0, "devices" },
	{ GET, ROLE_VIEWER, V1 "/cameras/{id}/snapshot", api_camera_snapshot, "The newest picture", snapshot_query, NULL, 200, ROUTE_CAMERA, "image/jpeg" },
	{ GET, ROLE_VIEWER, V1 "/cameras/{id}/stream", api_camera_stream, "Live pictures, one JPEG after the other", stream_query, NULL, 200, ROUTE_CAMERA, "multipart/x-mixed-replace" },
	{ GET, ROLE_VIEWER, V1 "/cameras/{id}/video.mp4", api_camera_video, "Live video of a camera that gives H.264 or H.265, without an end", video_live_query, NULL, 200, ROUTE_CAMERA, "video/mp4" },
	{ GET, ROLE_VIEWER, V1 "/cameras/{id}/hls/{file}", api_camera_hls, "The same as HLS: index.m3u8 and what it names", NULL, NULL, 200, ROUTE_CAMERA, "application/vnd.apple.mpegurl" },
	{ POST, ROLE_OPERATOR, V1 "/cameras/{id}/test", api_camera_test, "Take a few pictures and tell how it went", NULL, no_body, 200, 0, "camera_test" },

	{ GET, ROLE_VIEWER, V1 "/rigs", api_rigs, "Rigs that report here, and the hub that this one reports to", NULL, NULL, 200, 0, "rigs" },
	{ POST, ROLE_ADMIN, V1 "/rigs/codes", api_rig_code, "Make a pairing code for a rig, good for ten minutes", NULL, no_body, 201, 0, "rig_code" },
	{ GET, ROLE_VIEWER, V1 "/rigs/{id}", api_rig, "One rig", NULL, NULL, 200, 0, "rig" },
	{ PATCH, ROLE_ADMIN, V1 "/rigs/{id}", api_rig_change, "Its name, and how often it tells what; takes effect at once", NULL, rig_change_body, 200, 0, "rig" },
	{ DELETE, ROLE_ADMIN, V1 "/rigs/{id}", api_rig_revoke, "Revoke its key and forget what it told", NULL, NULL, 204, 0, NULL },
	{ GET, ROLE_VIEWER, V1 "/rigs/{id}/news", api_rig_news, "What it told, newest first", rig_news_query, NULL, 200, 0, "rig_news" },
	{ GET, ROLE_VIEWER, V1 "/rigs/{id}/pictures/{camera}", api_rig_picture, "The newest preview of one of its cameras", NULL, NULL, 200, 0, "image/jpeg" },
	{ POST, ROLE_OPERATOR, V1 "/rigs/{id}/orders", api_rig_order, "Order a session, a printer or a layer capture of it", NULL, rig_order_body, 200, 0, "answer" },
	{ POST, ROLE_OPEN, V1 "/rig/pair", api_rig_pair, "For rigs: a key for a pairing code", NULL, rig_pair_body, 201, 0, "rig_paired" },
	{ GET, ROLE_OPEN, V1 "/rig/link", api_rig_link, "For rigs: WebSocket, opened by their key", NULL, NULL, 101, 0, NULL },

	{ GET, ROLE_VIEWER, V1 "/wall", api_wall, "WebSocket: many cameras over one connection", NULL, NULL, 101, 0, NULL },
	{ GET, ROLE_ADMIN, V1 "/camera-tokens", api_tokens, "Camera tokens: for other programs, one camera each", NULL, NULL, 200, 0, "camera_tokens" },
	{ POST, ROLE_ADMIN, V1 "/camera-tokens", api_token_add, "Make a camera token; its secret is shown this once", NULL, token_body, 201, 0, "new_camera_token" },
	{ DELETE, ROLE_ADMIN, V1 "/camera-tokens/{id}", api_token_remove, "Revoke a camera token", NULL, NULL, 204, 0, NULL },

	{ GET, ROLE_VIEWER, "/webcam/", compat_action, "As mjpg-streamer: ?action=snapshot, ?action=stream; also at /", compat_query, NULL, 200, ROUTE_CAMERA, "multipart/x-mixed-replace" },
	{ GET, ROLE_VIEWER, "/snapshot", compat_snapshot, "A picture, not older than a second", compat_query, NULL, 200, ROUTE_CAMERA, "image/jpeg" },
	{ GET, ROLE_VIEWER, "/snapshot.jpg", compat_snapshot, "The same", compat_query, NULL, 200, ROUTE_CAMERA, "image/jpeg" },
	{ GET, ROLE_VIEWER, "/stream", compat_stream, "Live pictures; understands ustreamer's parameters", compat_query, NULL, 200, ROUTE_CAMERA, "multipart/x-mixed-replace" },
	{ GET, ROLE_VIEWER, "/stream.mjpg", compat_stream, "The same", compat_query, NULL, 200, ROUTE_CAMERA, "multipart/x-mixed-replace" },
	{ GET, ROLE_VIEWER, "/video.mp4", api_camera_video, "Live video of a camera that gives H.264 or H.265", compat_query, NULL, 200, ROUTE_CAMERA, "video/mp4" },
	{ GET, ROLE_VIEWER, "/video.m3u8", compat_hls, "The same as HLS", compat_query, NULL, 302, ROUTE_CAMERA, NULL },
	{ GET, ROLE_VIEWER, "/state", compat_state, "As ustreamer", compat_query, NULL, 200, ROUTE_CAMERA, "any" },
	{ GET, ROLE_VIEWER, "/status", compat_status, "As camera-streamer", compat_query, NULL, 200, ROUTE_CAMERA, "any" },
	{ GET, ROLE_VIEWER, "/input.json", compat_input, "As mjpg-streamer", compat_query, NULL, 200, ROUTE_CAMERA, "any" },
	{ GET, ROLE_VIEWER, "/program.json", compat_program, "As mjpg-streamer", compat_query, NULL, 200, ROUTE_CAMERA, "any" },
	{ GET, ROLE_VIEWER, "/api/frame.jpeg", compat_snapshot, "As go2rtc", compat_query, NULL, 200, ROUTE_CAMERA, "image/jpeg" },
	{ GET, ROLE_VIEWER, "/api/stream.mjpeg", compat_stream, "As go2rtc", compat_query, NULL, 200, ROUTE_CAMERA, "multipart/x-mixed-replace" },
	{ GET, ROLE_VIEWER, "/api/stream.mp4", api_camera_video, "As go2rtc", compat_query, NULL, 200, ROUTE_CAMERA, "video/mp4" },
	{ GET, ROLE_VIEWER, "/api/stream.m3u8", compat_hls, "As go2rtc", compat_query, NULL, 302, ROUTE_CAMERA, NULL },
	{ GET, ROLE_VIEWER, "/api/streams", compat_streams, "As go2rtc", compat_query, NULL, 200, ROUTE_CAMERA, "any" },

	{ GET, ROLE_VIEWER, V1 "/sessions", api_sessions, "Recorded prints, newest first", page_query, NULL, 200, 0, "sessions" },
	{ GET, ROLE_VIEWER, V1 "/sessions/{id}", api_session, "One recorded print with its films", NULL, NULL, 200, 0, "session" },
	{ GET, ROLE_VIEWER, V1 "/sessions/{id}/frames", api_session_frames, "Its pictures", frames_query, NULL, 200, 0, "frames" },
	{ GET, ROLE_VIEWER, V1 "/sessions/{id}/frames/{n}", api_session_frame, "One of its pictures", NULL, NULL, 200, 0, "image/jpeg" },
	{ POST, ROLE_OPERATOR, V1 "/sessions/{id}/render", api_session_render, "Make another film of it, of one camera or of each", NULL, render_body, 202, 0, "films" },
	{ DELETE, ROLE_ADMIN, V1 "/sessions/{id}", api_session_remove, "Delete it with its pictures", force_query, NULL, 204, 0, NULL },

	{ GET, ROLE_VIEWER, V1 "/printers/{id}/capture", api_capture_plan, "How layers are captured, and what goes on", NULL, NULL, 200, 0, "capture_plan" },
	{ PATCH, ROLE_OPERATOR, V1 "/printers/{id}/capture", api_capture_change, "Change how layers are captured", NULL, capture_plan_body, 200, 0, "capture_plan" },
	{ POST, ROLE_VIEWER, V1 "/printers/{id}/capture/preview", api_capture_preview, "Points, time and warnings of a plan, unsaved", NULL, capture_preview_body, 200, 0, "capture_preview" },
	{ POST, ROLE_OPERATOR, V1 "/printers/{id}/capture/orders", api_capture_order, "Capture now, or end it", NULL, capture_order_body, 200, 0, "capture_status" },
	{ GET, ROLE_VIEWER, V1 "/captures", api_captures, "Captured layers, newest first", captures_query, NULL, 200, 0, "captures" },
	{ DELETE, ROLE_ADMIN, V1 "/captures", api_captures_remove, "Delete those of a print, or of one of its layers", captures_remove_query, NULL, 200, 0, "captures_removed" },
	{ GET, ROLE_VIEWER, V1 "/captures/{id}", api_capture, "One captured layer with its pictures", NULL, NULL, 200, 0, "capture" },
	{ DELETE, ROLE_ADMIN, V1 "/captures/{id}", api_capture_remove, "Delete it with its pictures", NULL, NULL, 200, ROUTE_COLLECT, "captures_removed" },
	{ GET, ROLE_VIEWER, V1 "/captures/{id}/pictures/{n}", api_capture_picture, "One of its pictures, counted from 0", capture_picture_query, NULL, 200, 0, "image/jpeg" },
	{ GET, ROLE_VIEWER, V1 "/captures/{id}/metadata", api_capture_metadata, "Its metadata file", NULL, NULL, 200, 0, "any" },
	{ GET, ROLE_VIEWER, V1 "/capture-archive", api_capture_archive, "Pictures and metadata as one file, made while it is sent", capture_archive_query, NULL, 200, 0, "application/octet-stream" },

	{ GET, ROLE_VIEWER, V1 "/films", api_films, "Films, newest first", page_query, NULL, 200, 0, "films" },
	{ GET, ROLE_VIEWER, V1 "/films/{id}", api_film, "One film", NULL, NULL, 200, 0, "film" },
	{ DELETE, ROLE_ADMIN, V1 "/films/{id}", api_film_remove, "Delete a film", film_remove_query, NULL, 204, ROUTE_COLLECT, NULL },
	{ GET, ROLE_VIEWER, V1 "/films/{id}/video", api_film_video, "The film itself; understands Range", video_query, NULL, 200, 0, "video/mp4" },
	{ GET, ROLE_VIEWER, V1 "/films/{id}/poster", api_film_poster, "Its picture", NULL, NULL, 200, 0, "image/jpeg" },

	{ GET, ROLE_VIEWER, V1 "/jobs", api_jobs, "Prints, newest first", page_query, NULL, 200, 0, "jobs" },
	{ GET, ROLE_VIEWER, V1 "/notices", api_notices, "What happened, newest first", limit_query, NULL, 200, 0, "notices" },
	{ GET, ROLE_VIEWER, V1 "/environment", api_environment, "Temperature and humidity of each place, as they are now", NULL, NULL, 200, 0, "environment" },
	{ POST, ROLE_OPERATOR, V1 "/environment", api_environment_add, "A reading of a sensor elsewhere", NULL, reading_body, 200, ROUTE_MEASURE, "reading_taken" },
	{ DELETE, ROLE_ADMIN, V1 "/environment", api_environment_remove, "Forget a place with its history", place_query, NULL, 204, 0, NULL },
	{ GET, ROLE_VIEWER, V1 "/environment/history", api_environment_history, "Its readings over time", climate_query, NULL, 200, 0, "climate" },
	{ POST, ROLE_OPERATOR, "/api/esp32_temphum", api_environment_add, "The same as the older sensors send it", NULL, reading_body, 200, ROUTE_MEASURE, "reading_taken" },
	{ GET, ROLE_VIEWER, V1 "/panel", api_panel, "The button and the lights beside the printer", NULL, NULL, 200, 0, "panel_state" },
	{ POST, ROLE_OPERATOR, V1 "/panel/clicks", api_panel_click, "Press the button", NULL, click_body, 202, 0, "panel_state" },
	{ POST, ROLE_OPERATOR, V1 "/panel/press", api_panel_press, "Hold a simulated button down, ten seconds at most, or let it go", NULL, press_body, 200, 0, "panel_state" },
	{ GET, ROLE_VIEWER, V1 "/pull", api_pull, "From where films and captures come home, and how that goes", NULL, NULL, 200, 0, "pull" },
	{ POST, ROLE_OPERATOR, V1 "/pull/now", api_pull_now, "Fetch what is finished now", NULL, pull_body, 202, 0, "pull" },
	{ GET, ROLE_VIEWER, V1 "/snippets", api_snippets, "Macros for a slicer, judged against what the printer reaches", snippets_query, NULL, 200, 0, "snippets" },
	{ GET, ROLE_VIEWER, V1 "/storage", api_storage, "Room on the disk", NULL, NULL, 200, 0, "storage" },
	{ GET, ROLE_ADMIN, V1 "/backup", api_backup, "A backup of everything, as a tar archive", backup_query, NULL, 200, 0, "application/x-tar" },
	{ POST, ROLE_ADMIN, V1 "/restore", api_restore_begin, "Begin to put a backup back", NULL, restore_body, 201, 0, "upload" },
	{ POST, ROLE_ADMIN, V1 "/restore/pieces", api_restore_piece, "The next bytes of the backup", piece_query, NULL, 200, ROUTE_BYTES, "received" },
	{ POST, ROLE_ADMIN, V1 "/restore/apply", api_restore_apply, "Check all of it, then restart with it", NULL, apply_body, 200, 0, "restored" },

	{ GET, ROLE_VIEWER, V1 "/openapi.json", api_openapi, "This document", NULL, NULL, 200, 0, "any" },
	{ GET, ROLE_VIEWER, V1 "/live", api_live, "WebSocket: the state of everything, kept true", NULL, NULL, 101, 0, NULL },

	{ GET, ROLE_OPEN, "/login", socketio_login_page, "The form that rigs of the original program fill in", NULL, NULL, 200, ROUTE_PAGE, "text/html" },
	{ POST, ROLE_OPEN, "/login", socketio_login, "The same, filled in", NULL, NULL, 302, ROUTE_PAGE, NULL },
	{ POST, ROLE_OPEN, "/login_api", socketio_login_api, "The same for programs", NULL, NULL, 200, ROUTE_PAGE, "any" },
	{ GET, ROLE_VIEWER, "/api/timelapse_config", socketio_config, "Intervals of such rigs", NULL, NULL, 200, ROUTE_PAGE, "any" },
	{ GET, ROLE_OPEN, "/socket.io/", socketio_ask, "Engine.IO 4: polling and WebSocket", socketio_query, NULL, 200, ROUTE_PAGE, "any" },
	{ POST, ROLE_OPEN, "/socket.io/", socketio_ask, "The same", socketio_query, NULL, 200, ROUTE_PAGE | ROUTE_BYTES, "any" },

	{ GET, ROLE_OPEN, "/*", page_asset, "The page", NULL, NULL, 200, ROUTE_PAGE, "text/html" },
};

static const struct shape shapes[] = {
	{ "any", "" },
	{ "upload", "id:string piece_bytes:integer" },
	{ "received", "received_bytes:integer" },
	{ "restored", "files:integer bytes:integer" },
	{ "health", "status:string reasons:[string]!" },
	{ "start", "needs_setup:boolean has_link:boolean is_demo:boolean is_signed_in:boolean version:string" },
	{ "user", "id:string name:string role:string is_root:boolean created_at:time? expires_at:time? last_seen_at:time?" },
	{ "signed_in", "user:user csrf:string" },
	{ "me", "user:user csrf:string is_demo:boolean version:string" },
	{ "users", "users:[user]" },
	{ "key", "id:string name:string scopes:[string] created_at:time? last_used_at:time? expires_at:time?" },
	{ "keys", "keys:[key]" },
	{ "new_key", "key:key secret:string" },
	{ "rig", "id:string name:string version:string address:string is_online:boolean text:string since_at:time? paired_at:time? "
	  "made_by:string seen_at:time? n_news:integer clock_offset_ms:integer? rtt_ms:integer? status_delay_s:number? "
	  "climate_delay_s:number? image_delay_s:number? pictures:[any] printers:[any] cameras:[any] sessions:[any] climate:[any]" },
	{ "rigs", "rigs:[rig] hub:object?" },
	{ "rig_code", "code:string expires_at:time" },
	{ "rig_paired", "id:string name:string key:string" },
	{ "rig_one_news", "place:integer kind:string ref:string at:time? heard_at:time? body:object?" },
	{ "rig_news", "news:[rig_one_news]" },
	{ "camera_token", "id:string camera:string name:string made_by:string created_at:time? expires_at:time? last_used_at:time?" },
	{ "camera_tokens", "tokens:[camera_token]" },
	{ "new_camera_token", "token:camera_token secret:string path:string" },
	{ "audit_entry", "id:integer at:time user:string address:string action:string subject:string text:string" },
	{ "audit", "entries:[audit_entry]" },
	{ "printer", "id:string name:string driver:string address:string serial:string model:string link:object stale:boolean heard_at:time? "
	  "activity:string pause:string since_at:time? stage:object job:object nozzles:[any] active_nozzle:integer bed:object chamber:object "
	  "fans:object speed:object lights:[any] ams:[any] external:[any] tray_now:integer error:object? hms:[any] firmware:string "
	  "has_update:boolean needs_developer_mode:boolean door:object? has_storage:boolean wifi:string camera:object capabilities:[string] url:string "
	  "position:object limits:object" },
	{ "printers", "printers:[printer]" },
	{ "answer", "answer:string reason:string" },
	{ "step", "name:string is_ok:boolean took_ms:number? text:string advice:string" },
	{ "steps", "steps:[step]" },
	{ "certificate", "sha256:string subject:string is_trusted:boolean" },
	{ "found", "printers:[any]" },
	{ "pairing", "id:string state:string where:string text:string" },
	{ "camera", "id:string name:string driver:string printer:string printers:[string] origin:string state:string text:string "
	  "newest_at:time? width:integer height:integer "
	  "per_second:number? n_frames:integer n_refused:integer n_reconnects:integer watchers:integer has_video:boolean codec:string "
	  "rotation:integer is_flipped_h:boolean is_flipped_v:boolean" },
	{ "cameras", "cameras:[camera]" },
	{ "camera_settings", "id:string origin:string driver:string name:string printers:[string] source:string user:string has_password:boolean "
	  "tls:string command:[string] arguments:[string] poll_ms:integer fps:number? size:string format:string quality:integer "
	  "rotation:integer flip:string controls:[string] focus:string lens_position:number focus_window:string exposure_bias:number "
	  "full_still:boolean always_open:boolean latency_ms:integer stale_after_ms:integer ring_ms:integer" },
	{ "control_choice", "value:integer title:string" },
	{ "control", "name:string title:string kind:string min:integer max:integer step:integer fallback:integer value:integer "
	  "is_read_only:boolean is_inactive:boolean choices:[control_choice]" },
	{ "controls", "controls:[control]" },
	{ "device_size", "format:string width:integer height:integer fps:number" },
	{ "device", "source:string title:string node:string by_port:string serial:string camera:string text:string sizes:[device_size]" },
	{ "devices", "devices:[device]" },
	{ "camera_test", "is_ok:boolean width:integer height:integer n_frames:integer size:integer first_ms:integer shot_ms:integer age_ms:integer per_second:number text:string" },
	{ "session", "id:string printer:string job:string job_name:string job_file:string task_id:string state:string state_text:string "
	  "started_at:time? ended_at:time? n_frames:integer n_missed:integer layer:integer? layers:integer? bytes:integer "
	  "forecast_bytes:integer is_thinned:boolean keep_one_in:integer outcome:string films:[film]!" },
	{ "sessions", "sessions:[session]" },
	{ "frame", "number:integer camera:string layer:integer? z_mm:number? trigger:string at:time size:integer is_deleted:boolean" },
	{ "frames", "frames:[frame]" },
	{ "capture_status", "printer:string is_on:boolean targets:string is_running:boolean step:string layer:integer? n_points:integer n_done:integer "
	  "job:string job_name:string job_started_at:time? current_layer:integer? has_file:boolean n_completed:integer n_failed:integer "
	  "n_missed:integer missed:[integer]" },
	{ "capture_plan", "plan:object status:capture_status" },
	{ "capture_preview", "layer:integer? z_mm:number? top_mm:number? footprint:object? grid:object? images:integer warnings:[string] error:string?" },
	{ "capture", "id:string printer:string job:string job_name:string layer:integer? z_mm:number? trigger:string mode:string state:string "
	  "started_at:time? ended_at:time? n_points:integer n_done:integer n_pictures:integer paused_s:number printer_wait_s:number "
	  "is_dry_run:boolean is_finished:boolean folder:string metadata:string metadata_sha256:string! metadata_bytes:integer! text:string pictures:[capture_picture]!" },
	{ "capture_picture", "index:integer camera:string file:string thumbnail:string x_mm:number? y_mm:number? z_mm:number? grid:[integer] "
	  "bytes:integer sha256:string width:integer height:integer at:time? is_still:boolean telemetry:object" },
	{ "captures", "captures:[capture]" },
	{ "captures_removed", "n_removed:integer" },
	{ "film", "id:string session:string printer:string camera:string job_name:string file:string poster:string state:string text:string "
	  "made_at:time? duration_s:number? fps:number? width:integer height:integer n_frames:integer n_skipped:integer bytes:integer "
	  "sha256:string is_finished:boolean progress_percent:integer? plan:object" },
	{ "films", "films:[film]" },
	{ "layer", "job:string printer:string number:integer layers:integer? z_mm:number? at:time? confidence:number? reason:string is_catching_up:boolean" },
	{ "layers", "layers:[layer]" },
	{ "job", "id:string printer:string name:string file:string started_at:time? ended_at:time? outcome:string reason:string layer:integer? "
	  "layers:integer? estimate_s:number? filament_g:number?" },
	{ "jobs", "jobs:[job]" },
	{ "notice", "id:string at:time? level:string topic:string subject:string text:string" },
	{ "notices", "notices:[notice]" },
	{ "place", "location:string source:string at:time? temperature_c:number? humidity_pct:number? is_stale:boolean is_here:boolean text:string crossed:string" },
	{ "environment", "places:[place]" },
	{ "reading_taken", "ok:boolean received:object" },
	{ "climate_reading", "at:time temperature_c:number? humidity_pct:number?" },
	{ "climate", "location:string from:time to:time step_s:integer readings:[climate_reading]" },
	{ "panel_state", "panel:object?" },
	{ "pull_source", "id:string name:string url:string deletes:boolean state:string text:string advice:string ended_at:time? good_at:time? "
	  "next_at:time? n_found:integer n_waiting:integer n_busy:integer n_newest:integer n_refused:integer n_fetched:integer fetched_bytes:integer" },
	{ "pull", "sources:[pull_source]" },
	{ "snippet", "id:string title:string field:string place:string text:string" },
	{ "snippets", "snippets:[snippet] notes:[string] models:[string] park_x:number? park_y:number? press:number? min_mm:[number] max_mm:[number]" },
	{ "storage", "free_bytes:integer? total_bytes:integer? frames_bytes:integer? films_bytes:integer? floor_bytes:integer? budget_bytes:integer? text:string" },
	{ "error", "error:error_body" },
	{ "error_body", "code:string text:string field:string!" },
};
/* clang-format on */

const struct route *route_at(size_t i)
{
	return i < ARRAY_LEN(routes) ? &routes[i] : NULL;
}

const struct shape *shape_at(size_t i)
{
	return i < ARRAY_LEN(shapes) ? &shapes[i] : NULL;
}

const struct shape *shape_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		if (text_equal(shapes[i].name, name))
			return &shapes[i];
	}
	return NULL;
}
