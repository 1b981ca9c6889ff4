#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# press: from the kernel's stamp of a button's edge to the picture asked for, in the lab's guest (limit: p99 5 ms): the daemon idle,
# the daemon while it records, and a program that does nothing but wait for the button.
# The emulated processors are threads of this machine, which stands still in the guest whenever another program has the processor
# here. So they go before others (real-time priority, as root) while the button is pressed; FIRST=no leaves them among the others.
# How long they waited for this machine's processors is printed. A series of the daemon beyond the limit ends it with 1, if the
# emulator went first from its beginning to its end.
#   PRESSES=200 ROUNDS=1 CPUS=2 (of the guest) FIRST=yes LIMIT=600 (seconds for the whole guest)
set -euo pipefail
bench=$(cd "$(dirname "$0")" && pwd)
: "${BENCH_BUILD:=$bench/../build}"
export BEDSIDE_LAB_DIR=${BEDSIDE_LAB_DIR:-$BENCH_BUILD/tests/lab}
# shellcheck source=tests/lab/lab.sh disable=SC1091
. "$bench/../tests/lab/lab.sh" "$BENCH_BUILD"
files=$tmp/files
mkdir "$files"
printf 'presses=%s rounds=%s\n' "${PRESSES:-200}" "${ROUNDS:-1}" >"$files/press.conf"
rig_initrd "$files"

# waited: milliseconds that the emulator's threads ran, and that they were ready and had to wait.
waited() { cat /proc/"$guest"/task/*/schedstat | awk '{ run += $1; wait += $2 } END { printf "%d %d\n", run / 1e6, wait / 1e6 }'; }
# The thread that serves the clocks goes before those that are the processors, or the guest's time would stand still.
first() {
  [ "${FIRST:-yes}" = yes ] && chrt -a -r -p 1 "$guest" && chrt -r -p 2 "$guest"
} 2>/dev/null
among_others() { chrt -a -o -p 0 "$guest" 2>/dev/null || true; }
# Should the guest run wild, this machine is taken back. guard SERIES
guard() {
  chrt -r -p 3 "$BASHPID" 2>/dev/null || true
  sleep $((20 + ${PRESSES:-200} / 5))
  [ "$(cat "$tmp/series")" != "$1" ] || among_others
}

echo "load of this machine before: $(cut -d' ' -f1-3 /proc/loadavg)"
mkfifo "$tmp/console"
LAB_CLOCK="tsc=reliable clocksource=tsc" LAB_CPUS=${CPUS:-2} "$here/boot" "${LIMIT:-600}" "$lab/kernel" "$tmp/initrd" press >"$tmp/console" 2>&1 &
boot=$!
pids+=("$boot")
while IFS= read -r line; do
  line=${line%$'\r'}
  echo "$line" >>"$tmp/said.txt"
  case $line in
    SERIES*)
      guest=$(pgrep -P "$boot")
      how='among others'
      ! first || how=first
      series=$((${series:-0} + 1))
      echo $series >"$tmp/series"
      guard $series >/dev/null 2>&1 &
      guard=$!
      before=$(waited)
      ;;
    PRESSED*)
      after=$(waited)
      [ "$how" != first ] || chrt -p "$guest" | grep -q SCHED_RR || how='first, but not to the end'
      among_others
      echo none >"$tmp/series"
      kill "$guard" 2>/dev/null || true
      ;;
    RESULT*)
      [ "$how" != first ] || echo "${line/#RESULT/JUDGED}" >>"$tmp/said.txt"
      echo "${line#RESULT } us; emulator $how: $(awk '{ printf "ran %d ms, waited %d ms", $3 - $1, $4 - $2 }' <<<"$before $after")"
      ;;
    *FAILED*) echo "$line" ;;
  esac
done <"$tmp/console"
rc=0
wait "$boot" || rc=$?
[ "$rc" = 33 ] || { tail -n 40 "$tmp/said.txt"; die "the guest ended with $rc"; }
rc=0
awk '
  $1 == "RESULT" { k[$2]++; if ($8 / 1000 > worst[$2]) worst[$2] = $8 / 1000 }
  $1 == "JUDGED" && $2 != "bare" { judged[$2]++; if ($8 > 5000) late[$2] = 1 }
  END {
    for (who in k)
      printf "%s: worst p99 of %d rounds %.2f ms%s\n", who, k[who], worst[who],
        who == "bare" ? "" : " (limit 5; " judged[who] + 0 " judged" (who in late ? ", too late)" : ")")
    for (who in late) exit 1
  }' "$tmp/said.txt" || rc=1
echo "load of this machine after: $(cut -d' ' -f1-3 /proc/loadavg)"
exit $rc
