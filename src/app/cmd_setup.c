/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * setup: five questions, and bedside.yaml out of the answers. One answer per line of standard
 * input, so that a script can give them; nothing is written before the whole has passed the check
 * that the daemon makes.
 */

#include "app/cmd.h"
#include "app/config.h"
#include "app/setup.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/v4l2_find.h"
#include "core/fs.h"
#include "core/loop.h"
#include "model/user.h"
#include "printers/driver.h"
#include "printers/scout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ANSWER_SIZE 600
#define SYSTEM_FILE "/etc/bedside/bedside.yaml"

struct setup {
	bool is_terminal;
	const char *given; /* --config */
	char path[1024];
	struct setup_answers answers;
	char hub[ANSWER_SIZE], code[64]; /* "" alone */
	struct scout_printer found[SCOUT_MAX_PRINTERS];
	size_t n_found;
	struct v4l2_found cameras[V4L2_FIND_MAX];
	size_t n_cameras;
	struct loop *loop;
};

/* ---- asking ---- */

struct question {
	const char *text, *fallback; /* NULL: there must be an answer */
	bool is_secret;
	/* Of an answer; NULL: any will do. */
	int (*check)(struct setup *s, const char *answer, struct err *err);
};

static int read_answer(const struct question *q, char *dst, size_t size, struct err *err)
{
	char prompt[400];

	if (q->fallback && q->fallback[0])
		(void)snprintf(prompt, sizeof(prompt), "%s [%s] ", q->text, q->fallback);
	else
		(void)snprintf(prompt, sizeof(prompt), "%s ", q->text);
	dst[0] = '\0';
	if (q->is_secret) {
		(void)secret_ask(prompt, dst, size);
	} else {
		fputs(prompt, stderr);
		if (fgets(dst, (int)size, stdin))
			dst[strcspn(dst, "\r\n")] = '\0';
	}
	if (!dst[0] && q->fallback)
		text_copy(dst, size, q->fallback);
	if (!dst[0] && !q->fallback)
		return err_set(err, -EINVAL, "there is no answer to '%s'", q->text);
	return 0;
}

/* A person is asked again; a script is told. */
static int ask(struct setup *s, const struct question *q, char *dst, size_t size, struct err *err)
{
	for (;;) {
		int rc = read_answer(q, dst, size, err);

		if (rc == 0 && q->check)
			rc = q->check(s, dst, err);
		if (!s->is_terminal && rc == 0)
			fputs("\n", stderr);
		if (rc == 0 || !s->is_terminal || feof(stdin))
			return rc;
		fprintf(stderr, "  %s\n", err->text);
	}
}

#define ASK(s_, dst_, err_, ...) \
	ask((s_), &(const struct question){ __VA_ARGS__ }, (dst_), sizeof(dst_), (err_))

static bool is_yes(const char *answer)
{
	return answer[0] == 'y' || answer[0] == 'Y';
}

static int pick(const char *answer, size_t n, const char *words, struct err *err)
{
	int64_t i;

	if (text_to_i64(answer, &i) && i >= 1 && (uint64_t)i <= n)
		return (int)i;
	if (n == 0)
		return err_set(err, -EINVAL, "'%.40s' is none of %s", answer, words);
	return err_set(err, -EINVAL, "'%.40s' is none of 1 to %zu, %s", answer, n, words);
}

/* ---- printer ---- */

#define KINDS "bambu, octoprint, moonraker, prusalink, none"

static bool is_kind(const char *answer)
{
	return text_equal(answer, "none") || printer_driver_find(answer);
}

static int check_printer(struct setup *s, const char *answer, struct err *err)
{
	if (is_kind(answer))
		return 0;

	int rc = pick(answer, s->n_found, KINDS, err);

	return rc < 0 ? rc : 0;
}

static int check_url(struct setup *s, const char *answer, struct err *err)
{
	struct printer_config p = { 0 };

	(void)s;
	TEXT_SET(p.url, answer);
	return config_check_url(&p, err);
}

