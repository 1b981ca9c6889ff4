#!/usr/bin/env bash
# A rig and its hub in two network namespaces: the memory of a rig with one camera that sends previews (limit 22 MB PSS), and
# how much of the link it uses when it catches up after hours without its hub (at least 80 %), with nothing lost or doubled.
# Beyond a limit it ends with 1.
# RATE: of the link in Mbit/s (10 if absent). NEWS: how many wait (40000). Needs root, ip and tc.
set -euo pipefail
[ "$(id -u)" = 0 ] && command -v tc >/dev/null || { echo "skipped: needs root, ip and tc"; exit 0; }
tmp=$(mktemp -d)
pids=()
h=bench-hub-$$ r=bench-rig-$$ rate=${RATE:-10} news=${NEWS:-40000}
trap 'kill "${pids[@]}" 2>/dev/null || true; wait 2>/dev/null || true; ip netns del $h 2>/dev/null; ip netns del $r 2>/dev/null; rm -rf "$tmp"' EXIT
ip netns add "$h"
ip netns add "$r"
ip -n "$r" link add eth0 type veth peer name eth0 netns "$h"
ip -n "$r" addr add 10.231.8.1/24 dev eth0
ip -n "$h" addr add 10.231.8.2/24 dev eth0
for n in "$r" "$h"; do
  ip -n "$n" link set eth0 up
  ip -n "$n" link set lo up
  # Packets as large as on a wire, at the rate of the link.
  ip netns exec "$n" ethtool -K eth0 tso off gso off gro off 2>/dev/null || true
  ip netns exec "$n" tc qdisc add dev eth0 root tbf rate "${rate}mbit" burst 32kb latency 200ms
done
in_hub() { ip netns exec "$h" curl -s "$@"; }
member() { python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
at=http://10.231.8.2:8484
printf 'web: {listen: 10.231.8.2}\n' >"$tmp/hub.yaml"
ip netns exec "$h" "$BEDSIDE" serve --config "$tmp/hub.yaml" --data "$tmp/hub" >"$tmp/hub.log" 2>&1 &
pids+=($!)
until grep -q 'is up' "$tmp/hub.log"; do sleep 0.1; done
token=$(sed -n 's/.*token=//p' "$tmp/hub.log")
in_hub -c "$tmp/jar" -o /dev/null "$at/?token=$token"
csrf=$(in_hub -b "$tmp/jar" -c "$tmp/jar" -H 'Content-Type: application/json' -d '{"name":"root","password":"correct horse"}' "$at/api/v1/setup" | member csrf)
code=$(in_hub -b "$tmp/jar" -H "X-Bedside-Csrf: $csrf" -X POST "$at/api/v1/rigs/codes" | member code)

# 640x480, as a camera program would give it.
python3 - "$tmp/picture.jpg" <<'PY'
import struct, sys
# A baseline JPEG of 640x480 made by hand: one grey block after the other, entropy-coded zeros, padded with comments to 60 kB.
dht = bytes.fromhex("ffc4001f0000010501010101010100000000000000000102030405060708090a0b")
acs = bytes.fromhex("ffc400141001000000000000000000000000000000") + b"\x00"
head = b"\xff\xd8\xff\xdb\x00\x43\x00" + bytes([16] * 64) + b"\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 480, 640) + b"\x01\x01\x11\x00" + dht + acs
bits = "000" * 0
for _ in range(80 * 60):
    bits += "00" + "0"
bits += "1" * (-len(bits) % 8)
data = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)).replace(b"\xff", b"\xff\x00")
comment = b"\xff\xfe" + struct.pack(">H", 58002) + b" " * 58000
open(sys.argv[1], "wb").write(head[:2] + comment + head[2:] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + data + b"\xff\xd9")
PY
cat >"$tmp/rig.yaml" <<EOF
web: {port: 8485}
cameras: [{name: Pi, driver: exec, command: [cat, $tmp/picture.jpg], poll: 1s}]
EOF
start_rig() {
  : >"$tmp/rig.out"
  ip netns exec "$r" "$BEDSIDE" serve --config "$tmp/rig.yaml" --data "$tmp/rig" >"$tmp/rig.out" 2>>"$tmp/rig.log" &
  rig=$!
  pids+=("$rig")
  until grep -q 'is up' "$tmp/rig.out"; do sleep 0.1; done
}
ip netns exec "$r" "$BEDSIDE" rig pair --name bench --config "$tmp/rig.yaml" --data "$tmp/rig" "$at" "$code" >/dev/null 2>&1
start_rig
sleep "${SETTLE:-45}"
n_previews=$(in_hub -b "$tmp/jar" "$at/api/v1/rigs" | python3 -c 'import json,sys; print(len(json.load(sys.stdin)["rigs"][0]["pictures"]))')
[ "$n_previews" = 1 ] || { echo "no preview came: $(tail -n 3 "$tmp/rig.log")"; exit 1; }
pid=$(pgrep -P "$rig" | head -n 1 || true)
[ -r "/proc/$rig/smaps_rollup" ] && grep -q bedside "/proc/$rig/comm" && pid=$rig
rc=0
awk '/^Pss:/ { p = $2 / 1024 } /^Rss:/ { r = $2 / 1024 } END {
  printf "rig, one camera, a preview each 10 s, no session: %.1f MB PSS, %.1f MB RSS (limit 22)%s\n", p, r, (p > 22 ? ": too much" : "")
  exit p > 22 }' "/proc/$pid/smaps_rollup" || rc=1

