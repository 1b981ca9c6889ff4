# SPDX-License-Identifier: GPL-3.0-or-later
"""Things that are no printers, on free ports of the loopback: prints `NAME PORT` lines, then serves.

bad_servers CERT KEY: CERT is one that the client trusts, for those that get past the handshake.
"""
import http.server
import random
import socket
import ssl
import struct
import sys
import threading
import time

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
CONNACK = b"\x20\x02\x00\x00"


def silent(s):
    time.sleep(600)


def noise(s):
    s.sendall(random.randbytes(100000))
    time.sleep(600)


def closes(s):
    s.close()


def packet(topic, payload, length=None):
    body = struct.pack(">H", len(topic)) + topic + payload
    n, head = length if length is not None else len(body), b""
    while True:
        head += bytes([(n & 127) | (128 if n > 127 else 0)])
        n >>= 7
        if not n:
            return b"\x30" + head + body


def login(t):
    """A broker that lets everybody in and tells the topic that was asked for."""
    t.recv(4096)
    t.sendall(CONNACK)
    asked = t.recv(4096)
    at = asked.find(b"device/")
    t.sendall(b"\x90\x03" + asked[2:4] + b"\x00")
    return asked[at : at + struct.unpack(">H", asked[at - 2 : at])[0]]


def tls_silent(s):
    context.wrap_socket(s, server_side=True)
    time.sleep(600)


def tls_noise(s):
    t = context.wrap_socket(s, server_side=True)
    t.recv(4096)
    t.sendall(b"\x20\x7f" + random.randbytes(200000))
    time.sleep(600)


def tls_huge(s):
    t = context.wrap_socket(s, server_side=True)
    t.sendall(packet(login(t), b"", 268435455))
    while True:
        t.sendall(bytes(1 << 16))


def tls_hostile(s):
    """Packets that are whole, of payloads that are none."""
    t = context.wrap_socket(s, server_side=True)
    topic = login(t)
    for payload in (b"", b"{", b"[" * 200000, b'{"print":' * 5000, b"null", b"\xff\xfe\x00", b'{"print":[]}',
                    b'{"print":{"command":"push_status","gcode_state":{},"layer_num":"x","ams":7,"mc_percent":1e999}}',
                    b'{"print":{"command":"push_status","msg":0,"layer_num":-99999999999999999999}}',
                    b'{"print":{"command":"push_status","subtask_name":"' + b"A" * 300000 + b'"}}',
                    b'{"print":{"command":"push_status","gcode_state":"RUNNING","layer_num":5,"total_layer_num":10,'
                    b'"ams":{"ams":[{"id":"99","tray":[{"id":"77"},{"id":"-1"},7]}, 5]},"hms":[{"attr":"x"},3]}}',
                    b'{"system":{"command":' + b'"x",' * 1000 + b"}}"):
        t.sendall(packet(topic, payload))
        time.sleep(0.05)
    while t.recv(4096):
        pass


def serve(name, answer):
    listener = socket.create_server(("127.0.0.1", 0))
    print(name, listener.getsockname()[1], flush=True)

    def one(s):
        try:
            answer(s)
        except (OSError, struct.error):
            s.close()

    def loop():
        while True:
            s, _ = listener.accept()
            threading.Thread(target=one, args=(s,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()


for name, answer in (("silent", silent), ("noise", noise), ("closes", closes), ("tls_silent", tls_silent),
                     ("tls_noise", tls_noise), ("tls_huge", tls_huge), ("tls_hostile", tls_hostile)):
    serve(name, answer)
web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print("http", web.server_port, flush=True)
print("ready 0", flush=True)
web.serve_forever()
