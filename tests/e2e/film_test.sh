#!/usr/bin/env bash
# film_test: the worker on real files, looked at with ffprobe.
#   tests/e2e/film_test.sh BUILD_DIR
# 77: skipped, for lack of ffmpeg.
set -u
build=${1:?usage: film_test.sh BUILD_DIR}
case $build in /*) ;; *) build=$PWD/$build ;; esac
av=$build/src/av/bedside-av make=$build/bench/make_session bedside=$build/src/app/bedside
command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || { echo "skipped: no ffmpeg"; exit 77; }
dir=$(mktemp -d)
trap 'umount "$dir/small" 2>/dev/null; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0 checks=0

check() { # WHAT GOT WANTED
  checks=$((checks + 1))
  [ "$2" = "$3" ] && return
  failed=$((failed + 1))
  echo "FAILED: $1: got '$2', wanted '$3'"
}

stream() { # FILM FIELD
  ffprobe -v error -select_streams v -show_entries "stream=$2" -of default=nw=1:nk=1 "$1"
}

decoded() { # FILM: frames that decode without an error
  local errors
  errors=$(ffmpeg -v error -i "$1" -f null - 2>&1)
  [ -z "$errors" ] || { echo "errors: $errors"; return; }
  ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames \
    -of default=nw=1:nk=1 "$1"
}

boxes() { # FILM: the order of its outermost boxes
  ffprobe -v trace "$1" 2>&1 | sed -n "s/.*type:'\(ftyp\|moov\|mdat\)' parent:'root'.*/\1/p" | tr '\n' ' '
}

said() { sed -n "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p" <<<"$(grep "\"type\":\"$1\"" "$3")" | tail -n 1; }

