/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/encode.h"

#include "av/encoder.h"
#include "av/picture.h"
#include "av/say.h"
#include "av/track.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/log.h"
#include "model/pick.h"
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libavutil/frame.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SAY_EVERY_MS 500
#define POSTER_WIDTH 640
#define FRAMES_UNKNOWN 4096 /* the head's room when nobody knows how long the print is */
#define MAX_EXPECTED 10000000

enum encode_state {
	ENCODE_READING,
	ENCODE_WAITING, /* for more lines of the manifest */
	ENCODE_FINISHING,
	ENCODE_STOPPING,
	ENCODE_OVER,
};

/* What the journal said about a frame that is in the encoder. */
struct note {
	uint32_t entry, n_seen, n_skipped;
};

struct encode {
	const struct encode_order *order;
	struct film_pick pick;
	enum encode_state state;
	struct journal_reader *reader;
	struct track track;
	struct picture *picture;
	struct encoder *encoder;
	struct encoder_sink sink;

	uint32_t n_total;            /* frames in the journal when we began, 0 unknown */
	uint32_t n_expected;         /* the newest guess */
	uint32_t taken_up;           /* the last entry of the whole pieces */
	uint32_t n_seen, n_skipped;  /* of this camera */
	struct journal_entry newest; /* the last one taken; number 0: none */

	/* frames given to this encoder: numbers from 0 */
	struct note *notes; /* of frame first_note and on */
	int64_t first_note;
	size_t n_notes, cap_notes;
	int64_t n_given, n_out;
	int64_t piece_first; /* frame that the open piece begins with */

	char input[64]; /* a line of standard input, unfinished */
	size_t n_input;
	bool was_finished; /* "finish" has come */
	bool was_ended;    /* the input has ended */
	int64_t said_ms;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint32_t n_frames(const struct encode *e)
{
	return e->track.table.n_samples - e->track.n_open + (uint32_t)(e->n_given - e->piece_first);
}

static void say_progress(struct encode *e, bool is_due)
{
	uint32_t of = MAX(e->n_total, e->n_expected);
	int64_t now = now_ms();

	if (!is_due && now - e->said_ms < SAY_EVERY_MS)
		return;
	e->said_ms = now;
	say(json_pack("{s:s,s:I,s:I,s:I,s:I,s:o}", "type", "progress", "frames",
	              (json_int_t)n_frames(e), "skipped", (json_int_t)e->n_skipped, "seen",
	              (json_int_t)e->n_seen, "bytes", (json_int_t)e->track.end, "percent",
	              of ? json_integer(MIN(100, (json_int_t)e->n_seen * 100 / of)) : json_null()));
}

/* ---- what comes out of the encoder ---- */

static const struct note *note_of(const struct encode *e, int64_t number)
{
	return &e->notes[number - e->first_note];
}

static void notes_drop_before(struct encode *e, int64_t number)
{
	size_t n = (size_t)(number - e->first_note);

	memmove(e->notes, e->notes + n, (e->n_notes - n) * sizeof(*e->notes));
	e->n_notes -= n;
	e->first_note = number;
}

/* The frames from piece_first up to before `end` are in the open piece. */
static int close_piece(struct encode *e, int64_t end, struct err *err)
{
	if (end == e->piece_first)
		return 0;

	const struct note *last = note_of(e, end - 1);
	const struct track_piece numbers = { .first = note_of(e, e->piece_first)->entry,
		                             .last = last->entry,
		                             .n_seen = last->n_seen,
		                             .n_skipped = last->n_skipped };
	int rc = track_close_piece(&e->track, &numbers, err);

	if (rc < 0)
		return rc;
	notes_drop_before(e, end);
	e->piece_first = end;
	return 0;
}

static int on_sample(void *arg, const uint8_t *bytes, size_t size, int64_t number, bool is_key,
                     struct err *err)
{
	struct encode *e = arg;
	auto_buf struct buf sample;

	if (is_key) {
		int rc = close_piece(e, number, err);

		if (rc < 0)
			return rc;
	}
	buf_init(&sample, 0);
	mp4_add_sample(&sample, bytes, size);

	int64_t ahead = number - e->n_out;

