# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks an OctoPrint what our link and simple clients ask, right and wrong, and listens to its push socket through one
print; writes down what it answers.

octoprint_record.py URL KEY FILE: FILE is printed. One JSON object of answers: what was asked, "push …" what came by the
socket, "event …" its events. Wants tornado, which OctoPrint has.
"""
import asyncio
import json
import sys
import urllib.error
import urllib.request

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

URL, KEY, FILE = sys.argv[1:4]
LIMIT_S = 120  # for what is waited for
SETTLED = ("Operational", "Printing", "Paused", "Offline")  # the others may be over before they are pushed
said = {}


def merge(into, news):
    for k, v in news.items():
        if isinstance(v, dict) and isinstance(into.get(k), dict):
            merge(into[k], v)
        elif not (k in into and v in (None, [])):  # what is not there for once does not hide what was
            into[k] = v


def http(name, path, body=None, key=KEY, method=None, header="X-Api-Key"):
    headers = {header: key} if key else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(URL + path, json.dumps(body).encode() if body is not None else None, headers, method=method)
    try:
        reply = urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as e:
        reply = e
    text, answer = reply.read(), {"code": reply.status}
    if text and "json" in (reply.headers.get("Content-Type") or ""):
        answer["body"] = json.loads(text)
    if name:
        said[name] = answer
    return answer


async def web(*args, **kwargs):
    return await asyncio.get_running_loop().run_in_executor(None, lambda: http(*args, **kwargs))


class Socket:
    def __init__(self):
        self.state, self.logs, self.events, self.kinds = "", [], [], set()

    async def open(self):
        self.ws = await websocket_connect(HTTPRequest(URL.replace("http", "ws") + "/sockjs/websocket"))
        return self

    async def say(self, j):
        await self.ws.write_message(json.dumps(j))

    async def hear(self):
        text = await asyncio.wait_for(self.ws.read_message(), 60)
        if text is None:
            raise EOFError("the socket was closed")
        for kind, v in json.loads(text).items():
            self.kinds.add(kind)
            if kind == "event":
                self.events.append(v["type"])
                merge(said.setdefault("event " + v["type"], {}), v)
            elif kind in ("current", "history"):
                self.state = v["state"]["text"]
                self.logs += v.get("logs", [])
                if self.state in SETTLED:
                    merge(said.setdefault("push %s %s" % (kind, self.state), {}), {k: x for k, x in v.items() if k != "plugins"})
            elif kind != "plugin":
                merge(said.setdefault("push " + kind, {}), v if isinstance(v, dict) else {"is": v})

    async def until(self, what, test):
        end = asyncio.get_running_loop().time() + LIMIT_S
        while not test() and asyncio.get_running_loop().time() < end:
            await self.hear()
        if not test():
            sys.exit("%s: it is %s, with %s and %s" % (what, self.state, self.events[-8:], self.logs[-8:]))


async def rest():
    # Afresh, with no file chosen.
    await web(None, "/api/connection", {"command": "disconnect"})
    await web(None, "/api/connection", {"command": "connect"})
    for _ in range(LIMIT_S * 5):
        if "tool0" in (await web(None, "/api/printer"))["body"].get("temperature", {}):
            break
        await asyncio.sleep(0.2)
    for name, key in (("no key", None), ("wrong key", "0" * 32)):
        await web(name + " version", "/api/version", key=key)
        await web(name + " printer", "/api/printer", key=key)
        await web(name + " command", "/api/job", {"command": "start"}, key=key)
        await web(name + " download", "/downloads/files/local/" + FILE, key=key)
    await web("bearer", "/api/version", key="Bearer " + KEY, header="Authorization")
    await web("by query", "/api/version?apikey=" + KEY, key=None)
    for path in ("/api/version", "/api/server", "/api/currentuser", "/api/settings", "/api/printerprofiles", "/api/connection", "/api/files",
                 "/api/files/local", "/api/files/local/" + FILE, "/api/job", "/api/printer", "/api/printer/tool", "/api/printer/bed",
                 "/api/printer?exclude=temperature,sd", "/api/nowhere", "/downloads/files/local/" + FILE):
        await web(path, path)
    await web("file unknown", "/api/files/local/nowhere.gcode")
    await web("download unknown", "/downloads/files/local/nowhere.gcode")
    await web("select unknown", "/api/files/local/nowhere.gcode", {"command": "select", "print": True})
    await web("select", "/api/files/local/" + FILE, {"command": "select"})
    await web("job wrong", "/api/job", {"command": "dance"})
    for command in ("pause", "cancel", "restart"):
        await web(command + " idle", "/api/job", {"command": command})
    await web("command wrong", "/api/printer/command", {"order": 1})
    await web("home", "/api/printer/printhead", {"command": "home", "axes": ["x", "y", "z"]})
    await web("jog", "/api/printer/printhead", {"command": "jog", "x": 1})
    await web("tool", "/api/printer/tool", {"command": "target", "targets": {"tool0": 30}})
    await web("bed", "/api/printer/bed", {"command": "target", "target": 30})
    await web("bed wrong", "/api/printer/bed", {"command": "target", "target": "warm"})
    await web("probe", "/plugin/appkeys/probe", key=None)
    for _ in range(LIMIT_S // 2):
        asked = await web("request", "/plugin/appkeys/request", {"app": "Recorder"}, key=None)
        if asked["code"] != 429:  # it takes few a minute, from everybody together
            break
        await asyncio.sleep(2)
    await web("poll", "/plugin/appkeys/request/" + asked["body"]["app_token"], key=None)
    await web("poll unknown", "/plugin/appkeys/request/NOTATOKEN", key=None)


async def push():
    s = await Socket().open()
    login = (await web("login", "/api/login", {"passive": True}))["body"]
    await s.say({"subscribe": {"state": {"logs": True, "messages": True}, "plugins": [], "events": True}})
    await s.until("connected", lambda: "connected" in s.kinds)
    await s.say({"auth": login["name"] + ":" + login["session"]})
    await s.say({"throttle": 1})
    await s.until("idle", lambda: s.state == "Operational" and "current" in s.kinds and "history" in s.kinds)
    await web("script", "/api/printer/command", {"commands": ["G28", "G90", "G1 X50 Y60 Z10 F6000", "M400", "M114"]})
    await s.until("a script", lambda: any(line.startswith("Recv: ") and "X:50" in line and "Z:10" in line for line in s.logs))
    said["push logs"] = {"sends a move": any(line.startswith("Send: ") and "G1 X50" in line for line in s.logs),
                         "sends M400": any(line.startswith("Send: ") and "M400" in line for line in s.logs),
                         "sends M114": any(line.startswith("Send: ") and "M114" in line for line in s.logs),
                         "says ok": any(line.startswith("Recv: ok") for line in s.logs)}
    await s.until("PositionUpdate", lambda: "PositionUpdate" in s.events)
    s.events.clear()
    await web("start", "/api/files/local/" + FILE, {"command": "select", "print": True})
    await s.until("printing", lambda: s.state == "Printing" and "ZChange" in s.events)
    await web("job printing", "/api/job")
    await web("printer printing", "/api/printer?exclude=sd,storage")
    await web("start again", "/api/job", {"command": "start"})
    await web("select printing", "/api/files/local/" + FILE, {"command": "select", "print": True})
    await web("home printing", "/api/printer/printhead", {"command": "home", "axes": ["x", "y", "z"]})
    await web("pause", "/api/job", {"command": "pause", "action": "pause"})
    await s.until("paused", lambda: s.state == "Paused" and said.get("push current Paused", {}).get("temps"))
    await web("pause again", "/api/job", {"command": "pause", "action": "pause"})
    await web("job paused", "/api/job")
    await web("resume", "/api/job", {"command": "pause", "action": "resume"})
    await s.until("resumed", lambda: s.state == "Printing" and "PrintResumed" in s.events)
    await web("cancel", "/api/job", {"command": "cancel"})
    await s.until("cancelled", lambda: s.state == "Operational" and "PrintCancelled" in s.events and "PrintFailed" in s.events)
    s.events.clear()
    await web("start selected", "/api/job", {"command": "start"})
    await s.until("done", lambda: "PrintDone" in s.events and s.state == "Operational")
    await web("job done", "/api/job")
    await web("disconnect", "/api/connection", {"command": "disconnect"})
    await s.until("offline", lambda: s.state.startswith("Offline"))
    await web("printer offline", "/api/printer")
    await web("job offline", "/api/job")
    await web("connection offline", "/api/connection")
    await web("command offline", "/api/printer/command", {"command": "G28"})
    await web("start offline", "/api/job", {"command": "start"})
    s.events.clear()
    await web("connect", "/api/connection", {"command": "connect"})
    await s.until("back", lambda: s.state == "Operational" and "Connected" in s.events)


async def main():
    await rest()
    await push()
    print(json.dumps(said, indent=1, sort_keys=True))


asyncio.run(main())
