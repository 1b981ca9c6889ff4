#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# age: how old a picture is at the viewer, of what the daemon adds: an HTTP camera stamps each picture as it sends it, the whole
# daemon passes it on to 50 viewers while it photographs a print with that camera. Limits: p50 2 ms, p99 10 ms.
#   SECONDS_OF_BENCH=20 VIEWERS=50 QUALITY=84 (kB, about)
#   PRIORITY=1: camera, daemon and viewers before others on this machine (nice -n -15, as root); it is said in the result.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
: "${BEDSIDE:=$here/build/src/app/bedside}" "${BENCH_BUILD:=$here/build}"
seconds=${SECONDS_OF_BENCH:-20} viewers=${VIEWERS:-50}
for tool in ffmpeg jq; do command -v $tool >/dev/null || { echo "skipped: $tool is not installed"; exit 0; }; done
first=()
[ -z "${PRIORITY:-}" ] || first=(nice -n -15)
tmp=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null; rm -rf "$tmp"' EXIT
cd "$tmp"
export HOME=$tmp
ffmpeg -v error -f lavfi -i testsrc2=size=1920x1080:rate=15 -frames:v 30 -q:v 4 f%02d.jpg
"${first[@]}" "$BENCH_BUILD/bench/mjpeg_source" 15 f*.jpg >source.out &
pids+=($!)
"$BEDSIDE" simulate job --shape gear --layers 400 job.gcode.3mf >/dev/null
mkfifo orders
sleep 1000 >orders &
pids+=($!)
"$BEDSIDE" simulate bambu --model A1 --serial 03900A4E2E00001 --code 11223344 --storage . --cert-dir certs --no-ssdp --speed 10 \
  >sim.out 2>sim.log <orders &
pids+=($!)
# wait_for COMMAND...: half a minute, then what was logged is said.
wait_for() {
  for _ in {1..150}; do ! "$@" || return 0; sleep 0.2; done
  tail -n 5 ./*.log
  exit 1
}
is_ready() { [ -s sim.out ] && [ -s source.out ]; }
wait_for is_ready
cat >bedside.yaml <<YAML
data: data
ca_file: $tmp/$(jq -r .ca_file sim.out)
web: {listen: 127.0.0.1, port: 0, camera_clients: [127.0.0.1]}
printers:
  - name: Sim
    address: 127.0.0.1
    serial: 03900A4E2E00001
    access_code: "11223344"
    camera: no
    session: {film: no}
    ports: {mqtt: $(jq .ports.mqtt sim.out), ftps: $(jq .ports.ftps sim.out), detect: $(jq .ports.detect sim.out)}
cameras:
  - {name: Cam, driver: http-mjpeg, source: "http://127.0.0.1:$(cat source.out)/", printer: Sim}
YAML
printf 'correct horse\n' | "$BEDSIDE" user add admin --data data --role admin --password-stdin >/dev/null
"${first[@]}" "$BEDSIDE" serve --config bedside.yaml >serve.out 2>serve.log &
daemon=$!
pids+=("$daemon")
wait_for grep -qs 'is up' serve.out
port=$(sed -nE 's|^Bedside is up: http://[^:/]*:([0-9]+)/.*|\1|p' serve.out | head -n 1)
echo "print $tmp/job.gcode.3mf" >orders
sleep 3
load=$(cut -d' ' -f1 /proc/loadavg)
"${first[@]}" "$BENCH_BUILD/bench/viewers" -p "$daemon" 127.0.0.1 "$port" /stream "$viewers" "$seconds" >seen.out
curl -sf -u "admin:correct horse" "http://127.0.0.1:$port/api/v1/sessions" >sessions.json 2>/dev/null || true
size=$(du -cb f*.jpg | awk 'END { printf "%.0f", $1 / 30000 }')
awk -v n="$viewers" -v s="$seconds" -v size="$size" -v load="$load" -v first="${PRIORITY:+, before others on the machine (nice -n -15)}" '
  { v[$1] = $2 }
  /^age/ { p50[$1] = $3; p99[$1] = $5; max[$1] = $7 }
  function row(what, k) {
    printf "  %-34s p50 %6.2f ms (limit 2)  p99 %6.2f ms (limit 10)  max %.1f\n", what, p50[k], p99[k], max[k]
  }
  END {
    printf "%d viewers, %d kB, 15 a second, %d s, while a print is photographed; load %s%s\n", n, size, s, load, first
    printf "  %d pictures of %d; the slowest viewer %s a second; %s ms of CPU for 1000; the daemon was ready to run without a processor %s ms\n",
      v["pictures"], n * s * 15, v["per_second_of_the_slowest"], v["cpu_ms_per_1000"], v["waited_for_cpu_ms"]
    row("age in the viewer'"'"'s kernel:", "age_at_kernel_ms")
    row("age when the viewer had read it:", "age_when_read_ms")
  }' seen.out
