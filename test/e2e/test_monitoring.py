# SPDX-License-Identifier: Apache-2.0
"""The alerts and the dashboard in conf/: they ask only for what metrics.def has, and lead to a page that says what to do."""
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from metrics_table import metrics
from sextant import ROOT

FUNCTIONS = {"sum", "rate", "increase", "changes", "count", "max", "topk", "histogram_quantile", "vector", "time"}
WORDS = {"by", "or", "and", "on", "unless", "ignoring"}
ADDED = {"instance", "job"}  # by Prometheus


def path(*names):
    return os.path.join(ROOT, *names)


def read(*names):
    with open(path(*names), encoding="utf-8") as file:
        return file.read()


def names_of(expression):
    """(metric, labels that select) of each selector, and the labels that it is summed by."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    grouped = {g.strip() for group in re.findall(r"\bby \(([^)]*)\)", bare) for g in group.split(",")}
    bare = re.sub(r"\b(by|on|ignoring) \([^)]*\)", " ", bare)
    selectors = []
    for name, opens, labels in re.findall(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(\s*\()?(?:\{([^}]*)\})?", re.sub(r"\[[^\]]*\]", "", bare)):
        if opens:
            assert name in FUNCTIONS, (name, expression)
        elif name not in WORDS:
            selectors.append((name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))))
    assert selectors, expression
    return selectors, grouped


def check_expression(expression):
    table = metrics()
    selectors, grouped = names_of(expression)
    known = set()
    for name, labels in selectors:
        if name == "up":
            known |= ADDED
            continue
        base = re.sub("_(bucket|sum|count)$", "", name)
        assert name in table or table.get(base, ("",))[0] == "histogram", f"{name} is not in metrics.def: {expression}"
        has = set(table.get(name, table.get(base))[1]) | ADDED | ({"le"} if name.endswith("_bucket") else set())
        assert labels <= has, f"{name} has no label {labels - has}"
        known |= has
    assert grouped <= known, f"nothing in {expression} has the label {grouped - known}"


def test_the_check_of_names_can_fail():
    for bad in ("sextant_nothing > 0", 'sextant_requests_total{nation="DE"}', "sum by (colour) (sextant_ready)", "evil(sextant_ready)",
                "sextant_ready_bucket", 'rate(sextant_requests_total{cluster="a"}[5m]) / sextant_request > 1'):
        with pytest.raises(AssertionError):
            check_expression(bad)
    check_expression('sum by (instance) (rate(sextant_requests_total{status="5xx"}[5m])) / sum(sextant_ready)')


def rules():
    return yaml.safe_load(read("conf", "prometheus", "alerts.yml"))["groups"][0]["rules"]


def headings(text):
    return {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)}


def test_alerts():
    seen, sections = set(), headings(read("docs", "alerts.md"))
    for rule in rules():
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"} and rule["alert"] not in seen
        seen.add(rule["alert"])
        check_expression(rule["expr"])
        assert re.fullmatch(r"\d+[smh]", rule["for"]) and rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description", "action"}
        file, _, section = rule["annotations"]["action"].partition("#")
        assert file == "docs/alerts.md" and section in sections, rule["alert"]
        selectors, grouped = names_of(rule["expr"])
        labels = set.union(*(set(metrics().get(n, ("", ()))[1]) for n, _ in selectors)) | grouped | ADDED
        for text in rule["annotations"].values():
            assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels, (rule["alert"], text)
    assert len(seen) > 20
    assert seen == {h for h in re.findall(r"^## (\w+)$", read("docs", "alerts.md"), re.M) if h.startswith("Sextant")}
    mentioned = set(re.findall(r"\b[Aa]lert (Sextant\w+)", read("docs", "metrics.md") + read("scripts", "dashboard.py")))
    assert mentioned and mentioned <= seen


def test_every_alert_has_a_test_of_its_own():
    tests = yaml.safe_load(read("conf", "prometheus", "alerts_test.yml"))["tests"]
    quiet, *fires = tests
    assert {t["alertname"] for t in quiet["alert_rule_test"]} == {r["alert"] for r in rules()} == {t["name"] for t in fires}
    for one in fires:
        assert [len(t["exp_alerts"]) for t in one["alert_rule_test"]] == [1] and one["alert_rule_test"][0]["alertname"] == one["name"]
    for one in tests:
        for series in one["input_series"]:
            check_expression(series["series"])


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is missing: it comes with Debian's package prometheus")
def test_promtool_agrees():
    for arguments in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"], ["check", "config", "--syntax-only", "prometheus.yml"]):
        done = subprocess.run(["promtool", *arguments], cwd=path("conf", "prometheus"), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_dashboard_is_current():
    done = subprocess.run([sys.executable, path("scripts", "dashboard.py")], capture_output=True, text=True, check=True)
    assert done.stdout == read("conf", "grafana", "sextant.json"), "make dashboard"


def test_dashboard():
    board = json.loads(read("conf", "grafana", "sextant.json"))
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["source"]["type"] == "datasource" and variables["source"]["query"] == "prometheus"
    for one in variables.values():
        if one["type"] == "query":
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", one["query"]["query"]).groups()
            check_expression(f"sum by ({label}) ({metric})")
    panels = [p for p in board["panels"] if p["type"] != "row"]
    assert len(panels) > 25 and len({p["id"] for p in board["panels"]}) == len(board["panels"])
    for one in panels:
        assert one["title"] and one["description"] and one["fieldConfig"]["defaults"]["unit"], one["title"]
        assert one["datasource"]["uid"] == "${source}"
        for target in one["targets"]:
            check_expression(target["expr"])
            assert set(re.findall(r"\$(?!__)(\w+)", target["expr"])) <= set(variables)
            selectors, grouped = names_of(target["expr"])
            labels = grouped | set.union(*(set(metrics().get(n, ("", ()))[1]) for n, _ in selectors)) | ADDED
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, one["title"]
    taken = [(x, y) for p in board["panels"] for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
             for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 24
