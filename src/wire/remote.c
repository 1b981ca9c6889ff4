/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/remote.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/crypto.h"
#include "wire/fetch.h"
#include "wire/tls_stream.h"
#include "wire/url.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECT_TIMEOUT_MS 15000L
#define DEFAULT_STALL_MS 30000
#define MAX_REFUSAL 4000
#define SSH_PORT 22
#define HTTP_REFUSED 400

struct remote {
	bool is_sftp, has_tls, uses_agent;
	char *url, *user, *key_file, *known_hosts, *host_key;
	struct secret password, passphrase, header;
	struct tls_judge judge;
	int64_t stall_ms;
	const atomic_bool *is_cancelled;
	char peer[300], host[256];
	CURL *easy;

	/* of the question that is asked */
	struct remote_sink to;
	struct remote_got got;
	uint64_t from;
	int code;           /* what ended it, if that was us */
	struct buf refusal; /* the body of an HTTP answer that refuses */
	bool is_untrusted;
	struct tls_leaf leaf;
	char trouble[400]; /* why the host key, or our key, was refused */
	char why[CURL_ERROR_SIZE];
};

/* ---- trust ---- */

static int on_verify(X509_STORE_CTX *x, void *arg)
{
	struct remote *r = arg;
	int is_trusted =
		tls_judge_verify(&r->judge, x, r->peer, (int64_t)time(NULL) * 1000, &r->leaf);

	r->is_untrusted |= !is_trusted;
	return is_trusted;
}

static CURLcode on_ssl_ctx(CURL *easy, void *ctx, void *arg)
{
	(void)easy;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, arg);
	return CURLE_OK;
}

static const char *key_type_name(int type)
{
	switch (type) {
	case CURLKHTYPE_RSA:
		return "RSA";
	case CURLKHTYPE_DSS:
		return "DSA";
	case CURLKHTYPE_ECDSA:
		return "ECDSA";
	case CURLKHTYPE_ED25519:
		return "ED25519";
	default:
		return "host";
	}
}

/* As ssh-keygen -l shows it: base 64 without its padding. */
static void fingerprint(char dst[64], const void *key, size_t size)
{
	uint8_t digest[CRYPTO_SHA256_SIZE];
	char *text;

	crypto_sha256(digest, key, size);
	text = crypto_base64(digest, sizeof(digest));
	text[strcspn(text, "=")] = '\0';
	(void)snprintf(dst, 64, "SHA256:%.50s", text);
	free(text);
}

static int on_pinned_key(void *arg, int type, const char *key, size_t size)
{
	struct remote *r = arg;
	char shown[64];

	fingerprint(shown, key, size);
	if (strcmp(shown, r->host_key) == 0)
		return CURLKHMATCH_OK;
	r->is_untrusted = true;
	(void)snprintf(r->trouble, sizeof(r->trouble),
	               "%.100s is not the machine it should be, or has a new host key: its %s key "
	               "is %s, and host_key says %.60s. Nothing was sent",
	               r->peer, key_type_name(type), shown, r->host_key);
	return CURLKHMATCH_MISMATCH;
}

static int on_known_key(CURL *easy, const struct curl_khkey *known, const struct curl_khkey *found,
                        enum curl_khmatch match, void *arg)
{
	struct remote *r = arg;
	uint8_t raw[4096];
	size_t n = 0;
	char shown[64] = "unreadable";

	(void)easy;
	(void)known;
	if (match == CURLKHMATCH_OK)
		return CURLKHSTAT_FINE;
	if (found->len > 0)
		fingerprint(shown, found->key, found->len);
	else if (crypto_unbase64(raw, sizeof(raw), &n, found->key))
		fingerprint(shown, raw, n);
	r->is_untrusted = true;
	if (match == CURLKHMATCH_MISMATCH)
		(void)snprintf(r->trouble, sizeof(r->trouble),
		               "the host key of %.100s has CHANGED: it is %s now, and another one "
		               "stands in %.100s. If you know why, remove that one (ssh-keygen -R)",
		               r->peer, shown, r->known_hosts);
	else
		(void)snprintf(
			r->trouble, sizeof(r->trouble),
			"the host key of %.100s is not known: it is %s. If that is what "
			"ssh-keygen -l shows there, write host_key: \"%s\", or add it to %.60s",
			r->peer, shown, shown, r->known_hosts);
	return CURLKHSTAT_REJECT;
}

