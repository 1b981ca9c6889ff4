/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * config: bedside.yaml as structs, checked before anything starts.
 *
 * The file is the user's and is never written by the program. What is added on the page or by
 * `bedside discover --add` goes into files of the data folder: printers.d/<id>.yaml (one printer
 * each, same keys), printers.d/<id>.pin (the certificate that a person confirmed), and
 * cameras.d/<id>.yaml (one camera each, same keys; the id stays when the name is changed).
 *
 * Secrets can come from files (`access_code_file`) and from the environment
 * (BEDSIDE_ACCESS_CODE_<ID>, the id in capitals with '_' for '-').
 *
 * Thread: any; a struct config is one thread's, and read-only once the program runs.
 */

#pragma once

#include "base/base.h"
#include "core/conf.h"
#include "core/log.h"
#include "fleet/climates.h"
#include "fleet/panel.h"
#include "fleet/pull.h"
#include "fleet/rig.h"
#include "model/camera.h"
#include "model/capture.h"
#include "model/printer.h"
#include "model/session.h"

#include <jansson.h>

#define CONFIG_MAX_PRINTERS 200
#define CONFIG_MAX_CAMERAS 200
#define CONFIG_MAX_PROXIES 16

struct buf;
struct err;

enum web_tls {
	WEB_TLS_OFF,
	WEB_TLS_SELF_SIGNED,
	WEB_TLS_FILES
};

struct web_config {
	char listen[64]; /* address; "" all */
	uint16_t port;
	int tls;                         /* enum web_tls */
	char certificate[256], key[256]; /* PEM files for WEB_TLS_FILES */
	char base_path[128];             /* "/" or "/bedside/" */
	unsigned n_proxies;
	unsigned n_camera_clients;
	char camera_clients[CONFIG_MAX_PROXIES][64]; /* may see cameras without a token */
	char proxies[CONFIG_MAX_PROXIES][64];        /* trusted to say where a request came from */
	bool has_socketio; /* rigs of the original program may report here */
	bool has_programs; /* cameras of the page may run programs of this machine */
};

struct storage_config {
	uint64_t floor_bytes;   /* kept free */
	uint64_t budget_bytes;  /* frames and films may take; 0: what the disk has */
	int64_t keep_frames_ms; /* after a verified film; 0: for ever */
	int64_t keep_films_ms;  /* 0: for ever */
	int64_t flush_ms;       /* of the journal */
};

struct printer_entry {
	struct printer_config printer;
	struct session_plan plan; /* cameras empty: the printer's own and those that name it */
	struct capture_plan capture;
	bool is_added;          /* from printers.d, so the page may remove it */
	bool is_pinned_by_hand; /* the user's own file names the fingerprint */
};

struct pull_config {
	int64_t poll_ms; /* 0: only by hand */
	char into[PULL_PATH_SIZE];
	struct pull_source *sources;
	size_t n_sources;
};

struct config {
	char path[1024]; /* "" when no file was found */
	char data_dir[1024];
	int log_level; /* enum log_level */
	char ca_file[256];
	struct web_config web;
	struct storage_config storage;
	struct rig_config hub;    /* that this one reports to */
	struct session_plan plan; /* of printers that have none of their own */
	struct capture_plan capture;
	struct panel_config panel;
	struct climates_config climates;
	size_t n_printers;
	struct printer_entry *printers;
	size_t n_cameras;
	struct camera_config *cameras;
	struct pull_config pull;
};

/* The file to read: `given`, else $BEDSIDE_CONFIG, else the first that exists of
 * ~/.config/bedside/bedside.yaml and /etc/bedside/bedside.yaml. False if there is none. */
bool config_find(const char *given, char *dst, size_t size);

/* The data folder: `given`, or what the configuration (NULL: where it is looked for) says. False: its
 * faults were printed. For the verbs; not while the daemon runs in this process. */
bool config_find_data(const char *config_file, const char *given, char *dst, size_t size);

/*
 * Reads `path` (NULL: no file, all defaults) and the data folder's printers.d. `data_dir` (may be
 * NULL) wins over the file's. False with the faults in `errors`; nothing is half-applied.
 * config_fini() it in either case.
 */
