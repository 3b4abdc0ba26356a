# SPDX-License-Identifier: Apache-2.0
"""The admin listener: who may, and what orders do."""
import http.client
import json
import os
import socket
import threading

import pytest
from sextant import request, wait_for

TOKEN = "0123456789abcdef0123456789abcdef"
JSON = {"content-type": "application/json"}


def write(path, text):
    with open(str(path) + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(str(path) + ".new", path)


def order(one, path, body=None, headers=None):
    status, _, raw = request(one.admin_port, "POST", path, json.dumps(body or {}), {**JSON, **(headers or {})}, 60)
    return status, json.loads(raw)


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_a_token_is_asked_for_and_can_be_changed(region, edge, tmp_path):
    path = tmp_path / "token"
    write(path, TOKEN + "\n")
    one = edge([region()], "* *=eu", settle=False, admin_token_file=path)
    status, headers, body = request(one.admin_port, "GET", "/metrics")
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="sextant admin"')
    assert b"SEXTANT_ADMIN_TOKEN" in body
    assert request(one.admin_port, "GET", "/metrics", headers=bearer("x" * 32))[0] == 401
    assert request(one.admin_port, "GET", "/metrics", headers=bearer(TOKEN))[0] == 200
    assert request(one.admin_port, "GET", "/healthz")[::2] == (200, b"ok\n")
    assert order(one, "/reload")[0] == 401
    assert TOKEN not in request(one.admin_port, "GET", "/config", headers=bearer(TOKEN))[2].decode()
    new = TOKEN[::-1]
    write(path, new)
    wait_for(lambda: request(one.admin_port, "GET", "/status", headers=bearer(new))[0] == 200, 20, "the new token")
    assert request(one.admin_port, "GET", "/status", headers=bearer(TOKEN))[0] == 401
    write(path, "short")
    status, answer = order(one, "/reload", headers=bearer(new))
    assert status == 422 and "at least 16 visible ASCII characters" in answer["issues"][0]
    assert "short" not in json.dumps(answer)
    assert request(one.admin_port, "GET", "/status", headers=bearer(new))[0] == 200


def test_beyond_loopback_the_token_cannot_be_taken_away(region, edge, tmp_path):
    path = tmp_path / "env"
    write(path, f"SEXTANT_ADMIN_TOKEN={TOKEN}\nSEXTANT_ADMIN_LISTEN=0.0.0.0:0\n")
    one = edge([region()], "* *=eu", settle=False, env_file=path, admin_listen=None)
    write(path, "SEXTANT_ADMIN_LISTEN=0.0.0.0:0\n")
    status, answer = order(one, "/reload", headers=bearer(TOKEN))
    assert status == 422 and "beyond loopback it needs SEXTANT_ADMIN_TOKEN" in answer["issues"][0]
    # To loopback and without a token is fine, but until the restart the listener is where it was.
    write(path, "SEXTANT_ADMIN_LISTEN=127.0.0.1:0\n")
    assert order(one, "/reload", headers=bearer(TOKEN))[1]["accepted"]
    for headers in ({}, bearer(TOKEN)):
        assert request(one.admin_port, "GET", "/status", headers=headers)[0] == 403
        assert order(one, "/reload", headers=headers)[0] == 403


def test_browsers_are_kept_out(region, edge):
    one = edge([region()], "* *=eu", settle=False)
    rebound = {"host": "evil.example"}
    assert request(one.admin_port, "GET", "/status", headers=rebound)[0] == 403
    assert request(one.admin_port, "GET", "/healthz", headers=rebound)[0] == 200
    assert request(one.admin_port, "GET", "/status", headers={"host": f"localhost:{one.admin_port}"})[0] == 200
    for headers in ({}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}):
        assert request(one.admin_port, "POST", "/reload", b"{}", headers)[0] == 415, headers
    assert order(one, "/reload", headers={"origin": "http://evil.example"})[0] == 403
    status, headers, _ = request(one.admin_port, "OPTIONS", "/reload", headers={
        "origin": "http://evil.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type"})
    assert status == 403 and not [name for name in headers if name.startswith("access-control")]
    assert one.status()["generation"] == 1


