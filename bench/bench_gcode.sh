#!/usr/bin/env bash
# The G-code index in MB/s per core, beside inflating alone and, where it can be installed, beside OctoPrint's own analysis.
set -euo pipefail
"$BENCH_BUILD/bench/bench_gcode" "$@"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$BEDSIDE" simulate job --shape gear --layers 400 "$tmp/job.gcode.3mf"
unzip -qp "$tmp/job.gcode.3mf" Metadata/plate_1.gcode >"$tmp/job.gcode"
if python3 -m venv "$tmp/venv" 2>/dev/null && "$tmp/venv/bin/pip" install -q "OctoPrint==1.11.2" >/dev/null 2>&1; then
  size=$(stat -c %s "$tmp/job.gcode")
  began=$(date +%s.%N)
  "$tmp/venv/bin/octoprint" analysis gcode "$tmp/job.gcode" >/dev/null
  ended=$(date +%s.%N)
  awk -v s="$size" -v a="$began" -v b="$ended" 'BEGIN { printf "OctoPrint 1.11.2 analysis of %.1f MB: %.1f MB/s\n", s / 1e6, s / 1e6 / (b - a) }'
else
  echo "OctoPrint cannot be installed here: left out"
fi
