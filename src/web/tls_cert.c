/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/tls_cert.h"

#include "base/err.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VALID_DAYS 3650

static bool add_names(X509 *cert, const char *host)
{
	char names[400];
	X509V3_CTX ctx;

	snprintf(names, sizeof(names), "DNS:%s,DNS:localhost,IP:127.0.0.1,IP:::1", host);
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);

	X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, names);
	X509_EXTENSION *basic =
		X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, "critical,CA:FALSE");
	X509_EXTENSION *usage = X509V3_EXT_conf_nid(NULL, &ctx, NID_ext_key_usage, "serverAuth");
	bool is_good = san && basic && usage && X509_add_ext(cert, san, -1) &&
	               X509_add_ext(cert, basic, -1) && X509_add_ext(cert, usage, -1);

	X509_EXTENSION_free(san);
	X509_EXTENSION_free(basic);
	X509_EXTENSION_free(usage);
	return is_good;
}

static X509 *make_cert(EVP_PKEY *key, int64_t now_wall_ms)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_NAME_new();
	char host[65] = "bedside";
	uint8_t serial[16];
	BIGNUM *bn;

	if (gethostname(host, sizeof(host) - 1) < 0 || !host[0] ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") <
	            strlen(host))
		TEXT_SET(host, "bedside");
	crypto_random(serial, sizeof(serial));
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	X509_set_version(cert, 2);
	BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
	BN_free(bn);
	/* A day earlier, for clocks that are not quite right. */
	ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now_wall_ms / 1000 - 86400));
	ASN1_TIME_set(X509_getm_notAfter(cert),
	              (time_t)(now_wall_ms / 1000 + VALID_DAYS * INT64_C(86400)));
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1,
	                           0);
	X509_set_subject_name(cert, name);
	X509_set_issuer_name(cert, name);
	X509_NAME_free(name);
	X509_set_pubkey(cert, key);
	if (!add_names(cert, host) || X509_sign(cert, key, EVP_sha256()) == 0) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

static int write_pem(const char *path, unsigned mode, X509 *cert, EVP_PKEY *key, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	int rc = -EIO;

	if (cert ? PEM_write_bio_X509(bio, cert)
	         : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) {
		long size = BIO_get_mem_data(bio, &text);

		rc = fs_write_atomic(path, text, (size_t)size, mode, err);
	} else {
		(void)err_set(err, rc, "writing %s failed", path);
	}
	BIO_free(bio);
	return rc;
}

int tls_cert_make(const char *cert_file, const char *key_file, int64_t now_wall_ms, struct err *err)
{
	if (access(cert_file, R_OK) == 0 && access(key_file, R_OK) == 0)
		return 0;

	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? make_cert(key, now_wall_ms) : NULL;
	int rc = cert ? write_pem(key_file, 0600, NULL, key, err)
	              : err_set(err, -EIO, "making a certificate failed");

	if (rc == 0)
		rc = write_pem(cert_file, 0644, cert, NULL, err);
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc;
}

int tls_cert_fingerprint(const char *cert_file, char dst[65], struct err *err)
{
	FILE *f = fopen(cert_file, "re");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (f)
		(void)fclose(f);
	if (!cert)
		return err_set(err, -EINVAL, "'%s' is no certificate in PEM form that can be read",
		               cert_file);
	X509_digest(cert, EVP_sha256(), digest, &n);
	X509_free(cert);
	text_hex(dst, digest, 32);
	return 0;
}
