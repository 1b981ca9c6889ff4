/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "wire/remote.h"
#include "wire/tls_stream.h"
#include "wire/url.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_IN_A_ROW 2 /* files of which nothing came: the host is gone */
#define SLICE_MS 100

static const char *const words[] = { "fetched", "deleted", "kept-both",   "busy",        "refused",
	                             "failed",  "retries", "would-fetch", "would-delete" };

const char *pull_word_name(enum pull_word w)
{
	return words[w];
}

void pull_source_fini(struct pull_source *s)
{
	secret_fini(&s->api_key);
	secret_fini(&s->password);
	secret_fini(&s->passphrase);
}

void pull_say(struct pull *p, enum pull_word w, const char *path, uint64_t bytes, const char *text)
{
	const struct pull_ears *e = &p->how->ears;

	if (e->said)
		e->said(e->arg, w, path, bytes, text);
}

void pull_failed(struct pull *p, const char *path, const struct err *err)
{
	p->result->n_failed++;
	if (p->first.code == 0) {
		p->first = *err;
		(void)err_wrap(&p->first, err->code, "%s", path);
	}
	pull_say(p, PULL_FAILED, path, 0, err->text);
}

bool pull_is_cancelled(const struct pull *p)
{
	return p->how->is_cancelled && atomic_load(p->how->is_cancelled);
}

bool pull_wait(const struct pull *p, int64_t ms)
{
	for (; ms > 0 && !pull_is_cancelled(p); ms -= SLICE_MS)
		(void)poll(NULL, 0, (int)MIN(ms, (int64_t)SLICE_MS));
	return !pull_is_cancelled(p);
}

/* ---- connecting ---- */

static struct remote *connect_to(const struct pull *p)
{
	const struct pull_source *s = p->source;
	struct tls_client tls = { .trust = TLS_TRUST_WEB };
	char header[SECRET_MAX + 32] = "";
	struct url u = { 0 };
	struct remote *r;

	struct remote_target t = { .url = s->url,
		                   .user = s->user,
		                   .password = secret_peek(&s->password),
		                   .key_file = s->key_file,
		                   .key_passphrase = secret_peek(&s->passphrase),
		                   .uses_agent = s->uses_agent,
		                   .known_hosts = s->known_hosts,
		                   .host_key = s->host_key,
		                   .is_cancelled = p->how->is_cancelled };

	bool is_url = url_parse(s->url, &u, NULL) == 0;

	tls.expected_host = u.host;
	tls.ca_file = s->trust.ca_file[0] ? s->trust.ca_file : NULL;
	if (s->trust.mode == TRUST_PIN)
		tls.trust = TLS_TRUST_PIN;
	if (s->trust.mode == TRUST_INSECURE)
		tls.trust = TLS_TRUST_INSECURE;
	memcpy(tls.pin, s->trust.pin, sizeof(tls.pin));
	if (is_url && strcmp(u.scheme, "https") == 0)
		t.tls = &tls;
	if (!s->is_sftp && secret_is_set(&s->api_key)) {
		(void)snprintf(header, sizeof(header), "Authorization: Bearer %s",
		               secret_peek(&s->api_key));
		t.header = header;
	}
	r = remote_new(&t);
	secret_wipe(header, sizeof(header));
	url_fini(&u);
	return r;
}

/* ---- what is to be done with each ---- */

/* One that is there as it was, only that its listing reads differently now (years for times). */
static void renew_date(struct pull *p, const struct pull_file *f)
{
	struct pull_entry again = *pull_index_find(p->index, f->path);

	TEXT_SET(again.date, f->date);
	(void)pull_index_put(p->index, &again, NULL);
}

/* The time of each file that may be new; false: cancelled or the host is gone. */
static int look_at_new(struct pull *p, unsigned *ret_new, struct err *err)
{
	*ret_new = 0;
	for (size_t i = 0; i < p->n_items; i++) {
		struct pull_file *f = &p->items[i].files[0];
		struct err why = { 0 };
		int rc;

		if (pull_file_is_known(p, f))
			continue;
		rc = pull_file_look(p, f, &why);
		if (rc == -EAGAIN) {
			p->result->n_busy++;
			pull_say(p, PULL_BUSY, f->path, f->size, why.text);
		} else if (rc < 0 && (pull_is_fatal(rc) || rc == -EIO)) {
			if (err)
				*err = why;
			return rc;
		} else if (rc < 0) {
			pull_failed(p, f->path, &why);
		} else if (pull_file_is_known(p, f)) {
			renew_date(p, f);
		} else {
			(*ret_new)++;
		}
		f->is_left_out = rc < 0;
	}
	return 0;
}

/* Files that are written change within the interval. */
static int settle(struct pull *p, struct err *err)
{
	unsigned n_new;
	int rc = look_at_new(p, &n_new, err);

	if (rc == 0 && n_new > 0 && !p->how->is_dry_run && !pull_wait(p, p->source->settle_ms))
		rc = err_set(err, -ECANCELED, "ended");
	return rc;
}

static int fetch_one(struct pull *p, struct pull_file *f, struct err *err)
{
	int rc = 0;

	if (f->is_left_out)
		return -EALREADY;
	if (p->source->is_sftp && !p->how->is_dry_run && !pull_file_is_known(p, f))
		rc = pull_file_look(p, f, err);
	return rc < 0 ? rc : pull_file_fetch(p, f, err);
}

static int note_deleted(struct pull *p, const struct pull_file *f)
{
	struct pull_entry e = *pull_index_find(p->index, f->path);

	e.is_deleted = true;
	return pull_index_put(p->index, &e, NULL);
}

