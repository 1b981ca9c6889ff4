/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * user: accounts from a console: what the set-up link does in a browser, and the way back in for
 * who has lost the password. Works beside a running daemon, which notices within two seconds.
 */

#include "app/cmd.h"
#include "app/config.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/when.h"
#include "core/loop.h"
#include "core/sandbox.h"
#include "model/user.h"
#include "store/repo_user.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum verb {
	USER_ADD,
	USER_LIST,
	USER_PASSWD,
	USER_REMOVE
};

struct job {
	enum verb verb;
	const char *config_path, *data_dir;
	bool is_from_stdin;
	struct user user; /* name and role wanted; then the whole */
	struct secret password;
	struct user *list;
	size_t n;
};

static int usage(void)
{
	fputs("usage: bedside user add NAME [--role admin|operator|viewer] [--password-stdin]\n"
	      "       bedside user passwd NAME [--password-stdin]\n"
	      "       bedside user remove NAME\n"
	      "       bedside user list\n"
	      "options: --config FILE, --data DIR\n",
	      stderr);
	return 2;
}

/* ---- passwords ---- */

static bool read_line(char *dst, size_t size)
{
	if (!fgets(dst, (int)size, stdin))
		return false;
	dst[strcspn(dst, "\r\n")] = '\0';
	return true;
}

static int read_password(struct job *j, struct err *err)
{
	char first[USER_MAX_PASSWORD + 8] = "", second[sizeof(first)] = "";
	int rc = 0;

	if (j->is_from_stdin) {
		if (!read_line(first, sizeof(first)))
			rc = err_set(err, -EINVAL, "there is no password on standard input");
	} else if (!secret_ask("Password: ", first, sizeof(first)) ||
	           !secret_ask("Once more: ", second, sizeof(second))) {
		rc = err_set(err, -EINVAL, "no password was typed");
	} else if (strcmp(first, second) != 0) {
		rc = err_set(err, -EINVAL, "the two passwords differ");
	}
	if (rc == 0)
		rc = user_password_check(first, err);
	if (rc == 0)
		secret_set(&j->password, first);
	secret_wipe(first, sizeof(first));
	secret_wipe(second, sizeof(second));
	return rc;
}

/* ---- in the store ---- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

static void note(struct db *db, const char *name, const char *what)
{
	struct audit_entry e = { .at_wall_ms = now_ms() };

	TEXT_SET(e.address, "console");
	TEXT_SET(e.action, "user");
	TEXT_SET(e.subject, name);
	TEXT_SET(e.text, what);
	(void)!repo_audit_add(db, &e, NULL);
}

static int add(struct db *db, struct job *j, struct err *err)
{
	int rc = repo_user_list(db, &j->list, &j->n, err);

	if (rc < 0)
		return rc;
	/* The first one is the administrator that nobody can remove, as the set-up link makes it. */
	j->user.is_root = j->n == 0;
	if (j->user.is_root)
		j->user.role = ROLE_ADMIN;
	j->user.created_wall_ms = now_ms();
	(void)id_new(j->user.id, j->user.created_wall_ms);
	rc = repo_user_add(db, &j->user, err);
	if (rc == 0)
		note(db, j->user.name, "added");
	return rc;
}

static int find(struct db *db, const char *name, struct user *ret, struct err *err)
{
	int rc = repo_user_find(db, name, ret, err);

	if (rc == 0)
		return err_set(err, -ENOENT, "there is no user '%s': 'bedside user list' shows all",
		               name);
	return rc < 0 ? rc : 0;
}

static int passwd(struct db *db, struct job *j, struct err *err)
{
	struct user known;
	int rc = find(db, j->user.name, &known, err);

	if (rc < 0)
		return rc;
	TEXT_SET(known.password_hash, j->user.password_hash);
	rc = repo_user_save(db, &known, err);
	if (rc == 0)
		rc = repo_login_remove_user(db, known.id, NULL, err);
	if (rc == 0)
		note(db, known.name, "new password");
	return rc;
}

static int remove_user(struct db *db, struct job *j, struct err *err)
{
	struct user known;
	int rc = find(db, j->user.name, &known, err);

	if (rc < 0)
		return rc;
	if (known.is_root)
		return err_set(err, -EPERM,
		               "the first administrator cannot be removed; 'bedside user passwd "
		               "%s' gives a new password",
		               known.name);
	rc = repo_user_remove(db, known.id, err);
	if (rc == 0)
		note(db, known.name, "removed");
	return rc;
}

