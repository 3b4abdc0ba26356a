# SPDX-License-Identifier: Apache-2.0
"""Malformed and ambiguous messages, one decision each (test/wire/*.txt), through the real binary."""
import pytest
from sextant import Edge, TooSlow, tries
from wire import ANSWER, VICTIM, Talk, Upstream, load, unescape

REQUESTS = load("requests.txt")
ANSWERS = load("answers.txt")


def test_the_tables_are_large_enough():
    for cases in (REQUESTS, ANSWERS):
        names = [case.name for case in cases]
        assert len(set(names)) == len(names) and all(case.want and case.raw for case in cases)
    assert len(REQUESTS) + len(ANSWERS) >= 150


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    upstream = Upstream()
    # One worker: whether a connection to the cluster was used again then shows.
    one = Edge(tmp_path_factory.mktemp("wire"), [upstream], workers=1, head_timeout="300ms", body_timeout="300ms", probe_fall=100,
               retry_min=10000, upstream_idle="60s")
    one.start()
    yield one, upstream
    assert one.stop() == 0, one.output()[-3000:]
    upstream.close()


def words(raw):
    return raw.decode("latin-1")


def check_passed(case, talk, seen):
    keep = case.want[1] == "keep"
    then = [int(case.want[2])] if case.want[1] == "then" else []
    assert [m.line for m in seen[1:]] == ([b"GET /collections/victim HTTP/1.1"] if keep else []), seen[1:]
    assert [a.status for a in talk.answers] == [200] * (1 + keep) + then
    assert not then or talk.answers[1].value("x-sextant-error") == case.want[3]
    [line] = case.all("^")
    method, target, *body = line.split(" ", 2)
    assert words(seen[0].line) == f"{method} {target} HTTP/1.1"
    assert seen[0].body == (unescape(body[0]) if body else b"")
    for field in case.all("+"):
        name, _, value = field.partition(":")
        assert seen[0].values(name) == [words(unescape(value.strip(" ")))], (name, seen[0].fields)
    for name in case.all("-"):
        assert seen[0].values(name) == [], (name, seen[0].fields)


def talk_of(case, one, upstream):
    upstream.take_seen()
    talk = Talk(one.port, case.raw + VICTIM, 2)
    if "CLIENT_SLOW" not in case.want and "CLIENT_SLOW" in [a.value("x-sextant-error") for a in talk.answers]:
        raise TooSlow
    return talk


@pytest.mark.parametrize("case", REQUESTS, ids=repr)
def test_request(world, case):
    one, upstream = world
    talk = tries(lambda: talk_of(case, one, upstream))
    seen = [message for _, message in upstream.take_seen()]
    if case.want[0] == "pass":
        check_passed(case, talk, seen)
    else:
        keep = case.want[3:] == ["keep"]
        assert [a.status for a in talk.answers] == [int(case.want[1])] + [200] * keep, talk.answers[0].whole
        assert (talk.answers[0].value("x-sextant-error") or "-") == case.want[2]
        assert [m.line for m in seen] == ([b"GET /collections/victim HTTP/1.1"] if keep else [])
    assert talk.rest == b""
    if len(talk.answers) == 1:
        last = talk.answers[0]
        assert talk.closed and not talk.was_reset and (last.value("connection") == "close" or last.line.startswith(b"HTTP/1.0"))


def script_of(case):
    close = "close" in case.all("@")
    return lambda message: None if b"victim" in message.line else (case.raw, close)


def ask(case):
    """The request, whose body names points by a filter where it is a write: such may not be sent again."""
    [line] = [text for text in case.all("@") if text != "close"] or ["GET /collections/answer"]
    body = b'{"filter":{}}' if line.startswith("POST") else b""
    length = b"Content-Length: %d\r\nContent-Type: application/json\r\n" % len(body) if body else b""
    return line.split(" ")[0], line.encode() + b" HTTP/1.1\r\nHost: q\r\n" + length + b"\r\n" + body


def check_answer(case, answer):
    assert answer.status == int(case.want[1]), answer.whole
    if case.want[0] == "refuse":
        assert answer.value("x-sextant-error") == case.want[2], answer.whole
        return
    assert answer.value("x-sextant-error") is None
    assert answer.body == b"".join(unescape(text) for text in case.all("^"))
    for field in case.all("+"):
        name, _, value = field.partition(":")
        assert answer.values(name) == [words(unescape(value.strip(" ")))], (name, answer.fields)
    for name in case.all("-"):
        assert answer.values(name) == [], (name, answer.fields)


@pytest.mark.parametrize("case", ANSWERS, ids=repr)
def test_answer(world, case):
    one, upstream = world
    upstream.take_seen()
    upstream.script = script_of(case)
    method, raw = ask(case)
    talk = Talk(one.port, raw + VICTIM, 2, [method])
    upstream.script = lambda message: None
    seen = upstream.take_seen()
    if case.want[0] == "cut":
        assert talk.closed and talk.answers == [] and talk.was_reset
        return
    check_answer(case, talk.answers[0])
    assert talk.answers[1].body == ANSWER and len(talk.answers) == 2 and talk.rest == b""
    assert b"victim" in seen[-1][1].line and not any(b"victim" in message.line for _, message in seen[:-1])
    assert (seen[-1][0] == seen[-2][0]) == (case.want[-1] == "keep")