static int remove_there(struct pull *p, const struct pull_item *it, struct err *err)
{
	int rc = -EIO;

	for (unsigned tries = 0; tries < 4; tries++) {
		rc = remote_remove(p->remote, it->remover, err);
		/* Gone: by the try before, whose answer was lost. */
		if (rc == -ENOENT)
			rc = 0;
		if (rc != -EIO || !pull_wait(p, 300))
			break;
	}
	return rc;
}

static int delete_item(struct pull *p, struct pull_item *it, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < it->n; i++) {
		/* Right before, so that nothing is deleted that was written over meanwhile. */
		if (p->source->is_sftp)
			rc = pull_file_look(p, &it->files[i], err);
		if (rc == 0)
			rc = pull_file_is_safe(p, &it->files[i], err);
	}
	if (rc == 0 && p->source->is_sftp)
		rc = pull_file_look(p, &it->files[0], err);
	if (rc == 0)
		rc = remove_there(p, it, err);
	for (size_t i = 0; rc == 0 && i < it->n; i++) {
		(void)note_deleted(p, &it->files[i]);
		p->result->n_deleted++;
		pull_say(p, PULL_DELETED, it->files[i].path, it->files[i].size, "");
	}
	return rc;
}

static void note_unit(struct pull *p, const struct pull_item *it)
{
	struct pull_entry e = { .path = it->unit, .modified_s = -1, .is_compared = true };

	if (it->unit && !it->is_done)
		(void)pull_index_put(p->index, &e, NULL);
}

/* All of an item: its files, then the original. The result is fatal, or 0. */
static int do_item(struct pull *p, struct pull_item *it, unsigned *in_a_row, struct err *err)
{
	bool is_whole = true;
	int rc = 0;

	for (size_t i = 0; i < it->n; i++) {
		struct pull_file *f = &it->files[i];
		struct err why = { 0 };

		rc = fetch_one(p, f, &why);
		is_whole &= rc == 0;
		*in_a_row = rc == -EIO ? *in_a_row + 1 : 0;
		if (rc == -EAGAIN) {
			p->result->n_busy++;
			pull_say(p, PULL_BUSY, f->path, f->size, why.text);
		} else if (rc < 0 && rc != -EALREADY && rc != -ECANCELED) {
			pull_failed(p, f->path, &why);
		}
		if (pull_is_fatal(rc) || *in_a_row >= MAX_IN_A_ROW) {
			if (err)
				*err = why;
			return rc;
		}
	}
	if (!is_whole || p->how->is_dry_run) {
		if (is_whole && p->source->deletes && it->n > 0 && !it->is_partial)
			pull_say(p, PULL_WOULD_DELETE, it->files[0].path, 0, "");
		return 0;
	}
	note_unit(p, it);
	if (p->source->deletes && it->n > 0 && !it->is_partial) {
		struct err why = { 0 };

		rc = delete_item(p, it, &why);
		if (rc < 0 && rc != -ECANCELED)
			pull_failed(p, it->files[0].path, &why);
		if (rc == -ECANCELED || rc == -EHOSTUNREACH || rc == -EPERM) {
			if (err)
				*err = why;
			return rc;
		}
	}
	return 0;
}

static int do_all(struct pull *p, struct err *err)
{
	unsigned in_a_row = 0;
	int rc = p->source->is_sftp ? pull_list_sftp(p, err) : pull_list_rig(p, err);

	if (rc == 0 && p->source->is_sftp)
		rc = settle(p, err);
	for (size_t i = 0; rc == 0 && i < p->n_items; i++) {
		if (pull_is_cancelled(p))
			rc = err_set(err, -ECANCELED, "ended");
		else
			rc = do_item(p, &p->items[i], &in_a_row, err);
	}
	if (rc == 0 && p->first.code) {
		if (err)
			*err = p->first;
		rc = p->first.code == -ENOSPC ? -ENOSPC : -EIO;
	}
	return rc;
}

static void free_items(struct pull *p)
{
	for (size_t i = 0; i < p->n_items; i++) {
		struct pull_item *it = &p->items[i];

		for (size_t k = 0; k < it->n; k++) {
			free(it->files[k].path);
			free(it->files[k].where);
		}
		free(it->files);
		free(it->remover);
		free(it->unit);
	}
	free(p->items);
}

static int make_folders(struct pull *p, int *ret_lock, struct err *err)
{
	char path[PULL_PATH_SIZE + 16];
	int n = snprintf(p->root, sizeof(p->root), "%s/%s", p->how->into, p->source->id);
	int rc;

	if (n < 0 || (size_t)n + 32 >= sizeof(p->root))
		return err_set(err, -ENAMETOOLONG, "the folder %.100s… is too long", p->how->into);
	(void)snprintf(p->state, sizeof(p->state), "%.900s/%s", p->root, PULL_STATE_FOLDER);
	rc = fs_make_dirs(p->state, err);
	if (rc < 0)
		return err_wrap(err, rc, "the folder for what comes from %s cannot be used",
		                p->source->name);
	(void)snprintf(path, sizeof(path), "%s/lock", p->state);
	rc = fs_lock(path, ret_lock, err);
	if (rc == -EBUSY)
		return err_set(err, rc, "another bedside pull is fetching from %s right now",
		               p->source->name);
	return rc;
}

int pull_run(const struct pull_how *how, const struct pull_source *s, struct pull_result *ret,
             struct err *err)
{
	struct pull p = { .how = how, .source = s, .result = ret };
	int lock = -1, rc;

	*ret = (struct pull_result){ 0 };
	rc = make_folders(&p, &lock, err);
	if (rc == 0)
		rc = pull_index_open(p.state, &p.index, err);
	if (rc == 0) {
		p.remote = connect_to(&p);
		rc = do_all(&p, err);
	}
	free_items(&p);
	remote_free(p.remote);
	pull_index_close(p.index);
	if (lock >= 0)
		(void)close(lock);
	return rc;
}
