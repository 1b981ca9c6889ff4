# SPDX-License-Identifier: GPL-3.0-or-later
# prusalink_played: the web server of the real PrusaLink (the package prusalink of the Python registry), with a printer behind it
# that is played: it prints one G-code file. usage: prusalink_played.py FOLDER SPEED PORT, a folder with ring.gcode in it.
# User maker, password abcdefgh12345678, key 0123456789abcdef.
import logging
import sys
import threading
import time
from types import SimpleNamespace as Bag
from unittest.mock import MagicMock

from poorwsgi.digest import hexdigest
from prusa.connect.printer.const import State
from prusa.connect.printer.files import Filesystem
from prusa.link.printer_adapter.command import FileNotFound, NotStateToPrint
from prusa.link.printer_adapter.job import Job, JobState
from prusa.link.printer_adapter.structures.model_classes import Telemetry
from prusa.link import conditions
from prusa.link.web import WebServer, files, init_web_app, main
from prusa.link.web.lib.auth import REALM
from prusa.link.web.lib.core import app

logging.disable(logging.CRITICAL)
folder, speed = sys.argv[1], float(sys.argv[2])
MOUNT = "PrusaLink gcodes"
PATH = f"/{MOUNT}/ring.gcode"
LAYERS, LAYER_S = 12, 20

fs = Filesystem()
fs.from_dir(folder, MOUNT)
job = Bag(job_state=JobState.IDLE, job_id=7, selected_file_path=None, selected_file_size=None, selected_file_m_timestamp=0, from_sd=False)
tel = Telemetry(temp_nozzle=24.0, temp_bed=23.0, target_nozzle=0.0, target_bed=0.0, axis_x=10.5, axis_y=20.0, axis_z=0.0, flow=100, speed=100, fan_hotend=0, fan_print=0)


class Printer(MagicMock):
    pass


printer = Printer()
printer.state, printer.fs, printer.sn, printer.nozzle_diameter, printer.firmware = State.IDLE, fs, "CZPX0000X000XC00000", 0.4, "3.13.2"
printer.type, printer.transfer, printer.ready = Bag(name="I3MK3S"), Bag(in_progress=False), False


class Queue:
    def enqueue_command(self, command):
        command()

    do_command = enqueue_command


def start(path, source=None):
    def run():
        if printer.state in (State.PRINTING, State.PAUSED):
            raise NotStateToPrint("Already printing")
        if not fs.get(str(path)):
            raise FileNotFound("No such file")
        job.selected_file_path, job.selected_file_size, job.job_state = PATH, 1, JobState.IN_PROGRESS
        job.job_id += 1
        play.done, printer.state = 0.0, State.PRINTING
    return run


def become(state, ends=False):
    def make(source=None):
        def run():
            printer.state = state
            if ends:
                job.job_state = JobState.IDLE
        return run
    return make


main.PausePrint, main.ResumePrint, main.StopPrint = become(State.PAUSED), become(State.PRINTING), become(State.STOPPED, True)
files.StartPrint = start
Job.get_instance = lambda: Bag(data=job)
conditions.Settings.instance = Bag(use_connect=lambda: False)


def play():
    play.done = 0.0
    while True:
        time.sleep(0.1)
        if printer.state is not State.PRINTING:
            continue
        play.done += 0.1 * speed
        layer = min(int(play.done / LAYER_S), LAYERS - 1)
        tel.axis_z = round(0.2 * (layer + 1), 2)
        tel.progress = min(int(play.done / (LAYERS * LAYER_S) * 100), 100)
        tel.time_printing = 1 + int(play.done)
        tel.time_remaining = int(LAYERS * LAYER_S - play.done)
        if play.done >= LAYERS * LAYER_S:
            printer.state, job.job_state = State.FINISHED, JobState.IDLE


cfg = Bag(debug=False, http=Bag(link_info=False), printer=Bag(directory_name=MOUNT, directory=folder))
local = Bag(username="maker", digest=hexdigest("maker", REALM, "abcdefgh12345678"), api_key="0123456789abcdef")
settings = Bag(service_local=local, is_wizard_needed=lambda: False, service_connect=Bag(hostname="", port=0),
               printer=Bag(name="played", location="", farm_mode=False, network_error_chime=False))
link = Bag(printer=printer, model=Bag(job=job, latest_telemetry=tel), command_queue=Queue(), sd_ready=False,
           camera_configurator=Bag(order=[], loaded={}, camera_controller=None))
init_web_app(Bag(cfg=cfg, settings=settings, prusa_link=link))
threading.Thread(target=play, daemon=True).start()
server = WebServer(app, "127.0.0.1", int(sys.argv[3]))
server.start()
print(sys.argv[3], flush=True)
server.thread.join()
