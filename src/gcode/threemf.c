/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/threemf.h"

#include <errno.h>
#include <expat.h>
#include <jansson.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gcode/archive.h"
#include "gcode/feeder.h"
#include "gcode/scan.h"

#define SMALL_MAX ((size_t)32 << 20)
#define GCODE_MAX ((uint64_t)4 << 30)
#define XML_DEPTH_MAX 32
#define OBJECTS_MAX 1024
#define MD5_SIZE 16

static int find_entry(const struct gcode_threemf *t, const char *format, unsigned number)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "Metadata/plate_%u%s", number, format);
	return gcode_zip_find(t->zip, name);
}

/* The plate of that number, made if it is new; NULL if there are too many. */
static struct gcode_plate *plate_get(struct gcode_threemf *t, unsigned number)
{
	for (size_t i = 0; i < t->n_plates; i++)
		if (t->plates[i].number == number)
			return &t->plates[i];
	if (t->n_plates == GCODE_PLATES_MAX)
		return NULL;

	struct gcode_plate *p = &t->plates[t->n_plates++];

	*p = (struct gcode_plate){ .number = number,
		                   .prediction_s = NAN,
		                   .weight_g = NAN,
		                   .first_layer_s = NAN,
		                   .timelapse_type = -1 };
	return p;
}

/* Finds the plates that have G-code. */
static void plates_find(struct gcode_threemf *t)
{
	static const char prefix[] = "Metadata/plate_";
	unsigned n = gcode_zip_count(t->zip);

	for (unsigned i = 0; i < n; i++) {
		const char *name = gcode_zip_name(t->zip, i);
		char digits[8];
		uint64_t number;

		if (!text_starts(name, prefix) || !text_ends(name, ".gcode"))
			continue;

		size_t size = strlen(name) - (sizeof(prefix) - 1) - strlen(".gcode");

		if (!text_copy_n(digits, sizeof(digits), name + sizeof(prefix) - 1, size) ||
		    !text_to_u64(digits, 10, &number) || number < 1 || number > 9999)
			continue;

		struct gcode_plate *p = plate_get(t, (unsigned)number);

		if (!p)
			continue;
		p->has_gcode = true;
		p->gcode_size = gcode_zip_size(t->zip, i);
	}
}

/* Reads slice_info.config and model_settings.config, which share their shape. */
struct config_reader {
	struct gcode_threemf *t;
	XML_Parser parser;
	struct gcode_plate *plate; /* being read */
	struct gcode_plate scratch;
	unsigned depth;
};

static const char *attribute(const XML_Char **attrs, const char *name)
{
	for (; attrs[0]; attrs += 2)
		if (strcmp(attrs[0], name) == 0)
			return attrs[1];
	return "";
}

static void set_clean(char *dst, size_t size, const char *src)
{
	(void)text_copy(dst, size, src);
	text_clean(dst);
}

static double number_or_nan(const char *s)
{
	double v;

	return text_to_double(s, &v) && v >= 0 && v < 1e9 ? v : (double)NAN;
}

static void plate_metadata(struct config_reader *r, const char *key, const char *value)
{
	struct gcode_plate *p = r->plate;
	uint64_t n;

	if (strcmp(key, "index") == 0 || strcmp(key, "plater_id") == 0) {
		if (!text_to_u64(value, 10, &n) || n < 1 || n > 9999)
			return;

		struct gcode_plate *real = plate_get(r->t, (unsigned)n);

		r->plate = real ? real : &r->scratch;
	} else if (strcmp(key, "prediction") == 0) {
		p->prediction_s = number_or_nan(value);
	} else if (strcmp(key, "weight") == 0) {
		p->weight_g = number_or_nan(value);
	} else if (strcmp(key, "first_layer_time") == 0) {
		p->first_layer_s = number_or_nan(value);
	} else if (strcmp(key, "printer_model_id") == 0) {
		set_clean(p->printer_model_id, sizeof(p->printer_model_id), value);
	} else if (strcmp(key, "plater_name") == 0) {
		set_clean(p->name, sizeof(p->name), value);
	} else if (strcmp(key, "label_object_enabled") == 0) {
		p->has_labels = strcmp(value, "true") == 0;
	} else if (strcmp(key, "timelapse_type") == 0) {
		p->timelapse_type = text_to_u64(value, 10, &n) && n < 10 ? (int)n : -1;
	}
}

