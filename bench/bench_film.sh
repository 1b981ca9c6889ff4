#!/usr/bin/env bash
# bench_film: what a film costs, in one run on one machine, as ratios.
#   bench/bench_film.sh [BUILD_DIR]   COUNTS="60 600 5000" to change the lengths
# Pictures: 1080p, ffmpeg's testsrc2, 30 different ones in turn, 84 kB each.
set -eu
build=$(cd "${1:-${BENCH_BUILD:-build}}" && pwd)
av=$build/src/av/bedside-av make=$build/bench/make_session
counts=${COUNTS:-60 600 5000}
command -v ffmpeg >/dev/null || { echo "bench_film: needs ffmpeg (the Debian package)"; exit 77; }
dir=$(mktemp -d "${TMPDIR:-/tmp}/bench_film.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir jpg
ffmpeg -v error -f lavfi -i testsrc2=size=1920x1080:rate=15 -frames:v 30 -q:v 4 jpg/%02d.jpg
files=(jpg/*.jpg)
# As the encoder is set: src/av/encoder.h.
x264="open-gop=0:sliced-threads=0:sync-lookahead=0:rc-lookahead=2:bframes=1" group=150

now_ms() { echo $(($(date +%s%N) / 1000000)); }
# PSS is what counts, but it falls while any other process shares the libraries: what is the worker's
# own (Pss_Anon) and RSS, which no neighbour changes, stand beside it and are compared.
mem_kb() { awk -v what="^$2:" '$0 ~ what { print $2 }' "/proc/$1/smaps_rollup"; }
cpu_s() { # COMMAND...: seconds of CPU, user and system
  local TIMEFORMAT='%U %S' t
  t=$({ time "$@" >/dev/null 2>&1; } 2>&1)
  awk '{ printf "%.2f", $1 + $2 }' <<<"$t"
}
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

echo "Film: from the end of the session to a film that plays, memory of the worker"
echo "frames  finish_ms  own_mb  pss_mb  rss_mb  film_mb"
first_ms=0 first_own=0 first_rss=0 last_ms=0 last_own=0 last_rss=0
mkfifo in
for n in $counts; do
  mkdir -p "s$n"
  : >"s$n/manifest"
  "$av" encode --session "s$n" --camera cam --out "$n.mp4" --poster "$n.jpg" --expect "$n" --follow <in >log &
  worker=$!
  exec 3>in
  # Fed as fast as it can be encoded and no faster: it has seen all before the session ends.
  for ((from = 1; from <= n; from += 60)); do
    "$make" "s$n" cam $from $((n - from + 1 < 60 ? n - from + 1 : 60)) 0 "${files[@]}"
    upto=$((from + 59 < n ? from + 59 : n))
    echo more >&3
    until [ "$(sed -n 's/.*"seen":\([0-9]*\).*/\1/p' log | tail -n 1)" = $upto ]; do
      sleep 0.05
      echo more >&3
    done
  done
  own=$(mem_kb $worker Pss_Anon) pss=$(mem_kb $worker Pss) rss=$(mem_kb $worker Rss)
  start=$(now_ms)
  echo finish >&3
  until grep -q '"type":"done"' log; do sleep 0.005; done
  ms=$(($(now_ms) - start))
  exec 3>&-
  wait $worker
  "$av" verify "$n.mp4" --frames "$n" >/dev/null || { echo "bench_film: $n.mp4 is not whole"; exit 1; }
  awk -v n="$n" -v ms=$ms -v o="$own" -v p="$pss" -v r="$rss" -v b="$(stat -c %s "$n.mp4")" \
    'BEGIN { printf "%6d  %9d  %6.1f  %6.1f  %6.1f  %7.1f\n", n, ms, o / 1024, p / 1024, r / 1024, b / 1e6 }'
  if [ $first_ms = 0 ]; then first_ms=$ms first_own=$own first_rss=$rss; fi
  last_ms=$ms last_own=$own last_rss=$rss
  rm -rf "s$n" "$n.mp4"
done
echo "longest against shortest: $((last_ms - first_ms)) ms more (at most 1000); own memory $(ratio "$last_own" "$first_own") x, RSS $(ratio "$last_rss" "$first_rss") x (0.9 to 1.1)"

echo
echo "Film: CPU and size against ffmpeg, 300 pictures, three rounds, the least of each"
"$make" s cam 1 300 0 "${files[@]}"
mkdir seq
for ((i = 1; i <= 300; i++)); do ln "s/cam/$(printf %06d $i).jpg" "seq/$(printf %04d $i).jpg"; done
least() { sort -n | head -n 1; }
for _ in 1 2 3; do
  rm -f ff.mp4 ours.mp4
  cpu_s "$av" encode --session s --camera cam --out ours.mp4 >>ours.cpu; echo >>ours.cpu
  cpu_s ffmpeg -y -framerate 25 -i seq/%04d.jpg -pix_fmt yuv420p -c:v libx264 -profile:v high \
    -preset veryfast -crf 23 -threads 1 -g $group -x264-params "$x264" -movflags +faststart ff.mp4 >>ff.cpu; echo >>ff.cpu
done
ffmpeg -v error -y -framerate 25 -i seq/%04d.jpg -pix_fmt yuv420p -c:v libx264 -preset veryfast -crf 23 plain.mp4
ours=$(least <ours.cpu) theirs=$(least <ff.cpu)
echo "CPU: $ours s, ffmpeg with the same parameters $theirs s: $(ratio "$ours" "$theirs") x (at most 1.10)"
echo "size: $(stat -c %s ours.mp4), plain veryfast crf 23 $(stat -c %s plain.mp4): $(ratio "$(stat -c %s ours.mp4)" "$(stat -c %s plain.mp4)") x (at most 1.25)"
