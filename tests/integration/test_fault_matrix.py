"""The fault matrix: what real products did, told again by the same faults, the same client and the same words.

First of all the instruments are tried on the products themselves: origin, client and comparison find again what was
recorded. Without that a persona could agree with a mistake of ours.
"""
import shutil

import pytest

from lab import fault_rows
from lab.fault_front import can_be_set_up, observe_real

ONE_IN = 60
INSTRUMENT_ROWS = [row for product in ("nginx", "haproxy")
                   for row in fault_rows.some_of([row for row in fault_rows.rows(product) if can_be_set_up(row)], ONE_IN)]


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
    for row in matrix["rows"]:
        assert row["fault"] in matrix["faults"] and f'{row["persona"]}/{row["variant"]}' in matrix["variants"]
