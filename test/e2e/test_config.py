# SPDX-License-Identifier: Apache-2.0
"""Configuration as its user meets it: mistakes all at once, with places and proposals; what check and explain print."""
import json
import os
import socket
import subprocess

import pytest
from sextant import ROOT, SEXTANT, check

GOOD = {"SEXTANT_CLUSTERS": "eu http://127.0.0.1:1 at=aws:eu-central-1; us http://127.0.0.1:2 at=aws:us-east-1",
        "SEXTANT_PARTITION_MAP": "users europe=eu *=us\n* *=eu", "SEXTANT_REGION": "aws:eu-central-1"}


def run(*arguments, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SEXTANT_")}
    return subprocess.run([SEXTANT, *arguments], env={**clean, **env}, capture_output=True, text=True, timeout=60, check=False)


def test_all_mistakes_at_once():
    code, text = check({**GOOD, "SEXTANT_CLUSTER": "x", "SEXTANT_WORKERS": "many", "SEXTANT_PROBE_INTERVAL": "0s",
                        "SEXTANT_PARTITION_MAP": "users europ=eu *=uss\n* *=eu,us", "SEXTANT_REGION": "aws:eu-central-9",
                        "SEXTANT_TRUSTED_PROXIES": "10.0.0.1/8"})
    assert code == 2
    for expected in ("SEXTANT_CLUSTER: error: unknown variable SEXTANT_CLUSTER; did you mean SEXTANT_CLUSTERS?",
                     'SEXTANT_WORKERS:1:1: error: expected a whole number, not "many"',
                     "SEXTANT_PROBE_INTERVAL:1:1: error: 0s is out of range: expected 10ms to 1h",
                     'SEXTANT_PARTITION_MAP:1:7: error: "europ" is no area', "did you mean europe?",
                     'SEXTANT_PARTITION_MAP:1:18: error: no cluster is called "uss"', "did you mean us?",
                     "SEXTANT_PARTITION_MAP:2:3: error: partition * lists several clusters",
                     "did you mean aws:eu-central-1?", 'SEXTANT_TRUSTED_PROXIES:1:1: error: "10.0.0.1/8" is not a network'):
        assert expected in text, (expected, text)


@pytest.mark.parametrize("name", ["SEXTANT_SERVICE_HOST", "SEXTANT_PORT", "SEXTANT_PORT_6333_TCP", "SEXTANT_PORT_6333_TCP_ADDR",
                                  "SEXTANT_EU_SERVICE_HOST", "SEXTANT_EU_SERVICE_PORT_HTTP", "SEXTANT_EU_PORT"])
def test_what_kubernetes_injects_is_ignored(name):
    assert check({**GOOD, name: "tcp://10.0.0.1:6333"})[0] == 0


@pytest.mark.parametrize("change,expected", [
    ({"SEXTANT_PARTITION_MAP": "* *=eu,us fanout=async"}, "SEXTANT_PARTITION_MAP:1:11: error: fanout= needs SEXTANT_JOURNAL_DIR"),
    ({"SEXTANT_PARTITION_MAP": "* *=eu,us fanout=async"}, "SEXTANT_PARTITION_MAP:1:11: error: fanout= needs SEXTANT_API_KEY"),
    ({"SEXTANT_PARTITION_MAP": "* *=eu,us fanout=async"}, "SEXTANT_PARTITION_MAP:1:3: error: nobody journals for the home eu of partition *"),
    ({"SEXTANT_OWNS": "us"}, "SEXTANT_OWNS:1:1: error: cluster us is the home of no partition with fanout="),
    ({"SEXTANT_PARTITION_MAP": "* *=eu,us fanout=async write=nearest"}, "write=nearest is only for copies=external"),
    ({"SEXTANT_JOURNAL_QUOTA": "1MiB"}, "SEXTANT_JOURNAL_QUOTA:1:1: error: 1MiB is out of range: expected 16MiB to 1024TiB"),
    ({"SEXTANT_LISTEN": "0.0.0.0:1/tls"}, "needs SEXTANT_TLS_CERT"),
    ({"SEXTANT_PARTITION_MAP": "* europe=us *=eu residency=strict"}, "cluster us is in US, outside europe"),
    ({"SEXTANT_PARTITION_MAP": "* *=eu write=nearest"}, "write=nearest is only for copies=external"),
    ({"SEXTANT_PARTITION_MAP": "* DE=eu DE=us"}, "overlaps DE of this line"),
    ({"SEXTANT_AREAS": "x=DE,FR y=FR", "SEXTANT_PARTITION_MAP": "* x=eu y=us"}, "one area a line"),
    ({"SEXTANT_AREAS": "x=DE,FR;y=FR,IT", "SEXTANT_PARTITION_MAP": "* x=eu y=us"}, "y overlaps"),
    ({"SEXTANT_AREAS": "x=y;y=x", "SEXTANT_PARTITION_MAP": "* x=eu *=us"}, "contains itself"),
    ({"SEXTANT_AREAS": "x=", "SEXTANT_PARTITION_MAP": "* x=eu *=us"}, "matches nobody"),
    ({"SEXTANT_ADMIN_LISTEN": "0.0.0.0:6390"}, "beyond loopback it needs SEXTANT_ADMIN_TOKEN"),
    ({"SEXTANT_ADMIN_TOKEN": "fifteen-letters"}, "SEXTANT_ADMIN_TOKEN:1:1: error: expected at least 16 visible ASCII characters"),
    ({"SEXTANT_ADMIN_TOKEN": "sixteen letters!"}, "expected at least 16 visible ASCII characters"),
    ({"SEXTANT_TRACEPARENT": "make"}, 'expected pass or create, not "make"'),
    ({"SEXTANT_SESSION": "cookie"}, 'expected off or credential, not "cookie"'),
    ({"SEXTANT_LISTEN": "0.0.0.0:70000"}, "is not a listening address"),
    ({"SEXTANT_LOCAL_CLUSTER": "eeu"}, "no cluster is called eeu; did you mean eu?"),
    ({"SEXTANT_CLUSTERS": "eu http://a at=nowhere; us http://b at=DE"}, '"nowhere" is not a place'),
    ({"SEXTANT_CLUSTERS": "eu http://a at=DE; eu http://b at=US; us http://c at=US"}, "cluster eu is defined twice"),
    ({"SEXTANT_CLUSTERS": "eu http://a,http://a at=DE; us http://c at=US"}, "is listed twice"),
    ({"SEXTANT_GEO_DB": "/nonexistent.mmdb"}, "/nonexistent.mmdb: No such file"),
    ({"SEXTANT_PARTITION_MAP_FILE": "/x"}, "are both set: use one"),
    ({"SEXTANT_DEFAULT_PLACE": "Atlantis"}, "is not a place"),
])
def test_mistakes(change, expected):
    code, text = check({**GOOD, **change})
    assert code == 2 and expected in text, text


def test_warnings_do_not_stop():
    code, text = check({**GOOD, "SEXTANT_PARTITION_MAP": "* *=eu\nusers *=us"})
    assert code == 0 and "SEXTANT_PARTITION_MAP:2:1: warning: pattern users is never reached: line 1" in text


def test_several_clusters_without_a_map_print_three():
    code, text = check({"SEXTANT_CLUSTERS": GOOD["SEXTANT_CLUSTERS"]})
    assert code == 2
    for line in ("'* *=eu,us copies=external write=nearest'", "'* europe=eu north-america=us *=eu'", "fanout=async"):
        assert line in text
    assert check({"SEXTANT_CLUSTERS": GOOD["SEXTANT_CLUSTERS"], "SEXTANT_PARTITION_MAP": "* europe=eu north-america=us *=eu"})[0] == 0


def test_what_check_prints_can_be_read_back(tmp_path):
    code, text = check({**GOOD, "SEXTANT_OVERRIDES": "10.0.0.0/8=DE", "SEXTANT_PROBE_INTERVAL": "1500ms"})
    assert code == 0
    path = tmp_path / "env"
    path.write_text(text)
    assert check({"SEXTANT_ENV_FILE": str(path)}) == (0, text)
    assert "# users                    europe                   eu" in text


def test_files_and_secrets_of_values(tmp_path):
    (tmp_path / "map").write_text("* *=us\n")
    for env in ({"SEXTANT_PARTITION_MAP": str(tmp_path / "map")}, {"SEXTANT_PARTITION_MAP_FILE": str(tmp_path / "map")}):
        clean = {k: v for k, v in GOOD.items() if k != "SEXTANT_PARTITION_MAP"}
        code, text = check({**clean, **env})
        assert code == 0 and "# *                        *                        us" in text


def test_explain():
    done = run("explain", "--ip", "192.0.2.7", "--collection", "users", "--place=DE", "--json", **GOOD)
    plan = json.loads(done.stdout)
    assert done.returncode == 0 and plan["partition"]["name"] == "europe" and plan["candidates"][0]["cluster"] == "eu"
    words = run("explain", "--collection", "users", **GOOD).stdout
    assert "partition   * (area *)" in words and "answer      from us" in words
    assert run("explain", "--ip", "no", "--collection", "users", **GOOD).returncode == 2
    assert run("explain", "--colection", "users", **GOOD).returncode == 2


def test_a_port_in_use_is_said():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        done = run(**{**GOOD, "SEXTANT_LISTEN": f"127.0.0.1:{port}", "SEXTANT_ADMIN_LISTEN": ""})
    assert done.returncode == 1
    assert f"127.0.0.1:{port} is in use by another program" in done.stderr and "SEXTANT_LISTEN=127.0.0.1:" in done.stderr


def test_help_and_version():
    assert "SEXTANT_PARTITION_MAP" in run("--help").stdout
    assert run("--version").stdout.startswith("sextant ")
    assert run("nonsense").returncode == 2


def test_the_list_of_options_is_current():
    tool = os.path.join(os.path.dirname(SEXTANT), "options_md")
    with open(os.path.join(ROOT, "conf", "OPTIONS.md"), encoding="utf-8") as file:
        assert subprocess.run([tool], capture_output=True, text=True, check=True).stdout == file.read(), "make options"
