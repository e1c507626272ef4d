"""Timeouts, retries, passive health and idle connections of persona kong: what no other file tells yet.

tests/data/kong-retry-rows.json lists each rule and the test that shows it.
"""
import json
import pathlib

import pytest

from lab import behaviours
from lab.lab import address_of, merge, service_to
from lab.ports import BlackHole
from lab.wait import pace, wait_until
from lab.wire import Stopwatch
from test_health_passive import judged
from test_upstream_keep_alive import ONE_WORKER, wait_idle

HERE = pathlib.Path(__file__)
ROWS = json.loads((HERE.parents[2] / "tests" / "data" / "kong-retry-rows.json").read_text())
BALANCER_BUSY = "The upstream server is currently unavailable"
TIMED_OUT = "upstream timed out (110: Connection timed out)"


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['section']} {row['rule']}" for row in ROWS])
def test_each_rule_names_a_test_that_exists(row):
    assert row["tests"], "a rule without a test"
    for name in row["tests"]:
        file, function = name.split("::")
        path = HERE.parent / file if file.startswith("test_") else HERE.parents[1] / "unit" / file
        text = path.read_text()
        assert f"def {function}(" in text or f"TEST({function})" in text, name


# ---- timeouts


def syns_sent_to(port):
    """Connections to a port of this machine that wait for an answer."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(f":{port:04X}") and row[3] == "02" for row in rows)


def test_connect_timeout_begins_anew_with_the_handshake(lab):
    """The SYN is answered when the kernel sends it again, a second later; then nobody speaks TLS."""
    hole, timeout_ms = BlackHole(), 4000
    lab.others.append(hole)
    kong = lab.kong(hole, protocol="https", connect_timeout=timeout_ms)
    before = syns_sent_to(hole.port)
    client, watch = lab.client(kong), Stopwatch()
    client.send(client.request_bytes("GET", "/"))
    wait_until(lambda: syns_sent_to(hole.port) > before, "the connect to begin")
    hole.fillers[-1].close()  # it waits as well, and would take the place
    accepted = [hole.socket.accept() for _ in hole.fillers[:-1]]
    assert client.read_response().status == 504
    assert watch.seconds >= timeout_ms / 1000 + 0.5, "one timer for both"
    assert kong.access_log.last().tries == ["UPSTREAM_TLS_TIMEOUT"]
    kong.error_log.wait_for(f"{TIMED_OUT} while SSL handshaking to upstream")
    for connection, _ in accepted:
        connection.close()


def test_write_timeout_begins_anew_with_each_byte_taken(lab):
    timeout_ms, steps, step_s = 3000, 12, 0.35

    def read_slowly(connection, request):
        for _ in range(steps):
            connection.read_exact(150_000)
            pace(step_s)
        connection.read_exact(16 * 1024 * 1024 - steps * 150_000)
        request.content_read = True
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    origin = lab.origin(receive_buffer_bytes=4096).on("/", read_slowly)
    kong = lab.kong(origin, write_timeout=timeout_ms)
    watch = Stopwatch()
    assert lab.client(kong).post("/", bytes(16 * 1024 * 1024)).content == b"ok"
    assert watch.seconds > timeout_ms / 1000


# ---- retries


def test_last_outcome_is_the_one_that_the_client_sees(lab):
    for first, last, statuses in [(behaviours.close(), behaviours.hang(), "502, 504"),
                                  (behaviours.hang(), behaviours.close(), "504, 502")]:
        origin = lab.origin()
        origin.otherwise(lambda connection, request, origin=origin, first=first, last=last:
                         (first if len(origin.requests) == 1 else last)(connection, request))
        kong = lab.kong(origin, retries=1, read_timeout=2500, conf=ONE_WORKER)
        assert lab.client(kong).get("/").status == int(statuses[-3:])
        assert kong.access_log.last()["upstream_status"] == statuses


def test_host_is_of_the_target_that_is_asked(lab):
    bad, good = lab.origin(host="127.0.0.2").otherwise(behaviours.close()), lab.origin(content=b"good")
    kong = lab.kong(bad, good, retries=1, conf=ONE_WORKER)
    client = lab.client(kong)
    while not bad.requests:
        assert client.get("/").content == b"good"
    for origin in (bad, good):
        assert {request.fields.get("Host") for request in origin.requests} == {"{}:{}".format(*address_of(origin))}


def test_client_that_has_gone_gets_no_further_try(lab):
    origin = lab.origin().otherwise(behaviours.hang())
    kong = lab.kong(origin, retries=5, read_timeout=60_000)
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    client.reset()
    entry = kong.access_log.last()
    assert (entry.status, entry.tries) == (499, ["CLIENT_ABORTED"])
    assert len(origin.requests) == 1


@pytest.mark.parametrize("buffering, content_with_head, tries", [(False, False, 1), (True, False, 3), (False, None, 3)])
def test_without_request_buffering_nothing_is_sent_twice(lab, buffering, content_with_head, tries):
    """A request without content is not touched by it (content_with_head None)."""
    origin = lab.origin().otherwise(behaviours.close())
    kong = lab.kong(origin, retries=2, route={"request_buffering": buffering})
    client = lab.client(kong)
    if content_with_head is None:
        assert client.get("/").status == 502
    else:
        client.send(client.request_bytes("PUT", "/", [("Content-Length", "6")]) + b"abc")
        if buffering:
            client.send(b"def")
        assert client.read_response().status == 502
    assert kong.access_log.last().tries == ["UPSTREAM_HEAD_CLOSED"] * tries
    assert len(origin.requests) == tries


def test_without_request_buffering_any_method_goes_on_when_nothing_was_sent(lab):
    kong = lab.kong(lab.refusing_port(), retries=2, route={"request_buffering": False})
    client = lab.client(kong)
    client.send(client.request_bytes("POST", "/", [("Content-Length", "6")]) + b"abc")
    assert client.read_response().status == 502
    assert kong.access_log.last().tries == ["CONNECT_REFUSED"] * 3


# ---- which target a retry asks


def asked(lab, algorithm, targets_count, retries, **upstream):
    """(the answer, ports in the order in which they were asked): all targets close."""
    origins = [lab.origin().otherwise(behaviours.close()) for _ in range(targets_count)]
    declarative = service_to(*origins, ("127.0.0.1", 1), retries=retries, algorithm=algorithm)
    entity = declarative["upstreams"][0]
    entity["targets"] = entity["targets"][:-1]
    entity.update(upstream)
    kong = lab.hop(declarative, persona="kong", conf=ONE_WORKER)
    answer = lab.client(kong).get("/")
    return answer, [attempt["port"] for attempt in kong.access_log.last()["tries"]], origins, kong


def test_round_robin_takes_the_next_slot_whatever_was_tried(lab):
    _, ports, origins, _ = asked(lab, "round-robin", 3, 5)
    assert ports[:3] == ports[3:] and len(set(ports)) == 3
    assert [len(origin.requests) for origin in origins] == [2, 2, 2]


def test_consistent_hashing_asks_the_same_target_again(lab):
    answer, ports, _, _ = asked(lab, "consistent-hashing", 3, 5, hash_on="path")
    assert answer.status == 502 and len(ports) == 6 and len(set(ports)) == 1


def test_consistent_hashing_goes_on_when_the_target_became_unavailable(lab):
    checks = {"passive": {"unhealthy": {"tcp_failures": 2}}}
    answer, ports, _, _ = asked(lab, "consistent-hashing", 3, 5, hash_on="path", healthchecks=checks)
    assert answer.status == 502 and [ports.count(port) for port in dict.fromkeys(ports)] == [2, 2, 2]


def test_least_connections_begins_anew_when_all_failed(lab):
    answer, ports, origins, _ = asked(lab, "least-connections", 3, 5)
    assert answer.status == 502
    assert len(set(ports[:3])) == 3 and len(set(ports[3:])) == 3
    assert [len(origin.requests) for origin in origins] == [2, 2, 2]


def test_latency_ends_when_all_failed_with_kong_s_other_503(lab):
    answer, ports, _, kong = asked(lab, "latency", 2, 5)
    assert len(ports) == 2 and len(set(ports)) == 2
    check_other_503(answer)
    kong.error_log.wait_for("failure to get a peer from the ring-balancer while connecting to upstream")


def test_latency_asks_a_single_target_again(lab):
    answer, ports, _, _ = asked(lab, "latency", 1, 2)
    assert answer.status == 502 and len(ports) == 3


def check_other_503(answer):
    """Made by the error handler, after a target was picked: the text of its table, and a proxied answer's fields."""
    assert (answer.status, answer.text.split("\n")[0]) == (503, BALANCER_BUSY)
    assert answer.fields.get("Via") == "1.1 kong/3.9.3"
    assert answer.fields.get("X-Kong-Upstream-Latency") and not answer.fields.get("X-Kong-Response-Latency")


