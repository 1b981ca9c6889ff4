#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# moonraker_real: the real Moonraker, from the Python registry, before a stand-in for Klipper (klippy.py) that prints a
# real file and runs the macros of `bedside klipper-macros`; then the simulator must have the same fields.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need python3
e2e=$(cd "$(dirname "$0")" && pwd)
here=$(dirname "$e2e")
cache=${BEDSIDE_TEST_CACHE:-$HOME/.cache/bedside-tests}
venv=$cache/moonraker
mkdir -p "$cache"
exec 8>"$cache/lock"
flock 8
if ! "$venv/bin/python" -c "import moonraker" 2>/dev/null; then
  rm -rf "$venv"
  python3 -m venv "$venv" >"$tmp/venv.log" 2>&1 || { echo "skipped: python3 has no venv"; exit 77; }
  "$venv/bin/pip" install --no-input --quiet 'moonraker>=0.11,<0.12' >"$tmp/pip.log" 2>&1 || {
    rm -rf "$venv"
    echo "skipped: pip does not get moonraker: $(tail -n 1 "$tmp/pip.log")"
    exit 77
  }
fi
exec 8>&-

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
mkdir -p "$tmp/moon/config" "$tmp/moon/gcodes" "$tmp/moon/logs"
cp "$here/data/ring.gcode" "$tmp/moon/gcodes/"
configure() { # TRUSTED
  cat >"$tmp/moon/config/moonraker.conf" <<CONF
[server]
host: 127.0.0.1
port: $port
klippy_uds_address: $tmp/klippy.sock
[authorization]
$([ -z "$1" ] || printf 'trusted_clients:\n  %s' "$1")
[file_manager]
enable_object_processing: False
[machine]
provider: none
validate_service: False
CONF
}
answers() { [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$url/server/info")" != 000 ]; }
start_moonraker() {
  "$venv/bin/python" -m moonraker -d "$tmp/moon" -n >>"$tmp/moonraker.log" 2>&1 &
  moon=$!
  pids+=("$moon")
  until_true 90 answers || die "Moonraker does not start"
}
stop_moonraker() { kill "$moon"; wait "$moon" 2>/dev/null || true; }
configure 127.0.0.1
start_moonraker
key=$(curl -sf "$url/access/api_key" | jq -re .result) || die "no API key"
curl -sf -H 'Content-Type: application/json' -d '{"username":"tester","password":"secret word"}' "$url/access/user" >/dev/null || die "no user"
echo "Moonraker $(curl -sf "$url/server/info" | jq -r .result.moonraker_version)"
stop_moonraker
configure ""
start_moonraker

cat >"$tmp/bedside.yaml" <<YAML
data: $tmp/data
web: {port: 0}
printers:
  - {name: Voron, driver: moonraker, url: "$url", api_key: $key, offline_after: 30s}
cameras:
  - {name: cam, driver: fake, printer: voron, fps: 5, size: 640x480}
YAML
sed "s|^cameras:|  - {name: Login, driver: moonraker, url: 'http://localhost:$port', user: tester, password: secret word}\ncameras:|" \
  "$tmp/bedside.yaml" >"$tmp/both.yaml"
"$BEDSIDE" check-config "$tmp/both.yaml" || die "the configuration is refused"
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null
"$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/serve.out" 2>"$tmp/serve.log" &
pids+=($!)
until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start"
base=$(address_of "$tmp/serve.out")api/v1
csrf=$(curl -sf -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "$base/login" | jq -r .csrf)
get() { curl -sf --max-time 20 -b "$tmp/jar" "$base/$1"; }
holds() { get "$1" | jq -e "$2" >/dev/null; }
is() { holds printers/voron "$1"; }
expect() { # WHAT BODY JQ
  local answer
  answer=$(curl -s --max-time 120 -b "$tmp/jar" -H 'Content-Type: application/json' -H "X-Bedside-Csrf: $csrf" -d "$2" "$base/printers/voron/commands")
  jq -e "$3" <<<"$answer" >/dev/null || die "$1: $answer"
}

# ---- without Klipper: said so, and not idle ----
until_true 60 is '.link.state == "online" and .activity != "idle" and (tostring | test("no connection to Klipper"))' ||
  die "without Klipper: $(get printers/voron | jq -c '[.link, .activity, .error]')"
! "$BEDSIDE" doctor --config "$tmp/both.yaml" Login >"$tmp/doctor.out" || die "the doctor finds Klipper"
grep -q 'lets us in' "$tmp/doctor.out" && grep -q 'Klipper is not ready' "$tmp/doctor.out" || die "user and password: $(cat "$tmp/doctor.out")"
sed "s/$key/00000000000000000000000000000000/; s/secret word/wrong/" "$tmp/both.yaml" >"$tmp/wrong.yaml"
for who in Voron Login; do
  ! "$BEDSIDE" doctor --config "$tmp/wrong.yaml" $who >"$tmp/doctor.out" || die "$who: a wrong key or password is fine"
  grep -Eq 'refuses the (key|user or the password)' "$tmp/doctor.out" || die "$who, wrong: $(cat "$tmp/doctor.out")"
done
expect "a print without Klipper" '{"command":"start_file","file":"ring.gcode"}' '.answer == "not_sent" and (.reason | test("Klipper is not running"))'
echo "ok: no Klipper, a wrong key, a login, a wrong password"

