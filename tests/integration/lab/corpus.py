"""The hostile cases of tests/data: their bytes, and the three ways to cut them."""
import base64
import json
import pathlib
import re

import pytest

DATA = pathlib.Path(__file__).parents[2] / "data"
MODES = ("whole", "lines", "bytes")


class Case(dict):
    """One object of a corpus file; its `about` block says what the keys mean."""

    @property
    def id(self):
        return self["id"]

    @property
    def expect(self):
        return self["expect"]

    @property
    def raw(self):
        if "raw_b64" in self:
            return base64.b64decode(self["raw_b64"])
        if "raw_parts" in self:
            return b"".join(part["s"].encode("latin-1") * part["n"] for part in self["raw_parts"])
        return self["raw"].encode("latin-1")

    def pieces(self, mode):
        """The bytes as they are sent: whole, cut at each CR and LF, or one by one."""
        raw = self.raw
        if mode == "whole":
            return [raw] if raw else []
        if mode == "lines":
            return re.findall(rb"[^\r\n]+|[\r\n]", raw)
        return [raw[at:at + 1] for at in range(len(raw))]


def load(name):
    return [Case(case) for case in json.loads((DATA / name).read_text())["cases"]]


def parameters(cases):
    """All cases; every third, spread over the categories, also in the fast tier."""
    return [pytest.param(case, id=case.id, marks=() if at % 3 == 0 else pytest.mark.slow)
            for at, case in enumerate(cases)]


def modes(tier):
    return MODES[:2] if tier == "fast" else MODES
