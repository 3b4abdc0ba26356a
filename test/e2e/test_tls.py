# SPDX-License-Identifier: Apache-2.0
"""TLS for clients: certificates, names, sessions, client certificates, reload, and what is said to those who do it wrong."""
import datetime
import http.client
import json
import re
import socket
import ssl
import time

import pytest
from certs import Authority, now, write
from qdrant_client import QdrantClient, models
from sextant import check, wait_for

PLAIN, TLS = 0, 1  # places of the edge's listeners


@pytest.fixture(scope="module")
def ca():
    return Authority()


class Secure:
    """An edge with a plain listener and a TLS one, and what its clients need."""

    def __init__(self, edge, regions, directory, authority, names=("edge.test", "127.0.0.1"), **options):
        self.directory, self.authority = str(directory), authority
        self.ca_file = authority.save(self.directory)
        self.cert, self.key = authority.issue(*names).save(self.directory, "edge")
        settings = {"listen": "127.0.0.1:0,127.0.0.1:0/tls", "tls_cert": self.cert, "tls_key": self.key, **options}
        self.edge = edge(regions, "* *=eu", **settings)

    @property
    def port(self):
        return self.edge.ports[TLS]

    def context(self, version=None, client=None, alpn=None):
        context = ssl.create_default_context(cafile=self.ca_file)
        if version:
            context.minimum_version = context.maximum_version = version
        if client:
            context.load_cert_chain(*client)
        if alpn:
            context.set_alpn_protocols(alpn)
        return context

    def connect(self, context=None, name="edge.test", session=None, timeout=60):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout)
        return (context or self.context()).wrap_socket(raw, server_hostname=name, session=session)

    def ask(self, connection, target="/collections", headers="", close=False):
        """(status, body) over an open connection."""
        end = "Connection: close\r\n" if close else ""
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: edge.test\r\n{headers}{end}\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()

    def metric(self, name, reason=None):
        wanted = name + (f'{{reason="{reason}"}}' if reason else "")
        for line in self.edge.admin("/metrics").splitlines():
            if line.rsplit(" ", 1)[0] == wanted:
                return float(line.rsplit(" ", 1)[1])
        return 0.0


@pytest.fixture
def secure(edge, region, tmp_path, ca):
    one = region("eu")

    def start(**options):
        s = Secure(edge, [one], tmp_path, options.pop("authority", ca), **options)
        s.region = one
        return s
    return start


def seen_by(region):
    log = region.control(log=True)["log"]
    return dict(next(r for r in reversed(log) if r["target"] == "/collections")["headers"])


def logged(s):
    """The log's record of the first request for the list."""
    return wait_for(lambda: next((r for r in s.edge.log() if r.get("path") == "/collections"), None), 5, "the log line")


