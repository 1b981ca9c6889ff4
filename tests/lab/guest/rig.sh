# rig: a push-button, three lights and a DHT22 beside the printer, and a USB camera. A session from clicks alone, killed
# in the middle; what the sensor may do wrong; how soon after the press a picture is asked for; what is missing, in words.
. /lab/lib.sh

load vhci-hcd && load uvcvideo && load gpio-sim && load dht11 || die "no drivers"
camera 0 A1 15 /lab/big.jpg /lab/small.jpg

gpio_board
load dht22_line || die "no sensor"

# click N: the window is two seconds here, as an emulated processor may stall.
click() {
  k=0
  while [ $k -lt "$1" ]; do
    pull down
    usleep 60000
    pull up
    usleep 80000
    k=$((k + 1))
  done
}
lit() { [ "$(cat "$lines/sim_gpio17/value")$(cat "$lines/sim_gpio27/value")$(cat "$lines/sim_gpio23/value")" = "$1" ]; }
is_red() { [ "$(cat "$lines/sim_gpio17/value")" = 1 ]; }

printer 1
simulator=$!
# config EXTRA_BUTTON [EXTRA]: bedside.yaml
config() {
  printf 'data: /tmp/data\nlog: debug\nweb: {port: 8484}\nfilm: {preset: ultrafast}\nstorage: {floor: 10 MB, flush: 100ms}\n' >bedside.yaml
  echo "button: {window: 2s$1}" >>bedside.yaml
  echo 'lights: {chip: rig}' >>bedside.yaml
  echo 'climate: {sensors: [{location: Enclosure, every: 5s}]}' >>bedside.yaml
  printer_yaml >>bedside.yaml
  echo '    session: {every_n_layers: 0, auto_start: no, auto_stop: no, cameras: [One], min_frames: 2}' >>bedside.yaml
  echo 'cameras: [{name: One, driver: v4l2, source: "usb:1209:0001:A1", size: 640x480}]' >>bedside.yaml
}
# The sensor's line is a chip too: the board's is named.
config ', chip: rig'
mkdir -p /tmp/data
start() {
  bedside serve --config bedside.yaml >serve.out 2>>serve.log &
  daemon=$!
  until_true 60 grep -q 'is up' serve.out || die "the daemon does not start"
}
is() { bedside status --config bedside.yaml 2>/dev/null | grep -q "session $1"; }
panel() { bedside panel --config bedside.yaml >panel.log 2>&1; grep -q "$1" panel.log; }
pictures() { cat /tmp/data/sessions/*/manifest 2>/dev/null | grep -c '"trigger":"button"'; }
has_pictures() { [ "$(pictures)" = "$1" ]; }
online() { bedside status --config bedside.yaml 2>/dev/null | grep -q ': online'; }

start
until_true 60 online || die "the printer is not online"
until_true 20 panel "button works: $chip line 22 (BUTTON)" || bad "the button: $(cat panel.log)"
until_true 20 lit 100 || bad "idle is not red: $(cat panel.log)"
click 1
until_true 20 panel 'nothing is being recorded' || bad "a click without a session: $(cat panel.log)"
say "button and lights are there"

click 3
until_true 30 is recording || bad "three clicks start nothing: $(cat panel.log)"
until_true 20 lit 010 || bad "recording is not green"
for i in 1 2 3 4; do
  click 1
  until_true 30 has_pictures $i || bad "click $i: $(pictures) pictures"
done
click 1
k=0
until is_red; do
  k=$((k + 1))
  [ $k -lt 3000 ] || { bad "no red flash for a picture"; break; }
done
until_true 30 has_pictures 5 || bad "five clicks, $(pictures) pictures"
click 2
until_true 20 panel '2 clicks mean nothing' || bad "two clicks: $(cat panel.log)"
has_pictures 5 || bad "two clicks took a picture"
click 4
until_true 30 is paused || bad "four clicks do not pause"
until_true 20 lit 001 || bad "paused is not yellow"
click 1
until_true 20 panel 'not kept: the session is paused' || bad "a click in a pause: $(cat panel.log)"
click 3
until_true 20 panel '3 clicks while clicks have paused the session' || bad "three clicks in a pause by four: $(cat panel.log)"
is paused || bad "wipes in a pause by four clicks end it"
click 4
until_true 30 is recording || bad "four clicks do not resume"
has_pictures 5 || bad "a picture was taken in the pause"
say "clicks photograph, pause and go on"

kill -9 "$daemon"
wait "$daemon" 2>/dev/null
start
until_true 60 is recording || bad "after kill -9 the session does not go on"
until_true 30 lit 010 || bad "after kill -9 it is not green"
for i in 6 7; do
  click 1
  until_true 30 has_pictures $i || bad "after kill -9, click $i: $(pictures) pictures"
done
click 3
until_true 60 is idle || bad "three clicks do not end it: $(bedside status --config bedside.yaml)"
until_true 90 test -s "$(ls /tmp/data/films/*.mp4 2>/dev/null | head -n 1)" || bad "there is no film"
[ "$(ls -d /tmp/data/sessions/*/ | wc -l)" = 1 ] || bad "the kill made a second session"
until_true 60 lit 100 || bad "at the end it is not red"
say "killed in the middle, gone on, ended, filmed"

