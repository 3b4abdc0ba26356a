# SPDX-License-Identifier: Apache-2.0
"""Draining, taking down and bringing back: under load, over restarts, and what is refused."""
import copy
import json
import os
import subprocess
import threading

import pytest
from load import Load
from sextant import CALLERS, PLACES, SEXTANT, call, request, wait_for

MAP = "* *=eu,us,ap copies=external write=nearest"
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}
JSON = {"content-type": "application/json"}


def order(one, path, target, reason=None, by="anna@desk"):
    body = {"target": target, "by": by, **({"reason": reason} if reason is not None else {})}
    status, _, raw = request(one.admin_port, "POST", path, json.dumps(body), JSON)
    return status, json.loads(raw)


def overrides(one):
    return {o["target"]: o["state"] for o in json.loads(one.admin("/overrides"))["overrides"]}


def read(one, collection="c", caller="DE"):
    return one.call("POST", f"/collections/{collection}/points/scroll", {}, caller)


@pytest.fixture
def world(regions, edge):
    """An edge for which eu is near, us farther, and ap farthest."""
    for one in regions[1:]:
        one.faults(latency=0.05 if one.name == "us" else 0.15)
    one = edge(regions, MAP, nearest=("eu", "us"))
    assert one.call("PUT", "/collections/c", VECTORS)[0] == 200
    return one, regions


def test_drained_under_load_without_a_failure(world):
    one, _ = world
    with Load(one.port, "c", CALLERS["DE"]) as load:
        for path in ("/drain", "/up", "/down", "/up"):
            before = len(load.answers)
            wait_for(lambda n=before: len(load.answers) > n + 100, 20, "the load")
            status, answer = order(one, path, "eu", "new disks")
            assert status == 200 and answer["survives_restart"], answer
            done, size = load.now(), len(load.answers)
            if path != "/up":
                wait_for(lambda n=size: len(load.answers) > n + 100, 20, "the load")
                late = {a.cluster for a in load.answers[size:] if a.at > done}
                assert "eu" not in late and late, late
                wait_for(lambda: one.cluster_state("eu")["outstanding"] == 0, what="the end of what was under way")
        load.stop()
    # A write that was under way when its endpoint was taken down may not be moved, and finishes there.
    failed = [a for a in load.answers if a.status != 200]
    assert not failed, failed[:5]
    assert len({a.cluster for a in load.answers}) > 1


def test_what_runs_may_finish_and_nothing_is_kept_open(world):
    one, regions = world
    for _ in range(5):
        assert read(one)[1]["x-sextant-cluster"] == "eu"
    regions[0].faults(delay=1.5, match="points/scroll")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(read(one)))
    thread.start()
    wait_for(lambda: one.cluster_state("eu")["outstanding"] == 1, 10, "the request")
    assert order(one, "/drain", "eu")[0] == 200
    assert read(one)[1]["x-sextant-cluster"] != "eu"
    thread.join()
    assert answers[0][0] == 200 and answers[0][1]["x-sextant-cluster"] == "eu"
    # What is left are connections of probes.
    wait_for(lambda: one.cluster_state("eu")["connections"] <= 1, 10, "closed connections")


def test_down_moves_what_may_be_moved(world):
    one, regions = world
    regions[0].faults(delay=8, match="points/scroll")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(read(one)))
    thread.start()
    wait_for(lambda: one.cluster_state("eu")["outstanding"] == 1, 10, "the request")
    assert order(one, "/down", "eu", "on fire")[0] == 200
    thread.join()
    assert answers[0][0] == 200 and answers[0][1]["x-sextant-cluster"] != "eu"
    assert answers[0][1]["x-sextant-attempts"] == "2"


