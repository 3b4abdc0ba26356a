#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A crowd of bad clients, in a process of its own: crowd.py PORT IDLE DRIPS.

Idle ones send nothing, or one request and then nothing. Drips send a request a byte at a time, half of them its head, half its
body, and come back as soon as they are thrown out. Prints a line when all are connected, then runs until standard input ends."""
import selectors
import socket
import sys
import time

HEAD = b"POST /collections/c/points/scroll HTTP/1.1\r\nhost: q\r\ncontent-type: application/json\r\n"
EVERY = 0.5


class Drip:
    def __init__(self, port, is_body):
        self.port, self.is_body, self.socket = port, is_body, None
        self.connect()

    def connect(self):
        if self.socket:
            self.socket.close()
        self.socket, self.at = socket.create_connection(("127.0.0.1", self.port), 60), 0
        self.socket.setblocking(False)
        if self.is_body:
            self.socket.sendall(HEAD + b"content-length: 100000\r\n\r\n")

    def step(self):
        try:
            self.socket.send(b" " if self.is_body else HEAD[self.at:self.at + 1])
            self.at += 1
            try:
                if self.socket.recv(4096) == b"":
                    raise ConnectionResetError
                raise ConnectionAbortedError
            except BlockingIOError:
                return
        except BlockingIOError:
            return
        except OSError:
            self.connect()


def main():
    port, n_idle, n_drips = (int(arg) for arg in sys.argv[1:4])
    idle = []
    for i in range(n_idle):
        idle.append(socket.create_connection(("127.0.0.1", port), 60))
        if i % 2:
            idle[-1].sendall(b"GET /readyz HTTP/1.1\r\nhost: q\r\n\r\n")
    drips = [Drip(port, i % 2 == 1) for i in range(n_drips)]
    print("all there", flush=True)
    end = selectors.DefaultSelector()
    end.register(sys.stdin, selectors.EVENT_READ)
    n = 0
    while not end.select(EVERY / max(1, len(drips) / 25)):
        for drip in drips[n % len(drips):n % len(drips) + 25] if drips else []:
            drip.step()
        n += 25
        time.sleep(0)


main()
