/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hooks_trial: cameras that a page tries before it adds them; they are kept nowhere. */

#include "app/hooks_priv.h"

#include "app/config.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "printers/bambu_ca.h"
#include "web/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define TRIAL_MS 20000
#define TRIAL_PICTURES 5
#define MAX_TRIALS 4

struct camera_trial {
	struct hooks *hooks;
	char id[MODEL_ID_SIZE];
	struct web_trial waits;
	struct camera_trial *prev, *next;
};

static void is_tried(void *arg, const struct camera_test_result *r)
{
	struct camera_trial *t = arg;
	struct hooks *h = t->hooks;

	DL_DELETE(h->trying, t);
	h->n_trials--;
	cameras_remove(h->trials, t->id);
	t->waits.done(t->waits.arg, r);
	free(t);
}

static struct cameras *trials_of(struct hooks *h)
{
	const struct cameras_env env = { .loop = h->env.loop,
		                         .pool = h->env.pool,
		                         .ca_pem = bambu_ca_pem(),
		                         .av_program = h->env.av_program,
		                         .data_dir = h->env.config->data_dir };

	if (!h->trials)
		h->trials = cameras_new(&env);
	return h->trials;
}

int hooks_try_camera(void *arg, const json_t *settings, struct web_trial trial,
                     struct field_says *says, struct err *err)
{
	struct hooks *h = arg;
	struct camera_config c;
	struct camera *cam = NULL;
	struct camera_trial *t;
	int rc;

	if (h->n_trials >= MAX_TRIALS)
		return err_set(err, -EBUSY, "%d cameras are being tried; wait for them",
		               MAX_TRIALS);
	rc = config_try_camera(h->env.config, settings, &c, says->field, err);
	if (rc < 0)
		return rc;
	t = MEM_NEW(struct camera_trial);
	*t = (struct camera_trial){ .hooks = h, .waits = trial };
	(void)snprintf(t->id, sizeof(t->id), "trial-%p", (void *)t);
	TEXT_SET(c.id, t->id);
	rc = cameras_add(trials_of(h), &c, &cam, err);
	camera_config_fini(&c);
	if (rc < 0) {
		free(t);
		return rc;
	}
	DL_APPEND(h->trying, t);
	h->n_trials++;
	camera_test(cam, TRIAL_PICTURES, TRIAL_MS, is_tried, t);
	return 0;
}

void hooks_end_trials(struct hooks *h)
{
	/* Each is told, and is taken out of the list by that. */
	while (h->trying) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): is_tried() takes it out of the list */
		cameras_remove(h->trials, h->trying->id);
	}
	cameras_free(h->trials);
}
