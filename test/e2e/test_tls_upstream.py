# SPDX-License-Identifier: Apache-2.0
"""TLS to clusters: which certificates are believed, what is said when one is not, sessions, client certificates."""
import datetime
import json
import socketserver
import threading
import time

import pytest
from certs import Authority, now
from qdrant_client import QdrantClient, models
from sextant import check, wait_for


@pytest.fixture(scope="module")
def ca():
    return Authority()


class Cluster:
    """A region that speaks TLS, with its files."""

    def __init__(self, region, directory, authority, name="eu", names=("127.0.0.1", "qdrant.test"), client_ca=None, **dates):
        self.directory = directory / f"tls-{name}"
        self.directory.mkdir()
        self.ca = authority.save(self.directory)
        self.authority, self.names = authority, names
        self.files = authority.issue(*names, **dates).save(self.directory, "server")
        self.region = region(name, tls=(*self.files, client_ca))


@pytest.fixture
def cluster(region, tmp_path, ca):
    return lambda **options: Cluster(region, tmp_path, options.pop("authority", ca), **options)


def failure(edge):
    """What a client is told, and the codes of the tries, when nothing can be reached."""
    status, headers, body = edge.call("GET", "/collections/x")
    assert status == 503 and headers["x-sextant-error"] == "NO_HEALTHY_CLUSTER", (status, body)
    text = json.dumps(body)
    assert "127.0.0.1" not in text and "certificate is for" not in text and "https:" not in text
    record = wait_for(lambda: next((r for r in edge.log() if r.get("tries")), None), 5, "the log line")
    return body["status"]["error"], {t["fail"] for t in record["tries"]}


def logged(edge, text):
    wait_for(lambda: text in edge.output(), 10, text)


def test_official_client_over_tls_to_a_cluster(cluster, edge):
    c = cluster()
    one = edge([c.region], cluster_eu_ca_file=c.ca)
    client = QdrantClient(url=one.url, timeout=60)
    client.create_collection("books", vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE))
    client.upsert("books", [models.PointStruct(id=i, vector=[i, 1, 0.5, 0.25], payload={"t": "x" * 2000})
                            for i in range(1, 400)], wait=True)
    points = client.scroll("books", limit=399, with_vectors=True)[0]
    assert len(points) == 399 and all(len(p.payload["t"]) == 2000 for p in points)
    client.close()
    assert one.cluster_state("eu")["rtt_ms"] is not None  # probes came through
    assert one.metric("sextant_upstream_tls_handshakes_total") > 0


def test_sessions_go_on(cluster, edge):
    c = cluster()
    one = edge([c.region], cluster_eu_ca_file=c.ca, workers=1, upstream_idle="1ms")
    for _ in range(5):
        assert one.call("GET", "/collections")[0] == 200
        time.sleep(0.02)  # longer than connections are kept: the next is a new one
    wait_for(lambda: one.metric("sextant_upstream_tls_resumed_total") >= 3, 10, "resumption")
    assert one.metric("sextant_upstream_tls_handshakes_total") > one.metric("sextant_upstream_tls_resumed_total")


@pytest.mark.parametrize("case", ["stranger", "expired", "name", "own name", "no CA file"])
def test_what_is_not_believed(cluster, edge, ca, tmp_path, case):
    options, expected = {}, ""
    if case == "stranger":
        c = cluster(authority=Authority("another authority"))
        options["cluster_eu_ca_file"] = ca.save(tmp_path, "other")
        expected = "unable to get local issuer certificate (CN=127.0.0.1,O=Sextant tests)"
    elif case == "expired":
        c = cluster(start=now() - datetime.timedelta(days=9), end=now() - datetime.timedelta(days=1))
        options["cluster_eu_ca_file"] = c.ca
        expected = "certificate has expired (CN=127.0.0.1,O=Sextant tests: the certificate expired on "
    elif case == "name":
        c = cluster(names=("10.1.2.3", "other.test"))
        options["cluster_eu_ca_file"] = c.ca
        expected = "hostname mismatch: wanted 127.0.0.1, certificate is for 10.1.2.3, other.test"
    elif case == "own name":
        c = cluster()
        options.update(cluster_eu_ca_file=c.ca, cluster_eu_tls_name="eu.qdrant.test")
        expected = "hostname mismatch: wanted eu.qdrant.test, certificate is for 127.0.0.1, qdrant.test"
    else:
        c = cluster()
        expected = "unable to get local issuer certificate"
    one = edge([c.region], settle=False, **options)
    text, codes = failure(one)
    assert "the certificate of the endpoint was refused" in text and codes == {"TLS_UNTRUSTED"}
    logged(one, f"TLS: the peer's certificate was refused: {expected}")
    assert one.output().count("TLS: the peer's certificate") == 1  # not once a probe
    assert not any(t["target"].startswith("/collections") for t in c.region.control(log=True)["log"])


def test_rules_of_one_cluster(cluster, edge):
    """A name of its own; no checks; and the other cluster has its own rules."""
    eu = cluster(names=("inner.test",))
    us = cluster(name="us", names=("elsewhere.test",), authority=Authority("another authority"))
    one = edge([eu.region, us.region], "a *=eu\nb *=us", cluster_eu_ca_file=eu.ca, cluster_eu_tls_name="inner.test",
               cluster_us_tls_verify="off")
    for name in ("a", "b"):
        status, headers, _ = one.call("GET", f"/collections/{name}")
        assert (status, headers["x-sextant-cluster"]) == (404, {"a": "eu", "b": "us"}[name])
    assert "SEXTANT_CLUSTER_US_TLS_VERIFY" in one.output() and "are not checked" in one.output()


