# SPDX-License-Identifier: Apache-2.0
"""After a loss: an edge without its journal begins another one, and a home without its data is brought back from a copy."""
import glob
import os
import shutil
import signal
import subprocess

import pytest
from sextant import SEXTANT, call, wait_for
from test_ctl import ctl
from test_fanout import COPIES, VECTORS, ask, converged, direct, fan, lanes, points, upsert  # noqa: F401
from test_schema import inc, schema
from test_walks import PATH, delete, idle, lane, put, walk


def begin_new(directory, *words):
    done = subprocess.run([SEXTANT, "journal", "new", str(directory), *words], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def write_until_taken(one, n, seconds=60):
    return wait_for(lambda: upsert(one, n)[0] == 200, seconds, "a write", 0.2)


def events(one, kind):
    return [e for e in one.status()["events"] if e["kind"] == kind]


# --- a journal that was lost ----------------------------------------------------------------------------------------------


def test_a_lost_journal(fan, tmp_path):  # noqa: F811
    one = fan()
    assert upsert(one, *range(100))[0] == 200
    converged(one)
    idle(one)
    one.regions["us"].pause()
    assert upsert(one, 200, 201)[0] == 200
    assert ask(one, "POST", PATH + "/delete?wait=true", {"points": [1]})[0] == 200
    one.kill()
    shutil.rmtree(tmp_path / "journal")
    os.mkdir(tmp_path / "journal")
    one.regions["us"].resume()
    one.start()
    wait_for(lambda: "another journal claims it" in one.output(), 20, "the refusal")
    status, headers, _ = upsert(one, 300)
    assert (status, headers["x-sextant-error"]) == (503, "CLAIM_LOST")
    code, _, err = begin_new(tmp_path / "journal")
    assert code == 1 and "another process has this journal open" in err
    one.stop()
    code, out, err = begin_new(tmp_path / "journal")
    assert (code, err) == (0, "") and "a new journal" in out and "old-1" in out, (out, err)
    one.start()
    write_until_taken(one, 300)
    home = converged(one, 60)
    assert set(home) == set(range(100)) - {1} | {200, 201, 300}
    idle(one, 60)
    assert [e["subject"] for e in events(one, "claim-taken")] == ["eu"]
    assert not os.path.exists(tmp_path / "journal" / "takes-over")
    one.stop()
    one.start()
    write_until_taken(one, 301)
    assert not events(one, "claim-taken")


def test_a_damaged_journal(fan, tmp_path):  # noqa: F811
    """What was there is put aside, and a home whose owner lives is not taken."""
    one = fan()
    journal = tmp_path / "journal"
    assert upsert(one, 1)[0] == 200
    converged(one)
    wait_for(lambda: glob.glob(str(journal / "checkpoint-*")), 20, "a checkpoint")
    one.stop()
    code, _, err = begin_new(journal)
    assert code == 1 and "whole" in err and "--replace" in err, err
    shutil.copytree(journal, tmp_path / "copy")
    for name in glob.glob(str(journal / "segment-*.log")):
        with open(name, "r+b") as file:
            file.seek(24)
            file.write(b"\xff")
    code, out, _ = begin_new(journal)
    assert code == 0
    assert sorted(os.listdir(journal)) == ["identity", "lock", "old-1", "takes-over"]
    assert {"identity", "checkpoint-0"} & set(os.listdir(journal / "old-1")), out
    code, out, _ = begin_new(journal, "--replace")
    assert code == 0 and "old-2" in out
    # Another edge has the home: it renews its claim, which is not taken from it.
    env = dict(one.env)
    one.env["SEXTANT_JOURNAL_DIR"] = str(tmp_path / "copy")
    one.start()
    write_until_taken(one, 2)
    second = type(one)(tmp_path / "second", [])
    second.env = {**env, "SEXTANT_STATE_DIR": second.directory, "SEXTANT_ACCESS_LOG": second.log_file}
    try:
        second.start()
        wait_for(lambda: "another process renews the claim" in second.output(), 30, "the refusal")
        assert ask(second, "PUT", PATH + "?wait=true", {"points": [{"id": 5, "vector": [1, 1]}]})[0] == 503
        assert upsert(one, 3)[0] == 200
    finally:
        second.stop()


@pytest.mark.soak
def test_a_new_journal_waits_for_what_the_old_one_sent(fan, tmp_path):  # noqa: F811
    """Writes begin after a quarantine, also when the process ends in between."""
    one = fan(quarantine="1s")
    assert upsert(one, 1, payload={"v": "first"})[0] == 200
    converged(one)
    one.regions["eu"].faults(status=500, linger=-1, times=1, match=PATH, method="PUT")
    assert upsert(one, 1, payload={"v": "late"})[0] == 504
    one.kill()
    assert begin_new(tmp_path / "journal", "--replace")[0] == 0
    one.start()
    wait_for(lambda: "a new journal has it" in one.output(), 30, "the claim")
    one.kill()
    one.start()
    wait_for(lambda: one.output().count("a new journal has it") == 2, 30, "the claim")
    assert upsert(one, 1, query="?wait=true&timeout=3")[0] == 503
    one.regions["eu"].control(release=True)
    write_until_taken(one, 1)
    assert converged(one, 30)[1][1] == {"n": 1}


# --- a home that was lost -------------------------------------------------------------------------------------------------


def restored(one, seconds=90):
    try:
        wait_for(lambda: any(e["text"].endswith("writes go on") for e in events(one, "home-restore")), seconds, "the end")
    except AssertionError:
        raise AssertionError(lanes(one), one.output()[-3000:]) from None
    wait_for(lambda: one.status()["journal"]["homes_restoring"] == 0, 10, "what is shown of it")


def empty(one, name="eu"):
    """All of it is gone, with Sextant's own notes, and another process stands there."""
    region = one.regions[name]
    for each in direct(region, "GET", "/collections")[2]["result"]["collections"]:
        assert direct(region, "DELETE", "/collections/" + each["name"])[0] == 200
    region.control(new_process=True)


def test_an_emptied_home_is_brought_back(fan):  # noqa: F811
    one = fan(nearest="eu")
    assert ask(one, "PUT", "/collections/more", {**VECTORS, "metadata": {"team": "x"}})[0] == 200
    assert ask(one, "PUT", "/collections/gone", VECTORS)[0] == 200
    assert ask(one, "PUT", "/collections/more/index?wait=true", {"field_name": "n", "field_schema": "integer"})[0] == 200
    assert upsert(one, *range(500))[0] == 200
    alias = {"actions": [{"create_alias": {"alias_name": "now", "collection_name": "notes"}}]}
    assert ask(one, "POST", "/collections/aliases", alias)[0] == 200
    before = converged(one)
    wait_for(lambda: all(schema(one, c, "more") == schema(one, "eu", "more") and schema(one, c, "gone") for c in COPIES), 20, "copies")
    idle(one)
    us = one.regions["us"]
    us.faults(reset="before")  # so that it lacks what comes now: two writes, and the deletion of a collection
    assert upsert(one, 600, 601)[0] == 200
    assert ask(one, "DELETE", "/collections/gone")[0] == 200
    wait_for(lambda: set(points(one, "ap")) == set(before) | {600, 601}, 20, "the other copy")
    empty(one)
    us.control(clear=True)
    wait_for(lambda: "is gone" in one.output(), 20, "the loss")
    status, headers, _ = upsert(one, 700)
    assert (status, headers["x-sextant-error"]) == (503, "CLAIM_LOST")
    assert all(set(before) <= set(points(one, c)) for c in COPIES)
    code, _, err = ctl(one, "restore", "eu", "--from", "mars")
    assert code == 1 and "no home eu of this edge with a copy mars" in err
    code, _, err = ctl(one, "restore", "eu", "--from", "us")
    assert code == 1 and "us lacks changes of 2 points" in err, err
    code, out, err = ctl(one, "restore", "eu", "--from", "us", "--behind")
    assert (code, err) == (0, "") and out.startswith("eu: nothing else is written there"), (out, err)
    status, headers, _ = upsert(one, 700)
    assert (status, headers["x-sextant-error"]) == (503, "HOME_RESTORES")
    status, headers, _ = ask(one, "GET", "/collections/notes/points/1")
    assert (status, headers["x-sextant-reason"]) == (200, "incomplete"), "reads go to copies"
    code, _, err = ctl(one, "restore", "eu", "--from", "ap")
    assert code == 1 and "being restored from us" in err
    restored(one)
    # What us had not got was written within home's last minute, and is sent again.
    assert set(points(one, "eu")) == set(before) | {600, 601}
    write_until_taken(one, 701)
    assert set(converged(one, 40)) == set(before) | {600, 601, 701}
    idle(one, 60)
    assert schema(one, "eu", "more") == schema(one, "us", "more") and inc(one, "eu") == inc(one, "us")
    assert schema(one, "eu", "gone") is None, "what was deleted does not come back"
    wait_for(lambda: schema(one, "us", "gone") is None, 20, "and goes at the copy too")
    assert direct(one.regions["eu"], "GET", "/aliases")[2]["result"]["aliases"] == [{"alias_name": "now", "collection_name": "notes"}]
    one.stop()
    one.start()
    write_until_taken(one, 702)
    assert set(converged(one, 40)) == set(before) | {600, 601, 701, 702}


def test_a_home_that_lost_points(fan, tmp_path):  # noqa: F811
    """The process, the claim and a part of the data are still there; what only home has is kept in a file, and asked for if it is much."""
    one = fan()
    assert upsert(one, *range(100))[0] == 200
    before = converged(one)
    idle(one)
    eu = one.regions["eu"]
    delete(eu, {"points": list(range(50))})
    put(eu, [60], "drift")
    put(eu, range(1000, 1030), "only here")
    assert ctl(one, "restore", "eu", "--from", "us")[0] == 0
    wait_for(lambda: walk(one, "eu")["state"] == "stopped", 40, "the question")
    assert "`ctl restore eu --from us --delete`" in lane(one, "eu")["trouble"]
    assert set(range(1000, 1030)) <= set(points(one, "eu"))
    one.kill()
    one.start()
    wait_for(lambda: one.status()["journal"]["homes_restoring"] == 1, 10, "what is shown of it")
    wait_for(lambda: walk(one, "eu")["state"] == "stopped", 40, "the question")
    one.regions["us"].pause()  # so that it is not over before
    assert ctl(one, "restore", "eu", "--from", "us", "--delete")[0] == 0
    one.kill()
    one.regions["us"].resume()
    one.start()  # which knows what may be deleted
    restored(one)
    assert points(one, "eu") == before
    write_until_taken(one, 2000)
    assert set(converged(one, 40)) == set(before) | {2000}
    with open(tmp_path / "journal" / "walk-us-eu.jsonl", encoding="utf-8") as file:
        kept = file.read()
    assert kept.count('"deleted"') >= 30 and '"drift"' in kept


def restoring(one):
    return {row["home"]: (row["from"], row["stage"], row["delete"]) for row in one.status()["restoring"]}


def test_a_restore_is_called_off(fan):  # noqa: F811
    """As long as home was not changed: one that was whole goes on as it was, one that had lost its claim stays closed, also over kill -9."""
    one = fan(quarantine="3s")
    assert upsert(one, *range(50))[0] == 200
    before = converged(one)
    idle(one)
    assert ctl(one, "restore", "eu", "--cancel")[::2] == (1, "sextant ctl: no home eu of this edge is being restored (404)\n")
    assert ctl(one, "restore", "eu", "--from", "us")[0] == 0
    assert upsert(one, 60)[1]["x-sextant-error"] == "HOME_RESTORES"
    assert ctl(one, "restore", "eu", "--cancel") == (0, "eu: it is not brought back from us\n", "")
    write_until_taken(one, 60)
    assert set(converged(one)) == set(before) | {60}
    wait_for(lambda: not restoring(one), 10, "what is shown of it")
    empty(one)
    wait_for(lambda: "is gone" in one.output(), 20, "the loss")
    assert ctl(one, "restore", "eu", "--from", "us", "--delete")[0] == 0
    wait_for(lambda: restoring(one) == {"eu": ("us", "settles", True)}, 20, "the claim")
    code, out, err = ctl(one, "restore", "eu", "--cancel")
    assert (code, out, err) == (0, "eu: it is not brought back from us, and stays closed until it is restored\n", "")
    for _ in range(2):
        wait_for(lambda: restoring(one) == {"eu": ("us", "off", True)}, 20, "what is shown of it")
        assert upsert(one, 70)[1]["x-sextant-error"] == "HOME_RESTORES"
        assert "off" in ctl(one, "status")[1]
        one.kill()
        one.start()
    assert points(one, "eu") is None
    one.regions["ap"].faults(status=500, match="/points/scroll")
    code, out, err = ctl(one, "restore", "eu", "--from", "ap", "--behind")
    assert code == 0, (out, err)
    wait_for(lambda: restoring(one) == {"eu": ("ap", "walks", False)}, 40, "the walk")
    code, _, err = ctl(one, "restore", "eu", "--cancel")
    assert code == 1 and "is being changed already" in err, err
    one.regions["ap"].control(clear=True)
    restored(one)
    write_until_taken(one, 71)
    assert set(converged(one, 60)) == set(before) | {60, 71}


@pytest.mark.soak
@pytest.mark.parametrize("stage", ["claims", "walks", "over"])
def test_a_kill_while_it_is_restored(fan, stage):  # noqa: F811
    one = fan(walk_rate="1000")
    assert upsert(one, *range(600))[0] == 200
    before = converged(one)
    idle(one)
    empty(one)
    wait_for(lambda: "is gone" in one.output(), 20, "the loss")
    assert ctl(one, "restore", "eu", "--from", "ap")[0] == 0
    if stage == "walks":
        wait_for(lambda: walk(one, "eu")["points_passed"] >= 200, 40, "a part", 0.002)
    if stage == "over":
        restored(one)
    one.signal(signal.SIGKILL)
    one.process.wait()
    one.start()
    write_until_taken(one, 700, 90)
    assert set(converged(one, 40)) == set(before) | {700}
    idle(one, 60)
