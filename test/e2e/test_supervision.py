# SPDX-License-Identifier: Apache-2.0
"""Under a service manager: what it is told, and the sockets that it passes."""
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from sextant import SEXTANT, Edge, request, wait_for

LAUNCH = """import os, sys
count = int(sys.argv[1])
for number in range(count):
    os.dup2(int(sys.argv[2 + number]), 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[1])
os.execv(sys.argv[2 + count], [sys.argv[2 + count]])"""


class Manager:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.setblocking(False)
        self.messages = []

    def has(self, *lines):
        """A message with all these lines (regular expressions), the ones before it forgotten."""
        try:
            while True:
                self.messages.append(self.socket.recv(4096).decode().split("\n"))
        except BlockingIOError:
            pass
        for at, message in enumerate(self.messages):
            if all(any(re.fullmatch(line, got) for got in message) for line in lines):
                del self.messages[:at + 1]
                return message
        return None

    def wait(self, *lines):
        return wait_for(lambda: self.has(*lines), 30, f"{lines} from {self.messages}")


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "path" else f"@sextant-test-{os.getpid()}"
    one = Manager(address)
    one.address = address
    yield one
    one.socket.close()


class Managed(Edge):
    def __init__(self, directory, region, env, **options):
        super().__init__(directory, region, **options)
        self.env.update(env)


@pytest.fixture
def managed(tmp_path, region):
    started = []

    def start(env, **options):
        started.append(Managed(tmp_path / f"managed-{len(started)}", [region()], env, **options))
        return started[-1]
    yield start
    for one in started:
        one.stop()


def test_life_as_told_to_the_manager(managed, manager, tmp_path):
    file = tmp_path / "env"
    file.write_text("SEXTANT_LOG_LEVEL=info\n")
    one = managed({"NOTIFY_SOCKET": manager.address}, env_file=file).start()
    pid = one.process.pid
    manager.wait(f"MAINPID={pid}")
    manager.wait("READY=1", "STATUS=serving, configuration 1")
    one.signal(signal.SIGHUP)
    manager.wait("RELOADING=1", r"MONOTONIC_USEC=\d+")
    manager.wait("READY=1", "STATUS=serving, configuration 2")
    file.write_text("SEXTANT_LOG_LEVEL=loud\n")
    manager.wait("RELOADING=1")
    manager.wait("READY=1", "STATUS=.*the last reload was refused")
    file.write_text("SEXTANT_LOG_LEVEL=info\n")
    manager.wait("READY=1", "STATUS=serving, configuration 3")
    one.signal(signal.SIGUSR2)
    fresh = int(manager.wait(r"MAINPID=\d+", "STATUS=handed over.*")[0].split("=")[1])
    assert fresh != pid
    manager.wait(f"MAINPID={fresh}")
    manager.wait("READY=1")
    assert one.process.wait(60) == 0  # the manager knows the other one: nobody stays behind
    assert request(one.port, "GET", "/readyz")[0] == 200
    os.kill(fresh, signal.SIGTERM)
    manager.wait("STOPPING=1")
    wait_for(lambda: one.output().count("info    ended") == 2, 30, "the end")


def stop_thread(pid, name):
    """Stop one thread alone, as a debugger does. Returns what lets it go on."""
    libc, attach, detach, wall = ctypes.CDLL(None, use_errno=True), 16, 17, 0x40000000
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
            if file.read().strip() != name:
                continue
        if libc.ptrace(attach, int(task), None, None) != 0:
            pytest.skip("threads may not be traced here")
        os.waitpid(int(task), wall)
        return lambda: libc.ptrace(detach, int(task), None, None)
    raise AssertionError(f"no thread {name}")


