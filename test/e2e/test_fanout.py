# SPDX-License-Identifier: Apache-2.0
"""Writes fan out: what is done at home is brought to every copy, whatever fails on the way, and clients are told the truth."""
import json
import os
import signal
import time

import pytest
from sextant import TooSlow, request, tries, wait_for

KEY = "client-key"
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}
COPIES = ("us", "ap")


@pytest.fixture
def fan(region, edge, tmp_path):
    """A function that starts three regions and an edge that owns the first."""
    def start(policy="async", **options):
        os.makedirs(tmp_path / "journal", exist_ok=True)
        regions = {name: region(name, keys={"rw": "key-" + name}) for name in ("eu", "us", "ap")}
        one = edge(list(regions.values()), f"* *=eu,us,ap fanout={policy}", owns="eu", journal_dir=tmp_path / "journal",
                   journal_quota="64MiB", api_key=KEY, **{f"cluster_{n}_api_key": "key-" + n for n in regions},
                   **{"quarantine": "500ms", **options})
        one.regions = regions
        assert ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200
        wait_for(lambda: all(direct(r, "GET", "/collections/notes")[0] == 200 for r in regions.values()), 20, "the collection")
        return one
    return start


def ask(one, method, target, body=None, headers=None, timeout=60):
    return one.call(method, target, body, headers={"api-key": KEY, **(headers or {})}, timeout=timeout)


def points(one, name, collection="notes"):
    """What a region holds: id -> (vector, payload)."""
    region, found, offset = one.regions[name], {}, None
    while True:
        body = {"limit": 1000, "with_payload": True, "with_vector": True, **({"offset": offset} if offset else {})}
        status, _, got = direct(region, "POST", f"/collections/{collection}/points/scroll", body)
        if status == 404:
            return None
        assert status == 200, got
        found.update({p["id"]: (p.get("vector"), p.get("payload")) for p in got["result"]["points"]})
        offset = got["result"]["next_page_offset"]
        if offset is None:
            return found


def direct(region, method, target, body=None):
    from sextant import call
    return call(region.port, method, target, body, headers={"api-key": "key-" + region.name})


def converged(one, seconds=20):
    """Wait until all copies are what home is; that is returned."""
    def same():
        home = points(one, "eu")
        return [home] if all(points(one, c) == home for c in COPIES) else None
    try:
        return wait_for(same, seconds, "convergence")[0]
    except AssertionError:
        raise AssertionError({n: points(one, n) for n in one.regions} | {"lanes": lanes(one)}) from None


def lanes(one):
    return one.status().get("lanes")


def is_idle(one):
    """Nothing waits to be shipped, and no comparison is under way."""
    return all(lane["points_waiting"] == 0 and (lane["walk"] or {"state": "over"})["state"] == "over" for lane in lanes(one))


def upsert(one, *ids, payload=None, query="?wait=true"):
    body = {"points": [{"id": i, "vector": [i % 7, 1], "payload": payload or {"n": i}} for i in ids]}
    return ask(one, "PUT", "/collections/notes/points" + query, body)


def test_a_write_reaches_every_region(fan):
    one = fan()
    status, headers, body = upsert(one, 1, 2, 3)
    assert status == 200 and body["result"]["status"] == "completed", (headers, body)
    assert headers["x-sextant-outcome"] == "committed"
    assert headers["x-sextant-done"] == "eu"
    assert set(converged(one)) == {1, 2, 3}
    line = wait_for(lambda: [r for r in one.log() if r["operation"] == "upsert_points"], 5, "the log")[-1]
    sent = {r["cluster"]: r for r in json.loads(one.admin("/residency"))["rows"] if r["rule"] == "fan-out"}
    assert set(sent) == set(COPIES) and all(r["partition"] == "eu" and r["bytes_to_cluster"] > 50 for r in sent.values())
    assert (line["outcome"], line["done"]) == ("committed", "eu") and line["lsn"] > 0


