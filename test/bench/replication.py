# SPDX-License-Identifier: Apache-2.0
"""What keeping copies costs: three clusters that keep their points, an edge in front of them that fans out, and the same work
done past it. `make bench` runs it, with its workload `r`. QDRANT_BIN: a real server for each cluster instead (no lag then)."""
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import peers

# So many connections, in both ways, that the edge has something to do while the disk syncs: with eight all of them wait for it.
ONE_WAY_MS, BATCH, CONNECTIONS = 50, 64, 32
LIVE_RATE, AWAY_POINTS = 200, 20_000
KEY = "bench"


class RealCluster:
    """The server that QDRANT_BIN names, on the load's core, behind a link that can be cut: one that is killed would be sent its last minute again."""

    def __init__(self, name, bench, stack, directory, one_way_ms=0):
        self.name, self.bench, self.stack = name, bench, stack
        self.port, self.outer_port = peers.free_port(), peers.free_port()
        os.makedirs(f"{directory}/{name}")
        environment = {"QDRANT__SERVICE__HTTP_PORT": self.port, "QDRANT__SERVICE__GRPC_PORT": peers.free_port(), "QDRANT__SERVICE__HOST": "127.0.0.1",
                       "QDRANT__TELEMETRY_DISABLED": "true", "QDRANT__LOG_LEVEL": "ERROR"}
        self.process = Cluster.spawn(bench, stack, os.environ["QDRANT_BIN"], cwd=f"{directory}/{name}", env={k: str(v) for k, v in environment.items()})
        peers.wait_for(lambda: answers(self.port), 60, "the start of a Qdrant")
        self.rtt_ms = 2 * one_way_ms
        self.order("back")

    def order(self, what):
        if what == "away":
            self.link.kill()
            self.link.wait()
        elif what == "back":
            self.link = Cluster.spawn(self.bench, self.stack, *link(self, self.rtt_ms))
            peers.wait_for(lambda: answers(self.outer_port), 20, "the opening of a link")

    def ages(self):
        return None


def link(cluster, rtt_ms):
    return sys.executable, f"{peers.ROOT}/scripts/wan_link.py", "--listen", cluster.outer_port, "--to", cluster.port, "--rtt-ms", rtt_ms


class Cluster:
    """`points` for points, a stand-in for all else, on the load's core."""

    def __init__(self, name, bench, stack, directory, one_way_ms=0):
        self.name = name
        standin = self.spawn(bench, stack, sys.executable, f"{peers.ROOT}/test/lib/qdrant_standin.py", "--port", (rest := peers.free_port()),
                             "--state-dir", f"{directory}/{name}")
        peers.wait_for(lambda: answers(rest) or standin.poll() is not None, 20, "the start of a stand-in")
        self.process = self.spawn(bench, stack, f"{peers.BUILD}/bench/points", rest)
        self.port = self.outer_port = int(self.process.stdout.readline())
        if one_way_ms:
            self.outer_port = peers.free_port()
            self.spawn(bench, stack, *link(self, 2 * one_way_ms))
            peers.wait_for(lambda: answers(self.outer_port), 20, "the opening of a link")

    @staticmethod
    def spawn(bench, stack, *command, **options):
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=bench.pin,
                                   **options)
        stack.callback(process.wait)
        stack.callback(process.kill)
        return process

    def order(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def ages(self):
        return json.loads(self.order("ages"))


def answers(port, path="/readyz"):
    try:
        return http(port, "GET", path)[0] == 200
    except OSError:
        return False


def http(port, method, path, body=None):
    from http.client import HTTPConnection
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"content-type": "application/json", "api-key": KEY})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Edge(peers.Sextant):
    def __init__(self, bench, clusters, journal):
        self.clusters, self.journal = clusters, journal
        super().__init__("fanout", bench)

    def environment(self):
        own = {"SEXTANT_CLUSTERS": "; ".join(f"{c.name} http://127.0.0.1:{c.outer_port} at={peers.CLUSTERS[c.name]}" for c in self.clusters),
               "SEXTANT_PARTITION_MAP": "* *=eu,us,ap fanout=async", "SEXTANT_OWNS": "eu", "SEXTANT_JOURNAL_DIR": self.journal,
               "SEXTANT_JOURNAL_QUOTA": "1GiB", "SEXTANT_API_KEY": KEY, **{f"SEXTANT_CLUSTER_{c.name.upper()}_API_KEY": KEY for c in self.clusters}}
        return {**super().environment(), **own}

    def lanes(self):
        return json.loads(http(self.admin_port, "GET", "/status")[1])["lanes"]

    def waiting(self):
        return sum(lane["points_waiting"] for lane in self.lanes())


