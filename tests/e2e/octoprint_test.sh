#!/usr/bin/env bash
# octoprint: the real OctoPrint prints a real file with its virtual printer while we watch, photograph, command, and
# lose it; a 1.11 is then compared with the one that `bedside simulate octoprint` plays. $2: the version, 1 (default) or 2.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/octoprint_lib.sh"
. "$(dirname "$0")/printer_lib.sh"
need python3
here=$(cd "$(dirname "$0")/.." && pwd)
octoprint_install "${2:-1}"
octoprint_configure 0.002
# What lies on the printer's own card. The virtual printer has only files whose names are too long for it.
mkdir "$tmp/octoprint/virtualSd"
{
  printf 'G28\nG90\nM82\n'
  for layer in $(seq 20); do
    printf ';LAYER_CHANGE\n;Z:%s\nG1 Z%s F600\n' "$layer" "$layer"
    for corner in '80 Y80' '120 Y80' '120 Y120' '80 Y120'; do printf 'G1 X%s E%s F3000\n' "$corner" "$layer"; done
  done
} >"$tmp/octoprint/virtualSd/onthecard.gcode"
octoprint_start
version=$(octoprint GET /api/version | jq -r .text)
echo "$version with its virtual printer"
octoprint_upload "$here/data/ring.gcode"
analysis() { octoprint GET /api/files/local/ring.gcode | jq -e '.gcodeAnalysis | .estimatedPrintTime and .filament.tool0.length'; }
has_analysis=yes
until_true 60 analysis >/dev/null || { has_analysis=no; echo "skipped: OctoPrint's analysis of the file: it is not done in a minute"; }

cat >"$tmp/bedside.yaml" <<EOF
data: $tmp/data
web: {port: 0}
printers:
  - name: Octo
    driver: octoprint
    url: $octoprint_url/
    api_key: $octoprint_key
    offline_after: 10s
cameras:
  - {name: cam, driver: fake, printer: octo, fps: 5, size: 640x480}
EOF
watch octo

# ---- it is there ----
until_true 60 is '.link.state == "online" and .activity == "idle"' || die "not online: $(get printers/octo | jq -c '.link')"
is '.limits.x == [0, 200] and (.capabilities | index("script"))' || die "the profile: $(get printers/octo | jq -c '[.limits, .capabilities]')"
"$BEDSIDE" doctor --config "$tmp/bedside.yaml" Octo >"$tmp/doctor.out" || die "the doctor: $(cat "$tmp/doctor.out")"
"$BEDSIDE" status --config "$tmp/bedside.yaml" | grep -q 'Octo.*online, idle' || die "status"

# ---- moves that are acknowledged when they are finished ----
order home
expect "a script" '{"command":"script","gcode":"G90\nG1 Z10 F600\nG1 X50 Y60 F3000","timeout_s":60}' '.answer == "acknowledged"'
is '.position | .x_mm == 50 and .y_mm == 60 and .z_mm == 10' || die "the position: $(get printers/octo | jq -c .position)"
expect "a temperature" '{"command":"bed_temp","celsius":40}' '.answer == "acknowledged"'
until_true 30 is '.bed.target_c == 40' || die "the bed: $(get printers/octo | jq -c .bed)"
expect "a light" '{"command":"light","on":true}' '.answer == "not_sent"'

# ---- a print, paused and resumed ----
expect "start" '{"command":"start_file","file":"ring.gcode"}' '.answer == "acknowledged"'
until_true 120 is '.activity == "printing" and .job.z_mm > 0.5 and .job.is_streamed' || die "it does not print: $(get printers/octo | jq -c .job)"
if [ $has_analysis = yes ]; then
  octoprint GET /api/files/local/ring.gcode | jq '.gcodeAnalysis | {s: .estimatedPrintTime, mm: .filament.tool0.length}' >"$tmp/analysis"
  is ".job | (.estimate_s - $(jq .s "$tmp/analysis") | fabs) < 1 and (.filament_mm - $(jq .mm "$tmp/analysis") | fabs) < 1" ||
    die "its analysis is $(jq -c . "$tmp/analysis"): $(get printers/octo | jq -c .job)"
  echo "ok: its own analysis: $(jq -c . "$tmp/analysis")"
