/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/plumbing.h"

#include "app/captor.h"
#include "app/config.h"
#include "app/control.h"
#include "app/guests.h"
#include "app/hooks.h"
#include "app/house.h"
#include "app/macro_links.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "capture/captures.h"
#include "capture/sessions.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/sandbox.h"
#include "core/signals.h"
#include "core/work.h"
#include "film/films.h"
#include "fleet/climates.h"
#include "fleet/hub.h"
#include "fleet/jobs.h"
#include "fleet/notices.h"
#include "fleet/panel.h"
#include "fleet/pull.h"
#include "fleet/retention.h"
#include "fleet/rig.h"
#include "model/event.h"
#include "printers/bambu_ca.h"
#include "printers/printer.h"
#include "store/backup.h"
#include "store/journal.h"
#include "store/restore.h"
#include "store/store.h"
#include "web/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POOL_THREADS 2
#define END_LIMIT_MS 20000

struct plumbing {
	const struct plumbing_options *options;
	const struct config *config;
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool;   /* pictures, G-code, passwords */
	struct work_pool *disk;   /* the journals' queue */
	struct work_pool *keeper; /* changes of what is configured */
	struct store *store;
	struct cameras *cameras;
	struct printers *printers;
	struct sessions *sessions;
	struct captor *captor;
	struct macro_links *macro_links;
	struct captures *captures;
	struct films *films;
	struct jobs *jobs;
	struct retention *retention;
	struct notices *notices;
	struct panel *panel; /* NULL: neither button nor lights */
	struct climates *climates;
	struct guests *guests;
	struct hub *hub;
	struct house *house;
	struct rig *rig;
	struct pull_service *pull;
	struct hooks *hooks;
	struct web *web;
	struct control *control;
	struct signals *signals;
	struct bus_listener listener;
	struct timer watchdog;
	struct timer end_limit;
	bool is_ending, is_again;
	char worker_path[1024];
};

/* ---- cameras and plans of a printer ---- */

static void add_own_camera(struct plumbing *p, const struct printer *printer)
{
	struct camera_config c = { 0 };
	const char *why = NULL;
	struct err err = { 0 };
	const char *id = printer_config(printer)->id;

	if (cameras_find(p->cameras, id) || !printer_config(printer)->has_camera ||
	    !printer_own_camera(printer, &c, &why))
		return;
	TEXT_SET(c.id, id);
	TEXT_SET(c.printer, id);
	c.origin = CAMERA_OF_PRINTER;
	c.latency_us = printer_config(printer)->camera_latency_ms * 1000;
	if (!c.name[0])
		TEXT_SET(c.name, printer_config(printer)->name);
	if (cameras_add(p->cameras, &c, NULL, &err) < 0)
		log_warn(NULL, "camera of printer '%s': %s", id, err.text);
	camera_config_fini(&c);
}

static void use_camera(struct session_plan *plan, const char *id)
{
	TEXT_SET(plan->cameras[plan->n_cameras], id);
	plan->n_cameras++;
}

static const struct capture_plan *configured_capture(const struct plumbing *p, const char *printer)
{
	for (size_t i = 0; i < p->config->n_printers; i++) {
		if (strcmp(p->config->printers[i].printer.id, printer) == 0)
			return &p->config->printers[i].capture;
	}
	return &p->config->capture;
}

