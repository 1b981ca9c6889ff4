/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/adopt.h"

#include "app/config.h"
#include "app/control.h"
#include "app/hooks.h"
#include "base/err.h"
#include "base/text.h"
#include "model/json.h"
#include "model/printer.h"
#include "web/server.h"
#include "wire/local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void write_trust(const struct trust *t, char dst[72])
{
	char hex[65];

	text_hex(hex, t->pin, sizeof(t->pin));
	text_copy(dst, 72, t->mode == TRUST_CA ? "ca" : "insecure");
	if (t->mode == TRUST_PIN) {
		text_copy(dst, 72, "sha256:");
		text_copy(dst + strlen("sha256:"), 72 - strlen("sha256:"), hex);
	}
}

int adopt_printer(const char *data_dir, struct printer_config *c, struct err *err)
{
	char trust[72];
	struct err why = { 0 };
	json_t *question, *answer;

	write_trust(&c->trust, trust);
	question = json_pack("{s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, s:s}", "verb", "add_printer",
	                     "name", json_text(c->name), "driver", c->driver, "address",
	                     json_text(c->address), "serial", c->serial, "url", json_text(c->url),
	                     "user", json_text(c->user), "secret",
	                     json_text(secret_peek(&c->access_code)), "trust", trust);
	answer = control_ask(data_dir, question, &why);
	if (answer) {
		TEXT_SET(c->id, json_string_value(json_object_get(answer, "id")));
		json_decref(answer);
		return 1;
	}
	if (why.code == -ENOENT || why.code == -ECONNREFUSED)
		return config_add_printer(data_dir, c, err);
	*err = why;
	return why.code;
}

/* ---- in the daemon ---- */

static void answer_with(struct local_call *call, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	local_answer(call, text);
	free(text);
	json_decref(j);
}

static void on_kept(void *arg, const char *id, const struct field_says *says UNUSED,
                    const struct err *err)
{
	answer_with(arg, err ? json_pack("{s:o}", "error", json_text(err->text))
	                     : json_pack("{s:s}", "id", id));
}

void adopt_asked(struct hooks *h, const json_t *question, struct local_call *call)
{
	struct printer_config c = { .has_camera = true, .offline_after_ms = 60000 };
	const struct {
		const char *key;
		char *dst;
		size_t size;
	} texts[] = {
		{ "name", c.name, sizeof(c.name) },
		{ "driver", c.driver, sizeof(c.driver) },
		{ "address", c.address, sizeof(c.address) },
		{ "serial", c.serial, sizeof(c.serial) },
		{ "url", c.url, sizeof(c.url) },
		{ "user", c.user, sizeof(c.user) },
	};
	const char *trust = json_string_value(json_object_get(question, "trust"));

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		text_copy(texts[i].dst, texts[i].size,
		          json_string_value(json_object_get(question, texts[i].key)));
	TEXT_SET(c.model, "auto");
	secret_set(&c.access_code, json_string_value(json_object_get(question, "secret")));
	if (!trust || !trust_from_text(&c.trust, trust) || !c.name[0])
		answer_with(call, json_pack("{s:s}", "error", "the question is not whole"));
	else
		hooks_add_printer(h, &c, (struct web_keeper){ on_kept, call });
	printer_config_fini(&c);
}
