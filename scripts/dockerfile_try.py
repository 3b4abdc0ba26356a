# SPDX-License-Identifier: Apache-2.0
"""The image as a container, for scripts/dockerfile.py: its tree is looked at, then it is started with a read-only root, in
namespaces of its own, by the user, environment and command that it names, and asked something."""
import ctypes
import fcntl
import http.client
import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time

LIMIT_BYTES = 60 * 1000 * 1000
DEVICES = ("null", "zero", "full", "random", "urandom")


def image_of(options):
    with open(os.path.join(options.work, "image.json"), encoding="utf-8") as file:
        return json.load(file)


# --- inside ----------------------------------------------------------------------------------------------------------

def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def mount_all(root, image, work):
    mount("--bind", root, root)
    mount("-t", "proc", "proc", root + "/proc")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", root + "/dev")
    for name in DEVICES:
        with open(f"{root}/dev/{name}", "w", encoding="utf-8"):
            mount("--bind", "/dev/" + name, f"{root}/dev/{name}")
    for number, volume in enumerate(image["volumes"]):
        mount("--bind", f"{work}/volume{number}", root + volume)
    mount("-o", "remount,bind,ro", root)


def enter(options):
    """In mount and process namespaces of its own: become the container's process."""
    image = image_of(options)
    uid, gid = (int(n) for n in image["user"].split(":"))
    mount_all(image["root"], image, options.work)
    extra = json.loads(os.environ.get("CONTAINER_ENV", "{}"))
    os.chroot(image["root"])
    os.chdir(image["directory"])
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    os.execve(options.argv[0], options.argv, {**image["env"], **extra})


# --- outside ---------------------------------------------------------------------------------------------------------

def fail(text):
    raise SystemExit("FAILED: " + text)


def expect(condition, text):
    if not condition:
        fail(text)
    print("  ok: " + text, flush=True)


def wait_for(condition, seconds, text):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            fail(text)
        time.sleep(0.05)


def loopback_up():
    with socket.socket() as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up, running


def files_of(root):
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(folder, name)
            yield "/" + os.path.relpath(path, root), os.lstat(path)


def look_at(image):
    files = dict(files_of(image["root"]))
    size = sum(s.st_size for s in files.values() if stat.S_ISREG(s.st_mode))
    expect(size < LIMIT_BYTES, f"{size / 1e6:.1f} MB unpacked, base included: under {LIMIT_BYTES / 1e6:.0f} MB")
    packed = subprocess.run(f"tar -C {image['root']} -c . | gzip | wc -c", shell=True, capture_output=True, check=True)
    print(f"  packed as registries do: {int(packed.stdout) / 1e6:.1f} MB")
    shells = [f for f in files if os.path.basename(f) in ("sh", "bash", "dash", "busybox", "env", "perl", "apt-get")]
    expect(not shells, "no shell and no package manager")
    expect([f for f, s in files.items() if s.st_mode & 0o111 and stat.S_ISREG(s.st_mode) and "/lib" not in f] == ["/usr/bin/sextant"],
           "one program")
    expect(not [f for f, s in files.items() if s.st_mode & 0o6000], "nothing runs as somebody else")
    loose = [f for f, s in files.items() if s.st_mode & 0o002 and not stat.S_ISLNK(s.st_mode)]
    expect(loose == ["/tmp"], "nothing but /tmp is anybody's to write")
    expect({s.st_uid for f, s in files.items() if f not in image["volumes"]} == {0}, "all of it belongs to root, the state directory apart")


def look_at_description(image):
    expect(image["user"].split(":")[0] not in ("0", "root"), f"user {image['user']}")
    expect(image["stop"] == "SIGTERM" and image["ports"] == [6333, 6390], f"stop signal {image['stop']}, ports {image['ports']}")
    expect(image["health"]["command"][1] == "ctl" and set(image["health"]["flags"]) >= {"interval", "timeout"}, "health check by ctl")
    wanted = {"org.opencontainers.image." + w for w in ("title", "description", "licenses", "version", "revision")}
    expect(wanted <= set(image["labels"]), "labels")


