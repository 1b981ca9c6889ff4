#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# rig_bad: hubs with a wrong certificate, hubs that are something else, a key that was revoked: `rig pair` and the running
# rig say what it is and what to do, the rig works on and keeps its news, and goes on when all is right again.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need python3
here=$(cd "$(dirname "$0")" && pwd)
failed=0 checks=0
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
cd "$tmp"

# ---- certificates
. "$here/cert_lib.sh"
leaf good good "$((year - 1))0101000000Z" "$((year + 9))0101000000Z" IP:127.0.0.1
leaf other other "$((year - 1))0101000000Z" "$((year + 9))0101000000Z" IP:127.0.0.1
leaf expired expired "$((year - 3))0101000000Z" "$((year - 2))0101000000Z" IP:127.0.0.1
leaf early early "$((year + 2))0101000000Z" "$((year + 9))0101000000Z" IP:127.0.0.1
leaf elsewhere elsewhere "$((year - 1))0101000000Z" "$((year + 9))0101000000Z" DNS:elsewhere.example
openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 30 -subj /CN=self -addext subjectAltName=IP:127.0.0.1 2>/dev/null
print_of() { openssl x509 -in "$1.pem" -outform der | sha256sum | cut -d ' ' -f 1; }

# ---- the hub, and what stands before it
start() { # NAME: sets daemon and at
  "$BEDSIDE" serve --data "$tmp/$1" --port 0 >>"$1.log" 2>&1 &
  daemon=$!
  pids+=("$daemon")
  until_true 60 grep -qs '^Bedside is up' "$1.log" || die "$1 does not start"
  at=$(address_of "$1.log")
}
printf 'correct horse\n' | "$BEDSIDE" user add root --data "$tmp/hub" --role admin --password-stdin >/dev/null
start hub
hub=$at
curl -sf -c jar -H 'Content-Type: application/json' -d '{"name":"root","password":"correct horse"}' "${hub}api/v1/login" >me
api() { curl -sf -m 20 -b jar -H "X-Bedside-Csrf: $(jq -r .csrf me)" "$@"; }
is_now() { echo "$*" >now.new && mv now.new now; }
is_now hub good
python3 "$here/bad_hubs.py" "$(sed -E 's|.*:([0-9]+)/|\1|' <<<"$hub")" now connections >hubs.out 2>hubs.log &
pids+=($!)
until_true 20 grep -q '^ready' hubs.out || die "bad_hubs: $(cat hubs.log)"
url() { echo "https://127.0.0.1:$(sed -n "s/^$1 //p" hubs.out)"; }
code() { api -X POST "${hub}api/v1/rigs/codes" | jq -r .code; }
pairs() { "$BEDSIDE" rig pair --data "$1" --name "$1" "${@:2}" 2>&1; } # DATA OPTIONS…

# ---- pairing with hubs that are none: status 1 and words, within 30 s
refused() { # NAME PATTERN OPTIONS…
  local said status=0
  said=$(timeout 30 "$BEDSIDE" rig pair --data "$tmp/never" "${@:3}" AAAA-BBBB 2>&1) || status=$?
  [ $status -eq 1 ] && grep -qE -- "$2" <<<"$said" && ! grep -q -- '->' <<<"$said" || echo "$1: status $status, no '$2' in: $said" >"failed.$1"
  echo "pair $1: $said" >"said.$1"
}
kinds="none page moved silent slow noise closes rubbish frames chatter plain"
jobs=()
for k in $kinds; do
  case $k in
    none) words='answers 404 to the pairing: is it a Bedside' ;;
    moved) words='leads to https://other.example' ;;
    silent | slow) words='does not answer|no answer|in time|too long|[Tt]imed? ?out' ;;
    page) words='is it a Bedside|no JSON|not JSON|something else' ;;
    rubbish | frames | chatter) words='answers 426 to the pairing' ;;
    plain) words='TLS with 127.*is the address right' ;;
    closes) words='closed the connection' ;;
    noise) words='not in HTTP' ;;
  esac
  refused $k "$words" --ca-file own.pem "$(url $k)" &
  jobs+=($!)
done
wait "${jobs[@]}"
cert_words() {
  case $1 in
    self) echo 'does not chain to the system.s CAs \(self.signed' ;;
    expired) echo 'ran out on' ;;
    early) echo 'valid only from .* set the clock' ;;
    elsewhere) echo "is not made out to '127.0.0.1'" ;;
    other) echo 'is not the one that was pinned' ;;
  esac
}
for k in self expired early elsewhere; do
  is_now hub $k
  refused $k "$(cert_words $k).*" --ca-file own.pem "$(url hub)"
  grep -q -- "--trust sha256:$(print_of $k)" said.$k || fail "$k: no fingerprint in $(cat said.$k)"
done
is_now hub other
refused other "$(cert_words other)" --trust "sha256:$(print_of good)" "$(url hub)"
cat said.*
for f in failed.*; do [ ! -f "$f" ] || fail "$(cat "$f")"; done
[ ! -e never/hub.yaml ] || fail "a hub that is none gave a key"

