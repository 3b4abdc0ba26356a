# SPDX-License-Identifier: Apache-2.0
"""Schema goes to home, and from there to the copies by what home shows; nothing is deleted at a copy without a record."""
import signal
import threading

import pytest
from sextant import wait_for
from test_ctl import ctl
from test_fanout import COPIES, VECTORS, ask, converged, direct, fan, lanes, points, upsert  # noqa: F401

NAMED = {"vectors": {"a": {"size": 2, "distance": "Dot"}, "b": {"size": 3, "distance": "Cosine"}},
         "sparse_vectors": {"s": {"modifier": "idf"}}, "metadata": {"team": "x"}}


def info(one, name, collection="notes"):
    status, _, got = direct(one.regions[name], "GET", "/collections/" + collection)
    return got["result"] if status == 200 else None


def schema(one, name, collection="notes"):
    """What decides which data fit."""
    got = info(one, name, collection)
    if got is None:
        return None
    params = got["config"]["params"]
    indexes = {f: (i["data_type"], i.get("params")) for f, i in got["payload_schema"].items()}
    return params["vectors"], params.get("sparse_vectors"), indexes, got["config"].get("metadata")


def same(one, collection="notes", seconds=30):
    def equal():
        home = schema(one, "eu", collection)
        return all(schema(one, c, collection) == home for c in COPIES)
    try:
        wait_for(equal, seconds, "one schema everywhere")
    except AssertionError:
        raise AssertionError({n: schema(one, n, collection) for n in one.regions} | {"lanes": lanes(one)}) from None
    return schema(one, "eu", collection)


def inc(one, name, collection="notes"):
    got = info(one, name, collection)
    return got and got["config"].get("metadata", {}).get("_sextant", {}).get("inc")


def blocked(one, text, seconds=20):
    return wait_for(lambda: [x for x in lanes(one) if text in x["trouble"]], seconds, text)


def test_every_kind_of_change(fan):  # noqa: F811
    one = fan()
    for method, target, body in (
            ("PUT", "/collections/many", NAMED),
            ("PUT", "/collections/many/index?wait=true", {"field_name": "n", "field_schema": "integer"}),
            ("PUT", "/collections/many/index", {"field_name": "t", "field_schema": {"type": "text", "tokenizer": "word"}}),
            ("PUT", "/collections/many/vectors/c", {"dense": {"size": 4, "distance": "Euclid"}}),
            ("DELETE", "/collections/many/vectors/b", None),
            ("PATCH", "/collections/many", {"metadata": {"team": "y", "more": [1, 2]}}),
            ("DELETE", "/collections/many/index/n?wait=true", None)):
        status, headers, got = ask(one, method, target, body)
        assert (status, headers["x-sextant-outcome"]) == (200, "committed"), (target, got)
        assert headers["x-sextant-done"].startswith("eu")
    vectors, sparse, indexes, metadata = same(one, "many")
    assert set(vectors) == {"a", "c"} and set(sparse) == {"s"} and set(indexes) == {"t"}
    assert metadata["team"] == "y" and metadata["_sextant"]["inc"]


def test_clients_do_not_see_what_is_sextants(fan):  # noqa: F811
    one = fan()
    assert ask(one, "PUT", "/collections/many", NAMED)[0] == 200
    same(one, "many")
    for name, expected in (("notes", None), ("many", {"team": "x"})):
        status, headers, got = ask(one, "GET", "/collections/" + name)
        assert status == 200 and got["result"]["config"].get("metadata") == expected
        assert got["result"]["config"]["params"]
        assert inc(one, "eu", name) == inc(one, "us", name) == inc(one, "ap", name) is not None
    for method, body in (("PUT", {**VECTORS, "metadata": {"_sextant": {}}}), ("PATCH", {"metadata": {"_sextant": None}})):
        status, headers, _ = ask(one, method, "/collections/" + ("fresh" if method == "PUT" else "notes"), body)
        assert (status, headers["x-sextant-error"]) == (400, "SCHEMA_UNCLEAR")
    status, headers, got = ask(one, "PUT", "/collections/notes", VECTORS)
    assert (status, headers["x-sextant-outcome"]) == (409, "rejected") and "already exists" in got["status"]["error"]
    assert ask(one, "GET", "/collections/nowhere")[0] == 404


