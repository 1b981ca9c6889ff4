/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/hooks.h"

#include "app/config.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "printers/printer.h"
#include "web/server.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a page would hear. */
struct heard {
	unsigned n;
	char id[MODEL_ID_SIZE], field[48], text[320];
	int code;
};

struct bench {
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool, *keeper;
	struct printers *printers;
	struct cameras *cameras;
	struct config *config;
	struct hooks *hooks;
	struct web_hooks web;
	struct timer limit;
	char *dir;
	sem_t gate;
	unsigned n_wanted, n_heard;
	struct heard heard[4];
};

/* ---- plumbing, as far as hooks go ---- */

int plumbing_add_printer(struct plumbing *p, const struct printer_config *c, struct err *err)
{
	struct bench *b = (struct bench *)(void *)p;
	struct printer *ret;

	return printers_add(b->printers, c, &ret, err);
}

void plumbing_remove_printer(struct plumbing *p, const char *id)
{
	printers_remove(((struct bench *)(void *)p)->printers, id);
}

int plumbing_add_camera(struct plumbing *p, const struct camera_config *c, struct err *err)
{
	return cameras_add(((struct bench *)(void *)p)->cameras, c, NULL, err);
}

void plumbing_remove_camera(struct plumbing *p, const char *id)
{
	cameras_remove(((struct bench *)(void *)p)->cameras, id);
}

void plumbing_restart(struct plumbing *p UNUSED)
{
}

void plumbing_trust_changed(struct plumbing *p UNUSED, const char *id UNUSED)
{
}

/* ---- the bench ---- */

static void too_late(void *arg)
{
	loop_stop(((struct bench *)arg)->loop);
}

static void begin(struct bench *b)
{
	crypto_init();
	*b = (struct bench){ .loop = loop_new(), .dir = mem_str(test_tmp_dir()) };
	CHECK_INT(sem_init(&b->gate, 0, 0), 0);
	b->bus = bus_new(b->loop);
	b->pool = work_pool_new(b->loop, "pool", 1);
	b->keeper = work_pool_new(b->loop, "settings", 1);
	b->config = MEM_NEW(struct config);
	TEXT_SET(b->config->data_dir, b->dir);
	b->printers = printers_new(&(struct printers_env){
		.loop = b->loop, .bus = b->bus, .pool = b->pool, .data_dir = b->dir });
	b->cameras = cameras_new(&(struct cameras_env){
		.loop = b->loop, .bus = b->bus, .pool = b->pool, .data_dir = b->dir });
	timer_init(&b->limit, b->loop, too_late, b);
	b->hooks = hooks_new(&(struct hooks_env){ .plumbing = (struct plumbing *)(void *)b,
	                                          .loop = b->loop,
	                                          .config = b->config,
	                                          .printers = b->printers,
	                                          .cameras = b->cameras,
	                                          .pool = b->pool,
	                                          .keeper = b->keeper });
	hooks_fill(b->hooks, &b->web);
}

static void end(struct bench *b)
{
	hooks_free(b->hooks);
	timer_stop(&b->limit);
	cameras_free(b->cameras);
	printers_free(b->printers);
	work_pool_free(b->keeper);
	work_pool_free(b->pool);
	bus_free(b->bus);
	loop_free(b->loop);
	(void)sem_destroy(&b->gate);
	free(b->config);
	free(b->dir);
}

static void hear(void *arg, const char *id, const struct field_says *says, const struct err *err)
{
	struct bench *b = arg;
	struct heard *h = &b->heard[b->n_heard++];

	TEXT_SET(h->id, id);
	TEXT_SET(h->field, says ? says->field : "");
	TEXT_SET(h->text, err ? err->text : "");
	h->code = err ? err->code : 0;
	if (b->n_heard == b->n_wanted)
		loop_stop(b->loop);
}

static void hear_all(struct bench *b, unsigned n)
{
	b->n_wanted = n;
	timer_start(&b->limit, 60000);
	if (b->n_heard < n)
		loop_run(b->loop);
	timer_stop(&b->limit);
	CHECK_INT(b->n_heard, n);
}

static void wait_at_gate(void *arg)
{
	struct bench *b = arg;

	while (sem_wait(&b->gate) < 0) {
	}
}

/* The disk takes its time: nothing is written before open_gate(). */
static void close_gate(struct bench *b)
{
	work_submit(b->keeper, wait_at_gate, NULL, b);
}

static void open_gate(struct bench *b)
{
	(void)sem_post(&b->gate);
}

static void add_printer(struct bench *b, const char *name, const char *serial)
{
	struct printer_config c = { .has_camera = true, .offline_after_ms = 60000 };

	TEXT_SET(c.name, name);
	TEXT_SET(c.driver, "bambu");
	TEXT_SET(c.address, "127.0.0.1");
	TEXT_SET(c.serial, serial);
	TEXT_SET(c.model, "auto");
	c.ports.mqtt = 1;
	secret_set(&c.access_code, "12345678");
	b->web.add_printer(b->web.arg, &c, (struct web_keeper){ hear, b });
	printer_config_fini(&c);
}

static void add_camera(struct bench *b, const char *settings)
{
	json_t *j = json_loads(settings, 0, NULL);

	CHECK(j);
	b->web.save_camera(b->web.arg, NULL, j, (struct web_keeper){ hear, b });
	json_decref(j);
}

static bool exists(const struct bench *b, const char *name)
{
	char *path = mem_printf("%s/%s", b->dir, name);
	bool is = access(path, F_OK) == 0;

	free(path);
	return is;
}

