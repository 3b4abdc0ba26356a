# SPDX-License-Identifier: Apache-2.0
"""Copies that lack what nobody recorded for them: lanes that walk, and the orders that concern lanes."""
import json
import re
import random
import signal
import threading

import pytest
from sextant import call, wait_for
from test_ctl import ctl
from test_fanout import KEY, VECTORS, ask, converged, direct, fan, is_idle, lanes, points, upsert  # noqa: F401 (fan is a fixture)


def lane(one, copy):
    return next((found for found in lanes(one) if found["copy"] == copy), None)


def walk(one, copy):
    """How its walk stands: state None before there is one."""
    return (lane(one, copy) or {}).get("walk") or {"state": None, "points_passed": 0, "why": ""}


def test_lanes_are_shown(fan, edge, regions):  # noqa: F811
    one = fan()
    assert upsert(one, 1)[0] == 200
    converged(one)
    idle(one)
    code, out, err = ctl(one, "lanes")
    assert (code, err) == (0, "") and re.search(r"^LANE +LAG +WAITING", out) and re.search(r"^eu/us +0\.0 s +0 ", out, re.M), out
    assert {each["copy"] for each in json.loads(ctl(one, "lanes", "--json")[1])["lanes"]} == {"us", "ap"}
    other = edge(regions, "* *=eu,us,ap copies=external")
    assert ctl(other, "lanes") == (0, "this edge has no lanes: it owns no home of writes that fan out\n", "")
    assert ctl(other, "retry", "eu/us") == (1, "", "sextant ctl: this edge owns no home: ask the one that does (409)\n")


def test_what_was_refused_is_tried_again_by_order(fan):  # noqa: F811
    one = fan()
    us = one.regions["us"]
    ours = {"metadata": direct(us, "GET", "/collections/notes")[2]["result"]["config"]["metadata"]}
    assert direct(us, "DELETE", "/collections/notes")[0] == 200
    assert direct(us, "PUT", "/collections/notes", {"vectors": {"size": 3, "distance": "Dot"}, **ours})[0] == 200
    assert upsert(one, 1, 2)[0] == 200
    wait_for(lambda: lane(one, "us")["points_refused"] == 2, 20, "the refusal")
    assert direct(us, "DELETE", "/collections/notes")[0] == 200
    assert direct(us, "PUT", "/collections/notes", {**VECTORS, **ours})[0] == 200
    code, out, _ = ctl(one, "held", "eu/us")
    assert code == 0 and re.search(r"^eu/us +notes +1 +the copy refuses it$", out, re.M), out
    assert ctl(one, "held", "eu/ap") == (0, "no point is held, and no copy refuses one\n", "")
    assert ctl(one, "retry", "eu/us") == (0, "eu/us: 2 refused points are tried again\n", "")
    assert set(converged(one)) == {1, 2}
    code, _, err = ctl(one, "retry", "eu/mars")
    assert code == 1 and "there is no lane eu/mars" in err


def test_what_is_held_is_shown(fan):  # noqa: F811
    one = fan(quarantine="30s")
    one.regions["eu"].faults(reset="after", match="/points", method="PUT", times=1)
    assert ask(one, "PUT", "/collections/notes/points", {"points": [{"id": i, "vector": [1, 2]} for i in range(30)]})[0] == 504
    held, = json.loads(ctl(one, "held", "--json")[1])["held"]
    assert (held["home"], held["collection"], held["points_count"]) == ("eu", "notes", 30)
    assert "copy" not in held and 20 < held["seconds_left"] <= 30 and {p["id"] for p in held["points"]} <= set(range(30))
    assert json.loads(ctl(one, "held", "eu/us", "--json")[1]) == {"held": [], "refused": []}
    assert re.search(r"^eu +notes +\d+(, \d+){4} and 25 more +held for \d+ s more at least$", ctl(one, "held", "eu")[1], re.M)


PATH = "/collections/notes/points"


def put(region, ids, payload="a", **more):
    """Written past Sextant."""
    body = {"points": [{"id": i, "vector": [1, 1], "payload": {"p": payload}, **more} for i in ids]}
    assert direct(region, "PUT", PATH + "?wait=true", body)[0] == 200


