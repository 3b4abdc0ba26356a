# SPDX-License-Identifier: Apache-2.0
"""A home that lost its last seconds with its power is sent them again: nothing that was acknowledged is missing afterwards."""
import signal
import time

import pytest
from sextant import QDRANT, wait_for
from test_fanout import ask, converged, direct, fan, lanes, points, upsert  # noqa: F401

PATH = "/collections/notes/points"


def is_rewound(one, times=1):
    return one.metric("sextant_home_rewinds_total") >= times


def same_as(one, before, seconds=40):
    """Home is what it was, and so is every copy."""
    try:
        wait_for(lambda: points(one, "eu") == before, seconds, "the rewind")
    except AssertionError:
        now = points(one, "eu")
        raise AssertionError({i: (before.get(i), now.get(i)) for i in before.keys() | now.keys() if before.get(i) != now.get(i)},
                             one.output()[-3000:]) from None
    assert converged(one, seconds) == before


def write(one, method, target, body):
    status, headers, got = ask(one, method, PATH + target + "?wait=true", body)
    assert (status, headers["x-sextant-outcome"]) == (200, "committed"), (target, got)


def every_kind(one):
    few = {"must": [{"key": "n", "range": {"lt": 3}}]}
    for method, target, body in (
            ("PUT", "", {"points": [{"id": i, "vector": [i, 2], "payload": {"new": i}} for i in range(5, 60, 5)]}),
            ("PUT", "", {"batch": {"ids": [70, 71], "vectors": [[1, 2], [3, 4]], "payloads": [{"a": 1}, None]}}),
            ("POST", "/payload", {"points": [1, 2], "payload": {"a": {"b": 1}}}),
            ("PUT", "/payload", {"points": [3], "payload": {"only": True}}),
            ("POST", "/payload", {"points": [4], "payload": {"deep": 2}, "key": "x.y"}),
            ("POST", "/payload/delete", {"points": [5, 6], "keys": ["n", "new"]}),
            ("POST", "/payload/clear", {"points": [7]}),
            ("PUT", "/vectors", {"points": [{"id": 8, "vector": [9, 9]}, {"id": 70, "vector": [7, 7]}]}),
            ("POST", "/payload", {"filter": few, "payload": {"few": True}}),
            ("POST", "/delete", {"filter": {"must": [{"key": "few", "match": {"value": True}}, {"key": "n", "match": {"value": 1}}]}}),
            ("POST", "/delete", {"points": [9, 70]}),
            ("POST", "/batch", {"operations": [
                {"upsert": {"points": [{"id": 50, "vector": [5, 5]}]}}, {"delete": {"points": [11]}},
                {"set_payload": {"points": [12], "payload": {"batch": True}}}]}),
            ("POST", "/batch", {"operations": [
                {"set_payload": {"filter": {"must": [{"key": "batch", "match": {"value": True}}]}, "payload": {"n": 100}}},
                {"delete": {"filter": {"must": [{"key": "n", "match": {"value": 13}}]}}},
                {"upsert": {"points": [{"id": 77, "vector": [1, 2]}]}}]}),
            ("PUT", "", {"points": [{"id": 11, "vector": [6, 6], "payload": {"again": True}}]})):
        write(one, method, target, body)


def start(fan, **options):
    one = fan(**options)
    assert upsert(one, *range(30))[0] == 200
    converged(one)
    return one


def test_every_kind_is_sent_again(fan):
    one = start(fan)
    one.regions["eu"].control(keep=True)
    every_kind(one)
    before = points(one, "eu")
    one.regions["eu"].control(cut=True)
    assert points(one, "eu") != before
    same_as(one, before)
    wait_for(lambda: is_rewound(one), 20, "the end")
    assert one.metric("sextant_home_rewind_refused_total") == 0
    assert any(e["kind"] == "home-rewound" for e in one.status()["events"])
    assert upsert(one, 200)[0] == 200
    assert converged(one, 40) == points(one, "eu")


def test_a_restart_that_lost_nothing_is_harmless(fan):
    one = start(fan)
    every_kind(one)
    before = points(one, "eu")
    for turn in (1, 2):
        one.regions["eu"].control(new_process=True)
        wait_for(lambda t=turn: is_rewound(one, t), 40, "the rewind")
        same_as(one, before)


