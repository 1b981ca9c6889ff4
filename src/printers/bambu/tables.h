/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/tables: what is known of Bambu's machines and codes, compiled in from data/bambu.
 *
 * Thread: any. Const data; a text look-up inflates one block of 16 kB and keeps nothing.
 */

#pragma once

#include "base/base.h"
#include "model/printer.h"

struct bambu_model {
	const char *code;          /* as announced: "N2S" */
	const char *name;          /* "A1" */
	const char *serial_prefix; /* first three characters of its serials */
	int nozzles;
	int nozzle_max_c, bed_max_c;
	int chamber_max_c; /* 0: the chamber is not heated */
	bool has_chamber_sensor, has_aux_fan, has_chamber_fan, has_door_sensor;
	bool has_jpeg_camera; /* port 6000; the others have RTSPS */
	bool is_slow;         /* A1 and P1: sends deltas, and a full state costs it much */
};

struct bambu_stage {
	int id;
	const char *text;
	enum printer_pause pause;
};

struct bambu_filament {
	const char *id, *name;
};

struct bambu_hms_block {
	const char *first; /* code of its first line */
	uint32_t at, size, unpacked;
};

extern const struct bambu_model bambu_models[]; /* ends with code NULL */
extern const struct bambu_stage bambu_stages[]; /* index = number */
extern const size_t bambu_n_stages;
extern const struct bambu_filament bambu_filaments[]; /* sorted */
extern const size_t bambu_n_filaments;
extern const struct bambu_hms_block bambu_hms_blocks[];
extern const size_t bambu_n_hms_blocks;
extern const unsigned char bambu_hms_packed[];

/* By code, by name ("A1", "X1C", "Bambu Lab A1", letter case and blanks ignored), or by the first
 * three characters of a serial; NULL if unknown. */
const struct bambu_model *bambu_model_by_code(const char *code);
const struct bambu_model *bambu_model_by_name(const char *name);
const struct bambu_model *bambu_model_by_serial(const char *serial);

/* The words for a stage; -1 and 255 are none (""). Unknown numbers become "stage N". */
void bambu_stage_text(int stage, char *dst, size_t size);
enum printer_pause bambu_stage_pause(int stage);

/* "" if the code is unknown. */
const char *bambu_filament_name(const char *id);

/* What the vendor says of a code of 8 (print error) or 16 (HMS) upper-case hex digits. */
enum bambu_hms_known {
	BAMBU_HMS_UNKNOWN, /* the table does not have it: both "" */
	BAMBU_HMS_SILENT,  /* it has, without words: the vendor's own programs do not show it */
	BAMBU_HMS_TEXT,
};

/* Text and wiki address as the vendor words them for `model` (NULL or an unknown one: for most). */
enum bambu_hms_known bambu_hms_text(const char *code, const struct bambu_model *model, char *text,
                                    size_t text_size, char *wiki, size_t wiki_size);
