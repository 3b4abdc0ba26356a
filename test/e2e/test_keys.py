# SPDX-License-Identifier: Apache-2.0
"""Sextant holds the keys: what clients show to it, what it shows to clusters, and what it says to those it refuses."""
import json
import os
import signal
import time

import pytest
from replay import replay
from sextant import CALLERS, ROOT, check, request, wait_for
from standin.rbac import sign

CLIENT = {"api_key": "rw-key", "read_only_api_key": "ro-key"}
MAP = "elsewhere *=us\n* europe=eu north-america=us"
VECTORS = {"vectors": {"size": 2, "distance": "Dot"}}


def path_of(name):
    return os.path.join(ROOT, "test", "recordings", name + ".jsonl")


def key_of(name):
    return f"cluster-key-of-{name}"


@pytest.fixture
def keyed(region):
    """A function that starts a region with a key of its own."""
    def start(name="eu", tokens=True):
        return region(name, keys={"rw": key_of(name)}, tokens=tokens)
    return start


def options(*names, tokens=True, **more):
    own = {f"cluster_{n}_api_key": key_of(n) for n in names}
    return {**CLIENT, **own, **({f"cluster_{n}_jwt_rbac": "on" for n in names} if tokens else {}), **more}


def explain(wrong):
    return "\n".join(" | ".join(w) for w in wrong.values())


@pytest.mark.parametrize("name", ["auth", "jwt"])
def test_one_cluster_with_another_key(keyed, edge, name):
    one = edge([keyed()], **options("eu"))
    _, wrong = replay(one.url, path_of(name))
    assert not wrong, explain(wrong)


@pytest.mark.parametrize("name", ["auth", "jwt"])
def test_two_clusters_with_keys_of_their_own(keyed, edge, name):
    one = edge([keyed("eu"), keyed("us")], MAP, **options("eu", "us"))
    _, wrong = replay(one.url, path_of(name), extra={"X-Forwarded-For": CALLERS["US"]})
    assert not wrong, explain(wrong)


def test_clients_cannot_use_the_keys_of_clusters(keyed, edge):
    one = edge([keyed()], **options("eu"))
    for headers in ({"api-key": key_of("eu")}, {"Authorization": "Bearer " + key_of("eu")},
                    {"api-key": sign({"access": "m"}, key_of("eu"))}):
        assert one.call("GET", "/collections", headers=headers)[0] in (401, 403)


def sent(region):
    """Heads of the requests that a region got from clients."""
    heads = [dict(r["headers"]) for r in region.control(log=True)["log"]]
    return [h for h in heads if h.get("user-agent") != "sextant-probe"]


def test_credentials_are_exchanged(keyed, edge):
    """Every credential of the client goes; the cluster sees its own key, or the token signed with it. Keys for inference
    are not Sextant's."""
    region = keyed()
    one = edge([region], **options("eu"))
    token = sign({"access": "r", "subject": "alice"}, "rw-key")
    region.control(clear_log=True)
    for headers in ({"api-key": "rw-key", "Authorization": "Bearer other"}, {"Authorization": "Bearer ro-key"},
                    {"api-key": token, "openai-api-key": "sk-1"}, {"Authorization": "Bearer " + token}):
        assert one.call("GET", "/collections", headers=headers)[0] == 200
    seen = sent(region)
    assert [h["api-key"] for h in seen[:2]] == [key_of("eu")] * 2
    resigned = sign({"access": "r", "subject": "alice"}, key_of("eu"))
    assert [h["api-key"] for h in seen[2:]] == [resigned] * 2
    assert seen[2]["openai-api-key"] == "sk-1"
    assert not any("authorization" in h or "rw-key" in json.dumps(h) or "ro-key" in json.dumps(h) for h in seen)


