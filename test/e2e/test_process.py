# SPDX-License-Identifier: Apache-2.0
"""The process among others: how it tells that it crashed, what it takes of the machine, its logs on a full disk."""
import ctypes
import http.client
import json
import os
import platform
import re
import resource
import signal
import subprocess

import pytest
from sextant import SEXTANT, Edge, wait_for

TGKILL = {"x86_64": 234, "aarch64": 131}


def threads(pid, name):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/comm", encoding="utf-8") as file:
            if file.read().strip() == name:
                found.append(int(task))
    return found


@pytest.fixture
def lone(tmp_path, region):
    """A function that makes an edge which may end as it likes."""
    made = []

    def make(**options):
        made.append(Edge(tmp_path / f"lone-{len(made)}", [region()], **options))
        return made[-1]
    yield make
    for one in made:
        one.kill()


@pytest.fixture
def no_sanitizer():
    with open(SEXTANT, "rb") as file:
        if b"__asan_init" in (text := file.read()) or b"__tsan_init" in text:
            pytest.skip("the sanitizers report crashes themselves")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL])
def test_crash_is_told(lone, no_sanitizer, number):
    one = lone().start()
    resource.prlimit(one.process.pid, resource.RLIMIT_CORE, (0, 0))
    one.signal(number)
    assert one.process.wait(60) == -number
    text = one.output()
    head = re.search(r"sextant [\d.]+ crashed: (SIG\w+) sent by process (\d+), thread sextant \(\d+\), build ([0-9a-f]{40})\n", text)
    assert head and head.group(1) == number.name and int(head.group(2)) == os.getpid(), text[-3000:]
    for name in ("loop_run", "server_run", "serve", "_start"):  # serve() is a static one
        assert re.search(rf"^  #\d+ {name}\+0x[0-9a-f]+ \[0x[0-9a-f]+\]$", text, re.M), (name, text[-3000:])


def test_crash_of_a_worker(lone, no_sanitizer):
    if platform.machine() not in TGKILL:
        pytest.skip("the number of tgkill is not known here")
    one = lone().start()
    resource.prlimit(one.process.pid, resource.RLIMIT_CORE, (0, 0))
    worker = threads(one.process.pid, "worker")[0]
    ctypes.CDLL(None).syscall(TGKILL[platform.machine()], one.process.pid, worker, int(signal.SIGSEGV))
    assert one.process.wait(60) == -signal.SIGSEGV
    assert f"thread worker ({worker})" in one.output()
    assert re.search(r"^  #\d+ loop_run\+", one.output(), re.M)


def test_workers_follow_what_may_be_used(lone):
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, allowed[:1])
    try:
        one = lone(workers=0).start()
    finally:
        os.sched_setaffinity(0, allowed)
    assert len(threads(one.process.pid, "worker")) == 1
    assert re.search(r"resources: 1 worker \(1 CPU may be used.*\), \d+ descriptors for \d+ connections, .*memory", one.output())
    assert one.stop() == 0


def test_affinity(lone):
    allowed = sorted(os.sched_getaffinity(0))
    one = lone(workers=3, cpu_affinity="on").start()
    got = [sorted(os.sched_getaffinity(t)) for t in sorted(threads(one.process.pid, "worker"))]
    assert got == [[allowed[i % len(allowed)]] for i in range(3)]
    assert sorted(os.sched_getaffinity(one.process.pid)) == allowed
    assert one.stop() == 0


def test_descriptors_that_do_not_fit(lone):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    one, other = lone(), lone(max_connections=5000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        lowered = lone()
        lowered.spawn(["sh", "-c", f"ulimit -n 800; exec {SEXTANT}"], lowered.env)
        other.spawn(["sh", "-c", f"ulimit -n 800; exec {SEXTANT}"], other.env)
        one.start()  # the soft limit alone is raised
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    wait_for(lambda: "SEXTANT_MAX_CONNECTIONS is 272, as the limit of descriptors is 800" in lowered.output(), 20, "the notice")
    wait_for(lambda: "SEXTANT_MAX_CONNECTIONS=5000 may need " in other.output(), 20, "the warning")
    wait_for(lambda: "800 descriptors for 272 connections" in lowered.output(), 20, "the start")
    with open(os.path.join(lowered.directory, "ports.json"), encoding="utf-8") as file:
        lowered.admin_port = int(json.load(file)["admin"].rsplit(":", 1)[1])
    assert '"max_connections"' in lowered.admin("/config") or "MAX_CONNECTIONS" in lowered.admin("/config")


def test_logs_are_opened_again(region, edge):
    """Rotation: the file is renamed, SIGUSR1 begins a new one; no line is lost."""
    one = edge([region()])
    old = one.log_file + ".old"
    for turn in range(3):
        for _ in range(10):
            assert one.call("GET", "/collections")[0] == 200
        os.rename(one.log_file, f"{one.log_file}.{turn}")
        one.signal(signal.SIGUSR1)
        wait_for(lambda t=turn: os.path.exists(one.log_file) and one.output().count("logs reopened") == t + 1, 20, "a new file")
    def asked():
        total = 0
        for name in [one.log_file] + [f"{one.log_file}.{turn}" for turn in range(3)]:
            with open(name, encoding="utf-8") as file:
                total += sum(json.loads(line)["path"] == "/collections" for line in file)
        return total
    wait_for(lambda: asked() == 30, 10, "all lines")
    assert one.call("GET", "/collections")[0] == 200
    wait_for(lambda: len(one.log()) > 0, 10, "a line in the new file")
    os.rename(one.log_file, old)
    os.mkdir(one.log_file)
    one.signal(signal.SIGUSR1)
    wait_for(lambda: "the access log cannot be opened again: Is a directory; the old one stays in use" in one.output(), 10, "the notice")
    assert one.call("GET", "/collections")[0] == 200


def test_full_disk(region, edge):
    one = edge([region()], access_log="/dev/full")
    for _ in range(20):
        assert one.call("GET", "/collections")[0] == 200
    wait_for(lambda: one.metric("sextant_access_log_dropped_total") >= 20, 10, "the count of dropped lines")
    assert one.output().count("the access log cannot be written: No space left on device") == 1


def test_nobody_reads_the_log(lone):
    """The log goes to a pipe whose reader is stuck: requests go on, and what is written are whole lines."""
    one = lone(access_log="stdout")
    with open(os.path.join(one.directory, "output"), "ab") as output:
        one.process = subprocess.Popen([SEXTANT], env=one.env, stdout=subprocess.PIPE, stderr=output)
    ports = os.path.join(one.directory, "ports.json")
    wait_for(lambda: os.path.exists(ports), 20, "the start")
    with open(ports, encoding="utf-8") as file:
        one.port = int(json.load(file)["listen"][0].rsplit(":", 1)[1])
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=60)
    for _ in range(600):
        connection.request("GET", "/collections", headers={"user-agent": "x" * 200})
        response = connection.getresponse()
        response.read()
        assert response.status in (200, 503)
    connection.close()
    one.signal(signal.SIGTERM)
    lines = one.process.stdout.read().splitlines()
    assert one.process.wait(60) == 0
    assert len(lines) > 100 and all(json.loads(line) for line in lines)
