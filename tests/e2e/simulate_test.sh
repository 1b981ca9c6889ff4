#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# simulate_test: the simulated printer as mosquitto, curl and openssl see it.
#   [BEDSIDE=PROGRAM] tests/e2e/simulate_test.sh [BUILD_DIR]
# 77: skipped, for lack of one of them.
set -u
bedside=${BEDSIDE:-${1:-build}/src/app/bedside}
case $bedside in /*) ;; *) bedside=$PWD/$bedside ;; esac
[ -x "$bedside" ] || { echo "no program at $bedside"; exit 1; }
for tool in mosquitto_sub mosquitto_pub curl openssl od awk; do
  command -v $tool >/dev/null || { echo "skipped: no $tool (packages mosquitto-clients, curl, openssl)"; exit 77; }
done
dir=$(mktemp -d)
pids=()
stop() { [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; pids=(); }
trap 'stop; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0 checks=0

check() { # WHAT GOT WANTED
  checks=$((checks + 1))
  [ "$2" = "$3" ] && return
  failed=$((failed + 1))
  echo "FAILED: $1: got '$2', wanted '$3'"
}

holds() { # WHAT TEXT PATTERN
  checks=$((checks + 1))
  grep -qE -- "$3" <<<"$2" && return
  failed=$((failed + 1))
  echo "FAILED: $1: no '$3' in: ${2:0:300}"
}

# A cube of 20 layers in the manner of Bambu Studio, two filaments.
awk 'BEGIN {
  print "; HEADER_BLOCK_START\n; BambuStudio 02.04.00.70\n; total layer number: 20\n; filament: 1,2\n; HEADER_BLOCK_END"
  print "; EXECUTABLE_BLOCK_START\nM73 P0 R10\nG90\nM83\nT0"
  for (i = 1; i <= 20; i++) {
    print "; CHANGE_LAYER\n; Z_HEIGHT: " i * 0.2 "\n; LAYER_HEIGHT: 0.2\nM73 L" i
    if (i == 11) print "M620 S1A\nT1\nM621 S1A"
    print "G1 Z" i * 0.2 " F600\n; FEATURE: Outer wall\nG1 X100 Y100 F1200"
    print "G1 X130 Y100 E1.2\nG1 X130 Y130 E1.2\nG1 X100 Y130 E1.2\nG1 X100 Y100 E1.2"
    for (k = 0; k < 30; k++) print "G1 X" (k % 2 ? 100 : 130) " Y" 100 + k " E1"
  }
  print "; EXECUTABLE_BLOCK_END"
}' >cube.gcode

code=12345678
start() { # OPTIONS: a simulator; sets the variables that its first line tells
  mkfifo in.$$ 2>/dev/null
  "$bedside" simulate bambu --cert-dir "$dir/certs" --storage "$dir/sd" --no-ssdp "$@" <in.$$ >ready 2>log &
  pids+=($!)
  exec 7>in.$$
  for _ in $(seq 100); do [ -s ready ] && break; sleep 0.1; done
  [ -s ready ] || { echo "FAILED: it does not start: $(cat log)"; exit 1; }
  serial=$(said serial) mqtt=$(said mqtt) ftps=$(said ftps) camera=$(said camera) detect=$(said detect)
  detect_tls=$(said detect_tls) ca=$(said ca_file)
  broker=(-h 127.0.0.1 -p "$mqtt" --cafile "$ca" --insecure -V mqttv311 -u bblp)
}
said() { sed -E "s/.*\"$1\":\"?([^,\"}]*).*/\1/" ready; }
ask() { mosquitto_pub "${broker[@]}" -P "$code" -q 1 -t "device/$serial/request" -m "$1"; }
# The next reports that hold PATTERN, each on one line.
hear() { # PATTERN SECONDS
  timeout "$2" mosquitto_sub "${broker[@]}" -P "$code" -t "device/$serial/report" -F '%p%%' 2>/dev/null |
    tr '\n' ' ' | tr '%' '\n' | grep -m 1 -E -- "$1"
}

