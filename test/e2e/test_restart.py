# SPDX-License-Identifier: Apache-2.0
"""One process takes over from another: no request fails, and whatever goes wrong, the old one goes on."""
import copy
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading

import pytest
from certs import Authority
from load import Load
from sextant import CALLERS, SEXTANT, Edge, free_port, request, wait_for

VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}


class NewConnections:
    """Every request on a connection of its own (or kept, over TLS), from a few threads; what failed is noted."""

    def __init__(self, port, threads=3, context=None, is_kept=False):
        self.port, self.end, self.failed, self.count = port, threading.Event(), [], 0
        self.context, self.is_kept, self.kept = context, is_kept, threading.local()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]

    def run(self):
        while not self.end.wait(0.01):
            try:
                status = self.secure() if self.context else request(self.port, "GET", "/readyz")[0]
                if status != 200:
                    self.failed.append(status)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
            self.count += 1

    def secure(self):
        mine = self.kept.__dict__
        connection = mine.get("connection") or http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self.context)
        connection.request("GET", "/readyz")  # opens itself again after "Connection: close"
        response = connection.getresponse()
        response.read()
        if self.is_kept:
            mine["connection"] = connection
        else:
            connection.close()
        return response.status

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *args):
        self.end.set()
        for thread in self.threads:
            thread.join(60)


@pytest.fixture
def successor():
    """A function that starts one more process beside an edge, with the same environment but for some options."""
    started = []

    def start(one, **options):
        fresh = copy.copy(one)
        fresh.process, fresh.env = None, {**one.env, **{f"SEXTANT_{k.upper()}": str(v) for k, v in options.items()}}
        started.append(fresh)
        fresh.spawn([SEXTANT], fresh.env)
        return fresh
    yield start
    for fresh in started:
        fresh.stop()


def pids(text):
    return [int(n) for n in re.findall(r"hand-over: process (\d+) is ready", text)]


def has_taken_over(one, fresh):
    """The old one has let go, and its state is the new one's."""
    def check():
        assert fresh.process.poll() is None, fresh.output()[-3000:]
        lock = os.path.join(one.env["SEXTANT_STATE_DIR"], "lock")
        with open(lock, encoding="utf-8") as file:
            return fresh.process.pid in pids(one.output()) and file.read().strip() == str(fresh.process.pid)
    return check


def goes_on(one, successor):
    """The next one has failed: this one serves all the same, and hands over to another."""
    wait_for(lambda: "ended before it was ready" in one.output(), 10, "the notice")
    for _ in range(20):
        assert one.call("GET", "/readyz")[0] == 200
    wait_for(has_taken_over(one, successor(one)), 30, "the hand-over")


def test_twenty_restarts_under_load(region, edge, successor):
    one = edge([region()], drain_timeout="20s", max_connections=1000)
    assert one.call("PUT", "/collections/c", VECTORS)[0] == 200
    olds = []
    with Load(one.port, "c", CALLERS["DE"], rate=150, threads=12) as load, NewConnections(one.port) as new:
        current = one
        for turn in range(20):
            fresh = successor(current, workers=(1, 4, 2, 3)[turn % 4])
            wait_for(has_taken_over(current, fresh), 30, f"hand-over {turn}")
            asked, connected = len(load.answers), new.count
            wait_for(lambda: len(load.answers) > asked + 20 and new.count > connected + 20, 30, "traffic")
            olds.append(current)
            current = fresh
        for old in olds:
            old.process.wait(60)
    bad = [a for a in load.answers if a.status != 200]
    assert not bad, bad[:5]
    assert not new.failed, new.failed[:5]
    assert new.count > 400 and len(load.answers) > 400
    assert [old.process.returncode for old in olds] == [0] * 20
    assert "connections are cut" not in one.output()
    assert current.status()["ready"]


