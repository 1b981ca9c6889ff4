/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config_priv: what the files of config share. One file per subject: config.c (the whole, the page,
 * the disk), config_session.c (sessions and films), config_printer.c, config_login.c (how printers
 * are reached), config_camera.c, config_rig.c (button, lights, climate), config_added.c (printers.d), config_camera_added.c (cameras.d) and
 * config_doc.c (the example and the manual, from the tables).
 *
 * Thread: loop.
 */

#pragma once

#include "app/config.h"
#include "core/opt.h"

struct config_loading {
	struct config *config;
	struct conf_errors *errors;
	struct session_plan plan; /* defaults for all printers */
	struct capture_plan capture;
	const char
		*camera_id; /* of the camera that is read, whatever its name; NULL: by its name */
};

struct config_table {
	const struct opt *opts;
	size_t n;
};

extern const struct config_table config_root_table, config_web_table, config_storage_table;
extern const struct config_table config_session_table, config_film_table;
extern const struct config_table config_capture_table;
extern const struct config_table config_pull_table, config_pull_source_table;
extern const struct config_table config_printer_table, config_port_table;
extern const struct config_table config_camera_table;
extern const struct config_table config_button_table, config_lights_table;
extern const struct config_table config_climate_table, config_limit_table, config_sensor_table;
extern const struct config_table config_hub_table;

/* A list of texts, or one text, into dst[max][each]. Returns how many. */
unsigned config_read_texts(struct config_loading *l, const struct conf_node *n, const char *path,
                           char *dst, size_t each, unsigned max);
/* "WIDTHxHEIGHT" or "source" into a struct film_plan; an opt's reader. */
int config_read_film_size(void *field, const char *text, struct err *err) MUST_CHECK;
/* An opt's reader into a struct trust. */
int config_read_trust(void *field, const char *text, struct err *err) MUST_CHECK;
/* The keys `session` and `film` of `map`, over what `plan` says already. */
void config_read_plan(struct config_loading *l, const struct conf_node *map, const char *path,
                      struct session_plan *plan);
/* The key `capture` of `map`, over what `plan` says already. */
void config_read_capture(struct config_loading *l, const struct conf_node *map, const char *path,
                         struct capture_plan *plan);
/* The key `pull` of the whole. */
void config_read_pull(struct config_loading *l, const struct conf_node *root);
void config_fini_pull(struct pull_config *c);
/* A path of the file: "~/" is the user's home, a relative one begins at the file's folder. */
void config_resolve_path(const struct config_loading *l, const char *text, char *dst, size_t size);
/* Each entry of the list `key` through `read`, with its path in the file. */
void config_read_list(struct config_loading *l, const struct conf_node *root, const char *key,
                      void (*read)(struct config_loading *l, const struct conf_node *n,
                                   const char *path));
/* The line on which `key` of `map` stands; 0 when it does not. */
int config_line_of(const struct conf_node *map, const char *key);

void config_read_printer(struct config_loading *l, const struct conf_node *n, const char *path,
                         bool is_added);
/* Code, key or password of a printer, from the file, a file that it names, or the environment. */
void config_read_login(struct config_loading *l, const struct conf_node *n, const char *path,
                       struct printer_config *p);
/* What the printer's driver needs to reach it is there, and nothing of another driver's. */
void config_check_login(struct config_loading *l, const struct conf_node *n, const char *path,
                        struct printer_config *p);
/* The keys `button`, `lights` and `climate`. */
void config_read_rig(struct config_loading *l, const struct conf_node *root);
/* `key: "value"` and the end of the line. */
void config_write_quoted(struct buf *out, const char *key, const char *value);

/* The printers of the data folder. */
void config_read_added(struct config_loading *l);

/* The hub: of the data folder, and the key `hub` of `root` over it. */
void config_read_hub(struct config_loading *l, const struct conf_node *root);

/* The cameras of the data folder. */
void config_read_added_cameras(struct config_loading *l);

void config_read_camera(struct config_loading *l, const struct conf_node *n, const char *path);
/* What can only be judged when all printers are known; entry `number` of the list. */
void config_check_camera(struct config_loading *l, const struct camera_config *cam,
                         const struct conf_node *n, size_t number);
