#!/usr/bin/env bash
# A daemon's inner rooms, killed with -9 at 1000 random moments while prints are recorded: about ten minutes.
#   ROUNDS=1000 bench/bench_kill.sh
set -euo pipefail
"$BENCH_BUILD/tests/scenarios/session_kill" "${ROUNDS:-1000}"
