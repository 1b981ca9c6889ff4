# SPDX-License-Identifier: GPL-3.0-or-later
# press: from the kernel's stamp of a press to the picture asked for: of the daemon that records nothing, of the daemon in a
# recorded session whose film is encoded meanwhile, and of a program that does nothing but wait for the button. In turn;
# lines "SERIES" and "RESULT" are for the host.
. /lab/lib.sh
. /lab/press.conf
load vhci-hcd && load uvcvideo && load gpio-sim || die "no drivers"
camera 0 A1 15 /lab/big.jpg /lab/small.jpg
gpio_board
printer 1
printf 'data: /tmp/data\nlog: debug\nweb: {port: 8484}\nfilm: {preset: ultrafast}\nstorage: {floor: 10 MB, flush: 100ms}\n' >bedside.yaml
printf 'button: {chip: rig, debounce: 1ms, window: 2s, mode: clicks}\nlights: {chip: rig}\n' >>bedside.yaml
printer_yaml >>bedside.yaml
echo '    session: {every_n_layers: 0, auto_start: no, auto_stop: no, cameras: [One], min_frames: 2}' >>bedside.yaml
echo 'cameras: [{name: One, driver: v4l2, source: "usb:1209:0001:A1", size: 640x480}]' >>bedside.yaml
sed 's/mode: clicks/mode: single/' bedside.yaml >single.yaml
mkdir -p /tmp/data
status() { bedside status --config bedside.yaml 2>/dev/null | grep -q "$1"; }
# start CONFIG
start() {
  : >serve.log
  bedside serve --config "$1" >serve.out 2>>serve.log &
  daemon=$!
  until_true 60 grep -q 'button works\|button: .* line 22' serve.log || die "no button: $(cat serve.log)"
  until_true 60 status ': online' || die "the printer is not online"
}
stop() {
  kill "$daemon"
  wait "$daemon"
}
press() { press_line press "$lines/sim_gpio22/pull" "$presses" || die "the button cannot be pressed"; }
# series WHO COMMAND...: presses, and then the command says how long each took.
series() {
  who=$1
  shift
  sleep 3
  echo "SERIES $who"
  press
  sleep 1
  echo "PRESSED $who"
  "$@" >latency
  n=$(wc -l <latency)
  [ "$n" -ge $((presses * 97 / 100)) ] || bad "$who: $presses presses, $n heard"
  echo "RESULT $who $(spread latency)"
}

round=0
while [ $round -lt "$rounds" ]; do
  round=$((round + 1))
  press_line hear "/dev/$chip" 22 "$presses" >heard &
  series bare cat heard
  kill %% 2>/dev/null # it waits for presses that were not heard
  wait %%
  start single.yaml
  series idle asked serve.log
  stop
  # Each press is a picture to a single-minded button: the session is begun by three clicks before.
  start bedside.yaml
  bedside panel click 3 --config bedside.yaml
  until_true 30 status 'session recording' || die "nothing is recorded"
  stop
  start single.yaml
  until_true 60 status 'session recording' || die "the session does not go on"
  : >serve.log
  series recording asked serve.log
  bedside session discard Sim --config bedside.yaml >session.log 2>&1 || bad "$(cat session.log)"
  stop
done
finish
