# SPDX-License-Identifier: Apache-2.0
"""Bytes on the wire: what Sextant answers to each recorded oddity, and that nothing is smuggled past it."""
import json
import os
import re
import socket

import pytest
from sextant import ROOT, SEXTANT, call, wait_for
from wire import take

with open(os.path.join(ROOT, "test", "recordings", "wire.jsonl"), encoding="utf-8") as _file:
    RECORDED = {c["name"]: c for c in map(json.loads, _file)}

# What Sextant does with each recorded case: its status (None: no answer), and why where Qdrant does something else.
WIRE = {
    "silent": (None, "an idle connection is kept longer than Qdrant's 5 s, as clients reuse theirs for 10 s"),
    "half a head": (408, "after SEXTANT_HEAD_TIMEOUT"),
    "keep-alive then idle": (200, "kept for SEXTANT_CLIENT_IDLE instead of 5 s"),
    "http/1.0": (200, ""),
    "http/1.0 keep-alive": (200, ""),
    "connection close": (200, ""),
    "no host": (400, "RFC 9112 §3.2: HTTP/1.1 without Host is refused"),
    "two hosts": (400, "two Hosts may be read differently behind us"),
    "pipelined": (200, ""),
    "expect": (404, ""),
    "chunked": (404, ""),
    "chunked with extension and trailer": (404, "extensions and trailers are legal: parsed, bounded, dropped"),
    "cl and te": (400, ""),
    "two content-lengths": (400, ""),
    "te gzip, chunked": (501, "RFC 9112 §6.1 names this status; Qdrant says 400"),
    "bad chunk size": (400, ""),
    "97 headers": (431, ""),
    "96 headers": (200, ""),
    "large head": (431, ""),
    "not http": (400, ""),
    "h2 prior knowledge": (400, ""),
    "obs-fold": (400, ""),
    "space before colon": (400, ""),
    "bare lf": (400, "a bare LF is read differently by others: refused"),
    "absolute form": (200, ""),
    "connect": (404, ""),
    "trace": (404, ""),
    "nul in target": (400, ""),
    "error with unread body": (404, ""),
}
GENERATED = {"97 headers": b"GET /healthz HTTP/1.1\r\nHost: q\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(96)) + b"\r\n",
             "96 headers": b"GET /healthz HTTP/1.1\r\nHost: q\r\n" + b"".join(b"X-%d: 1\r\n" % i for i in range(95)) + b"\r\n",
             "large head": b"GET /healthz HTTP/1.1\r\nHost: q\r\nX-L: " + b"a" * 140000 + b"\r\n\r\n",
             "error with unread body": b"PUT /nothing/at/all HTTP/1.1\r\nHost: q\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    from sextant import Edge, Region
    directory = tmp_path_factory.mktemp("wire")
    eu = Region("eu", directory / "eu").start()
    one = Edge(directory / "edge", [eu], head_timeout="60s", body_timeout="60s").start()
    call(eu.port, "PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
    yield one, eu
    assert one.stop() == 0, one.output()[-3000:]
    eu.kill()


@pytest.fixture(scope="module")
def impatient(world, tmp_path_factory):
    """An edge that gives up soon what does not come."""
    from sextant import Edge
    one = Edge(tmp_path_factory.mktemp("impatient") / "edge", [world[1]], head_timeout="700ms", body_timeout="700ms").start()
    yield one
    assert one.stop() == 0, one.output()[-3000:]


def has(answers, got):
    """Are so many whole answers in it?"""
    while answers:
        message, got = take(got)
        if message is None:
            return False
        answers -= message.status >= 200
    return True


def talk(port, raw, after_100=b"", enough=None):
    """Everything that comes back until the server closes, as it does with what it refuses, or until so many answers have come."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        try:
            s.sendall(raw)
            while (enough is None or not has(enough, got)) and (piece := s.recv(65536)):
                got += piece
                if after_100 and got.startswith(b"HTTP/1.1 100"):
                    s.sendall(after_100)
                    after_100 = b""
        except ConnectionError:
            pass
    return got


def status_of(answer):
    if answer.startswith(b"HTTP/1.1 100"):
        answer = answer.partition(b"\r\n\r\n")[2]
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.") else None


def test_every_recorded_case_has_a_row():
    assert set(RECORDED) == set(WIRE)


@pytest.mark.parametrize("name", [n for n in WIRE if n != "silent"])
def test_recorded(world, impatient, name):
    one = impatient if name == "half a head" else world[0]
    case = RECORDED[name]
    raw = GENERATED.get(name, case["sent"].encode("latin-1"))
    answer = talk(one.port, raw, case.get("sent_after_100", "").encode(), 2 if name == "pipelined" else 1)
    assert status_of(answer) == WIRE[name][0], answer[:300]
    recorded = case["received"].encode("latin-1")
    if not WIRE[name][1]:
        assert status_of(recorded) == WIRE[name][0]
    if name == "pipelined":
        assert answer.count(b"healthz check passed") == 2


SMUGGLING = {
    "cl twice the same": b"POST /collections/c/points/scroll HTTP/1.1\r\nHost: q\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "te with a space": b"POST / HTTP/1.1\r\nHost: q\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "te xchunked": b"POST / HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "te chunked twice": b"POST / HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "te in 1.0": b"POST / HTTP/1.0\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "cl plus": b"POST / HTTP/1.1\r\nHost: q\r\nContent-Length: +2\r\n\r\n{}",
    "cl hex": b"POST / HTTP/1.1\r\nHost: q\r\nContent-Length: 0x2\r\n\r\n{}",
    "cl list": b"POST / HTTP/1.1\r\nHost: q\r\nContent-Length: 2, 2\r\n\r\n{}",
    "cr alone": b"GET / HTTP/1.1\r\nHost: q\rX: y\r\n\r\n",
    "chunk without crlf": b"POST /collections/c/points/scroll HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
    "chunk size too long": b"POST / HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n",
    "host with userinfo": b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
    "host with path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "http/0.9": b"GET /\r\n\r\n",
    "http/2.0": b"GET / HTTP/2.0\r\nHost: q\r\n\r\n",
    "rtsp": b"OPTIONS * RTSP/1.0\r\nHost: q\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: q\r\n\r\n",
    "fragment": b"GET /#x HTTP/1.1\r\nHost: q\r\n\r\n",
    "high byte in target": b"GET /\xff HTTP/1.1\r\nHost: q\r\n\r\n",
    "empty name": b"GET / HTTP/1.1\r\nHost: q\r\n: x\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
def test_smuggling(world, name):
    """Refused, the connection closed, and nothing of it reaches the cluster."""
    one, eu = world
    if not eu.is_real:
        eu.control(clear_log=True)
    victim = b"GET /collections/victim HTTP/1.1\r\nHost: q\r\n\r\n"
    answer = talk(one.port, SMUGGLING[name] + victim)
    assert status_of(answer) in (400, 404, 501, 505), answer[:200]
    assert len(re.findall(rb"HTTP/1\.[01] \d{3} ", answer)) == 1, answer
    if not eu.is_real:
        assert not [r for r in eu.control(log=True)["log"] if "victim" in r["target"]]


def test_what_reaches_the_cluster_is_written_anew(world):
    one, eu = world
    if eu.is_real:
        pytest.skip("needs the stand-in's log")
    eu.control(clear_log=True)
    talk(one.port, b"POST //collections/c//points/scroll/ HTTP/1.1\r\nHost: q\r\nConnection: X-Drop, keep-alive, api-key\r\nX-Drop: 1\r\n"
                   b"X-Sextant-Place: US\r\nX-Real-IP: 1.2.3.4\r\nX-Forwarded-For: 192.0.2.9\r\napi-key: k\r\nTE: trailers\r\nUpgrade: h2c\r\n"
                   b"Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n", enough=1)
    seen = wait_for(lambda: [r for r in eu.control(log=True)["log"] if "scroll" in r["target"]], 5, "the request")[0]
    fields = dict(seen["headers"])
    assert seen["target"] == "/collections/c/points/scroll"
    assert fields["api-key"] == "k" and fields["x-forwarded-for"] == "192.0.2.9, 127.0.0.1" and fields["x-forwarded-host"] == "q"
    assert not {"x-drop", "x-sextant-place", "x-real-ip", "te", "upgrade", "x-trailer", "connection"} & set(fields)
    assert fields["host"] == f"127.0.0.1:{eu.port}"


def test_one_byte_at_a_time(world):
    one, _ = world
    raw = b"POST /collections/c/points/scroll HTTP/1.1\r\nHost: q\r\nContent-Length: 11\r\nConnection: close\r\n\r\n{\"limit\":1}"
    with socket.create_connection(("127.0.0.1", one.port), 60) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw:
            s.sendall(bytes([byte]))
        assert status_of(s.recv(4096)) == 200


def test_resets_at_every_byte(world):
    one, _ = world
    raw = b"POST /collections/c/points/scroll HTTP/1.1\r\nHost: q\r\nContent-Length: 11\r\n\r\n{\"limit\":1}"
    for n in range(len(raw) + 1):
        with socket.create_connection(("127.0.0.1", one.port), 60) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.sendall(raw[:n])
    wait_for(lambda: one.status()["client_connections"] == 0, 10, "all connections to end")
    assert call(one.port, "GET", "/healthz")[0] == 200


def test_slow_heads_and_bodies_are_given_up(impatient):
    for raw in (b"GET /healthz HTT", b"POST /collections/c/points/scroll HTTP/1.1\r\nHost: q\r\nContent-Length: 9\r\n\r\n{"):
        answer = talk(impatient.port, raw)
        assert status_of(answer) == 408, answer


def test_a_client_that_leaves_after_an_early_answer_is_let_go(world):
    one, _ = world
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", one.port), 60) as s:
            s.sendall(b"PUT /nothing/at/all HTTP/1.1\r\nHost: q\r\nContent-Length: 50\r\n\r\n")
            assert b" 404 " in s.recv(65536)
    # Else they would be kept for as long as a body may take to come.
    wait_for(lambda: one.metric("sextant_client_connections_open") == 0, what="the end of all connections")


def test_errors_echo_the_origin(world):
    one, _ = world
    answer = talk(one.port, b"GET /collections/a%2Fb HTTP/1.1\r\nHost: q\r\nOrigin: https://app.example\r\nConnection: close\r\n\r\n")
    assert b"access-control-allow-origin: https://app.example" in answer and status_of(answer) == 422


def read_ports(one):
    try:
        with open(os.path.join(one.directory, "ports.json"), encoding="utf-8") as file:
            return json.load(file)["listen"]
    except FileNotFoundError:
        return None


def test_proxy_protocol(tmp_path):
    from sextant import Edge, Region
    eu, us = Region("eu", tmp_path / "eu").start(), Region("us", tmp_path / "us").start()
    one = Edge(tmp_path / "edge", [eu, us], "* europe=eu *=us", listen="127.0.0.1:0/proxy", trusted_proxies="")
    try:
        one.env["SEXTANT_LISTEN"] = "127.0.0.1:0/proxy,127.0.0.1:0"
        one.spawn([SEXTANT], one.env)
        ports = wait_for(lambda: read_ports(one), 10, "the start")
        port = int(ports[0].rsplit(":", 1)[1])
        get = b"GET /collections/c HTTP/1.1\r\nHost: q\r\nX-Forwarded-For: 198.51.100.7\r\nConnection: close\r\n\r\n"
        assert b"x-sextant-place: DE" in talk(port, b"PROXY TCP4 192.0.2.9 127.0.0.1 5000 80\r\n" + get)
        v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([192, 0, 2, 9, 127, 0, 0, 1, 0, 1, 0, 2])
        assert b"x-sextant-place: DE" in talk(port, v2 + get)
        assert talk(port, get) == b"", "without the header nothing is answered"
        assert b"x-sextant-place: unplaced" in talk(int(ports[1].rsplit(":", 1)[1]), get)
    finally:
        assert one.stop() == 0
        eu.kill()
        us.kill()