mkdir jpg
ffmpeg -v error -f lavfi -i testsrc2=size=320x240:rate=25 -frames:v 40 -q:v 4 jpg/%03d.jpg || exit 1
files=(jpg/*.jpg)

# What every browser plays.
"$make" s1 cam 1 200 0 "${files[@]}"
"$av" encode --session s1 --camera cam --out a.mp4 --poster a.jpg --hold 2 >a.log 2>&1
check "status" $? 0
check "codec" "$(stream a.mp4 codec_name)" h264
check "profile" "$(stream a.mp4 profile)" High
check "pixels" "$(stream a.mp4 pix_fmt)" yuv420p
check "colours" "$(stream a.mp4 color_space,color_transfer,color_primaries | sort -u)" bt709
check "range" "$(stream a.mp4 color_range)" tv
check "frames" "$(stream a.mp4 nb_frames)" 200
check "decoded" "$(decoded a.mp4)" 200
check "duration" "$(stream a.mp4 duration)" 10.000000
check "start" "$(stream a.mp4 start_time)" 0.000000
check "faststart" "$(boxes a.mp4)" "ftyp moov mdat "
check "poster" "$(stream a.jpg codec_name,width | tr '\n' ' ')" "mjpeg 320 "
check "verify" "$("$av" verify a.mp4 --frames 200)" \
  "{\"type\":\"verified\",\"frames\":200,\"sha256\":\"$(sha256sum a.mp4 | cut -d' ' -f1)\"}"
"$av" verify a.mp4 --frames 201 >v.log
check "verify counts" $? 1
check "probe" "$("$av" probe a.mp4 | tr -d '{}"' | cut -d, -f1-8)" \
  type:film,codec:h264,profile:High,pix_fmt:yuv420p,width:320,height:240,fps:25.0,frames:200
head -c 60000 a.mp4 >cut.mp4
"$av" verify cut.mp4 --frames 200 >v.log
check "verify sees a film cut off" $? 1
"$av" encode --session s1 --camera cam --out a.mp4 >e.log 2>&1
check "no film is overwritten" "$(said failed reason e.log)" exists
check "nothing is left of the track" "$(ls s1/film)" ""

# Pictures of other sizes and kinds; broken ones are left out and counted.
mkdir mixed
cp jpg/001.jpg mixed/01.jpg
ffmpeg -v error -y -f lavfi -i testsrc2=size=641x361 -frames:v 1 -pix_fmt yuvj422p mixed/02.jpg
ffmpeg -v error -y -f lavfi -i testsrc2=size=100x400 -frames:v 1 -pix_fmt yuvj444p mixed/03.jpg
ffmpeg -v error -y -f lavfi -i testsrc2=size=320x240 -frames:v 1 -vf format=gray -pix_fmt gray mixed/04.jpg
head -c 3000 jpg/005.jpg >mixed/05.jpg
printf 'no picture at all' >mixed/06.jpg
"$make" s2 cam 1 60 0 mixed/06.jpg mixed/01.jpg mixed/02.jpg mixed/03.jpg mixed/04.jpg mixed/05.jpg
"$av" encode --session s2 --camera cam --out b.mp4 >b.log 2>b.err
check "mixed: status" $? 0
check "mixed: skipped" "$(said done skipped b.log)" 20
check "mixed: decoded" "$(decoded b.mp4)" 40
check "mixed: size" "$(stream b.mp4 width,height | tr '\n' ' ')" "$(stream "jpg/001.jpg" width,height | tr '\n' ' ')"
rm s2/cam/000007.jpg
"$av" encode --session s2 --camera cam --out b2.mp4 >b.log 2>b.err
check "a picture that is gone is counted" "$(said done skipped b.log)" 21

# Nothing to show.
mkdir -p s3; : >s3/manifest
"$av" encode --session s3 --camera cam --out c.mp4 >c.log 2>&1
check "empty: status" $? 1
check "empty: reason" "$(said failed reason c.log)" empty
check "empty: no film" "$(ls c.mp4 2>/dev/null)" ""
"$av" encode --session s2 --camera other --out c.mp4 >c.log 2>&1
check "unknown camera: reason" "$(said failed reason c.log)" empty
"$av" encode --session s1 --camera cam --min-frames 500 --out c.mp4 >c.log 2>&1
check "few: reason" "$(said failed reason c.log)" few

# A wanted duration: thinned out to 60 a second, or slowed down; the hold is part of it.
"$av" encode --session s1 --camera cam --duration 2 --hold 0 --out d.mp4 >d.log 2>&1
check "duration: frames" "$(stream d.mp4 nb_frames)" 120
check "duration: seconds" "$(stream d.mp4 duration)" 2.000000
"$av" encode --session s1 --camera cam --duration 12 --hold 2 --out d2.mp4 >d.log 2>&1
check "duration: all frames" "$(stream d2.mp4 nb_frames)" 200
check "duration: with the hold" "$(stream d2.mp4 duration)" 12.000000
"$av" encode --session s1 --camera cam --width 200 --height 100 --out d3.mp4 >d.log 2>&1
check "size" "$(stream d3.mp4 width,height | tr '\n' ' ')" "200 100 "

# The guess changes in mid print: the rest of the choice follows it.
mkfifo expect
"$make" s8 cam 1 150 0 "${files[@]}"
"$av" encode --session s8 --camera cam --out l.mp4 --duration 2 --hold 0 --expect 300 --follow <expect >l.log 2>&1 &
worker=$!
exec 3>expect
for _ in $(seq 1200); do grep -q '"seen":150' l.log && break; sleep 0.05; echo more >&3; done
check "guess: half of it" "$(said progress frames l.log)" 60
echo "expect 225" >&3
"$make" s8 cam 151 75 0 "${files[@]}"
"$av" encode --session s8 --camera cam --out l.mp4 --duration 2 --hold 0 --follow </dev/null >l2.log 2>&1
check "one film is not made twice at once" "$(said failed type l2.log)" failed
echo finish >&3
exec 3>&-
wait $worker
check "guess: frames" "$(decoded l.mp4)" 120
check "guess: right in the end" "$(said done is_off l.log)" false
check "guess: found made already" \
  "$("$av" probe l.mp4 --session s8 --camera cam --duration 2 --hold 0 | grep -o '"seen":225,"is_off":false')" \
  '"seen":225,"is_off":false'
check "guess: found made by another guess" \
  "$("$av" probe l.mp4 --session s8 --camera cam --duration 1 --hold 0 | grep -o '"is_off":true')" '"is_off":true'

# A manifest that the disk does not give back: said, not tried for ever.
mkdir -p s9/manifest
timeout 20 "$av" encode --session s9 --camera cam --out s9.mp4 >s9.log 2>&1
check "unreadable manifest: status" $? 1
check "unreadable manifest: said" "$(said failed type s9.log)" failed
timeout 20 "$bedside" render s9 >s9r.log 2>&1
check "unreadable manifest: render" $? 1

# A guess that was far too low: the head outgrows its room, the film is copied and whole.
mkfifo in
"$make" s6 cam 1 300 0 "${files[@]}"
"$av" encode --session s6 --camera cam --out f.mp4 --expect 1 --group 1 --follow <in >f.log 2>&1 &
{ echo finish; } >in
wait $!
check "outgrown head: decoded" "$(decoded f.mp4)" 300
check "outgrown head: faststart" "$(boxes f.mp4)" "ftyp moov mdat "

# Killed at random moments while the session goes on: the film has every frame, each once.
"$make" s4 cam 1 400 5 "${files[@]}" &
feeder=$!
kills=0
while [ $kills -lt "${KILLS:-30}" ]; do
  "$av" encode --session s4 --camera cam --out g.mp4 --follow --group 12 <in >>g.log 2>>g.err &
  worker=$!
  exec 3>in
  sleep "0.$((RANDOM % 25 + 5))"
  kill -9 $worker 2>/dev/null
  wait $worker 2>/dev/null
  exec 3>&-
  kills=$((kills + 1))
done
wait $feeder
"$av" encode --session s4 --camera cam --out g.mp4 --follow --group 12 <in >>g.log 2>>g.err &
worker=$!
echo finish >in
wait $worker
check "killed $kills times: decoded" "$(decoded g.mp4)" 400
check "killed: frames" "$(stream g.mp4 nb_frames)" 400
check "killed: duration" "$(stream g.mp4 duration)" 18.000000
check "killed: it was taken up" "$([ "$(grep -c '"type":"started","frames":0' g.log)" -lt 31 ] && echo yes)" yes

# The end of its input: it closes the piece and goes on later.
"$make" s5 cam 1 30 0 "${files[@]}"
"$av" encode --session s5 --camera cam --out h.mp4 --follow </dev/null >h.log 2>&1
check "stopped: status" $? 0
check "stopped: said" "$(said stopped frames h.log)" "$(sed -n 's/.*"type":"stopped","frames":\([0-9]*\).*/\1/p' h.log)"
"$make" s5 cam 31 30 0 "${files[@]}"
printf 'finish\n' | "$av" encode --session s5 --camera cam --out h.mp4 --follow >h.log 2>&1
check "stopped: decoded" "$(decoded h.mp4)" 60

# A full disk: says so, and goes on when there is room.
if mkdir small && mount -t tmpfs -o size=300k tmpfs small 2>/dev/null; then
  "$make" s7 cam 1 300 0 "${files[@]}"
  mkdir s7/film small/film && mount --bind small/film s7/film
  "$av" encode --session s7 --camera cam --out small/i.mp4 --group 12 >i.log 2>&1
  check "full disk: reason" "$(said failed reason i.log)" disk
  mount -o remount,size=50m small
  "$av" encode --session s7 --camera cam --out small/i.mp4 --group 12 >i.log 2>&1
  check "full disk: taken up" "$([ "$(said started frames i.log)" -gt 0 ] && echo yes)" yes
  check "full disk: decoded" "$(decoded small/i.mp4)" 300
  umount s7/film
else
  echo "skipped: a full disk (no tmpfs without root)"
fi

# By hand.
if [ -x "$bedside" ]; then
  "$bedside" render s1 --fps 50 --hold 0 --out j.mp4 >j.log 2>j.err
  check "render: status" $? 0
  check "render: duration" "$(stream j.mp4 duration)" 4.000000
  check "render: quiet" "$(cat j.err)" ""

  # Of a data folder's session: the film lies among the others, was checked, and has its record.
  id=01JDA0000000000000000SE001
  mkdir -p data/sessions
  "$make" data/sessions/$id cam 1 30 0 "${files[@]}"
  printf '{"id":"%s","printer":"a1","job_name":"Lid.gcode.3mf","state":"done","cameras":["cam"]}' $id \
    >data/sessions/$id/session.json
  "$bedside" render $id --data data >k.log 2>k.err
  check "render: kept" $? 0
  check "render: kept without a word" "$(cat k.err)" ""
  check "render: film and poster" "$(ls data/films | sed 's/.*_lid\./lid./' | tr '\n' ' ')" "lid.jpg lid.mp4 "
  check "render: record" "$(grep -ac "$id.*verified" data/bedside.db)" 1
fi

echo "film_test: $((checks - failed)) of $checks checks passed"
[ $failed -eq 0 ]
