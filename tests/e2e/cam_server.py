# SPDX-License-Identifier: GPL-3.0-or-later
"""A camera server with the habits and faults of many: argument is a JPEG; prints its port.

/still wants a digest login (user "me", password "tell-nobody"); the others are streams in the form of the program they are called
after, or with the fault they are called after.
"""
import hashlib
import http.server
import os
import re
import socketserver
import sys
import time

with open(sys.argv[1], "rb") as f:
    JPEG = f.read()
with open(sys.argv[2], "rb") as f:
    LARGER = f.read()
NONCE = os.urandom(8).hex()


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def is_login_good(header):
    d = dict(re.findall(r'(\w+)="?([^",]+)"?', header or ""))
    a1, a2 = md5("me:cam:tell-nobody"), md5("GET:" + d.get("uri", ""))
    good = md5(":".join([a1, NONCE, d.get("nc", ""), d.get("cnonce", ""), d.get("qop", ""), a2]))
    return d.get("nonce") == NONCE and d.get("response") == good


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    counter = 0

    def log_message(self, *args):
        pass

    def picture(self):
        # A comment of its own makes each another picture.
        Handler.counter += 1
        text = b"%010d" % Handler.counter
        return JPEG[:2] + b"\xff\xfe\x00\x0c" + text + JPEG[2:]

    def do_GET(self):
        name = self.path.split("?")[0].strip("/")
        if name == "still":
            self.still()
            return
        if name == "page":
            body = b"<html><title>Camera login</title></html>"
            self.reply(200, [("Content-Type", "text/html")], body)
            return
        self.close_connection = True
        try:
            self.stream(name)
        except OSError:
            pass

    def reply(self, code, headers, body):
        self.send_response(code)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def still(self):
        if not is_login_good(self.headers.get("Authorization")):
            challenge = 'Digest realm="cam", qop="auth", nonce="%s"' % NONCE
            self.reply(401, [("WWW-Authenticate", challenge)], b"no")
            return
        self.reply(200, [("Content-Type", "image/jpeg"), ("ETag", '"%d"' % Handler.counter)], self.picture())

    def say(self, text):
        self.wfile.write(text if isinstance(text, bytes) else text.encode())

    def stream(self, name):
        boundary = "boundarydonotcross"
        self.say("HTTP/1.0 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\n"
                 "Content-Type: multipart/x-mixed-replace;boundary=%s\r\n\r\n" % boundary)
        if name == "ustreamer":
            self.say("--%s\r\n" % boundary)
        for i in range(2000):
            jpeg = LARGER if name == "size" and i % 4 >= 2 else self.picture()
            if name in ("stall", "garbage") and i == 2:
                if name == "garbage":
                    self.say(os.urandom(300000))
                time.sleep(30)
                return
            if name == "huge":
                self.say("--%s\r\nContent-Type: image/jpeg\r\nContent-Length: 100000000\r\n\r\n" % boundary)
                for _ in range(100):
                    self.say(b"\xff\xd8" + b"x" * 999998)
                continue
            if name == "half" and i % 2:
                jpeg = jpeg[:len(jpeg) // 2]
            head = "Content-Type: image/jpeg\r\n"
            if name != "no-length":
                head += "Content-Length: %d\r\n" % len(jpeg)
            if name in ("mjpg-streamer", "ustreamer"):
                head += "X-Timestamp: %.6f\r\n" % time.monotonic()
            if name == "ustreamer":
                self.say(head + "\r\n")
                self.say(jpeg + b"\r\n--" + boundary.encode() + b"\r\n")
            else:
                self.say("--%s\r\n%s\r\n" % (boundary, head))
                self.say(jpeg + b"\r\n")
            time.sleep(0.05)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
