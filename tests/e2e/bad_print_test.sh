#!/usr/bin/env bash
# bad_print: four prints at once that go wrong, each in its way: a printer that talks nonsense, a camera that dies,
# a power cut, a disk that fills up. Nothing that was kept is lost, each has its film, and the user is told.
. "$(dirname "$0")/lib.sh"
need curl
need jq
need ffprobe
need python3
cd "$tmp"
failed=0 checks=0
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
layers=16

"$BEDSIDE" simulate job --shape gear --layers $layers "$tmp/job.gcode.3mf"
sim() { # NAME SERIAL FAULTS…: talks by NAME.in
  local faults=()
  for f in "${@:3}"; do faults+=(--fault "$f"); done
  mkdir -p "$1.sd"
  mkfifo "$1.in"
  sleep 600 >"$1.in" &
  pids+=($!)
  "$BEDSIDE" simulate bambu --model A1 --serial "$2" --code 11223344 --storage "$1.sd" --cert-dir certs --no-ssdp \
    --speed 8 --camera-fps 6 "${faults[@]}" >"$1.out" 2>"$1.log" <"$1.in" &
  pids+=($!)
  until_true 20 test -s "$1.out" || die "the simulator $1 does not start"
}
entry() {
  printf '  - {name: %s, address: 127.0.0.1, serial: "%s", access_code: "11223344", offline_after: 5s,\n     ports: %s}\n' \
    "$1" "$2" "$(jq -c .ports "$1.out" | tr -d '"' | sed 's/:/: /g')"
}
serve() { # NAME DATA: writes NAME.yaml's daemon; sets daemon_NAME and base_NAME
  printf 'correct horse\n' | "$BEDSIDE" user add admin --data "$2" --role admin --password-stdin >/dev/null
  "$BEDSIDE" check-config "$1.yaml" >/dev/null || die "the configuration is refused"
  "$BEDSIDE" serve --config "$1.yaml" >"$1.serve" 2>"$1.serve.log" &
  printf -v "daemon_$1" %s $!
  pids+=($!)
  until_true 30 grep -q 'is up' "$1.serve" || die "the daemon $1 does not start"
  printf -v "base_$1" %s "$(address_of "$1.serve")"
  local base=base_$1
  curl -sf -c "$1.jar" -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' "${!base}api/v1/login" >/dev/null
}
get() { local base=base_$1; curl -sf --max-time 20 -b "$1.jar" "${!base}api/v1/$2"; }
holds() { get "$1" "$2" | jq -e "$3" >/dev/null; } # DAEMON PATH JQ
check() { # WHAT SECONDS DAEMON PATH JQ
  checks=$((checks + 1))
  until_true "$2" holds "$3" "$4" "$5" || fail "$1: $(get "$3" "$4" | jq -c . | head -c 1500)"
}
of() { echo "[.sessions[] | select(.printer == \"$1\")]"; } # its sessions
notice() { echo "[.notices[] | select(.subject == \"$1\" and (.text | test(\"$2\")))] | length > 0"; }

sim wild 03900A400000031 late-layers ftp-426 doubled@l2 reordered@l2 partial-ams@l4 camera-half-frame@l6 hms@l8 partial-ams@l11
sim blind 03900A400000032 camera-silent:13@l4
sim cut 03900A400000033 mqtt-silent:2@l3 power-cut:5@l7 drop:1@l13
has_disk=false
mkdir full
if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=64m none full 2>/dev/null; then
  has_disk=true
  leave() {
    local status=$?
    set +e
    umount -l "$tmp/full"
    (exit $status)
    cleanup
  }
  trap leave EXIT
  sim filled 03900A400000034 "pause@l5"
  { printf 'data: %s\nca_file: %s\nweb: {port: 0}\nstorage: {floor: 10 MB, flush: 200ms}\nprinters:\n' "$tmp/full" "$(jq -r .ca_file wild.out)"
    entry filled 03900A400000034; } >disk.yaml
  serve disk "$tmp/full"
else
  echo "skipped: the full disk, for which one must be root and allowed to mount"
fi
{ printf 'data: %s\nca_file: %s\nweb: {port: 0}\nprinters:\n' "$tmp/data" "$(jq -r .ca_file wild.out)"
  for p in "wild 03900A400000031" "blind 03900A400000032" "cut 03900A400000033"; do entry $p; done; } >main.yaml
serve main "$tmp/data"
check "all online" 20 main printers '[.printers[] | select(.link.state == "online")] | length == 3'
while sleep 0.3; do
  get main printers | jq -r '.printers[] | select(.id == "cut") | "link \(.link.state): \(.link.text)"'
  get main cameras | jq -r '.cameras[] | select(.id == "blind") | "camera \(.state): \(.text)"'
done >watch.log 2>/dev/null &
pids+=($!)
seen() { grep -qE -- "$1" watch.log; }
await() { # WHAT SECONDS PATTERN
  checks=$((checks + 1))
  until_true "$2" seen "$3" || fail "$1: only $(sort watch.log | uniq -c)"
}
for s in wild blind cut filled; do [ ! -p $s.in ] || echo "print $tmp/job.gcode.3mf" >$s.in; done

