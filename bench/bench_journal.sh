#!/usr/bin/env bash
# The journal: 1000 kills at random moments, and what a flush costs.
set -euo pipefail
"$BENCH_BUILD/tests/scenarios/journal_kill" 1000
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$BENCH_BUILD/bench/bench_journal" "$dir"
