#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Cameras by HTTP and by programs, with peers that are not ours: ffmpeg's MJPEG, Python's server with the habits and faults of many.
. "$(dirname "$0")/lib.sh"
need python3
here=$(cd "$(dirname "$0")" && pwd)

cat >"$tmp/bedside.yaml" <<END
data: $tmp/data
cameras:
  - {name: small, driver: fake, size: 640x480}
  - {name: large, driver: fake, size: 800x608}
END
test_camera() { "$BEDSIDE" camera test "$@" >"$tmp/out" 2>&1; }
for c in small large; do
  test_camera "$c" --config "$tmp/bedside.yaml" --count 1 --out "$tmp/$c.jpg" || die "no picture of $c: $(cat "$tmp/out")"
done

python3 "$here/cam_server.py" "$tmp/small.jpg" "$tmp/large.jpg" >"$tmp/port" 2>"$tmp/server.log" &
pids+=($!)
until_true 20 test -s "$tmp/port" || die "the server does not start"
url="http://127.0.0.1:$(cat "$tmp/port")"

echo "tell-nobody" >"$tmp/password"
test_camera "$url/still" --user me --code-file "$tmp/password" --count 3 || die "digest: $(cat "$tmp/out")"
grep -q 'fine (http-still): 640×480' "$tmp/out" || die "digest: $(cat "$tmp/out")"
test_camera "${url/\/\//\/\/me:tell-nobody@}/still" --count 2 || die "login in the URL: $(cat "$tmp/out")"
test_camera "${url/\/\//\/\/me:tell-everybody@}/still" && die "a wrong password is taken"
grep -q 'refuses the user or the password' "$tmp/out" || die "wrong password: $(cat "$tmp/out")"
grep -q 'tell-' "$tmp/out" && die "the password is shown: $(cat "$tmp/out")"

for program in mjpg-streamer ustreamer no-length half; do
  test_camera "$url/$program" --count 5 || die "$program: $(cat "$tmp/out")"
  grep -q 'fine (http-mjpeg): 640×480' "$tmp/out" || die "$program: $(cat "$tmp/out")"
done
test_camera "$url/size" --count 9 || die "a size that changes: $(cat "$tmp/out")"

# Stall and garbage: two pictures, then nothing; the stream is opened again and gives two more.
cat >>"$tmp/bedside.yaml" <<END
  - {name: stall, driver: http-mjpeg, source: "$url/stall", stale_after: 2s}
  - {name: garbage, driver: http-mjpeg, source: "$url/garbage", stale_after: 2s}
  - {name: huge, driver: http-mjpeg, source: "$url/huge"}
  - {name: program, driver: exec, command: [cat, $tmp/small.jpg], poll: 200ms, rotation: 90}
END
for c in stall garbage; do
  test_camera "$c" --config "$tmp/bedside.yaml" --count 4 || die "$c: $(cat "$tmp/out")"
done
test_camera program --config "$tmp/bedside.yaml" --count 3 || die "exec: $(cat "$tmp/out")"
grep -q '480×640' "$tmp/out" || die "exec: it is not turned: $(cat "$tmp/out")"

# 100 MB announced and sent: refused in words, and in little memory.
(ulimit -v 700000 && test_camera huge --config "$tmp/bedside.yaml") && die "a picture of 100 MB is taken"
grep -q '100 MB' "$tmp/out" || die "huge: $(cat "$tmp/out")"
test_camera "$url/page" --count 1 && die "a page is taken for a picture"
grep -q 'web page, not a picture: “Camera login”' "$tmp/out" || die "page: $(cat "$tmp/out")"

if command -v ffmpeg >/dev/null; then
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  ffmpeg -loglevel error -re -f lavfi -i testsrc=size=640x480:rate=10 -f mpjpeg -listen 1 "http://127.0.0.1:$port/" \
    </dev/null >/dev/null 2>"$tmp/ffmpeg.log" &
  pids+=($!)
  # It serves one client only: looking whether it answers would be that one.
  until_true 30 grep -q "$(printf ':%04X 00000000:0000 0A' "$port")" /proc/net/tcp || die "ffmpeg does not listen"
  echo "  - {name: ffmpeg, driver: http-mjpeg, source: \"http://127.0.0.1:$port/\"}" >>"$tmp/bedside.yaml"
  test_camera ffmpeg --config "$tmp/bedside.yaml" --count 10 || die "ffmpeg: $(cat "$tmp/out")"
  grep -q '640×480' "$tmp/out" || die "ffmpeg: $(cat "$tmp/out")"
fi
echo "all sources gave their pictures"
