# SPDX-License-Identifier: Apache-2.0
"""A read with X-Sextant-Token is never older than the write that the token is of, wherever it comes in and whatever is behind."""
import os
import signal
import threading
import time

import pytest
from sextant import wait_for
from test_edges import pair  # noqa: F401
from test_fanout import KEY, ask, converged, direct, fan, lanes, upsert  # noqa: F401

PATH = "/collections/notes/points"
TOKEN = "x-sextant-token"


def hold_up(one, *names):
    """Copies take no points, and are read as ever."""
    for name in names:
        one.regions[name].faults(status=503, match="/notes/points", method="PUT")


def let_go(one, *names):
    for name in names:
        one.regions[name].faults(status=0)


def token_of(answer):
    status, headers, got = answer
    assert status == 200, (headers, got)
    assert len(headers[TOKEN]) == 36, headers
    return headers[TOKEN]


def read(one, point, *tokens, timeout=60):
    """(status, cluster, headers) of a read."""
    status, headers, _ = ask(one, "GET", f"{PATH}/{point}", headers={TOKEN: ", ".join(tokens)} if tokens else {}, timeout=timeout)
    return status, headers.get("x-sextant-cluster"), headers


def settled(one):
    """All copies have everything, and readers are told so."""
    wait_for(lambda: lanes(one) and all(not lane["points_waiting"] and lane["position"] for lane in lanes(one)), 30, "the lanes")


@pytest.fixture
def near(fan):
    """A function that starts an edge whose nearest cluster is the copy us, with point 1 everywhere."""
    def start(policy="async", **options):
        one = fan(policy, **{"nearest": "us", **options})
        assert upsert(one, 1)[0] == 200
        converged(one)
        settled(one)
        return one
    return start


def test_a_read_is_not_older_than_its_token(near):
    one = near()
    hold_up(one, "us", "ap")
    token = token_of(upsert(one, 2))
    assert read(one, 2)[:2] == (404, "us")
    status, cluster, headers = read(one, 2, token)
    assert (status, cluster, headers["x-sextant-reason"]) == (200, "eu", "token")
    assert one.metric("sextant_token_reads_total") == 1 and one.metric("sextant_token_reads_elsewhere_total") == 1
    lines = wait_for(lambda: [r for r in one.log() if r.get("min_lsn")], 10, "the log")
    written = wait_for(lambda: [r for r in one.log() if r.get("lsn") == lines[0]["min_lsn"]], 10, "the line of the write")
    assert (lines[0]["reason"], written[-1]["operation"]) == ("token", "upsert_points")
    let_go(one, "us")
    wait_for(lambda: read(one, 2, token)[:2] == (200, "us"), 40, "the nearest copy again")
    seen = [e for e in one.regions["us"].control(log=True)["log"] if TOKEN in str(e).lower()]
    assert not seen, "tokens are not for clusters"


def every_answer_that_stands_for_a_write_has_one(one):
    for method, target, body in (
            ("PUT", PATH, {"points": [{"id": 3, "vector": [1, 2]}]}),  # wait=false
            ("POST", PATH + "/batch", {"operations": [{"upsert": {"points": [{"id": 4, "vector": [5, 5]}]}}, {"delete": {"points": [1]}}]}),
            ("POST", PATH + "/payload", {"filter": {"must": [{"has_id": [3]}]}, "payload": {"a": 1}}),
            ("PUT", "/collections/notes/index", {"field_name": "a", "field_schema": "integer"}),
            ("PUT", "/collections/other", {"vectors": {"size": 2, "distance": "Dot"}})):
        token_of(ask(one, method, target, body))
    status, headers, _ = ask(one, "PUT", PATH + "?wait=true", {"points": [{"id": 5, "vector": [1, 2, 3]}]})
    assert status == 400 and TOKEN not in headers
    assert TOKEN not in ask(one, "POST", PATH + "/scroll", {})[1]


