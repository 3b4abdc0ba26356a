# SPDX-License-Identifier: Apache-2.0
"""Other people's readers of HTTP/1: Python's h11 and Node. A meaning is (method and target or status, fields, body)."""
import base64
import json
import os
import shutil
import subprocess

import h11
from sextant import ROOT
from wire import take

LIMIT = 1 << 20


def strict(raw, answers=None):
    message, rest = take(raw, answers == "HEAD", True)
    assert message is not None and rest == b"", ("not one whole message", raw)
    if answers:
        return message.status, sorted(message.fields), message.body
    method, target, version = message.line.decode("latin-1").split(" ")
    assert version == "HTTP/1.1", raw
    return (method, target), sorted(message.fields), message.body


class Unreadable(Exception):
    pass


def h11_fields(event):
    return sorted((name.decode(), value.decode("latin-1")) for name, value in event.headers)


def by_h11(raw, answers=None):
    """All messages that h11 sees, up to its first error; whether it saw one."""
    meanings, connection, broke = [], h11.Connection(h11.CLIENT if answers else h11.SERVER, LIMIT), False
    if answers:
        connection.send(h11.Request(method=answers, target="/", headers=[("host", "q")]))
        connection.send(h11.EndOfMessage())
    try:
        connection.receive_data(raw)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, (h11.Request, h11.Response)):
                first = event.status_code if answers else (event.method.decode(), event.target.decode("latin-1"))
                meanings.append([first, h11_fields(event), b""])
            elif isinstance(event, h11.Data):
                meanings[-1][2] += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                meanings[-1] = tuple(meanings[-1])
                if answers or not resume(connection):
                    break
            elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                break
    except h11.RemoteProtocolError:
        broke = True
    broke = broke or bool(connection.trailing_data[0])
    return [m for m in meanings if isinstance(m, tuple)], broke or any(isinstance(m, list) for m in meanings)


def resume(connection):
    """Answer as a server would, so that h11 reads on. False when the connection is not kept."""
    connection.send(h11.Response(status_code=204, headers=[]))
    connection.send(h11.EndOfMessage())
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return False
    connection.start_next_cycle()
    return True


def by_node(rows):
    """For each (answers or None, bytes): the meanings, or what Node had to complain about."""
    node = shutil.which("node")
    assert node, "scripts/deps.sh test installs node"
    lines = [json.dumps({"answers": answers, "data": base64.b64encode(raw).decode()}) for answers, raw in rows]
    done = subprocess.run([node, os.path.join(ROOT, "test", "e2e", "js", "wire_parse.mjs")], input="\n".join(lines) + "\n",
                          capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(rows), done.stderr[-3000:]
    return [[meaning_of(m) for m in one["messages"] if isinstance(m, dict)] if not one["errors"] else one["errors"] for one in found]


def meaning_of(message):
    fields = message["fields"]
    first = message.get("status") or (message["method"], message["target"])
    return first, sorted((n.lower(), v) for n, v in zip(fields[::2], fields[1::2])), base64.b64decode(message["body"])
