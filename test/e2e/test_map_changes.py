# SPDX-License-Identifier: Apache-2.0
"""The map is changed while its writes fan out: a copy is added or goes, a home moves, another edge takes over; nothing is lost."""
import glob
import json
import os
import signal
import threading
import time

import pytest
from sextant import call, wait_for
from test_ctl import ctl
from test_edges import SECRET
from test_fanout import KEY, VECTORS, ask, direct, lanes, points, upsert
from test_restart import pids

PATH = "/collections/notes/points"
NAMES = ("eu", "us", "ap")


class Site:
    """Regions, and edges before them whose map, homes and other edges stand in a file that may change."""

    def __init__(self, directory, region, edge, names=NAMES):
        self.directory, self.make = directory, edge
        self.regions = {name: region(name, keys={"rw": "key-" + name}) for name in names}

    def file(self, name):
        return self.directory / f"{name}.env"

    def say(self, name, text, owns="", edges=""):
        """What the edge of that name is to read next."""
        lines = [f"SEXTANT_PARTITION_MAP={text}", f"SEXTANT_OWNS={owns}", f"SEXTANT_EDGES={edges}"]
        with open(str(self.file(name)) + ".new", "w", encoding="utf-8") as file:
            file.write("\n".join(line for line in lines if not line.endswith("=")) + "\n")
        os.replace(str(self.file(name)) + ".new", self.file(name))

    def edge(self, name="one", regions=None, **options):
        os.makedirs(self.directory / f"journal-{name}", exist_ok=True)
        one = self.make([self.regions[n] for n in regions or self.regions], env_file=self.file(name),
                        journal_dir=self.directory / f"journal-{name}", journal_quota="16MiB", api_key=KEY,
                        edge_secret=SECRET, quarantine="500ms",
                        **{f"cluster_{n}_api_key": "key-" + n for n in regions or self.regions}, **options)
        one.regions = self.regions
        return one

    def collection(self, one, at=NAMES):
        wait_for(lambda: ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200, 30, "the claim and the collection")
        self.same(one, at)

    def same(self, one, at=NAMES, seconds=40):
        """Wait until these regions hold the same; that is returned."""
        def equal():
            held = [points(one, name) for name in at]
            return [held[0]] if held[0] is not None and all(h == held[0] for h in held) else None
        try:
            return wait_for(equal, seconds, "convergence")[0]
        except AssertionError:
            held = {n: sorted(points(one, n) or []) for n in at}
            raise AssertionError(f"{held} {lanes(one)} {one.output()[-2000:]}") from None


@pytest.fixture
def site(tmp_path, region, edge):
    return Site(tmp_path, region, edge)


def reload(one):
    """(is it in use?, what was said about it)."""
    code, out, err = ctl(one, "reload")
    return code == 0, out + err


def accepted(one):
    """A reload, which is refused while a home cannot be asked."""
    said = []
    try:
        wait_for(lambda: said.append(reload(one)) or said[-1][0], what="the reload", every=0.2)
    except AssertionError:
        raise AssertionError(said[-1]) from None


def frozen(one):
    return json.loads(ctl(one, "freeze", "--json")[1])["frozen"]


def drained(one, target, *options):
    code, out, err = ctl(one, "freeze", target, "--wait", "--timeout", "50", *options)
    assert code == 0, (out, err, one.output()[-1500:])
    return out


def saved(site):
    return max(map(os.path.getmtime, glob.glob(str(site.directory / "journal-one" / "checkpoint-*"))))


def is_refused(got):
    status, headers, _ = got
    return (status, headers.get("x-sextant-error"), headers.get("x-sextant-outcome"), headers.get("retry-after")) == (
        503, "PARTITION_FROZEN", "rejected", "10")


def lane_names(one):
    return {f"{lane['home']}/{lane['copy']}" for lane in lanes(one)}


def is_walked(one):
    return all((lane["walk"] or {"state": "over"})["state"] == "over" for lane in lanes(one))


