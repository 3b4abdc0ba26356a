# SPDX-License-Identifier: Apache-2.0
"""What is known to lack data is not read: a copy that is being filled, a home that lost its data, at any edge, over restarts."""
import os
import shutil

from sextant import wait_for
from test_ctl import ctl
from test_fanout import ask, converged, direct, fan, lanes, upsert  # noqa: F401
from test_map_changes import Site, reload
from test_restore import empty, restored, write_until_taken
from test_walks import idle

PATH = "/collections/notes/points"


def read(one, point=1, **headers):
    status, got, _ = ask(one, "GET", f"{PATH}/{point}", headers=headers)
    return status, got.get("x-sextant-cluster"), got.get("x-sextant-reason")


def hold_walk(region):
    region.faults(hold=True, match="/points/count")


def let_walk(region):
    region.control(clear=True, release=True)


def is_passed_over(one, name, times=6):
    """By reads of whichever worker, and by lists. Right after a start it need not be the nearest."""
    got = [read(one) for _ in range(times)]
    assert all(status == 200 and cluster != name for status, cluster, _ in got), (got, lanes(one))
    wait_for(lambda: read(one)[2] == "incomplete", 20, "the reason")
    assert ask(one, "GET", "/collections/notes/exists")[2]["result"]["exists"]
    names = ask(one, "GET", "/collections")[2]["result"]["collections"]
    assert names == [{"name": "notes"}], names


def is_read(one, name, seconds=40):
    wait_for(lambda: read(one) == (200, name, "nearest"), seconds, f"reads of {name}")
    wait_for(lambda: not any(c["incomplete"] for c in one.status()["clusters"]), seconds, "that the others are whole")
    assert one.metric(f'sextant_cluster_incomplete{{cluster="{name}"}}') == 0


def shown(one, name):
    return next(c["incomplete"] for c in one.status()["clusters"] if c["name"] == name)


def test_a_copy_is_added(tmp_path, region, edge):
    """Not for a moment is it read before it has all, at either edge, whatever happens to the one that fills it."""
    site = Site(tmp_path, region, edge)
    before, after = "* *=eu,us fanout=async", "* *=eu,us,ap fanout=async"
    site.say("one", before, "eu")
    one = site.edge(nearest="ap", trusted_proxies="", trusted_callers="127.0.0.0/8")
    site.say("two", before, "", f"first {one.url} owns=eu")
    two = site.edge("two", nearest="ap")
    site.collection(one, ("eu", "us"))
    assert upsert(one, *range(50))[0] == 200
    site.same(one, ("eu", "us"))
    ap = site.regions["ap"]
    hold_walk(ap)
    for name, each, owns, edges in (("one", one, "eu", ""), ("two", two, "", f"first {one.url} owns=eu")):
        site.say(name, after, owns, edges)
        ok, said = reload(each)
        assert ok, said
        is_passed_over(each, "ap")
    wait_for(lambda: ap.control()["held"], 40, "the walk")
    is_passed_over(one, "ap")
    is_passed_over(two, "ap")
    assert shown(one, "ap") == shown(two, "ap") == ["eu"] and two.metric('sextant_cluster_incomplete{cluster="ap"}') == 1
    assert read(one, **{"x-sextant-cluster": "ap"})[:2] == (404, "ap"), "who is trusted may look"
    assert "left out    ap  incomplete" in ctl(one, "explain", "--ip", "192.0.2.1", "--collection", "notes")[1]
    assert "incomplete" in ctl(two, "status")[1]
    one.kill()
    is_passed_over(two, "ap")  # it becomes no more complete by that
    one.start(settle=False)
    is_passed_over(one, "ap")
    site.say("two", after, "", f"first {one.url} owns=eu")
    assert reload(two)[0]
    wait_for(lambda: ap.control()["held"], 40, "the walk, which goes on")
    is_passed_over(one, "ap")
    is_passed_over(two, "ap")
    let_walk(ap)
    is_read(one, "ap")
    is_read(two, "ap")
    assert all(read(two, n)[0] == 200 for n in range(50))


