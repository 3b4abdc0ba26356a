# SPDX-License-Identifier: Apache-2.0
"""Each rule of write fan-out is needed, and the checker sees when it is not kept: for each there is a course of events that ends
well, and in a build in which the rule is off (proxy/base/rule_off.h) leaves a region behind, or an acknowledged write lost."""
import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fanout_run import KEY, VECTORS, Run
from histories import COMMITTED, REJECTED, UNKNOWN
from sextant import SEXTANT, wait_for

BUILD = os.path.dirname(SEXTANT)
RULES_BUILD = os.path.join(BUILD, "test", "sextant-rules")
QUARANTINE = 6.0  # longer than anything here that waits for what must not come; of `first` longer than a claim is watched, too
TEXT_KEPT = 4  # of a write; a second less than it is
LATE = {"match": "/notes/points", "method": "PUT", "reset": "after", "linger": -1, "times": 1}  # without an answer, until released
HELD = {"match": "/notes/points", "method": "PUT", "hold": True, "times": 1}  # the answer is awaited


class TooSlow(Exception):
    """What was sent came later than a quarantine takes, which it never does, or a process was killed too late, or what
    was to be used was forgotten by then: nothing was shown."""


class Course:
    def __init__(self, directory, rule, quarantine):
        self.run, self.rule, self.value = Run(directory, "async", ("eu", "us"), quarantine), rule, 0
        self.home, self.copy = self.run.start_regions().regions.values()
        self.pool, self.since = ThreadPoolExecutor(4), 0
        self.edge = self.add_edge()

    def add_edge(self):
        edge = self.run.add_edge(default_timeout="4s")
        edge.binary = RULES_BUILD
        if self.rule:
            edge.env["SEXTANT_TEST_WITHOUT_RULE"] = self.rule
        return edge.start(settle=False)

    def begin(self):
        self.run.make_collection()
        assert self.write().outcome == COMMITTED
        self.shipped()
        # A walk would mend what comes now.
        wait_for(lambda: self.run.is_idle(self.edge), 30, "the walk of a new collection", 0.05)
        return self

    def write(self, edge=None):
        self.value += 1
        return self.run.write("upsert", (1,), self.value, edge=edge)

    def send_late(self):
        """A write that comes late."""
        self.home.faults(**LATE)
        self.since = time.monotonic()
        assert self.write().outcome == UNKNOWN

    def lose(self):
        """One that is known to be held."""
        self.send_late()
        # What is told of holds is as old as a tick: a look before would take the lanes for idle.
        wait_for(lambda: self.edge.status()["journal"]["writes_held"], 20, "a hold", 0.02)

    def release(self, region):
        region.control(release=True)
        if time.monotonic() > self.since + self.run.quarantine:
            raise TooSlow

    def overtake(self, edge=None):
        """Another write of the point is done before the one that comes late at home, if a rule is off."""
        write = self.later(self.write, edge)
        self.soon(write.done)
        self.release(self.home)
        if write.result().outcome != COMMITTED and self.rule:
            raise TooSlow

    def later(self, *args):
        return self.pool.submit(*args)

    def lane(self):
        return self.edge.status()["lanes"][0]

    def shipped(self):
        wait_for(lambda: self.lane()["points_waiting"] == 0, 30, "shipping")

    def soon(self, condition):
        """It comes to that if a rule is off, however busy the machine is, and else may not."""
        end = time.monotonic() + (self.run.quarantine if self.rule else 2)
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)

    def schema(self, method):
        return self.edge.call(method, "/collections/notes", {"vectors": VECTORS} if method == "PUT" else None,
                              headers={"api-key": KEY}, timeout=60)[0]

    def findings(self):
        """What is wrong once nothing is left to do, for good."""
        wait_for(lambda: self.run.is_idle(self.edge), 60, "idle lanes", 0.05)
        end, found = time.monotonic() + 3, self.run.findings()
        while found and time.monotonic() < end:
            time.sleep(0.05)
            found = self.run.findings()
        return found

    def end(self):
        self.pool.shutdown()
        self.run.stop()


# --- courses of events --------------------------------------------------------------------------------------------------

def first(c):
    """A write comes late that a process has sent which was killed at once. The next one watches the claim before it sends."""
    wait_for(lambda: c.edge.status()["journal"]["durable_lsn"] == c.edge.status()["journal"]["last_lsn"], 30, "the disk", 0.05)
    c.send_late()  # a record that waits for no disk is there within a second
    c.edge.signal(signal.SIGKILL)
    c.edge.process.wait()
    c.since = time.monotonic()
    c.edge.start(settle=False)
    wait_for(lambda: c.edge.output().count("its claim is held") == 2, 30, "the claim", 0.05)
    c.overtake()


def gate(c):
    """The point, of which the copy lacks a change, is read for it while another write of it is on its way."""
    c.copy.faults(match="/notes/points", method="PUT", status=429)
    assert c.write().outcome == COMMITTED
    c.home.faults(**HELD)
    write = c.later(c.write)
    wait_for(lambda: c.home.control()["held"], 20, "the write", 0.02)
    c.copy.control(clear=True)
    c.soon(lambda: c.lane()["points_waiting"] == 0)
    c.home.control(release=True)
    assert write.result().outcome == COMMITTED


