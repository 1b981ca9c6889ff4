#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# lying_gcode: files that lie about their layers: 20 are printed, and they say 50 or four billion; layer numbers come again, go
# back and stand in the midst of layers; heights that are not printed at. Printers that tell their place in the file (Moonraker)
# or only a height (PrusaLink): each real layer once, a film, a sentence that says so, and a print that nobody touched.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/printer_lib.sh"
all=$(jq -nc '[range(1; 21)]')

liar() { # KIND COUNT
  awk -v kind="$1" -v count="$2" 'BEGIN {
    printf "; written for the tests of Bedside: a file that lies\n;LAYER_COUNT:%s\nG21\nG90\nM83\nG28\n", count
    for (i = 0; i < 20; i++) {
      n = i == 5 ? 4 : i == 9 ? 2 : i > 15 ? i - 10 : i
      if (kind == "numbers") printf ";LAYER:%d\n", n
      else printf ";LAYER_CHANGE\n;Z:%.2f\n;HEIGHT:0.2\n", 90 - i
      printf "G1 Z%.2f F600\n", 0.2 * (i + 1)
      for (k = 0; k < 12; k++) {
        if (kind == "numbers" && k == 6 && (i == 7 || i == 12)) printf ";LAYER:%d\n;LAYER:3\n", n
        printf "G1 X%d Y%d E2 F600\n", k % 2 ? 60 : 20, 20 + k
      }
    }
  }'
}
liar numbers 50 >"$tmp/numbers.gcode"
liar heights 4000000000 >"$tmp/heights.gcode"
"$BEDSIDE" gcode "$tmp/numbers.gcode" | grep -q '^wrong .*says that it has 50 layers and has 20; .* come again or go back' ||
  die "bedside gcode: $("$BEDSIDE" gcode "$tmp/numbers.gcode")"

simulate() { # PRINTER KIND FILE OPTIONS
  "$BEDSIDE" simulate "$2" --speed 15 "${@:4}" "$tmp/$3.gcode" >"$tmp/$1.out" 2>"$tmp/$1.log" &
  pids+=($!)
  until_true 30 test -s "$tmp/$1.out" || die "the simulator $1 does not start"
  printf '  - {name: %s, driver: %s, url: "http://127.0.0.1:%s", api_key: "0123456789abcdef"}\n' "$1" "$2" "$(jq -r .port "$tmp/$1.out")" >>"$tmp/printers"
  printf '  - {name: cam-%s, driver: fake, printer: %s, fps: 5, size: 320x240}\n' "$1" "$1" >>"$tmp/cameras"
}
for f in numbers heights; do
  simulate "k$f" moonraker $f --key 0123456789abcdef
  simulate "p$f" prusalink $f --key 0123456789abcdef
done
{ printf 'data: %s\nweb: {port: 0}\nprinters:\n' "$tmp/data"; cat "$tmp/printers"; echo cameras:; cat "$tmp/cameras"; } >"$tmp/bedside.yaml"
watch knumbers
# A print that somebody stops or pauses shows it.
while sleep 0.2; do get printers | jq '.printers[].activity'; done >"$tmp/activities" 2>/dev/null &
watcher=$!
pids+=("$watcher")
of() { echo "[.$1[] | select(.printer == \"$printer\")]"; }
for printer in knumbers kheights pnumbers pheights; do
  until_true 60 is '.link.state == "online" and .activity == "idle"' || die "$printer is not online"
  start "${printer#?}.gcode"
done
for printer in knumbers kheights pnumbers pheights; do
  until_true 300 is '.activity == "finished"' || die "$printer does not finish: $(get "printers/$printer" | jq -c '[.activity, .link, .job]')"
  until_true 60 holds jobs "$(of jobs) | length == 1 and .[0].outcome == \"finished\" and .[0].layers == 20" || die "the job: $(get jobs | jq -c "$(of jobs)")"
  [ "$(layers)" = "$all" ] || die "$printer: layers are not counted once each: $(layers)"
  until_true 120 holds films "$(of films) | length == 1 and .[0].state == \"verified\"" || die "$printer: no film"
  session=$(get sessions | jq -r "$(of sessions) | .[0] | select(.state == \"done\") | .id")
  get "sessions/$session/frames" | jq -e '[.frames[] | select(.trigger == "layer") | .layer] | length >= 18 and . == unique' >/dev/null ||
    die "$printer: the pictures: $(get "sessions/$session/frames" | jq -c '[.frames[].layer]')"
  case $printer in
    *numbers) said='says that it has 50 layers and has 20; [0-9]+ of its layer numbers come again or go back' ;;
    *) said='says that it has 4000000000 layers and has 20; 20 of its layers are printed elsewhere than at the height it names' ;;
  esac
  holds notices "[.notices[] | select(.subject == \"$printer\" and (.text | test(\"wrong about its layers: it $said.*left alone\")))] | length == 1" ||
    die "$printer: it is not said: $(get notices | jq -c '[.notices[].text]')"
done
kill "$watcher"
jq -se 'unique - ["idle", "preparing", "printing", "finished"] == [] and index("printing")' "$tmp/activities" >/dev/null ||
  die "the print was touched: $(sort "$tmp/activities" | uniq -c)"
echo "ok: four prints whose files lie: 20 layers once each, films, said"
