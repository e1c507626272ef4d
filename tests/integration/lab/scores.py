"""How far each persona is its product, as the end of a test run prints it.

Two measures. Of rows (what a product did, or what its sources say it does): how many were run, how many are met, and the
exceptions by kind. Of rules (what proxy/personas/*.json says): how many are measured, documented or assumed, and how many
of them a passing test stands behind: it has `@pytest.mark.rules("f5 retry.policy", ...)`.
"""
import collections
import json
import pathlib

PERSONAS = pathlib.Path(__file__).parents[3] / "proxy" / "personas"
KINDS = ("safety", "choice", "gap", "race", "machine")
BASES = ("measured", "documented", "assumed")
MATCHES = ("reason", "when_status", "proxied", "reused", "name", "when")  # what tells the items of a list apart


# ---- rows


def of_row(row, exception):
    """The property of a test that plays a row."""
    fate = f'exception {exception["kind"]}' if exception else "row"
    return f'{row["persona"]}|{row.get("basis", "measured")}|{fate}'


def row_lines(reports):
    """reports: [(property, passed)]"""
    runs = collections.defaultdict(collections.Counter)
    for text, passed in reports:
        persona, basis, fate = text.split("|")
        runs[persona, basis]["run"] += 1
        runs[persona, basis][fate if fate != "row" else "met" if passed else "failed"] += 1
    for (persona, basis), counts in sorted(runs.items()):
        told = [f'{counts["met"]} met'] + [f"{counts[f'exception {kind}']} {kind}" for kind in KINDS if counts[f"exception {kind}"]]
        failed = f', {counts["failed"]} FAILED' if counts["failed"] else ""
        yield f'persona {persona}: {counts["run"]} rows run ({basis}): {", ".join(told)}{failed}'


# ---- rules


def item_name(item):
    """Of an item of a list: what it matches; "*" matches everything."""
    return ",".join(str(item[key]) for key in MATCHES if key in item) or "*"


def section_rules(section, content):
    """{rule: basis or None} of one section."""
    found = {}
    for key, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for item in value:
                name = f"{section}.{key}[{item_name(item)}]"
                while name in found:
                    name += "'"
                found[name] = item.get("basis", content.get("basis"))
        elif key != "basis":
            found[f"{section}.{key}"] = content.get("basis")
    return found


def rules(persona):
    """{rule: basis or None} of what that persona's own file says."""
    document = json.loads((PERSONAS / f"{persona}.json").read_text())
    found = {}
    for section, content in document.items():
        if isinstance(content, dict):
            found |= section_rules(section, content)
    return found


def personas():
    return sorted(path.stem for path in PERSONAS.glob("*.json"))


def rule_lines(proven):
    """proven: {"f5 retry.policy", ...}, the rules of passing tests. Of the personas that any test of this run is about."""
    for persona in sorted({name.split(" ")[0] for name in proven}):
        every = rules(persona)
        tested = {rule for rule in every if f"{persona} {rule}" in proven}
        parts = [f"{sum(basis == word for basis in every.values())} {word} "
                 f"({sum(every[rule] == word for rule in tested)} tested)" for word in BASES if word in every.values()]
        yield f"persona {persona}: {len(every)} rules: {', '.join(parts)}"