	e->n_out++;
	return track_add(&e->track, buf_peek(&sample), sample.size, (int32_t)ahead, err);
}

/* ---- what goes in ---- */

static int start_encoder(struct encode *e, unsigned width, unsigned height, struct err *err)
{
	const struct encode_order *o = e->order;
	const struct encoder_settings s = { .width = width,
		                            .height = height,
		                            .fps = e->pick.fps,
		                            .crf = o->plan.crf,
		                            .group = o->group,
		                            .threads = o->threads,
		                            .preset = o->plan.preset };
	auto_buf struct buf avcc;

	e->sink = (struct encoder_sink){ on_sample, e };
	buf_init(&avcc, 0);

	int rc = encoder_new(&s, &e->sink, &e->encoder, err);

	if (rc == 0)
		rc = encoder_avcc(e->encoder, &avcc, err);
	if (rc < 0)
		return rc;
	if (track_has_head(&e->track)) {
		const struct buf *had = &e->track.table.avcc;
		bool is_same = had->size == avcc.size && !memcmp(had->data, avcc.data, avcc.size);

		return is_same ? 0 : err_set(err, -ESTALE, "the encoder has changed");
	}

	uint32_t n = MAX(e->n_total, e->n_expected);

	return track_begin(&e->track, width, height, &avcc,
	                   mp4_head_guess(n ? (uint64_t)n + n / 4 : FRAMES_UNKNOWN), err);
}

static void note_add(struct encode *e, uint32_t entry)
{
	if (e->n_notes == e->cap_notes) {
		e->cap_notes = e->cap_notes ? 2 * e->cap_notes : 256;
		e->notes = mem_grow(e->notes, e->cap_notes, sizeof(*e->notes));
	}
	e->notes[e->n_notes++] = (struct note){ entry, e->n_seen, e->n_skipped };
}

/* A picture that cannot be read or decoded is left out and counted; the film goes on. */
static int read_frame(struct encode *e, const struct journal_entry *j, AVFrame **ret)
{
	auto_free uint8_t *bytes = NULL;
	struct err err = { 0 };
	int rc = journal_read_picture(e->order->session_dir, j, &bytes, &err);

	if (rc >= 0)
		rc = picture_decode(e->picture, bytes, (size_t)j->size, ret, &err);
	if (rc < 0) {
		e->n_skipped++;
		log_warn(NULL, "frame %u is left out: %s", j->number, err.text);
	}
	return rc;
}

static int take(struct encode *e, const struct journal_entry *j, struct err *err)
{
	AVFrame *f = NULL;
	bool is_taken = film_pick_takes(&e->pick, e->n_seen);

	e->n_seen++;
	if (!is_taken || read_frame(e, j, &f) < 0)
		return 0;
	if (!e->encoder) {
		unsigned width = (unsigned)f->width, height = (unsigned)f->height;
		int rc = start_encoder(e, width, height, err);

		if (rc < 0) {
			av_frame_free(&f);
			return rc;
		}
		picture_set_size(e->picture, width, height);
	}
	e->newest = *j;
	note_add(e, j->number);
	return encoder_add(e->encoder, f, e->n_given++, err);
}

/* ---- standard input ---- */

/* What is left out or taken from here on follows the newest guess. */
static void expect(struct encode *e, uint32_t n_expected)
{
	e->n_expected = n_expected;
	film_pick_plan_rest(&e->pick, &e->order->plan, n_expected, e->n_seen, n_frames(e));
}

static void obey(struct encode *e)
{
	static const char word[] = "expect ";
	uint64_t n;

	e->input[e->n_input] = 0;
	e->n_input = 0;
	if (strcmp(e->input, "finish") == 0)
		e->was_finished = true;
	else if (strncmp(e->input, word, strlen(word)) == 0 &&
	         text_to_u64(e->input + strlen(word), 10, &n) && n <= MAX_EXPECTED)
		expect(e, (uint32_t)n);
}

/* Waits for a word when `wait_ms` is not 0; -1: as long as it takes. */
static void listen(struct encode *e, int wait_ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char bytes[256];

	if (e->was_ended || poll(&p, 1, wait_ms) <= 0)
		return;

	ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		e->was_ended = true;
	for (ssize_t i = 0; i < n; i++) {
		if (bytes[i] == '\n')
			obey(e);
		else if (e->n_input < sizeof(e->input) - 1)
			e->input[e->n_input++] = bytes[i];
	}
}

/* ---- the machine ---- */

static bool is_ours(const struct encode *e, const struct journal_entry *j)
{
	return j->file[0] && strcmp(j->camera, e->order->camera) == 0;
}

static int step_reading(struct encode *e, struct err *err)
{
	struct journal_entry j;
	struct err damage = { 0 };
	bool is_last = !e->order->follows || e->was_finished;
	int rc = journal_reader_next(e->reader, &j, &damage);

	if (rc == -EBADMSG) {
		log_warn(NULL, "a line of the manifest is left out: %s", damage.text);
		return 0;
	}
	if (rc < 0) {
		*err = damage;
		return rc;
	}
	if (rc == 0) {
		e->state = is_last ? ENCODE_FINISHING : ENCODE_WAITING;
		return 0;
	}
	if (rc != 1 || !is_ours(e, &j) || j.number <= e->taken_up)
		return 0;
	rc = take(e, &j, err);
	if (rc < 0)
		return rc;
	say_progress(e, false);
	if (e->order->follows)
		listen(e, 0);
	if (e->order->follows && e->was_ended && !e->was_finished)
		e->state = ENCODE_STOPPING;
	return 0;
}

static void step_waiting(struct encode *e)
{
	say_progress(e, true);
	listen(e, -1);
	e->state = e->was_ended && !e->was_finished ? ENCODE_STOPPING : ENCODE_READING;
}

static int flush(struct encode *e, struct err *err)
{
	int rc = e->encoder ? encoder_end(e->encoder, err) : 0;

	return rc < 0 ? rc : close_piece(e, e->n_given, err);
}

static int step_stopping(struct encode *e, struct err *err)
{
	int rc = flush(e, err);

	if (rc < 0)
		return rc;
	say(json_pack("{s:s,s:I}", "type", "stopped", "frames",
	              (json_int_t)e->track.table.n_samples));
	e->state = ENCODE_OVER;
	return 0;
}

static void make_poster(const struct encode *e)
{
	auto_free uint8_t *bytes = NULL;
	struct err err = { 0 };

	if (!e->order->poster || e->newest.number == 0)
		return;

	int rc = journal_read_picture(e->order->session_dir, &e->newest, &bytes, &err);

	if (rc >= 0)
		rc = picture_poster(bytes, (size_t)e->newest.size, POSTER_WIDTH, e->order->poster,
		                    &err);
	if (rc < 0)
		log_warn(NULL, "no poster: %s", err.text);
}

static int check_number(const struct encode *e, struct err *err)
{
	uint32_t n = e->track.table.n_samples;

	if (n == 0)
		return err_set(err, -ENODATA,
		               "There is no picture of camera '%s' that could be shown (%u were "
		               "broken), so there is no film.",
		               e->order->camera, e->n_skipped);
	if (n < e->order->min_frames)
		return err_set(err, -ERANGE,
		               "There are only %u pictures; a film needs %u by the settings.", n,
		               e->order->min_frames);
	return 0;
}

static void say_done(const struct encode *e, uint32_t n, uint32_t n_pieces, unsigned width,
                     unsigned height)
{
	const struct film_plan *plan = &e->order->plan;
	struct stat st = { 0 };

	(void)stat(e->order->out, &st);
	say(json_pack("{s:s,s:I,s:I,s:I,s:i,s:i,s:f,s:f,s:I,s:I,s:b}", "type", "done", "frames",
	              (json_int_t)n, "skipped", (json_int_t)e->n_skipped, "seen",
	              (json_int_t)e->n_seen, "width", (int)width, "height", (int)height, "fps",
	              film_pick_fps(plan, n), "duration_s", film_pick_duration(plan, n), "bytes",
	              (json_int_t)st.st_size, "pieces", (json_int_t)n_pieces, "is_off",
	              film_pick_is_off(plan, e->n_seen - MIN(e->n_skipped, e->n_seen), n)));
}

static int step_finishing(struct encode *e, struct err *err)
{
	const struct encode_order *o = e->order;
	struct track_table *t = &e->track.table;
	int rc = flush(e, err);

	if (rc < 0)
		return rc;
	rc = check_number(e, err);
	if (rc < 0)
		return rc;
	make_poster(e);
	rc = track_finish(&e->track, film_pick_fps(&o->plan, t->n_samples), o->plan.hold_s, o->out,
	                  o->replaces, err);
	if (rc < 0)
		return rc;
	say_done(e, t->n_samples, t->n_pieces, t->width, t->height);
	e->state = ENCODE_OVER;
	return 0;
}

static int step(struct encode *e, struct err *err)
{
	switch (e->state) {
	case ENCODE_READING:
		return step_reading(e, err);
	case ENCODE_WAITING:
		step_waiting(e);
		return 0;
	case ENCODE_FINISHING:
		return step_finishing(e, err);
	case ENCODE_STOPPING:
		return step_stopping(e, err);
	case ENCODE_OVER:
		break;
	}
	return 0;
}

/* ---- beginning and end ---- */

static void describe(char *dst, size_t size, const struct encode *e)
{
	const struct film_plan *p = &e->order->plan;

	(void)snprintf(dst, size,
	               "2 crf=%d preset=%s size=%ux%u group=%u duration=%.3f hold=%.3f fps=%.3f",
	               p->crf, p->preset, p->width, p->height, e->order->group, p->duration_s,
	               p->duration_s > 0 ? p->hold_s : 0, e->pick.fps);
}

/* The rate that a film of a wanted duration was begun with, by an older guess: the encoder goes on
 * only with the same. */
static void adopt_rate(struct encode *e, const char *dir)
{
	static const char word[] = " fps=";
	char had[256], mine[256];
	double fps;

	e->pick.fps = round(e->pick.fps * 1000) / 1000;
	if (e->order->plan.duration_s <= 0 ||
	    !track_read_settings(dir, e->order->name, had, sizeof(had)))
		return;
	describe(mine, sizeof(mine), e);

	size_t n = (size_t)(strstr(mine, word) - mine) + strlen(word);

	if (strncmp(had, mine, n) == 0 && text_to_double(had + n, &fps) && fps >= PICK_MIN_FPS &&
	    fps <= PICK_MAX_FPS)
		e->pick.fps = fps;
}

/* Goes through the manifest once: how many frames are there, and the last one of whole pieces. */
static int count_frames(struct encode *e, struct err *err)
{
	struct journal_reader *r;
	struct journal_entry j;
	int rc = journal_reader_open(e->order->session_dir, &r, err);

	if (rc < 0)
		return rc;
	while ((rc = journal_reader_next(r, &j, err)) != 0) {
		if (rc < 0 && rc != -EBADMSG)
			break;
		if (rc != 1 || !is_ours(e, &j))
			continue;
		e->n_total++;
		if (j.number <= e->taken_up)
			e->newest = j;
	}
	journal_reader_close(r);
	return rc;
}

static int prepare(struct encode *e, struct err *err)
{
	const struct encode_order *o = e->order;
	char dir[2048], settings[256];
	int rc = count_frames(e, err);

	if (rc < 0)
		return rc;

	e->n_expected = o->follows ? o->n_expected : e->n_total;
	e->n_total = o->follows ? 0 : e->n_total;
	film_pick_plan(&e->pick, &o->plan, e->n_expected);
	if (snprintf(dir, sizeof(dir), "%s/film", o->session_dir) >= (int)sizeof(dir))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", o->session_dir);
	adopt_rate(e, dir);
	describe(settings, sizeof(settings), e);
	rc = track_open(&e->track, dir, o->name, settings, err);
	if (rc == 0)
		rc = picture_new(&e->picture, err);
	if (rc == 0)
		rc = journal_reader_open(o->session_dir, &e->reader, err);
	return rc;
}

/* Goes on where the whole pieces end. */
static int take_up(struct encode *e, struct err *err)
{
	const struct track_table *t = &e->track.table;

	if (track_has_head(&e->track))
		picture_set_size(e->picture, t->width, t->height);
	else if (e->order->plan.width)
		picture_set_size(e->picture, e->order->plan.width, e->order->plan.height);
	if (t->n_pieces == 0)
		return 0;

	const struct track_piece *last = &t->pieces[t->n_pieces - 1];

	e->taken_up = last->last;
	e->n_seen = last->n_seen;
	e->n_skipped = last->n_skipped;
	film_pick_plan_rest(&e->pick, &e->order->plan, e->n_expected, e->n_seen, t->n_samples);

	uint32_t n_total = e->n_total;
	int rc = count_frames(e, err);

	e->n_total = n_total;
	return rc;
}

static void fini(struct encode *e)
{
	encoder_free(e->encoder);
	picture_free(e->picture);
	journal_reader_close(e->reader);
	track_close(&e->track);
	free(e->notes);
}

static int run_once(const struct encode_order *o, bool is_anew, struct err *err)
{
	struct encode e = { .order = o, .track = { .fd = -1, .index_fd = -1 } };
	int rc = prepare(&e, err);

	if (rc == 0 && is_anew)
		rc = track_reset(&e.track, err);
	if (rc == 0)
		rc = take_up(&e, err);
	if (rc == 0)
		say(json_pack("{s:s,s:I}", "type", "started", "frames",
		              (json_int_t)e.track.table.n_samples));
	while (rc == 0 && e.state != ENCODE_OVER)
		rc = step(&e, err);
	fini(&e);
	return rc;
}

int encode_count_pictures(const struct encode_order *o, uint32_t *ret, struct err *err)
{
	struct encode e = { .order = o };
	int rc = count_frames(&e, err);

	*ret = e.n_total;
	return rc;
}

int encode_run(const struct encode_order *o)
{
	struct err err = { 0 };
	char dir[2048];
	struct stat st;

	if (!o->replaces && stat(o->out, &st) == 0) {
		/* A track becomes the film by its name: while it is there, the film is another's. */
		(void)snprintf(dir, sizeof(dir), "%s/film", o->session_dir);
		(void)err_set(&err, track_is_there(dir, o->name) ? -ENOTUNIQ : -EEXIST,
		              "%s exists already", o->out);
		return say_failed(&err);
	}

	int rc = run_once(o, false, &err);

	if (rc == -ESTALE) {
		log_info(NULL, "the encoder is another one than before: the film begins anew");
		rc = run_once(o, true, &err);
	}
	return rc < 0 ? say_failed(&err) : 0;
}
