"""Options, tiers and the lab fixture. `tools/test` calls pytest with these; so can you:

    /usr/bin/python3 -m pytest tests/integration -k retry --hopgate=build/dev/hopgate
"""
import collections
import os
import pathlib

import pytest

from lab import scores
from lab.client import run
from lab.lab import Lab
from lab.pki import Pki
from lab.wire_ends import Server
from lab.wire_process import WireProcess

ROOT = pathlib.Path(__file__).parents[2]
TIERS = {"fast": (), "default": ("slow",), "full": ("slow", "long")}
TEST_TIMEOUT_S = {"fast": 60, "default": 120, "full": 1800}


def pytest_addoption(parser):
    parser.addoption("--hopgate", default=str(ROOT / "build" / "dev" / "hopgate"), help="the binary under test")
    parser.addoption("--named", default="", metavar="TEXT", help="only tests whose id holds this, brackets and all")
    parser.addoption("--tier", choices=TIERS, default="default")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: not in the fast tier")
    config.addinivalue_line("markers", "long: in the full tier only")
    config.addinivalue_line("markers", "serial: measures or loads the machine, so it runs alone")
    config.addinivalue_line("markers", "rules(names): rules of personas that it stands behind, see lab/scores.py")
    config.addinivalue_line("markers", "timeout(seconds): needs longer than the tier's limit")


def rules_of(item):
    """Of its mark; of a test that is played with several personas, those of the one that this item is played with."""
    persona = getattr(item, "callspec", None) and item.callspec.params.get("persona")
    return [name for mark in item.iter_markers("rules") for name in mark.args if persona in (None, name.split(" ")[0])]


def pytest_collection_modifyitems(config, items):
    tier, name = config.getoption("--tier"), config.getoption("--named")
    wanted, left_out = [], []
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        in_tier = marks & {"slow", "long"} <= set(TIERS[tier])
        (wanted if in_tier and name in item.nodeid else left_out).append(item)
        item.user_properties += [("rule", name) for name in rules_of(item)]
        if "timeout" not in marks and config.pluginmanager.hasplugin("timeout"):
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT_S[tier]))
    config.hook.pytest_deselected(items=left_out)
    items[:] = wanted


@pytest.fixture(scope="session")
def pki_maker(tmp_path_factory):
    """Makes the PKI when the first test asks for it."""
    made = []

    def make():
        if not made:
            made.append(Pki(tmp_path_factory.mktemp("pki")))
        return made[0]

    return make


@pytest.fixture(scope="session")
def binary(request):
    path = pathlib.Path(request.config.getoption("--hopgate")).resolve()
    if not os.access(path, os.X_OK):
        pytest.fail(f"there is no hopgate at {path}; build it: cmake --preset dev && cmake --build --preset dev")
    return path


@pytest.fixture
def tier(request):
    return request.config.getoption("--tier")


@pytest.fixture
def lab(request, tmp_path, pki_maker):
    lab = Lab(lambda: request.getfixturevalue("binary"), tmp_path, pki_maker)
    request.node.lab = lab
    yield lab
    problems = lab.close()
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="module")
def module_lab(binary, tmp_path_factory, pki_maker):
    """For many short stories that share hops; each still makes its own connections."""
    lab = Lab(lambda: binary, tmp_path_factory.mktemp("lab"), pki_maker)
    yield lab
    problems = lab.close()
    assert not problems, "\n".join(problems)


@pytest.fixture
def server():
    """A listening socket behind a wire."""
    server = Server()
    yield server
    server.socket.close()


@pytest.fixture
def make_wire(binary, tmp_path):
    """make_wire(server or (host, port) or None, *arguments, faults=[...]): a `hopgate wire`."""
    wires = []

    def make(server, *arguments, **more):
        address = server.address if isinstance(server, Server) else server
        wires.append(WireProcess(binary, tmp_path / f"wire{len(wires)}", address, *arguments, **more))
        return wires[-1]

    yield make
    problems = [wire.stop() for wire in wires]
    assert not any(problems), "\n".join(problems)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and hasattr(item, "lab"):
        report.sections += item.lab.describe()


def pytest_terminal_summary(terminalreporter):
    print_corpora(terminalreporter)
    print_scores(terminalreporter)


def noted(terminalreporter, name):
    """[(value, passed)] of the properties of that name, of tests that ran."""
    return [(value, outcome == "passed") for outcome in ("passed", "failed") for report in terminalreporter.getreports(outcome)
            for key, value in report.user_properties if key == name and report.when == "call"]


def print_scores(terminalreporter):
    """How far each persona is its product."""
    for line in scores.row_lines(noted(terminalreporter, "score")):
        terminalreporter.write_line(line)
    for line in scores.rule_lines({name for name, passed in noted(terminalreporter, "rule") if passed}):
        terminalreporter.write_line(line)


def print_corpora(terminalreporter):
    """How many cases of each corpus passed: tests note theirs with record_property("corpus", what), before they run."""
    passed, played = collections.Counter(), collections.Counter()
    for what, is_passed in noted(terminalreporter, "corpus"):
        played[what] += 1
        passed[what] += is_passed
    for what, count in sorted(played.items()):
        terminalreporter.write_line(f"corpus: {what}: {passed[what]}/{count}")


@pytest.fixture
def hopgate(binary, tmp_path):
    """The command line: hopgate("check", path).code, .out, .err"""
    def call(*arguments, **options):
        return run(binary, *arguments, cwd=tmp_path, **options)

    return call
