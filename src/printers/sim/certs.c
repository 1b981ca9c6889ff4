/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/certs.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/fs.h"
#include "wire/tls_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define YEAR_MS ((int64_t)365 * 86400000)
#define MAX_PEM 65536

/* A certificate with its key, as two files; made if the key is missing. */
struct pair {
	char pem_path[1100], key_path[1100];
	char *pem, *key;
};

static void pair_fini(struct pair *p)
{
	free(p->pem);
	free(p->key);
}

static int pair_read(struct pair *p, struct err *err)
{
	auto_buf struct buf pem, key;
	int rc = fs_read(p->pem_path, MAX_PEM, &pem, err);

	buf_init(&key, 0);
	if (rc == 0)
		rc = fs_read(p->key_path, MAX_PEM, &key, err);
	if (rc < 0)
		return rc;
	p->pem = mem_str(buf_peek(&pem));
	p->key = mem_str(buf_peek(&key));
	return 0;
}

static int pair_have(struct pair *p, const char *dir, const char *name, const struct tls_make *m,
                     const char *also, struct err *err)
{
	(void)snprintf(p->pem_path, sizeof(p->pem_path), "%s/%s.pem", dir, name);
	(void)snprintf(p->key_path, sizeof(p->key_path), "%s/%s.key", dir, name);
	if (access(p->key_path, F_OK) == 0)
		return pair_read(p, err);

	int rc = tls_make_certificate(m, &p->pem, &p->key, err);

	if (rc < 0)
		return rc;

	auto_free char *whole = mem_printf("%s%s", p->pem, also ? also : "");

	/* The key last: it tells that both are there. */
	rc = fs_write_atomic(p->pem_path, whole, strlen(whole), 0644, err);
	return rc < 0 ? rc : fs_write_atomic(p->key_path, p->key, strlen(p->key), 0600, err);
}

/* Simulators that are started together would each make a CA, and mix them up on disk. */
static int lock_folder(const char *dir, int *ret_fd, struct err *err)
{
	auto_free char *path = mem_printf("%s/.lock", dir);
	auto_fd int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return err_sys(err, "opening %s", path);
	do {
		rc = flock(fd, LOCK_EX);
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return err_sys(err, "locking %s", path);
	*ret_fd = STEAL_FD(fd);
	return 0;
}

int sim_certs_make(const char *dir, const char *serial, int64_t wall_ms, struct sim_certs *ret,
                   struct err *err)
{
	auto_fd int lock = -1;
	struct pair ca = { 0 }, device = { 0 }, leaf = { 0 };
	struct tls_make m = { .cn = "Bedside Simulator CA",
		              .organization = "Bedside",
		              .country = "DE",
		              .is_ca = true,
		              .not_before_ms = wall_ms - YEAR_MS / 12,
		              .not_after_ms = wall_ms + 20 * YEAR_MS };
	int rc = fs_make_dirs(dir, err);

	if (rc == 0)
		rc = lock_folder(dir, &lock, err);
	if (rc == 0)
		rc = pair_have(&ca, dir, "ca", &m, NULL, err);
	m.cn = "Bedside Simulator Device CA";
	m.issuer_pem = ca.pem;
	m.issuer_key_pem = ca.key;
	if (rc == 0)
		rc = pair_have(&device, dir, "device", &m, NULL, err);
	/* No names, no extensions: X.509 version 1 for ten years (bambu.md 2.1). */
	m = (struct tls_make){ .cn = serial,
		               .is_version_1 = true,
		               .not_before_ms = wall_ms - YEAR_MS / 12,
		               .not_after_ms = wall_ms + 10 * YEAR_MS,
		               .issuer_pem = device.pem,
		               .issuer_key_pem = device.key };
	if (rc == 0)
		rc = pair_have(&leaf, dir, serial, &m, device.pem, err);
	if (rc == 0) {
		(void)snprintf(ret->ca, sizeof(ret->ca), "%s", ca.pem_path);
		(void)snprintf(ret->leaf, sizeof(ret->leaf), "%s", leaf.pem_path);
		(void)snprintf(ret->key, sizeof(ret->key), "%s", leaf.key_path);
	}
	pair_fini(&ca);
	pair_fini(&device);
	pair_fini(&leaf);
	return rc;
}