def test_conditions_are_not_asked_again(fan):
    """Their outcome then was another one than it would be now: what came of them is what counts."""
    one = start(fan)
    only = {"must": [{"key": "v", "match": {"value": 1}}]}

    def put(i, value, **condition):
        write(one, "PUT", "", {"points": [{"id": i, "vector": [value, 1], "payload": {"v": value}}], **condition})
    old = {"points": [{"id": 300, "vector": [1, 1], "payload": {"old": True}}]}  # as from before the journal's last minute
    assert direct(one.regions["eu"], "PUT", PATH + "?wait=true", old)[0] == 200
    one.regions["eu"].control(keep=True)
    put(101, 1, update_mode="insert_only")  # inserts
    put(101, 2, update_mode="insert_only")  # does nothing
    put(102, 1)
    put(102, 2, update_filter=only)  # updates
    put(102, 3, update_filter=only)  # does not
    put(103, 1, update_mode="update_only")  # there is none
    put(103, 5)
    put(1, 9, update_mode="insert_only")  # is there
    write(one, "POST", "/delete", {"points": [1]})
    put(300, 7, update_filter=only)  # does not hold yet
    write(one, "POST", "/payload", {"points": [300], "payload": {"v": 1}})
    before = points(one, "eu")
    assert before[300][1] == {"old": True, "v": 1}
    assert 1 not in before and before[101][1] == {"v": 1} and before[102][1] == {"v": 2} and before[103][1] == {"v": 5}
    one.regions["eu"].control(cut=True)
    same_as(one, before)
    wait_for(lambda: is_rewound(one), 40, "the first")
    one.regions["eu"].control(new_process=True)  # and with all of it there
    wait_for(lambda: is_rewound(one, 2), 40, "the second")
    same_as(one, before)


def test_what_was_not_known_then(fan):
    """A write whose answer was lost and that was never done; then others. Sent again as it was, it would undo them."""
    one = start(fan)
    one.regions["eu"].control(keep=True)
    one.regions["eu"].faults(reset="before", times=1, match="/notes/points/delete", method="POST")
    assert ask(one, "POST", PATH + "/delete?wait=true", {"points": [3]})[0] == 504
    write(one, "POST", "/payload", {"points": [3], "payload": {"after": True}})
    status, headers, _ = ask(one, "POST", PATH + "/payload?wait=true", {"points": [999], "payload": {}})
    assert (status, headers["x-sextant-outcome"]) == (404, "rejected")
    write(one, "PUT", "", {"points": [{"id": 999, "vector": [1, 1]}]})
    before = points(one, "eu")
    assert before[3][1]["after"]
    one.regions["eu"].control(cut=True)
    same_as(one, before)


def test_a_collection_that_was_made_anew(fan):
    """What was written to the one before does not come into it."""
    one = start(fan)
    assert ask(one, "DELETE", "/collections/notes")[0] == 200
    assert ask(one, "PUT", "/collections/notes", {"vectors": {"size": 2, "distance": "Dot"}})[0] == 200
    one.regions["eu"].control(keep=True)
    assert upsert(one, 500, 501)[0] == 200
    before = points(one, "eu")
    one.regions["eu"].control(cut=True)
    same_as(one, before)
    assert set(before) == {500, 501}


def test_the_edge_is_killed_meanwhile(fan):
    one = start(fan)
    one.regions["eu"].control(keep=True)
    for i in range(60):
        assert upsert(one, 100 + i)[0] == 200
    every_kind(one)
    before = points(one, "eu")
    home = one.regions["eu"]
    home.faults(hold=True, match="/notes/points", method="PUT")
    home.control(cut=True)
    wait_for(lambda: "of its last minute are sent again" in one.output(), 20, "the beginning")
    wait_for(lambda: home.control()["held"] >= 8, 20, "a part")
    home.control(release=True)
    wait_for(lambda: len(points(one, "eu")) > 35 and home.control()["held"], 20, "what comes after it")
    one.signal(signal.SIGKILL)
    one.process.wait()
    assert not is_known_by_now(one)
    home.control(clear=True)
    one.start()
    wait_for(lambda: is_rewound(one), 40, "the rewind")
    same_as(one, before)


def is_known_by_now(one):
    return "were sent again in" in one.output()


@pytest.mark.parametrize("how", ["power", pytest.param("kill", marks=pytest.mark.soak)])
@pytest.mark.skipif(bool(QDRANT), reason="a real server does not come late when it is told")
def test_what_an_earlier_rewind_sent_comes_late(fan, how):
    """Home is started anew once more, or the edge is, after a record was sent again that has no answer: it is older than what follows."""
    one = start(fan, quarantine="6s" if how == "power" else "16s")  # a claim is watched for six seconds
    eu = one.regions["eu"]
    assert upsert(one, 1, payload={"v": "older"})[0] == 200 and upsert(one, 1, payload={"v": "newer"})[0] == 200
    before = converged(one)
    eu.control(new_process=True, faults={"match": PATH, "method": "PUT", "reset": "after", "linger": -1, "times": 1})
    wait_for(lambda: "a write of its last minute waits" in one.output(), 40, "a record without an answer")
    if how == "kill":
        one.kill()
        one.start(settle=False)
    else:
        eu.control(new_process=True)
    wait_for(lambda: one.output().count("minute are sent again") == 2, 40, "the second rewind")
    soon, end = time.monotonic() + 2, time.monotonic() + 60
    while "were sent again in" not in one.output() and time.monotonic() < soon:  # it would be over by then, if nothing held it
        time.sleep(0.02)
    eu.control(release=True)
    wait_for(lambda: "were sent again in" in one.output(), end - time.monotonic(), "the end")
    same_as(one, before)


