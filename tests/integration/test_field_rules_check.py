"""What `hopgate check` says of hopgate.fields: each row of tests/data/field-rules.json, word for word."""
import json
import pathlib

import pytest

from lab.lab import service_to
from test_reload import reload, rewrite

ROWS = json.loads((pathlib.Path(__file__).parents[1] / "data" / "field-rules.json").read_text())
HEAD = """_format_version: "3.0"
services:
- {name: shop, host: a.test, routes: [{name: shop, paths: [/], preserve_host: true}]}
hopgate:
  fields: """


@pytest.mark.parametrize("row", ROWS, ids=[row["why"].replace(" ", "-") for row in ROWS])
def test_row(hopgate, tmp_path, row):
    fields = row["fields"] if row["fields"] == "[]" else "\n  " + row["fields"]
    (tmp_path / "k.yaml").write_text(f"{HEAD}{fields}\n")
    (tmp_path / "kong.conf").write_text("".join(f"{key} = {value}\n" for key, value in row["conf"].items()))
    done = hopgate("check", "-c", "kong.conf", "k.yaml")
    assert (done.err.splitlines(), done.code) == (row["says"], row["code"])


def test_json_is_told_its_place_too(hopgate, tmp_path):
    (tmp_path / "k.json").write_text(
        '{"_format_version": "3.0",\n "hopgate": {"fields": [\n  {"request": [{"set": "TE", "value": "x"}]}]}}')
    said = hopgate("check", "k.json").err
    assert said.startswith("k.json:3:24: error: hopgate.fields[0].request[0].set: 'TE' cannot be changed: ")


def test_a_reload_that_is_refused_changes_nothing(lab):
    origin = lab.origin(content=b"x")
    good = {**service_to(origin), "hopgate": {"fields": [{"request": [{"set": "X-Rule", "value": "1"}]}]}}
    hop = lab.hop(good, persona="edge")
    rewrite(hop, {**good, "hopgate": {"fields": [{"request": [{"set": "X-Rule", "value": "$nope"}]}]}})
    reload(hop)
    assert hop.error_log.lines("reload failed")
    lab.client(hop).get("/")
    assert origin.requests[0].fields.all("X-Rule") == ["1"]
