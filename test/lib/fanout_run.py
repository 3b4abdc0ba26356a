# SPDX-License-Identifier: Apache-2.0
"""Writes to a fanned-out collection through an edge, noted with what their clients were told; and whether what the regions hold
at the end is explained by that, and the same everywhere."""
import json
import os
import time

from histories import COMMITTED, REJECTED, UNKNOWN, TooManyOrders, Write, state_of, too_old, unexplained
from link import Link
from load import Watch
from sextant import Edge, Region, TooSlow, call, wait_for

SECRET = "0123456789abcdef-edges"
KEY, POINTS = "client-key", "/collections/notes/points"
HOT, COLD, GROUPS = (1, 2, 3), tuple(range(10, 40)), 4
QUOTA = "16MiB"  # what is written to the disk at the start is an eighth of it
VECTORS = {"size": 2, "distance": "Dot"}
ROUTES = {"upsert": ("PUT", ""), "delete": ("POST", "/delete"), "set": ("POST", "/payload"), "overwrite": ("PUT", "/payload"),
          "unset": ("POST", "/payload/delete"), "clear": ("POST", "/payload/clear"), "vector": ("PUT", "/vectors")}
BATCH_NAMES = {"set": "set_payload", "overwrite": "overwrite_payload", "unset": "delete_payload", "clear": "clear_payload",
               "vector": "update_vectors"}
FILTERED = ("set", "overwrite", "unset", "clear", "delete")


def steps_and_body(kind, ids, value, group=None):
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


def batch_of(parts):
    """Parts are (kind, steps, body): steps and body of all."""
    steps, operations = {}, []
    for kind, some, body in parts:
        operations.append({BATCH_NAMES.get(kind, kind): body})
        for point, more in some.items():
            steps.setdefault(point, []).extend(more)
    return steps, {"operations": operations}