def test_a_copy_goes_and_comes_back(site):
    """Refused until it is drained; frozen outlives kill -9; what was written while it was none reaches it when it is one again."""
    site.say("one", "* *=eu,us,ap fanout=async", "eu")
    one = site.edge()
    site.collection(one)
    assert upsert(one, 1, 2, 3)[0] == 200
    site.same(one)
    if not site.regions["ap"].is_real:
        site.regions["ap"].pause()
    assert upsert(one, 4, 5)[0] == 200
    site.say("one", "* *=eu,us fanout=async", "eu")
    ok, said = reload(one)
    assert not ok and "partition * loses its copy ap, and is not drained" in said and "wait for eu/ap" in said, said
    assert "sextant ctl freeze '*' --wait" in said
    assert ctl(one, "freeze", "*", "--reason", "ap goes")[0] == 0
    assert is_refused(upsert(one, 6)) and is_refused(ask(one, "PUT", "/collections/more", VECTORS))
    assert is_refused(ask(one, "POST", PATH + "/delete?wait=true", {"filter": {}}))
    assert ask(one, "GET", PATH + "/5")[0] == 200
    wait_for(lambda: one.metric("sextant_frozen_partitions") == 1, 10, "the metric")
    one.kill()
    site.say("one", "* *=eu,us,ap fanout=async", "eu")
    one.start(settle=False)
    wait_for(lambda: is_refused(upsert(one, 6)), 20, "it is still frozen")
    row = wait_for(lambda: frozen(one), 10, "what is frozen")[0]
    assert (row["line"], row["partition"], row["home"], row["reason"], row["drained"]) == ("*", "*", "eu", "ap goes", False)
    if not site.regions["ap"].is_real:
        wait_for(lambda: "for ap" in frozen(one)[0]["left"], 20, "what is left")
        site.regions["ap"].resume()
    assert "drained" in drained(one, "*")
    assert set(site.same(one)) == {1, 2, 3, 4, 5}
    site.say("one", "* *=eu,us fanout=async", "eu")
    accepted(one)
    wait_for(lambda: lane_names(one) == {"eu/us"}, 20, "the lane to go")
    assert is_refused(upsert(one, 6))  # as long as nobody says otherwise
    assert ctl(one, "unfreeze", "*") == (0, "*: writes are taken again\n", "")
    assert upsert(one, 6, 7)[0] == 200 and ask(one, "POST", PATH + "/delete?wait=true", {"points": [1]})[0] == 200
    site.same(one, ("eu", "us"))
    one.kill()  # that it was none is remembered
    site.say("one", "* *=eu,us,ap fanout=async", "eu")
    one.start(settle=False)
    wait_for(lambda: upsert(one, 8)[0] == 200, 30, "the claim")
    assert set(site.same(one)) == {2, 3, 4, 5, 6, 7, 8}
    assert lane_names(one) == {"eu/us", "eu/ap"}


@pytest.mark.parametrize("how", ["reload", "start"])
def test_a_copy_comes_back_to_a_line(site, how):
    """Its lane lived on for another line, and had nothing of what was written to this one meanwhile."""
    without, both = "notes *=eu,ap fanout=async; * *=eu,us,ap fanout=async", "notes *=eu,us,ap fanout=async; * *=eu,us,ap fanout=async"
    site.say("one", both, "eu")
    one = site.edge()
    site.collection(one)
    assert upsert(one, *range(20))[0] == 200
    site.same(one)
    drained(one, "notes")
    site.say("one", without, "eu")
    accepted(one)
    assert ctl(one, "unfreeze", "notes")[0] == 0
    assert upsert(one, 3, 40, payload={"n": "newer"})[0] == 200 and ask(one, "POST", PATH + "/delete?wait=true", {"points": [1]})[0] == 200
    home = site.same(one, ("eu", "ap"))
    assert set(points(one, "us")) == set(range(20)) and lane_names(one) == {"eu/us", "eu/ap"}
    if how == "start":
        written = time.time()
        wait_for(lambda: saved(site) > written, 20, "a checkpoint")
        one.kill()
        site.say("one", both, "eu")
        one.start(settle=False)
    else:
        site.say("one", both, "eu")
        accepted(one)
    assert site.same(one) == home
    wait_for(lambda: is_walked(one), 30, "the end of the walk")
    assert points(one, "us") == home


