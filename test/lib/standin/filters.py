# SPDX-License-Identifier: Apache-2.0
"""Filters: does a point match?"""
import datetime
import math
import struct
import uuid

from .errors import bad_json, invalid
from .values import is_number, lookup, point_id, split_path

KEYS = {"must", "should", "must_not", "min_should"}


def siphash24(data):
    """SipHash-2-4 with key 0 (J.-P. Aumasson, D. J. Bernstein)."""
    mask = 2 ** 64 - 1
    v = [0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573]

    def rotate(x, n):
        return (x << n | x >> (64 - n)) & mask

    def rounds(n):
        for _ in range(n):
            v[0] = (v[0] + v[1]) & mask
            v[1] = rotate(v[1], 13) ^ v[0]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[3]) & mask
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = (v[0] + v[3]) & mask
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = (v[2] + v[1]) & mask
            v[1] = rotate(v[1], 17) ^ v[2]
            v[2] = rotate(v[2], 32)

    tail = data[len(data) // 8 * 8:] + bytes(7 - len(data) % 8) + bytes([len(data) & 255])
    for at in range(0, len(data) // 8 * 8, 8):
        word, = struct.unpack_from("<Q", data, at)
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    word, = struct.unpack("<Q", tail)
    v[3] ^= word
    rounds(2)
    v[0] ^= word
    v[2] ^= 0xff
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def slice_of(pid, total):
    data = struct.pack("<Q", pid) if isinstance(pid, int) else uuid.UUID(pid).bytes
    return siphash24(data) % total


def flat(values):
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def same(a, b):
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return type(a) is type(b) and a == b


def match_values(found, match):
    values = list(flat(found))
    if "value" in match:
        return any(same(v, match["value"]) for v in values)
    if "any" in match:
        return any(same(v, w) for v in values for w in match["any"])
    if "except" in match:
        return any(not any(same(v, w) for w in match["except"]) for v in values)
    text = match.get("text", match.get("phrase", match.get("text_any")))
    if text is None:
        raise bad_json("data did not match any variant of untagged enum Match")
    words = text.lower().split()
    test = any if "text_any" in match else all
    return any(isinstance(v, str) and test(w in v.lower() for w in words) for v in values)


def as_time(value):
    try:
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    except (AttributeError, ValueError):
        return None


def match_range(found, bounds):
    for value in flat(found):
        limits = {k: v for k, v in bounds.items() if v is not None}
        if any(isinstance(v, str) for v in limits.values()):
            value = as_time(value)
            limits = {k: as_time(v) for k, v in limits.items()}
        if not is_number(value):
            continue
        value = float(value)
        if all({"lt": value < v, "lte": value <= v, "gt": value > v, "gte": value >= v}[k] for k, v in limits.items()):
            return True
    return False


def match_count(found, bounds):
    for value in found:
        n = len(value) if isinstance(value, list) else 0 if value is None else 1
        if match_range([n], bounds):
            return True
    return False


def distance_m(a, b):
    lat1, lat2 = math.radians(a["lat"]), math.radians(b["lat"])
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(
        math.radians(b["lon"] - a["lon"]) / 2) ** 2
    return 2 * 6371000 * math.asin(math.sqrt(h))


def match_geo(found, c):
    points = [v for v in flat(found) if isinstance(v, dict) and "lat" in v and "lon" in v]
    if "geo_radius" in c:
        return any(distance_m(v, c["geo_radius"]["center"]) <= c["geo_radius"]["radius"] for v in points)
    box = c["geo_bounding_box"]
    return any(box["bottom_right"]["lat"] <= v["lat"] <= box["top_left"]["lat"] and
               box["top_left"]["lon"] <= v["lon"] <= box["bottom_right"]["lon"] for v in points)


def match_field(c, payload):
    found = lookup(payload, split_path(c["key"]))
    if "match" in c:
        return match_values(found, c["match"])
    if "range" in c:
        return match_range(found, c["range"])
    if "values_count" in c:
        return match_count(found, c["values_count"])
    if "geo_radius" in c or "geo_bounding_box" in c:
        return match_geo(found, c)
    raise invalid("filter: at least one field condition must be specified")


def is_empty(found):
    return all(v is None or v == [] for v in found)


def match_condition(c, point):
    if not isinstance(c, dict):
        raise bad_json("Expected some form of condition")
    if set(c) & KEYS:
        return matches(c, point)
    if "has_id" in c:
        return point.id in {point_id(i) for i in c["has_id"]}
    if "slice" in c:
        if c["slice"]["index"] >= c["slice"]["total"]:
            raise invalid("scroll_request.filter.must[0].__all__: Validation error: Slice index must be less than total")
        return slice_of(point.id, c["slice"]["total"]) == c["slice"]["index"]
    if "is_empty" in c:
        return is_empty(lookup(point.payload, split_path(c["is_empty"]["key"])))
    if "is_null" in c:
        return any(v is None for v in flat(lookup(point.payload, split_path(c["is_null"]["key"]))))
    if "has_vector" in c:
        return c["has_vector"] in point.vectors
    if "nested" in c:
        items = flat(lookup(point.payload, split_path(c["nested"]["key"])))
        return any(matches(c["nested"]["filter"], Nested(point.id, i)) for i in items if isinstance(i, dict))
    if "key" in c:
        return match_field(c, point.payload)
    raise bad_json("Expected some form of condition, which can be a field condition (like {\"key\": ...}), or some other "
                   "mentioned in the documentation")


class Nested:
    def __init__(self, pid, payload):
        self.id, self.payload, self.vectors = pid, payload, {}


def conditions(clause):
    return clause if isinstance(clause, list) else [] if clause is None else [clause]


def matches(flt, point):
    if not flt:
        return True
    if set(flt) - KEYS:
        raise bad_json(f"unknown field `{next(iter(set(flt) - KEYS))}`, expected one of `should`, `min_should`, `must`, "
                       "`must_not`")
    must, must_not = conditions(flt.get("must")), conditions(flt.get("must_not"))
    should, least = conditions(flt.get("should")), flt.get("min_should")
    return (all(match_condition(c, point) for c in must) and not any(match_condition(c, point) for c in must_not) and
            (not should or any(match_condition(c, point) for c in should)) and
            (not least or sum(match_condition(c, point) for c in least["conditions"]) >= least["min_count"]))
