#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Films come home: from a real OpenSSH server over connections that are cut at random bytes, and by HTTPS from
# a Bedside that has made some.  tests/e2e/pull_test.sh [BUILD_DIR]
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
sshd=$(command -v sshd || echo /usr/sbin/sshd)
[ -x "$sshd" ] || { echo "skipped: no OpenSSH server"; exit 77; }
need ssh-keygen
need python3
CUTS=${CUTS:-100}
me=$(id -un)
home=$tmp/remote mine=$tmp/mine
mkdir -p "$home/Timelapses/sub" "$home/Photos" "$mine" "$tmp/data" "$tmp/keys"

# ---- a server of our own
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$tmp/keys/host"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/keys/other"
ssh-keygen -q -t ed25519 -N '' -f "$tmp/keys/plain"
ssh-keygen -q -t ed25519 -N 'open sesame 7' -f "$tmp/keys/locked"
cat "$tmp"/keys/plain.pub "$tmp"/keys/locked.pub >"$tmp/keys/authorized"
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
write_sshd() { # HOST_KEY
  cat >"$tmp/sshd.conf" <<END
Port $port
ListenAddress 127.0.0.1
HostKey $1
AuthorizedKeysFile $tmp/keys/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 100
Subsystem sftp internal-sftp
END
}
start_sshd() {
  "$sshd" -D -e -f "$tmp/sshd.conf" 2>>"$tmp/sshd.log" &
  server=$!
  pids+=("$server")
  until_true 20 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" 2>/dev/null || die "sshd does not start"
}
write_sshd "$tmp/keys/host"
start_sshd
print_of() { ssh-keygen -lf "$1" | cut -d' ' -f2; }
pin=$(print_of "$tmp/keys/host.pub")

# config NAME PORT [LINE...]: a configuration with one source over there.
config() {
  local name=$1 to=$2
  shift 2
  {
    printf 'data: %s\nstorage:\n  floor: 10 MB\npull:\n  into: %s\n  sources:\n    - name: %s\n' \
      "$tmp/data" "${into:-$mine}" "$name"
    printf '      url: sftp://127.0.0.1:%s\n      user: %s\n      settle: 1s\n' "$to" "$me"
    printf '      folders: [%s/Timelapses, %s/Photos]\n' "$home" "$home"
    for line in "$@"; do printf '      %s\n' "$line"; done
  } >"$tmp/$name.yaml"
}
pull() { # NAME ARGUMENTS...: its status in $status, what it said in $tmp/NAME.out and .log
  local name=$1
  shift
  status=0
  "$BEDSIDE" pull --config "$tmp/$name.yaml" "$@" >"$tmp/$name.out" 2>"$tmp/$name.log" || status=$?
}
same() { cmp -s "$1" "$2" || die "$2 is not $1"; }
said() { grep -q -- "$1" "$tmp/$2" || die "$2 does not say '$1': $(cat "$tmp/$2")"; }
film() { head -c "$2" /dev/urandom >"$1"; }

film "$home/Timelapses/one.mp4" 300000
film "$home/Timelapses/sub/two words.mp4" 70000
film "$home/Photos/p.jpg" 5000
: >"$home/Photos/empty.jpg"
echo no >"$home/Photos/notes.txt"
echo no >"$home/Timelapses/half.mp4.part"
echo no >"$home/Timelapses/.hidden.mp4"
printf x >"$home/Photos/evil"$'\n'"name.jpg"
printf x >"$home/Photos/"$'\033'"[2J.jpg"
ln -s /etc/passwd "$home/Photos/link.jpg"

