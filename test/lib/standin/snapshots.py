# SPDX-License-Identifier: Apache-2.0
"""Snapshot files: real bytes on disk, or generated ones of any size."""
import hashlib
import json
import os
import time
import uuid

from .errors import ApiError, not_found

PIECE = 1 << 16


class Snapshots:
    def __init__(self, directory):
        self.directory = directory
        self.identity = str(uuid.uuid4())
        self.generated = {}  # name -> size of snapshots whose bytes are made up as they are read
        os.makedirs(directory, exist_ok=True)

    def path(self, owner, name):
        if "/" in name:
            raise not_found(f"Snapshot {name} not found")
        return os.path.join(self.directory, (owner or "_storage") + "!" + name)

    def list(self, owner):
        prefix = (owner or "_storage") + "!"
        names = sorted(f for f in os.listdir(self.directory) if f.startswith(prefix) and not f.endswith(".checksum"))
        return [self.describe(owner, f[len(prefix):]) for f in names]

    def describe(self, owner, name):
        path = self.path(owner, name)
        with open(path, "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
        made = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(os.path.getmtime(path)))
        return {"name": name, "creation_time": made, "size": os.path.getsize(path), "checksum": checksum}

    def create(self, owner, what):
        name = f"{owner or 'full-snapshot'}-{uuid.uuid4().int % 10 ** 16}-{time.strftime('%Y-%m-%d-%H-%M-%S')}.snapshot"
        state = {"points": [], "body": {}} if owner == "" else dump_collection(what)
        with open(self.path(owner, name), "wb") as file:
            file.write(b"SNAPSHOT" + json.dumps(state).encode())
        return self.describe(owner, name)

    def read(self, owner, name):
        if name in self.generated:
            return self.generated[name], generate(self.generated[name])
        path = self.path(owner, name)
        if not os.path.exists(path):
            raise not_found(f"Snapshot {name} not found")
        return os.path.getsize(path), pieces(path)

    def delete(self, owner, name):
        path = self.path(owner, name)
        if not os.path.exists(path):
            raise not_found(f"Snapshot {name} not found")
        os.remove(path)

    def restore(self, name, raw):
        at = raw.find(b"SNAPSHOT")
        if at < 0:
            raise ApiError(400, "Wrong input: Invalid snapshot")
        text = raw[at + 8:]
        state, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "ignore"))
        return load_collection(name, state)

    def recover(self, owner, location):
        path = location.removeprefix("file://")
        if os.path.dirname(path) not in ("", self.directory):
            path = os.path.join(self.directory, owner + "!" + os.path.basename(path))
        if not os.path.exists(path):
            shown = location.removeprefix("file://")
            raise ApiError(400, f'Bad request: Snapshot file "{shown}" does not exist')
        with open(path, "rb") as file:
            return self.restore(owner, file.read())


def dump_collection(collection):
    return {"dense": collection.dense, "sparse": collection.sparse, "indexes": collection.indexes, "config": collection.config,
            "points": [[p.id, p.vectors, p.payload] for p in collection.points.values()]}


def load_collection(name, state):
    from .store import Collection, Point
    made = Collection(name, {})
    made.dense, made.sparse = state["dense"], state["sparse"]
    made.indexes, made.config = state["indexes"], state["config"]
    made.points = {i: Point(i, v, p) for i, v, p in state["points"]}
    return made


def pieces(path):
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            yield piece


def generate(size):
    block = bytes(range(256)) * (PIECE // 256)
    while size > 0:
        yield block[:size]
        size -= min(size, PIECE)
