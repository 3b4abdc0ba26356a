# SPDX-License-Identifier: Apache-2.0
"""sextant ctl: what it prints, orders and returns; against a live edge, and against answers that no edge gives."""
import http.server
import json
import os
import pty
import re
import socket
import subprocess
import threading

import pytest
from sextant import PLACES, ROOT, SEXTANT, dead_port, request, wait_for

TOKEN = "0123456789abcdef0123456789abcdef"
MAP = "* *=eu,us,ap copies=external write=nearest"


def ctl(one, *words, **env):
    """(exit code, standard output, standard error) of ctl with the environment of an edge."""
    done = subprocess.run([SEXTANT, "ctl", *words], env={**one.env, "USER": "anna", "SUDO_USER": "", **env}, capture_output=True,
                          text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


class Answers(http.server.BaseHTTPRequestHandler):
    """Says what the test wants, whatever is asked."""
    status, kind, body = 200, "application/json", b"{}"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(type(self).status)
        self.send_header("content-type", type(self).kind)
        self.send_header("content-length", str(len(type(self).body)))
        self.end_headers()
        self.wfile.write(type(self).body)

    do_POST = do_GET

    def log_message(self, *arguments):
        pass


@pytest.fixture
def fake():
    """A function that answers one ctl command with a given text, and returns what came of it."""
    class Mine(Answers):
        pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Mine)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()

    def run(body, *words, status=200, kind="application/json", **env):
        Mine.status, Mine.kind, Mine.body = status, kind, body if isinstance(body, bytes) else json.dumps(body).encode()
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SEXTANT_")}
        done = subprocess.run([SEXTANT, "ctl", *words, "--admin", f"http://127.0.0.1:{server.server_port}"], env={**clean, **env},
                              capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr
    run.port = server.server_port
    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def golden(name):
    with open(os.path.join(ROOT, "test", "golden", name), encoding="utf-8") as file:
        return file.read()


def test_status_is_as_in_the_golden_file(fake):
    code, out, err = fake(golden("status.json").encode(), "status")
    assert code == 0
    if os.environ.get("UPDATE_GOLDEN"):
        with open(os.path.join(ROOT, "test", "golden", "ctl_status.txt"), "w", encoding="utf-8") as file:
            file.write(out + "--\n" + err)
    assert out + "--\n" + err == golden("ctl_status.txt")


def test_status_shows_what_is_frozen_and_restored(fake):
    status = json.loads(golden("status.json"))
    status["frozen"] = [{"line": "users", "partition": "europe", "home": "eu", "seconds": 300, "drained": False, "released": False,
                         "without": "", "by": "anna", "reason": "", "left": "5 points for \x1b[2Jus"}]
    status["restoring"] = [{"home": "ap", "from": "us", "stage": "claims", "delete": False, "trouble": "it is \x1b[2J"}]
    code, out, err = fake(status, "status")
    assert code == 0 and "\x1b" not in out
    assert re.search(r"^users +europe +eu +5 min +frozen +- +anna +5 points for \\x1b\[2Jus$", out, re.M), out
    assert re.search(r"^ap +us +claims +it is \\x1b\[2J$", out, re.M), out


def test_a_tour_of_all_commands(regions, edge):
    one = edge(regions, MAP, local_cluster="eu")
    code, out, err = ctl(one, "status")
    assert code == 0 and re.search(r"^eu +up ", out, re.M) and "eu/1" in out and "ready" in out, out + err
    assert "\033" not in out
    assert ctl(one, "health") == (0, "ok\n", "")
    assert ctl(one, "overrides") == (0, "no overrides\n", "")
    code, out, err = ctl(one, "drain", "eu", "--reason", "new \x1b[2J disks\n")
    assert (code, out) == (0, "eu is drained: new \\x1b[2J disks\\n\n")
    assert "warning: operations that name no collection are refused, as this is SEXTANT_LOCAL_CLUSTER\n" in err
    code, out, _ = ctl(one, "overrides")
    assert code == 0 and re.search(r"^eu +drain +20\d\d-\S+ \S+Z  anna@\S+, 127.0.0.1  new \\x1b\[2J disks\\n$", out, re.M), out
    code, out, _ = ctl(one, "status")
    assert re.search(r"^eu +out .* drain: new \\x1b\[2J disks\\n$", out, re.M), out
    code, out, _ = ctl(one, "explain", "--ip", "192.0.2.7", "--collection", "c&d=e")
    assert code == 0 and "collection  c&d=e" in out and "left out    eu  drained by the operator: new \\x1b[2J disks" in out, out
    code, out, _ = ctl(one, "explain", "--ip=192.0.2.7", "--collection=c", "--json", "--trusted")
    assert code == 0 and json.loads(out)["left_out"][0]["cluster"] == "eu" and json.loads(out)["caller"]["trusted"]
    assert ctl(one, "down", "eu") == (0, "eu is down (was drain)\n", ctl(one, "down", "eu", "--reason=")[2])
    assert ctl(one, "up", "eu") == (0, "eu is left to the probes again (was down)\n", "")
    assert ctl(one, "up", "eu") == (0, "eu had no override\n", "")
    assert ctl(one, "drain", "eu/1")[1] == "eu/1 is drained\n" and ctl(one, "up", "eu/1")[0] == 0
    code, out, _ = ctl(one, "--json", "drain", "us")
    assert code == 0 and json.loads(out)["by"].startswith("anna@")
    assert ctl(one, "log-level") == (0, "info\n", "")
    assert ctl(one, "log-level", "debug") == (0, "debug (was info)\n", "")
    assert ctl(one, "reload") == (0, "configuration 2 is in use\n", "")
    assert json.loads(ctl(one, "reload", "--json")[1])["generation"] == 3


def test_waiting_until_nothing_runs(regions, edge):
    one = edge(regions, MAP, probe_timeout="20s")
    for region in regions[1:]:
        ctl(one, "drain", region.name)
    assert one.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})[0] == 503
    assert request(regions[0].port, "PUT", "/collections/c", b'{"vectors":{"size":2,"distance":"Dot"}}')[0] == 200
    regions[0].faults(hold=True, match="points/scroll")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(one.call("POST", "/collections/c/points/scroll", {})[0]))
    thread.start()
    wait_for(lambda: one.cluster_state("eu")["outstanding"] == 1, 20, "the request")
    code, _, err = ctl(one, "drain", "eu", "--wait", "--timeout", "0.2")
    assert code == 1 and "1 still under way there; the override stays in force\n" in err
    release = threading.Timer(0.5, lambda: regions[0].control(clear=True, release=True))
    release.start()
    assert ctl(one, "drain", "eu/1", "--wait", "--timeout", "50")[0] == 0
    release.join()
    assert ctl(one, "drain", "eu", "--wait", "--timeout", "50")[0] == 0
    assert one.cluster_state("eu")["outstanding"] == 0
    thread.join()
    assert answers == [200]


