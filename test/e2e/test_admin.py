# SPDX-License-Identifier: Apache-2.0
"""The admin pages: Prometheus reads the metrics, and they say what happened."""
import json
import os
import re
import shutil
import signal
import subprocess

from metrics_table import metrics
from prometheus_client.parser import text_string_to_metric_families
from sextant import ROOT, SEXTANT, request, wait_for


def families_of(text):
    """Metrics by name, as the official parser reads them; what it would overlook is looked for here."""
    families = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in families, family.name
        families[family.name] = family
        series = [(s.name, tuple(sorted(s.labels.items()))) for s in family.samples]
        assert len(series) == len(set(series)), family.name
    return families


def test_metrics_are_valid(regions, edge):
    one = edge(regions, "users europe=eu *=us residency=strict\n* *=eu,us,ap copies=external",
               access_log="off", geo_db="")
    one.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
    for caller in ("DE", "US", "nowhere"):
        one.call("POST", "/collections/c/points/scroll", {}, caller)
        one.call("POST", "/collections/users/points/scroll", {}, caller)
    wait_for(lambda: one.metric("sextant_loop_lag_seconds_count") >= 2, 10, "a sample of the workers' lag")
    status, headers, raw = request(one.admin_port, "GET", "/metrics", headers={
        "accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"})
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    families = families_of(raw.decode())
    expected = {re.sub("_total$", "", name): line for name, line in metrics().items()}
    assert set(families) == set(expected)
    for name, family in families.items():
        kind, labels, text = expected[name]
        assert (family.type, family.documentation) == (kind, text), name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(labels), sample
    for name in ("sextant_requests", "sextant_probes", "sextant_residency_bytes", "sextant_cluster_rtt_seconds",
                 "process_cpu_seconds", "sextant_endpoint_up"):
        assert families[name].samples, name
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=raw, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_document_of_metrics_is_current():
    tool = os.path.join(os.path.dirname(SEXTANT), "metrics_md")
    with open(os.path.join(ROOT, "docs", "metrics.md"), encoding="utf-8") as file:
        assert subprocess.run([tool], capture_output=True, text=True, check=True).stdout == file.read(), "make metrics-doc"


def value_of(one, name, **labels):
    family = families_of(one.admin("/metrics"))[name]
    return sum(s.value for s in family.samples if labels.items() <= s.labels.items())


def test_the_process_is_measured(regions, edge):
    one = edge(regions, "* *=eu")
    with open(f"/proc/{one.process.pid}/stat", encoding="utf-8") as file:
        rss = int(file.read().rsplit(")", 1)[1].split()[21]) * os.sysconf("SC_PAGESIZE")
    assert abs(value_of(one, "process_resident_memory_bytes") - rss) < 16e6
    assert abs(value_of(one, "process_start_time_seconds") - os.stat(f"/proc/{one.process.pid}").st_ctime) < 60
    assert abs(value_of(one, "process_open_fds") - len(os.listdir(f"/proc/{one.process.pid}/fd"))) < 10
    assert value_of(one, "process_threads") >= value_of(one, "sextant_workers") + 1 == 3
    assert value_of(one, "sextant_ready") == 1


def test_a_fall_and_idle_connections_are_counted(regions, edge):
    one = edge(regions, "* *=eu,us copies=external", nearest="eu")
    one.call("GET", "/collections/none")
    assert value_of(one, "sextant_cluster_connections_idle", cluster="eu") >= 1
    assert value_of(one, "sextant_endpoint_falls", cluster="eu") == 0
    regions[0].kill()
    wait_for(lambda: value_of(one, "sextant_endpoint_falls", cluster="eu") >= 1, 20, "the fall")
    wait_for(lambda: value_of(one, "sextant_cluster_connections_idle", cluster="eu") == 0, 10, "the end of idle connections")
    wait_for(lambda: value_of(one, "sextant_probe_failures", cluster="eu") >= 1, 10, "a probe that fails, whatever it fell by")
    assert value_of(one, "sextant_cluster_up", cluster="eu") == 0 and value_of(one, "sextant_cluster_up", cluster="us") == 1


def test_clusters_that_go_leave_no_series(regions, edge, tmp_path):
    """Two of them could not be told apart, and one name twice would make the page invalid."""
    clusters = tmp_path / "clusters"
    clusters.write_text("".join(f"{r.name} {r.url} at={at}\n" for r, at in zip(regions, ("DE", "US", "JP"))))
    one = edge([], "* *=eu", clusters_file=str(clusters))
    for _ in range(4):
        one.call("GET", "/collections/none")
    clusters.write_text(f"eu {regions[0].url} at=DE\n")
    one.signal(signal.SIGHUP)
    wait_for(lambda: one.metric("sextant_config_generation") == 2, 10, "the reload")
    families = families_of(one.admin("/metrics"))
    named = {s.labels["cluster"] for f in families.values() for s in f.samples if "cluster" in s.labels}
    assert named <= {"eu", "none"}, named
    assert families["sextant_config_last_reload_successful"].samples[0].value == 1
    clusters.write_text("eu nonsense\n")
    one.signal(signal.SIGHUP)
    wait_for(lambda: one.metric("sextant_config_reloads_failed_total") >= 1, 10, "the refusal")
    assert one.metric("sextant_config_last_reload_successful") == 0


