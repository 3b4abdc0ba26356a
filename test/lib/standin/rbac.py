# SPDX-License-Identifier: Apache-2.0
"""Keys and tokens: who may do what. Facts from Qdrant's src/common/auth/, src/actix/ and lib/storage/src/rbac/."""
import base64
import hashlib
import hmac
import json
import re
import time

from .errors import ApiError
from .filters import matches

LEEWAY = 30
# What an operation needs: a global right ("any", "read", "manage") or one of its collection ("c", "c extras", "c write",
# "c write extras"). The first line that matches counts; other routes need what their handler would look at, nothing.
NEEDS = [(m, re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", p) + "$"), n) for m, p, n in [
    ("GET", "/metrics", "read"), ("GET", "/cluster", "read"), ("POST", "/cluster/recover", "manage"),
    ("DELETE", "/cluster/peer/{p}", "manage"), ("GET", "/cluster/metadata/keys", "read"),
    ("GET", "/cluster/metadata/keys/{k}", "read"), ("PUT", "/cluster/metadata/keys/{k}", "manage"),
    ("DELETE", "/cluster/metadata/keys/{k}", "manage"), ("GET", "/quotas", "read"), ("PUT", "/quotas", "manage"),
    ("DELETE", "/issues", "manage"), ("GET", "/profiler/slow_requests", "manage"), ("GET", "/logger", "read"),
    ("GET", "/snapshots", "read"), ("POST", "/snapshots", "manage"), ("GET", "/snapshots/{n}", "read"),
    ("DELETE", "/snapshots/{n}", "manage"), ("POST", "/collections/aliases", "manage"),
    ("PUT", "/collections/{c}", "manage"), ("PATCH", "/collections/{c}", "manage"), ("DELETE", "/collections/{c}", "manage"),
    ("GET", "/collections/{c}", "c"), ("GET", "/collections/{c}/exists", "c"), ("GET", "/collections/{c}/aliases", "c"),
    ("GET", "/collections/{c}/shards", "c"), ("GET", "/collections/{c}/optimizations", "c"),
    ("PUT", "/collections/{c}/shards", "manage"), ("POST", "/collections/{c}/shards/delete", "manage"),
    ("GET", "/collections/{c}/cluster", "c extras"), ("POST", "/collections/{c}/cluster", "manage"),
    ("PUT", "/collections/{c}/index", "c write extras"), ("DELETE", "/collections/{c}/index/{f}", "c write extras"),
    ("PUT", "/collections/{c}/vectors/{v}", "c write extras"), ("DELETE", "/collections/{c}/vectors/{v}", "c write extras"),
    ("GET", "/collections/{c}/snapshots", "c extras"), ("POST", "/collections/{c}/snapshots", "c write extras"),
    ("POST", "/collections/{c}/snapshots/upload", "manage"), ("PUT", "/collections/{c}/snapshots/recover", "manage"),
    ("GET", "/collections/{c}/snapshots/{n}", "c extras"), ("DELETE", "/collections/{c}/snapshots/{n}", "c write extras"),
    ("PUT", "/collections/{c}/points", "c write"), ("POST", "/collections/{c}/points/delete", "c write"),
    ("PUT", "/collections/{c}/points/vectors", "c write"), ("POST", "/collections/{c}/points/vectors/delete", "c write"),
    ("POST", "/collections/{c}/points/payload", "c write"), ("PUT", "/collections/{c}/points/payload", "c write"),
    ("POST", "/collections/{c}/points/payload/delete", "c write"), ("POST", "/collections/{c}/points/payload/clear", "c write"),
    ("POST", "/collections/{c}/points/batch", "c write"), ("GET", "/collections/{c}/points/{p}", "c"),
    ("POST", "/collections/{c}/points", "c"), ("POST", "/collections/{c}/facet", "c"), ("POST", "/collections/{c}/points/.*", "c"),
]]
OPEN = ("/", "/healthz", "/livez", "/readyz")