# ---- catching up
kill "$rig"
wait "$rig" 2>/dev/null || true
python3 - "$tmp/rig/bedside.db" "$news" <<'PY'
import json, sqlite3, sys
db, n = sqlite3.connect(sys.argv[1]), int(sys.argv[2])
(first,) = db.execute("SELECT next FROM outbox_state").fetchone()
job = "01JDA0000000000000000JB001"
db.executemany("INSERT INTO outbox VALUES (?, ?, ?, ?, ?)", (
    (first + i, 1795257605000 + 90 * i, "layer", f"{job}/{i}",
     json.dumps({"job": job, "printer": "a1", "number": i, "layers": n, "z_mm": round(0.2 * i, 2), "at": "2026-11-21T17:00:05.000Z",
                 "confidence": 0.95, "reason": "reported by the printer", "is_catching_up": False}, separators=(",", ":"))) for i in range(n)))
db.execute("UPDATE outbox_state SET next = next + ?", (n,))
db.commit()
PY
tx() { ip netns exec "$r" cat /sys/class/net/eth0/statistics/tx_bytes; }
before=$(tx)
start_rig
python3 - "$tmp/hub/bedside.db" "$r" "$rate" "$news" "$before" <<'PY' || rc=1
import sqlite3, subprocess, sys, time
hub, ns, rate, news, before = sys.argv[1], sys.argv[2], float(sys.argv[3]) * 1e6, int(sys.argv[4]), int(sys.argv[5])
p = subprocess.Popen(["ip", "netns", "exec", ns, "sh", "-c", "while read x; do cat /sys/class/net/eth0/statistics/tx_bytes; done"],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
samples, db = [], sqlite3.connect(f"file:{hub}?mode=ro", uri=True, timeout=30)
count = lambda: db.execute("SELECT count(*) FROM rig_news WHERE kind = 'layer'").fetchone()[0]
limit, have = time.monotonic() + 600, 0
while have < news and time.monotonic() < limit:
    p.stdin.write("\n"); p.stdin.flush()
    samples.append((time.monotonic(), int(p.stdout.readline()) - before))
    time.sleep(0.1)
    have = count()
p.stdin.close()
total = samples[-1][1]
begin = next(t for t, b in samples if b > 0.05 * total)
end = next(t for t, b in samples if b > 0.95 * total)
used = 0.9 * total * 8 / (end - begin) / rate
(n_news, have_number) = db.execute("SELECT n_news, (SELECT max(have) FROM rig_streams) FROM rigs").fetchone()
print(f"catching up, {news} news over {rate / 1e6:.0f} Mbit/s: {end - begin:.1f} s for nine tenths of {total / 1e6:.1f} MB, "
      f"{100 * used:.0f} % of the link (limit 80); {have} of {news} there, {n_news} committed of {have_number} numbers"
      + (": too slow" if used < 0.8 else ""))
sys.exit(have != news or n_news > have_number or used < 0.8)
PY
exit $rc
