# lib: what the guest's tests share. Sourced by each, by busybox's shell.
failed=0
say() { read -r up _ </proc/uptime; echo "### [$up] $*"; }
bad() { echo "FAILED: $*"; failed=1; }
die() { echo "FAILED: $*"; cat /tmp/*.log 2>/dev/null | tail -n 60; exit 1; }
# A build with sanitizers may be put in: BEDSIDE=build-asan/src/app/bedside.
finish() {
  ! grep -E 'Sanitizer|runtime error' /tmp/*.log || failed=1
  [ $failed = 0 ] || tail -n 60 /tmp/*.log
  exit $failed
}

# load MODULE [ARGS]: with what it needs.
load() {
  module=$1
  shift
  [ -s "/lab/order/$module" ] || return 0 # built into this kernel
  last=$(tail -n 1 "/lab/order/$module")
  while read -r ko; do
    grep -q "^$(echo "${ko%.ko}" | tr - _) " /proc/modules && continue
    if [ "$ko" = "$last" ]; then insmod "/lab/modules/$ko" "$@"; else insmod "/lab/modules/$ko"; fi || return 1
  done <"/lab/order/$module"
}

# until_true SECONDS COMMAND...
until_true() {
  read -r up _ </proc/uptime
  limit=$((${up%.*} + $1))
  shift
  until "$@"; do
    read -r up _ </proc/uptime
    [ "${up%.*}" -lt "$limit" ] || return 1
    usleep 100000
  done
}

# camera N SERIAL FPS PICTURE...: plugs one in; orders go to /tmp/camN.orders, its state is in /tmp/camN.state.
camera() {
  n=$1 serial=$2 fps=$3
  shift 3
  mkfifo "/tmp/cam$n.orders"
  sleep 100000 >"/tmp/cam$n.orders" &
  uvc_camera --port "$n" --serial "$serial" --fps "$fps" --state "/tmp/cam$n.state" "$@" \
    <"/tmp/cam$n.orders" >"/tmp/cam$n.log" 2>&1 &
}
order() { echo "$2" >"/tmp/cam$1.orders"; }
state() { sed -n "s/^$2 //p" "/tmp/cam$1.state"; }

# printer SPEED: a simulated one that waits for orders in /tmp/printer.orders; sets the ports.
printer() {
  rm -f /tmp/sim.out # of one before: its ports would be taken for the new one's
  mkfifo /tmp/printer.orders
  sleep 100000 >/tmp/printer.orders &
  cp -r /lab/sim /tmp/sim
  bedside simulate bambu --model A1 --serial 03900A4E2E00001 --code 11223344 --storage /tmp/sim --cert-dir /tmp/sim/certs \
    --no-ssdp --speed "$1" --camera-fps 1 </tmp/printer.orders >/tmp/sim.out 2>/tmp/sim.log &
  until_true 60 test -s /tmp/sim.out || die "the simulated printer does not start"
}
port() { sed "s/.*\"$1\": *\([0-9]*\).*/\1/" /tmp/sim.out; }
# printer_yaml: its entry of bedside.yaml, with what follows on standard input below it.
printer_yaml() {
  cat <<YAML
ca_file: $(sed 's/.*"ca_file": *"\([^"]*\)".*/\1/' /tmp/sim.out)
printers:
  - name: Sim
    address: 127.0.0.1
    serial: 03900A4E2E00001
    access_code: "11223344"
    camera: no
    ports: {mqtt: $(port mqtt), ftps: $(port ftps), camera: $(port camera), detect: $(port detect)}
YAML
}
print_job() { echo "print /tmp/sim/job.gcode.3mf" >/tmp/printer.orders; }

# gpio_board: the simulated chip "rig", its button on line 22, line 5 taken. Sets $board, $chip and $lines (its folder of levels).
gpio_board() {
  grep -q configfs /proc/mounts || mount -t configfs configfs /sys/kernel/config || die "no configfs"
  board=/sys/kernel/config/gpio-sim/board
  mkdir -p $board/bank/line22 $board/bank/line5/hog
  echo 32 >$board/bank/num_lines
  echo rig >$board/bank/label
  echo BUTTON >$board/bank/line22/name
  echo heater >$board/bank/line5/hog/name
  echo input >$board/bank/line5/hog/direction
  echo 1 >$board/live || die "no simulated GPIO chip"
  chip=$(cat $board/bank/chip_name)
  lines=/sys/devices/platform/$(cat $board/dev_name)/$chip
  pull up
}
pull() { echo "pull-$1" >"$lines/sim_gpio22/pull"; }
# asked LOG: of each press in it, the microseconds from the kernel's stamp to the picture asked for.
asked() { sed -n 's/.*a picture is asked for \([0-9]*\) us.*/\1/p' "$1"; }
# spread FILE: of the numbers in it.
spread() {
  sort -n "$1" >sorted
  n=$(wc -l <sorted)
  echo "n $n p50 $(sed -n "$((n * 50 / 100 + 1))p" sorted) p99 $(sed -n "$((n * 99 / 100 + 1))p" sorted) most $(tail -n 1 sorted)"
}
