/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/route.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static json_t *ref_to(const char *name, size_t size)
{
	char ref[100];

	snprintf(ref, sizeof(ref), "#/components/schemas/%.*s", (int)size, name);
	return json_pack("{s:s}", "$ref", ref);
}

/* One type word of a shape: "string", "[film]", "time". */
static json_t *type_schema(const char *word, size_t size)
{
	static const char *const plain[] = { "string", "integer", "number", "boolean", "object" };

	if (word[0] == '[')
		return json_pack("{s:s, s:o}", "type", "array", "items",
		                 type_schema(word + 1, size - 2));
	if (size == 4 && memcmp(word, "time", 4) == 0)
		return json_pack("{s:s, s:s}", "type", "string", "format", "date-time");
	for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
		if (strlen(plain[i]) == size && memcmp(word, plain[i], size) == 0)
			return json_pack("{s:s}", "type", plain[i]);
	}
	return ref_to(word, size);
}

static json_t *nullable(json_t *schema)
{
	json_t *type = json_object_get(schema, "type");

	if (!type)
		return json_pack("{s:[o, {s:s}]}", "anyOf", schema, "type", "null");
	json_object_set_new(schema, "type", json_pack("[O, s]", type, "null"));
	return schema;
}

/* "id:string name:string? films:[film]!" */
static json_t *shape_schema(const struct shape *s)
{
	json_t *properties = json_object(), *required = json_array();

	for (const char *p = s->members; *p;) {
		size_t size = strcspn(p, " ");
		const char *colon = memchr(p, ':', size);
		size_t type_size = size - (size_t)(colon - p) - 1;
		char mark = p[size - 1];
		json_t *schema;

		if (mark == '?' || mark == '!')
			type_size--;
		schema = type_schema(colon + 1, type_size);
		if (mark == '?')
			schema = nullable(schema);
		json_object_setn_new(properties, p, (size_t)(colon - p), schema);
		if (mark != '!')
			json_array_append_new(required, json_stringn(p, (size_t)(colon - p)));
		p += size + strspn(p + size, " ");
	}
	return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required",
	                 required);
}

static json_t *choices_of(const char *choices)
{
	json_t *a = json_array();

	for (const char *p = choices; *p;) {
		size_t n = strcspn(p, "|");

		json_array_append_new(a, json_stringn(p, n));
		p += n;
		if (*p == '|')
			p++;
	}
	return a;
}

