# SPDX-License-Identifier: Apache-2.0
"""Every fault against every kind of operation: what the client is told.

Two regions hold the same data (copies=external, write=nearest); the nearer one, eu, has the fault and is not yet judged down, as
that is when it matters. An upload of a snapshot belongs to one node. Outcomes:
  eu, us     200 from there
  503 eu     the cluster's own answer, passed on
  UNKNOWN    502 OUTCOME_UNKNOWN: it was sent and may have been applied
  SILENT     504 UPSTREAM_SILENT;  NONE  503 NO_HEALTHY_CLUSTER
  WAITS      no answer yet, as the operation may take hours; a client that leaves ends it
"""
import contextlib
import datetime
import http.client
import os
import socket
import subprocess

import pytest
from certs import Authority, now
from sextant import PLACES, QDRANT, Edge, Region, call, wait_for

MAP = "* *=eu,us copies=external write=nearest"
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}
OPERATIONS = ("read", "idempotent", "other", "upload")
TABLE = {
    #                 read      idempotent  other      upload
    "refuse":        ("us",     "us",       "us",      "NONE"),
    "reset before":  ("us",     "UNKNOWN",  "UNKNOWN", "UNKNOWN"),
    "reset after":   ("us",     "UNKNOWN",  "UNKNOWN", "UNKNOWN"),
    "half body":     ("us",     "UNKNOWN",  "UNKNOWN", "UNKNOWN"),
    "stall":         ("SILENT", "UNKNOWN",  "UNKNOWN", "WAITS"),
    "black hole":    ("SILENT", "UNKNOWN",  "UNKNOWN", "UNKNOWN"),  # what is not acknowledged is given up: TCP_USER_TIMEOUT
    "slow":          ("eu",     "eu",       "eu",      "eu"),
    "5xx storm":     ("us",     "503 eu",   "503 eu",  "503 eu"),
    "name gone":     ("us",     "us",       "us",      "NONE"),
    "certificate":   ("us",     "us",       "us",      "NONE"),
    "logs full":     ("eu",     "eu",       "eu",      "eu"),
    "descriptors":   ("eu",     "eu",       "eu",      "eu"),
    "clock jump":    ("eu",     "eu",       "eu",      "eu"),
}
FAULTS = {"reset before": {"reset": "before"}, "reset after": {"reset": "after"}, "half body": {"reset": "half"},
          "stall": {"black_hole": True}, "slow": {"delay": 0.3}, "5xx storm": {"status": 503}}