static void plate_object(struct config_reader *r, const XML_Char **attrs)
{
	struct gcode_plate *p = r->plate;
	uint64_t id = 0;

	if (p == &r->scratch || p->n_objects == OBJECTS_MAX)
		return;
	if (!p->objects)
		p->objects = mem_new_array(OBJECTS_MAX, sizeof(*p->objects));

	struct gcode_plate_object *o = &p->objects[p->n_objects++];

	(void)text_to_u64(attribute(attrs, "identify_id"), 10, &id);
	o->identify_id = (unsigned)MIN(id, (uint64_t)UINT32_MAX);
	set_clean(o->name, sizeof(o->name), attribute(attrs, "name"));
	o->is_skipped = strcmp(attribute(attrs, "skipped"), "true") == 0;
}

static void plate_filament(struct config_reader *r, const XML_Char **attrs)
{
	struct gcode_plate *p = r->plate;
	uint64_t id;

	if (p == &r->scratch || p->n_filaments == GCODE_TOOLS_MAX ||
	    !text_to_u64(attribute(attrs, "id"), 10, &id) || id < 1 || id > GCODE_TOOLS_MAX)
		return;

	struct gcode_plate_filament *f = &p->filaments[p->n_filaments++];

	f->id = (unsigned)id;
	set_clean(f->tray_info_idx, sizeof(f->tray_info_idx), attribute(attrs, "tray_info_idx"));
	set_clean(f->type, sizeof(f->type), attribute(attrs, "type"));
	set_clean(f->colour, sizeof(f->colour), attribute(attrs, "color"));
	f->used_m = number_or_nan(attribute(attrs, "used_m"));
	f->used_g = number_or_nan(attribute(attrs, "used_g"));
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attrs)
{
	struct config_reader *r = arg;

	if (++r->depth > XML_DEPTH_MAX) {
		(void)XML_StopParser(r->parser, XML_FALSE);
		return;
	}
	if (strcmp(name, "plate") == 0)
		r->plate = &r->scratch;
	if (strcmp(name, "header_item") == 0 &&
	    strcmp(attribute(attrs, "key"), "X-BBL-Client-Version") == 0)
		set_clean(r->t->client_version, sizeof(r->t->client_version),
		          attribute(attrs, "value"));
	if (!r->plate)
		return;
	if (strcmp(name, "metadata") == 0)
		plate_metadata(r, attribute(attrs, "key"), attribute(attrs, "value"));
	else if (strcmp(name, "object") == 0)
		plate_object(r, attrs);
	else if (strcmp(name, "filament") == 0)
		plate_filament(r, attrs);
}

static void on_end(void *arg, const XML_Char *name)
{
	struct config_reader *r = arg;

	r->depth--;
	if (strcmp(name, "plate") == 0)
		r->plate = NULL;
}

/* These files need no document type, and those that bring one mean us harm. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid,
                       const XML_Char *pubid, int has_internal)
{
	struct config_reader *r = arg;

	(void)name;
	(void)sysid;
	(void)pubid;
	(void)has_internal;
	(void)XML_StopParser(r->parser, XML_FALSE);
}

/* Newer expat has a 64-bit one that Debian 12's lacks. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static unsigned long line_number(XML_Parser parser)
{
	return (unsigned long)XML_GetCurrentLineNumber(parser);
}
#pragma GCC diagnostic pop

static int config_parse(struct gcode_threemf *t, const char *name, struct err *err)
{
	struct config_reader r = { .t = t };
	struct buf text;
	int i = gcode_zip_find(t->zip, name);

	/* Old slicers and other programs leave them out. */
	if (i < 0)
		return 0;

	int rc = gcode_zip_read(t->zip, (unsigned)i, SMALL_MAX, &text, err);

	if (rc < 0)
		return rc;
	r.parser = XML_ParserCreate(NULL);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	if (XML_Parse(r.parser, buf_peek(&text), (int)text.size, 1) != XML_STATUS_OK)
		rc = err_set(err, -EINVAL, "%s, line %lu: %s", name, line_number(r.parser),
		             XML_ErrorString(XML_GetErrorCode(r.parser)));
	XML_ParserFree(r.parser);
	buf_fini(&text);
	return rc;
}

