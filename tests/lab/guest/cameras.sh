# cameras: a session of three USB cameras with everything that happens to them; then raw formats.
. /lab/lib.sh

load vhci-hcd && load uvcvideo || die "no drivers"
camera 0 A1 15 /lab/big.jpg /lab/small.jpg
camera 1 B2 15 /lab/big.jpg /lab/small.jpg
camera 2 C3 15 /lab/small.jpg
plugged() { [ "$(ls /sys/class/video4linux | wc -l)" = "$1" ]; }
until_true 20 plugged 6 || die "the cameras do not appear"
load vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0 || die "no vivid"
say "four cameras are there"

# Their lasting names come from sysfs: there is no udev here.
bedside camera list >list.log || bad "camera list"
for name in usb:1209:0001:A1 usb:1209:0001:B2 usb:1209:0001:C3 port:vivid.0 'MJPG 640×480 at 15'; do
  grep -qF "$name" list.log || bad "camera list lacks $name"
done
[ "$(grep -c source list.log)" = 4 ] || bad "camera list shows nodes that give no pictures"

cat >controls.want <<'WANT'
auto_exposure 3
exposure_time_absolute an automatic has it
focus_automatic_continuous 1
white_balance_automatic 1
gain 31
power_line_frequency 1
WANT
bedside camera controls usb:1209:0001:C3 >controls.log || bad "camera controls"
while read -r name rest; do
  grep -qE "^$name +.*$rest" controls.log || bad "controls: $name should be $rest: $(grep "^$name" controls.log)"
done <controls.want
bedside camera controls usb:1209:0001:C3 gain=55 >/dev/null || bad "setting gain"
[ "$(state 2 gain)" = 55 ] || bad "the device does not know of its gain: $(state 2 gain)"
bedside camera controls usb:1209:0001:C3 gain=555 2>&1 | grep -q 'gain must be from 0 to 100' || bad "a gain out of range"

printer 4
mkdir -p /tmp/data
{
  printf 'data: /tmp/data\nlog: debug\nweb: {port: 8484}\nfilm: {preset: ultrafast}\nstorage: {floor: 10 MB, flush: 200ms}\n'
  printer_yaml
  echo '    session: {film: no, every: 400ms, every_n_layers: 0, cameras: [One, Two, Three]}'
  cat <<'YAML'
cameras:
  - {name: One, driver: v4l2, source: "usb:1209:0001:A1", size: 640x480, stale_after: 4s}
  - {name: Two, driver: v4l2, source: "port:vhci_hcd.0/2:1.0", size: 320x240, controls: {gain: 77, power_line_frequency: 2}}
  - {name: Three, driver: v4l2, source: "usb:1209:0001:C3"}
YAML
} >bedside.yaml
bedside check-config bedside.yaml >check.log 2>&1 || die "the configuration is refused: $(cat check.log)"

start() {
  bedside serve --config bedside.yaml >serve.out 2>>serve.log &
  daemon=$!
  until_true 60 grep -q 'is up' serve.out || die "the daemon does not start"
}
pictures() { grep -c "is on the disk: .*$1/" serve.log; } # of a camera
has_pictures() { [ "$(pictures "$1")" -ge "$2" ]; }
is_locked() { [ "$(state "$1" auto_exposure)" = 1 ] && [ "$(state "$1" focus_auto)" = 0 ] && [ "$(state "$1" white_balance_auto)" = 0 ]; }
is_automatic() { [ "$(state "$1" auto_exposure)" = 8 ] && [ "$(state "$1" focus_auto)" = 1 ] && [ "$(state "$1" white_balance_auto)" = 1 ]; }
online() { bedside status --config bedside.yaml 2>/dev/null | grep -q ': online'; }

printf 'correct horse\n' | bedside user add admin --data /tmp/data --role admin --password-stdin >/dev/null || bad "user add"
start
until_true 60 online || die "the printer is not online"
[ "$(state 0 n_frames)" = 0 ] || bad "a camera that nobody wants is read"
print_job
for c in one two three; do until_true 60 has_pictures "$c" 3 || die "no pictures of $c"; done
say "three cameras are recorded at once"
[ "$(state 1 gain)" = 77 ] && [ "$(state 1 power_line)" = 2 ] || bad "the wanted controls are not set"