def test_client_certificate(cluster, edge, tmp_path):
    people = Authority("people")
    people_ca = people.save(tmp_path, "people")
    edge_cert, edge_key = people.issue(common_name="sextant", client=True).save(tmp_path, "edge")
    c = cluster(client_ca=people_ca)
    one = edge([c.region], cluster_eu_ca_file=c.ca, cluster_eu_client_cert=edge_cert, cluster_eu_client_key=edge_key)
    assert one.call("GET", "/collections")[0] == 200
    without = edge([c.region], settle=False, cluster_eu_ca_file=c.ca)
    assert without.call("GET", "/collections")[0] in (502, 503)
    logged(without, "TLS: the peer refused the handshake")
    assert without.metric("sextant_upstream_tls_failures_total") > 0


def test_reads_move_on_when_a_certificate_expires(cluster, edge):
    """The certificate of the nearest cluster is replaced by an expired one: no request fails."""
    eu, us = cluster(), cluster(name="us")
    one = edge([eu.region, us.region], "* *=eu,us copies=external", nearest="eu", cluster_eu_ca_file=eu.ca, cluster_us_ca_file=us.ca)
    assert one.call("GET", "/collections/x")[1]["x-sextant-cluster"] == "eu"
    late = eu.authority.issue(*eu.names, start=now() - datetime.timedelta(days=9), end=now() - datetime.timedelta(days=1))
    late.save(eu.directory, "server")
    eu.region.control(tls=True)

    def cluster_of():
        status, headers, _ = one.call("GET", "/collections/x")
        assert status == 404, status
        return headers["x-sextant-cluster"]
    wait_for(lambda: cluster_of() == "us", 20, "the move")
    logged(one, "certificate has expired")
    eu.authority.issue(*eu.names).save(eu.directory, "server")
    eu.region.control(tls=True)
    wait_for(lambda: cluster_of() == "eu", 30, "the return")


def test_new_authority_without_a_restart(cluster, edge, tmp_path, ca):
    other = Authority("another authority")
    c = cluster(authority=other)
    path = ca.save(tmp_path, "believed")
    one = edge([c.region], settle=False, cluster_eu_ca_file=path)
    failure(one)
    other.save(tmp_path, "believed")
    wait_for(lambda: one.call("GET", "/collections")[0] == 200, 20, "the new authority")


def test_answers_that_break_off(cluster, edge):
    c = cluster()
    one = edge([c.region], cluster_eu_ca_file=c.ca)
    one.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
    c.region.faults(reset="half", match="/collections/c")
    status, _, body = one.call("GET", "/collections/c")
    assert status == 502, body
    c.region.control(clear=True)
    assert one.call("GET", "/collections/c")[0] == 200


class PlainAnswer(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(4096)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


def test_plain_http_behind_an_https_url(edge, ca, tmp_path):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PlainAnswer) as plain:
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        one = edge([], settle=False, clusters=f"eu https://127.0.0.1:{plain.server_address[1]} at=DE",
                   cluster_eu_ca_file=ca.save(tmp_path))
        text, codes = failure(one)
        plain.shutdown()
    assert "TLS handshake" in text and codes == {"TLS_FAILED"}
    logged(one, "TLS: what was sent is not TLS")


class NoAnswer(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(4096):
            pass


def test_a_handshake_that_takes_too_long(edge, ca, tmp_path):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), NoAnswer) as silent:
        silent.daemon_threads = True
        threading.Thread(target=silent.serve_forever, daemon=True).start()
        one = edge([], settle=False, clusters=f"eu https://127.0.0.1:{silent.server_address[1]} at=DE",
                   cluster_eu_ca_file=ca.save(tmp_path), connect_timeout="300ms")
        text, codes = failure(one)
        silent.shutdown()
    assert "TLS handshake" in text and codes == {"TLS_FAILED"}
    logged(one, "TLS: it took too long")


def test_mistakes(tmp_path, ca):
    cert, key = ca.issue("x.test", client=True).save(tmp_path, "one")
    ca_file = ca.save(tmp_path)
    base = {"SEXTANT_CLUSTERS": "eu https://q:6333 at=DE"}
    cases = [
        ({"SEXTANT_CLUSTER_EU_CA_FILE": "/nonexistent"}, "SEXTANT_CLUSTER_EU_CA_FILE:1:1: error: cannot read /nonexistent: No such"),
        ({"SEXTANT_CLUSTER_EU_CA_FILE": key}, "there is no certificate in it"),
        ({"SEXTANT_CLUSTER_EU_CLIENT_CERT": cert}, "a client certificate needs both"),
        ({"SEXTANT_CLUSTER_EU_CLIENT_KEY": key}, "SEXTANT_CLUSTER_EU_CLIENT_KEY:1:1: error: a client certificate needs both"),
        ({"SEXTANT_CLUSTER_EU_TLS_VERIFY": "off", "SEXTANT_CLUSTER_EU_CA_FILE": ca_file}, "nothing is verified with TLS_VERIFY=off"),
        ({"SEXTANT_CLUSTERS": "eu http://q:6333 at=DE", "SEXTANT_CLUSTER_EU_CA_FILE": ca_file}, "cluster eu has no https URL"),
        ({"SEXTANT_CLUSTERS": "eu http://q:6333,https://Q:6333 at=DE"}, "is listed twice"),
    ]
    for env, text in cases:
        code, output = check({**base, **env})
        assert code == 2 and text in output, (env, output)
    assert check(base)[0] == 0
