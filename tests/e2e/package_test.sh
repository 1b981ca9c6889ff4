#!/usr/bin/env bash
# package: installed, started as its own user, upgraded, removed and purged on a bare Debian, films kept.
#   $BEDSIDE_PACKAGE (of $BEDSIDE_PACKAGE_ARCH): that package; otherwise one of what the build folder holds.
. "$(dirname "$0")/lib.sh"
cd "$(dirname "$0")/../.."
. tools/chroot.sh
need curl
need debootstrap
need dpkg-deb
[ "$(id -u)" -eq 0 ] || { echo "skipped: only root can make a Debian to install it on"; exit 77; }
# Beside other tests this one is in no hurry.
renice -n 5 -p $$ >/dev/null 2>&1 || true

for lib in $(sed -n '/^build="/,/"$/p' script/setup | grep -o '[a-z0-9.-]*-dev'); do
  grep -q "^ *$lib\b" debian/control || die "debian/control does not build with $lib, script/setup does"
done
arch=${BEDSIDE_PACKAGE_ARCH:-$(chroot_arch)}
package=${BEDSIDE_PACKAGE:-}
root=$tmp/debian
leave() {
  for p in "${inside[@]:-}"; do [ -z "$p" ] || kill "$p" 2>/dev/null || true; done
  chroot_leave "$root" 2>/dev/null || true
  chroot_emulator_off
  cleanup
}
inside=()
trap leave EXIT
say() { printf '%3d s: %s\n' "$SECONDS" "$*"; }

if [ -z "$package" ]; then
  script/package --from "${1:-build}" || die "no package came of ${1:-build}"
  package=$(ls -t "${1:-build}"/package/bedside_*_"$arch".deb | head -n 1)
fi
[ "$(stat -c %s "$package")" -le 5000000 ] || die "the package is larger than 5 MB"
say "a package of $(($(stat -c %s "$package") / 1024)) kB"

chroot_emulator "$arch" || { echo "skipped: $arch does not run here"; exit 77; }
bare=$(chroot_bare "$arch") || { echo "skipped: no bare Debian came of debootstrap (is Debian's registry reachable?)"; exit 77; }
cpu=(${QEMU_CPU:+"QEMU_CPU=$QEMU_CPU"})
mkdir "$root"
tar -C "$root" -xf "$bare"
chmod 755 "$root"
chroot_enter "$root" || { echo "skipped: no /proc can be mounted here"; exit 77; }
say "a bare Debian ($(cat "$root/etc/debian_version"), $arch)"

in_root() { chroot "$root" "$@"; }
# apt WHAT...: apt-get without anybody to ask, as on a machine that updates itself.
apt() { chroot_apt "$root" -o Dpkg::Use-Pty=0 "$@" >"$tmp/apt.log" 2>&1 </dev/null || die "apt-get $*"; }
data=$root/var/lib/bedside

# An older package: the same, with a smaller number.
mkdir "$tmp/older"
dpkg-deb -R "$package" "$tmp/older/tree"
sed -i 's/^Version: .*/Version: 0.0.9/' "$tmp/older/tree/DEBIAN/control"
dpkg-deb --root-owner-group -Znone -b "$tmp/older/tree" "$root/tmp/older.deb" >/dev/null
cp "$package" "$root/tmp/newer.deb"

# The parts that Debian says are needed come with it; nothing else is there.
chroot_apt "$root" update >/dev/null 2>&1 || { echo "skipped: Debian's registry does not answer"; exit 77; }
apt install --no-install-recommends /tmp/older.deb
say "installed"
in_root bedside --version | grep '^bedside ' || die "the program does not start"
in_root id bedside | grep -q video || die "its user is not in the group video"
in_root id bedside | grep -q gpio || die "its user is not in the group gpio"
[ "$(in_root stat -c '%U:%G %a' /etc/bedside/bedside.yaml)" = "root:bedside 640" ] || die "everybody can read the access codes"
if [ -x "$root/usr/bin/systemd-analyze" ] || command -v systemd-analyze >/dev/null; then
  unit=/lib/systemd/system/bedside.service
  analyze=(chroot "$root" systemd-analyze)
  if [ ! -x "$root/usr/bin/systemd-analyze" ]; then
    analyze=(systemd-analyze --root="$root")
  fi
  "${analyze[@]}" verify --man=no $unit >"$tmp/verify.log" 2>&1 || die "systemd refuses the unit: $(cat "$tmp/verify.log")"
  # 0 is shut, 10 wide open; what is shut stays shut.
  "${analyze[@]}" security --offline=true --threshold=20 $unit >"$tmp/security.log" 2>&1 || die "the unit is opener than it was: $(tail -n 2 "$tmp/security.log")"
  say "the unit: $(tail -n 1 "$tmp/security.log" | tr -d '→ ')"
fi
for v in $(in_root bedside help | sed -n 's/^  bedside \([a-z-]*\).*/\1/p'); do
  case $v in help | version) continue ;; esac
  grep -q "^\.It Cm $v" man/bedside.1 || die "the manual has no word of '$v'"
done

# setpriv_in DIR COMMAND... &: there, as the daemon's user, without any privilege.
setpriv_in() { exec chroot "$1" setpriv --reuid=bedside --regid=bedside --init-groups --inh-caps=-all --bounding-set=-all --no-new-privs "${@:2}"; }

