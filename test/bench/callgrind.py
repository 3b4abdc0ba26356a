# SPDX-License-Identifier: Apache-2.0
"""What callgrind wrote of one thread: instructions and calls, by function."""
import collections
import re

NAME = re.compile(r"\((\d+)\)(?: (.*))?")


class Profile:
    """self.own: function → instructions in it; self.calls: function → times it was called; self.total.
    self.within: function → instructions in it and in what it called, as seen by its callers (of recursive ones: too many)."""

    def __init__(self, path):
        self.own, self.calls = collections.Counter(), collections.Counter()
        self.within, self.names = collections.Counter(), {}
        with open(path, encoding="utf-8", errors="replace") as file:
            self.read(file)
        self.total = sum(self.own.values())

    def name_of(self, text):
        """Names come whole once, then as a number. Recursion ('2) and versions of symbols are left out."""
        number, name = NAME.fullmatch(text).groups()
        if name is not None:
            self.names[number] = re.sub(r"('\d+|@@?[\w.]+)+$", "", name)
        return self.names[number]

    def read(self, file):
        function = called = None
        for line in file:
            key, sign, value = line.rstrip("\n").partition("=")
            if sign and key == "fn":
                function = self.name_of(value)
            elif sign and key == "cfn":
                called = self.name_of(value)
            elif sign and key == "calls":
                self.calls[called] += int(value.split()[0])
                self.within[called] += int(next(file).split()[1])
            elif function and line[0] in "0123456789+-*":
                self.own[function] += int(line.split()[1])

    def count(self, functions):
        return sum(self.calls[f] for f in functions)
