"""The fault matrix: what real products did, told again by the same faults, the same client and the same words.

First of all the instruments are tried on the products themselves: origin, client and comparison find again what was
recorded. Without that a persona could agree with a mistake of ours.
"""
import functools
import json
import pathlib
import shutil

import pytest

from lab import fault_kong, fault_rows, scores
from lab.fault_front import can_be_set_up, observe_real
from lab.fault_hop import CONF, observe_hop

ONE_IN = 60
INSTRUMENT_ROWS = [row for product in ("nginx", "haproxy")
                   for row in fault_rows.some_of([row for row in fault_rows.rows(product) if can_be_set_up(row)], ONE_IN)]
EXCEPTIONS = sorted((pathlib.Path(__file__).parents[1] / "data").glob("fault-matrix-exceptions*.json"))
PERSONAS = ["nginx", "haproxy", "kong"]  # kong's rows are what its sources say
TENTH = {fault_rows.row_id(row) for product in PERSONAS for row in fault_rows.some_of(fault_rows.rows(product))}
NOT_OF_A_ROW = ("reason", "sometimes", "kind", "columns")
ATTEMPTS = 3  # timers of a second decide many rows, and machines stall


@functools.cache
def exceptions():
    return [exception for path in EXCEPTIONS for exception in json.loads(path.read_text())["exceptions"]]


def exception_for(row):
    """Why a row is not met, or None. A list in it stands for each of its items, a missing key for all values."""
    for exception in exceptions():
        wanted = {key: value for key, value in exception.items() if key not in NOT_OF_A_ROW}
        if all(row[key] in (value if isinstance(value, list) else [value]) for key, value in wanted.items()):
            return exception
    return None


def persona_rows():
    every = [row for product in PERSONAS for row in fault_rows.rows(product)]
    return [pytest.param(row, id=fault_rows.row_id(row),
                         marks=pytest.mark.slow if fault_rows.row_id(row) in TENTH else pytest.mark.long) for row in every]


@pytest.mark.parametrize("row", persona_rows())
def test_a_persona_does_what_its_product_did(lab, row, record_property):
    exception = exception_for(row)
    record_property("score", scores.of_row(row, exception))
    for attempt in range(ATTEMPTS):
        differences = fault_rows.differences(row, observe_hop(lab, row, row["persona"]))
        if not differences:
            assert not exception or exception.get("sometimes"), "this row is met now: take it out of the exceptions"
            return
        if exception and {column for column, _, _ in differences} <= set(exception.get("columns", fault_rows.ASPECTS)):
            return
    pytest.fail(f"after {attempt + 1} runs: {differences}" + (", which is more than its exception says" if exception else ""))


def test_each_exception_is_a_row_and_has_a_reason():
    rows = [row for product in PERSONAS for row in fault_rows.rows(product)]
    for exception in exceptions():
        assert exception["reason"] and exception["kind"] in scores.KINDS, exception
        assert any(exception_for(row) is exception for row in rows), exception


def test_the_rows_of_kong_are_those_that_its_sources_give():
    assert fault_rows.KONG_FILE.read_text() == fault_kong.text(), "run python3 -m lab.fault_kong in tests/integration"
    of_row = set().union(*(row["rules"] for row in fault_rows.rows("kong")))
    assert of_row == set(fault_kong.RULES), "each rule makes a row, and each row has rules with a source"


@pytest.mark.slow
@pytest.mark.parametrize("row", INSTRUMENT_ROWS, ids=fault_rows.row_id)
def test_the_instruments_find_again_what_the_real_product_did(row):
    if not shutil.which(row["persona"]):
        pytest.skip(f'{row["persona"]} is not installed, so the instruments were not tried on it')
    for attempt in range(3):  # timers of a second decide many rows, and machines stall
        differences = fault_rows.differences(row, observe_real(row))
        if not differences:
            return
    pytest.fail(f"after {attempt + 1} runs: {differences}")


def test_every_row_has_a_fault_and_a_set_up():
    matrix = fault_rows.matrix()
    assert len(matrix["rows"]) > 2000
    for row in matrix["rows"] + fault_rows.rows("kong"):
        assert row["fault"] in matrix["faults"] and f'{row["persona"]}/{row["variant"]}' in {**matrix["variants"], **CONF}
