#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a request costs: instructions, system calls and allocations of the worker's thread, as callgrind counts them.

    instructions.py                      a table
    instructions.py --check              compare with budget.json; exits 1 when something costs more than it may
    instructions.py --write              write what was counted into budget.json
    instructions.py --profile=ROWS       for each workload also the functions that cost most
    instructions.py query upsert         these workloads only

These figures do not depend on how fast or busy the machine is. Sextant runs under callgrind with one worker, a geo database,
access log and metrics; client and clusters are threads of this process, and connections are warm. Every request is from
another caller, in turn of CALLERS. callgrind writes what the worker's thread did whenever that thread answers /readyz; so start,
probes and end do not count. What goes by time instead of requests is taken out: timers, and messages of the control thread.
"""
import argparse
import json
import os
import platform
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "test", "lib")]
from callgrind import Profile  # noqa: E402
from certs import Authority  # noqa: E402
from sextant import SEXTANT, Edge, request, wait_for  # noqa: E402

BUDGET = os.path.join(HERE, "budget.json")
MORE_PERCENT = 3.0
SLACK = {"system calls": 0.4, "clock reads": 1.0, "allocations": 0.5}
DUMP_BEFORE = "transaction_answer_here"
CALLGRIND = ["valgrind", "-q", "--tool=callgrind", "--separate-threads=yes", f"--dump-before={DUMP_BEFORE}", "--vgdb=no"]
# One instruction that copies a page counts as one for each byte under valgrind: the C library shall use vectors.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-ERMS,-FSRM"}
ALLOCATIONS = "malloc calloc realloc aligned_alloc posix_memalign memalign".split()
CLOCK = ["clock_gettime"]  # costs no system call where the kernel lends its code to the process, which callgrind prevents
# read and write are left out: here these are the log and other threads' messages.
SYSTEM_CALLS = ("readv recv recvfrom recvmsg writev send sendto sendmsg splice epoll_wait epoll_ctl timerfd_settime "
                "accept4 connect socket close shutdown setsockopt getsockopt ioctl fcntl poll").split()
# Does not go by requests but by time, of which there is more on a slow machine.
BY_THE_CLOCK = ["timers_fire_one", "on_wake"]
TURNS_BY_THE_CLOCK = ["on_tick", "on_wake"]

# Callers of four countries, addresses of equal length, so that each round of requests is like the one before.
NETWORKS = [("81.100.{}.{}", "DE"), ("98.100.{}.{}", "US"), ("90.100.{}.{}", "FR"), ("76.100.{}.{}", "CA")]
CALLERS = [NETWORKS[i % 4][0].format(100 + i, 200 - i) for i in range(64)]
PARTITION_MAP = "* europe=eu north-america=us *=us"
ANSWER_HEAD = ("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nvary: accept-encoding, Origin, Access-Control-Request-Method, "
               "Access-Control-Request-Headers\r\ncontent-type: application/json\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n")
MB = 1000 * 1000


def answer(length):
    body = '{"result":"%s","status":"ok","time":0.000123}'
    return (ANSWER_HEAD.format(length) + body % ("1" * (length - len(body % "")))).encode()


def vector(length):
    """JSON of so many bytes."""
    body = '{"limit":10,"query":[%s1]}'
    numbers, rest = divmod(length - len(body % ""), len("0.0123456789,"))
    return body % ("0.0123456789," * numbers + "1" * rest)


class Workload:
    """`per`: what its figures are for, of `units` in one request."""

    def __init__(self, name, head, body, answers, repeat, per="request", units=1, tls=False):
        self.name, self.head, self.body, self.answers, self.repeat = name, head, body, answers, repeat
        self.per, self.units, self.tls = per, units, tls

    def requests(self):
        text = (self.head + " HTTP/1.1\r\nHost: sextant.example.org:6333\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n"
                "Connection: keep-alive\r\nUser-Agent: python-client/1.15.1 python/3.11.2\r\nContent-Type: application/json\r\n"
                "X-Forwarded-For: {}\r\nContent-Length: {}\r\n\r\n")
        body = vector(self.body)
        return [(text.format(caller, self.body) + body).encode() for caller in CALLERS]


QUERY = ("POST /collections/bench/points/query", 900, 600)
WORKLOADS = [
    Workload("query", *QUERY, repeat=512),
    Workload("upsert", "PUT /collections/bench/points?wait=true", 19000, 90, repeat=256),
    Workload("answer-1MB", "POST /collections/bench/points/scroll", 200, MB, repeat=32),
    Workload("upload-8MB", "PUT /collections/bench/points?wait=false", 8 * MB, 91, repeat=8, per="MB", units=8),
    Workload("query-tls", *QUERY, repeat=512, tls=True),
]


def read_message(stream):
    """(start line, bytes of the body) of a message that has a content-length or no body."""
    start, length = stream.readline(), 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        if line[:15].lower() == b"content-length:":
            length = int(line[15:])
    left = length
    while left:
        piece = stream.read(min(left, 1 << 16))
        if not piece:
            raise ConnectionError("the connection ended inside a message")
        left -= len(piece)
    return start, length


class Region:
    def __init__(self, name, port):
        self.name, self.url = name, f"http://127.0.0.1:{port}"


class Clusters:
    """All clusters: answers by target, from memory."""

    def __init__(self):
        self.answers = {w.head.split()[1].encode(): answer(w.answers) for w in WORKLOADS}
        self.other = answer(200)
        self.regions = [self.listen(name) for name in ("eu", "us")]

    def listen(self, name):
        listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()
        return Region(name, listener.getsockname()[1])

    def accept(self, listener):
        while True:
            connection = listener.accept()[0]
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        stream = connection.makefile("rb", 1 << 16)
        try:
            while (start := read_message(stream)[0]):
                connection.sendall(self.answers.get(start.split()[1], self.other))
        except OSError:
            pass


class Watched(Edge):
    """An edge under callgrind."""

    def __init__(self, directory):
        authority = Authority()
        certificate, key = authority.issue("127.0.0.1").save(directory, "edge")
        self.authority, self.dumps = authority.save(directory), 0
        super().__init__(
            os.path.join(directory, "edge"), Clusters().regions, PARTITION_MAP, workers=1, geo_db=make_database(directory),
            listen="127.0.0.1:0,127.0.0.1:0/tls", tls_cert=certificate, tls_key=key, overrides=None, connection_requests=0,
            # Nothing but requests may happen, however slow it all is.
            probe_interval="1h", probe_timeout="60s", connect_timeout="60s", head_timeout="10min", upstream_idle="1h",
            client_idle="24h", default_timeout="1h", tcp_user_timeout="10min")

    def spawn(self, argv, env):
        super().spawn([*CALLGRIND, f"--callgrind-out-file={self.directory}/profile"] + argv, {**env, **ENVIRONMENT})

    def start(self, settle=True):
        file = os.path.join(self.directory, "ports.json")
        self.spawn([SEXTANT], self.env)
        wait_for(lambda: os.path.exists(file) or self.process.poll() is not None, 120, "the start")
        if self.process.poll() is not None:
            raise SystemExit(self.output())
        with open(file, encoding="utf-8") as ports:
            found = json.load(ports)
        self.ports = [int(address.rsplit(":", 1)[1]) for address in found["listen"]]
        self.admin_port = int(found["admin"].rsplit(":", 1)[1])
        wait_for(lambda: all(c["rtt_ms"] is not None for c in self.clusters()), 120, "the first probe of all clusters")
        return self

    def clusters(self):
        return json.loads(request(self.admin_port, "GET", "/status", timeout=120)[2])["clusters"]

    def profile(self):
        """What the worker did since the last one."""
        self.dumps += 1
        request(self.ports[0], "GET", "/readyz", timeout=120)
        for name in os.listdir(self.directory):
            if re.fullmatch(rf"profile\.{self.dumps}-\d+", name):
                return Profile(os.path.join(self.directory, name))
        raise SystemExit(f"callgrind wrote nothing: does {DUMP_BEFORE} still answer /readyz?\n{self.output()}")

    def connect(self, tls):
        connection = socket.create_connection(("127.0.0.1", self.ports[int(tls)]), 120)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not tls:
            return connection
        context = ssl.create_default_context(cafile=self.authority)
        return context.wrap_socket(connection, server_hostname="127.0.0.1")


def make_database(directory):
    """Some thousand networks, so that look-ups go as deep as in real ones."""
    lines = [f"{a}.{b}.0.0/{17 + (a + b) % 8},{('DE', 'US', 'FR', 'CA')[(a + b) % 4]}\n"
             for a in range(64, 128) for b in range(0, 256, 3) if not (a == 100 and 64 <= b < 128)]
    lines += [network.format(0, 0) + f"/16,{country}\n" for network, country in NETWORKS]
    path = os.path.join(directory, "country.mmdb")
    subprocess.run([os.path.join(os.path.dirname(SEXTANT), "geodb"), "-e", "1700000000", "-o", path], input="".join(lines),
                   text=True, check=True)
    return path


class Cost:
    """Of one workload, per request or megabyte. `idle`: what the thread did where no request came."""

    def __init__(self, profile, idle, units):
        self.profile, self.units = profile, units

        def each(count):
            return max(0.0, (count(profile) - count(idle)) / units)
        self.figures = {
            "instructions": round(each(lambda p: p.total - sum(p.within[f] for f in BY_THE_CLOCK))),
            "system calls": round(each(lambda p: p.count(SYSTEM_CALLS) - p.count(TURNS_BY_THE_CLOCK)), 1),
            "clock reads": round(each(lambda p: p.count(CLOCK) - p.count(TURNS_BY_THE_CLOCK)), 1),
            "allocations": round(each(lambda p: p.count(ALLOCATIONS)), 1),
        }

    def print_profile(self, rows):
        print(f"\n{'itself':>10} {'share':>6} {'with calls':>10} {'calls':>8}")
        for function, own in self.profile.own.most_common(rows):
            print(f"{own / self.units:10.0f} {100 * own / self.profile.total:5.1f}% {self.profile.within[function] / self.units:10.0f} "
                  f"{self.profile.calls[function] / self.units:8.2f} {function}")


def send(connection, stream, requests, n, length):
    for i in range(n):
        connection.sendall(requests[i % len(requests)])
        start, got = read_message(stream)
        if b" 200 " not in start or got != length:
            raise SystemExit(f"{start} with {got} bytes instead of 200 with {length}")


def measure(edge, w):
    requests = w.requests()
    connection = edge.connect(w.tls)
    stream = connection.makefile("rb", 1 << 16)
    send(connection, stream, requests, w.repeat // 4, w.answers)
    edge.profile()
    idle = edge.profile()
    send(connection, stream, requests, w.repeat, w.answers)
    return Cost(edge.profile(), idle, w.repeat * w.units)


def measure_all(names):
    """Pairs of workload and cost, as they come."""
    with tempfile.TemporaryDirectory() as directory:
        edge = Watched(directory)
        try:
            edge.start()
            for w in WORKLOADS:
                if w.name in names or not names:
                    yield w, measure(edge, w)
        finally:
            edge.kill()


# --- the budget ------------------------------------------------------------------------------------------------------

def budget_key():
    """Compiler and C library decide how many instructions it takes."""
    with open(SEXTANT, "rb") as file:
        found = re.search(rb"GCC: \([^)]*\) (\d+)|clang version (\d+)", file.read())
    if not found:
        raise SystemExit(f"{SEXTANT} does not say what compiled it")
    compiler = f"gcc-{found[1].decode()}" if found[1] else f"clang-{found[2].decode()}"
    return f"{platform.machine()} {compiler} {'-'.join(platform.libc_ver())}"


def read_budget():
    with open(BUDGET, encoding="utf-8") as file:
        return json.load(file)


def write_budget(key, measured):
    budget = read_budget()
    budget.setdefault(key, {}).update({w.name: cost.figures for w, cost in measured})
    with open(BUDGET, "w", encoding="utf-8") as file:
        json.dump(budget, file, indent=4)
        file.write("\n")


def compare(w, figures, allowed):
    """What is wrong, or None. SLACK: two events come in one turn of the loop, or in two."""
    for what, limit in allowed.items():
        if figures[what] > limit * (1 + MORE_PERCENT / 100) + SLACK.get(what, 0):
            return f"{figures[what]} {what}, and the budget allows {limit} a {w.per}"
    return None


def is_saving(figures, allowed):
    return figures["instructions"] < allowed["instructions"] * (1 - MORE_PERCENT / 100)


def check(key):
    allowed = read_budget().get(key)
    if allowed is None:
        print(f"no budget for {key}: test/bench/budget.json has none for this kind of machine\n0 passed, 0 failed, 1 skipped")
        return 0
    passed = failed = 0
    for w, cost in measure_all(()):
        wrong = compare(w, cost.figures, allowed[w.name]) if w.name in allowed else "not in the budget: make budget writes it down"
        print(f"{w.name}: {wrong or 'ok'} ({cost.figures})", flush=True)
        if not wrong and is_saving(cost.figures, allowed[w.name]):
            print(f"  well below the budget of {allowed[w.name]['instructions']} instructions: make budget writes it down", flush=True)
        passed, failed = passed + (not wrong), failed + bool(wrong)
    print(f"{passed} passed, {failed} failed")
    return failed > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--profile", type=int, default=0, metavar="ROWS")
    parser.add_argument("workload", nargs="*", help=" ".join(w.name for w in WORKLOADS))
    options = parser.parse_args()
    if unknown := set(options.workload) - {w.name for w in WORKLOADS}:
        parser.error(f"no workload called {' '.join(unknown)}")
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is missing: scripts/deps.sh test installs it")
    if options.check:
        sys.exit(check(budget_key()))
    measured = []
    print(f"{'workload':<12} {'instructions':>12} {'system calls':>12} {'clock reads':>12} {'allocations':>12}  for each")
    for w, cost in measure_all(options.workload):
        measured.append((w, cost))
        print(f"{w.name:<12}" + "".join(f" {f:12}" for f in cost.figures.values()) + f"  {w.per}", flush=True)
        if options.profile:
            cost.print_profile(options.profile)
    if options.write:
        write_budget(budget_key(), measured)


if __name__ == "__main__":
    main()
