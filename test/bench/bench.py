#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a request costs through Sextant, HAProxy, nginx and Envoy, one after the other in each round of one run. `make bench` runs it.

The proxies share one core, all that loads and answers them has another. CPU time is what their processes ran, from the
kernel's accounts, in the counted seconds of the load. Only ratios of one round are compared; shown are medians over rounds.
"""
import argparse
import contextlib
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import peers
import replication

HTTP_PEERS = ("sextant", "haproxy", "nginx")
HEAD = ("{method} {target} HTTP/1.1\r\nHost: qdrant.example.com:6333\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
        "User-Agent: qdrant-client/1.15.1 python/3.12.3\r\nContent-Type: {kind}\r\napi-key: 0123456789abcdef0123456789abcdef\r\n"
        "X-Forwarded-For: 255.255.255.255\r\nContent-Length: {length}\r\n\r\n")


def request(method, target, body, kind="application/json"):
    return HEAD.format(method=method, target=target, kind=kind, length=len(body)).encode() + body


def vector(n):
    return [round((i * 7919 % 2000 - 1000) / 1013, 7) for i in range(n)]


def query():
    body = json.dumps({"query": vector(96), "limit": 10, "with_payload": True, "params": {"hnsw_ef": 128}}).encode()
    return request("POST", "/collections/users/points/query", body + b" " * (1200 - len(body)))


def upsert():
    points = [{"id": i, "vector": vector(96), "payload": {"city": "Berlin", "n": i}} for i in range(16)]
    body = json.dumps({"points": points}).encode()
    return request("PUT", "/collections/users/points?wait=true", body + b" " * (19 * 1024 - len(body)))


def scroll():
    return request("POST", "/collections/users/points/scroll", b'{"limit": 1000, "with_vector": true}')


def upload():
    return request("POST", "/collections/users/snapshots/upload?priority=snapshot", b"s" * (32 << 20),
                   "multipart/form-data; boundary=----sextant")


# name: what it is, the request, connections, TLS, who runs it, the figure
CPU, RATE_IN, RATE_OUT = "CPU per request, us", "MB of answers per CPU second", "MB of bodies per CPU second"
WORKLOADS = {
    "a": ("query, 1.2 KB in, 600 B out", query, 64, False, (*HTTP_PEERS, "haproxy-tcp", "envoy"), CPU),
    "b": ("upsert, 19 KB in", upsert, 64, False, (*HTTP_PEERS, "haproxy-tcp", "envoy"), CPU),
    "c": ("answers of 1 MB", scroll, 16, False, HTTP_PEERS, RATE_IN),
    "d": ("uploads of 32 MB", upload, 4, False, HTTP_PEERS, RATE_OUT),
    "f": ("query over TLS, keep-alive", query, 64, True, (*HTTP_PEERS, "envoy"), CPU),
    "h512": ("query, 512 connections", query, 512, False, HTTP_PEERS, CPU),
    "h4096": ("query, 4096 connections", query, 4096, False, HTTP_PEERS, CPU),
    "w2": ("query, two workers", query, 64, False, ("sextant-2", "haproxy-2"), CPU),
}
HANDSHAKES = {"e-full": ("full handshakes", []), "e-resumed": ("resumed handshakes", ["--resume"])}
PER_CPU_SECOND = "handshakes per CPU second"
# The journal against other logs, in the same directory: records of 4 KiB, so many a commit, each commit synced.
LOGS, LOG_RECORDS, LOG_RATE = ("journal", "sqlite", "rocksdb"), (64, 1), "records per second"
# What the programs for single decisions print, the worst of which counts, and the most that is wanted.
DECISIONS = {"place of an address, hot": (r"geo\.place\.v[46]\.hot, ns", 50), "place of an address, cold": (r"geo\.place\.v[46]\.cold, ns", 400),
             "plan, 20 clusters, 200 lines": (r"plan\.decide\..*", 1000)}
MOMENTS = {"start with 100,000 networks to the first answer": ("start_collections_ms", 300, "ms"),
           "failover after a refused connect": ("failover_us", 1000, "us")}


class Bench:
    def __init__(self, options, stack):
        self.options, self.stack = options, stack
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise SystemExit("bench: two cores are needed, one for the proxies and one for the load")
        self.proxy_core, self.load_core = cores[0], cores[1]
        self.directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="sextant-bench-"))
        self.results, self.proxies, self.missing, self.disk = {}, {}, [], ""
        self.descriptors = peers.raise_descriptors()
        self.idle = min(options.idle, (self.descriptors - 1500) // 2)
        if self.idle < options.idle:
            print(f"bench: {self.descriptors} open files are allowed here: {self.idle} idle connections", file=sys.stderr)
        self.networks = peers.make_networks(self.directory)
        peers.make_certificate(self.directory)
        self.log = peers.LogReader(f"{self.directory}/log.sock", self.load_core)
        self.upstreams = self.start_upstream()
        for name, (_, make, *_) in WORKLOADS.items():
            with open(f"{self.directory}/{name}.request", "wb") as file:
                file.write(make())

    def pin(self):
        os.sched_setaffinity(0, {self.load_core})

    def start_upstream(self):
        process = subprocess.Popen([f"{peers.BUILD}/bench/upstream", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   preexec_fn=self.pin, text=True)
        self.stack.callback(process.wait)
        self.stack.callback(process.stdin.close)
        return dict(zip(peers.CLUSTERS, map(int, process.stdout.readline().split())))

    def start(self, name):
        kind, workers = (name[:-2], 2) if name.endswith("-2") else (name, 1)
        if kind in self.missing:
            return None
        if name not in self.proxies:
            if peers.version_of(kind) is None:
                self.missing.append(kind)
                print(f"bench: {kind} is not there: left out ({peers.whence(kind)})", file=sys.stderr)
                return None
            self.proxies[name] = peers.KINDS[kind][0](name, self, workers)
            self.stack.callback(self.proxies[name].stop)
        return self.proxies[name]

    def tool(self, *command):
        """What a tool on the load's core prints: one line of JSON."""
        done = subprocess.run([f"{peers.BUILD}/bench/{command[0]}", *map(str, command[1:])], stdout=subprocess.PIPE, text=True,
                              preexec_fn=self.pin, check=True, timeout=120)
        return json.loads(done.stdout)

    def load(self, port, workload, connections, proxy=None, *more):
        accounts = [a for pid in (proxy.pids() if proxy else ()) for a in ("--account", pid)]
        got = self.tool("http_load", "--port", port, "--request", f"{self.directory}/{workload}.request", "--connections", connections,
                        "--seconds", self.options.seconds, *accounts, *more)
        if got["errors"] or not (got["requests"] or WORKLOADS[workload][-1] == RATE_OUT and got["bytes_out"]):
            raise SystemExit(f"bench: {proxy.name if proxy else 'direct'}, {workload}: {got}")
        return got

    def keep(self, workload, proxy, figure, value):
        self.results.setdefault(workload, {}).setdefault(proxy, {}).setdefault(figure, []).append(value)

    def values(self, workload, proxy, figure):
        return self.results.get(workload, {}).get(proxy, {}).get(figure, [])

    def in_turns(self, names, turn):
        """Each round begins with another one."""
        names = [n for n in names if self.start(n)]
        return names[turn % len(names):] + names[:turn % len(names)] if names else []

    def run_load(self, workload, turn):
        _, _, connections, tls, names, figure = WORKLOADS[workload]
        for name in self.in_turns(names, turn):
            proxy = self.proxies[name]
            before = proxy.memory()
            got = self.load(proxy.tls_port if tls else proxy.port, workload, connections, proxy, *(["--tls"] if tls else []))
            mega = {RATE_IN: got["bytes_in"] / 1e6, RATE_OUT: got["bytes_out"] / 1e6}.get(figure)
            self.keep(workload, name, figure, mega / got["cpu_s"] if mega else got["cpu_s"] / got["requests"] * 1e6)
            self.keep(workload, name, "requests per second", got["requests"] / got["seconds"])
            self.keep(workload, name, "memory grew by, MB", (proxy.memory() - before) / 1e6)

    def run_handshakes(self, workload, turn):
        for name in self.in_turns(HTTP_PEERS, turn):
            proxy = self.proxies[name]
            accounts = [a for pid in proxy.pids() for a in ("--account", pid)]
            got = self.tool("tls_load", "handshakes", "--port", proxy.tls_port, "--seconds",
                            math.ceil(self.options.seconds), "--connections", 16, *HANDSHAKES[workload][1], *accounts)
            if got["errors"]:
                raise SystemExit(f"bench: {name}, {workload}: {got}")
            self.keep(workload, name, PER_CPU_SECOND, 1e6 / got["cpu_us_each"])

    def run_latency(self, share, turn):
        """At the same rate for all: a share of what the slowest of them takes."""
        most = [statistics.median(self.values("a", n, "requests per second")) for n in HTTP_PEERS if self.values("a", n, CPU)]
        rate = round(min(most) * share / 100)
        for name in ["direct", *self.in_turns(HTTP_PEERS, turn)]:
            proxy = self.proxies.get(name)
            got = self.load(proxy.port if proxy else self.upstreams["eu"], "a", 64, proxy, "--rate", rate)
            for p in ("p50_us", "p99_us", "p999_us"):
                self.keep(f"i{share}", name, p, got[p])
            self.keep(f"i{share}", name, "rate", rate)

    def run_idle(self, turn):
        """Memory of connections that asked once and are kept, of processes that have seen nothing else."""
        for name in self.in_turns(HTTP_PEERS, turn):
            for what, port, more in (("plain", "port", ["--plain"]), ("tls", "tls_port", [])):
                proxy = peers.KINDS[name][0](f"{name}-idle", self)
                try:
                    self.idle_once(name, proxy, what, getattr(proxy, port), more)
                finally:
                    proxy.stop()

    def idle_once(self, name, proxy, what, port, more):
        count = self.idle
        before = proxy.memory()
        with subprocess.Popen([f"{peers.BUILD}/bench/tls_load", "idle", "--port", str(port), "--count", str(count), *more],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=self.pin) as crowd:
            try:
                if "all there\n" not in iter(crowd.stdout.readline, ""):
                    raise SystemExit(f"bench: {name}: no {count} idle connections")
                self.keep("g", name, f"{what}, KB per idle connection", (proxy.memory() - before) / 1024 / count)
            finally:
                crowd.stdin.close()

    def run_logs(self, records, turn):
        """On the disk that the build is on, as /tmp may be memory."""
        workload = f"j{records}"
        names = [n for n in LOGS if os.path.exists(f"{peers.BUILD}/bench/{n}_load")]
        if turn == 0 and len(names) < len(LOGS):
            print(f"bench: not built: {', '.join(set(LOGS) - set(names))} (scripts/deps.sh bench installs them)", file=sys.stderr)
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            with tempfile.TemporaryDirectory(prefix="log-", dir=f"{peers.BUILD}/bench") as directory:
                self.disk = subprocess.run(["stat", "-f", "-c", "%T", directory], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
                done = subprocess.run([f"{peers.BUILD}/bench/{name}_load", directory, str(records), str(self.options.seconds)],
                                      stdout=subprocess.PIPE, text=True, check=True, timeout=300)
            got = json.loads(done.stdout)
            for figure, key in ((LOG_RATE, "records_per_s"), ("p50 of a commit, us", "p50_us"), ("p99 of a commit, us", "p99_us")):
                self.keep(workload, name, figure, got[key])

    def run_decisions(self):
        for program, *arguments in (("geo_bench", f"{self.directory}/networks.mmdb"), ("plan_bench",), ("marks_bench",)):
            done = subprocess.run([f"{peers.BUILD}/bench/{program}", *arguments], stdout=subprocess.PIPE, text=True, cwd=peers.ROOT,
                                  preexec_fn=self.pin, check=True, timeout=120)
            for line in done.stdout.splitlines():
                if not line.startswith("#"):
                    name, median, unit, *_ = line.split()
                    self.keep("decisions", "sextant", f"{name}, {unit}", float(median))
        done = subprocess.run([sys.executable, f"{peers.HERE}/moments.py", "--sextant", f"{peers.BUILD}/sextant",
                               "--geodb", f"{peers.BUILD}/geodb"], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
        for name, found in json.loads(done.stdout).items():
            if isinstance(found, dict):
                self.keep("decisions", "sextant", name, found["median"])

    def run(self, wanted):
        for turn in range(self.options.rounds):
            print(f"round {turn + 1} of {self.options.rounds}", file=sys.stderr)
            for workload in wanted:
                if workload == "decisions":
                    if turn % 2 == 0:
                        self.run_decisions()
                elif workload == "r":
                    if turn % 2 == 0:
                        replication.run(self, lambda figure, value: self.keep("r", "sextant", figure, value))
                elif workload in WORKLOADS:
                    self.run_load(workload, turn)
                elif workload[0] == "j":
                    self.run_logs(int(workload[1:]), turn)
                elif workload in HANDSHAKES:
                    self.run_handshakes(workload, turn)
                elif workload == "g":
                    if turn == 0:
                        self.run_idle(turn)
                else:
                    self.run_latency(int(workload[1:]), turn)


def ratio(bench, workload, figure, one, other, of=None):
    """Median over rounds, and the least and greatest; `of` is another workload of the other one."""
    pairs = list(zip(bench.values(workload, one, figure), bench.values(of or workload, other, figure)))
    found = [a / b for a, b in pairs if b]
    return spread(found)


def spread(values):
    return (statistics.median(values), min(values), max(values)) if values else None


def added(bench, share, name, p):
    through, direct = bench.values(f"i{share}", name, p), bench.values(f"i{share}", "direct", p)
    return statistics.median([max(a - b, 1) for a, b in zip(through, direct)]) if through else None


def goals(bench):
    """(what, value, least, greatest, goal, met)"""
    rows = []

    def add(what, found, sign, limit, unit="x"):
        if found:
            value, least, most = found if isinstance(found, tuple) else (found, found, found)
            rows.append((what, value, least, most, f"{sign} {limit:g} {unit}", value <= limit if sign == "<=" else value >= limit))

    for workload, limits in {"a": {"haproxy": 0.90, "haproxy-tcp": 1.15, "nginx": 0.75, "envoy": 0.75},
                             "b": {"haproxy": 0.90, "envoy": 0.75}, "f": {"haproxy": 0.95, "envoy": 0.75}}.items():
        for other, limit in limits.items():
            add(f"({workload}) {WORKLOADS[workload][0]}: CPU against {other}", ratio(bench, workload, CPU, "sextant", other), "<=", limit)
    for workload, figure in (("c", RATE_IN), ("d", RATE_OUT)):
        add(f"({workload}) {WORKLOADS[workload][0]}: bytes per CPU second against haproxy", ratio(bench, workload, figure, "sextant", "haproxy"), ">=", 1)
        grew = bench.values(workload, "sextant", "memory grew by, MB")
        # What is in buffers when the load stops goes back to the kernel late: what must not be is growth with every round.
        add(f"({workload}) memory that a later round added, MB", max(grew[1:], default=None) if grew else None, "<=", 8, "MB")
    for workload, (what, _) in HANDSHAKES.items():
        for other in ("haproxy", "nginx"):
            add(f"(e) {what} per CPU second against {other}", ratio(bench, workload, PER_CPU_SECOND, "sextant", other), ">=", 1)
    for what, limit in (("plain", 4), ("tls", 16)):
        found = bench.values("g", "sextant", f"{what}, KB per idle connection")
        add(f"(g) memory of an idle {what} connection", statistics.median(found) if found else None, "<=", limit, "KB")
    add("(h) CPU at 4096 connections against 64", ratio(bench, "h4096", CPU, "sextant", "sextant", "a"), "<=", 1.15)
    for share in (50, 80):
        for p, label in (("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9")):
            mine, other = added(bench, share, "sextant", p), added(bench, share, "haproxy", p)
            add(f"(i) {label} added at {share} % load against haproxy", mine / other if mine and other else None, "<=", 1)
    for other, limit in (("sqlite", 5), ("rocksdb", 3)):
        add(f"(j64) journal, 64 records of 4 KiB a commit, against {other}", ratio(bench, "j64", LOG_RATE, "journal", other), ">=", limit)
    figures = bench.results.get("decisions", {}).get("sextant", {})
    for what, (names, limit) in DECISIONS.items():
        add(what, max((spread(v) for name, v in figures.items() if re.fullmatch(names, name)), default=None), "<=", limit, "ns")
    for what, (name, limit, unit) in MOMENTS.items():
        add(what, spread(figures.get(name)), "<=", limit, unit)
    for what, sign, limit, unit in replication.goals():
        add(f"(r) {what}", spread(bench.values("r", "sextant", what)), sign, limit, unit)
    add("(r) memory of a mark, numeric ids", spread(figures.get("marks.bytes, B")), "<=", 40, "B")
    add("two workers against one: CPU per request", ratio(bench, "w2", CPU, "sextant-2", "sextant", "a"), "<=", 1.05)
    return rows


def print_report(bench, rows):
    print("\nmedians (least to greatest)")
    for workload, by_proxy in bench.results.items():
        title = {**WORKLOADS, **HANDSHAKES}.get(workload, ({"g": "idle connections", "decisions": "single decisions", "r": "copies kept by fan-out", **{f"j{n}": f"{n} records of 4 KiB a commit, on {bench.disk}" for n in LOG_RECORDS}}.get(workload, f"open loop at {workload[1:]} %"),))[0]
        print(f"({workload}) {title}")
        for figure in dict.fromkeys(f for figures in by_proxy.values() for f in figures):
            line = "  ".join(f"{name} {statistics.median(v):.5g} ({min(v):.5g} to {max(v):.5g})"
                             for name, figures in by_proxy.items() if (v := figures.get(figure)))
            print(f"    {figure}: {line}")
    print(f"\n{'goal':<75} {'figure':>8}  {'spread':<15} {'wanted':<10}")
    for what, value, least, most, wanted, met in rows:
        print(f"{what:<75} {value:8.3f}  {least:.3f} to {most:.3f}  {wanted:<10} {'met' if met else 'MISSED'}")


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "versions": {name: peers.version_of(name) for name in peers.KINDS}}


def main():
    every = [*WORKLOADS, *HANDSHAKES, "g", "i50", "i80", "decisions", "r", *(f"j{n}" for n in LOG_RECORDS)]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="counted time of each run")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections")
    parser.add_argument("--only", help=f"workloads, by comma, of {','.join(every)}")
    parser.add_argument("--json", help="also write everything measured to this file")
    parser.add_argument("--check", action="store_true", help="exit code 1 when a goal is missed")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else every
    if not set(wanted) <= set(every):
        parser.error(f"no workload {', '.join(set(wanted) - set(every))}")
    if {"i50", "i80"} & set(wanted) and "a" not in wanted:
        wanted.insert(0, "a")
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        bench = Bench(options, stack)
        bench.run(wanted)
        rows = goals(bench)
        about = machine()
        print(f"{about['cpu']}, {about['cores']} cores, Linux {about['kernel']}; {bench.networks} networks; "
              f"{options.rounds} rounds of {options.seconds:g} s; took {time.monotonic() - started:.0f} s")
        print("; ".join(v for v in about["versions"].values() if v))
        print_report(bench, rows)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                json.dump({"machine": about, "rounds": options.rounds, "results": bench.results,
                           "goals": [dict(zip(("what", "value", "least", "most", "wanted", "met"), r)) for r in rows]}, file, indent=1)
        missed = [r for r in rows if not r[-1]]
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
