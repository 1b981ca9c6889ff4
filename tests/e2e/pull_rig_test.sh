#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Films and captures come home from a Bedside by HTTPS: a film and captured layers that the demo made, with a
# key that may collect, over connections that are cut.  tests/e2e/pull_rig_test.sh [BUILD_DIR]
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
need curl
need jq
need python3
CUTS=${CUTS:-40}

"$BEDSIDE" demo --data "$tmp/data" --port 0 >"$tmp/demo.out" 2>"$tmp/demo.log" &
daemon=$!
pids+=("$daemon")
until_true 60 grep -q 'is up' "$tmp/demo.out" || die "the demo does not start"
base=$(address_of "$tmp/demo.out")
get() { curl -sf --max-time 10 "${base}api/v1/$1"; }
finished() { [ "$(get films | jq '[.films[] | select(.is_finished)] | length')" -ge 1 ]; }
captured() { [ "$(get captures | jq '[.captures[] | select(.is_finished and .n_pictures > 0)] | length')" -ge 2 ]; }
csrf=$(get me | jq -r .csrf)
curl -sf -X PATCH -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' -d '{"enabled":true,"mode":"snap","every_n_layers":5}' \
  "${base}api/v1/printers/a1/capture" >/dev/null || die "no capture plan"
until_true 240 captured || die "no layer was captured: $(get captures)"
until_true 240 finished || die "no film was finished: $(get films)"
kill -TERM "$daemon"
wait "$daemon" || true
rm -rf "$tmp/data/printers.d" # nothing prints from here on

cat >"$tmp/rig.yaml" <<END
data: $tmp/data
web:
  listen: 127.0.0.1
  port: 0
  tls: self-signed
END
"$BEDSIDE" serve --config "$tmp/rig.yaml" >"$tmp/rig.out" 2>"$tmp/rig.log" &
daemon=$!
pids+=("$daemon")
until_true 60 grep -q fingerprint "$tmp/rig.out" || die "the rig does not start"
base=$(address_of "$tmp/rig.out")
pin=$(sed -n 's/.*fingerprint of its certificate: \([0-9a-fA-F]*\).*/\1/p' "$tmp/rig.out" | tr A-F a-f)
token=$(sed -n 's/.*[?]token=\([^ ]*\).*/\1/p' "$tmp/rig.out" | head -n 1)
post() { curl -sfk -b "$tmp/jar" -c "$tmp/jar" -H "X-Bedside-Csrf: ${csrf:-}" -H 'Content-Type: application/json' -d "$2" "${base}api/v1/$1"; }
csrf=$(post setup "{\"token\":\"$token\",\"name\":\"root\",\"password\":\"correct horse\"}" | jq -r .csrf)
key() { post keys "{\"name\":\"home\",\"scopes\":[\"$1\"]}" | jq -r .secret; }
key read >"$tmp/read.key"
key collect >"$tmp/collect.key"
get() { curl -sfk -H "Authorization: Bearer $(cat "$tmp/collect.key")" "${base}api/v1/$1"; }
mkdir "$tmp/truth"
settled() { [ "$(get films | jq '[.films[] | select(.is_finished | not)] | length')" = 0 ]; }
until_true 120 settled || die "films stay unfinished: $(get films)"
get films | jq -r '.films[] | select(.is_finished) | .file + " " + .sha256' >"$tmp/films"
get films | jq -r '.films[] | select(.is_finished | not) | .id' >"$tmp/unfinished"
cp -a "$tmp/data/films" "$tmp/truth/"
port=$(echo "$base" | sed 's/.*:\([0-9]*\).*/\1/')

