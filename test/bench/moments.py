#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Moments of an edge that no load shows; one line of JSON.

start     from exec to the first 200 of /readyz and of /collections (asked of a live cluster), with a database of 100,000
          networks of both families that build/geodb makes. Median of STARTS.
failover  the nearest cluster refuses connections: from the refusal's packet to the packet that asks the next cluster for a
          connection, as the kernel stamped them. Median and worst of FAILOVERS. Needs the right to see packets (root, or
          CAP_NET_RAW); else that part is null. `failover_client_us` needs no right: from sending the request to the next
          cluster's accepting, which is more than the decision.

    moments.py [--sextant BINARY] [--geodb BINARY] [start|failover …]
"""
import argparse
import ctypes
import http.client
import json
import os
import random
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STARTS, FAILOVERS, V4_NETWORKS, V6_NETWORKS = 7, 50, 60_500, 40_500
COUNTRIES = "DE FR GB US CA BR JP SG AU ZA IN NL SE PL ES IT".split()
ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 58\r\n%s\r\n"
          b'{"result":{"collections":[]},"status":"ok","time":0.00001}')
LOOPBACK = ("127.0.0.1", 0)
SO_TIMESTAMPNS, SO_ATTACH_FILTER = 35, 26


class Cluster:
    """Answers everything at once, and notes when connections are accepted."""

    def __init__(self, keeps):
        self.keeps, self.accepted = keeps, []
        self.listener = socket.create_server(LOOPBACK, backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            self.accepted.append(time.monotonic())
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        try:
            with connection:
                while read_head(connection):
                    connection.sendall(ANSWER % (b"" if self.keeps else b"Connection: close\r\n"))
                    if not self.keeps:
                        return
        except OSError:
            pass


def read_head(connection):
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return b""
        head += piece
    return head


def ask(connection, target):
    """The status of a bodiless request on an open connection; what is answered is small and ends with its length."""
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: edge\r\n\r\n".encode())
    text = read_head(connection)
    head, _, body = text.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    left = int(fields.get(b"content-length", 0)) - len(body)
    while left > 0:
        left -= len(connection.recv(left)) or left
    return int(head.split(b" ")[1])


def refusing_port(kept):
    """Bound, but nobody listens."""
    s = socket.socket()
    s.bind(LOOPBACK)
    kept.append(s)
    return s.getsockname()[1]


class Edge:
    def __init__(self, binary, directory, clusters, **options):
        with socket.create_server(LOOPBACK) as s:
            self.port = s.getsockname()[1]
        env = {k: v for k, v in os.environ.items() if not k.startswith("SEXTANT_")}
        env.update({"SEXTANT_LISTEN": f"127.0.0.1:{self.port}", "SEXTANT_CLUSTERS": clusters, "SEXTANT_STATE_DIR": directory,
                    "SEXTANT_ADMIN_LISTEN": "127.0.0.1:0", "SEXTANT_ACCESS_LOG": os.path.join(directory, "access.log"),
                    "SEXTANT_WORKERS": "1", "SEXTANT_REGION": "aws:eu-central-1", "SEXTANT_DRAIN_DELAY": "0",
                    **{f"SEXTANT_{k.upper()}": v for k, v in options.items()}})
        self.directory = directory
        self.output = open(os.path.join(directory, "output"), "ab")
        self.began = time.monotonic()
        self.process = subprocess.Popen([binary], env=env, cwd=directory, stdin=subprocess.DEVNULL, stdout=self.output,
                                        stderr=self.output)

    def connect(self, seconds=20):
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 10)
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > self.began + seconds:
                    with open(self.output.name, encoding="utf-8", errors="replace") as text:
                        sys.exit(f"moments.py: the edge did not start:\n{text.read()}")
                time.sleep(0.0005)

    def networks(self):
        """What the edge says of its database."""
        path = os.path.join(self.directory, "ports.json")  # written once it serves
        while not os.path.exists(path) and time.monotonic() < self.began + 20:
            time.sleep(0.001)
        with open(path, encoding="utf-8") as file:
            host, port = json.load(file)["admin"].rsplit(":", 1)
        admin = http.client.HTTPConnection(host, int(port), timeout=10)
        try:
            admin.request("GET", "/status")
            return json.loads(admin.getresponse().read())["geo"][0]["networks"]
        finally:
            admin.close()

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.output.close()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.stop()


def summary(values, digits=1):
    return {"median": round(statistics.median(values), digits), "least": round(min(values), digits),
            "most": round(max(values), digits), "n": len(values)}


# --- start ----------------------------------------------------------------------------------------------------------

def network_lines():
    """Networks as they are given out: blocks of many sizes, neighbours in different countries."""
    draw, lines, at = random.Random(1), [], 1 << 24
    for _ in range(V4_NETWORKS):
        size = 1 << draw.choice((8, 8, 8, 9, 10, 11, 12, 13, 14))
        at = -(-at // size) * size
        lines.append(f"{at},{at + size - 1},{draw.choice(COUNTRIES)}")
        at += size * draw.choice((1, 1, 2))
    assert at < 224 << 24, "room for IPv4 networks"
    at = 0x2001 << 16  # the first 32 bits
    for _ in range(V6_NETWORKS):
        bits = draw.choice((29, 32, 32, 32))
        size = 1 << 32 - bits
        at = -(-at // size) * size
        lines.append(f"{at >> 16:x}:{at & 0xffff:x}::/{bits},{draw.choice(COUNTRIES)}")
        at += size * draw.choice((1, 1, 3))
    return "\n".join(lines) + "\n"


def one_start(binary, directory, cluster, database):
    directory = tempfile.mkdtemp(dir=directory)  # nothing is remembered from the start before
    with Edge(binary, directory, f"eu http://127.0.0.1:{cluster.port} at=DE", geo_db=database) as edge:
        with edge.connect() as connection:
            status = ask(connection, "/readyz")
            ready = time.monotonic()
            while ask(connection, "/collections") != 200:
                if time.monotonic() > edge.began + 20:
                    sys.exit("moments.py: the cluster is never reached")
            answered = time.monotonic()
        if status != 200:
            sys.exit(f"moments.py: /readyz answers {status}")
        return (ready - edge.began) * 1000, (answered - edge.began) * 1000, edge.networks()


def measure_start(args, directory):
    database = os.path.join(directory, "networks.mmdb")
    subprocess.run([args.geodb, "-o", database, "-e", "1750000000"], input=network_lines().encode(), check=True)
    cluster = Cluster(keeps=True)
    runs = [one_start(args.sextant, directory, cluster, database) for _ in range(STARTS)]
    return {"start_ready_ms": summary([r[0] for r in runs]), "start_collections_ms": summary([r[1] for r in runs]),
            "start_networks": runs[0][2]}


# --- failover -------------------------------------------------------------------------------------------------------

class Packets:
    """(port that it goes to or comes from, flags, time) of TCP packets on the loopback interface, as the kernel stamps them."""

    SYN, RST = 2, 4

    def __init__(self, ports):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.filter = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in self.program(ports)))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                               struct.pack("HP", len(self.filter) // 8, ctypes.addressof(self.filter)))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.bind(("lo", 0))
        self.socket.setblocking(False)

    @staticmethod
    def program(ports):
        """Classic BPF: TCP packets from or to one of the ports; what else runs over the interface would fill the queue."""
        tests = [(0x28, 0, 0, 12), (0x15, 0, 0, 0x0800), (0x30, 0, 0, 23), (0x15, 0, 0, socket.IPPROTO_TCP), (0xB1, 0, 0, 14)]
        for at in (14, 16):  # source and target, behind the IP header
            tests += [(0x48, 0, 0, at), *((0x15, 0, 0, port) for port in ports)]
        drop, take = len(tests), len(tests) + 1
        for i, (code, _, _, value) in enumerate(tests):
            if code == 0x15 and i < 5:
                tests[i] = (code, 0, drop - i - 1, value)
            elif code == 0x15:
                tests[i] = (code, take - i - 1, 0, value)
        return [*tests, (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF)]

    def drain(self):
        found = []
        while True:
            try:
                data, ancillary, _, address = self.socket.recvmsg(128, 64)
            except BlockingIOError:
                return found
            if address[2] == socket.PACKET_OUTGOING or len(data) < 54 or data[23] != socket.IPPROTO_TCP:
                continue
            at = 14 + (data[14] & 15) * 4
            source, target = struct.unpack_from("!HH", data, at)
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            found.append((source, target, data[at + 13], seconds * 1_000_000 + nanoseconds / 1000))


def decision_us(packets, refusing, next_port):
    """Between the one refusal and the one attempt that follows it, or None when others came between."""
    refusals = [at for source, _, flags, at in packets if source == refusing and flags & Packets.RST]
    attempts = [at for _, target, flags, at in packets if target == next_port and flags & 0x12 == Packets.SYN]
    return attempts[0] - refusals[0] if len(refusals) == len(attempts) == 1 else None


def measure_failover(args, directory):
    kept, decisions, seen = [], [], []
    cluster, refusing = Cluster(keeps=False), refusing_port(kept)
    try:
        packets = Packets((refusing, cluster.port))
    except PermissionError:
        packets = None
    # Nearest by its place and its bias; its verdict has to stay good over all tries, so hardly anything probes it.
    clusters = f"near http://127.0.0.1:{refusing} at=aws:eu-central-1 bias=99\nfar http://127.0.0.1:{cluster.port} at=aws:us-east-1"
    with Edge(args.sextant, directory, clusters, partition_map="* *=near,far copies=external", probe_interval="1h",
              probe_fall="100", retry_percent="100", retry_min="10000") as edge, edge.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while len(seen) < FAILOVERS:
            cluster.accepted.clear()
            if packets:
                packets.drain()
            sent = time.monotonic()
            if ask(connection, "/collections/c") != 200:
                sys.exit("moments.py: the next cluster did not answer")
            one = decision_us(packets.drain(), refusing, cluster.port) if packets else None
            if len(cluster.accepted) != 1 or (packets and one is None):
                if time.monotonic() > edge.began + 60:
                    sys.exit("moments.py: requests do not fail over")
                continue
            seen.append((cluster.accepted[0] - sent) * 1_000_000)
            decisions.append(one)
    return {"failover_us": summary(decisions) if packets else None, "failover_client_us": summary(seen)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sextant", default=os.path.join(ROOT, "build", "sextant"))
    parser.add_argument("--geodb", default=os.path.join(ROOT, "build", "geodb"))
    parser.add_argument("what", nargs="*", choices=("start", "failover", []))
    args = parser.parse_args()
    args.sextant, args.geodb = os.path.abspath(args.sextant), os.path.abspath(args.geodb)
    result = {}
    for name, measure in (("start", measure_start), ("failover", measure_failover)):
        if args.what and name not in args.what:
            continue
        directory = tempfile.mkdtemp(prefix="moments-")
        try:
            result.update(measure(args, directory))
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    print(json.dumps(result))


main()