# --- serving ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_over_tls(secure, version):
    s = secure()
    with s.connect(s.context(version, alpn=["h2", "http/1.1"])) as c:
        assert c.selected_alpn_protocol() == "http/1.1"
        assert (c.version(), c.compression()) == ({"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name], None)
        for _ in range(3):
            assert s.ask(c)[0] == 200
        assert s.ask(c, close=True)[0] == 200
        assert c.recv(1) == b""  # by close_notify: a bare end would raise
    assert s.metric("sextant_tls_handshakes_total") == 1


def test_official_client(secure):
    s = secure()
    client = QdrantClient(url=f"https://127.0.0.1:{s.port}", verify=s.context(), timeout=60)
    client.create_collection("books", vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE))
    client.upsert("books", [models.PointStruct(id=i, vector=[i, 1, 0.5, 0.25], payload={"t": "x" * 2000})
                            for i in range(1, 400)], wait=True)
    assert client.count("books").count == 399
    points = client.scroll("books", limit=399, with_vectors=True)[0]  # some hundred KiB
    assert len(points) == 399 and all(len(p.payload["t"]) == 2000 for p in points)
    client.close()


def test_bodies_of_many_records(secure):
    """Both directions at once, longer than all buffers, by a client that reads late."""
    s = secure()
    with s.connect() as c:
        assert s.ask(c)[0] == 200
    blob = "x" * 3_000_000
    connection = http.client.HTTPSConnection("127.0.0.1", s.port, context=s.context(), timeout=20)
    connection.request("PUT", "/collections/big", json.dumps({"vectors": {"size": 2, "distance": "Dot"}}),
                       {"content-type": "application/json"})
    assert connection.getresponse().read() and True
    connection.request("PUT", "/collections/big/points?wait=true",
                       json.dumps({"points": [{"id": 1, "vector": [1, 2], "payload": {"t": blob}}]}),
                       {"content-type": "application/json"})
    assert connection.getresponse().read()
    connection.request("GET", "/collections/big/points/1")
    answer = connection.getresponse()
    time.sleep(0.2)  # the answer piles up on its way; the test would be weaker without, not wrong
    assert json.loads(answer.read())["result"]["payload"]["t"] == blob
    connection.close()


def test_the_cluster_learns_how_the_client_came(secure):
    s = secure()
    with s.connect() as c:
        s.ask(c, headers="X-Forwarded-Proto: gopher\r\nX-Sextant-Client-Subject: CN=root\r\n")
    fields = seen_by(s.region)
    assert fields["x-forwarded-proto"] == "https" and "x-sextant-client-subject" not in fields
    assert s.edge.call("GET", "/collections", headers={"X-Sextant-Client-Subject": "CN=root"})[0] == 200
    fields = seen_by(s.region)
    assert fields["x-forwarded-proto"] == "http" and "x-sextant-client-subject" not in fields


def test_the_certificate_follows_the_name(secure, tmp_path, ca):
    (tmp_path / "more").mkdir()
    wild = ca.issue("*.example.test").save(tmp_path / "more", "wild")
    exact = ca.issue("a.example.test").save(tmp_path / "more", "exact")
    first = ca.issue("edge.test").save(tmp_path / "more", "first")
    s = secure(tls_cert=f"{first[0]}, {wild[0]}, {exact[0]}", tls_key=f"{first[1]}, {wild[1]}, {exact[1]}")

    def names(host):
        context = s.context()
        context.check_hostname = False
        with s.connect(context, host) as c:
            return [v for _, v in c.getpeercert()["subjectAltName"]]
    assert names("b.example.test") == ["*.example.test"]
    assert names("A.Example.test") == ["a.example.test"]
    assert names("a.b.example.test") == ["edge.test"]
    assert names("elsewhere.test") == ["edge.test"]
    assert names(None) == ["edge.test"]


def test_proxy_protocol_comes_before_tls(secure):
    s = secure(listen="127.0.0.1:0,127.0.0.1:0/proxy/tls")
    raw = socket.create_connection(("127.0.0.1", s.port), 60)
    raw.sendall(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 6333\r\n")
    with s.context().wrap_socket(raw, server_hostname="edge.test") as c:
        assert s.ask(c)[0] == 200
    assert logged(s)["address"] == "198.51.100.7"
    # Header and ClientHello in one segment.
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = s.context().wrap_bio(incoming, outgoing, server_hostname="edge.test")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    with socket.create_connection(("127.0.0.1", s.port), 60) as raw:
        raw.sendall(b"PROXY TCP4 203.0.113.7 192.0.2.1 4711 6333\r\n" + outgoing.read())
        assert raw.recv(5)[0] == 0x16


# --- sessions ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_client_waits_for_an_acknowledgement(secure, version):
    """One that leaves Nagle's algorithm on: the end of the handshake and the request are two writes."""
    s = secure()

    def took():
        started = time.monotonic()
        with s.connect(s.context(version)) as c:
            assert c.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
            assert s.ask(c)[0] == 200
        return time.monotonic() - started
    # The kernel delays an acknowledgement for 40 ms at least; a busy machine may take as long now and then.
    wait_for(lambda: took() < 0.035, what="one that did not wait")


def resume(s, version, ask=True):
    """Did a second connection go on with the session of a first one?"""
    context = s.context(version)
    with s.connect(context) as c:
        assert s.ask(c)[0] == 200 and not c.session_reused
        session = c.session
    with s.connect(context, session=session) as c:
        assert s.ask(c)[0] == 200
        return c.session_reused


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_go_on(secure, version):
    s = secure(workers=2)
    for _ in range(4):  # at whichever worker
        assert resume(s, version)
    assert s.metric("sextant_tls_resumed_total") == 4


def test_sessions_without_tickets(secure):
    s = secure(tls_ticket_rotation=0)
    assert resume(s, ssl.TLSVersion.TLSv1_2)  # from the cache
    assert not resume(s, ssl.TLSVersion.TLSv1_3)


def test_old_ticket_keys_are_forgotten(secure):
    s = secure(tls_ticket_rotation="1s")
    context = s.context(ssl.TLSVersion.TLSv1_2)
    with s.connect(context) as c:
        session = c.session
    started = time.monotonic()

    def is_forgotten():
        with s.connect(context, session=session) as c:
            return not c.session_reused
    wait_for(is_forgotten, 10, "the end of the ticket")
    assert time.monotonic() - started > 0.9


# --- client certificates ----------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def people():
    return Authority("people")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificates(secure, tmp_path, ca, people, version):
    alice = people.issue(common_name="alice, the first", client=True).save(tmp_path, "alice")
    stranger = ca.issue(common_name="mallory", client=True).save(tmp_path, "mallory")
    late = people.issue(common_name="late", client=True, start=now() - datetime.timedelta(days=9),
                        end=now() - datetime.timedelta(days=1)).save(tmp_path, "late")
    s = secure(tls_client_auth="required", tls_client_ca=people.save(tmp_path, "people"))
    with s.connect(s.context(version, alice)) as c:
        assert s.ask(c, headers="X-Sextant-Client-Subject: CN=root\r\n")[0] == 200
    fields = seen_by(s.region)
    assert fields["x-sextant-client-subject"] == "CN=alice\\, the first,O=Sextant tests"
    assert logged(s)["client_subject"] == "CN=alice\\, the first,O=Sextant tests"
    for who, reason in ((stranger, "bad_certificate"), (late, "bad_certificate"), (None, "no_certificate")):
        before = s.metric("sextant_tls_handshake_failures_total", reason)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            with s.connect(s.context(version, who)) as c:
                s.ask(c)
        wait_for(lambda r=reason, b=before: s.metric("sextant_tls_handshake_failures_total", r) == b + 1, 5, reason)
    assert "certificate" in s.edge.output()


def test_optional_client_certificates(secure, tmp_path, people, ca):
    alice = people.issue(common_name="alice", client=True).save(tmp_path, "alice")
    stranger = ca.issue(common_name="mallory", client=True).save(tmp_path, "mallory")
    s = secure(tls_client_auth="optional", tls_client_ca=people.save(tmp_path, "people"))
    with s.connect() as c:
        assert s.ask(c)[0] == 200
    assert "x-sextant-client-subject" not in seen_by(s.region)
    context = s.context(client=alice)
    for session_before in (False, True):  # a session that goes on keeps its subject
        with s.connect(context, session=session if session_before else None) as c:
            assert s.ask(c)[0] == 200 and c.session_reused == session_before
            session = c.session
        assert seen_by(s.region)["x-sextant-client-subject"] == "CN=alice,O=Sextant tests"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with s.connect(s.context(client=stranger)) as c:
            s.ask(c)


def test_another_authority_ends_old_sessions(secure, tmp_path, people):
    """A ticket must not outlive the trust that it was given under."""
    alice = people.issue(common_name="alice", client=True).save(tmp_path, "alice")
    s = secure(tls_client_auth="required", tls_client_ca=people.save(tmp_path, "people"))
    context = s.context(client=alice)
    with s.connect(context) as c:
        assert s.ask(c)[0] == 200
        session = c.session
    Authority("others").save(tmp_path, "people")
    wait_for(lambda: s.edge.status()["generation"] == 2, 10, "the reload")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with s.connect(context, session=session) as c:
            s.ask(c)


# --- renewal ----------------------------------------------------------------------------------------------------------

def serial(s):
    with s.connect() as c:
        return c.getpeercert()["serialNumber"]


def test_renewal_under_open_connections(secure):
    s = secure()
    old = serial(s)
    context = s.context(ssl.TLSVersion.TLSv1_2)
    with s.connect(context) as kept:
        assert s.ask(kept)[0] == 200
        session = kept.session
        s.authority.issue("edge.test", "127.0.0.1", end=now() + datetime.timedelta(days=20)).save(s.directory, "edge")
        wait_for(lambda: serial(s) != old, 10, "the new certificate")
        assert s.ask(kept)[0] == 200
        told = wait_for(lambda: [e["text"] for e in s.edge.status()["events"] if e["kind"] == "certificate"], 5, "the event")
        assert re.search("edge.pem is in use, valid for (19|20) more days", told[0])
        with s.connect(context, session=session) as c:  # tickets of before are good
            assert c.session_reused and s.ask(c)[0] == 200
        # A key that does not belong to it: the pair in use stays.
        now_used = serial(s)
        failed = s.edge.metric("sextant_config_reloads_failed_total")
        write(s.key, s.authority.issue("other.test").key_pem)
        wait_for(lambda: s.edge.metric("sextant_config_reloads_failed_total") == failed + 1, 10, "the refusal")
        assert serial(s) == now_used and s.ask(kept)[0] == 200
        assert "the key does not belong to the first certificate" in s.edge.output()
    assert s.metric("sextant_tls_handshake_failures_total") == 0


def test_staple(secure, tmp_path, ca):
    """OCSP responses reach clients that ask, for as long as they are in date."""
    identity = ca.issue("edge.test")
    files = identity.save(tmp_path, "stapled")
    good = write(tmp_path / "good.der", ca.staple(identity))
    s = secure(tls_cert=files[0], tls_key=files[1], tls_ocsp=good)
    openssl = pytest.importorskip("shutil").which("openssl")
    if not openssl:
        pytest.skip("no openssl command to ask for the response")
    import subprocess

    def asked():
        done = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{s.port}", "-servername", "edge.test", "-status"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        return done.stdout
    assert "OCSP Response Status: successful" in asked() and "Cert Status: good" in asked()
    write(good, ca.staple(identity, until=now() - datetime.timedelta(hours=1)))
    wait_for(lambda: "OCSP response: no response sent" in asked(), 10, "the end of the stale response")


# --- those who do it wrong --------------------------------------------------------------------------------------------

def test_plain_http_is_told(secure):
    s = secure()
    for request in (b"GET /collections HTTP/1.1\r\nHost: x\r\n\r\n", b"DELETE /collections/a HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", s.port), 60) as c:
            c.sendall(request)
            answer = b"".join(iter(lambda: c.recv(4096), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ") and b"x-sextant-error: PLAIN_HTTP" in head
        assert "use https" in json.loads(body)["status"]["error"]
    assert s.metric("sextant_tls_handshake_failures_total", "plain_http") == 2
    wait_for(lambda: "plain HTTP was sent to a TLS port" in s.edge.output(), 5, "the complaint")


def test_failures_have_reasons(secure):
    s = secure()

    def fails(reason, attempt):
        before = s.metric("sextant_tls_handshake_failures_total", reason)
        with pytest.raises((ssl.SSLError, ConnectionError)) as caught:
            attempt()
        wait_for(lambda: s.metric("sextant_tls_handshake_failures_total", reason) == before + 1, 5, reason)
        return str(caught.value)

    def junk():
        with socket.create_connection(("127.0.0.1", s.port), 60) as c:
            c.sendall(b"\x00\x01\x02\x03")
            assert c.recv(100) == b""
        raise ConnectionError

    def leave():
        socket.create_connection(("127.0.0.1", s.port), 60).close()
        raise ConnectionError

    def old_version():
        context = s.context()
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        s.connect(context)

    def other_cipher():
        context = s.context(ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
        s.connect(context)
    assert "no application protocol" in fails("alpn", lambda: s.connect(s.context(alpn=["h2"]))).replace("_", " ").lower()
    fails("not_tls", junk)
    fails("cut", leave)
    fails("version", old_version)
    fails("cipher", other_cipher)
    fails("alert", lambda: s.connect(ssl.create_default_context()))  # it does not know our authority
    assert s.edge.call("GET", "/collections")[0] == 200


def test_slow_handshakes_end(secure):
    s = secure(head_timeout="300ms")
    with socket.create_connection(("127.0.0.1", s.port), 60) as silent, \
            socket.create_connection(("127.0.0.1", s.port), 60) as half:
        half.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert silent.recv(1) == b"" and half.recv(100) == b""
    assert s.metric("sextant_tls_handshake_failures_total", "timeout") == 2
    wait_for(lambda: s.metric("sextant_tls_handshakes_in_flight") == 0, 5, "the end of all")


def test_handshakes_wait_for_a_place(secure):
    s = secure(tls_handshakes=2, head_timeout="60s")
    half = [socket.create_connection(("127.0.0.1", s.port), 60) for _ in range(2)]
    for c in half:
        c.sendall(b"\x16\x03\x01\x02\x00\x01")
    wait_for(lambda: s.metric("sextant_tls_handshakes_in_flight") == 2, 5, "both under way")
    silent = [socket.create_connection(("127.0.0.1", s.port), 60) for _ in range(3)]  # take no place
    with pytest.raises(TimeoutError):
        s.connect(timeout=0.3)
    assert s.metric("sextant_tls_handshakes_in_flight") == 2
    half[0].close()
    with s.connect() as c:
        assert s.ask(c)[0] == 200
    for c in half + silent:
        c.close()
    wait_for(lambda: s.metric("sextant_tls_handshakes_in_flight") == 0, 5, "the end of all")


# --- mistakes at start ------------------------------------------------------------------------------------------------

def test_mistakes(tmp_path, ca):
    base = {"SEXTANT_CLUSTERS": "eu http://q:6333 at=DE"}
    cert, key = ca.issue("edge.test").save(tmp_path, "one")
    _, other_key = ca.issue("edge.test").save(tmp_path, "two")
    late = ca.issue("edge.test", start=now() - datetime.timedelta(days=9), end=now() - datetime.timedelta(days=2))
    late_cert, late_key = late.save(tmp_path, "late")
    other_staple = write(tmp_path / "other.der", ca.staple(late))
    tls = {"SEXTANT_LISTEN": "127.0.0.1:0/tls", "SEXTANT_TLS_CERT": cert, "SEXTANT_TLS_KEY": key}
    cases = [
        ({"SEXTANT_LISTEN": "127.0.0.1:0/tls"}, "SEXTANT_LISTEN:1:1: error: a listener with /tls needs SEXTANT_TLS_CERT"),
        ({**tls, "SEXTANT_LISTEN": "127.0.0.1:0"}, "SEXTANT_TLS_CERT:1:1: error: no listener speaks TLS"),
        ({**tls, "SEXTANT_TLS_KEY": other_key}, "the key does not belong to the first certificate"),
        ({**tls, "SEXTANT_TLS_KEY": ""}, "SEXTANT_TLS_KEY:1:1: error: there must be one key for each certificate"),
        ({**tls, "SEXTANT_TLS_KEY": cert}, "there is no private key in it"),
        ({**tls, "SEXTANT_TLS_CERT": key}, "there is no certificate in it"),
        ({**tls, "SEXTANT_TLS_CERT": "/nonexistent.pem"}, "cannot read /nonexistent.pem: No such file or directory"),
        ({**tls, "SEXTANT_TLS_MIN_VERSION": "1.1"}, "SEXTANT_TLS_MIN_VERSION:1:1: error: expected 1.2 or 1.3"),
        ({**tls, "SEXTANT_TLS_CLIENT_AUTH": "required"}, "SEXTANT_TLS_CLIENT_CA must name the authorities"),
        ({**tls, "SEXTANT_TLS_CLIENT_CA": cert}, "say optional or required"),
        ({**tls, "SEXTANT_TLS_CLIENT_AUTH": "maybe"}, "expected off, optional or required"),
        ({**tls, "SEXTANT_TLS_OCSP": cert}, "expected an OCSP response in DER form"),
        ({**tls, "SEXTANT_TLS_OCSP": other_staple}, "does not speak of this certificate"),
        ({"SEXTANT_TLS_KEY": key}, "there is a key but no certificate"),
    ]
    for env, text in cases:
        code, output = check({**base, **env})
        assert code == 2 and text in output, (env, output)
    code, output = check({**base, **tls, "SEXTANT_TLS_CERT": late_cert, "SEXTANT_TLS_KEY": late_key})
    assert code == 0 and "warning: " + late_cert + ": the certificate expired on " in output
