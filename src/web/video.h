/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * video: H.264 and H.265 of cameras for browsers and players, as fragmented MP4 and as HLS, passed
 * on as it comes.
 *
 * Each access unit becomes a fragment once per camera, shared by all its viewers. A viewer begins
 * with the newest key frame; one that is too slow is cut off until the next key frame that it can
 * take. HLS segments are made only while somebody asks for them, and there are never more than
 * HLS_MAX_SEGMENTS.
 *
 * Thread: loop.
 */

#pragma once

struct video;
struct web;

struct video *video_new(struct web *w);
/* Viewers are let go; calls waited for are refused. After the HTTP server was freed. */
void video_free(struct video *v);
