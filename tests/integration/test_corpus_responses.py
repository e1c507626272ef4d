"""Every response of tests/data/http1-responses.json through a real hop: whole, cut at each CR and LF, byte by byte.

As in test_corpus_requests.py, client and origin sit in this thread. Each case asks for a path of its own,
so that its line in the access log is found.
"""
import dataclasses
import re

import pytest

from lab import corpus
from lab.corpus import PERSONAS, Listed
from lab.lab import merge, service_to
from lab.pump import Pump
from lab.strict import read_responses

CASES = corpus.load("http1-responses.json")
# of the cases that are to time out, and of no other: a busy machine is no fault of the target, nor is a late head
HOLD_TIMEOUT_MS = 2500
RESET_AFTER_S = 0.1  # what the file's `after` says
REUSE = {"upstream_reuse_allowed": True}
FIELD_OF_ONE_ANSWER = re.compile(rb"date|proxy-status|x-kong-.*", re.I)
REQUEST_ID = re.compile(rb"[0-9a-f]{32}")


class Stage:
    """One hop per persona between a client and an origin of this thread."""

    def __init__(self, lab, persona):
        self.persona, self.pump = persona, Pump(self.answer)
        self.case = self.mode = self.used = None
        self.probes = 0
        hold = service_to(self.pump, name="hold", paths=["/hold"], read_timeout=HOLD_TIMEOUT_MS)
        self.hop = lab.hop(merge(service_to(self.pump), hold), persona=persona, conf={"nginx_worker_processes": "1"})

    def answer(self, end, request):
        if request.target == b"/probe":
            self.probes += 1
            content = b"probe %d" % self.probes
            end.send([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content)])
        else:
            end.send(self.case.pieces(self.mode), "fin" if self.case["after"] == "close" else None)
        self.used = end


LISTED = {
    "status-205-with-body": Listed(
        PERSONAS, "RFC 9112 6.3", "205 is not among the statuses without content, so Content-Length frames it like "
        "any other and the connection stays in step", {"verdict": "relay", "client_status": [205], **REUSE}),
    "chunk-ext-long": Listed(
        PERSONAS, "RFC 9112 7.1.1", "a chunk line may carry 256 bytes of extensions here; the head is already on its "
        "way when the line is read, so the client sees a cut response instead of a 502",
        {"verdict": "relay", "client_status": [0, 200], "client_must_see_truncation": True}),
}


@pytest.fixture(scope="module", params=PERSONAS)
def shared_stage(request, module_lab):
    stage = Stage(module_lab, request.param)
    fds = stage.hop.fd_count()
    yield stage
    stage.pump.stop()
    stage.hop.wait_fd_count(fds)


@pytest.fixture
def stage(request, shared_stage, module_lab):
    request.node.lab = module_lab
    return shared_stage


@dataclasses.dataclass
class Outcome:
    """What must not depend on how the bytes were cut."""
    status: int  # 0: closed without a response
    is_whole: bool
    content: bytes
    fields: list

    def comparable(self):
        """Of a response that broke off only that: the end may be a RST, which overtakes what was sent before."""
        return (self.status, self.content, self.fields) if self.is_whole else "cut"


def ask(stage, method, target, then=None):
    """(final response or None, all bytes): a request on a new connection that ends with its answer."""
    pump, client = stage.pump, stage.pump.connect(stage.hop.http)
    pump.begin_case()
    client.send([b"%s %s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" % (method, target)])
    while then == "reset" and not pump.run_for(lambda: client.ended, RESET_AFTER_S):
        if stage.used.is_open():  # the second one, if the hop tried again after a stale connection
            stage.used.send([], "reset")
    pump.run_until(lambda: client.ended, lambda: f"the end of the answer, after {bytes(client.received)!r}")
    responses, rest = read_responses(client.received, [method], client.ended == "fin")
    finals = [response for response in responses if response.status >= 200]
    assert len(finals) <= 1 and not rest, f"a part of an answer, or more than one: {bytes(client.received)!r}"
    return (finals or [None])[0], bytes(client.received)