def a_change_of_schema_is_seen(one):
    one.regions["us"].faults(status=503, match="/collections/more", method="PUT")
    token = token_of(ask(one, "PUT", "/collections/more", {"vectors": {"size": 2, "distance": "Dot"}}))
    assert ask(one, "GET", "/collections/more")[0] == 404
    status, headers, got = ask(one, "GET", "/collections/more", headers={TOKEN: token})
    assert (status, headers["x-sextant-cluster"]) == (200, "eu") or headers["x-sextant-cluster"] == "ap", got
    assert status == 200 and "_sextant" not in str(got)
    let_go(one, "us")


def test_late_copies_are_told_with_a_token(near):
    """fanout=all and a copy that does not answer in time: home has it, so a token can be given."""
    one = near("all")
    hold_up(one, "us")
    status, headers, _ = upsert(one, 2, query="?wait=true&timeout=4")
    if status == 503:  # us was found unreachable before
        pytest.skip("the copy was taken for away")
    assert (status, headers["x-sextant-error"], len(headers[TOKEN])) == (504, "COPIES_LATE", 36)
    assert read(one, 2, headers[TOKEN])[0] == 200


def what_is_no_token_is_refused(one):
    token = token_of(upsert(one, 2))
    changed = token[:-1] + ("A" if token[-1] != "A" else "E")
    for bad in ("x", token[:-1], token + "A", "2" + token[1:], changed, "," + token, token + " " + token, ",".join([token] * 17)):
        status, _, headers = read(one, 2, bad)
        assert (status, headers.get("x-sextant-error")) == (400, "BAD_WRITE_TOKEN"), bad
    assert read(one, 2, *[token] * 16)[0] == 200
    # it matters to reads of what fans out, and to nothing else
    assert upsert(one, 2)[0] == 200 and ask(one, "GET", "/collections", headers={TOKEN: "x"})[0] == 200
    assert ask(one, "PUT", PATH + "?wait=true", {"points": [{"id": 9, "vector": [1, 2]}]}, headers={TOKEN: "x"})[0] == 200


def made_up(token, **changes):
    """What a stranger makes of a token: it is no secret how they are written."""
    import base64
    raw = bytearray(base64.urlsafe_b64decode(token[1:] + "="))
    fields = {"journal": (0, 8), "start": (8, 12), "data": (12, 16), "lsn": (16, 22)}
    for name, value in changes.items():
        a, b = fields[name]
        raw[a:b] = value.to_bytes(b - a, "little")
    raw[22:26] = crc32c(bytes(raw[:22]), ord("1")).to_bytes(4, "little")
    return token[0] + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")


def crc32c(data, before):
    crc = before ^ 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def tokens_that_were_made_up(one):
    """They choose among the clusters that may be read anyway, at once."""
    token = token_of(upsert(one, 2))
    settled(one)
    assert made_up(token) == token
    wait_for(lambda: read(one, 2, token)[1] == "us", 20, "the copy")
    begin = time.monotonic()
    for changes in ({"lsn": 2**48 - 1}, {"start": 2**32 - 1}, {"journal": 7}):  # of a journal that is not this one, or not yet
        assert read(one, 2, made_up(token, **changes))[:2] == (200, "eu"), changes
    assert read(one, 2, made_up(token, lsn=0))[:2] == (200, "us")
    assert read(one, 2, made_up(token, data=7, lsn=2**48 - 1))[:2] == (200, "us")  # of something else
    assert time.monotonic() - begin < 15, "they are not waited for"


