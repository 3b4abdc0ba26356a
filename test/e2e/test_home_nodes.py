# SPDX-License-Identifier: Apache-2.0
"""A home that stands on two nodes, each an endpoint with a process of its own; the data are those of one stand-in behind both."""
import http.client
import http.server
import json
import threading
import time

import pytest
from sextant import QDRANT, wait_for
from test_ctl import ctl
from test_fanout import KEY, VECTORS, ask, points, upsert

pytestmark = pytest.mark.skipif(bool(QDRANT), reason="the nodes stand in front of a stand-in")


class Node:
    """Passes everything on to the region, but says of itself which process it is."""

    def __init__(self, region, name):
        self.region, self.name, self.port, self.server = region, name, 0, None
        self.start()

    def start(self, name=None):
        node, self.name = self, name or self.name

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                up = http.client.HTTPConnection("127.0.0.1", node.region.port, timeout=20)
                up.request(self.command, self.path, body, {k: v for k, v in self.headers.items() if k.lower() != "connection"})
                answer = up.getresponse()
                raw = answer.read()
                up.close()
                if self.path == "/telemetry":
                    told = json.loads(raw)
                    told["result"]["id"] = node.name
                    raw = json.dumps(told).encode()
                self.send_response(answer.status)
                self.send_header("content-type", answer.headers.get("content-type", "application/json"))
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)
            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

            def setup(self):
                super().setup()
                node.open.add(self.connection)

            def finish(self):
                node.open.discard(self.connection)
                try:
                    super().finish()
                except OSError:
                    pass

            def log_message(self, *arguments):
                pass

        self.open = set()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads, self.server.handle_error = True, lambda *arguments: None
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.open):
            try:
                connection.shutdown(2)
            except OSError:
                pass


@pytest.fixture
def pair(region, edge, tmp_path):
    """(edge, two nodes of its home)"""
    (tmp_path / "journal").mkdir()
    regions = {name: region(name, keys={"rw": "key-" + name}) for name in ("eu", "us")}
    nodes = [Node(regions["eu"], "first-1"), Node(regions["eu"], "second-1")]
    urls = ",".join(f"http://127.0.0.1:{n.port}" for n in nodes)
    one = edge([], "* *=eu,us fanout=async", owns="eu", journal_dir=tmp_path / "journal", journal_quota="16MiB", api_key=KEY,
               clusters=f"eu {urls} at=DE; us {regions['us'].url} at=US", quarantine="500ms", cluster_eu_api_key="key-eu",
               cluster_us_api_key="key-us")
    one.regions = regions
    wait_for(lambda: ask(one, "PUT", "/collections/notes", VECTORS)[0] == 200, 30, "the claim and the collection")
    yield one, nodes
    for node in nodes:
        node.stop()


def converged_pair(one):
    return wait_for(lambda: points(one, "eu") and points(one, "eu") == points(one, "us"), 30, "convergence")


def rewinds(one):
    return one.metric("sextant_home_rewinds_total")


def test_a_node_that_is_away_stops_nobody_and_is_not_forgotten(pair):
    one, nodes = pair
    assert upsert(one, 1)[0] == 200
    converged_pair(one)
    nodes[1].stop()
    wait_for(lambda: one.cluster_state("eu")["endpoints"][1]["state"] == "down", 20, "the verdict")
    seen, until = set(), time.monotonic() + 4.5  # it is asked twice in that time
    while time.monotonic() < until:
        seen.add(upsert(one, 2)[0])
    assert seen == {200}, (seen, one.output()[-1500:])
    # It may have lost its power: its last minute is not over before it has answered.
    code, out, _ = ctl(one, "freeze", "*", "--wait", "--timeout", "3")
    assert code == 1 and "for sure when home and copies have answered" in out, out
    nodes[1].start()
    code, out, err = ctl(one, "freeze", "*", "--wait", "--timeout", "40")
    assert code == 0, (out, err)
    assert ctl(one, "unfreeze", "*")[0] == 0
    before = rewinds(one)
    nodes[1].stop()
    nodes[1].start("second-2")
    wait_for(lambda: rewinds(one) > before, 30, "the rewind")
    wait_for(lambda: upsert(one, 500)[0] == 200, 20, "a write")



def test_both_nodes_are_started_anew(pair):
    """Each shows a process that is not known: one rewind is for both."""
    one, nodes = pair
    assert upsert(one, *range(200))[0] == 200
    before = rewinds(one)
    for n, node in enumerate(nodes):
        node.stop()
        node.start(f"anew-{n}")
    wait_for(lambda: rewinds(one) > before, 40, "the rewind")
    wait_for(lambda: upsert(one, 500)[0] == 200, 20, "a write")
    converged_pair(one)
