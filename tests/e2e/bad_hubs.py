# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub behind TLS that is not what it should be, and others that are none: prints `NAME PORT` lines, then serves.

bad_hubs HUB_PORT CONTROL LOG: in the folder of its own, NAME.pem and NAME.key. CONTROL holds what the port `hub` is now: `hub
NAME`, the real one behind that certificate, or one of KINDS behind the good one, which have ports of their own, too. What was
connected when it changes is cut. LOG gets a line for each connection to the port `hub`."""
import base64
import hashlib
import os
import random
import re
import select
import socket
import ssl
import sys
import threading
import time

hub_port, control, log = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def context(name):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(f"{name}.pem", f"{name}.key")
    return c


def how():
    with open(control) as f:
        return f.read().split()


def ask(s):
    head = b""
    while b"\r\n\r\n" not in head:
        more = s.recv(4096)
        if not more:
            raise OSError("cut")
        head += more
    return head


def answer(s, status, body=b"", more=""):
    ask(s)
    s.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}Connection: close\r\n\r\n".encode() + body)


def websocket(s):
    found = re.search(rb"(?i)sec-websocket-key: *([^\r]+)", ask(s))
    if not found:
        return s.sendall(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
    accept = base64.b64encode(hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    s.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def drip(s):
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 600:
        s.sendall(bytes([byte]))
        time.sleep(1)


def rubbish(s):
    websocket(s)
    s.sendall(b"\x81\x05{\"t\":")
    s.recv(1)


def frames(s):
    websocket(s)
    s.sendall(b"\xf3" + random.randbytes(5000))
    s.recv(1)


def chatter(s):
    """Speaks WebSocket, and of something else."""
    websocket(s)
    for _ in range(600):
        s.sendall(b'\x81\x11{"t":"ack","n":0}')
        time.sleep(1)


def plain_http(s):
    s.recv(4096)
    s.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


KINDS = {
    "none": lambda s: answer(s, "404 Not Found", b"not here"),
    "page": lambda s: answer(s, "200 OK", b"<html>" + b"welcome " * 1000, "Content-Type: text/html\r\n"),
    "moved": lambda s: answer(s, "302 Found", b"", "Location: https://other.example/login\r\n"),
    "silent": lambda s: time.sleep(600),
    "slow": drip,
    "noise": lambda s: (s.sendall(random.randbytes(70000)), time.sleep(600)),
    "closes": lambda s: ask(s),
    "rubbish": rubbish,
    "frames": frames,
    "chatter": chatter,
}


def relay(s, was):
    with socket.create_connection(("127.0.0.1", hub_port)) as hub:
        while how() == was:
            for a, b in ((s, hub), (hub, s)):
                if not (a is s and s.pending()) and not select.select([a], [], [], 0.05)[0]:
                    continue
                data = a.recv(65536)
                if not data:
                    return
                b.sendall(data)


def switch(plain):
    was = how()
    with open(log, "a") as f:
        f.write(f"{time.monotonic():.3f} {' '.join(was)}\n")
    if was[0] == "plain":
        return plain_http(plain)
    with context(was[1] if was[0] == "hub" else "good").wrap_socket(plain, server_side=True) as s:
        if was[0] == "hub":
            return relay(s, was)
        KINDS[was[0]](s)


def kind(answer):
    def one(plain):
        with context("good").wrap_socket(plain, server_side=True) as s:
            answer(s)

    return one


def serve(listener, one):
    def guarded(s):
        with s:
            try:
                one(s)
            except OSError:
                pass

    while True:
        threading.Thread(target=guarded, args=(listener.accept()[0],), daemon=True).start()


for name, one in [("hub", switch), ("plain", plain_http)] + [(n, kind(k)) for n, k in KINDS.items()]:
    listener = socket.create_server(("127.0.0.1", 0))
    print(name, listener.getsockname()[1], flush=True)
    threading.Thread(target=serve, args=(listener, one), daemon=True).start()
print("ready", os.getpid(), flush=True)
threading.Event().wait()
