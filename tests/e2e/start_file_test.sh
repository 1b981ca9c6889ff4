#!/usr/bin/env bash
# start_file: a file on the printer's storage is started, its trays chosen from what the file needs and the AMS holds.
. "$(dirname "$0")/lib.sh"
need curl
need jq
cd "$tmp"

"$BEDSIDE" simulate job --shape gear --layers 6 "$tmp/job.gcode.3mf"
mkdir -p sd/cache
cp job.gcode.3mf "sd/cache/a job.gcode.3mf"
mkfifo sim.in
sleep 600 >sim.in &
pids+=($!)
# This firmware finds its files by the other form of address only.
"$BEDSIDE" simulate bambu --model P1S --serial 01P00A400000041 --code 11223344 --storage sd --cert-dir certs --no-ssdp \
  --speed 10 --fault file-url:ftp >sim.out 2>sim.log <sim.in &
pids+=($!)
until_true 20 test -s sim.out || die "the simulator does not start"
{
  printf 'ca_file: %s\nweb: {port: 0}\nprinters:\n' "$(jq -r .ca_file sim.out)"
  printf '  - {name: one, address: 127.0.0.1, serial: "01P00A400000041", access_code: "11223344", ports: %s}\n' \
    "$(jq -c .ports sim.out | tr -d '"' | sed 's/:/: /g')"
} >main.yaml
printf 'correct horse\n' | "$BEDSIDE" user add admin --data data --role admin --password-stdin >/dev/null
"$BEDSIDE" serve --config main.yaml --data data >serve.out 2>serve.log &
pids+=($!)
until_true 30 grep -q 'is up' serve.out || die "the daemon does not start"
base=$(address_of serve.out)api/v1
csrf=$(curl -sf -c jar -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "$base/login" | jq -r .csrf)
get() { curl -sf --max-time 20 -b jar "$base/$1"; }
holds() { get "$1" | jq -e "$2" >/dev/null; }
command() { curl -s --max-time 120 -b jar -H 'Content-Type: application/json' -H "X-Bedside-Csrf: $csrf" -d "$1" "$base/printers/one/commands"; }
expect() { # WHAT BODY JQ
  local answer
  answer=$(command "$2")
  jq -e "$3" <<<"$answer" >/dev/null || die "$1: $answer"
}
until_true 30 holds printers '.printers[0] | .link.state == "online" and (.ams | length) == 1' || die "not online"

expect "a tray that is empty" '{"command":"start_file","file":"cache/a job.gcode.3mf","ams_mapping":"2"}' \
  '.answer == "not_sent" and (.reason | test("tray 2 is empty"))'
expect "no numbers" '{"command":"start_file","file":"cache/a job.gcode.3mf","ams_mapping":"1,x"}' '.field == "ams_mapping" or .error != null'
expect "no such file" '{"command":"start_file","file":"cache/none.gcode.3mf","uses_ams":true}' \
  '.answer == "not_sent" and (.reason | test("filaments could not be read"))'
expect "started" '{"command":"start_file","file":"cache/a job.gcode.3mf","uses_ams":true}' '.answer == "acknowledged"'
until_true 90 holds printers '.printers[0] | .activity == "printing" and .tray_now >= 0' || die "it does not print: $(get printers | jq -c '.printers[0] | {activity, tray_now}')"
# The form of address that was tried first made no job.
holds jobs '.jobs | length == 1' || die "more than one job: $(get jobs | jq -c '[.jobs[] | {name, outcome}]')"
[ -z "$(ls data/cache | grep start-)" ] || die "the fetched file was left: $(ls data/cache)"
# The same from a console, when it is idle again.
printf 'cancel\n' >sim.in
command '{"command":"stop"}' >/dev/null
until_true 60 holds printers '.printers[0].activity | IN("cancelled", "failed", "idle", "finished")' || die "it does not stop: $(get printers | jq -c '.printers[0].activity')"
"$BEDSIDE" print one "cache/none.gcode.3mf" --data data >p.out 2>p.err && die "a file that is not there was started"
grep -q 'filaments could not be read' p.err || die "not said: $(cat p.err)"
"$BEDSIDE" print one "cache/a job.gcode.3mf" --trays 2 --data data 2>p.err && die "an empty tray was taken"
grep -q 'tray 2 is empty' p.err || die "not said: $(cat p.err)"
"$BEDSIDE" print nobody x.3mf --data data 2>p.err && die "no such printer, and yet"
grep -q 'no such printer' p.err || die "not said: $(cat p.err)"
"$BEDSIDE" print one "cache/a job.gcode.3mf" --trays 1,x --data data 2>p.err && die "1,x was taken for trays"
grep -q 'numbers with commas' p.err || die "not said: $(cat p.err)"
"$BEDSIDE" print one "cache/a job.gcode.3mf" --plate 1 --data data >p.out || die "not printed: $(cat p.out)"
grep -q 'prints cache/a job.gcode.3mf' p.out || die "not said: $(cat p.out)"
echo "ok: $(get printers | jq -c '.printers[0] | {activity, tray_now}')"
