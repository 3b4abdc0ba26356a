# SPDX-License-Identifier: Apache-2.0
"""Requests that schemathesis makes up from Qdrant's OpenAPI description get the same answers through Sextant as directly. Both
sides start alike, and get the same requests in the same order. The description is the file that QDRANT_OPENAPI names, or the
one in a folder `shared` beside the tree."""
import http.client
import json
import os
from collections import Counter

import pytest
from openapi_cases import cases, description
from replay import equal, shape, strip

SOAK_CASES = int(os.environ.get("SOAK_CASES", "10000"))
OPERATIONS = 69
# What the edge answers for itself, and what names the server, a moment or a file of its own.
OWN = ("/healthz", "/livez", "/readyz", "/metrics")
SHAPES = ("/telemetry", "/cluster/telemetry", "/cluster", "/snapshots", "/snapshot", "/issues")
# One dimension, as minimal examples have it.
SETUP = [("PUT", "/collections/c", {"vectors": {"size": 1, "distance": "Dot"}}),
         ("PUT", "/collections/c/index?wait=true", {"field_name": "0", "field_schema": "keyword"}),
         ("PUT", "/collections/c/points?wait=true", {"points": [{"id": n, "vector": [n], "payload": {"0": str(n)}} for n in range(9)]}),
         ("PUT", "/collections/d", {"vectors": {"size": 1, "distance": "Dot"}})]


class Side:
    def __init__(self, port):
        self.port, self.connection = port, None

    def ask(self, method, target, headers, body):
        for last in (False, True):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                self.connection.request(method, target, body, headers)
                response = self.connection.getresponse()
                return response.status, response.getheader("content-type"), response.read()
            except (OSError, http.client.HTTPException) as error:
                self.connection.close()
                self.connection = None
                if last:
                    return 0, type(error).__name__, b""


def meaning(raw):
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("latin-1")


def differs(case, one, other):
    path = case[1].partition("?")[0]
    if one[:2] != other[:2]:
        return True
    a, b = meaning(one[2]), meaning(other[2])
    if path in OWN:
        return False
    if any(part in path for part in SHAPES):
        return shape(a) != shape(b)
    return not equal(strip(a), strip(b))


def compare(region, edge, each):
    path = description()
    if not path:
        pytest.skip("no OpenAPI description of Qdrant: QDRANT_OPENAPI names one, or a folder `shared` beside the tree has it")
    pytest.importorskip("schemathesis", reason="scripts/deps.sh test installs schemathesis")
    alone, behind = region("eu"), region("eu")
    sides = [Side(alone.port), Side(edge([behind], body_timeout="30s").port)]
    for side in sides:
        for method, target, body in SETUP:
            assert side.ask(method, target, {"content-type": "application/json"}, json.dumps(body))[0] == 200
    made = cases(path, each)
    wrong, statuses = [], Counter()
    for case in made:
        answers = [side.ask(*case) for side in sides]
        statuses[answers[0][0]] += 1
        if differs(case, *answers):
            wrong.append((case, *answers))
    assert not wrong, f"{len(wrong)} of {len(made)} differ, the first:\n" + "\n".join(repr(w)[:1500] for w in wrong[:5])
    assert statuses[200] > len(made) / 5 and statuses[400] and statuses[404], statuses
    return len(made)


def test_made_up_requests(region, edge):
    assert compare(region, edge, 16) > 800


@pytest.mark.soak
def test_many_made_up_requests(region, edge):
    compare(region, edge, 2 * SOAK_CASES // OPERATIONS)
