# SPDX-License-Identifier: Apache-2.0
"""The tour, as a newcomer sees it: scripts/run.sh from the start to the end, and what it says at each step."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def free_ports(n):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def environment(listen, admin):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SEXTANT_")}
    return dict(clean, SEXTANT_LISTEN=f"127.0.0.1:{listen}", SEXTANT_ADMIN_LISTEN=f"127.0.0.1:{admin}")


def start(env, *options):
    return subprocess.Popen([os.path.join(ROOT, "scripts/run.sh"), *options], cwd=ROOT, env=env, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def session_members(pid):
    """Processes of the session that a tour was started in; zombies are gone already."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                state, _, _, session = file.read().rsplit(")", 1)[1].split()[:4]
        except OSError:
            continue
        if int(session) == pid and state != "Z":
            found.append(int(name))
    return found


def assert_all_gone(pid):
    deadline = time.monotonic() + 60
    while session_members(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert session_members(pid) == []


class Exchange:
    def __init__(self, curl, answer):
        self.curl = curl
        self.status = int(re.search(r"^HTTP/1.1 (\d+)", answer, re.M).group(1))
        self.headers = dict(re.findall(r"^(x-sextant-[a-z]+): *(.*)$", answer, re.M))
        self.body = "\n".join(line for line in answer.splitlines() if line.startswith("{"))
        self.seconds = float(re.search(r"^\((.*) s\)$", answer, re.M).group(1))

    def went(self):
        return self.status, self.headers.get("x-sextant-cluster"), self.headers.get("x-sextant-reason")


def steps_of(transcript):
    """Heading → exchanges shown below it, in order."""
    parts = re.split(r"^(\d+\. .*)$", transcript, flags=re.M)
    steps = {}
    for heading, text in zip(parts[1::2], parts[2::2]):
        shown = re.findall(r"^  \$ (curl .*)\n((?:    .*\n)+)", text, re.M)
        steps[heading] = [Exchange(curl, re.sub(r"^    ", "", answer, flags=re.M)) for curl, answer in shown]
    return steps


@pytest.fixture(scope="module")
def tour():
    process = start(environment(*free_ports(2)), "--no-wait", "--exit")
    try:
        transcript, _ = process.communicate(timeout=600)
    finally:
        process.poll() is None and os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, transcript
    assert_all_gone(process.pid)
    steps = steps_of(transcript)

    def find(words):
        return next(shown for heading, shown in steps.items() if words in heading)
    find.transcript = transcript
    return find


def test_schema_reaches_every_region(tour):
    created, = tour("exists in every region")
    assert created.status == 200
    assert '"result":true' in created.body.replace(" ", "")


def test_users_stay_where_they_live(tour):
    de, us, jp, jp_reads, de_reads, unplaced = tour("users are kept")
    assert [e.went()[:2] for e in (de, us, jp)] == [(200, "eu"), (200, "us"), (200, "ap")]
    assert jp_reads.went()[:2] == (200, "ap") and "Chie" in jp_reads.body
    assert de_reads.went()[:2] == (404, "eu") and "Chie" not in de_reads.body
    assert (unplaced.status, unplaced.headers["x-sextant-error"]) == (403, "UNPLACED_REFUSED")


def test_links_are_as_slow_as_a_wan(tour):
    de, us, jp = tour("users are kept")[:3]
    assert us.seconds > 0.09 and jp.seconds > 0.16  # twice that on a new connection
    near = [e for e in (de, *tour("users are kept"), *tour("the nearest region answers"), *tour("It comes back")) if e.went()[1] == "eu"]
    assert min(e.seconds for e in near) < 0.09


def test_catalog_is_read_from_the_nearest_copy(tour):
    for exchange in tour("the nearest region answers"):
        assert exchange.went() == (200, "eu", "nearest")
        assert "lighthouse" in exchange.body


def test_traffic_moves_when_the_nearest_dies(tour):
    first, second, strict, elsewhere = tour("The nearest region dies")
    assert first.went()[:2] == (200, "us") and "lighthouse" in first.body
    assert second.went() == (200, "us", "failover")
    assert strict.status in (502, 503) and strict.headers["x-sextant-error"]
    assert strict.headers.get("x-sextant-cluster") not in ("us", "ap")
    assert "Anke" not in strict.body
    assert elsewhere.went()[:2] == (200, "us")


def test_traffic_comes_back(tour):
    catalog, user = tour("It comes back")
    assert catalog.went() == (200, "eu", "nearest")
    assert user.went()[:2] == (200, "eu") and "Anke" in user.body


def lanes_shown(transcript):
    """Of each time that lanes were shown: lane → (points waiting, trouble)."""
    shown = re.findall(r"^    LANE .*\n((?:    eu/.*\n)+)", transcript, re.M)
    return [{m[0]: (int(m[1]), m[2].strip().removeprefix("-").strip()) for m in re.findall(r"^    (eu/\w+) +\S+ s +(\d+) +\d+ +\d+ *(.*)$", rows, re.M)} for rows in shown]


def test_a_write_reaches_every_region(tour):
    written, = tour("reaches every region: fan-out")
    assert written.went()[:2] == (200, "eu")
    assert written.headers["x-sextant-outcome"] == "committed" and "eu" in written.headers["x-sextant-done"]
    assert re.search(r"us\s+had\s+the\s+point\s+within\s+\d+\s+ms", tour.transcript)


def test_a_region_that_was_away_catches_up(tour):
    away, = tour("is away, and catches up")
    assert (away.status, away.headers["x-sextant-outcome"]) == (200, "committed")
    before, during, after = lanes_shown(tour.transcript)
    assert before == {"eu/us": (0, ""), "eu/ap": (0, "")}
    assert during["eu/us"][0] == 201 and re.search("unreachable|refused the connection", during["eu/us"][1])
    assert after == {"eu/us": (0, ""), "eu/ap": (0, "")}
    digests = re.findall(r"^    (eu|us|ap)  (\d+ points, sha256 \w+)$", tour.transcript, re.M)
    assert [region for region, _ in digests] == ["eu", "us", "ap"]
    assert {digest.split(" ")[0] for _, digest in digests} == {"203"} and len({digest for _, digest in digests}) == 1


def test_port_in_use_is_said_before_anything_else():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([os.path.join(ROOT, "scripts/run.sh"), "--no-wait", "--exit"], env=environment(port, free_ports(1)[0]),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr and "SEXTANT_LISTEN=" in done.stderr
    assert done.stdout == ""


def test_ctrl_c_leaves_nothing_running():
    process = start(environment(*free_ports(2)), "--no-wait")
    try:
        for line in process.stdout:
            if line.startswith("2. "):
                break
        assert len(session_members(process.pid)) >= 8  # the tour, Sextant, three servers, three links
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    finally:
        process.poll() is None and os.killpg(process.pid, signal.SIGKILL)
    assert "stopped everything" in rest
    assert_all_gone(process.pid)