def test_retry_without_a_peer_is_kong_s_other_503(lab):
    declarative = judged(lab.refusing_port(), retries=5, passive={"unhealthy": {"tcp_failures": 2}})
    kong = lab.hop(declarative, persona="kong")
    check_other_503(lab.client(kong).get("/"))
    assert kong.access_log.last().tries == ["CONNECT_REFUSED"] * 2
    first = lab.client(kong).get("/", [("Accept", "text/plain")])
    assert (first.status, first.text.split("\n")[0]) == (503, "failure to get a peer from the ring-balancer")
    assert not first.fields.get("Via") and first.fields.get("X-Kong-Response-Latency")


# ---- what passive health is told

ALL = {"unhealthy": {"tcp_failures": 200, "timeouts": 200, "http_failures": 200}}
WITH_502 = {"unhealthy": {**ALL["unhealthy"], "http_statuses": [502]}}


def refusing(lab):
    return lab.refusing_port()


def doing(behaviour):
    return lambda lab: lab.origin().otherwise(behaviour)


# name -> (target, retries, passive, what is counted: TCP, TIMEOUT, HTTP)
REPORTS = {
    "refused, others follow": (refusing, 2, ALL, (2, 0, 0)),
    "refused, the only try": (refusing, 0, ALL, (0, 0, 0)),
    "refused, and 502 is listed": (refusing, 2, WITH_502, (2, 0, 1)),
    "closed, others follow": (doing(behaviours.close()), 1, ALL, (1, 0, 0)),
    "malformed head, the only try": (doing(behaviours.raw(b"HTTP/1.1 200 OK\r\nBad Name: x\r\n\r\n")), 2, ALL, (0, 0, 0)),
    "silent, others follow": (doing(behaviours.hang()), 2, ALL, (0, 3, 0)),
    "silent, the only try": (doing(behaviours.hang()), 0, ALL, (0, 1, 0)),
    "answers 504 itself": (doing(behaviours.answer(b"", status=504, reason="x")), 5, ALL, (0, 1, 0)),
    "answers 503 itself": (doing(behaviours.answer(b"", status=503, reason="x")), 5, ALL, (0, 0, 1)),
    "answers 502 itself": (doing(behaviours.answer(b"", status=502, reason="x")), 5, ALL, (0, 0, 0)),
    "answers 404 itself": (doing(behaviours.answer(b"", status=404, reason="x")), 5, ALL, (0, 0, 0)),
}