def test_every_kind_by_ids(fan):
    one = fan()
    path = "/collections/notes/points"
    assert upsert(one, *range(40))[0] == 200
    for method, target, body in (
            ("POST", "/payload", {"points": [1, 2], "payload": {"a": {"b": 1}}}),
            ("PUT", "/payload", {"points": [3], "payload": {"only": True}}),
            ("POST", "/payload", {"points": [4], "payload": {"deep": 2}, "key": "x.y"}),
            ("POST", "/payload/delete", {"points": [5, 6], "keys": ["n"]}),
            ("POST", "/payload/clear", {"points": [7]}),
            ("PUT", "/vectors", {"points": [{"id": 8, "vector": [9, 9]}]}),
            ("POST", "/delete", {"points": [9, 10]}),
            ("POST", "/batch", {"operations": [
                {"upsert": {"points": [{"id": 50, "vector": [5, 5]}]}}, {"delete": {"points": [11]}},
                {"set_payload": {"points": [12], "payload": {"batch": True}}}]})):
        status, headers, got = ask(one, method, path + target + "?wait=true", body)
        assert status == 200, (target, got)
        assert headers["x-sextant-outcome"] == "committed"
    home = converged(one)
    assert 9 not in home and 11 not in home and 50 in home and home[3][1] == {"only": True}


def reads_of(region, collection="notes"):
    log = region.control(log=True)["log"]
    return [e for e in log if (e["method"], e["target"].split("?")[0]) == ("POST", f"/collections/{collection}/points")]


def settled(one):
    wait_for(lambda: all(lane["points_waiting"] == 0 for lane in lanes(one)), 20, "lanes at rest")
    return converged(one)


def turns_until(is_enough):
    """On a machine that is busy with something else it takes more of them."""
    for turn in range(30):
        yield turn
        if turn >= 4 and is_enough():
            return


def test_what_both_copies_want_is_read_once(fan):
    """And not before the write has its outcome. A lane may be busy with something else, so the best of some counts."""
    one, found = fan(), []
    assert upsert(one, *range(50))[0] == 200
    settled(one)
    for turn in turns_until(lambda: 1 in found):
        one.regions["eu"].control(clear_log=True)
        body = {"points": list(range(50)), "payload": {"turn": turn}}
        assert ask(one, "POST", "/collections/notes/points/payload?wait=true", body)[0] == 200
        settled(one)
        found.append(len(reads_of(one.regions["eu"])))
    assert min(found) == 1, found


def test_what_a_write_tells_is_not_read(fan):
    """Its own text goes to the copies, if it is what home has: not of a point that is named twice, nor of vectors that home makes
    of length 1. What is known is forgotten after seconds, so the best of some counts."""
    one, found = fan(), []
    assert ask(one, "PUT", "/collections/cosine", {"vectors": {"size": 2, "distance": "Cosine"}})[0] == 200
    for turn in turns_until(lambda: 0 in found):
        one.regions["eu"].control(clear_log=True)
        assert upsert(one, *range(300), payload={"turn": turn})[0] == 200
        bare = {"points": [{"id": 1, "vector": [1.50, 2e0], "payload": None}, {"id": 2, "vector": [3, turn]}]}
        assert ask(one, "PUT", "/collections/notes/points?wait=true", bare)[0] == 200
        assert settled(one)[1][1] == {}
        batch = {"operations": [{"upsert": {"points": [{"id": 400 + turn, "vector": [1, turn]}]}}, {"delete": {"points": [1, 2, 999]}},
                                {"upsert": {"points": [{"id": 3, "vector": [turn, 3], "payload": {"batch": turn}}]}}]}
        assert ask(one, "POST", "/collections/notes/points/batch?wait=true", batch)[0] == 200
        for collection in ("notes", "cosine"):
            assert ask(one, "POST", f"/collections/{collection}/points/delete?wait=true", {"points": [5, 6]})[0] == 200
        home = settled(one)
        assert home[3][1] == {"batch": turn} and 400 + turn in home and not {1, 2, 5, 6} & set(home)
        found.append(len(reads_of(one.regions["eu"]) + reads_of(one.regions["eu"], "cosine")))
    assert min(found) == 0, found
    for collection, body in (("notes", {"points": [{"id": 5, "vector": [1, 2]}, {"id": 5, "vector": [2, 1]}]}),
                             ("cosine", {"points": [{"id": 5, "vector": [3, 4]}]})):
        one.regions["eu"].control(clear_log=True)
        assert ask(one, "PUT", f"/collections/{collection}/points?wait=true", body)[0] == 200
        wait_for(lambda c=collection: all((points(one, r, c) or {}).get(5) == points(one, "eu", c)[5] for r in COPIES), 20, "the point")
        assert reads_of(one.regions["eu"], collection)
    half = {"operations": [{"upsert": {"points": [{"id": 7, "vector": [7, 7], "payload": {"half": True}}]}}, {"delete": {"points": [8]}},
                           {"upsert": {"points": [{"id": 9, "vector": [1, 2, 3]}]}}]}
    assert ask(one, "POST", "/collections/notes/points/batch?wait=true", half)[0] == 400
    home = converged(one)
    assert home[7][1] == {"half": True} and 8 not in home and len(home[9][0]) == 2