fi
order pause
is '.activity == "paused"' || die "acknowledged, but not paused"
order resume
is '.activity == "printing"' || die "acknowledged, but not printing"
kilobytes=$(pss "$daemon")
theirs=$(pss "$octoprint_pid")
until_true 240 is '.activity == "finished"' || die "it does not finish: $(get printers/octo | jq -c '[.activity, .job]')"
until_true 60 holds jobs '.jobs[0] | .outcome == "finished" and .name == "ring.gcode"' || die "the job: $(get jobs | jq -c '.jobs[0]')"
layers=$(get printers/octo/layers | jq -c '[.layers[].number]')
[ "$layers" = '[1,2,3,4,5,6,7,8,9,10,11,12]' ] || die "layers are not counted once each: $layers"
until_true 120 holds films '.films[0].state == "verified"' || die "no film: $(get films | jq -c '.films[0]')"
holds sessions '.sessions[0] | .n_frames >= 12 and .n_missed == 0' || die "the session: $(get sessions | jq -c '.sessions[0]')"
echo "ok: 12 layers once each, $(get sessions | jq '.sessions[0].n_frames') pictures, a film"
echo "ok: the daemon takes $kilobytes kB beside OctoPrint's $theirs kB"
[ "$kilobytes" -le 22000 ] || [ -n "${BEDSIDE_SANITIZED:-}" ] || die "the daemon takes $kilobytes kB"

# ---- cancelled ----
expect "start" '{"command":"start_file","file":"ring.gcode"}' '.answer == "acknowledged"'
until_true 120 is '.activity == "printing" and .job.percent >= 10' || die "the second print"
order stop
until_true 60 holds jobs '.jobs[0].outcome == "cancelled"' || die "cancelled: $(get jobs | jq -c '.jobs[0]')"

# ---- killed in mid-print, and back ----
expect "start" '{"command":"start_file","file":"ring.gcode"}' '.answer == "acknowledged"'
until_true 120 is '.activity == "printing" and .job.percent >= 60' || die "the third print"
kill -9 "$octoprint_pid"
wait "$octoprint_pid" 2>/dev/null || true
until_true 60 is '.link.state == "offline" and .stale and .activity == "printing"' || die "killed: $(get printers/octo | jq -c '[.link, .activity]')"
octoprint_start
until_true 120 is '.link.state == "online" and .activity != "printing"' || die "back: $(get printers/octo | jq -c '[.link, .activity]')"
until_true 60 holds jobs '.jobs[0].outcome != "running"' || die "the job that was lost: $(get jobs | jq -c '.jobs[0]')"
until_true 60 holds sessions '.sessions[0].state | . == "finalising" or . == "done"' || die "its session goes on: $(get sessions | jq -c '.sessions[0]')"
session=$(get sessions | jq -r '.sessions[0].id')
n=$(get sessions | jq '.sessions[0].n_frames')
get "sessions/$session/frames?limit=500" | jq -r '.frames[].number' >"$tmp/frames"
{ [ "$n" -ge 5 ] && [ "$(wc -l <"$tmp/frames")" = "$n" ]; } || die "the session has $n pictures, and $(wc -l <"$tmp/frames") are listed"
while read -r number; do
  get "sessions/$session/frames/$number" >"$tmp/frame.jpg" || die "picture $number is gone"
  [ "$(head -c 3 "$tmp/frame.jpg" | od -An -tx1 | tr -d ' ')$(tail -c 2 "$tmp/frame.jpg" | od -An -tx1 | tr -d ' ')" = ffd8ffffd9 ] ||
    die "picture $number is none"
done <"$tmp/frames"
until_true 120 holds films "[.films[] | select(.session == \"$session\")][0] | .state == \"verified\" and .n_frames == $n" ||
  die "no film of the print that was lost, of $n pictures: $(get films | jq -c '.films[0]')"
echo "ok: all $n pictures of the print that was lost, and their film"
echo "ok: paused, resumed, cancelled, killed and back: $(get jobs | jq -c '[.jobs[].outcome]')"

