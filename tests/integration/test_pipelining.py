"""Pipelined requests: answered in order, one upstream at a time, however the bytes arrive."""
import threading

import pytest

from lab import behaviours
from lab.wire import Ended, head


def echo_target(connection, request):
    content = request.read_content()
    text = f"{request.target} {content.decode()}".encode()
    connection.send(head("HTTP/1.1 200 OK", [("Content-Length", str(len(text)))]) + text)


@pytest.fixture
def origin(lab):
    origin = lab.origin()
    origin.default = echo_target
    return origin


@pytest.mark.parametrize("tls", [False, True])
def test_ten_requests_in_one_write_are_answered_in_order(lab, origin, tls):
    client = lab.client(lab.edge(origin, tls=tls), tls=tls)
    client.send(b"".join(client.request_bytes("GET", f"/{number}") for number in range(10)))
    assert [client.read_response().text for _ in range(10)] == [f"/{number} " for number in range(10)]
    assert origin.targets() == [f"/{number}" for number in range(10)]


@pytest.mark.parametrize("tls", [False, True])
def test_requests_one_byte_at_a_time(lab, origin, tls):
    client = lab.client(lab.edge(origin, tls=tls), tls=tls)
    stream = client.request_bytes("GET", "/a") + client.request_bytes("POST", "/b", content=b"12345") + \
        client.request_bytes("PUT", "/c", [("Transfer-Encoding", "chunked")], b"3\r\nxyz\r\n0\r\n\r\n")
    for byte in stream:
        client.send(bytes([byte]))
    assert [client.read_response().text for _ in range(3)] == ["/a ", "/b 12345", "/c xyz"]


def test_the_request_behind_a_post_is_not_its_content(lab, origin):
    client = lab.client(lab.edge(origin))
    client.send(client.request_bytes("POST", "/first", content=b"abc") + client.request_bytes("GET", "/second"))
    assert [client.read_response().text for _ in range(2)] == ["/first abc", "/second "]


def test_second_request_waits_for_the_first_answer(lab, origin):
    gate = threading.Event()
    origin.on("/slow", behaviours.after(gate, behaviours.answer(b"slow")))
    edge = lab.edge(origin)
    client = lab.client(edge)
    client.send(client.request_bytes("GET", "/slow") + client.request_bytes("GET", "/fast"))
    origin.wait_for_requests(1)
    assert lab.client(edge).get("/other").status == 200  # the hop itself is not waiting
    assert "/fast" not in origin.targets()
    gate.set()
    assert [client.read_response().text for _ in range(2)] == ["slow", "/fast "]


def test_garbage_behind_a_request_ends_the_connection_after_the_answer(lab, origin):
    client = lab.client(lab.edge(origin))
    client.send(client.request_bytes("GET", "/good") + b"\x01\x02 garbage\r\n\r\n")
    assert client.read_response().text == "/good "
    assert client.read_response().status == 400
    assert client.wait_for_end() == "fin"
    assert origin.targets() == ["/good"]


def test_client_that_says_close_gets_no_further_answer(lab, origin):
    client = lab.client(lab.edge(origin))
    client.send(client.request_bytes("GET", "/last", [("Connection", "close")]) + client.request_bytes("GET", "/lost"))
    assert client.read_response().text == "/last "
    with pytest.raises(Ended):
        client.read_response()
    assert origin.targets() == ["/last"]

@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("size", [1000, 6000, 80_000, 150_000])
def test_client_that_resets_with_another_request_waiting_is_gone_at_once(lab, tls, size):
    """Nothing is read from it while its next request waits here, so the failing send is all that tells."""
    gate = threading.Event()
    origin = lab.origin().on("/gated", behaviours.after(gate, behaviours.answer(b"x" * size)))
    edge = lab.edge(origin, tls=tls, conf={"nginx_worker_processes": "1"})
    start = edge.fd_count()
    clients = [lab.client(edge, tls=tls) for _ in range(10)]
    for client in clients:
        client.send(client.request_bytes("GET", "/gated") * 3)
    origin.wait_for_requests(len(clients))
    for client in clients:
        client.reset()
    gate.set()
    assert {entry.reason for entry in edge.access_log.wait(len(clients))} == {"CLIENT_ABORTED"}
    for connection in origin.connections:
        connection.drop()
    edge.wait_fd_count(start)
    assert len(edge.access_log.entries()) == len(clients)
