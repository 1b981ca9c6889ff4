#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# calibrate_test: `bedside camera calibrate` finds the delay that a simulated printer's camera has,
# by its light and by a LED; what it says is configured, and then taken off the pictures' times.
#   [BEDSIDE=PROGRAM] tests/e2e/calibrate_test.sh [BUILD_DIR]
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"
for tool in curl jq; do need $tool; done
cd "$tmp"
export HOME=$tmp
unset BEDSIDE_CONFIG

DELAY=300
"$BEDSIDE" simulate bambu --model P1S --serial 01P00A2B0000007 --cert-dir sim --no-ssdp --camera-fps 5 \
  --camera-delay $DELAY >sim.out 2>sim.log </dev/null &
pids+=($!)
until_true 60 test -s sim.out || die "the simulator does not start"
port_of() { jq ".ports.$1" sim.out; }
config() { # FILE [EXTRA LINE OF THE PRINTER]
  cat >"$1" <<YAML
ca_file: $tmp/$(jq -r .ca_file sim.out)
printers:
  - name: P1S
    driver: bambu
    address: 127.0.0.1
    serial: 01P00A2B0000007
    access_code: "12345678"
    ports: { mqtt: $(port_of mqtt), ftps: $(port_of ftps), camera: $(port_of camera), detect: $(port_of detect), detect_tls: $(port_of detect_tls) }
    ${2:-}
YAML
}
config plain.yaml

echo "-- by the printer's light"
"$BEDSIDE" camera calibrate P1S --config plain.yaml --data data >found.log 2>&1 || die "calibrate fails: $(cat found.log)"
cat found.log
ms=$(sed -nE 's/^camera_latency: ([0-9]+)ms$/\1/p' found.log)
[ -n "$ms" ] || die "no line for the configuration"
[ "$(grep -cE '^ *[0-9]+  o(n|ff) +[0-9-]+ to' found.log)" -ge 6 ] || die "most switchings were not seen"
# Within an interval of what is true; above it more, as a busy machine is late, too.
[ "$ms" -ge $((DELAY - 200)) ] && [ "$ms" -le $((DELAY + 250)) ] || die "found $ms ms, true are $DELAY"

echo "-- an H.264 stream of the page, written down"
"$BEDSIDE" simulate bambu --model X1C --serial 00M00A2B0000009 --cert-dir sim --no-ssdp --camera-fps 5 \
  --camera-delay $DELAY >x1.out 2>x1.log </dev/null &
pids+=($!)
until_true 60 test -s x1.out || die "the simulator does not start"
x1_port() { jq ".ports.$1" x1.out; }
cat >x1.yaml <<YAML
ca_file: $tmp/$(jq -r .ca_file x1.out)
printers:
  - name: X1
    driver: bambu
    address: 127.0.0.1
    serial: 00M00A2B0000009
    access_code: "12345678"
    camera: no
    ports: { mqtt: $(x1_port mqtt), ftps: $(x1_port ftps), rtsp: $(x1_port rtsp), detect: $(x1_port detect), detect_tls: $(x1_port detect_tls) }
YAML
mkdir -p x1data/cameras.d
cat >x1data/cameras.d/door.yaml <<YAML
name: Door
driver: rtsp
source: rtsps://127.0.0.1:$(x1_port rtsp)/streaming/live/1
user: bblp
password: "12345678"
tls: insecure
printers: [X1]
YAML
"$BEDSIDE" camera calibrate Door --write --toggles 6 --config x1.yaml --data x1data >door.log 2>&1 || die "calibrate fails: $(cat door.log)"
cat door.log
written=$(sed -nE 's/^latency: "?([0-9]+)ms"?$/\1/p' x1data/cameras.d/door.yaml)
[ -n "$written" ] || die "not written: $(cat x1data/cameras.d/door.yaml)"
[ "$written" -ge $((DELAY - 200)) ] && [ "$written" -le $((DELAY + 700)) ] || die "written $written ms, true are $DELAY and coding"

echo "-- a printer of the page, written down"
mkdir -p pagedata/printers.d
echo "ca_file: $tmp/$(jq -r .ca_file sim.out)" >page.yaml
{ sed -nE 's/^  (- |  )(name|driver|address|serial|access_code|ports)/\2/p' plain.yaml; echo "camera_latency: 5ms"; } >pagedata/printers.d/p1s.yaml
"$BEDSIDE" camera calibrate P1S --write --toggles 4 --config page.yaml --data pagedata >page.log 2>&1 || die "calibrate fails: $(cat page.log)"
grep -q '^written' page.log || die "not written: $(cat page.log)"
[ "$(grep -c '^camera_latency: [0-9]\+ms$' pagedata/printers.d/p1s.yaml)" = 1 ] || die "not written: $(cat pagedata/printers.d/p1s.yaml)"
grep -q '^camera_latency: 5ms' pagedata/printers.d/p1s.yaml && die "the old figure is still there"