def test_a_copy_that_is_away_for_ever(site):
    site.say("one", "users *=eu,us,ap fanout=async; * *=eu,us fanout=async", "eu")
    one = site.edge()
    site.collection(one, ("eu", "us"))
    assert ask(one, "PUT", "/collections/users", VECTORS)[0] == 200
    wait_for(lambda: direct(site.regions["ap"], "GET", "/collections/users")[0] == 200, 30, "the collection")
    wait_for(lambda: is_walked(one), 40, "the first comparison")
    site.regions["ap"].kill()
    assert ctl(one, "resync", "eu/ap")[0] == 0  # which is not over as long as it is away
    body = {"points": [{"id": i, "vector": [1, 1]} for i in range(5)]}
    assert ask(one, "PUT", "/collections/users/points?wait=true", body)[0] == 200
    assert ctl(one, "freeze", "users", "--without", "mars")[0] == 1
    assert ctl(one, "freeze", "users")[0] == 0
    wait_for(lambda: "5 points for ap" in frozen(one)[0]["left"], 20, "what is left")
    assert ctl(one, "freeze", "--wait", "--timeout", "1")[0] == 1  # for all that is frozen
    out = drained(one, "*")  # for this line, whatever waits elsewhere
    assert "users" not in out, out
    assert ctl(one, "unfreeze", "*")[0] == 0
    drained(one, "users", "--without", "ap")
    assert upsert(one, 1)[0] == 200  # another line is not concerned
    site.say("one", "users *=eu,us fanout=async; * *=eu,us fanout=async", "eu")
    accepted(one)
    wait_for(lambda: lane_names(one) == {"eu/us"}, 20, "the lane to go")
    assert ctl(one, "unfreeze", "users")[0] == 0
    assert ask(one, "PUT", "/collections/users/points?wait=true", body)[0] == 200


def test_the_home_moves(site):
    site.say("one", "* *=eu,us,ap fanout=async", "eu")
    one = site.edge()
    site.collection(one)
    assert upsert(one, *range(20))[0] == 200
    site.say("one", "* *=us,eu,ap fanout=async", "us")
    assert "loses its home eu" in reload(one)[1]
    drained(one, "notes")
    wait_for(lambda: "sextant ctl release eu" in reload(one)[1], what="the advice")  # or that home cannot be asked now
    assert ctl(one, "release", "us")[0] == 1
    assert ctl(one, "release", "eu") == (0, "eu: its claim is given up; another edge may take it\n", "")
    accepted(one)
    wait_for(lambda: lane_names(one) == {"us/eu", "us/ap"}, 20, "the lanes")
    wait_for(lambda: ask(one, "POST", PATH + "/delete?wait=true", {"points": [0]})[0] == 200, 40, "the claim on us")
    status, headers, _ = upsert(one, 100)
    assert (status, headers["x-sextant-done"].split(",")[0]) == (200, "us")
    assert set(site.same(one)) == set(range(1, 20)) | {100}
    wait_for(lambda: is_walked(one), 40, "the comparisons")
    one.kill()
    one.start(settle=False)
    wait_for(lambda: upsert(one, 101)[0] == 200, 40, "the claim")
    assert 101 in site.same(one)


class Writer(threading.Thread):
    """Upserts points of its own one after the other, and keeps those that were committed."""

    def __init__(self, one, first):
        super().__init__(daemon=True)
        self.one, self.next, self.end, self.done, self.other = one, first, threading.Event(), [], []

    def run(self):
        while not self.end.wait(0.01):
            try:
                status, headers, _ = upsert(self.one, self.next)
                (self.done if status == 200 else self.other).append(self.next)
                assert status == 200 or headers.get("x-sextant-outcome") == "rejected" or status >= 500
            except OSError:
                self.other.append(self.next)
            self.next += 1