if $has_disk; then
  echo "-- the disk fills up"
  check "recording" 100 disk sessions "$(of filled) | .[0].n_frames >= 4"
  session=$(get disk sessions | jq -r '.sessions[0].id')
  head -c 58000000 /dev/zero >full/filler 2>/dev/null || true
  check "below the floor: told" 30 disk notices "$(notice filled 'no more pictures are taken: the disk is full.*What was taken is kept')"
  check "the page's sentence" 10 disk storage '.text | test("nearly full.*make room")'
  cat /dev/zero >full/filler2 2>/dev/null || true
  checks=$((checks + 1))
  said=$(curl -s --max-time 30 -b disk.jar -H "X-Bedside-Csrf: $(get disk me | jq -r .csrf)" -H 'Content-Type: application/json' \
    -d '{"name":"More","address":"127.0.0.1","serial":"03900A400000077","access_code":"11223344"}' "${base_disk}api/v1/printers")
  jq -e '.error.text | test("printers.d.*No space left")' <<<"$said" >/dev/null || fail "a printer that could not be written: $said"
  holds disk printers '.printers | length == 1' || fail "a printer that could not be written is there"
  kept=$(get disk "sessions/$session/frames" | jq '.frames | length')
  echo resume >filled.in
  sleep 4
  holds disk sessions "$(of filled) | .[0].state == \"recording\" or .[0].state == \"paused\"" || fail "the session did not survive a full disk"
  get disk "sessions/$session/frames" | jq -r '.frames[] | "\(.number) \(.size)"' | while read -r n size; do
    get disk "sessions/$session/frames/$n" >frame.jpg || { echo "FAILED: frame $n is gone"; exit 1; }
    [ "$(stat -c %s frame.jpg)" = "$size" ] && [ "$(tail -c 2 frame.jpg | od -An -tx1 | tr -d ' ')" = ffd9 ] || { echo "FAILED: frame $n is torn"; exit 1; }
  done || fail "frames were lost"
  rm full/filler full/filler2
  check "space again: told" 40 disk notices "$(notice filled 'there is space again|takes pictures again')"
  check "and it goes on" 20 disk sessions "$(of filled) | .[0].n_frames > $kept"
fi

echo "-- the camera dies in mid-print, a printer loses its power"
await "the camera's state" 90 '^camera (stale|no_signal|connecting): .{20}'
await "the printer's" 60 '^link (connecting|offline): .*(Cannot reach it|connection was lost)'
check "and back" 40 main printers '[.printers[] | select(.id == "cut" and .link.state == "online")] | length == 1'
check "its session waits" 20 main sessions "$(of cut) | length == 1 and (.[0].state == \"recording\" or .[0].state == \"paused\")"
before=$(get main sessions | jq "$(of cut) | .[0].n_frames")
echo resume >cut.in
check "pictures go on in the same session" 30 main sessions "$(of cut) | length == 1 and .[0].n_frames > $before"

echo "-- what is left of each"
film() { # DAEMON PRINTER
  check "film of $2" 90 "$1" films "[.films[] | select(.printer == \"$2\" and .state == \"verified\")] | length == 1"
  check "one session of $2" 5 "$1" sessions "$(of "$2") | length == 1 and .[0].state == \"done\" and .[0].outcome == \"finished\""
  local id n wanted
  id=$(get "$1" films | jq -r "[.films[] | select(.printer == \"$2\")][0].id")
  wanted=$(get "$1" sessions | jq "$(of "$2") | .[0].n_frames")
  [ "$(get "$1" "films/$id" | jq .n_frames)" = "$wanted" ] || fail "the film of $2 lacks pictures: $(get "$1" "films/$id" | jq -c .)"
  get "$1" "films/$id/video" >"$2.mp4"
  n=$(ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 "$2.mp4" | tr -d ,)
  [ "$n" -ge "$wanted" ] || fail "ffprobe reads $n frames of the film of $2, not $wanted"
  local session; session=$(get "$1" sessions | jq -r "$(of "$2") | .[0].id")
  get "$1" "sessions/$session/frames" | jq -c '[.frames[] | select(.trigger == "layer") | .layer]' >"$2.layers"
  jq -e 'length == (unique | length) and . == sort' "$2.layers" >/dev/null || fail "layers of $2 doubled or out of order: $(cat "$2.layers")"
  echo "$2: $wanted pictures, $(jq length "$2.layers") of $layers layers, missed $(get "$1" sessions | jq "$(of "$2") | .[0].n_missed"), $n frames in the film"
}
film main wild
film main blind
film main cut
get main printers/wild/layers | jq -c '[.layers[].number] | sort' >wild.told
[ "$(cat wild.told)" = "$(jq -nc "[range(1; $layers + 1)]")" ] || fail "layers told not once each: $(cat wild.told)"
check "the layer table came in spite of FTPS" 1 main printers/wild/layers "[.layers[] | select(.z_mm != null)] | length > $layers / 2"
[ "$(jq -c . wild.layers)" = "$(jq -nc "[range(1; $layers + 1)]")" ] || fail "the nonsense cost layers: $(cat wild.layers)"
check "missed layers counted" 1 main sessions "$(of blind) | .[0] | .n_missed > 0"
check "every layer is there or counted as missed" 1 main sessions \
  "$(of blind) | .[0].n_missed + $(jq length blind.layers) >= $layers"
check "missed ones are told" 1 main notices "$(notice blind 'not photographed|missed')"
if $has_disk; then
  film disk filled
  check "what the full disk cost is counted" 1 disk sessions "$(of filled) | .[0].n_missed + $(jq length filled.layers) >= $layers"
fi
grep -hE '^camera (stale|no_signal|connecting)|^link (conn|off)' watch.log | sort -u
for d in main ${base_disk:+disk}; do
  p=daemon_$d
  [ -z "${BEDSIDE_SHOW:-}" ] || get $d notices | jq -r '.notices[] | "\(.at) \(.text)"'
  kill "${!p}"
  wait "${!p}" || fail "the daemon $d ended with $?"
  ! grep -nE '11223344|runtime error|Sanitizer' $d.serve.log || fail "the log of $d holds a code or a crash"
done
echo "$checks checks, $failed failed in $SECONDS s"
[ "$failed" -eq 0 ]