echo "-- a light that is not there"
mkdir led
echo 0 >led/brightness
echo 255 >led/max_brightness
"$BEDSIDE" camera calibrate P1S --led led/brightness --toggles 4 --config plain.yaml --data data >dark.log 2>&1 &&
  die "a LED that the camera does not see was measured"
grep -q 'hardly changes' dark.log || die "not refused in words: $(cat dark.log)"
[ "$(cat led/brightness)" = 0 ] || die "the LED is not as before"
"$BEDSIDE" camera calibrate P1S --led nowhere/brightness --config page.yaml --data pagedata >none.log 2>&1 && die "a LED of no machine"
grep -q 'nowhere' none.log || die "no reason, or what was written is refused: $(cat none.log)"

echo "-- what is configured counts"
serve() { # CONFIGURATION NAME
  "$BEDSIDE" serve --config "$1" --data "$2" --port 0 >"$2.out" 2>"$2.log" &
  pids+=($!)
  until_true 60 grep -qs token= "$2.out" || die "serve does not start"
  at=$(sed -nE 's|.*(http://)[^:/]*(:[0-9]+)/.*|\1127.0.0.1\2|p' "$2.out" | head -n 1)
  token=$(sed -nE 's/.*token=([A-Za-z0-9]+).*/\1/p' "$2.out" | head -n 1)
  curl -sf -c jar -H 'Content-Type: application/json' -d '{"token":"'"$token"'","name":"root","password":"correct horse"}' \
    "$at/api/v1/setup" >/dev/null || die "set-up"
}
config calibrated.yaml "camera_latency: 1700ms"
serve calibrated.yaml serve
still() { curl -sf -b jar -D head -o still.jpg "$at/api/v1/cameras/p1s/snapshot?fresh=1&timeout=30000"; }
until_true 90 still || die "no fresh picture"
[ "$(curl -sf -b jar "$at/api/v1/cameras/p1s/settings" | jq -r .latency_ms)" = 1700 ] || die "the interface does not tell the latency"
grep -qi '^x-time-source: latency' head || die "the still does not say how its time is known: $(cat head)"
age=$(sed -nE 's/^x-age-ms: ([0-9]+).*/\1/Ip' head)
[ "$age" -ge 1700 ] || die "the latency is not taken off: a still of $age ms"
# A picture that was taken after the request cannot be here before the latency is over.
took=$(curl -sf -b jar -o still.jpg -w '%{time_total}' "$at/api/v1/cameras/p1s/snapshot?fresh=1&timeout=30000") || die "no second picture"
awk -v t="$took" 'BEGIN { exit !(t >= 1.6) }' || die "fresh=1 answered after $took s with a picture from before the request"

echo "-- a lamp that a person switches; the daemon, which runs, uses the figure at once"
csrf=$(curl -sf -c jar -H 'Content-Type: application/json' -d '{"name":"root","password":"correct horse"}' "$at/api/v1/login" | jq -r .csrf)
lamp() { curl -sf -b jar -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' -d "{\"command\":\"light\",\"on\":$1}" "$at/api/v1/printers/p1s/commands" >lamp.json; }
until_true 60 lamp false || die "the lamp cannot be switched"
mkfifo keys
"$BEDSIDE" camera calibrate P1S --by-hand --toggles 4 --config calibrated.yaml --data serve >hand.log 2>&1 <keys &
hand=$!
pids+=("$hand")
exec 7>keys
for i in 1 2 3 4; do
  until_true 120 grep -q "^$i of 4: switch the lamp" hand.log || die "a person is not asked: $(cat hand.log)"
  lamp "$([ $((i % 2)) = 1 ] && echo true || echo false)" || die "the lamp"
  echo >&7
done
wait "$hand" || die "calibrate --by-hand: $(cat hand.log)"
exec 7>&-
cat hand.log
by_hand=$(sed -nE 's/^camera_latency: ([0-9]+)ms$/\1/p' hand.log)
[ "$by_hand" -ge 0 ] && [ "$by_hand" -le $((DELAY + 900)) ] || die "by hand $by_hand ms, true are $DELAY"
[ "$(curl -sf -b jar "$at/api/v1/cameras/p1s/settings" | jq -r .latency_ms)" = "$by_hand" ] || die "the daemon does not use what was measured"
echo "found $ms ms of $DELAY, $by_hand by hand; a fresh still after $took s"