def test_no_cluster_has_it(near, tmp_path):
    """Home has lost the write with its power, and no copy has it: it is waited for, and then that is said. Other reads go on."""
    (tmp_path / "wait").write_text("100ms")
    one = near(token_wait_file=tmp_path / "wait")
    hold_up(one, "us", "ap")
    home = one.regions["eu"]
    home.control(keep=True)
    token = token_of(upsert(one, 2))
    home.faults(hold=True, match="/notes/points", method="PUT")
    home.control(cut=True)
    wait_for(lambda: one.status()["journal"]["homes_rewinding"], 20, "the new process")
    status, _, headers = read(one, 2, token)
    assert (status, headers["x-sextant-error"], headers["retry-after"]) == (503, "COPIES_BEHIND", "1")
    assert read(one, 1)[:2] == (200, "us")
    (tmp_path / "wait").write_text("60s")
    one.signal(signal.SIGHUP)
    wait_for(lambda: one.metric("sextant_config_generation") > 1, 20, "the reload")
    got, before = [], one.metric("sextant_token_reads_waited_total")
    reader = threading.Thread(target=lambda: got.append(ask(one, "POST", PATH, {"ids": [2]}, headers={TOKEN: token}, timeout=60)))
    reader.start()
    wait_for(lambda: one.metric("sextant_token_reads_waited_total") > before, 20, "the wait")
    home.control(clear=True)
    wait_for(lambda: home.control(release=True) and got, 60, "the rewind")
    reader.join()
    status, headers, body = got[0]
    assert (status, headers["x-sextant-cluster"], [p["id"] for p in body["result"]]) == (200, "eu", [2])


def test_after_a_restart_of_the_owner(near):
    """What an earlier process may have sent can come late: copies are not taken for up to date until that is over."""
    one = near()
    hold_up(one, "us", "ap")
    token = token_of(upsert(one, 2))
    assert one.stop() == 0
    let_go(one, "us", "ap")
    one.start()
    for _ in range(4):
        assert read(one, 2, token)[0] == 200
    wait_for(lambda: read(one, 2, token)[:2] == (200, "us"), 40, "the copy")
    assert read(one, 3, token_of(upsert(one, 3)), token)[0] == 200


def test_one_edge(near):
    one = near(token_wait="20s")
    for check in (every_answer_that_stands_for_a_write_has_one, a_change_of_schema_is_seen, what_is_no_token_is_refused,
                  tokens_that_were_made_up):
        check(one)


# --- SEXTANT_SESSION

ANOTHER = "another-key-of-clients"


def plain(one, point, key=None, collection="notes"):
    """(status, cluster, reason) of a read by a client that knows of no tokens."""
    headers = {"api-key": key} if key else {}
    status, headers, _ = ask(one, "GET", f"/collections/{collection}/points/{point}", headers=headers)
    return status, headers.get("x-sextant-cluster"), headers.get("x-sextant-reason")


def test_a_session(near):
    """Each credential reads what it wrote; others, and other collections, are read where they are nearest."""
    one = near(session="credential", alt_api_key=ANOTHER)
    assert ask(one, "PUT", "/collections/more", {"vectors": {"size": 2, "distance": "Dot"}})[0] == 200
    converged(one)
    settled(one)
    wait_for(lambda: plain(one, 1)[:2] == (200, "us") and plain(one, 1, None, "more")[1] == "us", 20, "the copies")
    hold_up(one, "us", "ap")
    token_of(upsert(one, 2))
    for _ in range(8):  # whichever worker
        assert plain(one, 2) == (200, "eu", "token")
    assert plain(one, 2, ANOTHER)[:2] == (404, "us")
    assert plain(one, 1, None, "more")[1] == "us"
    actions = {"actions": [{"create_alias": {"collection_name": "notes", "alias_name": "short"}}]}
    token_of(ask(one, "POST", "/collections/aliases", actions))
    assert plain(one, 2, None, "short")[:2] == (200, "eu")
    let_go(one, "us", "ap")
    wait_for(lambda: plain(one, 2)[:2] == (200, "us"), 40, "the copy")
    hold_up(one, "us", "ap")
    assert upsert(one, 3)[0] == 200
    one.regions["eu"].kill()  # nobody is refused for what this edge remembers
    wait_for(lambda: plain(one, 1)[:2] == (200, "us"), 20, "reads elsewhere")
    assert one.metric("sextant_session_reads_unsure_total") >= 1
    assert one.metric("sextant_token_reads_total") == 0 and one.metric("sextant_token_reads_waited_total") == 0


