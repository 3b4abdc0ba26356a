# SPDX-License-Identifier: Apache-2.0
"""Hostile clients, full queues, endings at a bad moment."""
import signal
import socket
import struct
import threading
import time

import pytest
from sextant import PLACES, wait_for
from wire import Acceptor

VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}


def until_closed(connection, seconds=30):
    """Say nothing until the other side has had enough."""
    connection.settimeout(seconds)
    while connection.recv(65536):
        pass


def stays(condition, seconds, what):
    """It holds at every look, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), what


def stands_still(one, name):
    """The value of a counter that has stopped moving: the same at twenty looks in a row."""
    seen = [-1.0]

    def look():
        seen.append(one.metric(name))
        return len(seen) > 20 and len(set(seen[-20:])) == 1
    wait_for(look, 30, f"{name} to stand still")
    return seen[-1]


def connect(one):
    return socket.create_connection(("127.0.0.1", one.port), 60)


def head(method, target, *fields):
    return "\r\n".join((f"{method} {target} HTTP/1.1", "host: x", "x-forwarded-for: 192.0.2.7", *fields, "", "")).encode()


class Fake(Acceptor):
    """An endpoint that does what a function says with each connection that is no probe."""

    def __init__(self, name, serve):
        self.name, self.serve, self.is_dead = name, serve, False
        super().__init__()

    def converse(self, connection, number):
        try:
            got = b""
            while b"\r\n\r\n" not in got:
                piece = connection.recv(65536)
                if not piece:
                    return
                got += piece
            if b"sextant-probe" in got and self.is_dead:
                until_closed(connection)
            elif b"sextant-probe" in got:
                body = b'{"version":"1.19.0","result":{"aliases":[]}}'
                connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            else:
                self.serve(connection, got)
        except OSError:
            pass
        finally:
            connection.close()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture
def fake():
    made = []

    def make(name, serve):
        made.append(Fake(name, serve))
        return made[-1]
    yield make
    for one in made:
        one.close()


def ask_while_full(one, eu):
    """A read that comes while two others fill the cluster: they are answered only when it was."""
    eu.faults(hold=True, match="/scroll", times=2)

    def is_answered():  # one that finds the edge itself asking something is refused, or moves
        status, headers, _ = one.call("POST", "/collections/c/points/scroll", {})
        return status == 200 and headers["x-sextant-cluster"] == "eu"
    slow = [threading.Thread(target=wait_for, args=(is_answered,)) for _ in range(2)]
    for thread in slow:
        thread.start()
    wait_for(lambda: one.cluster_state("eu")["outstanding"] == 2 and eu.control()["held"] == 2, what="both to be under way")
    status, headers, _ = one.call("POST", "/collections/c/points/scroll", {})
    assert eu.control()["held"] == 2
    eu.control(release=True)
    for thread in slow:
        thread.join()
    return status, headers


def test_a_full_cluster_is_said_at_once(region, edge):
    eu = region("eu")
    if eu.is_real:
        pytest.skip("needs a delay")
    one = edge([eu], cluster_requests=2, queue_length=0)
    one.call("PUT", "/collections/c", VECTORS)
    status, headers = ask_while_full(one, eu)
    assert (status, headers["x-sextant-error"]) == (503, "CLUSTER_BUSY")


def test_a_full_queue_moves_reads_on(region, edge):
    eu, us = region("eu"), region("us")
    if eu.is_real:
        pytest.skip("needs a delay")
    one = edge([eu, us], "* *=eu,us copies=external", nearest="eu", cluster_requests=2, queue_timeout="200ms")
    one.call("PUT", "/collections/c", VECTORS)
    status, headers = ask_while_full(one, eu)
    assert (status, headers["x-sextant-cluster"]) == (200, "us")


def test_a_body_outgrows_its_bound_between_two_tries(fake, edge):
    """The first endpoint breaks off in the middle of the body; the second try has to wait; meanwhile the body grows."""
    got, is_cut, bodies = threading.Semaphore(0), threading.Event(), []
    in_place, has_grown = threading.Event(), threading.Event()

    def serve(connection, data):
        if b"/wait" in data.split(b"\r\n")[0]:
            in_place.set()
            assert has_grown.wait(60)
            connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
            return
        top, body = data.split(b"\r\n\r\n", 1)
        length = int(top.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < (length if is_cut.is_set() else 100_000):
            body += connection.recv(65536)
        if not is_cut.is_set():
            is_cut.set()
            got.release()
            wait_for(lambda: one.metric("sextant_cluster_waiting") == 1, 30, "the other request to wait for the only place")
            reset(connection)
            return
        bodies.append(body)
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")

    a, b = fake("eu", serve), fake("eu", serve)
    one = edge([a], workers=1, replay_bytes="120KiB", cluster_requests=1, queue_timeout="60s",
               clusters=f"eu {a.url},{b.url} at={PLACES['eu']}")
    body = bytes(range(256)) * 1000
    with connect(one) as client:
        client.sendall(head("POST", "/collections/c/points/search", f"content-length: {len(body)}") + body[:100_000])
        assert got.acquire(timeout=60)
        waiting = threading.Thread(target=one.call, args=("GET", "/collections/wait"))
        waiting.start()
        assert in_place.wait(60)
        client.sendall(body[100_000:])
        wait_for(lambda: one.metric("sextant_replay_overflows_total") == 1, 30, "the body to outgrow its bound")
        has_grown.set()
        client.settimeout(60)
        answer = client.recv(4096)
        waiting.join()
    assert answer.startswith(b"HTTP/1.1 200") and bodies == [body]


def test_pipelining_without_reading(region, edge):
    """Answers wait in bounded memory: requests behind them are not even looked at."""
    one = edge([region("eu")], access_log="off", connection_requests=0)
    n = 150_000
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.connect(("127.0.0.1", one.port))
        client.settimeout(5)
        try:
            for _ in range(n // 1000):
                client.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n" * 1000)
        except TimeoutError:
            pass
        assert stands_still(one, "sextant_requests_total") < n / 2


def test_pipelined_answers_all_come(region, edge):
    one = edge([region("eu")], connection_requests=0)
    n = 20_000
    with connect(one) as client:
        sender = threading.Thread(target=client.sendall, args=(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n" * n,))
        sender.start()
        wait_for(lambda: one.metric("sextant_requests_total") > 100, 30, "the first answers")
        seen, tail = 0, b""
        client.settimeout(60)
        while seen < n:
            data = tail + client.recv(1 << 16)
            assert len(data) > len(tail)
            seen += data.count(b"HTTP/1.1 200")
            tail = data[-11:]
        sender.join()
    assert seen == n


def state(one):
    return one.cluster_state("eu")["endpoints"][0]["state"]


def test_slow_clients_are_no_fault_of_the_cluster(region, edge):
    one = edge([region("eu")], default_timeout="500ms", connect_timeout="500ms", probe_interval="1h")
    clients = []
    for _ in range(5):
        clients.append(connect(one))
        clients[-1].sendall(head("POST", "/collections/c/points/search", "content-length: 1000") + b"{")
    stays(lambda: state(one) == "up", 1.5, "the endpoint is not to blame")
    for client in clients:
        client.close()


def test_slow_readers_are_no_fault_of_the_cluster(fake, edge):
    def serve(connection, data):
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 30000000\r\n\r\n")
        for _ in range(300):
            connection.sendall(b"x" * 100_000)

    one = edge([fake("eu", serve)], default_timeout="500ms", connect_timeout="500ms", probe_interval="1h")
    clients = []
    for _ in range(5):
        clients.append(connect(one))
        clients[-1].sendall(head("GET", "/collections/c"))
    stays(lambda: state(one) == "up", 1.5, "the endpoint is not to blame")
    for client in clients:
        client.close()


@pytest.mark.parametrize("size", [5, 1_500_000])
def test_lists_with_a_body(regions, edge, size):
    one = edge(regions, "a *=eu\nb *=us\nc *=ap")
    with connect(one) as client:
        client.sendall(head("GET", "/collections", f"content-length: {size}"))
        wait_for(lambda: one.metric("sextant_exchanges_total") >= 3, 30, "all regions to be asked")
        try:
            client.sendall(b"x" * size)
        except OSError:
            pass
        client.settimeout(60)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert one.call("GET", "/readyz")[0] == 200


def test_ends_while_it_reloads(region, edge, tmp_path):
    overrides = tmp_path / "overrides"
    overrides.write_text("\n".join(f"10.{i}.{j}.0/24=DE" for i in range(200) for j in range(100)))
    one = edge([region("eu")], overrides=overrides)
    one.signal(signal.SIGHUP)
    one.status()  # the thread that answers this has seen the signal
    assert one.stop() == 0


def test_a_cluster_gets_another_name(region, edge, tmp_path):
    eu = region("eu")
    file = tmp_path / "env"
    file.write_text(f"old {eu.url} at={PLACES['eu']}\n")
    one = edge([eu], settle=False, clusters=file)
    wait_for(lambda: one.cluster_state("old")["rtt_ms"] is not None, 10, "the first probe")
    file.write_text(f"new {eu.url} at={PLACES['eu']}\n")
    wait_for(lambda: one.status()["clusters"][0]["name"] == "new", 10, "the reload")
    wait_for(lambda: one.cluster_state("new")["rtt_ms"] is not None, 5, "a probe under the new name")


def test_refused_bodies_do_not_log_the_address(region, edge):
    """Under a strict line, also when no plan was made: the body is too large, or breaks off before it is whole."""
    one = edge([region("eu")], "users europe=eu residency=strict\n* *=eu")
    with connect(one) as client:
        client.sendall(head("PUT", "/collections/users/points", "content-length: 99999999"))
        assert client.recv(4096).startswith(b"HTTP/1.1 400")
    line = wait_for(lambda: [x for x in one.log() if x.get("collection") == "users"], 5, "the log")[0]
    assert (line["error"], line["place"]) == ("BODY_TOO_LARGE", "DE") and "address" not in line


def test_a_held_answer_that_stands_still_moves(fake, edge):
    """The head and half a body, then silence, and probes fail as well: the read moves with the verdict."""
    def serve(connection, data):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        eu.is_dead = True
        until_closed(connection)

    def well(connection, data):
        connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")

    eu, us = fake("eu", serve), fake("us", well)
    one = edge([eu, us], "* *=eu,us copies=external", nearest="eu", probe_interval="200ms", probe_timeout="300ms",
               body_timeout="5min", default_timeout="10min")
    status, headers, _ = one.call("POST", "/collections/c/points/scroll", {}, timeout=60)
    assert (status, headers["x-sextant-cluster"]) == (200, "us")


def test_ends_while_workers_are_busy(region, edge):
    """The order to close the doors comes to workers that end before they get to it."""
    eu = region("eu")

    def keep_busy(client):
        try:
            while True:
                client.sendall(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n" * 100)
                client.recv(1 << 20)
        except OSError:
            pass

    for _ in range(5):
        one = edge([eu], workers=4, drain_timeout="0", access_log="off")
        clients = [connect(one) for _ in range(8)]
        for client in clients:
            threading.Thread(target=keep_busy, args=(client,), daemon=True).start()
        wait_for(lambda: one.metric("sextant_requests_total") > 1000, 30, "the workers to be busy")
        assert one.stop() == 0, one.output()[-3000:]