def test_watchdog(managed, manager):
    """A sign of life, until a worker is silent, though the control thread is well. On a busy machine one may be late before."""
    def notices():
        return len(re.findall(r"workers? do(?:es)? not answer: the watchdog", one.output()))
    one = managed({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "200000"}).start()
    for _ in range(3):
        manager.wait("WATCHDOG=1")
    go_on = stop_thread(one.process.pid, "worker")
    try:
        before = notices()
        wait_for(lambda: notices() > before, 30, "the notice")
        manager.has("everything so far is forgotten")
        manager.messages.clear()
        end = time.monotonic() + 0.5  # ten times as long as it takes to say it again
        while time.monotonic() < end:
            one.status()  # the control thread is well
        assert not manager.has("WATCHDOG=1")
    finally:
        go_on()
    manager.wait("WATCHDOG=1")


def launch(one, sockets, names=None):
    """As systemd does it: numbers from 3 on, and the process id that they are meant for."""
    env = {**one.env, **({"LISTEN_FDNAMES": names} if names is not None else {})}
    numbers = [str(s.fileno()) for s in sockets]
    with open(os.path.join(one.directory, "output"), "ab") as output:
        one.process = subprocess.Popen([sys.executable, "-c", LAUNCH, str(len(sockets)), *numbers, SEXTANT], env=env,
                                       pass_fds=[s.fileno() for s in sockets], stdout=output, stderr=output)


def test_sockets_are_passed(managed):
    """They are there before the process is and after it: connections wait."""
    client, admin = socket.create_server(("127.0.0.1", 0)), socket.create_server(("127.0.0.1", 0))
    port, admin_port = client.getsockname()[1], admin.getsockname()[1]
    one = managed({}, listen=f"127.0.0.1:{port}", admin_listen="127.0.0.1:1", workers=3)
    for turn in range(2):
        early = socket.create_connection(("127.0.0.1", port), 60)
        early.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        launch(one, [client, admin], "clients:admin")
        assert early.makefile("rb").read().split(b"\r\n")[0].endswith(b" 200 OK"), one.output()
        for _ in range(20):
            assert request(port, "GET", "/readyz")[0] == 200
        wait_for(lambda: request(admin_port, "GET", "/status")[0] == 200, 10, "the admin listener")
        if turn == 1:  # a passed socket goes over to the next process like any other
            one.signal(signal.SIGUSR2)
            wait_for(lambda: "is ready, this one ends" in one.output(), 30, "the hand-over")
            for _ in range(20):
                assert request(port, "GET", "/readyz")[0] == 200
        assert one.stop() == 0, one.output()
    client.close()
    admin.close()


def test_sockets_without_a_place(managed):
    with socket.create_server(("127.0.0.1", 0)) as other:
        one = managed({})
        launch(one, [other])
        assert one.process.wait(60) == 1
        assert f"listens on 127.0.0.1:{other.getsockname()[1]}, which SEXTANT_LISTEN does not name" in one.output()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        launch(one, [udp], "web")
        assert one.process.wait(60) == 1
        assert "passes a socket (web) that does not listen for TCP" in one.output()


def test_an_admin_socket_beyond_loopback_needs_a_token(managed):
    """Whatever the configuration says about the address: the socket is where the manager put it."""
    token = "0123456789abcdef"
    with socket.create_server(("127.0.0.1", 0)) as client, socket.create_server(("0.0.0.0", 0)) as admin:
        one = managed({}, listen=f"127.0.0.1:{client.getsockname()[1]}", admin_listen="127.0.0.1:1")
        launch(one, [client, admin], "clients:admin")
        assert one.process.wait(60) == 2
        assert "beyond loopback it needs SEXTANT_ADMIN_TOKEN" in one.output()
        one.env["SEXTANT_ADMIN_TOKEN"] = token
        launch(one, [client, admin], "clients:admin")
        port = admin.getsockname()[1]
        wait_for(lambda: request(port, "GET", "/healthz")[0] == 200, 30, "the admin listener")
        assert request(port, "GET", "/status")[0] == 401
        assert request(port, "GET", "/status", headers={"authorization": f"Bearer {token}"})[0] == 200
        assert one.stop() == 0
