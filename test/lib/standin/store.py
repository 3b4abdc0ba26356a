# SPDX-License-Identifier: Apache-2.0
"""Collections and their points."""
import copy
import random

from .errors import ApiError, bad_json, invalid, no_collection, no_point, not_found, wrong_input
from .filters import matches
from .values import (as_stored, delete_path, dump, is_dense, is_multi, is_sparse, merge, normalised, order_key, point_id, set_path, split_path)

DISTANCES = ("Dot", "Cosine", "Euclid", "Manhattan")
FORBIDDEN = '<>:"/\\|?*\0\x1f'
CHUNK = 32


class Counter:  # one of itertools cannot be kept for a loss of power
    def __init__(self):
        self.n = 0

    def __next__(self):
        self.n += 1
        return self.n


class Point:
    __slots__ = ("id", "vectors", "payload", "shard_key")

    def __init__(self, pid, vectors, payload):
        self.id, self.vectors, self.payload, self.shard_key = pid, vectors, payload, None


def check_vector_params(params, column):
    mistake = bad_json(f"data did not match any variant of untagged enum VectorsConfig at line 1 column {column}")
    if not isinstance(params, dict) or params.get("distance") not in DISTANCES:
        raise mistake
    size = params.get("size")
    if not isinstance(size, int) or size < 1:
        raise mistake
    if size > 65536:
        raise invalid(f"vectors.size: value {size} invalid, must be from 1 to 65536")
    return params


