#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# moonraker: a Klipper printer that `bedside simulate moonraker` plays prints a real file while we watch, photograph and
# command it, and while its link drops, its reports come late and Klipper shuts down.
# The simulator answers as the real one did (see moonraker_real_test).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/printer_lib.sh"
here=$(cd "$(dirname "$0")/.." && pwd)
key=0123456789abcdef0123456789abcdef

simulate() { # OPTIONS
  rm -f "$tmp/sim.out" # of the one before
  "$BEDSIDE" simulate moonraker --key $key --port "${port:-0}" "$@" "$here/data/ring.gcode" >"$tmp/sim.out" 2>"$tmp/sim.log" &
  sim=$!
  pids+=("$sim")
  until_true 30 test -s "$tmp/sim.out" || die "the simulator does not start"
  port=$(jq -r .port "$tmp/sim.out")
}
simulate --speed 30
cat >"$tmp/bedside.yaml" <<EOF2
data: $tmp/data
web: {port: 0}
printers:
  - name: Voron
    driver: moonraker
    url: http://127.0.0.1:$port
    api_key: $key
    offline_after: 30s
cameras:
  - {name: cam, driver: fake, printer: voron, fps: 5, size: 640x480}
EOF2
watch voron

# ---- it is there ----
until_true 60 is '.link.state == "online" and .activity == "idle"' || die "not online: $(get printers/voron | jq -c .link)"
is '.limits.x == [0, 250] and (.capabilities | index("script"))' || die "limits: $(get printers/voron | jq -c '[.limits, .capabilities]')"
"$BEDSIDE" doctor --config "$tmp/bedside.yaml" Voron >"$tmp/doctor.out" || die "the doctor: $(cat "$tmp/doctor.out")"
sed "s/$key/WRONG/" "$tmp/bedside.yaml" >"$tmp/wrong.yaml"
! "$BEDSIDE" doctor --config "$tmp/wrong.yaml" Voron >"$tmp/doctor.out" || die "a wrong key is fine"
grep -q 'refuses the key' "$tmp/doctor.out" || die "a wrong key: $(cat "$tmp/doctor.out")"
expect "a script" '{"command":"script","gcode":"G90\nG1 Z10 F600\nG1 X50 Y60 F6000","timeout_s":60}' '.answer == "acknowledged"'
is '.position | .x_mm == 50 and .y_mm == 60 and .z_mm == 10' || die "the position: $(get printers/voron | jq -c .position)"

# ---- a print: each layer once, by the byte that is read ----
start
until_true 60 is '.activity == "printing" and .job.name == "ring.gcode"' || die "it does not print: $(get printers/voron | jq -c .job)"
order pause
is '.activity == "paused"' || die "acknowledged, but not paused"
order resume
until_true 240 is '.activity == "finished"' || die "it does not finish: $(get printers/voron | jq -c '[.activity, .job]')"
until_true 60 holds jobs '.jobs[0] | .outcome == "finished" and .name == "ring.gcode"' || die "the job: $(get jobs | jq -c '.jobs[0]')"
[ "$(layers)" = $all ] || die "layers are not counted once each: $(layers)"
until_true 120 holds films '.films[0].state == "verified"' || die "no film: $(get films | jq -c '.films[0]')"
holds sessions '.sessions[0] | .n_frames >= 12' || die "the session: $(get sessions | jq -c '.sessions[0]')"
echo "ok: 12 layers once each, $(get sessions | jq '.sessions[0].n_frames') pictures, a film"

# ---- the link drops, reports come late ----
kill "$sim"
wait "$sim" 2>/dev/null || true
simulate --speed 10 --fault drop@3 --fault late@9
until_true 120 is '.link.state == "online"' || die "not back: $(get printers/voron | jq -c .link)"
before=$(lost)
start
until_true 240 is '.activity == "finished"' || die "it does not finish: $(get printers/voron | jq -c '[.activity, .link]')"
[ "$(lost)" -gt "$before" ] || die "the link did not drop"
until_true 60 holds jobs '.jobs[0].outcome == "finished" and (.jobs | length) == 2' || die "the jobs: $(get jobs | jq -c .jobs)"
[ "$(layers)" = $all ] || die "layers with a link that drops: $(layers)"
echo "ok: dropped and late, and yet each layer once"

