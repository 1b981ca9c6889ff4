#!/usr/bin/env bash
# demo: within two minutes a newcomer has seen live pictures, layers counted and a finished film; the
# plug pulled in the middle loses nothing.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need ffprobe

start() {
  : >"$tmp/demo.out"
  "$BEDSIDE" demo --data "$tmp/data" --port 0 >"$tmp/demo.out" 2>>"$tmp/demo.log" &
  daemon=$!
  pids+=("$daemon")
  until_true 60 grep -q 'is up' "$tmp/demo.out" || die "the demo does not start"
  base=$(address_of "$tmp/demo.out")
}
get() { curl -sf --max-time 10 "${base}api/v1/$1"; }
films_ready() { [ "$(get films | jq '[.films[] | select(.state == "ready" or .state == "verified")] | length')" -ge "$1" ]; }
film_verified() { [ "$(get "films/$1" | jq -r .state)" = verified ]; }
recorded() { [ "$(get sessions | jq "[.sessions[] | select(.state == \"recording\" and .n_frames >= $1)] | length")" -ge 1 ]; }
live() { [ "$(get cameras | jq '[.cameras[] | select(.n_frames > 0)] | length')" -eq 2 ]; }
reports() { [ "$(get printers | jq '[.printers[] | select(.link.state == "online")] | length')" -eq 2 ]; }

began=$SECONDS
start
get start | jq -e '.is_demo and (.needs_setup | not)' >/dev/null || die "the demo asks for a password"
until_true 30 reports || die "the printers are not online"
until_true 75 recorded 3 || die "no session records"
until_true 10 live || die "no pictures"

csrf=$(get me | jq -r .csrf)
post() { curl -s --max-time 10 -o "$tmp/answer" -w '%{http_code}' -H 'Content-Type: application/json' -H "X-Bedside-Csrf: $csrf" -d "$2" "${base}api/v1/$1"; }
panel() { get panel | jq -e "$1" >/dev/null; }
panel '.panel | .printer == "a1" and .button.state == "simulated" and .lights.state == "simulated"' || die "no panel: $(get panel)"
[ "$(post panel/press '{"down":false}')" = 409 ] && grep -q 'not held down' "$tmp/answer" || die "let go unpressed: $(cat "$tmp/answer")"
until_true 75 panel '.panel.lights.show == "recording"' || die "the lights: $(get panel)"
[ "$(post panel/press '{"down":true}')" = 200 ] || die "not pressed: $(cat "$tmp/answer")"
[ "$(post panel/press '{"down":false}')" = 200 ] || die "not let go: $(cat "$tmp/answer")"
until_true 60 panel '.panel.button.last | .clicks == 1 and .order == "frame"' || die "one press: $(get panel)"
keys() { printf '    q' | "$BEDSIDE" panel keys --data "$tmp/data" >"$tmp/keys.out" || die "the keys: $(cat "$tmp/keys.out")"; }
keys
until_true 60 panel '.panel.lights.show == "paused" and .panel.button.last.clicks == 4' || die "four keys: $(get panel)"
keys
until_true 60 panel '.panel.lights.show == "recording"' || die "four keys again: $(get panel)"
get environment | jq -e '[.places[] | select(.source == "simulated" and .temperature_c != null)] | length == 2' >/dev/null || die "no climate: $(get environment)"
echo "button, lights and climate are simulated"

session=$(get sessions | jq -r '[.sessions[] | select(.state == "recording")][0].id')
echo "recording after $((SECONDS - began)) s; pulling the plug"
before=$(get "sessions/$session" | jq .n_frames)
kill -9 "$daemon"
wait "$daemon" 2>/dev/null || true
pids=()
sleep 1
pkill -f "$tmp/data" || true
start
kept=$(get "sessions/$session/frames?limit=1000" | jq '.frames | length')
[ "$kept" -ge $((before - 2)) ] || die "of $before pictures only $kept are left"

until_true 150 films_ready 1 || die "no film after $((SECONDS - began)) s"
film=$(get films | jq -r '[.films[] | select(.state == "ready" or .state == "verified")][0].id')
echo "a film after $((SECONDS - began)) s"
code=$(curl -s -o "$tmp/first" -w '%{http_code}' -r 0-99 "${base}api/v1/films/$film/video")
[ "$code" = 206 ] && [ "$(stat -c %s "$tmp/first")" = 100 ] || die "no range of the film: $code"
curl -sf -o "$tmp/film.mp4" "${base}api/v1/films/$film/video"
curl -sf -o "$tmp/poster.jpg" "${base}api/v1/films/$film/poster"
[ "$(ffprobe -v error -select_streams v -show_entries stream=codec_name,pix_fmt -of csv=p=0 "$tmp/film.mp4")" = h264,yuv420p ] || die "the film is not H.264 yuv420p"
until_true 60 film_verified "$film" || die "the film was never verified"
frames=$(get "films/$film" | jq .n_frames)
stored=$(get "sessions/$(get "films/$film" | jq -r .session)" | jq .n_frames)
[ "$frames" = "$stored" ] || die "the film has $frames pictures, the session $stored"
echo "the film has all $frames pictures"

kill -TERM "$daemon"
wait "$daemon" || die "SIGTERM ended with $?"
pids=()