/* The cameras that the plan names, else the printer's own, else those that look at it. */
static void set_plan(struct plumbing *p, const char *printer, const struct session_plan *given)
{
	struct session_plan plan = *given;
	const struct camera *c;

	/* One that comes later, or went, comes in with the next plan. */
	plan.n_cameras = 0;
	for (unsigned i = 0; i < given->n_cameras; i++) {
		if (cameras_find(p->cameras, given->cameras[i]))
			use_camera(&plan, given->cameras[i]);
	}
	if (given->n_cameras == 0 && cameras_find(p->cameras, printer))
		use_camera(&plan, printer);
	for (size_t i = 0; given->n_cameras == 0 && (c = cameras_at(p->cameras, i)); i++) {
		const struct camera_config *k = camera_config(c);

		if (camera_config_sees(k, printer) && strcmp(k->id, printer) != 0 &&
		    plan.n_cameras < SESSION_MAX_CAMERAS)
			use_camera(&plan, k->id);
	}
	sessions_set_plan(p->sessions, printer, &plan);

	char cameras[256] = "";

	for (unsigned i = 0; i < plan.n_cameras; i++) {
		size_t n = strlen(cameras);

		(void)snprintf(cameras + n, sizeof(cameras) - n, "%s%s", i ? "," : "",
		               plan.cameras[i]);
	}
	captures_add(p->captures, printer, configured_capture(p, printer), cameras);
}

static const struct session_plan *configured_plan(const struct plumbing *p, const char *printer)
{
	for (size_t i = 0; i < p->config->n_printers; i++) {
		if (strcmp(p->config->printers[i].printer.id, printer) == 0)
			return &p->config->printers[i].plan;
	}
	return &p->config->plan;
}

int plumbing_add_printer(struct plumbing *p, const struct printer_config *c, struct err *err)
{
	struct printer *printer = NULL;
	int rc = printers_add(p->printers, c, &printer, err);

	if (rc < 0)
		return rc;
	add_own_camera(p, printer);
	set_plan(p, c->id, configured_plan(p, c->id));
	panel_printer_added(p->panel, c->id);
	return 0;
}

void plumbing_remove_printer(struct plumbing *p, const char *id)
{
	panel_printer_removed(p->panel, id);
	macro_links_forget(p->macro_links, id);
	sessions_forget(p->sessions, id);
	captures_forget(p->captures, id);
	cameras_remove(p->cameras, id);
	jobs_forget(p->jobs, id);
	printers_remove(p->printers, id);
}

/* What printers record with may be another now. */
static void plan_anew(struct plumbing *p)
{
	struct printer *printer;

	for (size_t i = 0; (printer = printers_at(p->printers, i)); i++) {
		const char *id = printer_config(printer)->id;

		set_plan(p, id, configured_plan(p, id));
	}
}

int plumbing_add_camera(struct plumbing *p, const struct camera_config *c, struct err *err)
{
	int rc = cameras_add(p->cameras, c, NULL, err);

	if (rc == 0)
		plan_anew(p);
	return rc;
}

void plumbing_remove_camera(struct plumbing *p, const char *id)
{
	cameras_remove(p->cameras, id);
	plan_anew(p);
}

void plumbing_trust_changed(struct plumbing *p, const char *id)
{
	/* Made anew with the printer's new trust. */
	cameras_remove(p->cameras, id);
	add_own_camera(p, printers_find(p->printers, id));
}

/* ---- joining the rooms ---- */

static void heard(void *arg, const struct bus_event *e)
{
	struct plumbing *p = arg;

	if (e->type == EVENT_FILM) {
		const struct film *f = &event_as_film(e)->film;

		if (!films_is_making(p->films, f->session))
			sessions_film_done(p->sessions, f->session);
	} else if (e->type == EVENT_PRINTER) {
		/* The model, and so the camera, may be known only from the first report. */
		const struct event_printer *ep = event_as_printer(e);
		const struct printer *printer = printers_find(p->printers, ep->printer);

		if (!printer || !(ep->changed & PRINTER_CHANGED_MACHINE) ||
		    cameras_find(p->cameras, ep->printer))
			return;
		add_own_camera(p, printer);
		if (cameras_find(p->cameras, ep->printer))
			set_plan(p, ep->printer, configured_plan(p, ep->printer));
	}
}

static void feed_watchdog(void *arg UNUSED)
{
	sandbox_notify("WATCHDOG=1");
}

/* ---- the end ---- */