def test_what_needs_no_key_gets_none(keyed, edge):
    region = keyed()
    one = edge([region], **options("eu"))
    region.control(clear_log=True)
    preflight = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
    assert one.call("GET", "/healthz")[0] == 200
    assert one.call("GET", "/readyz")[0] == 200
    assert one.call("GET", "/")[2]["version"] == "1.19.0"
    assert one.call("GET", "/dashboard/")[0] == 404
    assert one.call("OPTIONS", "/collections", headers=preflight)[0] == 200
    assert one.call("OPTIONS", "/collections")[0] == 401
    assert one.call("POST", "/healthz")[0] == 404
    assert not [h for h in sent(region) if "api-key" in h or "authorization" in h]


def test_refusals_come_first_and_are_told_to_browsers(keyed, edge):
    one = edge([keyed()], **options("eu"))
    for target in ("/collections/../x", "/collections/a%2Fb", "/nothing", "/collections/" + "x" * 300):
        status, headers, body = one.call("GET", target, headers={"Origin": "https://app.example"})
        assert (status, body) == (401, b"Must provide an API key or an Authorization bearer token")
        assert headers["access-control-allow-origin"] == "https://app.example"
        assert headers["x-sextant-error"] == "KEY_MISSING"
        assert "content-type" not in headers
    assert one.call("GET", "/collections/../x", headers={"api-key": "ro-key"})[0] == 404
    assert one.call("POST", "/collections/c/made_up", {}, headers={"api-key": "ro-key"})[0] == 404


def test_fail_over_takes_the_key_of_the_other(keyed, edge):
    eu, us = keyed("eu"), keyed("us")
    one = edge([eu, us], "* *=eu,us copies=external read=home", **options("eu", "us"))
    for region in (eu, us):
        assert request(region.port, "PUT", "/collections/c", VECTORS, {"api-key": key_of(region.name)})[0] == 200
    token = {"api-key": sign({"access": "r"}, "rw-key")}
    assert one.call("GET", "/collections/c", headers=token)[1]["x-sextant-cluster"] == "eu"
    eu.kill()
    for headers in (token, {"api-key": "ro-key"}, {"api-key": "rw-key"}):
        status, got, _ = one.call("GET", "/collections/c", headers=headers)
        assert (status, got["x-sextant-cluster"]) == (200, "us")


def test_a_key_that_its_cluster_refuses(keyed, edge):
    """It is not the client's fault: 502, and another cluster is asked where one may be."""
    one = edge([keyed("eu"), keyed("us")], "* *=eu,us copies=external read=home", local_cluster="eu",
               **{**options("eu", "us"), "cluster_eu_api_key": "an-old-key-of-eu"})
    for _ in range(30):  # however often: such moves draw nothing from the budget
        status, headers, _ = one.call("GET", "/collections/c/exists", headers={"api-key": "rw-key"})
        assert (status, headers["x-sextant-cluster"]) == (200, "us")
    status, headers, body = one.call("PUT", "/collections/c", VECTORS, headers={"api-key": "rw-key"})
    assert status == 502
    assert "an-old-key-of-eu" not in json.dumps([headers, body])
    wait_for(lambda: "cluster eu refuses its key" in one.output(), 15, "the complaint")
    assert 'sextant_cluster_key_refused{cluster="eu"} 1\n' in one.admin("/metrics")
    assert 'sextant_cluster_key_refused{cluster="us"} 0\n' in one.admin("/metrics")
    assert [e["subject"] for e in one.status()["events"] if e["kind"] == "key-refused"] == ["eu"]


def test_tokens_where_some_clusters_take_none(keyed, edge):
    one = edge([keyed("eu"), keyed("us", tokens=False)], "here *=eu\nthere *=us\nboth *=us,eu copies=external\n* *=eu,us "
               "copies=external", **{**options("eu", "us"), "cluster_us_jwt_rbac": "off"})
    assert one.call("PUT", "/collections/both", VECTORS, headers={"api-key": "rw-key"})[0] == 200
    token = {"api-key": sign({"access": "r"}, "rw-key")}
    assert one.call("GET", "/collections/here/exists", headers=token)[0] == 200
    status, headers, body = one.call("GET", "/collections/there/exists", headers=token)
    assert (status, headers["x-sextant-error"]) == (403, "TOKEN_NOT_TAKEN")
    assert "jwt_rbac" in body["status"]["error"]
    assert one.call("GET", "/collections/both/exists", headers=token)[1]["x-sextant-cluster"] == "eu"
    # A list would have to ask us too; a schema change must reach it.
    assert one.call("GET", "/collections", headers=token)[0] == 403
    assert one.call("PUT", "/collections/both", VECTORS, headers={"api-key": sign({}, "rw-key")})[0] == 403


