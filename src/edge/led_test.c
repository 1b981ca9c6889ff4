/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"
#include "edge/led.h"

#define RED 1U
#define GREEN 2U
#define YELLOW 4U
#define S 1000000

static unsigned lit_as(enum rig_show base, enum rig_show trouble, int64_t at_us)
{
	struct led l;

	led_init(&l);
	led_show(&l, base, trouble, 0);
	return led_lit(&l, at_us);
}

TEST(each_state_has_its_light)
{
	CHECK_INT(lit_as(RIG_IDLE, RIG_IDLE, S), RED);
	CHECK_INT(lit_as(RIG_RECORDING, RIG_IDLE, S), GREEN);
	CHECK_INT(lit_as(RIG_PAUSED, RIG_IDLE, S), YELLOW);
	CHECK_INT(lit_as(RIG_FINALISING, RIG_IDLE, S), 0);
}

TEST(a_picture_turns_red_over_for_a_fifth_of_a_second)
{
	struct led l;

	led_init(&l);
	led_show(&l, RIG_RECORDING, RIG_IDLE, 0);
	CHECK(led_due_us(&l, S) == INT64_MAX);
	led_blink(&l, S);
	CHECK_INT(led_lit(&l, S), GREEN | RED);
	CHECK(led_due_us(&l, S) == S + 200000);
	CHECK_INT(led_lit(&l, S + 199999), GREEN | RED);
	CHECK_INT(led_lit(&l, S + 200000), GREEN);
	CHECK(led_due_us(&l, S + 200000) == INT64_MAX);
	/* In idle it goes out instead. */
	led_show(&l, RIG_IDLE, RIG_IDLE, 2 * S);
	led_blink(&l, 2 * S);
	CHECK_INT(led_lit(&l, 2 * S), 0);
	CHECK_INT(led_lit(&l, 2 * S + 200000), RED);
}

TEST(trouble_blinks_and_recording_stays_to_be_seen)
{
	CHECK_INT(lit_as(RIG_IDLE, RIG_NO_PRINTER, 0), RED | YELLOW);
	CHECK_INT(lit_as(RIG_IDLE, RIG_NO_PRINTER, S), RED);
	CHECK_INT(lit_as(RIG_RECORDING, RIG_NO_CAMERA, 0), GREEN | RED);
	CHECK_INT(lit_as(RIG_RECORDING, RIG_NO_CAMERA, 250000), GREEN);
	CHECK_INT(lit_as(RIG_RECORDING, RIG_NO_CAMERA, 500000), GREEN | RED);
	CHECK_INT(lit_as(RIG_RECORDING, RIG_DISK_LOW, 0), GREEN | RED);
	CHECK_INT(lit_as(RIG_RECORDING, RIG_DISK_LOW, 500000), GREEN | YELLOW);
	CHECK_INT(lit_as(RIG_IDLE, RIG_DISK_LOW, 500000), YELLOW);
}

TEST(trouble_says_when_it_changes)
{
	struct led l;

	led_init(&l);
	led_show(&l, RIG_IDLE, RIG_NO_CAMERA, 7);
	CHECK(led_due_us(&l, 7) == 250007);
	CHECK(led_due_us(&l, 250006) == 250007);
	CHECK(led_due_us(&l, 250007) == 500007);
	CHECK_INT(led_shown(&l), RIG_NO_CAMERA);
	/* Told again, it goes on in its rhythm. */
	led_show(&l, RIG_PAUSED, RIG_NO_CAMERA, 300000);
	CHECK(led_due_us(&l, 300000) == 500007);
	led_show(&l, RIG_PAUSED, RIG_IDLE, 300000);
	CHECK_INT(led_shown(&l), RIG_PAUSED);
}
