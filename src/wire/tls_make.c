/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/tls_make.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

static bool name_add(X509_NAME *name, const char *field, const char *text)
{
	return !text || X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
	                                           (const unsigned char *)text, -1, -1, 0) == 1;
}

static bool extension_add(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);

	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	bool ok = e && X509_add_ext(cert, e, -1) == 1;

	X509_EXTENSION_free(e);
	return ok;
}

static bool extensions_add(X509 *cert, X509 *issuer, const struct tls_make *m)
{
	if (m->is_version_1)
		return true;
	if (!extension_add(cert, issuer, NID_subject_key_identifier, "hash"))
		return false;
	if (m->is_ca)
		return extension_add(cert, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
		       extension_add(cert, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
	return extension_add(cert, issuer, NID_basic_constraints, "CA:FALSE") &&
	       (!m->usage || extension_add(cert, issuer, NID_ext_key_usage, m->usage)) &&
	       (!m->alternative_names ||
	        extension_add(cert, issuer, NID_subject_alt_name, m->alternative_names));
}

/* time_t ends in 2038 on 32-bit machines. */
static bool set_time(ASN1_TIME *at, int64_t wall_ms)
{
	time_t epoch = 0;

	return X509_time_adj_ex(at, (int)(wall_ms / 86400000), (long)(wall_ms / 1000 % 86400),
	                        &epoch) != NULL;
}

static bool certificate_fill(X509 *cert, EVP_PKEY *key, X509 *issuer, const struct tls_make *m)
{
	X509_NAME *name = X509_get_subject_name(cert);
	BIGNUM *serial = BN_new();
	bool ok = BN_rand(serial, 63, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	          BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;

	BN_free(serial);
	return ok && X509_set_version(cert, m->is_version_1 ? 0 : 2) == 1 &&
	       set_time(X509_getm_notBefore(cert), m->not_before_ms) &&
	       set_time(X509_getm_notAfter(cert), m->not_after_ms) &&
	       name_add(name, "C", m->country) && name_add(name, "O", m->organization) &&
	       name_add(name, "CN", m->cn) && name_add(name, "CN", m->second_cn) &&
	       X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
	       X509_set_pubkey(cert, key) == 1 && extensions_add(cert, issuer, m);
}

static char *bio_steal(BIO *b)
{
	char *bytes = NULL;
	long n = BIO_get_mem_data(b, &bytes);
	char *text = mem_new((size_t)n + 1);

	if (n > 0)
		memcpy(text, bytes, (size_t)n);
	BIO_free(b);
	return text;
}

static X509 *read_certificate(const char *pem)
{
	BIO *b = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(b, NULL, NULL, NULL);

	BIO_free(b);
	return cert;
}

static EVP_PKEY *read_key(const char *pem)
{
	BIO *b = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);

	BIO_free(b);
	return key;
}

int tls_make_certificate(const struct tls_make *m, char **ret_pem, char **ret_key_pem,
                         struct err *err)
{
	X509 *cert = X509_new(), *issuer = m->issuer_pem ? read_certificate(m->issuer_pem) : NULL;
	EVP_PKEY *key = EVP_RSA_gen(2048),
		 *issuer_key = m->issuer_key_pem ? read_key(m->issuer_key_pem) : NULL;
	bool has_issuer = !m->issuer_pem || (issuer && issuer_key);
	int rc = 0;

	if (cert && key && has_issuer && certificate_fill(cert, key, issuer ? issuer : cert, m) &&
	    X509_sign(cert, issuer_key ? issuer_key : key, EVP_sha256()) > 0) {
		BIO *a = BIO_new(BIO_s_mem()), *b = BIO_new(BIO_s_mem());

		PEM_write_bio_X509(a, cert);
		PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
		*ret_pem = bio_steal(a);
		*ret_key_pem = bio_steal(b);
	} else {
		const char *reason = ERR_reason_error_string(ERR_peek_error());

		rc = err_set(err, -EINVAL, "making a certificate for '%s': %s", m->cn,
		             reason ? reason : "the issuer's certificate or key is unreadable");
	}
	ERR_clear_error();
	X509_free(cert);
	X509_free(issuer);
	EVP_PKEY_free(key);
	EVP_PKEY_free(issuer_key);
	return rc;
}

bool tls_pem_sha256(const char *pem, uint8_t ret[32])
{
	X509 *cert = read_certificate(pem);
	unsigned n = 0;
	bool ok = cert && X509_digest(cert, EVP_sha256(), ret, &n) == 1 && n == 32;

	X509_free(cert);
	ERR_clear_error();
	return ok;
}
