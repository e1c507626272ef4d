"""What no rule of a persona touches passes byte for byte and in order, in both directions: random field sections.

Which names are touched is read from the persona itself. A failure names its seed.
"""
import fnmatch
import json
import pathlib
import random

import pytest

from lab.corpus import PERSONAS
from lab.lab import service_to
from lab.pump import Pump
from lab.strict import read_requests, read_responses

PERSONA_FILES = pathlib.Path(__file__).parents[2] / "proxy" / "personas"
SECTIONS = {"fast": 40, "default": 200, "full": 2000}
TOKEN = b"!#$%&'*+-.^`|~" + b"0123456789" + b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # _ has a rule
VISIBLE = bytes(range(0x21, 0x7f)) + bytes(range(0x80, 0x100))
INNER = VISIBLE + b" \t,;\"" * 8
KNOWN = [b"Accept", b"User-Agent", b"Cookie", b"Authorization", b"Referer", b"Range", b"If-None-Match", b"Set-Cookie",
         b"ETag", b"Cache-Control", b"Content-Type", b"Content-Language", b"Vary", b"Location", b"Last-Modified",
         b"WWW-Authenticate", b"Server", b"X-Forwarded-For", b"X-Real-IP", b"Via", b"Forwarded", b"X-SSL-Cipher"]
REQUEST_BYTES_MAX = 12000
RESPONSE_BYTES_MAX = 3500  # Kong reads a head into 4 KiB
BY_THE_CODEC = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "host", "expect",
                "content-length", "transfer-encoding"}


def is_touched(part, name):
    """part: the request or response section of a persona."""
    text = name.decode("latin-1").lower()
    patterns = part.get("lead", []) + part.get("remove", []) + part.get("remove_identity", [])
    patterns += [rule["name"] for rule in part["fields"]]
    return text in BY_THE_CODEC or any(fnmatch.fnmatchcase(text, pattern.lower()) for pattern in patterns)


def random_name(dice):
    if dice.random() < 0.3:
        known = dice.choice(KNOWN)
        return dice.choice([known, known.lower(), known.upper(), known.swapcase()])
    return b"Q" + bytes(dice.choices(TOKEN, k=dice.choice([0, 1, 5, 20, 60])))


def random_value(dice, size_max):
    size = min(size_max, dice.choice([0, 1, 2, 10, 40, 40, 200, 3000]))
    if size < 3:
        return bytes(dice.choices(VISIBLE, k=size))
    return bytes(dice.choices(VISIBLE)) + bytes(dice.choices(INNER, k=size - 2)) + bytes(dice.choices(VISIBLE))


def random_section(dice, bytes_max):
    """Up to 40 lines, some of them twice or with the name in another case."""
    section, size = [], 0
    for _ in range(dice.randrange(41)):
        name = dice.choice(section)[0] if section and dice.random() < 0.2 else random_name(dice)
        name = name.swapcase() if dice.random() < 0.1 else name
        value = random_value(dice, bytes_max // 2)
        size += len(name) + len(value) + 4
        if size > bytes_max:
            break
        section.append((name, value))
    return section


def lines(section, dice):
    """Blanks around a value are no part of it (RFC 9112 5)."""
    blanks = [b"", b" ", b" ", b" ", b"\t", b" \t "]
    return b"".join(b"%s:%s%s%s\r\n" % (name, dice.choice(blanks), value, dice.choice(blanks[:3]))
                    for name, value in section)


def cut(data, dice):
    places = sorted(dice.choices(range(len(data) + 1), k=dice.randrange(6)))
    return [piece for piece in map(lambda a, b: data[a:b], [0, *places], [*places, len(data)]) if piece]


def untouched(section, sent, part):
    """The lines whose names the sender used and no rule touches."""
    names = {name.lower() for name, _ in sent if not is_touched(part, name)}
    return [(name, value) for name, value in section if name.lower() in names]


class Stage:
    def __init__(self, lab, persona):
        self.pump, self.response = Pump(self.answer), None
        self.persona = json.loads((PERSONA_FILES / f"{persona}.json").read_text())
        self.hop = lab.hop(service_to(self.pump), persona=persona)

    def answer(self, end, request):
        end.send(self.response)

    def pass_through(self, dice):
        """One random exchange; what was sent and received each way."""
        asked, answered = random_section(dice, REQUEST_BYTES_MAX), random_section(dice, RESPONSE_BYTES_MAX)
        self.response = cut(b"HTTP/1.1 200 OK\r\n%sContent-Length: 2\r\n\r\nok" % lines(answered, dice), dice)
        self.pump.begin_case()
        client = self.pump.connect(self.hop.http)
        client.send(cut(b"GET / HTTP/1.1\r\nHost: a.test\r\n%sConnection: close\r\n\r\n" % lines(asked, dice), dice))
        self.pump.run_until(lambda: client.ended, lambda: f"an answer, after {bytes(client.received)!r}")
        (response,), _ = read_responses(client.received, [b"GET"], True)
        assert (response.status, response.content) == (200, b"ok"), bytes(client.received)
        (request,), _ = read_requests(self.pump.received()[0][1])
        return (asked, request.fields), (answered, response.fields)


@pytest.mark.parametrize("persona", PERSONAS)
def test_fields_without_a_rule_pass_unchanged_and_in_order(lab, persona, tier):
    stage = Stage(lab, persona)
    passed = 0
    for seed in range(SECTIONS[tier]):
        for way, (sent, received) in zip(("request", "response"), stage.pass_through(random.Random(seed))):
            part = stage.persona[way]
            want = untouched(sent, sent, part)
            assert untouched(received, sent, part) == want, f"{way} of seed {seed}"
            passed += len(want)
    assert passed > SECTIONS[tier], "the sections were empty"
    stage.pump.stop()
