"""The request corpus through a real hop in front of real servers: no input makes the two disagree on where a message ends.

    client (this thread) -> hop -> tap (this thread) -> nginx, HAProxy, Python's http.server or Node

The tap keeps every byte of both directions. What the hop sent must pass the strict reader of the lab; a server must
answer each of these requests, once, and say that it saw that method, target and content; the hop's access log must
name the same requests; the client must get the answers to its own requests, and so must the next client on the same
upstream connection.

A server may refuse a request that is whole (Node knows a list of methods, each server has limits of its own). It
then has to refuse it as one request: that is counted as one answer, and the next client proves that nothing was left.
"""
import json
import re

import pytest

from lab import corpus
from lab.lab import service_to
from lab.peers import PEERS, seen
from lab.strict import read_requests, read_responses
from lab.tap import Tap
from lab.wait import wait_until

CASES = corpus.load("http1-requests.json")
SAMPLE_PEER = "python"
SAMPLE = ("get-simple", "post-cl", "post-chunked", "post-chunked-trailer-valid", "pipelined-post-then-get", "te-cl-both",
          "chunk-size-0x", "cl-plus", "hdr-obs-fold", "expect-100-body-sent")
NEXT = b"GET /next HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
PROBE = b"GET /probe-%d HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
CLOSES = re.compile(rb"(^|,)\s*close\s*(,|$)", re.I)


class Stage:
    """One hop of a persona in front of one server."""

    def __init__(self, lab, peer, persona, directory):
        self.peer, self.persona = peer, persona
        self.server = PEERS[peer].start(directory, lab)
        self.tap = Tap(self.server.socket_path)
        self.hop = lab.hop(service_to(self.tap), persona=persona, name=f"{persona}-{peer}", conf={
            "nginx_worker_processes": "1", "nginx_http_client_header_timeout": "2500ms",
            "nginx_http_client_body_timeout": "2500ms"})
        self.probes = self.log_at = 0
        self.tries = {}

    def begin_case(self):
        self.tap.begin_case(count_begun)

    def read_log(self):
        """(hop's port, n-th request on it) of each try that had a connection, and the status that was read, if any."""
        text = self.hop.access_log.text()
        new = text[self.log_at:text.rfind("\n") + 1]
        self.log_at += len(new)
        for line in new.splitlines():
            self.tries |= {(attempt["local_port"], attempt["request_number"]): attempt.get("status")
                           for attempt in json.loads(line)["tries"] if "local_port" in attempt}
        return self.tries

    def client(self):
        return self.tap.connect(self.hop.http)

    def stop(self):
        self.hop.stop()
        self.tap.stop()
        self.server.stop()


class Stages:
    """The last stage asked for: cases come sorted by server and persona."""

    def __init__(self, lab, make_directory):
        self.lab, self.make_directory, self.key, self.stage = lab, make_directory, None, None

    def get(self, peer, persona):
        if self.key != (peer, persona):
            self.stop()
            self.stage, self.key = Stage(self.lab, peer, persona, self.make_directory()), (peer, persona)
        return self.stage

    def stop(self):
        if self.stage:
            self.stage.stop()
        self.stage = self.key = None


@pytest.fixture(scope="module")
def stages(module_lab):
    stages = Stages(module_lab, module_lab.user_directory)
    yield stages
    stages.stop()


def front_bytes(pair):
    return bytes(pair.front.received[pair.front.mark:])


def requests_on(pair):
    """(complete requests of this case on a connection, whether a part of one follows); Broken if it was none."""
    return read_requests(front_bytes(pair))


def count_begun(pair):
    whole, is_cut = requests_on(pair)
    return len(whole) + is_cut


def responses_on(pair):
    """The server's final answers of this case on a connection."""
    whole, _ = requests_on(pair)
    data = bytes(pair.back.received[pair.back.mark:])
    responses, rest = read_responses(data, [request.method for request in whole], pair.back.ended is not None)
    assert not rest, f"the server sent a part of a head: {data[-200:]!r}"
    return [response for response in responses if response.status >= 200]


def is_idle(pair):
    """May the hop keep this connection for the next request?"""
    whole, is_cut = requests_on(pair)
    responses = responses_on(pair)
    last = responses[-1] if responses else None
    return pair.is_open() and not is_cut and len(responses) == len(whole) and not (
        last and any(CLOSES.search(value) for value in last.all(b"Connection")))


def client_responses(stage, client):
    methods = [request.method for pair in stage.tap.used_pairs() for request in requests_on(pair)[0]]
    return read_responses(client.received, methods, client.ended is not None)


def has_final(stage, client):
    responses, _ = client_responses(stage, client)
    return any(response.complete and response.status >= 200 for response in responses)