# ---- Klipper comes: its limits, and a move that is acknowledged ----
"$BEDSIDE" klipper-macros --park 10,200 >"$tmp/bedside.cfg"
KLIPPY_SPEED=3 "$venv/bin/python" "$e2e/klippy.py" "$tmp/klippy.sock" "$tmp/moon/gcodes" "$tmp/bedside.cfg" >"$tmp/klippy.out" 2>"$tmp/klippy.log" &
klippy=$!
pids+=("$klippy")
until_true 90 is '.activity == "idle" and .limits.x == [0, 250] and (.capabilities | index("script"))' ||
  die "with Klipper: $(get printers/voron | jq -c '[.link, .activity, .limits, .error]')"
expect "a move before homing" '{"command":"script","gcode":"G1 X10","timeout_s":30}' '.answer == "refused" and (.reason | test("Must home"))'
expect "home" '{"command":"home"}' '.answer == "acknowledged"'
expect "a script" '{"command":"script","gcode":"G90\nG1 Z10 F600\nG1 X50 Y60 F6000","timeout_s":60}' '.answer == "acknowledged"'
is '.position | .x_mm == 50 and .y_mm == 60 and .z_mm == 10' || die "the position: $(get printers/voron | jq -c .position)"

# ---- a real file, each layer once, the head parked by our macro in the middle of it ----
expect "start" '{"command":"start_file","file":"ring.gcode"}' '.answer == "acknowledged"'
until_true 60 is '.activity == "printing" and .job.name == "ring.gcode"' || die "it does not print: $(get printers/voron | jq -c .job)"
expect "pause" '{"command":"pause"}' '.answer == "acknowledged"'
expect "resume" '{"command":"resume"}' '.answer == "acknowledged"'
until_true 240 is '.activity == "finished"' || die "it does not finish: $(get printers/voron | jq -c '[.activity, .job, .error]')"
layers=$(get printers/voron/layers | jq -c '[.layers[].number]')
[ "$layers" = '[1,2,3,4,5,6,7,8,9,10,11,12]' ] || die "layers are not counted once each: $layers"
until_true 120 holds films '.films[0].state == "verified"' || die "no film"
echo "ok: the real Moonraker printed 12 layers, each once"

# ---- a file whose layers end with TIMELAPSE_TAKE_FRAME: the macros of klipper-macros, head parked ----
awk '{ print } /^;LAYER_CHANGE/ { print "TIMELAPSE_TAKE_FRAME" } END { print "TIMELAPSE_RENDER" }' "$here/data/ring.gcode" >"$tmp/moon/gcodes/framed.gcode"
until_true 60 holds sessions '.sessions[0].state == "done"' || die "the session before"
expect "start" '{"command":"start_file","file":"framed.gcode"}' '.answer == "acknowledged"'
until_true 60 holds jobs '.jobs[0].name == "framed.gcode"' || die "the job"
until_true 300 is '.activity == "finished"' || die "macros: it does not finish: $(get printers/voron | jq -c '[.activity, .job, .position, .error]')"
until_true 60 holds sessions '.sessions[0].state == "done"' || die "the session: $(get sessions | jq -c '.sessions[0]')"
session=$(get sessions | jq -r '.sessions[0].id')
get "sessions/$session/frames" | jq -e '[.frames[].trigger | select(. == "macro")] | length == 12' >/dev/null ||
  die "the pictures: $(get "sessions/$session/frames" | jq -c '[.frames[].trigger]')"
! grep -q Traceback "$tmp/klippy.log" || die "the stand-in: $(cat "$tmp/klippy.log")"
echo "ok: 12 pictures with a parked head, by the macros of klipper-macros"

# ---- Klipper shuts down; it restarts ----
kill -USR1 "$klippy"
until_true 60 is '(tostring | test("Timer too close")) and .activity != "idle"' || die "shut down: $(get printers/voron | jq -c '[.activity, .error]')"
expect "a restart" '{"command":"clear_error"}' '.answer == "acknowledged"'
until_true 60 is 'tostring | test("Timer too close") | not' || die "still in error"

# ---- the simulator has the fields of the real one, in what we ask ----
"$BEDSIDE" simulate moonraker "$here/data/ring.gcode" >"$tmp/sim.out" 2>"$tmp/sim.log" &
pids+=($!)
until_true 30 test -s "$tmp/sim.out" || die "the simulator does not start"
sim=http://127.0.0.1:$(jq -r .port "$tmp/sim.out")
for path in server/info printer/info server/webcams/list; do
  curl -sf -H "X-Api-Key: $key" "$url/$path" >"$tmp/real.json" || die "$path"
  curl -sf "$sim/$path" >"$tmp/simulated.json" || die "the simulator's $path"
  # Each field that the simulator has, the real one has too, of the same type.
  jq -es 'def kinds: [paths(type != "object" and type != "array") as $p | {($p | map(tostring) | join(".")): (getpath($p) | type)}] | add // {};
    (.[0] | kinds) as $real | (.[1] | kinds) as $simulated | [$simulated | to_entries[] | select(.key | test("[.][0-9]") | not) |
    select($real[.key] != .value)] | if length == 0 then true else error(tostring) end' "$tmp/real.json" "$tmp/simulated.json" >/dev/null ||
    die "$path differs: $(cat "$tmp/simulated.json") and $(cat "$tmp/real.json")"
done
! grep -q "$key" "$tmp/serve.log" || die "the key stands in the log"
echo "ok: shut down, restarted, simulated with the same fields"