# ---- who is it?
: >"$tmp/known"
config nobody "$port" "key_file: $tmp/keys/plain" "known_hosts: $tmp/known"
pull nobody
[ "$status" = 5 ] || die "an unknown host: status $status: $(cat "$tmp/nobody.log")"
said "$pin" nobody.log
[ -z "$(find "$mine" -name '*.mp4')" ] || die "something came from an unknown host"
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$tmp/keys/other.pub")" >"$tmp/known"
pull nobody
[ "$status" = 5 ] || die "a changed host key: status $status"
said CHANGED nobody.log
said "$pin" nobody.log
config pinned "$port" "key_file: $tmp/keys/plain" "host_key: \"$(print_of "$tmp/keys/other.pub")\""
pull pinned
[ "$status" = 5 ] || die "another pin: status $status"
said "$pin" pinned.log
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$tmp/keys/host.pub")" >"$tmp/known"
echo "ok: who it is"

# ---- who are we?
printf 'open sesame 8\n' >"$tmp/keys/wrong"
printf 'open sesame 7\n' >"$tmp/keys/right"
config locked "$port" "key_file: $tmp/keys/locked" "known_hosts: $tmp/known" \
  "key_passphrase_file: $tmp/keys/wrong"
pull locked
[ "$status" = 5 ] || die "a wrong passphrase: status $status: $(cat "$tmp/locked.log")"
said refuses locked.log
config locked "$port" "key_file: $tmp/keys/locked" "known_hosts: $tmp/known" \
  "key_passphrase_file: $tmp/keys/right"
pull locked --dry-run
[ "$status" = 0 ] || die "the right passphrase: status $status: $(cat "$tmp/locked.log")"
said 'would fetch Timelapses/one.mp4' locked.out
if grep -q sesame "$tmp"/locked.*.log "$tmp"/locked.log "$tmp"/locked.out 2>/dev/null; then die "the passphrase was said"; fi
[ -z "$(find "$mine" -name '*.mp4')" ] || die "a dry run fetched something"
echo "ok: passphrases"

# ---- what comes, and what does not
config pi "$port" "key_file: $tmp/keys/plain" "host_key: \"$pin\""
pull pi --json
[ "$status" = 0 ] || die "the first pull: status $status: $(cat "$tmp/pi.log" "$tmp/pi.out")"
same "$home/Timelapses/one.mp4" "$mine/pi/Timelapses/one.mp4"
same "$home/Timelapses/sub/two words.mp4" "$mine/pi/Timelapses/sub/two words.mp4"
same "$home/Photos/p.jpg" "$mine/pi/Photos/p.jpg"
[ -f "$mine/pi/Photos/empty.jpg" ] || die "an empty file was left there"
[ "$(find "$mine/pi" -path '*/.bedside-pull' -prune -o -type f -print | wc -l)" = 4 ] ||
  die "what came: $(find "$mine/pi" -type f)"
[ "$(grep -c '"type":"refused"' "$tmp/pi.out")" -ge 1 ] || die "the hostile names were not said"
said '"type":"done","source":"pi","is_ok":true' pi.out
[ -f "$home/Timelapses/one.mp4" ] || die "deleted although nobody asked"
[ "$(stat -c %Y "$home/Timelapses/one.mp4")" = "$(stat -c %Y "$mine/pi/Timelapses/one.mp4")" ] || die "another time"
pull pi --json
grep -q '"type":"fetched"' "$tmp/pi.out" && die "fetched twice"
said '"known":4' pi.out
rm "$mine/pi/Photos/p.jpg"
pull pi --json
grep -q '"type":"fetched"' "$tmp/pi.out" && die "what was removed here came again"
pull pi --json --again
same "$home/Photos/p.jpg" "$mine/pi/Photos/p.jpg"
echo "ok: fetched, once, with its structure"

# ---- another file of the same name
film "$home/Photos/p.jpg" 5001
pull pi --json
[ "$status" = 0 ] || die "another file: status $status"
same "$home/Photos/p.jpg" "$mine/pi/Photos/p (2).jpg"
[ "$(stat -c %s "$mine/pi/Photos/p.jpg")" = 5000 ] || die "overwritten"
said '"type":"kept-both"' pi.out
echo "ok: both are kept"

