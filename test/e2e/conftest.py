# SPDX-License-Identifier: Apache-2.0
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lib"))
from sextant import Edge, Region  # noqa: E402


@pytest.fixture
def region(tmp_path):
    """A function that starts a region; all are killed afterwards."""
    started = []

    def start(name="eu", **options):
        started.append(Region(name, tmp_path / f"region-{name}-{len(started)}", **options).start())
        return started[-1]
    yield start
    for one in started:
        one.kill()
        one.let_go()


@pytest.fixture
def regions(region):
    return [region("eu"), region("us"), region("ap")]


@pytest.fixture
def edge(tmp_path):
    """A function that starts an edge in front of some regions; all are stopped afterwards, and none may have crashed."""
    started = []

    def start(regions, partition_map=None, settle=True, **options):
        one = Edge(tmp_path / f"edge-{len(started)}", regions, partition_map, **options)
        started.append(one)
        return one.start(settle)
    yield start
    codes = [(one, one.stop()) for one in started]
    for one, code in codes:
        text = one.output()
        assert code in (0, None), f"the edge ended with {code}:\n{text[-4000:]}"
        assert "ERROR: AddressSanitizer" not in text and "runtime error:" not in text, text[-4000:]