def start_standin(work):
    python = "build/venv/bin/python" if os.path.exists("build/venv/bin/python") else sys.executable
    ports = os.path.join(work, "standin.json")
    process = subprocess.Popen([python, "test/lib/qdrant_standin.py", "--port", "0", "--port-file", ports, "--state-dir", work + "/standin"])
    wait_for(lambda: os.path.exists(ports), 60, "the stand-in for Qdrant did not start")
    with open(ports, encoding="utf-8") as file:
        return process, json.load(file)["port"]


def container(options, argv, extra, **how):
    return subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable, "scripts/dockerfile.py", "enter",
                             "--work", options.work, "--argv", json.dumps(argv)], env={**os.environ, "CONTAINER_ENV": json.dumps(extra)}, **how)


def process_in(one):
    """The container's own first process, as seen from here."""
    with open(f"/proc/{one.pid}/task/{one.pid}/children", encoding="utf-8") as file:
        return int(file.read().split()[0])


def get(path, headers=None):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", 6333, timeout=10)
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    except OSError:
        return 0, {}, b""


def check_confinement(pid, image):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    uid, gid = image["user"].split(":")
    expect(set(status["Uid"].split()) == {uid} and set(status["Gid"].split()) == {gid}, f"runs as {image['user']}")
    expect(int(status["CapEff"], 16) == 0, "without capabilities")
    try:
        with open(os.path.join(f"/proc/{pid}/root", "usr/share/sextant/new"), "w", encoding="utf-8"):
            fail("the root can be written")
    except OSError as error:
        expect(error.errno == 30, "its root is read-only")


def health(options, image, extra):
    """The exit code of the health check, run as the engine does: in the container's file system, with its environment."""
    one = container(options, image["health"]["command"], extra, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text, _ = one.communicate(timeout=60)
    print("".join("    | " + line + "\n" for line in text.splitlines()[:12]), end="")
    return one.returncode


def prepare(options, image):
    loopback_up()
    for number, volume in enumerate(image["volumes"]):
        subprocess.run(["cp", "-a", image["root"] + volume, f"{options.work}/volume{number}"], check=True)
    for name, text in (("hosts", "127.0.0.1 localhost\n"), ("resolv.conf", "")):  # an engine puts them there
        with open(f"{image['root']}/etc/{name}", "w", encoding="utf-8") as file:
            file.write(text)


def serve(options, image, extra):
    edge = container(options, image["entrypoint"] + (image["command"] or []), extra)
    wait_for(lambda: get("/readyz")[0] == 200 or edge.poll() is not None, 60, "it is not ready within a minute")
    expect(edge.poll() is None, "it starts and is ready")
    pid = process_in(edge)
    check_confinement(pid, image)
    status, headers, _ = get("/collections", {"X-Forwarded-For": "8.8.8.8"})
    expect(status == 200 and headers.get("x-sextant-cluster") == "eu", "a request is answered by the cluster")
    expect(headers.get("x-sextant-place") == "US", "the country database is in use")
    expect(os.listdir(f"{options.work}/volume0"), "it writes to its state directory")
    expect(health(options, image, extra) == 0, "the health check says that it is well")
    os.kill(pid, getattr(signal, image["stop"]))
    expect(edge.wait(60) == 0, f"{image['stop']} ends it with 0")
    expect(health(options, image, extra) != 0, "the health check says that it is gone")


def crash(options, image, extra):
    edge = container(options, image["entrypoint"], extra, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: get("/readyz")[0] == 200, 60, "it does not start again")
    os.kill(process_in(edge), signal.SIGSEGV)
    _, text = edge.communicate(timeout=60)
    expect("server_run" in text and edge.returncode == 128 + signal.SIGSEGV, "a crash leaves a trace with names, and ends it")


def try_out(options):
    image = image_of(options)
    look_at_description(image)
    look_at(image)
    prepare(options, image)
    standin, port = start_standin(options.work)
    extra = {"SEXTANT_CLUSTERS": f"eu http://127.0.0.1:{port} at=aws:eu-central-1", "SEXTANT_TRUSTED_PROXIES": "127.0.0.0/8",
             "SEXTANT_DRAIN_DELAY": "0", "SEXTANT_WORKERS": "2"}
    try:
        serve(options, image, extra)
        crash(options, image, extra)
    finally:
        standin.kill()
        standin.wait()
    print("the image is as the Dockerfile promises", flush=True)
    return 0
