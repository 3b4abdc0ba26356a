# SPDX-License-Identifier: Apache-2.0
"""What Sextant sends on is read by h11 and by Node as exactly one message, with the meaning that it had when it came: the
cases of test/wire/ and mutations of them, the same ones on every run."""
import os
import random
import re
from urllib.parse import unquote

import pytest
from readers import by_h11, by_node, strict
from sextant import Edge
from wire import Talk, Upstream, load

MUTATIONS = 3000
SOAK_MUTATIONS = int(os.environ.get("SOAK_MUTATIONS", "100000"))
PIECES = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b",", b";", b"\x0b", b"\xa0", b"\x7f", b"\xff", b"0", b"1", b"f", b"0x", b"+",
          b"\r\n\r\n", b"0\r\n\r\n", b"2\r\n{}\r\n", b"Content-Length: 2\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
          b"Connection: close\r\n", b"Connection: x-a\r\nX-A: 1\r\n", b"HTTP/1.0", b"HTTP/1.1", b"chunked", b"http://evil/", b"//", b"/../", b"?",
          b"#", b"%2f", b"X: 1\r\n", b"X:\r\n", b" X: 1\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"Host: evil\r\n"]
# What the edge drops or writes anew (field.def), and what it adds.
OWN = re.compile("host|content-length|transfer-encoding|connection|keep-alive|proxy-connection|te|trailer|upgrade|http2-settings|"
                 "proxy-auth.*|expect|forwarded|x-forwarded-.*|x-real-ip|x-client-ip|true-client-ip|cf-connecting-ip|"
                 "x-cluster-client-ip|x-sextant-.*|date|traceparent|tracestate")
LAST = b"GET /collections/victim HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n"
KEPT = ("origin", "content-type", "content-encoding", "accept-encoding", "authorization", "x-qdrant-route-affinity")


def mutate(rng, seeds):
    raw = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at = rng.randrange(len(raw) + 1)
        end = min(len(raw), at + rng.choice((1, 1, 2, 5, 20)))
        lines = bytes(raw).split(b"\r\n")
        match rng.randrange(8):
            case 0:
                raw[at:at] = rng.choice(PIECES)
            case 1:
                raw[at:end] = rng.choice(PIECES)
            case 2:
                del raw[at:end]
            case 3:
                raw[at:at] = raw[at:end]
            case 4:
                raw[at:at + 1] = bytes([rng.randrange(256)])
            case 5:
                rng.shuffle(lines)
                raw = bytearray(b"\r\n".join(lines))
            case 6:
                lines.insert(rng.randrange(len(lines)), rng.choice(PIECES).strip(b"\r\n"))
                raw = bytearray(b"\r\n".join(lines))
            case 7:
                raw[at:] = rng.choice(seeds)[at:]
    return bytes(raw)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    upstream = Upstream()
    one = Edge(tmp_path_factory.mktemp("differential"), [upstream], workers=1, head_timeout="1s", body_timeout="1s", access_log="off",
               probe_fall=100, retry_percent=100, cluster_requests=100000).start()
    yield one, upstream
    assert one.stop() == 0, one.output()[-3000:]
    upstream.close()


def check_readers(rows):
    """Each of (answers or None, bytes) is one message, and all readers say the same. Their meanings."""
    meanings = []
    for (answers, raw), node in zip(rows, by_node(rows)):
        meaning = strict(raw, answers)
        assert by_h11(raw, answers) == ([meaning], False), raw
        assert node == [meaning], raw
        meanings.append(meaning)
    return meanings


def fields_of(meaning, other):
    """Fields that must pass, of a message that came, with what its Connection names."""
    named = {w.strip().lower() for n, v in meaning[1] + other[1] if n == "connection" for w in v.split(",")}
    return [(n, v) for n, v in meaning[1] if not OWN.fullmatch(n) and (n in KEPT or n.endswith("api-key") or n not in named)]


def target_of(meaning):
    """Method and target, the path as the edge canonicalises it, escapes decoded."""
    method, target = meaning[0]
    target = re.sub(r"^https?://[^/?]*", "", target, flags=re.I) or "/"
    target = "/" + target if target.startswith("?") else target
    path, mark, query = target.partition("?")
    return method, (re.sub("/+", "/", unquote(path, "latin-1")).rstrip("/") or "/") + (mark + query if query else "")


