# SPDX-License-Identifier: Apache-2.0
"""Lives of an edge that carry out an operator's orders: a partition is frozen, drained, released and taken back; a home is restored;
a journal is begun anew. Each ends at a crash point, or at a moment: so the test calls the one at which a checkpoint has the last order."""
import subprocess
import time

from fanout_run import HOT, POINTS
from lives import Killed, Life
from sextant import SEXTANT

MANY = tuple(range(10, 20))
RESTORE = {"target": "eu", "from": "us", "behind": True}
MOMENTS = "moment.frozen", "moment.drained", "moment.released", "moment.restoring"


class Orders(Life):
    def __init__(self, *args):
        super().__init__(*args)
        self.begun = self.done = None  # the last order, and the last that was answered
        self.done_at = 0

    def say(self, target, body):
        self.begun = target
        self.wait_for(lambda: self.order(target, body) == 200, target)
        self.done, self.done_at = target, time.time()

    def moment(self, name):
        if self.point != "moment." + name:
            return
        seen = time.time() - 0.3  # it may be on the disk when that is seen
        self.wait_for(lambda: self.is_saved_since(seen), "a checkpoint")
        self.kill()
        raise Killed

    def written_since(self, moment, route):
        return [r for r in self.home.control(log=True)["log"] if r["method"] == "PUT" and route in r["target"] and r["time"] > moment]

    def begin(self):
        self.start(not self.point.startswith("moment."))
        self.wait_for(self.is_there, "the collection")
        self.write("upsert", HOT + MANY)


class Freezes(Orders):
    def go(self):
        self.begin()
        self.say("/freeze", {"target": "*"})
        self.moment("frozen")
        self.is_frozen()
        self.wait_for(lambda: self.rows()[0]["drained"], "the end of the drain")
        self.moment("drained")
        self.say("/release", {"target": "eu"})
        self.moment("released")
        self.say("/unfreeze", {"target": "*"})
        self.wait_for(self.takes_writes, "a write")
        self.edge.stop(30)

    def rows(self):
        return self.edge.status()["frozen"]

    def is_frozen(self):
        write = self.write("upsert", (1,))
        assert write.why == "503 PARTITION_FROZEN", write

    def end(self):
        self.start()
        if self.begun != "/unfreeze" and self.done:
            self.wait_for(self.rows, "what is frozen")
            self.is_frozen()
            assert not self.written_since(self.done_at, POINTS)
            if self.done == "/release":
                assert self.rows()[0]["released"], self.rows()
                assert not self.written_since(self.done_at, "/_sextant/points"), "nobody may claim what was given up"
        assert self.order("/unfreeze", {"target": "*"}) == 200
        self.wait_for(self.takes_writes, "a write")
        self.is_as_it_must_be()


class Restores(Orders):
    """From a copy that had not got all of it."""
    policy = "async"

    def go(self):
        self.begin()
        self.wait_for(self.run.is_idle, "idle lanes")
        self.copy.faults(match=POINTS, reset="before")
        self.write("upsert", (2, 11))
        self.write("delete", (3, 12))
        self.home.control(empty=True)
        self.copy.control(clear=True)
        self.wait_for(lambda: "is gone" in self.edge.output(), "the loss")
        if self.point.startswith("restore.off_"):
            self.call_off()
        self.say("/restore", RESTORE)
        self.moment("restoring")
        self.wait_for(self.takes_writes, "a write")
        self.edge.stop(30)

    def call_off(self):
        """Before anything is changed, as home does not tell what it has."""
        self.home.faults(match="/collections", method="GET", status=503)
        self.say("/restore", RESTORE)
        self.wait_for(lambda: self.edge.output().count("its claim is held") == 2, "the claim")
        self.done = None
        self.say("/restore", {"target": "eu", "cancel": True})
        self.home.control(clear=True)
        assert self.write("upsert", (1,)).why == "503 HOME_RESTORES"
        self.done = None

    def goes_on(self):
        if not self.done:
            self.done = self.order("/restore", RESTORE) == 200
        return self.takes_writes()

    def end(self):
        self.home.control(clear=True)
        self.copy.control(clear=True)
        self.start()
        self.wait_for(self.goes_on, "a write")
        self.is_as_it_must_be()


class Renews(Orders):
    """The edge is killed with a deletion that the copy had not got; its journal is lost."""
    policy = "async"

    def go(self):
        self.start()
        self.wait_for(self.is_there, "the collection")
        self.write("upsert", HOT + MANY)
        self.wait_for(self.run.is_idle, "idle lanes")
        self.copy.faults(match=POINTS, reset="before")
        self.write("upsert", (2, 11))
        self.write("delete", (3, 12))
        self.kill()
        self.copy.control(clear=True)
        self.was_hit = self.renew(self.point) < 0
        if self.was_hit and self.point in ("renew.identity_aside", "renew.all_aside"):
            self.is_refused()
        while self.was_hit and self.renew() != 0:
            pass
        self.start(self.point.startswith("takeover."))
        self.wait_for(self.takes_writes, "a write")
        self.edge.stop(30)

    def is_hit(self):
        return self.was_hit if self.point.startswith("renew.") else super().is_hit()

    def renew(self, point=None):
        env = {"SEXTANT_TEST_CRASH_POINT": f"{point}:{self.times}"} if point and point.startswith("renew.") else {}
        return subprocess.run([SEXTANT, "journal", "new", str(self.journal), "--replace"], env=env, capture_output=True, timeout=60,
                              check=False).returncode

    def is_refused(self):
        """What is left is no journal, or one that may not take the home."""
        try:
            self.start()
        except Killed:
            assert self.edge.process.returncode > 0, self.edge.output()[-1500:]
            return
        assert self.write("upsert", (1,)).why == "503 CLAIM_LOST"
        self.kill()

    def end(self):
        self.start()
        self.wait_for(self.takes_writes, "a write")
        self.is_as_it_must_be()
        assert not (self.journal / "takes-over").exists()


LIVES = {"freeze": Freezes, "release": Freezes, "restore": Restores, "takeover": Renews, "renew": Renews,
         "moment": Freezes, "moment.restoring": Restores}
