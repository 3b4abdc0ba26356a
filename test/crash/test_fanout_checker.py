# SPDX-License-Identifier: Apache-2.0
"""Clients write values of their own to a few hot and many cold points while home, copies and the edge fail as a seed says. When
all is well again, what every region holds must be explained by what the clients were told, and be the same everywhere.
SEEDS=N pytest -m soak runs N seeds from FIRST_SEED (0) on."""
import os
import random
import signal
import threading
import time

import pytest
from histories import COMMITTED, REJECTED, UNKNOWN, Write, apply, state_of, unexplained
from sextant import Edge, Region, call, wait_for

KEY, POINTS = "client-key", "/collections/notes/points"
HOT, COLD, GROUPS, CLIENTS, WRITES = (1, 2, 3), tuple(range(10, 40)), 4, 5, 25
SECONDS = 8  # or so many writes of each client
QUARANTINE = 2.0
LINGER = (0.1, 0.4, 0.9)  # and a pause of a region after it: within the quarantine
ROUTES = {"upsert": ("PUT", ""), "delete": ("POST", "/delete"), "set": ("POST", "/payload"), "overwrite": ("PUT", "/payload"),
          "unset": ("POST", "/payload/delete"), "clear": ("POST", "/payload/clear"), "vector": ("PUT", "/vectors")}
BATCH_NAMES = {"set": "set_payload", "overwrite": "overwrite_payload", "unset": "delete_payload", "clear": "clear_payload",
               "vector": "update_vectors"}
FILTERED = ("set", "overwrite", "unset", "clear", "delete")


# --- what is written ----------------------------------------------------------------------------------------------------

def steps_and_body(kind, ids, value, group):
    """One operation: its steps of each point, and its body."""
    if kind == "upsert":
        vector, payload = (float(value), 1.0), {"a": value, "g": value % GROUPS}
        return {i: [(kind, (vector, payload), None)] for i in ids}, {
            "points": [{"id": i, "vector": list(vector), "payload": payload} for i in ids]}
    if kind == "vector":
        return {i: [(kind, (float(value), 2.0), None)] for i in ids}, {"points": [{"id": i, "vector": [value, 2]} for i in ids]}
    body = {"filter": {"must": [{"key": "g", "match": {"value": group}}]}} if group is not None else {"points": list(ids)}
    argument = {"set": {"abc"[value % 3]: value}, "overwrite": {"b": value, "g": value % GROUPS}, "unset": ["abc"[value % 3]]}
    if kind in argument:
        body["keys" if kind == "unset" else "payload"] = argument[kind]
    points = ids if group is None else HOT + COLD
    return {i: [(kind, argument.get(kind), group)] for i in points}, body


class Client(threading.Thread):
    def __init__(self, run, number):
        super().__init__(daemon=True)
        self.run_, self.random, self.number = run, random.Random(f"{run.seed} {number}"), number
        self.error, self.value = None, number

    def next_value(self):
        self.value += CLIENTS
        return self.value

    def ids(self):
        return (self.random.choice(HOT if self.random.random() < 0.5 else COLD),)

    def one(self):
        """Method, target, body and steps of the next write."""
        dice = self.random.random()
        kind = self.random.choice(("upsert",) * 5 + tuple(ROUTES))
        ids, group = self.ids(), None
        if dice < 0.1:
            return self.batch()
        if dice < 0.2:
            kind, group = self.random.choice(FILTERED), self.random.randrange(GROUPS)
        elif dice < 0.3:
            ids = tuple(sorted(set(self.ids() + self.ids() + self.ids())))
        steps, body = steps_and_body(kind, ids, self.next_value(), group)
        return (*ROUTES[kind], body, steps)

    def batch(self):
        is_filtered, operations, steps = self.random.random() < 0.4, [], {}
        for _ in range(self.random.randrange(1, 4)):
            kind = self.random.choice(FILTERED if is_filtered else tuple(ROUTES))
            group = self.random.randrange(GROUPS) if is_filtered else None
            more, body = steps_and_body(kind, self.ids(), self.next_value(), group)
            operations.append({BATCH_NAMES.get(kind, kind): body})
            for point, some in more.items():
                steps.setdefault(point, []).extend(some)
        return "POST", "/batch", {"operations": operations}, steps

    def run(self):
        try:
            done, end = 0, time.monotonic() + SECONDS
            while done < WRITES and time.monotonic() < end and not self.run_.is_over:
                done += self.write()
        except Exception as error:  # told by the test
            self.error = error

    def write(self):
        """Was it more than a refusal of an edge that can't?"""
        method, route, body, steps = self.one()
        target = POINTS + route + self.random.choice(("?wait=true", "?wait=true", "", "?wait=true&timeout=1"))
        write = Write(f"{method} {target} {body}", steps, time.monotonic())
        self.run_.writes.append(write)
        try:
            status, headers, got = call(self.run_.edge.port, method, target, body, "DE", {"api-key": KEY}, 60)
        except ConnectionRefusedError:
            write.answer(REJECTED, "not sent", time.monotonic())
            time.sleep(0.1)
            return 0
        except TimeoutError:
            raise
        except OSError as error:
            write.answer(UNKNOWN, repr(error), time.monotonic())
            return 1
        except Exception as error:  # of http.client: half an answer
            write.answer(UNKNOWN, repr(error), time.monotonic())
            return 1
        self.judge(write, status, headers, got)
        if status == 503:
            time.sleep(0.05)
        return status != 503

    @staticmethod
    def judge(write, status, headers, got):
        outcome, fail = headers.get("x-sextant-outcome"), headers.get("x-sextant-error", "")
        expected = COMMITTED if status == 200 else UNKNOWN if status == 504 else REJECTED
        write.answer(expected, f"{status} {fail}", time.monotonic())
        assert outcome == expected, (str(write), outcome, got)
        if fail == "COPIES_LATE" and write.is_single:  # home has it
            write.outcome = COMMITTED