def test_by_filter(fan):
    one = fan()
    path = "/collections/notes/points"
    assert upsert(one, *range(20))[0] == 200
    few = {"must": [{"key": "n", "range": {"lt": 5}}]}
    none = {"must": [{"key": "n", "match": {"value": 999}}]}
    for method, target, body in (
            ("POST", "/payload", {"filter": few, "payload": {"few": True}}),
            ("POST", "/payload/delete", {"filter": {"must": [{"key": "n", "match": {"value": 6}}]}, "keys": ["n"]}),
            ("POST", "/payload", {"filter": none, "payload": {"never": True}}),
            ("POST", "/batch", {"operations": [
                {"set_payload": {"filter": few, "payload": {"n": 100}}},
                {"delete": {"filter": {"must": [{"key": "n", "match": {"value": 100}}]}}},
                {"upsert": {"points": [{"id": 77, "vector": [1, 2]}]}}]}),
            ("POST", "/delete", {"filter": {"must": [{"key": "n", "match": {"value": 7}}]}})):
        status, headers, got = ask(one, method, path + target + "?wait=true", body)
        assert status == 200, (target, got)
        assert headers["x-sextant-outcome"] == "committed"
    home = converged(one)
    assert set(home) == {5, 6, *range(8, 20), 77} and home[6][1] == {}


def test_uuids_have_one_meaning(fan):
    one = fan()
    spellings = ["550E8400-E29B-41D4-A716-446655440000", "550e8400e29b41d4a716446655440000",
                 "{550e8400-e29b-41d4-a716-446655440000}", "urn:uuid:550e8400-e29b-41d4-a716-446655440000"]
    for n, text in enumerate(spellings):
        body = {"points": [{"id": text, "vector": [n, 1], "payload": {"n": n}}]}
        assert ask(one, "PUT", "/collections/notes/points?wait=true", body)[0] == 200
    home = converged(one)
    assert home == {"550e8400-e29b-41d4-a716-446655440000": ([3.0, 1.0], {"n": 3})}


def test_without_wait_it_is_acknowledged(fan):
    one = fan()
    status, headers, body = upsert(one, 1, query="")
    assert (status, body["result"]["status"]) == (200, "acknowledged")
    assert headers["x-sextant-outcome"] == "committed"
    assert 1 in converged(one)


def test_a_refusal_is_told_as_home_says_it(fan):
    one = fan()
    body = {"points": [{"id": 1, "vector": [1, 2, 3]}]}
    status, headers, got = ask(one, "PUT", "/collections/notes/points?wait=true", body)
    assert status == 400 and headers["x-sextant-outcome"] == "rejected", got
    assert "dimension" in got["status"]["error"].lower()
    status, headers, got = ask(one, "POST", "/collections/notes/points/payload?wait=true",
                               {"points": [404], "payload": {}})
    assert (status, headers["x-sextant-outcome"]) == (404, "rejected"), got
    status, _, got = ask(one, "PUT", "/collections/nowhere/points?wait=true", body)
    assert status == 404 and "doesn't exist" in got["status"]["error"]


def test_what_cannot_be_followed_is_refused(fan):
    one = fan()
    for body in ({"points": [{"id": 1, "vector": [1, 2]}], "unheard_of": 1}, {"points": [{"id": -1, "vector": [1, 2]}]}, {}):
        status, headers, _ = ask(one, "PUT", "/collections/notes/points?wait=true", body)
        assert status == 400, body
        assert "x-sextant-outcome" not in headers or headers["x-sextant-outcome"] == "rejected"
    for method, target in (("PUT", "/snapshots/recover"), ("POST", "/truncate_unapplied_wal"), ("POST", "/brand-new")):
        status, headers, _ = ask(one, method, "/collections/notes" + target, {})
        assert (status, headers["x-sextant-error"]) == (403, "PAST_JOURNAL")


def test_a_copy_that_was_away_catches_up(fan):
    one = fan()
    assert upsert(one, 1)[0] == 200
    converged(one)
    one.regions["us"].pause()
    try:
        for i in range(2, 30):
            assert upsert(one, i)[0] == 200
        assert ask(one, "POST", "/collections/notes/points/delete?wait=true", {"points": [1]})[0] == 200
        wait_for(lambda: points(one, "ap") == points(one, "eu"), 20, "the other copy")
    finally:
        one.regions["us"].resume()
    assert set(converged(one, 60)) == set(range(2, 30))


