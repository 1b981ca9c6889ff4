// SPDX-License-Identifier: GPL-2.0
/*
 * dht22_line: a GPIO line with a DHT22 at its other end, for the kernel's own dht11 driver. When the driver listens
 * (its interrupt is unmasked), the sensor answers as its datasheet says: low and high of 80 us, then each of
 * 40 bits as a low of 50 us and a high whose length is its value.
 *
 * /sys/module/dht22_line/parameters: tenths_c, tenths_percent; fault: 0 none, 1 silent, 2 wrong checksum, 3 stops in
 * the middle. The driver parts zeros from ones at 49 us; ours are further apart than a sensor's (26 and 70), as an emulated
 * processor stalls now and then.
 */
#include <linux/gpio/driver.h>
#include <linux/gpio/machine.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#define N_BITS 40
#define ZERO_US 10
#define ONE_US 95

static int tenths_c = 215, tenths_percent = 553, fault;

module_param(tenths_c, int, 0644);
module_param(tenths_percent, int, 0644);
module_param(fault, int, 0644);

static struct gpio_chip line;
static struct hrtimer answer;
static struct platform_device *owner, *sensor;
static bool is_high = true;

/* One level for so long. Each is timed from its own edge, so that a stall lengthens one and shortens none: squeezed
 * ones would read as zeros, whose checksum is right. */
static void hold(bool high, unsigned int us)
{
	ktime_t until = ktime_add_us(ktime_get(), us);

	is_high = high;
	generic_handle_domain_irq(line.irq.domain, 0);
	while (ktime_before(ktime_get(), until))
		cpu_relax();
}

static u64 message(void)
{
	unsigned int t = abs(tenths_c) | (tenths_c < 0 ? 0x8000 : 0), h = tenths_percent;
	unsigned int sum = (h >> 8) + (h & 255) + (t >> 8) + (t & 255) + (fault == 2);

	return (u64)(h & 0xffff) << 24 | (u64)(t & 0xffff) << 8 | (sum & 255);
}

static enum hrtimer_restart speak(struct hrtimer *timer)
{
	u64 bits = message();
	int n = fault == 3 ? N_BITS / 2 : N_BITS;

	hold(false, 80);
	hold(true, 80);
	for (int i = N_BITS - 1; i >= N_BITS - n; i--) {
		hold(false, 50);
		hold(true, bits >> i & 1 ? ONE_US : ZERO_US);
	}
	hold(false, 50);
	hold(true, 0);
	return HRTIMER_NORESTART;
}

static void listened_to(struct irq_data *d)
{
	gpiochip_enable_irq(&line, 0);
	if (fault != 1)
		hrtimer_start(&answer, ns_to_ktime(40 * NSEC_PER_USEC), HRTIMER_MODE_REL_HARD);
}

static void ignored(struct irq_data *d)
{
	gpiochip_disable_irq(&line, 0);
}

static int any_trigger(struct irq_data *d, unsigned int type)
{
	return 0;
}

static const struct irq_chip interrupts = {
	.name = "dht22_line",
	.irq_unmask = listened_to,
	.irq_mask = ignored,
	.irq_set_type = any_trigger,
	.flags = IRQCHIP_IMMUTABLE,
	GPIOCHIP_IRQ_RESOURCE_HELPERS,
};

static int line_get(struct gpio_chip *c, unsigned int offset)
{
	return is_high;
}

static int line_input(struct gpio_chip *c, unsigned int offset)
{
	return 0;
}

static int line_output(struct gpio_chip *c, unsigned int offset, int value)
{
	return 0;
}

static int line_direction(struct gpio_chip *c, unsigned int offset)
{
	return GPIO_LINE_DIRECTION_IN;
}

static struct gpiod_lookup_table wiring = {
	.dev_id = "dht11.0",
	.table = { GPIO_LOOKUP("dht22_line", 0, NULL, 0), {} },
};

static int __init plug_in(void)
{
	int rc;

	hrtimer_init(&answer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	answer.function = speak;
	owner = platform_device_register_simple("dht22_line", -1, NULL, 0);
	if (IS_ERR(owner))
		return PTR_ERR(owner);
	line.label = "dht22_line";
	line.parent = &owner->dev;
	line.owner = THIS_MODULE;
	line.base = -1;
	line.ngpio = 1;
	line.get = line_get;
	line.direction_input = line_input;
	line.direction_output = line_output;
	line.get_direction = line_direction;
	gpio_irq_chip_set_chip(&line.irq, &interrupts);
	line.irq.handler = handle_simple_irq;
	rc = gpiochip_add_data(&line, NULL);
	if (rc) {
		platform_device_unregister(owner);
		return rc;
	}
	gpiod_add_lookup_table(&wiring);
	sensor = platform_device_register_simple("dht11", 0, NULL, 0);
	return PTR_ERR_OR_ZERO(sensor);
}

static void __exit pull_out(void)
{
	platform_device_unregister(sensor);
	gpiod_remove_lookup_table(&wiring);
	hrtimer_cancel(&answer);
	gpiochip_remove(&line);
	platform_device_unregister(owner);
}

module_init(plug_in);
module_exit(pull_out);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A DHT22 on a GPIO line, for tests");
