"""tests/data/kong-admin-proof.json names a proof for each thing that Kong's Admin API does: they are all there."""
import json
import pathlib
import re

import pytest

TESTS = pathlib.Path(__file__).parents[1]
ROWS = json.loads((TESTS / "data" / "kong-admin-proof.json").read_text())["rows"]


def is_there(proof):
    if "::" in proof:
        name, test = proof.split("::")
        return re.search(rf"^def {test}\(", (TESTS / "integration" / name).read_text(), re.M)
    name, what = proof.split(": ", 1)
    if name.endswith(".c"):
        return f"TEST({what})" in (TESTS / "unit" / "config" / name).read_text()
    stories = json.loads((TESTS / "data" / f"{name}.json").read_text())
    return what in (stories if isinstance(stories, dict) else {story["name"] for story in stories})


@pytest.mark.parametrize("row", ROWS, ids=[row["row"][:50] for row in ROWS])
def test_its_proof_is_there(row):
    assert row["by"] and [proof for proof in row["by"] if not is_there(proof)] == []