config() { # PORT PIN KEY [LINE...]
  local to=$1 sha=$2 file=$3
  shift 3
  {
    printf 'data: %s/home\nstorage:\n  floor: 10 MB\npull:\n  sources:\n    - name: rig\n' "$tmp"
    printf '      url: https://127.0.0.1:%s/\n      tls: sha256:%s\n      api_key_file: %s\n' "$to" "$sha" "$tmp/$file.key"
    for line in "$@"; do printf '      %s\n' "$line"; done
  } >"$tmp/home.yaml"
}
pull() {
  status=0
  "$BEDSIDE" pull --config "$tmp/home.yaml" --json "$@" >"$tmp/home.out" 2>"$tmp/home.log" || status=$?
}
mine=$tmp/home/pulled/rig

config "$port" "$(printf '%064d' 7)" collect
pull
[ "$status" = 5 ] || die "another certificate: status $status"
grep -q "$pin" "$tmp/home.out" || die "the refusal does not show the fingerprint: $(cat "$tmp/home.out")"
echo sk_wrong >"$tmp/wrong.key"
config "$port" "$pin" wrong
pull
[ "$status" = 5 ] || die "a wrong key: status $status"
grep -q 'refuses the API key' "$tmp/home.out" || die "not said: $(cat "$tmp/home.out")"
[ ! -d "$mine/films" ] || die "something came without a key"

: >"$tmp/cuts"
python3 "$here/cut_relay.py" "$port" "$tmp/cuts" "$CUTS" 3000 30000 >"$tmp/relay.port" &
pids+=("$!")
until_true 20 test -s "$tmp/relay.port"
config "$(cat "$tmp/relay.port")" "$pin" read
runs=0
pull
until [ "$status" = 0 ]; do
  runs=$((runs + 1))
  [ "$runs" -lt 60 ] || die "not done after $runs runs: $(tail -n 3 "$tmp/home.out" "$tmp/home.log")"
  [ "$status" = 1 ] || die "status $status: $(tail -n 3 "$tmp/home.out" "$tmp/home.log")"
  pull
done
while read -r file sha; do
  [ "$(sha256sum "$mine/$file" | cut -d' ' -f1)" = "$sha" ] || die "$file is not what the rig has"
  cmp "$mine/$file" "$tmp/truth/$file" || die "$file differs"
done <"$tmp/films"
[ "$(find "$mine/films" -name '*.mp4' | wc -l)" = "$(wc -l <"$tmp/films")" ] || die "other films: $(ls "$mine/films")"
get captures | jq -r '.captures[] | select(.is_finished and .n_pictures > 0) | .id' >"$tmp/captures"
n=0
while read -r id; do
  get "captures/$id" | jq -r '.folder as $f | .pictures[] | $f + "/" + .file' >"$tmp/list"
  get "captures/$id" | jq -r '.folder + "/" + .metadata' >>"$tmp/list"
  while read -r f; do
    cmp "$tmp/data/$f" "$mine/$f" || die "$f differs"
    n=$((n + 1))
  done <"$tmp/list"
done <"$tmp/captures"
pull
grep -q '"type":"fetched"' "$tmp/home.out" && die "fetched twice"
[ "$(cat "$tmp/cuts")" -ge 10 ] || die "only $(cat "$tmp/cuts") cuts"
echo "ok: $(wc -l <"$tmp/films") films, $n files of captures, $(cat "$tmp/cuts") cuts"

# A bar on a terminal; without one only words, and no control characters for the journal.
config "$port" "$pin" read "captures: no"
if command -v script >/dev/null; then
  script -qec "'$BEDSIDE' pull --config '$tmp/home.yaml' --into '$tmp/shown'" /dev/null </dev/null >"$tmp/terminal" 2>&1 || die "pull on a terminal: $(cat "$tmp/terminal")"
  grep -q '\[#.*% .* of .*/s' "$tmp/terminal" || die "no bar on a terminal: $(cat -v "$tmp/terminal")"
  script -qec "'$BEDSIDE' pull --config '$tmp/home.yaml' --into '$tmp/hushed' --quiet" /dev/null </dev/null >"$tmp/terminal" 2>&1 || die "pull --quiet: $(cat "$tmp/terminal")"
  [ ! -s "$tmp/terminal" ] || die "--quiet says: $(cat -v "$tmp/terminal")"
  echo "ok: a bar on a terminal, nothing with --quiet"
