# SPDX-License-Identifier: Apache-2.0
"""The proxies that `make bench` compares, each started with a configuration for the same job, on ports of its own choosing,
ended by the id it was started with."""
import os
import random
import resource
import shutil
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
# Countries that the generated networks lie in, and the cluster that serves each.
COUNTRIES = {"DE": "eu", "FR": "eu", "GB": "eu", "PL": "eu", "US": "us", "CA": "us", "MX": "us", "JP": "ap", "IN": "ap", "AU": "ap"}
CLUSTERS = {"eu": "aws:eu-central-1", "us": "aws:us-east-1", "ap": "aws:ap-southeast-1"}
PARTITION_MAP = "users europe=eu north-america=us asia,oceania=ap *=us\n* europe=eu north-america=us asia,oceania=ap *=us"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def raise_descriptors(wanted=70_000):
    """As many descriptors as we may have; how many that is."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):
            pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def make_networks(directory, count=100_000):
    """The same networks for everybody: a walk over the public IPv4 space in blocks of changing size."""
    draw, names, networks, at = random.Random(5), list(COUNTRIES), [], 1 << 24
    while at < 224 << 24 and len(networks) < count:
        bits = draw.choice((16, 17, 17, 18, 18, 19))
        size = 1 << (32 - bits)
        at = (at + size - 1) // size * size
        first = at >> 24
        if first not in (10, 127):
            text = ".".join(str(at >> shift & 255) for shift in (24, 16, 8, 0))
            networks.append((f"{text}/{bits}", draw.choice(names)))
        at += size
    # Nobody calls from IPv6 here; only the edge's database has it too, as real ones do.
    v6 = [(f"2a{i >> 12 & 255:02x}:{i << 4 & 0xfff0:x}::/28", draw.choice(names)) for i in range(20_000)]
    write(f"{directory}/networks.txt", "".join(f"{n},{c}\n" for n, c in [*networks, *v6]))
    write(f"{directory}/networks.nginx", "".join(f"{n} {c};\n" for n, c in networks))
    write(f"{directory}/networks.haproxy", "".join(f"{n} {c}\n" for n, c in networks))
    write(f"{directory}/countries.nginx", "".join(f"{c} {cluster};\n" for c, cluster in COUNTRIES.items()))
    write(f"{directory}/countries.haproxy", "".join(f"{c} {cluster}\n" for c, cluster in COUNTRIES.items()))
    for name, form in (("networks.mmdb", []), ("networks.geoip2.mmdb", ["-g"])):
        subprocess.run([f"{BUILD}/geodb", "-o", f"{directory}/{name}", *form, "-e", "1700000000", f"{directory}/networks.txt"], check=True)
    return len(networks)


def make_certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", f"{directory}/edge.key", "-out", f"{directory}/edge.pem"], check=True, capture_output=True)
    with open(f"{directory}/edge.pem", encoding="ascii") as certificate, open(f"{directory}/edge.key", encoding="ascii") as key:
        write(f"{directory}/edge.both", certificate.read() + key.read())


class LogReader:
    """Takes what is sent to a datagram socket, as a log daemon on the other core would, and keeps none of it."""

    def __init__(self, path, core):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(path)
        self.core, self.lines = core, 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        os.sched_setaffinity(threading.get_native_id(), {self.core})
        while True:
            self.socket.recv(8192)
            self.lines += 1


class Proxy:
    """A running proxy: where it listens, and whose CPU time counts."""
    version = ""

    def __init__(self, name, bench, workers=1, cores=None):
        self.name, self.directory = name, os.path.join(bench.directory, name)
        self.bench, self.workers, self.cores = bench, workers, cores or {bench.proxy_core}
        self.port, self.tls_port, self.admin_port, self.process = 0, 0, 0, None
        os.makedirs(self.directory, exist_ok=True)
        self.listen()

    def listen(self):
        for attempt in range(5):  # another process may take a port between the choice and the use of it
            self.port, self.tls_port, self.admin_port = free_port(), free_port(), free_port()
            with open(f"{self.directory}/output", "wb") as output:
                self.process = subprocess.Popen(self.command(), env=self.environment(), stdout=output, stderr=output,
                                                stdin=subprocess.DEVNULL, cwd=self.directory, preexec_fn=self.settle)
            try:
                wait_for(self.is_ready, 20, f"the start of {self.name}")
                return
            except RuntimeError:
                self.stop()
        with open(f"{self.directory}/output", encoding="utf-8", errors="replace") as output:
            raise RuntimeError(f"{self.name} does not start: {output.read()[-2000:]}")

    def settle(self):
        os.sched_setaffinity(0, self.cores)

    def is_ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended")
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as s:
                s.settimeout(2)
                s.sendall(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
                return b" 200 " in s.recv(100)
        except OSError:
            return False

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def fill(self, template):
        with open(f"{HERE}/peers/{template}", encoding="utf-8") as file:
            text = file.read()
        known = {"DIR": self.bench.directory, "PORT": self.port, "TLS_PORT": self.tls_port, "ADMIN_PORT": self.admin_port,
                 "WORKERS": self.workers, "CONNECTIONS": min((self.bench.descriptors - 500) // 2, 30_000), **{c.upper(): p for c, p in self.bench.upstreams.items()}}
        known.update({f"{cluster.upper()}_COUNTRIES": "|".join(c for c, of in COUNTRIES.items() if of == cluster) for cluster in CLUSTERS})
        for name, value in known.items():
            text = text.replace(f"@{name}@", str(value))
        path = f"{self.directory}/{template}"
        write(path, text)
        return path


    def pids(self):
        """The process and its children."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [pid, *map(int, file.read().split())]

    def memory(self, field="Pss"):
        """Bytes, all its processes together."""
        total = 0
        for pid in self.pids():
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith(field + ":"))
        return total * 1024

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Sextant(Proxy):
    def command(self):
        return [f"{BUILD}/sextant"]

    def environment(self):
        clusters = "; ".join(f"{name} http://127.0.0.1:{self.bench.upstreams[name]} at={at}" for name, at in CLUSTERS.items())
        directory = self.bench.directory
        return {"SEXTANT_CLUSTERS": clusters, "SEXTANT_PARTITION_MAP": PARTITION_MAP, "SEXTANT_WORKERS": str(self.workers),
                "SEXTANT_LISTEN": f"127.0.0.1:{self.port},127.0.0.1:{self.tls_port}/tls",
                "SEXTANT_ADMIN_LISTEN": f"127.0.0.1:{self.admin_port}", "SEXTANT_GEO_DB": f"{directory}/networks.mmdb",
                "SEXTANT_REGION": CLUSTERS["eu"], "SEXTANT_TRUSTED_PROXIES": "127.0.0.0/8", "SEXTANT_HANDOVER": "off",
                "SEXTANT_ACCESS_LOG": f"{self.directory}/access", "SEXTANT_TLS_CERT": f"{directory}/edge.pem",
                "SEXTANT_TLS_KEY": f"{directory}/edge.key", "SEXTANT_MAX_CONNECTIONS": str(self.bench.descriptors - 2000),
                # 4096 requests at once are more than the defaults let through to a cluster.
                "SEXTANT_CLUSTER_REQUESTS": "8192", "SEXTANT_CLUSTER_CONNECTIONS": "8192", "SEXTANT_QUEUE_LENGTH": "8192",
                "SEXTANT_QUEUE_TIMEOUT": "10s", "SEXTANT_CONNECTION_REQUESTS": "0",
                "SEXTANT_CLIENT_IDLE": "10min", "SEXTANT_DRAIN_DELAY": "0", "SEXTANT_DRAIN_TIMEOUT": "1s"}


