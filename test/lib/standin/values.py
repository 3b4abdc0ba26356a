# SPDX-License-Identifier: Apache-2.0
"""Ids, JSON texts, payload paths and vectors as Qdrant reads them."""
import json
import math
import re
import struct
import uuid

from .errors import bad_json, wrong_input


def parse_json(raw):
    def pairs(items):
        result = {}
        for key, value in items:
            if key in result:
                raise bad_json(f"duplicate field `{key}` at line 1 column {len(raw)}")
            result[key] = value
        return result

    try:
        text = raw.decode("utf-8")
        return json.loads(text, object_pairs_hook=pairs)
    except UnicodeDecodeError:
        raise bad_json("invalid unicode code point") from None
    except json.JSONDecodeError as error:
        what = "EOF while parsing a value" if error.pos >= len(text) else "expected value"
        raise bad_json(f"{what} at line {error.lineno} column {error.colno - 1}") from None


def dump(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def point_id(value):
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2 ** 64:
        return value
    if isinstance(value, str):
        try:
            return str(uuid.UUID(value))
        except ValueError:
            pass
    shown = value if isinstance(value, str) else json.dumps(value)
    raise bad_json(f"value {shown} is not a valid point ID, valid values are either an unsigned integer or a UUID")


def path_id(text):
    if re.fullmatch(r"\d+", text) and int(text) < 2 ** 64:
        return int(text)
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise wrong_input(f'Can not recognize "{text}" as point id') from None


def order_key(value):
    return (0, value) if isinstance(value, int) else (1, uuid.UUID(value).bytes)


# --- payload paths: a.b[0].c, a[].b, "quoted.key" ---------------------------------------------------------------------

def split_path(path):
    parts = []
    for piece in re.findall(r'"[^"]*"(?:\[\d*\])*|[^.]+', path):
        match = re.fullmatch(r'("[^"]*"|[^\[]*)((?:\[\d*\])*)', piece)
        parts.append(match.group(1).strip('"'))
        parts.extend(int(n) if n else None for n in re.findall(r"\[(\d*)\]", match.group(2)))
    return parts


def lookup(value, parts):
    """All values that a path leads to; lists are opened at their ends as filters do."""
    for n, part in enumerate(parts):
        if part is None:
            return [v for item in value for v in lookup(item, parts[n + 1:])] if isinstance(value, list) else []
        if isinstance(part, int):
            if not isinstance(value, list) or part >= len(value):
                return []
        elif not isinstance(value, dict) or part not in value:
            return []
        value = value[part]
    return [value]


def set_path(payload, parts, update):
    target = payload
    for n, part in enumerate(parts):
        last = n + 1 == len(parts)
        if isinstance(part, int):
            if not isinstance(target, list) or part >= len(target):
                return
        elif part is None:
            if isinstance(target, list):
                for item in target:
                    if isinstance(item, dict):
                        set_path(item, parts[n + 1:], update) if not last else merge(item, update)
            return
        elif not isinstance(target, dict):
            return
        if last:
            if isinstance(target, dict):
                old = target.get(part)
                target[part] = merge(old if isinstance(old, dict) else {}, update)
            else:
                target[part] = merge(target[part] if isinstance(target[part], dict) else {}, update)
            return
        following = parts[n + 1]
        if isinstance(target, dict) and not isinstance(target.get(part), (dict, list)):
            target[part] = [] if following is None or isinstance(following, int) else {}
        target = target[part]


def merge(payload, update):
    for key, value in update.items():
        if value is None:
            payload.pop(key, None)
        else:
            payload[key] = value
    return payload


def delete_path(payload, parts):
    for parent in lookup(payload, parts[:-1]):
        last = parts[-1]
        if isinstance(parent, dict) and not isinstance(last, int):
            parent.pop(last, None)
        elif isinstance(parent, list) and isinstance(last, int) and last < len(parent):
            del parent[last]


# --- vectors ----------------------------------------------------------------------------------------------------------

def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_dense(value):
    return isinstance(value, list) and all(is_number(x) for x in value)


def is_multi(value):
    return isinstance(value, list) and bool(value) and all(is_dense(row) for row in value)


def is_sparse(value):
    return isinstance(value, dict) and set(value) == {"indices", "values"}


def normalised(vector):
    length = math.sqrt(sum(x * x for x in vector))
    if abs(length * length - 1) <= 1e-6 or length < 1e-12:
        return vector
    return [x / length for x in vector]


def as_stored(value, datatype):
    """Numbers are kept, and printed, as what they became."""
    if datatype == "uint8":
        return float(min(max(int(value), 0), 255))
    if datatype == "float16":
        return struct.unpack("e", struct.pack("e", value))[0]
    return float(value)


def similarity(distance, a, b):
    """Higher is nearer, whatever the distance."""
    if distance in ("Dot", "Cosine"):
        return sum(x * y for x, y in zip(a, b))
    if distance == "Euclid":
        return -math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)))
    return -sum(abs(x - y) for x, y in zip(a, b))


def shown_score(distance, score):
    return score if distance in ("Dot", "Cosine") else -score


def sparse_dot(a, b):
    values = dict(zip(a["indices"], a["values"]))
    return sum(values[i] * v for i, v in zip(b["indices"], b["values"]) if i in values)
