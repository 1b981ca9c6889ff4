#!/usr/bin/env bash
# bad_input: mistakes and hostile files before and beside a print: each is answered by a sentence that says
# what to do, at once, by a program that goes on or ends with status 1. Prints: bad_print_test.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need python3
need openssl
here=$(cd "$(dirname "$0")" && pwd)
failed=0 checks=0
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
says() { # WHAT TEXT PATTERN
  checks=$((checks + 1))
  grep -qE -- "$3" <<<"$2" || fail "$1: no '$3' in: ${2:0:600}"
}

echo "-- hostile jobs: status 1 and a sentence, within 2 s and 300 MB"
mkdir "$tmp/jobs"
"$BEDSIDE" simulate job --shape cube --layers 20 "$tmp/good.gcode.3mf"
python3 "$here/bad_files.py" make "$tmp/good.gcode.3mf" "$tmp/jobs"
mkfifo "$tmp/jobs/pipe.gcode"
python3 "$here/bad_files.py" run "$BEDSIDE" "$tmp/jobs" || fail "hostile jobs"
rm -r "$tmp/jobs"
says "no such file" "$("$BEDSIDE" gcode "$tmp/none.gcode" 2>&1)" "No such file"

echo "-- mistakes in the configuration: file, line, key, what would be right"
complains() { # YAML PATTERN…: check-config and serve say it and end with 1
  local said status pattern
  printf '%b' "$1" >"$tmp/wrong.yaml"
  status=0; said=$("$BEDSIDE" check-config "$tmp/wrong.yaml" 2>&1) || status=$?
  [ $status -eq 1 ] || fail "check-config ended with $status for: $1"
  for pattern in "${@:2}"; do says "$1" "$said" "wrong\.yaml:$pattern"; done
  status=0; local serve; serve=$(timeout 5 "$BEDSIDE" serve --config "$tmp/wrong.yaml" --data "$tmp/never" --port 0 2>&1) || status=$?
  [ $status -eq 1 ] && [ "$serve" = "$said" ] || fail "serve ($status) says otherwise: $serve"
}
one='  - name: One\n    address: 10.0.0.1\n    serial: 03900A400001111\n'
complains 'lgo: info\n' "1: lgo: no such key; did you mean 'log'\?"
complains 'log: loud\nlog: info\n' '2: log: this key stands here twice'
complains 'log: loud\nweb: {port: 99999, tls: perhaps}\n' "1: log: 'loud' must be one of error, " \
  "2: web.port: '99999' must be a port" "2: web.tls: 'perhaps' must be one of off, "
complains 'web:\n  base_path: bedside\n' "2: web.base_path: 'bedside' must begin with /"
complains 'web:\n  tls: files\n' '2: web.tls: files needs web.certificate and web.key'
complains 'storage:\n  floor: lots\n  flush: 1ms\n' '2: storage.floor: .* such as 500 MB' '3: storage.flush: .*from 50 ms to'
complains 'session:\n  auto_start: maybe\n  every: soon\n  cameras: {a: b}\n' '2: session.auto_start: .*yes or no' \
  '3: session.every: .*such as 30s' '4: session.cameras: must be a list'
complains 'film:\n  fps: 900\n  size: big\n  crf: -1\n' '2: film.fps: .*from 1 to 60' '3: film.size: .*WIDTHxHEIGHT' '4: film.crf: .*from 0 to 51'
complains 'printers: {name: A}\n' '1: printers: must be a list'
complains 'web: 5\n' '1: web: must be keys'
complains 'printers:\n  - name: One\n' '2: printers\[0\].address: is missing' '2: printers\[0\].serial: is missing' \
  "2: printers\[0\].access_code: is missing; it is on the printer's screen"
complains "printers:\n  - name: A\n    address: ''\n    serial: abc\n    access_code: 1\n    tls: sha256:12\n    driver: prusa\n" \
  '2: printers\[0\].address: is missing' "4: printers\[0\].serial: 'abc' must be" '6: printers\[0\].tls: .*64 hex' '7: .*must be one of bambu'
complains "printers:\n$one    access_code: '1'\n$one    access_code: '1'\n" "6: printers\[1\].name: 'One' is the name of another" '6: printers\[1\].serial: '
complains "printers:\n$one    access_code_file: /nowhere\n" '5: printers\[0\].access_code_file: .*No such file'
complains 'cameras:\n  - name: C\n    driver: v4l3\n    printer: nobody\n' "3: cameras\[0\].driver: .*must be one of .*fake" \
  "4: cameras\[0\].printer: there is no printer 'nobody'"