echo "-- MQTT"
start --model A1 --serial 03900A400001111 --speed 100 --camera-fps 5
check serial "$serial" 03900A400001111
out=$(timeout 5 mosquitto_sub "${broker[@]}" -P 00000000 -t "device/+/report" 2>&1)
holds "wrong code" "$out" "not authori[sz]ed"
out=$(timeout 5 mosquitto_sub "${broker[@]}" -P 12345678 -d -t device/OTHER/report 2>&1)
holds "foreign topic" "$out" "Subscribed.*128"
(sleep 1; ask '{"pushing":{"sequence_id":"1","command":"pushall"}}') &
out=$(hear '"msg": 0' 6)
holds "full report" "$out" '"gcode_state": "IDLE"'
holds "its network" "$out" '"ip": 16777343'
(sleep 1; ask '{"info":{"sequence_id":"20004","command":"get_version"}}') &
holds "versions" "$(hear '"info"' 6)" '"product_name": "Bambu Lab A1".*'

echo "-- a print, layer by layer"
timeout 60 mosquitto_sub "${broker[@]}" -P 12345678 -t 'device/#' >reports 2>/dev/null &
listener=$!
sleep 0.5
echo "print $dir/cube.gcode" >&7
for _ in $(seq 300); do grep -q '"FINISH"' reports && break; sleep 0.1; done
kill $listener 2>/dev/null
check "states" "$(grep -oE '"gcode_state": "[A-Z]+"' reports | cut -d'"' -f4 | tr '\n' ' ')" "PREPARE RUNNING FINISH "
check "layers" "$(grep -oE '"layer_num": [0-9]+' reports | grep -oE '[0-9]+$' | tr '\n' ' ')" "$(seq -s ' ' 1 20) "
holds "filament change" "$(grep -oE '"tray_now": "[0-9]+"' reports | tr '\n' ' ')" '"0".*"255".*"1"'

echo "-- commands"
echo "print $dir/cube.gcode" >&7
sleep 1
(sleep 1; ask '{"print":{"sequence_id":"7","command":"print_speed","param":"4"}}') &
holds "answer" "$(hear '"result"' 6)" '"sequence_id": "7".*"result": "success"'
(sleep 1; ask '{"print":{"sequence_id":"8","command":"pause","param":""}}') &
holds "paused" "$(hear '"PAUSE"' 6)" '"stg_cur": 16'
(sleep 1; ask '{"print":{"sequence_id":"9","command":"stop","param":""}}') &
holds "cancelled" "$(hear '"FAILED"' 6)" '"print_error": 50348044'
echo refuse-unsigned >&7
(sleep 1; ask '{"print":{"sequence_id":"10","command":"gcode_line","param":"G28"}}') &
holds "unsigned" "$(hear '"result"' 6)" '"err_code": 84033543'
echo clear >&7

echo "-- TLS"
out=$(openssl s_client -connect "127.0.0.1:$mqtt" -CAfile "$ca" -showcerts </dev/null 2>/dev/null)
holds "chain" "$out" "Verify return code: 0"
holds "version" "$out" "TLSv1.2"
out=$(openssl x509 -noout -text -subject <<<"$out" 2>/dev/null)
holds "leaf" "$out" "Version: 1 "
holds "name" "$out" "CN ?= ?$serial"
openssl s_client -connect "127.0.0.1:$mqtt" -tls1_3 </dev/null >/dev/null 2>&1
check "TLS 1.3 refused" $? 1

