# SPDX-License-Identifier: Apache-2.0
"""Data stays where the map says, whatever fails."""
import pytest
from sextant import wait_for

MAP = """
users   europe=eu north-america=us asia=ap residency=strict
notes   europe=eu *=us
shared  *=eu,us,ap copies=external write=nearest
aliased,aliased-* *=eu
*       *=eu
"""
HOME = {"DE": "eu", "US": "us", "JP": "ap"}
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}


def point(n):
    return {"points": [{"id": n, "vector": [n, 1]}]}


def ids_at(region, collection):
    from sextant import call
    _, _, body = call(region.port, "POST", f"/collections/{collection}/points/scroll", {"limit": 1000})
    return {p["id"] for p in body["result"]["points"]}


@pytest.fixture
def world(regions, edge):
    one = edge(regions, MAP, retry_min=1000)
    for name in ("users", "notes", "shared"):
        assert one.call("PUT", f"/collections/{name}", VECTORS)[0] == 200
    return one, {r.name: r for r in regions}


def test_each_caller_has_a_home(world):
    one, regions = world
    for n, (country, home) in enumerate(HOME.items(), 1):
        status, headers, _ = one.call("PUT", "/collections/users/points?wait=true", point(n), country)
        assert (status, headers["x-sextant-cluster"], headers["x-sextant-place"]) == (200, home, country)
    assert {name: ids_at(r, "users") for name, r in regions.items()} == {"eu": {1}, "us": {2}, "ap": {3}}


def test_unplaced_callers_are_refused(world):
    one, _ = world
    status, headers, body = one.call("POST", "/collections/users/points/scroll", {}, "nowhere")
    assert (status, headers["x-sextant-error"]) == (403, "UNPLACED_REFUSED")
    assert "place: unplaced" in body["status"]["error"]


def test_forged_headers_change_nothing(regions, edge):
    one = edge(regions, MAP, trusted_proxies="")
    for forged in ({"x-forwarded-for": "198.51.100.7"}, {"x-sextant-place": "US"}, {"forwarded": "for=198.51.100.7"},
                   {"x-real-ip": "198.51.100.7"}, {"x-sextant-cluster": "us"}):
        status, headers, _ = one.call("POST", "/collections/users/points/scroll", {}, None, forged)
        assert (status, headers["x-sextant-error"]) == (403, "UNPLACED_REFUSED"), forged


def test_no_fault_moves_strict_data(world):
    one, regions = world
    for n, country in enumerate(HOME, 1):
        one.call("PUT", "/collections/users/points?wait=true", point(n), country)
    regions["us"].kill()
    wait_for(lambda: not one.cluster_state("us")["up"], 15, "the verdict on us")
    for method, target, body in (("POST", "/collections/users/points/scroll", {}), ("GET", "/collections/users", None),
                                 ("PUT", "/collections/users/points?wait=true", point(77)),
                                 ("DELETE", "/collections/users/points/7", None), ("POST", "/collections/users/snapshots", None)):
        status, headers, _ = one.call(method, target, body, "US")
        assert status >= 500, (method, target, status)
        assert headers.get("x-sextant-cluster") in (None, "us"), headers
        assert "retry-after" in headers or status != 503
    assert 77 not in ids_at(regions["eu"], "users") | ids_at(regions["ap"], "users")
    assert one.call("POST", "/collections/users/points/scroll", {}, "DE")[0] == 200


def test_lookup_into_another_partition(world):
    one, _ = world
    one.call("PUT", "/collections/users/points?wait=true", point(1), "DE")
    one.call("PUT", "/collections/notes/points?wait=true", point(1), "JP")
    body = {"query": 1, "lookup_from": {"collection": "notes"}, "limit": 1}
    status, headers, _ = one.call("POST", "/collections/users/points/query", body, "JP")
    assert (status, headers["x-sextant-error"]) == (403, "LOOKUP_NOT_PERMITTED")
    escaped = b'{"query":1,"lookup_\\u0066rom":{"collection":"notes"},"limit":1}'
    assert one.call("POST", "/collections/users/points/query", escaped, "JP")[0] == 403
    assert one.call("POST", "/collections/users/points/query", body, "DE")[0] != 403


