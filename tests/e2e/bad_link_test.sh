#!/usr/bin/env bash
# bad_link: one daemon, many printers that are none or not the right ones: each card says what to do, nothing
# crashes or grows, the good one stays online.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need python3
here=$(cd "$(dirname "$0")" && pwd)
failed=0 checks=0
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }

cd "$tmp"
sim() { # NAME SERIAL CERT_DIR: its ports are in NAME.out
  mkdir -p "$1.sd"
  "$BEDSIDE" simulate bambu --model A1 --serial "$2" --code 11223344 --storage "$1.sd" --cert-dir "$3" --no-ssdp \
    --camera-fps 2 >"$1.out" 2>"$1.log" </dev/null &
  pids+=($!)
  until_true 20 test -s "$1.out" || die "the simulator $1 does not start"
}
ports() { jq -r '.ports | "{mqtt: \(.mqtt), ftps: \(.ftps), camera: \(.camera)}"' "$1.out"; }

. "$here/cert_lib.sh"
leaf right 03900A400000020 "$((year - 1))0101000000Z" "$((year + 9))0101000000Z"
leaf old 03900A400000021 "$((year - 3))0101000000Z" "$((year - 2))0101000000Z"
leaf early 03900A400000022 "$((year + 2))0101000000Z" "$((year + 9))0101000000Z"
openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 30 -subj '/CN=03900A400000023' 2>/dev/null
tls_port() { # NAME: an openssl server with its certificate; sets port
  coproc_out=$1.port
  openssl s_server -accept 127.0.0.1:0 -cert "$1.pem" -key "$1.key" >"$coproc_out" 2>"$1.log" </dev/zero &
  pids+=($!)
  until_true 10 grep -q '^ACCEPT' "$coproc_out" || die "openssl s_server: $(cat "$1.log")"
  port=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' "$coproc_out" | head -n 1)
}
sim good 03900A400000001 certs
sim other 03900A400000002 certs
sim coded 03900A400000003 certs
sim stranger 03900A400000004 foreign
python3 "$here/bad_servers.py" right.pem right.key >servers.out 2>servers.log &
pids+=($!)
until_true 10 grep -q '^ready' servers.out || die "bad_servers: $(cat servers.log)"
bad() { sed -n "s/^$1 //p" servers.out; }
cat "$(jq -r .ca_file good.out)" own.pem >trusted.pem

{
  printf 'data: %s\nca_file: %s\nweb: {port: 0}\nprinters:\n' "$tmp/data" "$tmp/trusted.pem"
  entry() { # NAME SERIAL PORTS [CODE] [ADDRESS] [TLS]
    printf '  - name: %s\n    serial: %s\n    ports: %s\n    access_code: "%s"\n    address: %s\n    tls: %s\n' \
      "$1" "$2" "$3" "${4:-11223344}" "${5:-127.0.0.1}" "${6:-ca}"
  }
  entry good 03900A400000001 "$(ports good)"
  entry wrong-code 03900A400000003 "$(ports coded)" 99999999
  entry wrong-serial 03900A400000099 "$(ports other)"
  entry stranger 03900A400000004 "$(ports stranger)"
  entry nobody 03900A400000010 '{mqtt: 1}'
  entry no-name 03900A400000011 '{mqtt: 8883}' 11223344 no-such-printer.invalid
  n=12
  for s in http silent noise closes; do entry "$s" "03900A4000000$((n++))" "{mqtt: $(bad $s)}"; done
  tls_port old; entry old 03900A400000021 "{mqtt: $port}"
  tls_port early; entry early 03900A400000022 "{mqtt: $port}"
  tls_port self; entry self 03900A400000023 "{mqtt: $port}"
  pin=$(openssl x509 -in right.pem -outform DER | sha256sum | cut -c1-64)
  for s in tls_silent tls_noise tls_huge tls_hostile; do
    entry "${s/_/-}" "03900A4000000$((n++ + 20))" "{mqtt: $(bad $s)}" 11223344 127.0.0.1 "sha256:$pin"
  done
} >bedside.yaml
"$BEDSIDE" check-config bedside.yaml >/dev/null || die "the configuration is refused"
printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$tmp/data" --role admin --password-stdin >/dev/null
"$BEDSIDE" serve --config bedside.yaml >serve.out 2>serve.log &
daemon=$!
pids+=("$daemon")
until_true 30 grep -q 'is up' serve.out || die "the daemon does not start"
base=$(address_of serve.out)
csrf=$(curl -sf -c jar -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "${base}api/v1/login" | jq -r .csrf)
get() { curl -sf --max-time 30 -b jar "${base}api/v1/$1"; }
post() { curl -s --max-time 60 -b jar -H "X-Bedside-Csrf: $csrf" -H 'Content-Type: application/json' -d "$2" "${base}api/v1/$1"; }
link() { get "printers/$1" | jq -r '.link.state + " | " + .link.text'; }
link_says() { link "$1" | grep -qE -- "$2"; }
card() { # PRINTER PATTERN [SECONDS]
  checks=$((checks + 1))
  until_true "${3:-25}" link_says "$1" "$2" || fail "$1: no '$2' in: $(link "$1")"
}

