# SPDX-License-Identifier: Apache-2.0
"""Handlers for points: reads, searches, writes."""
from . import strict
from .errors import ApiError, bad_json, invalid, not_found, wrong_input
from .search import Searcher, index_type
from .values import lookup, order_key, path_id, point_id, split_path

ROUTES = []  # (method, path below the collection, handler, is a write)


def handle(method, path, is_write=False):
    def add(handler):
        ROUTES.append((method, path, handler, is_write))
        return handler
    return add


# --- showing ------------------------------------------------------------------------------------------------------------

def shown_vectors(collection, point, which):
    vectors = point.vectors
    if isinstance(which, list):
        vectors = {n: v for n, v in vectors.items() if n in which}
    return vectors[""] if list(vectors) == [""] else vectors


def shown_payload(point, which):
    if isinstance(which, list):
        which = {"include": which}
    if not isinstance(which, dict):
        return point.payload
    if "include" in which:
        names = {split_path(k)[0] for k in which["include"]}
        return {k: v for k, v in point.payload.items() if k in names}
    names = {split_path(k)[0] for k in which.get("exclude", [])}
    return {k: v for k, v in point.payload.items() if k not in names}


def record(collection, point, body, payload_default, extra=None):
    row = {"id": point.id, **(extra or {})}
    with_payload = body.get("with_payload")
    with_payload = payload_default if with_payload is None else with_payload
    if with_payload is not False:
        row["payload"] = shown_payload(point, with_payload)
    if body.get("with_vector") or body.get("with_vectors"):
        row["vector"] = shown_vectors(collection, point, body.get("with_vector") or body.get("with_vectors"))
    if point.shard_key is not None:
        row["shard_key"] = point.shard_key
    return row


def hit(collection, score, point, body):
    if isinstance(body.get("query"), dict) and "order_by" in body["query"]:
        return record(collection, point, body, False, {"version": 0, "score": 1.0, "order_value": score})
    return record(collection, point, body, False, {"version": 0, "score": score})


# --- checks that all reads have -----------------------------------------------------------------------------------------

def check_read(call):
    consistency = call.params.get("consistency")
    if consistency is not None and consistency not in ("majority", "quorum", "all") and not consistency.isdigit():
        raise ApiError(400, "Deserialize error in query parameters: failed to deserialize read consistency query parameter value "
                            f"'{consistency}'")
    if call.params.get("timeout") == "0":
        raise ApiError(400, "Deserialize error in query parameters: invalid value: integer `0`, expected a nonzero u64")
    return strict.check_read(call, call.json())


def check_write(call):
    ordering = call.params.get("ordering")
    if ordering not in (None, "weak", "medium", "strong"):
        raise ApiError(400, f"Deserialize error in query parameters: unknown variant `{ordering}`, expected one of `weak`, "
                            "`medium`, `strong`")
    call.flag("wait", False)
    return strict.check_write(call, call.json())


def done(call, collection):
    waits = call.flag("wait", False)
    status = "wait_timeout" if waits and call.params.get("timeout") == "0" else "completed" if waits else "acknowledged"
    status = call.api.faults.write_status or status
    return {"operation_id": next(collection.operations), "status": status}


# --- reads --------------------------------------------------------------------------------------------------------------

def get_point(call):
    collection = call.collection()
    pid = path_id(call.args["p"])
    if pid not in collection.points:
        raise not_found(f"Point with id {pid} does not exists!")
    return record(collection, collection.points[pid], {"with_vector": True}, True)


@handle("POST", "points")
def get_points(call):
    body = check_read(call)
    if "ids" not in body:
        raise bad_json(f"missing field `ids` at line 1 column {len(call.raw)}")
    collection = call.collection().for_read(body)
    ids = dict.fromkeys(point_id(i) for i in body["ids"])
    return [record(collection, collection.points[i], body, False) for i in ids if i in collection.points]


@handle("POST", "points/scroll")
def scroll(call):
    body = check_read(call)
    limit = body.get("limit")
    limit = 10 if limit is None else limit
    if limit < 1:
        raise invalid(f"scroll_request.limit: value {limit} invalid, must be 1 or larger")
    collection = call.collection().for_read(body)
    rows = collection.select(body.get("filter"))
    if body.get("order_by") is not None:
        ranked = Searcher(call.storage, collection).order_by(body["order_by"], rows)
        points = [record(collection, p, body, True, {"order_value": v}) for v, p in ranked[:limit]]
        return {"points": points, "next_page_offset": None}
    if body.get("offset") is not None:
        start = order_key(point_id(body["offset"]))
        rows = [p for p in rows if order_key(p.id) >= start]
    return {"points": [record(collection, p, body, True) for p in rows[:limit]],
            "next_page_offset": rows[limit].id if len(rows) > limit else None}


