/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/download.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "printers/driver.h"
#include "printers/tls.h"
#include "wire/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((uint64_t)1 << 30)
#define MAX_TRIES 4
#define RETRY_MS 15000

struct download {
	struct printer *printer;
	struct fetcher *fetcher; /* made at the first use */
	struct fetch *fetch;     /* running, or NULL */
	struct timer retry;
	struct printer_fetch wanted; /* done NULL: nothing is wanted */
	char *dest, *url;
	struct secret header;
	unsigned n_tries;
};

static void try_now(void *arg);

struct download *download_new(struct printer *p)
{
	struct download *d = MEM_NEW(struct download);

	d->printer = p;
	timer_init(&d->retry, printer_driver_env(p)->loop, try_now, d);
	return d;
}

void download_cancel(struct download *d)
{
	if (d->fetch)
		fetch_cancel(d->fetch);
	d->fetch = NULL;
	timer_stop(&d->retry);
	d->wanted = (struct printer_fetch){ 0 };
	free(d->dest);
	free(d->url);
	d->dest = d->url = NULL;
	secret_fini(&d->header);
}

void download_free(struct download *d)
{
	if (!d)
		return;
	download_cancel(d);
	fetcher_free(d->fetcher);
	free(d);
}

static void finish(struct download *d, const struct err *err)
{
	struct printer_fetch wanted = d->wanted;
	auto_free char *dest = STEAL_PTR(d->dest);

	download_cancel(d);
	wanted.done(wanted.arg, err ? NULL : dest, err);
}

static void on_progress(void *arg, uint64_t got, uint64_t total)
{
	struct download *d = arg;

	if (d->wanted.progress)
		d->wanted.progress(d->wanted.arg, got, total);
}

static bool is_final(int code)
{
	return code == -ENOENT || code == -EACCES || code == -EPERM || code == -EFBIG;
}

static void on_done(void *arg, const struct fetch_result *r)
{
	struct download *d = arg;

	d->fetch = NULL;
	if (r->code == 0) {
		finish(d, NULL);
	} else if (!is_final(r->code) && ++d->n_tries < MAX_TRIES) {
		timer_start(&d->retry, RETRY_MS);
	} else {
		struct err err = r->err;

		(void)err_wrap(&err, r->code, "the file of the job");
		finish(d, &err);
	}
}

static int start(struct download *d, struct err *err)
{
	const struct printer_config *c = printer_config(d->printer);
	const char *const urls[] = { d->url };
	struct tls_client tls;
	struct fetch_request r = {
		.urls = urls,
		.n_urls = 1,
		.user = c->user[0] ? c->user : NULL,
		.password = c->user[0] ? secret_peek(&c->access_code) : NULL,
		.header = secret_is_set(&d->header) ? secret_peek(&d->header) : NULL,
		.tls = &tls,
		.dest_path = d->dest,
		.max_size = MAX_FILE,
	};
	const struct fetch_events e = { on_progress, on_done, d };

	printer_tls_web(c, c->address, &tls);
	if (!d->fetcher)
		d->fetcher = fetcher_new(printer_driver_env(d->printer)->loop);
	d->fetch = fetch_start(d->fetcher, &r, &e, err);
	return d->fetch ? 0 : -EBUSY;
}

static void try_now(void *arg)
{
	struct download *d = arg;
	struct err err = { 0 };

	if (start(d, &err) < 0)
		finish(d, &err);
}

int download_start(struct download *d, const char *target, const char *header,
                   const char *dest_path, const struct printer_fetch *f, struct err *err)
{
	if (d->wanted.done)
		return err_set(err, -EBUSY, "a file of this printer is being fetched already");
	d->wanted = *f;
	d->dest = mem_str(dest_path);
	d->url = mem_printf("%s%s", printer_config(d->printer)->url, target);
	secret_set(&d->header, header);
	d->n_tries = 0;

	int rc = start(d, err);

	if (rc < 0)
		download_cancel(d);
	return rc;
}
