#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# prusalink real: the web server of the real PrusaLink 0.8 (its digest login, its answers, its files), with a printer behind it
# that prusalink_played.py plays; from the Python registry into a virtual environment outside of the tree, which stays for the
# next time: $BEDSIDE_TEST_CACHE, or ~/.cache/bedside-tests. Skipped where it cannot be had.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/printer_lib.sh"
need python3
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${BEDSIDE_TEST_CACHE:-$HOME/.cache/bedside-tests}
venv=$cache/prusalink-0.8.1
if [ ! -e "$venv/whole" ]; then
  mkdir -p "$cache"
  echo "installing prusalink 0.8.1 into $venv"
  exec 8>"$cache/lock"
  flock 8
  rm -rf "$venv"
  python3 -m venv "$venv" >"$tmp/venv.log" 2>&1 || { echo "skipped: python3 has no venv"; exit 77; }
  # It reads the list of what is installed by setuptools' pkg_resources, which newer ones have no more.
  "$venv/bin/pip" install --no-input --quiet 'setuptools<80' prusalink==0.8.1 >"$tmp/pip.log" 2>&1 || {
    echo "skipped: pip does not get prusalink (it wants gcc and the headers of Python and libcap): $(tail -n 1 "$tmp/pip.log")"
    exit 77
  }
  : >"$venv/whole"
  exec 8>&-
fi
mkdir "$tmp/gcodes"
cp "$here/data/ring.gcode" "$tmp/gcodes/"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$venv/bin/python" "$here/e2e/prusalink_played.py" "$tmp/gcodes" 4 "$port" >"$tmp/played.out" 2>"$tmp/played.log" &
pids+=($!)
until_true 60 test -s "$tmp/played.out" || { tail -n 2 "$tmp/played.log"; echo "skipped: PrusaLink does not start here"; exit 77; }
cat >"$tmp/bedside.yaml" <<EOF2
data: $tmp/data
web: {port: 0}
printers:
  - {name: MK3, driver: prusalink, url: "http://127.0.0.1:$port", user: maker, password: abcdefgh12345678}
cameras:
  - {name: cam, driver: fake, printer: mk3, fps: 5, size: 640x480}
EOF2
watch mk3

until_true 60 is '.link.state == "online" and .activity == "idle" and .model == "MK3S" and .firmware == "3.13.2"' || die "not online: $(get printers/mk3 | jq -c '[.link, .model]')"
is '.position.x_mm == 10.5 and .nozzles[0].diameter_mm == 0.4' || die "$(get printers/mk3 | jq -c '[.position, .nozzles]')"
"$BEDSIDE" doctor --config "$tmp/bedside.yaml" MK3 >"$tmp/doctor.out" || die "the doctor: $(cat "$tmp/doctor.out")"
sed 's/user: maker, password: abcdefgh12345678/api_key: "0123456789abcdef"/' "$tmp/bedside.yaml" >"$tmp/key.yaml"
"$BEDSIDE" doctor --config "$tmp/key.yaml" MK3 >"$tmp/doctor.out" || die "the doctor with a key: $(cat "$tmp/doctor.out")"
for wrong in 's/abcdefgh12345678/abcdefgh87654321/' 's/user: maker, password: abcdefgh12345678/api_key: "0000000000000000"/'; do
  sed "$wrong" "$tmp/bedside.yaml" >"$tmp/wrong.yaml"
  ! "$BEDSIDE" doctor --config "$tmp/wrong.yaml" MK3 >"$tmp/doctor.out" || die "a wrong login is fine"
  grep -q 'refuses the key or the login' "$tmp/doctor.out" || die "a wrong login: $(cat "$tmp/doctor.out")"
done

start
until_true 60 is '.activity == "printing" and .job.name == "ring.gcode"' || die "it does not print: $(get printers/mk3 | jq -c .job)"
order pause
is '.activity == "paused"' || die "acknowledged, but not paused"
order resume
finishes
get printers/mk3/layers | jq -e '.layers[5].reason | contains("the file")' >/dev/null || die "the file did not help"
until_true 120 holds films '.films[0].state == "verified"' || die "no film: $(get films | jq -c '.films[0]')"
start local/ring.gcode
until_true 30 is '.activity == "printing"' || die "it does not print again"
order stop
until_true 60 holds jobs '.jobs[0].outcome == "cancelled"' || die "the job that was stopped: $(get jobs | jq -c '.jobs[0]')"
echo "ok: the real PrusaLink 0.8: logged in to by digest and key, 12 layers once each, a film, commanded"

# ---- the simulator, which plays a firmware's PrusaLink, answers as this one, but for what is different of old ----
kill "$daemon"
wait "$daemon" || die "the daemon ended with $?"
record() { # PORT STORAGE/FILE OUT
  python3 "$here/e2e/prusalink_record.py" "http://127.0.0.1:$1" maker abcdefgh12345678 0123456789abcdef "$2" >"$3" 2>"$tmp/record.log" ||
    die "$2 is not recorded: $(tail -n 3 "$tmp/record.log")"
}
record "$port" local/ring.gcode "$tmp/real.json"
"$BEDSIDE" simulate prusalink --user maker --password abcdefgh12345678 --key 0123456789abcdef "$here/data/ring.gcode" >"$tmp/sim.out" 2>"$tmp/sim.log" &
pids+=($!)
until_true 30 test -s "$tmp/sim.out" || die "the simulator does not start"
record "$(jq -r .port "$tmp/sim.out")" usb/RING~1.GCO "$tmp/simulated.json"
{
  for k in text hostname; do echo "read: /api/version.body.$k"; done
  for k in nozzle_diameter hostname serial; do echo "read: /api/v1/info.body.$k"; done
  for s in idle printing paused; do
    for k in state temp_nozzle target_nozzle temp_bed target_bed axis_z speed fan_print; do echo "read: status $s.body.printer.$k"; done
  done
  for k in status\ idle.body.printer.axis_x status\ idle.body.printer.axis_y status\ paused.body.job.id status\ printing.body.job.progress \
    status\ printing.body.job.time_remaining status\ printing.body.job.time_printing ; do echo "read: $k"; done
  for k in id state progress time_printing file.name file.display_name file.path file.size file.refs.download; do echo "read: job printing.body.$k"; done
  for k in flags.printing flags.paused flags.error text; do echo "read: /api/printer.body.state.$k"; done
  for k in tool0.actual tool0.target bed.actual bed.target; do echo "read: /api/printer.body.temperature.$k"; done
  for k in job.file.path job.file.display progress.completion progress.printTime progress.printTimeLeft; do echo "read: old job.body.$k"; done
  cat <<'RULES'
accept: /api/v1/info.body.mmu: firmware only; the Raspberry Pi's serves printers without one
accept: *.body.nozzle_diameter: firmware only says it in /api/version; the Raspberry Pi's in /api/v1/info, as does firmware
accept: *.challenge.stale: firmware's digest knows stale nonces, the Raspberry Pi's has qop and MD5-sess instead
accept: wrong key.*: to a wrong key firmware asks for the login (401), the Raspberry Pi's says 403
accept: status *.body.storage*: firmware has one stick, as an object; the Raspberry Pi's lists its storages
accept: status stopped.body.job*: firmware keeps the job until somebody confirms at the printer
accept: job stopped.*: firmware keeps the job until somebody confirms at the printer
RULES
} >"$tmp/rules"
python3 "$here/e2e/answers.py" "$tmp/real.json" "$tmp/simulated.json" "$tmp/rules" >"$tmp/compared" || die "the simulator differs: $(cat "$tmp/compared")"
cat "$tmp/compared"
echo "ok: simulated with the same answers"
