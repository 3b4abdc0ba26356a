#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints conf/grafana/sextant.json, the Grafana dashboard; `make dashboard` writes it. Rows and panels stand in ROWS, each
panel as (title, unit, description, {legend: expression}); everything else is alike for all of them."""
import json

EDGE = 'instance=~"$edge"'
CLUSTER = EDGE + ',cluster=~"$cluster"'


def rate(name, labels=EDGE, by="instance"):
    return f"sum by ({by}) (rate({name}{{{labels}}}[$__rate_interval]))"


def quantile(q, name, labels, by):
    return f"histogram_quantile({q}, sum by ({by}, le) (rate({name}_bucket{{{labels}}}[$__rate_interval])))"


STATS = "Now"
ROWS = [
    (STATS, [
        ("Edges ready", "short", "Edges whose /readyz says 200.", {"": f"sum(sextant_ready{{{EDGE}}})"}),
        ("Requests", "reqps", "Requests answered per second, all edges together.", {"": f"sum(rate(sextant_requests_total{{{EDGE}}}[$__rate_interval]))"}),
        ("Errors", "percentunit", "Share of answers with a status of 5xx. Above 1 % the alert SextantErrors fires.",
         {"": f'(sum(rate(sextant_requests_total{{{EDGE},status="5xx"}}[$__rate_interval])) or vector(0)) / sum(rate(sextant_requests_total{{{EDGE}}}[$__rate_interval]))'}),
        ("Endpoints down", "short", "Endpoints that an edge has taken out of use, counted once for each edge.",
         {"": f"count(sextant_endpoint_up{{{EDGE}}} == 0) or vector(0)"}),
        ("Slowest reads", "s", "99th percentile of reads, the worst cluster.", {"": "max(" + quantile(0.99, "sextant_request_seconds", EDGE + ',kind="read"', "cluster") + ")"}),
        ("Reloads refused", "short", "Edges that run an older configuration, as the new one was refused.",
         {"": f"count(sextant_config_last_reload_successful{{{EDGE}}} == 0) or vector(0)"}),
    ]),
    ("Requests", [
        ("Requests by cluster", "reqps", "Requests answered per second, by the cluster that answered; none is this edge itself.",
         {"{{cluster}}": rate("sextant_requests_total", CLUSTER, "cluster")}),
        ("Requests by status", "reqps", "Requests answered per second, by class of status.", {"{{status}}": rate("sextant_requests_total", CLUSTER, "status")}),
        ("Time of reads", "s", "From the end of the request's head to the end of the answer, by cluster: median and 99th percentile.",
         {"{{cluster}} median": quantile(0.5, "sextant_request_seconds", CLUSTER + ',kind="read"', "cluster"),
          "{{cluster}} 99 %": quantile(0.99, "sextant_request_seconds", CLUSTER + ',kind="read"', "cluster")}),
        ("Time of writes", "s", "The same for writes.",
         {"{{cluster}} median": quantile(0.5, "sextant_request_seconds", CLUSTER + ',kind="write"', "cluster"),
          "{{cluster}} 99 %": quantile(0.99, "sextant_request_seconds", CLUSTER + ',kind="write"', "cluster")}),
        ("Time to the cluster's first byte", "s", "From sending to the first byte of the answer, 99th percentile. If this does not rise and the time of requests does, the time is spent here.",
         {"{{cluster}}": quantile(0.99, "sextant_upstream_seconds", CLUSTER, "cluster")}),
        ("Answers for a reason of this edge's own", "reqps", "By code; docs/metrics.md has a table of them.", {"{{code}}": rate("sextant_failures_total", EDGE, "code") + " > 0"}),
    ]),
    ("Clusters", [
        ("Clusters up", "short", "1 when at least one endpoint is in use, as each edge sees it.", {"{{cluster}} from {{instance}}": f"sextant_cluster_up{{{CLUSTER}}}"}),
        ("Round trip", "s", "Measured by probes.", {"{{cluster}} from {{instance}}": f"sextant_cluster_rtt_seconds{{{CLUSTER}}}"}),
        ("Outstanding and waiting", "short", "Requests that a cluster works on, and those that wait for a place there.",
         {"{{cluster}} outstanding": f"sum by (cluster) (sextant_cluster_outstanding{{{CLUSTER}}})", "{{cluster}} waiting": f"sum by (cluster) (sextant_cluster_waiting{{{CLUSTER}}})"}),
        ("Failed exchanges", "percentunit", "Share of what was sent to a cluster that brought no complete answer. Fail-over may hide it from clients.",
         {"{{cluster}}": rate("sextant_exchange_failures_total", CLUSTER, "cluster") + " / " + rate("sextant_exchanges_total", CLUSTER, "cluster")}),
        ("Retries", "reqps", "Second and later tries, and those that the budget forbade.",
         {"{{cluster}}": rate("sextant_retries_total", CLUSTER, "cluster"), "refused": f"sum(rate(sextant_retries_refused_total{{{EDGE}}}[$__rate_interval]))"}),
        ("Falls of endpoints", "short", "Times within an hour that an endpoint was taken out of use.",
         {"{{cluster}}/{{endpoint}}": f"sum by (cluster, endpoint) (increase(sextant_endpoint_falls_total{{{CLUSTER}}}[1h]))"}),
        ("Connections", "short", "Open connections to a cluster, and the idle ones among them.",
         {"{{cluster}} open": f"sum by (cluster) (sextant_cluster_connections{{{CLUSTER}}})", "{{cluster}} idle": f"sum by (cluster) (sextant_cluster_connections_idle{{{CLUSTER}}})"}),
        ("Bytes", "Bps", "To and from a cluster, heads included.",
         {"{{cluster}} to": rate("sextant_request_bytes_total", CLUSTER, "cluster"), "{{cluster}} from": rate("sextant_response_bytes_total", CLUSTER, "cluster")}),
    ]),
    ("Copies of writes that fan out", [
        ("Lag of copies", "s", "Age of the oldest change that a copy lacks.", {"{{home}} → {{copy}}": f"max by (home, copy) (sextant_lane_lag_seconds{{{EDGE}}})"}),
        ("Points that wait", "short", "To be brought to the copy.", {"{{home}} → {{copy}}": f"max by (home, copy) (sextant_lane_points{{{EDGE}}})"}),
        ("What is in the way of copies", "short", "Points that the copy refuses, collections that are blocked, collections that differ without a record. Docs/replication.md says what to do.",
         {"{{home}} → {{copy}} points": f"max by (home, copy) (sextant_lane_refused_points{{{EDGE}}}) > 0",
          "{{home}} → {{copy}} blocked": f"max by (home, copy) (sextant_lane_blocked_collections{{{EDGE}}}) > 0",
          "{{home}} → {{copy}} differing": f"max by (home, copy) (sextant_lane_differing_collections{{{EDGE}}}) > 0"}),
        ("Points yet to be compared", "short", "While all points of a copy are compared with home.",
         {"{{home}} → {{copy}}": f"max by (home, copy) (sextant_lane_walk_points{{{EDGE}}})"}),
        ("Journal", "bytes", "In use, and the quota. When it is full, writes that fan out are refused.",
         {"{{instance}}": f"sextant_journal_bytes{{{EDGE}}}", "{{instance}} quota": f"sextant_journal_quota_bytes{{{EDGE}}}"}),
        ("Writes under way", "short", "Without an outcome yet; held: nobody knows it, and their points refuse writes meanwhile.",
         {"{{instance}}": f"sextant_writes_open{{{EDGE}}}", "{{instance}} held": f"sextant_writes_held{{{EDGE}}} > 0"}),
    ]),
    ("Callers", [
        ("Requests by country", "reqps", "By the caller's place; the ten busiest.", {"{{country}}": "topk(10, " + rate("sextant_caller_requests_total", EDGE, "country") + ")"}),
        ("How places were found", "reqps", "none: the caller has no place.", {"{{source}}": rate("sextant_places_total", EDGE, "source")}),
        ("Bytes between countries", "Bps", "Country of the caller to country of the cluster, both directions; the ten busiest.",
         {"{{caller_country}} → {{cluster_country}}": "topk(10, " + rate("sextant_residency_bytes_total", EDGE, "caller_country, cluster_country") + ")"}),
        ("Credentials", "reqps", "Requests by the kind of credential that they showed; missing and invalid ones were refused.",
         {"{{key}}": rate("sextant_authentications_total", EDGE, "key") + " > 0"}),
        ("TLS handshakes", "reqps", "Completed, resumed ones among them, and failed by reason.",
         {"completed": f"sum(rate(sextant_tls_handshakes_total{{{EDGE}}}[$__rate_interval]))",
          "resumed": f"sum(rate(sextant_tls_resumed_total{{{EDGE}}}[$__rate_interval]))",
          "{{reason}}": rate("sextant_tls_handshake_failures_total", EDGE, "reason") + " > 0"}),
        ("Client connections", "short", "Open, and the limit.",
         {"{{instance}}": f"sextant_client_connections_open{{{EDGE}}}", "{{instance}} limit": f"sextant_client_connections_limit{{{EDGE}}}"}),
    ]),
    ("Process", [
        ("CPU", "percentunit", "Of one core.", {"{{instance}}": f'rate(process_cpu_seconds_total{{{EDGE},job="sextant"}}[$__rate_interval])'}),
        ("Memory", "bytes", "Resident; and the request bodies kept for sending again, which are part of it.",
         {"{{instance}}": f'process_resident_memory_bytes{{{EDGE},job="sextant"}}', "{{instance}} bodies": f"sextant_replay_bytes{{{EDGE}}}"}),
        ("Lag of workers", "s", "How long a message waits until a worker gets round to it, 99th percentile.", {"{{instance}}": quantile(0.99, "sextant_loop_lag_seconds", EDGE, "instance")}),
        ("File descriptors", "short", "Open, and the limit.",
         {"{{instance}}": f'process_open_fds{{{EDGE},job="sextant"}}', "{{instance}} limit": f'process_max_fds{{{EDGE},job="sextant"}}'}),
        ("Lost lines of the access log", "short", "Per second; any is too many.", {"{{instance}}": rate("sextant_access_log_dropped_total")}),
        ("Age of geo data", "s", "By database. Renew it twice a year.", {"{{instance}} {{file}}": f"sextant_geo_age_seconds{{{EDGE}}}"}),
    ]),
]
SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(number, title, unit, description, targets, place, kind):
    defaults = {"unit": unit, "min": 0}
    options = {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}}
    if kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value", "graphMode": "area"}
    else:
        defaults["custom"] = {"drawStyle": "line", "fillOpacity": 8, "lineWidth": 1, "showPoints": "never"}
    return {"id": number, "type": kind, "title": title, "description": description, "datasource": SOURCE, "gridPos": place,
            "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options,
            "targets": [{"refId": chr(ord("A") + i), "datasource": SOURCE, "editorMode": "code", "range": True, "expr": expr, "legendFormat": legend}
                        for i, (legend, expr) in enumerate(targets.items())]}


def panels():
    found, y = [], 0
    for row, members in ROWS:
        is_stats = row == STATS
        columns, width, height = (6, 4, 4) if is_stats else (2, 12, 8)
        found.append({"id": len(found) + 1, "type": "row", "title": row, "collapsed": False, "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}, "panels": []})
        y += 1
        for i, (title, unit, description, targets) in enumerate(members):
            place = {"h": height, "w": width, "x": i % columns * width, "y": y + i // columns * height}
            found.append(panel(len(found) + 1, title, unit, description, targets, place, "stat" if is_stats else "timeseries"))
        y += (len(members) + columns - 1) // columns * height
    return found


def variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1,
            "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}


DASHBOARD = {
    "uid": "sextant", "title": "Sextant", "description": "Edges in front of Qdrant clusters. Metrics: docs/metrics.md, alerts: docs/alerts.md.", "tags": ["sextant", "qdrant"],
    "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-3h", "to": "now"}, "timezone": "browser",
    "templating": {"list": [
        {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}, "refresh": 1},
        variable("edge", "Edge", "label_values(sextant_build_info, instance)"),
        variable("cluster", "Cluster", "label_values(sextant_cluster_up, cluster)")]},
    "annotations": {"list": [{"name": "Configuration", "enable": True, "datasource": SOURCE, "iconColor": "blue",
                              "expr": f"changes(sextant_config_generation{{{EDGE}}}[1m]) > 0", "titleFormat": "new configuration at {{instance}}"}]},
    "panels": panels(),
}
print(json.dumps(DASHBOARD, indent=1, ensure_ascii=False))