def delete(region, what):
    assert direct(region, "POST", PATH + "/delete?wait=true", what)[0] == 200


def compare(one, *words):
    code, out, err = ctl(one, "compare", "--json", "--timeout", "60", *words)
    rows = {}
    for each in json.loads(out)["lanes"]:
        for row in each["collections"]:
            rows[each["copy"], row["collection"]] = (row["missing"], row["unlike"], row["extra"])
    return code, rows, err


def idle(one, seconds=30):
    try:
        wait_for(lambda: is_idle(one), seconds, "idle lanes")
    except AssertionError as error:
        raise AssertionError(lanes(one)) from error


def test_what_was_there_before_is_brought_to_copies(region, edge, tmp_path):
    (tmp_path / "journal").mkdir()
    regions = {name: region(name, keys={"rw": "key-" + name}) for name in ("eu", "us", "ap")}
    for one_region in regions.values():
        for name in ("notes", "others"):  # the second is not for copies
            assert direct(one_region, "PUT", "/collections/" + name, VECTORS)[0] == 200
    put(regions["eu"], range(1, 700))
    put(regions["eu"], ["550e8400-e29b-41d4-a716-446655440000", "00000000-0000-4000-8000-000000000001"])
    put(regions["us"], range(600, 800), "old")  # some of it, and a little that is not at home
    one = edge(list(regions.values()), "notes,more *=eu,us,ap fanout=async; * *=eu", owns="eu", journal_dir=tmp_path / "journal",
               journal_quota="64MiB", api_key=KEY, quarantine="500ms", **{f"cluster_{n}_api_key": "key-" + n for n in regions})
    one.regions = regions
    assert len(points(one, "eu")) == 701
    wait_for(lambda: sum("ctl adopt eu/notes" in each["trouble"] for each in lanes(one)) == 2, 20, "the advice")
    assert ask(one, "PUT", "/collections/more", VECTORS)[0] == 200
    assert ask(one, "PUT", "/collections/more/points?wait=true", {"points": [{"id": 1, "vector": [1, 1]}]})[0] == 200
    wait_for(lambda: points(one, "us", "more"), 20, "another collection")
    assert direct(regions["us"], "POST", "/collections/more/points/delete?wait=true", {"points": [1]})[0] == 200
    assert ctl(one, "resync", "eu/us")[0] == 0
    wait_for(lambda: points(one, "us", "more"), 20, "its walk, while the first is not adopted")
    assert walk(one, "us")["state"] == "mends"
    asked = [r["target"] for each in regions.values() for r in each.control(log=True)["log"]]
    asked = [target for target in asked if target.startswith(("/collections/notes/points/scroll", "/collections/notes/points/count"))]
    assert asked == ["/collections/notes/points/scroll"], "by this test, and by no walk"
    assert ctl(one, "adopt", "eu/notes")[0] == 0
    wait_for(lambda: walk(one, "us")["state"] == "stopped", 20, "the question")  # 100 of 200 at us would be deleted
    wait_for(lambda: points(one, "ap") == points(one, "eu"), 20, "the other copy")
    assert set(range(700, 800)) <= set(points(one, "us")), "nothing is deleted before somebody says so"
    assert ctl(one, "resync", "eu/us", "--delete")[0] == 0
    assert len(converged(one)) == 701
    with open(tmp_path / "journal" / "walk-eu-us.jsonl", encoding="utf-8") as file:
        kept = [json.loads(line) for line in file]
    assert {row["point"]["id"] for row in kept if row["what"] == "deleted"} == set(range(700, 800))
    assert {row["point"]["id"] for row in kept if row["what"] == "overwritten"} == set(range(600, 700))
    assert all(row["collection"] == "notes" and row["point"]["payload"] == {"p": "old"} for row in kept)
    assert direct(regions["us"], "GET", "/collections/others")[2]["result"]["points_count"] == 0