# ---- Klipper shuts down ----
kill "$sim"
wait "$sim" 2>/dev/null || true
simulate --speed 1 --fault klippy-shutdown@2
until_true 120 is '.link.state == "online"' || die "not back: $(get printers/voron | jq -c .link)"
start
until_true 60 is '.activity == "failed"' || die "shut down: $(get printers/voron | jq -c .activity)"
get printers/voron | grep -q 'Timer too close' || die "it is not said why"
until_true 60 holds jobs '.jobs[0].outcome == "failed"' || die "the job that failed: $(get jobs | jq -c '.jobs[0]')"
order clear_error
until_true 60 is 'tostring | contains("Timer too close") | not' || die "still in error"
! grep -q "$key" "$tmp/serve.log" || die "the key stands in the log"
echo "ok: shut down, said why, restarted"

# ---- macros: those of moonraker-timelapse, with a parked head, and the film that the print waits for ----
kill "$sim"
wait "$sim" 2>/dev/null || true
simulate --speed 30 --macros
until_true 120 is '.link.state == "online"' || die "not back: $(get printers/voron | jq -c .link)"
last=$(get sessions | jq -r '.sessions[0].id')
start
until_true 240 is '.activity == "finished"' || die "it does not finish with macros: $(get printers/voron | jq -c '[.activity, .job]')"
session=$(get sessions | jq -r '.sessions[0].id')
[ "$session" != "$last" ] || die "no session"
# One picture by each of its macros, none by layer; the film was there before the print went on.
get "sessions/$session/frames" | jq -e '[.frames[].trigger] | (map(select(. == "macro")) | length) == 12 and (index("layer") == null)' >/dev/null ||
  die "the pictures: $(get "sessions/$session/frames" | jq -c '[.frames[].trigger]')"
holds films ".films[0] | .session == \"$session\" and .state == \"verified\"" || die "the film: $(get films | jq -c '.films[0] | [.session, .state]')"
holds "sessions/$session" '.state == "done"' || die "the session: $(get "sessions/$session")"
echo "ok: 12 pictures by macros, the film before the print's end"

# ---- killed while a macro waits: the next life lets it go ----
kill "$sim"
wait "$sim" 2>/dev/null || true
simulate --speed 30 --macros
until_true 120 is '.link.state == "online"' || die "not back: $(get printers/voron | jq -c .link)"
last=$session
start
until_true 60 holds sessions ".sessions[0] | .id != \"$last\" and .n_frames >= 2" || die "no pictures"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null || true
sleep 3 # some seconds of the print at --speed 30: a macro calls nobody, and waits
serve
until_true 240 is '.activity == "finished"' || die "the macro still waits: $(get printers/voron | jq -c '[.activity, .job, .link]')"
grep -q 'macro waits for an earlier Bedside' "$tmp/serve.log" || die "nobody waited"
until_true 120 holds sessions '.sessions[0] | .state == "done" and .n_frames >= 4' || die "the session: $(get sessions | jq -c '.sessions[0]')"
echo "ok: killed while a macro waited, let go by the next life"

# ---- and our own: a picture now, pictures by time ----
kill "$sim"
wait "$sim" 2>/dev/null || true
simulate --speed 4
until_true 120 is '.link.state == "online"' || die "not back: $(get printers/voron | jq -c .link)"
start
until_true 60 holds sessions '.sessions[0].state == "recording"' || die "no session: $(get sessions | jq -c '.sessions[0]')"
session=$(get sessions | jq -r '.sessions[0].id')
n_of() { get "sessions/$session/frames" | jq "[.frames[] | select(.trigger == \"$1\")] | length"; }
has() { [ "$(n_of "$1")" -ge "$2" ]; }
# One that comes while the picture of a layer is awaited is that picture.
until_true 60 has layer 1 || die "no picture of a layer"
expect "a frame" '{"command":"gcode","gcode":"TIMELAPSE_TAKE_FRAME"}' '.answer == "acknowledged"'
until_true 30 has macro 1 || die "no picture by TIMELAPSE_TAKE_FRAME"
expect "hyperlapse" '{"command":"gcode","gcode":"HYPERLAPSE ACTION=START CYCLE=1"}' '.answer == "acknowledged"'
until_true 60 has time 3 || die "no pictures by HYPERLAPSE"
expect "hyperlapse" '{"command":"gcode","gcode":"HYPERLAPSE ACTION=STOP"}' '.answer == "acknowledged"'
before=$(n_of layer)
until_true 90 has layer $((before + 1)) || die "no pictures by layer after HYPERLAPSE ACTION=STOP"
order stop
"$BEDSIDE" klipper-macros --park 10,200 >"$tmp/bedside.cfg" && grep -q '^variable_park_y: 200.00$' "$tmp/bedside.cfg" || die "klipper-macros"
! "$BEDSIDE" klipper-macros --park nowhere >/dev/null 2>&1 || die "klipper-macros --park nowhere"
echo "ok: pictures by our own macros"
