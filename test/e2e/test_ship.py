# SPDX-License-Identifier: Apache-2.0
"""ship(source, target, points) by test/tools/ship.c: whatever points are at one server, they become at another, to the byte.
Between stand-ins, and between real servers when QDRANT_BIN names one."""
import json
import os
import re
import subprocess

import pytest
from sextant import SEXTANT, Region, request, wait_for

SHIP = os.path.join(os.path.dirname(SEXTANT), "test", "tools", "ship")
UUID = "550e8400-e29b-41d4-a716-446655440000"
# Every type of JSON, and what a detour through doubles or another printer would change.
PAYLOAD = (r'{"int":9007199254740993,"most":18446744073709551615,"least":-9223372036854775808,"one":1,"float":1.0,"tiny":1e-7,'
           r'"huge":1e300,"null":null,"yes":true,"no":false,"text":"\u00e9\n\"\\\u0000\ud83d\ude00/é}]","list":[1,1.0,[],{},null],'
           r'"z":{"b":1,"a":{"deep":[null]}},"":"","a.b":1}')

# name: (configuration, points as text, whether their vectors are several with names, which are printed in any order)
COLLECTIONS = {
    "unnamed": ({"vectors": {"size": 4, "distance": "Cosine"}},
                [f'{{"id":{i},"vector":[0.1,2,3.5,-4e-9],"payload":{PAYLOAD}}}' for i in ("1", str(2 ** 64 - 1), f'"{UUID}"')]),
    "dot": ({"vectors": {"size": 4, "distance": "Dot"}},
            ['{"id":1,"vector":[1,0,0,0]}', '{"id":2,"vector":[1e30,-1e-30,0.1,16777217]}', '{"id":3,"vector":{}}',
             '{"id":4,"vector":[0,0,0,0],"payload":{}}']),
    "named": ({"vectors": {"a": {"size": 2, "distance": "Euclid"}, "b": {"size": 3, "distance": "Manhattan"}}},
              ['{"id":1,"vector":{"a":[1,2],"b":[0.1,0.2,0.3]}}', '{"id":2,"vector":{"a":[1,2]}}', '{"id":3,"vector":{}}']),
    "sparse": ({"vectors": {}, "sparse_vectors": {"s": {}}},
               ['{"id":1,"vector":{"s":{"indices":[7,1,4294967295],"values":[1,2.5,-0.0]}}}',
                '{"id":2,"vector":{"s":{"indices":[],"values":[]}}}', '{"id":3,"vector":{}}']),
    "multi": ({"vectors": {"m": {"size": 2, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}}}},
              ['{"id":1,"vector":{"m":[[1.0,0.0],[0.0,1.5]]}}', '{"id":2,"vector":{"m":[[1.5,2.0]]}}', '{"id":3,"vector":{}}']),
    "multi-unnamed": ({"vectors": {"size": 2, "distance": "Cosine", "multivector_config": {"comparator": "max_sim"}}},
                      ['{"id":1,"vector":[[1,0],[0,1]]}', '{"id":2,"vector":[[1,2]]}', '{"id":3,"vector":{}}']),
    "none": ({"vectors": {}}, [f'{{"id":1,"vector":{{}},"payload":{PAYLOAD}}}', '{"id":2,"vector":{}}']),
    "uint8": ({"vectors": {"size": 3, "distance": "Dot", "datatype": "uint8"}},
              ['{"id":1,"vector":[0,255,7]}', '{"id":2,"vector":[1.4,2.6,300]}']),
    "float16": ({"vectors": {"size": 3, "distance": "Dot", "datatype": "float16"}}, ['{"id":1,"vector":[0.1,0.2,65504]}']),
    "mixed": ({"vectors": {"": {"size": 2, "distance": "Dot"}, "d": {"size": 2, "distance": "Dot"}},
               "sparse_vectors": {"s": {"modifier": "idf"}}},
              ['{"id":1,"vector":{"":[1,2],"d":[3,4],"s":{"indices":[1],"values":[1.0]}}}', '{"id":2,"vector":{"d":[3,4]}}',
               '{"id":3,"vector":[9,9]}', '{"id":4,"vector":{"":[1,2]}}']),
}


def ship(source, target, collection, points, **more):
    """What came of it. Points: ids, or {"id": …, "shard_key": …, "payload_only": …}."""
    return run({"source": source.url, "target": target.url, "collection": collection,
                "points": [p if isinstance(p, dict) else {"id": p} for p in points], **more})


def quiet(region, collection):
    return run({"source": "http://127.0.0.1:1", "target": region.url, "collection": collection, "what": "quiet"})


