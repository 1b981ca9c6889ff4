# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile and broken jobs for bad_input_test.

bad_files make JOB.3mf DIR: writes them, one file each; JOB is a good one.
bad_files run BEDSIDE DIR: has each read by BEDSIDE: status 1, a sentence, within 2 s and 300 MB.
"""
import io
import os
import random
import struct
import subprocess
import sys
import time
import zipfile
import zlib

MOST_SECONDS = 2 * float(os.environ.get("BEDSIDE_PATIENCE", "1"))
MOST_MEGABYTES = 300


def fault_of(bedside, path):
    begun = time.monotonic()
    child = subprocess.Popen([bedside, "gcode", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    seconds, megabytes = time.monotonic() - begun, usage.ru_maxrss / 1024
    if os.waitstatus_to_exitcode(status) != 1:
        return f"ended with {os.waitstatus_to_exitcode(status)}"
    if os.path.basename(path) not in said or len(said) < len(path) + 10:
        return f"said only {said!r}"
    if seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES:
        return f"took {seconds:.1f} s and {megabytes:.0f} MB"
    return ""


def run(bedside, folder):
    names = sorted(os.listdir(folder))
    faults = [(n, fault_of(bedside, os.path.join(folder, n))) for n in names]
    for name, fault in faults:
        if fault:
            print(f"FAILED: {name}: {fault}")
    print(f"{len(names)} hostile jobs refused" if not any(f for _, f in faults) else "")
    return any(f for _, f in faults)


if sys.argv[1] == "run":
    sys.exit(run(sys.argv[2], sys.argv[3]))

job, folder = sys.argv[2:]
good = open(job, "rb").read()
random.seed(1)


def put(name, data):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def archive(name, members):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        for n, data in members:
            z.writestr(n, data)
    put(name, b.getvalue())


def bomb(name, times, told):
    """A 3MF whose G-code is `times` x 64 MB of zeros and says that it is `told` bytes."""
    c = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = c.compress(bytes(64 << 20)) + c.flush(zlib.Z_FULL_FLUSH)
    body = piece * times + b"\x03\x00"
    path = b"Metadata/plate_1.gcode"
    told &= 0xFFFFFFFF
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 8, 0, 0, 0, len(body), told, len(path), 0) + path
    centre = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 8, 0, 0, 0, len(body), told, len(path),
                         0, 0, 0, 0, 0, 0) + path
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(centre), len(head) + len(body), 0)
    put(name, head + body + centre + end)


put("empty.gcode", b"")
put("noise.gcode", random.randbytes(200000))
put("noise.gcode.3mf", b"PK\x03\x04" + random.randbytes(200000))
put("noise.bgcode", b"GCDE" + random.randbytes(200000))
put("prose.gcode", b"Dear printer, please make me a boat.\n" * 4000)
put("one-line.gcode", b"G1 X1 " + b"9" * 50_000_000)
put("page.gcode.3mf", b"<!doctype html><title>404</title>" * 100)
for part in (1, 30, 60, 99):
    put(f"cut-{part}.gcode.3mf", good[: len(good) * part // 100])
bomb("bomb.gcode.3mf", 160, 160 * (64 << 20))
bomb("bomb-that-lies.gcode.3mf", 160, 1000)
bomb("small-that-lies.gcode.3mf", 1, 0xFFFFFFF0)
archive("no-gcode.3mf", [("3D/3dmodel.model", b"<model/>")])
archive("many.3mf", [(f"x/{i}", b"") for i in range(70000)])
archive("climber.3mf", [("../../../../etc/passwd", b"x"), ("Metadata/plate_1.gcode/../../x", b"x")])
laugh = b"<!DOCTYPE l [<!ENTITY a 'ha'>" + b"".join(
    b"<!ENTITY %c '%s'>" % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)) + b"]><config>&j;</config>"
archive("laughs.3mf", [("Metadata/slice_info.config", laugh), ("Metadata/plate_1.gcode", b"not a command\n" * 99)])
block = struct.pack("<4sIH", b"GCDE", 1, 1)
put("head-only.bgcode", block)
put("old.bgcode", struct.pack("<4sIH", b"GCDE", 99, 1) + bytes(100))
put("huge-block.bgcode", block + struct.pack("<HHII", 1, 1, 0xFFFFFFF0, 0xFFFFFFF0) + bytes(1000))
put("bomb.bgcode", block + struct.pack("<HHIIH", 1, 1, 0xFFFFFFF0, 64 << 10, 0) + zlib.compress(bytes(60 << 20), 9)[: 64 << 10])