def test_a_copy_that_was_away(fan):  # noqa: F811
    """It does not stop changes of schema, and gets what came of them."""
    one = fan()
    assert upsert(one, 1, 2)[0] == 200
    converged(one)
    one.regions["us"].pause()
    try:
        assert ask(one, "PUT", "/collections/notes/index", {"field_name": "n", "field_schema": "integer"})[0] == 200
        assert ask(one, "PUT", "/collections/fresh", VECTORS)[0] == 200
        assert ask(one, "DELETE", "/collections/notes")[0] == 200
        assert ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200
        assert upsert(one, 7)[0] == 200
        body = {"actions": [{"create_alias": {"alias_name": "now", "collection_name": "fresh"}}]}
        assert ask(one, "POST", "/collections/aliases", body)[0] == 200
        wait_for(lambda: points(one, "ap") == points(one, "eu"), 30, "the other copy")
    finally:
        one.regions["us"].resume()
    assert set(converged(one, 60)) == {7}
    same(one)
    same(one, "fresh")
    wait_for(lambda: direct(one.regions["us"], "GET", "/aliases")[2]["result"]["aliases"] ==
             [{"alias_name": "now", "collection_name": "fresh"}], 20, "the alias")


def test_made_again_under_writes_and_kills(fan):  # noqa: F811
    one = fan()
    over = threading.Event()

    def write():
        n = 0
        while not over.is_set():
            n += 1
            try:
                upsert(one, n % 50, payload={"n": n})
            except OSError:
                over.wait(0.02)
    writers = [threading.Thread(target=write) for _ in range(2)]
    for w in writers:
        w.start()
    try:
        for round_ in range(3):
            wait_for(lambda: ask(one, "DELETE", "/collections/notes")[0] == 200, 60, "the deletion")
            if round_ == 1:
                one.signal(signal.SIGKILL)
                one.process.wait()
                one.start()
            wait_for(lambda: ask(one, "PUT", "/collections/notes", VECTORS)[0] in (200, 409), 60, "the collection")
            if round_ == 2:
                one.signal(signal.SIGKILL)
                one.process.wait()
                one.start()
    finally:
        over.set()
        for w in writers:
            w.join()
    wait_for(lambda: upsert(one, 1000)[0] == 200, 60, "a write")
    assert 1000 in converged(one, 60)
    same(one)
    assert inc(one, "eu") == inc(one, "us") == inc(one, "ap")


def test_an_emptied_home_empties_no_copy(fan):  # noqa: F811
    one = fan()
    assert upsert(one, 1, 2, 3)[0] == 200
    converged(one)
    assert direct(one.regions["eu"], "DELETE", "/collections/notes")[0] == 200
    status, headers, _ = ask(one, "PUT", "/collections/notes", VECTORS)
    assert (status, headers["x-sextant-error"]) == (409, "COLLECTION_LOST")
    assert direct(one.regions["eu"], "PUT", "/collections/notes", VECTORS)[0] == 200
    # What is known of a collection is used for ten seconds: what is written meanwhile may be shipped.
    wait_for(lambda: upsert(one, 4)[0] == 200 and [x for x in lanes(one) if "not made through" in x["trouble"]], 30, "the block")
    assert all({1, 2, 3} <= set(points(one, c)) for c in COPIES)
    one.stop()
    one.start()
    blocked(one, "not made through Sextant")
    assert all({1, 2, 3} <= set(points(one, c)) for c in COPIES)
    # An order of a client is a record: it goes everywhere.
    assert ask(one, "DELETE", "/collections/notes")[0] == 200
    wait_for(lambda: all(info(one, c) is None for c in COPIES), 30, "deleted everywhere")


def test_an_order_to_delete_what_home_lost(fan):  # noqa: F811
    one = fan()
    assert upsert(one, 1)[0] == 200
    converged(one)
    assert direct(one.regions["eu"], "DELETE", "/collections/notes")[0] == 200
    assert ask(one, "DELETE", "/collections/notes")[0] == 200
    wait_for(lambda: all(info(one, c) is None for c in COPIES), 20, "deleted everywhere")
    assert ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200
    same(one)


def test_adopting(fan):  # noqa: F811
    """What was there before must be compared by somebody, who says so."""
    one = fan()
    for region in one.regions.values():
        assert direct(region, "PUT", "/collections/old", VECTORS)[0] == 200
        assert direct(region, "PUT", "/collections/old/points?wait=true", {"points": [{"id": 1, "vector": [1, 1]}]})[0] == 200
    status, _, _ = ask(one, "PUT", "/collections/old/points?wait=true", {"points": [{"id": 2, "vector": [1, 2]}]})
    assert status == 200
    blocked(one, "ctl adopt eu/old")
    assert set(points(one, "us", "old")) == {1}
    assert ctl(one, "adopt", "eu/old")[0] == 0
    wait_for(lambda: all(set(points(one, c, "old")) == {1, 2} for c in COPIES), 20, "the write")
    assert inc(one, "eu", "old") == inc(one, "us", "old") is not None
    assert ctl(one, "adopt", "eu/nowhere")[0] == 1