# --- what fails ---------------------------------------------------------------------------------------------------------

def fault(rng):
    some = {"match": "/notes/points", "times": rng.randrange(1, 4)}
    if rng.random() < 0.7:  # no reads, which else would use it up
        some["method"] = "PUT"
    linger = {"linger": rng.choice(LINGER)} if rng.random() < 0.7 else {}
    return {**some, **rng.choice((
        *({"reset": "after", **linger},) * 4, {"reset": "before"}, {"reset": "half"},
        {"status": rng.choice((500, 503)), **linger}, {"status": 429}, {"status": 408, **linger}, {"delay": 0.3},
        {"black_hole": True, **linger}))}


class Run:
    def __init__(self, seed, directory):
        self.seed, self.directory, self.writes, self.is_over = seed, directory, [], False
        self.random = random.Random(seed)
        self.policy = self.random.choice(("async", "async", "quorum", "all"))
        self.regions, self.edge, self.did = {}, None, []

    def start(self):
        for name in ("eu", "us", "ap"):
            self.regions[name] = Region(name, self.directory / name, keys={"rw": "key-" + name}).start()
        (self.directory / "journal").mkdir()
        self.edge = Edge(self.directory / "edge", list(self.regions.values()), f"* *=eu,us,ap fanout={self.policy}", owns="eu",
                         journal_dir=self.directory / "journal", journal_quota="64MiB", api_key=KEY, default_timeout="3s",
                         quarantine=f"{int(QUARANTINE * 1000)}ms", **{f"cluster_{n}_api_key": "key-" + n for n in self.regions})
        self.edge.start()
        made = self.edge.call("PUT", "/collections/notes", {"vectors": {"size": 2, "distance": "Dot"}}, headers={"api-key": KEY})
        assert made[0] == 200, made

    def stop(self):
        self.is_over = True
        if self.edge:
            self.edge.kill()
        for region in self.regions.values():
            region.kill()

    def note(self, what):
        self.did.append(f"  {time.monotonic():8.3f} {what}")

    def disturb(self, clients):
        """Faults until the clients are done. Of four seeds one kills the edge and one stops it, once."""
        end = {1: "kill", 3: "stop"}.get(self.seed % 4)
        moment = time.monotonic() + SECONDS * self.random.uniform(0.1, 0.3)
        while any(c.is_alive() for c in clients):
            name = self.random.choice(("eu", "eu", "us", "ap"))
            if end and time.monotonic() > moment:
                self.restart(end)
                end = None
            elif self.random.random() < 0.15:
                self.pause(name)
            else:
                values = fault(self.random)
                self.note(f"{name} {values}")
                self.regions[name].control(clear=True, faults=values)
            time.sleep(self.random.uniform(0.05, 0.4))  # the length of a fault is part of it

    def pause(self, name):
        self.note(f"{name} pauses")
        self.regions[name].pause()
        time.sleep(self.random.uniform(0.1, 0.6))
        self.regions[name].resume()

    def restart(self, how):
        self.note(f"edge {how}")
        if how == "kill":
            self.edge.signal(signal.SIGKILL)
            self.edge.process.wait()
        else:
            assert self.edge.stop(30) == 0, self.edge.output()[-3000:]
        self.edge.start()
        self.note("edge started")

    def heal(self):
        """All that may land late has landed, and been shipped again: the longest quarantine is over, nothing is left to do."""
        for region in self.regions.values():
            region.control(clear=True)
        self.note("healed")
        healed = time.monotonic()
        wait_for(lambda: self.is_idle() and time.monotonic() > healed + 2 * QUARANTINE, 60, "idle lanes")

    def is_idle(self):
        status = self.edge.status()
        journal = status["journal"]
        return status["lanes"] and all(lane["points_waiting"] == 0 for lane in status["lanes"]) and (
            journal["writes_open"] == journal["writes_held"] == 0)

    def read(self, name):
        status, _, got = call(self.regions[name].port, "POST", POINTS + "/scroll",
                              {"limit": 1000, "with_payload": True, "with_vector": True}, headers={"api-key": "key-" + name})
        assert status == 200, got
        return {p["id"]: state_of(p["vector"], p["payload"]) for p in got["result"]["points"]}

    def history(self, point):
        return "\n".join(f"  {w}" for w in self.writes if point in w.steps)

    def findings(self):
        held = {name: self.read(name) for name in self.regions}
        found = []
        for point in HOT + COLD:
            home = held["eu"].get(point)
            why = unexplained(point, self.writes, home)
            found += [why] if why else []
            for copy in ("us", "ap"):
                if held[copy].get(point) != home:
                    found.append(f"point {point}: at home {home}, at {copy} {held[copy].get(point)}\n" +
                                 "\n".join(self.history(point).splitlines()[-8:]))
        return found


