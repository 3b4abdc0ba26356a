# SPDX-License-Identifier: Apache-2.0
"""Many requests while faults are switched on and off at random: no sanitizer report, memory flat, and every answer right
for its caller's residency. SOAK_REQUESTS says how many; the short form runs with every change, from a fixed seed."""
import http.client
import json
import os
import random
import threading
import time

import pytest
from sextant import CALLERS, QDRANT, ROOT, Edge, call, wait_for

MAP = """
users europe=eu north-america=us asia=ap residency=strict
copied *=eu,us,ap copies=external write=nearest
* *=eu
"""
HOME = {"DE": "eu", "US": "us", "JP": "ap"}
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}
FAULTS = [{"delay": 0.02}, {"delay": 0.3, "match": "/scroll"}, {"status": 503}, {"status": 500, "match": "/scroll"},
          {"reset": "before"}, {"reset": "after"}, {"reset": "half"}, {"latency": 0.01}, {"drip": 20000},
          {"black_hole": True, "times": 3}, {"late": 0.05}]


class Caller(threading.Thread):
    """One client from one country, on a connection kept as long as it lasts."""

    def __init__(self, port, country, seed, requests):
        super().__init__(daemon=True)
        self.port, self.country, self.requests = port, country, requests
        self.random = random.Random(seed)
        self.wrong, self.statuses, self.connection = [], {}, None

    def run(self):
        for n in range(self.requests):
            try:
                self.one(n)
            except (OSError, http.client.HTTPException) as error:
                self.count(type(error).__name__)
                self.connection = None
        if self.connection:
            self.connection.close()

    def count(self, what):
        self.statuses[what] = self.statuses.get(what, 0) + 1

    def one(self, n):
        collection = self.random.choice(["users", "users", "copied"])
        method, path, body = self.random.choice([
            ("POST", "/points/scroll", {"limit": 3, "with_payload": True}), ("POST", "/points/count", {}),
            ("POST", "/points/query", {"query": [1, 2], "limit": 2}), ("GET", "", None), ("GET", "/exists", None),
            ("PUT", "/points?wait=true", {"points": [{"id": n, "vector": [1, 2], "payload": {"from": self.country}}]}),
            ("POST", "/points/payload", {"payload": {"x": n}, "points": [1]}),
            ("PUT", "/points", {"points": [{"id": n, "vector": [1, 2], "payload": {"from": self.country, "text": "x" * 3000}}]})])
        self.connection = self.connection or http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"X-Forwarded-For": CALLERS[self.country], "Content-Type": "application/json"}
        raw = json.dumps(body).encode() if body is not None else None
        self.connection.request(method, f"/collections/{collection}{path}", raw, headers)
        if self.random.random() < 0.01:
            self.connection.close()  # a client that does not wait
            self.connection = None
            return
        response = self.connection.getresponse()
        answer = response.read()
        self.count(response.status)
        self.judge(collection, response, answer)

    def judge(self, collection, response, answer):
        cluster = response.getheader("x-sextant-cluster")
        if response.getheader("x-sextant-place") != self.country:
            self.wrong.append(("place", response.getheader("x-sextant-place")))
        if collection == "users" and cluster not in (None, HOME[self.country]):
            self.wrong.append(("cluster", cluster))
        if collection == "users" and response.status == 200 and b'"from"' in answer:
            others = [c for c in HOME if c != self.country and f'"from":"{c}"'.encode() in answer]
            if others:
                self.wrong.append(("data", others))


def memory(edge):
    with open(f"/proc/{edge.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def trouble(regions, chance, stop):
    """Switch faults on and off until told to stop."""
    while not stop.wait(0.15):
        region = chance.choice(regions)
        fault = chance.choice(FAULTS) if chance.random() < 0.6 else {}
        try:
            region.control(clear=True, faults=fault)
        except (OSError, ValueError):
            continue  # a busy stand-in answers late: the next turn sets it right


def soak(regions, edge, requests, seed):
    for name in ("users", "copied"):
        assert edge.call("PUT", f"/collections/{name}", VECTORS)[0] == 200
    stop, chance = threading.Event(), random.Random(seed)
    n = 12 if requests < 100_000 else 30
    callers = [Caller(edge.port, country, seed * 100 + i, requests // n)
               for i, country in enumerate(["DE", "US", "JP"] * (n // 3))]
    worker = threading.Thread(target=trouble, args=(regions, chance, stop), daemon=True)
    worker.start()
    for caller in callers:
        caller.start()
    marks = []
    while any(c.is_alive() for c in callers):
        time.sleep(0.5)  # between two samples of memory
        marks.append(memory(edge))
    stop.set()
    worker.join()
    for region in regions:
        region.control(clear=True)
    return callers, marks


def judge(callers, marks, edge):
    wrong = [w for c in callers for w in c.wrong]
    assert not wrong, wrong[:10]
    statuses = {}
    for caller in callers:
        for status, n in caller.statuses.items():
            statuses[status] = statuses.get(status, 0) + n
    print(statuses, "memory KiB", marks[0], marks[len(marks) // 2], marks[-1])
    assert statuses.get(200, 0) > sum(statuses.values()) * 0.4, statuses
    late, middle = max(marks[-3:]), max(marks[len(marks) // 3:len(marks) // 3 + 3] or marks)
    assert late < middle * 1.3 + 32768, marks
    wait_for(lambda: edge.status()["client_connections"] == 0, 30, "all connections to end")
    assert edge.metric("sextant_cluster_outstanding") == 0
    assert edge.metric("sextant_replay_bytes") == 0


def run(regions, tmp_path, requests, seed, binary):
    if QDRANT:
        pytest.skip("faults need stand-ins")
    one = Edge(tmp_path / "edge", regions, MAP, eject_base="300ms", ramp_up="300ms", probe_interval="300ms",
               default_timeout="5s", retry_min=100)
    import sextant
    before, sextant.SEXTANT = sextant.SEXTANT, binary or sextant.SEXTANT
    try:
        one.start()
        callers, marks = soak(regions, one, requests, seed)
        judge(callers, marks, one)
        assert call(one.port, "GET", "/healthz")[0] == 200
    finally:
        sextant.SEXTANT = before
        code = one.stop(60)
    text = one.output()
    assert code == 0 and "Sanitizer" not in text and "runtime error" not in text, text[-4000:]


def test_short(regions, tmp_path):
    run(regions, tmp_path, 6000, 1, None)


@pytest.mark.soak
def test_long(regions, tmp_path):
    binary = os.path.join(ROOT, "build-asan", "sextant")
    assert os.path.exists(binary), "make soak builds it"
    run(regions, tmp_path, int(os.environ.get("SOAK_REQUESTS", "1000000")), int(os.environ.get("SOAK_SEED", "1")), binary)
