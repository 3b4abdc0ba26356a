# SPDX-License-Identifier: Apache-2.0
"""The edge is killed at each crash point of owner, lane, claim, walk, rewind and schema, and of an operator's orders (order_lives.py).
The next one must know what was acknowledged, and make all regions equal. Each point has regions, edges and a journal of its own; as
most of the time is spent waiting, they go on side by side.
CRASH_TIMES=N pytest -m soak kills at the first to the Nth time that a point is come by."""
import contextlib
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fanout_run import HOT, POINTS, VECTORS
from histories import REJECTED
from lives import Killed, Life
from order_lives import LIVES, MANY, MOMENTS
from sextant import ROOT, TooSlow, call, tries

KINDS = "owner|lane|claim|walk|rewind|schema|freeze|release|restore|takeover|renew"
POINT = re.compile(rf'^CRASH_POINT\(\w+, +"((?:{KINDS})\.\w+)"\)', re.M)
AFTER_A_START = ("owner.journal_read", "owner.held_again", "owner.tainted", "lane.taint_over")
AT_ONCE = 20
STRANGER = 77
LOST = {"match": "/notes/points", "method": "PUT", "reset": "after", "times": 1, "linger": 0.1}


def points():
    return POINT.findall(Path(ROOT, "proxy/base/crash_point.def").read_text(encoding="utf-8")) + list(MOMENTS)


class Tour(Life):
    """All that owner and lanes do, in one life of an edge that ends somewhere in it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.has_drifted = False

    def go(self):
        if self.point in AFTER_A_START:
            self.start()
            self.leave_open()
            self.start(True)
            self.wait_for(lambda: self.lane("points_again") == 0 and self.is_there(), "the end of all quarantines")
            return
        self.start(True)
        self.do_all()

    def do_all(self):
        self.wait_for(self.is_there, "the collection")
        saved_at = time.time()
        for step in (self.succeed, self.fail, self.select, self.lose_at_home, self.lose_at_copy, self.refuse_at_copy):
            step()
        self.change_schema("PUT", "other", {"vectors": VECTORS})
        self.change_schema("DELETE", "other")
        self.drift()
        self.wait_for(self.copy_was_looked_at, "a look at the process")
        self.home.control(new_process=True)
        self.copy.control(new_process=True)
        self.wait_for(lambda: "the copy was started anew" in self.edge.output(), "the sight of a new process")
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
        self.copy.control(clear=True, faults={"match": "/notes/points", "method": "PUT", "status": 400})
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

    def copy_was_looked_at(self):
        return any("/telemetry" in r["target"] for r in self.copy.control(log=True)["log"])

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
            self.kill()
            late.result()

    def end(self):
        """The next life, and what it makes of it."""
        self.home.control(clear=True)
        self.copy.control(clear=True)
        self.start()
        self.wait_for(self.is_there, "the collection")
        self.wait_for(self.takes_writes, "a write")
        if self.has_drifted:  # what was ordered just before the kill is to be ordered again
            self.walk()
        self.is_as_it_must_be()
        if self.has_drifted:
            kept = (self.journal / "walk-eu-us.jsonl").read_text(encoding="utf-8")
            assert STRANGER not in self.run.read("us") and f'"point":{{"id":{STRANGER},' in kept, kept


def come_by(point, times, directory):
    """Was it hit? Whatever ends the edge there, what follows must be right."""
    kind = LIVES.get(point) or LIVES.get(point.split(".")[0], Tour)
    life = kind(directory, point, times)
    try:
        with contextlib.suppress(Killed):
            life.go()
        is_hit = life.is_hit()
        life.edge.kill()
        life.end()
        return is_hit
    except TooSlow:
        raise
    except Exception as error:
        raise AssertionError(f"{point}:{times}: {error!r}\n{life.edge.output()[-1500:]}") from error
    finally:
        life.run.stop()


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