@pytest.mark.parametrize("method,path,status,allow", [
    ("POST", "/status", 405, "GET, HEAD"), ("GET", "/reload", 405, "POST"), ("PUT", "/reload", 405, "POST"), ("DELETE", "/log-level", 405, "GET, HEAD"),
    ("POST", "/nothing", 404, None), ("HEAD", "/status", 200, None), ("GET", "//status", 404, None)])
def test_methods(region, edge, method, path, status, allow):
    one = edge([region()], "* *=eu", settle=False)
    got, headers, body = request(one.admin_port, method, path, b"{}" if method == "POST" else None, JSON)
    assert (got, headers.get("allow")) == (status, allow)
    assert method != "HEAD" or body == b""


def test_reload_answers_what_came_of_it(region, edge, tmp_path):
    write(tmp_path / "env", "")
    one = edge([region()], "* *=eu", settle=False, env_file=tmp_path / "env")
    assert order(one, "/reload") == (200, {"accepted": True, "generation": 2, "issues": []})
    assert one.status()["generation"] == 2
    write(tmp_path / "env", "SEXTANT_PROBE_FALL=nought\nSEXTANT_RETRY_PERCENT=500\n")
    status, answer = order(one, "/reload")
    assert status == 422 and not answer["accepted"] and answer["generation"] == one.status()["generation"]
    assert len(answer["issues"]) == 2 and 'expected a whole number, not "nought"' in answer["issues"][0]
    write(tmp_path / "env", "SEXTANT_UPSTREAM_IDLE=6s\n")
    status, answer = order(one, "/reload", {"by": "anna@desk"})
    assert status == 200 and "costs failed requests" in answer["issues"][0]
    assert "reload: ordered by anna@desk, 127.0.0.1" in one.output()


def test_reloads_at_once_are_all_answered(region, edge):
    one = edge([region()], "* *=eu", settle=False)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(order(one, "/reload"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a[0] for a in answers] == [200] * 12
    assert max(a[1]["generation"] for a in answers) == one.status()["generation"]


def test_log_level(region, edge):
    one = edge([region()], "* *=eu", settle=False)
    assert json.loads(one.admin("/log-level")) == {"level": "info"}
    assert order(one, "/log-level", {"level": "debug"}) == (200, {"level": "debug", "was": "info"})
    assert order(one, "/log-level", {"level": "error"}) == (200, {"level": "error", "was": "debug"})
    assert "log level debug ordered by 127.0.0.1 (was info)" in one.output()
    assert "log level error ordered by 127.0.0.1 (was debug)" in one.output()
    assert order(one, "/log-level", {"level": "loud"})[0] == 400
    assert json.loads(one.admin("/log-level")) == {"level": "error"}
    order(one, "/reload")
    assert json.loads(one.admin("/log-level")) == {"level": "info"}


@pytest.mark.parametrize("body,status", [(b"[]", 400), (b"{", 400), (b"{\"level\":1}", 400), (b"", 400), (b" " * 20000, 413)])
def test_bodies_that_are_none(region, edge, body, status):
    one = edge([region()], "* *=eu", settle=False)
    got, headers, raw = request(one.admin_port, "POST", "/log-level", body, JSON)
    assert (got, headers["content-type"]) == (status, "application/json")
    assert json.loads(raw)["error"]


def test_a_client_that_leaves_while_it_waits(region, edge):
    one = edge([region()], "* *=eu", settle=False)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", one.admin_port), 60) as s:
            s.sendall(b"POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
    assert order(one, "/reload")[0] == 200


def test_a_refusal_is_read_whatever_is_still_sent(region, edge):
    one = edge([region()], "* *=eu", settle=False)
    connection = http.client.HTTPConnection("127.0.0.1", one.admin_port, timeout=60)
    connection.request("POST", "/log-level", b"x" * 3_000_00, {"content-type": "text/plain"})
    assert connection.getresponse().status == 415
    connection.close()


def test_silent_connections_keep_no_operator_out(region, edge):
    one = edge([region()], "* *=eu", settle=False, admin_token=TOKEN)
    silent = [socket.create_connection(("127.0.0.1", one.admin_port), 60) for _ in range(80)]
    refused = []
    for _ in range(80):
        refused.append(socket.create_connection(("127.0.0.1", one.admin_port), 60))
        refused[-1].sendall(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for _ in range(5):
        assert request(one.admin_port, "GET", "/status", headers=bearer(TOKEN))[0] == 200
    for s in silent + refused:
        s.close()
