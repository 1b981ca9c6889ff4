#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# octoprint_sim: an OctoPrint that `bedside simulate octoprint` plays prints a real file while we watch, photograph, command,
# are paired, and while it is cut off, asks for a new login and loses its printer. octoprint_test.sh compares its answers with the real one's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/printer_lib.sh"
here=$(cd "$(dirname "$0")/.." && pwd)
key=0123456789ABCDEF

simulate() { # OPTIONS
  rm -f "$tmp/sim.out" # of the one before
  "$BEDSIDE" simulate octoprint --key $key --port "${port:-0}" "$@" "$here/data/ring.gcode" >"$tmp/sim.out" 2>"$tmp/sim.log" &
  sim=$!
  pids+=("$sim")
  until_true 30 test -s "$tmp/sim.out" || die "the simulator does not start"
  port=$(jq -r .port "$tmp/sim.out")
}
again() { # OPTIONS
  kill "$sim"
  wait "$sim" 2>/dev/null || true
  simulate "$@"
  until_true 150 is '.link.state == "online" and .activity != "printing"' || die "not back: $(get printers/octo | jq -c '[.link, .activity]')"
}
simulate --speed 4
cat >"$tmp/bedside.yaml" <<EOF2
data: $tmp/data
web: {port: 0}
printers:
  - name: Octo
    driver: octoprint
    url: http://127.0.0.1:$port
    api_key: $key
    offline_after: 30s
cameras:
  - {name: cam, driver: fake, printer: octo, fps: 5, size: 640x480}
EOF2
watch octo

# ---- it is there ----
until_true 60 is '.link.state == "online" and .activity == "idle"' || die "not online: $(get printers/octo | jq -c .link)"
is '.limits.x == [0, 200] and (.capabilities | index("script"))' || die "the profile: $(get printers/octo | jq -c '[.limits, .capabilities]')"
"$BEDSIDE" doctor --config "$tmp/bedside.yaml" Octo >"$tmp/doctor.out" || die "the doctor: $(cat "$tmp/doctor.out")"
sed "s/$key/WRONG/" "$tmp/bedside.yaml" >"$tmp/wrong.yaml"
! "$BEDSIDE" doctor --config "$tmp/wrong.yaml" Octo >"$tmp/doctor.out" || die "a wrong key is fine"
grep -q 'refuses the key' "$tmp/doctor.out" || die "a wrong key: $(cat "$tmp/doctor.out")"
order home
expect "a script" '{"command":"script","gcode":"G90\nG1 Z10 F600\nG1 X50 Y60 F3000","timeout_s":60}' '.answer == "acknowledged"'
is '.position | .x_mm == 50 and .y_mm == 60 and .z_mm == 10' || die "the position: $(get printers/octo | jq -c .position)"
expect "a temperature" '{"command":"bed_temp","celsius":40}' '.answer == "acknowledged"'
until_true 30 is '.bed.target_c == 40' || die "the bed: $(get printers/octo | jq -c .bed)"

# ---- a print: each layer once, a film ----
start
until_true 60 is '.activity == "printing" and .job.name == "ring.gcode" and .job.is_streamed' || die "it does not print: $(get printers/octo | jq -c .job)"
order pause
is '.activity == "paused"' || die "acknowledged, but not paused"
order resume
is '.activity == "printing"' || die "acknowledged, but not printing"
finishes
until_true 120 holds films '.films[0].state == "verified"' || die "no film: $(get films | jq -c '.films[0]')"
holds sessions '.sessions[0] | .n_frames >= 12 and .n_missed == 0' || die "the session: $(get sessions | jq -c '.sessions[0]')"
echo "ok: 12 layers once each, $(get sessions | jq '.sessions[0].n_frames') pictures, a film"
start
until_true 60 is '.activity == "printing"' || die "it does not print again"
order stop
until_true 60 holds jobs '.jobs[0].outcome == "cancelled"' || die "the job that was stopped: $(get jobs | jq -c '.jobs[0]')"

# ---- cut off, silent, another session; its printer is lost ----
again --speed 4 --fault drop@3 --fault late@8 --fault reauth@13
before=$(lost)
start
finishes
[ "$(lost)" -gt "$before" ] || die "the link did not drop"
again --speed 1 --fault offline@4
start
until_true 60 is '.error | tostring | contains("no connection to its printer")' || die "its printer is lost: $(get printers/octo | jq -c '[.activity, .error]')"
until_true 60 holds jobs '.jobs[0].outcome == "failed"' || die "the job that was lost: $(get jobs | jq -c '.jobs[0]')"
expect "connect" '{"command":"clear_error"}' '.answer == "acknowledged"'
! grep -q "$key" "$tmp/serve.log" || die "the key stands in the log"
echo "ok: cut, silent, logged in again, each layer once; its printer lost and back"

# ---- keys ----
"$BEDSIDE" pair --data "$tmp/second" --name Paired "http://127.0.0.1:$port" >"$tmp/pair.log" 2>&1 || die "pair: $(cat "$tmp/pair.log")"
"$BEDSIDE" doctor --data "$tmp/second" Paired >"$tmp/doctor.out" || die "the key of pair: $(cat "$tmp/doctor.out")"
again --deny
! "$BEDSIDE" pair --data "$tmp/second" --name Denied "http://localhost:$port" >"$tmp/pair.log" 2>&1 || die "denied, and yet paired"
grep -q denied "$tmp/pair.log" || die "denied: $(cat "$tmp/pair.log")"
kill "$daemon"
wait "$daemon" || die "the daemon ended with $?"
echo "ok: paired, denied, refused"
