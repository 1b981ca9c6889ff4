#!/usr/bin/env bash
# The daemon with four printers: memory and CPU when nobody looks and nothing prints (limits 25 MB PSS, 1 % of a core), and
# with its worker while a 1080p camera is recorded (limit 180 MB together).
set -euo pipefail
tmp=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$tmp"' EXIT
# PSS shares what other running copies of the program share; RSS is the most it can be.
rss() { awk '/^Rss:/ { print $2 }' "/proc/$1/smaps_rollup"; }
pss() { awk '/^Pss:/ { print $2 }' "/proc/$1/smaps_rollup"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

mkdir -p "$tmp/storage"
"$BEDSIDE" simulate job --shape boat --layers 200 "$tmp/storage/job.gcode.3mf"
mkfifo "$tmp/orders"
sleep 3600 >"$tmp/orders" &
pids+=($!)
{
  echo "data: $tmp/data"
  echo "web: {port: 0}"
  echo "printers:"
} >"$tmp/bedside.yaml"
n=0
for model in A1 P1S X1C H2D; do
  n=$((n + 1))
  in=/dev/null
  [ $n -gt 1 ] || in=$tmp/orders
  "$BEDSIDE" simulate bambu --model $model --serial "TESTBENCH00000$n" --cert-dir "$tmp/certs" --storage "$tmp/storage" \
    --no-ssdp --speed 20 >"$tmp/sim$n.out" 2>"$tmp/sim$n.log" <"$in" &
  pids+=($!)
  until [ -s "$tmp/sim$n.out" ]; do sleep 0.1; done
  cat >>"$tmp/bedside.yaml" <<EOF
  - name: $model
    address: 127.0.0.1
    serial: $(jq -r .serial "$tmp/sim$n.out")
    access_code: "12345678"
    camera: no
    ports: {mqtt: $(jq .ports.mqtt "$tmp/sim$n.out"), ftps: $(jq .ports.ftps "$tmp/sim$n.out"), detect: $(jq .ports.detect "$tmp/sim$n.out")}
EOF
done
echo "ca_file: $(jq -r .ca_file "$tmp/sim1.out")" >>"$tmp/bedside.yaml"
echo "cameras: [{name: Full HD, driver: fake, printer: A1, size: 1920x1080, fps: 10}]" >>"$tmp/bedside.yaml"
"$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/out" 2>"$tmp/log" &
daemon=$!
pids+=("$daemon")
until grep -q 'is up' "$tmp/out"; do sleep 0.1; done
sleep 15
before=$(ticks "$daemon")
sleep 30
after=$(ticks "$daemon")
awk -v p="$(pss "$daemon")" -v r="$(rss "$daemon")" -v t=$((after - before)) -v h="$(getconf CLK_TCK)" 'BEGIN {
  printf "idle, four printers, no viewer: %.1f MB PSS, %.1f MB RSS (limit 25), %.2f %% of one core (limit 1)\n", p / 1024, r / 1024, t / h / 30 * 100 }'

echo "print $tmp/storage/job.gcode.3mf" >"$tmp/orders"
for wanted in 60 180; do
  until [ "$("$BEDSIDE" status --json --data "$tmp/data" | jq '[.printers[].session.n_frames] | max')" -ge $wanted ]; do sleep 0.5; done
  worker=$(pgrep -f "bedside-av encode.*$tmp" | head -n 1)
  awk -v d="$(pss "$daemon")" -v w="$(pss "$worker")" -v r=$(($(rss "$daemon") + $(rss "$worker"))) -v n=$wanted 'BEGIN {
    printf "recording and encoding 1080p, %d pictures: daemon %.1f + worker %.1f = %.1f MB PSS, %.1f MB RSS (limit 180)\n", n, d / 1024, w / 1024, (d + w) / 1024, r / 1024 }'
done
