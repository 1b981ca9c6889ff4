# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that are no OctoPrint, no Moonraker and no PrusaLink, or not the right ones. bad_web.py CERT KEY DRIVER prints
"NAME PORT" lines, "ready".

redirect sends to stranger, which prints "leaked" if a key comes with it.
"""
import socket
import ssl
import sys
import threading
import time

HTML = b"<html><title>A router</title><body>Please sign in</body></html>"


VERSION = {
    "prusalink": b'{"api":"2.0.0","server":"2.1.2","text":"PrusaLink","hostname":"mk4","capabilities":{"upload-by-put":true}}',
}.get(sys.argv[3], b'{"api":"0.1","server":"1.10.3","text":"OctoPrint 1.10.3"}')


def path_of(head):
    return head.split(b" ")[1] if head.count(b" ") > 1 else b""


def reply(status, body, kind=b"text/html", version=b"1.1", more=b""):
    return (b"HTTP/" + version + b" " + status + b"\r\nContent-Type: " + kind + b"\r\nContent-Length: " + str(len(body)).encode() +
            b"\r\nConnection: close\r\n" + more + b"\r\n" + body)


def html(conn, head):
    conn.sendall(reply(b"200 OK", HTML))


def huge(conn, head):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n[")
    piece = b"1," * 32768
    for _ in range(1600):
        conn.sendall(piece)


def endless(conn, head):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1600):
        conn.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def redirect(conn, head):
    conn.sendall(reply(b"302 Found", b"", more=b"Location: http://localhost:%d/elsewhere\r\n" % ports["stranger"]))


def stranger(conn, head):
    if b"x-api-key" in head.lower() or b"authorization" in head.lower() or b"apikey" in head.lower():
        print("leaked", flush=True)
    conn.sendall(reply(b"200 OK", HTML))


def silent(conn, head):
    time.sleep(600)


def closes(conn, head):
    pass


def noise(conn, head):
    conn.sendall(bytes(range(256)) * 64)


def refuses(conn, head):
    conn.sendall(reply(b"403 Forbidden", b'{"error":"You don\'t have the permission"}', b"application/json"))


def old(conn, head):
    """HTTP/1.0, each answer the end of its connection; the right one by its first words, and busy afterwards."""
    path = path_of(head)
    if path.startswith(b"/api/version"):
        conn.sendall(reply(b"200 OK", VERSION, b"application/json", b"1.0"))
    elif path.startswith(b"/server/info"):
        conn.sendall(reply(b"200 OK", b'{"result":{"klippy_connected":false,"klippy_state":"disconnected","moonraker_version":"0.9"}}',
                           b"application/json", b"1.0"))
    else:
        conn.sendall(reply(b"503 Service Unavailable", b"", version=b"1.0"))


PRUSALINK = {
    b"/api/version": VERSION,
    b"/api/v1/info": b'{"nozzle_diameter":0.4,"mmu":false}',
    b"/api/v1/status": b'{"printer":{"state":"IDLE","temp_nozzle":21.5,"target_nozzle":0,"temp_bed":20.5,"target_bed":0,"axis_z":5}}',
}


def plain(conn, head):
    """HTTP/1.0 without lengths, and fine: a PrusaLink is nothing but questions and answers."""
    body = PRUSALINK.get(path_of(head).partition(b"?")[0])
    if body is None:
        conn.sendall(reply(b"404 Not Found", b"", version=b"1.0"))
    else:
        conn.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body)


def serve(name, answer, context=None):
    server = socket.create_server(("127.0.0.1", 0), backlog=50)
    ports[name] = server.getsockname()[1]

    def one(conn):
        try:
            if context:
                conn = context.wrap_socket(conn, server_side=True)
            conn.settimeout(30)
            head = b""
            while b"\r\n\r\n" not in head and len(head) < 65536:
                got = conn.recv(4096)
                if not got:
                    break
                head += got
            answer(conn, head)
        except OSError:
            pass
        finally:
            conn.close()

    def loop():
        while True:
            threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
    print(name, ports[name], flush=True)


ports = {}
for each in (stranger, html, huge, endless, redirect, silent, closes, noise, refuses, old, plain):
    serve(each.__name__, each)
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[1], sys.argv[2])
serve("tls", html, tls)
print("ready", flush=True)
time.sleep(900)