def fresh(c):
    """It is written again while it is on its way to the copy, where it was put off until home had answered."""
    c.copy.faults(match="/notes/points", method="PUT", status=429)
    assert c.write().outcome == COMMITTED
    c.copy.control(clear=True, faults=HELD)
    wait_for(lambda: c.copy.control()["held"], 20, "a ship", 0.02)
    assert c.write().outcome == COMMITTED
    c.copy.control(release=True)


def hold(c):
    """A write without an outcome comes late, when another was sent."""
    c.lose()
    c.overtake()


def again_home(c):
    """It comes late, when the copy has what was there before."""
    c.lose()
    c.soon(lambda: c.lane()["points_waiting"] == 0)
    c.release(c.home)


def again_copy(c):
    """A ship comes late, when a newer one was there."""
    c.copy.faults(**LATE)
    c.since = time.monotonic()
    assert c.write().outcome == COMMITTED
    wait_for(lambda: c.copy.control()["held"], 20, "a ship", 0.02)
    assert c.write().outcome == COMMITTED
    c.shipped()
    c.release(c.copy)


def taint(c):
    """A write comes late that the process before has sent."""
    c.lose()
    assert c.edge.stop(30) == 0
    c.since = time.monotonic()
    c.edge.start(settle=False)
    c.overtake()


def settle(c):
    """The copy has confirmed it, and loses its power."""
    wait_for(lambda: any("/telemetry" in r["target"] for r in c.copy.control(log=True)["log"]), 30, "a look at the process", 0.1)
    c.copy.control(remember=True)
    assert c.write().outcome == COMMITTED
    c.shipped()
    c.copy.control(lose=60)
    seen = time.time()
    wait_for(lambda: any("/telemetry" in r["target"] and r["time"] > seen for r in c.copy.control(log=True)["log"]), 30,
             "a look at the process", 0.1)


def claim(c):
    """Another edge takes the same home for its own, with a journal of its own, while a write of the first comes late."""
    c.lose()
    c.overtake(c.add_edge())


def schema(c):
    """The collection is made anew while a write is on its way."""
    c.home.faults(**HELD)
    write = c.later(c.write)
    wait_for(lambda: c.home.control()["held"], 20, "the write", 0.02)
    gone = c.later(c.schema, "DELETE")
    c.soon(gone.done)
    if gone.done():
        assert c.schema("PUT") == 200
    c.home.control(release=True)
    write.result()
    gone.result()
    c.run.writes.clear()  # what is there depends on which came first; that it is the same everywhere does not


def known(c):
    """An upsert waits for the lane, which has its hands full, when another write changes what it made."""
    c.copy.faults(**{**HELD, "times": 4})
    c.since = time.monotonic()
    for point in range(10, 14):
        assert c.run.write("upsert", (point,), point).outcome == COMMITTED
    wait_for(lambda: c.copy.control()["held"] == 4, 20, "four ships", 0.02)
    begin = time.monotonic()
    assert c.write().outcome == COMMITTED
    assert c.run.write("vector", (1,), c.value + 1).outcome == COMMITTED
    c.release(c.copy)
    if time.monotonic() > begin + TEXT_KEPT:
        raise TooSlow


def done(c):
    """Home refuses a batch, and does nothing of it."""
    c.home.faults(match="/points/batch", method="POST", status=400, times=1)
    c.value += 1
    assert c.run.batch(("upsert", (1,), c.value)).outcome == REJECTED
    c.shipped()


COURSES = {"FIRST": (first,), "GATE": (gate,), "FRESH": (fresh,), "HOLD": (hold,), "AGAIN": (again_home, again_copy),
           "TAINT": (taint,), "SETTLE": (settle,), "CLAIM": (claim,), "SCHEMA": (schema,), "KNOWN": (known,), "DONE": (done,)}


def follow(course, directory, rule, tries=6):
    directory.mkdir()
    c = Course(directory, rule, 2.5 * QUARANTINE if course == first else QUARANTINE)
    try:
        course(c.begin())
        return c.findings()
    except TooSlow:
        assert tries > 1, f"{course.__name__} without {rule}: this machine is too slow"
        return follow(course, directory / "again", rule, tries - 1)
    except Exception as error:
        raise AssertionError(f"{course.__name__} without {rule}: {error!r}\n{c.edge.output()[-1500:]}") from error
    finally:
        c.end()


@pytest.mark.skipif("QDRANT_BIN" in os.environ, reason="a real server does not come late when it is told")
def test_each_rule_is_needed(tmp_path):
    """With the rule all is well; without it the checker finds something."""
    with ThreadPoolExecutor(12) as pool:
        done = {(course, off): pool.submit(follow, course, tmp_path / f"{course.__name__}-{off}", off)
                for rule, courses in COURSES.items() for course in courses for off in (rule, None)}
        wrong = {name: one.exception() or one.result() for name, one in done.items()}
    assert not [what for what in wrong.values() if isinstance(what, Exception)], [w for w in wrong.values() if isinstance(w, Exception)]
    assert {course.__name__: what for (course, off), what in wrong.items() if what and not off} == {}
    assert [course.__name__ for (course, off), what in wrong.items() if off and not what] == []


def test_no_rule_is_off_in_production():
    """The program that is shipped keeps them all, and refuses to start when it is asked not to."""
    for binary, rule in ((SEXTANT, "GATE"), (RULES_BUILD, "gates")):
        done = subprocess.run([binary, "--version"], env={"SEXTANT_TEST_WITHOUT_RULE": rule}, capture_output=True, text=True,
                              timeout=30, check=False)
        assert done.returncode == 2 and "SEXTANT_TEST_WITHOUT_RULE" in done.stderr, done
