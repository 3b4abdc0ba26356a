# SPDX-License-Identifier: Apache-2.0
"""What operators order while clients write and regions fail: in one seed of four. In all of these nothing that was acknowledged may be
lost: what a copy had not got of an emptied home was written within its last minute, and home has what a journal that is lost knew."""
import random
import signal
import subprocess
import threading
import time

from histories import COMMITTED
from sextant import QDRANT, SEXTANT, call, wait_for

KINDS = "freeze", "freeze_and_kill", "release", "renew"
AFTERWARDS = 20  # writes are to be taken when all of it is over
PATIENCE = 90


def kind_of(seed, may_restore):
    """None of most. A home is emptied only where it may lose its power, too."""
    if seed % 4 != 2:
        return None
    return "restore" if may_restore and not QDRANT else random.Random(f"{seed} orders").choice(KINDS)


class Orders(threading.Thread):
    def __init__(self, run, kind):
        super().__init__(daemon=True)
        self.run_, self.kind, self.random = run, kind, random.Random(f"{run.seed} {kind}")
        self.is_over, self.is_calm, self.error, self.frozen = False, False, None, []

    def run(self):
        try:
            self.wait(0.5, 1.5)
            getattr(self, self.kind)()
            self.is_calm = False
            had = self.committed()
            self.until(lambda: self.committed() >= had + AFTERWARDS, "writes afterwards")
        except Exception as error:  # told by the test
            self.error = error
        self.is_over = True

    # --- what it takes --------------------------------------------------------------------------------------------------

    def wait(self, least, most):
        time.sleep(self.random.uniform(least, most))

    def committed(self):
        return sum(w.outcome == COMMITTED for w in self.run_.writes)

    def until(self, condition, what):
        def asked():
            assert not self.run_.is_over, "it was given up"
            return condition()
        return wait_for(asked, PATIENCE, f"{self.kind}: {what}", 0.05)

    def ask(self, route, **body):
        status, _, got = call(self.run_.edge.admin_port, "POST", route, body)
        return status, got

    def say(self, route, **body):
        """Until it is accepted."""
        self.run_.note(f"{route} {body}")
        self.until(lambda: self.ask(route, **body)[0] == 200, route)
        self.run_.note(f"{route} is answered")

    def kill(self):
        self.run_.restart("kill")

    def freeze_for(self, least, most):
        """From its answer on until it is thawed nothing is taken."""
        self.say("/freeze", target="*")
        since = time.monotonic()
        self.wait(least, most)
        return since

    def thaw(self, since):
        self.frozen.append((since, time.monotonic()))
        self.say("/unfreeze", target="*")

    def findings(self):
        return [f"taken while it was frozen, from {since:.3f} to {until:.3f}:\n  {w}" for since, until in self.frozen for w in self.run_.writes
                if w.outcome == COMMITTED and w.called > since and w.answered < until]

    # --- the kinds ------------------------------------------------------------------------------------------------------

    def freeze(self):
        for _ in range(3):
            self.thaw(self.freeze_for(0.2, 2))
            self.wait(0.2, 1.5)

    def freeze_and_kill(self):
        for _ in range(2):
            since = self.freeze_for(0, 0.5)
            self.kill()
            self.wait(0, 2)
            self.until(lambda: self.run_.edge.status()["frozen"], "what is frozen")
            self.thaw(since)
            self.wait(1, 3)

    def release(self):
        """And taken back, by the same process or by the next one."""
        since = self.freeze_for(0, 0.2)
        self.is_calm = True  # or it would never be drained
        self.until(lambda: [f["drained"] for f in self.run_.edge.status()["frozen"]] == [True], "the end of the drain")
        self.say("/release", target="eu")
        if self.random.random() < 0.5:
            self.kill()
        self.is_calm = False
        self.wait(0.2, 1)
        self.thaw(since)

    def renew(self):
        journal = self.run_.edge.env["SEXTANT_JOURNAL_DIR"]
        self.run_.note("the journal is lost")
        self.run_.edge.signal(signal.SIGKILL)
        self.run_.edge.process.wait()
        subprocess.run([SEXTANT, "journal", "new", journal, "--replace"], check=True, capture_output=True, timeout=PATIENCE)
        self.run_.edge.start(settle=False)
        if self.random.random() < 0.5:
            self.wait(0, 10)
            self.kill()
        self.until(lambda: "taken over by a new journal" in self.run_.edge.output(), "the take-over")

    def restore(self):
        """From a copy that has not got the newest, which are sent again: the run is younger than a minute."""
        name = self.random.choice(("us", "ap"))
        self.run_.note(f"{name} pauses, then eu is emptied")
        self.run_.regions[name].pause()
        self.wait(0.5, 1.5)
        self.run_.regions["eu"].control(clear=True, release=True, empty=True)
        self.run_.regions[name].resume()
        self.until(lambda: "is gone" in self.run_.edge.output(), "the loss")
        self.say("/restore", target="eu", behind=True, **{"from": name})
        self.wait(0, 5)
        if self.random.random() < 0.5:
            self.kill()
        self.is_calm = True  # or it would take minutes, as all that is sent fails
        self.until(lambda: "its copies are compared with it" in self.run_.edge.output(), "the end of the restore")
