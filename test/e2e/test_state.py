# SPDX-License-Identifier: Apache-2.0
"""The state directory: one writer, found out at start; a process that was killed leaves nothing in the way."""
import json
import os
import subprocess
import time

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


def test_round_trips_are_remembered(region, edge):
    """They order clusters until these are measured anew; a file that makes no sense is only a lost hint."""
    eu = region("eu")
    one = edge([eu])
    path = os.path.join(one.directory, "rtt")
    assert one.stop() == 0
    with open(path, encoding="utf-8") as file:
        head, line = file.read().splitlines()
    assert head == "sextant-rtt 1" and line.startswith("eu ") and abs(int(line.split()[2]) - time.time()) < 120
    eu.pause()  # no probe is answered
    for text, cost in (("sextant-rtt 1\neu 321.000 %d\n" % time.time(), 321), ("sextant-rtt 1\neu 321.000 %d" % time.time(), 1),
                       ("sextant-rtt 1\neu 321.000 %d\n" % (time.time() - 2 * 86400), 1), ("\0" * 100, 1), ("x" * 100000, 1)):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        one.start(settle=False)
        cluster = one.cluster_state("eu")
        assert cluster["rtt_ms"] is None and abs(cluster["cost_ms"] - cost) < 1, (text[:50], cluster)
        assert one.stop() == 0
    assert one.output().count("makes no sense and is ignored") == 2
    assert one.output().count("is ignored: File too large") == 1
    eu.resume()