/* libcurl tells why a key of ours was no good only here. What it says holds no secret. */
static int on_debug(CURL *easy, curl_infotype type, char *text, size_t size, void *arg)
{
	static const char start[] = "SSH public key authentication failed: ";
	struct remote *r = arg;
	size_t n = sizeof(start) - 1;

	(void)easy;
	if (type == CURLINFO_TEXT && size > n && memcmp(text, start, n) == 0) {
		text_copy_n(r->trouble, sizeof(r->trouble), text + n, size - n);
		r->trouble[strcspn(r->trouble, "\r\n")] = '\0';
		text_clean(r->trouble);
	}
	return 0;
}

/* ---- what comes ---- */

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
	struct remote *r = arg;
	long status = 0;

	(void)one;
	if (!r->is_sftp)
		curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 300) {
		buf_add(&r->refusal, bytes, n);
		return n;
	}
	/* The whole of it, although a part was asked for. */
	if (status == 200 && r->from > 0)
		r->code = -ERANGE;
	if (r->code == 0)
		r->code = r->to.received(r->to.arg, bytes, n);
	if (r->code < 0)
		return 0;
	r->got.n_bytes += n;
	return n;
}

static int on_transfer(void *arg, curl_off_t total, curl_off_t got, curl_off_t up_total,
                       curl_off_t up)
{
	struct remote *r = arg;

	(void)total;
	(void)got;
	(void)up_total;
	(void)up;
	if (!r->is_cancelled || !atomic_load(r->is_cancelled))
		return 0;
	r->code = -ECANCELED;
	return 1;
}

/* ---- words ---- */

static int code_of(const struct remote *r, CURLcode rc)
{
	/* Of remote_remove() by SFTP. */
	if (rc == CURLE_QUOTE_ERROR)
		return strstr(r->why, "No such file") ? -ENOENT : -ENXIO;
	switch (rc) {
	case CURLE_REMOTE_FILE_NOT_FOUND:
		return -ENOENT;
	case CURLE_LOGIN_DENIED:
		return -EACCES;
	case CURLE_REMOTE_ACCESS_DENIED:
		return -ENXIO;
	case CURLE_PEER_FAILED_VERIFICATION:
		return -EPERM;
	case CURLE_BAD_DOWNLOAD_RESUME:
		return -ERANGE;
	case CURLE_OPERATION_TIMEDOUT:
		return -ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return -EHOSTUNREACH;
	default:
		return -EIO;
	}
}

static int say_login(const struct remote *r, struct err *err)
{
	if (!r->is_sftp)
		return err_set(err, -EACCES, "%s refuses the API key", r->peer);
	return err_set(err, -EACCES, "%s refuses the user %s%s%s%s%s%s%s", r->peer,
	               r->user ? r->user : "(none)", r->key_file ? " with the key " : "",
	               r->key_file ? r->key_file : "",
	               secret_is_set(&r->password) ? " or with the password" : "",
	               r->uses_agent ? " or with the agent's keys" : "", r->trouble[0] ? ": " : "",
	               r->trouble);
}

