"""Connections live as long as both sides of them want, and no longer."""
import json
import threading

import pytest

from lab import behaviours
from lab.lab import service_to
from lab.wire import Ended


def test_two_requests_share_both_connections(lab):
    origin = lab.origin(content=b"x")
    client = lab.client(lab.edge(origin))
    assert [client.get(path).status for path in ("/1", "/2")] == [200, 200]
    assert [request.number for request in origin.requests] == [1, 2]
    assert len(origin.connections) == 1


def test_connection_close_from_the_client_ends_it_after_the_response(lab):
    client = lab.client(lab.edge(lab.origin(content=b"bye")))
    answer = client.get("/", [("Connection", "close")])
    assert (answer.content, answer.fields.get("Connection")) == (b"bye", "close")
    assert client.wait_for_end() == "fin"


def test_connection_close_over_tls_ends_with_close_notify(lab):
    client = lab.client(lab.edge(lab.origin(content=b"bye"), tls=True), tls=True)
    assert client.get("/", [("Connection", "close")]).content == b"bye"
    assert client.wait_for_end() == "close_notify"


def test_http_1_0_closes_unless_asked(lab):
    edge = lab.edge(lab.origin(content=b"old"))
    client = lab.client(edge)
    client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    assert client.read_response().content == b"old"
    assert client.wait_for_end() == "fin"

    client = lab.client(edge)
    for _ in range(2):
        client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        answer = client.read_response()
        assert (answer.content, answer.fields.get("Connection")) == (b"old", "keep-alive")


def test_origin_that_closes_does_not_close_the_client(lab):
    origin = lab.origin().on("/", behaviours.answer(b"one", fields=[("Connection", "close")]))
    client = lab.client(lab.edge(origin))
    assert [client.get("/").content for _ in range(3)] == [b"one"] * 3
    assert [request.number for request in origin.requests] == [1, 1, 1]


def test_response_that_ends_with_the_connection_is_chunked_for_the_client(lab):
    origin = lab.origin().on("/", behaviours.answer(b"until close", framing="close"))
    client = lab.client(lab.edge(origin))
    for _ in range(2):
        answer = client.get("/")
        assert (answer.content, answer.framing) == (b"until close", "chunked")


def test_end_of_the_target_ends_the_response_to_an_http_1_0_client(lab):
    """The end comes when all content has long been sent: it adds no byte that would have to drain."""
    gate = threading.Event()

    def part_then_end(connection, request):
        connection.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\npart")
        connection.origin.wait_for(gate)
        behaviours.finish(connection, "close")

    edge = lab.edge(lab.origin().on("/", part_then_end))
    client = lab.client(edge)
    client.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
    client.read_until(b"part")
    gate.set()
    assert client.wait_for_end() == "fin"
    assert edge.access_log.last().status == 200


@pytest.mark.parametrize("persona", ["kong", "edge"])
def test_errors_made_here_keep_the_connection(lab, persona):
    hop = lab.kong(lab.refusing_port(), paths=["/dead"]) if persona == "kong" else \
        lab.edge(lab.refusing_port(), paths=["/dead"])
    client = lab.client(hop)
    assert [client.get(path).status for path in ("/dead", "/nowhere", "/dead")] == [502, 404, 502]


def test_error_made_here_keeps_the_connection_of_a_client_that_sent_everything(lab):
    """Content that nobody wants is taken off the connection when it has arrived in full."""
    kong = lab.kong(lab.origin(content=b"next"), paths=["/known"])
    client = lab.client(kong)
    client.send(client.request_bytes("POST", "/unknown", content=b"12345") + client.request_bytes("GET", "/known"))
    assert client.read_response().status == 404
    assert client.read_response().content == b"next"


