# SPDX-License-Identifier: Apache-2.0
"""The journal goes from one process to the next under writes: none is lost, and those that come meanwhile wait."""
import glob
import http.client
import json
import os
import signal
import threading
import time

import pytest
from sextant import call, wait_for
from test_fanout import KEY, ask, converged, fan, upsert  # noqa: F401
from test_restart import pids

HEADERS = {"api-key": KEY, "content-type": "application/json", "x-forwarded-for": "192.0.2.7"}


class Writer(threading.Thread):
    """Upserts points of its own one after the other, on a kept connection or on fresh ones."""

    def __init__(self, port, first, is_kept):
        super().__init__(daemon=True)
        self.port, self.next, self.is_kept = port, first, is_kept
        self.end, self.done, self.other, self.longest, self.connection = threading.Event(), [], [], 0.0, None

    def run(self):
        while not self.end.wait(0.005):
            body = json.dumps({"points": [{"id": self.next, "vector": [1, 2], "payload": {"n": self.next}}]})
            began = time.monotonic()
            if not (self.is_kept and self.connection):
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                self.connection.request("PUT", "/collections/notes/points?wait=true", body, HEADERS)
                answer = self.connection.getresponse()
                text = answer.read()
                (self.done if answer.status == 200 else self.other).append(self.next if answer.status == 200 else text)
            except (OSError, http.client.HTTPException) as error:
                self.other.append(repr(error))
            if not self.is_kept:
                self.connection.close()
            self.longest = max(self.longest, time.monotonic() - began)
            self.next += 1


@pytest.fixture
def usr2(fan):
    """An edge whose process may be followed by others; all end with the first one."""
    def start(**options):
        one = fan(drain_timeout="20s", **options)
        started.append(one)
        return one
    started = []
    yield start
    for one in started:
        assert one.stop(40) in (0, None), one.output()[-4000:]


def restart(one, turn):
    one.signal(signal.SIGUSR2)
    wait_for(lambda: len(pids(one.output())) == turn + 1, 40, "the hand-over")


def current(one):
    """The process that serves, as an edge: its admin address is told by the newest ports.json."""
    with open(os.path.join(one.directory, "ports.json"), encoding="utf-8") as file:
        one.admin_port = int(json.load(file)["admin"].rsplit(":", 1)[1])
    return one


def test_writes_wait_for_the_next_process(usr2):
    one = usr2()
    writers = [Writer(one.port, 1000 * (i + 1), i % 2) for i in range(6)]
    for writer in writers:
        writer.start()
    try:
        for turn in range(3):
            restart(one, turn)
            wait_for(lambda t=turn: one.output().count("taken over after") == t + 1, 40, "the journal")
            counts = [len(w.done) for w in writers]
            wait_for(lambda c=counts: all(len(w.done) > n + 5 for w, n in zip(writers, c)), 40, "writes")
    finally:
        for writer in writers:
            writer.end.set()
        for writer in writers:
            writer.join(60)
    assert not [w.other for w in writers if w.other], [w.other[:3] for w in writers]
    assert max(w.longest for w in writers) < 10
    assert set(converged(one, 40)) == {n for w in writers for n in w.done}
    assert "is held" in one.output() and "watched" not in one.output()


def test_a_kept_connection_that_was_silent(usr2):
    """What still comes to the old process is refused, and nothing happened: it has no journal any more."""
    one = usr2()
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=60)

    def put(n):
        body = json.dumps({"points": [{"id": n, "vector": [1, 2]}]})
        connection.request("PUT", "/collections/notes/points?wait=true", body, HEADERS)
        answer = connection.getresponse()
        return answer.status, answer.getheader("x-sextant-error"), answer.getheader("x-sextant-outcome"), answer.read()
    assert put(1)[0] == 200
    restart(one, 0)
    wait_for(lambda: "taken over after" in one.output(), 30, "the journal")
    assert put(2)[:3] == (503, "OWNER_ENDING", "rejected")
    assert put(3)[0] == 200  # by the next process, as the answer said "Connection: close"
    assert set(converged(one, 30)) == {1, 3}


def test_a_journal_that_cannot_be_taken_over(usr2, tmp_path):
    one = usr2()
    assert upsert(one, 1)[0] == 200
    converged(one)
    for name in glob.glob(str(tmp_path / "journal" / "segment-*.log")):
        with open(name, "r+b") as file:
            file.seek(24)
            file.write(b"\xff")
    restart(one, 0)
    wait_for(lambda: "cannot be read" in one.output() or "refused until this edge" in one.output(), 30, "the refusal")
    status, headers, _ = upsert(one, 2)
    assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (503, "JOURNAL_FAILED", "rejected")
    assert ask(one, "DELETE", "/collections/notes")[0] == 503
    assert ask(one, "GET", "/collections/notes/points/1")[0] == 200
    current(one)
    wait_for(lambda: one.metric("sextant_journal_ok") == 0, 10, "the metric")
    assert one.status()["journal"]["error"]
    assert any(e["kind"] == "journal-lost" for e in one.status()["events"]), one.status()["events"][-3:]


def test_the_old_process_dies_while_it_finishes(usr2):
    """Its lock goes with it; its claim was not given back, and is waited for."""
    one = usr2()
    idle = http.client.HTTPConnection("127.0.0.1", one.port, timeout=60)
    idle.request("GET", "/readyz")
    idle.getresponse().read()
    assert upsert(one, 1)[0] == 200
    restart(one, 0)
    new = pids(one.output())[0]
    assert call(one.port, "GET", "/collections/notes/points/1", headers=HEADERS)[0] == 200
    one.kill()
    try:
        status, _, got = call(one.port, "PUT", "/collections/notes/points?wait=true&timeout=30",
                              {"points": [{"id": 2, "vector": [1, 2]}]}, headers=HEADERS, timeout=60)
        assert status == 200, got
        assert set(converged(one, 30)) == {1, 2}
    finally:
        os.kill(new, signal.SIGTERM)
    wait_for(lambda: not os.path.exists(f"/proc/{new}"), 40, "the end")
    one.process = None