def play(stage, case, mode):
    """(outcome, the client's bytes, the connection that the origin answered on)."""
    stage.case, stage.mode, stage.used = case, mode, None
    response, data = ask(stage, case["request_method"].encode(), path_of(case, mode).encode(), case["after"])
    used = stage.used
    if not case.expectation(stage.persona, LISTED)["upstream_reuse_allowed"]:
        stage.pump.run_until(lambda: not used.is_open(), "the upstream connection to be closed")
    if response is None:
        return Outcome(0, False, b"", []), data, used
    fields = [(name, value) for name, value in response.fields if not FIELD_OF_ONE_ANSWER.fullmatch(name)]
    content = REQUEST_ID.sub(b"ID", response.content)
    return Outcome(response.status, response.complete, content, fields), data, used


def path_of(case, mode):
    return f"/{'hold' if case['after'] == 'hold' else 'case'}/{case.id}/{mode}"


def judge(case, expect, outcome, data, entry):
    timed_out = entry["reason"].endswith("_TIMEOUT")
    assert timed_out == (case["after"] == "hold"), "the log blames the clock for what the target did, or the reverse"
    made_here = entry["reason"] != "OK" and outcome.status in (502, 504)
    assert outcome.status == 0 or (entry["source"] == "upstream") != made_here, "the log blames the wrong side"
    assert outcome.status in expect["client_status"], f"status {outcome.status}"
    for text in expect["client_must_not_contain"]:
        assert text.encode("latin-1").lower() not in data.lower(), f"{text!r} reached the client"
    if expect["verdict"] in ("502", "504"):
        assert made_here and outcome.status == int(expect["verdict"]), "the fault was relayed, or is not in the log"
    if expect["verdict"] == "relay":
        assert not made_here, "a good response was refused"
    if made_here:
        assert outcome.is_whole and entry.tries[-1].startswith("UPSTREAM_"), "the log does not name the cause"
        return
    for text in expect.get("client_must_contain", []):
        assert text.encode("latin-1").lower() in (data + outcome.content).lower(), f"{text!r} did not arrive"
    if expect["client_must_see_truncation"]:
        assert not outcome.is_whole and entry["reason"].startswith("UPSTREAM_BODY_"), "a cut response looks whole"
    else:
        assert outcome.is_whole and entry["reason"] == "OK"


def next_request_gets_its_own_answer(stage, case, used):
    response, _ = ask(stage, b"GET", b"/probe")
    assert (response.status, response.content) == (200, b"probe %d" % stage.probes)
    reuse_allowed = case.expectation(stage.persona, LISTED)["upstream_reuse_allowed"]
    assert reuse_allowed or stage.used is not used, "a spoilt connection was used again"
    assert stage.hop.is_alive() and not stage.hop.sanitizer_report()


@pytest.mark.parametrize("case", corpus.parameters(CASES))
def test_response(stage, case, tier, record_property):
    outcomes = {}
    record_property("corpus", f"responses, {stage.persona} ({', '.join(corpus.modes(tier))})")
    for mode in corpus.modes(tier):
        outcomes[mode], data, used = play(stage, case, mode)
        entry = stage.hop.access_log.wait_for(f'"{path_of(case, mode)}"')
        judge(case, case.expectation(stage.persona, LISTED), outcomes[mode], data, entry)
        if entry["reason"] != "OK":
            stage.pump.run_until(lambda: not used.is_open(), "the upstream connection to be closed after a fault")
        next_request_gets_its_own_answer(stage, case, used)
        assert outcomes[mode].comparable() == outcomes["whole"].comparable(), f"sent in {mode} it is another message"


def test_listed_cases_exist():
    assert set(LISTED) <= {case.id for case in CASES}