static void films_ended(void *arg)
{
	struct plumbing *p = arg;

	p->films = NULL;
	loop_stop(p->loop);
}

static void sessions_ended(void *arg)
{
	struct plumbing *p = arg;

	p->sessions = NULL;
	films_free(p->films, films_ended, p);
}

static void end_takes_too_long(void *arg)
{
	struct plumbing *p = arg;

	/* What is flushed is safe; the next start goes on from there. */
	log_error(NULL, "ending takes longer than %d s; going now, nothing on disk is lost",
	          END_LIMIT_MS / 1000);
	(void)p;
	_exit(1);
}

/* The connection goes first: nothing is shown or ordered from here on. */
static void end_rigs(struct plumbing *p)
{
	rig_free(p->rig);
	p->rig = NULL;
	house_free(p->house);
	p->house = NULL;
	guests_stop(p->guests);
	hub_free(p->hub);
	p->hub = NULL;
}

static void begin_end(struct plumbing *p)
{
	p->is_ending = true;
	/* For a restart it is still the same service. */
	if (!p->is_again)
		sandbox_notify("STOPPING=1");
	timer_start(&p->end_limit, END_LIMIT_MS);
	bus_unlisten(&p->listener);
	web_free(p->web);
	p->web = NULL;
	control_free(p->control);
	p->control = NULL;
	hooks_free(p->hooks);
	p->hooks = NULL;
	panel_free(p->panel);
	p->panel = NULL;
	climates_free(p->climates);
	p->climates = NULL;
	end_rigs(p);
	pull_service_stop(p->pull);
	notices_free(p->notices);
	p->notices = NULL;
	macro_links_free(p->macro_links);
	p->macro_links = NULL;
	retention_free(p->retention);
	p->retention = NULL;
	captures_free(p->captures);
	p->captures = NULL;
	jobs_free(p->jobs);
	p->jobs = NULL;
	sessions_free(p->sessions, sessions_ended, p);
}

static void asked_to_end(void *arg, int number)
{
	struct plumbing *p = arg;

	if (p->is_ending) {
		log_warn(NULL, "asked again: ending at once");
		_exit(1);
	}
	log_info(NULL, "signal %d: ending; running sessions go on at the next start", number);
	begin_end(p);
}

void plumbing_restart(struct plumbing *p)
{
	if (p->is_ending)
		return;
	log_info(NULL, "restarting");
	p->is_again = true;
	begin_end(p);
}

/* ---- the beginning ---- */

/* Before anything is opened. */
static int put_back(const struct config *c, struct err *err)
{
	struct backup_result r;
	int rc = restore_pending(c->data_dir, &r, err);

	if (rc == 1)
		log_info(NULL, "a backup was put back; what it replaced is in %s", r.aside);
	return rc < 0 ? rc : 0;
}

static void build_captures(struct plumbing *p)
{
	struct captures_env env = { .loop = p->loop,
		                    .bus = p->bus,
		                    .cameras = p->cameras,
		                    .store = p->store,
		                    .pool = p->pool,
		                    .disk = p->disk,
		                    .data_dir = p->config->data_dir };

	p->captor = captor_new(p->loop, p->printers);
	captor_fill(p->captor, &env);
	p->captures = captures_new(&env);
}