def test_refusals(region, edge, tmp_path):
    path = tmp_path / "env"
    path.write_text("")
    one = edge([region()], "* *=eu", settle=False, env_file=path)
    assert ctl(one, "drain", "eeu") == (1, "", 'sextant ctl: no cluster is called "eeu"; did you mean eu? (404)\n')
    assert ctl(one, "log-level", "loud")[0] == 1
    assert ctl(one, "explain", "--ip", "nonsense")[0] == 1
    code, out, _ = ctl(one, "drain", "eeu", "--json")
    assert code == 1 and "did you mean eu?" in json.loads(out)["error"]
    path.write_text("SEXTANT_PROBE_FALL=nought\n")
    code, out, err = ctl(one, "reload")
    assert (code, out) == (1, "")
    assert 'expected a whole number, not "nought"' in err and "refused: configuration 1 stays in use\n" in err


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["drain"], ["drain", "a", "b"], ["status", "x"], ["status", "--nonsense", "x"], ["drain", "eu", "--reason"],
    ["status", "--ip", "1.2.3.4"], ["log-level", "a", "b"], ["status", "--timeout", "0"], ["status", "--timeout", "x"], ["drain", "eu", "--trusted"], ["up", "eu", "--wait"], ["status", "--wait"]])
def test_words_that_are_not_understood(words):
    done = subprocess.run([SEXTANT, "ctl", *words], env={}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and done.stdout == "" and done.stderr, done


def test_what_cannot_be_reached(tmp_path):
    def run(*words, **env):
        done = subprocess.run([SEXTANT, "ctl", *words], env=env, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr
    with dead_port() as port:
        assert run("health", SEXTANT_ADMIN_LISTEN=f"127.0.0.1:{port}") == (
            3, f"sextant ctl: the admin listener at 127.0.0.1:{port} cannot be reached: Connection refused\n")
    assert run("health", SEXTANT_ADMIN_LISTEN="")[0] == 3
    assert run("health", SEXTANT_ADMIN_LISTEN="127.0.0.1:0", SEXTANT_STATE_DIR=str(tmp_path))[0] == 3
    assert run("health", "--admin", "https://127.0.0.1:1")[0] == 3
    assert run("health", "--admin", "127.0.0.1:99999")[0] == 3
    assert run("health", "--token-file", str(tmp_path / "none"))[0] == 3
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code, text = run("status", "--admin", f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "0.3")
        assert code == 3 and "Connection timed out" in text


def test_answers_that_no_sextant_gives(fake):
    assert fake(b"<html>", "status", kind="text/html")[0] == 3
    assert fake(b"{", "status")[0] == 3
    assert fake(b"[1,null,{}]", "status")[0] == 0
    code, _, err = fake(b"\x1b[2Jno\n", "status", status=500, kind="text/plain")
    assert (code, err) == (1, "sextant ctl: \\x1b[2Jno (500)\n")
    code, out, _ = fake({"overrides": [{"target": "\x9b2J", "reason": "\u202eevil", "state": 7, "by": None, "known": False}]}, "overrides")
    assert code == 0 and "\\u009b2J" in out and "\\u202eevil" in out
    assert fake(b"x" * (17 << 20), "status", kind="text/plain")[0] == 3


def test_health_and_draining(region, edge):
    one = edge([region()], "* *=eu", settle=False, drain_delay="60s")
    assert ctl(one, "health")[0] == 0
    one.process.terminate()
    assert wait_for(lambda: ctl(one, "health")[0] == 4, 20, "the drain")
    assert ctl(one, "health")[1] == "draining\n"
    one.process.terminate()
    one.process.wait(60)
    assert ctl(one, "health")[0] == 3


def test_tokens(region, edge, tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    one = edge([region()], "* *=eu", settle=False, admin_token_file=path)
    assert ctl(one, "status")[0] == 0 and ctl(one, "drain", "eu")[0] == 0
    other = tmp_path / "other"
    other.write_text("x" * 32)
    code, _, err = ctl(one, "status", "--token-file", str(other))
    assert code == 1 and err.endswith("Authorization: Bearer TOKEN (401)\n")
    assert ctl(one, "health", "--token-file", str(other))[0] == 0
    code, _, err = ctl(one, "status", SEXTANT_ADMIN_TOKEN_FILE="/nonexistent/token")
    assert code == 1 and err.startswith("sextant ctl: SEXTANT_ADMIN_TOKEN_FILE") and "No such file or directory" in err, err
    port = one.admin_port
    bare = {"SEXTANT_ADMIN_LISTEN": "", "SEXTANT_ADMIN_TOKEN_FILE": ""}
    assert ctl(one, "status", "--admin", f"http://localhost:{port}/", "--token-file", str(path), **bare)[0] == 0
    assert request(port, "GET", "/status")[0] == 401


def on_terminal(one, *words, columns=80, **env):
    """What a terminal of so many columns gets."""
    master, slave = pty.openpty()
    import fcntl
    import struct
    import termios
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen([SEXTANT, "ctl", *words], env={**one.env, "TERM": "xterm", **env}, stdout=slave, stderr=slave, stdin=slave)
    os.close(slave)
    text = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        text += piece
    process.wait(60)
    os.close(master)
    return text.decode()


def test_on_a_terminal(region, edge):
    eu = region()
    one = edge([eu], "* *=eu", settle=False, clusters=f"eu {eu.url} at={PLACES['eu']}")
    ctl(one, "drain", "eu", "--reason", "a long story about disks that are to be changed " * 5)
    text = on_terminal(one, "overrides", columns=90)
    plain = re.sub(r"\033\[\d*m", "", text).replace("\r", "")
    assert "\033[33mdrain\033[0m" in text
    assert all(len(line) <= 90 for line in plain.splitlines()) and "…" in plain, plain
    assert "\033" not in on_terminal(one, "overrides", NO_COLOR="1")
    assert "\033" not in on_terminal(one, "overrides", TERM="dumb")
