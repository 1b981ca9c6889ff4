#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""link: a bad network between two network namespaces, packet by packet, in user space (needs /dev/net/tun and root).

link.py NAMESPACE_A ADDRESS_A NAMESPACE_B ADDRESS_B CONTROL. CONTROL is a JSON file that may change at any time: down, delay_ms,
jitter_ms, loss and reorder (0 to 1: such packets overtake the others), rate_bps."""
import ctypes, fcntl, heapq, json, os, random, select, struct, subprocess, sys, time

TUNSETIFF, IFF_TUN_NO_PI, CLONE_NEWNET = 0x400454CA, 0x1001, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def tun(namespace, address, peer):
    ns = os.open(f"/var/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(ns, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(ns)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH14x", b"link0", IFF_TUN_NO_PI))
    for args in (["addr", "add", address, "peer", peer, "dev", "link0"], ["link", "set", "link0", "up"], ["link", "set", "lo", "up"]):
        subprocess.run(["nsenter", f"--net=/var/run/netns/{namespace}", "ip", *args], check=True)
    return fd


def settings(path, old):
    try:
        with open(path) as f:
            return json.load(f)
    except (OSError, ValueError):
        return old


def main():
    ns_a, addr_a, ns_b, addr_b, control = sys.argv[1:6]
    a = tun(ns_a, addr_a, addr_b)
    b = tun(ns_b, addr_b, addr_a)
    other, free_at = {a: b, b: a}, {a: 0.0, b: 0.0}
    queue, n, how, looked = [], 0, {}, 0.0
    print("ready", flush=True)
    while True:
        now = time.monotonic()
        if now - looked > 0.1:
            how, looked = settings(control, how), now
        while queue and queue[0][0] <= now:
            _, _, fd, packet = heapq.heappop(queue)
            try:
                os.write(fd, packet)
            except OSError:
                pass
        wait = min(0.1, max(0.0, queue[0][0] - now)) if queue else 0.1
        for fd in select.select([a, b], [], [], wait)[0]:
            try:
                packet = os.read(fd, 65536)
            except OSError:
                continue
            if how.get("down") or random.random() < how.get("loss", 0) or len(queue) > 20000:
                continue
            at = time.monotonic()
            if how.get("rate_bps"):
                free_at[fd] = max(free_at[fd], at) + len(packet) * 8 / how["rate_bps"]
                at = free_at[fd]
            if random.random() >= how.get("reorder", 0):
                at += (how.get("delay_ms", 0) + random.random() * how.get("jitter_ms", 0)) / 1000
            n += 1
            heapq.heappush(queue, (at, n, other[fd], packet))


main()