else
  echo "skipped: the bar on a terminal: script is not installed"
fi
"$BEDSIDE" pull --config "$tmp/home.yaml" --into "$tmp/piped" >"$tmp/piped.out" 2>&1 </dev/null || die "pull into a pipe: $(cat "$tmp/piped.out")"
! grep -q '\[#\|[[:cntrl:]]' "$tmp/piped.out" || die "a bar without a terminal: $(cat -v "$tmp/piped.out")"
[ "$(find "$tmp/piped/rig/films" -name '*.mp4' | wc -l)" = "$(wc -l <"$tmp/films")" ] || die "into a pipe: $(find "$tmp/piped")"

# Deleting wants more than a key that reads, and takes only what is finished.
config "$port" "$pin" read "delete: yes" "captures: no"
pull
[ "$status" = 1 ] || die "deleting with a key that reads: status $status"
[ "$(get films | jq '[.films[] | select(.is_finished)] | length')" = "$(wc -l <"$tmp/films")" ] || die "deleted all the same"
config "$port" "$pin" collect "delete: yes"
pull
[ "$status" = 0 ] || die "deleting: status $status: $(cat "$tmp/home.out" "$tmp/home.log")"
[ "$(get films | jq '[.films[] | select(.is_finished)] | length')" = 0 ] || die "films are left: $(get films)"
[ "$(get captures | jq '[.captures[] | select(.is_finished and .n_pictures > 0)] | length')" = 0 ] || die "captures are left"
[ "$(get films | jq '.films | length')" = "$(wc -l <"$tmp/unfinished")" ] || die "an unfinished film was deleted"
while read -r file sha; do
  [ "$(sha256sum "$mine/$file" | cut -d' ' -f1)" = "$sha" ] || die "$file is not here any more"
done <"$tmp/films"
echo "ok: deleted there, whole here"

# As a service of the daemon, quietly: a film that is made now comes by itself, and a rig that goes is told once.
config "$port" "$pin" collect
{ cat "$tmp/home.yaml"; printf '  poll_interval: 1s\nweb:\n  port: 0\n  listen: 127.0.0.1\n'; } >"$tmp/daemon.yaml"
"$BEDSIDE" serve --config "$tmp/daemon.yaml" >"$tmp/hub.out" 2>"$tmp/hub.log" &
hub=$!
pids+=("$hub")
until_true 60 grep -q 'is up' "$tmp/hub.out" || die "the daemon that pulls does not start"
session=$(get sessions | jq -r '[.sessions[] | select(.n_frames > 0)][0].id')
post "sessions/$session/render" '{}' >/dev/null || die "no other film: $(get sessions | jq -c '.sessions')"
made() { [ "$(get films | jq '[.films[] | select(.is_finished)] | length')" = 1 ]; }
until_true 240 made || die "the other film is not finished: $(get films)"
read -r file sha < <(get films | jq -r '.films[] | select(.is_finished) | .file + " " + .sha256')
until_true 60 test -f "$mine/$file" || die "the daemon fetches nothing by itself: $(cat "$tmp/hub.log")"
[ "$(sha256sum "$mine/$file" | cut -d' ' -f1)" = "$sha" ] || die "$file is not what the rig has"
! grep -q '\[#\|[[:cntrl:]]' "$tmp/hub.log" || die "the service draws a bar: $(cat -v "$tmp/hub.log")"
echo "ok: a new film comes by itself"
kill -TERM "$daemon"
wait "$daemon" || true
until_true 60 grep -q 'cannot be reached' "$tmp/hub.log" || die "a rig that is gone is not told"
kill -TERM "$hub"
wait "$hub" || die "the daemon ended with $?"
[ "$(grep -c 'cannot be reached' "$tmp/hub.log")" = 1 ] || die "told again and again"
echo "pull from a rig: all fine"
