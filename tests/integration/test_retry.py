"""When another target is tried: nothing lost, nothing done twice."""
import collections

import pytest

from lab import behaviours
from lab.client import Truncated
from lab.wire import Ended

ONE_WORKER = {"nginx_worker_processes": "1"}


@pytest.mark.parametrize("persona", ["kong", "edge"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_client_never_sees_a_target_that_refuses(lab, persona, method):
    """Nothing was sent to a target that refused, so any method goes on to the next."""
    alive = lab.origin(content=b"hello")
    hop = getattr(lab, persona)(lab.refusing_port(), alive, retries=1)
    client = lab.client(hop)
    for _ in range(4):
        answer = client.request(method, "/", content=b"abc" if method == "POST" else None)
        assert (answer.status, answer.content) == (200, b"hello")
    assert len(alive.requests) == 4
    outcomes = [entry.tries for entry in hop.access_log.wait(4)]
    assert all(outcome in ([200], ["CONNECT_REFUSED", 200]) for outcome in outcomes)
    assert ["CONNECT_REFUSED", 200] in outcomes


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_as_many_tries_as_configured_and_then_502(lab, retries):
    kong = lab.kong(lab.refusing_port(), retries=retries)
    assert lab.client(kong).get("/").status == 502
    assert kong.access_log.last().tries == ["CONNECT_REFUSED"] * (retries + 1)
    assert len(kong.error_log.wait_for("connect() failed", count=retries + 1)) == retries + 1


def test_without_a_word_kong_tries_six_times(lab):
    kong = lab.make_hop({"services": [{"name": "s", "host": "127.0.0.1", "port": lab.refusing_port().port,
                                       "routes": [{"name": "r", "paths": ["/"]}]}]}).start()
    assert lab.client(kong).get("/").status == 502
    assert kong.access_log.last()["tries_count"] == 6
    assert len(kong.error_log.wait_for("connect() failed", count=6)) == 6


def test_very_many_tries_end_like_a_few(lab):
    kong = lab.kong(lab.refusing_port(), retries=2000)
    assert lab.client(kong).get("/").status == 502
    assert kong.access_log.last()["tries_count"] == 2001


@pytest.mark.parametrize("method, asked", [("GET", 3), ("PUT", 3), ("DELETE", 3), ("POST", 1), ("PATCH", 1)])
@pytest.mark.parametrize("fault", [behaviours.close, behaviours.reset])
def test_only_repeatable_requests_are_sent_again(lab, method, asked, fault):
    origin = lab.origin().on("/", fault())
    kong = lab.kong(origin, retries=2)
    content = b"abc" if method in ("PUT", "POST", "PATCH") else None
    assert lab.client(kong).request(method, "/", content=content).status == 502
    assert len(origin.requests) == asked


def test_repeated_request_carries_its_content_again(lab):
    bad = lab.origin().on("/", lambda connection, request: (request.read_content(), behaviours.finish(connection, "close")))
    good = lab.origin().on("/", behaviours.swallow())
    kong = lab.kong(bad, good, retries=1, conf=ONE_WORKER)
    content = b"".join(behaviours.pattern(50_000))
    client = lab.client(kong)
    for _ in range(2):
        assert client.request("PUT", "/", content=content).text == f"50000 {behaviours.pattern_sum(50_000)}"
    assert bad.requests, "the bad target was never tried"


def test_no_second_try_once_the_response_began(lab):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    origin = lab.origin().on("/", behaviours.raw(head + b"01234", then="close"))
    edge = lab.edge(origin, retries=5)
    with pytest.raises((Truncated, Ended)):
        lab.client(edge).get("/")
    assert len(origin.requests) == 1
    edge.error_log.wait_for("upstream prematurely closed connection while reading upstream")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_error_status_of_the_origin_is_an_answer(lab, status):
    origin = lab.origin().on("/", behaviours.answer(b"mine", status=status))
    assert lab.client(lab.kong(origin, retries=5)).get("/").content == b"mine"
    assert len(origin.requests) == 1


def test_timeout_is_tried_again_and_the_last_outcome_is_shown(lab):
    origin = lab.origin().on("/", behaviours.hang())
    kong = lab.kong(origin, retries=1, read_timeout=200)
    assert lab.client(kong).get("/").status == 504
    origin.wait_for_requests(2)  # it may read them later than the hop gave up
    assert kong.access_log.last().tries == ["UPSTREAM_HEAD_TIMEOUT"] * 2


def test_stale_upstream_connection_does_not_reach_the_client(lab):
    """The origin ends its idle connection while our next request is on its way to it."""
    origin = lab.origin()
    origin.on("/", lambda connection, request: behaviours.answer(b"ok")(connection, request)
              if request.number == 1 else behaviours.finish(connection, "close"))
    client = lab.client(lab.edge(origin, retries=1))
    assert [client.get("/").content for _ in range(3)] == [b"ok"] * 3


def test_each_try_is_logged_with_its_own_fault(lab):
    closing = lab.origin().on("/", behaviours.close())
    kong = lab.kong(closing, lab.refusing_port(), retries=1, conf=ONE_WORKER)
    client = lab.client(kong)
    for _ in range(2):
        assert client.get("/").status == 502
    outcomes = [entry.tries for entry in kong.access_log.wait(2)]
    assert all(sorted(tries) == ["CONNECT_REFUSED", "UPSTREAM_HEAD_CLOSED"] for tries in outcomes), outcomes


def test_malformed_response_is_not_tried_again(lab):
    origin = lab.origin().on("/", behaviours.raw(b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n", then="close"))
    kong = lab.kong(origin, retries=5)
    assert lab.client(kong).get("/").status == 502
    assert len(origin.requests) == 1
    kong.error_log.wait_for("upstream sent invalid header")


def test_round_robin_shares_by_weight(lab):
    light, heavy = lab.origin(content=b"light"), lab.origin(content=b"heavy")
    hop = lab.make_hop({
        "services": [{"name": "s", "host": "pool", "routes": [{"name": "r", "paths": ["/"]}]}],
        "upstreams": [{"name": "pool", "targets": [
            {"target": f"127.0.0.1:{light.port}", "weight": 100},
            {"target": f"127.0.0.1:{heavy.port}", "weight": 300}]}]}, conf=ONE_WORKER).start()
    client = lab.client(hop)
    seen = collections.Counter(client.get("/").text for _ in range(40))
    assert seen == {"light": 10, "heavy": 30}


def test_target_of_weight_zero_is_never_asked(lab):
    unused, used = lab.origin(), lab.origin(content=b"used")
    hop = lab.make_hop({
        "services": [{"name": "s", "host": "pool", "routes": [{"name": "r", "paths": ["/"]}]}],
        "upstreams": [{"name": "pool", "targets": [
            {"target": f"127.0.0.1:{unused.port}", "weight": 0},
            {"target": f"127.0.0.1:{used.port}", "weight": 1}]}]}).start()
    client = lab.client(hop)
    assert {client.get("/").text for _ in range(10)} == {"used"}
    assert unused.connections == []


def test_upstream_without_targets_is_503(lab):
    hop = lab.make_hop({"services": [{"name": "s", "host": "pool", "routes": [{"name": "r", "paths": ["/"]}]}],
                        "upstreams": [{"name": "pool"}]}).start()
    answer = lab.client(hop).get("/")
    assert answer.status == 503
    assert b"failure to get a peer from the ring-balancer" in answer.content
