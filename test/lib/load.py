# SPDX-License-Identifier: Apache-2.0
"""A steady load of reads and writes through an edge: so many a second from a fixed set of threads, every answer noted."""
import http.client
import json
import threading
import time
from collections import namedtuple


class Watch(threading.Thread):
    """`most_late`: by how much this machine woke somebody too late, which says how busy it is."""
    EVERY = 0.05

    def __init__(self):
        super().__init__(daemon=True)
        self.end, self.most_late = threading.Event(), 0.0

    def run(self):
        began = time.monotonic()
        while not self.end.wait(self.EVERY):
            self.most_late = max(self.most_late, time.monotonic() - began - self.EVERY)
            began = time.monotonic()


Answer = namedtuple("Answer", "at took is_write status cluster error id")


class Load:
    def __init__(self, port, collection, caller, rate=200, threads=24, timeout=60.0, share_of_writes=0.5):
        self.port, self.collection, self.caller = port, collection, caller
        self.rate, self.timeout, self.share = rate, timeout, share_of_writes
        self.answers, self.lock, self.end = [], threading.Lock(), threading.Event()
        self.watch = Watch()
        self.started = time.monotonic()
        self.threads = [threading.Thread(target=self.run, args=(i, threads), daemon=True) for i in range(threads)]

    def __enter__(self):
        self.started = time.monotonic()
        for thread in (self.watch, *self.threads):
            thread.start()
        return self

    def __exit__(self, *args):
        self.stop()

    def stop(self):
        self.watch.end.set()
        self.end.set()
        for thread in self.threads:
            thread.join(self.timeout + 5)

    def now(self):
        return time.monotonic() - self.started

    def run(self, index, threads):
        connection, n = None, 0
        while not self.end.is_set():
            due = self.started + (n * threads + index) / self.rate
            if self.end.wait(max(0.0, due - time.monotonic())):
                break
            is_write = (n * 7 + index) % 100 < self.share * 100
            point = index * 1_000_000 + n
            n += 1
            connection = self.one(connection, is_write, point)

    def one(self, connection, is_write, point):
        at = self.now()
        status, cluster, error = 0, None, None
        try:
            connection = connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
            headers = {"X-Forwarded-For": self.caller, "Content-Type": "application/json"}
            base = f"/collections/{self.collection}/points"
            if is_write:
                connection.request("PUT", base + "?wait=true", json.dumps({"points": [{"id": point, "vector": [1, 2]}]}), headers)
            else:
                connection.request("POST", base + "/scroll", '{"limit":3}', headers)
            response = connection.getresponse()
            response.read()
            status, cluster = response.status, response.getheader("x-sextant-cluster")
            error = response.getheader("x-sextant-error")
        except (OSError, http.client.HTTPException) as problem:
            error = repr(problem)
            connection.close()
            connection = None
        with self.lock:
            self.answers.append(Answer(at, self.now() - at, is_write, status, cluster, error, point))
        return connection

    def reads(self):
        return [a for a in self.answers if not a.is_write]

    def writes(self):
        return [a for a in self.answers if a.is_write]