def test_lost_lines_of_the_log_are_counted(regions, edge):
    one = edge(regions, "* *=eu", access_log="/dev/full")
    for _ in range(3):
        one.call("GET", "/collections/none")
    wait_for(lambda: one.metric("sextant_access_log_dropped_total") == one.metric("sextant_requests_total") >= 3, 10, "the count")


def test_counters_count(regions, edge):
    one = edge(regions, "* *=eu")
    before = one.metric("sextant_requests_total")
    for _ in range(5):
        assert one.call("GET", "/healthz")[0] == 200
    wait_for(lambda: one.metric("sextant_requests_total") == before + 5, 5, "the count")
    assert one.metric("sextant_config_generation") == 1
    one.call("GET", "/collections/%2F")
    assert 'sextant_failures_total{code="NAME_SLASH"} 1' in one.admin("/metrics")


def test_pages(regions, edge):
    one = edge(regions, "* *=eu")
    assert "/explain" in one.admin("/help")
    assert request(one.admin_port, "GET", "/nothing")[0] == 404
    assert request(one.admin_port, "POST", "/status", b"{}")[0] == 405
    assert request(one.admin_port, "GET", "/explain")[0] == 400


def test_headers_can_be_turned_off(regions, edge):
    one = edge(regions, "* *=eu", response_headers="off")
    headers = one.call("GET", "/collections/none")[1]
    assert not [h for h in headers if h.startswith("x-sextant")]
    assert one.call("GET", "/collections/a%2Fb")[1]["x-sextant-error"] == "NAME_SLASH"


def events(one, kind):
    return [e for e in one.status()["events"] if e["kind"] == kind]


def test_status_tells_what_happened_and_why(regions, edge):
    one = edge(regions, "* *=eu,us,ap copies=external")
    assert [e["kind"] for e in one.status()["events"]] == ["start"]
    regions[1].kill()
    down = wait_for(lambda: events(one, "endpoint-down"), 20, "the event")[0]
    assert down["subject"] == "us/1" and re.search("(refused|closed) the connection", down["text"]) and down["level"] == "bad"
    us = one.cluster_state("us")
    assert not us["up"] and us["endpoints"][0]["name"] == "us/1" and re.search("refused|closed", us["endpoints"][0]["reason"])
    assert us["endpoints"][0]["since"] >= one.status()["started"]
    regions[1].start()
    up = wait_for(lambda: events(one, "endpoint-up"), 20, "the event")[0]
    assert up["subject"] == "us/1" and up["number"] > down["number"]
    assert json.loads(one.admin("/status?events=1"))["events"] == one.status()["events"][:1]
    assert request(one.admin_port, "GET", "/status?events=many")[0] == 400


def test_ejection_is_an_event(regions, edge):
    one = edge(regions, "* *=eu,us copies=external", nearest="eu", probe_interval="10s")
    if regions[0].is_real:
        return
    regions[0].faults(status=502, match="/collections/")  # probes are well, or they might be the ones that take it out
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
    assert "configuration" in reload["text"] and "a file has changed" in reload["text"] and not one.status()["last_reload_error"]


def test_names_without_address_are_told(region, edge):
    eu = region()
    one = edge([eu], "* *=eu", settle=False, clusters=f"eu {eu.url} at=DE; far http://nowhere.invalid:6333 at=US")
    failed = wait_for(lambda: events(one, "name-failed"), 60, "the event")[0]
    assert failed["subject"] == "nowhere.invalid" and "no address" in failed["text"]
    far = one.cluster_state("far")
    assert not far["up"] and [(e["name"], e["state"], e["usable"]) for e in far["endpoints"]] == [("far/1", "unresolved", False)]


def test_kinds_of_events_are_documented():
    with open(os.path.join(ROOT, "proxy/obs/events.def"), encoding="utf-8") as file:
        kinds = re.findall(r'^EVENT\(\w+, *"([a-z-]+)"', file.read(), re.M)
    with open(os.path.join(ROOT, "docs/admin.md"), encoding="utf-8") as file:
        text = file.read()
    assert len(kinds) > 5 and not [kind for kind in kinds if f"`{kind}`" not in text]