def test_a_token_learns_nothing_of_what_it_does_not_cover(keyed, edge):
    """Where Sextant answers for itself, a limited token gets what Qdrant would say."""
    one = edge([keyed()], "users *=eu\ndocs europe=eu", **options("eu"))
    token = {"api-key": sign({"access": [{"collection": "users", "access": "r"}]}, "rw-key")}
    for target in ("/collections/secret", "/collections/secret/exists", "/collections/docs"):
        status, _, body = one.call("GET", target, caller="US", headers=token)
        assert status == 403
        assert body["status"]["error"] == f"Forbidden: Access to collection {target.split('/')[2]} is required"
    assert one.call("GET", "/collections/secret/exists", headers={"api-key": "ro-key"})[2]["result"] == {"exists": False}


def test_lists_and_schema_of_many_clusters_by_token(keyed, edge):
    one = edge([keyed("eu"), keyed("us")], MAP, **options("eu", "us"))
    manage, some = sign({}, "rw-key"), sign({"access": [{"collection": "elsewhere", "access": "r"}]}, "rw-key")
    for name in ("users", "elsewhere"):
        assert one.call("PUT", "/collections/" + name, VECTORS, headers={"api-key": manage})[0] == 200

    def names(token):
        listed = one.call("GET", "/collections", headers={"api-key": token})
        assert listed[0] == 200, listed
        return [c["name"] for c in listed[2]["result"]["collections"]]
    assert names(manage) == ["elsewhere", "users"]
    assert names(some) == ["elsewhere"]
    status, _, body = one.call("DELETE", "/collections/users", headers={"api-key": some})
    assert (status, body["status"]["error"]) == (403, "Forbidden: Global access is required")


def test_expiry_is_noticed_although_the_token_is_known(keyed, edge):
    one = edge([keyed()], **options("eu"))
    for left in (2, 5, 20):  # of 30 s of leeway; fewer than a request takes on a busy machine show nothing
        token = {"api-key": sign({"exp": int(time.time()) - 30 + left}, "rw-key")}
        status = one.call("GET", "/collections", headers=token)[0]
        if status == 200:
            break
    assert status == 200
    refused = wait_for(lambda: one.call("GET", "/collections", headers=token)[0] == 403 and
                       one.call("GET", "/collections", headers=token), 20, "the expiry")
    assert refused[2] == b"ExpiredSignature"


def test_keys_are_changed_without_a_gap(keyed, edge, tmp_path):
    """New keys by files: the old one is good until the reload, and tokens that it signed too."""
    secret, alt = tmp_path / "key", tmp_path / "alt"
    secret.write_text("old-key-of-clients\n")
    alt.write_text("new-key-of-clients\n")
    mine = options("eu")
    del mine["api_key"]
    one = edge([keyed()], **mine, api_key_file=secret, alt_api_key_file=alt)
    old_token, new_token = sign({"access": "r"}, "old-key-of-clients"), sign({"access": "r"}, "new-key-of-clients")

    def get(key):
        return one.call("GET", "/collections", headers={"api-key": key})[0]
    assert [get(k) for k in ("old-key-of-clients", "new-key-of-clients", old_token, new_token)] == [200] * 4
    (tmp_path / "next").write_text("new-key-of-clients\n")
    os.replace(tmp_path / "next", secret)
    wait_for(lambda: get("old-key-of-clients") == 401, 15, "the reload")
    assert [get(k) for k in ("new-key-of-clients", old_token, new_token)] == [200, 403, 200]
    (tmp_path / "next").write_text("\n")
    os.replace(tmp_path / "next", secret)  # not written yet: the keys stay
    wait_for(lambda: one.status()["reloads_failed"] == 1, 15, "the refusal")
    assert [get(k) for k in ("new-key-of-clients", "old-key-of-clients", "")] == [200, 401, 401]