/* plate_N.json names the bed and the order of printing; without it nothing is lost. */
static void plate_json(struct gcode_threemf *t, struct gcode_plate *p)
{
	int i = find_entry(t, ".json", p->number);
	struct buf text;

	if (i < 0 || gcode_zip_read(t->zip, (unsigned)i, SMALL_MAX, &text, NULL) < 0)
		return;

	json_t *root = json_loadb(buf_peek(&text), text.size, JSON_REJECT_DUPLICATES, NULL);
	const char *bed = json_string_value(json_object_get(root, "bed_type"));

	set_clean(p->bed_type, sizeof(p->bed_type), bed ? bed : "");
	p->is_by_object = json_is_true(json_object_get(root, "is_seq_print"));
	json_decref(root);
	buf_fini(&text);
}

static int compare_plates(const void *a, const void *b)
{
	const struct gcode_plate *x = a;
	const struct gcode_plate *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

int gcode_threemf_open(const void *bytes, size_t size, struct gcode_threemf **ret, struct err *err)
{
	struct gcode_threemf *t = MEM_NEW(struct gcode_threemf);
	bool is_sliced = false;
	int rc = gcode_zip_open(bytes, size, &t->zip, err);

	if (rc < 0)
		goto fail;
	t->plates = mem_new_array(GCODE_PLATES_MAX, sizeof(*t->plates));
	plates_find(t);
	rc = config_parse(t, "Metadata/slice_info.config", err);
	if (rc == 0)
		rc = config_parse(t, "Metadata/model_settings.config", err);
	if (rc < 0)
		goto fail;
	for (size_t i = 0; i < t->n_plates; i++) {
		plate_json(t, &t->plates[i]);
		is_sliced |= t->plates[i].has_gcode;
	}
	if (!is_sliced) {
		if (gcode_zip_find(t->zip, "3D/3dmodel.model") >= 0)
			rc = err_set(err, -ENODATA,
			             "this 3MF is a project that was not sliced: slice it and "
			             "export the plate as a sliced file (.gcode.3mf)");
		else
			rc = err_set(err, -EINVAL, "this archive is no 3MF of a print job");
		goto fail;
	}
	qsort(t->plates, t->n_plates, sizeof(*t->plates), compare_plates);
	*ret = t;
	return 0;
fail:
	gcode_threemf_close(t);
	return rc;
}

void gcode_threemf_close(struct gcode_threemf *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_plates; i++)
		free(t->plates[i].objects);
	free(t->plates);
	gcode_zip_close(t->zip);
	free(t);
}

const struct gcode_plate *gcode_threemf_plate(const struct gcode_threemf *t, unsigned number)
{
	for (size_t i = 0; i < t->n_plates; i++)
		if (number == 0 ? t->plates[i].has_gcode : t->plates[i].number == number)
			return &t->plates[i];
	return NULL;
}

/* The plate and the entry of its G-code. */
static int plate_entry(const struct gcode_threemf *t, unsigned number,
                       const struct gcode_plate **ret, struct err *err)
{
	const struct gcode_plate *p = gcode_threemf_plate(t, number);
	int i = p ? find_entry(t, ".gcode", p->number) : -1;

	if (i < 0)
		return err_set(err, -ENOENT, "this 3MF has no sliced plate %u", number);
	*ret = p;
	return i;
}

int gcode_threemf_read(struct gcode_threemf *t, unsigned number, gcode_sink_fn *sink, void *arg,
                       struct err *err)
{
	const struct gcode_plate *p;
	int i = plate_entry(t, number, &p, err);

	return i < 0 ? i : gcode_zip_stream(t->zip, (unsigned)i, GCODE_MAX, sink, arg, err);
}

/* The plate's picture becomes the index's if the text has none that shows. */
static void index_thumbnail(struct gcode_threemf *t, unsigned number, struct gcode_index *ix)
{
	struct buf png;

	if (gcode_threemf_thumbnail(t, number, &png, NULL) < 0)
		return;

	struct gcode_thumbnail thumb = { .bytes = mem_dup(buf_peek(&png), png.size),
		                         .size = png.size };

	gcode_thumbnail_measure(&thumb);
	ix->n_thumbnails++;
	gcode_thumbnail_offer(&ix->thumbnail, &thumb);
	buf_fini(&png);
}