static int build_rooms(struct plumbing *p, struct err *err)
{
	const struct config *c = p->config;
	int rc = store_open(p->loop, c->data_dir, &p->store, err);

	if (rc < 0)
		return rc;
	p->pool = work_pool_new(p->loop, "worker", POOL_THREADS);
	p->disk = work_pool_new(p->loop, "journal", 1);
	p->keeper = work_pool_new(p->loop, "settings", 1);
	p->guests = guests_new(p->loop);
	p->cameras = cameras_new(&(struct cameras_env){ .loop = p->loop,
	                                                .bus = p->bus,
	                                                .pool = p->pool,
	                                                .ca_pem = bambu_ca_pem(),
	                                                .av_program = p->worker_path,
	                                                .remote = guests_remote(p->guests),
	                                                .data_dir = c->data_dir });
	p->printers = printers_new(
		&(struct printers_env){ .loop = p->loop,
	                                .bus = p->bus,
	                                .pool = p->pool,
	                                .data_dir = c->data_dir,
	                                .ca_file = c->ca_file[0] ? c->ca_file : NULL });
	p->films = films_new(&(struct films_env){ .loop = p->loop,
	                                          .bus = p->bus,
	                                          .store = p->store,
	                                          .pool = p->pool,
	                                          .data_dir = c->data_dir,
	                                          .worker_path = p->worker_path,
	                                          .max_workers = 1 });
	p->sessions = sessions_new(&(struct sessions_env){ .loop = p->loop,
	                                                   .bus = p->bus,
	                                                   .cameras = p->cameras,
	                                                   .store = p->store,
	                                                   .disk = p->disk,
	                                                   .data_dir = c->data_dir,
	                                                   .floor_bytes = c->storage.floor_bytes,
	                                                   .budget_bytes = c->storage.budget_bytes,
	                                                   .flush_ms = c->storage.flush_ms });
	build_captures(p);
	return 0;
}

/* The configuration is read by the keeper's thread, which also writes it. */
struct hub_reload {
	struct plumbing *plumbing;
	struct rig_config hub;
	int rc;
	struct err err;
	void (*done)(void *arg, const struct err *err);
	void *arg;
};

static void run_reload(void *arg)
{
	struct hub_reload *r = arg;

	r->rc = config_reload_hub(r->plumbing->config, &r->hub, &r->err);
}

static void is_reloaded(void *arg)
{
	struct hub_reload *r = arg;
	struct rig *rig = r->plumbing->rig;

	if (r->rc == 0 && rig)
		rig_set_hub(rig, &r->hub);
	r->done(r->arg, r->rc < 0 ? &r->err : NULL);
	rig_config_fini(&r->hub);
	free(r);
}

static void reload_hub(void *arg, void (*done)(void *done_arg, const struct err *err),
                       void *done_arg)
{
	struct plumbing *p = arg;
	struct hub_reload *r = MEM_NEW(struct hub_reload);

	*r = (struct hub_reload){ .plumbing = p, .done = done, .arg = done_arg };
	work_submit(p->keeper, run_reload, is_reloaded, r);
}

static void rig_measured(void *arg, const struct climate_reading *r)
{
	struct plumbing *p = arg;
	struct err err = { 0 };

	if (p->climates && climates_add(p->climates, r, &err) < 0)
		log_debug(NULL, "%s: %s", r->location, err.text);
}

static int build_rigs(struct plumbing *p, struct err *err)
{
	struct rig_env env = {
		.loop = p->loop, .bus = p->bus, .store = p->store, .data_dir = p->config->data_dir
	};
	char name[RIG_NAME_SIZE] = "";
	int rc;

	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		TEXT_SET(name, "Bedside");
	rc = hub_new(&(struct hub_env){ .loop = p->loop,
	                                .bus = p->bus,
	                                .store = p->store,
	                                .climate = rig_measured,
	                                .arg = p,
	                                .name = name },
	             &p->hub, err);
	if (rc < 0)
		return rc;
	guests_start(p->guests, p->hub, p->cameras);
	p->house = house_new(&(struct house_env){ .loop = p->loop,
	                                          .printers = p->printers,
	                                          .cameras = p->cameras,
	                                          .sessions = p->sessions,
	                                          .captures = p->captures,
	                                          .climates = p->climates });
	house_fill(p->house, &env.house);
	p->rig = rig_new(&env);
	house_set_rig(p->house, p->rig);
	return 0;
}

