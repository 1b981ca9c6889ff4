/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * capture/private: what the files of sessions share.
 *
 * A station is a printer that has sessions; a recording is one session under way. A station has at
 * most one current recording; one that finalises may live on beside it.
 *
 * Thread: loop.
 */

#pragma once

#include "cameras/camera.h"
#include "capture/session.h"
#include "capture/sessions.h"
#include "capture/trigger.h"
#include "core/bus.h"
#include "core/loop.h"
#include "model/event.h"
#include "store/journal.h"

#define MAX_DUES 8
#define SESSION_TEXT_ORDERED_PAUSE "paused by order"

struct recording;

/* A picture that is wanted. */
struct due {
	enum journal_trigger trigger;
	int layer; /* -1 none */
	double z_mm;
	int64_t not_before_us;
};

/* One camera of a recording. Its shot runs for the oldest due; the frame that comes is given to the
 * newest layer that had begun when it was captured. */
struct shooter {
	struct recording *recording;
	char camera[MODEL_ID_SIZE];
	struct camera *held;
	struct camera_shot shot;
	bool is_shooting;
	unsigned n_tries; /* failed ones for dues[0] */
	bool is_failing;  /* the last due got no picture */
	unsigned n_dues;
	struct due dues[MAX_DUES];
	uint32_t n_stored;    /* since we were started */
	uint32_t film_frames; /* in its growing film, which has so many bytes */
	uint64_t film_bytes;
};

struct recording {
	struct sessions *owner;
	struct session s;
	enum session_state machine; /* s.state follows it; see sessions.h on FINALISING */
	struct session_plan plan;
	struct journal *journal; /* NULL while armed and once finalising */
	struct trigger trigger;
	unsigned n_shooters;
	struct shooter shooters[SESSION_MAX_CAMERAS];
	bool is_found;            /* of an earlier run: waits for its job to be heard of */
	bool is_job_unknown;      /* found, but the records know no such job: they were lost */
	bool is_paused_by_order;  /* the print's going on does not end that pause */
	bool was_paused_by_order; /* in an earlier run: it goes on paused */
	bool is_ending;           /* the last picture is awaited */
	bool is_journal_closing;
	bool is_disk_refusing; /* told the user so */
	bool is_by_hand;       /* of an earlier run, begun without a print: goes on by itself */
	bool is_by_macro;      /* the print's macros say when */
	bool is_macro_waiting; /* for the pictures of the newest */
	double cycle_s;        /* of a macro's cycle, 0 none */
	int first_layer;       /* the newest one when recording began or went on, and when */
	int64_t begun_us;
	unsigned films_over;  /* bit i: the film of s.cameras[i] is there, or failed */
	struct timer every;   /* pictures by time */
	struct timer publish; /* changes of numbers are told once a second */
	int64_t saved_us;
	uint32_t n_missed_told;
	int64_t missed_told_us;
	struct recording *prev, *next; /* sessions.recordings */
};

struct station {
	char printer[MODEL_ID_SIZE];
	bool has_plan, has_job, is_print_paused;
	int percent, remaining_min; /* the printer's word, -1 unknown */
	enum printer_pause pause;
	struct session_plan plan;
	struct job job;
	int layer_now; /* the newest heard of, recorded or not; -1 none */
	double z_now_mm;
	char over_job[ID_SIZE]; /* ran on when its session was ended, before we were started */
	struct session idle;
	struct recording *current;
	struct station *prev, *next; /* sessions.stations */
};

struct sessions {
	struct sessions_env env;
	char *data_dir, *sessions_dir;
	struct bus_listener listener;
	struct station *stations;
	struct recording *recordings;
	struct timer disk_timer;
	bool is_checking_disk, must_check_again;
	bool is_disk_stopped; /* below the floor or over the budget */
	unsigned keep_one_in;
	unsigned n_jobs; /* on other threads, that speak of us */
	bool is_closing;
	void (*freed)(void *arg);
	void *freed_arg;
};

/* sessions.c */
struct station *station_of(struct sessions *ss, const char *printer);
struct station *station_make(struct sessions *ss, const char *printer);
void sessions_job_done(struct sessions *ss); /* n_jobs goes down; frees when that was awaited */

/* recording.c */
struct recording *recording_new(struct sessions *ss, const struct session_plan *plan,
                                const char *printer);
void recording_free(struct recording *r);
void recording_begin(struct recording *r, const struct job *job);
void recording_next_job(struct recording *r, const struct job *job);
void recording_state(struct recording *r, enum session_state state, const char *text);
/* `text` becomes the state's; with_last: one more picture first. */
void recording_finish(struct recording *r, const char *text, bool with_last);
void recording_pictures_over(struct recording *r); /* shots: nothing is awaited any more */
void recording_done(struct recording *r, const char *text);
void recording_drop(struct recording *r); /* an armed one that nobody wants any more */
void recording_close_journal(struct recording *r);
void recording_touch(struct recording *r);
/* Starts, changes or ends the pictures by time, as the plan and the macros say. */
void recording_set_cycle(struct recording *r);
void recording_save(struct recording *r);
void recording_missed(struct recording *r, int layer, const char *why);
bool recording_takes_pictures(const struct recording *r);

/* shots.c */
void shots_start(struct recording *r);
void shots_stop(struct recording *r);
void shots_add(struct recording *r, const struct due *d);
/* A macro's pictures are there, or will not come. */
void shots_macro_over(struct recording *r);
bool shots_are_pending(const struct recording *r);
/* Of one camera. */
void shots_add_to(struct shooter *sh, const struct due *d);
/* A picture that was taken without us. Takes the caller's reference. */
void shots_put(struct shooter *sh, struct frame *f, const struct due *d);

/* disk.c */
/* Pictures of one camera when the session is over, as things stand; 0 unknown. */
uint32_t disk_expected(const struct recording *r);
/* With which thinning a session begins: that of those under way; alone, none. */
unsigned disk_thinning(const struct sessions *ss, const struct recording *newcomer);
void disk_check(struct sessions *ss);
void disk_tick(void *arg);

/* recover.c */
void recover_sessions(struct sessions *ss);