/* What slice_info says counts where the G-code says nothing. */
static void index_complete(struct gcode_index *ix, const struct gcode_plate *p)
{
	double sum = 0;

	for (size_t i = 0; i < p->n_filaments; i++) {
		const struct gcode_plate_filament *f = &p->filaments[i];
		struct gcode_tool *tool = &ix->tools[f->id - 1];

		if (isnan(tool->g_named))
			tool->g_named = f->used_g;
		if (isnan(tool->mm_named))
			tool->mm_named = f->used_m * 1000;
		(void)TEXT_SET(tool->type, f->type);
		(void)TEXT_SET(tool->colour, f->colour);
		ix->n_tools = MAX(ix->n_tools, f->id);
		sum += isnan(f->used_g) ? 0 : f->used_g;
	}
	if (isnan(ix->filament_g))
		ix->filament_g = isnan(p->weight_g) ? sum : p->weight_g;
	if (!ix->bed_type[0])
		(void)TEXT_SET(ix->bed_type, p->bed_type);
	if (!ix->printer_model[0])
		(void)TEXT_SET(ix->printer_model, p->printer_model_id);
	/* Names, where the text has only their numbers. */
	for (; p->n_objects > 0 && ix->n_objects > 0; ix->n_objects--)
		free(ix->objects[ix->n_objects - 1]);
	for (size_t i = 0; i < p->n_objects; i++)
		gcode_index_object_add(ix, p->objects[i].name);
}

int gcode_threemf_index(struct gcode_threemf *t, unsigned number,
                        const struct gcode_options *options, struct gcode_index **ret,
                        struct err *err)
{
	const struct gcode_plate *p = NULL;
	int i = plate_entry(t, number, &p, err);

	if (!p)
		return i;

	struct gcode_scan *s = gcode_scan_new(options);
	struct gcode_feeder *f = gcode_feeder_start(s, p->gcode_size);
	struct gcode_index *ix = NULL;
	int rc = gcode_zip_stream(t->zip, (unsigned)i, GCODE_MAX, gcode_feeder_sink, f, err);

	gcode_feeder_stop(f);
	if (rc < 0) {
		gcode_scan_free(s);
		return rc;
	}
	rc = gcode_scan_end(s, &ix, err);
	if (rc < 0)
		return rc;
	ix->plate = p->number;
	ix->n_plates = (unsigned)t->n_plates;
	index_complete(ix, p);
	index_thumbnail(t, p->number, ix);
	*ret = ix;
	return 0;
}

int gcode_threemf_thumbnail(struct gcode_threemf *t, unsigned number, struct buf *ret,
                            struct err *err)
{
	const struct gcode_plate *p = gcode_threemf_plate(t, number);
	int i = p ? find_entry(t, ".png", p->number) : -1;

	buf_init(ret, 0);
	if (i < 0)
		return err_set(err, -ENOENT, "this plate has no picture");

	int rc = gcode_zip_read(t->zip, (unsigned)i, SMALL_MAX, ret, err);

	if (rc == 0 &&
	    gcode_picture_sniff((const uint8_t *)ret->data, ret->size) != GCODE_PICTURE_PNG) {
		buf_fini(ret);
		rc = err_set(err, -EBADMSG, "the plate's picture is no PNG");
	}
	return rc;
}

static int md5_sink(void *arg, const void *bytes, size_t size)
{
	return EVP_DigestUpdate(arg, bytes, size) == 1 ? 0 : -EIO;
}

int gcode_threemf_check_md5(struct gcode_threemf *t, unsigned number, struct err *err)
{
	const struct gcode_plate *p = gcode_threemf_plate(t, number);
	int i = p ? find_entry(t, ".gcode.md5", p->number) : -1;
	uint8_t is[EVP_MAX_MD_SIZE];
	uint8_t should[MD5_SIZE];
	struct buf text;

	if (i < 0)
		return err_set(err, -ENOENT, "this plate has no MD5 to compare with");

	int rc = gcode_zip_read(t->zip, (unsigned)i, 4096, &text, err);

	if (rc < 0)
		return rc;

	if (text.size > 32)
		text.data[32] = '\0';

	bool is_hex = text.size >= 32 && text_unhex(should, sizeof(should), text.data);
	EVP_MD_CTX *md5 = EVP_MD_CTX_new();

	buf_fini(&text);
	rc = EVP_DigestInit_ex(md5, EVP_md5(), NULL) == 1 ? 0 : err_set(err, -EIO, "no MD5 here");
	if (rc == 0)
		rc = gcode_threemf_read(t, number, md5_sink, md5, err);
	if (rc == 0)
		(void)EVP_DigestFinal_ex(md5, is, NULL);
	EVP_MD_CTX_free(md5);
	if (rc == 0 && (!is_hex || memcmp(is, should, sizeof(should)) != 0))
		rc = err_set(err, -EBADMSG, "the G-code is not what its MD5 says: load it again");
	return rc;
}