# --- another edge

@pytest.fixture
def apart(pair):
    """The edge that owns eu, and another whose nearest cluster is the copy."""
    one, two = pair(other={"nearest": "us", "session": "credential", "alt_api_key": ANOTHER})
    assert upsert(two, 1)[0] == 200
    wait_for(lambda: direct(two.regions["us"], "GET", f"{PATH}/1")[0] == 200, 20, "the copy")
    settled(one)
    wait_for(lambda: plain(two, 1, ANOTHER)[:2] == (200, "us"), 40, "the copy, which the other edge knows to be whole")
    return one, two


def test_at_another_edge(apart):
    one, two = apart
    hold_up(two, "us")
    token = token_of(upsert(two, 2))
    assert plain(two, 2, ANOTHER)[:2] == (404, "us")
    assert read(two, 2, token)[:2] == plain(two, 2)[:2] == (200, "eu")
    direct_token = token_of(upsert(one, 3))  # the other edge knows it no less
    assert read(two, 3, direct_token)[:2] == (200, "eu")
    let_go(two, "us")
    wait_for(lambda: read(two, 2, token)[:2] == (200, "us"), 40, "the nearest copy")
    assert read(two, 1, token_of(upsert(two, 4)))[0] == 200


def test_the_owner_is_away(apart):
    """What its edge does not say is not known: nothing is read that might be older."""
    one, two = apart
    token = token_of(upsert(two, 2))
    wait_for(lambda: read(two, 2, token)[:2] == (200, "us"), 40, "the nearest copy")
    one.kill()
    one.process = None  # a read may wait for longer than its word holds
    status, _, headers = wait_for(lambda: [a for a in [read(two, 2, token)] if a[0] != 200], 60, "its word to lapse")[0]
    assert (status, headers["x-sextant-error"]) == (503, "COPIES_BEHIND")
    assert read(two, 2)[0] == 200


def test_edges_that_do_not_know_each_other(pair):
    """The owner does not tell a stranger."""
    one, two = pair(other={"edge_secret": "another-secret-of-edges", "token_wait": "100ms"})
    token = token_of(upsert(one, 2))
    assert read(two, 2, token)[2]["x-sextant-error"] == "COPIES_BEHIND"
    status, _, got = ask(one, "GET", "/readyz")
    assert status == 200 and "eu" not in str(got)


def test_a_line_with_several_homes(region, edge, tmp_path):
    """A change of schema is answered with a token for each home. A read takes out the one that is about it."""
    os.makedirs(tmp_path / "journal", exist_ok=True)
    regions = {name: region(name, keys={"rw": "key-" + name}) for name in ("eu", "us", "ap", "sa")}
    clusters = "\n".join(f"{r.name} {r.url} at={at}" for r, at in zip(regions.values(), ("DE", "US", "JP", "BR")))
    one = edge([], "* europe=eu,ap *=us,sa fanout=async", clusters=clusters, owns="eu,us", journal_dir=tmp_path / "journal",
               journal_quota="64MiB", api_key=KEY, quarantine="500ms", **{f"cluster_{n}_api_key": "key-" + n for n in regions})
    one.regions = regions
    status, headers, got = ask(one, "PUT", "/collections/notes", {"vectors": {"size": 2, "distance": "Dot"}})
    assert status == 200, got
    assert len(headers[TOKEN].split(", ")) == 2 and headers["x-sextant-outcome"] == "committed"
    for caller in ("DE", "US"):
        status, found, got = one.call("GET", "/collections/notes", caller=caller, headers={"api-key": KEY, TOKEN: headers[TOKEN]})
        assert status == 200, (caller, found, got)
    assert one.metric("sextant_token_reads_total") == 2