@contextlib.contextmanager
def world(bench, one_way_ms=0):
    """(edge, clusters), with the collection made and the lanes at work. The journal is on the disk that the build is on."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="fanout-", dir=f"{peers.BUILD}/bench"))
        os.mkdir(f"{directory}/journal")
        make = RealCluster if os.environ.get("QDRANT_BIN") else Cluster
        clusters = [make(name, bench, stack, directory, one_way_ms if name != "eu" else 0) for name in peers.CLUSTERS]
        edge = Edge(bench, clusters, f"{directory}/journal")
        stack.callback(edge.stop)
        create = {"vectors": {"size": 96, "distance": "Dot"}}
        peers.wait_for(lambda: http(edge.port, "PUT", "/collections/bench", create)[0] == 200, 30, "a collection in all regions")
        write(bench, [edge.port], points=100)
        drained(edge)
        yield edge, clusters


def write(bench, ports, **options):
    got = bench.tool("write_load", *(a for p in ports for a in ("--port", p)), *(a for k, v in options.items() for a in (f"--{k}", v)))
    if got["errors"]:
        raise SystemExit(f"bench: writes to {ports}: {got}")
    return got


def drained(edge, seconds=60):
    peers.wait_for(lambda: edge.waiting() == 0, seconds, "the copies have all")


def disk_sync(directory, times=200):
    """(p50, p99) in microseconds of one write of 4 KiB and its fdatasync, into a file whose blocks are all there, as often as
    the live writes come: a disk that rested in between takes longer (four times as long, on a virtual one)."""
    took, block = [], b"x" * 4096
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(block * times)
        file.flush()
        os.fsync(file.fileno())
        for i in range(times):
            time.sleep(1 / LIVE_RATE)
            begin = time.perf_counter_ns()
            os.pwrite(file.fileno(), block, i * 4096)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter_ns() - begin) / 1000)
    took.sort()
    return took[times // 2], took[times * 99 // 100]


ADDED = {p: f"{p} added to an async write, of what is allowed: 2 x fdatasync + 0.3 ms" for p in ("p50", "p99")}
RATE = f"points/s written and shipped, {BATCH} a request, against a client of all three"
CAUGHT_UP = "catch-up of a copy against an upsert of the same points"
MEANWHILE = "p99 of writes while a copy catches up against before"
LAG = {p: f"lag at 1,000 points/s, {ONE_WAY_MS} ms one way, {p}" for p in ("p50", "p99")}


def goals():
    """(figure, sign, limit, unit)"""
    return [(ADDED["p50"], "<=", 1, "x"), (ADDED["p99"], "<=", 1, "x"), (RATE, ">=", 0.8, "x"), (LAG["p50"], "<=", 2 * ONE_WAY_MS + 50, "ms"),
            (LAG["p99"], "<=", 2 * ONE_WAY_MS + 250, "ms"), (CAUGHT_UP, "<=", 1.3, "x"), (MEANWHILE, "<=", 1.2, "x")]


def latency(bench, edge, clusters, keep):
    """At the same rate through the edge and to home directly."""
    options = {"rate": LIVE_RATE, "connections": 4, "seconds": bench.options.seconds}
    direct = write(bench, [clusters[0].outer_port], first=1_000_000, **options)
    disk = disk_sync(f"{peers.BUILD}/bench")
    through = write(bench, [edge.port], **options)
    for p, sync in zip(("p50", "p99"), disk):
        added = max(through[f"{p}_us"] - direct[f"{p}_us"], 0)
        keep(f"{p} of the disk's fdatasync, us", sync)
        keep(f"{p} added to a write, us", added)
        keep(ADDED[p], added / (2 * sync + 300))


class Cpu:
    """CPU seconds: of the clusters and of loads that have ended, on one core, and of the edge, which has another for itself."""

    def __init__(self, edge, clusters):
        ended = os.times()
        self.load = ended.children_user + ended.children_system + sum(self.of(c.process.pid) for c in clusters)
        self.edge = self.of(edge.process.pid)

    @staticmethod
    def of(pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")


def throughput(bench, edge, clusters, keep):
    """Through the edge: until the last copy has the last point. CPU time tells what bounds it, whoever else wants the machine."""
    options = {"batch": BATCH, "connections": CONNECTIONS, "seconds": bench.options.seconds}
    start = Cpu(edge, clusters)
    direct = write(bench, [c.outer_port for c in clusters], first=2_000_000, **options)
    middle, begin = Cpu(edge, clusters), time.monotonic()
    through = write(bench, [edge.port], first=200_000, **options)
    drained(edge)
    rates = through["points"] / (time.monotonic() - begin), direct["points"] / direct["seconds"]
    end = Cpu(edge, clusters)
    by_itself = (middle.load - start.load) / direct["points"] * 1e6
    load, own = ((e - m) / through["points"] * 1e6 for e, m in ((end.load, middle.load), (end.edge, middle.edge)))
    keep("CPU of a client of all three and of clusters for a point, us", by_itself)
    keep("CPU of a client of the edge and of clusters for a point, us", load)
    keep("CPU of the edge for a point, us", own)
    keep("points/s against a client of all three, as CPU time allows", by_itself / max(load, own))
    keep("points per second, shipped to two copies", rates[0])
    keep("points per second, a client of all three", rates[1])
    keep(RATE, rates[0] / rates[1])


class Writer(threading.Thread):
    """Writes at LIVE_RATE until it is told to stop."""

    def __init__(self, bench, port):
        super().__init__(daemon=True)
        self.bench, self.port, self.is_over, self.p99s = bench, port, False, []

    def run(self):
        while not self.is_over:
            self.p99s.append(write(self.bench, [self.port], first=900_000, rate=LIVE_RATE, connections=4, seconds=0.5)["p99_us"])

    def stop(self):
        self.is_over = True
        self.join()
        return statistics.median(self.p99s)


def catch_up(bench, edge, clusters, keep):
    """From the first point that comes until only live ones wait, against an upsert of the same points; a client writes meanwhile."""
    copy, points = clusters[2], AWAY_POINTS if bench.options.seconds >= 1 else AWAY_POINTS // 10

    def waiting(name):
        return next(lane["points_waiting"] for lane in edge.lanes() if lane["copy"] == name)

    copy.order("away")
    write(bench, [edge.port], first=500_000, points=points, batch=BATCH, connections=CONNECTIONS)
    peers.wait_for(lambda: waiting("us") == 0, 60, "the other copy has all")
    before = write(bench, [edge.port], first=900_000, rate=LIVE_RATE, connections=4, seconds=max(bench.options.seconds, 0.5))["p99_us"]
    writer = Writer(bench, edge.port)
    writer.start()
    back = time.monotonic()
    copy.order("back")
    most = waiting("ap")
    peers.wait_for(lambda: waiting("ap") < most - BATCH, 60, "the copy that was away is noticed")
    begin = time.monotonic()
    peers.wait_for(lambda: waiting("ap") < BATCH, 60, "catching up")
    took = time.monotonic() - begin
    meanwhile = writer.stop()
    direct = write(bench, [copy.outer_port], first=3_000_000, points=points, batch=256, connections=1)
    keep("a copy that is back is noticed after, s", begin - back)
    keep("catch-up, s", took)
    keep("upsert of the same points, s", direct["seconds"])
    keep(CAUGHT_UP, took / direct["seconds"])
    keep(MEANWHILE, meanwhile / before)


def lag(bench, keep):
    """How old points are when a copy takes them, by the time at which they were sent; the farther copy counts."""
    with world(bench, ONE_WAY_MS) as (edge, clusters):
        for c in clusters:
            c.ages()
        write(bench, [edge.port], rate=100, batch=10, connections=4, seconds=max(bench.options.seconds, 1), first=10_000)
        drained(edge)
        found = list(filter(None, (c.ages() for c in clusters[1:])))
        for p in ("p50", "p99") if found else ():
            keep(LAG[p], max(f[f"{p}_us"] for f in found) / 1000)


def run(bench, keep):
    with world(bench) as (edge, clusters):
        latency(bench, edge, clusters, keep)
        throughput(bench, edge, clusters, keep)
        catch_up(bench, edge, clusters, keep)
    lag(bench, keep)
