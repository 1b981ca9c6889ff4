/* SPDX-License-Identifier: GPL-3.0-or-later */
/* transfer: the backup that comes up in pieces. Thread: loop. */

#pragma once

#include "base/base.h"

struct upload;

/* Bytes of one piece at most. */
#define TRANSFER_PIECE 1048576

/* Waits for the disk; at the end only. NULL is allowed. */
void upload_free(struct upload *u);