# ---- a file that grows is not taken, nor deleted
film "$home/Timelapses/growing.mp4" 1000
(while :; do printf more >>"$home/Timelapses/growing.mp4"; sleep 0.05; done) &
writer=$!
pids+=("$writer")
config pi "$port" "key_file: $tmp/keys/plain" "host_key: \"$pin\"" "delete: yes"
pull pi --json
kill "$writer"
wait "$writer" 2>/dev/null || true
[ -f "$home/Timelapses/growing.mp4" ] || die "a file that grows was deleted"
[ ! -f "$mine/pi/Timelapses/growing.mp4" ] || die "a file that grows was taken"
said '"type":"busy"' pi.out
[ ! -f "$home/Timelapses/one.mp4" ] || die "what was asked to be deleted is there: $(cat "$tmp/pi.out" "$tmp/pi.log")"
[ -f "$home/Photos/notes.txt" ] || die "deleted what was not fetched"
pull pi --json
same "$mine/pi/Timelapses/growing.mp4" "$mine/pi/Timelapses/growing.mp4"
[ ! -f "$home/Timelapses/growing.mp4" ] || die "whole now, but still there"
echo "ok: growing files wait, fetched ones are deleted"

# ---- two at once
film "$home/Timelapses/slow.mp4" 400000
python3 "$here/cut_relay.py" "$port" "$tmp/cuts.slow" 0 1 2 150000 >"$tmp/slow.port" &
pids+=("$!")
until_true 20 test -s "$tmp/slow.port"
config pi "$(cat "$tmp/slow.port")" "key_file: $tmp/keys/plain" "host_key: \"$pin\""
"$BEDSIDE" pull --config "$tmp/pi.yaml" >"$tmp/first.out" 2>"$tmp/first.log" &
first=$!
until_true 60 bash -c "ls $mine/pi/.bedside-pull/*.part >/dev/null 2>&1" || die "nothing under way"
pull pi
[ "$status" = 3 ] || die "two at once: status $status"
kill -TERM "$first"
status=0; wait "$first" || status=$?
[ "$status" = 6 ] || die "ended by a signal: status $status"
[ ! -f "$mine/pi/Timelapses/slow.mp4" ] || die "half a file is in its place"
pull pi
same "$home/Timelapses/slow.mp4" "$mine/pi/Timelapses/slow.mp4"
echo "ok: one at a time, ended in the middle"

# ---- cut at random bytes, again and again; nothing deleted too early
rm -rf "$home/Timelapses" "$home/Photos" "$mine"
mkdir -p "$home/Timelapses/a" "$home/Timelapses/b" "$home/Photos" "$mine" "$tmp/truth"
for i in $(seq 24); do
  f=$([ $((i % 3)) = 0 ] && echo "a/film $i.mp4" || echo "b/film-$i.mp4")
  film "$home/Timelapses/$f" $((RANDOM * 40 + 100000 + i))
done
cp -a "$home/Timelapses" "$tmp/truth/"
: >"$tmp/cuts"
python3 "$here/cut_relay.py" "$port" "$tmp/cuts" "$CUTS" 20000 300000 >"$tmp/relay.port" &
pids+=("$!")
until_true 20 test -s "$tmp/relay.port"
config pi "$(cat "$tmp/relay.port")" "key_file: $tmp/keys/plain" "host_key: \"$pin\"" "delete: yes"
# Whatever is gone over there is whole here, at every moment.
watch_them() {
  cd "$tmp/truth"
  while :; do
    find Timelapses -type f | while read -r f; do
      [ -e "$home/$f" ] || [ -e "$tmp/looked/$f" ] || { cmp -s "$f" "$mine/pi/$f" || echo "$f" >>"$tmp/early"
        mkdir -p "$(dirname "$tmp/looked/$f")"; : >"$tmp/looked/$f"; }
    done
    sleep 0.05
  done
}
watch_them & pids+=("$!")
runs=0 kills=0
until [ -z "$(find "$home/Timelapses" -type f)" ]; do
  runs=$((runs + 1))
  [ "$runs" -lt 120 ] || die "not done after $runs runs and $(cat "$tmp/cuts") cuts: $(tail -n 5 "$tmp/pi.log")"
  if [ "$kills" -lt 6 ]; then
    # Killed in the middle.
    "$BEDSIDE" pull --config "$tmp/pi.yaml" --quiet >>"$tmp/killed.out" 2>>"$tmp/killed.log" &
    victim=$!
    sleep "$((RANDOM % 3 + 1)).$((RANDOM % 10))"
    kill -9 "$victim" 2>/dev/null && kills=$((kills + 1))
    wait "$victim" 2>/dev/null || true
  else
    pull pi --quiet
    case $status in 0 | 1) ;; *) die "cut: status $status: $(cat "$tmp/pi.log")" ;; esac
  fi
