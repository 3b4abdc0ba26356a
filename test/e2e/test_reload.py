# SPDX-License-Identifier: Apache-2.0
"""Reloads under load: no request fails, mistakes change nothing."""
import json
import os
import signal

import pytest
from load import Load
from sextant import CALLERS, Edge, check, wait_for

VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}


def write(path, text):
    with open(str(path) + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(str(path) + ".new", path)


def test_map_file_changes_under_load(regions, edge, tmp_path):
    path = tmp_path / "map"
    write(path, "* *=eu")
    one = edge(regions, str(path))
    assert one.call("PUT", "/collections/c", VECTORS)[0] == 200
    for region in regions[1:]:
        from sextant import call
        call(region.port, "PUT", "/collections/c", VECTORS)
    with Load(one.port, "c", CALLERS["DE"], rate=150) as load:
        for turn in range(6):
            write(path, "* *=us" if turn % 2 == 0 else "* *=eu")
            wait_for(lambda t=turn: one.status()["generation"] == t + 2, 10, "the reload")
        load.stop()
    assert all(a.status == 200 for a in load.answers), [a for a in load.answers if a.status != 200][:5]
    assert {a.cluster for a in load.answers} == {"eu", "us"}


def test_mistakes_keep_the_old_world(regions, edge, tmp_path):
    path = tmp_path / "map"
    write(path, "* *=eu")
    one = edge(regions, str(path))
    write(path, "* *=nowhere")
    wait_for(lambda: one.status()["reloads_failed"] == 1, 10, "the refusal")
    assert one.status()["generation"] == 1
    assert 'no cluster is called "nowhere"' in one.status()["last_reload_error"]
    assert one.call("GET", "/collections")[0] == 200
    write(path, "* *=us")
    wait_for(lambda: one.status()["generation"] == 2, 10, "the reload")
    assert one.call("GET", "/collections/c")[1]["x-sextant-cluster"] == "us"


def test_sighup_reads_the_env_file(regions, edge, tmp_path):
    path = tmp_path / "env"
    write(path, "SEXTANT_RESPONSE_HEADERS=off\n")
    one = edge(regions, "* *=eu", env_file=path)
    assert "x-sextant-cluster" not in one.call("GET", "/collections/c")[1]
    write(path, "SEXTANT_RESPONSE_HEADERS=on\n")
    one.signal(signal.SIGHUP)
    wait_for(lambda: "x-sextant-cluster" in one.call("GET", "/collections/c")[1], 10, "the reload")


def test_damaged_geo_files_are_refused(regions, edge, tmp_path):
    import subprocess

    from sextant import ROOT
    ranges, mmdb = tmp_path / "ranges", tmp_path / "geo.mmdb"
    ranges.write_text("9.9.9.0,9.9.9.255,US\n9.9.8.0/24,DE\n")
    tool = os.path.join(os.environ.get("BUILD_DIR", os.path.join(ROOT, "build")), "geodb")
    subprocess.run([tool, "-o", str(mmdb), str(ranges)], check=True)
    one = edge(regions, "* europe=eu north-america=us", geo_db=mmdb)
    assert one.call("GET", "/collections/c", caller="9.9.9.9")[1]["x-sextant-cluster"] == "us"
    whole = mmdb.read_bytes()
    for damage in (whole[:len(whole) // 2], b"", b"x" * 1000, whole[:-40]):
        failed = one.status()["reloads_failed"]
        (tmp_path / "bad").write_bytes(damage)
        os.replace(tmp_path / "bad", mmdb)
        wait_for(lambda n=failed: one.status()["reloads_failed"] > n, 10, "the refusal")
        assert one.call("GET", "/collections/c", caller="9.9.9.9")[1]["x-sextant-cluster"] == "us"
    ranges.write_text("9.9.9.0/24,DE\n")
    subprocess.run([tool, "-o", str(mmdb), str(ranges)], check=True)
    wait_for(lambda: one.call("GET", "/collections/c", caller="9.9.9.9")[1].get("x-sextant-cluster") == "eu", 10, "the new data")


def test_a_home_stays_while_the_edge_runs(regions, edge, tmp_path):
    path, journal = tmp_path / "map", tmp_path / "journal"
    journal.mkdir()
    write(path, "* *=eu,us fanout=async")
    settings = {"journal_dir": journal, "owns": "eu", "api_key": "0123456789abcdef"}
    code, text = check({**Edge(tmp_path / "unused", regions, str(path), **settings).env})
    assert code == 0, text
    one = edge(regions, str(path), **settings)
    for count, (text, reason) in enumerate((("* *=us,eu fanout=async", "put it into SEXTANT_OWNS"), ("* *=eu,ap fanout=async", "loses its copy us"),
                                            ("c *=eu\n* *=eu,us fanout=async", "loses its fan-out")), 1):
        write(path, text)
        wait_for(lambda n=count: one.status()["reloads_failed"] == n, 10, "the refusal")
        assert reason in one.status()["last_reload_error"]
    write(path, "c *=eu,us,ap fanout=all\n* *=eu,us fanout=async")
    wait_for(lambda: one.status()["generation"] == 2, 10, "the reload")


def test_drain(regions, edge):
    """SIGTERM: readyz says 503, requests go on, then exit 0."""
    one = edge(regions, "* *=eu", drain_delay="5s")
    one.call("PUT", "/collections/c", VECTORS)
    one.signal(signal.SIGTERM)
    wait_for(lambda: one.call("GET", "/readyz")[0] == 503, 5, "the drain")
    status, headers, _ = one.call("GET", "/collections/c")
    assert (status, headers.get("connection")) == (200, "close")
    assert one.process.wait(60) == 0


def test_explain_and_config(regions, edge):
    one = edge(regions, "users europe=eu *=us")
    plan = json.loads(one.admin("/explain?ip=192.0.2.7&collection=users"))
    assert (plan["caller"]["place"], plan["partition"]["name"], plan["candidates"][0]["cluster"]) == ("DE", "europe", "eu")
    config = json.loads(one.admin("/config"))
    assert config["options"]["SEXTANT_REGION"]["value"] == "aws:eu-central-1"
    assert config["partition_map"] == "users europe=eu *=us\n"


def test_every_cluster_gets_another_name(region, edge, tmp_path):
    """More names come and go than there are slots for them."""
    one = region("eu")
    path = tmp_path / "env"

    def names(prefix):
        return "\\n".join(f"{prefix}{i} http://127.0.0.1:{one.port}/p{i} at=DE" for i in range(63)) + \
            f"\\neu {one.url} at=DE"

    def settings(prefix):
        return f'SEXTANT_CLUSTERS="{names(prefix)}"\nSEXTANT_PARTITION_MAP="* *=eu"\n'.replace("\\n", "\n")
    write(path, settings("a"))
    proxy = edge([], settle=False, env_file=path, probe_interval="1h", **{"local_cluster": "eu"})
    for turn, prefix in enumerate("bcd"):
        write(path, settings(prefix))
        wait_for(lambda t=turn: proxy.status()["generation"] == t + 2, 10, "the reload")
        assert proxy.call("GET", "/collections")[0] == 200
