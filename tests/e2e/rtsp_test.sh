#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# rtsp_test: RTSP and RTSPS cameras by real peers: gst-rtsp-server, plain and behind stunnel, as a
# source; ffmpeg as a client of what we pass on and of the simulated printers' cameras.
# 77: skipped, for lack of one of them.
# shellcheck source=tests/e2e/lib.sh disable=SC1091
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
for tool in curl jq openssl ffmpeg ffprobe; do need $tool; done
cd "$tmp"
export HOME=$tmp
unset BEDSIDE_CONFIG

# ---- the printers' own: third-party clients, then we ourselves
"$BEDSIDE" simulate bambu --model X1C --serial 00M00A2B0000007 --cert-dir sim --no-ssdp --camera-fps 10 \
  --control sim.sock >sim.out 2>sim.log </dev/null &
pids+=($!)
until_true 60 test -s sim.out || die "the simulator does not start"
port=$(jq .ports.rtsp sim.out)
ca=$tmp/$(jq -r .ca_file sim.out)
url=rtsps://bblp:12345678@127.0.0.1:$port/streaming/live/1
ffprobe -v error -rtsp_transport tcp -of json -show_streams "$url" >probe.json 2>probe.log || die "ffprobe refuses the simulated camera"
[ "$(jq -r '.streams[0].codec_name' probe.json)" = h264 ] || die "ffprobe sees no H.264"
timeout 60 ffmpeg -v error -rtsp_transport tcp -i "$url" -frames:v 8 -f null - || die "ffmpeg cannot decode the simulated camera"

printer() { printf '%s\n' "$@" >code; "$BEDSIDE" camera test --bambu 127.0.0.1 --serial 00M00A2B0000007 --port "$port" --code-file code --ca-file "$ca" --out x.jpg 2>&1; }
printer 12345678 | grep -q '^fine .*1280×720' || die "the simulated X1 shows nothing: $(printer 12345678)"
ffprobe -v error x.jpg || die "the still is no JPEG"
out=$(printer 11111111) && die "a wrong code was taken"
case $out in *"refuses the access code"*) ;; *) die "wrong code: $out" ;; esac
case $out in *11111111*) die "the code stands in the message" ;; esac
out=$("$BEDSIDE" camera test --bambu 127.0.0.1 --serial 00M00A2B0000007 --port 9 --code-file code --ca-file "$ca" 2>&1) && die "nobody there was taken"
case $out in *'"LAN-only liveview"'*) ;; *) die "liveview off: $out" ;; esac
# Times that stand still (P2S): still video, still pictures.
python3 - sim.sock camera-clock <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
assert b"ok" in s.recv(100)
PY
printer 12345678 | grep -q '^fine' || die "times that stand still: $(printer 12345678)"

# ---- a print photographed by that camera: each layer is decoded out of the running video
serve() { # CONFIGURATION NAME: sets at and signs in
  "$BEDSIDE" serve --config "$1" --data "$2" --port 0 >"$2.out" 2>"$2.log" &
  pids+=($!)
  until_true 60 grep -qs token= "$2.out" || die "serve does not start"
  at=$(sed -nE 's|.*(http://)[^:/]*(:[0-9]+)/.*|\1127.0.0.1\2|p' "$2.out" | head -n 1)
  token=$(sed -nE 's/.*token=([A-Za-z0-9]+).*/\1/p' "$2.out" | head -n 1)
  curl -sf -c jar -H 'Content-Type: application/json' -d '{"token":"'"$token"'","name":"root","password":"correct horse"}' \
    "$at/api/v1/setup" >/dev/null || die "set-up"
}
ask() { curl -sf -b jar "$at/api/v1/$1"; }

"$BEDSIDE" simulate job --model X1C --shape gear --layers 12 job.gcode.3mf >/dev/null
"$BEDSIDE" simulate bambu --model X1C --serial 00M00A2B0000008 --cert-dir sim --storage sd --no-ssdp --camera-fps 10 --speed 15 \
  --control print.sock >print.out 2>print.log </dev/null &
