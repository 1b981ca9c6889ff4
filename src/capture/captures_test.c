/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Layer capture against a printer that obeys slowly, loses its connection, and that people
 * pause, resume and cancel while the head is away: on simulated time.
 */

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "capture/captures.h"
#include "capture/plan.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "model/event.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#define BED_X 250.0
#define BED_Y 210.0
#define MAX_Z 220.0
#define CLEARANCE 5.0
#define LAYER_MM 0.2
#define N_LAYERS 300
#define SOON 1e-6

/* ---- the world ---- */

struct cmd {
	struct world *w;
	enum run_order order;
	char *script;
	void (*done)(void *arg, enum printer_answer a, const char *reason);
	void *arg;
	struct timer timer, limit;
	bool is_executed, is_answered;
	int64_t sent_us;
	enum printer_answer answer;
	struct cmd *prev, *next;
};

struct shot {
	struct camera_shot *shot;
	struct timer timer;
	struct camera *camera;
	struct shot *prev, *next;
};

struct camera {
	struct world *world;
	bool is_dead;
	unsigned
		n_moving; /* so many pictures in which something moves, then still ones; 0: no pictures */
	unsigned n_shots;
};

struct world {
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool;
	struct captures *captures;
	struct bus_listener listener;
	char dir[200];
	uint64_t random;
	bool has_faults;

	/* the printer */
	enum printer_activity activity;
	bool is_users_pause; /* a person wants it paused */
	bool is_alarmed;     /* a person is on the way */
	int64_t users_pause_us;
	double mm[3], top_mm, e_mm;
	double gcode_mm[3]; /* where the print itself thinks that the head is */
	bool is_relative, is_e_relative;
	int layer, told_layer;
	int64_t file_pos;
	bool is_link_up, is_printed;
	struct run_machine seen; /* what reached us */
	struct timer print, report, link, person, fault;
	struct cmd *cmds;
	struct camera camera;
	struct shot *shots;
	struct job job;
	bool is_pausing_refused, is_resume_ignored, is_resume_refused, is_script_refused;
	int64_t pause_late_ms; /* taken at once, done so much later */
	struct timer late;
	int64_t latency_ms;
	double script_ms_more;
	bool is_cold; /* scripts are not answered */

	/* what must not be */
	unsigned n_after_cancel, n_users_resumed, n_outside, n_low, n_elsewhere, n_raw_e,
		n_switched_off;
	/* what was */
	unsigned n_pauses, n_resumes, n_moves, n_alarms, n_due, n_ended;
	unsigned char ended[N_LAYERS + 2]; /* by layer: events that end a capture */
	unsigned n_completed, n_shown;
	struct buf log; /* of scripts */
	bool keeps_log;
	char last_text[300], last_warning[500];
	struct capture last; /* that ended */
};

static unsigned chance(struct world *w, unsigned n)
{
	w->random = w->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((w->random >> 33) % n);
}

static void push_state(struct world *w)
{
	struct event_printer *e = event_new_printer();

	TEXT_SET(e->printer, "p");
	bus_publish(w->bus, &e->head);
}

static void take_report(struct world *w)
{
	w->seen.is_online = true;
	w->seen.activity = w->activity;
	w->seen.pause = w->activity == PRINTER_PAUSED ? PRINTER_PAUSE_USER : PRINTER_PAUSE_NONE;
	w->seen.file_pos = w->file_pos;
	push_state(w);
}

static void reported(void *arg)
{
	struct world *w = arg;

	if (w->is_link_up)
		take_report(w);
}

static void changed(struct world *w)
{
	timer_start(&w->report, 5 + chance(w, 90));
}

static void job_event(struct world *w, enum job_phase phase)
{
	struct event_job *e = event_new_job();

	e->phase = phase;
	e->job = w->job;
	bus_publish(w->bus, &e->head);
}

/* ---- printing ---- */

static void tell_layers(struct world *w)
{
	while (w->told_layer < w->layer && w->is_link_up) {
		struct event_layer *e = event_new_layer();

		w->told_layer++;
		e->layer = (struct layer){ .number = w->told_layer,
			                   .layers = N_LAYERS,
			                   .z_mm = w->told_layer * LAYER_MM,
			                   .is_catching_up = w->told_layer < w->layer };
		TEXT_SET(e->layer.printer, "p");
		TEXT_SET(e->layer.job, w->job.id);
		w->n_due += w->told_layer % 3 == 0;
		bus_publish(w->bus, &e->head);
	}
}

static void print_on(void *arg)
{
	struct world *w = arg;

	if (w->activity != PRINTER_PRINTING)
		return;
	w->file_pos += 40;
	w->mm[0] = 100 + chance(w, 50);
	w->mm[1] = 80 + chance(w, 50);
	w->gcode_mm[0] = w->mm[0];
	w->gcode_mm[1] = w->mm[1];
	if (chance(w, 6) == 0) {
		if (w->layer == N_LAYERS) {
			w->activity = PRINTER_FINISHED;
			changed(w);
			return;
		}
		w->layer++;
		w->mm[2] = w->top_mm = w->gcode_mm[2] = w->layer * LAYER_MM;
		tell_layers(w);
	}
}

static void do_pause(struct world *w)
{
	if (w->activity != PRINTER_PRINTING)
		return;
	w->activity = PRINTER_PAUSED;
	changed(w);
}

static void do_resume(struct world *w)
{
	if (w->activity != PRINTER_PAUSED)
		return;
	w->e_mm = fmin(w->e_mm, 0);
	w->activity = PRINTER_PRINTING;
	w->file_pos += 1;
	changed(w);
}

static void do_cancel(struct world *w)
{
	if (!printer_activity_is_job(w->activity))
		return;
	w->activity = PRINTER_CANCELLED;
	changed(w);
}

/* ---- what it is sent ---- */

static double word(const char *line, char letter)
{
	const char *p = strchr(line, letter);
	char text[24];
	double v;

	if (!p)
		return (double)NAN;
	text_copy_n(text, sizeof(text), p + 1, strspn(p + 1, "-0123456789."));
	return text_to_double(text, &v) ? v : (double)NAN;
}

/* A heater, or the motors that hold the head's place. */
static bool is_switching_off(const char *line)
{
	static const char *const heaters[] = { "M104", "M109", "M140", "M141", "M190", "M191" };

	for (size_t i = 0; i < ARRAY_LEN(heaters); i++)
		if (text_starts(line, heaters[i]) && !(word(line, 'S') > 0 || word(line, 'R') > 0))
			return true;
	return text_starts(line, "M84") || text_starts(line, "M18") || text_starts(line, "M112");
}

