# SPDX-License-Identifier: Apache-2.0
"""The state directory: one writer, found out at start; a process that was killed leaves nothing in the way."""
import json
import os
import subprocess

from sextant import SEXTANT


def serve(env):
    """(exit code, output) of an edge that is expected to end by itself."""
    done = subprocess.run([SEXTANT], env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_two_cannot_share_a_directory(regions, edge):
    one = edge(regions, "* *=eu")
    code, text = serve({**one.env, "SEXTANT_HANDOVER": "off"})
    assert code == 1
    assert f"is in use by another sextant (process {one.process.pid})" in text
    assert one.call("GET", "/healthz")[0] == 200
    one.kill()
    assert one.start().call("GET", "/healthz")[0] == 200


def test_a_directory_that_is_none(regions, edge):
    one = edge(regions, "* *=eu")
    code, text = serve({**one.env, "SEXTANT_STATE_DIR": "/nonexistent/dir"})
    assert code == 1
    assert "SEXTANT_STATE_DIR /nonexistent/dir cannot be used: No such file or directory" in text


def test_ports_are_told(regions, edge):
    one = edge(regions, "* *=eu")
    with open(os.path.join(one.directory, "ports.json"), encoding="utf-8") as file:
        assert json.load(file) == {"listen": [f"127.0.0.1:{one.port}"], "admin": f"127.0.0.1:{one.admin_port}"}
