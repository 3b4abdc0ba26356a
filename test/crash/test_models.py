# SPDX-License-Identifier: Apache-2.0
"""The models of write fan-out, checked by spin in their whole state space; and each rule is needed: without it they fail."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ASSERTION = re.compile(r"assertion violated (.*) \(at depth")

# What each configuration of a model is about.
SHIP = {
    "one writer, one copy, a crash and a loss of power": "",
    "two writers": "-DWRITERS=2",
    "two copies": "-DCOPIES=2 -DWRITES=2 -DUNKNOWNS=1",
    "answers that wait for every copy": "-DALL=1 -DCOPIES=2 -DWRITES=2 -DUNKNOWNS=1 -DLOSSES=0",
}
CLAIM = {
    "the successor": "-DKIND=SAME",
    "a copied directory": "-DKIND=COPY",
    "another journal": "-DKIND=OTHER",
}
# Rule, the rest of the configuration in which it is needed, and what goes wrong without it.
SHIP_RULES = [
    ("FIRST", "", "copy==home"),
    ("GATE", "", "copy==home"),
    ("FRESH", "", "copy==home"),
    ("HOLD", "", "home>=acked"),
    ("AGAIN", "", "copy==home"),
    ("TAINT", "", "home>=acked"),
    ("SETTLE", "", "copy==home"),
    ("KNOWN", "", "copy==home"),
    ("DONE", "", "copy==home"),
    ("SYNC", "-DALL=1 -DLOSSES=0", "copy>=everywhere"),
]
CLAIM_RULES = [
    ("FENCE", "-DKIND=OTHER", "a.held"),
    ("WATCH", "-DKIND=OTHER", "a.held"),
    ("CONDITION", "-DKIND=OTHER", "a.held"),
    ("NUMBER", "-DKIND=OTHER", "a.held"),
    ("START", "-DKIND=COPY", "a.held"),
    ("BEHIND", "-DKIND=COPY", "journal>=landed"),
    ("WALK", "-DKIND=OTHER", "walked>=landed"),
]
OWNER_RULES = [
    ("DRAIN", "home>=acked"),
    ("STOP", "e[0].held"),
    ("FREE", "home>=acked"),
    ("OWN", "home>=acked"),
    ("TENURE", "home>=acked"),
    ("WALK", "copy==home"),
]


@pytest.fixture
def check(tmp_path):
    """Runs a model to its end, or to the first assertion that fails: its text, or None."""
    if not shutil.which("spin") or not shutil.which("gcc"):
        pytest.skip("no spin or no gcc here: scripts/deps.sh test installs them")

    def run(model, options, optimise="-O1"):
        shutil.copy(HERE / model, tmp_path)
        subprocess.run(["spin", "-a", *options.split(), model], cwd=tmp_path, check=True, timeout=60, capture_output=True)
        subprocess.run(["gcc", optimise, "-w", "-DSAFETY", "-o", "pan", "pan.c"], cwd=tmp_path, check=True, timeout=300)
        out = subprocess.run(["./pan", "-m1000000", "-E", "-w22"], cwd=tmp_path, check=True, timeout=300, capture_output=True,
                             text=True).stdout
        assert "search depth too small" not in out and "out of memory" not in out, out
        failed = ASSERTION.search(out)
        assert failed or re.search(r"errors: 0\b", out), out
        print(options, re.search(r"(\d+) states, stored", out).group(0))
        return failed and failed.group(1)
    return run


@pytest.mark.parametrize("what", SHIP)
def test_ship(check, what):
    assert check("ship.pml", SHIP[what]) is None


@pytest.mark.parametrize("rule, options, wrong", SHIP_RULES, ids=[rule[0] for rule in SHIP_RULES])
def test_ship_needs(check, rule, options, wrong):
    assert wrong in (check("ship.pml", f"{options} -D{rule}=0", "-O0") or "")


@pytest.mark.parametrize("what", CLAIM)
def test_claim(check, what):
    assert check("claim.pml", CLAIM[what]) is None


@pytest.mark.parametrize("rule, options, wrong", CLAIM_RULES, ids=[rule[0] for rule in CLAIM_RULES])
def test_claim_needs(check, rule, options, wrong):
    assert wrong in (check("claim.pml", f"{options} -D{rule}=0", "-O0") or "")


def test_owners(check):
    assert check("owners.pml", "") is None


@pytest.mark.parametrize("rule, wrong", OWNER_RULES, ids=[rule[0] for rule in OWNER_RULES])
def test_owners_need(check, rule, wrong):
    assert wrong in (check("owners.pml", f"-D{rule}=0", "-O0") or "")


def test_limit_of_claims(check):
    """A copy of the directory whose original stops within two periods of its last renewal is taken for it, and lacks what was
    recorded since: nobody may start a copy but by `journal new`, after which all lanes walk."""
    assert "journal>=landed" in check("claim.pml", "-DKIND=COPY -DLIMIT=0", "-O0")
