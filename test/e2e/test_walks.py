# SPDX-License-Identifier: Apache-2.0
"""Copies that lack what nobody recorded for them: lanes that walk, and the orders that concern lanes."""
import json
import re

from sextant import wait_for
from test_ctl import ctl
from test_fanout import KEY, VECTORS, ask, converged, direct, fan, lanes, points, upsert  # noqa: F401 (fan is a fixture)


def lane(one, copy):
    return next(found for found in lanes(one) if found["copy"] == copy)


def test_lanes_are_shown(fan, edge, regions):  # noqa: F811
    one = fan()
    assert upsert(one, 1)[0] == 200
    converged(one)
    wait_for(lambda: all(each["points_waiting"] == 0 for each in lanes(one)), 10, "idle lanes")
    code, out, err = ctl(one, "lanes")
    assert (code, err) == (0, "") and re.search(r"^LANE +LAG +WAITING", out) and re.search(r"^eu/us +0\.0 s +0 ", out, re.M), out
    assert {each["copy"] for each in json.loads(ctl(one, "lanes", "--json")[1])["lanes"]} == {"us", "ap"}
    other = edge(regions, "* *=eu,us,ap copies=external")
    assert ctl(other, "lanes") == (0, "this edge has no lanes: it owns no home of writes that fan out\n", "")
    assert ctl(other, "retry", "eu/us") == (1, "", "sextant ctl: this edge owns no home: ask the one that does (409)\n")


def test_what_was_refused_is_tried_again_by_order(fan):  # noqa: F811
    one = fan()
    us = one.regions["us"]
    assert direct(us, "DELETE", "/collections/notes")[0] == 200
    assert direct(us, "PUT", "/collections/notes", {"vectors": {"size": 3, "distance": "Dot"}})[0] == 200
    assert upsert(one, 1, 2)[0] == 200
    wait_for(lambda: lane(one, "us")["points_refused"] == 2, 20, "the refusal")
    assert direct(us, "DELETE", "/collections/notes")[0] == 200
    assert direct(us, "PUT", "/collections/notes", VECTORS)[0] == 200
    assert ctl(one, "retry", "eu/us") == (0, "eu/us: 2 refused points are tried again\n", "")
    assert set(converged(one)) == {1, 2}
    code, _, err = ctl(one, "retry", "eu/mars")
    assert code == 1 and "there is no lane eu/mars" in err
