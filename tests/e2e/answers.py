# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what a simulator answers with what the real one did.

answers.py REAL SIMULATED RULES: two JSON documents, an object of answers each, and a file of rules, a line each:
  read: PATTERN             our link reads it: it must be in both, of the same type
  accept: PATTERN: REASON   a difference that is known; one that is none (any more) is an error too
A path is keys with dots; what stands in arrays is [], whichever it is. In patterns * is any part of a path.
All that the simulator has, the real one must have too, of the same type; what only the real one has, and nobody
reads, may lack. "code" and "status" are compared by value as well.
"""
import fnmatch
import json
import sys

BY_VALUE = ("code", "status")


def kind_of(value):
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    return {dict: "object", list: "array", str: "string", type(None): "null"}[type(value)]


def walk(value, path, found):
    kind = kind_of(value)
    if kind == "number" and path.rsplit(".", 1)[-1] in BY_VALUE:
        kind = "number %d" % value
    found.setdefault(path, set()).add(kind)
    if isinstance(value, dict):
        for k, v in value.items():
            walk(v, path + "." + k if path else k, found)
    elif isinstance(value, list):
        for v in value:
            walk(v, path + "[]", found)
    return found


def fits(path, pattern):
    return fnmatch.fnmatchcase(path.replace("[]", "()"), pattern.replace("[]", "()"))


def main():
    real, simulated = (walk(json.load(open(name)), "", {}) for name in sys.argv[1:3])
    rules = [line.strip().split(": ", 2) for line in open(sys.argv[3]) if line.strip() and not line.startswith("#")]
    differs = {}
    for path, kinds in simulated.items():
        if path not in real:
            differs[path] = "the simulator has it, the real one has not"
        elif not kinds & real[path]:
            differs[path] = "%s in the simulator, %s in the real one" % ("/".join(sorted(kinds)), "/".join(sorted(real[path])))
    for word, pattern, *_ in rules:
        if word != "read":
            continue
        if not any(fits(p, pattern) for p in simulated) and not any(fits(p, pattern) for p in real):
            differs[pattern] = "neither has it"
        for p in real:
            if fits(p, pattern) and p not in simulated:
                differs[p] = "it is read, and the simulator has it not"
    n = 0
    for word, pattern, *why in rules:
        if word == "accept":
            known = [p for p in differs if fits(p, pattern)]
            if not known or not why:
                n += 1
                print("%s: is accepted %s" % (pattern, "without a reason" if known else "but does not differ"))
            for p in known:
                del differs[p]
    for path in sorted(differs):
        print("%s: %s" % (path, differs[path]))
    print("%d answers, %d paths in the real ones, %d in the simulator's; differences: %d" %
          (len({p.split(".")[0] for p in simulated if p}), len(real), len(simulated), n + len(differs)))
    return 1 if n or differs else 0


sys.exit(main())
