# SPDX-License-Identifier: Apache-2.0
"""The admin pages: Prometheus reads the metrics, and they say what happened."""
import json
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


def events(one, kind):
    return [e for e in one.status()["events"] if e["kind"] == kind]


def test_status_tells_what_happened_and_why(regions, edge):
    one = edge(regions, "* *=eu,us,ap copies=external")
    assert [e["kind"] for e in one.status()["events"]] == ["start"]
    regions[1].kill()
    down = wait_for(lambda: events(one, "endpoint-down"), 20, "the event")[0]
    assert down["subject"] == "us/1" and "refused the connection" in down["text"] and down["level"] == "bad"
    us = one.cluster_state("us")
    assert not us["up"] and us["endpoints"][0]["name"] == "us/1" and "refused" in us["endpoints"][0]["reason"]
    assert us["endpoints"][0]["since"] >= one.status()["started"]
    regions[1].start()
    up = wait_for(lambda: events(one, "endpoint-up"), 20, "the event")[0]
    assert up["subject"] == "us/1" and up["number"] > down["number"]
    assert json.loads(one.admin("/status?events=1"))["events"] == one.status()["events"][:1]
    assert request(one.admin_port, "GET", "/status?events=many")[0] == 400


def test_ejection_is_an_event(regions, edge):
    one = edge(regions, "* *=eu,us copies=external", probe_interval="10s")
    if regions[0].is_real:
        return
    regions[0].faults(status=502)
    for _ in range(10):
        one.call("POST", "/collections/c/points/scroll", {})
    event = wait_for(lambda: events(one, "endpoint-ejected"), 10, "the event")[0]
    assert event["subject"] == "eu/1" and "answered 502" in event["text"]


def test_traffic_by_country_and_cluster(regions, edge):
    one = edge(regions, "users europe=eu *=us\n* *=ap")
    for caller, times in (("DE", 6), ("US", 3), ("nowhere", 1)):
        for _ in range(times):
            one.call("POST", "/collections/users/points/scroll", {}, caller)

    def counted():
        return {p["name"]: p["requests_total"] for p in one.status()["map"]["rules"][0]["partitions"]}
    wait_for(lambda: counted() == {"europe": 6, "*": 4}, 5, "the counts")
    status = one.status()
    callers = {c["country"]: c["requests_total"] for c in status["callers"]}
    assert callers.pop("") >= 1 and callers == {"DE": 6, "US": 3}  # probes of readiness have no country
    assert status["places"]["override"] == 9 and status["places"]["none"] >= 1
    assert 'sextant_caller_requests_total{country="DE"} 6' in one.admin("/metrics")
    wait_for(lambda: one.cluster_state("eu")["requests_per_s"] > 0, 10, "a rate")
    assert one.status()["requests_per_s"] > 0 and one.cluster_state("ap")["requests_per_s"] == 0


def test_reloads_are_events(regions, edge, tmp_path):
    file = tmp_path / "map"
    file.write_text("* *=eu\n")
    one = edge(regions, str(file))
    file.write_text("a<img> *=eu\n")
    refused = wait_for(lambda: events(one, "reload-refused"), 10, "the event")[0]
    assert "a<img>" in refused["text"] and one.status()["reloads_failed"] == 1 and one.status()["warnings"]
    file.write_text("a *=eu\n* *=us\n")
    reload = wait_for(lambda: events(one, "reload"), 10, "the event")[0]
    assert "configuration" in reload["text"] and not one.status()["last_reload_error"]
