# SPDX-License-Identifier: Apache-2.0
"""Limits of a whole edge: descriptors, connections, and what a crowd does to others."""
import contextlib
import http.client
import os
import socket
import statistics
import struct
import subprocess
import sys
import time

import pytest
from load import Load
from sextant import QDRANT, call, request, wait_for

CROWD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib", "crowd.py")
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}


@contextlib.contextmanager
def connections(port, n):
    some = []
    try:
        for _ in range(n):
            some.append(socket.create_connection(("127.0.0.1", port), 60))
        yield some
    finally:
        for one in some:
            one.close()


def ask(port, target, timeout=60):
    """(status, error code) or None when there was no answer."""
    try:
        status, headers, _ = request(port, "GET", target, timeout=timeout)
        return status, headers.get("x-sextant-error")
    except (OSError, http.client.HTTPException):
        return None


def said(connection):
    """What came on it by now."""
    connection.setblocking(False)
    try:
        return connection.recv(4096)
    except (BlockingIOError, ConnectionResetError):
        return b""


def test_descriptors_run_out(region, edge):
    one = edge([region()], descriptors=160, max_connections=10000)
    with connections(one.port, 400):
        wait_for(lambda: one.metric("sextant_accept_pauses_total") >= 1, 20, "a pause")
        assert request(one.admin_port, "GET", "/status")[0] == 200
        # Those that have been idle longest make room, so a client that does something is served.
        wait_for(lambda: ask(one.port, "/collections", 5) == (200, None), 60, "an answer")
        assert one.metric("sextant_idle_evictions_total") > 0
    wait_for(lambda: ask(one.port, "/collections", 5) == (200, None), 60, "an answer afterwards")
    wait_for(lambda: "accepting goes on" in one.output(), 20, "the end of the episode")
    pauses, ends = one.output().count("accepting pauses"), one.output().count("accepting goes on")
    assert ends <= pauses <= ends + 1 and pauses < 20, one.output()


