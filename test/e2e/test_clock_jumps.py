# SPDX-License-Identifier: Apache-2.0
"""The wall clock of the edge jumps while it owns a home: nothing but what people read depends on it."""
import os
import subprocess

import pytest
from sextant import HERE, wait_for
from test_fanout import ask, converged, fan, lanes, upsert  # noqa: F401
from test_walks import PATH, compare, idle

HOUR = 3600


@pytest.fixture
def jumping(fan, tmp_path):  # noqa: F811
    """An edge of whose wall clock `one.jump(seconds)` says how far it is ahead."""
    if "asan" in os.environ.get("BUILD_DIR", ""):
        pytest.skip("the sanitizer has to be loaded first")
    shim, file = tmp_path / "clock_jump.so", tmp_path / "ahead"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", shim, os.path.join(HERE, "clock_jump.c")], check=True)

    def jump(seconds):
        (tmp_path / "ahead.new").write_text(str(seconds))
        os.replace(tmp_path / "ahead.new", file)
    jump(0)
    one = fan()
    one.stop()
    one.env.update(LD_PRELOAD=str(shim), CLOCK_JUMP=str(file))
    one.start()
    wait_for(lambda: lanes(one), 20, "the lanes")
    idle(one)  # how old what waits can be at most is known once nothing did
    one.jump = jump
    return one


def test_back_and_forth(jumping):
    one, expected = jumping, {}
    for n, seconds in enumerate((0, 24 * HOUR, -24 * HOUR, 9000 * 24 * HOUR, -20 * HOUR, 0)):
        one.jump(seconds)
        assert upsert(one, n, 100 + n)[0] == 200, seconds
        one.regions["us"].pause()
        assert upsert(one, 200 + n)[0] == 200
        one.jump(seconds - 2 * HOUR)  # back, with a point that waits
        assert all(0 <= each["lag_seconds"] < 60 for each in lanes(one)), lanes(one)
        one.jump(seconds + 2 * HOUR)
        assert all(0 <= each["lag_seconds"] < 60 for each in lanes(one)), lanes(one)
        one.regions["us"].resume()
        assert ask(one, "POST", PATH + "/delete?wait=true", {"points": [100 + n]})[0] == 200
        expected |= {n: 1, 200 + n: 1}
        assert set(converged(one)) == set(expected)
    idle(one)
    assert compare(one)[0] == 0
    assert one.output().count("its claim is held") == 2, "the claim goes by another clock"
    assert "claim" not in one.output().split("its claim is held")[-1], one.output()[-2000:]
    wait_for(lambda: all(each["lag_seconds"] == 0 for each in lanes(one)), 20, "rest")


def test_a_start_in_the_past(jumping):
    """What was recorded lies in the future then: it is read, held and shipped all the same."""
    one = jumping
    one.jump(400 * 24 * HOUR)
    one.regions["us"].pause()
    assert upsert(one, *range(20))[0] == 200
    one.kill()
    one.jump(0)
    one.start(settle=False)
    one.regions["us"].resume()
    wait_for(lambda: upsert(one, 20)[0] == 200, 30, "the claim")
    assert all(each["lag_seconds"] >= 0 for each in lanes(one)), lanes(one)
    assert set(converged(one, 40)) == set(range(21))
    idle(one)