class Refused(Exception):
    """Told as bare text."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


def forbid(text):
    raise ApiError(403, f"Forbidden: {text}")


class Access:
    """"m", "r", or {collection: "r" | "rw" | "prw"}."""

    def __init__(self, mode):
        self.mode = mode

    def covers(self, name):
        return not isinstance(self.mode, dict) or name in self.mode

    def check(self, need, collection):
        if isinstance(self.mode, dict):
            self.check_limited(need, collection)
        elif self.mode == "r" and ("manage" in need or "write" in need):
            forbid("Global manage access is required")

    def check_limited(self, need, collection):
        if not need.startswith("c"):
            forbid("Global access is required")
        if collection not in self.mode:
            forbid(f"Access to collection {collection} is required")
        if "extras" in need and self.mode[collection] == "prw":
            forbid(f"Only points access is allowed for collection {collection}")
        if "write" in need and self.mode[collection] == "r":
            forbid(f"Write access to collection {collection} is required")


def decode(text):
    if re.search(r"[^A-Za-z0-9_-]", text):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def sign(claims, secret, header=None):
    """A token, for tests."""
    def part(value):
        raw = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    text = part(header or {"alg": "HS256", "typ": "JWT"}) + "." + part(claims)
    return text + "." + part(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def read_token(token, secret):
    """The claims; None for what is no token."""
    try:
        text, signature = token.rsplit(".", 1)
        header, claims = text.rsplit(".", 1)
        if json.loads(decode(header))["alg"] != "HS256":
            return None
        given = decode(signature)
    except (ValueError, KeyError, TypeError):
        return None
    if not hmac.compare_digest(given, hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()):
        raise Refused(403, "InvalidSignature")
    try:
        claims = json.loads(decode(claims))
        access_of(claims)
    except (ValueError, KeyError, TypeError):
        return None
    if claims.get("exp") is not None and claims["exp"] < time.time() - LEEWAY:
        raise Refused(403, "ExpiredSignature")
    return claims


def access_of(claims):
    access = claims.get("access", "m")
    if isinstance(access, list):
        if any(a["access"] not in ("r", "rw", "prw") for a in access):
            raise ValueError("access")
        return Access({a["collection"]: a["access"] for a in access})
    if access not in ("r", "m"):
        raise ValueError("access")
    return Access(access)


def check_value(claim, storage):
    try:
        collection = storage.resolve(claim["collection"])
    except ApiError:
        raise Refused(403, "Invalid JWT, stateful validation failed") from None
    wanted = {"must": [{"key": m["key"], "match": {"value": m["value"]}} for m in claim["matches"]]}
    if not any(matches(wanted, p) for p in collection.points.values()):
        raise Refused(401, "Invalid JWT, stateful validation failed")


class Keys:
    def __init__(self, keys, has_tokens, storage):
        self.keys, self.has_tokens, self.storage = keys, has_tokens, storage

    def authenticate(self, headers):
        key = headers.get("api-key")
        if key is None and headers.get("authorization", "").startswith("Bearer "):
            key = headers["authorization"][7:]
        if key is None:
            raise Refused(401, "Must provide an API key or an Authorization bearer token")
        if key in (self.keys.get("rw"), self.keys.get("alt")):
            return Access("m")
        if key == self.keys.get("ro"):
            return Access("r")
        claims = read_token(key, self.keys["rw"]) if self.has_tokens else None
        if claims is None:
            raise Refused(401, "Invalid API key or JWT")
        if claims.get("value_exists"):
            check_value(claims["value_exists"], self.storage)
        return access_of(claims)

    def authorise(self, method, path, headers, body, args):
        """The access of this request; without keys, all of it."""
        path = re.sub("/+", "/", path).rstrip("/") or "/"
        if not self.keys or path in OPEN or path.startswith("/dashboard"):
            return Access("m")
        access = self.authenticate(headers)
        need = next((n for m, p, n in NEEDS if m == method and p.match(path)), "any")
        if need != "any":
            access.check(need, args.get("c"))
        for name in set(re.findall(rb'"lookup_from"\s*:\s*\{\s*"collection"\s*:\s*"([^"]*)"', body)):
            access.check("c", name.decode())
        return access
