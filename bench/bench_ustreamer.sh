#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ustreamer: one USB camera (MJPEG of 1080p, by USB/IP and the kernel's uvcvideo) in the lab's guest, served in turn by us and
# by ustreamer to the same viewers. Processor time of each process for 1000 pictures delivered. Issue: ustreamer at least 1.5 × ours.
#   VIEWERS=50 FPS=3 SECONDS_OF_BENCH=10 ROUNDS=3 LIMIT=600 (seconds for the whole guest)
set -euo pipefail
bench=$(cd "$(dirname "$0")" && pwd)
: "${BENCH_BUILD:=$bench/../build}"
export BEDSIDE_LAB_DIR=${BEDSIDE_LAB_DIR:-$BENCH_BUILD/tests/lab}
# shellcheck source=tests/lab/lab.sh disable=SC1091
. "$bench/../tests/lab/lab.sh" "$BENCH_BUILD"
need ustreamer
need ffmpeg
here=$bench/../tests/lab
files=$tmp/files
prepare "$files"
# 84 kB, as in the other measurements; the same picture again and again, as neither looks into it.
ffmpeg -v error -f lavfi -i testsrc2=size=1920x1080:rate=1 -frames:v 1 -q:v 4 "$files/hd.jpg"
printf 'viewers=%s fps=%s seconds=%s rounds=%s\n' "${VIEWERS:-50}" "${FPS:-3}" "${SECONDS_OF_BENCH:-10}" "${ROUNDS:-3}" >"$files/ustreamer.conf"
"$here/initrd" "$tmp/initrd" "$lab/kernel" "$files" "$BEDSIDE" "$build/tests/lab/uvc_camera" "$BENCH_BUILD/bench/viewers" curl ustreamer
rc=0
"$here/boot" "${LIMIT:-600}" "$lab/kernel" "$tmp/initrd" ustreamer >"$tmp/console.txt" 2>&1 || rc=$?
tr -d '\r' <"$tmp/console.txt" | grep -vE '^\[ *[0-9.]+\]' >"$tmp/said.txt" || true
grep -E '^###|FAILED' "$tmp/said.txt" || true
[ "$rc" = 33 ] || { tail -n 40 "$tmp/said.txt"; die "the guest ended with $rc"; }
awk -v size="$(stat -c %s "$files/hd.jpg")" -v n="${VIEWERS:-50}" '
  $1 == "RESULT" { k[$2]++; ms[$2, k[$2]] = $3 }
  function median(who,   i, j, t, m) {
    m = k[who]
    for (i = 1; i <= m; i++) for (j = i + 1; j <= m; j++) if (ms[who, j] < ms[who, i]) { t = ms[who, i]; ms[who, i] = ms[who, j]; ms[who, j] = t }
    return ms[who, int((m + 1) / 2)]
  }
  END {
    ours = median("bedside"); theirs = median("ustreamer")
    printf "%d viewers, %.0f kB, emulated processor, medians of %d: bedside %.1f ms, ustreamer %.1f ms of CPU for 1000 pictures; ustreamer is %.2f x ours (must be 1.5)\n",
      n, size / 1000, k["bedside"], ours, theirs, theirs / ours
  }' "$tmp/said.txt"