def test_a_vector_that_was_made_again_while_a_copy_was_away(fan):  # noqa: F811
    """Its schema is what it was, and its data are not."""
    one = fan()
    named = {"vectors": {name: {"size": 2, "distance": "Dot"} for name in "ab"}}
    assert ask(one, "PUT", "/collections/two", named)[0] == 200
    body = {"points": [{"id": i, "vector": {"a": [1, i], "b": [2, i]}} for i in range(10)]}
    assert ask(one, "PUT", "/collections/two/points?wait=true", body)[0] == 200
    wait_for(lambda: all(points(one, c, "two") == points(one, "eu", "two") for c in COPIES), 20, "the points")
    one.regions["us"].pause()
    try:
        assert ask(one, "DELETE", "/collections/two/vectors/b")[0] == 200
        assert ask(one, "PUT", "/collections/two/vectors/b", {"dense": named["vectors"]["b"]})[0] == 200
    finally:
        one.regions["us"].resume()
    assert set(points(one, "eu", "two")[3][0]) == {"a"}
    wait_for(lambda: all(points(one, c, "two") == points(one, "eu", "two") for c in COPIES), 20, "what is left of them")


def test_a_copy_with_another_collection(fan):  # noqa: F811
    one = fan()
    other = {"vectors": {"size": 9, "distance": "Dot"}, "metadata": {"_sextant": {"inc": "somebody"}}}
    assert direct(one.regions["us"], "PUT", "/collections/new", other)[0] == 200
    status, headers, _ = ask(one, "PUT", "/collections/new", VECTORS)
    assert status == 200
    blocked(one, "another incarnation")
    wait_for(lambda: schema(one, "ap", "new") == schema(one, "eu", "new"), 20, "the other copy")
    assert info(one, "us", "new")["config"]["params"]["vectors"]["size"] == 9
    assert upsert(one, 5)[0] == 200
    assert 5 in converged(one)  # other collections go on


@pytest.mark.parametrize("policy, least", [("quorum", 2), ("all", 3)])
def test_an_answer_that_waits_for_copies(fan, policy, least):  # noqa: F811
    one = fan(policy)
    status, headers, _ = ask(one, "PUT", "/collections/many", NAMED)
    done = headers["x-sextant-done"].split(",")
    assert status == 200 and len(done) >= least
    assert all(info(one, name, "many") for name in done)


def test_an_unknown_outcome_is_what_home_shows(fan):  # noqa: F811
    one = fan(quarantine="1s")
    assert upsert(one, 1)[0] == 200
    converged(one)
    one.regions["eu"].faults(reset="after", times=1, match="/collections/notes", method="DELETE")
    status, headers, _ = ask(one, "DELETE", "/collections/notes")
    assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (504, "WRITE_INDEFINITE", "indefinite")
    wait_for(lambda: all(info(one, c) is None for c in COPIES), 30, "deleted everywhere")
    wait_for(lambda: ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200, 30, "made again")
    same(one)


def test_the_drift_watch(fan):  # noqa: F811
    """What no record explains is said, not mended."""
    one = fan()
    assert ask(one, "PUT", "/collections/many", NAMED)[0] == 200
    same(one, "many")
    path = "/collections/many/vectors/x?wait=true"
    assert direct(one.regions["us"], "PUT", path, {"dense": {"size": 1, "distance": "Dot"}})[0] == 200
    one.stop()
    one.start()
    # After a start the record that made the collection may be looked into once more: then nothing is shipped either.
    found = wait_for(lambda: [x for x in lanes(one) if x["collections_differ"] + x["collections_blocked"]], 20, "the difference")
    assert [x["copy"] for x in found] == ["us"]
    assert any(e["kind"] in ("schema-differs", "schema-blocked") for e in one.status()["events"])
    assert "x" in schema(one, "us", "many")[0]


def test_a_region_of_its_own_kind(fan):  # noqa: F811
    one = fan(cluster_us_schema='{"hnsw_config": {"m": 4}, "shard_number": 2}')
    assert ask(one, "PUT", "/collections/many", {**NAMED, "hnsw_config": {"m": 24}})[0] == 200
    same(one, "many")
    assert info(one, "us", "many")["config"]["hnsw_config"]["m"] == 4
    assert info(one, "ap", "many")["config"]["hnsw_config"]["m"] == 24
