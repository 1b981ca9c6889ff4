/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_reports: how many reports a second one core reads, with merge, comparison and events, and
 * what a printer takes in memory.
 *
 * usage: bench_reports [RECORDING.jsonl REPORT.json]
 * Without files: an A1's deltas and an H2D's full state of our own making, of the same shape and
 * size as recorded ones.
 */

#include "base/err.h"
#include "base/mem.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/loop.h"
#include "model/event.h"
#include "printers/bambu/report.h"
#include "printers/diff.h"
#include "wire/tcp_stream.h"
#include "wire/tls_make.h"
#include "wire/tls_stream.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_LINES 4096
#define RUN_S 2.0

struct feed {
	char *texts[MAX_LINES];
	size_t sizes[MAX_LINES];
	size_t n;
};

/* What printers/printer.c does with a report, one event for each. */
struct target {
	struct loop *loop;
	struct bus *bus;
	struct bus_listener listener;
	struct bambu_report *report;
	struct printer_state *state, *published;
	uint64_t n_events;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void add(struct feed *f, char *text)
{
	if (f->n == MAX_LINES || !text) {
		free(text);
		return;
	}
	f->texts[f->n] = text;
	f->sizes[f->n++] = strlen(text);
}

static void load_recording(struct feed *f, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;

	while (file && getline(&line, &cap, file) > 0) {
		json_t *j = json_loads(line, 0, NULL);
		json_t *r = json_object_get(j, "report");
		json_t *print = json_object_get(r, "print");

		if (json_integer_value(json_object_get(print, "msg")) == 1)
			add(f, json_dumps(r, JSON_COMPACT));
		json_decref(j);
	}
	free(line);
	if (file)
		(void)fclose(file);
}

static void make_deltas(struct feed *f)
{
	for (int i = 0; i < 1000; i++)
		add(f, mem_printf("{\"print\":{\"nozzle_temper\":%d.%d,\"bed_temper\":%d.5,"
		                  "\"wifi_signal\":\"-%ddBm\",\"mc_percent\":%d,\"command\":"
		                  "\"push_status\",\"msg\":1,\"sequence_id\":\"%d\"}}",
		                  200 + i % 20, i % 10, 60 + i % 3, 40 + i % 9, i / 10, i));
}

static void load_report(struct feed *f, const char *path)
{
	json_t *j = json_load_file(path, 0, NULL);
	json_t *push = json_object_get(j, "pushall");
	json_t *print = json_object_get(push, "print");

	/* two that differ in what changes every second */
	for (int i = 0; i < 2; i++) {
		json_object_set_new(print, "wifi_signal", json_string(i ? "-51dBm" : "-50dBm"));
		json_object_set_new(print, "bed_temper", json_integer(60 + i));
		json_object_set_new(print, "msg", json_integer(0));
		add(f, json_dumps(push, JSON_INDENT(4)));
	}
	json_decref(j);
}

static json_t *made_tray(int slot)
{
	json_t *t = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s}", "tray_info_idx", "GFA00",
	                      "tray_type", "PLA", "tray_sub_brands", "PLA Basic", "tray_color",
	                      "FFFFFFFF", "tray_uuid", "0CF1A44996B8CC74EC33CF1DD25BEC96", "remain",
	                      47, "tag_uid", "D926E91E00000100", "tray_weight", "1000",
	                      "nozzle_temp_min", "190", "nozzle_temp_max", "230");
	char id[4];

	(void)snprintf(id, sizeof(id), "%d", slot);
	json_object_set_new(t, "id", json_string(id));
	return t;
}

