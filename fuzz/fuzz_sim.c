/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a simulated printer takes from outside: requests, detect probes, lines of control. */

#include "base/buf.h"
#include "base/text.h"
#include "printers/sim/announce.h"
#include "printers/sim/engine.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_publish(void *arg, json_t *report)
{
	(void)arg;
	assert(json_is_object(report));
}

static void on_load(void *arg, const char *path, unsigned plate)
{
	struct sim_engine **e = arg;

	(void)plate;
	sim_engine_loaded(*e, sim_job_built_in(path));
}

static void on_fault(void *arg, enum sim_fault f, double seconds)
{
	(void)arg;
	(void)f;
	(void)seconds;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sim_identity id = { "03900A400001111", "x", "N2S", "01.04.00.00",
		                         "127.0.0.1" };
	struct sim_engine *e = NULL;
	struct sim_setup s = { .model = sim_model_at(size % 14),
		               .serial = "03900A400001111",
		               .code = "12345678",
		               .address = "127.0.0.1",
		               .speed = 1,
		               .has_ams = true,
		               .arg = (void *)&e,
		               .publish = on_publish,
		               .load = on_load,
		               .faulted = on_fault };
	auto_buf struct buf out = { 0 };
	char line[96];

	e = sim_engine_new(&s);
	text_copy_n(line, sizeof(line), (const char *)data, size);
	(void)sim_detect_answer(&id, data, size, &out);
	sim_engine_request(e, (const char *)data, size);
	sim_engine_tick(e, 30000000);
	if (sim_engine_fault(e, line, NULL) < 0)
		sim_engine_tick(e, 60000000);
	sim_engine_request(e, (const char *)data, size);
	sim_engine_tick(e, 600000000);
	sim_engine_free(e);
	return 0;
}