def test_restarts_under_load_with_tls(region, edge, successor, tmp_path):
    """Handshakes that are under way when the old process stops accepting are finished by whoever accepted them."""
    authority = Authority()
    cert, key = authority.issue("127.0.0.1").save(str(tmp_path), "edge")
    context = ssl.create_default_context(cafile=authority.save(str(tmp_path)))
    one = edge([region()], listen="127.0.0.1:0,127.0.0.1:0/tls", tls_cert=cert, tls_key=key, drain_timeout="20s")
    port = one.ports[1]
    with NewConnections(port, 2, context) as new, NewConnections(port, 2, context, is_kept=True) as kept:
        current, olds = one, []
        for turn in range(5):
            fresh = successor(current, workers=(1, 3)[turn % 2])
            wait_for(has_taken_over(current, fresh), 30, f"hand-over {turn}")
            counts = new.count, kept.count
            wait_for(lambda c=counts: new.count > c[0] + 10 and kept.count > c[1] + 10, 30, "traffic")
            olds.append(current)
            current = fresh
        for old in olds:
            assert old.process.wait(60) == 0
    assert not new.failed and not kept.failed, (new.failed[:5], kept.failed[:5])


def test_idle_connection_lives_on(region, edge, successor):
    """Closing it could meet the client's next request half way: it is told with its answer instead."""
    one = edge([region()], drain_timeout="10min")  # it ends because the connection did
    connection = socket.create_connection(("127.0.0.1", one.port), 60)
    stream = connection.makefile("rb")
    ask = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"

    def answer():
        connection.sendall(ask)
        head = b"".join(iter(stream.readline, b"\r\n"))
        stream.read(int(re.search(rb"(?i)content-length: (\d+)", head).group(1)))
        return head.lower()
    assert b"connection: close" not in answer()
    fresh = successor(one)
    wait_for(has_taken_over(one, fresh), 30, "the hand-over")
    head = answer()
    assert head.startswith(b"http/1.1 200") and b"connection: close" in head
    assert stream.read() == b""
    assert one.process.wait(60) == 0


def test_killed_before_ready(region, edge, successor):
    """It has its sockets, and is gone."""
    one = edge([region()])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.connect(os.path.join(one.directory, "handover"))
        s.send(b"sextant-handover 1 9.9.9")
        assert s.recv(1000).startswith(b"welcome 1 ")
        s.send(b"next")
        message, fds, _, _ = socket.recv_fds(s, 1000, 64)
        assert message.startswith(f"client 127.0.0.1:{one.port} ".encode()) and len(fds) == 2
        for fd in fds:
            os.close(fd)
    goes_on(one, successor)


def test_killed_while_it_warms_up(region, edge, successor):
    """It waits for the name of a cluster, and is killed meanwhile."""
    one = edge([region()])
    fresh = successor(one, clusters="eu http://sextant-test.invalid:6333 at=aws:eu-central-1")
    wait_for(lambda: "sockets taken over" in fresh.output().split("ready:")[-1], 20, "the sockets")
    fresh.kill()
    goes_on(one, successor)


def test_wrong_configuration(region, edge, successor):
    one = edge([region()])
    wrong = successor(one, probe_fall="none")
    assert wrong.process.wait(60) == 2
    busy = socket.create_server(("127.0.0.1", 0))
    taken = successor(one, listen=f"127.0.0.1:0,127.0.0.1:{busy.getsockname()[1]}")
    assert taken.process.wait(60) == 1
    assert "is in use by another program" in taken.output()
    wait_for(lambda: "ended before it was ready" in one.output(), 10, "the notice")
    other = successor(one, listen="127.0.0.1:1")
    assert other.process.wait(60) == 1
    assert f"another sextant runs here and serves 127.0.0.1:{one.port}" in other.output()
    assert one.call("GET", "/readyz")[0] == 200


