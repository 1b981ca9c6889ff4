#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# embed_text.sh OUT NAME FILE…: the files, one after the other, as `const char NAME[]` in C.
set -eu
out=$1 name=$2
shift 2
{
	printf '/* Made by tools/embed_text.sh. */\nextern const char %s[];\nconst char %s[] =\n' "$name" "$name"
	for f; do
		awk '{ sub(/\r$/, ""); gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); printf "\t\"%s\\n\"\n", $0 }' "$f"
	done
	printf ';\n'
} > "$out"
