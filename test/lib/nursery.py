# SPDX-License-Identifier: Apache-2.0
"""Stand-ins that start within milliseconds: a process that has loaded everything forks one for each that is asked for. Each is a
process of its own, which can be stopped and killed, and all end with the one that asked."""
import ctypes
import gc
import json
import os
import select
import signal
import subprocess
import sys
import threading
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
PR_SET_PDEATHSIG = 1


class Nursery:
    instance, lock = None, threading.Lock()

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @classmethod
    def fork(cls, arguments, directory, output):
        with cls.lock:
            cls.instance = cls.instance or cls()
            pipes = cls.instance.process
            pipes.stdin.write(json.dumps([arguments, directory, output]).encode() + b"\n")
            pipes.stdin.flush()
            return Child(int(pipes.stdout.readline()))


class Child:
    """What a test needs of subprocess.Popen, for a process that is another one's child."""

    def __init__(self, pid):
        self.pid, self.fd = pid, os.pidfd_open(pid)

        self.end = select.poll()
        self.end.register(self.fd, select.POLLIN)

    def __del__(self):
        os.close(self.fd)

    def has_ended(self, seconds):
        return bool(self.end.poll(seconds and seconds * 1000))

    def poll(self):
        """None, or something that says that it has ended: how is not known."""
        return "ended" if self.has_ended(0) else None

    def wait(self, seconds=None):
        if not self.has_ended(seconds):
            raise subprocess.TimeoutExpired("a stand-in", seconds)

    def send_signal(self, number):
        if not self.has_ended(0):
            signal.pidfd_send_signal(self.fd, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        self.send_signal(signal.SIGTERM)


# --- in the process -----------------------------------------------------------------------------------------------------

def become(standin, arguments, directory, output):
    """This is the child."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null, file = os.open(os.devnull, os.O_RDONLY), os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for old, new in ((null, 0), (file, 1), (file, 2)):
        os.dup2(old, new)
    os.close(null)
    os.close(file)
    os.chdir(directory)
    try:
        standin.run(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)


def serve():
    import brotli  # noqa: F401 (else each loads it by itself)
    import qdrant_standin
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    gc.freeze()
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            become(qdrant_standin, *json.loads(line))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