@pytest.mark.parametrize("name", REPORTS)
def test_passive_health_is_told(lab, name):
    make, retries, passive, counted = REPORTS[name]
    declarative = judged(make(lab), retries=retries, passive=passive)
    declarative["services"][0]["read_timeout"] = 200 if "silent" in name else 60_000
    kong = lab.hop(declarative, persona="kong")
    assert lab.client(kong).get("/").status >= 404
    kong.access_log.wait(1)
    lines = [len(kong.error_log.lines(f"unhealthy {kind} increment")) for kind in ("TCP", "TIMEOUT", "HTTP")]
    assert tuple(lines) == counted


def test_passive_health_is_not_told_of_a_client_that_leaves(lab):
    origin = lab.origin().otherwise(behaviours.hang())
    kong = lab.hop(judged(origin, retries=5, passive=ALL), persona="kong")
    client = lab.client(kong)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    client.reset()
    assert kong.access_log.last().status == 499
    assert kong.error_log.lines("increment") == []


# ---- idle connections


def served_on(origin):
    return [request.connection.number for request in origin.requests]


def two_ways_to(origin):
    """A service with the address itself, and one with an upstream that has it."""
    through = service_to(origin, ("127.0.0.1", 1), name="b", paths=["/b"])
    through["upstreams"][0]["targets"].pop()
    return merge(service_to(origin, name="a", paths=["/a"]), through)


@pytest.mark.parametrize("persona, connections", [("kong", [1, 1, 1, 1]), ("edge", [1, 2, 1, 2])])
def test_services_with_one_address_share_plain_connections(lab, persona, connections):
    """Those of an edge do not: another upstream may judge its targets otherwise."""
    origin = lab.origin()
    client = lab.client(lab.hop(two_ways_to(origin), persona=persona, conf=ONE_WORKER))
    for path in ("/a", "/b", "/a", "/b"):
        assert client.get(path).status == 200
    assert served_on(origin) == connections