def fds(pid):
    return {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd") if os.path.exists(f"/proc/{pid}/fd/{fd}")}


def thread_of(pid, port):
    """The event queue that a connection from this port is served by: each worker has one."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        inodes = [line.split()[9] for line in table if line.split()[2].endswith(f":{port:04X}")]
    sockets = fds(pid)
    wanted = {fd for fd, link in sockets.items() if link in {f"socket:[{inode}]" for inode in inodes}}
    for fd, link in sockets.items():
        if link == "anon_inode:[eventpoll]":
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as info:
                if wanted & {int(line.split()[1]) for line in info if line.startswith("tfd:")}:
                    return fd
    return None


def connect_from(port, source=0):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", source))
    one.settimeout(60)
    one.connect(("127.0.0.1", port))
    return one


def test_a_worker_without_descriptors_gets_those_of_another(region, edge):
    limit, kept = 100, 12  # an eighth is kept free
    one = edge([region()], descriptors=limit, max_connections=10000, head_timeout="10min", client_idle="1h", probe_interval="1h",
               upstream_idle="0")
    pid = one.process.pid
    with contextlib.ExitStack() as stack:
        # Idle connections of one worker take all that clients may have, the last one apart.
        first, others = None, []
        while max(fds(pid)) < limit - 1 - kept - 1:
            fresh = connect_from(one.port)
            source = fresh.getsockname()[1]
            worker = wait_for(lambda port=source: thread_of(pid, port), 10, "that it is accepted")
            if worker == (first := first or worker) and len(others) >= 3:
                stack.enter_context(fresh)
            else:
                others += [source] if worker != first else []
                fresh.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                fresh.close()
                wait_for(lambda port=source: thread_of(pid, port) is None, 10, "that it is closed")
        # The rest goes to something that is not a client's. Now the other worker has none, and nothing to close.
        for _ in range(kept // 2):
            stack.enter_context(socket.create_connection(("127.0.0.1", one.admin_port), 60))
        wait_for(lambda: max(fds(pid)) >= limit - 1 - kept + 5, 10, "that they are accepted")
        assert len(others) >= 3
        for source in others[:3]:  # the first is taken as it comes, the next needs room
            late = stack.enter_context(connect_from(one.port, source))
            late.sendall(b"GET /healthz HTTP/1.1\r\nhost: q\r\n\r\n")
            assert late.recv(4096).startswith(b"HTTP/1.1 200")
    assert one.metric("sextant_idle_evictions_total") > 0


def test_health_and_admin_answer_when_connections_are_full(region, edge):
    if QDRANT:
        pytest.skip("needs a fault")
    eu = region()
    one = edge([eu], max_connections=8, default_timeout="10min")
    eu.faults(black_hole=True, match="/collections/slow")
    wait_for(lambda: one.status()["client_connections"] == 0, what="the end of the connection that asked whether it is ready")
    with connections(one.port, 8) as busy:
        for each in busy:
            each.sendall(b"GET /collections/slow HTTP/1.1\r\nhost: q\r\n\r\n")
        wait_for(lambda: one.metric("sextant_cluster_outstanding") == 8, 10, "eight requests under way")
        assert ask(one.port, "/collections") == (503, "CONNECTIONS_FULL")
        for path in ("/healthz", "/livez", "/readyz"):
            assert ask(one.port, path) == (200, None)
        with connections(one.port, 60) as more:
            # Far too many: an answer without a request.
            told = wait_for(lambda: next(filter(None, map(said, more)), None), 10, "an answer")
            assert told.startswith(b"HTTP/1.1 503 Service Unavailable\r\nx-sextant-error: CONNECTIONS_FULL")
            assert request(one.admin_port, "GET", "/metrics")[0] == 200
        eu.control(clear=True)
    wait_for(lambda: ask(one.port, "/collections") == (200, None), 10, "room")


def test_one_address_has_its_limit(region, edge):
    one = edge([region()], address_connections=5, trusted_proxies="")
    with connections(one.port, 5):
        wait_for(lambda: one.status()["client_connections"] == 5, 10, "five connections")
        assert ask(one.port, "/collections") == (429, "ADDRESS_CONNECTIONS")
        assert ask(one.port, "/readyz") == (200, None)
    wait_for(lambda: ask(one.port, "/collections") == (200, None), 10, "room")


# --- a crowd ---------------------------------------------------------------------------------------------------------

class Good:
    """A client that keeps its connection and notes how long its requests take."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.took = []

    def ask(self, n):
        for _ in range(n):
            started = time.perf_counter()
            self.connection.request("GET", "/collections/c/exists")
            response = self.connection.getresponse()
            response.read()
            self.took.append(time.perf_counter() - started)
            assert response.status == 200, response.getheaders()


@contextlib.contextmanager
def crowd(port, idle, drips):
    with subprocess.Popen([sys.executable, CROWD, str(port), str(idle), str(drips)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as bad:
        try:
            assert bad.stdout.readline() == b"all there\n"
            yield
        finally:
            bad.stdin.close()
            bad.wait(30)


def slowdown(region, edge, idle, drips, requests):
    """Medians of good clients of an edge with a crowd and of one without, asked in turns as the machine has its own moods."""
    options = {"max_connections": 20000, "address_connections": 0, "client_idle": "10min", "probe_timeout": "30s",
               "connect_timeout": "20s"}
    crowded, quiet = edge([region], **options), edge([region], **options)
    assert call(quiet.port, "PUT", "/collections/c", VECTORS)[0] in (200, 409)  # an earlier try made it
    with crowd(crowded.port, idle, drips):
        # A connection that the kernel took may still wait for the edge.
        wait_for(lambda: crowded.status()["client_connections"] >= idle, 30, "the crowd")
        there, here = Good(crowded.port), Good(quiet.port)
        for _ in range(requests // 20):
            there.ask(20)
            here.ask(20)
        assert crowded.status()["client_connections"] >= idle
    slow, fast = statistics.median(there.took), statistics.median(here.took)
    print(f"{idle} idle, {drips} drips: median {slow * 1e6:.0f} us against {fast * 1e6:.0f} us, "
          f"95 % {sorted(there.took)[int(len(there.took) * .95)] * 1e6:.0f} us against "
          f"{sorted(here.took)[int(len(here.took) * .95)] * 1e6:.0f} us")
    return slow / fast


def test_a_crowd_does_not_slow_others_down(region, edge):
    one = region()
    # Some tries: a machine that is busy with something else can spoil one.
    assert any(slowdown(one, edge, 1000, 100, 800) < 1.10 for _ in range(6))


@pytest.mark.soak
def test_a_large_crowd_does_not_slow_others_down(region, edge):
    one = region()
    assert any(slowdown(one, edge, 10000, 500, 6000) < 1.10 for _ in range(3))


def test_a_slow_cluster_gets_less_to_do(region, edge):
    if QDRANT:
        pytest.skip("needs a fault")
    eu = region()
    one = edge([eu], adaptive_floor=4, queue_timeout="100ms", probe_timeout="30s", connect_timeout="20s")
    assert one.call("PUT", "/collections/c", VECTORS)[0] == 200
    with Load(one.port, "c", "192.0.2.7", rate=150, threads=40, share_of_writes=0.0) as load:
        wait_for(lambda: sum(a.status == 200 for a in load.answers) > 100, 20, "usual answers")
        eu.faults(delay=1, match="/scroll")
        wait_for(lambda: 0 < one.metric("sextant_cluster_adaptive_limit") < 20, 20, "a lower limit")
        wait_for(lambda: any(a.status == 503 for a in load.answers), 20, "an answer that there is too much to do")
        assert ask(one.port, "/readyz") == (200, None)
        eu.control(clear=True)
        lowered = one.metric("sextant_cluster_adaptive_limit")
        at = load.now()
        wait_for(lambda: sum(a.status == 200 and a.at > at for a in load.answers) > 100, 30, "usual answers again")
    assert {a.status for a in load.answers} <= {200, 503}, {a.status for a in load.answers}
    assert {a.error for a in load.answers} <= {None, "CLUSTER_BUSY", "QUEUE_TIMEOUT"}, {a.error for a in load.answers}
    assert lowered < 1024
