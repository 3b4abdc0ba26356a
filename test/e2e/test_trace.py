# SPDX-License-Identifier: Apache-2.0
"""Trace context: what a cluster receives, and what joins it with the access log."""
import pytest
from sextant import request, wait_for

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def asked(region, edge):
    """A function: send these fields, and get what the cluster received and what the log says."""
    eu = region("eu")
    if eu.is_real:
        pytest.skip("needs to see what a cluster received")
    edges = {}

    def ask(mode, number, **fields):
        one = edges[mode] = edges.get(mode) or edge([eu], "* *=eu", traceparent=mode)
        target = f"/collections/c{number}"
        request(one.port, "GET", target, headers={**fields, "x-forwarded-for": "192.0.2.7"})
        seen = [r for r in eu.control(log=True)["log"] if r["target"] == target][-1]
        line = wait_for(lambda: [r for r in one.log() if r["path"] == target], 10, "the line in the log")[-1]
        return {k.lower(): v for k, v in seen["headers"]}, line
    return ask


def test_pass(asked):
    seen, line = asked("pass", 1, traceparent=PARENT, tracestate="a=1,b=2")
    assert (seen["traceparent"], seen["tracestate"]) == (PARENT, "a=1,b=2")
    assert (line["trace_id"], line["parent_id"]) == tuple(PARENT.split("-")[1:3])
    seen, line = asked("pass", 2, tracestate="a=1")
    assert not {"traceparent", "tracestate"} & set(seen) and "trace_id" not in line
    seen, line = asked("pass", 3, traceparent=PARENT.upper(), tracestate="a=1")
    assert not {"traceparent", "tracestate"} & set(seen) and "trace_id" not in line


def test_create(asked):
    seen, line = asked("create", 1, traceparent=PARENT, tracestate="a=1")
    assert (seen["traceparent"], seen["tracestate"], line["trace_id"]) == (PARENT, "a=1", PARENT.split("-")[1])
    made = set()
    for number in range(2, 22):
        seen, line = asked("create", number, **({"traceparent": "nonsense", "tracestate": "a=1"} if number % 2 else {}))
        version, trace, parent, flags = seen["traceparent"].split("-")
        assert (version, flags, len(trace), len(parent)) == ("00", "01", 32, 16) and "tracestate" not in seen
        assert (line["trace_id"], line["parent_id"]) == (trace, parent)
        made.add(trace)
    assert len(made) == 20
