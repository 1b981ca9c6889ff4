#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# video: what passing 1080p30 H.264 on to one viewer costs: the daemon and the bedside-av that reads the
# camera, of a gst-rtsp-server, plain and through TLS. Issue: at most 3 % of a core.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
: "${BEDSIDE:=$here/build/src/app/bedside}"
seconds=${SECONDS_OF_BENCH:-30}
python=
for p in /usr/bin/python3 python3; do
  if "$p" -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null; then python=$p && break; fi
done
[ -n "$python" ] && command -v stunnel >/dev/null || { echo "skipped: gst-rtsp-server or stunnel is not installed"; exit 0; }
tmp=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null; rm -rf "$tmp"' EXIT
cd "$tmp"
export HOME=$tmp

"$python" "$here/tests/e2e/rtsp_server.py" 0 h264 --size 1920x1080 --fps 30 --pattern "${PATTERN:-pinwheel}" --bitrate "${BITRATE:-6000}" >gst.out 2>gst.log &
pids+=($!)
until grep -qs '^port' gst.out; do sleep 0.2; done
plain=$(sed -n 's/^port //p' gst.out)
openssl req -x509 -newkey rsa:2048 -nodes -keyout cam.key -out cam.pem -days 2 -subj /CN=camera \
  -addext subjectAltName=DNS:localhost 2>/dev/null
tls=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf 'foreground = yes\npid =\ncert = %s/cam.pem\nkey = %s/cam.key\n[cam]\naccept = 127.0.0.1:%s\nconnect = 127.0.0.1:%s\n' \
  "$tmp" "$tmp" "$tls" "$plain" >stunnel.conf
stunnel stunnel.conf >stunnel.log 2>&1 &
pids+=($!)
cat >bedside.yaml <<YAML
cameras:
  - { name: plain, driver: rtsp, source: "rtsp://localhost:$plain/live" }
  - { name: tls, driver: rtsp, source: "rtsps://localhost:$tls/live", ca_file: $tmp/cam.pem }
YAML
"$BEDSIDE" serve --config bedside.yaml --data data --port 0 >serve.out 2>serve.log &
daemon=$!
pids+=("$daemon")
until grep -qs token= serve.out; do sleep 0.2; done
at=$(sed -nE 's|.*(http://)[^:/]*(:[0-9]+)/.*|\1127.0.0.1\2|p' serve.out | head -n 1)
token=$(sed -nE 's/.*token=([A-Za-z0-9]+).*/\1/p' serve.out | head -n 1)
curl -sf -c jar -H 'Content-Type: application/json' -d '{"token":"'"$token"'","name":"root","password":"correct horse"}' \
  "$at/api/v1/setup" >/dev/null

ticks() { # PID: user and system time in clock ticks
  [ -e "/proc/$1/stat" ] && sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }' || echo 0
}
percent() { awk -v t="$1" -v s="$seconds" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.2f", 100 * t / hz / s }'; }

for camera in plain tls; do
  curl -s -b jar "$at/api/v1/cameras/$camera/video.mp4" -o "$camera.mp4" &
  viewer=$!
  pids+=("$viewer")
  until [ -s "$camera.mp4" ]; do sleep 0.2; done
  sleep 2
  worker=$(pgrep -P "$daemon" -x bedside-av | tail -n 1)
  d0=$(ticks "$daemon") w0=$(ticks "$worker") b0=$(stat -c %s "$camera.mp4")
  sleep "$seconds"
  d1=$(ticks "$daemon") w1=$(ticks "$worker") b1=$(stat -c %s "$camera.mp4")
  kill "$viewer"
  fps=$(curl -s -b jar "$at/api/v1/cameras" | jq -r ".cameras[] | select(.id == \"$camera\") | \"\(.width)x\(.height) at \(.per_second)\"")
  printf '%-6s %s pictures/s, %s Mbit/s: daemon %s %%, bedside-av %s %%, together %s %% of a core; bedside-av %s MB resident\n' "$camera" "$fps" \
    "$(awk -v b=$((b1 - b0)) -v s="$seconds" 'BEGIN { printf "%.1f", b * 8 / s / 1e6 }')" \
    "$(percent $((d1 - d0)))" "$(percent $((w1 - w0)))" "$(percent $((d1 - d0 + w1 - w0)))" \
    "$(awk '/VmRSS/ { printf "%.0f", $2 / 1000 }' "/proc/$worker/status")"
  sleep 8
done
