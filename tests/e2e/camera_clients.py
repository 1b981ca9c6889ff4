"""Viewers as other programs are: each reads MJPEG as it does and says what was wrong.

camera_clients.py check URL N      N parts, each as Mainsail and Obico want them
camera_clients.py fresh URL        ten stills taken after the question
camera_clients.py ends URL SECONDS the stream ends within so many seconds
camera_clients.py churn URL N FILE viewers come, some read, some do not, and go, until FILE is there
"""
import base64
import os
import random
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def dial(url):
    u = urllib.parse.urlsplit(url)
    s = socket.create_connection((u.hostname, u.port), 30)
    head = f"GET {u.path}?{u.query} HTTP/1.1\r\nHost: {u.hostname}:{u.port}\r\n"
    if u.password:
        login = base64.b64encode(f"{u.username}:{u.password}".encode()).decode()
        head += f"Authorization: Basic {login}\r\n"
    s.sendall((head + "\r\n").encode())
    return s


def read_to(f, end):
    line = b""
    while not line.endswith(end):
        c = f.read(1)
        assert c, "the stream ended"
        line += c
    return line


def check(url, n):
    f = dial(url).makefile("rb")
    head = read_to(f, b"\r\n\r\n").decode().lower()
    assert " 200 ok" in head, head
    assert "multipart/x-mixed-replace" in head and "no-store" in head, head
    boundary = head.split("boundary=")[1].split("\r\n")[0].strip()
    assert boundary and '"' not in boundary and not boundary.startswith("--"), boundary
    read_to(f, b"--" + boundary.encode() + b"\r\n")
    last = 0.0
    for _ in range(n):
        part = dict(l.split(": ", 1) for l in read_to(f, b"\r\n\r\n").decode().strip().split("\r\n"))
        assert part["Content-Type"] == "image/jpeg", part
        jpeg = f.read(int(part["Content-Length"]))
        assert jpeg[:2] == b"\xff\xd8" and jpeg[-2:] == b"\xff\xd9", "no whole JPEG"
        assert float(part["X-Timestamp"]) > last, "time stands still"
        last = float(part["X-Timestamp"])
        # At once, or a browser shows the picture only when the next one comes.
        assert f.read(len(boundary) + 6) == b"\r\n--" + boundary.encode() + b"\r\n"
    print(f"{n} parts are well formed")


def fresh(url):
    for _ in range(10):
        before = time.time()
        with urllib.request.urlopen(url) as r:
            assert r.read(2) == b"\xff\xd8"
            taken = float(r.headers["X-Timestamp"])
            assert taken >= before - 0.002, f"taken {before - taken:.3f} s before the question"
            assert r.headers["X-Time-Source"] in ("device", "latency", "arrival")
            assert int(r.headers["X-Age-Ms"]) < 5000
    print("fresh stills are fresh")


def ends(url, seconds):
    s = dial(url)
    until = time.time() + seconds
    while time.time() < until:
        if not s.recv(65536):
            print("the stream ended")
            return
    sys.exit("the stream goes on")


def churn(url, n, stop):
    viewers, came, read = [], 0, 0
    while not os.path.exists(stop):
        while len(viewers) < n:
            s = dial(url)
            s.setblocking(False)
            viewers.append((s, random.random() < 0.7))
            came += 1
        for s, reads in viewers:
            if reads:
                try:
                    read += len(s.recv(1 << 20))
                except BlockingIOError:
                    pass
        for _ in range(3):
            s, _reads = viewers.pop(random.randrange(len(viewers)))
            s.close()
        time.sleep(0.05)
    print(f"{came} viewers came and went, {read // 1000000} MB were read")


if __name__ == "__main__":
    what, url = sys.argv[1:3]
    if what == "check":
        check(url, int(sys.argv[3]))
    elif what == "fresh":
        fresh(url)
    elif what == "ends":
        ends(url, float(sys.argv[3]))
    else:
        churn(url, int(sys.argv[3]), sys.argv[4])
