#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# prusalink: a Prusa printer that `bedside simulate prusalink` plays prints a real file while we watch, photograph and command
# it, by digest login, while its connections are cut and its answers do not come, and with answers that are none.
# The simulator answers as the firmware's sources say; prusalink_real_test.sh asks the real PrusaLink.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/printer_lib.sh"
here=$(cd "$(dirname "$0")/.." && pwd)
password=0123456789abcdef

simulate() { # OPTIONS
  rm -f "$tmp/sim.out" # of the one before
  "$BEDSIDE" simulate prusalink --user maker --password $password --key $password --port "${port:-0}" "$@" "$here/data/ring.gcode" >"$tmp/sim.out" 2>"$tmp/sim.log" &
  sim=$!
  pids+=("$sim")
  until_true 30 test -s "$tmp/sim.out" || die "the simulator does not start"
  port=$(jq -r .port "$tmp/sim.out")
}
again() { # OPTIONS
  kill "$sim"
  wait "$sim" 2>/dev/null || true
  simulate "$@"
  until_true 150 is '.link.state == "online"' || die "not back: $(get printers/mk4 | jq -c .link)"
}
simulate --speed 4
cat >"$tmp/bedside.yaml" <<EOF2
data: $tmp/data
web: {port: 0}
printers:
  - name: MK4
    driver: prusalink
    url: http://127.0.0.1:$port
    user: maker
    password: $password
    offline_after: 30s
cameras:
  - {name: cam, driver: fake, printer: mk4, fps: 5, size: 640x480}
EOF2
watch mk4

# ---- it is there ----
until_true 60 is '.link.state == "online" and .activity == "idle" and .model == "MK4"' || die "not online: $(get printers/mk4 | jq -c .link)"
is '(.capabilities | index("pause")) and (.capabilities | index("gcode") | not) and .position.x_mm == 11.5' || die "$(get printers/mk4 | jq -c '[.capabilities, .position]')"
"$BEDSIDE" doctor --config "$tmp/bedside.yaml" MK4 >"$tmp/doctor.out" || die "the doctor: $(cat "$tmp/doctor.out")"
sed "s/$password/WRONG/" "$tmp/bedside.yaml" >"$tmp/wrong.yaml"
! "$BEDSIDE" doctor --config "$tmp/wrong.yaml" MK4 >"$tmp/doctor.out" || die "a wrong password is fine"
grep -q 'it is maker' "$tmp/doctor.out" || die "a wrong password: $(cat "$tmp/doctor.out")"
sed "s/user: maker/camera: no/; s/password: /api_key: /" "$tmp/bedside.yaml" >"$tmp/key.yaml"
"$BEDSIDE" doctor --config "$tmp/key.yaml" MK4 >"$tmp/doctor.out" || die "the doctor with a key: $(cat "$tmp/doctor.out")"
expect "a lamp" '{"command":"light","on":true}' '.answer == "not_sent" and (.reason | contains("PrusaLink can only"))'

# ---- a print: each layer once, by the height and the file ----
start
until_true 60 is '.activity == "printing" and .job.name == "ring.gcode" and .job.file == "/usb/RING~1.GCO"' || die "it does not print: $(get printers/mk4 | jq -c .job)"
order pause
is '.activity == "paused"' || die "acknowledged, but not paused"
order resume
finishes
until_true 120 holds films '.films[0].state == "verified"' || die "no film: $(get films | jq -c '.films[0]')"
holds sessions '.sessions[0] | .n_frames >= 12' || die "the session: $(get sessions | jq -c '.sessions[0]')"
get printers/mk4/layers | jq -e '.layers[5].reason | contains("the file")' >/dev/null || die "the file did not help: $(get printers/mk4/layers | jq -c '.layers[5]')"
echo "ok: 12 layers once each, $(get sessions | jq '.sessions[0].n_frames') pictures, a film"

# ---- connections are cut, answers do not come, somebody must come ----
again --speed 4 --fault drop@3 --fault attention@12 --fault stall@18
before=$(lost)
start
until_true 60 is '.activity == "paused" and (tostring | contains("waits for somebody"))' || die "nobody is called: $(get printers/mk4 | jq -c '[.activity, .error]')"
finishes
[ "$(lost)" -gt "$before" ] || die "the link did not drop"
echo "ok: cut, silent, waited for somebody, and yet each layer once"

# ---- stopped on its screen; what is no answer ----
again --speed 1 --fault stop@4
start
until_true 60 is '.activity == "cancelled"' || die "stopped: $(get printers/mk4 | jq -c .activity)"
until_true 60 holds jobs '.jobs[0].outcome == "cancelled"' || die "the job that was stopped: $(get jobs | jq -c '.jobs[0]')"
again --speed 1 --fault huge@4
start
until_true 60 is '.link.state == "refused" and (.link.text | contains("more than 4 MB"))' || die "100 MB: $(get printers/mk4 | jq -c .link)"
again --speed 1 --fault html@4
start
until_true 60 is '.link.state == "refused" and (.link.text | contains("is no PrusaLink"))' || die "a page: $(get printers/mk4 | jq -c .link)"
! grep -q "$password" "$tmp/serve.log" || die "the password stands in the log"
echo "ok: stopped; 100 MB and a page are refused in words"

# ---- firmware before API v1 ----
again --speed 4 --old
is '.activity == "idle"' || die "old firmware: $(get printers/mk4 | jq -c '[.activity, .link]')"
kill "$sim"; wait "$sim" 2>/dev/null || true
simulate --speed 4 --old --print
finishes
echo "ok: firmware before API v1"
