"""Every request of tests/data/http1-requests.json against a real hop: whole, cut at each CR and LF, byte by byte.

The client and the origin sit in this thread (lab/pump.py); what the origin received is read by a parser
that forgives nothing (lab/strict.py). The file's `about` block says what `expect` and the invariants mean.
"""
import dataclasses

import pytest

from lab import corpus
from lab.corpus import PERSONAS, Listed
from lab.lab import service_to
from lab.pump import Pump
from lab.strict import read_requests, read_responses
from lab.wait import DEADLINE_S

CASES = corpus.load("http1-requests.json")
REQUEST = b"GET %s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
CLOSE_WITHIN_S = 3
TIMED_OUT = 408
OF_ONE_REQUEST = {b"x-kong-request-id"}  # differs from request to request by design


def passes(text):
    return {"forwarded_must_not_contain": [], "forwarded_must_contain": [text]}


KONG_PASSES = "Kong trusts no such field and so removes none: whoever is in front of it must"
LISTED = {
    "target-overlong-utf8": Listed(
        ("kong",), "RFC 9110 15.5.5", "a path that is not UTF-8 matches no route (Kong's router takes UTF-8 only), so "
        "the refusal is a 404 and the connection goes on", {"verdict": "reject", "status": [404]}),
    "chunk-many-tiny-ext": Listed(
        PERSONAS, "RFC 9112 7.1.1", "84,000 bytes of extensions around 2,000 bytes of content are over the 16 KiB per "
        "message allowed here; the RFC asks for a limit", {"verdict": "reject", "status": [413], "must_close": True}),
    "spoof-xff": Listed(("kong",), "RFC 7239 8.1", "Kong appends to the first line it received",
                        passes("X-Forwarded-For: 203.0.113.66, 127.0.0.1")),
    "spoof-xff-underscore": Listed(("kong",), "RFC 9110 5.1", "underscores_in_headers is on in Kong",
                                   passes("X_Forwarded_For: 203.0.113.66")),
    "spoof-forwarded": Listed(("kong",), "RFC 7239 8.1", KONG_PASSES, passes("for=203.0.113.66;proto=https")),
    "spoof-client-cert": Listed(("kong",), "RFC 9440 4", KONG_PASSES, passes("X-Client-Cert: MIIFAKE")),
    "spoof-client-verify": Listed(("kong",), "RFC 9440 4", KONG_PASSES, passes("X-SSL-Client-Verify: SUCCESS")),
    "spoof-xfcc": Listed(("kong",), "RFC 9440 4", KONG_PASSES, passes('Hash=abc;Subject="CN=admin"')),
    "spoof-client-cert-rfc9440-chain": Listed(("kong",), "RFC 9440 4", KONG_PASSES,
                                              passes("Client-Cert-Chain: :MIIFAKE=:")),
}


class Stage:
    """Two hops per persona between a client and an origin of this thread: one that waits for the rest of a request
    for longer than any test runs, and one that soon gives up, for the cases that may end so."""

    def __init__(self, lab, persona):
        self.persona, self.pump, self.served = persona, Pump(self.answer), 0
        self.patient, self.impatient = (lab.hop(
            service_to(self.pump), persona=persona, name=f"{persona}-{timeout}", conf={
                "nginx_worker_processes": "1", "nginx_http_client_header_timeout": timeout,
                "nginx_http_client_body_timeout": timeout}) for timeout in ("60s", "700ms"))
        self.hop = self.patient

    def choose_hop(self, case):
        self.hop = self.impatient if TIMED_OUT in case.expect.get("status", ()) else self.patient

    def answer(self, end, request):
        """Each answer says which request it is for, so that one that went astray is seen."""
        self.served += 1
        content = b"%d %s" % (self.served, request.target[:100])
        end.send([b"HTTP/1.1 200 OK\r\nX-Answer: %s\r\nContent-Length: %d\r\n\r\n" % (content, len(content)) +
                  (b"" if request.method == b"HEAD" else content)])

    def client(self):
        return self.pump.connect(self.hop.http)

    def requests(self):
        """Complete requests that the origin received in this case, and the connections with a part of one."""
        whole, parts = [], []
        for end, data in self.pump.received():
            requests, is_cut = read_requests(data)
            whole += requests
            if is_cut:
                parts.append(end)
        return whole, parts


@pytest.fixture(scope="module", params=PERSONAS)
def shared_stage(request, module_lab):
    stage = Stage(module_lab, request.param)
    fds = {hop: hop.fd_count() for hop in (stage.patient, stage.impatient)}
    yield stage
    stage.pump.stop()
    for hop, count in fds.items():
        hop.wait_fd_count(count)


@pytest.fixture
def stage(request, shared_stage, module_lab):
    request.node.lab = module_lab
    return shared_stage


@dataclasses.dataclass
class Outcome:
    """What must not depend on how the bytes were cut."""
    statuses: list
    is_open: bool  # the connection took one more request
    requests: list  # what the origin received as complete requests


