# SPDX-License-Identifier: Apache-2.0
"""The stand-in answers like Qdrant: every recorded request gets the recorded answer, error texts up to the first colon."""
import os

import pytest
from replay import replay
from sextant import QDRANT, ROOT

RECORDINGS = os.path.join(ROOT, "test", "recordings")
FILES = ["service", "collections", "aliases", "points", "batch", "conditional", "read", "named", "limits", "snapshots"]

# Case (file, line): why the stand-in differs. This can only shrink: a case that agrees must be taken out.
KNOWN_DIFFERENCES = {}


def path_of(name):
    return os.path.join(RECORDINGS, name + ".jsonl")


@pytest.mark.skipif(bool(QDRANT), reason="a real server is what the recordings come from")
@pytest.mark.parametrize("name", FILES)
def test_answers_like_qdrant(region, name):
    _, wrong = replay(region().url, path_of(name), prefix=True)
    expected = {line for file, line in KNOWN_DIFFERENCES if file == name}
    assert set(wrong) == expected, "\n".join(" | ".join(w) for w in wrong.values())


@pytest.mark.skipif(bool(QDRANT), reason="a real server is what the recordings come from")
@pytest.mark.parametrize("name", ["auth", "jwt"])
def test_keys_like_qdrant(region, name):
    keyed = region(keys={"rw": "rw-key", "ro": "ro-key"}, tokens=name == "jwt")
    _, wrong = replay(keyed.url, path_of(name))
    assert not wrong, "\n".join(" | ".join(w) for w in wrong.values())
