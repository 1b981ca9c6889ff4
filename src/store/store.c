/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/store.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "store/db.h"
#include "store/migrate.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE 1024

struct store {
	struct loop *loop;
	struct work_pool *queue; /* the store's thread */
	struct db *db;           /* its thread's, once open */
	int lock_fd;             /* -1 for a tool beside a daemon */
};

struct request {
	struct store *store;
	int (*run)(struct db *db, void *arg, struct err *err);
	void (*done)(void *arg, int rc, const struct err *err);
	void *arg;
	bool is_plain; /* no transaction around it */
	char *path;    /* of a backup */
	int rc;
	struct err err;
	sem_t *waiting; /* store_call() waits for it */
};

static int join(char dst[PATH_SIZE], const char *dir, const char *name, struct err *err)
{
	if (snprintf(dst, PATH_SIZE, "%s/%s", dir, name) >= PATH_SIZE)
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", dir);
	return 0;
}

static int explain_damage(const char *data_dir, const char *path, struct err *err)
{
	struct err why = *err;

	return err_set(
		err, -EBADMSG,
		"the database %s is damaged (%.120s). It was left as it is; frames and films "
		"are not touched. Put a backup back with 'bedside restore FILE' (copies made "
		"before upgrades are in %.200s/backups), or begin anew with "
		"'bedside restore --set-aside'",
		path, why.text, data_dir);
}

static int explain_lock(const char *data_dir, int rc, struct err *err)
{
	struct err why = *err;

	if (rc == -EBUSY)
		return err_set(err, rc,
		               "another Bedside works on %.200s (%.160s): stop it first, or choose "
		               "another folder with --data",
		               data_dir, why.text);
	return err_set(
		err, rc,
		"the data folder %.200s cannot be written (%.160s): check its owner, its mode "
		"and how it is mounted",
		data_dir, why.text);
}

static int open_db(const char *data_dir, struct db **ret, struct err *err)
{
	char path[PATH_SIZE], backups[PATH_SIZE];
	struct db *db = NULL;
	int rc = join(path, data_dir, STORE_FILE, err);

	if (rc == 0)
		rc = join(backups, data_dir, "backups", err);
	if (rc < 0)
		return rc;
	rc = db_open(path, DB_READ_WRITE, &db, err);
	if (rc == 0)
		rc = db_check(db, err);
	if (rc == 0)
		rc = migrate_run(db, backups, err);
	if (rc < 0) {
		db_close(db);
		return rc == -EBADMSG ? explain_damage(data_dir, path, err) : rc;
	}
	*ret = db;
	return 0;
}

static struct store *make(struct loop *l, struct db *db, int lock_fd)
{
	struct store *s = MEM_NEW(struct store);

	s->loop = l;
	s->db = db;
	s->lock_fd = lock_fd;
	s->queue = work_pool_new(l, "store", 1);
	return s;
}

int store_open(struct loop *l, const char *data_dir, struct store **ret, struct err *err)
{
	char lock[PATH_SIZE];
	auto_fd int fd = -1;
	struct db *db = NULL;
	int rc = join(lock, data_dir, "lock", err);

	if (rc < 0)
		return rc;
	rc = fs_make_dirs(data_dir, err);
	if (rc == 0)
		rc = fs_lock(lock, &fd, err);
	if (rc < 0)
		return explain_lock(data_dir, rc, err);
	rc = open_db(data_dir, &db, err);
	if (rc < 0)
		return rc;
	*ret = make(l, db, STEAL_FD(fd));
	return 0;
}

static int open_beside(const char *data_dir, struct db **ret, struct err *err)
{
	char path[PATH_SIZE];
	struct db *db = NULL;
	int version;
	int rc = join(path, data_dir, STORE_FILE, err);

	if (rc == 0)
		rc = db_open(path, DB_READ_WRITE, &db, err);
	if (rc == 0)
		rc = db_version(db, &version, err);
	if (rc == 0 && version != migrate_newest())
		rc = err_set(err, -ENOTSUP,
		             "the running Bedside is of another version (schema %d, this one has "
		             "%d): use the tools that came with it",
		             version, migrate_newest());
	if (rc < 0) {
		db_close(db);
		return rc;
	}
	*ret = db;
	return 0;
}

int store_open_tool(struct loop *l, const char *data_dir, struct store **ret, struct err *err)
{
	struct db *db = NULL;
	int rc = store_open(l, data_dir, ret, err);

	if (rc != -EBUSY)
		return rc;
	rc = open_beside(data_dir, &db, err);
	if (rc < 0)
		return rc;
	*ret = make(l, db, -1);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	work_pool_free(s->queue);
	db_close(s->db);
	cleanup_fd(&s->lock_fd);
	free(s);
}

