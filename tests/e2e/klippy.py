# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Klipper's host program, as far as Moonraker and macros look at it.

klippy.py SOCKET GCODES [MACROS]: JSON objects ended by 0x03 over a unix socket, as in
https://www.klipper3d.org/API_Server.html. It "prints" the files of GCODES: moves at once, G4 takes its time
divided by $KLIPPY_SPEED. Macros of the file MACROS are Jinja templates, as Klipper's are.
"""
import asyncio
import collections
import configparser
import json
import os
import re
import signal
import sys
import time

import jinja2

Coord = collections.namedtuple("Coord", "x y z e")
SPEED = float(os.environ.get("KLIPPY_SPEED", "1"))
ENDPOINTS = ["info", "emergency_stop", "list_endpoints", "objects/list", "objects/query", "objects/subscribe",
             "gcode/help", "gcode/script", "gcode/restart", "gcode/firmware_restart", "gcode/subscribe_output",
             "pause_resume/pause", "pause_resume/resume", "pause_resume/cancel", "query_endstops/status",
             "register_remote_method"]


class Fault(Exception):
    pass


class Klippy:
    def __init__(self, gcodes, macros):
        self.gcodes = gcodes
        self.state, self.message = "ready", "Printer is ready"
        self.writers, self.remote, self.subscribed = [], {}, {}
        self.lock = asyncio.Lock()
        self.at = [0.0, 0.0, 0.0, 0.0]
        self.homed, self.absolute, self.absolute_e, self.e_base = "", True, True, 0.0
        self.feed, self.nozzle, self.bed, self.fan = 1500.0, 0.0, 0.0, 0.0
        self.file, self.size, self.position = "", 0, 0
        self.stats, self.begun, self.is_active, self.is_paused = "standby", 0.0, False, False
        self.job = None
        self.templates, self.variables, self.delayed, self.timers = {}, {}, {}, {}
        if macros:
            self.read_macros(macros)

    # ---- macros ----

    def read_macros(self, path):
        env = jinja2.Environment("{%", "%}", "{", "}")
        config = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
        config.read(path)
        for section in config.sections():
            kind, _, name = section.partition(" ")
            template = env.from_string(config.get(section, "gcode"))
            if kind == "gcode_macro":
                self.templates[name.upper()] = template
                self.variables[name.upper()] = {
                    k[len("variable_"):]: eval(v, {}) for k, v in config.items(section) if k.startswith("variable_")}
            elif kind == "delayed_gcode":
                self.delayed[name.upper()] = template

    def printer(self):
        objects = {k: dict(v) for k, v in self.objects().items()}
        for name, values in self.variables.items():
            objects["gcode_macro " + name] = values
        objects["toolhead"].update(axis_minimum=Coord(0, 0, -2, 0), axis_maximum=Coord(250, 250, 240, 0))
        objects["gcode_move"]["gcode_position"] = Coord(*self.at)
        objects["extruder"]["can_extrude"] = True
        objects["configfile"] = {"settings": {}}
        return objects

    async def render(self, template, params, variables):
        def remote(method, **kwargs):
            client = self.remote.get(method)
            if client:
                client({**client.template[method], "params": kwargs})
            return ""

        def fail(text):
            raise Fault(text)
        text = template.render(printer=self.printer(), params=params, action_call_remote_method=remote,
                               action_raise_error=fail, action_respond_info=lambda text: "", **variables)
        for line in text.split("\n"):
            await self.run(line)

    async def later(self, name, seconds):
        await asyncio.sleep(seconds)
        self.timers.pop(name, None)
        async with self.lock:
            await self.render(self.delayed[name], {}, {})
        self.tell()

    # ---- G-code ----

    async def run(self, line):
        line = line.split(";")[0].split("#")[0].strip()
        if not line:
            return
        word = line.split()[0].upper()
        if word in self.templates:
            params = {k.upper(): v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|\S+)', line)}
            await self.render(self.templates[word], params, self.variables[word])
        elif word == "SET_GCODE_VARIABLE":
            macro, name, value = re.match(r'.*MACRO=(\S+)\s+VARIABLE=(\S+)\s+VALUE=(.*)$', line, re.I).groups()
            if macro.upper() not in self.variables or name not in self.variables[macro.upper()]:
                raise Fault("Unknown gcode_macro variable '%s'" % name)
            self.variables[macro.upper()][name] = eval(value, {})
        elif word == "UPDATE_DELAYED_GCODE":
            name, seconds = re.match(r'.*ID=(\S+)\s+DURATION=(\S+)', line).groups()
            if name.upper() in self.timers:
                self.timers.pop(name.upper()).cancel()
            if float(seconds) > 0:
                self.timers[name.upper()] = asyncio.ensure_future(self.later(name.upper(), float(seconds)))
        elif word == "SDCARD_PRINT_FILE":
            self.start(re.search(r'FILENAME="?([^"]+)"?', line).group(1))
        elif word == "PAUSE":
            self.pause()
        elif word == "RESUME":
            self.resume()
        elif word == "CANCEL_PRINT":
            self.cancel()
        else:
            await self.builtin(word, {k.upper(): float(v) for k, v in re.findall(r'([A-Za-z])(-?[\d.]+)', line[len(word):])})

    async def builtin(self, word, args):
        if word in ("G0", "G1"):
            if self.homed != "xyz" and set(args) & set("XYZ"):
                raise Fault("Must home axis first")
            self.feed = args.get("F", self.feed)
            for i, axis in enumerate("XYZ"):
                if axis in args:
                    self.at[i] = args[axis] + (0 if self.absolute else self.at[i])
            if not (0 <= self.at[0] <= 250 and 0 <= self.at[1] <= 250 and -2 <= self.at[2] <= 240):
                raise Fault("Move out of range: %.3f %.3f %.3f" % tuple(self.at[:3]))
            if "E" in args:
                self.at[3] = args["E"] + (0 if self.absolute_e else self.at[3])
        elif word == "G4":
            await asyncio.sleep(args.get("P", 0) / 1000 / SPEED)
        elif word == "G28":
            self.homed, self.at[:3] = "xyz", [0.0, 0.0, 5.0]
        elif word == "G92":
            self.at[3] = args.get("E", self.at[3])
        elif word in ("G90", "G91"):
            self.absolute = word == "G90"
        elif word in ("M82", "M83"):
            self.absolute_e = word == "M82"
        elif word in ("M104", "M109"):
            self.nozzle = args.get("S", 0)
        elif word in ("M140", "M190"):
            self.bed = args.get("S", 0)
        elif word == "M106":
            self.fan = args.get("S", 255) / 255
        elif word not in ("M400", "G21", "M201", "M203", "M204", "M205", "M220", "M221", "SAVE_GCODE_STATE",
                          "RESTORE_GCODE_STATE", "SET_HEATER_TEMPERATURE", "M107", "M84", "M117"):
            raise Fault("Unknown command:\"%s\"" % word)

    # ---- the print ----

    def start(self, name):
        if self.is_active or self.stats == "paused":
            raise Fault("SD busy")
        path = os.path.join(self.gcodes, name)
        if not os.path.isfile(path):
            raise Fault("Unable to open file")
        self.file, self.size, self.position = name, os.path.getsize(path), 0
        self.stats, self.begun, self.is_paused = "printing", time.monotonic(), False
        self.is_active = True
        self.job = asyncio.ensure_future(self.print_file(path))

    async def print_file(self, path):
        with open(path, "rb") as f:
            while True:
                while self.is_paused:
                    await asyncio.sleep(0.02)
                self.is_active = True
                self.position = f.tell()
                line = f.readline()
                if not line:
                    break
                try:
                    async with self.lock:
                        await self.run(line.decode("utf-8", "replace"))
                except Fault as e:
                    self.stats, self.is_active, self.message_of_stats = "error", False, str(e)
                    self.tell()
                    return
                await asyncio.sleep(0)
        self.stats, self.is_active = "complete", False
        self.tell()

    def pause(self):
        if not self.is_paused:
            self.is_paused = True
            if self.is_active:
                self.is_active, self.stats = False, "paused"

    def resume(self):
        if self.is_paused:
            self.is_paused = False
            if self.stats == "paused":
                self.stats, self.is_active = "printing", True

    def cancel(self):
        if self.job:
            self.job.cancel()
        self.is_paused = self.is_active = False
        if self.stats in ("printing", "paused"):
            self.stats = "cancelled"

    def shut_down(self):
        self.state, self.message = "shutdown", "MCU 'mcu' shutdown: Timer too close"
        if self.job:
            self.job.cancel()
        self.is_active = False
        if self.stats in ("printing", "paused"):
            self.stats = "error"
        self.tell()

    def restart(self):
        """The host program begins anew: its connections end."""
        self.state, self.message, self.stats, self.homed = "ready", "Printer is ready", "standby", ""
        self.subscribed, self.remote = {}, {}
        for writer in self.writers:
            asyncio.get_running_loop().call_later(0.2, writer.close)
        self.writers = []

    # ---- what is asked ----

    def objects(self):
        x = list(self.at)
        macros = {"gcode_macro " + name: values for name, values in self.variables.items()}
        return {
            **macros,
            "webhooks": {"state": self.state, "state_message": self.message},
            "print_stats": {"filename": self.file, "total_duration": time.monotonic() - self.begun if self.begun else 0.0,
                            "print_duration": time.monotonic() - self.begun if self.begun else 0.0, "filament_used": 0.0,
                            "state": self.stats, "message": "", "info": {"total_layer": None, "current_layer": None}},
            "virtual_sdcard": {"file_path": self.file or None, "progress": self.position / self.size if self.size else 0.0,
                               "is_active": self.is_active, "file_position": self.position, "file_size": self.size},
            "display_status": {"progress": 0.0, "message": None},
            "pause_resume": {"is_paused": self.is_paused},
            "idle_timeout": {"state": "Ready", "printing_time": 0.0},
            "toolhead": {"homed_axes": self.homed, "position": x, "axis_minimum": [0.0, 0.0, -2.0, 0.0],
                         "axis_maximum": [250.0, 250.0, 240.0, 0.0], "extruder": "extruder"},
            "gcode_move": {"gcode_position": x, "position": x, "speed": self.feed, "speed_factor": 1.0, "extrude_factor": 1.0,
                           "absolute_coordinates": self.absolute, "absolute_extrude": self.absolute_e,
                           "homing_origin": [0.0, 0.0, 0.0, 0.0]},
            "motion_report": {"live_position": x, "live_velocity": 0.0, "live_extruder_velocity": 0.0},
            "extruder": {"temperature": self.nozzle or 24.0, "target": self.nozzle},
            "heater_bed": {"temperature": self.bed or 23.0, "target": self.bed},
            "fan": {"speed": self.fan, "rpm": None},
            "configfile": {"config": {"virtual_sdcard": {"path": self.gcodes}}, "settings": {}},
        }

    def pick(self, wanted):
        everything = self.objects()
        return {name: {k: v for k, v in everything[name].items() if fields is None or k in fields}
                for name, fields in wanted.items() if name in everything}

    async def call(self, client, method, params):
        if method == "info":
            return {"state": self.state, "state_message": self.message, "hostname": "standin", "software_version": "v0.12.0-standin",
                    "klipper_path": "/nowhere/klipper", "python_path": sys.executable, "process_id": os.getpid(),
                    "user_id": os.getuid(), "group_id": os.getgid(), "log_file": "/dev/null", "config_file": "/nowhere/printer.cfg",
                    "cpu_info": "stand-in"}
        if method == "list_endpoints":
            return {"endpoints": ENDPOINTS}
        if method == "objects/list":
            return {"objects": list(self.objects())}
        if method == "objects/query":
            return {"eventtime": time.monotonic(), "status": self.pick(params.get("objects", {}))}
        if method == "objects/subscribe":
            self.subscribed[client] = (params.get("objects", {}), params.get("response_template", {}), {})
            return {"eventtime": time.monotonic(), "status": self.pick(params.get("objects", {}))}
        if method == "register_remote_method":
            self.remote[params["remote_method"]] = client
            client.template[params["remote_method"]] = params["response_template"]
            return {}
        if method == "gcode/script":
            if params.get("script", "").strip() in ("RESTART", "FIRMWARE_RESTART"):
                self.restart()
                return {}
            if "script" not in params:
                raise Fault("Missing Argument [script]")
            if self.state != "ready":
                raise Fault("Klippy Host not ready")
            for line in params.get("script", "").split("\n"):
                async with self.lock:
                    await self.run(line)
            self.tell()
            return {}
        if method == "pause_resume/pause":
            async with self.lock:
                self.pause()
        elif method == "pause_resume/resume":
            async with self.lock:
                self.resume()
        elif method == "pause_resume/cancel":
            self.cancel()
        elif method in ("gcode/restart", "gcode/firmware_restart"):
            self.restart()
        elif method == "emergency_stop":
            self.shut_down()
        elif method == "gcode/help":
            return {}
        self.tell()
        return {}

    def tell(self):
        for client, (wanted, template, last) in list(self.subscribed.items()):
            now, news = self.pick(wanted), {}
            for name, fields in now.items():
                changed = {k: v for k, v in fields.items() if last.get(name, {}).get(k, self) != v}
                if changed:
                    news[name] = changed
            self.subscribed[client] = (wanted, template, now)
            if news:
                client({**template, "params": {"eventtime": time.monotonic(), "status": news}})

    async def tick(self):
        while True:
            await asyncio.sleep(0.25)
            self.tell()

    async def serve(self, reader, writer):
        def client(message):
            if not writer.is_closing():
                writer.write(json.dumps(message).encode() + b"\x03")
        client.template = {}
        self.writers.append(writer)

        async def answer(request):
            try:
                reply = {"result": await self.call(client, request["method"], request.get("params") or {})}
            except Fault as e:
                reply = {"error": {"error": "WebRequestError", "message": str(e)}}
            if "id" in request:
                client({"id": request["id"], **reply})
        try:
            while True:
                asyncio.ensure_future(answer(json.loads((await reader.readuntil(b"\x03"))[:-1])))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.subscribed.pop(client, None)
            self.remote = {k: v for k, v in self.remote.items() if v is not client}


async def main():
    klippy = Klippy(sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, klippy.shut_down)
    await asyncio.start_unix_server(klippy.serve, sys.argv[1], limit=1 << 22)
    print("ready", flush=True)
    await klippy.tick()


asyncio.run(main())