static int start_web(struct plumbing *p, struct err *err)
{
	const struct config *c = p->config;
	struct web_env env = {
		.loop = p->loop,
		.bus = p->bus,
		.store = p->store,
		.printers = p->printers,
		.cameras = p->cameras,
		.sessions = p->sessions,
		.captures = p->captures,
		.films = p->films,
		.panel = p->panel,
		.climates = p->climates,
		.pull = p->pull,
		.hub = p->hub,
		.rig = p->rig,
		.pool = p->pool,
		.data_dir = c->data_dir,
		.config_path = c->path,
		.listen = c->web.listen[0] ? c->web.listen : NULL,
		.port = c->web.port,
		.tls = c->web.tls == WEB_TLS_OFF           ? WEB_PLAIN
		       : c->web.tls == WEB_TLS_SELF_SIGNED ? WEB_SELF_SIGNED
		                                           : WEB_OWN_CERTIFICATE,
		.certificate = c->web.certificate,
		.key = c->web.key,
		.base_path = c->web.base_path,
		.n_proxies = c->web.n_proxies,
		.has_socketio = c->web.has_socketio,
		.is_demo = p->options->is_demo,
		.floor_bytes = c->storage.floor_bytes,
		.budget_bytes = c->storage.budget_bytes,
	};

	for (size_t i = 0; i < c->web.n_proxies; i++)
		env.proxies[i] = c->web.proxies[i];
	env.n_camera_clients = c->web.n_camera_clients;
	for (size_t i = 0; i < c->web.n_camera_clients; i++)
		env.camera_clients[i] = c->web.camera_clients[i];
	hooks_fill(p->hooks, &env.hooks);
	return web_new(&env, &p->web, err);
}

static void add_devices(struct plumbing *p)
{
	const struct config *c = p->config;
	struct err err = { 0 };

	for (size_t i = 0; i < c->n_cameras; i++) {
		if (cameras_add(p->cameras, &c->cameras[i], NULL, &err) < 0)
			log_error(NULL, "camera '%s': %s", c->cameras[i].name, err.text);
	}
	for (size_t i = 0; i < c->n_printers; i++) {
		if (plumbing_add_printer(p, &c->printers[i].printer, &err) < 0)
			log_error(NULL, "printer '%s': %s", c->printers[i].printer.name, err.text);
	}
}

/* What stands beside the printer. */
static void build_rig(struct plumbing *p)
{
	const struct config *c = p->config;

	p->climates = climates_new(&(struct climates_env){ p->loop, p->bus, p->store, p->pool },
	                           &c->climates);
	if (c->panel.has_button || c->panel.has_lights)
		p->panel = panel_new(&(struct panel_env){ .loop = p->loop,
		                                          .bus = p->bus,
		                                          .sessions = p->sessions,
		                                          .pool = p->pool,
		                                          .data_dir = c->data_dir,
		                                          .floor_bytes = c->storage.floor_bytes,
		                                          .captures = p->captures },
		                     &c->panel);
}

