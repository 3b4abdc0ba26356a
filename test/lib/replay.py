#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Send recorded requests to a server and say what differs from the recorded answers.

    replay.py URL [--errors prefix] [--header Name=Value] FILE.jsonl...

A recording is one JSON object a line: what was sent (method, target, headers, body, body_raw or body_size), what came back
(status, response_headers with null for "absent", response or response_text), and `compare` where less than everything counts.
"""
import argparse
import gzip
import http.client
import json
import os
import sys
import urllib.parse
import zlib

IGNORED = {"time", "usage", "operation_id", "version", "commit"}
TOLERANCE = 1e-5
REAL = bool(os.environ.get("QDRANT_BIN"))


class Answer:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw

    def json(self):
        try:
            return json.loads(self.raw)
        except ValueError:
            return None


def load(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def body_of(case):
    if "body" in case:
        return json.dumps(case["body"]).encode()
    if "body_size" in case:
        return b" " * case["body_size"]
    return case["body_raw"].encode() if "body_raw" in case else None


def send(url, case, extra):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    headers = {**case.get("headers", {}), **extra}
    body = body_of(case)
    try:
        try:
            connection.request(case["method"], case["target"], body, headers)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer to a body that is refused may come before all of it was sent
        response = connection.getresponse()
        fields = {k.lower(): v for k, v in response.getheaders()}
        raw = response.read()
    finally:
        connection.close()
    coding = fields.get("content-encoding")
    if coding == "gzip":
        raw = gzip.decompress(raw)
    elif coding == "deflate":
        raw = zlib.decompress(raw)
    return Answer(response.status, fields, raw)


# --- comparing ----------------------------------------------------------------------------------------------------------

def strip(value):
    if isinstance(value, dict):
        return {k: strip(v) for k, v in value.items() if k not in IGNORED}
    return [strip(v) for v in value] if isinstance(value, list) else value


def shape(value):
    if isinstance(value, dict):
        return {k: shape(v) for k, v in value.items() if k not in IGNORED}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    if isinstance(value, str) and value in ("int", "float", "str", "bool", "NoneType"):
        return value  # recorded as a shape already
    return type(value).__name__


def alike_shapes(a, b):
    if isinstance(a, dict) and isinstance(b, dict):  # some members come and go: counters, what was asked before
        return set(a) <= set(b) and all(alike_shapes(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return not a or not b or alike_shapes(a[0], b[0])
    return a == b or {a if isinstance(a, str) else "", b if isinstance(b, str) else ""} <= {"int", "float"}


def equal(a, b):
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b or abs(a - b) <= TOLERANCE * max(1, abs(a), abs(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return set(a) == set(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def schema_of(info):
    config = (info or {}).get("result", {}).get("config", {})
    params = config.get("params", {})
    return {"vectors": params.get("vectors"), "sparse": params.get("sparse_vectors"), "metadata": config.get("metadata"),
            "payload": {k: v.get("data_type") for k, v in (info or {}).get("result", {}).get("payload_schema", {}).items()}}


def without_order(value):
    """Lists of hits as sets of ids."""
    if isinstance(value, dict):
        return {k: without_order(v) for k, v in value.items()}
    if isinstance(value, list) and value and all(isinstance(v, dict) and "id" in v for v in value):
        return sorted(json.dumps(v["id"]) for v in value)
    return [without_order(v) for v in value] if isinstance(value, list) else value


def error_text(value):
    status = value.get("status") if isinstance(value, dict) else None
    return status.get("error") if isinstance(status, dict) else None


def bodies_differ(case, answer, prefix):
    kind = case.get("compare")
    if kind == "either":
        return None
    if "response" not in case:
        text = case.get("response_text")
        if text is None or kind == "prometheus":
            return None
        return None if answer.raw.decode("utf-8", "replace") == text else f"body {answer.raw[:200]!r}, recorded {text[:200]!r}"
    got, want = answer.json(), case["response"]
    if got is None:
        return f"body is not JSON: {answer.raw[:200]!r}"
    if kind == "shape":
        same = set(strip(got)) == set(strip(want)) and alike_shapes(shape(got), shape(want))
    elif kind == "collection":
        same = equal(schema_of(got), schema_of(want))
    elif error_text(want) is not None and error_text(got) is not None:
        a, b = error_text(got), error_text(want)
        same = a.partition(":")[0] == b.partition(":")[0] if prefix else a == b
    elif kind == "ids_any_order":
        same = equal(without_order(strip(got)), without_order(strip(want)))
    else:
        same = equal(strip(got), strip(want))
    return None if same else f"body {json.dumps(strip(got))[:400]}, recorded {json.dumps(strip(want))[:400]}"


def parts(value):
    return sorted(item.strip() for item in value.split(",")) if value else value


def differences(case, answer, prefix=False):
    found = []
    if answer.status != case["status"] and case.get("compare") != "either":
        found.append(f"status {answer.status}, recorded {case['status']}")
    for name, value in case.get("response_headers", {}).items():
        if parts(answer.headers.get(name)) != parts(value):  # lists come in any order
            found.append(f"{name}: {answer.headers.get(name)!r}, recorded {value!r}")
    body = bodies_differ(case, answer, prefix)
    return found + ([body] if body else [])


def replay(url, path, prefix=False, extra=None):
    """(number of cases, {line number: differences}). A real server's telemetry is left out: its members tell what else it was asked."""
    cases, wrong = load(path), {}
    for line, case in enumerate(cases, 1):
        try:
            found = differences(case, send(url, case, extra or {}), prefix)
        except (OSError, http.client.HTTPException) as error:
            found = [f"no answer: {error!r}"]
        if found and not (REAL and case["target"] == "/telemetry"):
            wrong[line] = [f"{case['method']} {case['target'][:80]}"] + found
    return len(cases), wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--errors", choices=["exact", "prefix"], default="exact")
    parser.add_argument("--header", action="append", default=[])
    args = parser.parse_args()
    extra = dict(h.split("=", 1) for h in args.header)
    total = failed = 0
    for path in args.files:
        n, wrong = replay(args.url, path, args.errors == "prefix", extra)
        total, failed = total + n, failed + len(wrong)
        for line, found in wrong.items():
            print(f"{path}:{line} " + "\n    ".join(found))
    print(f"{total - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