/* Milliseconds that the line takes. */
static double run_line(struct world *w, const char *line)
{
	double to[3] = { word(line, 'X'), word(line, 'Y'), word(line, 'Z') };
	double f = word(line, 'F'), way = 0;

	if (text_starts(line, "G90"))
		w->is_relative = w->is_e_relative = false;
	else if (text_starts(line, "M83"))
		w->is_e_relative = true;
	else if (text_starts(line, "M82"))
		w->is_e_relative = false;
	w->n_switched_off += is_switching_off(line);
	if (!text_starts(line, "G1 "))
		return 0;
	if (!isnan(word(line, 'E'))) {
		w->n_raw_e += !w->is_e_relative;
		w->e_mm += word(line, 'E');
	}
	w->n_moves++;
	w->n_outside += w->is_relative;
	for (int i = 0; i < 3; i++) {
		double low[3] = { 0, 0, 0 }, high[3] = { BED_X, BED_Y, MAX_Z };

		if (isnan(to[i]))
			to[i] = w->mm[i];
		w->n_outside += to[i] < low[i] - SOON || to[i] > high[i] + SOON;
		way += (to[i] - w->mm[i]) * (to[i] - w->mm[i]);
	}
	/* Across only clear of the part. A move that crosses a resume by somebody else on the wire, which
	 * nobody can take back, is not judged. */
	if (w->activity == PRINTER_PAUSED && (to[0] != w->mm[0] || to[1] != w->mm[1]))
		w->n_low +=
			w->mm[2] < w->top_mm + CLEARANCE - 1e-3 || fabs(to[2] - w->mm[2]) > SOON;
	memcpy(w->mm, to, sizeof(to));
	return isnan(f) ? 0 : sqrt(way) / f * 60000;
}

static void answer(struct cmd *c, enum printer_answer a)
{
	if (c->is_answered)
		return;
	c->is_answered = true;
	c->done(c->arg, a,
	        a == PRINTER_REFUSED     ? "already so"
	        : a == PRINTER_TIMED_OUT ? "no answer"
	                                 : "");
}

static void cmd_free(struct cmd *c)
{
	timer_stop(&c->timer);
	timer_stop(&c->limit);
	DL_DELETE(c->w->cmds, c);
	free(c->script);
	free(c);
}

static void cmd_answered(void *arg)
{
	struct cmd *c = arg;
	struct world *w = c->w;

	if (!w->is_link_up)
		return; /* the limit speaks, or the loss of the link did */
	if (c->order == RUN_SCRIPT)
		memcpy(w->seen.mm, w->mm, sizeof(w->mm));
	if (c->answer == PRINTER_ACKNOWLEDGED && w->is_cold)
		return;
	answer(c, c->answer);
	cmd_free(c);
}

static double run_script(struct world *w, const char *script)
{
	double ms = 0;
	char line[200];

	if (w->keeps_log)
		buf_add_str(&w->log, script);
	while (*script) {
		size_t n = strcspn(script, "\n");

		text_copy_n(line, sizeof(line), script, n);
		ms += run_line(w, line);
		script += n + (script[n] == '\n');
	}
	return ms;
}

static void cmd_arrives(void *arg)
{
	struct cmd *c = arg;
	struct world *w = c->w;
	double ms = 2 + chance(w, 60);

	if (!w->is_link_up)
		return;
	c->is_executed = true;
	c->answer = PRINTER_ACKNOWLEDGED;
	switch (c->order) {
	case RUN_PAUSE:
		w->n_pauses++;
		if (w->activity != PRINTER_PRINTING || w->is_pausing_refused)
			c->answer = PRINTER_REFUSED;
		else if (w->pause_late_ms > 0)
			timer_start(&w->late, w->pause_late_ms);
		else
			do_pause(w);
		break;
	case RUN_RESUME:
		w->n_resumes++;
		c->answer = w->is_resume_refused ? PRINTER_REFUSED : PRINTER_ACKNOWLEDGED;
		if (w->is_resume_refused || w->is_resume_ignored)
			break;
		w->n_users_resumed += w->is_users_pause && w->activity == PRINTER_PAUSED &&
		                      c->sent_us > w->users_pause_us;
		if (w->activity == PRINTER_PAUSED) {
			for (int i = 0; i < 3; i++)
				w->n_elsewhere += fabs(w->mm[i] - w->gcode_mm[i]) > 0.01;
			/* An answer that was lost may prime twice; it never lacks filament. */
			w->n_elsewhere += w->e_mm < -1e-6 || w->e_mm > 3 * 0.7 + 1e-6;
			do_resume(w);
			/* Their pause comes behind our resume on the same way. */
			if (w->is_users_pause)
				do_pause(w);
		} else {
			c->answer = PRINTER_REFUSED;
		}
		break;
	case RUN_SCRIPT:
		if (w->is_script_refused) {
			c->answer = PRINTER_REFUSED;
			break;
		}
		ms += run_script(w, c->script) + w->script_ms_more;
		break;
	}
	timer_init(&c->timer, w->loop, cmd_answered, c);
	timer_start(&c->timer, (int64_t)ms);
}