static int work(struct db *db, void *arg, struct err *err)
{
	struct job *j = arg;

	switch (j->verb) {
	case USER_ADD:
		return add(db, j, err);
	case USER_LIST:
		return repo_user_list(db, &j->list, &j->n, err);
	case USER_PASSWD:
		return passwd(db, j, err);
	case USER_REMOVE:
		return remove_user(db, j, err);
	}
	return 0;
}

/* ---- the command ---- */

static bool read_arguments(struct job *j, int argc, char **argv)
{
	static const char *const verbs[] = { "add", "list", "passwd", "remove" };
	const char *name = NULL;
	size_t v = 0;

	while (v < ARRAY_LEN(verbs) && (argc < 2 || strcmp(argv[1], verbs[v]) != 0))
		v++;
	if (v == ARRAY_LEN(verbs))
		return false;
	j->verb = (enum verb)v;
	j->user.role = ROLE_VIEWER;
	for (int i = 2; i < argc; i++) {
		const char *a = argv[i];
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(a, "--password-stdin") == 0) {
			j->is_from_stdin = true;
			continue;
		}
		if (a[0] != '-') {
			if (name)
				return false;
			name = a;
			continue;
		}
		if (!next)
			return false;
		i++;
		if (strcmp(a, "--config") == 0)
			j->config_path = next;
		else if (strcmp(a, "--data") == 0)
			j->data_dir = next;
		else if (strcmp(a, "--role") != 0 || !user_role_from_name(next, &j->user.role))
			return false;
	}
	TEXT_SET(j->user.name, name);
	return (name != NULL) == (j->verb != USER_LIST);
}

static void print_list(const struct job *j)
{
	char at[WHEN_TEXT_SIZE];

	for (size_t i = 0; i < j->n; i++) {
		const struct user *u = &j->list[i];

		printf("%-24s %-9s %s%s\n", u->name, user_role_name(u->role),
		       u->expires_wall_ms ? "until " : "",
		       u->expires_wall_ms ? when_iso(at, u->expires_wall_ms) : "");
	}
}

static void print_done(const struct job *j)
{
	switch (j->verb) {
	case USER_ADD:
		printf("added '%s' as %s\n", j->user.name, user_role_name(j->user.role));
		break;
	case USER_LIST:
		print_list(j);
		break;
	case USER_PASSWD:
		printf("'%s' has a new password and was signed out everywhere\n", j->user.name);
		break;
	case USER_REMOVE:
		printf("removed '%s'\n", j->user.name);
		break;
	}
}

static int run(struct job *j, const char *data_dir, struct err *err)
{
	struct loop *l;
	struct store *s;
	int rc = j->verb == USER_LIST ? 0 : user_name_check(j->user.name, err);

	if (rc == 0 && (j->verb == USER_ADD || j->verb == USER_PASSWD))
		rc = read_password(j, err);
	if (rc == 0)
		rc = sandbox_become_owner(data_dir, err);
	if (rc < 0)
		return rc;
	if (secret_is_set(&j->password))
		crypto_password_hash(j->user.password_hash, secret_peek(&j->password));
	l = loop_new();
	rc = store_open_tool(l, data_dir, &s, err);
	if (rc == 0) {
		rc = store_call(s, work, j, err);
		store_close(s);
	}
	loop_free(l);
	return rc;
}

int cmd_user(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	struct job j = { 0 };
	struct err err = { 0 };
	char path[1024];

	if (!read_arguments(&j, argc, argv))
		return usage();
	if (!config_load(config_find(j.config_path, path, sizeof(path)) ? path : NULL, j.data_dir,
	                 &config, &errors)) {
		config_fini(&config);
		return config_print_errors(&errors);
	}

	int rc = run(&j, config.data_dir, &err);

	if (rc < 0)
		fprintf(stderr, "bedside: %s\n", err.text);
	else
		print_done(&j);
	free(j.list);
	secret_fini(&j.password);
	config_fini(&config);
	return rc < 0 ? 1 : 0;
}