@pytest.mark.parametrize("policy, least", [("quorum", 2), ("all", 3)])
def test_an_answer_that_waits_for_copies(fan, policy, least):
    one = fan(policy)
    for i in range(10):
        status, headers, _ = upsert(one, i, i + 1)
        assert (status, headers["x-sextant-outcome"]) == (200, "committed")
        done = headers["x-sextant-done"].split(",")
        assert done[0] == "eu" and len(done) >= least
        for name in done:
            assert {i, i + 1} <= set(points(one, name)), name
    status, headers, _ = ask(one, "POST", "/collections/notes/points/delete?wait=true",
                             {"filter": {"must": [{"key": "n", "match": {"value": 5}}]}})
    assert status == 200
    assert all(5 not in points(one, name) for name in headers["x-sextant-done"].split(","))


def test_copies_that_do_not_answer(fan):
    one = fan("all", probe_timeout="5s")  # ap is not known to be away before
    assert upsert(one, 1)[0] == 200
    one.regions["ap"].pause()
    try:
        for _ in range(3):  # us, or home, may be late as well
            status, headers, _ = upsert(one, 2, query="?wait=true&timeout=1")
            if headers.get("x-sextant-done") == "eu,us":
                break
        assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (504, "COPIES_LATE", "indefinite")
        assert headers["x-sextant-done"] == "eu,us"
        wait_for(lambda: upsert(one, 3, query="?wait=true&timeout=1")[1].get("x-sextant-error") == "COPIES_AWAY", 20, "the verdict")
    finally:
        one.regions["ap"].resume()
    assert {1, 2} <= set(converged(one, 60))


def test_killed_and_started_again(fan):
    one = fan()
    for copy in COPIES:
        one.regions[copy].pause()
    try:
        for i in range(30):
            assert upsert(one, i)[0] == 200
        one.signal(signal.SIGKILL)
        one.process.wait()
    finally:
        for copy in COPIES:
            one.regions[copy].resume()
    one.start()
    assert set(converged(one, 30)) == set(range(30))


def lose_answer(one, quarantine, what):
    """Has a write at home no outcome, and did `what` come while its point was held for that?"""
    one.regions["eu"].faults(reset="after", times=1, match="/notes/points", method="PUT")
    since = time.monotonic()
    status, headers, _ = upsert(one, 1, payload={"n": "lost answer"})
    assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (504, "WRITE_INDEFINITE", "indefinite")
    status, headers, _ = what()
    if time.monotonic() - since > quarantine:
        raise TooSlow
    assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (503, "POINT_HELD", "rejected")


def test_an_unknown_outcome_holds_its_points(fan):
    one = fan(quarantine="4s")
    assert upsert(one, 1, 2)[0] == 200
    converged(one)
    wait_for(lambda: is_idle(one), 10, "idle lanes")
    again = {"points": [{"id": 1, "vector": [1, 1]}]}
    tries(lambda: lose_answer(one, 4, lambda: ask(one, "PUT", "/collections/notes/points?wait=true&timeout=1", again)))
    assert upsert(one, 2)[0] == 200  # others go on
    assert upsert(one, 1, payload={"n": "after"})[0] == 200  # waits until the quarantine is over
    assert converged(one)[1][1] == {"n": "after"}


def test_a_collection_is_deleted_and_made_again(fan):
    """What was on its way to a copy must not come into the new collection."""
    one = fan()
    for round_ in range(3):
        for i in range(10):
            assert upsert(one, 100 * round_ + i)[0] == 200
        assert ask(one, "DELETE", "/collections/notes")[0] == 200
        assert ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200
        assert upsert(one, 7000 + round_)[0] == 200
        assert set(converged(one)) == {7000 + round_}
    wait_for(lambda: is_idle(one), 10, "idle lanes")


def test_a_change_of_schema_waits_for_what_may_come_late(fan):
    one = fan(quarantine="3s")
    assert upsert(one, 1)[0] == 200
    converged(one)
    wait_for(lambda: is_idle(one), 10, "idle lanes")

    def course():
        assert ask(one, "PUT", "/collections/notes", VECTORS)[0] in (200, 409)
        lose_answer(one, 3, lambda: ask(one, "DELETE", "/collections/notes?timeout=1"))
    tries(course)
    assert ask(one, "DELETE", "/collections/notes")[0] == 200