def run(spec):
    done = subprocess.run([SHIP, json.dumps(spec)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


def put(region, collection, points, more=""):
    text = f'{{"points":[{",".join(points)}]{more}}}'
    status, _, raw = request(region.port, "PUT", f"/collections/{collection}/points?wait=true", text.encode(),
                             {"content-type": "application/json"}, 30)
    assert status == 200, raw


def call(region, method, target, body=None):
    status, _, raw = request(region.port, method, target, body, {"content-type": "application/json"}, 30)
    return status, json.loads(raw)


def text_of(region, collection, ids, shard_key=None):
    """What the server prints of these points, but for the order of vectors."""
    body = {"ids": ids, "with_payload": True, "with_vector": True, **({"shard_key": shard_key} if shard_key is not None else {})}
    status, _, raw = request(region.port, "POST", f"/collections/{collection}/points", json.dumps(body).encode(),
                             {"content-type": "application/json"}, 30)
    assert status == 200, raw
    points = re.match(r'\{"result":(.*),"status":"ok"', raw.decode()).group(1)
    return sorted((json.dumps(p["id"]), *sorted(pieces(t, p))) for t, p in zip(cut(points), json.loads(points)))


def cut(text):
    """The elements of a JSON array, or the members of an object, as text."""
    decoder, at, found = json.JSONDecoder(), 1, []
    while text[at] not in "]}":
        begin = at
        _, at = decoder.raw_decode(text, at)
        if text[at] == ":":
            _, at = decoder.raw_decode(text, at + 1)
        found.append(text[begin:at])
        at += text[at] == ","
    return found


def pieces(text, point):
    """Payload, key and each vector of a point as they are printed."""
    for member in cut(text):
        name, value = member.split(":", 1)
        if name == '"vector"' and isinstance(point["vector"], dict):
            yield from (f"vector {v}" for v in cut(value))
        else:
            yield member


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    root = tmp_path_factory.mktemp("ship")
    started = [Region(name, root / name).start() for name in ("eu", "us")]
    yield started
    for one in started:
        one.kill()


@pytest.fixture
def pair(servers):
    """Two servers without collections and faults."""
    for one in servers:
        if not one.is_real:
            one.control(clear=True, clear_log=True)
        for collection in call(one, "GET", "/collections")[1]["result"]["collections"]:
            call(one, "DELETE", f"/collections/{collection['name']}")
    return servers


def fill(pair):
    """The collection "books" (two dimensions) at both, and points 1 to 3 at the first."""
    for one in pair:
        assert call(one, "PUT", "/collections/books", {"vectors": {"size": 2, "distance": "Dot"}})[0] == 200
    put(pair[0], "books", [f'{{"id":{i},"vector":[{i},0.5],"payload":{{"n":{i}}}}}' for i in (1, 2, 3)])
    return pair


@pytest.fixture
def both(pair):
    return fill(pair)


def kinds(result):
    return {json.dumps(i): part["kind"] for part in result["write"] for i in part["ids"]}


def test_every_kind_of_point(pair):
    source, target = pair
    for name, (config, points) in COLLECTIONS.items():
        for one in pair:
            assert call(one, "PUT", f"/collections/{name}", config)[0] == 200
        for point in points:
            put(source, name, [point])
        ids = [json.loads(p)["id"] for p in points] + [4711]
        put(target, name, ['{"id":4711,"vector":{},"payload":{"stays":false}}'])
        for _ in range(2):  # the second time nothing changes
            result = ship(source, target, name, ids)
            assert result["read"]["absent"] == [4711], result
            assert set(kinds(result).values()) == {"ok"}, result
            assert text_of(target, name, ids) == text_of(source, name, ids), name
        # And back from there to a collection that is made anew: the second copy of a copy.
        assert call(source, "DELETE", f"/collections/{name}")[0] == 200
        assert call(source, "PUT", f"/collections/{name}", config)[0] == 200
        before = text_of(target, name, ids)
        ship(target, source, name, ids)
        assert text_of(source, name, ids) == before, name


def test_payload_alone(both):
    source, target = both
    ship(source, target, "books", [1, 2])
    body = f'{{"payload":{PAYLOAD},"points":[1,2,3]}}'.encode()
    assert request(source.port, "PUT", "/collections/books/points/payload?wait=true", body,
                   {"content-type": "application/json"})[0] == 200
    assert call(target, "PUT", "/collections/books/points/vectors?wait=true", {"points": [{"id": 1, "vector": [7, 7]}]})[0] == 200
    result = ship(source, target, "books", [{"id": 1, "payload_only": True}])
    assert kinds(result) == {"1": "ok"}
    (_, *one), (_, *of_source) = text_of(target, "books", [1])[0], text_of(source, "books", [1])[0]
    assert 'vector":[7.0,7.0]' in "".join(one) and [p for p in one if "payload" in p] == [p for p in of_source if "payload" in p]
    # 3 is not at the target: all of them go whole.
    result = ship(source, target, "books", [{"id": i, "payload_only": True} for i in (1, 2, 3)])
    assert kinds(result) == {"1": "ok", "2": "ok", "3": "ok"}
    assert text_of(target, "books", [1, 2, 3]) == text_of(source, "books", [1, 2, 3])


def test_many_points(pair):
    source, target = pair
    ids = list(range(200)) + [f"{n:08x}-0000-4000-8000-000000000000" for n in range(56)]
    for one in pair:
        assert call(one, "PUT", "/collections/many", {"vectors": {"size": 64, "distance": "Cosine"}})[0] == 200
    put(source, "many", [json.dumps({"id": i, "vector": [(hash((n, d)) % 1000) / 7 + 0.1 for d in range(64)],
                                     "payload": {"n": n}}) for n, i in enumerate(ids) if n % 3])
    put(target, "many", [json.dumps({"id": i, "vector": [1] * 64}) for n, i in enumerate(ids) if n % 2])
    result = ship(source, target, "many", ids, max_points=50)
    assert set(kinds(result).values()) == {"ok"} and len(kinds(result)) == len(ids)
    assert text_of(target, "many", ids) == text_of(source, "many", ids)
    assert call(target, "POST", "/collections/many/points/count", {})[1] == {
        **call(source, "POST", "/collections/many/points/count", {})[1], "time": pytest.approx(0, abs=60)}


def test_shard_keys(region):
    source, target = pair = region("eu", distributed=True), region("us", distributed=True)
    keys = ['x"é', 7, "7"]
    for one in pair:
        assert call(one, "PUT", "/collections/k", {"vectors": {"size": 2, "distance": "Dot"}, "sharding_method": "custom"})[0] == 200
        for key in keys:
            wait_for(lambda o=one, k=key: call(o, "PUT", "/collections/k/shards", {"shard_key": k})[0] == 200, 30, "the key")
    for n, key in enumerate(keys):
        put(source, "k", [f'{{"id":1,"vector":[{n},1]}}'], f',"shard_key":{json.dumps(key)}')
        put(target, "k", [f'{{"id":2,"vector":[{n},1]}}'], f',"shard_key":{json.dumps(key)}')
    points = [{"id": i, "shard_key": key} for i in (1, 2) for key in keys]
    result = ship(source, target, "k", points)
    assert [len(part["ids"]) for part in result["write"]] == [1] * 6
    for key in keys:
        assert text_of(target, "k", [1, 2], key) == text_of(source, "k", [1, 2], key)
        assert len(text_of(target, "k", [1, 2], key)) == 1
    result = ship(source, target, "k", [{"id": 1, "shard_key": "none"}])
    assert (result["read"]["kind"], result["read"]["status"]) == ("refused", 400)
    result = ship(source, target, "k", [1])  # the key is not known: nothing is guessed
    assert result["read"]["kind"] == "unknown" and "shard key" in result["read"]["text"]
    assert quiet(target, "k")["collection"]["is_spread"] is True


def test_what_a_cluster_tells_of_itself(region):
    eu = fill([region("eu")])[0]
    found = quiet(eu, "books")
    assert found["collection"]["is_quiet"] is True and found["collection"]["is_spread"] is False, found
    assert found["collection"]["upsert_max"] == 0
    assert found["node"]["is_recent"] is True and found["node"]["is_alone"] is True, found
    assert found["node"]["version"].startswith("1.")
    assert quiet(eu, "books")["node"]["id"] == found["node"]["id"]
    eu.kill()
    eu.start()
    assert quiet(eu, "books")["node"]["id"] != found["node"]["id"]
    call(eu, "PUT", "/collections/strict", {"vectors": {"size": 2, "distance": "Dot"}, "strict_mode_config": {
        "enabled": True, "upsert_max_batchsize": 10, "max_timeout": 7}})
    strict = quiet(eu, "strict")["collection"]
    assert (strict["upsert_max"], strict["timeout_max"]) == (10, 7)
    assert quiet(eu, "absent")["collection"]["status"] == 404
    eu.kill()
    assert quiet(eu, "books")["node"]["kind"] == "unreachable"


def test_a_collection_at_work_is_not_quiet(both):
    eu = both[0]
    eu.faults(queue=1)
    assert quiet(eu, "books")["collection"]["is_quiet"] is False
    eu.faults(queue=0, color="red")
    assert quiet(eu, "books")["collection"]["is_quiet"] is False
    eu.faults(color="yellow")
    assert quiet(eu, "books")["collection"]["is_quiet"] is True


def test_refused_points(both):
    """A target with another schema: what it refuses is told, what stands beside it in the state is not lost."""
    source, target = both
    call(target, "DELETE", "/collections/books")
    result = ship(source, target, "books", [1, 9])
    assert [(p["kind"], p["status"], p["later"], p["ids"]) for p in result["write"]] == [
        ("refused", 404, False, [1]), ("refused", 404, False, [9])]
    call(target, "PUT", "/collections/books", {"vectors": {"size": 3, "distance": "Dot"}})
    result = ship(source, target, "books", [1, 2, 9])
    assert kinds(result) == {"1": "refused", "2": "refused", "9": "ok"}
    assert "expected dim: 3" in result["write"][0]["text"]
    assert ship(source, target, "absent", [1])["read"]["status"] == 404


def test_a_refusal_of_many_may_leave_some(pair):
    """Which ones depends on the order of a hash map: halves find the one that is refused, and nothing else is lost."""
    source, target = pair
    both = {"a": {"size": 1, "distance": "Dot"}, "b": {"size": 1, "distance": "Dot"}}
    assert call(source, "PUT", "/collections/books", {"vectors": both})[0] == 200
    assert call(target, "PUT", "/collections/books", {"vectors": {"a": both["a"]}})[0] == 200
    put(source, "books", [f'{{"id":{i},"vector":{{"{"b" if i == 5 else "a"}":[{i}]}}}}' for i in range(8)])
    waiting, refused = [list(range(8))], []
    while waiting:
        ids = waiting.pop()
        part, = ship(source, target, "books", ids)["write"]
        assert part["kind"] in ("ok", "refused") and part["status"] in (200, 400), part
        if part["kind"] == "refused" and len(ids) == 1:
            refused += ids
        elif part["kind"] == "refused":
            waiting += [ids[:len(ids) // 2], ids[len(ids) // 2:]]
    assert refused == [5]
    others = [i for i in range(8) if i != 5]
    assert text_of(target, "books", others) == text_of(source, "books", others)


def test_limits_of_a_strict_target(both):
    """Who ships asks for them first: what is beyond is refused as a whole."""
    source, target = both
    call(target, "DELETE", "/collections/books")
    call(target, "PUT", "/collections/books", {"vectors": {"size": 2, "distance": "Dot"}, "strict_mode_config": {
        "enabled": True, "upsert_max_batchsize": 2, "max_timeout": 5}})
    assert kinds(ship(source, target, "books", [1, 2, 3], timeout_ms=5000)) == {"1": "refused", "2": "refused", "3": "refused"}
    assert set(kinds(ship(source, target, "books", [1, 2, 3], max_points=2)).values()) == {"refused"}
    assert set(kinds(ship(source, target, "books", [1, 2, 3], max_points=2, timeout_ms=5000)).values()) == {"ok"}


def test_keys(region):
    source, target = region("eu", keys={"rw": "the-right-key"}), region("us", keys={"rw": "the-right-key"})
    result = ship(source, target, "books", [1])
    assert (result["read"]["kind"], result["read"]["status"]) == ("denied", 401)
    assert ship(source, target, "books", [1], key="the-wrong-key")["read"]["kind"] == "denied"
    result = ship(source, target, "books", [1], key="the-right-key")
    assert (result["read"]["kind"], result["read"]["status"]) == ("refused", 404)


def test_a_target_that_throttles(both):
    source, target = both
    call(target, "DELETE", "/collections/books")
    call(target, "PUT", "/collections/books", {"vectors": {"size": 2, "distance": "Dot"}, "strict_mode_config": {
        "enabled": True, "write_rate_limit": 1}})
    parts = [ship(source, target, "books", [1])["write"][0] for _ in range(3)]
    assert parts[-1]["kind"] == "throttled" and parts[-1]["status"] == 429 and not parts[-1]["later"]
    assert 1 <= parts[-1]["retry_after"] <= 60
    assert ship(source, target, "books", [1], is_spread=True)["write"][0]["later"] is True


@pytest.mark.parametrize("faults, kind, later", [
    ({"status": 408}, "unknown", True), ({"status": 500}, "unknown", True), ({"status": 503}, "unknown", True),
    ({"status": 403}, "denied", False), ({"status": 429, "fields": {"retry-after": "5"}}, "throttled", False),
    ({"status": 400}, "refused", False), ({"reset": "before"}, "unknown", True), ({"reset": "after"}, "unknown", True),
    ({"reset": "half"}, "unknown", True), ({"black_hole": True}, "unknown", True),
    ({"body": '{"result":{"operation_id":1,"status":"acknowledged"},"status":"ok"}'}, "unknown", True),
    ({"body": "<html>ok</html>"}, "unknown", True)])
def test_what_may_become_of_a_write(both, faults, kind, later):
    source, target = both
    target.faults(match="/points", **faults)
    part = ship(source, target, "books", [1], timeout_ms=1000)["write"][0]
    assert (part["kind"], part["later"]) == (kind, later), part
    assert len([r for r in target.control(log=True)["log"] if r["method"] == "PUT" and "/points" in r["target"]]) <= 1
    target.control(clear=True)
    assert kinds(ship(source, target, "books", [1])) == {"1": "ok"}
    assert text_of(target, "books", [1]) == text_of(source, "books", [1])


def test_a_write_that_waits_too_long_is_applied_all_the_same(both):
    source, target = both
    target.faults(write_status="wait_timeout")
    part = ship(source, target, "books", [1])["write"][0]
    assert (part["kind"], part["later"], part["status"]) == ("unknown", True, 200)
    assert text_of(target, "books", [1]) == text_of(source, "books", [1])


def test_a_late_request_lands_after_it_was_given_up(both):
    """Why `later` is told: what got no answer comes into force after its successor."""
    source, target = both
    target.faults(match="/points", hold=True, times=1)
    assert ship(source, target, "books", [1], timeout_ms=1000)["write"][0]["later"] is True
    put(source, "books", ['{"id":1,"vector":[8,8],"payload":{"newer":true}}'])
    assert kinds(ship(source, target, "books", [1])) == {"1": "ok"}
    newer = text_of(target, "books", [1])
    assert newer == text_of(source, "books", [1])
    assert target.control(release=True)["held"] == 0
    wait_for(lambda: text_of(target, "books", [1]) != newer, 20, "the late request")
    assert kinds(ship(source, target, "books", [1])) == {"1": "ok"}
    assert text_of(target, "books", [1]) == newer


def test_a_target_that_is_not_there(region):
    source, target = fill([region("eu"), region("us")])
    target.kill()
    part = ship(source, target, "books", [1, 9])["write"]
    assert [(p["kind"], p["fail"], p["later"]) for p in part] == [("unreachable", "CONNECT_REFUSED", False)] * 2
    source.kill()
    result = ship(source, target, "books", [1])
    assert result["read"]["kind"] == "unreachable" and "write" not in result


POINT = '{"id":%s,"payload":{},"vector":[1.0,1.0]}'


@pytest.mark.parametrize("points", [
    [POINT % 9], [POINT % 1, POINT % 1], ['{"payload":{},"vector":[1.0,1.0]}'], [POINT % "null"], [POINT % 1, "{}"],
    ['{"id":1,"payload":{}}'], ['{"id":1,"vector":[1.0,1.0]}'], ['{"id":1,"payload":{},"vector":[1.0,1.0],"new":1}'], ["1"]])
def test_a_source_whose_answer_cannot_be_relied_on(both, points):
    """Nothing is written then: in particular nothing is deleted."""
    source, target = both
    put(target, "books", ['{"id":1,"vector":[1,1]}', '{"id":2,"vector":[2,2]}'])
    before = text_of(target, "books", [1, 2])
    source.faults(match="/points", body=f'{{"result":[{",".join(points)}],"status":"ok","time":0.1}}')
    result = ship(source, target, "books", [1, 2])
    assert result["read"]["kind"] == "unknown" and result["read"]["unread"] == [1, 2] and "write" not in result, result
    assert text_of(target, "books", [1, 2]) == before


@pytest.mark.parametrize("faults", [{"reset": "half"}, {"reset": "after"}, {"status": 500}, {"black_hole": True},
                                    {"body": '{"result":[],"status":"ok"'}, {"body": ""}])
def test_a_source_that_does_not_answer_well(both, faults):
    source, target = both
    put(target, "books", ['{"id":9,"vector":[1,1]}'])
    source.faults(match="/points", **({"body": " "} if faults == {"body": ""} else faults))
    result = ship(source, target, "books", [9], timeout_ms=1500)
    assert result["read"]["kind"] in ("unknown", "unreachable") and "write" not in result, result
    assert len(text_of(target, "books", [9])) == 1
