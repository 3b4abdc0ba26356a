# SPDX-License-Identifier: Apache-2.0
"""Is what a point is at the end explained by what its writers were told? The point is a register: each write is applied at one
moment (of a batch: each of its steps), in an order that agrees with real time.

A write that was `committed` is applied between call and answer. One that was refused is not, or, of several points or steps,
in part before its answer. One whose outcome nobody knows may be applied at any time, but never after a later write of its
points: they wait until it can no longer land. A write by filter that does not select the point does not wait for it. A loose
one binds its points a little later: the edge that took it lost sight of it, and the owner, which has it whole or never will, may
not have begun it.

A step is (kind, argument, group): group None stands for a write that names the point, else it must be in that group. What a
point is: None, or (vector, payload as sorted pairs)."""
import itertools

COMMITTED, REJECTED, UNKNOWN = "committed", "rejected", "indefinite"
ABSENT_MAY = ("upsert", "delete")
CONFIGS_MAX, LOOSE_SECONDS = 100000, 4  # longer than a write may wait at its owner for points that are held
numbers = itertools.count(1)


class TooManyOrders(AssertionError):
    """It was given up: nothing is found, and nothing shown."""


class Write:
    def __init__(self, text, steps, called):
        self.text, self.steps, self.called = text, steps, called  # steps: of each point that it names, a list
        self.answered, self.outcome, self.why, self.number = float("inf"), UNKNOWN, "", next(numbers)
        self.is_loose, self.token = False, None

    def answer(self, outcome, why, now):
        self.outcome, self.why, self.answered = outcome, why, now

    @property
    def is_single(self):
        return len(self.steps) == 1 and all(len(s) == 1 and s[0][2] is None for s in self.steps.values())

    @property
    def is_void(self):
        """It has done nothing for certain: a server that refuses may have done some of the points before, an edge has not sent it."""
        is_unsent = self.why == "not sent" or (self.why.startswith("503 ") and "/batch" not in self.text)
        return self.outcome == REJECTED and (self.is_single or is_unsent)

    def __str__(self):
        return f"{self.called:8.3f} … {self.answered:8.3f}  #{self.number} {self.text}: {self.outcome} {self.why}" + (
            " (loose)" if self.is_loose else "")


def state_of(vector, payload):
    return tuple(vector), tuple(sorted((payload or {}).items()))


def apply(state, step):
    """(what the point is after it, was it touched), or None where Qdrant would have refused it."""
    kind, value, group = step
    if group is not None and (state is None or ("g", group) not in state[1]):
        return state, False
    if kind == "upsert":
        return state_of(*value), True
    if kind == "delete":
        return None, True
    if state is None:
        return None
    vector, payload = state[0], dict(state[1])
    if kind == "set":
        payload.update(value)
    elif kind == "overwrite":
        payload = dict(value)
    elif kind == "unset":
        payload = {k: v for k, v in payload.items() if k not in value}
    elif kind == "clear":
        payload = {}
    elif kind == "vector":
        vector = value
    return state_of(vector, payload), True


