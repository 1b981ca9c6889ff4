/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/tls_judge.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/crypto.h"
#include "wire/tls_stream.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void tls_judge_init(struct tls_judge *j, const struct tls_client *c)
{
	j->trust = c->trust;
	j->ca_pem = mem_str(c->ca_pem);
	j->ca_file = mem_str(c->ca_file);
	j->expected_cn = mem_str(c->expected_cn);
	j->expected_host = mem_str(c->expected_host);
	memcpy(j->pin, c->pin, sizeof(j->pin));
}

void tls_judge_fini(struct tls_judge *j)
{
	free(j->ca_pem);
	free(j->ca_file);
	free(j->expected_cn);
	free(j->expected_host);
	*j = (struct tls_judge){ 0 };
}

static int64_t asn1_ms(const ASN1_TIME *at)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;
	/* Not by time_t, which ends in 2038 on 32-bit machines; certificates do not. */
	bool ok = epoch && ASN1_TIME_diff(&days, &seconds, epoch, at) == 1;

	ASN1_TIME_free(epoch);
	return ok ? (days * INT64_C(86400) + seconds) * 1000 : 0;
}

static void read_leaf(struct tls_leaf *leaf, X509 *cert)
{
	unsigned n = 0;

	memset(leaf, 0, sizeof(*leaf));
	X509_digest(cert, EVP_sha256(), leaf->sha256, &n);
	X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, leaf->subject_cn,
	                          sizeof(leaf->subject_cn));
	X509_NAME_oneline(X509_get_issuer_name(cert), leaf->issuer, sizeof(leaf->issuer));
	text_clean(leaf->subject_cn);
	text_clean(leaf->issuer);
	leaf->not_before_ms = asn1_ms(X509_get0_notBefore(cert));
	leaf->not_after_ms = asn1_ms(X509_get0_notAfter(cert));
}

static bool refuse(struct tls_leaf *leaf, const char *fmt, ...) PRINTF_LIKE(2, 3);

static bool refuse(struct tls_leaf *leaf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	/* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): clang-tidy 14 with several files */
	(void)vsnprintf(leaf->reason, sizeof(leaf->reason), fmt, ap);
	va_end(ap);
	return false;
}

/* `at_fault`: the certificate of the chain that is out of its time, maybe a CA's. */
static bool refuse_time(const struct tls_evidence *e, bool is_early, X509 *at_fault,
                        struct tls_leaf *leaf)
{
	char now[WHEN_TEXT_SIZE], edge[WHEN_TEXT_SIZE];
	bool is_own = !at_fault || at_fault == e->leaf;
	const char *whose = is_own ? "the certificate of" : "the certificate of the CA above";

	when_iso(now, e->wall_ms);
	if (is_early) {
		when_iso(edge,
		         is_own ? leaf->not_before_ms : asn1_ms(X509_get0_notBefore(at_fault)));
		return refuse(leaf,
		              "%s %s is valid only from %s on, and this computer's clock says %s; "
		              "set the clock",
		              whose, e->peer, edge, now);
	}
	when_iso(edge, is_own ? leaf->not_after_ms : asn1_ms(X509_get0_notAfter(at_fault)));
	return refuse(leaf,
	              "%s %s ran out on %s, and this computer's clock says %s; if the clock is "
	              "right, pin the certificate",
	              whose, e->peer, edge, now);
}

static bool refuse_chain(const struct tls_evidence *e, int code, X509 *at_fault, bool is_web,
                         struct tls_leaf *leaf)
{
	if (code == X509_V_ERR_CERT_NOT_YET_VALID || code == X509_V_ERR_CERT_HAS_EXPIRED)
		return refuse_time(e, code == X509_V_ERR_CERT_NOT_YET_VALID, at_fault, leaf);
	if (code == X509_V_ERR_INVALID_PURPOSE && !is_web)
		return refuse(
			leaf,
			"the certificate of %s (CN '%.40s') is not made for a server, so it is "
			"no printer's; nothing was sent to it. Check the address",
			e->peer, leaf->subject_cn);
	return refuse(leaf,
	              "the certificate of %s (CN '%.40s') does not chain to the %s CAs (%s); "
	              "nothing was sent to it. If it is the right one, compare the fingerprint and "
	              "pin it",
	              e->peer, leaf->subject_cn, is_web ? "system's" : "maker's",
	              X509_verify_cert_error_string(code));
}