def play(stage, case, mode):
    """Sends the case; after the first answer one more request shows whether the connection is still open."""
    pump, client = stage.pump, stage.client()
    pump.begin_case()
    client.send(case.pieces(mode), case.get("then"))
    deadline_s = CLOSE_WITHIN_S if case.expect["must_close"] else DEADLINE_S
    pump.run_until(lambda: client.ended or has_final(stage, client), f"an answer to {case.id}", deadline_s)
    if not client.ended and not case.get("then"):
        client.send([REQUEST % b"/next"])
    pump.run_until(lambda: client.ended, lambda: f"the end of the connection, after {bytes(client.received)!r}",
                   deadline_s)
    _, parts = stage.requests()
    pump.run_until(lambda: all(end.ended for end in parts), "upstream connections with half a request to be dropped")
    return judge_bytes(stage, client)


def has_final(stage, client):
    whole, _ = stage.requests()
    responses, _ = read_responses(client.received, [request.method for request in whole], False)
    return any(response.complete and response.status >= 200 for response in responses)


def judge_bytes(stage, client):
    """The invariants of every case: only strict messages on both sides, each answer the right one."""
    whole, _ = stage.requests()
    responses, rest = read_responses(client.received, [request.method for request in whole], True)
    assert not rest and all(response.complete for response in responses), bytes(client.received)
    finals = [response for response in responses if response.status >= 200]
    answered = [answer.split(b" ", 1)[1] for response in finals for answer in response.all(b"X-Answer")]
    assert answered == [request.target[:100] for request in whole], "an answer is missing or went to the wrong request"
    is_open = bool(whole) and whole[-1].target == b"/next"
    if is_open:
        whole.pop()
        finals.pop()
    return Outcome([response.status for response in finals], is_open, [comparable(request) for request in whole])


def comparable(request):
    fields = [(name, value) for name, value in request.fields if name.lower() not in OF_ONE_REQUEST]
    return request.start_line, fields, request.framing, request.content, request.trailers


def judge_expectation(stage, expect, outcome):
    forwarded = b"".join(data.split(b"GET /next ")[0] for _, data in stage.pump.received()).lower()
    contents = b"".join(content for *_, content, _ in outcome.requests).lower()  # chunks may cut it on the wire
    statuses = outcome.statuses or [0]
    assert set(statuses) <= set(expect.get("status", statuses)), f"statuses {statuses}"
    assert len(outcome.requests) <= expect["max_upstream_requests"], "an extra request reached the origin"
    for text in expect["forwarded_must_not_contain"]:
        assert text.encode("latin-1").lower() not in forwarded + contents, f"{text!r} was forwarded"
    for text in expect.get("forwarded_must_contain", []):
        if outcome.requests:
            assert text.encode("latin-1").lower() in forwarded + contents, f"{text!r} is missing upstream"
    if expect["verdict"] == "reject":
        assert outcome.requests == [], "a request that must be refused reached the origin"
        assert not forwarded or expect.get("phase") == "body", "a part of a request with a bad head reached the origin"
        # Kong reads all content before it asks anybody
        assert stage.persona != "kong" or forwarded == b"", "a part of a request that must be refused reached the origin"
    if expect["verdict"] == "forward":
        assert outcome.requests and 200 in statuses, "a good request was not served"
    if expect["must_close"]:
        assert not outcome.is_open, "the connection took one more request"
    if "responses" in expect:
        assert len(outcome.statuses) == expect["responses"]


def listener_answers(stage):
    client = stage.client()
    stage.pump.begin_case()
    client.send([REQUEST % b"/"])
    stage.pump.run_until(lambda: client.ended, "an answer to get-simple")
    (response,), _ = read_responses(client.received, [b"GET"], True)
    assert (response.status, response.content) == (200, b"%d /" % stage.served)
    whole, parts = stage.requests()
    # a part of the case's request may come as late as the end of its connection
    stage.pump.run_until(lambda: all(end.ended for end in parts), "a late half request to be dropped")
    assert [request.target for request in whole] == [b"/"], "an extra request reached the origin late"
    assert stage.hop.is_alive() and not stage.hop.sanitizer_report()


@pytest.mark.parametrize("case", corpus.parameters(CASES))
def test_request(stage, case, tier, record_property):
    outcomes = {}
    stage.choose_hop(case)
    record_property("corpus", f"requests, {stage.persona} ({', '.join(corpus.modes(tier))})")
    for mode in corpus.modes(tier):
        outcomes[mode] = play(stage, case, mode)
        judge_expectation(stage, case.expectation(stage.persona, LISTED), outcomes[mode])
        listener_answers(stage)
        assert outcomes[mode] == outcomes["whole"], f"sent in {mode} it is another message"


def test_listed_cases_exist():
    assert set(LISTED) <= {case.id for case in CASES}
