#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# bad_web: one daemon, OctoPrints, Moonrakers and PrusaLinks that are none: each card says what to do, nothing crashes or grows, no
# key goes to another server.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need python3
need openssl
here=$(cd "$(dirname "$0")" && pwd)
failed=0 checks=0
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
cd "$tmp"
kinds='octoprint moonraker prusalink'
openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 30 -subj /CN=localhost 2>/dev/null
for kind in $kinds; do
  python3 "$here/bad_web.py" self.pem self.key $kind >"$kind.out" 2>"$kind.log" &
  pids+=($!)
  until_true 20 grep -q '^ready' "$kind.out" || die "bad_web: $(cat "$kind.log")"
done
servers='html huge endless redirect silent closes noise refuses old tls'
{
  printf 'data: %s\nweb: {port: 0}\nprinters:\n' "$tmp/data"
  for kind in $kinds; do
    for s in $servers; do
      scheme=http
      [ $s != tls ] || scheme=https
      printf '  - {name: %s %s, driver: %s, url: "%s://127.0.0.1:%s", api_key: BADWEBTESTKEY0123456789ABCDEF0123}\n' \
        $kind $s $kind $scheme "$(sed -n "s/^$s //p" $kind.out)"
    done
    [ $kind != prusalink ] ||
      printf '  - {name: prusalink plain, driver: prusalink, url: "http://127.0.0.1:%s", api_key: BADWEBTESTKEY0123456789ABCDEF0123}\n' \
        "$(sed -n 's/^plain //p' prusalink.out)"
    printf '  - {name: %s nobody, driver: %s, url: "http://127.0.0.1:1/%s", api_key: BADWEBTESTKEY0123456789ABCDEF0123}\n' $kind $kind $kind
  done
} >bedside.yaml
"$BEDSIDE" check-config bedside.yaml || die "the configuration is refused"
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null
"$BEDSIDE" serve --config bedside.yaml >serve.out 2>serve.log &
daemon=$!
pids+=("$daemon")
until_true 60 grep -q 'is up' serve.out || die "the daemon does not start"
base=$(address_of serve.out)
curl -sf -c jar -o /dev/null -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "${base}api/v1/login"
get() { curl -sf --max-time 30 -b jar "${base}api/v1/$1"; }
link() { get "printers/$1" | jq -r '.link.state + " | " + .link.text'; }
link_says() { link "$1" | grep -qE -- "$2"; }
card() { # PRINTER PATTERN
  checks=$((checks + 1))
  until_true 60 link_says "$1" "$2" || fail "$1: no '$2' in: $(link "$1")"
}
for kind in $kinds; do
  case $kind in
  octoprint) name=OctoPrint ;;
  moonraker) name=Moonraker ;;
  *) name=PrusaLink ;;
  esac
  card $kind-html "^refused .*no $name"
  card $kind-huge '^(refused|offline|unreachable|connecting) .*(too large|more than|larger|longer|no '$name')'
  card $kind-endless '^(refused|offline|unreachable|connecting) .*(too large|more than|larger|longer|no '$name')'
  card $kind-redirect 'where the key was not sent to'
  card $kind-silent 'Cannot reach it|does not answer'
  card $kind-closes 'Cannot reach it|lost'
  card $kind-noise 'Cannot reach it|no '$name'|lost'
  card $kind-refuses '^refused .*refuses the (API )?key'
  card $kind-old 'is not ready|status 503'
  card $kind-tls '^refused .*(fingerprint|certificate)'
  card $kind-html '[^?]\.$|[?]$'
  card $kind-nobody 'Cannot reach it .*Is it switched on'
done
card prusalink-plain '^online ' # by HTTP/1.0 all the same
get printers/prusalink-plain | jq -e '.activity == "idle" and .nozzles[0].now_c == 21.5' >/dev/null ||
  fail "an HTTP/1.0 PrusaLink: $(get printers/prusalink-plain | jq -c '[.activity, .nozzles]')"
! grep -q leaked octoprint.out moonraker.out prusalink.out || fail "a key went to another server"
! get printers | grep -q BADWEBTESTKEY || fail "a key is told"
! grep -q BADWEBTESTKEY serve.log || fail "a key stands in the log"
kill -0 "$daemon" || fail "the daemon is gone"
kilobytes=$(awk '/^Pss:/ { print $2 }' "/proc/$daemon/smaps_rollup")
[ "$kilobytes" -le 40000 ] || [ -n "${BEDSIDE_SANITIZED:-}" ] || fail "the daemon takes $kilobytes kB"
for kind in $kinds; do for s in $servers; do echo "$kind $s: $(link "$kind-$s")"; done; done
[ "$failed" = 0 ] || exit 1
echo "ok: $checks cards, $kilobytes kB"
