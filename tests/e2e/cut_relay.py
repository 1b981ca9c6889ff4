#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A relay on the loopback that cuts connections at random bytes.

  cut_relay.py TARGET_PORT CUTS_FILE MAX_CUTS LEAST MOST [BYTES_PER_SECOND [SEED]]

Prints its port. Each connection is cut after a random number of bytes of the server, LEAST to MOST, every
sixth within the first 6000 (the handshake); after MAX_CUTS none is. How many were cut stands in CUTS_FILE.
"""
import random
import socket
import struct
import sys
import threading
import time

target, cuts_file, max_cuts, least, most = int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
rate = int(sys.argv[6]) if len(sys.argv) > 6 else 0
chance = random.Random(int(sys.argv[7]) if len(sys.argv) > 7 else 1)
lock = threading.Lock()
cuts = 0


def cut(*sockets):
    for s in sockets:
        try:
            if chance.random() < 0.5:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        s.close()


def up(client, server):
    try:
        while data := client.recv(65536):
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def down(client, server, limit):
    global cuts
    left = limit
    try:
        while data := server.recv(16384 if rate else 65536):
            if left is not None and len(data) >= left:
                client.sendall(data[:left])
                with lock:
                    cuts += 1
                    with open(cuts_file, 'w') as f:
                        f.write(str(cuts))
                break
            client.sendall(data)
            left = None if left is None else left - len(data)
            if rate:
                time.sleep(len(data) / rate)
    except OSError:
        pass
    cut(client, server)


def main():
    listener = socket.create_server(('127.0.0.1', 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(('127.0.0.1', target))
        except OSError:
            client.close()
            continue
        with lock:
            limit = None
            if cuts < max_cuts:
                limit = chance.randint(1, 6000) if chance.random() < 1 / 6 else chance.randint(least, most)
        threading.Thread(target=up, args=(client, server), daemon=True).start()
        threading.Thread(target=down, args=(client, server, limit), daemon=True).start()


main()
