/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What goes wrong on request, at once or when its time or layer has come. */

#include "base/err.h"
#include "base/text.h"
#include "base/when.h"
#include "printers/sim/engine_priv.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const names[SIM_FAULT_N] = {
	[SIM_FAULT_DROP] = "drop",
	[SIM_FAULT_MQTT_SILENT] = "mqtt-silent",
	[SIM_FAULT_CAMERA_SILENT] = "camera-silent",
	[SIM_FAULT_CAMERA_CLOCK] = "camera-clock",
	[SIM_FAULT_LIVEVIEW_OFF] = "liveview-off",
	[SIM_FAULT_CAMERA_HALF] = "camera-half-frame",
	[SIM_FAULT_WRONG_CODE] = "wrong-code",
	[SIM_FAULT_STALL] = "stall",
	[SIM_FAULT_PARTIAL_AMS] = "partial-ams",
	[SIM_FAULT_LATE_LAYERS] = "late-layers",
	[SIM_FAULT_DOUBLED] = "doubled",
	[SIM_FAULT_REORDERED] = "reordered",
	[SIM_FAULT_LOST] = "lost",
	[SIM_FAULT_HMS] = "hms",
	[SIM_FAULT_RUNOUT] = "runout",
	[SIM_FAULT_PAUSE] = "pause",
	[SIM_FAULT_RESUME] = "resume",
	[SIM_FAULT_CANCEL] = "cancel",
	[SIM_FAULT_FAIL] = "fail",
	[SIM_FAULT_POWER_CUT] = "power-cut",
	[SIM_FAULT_REFUSE_UNSIGNED] = "refuse-unsigned",
	[SIM_FAULT_FTP_SLOW] = "ftp-slow",
	[SIM_FAULT_FTP_426] = "ftp-426",
	[SIM_FAULT_SD_MISSING] = "sd-missing",
	[SIM_FAULT_FILE_URL] = "file-url",
	[SIM_FAULT_CLOCK_WRONG] = "clock-wrong",
};

const char *sim_fault_name(enum sim_fault f)
{
	return names[f];
}

static int fault_find(const char *name, enum sim_fault *ret)
{
	for (unsigned i = 0; i < SIM_FAULT_N; i++) {
		if (!text_equal(name, names[i]))
			continue;
		*ret = (enum sim_fault)i;
		return 0;
	}
	return -ENOENT;
}

static void runout(struct sim_engine *e)
{
	bool has_ams = e->s.has_ams && e->s.model->ams != SIM_AMS_NONE;

	if (!has_ams) {
		sim_pause(e, 6, 0x07FF8011U);
	} else if (e->s.model->ams == SIM_AMS_LITE) {
		sim_pause(e, 6, 0x12008011U);
		sim_hms_add(e, "1200200000020001");
	} else {
		sim_pause(e, 6, 0x07008011U);
		sim_hms_add(e, "0700200000020001");
	}
	json_object_set_new(e->print, "hw_switch_state", json_integer(0));
}

/* A delta whose ams.ams has one unit with one tray, as if that were all. */
static void partial_ams(struct sim_engine *e)
{
	sim_publish(e, json_pack("{s:{s:{s:[{s:s s:[{s:s s:i}]}]} s:s s:i s:o}}", "print", "ams",
	                         "ams", "id", "0", "tray", "id", "1", "remain", 42, "command",
	                         "push_status", "msg", 1, "sequence_id",
	                         json_sprintf("%u", e->sequence++)));
}

static unsigned error_of(const char *hex)
{
	uint64_t v;

	return text_to_u64(hex, 16, &v) && v > 0 && v <= UINT32_MAX ? (unsigned)v : 0x03008014U;
}

