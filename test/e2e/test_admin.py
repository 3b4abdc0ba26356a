# SPDX-License-Identifier: Apache-2.0
"""The admin pages: Prometheus reads the metrics, and they say what happened."""
import re
import shutil
import subprocess

from sextant import request, wait_for

SAMPLE = re.compile(r'^[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? -?[0-9.e+-]+(Inf)?$')


def test_metrics_are_valid(regions, edge):
    one = edge(regions, "users europe=eu *=us residency=strict\n* *=eu,us,ap copies=external")
    one.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
    for caller in ("DE", "US", "nowhere"):
        one.call("POST", "/collections/c/points/scroll", {}, caller)
        one.call("POST", "/collections/users/points/scroll", {}, caller)
    text = one.admin("/metrics")
    described = set(re.findall(r"^# TYPE (\S+) ", text, re.M))
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        assert SAMPLE.match(line), line
        name = line.partition("{")[0].partition(" ")[0]
        assert name in described or re.sub("_(bucket|sum|count)$", "", name) in described, line
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_counters_count(regions, edge):
    one = edge(regions, "* *=eu")
    before = one.metric("sextant_requests_total")
    for _ in range(5):
        assert one.call("GET", "/healthz")[0] == 200
    wait_for(lambda: one.metric("sextant_requests_total") == before + 5, 5, "the count")
    assert one.metric("sextant_config_generation") == 1
    one.call("GET", "/collections/%2F")
    assert 'sextant_failures_total{code="NAME_INVALID"} 1' in one.admin("/metrics")


def test_pages(regions, edge):
    one = edge(regions, "* *=eu")
    assert "/explain" in one.admin("/")
    assert request(one.admin_port, "GET", "/nothing")[0] == 404
    assert request(one.admin_port, "POST", "/status", b"{}")[0] == 405
    assert request(one.admin_port, "GET", "/explain")[0] == 400


def test_headers_can_be_turned_off(regions, edge):
    one = edge(regions, "* *=eu", response_headers="off")
    headers = one.call("GET", "/collections/none")[1]
    assert not [h for h in headers if h.startswith("x-sextant")]
    assert one.call("GET", "/collections/a%2Fb")[1]["x-sextant-error"] == "NAME_INVALID"
