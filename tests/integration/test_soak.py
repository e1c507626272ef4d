"""tools/soak in short, so that it does not rot; and that its verdict is one: growth and failures are told."""
import importlib
import json
import sys
import time

import pytest

from conftest import ROOT
from lab.client import run

SOAK = ROOT / "tools" / "soak.d"
MIB = 1 << 20


@pytest.fixture
def tool(monkeypatch):
    """A module of the tool, by its name."""
    monkeypatch.syspath_prepend(str(SOAK))
    return importlib.import_module


def rows(rss=(20, 28, 30, 30, 30, 30, 30), heap=(1, 3, 4, 4, 4, 4, 4), fds=(20, 25, 25, 25, 25, 25, 25)):
    """Before any client, two phases of warm-up, four more."""
    return [{"rss": r * MIB, "heap": h * MIB, "fds": f} for r, h, f in zip(rss, heap, fds)]


def verdicts(tool, **figures):
    return [fine for _, fine in tool("verdict").checks(rows(**figures))]


def test_a_level_that_stays_is_flat_and_one_that_rises_is_not(tool):
    assert verdicts(tool) == [True, True, True]
    assert verdicts(tool, rss=(20, 28, 30, 31, 30, 30, 31)) == [True, True, True]
    assert verdicts(tool, rss=(20, 28, 30, 31, 32, 33, 34)) == [False, True, True]
    assert verdicts(tool, heap=(1, 3, 4, 4.2, 4.4, 4.6, 4.8)) == [True, False, True]
    assert verdicts(tool, fds=(20, 25, 25, 26, 27, 28, 29)) == [True, True, False]


def test_only_the_fault_in_force_excuses_a_request(tool):
    ledger = tool("ledger").Ledger(lambda port: f"why {port}")
    begun = time.monotonic()
    ledger.note("calm", "502", begun)  # nothing was wrong with its target
    with ledger.fault("killed"):
        ledger.note("tormented", "502", time.monotonic(), tormented=True)
        ledger.note("tormented", "504", time.monotonic(), tormented=True, port=7)  # not what a killed target makes
    ledger.faults[-1][2] -= 10
    ledger.note("tormented", "502", time.monotonic(), tormented=True)  # the fault is over
    ledger.note("tormented", "ok", time.monotonic(), tormented=True)
    assert ledger.excused_count() == 1
    assert [failure.split()[1:3] for failure in ledger.failures] == [["calm:", "502"], ["tormented:", "504"],
                                                                     ["tormented:", "502"]]
    assert "why 7" in ledger.failures[1]


@pytest.mark.long
@pytest.mark.serial
@pytest.mark.timeout(900)
def test_a_short_soak_finds_no_failure(binary):
    """Of a build with sanitizers, and of seconds, memory says nothing: that is for tools/soak itself."""
    done = run(sys.executable, SOAK / "soak.py", "--minutes", "0.2", "--json", "--hopgate", binary, deadline_s=800)
    assert done.out, done.err
    result = json.loads(done.out)
    assert result["failures"] == []
    assert result["outcomes"]["calm / ok"] > 10 and result["outcomes"]["reload / ok"] > 0
    assert [check["ok"] for check in result["checks"] if check["text"].startswith("fds")] == [True]
    assert len(result["rows"]) >= 6