# The sensor, and what it may do wrong.
sensor() { echo "$2" >"/sys/module/dht22_line/parameters/$1"; }
sensor tenths_c 231
until_true 40 panel 'Enclosure: 23.1 °C 55 % humidity' || bad "the sensor: $(cat panel.log)"
sensor tenths_c -105
until_true 40 panel 'Enclosure: -10.5 °C' || bad "below zero: $(cat panel.log)"
sensor tenths_c 240
until_true 40 panel 'Enclosure: 24.0 °C' || bad "above zero again: $(cat panel.log)"
sensor fault 2
until_true 60 panel 'its answer is garbled' || bad "a wrong checksum: $(cat panel.log)"
panel 'Enclosure: 24.0 °C' || bad "the last good value is gone: $(cat panel.log)"
sensor fault 1
until_true 60 panel 'it does not answer' || bad "a silent sensor: $(cat panel.log)"
sensor fault 3
sleep 8
panel 'Enclosure: 24.0 °C' || bad "one that stops in the middle: $(cat panel.log)"
sensor fault 0
sensor tenths_c 0
sensor tenths_percent 0
until_true 60 panel 'broken line' || bad "all zero: $(cat panel.log)"
sensor tenths_c 222
sensor tenths_percent 400
until_true 60 panel 'Enclosure: 22.2 °C 40 % humidity' || bad "it does not come back: $(cat panel.log)"
say "the sensor: good, below zero, garbled, silent, cut short, all zero, good"

# From the kernel's stamp to the picture that is asked for. The simulated printer would only take its share of an emulated
# processor.
kill "$daemon"
wait "$daemon"
kill $simulator
config ', line: BUTTON, mode: single, debounce: 1ms'
: >serve.log
start
until_true 30 panel "button works: $chip line 22 (BUTTON)" || bad "single mode, a line by its name: $(cat panel.log)"
click 1 && sleep 1
press_line press "$lines/sim_gpio22/pull" 200 || bad "the button cannot be pressed"
sleep 2
asked serve.log >latency
n=$(wc -l <latency)
[ "$n" -gt 195 ] || bad "200 presses, $n heard"
say "press (kernel's stamp) to picture asked for, us: $(spread latency) (must: p99 at most 5000; measured by script/bench press)"
kill "$daemon"
wait "$daemon"
rm -f /tmp/printer.orders
printer 1

# What is missing, in words; everything else goes on.
refused() {
  config "$1"
  : >serve.log
  start
  until_true 30 grep -q "$2" serve.log || bad "'$1' is not told in words: $(grep -E 'button|light' serve.log)"
  until_true 150 online || bad "'$1': the daemon does not work on"
  kill "$daemon"
  wait "$daemon" || bad "'$1': it ended with $?"
}
refused ', chip: rig, line: 5' "line 5 of $chip is taken by 'heater'"
refused ', chip: rig, line: 99' "$chip has no line 99"
refused ', line: NOBODY' "no GPIO line is called 'NOBODY'"
refused ', chip: other' "there is no GPIO chip 'other'"
refused '' 'there are several GPIO chips'
echo 'gpio:x:997:' >>/etc/group
echo 'pi:x:1000:1000::/tmp:/bin/sh' >>/etc/passwd
chown root:997 /dev/gpiochip*
chmod 660 /dev/gpiochip*
config ', chip: rig'
chown -R 1000:1000 /tmp/data
chmod 755 /
chmod 644 bedside.yaml
: >serve.log
su pi -c 'exec bedside serve --config /tmp/bedside.yaml' >serve.out 2>serve.log &
daemon=$!
until_true 60 grep -q "belongs to the group 'gpio'" serve.log || bad "no permission is not told: $(cat serve.log)"
kill "$daemon"
wait "$daemon"
say "taken, not there, several, no permission: told in words"

# The chip is torn out while it is used.
chown -R 0:0 /tmp/data
start
until_true 30 panel 'button works' || bad "before the chip goes: $(cat panel.log)"
echo 0 >$board/live
sleep 2
bedside panel click 3 --config bedside.yaml
until_true 30 panel 'lights failed: their GPIO chip is gone' || bad "a chip torn out: $(cat panel.log)"
until_true 60 online || bad "the daemon does not outlive its chip"
until_true 30 is recording || bad "it does not record without its chip"
say "the chip torn out, the daemon goes on"
kill "$daemon"
wait "$daemon" || bad "the daemon ended with $?"
finish