def test_the_key_of_a_cluster_is_changed(keyed, edge, tmp_path):
    region, secret = keyed(), tmp_path / "key"
    secret.write_text("not-yet-the-key-of-eu")
    mine = options("eu")
    del mine["cluster_eu_api_key"]
    one = edge([region], **mine, cluster_eu_api_key_file=secret)
    key = {"api-key": "rw-key"}
    assert one.call("GET", "/collections", headers=key)[0] == 502
    secret.write_text(key_of("eu"))
    one.signal(signal.SIGHUP)
    wait_for(lambda: one.call("GET", "/collections", headers=key)[0] == 200, 15, "the reload")


def test_what_sextant_asks_itself_has_the_key(keyed, edge):
    region = keyed()
    edge([region], **options("eu", probe_path="/collections"))

    def own():
        heads = [(r["target"], dict(r["headers"])) for r in region.control(log=True)["log"]]
        return {t: h.get("api-key") for t, h in heads if h.get("user-agent") == "sextant-probe"}
    wait_for(lambda: "/aliases" in own() and "/collections" in own(), 15, "the questions")
    assert set(own().values()) == {key_of("eu")}


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_the_official_client(keyed, edge):
    from qdrant_client import QdrantClient, models
    from qdrant_client.http.exceptions import UnexpectedResponse
    one = edge([keyed("eu"), keyed("us")], "users *=eu\n* *=us", **options("eu", "us"))
    writer, reader = (QdrantClient(url=one.url, api_key=k, check_compatibility=False) for k in ("rw-key", "ro-key"))
    by_token = QdrantClient(url=one.url, api_key=sign({"access": [{"collection": "users", "access": "rw"}]}, "rw-key"),
                            check_compatibility=False)
    assert writer.create_collection("users", models.VectorParams(size=2, distance=models.Distance.DOT))
    writer.upsert("users", [models.PointStruct(id=1, vector=[1, 2])], wait=True)
    by_token.upsert("users", [models.PointStruct(id=2, vector=[2, 1])], wait=True)
    assert reader.count("users").count == 2
    assert [c.name for c in by_token.get_collections().collections] == ["users"]
    for client in (reader, by_token):
        with pytest.raises(UnexpectedResponse, match="403"):
            client.delete_collection("users")


def test_log_and_metrics_tell_the_kind_and_never_the_key(keyed, edge):
    one = edge([keyed()], **options("eu", alt_api_key="alt-key", workers=1))
    token, wrong = sign({"access": "r", "subject": "alice", "sub": "tenant-1"}, "rw-key"), sign({"access": "r"}, "guessed")
    shown = ["rw-key", "alt-key", "ro-key", token, None, "guessed", wrong]
    for key in shown:
        one.call("GET", "/collections", headers={"api-key": key} if key else {})
    one.call("GET", "/dashboard")
    wait_for(lambda: len([r for r in one.log() if r["path"] == "/dashboard"]) == 1, 10, "the log")
    lines = [r for r in one.log() if r["path"] in ("/collections", "/dashboard")]
    assert [r["key"] for r in lines] == ["api", "alt", "read-only", "token", "missing", "invalid", "invalid", "open"]
    assert [r.get("subject") for r in lines] == [None] * 3 + ["alice"] + [None] * 4
    metrics = one.admin("/metrics")
    assert 'sextant_authentications_total{key="token"} 1\n' in metrics
    assert 'sextant_authentications_total{key="invalid"} 2\n' in metrics
    assert 'sextant_failures_total{code="TOKEN_SIGNATURE"} 1\n' in metrics
    everything = json.dumps(one.log()) + metrics + one.admin("/config") + one.admin("/status") + one.output()
    for secret in ("rw-key", "ro-key", "alt-key", key_of("eu"), token, wrong, token.rsplit(".", 1)[1]):
        assert secret not in everything


