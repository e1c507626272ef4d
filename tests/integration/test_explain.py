"""hopgate explain: the tables that validate are the reference, for people, programs and pages."""
import json
import re

import pytest


@pytest.fixture(name="explain")
def explain_verb(hopgate):
    def ask(*words):
        done = hopgate("explain", *words)
        assert (done.code, done.err) == (0, ""), done
        return done.out

    return ask


def paths_of(facts):
    yield facts["path"]
    for field in facts.get("fields", []):
        yield from paths_of(field)


def test_a_field_is_explained(explain):
    text = explain("services.connect_timeout")
    assert re.search(r"^  type +integer, milliseconds$", text, re.M)
    assert re.search(r"^  default +60000$", text, re.M)
    assert re.search(r"^  limits +1 to 2147483646$", text, re.M)
    assert json.loads(explain("--json", "services.connect_timeout"))["unit"] == "milliseconds"


def test_what_hopgate_does_otherwise_is_told(explain):
    assert "unlike Kong" in explain("services.protocol")
    assert "does not run it" in explain("plugins.cors")


@pytest.mark.parametrize("path, meant", [
    ("servces", "services"), ("services.conect_timeout", "services.connect_timeout"),
    ("plugins.rate-limitng", "plugins.rate-limiting"),
    ("plugins.rate-limiting.config.minut", "plugins.rate-limiting.config.minute"),
])
def test_a_name_that_is_unknown_has_a_likely_one_beside_it(hopgate, path, meant):
    done = hopgate("explain", path)
    assert (done.code, done.out) == (64, "")
    assert f'did you mean "{meant}"?' in done.err


@pytest.mark.parametrize("words", [("--all", "services"), ("--markdown",), ("--markdown", "--all", "--json"), ("a", "b"),
                                   ("--no-such",)])
def test_what_cannot_be_meant_is_refused(hopgate, words):
    done = hopgate("explain", *words)
    assert (done.code, done.out) == (64, "")
    assert "usage: hopgate explain" in done.err


def test_the_page_and_the_manual_have_every_field(hopgate, explain):
    everything = json.loads(explain("--all", "--json"))
    page, manual = explain("--all", "--markdown"), hopgate("generate", "man-entities").out.replace("\\-", "-")
    parts = [*everything["entities"], *everything["plugins"]]
    assert len(parts) > 40
    for facts in parts:
        assert f"\n## {facts['path']}\n" in page
        assert f"\n.SS {facts['path']}\n" in manual
        for path in list(paths_of(facts))[1:]:
            name = path.removeprefix(facts["path"] + ".")
            assert f"\n| `{name}` | " in page, path
            assert f"\n\\fB{name}\\fR" in manual, path
    for line in page.splitlines():  # a table's row has four cells
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 5, line


def test_everything_is_as_wide_as_a_terminal(explain):
    text = explain("--all")
    assert len(text.splitlines()) > 1000
    for line in text.splitlines():
        assert len(line) <= 100 or " " not in line.strip(), line
