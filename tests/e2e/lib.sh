# lib: what the end-to-end tests share. Sourced by each; the program is $BEDSIDE.
# shellcheck shell=bash
set -euo pipefail
# Each test takes the build folder as its argument, or $BEDSIDE, the program.
: "${BEDSIDE:=${1:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build}/src/app/bedside}"
export BEDSIDE
tmp=$(mktemp -d /tmp/bedside-e2e-XXXXXX)
pids=()

cleanup() {
  local status=$?
  for p in "${pids[@]:-}"; do [ -z "$p" ] || kill "$p" 2>/dev/null || true; done
  for p in "${pids[@]:-}"; do [ -z "$p" ] || wait "$p" 2>/dev/null || true; done
  if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
    echo "-- what was logged:"
    for f in "$tmp"/*.log; do [ -f "$f" ] && { echo "== ${f##*/}"; tail -n 30 "$f"; }; done
  fi
  rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 143' TERM INT

die() { echo "FAILED: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || { echo "skipped: $1 is not installed"; exit 77; }; }

# until_true SECONDS COMMAND...: waits for the command to succeed.
until_true() {
  local limit=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $limit ] || return 1
    sleep 0.2
  done
}

# address_of LOG: the address that serve or demo printed, without a set-up token.
address_of() { sed -n 's/^Bedside is up: \(http[s]*:\/\/[^/]*\/\).*/\1/p' "$1" | head -n 1; }
