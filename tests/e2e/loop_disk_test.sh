#!/usr/bin/env bash
# loop_disk: while it runs, the daemon's loop opens, moves, syncs and removes no file: whoever is slow on
# the disk, viewers and printers do not wait. Watched by strace, on the main thread alone.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need strace
cd "$tmp"

: >demo.out
"$BEDSIDE" demo --data "$tmp/data" --port 0 >demo.out 2>demo.log &
daemon=$!
pids+=("$daemon")
until_true 60 grep -q 'is up' demo.out || die "the demo does not start"
base=$(address_of demo.out)api/v1
csrf=$(curl -sf "$base/me" | jq -r .csrf)
get() { curl -sf --max-time 30 "$base/$1"; }
change() { # METHOD PATH [BODY]
  curl -s --max-time 60 -X "$1" -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' ${3:+-d "$3"} "$base/$2"
}
recorded() { get sessions | jq -e '[.sessions[] | select(.state == "recording" and .n_frames >= 3)] | length > 0' >/dev/null; }

strace -p "$daemon" -o calls.txt -e trace=%file,fsync,fdatasync,ftruncate,getdents64 2>strace.log &
watcher=$!
pids+=("$watcher")
until_true 10 grep -q attached strace.log || { echo "skipped: strace may not watch here: $(cat strace.log)"; exit 77; }

until_true 90 recorded || die "no session records"
session=$(get sessions | jq -r '[.sessions[] | select(.state == "recording")][0].id')
printer='{"name":"New","driver":"bambu","address":"127.0.0.9","serial":"03919C000000077","access_code":"12345678"}'
change POST printers "$printer" | jq -e '.id == "new"' >/dev/null || die "no printer was added"
[ -f data/printers.d/new.yaml ] || die "it was answered before it was written"
change POST cameras '{"name":"Fold","driver":"folder","source":"/var/empty"}' | jq -e '.id == "fold"' >/dev/null || die "no camera was added"
change PATCH cameras/fold '{"rotation":90}' | jq -e '.id == "fold"' >/dev/null || die "the camera was not changed"
change DELETE cameras/fold
change DELETE printers/new
[ -z "$(ls data/printers.d data/cameras.d 2>/dev/null | grep yaml)" ] || die "left: $(ls data/*.d)"
film=$(change POST "sessions/$session/render" '{"crf":35}' | jq -r '.films[0].id')
[ "$film" != null ] || die "no film was asked for"
get "sessions/$session/frames?limit=5" >/dev/null
get "sessions/$session/frames/1" >/dev/null
film_ready() { get "films/$film" | jq -e '.state == "verified"' >/dev/null; }
until_true 120 film_ready || die "the film is not made: $(get "films/$film")"
curl -sf -r 0-99 -o part "$base/films/$film/video" && curl -sf -o poster "$base/films/$film/poster" || die "the film does not play"
change DELETE "films/$film"
kill "$watcher"
wait "$watcher" || true

# The authorities of a TLS handshake, and files that are none (/proc, /sys, /dev).
grep -vE '^(---|\+\+\+)|"/(proc|sys|dev)/|certs/ca\.pem"|newfstatat\([0-9]+, ""|\?\?\?' calls.txt >bad.txt || true
[ ! -s bad.txt ] || die "the loop worked on the disk: $(head -n 20 bad.txt)"
grep -E 'callback took' demo.log && die "a callback was slow"
echo "ok: $(grep -c . calls.txt) calls, none on the disk"
