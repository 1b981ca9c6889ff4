#!/bin/sh
# One frame to many watchers, and a drawn one.
set -eu
"$BENCH_BUILD/bench/bench_camera"