def test_an_alias_is_followed(fan):
    one = fan()
    assert ask(one, "PUT", "/collections/other", VECTORS)[0] == 200
    for name in ("notes", "other", "notes"):
        action = {"actions": [{"delete_alias": {"alias_name": "now"}}, {"create_alias": {"alias_name": "now", "collection_name": name}}]}
        assert ask(one, "POST", "/collections/aliases", action)[0] == 200
        body = {"points": [{"id": 1, "vector": [1, 1], "payload": {"in": name}}]}
        assert ask(one, "PUT", "/collections/now/points?wait=true", body)[0] == 200
    for collection in ("notes", "other"):
        wait_for(lambda c=collection: all(points(one, n, c) == {1: ([1.0, 1.0], {"in": c})} for n in one.regions), 10, collection)


def test_a_copy_that_lost_its_last_seconds(fan):
    """What it confirmed is gone with its power, and it shows a new process: the last minute is shipped again."""
    one = fan()
    assert upsert(one, 1, 2, 3)[0] == 200
    converged(one)
    wait_for(lambda: "/telemetry" in json.dumps(one.regions["us"].control(log=True)["log"], default=str), 10, "a look")
    assert direct(one.regions["us"], "POST", "/collections/notes/points/delete?wait=true", {"points": [2]})[0] == 200
    one.regions["us"].control(new_process=True)
    assert set(converged(one)) == {1, 2, 3}


@pytest.mark.soak
def test_a_copy_that_lost_its_last_seconds_and_was_away(fan):
    """For longer than a minute: what it had confirmed in the minute before is not over until it was seen again."""
    one = fan()
    assert upsert(one, 1, 2, 3)[0] == 200
    converged(one)
    one.regions["us"].faults(black_hole=True, match="/telemetry")
    one.regions["us"].control(log=True)
    asked = lambda: json.dumps(one.regions["us"].control(log=True)["log"], default=str).count("/telemetry")  # noqa: E731
    wait_for(lambda: asked() >= 40, 150, "that it was away for more than a minute")  # every 2 s
    assert direct(one.regions["us"], "POST", "/collections/notes/points/delete?wait=true", {"points": [2]})[0] == 200
    one.regions["us"].control(new_process=True, clear=True)
    assert set(converged(one)) == {1, 2, 3}