def test_pass_through_is_the_default(region, edge):
    one = edge([region()])
    one.call("GET", "/collections", headers={"api-key": "anything"})
    wait_for(lambda: [r for r in one.log() if r["path"] == "/collections"], 10, "the log")
    assert [r["key"] for r in one.log() if r["path"] == "/collections"] == ["pass-through"]


def test_authentication_in_front_of_clusters_without_keys(region, edge):
    """Keys of clients alone: they are checked, and go no further."""
    here = region()
    one = edge([here], **CLIENT)
    assert "has no key" in one.output()
    here.control(clear_log=True)
    assert one.call("PUT", "/collections/c", VECTORS, headers={"api-key": "rw-key"})[0] == 200
    assert one.call("GET", "/collections/c", headers={"api-key": "ro-key"})[0] == 200
    assert one.call("GET", "/collections/c")[0] == 401
    assert one.call("DELETE", "/collections/c", headers={"api-key": "ro-key"})[0] == 403
    assert not [h for h in sent(here) if "api-key" in h]


CLUSTERS = {"SEXTANT_CLUSTERS": "eu http://a at=DE; us http://b at=US", "SEXTANT_PARTITION_MAP": "* *=eu"}
LONG = "a-key-of-clients-that-is-long"
REFUSED = [
    ({"SEXTANT_CLUSTER_EU_API_KEY": "cluster-key"}, "clients must show one to Sextant: set SEXTANT_API_KEY"),
    ({"SEXTANT_API_KEY": ""}, "the key is empty"),
    ({"SEXTANT_API_KEY": LONG, "SEXTANT_CLUSTER_EU_API_KEY": ""}, "the key is empty"),
    ({"SEXTANT_API_KEY": "schlüssel-der-kunden"}, "printable ASCII only"),
    ({"SEXTANT_API_KEY": LONG, "SEXTANT_CLUSTER_EU_API_KEY": "a\nb"}, "printable ASCII only"),
    ({"SEXTANT_API_KEY": LONG, "SEXTANT_READ_ONLY_API_KEY": LONG}, "whoever holds it may write"),
    ({"SEXTANT_ALT_API_KEY": LONG, "SEXTANT_READ_ONLY_API_KEY": LONG}, "whoever holds it may write"),
    ({"SEXTANT_API_KEY": "x" * 20, "SEXTANT_READ_ONLY_API_KEY": LONG, "SEXTANT_CLUSTER_EU_API_KEY": LONG},
     "the same as the key of cluster eu"),
    ({"SEXTANT_API_KEY": LONG, "SEXTANT_CLUSTER_EU_JWT_RBAC": "on"}, "set its API_KEY"),
    ({"SEXTANT_API_KEY_FILE": "/nonexistent/key"}, "cannot read /nonexistent/key"),
    ({"SEXTANT_CLUSTER_AP_API_KEY": "cluster-key"}, "no cluster has a name that is AP"),
]
WARNED = [
    ({"SEXTANT_API_KEY": "short"}, "can be guessed"),
    ({"SEXTANT_API_KEY": LONG}, "cluster us has no key"),
    ({"SEXTANT_API_KEY": LONG, "SEXTANT_ALT_API_KEY": LONG}, "the same as SEXTANT_API_KEY"),
]


@pytest.mark.parametrize("env,words", REFUSED)
def test_configurations_that_are_refused(env, words):
    code, output = check({**CLUSTERS, **env})
    assert code == 2, output
    assert words in output
    assert not [v for v in env.values() if len(v) > 8 and v[0] != "/" and v in output]


@pytest.mark.parametrize("env,words", WARNED)
def test_configurations_with_a_warning(env, words):
    code, output = check({**CLUSTERS, **env})
    assert code == 0, output
    assert words in output
    assert not [v for v in env.values() if v in output and len(v) > 8]
