# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile, compose.yaml and the systemd unit: their facts hold, their configurations are understood."""
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from sextant import ROOT, SEXTANT, check


def read(*names):
    with open(os.path.join(ROOT, *names), encoding="utf-8") as file:
        return file.read()


def run(*argv, **how):
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, **how)


def test_the_dockerfile_installs_what_the_build_needs():
    needed = set(re.findall(r"^build\|([^|]+)\|", read("scripts", "deps.sh"), re.M))
    installed = set(re.search(r"--no-install-recommends (.*?)\n[A-Z]", read("Dockerfile").replace("\\\n", " "), re.S).group(1).split())
    assert needed <= installed, needed - installed
    assert f'image.version="{re.search("^VERSION := (.*)$", read("Makefile"), re.M).group(1)}"' in read("Dockerfile")


def test_the_reader_of_dockerfiles():
    """scripts/dockerfile.py reads them as the reference says."""
    sys.path.insert(0, os.path.join(ROOT, "scripts"))
    import dockerfile
    assert dockerfile.steps_of("# x\nFROM a AS b\nRUN one \\\n  # no step\n  two\nENV A=1\n") == [
        ("FROM", "a AS b"), ("RUN", "one    two"), ("ENV", "A=1")]
    assert dockerfile.pairs_of('A="b c" D=${E}x', {"E": "f"}) == {"A": "b c", "D": "fx"}
    assert dockerfile.flags_of("--from=build --chown=1:2 /a/ /b") == ({"from": "build", "chown": "1:2"}, "/a/ /b")
    patterns = ["*", "!proxy", "!Makefile", "**/__pycache__"]
    kept = [p for p in ("Makefile", "proxy/a.c", "proxy/x/__pycache__/a", "test/a", "admin-token") if not dockerfile.is_ignored(p, patterns)]
    assert kept == ["Makefile", "proxy/a.c"]
    context = dockerfile.context_of(ROOT)
    assert {"Makefile", "proxy/main.c", "scripts/geo.sh"} <= set(context)
    assert not [f for f in context if f.startswith(("test/", "build/", ".git/")) or f == "admin-token"]


def compose():
    return yaml.safe_load(read("compose.yaml"))


def test_edges_of_compose_are_configured(tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef0123456789abcdef\n")
    edges = {name: s for name, s in compose()["services"].items() if name.startswith("edge-")}
    assert len(edges) == 3
    for name, service in edges.items():
        env = {k: str(v) for k, v in service["environment"].items()}
        env["SEXTANT_ADMIN_TOKEN_FILE"] = env["SEXTANT_ADMIN_TOKEN_FILE"].replace("/run/secrets/admin_token", str(token))
        code, text = check(env)
        assert code == 0 and "error" not in text and "warning" not in text, (name, text)
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and env["SEXTANT_LOCAL_CLUSTER"] == name[5:]
    env["SEXTANT_PARTITION_MAP"] = "* *=nowhere"
    assert check(env)[0] == 2


def test_compose_fits_together():
    book = compose()
    services, hosts = book["services"], set(book["services"])
    published = []
    for service in services.values():
        assert service["image"] != "sextant" or service["build"] == "."
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert os.path.exists(os.path.join(ROOT, source)) if source.startswith("./") else source in book["volumes"], volume
        assert set(service.get("secrets", [])) <= set(book["secrets"]) and set(service.get("depends_on", [])) <= hosts
        published += [p.rsplit(":", 1)[0].rsplit(":", 1)[-1] for p in service.get("ports", [])]
    assert len(published) == len(set(published)) == 8
    clusters = services["edge-eu"]["environment"]["SEXTANT_CLUSTERS"]
    assert set(re.findall(r"http://([\w-]+):6333", clusters)) == {h for h in hosts if h.startswith("qdrant-")}
    targets = yaml.safe_load(read("conf", "prometheus", "prometheus.yml"))["scrape_configs"][0]["static_configs"][0]["targets"]
    assert {t.split(":")[0] for t in targets} == {h for h in hosts if h.startswith("edge-")}
    source = yaml.safe_load(read("conf", "grafana", "provisioning", "datasources", "prometheus.yml"))["datasources"][0]
    assert source["type"] == "prometheus" and re.match(r"http://(\w+):", source["url"]).group(1) in hosts
    provider = yaml.safe_load(read("conf", "grafana", "provisioning", "dashboards", "sextant.yml"))["providers"][0]
    assert any(v.split(":")[1].startswith(provider["options"]["path"] + "/") for v in services["grafana"]["volumes"])


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What make install lays out, for PREFIX=/usr."""
    target = tmp_path_factory.mktemp("installed")
    done = run("make", "-s", "install", f"DESTDIR={target}", "PREFIX=/usr", timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_make_install(installed):
    files = {str(p.relative_to(installed)) for p in installed.rglob("*") if p.is_file()}
    assert {"usr/bin/sextant", "usr/lib/systemd/system/sextant.service", "usr/lib/systemd/system/sextant.socket",
            "usr/lib/sysusers.d/sextant.conf", "usr/share/sextant/alerts.yml", "usr/share/sextant/sextant.json",
            "usr/share/sextant/sextant.env", "usr/share/doc/sextant/metrics.md"} <= files
    unit = (installed / "usr/lib/systemd/system/sextant.service").read_text()
    assert "ExecStart=/usr/bin/sextant\n" in unit and "/usr/local" not in unit
    assert check({"SEXTANT_ENV_FILE": str(installed / "usr/share/sextant/sextant.env"), "SEXTANT_GEO_DB": ""})[0] == 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is missing")
def test_systemd_understands_the_units(installed, tmp_path):
    for name in ("sextant.service", "sextant.socket"):
        text = (installed / "usr/lib/systemd/system" / name).read_text().replace("/usr/bin/sextant", SEXTANT)
        (tmp_path / name).write_text(text)
    done = run("systemd-analyze", "verify", "--man=no", str(tmp_path / "sextant.service"), str(tmp_path / "sextant.socket"))
    ours = [line for line in done.stderr.splitlines() if "sextant" in line]
    assert not ours, done.stderr
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", str(tmp_path / "sextant.service"))
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges no files")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_step_by_step():
    """A minute or two: it makes a Debian of its own the first time, and builds in it."""
    done = run("scripts/check-dockerfile.sh", timeout=1800)
    if done.returncode == 77:
        pytest.skip(done.stdout.strip() or done.stderr.strip())
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
