# SPDX-License-Identifier: Apache-2.0
"""The routes: (method, path) to a handler that returns what goes into "result"."""
import re
import time
import urllib.parse

from . import points_api
from .errors import STANDALONE, ApiError, bad_json
from .rbac import Keys
from .snapshots import Snapshots
from .store import Storage, check_vector_params
from .values import parse_json

VERSION = {"title": "qdrant - vector search engine", "version": "1.19.0", "commit": "0" * 40}
SCHEMAS = ("keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid")
ROUTES = []


class Reply:
    """An answer that is not {"result":...,"status":"ok"}."""

    def __init__(self, status=200, body=b"", content_type="application/json", headers=None, stream=None, length=None):
        self.status, self.body, self.content_type = status, body, content_type
        self.headers, self.stream, self.length = headers or {}, stream, length


class Call:
    """One request on its way to a handler."""

    def __init__(self, api, access, method, path, query, headers, body, args):
        self.api, self.access = api, access
        self.method, self.path, self.headers, self.raw, self.args = method, path, headers, body, args
        self.params = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        self.storage = api.storage

    def json(self):
        return parse_json(self.raw)

    def collection(self):
        return self.storage.resolve(self.args["c"])

    def flag(self, name, default):
        value = self.params.get(name)
        if value is None:
            return default
        if value not in ("true", "false"):
            raise ApiError(400, "Deserialize error in query parameters: provided string was not `true` or `false`")
        return value == "true"


def route(method, pattern):
    regex = re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern) + "$")

    def add(handler):
        ROUTES.append((method, regex, handler, pattern.count("{")))
        return handler
    return add


class Api:
    def __init__(self, state_dir, keys=None, has_tokens=False, is_distributed=False):
        self.storage = Storage()
        self.lingering = 0  # requests that were not done when they were answered, and will be
        self.is_distributed = is_distributed  # a cluster of one node: custom sharding works
        self.snapshots = Snapshots(state_dir)
        self.keys = Keys(keys or {}, has_tokens, self.storage)
        self.started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ROUTES.sort(key=lambda r: r[3])

    def find(self, method, raw_path):
        """Qdrant's normalisation: runs of '/' are one, a trailing one is dropped; matching is on the decoded path."""
        path = re.sub("/+", "/", raw_path)
        path = path[:-1] if len(path) > 1 and path.endswith("/") else path
        segments = [urllib.parse.unquote(s) for s in path.split("/")]
        if any(s in (".", "..") for s in segments):
            return None, {}
        matchable = "/".join(s.replace("/", "\x01") for s in segments)
        for wanted, regex, handler, _ in ROUTES:
            match = regex.match(matchable)
            if wanted == method and match:
                return handler, {k: v.replace("\x01", "/") for k, v in match.groupdict().items()}
        return None, {}


# --- service ------------------------------------------------------------------------------------------------------------

@route("GET", "/")
def root(call):
    from .values import dump
    return Reply(body=dump(VERSION))


@route("GET", "/healthz")
@route("GET", "/livez")
def healthz(call):
    return Reply(body=b"healthz check passed", content_type="text/plain; charset=utf-8")


@route("GET", "/readyz")
def readyz(call):
    return Reply(body=b"all shards are ready", content_type="text/plain; charset=utf-8")


@route("GET", "/metrics")
def metrics(call):
    n = len(call.storage.collections)
    text = ("# HELP app_info information about qdrant server\n# TYPE app_info gauge\n"
            'app_info{name="qdrant",version="1.19.0"} 1\n'
            f"# HELP collections_total number of collections\n# TYPE collections_total gauge\ncollections_total {n}\n")
    return Reply(body=text.encode(), content_type="text/plain; charset=utf-8")


@route("GET", "/telemetry")
def telemetry(call):
    told = {"id": call.api.snapshots.identity, "app": {"name": "qdrant", "version": "1.19.0", "startup": call.api.started},
            "collections": {"number_of_collections": len(call.storage.collections)}}
    if not isinstance(call.access.mode, dict):
        told["cluster"] = {"enabled": call.api.is_distributed, "resharding_enabled": False}
    return told


@route("GET", "/cluster")
def cluster(call):
    return {"status": "disabled"}


@route("GET", "/issues")
def issues(call):
    return {"issues": []}


@route("DELETE", "/issues")
def clear_issues(call):
    return True


@route("GET", "/quotas")
def quotas(call):
    return {"config": {"enabled": False}, "usage": {}}


@route("GET", "/profiler/slow_requests")
def slow_requests(call):
    return {"requests": []}


@route("POST", "/cluster/recover")
@route("GET", "/cluster/metadata/keys")
@route("POST", "/collections/{c}/cluster")
def standalone(call):
    raise STANDALONE


# --- collections --------------------------------------------------------------------------------------------------------

@route("GET", "/collections")
def list_collections(call):
    return {"collections": [{"name": n} for n in sorted(call.storage.collections) if call.access.covers(n)]}


@route("GET", "/aliases")
def list_aliases(call):
    return {"aliases": [{"alias_name": a, "collection_name": c} for a, c in sorted(call.storage.aliases.items())
                        if call.access.covers(a) and call.access.covers(c)]}


@route("GET", "/collections/{c}")
def get_collection(call):
    faults = call.api.faults
    return {**call.collection().info(), "status": faults.color, "update_queue": {"length": faults.queue + call.api.lingering}}


@route("PUT", "/collections/{c}")
def create_collection(call):
    body = call.json()
    call.storage.create(call.args["c"], body, len(call.raw))
    return True


@route("PATCH", "/collections/{c}")
def update_collection(call):
    call.collection().patch(call.json())
    return True


