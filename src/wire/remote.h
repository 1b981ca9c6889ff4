/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * remote: files of another machine by SFTP (any OpenSSH) or HTTPS (another Bedside): folders listed,
 * files read from any place on, removed; one question after the other over a kept connection.
 *
 * It waits for the network: on a thread of its own, never on the loop. A machine proves who it is
 * before a login is sent: by its host key (a pinned fingerprint, or known_hosts) or its certificate
 * (tls_judge). Nobody is followed elsewhere.
 *
 * Thread: one at a time owns it; `is_cancelled` may be set by any.
 */

#pragma once

#include "base/base.h"

#include <stdatomic.h>

struct buf;
struct err;
struct remote;
struct tls_client;

/* Texts are copied; NULL or "": none. */
struct remote_target {
	const char
		*url; /* "sftp://host:22", "https://host:8484/base": no login, no '/' at its end */
	const char *user; /* SFTP */
	const char *password;
	const char *key_file, *key_passphrase; /* SFTP: a private key */
	bool uses_agent;                       /* SFTP: keys of the user's ssh-agent */
	const char *known_hosts;               /* SFTP: a file as OpenSSH's */
	const char *host_key;                  /* SFTP: "SHA256:…" instead of known_hosts */
	const char *header;                    /* HTTP: "Authorization: …" */
	const struct tls_client *tls;          /* HTTPS; NULL: as on the web */
	int64_t stall_ms;                      /* no byte for so long is the end; 0: 30 s */
	const atomic_bool *is_cancelled;       /* looked at about each second; NULL never */
};

struct remote *remote_new(const struct remote_target *t);
void remote_free(struct remote *r); /* NULL is allowed */

bool remote_is_sftp(const struct remote *r);
const char *remote_peer(const struct remote *r); /* for messages: "raspberry:22" */

/* Bytes as they come, borrowed for the call; a negative errno ends it and is its result. */
struct remote_sink {
	int (*received)(void *arg, const void *bytes, size_t size);
	void *arg;
};

struct remote_got {
	uint64_t n_bytes;
	int64_t modified_s; /* SFTP: since 1970; -1 not known */
};

/*
 * The bytes of `path` from place `from` on. SFTP: from its root, below the user's home when it begins
 * with "/~/"; HTTP: what follows the URL, escaped already. With `from` the size that the file is
 * thought to have, nothing comes and the result is 0 if that is so.
 *
 * 0; -ENOENT; -EACCES login refused; -ENXIO this file is not allowed; -EPERM host not trusted; -ERANGE the file ends before
 * `from`; -EHOSTUNREACH; -ETIMEDOUT; -ECANCELED; -EBUSY (HTTP 409 and 503); what `received` said;
 * -EIO the rest, as a connection that was cut. `ret` holds what came, whatever the result.
 */
int remote_read(struct remote *r, const char *path, uint64_t from, const struct remote_sink *to,
                struct remote_got *ret, struct err *err) MUST_CHECK;

/* A folder as lines of "ls -l" (SFTP), or an answer (HTTP), of `max` bytes at most. */
int remote_text(struct remote *r, const char *path, size_t max, struct buf *ret,
                struct err *err) MUST_CHECK;

int remote_remove(struct remote *r, const char *path, struct err *err) MUST_CHECK;
