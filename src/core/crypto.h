/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crypto: digests, random bytes, passwords and ids, from OpenSSL and libsodium.
 *
 * Thread: any. crypto_password_hash() and _verify() take tens of milliseconds and 64 MB on
 * purpose: on a worker.
 */

#pragma once

#include "base/base.h"

struct err;

#define CRYPTO_SHA256_SIZE 32
#define CRYPTO_HEX_SIZE (2 * CRYPTO_SHA256_SIZE + 1)
#define CRYPTO_PASSWORD_SIZE 128
#define ID_SIZE 27 /* 26 characters and the NUL */

/* Once per process, before anything else here. Aborts if libsodium cannot start. */
void crypto_init(void);

void crypto_random(void *bytes, size_t size);

/* `n` characters of a-z, A-Z, 0-9 and a NUL into `dst` (n + 1 bytes): 5.95 bits each. */
void crypto_random_text(char *dst, size_t n);

void crypto_sha256(uint8_t dst[CRYPTO_SHA256_SIZE], const void *bytes, size_t size);
void crypto_hmac_sha256(uint8_t dst[CRYPTO_SHA256_SIZE], const void *key, size_t key_size,
                        const void *bytes, size_t size);

/* CRC32C (Castagnoli, RFC 3720), continued from `crc`, 0 at first; by instruction where the
 * processor has one. */
uint32_t crypto_crc32c(uint32_t crc, const void *bytes, size_t size);

/* SHA-256 of bytes that come in pieces. */
struct crypto_digest;
struct crypto_digest *crypto_digest_new(void);
void crypto_digest_add(struct crypto_digest *d, const void *bytes, size_t size);
/* What was added until now, as 64 lower-case hex digits and a NUL; more may be added. */
void crypto_digest_hex(const struct crypto_digest *d, char dst[CRYPTO_HEX_SIZE]);
void crypto_digest_free(struct crypto_digest *d); /* NULL is allowed */

/* Of a file, read to its end: -errno, or the number of its bytes in *ret_size (may be NULL). */
int crypto_sha256_file(const char *path, char dst[CRYPTO_HEX_SIZE], uint64_t *ret_size,
                       struct err *err) MUST_CHECK;

/* Constant time. */
bool crypto_equal(const void *a, const void *b, size_t size);

/* Argon2id, as a string that holds its parameters and salt. */
void crypto_password_hash(char dst[CRYPTO_PASSWORD_SIZE], const char *password);
bool crypto_password_verify(const char *hash, const char *password);

/* Base64 (RFC 4648 §4, padded) of `size` bytes; free() it. */
char *crypto_base64(const void *bytes, size_t size);
/* The reverse into `dst` of `max` bytes; false if malformed or too long. Blanks are skipped. */
bool crypto_unbase64(void *dst, size_t max, size_t *ret_size, const char *text);

/* A new id: 26 characters of Crockford's base 32 (ULID): 48 bits of wall time, 80 of chance; they
 * sort by time. Returns `dst`. */
const char *id_new(char dst[ID_SIZE], int64_t wall_ms);
/* Has the form of an id, and so is safe as a file name. */
bool id_is_valid(const char *s);