@route("DELETE", "/collections/{c}")
def delete_collection(call):
    return call.storage.delete(call.args["c"])


@route("GET", "/collections/{c}/exists")
def exists(call):
    name = call.storage.aliases.get(call.args["c"], call.args["c"])
    return {"exists": name in call.storage.collections}


@route("GET", "/collections/{c}/aliases")
def collection_aliases(call):
    call.collection()
    name = call.args["c"]  # as written: Qdrant does not look through an alias here
    return {"aliases": [{"alias_name": a, "collection_name": c} for a, c in sorted(call.storage.aliases.items()) if c == name]}


@route("GET", "/collections/{c}/cluster")
def collection_cluster(call):
    n = len(call.collection().points)
    return {"peer_id": 1, "shard_count": 1, "remote_shards": [], "shard_transfers": [],
            "local_shards": [{"shard_id": 0, "points_count": n, "state": "Active"}]}


@route("GET", "/collections/{c}/shards")
def shards(call):
    collection = call.collection()
    return {"shard_keys": [{"key": k} for k in collection.shards]} if call.api.is_distributed else {}


@route("PUT", "/collections/{c}/shards")
def create_shard_key(call):
    if not call.api.is_distributed:
        raise STANDALONE
    call.collection().add_key(call.json()["shard_key"])
    return True


@route("POST", "/collections/{c}/shards/delete")
def delete_shard_key(call):
    if not call.api.is_distributed:
        raise STANDALONE
    call.collection().shards.pop(call.json()["shard_key"], None)
    return True


@route("GET", "/collections/{c}/optimizations")
def optimizations(call):
    call.collection()
    return {"summary": {"queued_optimizations": 0, "queued_segments": 0, "queued_points": 0, "idle_segments": 2},
            "running": []}


@route("POST", "/collections/aliases")
def change_aliases(call):
    body = call.json()
    if "actions" not in body:
        raise bad_json(f"missing field `actions` at line 1 column {len(call.raw)}")
    call.storage.change_aliases(body["actions"])
    return True


@route("PUT", "/collections/{c}/index")
def create_index(call):
    body = call.json()
    schema = body.get("field_schema")
    kind = schema.get("type") if isinstance(schema, dict) else schema
    if kind not in SCHEMAS:
        raise bad_json("data did not match any variant of untagged enum PayloadFieldSchema")
    collection = call.collection()
    collection.indexes[body["field_name"]] = schema
    return points_api.done(call, collection)


@route("DELETE", "/collections/{c}/index/{f}")
def delete_index(call):
    collection = call.collection()
    collection.indexes.pop(call.args["f"], None)
    return points_api.done(call, collection)


@route("PUT", "/collections/{c}/vectors/{v}")
def create_vector(call):
    collection, name, body = call.collection(), call.args["v"], call.json()
    into = collection.dense if "dense" in body else collection.sparse
    params = check_vector_params(body["dense"], len(call.raw)) if "dense" in body else body.get("sparse", {})
    if into.get(name, params) != params:
        raise ApiError(400, f"Wrong input: Vector `{name}` already exists with a different configuration")
    into[name] = params
    return points_api.done(call, collection)


@route("DELETE", "/collections/{c}/vectors/{v}")
def delete_vector(call):
    collection, name = call.collection(), call.args["v"]
    collection.dense.pop(name, None)
    collection.sparse.pop(name, None)
    for point in collection.points.values():
        point.vectors.pop(name, None)
    return points_api.done(call, collection)


# --- snapshots ----------------------------------------------------------------------------------------------------------

@route("GET", "/snapshots")
def list_storage_snapshots(call):
    return call.api.snapshots.list("")


@route("POST", "/snapshots")
def create_storage_snapshot(call):
    return call.api.snapshots.create("", call.storage)


@route("GET", "/collections/{c}/snapshots")
def list_snapshots(call):
    return call.api.snapshots.list(call.collection().name)


@route("POST", "/collections/{c}/snapshots")
def create_snapshot(call):
    made = call.api.snapshots.create(call.collection().name, call.collection())
    return made if call.flag("wait", True) else Reply(202, b'{"status":"accepted","time":0.0}')


@route("GET", "/snapshots/{n}")
@route("GET", "/collections/{c}/snapshots/{n}")
def get_snapshot(call):
    owner = call.collection().name if "c" in call.args else ""
    try:
        length, stream = call.api.snapshots.read(owner, call.args["n"])
    except ApiError as error:
        return Reply(error.status, error.text.encode(), "text/plain; charset=utf-8")
    return Reply(content_type="application/octet-stream", stream=stream, length=length,
                 headers={"content-disposition": f'attachment; filename="{call.args["n"]}"'})


@route("DELETE", "/snapshots/{n}")
@route("DELETE", "/collections/{c}/snapshots/{n}")
def delete_snapshot(call):
    call.api.snapshots.delete(call.collection().name if "c" in call.args else "", call.args["n"])
    return True


@route("POST", "/collections/{c}/snapshots/upload")
def upload_snapshot(call):
    call.storage.collections[call.args["c"]] = call.api.snapshots.restore(call.args["c"], call.raw)
    return True


@route("PUT", "/collections/{c}/snapshots/recover")
def recover_snapshot(call):
    location = call.json()["location"]
    call.storage.collections[call.args["c"]] = call.api.snapshots.recover(call.args["c"], location)
    return True


# --- points -------------------------------------------------------------------------------------------------------------

@route("GET", "/collections/{c}/points/{p}")
def get_point(call):
    return points_api.get_point(call)


for _method, _pattern, _handler, _ in points_api.ROUTES:
    route(_method, "/collections/{c}/" + _pattern)(_handler)