def test_aliases_stay_within_a_line(world):
    one, regions = world
    one.call("PUT", "/collections/aliased", VECTORS)
    cross = {"actions": [{"create_alias": {"collection_name": "users", "alias_name": "aliased-x"}}]}
    status, headers, _ = one.call("POST", "/collections/aliases", cross)
    assert (status, headers["x-sextant-error"]) == (403, "ALIAS_CROSSES")
    within = {"actions": [{"create_alias": {"collection_name": "aliased", "alias_name": "aliased-x"}}]}
    assert one.call("POST", "/collections/aliases", within)[0] == 200
    # Made behind the edge's back, it is found by polling and refused.
    from sextant import call
    call(regions["eu"].port, "POST", "/collections/aliases",
         {"actions": [{"create_alias": {"collection_name": "users", "alias_name": "aliased-sly"}}]})
    wait_for(lambda: "aliased-sly" in one.status()["crossing_aliases"], 25, "the poll")
    status, headers, _ = one.call("POST", "/collections/aliased-sly/points/scroll", {}, "DE")
    assert (status, headers["x-sextant-error"]) == (403, "ALIAS_CROSSES")


def test_paths_in_every_spelling_obey_the_same_rule(world):
    one, _ = world
    for target in ("/collections/users/points/scroll", "//collections//users/points/scroll/", "/%63ollections/%75sers/points/scroll"):
        status, headers, _ = one.call("POST", target, {}, "US")
        assert (status, headers["x-sextant-cluster"]) == (200, "us"), target
    assert one.call("POST", "/collections/./users/points/scroll", {}, "US")[0] == 404
    assert one.call("POST", "/collections/../collections/users/points/scroll", {}, "US")[0] == 404
    assert one.call("GET", "/collections/users%2Fpoints", None, "US")[0] == 422


def test_lists_hold_what_the_caller_may_read(world):
    one, _ = world
    for country in HOME:
        status, _, body = one.call("GET", "/collections", None, country)
        names = {c["name"] for c in body["result"]["collections"]}
        assert status == 200 and names >= {"users", "notes", "shared"}, country
    names = {c["name"] for c in one.call("GET", "/collections", None, "nowhere")[2]["result"]["collections"]}
    assert "users" not in names and "notes" in names


def test_bytes_by_country(world):
    one, _ = world
    import json
    one.call("POST", "/collections/users/points/scroll", {}, "JP")
    rows = json.loads(one.admin("/residency"))["rows"]
    row = next(r for r in rows if r["caller_country"] == "JP")
    assert (row["cluster"], row["cluster_country"], row["partition"]) == ("ap", "SG", "asia")
    assert row["bytes_to_caller"] > 0


def test_strict_logs_have_no_address(world):
    one, _ = world
    one.call("POST", "/collections/users/points/scroll", {}, "US")
    line = wait_for(lambda: next((r for r in one.log() if r.get("collection") == "users" and r["operation"] == "scroll_points"),
                                 None), 5, "the log line")
    assert "address" not in line and line["place"] == "US" and line["partition"] == "north-america"


def test_unmapped_collections_do_not_exist(regions, edge):
    one = edge(regions, "known *=eu")
    status, _, body = one.call("GET", "/collections/other")
    assert (status, body["status"]["error"]) == (404, "Not found: Collection `other` doesn't exist!")
    assert one.call("GET", "/collections/other/exists")[2]["result"] == {"exists": False}
    status, headers, _ = one.call("PUT", "/collections/other", VECTORS)
    assert (status, headers["x-sextant-error"]) == (403, "CREATE_NOT_MAPPED")


def test_whole_storage_snapshots_need_trust(regions, edge):
    one = edge(regions, MAP)
    assert one.call("GET", "/snapshots")[1]["x-sextant-error"] == "TRUSTED_ONLY"
    assert one.call("PUT", "/snapshots/recover", {"location": "x"})[1]["x-sextant-error"] == "TRUSTED_ONLY"
    trusted = edge(regions, MAP, trusted_proxies="", trusted_callers="127.0.0.0/8")
    status, headers, _ = trusted.call("GET", "/snapshots", None, None, {"x-sextant-cluster": "us"})
    assert (status, headers["x-sextant-cluster"]) == (200, "us")
