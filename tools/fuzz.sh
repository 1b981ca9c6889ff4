#!/bin/sh
# fuzz: runs each libFuzzer target for SECONDS; a finding is left in build-fuzz/ and fails.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
command -v clang >/dev/null || { echo "clang is not here"; exit 77; }
[ -d build-fuzz ] || CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
ninja -C build-fuzz >build-fuzz/ninja.log 2>&1 || { grep error build-fuzz/ninja.log | head; exit 1; }
bad=0
for target in build-fuzz/fuzz/fuzz_*; do
  [ -f "$target" ] && [ -x "$target" ] || continue
  name=${target##*/fuzz_}
  mkdir -p "build-fuzz/found/$name"
  echo "fuzz $name for $seconds s"
  "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build-fuzz/$name-" \
    "build-fuzz/found/$name" "fuzz/corpus/$name" >"build-fuzz/$name.log" 2>&1 || { tail -n 20 "build-fuzz/$name.log"; bad=1; }
done
exit $bad
