/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * talk: bedside-av's end of the talk with the daemon (media/av_message), on descriptor 3.
 *
 * Thread: talk_send() one; talk_receive() one, which may be another.
 */

#pragma once

#include "media/av_message.h"

#define TALK_FD 3 /* the talk */
#define LENT_FD 4 /* the camera's connection */

/* Waits until it is with the kernel; ends the process when the daemon is gone. */
void talk_send(const struct av_message *m, const void *payload);
void talk_says(const char *text);

/* Waits for the next message; false when the daemon is gone or speaks nonsense. The payload is the
 * caller's to free(). */
bool talk_receive(struct av_parser *p, struct av_message *ret);
