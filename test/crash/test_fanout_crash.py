# SPDX-License-Identifier: Apache-2.0
"""The edge is killed at each crash point of owner, lane, claim, walk, rewind and schema. The next one must know what was acknowledged, and make all
regions equal. Each point has regions, edges and a journal of its own; as most of the time is spent waiting, they go on side by side.
CRASH_TIMES=N pytest -m soak kills at the first to the Nth time that a point is come by."""
import contextlib
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fanout_run import HOT, KEY, POINTS, VECTORS, Run
from histories import COMMITTED, REJECTED
from sextant import ROOT, TooSlow, call, tries, wait_for

POINT = re.compile(r'^CRASH_POINT\(\w+, +"((?:owner|lane|claim|walk|rewind|schema)\.\w+)"\)', re.M)
AFTER_A_START = ("owner.journal_read", "owner.held_again", "owner.tainted", "lane.taint_over")
QUARANTINE, AT_ONCE = 0.4, 16
MANY, STRANGER = tuple(range(10, 20)), 77
LOST = {"match": "/notes/points", "method": "PUT", "reset": "after", "times": 1, "linger": 0.1}


def points():
    return POINT.findall(Path(ROOT, "proxy/base/crash_point.def").read_text(encoding="utf-8"))


class Killed(Exception):
    """The edge is gone, as it should."""