def test_compare_and_repair(fan):  # noqa: F811
    one = fan()
    assert upsert(one, *range(1, 100))[0] == 200
    converged(one)
    idle(one)
    assert compare(one) == (0, {("us", "notes"): (0, 0, 0), ("ap", "notes"): (0, 0, 0)}, "")
    us = one.regions["us"]
    delete(us, {"points": [3, 4]})
    put(us, [7, 500, "550e8400-e29b-41d4-a716-446655440000"], "drift")
    code, out, err = ctl(one, "compare")
    assert code == 1 and err == "" and re.search(r"^eu/us +notes +99 +99 +2 missing, 1 unlike, 2 too many$", out, re.M), out
    assert re.search(r"^eu/ap +notes +99 +99 +equal$", out, re.M), out
    assert 500 in points(one, "us"), "a comparison changes nothing"
    assert compare(one, "eu/ap")[0] == 0
    code, rows, _ = compare(one, "eu/us", "--collection", "notes", "--repair")
    assert (code, rows["us", "notes"]) == (1, (2, 1, 2))
    converged(one)
    idle(one)
    assert compare(one)[0] == 0
    assert one.metric("sextant_lane_walk_differences") == 0
    assert ctl(one, "resync", "eu/us", "nowhere_else")[0] == 0, "the map takes every name"
    code, _, err = ctl(one, "resync", "eu/mars")
    assert code == 1 and "there is no lane eu/mars" in err


def test_an_empty_home_empties_nothing(fan):  # noqa: F811
    one = fan()
    assert upsert(one, *range(50))[0] == 200
    before = converged(one)
    idle(one)
    delete(one.regions["eu"], {"filter": {}})
    assert points(one, "eu") == {}
    for copy in ("us", "ap"):
        assert ctl(one, "resync", "eu/" + copy)[0] == 0
        wait_for(lambda c=copy: walk(one, c)["state"] == "stopped", 20, "the question")
        assert "50 of its 50 points or more are not at home" in lane(one, copy)["trouble"]
        assert points(one, copy) == before
    put(one.regions["eu"], range(50), "again")  # as many, so that only comparing tells
    delete(one.regions["us"], {"points": list(range(20, 50))})
    put(one.regions["us"], range(1000, 1030), "only here")
    assert ctl(one, "resync", "eu/us")[0] == 0
    wait_for(lambda: walk(one, "us")["state"] == "stopped", 20, "the question")
    assert set(range(1000, 1030)) <= set(points(one, "us"))
    assert ctl(one, "resync", "eu/us", "notes", "--delete")[0] == 0
    wait_for(lambda: points(one, "us") == points(one, "eu"), 20, "the deletion")


def test_what_is_adopted_is_compared_after_a_kill(fan):  # noqa: F811
    """The copy had its mark, and the edge died before the comparison began."""
    one = fan()
    idle(one)
    for region in one.regions.values():
        assert direct(region, "PUT", "/collections/old", VECTORS)[0] == 200
        body = {"points": [{"id": i, "vector": [1, 1], "payload": {"at": region.name}} for i in range(10)]}
        assert direct(region, "PUT", "/collections/old/points?wait=true", body)[0] == 200
    one.kill()
    one.env["SEXTANT_TEST_CRASH_POINT"] = "schema.step_done"
    one.start()
    wait_for(lambda: ctl(one, "adopt", "eu/old")[0] == 0 or one.process.poll() is not None, 30, "the claim")
    one.process.wait(30)
    del one.env["SEXTANT_TEST_CRASH_POINT"]
    one.start()
    wait_for(lambda: all(points(one, copy, "old") == points(one, "eu", "old") for copy in ("us", "ap")), 30, "the comparison")


def test_a_walk_that_begins_anew_asks_again(fan):  # noqa: F811
    """What it has brought to the copy so far makes that larger, but not a fifth of it."""
    one = fan()
    assert upsert(one, *range(700))[0] == 200
    converged(one)
    idle(one)
    us = one.regions["us"]
    delete(us, {"points": list(range(512))})
    put(us, range(800, 900), "only here")
    for _ in range(2):
        assert ctl(one, "resync", "eu/us")[0] == 0
        wait_for(lambda: walk(one, "us")["state"] in ("stopped", "over"), 20, "the question")
        wait_for(lambda: set(range(512)) <= set(points(one, "us")), 20, "what was found before")
        assert walk(one, "us")["state"] == "stopped" and set(range(800, 900)) <= set(points(one, "us"))
    assert ctl(one, "resync", "eu/us", "--delete")[0] == 0
    assert len(converged(one)) == 700


