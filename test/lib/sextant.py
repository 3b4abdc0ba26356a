# SPDX-License-Identifier: Apache-2.0
"""Processes for tests: regions (stand-ins, or real servers when QDRANT_BIN names one) and edges, on ports of their own
choosing, ended by the id they were started with."""
import contextlib
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest
from nursery import Nursery

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SEXTANT = os.environ.get("SEXTANT_BIN", os.path.join(ROOT, "build", "sextant"))
QDRANT = os.environ.get("QDRANT_BIN")
REAL_KEYS = {"rw": "API_KEY", "alt": "ALT_API_KEY", "ro": "READ_ONLY_API_KEY"}
PLACES = {"eu": "aws:eu-central-1", "us": "aws:us-east-1", "ap": "aws:ap-southeast-1"}
# Documentation networks stand for callers of three countries.
OVERRIDES = "192.0.2.0/25=DE,198.51.100.0/24=US,203.0.113.0/24=JP"
CALLERS = {"DE": "192.0.2.7", "US": "198.51.100.7", "JP": "203.0.113.7", "nowhere": "192.0.2.200"}
# Anything that comes may come this late, as a machine may have other things to do: only a test that fails waits for so long.
PATIENCE = 40.0


def wait_for(condition, seconds=PATIENCE, what="it", every=0.01):
    """Poll until the condition gives something true; that is returned. What is waited for is given PATIENCE at least."""
    seconds = max(seconds, PATIENCE)
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(every)


class TooSlow(Exception):
    """This time what was to be shown could not be, as the machine was busy with something else."""


