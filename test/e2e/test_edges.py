# SPDX-License-Identifier: Apache-2.0
"""Several edges: writes reach the one that journals in one hop, whoever takes them, and nobody else can speak as an edge."""
import os
import threading

import pytest
from certs import Authority
from sextant import call, wait_for

KEY = "client-key"
SECRET = "0123456789abcdef-edges"
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}
MAP = "* *=eu,us fanout=async"
POINTS = "/collections/notes/points"


@pytest.fixture
def pair(region, edge, tmp_path):
    """A function that starts two regions, the edge that owns eu, and one that forwards to it."""
    def start(partition_map=MAP, regions=("eu", "us"), owner=None, other=None):
        os.makedirs(tmp_path / "journal", exist_ok=True)
        all_regions = {name: region(name, keys={"rw": "key-" + name}) for name in regions}
        common = {"api_key": KEY, "edge_secret": SECRET, "quarantine": "500ms",
                  **{f"cluster_{n}_api_key": "key-" + n for n in all_regions}}
        one = edge(list(all_regions.values()), partition_map, owns="eu", journal_dir=tmp_path / "journal",
                   journal_quota="64MiB", **{**common, **(owner or {})})
        two = edge(list(all_regions.values()), **{"partition_map": partition_map, "edges": f"first {one.url} owns=eu",
                                                  **common, **(other or {})})
        one.regions = two.regions = all_regions
        assert ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200
        return one, two
    return start


def ask(one, method, target, body=None, headers=None, key=KEY):
    return one.call(method, target, body, headers={**({"api-key": key} if key else {}), **(headers or {})})


def upsert(one, *ids, payload=None, headers=None, query="?wait=true"):
    body = {"points": [{"id": i, "vector": [i % 7, 1], "payload": payload or {"n": i}} for i in ids]}
    return ask(one, "PUT", POINTS + query, body, headers)


def direct(region, method, target, body=None):
    return call(region.port, method, target, body, headers={"api-key": "key-" + region.name})


def has(region, point):
    return direct(region, "GET", f"{POINTS}/{point}")[0] == 200


def test_a_write_is_forwarded_to_the_edge_that_journals(pair):
    one, two = pair()
    status, headers, body = upsert(two, 1, 2, headers={"x-request-id": "mine"})
    assert (status, body["result"]["status"]) == (200, "completed"), (headers, body)
    assert headers["x-sextant-outcome"] == "committed" and headers["x-sextant-done"] == "eu"
    assert (headers["x-sextant-partition"], headers["x-sextant-cluster"], headers["x-sextant-edge"]) == ("*", "eu", "first")
    wait_for(lambda: has(two.regions["us"], 2), 20, "the copy")
    assert one.metric("sextant_writes_taken_total") == 1
    assert two.metric("sextant_writes_forwarded_total") == 1
    taken = wait_for(lambda: [r for r in one.log() if r.get("request_id") == "mine"], 10, "the line of the log")[0]
    assert (taken["key"], taken["partition"], taken["cluster"], taken["place"]) == ("edge", "*", "eu", "DE")
    sent = wait_for(lambda: [r for r in two.log() if r.get("request_id") == "mine"], 10, "the line of the log")[0]
    seen = [r for n in ("eu", "us") for r in one.regions[n].control(log=True)["log"]] if not one.regions["eu"].is_real else []
    assert not any("sextant-hop" in str(r).lower() for r in seen)
    assert (sent["edge"], sent["key"], sent["reason"]) == ("first", "api", "owner")


def test_reads_stay_where_they_are(pair):
    one, two = pair()
    assert upsert(two, 1)[0] == 200
    before = two.metric("sextant_writes_forwarded_total")
    wait_for(lambda: has(two.regions["us"], 1), 20, "the copy")
    assert ask(two, "POST", POINTS + "/scroll", {})[0] == 200
    assert two.metric("sextant_writes_forwarded_total") == before
    assert one.metric("sextant_writes_taken_total") == before