def test_another_edge_takes_over(site):
    """A freezes, drains and gives up; B claims; writes at A follow, and clients of both never lose one."""
    text = "* *=eu,us,ap fanout=async"
    site.say("one", text, "eu")
    one = site.edge()
    site.collection(one)
    site.say("two", text, "", f"first {one.url} owns=eu")
    two = site.edge("two")
    writers = [Writer(one, 1000), Writer(two, 5000)]
    for writer in writers:
        writer.start()
    try:
        wait_for(lambda: all(len(w.done) > 10 for w in writers), 30, "writes")
        assert ctl(one, "release", "eu")[0] == 1
        drained(one, "*")
        assert ctl(one, "release", "eu")[0] == 0
        os.rmdir(site.directory / "journal-two")  # it owned nothing so far, and opens its journal now
        site.say("two", text, "eu")
        ok, said = reload(two)
        assert not ok and "SEXTANT_JOURNAL_DIR" in said and "cannot be opened" in said and "No such file" in said, said
        os.mkdir(site.directory / "journal-two")
        ok, said = reload(two)
        assert ok and "a restart is needed" not in two.output(), said
        counts = [len(w.done) for w in writers]
        for writer in writers:
            writer.one = two
        wait_for(lambda: len(writers[1].done) > counts[1] + 10, 60, "writes by the new owner")
        site.say("one", text, "", f"second {two.url} owns=eu")
        accepted(one)
        wait_for(lambda: not lane_names(one), 20, "the end of the lanes")
        writers[0].one = one
        counts = [len(w.done) for w in writers]
        wait_for(lambda: all(len(w.done) > n + 10 for w, n in zip(writers, counts)), 40, "forwarded writes")
    finally:
        for writer in writers:
            writer.end.set()
            writer.join(60)
    assert set(site.same(two)) >= {n for w in writers for n in w.done}
    assert two.metric("sextant_writes_taken_total") > 0 and two.metric("sextant_journal_commits_total") > 0
    assert 'rule="fan-out"' in two.admin("/metrics")
    one.stop()
    one.start(settle=False)  # nothing of it is left that would say no
    wait_for(lambda: upsert(one, 1)[0] == 200, 30, "a forwarded write")


def take_back(one, n):
    assert ctl(one, "unfreeze", "*")[0] == 0
    wait_for(lambda: upsert(one, n)[0] == 200, 40, "the claim")


def lose_process(one, region):
    """It is started anew, and is sent its last minute again."""
    before = one.output().count("were sent again in")
    region.control(new_process=True)
    wait_for(lambda: one.output().count("were sent again in") > before, 40, "the rewind")


def test_a_home_that_was_given_up_is_taken_back(site):
    """What others wrote meanwhile stays: neither a rewind nor a copy that they could not reach brings back what was before."""
    site.say("one", "* *=eu,us,ap fanout=async", "eu")
    one = site.edge()
    site.collection(one)
    assert upsert(one, 1, 2, 3, *range(10, 30), payload={"by": "one"})[0] == 200
    drained(one, "*")
    assert ctl(one, "release", "eu")[0] == 0
    take_back(one, 4)  # nobody else had it
    drained(one, "*")
    assert ctl(one, "release", "eu")[0] == 0
    site.say("two", "* *=eu,us,ap fanout=async", "eu")
    two = site.edge("two")
    wait_for(lambda: upsert(two, 5)[0] == 200, 30, "the claim")
    ap = site.regions["ap"]
    if not ap.is_real:
        ap.pause()
    assert upsert(two, 1, payload={"by": "two"})[0] == 200
    assert ask(two, "POST", PATH + "/delete?wait=true", {"points": [2]})[0] == 200
    drained(two, "*", "--without", "ap")
    assert ctl(two, "release", "eu")[0] == 0
    two.stop()
    if not ap.is_real:
        ap.resume()
    take_back(one, 6)
    if not ap.is_real:
        lose_process(one, site.regions["eu"])
    held = site.same(one)
    assert set(held) == {1, 3, 4, 5, 6, *range(10, 30)} and held[1][1] == {"by": "two"}, held
    one.kill()
    one.start(settle=False)
    wait_for(lambda: upsert(one, 7)[0] == 200, 40, "the claim")
    held = site.same(one)
    assert set(held) == {1, 3, 4, 5, 6, 7, *range(10, 30)} and held[1][1] == {"by": "two"}, held


