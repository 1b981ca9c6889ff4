#!/bin/sh
# tidy: clang-tidy 14 or newer over what the build compiles, tests excepted; one file a process, since several
# make the analyser see va_lists that are not there. usage: tools/tidy.sh BUILDDIR
set -eu
cd "$(dirname "$0")/.."
tidy=$(command -v clang-tidy-14 || command -v clang-tidy) || { echo "clang-tidy is not here"; exit 77; }
find src -name '*.c' ! -name '*_test.c' ! -path 'src/base/test.c' | sort |
  xargs -P "$(nproc)" -n 1 "$tidy" --quiet -p "$1" >"$1/tidy.log" 2>"$1/tidy.err" || {
    grep -E '(error|warning):' "$1/tidy.log" | sort -u | head -n 40
    exit 1
  }
