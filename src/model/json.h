/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/json: the nouns as JSON, the one form used by REST, WebSocket and files.
 *
 * Unknown numbers (NAN, -1) become null. Times are ISO 8601 UTC strings (`…_at`), ages and spans
 * numbers with the unit in the name. No secret ever appears. Each function returns a new
 * reference.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

#include <jansson.h>

struct camera_config;
struct camera_status;
struct capture;
struct capture_picture;
struct capture_telemetry;
struct event_notice;
struct film;
struct film_plan;
struct job;
struct layer;
struct printer_config;
struct printer_state;
struct session;
struct snippets;

/* {id, name, driver, address, url, serial, model, link:{state,text}, stale, heard_at, activity, pause,
 * since_at, stage:{number,text}, job:{name,file,layer,layers,percent,remaining_min,prepare_percent,
 * file_pos,file_size,z_mm,estimate_s,filament_mm,is_streamed},
 * nozzles:[{name,now_c,target_c,diameter_mm,type,tray}], active_nozzle, bed:{now_c,target_c},
 * chamber:{…}, fans:{part,aux,chamber,heatbreak}, speed:{level,percent}, lights:[{name,on}],
 * ams:[{id,kind,humidity_level,humidity_percent,temp_c,dry_minutes_left,trays:[…]}],
 * external:[tray], tray_now, error:{code,text}|null, hms:[{code,severity,module,text,wiki}],
 * firmware, has_update, needs_developer_mode, door:{open}|null, wifi, camera:{on,text},
 * capabilities:["pause", …], limits:{x:[min,max],y,z}, position:{x_mm,y_mm,z_mm,is_homed}} */
json_t *json_printer(const struct printer_config *c, const struct printer_state *s);

/* {id, name, driver, printer, printers:[id], origin, state, text, newest_at, width, height, per_second, n_frames,
 * n_refused, n_reconnects, watchers} */
json_t *json_camera(const struct camera_config *c, const struct camera_status *s);

json_t *json_session(const struct session *s);
json_t *json_film(const struct film *f);
json_t *json_film_plan(const struct film_plan *p);
json_t *json_job(const struct job *j);
json_t *json_layer(const struct layer *l);
/* {snippets:[{id, title, field, place, text}], notes:[text]} */
json_t *json_snippets(const struct snippets *s);
json_t *json_notice(const struct event_notice *n);
json_t *json_capture(const struct capture *c);
json_t *json_capture_picture(const struct capture_picture *p);
/* Only what is known. */
json_t *json_capture_telemetry(const struct capture_telemetry *t);
void json_to_capture_telemetry(struct capture_telemetry *t,
                               const json_t *j); /* NULL: all unknown */

/* Reading back what we wrote (store, session.json); false if a field is missing or wrong. */
bool json_to_session(struct session *s, const json_t *j);
bool json_to_film(struct film *f, const json_t *j);
bool json_to_film_plan(struct film_plan *p, const json_t *j);

/* A flag of json_dumps(): 0.4 as it was written, not 0.40000000000000002. */
#define JSON_SHORT_REALS JSON_REAL_PRECISION(12)

/* Helpers: null for NAN and -1. */
json_t *json_or_null(double v);
json_t *json_int_or_null(int64_t v);
json_t *json_time(int64_t wall_ms); /* null for 0 */
/* A string that is valid UTF-8 whatever came from outside. */
json_t *json_text(const char *s);
