# SPDX-License-Identifier: Apache-2.0
"""Each threat in docs/threats.md names tests, and each of those exists."""
import os
import re

from sextant import ROOT


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def rows():
    lines = text_of("docs/threats.md").splitlines()
    return [line for line in lines if line.startswith("| ") and not line.startswith("| threat |")]


def test_each_threat_has_tests_that_exist():
    assert len(rows()) > 30
    for row in rows():
        threat, done, tests = [cell.strip() for cell in row.strip("| ").split(" | ")]
        names = re.findall(r"`(test/\S+?)::(test_\w+)`", tests)
        assert threat and done and names, row
        assert re.sub(r"`test/\S+?::test_\w+`", "", tests).strip() == "", row
        for path, name in names:
            found = re.search(rf"^def {name}\(|^{name}\(void \*\*", text_of(path), re.M)
            assert found, f"{path} has no {name}"