static json_t *limit_of(const struct field *f, double v)
{
	return f->type == FIELD_INT ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *field_schema(const struct field *f)
{
	json_t *s = json_object();
	const char *type = "string";

	switch (f->type) {
	case FIELD_TEXT:
		if (f->min > 0)
			json_object_set_new(s, "minLength", json_integer((json_int_t)f->min));
		if (f->max > 0)
			json_object_set_new(s, "maxLength", json_integer((json_int_t)f->max));
		if (f->choices)
			json_object_set_new(s, "enum", choices_of(f->choices));
		break;
	case FIELD_TIME:
		json_object_set_new(s, "format", json_string("date-time"));
		break;
	case FIELD_INT:
	case FIELD_NUMBER:
		type = f->type == FIELD_INT ? "integer" : "number";
		json_object_set_new(s, "minimum", limit_of(f, f->min));
		json_object_set_new(s, "maximum", limit_of(f, f->max));
		break;
	case FIELD_BOOL:
		type = "boolean";
		break;
	case FIELD_TEXTS:
		type = "array";
		json_object_set_new(s, "items",
		                    f->choices ? json_pack("{s:s, s:o}", "type", "string", "enum",
		                                           choices_of(f->choices))
		                               : json_pack("{s:s}", "type", "string"));
		break;
	}
	json_object_set_new(s, "type", json_string(type));
	if (f->help && *f->help)
		json_object_set_new(s, "description", json_string(f->help));
	if (f->flags & FIELD_SECRET)
		json_object_set_new(s, "writeOnly", json_true());
	return f->flags & FIELD_NULLABLE ? nullable(s) : s;
}

static json_t *body_schema(const struct field *list)
{
	json_t *properties = json_object(), *required = json_array();

	for (const struct field *f = list; f->name; f++) {
		json_object_set_new(properties, f->name, field_schema(f));
		if (f->flags & FIELD_REQUIRED)
			json_array_append_new(required, json_string(f->name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties", properties,
	                 "required", required, "additionalProperties", 0);
}

static void add_path_parameters(json_t *parameters, const char *path)
{
	for (const char *p = strchr(path, '{'); p; p = strchr(p, '{')) {
		size_t n = strcspn(++p, "}");

		json_array_append_new(parameters,
		                      json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name", p, n, "in",
		                                "path", "required", 1, "schema", "type", "string"));
	}
}

static json_t *content_of(const char *answer)
{
	if (strchr(answer, '/'))
		return json_pack("{s:{s:{s:s, s:s}}}", answer, "schema", "type", "string", "format",
		                 "binary");
	return json_pack("{s:{s:o}}", "application/json", "schema", ref_to(answer, strlen(answer)));
}

static void add_answer(json_t *answers, int status, const char *text, json_t *content)
{
	char key[8];
	json_t *o = json_pack("{s:s}", "description", text);

	if (content)
		json_object_set_new(o, "content", content);
	snprintf(key, sizeof(key), "%d", status);
	json_object_set_new(answers, key, o);
}

static json_t *operation(const struct route *r)
{
	json_t *o =
		json_pack("{s:s, s:s}", "summary", r->summary, "x-role", user_role_name(r->role));
	json_t *parameters = json_array(), *answers = json_object();

	add_path_parameters(parameters, r->path);
	for (const struct field *f = r->query; f && f->name; f++)
		json_array_append_new(parameters, json_pack("{s:s, s:s, s:b, s:o}", "name", f->name,
		                                            "in", "query", "required",
		                                            (int)(f->flags & FIELD_REQUIRED),
		                                            "schema", field_schema(f)));
	json_object_set_new(o, "parameters", parameters);
	if (r->body && r->body->name)
		json_object_set_new(o, "requestBody",
		                    json_pack("{s:b, s:{s:{s:o}}}", "required", 1, "content",
		                              "application/json", "schema", body_schema(r->body)));
	if (r->flags & ROUTE_BYTES)
		json_object_set_new(o, "requestBody",
		                    json_pack("{s:b, s:{s:{s:{}}}}", "required", 1, "content",
		                              "application/octet-stream", "schema"));
	add_answer(answers, r->status, r->status == 204 ? "done" : "good",
	           r->answer ? content_of(r->answer) : NULL);
	/* Every refusal has the same form. */
	json_object_set_new(
		answers, "default",
		json_pack("{s:s, s:o}", "description", "refused", "content", content_of("error")));
	json_object_set_new(o, "responses", answers);
	json_object_set_new(o, "security",
	                    r->role == ROLE_OPEN ? json_array()
	                                         : json_pack("[{s:[]}, {s:[]}]", "session", "key"));
	if (r->flags & ROUTE_CAMERA)
		json_array_append_new(json_object_get(o, "security"),
		                      json_pack("{s:[]}", "camera_token"));
	return o;
}

static json_t *components(void)
{
	json_t *schemas = json_object();
	const struct shape *s;

	for (size_t i = 0; (s = shape_at(i)); i++)
		json_object_set_new(schemas, s->name,
		                    s->members[0] ? shape_schema(s) : json_object());
	return json_pack("{s:o, s:{s:{s:s, s:s, s:s}, s:{s:s, s:s}, s:{s:s, s:s, s:s}}}", "schemas",
	                 schemas, "securitySchemes", "session", "type", "apiKey", "in", "cookie",
	                 "name", "bedside_session", "key", "type", "http", "scheme", "bearer",
	                 "camera_token", "type", "apiKey", "in", "query", "name", "token");
}

static void lower(char *s)
{
	for (; *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
	}
}

json_t *openapi_document(const char *base_path)
{
	json_t *paths = json_object();
	const struct route *r;

	for (size_t i = 0; (r = route_at(i)); i++) {
		json_t *item = json_object_get(paths, r->path);
		char method[8];

		if (r->flags & ROUTE_PAGE)
			continue;
		if (!item) {
			item = json_object();
			json_object_set_new(paths, r->path, item);
		}
		TEXT_SET(method, http_method_name(r->method));
		lower(method);
		json_object_set_new(item, method, operation(r));
	}
	return json_pack("{s:s, s:{s:s, s:s, s:{s:s, s:s}}, s:[{s:s}], s:o, s:o}", "openapi",
	                 "3.1.0", "info", "title", "Bedside", "version", BEDSIDE_VERSION, "license",
	                 "name", "GPL-3.0-or-later", "identifier", "GPL-3.0-or-later", "servers",
	                 "url", base_path, "paths", paths, "components", components());
}