def test_what_is_on_its_way_is_no_difference(fan):  # noqa: F811
    """A copy is read after home: what came to it in between, or is still to be deleted there, needs nobody's leave."""
    one = fan()
    us = one.regions["us"]
    assert upsert(one, *range(10))[0] == 200
    converged(one)
    idle(one)

    def walk_past(match, meanwhile):
        us.control(clear=True, faults={"match": match, "hold": True, "times": 1})
        if match == "/points/delete":
            meanwhile()
            wait_for(lambda: us.control()["held"], 20, "a late deletion")
        assert ctl(one, "resync", "eu/us")[0] == 0
        if match != "/points/delete":
            wait_for(lambda: us.control()["held"], 20, "the walk")
            meanwhile()
            us.control(release=True)
        wait_for(lambda: walk(one, "us")["state"] in ("over", "stopped"), 20, "the end of the walk")
        us.control(release=True)
        assert (walk(one, "us")["state"], walk(one, "us")["extra"]) == ("over", 0), (match, lane(one, "us"))
        converged(one)
        idle(one)

    def write(first):
        assert upsert(one, *range(first, first + 100))[0] == 200
        wait_for(lambda: first in points(one, "us"), 20, "the copy")

    walk_past("/points/count", lambda: write(100))
    walk_past("/points/scroll", lambda: write(200))
    walk_past("/points/delete", lambda: ask(one, "POST", PATH + "/delete?wait=true", {"points": list(range(100, 300))}))


def test_an_overflowed_lane_walks(fan):  # noqa: F811
    """More points than may be kept in mind: writes go on, and the copy gets them all the same."""
    one = fan(lane_memory="256KiB")
    assert upsert(one, *range(100))[0] == 200
    converged(one)
    idle(one)
    one.regions["us"].pause()
    try:
        for start in range(0, 9000, 600):
            assert upsert(one, *range(start, start + 600))[0] == 200
        assert ask(one, "POST", PATH + "/delete?wait=true", {"points": [1, 2]})[0] == 200
        assert walk(one, "us")["state"] == "mends"
        assert "SEXTANT_LANE_MEMORY" in walk(one, "us")["why"]
        assert lane(one, "us")["lag_seconds"] > 0
    finally:
        one.regions["us"].resume()
    idle(one, 60)
    assert len(converged(one, 60)) == 8998


def test_less_memory_than_there_was(fan):  # noqa: F811
    """A start finds more marks than it may keep, and the copy is away: the copy is compared later, and writes go on."""
    one = fan(lane_memory="1MiB")
    idle(one)
    one.regions["us"].pause()
    try:
        for start in range(0, 6000, 1000):
            assert upsert(one, *range(start, start + 1000))[0] == 200
        assert lane(one, "us")["walk"]["state"] == "over"
        one.kill()
        one.env["SEXTANT_LANE_MEMORY"] = "256KiB"
        one.start(settle=False)
        wait_for(lambda: upsert(one, 9000)[0] == 200, 30, "a write")
        assert walk(one, "us")["state"] == "mends"
    finally:
        one.regions["us"].resume()
    idle(one, 60)
    assert len(converged(one, 60)) == 6001


@pytest.mark.soak
def test_what_was_brought_lately_makes_room(fan):  # noqa: F811
    """A copy that has everything is not compared because of it, unless it is started anew."""
    one = fan(lane_memory="256KiB")
    for start in range(0, 6000, 1000):
        assert upsert(one, *range(start, start + 1000))[0] == 200
        idle(one)
    assert {walk(one, copy)["why"] for copy in ("us", "ap")} == {"it is new"}
    us = one.regions["us"]
    delete(us, {"points": list(range(100, 110))})  # as if it had lost them with its power
    us.control(new_process=True)
    wait_for(lambda: walk(one, "us")["why"] == "it was started anew", 20, "the comparison")
    idle(one, 60)
    assert len(converged(one, 60)) == 6000


