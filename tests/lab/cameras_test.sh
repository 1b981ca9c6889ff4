#!/usr/bin/env bash
# cameras: USB cameras and vivid in the guest, driven by the kernel's own drivers.
. "$(dirname "$0")/lab.sh"
files=$tmp/files
prepare "$files"
picture 640x480 "$files/big.jpg"
picture 320x240 "$files/small.jpg"
peers=()
! command -v ustreamer >/dev/null || peers+=(ustreamer)
"$here/initrd" "$tmp/initrd" "$lab/kernel" "$files" "$BEDSIDE" "$build/tests/lab/uvc_camera" curl "${peers[@]}"
rc=0
"$here/boot" "${LIMIT:-600}" "$lab/kernel" "$tmp/initrd" "${2:-cameras}" >"$tmp/console.txt" 2>&1 || rc=$?
tr -d '\r' <"$tmp/console.txt" | grep -vE '^\[ *[0-9.]+\]' | tail -n 400
[ "$rc" = 33 ] || die "the guest ended with $rc"
