"""What personas say and where it is from: proxy/personas/*.json."""
import json
import pathlib

import pytest

from lab import scores

VALUES = json.loads((pathlib.Path(__file__).parents[1] / "data" / "persona-values.json").read_text())["rows"]
WORDS = (*scores.BASES, None)


@pytest.mark.parametrize("persona", scores.personas())
def test_every_rule_of_a_persona_has_a_basis(persona):
    """A user's report can only say what is assumed if the data says so."""
    without = [rule for rule, basis in scores.rules(persona).items() if basis not in scores.BASES]
    assert not without, f"no basis: {without}"


def test_rules_that_tests_stand_behind_exist(request):
    """A mark that names no rule would count for nothing, silently."""
    known = {f"{persona} {rule}" for persona in scores.personas() for rule in scores.rules(persona)}
    named = {name for item in request.session.items for mark in item.iter_markers("rules") for name in mark.args}
    assert named <= known, named - known


def value_of(persona, rule):
    section, key = rule.split(".")
    return json.loads((scores.PERSONAS / f"{persona}.json").read_text())[section][key]


@pytest.mark.parametrize("row", [pytest.param(row, id=f'{row["persona"]}-{row["rule"]}',
                                              marks=pytest.mark.rules(f'{row["persona"]} {row["rule"]}')) for row in VALUES])
def test_a_value_is_the_one_that_its_document_states(row):
    assert value_of(row["persona"], row["rule"]) == row["value"], row["source"]
    assert scores.rules(row["persona"])[row["rule"]] == "documented"


def test_the_score_tells_rows_by_kind_and_rules_by_basis():
    reports = [("kong|source|row", True), ("kong|source|row", False), ("kong|source|exception gap", True)]
    assert list(scores.row_lines(reports)) == ["persona kong: 3 rows run (source): 1 met, 1 gap, 1 FAILED"]
    line, = scores.rule_lines({"nlb client.layer", "nlb content.request"})
    assert line.startswith("persona nlb: ") and "documented (1 tested)" in line and "assumed (1 tested)" in line
