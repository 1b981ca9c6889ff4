/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tar: the ustar format (POSIX.1-2017, pax, "ustar Interchange Format"), as far as a backup needs it.
 *
 * Regular files only; sizes of 8 GiB and more in GNU's base 256. The reader takes any pieces, skips
 * folders and pax headers, and refuses links, devices and what is no archive. Nothing is trusted: names
 * are given as they stand there, with a NUL behind them, and it is the caller's to confine them.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

struct err;

#define TAR_BLOCK 512
#define TAR_NAME_SIZE 257

/* False: the name does not fit. */
bool tar_header(uint8_t dst[TAR_BLOCK], const char *name, uint64_t size, int64_t mtime_s);
/* Zeros that follow a file of this size. */
size_t tar_padding(uint64_t size);
#define TAR_END_SIZE (2 * (size_t)TAR_BLOCK) /* zeros at the very end */

/* Each returns 0 or what tar_feed() is to return. */
struct tar_events {
	int (*file)(void *arg, const char *name, uint64_t size, struct err *err);
	int (*bytes)(void *arg, const void *bytes, size_t size, struct err *err);
	int (*file_end)(void *arg, struct err *err);
	void *arg;
};

struct tar_reader {
	const struct tar_events *events;
	uint8_t block[TAR_BLOCK];
	size_t n_block;
	uint64_t left; /* of the file's bytes */
	size_t padding;
	bool is_skipping, is_ended;
};

void tar_reader_init(struct tar_reader *r, const struct tar_events *ev);
/* 0, -EBADMSG with the sentence, or what an event returned. */
int tar_feed(struct tar_reader *r, const void *bytes, size_t size, struct err *err) MUST_CHECK;
/* The end mark has come. */
bool tar_is_whole(const struct tar_reader *r);
