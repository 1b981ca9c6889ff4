#!/usr/bin/env bash
# crash: the daemon is killed with -9 again and again while a printer prints on; the film has every
# layer that was flushed, in one session.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need ffprobe

mkdir -p "$tmp/storage"
"$BEDSIDE" simulate job --shape boat --layers 60 "$tmp/storage/job.gcode.3mf"
mkfifo "$tmp/orders"
sleep 600 >"$tmp/orders" &
pids+=($!)
"$BEDSIDE" simulate bambu --model A1 --serial 03900A4E2E00001 --code 11223344 --storage "$tmp/storage" \
  --cert-dir "$tmp/certs" --no-ssdp --speed 10 --camera-fps 8 >"$tmp/sim.out" 2>"$tmp/sim.log" <"$tmp/orders" &
pids+=($!)
until_true 20 test -s "$tmp/sim.out" || die "the simulator does not start"
port() { jq -r ".ports.$1" "$tmp/sim.out"; }
cat >"$tmp/bedside.yaml" <<EOF
data: $tmp/data
ca_file: $(jq -r .ca_file "$tmp/sim.out")
web: {port: 0}
printers:
  - name: Sim
    address: 127.0.0.1
    serial: 03900A4E2E00001
    access_code: "11223344"
    ports: {mqtt: $(port mqtt), ftps: $(port ftps), camera: $(port camera), detect: $(port detect)}
EOF
"$BEDSIDE" check-config "$tmp/bedside.yaml" || die "the configuration is refused"

# The administrator of the test, made on the console before the first start.
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null || die "user add"

start() {
  : >"$tmp/serve.out"
  "$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/serve.out" 2>>"$tmp/serve.log" &
  daemon=$!
  until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start"
  base=$(address_of "$tmp/serve.out")
  rm -f "$tmp/jar"
  curl -sf -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "${base}api/v1/login" >/dev/null || die "login"
}
get() { curl -sf --max-time 10 -b "$tmp/jar" "${base}api/v1/$1"; }
n_frames() { get sessions | jq '[.sessions[0].n_frames, 0] | max'; }
session_has() { [ "$(n_frames)" -ge "$1" ]; }
ended() { get films | jq -e '.films[0].state == "verified"' >/dev/null; }

start
[ "$(curl -s -o /dev/null -w '%{http_code}' "${base}api/v1/printers")" = 401 ] || die "a stranger is let in"
"$BEDSIDE" status --config "$tmp/bedside.yaml"

# The print begins when everything watches.
printf 'print %s\n' "$tmp/storage/job.gcode.3mf" >"$tmp/orders"

flushed=0
for wanted in 4 8 12 16; do
  until_true 90 session_has "$wanted" || die "no $wanted pictures"
  flushed=$(n_frames)
  kill -9 "$daemon"
  wait "$daemon" 2>/dev/null || true
  start
  until_true 20 session_has "$flushed" || die "of $flushed pictures $(n_frames) are left"
done
[ "$(get sessions | jq '.sessions | length')" = 1 ] || die "the session was not found again: $(get sessions | jq -c '[.sessions[] | {id, state, n_frames}]')"
until_true 120 ended || die "no verified film: $(get films | jq -c '.films[0]')"
[ "$(get films | jq '.films[0].n_frames')" = "$(n_frames)" ] || die "the film lacks pictures"
echo "killed 4 times; $(n_frames) pictures in one film, $(get sessions | jq '.sessions[0].n_missed') missed while it was dead"
kill -TERM "$daemon"
wait "$daemon" || die "SIGTERM ended with $?"