def tries(course, times=4):
    """Goes through a course of events that shows something only within a time, again if it took longer."""
    for left in reversed(range(times)):
        try:
            return course()
        except TooSlow:
            assert left, f"{times} times this machine was too slow"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def dead_port():
    """One that refuses connections, and that nobody else gets meanwhile."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        yield s.getsockname()[1]


def request(port, method, target, body=None, headers=None, timeout=PATIENCE):
    """(status, headers, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    raw = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    try:
        connection.request(method, target, raw, headers or {})
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def call(port, method, target, body=None, caller=None, headers=None, timeout=PATIENCE):
    """The same for JSON, from a caller of some country."""
    fields = {"content-type": "application/json", **(headers or {})}
    if caller:
        fields["x-forwarded-for"] = CALLERS.get(caller, caller)
    status, got, raw = request(port, method, target, body, fields, timeout)
    try:
        return status, got, json.loads(raw)
    except ValueError:
        return status, got, raw


class Process:
    def __init__(self, directory):
        self.directory, self.process, self.descriptors = str(directory), None, None
        os.makedirs(self.directory, exist_ok=True)

    def spawn(self, argv, env):
        with open(os.path.join(self.directory, "output"), "ab") as output:
            self.process = subprocess.Popen(argv, env=env, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
                                            cwd=self.directory, preexec_fn=self.limit)

    def limit(self):
        if self.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def output(self):
        with open(os.path.join(self.directory, "output"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self, seconds=PATIENCE):
        """SIGTERM, and the exit code."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode if self.process else None


class Region(Process):
    """One Qdrant in one region."""

    def __init__(self, name, directory, latency=0.0, keys=None, tokens=False, tls=None, distributed=False):
        super().__init__(directory)
        self.keys, self.tokens = keys or {}, tokens  # {"rw": …, "ro": …, "alt": …}; jwt_rbac
        self.distributed = distributed  # a cluster of one node
        self.name, self.latency, self.port, self.control_port, self.place = name, latency, 0, 0, None
        self.tls = [f for f in tls or () if f]  # certificate, key, authority of clients; always a stand-in then
        self.is_real = bool(QDRANT) and not self.tls

    @property
    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def start(self):
        if self.is_real:
            self.start_real()
        else:
            self.start_standin()
        self.let_go()
        return self

    def kill(self):
        """Its port stays its own: connections to it are refused, and nobody else gets it, until it is started again."""
        super().kill()
        if self.port and not self.place:
            self.place = socket.socket()
            self.place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):  # a real server may leave connections that have no end yet
                self.place.bind(("127.0.0.1", self.port))

    def let_go(self):
        if self.place:
            self.place.close()
        self.place = None

    def start_standin(self):
        file = os.path.join(self.directory, "ports.json")
        if os.path.exists(file):
            os.remove(file)
        self.process = Nursery.fork(
            ["--port", str(self.port), "--port-file", file, "--state-dir", os.path.join(self.directory, "snapshots"),
             "--latency", str(self.latency), *(f"--key={kind}={key}" for kind, key in self.keys.items()),
             *(["--tokens"] if self.tokens else []), *(["--distributed"] if self.distributed else []),
             *(["--tls", *self.tls] if self.tls else [])], self.directory, os.path.join(self.directory, "output"))
        wait_for(lambda: os.path.exists(file) or self.process.poll() is not None, what=f"the start of {self.name}")
        assert self.process.poll() is None, self.output()
        with open(file, encoding="utf-8") as ports:
            found = json.load(ports)
        self.port, self.control_port = found["port"], found["control_port"]

    def start_real(self):
        self.port = self.port or free_port()
        env = {**os.environ, "QDRANT__SERVICE__HOST": "127.0.0.1", "QDRANT__SERVICE__HTTP_PORT": str(self.port),
               "QDRANT__SERVICE__GRPC_PORT": str(free_port()), "QDRANT__TELEMETRY_DISABLED": "true",
               "QDRANT__SERVICE__JWT_RBAC": str(self.tokens).lower(),
               **{f"QDRANT__SERVICE__{REAL_KEYS[kind]}": key for kind, key in self.keys.items()},
               "QDRANT__STORAGE__STORAGE_PATH": os.path.join(self.directory, "storage"),
               "QDRANT__STORAGE__SNAPSHOTS_PATH": os.path.join(self.directory, "snapshots")}
        argv = [QDRANT]
        if self.distributed:
            peers = free_port()
            env.update({"QDRANT__CLUSTER__ENABLED": "true", "QDRANT__CLUSTER__P2P__PORT": str(peers)})
            argv += ["--uri", f"http://127.0.0.1:{peers}"]
        self.spawn(argv, env)
        wait_for(self.answers, what=f"the start of {self.name}")

    def answers(self):
        try:
            return request(self.port, "GET", "/readyz", timeout=1)[0] == 200
        except OSError:
            return False

    def control(self, **command):
        if self.is_real:
            pytest.skip("asks the control port of a stand-in, and this region is real")
        with socket.create_connection(("127.0.0.1", self.control_port), PATIENCE) as s:
            s.sendall(json.dumps(command).encode() + b"\n")
            return json.loads(s.makefile("rb").readline())

    def faults(self, **values):
        return self.control(faults=values)

    def pause(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)


class Edge(Process):
    """One running Sextant. `nearest` names the cluster that is so whatever the round trips of a busy machine say, or two, the
    nearer one first."""
    binary = SEXTANT

    def __init__(self, directory, regions, partition_map=None, descriptors=None, nearest=(), **options):
        super().__init__(directory)
        self.descriptors = descriptors
        self.order = [nearest] if isinstance(nearest, str) else list(nearest)
        biases = dict(zip(self.order, (99, 80))) if self.order else {}
        clusters = "\n".join(f"{r.name} {r.url} at={PLACES[r.name]}" + (f" bias={biases.get(r.name, -99)}" if biases else "")
                             for r in regions)
        self.log_file = os.path.join(self.directory, "access.log")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("SEXTANT_")}
        if regions:
            self.env["SEXTANT_CLUSTERS"] = clusters
        self.env.update({"SEXTANT_LISTEN": "127.0.0.1:0", "SEXTANT_ADMIN_LISTEN": "127.0.0.1:0",
                         "SEXTANT_STATE_DIR": self.directory, "SEXTANT_ACCESS_LOG": self.log_file,
                         "SEXTANT_REGION": PLACES["eu"], "SEXTANT_OVERRIDES": OVERRIDES,
                         "SEXTANT_TRUSTED_PROXIES": "127.0.0.0/8", "SEXTANT_WORKERS": "2", "SEXTANT_DRAIN_DELAY": "0",
                         "SEXTANT_PROBE_INTERVAL": "500ms",
                         # A region that has to wait for a processor is not away. Tests of those that are say how long it takes.
                         "SEXTANT_PROBE_TIMEOUT": "10s"})
        if partition_map:
            self.env["SEXTANT_PARTITION_MAP"] = partition_map
        self.env.update({f"SEXTANT_{k.upper()}": str(v) for k, v in options.items() if v is not None})
        for name in (k for k, v in options.items() if v is None):
            self.env.pop(f"SEXTANT_{name.upper()}", None)
        self.port = self.admin_port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, settle=True):
        file = os.path.join(self.directory, "ports.json")
        if os.path.exists(file):
            os.remove(file)
        self.spawn([self.binary], self.env)
        wait_for(lambda: os.path.exists(file) or self.process.poll() is not None, what="the start of the edge")
        assert self.process.poll() is None, self.output()
        with open(file, encoding="utf-8") as ports:
            found = json.load(ports)
        self.ports = [int(address.rsplit(":", 1)[1]) for address in found["listen"]]
        self.port = self.ports[0] if self.ports else 0
        self.admin_port = int(found["admin"].rsplit(":", 1)[1]) if found["admin"] else 0
        wait_for(lambda: request(self.port, "GET", "/readyz")[0] == 200, what="readiness")
        if settle:
            wait_for(lambda: all(c["rtt_ms"] is not None for c in self.status()["clusters"]), what="the first probe of all")
            wait_for(self.is_in_order, what=f"{self.order} to be the nearest")
        return self

    def is_in_order(self):
        costs = {c["name"]: c["cost_ms"] for c in self.status()["clusters"]}
        return not self.order or sorted(costs, key=costs.get)[:len(self.order)] == self.order

    def status(self):
        return json.loads(self.admin("/status"))

    def admin(self, target):
        status, _, raw = request(self.admin_port, "GET", target)
        assert status == 200, (status, raw)
        return raw.decode()

    def metric(self, name):
        """The sum over all labels."""
        total = 0.0
        for line in self.admin("/metrics").splitlines():
            if line.startswith(name + "{") or line.startswith(name + " "):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8") as file:
                return [json.loads(line) for line in file if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def call(self, method, target, body=None, caller="DE", headers=None, timeout=PATIENCE):
        return call(self.port, method, target, body, caller, headers, timeout)

    def cluster_state(self, name):
        return next(c for c in self.status()["clusters"] if c["name"] == name)


def check(env):
    """(exit code, output) of `sextant check` with this environment."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SEXTANT_")}
    done = subprocess.run([SEXTANT, "check"], env={**clean, **env}, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout + done.stderr


def remove(directory):
    shutil.rmtree(directory, ignore_errors=True)
