# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a PrusaLink what our link asks, right and wrong, through one print, and writes down what it answers.

prusalink_record.py URL USER PASSWORD KEY STORAGE/FILE: the file is printed. One JSON object of answers.
"""
import json
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL, USER, PASSWORD, KEY, FILE = sys.argv[1:6]
said = {}


def ask(name, path, method="GET", key=KEY):
    request = urllib.request.Request(URL + path, method=method, headers={"Accept": "application/json", **({"X-Api-Key": key} if key else {})})
    try:
        reply = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as e:
        reply = e
    text, answer = reply.read(), {"code": reply.status}
    challenge = reply.headers.get("WWW-Authenticate")
    if challenge:
        answer["challenge"] = urllib.request.parse_keqv_list(urllib.request.parse_http_list(challenge.partition(" ")[2]))
        answer["challenge"]["scheme " + challenge.partition(" ")[0]] = True
    if text and "json" in reply.headers.get("Content-Type", ""):
        answer["body"] = json.loads(text)
    if name:
        said[name] = answer
    return answer.get("body", {})


def log_in(name, password):
    """By curl, which knows every kind of digest."""
    text = subprocess.run(["curl", "-s", "--digest", "-u", USER + ":" + password, "-w", "\n%{http_code}", URL + "/api/version"],
                          check=True, capture_output=True, text=True).stdout
    body, _, code = text.rpartition("\n")
    said[name] = {"code": int(code), **({"body": json.loads(body)} if code == "200" else {})}


def state():
    return ask(None, "/api/v1/status")["printer"]["state"]


def until(wanted):
    for _ in range(300):
        if state() == wanted:
            return
        time.sleep(0.1)
    sys.exit("it is %s, not %s: %s" % (state(), wanted, said))


ask("no login", "/api/version", key=None)
ask("wrong key", "/api/version", key="0" * 16)
log_in("digest", PASSWORD)
log_in("digest wrong", "wrong")
for path in ("/api/version", "/api/v1/info", "/api/v1/storage", "/api/v1/transfer", "/api/printer", "/api/v1/nowhere"):
    ask(path, path)
ask("status idle", "/api/v1/status")
ask("job idle", "/api/v1/job")
ask("files", "/api/v1/files/" + FILE.split("/")[0])
ask("file", "/api/v1/files/" + FILE)
ask("file unknown", "/api/v1/files/%s/nowhere.gcode" % FILE.split("/")[0])
ask("start unknown", "/api/v1/files/%s/nowhere.gcode" % FILE.split("/")[0], "POST")
ask("start", "/api/v1/files/" + FILE, "POST")
until("PRINTING")
time.sleep(2)
ask("status printing", "/api/v1/status")
job = ask("job printing", "/api/v1/job")
here = "/api/v1/job/%d" % job["id"]
ask("start again", "/api/v1/files/" + FILE, "POST")
ask("resume printing", here + "/resume", "PUT")
ask("pause another", "/api/v1/job/999999/pause", "PUT")
ask("stop another", "/api/v1/job/999999", "DELETE")
ask("pause", here + "/pause", "PUT")
until("PAUSED")
ask("status paused", "/api/v1/status")
ask("job paused", "/api/v1/job")
ask("pause again", here + "/pause", "PUT")
ask("resume", here + "/resume", "PUT")
until("PRINTING")
ask("old job", "/api/job")
download = urllib.parse.quote(job["file"]["refs"]["download"])
ask("download", download)
ask("download no login", download, key=None)
ask("stop", here, "DELETE")
until("STOPPED")
ask("status stopped", "/api/v1/status")
ask("job stopped", "/api/v1/job")
ask("stop again", here, "DELETE")
ask("pause stopped", here + "/pause", "PUT")
print(json.dumps(said, indent=1, sort_keys=True))