def play(stage, case):
    """Sends the case and, behind its first answer, one more request that ends the connection."""
    tap = stage.tap
    stage.begin_case()
    client = stage.client()
    client.send(case.pieces("whole"), case.get("then"))
    tap.run_until(lambda: client.ended or has_final(stage, client), f"an answer to {case.id}")
    if not client.ended and not case.get("then"):
        client.send([NEXT])
    tap.run_until(lambda: client.ended, lambda: f"the end of the connection, after {bytes(client.received)!r}")
    tap.run_until(lambda: all(pair.is_over() or is_idle(pair) for pair in tap.used_pairs()),
                  "upstream connections to be idle or over")
    return client


def judge_connection(pair):
    """The server saw the requests that the hop sent, each where the hop ended it. Returns how many it refused."""
    whole, is_cut = requests_on(pair)
    responses = responses_on(pair)
    refused = 0
    assert len(responses) <= len(whole) + is_cut, \
        f"the server answered {len(responses)} requests, the hop sent {len(whole)}: {front_bytes(pair)!r}"
    for request, response in zip(whole, responses):
        if response.all(b"X-Seen"):
            says = response.all(b"X-Seen")[0].split(b" ", 1)[1]
            assert says == seen(request.method, request.target, request.content), \
                f"the server saw another request than {request.start_line!r}"
        else:
            assert response.status >= 400, f"{response.start_line!r} for {request.start_line!r}"
            refused += 1
    for response in responses[len(whole):]:
        assert response.status >= 400 and not response.all(b"X-Seen"), "the server took a part of a request for a whole"
    assert len(responses) >= len(whole) or pair.back.ended, "a request was not answered"
    return refused


def judge_log(stage):
    """What the hop says it sent is what passed the tap."""
    passed, answers, begun_at = set(), {}, {}
    for pair in stage.tap.used_pairs():
        begun_at[pair.hop_port] = first = pair.requests_before + 1
        passed |= {(pair.hop_port, first + at) for at in range(count_begun(pair))}
        answers |= {(pair.hop_port, first + at): response.status for at, response in enumerate(responses_on(pair))}
    wait_until(lambda: passed <= set(stage.read_log()), lambda: f"{passed} in the log, there is {stage.tries}")
    of_case = {key: status for key, status in stage.tries.items() if key[1] >= begun_at.get(key[0], key[1] + 1)}
    assert set(of_case) == passed, "the hop says that it sent something else"
    read = {key: status for key, status in of_case.items() if status}
    assert read.items() <= answers.items(), f"the hop read {read}, the server answered {answers}"


def judge_client(stage, client):
    """Each answer went to the client whose request it answers, in order."""
    responses, rest = client_responses(stage, client)
    assert not rest and all(response.complete for response in responses), bytes(client.received)
    got = [value for response in responses for value in response.all(b"X-Seen")]
    pairs = sorted(stage.tap.used_pairs(), key=lambda pair: pair.hop_port)
    sent = [value for pair in pairs for response in responses_on(pair) for value in response.all(b"X-Seen")]
    assert sorted(got) == sorted(sent), f"the client got {got}, the server sent {sent}"
    numbers = [int(value.split(b" ")[0]) for value in got]
    assert numbers == sorted(numbers), "answers went out in another order than they came"


def next_client_gets_its_own_answer(stage):
    idle = [pair for pair in stage.tap.pairs if is_idle(pair)]
    stage.begin_case()
    stage.probes += 1
    client = stage.client()
    client.send([PROBE % stage.probes])
    stage.tap.run_until(lambda: client.ended, "an answer to the probe")
    (response,), _ = read_responses(client.received, [b"GET"], True)
    says = response.all(b"X-Seen")[0].split(b" ", 1)[1]
    assert says == seen(b"GET", b"/probe-%d" % stage.probes, b""), "the probe got another request's answer"
    used = stage.tap.used_pairs()
    assert len(used) == 1 and [request.target for request in requests_on(used[0])[0]] == [b"/probe-%d" % stage.probes]
    assert not idle or used[0] in idle, "the probe did not go over the connection that the case left"
    assert stage.hop.is_alive() and not stage.hop.sanitizer_report()


def parameters():
    for peer in PEERS:
        for persona in corpus.PERSONAS:
            for case in CASES:
                sampled = peer == SAMPLE_PEER and case.id in SAMPLE
                yield pytest.param(peer, persona, case, id=f"{peer}-{persona}-{case.id}",
                                   marks=pytest.mark.slow if sampled else pytest.mark.long)


@pytest.mark.parametrize("peer, persona, case", parameters())
def test_front_and_back_agree(stages, request, module_lab, peer, persona, case, record_property):
    if missing := PEERS[peer].missing():
        pytest.skip(missing)
    request.node.lab = module_lab
    record_property("corpus", f"differential, {persona} before {peer}")
    stage = stages.get(peer, persona)
    client = play(stage, case)
    for pair in stage.tap.used_pairs():
        judge_connection(pair)
    judge_client(stage, client)
    judge_log(stage)
    next_client_gets_its_own_answer(stage)


def test_sampled_cases_exist():
    assert set(SAMPLE) <= {case.id for case in CASES}