def test_home_is_away_for_long(fan):
    one = start(fan)
    one.regions["eu"].control(keep=True)
    every_kind(one)
    before = points(one, "eu")
    one.regions["eu"].control(refuse=True)
    one.regions["eu"].control(cut=True)
    nothing = {"points": [9999]}  # the first may be cut, and be sent again
    wait_for(lambda: ask(one, "POST", PATH + "/delete?wait=true", nothing)[1].get("x-sextant-error") == "NO_HEALTHY_CLUSTER", 20,
             "the verdict")
    began = time.monotonic()
    status, headers, _ = upsert(one, 1)
    assert (status, headers["x-sextant-error"], headers["x-sextant-outcome"]) == (503, "NO_HEALTHY_CLUSTER", "rejected")
    assert time.monotonic() - began < 20  # told at once: else it waits for a minute
    wait_for(lambda: time.monotonic() - began > 5, 10, "the end of the claim")
    one.regions["eu"].control(refuse=False)
    same_as(one, before)
    assert upsert(one, 201)[0] == 200
    assert all(lane["points_refused"] == 0 for lane in lanes(one))


def test_nobody_is_answered_by_a_home_that_lacks_something(fan):
    """A write that comes before the new process is noticed: what was acknowledged is not "not found"."""
    one = start(fan)
    for turn in range(4):
        one.regions["eu"].control(keep=True)
        assert upsert(one, 400 + turn)[0] == 200
        one.regions["eu"].control(cut=True)
        status, headers, got = ask(one, "POST", PATH + "/payload?wait=true", {"points": [400 + turn], "payload": {"late": turn}})
        assert (status, headers["x-sextant-outcome"]) in ((200, "committed"), (504, "indefinite")), (turn, got)
        wait_for(lambda t=turn: is_rewound(one, t + 1), 40, "the rewind")
        wait_for(lambda t=turn: points(one, "eu").get(400 + t, (0, {}))[1].get("late") == t, 20, "the write")
    assert {400, 401, 402, 403} <= set(converged(one, 40))


def test_a_home_that_lacks_something_selects_nothing(fan):
    """A filter that comes before the new process is noticed does not select what a point was before it lost its last seconds."""
    one = start(fan)
    where = {"must": [{"key": "g", "match": {"value": 1}}]}
    for turn in range(4):
        write(one, "PUT", "", {"points": [{"id": 500 + turn, "vector": [1.0, 1.0], "payload": {"g": 1}}]})
        one.regions["eu"].control(keep=True)
        write(one, "PUT", "/payload", {"points": [500 + turn], "payload": {"g": 2}})
        one.regions["eu"].control(cut=True)
        status, headers, got = ask(one, "POST", PATH + "/payload?wait=true", {"filter": where, "payload": {"wrong": turn}})
        assert status in (200, 503, 504), (turn, headers, got)
        wait_for(lambda t=turn: is_rewound(one, t + 1), 40, "the rewind")
    converged(one, 40)
    assert [points(one, "eu")[500 + turn][1] for turn in range(4)] == [{"g": 2}] * 4


def test_reads_go_to_copies_meanwhile(fan):
    one = start(fan, nearest="eu")
    one.regions["eu"].control(keep=True)
    for i in range(40):
        assert upsert(one, 400 + i)[0] == 200
    converged(one)
    one.regions["eu"].faults(hold=True, match="/notes/points", method="PUT")
    one.regions["eu"].control(cut=True)
    wait_for(lambda: "of its last minute are sent again" in one.output(), 20, "the beginning")
    for i in range(39, 20, -1):
        status, _, got = ask(one, "GET", PATH + f"/{400 + i}")
        assert status == 200, got
    wait_for(lambda: one.status()["journal"]["homes_rewinding"] == 1, 10, "what is shown of it")
    assert not is_known_by_now(one)
    one.regions["eu"].control(clear=True)
    wait_for(lambda: one.regions["eu"].control(release=True) and is_rewound(one), 40, "the rewind")
    wait_for(lambda: ask(one, "GET", PATH + "/400") and one.log()[-1]["cluster"] == "eu", 20, "reads at home")


@pytest.mark.skipif(not QDRANT, reason="of a real Qdrant")
def test_a_real_home_is_killed(fan):
    one = start(fan)
    every_kind(one)
    before = points(one, "eu")
    one.regions["eu"].kill()
    one.regions["eu"].start()
    wait_for(lambda: is_rewound(one), 60, "the rewind")
    same_as(one, before, 60)
