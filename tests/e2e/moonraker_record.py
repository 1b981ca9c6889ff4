# SPDX-License-Identifier: GPL-3.0-or-later
"""Talks to a Moonraker over its WebSocket as our link does, and writes down what comes.

moonraker_record.py URL KEY FILE [SHUTDOWN]: FILE is printed; SHUTDOWN is run to make Klipper shut down, else it does by
itself. One JSON object of answers: what was asked, "notice" each notification. Wants tornado, which Moonraker has.
"""
import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request

from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

URL, KEY, FILE = sys.argv[1:4]
SHUTDOWN = sys.argv[4] if len(sys.argv) > 4 else None
OBJECTS = {"webhooks": None, "print_stats": None, "virtual_sdcard": None, "display_status": None, "toolhead": None,
           "gcode_move": None, "motion_report": None, "extruder": None, "heater_bed": None, "fan": None,
           "gcode_macro TIMELAPSE_TAKE_FRAME": None}
said = {}


def merge(into, news):
    for k, v in news.items():
        if isinstance(v, dict) and isinstance(into.get(k), dict):
            merge(into[k], v)
        else:
            into[k] = v


class Socket:
    async def open(self, path="/websocket", headers=None):
        self.ws = await websocket_connect(HTTPRequest(URL.replace("http", "ws") + path, headers=headers or {}))
        self.n = 0
        return self

    async def hear(self):
        text = await asyncio.wait_for(self.ws.read_message(), 60)
        if text is None:
            raise EOFError("the socket was closed")
        j = json.loads(text)
        if "method" in j:
            name = j["method"]
            if name == "notify_proc_stat_update":
                return {}
            notice = said.setdefault("notice " + name, {})
            params = j.pop("params", None)
            merge(notice, j)
            if params is not None:
                for i, p in enumerate(params if isinstance(params, list) else [params]):
                    merge(notice, {"param %d" % i: p})
        return j

    async def ask(self, name, method, params=None):
        self.n += 1
        await self.ws.write_message(json.dumps({"jsonrpc": "2.0", "method": method, "id": self.n, **({"params": params} if params else {})}))
        while True:
            j = await self.hear()
            if "method" not in j and j.get("id") == self.n:
                del j["id"]
                if name:
                    said[name] = j
                return j

    async def until(self, test):
        # What is awaited may have come before the answer to the question that made it happen.
        while not test():
            await self.hear()


def http(name, path, key=KEY, body=None):
    headers = {"X-Api-Key": key} if key else {}
    if body:
        headers["Content-Type"] = "application/json"
    try:
        with urllib.request.urlopen(urllib.request.Request(URL + path, json.dumps(body).encode() if body else None, headers)) as r:
            said[name] = {"code": r.status, **json.load(r)}
    except urllib.error.HTTPError as e:
        said[name] = {"code": e.code, **json.load(e)}
    return said[name]


async def main():
    loop = asyncio.get_running_loop()

    def web(*args, **kwargs):
        return loop.run_in_executor(None, lambda: http(*args, **kwargs))
    for path in ("/server/info", "/printer/info", "/server/webcams/list"):
        await web("http " + path, path)
    await web("http wrong key", "/server/info", "0" * 32)
    await web("http no key", "/server/info", None)
    await web("http unknown", "/nowhere/at/all")
    await web("http wrong login", "/access/login", None, {"username": "tester", "password": "wrong"})
    login = await web("http login", "/access/login", None, {"username": "tester", "password": "secret word"})
    token = await web("http one-shot", "/access/oneshot_token")
    identity = {"client_name": "Recorder", "version": "1", "type": "agent", "url": "http://localhost"}

    s = await Socket().open()
    await s.ask("nobody server.info", "server.info")
    await s.ask("identify wrong", "server.connection.identify", {**identity, "api_key": "0" * 32})
    s = await Socket().open()
    await s.ask("identify login", "server.connection.identify", {**identity, "access_token": login["result"]["token"], "type": "other"})
    await s.ask("refresh", "access.refresh_jwt", {"refresh_token": login["result"]["refresh_token"]})
    s = await Socket().open("/websocket?token=" + token["result"])
    await s.ask("one-shot server.info", "server.info")
    try:
        await Socket().open("/websocket?token=WRONGWRONGWRONG")
        said["one-shot wrong"] = {"code": 101}
    except HTTPClientError as e:
        said["one-shot wrong"] = {"code": e.code}

    s = await Socket().open()
    await s.ask("identify", "server.connection.identify", {**identity, "api_key": KEY})
    for method in ("server.info", "printer.info", "server.webcams.list", "printer.objects.list", "access.oneshot_token", "no.such_method"):
        await s.ask(method, method)
    await s.ask("register", "connection.register_remote_method", {"method_name": "bedside_frame"})
    await s.ask("query", "printer.objects.query", {"objects": {"motion_report": ["live_position"], "gcode_move": ["gcode_position"],
                                                               "toolhead": ["homed_axes"]}})
    await s.ask("subscribe", "printer.objects.subscribe", {"objects": OBJECTS})
    if "error" in await s.ask("metadata", "server.files.metadata", {"filename": FILE}):
        # Moonraker's first look at two new files at once may fail.
        await s.ask(None, "server.files.metascan", {"filename": FILE})
        await s.ask("metadata", "server.files.metadata", {"filename": FILE})
    await s.ask("metadata unknown", "server.files.metadata", {"filename": "nowhere.gcode"})
    await s.ask("script", "printer.gcode.script", {"script": "G28\nG90\nG1 X50 Y60 F60000"})
    await s.ask("script wrong", "printer.gcode.script", {"script": "G1 X5000 F60000"})
    await s.ask("script missing", "printer.gcode.script", {})
    await s.ask("pause idle", "printer.print.pause")
    await s.ask("start unknown", "printer.print.start", {"filename": "nowhere.gcode"})

    def becomes(state):
        return lambda: said.get("notice notify_status_update", {}).get("param 0", {}).get("print_stats", {}).get("state") == state
    await s.ask("start", "printer.print.start", {"filename": FILE})
    await s.until(becomes("printing"))
    await s.ask("start again", "printer.print.start", {"filename": FILE})
    await s.ask("pause", "printer.print.pause")
    await s.until(becomes("paused"))
    await s.ask("subscribe printing", "printer.objects.subscribe", {"objects": OBJECTS})
    await s.ask("resume", "printer.print.resume")
    await s.until(becomes("printing"))
    await s.ask("cancel", "printer.print.cancel")
    await s.until(becomes("cancelled"))
    await s.until(lambda: said.get("notice notify_history_changed", {}).get("param 0", {}).get("action") == "finished")
    await s.ask("start", "printer.print.start", {"filename": FILE})
    if SHUTDOWN:
        await s.until(becomes("printing"))
        subprocess.run(SHUTDOWN, shell=True, check=True)
    await s.until(lambda: "notice notify_klippy_shutdown" in said)
    await s.ask("shut down server.info", "server.info")
    await s.ask("shut down printer.info", "printer.info")
    await s.ask("shut down script", "printer.gcode.script", {"script": "G28"})
    await s.ask("shut down subscribe", "printer.objects.subscribe", {"objects": OBJECTS})
    await s.ask("restart", "printer.firmware_restart")
    await s.until(lambda: "notice notify_klippy_ready" in said)
    await s.ask("back printer.info", "printer.info")
    print(json.dumps(said, indent=1, sort_keys=True))


asyncio.run(asyncio.wait_for(main(), 180))