# ---- from the printer's own card: nobody tells heights or layers, and so none are made up; pictures by time ----
kill -TERM "$daemon"
wait "$daemon" || die "the daemon ended with $?"
sed -i 's/^    offline_after: 10s/&\n    session: {every: 1s}/' "$tmp/bedside.yaml"
serve
until_true 60 is '.link.state == "online" and .activity != "printing"' || die "not online: $(get printers/octo | jq -c '.link')"
octoprint POST /api/printer/sd '{"command":"init"}' || true # 2.0 has it by itself
card() { octoprint GET '/api/files?force=true' | jq -re '.files[] | select(.origin != "local") | .origin + "/" + .path'; }
until_true 30 card >"$tmp/card" || die "OctoPrint has no file of the card: $(octoprint GET /api/files)"
octoprint POST "/api/files/$(tail -n 1 "$tmp/card")" '{"command":"select","print":true}' || die "select and print $(cat "$tmp/card")"
until_true 60 is '.activity == "printing" and (.job | (.is_streamed | not) and (.file | test("^onthec")) and .percent > 0 and .percent < 100 and
  .file_pos > 0 and .estimate_s == null)' || die "no print from the card: $(get printers/octo | jq -c '[.activity, .job]')"
until_true 120 is '.activity == "finished"' || die "it does not finish: $(get printers/octo | jq -c '[.activity, .job]')"
until_true 60 holds jobs '.jobs[0] | .outcome == "finished" and (.name | test("^onthec"))' || die "the job: $(get jobs | jq -c '.jobs[0]')"
[ "$(layers)" = '[]' ] || die "layers without any evidence: $(layers)"
session=$(get sessions | jq -r '.sessions[0] | select(.n_frames >= 5 and .n_missed == 0) | .id')
[ -n "$session" ] || die "the session: $(get sessions | jq -c '.sessions[0]')"
until_true 120 holds films "[.films[] | select(.session == \"$session\")][0].state == \"verified\"" ||
  die "no film: $(get films | jq -c '.films[0]')"
echo "ok: from the card: $(get sessions | jq '.sessions[0].n_frames') pictures by time, a film"

# ---- keys ----
"$BEDSIDE" pair --data "$tmp/second" --name Paired "$octoprint_url" >"$tmp/pair.log" 2>&1 &
pairing=$!
until_true 30 grep -q Allow "$tmp/pair.log" || die "pair says nothing"
octoprint_decide true
wait "$pairing" || die "pair: $(cat "$tmp/pair.log")"
"$BEDSIDE" doctor --data "$tmp/second" Paired >"$tmp/doctor.out" || die "the key of pair: $(cat "$tmp/doctor.out")"
[ "$(stat -c %a "$tmp/second/printers.d/paired.yaml")" = 600 ] || die "the key can be read by others"
"$BEDSIDE" pair --data "$tmp/second" --name Denied "http://localhost:$octoprint_port" >"$tmp/pair.log" 2>&1 &
pairing=$!
until_true 30 grep -q Allow "$tmp/pair.log" || die "pair says nothing"
octoprint_decide false
! wait "$pairing" || die "denied, and yet paired"
grep -q denied "$tmp/pair.log" || die "denied: $(cat "$tmp/pair.log")"
post() { curl -s --max-time 30 -b "$tmp/jar" -H 'Content-Type: application/json' -H "X-Bedside-Csrf: $csrf" -d "$2" "$base/$1"; }
local_url=http://localhost:$octoprint_port
pairing=$(post pairings "{\"url\":\"$local_url\"}")
id=$(jq -re 'select(.state == "waiting" and (.where | test("/plugin/appkeys/auth/"))) | .id' <<<"$pairing") || die "the page's pairing: $pairing"
post printers "{\"name\":\"By page\",\"driver\":\"octoprint\",\"url\":\"$local_url\",\"pairing\":\"$id\"}" |
  jq -e '.error.field == "pairing"' >/dev/null || die "a key before it is allowed"