static int check_serial(struct setup *s, const char *answer, struct err *err)
{
	size_t n = strlen(answer);

	(void)s;
	if (n < 6 || n > 20 || strspn(answer, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
		return err_set(err, -EINVAL,
		               "a serial number is 6 to 20 capital letters and digits");
	return 0;
}

static void on_scouted(void *arg, const struct scout_printer *found, size_t n,
                       const struct err *err)
{
	struct setup *s = arg;

	if (err)
		fprintf(stderr, "(%s)\n", err->text);
	memcpy(s->found, found, n * sizeof(*found));
	s->n_found = n;
	loop_stop(s->loop);
}

static void look_for_printers(struct setup *s)
{
	const struct scout_options o = { .listen_ms = s->is_terminal ? 6000 : 2500 };
	struct scout *scout;

	fputs("Looking for printers that announce themselves …\n", stderr);
	s->loop = loop_new();
	scout = scout_start(s->loop, &o, on_scouted, s);
	loop_run(s->loop);
	scout_free(scout);
	loop_free(s->loop);
	for (size_t i = 0; i < s->n_found; i++)
		fprintf(stderr, "  %zu  %s %s at %s (%s)\n", i + 1, s->found[i].model,
		        s->found[i].found.name, s->found[i].found.address,
		        s->found[i].found.serial);
}

/* A found one whose certificate is not the maker's is trusted only as it is, and only if told so. */
static int ask_trust(struct setup *s, const struct scout_printer *f, struct err *err)
{
	struct trust *t = &s->answers.printer.trust;
	char hex[65], answer[ANSWER_SIZE];
	int rc;

	if (!f->has_leaf || f->chains)
		return 0;
	text_hex(hex, f->sha256, sizeof(f->sha256));
	fprintf(stderr,
	        "Its certificate does not chain to the maker's. If you are sure that this is your "
	        "printer, exactly this one is trusted:\n  sha256:%s\n",
	        hex);
	rc = ASK(s, answer, err, .text = "Trust it?", .fallback = "no");
	if (rc == 0 && !is_yes(answer))
		return err_set(err, -EPERM,
		               "nothing was written: the printer's certificate is not trusted");
	t->mode = TRUST_PIN;
	memcpy(t->pin, f->sha256, sizeof(t->pin));
	return rc;
}

static int ask_bambu(struct setup *s, const struct scout_printer *f, struct err *err)
{
	struct printer_config *p = &s->answers.printer;
	char code[ANSWER_SIZE];
	int rc = 0;

	if (f) {
		TEXT_SET(p->address, f->found.address);
		TEXT_SET(p->serial, f->found.serial);
		rc = ask_trust(s, f, err);
	} else {
		rc = ASK(s, p->address, err, .text = "Its address (on its screen):");
		if (rc == 0)
			rc = ASK(s, p->serial, err,
			         .text = "Its serial number:", .check = check_serial);
	}
	if (rc == 0)
		rc = ASK(s, code, err,
		         .text = "Its access code (on its screen):", .is_secret = true);
	if (rc == 0)
		secret_set(&p->access_code, code);
	secret_wipe(code, sizeof(code));
	return rc;
}

static int ask_web_printer(struct setup *s, struct err *err)
{
	struct printer_config *p = &s->answers.printer;
	char key[ANSWER_SIZE];
	int rc = ASK(s, p->url, err,
	             .text = "The address of its page (http://octopi.local):", .check = check_url);

	if (rc == 0)
		rc = ASK(s, p->user, err,
		         .text = "User name, where one logs in with a password (empty: by a key, "
		                 "or not at all):",
		         .fallback = "");
	if (rc == 0)
		rc = ASK(s, key, err, .text = "API key or password (empty: none):", .fallback = "",
		         .is_secret = true);
	if (rc == 0 && key[0])
		secret_set(&p->access_code, key);
	secret_wipe(key, sizeof(key));
	return rc;
}

static int ask_printer(struct setup *s, struct err *err)
{
	struct printer_config *p = &s->answers.printer;
	const struct scout_printer *f = NULL;
	char answer[ANSWER_SIZE];
	int rc;

	look_for_printers(s);
	rc = ASK(s, answer, err,
	         .text = "2. The printer: a number from above, bambu, octoprint, moonraker, "
	                 "prusalink or none:",
	         .fallback = s->n_found ? "1" : "none", .check = check_printer);
	if (rc < 0 || text_equal(answer, "none"))
		return rc;
	if (!is_kind(answer))
		f = &s->found[pick(answer, s->n_found, KINDS, err) - 1];
	s->answers.has_printer = true;
	TEXT_SET(p->driver, f ? "bambu" : answer);
	TEXT_SET(p->model, "auto");
	p->trust.mode = TRUST_CA;
	rc = ASK(s, p->name, err, .text = "What you call it:",
	         .fallback = f && f->found.name[0] ? f->found.name : "Printer");
	if (rc < 0)
		return rc;
	return text_equal(p->driver, "bambu") ? ask_bambu(s, f, err) : ask_web_printer(s, err);
}

/* ---- camera, wires, hub ---- */

static bool has_pi_camera(void)
{
	return access("/usr/bin/rpicam-vid", X_OK) == 0 ||
	       access("/usr/bin/libcamera-vid", X_OK) == 0;
}

static int check_camera(struct setup *s, const char *answer, struct err *err)
{
	size_t n = s->n_cameras + (has_pi_camera() ? 1 : 0);
	int rc;

	if (text_equal(answer, "none"))
		return 0;
	rc = pick(answer, n, "none", err);
	return rc < 0 ? rc : 0;
}

static int ask_camera(struct setup *s, struct err *err)
{
	struct setup_answers *a = &s->answers;
	char answer[ANSWER_SIZE];
	size_t n = v4l2_find_all(&v4l2_sys_real, s->cameras, V4L2_FIND_MAX);
	int rc;

	s->n_cameras = n;
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "  %zu  %s (%s)\n", i + 1, s->cameras[i].title,
		        s->cameras[i].stable);
	if (has_pi_camera())
		fprintf(stderr, "  %zu  the Raspberry Pi's camera\n", n + 1);
	rc = ASK(s, answer, err,
	         .text = "3. A camera of this machine: a number from above, or none (the "
	                 "printer's own needs nothing):",
	         .fallback = n > 0 || has_pi_camera() ? "1" : "none", .check = check_camera);
	if (rc < 0 || text_equal(answer, "none"))
		return rc;
	n = (size_t)pick(answer, n + 1, "", err) - 1;
	TEXT_SET(a->camera_driver, n < s->n_cameras ? "v4l2" : "rpicam");
	TEXT_SET(a->camera_name, n < s->n_cameras ? "USB camera" : "Pi camera");
	if (n < s->n_cameras)
		TEXT_SET(a->camera_source, s->cameras[n].stable);
	return 0;
}

static int check_wired(struct setup *s, const char *answer, struct err *err)
{
	return setup_read_wired(answer, &s->answers, err);
}

static int ask_hub(struct setup *s, struct err *err)
{
	int rc = ASK(s, s->hub, err,
	             .text = "5. The hub that this one reports to, as in https://hub.example, or "
	                     "alone:",
	             .fallback = "alone");

	if (rc < 0 || text_equal(s->hub, "alone")) {
		s->hub[0] = '\0';
		return rc;
	}
	rc = check_url(s, s->hub, err);
	if (rc == 0)
		rc = ASK(s, s->code, err, .text = "The pairing code that the hub's page shows:");
	return rc;
}

static int ask_all(struct setup *s, struct err *err)
{
	char answer[ANSWER_SIZE];
	int rc = ASK(s, s->answers.place, err,
	             .text = "1. What this place is called:", .fallback = "Workshop");

	if (rc == 0)
		rc = ask_printer(s, err);
	if (rc == 0)
		rc = ask_camera(s, err);
	if (rc == 0)
		rc = ASK(
			s, answer, err,
			.text = "4. What is wired: button, lights, sensor (several, all, or none):",
			.fallback = "none", .check = check_wired);
	return rc == 0 ? ask_hub(s, err) : rc;
}

/* ---- writing ---- */

static int find_path(struct setup *s, struct err *err)
{
	const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe) one thread */

	if (s->given)
		TEXT_SET(s->path, s->given);
	else if (geteuid() == 0)
		TEXT_SET(s->path, SYSTEM_FILE);
	else if (home)
		(void)snprintf(s->path, sizeof(s->path), "%s/.config/bedside/bedside.yaml", home);
	else
		return err_set(err, -EINVAL, "there is no home folder; name a file by --config");
	if (geteuid() == 0 && !s->given)
		TEXT_SET(s->answers.data_dir, "/var/lib/bedside");
	return setup_may_replace(s->path, s->answers.data_dir, sizeof(s->answers.data_dir), err);
}

