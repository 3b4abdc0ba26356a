# SPDX-License-Identifier: Apache-2.0
"""The stand-in answers like Qdrant: every recorded request gets the recorded answer, error texts up to the first colon."""
import os
import subprocess
import sys

import pytest
from replay import replay
from sextant import HERE, QDRANT, ROOT, wait_for

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


@pytest.mark.skipif(bool(QDRANT), reason="the recorded keys are those of a stand-in started here")
def test_keys_like_qdrant(tmp_path):
    file = tmp_path / "ports.json"
    with subprocess.Popen([sys.executable, os.path.join(HERE, "qdrant_standin.py"), "--port-file", str(file), "--state-dir",
                           str(tmp_path / "state"), "--key", "rw=rw-key", "--key", "ro=ro-key"]) as process:
        try:
            wait_for(file.exists, 20, "the start")
            import json
            port = json.loads(file.read_text())["port"]
            _, wrong = replay(f"http://127.0.0.1:{port}", path_of("auth"), prefix=True)
            assert not wrong, wrong
        finally:
            process.kill()