class Tour:
    """All that owner and lanes do, in one life of an edge that ends somewhere in it."""

    def __init__(self, directory):
        self.run = Run(directory, "all", ("eu", "us"), QUARANTINE)
        self.home, self.copy = self.run.start_regions().regions.values()
        self.edge, self.value, self.has_drifted = self.run.add_edge(default_timeout="20s"), 0, False

    def start(self, point=None):
        self.edge.env.pop("SEXTANT_TEST_CRASH_POINT", None)
        if point:
            self.edge.env["SEXTANT_TEST_CRASH_POINT"] = point
        try:
            self.edge.start(settle=False)
        except (AssertionError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that is being killed resets first, and ends then
                self.edge.process.wait(5)
            self.look()
            raise

    def look(self):
        if self.edge.process.poll() is not None:
            raise Killed

    def wait_for(self, condition, what):
        def asked():
            self.look()
            try:
                return condition()
            except OSError:  # it is gone: found so the next time
                return None
        return wait_for(asked, 60, what, 0.05)

    def next_value(self):
        self.value += 1
        return self.value

    def write(self, kind, ids, group=None):
        return self.told(self.run.write(kind, ids, self.next_value(), group))

    def told(self, write):
        if not write.why[:1].isdigit():  # there was no answer, as the edge is about to be gone
            self.edge.process.wait(60)
        self.look()
        return write

    def change_schema(self, method, name, body=None):
        try:
            return self.edge.call(method, "/collections/" + name, body, headers={"api-key": KEY}, timeout=60)[0]
        except OSError:
            self.look()
            return None

    def is_there(self):
        self.change_schema("PUT", "notes", {"vectors": VECTORS})
        return self.change_schema("GET", "notes") == 200

    def lane(self, name):
        return self.edge.status()["lanes"][0][name]

    def go(self):
        self.wait_for(self.is_there, "the collection")
        saved_at = time.time()
        for step in (self.succeed, self.fail, self.select, self.lose_at_home, self.lose_at_copy, self.refuse_at_copy):
            step()
        self.change_schema("PUT", "other", {"vectors": VECTORS})
        self.change_schema("DELETE", "other")
        self.drift()
        self.home.control(new_process=True)
        self.copy.control(new_process=True)
        self.wait_for(lambda: "started anew" in self.edge.output(), "the sight of a new process")
        self.wait_for(lambda: "were sent again in" in self.edge.output(), "the rewind")
        self.wait_for(lambda: self.is_saved_since(saved_at), "a checkpoint")
        self.wait_for(lambda: self.is_noted_since(saved_at), "a note at the copy")
        self.edge.stop(30)
        self.look()

    def succeed(self):
        for kind, ids in (("upsert", HOT + MANY), ("set", HOT), ("vector", (2,)), ("delete", (3, 12))):
            self.write(kind, ids)

    def fail(self):
        assert self.write("set", (39,)).outcome == REJECTED

    def select(self):
        self.write("set", None, 1)
        self.told(self.run.batch(("set", (1,), self.next_value()), ("clear", None, self.next_value(), 2)))

    def lose_at_home(self):
        self.home.faults(**LOST)
        self.write("upsert", (1, 10))
        self.wait_for(lambda: self.edge.status()["journal"]["writes_held"] == 0, "the end of the hold")

    def lose_at_copy(self):
        self.copy.faults(**LOST)
        self.write("upsert", (1, 10))
        self.wait_for(lambda: self.lane("points_again") == 0, "the end of the quarantine")

    def refuse_at_copy(self):
        """A batch is halved, and what is refused by itself is parked until it is written again."""
        self.copy.control(clear=True, faults={"match": "/notes/points", "method": "PUT", "status": 400, "times": 3})
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(self.write, "upsert", (10, 11))
            self.wait_for(lambda: self.lane("points_refused") == 2, "a refusal")
            self.copy.control(clear=True)
            self.write("upsert", (10, 11))
            late.result()

    def drift(self):
        """Written at the copy past the edge, and mended by a walk."""
        self.has_drifted = True
        body = {"points": [{"id": 1, "vector": [7, 7]}, {"id": STRANGER, "vector": [7, 7]}]}
        assert call(self.copy.port, "PUT", POINTS + "?wait=true", body, headers={"api-key": "key-us"})[0] == 200
        self.walk()

    def walk(self):
        self.order("/resync", {"target": "eu/us", "delete": True})
        self.wait_for(lambda: (self.lane("walk") or {}).get("state") == "over", "the walk")

    def order(self, target, body):
        try:
            return call(self.edge.admin_port, "POST", target, body)[0]
        except OSError:
            self.look()
            return None

    def is_saved_since(self, moment):
        return any(f.stat().st_mtime > moment for f in Path(self.edge.env["SEXTANT_JOURNAL_DIR"]).glob("checkpoint*"))

    def is_noted_since(self, moment):
        return any("/_sextant/points?" in r["target"] and r["time"] > moment for r in self.copy.control(log=True)["log"])

    def leave_open(self):
        """A life that ends while a write is on its way to home, where it comes late."""
        self.wait_for(self.is_there, "the collection")
        self.write("upsert", HOT + MANY)
        self.home.faults(match="/notes/points", method="PUT", black_hole=True, linger=0.3, times=1)
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(self.run.write, "upsert", (1, 10), self.next_value())
            self.wait_for(lambda: self.edge.status()["journal"]["writes_open"] == 1, "the write")
            self.edge.signal(signal.SIGKILL)
            self.edge.process.wait()
            late.result()

    def end(self):
        """The next life, and what it makes of it."""
        self.home.control(clear=True)
        self.copy.control(clear=True)
        self.start()
        self.wait_for(self.is_there, "the collection")
        self.wait_for(lambda: self.write("upsert", (1, 20)).outcome == COMMITTED, "a write")
        if self.has_drifted:  # what was ordered just before the kill is to be ordered again
            self.walk()
        self.run.heal()
        found = self.run.verdict()
        assert not found, "\n".join(found[:2])
        if self.has_drifted:
            kept = Path(self.edge.env["SEXTANT_JOURNAL_DIR"], "walk-eu-us.jsonl").read_text(encoding="utf-8")
            assert STRANGER not in self.run.read("us") and f'"point":{{"id":{STRANGER},' in kept, kept


def come_by(point, times, directory):
    """Was it hit? Whatever ends the edge there, what follows must be right."""
    tour = Tour(directory)
    try:
        if point in AFTER_A_START:
            tour.start()
            tour.leave_open()
        try:
            tour.start(f"{point}:{times}")
            if point in AFTER_A_START:
                tour.wait_for(lambda: tour.lane("points_again") == 0 and tour.is_there(), "the end of all quarantines")
            else:
                tour.go()
        except Killed:
            pass
        is_hit = tour.edge.process.poll() == -signal.SIGKILL
        tour.edge.kill()
        tour.end()
        return is_hit
    except TooSlow:
        raise
    except Exception as error:
        raise AssertionError(f"{point}:{times}: {error!r}\n{tour.edge.output()[-1500:]}") from error
    finally:
        tour.run.stop()


def come_by_all(times, directory):
    """Of all points: those that nothing came by, in two lives: what a tick does need not happen in a short one."""
    def in_life(point, life):
        place = directory / point / f"{life}-{time.monotonic()}"
        place.mkdir(parents=True)
        return come_by(point, times, place)

    def one(point):
        return any(tries(lambda at=life: in_life(point, at)) for life in ("first", "second"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [point for point, is_hit in zip(points(), pool.map(one, points())) if not is_hit]


def test_each_point(tmp_path):
    assert len(points()) >= 30
    assert come_by_all(1, tmp_path) == []


@pytest.mark.soak
def test_each_time(tmp_path):
    for times in range(2, int(os.environ.get("CRASH_TIMES", "6")) + 1):
        (tmp_path / str(times)).mkdir()
        print(f"time {times}: not come by {come_by_all(times, tmp_path / str(times))}", flush=True)