def check_same_request(came, went):
    assert target_of(came) == target_of(went) and came[2] == went[2], (came, went)
    assert fields_of(came, came) == fields_of(went, came), (came, went)


def check_in_order(raw, meanings):
    """What went is among what h11 sees in the bytes that came, in that order, unless it gives them up. The number of those
    compared."""
    came, broke = by_h11(raw)
    for went in meanings:
        while came and target_of(came[0]) != target_of(went):
            came.pop(0)
        if not came:
            assert broke, (raw, went)
            return 0
        check_same_request(came.pop(0), went)
    return len(meanings)


def check_requests(world, raws):
    one, upstream = world
    went = []
    for raw in raws:
        upstream.take_seen()
        Talk(one.port, raw + LAST, 100, patience=0.1)
        went.append([message.whole for _, message in upstream.take_seen()])
    assert not [b for b in upstream.broken if b[0] == "not strict"], upstream.broken[:3]
    meanings = iter(check_readers([(None, raw) for one_case in went for raw in one_case]))
    compared = [check_in_order(raw + LAST, [next(meanings) for _ in one_case]) for raw, one_case in zip(raws, went)]
    return sum(map(len, went)), sum(compared)


def talk_to_answer(one, method):
    """HEAD is not sent again: it may have gone to a connection that the script before was just closing."""
    for _ in range(3):
        talk = Talk(one.port, f"{method} /collections/answer HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n".encode(), 100, [method])
        if not any(answer.value("x-sextant-error") == "OUTCOME_UNKNOWN" for answer in talk.answers):
            break
    return talk


def check_answers(world, rows):
    one, upstream = world
    got, came = [], []
    for method, raw in rows:
        upstream.script = lambda message, raw=raw: (raw, True)
        talk = talk_to_answer(one, method)
        got += [(method, answer.whole) for answer in talk.answers if answer.value("x-sextant-error") is None]
        came += [raw for answer in talk.answers if answer.value("x-sextant-error") is None]
    upstream.script = lambda message: None
    compared = 0
    for (method, _), raw, meaning in zip(got, came, check_readers(got)):
        seen, broke = by_h11(raw, method)
        if not seen or (broke and meaning != seen[0]):
            continue
        compared += 1
        assert meaning[0] == seen[0][0] and meaning[2] == seen[0][2], (raw, meaning)
        assert fields_of(seen[0], seen[0]) == [f for f in fields_of(meaning, seen[0]) if f[0] != "vary"], (raw, meaning)
    return len(got), compared


REQUESTS = [case.raw for case in load("requests.txt") if case.want[0] == "pass"]
ANSWERS = [case.raw for case in load("answers.txt") if case.want[0] == "pass"]


def test_requests_of_the_table(world):
    went, compared = check_requests(world, REQUESTS)
    assert went >= len(REQUESTS) and compared > len(REQUESTS)


def test_answers_of_the_table(world):
    went, compared = check_answers(world, [(method, raw) for raw in ANSWERS for method in ("GET", "HEAD")])
    assert went > len(ANSWERS) and compared > len(ANSWERS)


def test_mutated_requests(world):
    rng = random.Random(1)
    went, compared = check_requests(world, [mutate(rng, REQUESTS) for _ in range(MUTATIONS)])
    assert went > MUTATIONS / 4 and compared > went / 2, (went, compared)


def test_mutated_answers(world):
    rng = random.Random(2)
    went, compared = check_answers(world, [(rng.choice(("GET", "GET", "HEAD")), mutate(rng, ANSWERS)) for _ in range(MUTATIONS)])
    assert went > MUTATIONS / 4 and compared > went / 2, (went, compared)


@pytest.mark.soak
def test_many_mutations(world):
    for seed in range(10, 10 + SOAK_MUTATIONS // 2000):
        rng = random.Random(seed)
        check_requests(world, [mutate(rng, REQUESTS) for _ in range(1000)])
        check_answers(world, [("GET", mutate(rng, ANSWERS)) for _ in range(1000)])