def test_a_walk_goes_on_after_a_kill(fan):  # noqa: F811
    one = fan(walk_rate="300")
    assert upsert(one, *range(900))[0] == 200
    converged(one)
    idle(one)
    us = one.regions["us"]
    delete(us, {"points": list(range(0, 900, 9))})
    assert ctl(one, "resync", "eu/us")[0] == 0
    wait_for(lambda: walk(one, "us")["points_passed"] >= 256, 20, "a part")
    one.signal(signal.SIGKILL)
    one.process.wait()
    one.start()
    assert upsert(one, 901)[0] == 200
    converged(one, 40)
    idle(one)


class Writer(threading.Thread):
    """Writes to a few points until it is told to stop, whatever comes of it."""

    def __init__(self, one, seed):
        super().__init__(daemon=True)
        self.one, self.random, self.is_over = one, random.Random(seed), False

    def run(self):
        while not self.is_over:
            ids = self.random.sample(range(600), self.random.randrange(1, 40))
            try:
                if self.random.random() < 0.3:
                    ask(self.one, "POST", PATH + "/delete?wait=true", {"points": ids})
                else:
                    upsert(self.one, *ids, payload={"n": self.random.random()})
            except Exception:  # the edge is killed now and then
                pass


def drift(one, copy, rng):
    """Writes past Sextant, at a copy."""
    region = one.regions[copy]
    delete(region, {"points": rng.sample(range(600), 20)})
    put(region, rng.sample(range(600), 20), rng.random())
    put(region, rng.sample(range(10000, 10050), 5), rng.random())


def equal_after_walks(one, seed, kills):
    rng, writers = random.Random(seed), [Writer(one, f"{seed} {n}") for n in range(3)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(kills):
            for copy in ("us", "ap"):
                drift(one, copy, rng)
                assert ctl(one, "resync", "eu/" + copy, "--delete")[0] == 0
            passed = rng.randrange(0, 500)
            wait_for(lambda p=passed: walk(one, "us")["state"] == "over" or walk(one, "us")["points_passed"] >= p, 30, "a part")
            one.signal(signal.SIGKILL)
            one.process.wait()
            one.start()
    finally:
        for writer in writers:
            writer.is_over = True
        for writer in writers:
            writer.join()
    wait_for(lambda: upsert(one, 1)[0] == 200, 60, "the claim")
    idle(one, 60)
    converged(one, 60)
    assert compare(one)[0] == 0


# Not with every change: it takes long.
@pytest.mark.soak
@pytest.mark.parametrize("seed", [1])
def test_walks_under_writes_and_kills(fan, seed, kills=1):  # noqa: F811
    one = fan(walk_rate="400")
    assert upsert(one, *range(600))[0] == 200
    converged(one)
    equal_after_walks(one, seed, kills)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 120))
def test_many_walks_under_writes_and_kills(fan, seed):  # noqa: F811
    test_walks_under_writes_and_kills(fan, seed, 3)


def test_an_order_outlives_a_kill(fan):  # noqa: F811
    """What was answered is in a checkpoint by then."""
    one = fan()
    assert upsert(one, *range(50))[0] == 200
    before = converged(one)
    idle(one)
    wait_for(lambda: all(lane(one, copy)["lag_seconds"] == 0 for copy in ("us", "ap")), 20, "rest")
    delete(one.regions["us"], {"points": [7]})
    delete(one.regions["ap"], {"points": [8]})
    for target, body in (("/resync", {"target": "eu/us"}), ("/compare", {"begin": True, "repair": True, "target": "eu/ap"})):
        assert call(one.admin_port, "POST", target, body)[0] == 200
        one.signal(signal.SIGKILL)
        one.process.wait()
        one.start()
    wait_for(lambda: points(one, "us") == points(one, "ap") == before, 60, "what was ordered")
