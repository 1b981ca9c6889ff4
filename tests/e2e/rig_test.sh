#!/usr/bin/env bash
# rig_test: a rig with two simulated printers and its hub in two network namespaces, the link between them cut, slow,
# lossy and out of order, the hub killed, the rig killed, its clock years wrong and jumping while sessions are
# recorded: nothing lost, nothing twice.
# BEDSIDE_RIG_S: seconds of each trouble (8 if absent). $2: the folder of libwrong_clock.so.
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
need curl
need python3
need ip
[ "$(id -u)" = 0 ] && [ -c /dev/net/tun ] || { echo "skipped: network namespaces need root and /dev/net/tun"; exit 77; }
h=bs-hub-$$ r=bs-rig-$$
ip netns add "$h" 2>/dev/null && ip netns add "$r" || { echo "skipped: network namespaces are not allowed here"; exit 77; }
trap 'cleanup; ip netns del "$h" 2>/dev/null; ip netns del "$r" 2>/dev/null' EXIT
each=${BEDSIDE_RIG_S:-8}
wrong=${2:-$(cd "$here/../.." && pwd)/build/tests/e2e}/libwrong_clock.so

link() { echo "$1" >"$tmp/link.json.new" && mv "$tmp/link.json.new" "$tmp/link.json"; }
link '{}'
python3 "$here/link.py" "$r" 10.231.7.1 "$h" 10.231.7.2 "$tmp/link.json" >"$tmp/link.log" 2>&1 &
pids+=($!)
until_true 15 grep -qs ready "$tmp/link.log" || { echo "skipped: no TUN device can be made: $(tail -n 1 "$tmp/link.log")"; exit 77; }

start_hub() {
  nsenter --net="/var/run/netns/$h" "$BEDSIDE" serve --data "$tmp/hub" --config "$tmp/hub.yaml" >>"$tmp/hub.log" 2>&1 &
  hub=$!
  pids+=("$hub")
  until_true 60 in_hub -o /dev/null "$at/healthz" || die "the hub does not start"
}
clock() { # SECONDS that the rig's clock is wrong by, from now on; in the same eight bytes
  python3 -c 'import sys; open(sys.argv[1], "r+b").write(int(sys.argv[2]).to_bytes(8, sys.byteorder, signed=True))' "$tmp/wrong" "$1"
}
head -c 8 /dev/zero >"$tmp/wrong"
start_rig() {
  LD_PRELOAD=$wrong BEDSIDE_WRONG=$tmp/wrong nsenter --net="/var/run/netns/$r" "$BEDSIDE" demo --data "$tmp/rig" --port 8602 >>"$tmp/rig.log" 2>&1 &
  rig=$!
  pids+=("$rig")
  until_true 60 test -S "$tmp/rig/control" || die "the rig does not start"
}
stop_rig() { # SIGNAL; its simulators die with it
  kill "-$1" "$rig" || true
  wait "$rig" 2>/dev/null || true
  rm -f "$tmp/rig/control"
}
in_hub() { nsenter --net="/var/run/netns/$h" curl -s -m 10 "$@"; }
member() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
online() { nsenter --net="/var/run/netns/$h" "$BEDSIDE" rigs --data "$tmp/hub" | grep -q '^shed: online'; }
at=http://10.231.7.2:8484
printf 'web:\n  listen: 10.231.7.2\n' >"$tmp/hub.yaml"