pids+=($!)
until_true 60 test -s print.out || die "the simulator does not start"
port_of() { jq ".ports.$1" print.out; }
cat >print.yaml <<YAML
ca_file: $ca
printers:
  - name: X1
    driver: bambu
    address: 127.0.0.1
    serial: 00M00A2B0000008
    access_code: "12345678"
    ports: { mqtt: $(port_of mqtt), ftps: $(port_of ftps), rtsp: $(port_of rtsp), detect: $(port_of detect), detect_tls: $(port_of detect_tls) }
YAML
serve print.yaml printed
is_online() { [ "$(ask printers | jq -r '.printers[0].link.state')" = online ] && [ "$(ask cameras | jq -r '.cameras[0].driver')" = bambu-rtsp ]; }
until_true 60 is_online || die "the printer does not come online: $(ask printers | jq -c '.printers[0].link')"
python3 - print.sock "print $tmp/job.gcode.3mf" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
assert b"ok" in s.recv(300)
PY
is_filmed() { [ "$(ask films | jq -r '.films[0].state')" = verified ]; }
until_true 240 is_filmed || die "the print has no film: $(ask sessions)"
[ "$(ask sessions | jq '.sessions[0].n_missed')" = 0 ] || die "layers were missed: $(ask sessions)"
[ "$(ask sessions | jq '.sessions[0].n_frames')" -ge 12 ] || die "pictures are missing: $(ask sessions)"

# ---- a server of others
python=
for p in /usr/bin/python3 python3; do
  if "$p" -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null; then python=$p && break; fi
done
[ -n "$python" ] || { echo "skipped from here on: gst-rtsp-server is not installed"; exit 77; }

server() { # NAME ARGUMENTS…: sets port and pid
  local name=$1
  shift
  "$python" "$here/rtsp_server.py" 0 "$@" >"$name.out" 2>"$name.log" &
  pid=$!
  pids+=("$pid")
  until_true 30 grep -q '^port' "$name.out" || { wait "$pid"; [ $? -ne 77 ] || exit 77; die "$name does not start"; }
  port=$(sed -n 's/^port //p' "$name.out")
}

camera() { # SOURCE [LINES…]: writes a configuration of one camera and tries it
  local source=$1
  shift
  { printf 'cameras:\n  - name: ip\n    driver: rtsp\n    source: %s\n' "$source"; [ $# -eq 0 ] || printf '    %s\n' "$@"; } >ip.yaml
  "$BEDSIDE" camera test ip --config ip.yaml --count 3 --out ip.jpg 2>&1
}

server plain h264 --login watcher:geheim.7%
plain=$port
out=$(camera "rtsp://localhost:$port/live" 'user: watcher' 'password: "geheim.7%"') || die "gst-rtsp-server: $out"
case $out in *640×360*) ;; *) die "gst-rtsp-server: $out" ;; esac
out=$(camera "rtsp://localhost:$port/live" 'user: watcher' 'password: "secret-guess"') && die "a wrong password was taken"
case $out in *"refuses user name or password"*) ;; *) die "wrong password: $out" ;; esac
case $out in *secret-guess*) die "the password stands in the message" ;; esac
out=$(camera "rtsp://localhost:$port/elsewhere" 'user: watcher' 'password: "geheim.7%"') && die "a missing path was taken"
case $out in *"no stream of this path"*) ;; *) die "missing path: $out" ;; esac

server mjpeg mjpeg
out=$(camera "rtsp://127.0.0.1:$port/live") || die "Motion JPEG by RTSP: $out"
case $out in *640×360*) ;; *) die "Motion JPEG by RTSP: $out" ;; esac

# A server that sends by UDP only: what to do is said.
server udp h264 --udp
out=$(camera "rtsp://127.0.0.1:$port/live") && die "UDP is not spoken, and yet: $out"
case $out in *"refuses to send its video over TCP"*) ;; *) die "UDP only: $out" ;; esac

