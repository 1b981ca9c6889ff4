/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/files.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "printers/bambu/link.h"
#include "printers/bambu/names.h"
#include "printers/tls.h"
#include "wire/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((uint64_t)1 << 30)
#define MAX_ABSENT 12 /* tries while the file is not there: X1 writes it after the start */
#define ABSENT_RETRY_MS 15000
#define MAX_TROUBLE 4 /* tries after another failure */
#define TROUBLE_RETRY_MS 30000

struct bambu_files {
	struct bambu *bambu;
	struct fetcher *fetcher; /* made at the first use */
	struct fetch *fetch;     /* running, or NULL */
	struct timer retry;
	struct printer_fetch wanted; /* done NULL: nothing is wanted */
	char *dest;
	char *path; /* NULL: wherever the running job's may lie */
	unsigned n_absent, n_trouble;
	bool is_data_clear; /* this printer's PROT P does not work; remembered */
};

static void try_now(void *arg);

struct bambu_files *bambu_files_new(struct bambu *b)
{
	struct bambu_files *f = MEM_NEW(struct bambu_files);

	f->bambu = b;
	timer_init(&f->retry, printer_driver_env(b->printer)->loop, try_now, f);
	return f;
}

void bambu_files_cancel(struct bambu_files *f)
{
	if (f->fetch)
		fetch_cancel(f->fetch);
	f->fetch = NULL;
	timer_stop(&f->retry);
	f->wanted = (struct printer_fetch){ 0 };
	free(f->dest);
	free(f->path);
	f->dest = f->path = NULL;
}

void bambu_files_free(struct bambu_files *f)
{
	if (!f)
		return;
	bambu_files_cancel(f);
	fetcher_free(f->fetcher);
	free(f);
}

static void finish(struct bambu_files *f, const struct err *err)
{
	struct printer_fetch wanted = f->wanted;
	auto_free char *dest = STEAL_PTR(f->dest);
	auto_free char *path = STEAL_PTR(f->path);

	(void)path;
	f->wanted = (struct printer_fetch){ 0 };
	wanted.done(wanted.arg, err ? NULL : dest, err);
}

static void on_progress(void *arg, uint64_t got, uint64_t total)
{
	struct bambu_files *f = arg;

	if (f->wanted.progress)
		f->wanted.progress(f->wanted.arg, got, total);
}

static void on_done(void *arg, const struct fetch_result *r)
{
	struct bambu_files *f = arg;

	f->fetch = NULL;
	if (r->code == 0) {
		finish(f, NULL);
	} else if (r->code == -EPROTO && !f->is_data_clear) {
		/* bambu.md 5.1: some A1 firmware cannot encrypt the data connection. */
		f->is_data_clear = true;
		timer_start(&f->retry, 0);
	} else if (r->code == -ENOENT && !f->path && ++f->n_absent < MAX_ABSENT) {
		timer_start(&f->retry, ABSENT_RETRY_MS);
	} else if (r->code != -ENOENT && r->code != -EACCES && r->code != -EPERM &&
	           r->code != -EFBIG && ++f->n_trouble < MAX_TROUBLE) {
		timer_start(&f->retry, TROUBLE_RETRY_MS);
	} else {
		struct err err = r->err;

		(void)err_wrap(&err, r->code, "%s", f->path ? f->path : "the file of the job");
		finish(f, &err);
	}
}

static int start(struct bambu_files *f, struct err *err)
{
	struct printer *p = f->bambu->printer;
	const struct printer_config *c = printer_config(p);
	const struct printers_env *env = printer_driver_env(p);
	struct bambu_names names;
	char *urls[BAMBU_MAX_NAMES];
	struct tls_client tls;
	bool is_v6 = strchr(c->address, ':') != NULL;

	if (f->path) {
		names.n = text_copy(names.paths[0], sizeof(names.paths[0]),
		                    f->path + strspn(f->path, "/"));
	} else {
		bambu_names_of(&names, &printer_state(p)->job);
	}
	if (names.n == 0)
		return err_set(err, -ENOENT, "the printer does not say which file it prints");
	for (size_t i = 0; i < names.n; i++) {
		auto_free char *path = fetch_escape_path(names.paths[i]);

		urls[i] = mem_printf("ftps://%s%s%s:%u/%s", is_v6 ? "[" : "", c->address,
		                     is_v6 ? "]" : "", bambu_ports(c).ftps, path);
	}
	printer_tls_client(c, env->ca_file, &tls);

	struct fetch_request r = {
		.urls = (const char *const *)urls,
		.n_urls = names.n,
		.user = "bblp",
		.password = secret_peek(&c->access_code),
		.tls = &tls,
		.dest_path = f->dest,
		.max_size = MAX_FILE,
		.is_data_clear = f->is_data_clear,
	};
	struct fetch_events e = { on_progress, on_done, f };

	if (!f->fetcher)
		f->fetcher = fetcher_new(env->loop);
	f->fetch = fetch_start(f->fetcher, &r, &e, err);
	for (size_t i = 0; i < names.n; i++)
		free(urls[i]);
	return f->fetch ? 0 : -EBUSY;
}

static void try_now(void *arg)
{
	struct bambu_files *f = arg;
	struct err err = { 0 };

	if (start(f, &err) < 0)
		finish(f, &err);
}

int bambu_files_fetch(struct bambu_files *f, const char *path, const char *dest_path,
                      const struct printer_fetch *fetch, struct err *err)
{
	if (f->wanted.done)
		return err_set(err, -EBUSY, "a file is being fetched from this printer already");
	f->wanted = *fetch;
	f->dest = mem_str(dest_path);
	f->path = mem_str(path);
	f->n_absent = f->n_trouble = 0;

	int rc = start(f, err);

	if (rc < 0)
		bambu_files_cancel(f);
	return rc;
}

int bambu_files_fetch_job(struct bambu_files *f, const char *dest_path,
                          const struct printer_fetch *fetch, struct err *err)
{
	return bambu_files_fetch(f, NULL, dest_path, fetch, err);
}
