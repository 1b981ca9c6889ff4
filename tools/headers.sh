#!/bin/sh
# headers: every header compiles alone, with the flags of the build.
set -eu
cd "${1:-$(dirname "$0")/..}"
flags=$(pkg-config --cflags jansson libuv 2>/dev/null || true)
bad=0
for h in $(find src -name '*.h' | sort); do
  # shellcheck disable=SC2086 # a list of flags
  printf '#include "%s"\n' "${h#src/}" |
    cc -std=gnu17 -D_GNU_SOURCE -Wall -Wextra -Werror -Wno-unused-function -Isrc -I/usr/include/uv $flags -x c -fsyntax-only - || { echo "$h does not compile alone"; bad=1; }
done
exit $bad
