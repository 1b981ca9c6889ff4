#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# capture: a grid of places on one layer, photographed by two cameras: with the real OctoPrint and its virtual printer,
# with a simulated Klipper, and with a simulated Bambu printer. $2: octoprint, moonraker or bambu.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/capture_lib.sh"
need curl
need jq
need python3
here=$(cd "$(dirname "$0")/.." && pwd)
kind=${2:-moonraker}
key=0123456789abcdef0123456789abcdef
capture_gcode 60 >"$tmp/tower.gcode"

case $kind in
octoprint)
  . "$(dirname "$0")/octoprint_lib.sh"
  octoprint_install 1
  octoprint_configure 0.001
  octoprint_start
  octoprint_upload "$tmp/tower.gcode"
  printer="driver: octoprint, url: $octoprint_url/, api_key: $octoprint_key"
  ;;
moonraker)
  "$BEDSIDE" simulate moonraker --key $key --speed 8 "$tmp/tower.gcode" >"$tmp/sim.out" 2>"$tmp/sim.log" &
  pids+=($!)
  until_true 30 test -s "$tmp/sim.out" || die "the simulator does not start"
  printer="driver: moonraker, url: 'http://127.0.0.1:$(jq -r .port "$tmp/sim.out")', api_key: $key"
  ;;
bambu)
  "$BEDSIDE" simulate job --shape gear --layers 60 "$tmp/tower.gcode.3mf"
  mkdir "$tmp/sd"
  mkfifo "$tmp/sim.in"
  sleep 900 >"$tmp/sim.in" &
  pids+=($!)
  "$BEDSIDE" simulate bambu --model P1S --serial 01P00A400000051 --code 11223344 --storage "$tmp/sd" --cert-dir "$tmp/certs" \
    --no-ssdp --speed 4 --control "$tmp/sim.control" >"$tmp/sim.out" 2>"$tmp/sim.log" <"$tmp/sim.in" &
  pids+=($!)
  until_true 30 test -s "$tmp/sim.out" || die "the simulator does not start"
  cp "$tmp/tower.gcode.3mf" "$tmp/sd/"
  printer="serial: '01P00A400000051', address: 127.0.0.1, access_code: '11223344', ports: $(jq -c .ports "$tmp/sim.out" | tr -d '"' | sed 's/:/: /g')"
  ;;
*) die "no such printer: $kind" ;;
esac

cat >"$tmp/bedside.yaml" <<YAML
data: $tmp/data
web: {port: 0}
$([ $kind != bambu ] || echo "ca_file: $(jq -r .ca_file "$tmp/sim.out")")
printers:
  - {name: One, $printer, capture: {enabled: yes, every_n_layers: 0, mode: grid, points_x: 3, points_y: 2, points_z: 2,
     spacing_x: 10, spacing_y: 10, speed: 6000, calibration_file: lens.json, cameras: "front, top"}}
cameras:
  - {name: front, driver: fake, printer: one, fps: 10, size: 320x240}
  - {name: top, driver: fake, printer: one, fps: 10, size: 320x240}
YAML
"$BEDSIDE" check-config "$tmp/bedside.yaml" || die "the configuration is refused"
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null
capture_serve "$tmp/bedside.yaml"
until_true 60 is '.link.state == "online" and .activity == "idle"' || die "not online: $(get printers/one | jq -c '[.link, .activity]')"

start() {
  local file=tower.gcode
  [ $kind != bambu ] || file=tower.gcode.3mf
  ask POST printers/one/commands "{\"command\":\"start_file\",\"file\":\"$file\"}" | jq -e '.answer == "acknowledged"' >/dev/null || die "start"
  until_true 120 is '.activity == "printing"' || die "it does not print: $(get printers/one | jq -c '[.activity, .job]')"
  until_true 120 status_is '.current_layer != null and .has_file' || die "no layer: $(get printers/one/capture | jq -c .status)"
}
run_now() { ask POST printers/one/capture/orders '{"order":"run"}'; }
quiet() { status_is '.is_running | not'; }

