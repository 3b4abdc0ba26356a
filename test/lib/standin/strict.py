# SPDX-License-Identifier: Apache-2.0
"""Strict mode: limits of a collection."""
import math
import time

from .errors import ApiError


def settings(call):
    name = call.storage.aliases.get(call.args["c"], call.args["c"])
    collection = call.storage.collections.get(name)
    found = collection.config.get("strict_mode_config", {}) if collection else {}
    return (collection, found) if found.get("enabled") else (None, {})


def exceeded(value, most, what):
    raise ApiError(400, f'Bad request: Limit exceeded {value} > {most} for "{what}". Help: Reduce the "{what}" parameter to or '
                        f"below {most}.")


def keys_of(flt):
    for clause in ("must", "should", "must_not"):
        for condition in (flt or {}).get(clause) or []:
            if isinstance(condition, dict) and "key" in condition:
                yield condition["key"]


def check_filter(collection, config, flt, switch):
    if config.get(switch) is not False:
        return
    for key in keys_of(flt):
        if key not in collection.indexes:
            raise ApiError(400, f'Bad request: Index required but not found for "{key}" of one of the following types: [keyword]. '
                                "Help: Create an index for this key or use a different filter.")


def take_token(collection, kind, per_minute):
    """A bucket that starts with what one refill gives, and refills evenly."""
    buckets = collection.__dict__.setdefault("buckets", {})
    tokens, at = buckets.get(kind, (per_minute / 2 if kind == "Write" else float(per_minute), time.monotonic()))
    now = time.monotonic()
    tokens = min(per_minute, tokens + (now - at) * per_minute / 60)
    if tokens < 1:
        buckets[kind] = (tokens, now)
        wait = math.ceil((1 - tokens) * 60 / per_minute)
        raise ApiError(429, f"Rate limiting exceeded: {kind} rate limit exceeded: Operation requires 1 tokens but only "
                            f"{tokens:.1f} were available. Retry after {wait}s", {"retry-after": str(wait)})
    buckets[kind] = (tokens - 1, now)


def check_read(call, body):
    collection, config = settings(call)
    if collection is None or not isinstance(body, dict):
        return body
    timeout = call.params.get("timeout")
    if timeout and config.get("max_timeout") and int(timeout) > config["max_timeout"]:
        exceeded(timeout, config["max_timeout"], "timeout")
    if config.get("max_query_limit") and (body.get("limit") or 0) > config["max_query_limit"]:
        exceeded(body["limit"], config["max_query_limit"], "limit")
    check_filter(collection, config, body.get("filter"), "unindexed_filtering_retrieve")
    if config.get("read_rate_limit"):
        take_token(collection, "Read", config["read_rate_limit"])
    return body


def check_write(call, body):
    collection, config = settings(call)
    if collection is None or not isinstance(body, dict):
        return body
    timeout = call.params.get("timeout")
    if timeout and config.get("max_timeout") and int(timeout) > config["max_timeout"]:
        exceeded(timeout, config["max_timeout"], "timeout")
    most = config.get("upsert_max_batchsize")
    if most and isinstance(body.get("points"), list) and len(body["points"]) > most:
        exceeded(len(body["points"]), most, "upsert limit")
    check_filter(collection, config, body.get("filter"), "unindexed_filtering_update")
    if config.get("write_rate_limit"):
        take_token(collection, "Write", config["write_rate_limit"])
    return body