# The unit's own command line, as its user, without any privilege, told apart by what it tells systemd.
port=$((20000 + RANDOM % 20000))
printf '\nweb:\n  listen: 127.0.0.1\n  port: %d\n' $port >>"$root/etc/bedside/bedside.yaml"
in_root bedside check-config | grep -q ': fine' || die "check-config"
printf 'correct horse battery\n' | in_root bedside user add admin --password-stdin >/dev/null || die "user add"
[ -z "$(find "$data" -uid 0)" ] || die "root's verbs leave root's files to the daemon"
start() {
  local command
  command=$(sed -n 's/^ExecStart=//p' "$root/lib/systemd/system/bedside.service")
  python3 - "$root/run/notify" "$tmp/told.log" <<'PY' &
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
if os.path.exists(sys.argv[1]):
    os.remove(sys.argv[1])
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
while True:
    with open(sys.argv[2], "ab") as f:
        f.write(s.recv(4096) + b"\n")
PY
  inside+=($!)
  until_true 20 test -S "$root/run/notify" || die "nobody listens"
  # shellcheck disable=SC2086 # a command line
  setpriv_in "$root" env -i "${cpu[@]}" NOTIFY_SOCKET=/run/notify PATH=/usr/bin:/bin LC_ALL=C.UTF-8 $command >>"$tmp/daemon.log" 2>&1 &
  daemon=$!
  inside+=($daemon)
  until_true "${1:-60}" grep -qs READY=1 "$tmp/told.log" || die "the daemon does not say that it is ready"
}
stop() {
  kill -TERM "$daemon"
  wait "$daemon" || die "SIGTERM ended with $?"
  grep -q STOPPING=1 "$tmp/told.log" || die "systemd was not told of the end"
  kill "${inside[0]}" 2>/dev/null || true
  inside=()
  rm -f "$tmp/told.log" "$root/run/notify"
}
slow=1
[ "$arch" = "$(chroot_arch)" ] || slow=10
start $((60 * slow))
curl -sf --max-time 60 "http://127.0.0.1:$port/healthz" | grep -q ok || die "/healthz"
curl -sf --max-time 60 "http://127.0.0.1:$port/" >"$tmp/page"
if [ -f ui/dist/index.html ]; then grep -q '<script' "$tmp/page" || die "the page is not inside"; fi
stop
say "started as its user, answered, stopped"

echo film >"$data/films/kept.mp4"
apt install --no-install-recommends /tmp/newer.deb
[ -z "$(ls "$root"/etc/bedside/*.dpkg-* 2>/dev/null)" ] || die "the upgrade asks about a configuration that is as it was"
grep -q "port: $port" "$root/etc/bedside/bedside.yaml" || die "the upgrade lost the configuration"
[ "$(in_root stat -c '%U:%G %a' /etc/bedside/bedside.yaml)" = "root:bedside 640" ] || die "the upgrade opened the configuration"
in_root bedside user list | grep -q admin || die "the upgrade lost the users"
start $((60 * slow))
curl -sf --max-time 60 "http://127.0.0.1:$port/healthz" >/dev/null || die "/healthz after the upgrade"
stop
say "upgraded"

has_film() {
  kill -0 "${inside[0]}" 2>/dev/null || die "the demo ended: $(tail -n 1 "$tmp/demo.log")"
  ls "$root"/tmp/home/demo/films/*.mp4 >/dev/null 2>&1
}
demo_answers() { curl -sf --max-time 20 "http://127.0.0.1:$((port + 1))/api/v1/start" | grep -q '"is_demo": *true'; }
# On a foreign machine nobody has seen it work yet: two simulated printers, to the first film.
if [ "$arch" != "$(chroot_arch)" ]; then
  say "the demo (emulated, so it takes its time)"
  began=$SECONDS
  in_root install -d -o bedside -g bedside /tmp/home
  # The film's worker is started with an environment of its own.
  av=$root/usr/bin/bedside-av
  mv "$av" "$av.own"
  printf '#!/bin/sh\nexec env %s /usr/bin/bedside-av.own "$@"\n' "${cpu[*]}" >"$av"
  chmod 755 "$av"
  setpriv_in "$root" env -i "${cpu[@]}" HOME=/tmp/home PATH=/usr/bin:/bin LC_ALL=C.UTF-8 bedside demo --data /tmp/home/demo --port $((port + 1)) >"$tmp/demo.log" 2>&1 &
  inside+=($!)
  until_true 300 demo_answers || die "the demo's /api does not answer"
  say "the demo's /api answers"
  until_true 900 has_film || die "no film after $((SECONDS - began)) s"
  film=$(ls "$root"/tmp/home/demo/films/*.mp4 | head -n 1)
  if command -v ffprobe >/dev/null; then
    ffprobe -v error -select_streams v -count_packets -show_entries stream=codec_name,width,height,nb_read_packets -of csv=p=0 "$film" || die "that is no film"
  fi
  say "a film of $(($(stat -c %s "$film") / 1024)) kB, $((SECONDS - began)) s after the demo's start"
  kill "${inside[@]}" 2>/dev/null || true
  inside=()
  mv "$av.own" "$av"
fi

apt remove bedside
[ ! -e "$root/usr/bin/bedside" ] || die "remove left the program"
[ -f "$data/films/kept.mp4" ] && [ -f "$data/bedside.db" ] || die "remove took films or records"
apt purge bedside
[ ! -e "$root/etc/bedside/bedside.yaml" ] || die "purge left the configuration"
[ -f "$data/films/kept.mp4" ] && [ -f "$data/bedside.db" ] || die "a purge without anybody to ask took films or records"
apt install --no-install-recommends /tmp/newer.deb
echo 'bedside bedside/remove-data boolean true' | in_root debconf-set-selections
apt purge bedside
[ ! -e "$data" ] || die "purge left data that the administrator wanted gone"
say "removed, purged; films kept until somebody said yes"
echo PASS