static int say(const struct remote *r, CURLcode rc, const char *path, struct err *err)
{
	int code = r->is_untrusted ? -EPERM : code_of(r, rc);
	const char *why = r->why[0] ? r->why : curl_easy_strerror(rc);

	if (r->is_untrusted && r->trouble[0])
		return err_set(err, code, "%s", r->trouble);
	if (r->is_untrusted) {
		char shown[CRYPTO_HEX_SIZE];

		text_hex(shown, r->leaf.sha256, sizeof(r->leaf.sha256));
		return err_set(err, code, "%.340s. Its fingerprint is sha256:%s", r->leaf.reason,
		               shown);
	}
	switch (code) {
	case -ENOENT:
		return err_set(err, code, "%s has no %s", r->peer, path);
	case -EACCES:
		return say_login(r, err);
	case -ENXIO:
		return err_set(err, code, "%s does not allow %s", r->peer, path);
	case -ERANGE:
		return err_set(err, code, "%s on %s is shorter than it was", path, r->peer);
	case -ETIMEDOUT:
		return err_set(err, code, "%s does not answer any more", r->peer);
	case -EHOSTUNREACH:
		return err_set(err, code, "%s cannot be reached (%s)", r->peer, why);
	default:
		return err_set(err, code, "%s: %s", r->peer, why);
	}
}

static int judge_status(const struct remote *r, long status, const char *path, struct err *err)
{
	json_t *body = json_loadb(buf_peek(&r->refusal), r->refusal.size, 0, NULL);
	char text[200] = "";
	int code = -EIO;

	TEXT_SET(text, json_string_value(json_object_get(json_object_get(body, "error"), "text")));
	json_decref(body);
	text_clean(text);
	if (status == 401)
		return say_login(r, err);
	if (status == 403)
		return err_set(err, -EACCES, "%s: %s", r->peer,
		               text[0] ? text : "the API key is for less");
	if (status == 404 || status == 410)
		code = -ENOENT;
	if (status == 416)
		code = -ERANGE;
	if (status == 409 || status == 503 || status == 429)
		code = -EBUSY;
	if (status < HTTP_REFUSED)
		return err_set(err, -EIO, "%s sends us elsewhere (HTTP %ld): is the address right?",
		               r->peer, status);
	return err_set(err, code, "%s: %s (HTTP %ld for %.100s)", r->peer,
	               text[0] ? text : "this does not work", status, path);
}

/* ---- asking ---- */

static void set_logins(struct remote *r)
{
	unsigned long kinds = 0;
	CURL *e = r->easy;

	if (r->key_file) {
		kinds |= CURLSSH_AUTH_PUBLICKEY;
		curl_easy_setopt(e, CURLOPT_SSH_PRIVATE_KEYFILE, r->key_file);
		if (secret_is_set(&r->passphrase))
			curl_easy_setopt(e, CURLOPT_KEYPASSWD, secret_peek(&r->passphrase));
	}
	if (r->uses_agent)
		kinds |= CURLSSH_AUTH_AGENT;
	if (secret_is_set(&r->password)) {
		kinds |= CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD;
		curl_easy_setopt(e, CURLOPT_PASSWORD, secret_peek(&r->password));
	}
	curl_easy_setopt(e, CURLOPT_SSH_AUTH_TYPES, (long)kinds);
	if (r->user)
		curl_easy_setopt(e, CURLOPT_USERNAME, r->user);
}

static void set_host_key(struct remote *r)
{
	CURL *e = r->easy;

	if (r->host_key) {
		curl_easy_setopt(e, CURLOPT_SSH_HOSTKEYFUNCTION, on_pinned_key);
		curl_easy_setopt(e, CURLOPT_SSH_HOSTKEYDATA, r);
		return;
	}
	curl_easy_setopt(e, CURLOPT_SSH_KNOWNHOSTS, r->known_hosts ? r->known_hosts : "/dev/null");
	curl_easy_setopt(e, CURLOPT_SSH_KEYFUNCTION, on_known_key);
	curl_easy_setopt(e, CURLOPT_SSH_KEYDATA, r);
}