start_hub
token=$(sed -n 's/.*token=//p' "$tmp/hub.log" | head -n 1)
in_hub -c "$tmp/jar" -o /dev/null "$at/?token=$token"
in_hub -b "$tmp/jar" -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"root","password":"correct horse"}' "$at/api/v1/setup" >"$tmp/me"
csrf=$(member csrf <"$tmp/me")
post() { in_hub -b "$tmp/jar" -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' "$@"; }
code=$(post -X POST "$at/api/v1/rigs/codes" | member code)

# ---- bad input: said in words
start_rig
rig_says() { nsenter --net="/var/run/netns/$r" "$BEDSIDE" rig "$@" --data "$tmp/rig" 2>&1; }
said=$(rig_says pair --name shed "$at" AAAA-BBBB) && die "a wrong code pairs"
grep -q 'wrong, used or over' <<<"$said" || die "a wrong code: $said"
rig_says pair --name shed "$at" "$code" >"$tmp/paired" || die "pairing: $(cat "$tmp/paired")"
until_true 30 online || die "the rig does not come online"
code=$(post -X POST "$at/api/v1/rigs/codes" | member code)
said=$(nsenter --net="/var/run/netns/$r" "$BEDSIDE" rig pair --name Shed --data "$tmp/second" "$at" "$code" 2>&1) && die "two rigs of one name"
grep -q -- '--name' <<<"$said" || die "two rigs of one name: $said"

# ---- a reading of a place there is one of a place here
in_rig() { nsenter --net="/var/run/netns/$r" curl -s -m 10 "$@"; }
rig_csrf=$(in_rig http://localhost:8602/api/v1/me | member csrf)
in_rig -o /dev/null -H "X-Bedside-Csrf: $rig_csrf" -H 'Content-Type: application/json' -d '{"location":"Balcony","temperature_c":21.5,"humidity_pct":40}' \
  http://localhost:8602/api/v1/environment
measured() { in_hub -b "$tmp/jar" "$at/api/v1/environment" | grep -q '"shed: Balcony"'; }
until_true 30 measured || die "a reading: $(in_hub -b "$tmp/jar" "$at/api/v1/environment")"

# ---- troubles, while much happens
python3 "$here/rig_compare.py" feed "$tmp/rig" >"$tmp/feed.log" 2>&1 &
feeder=$!
pids+=("$feeder")
trouble() { # WORDS SETTINGS
  echo "-- $1, $each s"
  link "$2"
  sleep "$each"
}
trouble "slow, lossy and out of order" '{"delay_ms": 300, "jitter_ms": 200, "loss": 0.03, "reorder": 0.2}'
trouble "the link is cut" '{"down": true}'
link '{"delay_ms": 50}'
echo "-- the hub is killed"
kill -9 "$hub"
sleep 5
start_hub
offset_is() { # SECONDS, within five
  in_hub -b "$tmp/jar" "$at/api/v1/rigs" | python3 -c 'import json,sys; o = json.load(sys.stdin)["rigs"][0]["clock_offset_ms"]; sys.exit(o is None or abs(o / 1000 - int(sys.argv[1])) > 5)' "$1"
}
echo "-- the rig is killed, its clock is six years behind"
stop_rig 9
clock -190000000
start_rig
until_true 90 online || die "the rig does not come back"
until_true 60 offset_is -190000000 || die "six years behind are not measured"
for jump in 95000000 -3 -95000000 -7200; do
  echo "-- its clock jumps while sessions are recorded: $jump s"
  clock $jump
  until_true 90 offset_is $jump || die "a jump to $jump s is not measured: $(in_hub -b "$tmp/jar" "$at/api/v1/rigs" | grep -o '"clock_offset_ms":[^,]*')"
  online || die "a jump of its clock cuts it off"
  recorded() { in_rig http://localhost:8602/api/v1/sessions | grep -q '"state":"recording"'; }
  until_true 60 recorded || die "no session is recorded after a jump"
done
trouble "cut again and again" '{"down": true}'
for _ in 1 2 3 4; do
  link '{"delay_ms": 20}'
  sleep 2.5
  link '{"down": true}'
  sleep 2
done
link '{"delay_ms": 20, "rate_bps": 2000000}'
until_true 120 online || die "the rig does not come back"

kill -0 "$feeder" || die "the feeder is gone: $(cat "$tmp/feed.log")"
kill "$feeder"
python3 "$here/rig_compare.py" snapshot "$tmp/rig" "$tmp/snapshot.json"
until_true 120 python3 "$here/rig_compare.py" check "$tmp/snapshot.json" "$tmp/hub" >"$tmp/compared" 2>&1 || die "$(cat "$tmp/compared")"
python3 "$here/rig_compare.py" check "$tmp/snapshot.json" "$tmp/hub"

offset_is -7200 || die "the clock's offset is lost"

# ---- an order through it, and the end of the key
id=$(in_hub -b "$tmp/jar" "$at/api/v1/rigs" | python3 -c 'import json,sys; print(json.load(sys.stdin)["rigs"][0]["id"])')
# The hub answers within twenty seconds, be it that the rig did not in time.
ordered() { # WHAT, AND THE REST OF THE ORDER
  post -m 40 -d "{\"what\":\"$1\",\"printer\":\"p1s\",$2}" "$at/api/v1/rigs/$id/orders" >"$tmp/answer"
  grep -q '"answer":"done"' "$tmp/answer"
}
until_true 90 ordered printer '"command":"light","on":true' || die "an order: $(cat "$tmp/answer")"
one_rig() { in_hub -b "$tmp/jar" "$at/api/v1/rigs/$id"; }
session_is() { # STATE PICTURES: as the hub knows it
  one_rig | python3 -c 'import json,sys
s = next((s for s in json.load(sys.stdin)["sessions"] if s["printer"] == "p1s"), {"state": "none", "n_frames": 0})
sys.exit(s["state"] != sys.argv[1] or s["n_frames"] < int(sys.argv[2]))' "$@"
}
is_over() { ! session_is recording 0 && ! session_is paused 0; }
session() { ordered session "\"order\":\"$1\""; }
captured() { in_rig "http://localhost:8602/api/v1/captures?printer=p1s" | grep -q '"trigger":"order"'; }
# The print may end in between: then all of it once more.
obeys() {
  until_true 60 session_is recording 1 && step=pause && session pause && until_true 10 session_is paused 1 &&
    step=resume && session resume && until_true 10 session_is recording 1 &&
    before=$(one_rig | python3 -c 'import json,sys; print(next(s["n_frames"] for s in json.load(sys.stdin)["sessions"] if s["printer"] == "p1s"))') &&
    step=shoot && session shoot && until_true 10 session_is recording $((before + 1)) &&
    step=capture && ordered capture '"order":"run"' && until_true 20 captured &&
    step=stop && session stop && until_true 10 is_over && step=start && session start && until_true 20 session_is recording 0
}
step=none
until_true 180 obeys || die "an order to a session or a capture, $step: $(cat "$tmp/answer")"

# ---- previews come at the delay that is set, also while no session takes pictures
for p in p1s a1; do
  post -d "{\"what\":\"session\",\"printer\":\"$p\",\"order\":\"pause\"}" -o /dev/null "$at/api/v1/rigs/$id/orders"
done
post -X PATCH -d '{"image_delay_s":1}' -o /dev/null "$at/api/v1/rigs/$id"
preview() { # ANOTHER THAN THE LAST
  in_hub -f -b "$tmp/jar" -D "$tmp/head" -o "$tmp/preview.jpg" "$at/api/v1/rigs/$id/pictures/p1s" &&
    seen=$(sed -n 's/^X-Captured-At: \(.*\)\r$/\1/ip' "$tmp/head") && [ -n "$seen" ] && [ "$seen" != "$1" ]
}
last=
for _ in 1 2 3; do
  until_true 20 preview "$last" || die "no preview after '$last'"
  last=$seen
done
[ "$(head -c 2 "$tmp/preview.jpg" | od -An -tx1 | tr -d ' ')" = ffd8 ] || die "the preview is no picture"
until_true 30 in_hub -f -b "$tmp/jar" -o "$tmp/live.jpg" "$at/api/v1/cameras/shed-p1s/snapshot" || die "no live picture"
post -X DELETE "$at/api/v1/rigs/$id" -o /dev/null
# By the hub's word, or, if the line broke before it came, by the next try.
refused() { rig_says status | grep -qE "revoked|does not know this rig's key"; }
until_true 30 refused || die "a revoked key: $(rig_says status)"
kill -0 "$rig" || die "the rig does not work on"
echo good