if [ $kind = bambu ]; then
  # ---- opt-in: refused with the reason, nothing paused ----
  plan '{"bed_min_x":0,"bed_min_y":0,"bed_max_x":256,"bed_max_y":256,"max_z":256}'
  start
  run_now | jq -e '.is_running or .n_failed == 1' >/dev/null || die "the order"
  until_true 60 holds captures '.captures[0].state == "failed"' || die "not failed: $(newest)"
  holds captures '.captures[0] | (.text | test("experimental.*bambu_moves")) and .paused_s == 0' || die "the reason: $(newest)"
  is '.activity == "printing"' || die "the print was paused"
  plan '{"bambu_moves":true,"points_x":3,"points_y":1,"points_z":1,"retract":0}'
  # ---- firmware that wants signed commands: refused in its words, and the print does not stop for it ----
  echo refuse-unsigned >"$tmp/sim.in"
  n=$(get captures | jq '.captures | length')
  run_now | jq -e '.is_running or .n_failed == 2' >/dev/null || die "the order: $(run_now)"
  until_true 90 holds captures ".captures | length == $((n + 1)) and .[0].state == \"failed\"" || die "not failed: $(newest)"
  newest | jq -e '.n_pictures == 0 and .n_done == 0 and (.text | test("Developer Mode"; "i"))' >/dev/null || die "the reason: $(newest)"
  until_true 60 quiet || die "it does not end"
  until_true 30 is '.activity == "printing"' || die "the print does not go on: $(get printers/one | jq -c .activity)"
  echo "ok: refused: $(newest | jq -r .text)"
  echo clear >"$tmp/sim.in"
  until_true 30 is '.hms | length == 0' || die "the simulator still refuses: $(get printers/one | jq -c .hms)"
  run_now | jq -e .is_running >/dev/null || die "the order"
  until_true 20 is '.activity == "paused"' || die "not paused"
  until_true 180 quiet || die "it does not end"
  newest | jq -e '.state == "completed" and .n_pictures == 6' >/dev/null || die "the grid: $(newest)"
  until_true 30 is '.activity == "printing"' || die "not resumed"
  id=$(newest | jq -r .id)
  capture_is_whole "$id" 3 2
  dataset_is_whole 6
  order stop
  until_true 60 holds jobs '.jobs[0].outcome == "cancelled"' || die "cancelled"
  echo "ok: refused with the reason, then by gcode_line"
  exit 0
fi

# ---- a listed height ----
plan '{"z_heights":"1.0"}'
start
until_true 240 holds captures '.captures[0].state == "completed"' || die "no capture: $(newest) $(get printers/one/capture | jq -c .status)"
newest | jq -e '.layer == 5 and .trigger == "z" and .paused_s > 0 and .printer_wait_s > 0' >/dev/null || die "the capture: $(newest)"
until_true 30 is '.activity == "printing"' || die "not resumed"
first=$(newest | jq -r .id)
capture_is_whole "$first" 12 2
dataset_is_whole 24
# The walls of that layer lie in the box of what is printed, and are more than a box.
ask POST printers/one/capture/preview '{"layer":5}' | jq -e '.footprint | . as $f | [.walls[] | _nwise(2)] | length > 5 and
  all(.[]; .[0] >= $f.min_x - 0.2 and .[0] <= $f.max_x + 0.2 and .[1] >= $f.min_y - 0.2 and .[1] <= $f.max_y + 0.2)' >/dev/null ||
  die "the walls: $(ask POST printers/one/capture/preview '{"layer":5}' | jq -c .footprint)"
echo "ok: 12 places of layer 5 by two cameras in $(newest | jq .paused_s) s, then on with the print"

# ---- by order; the same by the page's archive, and away by layer ----
plan '{"z_heights":"","points_z":1}'
until_true 120 status_is '.current_layer > 5' || die "the print does not go on: $(get printers/one/capture | jq -c .status)"
"$BEDSIDE" capture run one --data "$tmp/data" >/dev/null || die "capture run"
until_true 120 quiet || die "it does not end"
second=$(newest | jq -r .id)
layer=$(newest | jq -r .layer)
[ "$second" != "$first" ] && [ "$layer" -gt 5 ] || die "the second: $(newest)"
capture_is_whole "$second" 6 2
get "capture-archive?format=dataset&layer=$layer" >"$tmp/page.tar"
[ "$(tar -tf "$tmp/page.tar" | wc -l)" = 26 ] || die "the page's dataset: $(tar -tf "$tmp/page.tar")"
get "capture-archive?format=zip" >"$tmp/page.zip"
python3 -c 'import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None and len(z.namelist()) == 74, z.namelist()' "$tmp/page.zip" ||
  die "the page's zip"
job=$(newest | jq -r .job)
ask DELETE "captures?job=$job&layer=$layer" | jq -e '.n_removed == 1' >/dev/null || die "delete by layer"
holds captures '(.captures | length) == 1' || die "more than one layer went: $(get captures)"
[ "$(find "$tmp/data/captures" -name '*.jpg' | wc -l)" = 48 ] && [ "$(find "$tmp/data/captures" -name '*.json' | wc -l)" = 1 ] || die "files after the delete"
echo "ok: by order, exported, deleted by layer"

# ---- plans that cannot be ----
expect_refused() { # PLAN WORDS
  ask PATCH printers/one/capture "$1" | jq -e --arg w "$2" '.error != null and (.error | tostring | test($w))' >/dev/null ||
    die "not refused: $1: $(ask PATCH printers/one/capture "$1")"
}
expect_refused '{"points_x":10}' 'points_x'
expect_refused '{"z_heights":"1.0, high"}' 'z_heights'
expect_refused '{"bed_min_x":100,"bed_max_x":50}' 'bed'
expect_refused '{"folder":"../etc"}' 'folder'
ask POST printers/one/capture/preview '{"centre_x":900}' | jq -e '.grid.n_safe == 0 and (.error | test("outside|safe"))' >/dev/null ||
  die "nowhere: $(ask POST printers/one/capture/preview '{"centre_x":900}' | jq -c '[.error, .grid.n_safe]')"
