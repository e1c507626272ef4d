"""Field rules change what they name and nothing else: random sections, both directions, against a model of the rules.

Order, spelling, duplicates and value bytes (tabs, inner blanks, bytes above 0x7f, empty values) of all other lines must
come out as they went in. A failure names its seed.
"""
import json
import random

import pytest

from lab.lab import service_to
from lab.pump import Pump
from lab.strict import read_requests, read_responses
from test_byte_fidelity import (PERSONA_FILES, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, cut, is_touched, lines,
                                random_section, random_value)

SECTIONS = {"fast": 40, "default": 200, "full": 2000}
NAMED = [b"X-Alpha", b"x-beta", b"X-GAMMA", b"X-Delta-1", b"X-Delta-Two", b"X-Epsilon"]
RULES = [
    {"set": "X-Alpha", "value": "set by a rule"}, {"add": "X-Beta", "value": "added"},
    {"append": "X-Gamma", "value": "tail"}, {"rename": "X-Epsilon", "to": "X-Renamed"}, {"remove": "X-Delta-*"},
    {"case": "X-BETA"}, {"set": "X-New", "value": "$hop"},
]


def model(section, hop_name):
    """RULES, once more and in the plainest way."""
    out, alpha = [], False
    for name, value in section:
        low = name.lower()
        if low == b"x-alpha":
            if not alpha:
                out.append((b"X-Alpha", b"set by a rule"))
            alpha = True
        elif low == b"x-epsilon":
            out.append((b"X-Renamed", value))
        elif not low.startswith(b"x-delta-"):
            out.append((name, value))
    if not alpha:
        out.append((b"X-Alpha", b"set by a rule"))
    out.append((b"X-Beta", b"added"))
    places = [i for i, (name, _) in enumerate(out) if name.lower() == b"x-gamma"]
    if places:
        name, value = out[places[-1]]
        out[places[-1]] = (name, value + (b", tail" if value else b"tail"))
    else:
        out.append((b"X-Gamma", b"tail"))
    out = [(b"X-BETA" if name.lower() == b"x-beta" else name, value) for name, value in out]
    return [*out, (b"X-New", hop_name)]


def mixed_section(dice, bytes_max):
    """A random section in which some lines have the names of rules."""
    section = random_section(dice, bytes_max - 600)
    for _ in range(dice.randrange(8)):
        name = dice.choice(NAMED)
        name = dice.choice([name, name.lower(), name.upper(), name.swapcase()])
        section.insert(dice.randrange(len(section) + 1), (name, random_value(dice, 40)))
    return section


class Stage:
    def __init__(self, lab, persona, rules):
        self.pump, self.response = Pump(self.answer), None
        self.persona = json.loads((PERSONA_FILES / f"{persona}.json").read_text())
        declarative = service_to(self.pump)
        if rules:
            declarative["hopgate"] = {"fields": [{"request": RULES, "response": RULES}]}
        self.hop = lab.hop(declarative, persona=persona, conf={"hopgate_client_max_fields": "1100",
                                                               "hopgate_upstream_max_fields": "1100",
                                                               "nginx_http_large_client_header_buffers": "8 16k",
                                                               "hopgate_upstream_max_head": "64k"})

    def answer(self, end, request):
        end.send(self.response)

    def pass_through(self, dice, asked, answered):
        """(sent, received) of the request and of the response."""
        self.response = cut(b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok" % lines(answered, dice), dice)
        self.pump.begin_case()
        client = self.pump.connect(self.hop.http)
        client.send(cut(b"GET / HTTP/1.1\r\nHost: a.test\r\n%sConnection: close\r\n\r\n" % lines(asked, dice), dice))
        self.pump.run_until(lambda: client.ended, lambda: f"an answer, after {bytes(client.received)!r}")
        (response,), _ = read_responses(client.received, [b"GET"], True)
        assert (response.status, response.content) == (200, b"ok"), bytes(client.received)
        (request,), _ = read_requests(self.pump.received()[0][1])
        return (asked, request.fields), (answered, response.fields)

    def check(self, seed, way, sent, received, rules):
        """All lines of names that were sent or that rules write, without those that the persona touches."""
        part = self.persona[way]
        want = [line for line in sent if not is_touched(part, line[0])]
        want = model(want, self.hop.name.encode()) if rules else want
        names = {name.lower() for name, _ in want}
        got = [line for line in received if line[0].lower() in names]
        assert got == want, f"{way} of seed {seed}"
        if rules:
            assert not [name for name, _ in received if name.lower().startswith(b"x-delta-")], f"{way} of seed {seed}"
        return len(want)


@pytest.mark.parametrize("rules", [False, True], ids=["no-rules", "rules"])
@pytest.mark.parametrize("persona", ["edge", "kong", "f5"])
def test_what_is_not_named_survives(lab, persona, rules, tier):
    stage, passed = Stage(lab, persona, rules), 0
    for seed in range(SECTIONS[tier]):
        dice = random.Random(seed)
        asked, answered = mixed_section(dice, REQUEST_BYTES_MAX), mixed_section(dice, RESPONSE_BYTES_MAX)
        for way, (sent, received) in zip(("request", "response"), stage.pass_through(dice, asked, answered)):
            passed += stage.check(seed, way, sent, received, rules)
    assert passed > SECTIONS[tier] * 10, "the sections were empty"
    stage.pump.stop()


@pytest.mark.parametrize("persona", ["edge", "kong", "f5"])
def test_a_thousand_fields_survive(lab, persona):
    """Many short ones, every fifth with a name of its neighbours, every seventh empty."""
    stage, dice = Stage(lab, persona, True), random.Random(1000)
    section = [(b"N%d" % (i - i % 5), b"" if i % 7 == 0 else b"v%d\t x" % i) for i in range(990)]
    for way, (sent, received) in zip(("request", "response"), stage.pass_through(dice, section, section)):
        stage.check(1000, way, sent, received, True)
    stage.pump.stop()
