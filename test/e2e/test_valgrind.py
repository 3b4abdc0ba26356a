# SPDX-License-Identifier: Apache-2.0
"""Under valgrind: start, serve, reload, end. No invalid access, no leak."""
import shutil
import signal

import pytest
from sextant import SEXTANT, Edge, wait_for

VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect,possible",
            "--show-leak-kinds=definite,indirect,possible", "--num-callers=30"]


class Watched(Edge):
    def spawn(self, argv, env):
        super().spawn(VALGRIND + argv, env)


@pytest.fixture
def watched(tmp_path):
    if not shutil.which("valgrind"):
        pytest.skip("no valgrind here: scripts/deps.sh test installs it")
    with open(SEXTANT, "rb") as file:
        if b"__asan_init" in (text := file.read()) or b"__tsan_init" in text:
            pytest.skip("a binary with a sanitizer does not run under valgrind")
    made = []

    def start(regions, partition_map, **options):
        made.append(Watched(tmp_path / "edge", regions, partition_map, **options))
        return made[-1].start()
    yield start
    for one in made:
        one.kill()


def test_start_serve_reload_stop(watched, region, tmp_path):
    eu, us = region("eu"), region("us")
    file = tmp_path / "map"
    file.write_text("shared *=eu,us copies=external\n* europe=eu *=us\n")
    # Everything is some thirty times slower here.
    one = watched([eu, us], file, probe_timeout="20s", connect_timeout="20s", head_timeout="60s", probe_fall=100)
    for caller in ("DE", "US"):
        assert one.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}}, caller, timeout=60)[0] in (200, 409)
        points = {"points": [{"id": n, "vector": [n, 1]} for n in range(50)]}
        assert one.call("PUT", "/collections/c/points?wait=true", points, caller, timeout=60)[0] == 200
        assert one.call("POST", "/collections/c/points/query", {"query": [1, 1]}, caller, timeout=60)[0] == 200
        assert one.call("GET", "/collections", None, caller, timeout=60)[0] == 200
        assert one.call("GET", "/collections/a%2Fb", None, caller, timeout=60)[0] == 422
    for page in ("/status", "/metrics", "/config", "/residency", "/explain?collection=c&place=DE"):
        assert one.admin(page)
    us.kill()
    assert one.call("GET", "/collections/c", None, "US", timeout=60)[0] in (502, 503)
    assert one.call("GET", "/collections/shared", None, "US", timeout=60)[0] in (200, 404)
    before = one.status()["generation"]
    file.write_text("* *=eu,us copies=external\n")
    one.signal(signal.SIGHUP)
    wait_for(lambda: one.status()["generation"] > before, 60, "the reload")
    assert one.call("GET", "/collections/c", None, "US", timeout=60)[0] == 200
    assert one.stop(60) == 0, one.output()[-6000:]
    assert "==" not in one.output(), one.output()[-6000:]
