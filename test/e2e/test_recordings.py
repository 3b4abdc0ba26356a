# SPDX-License-Identifier: Apache-2.0
"""What a real Qdrant answered, it answers through Sextant as well: with one cluster, and with three divided by region."""
import os

import pytest
from replay import replay
from sextant import CALLERS, ROOT, call

FILES = ["service", "collections", "aliases", "points", "batch", "conditional", "read", "named", "limits", "snapshots"]
# Lists of several clusters are merged here, uncoded: what Accept-Encoding asks for does not change them.
MERGED_LISTS = {("service", 21), ("service", 22), ("service", 23)}


def path_of(name):
    return os.path.join(ROOT, "test", "recordings", name + ".jsonl")


@pytest.mark.parametrize("name", FILES)
def test_one_cluster(region, edge, name):
    one = edge([region()])
    _, wrong = replay(one.url, path_of(name), prefix=True)
    assert not wrong, "\n".join(" | ".join(w) for w in wrong.values())


@pytest.mark.parametrize("name", FILES)
def test_divided_by_region(regions, edge, name):
    one = edge(regions, "elsewhere *=ap\n* europe=eu north-america=us asia=ap")
    _, wrong = replay(one.url, path_of(name), prefix=True, extra={"X-Forwarded-For": CALLERS["US"]})
    wrong = {line: w for line, w in wrong.items() if (name, line) not in MERGED_LISTS}
    assert not wrong, "\n".join(" | ".join(w) for w in wrong.values())


@pytest.mark.parametrize("name", ["auth", "jwt"])
def test_keys_pass_through(region, edge, name):
    keyed = region(keys={"rw": "rw-key", "ro": "ro-key"}, tokens=name == "jwt")
    _, wrong = replay(edge([keyed]).url, path_of(name))
    # GET / is answered here once a version is known, without a key as by Qdrant.
    assert not wrong, "\n".join(" | ".join(w) for w in wrong.values())


@pytest.mark.parametrize("method, rest, body", [
    ("PUT", "", {"vectors": {"size": 1, "distance": "Dot"}}), ("DELETE", "", None), ("GET", "", None),
    ("POST", "/points/scroll", {}), ("PUT", "/points", {"points": [{"id": 1, "vector": [1]}]})])
def test_a_name_that_is_too_long(region, edge, method, rest, body):
    """Refused as Qdrant does, whatever the operation, and with the name."""
    eu = region()
    target = "/collections/" + "n" * 256 + rest
    ours, theirs = edge([eu]).call(method, target, body), call(eu.port, method, target, body)
    assert ours[0] == theirs[0] == 422
    assert ours[2]["status"] == theirs[2]["status"] and "n" * 256 in ours[2]["status"]["error"]