/* Owner and mode of the file that is replaced: of the package's, the daemon may read it. */
static int keep_owner(const char *old, const char *fresh, struct err *err)
{
	struct stat st;

	if (stat(old, &st) < 0)
		return 0;
	if ((geteuid() == 0 && chown(fresh, st.st_uid, st.st_gid) < 0) ||
	    chmod(fresh, st.st_mode & 0640) < 0)
		return err_sys(err, "giving %s the owner of %s", fresh, old);
	return 0;
}

static bool is_fine(const char *path)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	bool is_good = config_load(path, NULL, &config, &errors);

	if (!is_good)
		(void)config_print_errors(&errors);
	config_fini(&config);
	return is_good;
}

static int write_file(struct setup *s, struct err *err)
{
	char fresh[1100], folder[1024];
	char *slash;
	struct buf b;
	int rc = 0;

	(void)snprintf(fresh, sizeof(fresh), "%s.new", s->path);
	TEXT_SET(folder, s->path);
	slash = strrchr(folder, '/');
	if (slash && slash > folder) {
		*slash = '\0';
		rc = fs_make_dirs(folder, err);
	}
	if (rc < 0)
		return rc;
	buf_init(&b, 0);
	setup_write(&s->answers, false, &b);
	rc = fs_write_atomic(fresh, buf_peek(&b), b.size, 0600, err);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
	if (rc == 0 && !is_fine(fresh))
		rc = err_set(err, -EINVAL, "nothing was written: see above");
	if (rc == 0)
		rc = keep_owner(s->path, fresh, err);
	if (rc == 0 && rename(fresh, s->path) < 0)
		rc = err_sys(err, "renaming %s", fresh);
	if (rc < 0)
		(void)unlink(fresh);
	return rc;
}