for n in 0 1 2; do until_true 30 is_locked $n || bad "camera $n is not locked: $(tr '\n' ' ' </tmp/cam$n.state)"; done
before="$(state 0 exposure) $(state 0 focus) $(state 0 white_balance)"
now=$(pictures one)
until_true 30 has_pictures one $((now + 4)) || bad "no pictures while locked"
[ "$(state 0 exposure) $(state 0 focus) $(state 0 white_balance)" = "$before" ] || bad "a locked camera changes"
ls /tmp/data/cameras/*.lock >/dev/null || bad "nothing is noted of what to restore"
say "locked at exposure, focus, white balance $before"

# Ten people look on while the cable comes out.
curl -s -o /dev/null -c jar -H 'Content-Type: application/json' -d '{"name":"admin","password":"correct horse"}' \
  http://127.0.0.1:8484/api/v1/login || bad "login"
for v in 0 1 2 3 4 5 6 7 8 9; do
  curl -sN -b jar -o "viewer$v" http://127.0.0.1:8484/api/v1/cameras/one/stream &
  viewers="$viewers $!"
done
sees() { [ "$(stat -c %s "viewer$1" 2>/dev/null || echo 0)" -gt "$2" ]; }
for v in 0 9; do until_true 30 sees $v 200000 || bad "viewer $v sees nothing"; done

order 0 unplug
until_true 30 grep -q 'camera one: the camera was unplugged' serve.log || bad "unplugging is not told"
now=$(pictures two)
until_true 30 has_pictures two $((now + 3)) || bad "the other cameras stop with the unplugged one"
one=$(pictures one)
order 0 plug
until_true 60 has_pictures one $((one + 3)) || bad "the camera is not found again"
until_true 20 is_locked 0 || bad "the camera is not locked again after plugging: $(tr '\n' ' ' </tmp/cam0.state)"
for v in 0 9; do
  size=$(stat -c %s viewer$v)
  until_true 30 sees $v $((size + 200000)) || bad "viewer $v sees nothing any more"
done
# shellcheck disable=SC2086
kill $viewers
[ "$(state 0 exposure) $(state 0 focus) $(state 0 white_balance)" = "$before" ] || bad "it is locked at other values than before"
say "unplugged and plugged in again"

order 0 'garbage 5'
order 1 'short 5'
order 2 'error 5'
for c in one two three; do
  now=$(pictures "$c")
  until_true 40 has_pictures "$c" $((now + 4)) || bad "$c does not recover from bad pictures"
done
order 0 'stall 6000'
until_true 40 grep -q 'camera one: no new picture for 4 s' serve.log || bad "a camera that stalls is not noticed"
now=$(pictures one)
until_true 60 has_pictures one $((now + 2)) || bad "the camera does not recover from stalling"
say "garbage, cut, damaged and stalled"

# Killed in mid-session: the next start goes on with the lock, the session's end puts everything back.
kill -9 "$daemon"
wait "$daemon" 2>/dev/null
is_locked 1 || bad "the lock is gone with the daemon"
now=$(pictures two)
start
until_true 60 has_pictures two $((now + 2)) || bad "the session does not go on"
until_true 30 is_locked 0 || bad "not locked after the restart"
bedside session stop sim --config bedside.yaml >/dev/null || bad "session stop"
for n in 0 1 2; do until_true 30 is_automatic $n || bad "camera $n is not as before: $(tr '\n' ' ' </tmp/cam$n.state)"; done
no_locks() { ! ls /tmp/data/cameras/*.lock >/dev/null 2>&1; }
until_true 10 no_locks || bad "a note of a lock is left over"
say "killed, found again, ended; all is as it was before"

# A camera that another program holds.
holds() { ls -l "/proc/$1/fd" 2>/dev/null | grep -q /dev/video; }
lets_go() { ! holds "$daemon"; }
until_true 30 lets_go || bad "the daemon keeps a camera that nobody wants"
bedside camera test --config bedside.yaml Three --count 1000 >holder.log 2>&1 &
holder=$!
until_true 20 holds $holder || bad "the camera is not opened"
sleep 1
bedside camera test --config bedside.yaml Three >busy.log 2>&1 && bad "two programs have one camera"
grep -q 'busy: bedside (process [0-9]*) holds /dev/video' busy.log || bad "not told who holds the camera: $(cat busy.log)"

bedside doctor Three --config bedside.yaml >doctor.log 2>&1 && bad "doctor finds nothing wrong"
grep -q 'FAIL pictures .*busy: bedside (process [0-9]*) holds /dev/video' doctor.log || bad "doctor: $(cat doctor.log)"
bedside doctor Two --config bedside.yaml >doctor.log 2>&1 || bad "doctor, of a camera that is free: $(cat doctor.log)"

kill $holder

# Raw formats, encoded here.
for f in yuyv nv12 uyvy i420; do
  printf 'data: /tmp/data\ncameras:\n  - {name: Raw, driver: v4l2, source: "port:vivid.0", size: 640x360, format: %s}\n' $f >raw.yaml
  bedside camera test --config raw.yaml Raw --count 5 --out raw.jpg >raw.log 2>&1 || bad "$f: $(cat raw.log)"
  grep -q '640×360' raw.log || bad "$f has another size: $(cat raw.log)"
  # The bars of the test picture are eight colours: a wrong layout is no JPEG of this size.
  size=$(stat -c %s raw.jpg)
  [ "$size" -gt 5000 ] && [ "$size" -lt 120000 ] || bad "$f: $size bytes"
done
say "raw formats"
# Another program has the camera; we read what it serves.
if command -v ustreamer >/dev/null; then
  ustreamer --device "$(bedside camera list | sed -n '/port:vivid.0/,$s/.*now \(.*\)/\1/p')" --resolution 640x360 --format YUYV \
    --workers 1 --port 8090 >ustreamer.log 2>&1 &
  cat >peer.yaml <<'YAML'
data: /tmp/data
cameras:
  - {name: Stream, driver: http-mjpeg, source: "http://127.0.0.1:8090/stream"}
  - {name: Still, driver: http-still, source: "http://127.0.0.1:8090/snapshot"}
YAML
  for c in Stream Still; do
    bedside camera test --config peer.yaml $c --count 5 >peer.log 2>&1 || bad "ustreamer, $c: $(cat peer.log)"
    grep -q '640×360' peer.log || bad "ustreamer, $c: $(cat peer.log)"
  done
  say "ustreamer as a source"
else
  say "ustreamer is not there: not tried"
fi
kill "$daemon"
wait "$daemon" || bad "the daemon ended with $?"
finish