def test_answer_before_the_whole_request_says_close(lab):
    """What is left of the request would stand where the next one begins."""
    def refuse(connection, request):
        connection.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
        behaviours.finish(connection, "hang")

    edge = lab.edge(lab.origin().on("/", refuse))
    client = lab.client(edge)
    client.send(client.request_bytes("POST", "/", [("Content-Length", "1000")]) + b"part")
    answer = client.read_response()
    assert (answer.status, answer.content, answer.fields.get("Connection")) == (401, b"no", "close")
    client.send(b"more of it")
    assert client.wait_for_end() == "fin"


def test_idle_client_is_closed_silently(lab):
    edge = lab.edge(lab.origin(), conf={"nginx_http_keepalive_timeout": "1s"})
    client = lab.client(edge)
    client.get("/")
    assert client.wait_for_end() == "fin"
    assert len(edge.access_log.wait(1)) == 1


def test_client_that_closes_between_requests_is_no_exchange(lab):
    edge = lab.edge(lab.origin())
    start = edge.fd_count()
    client = lab.client(edge)
    client.get("/")
    client.close()
    lab.origins[0].stop()
    edge.wait_fd_count(start)
    assert len(edge.access_log.wait(1)) == 1


def test_idle_upstream_connection_that_ends_is_not_used_again(lab):
    origin = lab.origin(content=b"fresh")
    client = lab.client(lab.edge(origin))
    client.get("/")
    origin.connections[0].drop()
    assert client.get("/").content == b"fresh"
    assert [request.number for request in origin.requests] == [1, 1]


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"HTTP/1.1 204 No Content\r\n\r\n"])
def test_upstream_connection_with_surplus_bytes_is_not_used_again(lab, head):
    """They would be the answer to the next client's request."""
    origin = lab.origin(content=b"mine").on("/", behaviours.raw(head + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"))
    edge = lab.edge(origin, conf={"nginx_worker_processes": "1"})
    client = lab.client(edge)
    assert client.get("/").status in (200, 204)
    assert client.get("/next").content == b"mine"
    assert [request.number for request in origin.requests] == [1, 1]
    # nginx without buffering: content that came with the head is looked at while that is read
    edge.error_log.wait_for("[warn]", "upstream sent more data than specified", "while reading response header from upstream")


def test_connections_of_different_clients_may_share_one_upstream_connection(lab):
    origin = lab.origin()
    edge = lab.edge(origin, conf={"nginx_worker_processes": "1"})
    for _ in range(5):
        client = lab.client(edge)
        client.get("/")
        client.close()
    assert [request.number for request in origin.requests] == [1, 2, 3, 4, 5]


def test_half_closed_client_is_an_abort_before_the_answer(lab):
    """The default: a client that ends its side while it waits has gone (499)."""
    origin = lab.origin().on("/", behaviours.hang())
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/"))
    origin.wait_for_requests(1)
    client.half_close()
    with pytest.raises(Ended):
        client.read_response()
    assert edge.access_log.last().status == 499


@pytest.mark.parametrize("status", [200, 502])
def test_half_closed_client_that_is_served_on_hears_that_this_was_all(lab, status):
    """Under a persona that takes FIN after a request for an end of requests only."""
    gate = threading.Event()
    late = behaviours.answer(b"late") if status == 200 else behaviours.close()
    origin = lab.origin().on("/slow", behaviours.after(gate, late))
    persona = lab.directory / "patient.json"
    persona.write_text(json.dumps({"extends": "edge", "name": "patient", "client": {"half_close": "continue"},
                                   "retry": {"policy": "none"}}))
    hop = lab.hop(service_to(origin), persona=persona, name="patient", conf={"nginx_worker_processes": "1"})
    client = lab.client(hop)
    client.send(client.request_bytes("GET", "/slow"))
    origin.wait_for_requests(1)
    client.half_close()
    lab.client(hop).get("/")  # the one worker has seen the end of the first connection, too
    gate.set()
    answer = client.read_response()
    assert (answer.status, answer.fields.get("Connection")) == (status, "close")
    assert client.wait_for_end() == "fin"
