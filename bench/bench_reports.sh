#!/usr/bin/env bash
# Reports of printers per core: limits 150 000/s for A1 deltas, 2 000/s for an H2D's full state.
set -euo pipefail
"$BENCH_BUILD/bench/bench_reports" "$@"
