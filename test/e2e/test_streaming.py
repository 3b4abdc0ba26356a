# SPDX-License-Identifier: Apache-2.0
"""Bodies of any length pass in constant memory, both ways; limits are answered before a body is read."""
import http.client
import os
import socket

import pytest
from sextant import request, wait_for

SIZE = int(os.environ.get("STREAM_BYTES", 256 << 20))
ROOM = 64 << 20  # what the process may grow by while SIZE bytes pass


def memory(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


@pytest.fixture
def world(region, edge):
    eu = region("eu")
    if eu.is_real:
        pytest.skip("the stand-in makes up snapshots of any size")
    one = edge([eu])
    one.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
    return one, eu


def test_download(world):
    one, eu = world
    eu.control(generate={"big.snapshot": SIZE})
    before, most, got = memory(one.process), 0, 0
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=60)
    connection.request("GET", "/collections/c/snapshots/big.snapshot")
    response = connection.getresponse()
    assert (response.status, response.getheader("content-length")) == (200, str(SIZE))
    while piece := response.read(1 << 20):
        got += len(piece)
        most = max(most, memory(one.process))
    assert got == SIZE
    assert most - before < ROOM, (before, most)


def test_upload(world):
    one, eu = world
    before, most, sent = memory(one.process), 0, 0
    with socket.create_connection(("127.0.0.1", one.port), 60) as s:
        s.sendall(f"POST /collections/c/snapshots/upload HTTP/1.1\r\nHost: q\r\nContent-Length: {SIZE}\r\n\r\n".encode())
        block = b"SNAPSHOT" + b'{"dense":{},"sparse":{},"indexes":{},"config":{},"points":[]}' + b" " * (1 << 20)
        while sent < SIZE:
            n = min(len(block), SIZE - sent)
            s.sendall(block[:n])
            sent += n
            most = max(most, memory(one.process))
        answer = s.recv(4096)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert eu.control()["long_bodies"] == SIZE
    assert most - before < ROOM, (before, most)


def test_a_slow_reader_stops_the_cluster_not_the_memory(world):
    one, eu = world
    eu.control(generate={"big.snapshot": SIZE})
    before = memory(one.process)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        s.connect(("127.0.0.1", one.port))
        s.sendall(b"GET /collections/c/snapshots/big.snapshot HTTP/1.1\r\nHost: q\r\n\r\n")
        assert s.recv(100)
        wait_for(lambda: one.call("GET", "/healthz")[0] == 200, 5, "others being served")
        assert memory(one.process) - before < ROOM
    wait_for(lambda: one.status()["client_connections"] == 0, 10, "the end")


def test_too_long_is_answered_before_it_is_read(world):
    one, _ = world
    with socket.create_connection(("127.0.0.1", one.port), 60) as s:
        s.sendall(b"PUT /collections/c/points HTTP/1.1\r\nHost: q\r\nContent-Length: 34603008\r\nExpect: 100-continue\r\n\r\n")
        answer = s.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400"), answer
    assert b"JSON payload (34603008 bytes) is larger than allowed (limit: 33554432 bytes)." in answer


def test_too_long_in_chunks(region, edge):
    one = edge([region("eu")], body_limit="64KiB")
    one.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
    status, headers, _ = one.call("PUT", "/collections/c/points", iter([b" " * 50000] * 4))
    assert (status, headers["x-sextant-error"]) == (400, "BODY_TOO_LARGE")


def test_what_is_too_long_to_be_kept_is_not_sent_again(region, edge):
    eu, us = region("eu"), region("us")
    if eu.is_real:
        pytest.skip("needs faults")
    one = edge([eu, us], "* *=eu,us copies=external", replay_bytes="16KiB")
    one.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
    long = {"limit": 1, "filter": {"must": [{"has_id": list(range(20000))}]}}
    status, headers, _ = one.call("POST", "/collections/c/points/scroll", long)
    assert (status, headers["x-sextant-resend"]) == (200, "no")
    for region_ in (eu, us):  # whichever is nearer on a busy machine
        region_.faults(reset="after", match="/scroll", times=1)
    assert one.call("POST", "/collections/c/points/scroll", long)[0] == 502
    assert one.metric("sextant_replay_overflows_total") >= 1
    line = wait_for(lambda: [r for r in one.log() if r.get("not_replayable")], 5, "the log")
    assert line
    assert request(one.port, "GET", "/healthz")[0] == 200
