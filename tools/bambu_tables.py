#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes data/bambu/*.json and hms.tsv as one C file.

usage: bambu_tables.py DATA_DIR OUT.c

The HMS table is cut into blocks of about 16 kB, each compressed by itself, with the first code
of each block beside it: a look-up inflates one block and keeps nothing in memory.
"""
import json
import os
import sys
import zlib

BLOCK = 16000


def c_str(s):
    return json.dumps(s, ensure_ascii=True)


def blocks(rows):
    block, first, last = b"", "", ""
    for row in rows:
        line = row.encode("utf-8") + b"\n"
        code = row.split("\t")[0]
        # the rows of one code stay together
        if block and len(block) + len(line) > BLOCK and code != last:
            yield first, block
            block = b""
        if not block:
            first = code
        block += line
        last = code
    if block:
        yield first, block


def main():
    data, out = sys.argv[1], sys.argv[2]

    def load(name):
        with open(os.path.join(data, name), encoding="utf-8") as f:
            return json.load(f)

    with open(os.path.join(data, "hms.tsv"), encoding="utf-8") as f:
        rows = sorted((line.rstrip("\n") for line in f), key=lambda r: (r.split("\t")[0], r.split("\t")[3:]))

    w = ["/* Made by tools/bambu_tables.py; do not edit. */",
         '#include "printers/bambu/tables.h"', ""]
    w.append("const struct bambu_model bambu_models[] = {")
    for m in load("models.json"):
        fields = ", ".join(".%s = %s" % (k, c_str(v) if isinstance(v, str) else str(v).lower())
                           for k, v in m.items())
        w.append("\t{ %s }," % fields)
    w += ["\t{ .code = 0 },", "};", "", "const struct bambu_stage bambu_stages[] = {"]
    pause = {None: "NONE", "user": "USER", "file": "FILE", "runout": "RUNOUT", "error": "ERROR"}
    for s in load("stages.json"):
        w.append("\t{ %d, %s, PRINTER_PAUSE_%s }," % (s["id"], c_str(s["text"]), pause[s["pause"]]))
    w += ["};", "const size_t bambu_n_stages = %d;" % len(load("stages.json")), ""]
    filaments = sorted(load("filaments.json").items())
    w.append("const struct bambu_filament bambu_filaments[] = {")
    w += ["\t{ %s, %s }," % (c_str(k), c_str(v)) for k, v in filaments]
    w += ["};", "const size_t bambu_n_filaments = %d;" % len(filaments), ""]

    index, packed = [], b""
    for first, block in blocks(rows):
        z = zlib.compress(block, 9)
        index.append("\t{ %s, %d, %d, %d }," % (c_str(first), len(packed), len(z), len(block)))
        packed += z
    w.append("const struct bambu_hms_block bambu_hms_blocks[] = {")
    w += index
    w += ["};", "const size_t bambu_n_hms_blocks = %d;" % len(index), ""]
    w.append("const unsigned char bambu_hms_packed[] = {")
    for i in range(0, len(packed), 20):
        w.append("\t" + ", ".join(str(b) for b in packed[i:i + 20]) + ",")
    w.append("};")
    with open(out, "w", encoding="ascii") as f:
        f.write("\n".join(w) + "\n")


main()
