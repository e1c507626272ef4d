"""How long connections to targets are kept, and what a dead one looks like."""
import json
import threading

from lab import behaviours
from lab.lab import service_to
from lab.wait import wait_until
from test_control import ask
from test_reload import reload

import pytest

ONE_WORKER = {"nginx_worker_processes": "1"}


def hinting(lab, hint):
    return lab.origin().on("/", behaviours.answer(b"ok", fields=[("Keep-Alive", hint)]))


def wait_idle(hop, count):
    def idle():
        return sum(worker["idle_upstream_connections"] for worker in ask(hop, "show", "memory")["workers"])

    wait_until(lambda: idle() == count, lambda: f"{count} idle connections to targets, there are {idle()}")


def test_edge_lets_go_before_the_target_does(lab):
    origin = hinting(lab, "timeout=1")
    edge = lab.edge(origin, conf=ONE_WORKER)
    client = lab.client(edge)
    client.get("/")
    wait_idle(edge, 0)
    assert client.get("/").status == 200
    assert len(origin.connections) == 2


def test_kong_does_not_listen_to_the_hint(lab):
    origin = hinting(lab, "timeout=60, max=0")
    client = lab.client(lab.kong(origin, conf=ONE_WORKER))
    for _ in range(3):
        client.get("/")
    assert len(origin.connections) == 1


def test_last_request_that_the_target_takes_is_the_last_on_its_connection(lab):
    origin = hinting(lab, "max=0")
    client = lab.client(lab.edge(origin, conf=ONE_WORKER))
    for _ in range(3):
        client.get("/")
    assert [request.number for request in origin.requests] == [1, 1, 1]


def test_one_target_may_have_few_idle_connections(lab):
    origin = lab.origin(content=b"x")
    edge = lab.edge(origin, conf={**ONE_WORKER, "hopgate_upstream_keepalive_per_target": "1"})
    gate = threading.Event()
    origin.on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    clients = [lab.client(edge) for _ in range(3)]
    for client in clients:
        client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(3)
    gate.set()
    for client in clients:
        client.read_response()
    wait_idle(edge, 1)


def test_stale_connection_is_named_in_the_log_and_counted(lab):
    origin = lab.origin()
    origin.on("/", lambda connection, request: behaviours.answer(b"ok")(connection, request)
              if request.number == 1 else behaviours.finish(connection, "close"))
    edge = lab.edge(origin, retries=1, conf=ONE_WORKER)
    client = lab.client(edge)
    assert [client.get("/").content for _ in range(2)] == [b"ok"] * 2
    entry = edge.access_log.wait(2)[-1]
    assert entry.tries == ["UPSTREAM_HEAD_CLOSED", 200]
    assert "stale connection: kept idle for" in json.dumps(entry["tries"])
    edge.error_log.wait_for("stale connection: kept idle for")
    target, = ask(edge, "show", "targets")["targets"]
    assert target["stale_connections"] == 1


def test_post_on_a_stale_connection_is_502_and_says_so(lab):
    origin = lab.origin()
    origin.on("/", lambda connection, request: behaviours.answer(b"ok")(connection, request)
              if request.number == 1 else behaviours.finish(connection, "reset"))
    kong = lab.kong(origin, retries=5, conf=ONE_WORKER)
    client = lab.client(kong)
    client.get("/")
    assert client.request("POST", "/", content=b"abc").status == 502
    assert "stale connection" in json.dumps(kong.access_log.wait(2)[-1]["tries"])


@pytest.mark.parametrize("conf, connections", [
    ({}, 1), ({"hopgate_upstream_keepalive_of": "address"}, 1), ({"hopgate_upstream_keepalive_of": "target"}, 2)])
def test_idle_connections_are_an_address_s_or_a_target_s(lab, conf, connections):
    origin = lab.origin(content=b"x")
    target = [{"target": f"127.0.0.1:{origin.port}"}]
    hop = lab.hop({"_format_version": "3.0", "upstreams": [{"name": name, "targets": target} for name in ("a", "b")],
                   "services": [{"name": name, "host": name, "routes": [{"name": name, "paths": [f"/{name}"]}]} for name in ("a", "b")]},
                  persona="kong", conf={**ONE_WORKER, **conf})
    client = lab.client(hop)
    assert [client.get(path).status for path in ("/a", "/b", "/a", "/b")] == [200] * 4
    assert len(origin.connections) == connections


# ---- one connection to a target for each client connection, as an F5 without OneConnect


@pytest.mark.rules("f5 upstream.pin", "f5 upstream.keepalive_pool_count")
def test_f5_keeps_a_client_on_its_target_and_connection(lab):
    origins = [lab.origin(content=name) for name in (b"a", b"b", b"c")]
    f5 = lab.f5(*origins)
    seen = set()
    for _ in range(6):
        client = lab.client(f5)
        answers = {client.get("/").content for _ in range(4)}
        assert len(answers) == 1, "balanced once for each client connection"
        seen |= answers
    assert seen == {b"a", b"b", b"c"}
    requests = [request for origin in origins for request in origin.requests]
    assert sorted(request.number for request in requests) == [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6


@pytest.mark.rules("f5 upstream.keepalive_of")
def test_clients_of_an_f5_share_no_connection(lab):
    origin = lab.origin(content=b"x")
    f5 = lab.f5(origin, conf=ONE_WORKER)
    clients = [lab.client(f5) for _ in range(3)]
    for _ in range(2):
        for client in clients:
            client.get("/")
    assert len(origin.connections) == 3


def test_target_that_ends_its_connection_ends_the_client_of_an_f5(lab):
    origin = lab.origin(content=b"x")
    f5 = lab.f5(origin)
    client = lab.client(f5)
    client.get("/")
    origin.connections[0].drop()
    assert client.wait_for_end()


def test_client_that_leaves_an_f5_takes_its_connection_with_it(lab):
    origin = lab.origin(content=b"x")
    f5 = lab.f5(origin)
    client = lab.client(f5)
    client.get("/")
    client.close()
    wait_until(lambda: origin.connections[0].ended_by, "the connection to the target to end")


def test_target_that_closes_after_its_answer_closes_the_client_of_an_f5(lab):
    origin = lab.origin().on("/", behaviours.answer(b"bye", fields=[("Connection", "close")]))
    client = lab.client(lab.f5(origin))
    assert client.get("/").content == b"bye"
    assert client.wait_for_end()


def test_client_of_an_f5_goes_on_after_a_reload(lab):
    origin = lab.origin(content=b"x")
    f5 = lab.f5(origin, conf=ONE_WORKER)
    client = lab.client(f5)
    client.get("/")
    reload(f5)
    assert client.get("/").status == 200
    assert f5.stop() == 0


def test_an_origin_does_not_mind_that_its_connection_is_kept(lab):
    """Of the lab: what is idle for longer than the origin waits is closed, and nobody calls that a mistake."""
    origin = lab.origin(content=b"hello", deadline_s=0.2)
    edge = lab.hop(service_to(origin))
    assert lab.client(edge).get("/").content == b"hello"
    wait_until(lambda: all(connection.done for connection in origin.connections), "the origin to close it")
    assert origin.problems == []