static void cmd_limit(void *arg)
{
	struct cmd *c = arg;

	answer(c, PRINTER_TIMED_OUT);
	cmd_free(c);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are those of captures_env */
static void world_send(void *arg, const char *printer UNUSED, enum run_order order,
                       const char *script, int64_t timeout_ms,
                       void (*done)(void *done_arg, enum printer_answer a, const char *reason),
                       void *done_arg)
{
	struct world *w = arg;
	struct cmd *c = MEM_NEW(struct cmd);

	/* We know that there is no such print, or that there is no link. */
	if (!printer_activity_is_job(w->seen.activity) || !w->seen.is_online)
		w->n_after_cancel++;
	*c = (struct cmd){ .w = w,
		           .order = order,
		           .sent_us = loop_now_us(w->loop),
		           .script = mem_str(script ? script : ""),
		           .done = done,
		           .arg = done_arg };
	timer_init(&c->timer, w->loop, cmd_arrives, c);
	timer_init(&c->limit, w->loop, cmd_limit, c);
	timer_start(&c->timer, 1 + chance(w, (unsigned)w->latency_ms));
	timer_start(&c->limit, timeout_ms);
	DL_APPEND(w->cmds, c);
}

static bool world_look(void *arg, const char *printer UNUSED, struct run_machine *ret)
{
	*ret = ((struct world *)arg)->seen;
	return true;
}

/* ---- the camera ---- */

struct camera *cameras_find(struct cameras *cs, const char *id)
{
	return strcmp(id, "cam") == 0 ? &((struct world *)(void *)cs)->camera : NULL;
}

void camera_hold(struct camera *c UNUSED)
{
}

void camera_release(struct camera *c UNUSED)
{
}

static void shot_free(struct shot *s)
{
	timer_stop(&s->timer);
	DL_DELETE(s->camera->world->shots, s);
	free(s);
}

/* A white square on grey, elsewhere in each picture as long as something moves. */
static struct frame *drawn(struct camera *c)
{
	static uint8_t px[160 * 120 * 4];
	unsigned x = 10 + (c->n_shots < c->n_moving ? c->n_shots : c->n_moving) * 25;
	struct frame *f = NULL;

	for (unsigned i = 0; i < sizeof(px); i++)
		px[i] = i / 4 % 160 - x < 40 && i / 640 - 30 < 40 ? 255 : 90;
	CHECK(jpeg_encode_rgbx(px, 160, 120, 90, &f, NULL) == 0);
	return f;
}

static void late_pause(void *arg)
{
	do_pause(arg);
}

static void shot_comes(void *arg)
{
	static const uint8_t bytes[] = { 0xff, 0xd8, 0xff, 0xd9 };
	struct shot *s = arg;
	struct camera_shot *cs = s->shot;
	struct world *w = s->camera->world;
	struct err err = { 0 };
	struct frame *f = NULL;
	uint8_t *to;

	if (s->camera->is_dead) {
		err_set(&err, -ETIMEDOUT, "it sends nothing");
	} else {
		s->camera->n_shots++;
		if (s->camera->n_moving > 0) {
			f = drawn(s->camera);
		} else {
			f = frame_new(FRAME_JPEG, sizeof(bytes), &to);
			memcpy(to, bytes, sizeof(bytes));
		}
		f->captured_us = loop_now_us(w->loop);
		f->captured_wall_ms = loop_wall_ms(w->loop);
		f->width = 640;
		f->height = 480;
	}
	shot_free(s);
	cs->done(cs->arg, f, &err);
}

void camera_shoot(struct camera *c, struct camera_shot *s, int64_t not_before_us UNUSED,
                  int64_t timeout_ms,
                  void (*done)(void *arg, struct frame *f, const struct err *err), void *arg)
{
	struct shot *p = MEM_NEW(struct shot);

	s->done = done;
	s->arg = arg;
	s->camera = c;
	p->shot = s;
	p->camera = c;
	timer_init(&p->timer, c->world->loop, shot_comes, p);
	timer_start(&p->timer, c->is_dead ? timeout_ms : 10 + chance(c->world, 60));
	DL_APPEND(c->world->shots, p);
}

void camera_shot_cancel(struct camera_shot *s)
{
	struct shot *p, *next;

	if (!s->camera)
		return;
	DL_FOREACH_SAFE(s->camera->world->shots, p, next)
	if (p->shot == s)
		shot_free(p);
}

/* ---- faults ---- */

static void link_back(void *arg)
{
	struct world *w = arg;
	w->is_link_up = true;
	take_report(w);
	tell_layers(w);
}

static void drop_link(struct world *w, int64_t ms)
{
	struct cmd *c, *next;

	if (!w->is_link_up)
		return;
	w->is_link_up = false;
	w->seen.is_online = false;
	push_state(w);
	DL_FOREACH_SAFE(w->cmds, c, next)
	{
		/* What is on its way may arrive all the same. */
		if (!c->is_executed && chance(w, 2)) {
			timer_stop(&c->timer);
			w->is_link_up = true;
			cmd_arrives(c);
			w->is_link_up = false;
		}
		answer(c, PRINTER_TIMED_OUT);
		cmd_free(c);
	}
	timer_start(&w->link, ms);
}

static void page_command(struct world *w, enum printer_command_kind kind)
{
	struct event_command *e = event_new_command();

	TEXT_SET(e->printer, "p");
	TEXT_SET(e->user, "ann");
	e->kind = kind;
	bus_publish(w->bus, &e->head);
}

static void users_pause(struct world *w, bool is_by_page)
{
	/* At the printer the button of a paused print says "resume". */
	if (!is_by_page && w->activity != PRINTER_PRINTING)
		return;
	if (!printer_activity_is_job(w->activity))
		return;
	w->is_users_pause = true;
	w->users_pause_us = loop_now_us(w->loop);
	if (is_by_page)
		page_command(w, PRINTER_PAUSE_PRINT);
	do_pause(w);
}

/* Once Bedside has given up, a person puts things right before. */
static void person_resumes(struct world *w)
{
	json_t *j = captures_status(w->captures, "p");

	if (!json_is_true(json_object_get(j, "is_running"))) {
		w->e_mm = 0;
		memcpy(w->mm, w->gcode_mm, sizeof(w->mm));
	}
	json_decref(j);
	do_resume(w);
}

/* Ends what pauses the print for good: nobody leaves a print alone for ever. */
static void person_looks(void *arg)
{
	struct world *w = arg;
	bool must_resume = w->activity == PRINTER_PAUSED && (w->is_users_pause || w->is_alarmed);

	w->is_users_pause = w->is_alarmed = false;
	if (must_resume)
		person_resumes(w);
}

static void fault(void *arg)
{
	struct world *w = arg;

	timer_start(&w->fault, 500 + chance(w, 60000));
	switch (chance(w, 12)) {
	case 0:
	case 1:
	case 2:
		drop_link(w, 100 + chance(w, 20000));
		return;
	case 3:
		users_pause(w, false);
		timer_start(&w->person, 5000 + chance(w, 60000));
		return;
	case 4:
		users_pause(w, true);
		timer_start(&w->person, 5000 + chance(w, 60000));
		return;
	case 5:
	case 6:
		w->camera.is_dead = !w->camera.is_dead && chance(w, 2);
		return;
	case 7:
		if (chance(w, 8) == 0)
			do_cancel(w);
		return;
	case 8:
		w->is_cold = !w->is_cold && chance(w, 4) == 0;
		return;
	case 9:
		w->is_pausing_refused = !w->is_pausing_refused && chance(w, 4) == 0;
		return;
	case 10:
		w->script_ms_more = w->script_ms_more > 0 ? 0 : chance(w, 3000);
		return;
	case 11: /* somebody resumes at the printer */
		if (w->activity == PRINTER_PAUSED) {
			w->is_users_pause = false;
			person_resumes(w);
		}
		return;
	default:
		return;
	}
}

static void heard(void *arg, const struct bus_event *e)
{
	struct world *w = arg;

	if (e->type == EVENT_NOTICE && event_as_notice(e)->level == NOTICE_ALARM) {
		w->n_alarms++;
		TEXT_SET(w->last_text, event_as_notice(e)->text);
		/* A person comes. */
		if (w->has_faults) {
			w->is_alarmed = true;
			timer_start(&w->person, 60000);
		}
	}
	if (e->type == EVENT_NOTICE && event_as_notice(e)->level == NOTICE_WARNING)
		TEXT_SET(w->last_warning, event_as_notice(e)->text);
	if (e->type != EVENT_CAPTURE)
		return;
	if (!event_as_capture(e)->is_news) {
		w->n_shown++;
		CHECK_INT(event_as_capture(e)->capture.state, CAPTURE_RUNNING);
		return;
	}

	const struct capture *c = &event_as_capture(e)->capture;

	if (c->state == CAPTURE_RUNNING) {
		/* What somebody's resume under the moving head has done is told, not mended. */
		w->e_mm = 0;
		w->mm[2] = w->gcode_mm[2];
		return;
	}
	TEXT_SET(w->last_text, c->text);
	w->last = *c;
	w->n_ended++;
	w->n_completed += c->state == CAPTURE_COMPLETED;
	if (c->layer > 0 && c->layer <= N_LAYERS)
		w->ended[c->layer]++;
}

/* ---- a world ---- */

/* The sliced file: N_LAYERS layers of a square. */
static void write_gcode(const char *path)
{
	auto_buf struct buf b = { 0 };

	buf_add_str(&b, "; generated by PrusaSlicer 2.8.1\nG90\nM83\n");
	for (int i = 1; i <= N_LAYERS; i++)
		buf_printf(&b,
		           ";LAYER_CHANGE\n;Z:%.2f\n;HEIGHT:0.2\nG1 Z%.2f F600\nG1 X100 Y80 F9000\n"
		           "G1 F1500\nG1 X150 Y80 E1\nG1 X150 Y130 E1\n%s",
		           i * LAYER_MM, i * LAYER_MM, i % 7 == 0 ? "M240 now\n" : "");
	if (fs_write_atomic(path, b.data, b.size, 0600, NULL) < 0)
		fail_msg("writing %s", path);
}

static const char *world_root(void)
{
	struct stat st;

	/* Thousands of prints are kept and thrown away: in memory where there is some. */
	return stat("/dev/shm", &st) == 0 && access("/dev/shm", W_OK) == 0 ? "/dev/shm"
	                                                                   : test_tmp_dir();
}

static void world_begin(struct world *w, uint64_t seed, const char *plan_json)
{
	struct capture_plan plan;
	json_t *j = json_loads(plan_json, 0, NULL);
	struct err err = { 0 };
	char path[300];

	*w = (struct world){ .random = seed * 2654435761u + 12345,
		             .is_link_up = true,
		             .latency_ms = 80 };
	log_set_level(LOG_LEVEL_ERROR);
	w->loop = loop_new_simulated(INT64_C(1732184405000));
	w->bus = bus_new(w->loop);
	w->pool = work_pool_new(w->loop, "test", 1);
	w->camera.world = w;
	(void)snprintf(w->dir, sizeof(w->dir), "%s/bedside-captures-%d", world_root(),
	               (int)getpid());
	CHECK(fs_make_dirs(w->dir, NULL) == 0);
	(void)snprintf(path, sizeof(path), "%s/job.gcode", w->dir);
	write_gcode(path);
	timer_init(&w->print, w->loop, print_on, w);
	timer_init(&w->report, w->loop, reported, w);
	timer_init(&w->link, w->loop, link_back, w);
	timer_init(&w->person, w->loop, person_looks, w);
	timer_init(&w->fault, w->loop, fault, w);
	timer_init(&w->late, w->loop, late_pause, w);
	w->seen =
		(struct run_machine){ .file_pos = -1, .can_script = true, .mm = { NAN, NAN, NAN } };
	w->seen.limits = (struct grid_box){ { 0, 0, 0 }, { BED_X, BED_Y, MAX_Z } };
	TEXT_SET(w->seen.file, "job.gcode");
	TEXT_SET(w->job.printer, "p");
	TEXT_SET(w->job.name, "Benchy");
	TEXT_SET(w->job.file, "job.gcode");
	TEXT_SET(w->job.gcode_path, "job.gcode");
	id_new(w->job.id, loop_wall_ms(w->loop));
	w->job.started_wall_ms = loop_wall_ms(w->loop);
	w->activity = PRINTER_PRINTING;
	w->mm[0] = 120;
	w->mm[1] = 90;
	memcpy(w->gcode_mm, w->mm, sizeof(w->mm));
	bus_listen(w->bus, &w->listener, heard, w);
	capture_plan_init(&plan);
	if (capture_plan_from_json(&plan, j, &err) < 0)
		fail_msg("%s", err.text);
	json_decref(j);
	w->captures = captures_new(&(struct captures_env){ .loop = w->loop,
	                                                   .bus = w->bus,
	                                                   .cameras = (struct cameras *)(void *)w,
	                                                   .pool = w->pool,
	                                                   .disk = w->pool,
	                                                   .data_dir = w->dir,
	                                                   .look = world_look,
	                                                   .send = world_send,
	                                                   .arg = w });
	captures_add(w->captures, "p", &plan, "cam");
	take_report(w);
	job_event(w, JOB_STARTED);
	loop_advance(w->loop, 100);
	timer_start_every(&w->print, 500);
}

static void world_end(struct world *w)
{
	struct cmd *c, *next;
	struct shot *s, *next_shot;

	bus_unlisten(&w->listener);
	captures_free(w->captures);
	DL_FOREACH_SAFE(w->cmds, c, next)
	{
		answer(c, PRINTER_TIMED_OUT);
		cmd_free(c);
	}
	DL_FOREACH_SAFE(w->shots, s, next_shot)
	shot_free(s);
	timer_stop(&w->print);
	timer_stop(&w->report);
	timer_stop(&w->link);
	timer_stop(&w->person);
	timer_stop(&w->fault);
	timer_stop(&w->late);
	loop_advance(w->loop, 1);
	work_pool_free(w->pool);
	bus_free(w->bus);
	loop_free(w->loop);
	buf_fini(&w->log);
	CHECK(fs_remove(w->dir, NULL) == 0);
}

static void no_harm(const struct world *w)
{
	CHECK_INT(w->n_after_cancel, 0);
	CHECK_INT(w->n_users_resumed, 0);
	CHECK_INT(w->n_outside, 0);
	CHECK_INT(w->n_low, 0);
	CHECK_INT(w->n_elsewhere, 0);
	CHECK_INT(w->n_raw_e, 0);
	CHECK_INT(w->n_switched_off, 0);
}

#define GRID                                                                                \
	"{\"enabled\":true,\"mode\":\"grid\",\"points_x\":2,\"points_y\":2,\"points_z\":1," \
	"\"spacing_x\":60,\"spacing_y\":60,\"settle\":0,\"thumbnails\":false,"              \
	"\"every_n_layers\":3,\"shot_timeout\":1}"

static void run_until(struct world *w, int layer, int64_t limit_s)
{
	for (int64_t s = 0;
	     s < limit_s * 2 && w->layer < layer && printer_activity_is_job(w->activity); s++)
		loop_advance(w->loop, 500);
}

static void wait_ended(struct world *w, int layer)
{
	for (unsigned i = 0; i < 4000 && !w->ended[layer]; i++)
		loop_advance(w->loop, 50);
	CHECK_INT(w->ended[layer], 1);
}

TEST(captures_go_to_all_points_and_back_and_resume)
{
	struct world w;

	world_begin(&w, 1, GRID);
	run_until(&w, 31, 600);
	loop_advance(w.loop, 30000);
	no_harm(&w);
	if (w.n_completed < 9)
		print_message("%s\n", w.last_text);
	CHECK(w.n_completed >= 9 && w.n_pauses == w.n_completed && w.n_resumes == w.n_pauses);
	/* Up, four points and back in each. */
	CHECK(w.n_moves >= w.n_completed * 6);
	CHECK(!w.is_relative && w.is_e_relative); /* as the file has it */
	CHECK_INT(w.n_alarms, 0);

	json_t *j = captures_status(w.captures, "p");

	CHECK_INT(json_integer_value(json_object_get(j, "n_missed")), 0);
	CHECK_STR(json_string_value(json_object_get(j, "targets")), "every 3 layers, by order");
	json_decref(j);
	world_end(&w);
}

TEST(captures_put_back_the_speed_and_the_modes)
{
	struct world w;

	world_begin(&w, 2, GRID);
	w.keeps_log = true;
	run_until(&w, 5, 600);
	loop_advance(w.loop, 20000);
	CHECK(w.n_completed > 0);
	CHECK(strstr(buf_peek(&w.log), "G1 F600\nM83\n") ||
	      strstr(buf_peek(&w.log), "G1 F1500\nM83\n") ||
	      strstr(buf_peek(&w.log), "G1 F9000\nM83\n"));
	CHECK(strstr(buf_peek(&w.log), "G90\nM83\nG1 E-0.700 F1800\nG1 Z") != NULL);
	world_end(&w);
}

TEST(captures_stop_before_the_next_move_when_the_print_is_cancelled)
{
	struct world w;

	world_begin(&w, 3, GRID);
	while (w.n_moves < 3)
		loop_advance(w.loop, 50);
	do_cancel(&w);
	loop_advance(w.loop, 200); /* it is known */

	unsigned n = w.n_moves;

	loop_advance(w.loop, 60000);
	CHECK_INT(w.n_moves, n);
	CHECK_INT(w.n_resumes, 0);
	no_harm(&w);
	CHECK_INT(w.ended[3], 1);
	CHECK(strstr(w.last_text, "cancelled") != NULL);
	world_end(&w);
}

TEST(captures_do_not_resume_what_a_person_paused)
{
	struct world w;

	world_begin(&w, 4, GRID);
	while (w.n_moves < 3)
		loop_advance(w.loop, 50);
	users_pause(&w, true); /* on the page, in the middle of it */
	loop_advance(w.loop, 60000);
	CHECK_INT(w.n_resumes, 0);
	CHECK_INT(w.activity, PRINTER_PAUSED);
	/* The head is back, so that they can. */
	for (int i = 0; i < 3; i++)
		CHECK(fabs(w.mm[i] - w.gcode_mm[i]) < 0.01);
	CHECK(fabs(w.e_mm) < 1e-6);
	no_harm(&w);
	world_end(&w);
}

TEST(captures_wait_for_a_lost_link_and_then_bring_the_print_back)
{
	struct world w;

	world_begin(&w, 5, GRID);
	while (w.n_moves < 3)
		loop_advance(w.loop, 50);
	drop_link(&w, 20000);

	unsigned n = w.n_moves;

	loop_advance(w.loop, 19000);
	CHECK_INT(w.n_moves, n);
	wait_ended(&w, 3);
	CHECK_INT(w.activity, PRINTER_PRINTING);
	CHECK_INT(w.n_resumes, 1);
	no_harm(&w);
	CHECK_INT(w.n_completed, 0);
	world_end(&w);
}

TEST(captures_raise_an_alarm_when_the_head_does_not_come_back)
{
	struct world w;

	world_begin(&w, 6, GRID);
	while (w.n_moves < 3)
		loop_advance(w.loop, 50);
	w.is_cold = true;
	loop_advance(w.loop, 200000);
	CHECK_INT(w.n_resumes, 0);
	CHECK_INT(w.n_alarms, 1);
	no_harm(&w);
	world_end(&w);
}

TEST(captures_of_a_dead_camera_say_what_is_missing_and_the_print_goes_on)
{
	struct world w;

	world_begin(&w, 7, GRID);
	w.camera.is_dead = true;
	wait_ended(&w, 3);
	CHECK_INT(w.activity, PRINTER_PRINTING);
	CHECK(strstr(w.last_text, "4 pictures are missing: camera cam: it sends nothing") != NULL);
	no_harm(&w);
	world_end(&w);
}

TEST(captures_refuse_a_grid_that_fits_nowhere_before_the_print_is_touched)
{
	struct world w;

	world_begin(&w, 8,
	            "{\"enabled\":true,\"mode\":\"grid\",\"centre_x\":600,\"every_n_layers\":3}");
	run_until(&w, 4, 100);
	CHECK_INT(w.n_pauses, 0);
	CHECK_INT(w.n_moves, 0);
	CHECK_INT(w.ended[3], 1);
	CHECK(strstr(w.last_text, "no point of the grid is safe: x 580.0 is right of 240.0") !=
	      NULL);
	world_end(&w);
}

TEST(captures_by_marker_height_and_order)
{
	struct world w;
	struct err err = { 0 };

	world_begin(&w, 9,
	            "{\"enabled\":true,\"mode\":\"snap\",\"every_n_layers\":0,\"marker\":\"M240\","
	            "\"z_heights\":\"1.0, 2\",\"first_layer\":true,\"thumbnails\":false}");
	run_until(&w, 12, 200);
	for (int i = 1; i <= 11; i++)
		CHECK_INT(w.ended[i], i == 1 || i == 5 || i == 7 || i == 10);
	CHECK_INT(w.n_pauses, 0);
	CHECK(captures_order(w.captures, "p", CAPTURE_BY_ORDER, &err) == 0);
	loop_advance(w.loop, 300);
	CHECK_INT(w.n_completed, 5);
	CHECK(captures_order(w.captures, "q", CAPTURE_BY_ORDER, &err) == -ENOENT);
	CHECK(captures_order(w.captures, "p", CAPTURE_BY_BUTTON, &err) == -EPERM);
	world_end(&w);
}

TEST(the_button_is_a_trigger_of_its_own)
{
	struct world w;
	struct err err = { 0 };

	world_begin(&w, 9,
	            "{\"enabled\":true,\"mode\":\"snap\",\"every_n_layers\":0,\"by_order\":false,"
	            "\"by_button\":true,\"thumbnails\":false}");
	run_until(&w, 3, 200);
	CHECK(captures_order(w.captures, "p", CAPTURE_BY_ORDER, &err) == -EPERM);
	CHECK(captures_order(w.captures, "p", CAPTURE_BY_BUTTON, &err) == 0);
	loop_advance(w.loop, 300);
	CHECK_INT(w.n_completed, 1);
	CHECK_INT(w.n_shown, 1);
	world_end(&w);
}

TEST(captures_dry_run_sends_nothing)
{
	struct world w;

	world_begin(&w, 10, "{\"enabled\":true,\"mode\":\"grid\",\"dry_run\":true}");
	run_until(&w, 7, 100);
	CHECK_INT(w.n_pauses + w.n_moves, 0);
	CHECK_INT(w.n_completed, 2);
	world_end(&w);
}

static void tell_session(struct world *w, const char *id, const char *job, enum session_state state)
{
	struct event_session *e = event_new_session();

	e->session.state = state;
	TEXT_SET(e->session.printer, "p");
	TEXT_SET(e->session.id, id);
	TEXT_SET(e->session.job, job);
	bus_publish(w->bus, &e->head);
	loop_advance(w->loop, 1);
}

static bool note_exists(const struct world *w)
{
	char path[300];

	run_note_path(path, sizeof(path), w->dir, "p");
	return access(path, R_OK) == 0;
}

/* kill -9 in the middle, with the head away: the same printer, a new program. */
static void kill_and_start_again(struct world *w)
{
	struct cmd *c, *next;
	struct capture_plan plan;

	captures_free(w->captures);
	DL_FOREACH_SAFE(w->cmds, c, next)
	{
		answer(c, PRINTER_TIMED_OUT);
		cmd_free(c);
	}
	capture_plan_init(&plan);
	w->captures = captures_new(&(struct captures_env){ .loop = w->loop,
	                                                   .bus = w->bus,
	                                                   .cameras = (struct cameras *)(void *)w,
	                                                   .pool = w->pool,
	                                                   .disk = w->pool,
	                                                   .data_dir = w->dir,
	                                                   .look = world_look,
	                                                   .send = world_send,
	                                                   .arg = w });
	captures_add(w->captures, "p", &plan, "cam");
	job_event(w, JOB_FOUND_AGAIN);
}

TEST(captures_bring_a_print_back_that_was_paused_when_the_program_was_killed)
{
	struct world w;

	world_begin(&w, 11, GRID);
	tell_session(&w, "01JS0000000000000000000001", w.job.id, SESSION_RECORDING);
	while (w.n_moves < 3)
		loop_advance(w.loop, 50);
	CHECK(note_exists(&w));
	kill_and_start_again(&w);
	loop_advance(w.loop, 20000);
	CHECK_INT(w.activity, PRINTER_PRINTING);
	CHECK_INT(w.n_resumes, 1);
	CHECK(!note_exists(&w));
	CHECK_STR(w.last.session, "01JS0000000000000000000001");
	no_harm(&w);
	world_end(&w);
}

TEST(captures_leave_a_pause_alone_that_may_be_a_persons_after_a_kill)
{
	struct world w;

	world_begin(&w, 12, GRID);
	while (w.n_moves < 3)
		loop_advance(w.loop, 50);
	kill_and_start_again(&w);
	/* Meanwhile somebody resumed and paused again. */
	memcpy(w.mm, w.gcode_mm, sizeof(w.mm));
	do_resume(&w);
	w.is_users_pause = true;
	do_pause(&w);
	w.e_mm = 0;

	unsigned n = w.n_moves;

	loop_advance(w.loop, 20000);
	CHECK_INT(w.n_resumes, 0);
	CHECK_INT(w.n_moves, n);
	CHECK_INT(w.n_alarms, 1);
	no_harm(&w);
	world_end(&w);
}

/* ---- whose print, whose cameras ---- */

/* What the metadata of the capture that ended last says; decref it. */
static json_t *metadata(const struct world *w)
{
	auto_free char *path = mem_printf("%s/%s/%s", w->dir, w->last.folder, w->last.metadata);
	json_t *j = json_load_file(path, 0, NULL);

	CHECK(j != NULL);
	return j;
}

static void order_one(struct world *w)
{
	struct err err = { 0 };
	unsigned n = w->n_ended;

	if (captures_order(w->captures, "p", CAPTURE_BY_ORDER, &err) < 0)
		fail_msg("%s", err.text);
	for (unsigned i = 0; i < 1000 && w->n_ended == n; i++)
		loop_advance(w->loop, 50);
	CHECK_INT(w->n_ended, n + 1);
}

TEST(captures_name_the_session_of_the_same_print_and_no_other)
{
	static const char id[] = "01JS0000000000000000000001";
	struct world w;
	json_t *j;

	world_begin(&w, 20, "{\"enabled\":true,\"mode\":\"snap\",\"every_n_layers\":0}");
	run_until(&w, 2, 100);
	tell_session(&w, id, w.job.id, SESSION_RECORDING);
	order_one(&w);
	j = metadata(&w);
	CHECK_STR(json_string_value(json_object_get(j, "session_id")), id);
	CHECK_STR(json_string_value(json_object_get(j, "job_id")), w.job.id);
	json_decref(j);
	/* The film of the print before is finished only now. */
	tell_session(&w, "01JS0000000000000000000000", "01JC0000000000000000000098",
	             SESSION_FINALISING);
	tell_session(&w, "01JS0000000000000000000000", "01JC0000000000000000000098", SESSION_DONE);
	order_one(&w);
	CHECK_STR(w.last.session, id);
	tell_session(&w, id, "01JC0000000000000000000099", SESSION_RECORDING);
	order_one(&w);
	CHECK_STR(w.last.session, "");
	tell_session(&w, id, w.job.id, SESSION_FINALISING);
	order_one(&w);
	j = metadata(&w);
	CHECK(json_is_null(json_object_get(j, "session_id")));
	CHECK_STR(json_string_value(json_object_get(j, "job_id")), w.job.id);
	json_decref(j);
	world_end(&w);
}

TEST(captures_of_more_cameras_than_four_are_refused_or_warned_of)
{
	struct world w;
	struct capture_plan plan;
	struct err err = { 0 };
	json_t *j;
	const char *warning;

	world_begin(&w, 21, GRID);
	plan = *captures_plan(w.captures, "p");
	TEXT_SET(plan.cameras, "a, b, c, d");
	CHECK(captures_set_plan(w.captures, "p", &plan, &err) == 0);
	TEXT_SET(plan.cameras, "a, b, c, d, e");
	CHECK(captures_set_plan(w.captures, "p", &plan, &err) == -EINVAL);
	CHECK(strstr(err.text, "cameras: 5 are named") != NULL);
	plan.cameras[0] = '\0';
	CHECK(captures_set_plan(w.captures, "p", &plan, &err) == 0);
	captures_add(w.captures, "p", &plan, "a, b, c, d, e");
	j = captures_preview(w.captures, "p", NULL, 1);
	CHECK_INT(json_integer_value(json_object_get(j, "images")), 4 * 4);
	warning = json_string_value(json_array_get(json_object_get(j, "warnings"), 0));
	for (size_t i = 1; warning && !strstr(warning, "5 cameras see this printer"); i++)
		warning = json_string_value(json_array_get(json_object_get(j, "warnings"), i));
	CHECK(warning && strstr(warning, "only the first 4"));
	json_decref(j);
	world_end(&w);
}

/* ---- parked ---- */

TEST(captures_park_the_head_photograph_and_bring_it_back)
{
	struct world w;

	world_begin(&w, 22,
	            "{\"enabled\":true,\"mode\":\"parked\",\"park_x\":12,\"park_y\":195,"
	            "\"settle\":0,\"thumbnails\":false,\"every_n_layers\":3}");
	w.keeps_log = true;
	wait_ended(&w, 3);
	CHECK_INT(w.last.state, CAPTURE_COMPLETED);
	CHECK_INT(w.last.n_pictures, 1);
	CHECK(strstr(buf_peek(&w.log), "G1 X12.000 Y195.000 F3000\n") != NULL);
	CHECK_INT(w.n_pauses, 1);
	CHECK_INT(w.n_resumes, 1);
	loop_advance(w.loop, 200);
	CHECK_INT(w.activity, PRINTER_PRINTING);
	no_harm(&w);
	world_end(&w);
}

TEST(captures_parked_by_the_sliced_file_wait_until_nothing_moves)
{
	struct world w;
	json_t *j;

	world_begin(&w, 23,
	            "{\"enabled\":true,\"mode\":\"parked\",\"settle\":3,\"thumbnails\":false,"
	            "\"every_n_layers\":3}");
	w.camera.n_moving = 3;
	wait_ended(&w, 3);
	CHECK_INT(w.last.state, CAPTURE_COMPLETED);
	CHECK_INT(w.camera.n_shots, 4); /* at three places, and the last once more */
	j = metadata(&w);
	CHECK(json_is_true(
		json_object_get(json_array_get(json_object_get(j, "images"), 0), "is_still")));
	json_decref(j);
	CHECK_INT(w.n_pauses + w.n_resumes + w.n_moves, 0);
	world_end(&w);
}

TEST(captures_parked_while_the_file_pauses_the_print_leave_the_pause_alone)
{
	struct world w;
	struct err err = { 0 };

	world_begin(&w, 24,
	            "{\"enabled\":true,\"mode\":\"parked\",\"settle\":3,\"thumbnails\":false,"
	            "\"every_n_layers\":0}");
	w.camera.n_moving = 1;
	run_until(&w, 2, 100);
	do_pause(&w); /* by a macro of the print's own */
	loop_advance(w.loop, 200);
	CHECK(captures_order(w.captures, "p", CAPTURE_BY_MARKER, &err) == 0);
	loop_advance(w.loop, 10000);
	CHECK_INT(w.n_completed, 1);
	CHECK_INT(w.last.n_pictures, 1);
	CHECK_INT(w.n_pauses + w.n_resumes + w.n_moves, 0);
	CHECK_INT(w.activity, PRINTER_PAUSED);
	world_end(&w);
}

/* ---- triggers, and what was missed ---- */

TEST(captures_by_time_while_it_prints)
{
	struct world w;

	world_begin(&w, 25,
	            "{\"enabled\":true,\"mode\":\"snap\",\"every_n_layers\":0,\"every\":30,"
	            "\"thumbnails\":false}");
	loop_advance(w.loop, 300000);
	CHECK_INT(w.n_completed, 10);
	CHECK_INT(w.n_ended, 10);
	CHECK_INT(w.last.trigger, CAPTURE_BY_TIME);
	/* A paused print shows nothing new, and nothing of it is missed. */
	do_pause(&w);
	job_event(&w, JOB_PAUSED);
	loop_advance(w.loop, 90000);
	CHECK_INT(w.n_ended, 10);
	do_resume(&w);
	job_event(&w, JOB_RESUMED);
	loop_advance(w.loop, 60000);
	CHECK_INT(w.n_completed, 12);
	CHECK_INT(w.n_ended, 12);
	world_end(&w);
}

TEST(captures_the_last_layer)
{
	struct world w;

	world_begin(&w, 26,
	            "{\"enabled\":true,\"mode\":\"snap\",\"every_n_layers\":0,\"last_layer\":true,"
	            "\"thumbnails\":false}");
	run_until(&w, N_LAYERS, 4000);
	CHECK_INT(w.n_ended, 0);
	loop_advance(w.loop, 400);
	CHECK_INT(w.n_ended, 1);
	CHECK_INT(w.last.layer, N_LAYERS);
	CHECK_INT(w.last.trigger, CAPTURE_BY_LAST);
	CHECK_INT(w.last.state, CAPTURE_COMPLETED);
	world_end(&w);
}

static void tell_layer(struct world *w, int number, bool is_late)
{
	struct event_layer *e = event_new_layer();

	e->layer = (struct layer){ .number = number,
		                   .layers = N_LAYERS,
		                   .z_mm = number * LAYER_MM,
		                   .is_catching_up = is_late };
	TEXT_SET(e->layer.printer, "p");
	bus_publish(w->bus, &e->head);
	loop_advance(w->loop, 1000);
}

TEST(captures_name_the_missed_layers_when_the_print_ends)
{
	static const bool is_late[] = { 0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0 };
	struct world w;

	world_begin(&w, 27,
	            "{\"enabled\":true,\"mode\":\"snap\",\"every_n_layers\":1,"
	            "\"thumbnails\":false}");
	timer_stop(&w.print);
	for (size_t i = 0; i < ARRAY_LEN(is_late); i++)
		tell_layer(&w, (int)i + 1, is_late[i]);
	CHECK_INT(w.n_completed, 5);
	job_event(&w, JOB_ENDED);
	loop_advance(w.loop, 100);
	CHECK_STR(w.last_warning,
	          "Benchy: 6 layers that were due were not captured: 2, 3, 5, 8 to 10.");
	/* The next print begins with none, and a long list ends in words. */
	job_event(&w, JOB_STARTED);
	for (int i = 1; i <= 250; i++)
		tell_layer(&w, i, i % 2);
	job_event(&w, JOB_ENDED);
	loop_advance(w.loop, 100);
	CHECK(strstr(w.last_warning, ": 125 layers that were due were not captured: 1, 3, 5, ") !=
	      NULL);
	CHECK(strstr(w.last_warning, " and more.") != NULL);
	world_end(&w);
}

/* ---- printers that do not obey ---- */

TEST(captures_raise_an_alarm_when_the_printer_does_not_resume)
{
	struct world w;

	for (int is_refused = 0; is_refused < 2; is_refused++) {
		world_begin(&w, 28, GRID);
		w.is_resume_refused = is_refused;
		w.is_resume_ignored = !is_refused;
		wait_ended(&w, 3);
		CHECK_INT(w.n_resumes, 3); /* emergency_resume_attempts */
		CHECK_INT(w.n_alarms, 1);
		CHECK_INT(w.last.state, CAPTURE_FAILED);
		CHECK_STR(w.last_text, "The printer does not resume the print");
		loop_advance(w.loop, 600000);
		CHECK_INT(w.n_resumes, 3);
		CHECK_INT(w.n_alarms, 1);
		CHECK_INT(w.activity, PRINTER_PAUSED);
		no_harm(&w);
		world_end(&w);
	}
}

TEST(captures_resume_at_once_where_the_firmware_takes_no_gcode)
{
	struct world w;

	world_begin(&w, 31, GRID);
	w.is_script_refused = true;
	wait_ended(&w, 3);
	CHECK_STR(w.last_text, "the printer does not say where its head is: already so");
	CHECK_INT(w.last.state, CAPTURE_FAILED);
	CHECK_INT(w.n_moves, 0);
	CHECK_INT(w.n_resumes, 1);
	CHECK_INT(w.n_alarms, 0);
	CHECK_INT(w.activity, PRINTER_PRINTING);
	no_harm(&w);
	world_end(&w);
}

TEST(captures_leave_a_pause_alone_that_is_confirmed_late)
{
	struct world w;

	world_begin(&w, 29, GRID);
	w.pause_late_ms = 15000; /* pause_timeout is 10 s */
	wait_ended(&w, 3);
	CHECK_INT(w.last.state, CAPTURE_FAILED);
	CHECK_STR(w.last_text, "the pause was not confirmed within 10 s");
	CHECK(strstr(w.last_warning, "was not confirmed within 10 s") != NULL);
	loop_advance(w.loop, 60000);
	CHECK_INT(w.activity, PRINTER_PAUSED);
	CHECK_INT(w.n_pauses, 1);
	CHECK_INT(w.n_moves + w.n_resumes, 0);
	no_harm(&w);
	world_end(&w);
}

TEST(captures_raise_an_alarm_for_a_pause_that_nobody_confirmed)
{
	struct world w;

	world_begin(&w, 30, GRID);
	w.is_cold = true; /* it pauses, and its answer is lost */
	wait_ended(&w, 3);
	CHECK_INT(w.n_alarms, 1);
	CHECK_STR(w.last_text, "the pause was not confirmed within 10 s");
	loop_advance(w.loop, 60000);
	CHECK_INT(w.activity, PRINTER_PAUSED);
	CHECK_INT(w.n_moves + w.n_resumes, 0);
	no_harm(&w);
	world_end(&w);
}

/* ---- thousands of prints ---- */

struct tally {
	unsigned n_prints, n_cancelled, n_due, n_completed, n_other, n_alarms, n_moves;
};

static void each_due_layer_is_accounted_for(const struct world *w)
{
	for (int i = 1; i <= w->told_layer; i++)
		if (w->ended[i] != (i % 3 == 0))
			fail_msg("layer %d ended %d times", i, w->ended[i]);
}

static void one_print(uint64_t seed, struct tally *t)
{
	struct world w;

	world_begin(&w, seed, GRID);
	w.has_faults = true;
	timer_start(&w.fault, 1000);
	for (unsigned i = 0; i < 20000 && printer_activity_is_job(w.activity); i++)
		loop_advance(w.loop, 1000);
	/* Nothing stays paused for ever but for somebody who was told. */
	if (printer_activity_is_job(w.activity))
		fail_msg("seed %u: the print never ended (layer %d, %s)", (unsigned)seed, w.layer,
		         printer_activity_name(w.activity));
	timer_stop(&w.fault);
	loop_advance(w.loop, 200000);
	if (w.n_after_cancel + w.n_users_resumed + w.n_outside + w.n_low + w.n_elsewhere +
	            w.n_raw_e + w.n_switched_off >
	    0)
		print_message("seed %u\n", (unsigned)seed);
	no_harm(&w);
	each_due_layer_is_accounted_for(&w);
	t->n_prints++;
	t->n_cancelled += w.activity == PRINTER_CANCELLED;
	t->n_due += w.n_due;
	t->n_completed += w.n_completed;
	t->n_other += w.n_ended - w.n_completed;
	t->n_alarms += w.n_alarms;
	t->n_moves += w.n_moves;
	world_end(&w);
}

TEST(captures_of_300_layers_with_faults_at_random_harm_no_print)
{
	const char *wanted = getenv("BEDSIDE_CAPTURE_SEEDS"); /* NOLINT(concurrency-mt-unsafe) */
	const char *first = getenv("BEDSIDE_CAPTURE_FIRST");  /* NOLINT(concurrency-mt-unsafe) */
	int64_t n = 30, from = 1;
	struct tally t = { 0 };

	if (wanted)
		CHECK(text_to_i64(wanted, &n));
	if (first)
		CHECK(text_to_i64(first, &from));
	for (int64_t i = 0; i < n; i++)
		one_print((uint64_t)(from + i), &t);
	print_message(
		"%u prints (%u cancelled): %u layers due, %u captured, %u failed or missed and "
		"named, %u alarms, %u moves\n",
		t.n_prints, t.n_cancelled, t.n_due, t.n_completed, t.n_other, t.n_alarms,
		t.n_moves);
	CHECK(t.n_due == t.n_completed + t.n_other);
	CHECK(t.n_completed > t.n_due / 4);
}