class Collection:
    """Vectors are kept by name; the unnamed one under ""."""

    def __init__(self, name, body, raw_len=0):
        self.name = name
        self.points = {}
        self.indexes = {}
        self.operations = Counter()
        self.metadata = merge({}, body.get("metadata") or {})
        vectors = body.get("vectors", {})
        if "size" in vectors or "distance" in vectors:
            vectors = {"": vectors}
        self.dense = {n: check_vector_params(p, raw_len) for n, p in vectors.items()}
        self.sparse = {n: (p or {}) for n, p in (body.get("sparse_vectors") or {}).items()}
        self.config = {k: v for k, v in body.items() if k not in ("vectors", "sparse_vectors", "metadata")}
        self.key, self.shards = None, {}  # with custom sharding each key has points of its own

    # --- custom sharding ----------------------------------------------------------------------------------------------

    @property
    def is_custom(self):
        return self.config.get("sharding_method") == "custom"

    def add_key(self, key):
        shard = copy.copy(self)
        shard.key, shard.points, shard.shards = key, {}, {}
        self.shards[key] = shard

    def keys_of(self, body):
        keys = body.get("shard_key") if isinstance(body, dict) else None
        keys = keys if isinstance(keys, list) else [] if keys is None else [keys]
        for key in keys:
            if key not in self.shards:
                raise ApiError(400, f"Bad request: Shard key {dump(key).decode()} not found")
        return keys

    def for_write(self, body):
        keys = self.keys_of(body)
        if not self.is_custom:
            return self
        if not keys:
            raise wrong_input("Shard key not specified")
        return self.shards[keys[0]]

    def parts(self, body):
        """What each of its shards gets of a write, in no order that could be counted on."""
        n = self.config.get("shard_number", 1)
        if n == 1 or not isinstance(body, (dict, list)):
            return [body]
        whole = {"points": body} if isinstance(body, list) else body
        rows = whole.get("points")
        if rows is None and "batch" in whole:
            rows, whole = self.rows(whole["batch"]), {k: v for k, v in whole.items() if k != "batch"}
        if not isinstance(rows, list):
            return [whole] * n if whole.get("filter") is not None else [body]
        by_shard = {}
        for row in rows:
            by_shard.setdefault(hash(point_id(row.get("id") if isinstance(row, dict) else row)) % n, []).append(row)
        parts = [{**whole, "points": rows} for rows in by_shard.values()]
        return random.sample(parts, len(parts)) or [body]

    def for_read(self, body):
        """Of an id that several keys have only one is shown."""
        keys = self.keys_of(body)
        if not self.is_custom:
            return self
        view = copy.copy(self)
        view.points = {i: p for k in keys or self.shards for i, p in self.shards[k].points.items()}
        return view

    # --- configuration ------------------------------------------------------------------------------------------------

    def patch(self, body):
        if "metadata" in body:
            merge(self.metadata, body["metadata"])
        for key, value in body.items():
            if key != "metadata" and isinstance(value, dict):
                self.config[key] = {**self.config.get(key, {}), **value}

    def info(self):
        vectors = self.dense[""] if "" in self.dense else self.dense
        params = {"vectors": vectors, "shard_number": self.config.get("shard_number", 1), "replication_factor": 1,
                  "write_consistency_factor": 1, "on_disk_payload": self.config.get("on_disk_payload", True)}
        if self.sparse:
            params["sparse_vectors"] = self.sparse
        if "sharding_method" in self.config:
            params["sharding_method"] = self.config["sharding_method"]
        hnsw = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000, "max_indexing_threads": 0, "on_disk": False}
        optimizer = {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0,
                     "max_segment_size": None, "memmap_threshold": None, "indexing_threshold": 10000,
                     "flush_interval_sec": 5, "max_optimization_threads": None, "prevent_unoptimized": None}
        config = {"params": params, "hnsw_config": {**hnsw, **self.config.get("hnsw_config", {})},
                  "optimizer_config": {**optimizer, **self.config.get("optimizers_config", {})},
                  "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1},
                  "quantization_config": self.config.get("quantization_config")}
        if "strict_mode_config" in self.config:
            config["strict_mode_config"] = self.config["strict_mode_config"]
        if self.metadata:
            config["metadata"] = self.metadata
        schema = {f: {"data_type": d["type"] if isinstance(d, dict) else d,
                      **({"params": d} if isinstance(d, dict) else {}),
                      "points": sum(1 for p in self.points.values() if f in p.payload)} for f, d in self.indexes.items()}
        return {"status": "green", "optimizer_status": "ok", "indexed_vectors_count": 0, "points_count": len(self.points),
                "segments_count": 2, "config": config, "payload_schema": schema, "update_queue": {"length": 0}}

    # --- vectors ------------------------------------------------------------------------------------------------------

    def take_vectors(self, value):
        """Check vectors as sent and give them as stored."""
        if value is None:
            value = {}
        if isinstance(value, list):
            value = {"": value}
        if not isinstance(value, dict) or is_sparse(value):
            raise bad_json("data did not match any variant of untagged enum VectorStruct")
        if "text" in value and "model" in value:
            raise ApiError(500, "Service internal error: InferenceService URL not configured - please provide valid address "
                                "in config")
        return {name: self.take_vector(name, v) for name, v in value.items()}

    def take_vector(self, name, v):
        if name in self.sparse:
            if not is_sparse(v):
                raise wrong_input("Conversion between sparse and regular vectors failed")
            if len(set(v["indices"])) != len(v["indices"]):
                raise invalid("points[0].vector.?.indices: Validation error: must be unique [{}]")
            order = sorted(zip(v["indices"], v["values"]))
            return {"indices": [i for i, _ in order], "values": [float(x) for _, x in order]}
        if name not in self.dense:
            raise wrong_input(f"Not existing vector name error: {name}")
        params = self.dense[name]
        is_int_rows = is_multi(v) and name and all(isinstance(x, int) for row in v for x in row) and len(v) == 2
        if is_sparse(v) or ("multivector_config" in params and is_int_rows):
            raise wrong_input("Conversion between sparse and regular vectors failed")
        rows = v if is_multi(v) else [v]
        for row in rows:
            if not is_dense(row):
                raise bad_json("data did not match any variant of untagged enum VectorStruct")
            if len(row) != params["size"]:
                raise wrong_input(f"Vector dimension error: expected dim: {params['size']}, got {len(row)}")
        stored = [normalised(r) if params["distance"] == "Cosine" else r for r in rows]
        stored = [[as_stored(x, params.get("datatype")) for x in r] for r in stored]
        return stored if "multivector_config" in params else stored[0]

    # --- selecting ----------------------------------------------------------------------------------------------------

    def sorted_points(self):
        return sorted(self.points.values(), key=lambda p: order_key(p.id))

    def select(self, flt):
        return [p for p in self.sorted_points() if matches(flt, p)]

    def get(self, pid):
        if pid not in self.points:
            raise no_point(pid)
        return self.points[pid]

    # --- writes -------------------------------------------------------------------------------------------------------

    def upsert(self, body):
        mode, flt = body.get("update_mode") or "upsert", body.get("update_filter")
        points = {p.id: p for p in self.read_points(body)}.values()
        if any(isinstance(p.vectors, ApiError) for p in points):
            points = random.sample(list(points), len(points))  # in the order of a hash map, up to what fails
        for point in points:
            if isinstance(point.vectors, ApiError):
                raise point.vectors
            old = self.points.get(point.id)
            if old is None and mode == "update_only":
                continue
            if old is not None and (mode == "insert_only" or (flt and not matches(flt, old))):
                continue
            point.shard_key = self.key
            self.points[point.id] = point

    @staticmethod
    def rows(batch):
        """Points written in columns, one by one. They were read before, so that there are as many of each."""
        n, vectors = len(batch["ids"]), batch["vectors"]
        if isinstance(vectors, dict):
            vectors = [{name: column[i] for name, column in vectors.items()} for i in range(n)]
        payloads = batch.get("payloads") or [None] * n
        return [{"id": i, "vector": v, "payload": p} for i, v, p in zip(batch["ids"], vectors, payloads)]

    def read_points(self, body):
        if mode_error(body):
            raise bad_json(mode_error(body))
        if "points" in body:
            rows = body["points"]
            ids = [point_id(p["id"]) if "id" in p else missing("id") for p in rows]
            vectors = [p["vector"] if "vector" in p else missing("vector") for p in rows]
            payloads = [p.get("payload") for p in rows]
        elif "batch" in body:
            batch = body["batch"]
            ids = [point_id(i) for i in batch["ids"]]
            vectors, payloads = batch["vectors"], batch.get("payloads") or [None] * len(ids)
            if isinstance(vectors, dict):
                vectors = [{n: v[i] for n, v in vectors.items()} for i in range(len(ids))]
            if len(vectors) != len(ids):
                raise invalid(f"batch.batch: number of ids and vectors must be equal ({len(ids)} != {len(vectors)})")
        else:
            raise bad_json("Invalid PointInsertOperations format")
        if not ids:
            raise ApiError(400, "Bad request: Empty update request")
        return [Point(i, self.take_or_fail_later(v), copy.deepcopy(p) or {}) for i, v, p in zip(ids, vectors, payloads)]

    def take_or_fail_later(self, vectors):
        """A name that does not exist is found when the point is written, after others were."""
        try:
            return self.take_vectors(vectors)
        except ApiError as error:
            if "Not existing vector name" not in error.text:
                raise
            return error

    def chosen(self, body, may_miss=False):
        """Points of `points`, else of `filter`; an id that is missing fails after its chunk of 32 was done."""
        if body.get("points") is not None:
            ids = [point_id(i) for i in body["points"]]
            for at in range(0, len(ids), CHUNK):
                chunk = ids[at:at + CHUNK]
                gone = [i for i in chunk if i not in self.points]
                yield from (self.points[i] for i in chunk if i in self.points)
                if gone and not may_miss:
                    raise no_point(gone[0])
        elif body.get("filter") is not None:
            yield from self.select(body["filter"])
        else:
            raise bad_json("Either list of point ids or filter must be provided")

    def delete(self, body):
        if isinstance(body, list):
            body = {"points": body}
        if body.get("points") is None and body.get("filter") is None:
            raise bad_json("data did not match any variant of untagged enum PointsSelector")
        if body.get("points") == []:
            raise ApiError(400, "Bad request: Empty update request")
        for point in list(self.chosen(body, may_miss=True)):
            del self.points[point.id]

    def set_payload(self, body):
        need(body, "payload")
        for point in self.chosen(body):
            if body.get("key"):
                set_path(point.payload, split_path(body["key"]), copy.deepcopy(body["payload"]))
            else:
                merge(point.payload, copy.deepcopy(body["payload"]))

    def overwrite_payload(self, body):
        need(body, "payload")
        for point in self.chosen(body):
            point.payload = copy.deepcopy(body["payload"])

    def delete_payload(self, body):
        need(body, "keys")
        for point in self.chosen(body):
            for key in body["keys"]:
                delete_path(point.payload, split_path(key))

    def clear_payload(self, body):
        for point in self.chosen(body):
            point.payload = {}

    def update_vectors(self, body):
        need(body, "points")
        if not body["points"]:
            raise ApiError(400, "Bad request: Empty update request")
        rows = [(point_id(p["id"]), self.take_vectors(p["vector"])) for p in body["points"]]
        flt = body.get("update_filter")
        missing_ids = [i for i, _ in rows if i not in self.points]
        for pid, vectors in rows:
            if pid in self.points and (not flt or matches(flt, self.points[pid])):
                self.points[pid].vectors.update(vectors)
        if missing_ids:
            raise no_point(missing_ids[0])

    def delete_vectors(self, body):
        need(body, "vector")
        if not body["vector"]:
            raise invalid("vector: must specify vector names to delete")
        for name in body["vector"]:
            if name not in self.dense and name not in self.sparse:
                raise wrong_input(f"Not existing vector name error: {name}")
        if body.get("points") is None and body.get("filter") is None:
            raise bad_json("No filter or points provided")
        for source in ("filter", "points"):
            if body.get(source) is None:
                continue
            for point in self.chosen({source: body[source]}):
                for name in body["vector"]:
                    point.vectors.pop(name, None)