echo "-- what each card says"
card good '^online'
card wrong-code '^refused \| It refuses the access code\. Enter the code that its screen shows'
card wrong-serial "^refused .*another printer.*'03900A400000002', not to serial '03900A400000099'.*check address and serial"
card stranger '^refused .*does not chain.*confirm the fingerprint sha256:[0-9a-f]{16}'
card old "^refused .*ran out.*this computer's clock says .*if the clock is right, pin"
card early "^refused .*valid only from .*this computer's clock says .*set the clock"
card self '^refused .*does not chain.*confirm the fingerprint'
card nobody 'Cannot reach it .*refuse.*Is it switched on .*is the address 127.0.0.1 still right'
card no-name 'Cannot reach it .*no host .*no-such-printer.invalid.*Is it switched on .*still right'
for s in http noise closes; do card $s "Cannot reach it .*Is it switched on .*address"; done
card silent 'Cannot reach it'
card tls-silent '(Cannot reach it|connection was lost|refuses us) .*' 30
card tls-noise 'connection was lost .*MQTT.*compare the address'
card tls-huge 'connection was lost .*MQTT.*compare the address'
card tls-hostile '^online'
get notices | jq -e '[.notices[] | select(.subject == "wrong-code" and (.text | test("access code")))] | length == 1' >/dev/null ||
  fail "no notice, or more than one, about the code: $(get notices | jq -c '[.notices[].text]')"

echo "-- the certificate: shown, refused when another is confirmed, pinned, online"
shown=$(get printers/stranger/certificate)
real=$(openssl s_client -connect "127.0.0.1:$(jq .ports.mqtt stranger.out)" </dev/null 2>/dev/null | openssl x509 -outform DER | sha256sum | cut -c1-64)
[ "$(jq -r .sha256 <<<"$shown")" = "$real" ] || fail "the fingerprint shown is $shown, not $real"
"$BEDSIDE" doctor --config bedside.yaml stranger >doctor.out 2>&1 && fail "doctor finds nothing wrong"
grep -q "sha256:$real" doctor.out || fail "doctor shows no fingerprint: $(cat doctor.out)"
post printers/stranger/certificate "{\"sha256\":\"$(printf '0%.0s' {1..64})\"}" | jq -e .error.text >/dev/null || fail "a wrong fingerprint was taken"
link_says stranger '^refused' || fail "a wrong fingerprint let it in"
post printers/stranger/certificate "{\"sha256\":\"$real\"}"
card stranger '^online'
post printers/self/certificate "{\"sha256\":\"$(openssl x509 -in self.pem -outform DER | sha256sum | cut -c1-64)\"}"
card self 'connection was lost .*not MQTT.*compare the address' 30

echo "-- doctor, in words"
advises() { # PRINTER PATTERN
  checks=$((checks + 1))
  local status=0 said
  said=$(timeout 60 "$BEDSIDE" doctor --config bedside.yaml "$1" 2>&1) || status=$?
  [ $status -eq 1 ] || fail "doctor $1 ended with $status"
  tr '\n' ' ' <<<"$said" | grep -qE -- "$2" || fail "doctor $1: no '$2' in: $said"
}
advises wrong-code 'FAIL login .*→ Enter the code'
advises wrong-serial "FAIL certificate .*not to serial '03900A400000099'.*→ "
advises early 'FAIL certificate .*set the clock'
advises nobody 'FAIL tcp .*→ '
advises no-name 'FAIL name .*→ Enter the printer'
advises http 'FAIL tls .*→ What answers does not speak TLS'
advises tls-noise 'FAIL login .*→ '

echo "-- and the daemon is well"
[ -z "${BEDSIDE_SHOW:-}" ] || get printers | jq -r '.printers[] | [.id, .link.state, .link.text] | join(" | ")'
link_says good '^online' || fail "the good printer suffers: $(link good)"
kill -0 $daemon || fail "the daemon died"
kb=$(awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status")
[ "$kb" -lt 150000 ] || fail "it has grown to $kb kB"
grep -nE '11223344|99999999|runtime error|Sanitizer' serve.log && fail "the log holds a code or a crash"
kill $daemon
wait $daemon || fail "the daemon ended with $?"

echo "$checks checks, $failed failed; $kb kB"
[ "$failed" -eq 0 ]