@handle("POST", "points/count")
def count(call):
    body = check_read(call)
    return {"count": len(call.collection().for_read(body).select(body.get("filter")))}


@handle("POST", "facet")
def facet(call):
    body = check_read(call)
    collection = call.collection()
    if index_type(collection, body["key"]) not in ("keyword", "integer", "bool", "uuid"):
        raise wrong_input(f"No appropriate index for faceting: `{body['key']}`. Please create one to facet on this field. Check "
                          "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas "
                          "support Match conditions")
    counts = {}
    for point in collection.select(body.get("filter")):
        for value in lookup(point.payload, split_path(body["key"])):
            for one in set(value) if isinstance(value, list) else [value]:
                counts[one] = counts.get(one, 0) + 1
    rows = sorted(counts.items(), key=lambda r: (-r[1], str(r[0])))
    return {"hits": [{"value": v, "count": n} for v, n in rows[:body.get("limit") or 10]]}


def run_query(call, collection, body):
    searcher = Searcher(call.storage, collection)
    if body.get("lookup_from"):
        searcher.lookup_collection(body["lookup_from"]["collection"])
    return searcher.query(body)


@handle("POST", "points/query")
def query(call):
    body = check_read(call)
    collection = call.collection()
    return {"points": [hit(collection, s, p, body) for s, p in run_query(call, collection, body)]}


@handle("POST", "points/query/batch")
def query_batch(call):
    body = check_read(call)
    collection = call.collection()
    return [{"points": [hit(collection, s, p, one) for s, p in run_query(call, collection, one)]} for one in body["searches"]]


def grouped(call, collection, body, ranking):
    searcher = Searcher(call.storage, collection)
    found = None
    if body.get("with_lookup"):
        name = body["with_lookup"] if isinstance(body["with_lookup"], str) else body["with_lookup"]["collection"]
        found = searcher.lookup_collection(name)
    rows = []
    for value, hits in searcher.groups(ranking, body):
        row = {"id": value, "hits": [hit(collection, s, p, body) for s, p in hits]}
        if found is not None and value in found.points:
            row["lookup"] = record(found, found.points[value], {}, True)
        rows.append(row)
    return {"groups": rows}


@handle("POST", "points/query/groups")
def query_groups(call):
    body = check_read(call)
    collection = call.collection()
    return grouped(call, collection, body, run_query(call, collection, {**body, "limit": 100000}))


# --- the routes before `query` ------------------------------------------------------------------------------------------

def legacy(call, body, query_of):
    if "limit" not in body:
        raise bad_json(f"missing field `limit` at line 1 column {len(call.raw)}")
    vector = body.get("vector")
    using = body.get("using") or ""
    if isinstance(vector, dict) and "name" in vector:
        using, vector = vector["name"], vector["vector"]
    return {**body, "query": query_of({**body, "vector": vector}), "using": using}


def nearest_of(body):
    return {"nearest": body["vector"]}


def recommend_of(body):
    return {"recommend": {k: body.get(k) for k in ("positive", "negative", "strategy")}}


def discover_of(body):
    if body.get("target") is None:
        return {"context": body.get("context")}
    return {"discover": {"target": body["target"], "context": body.get("context")}}


def _legacy_routes(name, query_of):
    @handle("POST", f"points/{name}")
    def one(call):
        body = check_read(call)
        collection = call.collection()
        return [hit(collection, s, p, body) for s, p in run_query(call, collection, legacy(call, body, query_of))]

    @handle("POST", f"points/{name}/batch")
    def batch(call):
        body = check_read(call)
        collection = call.collection()
        return [[hit(collection, s, p, b) for s, p in run_query(call, collection, legacy(call, b, query_of))]
                for b in body["searches"]]

    @handle("POST", f"points/{name}/groups")
    def groups(call):
        body = check_read(call)
        collection = call.collection()
        asked = legacy(call, body, query_of)
        return grouped(call, collection, body, run_query(call, collection, {**asked, "limit": 100000}))