def test_tls_connections_are_shared_by_host(lab):
    origin = lab.origin(tls=lab.pki.server_context())
    kong = lab.kong(origin, protocol="https", conf=ONE_WORKER, route={"preserve_host": True})
    client = lab.client(kong)
    for host in ("a.test", "b.test", "a.test", "b.test"):
        assert client.get("/", [("Host", host)]).status == 200
    assert served_on(origin) == [1, 2, 1, 2]


def test_tls_connections_are_not_shared_with_other_settings(lab):
    origin = lab.origin(tls=lab.pki.server_context())
    both = merge(service_to(origin, name="a", paths=["/a"], protocol="https"),
                 service_to(origin, name="b", paths=["/b"], protocol="https", tls_verify=False))
    client = lab.client(lab.hop(both, persona="kong", conf=ONE_WORKER))
    for path in ("/a", "/a", "/b", "/b"):
        assert client.get(path).status == 200
    assert len(set(served_on(origin)[:2])) == 1 and len(set(served_on(origin)[2:])) == 1


def test_connection_is_closed_after_its_last_request(lab):
    origin = lab.origin()
    client = lab.client(lab.kong(origin, conf={**ONE_WORKER, "upstream_keepalive_max_requests": "2"}))
    for _ in range(5):
        client.get("/")
    assert served_on(origin) == [1, 1, 2, 2, 3]


def test_pool_is_for_all_targets_together_and_lets_the_oldest_go(lab):
    origins = [lab.origin() for _ in range(3)]
    services = merge(*(service_to(origin, name=f"s{number}", paths=[f"/{number}"])
                       for number, origin in enumerate(origins)))
    kong = lab.hop(services, persona="kong", conf={**ONE_WORKER, "upstream_keepalive_pool_size": "2"})
    client = lab.client(kong)
    for number in (0, 1, 2):
        client.get(f"/{number}")
    wait_idle(kong, 2)
    for number in (2, 1, 0):
        client.get(f"/{number}")
    assert [served_on(origin) for origin in origins] == [[1, 2], [1, 1], [1, 1]]


def test_pool_of_size_0_keeps_none(lab):
    origin = lab.origin()
    client = lab.client(lab.kong(origin, conf={**ONE_WORKER, "upstream_keepalive_pool_size": "0"}))
    for _ in range(3):
        client.get("/")
    assert served_on(origin) == [1, 2, 3]


def test_idle_connection_is_closed_in_time(lab):
    kong = lab.kong(lab.origin(), conf={**ONE_WORKER, "upstream_keepalive_idle_timeout": "1"})
    assert lab.client(kong).get("/").status == 200
    wait_idle(kong, 0)


def test_connection_that_ended_while_idle_is_not_tried(lab):
    origin = lab.origin()
    kong = lab.kong(origin, conf=ONE_WORKER)
    client = lab.client(kong)
    client.get("/")
    wait_idle(kong, 1)
    origin.connections[0].drop()
    wait_idle(kong, 0)
    assert client.request("POST", "/", content=b"abc").status == 200
    assert kong.access_log.wait(2)[1].tries == [200]


@pytest.mark.parametrize("end, phrase", [("close", "upstream prematurely closed connection"),
                                         ("reset", "recv() failed (104: Connection reset by peer)")])
@pytest.mark.parametrize("method, retries, status, tries", [
    ("GET", 0, 502, 1), ("GET", 1, 200, 2), ("PUT", 1, 200, 2), ("POST", 5, 502, 1), ("PATCH", 5, 502, 1)])
def test_stale_connection_costs_a_try(lab, end, phrase, method, retries, status, tries):
    origin = lab.origin()
    origin.otherwise(lambda connection, request: behaviours.answer(b"ok")(connection, request)
                     if request.number == 1 else behaviours.finish(connection, end))
    kong = lab.kong(origin, retries=retries, conf=ONE_WORKER)
    client = lab.client(kong)
    assert client.get("/").status == 200
    wait_idle(kong, 1)
    assert client.request(method, "/second").status == status
    assert len(kong.access_log.wait(2)[1].tries) == tries
    lines = kong.error_log.wait_for(f"{phrase} while reading response header from upstream", "/second")
    assert len(lines) == 1