static void set_tls(struct remote *r)
{
	if (!r->has_tls)
		return;
	curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(r->easy, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(r->easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	curl_easy_setopt(r->easy, CURLOPT_SSL_CTX_DATA, r);
}

static void set_options(struct remote *r)
{
	CURL *e = r->easy;

	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, r->is_sftp ? "sftp" : "http,https");
	curl_easy_setopt(e, CURLOPT_PROXY, "");
	curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->why);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
	curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_transfer);
	curl_easy_setopt(e, CURLOPT_XFERINFODATA, r);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)((r->stall_ms + 999) / 1000));
	curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(e, CURLOPT_FILETIME, 1L);
	if (r->is_sftp) {
		curl_easy_setopt(e, CURLOPT_VERBOSE, 1L);
		curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, on_debug);
		curl_easy_setopt(e, CURLOPT_DEBUGDATA, r);
		set_logins(r);
		set_host_key(r);
	} else {
		curl_easy_setopt(e, CURLOPT_USERAGENT, "Bedside");
		set_tls(r);
	}
}

static char *copy_text(const char *text)
{
	return text && text[0] ? mem_str(text) : NULL;
}

static void set_peer(struct remote *r)
{
	struct url u = { 0 };

	if (url_parse(r->url, &u, NULL) == 0) {
		TEXT_SET(r->host, u.host);
		r->is_sftp = strcmp(u.scheme, "sftp") == 0;
		TEXT_SET(r->peer, u.host);
		if (u.port || r->is_sftp)
			(void)snprintf(r->peer, sizeof(r->peer), "%s:%u", u.host,
			               u.port ? u.port : SSH_PORT);
	}
	url_fini(&u);
}

struct remote *remote_new(const struct remote_target *t)
{
	struct remote *r = MEM_NEW(struct remote);

	r->url = mem_str(t->url);
	r->user = copy_text(t->user);
	r->key_file = copy_text(t->key_file);
	r->known_hosts = copy_text(t->known_hosts);
	r->host_key = copy_text(t->host_key);
	secret_set(&r->password, t->password);
	secret_set(&r->passphrase, t->key_passphrase);
	secret_set(&r->header, t->header);
	r->uses_agent = t->uses_agent;
	r->stall_ms = t->stall_ms ? t->stall_ms : DEFAULT_STALL_MS;
	r->is_cancelled = t->is_cancelled;
	r->has_tls = t->tls;
	if (t->tls)
		tls_judge_init(&r->judge, t->tls);
	set_peer(r);
	buf_init(&r->refusal, MAX_REFUSAL);
	r->easy = curl_easy_init();
	if (!r->easy)
		abort(); /* out of memory */
	set_options(r);
	return r;
}

void remote_free(struct remote *r)
{
	if (!r)
		return;
	curl_easy_cleanup(r->easy);
	ERR_clear_error();
	buf_fini(&r->refusal);
	tls_judge_fini(&r->judge);
	secret_fini(&r->password);
	secret_fini(&r->passphrase);
	secret_fini(&r->header);
	free(r->url);
	free(r->user);
	free(r->key_file);
	free(r->known_hosts);
	free(r->host_key);
	free(r);
}

bool remote_is_sftp(const struct remote *r)
{
	return r->is_sftp;
}

const char *remote_peer(const struct remote *r)
{
	return r->peer;
}

/* One question; the easy handle's options of it are set. */
static int ask(struct remote *r, const char *path, struct err *err)
{
	struct curl_slist *headers = NULL;
	long status = 0;
	CURLcode rc;

	r->got = (struct remote_got){ .modified_s = -1 };
	r->code = 0;
	r->is_untrusted = false;
	r->leaf.reason[0] = r->why[0] = r->trouble[0] = '\0';
	buf_clear(&r->refusal);
	if (secret_is_set(&r->header))
		headers = curl_slist_append(NULL, secret_peek(&r->header));
	curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, headers);
	rc = curl_easy_perform(r->easy);
	curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	ERR_clear_error();

	curl_off_t at = -1;

	if (curl_easy_getinfo(r->easy, CURLINFO_FILETIME_T, &at) == CURLE_OK)
		r->got.modified_s = at;
	if (!r->is_sftp)
		curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (r->code == -ECANCELED)
		return err_set(err, r->code, "ended");
	if (r->code == -ERANGE)
		return err_set(err, r->code, "%s sends no part of a file", r->peer);
	if (r->code < 0)
		return r->code; /* said by who said it */
	if (rc != CURLE_OK)
		return say(r, rc, path, err);
	return status >= 300 ? judge_status(r, status, path, err) : 0;
}