_legacy_routes("search", nearest_of)
_legacy_routes("recommend", recommend_of)
_legacy_routes("discover", discover_of)


def matrix(call):
    body = check_read(call)
    collection = call.collection()
    using, limit = body.get("using") or "", body.get("limit") or 3
    points = [p for p in collection.select(body.get("filter")) if using in p.vectors][:body.get("sample") or 10]
    searcher = Searcher(call.storage, collection)
    rows = []
    for point in points:
        others = [p for p in points if p.id != point.id]
        ranking = searcher.rank(lambda v, q=point.vectors[using]: searcher.score(q, v, using), others, using)[:limit]
        rows.append((point.id, [(p.id, s) for s, p in ranking]))
    return points, rows


@handle("POST", "points/search/matrix/pairs")
def matrix_pairs(call):
    _, rows = matrix(call)
    return {"pairs": [{"a": a, "b": b, "score": s} for a, near in rows for b, s in near]}


@handle("POST", "points/search/matrix/offsets")
def matrix_offsets(call):
    points, rows = matrix(call)
    at = {p.id: n for n, p in enumerate(points)}
    flat = [(at[a], at[b], s) for a, near in rows for b, s in near]
    return {"offsets_row": [f[0] for f in flat], "offsets_col": [f[1] for f in flat], "scores": [f[2] for f in flat],
            "ids": [p.id for p in points]}


@handle("POST", "shards/{s}/points/count")
def shard_count(call):
    if not call.headers.get("content-type", "").startswith("application/json"):
        from .api import Reply
        return Reply(400, b"Content type error", "text/plain; charset=utf-8")
    return count(call)


# --- writes -------------------------------------------------------------------------------------------------------------

WRITES = {"upsert": "upsert", "delete": "delete", "delete_points": "delete", "set_payload": "set_payload",
          "overwrite_payload": "overwrite_payload", "delete_payload": "delete_payload", "clear_payload": "clear_payload",
          "update_vectors": "update_vectors", "delete_vectors": "delete_vectors"}


def write(call, name, body, collection):
    """With wait=false only what is checked before the log is told; the rest is applied later and its errors are lost."""
    collection = collection.for_write(body)
    action = getattr(collection, WRITES[name])
    if name == "upsert":
        collection.read_points(body)
    parts = collection.parts(body)
    if len(parts) > 1:
        spread(call, action, parts, len(parts) if call.flag("wait", False) else 0)
        return
    if call.flag("wait", False):
        action(body)
        return
    call.api.faults.apply_later(lambda: action(body))


def spread(call, action, parts, n_waited):
    """Each shard does its part. The first that fails is answered with, and those after it are at it still."""
    for i, part in enumerate(parts):
        if i >= n_waited:
            call.api.faults.apply_later(lambda p=part: action(p))
            continue
        try:
            action(part)
        except ApiError as error:
            for later in parts[i + 1:]:
                call.api.faults.apply_later(lambda p=later: action(p))
            raise ApiError(error.status, f"1 out of {len(parts)} shards failed to apply operation. "
                                         f"First error captured: {error.text}") from error


def _write_route(method, path, name):
    @handle(method, path, True)
    def run(call):
        body = check_write(call)
        collection = call.collection()
        write(call, name, body, collection)
        return done(call, collection)


for _method, _path, _name in (("PUT", "points", "upsert"), ("POST", "points/delete", "delete"),
                              ("PUT", "points/vectors", "update_vectors"), ("POST", "points/vectors/delete", "delete_vectors"),
                              ("POST", "points/payload", "set_payload"), ("PUT", "points/payload", "overwrite_payload"),
                              ("POST", "points/payload/delete", "delete_payload"),
                              ("POST", "points/payload/clear", "clear_payload")):
    _write_route(_method, _path, _name)


@handle("POST", "points/batch", True)
def batch_update(call):
    body = check_write(call)
    if "operations" not in body:
        raise bad_json(f"missing field `operations` at line 1 column {len(call.raw)}")
    collection = call.collection()
    results = []
    for operation in body["operations"]:
        (name, value), = operation.items()
        if name not in WRITES:
            raise bad_json("data did not match any variant of untagged enum UpdateOperation")
        write(call, name, value, collection)
        results.append(done(call, collection))
    return results
