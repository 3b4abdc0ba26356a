# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 as actix-web speaks it: framing, time limits, codings, pipelining; and the control port."""
import asyncio
import gzip
import hashlib
import json
import pickle
import re
import socket
import ssl
import time
import urllib.parse
import uuid
import zlib

from .api import Api, Reply
from .errors import ApiError
from .faults import Faults
from .rbac import Refused
from .values import dump

HEAD_MAX, FIELDS_MAX, BODY_MAX, IDLE = 128 * 1024, 96, 32 * 1024 * 1024, 5.0
REASONS = {200: "OK", 202: "Accepted", 304: "Not Modified", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict",
           422: "Unprocessable Entity", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
           500: "Internal Server Error", 503: "Service Unavailable"}
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
# Not played here, but a server looks at the name first.
SHARD_SNAPSHOTS = re.compile("/collections/([^/]+)/shards/[0-9]+/snapshots?(/.*)?")
CODINGS = ("br", "gzip", "deflate", "zstd")
SAFE_TOKEN = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class BadRequest(Exception):
    def __init__(self, status=400):
        super().__init__(status)
        self.status = status


class Head:
    def __init__(self, raw):
        lines = raw.split(b"\n")
        lines = [line[:-1] if line.endswith(b"\r") else line for line in lines]
        parts = lines[0].split(b" ")
        if len(parts) != 3 or parts[2] not in (b"HTTP/1.1", b"HTTP/1.0") or b"\0" in parts[1]:
            raise BadRequest
        self.method, self.version = parts[0].decode("latin-1"), parts[2].decode()
        if not self.method or set(self.method) - SAFE_TOKEN:
            raise BadRequest
        target = parts[1].decode("latin-1")
        if target.startswith("http://"):
            target = "/" + target[7:].partition("/")[2]
        self.path, _, self.query = target.partition("?")
        self.fields = [self.field(line) for line in lines[1:] if line]
        if len(self.fields) > FIELDS_MAX:
            raise BadRequest(431)
        self.headers = dict(self.fields)
        self.check_framing()

    @staticmethod
    def field(line):
        name, colon, value = line.partition(b":")
        if not colon or not name or set(name.decode("latin-1")) - SAFE_TOKEN:
            raise BadRequest
        return name.decode().lower(), value.strip().decode("latin-1")

    def check_framing(self):
        lengths = [v for n, v in self.fields if n == "content-length"]
        coding = [v for n, v in self.fields if n == "transfer-encoding"]
        if len(lengths) > 1 or len(coding) > 1 or (lengths and coding) or (coding and coding[0].lower() != "chunked"):
            raise BadRequest
        if lengths and not lengths[0].isdigit():
            raise BadRequest
        self.length = int(lengths[0]) if lengths else 0
        self.is_chunked = bool(coding)
        options = self.headers.get("connection", "").lower()
        self.keep_alive = "close" not in options if self.version == "HTTP/1.1" else "keep-alive" in options


