#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""embed_assets: writes the built page as C arrays (src/web/assets.h says what they are).

usage: embed_assets.py DIST_DIR|none OUT.c OUT.d
"""
import gzip
import hashlib
import io
import os
import re
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
NO_PAGE = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><base href="/"><title>Bedside</title>
<meta name="viewport" content="width=device-width"></head>
<body><h1>Bedside runs</h1>
<p>This program was built without its page. Build it with Node.js (see README), or use the API below
<a href="api/v1/openapi.json">api/v1</a>.</p></body></html>
"""


def collect(dist):
    found = {}
    for folder, dirs, names in os.walk(dist):
        dirs.sort()
        for name in sorted(names):
            if name.endswith(".map"):
                continue
            full = os.path.join(folder, name)
            with open(full, "rb") as f:
                found[os.path.relpath(full, dist)] = f.read()
    return found


def array(out, name, data):
    # A string literal compiles many times faster than a list of numbers.
    out.write(f"static const uint8_t {name}[] =\n")
    for at in range(0, len(data), 64):
        octal = "".join(f"\\{b:03o}" for b in data[at : at + 64])
        out.write(f'\t"{octal}"\n')
    out.write("\t;\n")


def main():
    dist, out_path = sys.argv[1:3]
    files = collect(dist) if dist != "none" and os.path.isdir(dist) else {}
    if "index.html" not in files:
        files = {"index.html": NO_PAGE}
    rows = []
    with io.StringIO() as out:
        out.write("/* Made by tools/embed_assets.py. */\n#include \"web/assets.h\"\n\n")
        for i, (path, data) in enumerate(files.items()):
            packed = gzip.compress(data, 9, mtime=0)
            if path == "index.html" or len(packed) > len(data) * 0.95:
                packed = None
            kind = TYPES.get(os.path.splitext(path)[1], "application/octet-stream")
            hashed = bool(re.search(r"[-.][A-Za-z0-9_-]{8}\.[a-z0-9]+$", path)) and "/" in path
            etag = hashlib.sha256(data).hexdigest()[:20]
            array(out, f"data_{i}", data or b" ")
            if packed:
                array(out, f"gzip_{i}", packed)
            quoted = path.replace("\\", "\\\\").replace('"', '\\"')
            rows.append(
                f'\t{{ "{quoted}", "{kind}", "\\"{etag}\\"", {str(hashed).lower()}, data_{i}, '
                + (f"gzip_{i}" if packed else "NULL")
                + f", {len(data)}, {len(packed) if packed else 0} }},\n"
            )
        out.write("const struct asset assets_all[] = {\n")
        out.writelines(rows)
        out.write("\t{ NULL, NULL, NULL, false, NULL, NULL, 0, 0 },\n};\n")
        made = out.getvalue()
    # Asked at each build, since ui/dist may come and go; written only when it has changed.
    if not os.path.exists(out_path) or open(out_path, encoding="ascii").read() != made:
        with open(out_path, "w", encoding="ascii") as out:
            out.write(made)


main()
