# SPDX-License-Identifier: Apache-2.0
"""Faults on demand, set through the control port as JSON:

latency     seconds added before each answer and each accepted connection's first one (a WAN round trip)
delay       seconds before an answer;  match: only for paths that contain this text, method: only for that one
status      answer with this status;  times: only for the next so many requests
reset       "before" (on the request's head), "after" (once it was applied, no answer) or "half" (half an answer, then reset)
black_hole  true: requests are read and never answered
hold        true: requests are read, and handled when the control port says {"release": true}, whether the client is still there or not
drip        bytes a second of answer bodies
late        seconds between accepting a write with wait=false and applying it
linger      with reset, black_hole or status: so many seconds later the request is carried out after all; below 0: when it is released
body        answer with this text (status 200 unless `status` says otherwise); fields: more header fields of such an answer
write_status  what writes that were applied call themselves instead of "completed"
queue, color  what collections say of the length of their update queue and their status
"""
import asyncio

DEFAULTS = {"latency": 0.0, "delay": 0.0, "match": "", "method": "", "status": 0, "times": 0, "reset": "", "black_hole": False,
            "hold": False, "drip": 0, "late": 0.0, "linger": 0.0, "error_text": "made to fail", "body": "", "fields": {},
            "write_status": "", "queue": 0, "color": "green"}


class Faults:
    def __init__(self):
        self.held, self.running = [], asyncio.Event()
        self.running.set()
        self.clear()

    def pause(self, is_paused):
        if is_paused:
            self.running.clear()
        else:
            self.running.set()

    def clear(self):
        self.values = dict(DEFAULTS)

    async def wait_for_release(self):
        event = asyncio.Event()
        self.held.append(event)
        await event.wait()

    def forget(self):
        """Those that are held are never handled."""
        self.held.clear()

    def release(self):
        for event in self.held:
            event.set()
        self.held.clear()

    def set(self, changes):
        unknown = set(changes) - set(DEFAULTS)
        if unknown:
            raise ValueError(f"unknown faults {sorted(unknown)}")
        self.values.update(changes)

    def __getattr__(self, name):
        try:
            return self.__dict__["values"][name]
        except KeyError:
            raise AttributeError(name) from None

    def hits(self, method, path):
        """Does a fault of one request (status, reset, delay) apply to this one? Counts it if so."""
        if (self.match and self.match not in path) or (self.method and self.method != method):
            return False
        if not (self.status or self.reset or self.delay or self.black_hole or self.hold or self.body):
            return False
        if self.times > 0:
            self.values["times"] -= 1
            if self.times == 0:
                self.values["times"] = -1
            return True
        return self.times == 0

    def answer(self):
        """(status, text of the body or None) instead of the real answer, or None."""
        if not (self.status or self.body):
            return None
        return self.status or 200, self.body or None

    def apply_later(self, action):
        def run():
            try:
                action()
            except Exception:  # an error after "acknowledged" is told to nobody
                pass
        if self.late:
            asyncio.get_running_loop().call_later(self.late, run)
        else:
            run()