/* A file where the folder should be: root cannot write there either. */
static void spoil(const struct bench *b, const char *name)
{
	char *path = mem_printf("%s/%s", b->dir, name);

	CHECK_INT(fs_write_atomic(path, "x", 1, 0600, NULL), 0);
	free(path);
}

#define FOLDER_CAMERA "\"driver\":\"folder\",\"source\":\"/tmp\""

TEST(hooks_add_pin_and_remove_a_printer_when_it_is_written)
{
	struct bench b;
	const uint8_t sha256[32] = { 7 };

	begin(&b);
	close_gate(&b);
	add_printer(&b, "My A1", "03919C000000001");
	CHECK_INT(b.n_heard, 0);
	CHECK(!printers_find(b.printers, "my-a1"));
	open_gate(&b);
	hear_all(&b, 1);
	CHECK_STR(b.heard[0].id, "my-a1");
	CHECK_STR(b.heard[0].text, "");
	CHECK(printers_find(b.printers, "my-a1"));
	CHECK(exists(&b, "printers.d/my-a1.yaml"));
	b.web.pin_printer(b.web.arg, "my-a1", sha256, (struct web_keeper){ hear, &b });
	hear_all(&b, 2);
	CHECK_STR(b.heard[1].text, "");
	CHECK(exists(&b, "printers.d/my-a1.pin"));
	b.web.remove_printer(b.web.arg, "my-a1", (struct web_keeper){ hear, &b });
	hear_all(&b, 3);
	CHECK_STR(b.heard[2].text, "");
	CHECK(!printers_find(b.printers, "my-a1"));
	CHECK(!exists(&b, "printers.d/my-a1.yaml") && !exists(&b, "printers.d/my-a1.pin"));
	end(&b);
}

TEST(hooks_judge_a_change_when_those_before_it_are_done)
{
	struct bench b;

	begin(&b);
	close_gate(&b);
	add_printer(&b, "A1", "03919C000000001");
	add_printer(&b, "A1", "03919C000000002");
	add_printer(&b, "Other", "03919C000000001");
	b.web.remove_printer(b.web.arg, "a1", (struct web_keeper){ hear, &b });
	open_gate(&b);
	hear_all(&b, 4);
	CHECK_INT(b.heard[0].code, 0);
	CHECK_INT(b.heard[1].code, -EEXIST);
	CHECK_INT(b.heard[2].code, -EEXIST);
	CHECK(strstr(b.heard[2].text, "serial number"));
	CHECK_INT(b.heard[3].code, 0);
	CHECK(!printers_find(b.printers, "a1"));
	end(&b);
}

TEST(hooks_say_what_the_disk_does_not_take)
{
	struct bench b;

	begin(&b);
	spoil(&b, "printers.d");
	spoil(&b, "cameras.d");
	add_printer(&b, "A1", "03919C000000001");
	hear_all(&b, 1);
	CHECK(b.heard[0].code < 0 && strstr(b.heard[0].text, "printers.d"));
	CHECK(!printers_find(b.printers, "a1"));
	add_camera(&b, "{\"name\":\"Side\"," FOLDER_CAMERA "}");
	hear_all(&b, 2);
	CHECK(b.heard[1].code < 0 && strstr(b.heard[1].text, "cameras.d"));
	CHECK(!cameras_find(b.cameras, "side"));
	end(&b);
}

TEST(hooks_keep_cameras_one_after_the_other)
{
	struct bench b;
	json_t *j;

	begin(&b);
	close_gate(&b);
	add_camera(&b, "{\"name\":\"Side\"," FOLDER_CAMERA "}");
	add_camera(&b, "{\"name\":\"Side\"," FOLDER_CAMERA "}");
	open_gate(&b);
	hear_all(&b, 2);
	CHECK_INT(b.heard[0].code, 0);
	CHECK_INT(b.heard[1].code, -EEXIST);
	CHECK_STR(b.heard[1].field, "name");
	j = json_pack("{s:i}", "rotation", 90);
	b.web.save_camera(b.web.arg, "side", j, (struct web_keeper){ hear, &b });
	json_decref(j);
	b.web.remove_camera(b.web.arg, "side", (struct web_keeper){ hear, &b });
	hear_all(&b, 4);
	CHECK_STR(b.heard[2].text, "");
	CHECK_STR(b.heard[3].text, "");
	CHECK(!cameras_find(b.cameras, "side"));
	CHECK(!exists(&b, "cameras.d/side.yaml"));
	end(&b);
}

/* The end in the middle: everybody is told, what was on its way to the disk is whole there. */
TEST(hooks_tell_those_who_wait_when_the_program_ends)
{
	struct bench b;

	begin(&b);
	close_gate(&b);
	add_printer(&b, "A1", "03919C000000001");
	add_printer(&b, "P1S", "01P00A000000001");
	hooks_free(b.hooks);
	b.hooks = NULL;
	CHECK_INT(b.n_heard, 2);
	CHECK_INT(b.heard[0].code, -ESHUTDOWN);
	CHECK_INT(b.heard[1].code, -ESHUTDOWN);
	open_gate(&b);
	work_pool_free(b.keeper);
	b.keeper = work_pool_new(b.loop, "settings", 1);
	CHECK_INT(b.n_heard, 2);
	CHECK(exists(&b, "printers.d/a1.yaml"));
	CHECK(!exists(&b, "printers.d/p1s.yaml"));
	CHECK(!printers_find(b.printers, "a1"));
	end(&b);
}