def test_a_kill_while_a_home_is_given_up(site):
    """The claim is free, and the journal does not know: another edge may take it. It is not taken back but by order."""
    site.say("one", "* *=eu,us,ap fanout=async", "eu")
    one = site.edge()
    site.collection(one)
    one.stop()
    one.env["SEXTANT_TEST_CRASH_POINT"] = "release.free"
    one.start()
    wait_for(lambda: upsert(one, 1, payload={"by": "one"})[0] == 200, 30, "the claim")
    drained(one, "*")
    assert ctl(one, "release", "eu")[0] != 0
    one.process.wait(20)
    del one.env["SEXTANT_TEST_CRASH_POINT"]
    site.say("two", "* *=eu,us,ap fanout=async", "eu")
    two = site.edge("two")
    wait_for(lambda: upsert(two, 1, payload={"by": "two"})[0] == 200, 30, "the claim")
    drained(two, "*")
    assert ctl(two, "release", "eu")[0] == 0
    two.stop()
    one.start(settle=False)
    wait_for(lambda: "another journal claims it" in one.output(), 30, "the refusal")
    assert is_refused(upsert(one, 2))
    assert ctl(one, "release", "eu")[0] == 0
    take_back(one, 2)
    if not site.regions["eu"].is_real:
        lose_process(one, site.regions["eu"])
    held = site.same(one)
    assert set(held) == {1, 2} and held[1][1] == {"by": "two"}, held


def test_a_start_with_another_map(site):
    site.say("one", "* *=eu,us,ap fanout=async", "eu")
    one = site.edge()
    site.collection(one)
    if site.regions["ap"].is_real:
        site.regions["ap"].kill()
    else:
        site.regions["ap"].pause()
    assert upsert(one, 1, 2, 3)[0] == 200
    for text, owns, why in (
            ("* *=eu,us fanout=async", "eu", "3 points of collection notes wait to be brought from eu to ap, and line 1 of the map"),
            ("* *=us,eu fanout=async", "us", "wait to be brought from eu to"),
            ("other *=eu,us,ap fanout=async", "eu", "no line of the map takes it")):
        one.stop()
        site.say("one", text, owns)
        with pytest.raises(AssertionError, match="Changing the map"):
            one.start()
        assert why in one.output(), one.output()[-1500:]
        one.process = None
    site.say("one", "* *=eu,us,ap fanout=async", "eu")
    one.start(settle=False)
    if site.regions["ap"].is_real:
        site.regions["ap"].start()
    else:
        site.regions["ap"].resume()
    wait_for(lambda: upsert(one, 4)[0] == 200, 30, "the claim")
    assert set(site.same(one)) == {1, 2, 3, 4}
    drained(one, "*")
    one.stop()
    site.say("one", "* *=us,eu,ap fanout=async", "us")
    with pytest.raises(AssertionError, match="sextant ctl release eu"):
        one.start()
    one.process = None


def test_a_copy_is_added_under_writes(site):
    """What is written while it joins reaches it too, by whatever is under way; aliases and collections come along."""
    site.say("one", "* *=eu,us fanout=async", "eu")
    one = site.edge(workers=4)
    site.collection(one, ("eu", "us"))
    alias = {"actions": [{"create_alias": {"collection_name": "notes", "alias_name": "words"}}]}
    assert ask(one, "POST", "/collections/aliases", alias)[0] == 200
    assert upsert(one, *range(400))[0] == 200
    if not site.regions["eu"].is_real:
        site.regions["eu"].faults(delay=0.05)
    writers = [Writer(one, 10000 * (i + 1)) for i in range(4)]
    for writer in writers:
        writer.start()
    try:
        wait_for(lambda: all(len(w.done) > 5 for w in writers), 30, "writes")
        site.say("one", "* *=eu,us,ap fanout=async", "eu")
        accepted(one)
        wait_for(lambda: lane_names(one) == {"eu/us", "eu/ap"}, 20, "the lane")
        wait_for(lambda: len(points(one, "ap") or []) > 400, 90, "its points")
    finally:
        for writer in writers:
            writer.end.set()
            writer.join(60)
    assert not [w.other for w in writers if w.other]
    assert set(site.same(one)) == set(range(400)) | {n for w in writers for n in w.done}
    wait_for(lambda: direct(site.regions["ap"], "GET", PATH.replace("notes", "words") + "/1")[0] == 200, 20, "the alias")


