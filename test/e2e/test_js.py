# SPDX-License-Identifier: Apache-2.0
"""The official JavaScript client, unchanged: the same scenario directly and through Sextant gives the same answers."""
import json
import os
import shutil
import subprocess

import pytest

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "js")


@pytest.fixture(scope="module")
def scenario():
    node, npm = shutil.which("node"), shutil.which("npm")
    assert node and npm, "scripts/deps.sh test installs node and npm"
    if not os.path.isdir(os.path.join(HERE, "node_modules", "@qdrant")):
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=HERE, check=True, timeout=300, stdout=subprocess.DEVNULL)

    def run(url, *caller):
        done = subprocess.run([node, "scenario.mjs", url, *caller], cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)
    return run


def test_one_cluster(scenario, region, edge):
    one = region()
    assert scenario(edge([one]).url) == scenario(one.url)


@pytest.mark.parametrize("caller", ["192.0.2.7", "203.0.113.7"])
def test_divided_by_region(scenario, regions, edge, caller):
    one = edge(regions, "elsewhere *=ap\n* europe=eu north-america=us asia=ap")
    assert scenario(one.url, caller) == scenario(regions[0].url)


def test_copies(scenario, regions, edge):
    one = edge(regions, "* *=eu,us,ap copies=external write=nearest")
    assert scenario(one.url, "198.51.100.7") == scenario(regions[0].url)