def test_the_answer_says_why(regions, edge):
    one = edge(regions, "users europe=eu *=us\n* *=eu,us copies=external", local_cluster="eu", nearest="eu")
    status, answer = order(one, "/drain", "eu", "new \"disks\" \x1b[2J")
    assert status == 200
    assert (answer["target"], answer["state"], answer["was"]) == ("eu", "drain", "up")
    assert answer["by"] == "anna@desk, 127.0.0.1" and answer["since"].endswith("Z")
    assert "line 1 (users): nothing serves partition europe now" in answer["warnings"]
    assert "line 2 (*): writes of partition * are refused, as this is their home" in answer["warnings"]
    status, headers, body = read(one, "users")
    assert (status, headers["x-sextant-error"]) == (503, "NO_HEALTHY_CLUSTER")
    assert "cluster eu is drained by the operator: new \"disks\" \x1b[2J" in body["status"]["error"]
    assert read(one, "users", "US")[1]["x-sextant-cluster"] == "us"
    assert one.call("PUT", "/collections/other/points", {"points": []})[1]["x-sextant-error"] == "NO_HEALTHY_CLUSTER"
    assert one.call("PUT", "/collections/other", VECTORS)[1]["x-sextant-error"] == "NO_HEALTHY_CLUSTER"
    assert one.call("GET", "/readyz")[0] == 200
    state = one.cluster_state("eu")
    assert state["override"]["state"] == "drain" and state["up"] is False
    assert state["endpoints"][0]["override"] is None
    metrics = one.admin("/metrics")
    assert 'sextant_endpoint_override{cluster="eu",endpoint="1",' in metrics
    assert one.metric("sextant_endpoint_override") == 1
    assert 'sextant_cluster_up{cluster="eu"} 1' in metrics
    plan = json.loads(one.admin("/explain?ip=192.0.2.7&collection=other"))
    assert plan["reason"] == "failover" and plan["left_out"] == [
        {"cluster": "eu", "override": "drain", "reason": "new \"disks\" \x1b[2J"}]
    text = one.admin("/explain?ip=192.0.2.7&collection=users&format=text")
    assert "left out    eu  drained by the operator: new" in text and "503 NO_HEALTHY_CLUSTER" in text
    assert "override: eu drained (was up) by anna@desk, 127.0.0.1: new \"disks\"  [2J" in one.output()
    assert [e["kind"] for e in one.status()["events"]][0] == "override"
    assert order(one, "/up", "eu")[1]["was"] == "drain"
    assert read(one, "users")[0] == 404 and one.status()["events"][0]["kind"] == "override-lifted"


def test_never_tried_when_all_are_down(regions, edge):
    one = edge(regions, MAP, probe_fall="1")
    assert one.call("PUT", "/collections/c", VECTORS)[0] == 200
    assert order(one, "/drain", "eu", "maintenance")[0] == 200
    for region in regions[1:]:
        region.kill()
    wait_for(lambda: not any(c["up"] for c in one.status()["clusters"]), 20, "the fall of all others")
    for _ in range(10):
        status, headers, _ = read(one)
        assert status == 503 and headers["x-sextant-error"] == "NO_HEALTHY_CLUSTER"
    assert order(one, "/up", "eu")[0] == 200
    assert read(one)[0] == 200


def test_one_endpoint_of_two(region, edge):
    eu, spare = region("eu"), region("us")
    one = edge([eu], "* *=eu", clusters=f"eu {eu.url},{spare.url} at={PLACES['eu']}")
    for target in (eu, spare):
        assert call(target.port, "PUT", "/collections/c", VECTORS)[0] == 200
    status, answer = order(one, "/drain", "eu/2", "new disks")
    assert (status, answer["warnings"]) == (200, [])
    spare.faults(status=400, match="points/scroll")
    assert {read(one)[0] for _ in range(60)} == {200}
    endpoint = one.cluster_state("eu")["endpoints"][1]
    assert endpoint["override"]["reason"] == "new disks" and endpoint["usable"]
    spare.faults(status=0)
    # The other one too: nothing is left, and the reason of one of them is given.
    assert order(one, "/drain", "eu/1")[0] == 200
    assert "cluster eu is drained by the operator: new disks" in read(one)[2]["status"]["error"]
    assert order(one, "/up", "eu")[1]["was"] == "up" and read(one)[0] == 503
    assert order(one, "/up", "eu/1")[0] == 200 and read(one)[0] == 200


def test_orders_that_are_none(region, edge):
    one = edge([region()], "* *=eu", settle=False)
    for path, body, status, error in (
            ("/drain", {"target": "eeu"}, 404, 'no cluster is called "eeu"; did you mean eu?'),
            ("/drain", {"target": "eu/2"}, 404, "cluster eu has 1 endpoint"),
            ("/up", {"target": "gone"}, 404, 'no cluster is called "gone"'),
            ("/drain", {"target": "eu/x"}, 400, "target: expected a cluster (eu) or an endpoint of it (eu/1)"),
            ("/down", {}, 400, "target: expected"), ("/down", {"target": 7}, 400, "target: expected"),
            ("/drain", {"target": "eu", "reason": 7}, 400, "reason: expected a text"),
            ("/drain", {"target": "eu", "reason": "x" * 501}, 400, "reason: 500 bytes at most")):
        got, _, raw = request(one.admin_port, "POST", path, json.dumps(body), JSON)
        assert got == status and error in json.loads(raw)["error"], (path, body)
    assert overrides(one) == {} and read(one)[0] == 404