def test_other_protocol_and_other_words(region, edge):
    one = edge([region()])
    for words, answer in (([b"sextant-handover 2 9.9.9"], b"refused sextant "), ([b"next"], b""),
                          ([b"sextant-handover 1 x", b"ready 1"], b"")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.settimeout(10)
            s.connect(os.path.join(one.directory, "handover"))
            got = b""
            for word in words:
                s.send(word)
                got = s.recv(1000)
            assert got.startswith(answer) and bool(got) == bool(answer), (words, got)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as second:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as first:
            for s in first, second:
                s.settimeout(10)
                s.connect(os.path.join(one.directory, "handover"))
                s.send(b"sextant-handover 1 9.9.9")
            assert first.recv(1000).startswith(b"welcome ")
            second.setblocking(False)
            with pytest.raises(BlockingIOError):
                second.recv(1000)
        second.settimeout(10)
        assert second.recv(1000).startswith(b"welcome ")  # its turn
    assert one.call("GET", "/readyz")[0] == 200


def test_stale_socket_file(region, edge):
    one = edge([region()])
    one.kill()
    assert os.path.exists(os.path.join(one.directory, "handover"))
    one.start()
    assert one.call("GET", "/readyz")[0] == 200


def test_abstract_address_without_state(region, successor, tmp_path):
    port = free_port()
    one = Edge(tmp_path / "edge", [region()],
               listen=f"127.0.0.1:{port}", state_dir="", handover=f"@sextant-test-{os.getpid()}")
    try:
        one.spawn([SEXTANT], one.env)
        wait_for(lambda: "ready:" in one.output(), 20, "the start")
        current = one
        for turn in range(3):
            fresh = successor(current)
            wait_for(lambda o=current: o.process.poll() is not None, 30, "the end of the old one")
            assert current.process.returncode == 0
            assert request(port, "GET", "/readyz")[0] == 200
            current = fresh
    finally:
        one.kill()



def is_refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 60).close()
        return False
    except ConnectionResetError:  # it came just as the listener closed
        return False
    except ConnectionRefusedError:
        return True


def test_start_while_the_old_one_drains(region, edge, successor):
    """A stop and a start, one after the other: the old one answers what it has, the new one has address and state."""
    eu = region("eu")
    one = edge([eu], listen=f"127.0.0.1:{free_port()}", drain_timeout="20s")
    eu.faults(latency=2.0)
    answers = []
    slow = threading.Thread(target=lambda: answers.append(one.call("GET", "/collections")[0]))
    slow.start()
    wait_for(lambda: one.metric("sextant_cluster_outstanding") > 0, 10, "the request")
    one.signal(signal.SIGTERM)
    wait_for(lambda: is_refused(one.port), 10, "the drain")
    fresh = successor(one)
    wait_for(lambda: fresh.process.poll() is None and one.output().count("ready:") == 2, 20, "the start")
    assert one.process.poll() is None and not answers
    assert request(one.port, "GET", "/readyz")[0] == 200
    slow.join(60)
    assert answers == [200] and one.process.wait(60) == 0


def test_overrides_go_over(region, edge, successor):
    one = edge([region("eu"), region("us")], "* *=eu,us copies=external")
    order = b'{"target": "us", "reason": "disks"}'
    status, _, raw = request(one.admin_port, "POST", "/drain", order, {"content-type": "application/json"})
    assert status == 200, raw
    fresh = successor(one)
    wait_for(has_taken_over(one, fresh), 30, "the hand-over")
    wait_for(lambda: [o["target"] for o in json.loads(fresh.admin("/overrides"))["overrides"]] == ["us"], 10, "the override")


def test_sigterm_during_the_handover(region, edge, successor):
    """The old one is told to end while the new one starts: the new one serves all the same."""
    one = edge([region()], drain_delay="10min")
    fresh = successor(one, drain_delay=0)
    one.signal(signal.SIGTERM)
    wait_for(has_taken_over(one, fresh), 30, "the hand-over")
    assert one.process.wait(60) == 0
    for _ in range(20):
        assert request(one.port, "GET", "/readyz")[0] == 200