class Nginx(Proxy):
    def command(self):
        return ["nginx", "-c", self.fill("nginx.conf"), "-p", self.directory]


class Haproxy(Proxy):
    template = "haproxy.cfg"

    def command(self):
        return ["haproxy", "-db", "-f", self.fill(self.template)]


class HaproxyTcp(Haproxy):
    template = "haproxy-tcp.cfg"


class Envoy(Proxy):
    def command(self):
        return [command_of("envoy"), "-c", self.fill("envoy.yaml"), "--concurrency", str(self.workers), "--use-dynamic-base-id",
                "--log-level", "warning"]


KINDS = {"sextant": (Sextant, None, ()), "haproxy": (Haproxy, "haproxy", ("-v",)), "haproxy-tcp": (HaproxyTcp, "haproxy", ("-v",)),
         "nginx": (Nginx, "nginx", ("-v",)), "envoy": (Envoy, "envoy", ("--version",))}
SEARCHED = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"


def command_of(name):
    """Where a peer's program is, or None; Envoy is in no distribution, so ENVOY_BIN may say it."""
    return os.environ.get(f"{name.upper()}_BIN") or shutil.which(name, path=SEARCHED) or shutil.which(name)


def whence(name):
    return "ENVOY_BIN names its binary" if name == "envoy" else "scripts/deps.sh bench installs it"


def version_of(name):
    """What its own command says, or None when it is not there."""
    _, command, arguments = KINDS[name]
    if command is None:
        done = subprocess.run([f"{BUILD}/sextant", "--version"], capture_output=True, text=True, check=False)
    elif command_of(command):
        done = subprocess.run([command_of(command), *arguments], capture_output=True, text=True, check=False, env={"PATH": SEARCHED})
    else:
        return None
    return (done.stdout + done.stderr).strip().splitlines()[0]