/* Those that do something now; true if it is over with that. */
static bool strike(struct sim_engine *e, enum sim_fault f, const char *arg)
{
	switch (f) {
	case SIM_FAULT_PARTIAL_AMS:
		partial_ams(e);
		return true;
	case SIM_FAULT_HMS:
		sim_hms_add(e, arg[0] ? arg : "0300010000010007");
		return true;
	case SIM_FAULT_RUNOUT:
		runout(e);
		return true;
	case SIM_FAULT_PAUSE:
		sim_pause(e, 16, 0);
		return true;
	case SIM_FAULT_RESUME:
		sim_resume(e);
		return true;
	case SIM_FAULT_CANCEL:
		sim_fail(e, SIM_ERROR_CANCELLED, SIM_CANCEL_SHOWS_S);
		return true;
	case SIM_FAULT_FAIL:
		sim_fail(e, error_of(arg), 0);
		return true;
	case SIM_FAULT_CAMERA_HALF:
		e->s.faulted(e->s.arg, f, 0);
		return true;
	case SIM_FAULT_LIVEVIEW_OFF:
		json_object_set_new(json_object_get(e->print, "ipcam"), "rtsp_url",
		                    json_string("disable"));
		return false;
	case SIM_FAULT_SD_MISSING:
		json_object_set_new(e->print, "sdcard", json_false());
		return false;
	case SIM_FAULT_DROP:
	case SIM_FAULT_MQTT_SILENT:
	case SIM_FAULT_CAMERA_SILENT:
	case SIM_FAULT_CAMERA_CLOCK:
	case SIM_FAULT_WRONG_CODE:
	case SIM_FAULT_STALL:
	case SIM_FAULT_LATE_LAYERS:
	case SIM_FAULT_DOUBLED:
	case SIM_FAULT_REORDERED:
	case SIM_FAULT_LOST:
	case SIM_FAULT_POWER_CUT:
	case SIM_FAULT_REFUSE_UNSIGNED:
	case SIM_FAULT_FTP_SLOW:
	case SIM_FAULT_FTP_426:
	case SIM_FAULT_FILE_URL:
	case SIM_FAULT_CLOCK_WRONG:
	case SIM_FAULT_N:
		return false;
	}
	return false;
}

/* Those whose argument is how long they last. */
static bool is_timed(enum sim_fault f)
{
	return f == SIM_FAULT_DROP || f == SIM_FAULT_MQTT_SILENT || f == SIM_FAULT_CAMERA_SILENT ||
	       f == SIM_FAULT_STALL || f == SIM_FAULT_POWER_CUT;
}

static void begin(struct sim_engine *e, enum sim_fault f, const char *arg)
{
	struct sim_fault_state *st = &e->faults[f];
	double seconds = f == SIM_FAULT_POWER_CUT ? 10 : 0;

	if (strike(e, f, arg))
		return;
	st->is_on = true;
	st->until_us = 0;
	TEXT_SET(st->arg, arg);
	if (is_timed(f) && arg[0])
		(void)text_to_double(arg, &seconds);
	seconds = fmin(seconds, 1e7);
	if (is_timed(f) && seconds > 0)
		st->until_us = e->now_us + (int64_t)(seconds * 1e6);
	if (f == SIM_FAULT_DROP || f == SIM_FAULT_POWER_CUT)
		e->s.faulted(e->s.arg, f, seconds);
	/* A drop without a duration is one moment. */
	if (f == SIM_FAULT_DROP && st->until_us == 0)
		st->is_on = false;
}

static void end(struct sim_engine *e, enum sim_fault f)
{
	if (!e->faults[f].is_on)
		return;
	e->faults[f].is_on = false;
	if (f == SIM_FAULT_SD_MISSING)
		json_object_set_new(e->print, "sdcard", json_true());
	/* Up again: it remembers the job and offers to go on with it (bambu.md 2.8). */
	if (f == SIM_FAULT_POWER_CUT) {
		for (unsigned i = 0; i < 2; i++)
			e->nozzle_c[i] = MAX(25.0, e->nozzle_c[i] - 60);
		sim_pause(e, 16, 0);
		e->next_report_s = e->clock_s;
	}
}