# ---- H.265: passed on as it is, decoded for stills only
if gst-inspect-1.0 x265enc >/dev/null 2>&1; then
  server hevc h265 --fps 10
  out=$(camera "rtsp://127.0.0.1:$port/live") || die "H.265: $out"
  case $out in *640×360*) ;; *) die "H.265: $out" ;; esac
  printf 'cameras:\n  - {name: hevc, driver: rtsp, source: "rtsp://127.0.0.1:%s/live"}\n' "$port" >hevc.yaml
  serve hevc.yaml hevcdata
  curl -sf -m 10 -b jar "$at/api/v1/cameras/hevc/video.mp4" -o hevc.mp4 || [ $? -eq 28 ] || die "video.mp4 of H.265"
  seen=$(ffprobe -v error -of csv=p=0 -show_entries stream=codec_name,codec_tag_string,width,height hevc.mp4)
  [ "$seen" = hevc,hvc1,640,360 ] || die "video.mp4 of H.265: $seen"
  ffmpeg -v error -xerror -i hevc.mp4 -f null - || die "video.mp4 of H.265 does not decode"
  [[ $(ask cameras | jq -r '.cameras[0].codec') = hvc1.* ]] || die "the page is not told of H.265: $(ask cameras)"
  cookie="Cookie: $(awk '!/^# / && NF >= 7 { print $6 "=" $7 }' jar | paste -sd ';')"
  timeout 90 ffmpeg -v error -headers "$cookie"$'\r\n' -i "$at/api/v1/cameras/hevc/hls/index.m3u8" -t 2 -f null - || die "HLS of H.265 does not play"
  curl -sf -b jar "$at/api/v1/cameras/hevc/snapshot?fresh=1&timeout=20000" -o hevc.jpg || die "a still of H.265"
  ffprobe -v error -of csv=p=0 -show_entries stream=width,height hevc.jpg | grep -q '^640,360' || die "a still of H.265 has another size"
  # A viewer who cannot play it takes the JPEGs.
  curl -s -m 8 -b jar "$at/api/v1/cameras/hevc/stream" -o hevc.mjpeg || true
  [ "$(grep -ac 'Content-Type: image/jpeg' hevc.mjpeg)" -ge 2 ] || die "no JPEGs of H.265"
  echo "H.265 is passed on, and decoded for those who want JPEGs"
else
  echo "gst's x265enc is not installed: H.265 is not tried"
fi

# ---- RTSPS: stunnel in front
if command -v stunnel >/dev/null; then
  openssl req -x509 -newkey rsa:2048 -nodes -keyout cam.key -out cam.pem -days 2 -subj /CN=camera \
    -addext subjectAltName=DNS:localhost 2>/dev/null
  tls=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'foreground = yes\npid =\ncert = %s/cam.pem\nkey = %s/cam.key\n[cam]\naccept = 127.0.0.1:%s\nconnect = 127.0.0.1:%s\n' \
    "$tmp" "$tmp" "$tls" "$plain" >stunnel.conf
  stunnel stunnel.conf >stunnel.log 2>&1 &
  pids+=($!)
  until_true 30 grep -q 'Configuration successful' stunnel.log || die "stunnel does not start"
  login=('user: watcher' 'password: "geheim.7%"')
  out=$(camera "rtsps://localhost:$tls/live" "${login[@]}" "ca_file: $tmp/cam.pem") || die "RTSPS with its CA: $out"
  fingerprint=$(openssl x509 -in cam.pem -outform der | sha256sum | cut -d' ' -f1)
  out=$(camera "rtsps://127.0.0.1:$tls/live" "${login[@]}" "tls: sha256:$fingerprint") || die "RTSPS with a pin: $out"
  out=$(camera "rtsps://127.0.0.1:$tls/live" "${login[@]}" "tls: insecure") || die "RTSPS, insecure: $out"
  # Refused, and nothing was said to the server: it has not even seen a connection.
  before=$(grep -c client plain.out)
  wrong=$(printf '%064d' 1)
  for how in "tls: sha256:$wrong" "tls: ca"; do
    out=$(camera "rtsps://localhost:$tls/live" "${login[@]}" "$how") && die "$how was taken"
    case $out in *"not the one that was pinned"* | *"does not chain to the system's CAs"*) ;; *) die "$how: $out" ;; esac
  done
  out=$(camera "rtsps://127.0.0.1:$tls/live" "${login[@]}" "ca_file: $tmp/cam.pem") && die "another name was taken"
  case $out in *"is not made out to '127.0.0.1'"*) ;; *) die "another name: $out" ;; esac
  [ "$(grep -c client plain.out)" = "$before" ] || die "the server heard of a connection that was refused"
