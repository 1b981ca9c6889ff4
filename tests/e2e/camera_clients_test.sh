#!/usr/bin/env bash
# camera_clients: cameras as other programs see them: curl, ffmpeg, and readers that mind each byte; tokens that end; viewers
# who read and who never do.
. "$(dirname "$0")/lib.sh"
here=$(dirname "$0")
need curl
need jq
need python3

cat >"$tmp/bedside.yaml" <<EOF
data: $tmp/data
web: {listen: 127.0.0.1, port: 0}
cameras:
  - {name: Left, driver: fake, size: 640x480, fps: 10}
  - {name: Right, driver: fake, size: 320x240, fps: 5}
EOF
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null || die "user add"
"$BEDSIDE" serve --config "$tmp/bedside.yaml" >"$tmp/serve.out" 2>"$tmp/serve.log" &
daemon=$!
pids+=("$daemon")
until_true 60 grep -q 'is up' "$tmp/serve.out" || die "the daemon does not start"
base=$(address_of "$tmp/serve.out")
csrf=$(curl -sf -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "${base}api/v1/login" | jq -r .csrf)
api() { curl -sf --max-time 20 -b "$tmp/jar" -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' "$@"; }
status() { curl -s --max-time 20 -o "$tmp/body" -D "$tmp/head" -w '%{http_code}' "$@"; }
is_jpeg() { [ "$(head -c 2 "$1" | od -An -tx1 | tr -d ' \n')" = ffd8 ] && [ "$(tail -c 2 "$1" | od -An -tx1 | tr -d ' \n')" = ffd9 ]; }

# Nobody wants it yet: it is not asked for a single picture.
[ "$(api "${base}api/v1/cameras" | jq '[.cameras[].n_frames] | add')" = 0 ] || die "a camera runs although nobody looks"

made=$(api -d '{"camera":"left","name":"OctoPrint"}' "${base}api/v1/camera-tokens")
token=$(jq -r .secret <<<"$made")
mine=${base}c/$token

[ "$(status "${base}snapshot")" = 401 ] || die "a stranger sees a picture"
grep -qi '^www-authenticate: basic' "$tmp/head" || die "programs are not asked for the token"
for url in "$mine/?action=snapshot" "$mine/webcam/?action=snapshot&cacheBust=1" "$mine/snapshot" "$mine/snapshot.jpg" \
  "$mine/cam/left/snapshot" "$mine/api/frame.jpeg?src=left" "${base}snapshot?token=$token" "${base/:\/\//:\/\/user:$token@}snapshot"; do
  [ "$(status "$url")" = 200 ] || die "${url/$token/TOKEN}: $(head -c 300 "$tmp/body")"
  is_jpeg "$tmp/body" || die "no JPEG at ${url/$token/TOKEN}"
  grep -qi '^x-timestamp: ' "$tmp/head" && grep -qi '^cache-control: no-store' "$tmp/head" || die "no time, or cached"
  grep -qi '^access-control-allow-origin: \*' "$tmp/head" || die "Mainsail's page could not read it"
done
[ "$(status "$mine/cam/right/snapshot")" = 403 ] || die "the token opens another camera"
[ "$(status "$mine/api/v1/cameras/right/stream")" = 403 ] || die "the token opens another camera's stream"
[ "$(status "$mine/api/v1/printers")" = 404 ] || die "the token opens more than cameras"
[ "$(status "${base}api/v1/printers?token=$token")" = 401 ] || die "the token opens the API"
[ "$(status -X OPTIONS -H 'Origin: http://mainsail.local' "$mine/stream")" = 204 ] || die "no preflight"
curl -sf "$mine/state" | jq -e '.ok and .result.source.resolution.width == 640' >/dev/null || die "/state"
curl -sf "$mine/status" | jq -e '.endpoints.stream.enabled' >/dev/null || die "/status"
curl -sf "$mine/api/streams" | jq -e 'keys == ["left"]' >/dev/null || die "/api/streams tells of others"
curl -sf "$mine/input.json" | jq -e '.formats[0].resolutions["0"] == "640x480"' >/dev/null || die "/input.json"

for url in "$mine/?action=stream" "$mine/stream.mjpg" "$mine/api/stream.mjpeg?src=left" "${base/:\/\//:\/\/user:$token@}stream" \
  "$mine/stream?extra_headers=1&key=x" "$mine/stream?width=160&fps=5"; do
  timeout 60 python3 "$here/camera_clients.py" check "$url" 5 >"$tmp/py.out" 2>&1 || die "${url/$token/TOKEN}: $(tail -n 2 "$tmp/py.out")"
done
timeout 60 python3 "$here/camera_clients.py" fresh "$mine/snapshot?fresh=1" || die "stills are not fresh"
if command -v ffmpeg >/dev/null; then
  timeout 60 ffmpeg -v error -f mpjpeg -i "$mine/stream" -frames:v 5 -f null - || die "ffmpeg cannot read the stream"
  timeout 60 ffmpeg -v error -i "${base/:\/\//:\/\/user:$token@}snapshot" -frames:v 1 -f null - || die "ffmpeg cannot read the still"
  echo "ffmpeg reads stream and still"
fi

# Tried before it is added: here one that reads our own stream. Nothing is kept.
api -d "$(jq -n --arg s "$mine/stream" '{driver: "http-mjpeg", name: "trial", source: $s}')" "${base}api/v1/camera-test" >"$tmp/trial.json" || die "a trial"
jq -e '.is_ok and .width == 640 and .n_frames == 5' "$tmp/trial.json" >/dev/null || die "a trial: $(cat "$tmp/trial.json")"
api -d '{"driver": "http-still", "name": "trial", "source": "http://127.0.0.1:9/x"}' "${base}api/v1/camera-test" |
  jq -e '.is_ok == false and (.text | test("no picture"))' >/dev/null || die "a trial of nobody"
[ "$(status -b "$tmp/jar" -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' -d '{"driver": "http-still", "name": "t", "source": "ftp://x"}' \
  "${base}api/v1/camera-test")" = 422 ] || die "a wrong address is tried"
[ "$(api "${base}api/v1/cameras" | jq '.cameras | length')" = 2 ] || die "a trial was kept"

# 200 come, read now and then or never; one who reads is served, and their memory is bounded.
before=$(awk '/^VmRSS:/ { print $2 }' "/proc/$daemon/status")
python3 "$here/camera_clients.py" churn "$mine/stream" 200 "$tmp/stop" >"$tmp/churn.out" 2>&1 &
churn=$!
pids+=("$churn")
sleep 3
timeout 60 python3 "$here/camera_clients.py" check "$mine/stream" 20 || die "a reader is not served beside 200 others"
after=$(awk '/^VmRSS:/ { print $2 }' "/proc/$daemon/status")
touch "$tmp/stop"
wait "$churn" || die "$(tail -n 3 "$tmp/churn.out")"
cat "$tmp/churn.out"
echo "$(((after - before) / 200)) kB for each of 200 viewers"
[ $(((after - before) / 200)) -le 64 ] || die "viewers cost too much memory"

# Revoked: what runs ends as well.
python3 "$here/camera_clients.py" ends "$mine/stream" 30 >"$tmp/ends.out" 2>&1 &
ends=$!
pids+=("$ends")
sleep 1
api -X DELETE "${base}api/v1/camera-tokens/$(jq -r .token.id <<<"$made")" || die "not revoked"
wait "$ends" || die "$(cat "$tmp/ends.out")"
[ "$(status "$mine/snapshot")" = 401 ] || die "a revoked token is good"
kill -TERM "$daemon"
wait "$daemon" || die "SIGTERM ended with $?"
grep -q "$token" "$tmp/serve.log" "$tmp/serve.out" && die "the token stands in the log"
echo "cameras are served as other programs expect them"