def test_a_copy_was_emptied(fan):  # noqa: F811
    one = fan(nearest="us")
    us = one.regions["us"]
    assert upsert(one, *range(300))[0] == 200
    converged(one)
    idle(one)
    is_read(one, "us")
    hold_walk(us)
    empty(one, "us")
    assert upsert(one, 1)[0] == 200  # cannot be shipped
    wait_for(lambda: read(one)[2] == "incomplete", 30, "the loss")
    wait_for(lambda: us.control()["held"], 30, "the walk")
    is_passed_over(one, "us")
    one.kill()
    one.start(settle=False)
    is_passed_over(one, "us")
    let_walk(us)
    is_read(one, "us")
    assert all(read(one, n)[:2] == (200, "us") for n in range(0, 300, 17))
    # One collection alone, and what is doubted although it has its data
    assert direct(us, "DELETE", "/collections/notes")[0] == 200
    assert upsert(one, 2)[0] == 200
    wait_for(lambda: read(one)[2] == "incomplete", 30, "the loss")
    is_read(one, "us")
    converged(one)
    idle(one)
    hold_walk(us)
    assert ctl(one, "resync", "eu/us")[0] == 0
    wait_for(lambda: us.control()["held"], 30, "the walk")
    assert read(one) == (200, "us", "nearest")
    let_walk(us)


def test_a_home_was_emptied(tmp_path, region, edge):
    """Reads go to the copy at both edges until it is restored."""
    site = Site(tmp_path, region, edge, ("eu", "us"))
    site.say("one", "* *=eu,us fanout=async", "eu")
    one = site.edge(nearest="eu")
    site.say("two", "* *=eu,us fanout=async", "", f"first {one.url} owns=eu")
    two = site.edge("two", nearest="eu")
    site.collection(one, ("eu", "us"))
    assert upsert(one, *range(100))[0] == 200
    site.same(one, ("eu", "us"))
    idle(one)
    is_read(one, "eu")
    empty(one)
    wait_for(lambda: "is gone" in one.output() and one.metric('sextant_cluster_incomplete{cluster="eu"}') == 1, 20, "the loss")
    is_passed_over(one, "eu")
    wait_for(lambda: read(two)[2] == "incomplete", 20, "the owner's word")
    assert one.stop() == 0
    is_passed_over(two, "eu")
    one.start(settle=False)
    is_passed_over(one, "eu")
    site.say("two", "* *=eu,us fanout=async", "", f"first {one.url} owns=eu")
    assert reload(two)[0]
    wait_for(lambda: [e for e in one.status()["events"] if e["kind"] == "claim-lost"], 20, "the loss, again")
    is_passed_over(one, "eu")
    code, _, err = ctl(one, "restore", "eu", "--from", "us", "--behind")
    assert code == 0, err
    while one.status()["journal"]["homes_restoring"]:
        is_passed_over(one, "eu", 1)
        is_passed_over(two, "eu", 1)
    restored(one)
    write_until_taken(one, 200)
    is_read(one, "eu")
    is_read(two, "eu")


def test_nothing_else_is_left(tmp_path, region, edge):
    """Rather no answer than a part."""
    site = Site(tmp_path, region, edge, ("eu", "us"))
    site.say("one", "* *=eu,us fanout=async", "eu")
    one = site.edge(nearest="us")
    site.collection(one, ("eu", "us"))
    assert upsert(one, 1)[0] == 200
    is_read(one, "us")  # a lane that is new may have nothing to compare yet
    hold_walk(site.regions["us"])
    empty(one, "us")
    assert upsert(one, 1)[0] == 200
    wait_for(lambda: read(one)[1:] == ("eu", "incomplete"), 30, "the loss of the copy")
    wait_for(lambda: site.regions["us"].control()["held"], 30, "the walk")
    empty(one)
    wait_for(lambda: read(one)[0] != 404 and read(one)[1] is None, 20, "the loss")
    status, headers, got = ask(one, "GET", PATH + "/1")
    assert (status, headers["x-sextant-error"], headers["retry-after"]) == (503, "CLUSTER_INCOMPLETE", "1"), got
    assert "incomplete: eu, us" in got["status"]["error"]
    assert ask(one, "GET", "/collections")[1]["x-sextant-error"] == "LIST_INCOMPLETE"
    let_walk(site.regions["us"])


def test_a_lost_journal_is_no_lost_home(fan, tmp_path):  # noqa: F811
    """Another journal's claim says nothing about data: home is read on."""
    one = fan(nearest="eu")
    assert upsert(one, 1)[0] == 200
    converged(one)
    idle(one)
    one.kill()
    shutil.rmtree(tmp_path / "journal")
    os.mkdir(tmp_path / "journal")
    one.start(settle=False)
    wait_for(lambda: "another journal claims it" in one.output(), 20, "the refusal")
    assert read(one) == (200, "eu", "nearest")
    assert not any(c["incomplete"] for c in one.status()["clusters"])
