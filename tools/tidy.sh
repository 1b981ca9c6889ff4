#!/bin/sh
# tidy: clang-tidy 14 (each version finds other things) over what the build compiles, tests excepted; one file a process, since several
# make the analyser see va_lists that are not there. usage: tools/tidy.sh BUILDDIR
set -eu
cd "$(dirname "$0")/.."
tidy=$(command -v clang-tidy-14) || { echo "clang-tidy 14 is not here (Debian 12 has it)"; exit 77; }
find src -name '*.c' ! -name '*_test.c' ! -path 'src/base/test.c' | sort |
  xargs -P "$(nproc)" -n 1 "$tidy" --quiet -p "$1" >"$1/tidy.log" 2>"$1/tidy.err" || {
    grep -E '(error|warning):' "$1/tidy.log" | sort -u | head -n 40
    exit 1
  }