class Connection:
    def __init__(self, server, reader, writer):
        self.server, self.reader, self.writer = server, reader, writer
        self.faults = server.faults
        self.peer = writer.get_extra_info("peername")

    async def run(self):
        try:
            first = True
            while await self.one(first):
                first = False
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, BrokenPipeError):
            pass
        finally:
            self.writer.close()

    async def read_head(self):
        raw = b""
        while True:
            line = await self.reader.readline()
            if not line:
                return None
            if not raw and line in (b"\r\n", b"\n"):
                continue
            raw += line
            if len(raw) > HEAD_MAX:
                raise BadRequest(431)
            if line in (b"\r\n", b"\n"):
                return Head(raw)
            if not raw.endswith(b"\n"):
                return None

    async def one(self, first):
        try:
            head = await asyncio.wait_for(self.read_head(), IDLE)
        except asyncio.TimeoutError:
            if first:
                self.bare(408)
            return False
        except (BadRequest, ValueError) as error:
            self.bare(getattr(error, "status", 431))
            await self.writer.drain()
            return False
        if head is None:
            return False
        return await self.serve(head)

    def bare(self, status):
        self.writer.write(f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-length: 0\r\nconnection: close\r\ndate: {date()}\r\n\r\n"
                          .encode())

    async def serve(self, head):
        self.came = time.monotonic()
        await self.faults.running.wait()
        faulty = self.faults.hits(head.method, head.path)
        if faulty and self.faults.linger:
            return await self.linger(head)
        if faulty and self.faults.reset == "before":
            return self.abort()
        if self.faults.latency or (faulty and self.faults.delay):
            await asyncio.sleep(self.faults.latency + (self.faults.delay if faulty else 0))
        if head.headers.get("expect", "").lower().startswith("100-"):
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        reply = self.early(head)
        if reply is None:
            try:
                body = await self.read_body(head)
            except BadRequest:
                reply = error_reply(400, "Error that occur during reading payload: payload reached EOF before completing: None")
                head.keep_alive = False
            else:
                self.server.note(head, body, self.peer)
                if faulty and self.faults.black_hole:
                    await asyncio.Event().wait()
                if faulty and self.faults.hold:
                    await self.faults.wait_for_release()
                made_up = self.faults.answer() if faulty else None
                reply = self.made_up(*made_up) if made_up else self.answer(head, body)
        elif head.length or head.is_chunked:
            head.keep_alive = False
        if faulty and self.faults.reset == "after":
            return self.abort()
        await self.send(head, reply, faulty and self.faults.reset == "half")
        return head.keep_alive and not self.writer.is_closing()

    async def linger(self, head):
        """What is told, if anything, is no outcome: it is carried out later, as Qdrant does with what has reached its log."""
        told, seconds, is_hole = self.faults.answer(), self.faults.linger, self.faults.black_hole
        reply = self.made_up(*told) if told else None
        body = await self.read_body(head)
        self.server.note(head, body, self.peer)
        self.server.carry_out_later(seconds, head, body, bool(reply), self.came)
        if reply:
            await self.send(head, reply, False)
            return head.keep_alive
        if is_hole:
            await asyncio.Event().wait()
        return self.abort()

    def early(self, head):
        """Answers that do not wait for the body."""
        handler, _ = self.server.api.find(head.method, head.path)
        if handler is None and head.length:
            return self.server.handle(head, b"")
        is_upload = head.path.endswith("/upload")
        if handler and not is_upload and head.length > BODY_MAX:
            return error_reply(400, f"JSON payload ({head.length} bytes) is larger than allowed (limit: {BODY_MAX} bytes).")
        return None

    async def read_body(self, head):
        if not head.is_chunked:
            body = await self.reader.readexactly(head.length) if head.length <= 1 << 26 else await self.skim(head.length)
        else:
            body = await self.read_chunks()
        coding = head.headers.get("content-encoding", "identity")
        if coding == "gzip":
            return gzip.decompress(body)
        return zlib.decompress(body) if coding == "deflate" else body

    async def skim(self, length):
        """A body too long to hold: its first MiB stands for it."""
        kept = await self.reader.readexactly(1 << 20)
        left = length - len(kept)
        while left:
            piece = await self.reader.read(min(left, 1 << 18))
            if not piece:
                raise ConnectionResetError
            left -= len(piece)
        self.server.long_bodies += length
        return kept

    async def read_chunks(self):
        body, total = [], 0
        while True:
            line = (await self.reader.readline()).strip()
            try:
                size = int(line, 16) if b";" not in line else -1
            except ValueError:
                size = -1
            if size < 0:
                raise BadRequest
            if size == 0:
                if await self.reader.readline() != b"\r\n":
                    raise BadRequest
                return b"".join(body)
            total += size
            piece = await self.reader.readexactly(size)
            if total <= 1 << 26:
                body.append(piece)
            else:
                self.server.long_bodies += size
            if await self.reader.readexactly(2) != b"\r\n":
                raise BadRequest

    def answer(self, head, body):
        self.server.longest = max(self.server.longest, time.monotonic() - self.came)
        return self.server.handle(head, body)

    def made_up(self, status, text):
        if text is None:
            return error_reply(status, self.faults.error_text, self.faults.fields)
        return Reply(status, text.encode(), headers=self.faults.fields)

    async def send(self, head, reply, half):
        body, fields = reply.body, [("vary", VARY)]
        is_coded = None
        if reply.stream is None and body and reply.content_type and head.headers.get("accept-encoding"):
            is_coded = choose_coding(head.headers["accept-encoding"])
            if is_coded == "":
                reply, body, is_coded = Reply(406, ", ".join(CODINGS).encode(), None), ", ".join(CODINGS).encode(), None
        if is_coded:
            body = encode(is_coded, body)
            fields = [("content-encoding", is_coded), ("vary", "accept-encoding, " + VARY)]
        lines = [f"{head.version} {reply.status} {REASONS.get(reply.status, 'OK')}"]
        is_chunked = bool(is_coded) or (reply.stream is not None and reply.length is None)
        length = reply.length if reply.length is not None else len(body)
        lines.append("transfer-encoding: chunked" if is_chunked else f"content-length: {length}")
        if reply.content_type:
            fields.append(("content-type", reply.content_type))
        if head.headers.get("origin"):
            fields.append(("access-control-allow-origin", head.headers["origin"]))
        if not head.keep_alive and head.version == "HTTP/1.1":
            fields.append(("connection", "close"))
        if head.keep_alive and head.version == "HTTP/1.0":
            fields.append(("connection", "keep-alive"))
        fields += list(reply.headers.items()) + [("date", date())]
        lines += [f"{n}: {v}" for n, v in fields]
        raw = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        if half:
            self.writer.write(raw + body[:max(1, len(body) // 2)])
            await self.writer.drain()
            return self.abort()
        if reply.stream is not None:
            self.writer.write(raw)
            await self.stream(reply)
        elif is_chunked:
            self.writer.write(raw + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        else:
            self.writer.write(raw)
            await self.drip(body)
        await self.writer.drain()
        return None

    async def stream(self, reply):
        for piece in reply.stream:
            self.writer.write(piece)
            await self.writer.drain()

    async def drip(self, body):
        rate = self.faults.drip
        if not rate:
            self.writer.write(body)
            return
        for at in range(0, len(body), max(1, rate // 10)):
            self.writer.write(body[at:at + max(1, rate // 10)])
            await asyncio.sleep(0.1)

    def abort(self):
        sock = self.writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:  # the other end may have closed it
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()
        return False


def preflight(head):
    asked = head.headers.get("access-control-request-headers")
    fields = {"access-control-allow-methods": "GET, POST, CONNECT, OPTIONS, TRACE, HEAD, PUT, DELETE, PATCH"}
    return {**fields, "access-control-allow-headers": asked} if asked else fields


def date():
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())


def choose_coding(accept):
    wanted = {}
    for item in accept.split(","):
        name, _, q = item.strip().partition(";q=")
        wanted[name.strip().lower()] = float(q) if q else 1.0
    known = ["gzip", "deflate"]
    try:
        import brotli  # noqa: F401
        known.insert(0, "br")
    except ImportError:
        pass
    best = max(known, key=lambda c: (wanted.get(c, wanted.get("*", 0)), -known.index(c)))
    if wanted.get(best, wanted.get("*", 0)) > 0:
        return best
    if wanted.get("identity", wanted.get("*", 1)) > 0:
        return None
    return ""


def encode(coding, body):
    if coding == "gzip":
        return gzip.compress(body)
    if coding == "deflate":
        return zlib.compress(body)
    import brotli
    return brotli.compress(body)


def error_reply(status, text, headers=None):
    return Reply(status, dump({"status": {"error": text}, "time": 0.0}), headers=headers)


class Server:
    def __init__(self, state_dir, keys=None, has_tokens=False, is_distributed=False):
        self.faults = Faults()
        self.kept = None
        self.api = Api(state_dir, keys, has_tokens, is_distributed)
        self.api.faults = self.faults
        self.log, self.long_bodies, self.n_requests = [], 0, 0
        self.longest = 0.0  # from a request's head until it was carried out
        self.later, self.connections, self.memory = set(), set(), None
        self.listener = self.tls = self.tls_files = None
        self.port = 0

    def use_tls(self, cert, key, client_ca=None):
        self.tls_files = (cert, key)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(cert, key)
        if client_ca:
            self.tls.verify_mode = ssl.CERT_REQUIRED
            self.tls.load_verify_locations(client_ca)

    def note(self, head, body, peer):
        self.n_requests += 1
        self.log.append({"method": head.method, "target": head.path + ("?" + head.query if head.query else ""),
                         "headers": head.fields, "body_sha": hashlib.sha1(body).hexdigest(), "size": len(body),
                         "peer": peer[1] if peer else 0, "time": time.time()})
        del self.log[:-20000]

    def handle(self, head, body):
        from .api import Call
        started = time.perf_counter()
        if head.method == "OPTIONS":
            return Reply(200, b"", None, preflight(head))
        handler, args = self.api.find(head.method, head.path)
        if head.method != "GET":
            self.remember()
        try:
            access = self.api.keys.authorise(head.method, head.path, head.headers, body, args)
            shard = SHARD_SNAPSHOTS.fullmatch(head.path)
            args = {"c": urllib.parse.unquote(shard[1])} if shard and not handler else args
            if len(args.get("c", "")) > 255:
                raise ApiError(422, f'Validation error in path parameters: [collection_name: value "{args["c"]}" invalid, must be '
                                    "from 1 to 255 characters]")
            if handler is None:
                return Reply(404, b"", None)
            result = handler(Call(self.api, access, head.method, head.path, head.query, head.headers, body, args))
        except Refused as refusal:
            return Reply(refusal.status, refusal.text.encode(), None)
        except ApiError as error:
            return error_reply(error.status, error.text, error.headers)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            return error_reply(400, f"Format error in JSON body: {error}")
        if isinstance(result, Reply):
            return result
        return Reply(body=dump({"result": result, "status": "ok", "time": time.perf_counter() - started}))

    def carry_out_later(self, seconds, head, body, is_queued, came):
        task = asyncio.ensure_future(self.carry_out(seconds, head, body, is_queued, came))
        self.later.add(task)
        task.add_done_callback(self.later.discard)

    async def carry_out(self, seconds, head, body, is_queued, came):
        self.api.lingering += is_queued
        try:
            await (asyncio.sleep(seconds) if seconds >= 0 else self.faults.wait_for_release())
            await self.faults.running.wait()
            self.longest = max(self.longest, time.monotonic() - came)
            self.handle(head, body)
        finally:
            self.api.lingering -= is_queued

    # --- loss of power ----------------------------------------------------------------------------------------------------

    def remember(self):
        """What there is now, for the moment at which the power goes."""
        if self.memory is not None:
            storage = self.api.storage
            self.memory.append((time.monotonic(), pickle.dumps((storage.collections, storage.aliases))))

    def lose(self, seconds):
        """All of the last seconds is gone, and what was under way; the next process knows nothing of it."""
        moment = time.monotonic() - seconds
        kept = [then for then in self.memory if then[0] >= moment]
        if kept:
            self.api.storage.collections, self.api.storage.aliases = pickle.loads(kept[0][1])
        self.memory.clear()
        self.remember()
        self.cut()

    def empty(self):
        """All of it is gone, and the next process stands there."""
        self.api.storage.collections, self.api.storage.aliases = {}, {}
        if self.memory is not None:
            self.memory = []
            self.remember()
        self.cut()

    def cut(self):
        """Whatever has not been carried out never will be, and nobody is answered any more."""
        for task in list(self.later):
            task.cancel()
        for connection in list(self.connections):
            if not connection.writer.is_closing():
                connection.abort()
        self.faults.forget()
        self.api.snapshots.identity = str(uuid.uuid4())

    async def connected(self, reader, writer):
        connection = Connection(self, reader, writer)
        connection.task = asyncio.current_task()  # whoever waits for what never comes would else be nobody's, and be destroyed
        self.connections.add(connection)
        await connection.run()
        self.connections.discard(connection)

    async def open(self, port):
        self.listener = await asyncio.start_server(self.connected, "127.0.0.1", port, limit=HEAD_MAX + 2, backlog=1024,
                                                   reuse_address=True, ssl=self.tls)
        self.port = self.listener.sockets[0].getsockname()[1]

    async def close(self):
        """Refuse connections, as a dead process does."""
        self.listener.close()

    # --- control ----------------------------------------------------------------------------------------------------------

    async def control(self, reader, writer):
        """One JSON object a line in, one out."""
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self.command(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass
        writer.close()

    async def command(self, c):
        if c.get("clear"):
            self.faults.clear()
        if "faults" in c:
            self.faults.set(c["faults"])
        if c.get("refuse") is True:
            await self.close()
        if c.get("refuse") is False:
            await self.open(self.port)
        if c.get("release"):
            self.faults.release()
        if "pause" in c:
            self.faults.pause(c["pause"])
        if c.get("remember"):
            self.memory = []
        if c.get("empty"):
            self.empty()
        if "lose" in c:
            self.lose(c["lose"])
        if c.get("new_process"):  # as after a restart that lost nothing, or what the test has taken away itself
            self.api.snapshots.identity = str(uuid.uuid4())
        if c.get("keep"):  # what a power cut leaves: all that is written from now on is lost with it
            self.kept = pickle.dumps((self.api.storage.collections, self.api.storage.aliases))
        if c.get("cut"):
            self.api.storage.collections, self.api.storage.aliases = pickle.loads(self.kept)
            self.cut()
        if c.get("clear_log"):
            self.log.clear()
        if c.get("tls"):
            self.tls.load_cert_chain(*self.tls_files)  # what the files say now, for new connections
        if "generate" in c:
            self.api.snapshots.generated.update(c["generate"])
        answer = {"port": self.port, "requests": self.n_requests, "long_bodies": self.long_bodies, "held": len(self.faults.held),
                  "longest": self.longest}
        if c.get("log"):
            answer["log"] = self.log
        if c.get("points"):
            answer["points"] = {n: len(col.points) for n, col in self.api.storage.collections.items()}
        return answer