static void make_report(struct feed *f)
{
	for (int i = 0; i < 2; i++) {
		json_t *units = json_array();

		for (int u = 0; u < 4; u++) {
			json_t *trays = json_array();
			char id[4];

			for (int t = 0; t < 4; t++)
				json_array_append_new(trays, made_tray(t));
			(void)snprintf(id, sizeof(id), "%d", u);
			json_array_append_new(units, json_pack("{s:s,s:s,s:s,s:o}", "id", id,
			                                       "temp", "26.2", "humidity_raw", "24",
			                                       "tray", trays));
		}

		json_t *print = json_pack(
			"{s:s,s:i,s:s,s:i,s:{s:o,s:s},s:{s:{s:i,s:[{s:i,s:i},{s:i,s:i}]}}}",
			"command", "push_status", "msg", 0, "gcode_state", "RUNNING", "bed_temper",
			60 + i, "ams", "ams", units, "ams_exist_bits", "f", "device", "extruder",
			"state", 2, "info", "id", 0, "temp", 14745864, "id", 1, "temp", 40);
		char key[32];

		for (int k = 0; k < 300; k++) {
			(void)snprintf(key, sizeof(key), "some_other_value_%d", k);
			json_object_set_new(print, key, json_integer(k));
		}

		json_t *j = json_pack("{s:o}", "print", print);

		add(f, json_dumps(j, JSON_INDENT(4)));
		json_decref(j);
	}
}

static void heard(void *arg, const struct bus_event *e)
{
	struct target *t = arg;

	t->n_events += e->type == EVENT_PRINTER;
}

static void target_init(struct target *t, const char *serial)
{
	memset(t, 0, sizeof(*t));
	t->loop = loop_new_simulated(1790000000000);
	t->bus = bus_new(t->loop);
	bus_listen(t->bus, &t->listener, heard, t);
	t->report = bambu_report_new(serial, "auto");
	t->state = MEM_NEW(struct printer_state);
	t->published = MEM_NEW(struct printer_state);
	printer_state_init(t->state);
}

static void target_fini(struct target *t)
{
	bus_unlisten(&t->listener);
	bus_free(t->bus);
	loop_advance(t->loop, 1);
	loop_free(t->loop);
	bambu_report_free(t->report);
	free(t->state);
	free(t->published);
}

static void take(struct target *t, const char *text, size_t size)
{
	struct bambu_message m;

	bambu_report_read(t->report, text, size, &m);
	bambu_report_apply(t->report, t->state, 1);

	unsigned changed = printer_state_diff(t->published, t->state);

	if (!changed)
		return;

	struct event_printer *e = event_new_printer();

	e->changed = changed;
	e->before = t->published;
	e->after = mem_dup(t->state, sizeof(*t->state));
	t->published = mem_dup(t->state, sizeof(*t->state));
	bus_publish(t->bus, &e->head);
	loop_advance(t->loop, 0);
}

static double measure(struct target *t, const struct feed *f, double *ret_bytes)
{
	double begun = now_s(), took;
	uint64_t n = 0;

	*ret_bytes = 0;
	do {
		for (size_t i = 0; i < f->n; i++) {
			take(t, f->texts[i], f->sizes[i]);
			*ret_bytes += (double)f->sizes[i];
		}
		n += f->n;
		took = now_s() - begun;
	} while (took < RUN_S);
	*ret_bytes /= (double)n;
	return (double)n / took;
}

static void report(const char *what, const char *serial, const struct feed *f)
{
	struct target t;
	double size, per_s;
	size_t before = mallinfo2().uordblks;

	target_init(&t, serial);
	for (size_t i = 0; i < f->n; i++)
		take(&t, f->texts[i], f->sizes[i]);

	size_t memory = mallinfo2().uordblks - before;

	per_s = measure(&t, f, &size);
	printf("%-28s %9.0f reports/s  %6.0f bytes each  %5.1f kB kept per printer  %llu events\n",
	       what, per_s, size, (double)memory / 1000, (unsigned long long)t.n_events);
	target_fini(&t);
}

/* ---- the TLS connection of one more printer ---- */

#define N_CONNECTIONS 100

struct tls_side {
	struct loop *loop;
	struct tls_server *server;
	struct stream *streams[N_CONNECTIONS];
	unsigned n;
	uint16_t port;
};

static void side_opened(void *arg)
{
	struct tls_side *s = arg;

	if (++s->n == N_CONNECTIONS)
		loop_stop(s->loop);
}

static void side_closed(void *arg, const struct err *err)
{
	struct tls_side *s = arg;

	if (err->code)
		(void)fprintf(stderr, "bench_reports: %s\n", err->text);
	loop_stop(s->loop);
}

/* The printers' side, in a process of its own; ends with its only parent. */
static void side_accepted(void *arg, struct stream *lower)
{
	struct tls_side *s = arg;

	(void)tls_server_accept(s->server, s->loop, lower);
}