# ---- the running rig
is_now hub good
start rig
local_at=$at rig=$daemon
pairs rig --ca-file "$tmp/own.pem" "$(url hub)" "$(code)" || die "the good hub is refused"
status() { "$BEDSIDE" rig status --data rig; }
status_says() { status | tr '\n' ' ' | grep -qE -- "$1"; }
online() { status_says '\): online'; }
until_true 60 online || die "no report: $(status)"
python3 "$here/rig_compare.py" feed rig >feed.log 2>&1 &
feeder=$!
pids+=("$feeder")
now() { # WHAT PATTERN: the hub becomes that, and the rig says it and works on
  checks=$((checks + 1))
  # shellcheck disable=SC2086
  is_now $1
  until_true 120 status_says "$2" || fail "$1: no '$2' in: $(status)"
  curl -sf -m 10 -o /dev/null "${local_at}healthz" || fail "$1: the rig does not work on"
}
right_again() {
  is_now hub good
  until_true 150 online || fail "after $1 it does not go on: $(status)"
}
for k in self expired elsewhere; do
  now "hub $k" "refused .*$(cert_words $k).*--trust sha256:$(print_of $k)"
done
[ "$(grep -c 'To pin it' rig.log)" -eq 1 ] || fail "it says it again and again: $(cat rig.log)"
right_again "a wrong certificate"
pairs rig --trust "sha256:$(print_of good)" "$(url hub)" "$(code)" >/dev/null && fail "two rigs of one name"
"$BEDSIDE" rig pair --data rig --name shed --trust "sha256:$(print_of good)" "$(url hub)" "$(code)" >/dev/null || fail "pairing anew, by fingerprint"
until_true 60 online || fail "pinned: $(status)"
now "hub other" "refused .*$(cert_words other)"
right_again "another certificate than the pinned"

reload() { # as if it were paired anew: no waiting for the next attempt
  python3 -c 'import socket,sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b"{\"verb\":\"rig\",\"what\":\"reload\"}\n"); s.recv(4096)' rig/control
}
for k in $kinds; do
  case $k in
    plain) words='does not speak TLS; is the address right' ;;
    none) words='status 404.*[Ii]s it a Bedside, and does a proxy' ;;
    page) words='status 200.*[Ii]s it a Bedside' ;;
    moved) words='leads to https://other.example/login: pair with that one' ;;
    silent | slow) words="does not answer the WebSocket's handshake" ;;
    noise) words='not in HTTP' ;;
    closes) words='without an answer' ;;
    rubbish) words='waiting  *the hub: ' ;;
    frames) words='no WebSocket server sends' ;;
    chatter) words='does not greet as a hub does: is it a Bedside' ;;
  esac
  is_now $k
  reload
  now $k "$words"
  echo "rig $k: $(status | sed -n 2p)"
done
right_again "hubs that are none"

# ---- a key that is revoked
caught_up() { status_says 'news that wait: [0-9] '; }
until_true 60 caught_up || fail "it does not catch up: $(status)"
id=$(api "${hub}api/v1/rigs" | jq -r '.rigs[] | select(.name == "shed") | .id')
: >rig.log
: >connections
api -X DELETE "${hub}api/v1/rigs/$id" || fail "revoking"
until_true 30 status_says 'refused .*(revoked|pair again)' || fail "a revoked key: $(status)"
sleep 20
[ "$(wc -l <connections)" -le 2 ] || fail "it hammers: $(wc -l <connections) connections in 20 s"
[ "$(grep -cE 'revoked|pair again' rig.log)" -le 2 ] || fail "it says it again and again: $(cat rig.log)"
curl -sf -m 10 -o /dev/null "${local_at}healthz" || fail "revoked: the rig does not work on"
until_true 90 status_says 'news that wait: [0-9]{3}' || fail "its news are gone: $(status)" # counted now and then
"$BEDSIDE" rig pair --data rig --name shed --ca-file "$tmp/own.pem" "$(url hub)" "$(code)" >/dev/null || fail "pairing again"
until_true 60 online || fail "paired again: $(status)"
kill -0 "$feeder" || die "the feeder is gone: $(cat feed.log)"
kill "$feeder"
wait "$feeder" 2>/dev/null || true
compare() { # the hub keeps a rig's notices with its own, when the rig is removed, too
  python3 - <<'P'
import sqlite3, sys
def ids(data, sql):
    return [r for (r,) in sqlite3.connect(f"file:{data}/bedside.db?mode=ro", uri=True, timeout=30).execute(sql)]
here, there = ids("rig", "SELECT id FROM notices WHERE topic = 'test'"), ids("hub", "SELECT id FROM notices WHERE topic = 'test'")
places = ids("hub", "SELECT ref FROM rig_news WHERE kind = 'notice'")
print(f"{len(here)} notices on the rig, {len(set(here) - set(there))} of them not on the hub, {len(there) - len(set(there)) + len(places) - len(set(places))} twice")
sys.exit(set(here) != set(there) or len(places) != len(set(places)) or len(here) < 1000)
P
}
until_true 60 compare >compared || fail "$(cat compared)"
cat compared

kill "$rig"
wait "$rig" || fail "the rig ended with $?"
! grep -nE 'runtime error|Sanitizer' ./*.log || fail "a crash"
! grep -q "$(sed -n 's/^key: "\(.*\)"/\1/p' rig/hub.yaml)" rig.log || fail "the log holds the key"
[ "$failed" -eq 0 ] || exit 1
echo "ok: $checks hubs"