def test_refusals_and_long_bodies_pass_through(pair):
    _, two = pair()
    status, headers, got = ask(two, "PUT", POINTS + "?wait=true", {"points": [{"id": 1, "vector": [1, 2, 3]}]})
    assert (status, headers["x-sextant-outcome"]) == (400, "rejected"), got
    assert "x-sextant-error" not in headers
    status, headers, _ = ask(two, "PUT", POINTS + "?wait=true", {"points": [{"id": 1, "vector": [1, 2]}], "unheard_of": 1})
    assert (status, headers["x-sextant-error"]) == (400, "BAD_BODY")
    text = "x" * (3 << 20)  # longer than what is kept for sending again
    assert upsert(two, 3, payload={"text": text})[0] == 200
    assert has(two.regions["eu"], 3)


def test_the_client_is_judged_where_it_comes_in(pair):
    one, two = pair(other={"read_only_api_key": "only-for-reading-0"})
    for key, status in ((None, 401), ("wrong", 401), ("only-for-reading-0", 403)):
        assert ask(two, "PUT", POINTS, {"points": [{"id": 1, "vector": [1, 2]}]}, key=key)[0] == status
    assert one.metric("sextant_writes_taken_total") == 0


def test_an_owner_that_is_away(pair):
    """Before a byte was sent nothing happened; afterwards nobody knows."""
    one, two = pair()
    assert upsert(two, 1)[0] == 200
    one.regions["eu"].faults(hold=True, match="/notes/points", method="PUT")
    got = []
    writer = threading.Thread(target=lambda: got.append(upsert(two, 2)))
    writer.start()
    wait_for(lambda: one.metric("sextant_writes_taken_total") == 2, 20, "the write at its owner")
    one.kill()
    one.process = None
    writer.join(60)
    status, headers, _ = got[0]
    assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (504, "WRITE_INDEFINITE", "indefinite")
    status, headers, _ = upsert(two, 3)
    assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (503, "EDGE_AWAY", "rejected")
    assert two.metric("sextant_writes_forward_lost_total") == 1
    assert two.metric("sextant_writes_forward_failed_total") == 1
    assert not has(two.regions["eu"], 3)


def test_a_wrong_secret(pair):
    one, two = pair(other={"edge_secret": "another-secret-of-edges"})
    status, headers, got = upsert(two, 1)
    assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (503, "EDGE_REFUSED", "rejected"), got
    assert one.metric("sextant_writes_taken_total") == 0 and not has(one.regions["eu"], 1)


def test_edges_known_by_their_certificates(region, edge, tmp_path):
    """The owner has no secret. A certificate of the same authority that no line names is a client's."""
    (tmp_path / "journal").mkdir()
    regions = {name: region(name, keys={"rw": "key-" + name}) for name in ("eu", "us")}
    keys = {f"cluster_{n}_api_key": "key-" + n for n in regions}
    servers, edges = Authority("servers"), Authority("edges")
    cert, key = servers.issue("127.0.0.1").save(tmp_path, "first")
    servers_ca, edges_ca = servers.save(tmp_path, "servers"), edges.save(tmp_path, "edges")
    one = edge(list(regions.values()), MAP, owns="eu", journal_dir=tmp_path / "journal", journal_quota="64MiB", api_key=KEY,
               listen="127.0.0.1:0,127.0.0.1:0/tls", tls_cert=cert, tls_key=key, tls_client_auth="optional",
               tls_client_ca=edges_ca, edge_subjects="CN=second,O=Sextant tests", quarantine="500ms", **keys)
    others = {}
    for name in ("second", "third", "nobody"):
        shown = dict(zip(("edge_cert", "edge_key"), edges.issue(common_name=name, client=True).save(tmp_path, name)))
        shown = shown if name != "nobody" else {"edge_secret": SECRET}
        others[name] = edge(list(regions.values()), MAP, edges=f"first https://127.0.0.1:{one.ports[1]} owns=eu", edge_ca=servers_ca,
                            api_key=KEY, **shown, **keys)
    wait_for(lambda: ask(one, "PUT", "/collections/notes", VECTORS)[0] in (200, 409), 20, "the collection")
    status, headers, got = upsert(others["second"], 1)
    assert (status, headers["x-sextant-edge"], headers["x-sextant-done"]) == (200, "first", "eu"), got
    for name in ("third", "nobody"):
        status, headers, got = upsert(others[name], 2)
        assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (503, "EDGE_REFUSED", "rejected"), got
    assert one.metric("sextant_writes_taken_total") == 1 and not has(regions["eu"], 2)