static unsigned store_add_pem(X509_STORE *store, BIO *b)
{
	X509 *cert;
	unsigned n = 0;

	while (b && (cert = PEM_read_bio_X509(b, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	BIO_free(b);
	ERR_clear_error();
	return n;
}

/* With the store filled: the verdict of OpenSSL about the chain. */
static bool judge_by_store(X509_STORE *store, const struct tls_evidence *e, bool is_web,
                           struct tls_leaf *leaf)
{
	X509_STORE_CTX *x = X509_STORE_CTX_new();
	bool is_good = false;

	if (X509_STORE_CTX_init(x, store, e->leaf, e->untrusted) == 1) {
		/* A stored intermediate is as good as its root; newer printers send the leaf alone. */
		X509_STORE_CTX_set_flags(x, X509_V_FLAG_PARTIAL_CHAIN);
		X509_STORE_CTX_set_purpose(x, X509_PURPOSE_SSL_SERVER);
		X509_STORE_CTX_set_time(x, 0, (time_t)(e->wall_ms / 1000));
		is_good = X509_verify_cert(x) == 1;
	}
	if (!is_good)
		(void)refuse_chain(e, X509_STORE_CTX_get_error(x),
		                   X509_STORE_CTX_get_current_cert(x), is_web, leaf);
	X509_STORE_CTX_free(x);
	return is_good;
}

/* The store lives for this call only: it would be most of a connection's memory. */
static bool judge_chain(const struct tls_judge *j, const struct tls_evidence *e,
                        struct tls_leaf *leaf)
{
	X509_STORE *store = X509_STORE_new();
	bool is_good;

	if (j->trust == TLS_TRUST_WEB && !j->ca_file)
		(void)X509_STORE_set_default_paths(store);
	if (j->ca_pem)
		(void)store_add_pem(store, BIO_new_mem_buf(j->ca_pem, -1));
	if (j->ca_file && store_add_pem(store, BIO_new_file(j->ca_file, "r")) == 0)
		is_good =
			refuse(leaf,
		               "the file of CAs '%.200s' cannot be read or holds no certificate in "
		               "PEM form, so %s cannot be trusted",
		               j->ca_file, e->peer);
	else
		is_good = judge_by_store(store, e, j->trust == TLS_TRUST_WEB, leaf);
	X509_STORE_free(store);
	ERR_clear_error();
	return is_good;
}

/* Byte by byte, so that no NUL, no encoding and no second CN can hide a difference. */
static bool judge_name(const struct tls_judge *j, const struct tls_evidence *e,
                       struct tls_leaf *leaf)
{
	X509_NAME *name = X509_get_subject_name(e->leaf);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	size_t n = j->expected_cn ? strlen(j->expected_cn) : 0;

	if (!j->expected_cn)
		return true;
	if (at < 0)
		return refuse(leaf,
		              "the certificate of %s names nobody, not serial '%.40s'; nothing was "
		              "sent to it. Check the address",
		              e->peer, j->expected_cn);
	if (X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return refuse(leaf,
		              "the certificate of %s names two owners, which no printer's does; "
		              "nothing was sent to it. Check the address",
		              e->peer);

	const ASN1_STRING *cn = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));

	if ((size_t)ASN1_STRING_length(cn) == n &&
	    memcmp(ASN1_STRING_get0_data(cn), j->expected_cn, n) == 0)
		return true;
	return refuse(
		leaf,
		"%s is another printer: its certificate is made out to '%.40s', not to serial "
		"'%.40s'; check address and serial (capital letters count)",
		e->peer, leaf->subject_cn, j->expected_cn);
}

static bool judge_host(const struct tls_judge *j, const struct tls_evidence *e,
                       struct tls_leaf *leaf)
{
	const char *host = j->expected_host ? j->expected_host : "";

	if (X509_check_ip_asc(e->leaf, host, 0) == 1 ||
	    X509_check_host(e->leaf, host, 0, 0, NULL) == 1)
		return true;
	return refuse(leaf,
	              "the certificate of %s is not made out to '%.100s' (but to '%.40s'); nothing "
	              "was sent to it. If it is the right one, compare the fingerprint and pin it",
	              e->peer, host, leaf->subject_cn);
}

static bool judge_pin(const struct tls_judge *j, const struct tls_evidence *e,
                      struct tls_leaf *leaf)
{
	return crypto_equal(leaf->sha256, j->pin, sizeof(j->pin)) ||
	       refuse(leaf,
	              "the certificate of %s (CN '%.40s') is not the one that was pinned; was it "
	              "renewed, or the device reset or replaced? Compare the fingerprint and pin "
	              "it "
	              "anew",
	              e->peer, leaf->subject_cn);
}

bool tls_judge_decide(const struct tls_judge *j, const struct tls_evidence *e, struct tls_leaf *ret)
{
	bool is_good = false;

	read_leaf(ret, e->leaf);
	switch (j->trust) {
	case TLS_TRUST_CA:
		is_good = (e->is_resumed || judge_chain(j, e, ret)) && judge_name(j, e, ret);
		break;
	case TLS_TRUST_PIN:
		is_good = judge_pin(j, e, ret);
		break;
	case TLS_TRUST_INSECURE:
		is_good = true;
		break;
	case TLS_TRUST_WEB:
		is_good = (e->is_resumed || judge_chain(j, e, ret)) && judge_host(j, e, ret);
		break;
	}
	ret->is_trusted = is_good;
	return is_good;
}

int tls_judge_verify(const struct tls_judge *j, X509_STORE_CTX *x, const char *peer,
                     int64_t wall_ms, struct tls_leaf *ret)
{
	struct tls_evidence e = { .peer = peer,
		                  .wall_ms = wall_ms,
		                  .leaf = X509_STORE_CTX_get0_cert(x),
		                  .untrusted = X509_STORE_CTX_get0_untrusted(x) };
	bool is_good = e.leaf && tls_judge_decide(j, &e, ret);

	X509_STORE_CTX_set_error(x, is_good ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
	return is_good;
}
