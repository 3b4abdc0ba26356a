# SPDX-License-Identifier: Apache-2.0
"""Claims on a home, by processes that are paused, killed and copied; a stand-in is the home, or a real Qdrant (QDRANT_BIN)."""
import http.server
import json
import os
import signal
import subprocess
import threading

import pytest
from sextant import ROOT, call, wait_for

TOOL = os.path.join(os.environ.get("BUILD_DIR", os.path.join(ROOT, "build")), "test", "tools", "claim")
A, B = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


class Owner:
    """One process with a claim; `lines` is all that it said."""

    def __init__(self, home, journal=A, crash=None, **spec):
        self.lines = []
        spec = {"url": home.url, "journal": journal, **spec}
        self.process = subprocess.Popen([TOOL, json.dumps(spec)], stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **({"SEXTANT_TEST_CRASH_POINT": crash} if crash else {})})
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def last(self):
        return self.lines[-1] if self.lines else {}

    def wait(self, seconds=30, **expected):
        wait_for(lambda: all(self.last().get(k) == v for k, v in expected.items()), seconds, f"{expected}, not {self.last()}")
        return self.last()

    def signal(self, number):
        self.process.send_signal(number)

    def release(self):
        self.signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        self.reader.join(60)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(60)
        self.process.stdout.close()


@pytest.fixture
def owner():
    started = []

    def start(*arguments, **spec):
        started.append(Owner(*arguments, **spec))
        return started[-1]
    start.started = started
    yield start
    for one in started:
        one.end()