def mode_error(body):
    mode = body.get("update_mode")
    if mode not in (None, "upsert", "insert_only", "update_only"):
        return f"unknown variant `{mode}`, expected one of `upsert`, `insert_only`, `update_only`"
    return None


def missing(field):
    raise bad_json(f"missing field `{field}`")


def need(body, field):
    if not isinstance(body, dict) or field not in body:
        missing(field)


class Storage:
    """All collections of one server."""

    def __init__(self):
        self.collections = {}
        self.aliases = {}

    def resolve(self, name):
        real = self.aliases.get(name, name)
        if real not in self.collections:
            raise no_collection(name)
        return self.collections[real]

    def create(self, name, body, raw_len):
        for char in name:
            if char in FORBIDDEN:
                raise ApiError(422, "Validation error in path parameters: [collection_name: collection name cannot contain "
                                    f'"{char}" char]')
        if isinstance(body, list):
            raise bad_json(f"invalid length {len(body)}, expected struct CreateCollection with 15 elements")
        fresh = Collection(name, body, raw_len)
        if name in self.aliases:
            raise wrong_input(f"Can't create collection with name {name}. Alias with the same name already exists")
        if name in self.collections:
            raise ApiError(409, f"Wrong input: Collection `{name}` already exists!")
        self.collections[name] = fresh

    def delete(self, name):
        if name not in self.collections:
            return False
        del self.collections[name]
        self.aliases = {a: c for a, c in self.aliases.items() if c != name}
        return True

    def change_aliases(self, actions):
        for action in actions:
            (kind, value), = action.items()
            if kind == "create_alias":
                if value["collection_name"] not in self.collections:
                    raise no_collection(value["collection_name"])
                if value["alias_name"] in self.collections:
                    raise ApiError(409, f"Wrong input: Collection `{value['alias_name']}` already exists!")
                self.aliases[value["alias_name"]] = value["collection_name"]
            elif kind == "delete_alias":
                self.aliases.pop(value["alias_name"], None)
            elif kind == "rename_alias":
                if value["old_alias_name"] not in self.aliases:
                    raise not_found(f"Alias {value['old_alias_name']} does not exists!")
                self.aliases[value["new_alias_name"]] = self.aliases.pop(value["old_alias_name"])
            else:
                raise bad_json(f"unknown variant `{kind}`")