def test_reload_and_handover_in_one(region, edge, successor):
    one = edge([region()], drain_delay="10min")
    one.signal(signal.SIGHUP)
    fresh = successor(one, drain_delay=0)
    wait_for(has_taken_over(one, fresh), 30, "the hand-over")
    assert one.process.wait(60) == 0  # without the delay: somebody else accepts
    fresh.signal(signal.SIGHUP)
    wait_for(lambda: fresh.status()["generation"] == 2, 20, "the reload")


def test_queue_is_served_at_the_end(region, edge):
    """What waits in a listener's queue when it closes is accepted first, not reset."""
    one = edge([region()], workers=1, drain_delay="0", drain_timeout="10s")
    one.signal(signal.SIGSTOP)
    waiting = []
    for _ in range(20):
        s = socket.create_connection(("127.0.0.1", one.port), 60)
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        waiting.append(s)
    one.signal(signal.SIGTERM)
    one.signal(signal.SIGCONT)
    for s in waiting:
        assert s.makefile("rb").read().startswith(b"HTTP/1.1 200"), one.output()[-2000:]
        s.close()
    assert one.process.wait(60) == 0


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(n) for n in file.read().split()]


def current_pid(one):
    found = pids(one.output())
    return found[-1] if found else None


def test_sigusr2_starts_the_program_anew(region, edge):
    """Nobody is told of another process: the first one stays for whoever waits for it, and passes signals on."""
    one = edge([region()], drain_timeout="10s")
    with NewConnections(one.port) as new:
        for turn in range(3):
            one.signal(signal.SIGUSR2)
            wait_for(lambda t=turn: len(pids(one.output())) == t + 1, 30, "the hand-over")
            wait_for(lambda t=turn: one.output().count("ended") == t + 1, 30, "the end of the old one")
            assert one.process.poll() is None
    assert not new.failed, new.failed[:5]
    pid = current_pid(one)
    assert pid != one.process.pid
    wait_for(lambda: request(one.port, "GET", "/readyz")[0] == 200)
    one.signal(signal.SIGTERM)
    assert one.process.wait(60) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_first_process_of_a_container(region, tmp_path):
    """It may not end, even where somebody listens to notifications: everything would end with it."""
    if subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no right to make a process name space")
    one = Edge(tmp_path / "edge", [region()], listen=f"127.0.0.1:{free_port()}")
    port = int(one.env["SEXTANT_LISTEN"].split(":")[1])
    one.env["NOTIFY_SOCKET"] = "@nobody-listens"
    one.spawn(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", SEXTANT], one.env)
    try:
        wait_for(lambda: "ready:" in one.output(), 20, "the start")
        first = children(one.process.pid)[0]
        for turn in range(2):
            os.kill(first, signal.SIGUSR2)
            wait_for(lambda t=turn: one.output().count("info    ended") == t + 1, 30, "the end of the old one")
            assert request(port, "GET", "/readyz")[0] == 200
        wait_for(lambda: len(children(first)) == 1, 10, "the reaping of the old one")
        os.kill(first, signal.SIGTERM)
        assert one.process.wait(60) == 0
    finally:
        one.kill()


def test_sigusr2_with_a_mistake(region, edge, tmp_path):
    """The environment file has a mistake by now: the new process ends, the old one goes on."""
    file = tmp_path / "env"
    file.write_text("SEXTANT_LOG_LEVEL=info\n")
    one = edge([region()], env_file=file)
    file.write_text("SEXTANT_LOG_LEVEL=loud\n")
    one.signal(signal.SIGUSR2)
    wait_for(lambda: re.search(r"hand-over: process \d+ ended with 2", one.output()), 30, "the refusal")
    assert one.call("GET", "/readyz")[0] == 200
    file.write_text("SEXTANT_LOG_LEVEL=info\n")
    one.signal(signal.SIGUSR2)
    wait_for(lambda: pids(one.output()), 30, "the hand-over")
    wait_for(lambda: request(one.port, "GET", "/readyz")[0] == 200)
