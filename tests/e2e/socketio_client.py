# SPDX-License-Identifier: GPL-3.0-or-later
"""socketio_client: what the original rig does, by the python-socketio client: its login, its events, its answers."""
import base64, json, re, sys, threading, time
import requests, socketio

server, password, transports = sys.argv[1], sys.argv[2], sys.argv[3].split(",")


def login(word):
    session = requests.Session()
    page = session.get(f"{server}/login", timeout=10)
    assert page.status_code == 200, page.status_code
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text).group(1)
    answer = session.post(f"{server}/login", data={"username": "shed", "password": word, "csrf_token": token},
                          headers={"Referer": f"{server}/login"}, timeout=10)
    return session, answer


session, answer = login("wrong password")
assert answer.status_code == 401 and "Invalid credentials" in answer.text, answer.status_code
session, answer = login(password)
assert answer.status_code == 200 and "Invalid credentials" not in answer.text, answer.status_code
conf = session.get(f"{server}/api/timelapse_config", timeout=10).json()
assert set(conf) == {"image_delay", "temphum_delay", "status_delay"}, conf
api = requests.post(f"{server}/login_api", json={"username": "shed", "password": password}, timeout=10).json()
assert api == {"ok": True, "user": "shed", "is_admin": False}, api

got_conf, ordered, gone = threading.Event(), threading.Event(), threading.Event()
sio = socketio.Client(reconnection=False)


@sio.on("timelapse_conf")
def on_conf(data):
    print("timelapse_conf", json.dumps(data), flush=True)
    got_conf.set()


@sio.on("printerAction")
def on_action(data):
    print("printerAction", json.dumps(data), flush=True)
    sio.emit("printerAction", {"action": data["action"], "result": data["action"] != "home"})
    ordered.set()


@sio.on("server_shutdown")
def on_shutdown(*_):
    print("server_shutdown", flush=True)
    gone.set()


# Without the cookie nobody gets in.
stranger = socketio.Client(reconnection=False)
try:
    stranger.connect(server, auth={"role": "client"}, transports=transports)
    raise SystemExit("a stranger was let in")
except socketio.exceptions.ConnectionError:
    pass
cookies = "; ".join(f"{c.name}={c.value}" for c in session.cookies)
sio.connect(server, headers={"Cookie": cookies}, auth={"role": "client"}, transports=transports, wait_timeout=20)
assert got_conf.wait(10), "no timelapse_conf"
print("transport", sio.transport(), flush=True)
with open(sys.argv[4], "rb") as f:
    picture = base64.b64encode(f.read()).decode()
sio.emit("temphum", {"temperature": 23.5, "humidity": 41.0})
sio.emit("image", {"image": picture})
sio.emit("image")
sio.emit("status", {"running_and_printing": True, "bed_temperature": 60.0, "nozzle_temperature": 220.0, "file_name": "Benchy", "percentage": 42,
                    "remaining_time": 17, "print_speed": 100, "current_layer": 3, "total_layers": 100, "nozzle_type": "hardened steel",
                    "nozzle_diameter": 0.4, "print_error_code": 0, "status": "PRINTING", "gcode_status": "RUNNING", "timelapse_status": True})
print("told", flush=True)
limit = time.monotonic() + 60
while time.monotonic() < limit and not gone.is_set() and sio.connected:
    time.sleep(0.1)
sio.disconnect()
