#!/usr/bin/env bash
# viewers: 50 viewers come and go, some of whom never read, while a print is photographed: no layer is missed.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$0")
need curl
need jq
need python3
layers=${LAYERS:-120} # 500 by script/check --all
# PRIORITY=1, as root: printer, daemon and viewers before others on this machine, which would stop the printer's clock.
first=()
[ -z "${PRIORITY:-}" ] || first=(nice -n -15)

mkdir -p "$tmp/storage"
"$BEDSIDE" simulate job --shape cube --layers "$layers" "$tmp/storage/job.gcode.3mf"
mkfifo "$tmp/orders"
sleep 1800 >"$tmp/orders" &
pids+=($!)
"${first[@]}" "$BEDSIDE" simulate bambu --model A1 --serial 03900A4E2E00001 --code 11223344 --storage "$tmp/storage" \
  --cert-dir "$tmp/certs" --no-ssdp --speed "${SPEED:-20}" >"$tmp/sim.out" 2>"$tmp/sim.log" <"$tmp/orders" &
pids+=($!)
until_true 20 test -s "$tmp/sim.out" || die "the simulator does not start"
port() { jq -r ".ports.$1" "$tmp/sim.out"; }
cat >"$tmp/bedside.yaml" <<EOF
data: $tmp/data
ca_file: $(jq -r .ca_file "$tmp/sim.out")
web: {listen: 127.0.0.1, port: 0, camera_clients: [127.0.0.1]}
printers:
  - name: Sim
    address: 127.0.0.1
    serial: 03900A4E2E00001
    access_code: "11223344"
    camera: no
    ports: {mqtt: $(port mqtt), ftps: $(port ftps), detect: $(port detect)}
cameras:
  - {name: Cam, driver: fake, printer: Sim, size: 640x480, fps: 15}
EOF
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null || die "user add"
"${first[@]}" "$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/serve.out" 2>"$tmp/serve.log" &
daemon=$!
pids+=("$daemon")
until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start"
base=$(address_of "$tmp/serve.out")
curl -sf -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "${base}api/v1/login" >/dev/null || die "login"
session() { curl -sf --max-time 10 -b "$tmp/jar" "${base}api/v1/sessions" | jq "[.sessions[0].$1, 0] | max"; }
is_over() { curl -sf --max-time 10 -b "$tmp/jar" "${base}api/v1/sessions" | jq -e '.sessions[0].ended_at != null' >/dev/null; }

"${first[@]}" python3 "$here/camera_clients.py" churn "${base}stream" 50 "$tmp/stop" >"$tmp/churn.out" 2>&1 &
churn=$!
pids+=("$churn")
printf 'print %s\n' "$tmp/storage/job.gcode.3mf" >"$tmp/orders"
until_true 900 is_over || die "the print does not end: $(session n_frames) pictures"
touch "$tmp/stop"
wait "$churn" || die "$(tail -n 3 "$tmp/churn.out")"
cat "$tmp/churn.out"
[ "$(session n_missed)" = 0 ] || die "$(session n_missed) layers were missed: $(curl -sf -b "$tmp/jar" "${base}api/v1/notices" | jq -r "[.notices[].text | select(test(\"missing\"))][0]")"
[ "$(session n_frames)" -ge "$layers" ] || die "$(session n_frames) pictures of $layers layers"
echo "$(session n_frames) pictures of $layers layers, none missed"