def test_they_survive_a_kill(regions, edge, tmp_path):
    one = edge(regions, MAP)
    order(one, "/drain", "eu", "new disks")
    order(one, "/down", "us")
    order(one, "/drain", "ap")
    order(one, "/up", "ap")
    one.kill()
    one.start(settle=False)
    assert overrides(one) == {"eu": "drain", "us": "down"}
    assert read(one)[1]["x-sextant-cluster"] == "ap"
    assert "override in force: eu drain by anna@desk, 127.0.0.1 since " in one.output()
    # A cluster that the configuration has lost keeps its override, and it can be lifted all the same.
    full = one.env["SEXTANT_CLUSTERS"]
    one.kill()
    one.env["SEXTANT_CLUSTERS"] = full.replace("eu ", "eu-typo ", 1)
    one.env["SEXTANT_PARTITION_MAP"] = "* *=eu-typo,us,ap copies=external write=nearest"
    one.start(settle=False)
    assert "(the configuration does not have it; kept)" in one.output()
    assert [o["known"] for o in json.loads(one.admin("/overrides"))["overrides"]] == [False, True]
    assert order(one, "/up", "us")[0] == 200
    one.kill()
    one.env["SEXTANT_CLUSTERS"], one.env["SEXTANT_PARTITION_MAP"] = full, MAP
    one.start(settle=False)
    assert overrides(one) == {"eu": "drain"}
    assert read(one)[1]["x-sextant-cluster"] != "eu"
    assert order(one, "/up", "eu")[0] == 200


def test_a_damaged_file_is_refused(region, edge):
    one = edge([region()], "* *=eu", settle=False)
    order(one, "/drain", "eu", "new disks")
    assert one.stop() == 0
    path = os.path.join(one.directory, "overrides.json")
    with open(path, "rb") as file:
        good = file.read()
    for bad in (good[:-1], good[:len(good) // 2], b"", good.replace(b"eu", b"us"), b"\0" + good[1:], good + b" "):
        with open(path, "wb") as file:
            file.write(bad)
        done = subprocess.run([SEXTANT], env=one.env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "overrides.json in SEXTANT_STATE_DIR" in done.stderr and "restore the file, or remove it" in done.stderr
        with open(path, "rb") as file:
            assert file.read() == bad, "what is damaged is left as it is"
    with open(path, "wb") as file:
        file.write(good)
    one.start(settle=False)
    assert overrides(one) == {"eu": "drain"}


def test_an_order_that_cannot_be_kept_takes_effect(regions, edge):
    one = edge(regions, MAP)
    os.symlink("/dev/full", os.path.join(one.directory, "overrides.json.new"))
    status, answer = order(one, "/drain", "eu", "disk full")
    assert status == 200 and answer["survives_restart"] is False
    assert answer["warnings"][0].startswith("this will not survive a restart: overrides.json cannot be written: ")
    assert read(one)[1]["x-sextant-cluster"] != "eu"
    os.unlink(os.path.join(one.directory, "overrides.json.new"))
    assert order(one, "/drain", "eu", "disk full")[1]["survives_restart"]


def test_overrides_hold_through_a_reload(world):
    one, _ = world
    order(one, "/drain", "eu")
    assert request(one.admin_port, "POST", "/reload", b"{}", JSON)[0] == 200
    assert read(one)[1]["x-sextant-cluster"] != "eu" and overrides(one) == {"eu": "drain"}


def test_overrides_go_with_a_hand_over(world):
    one, _ = world
    order(one, "/drain", "eu", "new disks")
    fresh = copy.copy(one)
    fresh.process = None
    fresh.spawn([SEXTANT], one.env)
    try:
        lock = os.path.join(one.directory, "lock")
        wait_for(lambda: open(lock, encoding="utf-8").read().strip() == str(fresh.process.pid), 30, "the hand-over")
        wait_for(lambda: one.process.poll() is not None, 30, "the end of the old process")
        assert overrides(one) == {"eu": "drain"}
        assert "eu" not in {read(one)[1]["x-sextant-cluster"] for _ in range(20)}
        status, answer = order(one, "/down", "us", "by the successor")
        assert status == 200 and answer["survives_restart"]
        assert read(one)[1]["x-sextant-cluster"] == "ap"
    finally:
        assert fresh.stop() == 0
    one.start(settle=False)
    assert overrides(one) == {"eu": "drain", "us": "down"}