def test_a_client_cannot_speak_as_an_edge(pair):
    one, _ = pair()
    hop = "1 from=x line=0000000000000000 within=1000 partition=*"
    for secret in ({}, {"x-sextant-hop-secret": ""}, {"x-sextant-hop-secret": KEY}):
        status, headers, _ = upsert(one, 1, headers={"x-sextant-hop": hop, **secret})
        assert (status, headers["x-sextant-error"]) == (403, "EDGE_UNKNOWN")
    status, headers, _ = upsert(one, 1, headers={"x-sextant-hop": "2 what", "x-sextant-hop-secret": SECRET})
    assert (status, headers["x-sextant-error"]) == (400, "EDGE_HOP")
    assert not has(one.regions["eu"], 1)


def test_an_edge_may_only_write(pair):
    """Whoever has the secret reads nothing by it, and gets nothing past the journal."""
    one, _ = pair()
    said = {"x-sextant-hop": "1 from=x line=0000000000000000 within=1000 partition=*", "x-sextant-hop-secret": SECRET}
    for method, target in (("GET", "/collections/notes"), ("POST", POINTS + "/scroll"), ("GET", "/collections"),
                           ("GET", "/telemetry"), ("POST", "/snapshots"), ("PUT", "/collections/notes/snapshots/recover"),
                           ("GET", "/"), ("PUT", POINTS)):
        status, headers, got = ask(one, method, target, {}, headers=said, key=None)
        assert status in (400, 503) and headers["x-sextant-error"] in ("EDGE_HOP", "MAPS_DIFFER"), (target, got)


def test_schema_goes_by_the_owner(pair):
    one, two = pair()
    assert ask(two, "PUT", "/collections/more", VECTORS)[0] == 200
    assert one.metric("sextant_writes_taken_total") == 1
    for name in ("eu", "us"):
        wait_for(lambda n=name: direct(one.regions[n], "GET", "/collections/more")[0] == 200, 20, f"it at {name}")
    alias = {"actions": [{"create_alias": {"collection_name": "more", "alias_name": "most"}}]}
    status, headers, got = ask(two, "POST", "/collections/aliases", alias)
    assert status == 200 and headers["x-sextant-edge"] == "first", got
    assert ask(two, "DELETE", "/collections/more")[0] == 200
    wait_for(lambda: direct(one.regions["us"], "GET", "/collections/more")[0] == 404, 20, "its end at the copy")


def test_maps_that_differ(pair):
    one, two = pair(other={"partition_map": "* *=eu,us fanout=all"})
    status, headers, got = upsert(two, 1)
    assert (status, headers["x-sextant-error"]) == (503, "MAPS_DIFFER"), got
    assert not has(one.regions["eu"], 1)


def test_no_second_hop(pair, edge):
    """Two edges that take each other for the owner send a write there once."""
    one, two = pair()
    options = {k[len("SEXTANT_"):].lower(): v for k, v in two.env.items() if k.startswith("SEXTANT_CLUSTER_")}
    three = edge(list(one.regions.values()), MAP, edges=f"second {two.url} owns=eu", edge_secret=SECRET, api_key=KEY,
                 **options)
    status, headers, got = upsert(three, 1)
    assert (status, headers["x-sextant-error"]) == (503, "NOT_OWNER"), got
    assert one.metric("sextant_writes_taken_total") == 0
