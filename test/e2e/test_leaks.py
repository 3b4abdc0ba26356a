# SPDX-License-Identifier: Apache-2.0
"""Whatever goes wrong, callers are not told where clusters are, nor what Sextant shows to them."""
import re
import socket

import pytest
from sextant import call, dead_port

KEYS = {"eu": "cluster-key-of-eu", "us": "cluster-key-of-us"}
MAP = "one *=eu\ngone *=ap\nus-only north-america=us\n* *=eu,us copies=external"
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}


class Answers:
    """Everything that clients were told: every head and body, and the raw bytes of some connections."""

    def __init__(self, one):
        self.one, self.all, self.statuses = one, [], set()

    def ask(self, method, target, body=None, key="key-of-the-clients", **headers):
        status, fields, content = self.one.call(method, target, body, headers={"api-key": key, **headers}, timeout=60)
        self.statuses.add((status, fields.get("x-sextant-error")))
        self.all.append(f"{method} {target} {status} {fields} {content!r}")
        return status

    def all_kinds(self):
        self.ask("GET", "/collections/one")
        self.ask("POST", "/collections/one/points/scroll", {})
        self.ask("PUT", "/collections/one/points?wait=true", {"points": [{"id": 1, "vector": [1, 2]}]})
        self.ask("POST", "/collections/one/points/delete", {"filter": {}})
        self.ask("PUT", "/collections/one", VECTORS)
        self.ask("GET", "/collections")
        self.ask("GET", "/aliases")
        self.ask("GET", "/cluster")
        self.ask("GET", "/collections/both?timeout=1")
        self.ask("POST", "/collections/one/snapshots")
        self.ask("GET", "/dashboard")

    def raw(self, data):
        with socket.create_connection(("127.0.0.1", self.one.port), 60) as s:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
            got = b""
            while piece := s.recv(65536):
                got += piece
        self.all.append(got.decode("latin-1"))


@pytest.fixture
def world(region, edge, tmp_path):
    here = [region(n, keys={"rw": KEYS[n]}) for n in ("eu", "us")]
    if here[0].is_real:
        pytest.skip("faults are made by stand-ins")
    urls = "\n".join(f"{r.name} {r.url}/ at={'aws:eu-central-1' if r.name == 'eu' else 'aws:us-east-1'}" for r in here)
    with dead_port() as dead:
        one = edge([], MAP, settle=False, clusters=f"{urls}\nap http://127.0.0.1:{dead},http://inner-host.invalid:{dead} at=JP",
                   api_key="key-of-the-clients", read_only_api_key="key-of-readers", default_timeout="40s",
                   probe_interval="1h", **{f"cluster_{n}_api_key": k for n, k in KEYS.items()})
        yield one, here, [str(r.port) for r in here] + [str(dead), "127.0.0.1", "inner-host", *KEYS.values()]


def is_told(secret, text):
    """A port is a number of its own: the same digits stand in a time or a name that is drawn now and then."""
    return re.search(rf"(?<![0-9a-f]){re.escape(secret)}(?![0-9a-f])", text) if secret.isdigit() else secret in text


def test_no_answer_tells_of_endpoints_or_keys(world):
    one, (eu, us), secrets = world
    answers = Answers(one)
    assert answers.ask("PUT", "/collections/one", VECTORS) == 200
    answers.all_kinds()
    for fault in ({"reset": "before"}, {"reset": "half"}, {"status": 503}, {"status": 401}, {"status": 500}):
        eu.faults(**fault)
        answers.all_kinds()
        eu.control(clear=True)
    eu.faults(black_hole=True)
    answers.ask("GET", "/collections/one?timeout=1")
    answers.ask("PUT", "/collections/one/points?wait=true&timeout=1", {"points": [{"id": 1, "vector": [1, 2]}]})
    eu.control(clear=True)
    for target in ("/collections/gone", "/collections/us-only", "/collections/none/../x", "/collections/a%2Fb", "/nowhere"):
        answers.ask("GET", target)
        answers.ask("GET", target, key="wrong")
        answers.ask("DELETE", target, key="key-of-readers")
    answers.ask("GET", "/collections/one", **{"x-sextant-endpoint": "eu/9", "x-sextant-place": "?"})
    answers.raw(b"GET / HTTP/1.1\r\n\r\n")
    answers.raw(b"BREW / HTTP/1.1\r\nhost: q\r\n\r\n")
    answers.raw(b"GET http://127.1:1/ HTTP/9.9\r\nhost: q\r\n\r\n")
    eu.kill()
    us.kill()
    answers.all_kinds()
    codes = {code for _, code in answers.statuses}
    assert {"UPSTREAM_RESET", "OUTCOME_UNKNOWN", "CLUSTER_KEY", "NO_HEALTHY_CLUSTER", "LIST_INCOMPLETE", "KEY_INVALID",
            "PLACE_NOT_SERVED"} <= codes, codes
    for secret in secrets:
        assert not [a for a in answers.all if is_told(secret, a)], secret


def test_hints_of_strangers_mean_nothing(world):
    """X-Sextant-* of anybody who is not trusted: no effect, not sent on."""
    one, (eu, us), _ = world
    hints = {"x-sextant-place": "US", "x-sextant-cluster": "us", "x-sextant-endpoint": "us/1", "x-sextant-partition": "us",
             "x-sextant-token": "1", "X-Sextant-Whatever": "2", "api-key": "key-of-the-clients"}
    eu.control(clear_log=True)
    assert one.call("GET", "/collections/one", headers=hints)[1]["x-sextant-cluster"] == "eu"
    assert one.call("GET", "/collections/us-only", headers=hints)[0] == 403
    seen = [dict(r["headers"]) for r in eu.control(log=True)["log"]]
    assert seen and not [n for h in seen for n in h if n.startswith("x-sextant-")]


def test_hints_of_the_trusted_go_no_further(region, edge):
    here = region()
    one = edge([here], trusted_callers="127.0.0.0/8")
    here.control(clear_log=True)
    assert call(one.port, "GET", "/collections/c", headers={"x-sextant-place": "US"})[1]["x-sextant-place"] == "US"
    seen = [dict(r["headers"]) for r in here.control(log=True)["log"]]
    assert seen and not [n for h in seen for n in h if n.startswith("x-sextant-")]
