# SPDX-License-Identifier: Apache-2.0
"""Queries: nearest, recommend, discover, context, order, fusion, sampling; all by looking at every point."""
import random

from .errors import ApiError, bad_json, invalid, no_point, not_found, wrong_input
from .filters import matches
from .values import (is_dense, is_multi, is_number, is_sparse, lookup, normalised, order_key, point_id, shown_score, similarity,
                     sparse_dot, split_path)

RANGE_TYPES = ("integer", "float", "datetime")


class Searcher:
    def __init__(self, storage, collection):
        self.storage, self.c = storage, collection

    # --- vectors of a query ---------------------------------------------------------------------------------------------

    def vector_of(self, value, using, lookup_from):
        """(vector, id to leave out of the answer)"""
        if isinstance(value, dict) and "model" in value:
            raise ApiError(500, "Service internal error: InferenceService URL not configured - please provide valid address in "
                                "config")
        if isinstance(value, list) or is_sparse(value):
            return self.check(value, using), None
        pid = point_id(value)
        source, name = self.c, using
        if lookup_from:
            source = self.lookup_collection(lookup_from["collection"])
            name = lookup_from.get("vector") or ""
        if pid not in source.points:
            raise no_point(pid)
        vector = source.points[pid].vectors.get(name)
        if vector is None:
            raise wrong_input(f"Point with id {pid} has no vector {name}")
        return vector, pid if source is self.c else None

    def lookup_collection(self, name):
        real = self.storage.aliases.get(name, name)
        if real not in self.storage.collections:
            raise not_found(f"Collection {name} not found")
        return self.storage.collections[real]

    def check(self, vector, using):
        if using in self.c.sparse:
            return vector
        params = self.params(using)
        for row in vector if is_multi(vector) else [vector]:
            if not is_dense(row):
                raise bad_json("data did not match any variant of untagged enum VectorInput")
            if len(row) != params["size"]:
                raise wrong_input(f"Vector dimension error: expected dim: {params['size']}, got {len(row)}")
        if params["distance"] == "Cosine":
            return [normalised(r) for r in vector] if is_multi(vector) else normalised(vector)
        return vector

    def params(self, using):
        if using in self.c.sparse:
            return {"distance": "Dot"}
        if using not in self.c.dense:
            raise wrong_input(f"Not existing vector name error: {using}")
        return self.c.dense[using]

    def score(self, a, b, using):
        if is_sparse(a):
            return sparse_dot(a, b)
        distance = self.params(using)["distance"]
        if is_multi(a) or is_multi(b):
            rows_a, rows_b = (a if is_multi(a) else [a]), (b if is_multi(b) else [b])
            return sum(max(similarity(distance, x, y) for y in rows_b) for x in rows_a)
        return similarity(distance, a, b)

    # --- kinds of queries -----------------------------------------------------------------------------------------------

    def rank(self, scorer, candidates, using, show=True):
        distance = self.params(using)["distance"]
        scored = []
        for point in candidates:
            if using in point.vectors:
                value = scorer(point.vectors[using])
                if value is not None:
                    scored.append((value, point))
        scored.sort(key=lambda s: (-s[0], order_key(s[1].id)))
        return [(shown_score(distance, s) if show else s, p) for s, p in scored]

    def nearest(self, value, using, source, candidates):
        vector, leave_out = self.vector_of(value, using, source)
        return self.rank(lambda v: self.score(vector, v, using), [p for p in candidates if p.id != leave_out], using)

    def recommend(self, body, using, source, candidates):
        positive = [self.vector_of(v, using, source) for v in body.get("positive") or []]
        negative = [self.vector_of(v, using, source) for v in body.get("negative") or []]
        gone = {pid for _, pid in positive + negative}
        left = [p for p in candidates if p.id not in gone]
        strategy = body.get("strategy") or "average_vector"
        if strategy == "average_vector":
            if not positive:
                raise wrong_input("At least one positive vector ID required with this strategy")
            mean = [sum(xs) / len(positive) for xs in zip(*(v for v, _ in positive))]
            if negative:
                other = [sum(xs) / len(negative) for xs in zip(*(v for v, _ in negative))]
                mean = [2 * m - o for m, o in zip(mean, other)]
            if self.params(using)["distance"] == "Cosine":
                mean = normalised(mean)
            return self.rank(lambda v: self.score(mean, v, using), left, using)

        def best(v):
            good = max((self.score(p, v, using) for p, _ in positive), default=float("-inf"))
            bad = max((self.score(n, v, using) for n, _ in negative), default=float("-inf"))
            return good if good > bad else -bad
        return self.rank(best, left, using, show=False)

    def discover(self, target, context, using, source, candidates):
        pairs = [(self.vector_of(c["positive"], using, source), self.vector_of(c["negative"], using, source))
                 for c in (context if isinstance(context, list) else [context] if context else [])]
        gone = {pid for pair in pairs for _, pid in pair}
        goal = None
        if target is not None:
            goal, pid = self.vector_of(target, using, source)
            gone.add(pid)

        def value(v):
            if goal is None:
                return sum(min(self.score(p, v, using) - self.score(n, v, using), 0) for (p, _), (n, _) in pairs)
            rank = sum(1 if self.score(p, v, using) > self.score(n, v, using) else -1 for (p, _), (n, _) in pairs)
            s = self.score(goal, v, using)
            return rank + 0.5 * (s / (1 + abs(s)) + 1)
        return self.rank(value, [p for p in candidates if p.id not in gone], using, show=False)

    def order_by(self, spec, candidates):
        spec = {"key": spec} if isinstance(spec, str) else spec
        if index_type(self.c, spec["key"]) not in RANGE_TYPES:
            raise wrong_input(f"No range index for `order_by` key: `{spec['key']}`. Please create one to use `order_by`. Check "
                              "https://qdrant.tech/documentation/concepts/indexing/#payload-index to see which payload schemas "
                              "support Range conditions")
        rows = [(v, p) for p in candidates for v in lookup(p.payload, split_path(spec["key"])) if is_number(v)]
        down = spec.get("direction") == "desc"
        start = spec.get("start_from")
        if start is not None:
            rows = [r for r in rows if (r[0] <= start if down else r[0] >= start)]
        return sorted(rows, key=lambda r: (-r[0] if down else r[0], order_key(r[1].id)))

    def fuse(self, kind, lists):
        total, points = {}, {}
        for ranking in lists:
            scores = [s for s, _ in ranking]
            for at, (score, point) in enumerate(ranking):
                points[point.id] = point
                if kind == "dbsf" and len(scores) > 1:
                    mean = sum(scores) / len(scores)
                    deviation = (sum((s - mean) ** 2 for s in scores) / (len(scores) - 1)) ** 0.5 or 1
                    add = (score - (mean - 3 * deviation)) / (6 * deviation)
                else:
                    add = 1 / (at + 2)
                total[point.id] = total.get(point.id, 0) + add
        return sorted(((s, points[i]) for i, s in total.items()), key=lambda r: (-r[0], order_key(r[1].id)))

    # --- one query ------------------------------------------------------------------------------------------------------

    def query(self, body, default_limit=10, outer_filter=None):
        limit = body.get("limit")
        limit = default_limit if limit is None else limit
        if limit < 1:
            raise invalid(f"internal.limit: value {limit} invalid, must be 1 or larger")
        using, source, query = body.get("using") or "", body.get("lookup_from"), body.get("query")
        prefetch = body.get("prefetch")
        prefetch = prefetch if isinstance(prefetch, list) else [prefetch] if prefetch else []
        lists = [self.query(p) for p in prefetch]
        candidates = self.c.sorted_points()
        if lists:
            kept = {p.id for ranking in lists for _, p in ranking}
            candidates = [p for p in candidates if p.id in kept]
        candidates = [p for p in candidates if matches(body.get("filter"), p)]
        ranking = self.run(query, using, source, candidates, lists)
        threshold = body.get("score_threshold")
        if threshold is not None:
            is_distance = self.params(using)["distance"] in ("Euclid", "Manhattan")
            ranking = [r for r in ranking if (r[0] <= threshold if is_distance else r[0] > threshold + 1e-6)]
        offset = body.get("offset") or 0
        return ranking[offset:offset + limit]

    def run(self, query, using, source, candidates, lists):
        if query is None:
            return [(1.0, p) for p in candidates]
        if not isinstance(query, dict) or is_sparse(query) or "model" in query:
            return self.nearest(query, using, source, candidates)
        if "nearest" in query:
            return self.nearest(query["nearest"], using, source, candidates)
        if "recommend" in query:
            return self.recommend(query["recommend"], using, source, candidates)
        if "discover" in query:
            return self.discover(query["discover"]["target"], query["discover"].get("context"), using, source, candidates)
        if "context" in query:
            return self.discover(None, query["context"], using, source, candidates)
        if "order_by" in query:
            return [(v, p) for v, p in self.order_by(query["order_by"], candidates)]
        if "fusion" in query or "rrf" in query:
            return self.fuse(query.get("fusion", "rrf"), lists)
        if query.get("sample") == "random":
            return [(0.0, p) for p in random.sample(candidates, len(candidates))]
        raise bad_json("data did not match any variant of untagged enum QueryInterface")

    def groups(self, ranking, body):
        result, order = {}, []
        limit, size = body.get("limit") or 10, body.get("group_size") or 3
        for score, point in ranking:
            for key in lookup(point.payload, split_path(body["group_by"])):
                for value in key if isinstance(key, list) else [key]:
                    if value is None or isinstance(value, (dict, bool, float)):
                        continue
                    if value not in result:
                        result[value] = []
                        order.append(value)
                    if len(result[value]) < size:
                        result[value].append((score, point))
        return [(value, result[value]) for value in order[:limit]]


def index_type(collection, key):
    spec = collection.indexes.get(key)
    return spec["type"] if isinstance(spec, dict) else spec
