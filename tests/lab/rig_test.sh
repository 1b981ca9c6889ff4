#!/usr/bin/env bash
# rig: button, lights, climate sensor and camera in the guest, by the kernel's own drivers: a session from clicks alone.
. "$(dirname "$0")/lab.sh"
need gcc
need make
files=$tmp/files
prepare "$files"
(
  flock 9
  "$here/modules" "$lab/kernel" "$here/sensor"
) 9>"$lab/lock" || exit $?
picture 640x480 "$files/big.jpg"
picture 320x240 "$files/small.jpg"
"$here/initrd" "$tmp/initrd" "$lab/kernel" "$files" "$BEDSIDE" "$(dirname "$BEDSIDE")/../av/bedside-av" "$build/tests/lab/uvc_camera" "$build/tests/lab/press_line"
rc=0
# The sensor's bits are microseconds.
LAB_CLOCK="tsc=reliable clocksource=tsc" "$here/boot" "${LIMIT:-700}" "$lab/kernel" "$tmp/initrd" rig >"$tmp/console.txt" 2>&1 || rc=$?
tr -d '\r' <"$tmp/console.txt" | grep -vE '^\[ *[0-9.]+\]' | tail -n 200
[ "$rc" = 33 ] || die "the guest ended with $rc"
