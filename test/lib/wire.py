# SPDX-License-Identifier: Apache-2.0
"""Raw bytes for tests: case files of test/wire/, a strict reader of messages, a scripted endpoint, a client that counts."""
import os
import re
import socket
import threading

from sextant import ROOT

MACROS = {
    "get": b"GET /collections/c HTTP/1.1\r\nHost: q\r\n",
    "post": b"POST /collections/c/points/scroll HTTP/1.1\r\nHost: q\r\n",
    "chunked": b"POST /collections/c/points/scroll HTTP/1.1\r\nHost: q\r\nTransfer-Encoding: chunked\r\n\r\n",
    "smuggled": b"GET /collections/smuggled HTTP/1.1\r\nHost: q\r\n\r\n",
    "ok": b"HTTP/1.1 200 OK\r\n",
    "twelve": b"".join(b"X-%d: 1\r\n" % n for n in range(12)),
    "cl0": b"Content-Length: 0\r\n\r\n",
}
ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}
VICTIM = b"GET /collections/victim HTTP/1.1\r\nHost: q\r\n\r\n"
ANSWER = b'{"version":"1.19.0","result":{"aliases":[]}}'


def unescape(text):
    r"""\r \n \t \0 \xNN; {name} is a macro, {x*20} a text twenty times."""
    def one(found):
        escape, byte, times, count, name = found.groups()
        if byte:
            return chr(int(byte, 16))
        if escape:
            return ESCAPES[escape].decode("latin-1")
        return times * int(count) if times else MACROS[name].decode("latin-1")
    return re.sub(r"\\(?:([rnt0\\])|x([0-9a-f]{2}))|\{(.)\*(\d+)\}|\{(\w+)\}", one, text).encode("latin-1")


class Case:
    """A name in brackets; the bytes after `>` on one or more lines; after `=` the decision; further lines by their sign."""

    def __init__(self, name):
        self.name, self.raw, self.want, self.lines = name, b"", None, []

    def all(self, sign):
        return [text for s, text in self.lines if s == sign]

    def __repr__(self):
        return self.name


def load(name):
    cases = []
    with open(os.path.join(ROOT, "test", "wire", name), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            if line.startswith("["):
                cases.append(Case(line[1:-1]))
            elif line[:2] == "> ":
                cases[-1].raw += unescape(line[2:])
            elif line[:2] == "= ":
                cases[-1].want = line[2:].split()
            elif line[:2] in ("^ ", "+ ", "- ", "@ "):
                cases[-1].lines.append((line[0], line[2:]))
            else:
                raise ValueError(f"{name}:{number}: {line}")
    return cases


class Message:
    def __init__(self, line, fields, body, whole):
        self.line, self.fields, self.body, self.whole = line, fields, body, whole

    def values(self, name):
        return [v for n, v in self.fields if n == name]

    def value(self, name):
        return (self.values(name) or [None])[0]

    @property
    def status(self):
        return int(self.line.split(b" ")[1])


def chunks(data):
    """(body, bytes used) of a chunked body, or None while it is not whole. No extensions, no trailers: who writes anew needs none."""
    body, at = b"", 0
    while True:
        found = re.compile(rb"([0-9a-f]+)\r\n").match(data, at)
        if not found:
            assert re.fullmatch(rb"[0-9a-f]*\r?", data[at:]), data[at:at + 40]
            return None
        size = int(found[1], 16)
        end = found.end() + size
        if len(data) < end + 2:
            return None
        assert data[end:end + 2] == b"\r\n", data[end:end + 40]
        body += data[found.end():end]
        at = end + 2
        if size == 0:
            return body, at


def take(data, bodiless=False, at_end=False):
    """(message, rest) of the first message in data, or (None, data) while it is not whole. Asserts the strictest reading."""
    top, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None, data
    line, *lines = top.split(b"\r\n")
    fields = []
    for one in lines:
        assert re.fullmatch(rb"[!#$%&'*+.^_`|~0-9a-z-]+: ?[\t\x20-\x7e\x80-\xff]*", one), one
        name, _, value = one.partition(b":")
        fields.append((name.decode(), value.strip(b" ").decode("latin-1")))
    message = Message(line, fields, b"", top + found)
    assert len(message.values("content-length")) + len(message.values("transfer-encoding")) <= 1, top
    is_answer = line.startswith(b"HTTP/")
    if is_answer and (bodiless or message.status < 200 or message.status in (204, 304)):
        return message, rest
    if message.value("transfer-encoding"):
        assert message.value("transfer-encoding") == "chunked"
        got = chunks(rest)
        if got is None:
            return None, data
        message.body, used = got
    elif message.value("content-length"):
        used = int(message.value("content-length"))
        if len(rest) < used:
            return None, data
        message.body = rest[:used]
    elif is_answer:
        if not at_end:
            return None, data
        message.body, used = rest, len(rest)
    else:
        used = 0
    message.whole += rest[:used]
    return message, rest[used:]


class Acceptor:
    """A listener on a port of its own; each connection gets a thread in converse(connection, number)."""

    def __init__(self):
        self.count = 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self.converse, args=(connection, self.count), daemon=True).start()

    def close(self):
        self.socket.close()


class Upstream(Acceptor):
    """An endpoint that answers each whole request with what `script(message)` gives: (bytes, whether to close afterwards).
    Keeps, for each request that is no probe, the connection's number and the message; and what came but was never whole."""

    def __init__(self, script=None, name="eu"):
        self.name, self.script, self.seen, self.broken = name, script or (lambda message: None), [], []
        self.lock = threading.Lock()
        super().__init__()

    def converse(self, connection, number):
        data = b""
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                message, data = take(data)
                if message is None:
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    data += piece
                elif not self.answer(connection, number, message):
                    break
        except OSError:
            pass
        except AssertionError as error:
            self.broken.append(("not strict", error))
        finally:
            if data:
                self.broken.append(("not whole", data))
            connection.close()

    def answer(self, connection, number, message):
        sent, close = ANSWER, False
        sent = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER) + ANSWER
        if message.value("user-agent") != "sextant-probe":
            with self.lock:
                self.seen.append((number, message))
            sent, close = self.script(message) or (sent, False)
        connection.sendall(sent)
        return not close

    def take_seen(self):
        with self.lock:
            seen, self.seen = self.seen, []
        return seen


class Talk:
    """What came back for some bytes: whole answers, what was left over, whether the server closed."""

    def __init__(self, port, raw, enough, methods=(), seconds=60.0, patience=None):
        self.answers, self.rest, self.closed, self.interim, self.was_reset = [], b"", False, 0, False
        self.methods = list(methods)
        with socket.create_connection(("127.0.0.1", port), seconds) as s:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.settimeout(patience or seconds)
            try:
                s.sendall(raw)
            except OSError:
                pass
            while not self.closed and len(self.answers) < enough:
                self.read(s, patience, seconds)

    def read(self, s, patience, seconds):
        try:
            piece = s.recv(65536)
        except TimeoutError:
            assert patience and s.gettimeout() == patience, "neither an answer nor an end"
            s.settimeout(seconds)
            s.shutdown(socket.SHUT_WR)
            return
        except OSError:
            piece, self.was_reset = b"", True
        self.closed = not piece
        self.rest += piece
        while self.rest:
            bodiless = self.methods[len(self.answers):len(self.answers) + 1] == ["HEAD"]
            message, self.rest = take(self.rest, bodiless, self.closed)
            if message is None:
                return
            if message.status < 200:
                self.interim += 1
            else:
                self.answers.append(message)