class Search:
    """All that one point may be, as calls and answers go by: (state, how far each open write has come)."""

    def __init__(self, point):
        self.point, self.open, self.configs = point, {}, {(None, frozenset())}
        self.since, self.start = [], None  # writes since it was last certain what the point is, and what it was

    def steps(self, write):
        return write.steps[self.point]

    def nexts(self, config):
        """(write, config): what can be applied next, one step of one open write."""
        state, progress = config[0], dict(config[1])
        for write in self.open.values():
            steps, at = self.steps(write), progress.get(write.number, 0)
            if at >= len(steps):
                continue
            result = apply(state, steps[at])
            if result is None or (not result[1] and write.outcome != COMMITTED and at + 1 == len(steps)):
                continue
            done = {**progress, write.number: at + 1}
            if result[1]:
                done.update({w.number: len(self.steps(w)) for w in self.open.values()
                             if w.answered + (LOOSE_SECONDS if w.is_loose else 0) < write.called})
            yield write, (result[0], frozenset(done.items()))

    def expand(self, goal):
        """Apply what is open in every order, until `goal` is done where it must be: nothing else need come any sooner."""
        due = goal and (goal.number, len(self.steps(goal)))
        found = set(self.configs)
        todo = [c for c in found if due not in c[1]]
        reached = set(self.configs)
        while todo:
            for write, config in self.nexts(todo.pop()):
                if config in found:
                    continue
                found.add(config)
                if write is goal or goal is None:
                    reached.add(config)
                if due not in config[1]:
                    todo.append(config)
            if len(found) >= CONFIGS_MAX:
                raise TooManyOrders(f"point {self.point}: too many ways to order its writes")
        self.configs = reached

    def keep_freest(self):
        """Of two that differ only in what may be applied yet, and needn't, the one which may do more stands for both."""
        groups = {}
        for state, progress in self.configs:
            spent = frozenset(n for n, at in progress if self.is_spent_in_vain(n, at))
            groups.setdefault((state, frozenset(p for p in progress if p[0] not in spent)), set()).add(spent)
        self.configs = set()
        for (state, rest), many in groups.items():
            for spent in many:
                if not any(other < spent for other in many):
                    self.configs.add((state, rest | {(n, len(self.steps(self.open[n]))) for n in spent}))

    def is_spent_in_vain(self, number, at):
        return self.open[number].outcome != COMMITTED and at == len(self.steps(self.open[number]))

    def call(self, write):
        if not self.open and len(self.configs) == 1:
            self.since, self.start = [], next(iter(self.configs))[0]
        self.since.append(write)
        if not write.is_void:
            self.open[write.number] = write

    def answer(self, write):
        """False: nothing explains it."""
        if write.number not in self.open:
            return True
        if write.outcome == UNKNOWN:
            return True
        self.expand(write)
        if write.outcome == COMMITTED:
            due = (write.number, len(self.steps(write)))
            self.configs = {c for c in self.configs if due in c[1]}
        self.forget(write)
        self.forget_closed()
        self.keep_freest()
        return bool(self.configs)

    def forget(self, write):
        self.open.pop(write.number)
        self.configs = {(s, frozenset(p for p in progress if p[0] != write.number)) for s, progress in self.configs}

    def forget_closed(self):
        for write in list(self.open.values()):
            due = (write.number, len(self.steps(write)))
            if write.outcome == UNKNOWN and write.answered < float("inf") and all(due in p for _, p in self.configs):
                self.forget(write)

    def explain(self, what, found):
        lines = "\n".join(f"  {w}" for w in self.since)
        return f"point {self.point}: {what}\n  it was {self.start}\n{lines}\n  and is {found}"


def too_old(write, writes, found):
    """None, or why a read that was made after this committed upsert, deletion or change of a vector, with its token, cannot have
    found that. Whatever wrote the vector, or deleted the point, must not have been over when the write began."""
    point = next(iter(write.steps))
    since = [w for w in writes if point in w.steps and not w.is_void and (w.answered >= write.called or w.is_loose)]
    steps = [step for w in since for step in w.steps[point]]
    if found is None and any(kind == "delete" for kind, _, _ in steps):
        return None
    if found and any(found[0] == (value[0] if kind == "upsert" else value) for kind, value, _ in steps if kind in ("upsert", "vector")):
        return None
    return f"point {point}: a read with the token of\n  {write}\n  found {found}"


def unexplained(point, writes, found):
    """None, or why `found` cannot be what the point is after these writes."""
    search = Search(point)
    mine = [w for w in writes if point in w.steps]
    events = sorted([(w.called, 0, w.number, w) for w in mine] + [(w.answered, 1, w.number, w) for w in mine])
    for _, is_answer, _, write in events:
        if not is_answer:
            search.call(write)
        elif not search.answer(write):
            return search.explain(f"nothing explains #{write.number}", found)
    search.expand(None)
    if found in {state for state, _ in search.configs}:
        return None
    return search.explain("no order of its writes leads there", found)