# ---- chains: the LB behind Kong, the LB in front of it


def chain(lab, inner, retries=2, kong=None, **inner_service):
    """Kong in front of an F5 (or another) in front of `inner`."""
    load_balancer = lab.hop(service_to(inner, **{"retries": 0, **inner_service}), persona="f5", name="lb", listen="127.0.1.3")
    gateway = lab.hop(service_to(load_balancer, retries=retries, **(kong or {})), persona="kong", name="gateway",
                      listen="127.0.1.2")
    return gateway, load_balancer


@pytest.mark.parametrize("method, tries", [("GET", 6), ("POST", 1)])
def test_chain_with_a_pool_that_is_down(lab, method, tries):
    """The F5 accepts and resets: a 502 of Kong's, and the F5 was asked as often as the method allows."""
    gateway, load_balancer = chain(lab, lab.refusing_port(), retries=5)
    assert lab.client(gateway).request(method, "/").status == 502
    assert gateway.access_log.last().tries == ["UPSTREAM_HEAD_RESET"] * tries
    assert len(gateway.error_log.wait_for("recv() failed (104: Connection reset by peer)", count=tries)) == tries
    assert len(load_balancer.access_log.wait(tries)) == tries


@pytest.mark.parametrize("method, tries", [("GET", 3), ("POST", 1)])
def test_chain_with_a_silent_server_lets_it_see_the_request_again_and_again(lab, method, tries):
    server = lab.origin().otherwise(behaviours.hang())
    gateway, _ = chain(lab, server, retries=2, kong={"read_timeout": 2500})
    watch = Stopwatch()
    assert lab.client(gateway).request(method, "/").status == 504
    assert watch.seconds >= tries * 2.5 * 0.95
    assert gateway.access_log.last().tries == ["UPSTREAM_HEAD_TIMEOUT"] * tries
    server.wait_for_requests(tries)
    assert len(server.requests) == tries


def test_chain_whose_lb_loses_patience_first_is_a_502_and_no_504(lab):
    server = lab.origin().otherwise(behaviours.hang())
    gateway, _ = chain(lab, server, retries=1, kong={"read_timeout": 60_000}, read_timeout=300)
    assert lab.client(gateway).get("/").status == 502
    assert gateway.access_log.last().tries == ["UPSTREAM_HEAD_RESET"] * 2


@pytest.mark.parametrize("status, target", [(502, lambda lab: lab.refusing_port()),
                                            (504, lambda lab: lab.origin().otherwise(behaviours.hang()))])
def test_chain_passes_the_inner_lb_s_own_page_on(lab, status, target):
    inner = lab.hop(service_to(target(lab), read_timeout=300), persona="edge", name="inner", listen="127.0.1.3")
    gateway = lab.hop(service_to(inner, retries=5), persona="kong", name="gateway", listen="127.0.1.2",
                      conf={"headers": "server_tokens, latency_tokens, X-Kong-Request-Id, X-Kong-Upstream-Status"})
    answer = lab.client(gateway).get("/")
    own = lab.client(inner).get("/")
    assert (answer.status, answer.reason, answer.text.split("request")[0]) == (status, own.reason, own.text.split("request")[0])
    assert "hop:     inner" in answer.text
    assert answer.fields.get("Via").endswith("1.1 kong/3.9.3") and answer.fields.get("X-Kong-Upstream-Latency")
    assert answer.fields.get("X-Kong-Upstream-Status") == str(status)
    assert gateway.access_log.last().tries == [status], "a status is an answer: no retry"
    assert gateway.error_log.lines("while") == []


def test_chain_whose_outer_lb_gives_up_first(lab):
    """Kong aborts and logs 499; no error line, nothing counted against the server."""
    server = lab.origin().otherwise(behaviours.hang())
    declarative = judged(server, retries=5, passive=ALL)
    gateway = lab.hop(declarative, persona="kong", name="gateway", listen="127.0.1.2", conf={"log_level": "notice"})
    outer = lab.hop(service_to(gateway, read_timeout=2500), persona="edge", name="outer", listen="127.0.1.1")
    answer = lab.client(outer).get("/")
    assert answer.status == 504 and "hop:     outer" in answer.text
    server.wait_for_requests(1)
    assert gateway.access_log.last().status == 499
    assert len(server.requests) == 1
    assert gateway.error_log.lines("client:") == [] and gateway.error_log.lines("increment") == []