def run(seed, directory):
    one = Run(seed, directory)
    try:
        one.start()
        clients = [Client(one, n) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        one.disturb(clients)
        errors = [c.error for c in clients if c.error]
        assert not errors, (seed, one.policy, errors)
        one.heal()
        found = one.findings()
        assert not found, f"seed {seed}, {one.policy}: {len(found)} findings\n" + "\n".join(found[:3] + one.did)
        told = [w.outcome for w in one.writes]
        assert told.count(COMMITTED) > CLIENTS, "hardly anything was written"
        return {k: told.count(k) for k in (COMMITTED, REJECTED, UNKNOWN)}
    finally:
        one.stop()


@pytest.mark.parametrize("seed", (1, 3))
def test_what_was_acknowledged_is_everywhere(seed, tmp_path):
    run(seed, tmp_path)


@pytest.mark.soak
def test_many_seeds(tmp_path):
    first = int(os.environ.get("FIRST_SEED", "0"))
    for seed in range(first, first + int(os.environ.get("SEEDS", "1000"))):
        (tmp_path / str(seed)).mkdir()
        print(seed, run(seed, tmp_path / str(seed)), flush=True)


# --- can it fail? -------------------------------------------------------------------------------------------------------

def written(*rows):
    """Writes of point 1: (called, answered, outcome, step)."""
    writes = []
    for called, answered, outcome, step in rows:
        writes.append(Write(str(step), {1: [step]}, called))
        writes[-1].answer(outcome, "", answered)
    return writes


def put(n):
    return "upsert", ((float(n), 1.0), {"g": n}), None


def at(n):
    return apply(None, put(n))[0]


@pytest.mark.parametrize("rows, good, bad", [
    (((0, 1, COMMITTED, put(1)), (2, 3, COMMITTED, put(2))), (at(2),), (at(1), None)),  # lost, or came late
    (((0, 3, COMMITTED, put(1)), (1, 2, COMMITTED, put(2))), (at(1), at(2)), (None,)),  # at the same time
    (((0, 1, COMMITTED, put(1)), (2, 3, REJECTED, put(2))), (at(1),), (at(2),)),  # a refusal does nothing
    (((0, 1, UNKNOWN, put(1)),), (at(1), None), (at(2),)),
    (((0, 1, UNKNOWN, put(1)), (2, 3, COMMITTED, put(2))), (at(2),), (at(1),)),  # not after what was held for it
    (((0, 1, UNKNOWN, put(1)), (2, 3, COMMITTED, ("delete", None, 7))), (at(1), None), (at(7),)),  # it selected nothing
    (((0, 1, COMMITTED, put(1)), (2, 3, COMMITTED, ("delete", None, 1))), (None,), (at(1),)),
    (((0, 1, UNKNOWN, put(1)), (2, 3, COMMITTED, ("clear", None, None))), (((1.0, 1.0), ()),), (None, at(1)))])
def test_histories(rows, good, bad):
    for state in good:
        assert unexplained(1, written(*rows), state) is None
    for state in bad:
        assert unexplained(1, written(*rows), state)