static void serve(const char *cert, const char *key, int tell)
{
	struct tls_side s = { .loop = loop_new() };
	struct tcp_listener *listener;
	struct err err = { 0 };

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (tls_server_new(&(struct tls_server_config){ .certificate_file = cert, .key_file = key },
	                   &s.server, &err) < 0 ||
	    tcp_listener_open(s.loop, "127.0.0.1", 0, &(struct tcp_accept){ side_accepted, &s },
	                      &listener, &err) < 0) {
		(void)fprintf(stderr, "bench_reports: %s\n", err.text);
		_exit(EXIT_FAILURE);
	}
	s.port = tcp_listener_port(listener);
	(void)!write(tell, &s.port, sizeof(s.port));
	loop_run(s.loop);
	_exit(EXIT_SUCCESS);
}

static bool write_certificate(const char *dir, char *cert, char *key, size_t size)
{
	struct tls_make m = { .cn = "03900A000000001",
		              .is_version_1 = true,
		              .not_before_ms = INT64_C(1700000000000),
		              .not_after_ms = INT64_C(2500000000000) };
	char *pem, *key_pem;
	bool ok;

	(void)snprintf(cert, size, "%s/a.pem", dir);
	(void)snprintf(key, size, "%s/a.key", dir);
	if (tls_make_certificate(&m, &pem, &key_pem, NULL) < 0)
		return false;
	ok = fs_write_atomic(cert, pem, strlen(pem), 0600, NULL) == 0 &&
	     fs_write_atomic(key, key_pem, strlen(key_pem), 0600, NULL) == 0;
	free(pem);
	free(key_pem);
	return ok;
}

static bool connect_all(struct tls_side *s)
{
	struct tls_client c = { .trust = TLS_TRUST_INSECURE, .timeout_ms = 60000 };
	struct stream_events e = { .opened = side_opened, .closed = side_closed, .arg = s };

	for (unsigned i = 0; i < N_CONNECTIONS; i++) {
		s->streams[i] = tls_stream_connect(s->loop, "127.0.0.1", s->port, &c);
		stream_listen(s->streams[i], &e);
	}
	loop_run(s->loop);
	return s->n == N_CONNECTIONS;
}

static void connections(void)
{
	char dir[] = "/tmp/bedside-bench-XXXXXX", cert[64], key[64];
	struct tls_side s = { 0 };
	int tell[2];
	pid_t server;

	if (!mkdtemp(dir) || !write_certificate(dir, cert, key, sizeof(cert)) || pipe(tell) < 0)
		return;
	server = fork();
	if (server == 0)
		serve(cert, key, tell[1]);
	if (read(tell[0], &s.port, sizeof(s.port)) == sizeof(s.port)) {
		s.loop = loop_new();

		size_t begun = mallinfo2().uordblks;

		bool is_good = connect_all(&s);
		size_t all = mallinfo2().uordblks - begun;

		if (is_good)
			printf("TLS connection to a printer  %5.1f kB each of %d, what they share "
			       "included\n",
			       (double)all / 1000 / N_CONNECTIONS, N_CONNECTIONS);
		for (unsigned i = 0; i < N_CONNECTIONS; i++)
			stream_free(s.streams[i]);
		loop_free(s.loop);
	}
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
	if (fs_remove(dir, NULL) < 0)
		(void)fprintf(stderr, "bench_reports: %s stays\n", dir);
}

int main(int argc, char **argv)
{
	static struct feed deltas, full;

	if (argc > 2) {
		load_recording(&deltas, argv[1]);
		load_report(&full, argv[2]);
	} else {
		make_deltas(&deltas);
		make_report(&full);
	}
	if (deltas.n == 0 || full.n == 0) {
		fputs("usage: bench_reports [RECORDING.jsonl REPORT.json]\n", stderr);
		return EXIT_FAILURE;
	}
	connections();
	report("A1 deltas", "03900A000000001", &deltas);
	report("H2D full, pretty-printed", "09400A000000001", &full);
	for (size_t i = 0; i < deltas.n; i++)
		free(deltas.texts[i]);
	for (size_t i = 0; i < full.n; i++)
		free(full.texts[i]);
	return EXIT_SUCCESS;
}