plan '{"centre_x":900}'
run_now >/dev/null
until_true 60 quiet || die "it does not end"
newest | jq -e '.state == "failed" and .paused_s == 0 and .n_pictures == 0 and .text != ""' >/dev/null || die "a grid that fits nowhere: $(newest)"
is '.activity == "printing"' || die "paused for a grid that fits nowhere"
echo "ok: refused: $(newest | jq -r .text)"

# ---- on the console: each unsafe point of the plan, and a capture that a person ends ----
edge=$(ask POST printers/one/capture/preview '{"centre_x":null}' | jq '.grid.box.max[0]')
plan "{\"centre_x\":$edge}"
"$BEDSIDE" capture plan one --data "$tmp/data" >"$tmp/plan.txt" || die "capture plan"
grep -q '^points_x: 3$' "$tmp/plan.txt" && grep -q '^4 points of 6 are safe, about [0-9]* s each time$' "$tmp/plan.txt" || die "capture plan: $(cat "$tmp/plan.txt")"
[ "$(grep -cE '^unsafe: point [45] at X[0-9.]+ Y[0-9.]+ Z[0-9.]+: x [0-9.]+ is right of [0-9.]+, ' "$tmp/plan.txt")" = 2 ] || die "its unsafe points: $(cat "$tmp/plan.txt")"
! "$BEDSIDE" capture cancel one --data "$tmp/data" 2>"$tmp/cancel.txt" || die "cancelled what does not run"
grep -q 'no capture is under way' "$tmp/cancel.txt" || die "capture cancel: $(cat "$tmp/cancel.txt")"
plan '{"centre_x":null,"points_x":5,"points_y":5,"points_z":2,"spacing_x":8,"spacing_y":8}'
"$BEDSIDE" capture run one --data "$tmp/data" >/dev/null || die "capture run"
until_true 60 status_is '.n_done >= 2' || die "it does not move: $(get printers/one/capture | jq -c .status)"
"$BEDSIDE" capture cancel one --data "$tmp/data" >/dev/null || die "capture cancel"
until_true 60 quiet || die "it does not end"
newest | jq -e '.state == "failed" and (.text | test("cancelled by a person")) and .n_done >= 2 and .n_done < 50' >/dev/null || die "the cancelled: $(newest)"
until_true 30 is '.activity == "printing"' || die "not resumed after the cancel"
cancelled=$(newest | jq .n_pictures)
echo "ok: unsafe points listed, ended by a person after $(newest | jq .n_done) of 50 points"
touch "$tmp/before"

# ---- killed in mid-grid: the print is whole, and what was taken is there ----
"$BEDSIDE" capture run one --data "$tmp/data" >/dev/null || die "capture run"
until_true 60 status_is '.n_done >= 4' || die "it does not move: $(get printers/one/capture | jq -c .status)"
kill -9 "$daemon"
wait "$daemon" 2>/dev/null || true
taken=$(find "$tmp/data/captures" -name 'layer_*.jpg' -newer "$tmp/before" ! -name '*thumb*' | wc -l)
[ "$taken" -ge 4 ] || die "only $taken pictures were on the disk"
capture_serve "$tmp/bedside.yaml"
until_true 60 is '.link.state == "online"' || die "not back"
until_true 90 holds captures '.captures[0] | .state == "failed" and .ended_at != null and (.text | test("Bedside was ended"))' || die "after the kill: $(newest)"
# It went back to its place and on with the print, or stays paused and there is an alarm: nothing else.
if is '.activity == "paused"'; then
  holds notices '[.notices[] | select(.level == "alarm" and (.text | test("paused")))] | length >= 1' || die "paused, and no alarm"
else
  until_true 30 is '.activity == "printing"' || die "neither: $(get printers/one | jq -c .activity)"
fi
newest | jq -e --argjson n "$taken" '.n_pictures >= 4 and .n_pictures <= $n and .metadata != ""' >/dev/null || die "$taken were taken: $(newest)"
third=$(newest | jq -r .id)
holds "captures/$third" '.n_pictures == (.pictures | length)' || die "its pictures: $(get "captures/$third")"
dataset_is_whole $((24 + cancelled + $(newest | jq .n_pictures)))
echo "ok: killed in mid-grid: $(newest | jq .n_pictures) pictures kept, then $(get printers/one | jq -r .activity)"
is '.activity != "paused"' || order resume
order stop
until_true 60 holds jobs '.jobs[0].outcome == "cancelled"' || die "cancelled: $(get jobs | jq -c '.jobs[0]')"
holds captures '[.captures[] | select(.state == "running")] | length == 0' || die "one still runs"
