# SPDX-License-Identifier: Apache-2.0
"""An edge that owns a home and is killed somewhere, and the next one, which must know what was acknowledged."""
import contextlib
import signal
import subprocess
from pathlib import Path

from fanout_run import KEY, VECTORS, Run
from histories import COMMITTED
from sextant import call, wait_for

QUARANTINE = 0.4


class Killed(Exception):
    """The edge is gone, as it should."""


class Life:
    policy = "all"

    def __init__(self, directory, point=None, times=1):
        self.run = Run(directory, self.policy, ("eu", "us"), QUARANTINE)
        self.home, self.copy = self.run.start_regions().regions.values()
        self.edge, self.value = self.run.add_edge(default_timeout="20s", probe_fall=100), 0
        self.point, self.times = point, times

    def start(self, is_doomed=False):
        self.edge.env.pop("SEXTANT_TEST_CRASH_POINT", None)
        if is_doomed:
            self.edge.env["SEXTANT_TEST_CRASH_POINT"] = f"{self.point}:{self.times}"
        try:
            self.edge.start(settle=False)
        except (AssertionError, OSError):
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that is being killed resets first, and ends then
                self.edge.process.wait(20)
            self.look()
            raise

    def look(self):
        if self.edge.process.poll() is not None:
            raise Killed

    def is_hit(self):
        return self.edge.process.poll() == -signal.SIGKILL

    def kill(self):
        self.edge.signal(signal.SIGKILL)
        self.edge.process.wait()

    def wait_for(self, condition, what):
        def asked():
            self.look()
            try:
                return condition()
            except OSError:  # it is gone: found so the next time
                return None
        return wait_for(asked, 60, what, 0.05)

    def next_value(self):
        self.value += 1
        return self.value

    def write(self, kind, ids, group=None):
        return self.told(self.run.write(kind, ids, self.next_value(), group))

    def told(self, write):
        if not write.why[:1].isdigit():  # there was no answer, as the edge is about to be gone
            self.edge.process.wait(60)
        self.look()
        return write

    def takes_writes(self):
        return self.write("upsert", (1, 20)).outcome == COMMITTED

    def change_schema(self, method, name, body=None):
        try:
            return self.edge.call(method, "/collections/" + name, body, headers={"api-key": KEY}, timeout=60)[0]
        except OSError:
            self.look()
            return None

    def is_there(self):
        self.change_schema("PUT", "notes", {"vectors": VECTORS})
        return self.change_schema("GET", "notes") == 200

    def lane(self, name):
        return self.edge.status()["lanes"][0][name]

    def order(self, target, body):
        try:
            return call(self.edge.admin_port, "POST", target, body, timeout=30)[0]
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.edge.process.wait(20)
            self.look()
            return None

    @property
    def journal(self):
        return Path(self.edge.env["SEXTANT_JOURNAL_DIR"])

    def is_saved_since(self, moment):
        return any(f.stat().st_mtime > moment for f in self.journal.glob("checkpoint*"))

    def is_as_it_must_be(self):
        self.run.heal()
        found = self.run.verdict()
        assert not found, "\n".join(found[:2])