static void set_url(struct remote *r, const char *path, bool is_folder)
{
	auto_buf struct buf b = { 0 };
	char *escaped = r->is_sftp ? fetch_escape_path(path) : NULL;

	buf_printf(&b, "%s%s%s", r->url, escaped ? escaped : path, is_folder ? "/" : "");
	free(escaped);
	curl_easy_setopt(r->easy, CURLOPT_URL, buf_peek(&b));
}

int remote_read(struct remote *r, const char *path, uint64_t from, const struct remote_sink *to,
                struct remote_got *ret, struct err *err)
{
	int rc;

	set_url(r, path, false);
	r->to = *to;
	r->from = from;
	curl_easy_setopt(r->easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)from);
	rc = ask(r, path, err);
	curl_easy_setopt(r->easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)0);
	*ret = r->got;
	return rc;
}

static int add_text(void *arg, const void *bytes, size_t size)
{
	struct buf *b = arg;

	buf_add(b, bytes, size);
	return b->overflown ? -EFBIG : 0;
}

int remote_text(struct remote *r, const char *path, size_t max, struct buf *ret, struct err *err)
{
	size_t n = strlen(path);
	int rc;

	buf_init(ret, max);
	set_url(r, path, r->is_sftp && (n == 0 || path[n - 1] != '/'));
	r->to = (struct remote_sink){ add_text, ret };
	r->from = 0;
	rc = ask(r, path, err);
	if (rc == -EFBIG)
		(void)err_set(err, rc, "what %s says of %s is too long", r->peer, path);
	if (rc < 0)
		buf_fini(ret);
	return rc;
}

/* A command of libcurl's SFTP, which takes names in quotes with '\' before what would end them. */
static void write_command(struct buf *b, const char *path)
{
	buf_add_str(b, "rm \"");
	if (text_starts(path, "/~/"))
		path += 3;
	for (; *path; path++) {
		if (*path == '"' || *path == '\\')
			buf_add_char(b, '\\');
		buf_add_char(b, *path);
	}
	buf_add_char(b, '"');
}

static int nothing_received(void *arg, const void *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
	return 0;
}

static int remove_by_sftp(struct remote *r, const char *path, struct err *err)
{
	auto_buf struct buf command = { 0 };
	struct curl_slist *commands;
	int rc;

	write_command(&command, path);
	commands = curl_slist_append(NULL, buf_peek(&command));
	set_url(r, "/", false);
	curl_easy_setopt(r->easy, CURLOPT_QUOTE, commands);
	curl_easy_setopt(r->easy, CURLOPT_NOBODY, 1L);
	rc = ask(r, path, err);
	curl_easy_setopt(r->easy, CURLOPT_NOBODY, 0L);
	curl_easy_setopt(r->easy, CURLOPT_QUOTE, NULL);
	curl_slist_free_all(commands);
	return rc;
}

int remote_remove(struct remote *r, const char *path, struct err *err)
{
	int rc;

	r->to = (struct remote_sink){ nothing_received, NULL };
	r->from = 0;
	if (r->is_sftp)
		return remove_by_sftp(r, path, err);
	set_url(r, path, false);
	curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
	rc = ask(r, path, err);
	curl_easy_setopt(r->easy, CURLOPT_CUSTOMREQUEST, NULL);
	return rc;
}
