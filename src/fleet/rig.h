/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rig: this Bedside as a rig: it reports to a hub elsewhere and does what that asks.
 *
 * One outgoing WebSocket. What must not be lost lies in the outbox (store/repo_outbox.h), is sent in
 * order and deleted when the hub says that it has committed it. State and pictures: the newest
 * counts. Everything else works on while the hub is gone. docs/rig-protocol.md has the messages.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "base/secret.h"
#include "model/camera.h"
#include "model/rig.h"
#include "model/trust.h"

#include <jansson.h>

struct bus;
struct loop;
struct rig;
struct store;
struct stream;

/* How the hub is reached. */
struct rig_config {
	char url[512]; /* "https://hub.example/bedside", without '/' at its end; "": no hub */
	struct secret key;
	struct trust trust; /* TRUST_CA: the system's authorities, or ca_file */
	struct rig_delays delays;
};

void rig_config_copy(struct rig_config *dst, const struct rig_config *src);
void rig_config_fini(struct rig_config *c);

/* What the rig does with the rooms above and beside it; each required. */
struct rig_house {
	/* {printers, cameras, sessions}; a new reference. */
	json_t *(*state)(void *arg);
	/* An order of the hub. Answered once, now or later, by rig_ordered(). */
	void (*order)(void *arg, const char *id, const char *what, const char *subject,
	              const json_t *body);
	/* One picture of each camera is wanted now, by rig_picture(). */
	void (*glance)(void *arg);
	/* Live pictures of a camera are wanted, until they are not; "" with `is_on` false: none of
	 * any. */
	void (*watch)(void *arg, const char *camera, bool is_on);
	/* The hub has a live picture: one more may be sent. */
	void (*seen)(void *arg, const char *camera);
	void *arg;
};

struct rig_env {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	const char *data_dir; /* of the journals; borrowed */
	struct rig_house house;
	/* Instead of TCP and TLS, for tests; NULL. */
	struct stream *(*connect)(void *arg);
	void *connect_arg;
};

struct rig *rig_new(const struct rig_env *env);
/* NULL is allowed. */
void rig_free(struct rig *r);

/* Another hub, another key, other delays; no URL: it is a rig no longer. Copied. */
void rig_set_hub(struct rig *r, const struct rig_config *c);

void rig_ordered(struct rig *r, const char *id, bool is_ok, const char *text);

/* A picture of a camera. False: not sent, the link has enough to do or nobody wants it. */
bool rig_picture(struct rig *r, const char *camera, const uint8_t *jpeg, size_t size,
                 int64_t at_wall_ms, bool is_live);

/* What no record tells: news of any kind for the hub. Takes `body`. */
void rig_tell(struct rig *r, const char *kind, const char *ref, json_t *body);

enum rig_link {
	RIG_LINK_OFF, /* no hub is configured */
	RIG_LINK_CONNECTING,
	RIG_LINK_ONLINE,
	RIG_LINK_WAITING, /* for the next attempt; the text says why */
	RIG_LINK_REFUSED, /* a person must act; tried again now and then */
};

const char *rig_link_name(enum rig_link l);

#define RIG_LINK_TEXT_SIZE 600 /* a certificate's fault and its fingerprint */

struct rig_report {
	enum rig_link link;
	char text[RIG_LINK_TEXT_SIZE];
	char hub[RIG_NAME_SIZE]; /* its name; "" not known yet */
	int64_t since_wall_ms;   /* of `link` */
	int64_t n_waiting;       /* news that the hub does not have */
	int64_t n_dropped;
	struct rig_delays delays; /* in force */
};
void rig_report(const struct rig *r, struct rig_report *ret);
/* The same and the URL, as an object. */
json_t *rig_json(const struct rig *r);
