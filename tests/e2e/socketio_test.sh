#!/usr/bin/env bash
# socketio_test: a rig of the original program (python-socketio from PyPI) reports to a hub: login, events, intervals, orders and
# their answers, by polling and by WebSocket; and nothing of it is there while the switch is off. Skips without PyPI.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
need curl
need python3
python3 -m venv "$tmp/venv" >/dev/null 2>&1 || { echo "skipped: no python3-venv"; exit 77; }
timeout 180 "$tmp/venv/bin/pip" install -q 'python-socketio[client]==5.13.0' >"$tmp/pip.log" 2>&1 ||
  { echo "skipped: pip cannot install python-socketio: $(tail -n 1 "$tmp/pip.log")"; exit 77; }
start() { # CONFIGURATION
  printf 'web:\n  listen: 127.0.0.1\n%s' "$1" >"$tmp/hub.yaml"
  : >"$tmp/hub.log"
  "$BEDSIDE" serve --config "$tmp/hub.yaml" --data "$tmp/hub" --port 0 >"$tmp/hub.log" 2>&1 &
  hub=$!
  pids+=("$hub")
  until_true 60 grep -qs '^Bedside is up' "$tmp/hub.log" || die "the hub does not start"
  at=$(address_of "$tmp/hub.log")
  at=${at%/}
}
member() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
status() { curl -s -m 10 -o /dev/null -w '%{http_code}' "$@"; }
post() { curl -s -m 30 -b "$tmp/jar" -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' "$@"; }

start ''
token=$(sed -n 's/.*token=//p' "$tmp/hub.log" | head -n 1)
curl -s -c "$tmp/jar" -o /dev/null "$at/?token=$token"
csrf=$(curl -s -b "$tmp/jar" -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"root","password":"correct horse"}' "$at/api/v1/setup" | member csrf)
post -o /dev/null -d '{"name":"shed","password":"battery staple","role":"operator"}' "$at/api/v1/users"
[ "$(status -b "$tmp/jar" "$at/socket.io/?EIO=4&transport=polling")" = 404 ] || die "Socket.IO is there although it is off"
[ "$(status -d 'username=shed&password=battery+staple' "$at/login")" = 404 ] || die "the form's login is there although it is off"
kill "$hub"
wait "$hub" || true

start '  socketio: yes
'
[ "$(status "$at/socket.io/?EIO=4&transport=polling")" = 401 ] || die "a stranger gets a session"
csrf=$(curl -s -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"root","password":"correct horse"}' "$at/api/v1/login" | member csrf)
# The smallest whole JPEG, 1x1.
printf '\xff\xd8\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00\xff\xd9' >"$tmp/picture.jpg"

for transports in websocket polling polling,websocket; do
  "$tmp/venv/bin/python" "$here/socketio_client.py" "$at" "battery staple" "$transports" "$tmp/picture.jpg" >"$tmp/client.log" 2>&1 &
  client=$!
  pids+=("$client")
  until_true 60 grep -qs '^told' "$tmp/client.log" || die "the client by $transports: $(cat "$tmp/client.log")"
  shown() { curl -s -b "$tmp/jar" "$at/api/v1/rigs/sio-shed" >"$tmp/rig.json" && grep -q '"percent":42' "$tmp/rig.json"; }
  until_true 20 shown || die "its state is not shown: $(cat "$tmp/rig.json")"
  grep -q '"is_online":true' "$tmp/rig.json" || die "it is not online"
  curl -s -b "$tmp/jar" -o "$tmp/got.jpg" "$at/api/v1/rigs/sio-shed/pictures/camera"
  cmp -s "$tmp/picture.jpg" "$tmp/got.jpg" || die "its picture is another"
  measured() { curl -s -b "$tmp/jar" "$at/api/v1/environment" | grep -q '"location":"shed"'; }
  until_true 20 measured || die "its reading is not shown"
  order() { post -d "$1" "$at/api/v1/rigs/sio-shed/orders" >"$tmp/answer"; }
  order '{"what":"session","printer":"printer","order":"start"}'
  grep -q '"answer":"done"' "$tmp/answer" || die "an order: $(cat "$tmp/answer")"
  order '{"what":"printer","printer":"printer","command":"home"}'
  grep -q '"answer":"refused"' "$tmp/answer" || die "an order that fails there: $(cat "$tmp/answer")"
  order '{"what":"printer","printer":"printer","command":"gcode","gcode":"M105"}'
  grep -q '"gcode": "M105"' "$tmp/client.log" || die "G-code: $(cat "$tmp/client.log")"
  post -X PATCH -o /dev/null -d '{"image_delay_s":7}' "$at/api/v1/rigs/sio-shed"
  until_true 15 grep -q '"image_delay": 7' "$tmp/client.log" || die "intervals: $(cat "$tmp/client.log")"
  post -X PATCH -o /dev/null -d '{"image_delay_s":10}' "$at/api/v1/rigs/sio-shed"
  [ "$transports" != polling ] || grep -q '^transport polling' "$tmp/client.log" || die "not by polling: $(cat "$tmp/client.log")"
  if [ "$transports" = polling,websocket ]; then
    grep -q '^transport websocket' "$tmp/client.log" || die "not upgraded: $(cat "$tmp/client.log")"
    kill "$hub"
    until_true 20 grep -q '^server_shutdown' "$tmp/client.log" || die "the end is not told: $(cat "$tmp/client.log")"
  else
    kill "$client"
  fi
  wait "$client" 2>/dev/null || true
done
echo good
