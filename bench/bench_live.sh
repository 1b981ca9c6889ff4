#!/bin/sh
# One camera to 10, 50 and 100 viewers, beside a bare send() loop; and what stalled viewers cost.
set -eu
"$BENCH_BUILD/bench/bench_live"
