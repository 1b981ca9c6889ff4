/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * repo_capture: the records of layer captures and of their pictures. See store/repo.h.
 *
 * Thread: the store's.
 */

#pragma once

#include "model/capture.h"
#include "store/repo.h"

/* Saving again replaces. */
int repo_capture_save(struct db *db, const struct capture *c, struct err *err) MUST_CHECK;
/* Its capture must have been saved. */
int repo_capture_picture_save(struct db *db, const struct capture_picture *p,
                              struct err *err) MUST_CHECK;

/* Those of a printer that a program which was killed left running have failed. */
int repo_capture_end_running(struct db *db, const char *printer, const char *reason,
                             struct err *err) MUST_CHECK;

int repo_capture_get(struct db *db, const char *id, struct capture *ret,
                     struct err *err) MUST_CHECK;

/* Which: NULL, "" and -1 mean all. Newest first. */
struct repo_capture_filter {
	const char *printer, *job, *before;
	int layer;
	unsigned limit; /* 0: REPO_MAX_PAGE */
};
int repo_capture_list(struct db *db, const struct repo_capture_filter *f, struct capture **ret,
                      size_t *ret_n, struct err *err) MUST_CHECK;
/* In the order of the points, then of the cameras. */
int repo_capture_pictures(struct db *db, const char *capture, struct capture_picture **ret,
                          size_t *ret_n, struct err *err) MUST_CHECK;
/* Its pictures' records too. */
int repo_capture_delete(struct db *db, const char *id, struct err *err) MUST_CHECK;
