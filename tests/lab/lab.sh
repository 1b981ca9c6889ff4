# lab: what the lab's tests share on the host. Sourced by each, with the build folder as $1.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/lib.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:-$here/../../build}
lab=${BEDSIDE_LAB_DIR:-$build/tests/lab}
PATH=$PATH:/usr/sbin:/sbin
for program in qemu-system-x86_64 cpio depmod modprobe mke2fs e2fsck debugfs apt-get dpkg-deb xz curl; do
  need "$program"
done
[ -x /bin/busybox ] || { echo "skipped: busybox-static is not installed"; exit 77; }
[ "$(uname -m)" = x86_64 ] || { echo "skipped: the guest's kernel is Debian's for amd64"; exit 77; }

# prepare FILES_DIR: the kernel (fetched once, whoever comes first), the printer's certificates and its job.
prepare() {
  local files=$1 sim
  mkdir -p "$lab" "$files/sim"
  (
    flock 9
    "$here/kernel" "$lab/kernel"
  ) 9>"$lab/lock" || exit $?
  "$BEDSIDE" simulate job --shape boat --layers 300 "$files/sim/job.gcode.3mf"
  "$BEDSIDE" simulate bambu --model A1 --serial 03900A4E2E00001 --code 11223344 --storage "$files/sim" \
    --cert-dir "$files/sim/certs" --no-ssdp </dev/null >"$tmp/sim.out" 2>"$tmp/sim.log" &
  sim=$!
  until_true 20 test -s "$tmp/sim.out" || die "no certificates for the simulated printer"
  kill "$sim" 2>/dev/null || true
  wait "$sim" 2>/dev/null || true
}

# picture SIZE FILE: a JPEG with enough detail to be worth keeping.
picture() { "$build/tests/lab/picture" "${1%x*}" "${1#*x}" >"$2"; }

# rig_initrd FILES_DIR: the guest with button, sensor and camera; its modules are built once.
rig_initrd() {
  need gcc
  need make
  prepare "$1"
  (
    flock 9
    "$here/modules" "$lab/kernel" "$here/sensor"
  ) 9>"$lab/lock" || exit $?
  picture 640x480 "$1/big.jpg"
  picture 320x240 "$1/small.jpg"
  "$here/initrd" "$tmp/initrd" "$lab/kernel" "$1" "$BEDSIDE" "$(dirname "$BEDSIDE")/../av/bedside-av" "$build/tests/lab/uvc_camera" "$build/tests/lab/press_line"
}