else
  echo "stunnel is not installed: RTSPS of others is not tried"
fi

# ---- passed on: MP4 and HLS as ffmpeg sees them; a size that changes; a server that stalls
server gst h264
gst=$pid
cat >serve.yaml <<YAML
cameras:
  - { name: ip, driver: rtsp, source: "rtsp://127.0.0.1:$port/live", stale_after: 3s, rotation: 90 }
YAML
serve serve.yaml data
cookie="Cookie: $(awk '!/^# / && NF >= 7 { print $6 "=" $7 }' jar | paste -sd ';')"
state() { curl -sf -b jar "$at/api/v1/cameras" | jq -r ".cameras[0].$1"; }
curl -sf -m 8 -b jar "$at/api/v1/cameras/ip/video.mp4" -o live.mp4 || [ $? -eq 28 ] || die "video.mp4"
ffprobe -v error -of json -show_streams live.mp4 >live.json || die "ffprobe refuses video.mp4"
[ "$(jq -r '.streams[0] | "\(.codec_name) \(.width)x\(.height)"' live.json)" = "h264 640x360" ] || die "video.mp4: $(cat live.json)"
jq -e '.streams[0].side_data_list[0].rotation == -90' live.json >/dev/null || die "the turn is not in the file: $(cat live.json)"
ffmpeg -v error -xerror -i live.mp4 -f null - || die "video.mp4 does not decode"
[ "$(state codec)" = avc1.42C01E ] || [ "$(state has_video)" = true ] || die "codec: $(state codec)"
timeout 90 ffmpeg -v error -headers "$cookie"$'\r\n' -i "$at/api/v1/cameras/ip/hls/index.m3u8" -t 3 -f null - || die "HLS does not play"
curl -s -o /dev/null -w '%{http_code}' "$at/api/v1/cameras/ip/video.mp4" | grep -q 401 || die "a stranger sees the video"
# A still of it is turned.
curl -sf -b jar "$at/api/v1/cameras/ip/snapshot?fresh=1&timeout=20000" -o still.jpg || die "snapshot"
ffprobe -v error -of csv=p=0 -show_entries stream=width,height still.jpg | grep -qE '^3[56][0-9],640' ||
  die "the still is not turned: $(ffprobe -v error -of csv=p=0 -show_entries stream=width,height still.jpg)"

# Another size in mid-session: viewers begin anew.
kill -USR1 "$gst"
seen_small() {
  curl -sf -m 4 -b jar "$at/api/v1/cameras/ip/video.mp4" -o small.mp4
  ffprobe -v quiet -of csv=p=0 -show_entries stream=width small.mp4 | grep -q '^320'
}
until_true 60 seen_small || die "the new size does not come through"
# The server stands still, then goes on.
curl -s -m 60 -b jar "$at/api/v1/cameras/ip/video.mp4" -o long.mp4 &
pids+=($!)
sleep 1
kill -STOP "$gst"
is_stale() { case $(state state) in stale | no_signal) true ;; *) false ;; esac; }
until_true 60 is_stale || die "a server that stalls is not noticed: $(state state)"
[ "$(state text)" != "" ] || die "a stalled camera without a reason"
kill -CONT "$gst"
is_live() { [ "$(state state)" = live ]; }
until_true 90 is_live || die "it does not come back: $(state text)"
grep -q 'geheim\|12345678' data.log printed.log && die "a secret stands in the log"
echo "rtsp: all is well"