static int fault_clear(struct sim_engine *e, const char *name, struct err *err)
{
	enum sim_fault f;

	if (name[0] == '\0') {
		for (unsigned i = 0; i < SIM_FAULT_N; i++)
			end(e, (enum sim_fault)i);
		json_array_clear(json_object_get(e->print, "hms"));
		json_object_set_new(e->print, "print_error", json_integer(0));
		return 0;
	}
	if (fault_find(name, &f) < 0)
		return err_set(err, -ENOENT, "there is no fault '%s'", name);
	end(e, f);
	return 0;
}

static void fault_now(struct sim_engine *e, const char *text)
{
	int rc = sim_engine_fault(e, text, NULL);

	assert(rc == 0);
}

static bool wait_ends(const struct sim_engine *e, const struct sim_waiting *w)
{
	if (w->layer > 0)
		return e->phase == SIM_RUNNING && e->layer >= w->layer;
	return e->now_us >= w->at_us;
}

void sim_faults_tick(struct sim_engine *e)
{
	for (unsigned i = 0; i < SIM_FAULT_N; i++)
		if (e->faults[i].is_on && e->faults[i].until_us > 0 &&
		    e->now_us >= e->faults[i].until_us)
			end(e, (enum sim_fault)i);
	for (size_t i = 0; i < e->n_waiting;) {
		if (!wait_ends(e, &e->waiting[i])) {
			i++;
			continue;
		}

		struct sim_waiting w = e->waiting[i];

		e->waiting[i] = e->waiting[--e->n_waiting];
		/* Its name was checked when it was put to wait. */
		fault_now(e, w.text);
	}
}

/* "l12" or a span like "30s". */
static int wait_from(struct sim_engine *e, const char *when, struct sim_waiting *w)
{
	int64_t span_ms;
	uint64_t layer;

	if (when[0] == 'l' && text_to_u64(when + 1, 10, &layer) && layer > 0 && layer < 1000000) {
		w->layer = (unsigned)layer;
		return 0;
	}
	if (!when_to_span_ms(when, &span_ms) || span_ms < 0)
		return -EINVAL;
	w->at_us = e->now_us + span_ms * 1000;
	return 0;
}

static int fault_later(struct sim_engine *e, const char *what, const char *when, struct err *err)
{
	struct sim_waiting w = { 0 };

	enum sim_fault f;
	char name[96];

	TEXT_SET(name, what);
	name[strcspn(name, ":")] = '\0';
	if (!text_equal(name, "clear") && fault_find(name, &f) < 0)
		return err_set(err, -ENOENT, "there is no fault '%s'", name);
	if (wait_from(e, when, &w) < 0)
		return err_set(err, -EINVAL, "'%s' is neither a layer (l12) nor a time (30s)",
		               when);
	if (e->n_waiting == SIM_MAX_WAITING)
		return err_set(err, -ENOSPC, "at most %d faults can wait", SIM_MAX_WAITING);
	TEXT_SET(w.text, what);
	e->waiting[e->n_waiting++] = w;
	return 0;
}

int sim_engine_fault(struct sim_engine *e, const char *text, struct err *err)
{
	char what[96];
	enum sim_fault f;

	TEXT_SET(what, text);

	char *when = strchr(what, '@');

	if (when) {
		*when++ = '\0';
		return fault_later(e, what, when, err);
	}

	char *arg = strchr(what, ':');

	if (arg)
		*arg = '\0';
	if (text_equal(what, "clear"))
		return fault_clear(e, arg ? arg + 1 : "", err);
	if (fault_find(what, &f) < 0)
		return err_set(err, -ENOENT, "there is no fault '%s'", what);
	begin(e, f, arg ? arg + 1 : "");
	return 0;
}

bool sim_engine_has_fault(const struct sim_engine *e, enum sim_fault f)
{
	return e->faults[f].is_on;
}

const char *sim_engine_fault_arg(const struct sim_engine *e, enum sim_fault f)
{
	return e->faults[f].arg;
}