def test_a_copy_that_is_another_cluster(fan, region):
    """The journal knows what it shipped to: another cluster under that name gets nothing."""
    one = fan()
    assert upsert(one, 1)[0] == 200
    converged(one)
    assert one.stop() == 0
    stranger = region("us", keys={"rw": "key-us"})
    one.env["SEXTANT_CLUSTERS"] = one.env["SEXTANT_CLUSTERS"].replace(one.regions["us"].url, stranger.url)
    direct(stranger, "PUT", "/collections/notes", VECTORS)
    direct(stranger, "PUT", "/collections/_sextant", {"vectors": {}})
    direct(stranger, "PUT", "/collections/_sextant/points?wait=true", {"points": [
        {"id": 1, "vector": {}, "payload": {"identity": "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}}]})
    one.start()
    assert upsert(one, 2)[0] == 200
    wait_for(lambda: points(one, "ap") == points(one, "eu"), 20, "the other copy")
    wait_for(lambda: any("another cluster" in lane["trouble"] for lane in lanes(one)), 20, "the refusal")
    assert direct(stranger, "GET", "/collections/notes")[2]["result"]["points_count"] == 0


def test_a_strict_copy(fan):
    """Its limits on batches and waiting are kept, or everything would be refused."""
    one = fan()
    strict = {"strict_mode_config": {"enabled": True, "upsert_max_batchsize": 4, "max_timeout": 5}}
    assert direct(one.regions["us"], "PATCH", "/collections/notes", strict)[0] == 200
    assert upsert(one, *range(50))[0] == 200
    assert set(converged(one)) == set(range(50))
    assert all(lane["points_refused"] == 0 for lane in lanes(one))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_hold_survives_a_restart(fan, how):
    """As long as what was lost may come late: twice the timeout that home was given, in whichever process."""
    one = fan()
    assert upsert(one, 1)[0] == 200
    converged(one)
    wait_for(lambda: is_idle(one), 10, "idle lanes")
    one.regions["eu"].faults(reset="after", times=1, match="/notes/points")
    assert upsert(one, 1, query="?wait=true&timeout=20")[0] == 504
    one.signal(how)
    one.process.wait()
    one.start()
    wait_for(lambda: upsert(one, 2)[0] == 200, 20, "the claim")
    status, headers, _ = upsert(one, 1, query="?wait=true&timeout=1")
    assert (status, headers["x-sextant-error"]) == (503, "POINT_HELD")


def test_a_filter_that_home_cannot_answer(fan):
    one = fan()
    assert upsert(one, 1)[0] == 200
    wait_for(lambda: is_idle(one), 10, "idle lanes")
    by_filter = {"filter": {"must": [{"key": "n", "match": {"value": 1}}]}}
    for status in (500, 408):
        one.regions["eu"].faults(status=status, times=1, match="/notes/points/scroll")
        got, headers, _ = ask(one, "POST", "/collections/notes/points/delete?wait=true", by_filter)
        assert (got, headers["x-sextant-outcome"]) == (503, "rejected"), status
    assert 1 in converged(one)


def test_several_shards(fan):
    """A shard that refuses answers for all, while others do their part, or have done it, or will."""
    shards = {"eu": 3, "us": 4, "ap": 1}
    more = {f"cluster_{n}_schema": json.dumps({"shard_number": count}) for n, count in shards.items() if n != "eu"}
    one = fan(**more)
    for n in one.regions:
        one.regions[n].faults(late=0.3)
    assert ask(one, "PUT", "/collections/wide", {**VECTORS, "shard_number": shards["eu"]})[0] == 200
    wait_for(lambda: all(direct(r, "GET", "/collections/wide")[0] == 200 for r in one.regions.values()), 20, "the collection")
    for n, count in shards.items():
        params = direct(one.regions[n], "GET", "/collections/wide")[2]["result"]["config"]["params"]
        assert params["shard_number"] == count
    path = "/collections/wide/points"
    rows = {"ids": list(range(200)), "vectors": [[i, 1] for i in range(200)], "payloads": [{"n": i} for i in range(200)]}
    assert ask(one, "PUT", path + "?wait=true", {"batch": rows})[0] == 200
    for missing in (900, 901):  # one shard fails, after its chunk of 32 or before
        status, headers, got = ask(one, "POST", path + "/payload?wait=true",
                                   {"points": [*range(150), missing], "payload": {"seen": missing}})
        assert (status, headers["x-sextant-outcome"]) == (504, "indefinite"), got
        assert ask(one, "PUT", path, {"points": [{"id": i, "vector": [1, missing]} for i in range(140, 160)]})[0] == 200
    bad = [{"id": i, "vector": {"no": [1, 2]} if i == 7 else [1, 2]} for i in range(40)]
    status, headers, _ = ask(one, "PUT", path + "?wait=true", {"points": bad})
    assert (status, headers["x-sextant-outcome"]) == (504, "indefinite")
    some = {"filter": {"must": [{"key": "seen", "match": {"value": 901}}]}}
    wait_for(lambda: ask(one, "POST", path + "/delete?wait=true", some)[0] == 200, 20, "that none are held")
    wait_for(lambda: all(points(one, c, "wide") == points(one, "eu", "wide") for c in COPIES), 20, "that all are equal")
    assert points(one, "eu", "wide")


def test_home_is_down(fan):
    one = fan()
    assert upsert(one, 1)[0] == 200
    one.regions["eu"].kill()
    status, headers, _ = upsert(one, 2)
    assert (status, headers["x-sextant-error"]) == (503, "NO_HEALTHY_CLUSTER")
    assert headers["x-sextant-outcome"] == "rejected"


def test_reads_stay_where_they_are(fan):
    one = fan()
    assert upsert(one, 1)[0] == 200
    converged(one)
    status, headers, body = ask(one, "GET", "/collections/notes/points/1")
    assert status == 200 and body["result"]["id"] == 1
    assert "x-sextant-outcome" not in headers


def test_bodies_that_are_coded(fan):
    import gzip
    one = fan()
    body = gzip.compress(json.dumps({"points": [{"id": 1, "vector": [1, 2]}]}).encode())
    status, _, _ = request(one.port, "PUT", "/collections/notes/points?wait=true", body,
                           {"api-key": KEY, "content-type": "application/json", "content-encoding": "gzip",
                            "x-forwarded-for": "192.0.2.7"})
    assert status == 200
    assert 1 in converged(one)