def test_frozen_goes_to_the_next_process(site):
    site.say("one", "users,users_v* europe=eu,us *=ap fanout=async; * *=us", "eu")
    one = site.edge(drain_timeout="20s")
    users = "/collections/users"
    assert ask(one, "PUT", users, VECTORS)[0] == 200
    body = {"points": [{"id": 1, "vector": [1, 1]}]}
    assert ctl(one, "freeze", "users/asia")[0] == 1 and ctl(one, "freeze", "other")[0] == 1
    assert ctl(one, "freeze", "users_v*/europe")[0] == 0
    assert is_refused(ask(one, "PUT", users + "/points", body))
    headers = {"api-key": KEY}
    assert call(one.port, "PUT", users + "/points?wait=true", body, "US", headers)[0] == 200  # a partition without copies
    one.signal(signal.SIGUSR2)
    wait_for(lambda: pids(one.output()), 40, "the hand-over")
    wait_for(lambda: "taken over after" in one.output(), 40, "the journal")
    assert is_refused(ask(one, "PUT", users + "/points", body))
    with open(os.path.join(one.directory, "ports.json"), encoding="utf-8") as file:
        one.admin_port = int(json.load(file)["admin"].rsplit(":", 1)[1])
    assert ctl(one, "unfreeze", "users", "--admin", f"http://127.0.0.1:{one.admin_port}")[0] == 0
    wait_for(lambda: ask(one, "PUT", users + "/points?wait=true", body)[0] == 200, 20, "a write")


def test_writes_past_another_edge_are_refused(site):
    """A map that knows nothing of the fan-out does not write to its home, until that is given up."""
    site.say("one", "* *=eu,us fanout=async", "eu")
    one = site.edge(regions=("eu", "us"))
    site.collection(one, ("eu", "us"))
    site.say("two", "other *=ap; * *=eu")
    site.regions["ap"].pause()  # nothing waits for it
    two = site.edge("two", regions=("eu", "ap"), settle=False)
    status, headers, _ = wait_for(lambda: (lambda got: got if got[0] == 503 else None)(upsert(two, 1)), 20, "the refusal")
    assert (status, headers["x-sextant-error"]) == (503, "CLUSTER_CLAIMED")
    assert not two.status().get("qdrant_version"), "it was refused only when all clusters had been asked for all"
    site.regions["ap"].resume()
    assert ask(two, "PUT", "/collections/more", VECTORS)[1]["x-sextant-error"] == "CLUSTER_CLAIMED"
    assert ask(two, "GET", "/collections/notes")[0] == 200
    assert "writes to it are refused here" in two.output()
    assert upsert(one, 2)[0] == 200
    drained(one, "*")
    assert ctl(one, "release", "eu")[0] == 0
    assert reload(two)[0]  # which asks again at once
    wait_for(lambda: upsert(two, 3)[0] == 200, 30, "a write to a cluster that is nobody's")


def test_no_more_copies_than_can_be_kept_in_mind(site):
    """A home has had 64 since its journal was begun; the 65th is refused, at a reload with its writes, and at a start."""
    def say(copies):
        names = [*(f"c{i}" for i in range(63)), "d0", "d1"]
        clusters = "; ".join([f"eu {site.regions['eu'].url} at=DE", *(f"{n} http://127.0.1.{i}:9 at=US" for i, n in enumerate(names) if n in copies)])
        site.say("one", f"* *=eu,{','.join(copies)} fanout=async", "eu\nSEXTANT_CLUSTERS=\"" + clusters + "\"")
    first = [f"c{i}" for i in range(63)]
    say(first)
    one = site.edge(regions=("eu",), clusters=None, settle=False)
    wait_for(lambda: ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200, 30, "the claim and the collection")
    assert upsert(one, 1)[0] == 200
    drained(one, "*", "--without", ",".join(first))
    for last, ok in ((["d0"], True), (["d0", "d1"], False)):
        say(last)
        assert reload(one)[0]
        wait_for(lambda n=last: lane_names(one) == {"eu/d0"}, 20, "the lanes")
        assert ctl(one, "unfreeze", "*")[0] == 0
        status, headers, _ = upsert(one, 2)
        assert (status, headers.get("x-sextant-error")) == ((200, None) if ok else (503, "LANE_FULL"))
    assert "it would have had more than 64 copies" in one.output()
    since = time.time()  # what went without them is in no checkpoint yet: a start would find it waiting for the last of them
    wait_for(lambda: any(f.stat().st_mtime > since for f in (site.directory / "journal-one").glob("checkpoint*")), what="a checkpoint")
    one.stop()
    with pytest.raises(AssertionError, match="too many copies"):
        one.start()
    one.process = None