OPTIONS = {"default_timeout": "2s", "probe_fall": 100, "probe_timeout": "20s", "connect_timeout": "1500ms", "retry_min": 1000}
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *at)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(id, at);
    if (code == 0 && id == CLOCK_REALTIME && access(JUMPED, F_OK) == 0)
        at->tv_sec -= 100000;
    return code;
}
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two regions, and a function that gives an edge for a fault; kept while the same one is asked for."""
    if QDRANT:
        pytest.skip("faults need stand-ins")
    root, edges = tmp_path_factory.mktemp("matrix"), {}
    authority = Authority()
    late = authority.issue("127.0.0.1", start=now() - datetime.timedelta(days=9), end=now() - datetime.timedelta(days=1))
    regions = {name: Region(name, root / name).start() for name in ("eu", "us")}
    regions["late"] = Region("late", root / "late", tls=(*late.save(root, "late"), None)).start()
    regions["late"].ca = authority.save(root)
    for one in (regions["eu"], regions["us"]):
        assert call(one.port, "PUT", "/collections/c", VECTORS)[0] == 200
    regions["us"].faults(latency=0.02)

    def clusters(eu):
        # However long eu took to answer a probe while it had a fault: it stays the nearer one.
        return f"eu {eu} at={PLACES['eu']} bias=99\nus {regions['us'].url} at={PLACES['us']}"

    def edge(name="plain", **options):
        if name not in edges:
            preload = options.pop("preload", None)
            edges[name] = Edge(root / f"edge-{len(edges)}", [], MAP, **{**OPTIONS, "clusters": clusters(regions["eu"].url), **options})
            if preload:
                edges[name].env["LD_PRELOAD"] = preload
            is_gone = name in ("name gone", "certificate")
            edges[name].start(settle=not is_gone)
            wait_for(lambda: ask("read", edges[name].port) == ("us" if is_gone else "eu"), 20, "the nearer one")
        return edges[name]
    yield regions, edge, root
    codes = [one.stop() for one in edges.values()]
    for one in regions.values():
        one.kill()
    assert not any(codes), (codes, [one.output()[-2000:] for one, code in zip(edges.values(), codes) if code])


def message(operation):
    if operation == "read":
        return "POST", "/collections/c/points/scroll", b'{"limit":3}'
    if operation == "idempotent":
        return "PUT", "/collections/c/points?wait=true", b'{"points":[{"id":1,"vector":[1,2]}]}'
    if operation == "other":
        return "POST", "/collections/c/points/delete?wait=true", b'{"filter":{"must":[{"key":"x","match":{"value":1}}]}}'
    return "POST", "/collections/c/snapshots/upload", None


def ask(operation, port, timeout=20):
    method, target, body = message(operation)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    if operation == "upload":
        body = (b"x" * 65536 for _ in range(32))  # sent in chunks
    try:
        connection.request(method, target, body, {"content-type": "application/json"})
    except OSError:
        pass  # answered before all of it was sent
    try:
        response = connection.getresponse()
        response.read()
    except socket.timeout:
        return "WAITS"
    finally:
        connection.close()
    error = response.getheader("x-sextant-error")
    if error:
        return {"OUTCOME_UNKNOWN": "UNKNOWN", "UPSTREAM_SILENT": "SILENT", "NO_HEALTHY_CLUSTER": "NONE"}.get(error, error)
    cluster = response.getheader("x-sextant-cluster")
    # What the stand-in makes of two MiB of x is its own business: it came, and was answered.
    return cluster if response.status < 300 or (operation == "upload" and response.status < 500) else f"{response.status} {cluster}"


@contextlib.contextmanager
def fault(world, name):
    """The edge to ask while the fault is there."""
    regions, edge, root = world
    eu = regions["eu"]
    if name in FAULTS:
        one = edge()
        eu.control(clear=True, faults={"match": "/collections/", **FAULTS[name]})
        try:
            yield one
        finally:
            eu.control(clear=True, faults={})
            wait_for(lambda: ask("read", one.port) == "eu", 20, "eu to be trusted")
    elif name == "refuse":
        one = edge()
        eu.kill()
        try:
            yield one
        finally:
            eu.start()
            call(eu.port, "PUT", "/collections/c", VECTORS)
            wait_for(lambda: ask("read", one.port) == "eu", 20, "eu to be back")
    elif name == "black hole":
        one = edge()
        eu.pause()
        try:
            yield one
        finally:
            eu.resume()
            wait_for(lambda: ask("read", one.port) == "eu", 20, "eu to be back")
    elif name == "name gone":
        yield edge(name, clusters=f"eu http://gone.invalid:6333 at={PLACES['eu']}\n"
                                  f"us {regions['us'].url} at={PLACES['us']}")
    elif name == "certificate":
        yield edge(name, cluster_eu_ca_file=regions["late"].ca, clusters=f"eu {regions['late'].url} at={PLACES['eu']}\n"
                                                                         f"us {regions['us'].url} at={PLACES['us']}")
    elif name == "logs full":
        yield edge(name, access_log="/dev/full")
    elif name == "descriptors":
        one = edge(name, descriptors=150, max_connections=10000)
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(socket.create_connection(("127.0.0.1", one.port), 60))
            wait_for(lambda: one.metric("sextant_accept_pauses_total") > 0, 20, "that they run out")
            yield one
    else:
        jumped, library = root / "jumped", root / "clock.so"
        if not library.exists():
            subprocess.run([os.environ.get("CC", "cc").split()[-1], "-shared", "-fPIC", f'-DJUMPED="{jumped}"', "-xc", "-",
                            "-o", str(library), "-ldl"], input=CLOCK.encode(), check=True)
        one = edge(name, preload=str(library))
        before = len(one.log())
        jumped.touch()
        try:
            yield one
            wait_for(lambda: len(one.log()) > before, 10, "the log")
        finally:
            jumped.unlink()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", TABLE)
def test_cell(world, name, operation):
    with fault(world, name) as one:
        expected = TABLE[name][OPERATIONS.index(operation)]
        assert ask(operation, one.port, 4 if expected == "WAITS" else 20) == expected
