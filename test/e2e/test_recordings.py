# SPDX-License-Identifier: Apache-2.0
"""What a real Qdrant answered, it answers through Sextant as well: with one cluster, and with three divided by region."""
import os

import pytest
from replay import replay
from sextant import CALLERS, ROOT

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


def test_keys_pass_through(region, edge):
    if region().is_real:
        pytest.skip("needs a server with the recorded keys")
    import json
    import sys

    from sextant import HERE, Region, wait_for

    class Keyed(Region):
        def start_standin(self):
            file = os.path.join(self.directory, "ports.json")
            self.spawn([sys.executable, os.path.join(HERE, "qdrant_standin.py"), "--port-file", file, "--state-dir",
                        os.path.join(self.directory, "s"), "--key", "rw=rw-key", "--key", "ro=ro-key"], dict(os.environ))
            wait_for(lambda: os.path.exists(file), 20, "the start")
            with open(file, encoding="utf-8") as ports:
                self.port = json.load(ports)["port"]
    keyed = Keyed("eu", os.path.join(str(region().directory), "keyed")).start()
    try:
        _, wrong = replay(edge([keyed]).url, path_of("auth"), prefix=True)
        # GET / is answered here once a version is known, without a key as by Qdrant.
        assert not wrong, "\n".join(" | ".join(w) for w in wrong.values())
    finally:
        keyed.kill()