static int begin(struct plumbing *p, struct err *err)
{
	const struct config *c = p->config;
	int rc = fs_make_dirs(c->data_dir, err);

	if (rc < 0)
		return err_wrap(err, rc,
		                "the data folder cannot be used; choose another with --data, or "
		                "mend its owner and mode");
	rc = put_back(c, err);
	if (rc == 0)
		rc = build_rooms(p, err);
	if (rc < 0)
		return rc;
	p->jobs = jobs_new(&(struct jobs_env){ .loop = p->loop,
	                                       .bus = p->bus,
	                                       .store = p->store,
	                                       .printers = p->printers,
	                                       .pool = p->pool,
	                                       .data_dir = c->data_dir });
	p->retention =
		retention_new(&(struct retention_env){ .loop = p->loop,
	                                               .bus = p->bus,
	                                               .store = p->store,
	                                               .disk = p->disk,
	                                               .data_dir = c->data_dir,
	                                               .keep_frames_ms = c->storage.keep_frames_ms,
	                                               .keep_films_ms = c->storage.keep_films_ms,
	                                               .floor_bytes = c->storage.floor_bytes,
	                                               .budget_bytes = c->storage.budget_bytes });
	p->notices = notices_new(p->loop, p->bus, p->store);
	p->pull =
		pull_service_new(&(struct pull_service_env){ .loop = p->loop,
	                                                     .bus = p->bus,
	                                                     .into = c->pull.into,
	                                                     .floor_bytes = c->storage.floor_bytes,
	                                                     .poll_ms = c->pull.poll_ms,
	                                                     .sources = c->pull.sources,
	                                                     .n_sources = c->pull.n_sources });
	p->macro_links = macro_links_new(p->loop, p->bus, p->printers, p->sessions, p->captures);
	p->hooks = hooks_new(&(struct hooks_env){ .plumbing = p,
	                                          .loop = p->loop,
	                                          .config = c,
	                                          .printers = p->printers,
	                                          .cameras = p->cameras,
	                                          .pool = p->pool,
	                                          .keeper = p->keeper,
	                                          .av_program = p->worker_path });
	build_rig(p);
	add_devices(p);
	sessions_end_orphans(p->sessions);
	rc = build_rigs(p, err);
	if (rc == 0)
		rc = start_web(p, err);
	if (rc == 0)
		rc = control_new(&(struct control_env){ .loop = p->loop,
		                                        .printers = p->printers,
		                                        .cameras = p->cameras,
		                                        .sessions = p->sessions,
		                                        .captures = p->captures,
		                                        .panel = p->panel,
		                                        .climates = p->climates,
		                                        .rig = p->rig,
		                                        .hub = p->hub,
		                                        .hooks = p->hooks,
		                                        .reload_hub = reload_hub,
		                                        .arg = p,
		                                        .data_dir = c->data_dir },
		                 &p->control, err);
	if (rc < 0)
		return rc;
	rig_set_hub(p->rig, &c->hub);
	bus_listen(p->bus, &p->listener, heard, p);
	return 0;
}

static void tear_down(struct plumbing *p)
{
	bus_unlisten(&p->listener);
	timer_stop(&p->watchdog);
	timer_stop(&p->end_limit);
	cameras_free(p->cameras);
	guests_free(p->guests);
	pull_service_free(p->pull);
	captures_free(p->captures);
	printers_free(p->printers);
	captor_free(p->captor);
	work_pool_free(p->disk);
	work_pool_free(p->keeper);
	work_pool_free(p->pool);
	store_close(p->store);
	bus_free(p->bus);
	signals_free(p->signals);
	loop_free(p->loop);
}

static void announce(struct plumbing *p)
{
	int64_t watchdog_ms = sandbox_watchdog_ms();

	if (watchdog_ms > 0)
		timer_start_every(&p->watchdog, watchdog_ms);
	sandbox_notify("READY=1");
	if (p->options->ready)
		p->options->ready(p->options->arg, web_setup_link(p->web), web_fingerprint(p->web));
}

int plumbing_run(const struct plumbing_options *o, struct err *err)
{
	struct plumbing p = { .options = o, .config = o->config };

	log_set_level((enum log_level)o->config->log_level);
	films_find_worker(p.worker_path, sizeof(p.worker_path));
	p.loop = loop_new();
	p.bus = bus_new(p.loop);
	timer_init(&p.watchdog, p.loop, feed_watchdog, &p);
	timer_init(&p.end_limit, p.loop, end_takes_too_long, &p);
	p.signals = signals_new(p.loop, asked_to_end, &p);

	int rc = begin(&p, err);

	if (rc == 0) {
		announce(&p);
		loop_run(p.loop);
	} else if (p.sessions) {
		/* What was built is taken down in order: the loop runs for it. */
		struct err why = err ? *err : (struct err){ 0 };

		begin_end(&p);
		loop_run(p.loop);
		if (err)
			*err = why;
	}
	tear_down(&p);
	return rc == 0 && p.is_again ? PLUMBING_AGAIN : rc;
}
