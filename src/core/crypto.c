/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/crypto.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static_assert(CRYPTO_PASSWORD_SIZE == crypto_pwhash_STRBYTES, "libsodium's string size");

#define FILE_PIECE ((size_t)256 << 10)

static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

void crypto_init(void)
{
	if (sodium_init() < 0) {
		fputs("bedside: libsodium does not start\n", stderr);
		abort();
	}
}

void crypto_random(void *bytes, size_t size)
{
	randombytes_buf(bytes, size);
}

void crypto_random_text(char *dst, size_t n)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	for (size_t i = 0; i < n; i++)
		dst[i] = letters[randombytes_uniform(sizeof(letters) - 1)];
	dst[n] = '\0';
}

void crypto_sha256(uint8_t dst[CRYPTO_SHA256_SIZE], const void *bytes, size_t size)
{
	int ok = EVP_Digest(bytes, size, dst, NULL, EVP_sha256(), NULL);

	assert(ok == 1);
	(void)ok;
}

struct crypto_digest {
	EVP_MD_CTX *ctx;
};

struct crypto_digest *crypto_digest_new(void)
{
	struct crypto_digest *d = MEM_NEW(struct crypto_digest);

	d->ctx = EVP_MD_CTX_new();
	assert(d->ctx);

	int ok = EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL);

	assert(ok == 1);
	(void)ok;
	return d;
}

void crypto_digest_add(struct crypto_digest *d, const void *bytes, size_t size)
{
	int ok = EVP_DigestUpdate(d->ctx, bytes, size);

	assert(ok == 1);
	(void)ok;
}

void crypto_digest_hex(const struct crypto_digest *d, char dst[CRYPTO_HEX_SIZE])
{
	uint8_t bytes[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool ok = copy && EVP_MD_CTX_copy_ex(copy, d->ctx) == 1 &&
	          EVP_DigestFinal_ex(copy, bytes, NULL) == 1;

	assert(ok);
	(void)ok;
	EVP_MD_CTX_free(copy);
	text_hex(dst, bytes, CRYPTO_SHA256_SIZE);
}

void crypto_digest_free(struct crypto_digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

static int digest_file(struct crypto_digest *d, int fd, uint64_t *ret_size)
{
	uint8_t *piece = mem_new(FILE_PIECE);
	ssize_t n;

	*ret_size = 0;
	while ((n = read(fd, piece, FILE_PIECE)) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		crypto_digest_add(d, piece, (size_t)n);
		*ret_size += (uint64_t)n;
	}

	int rc = n < 0 ? -errno : 0;

	free(piece);
	return rc;
}

int crypto_sha256_file(const char *path, char dst[CRYPTO_HEX_SIZE], uint64_t *ret_size,
                       struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct crypto_digest *d;
	uint64_t size;
	int rc;

	if (fd < 0)
		return err_sys(err, "opening %s", path);
	d = crypto_digest_new();
	rc = digest_file(d, fd, &size);
	if (rc == 0)
		crypto_digest_hex(d, dst);
	crypto_digest_free(d);
	errno = -rc;
	if (rc < 0)
		return err_sys(err, "reading %s", path);
	if (ret_size)
		*ret_size = size;
	return 0;
}

void crypto_hmac_sha256(uint8_t dst[CRYPTO_SHA256_SIZE], const void *key, size_t key_size,
                        const void *bytes, size_t size)
{
	assert(key_size < INT32_MAX);

	const uint8_t *mac = HMAC(EVP_sha256(), key, (int)key_size, bytes, size, dst, NULL);

	assert(mac);
	(void)mac;
}

/* Polynomial 0x1EDC6F41, reflected; eight tables, eight bytes a step. */
static void make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78U : c >> 1;
		crc_table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++) {
			uint32_t c = crc_table[k - 1][i];

			crc_table[k][i] = c >> 8 ^ crc_table[0][c & 0xff];
		}
	}
}

static uint32_t crc_by_table(uint32_t c, const uint8_t *p, size_t size)
{
	pthread_once(&crc_once, make_crc_table);
	for (; size >= 8; size -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8); /* little-endian machines only: the four we build for */
		v ^= c;
		c = crc_table[7][v & 0xff] ^ crc_table[6][v >> 8 & 0xff] ^
		    crc_table[5][v >> 16 & 0xff] ^ crc_table[4][v >> 24 & 0xff] ^
		    crc_table[3][v >> 32 & 0xff] ^ crc_table[2][v >> 40 & 0xff] ^
		    crc_table[1][v >> 48 & 0xff] ^ crc_table[0][v >> 56];
	}
	for (; size > 0; size--, p++)
		c = c >> 8 ^ crc_table[0][(c ^ *p) & 0xff];
	return c;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(uint32_t c, const uint8_t *p,
                                                                     size_t size)
{
	uint64_t wide = c;

	for (; size >= 8; size -= 8, p += 8) {
		uint64_t v;

		memcpy(&v, p, 8);
		wide = __builtin_ia32_crc32di(wide, v);
	}
	c = (uint32_t)wide;
	for (; size > 0; size--, p++)
		c = __builtin_ia32_crc32qi(c, *p);
	return c;
}
#endif

uint32_t crypto_crc32c(uint32_t crc, const void *bytes, size_t size)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_by_instruction(~crc, bytes, size);
#endif
	return ~crc_by_table(~crc, bytes, size);
}

bool crypto_equal(const void *a, const void *b, size_t size)
{
	return sodium_memcmp(a, b, size) == 0;
}

void crypto_password_hash(char dst[CRYPTO_PASSWORD_SIZE], const char *password)
{
	if (crypto_pwhash_str(dst, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
	                      crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
		fputs("bedside: no memory to hash a password\n", stderr);
		abort();
	}
}

bool crypto_password_verify(const char *hash, const char *password)
{
	return crypto_pwhash_str_verify(hash, password, strlen(password)) == 0;
}

char *crypto_base64(const void *bytes, size_t size)
{
	size_t n = sodium_base64_encoded_len(size, sodium_base64_VARIANT_ORIGINAL);
	char *text = mem_new(n);

	return sodium_bin2base64(text, n, bytes, size, sodium_base64_VARIANT_ORIGINAL);
}

bool crypto_unbase64(void *dst, size_t max, size_t *ret_size, const char *text)
{
	return sodium_base642bin(dst, max, text, strlen(text), " \r\n\t", ret_size, NULL,
	                         sodium_base64_VARIANT_ORIGINAL) == 0;
}

static const char crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const char *id_new(char dst[ID_SIZE], int64_t wall_ms)
{
	uint8_t chance[16];
	uint64_t t = (uint64_t)wall_ms;

	crypto_random(chance, sizeof(chance));
	for (int i = 9; i >= 0; i--, t >>= 5)
		dst[i] = crockford[t & 31];
	for (int i = 0; i < 16; i++)
		dst[10 + i] = crockford[chance[i] & 31];
	dst[26] = '\0';
	return dst;
}

bool id_is_valid(const char *s)
{
	return strlen(s) == ID_SIZE - 1 && strspn(s, crockford) == ID_SIZE - 1;
}