class Run:
    """Regions, the edges before them, and all that was written."""

    def __init__(self, directory, policy="async", names=("eu", "us", "ap"), quarantine=2.0):
        self.directory, self.policy, self.quarantine = directory, policy, quarantine
        self.regions = {n: Region(n, directory / n, keys={"rw": "key-" + n}) for n in names}
        self.writes, self.edges, self.link = [], [], None
        self.shards = {}  # how many a region's collections have, if several
        self.too_old = []
        self.watch = Watch()
        self.watch.start()

    # --- processes ------------------------------------------------------------------------------------------------------

    def start_regions(self):
        for region in self.regions.values():
            region.start()
        return self

    def add_edge(self, **options):
        """One that owns home, with a journal of its own."""
        number = len(self.edges)
        journal = self.directory / f"journal{number}"
        journal.mkdir()
        return self.make_edge(number, owns=next(iter(self.regions)), journal_dir=journal, journal_quota=QUOTA, **options)

    def add_other_edge(self, **options):
        """One that forwards to the first, over a link that can fail."""
        self.link = Link(lambda: self.edge.port)
        return self.make_edge(len(self.edges), edges=f"first {self.link.url} owns={next(iter(self.regions))}", **options)

    def make_edge(self, number, **options):
        values = {"api_key": KEY, "edge_secret": SECRET, "default_timeout": "3s", "workers": 1, "eject_base": "500ms", "eject_max": "2s",
                  "quarantine": f"{int(self.quarantine * 1000)}ms",
                  **{f"cluster_{n}_api_key": "key-" + n for n in self.regions},
                  **{f"cluster_{n}_schema": json.dumps({"shard_number": count}) for n, count in self.shards.items()}, **options}
        self.edges.append(Edge(self.directory / f"edge{number}", list(self.regions.values()),
                               f"* *={','.join(self.regions)} fanout={self.policy}", **values))
        return self.edges[-1]

    @property
    def edge(self):
        return self.edges[0]

    def stop(self):
        self.watch.end.set()
        for edge in self.edges:
            edge.kill()
        if self.link:
            self.link.close()
        for region in self.regions.values():
            region.kill()
            region.let_go()

    def make_collection(self):
        def made():  # not before home is claimed; of quorum and all not before the copies have it
            body = {"vectors": VECTORS, "shard_number": self.shards.get(next(iter(self.regions)), 1)}
            status = self.edge.call("PUT", "/collections/notes", body, headers={"api-key": KEY}, timeout=60)[0]
            assert status in (200, 409, 503, 504), status
            return status in (200, 409)
        wait_for(made, 60, "the collection", 0.1)

    # --- writes ---------------------------------------------------------------------------------------------------------

    def send(self, method, route, body, steps, query="?wait=true", edge=None):
        """One write, with what came of it."""
        target = POINTS + route + query
        write = Write(f"{method} {target} {body}", steps, time.monotonic())
        self.writes.append(write)
        try:
            status, headers, got = call((edge or self.edge).port, method, target, body, "DE", {"api-key": KEY}, 60)
        except ConnectionRefusedError:
            write.answer(REJECTED, "not sent", time.monotonic())
        except TimeoutError:
            raise
        except Exception as error:  # cut, or half an answer
            write.answer(UNKNOWN, repr(error), time.monotonic())
        else:
            self.judge(write, status, headers, got)
        write.is_loose = write.outcome == UNKNOWN and edge is not None and edge is not self.edge
        return write

    def write(self, kind, ids, value, group=None, **options):
        steps, body = steps_and_body(kind, ids, value, group)
        return self.send(*ROUTES[kind], body, steps, **options)

    def read_back(self, write, edge):
        """One that may not be older than the write. True: there was an answer."""
        point = next(iter(write.steps))
        try:
            status, _, got = call(edge.port, "GET", f"{POINTS}/{point}", None, "DE", {"api-key": KEY, "x-sextant-token": write.token}, 60)
        except TimeoutError:
            raise
        except Exception:  # the edge is gone
            return False
        if status not in (200, 404) or (status == 200 and "vector" not in got["result"]):  # an answer that a fault made up
            return False
        found = state_of(got["result"]["vector"], got["result"]["payload"]) if status == 200 else None
        self.too_old += [why for why in [too_old(write, self.writes, found)] if why]
        return True

    def batch(self, *parts):
        steps, body = batch_of([(part[0], *steps_and_body(*part)) for part in parts])
        return self.send("POST", "/batch", body, steps)

    @staticmethod
    def judge(write, status, headers, got):
        outcome, fail = headers.get("x-sextant-outcome"), headers.get("x-sextant-error", "")
        expected = COMMITTED if status == 200 else UNKNOWN if status == 504 else REJECTED
        write.answer(expected, f"{status} {fail}", time.monotonic())
        write.token = headers.get("x-sextant-token")
        assert outcome == expected, (str(write), outcome, got)
        if fail == "COPIES_LATE" and write.is_single:  # home has it
            write.outcome = COMMITTED

    # --- the end --------------------------------------------------------------------------------------------------------

    def is_idle(self, edge=None):
        status = (edge or self.edge).status()
        journal = status["journal"]
        return status["lanes"] and all(lane["points_waiting"] == lane["points_again"] == 0 and (
            lane["walk"] or {"state": "over"})["state"] == "over" for lane in status["lanes"]) and (
            journal["writes_open"] == journal["writes_held"] == 0)

    def heal(self):
        """All that may land late has landed, and been shipped again: the longest quarantine is over, nothing is left to do."""
        if self.link:
            self.link.end()
        for region in self.regions.values():
            if not region.is_real:
                region.control(clear=True, release=True)
        healed = time.monotonic()
        try:
            wait_for(lambda: self.is_idle() and time.monotonic() > healed + 2 * self.quarantine, 60, "idle lanes", 0.05)
        except AssertionError as error:
            status = self.edge.status()
            raise AssertionError(f"{error}: {status['lanes']} {status['journal']}\n{self.edge.output()[-1500:]}") from None

    def read(self, name):
        status, _, got = call(self.regions[name].port, "POST", POINTS + "/scroll",
                              {"limit": 1000, "with_payload": True, "with_vector": True}, headers={"api-key": "key-" + name})
        if status == 404:
            return {}
        assert status == 200, got
        return {p["id"]: state_of(p["vector"], p["payload"]) for p in got["result"]["points"]}

    def history(self, point):
        return [f"  {w}" for w in self.writes if point in w.steps]

    def findings(self):
        held = {name: self.read(name) for name in self.regions}
        home, *copies = held
        found, given_up = list(self.too_old), None
        for point in HOT + COLD:
            there, why = held[home].get(point), None
            try:
                why = None if given_up else unexplained(point, self.writes, there)
            except TooManyOrders as error:  # copies may still show something
                given_up = error
            found += [why + "\n  all of them:\n" + "\n".join(self.history(point)[-12:])] if why else []
            found += [f"point {point}: at home {there}, at {copy} {held[copy].get(point)}\n" + "\n".join(self.history(point)[-8:])
                      for copy in copies if held[copy].get(point) != there]
        if given_up and not found:
            raise given_up
        return found


    def verdict(self):
        """The findings. What a region carried out later than a quarantine after it came, which no region does that is as fast as
        the edges may expect, explains any of them: then nothing is shown. So does an edge that was kept waiting for long."""
        found = self.findings()
        late = [r.control()["longest"] for r in self.regions.values() if not r.is_real] if found else []
        if any(seconds > self.quarantine for seconds in late) or (found and self.watch.most_late > 1):
            raise TooSlow(found, late, self.watch.most_late)
        return found


def cores():
    return len(os.sched_getaffinity(0))
