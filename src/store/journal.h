/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal: the frames of one session on disk, so that none that was flushed is ever lost.
 *
 * A session is a folder:
 *
 *	sessions/<id>/session.json        what it is (written atomically)
 *	sessions/<id>/manifest            append-only, one line per frame, then one per event
 *	sessions/<id>/<camera>/000001.jpg the pictures
 *	sessions/<id>/film/               pieces of the growing film (bedside-av's)
 *
 * A manifest line is one JSON object, a blank, and the CRC32C of the object as 8 hex digits:
 *
 *	{"n":1,"camera":"a1","job":"…","layer":3,"z_mm":0.6,"trigger":"layer","at_ms":…,"at_us":…,
 *	 "boot":"…","file":"a1/000001.jpg","size":81234,"crc32c":"9a3c01f2"} 5d0e7711
 *
 * Order on disk: pictures are written under temporary names, synced and renamed, their folder is
 * synced, then their lines are appended and synced; all once per flush interval. So a line never
 * speaks of a picture that is not whole, and kill -9 or a power cut at any byte costs at most the
 * frames of the last interval. A torn last line is cut off when the journal is opened again.
 * Event lines ("end", "thinned", "gap") have no file. bedside-av reads the manifest and follows it.
 *
 * Thread: loop for struct journal, whose disk work runs on its queue; any for the reader.
 */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/camera.h"
#include "model/session.h"

struct err;
struct frame;
struct journal;
struct loop;
struct work_pool;

#define JOURNAL_FLUSH_MS 1000

enum journal_trigger {
	TRIGGER_LAYER,
	TRIGGER_TIME,
	TRIGGER_MANUAL,
	TRIGGER_FIRST,
	TRIGGER_LAST,
	TRIGGER_BUTTON, /* pressed by a person or by the tool head */
	TRIGGER_MACRO,  /* a macro of the print asked for it */
};

const char *journal_trigger_name(enum journal_trigger t); /* "layer" … */

/* One line of the manifest. */
struct journal_entry {
	uint32_t number; /* from 1, without gaps over all cameras of the session */
	char camera[MODEL_ID_SIZE];
	char job[ID_SIZE];
	int layer;   /* -1 none */
	double z_mm; /* NAN unknown */
	enum journal_trigger trigger;
	int64_t at_wall_ms, at_us; /* capture time; at_us is of boot `boot` */
	char boot[40];
	char file[96]; /* relative to the session's folder; "" once deleted by policy */
	uint64_t size;
	uint32_t crc32c;
};

struct journal_env {
	struct loop *loop;
	struct work_pool *queue; /* one thread; all journals may share it */
	int64_t flush_ms;
};

/* Makes sessions/<s->id>, or opens it again: reads the manifest, cuts a torn tail, removes
 * pictures without a line, checks the last ones. May wait for the disk. */
int journal_open(const struct journal_env *env, const char *sessions_dir, const struct session *s,
                 struct journal **ret, struct err *err) MUST_CHECK;

/* As journal_open() without waiting: the disk's work is done in the background, in order, so frames
 * may be added at once. `told` (may be NULL) hears on the loop how it went; after a failure each
 * flush tries again, and frames are refused until it works. */
struct journal *journal_start(const struct journal_env *env, const char *sessions_dir,
                              const struct session *s,
                              void (*told)(void *arg, const struct err *err), void *arg);

/* Flushes; `done` on the loop when everything is on disk. The journal is freed after it. */
void journal_close(struct journal *j, void (*done)(void *arg), void *arg);

/* The frame is written with the next flush; takes a reference of its own. Of `e` the journal fills
 * in number, file, size, crc32c and, if it is "", boot. `stored` is called on the loop when
 * frame and line are on disk (or with an error: full disk). */
void journal_add(struct journal *j, struct frame *f, const struct journal_entry *e,
                 void (*stored)(void *arg, const struct journal_entry *e, const struct err *err),
                 void *arg);

/* An event line: kind "end", "gap", "thinned", … with a short text. */
void journal_note(struct journal *j, const char *kind, const char *text, int64_t wall_ms);

/* Writes session.json anew, in the background. */
void journal_save_session(struct journal *j, const struct session *s);

uint32_t journal_n_frames(const struct journal *j);
uint64_t journal_bytes(const struct journal *j);
const char *journal_dir(const struct journal *j);

/* ---- reading, any thread, also while it is being written ---- */

struct journal_reader; /* keeps its place in the manifest */

int journal_reader_open(const char *session_dir, struct journal_reader **ret,
                        struct err *err) MUST_CHECK;
void journal_reader_close(struct journal_reader *r);

/* The next whole line: 1 an entry, 2 an event (kind in e->file), 0 no more for now, negative: the
 * manifest is damaged in its middle (the reader skips that line when called again). */
int journal_reader_next(struct journal_reader *r, struct journal_entry *ret, struct err *err);

/* Pure: one line without its newline. 1, 2 as above, negative for a line that is not ours. */
int journal_parse_line(const char *line, size_t size, struct journal_entry *ret, struct err *err);

/* Reads the picture of an entry and checks size and CRC. The caller frees *ret. */
int journal_read_picture(const char *session_dir, const struct journal_entry *e, uint8_t **ret,
                         struct err *err) MUST_CHECK;

/* Compares every file of a session with its manifest; counts. For tests, doctor and retention. */
struct journal_check {
	uint32_t n_whole, n_missing, n_wrong, n_deleted, n_strangers;
	bool has_torn_tail, has_ended;
};
int journal_check(const char *session_dir, struct journal_check *ret, struct err *err) MUST_CHECK;

/* Retention: says so in the manifest ("deleted"), then deletes all pictures of a session that nobody
 * records any more. What a crash left over goes with the next call. Bytes freed in ret_bytes. */
int journal_delete_pictures(const char *session_dir, const char *why, int64_t wall_ms,
                            uint64_t *ret_bytes, struct err *err) MUST_CHECK;