def look(cluster, **spec):
    """What a copy is taken for."""
    done = subprocess.run([TOOL, json.dumps({"url": cluster.url, "journal": A, **spec})], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def notes(home, *ids):
    found = call(home.port, "POST", "/collections/_sextant/points", {"ids": list(ids) or [1, 2], "with_payload": True})[2]["result"]
    return {p["id"]: p["payload"] for p in found}


def test_taken_renewed_given_back(region, owner):
    home = region("eu")
    one = owner(home, lsn=7)
    held = one.wait(state="held", may_send=True)
    assert held["identity"] == notes(home)[1]["identity"] and (held["trouble"], held["why"]) == ("", "")
    first = notes(home)[2]
    assert (first["journal"], first["lsn"], first["released"]) == (A, 7, False)
    wait_for(lambda: notes(home)[2]["counter"] >= first["counter"] + 2, 20, "renewals")
    one.release()
    assert all(line["may_send"] for line in one.lines if line["state"] == "held")
    assert notes(home)[2]["released"] is True
    two = owner(home, starts=2, identity=held["identity"], has_claimed=True, lsn=7)
    two.wait(state="held", may_send=True)
    assert all(line["state"] != "watching" for line in two.lines)  # nothing to wait for
    assert notes(home)[1] == {"identity": held["identity"]}


def test_one_that_was_paused_stops(region, owner):
    home = region("eu")
    one = owner(home)
    one.wait(state="held", may_send=True)
    one.signal(signal.SIGSTOP)
    two = owner(home, starts=2)
    watching = two.wait(state="watching", may_send=False)  # it cannot tell paused from killed, so it waits
    taken = two.wait(state="held", may_send=True)
    assert taken["at_us"] - watching["at_us"] >= 5_900_000
    one.signal(signal.SIGCONT)
    late = one.wait(state="frozen", may_send=False)
    assert "later start of this journal" in late["why"] and late["trouble"] == late["why"]
    assert not [line for line in one.lines if line["may_send"] and line["at_us"] > taken["at_us"]]
    counter = notes(home)[2]["counter"]
    wait_for(lambda: notes(home)[2]["counter"] > counter + 1, 20, "renewals of the second")
    assert two.last()["may_send"]


def test_killed_at_each_step(region, owner):
    """Whatever is left at the home, the next start takes it: at once if there is nothing, else after watching it."""
    homes = {}
    for point in ("claim.before_write", "claim.before_write:2", "claim.after_write", "claim.confirmed"):
        homes[point] = region("eu")
        owner(homes[point], crash=point)
    for one in list(owner.started):
        assert one.process.wait(60) == -signal.SIGKILL
    successors = {point: owner(home, starts=2) for point, home in homes.items()}
    for point, one in successors.items():
        one.wait(state="held", may_send=True)
        one.reader.join(0)
        has_waited = "watching" in [line["state"] for line in one.lines]
        assert has_waited == (point != "claim.before_write"), point


def test_two_owners(region, owner):
    home = region("eu")
    one = owner(home)
    one.wait(state="held")
    assert "another journal claims it" in owner(home, B).wait(state="frozen")["why"]
    watchers = owner(home, B, may_replace=True), owner(home, A, starts=5)
    assert "later start" in owner(home, A, starts=1).wait(state="frozen")["why"]  # a copied directory
    assert all("another process renews the claim" in w.wait(state="frozen")["why"] for w in watchers)
    assert one.last()["may_send"]
    one.release()
    assert owner(home, B).wait(state="frozen")
    owner(home, B, may_replace=True).wait(state="held")


def test_two_at_the_same_moment(region, owner):
    home = region("eu")
    both = [owner(home, A), owner(home, B)]
    wait_for(lambda: sorted(o.last().get("state", "") for o in both) == ["frozen", "held"], 30, "one winner")


def test_an_older_journal_and_an_older_home(region, owner):
    home = region("eu")
    one = owner(home, lsn=100)
    one.wait(state="held")
    one.release()
    assert "records that this journal lacks" in owner(home, starts=2, lsn=99).wait(state="frozen")["why"]
    assert "restored from elsewhere" in owner(home, starts=2, lsn=300, floor_lsn=200).wait(state="frozen")["why"]
    owner(home, starts=2, lsn=300, floor_lsn=100).wait(state="held")


def test_a_home_that_was_emptied_or_swapped(region, owner):
    home = region("eu")
    one = owner(home)
    identity = one.wait(state="held")["identity"]
    assert call(home.port, "DELETE", "/collections/_sextant")[0] == 200
    assert "is gone" in one.wait(state="frozen", may_send=False)["why"]
    assert "is gone" in owner(home, starts=2, identity=identity).wait(state="frozen")["why"]
    assert call(home.port, "GET", "/collections/_sextant")[0] == 404  # and nothing was made anew
    owner(home, B).wait(state="held")
    assert "another cluster answers" in owner(home, starts=2, identity=identity).wait(state="frozen")["why"]


def test_an_unreachable_home(region, owner):
    home = region("eu")
    one = owner(home)
    one.wait(state="held", may_send=True)
    home.pause()
    wait_for(lambda: one.last()["trouble"] and not one.last()["may_send"], 30, "the end of what was allowed")
    assert one.last()["state"] == "held"
    home.resume()
    back = one.wait(state="held", may_send=True)
    assert back["trouble"] == ""


def test_an_old_qdrant(owner):
    """It would ignore conditions: it is asked nothing but its version."""
    asked = []

    class Old(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = b'{"title":"qdrant - vector search engine","version":"1.16.3"}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_POST = do_GET

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Old)
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        one = owner(server)
        wait_for(lambda: "1.16.3" in one.last().get("trouble", ""), 20, "the reason")
        wait_for(lambda: len(asked) > 1, 20, "the next try")
        assert one.last()["state"] == "starting" and set(asked) == {"/"}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_key(region, owner):
    home = region("eu", keys={"rw": "the-key-of-this-cluster"})
    one = owner(home, key="wrong-key-of-this-cluster")
    wait_for(lambda: one.last().get("trouble"), 20, "the reason")
    owner(home, key="the-key-of-this-cluster").wait(state="held")


def test_clients_never_see_it(region, owner, edge):
    home = region("eu")
    owner(home).wait(state="held")
    one = edge([home], "* *=eu")
    for method, target, body, expected in (("GET", "", None, 404), ("PUT", "", {"vectors": {}}, 403), ("DELETE", "", None, 404),
                                           ("POST", "/points/scroll", {}, 404), ("PUT", "/points", {"points": [{"id": 2, "vector": {}}]}, 404),
                                           ("POST", "/points/delete", {"points": [2]}, 404), ("POST", "/snapshots", None, 404)):
        assert one.call(method, "/collections/_sextant" + target, body)[0] == expected, (method, target)
        assert one.call(method, "/collections/%5fsextant" + target, body)[0] == expected, (method, target)
    assert one.call("GET", "/collections/_sextant/exists")[2]["result"] == {"exists": False}
    assert notes(home)[2]["journal"] == A


def test_copies(region):
    home, copy = region("eu"), region("us")
    lead = look(home, home=B)[0]
    assert lead["verdict"] == "fresh"
    first, marked = look(copy, home=lead["identity"], position=5, lsn=9)
    assert first["verdict"] == "fresh" and marked["marked"] and first["identity"] != lead["identity"]
    assert notes(copy, lead["identity"]) == {lead["identity"]: {"journal": A, "position": 5}}
    known = {"home": lead["identity"], "identity": first["identity"]}
    again = look(copy, lsn=9, **known)[0]
    assert (again["verdict"], again["position"]) == ("known", 5)
    assert look(copy, lsn=4, **known)[0]["verdict"] == "walk"  # the journal was restored from an older copy
    assert look(copy, journal=B, lsn=9, **known)[0]["verdict"] == "walk"
    assert look(home, home=lead["identity"])[0]["verdict"] == "foreign"  # the home under another name
    assert look(copy, lsn=9, home=lead["identity"], identity=B)[0]["verdict"] == "foreign"
    assert call(copy.port, "DELETE", "/collections/_sextant")[0] == 200
    emptied = look(copy, lsn=9, **known)[0]
    assert emptied["verdict"] == "walk" and emptied["identity"] != first["identity"]