static int show_and_write(struct setup *s, struct err *err)
{
	char answer[ANSWER_SIZE];
	struct buf b;
	int rc;

	buf_init(&b, 0);
	setup_write(&s->answers, true, &b);
	printf("\n%s\n", buf_peek(&b));
	(void)fflush(stdout);
	buf_fini(&b);
	fprintf(stderr, "This goes to %s. ", s->path);
	rc = ASK(s, answer, err, .text = "Write it?", .fallback = "yes");
	if (rc == 0 && !is_yes(answer))
		return err_set(err, -ECANCELED, "nothing was written, as you said");
	if (rc == 0)
		rc = write_file(s, err);
	if (rc == 0)
		printf("%s is written and fine.\n", s->path);
	return rc;
}

/* ---- after it ---- */

static int add_user(struct setup *s, struct err *err)
{
	char name[USER_NAME_SIZE];
	int rc = ASK(s, name, err,
	             .text = "The administrator's name (empty: later, by the link that the first "
	                     "start prints):",
	             .fallback = "");
	char user[] = "user", add[] = "add", file[] = "--config", piped[] = "--password-stdin";
	char *words[] = { user, add, name, file, s->path, piped, NULL };

	if (rc < 0 || !name[0])
		return rc;
	/* On a terminal it asks twice, without showing what is typed. */
	if (cmd_user(s->is_terminal ? 5 : 6, words) != 0)
		return err_set(err, -EINVAL,
		               "%s is written, but there is no administrator yet: bedside user add "
		               "%s",
		               s->path, name);
	return 0;
}

static int pair_with_hub(struct setup *s, struct err *err)
{
	char rig[] = "rig", pair[] = "pair", place[] = "--name", file[] = "--config";
	char *words[] = {
		rig, pair, place, s->answers.place, file, s->path, s->hub, s->code, NULL
	};

	if (!s->hub[0] || cmd_rig(8, words) == 0)
		return 0;
	return err_set(err, -EIO,
	               "%s is written, but this rig is not paired yet: with a new code, bedside "
	               "rig pair --name '%s' %s CODE",
	               s->path, s->answers.place, s->hub);
}

static void say_next(void)
{
	bool is_service = access("/run/systemd/system", F_OK) == 0 &&
	                  access("/lib/systemd/system/bedside.service", F_OK) == 0;

	puts(is_service ? "Now: systemctl restart bedside" : "Now: bedside serve");
}

int cmd_setup(int argc, char **argv)
{
	struct setup *s = mem_new(sizeof(*s));
	struct err err = { 0 };
	int rc = 0;

	if (argc == 3 && text_equal(argv[1], "--config"))
		s->given = argv[2];
	else if (argc != 1)
		rc = 2;
	if (rc == 2) {
		fputs("usage: bedside setup [--config FILE]\n"
		      "Asks five questions and writes bedside.yaml. Answers may come on standard "
		      "input, one\nper line.\n",
		      stderr);
		free(s);
		return rc;
	}
	s->is_terminal = isatty(STDIN_FILENO);
	rc = find_path(s, &err);
	if (rc == 0)
		rc = ask_all(s, &err);
	if (rc == 0)
		rc = show_and_write(s, &err);
	if (rc == 0)
		rc = add_user(s, &err);
	if (rc == 0)
		rc = pair_with_hub(s, &err);
	if (rc == 0)
		say_next();
	else
		fprintf(stderr, "bedside: %s\n", err.text);
	secret_fini(&s->answers.printer.access_code);
	free(s);
	return rc < 0 ? 1 : 0;
}
