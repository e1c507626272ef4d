"""Rows of tests/data/fault-matrix.json: what real products did, to compare with what a persona does."""
import functools
import json
import pathlib
import random

DATA = pathlib.Path(__file__).parents[2] / "data"
FILE = DATA / "fault-matrix.json"
KONG_FILE = DATA / "fault-matrix-kong.json"  # what Kong's sources say, see fault_kong.py
SEED = 20261120


@functools.cache
def matrix():
    return json.loads(FILE.read_text())


@functools.cache
def kong_rows():
    return json.loads(KONG_FILE.read_text())["rows"]


def rows(persona, variant=None):
    every = kong_rows() if persona == "kong" else matrix()["rows"]
    return [row for row in every if row["persona"] == persona and variant in (None, row["variant"])]


def row_id(row):
    return f'{row["persona"]}-{row["variant"]}-{row["fault"]}-{row["method"]}'


def some_of(every, one_in=10):
    """A seeded part, always the same, with at least one row of each group."""
    chosen = set(random.Random(SEED).sample(range(len(every)), max(1, len(every) // one_in)))
    groups = {every[index]["group"] for index in chosen}
    for index, row in enumerate(every):
        if row["group"] not in groups:
            groups.add(row["group"])
            chosen.add(index)
    return [row for index, row in enumerate(every) if index in chosen]


def outcomes(row):
    """What was seen, and the other things that were seen in some runs: the fault is a race."""
    return [row, *({**row, **other} for other in row.get("also_seen", []))]


CUT_BYTES = 300  # of a line of the log, in the measurement


def same_lines(want, got):
    return len(want) == len(got) and all(line == other or len(line) >= CUT_BYTES and other.startswith(line)
                                         for line, other in zip(want, got))


ASPECTS = {  # column -> how it is compared
    "client_status": lambda want, got: want == got,
    "client_body_prefix": lambda want, got: want == got,
    "client_connection": lambda want, got: want == "n/a" or want == got,
    "next_server_tried": lambda want, got: want is None or want == got,
    "log_phrase": lambda want, got: got is None or same_lines(want, got),
    "access_status": lambda want, got: got is None or want == got,
    "upstream_status": lambda want, got: got is None or want == got,
    "termination": lambda want, got: got is None or want == got,
    "retries": lambda want, got: got is None or want == got,
    "log_status": lambda want, got: got is None or want == got,
    "no_log_line": lambda want, got: want == got,
    "client_fields": lambda want, got: want == got,
    "log_phrase_of": lambda want, got: bool(got) and set(got) <= set(want),
    "upstream_status_of": lambda want, got: got in want,
}


def differences(row, seen):
    """Columns that differ from the outcome that fits best: [(column, wanted, seen)]."""
    def of(outcome):
        return [(name, outcome[name], seen.get(name)) for name, same in ASPECTS.items()
                if name in outcome and name in seen and not same(outcome[name], seen[name])]

    return min((of(outcome) for outcome in outcomes(row)), key=len)