complains 'web: {port: 1\n' '2: this is not YAML'
complains 'a: b\n\tc: d\n' '2: this is not YAML: .*tab'
complains 'log: \xff\xfe\n' '1: this is not YAML'
complains 'web: &a {port: 1}\nstorage: *a\n' '1: anchors'
complains 'log: info\n---\nlog: debug\n' '2: a second document'
complains 'just words\n' '1: the file must begin with keys'
complains "$(printf '[%.0s' {1..3000})" '1: this is nested too deeply'
head -c 1100000 /dev/zero | tr '\0' a >"$tmp/huge.yaml"
says "a huge file" "$("$BEDSIDE" check-config "$tmp/huge.yaml" 2>&1)" "larger than 1000000"
says "no file" "$("$BEDSIDE" check-config "$tmp/none.yaml" 2>&1)" "none.yaml: .*No such file"
[ ! -e "$tmp/never" ] || fail "a wrong configuration made a data folder"

echo "-- data folders that cannot be used"
refuses() { # PATTERN COMMAND…
  local status=0 said
  said=$(timeout 10 "${@:2}" 2>&1) || status=$?
  says "${*:2}" "$said" "$1"
  [ $status -eq 1 ] || fail "${*:2} ended with $status"
}
as_nobody=()
if [ "$(id -u)" -eq 0 ]; then
  command -v setpriv >/dev/null && as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
  chmod 755 "$tmp"
fi
cp "$BEDSIDE" "$tmp/bedside"
mkdir "$tmp/readonly"
echo kept >"$tmp/readonly/film"
chmod 555 "$tmp/readonly"
if [ "$(id -u)" -ne 0 ] || [ ${#as_nobody[@]} -gt 0 ]; then
  refuses 'data folder .*readonly cannot be written .*check its owner' "${as_nobody[@]}" "$tmp/bedside" serve --data "$tmp/readonly" --port 0
  refuses 'data folder cannot be used; choose another' "${as_nobody[@]}" "$tmp/bedside" serve --data "$tmp/readonly/x" --port 0
  [ "$(ls "$tmp/readonly")" = film ] || fail "something was written into a read-only folder"
else
  echo "skipped: no setpriv to be nobody with"
fi
refuses 'is not a folder' "$BEDSIDE" serve --data "$tmp/good.gcode.3mf" --port 0
mkdir "$tmp/damaged"
head -c 9000 /dev/urandom >"$tmp/damaged/bedside.db"
sum=$(sha256sum <"$tmp/damaged/bedside.db")
refuses 'is damaged .*left as it is.*bedside restore' "$BEDSIDE" serve --data "$tmp/damaged" --port 0
[ "$sum" = "$(sha256sum <"$tmp/damaged/bedside.db")" ] || fail "a damaged database was changed"
"$BEDSIDE" serve --data "$tmp/shared" --port 0 >"$tmp/first.out" 2>"$tmp/first.log" &
first=$!
pids+=($first)
until_true 20 grep -q 'is up' "$tmp/first.out" || die "the first daemon does not start"
refuses "another Bedside works on .*process $first holds.*stop it" "$BEDSIDE" serve --data "$tmp/shared" --port 0
refuses "port [0-9]+ is taken.*choose another" "$BEDSIDE" serve --data "$tmp/shared2" --port "$(sed -E 's|.*:([0-9]+)/.*|\1|' "$tmp/first.out")"
curl -sf "$(address_of "$tmp/first.out")healthz" >/dev/null || fail "the first daemon was disturbed"
kill $first
wait $first || fail "the first daemon ended with $?"

# Help is asked for, not an error: on standard output, of each verb.
for verb in $("$BEDSIDE" help | sed -nE 's/^  bedside ([a-z-]+).*/\1/p'); do
  checks=$((checks + 1))
  "$BEDSIDE" "$verb" --help </dev/null >"$tmp/help" 2>"$tmp/help.err" || fail "$verb --help ended with $?"
  grep -q "bedside" "$tmp/help" || fail "$verb --help says nothing"
  ! [ -s "$tmp/help.err" ] || fail "$verb --help complains: $(cat "$tmp/help.err")"
done
# What is simulated has options of its own.
for kind in bambu:--strict-camera job:--shape moonraker:--count-layers octoprint:--deny prusalink:--old; do
  checks=$((checks + 1))
  "$BEDSIDE" simulate "${kind%:*}" --help </dev/null >"$tmp/help" 2>"$tmp/help.err" || fail "simulate ${kind%:*} --help ended with $?"
  grep -q -e "${kind#*:}" "$tmp/help" && grep -q "simulate.*${kind%:*}" "$tmp/help" || fail "simulate ${kind%:*} --help: $(cat "$tmp/help")"
  ! [ -s "$tmp/help.err" ] || fail "simulate ${kind%:*} --help complains: $(cat "$tmp/help.err")"
done

echo "$checks checks, $failed failed"
[ "$failed" -eq 0 ]