static void run_request(void *arg)
{
	struct request *r = arg;
	struct db *db = r->store->db;

	if (r->is_plain) {
		r->rc = r->path ? db_copy(db, r->path, &r->err) : r->run(db, r->arg, &r->err);
	} else {
		r->rc = db_begin(db, &r->err);
		if (r->rc == 0) {
			r->rc = r->run(db, r->arg, &r->err);
			int commit = r->rc >= 0 ? db_commit(db, &r->err) : 0;

			if (commit < 0)
				r->rc = commit;
			if (r->rc < 0)
				db_rollback(db);
		}
	}
	if (r->waiting)
		sem_post(r->waiting);
}

static void finish_request(void *arg)
{
	struct request *r = arg;

	if (r->done)
		r->done(r->arg, r->rc, r->rc < 0 ? &r->err : NULL);
	free(r->path);
	free(r);
}

static struct request *request_new(struct store *s, void *arg)
{
	struct request *r = MEM_NEW(struct request);

	r->store = s;
	r->arg = arg;
	return r;
}

static void submit(struct store *s, struct request *r)
{
	if (work_pending(s->queue) >= STORE_MAX_QUEUED) {
		r->rc = err_set(&r->err, -EAGAIN,
		                "the database does not keep up: the disk is too slow or hangs");
		loop_post(s->loop, finish_request, r);
		return;
	}
	work_submit(s->queue, run_request, finish_request, r);
}

void store_submit(struct store *s, int (*run)(struct db *db, void *arg, struct err *err),
                  void (*done)(void *arg, int rc, const struct err *err), void *arg)
{
	struct request *r = request_new(s, arg);

	assert(loop_is_mine(s->loop));
	r->run = run;
	r->done = done;
	submit(s, r);
}

struct call {
	int (*run)(struct db *db, void *arg, struct err *err);
	void *arg;
	int rc;
	struct err err;
};

static int run_call(struct db *db, void *arg, struct err *err UNUSED)
{
	struct call *c = arg;

	c->rc = c->run(db, c->arg, &c->err);
	return c->rc;
}

int store_call(struct store *s, int (*run)(struct db *db, void *arg, struct err *err), void *arg,
               struct err *err)
{
	struct call c = { .run = run, .arg = arg };
	struct request *r = request_new(s, &c);
	struct request seen;
	sem_t waiting;

	assert(loop_is_mine(s->loop));
	sem_init(&waiting, 0, 0);
	r->run = run_call;
	r->waiting = &waiting;
	work_submit(s->queue, run_request, finish_request, r);
	while (sem_wait(&waiting) < 0) {
	}
	sem_destroy(&waiting);
	seen = *r; /* completed on a later turn of the loop, and freed there */
	if (seen.rc < 0)
		return err_set(err, seen.rc, "%s", c.rc < 0 ? c.err.text : seen.err.text);
	return seen.rc;
}

void store_backup(struct store *s, const char *dest_path,
                  void (*done)(void *arg, int rc, const struct err *err), void *arg)
{
	struct request *r = request_new(s, arg);

	assert(loop_is_mine(s->loop));
	r->path = mem_str(dest_path);
	r->is_plain = true;
	r->done = done;
	submit(s, r);
}

int store_copy(const char *data_dir, const char *dest_path, struct err *err)
{
	char path[PATH_SIZE];
	struct db *db = NULL;
	int rc = join(path, data_dir, STORE_FILE, err);

	if (rc == 0)
		rc = db_open(path, DB_READ_ONLY, &db, err);
	if (rc < 0)
		return rc;
	rc = db_check(db, err);
	if (rc == 0)
		rc = db_copy(db, dest_path, err);
	db_close(db);
	return rc;
}

int store_set_aside(const char *data_dir, char *ret_path, size_t size, struct err *err)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char at[WHEN_TEXT_SIZE];
	int rc;

	when_file_name(at, (int64_t)time(NULL) * 1000);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char from[PATH_SIZE], to[PATH_SIZE];

		snprintf(from, sizeof(from), "%s/" STORE_FILE "%s", data_dir, ends[i]);
		snprintf(to, sizeof(to), "%s/damaged-%s-" STORE_FILE "%s", data_dir, at, ends[i]);
		if (rename(from, to) < 0 && (errno != ENOENT || i == 0))
			return err_sys(err, "renaming %s", from);
		if (i == 0)
			text_copy(ret_path, size, to);
	}
	rc = fs_sync_dir(data_dir, err);
	return rc;
}
