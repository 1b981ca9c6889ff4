#!/usr/bin/env bash
# power_cut: the machine dies at random moments of a session, and the disk forgets what was not flushed. No picture
# that the daemon told to be on the disk may be missing afterwards, and the next start goes on with that disk.
#   BEDSIDE_LAB_CUTS=N   how many (10); BEDSIDE_LAB_SEED=N: the same moments and losses again
. "$(dirname "$0")/lab.sh"
cuts=${BEDSIDE_LAB_CUTS:-10}
seed=${BEDSIDE_LAB_SEED:-$(date +%s)}
RANDOM=$((seed % 32768))
files=$tmp/files
prepare "$files"
picture 320x240 "$files/small.jpg"
"$here/initrd" "$tmp/initrd" "$lab/kernel" "$files" "$BEDSIDE" "$build/tests/lab/uvc_camera"

# disk [--liar]: a fresh one, served.
disk() {
  truncate -s 0 "$tmp/image"
  truncate -s 192M "$tmp/image"
  mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 "$tmp/image"
  mkfifo "$tmp/disk.orders.$1"
  sleep 3600 >"$tmp/disk.orders.$1" &
  pids+=($!)
  "$build/tests/lab/power_disk" --socket "$tmp/disk.socket" --image "$tmp/image" --seed "$seed" --flush-ms 40 "${@:2}" \
    <"$tmp/disk.orders.$1" >"$tmp/disk.out" 2>"$tmp/disk.log" &
  pids+=($!)
  until_true 10 test -S "$tmp/disk.socket" || die "the disk does not start"
  : >"$tmp/told"
}

# Lines may be cut by the end of the console as well: whole ones only.
told() {
  tr -d '\r' <"$tmp/console.txt" | sed -n 's/.* session \([^ ]*\): picture \([0-9]*\) is on the disk: .*, crc32c \([0-9a-f]\{8\}\)$/\1 \2 \3/p'
}
has_told() { [ "$(told | wc -l)" -ge "$1" ] || grep -q 'FAILED' "$tmp/console.txt"; }
was_cut() { [ "$(grep -c '^cut:' "$tmp/disk.out")" -ge "$1" ]; }

# one_cut NUMBER: one boot, one death.
one_cut() {
  local machine before
  before=$(grep -c '^cut:' "$tmp/disk.out" || true)
  "$here/boot" 0 "$lab/kernel" "$tmp/initrd" power_cut \
    -blockdev "driver=nbd,node-name=disk,server.type=unix,server.path=$tmp/disk.socket" \
    -device virtio-blk-pci,drive=disk,write-cache=on >"$tmp/console.txt" 2>&1 &
  machine=$!
  pids+=($machine)
  until_true 300 has_told 1 || { tail -n 40 "$tmp/console.txt"; die "cut $1: no pictures"; }
  ! grep -q 'FAILED' "$tmp/console.txt" || { tail -n 40 "$tmp/console.txt"; die "cut $1: the guest"; }
  sleep "$((RANDOM % 3)).$((RANDOM % 10))"
  kill -9 "$machine"
  wait "$machine" 2>/dev/null || true
  until_true 20 was_cut $((before + 1)) || die "the disk did not see the cut"
  told >>"$tmp/told"
}

# As it is after the journal of the file system, and nothing else, was played back.
look() {
  rm -rf "$tmp/after" "$tmp/copy"
  mkdir "$tmp/after"
  cp --sparse=always "$tmp/image" "$tmp/copy"
  e2fsck -fp "$tmp/copy" >"$tmp/fsck.log" 2>&1 || [ $? -le 1 ] || die "the file system is broken: $(tail -n 5 "$tmp/fsck.log")"
  debugfs -R "rdump /data/sessions $tmp/after" "$tmp/copy" >"$tmp/dump.log" 2>&1
  "$build/tests/lab/check_told" "$tmp/after/sessions" <"$tmp/told"
}

disk honest
for i in $(seq "$cuts"); do
  one_cut "$i"
  look >"$tmp/look.log" || { cat "$tmp/look.log"; tail -n 3 "$tmp/disk.out"; die "cut $i (seed $seed) lost pictures"; }
  echo "cut $i: $(tail -n 1 "$tmp/look.log"); $(tail -n 1 "$tmp/disk.out")"
done
sessions=$(cut -d' ' -f1 "$tmp/told" | sort -u | wc -l)
echo "$cuts cuts (seed $seed), $sessions sessions, $(tail -n 1 "$tmp/look.log")"

# A disk that confirms flushes and forgets them must be seen as such, or all this would prove nothing.
disk liar --liar
one_cut liar
! look >"$tmp/look.log" 2>&1 || die "a disk that lies is not noticed"
echo "a disk that lies: $(tail -n 1 "$tmp/look.log")"