echo "-- camera"
login() { # CODE
  printf '\x40\0\0\0\0\x30\0\0\0\0\0\0\0\0\0\0bblp'
  head -c 28 /dev/zero
  printf %s "$1"
  head -c $((32 - ${#1})) /dev/zero
}
watch() { (login "$1"; sleep "$2") | timeout $(($2 + 3)) openssl s_client -quiet -connect "127.0.0.1:$camera" 2>/dev/null; }
watch 12345678 2 >pictures
size=$(od -An -tu4 -N4 pictures | tr -d ' ')
check "size in the head" "$([ "${size:-0}" -gt 5000 ] && echo plausible)" plausible
check "JPEG begins" "$(od -An -tx1 -j16 -N3 pictures | tr -d ' ')" ffd8ff
check "JPEG ends" "$(od -An -tx1 -j$((16 + ${size:-0} - 2)) -N2 pictures | tr -d ' ')" ffd9
check "wrong code: not a byte" "$(watch 87654321 1 | wc -c)" 0

echo "-- detect probe"
probe='\xa5\xa5\x3a\x00{"login":{"command":"detect","sequence_id":"20004"}}\xa7\xa7'
out=$(exec 3<>/dev/tcp/127.0.0.1/"$detect"; printf "$probe" >&3; timeout 3 cat <&3 | tr -d '\0')
holds "plain" "$out" "\"id\":\"$serial\".*\"model\":\"N2S\""
out=$( (printf "$probe"; sleep 1) | timeout 4 openssl s_client -quiet -connect "127.0.0.1:$detect_tls" 2>/dev/null | tr -d '\0')
holds "over TLS" "$out" "\"id\":\"$serial\""

echo "-- FTPS"
ftp() { curl -sS -k --max-time 20 --tls-max 1.2 -u bblp:12345678 "$@" 2>&1; }
head -c 1500000 /dev/urandom >up.bin
holds "listing" "$(ftp "ftps://127.0.0.1:$ftps/")" "^-rw-r--r--    1 1000     1000 .* cube.gcode"
ftp -T up.bin "ftps://127.0.0.1:$ftps/up.bin" >/dev/null
ftp -o down.bin "ftps://127.0.0.1:$ftps/up.bin"
check "there and back" "$(cmp up.bin down.bin && echo same)" same
ftp --disable-epsv -o pasv.bin "ftps://127.0.0.1:$ftps/up.bin"
check "PASV" "$(cmp up.bin pasv.bin && echo same)" same
ftp -Q "DELE up.bin" -l "ftps://127.0.0.1:$ftps/" >names
check "deleted" "$(grep -c up.bin names)" 0
curl -sk --tls-max 1.2 -u bblp:wrong "ftps://127.0.0.1:$ftps/" >/dev/null 2>&1
check "wrong code" $? 67
ftp --path-as-is -o passwd "ftps://127.0.0.1:$ftps/../../../../../../etc/passwd" >/dev/null
check "stays in its folder" "$([ -s passwd ] && echo escaped)" ""
holds "no FEAT on an A1" "$(ftp -v -Q FEAT -l "ftps://127.0.0.1:$ftps/")" "^< 502"
echo sd-missing >&7
sleep 0.3
holds "no card" "$(ftp -v -T up.bin "ftps://127.0.0.1:$ftps/x.bin")" "^< 553"
echo "ftp-426" >&7
echo "clear:sd-missing" >&7
sleep 0.3
holds "aborted at the end" "$(ftp -v -T up.bin "ftps://127.0.0.1:$ftps/y.bin")" "^< 426"
check "and whole all the same" "$(cmp up.bin sd/y.bin && echo same)" same
stop

echo "-- a P1S demands its session back"
code=ABCD1234
start --model P1S --speed 100 --code $code
holds "the serial's model" "$serial" "^01P"
out=$(curl -sS -k -v --tls-max 1.2 -u bblp:ABCD1234 "ftps://127.0.0.1:$ftps/" 2>&1)
holds "resumed" "$out" "^< 226"
out=$(curl -sS -k -v --no-sessionid --tls-max 1.2 -u bblp:ABCD1234 "ftps://127.0.0.1:$ftps/" 2>&1)
# Newer curls resume the data connection's session whatever --no-sessionid says, or hang up before they have read the answer.
case $(curl --version | head -n 1) in
  "curl 7."*) holds "not resumed" "$out" "^< 522" ;;
  *) holds "not resumed, or resumed all the same" "$out" "^(< (522|226)|curl: .56.)" ;;
esac

echo "-- dropped, and back"
timeout 20 mosquitto_sub "${broker[@]}" -P ABCD1234 -t 'device/+/report' >drop 2>&1 &
sleep 1
echo drop:2 >&7
sleep 1
holds "dropped" "$(cat drop)" "connection was lost"
out=$(timeout 2 mosquitto_sub "${broker[@]}" -P ABCD1234 -t 'device/+/report' -C 1 2>/dev/null)
check "nobody is served meanwhile" "$out" ""
sleep 2
(sleep 1; ask '{"pushing":{"command":"pushall"}}') &
holds "and back" "$(hear '"msg": 0' 6)" '"gcode_state"' 
stop

echo "$checks checks, $failed failed"
[ "$failed" -eq 0 ]
