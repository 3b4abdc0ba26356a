# SPDX-License-Identifier: Apache-2.0
"""Requests that schemathesis makes up from Qdrant's OpenAPI description: the same ones on every run."""
import glob
import json
import os
import warnings
from urllib.parse import quote

from sextant import ROOT

NAME = "collection_name"
DROPPED = ("content-length", "x-schemathesis-testcaseid", "accept-encoding", "connection", "user-agent")


def description():
    """The file named by QDRANT_OPENAPI, else the one in a folder `shared` beside this tree or above; None without."""
    named = os.environ.get("QDRANT_OPENAPI")
    if named:
        return named
    folder = ROOT
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        found = sorted(glob.glob(os.path.join(folder, "shared", "qdrant-openapi", "openapi-*.json")))
        if found:
            return found[-1]
    return None


def operations(path):
    import schemathesis
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    schema["servers"] = [{"url": "http://127.0.0.1"}]
    return [result.ok() for result in schemathesis.openapi.from_dict(schema).get_all_operations()]


def raw(case, known):
    """(method, target, headers, body) of a case. `known` names a collection to be used in place of an invented one."""
    import requests
    arguments = case.as_transport_kwargs(base_url="http://127.0.0.1")
    arguments = {k: v for k, v in arguments.items() if k in ("method", "headers", "json", "data", "files", "params", "cookies")}
    path = case.operation.path
    if known and path == "/collections/{" + NAME + "}" and arguments["method"] == "DELETE":
        known = "d"  # the other one stays
    for name, value in case.path_parameters.items():
        path = path.replace("{" + name + "}", quote(known if name == NAME and known else str(value), safe=""))
    made = requests.Request(url="http://127.0.0.1" + path, **arguments).prepare()
    headers = {k: v for k, v in made.headers.items() if k.lower() not in DROPPED}
    body = made.body.encode() if isinstance(made.body, str) else made.body
    return made.method, made.path_url, headers, body


def generate(operation, each):
    from hypothesis import HealthCheck, Phase, given, seed, settings
    made = []

    @seed(1)
    @settings(max_examples=each, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def keep(case):
        made.append(raw(case, ["", "c", "d", "c"][len(made) % 4]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keep()
    return made[:each]


def cases(path, each):
    """Up to `each` requests of every operation, in turn; of four, three name a collection that may exist."""
    made = [generate(operation, each) for operation in operations(path)]
    return [mine[i] for i in range(each) for mine in made if i < len(mine)]
