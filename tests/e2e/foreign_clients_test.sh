#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# foreign_clients: real programs look at a camera of ours, at the addresses that their users type in: OctoPrint (its own test of
# the addresses, and its timelapse), Moonraker (its test of a webcam), ffmpeg as Home Assistant, Frigate and Obico use it.
# What the registries do not give is skipped; all of it: 77.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
. "$here/octoprint_lib.sh"
need curl
need jq
need python3
tried=0

cat >"$tmp/bedside.yaml" <<YAML
data: $tmp/data
web: {listen: 127.0.0.1, port: 0}
cameras:
  - {name: Front, driver: fake, size: 640x480, fps: 10}
YAML
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null || die "user add"
"$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/serve.out" 2>"$tmp/serve.log" &
pids+=($!)
until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start"
base=$(address_of "$tmp/serve.out")
csrf=$(curl -sf -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "${base}api/v1/login" | jq -r .csrf)
token=$(curl -sf -b "$tmp/jar" -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' -d '{"camera":"front","name":"others"}' \
  "${base}api/v1/camera-tokens" | jq -r .secret)
stream="${base}c/$token/webcam/?action=stream" snapshot="${base}c/$token/webcam/?action=snapshot"
size_of() { python3 -c '
import sys
d, i = open(sys.argv[1], "rb").read(), 2
while d[i + 1] not in (0xC0, 0xC1, 0xC2):
    i += 2 + int.from_bytes(d[i + 2:i + 4], "big")
print(int.from_bytes(d[i + 7:i + 9], "big"), int.from_bytes(d[i + 5:i + 7], "big"))' "$1"; }

# ---- OctoPrint: what its settings dialog asks, and pictures of its timelapse ----
octoprint_looks() {
  local first
  octoprint_configure 0.1
  octoprint_start
  octoprint POST /api/settings "$(jq -n --arg st "$stream" --arg sn "$snapshot" --arg ff "$(command -v ffmpeg || echo /bin/true)" \
    '{webcam: {webcamEnabled: true, timelapseEnabled: true, ffmpegPath: $ff}, plugins: {classicwebcam: {stream: $st, snapshot: $sn}}}')" >/dev/null ||
    die "OctoPrint takes no webcam settings"
  # The still whole, as its dialog asks; of the stream, which does not end, what it is.
  for how in "GET $snapshot" "HEAD $stream"; do
    octoprint POST /api/util/test "$(jq -n --arg m "${how%% *}" --arg u "${how#* }" '{command: "url", url: $u, method: $m, response: ($m == "GET"),
      timeout: 10, content_type_whitelist: ["image/*", "multipart/*"], content_type_guess: ($m == "GET")}')" >"$tmp/octo.json" ||
      die "OctoPrint's test of ${how##*/}"
    jq -e .result "$tmp/octo.json" >/dev/null || die "OctoPrint's own test refuses ${how##*/}: $(cut -c1-300 "$tmp/octo.json")"
  done
  octoprint POST /api/timelapse '{"type": "timed", "interval": 1, "postRoll": 0, "fps": 25}' >/dev/null || die "OctoPrint's timelapse settings"
  for i in $(seq 400); do echo "G1 X$((i % 90)) Y$((i % 80)) E$i F600"; done >"$tmp/ring.gcode"
  octoprint_upload "$tmp/ring.gcode" true
  has_pictures() { [ "$(find "$tmp/octoprint/timelapse/tmp" -name '*.jpg' -size +1k 2>/dev/null | wc -l)" -ge 3 ]; }
  until_true 120 has_pictures || die "OctoPrint's timelapse takes no pictures: $(tail -n 3 "$tmp/octoprint.log")"
  first=$(find "$tmp/octoprint/timelapse/tmp" -name '*.jpg' -size +1k | head -n 1)
  [ "$(size_of "$first")" = "640 480" ] || die "OctoPrint's picture is $(size_of "$first")"
  kill "$octoprint_pid"
  echo "OctoPrint $("$octoprint_venv/bin/octoprint" --version | tail -n 1 | awk '{ print $NF }'): stream and still tested by itself, its timelapse photographs"
}
# A subshell: where the registry refuses, the installer ends it with 77.
rc=0
(octoprint_install 1) || rc=$?
if [ $rc = 0 ]; then
  octoprint_install 1
  octoprint_looks
  tried=1
fi

# ---- Moonraker: its test of a webcam ----
moonraker_install() {
  local cache=${BEDSIDE_TEST_CACHE:-$HOME/.cache/bedside-tests}
  moonraker_venv=$cache/moonraker
  ! "$moonraker_venv/bin/python3" -c "import moonraker" 2>/dev/null || return 0
  mkdir -p "$cache"
  rm -rf "$moonraker_venv"
  python3 -m venv "$moonraker_venv" >"$tmp/venv.log" 2>&1 && "$moonraker_venv/bin/pip" install --no-input --quiet moonraker >"$tmp/pip.log" 2>&1 || {
    rm -rf "$moonraker_venv"
    echo "Moonraker is not tried: pip does not get it"
    return 1
  }
}
moonraker_looks() {
  local port
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  mkdir -p "$tmp/moonraker/config" "$tmp/moonraker/comms" "$tmp/moonraker/logs"
  cat >"$tmp/moonraker/config/moonraker.conf" <<CONF
[server]
host: 127.0.0.1
port: $port
klippy_uds_address: $tmp/moonraker/comms/klippy.sock
[authorization]
trusted_clients:
  127.0.0.1
[machine]
provider: none
validate_service: False
validate_config: False
[webcam front]
location: printer
service: mjpegstreamer
stream_url: $stream
snapshot_url: $snapshot
CONF
  "$moonraker_venv/bin/python3" -m moonraker -d "$tmp/moonraker" >"$tmp/moonraker.log" 2>&1 &
  pids+=($!)
  listed() { curl -sf "http://127.0.0.1:$port/server/webcams/list" | jq -e '.result.webcams[] | select(.name == "front")' >/dev/null; }
  until_true 90 listed || die "Moonraker does not start: $(tail -n 3 "$tmp/moonraker.log")"
  curl -sf -X POST "http://127.0.0.1:$port/server/webcams/test?name=front" >"$tmp/moon.json" || die "Moonraker's test: $(cat "$tmp/moon.json")"
  jq -e '.result.snapshot_reachable' "$tmp/moon.json" >/dev/null || die "Moonraker reaches no still: $(cat "$tmp/moon.json")"
  echo "Moonraker: reaches the still by its own test"
}
if moonraker_install; then
  moonraker_looks
  tried=1
fi

# ---- ffmpeg, as others call it ----
if command -v ffmpeg >/dev/null; then
  timeout 90 ffmpeg -v error -f mpjpeg -i "$stream" -frames:v 5 -f null - || die "ffmpeg -f mpjpeg"
  timeout 90 ffmpeg -v error -i "$stream" -frames:v 5 -f null - || die "ffmpeg, which finds out by itself"
  timeout 90 ffmpeg -v error -use_wallclock_as_timestamps 1 -i "$stream" -t 2 -c:v libx264 -preset ultrafast -f mp4 -y "$tmp/take.mp4" || die "ffmpeg, recording"
  [ -s "$tmp/take.mp4" ] || die "ffmpeg recorded nothing"
  # A still again and again, as Home Assistant's generic camera does.
  for _ in 1 2 3; do timeout 30 ffmpeg -v error -i "$snapshot" -frames:v 1 -f null - || die "ffmpeg, still"; done
  echo "ffmpeg: reads, finds out the format by itself, records"
  tried=1
fi
[ $tried = 1 ] || { echo "skipped: neither OctoPrint nor Moonraker nor ffmpeg"; exit 77; }
grep -q "$token" "$tmp/serve.log" && die "the token stands in the log"
echo "foreign programs see the camera"
