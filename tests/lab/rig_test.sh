#!/usr/bin/env bash
# rig: button, lights, climate sensor and camera in the guest, by the kernel's own drivers: a session from clicks alone.
. "$(dirname "$0")/lab.sh"
rig_initrd "$tmp/files"
rc=0
# The sensor's bits are microseconds.
LAB_CLOCK="tsc=reliable clocksource=tsc" "$here/boot" "${LIMIT:-700}" "$lab/kernel" "$tmp/initrd" rig >"$tmp/console.txt" 2>&1 || rc=$?
tr -d '\r' <"$tmp/console.txt" | grep -vE '^\[ *[0-9.]+\]' | tail -n 200
[ "$rc" = 33 ] || die "the guest ended with $rc"