bool config_load(const char *path, const char *data_dir, struct config *ret,
                 struct conf_errors *errors);
void config_fini(struct config *c);
/* Whether a start with the file `path` (NULL or "": none) could read printers.d and cameras.d of
 * `folder`; -EBADMSG with the sentence if not. Any thread. */
int config_check_restored(const char *path, const char *folder, struct err *err) MUST_CHECK;
/* The faults on standard error, one per line. Returns 1, the exit status. */
int config_print_errors(const struct conf_errors *errors);

/* The complete example file. */
void config_example(struct buf *out);
/* The body of bedside.yaml(5), mdoc. */
void config_manual(struct buf *out);

/* Makes p->url plain (no '/' at its end) and takes p->address from it; -EINVAL if it is no address
 * of a web server, or holds a login. */
int config_check_url(struct printer_config *p, struct err *err) MUST_CHECK;
/* A printer in YAML, as it stands in printers.d; the access code included. */
void config_write_printer(const struct printer_config *p, struct buf *out);
/* Writes printers.d/<id>.yaml, mode 0600; -EEXIST if there is one, -EINVAL with the sentence for
 * what the next start would refuse. Sets p->id from its name. */
int config_add_printer(const char *data_dir, struct printer_config *p, struct err *err) MUST_CHECK;
/* Removes what the page added; -EPERM with the sentence if it stands in bedside.yaml. */
int config_remove_printer(const struct config *c, const char *id, struct err *err) MUST_CHECK;

/* The ids that a new camera cannot have; the caller's, only for the call. */
struct config_taken {
	bool (*has)(void *arg, const char *id);
	void *arg;
};

/*
 * A camera of the page. `settings` is an object of a camera's keys in bedside.yaml, texts, numbers
 * and lists as JSON; `printers` instead of `printer`, spans as `poll_ms`, controls as "name=value".
 * null takes one away. Fills `ret` (camera_config_fini() it) and writes cameras.d/<id>.yaml, mode
 * 0600. -EINVAL with the sentence for what the next start would refuse, with its key in `field`;
 * -EEXIST when `taken` says that the id is; -EPERM when bedside.yaml does not allow it.
 */
#define CONFIG_FIELD_SIZE 48
#define CONFIG_NO_PROGRAMS                                                                         \
	"cameras of the page may run a program only if bedside.yaml says so; write programs: yes " \
	"under web: there and restart"
int config_add_camera(const struct config *c, const json_t *settings,
                      const struct config_taken *taken, struct camera_config *ret,
                      char field[CONFIG_FIELD_SIZE], struct err *err) MUST_CHECK;
/* The same without keeping anything: for trying it. */
int config_try_camera(const struct config *c, const json_t *settings, struct camera_config *ret,
                      char field[CONFIG_FIELD_SIZE], struct err *err) MUST_CHECK;
/* -EPERM with the sentence if it stands in bedside.yaml. */
int config_change_camera(const struct config *c, const char *id, const json_t *settings,
                         struct camera_config *ret, char field[CONFIG_FIELD_SIZE],
                         struct err *err) MUST_CHECK;
int config_remove_camera(const struct config *c, const char *id, struct err *err) MUST_CHECK;

/* Makes c->url plain (no '/' at its end); -EINVAL if it is no address of a hub. */
int config_check_hub(struct rig_config *c, struct err *err) MUST_CHECK;
/* Writes hub.yaml of the data folder, mode 0600; takes it away; reads all anew for a running daemon. */
int config_write_hub(const char *data_dir, const struct rig_config *c, struct err *err) MUST_CHECK;
int config_forget_hub(const char *data_dir, struct err *err) MUST_CHECK;
int config_reload_hub(const struct config *c, struct rig_config *ret, struct err *err) MUST_CHECK;

/* Stores the confirmed certificate of a printer. */
int config_pin_printer(const char *data_dir, const char *id, const uint8_t sha256[32],
                       struct err *err) MUST_CHECK;