done
[ ! -s "$tmp/early" ] || die "deleted too early: $(cat "$tmp/early")"
diff -r "$tmp/truth/Timelapses" "$mine/pi/Timelapses" || die "not the same"
n=$(cat "$tmp/cuts")
[ "${n:-0}" -ge "$CUTS" ] || die "only ${n:-0} cuts"
[ -z "$(find "$mine/pi" -name '*.part')" ] || die "parts were left"
echo "ok: $n cuts, $kills kills, $runs runs: 24 files whole, none deleted too early, none doubled"

# ---- a full disk
if [ "$(id -u)" -eq 0 ] && mkdir "$tmp/small" && mount -t tmpfs -o size=16m tmpfs "$tmp/small" 2>/dev/null; then
  film "$home/Timelapses/big.mp4" 9000000
  film "$home/Timelapses/fits.mp4" 100000
  into=$tmp/small config full "$port" "key_file: $tmp/keys/plain" "host_key: \"$pin\"" "delete: yes"
  pull full
  ok=1
  [ "$status" = 4 ] || ok="status $status: $(cat "$tmp/full.log")"
  [ -f "$home/Timelapses/big.mp4" ] || ok="deleted what did not fit"
  [ -f "$tmp/small/full/Timelapses/fits.mp4" ] || ok="what fits did not come"
  grep -q 'does not fit' "$tmp/full.log" || ok="not said: $(cat "$tmp/full.log")"
  # It fills while a file comes.
  rm -f "$home/Timelapses/big.mp4"
  film "$home/Timelapses/mid.mp4" 4000000
  python3 "$here/cut_relay.py" "$port" "$tmp/cuts.full" 0 1 2 1500000 >"$tmp/full.port" &
  pids+=("$!")
  until_true 20 test -s "$tmp/full.port"
  into=$tmp/small config full "$(cat "$tmp/full.port")" "key_file: $tmp/keys/plain" "host_key: \"$pin\"" "delete: yes"
  "$BEDSIDE" pull --config "$tmp/full.yaml" >"$tmp/full.out" 2>"$tmp/full.log" &
  first=$!
  until_true 60 bash -c "[ -n \"\$(find $tmp/small -name '*.part' -size +100k)\" ]" || ok="nothing under way"
  head -c 20000000 /dev/zero >"$tmp/small/filler" 2>/dev/null || true
  status=0; wait "$first" || status=$?
  [ "$status" = 4 ] || ok="filled: status $status: $(cat "$tmp/full.log")"
  [ -f "$home/Timelapses/mid.mp4" ] || ok="deleted although the disk was full"
  [ ! -e "$tmp/small/full/Timelapses/mid.mp4" ] || ok="half a film in its place"
  rm "$tmp/small/filler"
  pull full
  [ "$status" = 0 ] && [ -f "$tmp/small/full/Timelapses/mid.mp4" ] || ok="with room again: $status: $(cat "$tmp/full.log")"
  umount -l "$tmp/small"
  [ "$ok" = 1 ] || die "a full disk: $ok"
  echo "ok: a full disk"
else
  echo "skipped: a full disk (no tmpfs without root)"
fi
echo "pull: all fine"
