#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""rig_compare: what the rig has on disk against what the hub has of it: nothing lost, nothing twice.

rig_compare.py snapshot RIG_DATA OUT: what must have come by and by. rig_compare.py check OUT HUB_DATA: 0 if it has.
rig_compare.py feed RIG_DATA: twenty notices a second, each with its news in one transaction, as the program writes them."""
import collections, json, random, sqlite3, sys, time


def rows(data, sql):
    db = sqlite3.connect(f"file:{data}/bedside.db?mode=ro", uri=True, timeout=30)
    with db:
        return db.execute(sql).fetchall()


def frames(data):
    for (session,) in rows(data, "SELECT id FROM sessions"):
        try:
            with open(f"{data}/sessions/{session}/manifest") as f:
                for line in f:
                    entry = json.loads(line[: line.rindex("}") + 1])
                    if entry.get("file") and "n" in entry:
                        yield f"{session}/{entry['n']}"
        except (OSError, ValueError):
            pass


def snapshot(data, out):
    whole = {
        "layer": [f"{j}/{n}" for j, n in rows(data, "SELECT job, number FROM layers")],
        "job": [i for (i,) in rows(data, "SELECT id FROM jobs")],
        "session": [i for (i,) in rows(data, "SELECT id FROM sessions")],
        "film": [i for (i,) in rows(data, "SELECT id FROM films")],
        "notice": [i for (i,) in rows(data, "SELECT id FROM notices")],
        "frame": list(frames(data)),
        "done": rows(data, "SELECT id, n_frames, outcome FROM sessions WHERE state = 'done'"),
        "acked": rows(data, "SELECT next, acked, n_dropped FROM outbox_state")[0],
    }
    with open(out, "w") as f:
        json.dump(whole, f)
    print({k: len(v) for k, v in whole.items()})


def check(out, hub):
    whole = json.load(open(out))
    news = rows(hub, "SELECT kind, ref, body FROM rig_news")
    places = rows(hub, "SELECT place, count(*) FROM rig_news GROUP BY rig, place HAVING count(*) > 1")
    have = collections.defaultdict(dict)
    for kind, ref, body in news:
        have[kind][ref] = json.loads(body)
    faults = [f"{kind} {ref} is missing" for kind in ("layer", "job", "session", "film", "notice", "frame")
              for ref in whole[kind] if ref not in have[kind]]
    for session, n, outcome in whole["done"]:
        s = have["session"].get(session, {})
        if s.get("n_frames") != n or s.get("outcome") != outcome:
            faults.append(f"session {session} ended with {n} pictures, the hub says {s.get('n_frames')} {s.get('outcome')}")
    # Frames of a session are numbered without gaps: neither may the hub have any, nor one that is not there.
    by_session = collections.defaultdict(list)
    for ref in have["frame"]:
        by_session[ref.split("/")[0]].append(int(ref.split("/")[1]))
    for session, numbers in by_session.items():
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            faults.append(f"frames of {session} have gaps: {sorted(numbers)[:20]}")
    ((committed, newest),) = rows(hub, "SELECT sum(n_news), (SELECT sum(have) FROM rig_streams) FROM rigs")
    if committed > newest or places:
        faults.append(f"{committed} news were committed of {newest} numbers: some twice")
    for f in faults[:10]:
        print(f)
    if not faults:
        print(f"all there: {committed} news of {newest} numbers (a later one takes an earlier one's place)")
    return 1 if faults else 0


def feed(data):
    db = sqlite3.connect(f"{data}/bedside.db", timeout=30, isolation_level=None)
    while True:
        ref = "01" + "".join(random.choice("0123456789ABCDEFGHJKMNPQRSTVWXYZ") for _ in range(24))
        at = int(time.time() * 1000)
        body = {"id": ref, "at": "2026-11-21T17:00:05.000Z", "level": "info", "topic": "test", "subject": "a1", "text": f"number {ref}"}
        db.execute("BEGIN IMMEDIATE")
        db.execute("INSERT INTO notices VALUES (?, ?, 0, 'test', 'a1', ?)", (ref, at, body["text"]))
        db.execute("INSERT INTO outbox SELECT next, ?, 'notice', ?, ? FROM outbox_state", (at, ref, json.dumps(body)))
        db.execute("UPDATE outbox_state SET next = next + 1")
        db.execute("COMMIT")
        time.sleep(0.05)


if sys.argv[1] == "feed":
    feed(sys.argv[2])
elif sys.argv[1] == "snapshot":
    snapshot(*sys.argv[2:4])
else:
    sys.exit(check(*sys.argv[2:4]))