octoprint_decide true
until_true 30 holds "pairings/$id" '.state == "allowed"' || die "the page's pairing is not allowed: $(get "pairings/$id")"
post printers "{\"name\":\"By page\",\"driver\":\"octoprint\",\"url\":\"$local_url\",\"pairing\":\"$id\"}" | jq -e '.id == "by-page"' >/dev/null ||
  die "added by its pairing"
until_true 60 holds printers/by-page '.link.state == "online"' || die "by its pairing: $(get printers/by-page | jq -c .link)"
! get printers/by-page | grep -q api_key || die "the key is told"
sed "s/$octoprint_key/WRONG${octoprint_key#BEDSI}/" "$tmp/bedside.yaml" >"$tmp/wrong.yaml"
! "$BEDSIDE" doctor --config "$tmp/wrong.yaml" Octo >"$tmp/doctor.out" || die "a wrong key is fine"
grep -q 'refuses the key' "$tmp/doctor.out" || die "a wrong key: $(cat "$tmp/doctor.out")"
! grep -q "$octoprint_key" "$tmp/serve.log" || die "the key stands in the log"
echo "ok: paired, denied, refused"

# ---- the simulator, which plays a 1.11, answers as this one ----
[ "${2:-1}" = 1 ] || exit 0
kill "$daemon"
wait "$daemon" || die "the daemon ended with $?"
cp "$here/data/ring.gcode" "$tmp/fresh.gcode" # which has never been printed
octoprint_upload "$tmp/fresh.gcode"
record() { # URL KEY OUT
  "$octoprint_venv/bin/python" "$here/e2e/octoprint_record.py" "$1" "$2" fresh.gcode >"$3" 2>"$tmp/record.log" ||
    die "$1 is not recorded: $(tail -n 3 "$tmp/record.log")"
}
record "$octoprint_url" "$octoprint_key" "$tmp/real.json"
"$BEDSIDE" simulate octoprint --key KEY --speed 8 "$tmp/fresh.gcode" >"$tmp/sim.out" 2>"$tmp/sim.log" &
pids+=($!)
until_true 30 test -s "$tmp/sim.out" || die "the simulator does not start"
record "http://127.0.0.1:$(jq -r .port "$tmp/sim.out")" KEY "$tmp/simulated.json"
{
  for k in /api/version.body.{text,server} login.body.{name,session} /api/currentuser.body.{name,permissions[]} \
    /api/settings.body.webcam.{webcamEnabled,streamUrl,snapshotUrl,flipH,flipV,rotate90} /api/connection.body.current.state; do echo "read: $k"; done
  for k in model current volume.{width,depth,height,origin,custom_box} extruder.nozzleDiameter; do echo "read: /api/printerprofiles.body.profiles._default.$k"; done
  for where in "job printing.body" "job paused.body" "push current Printing" "push current Paused"; do
    for k in job.file.{name,display,path,origin,size} job.estimatedPrintTime job.filament.tool0.length progress.{completion,printTimeLeft,filepos}; do echo "read: $where.$k"; done
  done
  for where in /api/printer.body "printer printing.body" "push current *" "push history *"; do
    for k in state.text state.error "state.flags.*"; do echo "read: $where.$k"; done
  done
  for k in tool0 bed; do
    for where in "/api/printer.body.temperature" "printer printing.body.temperature" "push current Printing.temps[]"; do
      echo "read: $where.$k.actual"
      echo "read: $where.$k.target"
    done
  done
  for k in "push current Printing.currentZ" "push current *.logs" "push logs.*" push\ connected.{version,display_version} "event ZChange.payload.new" \
    event\ PositionUpdate.payload.{x,y,z,reason} event\ PrintPaused.payload.user event\ PrintFailed.payload.reason request.body.{app_token,auth_dialog} \
    "event PrintStarted.type" "event PrintDone.type" "event PrintCancelled.type"; do echo "read: $k"; done
  for k in "start again" "start offline" "pause idle" "printer offline" "no key printer"; do echo "read: $k.body.error"; done
} >"$tmp/rules"
python3 "$here/e2e/answers.py" "$tmp/real.json" "$tmp/simulated.json" "$tmp/rules" >"$tmp/compared" || die "the simulator differs: $(cat "$tmp/compared")"
cat "$tmp/compared"
echo "ok: simulated with the same answers"
