/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backup, restore: the data folder into another one and back. Backing up works beside a daemon. */

#include "app/cmd.h"
#include "app/config.h"
#include "base/err.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/sandbox.h"
#include "store/backup.h"
#include "store/restore.h"
#include "store/store.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char backup_usage[] =
	"usage: bedside backup [--with-frames] [--config FILE] [--data DIR] DEST\n"
	"Copies database, configuration, films and the records of sessions into the new folder\n"
	"DEST; with --with-frames every picture, too. It holds access codes and password hashes.\n";
static const char restore_usage[] =
	"usage: bedside restore [--config FILE] [--data DIR] FROM\n"
	"       bedside restore [--config FILE] [--data DIR] --set-aside\n"
	"Puts a backup back, a folder or the file that the page gives out, or a database alone;\n"
	"Bedside must not run then.\n"
	"--set-aside renames a damaged database, so that the next start makes a new one; frames\n"
	"and films stay.\n";

struct wish {
	const char *config_path, *data_dir, *folder;
	bool has_frames, sets_aside;
};

static bool read_wish(struct wish *w, int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		                                 { "data", required_argument, NULL, 'd' },
		                                 { "with-frames", no_argument, NULL, 'f' },
		                                 { "set-aside", no_argument, NULL, 's' },
		                                 { 0 } };
	int c;

	optind = 1;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c')
			w->config_path = optarg;
		else if (c == 'd')
			w->data_dir = optarg;
		else if (c == 'f')
			w->has_frames = true;
		else if (c == 's')
			w->sets_aside = true;
		else
			return false;
	}
	if (optind < argc)
		w->folder = argv[optind++];
	return optind == argc && (w->sets_aside ? !w->folder : w->folder != NULL);
}

static int load(const struct wish *w, struct config *c)
{
	char path[1024];
	static struct conf_errors errors;
	bool is_found = config_find(w->config_path, path, sizeof(path));
	int status = 0;

	if (!config_load(is_found ? path : NULL, w->data_dir, c, &errors))
		status = config_print_errors(&errors);
	return status;
}

static int complain(const struct err *err)
{
	fprintf(stderr, "bedside: %s\n", err->text);
	return 1;
}

static void show(void *arg, uint64_t n_files, uint64_t bytes)
{
	char size[24];

	if (*(bool *)arg)
		fprintf(stderr, "\r%llu files, %s ", (unsigned long long)n_files,
		        text_size(size, sizeof(size), bytes));
}

int cmd_backup(int argc, char **argv)
{
	bool is_terminal = isatty(STDERR_FILENO);
	struct wish w = { 0 };
	static struct config c; /* large */
	struct err err;
	int status;

	if (!read_wish(&w, argc, argv) || w.sets_aside) {
		fputs(backup_usage, stderr);
		return 2;
	}
	status = load(&w, &c);
	if (status == 0) {
		struct backup_options o = { .config_path = c.path,
			                    .has_frames = w.has_frames,
			                    .has_films = true,
			                    .progress = show,
			                    .arg = &is_terminal };

		if (backup_write(c.data_dir, w.folder, &o, &err) < 0)
			status = complain(&err);
		else
			printf("%s%s is a whole backup of %s\n", is_terminal ? "\n" : "", w.folder,
			       c.data_dir);
	}
	config_fini(&c);
	return status;
}

static int check_restored(void *arg, const char *folder, struct err *err)
{
	return config_check_restored(arg, folder, err);
}

static int restore(const struct wish *w, const struct config *c)
{
	char path[sizeof(c->path)], size[24];
	struct restore_check check = { check_restored, path };
	struct backup_result r;
	struct err err;

	TEXT_SET(path, c->path);
	if (sandbox_become_owner(c->data_dir, &err) < 0 ||
	    backup_restore(w->folder, c->data_dir, &check, &r, &err) < 0)
		return complain(&err);
	printf("%llu files (%s) are back in %s\n", (unsigned long long)r.n_files,
	       text_size(size, sizeof(size), r.bytes), c->data_dir);
	if (r.aside[0] != '\0')
		printf("what they replaced is in %s: delete it when all is well\n", r.aside);
	if (r.config[0] != '\0')
		printf("the configuration of then is %s: compare it with the one in use\n",
		       r.config);
	return 0;
}

static int set_aside(const struct config *c)
{
	char lock[1100], path[1100];
	struct err err;
	int fd, status = 0;

	snprintf(lock, sizeof(lock), "%s/lock", c->data_dir);
	if (fs_lock(lock, &fd, &err) < 0)
		return complain(&err);
	if (store_set_aside(c->data_dir, path, sizeof(path), &err) < 0)
		status = complain(&err);
	else
		printf("the database is now %s\n", path);
	(void)close(fd);
	return status;
}

int cmd_restore(int argc, char **argv)
{
	struct wish w = { 0 };
	static struct config c; /* large */
	int status;

	if (!read_wish(&w, argc, argv) || w.has_frames) {
		fputs(restore_usage, stderr);
		return 2;
	}
	status = load(&w, &c);
	if (status == 0)
		status = w.sets_aside ? set_aside(&c) : restore(&w, &c);
	config_fini(&c);
	return status;
}
