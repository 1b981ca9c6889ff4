#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# independent_client_test: somebody else's client (bambulabs-api of PyPI) with the simulated printer.
#   [BEDSIDE=PROGRAM] tests/e2e/independent_client_test.sh [BUILD_DIR]
# 77: skipped, without python3-venv or PyPI. It insists on the usual ports: on an address of our own.
set -u
bedside=${BEDSIDE:-${1:-build}/src/app/bedside}
case $bedside in /*) ;; *) bedside=$PWD/$bedside ;; esac
[ -x "$bedside" ] || { echo "no program at $bedside"; exit 1; }
dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill $pid 2>/dev/null; rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv" >/dev/null 2>&1 || { echo "skipped: no python3-venv"; exit 77; }
timeout 120 "$dir/venv/bin/pip" install -q 'bambulabs-api==2.6.6' >"$dir/pip.log" 2>&1 ||
  { echo "skipped: pip cannot install bambulabs-api: $(tail -n 1 "$dir/pip.log")"; exit 77; }

address=127.61.7.$((RANDOM % 200 + 20))
mkfifo "$dir/in"
"$bedside" simulate bambu --model A1 --serial 03900A400001111 --code 12345678 --address $address \
  --mqtt-port 8883 --camera-port 6000 --speed 20 --cert-dir "$dir/certs" --no-ssdp \
  <"$dir/in" >"$dir/ready" 2>"$dir/log" &
pid=$!
exec 7>"$dir/in"
for _ in $(seq 100); do [ -s "$dir/ready" ] && break; sleep 0.1; done
[ -s "$dir/ready" ] || { echo "FAILED: the simulator does not start: $(cat "$dir/log")"; exit 1; }

timeout 90 "$dir/venv/bin/python" - "$address" <<'PY'
import base64, sys, time
import bambulabs_api as bl

def wait(what, seconds, true):
    end = time.time() + seconds
    while time.time() < end:
        try:
            if true():
                print("ok:", what)
                return
        except Exception:
            pass
        time.sleep(0.2)
    sys.exit("FAILED: " + what)

p = bl.Printer(sys.argv[1], "12345678", "03900A400001111")
p.mqtt_start()
wait("connected", 20, p.mqtt_client_connected)
wait("state", 20, lambda: p.get_state() == bl.GcodeState.IDLE)
wait("bed temperature", 5, lambda: 15 < p.get_bed_temperature() < 40)
wait("speed", 10, lambda: p.set_print_speed(3) and p.get_print_speed() == 124)
wait("spools", 5, lambda: (p.mqtt_client.process_ams(), len(p.mqtt_client.ams_hub[0].filament_trays))[1] == 3)
p.camera_start()

def has_frame():
    b = base64.b64decode(p.get_camera_frame())
    return b[:3] == b"\xff\xd8\xff" and b[-2:] == b"\xff\xd9" and len(b) > 5000

wait("camera frame", 20, has_frame)
i = p.get_camera_image()
if i.size != (1280, 720):
    sys.exit("FAILED: picture of %dx%d" % i.size)
p.camera_stop()
p.mqtt_stop()
PY
status=$?
[ $status -eq 0 ] || sed 's/^/simulator: /' "$dir/log"
exit $status
