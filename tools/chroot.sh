# chroot: small Debian systems in folders, for building and trying packages. Sourced; needs root. What
# they are made from is kept in $BEDSIDE_CACHE, so that the second is there in seconds.
# shellcheck shell=bash

BEDSIDE_CACHE=${BEDSIDE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/bedside}

# chroot_suite: $BEDSIDE_SUITE, or the release of this machine, or Debian 12.
chroot_suite() {
  # shellcheck disable=SC1091
  (. /etc/os-release && case ${BEDSIDE_SUITE:=${VERSION_CODENAME:-}} in bookworm | trixie) echo "$BEDSIDE_SUITE" ;; *) echo bookworm ;; esac)
}

# chroot_arch: the architecture of this machine.
chroot_arch() { dpkg --print-architecture; }

chroot_qemu_name() { case $1 in arm64) echo aarch64 ;; armhf | armel) echo arm ;; *) echo "$1" ;; esac; }

# chroot_emulator ARCH: makes the kernel start programs of ARCH by qemu-user; says in words why it cannot.
# What was registered here is taken back by chroot_emulator_off.
chroot_emulator() {
  local name
  name=$(chroot_qemu_name "$1")
  [ "$1" != "$(chroot_arch)" ] || return 0
  # The processor of the first Pi Zero: instructions that only later ones have are illegal.
  [ "$1" != armel ] || export QEMU_CPU=arm1176
  command -v "qemu-$name-static" >/dev/null || { echo "qemu-$name-static is not here: apt-get install qemu-user-static"; return 1; }
  [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null ||
    { echo "the kernel does not start programs of other machines (no binfmt_misc)"; return 1; }
  [ ! -e "/proc/sys/fs/binfmt_misc/qemu-$name" ] && [ ! -e "/proc/sys/fs/binfmt_misc/bedside-$name" ] || return 0
  local machine='\xb7' class='\x02'
  [ "$1" = arm64 ] || { machine='\x28'; class='\x01'; }
  # F: the emulator is opened now, so the foreign folder need not hold it. The header of an ELF file of that machine.
  printf '%s' ":bedside-$name:M::\\x7fELF$class\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00$machine\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$(command -v "qemu-$name-static"):OCF" \
    >/proc/sys/fs/binfmt_misc/register || { echo "binfmt_misc took no entry"; return 1; }
  chroot_registered=$name
}

chroot_emulator_off() {
  [ -z "${chroot_registered:-}" ] || echo -1 >"/proc/sys/fs/binfmt_misc/bedside-$chroot_registered" || true
  chroot_registered=
}

# chroot_bare ARCH: the path of an archive of a Debian with nothing in it but what Debian cannot be without.
chroot_bare() {
  local suite kept dir log
  suite=$(chroot_suite)
  kept=$BEDSIDE_CACHE/bare-$suite-$1.tar
  mkdir -p "$BEDSIDE_CACHE"
  # A month old it would fetch half of itself anew at the first apt-get.
  if [ -s "$kept" ] && [ -z "$(find "$kept" -mtime +30)" ]; then
    echo "$kept"
    return
  fi
  dir=$(mktemp -d "$BEDSIDE_CACHE/making-XXXXXX")
  chmod 755 "$dir"
  log=$dir.log
  # shellcheck disable=SC2046 # foreign: unpacked by this machine, configured by itself
  if debootstrap --variant=minbase --include=ca-certificates --arch="$1" \
    $([ "$1" = "$(chroot_arch)" ] || echo --foreign) "$suite" "$dir" >"$log" 2>&1 &&
    { [ "$1" = "$(chroot_arch)" ] || chroot "$dir" /debootstrap/debootstrap --second-stage >>"$log" 2>&1; }; then
    # Throw-away folders need no fsync, no manuals of others, and must start nothing.
    echo force-unsafe-io >"$dir/etc/dpkg/dpkg.cfg.d/bedside"
    printf 'APT::Install-Recommends "0";\nAcquire::Languages "none";\nAcquire::Retries "3";\n' >"$dir/etc/apt/apt.conf.d/90bedside"
    printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
    chmod +x "$dir/usr/sbin/policy-rc.d"
    chroot "$dir" apt-get update -q >>"$log" 2>&1
    chroot "$dir" apt-get clean
    tar -C "$dir" --one-file-system -cf "$kept.$$" . && mv "$kept.$$" "$kept"
    rm -rf "$dir" "$log"
    echo "$kept"
    return
  fi
  tail -n 5 "$log" >&2
  rm -rf "$dir" "$log"
  return 1
}

# chroot_enter DIR / chroot_leave DIR: the folder as a machine that has /proc, /dev and names of hosts.
chroot_enter() {
  mkdir -p "$1/proc" "$1/dev/shm" "$1/dev/pts"
  mountpoint -q "$1/proc" || mount -t proc proc "$1/proc" || return 1
  [ -c "$1/dev/null" ] || mknod -m 666 "$1/dev/null" c 1 3
  [ -c "$1/dev/urandom" ] || mknod -m 666 "$1/dev/urandom" c 1 9
  [ -d "$1/dev/fd" ] || ln -sf /proc/self/fd "$1/dev/fd"
  chmod 1777 "$1/dev/shm"
  cp /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || true
}

chroot_leave() { ! mountpoint -q "$1/proc" || umount "$1/proc" || umount -l "$1/proc"; }

# chroot_apt DIR ARGS...: apt-get there, asking nobody.
chroot_apt() {
  local dir=$1
  shift
  chroot "$dir" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 apt-get -y -q "$@"
}
